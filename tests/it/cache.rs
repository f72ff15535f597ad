//! A run that looks at what changed alone says and writes what a run over everything does.

use crate::support::{Dice, Ran, Sandbox, say, seed};
use std::collections::{BTreeMap, BTreeSet};

/// A tenant as the test has it: what may be edited.
#[derive(Clone, Default)]
struct Spec {
    name: String,
    pods: u32,
    label: bool,
    egress: BTreeSet<String>,
    ingress: BTreeSet<String>,
    offers: bool,
    range: bool,
    hosts: BTreeSet<&'static str>,
    namespaces: BTreeSet<String>,
    group: Option<&'static str>,
    profile: bool,
    loosened: bool,
    stage: bool,
    file: bool,
    requires: bool,
}

impl Spec {
    fn new(name: &str) -> Self {
        let namespaces = BTreeSet::from([name.to_owned()]);
        Self {
            name: name.into(),
            pods: 10,
            namespaces,
            ..Self::default()
        }
    }

    fn text(&self) -> String {
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        let peers = |names: &BTreeSet<String>| {
            names
                .iter()
                .map(|n| format!("{{tenant: {n}}}"))
                .collect::<Vec<_>>()
        };
        let mut egress = peers(&self.egress);
        if self.range {
            egress.push("{cidr: 192.0.2.0/24}".into());
        }
        let labels = if self.label {
            ", labels: {tier: gold}"
        } else {
            ""
        };
        let mut out = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {}{labels}}}\nspec:\n  owners: [{{group: {}}}]\n  namespaces: {}\n  quota: {{pods: \"{}\"}}\n  network:\n    egress: {}\n    ingress: {}\n",
            self.name,
            self.group
                .map_or_else(|| format!("{}-admins", self.name), str::to_owned),
            list(
                self.namespaces
                    .iter()
                    .map(|n| format!("{{name: {n}}}"))
                    .collect()
            ),
            self.pods,
            list(egress),
            list(peers(&self.ingress)),
        );
        if self.offers {
            out.push_str(
                "    provides: [{port: 443, to: {tenantSelector: {matchLabels: {tier: gold}}}}]\n",
            );
        }
        if self.profile {
            out.push_str("  profile: linked\n");
        }
        if self.loosened {
            out.push_str("  podSecurity: {level: baseline}\n");
        }
        if !self.hosts.is_empty() {
            out.push_str(&format!(
                "  allow: {{ingressHosts: [{}]}}\n",
                self.hosts
                    .iter()
                    .map(|h| format!("\"{h}\""))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
        out.push_str(if self.stage {
            "  clusters: [prod, late]\n"
        } else {
            "  clusters: [prod]\n"
        });
        if self.file {
            out.push_str(&"  manifests: [../verbatim/NAME.yaml]\n".replace("NAME", &self.name));
        }
        if self.requires {
            out.push_str(
                "  requires: [{apiVersion: v1, kind: ConfigMap, namespace: t0, name: extra}]\n",
            );
        }
        out
    }
}

/// Everything that the two repositories are made of.
#[derive(Clone)]
struct Fleet {
    tenants: BTreeMap<String, Vec<Spec>>,
    key: u32,
    ranges: bool,
    capacity: bool,
    linked_to: usize,
    waivers: BTreeMap<String, &'static str>,
    broken: Option<String>,
    annotation: u32,
    template: bool,
    skipped: bool,
    shards: bool,
}

impl Fleet {
    fn new(count: usize) -> Self {
        let tenants = (0..count)
            .map(|i| {
                (
                    format!("tenants/t{i}.yaml"),
                    vec![Spec::new(&format!("t{i}"))],
                )
            })
            .collect();
        Self {
            tenants,
            key: 0,
            ranges: true,
            capacity: false,
            linked_to: 0,
            waivers: BTreeMap::new(),
            broken: None,
            annotation: 0,
            template: false,
            skipped: false,
            shards: false,
        }
    }

    fn files(&self) -> BTreeMap<String, String> {
        let ranges = "      podCIDRs: [10.0.0.0/16]\n      serviceCIDRs: [10.96.0.0/16]\n      nodeCIDRs: [192.168.0.0/24]\n      apiServer: [192.168.0.10/32]\n";
        let cluster = |name: &str| {
            let mut text = format!("    - name: {name}\n");
            if self.ranges {
                text.push_str(ranges);
            }
            if self.capacity {
                text.push_str("      capacity: {pods: \"115\"}\n");
            }
            text
        };
        let mut fleet = "apiVersion: tenantry.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\nspec:\n  tenantMetadata: {labels: [tier]}\n  sharedSubjects: [{group: sre}]\n".to_owned();
        if self.shards {
            fleet.push_str("  delivery: {unit: shard, shards: 2}\n");
        }
        fleet.push_str(&format!(
            "  labelKeys: {{tenant: [example.com/t{}]}}\n  clusters:\n",
            self.key
        ));
        fleet.push_str(&cluster("prod"));
        fleet.push_str(&cluster("late"));
        let profile = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {{name: linked}}\nspec:\n  extends: restricted\n  defaults:\n    quota: {{pods: \"5\"}}\n    network: {{egress: [{{tenant: t{}}}]}}\n",
            self.linked_to
        );
        let mut files = BTreeMap::from([
            ("tenants/fleet.yaml".to_owned(), fleet),
            ("tenants/profiles/linked.yaml".to_owned(), profile),
        ]);
        for name in self.tenants.values().flatten().map(|spec| &spec.name) {
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: extra, namespace: {name}, annotations: {{n: \"{}\"}}}}\n",
                self.annotation
            );
            files.insert(format!("verbatim/{name}.yaml"), text);
        }
        for (path, specs) in &self.tenants {
            files.insert(
                path.clone(),
                specs
                    .iter()
                    .map(Spec::text)
                    .collect::<Vec<_>>()
                    .join("---\n"),
            );
        }
        for (tenant, until) in &self.waivers {
            let text = format!(
                "apiVersion: tenantry.dev/v1alpha1\nkind: Waiver\nmetadata: {{name: {tenant}-psa}}\nspec:\n  tenant: {tenant}\n  rule: admission/pod-security-loosened\n  reason: an old image\n  approvedBy: sec\n  approvedAt: \"2026-11-01\"\n  expires: \"{until}\"\n"
            );
            files.insert(format!("tenants/waivers/{tenant}.yaml"), text);
        }
        if let Some(path) = &self.broken {
            files.insert(
                path.clone(),
                "apiVersion: tenantry.dev/v1alpha1\nkind: [\n".into(),
            );
        }
        if self.template {
            let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: motd, namespace: \"{{ namespace.name }}\"}\n";
            files.insert("templates/namespace/motd.yaml".into(), text.into());
        }
        if self.skipped {
            files.insert(
                "tenants/other.yaml".into(),
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n".into(),
            );
        }
        files
    }

    /// Whether nothing in it takes the cache out of use.
    fn is_plain(&self) -> bool {
        !self.capacity
            && self
                .tenants
                .values()
                .all(|specs| specs.len() == 1 && !specs[0].requires)
    }

    /// One edit, of any kind there is; what it was.
    fn edit(&mut self, dice: &mut Dice) -> String {
        let paths: Vec<String> = self.tenants.keys().cloned().collect();
        let at = dice.of(&paths).clone();
        let others: Vec<String> = paths.iter().filter(|path| **path != at).cloned().collect();
        let other = dice.of(&others).clone();
        let peer = self.tenants[&other][0].name.clone();
        let name = self.tenants[&at][0].name.clone();
        let spec = &mut self.tenants.get_mut(&at).expect("a tenant")[0];
        let flip = |set: &mut BTreeSet<String>, item: String| {
            if !set.remove(&item) {
                set.insert(item);
            }
        };
        let kind = dice.of(&(0..60).collect::<Vec<u32>>()).to_owned();
        match kind {
            0..6 => spec.pods += 1,
            6..8 => spec.label ^= true,
            11..18 => {
                // Both halves of an edge.
                flip(&mut spec.egress, peer.clone());
                flip(
                    &mut self.tenants.get_mut(&other).expect("a tenant")[0].ingress,
                    name.clone(),
                );
            }
            18..20 => flip(&mut spec.egress, peer.clone()),
            23 => flip(&mut spec.ingress, peer.clone()),
            24..28 => spec.offers ^= true,
            28 => spec.range ^= true,
            8..11 | 20..23 | 29..33 => {
                let host = *dice.of(&["a.example.com", "*.example.com", "c.example.org"]);
                if !spec.hosts.remove(host) {
                    spec.hosts.insert(host);
                }
            }
            33..36 => flip(
                &mut spec.namespaces,
                (*dice.of(&["x0", "x1", "x2", "t1"])).to_owned(),
            ),
            36..38 => spec.group = *dice.of(&[None, Some("sre"), Some("ops")]),
            38 => spec.profile ^= true,
            39 => spec.loosened ^= true,
            40 => spec.file ^= true,
            41 => spec.requires ^= true,
            42 => spec.name = dice.of(&[format!("{name}x"), peer.clone()]).clone(),
            43..46 => {
                let name = dice
                    .of(&["n0".to_owned(), "n1".into(), "n2".into(), peer.clone()])
                    .clone();
                self.tenants
                    .insert(format!("tenants/new-{name}.yaml"), vec![Spec::new(&name)]);
            }
            46 => drop(self.tenants.remove(&at)),
            47 => {
                let specs = self.tenants.remove(&at).expect("a tenant");
                self.tenants
                    .insert(at.replace("tenants/", "tenants/moved-"), specs);
            }
            48 => {
                let second = Spec::new(&format!("{name}-too"));
                self.tenants.get_mut(&at).expect("a tenant").push(second);
            }
            49 => self.key += 1,
            50 => self.ranges ^= true,
            51 => self.capacity ^= true,
            52 => spec.stage ^= true,
            53 => self.linked_to = (self.linked_to + 1) % 4,
            54 => {
                spec.loosened = !self.waivers.contains_key(&name);
                if self.waivers.remove(&name).is_none() {
                    self.waivers
                        .insert(name.clone(), *dice.of(&["2026-12-30", "2026-12-31"]));
                }
            }
            55 => {
                self.broken = if self.broken.is_some() {
                    None
                } else {
                    Some("tenants/broken.yaml".into())
                }
            }
            56 => self.annotation += 1,
            57 => self.template ^= true,
            58 => self.skipped ^= true,
            _ => spec.pods = 10,
        }
        format!("edit {kind} of {name} and {peer}")
    }
}

struct Pair {
    cached: Sandbox,
    whole: Sandbox,
    folder: tempfile::TempDir,
    there: BTreeMap<String, String>,
}

impl Pair {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            cached: Sandbox::new(),
            whole: Sandbox::new(),
            folder,
            there: BTreeMap::new(),
        }
    }

    fn lay(&mut self, files: BTreeMap<String, String>) {
        for sandbox in [&self.cached, &self.whole] {
            for path in self.there.keys().filter(|path| !files.contains_key(*path)) {
                std::fs::remove_file(sandbox.path().join(path)).expect("a file that was there");
            }
            for (path, text) in files
                .iter()
                .filter(|(path, text)| self.there.get(*path) != Some(text))
            {
                sandbox.write(path, text);
            }
        }
        self.there = files;
    }

    /// Brings both back to files of earlier.
    fn restore(&mut self, earlier: &BTreeMap<String, Vec<u8>>, inputs: BTreeMap<String, String>) {
        for sandbox in [&self.cached, &self.whole] {
            let now = sandbox.files();
            for path in now.keys().filter(|path| !earlier.contains_key(*path)) {
                std::fs::remove_file(sandbox.path().join(path)).expect("a file that is there");
            }
            for (path, bytes) in earlier
                .iter()
                .filter(|(path, bytes)| now.get(*path) != Some(bytes))
            {
                sandbox.write(path, bytes);
            }
        }
        self.there = inputs;
    }

    /// The same run in both; how many tenants the cached one looked at, where that was not all.
    fn run(&self, args: &[&str], day: &str) -> (Ran, Option<usize>) {
        let args = [args, &["--verbose", "--now", day]].concat();
        let command = |sandbox: &Sandbox| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tenantry"));
            for (name, _) in std::env::vars_os()
                .filter(|(name, _)| name.to_string_lossy().starts_with("TENANTRY_"))
            {
                command.env_remove(name);
            }
            command
                .current_dir(sandbox.path())
                .args(&args)
                .env("COLUMNS", "200");
            command
        };
        let cached = Ran::of(
            command(&self.cached)
                .env("TENANTRY_CACHE_DIR", self.folder.path())
                .output()
                .expect("starts"),
        );
        let whole = Ran::of(
            command(&self.whole)
                .env("TENANTRY_NO_CACHE", "1")
                .output()
                .expect("starts"),
        );
        let (said, err): (Vec<&str>, Vec<&str>) = cached
            .err
            .lines()
            .partition(|line| line.starts_with("looked at: "));
        let read = said
            .first()
            .and_then(|line| line.split(' ').nth(2)?.parse().ok());
        assert_eq!(
            (cached.code, &cached.out, err.join("\n")),
            (whole.code, &whole.out, whole.err.trim_end().to_owned()),
            "{args:?}"
        );
        let (a, b) = (self.cached.files(), self.whole.files());
        let differ: Vec<&String> = a
            .keys()
            .chain(b.keys())
            .filter(|path| a.get(*path) != b.get(*path))
            .collect();
        assert!(differ.is_empty(), "{args:?}: {differ:?} differ");
        (whole, read)
    }
}

#[test]
fn what_changed_alone_says_what_everything_says() {
    let seed = seed();
    let steps: usize = std::env::var("TENANTRY_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(150);
    let mut dice = Dice(seed);
    let mut pair = Pair::new();
    let mut fleet = Fleet {
        shards: *dice.of(&[true, false]),
        ..Fleet::new(9)
    };
    pair.lay(fleet.files());
    pair.run(&["render"], "2026-11-22");
    let mut sound = (fleet.clone(), pair.whole.files());
    let (mut quick, mut clean) = (0, 0);
    for step in 0..steps {
        let what = fleet.edit(&mut dice);
        let files = fleet.files();
        pair.lay(files);
        // Somebody's hand in the tree, the same in both.
        let tree = [&pair.cached, &pair.whole];
        if *dice.of(&(0..15).collect::<Vec<u32>>()) == 0 && pair.cached.has("tenantry.lock") {
            let rendered: Vec<String> = pair
                .cached
                .files()
                .into_keys()
                .filter(|p| p.starts_with("rendered/"))
                .collect();
            let path = dice.of(&rendered).clone();
            let text = pair.cached.read(&path);
            let lock = pair.cached.read("tenantry.lock");
            let how = *dice.of(&[0, 1, 1, 2, 3, 4]);
            for sandbox in tree {
                match how {
                    0 => sandbox.write(&path, text.replace("kind: ", "kind:  ")),
                    1 => sandbox.write(&path, text.replacen("\"group/", "\"group/z", 1)),
                    2 => std::fs::remove_file(sandbox.path().join(&path)).expect("a file"),
                    3 => sandbox.write("rendered/prod/stray.yaml", "a: b\n"),
                    _ => sandbox.write(
                        "tenantry.lock",
                        lock.replace("\"tool\":\"0.1.0\"", "\"tool\":\"0.0.9\""),
                    ),
                }
            }
        }
        let day = *dice.of(&["2026-11-22", "2026-11-22", "2026-11-22", "2027-01-05"]);
        let (check, render, compare) =
            (&["check"][..], &["render"][..], &["render", "--check"][..]);
        let command = *dice.of(&[
            check,
            check,
            check,
            render,
            render,
            render,
            compare,
            &["check", "--format", "json"],
        ]);
        let result = std::panic::catch_unwind(|| pair.run(command, day));
        let Ok((ran, read)) = result else {
            panic!("TENANTRY_SEED={seed}, step {step}: {what}, then {command:?} on {day}");
        };
        if std::env::var_os("TENANTRY_SHOW").is_some() {
            say(&format!(
                "{step}: {what}, {command:?}: {read:?}\n{}",
                ran.all()
            ));
        }
        quick += usize::from(read.is_some());
        let silent = ran.err.contains("0 errors, 0 warnings, 0 notes");
        clean += usize::from(silent);
        if silent && command == render && fleet.is_plain() {
            sound = (fleet.clone(), pair.whole.files());
        }
        // Mostly what is wrong, or takes the cache out of use, is taken back.
        if !(silent && fleet.is_plain()) && *dice.of(&[true, true, true, false]) {
            fleet = sound.0.clone();
            pair.restore(&sound.1, fleet.files());
        }
    }
    say(&format!(
        "cache: {steps} edits (seed {seed}): {quick} looked at what changed alone, {clean} had nothing to say"
    ));
    assert!(quick * 10 > steps, "{quick} of {steps}");
}

/// What a tenant that is as it was still depends on.
#[test]
fn what_is_settled_depends_on_what_all_share() {
    type Edit = fn(&mut Fleet);
    fn spec(fleet: &mut Fleet, index: usize) -> &mut Spec {
        &mut fleet
            .tenants
            .get_mut(&format!("tenants/t{index}.yaml"))
            .expect("a tenant")[0]
    }
    const DAY: &str = "2026-11-22";
    // What is there from the beginning, rendered; what was checked since; then an edit, a day, and
    // what is found.
    let cases: [(Edit, Option<Edit>, Edit, &str, &str); 6] = [
        (
            |fleet| {
                spec(fleet, 1).loosened = true;
                fleet.waivers.insert("t1".into(), "2026-12-30");
            },
            None,
            |_| {},
            "2027-01-05",
            "tenancy/waiver-expired",
        ),
        (
            |fleet| fleet.capacity = true,
            None,
            |fleet| spec(fleet, 1).pods = 90,
            DAY,
            "resources/over-promised",
        ),
        (
            |fleet| {
                spec(fleet, 0).file = true;
                spec(fleet, 1).requires = true;
            },
            None,
            |fleet| spec(fleet, 0).file = false,
            DAY,
            "bundle/required-missing",
        ),
        (
            |_| {},
            Some(|fleet| {
                spec(fleet, 0).hosts.insert("a.example.com");
            }),
            |fleet| {
                spec(fleet, 1).hosts.insert("*.example.com");
            },
            DAY,
            "tenancy/claimed-twice",
        ),
        (
            |fleet| {
                spec(fleet, 0).egress.insert("t1".into());
                spec(fleet, 1).ingress.insert("t0".into());
            },
            None,
            |fleet| {
                spec(fleet, 1).ingress.remove("t0");
            },
            DAY,
            "network/one-sided-edge",
        ),
        (
            |fleet| {
                spec(fleet, 0).egress.insert("t1".into());
                spec(fleet, 0).label = true;
                spec(fleet, 1).offers = true;
            },
            None,
            |fleet| spec(fleet, 0).label = false,
            DAY,
            "network/one-sided-edge",
        ),
    ];
    for (begin, checked, edit, day, rule) in cases {
        let mut pair = Pair::new();
        let mut fleet = Fleet::new(4);
        begin(&mut fleet);
        pair.lay(fleet.files());
        let cached = fleet.is_plain();
        let (first, _) = pair.run(&["render"], DAY);
        assert!(
            first.err.contains("0 errors, 0 warnings, 0 notes"),
            "{rule}: {}",
            first.all()
        );
        let (_, read) = pair.run(&["check"], DAY);
        assert_eq!(
            read.is_some(),
            cached,
            "{rule}: whether the cache is of use"
        );
        if let Some(more) = checked {
            more(&mut fleet);
            pair.lay(fleet.files());
            let (then, _) = pair.run(&["check"], DAY);
            assert!(
                then.err.contains("0 errors, 0 warnings, 0 notes"),
                "{rule}: {}",
                then.all()
            );
        }
        edit(&mut fleet);
        pair.lay(fleet.files());
        let (last, _) = pair.run(&["check"], day);
        assert!(last.out.contains(rule), "{rule}: {}", last.all());
    }
}

/// A cache that was cut short or spoilt, or is of another program or tree, is as none.
#[test]
fn a_cache_that_is_spoilt_is_none() {
    let mut pair = Pair::new();
    pair.lay(Fleet::new(5).files());
    pair.run(&["render"], "2026-11-22");
    let read = |pair: &Pair| pair.run(&["check"], "2026-11-22").1;
    assert_eq!(read(&pair), Some(0));
    let file = std::fs::read_dir(pair.folder.path())
        .expect("a folder")
        .next()
        .expect("a file")
        .expect("an entry")
        .path();
    let good = std::fs::read(&file).expect("a cache");
    for length in [0, 10, good.len() / 2, good.len() - 1] {
        std::fs::write(&file, &good[..length]).expect("a file");
        assert_eq!(read(&pair), None, "{length} bytes");
        pair.run(&["render"], "2026-11-22");
        assert_eq!(read(&pair), Some(0));
    }
    let text = String::from_utf8(good.clone()).expect("a text");
    let (_, json) = text.split_once('\n').expect("a head");
    std::fs::write(&file, text.replacen("\"t0\"", "\"t9\"", 1)).expect("a file");
    assert_eq!(read(&pair), None, "another content under the old digest");
    let signed = |json: &str| {
        format!(
            "tenantry cache {}\n{json}",
            blake3::hash(json.as_bytes()).to_hex()
        )
    };
    std::fs::write(&file, signed(json)).expect("a file");
    assert_eq!(read(&pair), Some(0));
    for (field, other) in [
        ("base", "\"0\""),
        ("tree", "\"0\""),
        ("day", "\"2026-11-21\""),
        ("more", "1"),
    ] {
        let mut state: serde_json::Value = serde_json::from_str(json).expect("JSON");
        state[field] = serde_json::from_str(other).expect("JSON");
        std::fs::write(&file, signed(&state.to_string())).expect("a file");
        assert_eq!(
            read(&pair),
            if field == "more" { Some(0) } else { None },
            "{field}"
        );
    }
    std::fs::remove_file(&file).expect("a file");
    std::fs::create_dir(&file).expect("a folder in its place");
    assert_eq!(read(&pair), None, "a folder");
    std::fs::remove_dir(&file).expect("a folder");
    // Where nothing can be kept, nothing is said of it.
    std::fs::remove_dir_all(pair.folder.path()).expect("a folder");
    std::fs::write(pair.folder.path(), "").expect("a file where the folder was");
    assert_eq!(read(&pair), None);
    std::fs::remove_file(pair.folder.path()).expect("a file");
}

/// What stands in a record is not believed of another tenant: whoever writes a pull request could
/// write it.
#[test]
fn a_record_that_claims_what_another_has_is_no_proof() {
    let mut pair = Pair::new();
    let mut fleet = Fleet::new(4);
    fleet.tenants.get_mut("tenants/t1.yaml").expect("a tenant")[0]
        .hosts
        .insert("a.example.com");
    pair.lay(fleet.files());
    pair.run(&["render"], "2026-11-22");
    let path = "rendered/prod/tenants/t0/t0.yaml";
    let forged = pair.whole.read(path).replacen(
        "\"group/t0-admins\"",
        "\"group/t0-admins\",\"host/a.example.com\"",
        1,
    );
    for sandbox in [&pair.cached, &pair.whole] {
        sandbox.write(path, &forged);
    }
    pair.run(&["check"], "2026-11-22");
    fleet.tenants.get_mut("tenants/t2.yaml").expect("a tenant")[0]
        .hosts
        .insert("a.example.com");
    pair.lay(fleet.files());
    let (ran, _) = pair.run(&["check"], "2026-11-22");
    assert!(ran.out.contains("tenancy/claimed-twice"), "{}", ran.all());
}

/// A tenant whose records do not say what it has is looked at each time: here by a template that
/// leaves the Namespace out.
#[test]
fn what_no_record_says_is_not_settled() {
    let mut pair = Pair::new();
    let mut fleet = Fleet::new(4).files();
    fleet.insert(
        "tenants/t1.yaml".into(),
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: t1}\nspec:\n  clusters: [prod]\n  owners: [{serviceAccount: {namespace: shared, name: bot}}]\n  namespaces: [{name: shared}]\n  compat: {fluxCreateTenant: true}\n".into(),
    );
    fleet.insert(
        "tenants/waivers/t1.yaml".into(),
        "apiVersion: tenantry.dev/v1alpha1\nkind: Waiver\nmetadata: {name: t1}\nspec:\n  tenant: t1\n  rule: bundle/flux-create-tenant\n  reason: moves\n  approvedBy: sec\n  approvedAt: \"2026-11-01\"\n  expires: \"2026-12-30\"\n".into(),
    );
    for (path, text) in tenantry::bundle::builtin_templates()
        .into_iter()
        .filter(|(path, _)| path.starts_with("compat/"))
    {
        let rest = text
            .split_inclusive("---\n")
            .filter(|part| !part.contains("kind: Namespace\n"))
            .collect::<String>();
        fleet.insert(format!("templates/{path}"), rest);
    }
    pair.lay(fleet.clone());
    let (first, _) = pair.run(&["render"], "2026-11-22");
    let second = Spec {
        namespaces: ["t2", "shared"].map(str::to_owned).into(),
        ..Spec::new("t2")
    };
    fleet.insert("tenants/t2.yaml".into(), second.text());
    pair.lay(fleet);
    let (ran, _) = pair.run(&["check"], "2026-11-22");
    assert!(
        first.code == 0 && ran.out.contains("tenancy/claimed-twice"),
        "{}\n{}",
        first.all(),
        ran.all()
    );
    pair.run(&["render"], "2026-11-22");
}

/// A cache within the repository is none: it comes with a pull request.
#[test]
fn a_cache_in_the_repository_is_not_read() {
    let mut pair = Pair::new();
    pair.lay(Fleet::new(3).files());
    let run = |folder: &str, args: &[&str]| {
        let mut command = pair.cached.command(args);
        Ran::of(
            command
                .env("TENANTRY_CACHE_DIR", folder)
                .arg("-v")
                .output()
                .expect("starts"),
        )
    };
    for folder in ["inside", "rendered/prod", "."] {
        assert!(
            run(folder, &["render"])
                .err
                .contains("no cache is kept in the repository"),
            "{folder}"
        );
        assert!(
            !run(folder, &["check"]).err.contains("looked at"),
            "{folder}"
        );
        assert!(!pair.cached.has("inside"));
    }
    // Set to nothing, it is not set; without a home there is none.
    let mut command = pair.cached.command(&["check"]);
    let nowhere = command
        .env("TENANTRY_CACHE_DIR", "")
        .env("HOME", "inside")
        .env("XDG_CACHE_HOME", "inside");
    Ran::of(nowhere.output().expect("starts")).code(0);
    assert!(!pair.cached.has("inside"));
}

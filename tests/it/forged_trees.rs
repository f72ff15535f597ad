//! Changes whose author can write specs, rendered files, records and the lock together, and what the
//! runs of docs/ci.md say of them.

use crate::support::{FLEET, Ran, Sandbox, tenant};
use std::collections::BTreeMap;
use std::fs;

/// The check that compares a change with the target branch.
const GATE: [&str; 4] = ["render", "--check", "--since", "HEAD"];

/// The tenants of the repository.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A repository whose last commit is a rendered fleet of three tenants. A fourth was removed, and one
/// of them lost a namespace.
fn repository() -> Sandbox {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    for name in NAMES {
        sandbox.write(&format!("tenants/{name}.yaml"), tenant(name, ""));
    }
    sandbox.write("tenants/old.yaml", tenant("old", ""));
    let more = tenant("c", "").replace("[{name: c}]", "[{name: c}, {name: c-jobs}]");
    sandbox.write("tenants/c.yaml", more);
    sandbox.run(&["render"]).code(0);

    remove(&sandbox, "tenants/old.yaml");
    sandbox.write("tenants/c.yaml", tenant("c", ""));
    let removal = ["render", "--allow-removal", "old", "--allow-removal", "c"];
    sandbox.run(&removal).code(0);
    assert_eq!(sandbox.read("tenantry.lock").lines().count(), 3);
    commit(&sandbox);
    sandbox.run(&GATE).code(0);
    sandbox
}

fn commit(sandbox: &Sandbox) {
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "x"]] {
        sandbox.git(args).code(0);
    }
}

fn remove(sandbox: &Sandbox, path: &str) {
    fs::remove_file(sandbox.path().join(path)).expect("removed");
}

/// Takes every change back.
fn restore(sandbox: &Sandbox) {
    sandbox.git(&["reset", "-q", "--hard"]).code(0);
    sandbox.git(&["clean", "-qfdx"]).code(0);
}

/// Fails unless the gate refuses the change with an error.
#[track_caller]
fn refused(sandbox: &Sandbox, what: &str) -> Ran {
    let ran = sandbox.run(&GATE);
    assert_eq!(ran.code, 1, "{what}: {}", ran.all());
    assert!(ran.out.contains("error["), "{what}: {}", ran.all());
    ran
}

/// A tree and a lock that agree with the specs, as if nothing had been rendered before.
#[track_caller]
fn forge(sandbox: &Sandbox, what: &str) {
    fs::remove_dir_all(sandbox.path().join("rendered")).expect("removed");
    fs::remove_dir_all(sandbox.path().join("clusters")).expect("removed");
    remove(sandbox, "tenantry.lock");
    let ran = sandbox.run(&["render"]);
    assert_eq!(ran.code, 0, "{what}: {}", ran.all());
    let ran = sandbox.run(&["render", "--check"]);
    assert_eq!(ran.code, 0, "{what}: {}", ran.all());
}

/// The files of the tree, by the text that tells their kind: the path without the tenant's name.
fn tree_files(sandbox: &Sandbox) -> Vec<String> {
    let files = sandbox.files().into_keys();
    let of_tree = |path: &String| path.starts_with("rendered/") || path.starts_with("clusters/");
    files.filter(of_tree).collect()
}

/// An object that a tenant may not have.
const EVIL: &str = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
                    metadata: {name: evil}\n";

/// A file whose record is true of its bytes.
fn with_true_record(text: &str) -> String {
    let mut lines = text.splitn(3, '\n');
    let (head, record) = (
        lines.next().expect("a head"),
        lines.next().expect("a record"),
    );
    let body = lines.next().expect("a body");
    let digest = blake3::hash(format!("{head}\n{body}").as_bytes()).to_hex();
    let start = record.find("\"digest\":\"").expect("a digest") + "\"digest\":\"".len();
    let mut record = record.to_owned();
    record.replace_range(start..start + 32, &digest[..32]);
    format!("{head}\n{record}\n{body}")
}

#[test]
fn every_file_of_the_tree_is_held_against_the_revision() {
    let sandbox = repository();
    let files = tree_files(&sandbox);
    assert!(files.len() >= 8, "{files:?}");

    for path in &files {
        let text = sandbox.read(path);
        remove(&sandbox, path);
        refused(&sandbox, &format!("removed {path}"));

        sandbox.write(path, with_true_record(&format!("{text}{EVIL}")));
        refused(&sandbox, &format!("changed {path}"));

        // The same file of another tenant.
        for (from, to) in [("a", "b"), ("b", "a"), ("a", "evil"), ("prod", "more")] {
            let other = path.replace(&format!("/{from}/"), &format!("/{to}/"));
            let other = other.replace(&format!("{from}.yaml"), &format!("{to}.yaml"));
            // Files beside the tree are not compared: CODEOWNERS protects their folder.
            if other == *path || !path.starts_with("rendered/") {
                continue;
            }
            restore(&sandbox);
            sandbox.write(&other, &text);
            refused(&sandbox, &format!("{path} as {other}"));
            let renamed = text.replace(path.as_str(), &other);
            let renamed = renamed.replace(
                &format!("\"tenant\":\"{from}\""),
                &format!("\"tenant\":\"{to}\""),
            );
            sandbox.write(&other, with_true_record(&renamed));
            refused(&sandbox, &format!("{path} as {other}, with a record"));
        }
        restore(&sandbox);
    }
    sandbox.run(&GATE).code(0);
}

/// What a lock may be changed to.
fn locks(lock: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    all.insert("an empty lock".to_owned(), String::new());
    let lines: Vec<&str> = lock.lines().collect();

    for (at, line) in lines.iter().enumerate() {
        let with = |other: Option<&str>| {
            let mut changed: Vec<&str> = lines.clone();
            match other {
                Some(other) => changed[at] = other,
                None => _ = changed.remove(at),
            }
            changed.join("\n") + "\n"
        };
        all.insert(format!("without {line}"), with(None));

        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for (key, field) in value.as_object().expect("an object") {
            let others: Vec<serde_json::Value> = match field {
                serde_json::Value::Array(_) => {
                    vec![serde_json::json!([]), serde_json::json!(["a"])]
                }
                serde_json::Value::Number(_) => vec![7.into()],
                _ if key == "unit" => vec!["shard".into()],
                _ => vec!["../../x".into(), "b".into(), "".into()],
            };
            for other in others {
                let mut changed = value.clone();
                changed[key] = other.clone();
                all.insert(
                    format!("{key} is {other} in {line}"),
                    with(Some(&changed.to_string())),
                );
            }
        }
    }

    for name in ["a", "b/b", "nobody"] {
        let tombstone =
            serde_json::json!({"tombstone": name, "on": "prod", "namespaces": ["zz"]}).to_string();
        all.insert(
            format!("a tombstone of {name}"),
            format!("{lock}{tombstone}\n"),
        );
    }
    let more = lines[0].replace("\"cluster\":\"prod\"", "\"cluster\":\"more\"");
    all.insert("a cluster more".to_owned(), format!("{more}\n{lock}"));
    all
}

#[test]
fn every_line_of_the_lock_is_held_against_the_revision() {
    let sandbox = repository();
    let lock = sandbox.read("tenantry.lock");
    let changed = locks(&lock);
    assert!(changed.len() > 30, "{}", changed.len());
    for (what, text) in &changed {
        assert_ne!(*text, lock, "{what}");
        sandbox.write("tenantry.lock", text);
        refused(&sandbox, what);
    }

    remove(&sandbox, "tenantry.lock");
    let ran = refused(&sandbox, "no lock");
    assert!(ran.out.contains("tree/unexplained-change"), "{}", ran.out);
    assert!(
        ran.out.contains("the tombstone of `c/c-jobs` on `prod`"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("the tombstone of `old` on `prod`"),
        "{}",
        ran.out
    );
}

/// The files of a change: the text of each, or `None` for one that is deleted.
type ChangedFiles = Vec<(String, Option<String>)>;

/// What a change can do to the specs of two tenants, and then render anew from nothing.
fn takeovers(own: &str, other: &str) -> Vec<(String, ChangedFiles)> {
    let file = |name: &str| format!("tenants/{name}.yaml");
    let with = |name: &str, namespaces: &str| {
        let text = tenant(name, "").replace(&format!("[{{name: {name}}}]"), namespaces);
        Some(text)
    };
    let both = format!("[{{name: {own}}}, {{name: {other}}}]");
    vec![
        (format!("{other} is deleted"), vec![(file(other), None)]),
        (
            format!("{other} is deleted, and {own} claims its namespace"),
            vec![(file(other), None), (file(own), with(own, &both))],
        ),
        (
            format!("{other} is deleted, and a new tenant claims its namespace"),
            vec![
                (file(other), None),
                (file("new"), with("new", &format!("[{{name: {other}}}]"))),
            ],
        ),
        (
            format!("{other} is renamed"),
            vec![
                (file(other), None),
                (
                    file("new"),
                    Some(tenant(other, "").replace(
                        &format!("metadata: {{name: {other}}}"),
                        "metadata: {name: new}",
                    )),
                ),
            ],
        ),
        (
            format!("{own} and {other} swap their namespaces"),
            vec![
                (file(own), with(own, &format!("[{{name: {other}}}]"))),
                (file(other), with(other, &format!("[{{name: {own}}}]"))),
            ],
        ),
        (
            format!("{own} takes the namespace of {other}, which takes another"),
            vec![
                (file(own), with(own, &both)),
                (file(other), with(other, "[{name: elsewhere}]")),
            ],
        ),
        (
            format!("{own} takes the namespace of a removed tenant"),
            vec![(
                file(own),
                with(own, &format!("[{{name: {own}}}, {{name: old}}]")),
            )],
        ),
        (
            format!("{own} takes a namespace that was removed from another"),
            vec![(file("b"), with("b", "[{name: b}, {name: c-jobs}]"))],
        ),
        (
            "a removed name is used again".to_owned(),
            vec![(file("old"), Some(tenant("old", "")))],
        ),
        (
            format!("{own} takes over a namespace without an owner"),
            vec![(
                file(own),
                with(
                    own,
                    &format!("[{{name: {own}}}, {{name: metrics, adopt: true}}]"),
                ),
            )],
        ),
    ]
}

#[test]
fn a_tree_that_agrees_with_its_specs_is_held_against_the_revision() {
    let sandbox = repository();
    for own in NAMES {
        for other in NAMES.into_iter().filter(|other| *other != own) {
            for (what, specs) in takeovers(own, other) {
                for (path, text) in specs {
                    match text {
                        Some(text) => sandbox.write(&path, text),
                        None => remove(&sandbox, &path),
                    }
                }
                forge(&sandbox, &what);
                refused(&sandbox, &what);
                restore(&sandbox);
            }
        }
    }
}

/// What concerns the whole fleet, each rendered anew from nothing.
#[test]
fn a_fleet_that_is_rendered_anew_is_held_against_the_revision() {
    let sandbox = repository();
    let fleets = [
        (
            "another unit",
            format!("{FLEET}  delivery: {{unit: shard, shards: 4}}\n"),
        ),
        (
            "another cluster",
            FLEET.replace("name: prod", "name: other"),
        ),
    ];
    for (what, fleet) in fleets {
        sandbox.write("tenants/fleet.yaml", fleet);
        forge(&sandbox, what);
        refused(&sandbox, what);
        restore(&sandbox);
    }
}

/// A cluster that the fleet no longer has: its files and its line stay, unless the workflow allows
/// that it goes.
#[test]
fn a_cluster_that_the_fleet_lacks_stays_as_it_is() {
    let sandbox = repository();
    sandbox.write("tenants/fleet.yaml", format!("{FLEET}    - name: more\n"));
    for name in NAMES {
        sandbox.write(
            &format!("tenants/{name}.yaml"),
            tenant(name, "  clusters: [prod]\n"),
        );
    }
    sandbox.write("tenants/d.yaml", tenant("d", "  clusters: [more]\n"));
    sandbox.run(&["render"]).code(0);
    sandbox.run(&GATE).code(0);
    commit(&sandbox);

    let gone = || {
        sandbox.write("tenants/fleet.yaml", FLEET);
        remove(&sandbox, "tenants/d.yaml");
        for name in NAMES {
            sandbox.write(&format!("tenants/{name}.yaml"), tenant(name, ""));
        }
        sandbox.run(&["render"]).code(0);
    };
    gone();
    sandbox.run(&GATE).code(0);

    let d = "rendered/more/tenants/d/d.yaml";
    sandbox.write(d, with_true_record(&format!("{}{EVIL}", sandbox.read(d))));
    refused(&sandbox, "a file of it changed");
    remove(&sandbox, d);
    refused(&sandbox, "a file of it is gone");
    restore(&sandbox);
    gone();
    sandbox.write("rendered/more/tenants/d/evil.yaml", EVIL);
    let ran = refused(&sandbox, "a file more");
    let added = ran.out.contains("remove it from the tree's folder");
    assert!(added, "{}", ran.out);

    fs::remove_dir_all(sandbox.path().join("rendered/more")).expect("removed");
    fs::remove_dir_all(sandbox.path().join("clusters/more")).expect("removed");
    let lock = sandbox.read("tenantry.lock");
    let lines = lock
        .lines()
        .filter(|line| !line.contains("\"cluster\":\"more\""));
    sandbox.write(
        "tenantry.lock",
        lines.map(|line| format!("{line}\n")).collect::<String>(),
    );
    let ran = refused(&sandbox, "it is gone");
    assert!(
        ran.out.contains("--allow-cluster-removal more"),
        "{}",
        ran.out
    );
    let mut allowed = GATE.to_vec();
    allowed.extend(["--allow-cluster-removal", "more"]);
    sandbox.run(&allowed).code(0);
}

/// A change that a render makes passes.
#[test]
fn an_honest_change_passes() {
    let sandbox = repository();
    let rendered = |more: &[&str]| {
        let mut render = vec!["render"];
        render.extend(more);
        sandbox.run(&render).code(0);
        sandbox.run(&["render", "--check"]).code(0);
        let mut gate = GATE.to_vec();
        gate.extend(more);
        sandbox.run(&gate).code(0);
    };
    sandbox.write("tenants/new.yaml", tenant("new", ""));
    rendered(&[]);
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: \"3\"}\n"));
    rendered(&[]);
    // A tenant's file may be renamed.
    fs::rename(
        sandbox.path().join("tenants/b.yaml"),
        sandbox.path().join("tenants/team.yaml"),
    )
    .expect("renamed");
    rendered(&[]);
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  delivery: {{entry: \"flux/{{{{ cluster }}}}.yaml\"}}\n"),
    );
    rendered(&[]);
    restore(&sandbox);

    remove(&sandbox, "tenants/a.yaml");
    rendered(&["--allow-removal", "a"]);
    let ran = refused(&sandbox, "a removal that the workflow does not allow");
    assert!(
        ran.out.contains("lifecycle/unretired-removal"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("tenantry render --check --since HEAD --allow-removal a"),
        "{}",
        ran.out
    );

    // What may go still leaves its tombstone, so that nobody takes its names with it.
    let mut allowed = GATE.to_vec();
    allowed.extend(["--allow-removal", "a"]);
    sandbox.write(
        "tenants/thief.yaml",
        tenant("thief", "").replace("[{name: thief}]", "[{name: a}]"),
    );
    forge(&sandbox, "a theft of what may go");
    sandbox.run(&allowed).code(1);
    restore(&sandbox);
}

/// The workflow may free the name of a removed tenant, and allow an adoption.
#[test]
fn the_workflow_allows_what_the_change_cannot() {
    let sandbox = repository();
    let lock = sandbox.read("tenantry.lock");
    let kept = lock
        .lines()
        .filter(|line| !line.contains("\"tombstone\":\"old\""));
    sandbox.write(
        "tenantry.lock",
        kept.map(|line| format!("{line}\n")).collect::<String>(),
    );
    refused(&sandbox, "a tombstone is gone");
    let allowed = |more: &[&str]| {
        let mut gate = GATE.to_vec();
        gate.extend(more);
        sandbox.run(&gate)
    };
    allowed(&["--allow-removal", "old"]).code(0);
    allowed(&["--allow-removal", "c"]).code(1);
    sandbox.write("tenants/old.yaml", tenant("old", ""));
    sandbox.run(&["render"]).code(0);
    allowed(&["--allow-removal", "old"]).code(0);
    restore(&sandbox);

    let adopting = tenant("a", "").replace("[{name: a}]", "[{name: a}, {name: x, adopt: true}]");
    sandbox.write("tenants/a.yaml", adopting);
    sandbox.run(&["render"]).code(0);
    let ran = refused(&sandbox, "an adoption");
    assert!(
        ran.out.contains("lifecycle/unapproved-adoption"),
        "{}",
        ran.out
    );
    allowed(&["--allow-adoption", "b"]).code(1);
    allowed(&["--allow-adoption", "a"]).code(0);
    commit(&sandbox);
    sandbox.run(&GATE).code(0);
}

#[test]
fn a_first_render_says_that_it_is_compared_with_nothing() {
    let sandbox = Sandbox::with(&[("README.md", "")]);
    commit(&sandbox);
    sandbox.write("tenants/fleet.yaml", FLEET);
    let adopting = tenant("a", "").replace("{name: a}]", "{name: a, adopt: true}]");
    sandbox.write("tenants/a.yaml", adopting);
    sandbox.run(&["render"]).code(0);
    let ran = sandbox.run(&GATE).code(0);
    assert!(ran.out.contains("note[tree/first-render]"), "{}", ran.all());
}

/// The text of the code block of a page that follows a line.
fn block<'t>(page: &'t str, after: &str) -> &'t str {
    let rest = page
        .split_once(after)
        .unwrap_or_else(|| panic!("{after}"))
        .1;
    let rest = rest.split_once("```").expect("a block").1;
    let rest = rest.split_once('\n').expect("a line").1;
    rest.split_once("```").expect("an end").0
}

/// What a change can do to one file.
fn changes_of(path: &str, text: &str) -> Vec<(String, Option<String>)> {
    let more = match path.ends_with(".yaml") {
        // Documents of others in a tenant's file are applied by nobody.
        true if text.contains("kind: Tenant") => {
            text.replace("spec:", "spec:\n  quota: {pods: \"7\"}")
        }
        true => format!("{text}{EVIL}"),
        false => format!("{text}*\n"),
    };
    let mut all = vec![
        ("removed".to_owned(), None),
        ("changed".to_owned(), Some(more)),
    ];
    let swapped = text
        .replace("name: a}", "name: swap}")
        .replace("name: b}", "name: a}");
    let swapped = swapped.replace("name: swap}", "name: b}");
    if swapped != text {
        all.push(("swapped".to_owned(), Some(swapped)));
    }
    all
}

/// The runs of docs/ci.md, and the files that its CODEOWNERS protects: each change of a file is refused
/// by a run, or is in a protected file.
#[test]
fn the_recipe_of_the_documentation_refuses_each_change() {
    let page = fs::read_to_string(crate::support::root().join("docs/ci.md")).expect("a page");
    let runs: Vec<Vec<String>> = block(&page, "## The runs of a pull request")
        .lines()
        .map(|line| {
            let line = line.replace("\"$TARGET\"", "HEAD");
            line.split(' ').skip(1).map(str::to_owned).collect()
        })
        .collect();
    assert_eq!(runs.len(), 3, "{runs:?}");
    let owned = block(&page, "### What the platform's team approves");
    let owned: Vec<&str> = owned
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let is_owned = |path: &str| {
        let name = path.rsplit('/').next();
        let mut owned = owned.iter();
        owned.any(|own| match own.strip_prefix('/') {
            Some(own) => path == own || own.ends_with('/') && path.starts_with(own),
            // Without a slash, in any folder.
            None => name == Some(own),
        })
    };
    let refused = |sandbox: &Sandbox| {
        runs.iter().any(|run| {
            let args: Vec<&str> = run.iter().map(String::as_str).collect();
            sandbox.run(&args).code == 1
        })
    };

    let sandbox = repository();
    sandbox.write(".github/CODEOWNERS", "");
    sandbox.write(
        "tenants/profiles/p.yaml",
        "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: p}\nspec: {}\n",
    );
    sandbox.run(&["render"]).code(0);
    commit(&sandbox);
    assert!(!refused(&sandbox), "the repository is sound");
    let mut tried = BTreeMap::new();

    for (path, bytes) in sandbox.files() {
        let text = String::from_utf8(bytes).expect("UTF-8");
        for (what, changed) in changes_of(&path, &text) {
            match changed {
                Some(changed) => sandbox.write(&path, changed),
                None => remove(&sandbox, &path),
            }
            let found = refused(&sandbox);
            assert!(found || is_owned(&path), "{what}: {path}");
            *tried.entry((what, found)).or_insert(0) += 1;
            restore(&sandbox);
        }
    }

    let places = [
        ".sourceignore",
        "clusters/.sourceignore",
        "clusters/prod/more.yaml",
        "rendered/.sourceignore",
        "rendered/kustomization.yaml",
        "rendered/prod/kustomization.yaml",
        "rendered/prod/.sourceignore",
        "rendered/prod/tenants/b/more.yaml",
        "rendered/more/entry/more.yaml",
        "tenants/waivers/w.yaml",
        "templates/namespace/x.yaml",
    ];
    for path in places {
        let text = if path.ends_with("ignore") {
            "*.yaml\n"
        } else {
            EVIL
        };
        sandbox.write(path, text);
        let found = refused(&sandbox);
        assert!(found || is_owned(path), "added: {path}");
        *tried.entry(("added".to_owned(), found)).or_insert(0) += 1;
        restore(&sandbox);
    }
    assert!(tried[&("removed".to_owned(), true)] > 12, "{tried:?}");
    assert!(tried[&("changed".to_owned(), true)] > 12, "{tried:?}");
    assert!(tried[&("added".to_owned(), true)] > 6, "{tried:?}");
}

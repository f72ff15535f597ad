//! The commands, as a person types them.

use crate::support::{FLEET, NOW, Ran, Sandbox, tenant, tool};
use std::process::Command;

fn fleet() -> Sandbox {
    Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &tenant("b", "")),
    ])
}

#[test]
fn from_nothing_to_a_tree() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["check"]).code(2);
    assert!(ran.err.contains("tenantry init"), "{}", ran.err);
    sandbox.run(&["init"]).code(0);
    sandbox.run(&["check", "--fail-on", "warning"]).code(0);
    sandbox.run(&["init"]).code(2);
    sandbox
        .run(&[
            "new",
            "tenant",
            "shop",
            "--owner",
            "group:shop-admins",
            "-n",
            "shop",
            "-n",
            "shop-ci",
        ])
        .code(0);
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.out.is_empty(),
        "talk goes to standard error: {}",
        ran.out
    );
    let text = sandbox.read("rendered/production/tenants/shop/shop.yaml");
    for part in [
        "kind: Namespace",
        "name: default-deny",
        "kind: ResourceQuota",
        "kind: LimitRange",
        "group",
    ] {
        assert!(
            text.contains(part) || part == "group" && text.contains("shop-admins"),
            "{part}"
        );
    }
    assert!(
        sandbox
            .read("clusters/production/tenantry.yaml")
            .contains("path: \"./rendered/production/entry\"")
    );
    assert!(
        sandbox
            .read(".gitattributes")
            .contains("rendered/** linguist-generated=true")
    );
    sandbox.run(&["render", "--check"]).code(0);
    assert!(
        sandbox
            .run(&["render"])
            .code(0)
            .err
            .contains("0 files written")
    );
    let ran = sandbox
        .run(&["new", "tenant", "shop", "--owner", "group:g"])
        .code(2);
    assert!(ran.err.contains("is there already"), "{}", ran.err);
    for bad in [
        ["new", "tenant", "Shop", "--owner", "group:g"],
        ["new", "tenant", "x", "--owner", "g"],
        ["new", "tenant", "x", "--owner", "group:system:masters"],
    ] {
        sandbox.run(&bad).code(2);
    }
}

#[test]
fn init_reads_what_is_there() {
    let sandbox = Sandbox::with(&[
        (
            "clusters/staging/flux-system/gotk-sync.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: flux-system, namespace: flux-system}\nspec: {path: ./clusters/staging, sourceRef: {kind: GitRepository, name: flux-system}}\n",
        ),
        (
            "clusters/production/flux-system/kustomization.yaml",
            "resources: []\n",
        ),
    ]);
    sandbox.run(&["init", "--flux"]).code(0);
    let fleet = sandbox.read("tenants/fleet.yaml");
    assert!(
        fleet.contains("- name: production") && fleet.contains("- name: staging"),
        "{fleet}"
    );
    let sandbox = Sandbox::with(&[(
        "flux/sync.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: all, namespace: flux-system}\nspec: {path: ./, sourceRef: {kind: GitRepository, name: flux-system}}\n",
    )]);
    let ran = sandbox.run(&["init"]).code(2);
    assert!(
        ran.err.contains("Kustomization `all` applies `./`") && !sandbox.has("tenants"),
        "{}",
        ran.err
    );
}

#[test]
fn output_does_not_depend_on_the_run() {
    let (one, two) = (fleet(), fleet());
    one.run(&["render"]).code(0);
    two.run(&["render", "--tenant", "b"]).code(0);
    two.run(&["render", "--cluster", "prod"]).code(0);
    assert_eq!(one.files(), two.files());
    // Neither the day, nor the time zone, nor the folder it stands in.
    let render = |sandbox: &Sandbox, day: &str, zone: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command
            .arg("-C")
            .arg(sandbox.path())
            .args(["render", "--stdout", "--now", day])
            .env("TZ", zone);
        Ran::of(command.output().expect("runs")).code(0).out
    };
    assert_eq!(
        render(&one, NOW, "UTC"),
        render(&two, "2100-01-01", "Asia/Tokyo")
    );
}

#[test]
fn a_tenants_error_holds_that_tenants_files_and_nobody_elses() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/a/a.yaml");
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: x}\n"));
    sandbox.write("tenants/b.yaml", tenant("b", "  displayName: B\n"));
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: a"), "{}", ran.err);
    assert_eq!(before, sandbox.read("rendered/prod/tenants/a/a.yaml"));
    assert!(
        sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("display-name: B")
    );
    assert!(sandbox.run(&["status"]).out.contains("Held"));
    assert!(
        sandbox
            .read("rendered/prod/entry/tenant-a.yaml")
            .contains("name: tenant-a\n")
    );
    sandbox.write("tenants/a.yaml", "kind: [\n");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("held: a"),
        "a file that no longer parses: {}",
        ran.err
    );
    assert_eq!(before, sandbox.read("rendered/prod/tenants/a/a.yaml"));
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.run(&["render"]).code(0);
    assert!(!sandbox.run(&["status"]).out.contains("Held"));
}

/// A file that a tenant names is its own, wherever it lies: what is wrong with it is an error.
#[test]
fn a_manifest_that_cannot_be_read_is_an_error_of_the_tenant_that_names_it() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "  manifests: [x/m.yaml]\n")),
        (
            "tenants/x/m.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a}\n",
        ),
    ]);
    sandbox.run(&["render"]).code(0);
    for broken in [
        "kind: a\nkind: b\n",
        "a: [\n",
        "<<: {a: b}\n",
        "\u{feff}a: b\n\u{1}",
    ] {
        sandbox.write("tenants/x/m.yaml", broken);
        let ran = sandbox.run(&["check"]).code(1);
        assert!(ran.out.contains("error["), "{broken:?}: {}", ran.all());
        sandbox.run(&["render"]).code(1);
    }
}

#[test]
fn an_edge_to_a_held_tenant_stays() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &tenant("a", "  network: {egress: [{tenant: b}]}\n"),
        ),
        (
            "tenants/b.yaml",
            &tenant("b", "  network: {ingress: [{tenant: a}]}\n"),
        ),
    ]);
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/a/a.yaml");
    assert!(before.contains("allow-egress"), "{before}");
    sandbox.write("tenants/b.yaml", "kind: [\n");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: b\n"), "only b: {}", ran.err);
    assert_eq!(before, sandbox.read("rendered/prod/tenants/a/a.yaml"));
}

#[test]
fn a_tenant_goes_only_when_it_is_let_go() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    std::fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("lifecycle/unretired-removal") && ran.err.contains("--allow-removal a"),
        "{}",
        ran.err
    );
    assert!(sandbox.has("rendered/prod/tenants/a/a.yaml"));
    sandbox
        .run(&["render", "--allow-removal", "nobody"])
        .code(2);
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    assert!(!sandbox.has("rendered/prod/tenants/a"));
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"tombstone\":\"a\"")
    );
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("lifecycle/quarantined-name"),
        "{}",
        ran.err
    );
}

#[test]
fn a_namespace_does_not_move_in_one_commit() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "").replace("[{name: a}]", "[{name: a2}]"),
    );
    sandbox.write(
        "tenants/b.yaml",
        tenant("b", "").replace("[{name: b}]", "[{name: b}, {name: a}]"),
    );
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/claimed-twice") && ran.err.contains("has not let it go"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("lifecycle/unretired-removal"),
        "{}",
        ran.err
    );
    // Nor in two, without being let go.
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: a, b"), "{}", ran.err);
    assert!(
        !sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("namespace: a\n")
    );
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  delivery: {{unit: shard, shards: 4}}\n"),
    );
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tree/object-moved") && ran.err.contains("nothing was written"),
        "{}",
        ran.err
    );
}

#[test]
fn many_tenants_go_into_shards() {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    for i in 0..150 {
        sandbox.write(&format!("tenants/t{i}.yaml"), tenant(&format!("t{i}"), ""));
    }
    sandbox.run(&["render"]).code(0);
    let units: std::collections::BTreeSet<String> = sandbox
        .files()
        .keys()
        .filter_map(|p| {
            p.strip_prefix("rendered/prod/tenants/")
                .and_then(|p| p.split_once('/'))
                .map(|(u, _)| u.to_owned())
        })
        .collect();
    assert_eq!(
        units.into_iter().collect::<Vec<_>>(),
        ["shard-00", "shard-01", "shard-02", "shard-03"]
    );
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"unit\":\"shard\",\"shards\":4")
    );
    let before = sandbox.files();
    for i in 150..160 {
        sandbox.write(&format!("tenants/t{i}.yaml"), tenant(&format!("t{i}"), ""));
    }
    sandbox.run(&["render"]).code(0);
    let after = sandbox.files();
    let moved = before.keys().filter(|p| !after.contains_key(*p)).count();
    assert_eq!(moved, 0, "what was recorded is never changed by itself");
    let small = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/t0.yaml", &tenant("t0", "")),
    ]);
    small.run(&["render"]).code(0);
    for i in 1..150 {
        small.write(&format!("tenants/t{i}.yaml"), tenant(&format!("t{i}"), ""));
    }
    assert!(small.run(&["render"]).code(0).err.contains("tree/outgrown"));
}

#[test]
fn the_tree_belongs_to_tenantry_and_nothing_else_does() {
    let sandbox = fleet();
    sandbox.write("notes.txt", "mine");
    sandbox.run(&["render"]).code(0);
    sandbox.write("rendered/prod/tenants/a/other.yaml", "kind: Evil\n");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tree/foreign-file") && ran.err.contains("other.yaml"),
        "{}",
        ran.err
    );
    assert!(
        sandbox
            .run(&["render", "--check"])
            .code(1)
            .out
            .contains("other.yaml")
    );
    std::fs::remove_file(sandbox.path().join("rendered/prod/tenants/a/other.yaml"))
        .expect("removed");
    let whole = sandbox.read("rendered/prod/tenants/a/a.yaml");
    // With its record, without it, and with that of another file.
    let other = sandbox.read("rendered/prod/tenants/b/b.yaml");
    for (text, rule) in [
        (
            whole.replace("kind: Namespace", "kind: Edited"),
            "tree/edited",
        ),
        ("kind: Edited\n".to_owned(), "tree/foreign-file"),
        (other, "tree/foreign-file"),
        (
            format!("<<<<<<< ours\n{whole}=======\n>>>>>>> theirs\n"),
            "tree/foreign-file",
        ),
    ] {
        sandbox.write("rendered/prod/tenants/a/a.yaml", &text);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.err.contains(rule) && ran.err.contains("--force"),
            "{}",
            ran.err
        );
        let ran = sandbox.run(&["render", "--check"]).code(1);
        assert!(
            ran.out.contains(rule) && ran.out.contains("--force"),
            "{}",
            ran.out
        );
        assert_eq!(sandbox.read("rendered/prod/tenants/a/a.yaml"), text);
        sandbox.run(&["render", "--force"]).code(0);
        assert_eq!(sandbox.read("rendered/prod/tenants/a/a.yaml"), whole);
    }
    assert_eq!(sandbox.read("notes.txt"), "mine");
    let other = fleet();
    other.write("rendered/prod/README.md", "somebody's");
    let ran = other.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tree/foreign-file") && !other.has("tenantry.lock"),
        "{}",
        ran.err
    );
}

#[test]
fn a_stale_tree_is_refused_with_the_command_that_mends_it() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", "  displayName: A\n"));
    let ran = sandbox.run(&["render", "--check"]).code(1);
    assert!(
        ran.out.contains("tree/stale") && ran.out.contains("run: tenantry render"),
        "{}",
        ran.out
    );
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["render", "--check"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    sandbox.write(
        "tenantry.lock",
        lock.replace("\"tool\":\"0.1.0\"", "\"tool\":\"0.0.9\""),
    );
    let ran = sandbox.run(&["render", "--check"]).code(1);
    assert!(
        ran.out.contains("tree/stale") && ran.out.contains("--since"),
        "{}",
        ran.out
    );
    let ran = sandbox
        .run(&["render", "--check", "--allow-behind"])
        .code(0);
    assert!(
        ran.out.contains("tree/behind") && !ran.out.contains("tree/stale"),
        "{}",
        ran.out
    );
    sandbox.write(
        "tenantry.lock",
        format!("<<<<<<< ours\n{lock}>>>>>>> theirs\n"),
    );
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tree/lock-invalid") && ran.err.contains("tenantry.lock:1:1"),
        "{}",
        ran.err
    );
}

#[test]
fn waivers_warn_before_they_end_and_when_they_permit_nothing() {
    let waiver = |expires: &str| {
        format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Waiver\nmetadata: {{name: w}}\nspec: {{rule: network/egress-any, tenant: a, reason: x, approvedBy: x, approvedAt: \"2026-11-01\", expires: \"{expires}\"}}\n"
        )
    };
    let sandbox = fleet();
    sandbox.write("tenants/waivers/w.yaml", waiver("2026-12-01"));
    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.out.contains("tenancy/waiver-expiring") && ran.out.contains("tenancy/waiver-unused"),
        "{}",
        ran.out
    );
    sandbox.run(&["check", "--fail-on", "warning"]).code(1);
    sandbox
        .run(&["check", "--fail-on", "warning", "--skip", "tenancy"])
        .code(0);
    sandbox
        .run(&[
            "check",
            "--fail-on",
            "warning",
            "--only",
            "network/egress-any",
        ])
        .code(0);
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  network: {egress: [{cidr: 0.0.0.0/0}]}\n"),
    );
    sandbox.run(&["render"]).code(0);
    let before = sandbox.files();
    let expired = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .arg("-C")
        .arg(sandbox.path())
        .args(["render", "--now", "2027-01-01"])
        .output()
        .expect("runs");
    assert_eq!(expired.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&expired.stderr).contains("tenancy/waiver-expired"));
    let after = sandbox.files();
    let tree = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            .filter(|(p, _)| p.starts_with("rendered"))
            .map(|(p, b)| (p.clone(), b.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        tree(&before),
        tree(&after),
        "a date holds a tenant, and never changes bytes"
    );
}

#[test]
fn sources_hold_their_tenants_until_they_are_given() {
    let other = Sandbox::with(&[
        ("search.yaml", &tenant("search", "")),
        ("evil.yaml", &tenant("evil", "")),
    ]);
    let sandbox = fleet();
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  sources: [{{name: search-team, tenants: [search]}}]\n"),
    );
    let given = format!("search-team={}", other.path().display());
    let ran = sandbox.run(&["render", "--source", &given]).code(1);
    assert!(
        ran.err.contains("tenancy/source-foreign-tenant"),
        "{}",
        ran.err
    );
    std::fs::remove_file(other.path().join("evil.yaml")).expect("removed");
    sandbox.run(&["render", "--source", &given]).code(0);
    assert!(sandbox.has("rendered/prod/tenants/search/search.yaml"));
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("tenancy/source-not-given") && ran.err.contains("held: search"),
        "{}",
        ran.err
    );
    assert!(sandbox.has("rendered/prod/tenants/search/search.yaml"));
    other.write("w.yaml", "apiVersion: tenantry.dev/v1alpha1\nkind: Waiver\nmetadata: {name: w}\nspec: {rule: network/egress-any, tenant: search, reason: x, approvedBy: x, approvedAt: \"2026-11-01\", expires: \"2026-12-31\"}\n");
    let ran = sandbox.run(&["check", "--source", &given]).code(1);
    assert!(
        ran.out.contains("spec/misplaced") && ran.out.contains("tenant-owned source"),
        "{}",
        ran.out
    );
}

#[test]
fn show_prints_each_value_with_its_place() {
    let sandbox = fleet();
    sandbox.write("tenants/a.yaml", tenant("a", "  quota:\n    pods: \"7\"\n"));
    let ran = sandbox.run(&["show", "a", "--origin"]).code(0);
    let line = ran
        .out
        .lines()
        .find(|l| l.starts_with("quota.pods "))
        .expect("the line")
        .to_owned();
    assert!(
        line.contains("7") && line.contains("tenants/a.yaml:8:11"),
        "{line}"
    );
    assert!(
        ran.out
            .contains("over \"50\" at profile restricted (built in)"),
        "{}",
        ran.out
    );
    assert!(
        sandbox
            .run(&["show", "a"])
            .code(0)
            .out
            .contains("pods: \"7\"")
    );
    assert!(
        sandbox
            .run(&["show", "bb"])
            .code(2)
            .err
            .contains("did you mean `b`")
    );
    assert!(
        sandbox
            .run(&["status"])
            .code(0)
            .out
            .lines()
            .any(|l| l.starts_with("a ") && l.contains("Valid"))
    );
    let json = sandbox.run(&["status", "--format", "json"]).code(0).out;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["tenants"].as_array().map(Vec::len), Some(2));
}

#[test]
fn diff_compares_objects_with_a_revision() {
    let sandbox = fleet();
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "one"]).code(0);
    assert_eq!(sandbox.run(&["diff"]).code(0).out, "");
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  quota: {pods: \"9\"}\n  members: [{group: x, role: viewer}]\n",
        ),
    );
    let ran = sandbox.run(&["diff", "HEAD"]).code(0);
    assert!(
        ran.out
            .contains("~ ResourceQuota/a/quota\n    spec.hard.pods: \"50\" -> \"9\""),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("+ RoleBinding.rbac.authorization.k8s.io/a/viewer"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("/b/"), "{}", ran.out);
    sandbox.run(&["diff", "--exit-code"]).code(1);
    assert!(
        sandbox
            .run(&["diff", "--format", "markdown"])
            .code(0)
            .out
            .contains("```diff")
    );
    assert!(
        sandbox
            .run(&["diff", "nowhere"])
            .code(2)
            .err
            .contains("there is no revision `nowhere`")
    );
    let ran = sandbox.run(&["check", "--since", "HEAD"]).code(0);
    assert!(ran.err.contains("0 errors"), "{}", ran.err);
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.run(&["check"]).code(0);
    sandbox.run(&["check", "--staged"]).code(1);
    sandbox.git(&["commit", "-qm", "two"]).code(0);
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    sandbox.run(&["check"]).code(1);
    sandbox.run(&["check", "--since", "HEAD"]).code(0);
}

#[test]
fn reports_in_several_formats() {
    let sandbox = fleet();
    sandbox.write("tenants/b.yaml", tenant("b", "  qouta: {}\n"));
    let ran = sandbox
        .run(&[
            "check", "--format", "json", "--output", "r.json", "--format", "github",
        ])
        .code(1);
    assert!(ran.out.starts_with("::error file=tenants/b.yaml,line=7,endLine=7,col=3,endColumn=8,title=spec/unknown-field::unknown field `qouta`%0Afix: did you mean `quota`?"), "{}", ran.out);
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("r.json")).expect("JSON");
    assert_eq!(
        report["findings"][0]["location"],
        serde_json::json!({"path": "tenants/b.yaml", "line": 7, "column": 3, "endLine": 7, "endColumn": 8})
    );
    assert_eq!(report["schemaVersion"], 1);
    sandbox.run(&["check", "--baseline", "r.json"]).code(0);
    sandbox
        .run(&["check", "--format", "json", "--format", "github"])
        .code(2);
    sandbox.run(&["check", "--format", "markdown"]).code(2);
    sandbox.run(&["explain", "network/egress-any"]).code(0);
    sandbox.run(&["explain", "network/egress"]).code(2);
    assert!(sandbox.run(&["rules"]).code(0).out.lines().count() > 70);
    sandbox.run(&["--nonsense"]).code(2);
    let long = format!("  displayName: \"{}\"\n  qouta: 1\n", "x".repeat(200_000));
    sandbox.write("tenants/b.yaml", tenant("b", &long));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(
        ran.out.len() < 3000,
        "a long line is cut: {}",
        ran.out.len()
    );
}

#[test]
fn the_pre_commit_hook_refuses_with_the_place_and_the_command() {
    let python = tool("python");
    let sandbox = fleet();
    sandbox.write(
        ".pre-commit-hooks.yaml",
        std::fs::read_to_string(crate::support::root().join(".pre-commit-hooks.yaml"))
            .expect("the hooks"),
    );
    let hooks = "repos:\n- repo: local\n  hooks:\n";
    let own = sandbox.read(".pre-commit-hooks.yaml");
    let indented: String = own
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| format!("  {l}\n"))
        .collect();
    sandbox.write(".pre-commit-config.yaml", format!("{hooks}{indented}"));
    sandbox.git(&["init", "-q"]).code(0);
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_tenantry"))
        .parent()
        .expect("a folder")
        .to_owned();
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let home = tempfile::tempdir().expect("a folder");
    let run = || {
        sandbox.git(&["add", "-A"]).code(0);
        let mut command = Command::new(&python);
        command
            .current_dir(sandbox.path())
            .args(["-m", "pre_commit", "run"])
            .env("PATH", &path);
        command
            .env("PRE_COMMIT_HOME", home.path())
            .env("TENANTRY_NOW", NOW)
            .env("NO_COLOR", "1");
        Ran::of(command.output().expect("pre-commit starts"))
    };
    let ran = run().code(1);
    assert!(
        ran.all().contains("tree/stale") && ran.all().contains("run: tenantry render"),
        "{}",
        ran.all()
    );
    sandbox.run(&["render"]).code(0);
    run().code(0);
    sandbox.write("tenants/a.yaml", tenant("a", "  qouta: {}\n"));
    let ran = run().code(1);
    assert!(
        ran.all().contains("spec/unknown-field") && ran.all().contains("tenants/a.yaml:7:3"),
        "{}",
        ran.all()
    );
}

#[test]
fn what_is_worth_knowing_is_said_without_stopping() {
    let sandbox = fleet();
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  network: {egress: [{cidr: 192.0.2.0/24}]}\n  quota: {requests.cpu: \"3\"}\n",
        ),
    );
    sandbox.write(
        "tenants/b.yaml",
        tenant("b", "  quota: {requests.cpu: \"3\"}\n"),
    );
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}      capacity: {{cpu: \"4\"}}\n      overcommit: {{cpu: \"1.2\"}}\n"),
    );
    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.out.contains("network/range-undeclared") && ran.out.contains("podCIDRs"),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("resources/over-promised")
            && ran.out.contains("4.8") | ran.out.contains("4800m"),
        "{}",
        ran.out
    );
    sandbox.write(
        "templates/namespace/x.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  namespace: a\ndata:\n  a: \"{{ 1 / 0 }}\"\n",
    );
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.out.contains("bundle/expression"), "{}", ran.out);
}

#[test]
fn a_cluster_that_left_the_fleet_and_a_kind_it_lacks_are_said() {
    let sandbox = fleet();
    sandbox.write("tenants/fleet.yaml", format!("{FLEET}    - name: old\n      apis: [x.example/v1/Thing]\n  tenantKinds: [x.example/Thing, x.example/Other]\n"));
    let crd = |kind: &str| {
        format!("apiVersion: x.example/v1\nkind: {kind}\nmetadata: {{name: x, namespace: a}}\n")
    };
    sandbox.write(
        "extra.yaml",
        format!("{}---\n{}", crd("Thing"), crd("Other")),
    );
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  clusters: [prod, old]\n  manifests: [../extra.yaml]\n",
        ),
    );
    sandbox.write("tenants/b.yaml", tenant("b", "  clusters: [prod]\n"));
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("bundle/kind-not-declared") && ran.err.contains("Other.x.example"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("Thing.x.example"), "{}", ran.err);
    sandbox.write("tenants/fleet.yaml", FLEET);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("tree/unknown-cluster") && sandbox.has("rendered/old/tenants/a/a.yaml"),
        "{}",
        ran.err
    );
}

#[test]
fn a_lock_cannot_reach_outside_the_tree() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    sandbox.write("precious.yaml", "mine");
    let lock = sandbox.read("tenantry.lock");
    // A record names its own file and no other, wherever it stands, and an entry is no other file
    // of the repository.
    for path in [
        "precious.yaml",
        "../precious.yaml",
        "/etc/passwd",
        "rendered/prod/../../precious.yaml",
    ] {
        let body = "# x\n---\nmine\n";
        let digest = blake3::hash(body.as_bytes()).to_hex()[..32].to_owned();
        let record = format!(
            "# tenantry: {{\"path\":\"{path}\",\"digest\":\"{digest}\",\"on\":\"prod\",\"objects\":[]}}\n"
        );
        sandbox.write(
            "rendered/prod/tenants/a/x.yaml",
            body.replacen('\n', &format!("\n{record}"), 1),
        );
        sandbox.write(
            "precious.yaml",
            body.replacen('\n', &format!("\n{record}"), 1),
        );
        sandbox.write(
            "tenantry.lock",
            lock.replace("clusters/prod/tenantry.yaml", path),
        );
        let precious = sandbox.read("precious.yaml");
        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.err.contains("tree/foreign-file") && ran.err.contains("x.yaml"),
            "{path}: {}",
            ran.err
        );
        assert_eq!(sandbox.read("precious.yaml"), precious);
        std::fs::remove_file(sandbox.path().join("rendered/prod/tenants/a/x.yaml"))
            .expect("removed");
        sandbox.write("tenantry.lock", &lock);
    }
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = fleet();
    std::os::unix::fs::symlink(elsewhere.path(), other.path().join("rendered")).expect("a link");
    let ran = other.run(&["render"]).code(2);
    assert!(ran.err.contains("a symbolic link"), "{}", ran.err);
    assert_eq!(
        std::fs::read_dir(elsewhere.path())
            .expect("a folder")
            .count(),
        0
    );
}

#[test]
fn a_diff_never_quotes_a_secret() {
    let sandbox = fleet();
    let secret = |v: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: a}}\nstringData: {{p: {v}}}\n"
        )
    };
    sandbox.write("extra.yaml", secret("hunter2"));
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  manifests: [../extra.yaml]\n"),
    );
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "one"]).code(0);
    sandbox.write("extra.yaml", secret("hunter3"));
    for format in ["text", "json", "markdown"] {
        let ran = sandbox.run(&["diff", "--format", format]).code(0);
        assert!(
            ran.out.contains("Secret/a/s") && !ran.all().contains("hunter"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn what_a_broken_tenant_has_is_not_free_to_take() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", "  nope: 1\n"));
    sandbox.write(
        "tenants/evil.yaml",
        tenant("evil", "").replace("[{name: evil}]", "[{name: a}]"),
    );
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/claimed-twice") && ran.err.contains("held: a, evil"),
        "{}",
        ran.err
    );
    assert!(!sandbox.has("rendered/prod/tenants/evil"));
    sandbox.write(
        "tenants/evil.yaml",
        tenant("b", "").replace("tenants/b", "x"),
    );
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/duplicate-tenant") && ran.err.contains("held: a\n"),
        "the lock's document wins: {}",
        ran.err
    );
}

#[test]
fn a_namespace_that_is_let_go_is_quarantined() {
    let sandbox = fleet();
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "").replace("[{name: a}]", "[{name: a}, {name: a-jobs}]"),
    );
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.run(&["render"]).code(1);
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"tombstone\":\"a/a-jobs\"")
    );
    sandbox.write(
        "tenants/thief.yaml",
        tenant("thief", "").replace("[{name: thief}]", "[{name: a-jobs}]"),
    );
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("lifecycle/quarantined-name"),
        "{}",
        ran.err
    );
    std::fs::remove_file(sandbox.path().join("tenants/thief.yaml")).expect("removed");
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "").replace("[{name: a}]", "[{name: a}, {name: a-jobs}]"),
    );
    sandbox.run(&["render"]).code(0);
    assert!(
        !sandbox.read("tenantry.lock").contains("tombstone"),
        "it came back to whom it was"
    );
}

#[test]
fn behind_is_not_stale_but_a_changed_tenant_is() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    sandbox.write(
        "tenantry.lock",
        lock.replace("\"tool\":\"0.1.0\"", "\"tool\":\"0.0.9\""),
    );
    sandbox
        .run(&["render", "--check", "--allow-behind"])
        .code(0);
    sandbox.write("tenants/a.yaml", tenant("a", "  displayName: A\n"));
    assert!(
        sandbox
            .run(&["render", "--check", "--allow-behind"])
            .code(1)
            .out
            .contains("tree/stale")
    );
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.write("tenants/c.yaml", tenant("c", ""));
    sandbox
        .run(&["render", "--check", "--allow-behind"])
        .code(1);
}

#[test]
fn a_lock_is_that_of_one_tree() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    let before = sandbox.files();
    let ran = sandbox.run(&["render", "--tree", "other"]).code(1);
    assert!(
        ran.err.contains("tree/object-moved") && ran.err.contains("nothing was written"),
        "{}",
        ran.err
    );
    assert_eq!(before, sandbox.files());
    sandbox.run(&["render", "--tree", "apart/rendered"]).code(0);
    assert!(
        sandbox.has("apart/tenantry.lock") && sandbox.has("apart/rendered/prod/tenants/a/a.yaml")
    );
}

#[test]
fn an_entry_that_flux_would_not_apply_is_said() {
    let sandbox = fleet();
    sandbox.write(
        "clusters/prod/kustomization.yaml",
        "resources: [flux-system]\n",
    );
    assert!(
        sandbox
            .run(&["check"])
            .code(0)
            .out
            .contains("gitops/entry-not-listed")
    );
    sandbox.write(
        "clusters/prod/kustomization.yaml",
        "resources: [flux-system, tenantry.yaml]\n",
    );
    assert!(
        !sandbox
            .run(&["check"])
            .code(0)
            .out
            .contains("gitops/entry-not-listed")
    );
    for entry in [
        "one.yaml",
        "rendered/{{ cluster }}/x.yaml",
        ".git/{{ cluster }}.yaml",
        "../{{ cluster }}.yaml",
        "{{ cluster }}",
    ] {
        let sandbox = fleet();
        sandbox.write(
            "tenants/fleet.yaml",
            format!("{FLEET}    - name: two\n  delivery: {{entry: \"{entry}\"}}\n"),
        );
        for name in ["a", "b"] {
            sandbox.write(
                &format!("tenants/{name}.yaml"),
                tenant(name, "  clusters: [prod]\n"),
            );
        }
        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.err.contains("tenancy/derived-name") && !sandbox.has("rendered"),
            "{entry}: {}",
            ran.err
        );
    }
}

#[test]
fn a_held_tenant_keeps_its_edges_and_its_neighbours_stay_as_they_are() {
    let edges = |egress: &str| tenant("a", &format!("  network: {{egress: [{egress}]}}\n"));
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &edges("{tenant: b, ports: [{port: 80}]}, {tenant: c}"),
        ),
        (
            "tenants/b.yaml",
            &tenant(
                "b",
                "  network: {provides: [{port: 80, to: {any: true}}]}\n",
            ),
        ),
        (
            "tenants/c.yaml",
            &tenant("c", "  network: {ingress: [{tenant: a}]}\n"),
        ),
    ]);
    sandbox.run(&["render"]).code(0);
    let tree = || {
        sandbox
            .files()
            .into_iter()
            .filter(|(p, _)| p.starts_with("rendered/"))
            .collect::<Vec<_>>()
    };
    let before = tree();
    assert!(
        sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("allow-ingress")
    );
    for broken in [
        edges("{tenant: b, ports: [{port: 80}]}, {tenant: c}").replace("spec:", "spec:\n  nope: 1"),
        edges("").replace("spec:", "spec:\n  profile: nope"),
        "kind: [".to_owned(),
    ] {
        sandbox.write("tenants/a.yaml", broken);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(ran.err.contains("held: a\n"), "only a: {}", ran.err);
        assert!(
            before == tree(),
            "its providers keep letting it in: {}",
            ran.err
        );
    }
    sandbox.write(
        "tenants/a.yaml",
        edges("{tenant: b, ports: [{port: 80}]}, {tenant: c}"),
    );
    sandbox.write("tenants/c.yaml", tenant("c", "  profile: nope\n"));
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("held: c\n") && before == tree(),
        "a provider that breaks is not its consumer's fault: {}",
        ran.err
    );
}

#[test]
fn a_template_does_not_weaken_the_floor() {
    let policy = |rules: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: default-deny\n  namespace: \"{{{{ namespace.name }}}}\"\nspec:\n  podSelector: {{}}\n  policyTypes: [Ingress, Egress]\n{rules}"
        )
    };
    for (path, text, bad) in [
        ("network", policy("  ingress: [{}]\n"), true),
        ("network", policy("").replace("[Ingress, Egress]", "[Ingress]"), true),
        ("network", policy(""), false),
        ("service-account", "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: default\n  namespace: \"{{ namespace.name }}\"\nautomountServiceAccountToken: true\n".to_owned(), true),
        ("namespace", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: \"{{ namespace.name }}\"\n".to_owned(), true),
        ("extra", "apiVersion: v1\nkind: ConfigMapp\nmetadata:\n  name: x\n  namespace: \"{{ namespace.name }}\"\n".to_owned(), true),
    ] {
        let sandbox = fleet();
        sandbox.write(&format!("templates/namespace/{path}.yaml"), &text);
        let ran = sandbox.run(&["check"]).code(i32::from(bad));
        assert_eq!(ran.out.contains("bundle/floor-missing") || ran.out.contains("bundle/object-invalid"), bad, "{text}{}", ran.out);
    }
}

#[test]
fn a_fleet_in_a_folder_says_where_it_is() {
    let sandbox = Sandbox::with(&[
        ("platform/tenants/fleet.yaml", FLEET),
        ("platform/tenants/a.yaml", &tenant("a", "")),
    ]);
    sandbox.git(&["init", "-q"]).code(0);
    let ran = sandbox.run(&["-C", "platform", "render"]).code(0);
    assert!(ran.err.contains("tree/repository-path"), "{}", ran.err);
    sandbox.write(
        "platform/tenants/fleet.yaml",
        format!("{FLEET}  delivery: {{repositoryPath: platform}}\n"),
    );
    let ran = sandbox.run(&["-C", "platform", "render"]).code(0);
    assert!(!ran.err.contains("tree/repository-path"), "{}", ran.err);
    assert!(
        sandbox
            .read("platform/clusters/prod/tenantry.yaml")
            .contains("./platform/rendered/prod/entry")
    );
}

#[test]
fn the_clusters_own_ranges_take_a_waiver() {
    for (cidr, bad) in [
        ("169.254.169.254/32", true),
        ("10.1.0.0/16", true),
        ("10.1.2.0/24", true),
        ("192.0.2.0/24", false),
    ] {
        let sandbox = fleet();
        sandbox.write(
            "tenants/fleet.yaml",
            format!("{FLEET}      podCIDRs: [10.1.0.0/16]\n"),
        );
        sandbox.write(
            "tenants/a.yaml",
            tenant("a", &format!("  network: {{egress: [{{cidr: {cidr}}}]}}\n")),
        );
        let ran = sandbox.run(&["check"]).code(i32::from(bad));
        assert_eq!(
            ran.out.contains("network/cluster-range"),
            bad,
            "{cidr}: {}",
            ran.out
        );
    }
}

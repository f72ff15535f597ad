//! The rendered tree: its layout, the files that are not its own, and `render --check`.

use crate::support::{FLEET, NOW, Ran, Sandbox, tenant, two_tenants};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

#[test]
fn output_is_the_same_in_every_run() {
    let (one, two) = (two_tenants(), two_tenants());
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
fn many_tenants_are_placed_in_shards() {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    for i in 0..150 {
        sandbox.write(&format!("tenants/t{i}.yaml"), tenant(&format!("t{i}"), ""));
    }
    sandbox.run(&["render"]).code(0);
    let units: BTreeSet<String> = sandbox
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
fn foreign_and_edited_files_are_not_overwritten() {
    let sandbox = two_tenants();
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

    fs::remove_file(sandbox.path().join("rendered/prod/tenants/a/other.yaml")).expect("removed");
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
    let other = two_tenants();
    other.write("rendered/prod/README.md", "somebody's");
    let ran = other.run(&["render"]).code(1);

    assert!(
        ran.err.contains("tree/foreign-file") && !other.has("tenantry.lock"),
        "{}",
        ran.err
    );
}

#[test]
fn a_stale_tree_is_reported_with_the_command_that_fixes_it() {
    let sandbox = two_tenants();
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
fn allow_behind_accepts_an_older_tool_but_no_changed_tenant() {
    let sandbox = two_tenants();
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
fn a_removed_cluster_and_an_undeclared_kind_are_reported() {
    let sandbox = two_tenants();
    sandbox.write("tenants/fleet.yaml", format!("{FLEET}    - name: old\
                                                 \n      apis: [x.example/v1/Thing]\
                                                 \n  tenantKinds: [x.example/Thing, x.example/Other]\n"));
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
fn a_record_cannot_name_a_file_outside_the_tree() {
    let sandbox = two_tenants();
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
        fs::remove_file(sandbox.path().join("rendered/prod/tenants/a/x.yaml")).expect("removed");
        sandbox.write("tenantry.lock", &lock);
    }

    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = two_tenants();
    std::os::unix::fs::symlink(elsewhere.path(), other.path().join("rendered")).expect("a link");
    let ran = other.run(&["render"]).code(2);
    assert!(ran.err.contains("a symbolic link"), "{}", ran.err);

    assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
}

#[test]
fn a_lock_describes_one_tree() {
    let sandbox = two_tenants();
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
fn an_entry_that_flux_does_not_apply_is_reported() {
    let sandbox = two_tenants();
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
        let sandbox = two_tenants();
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
fn a_fleet_in_a_folder_needs_its_repository_path() {
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

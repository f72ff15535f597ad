//! The records that files carry, forged, broken and lost: whose a file is, who has a name, what may
//! go.

use crate::support::{FLEET, Ran, Sandbox, say, tenant, two_tenants};

/// A fleet of two tenants that is rendered.
fn rendered_fleet() -> Sandbox {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    sandbox
}

const A: &str = "rendered/prod/tenants/a/a.yaml";
const EVIL: &str =
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: evil}\n";

/// A file with a record whose digest is true.
fn forge(sandbox: &Sandbox, path: &str, body: &str, record: serde_json::Value) {
    let head = "# Rendered by tenantry. Do not edit: change the fleet.\n";
    let digest = &blake3::hash(format!("{head}---\n{body}").as_bytes()).to_hex()[..32];
    // In the order in which records are written.
    let mut line = format!("{{\"path\":{path:?},\"digest\":{digest:?}");
    for (key, value) in record.as_object().expect("a record") {
        line.push_str(&format!(",{key:?}:{value}"));
    }
    sandbox.write(path, format!("{head}# tenantry: {line}}}\n---\n{body}"));
}

#[track_caller]
fn refused(sandbox: &Sandbox, rule: &str) -> Ran {
    let check = sandbox.run(&["render", "--check"]).code(1);
    assert!(check.all().contains(rule), "{}", check.all());
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains(rule), "{}", ran.all());
    ran
}

#[test]
fn a_record_is_accepted_only_byte_for_byte() {
    let sandbox = rendered_fleet();
    let text = sandbox.read(A);
    let owner = "group/a-admins";

    for other in [
        text.replacen("# tenantry: {", "# tenantry: \r{", 1),
        text.replacen("# tenantry: {", "# tenantry:  {", 1),
        text.replacen(owner, "group/a-admins\u{2028}kind: Evil\u{2028}#", 1),
        text.replacen(owner, "group/\\u0061-admins", 1),
        text.replacen("}\n", "} \n", 1),
    ] {
        assert_ne!(other, text);
        sandbox.write(A, &other);
        refused(&sandbox, "tree/foreign-file");
        sandbox.run(&["render", "--force"]).code(0);
        assert_eq!(sandbox.read(A), text);
    }
}

#[test]
fn a_forged_record_does_not_make_a_file_tenantrys() {
    let record = |tenant: &str, on: &str| serde_json::json!({"on": on, "tenant": tenant, "source": "tenants/a.yaml", "objects": ["Namespace//x"]});
    let platform = serde_json::json!({"on": "prod", "objects": []});

    for (path, record) in [
        ("rendered/prod/tenants/b/a.yaml", record("a", "prod")),
        ("rendered/prod/tenants/a/zz.yaml", record("a", "prod")),
        ("rendered/prod/tenants/shard-00/a.yaml", record("a", "prod")),
        ("rendered/prod/platform/a.yaml", record("a", "prod")),
        ("rendered/prod/entry/a.yaml", record("a", "prod")),
        ("rendered/prod/platform/evil.yaml", platform.clone()),
        ("rendered/prod/tenants/a/evil.yaml", platform.clone()),
        ("rendered/prod/entry/.evil.txt", platform),
    ] {
        let sandbox = rendered_fleet();
        // Whether its tenant is well or held.
        for broken in [false, true] {
            if broken {
                sandbox.write("tenants/a.yaml", "kind: [\n");
            }
            forge(&sandbox, path, EVIL, record.clone());
            let ran = refused(&sandbox, "tree/foreign-file");
            assert!(ran.err.contains(path), "{}", ran.err);
            assert!(sandbox.has(path), "it is nobody's to delete");
        }
    }
}

#[test]
fn a_cluster_that_is_behind_hides_no_file() {
    let behind = || {
        let sandbox = rendered_fleet();
        sandbox.write(
            "tenants/profiles/extra.yaml",
            "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: extra}\nspec: {}\n",
        );
        let ran = sandbox
            .run(&["render", "--check", "--allow-behind"])
            .code(0);
        assert!(
            ran.out.contains("tree/behind") && !ran.out.contains("written anew"),
            "{}",
            ran.out
        );
        sandbox
    };

    let sandbox = behind();
    sandbox.write("rendered/prod/platform/.evil.yaml", EVIL);
    let ran = sandbox
        .run(&["render", "--check", "--allow-behind"])
        .code(1);
    assert!(ran.out.contains("tree/foreign-file"), "{}", ran.out);
    let sandbox = behind();
    let roles = sandbox.read("rendered/prod/platform/roles.yaml");
    sandbox.write(
        "rendered/prod/platform/roles.yaml",
        roles
            .lines()
            .filter(|l| !l.starts_with("# tenantry"))
            .collect::<Vec<_>>()
            .join("\n"),
    );

    let ran = sandbox
        .run(&["render", "--check", "--allow-behind"])
        .code(1);
    assert!(ran.out.contains("tree/foreign-file"), "{}", ran.out);
    let sandbox = behind();
    std::fs::remove_file(sandbox.path().join("rendered/prod/entry/tenant-a.yaml"))
        .expect("removed");
    assert!(
        sandbox
            .run(&["render", "--check", "--allow-behind"])
            .code(1)
            .out
            .contains("tree/stale")
    );

    // What a true digest hides, the note names.
    let sandbox = behind();
    forge(
        &sandbox,
        "rendered/prod/platform/roles.yaml",
        EVIL,
        serde_json::json!({"on": "prod", "objects": []}),
    );

    let ran = sandbox.run(&["render", "--check", "--allow-behind"]);
    assert!(
        ran.out
            .contains("rendered/prod/platform/roles.yaml would be written anew"),
        "{}",
        ran.out
    );

    sandbox.run(&["render"]).code(0);
    assert_eq!(sandbox.read("rendered/prod/platform/roles.yaml"), roles);
}

/// A repository whose last commit holds a tree that an older version rendered.
fn committed_by_an_older_version() -> Sandbox {
    let sandbox = rendered_fleet();
    let lock = sandbox.read("tenantry.lock");
    sandbox.write(
        "tenantry.lock",
        lock.replace("\"tool\":\"0.1.0\"", "\"tool\":\"0.0.9\""),
    );
    commit(&sandbox);
    sandbox
}

fn commit(sandbox: &Sandbox) {
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["commit", "-qm", "the tree"],
    ] {
        sandbox.git(args).code(0);
    }
}

#[test]
fn a_cluster_is_behind_only_if_its_files_are_those_of_the_revision() {
    let sandbox = committed_by_an_older_version();
    let check = ["render", "--check", "--since", "HEAD"];
    let ran = sandbox.run(&check).code(0);
    assert!(ran.out.contains("tree/behind"), "{}", ran.out);

    // Any one file of the cluster, forged with a true digest.
    let files = sandbox.files();
    let rendered = files
        .keys()
        .filter(|path| path.starts_with("rendered/") || *path == "clusters/prod/tenantry.yaml");
    let mut tried = 0;

    for path in rendered {
        let before = sandbox.read(path);
        let (head, body) = before.split_once("---\n").expect("a head and a body");
        let record = head.lines().nth(1).expect("a record");
        let record = record.trim_start_matches("# tenantry: ");
        let mut record: serde_json::Value = serde_json::from_str(record).expect("JSON");
        let fields = record.as_object_mut().expect("an object");
        fields.remove("path");
        fields.remove("digest");
        forge(&sandbox, path, &format!("{body}---\n{EVIL}"), record);

        let ran = sandbox.run(&check);
        assert!(!ran.out.contains("tree/behind"), "{path}: {}", ran.out);
        ran.code(1);
        sandbox.write(path, before);
        tried += 1;
    }

    assert!(tried >= 5, "{tried} files");
    sandbox.run(&check).code(0);

    // A file more, and a file less.
    sandbox.write("rendered/prod/platform/.more.yaml", EVIL);
    sandbox.run(&check).code(1);
    std::fs::remove_file(sandbox.path().join("rendered/prod/platform/.more.yaml")).expect("gone");
    std::fs::remove_file(sandbox.path().join(A)).expect("gone");

    sandbox.run(&check).code(1);
}

#[test]
fn a_changed_lock_cannot_make_a_cluster_behind() {
    let sandbox = rendered_fleet();
    commit(&sandbox);
    let evil = serde_json::json!({"on": "prod", "objects": []});
    forge(&sandbox, "rendered/prod/platform/roles.yaml", EVIL, evil);
    let lock = sandbox.read("tenantry.lock");
    let mut entry: serde_json::Value = serde_json::from_str(lock.trim()).expect("one line");

    for key in ["tool", "templates", "profiles"] {
        let before = entry[key].take();
        entry[key] = "0".repeat(16).into();
        sandbox.write("tenantry.lock", format!("{entry}\n"));
        sandbox.run(&["render", "--check"]).code(1);
        sandbox
            .run(&["render", "--check", "--since", "HEAD"])
            .code(1);
        entry[key] = before;
    }
}

#[test]
fn since_needs_a_revision_and_check() {
    let sandbox = rendered_fleet();
    sandbox
        .run(&["render", "--check", "--since", "HEAD"])
        .code(2);
    commit(&sandbox);
    sandbox
        .run(&["render", "--check", "--since", "nowhere"])
        .code(2);
    sandbox.run(&["render", "--since", "HEAD"]).code(2);
    let both = ["render", "--check", "--allow-behind", "--since", "HEAD"];
    sandbox.run(&both).code(2);
}

#[test]
fn a_tenant_whose_files_are_gone_is_not_forgotten() {
    let sandbox = rendered_fleet();
    std::fs::remove_dir_all(sandbox.path().join("rendered/prod/tenants/a")).expect("removed");

    // It is broken, or its spec is gone too; somebody else takes its namespace.
    for spec in [Some("kind: [\n"), None] {
        match spec {
            Some(text) => sandbox.write("tenants/a.yaml", text),
            None => std::fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed"),
        }

        sandbox.write(
            "tenants/b.yaml",
            tenant("b", "").replace("[{name: b}]", "[{name: b}, {name: a}]"),
        );

        let ran = refused(&sandbox, "lifecycle/unretired-removal");
        assert!(
            ran.err.contains("restore them from Git")
                && sandbox.has("rendered/prod/entry/tenant-a.yaml"),
            "{}",
            ran.err
        );

        assert!(
            !sandbox
                .read("rendered/prod/tenants/b/b.yaml")
                .contains("namespace: a\n")
        );
    }

    // A sound tenant's files are made anew.
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.run(&["render"]).code(0);

    assert!(sandbox.has(A));
}

#[test]
fn records_of_an_unknown_cluster_are_ignored() {
    let sandbox = rendered_fleet();
    let record = serde_json::json!({"on": "aaa", "tenant": "mallory", "source": "tenants/m.yaml", "claims": ["group/a-admins"], "objects": ["Namespace//b"]});
    forge(
        &sandbox,
        "rendered/aaa/tenants/mallory/mallory.yaml",
        EVIL,
        record,
    );

    sandbox.write(
        "tenants/m.yaml",
        tenant("mallory", "").replace("mallory-admins", "a-admins"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/shared-subject") && ran.err.contains("held: mallory\n"),
        "{}",
        ran.err
    );
}

#[test]
fn edges_of_an_unknown_tenant_are_ignored() {
    let sandbox = rendered_fleet();
    let offer =
        "  network: {provides: [{port: 9090, to: {tenantSelector: {matchLabels: {team: x}}}}]}\n";
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  tenantLabels: [{{labels: {{team: x}}, tenants: [ghost]}}]\n"),
    );

    sandbox.write("tenants/b.yaml", tenant("b", offer));
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/b/b.yaml");
    let record = |objects: &[&str]| serde_json::json!({"on": "prod", "tenant": "ghost", "edges": ["kube-system>b"], "objects": objects});
    forge(
        &sandbox,
        "rendered/prod/tenants/ghost/ghost.yaml",
        "",
        record(&[]),
    );

    refused(&sandbox, "tree/foreign-file");
    assert_eq!(sandbox.read("rendered/prod/tenants/b/b.yaml"), before);
    // With a namespace it is a tenant that went, whose edges its neighbours keep, and that is
    // refused.
    forge(
        &sandbox,
        "rendered/prod/tenants/ghost/ghost.yaml",
        "",
        record(&["Namespace//kube-system"]),
    );

    refused(&sandbox, "lifecycle/unretired-removal");
}

#[test]
fn a_removal_is_complete_after_one_run() {
    let sandbox = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}  tenantLabels: [{{labels: {{team: x}}, tenants: [a]}}]\n"),
        ),
        (
            "tenants/a.yaml",
            &tenant("a", "  network: {egress: [{tenant: b}]}\n"),
        ),
        (
            "tenants/b.yaml",
            &tenant(
                "b",
                "  network: {provides: [{port: 80, to: {tenantSelector: {matchLabels: {team: x}}}}]}\n",
            ),
        ),
    ]);

    sandbox.run(&["render"]).code(0);
    assert!(
        sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("metadata.name: a\n")
    );

    std::fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    assert!(
        !sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("metadata.name: a\n")
    );

    sandbox.run(&["render", "--check"]).code(0);
}

#[test]
fn an_entry_of_the_lock_must_be_a_file_of_the_tree() {
    let sandbox = rendered_fleet();
    let lock = sandbox.read("tenantry.lock");
    let pipe = sandbox.path().join("pipe");
    let made = std::process::Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .expect("mkfifo");

    assert!(made.success());
    for entry in [
        "/dev/zero",
        "../pipe",
        "pipe",
        pipe.to_str().expect("UTF-8"),
    ] {
        sandbox.write(
            "tenantry.lock",
            lock.replace("clusters/prod/tenantry.yaml", entry),
        );
        sandbox.run(&["check"]).code(0);
    }

    sandbox.write("tenantry.lock", &lock);
    let there = sandbox.path().join("clusters/prod/tenantry.yaml");
    std::fs::remove_file(&there).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &there).expect("a link");
    sandbox.run(&["check"]).code(0);
    let ran = sandbox.run(&["render"]).code(1);

    assert!(ran.err.contains("is a folder or a link"), "{}", ran.err);
}

#[test]
fn a_run_that_ended_before_the_lock_is_completed() {
    let sandbox = rendered_fleet();
    let whole = sandbox.files();
    std::fs::remove_file(sandbox.path().join("tenantry.lock")).expect("removed");
    std::fs::remove_file(sandbox.path().join(A)).expect("removed");
    sandbox.run(&["render"]).code(0);
    assert_eq!(sandbox.files(), whole);

    // The same, of a cluster that is new.
    let two = format!("{FLEET}    - name: more\n");
    sandbox.write("tenants/fleet.yaml", &two);
    let lock = sandbox.read("tenantry.lock");

    for name in ["a", "b"] {
        sandbox.write(
            &format!("tenants/{name}.yaml"),
            tenant(name, "  clusters: [prod, more]\n"),
        );
    }

    sandbox.run(&["render"]).code(0);
    let whole = sandbox.files();
    sandbox.write("tenantry.lock", lock);
    sandbox.run(&["render"]).code(0);

    assert_eq!(sandbox.files(), whole);
}

#[test]
fn a_tombstone_is_written_before_files_are_deleted() {
    let sandbox = rendered_fleet();
    std::fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    // The folder of a file that goes cannot be changed: the run ends in the middle.
    let folder = sandbox.path().join("rendered/prod/tenants/a");
    let run = |program: &str, args: &str| {
        std::process::Command::new(program)
            .arg(args)
            .arg(&folder)
            .status()
            .is_ok_and(|s| s.success())
    };

    let root = std::process::Command::new("id")
        .arg("-u")
        .output()
        .expect("id")
        .stdout
        .starts_with(b"0\n");

    // Root may write wherever it is not said that nobody may.
    let (shut, open) = if root {
        (("chattr", "+i"), ("chattr", "-i"))
    } else {
        (("chmod", "a-w"), ("chmod", "u+w"))
    };

    if !run(shut.0, shut.1) {
        say("NOT RUN: no folder can be shut to this user, who is root, on this file system");
        return;
    }

    let ran = sandbox.run(&["render", "--allow-removal", "a"]);
    assert!(run(open.0, open.1));
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"tombstone\":\"a\"")
    );

    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    assert!(
        sandbox
            .run(&["render"])
            .code(1)
            .err
            .contains("lifecycle/quarantined-name")
    );
}

/// A folder's name says nothing of what lies below it: a cluster may be called `late`, and its
/// tenants be held.
#[test]
fn a_cluster_may_be_called_late() {
    let fleet = FLEET.replace("name: prod", "name: late");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &tenant("b", "")),
    ]);
    sandbox.run(&["render"]).code(0);
    let before = sandbox.files();
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: x}\n"));
    sandbox.run(&["render"]).code(1);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    assert_eq!(sandbox.files(), before);
}

/// Whatever part of the fleet is looked at, a cluster has as many tenants as it has.
#[test]
fn tenants_are_counted_once() {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    for i in 0..100 {
        sandbox.write(&format!("tenants/t{i}.yaml"), tenant(&format!("t{i}"), ""));
    }
    sandbox.run(&["render"]).code(0);
    let outgrown = |args: &[&str]| sandbox.run(args).all().contains("tree/outgrown");
    sandbox.write("tenants/t5.yaml", tenant("t5", "  quota: {pods: x}\n"));
    assert!(!outgrown(&["render", "--tenant", "t0"]) && !outgrown(&["check"]));
    sandbox.write("tenants/t5.yaml", tenant("t5", ""));
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/t6.yaml", tenant("t6", "  quota: {pods: \"9\"}\n"));
    assert!(!outgrown(&["check"]) && !outgrown(&["render"]));
    sandbox.write("tenants/t100.yaml", tenant("t100", ""));

    for command in ["check", "render", "render"] {
        assert!(outgrown(&[command]), "{command}");
    }
}

/// A record that says it has what a held tenant has does not take it from the held one.
#[test]
fn a_forged_claim_takes_nothing_from_a_held_tenant() {
    let host = |name: &str| tenant(name, "  allow: {ingressHosts: [a.example.com]}\n");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &host("b")),
        ("tenants/c.yaml", &tenant("c", "")),
    ]);

    sandbox.run(&["render"]).code(0);
    let forged = sandbox.read(A).replacen(
        "\"group/a-admins\"",
        "\"group/a-admins\",\"host/a.example.com\"",
        1,
    );

    sandbox.write(A, forged);
    sandbox.write(
        "tenants/b.yaml",
        "apiVersion: tenantry.dev/v1alpha1\nkind: [\n",
    );

    sandbox.write("tenants/c.yaml", host("c"));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.out.contains("still belongs to `b`"), "{}", ran.all());
}

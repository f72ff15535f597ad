//! Files that are not read, and links that are not written through: both are said.

use crate::support::{FLEET, Sandbox, tenant, two_tenants};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The tenants that `status` lists.
fn tenants(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.run(&["status", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let all = report["tenants"].as_array().expect("tenants");
    all.iter()
        .filter_map(|tenant| Some(tenant["name"].as_str()?.to_owned()))
        .collect()
}

/// A tenant that lies anywhere below the tenants folder is read, or is said not to be.
#[test]
fn no_tenant_is_silently_unread() {
    let folders = [
        "",
        "team/",
        ".hidden/",
        "target/",
        "node_modules/",
        "team/target/",
        "target/team/",
        ".target/",
    ];
    let names = ["x.yaml", "x.yml", "x.json", "x.YAML", ".x.yaml", "x y.yaml"];
    let (mut read, mut said) = (0, 0);

    for folder in folders {
        for name in names {
            let sandbox = two_tenants();
            let path = format!("tenants/{folder}{name}");
            let text = match name.ends_with(".json") {
                false => tenant("x", ""),
                true => String::from(
                    "{\"apiVersion\": \"tenantry.dev/v1alpha1\", \"kind\": \"Tenant\", \"metadata\": {\"name\": \"x\"}}",
                ),
            };
            sandbox.write(&path, text);
            let ran = sandbox.run(&["check"]).code(0);
            let is_said =
                ran.out.contains("warning[source/passed-over]") && ran.out.contains(&path);
            let is_read = tenants(&sandbox).contains(&"x".to_owned());
            assert!(is_said != is_read, "{path}: {}", ran.all());
            read += usize::from(is_read);
            said += usize::from(is_said);

            // Git's own store has the same files.
            for args in [
                &["init", "-q"][..],
                &["add", "-A", "-f"],
                &["commit", "-qm", "x"],
            ] {
                sandbox.git(args).code(0);
            }
            let staged = sandbox.run(&["check", "--staged"]).code(0);
            let count = if is_read { "3 tenants" } else { "2 tenants" };
            assert!(staged.err.contains(count), "{path}: {}", staged.all());
        }
    }
    assert!(read >= 12 && said >= 20, "{read} {said}");
}

#[test]
fn a_link_to_a_folder_with_tenants_is_said() {
    let sandbox = two_tenants();
    let outside = Sandbox::with(&[("x.yaml", &tenant("x", ""))]);
    sandbox.write("elsewhere/x.yaml", tenant("x", ""));
    sandbox.write("docs/readme.yaml", "a: 1\n");
    let at = |path: &str| sandbox.path().join(path);
    symlink("../elsewhere", at("tenants/inside")).expect("a link");
    symlink(outside.path(), at("tenants/outside")).expect("a link");
    symlink("../docs", at("tenants/docs")).expect("a link");
    sandbox.write("platform/t/x.yaml", "kind: ConfigMap\n");
    fs::create_dir(at("templates")).expect("a folder");
    symlink("../platform/t", at("templates/namespace")).expect("a link");

    let ran = sandbox.run(&["check"]).code(0);
    for path in ["tenants/inside", "tenants/outside", "templates/namespace"] {
        let says = format!("{path} is not read: it is a link to the folder");
        assert!(ran.out.contains(&says), "{path}: {}", ran.out);
    }
    assert_eq!(
        ran.out.matches("source/passed-over").count(),
        3,
        "{}",
        ran.out
    );

    // A link to a file is read, or is an error.
    symlink("../elsewhere/x.yaml", at("tenants/x.yaml")).expect("a link");
    assert!(tenants(&sandbox).contains(&"x".to_owned()));
    fs::remove_file(at("tenants/x.yaml")).expect("removed");
    symlink(outside.path().join("x.yaml"), at("tenants/x.yaml")).expect("a link");
    let ran = sandbox.run(&["check"]).code(1);
    assert!(
        ran.out.contains("error[source/outside-root]"),
        "{}",
        ran.out
    );
}

/// A file that `manifests` names is read, and one that only mentions the project is no spec.
#[test]
fn a_file_that_is_no_unread_spec_is_not_said() {
    let version = "\"apiVersion\": \"tenantry.dev/v1alpha1\"";
    let object = |data: &str| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"m\", \
             \"namespace\": \"x\"}}, {data}}}"
        )
    };
    let sandbox = two_tenants();
    sandbox.write(
        "tenants/m.json",
        object(&format!("\"data\": {{{version}}}")),
    );
    sandbox.write("tenants/x.yaml", tenant("x", "  manifests: [m.json]\n"));
    sandbox.write(
        "tenants/n.json",
        object("\"data\": {\"see\": \"tenantry.dev/docs\"}"),
    );
    let ran = sandbox.run(&["check"]).code(0);
    assert!(!ran.all().contains("source/passed-over"), "{}", ran.all());

    for spec in [
        "{\"apiVersion\" : \"tenantry.dev/v1\"}",
        "{apiVersion: 'tenantry.dev/v1'}",
        "apiVersion:  tenantry.dev/v1",
        "{\"apiVersion\":\n  \"tenantry.dev/v1\"}",
    ] {
        sandbox.write("tenants/n.json", spec);
        let ran = sandbox.run(&["check"]).code(0);
        assert!(ran.all().contains("source/passed-over"), "{}", ran.all());
    }
}

/// The search for unread files is bounded, begins with the first names, and says that it was cut.
#[test]
fn a_search_that_is_cut_is_said() {
    let sandbox = two_tenants();
    for (name, text) in [("a", "tenantry.dev/v1"), ("z", "tenantry.dev/v1")] {
        let path = format!("tenants/target/{name}.yaml");
        sandbox.write(&path, format!("apiVersion: {text}\n"));
    }
    for number in 0..9_998 {
        sandbox.write(&format!("tenants/target/m{number}.json"), "{}");
    }
    let cut = "tenants has more than 10000 files that are not read";
    let ran = sandbox.run(&["check"]).code(0);
    assert!(!ran.all().contains(cut), "{}", ran.all());
    assert!(
        ran.all().contains("target/z.yaml is not read"),
        "{}",
        ran.all()
    );

    sandbox.write("tenants/target/n.json", "{}");
    let ran = sandbox.run(&["check"]).code(0);
    assert!(ran.all().contains(cut), "{}", ran.all());
    assert!(
        ran.all().contains("target/a.yaml is not read"),
        "{}",
        ran.all()
    );
    assert!(!ran.all().contains("target/z.yaml"), "{}", ran.all());
}

#[test]
fn what_a_repository_commonly_holds_needs_no_word() {
    let sandbox = two_tenants();
    sandbox.write("tenants/node_modules/p/.github/ci.yaml", "on: push\n");
    sandbox.write("tenants/node_modules/p/package.json", "{}");
    sandbox.write("tenants/target/debug/out.yaml", "a: [\n");
    sandbox.write("tenants/package.json", "{}");
    sandbox.write("node_modules/p/x.yaml", "a: 1\n");
    symlink("../p", sandbox.path().join("tenants/node_modules/q")).expect("a link");
    let ran = sandbox.run(&["check", "--fail-on", "note"]);
    assert!(!ran.out.contains("source/"), "{}", ran.out);
}

/// A command that writes files, and what it needs to be there.
type Writer = (&'static [&'static str], fn() -> Sandbox);

fn writers() -> Vec<Writer> {
    let for_import = || {
        let sandbox = Sandbox::new();
        let shop = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n\
                    apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                    metadata: {name: owners, namespace: shop}\n\
                    roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}\n\
                    subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop}]\n";
        sandbox.write("manifests/shop.yaml", shop);
        sandbox
    };
    vec![
        (&["init"], Sandbox::new),
        (&["import", "manifests"], for_import),
        (&["new", "tenant", "c", "--owner", "group:c"], two_tenants),
        (&["render"], two_tenants),
    ]
}

/// Each file that a command writes, and each folder on the way to it, as a link to somewhere else.
#[test]
fn nothing_is_written_through_a_link() {
    for (command, make) in writers() {
        let sandbox = make();
        let before = sandbox.files();
        sandbox.run(command);
        let files = sandbox.files().into_keys();
        let written: Vec<String> = files.filter(|path| !before.contains_key(path)).collect();
        assert!(!written.is_empty(), "{command:?}");

        let mut places = std::collections::BTreeSet::new();
        for path in &written {
            let above = Path::new(path)
                .ancestors()
                .filter(|path| !path.as_os_str().is_empty());
            places.extend(above.map(Path::to_owned));
        }
        for place in places {
            let sandbox = make();
            let link = sandbox.path().join(&place);
            if link.exists() {
                continue;
            }
            let is_file = written.iter().any(|path| Path::new(path) == place);
            let target = Sandbox::with(&[("file", "kept")]);
            let to = if is_file {
                target.path().join("file")
            } else {
                target.path().to_owned()
            };
            fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
            symlink(to, &link).expect("a link");
            let kept = sandbox.files();

            let ran = sandbox.run(command);
            let what = format!("{command:?} {}: {}", place.display(), ran.all());
            assert_eq!(target.files().len(), 1, "{what}");
            assert_eq!(target.read("file"), "kept", "{what}");
            assert!(link.is_symlink(), "{what}");
            // A fleet that is there is read, and not written.
            if command[0] == "import" && place.ends_with("fleet.yaml") {
                continue;
            }
            assert_ne!(ran.code, 0, "{what}");
            assert!(ran.err.contains("link"), "{what}");
            assert_eq!(sandbox.files(), kept, "{what}");
        }
    }
}

#[test]
fn a_fleet_does_not_write_into_the_tree_of_another() {
    let fleets = Sandbox::new();
    for name in ["one", "two"] {
        fleets.write(
            &format!("{name}/tenants/fleet.yaml"),
            FLEET.replace("acme", name),
        );
        fleets.write(
            &format!("{name}/tenants/a.yaml"),
            tenant(&format!("{name}-a"), ""),
        );
    }
    let into = |fleet: &str, tree: &str| fleets.run(&["-C", fleet, "render", "--tree", tree]);

    // It is not rendered yet, and then it is.
    for _ in 0..2 {
        let before = fleets.files();
        let ran = into("one", "../two/rendered").code(2);
        assert!(ran.err.contains("the fleet `two`"), "{}", ran.err);
        assert_eq!(fleets.files(), before);
        fleets.run(&["-C", "two", "render"]).code(0);
    }

    // Where no specs lie beside the tree, the lock says whose it is.
    into("two", "../out/rendered").code(0);
    let before = fleets.files();
    let ran = into("one", "../out/rendered").code(1);
    assert!(ran.err.contains("error[tree/another-fleet]"), "{}", ran.err);
    assert!(
        ran.err.contains("that of the fleet `two`, not of `one`"),
        "{}",
        ran.err
    );
    assert_eq!(fleets.files(), before);
    into("two", "../out/rendered").code(0);

    // A checkout of the same fleet is its own.
    fleets.write("copy/tenants/fleet.yaml", FLEET.replace("acme", "one"));
    into("one", "../copy/rendered").code(0);
}

/// With `working-tree-encoding` or a filter, Git stores other bytes than those that are checked.
#[test]
fn attributes_of_git_below_the_root_are_refused() {
    let sandbox = two_tenants();
    sandbox.write(".gitattributes", "rendered/** linguist-generated\n");
    sandbox.run(&["render"]).code(0);
    for path in ["rendered/.gitattributes", "clusters/.gitattributes"] {
        sandbox.write(path, "*.yaml working-tree-encoding=UTF-16\n");
        let ran = sandbox.run(&["render", "--check"]).code(1);
        assert!(
            ran.out.contains("tree/foreign-file") && ran.out.contains(path),
            "{ran:?}"
        );
        fs::remove_file(sandbox.path().join(path)).expect("it is there");
    }
    sandbox.run(&["render", "--check"]).code(0);
}

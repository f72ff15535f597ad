//! Real fleets: taken over without a change, then tightened one tenant at a time.

use crate::support::{Sandbox, shared};
use std::path::Path;
use std::process::Command;

fn copy(from: &Path, to: &Sandbox) {
    let status = Command::new("cp")
        .arg("-r")
        .arg(from)
        .arg(to.path().join("src"))
        .status()
        .expect("cp");
    assert!(status.success());
    let _ = Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(to.path().join("src"))
        .status();
}

#[test]
fn a_production_fleet_is_imported_without_a_change() {
    let Some(archive) = shared("fleets/moj-cloud-platform/namespaces.tar.gz") else {
        return;
    };
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path().join("src")).expect("a folder");
    let status = Command::new("tar")
        .arg("xzf")
        .arg(&archive)
        .arg("-C")
        .arg(sandbox.path().join("src"))
        .status();

    assert!(status.expect("tar").success());
    let ran = sandbox.run(&["import", "src"]).code(0);
    assert!(ran.err.contains("1458 tenants"), "{}", ran.err);
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("1458 tenants") && ran.err.contains("0 errors"),
        "{}",
        ran.err
    );

    let ran = sandbox.run(&["diff", "--against", "src"]).code(0);
    // Two namespaces carry an annotation by which a controller hands out cloud roles: listed, not
    // carried over.
    // The account of each tenant's verbatim files is new.
    let is_account =
        |line: &&str| line.starts_with("+ RoleBinding") && line.ends_with("/manifests");
    let changed: Vec<&str> = ran.out.lines().filter(|l| !l.starts_with(' ')).collect();
    let (accounts, changed): (Vec<&str>, Vec<&str>) = changed.into_iter().partition(is_account);
    assert!(accounts.len() <= 1458, "{}", accounts.len());
    assert_eq!(
        changed,
        [
            "~ Namespace//pathfinder-preprod",
            "~ Namespace//pathfinder-prod"
        ],
        "{}",
        ran.out
    );

    let report = sandbox.read("tenants/IMPORT.md");
    assert!(
        report.contains("annotations.iam.amazonaws.com/permitted"),
        "listed with the reason"
    );

    // Tightened: the floor comes, what it replaces goes, and nobody else is touched.
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "tenants", "tenantry.lock"]).code(0);
    sandbox.git(&["commit", "-qm", "imported"]).code(0);
    let name = "just-link-dashboard-dev";
    let text = sandbox.read(&format!("tenants/{name}.yaml"));
    let text = text
        .replace("profile: adopted", "profile: restricted")
        .replace("clusterRole: admin", "role: owner")
        .replace(&format!("  - manifests/{name}/floor.yaml\n"), "");
    sandbox.write(
        &format!("tenants/{name}.yaml"),
        text.replace("  manifests:\n", ""),
    );

    let _ = std::fs::remove_file(sandbox.path().join(format!("tenants/waivers/{name}.yaml")));
    let ran = sandbox.run(&["diff", "HEAD"]).code(0);
    let lines: Vec<&str> = ran.out.lines().filter(|l| !l.starts_with(' ')).collect();
    assert!(lines.iter().all(|l| l.contains(name)), "{}", ran.out);

    for wanted in [
        format!("+ NetworkPolicy.networking.k8s.io/{name}/default-deny"),
        format!("- NetworkPolicy.networking.k8s.io/{name}/default"),
        format!("- NetworkPolicy.networking.k8s.io/{name}/allow-ingress-controllers"),
        format!("+ ServiceAccount/{name}/default"),
        format!("~ ResourceQuota/{name}/namespace-quota"),
    ] {
        assert!(lines.contains(&wanted.as_str()), "{wanted}\n{}", ran.out);
    }

    sandbox.run(&["render"]).code(0);
}

#[test]
fn a_kustomize_tree_in_the_tenants_folder_does_not_collide() {
    let Some(fleet) = shared("fleets/flux2-multi-tenancy") else {
        return;
    };
    let sandbox = Sandbox::new();
    let status = Command::new("cp")
        .arg("-r")
        .arg(fleet.join("."))
        .arg(sandbox.path())
        .status()
        .expect("cp");

    assert!(status.success());
    let _ = Command::new("chmod")
        .args(["-R", "u+w"])
        .arg(sandbox.path())
        .status();

    sandbox.run(&["init"]).code(0);
    assert!(
        sandbox
            .read("tenants/fleet.yaml")
            .contains("- name: production")
    );

    sandbox
        .run(&[
            "new",
            "tenant",
            "shop",
            "--owner",
            "group:shop",
            "--cluster",
            "staging",
        ])
        .code(0);

    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("of other groups skipped") && ran.err.contains("0 errors"),
        "{}",
        ran.err
    );
}

#[test]
fn other_fleets_are_imported_as_far_as_possible() {
    for (name, tenants, listed) in [
        (
            "flux2-multi-tenancy",
            "1 tenant:",
            "a patch of an overlay that is not built",
        ),
        (
            "warrenwb-fleets",
            "1 tenant:",
            "an overlay that is not built",
        ),
        (
            "larsdbr-k8s-platform",
            "3 tenants:",
            "nobody is bound in `istio-ingress`",
        ),
        ("capsule-playground", "0 tenants:", "Capsule's kind"),
    ] {
        let Some(fleet) = shared(&format!("fleets/{name}")) else {
            return;
        };
        let sandbox = Sandbox::new();
        copy(&fleet, &sandbox);
        let ran = sandbox
            .run(&["import", "src", "--owner", "group:platform"])
            .code(i32::from(tenants == "0 tenants:"));
        assert!(ran.err.starts_with(tenants), "{name}: {}", ran.err);
        assert!(sandbox.read("tenants/IMPORT.md").contains(listed), "{name}");
        sandbox.run(&["check"]).code(0);
        sandbox.run(&["render"]).code(0);
        // No tenant has a namespace of a fleet from which none was made.
        let code = if tenants == "0 tenants:" { 2 } else { 0 };
        let ran = sandbox.run(&["diff", "--against", "src"]).code(code);
        for line in ran.out.lines().filter(|l| l.starts_with("    ")) {
            assert!(line.contains("metadata.labels"), "{name}: {}", ran.out);
        }
    }
}

#[test]
fn import_refuses_to_overwrite() {
    let sandbox = Sandbox::with(&[(
        "src/a.yaml",
        "apiVersion: v1\n\
         kind: Namespace\n\
         metadata: {name: a}\n\
         ---\n\
         apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata: {name: x, namespace: a}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\n\
         subjects: [{kind: Group, name: g, apiGroup: rbac.authorization.k8s.io}]\n",
    )]);
    let ran = sandbox.run(&["import", "src", "--dry-run"]).code(0);
    assert!(
        ran.out.contains("## How the objects change hands") && !sandbox.has("tenants"),
        "{}",
        ran.out
    );
    sandbox.run(&["import", "src"]).code(0);
    let before = sandbox.files();
    sandbox.run(&["import", "src"]).code(2);
    assert_eq!(before, sandbox.files());
    sandbox.run(&["import", "nowhere"]).code(2);
}

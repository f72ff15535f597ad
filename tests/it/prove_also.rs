//! The manifests that `prove --also` reads beside a fleet, or without one.

use crate::support::{Sandbox, fixture, json, shared, tenant, two_tenants_with_an_edge};
use std::fs;
use std::process::Command;

#[test]
fn a_binding_across_tenants_is_found_at_its_line() {
    let sandbox = two_tenants_with_an_edge();
    sandbox.write(
        "platform/ci.yaml",
        fixture("prove/binding-across-tenants.yaml"),
    );

    let ran = sandbox.run(&["prove", "--also", "platform"]);
    assert_eq!(ran.code, 1, "{ran:?}");

    for part in [
        "api/cross-tenant-binding",
        "platform/ci.yaml:6:5",
        "service account a/default",
        "fix: remove the subject",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }

    // The chain begins with the tenant's own people: whoever creates a pod is every service
    // account.
    assert!(
        ran.out.contains("1. group a-admins creates pods in `a`"),
        "{}",
        ran.out
    );

    let report = json(
        &sandbox
            .run(&["prove", "--also", "prod=platform", "--format", "json"])
            .out,
    );

    let finding = &report["clusters"][0]["findings"][0];
    assert_eq!(
        (&finding["tenant"], &finding["victim"]),
        (&"a".into(), &"b".into()),
        "{finding}"
    );

    assert_eq!(finding["witness"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        sandbox.run(&["prove", "--also", "nowhere=platform"]).code,
        2
    );

    assert_eq!(sandbox.run(&["prove", "--also", "absent"]).code, 2);
    assert_eq!(
        sandbox.run(&["prove", "--only", "api/cross-tenant"]).code,
        2
    );

    // What is not asked for decides no exit code; its plane says so.
    let ran = sandbox.run(&["prove", "--also", "platform", "--skip", "api"]);
    assert!(
        ran.code == 0
            && !ran.out.contains("api/cross-tenant-binding")
            && ran.out.contains("1 way found, not asked for"),
        "{ran:?}"
    );
}

#[test]
fn a_second_definition_of_a_rendered_object_is_found() {
    let sandbox = two_tenants_with_an_edge();
    sandbox.write(
        "platform/policy.yaml",
        "apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata: {name: default-deny, namespace: b}\n\
         spec: {podSelector: {}}\n",
    );
    let ran = sandbox.run(&["prove", "--also", "platform"]);
    assert!(
        ran.code == 1 && ran.out.contains("gitops/second-definition"),
        "{ran:?}"
    );
}

#[test]
fn manifests_are_proven_without_a_fleet() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["prove"]).code, 2);
    let text = fixture("isolation/base.yaml");
    sandbox.write("manifests/base.yaml", text);
    let ran = sandbox.run(&[
        "prove",
        "--also",
        "manifests",
        "--group-by",
        "tenant",
        "--format",
        "json",
    ]);

    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(json(&ran.out)["clusters"][0]["tenants"], 2);
    let ran = sandbox.run(&["prove", "--also", "manifests", "--format", "json"]);

    assert_eq!(
        json(&ran.out)["clusters"][0]["tenants"],
        3,
        "each namespace is a tenant"
    );
}

/// Files that others would apply are not passed over for their name or their folder's.
#[test]
fn no_manifest_is_skipped_for_its_name() {
    let base = fixture("isolation/base.yaml");
    let cluster_admin = fixture("prove/cluster-admin.yaml");
    let grant = cluster_admin.as_str();
    let json_grant = r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "h"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}, "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "blue"}]}"#;
    let list = format!("apiVersion: v1\nkind: List\nitems: [{json_grant}]\n");

    for (path, text) in [
        ("m/target/a.yaml", grant),
        ("m/node_modules/x/a.yml", grant),
        ("m/.hidden/a.yaml", grant),
        ("m/a.json", json_grant),
        ("m/kustomization.blue.yaml", grant),
        ("m/list.yaml", &list),
        (
            "m/kustomization.yaml",
            &format!(
                "apiVersion: kustomize.config.k8s.io/v1beta1\n\
                 kind: Kustomization\n\
                 resources: [base.yaml]\n\
                 ---\n\
                 {grant}"
            ),
        ),
    ] {
        let sandbox = Sandbox::with(&[("m/base.yaml", &base), (path, text)]);
        for ask in [
            ["prove", "--also", "m"],
            ["prove", "--also", "."],
            ["prove", "--also", "./m/"],
        ] {
            let ran = sandbox.run(&[&ask[..], &["--group-by", "tenant"]].concat());
            assert!(
                ran.code == 1 && ran.out.contains("api/cluster-binding"),
                "{path} {ask:?}: {}",
                ran.out
            );
        }
    }
}

#[test]
fn a_patch_of_another_overlay_is_read_as_an_object() {
    let base = fixture("isolation/base.yaml");
    let grant = fixture("prove/cluster-admin.yaml");
    let overlay = "apiVersion: kustomize.config.k8s.io/v1beta1\n\
                   kind: Kustomization\n\
                   patches: [{path: ../a.yaml}]\n";
    let sandbox = Sandbox::with(&[
        ("m/base.yaml", &base),
        ("m/a.yaml", &grant),
        ("m/blue/kustomization.yaml", overlay),
    ]);

    let ran = sandbox.run(&["prove", "--also", "m", "--group-by", "tenant"]);
    assert!(
        ran.out.contains("api/cluster-binding") && ran.out.contains("document/not-read"),
        "{}",
        ran.out
    );
}

#[test]
fn a_link_to_a_folder_is_reported_as_not_read() {
    let base = fixture("isolation/base.yaml");
    let grant = fixture("prove/cluster-admin.yaml");
    let sandbox = Sandbox::with(&[("m/base.yaml", &base), ("elsewhere/a.yaml", &grant)]);
    std::os::unix::fs::symlink("../elsewhere", sandbox.path().join("m/link")).expect("a link");
    let ran = sandbox.run(&["prove", "--also", "m", "--group-by", "tenant"]);
    assert!(
        ran.code == 1 && ran.out.contains("document/not-read") && ran.out.contains("m/link"),
        "{}",
        ran.out
    );
}

#[test]
fn a_proof_over_no_manifest_is_an_error() {
    let base = fixture("isolation/base.yaml");
    let sandbox = Sandbox::with(&[
        ("empty/readme.md", ""),
        ("one.yaml", &base),
        ("config.yaml", "a: 1\n"),
    ]);

    assert_eq!(sandbox.run(&["prove", "--also", "empty"]).code, 2);
    assert_eq!(sandbox.run(&["prove", "--also", "config.yaml"]).code, 2);
    assert_eq!(
        sandbox
            .run(&["prove", "--also", "one.yaml", "--group-by", "tenant"])
            .code,
        0
    );
}

#[test]
fn a_name_cannot_move_the_cursor_of_a_terminal() {
    let base = fixture("isolation/base.yaml");
    let grant = fixture("prove/cluster-admin.yaml");
    let nasty = grant.replace(
        "name: app, namespace: blue",
        "name: \"a\\epp\", namespace: blue",
    );

    let sandbox = Sandbox::with(&[("m/base.yaml", &base), ("m/a.yaml", &nasty)]);
    let ran = sandbox.run(&["prove", "--also", "m", "--group-by", "tenant"]);
    assert!(
        ran.code == 1 && !ran.out.contains('\u{1b}'),
        "{:?}",
        ran.out
    );
}

#[test]
fn the_counts_of_the_case_study_hold() {
    let Some(_) = shared("fleets/moj-cloud-platform/namespaces.tar.gz") else {
        return;
    };
    let archive = shared("fleets/moj-cloud-platform/namespaces.tar.gz").expect("it is there");
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path().join("moj")).expect("a folder");
    let tar = Command::new("tar")
        .arg("xzf")
        .arg(archive)
        .arg("-C")
        .arg(sandbox.path().join("moj"))
        .status();

    assert!(tar.expect("tar runs").success());
    let ran = sandbox.run(&["prove", "--also", "moj", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let report = json(&ran.out);
    let findings = report["clusters"][0]["findings"]
        .as_array()
        .expect("findings");
    let count = |rule: &str| findings.iter().filter(|f| f["rule"] == rule).count();

    // Counted in the files themselves: docs/case-studies/cloud-platform.md says how.
    let told = |rule: &str, text: &str| {
        findings
            .iter()
            .any(|f| f["rule"] == rule && f["message"].as_str().is_some_and(|m| m.contains(text)))
    };

    assert!(told(
        "network/dangling-selector",
        "1452 policies admit namespaces labelled `component=ingress-controllers`"
    ));

    assert!(told(
        "admission/floor-writable",
        "1457 tenants write NetworkPolicies"
    ));

    assert!(told("api/wide-subject", "system:authenticated"));
    assert_eq!(count("api/cross-tenant-binding"), 13);
    assert_eq!(count("network/open-namespace"), 4);
}

#[test]
fn a_fleet_without_the_lockdown_of_flux_is_refuted() {
    let Some(folder) = shared("fleets/warrenwb-fleets") else {
        return;
    };
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["prove", "--also", &folder.to_string_lossy()]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("--no-cross-namespace-refs=false"),
        "{}",
        ran.out
    );

    assert!(
        ran.out
            .contains("a tenant's Flux objects may read every other tenant's sources"),
        "{}",
        ran.out
    );
}

/// The entry files of the tree are found in a folder of `--also`: each counts for its own cluster.
#[test]
fn an_entry_file_is_for_its_own_cluster() {
    let fleet = "apiVersion: tenantry.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\n\
                 spec:\n  clusters: [{name: prod}, {name: stage}]\n";
    let spec = tenant("red", "  clusters: [prod, stage]\n");
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", fleet), ("tenants/red.yaml", &spec)]);
    sandbox.run(&["render"]).code(0);

    let named = [
        "prove",
        "--also",
        "prod=clusters/prod",
        "--also",
        "stage=clusters/stage",
    ];
    let apart = sandbox.run(&named);
    let together = sandbox.run(&["prove", "--also", "clusters"]);
    assert_eq!(together.out, apart.out);
    assert_eq!(together.code, apart.code);

    // Another file of the folder is for every cluster.
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
                   metadata: {name: x}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
                   subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: red-admins}]\n";
    sandbox.write("clusters/prod/more.yaml", binding);
    let more = sandbox.run(&["prove", "--also", "clusters"]).out;
    assert!(more != together.out, "{more}");

    // The name of a cluster in the argument comes before that.
    std::fs::remove_file(sandbox.path().join("clusters/prod/more.yaml")).expect("removed");
    let entry = std::fs::read_dir(sandbox.path().join("clusters/prod")).expect("a folder");
    let entry = entry.flatten().next().expect("an entry file").path();
    let with_binding = std::fs::read_to_string(&entry).expect("a text") + "---\n" + binding;
    std::fs::write(&entry, &with_binding).expect("written");
    sandbox.write("other/x.yaml", &with_binding);
    let own = sandbox.run(&["prove", "--also", "stage=clusters/prod"]);
    let copy = sandbox.run(&["prove", "--also", "stage=other"]);
    let same = |text: &str| text.matches("error[").count();
    assert!(
        same(&own.out) > 0 && same(&own.out) == same(&copy.out),
        "{}",
        own.out
    );
    assert!(own.out.contains("stage"), "{}", own.out);
}

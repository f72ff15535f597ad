//! `can` and `reach`: the answer, and the chain that leads to it.

use crate::support::{fixture, pipe, two_tenants, two_tenants_with_an_edge};
use std::fs;

#[test]
fn can_prints_the_chain_of_grants() {
    let sandbox = two_tenants_with_an_edge();
    let ran = sandbox.run(&["can", "group:a-admins", "get", "secrets", "-n", "a"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.starts_with("prod: yes\n") && ran.out.contains("ClusterRole `tenantry-owner`"),
        "{}",
        ran.out
    );

    for args in [
        &["can", "group:a-admins", "get", "secrets", "-n", "b"][..],
        &[
            "can",
            "group:a-admins",
            "create",
            "networkpolicies",
            "-n",
            "a",
        ],
        &["can", "group:a-admins", "get", "nodes"],
        &["can", "group:a-admins", "get", "/metrics"],
    ] {
        let ran = sandbox.run(args);
        assert!(ran.code == 1 && ran.out.contains("prod: no"), "{ran:?}");
    }

    assert_eq!(sandbox.run(&["can", "user:x", "get", "/version"]).code, 0);
    // As kubectl finds it: by one, by a short name, in any case; what there is not is said.
    for resource in ["secret", "Secrets"] {
        assert_eq!(
            sandbox
                .run(&["can", "group:a-admins", "GET", resource, "-n", "a"])
                .code,
            0,
            "{resource}"
        );
    }

    assert_eq!(
        sandbox
            .run(&["can", "group:a-admins", "get", "deploy", "-n", "a"])
            .code,
        0
    );

    for args in [["get", "widgets", "a"], ["get", "pods", "nowhere"]] {
        let ran = sandbox.run(&["can", "group:a-admins", args[0], args[1], "-n", args[2]]);
        assert!(ran.code == 2 && ran.out.is_empty(), "{ran:?}");
    }

    // Through a service account that it can act as, unless only its own grants count.
    sandbox.write("also/x.yaml", fixture("prove/view-for-an-account.yaml"));

    let ask = [
        "can",
        "group:a-admins",
        "list",
        "pods",
        "-n",
        "b",
        "--also",
        "also",
    ];

    let ran = sandbox.run(&ask);
    assert!(
        ran.code == 0 && ran.out.contains("and so acts as service account a/app"),
        "{ran:?}"
    );

    assert_eq!(sandbox.run(&[&ask[..], &["--direct"]].concat()).code, 1);
}

#[test]
fn reach_prints_the_policies() {
    let sandbox = two_tenants_with_an_edge();
    let ran = sandbox.run(&["reach", "a", "b", "--port", "8080"]);
    assert!(
        ran.code == 0
            && ran
                .out
                .contains("NetworkPolicy b/allow-ingress lets it into `b`"),
        "{ran:?}"
    );

    for args in [
        &["reach", "a", "b", "--port", "9090"][..],
        &["reach", "b", "a"],
        &["reach", "a", "b", "--port", "8080/udp"],
    ] {
        let ran = sandbox.run(args);
        assert!(
            ran.code == 1
                && ran.out.contains("blocked")
                && ran.out.contains("/default-deny governs"),
            "{ran:?}"
        );
    }

    assert_eq!(sandbox.run(&["reach", "a", "nowhere"]).code, 2);
    assert_eq!(sandbox.run(&["reach", "a", "b", "--port", "http"]).code, 2);
}

/// The tree beside its own specs defines nothing anew; a question over what was not read is not
/// answered.
#[test]
fn a_question_over_unread_manifests_is_unknown() {
    let sandbox = two_tenants_with_an_edge();
    assert_eq!(sandbox.run(&["render"]).code, 0);
    let ran = sandbox.run(&["prove", "--also", "rendered"]);
    assert!(
        ran.code == 0 && !ran.out.contains("second-definition"),
        "{}",
        ran.out
    );

    sandbox.write(
        "also/x.yaml",
        "apiVersion: cilium.io/v2\n\
         kind: CiliumNetworkPolicy\n\
         metadata: {name: x, namespace: b}\n\
         spec: {}\n",
    );

    let ran = sandbox.run(&["reach", "a", "b", "--also", "also"]);
    assert!(
        ran.code == 1 && ran.out.contains("prod: unknown") && ran.out.contains("also/x.yaml:1:1"),
        "{ran:?}"
    );

    sandbox.write(
        "also/y.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\nrules: []\n",
    );

    let ran = sandbox.run(&["can", "group:a-admins", "get", "nodes", "--also", "also"]);
    assert!(
        ran.code == 1 && ran.out.contains("unknown") && ran.out.contains("also/y.yaml"),
        "{ran:?}"
    );

    assert_eq!(sandbox.run(&["can", "sa:b", "get", "nodes"]).code, 2);
    // An edge that specs declare excuses no more than what they declare.
    fs::remove_dir_all(sandbox.path().join("also")).expect("a folder");
    sandbox.write("also/wide.yaml", fixture("prove/wide-policies.yaml"));
    let ran = sandbox.run(&["prove", "--also", "also"]);

    assert!(
        ran.code == 1 && ran.out.contains("network/cross-tenant-ingress"),
        "{}",
        ran.out
    );
}

#[test]
fn manifests_on_the_standard_input_answer_as_those_of_a_file() {
    let sandbox = two_tenants();
    for subject in [
        "{kind: ServiceAccount, name: default, namespace: b}",
        "{kind: Group, name: \"system:authenticated\", apiGroup: rbac.authorization.k8s.io}",
    ] {
        let binding = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\n\
             kind: RoleBinding\n\
             metadata: {{name: x, namespace: a}}\n\
             roleRef: {{kind: ClusterRole, name: admin, apiGroup: rbac.authorization.k8s.io}}\n\
             subjects: [{subject}]\n"
        );
        sandbox.write("x.yaml", &binding);
        let question = ["can", "sa:b:default", "get", "secrets", "-n", "a", "--also"];

        let by_file = sandbox.run(&[&question[..], &["x.yaml"]].concat()).code(0);
        let mut command = sandbox.command(&[&question[..], &["-"]].concat());
        let by_input = pipe(&mut command, &binding).code(0);
        assert!(by_file.out.starts_with("prod: yes"), "{by_file:?}");
        assert!(by_input.out.starts_with("prod: yes"), "{by_input:?}");
    }
}

//! `can` and `reach`: the answer, and the chain that leads to it.

use crate::support::{
    FLEET, Sandbox, fixture, pipe, tenant, two_tenants, two_tenants_with_an_edge,
};
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

/// Two namespaces.
const MANIFESTS: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n\
                         apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n";

#[test]
fn a_value_that_means_nothing_is_refused() {
    let sandbox = Sandbox::with(&[("m.yaml", MANIFESTS)]);
    for (question, wanted) in [
        (&["prove", "--also", ""][..], "it is empty"),
        (&["prove", "--also", "x="], "no path is named"),
        (&["prove", "--also", "=m.yaml"], "no cluster is named"),
        (&["prove", "--snapshot", ""], "it is empty"),
        (
            &["prove", "--also", "nowhere"],
            "there is no such file or folder",
        ),
        (
            &["prove", "--also", "m.yaml", "--platform-namespace", "["],
            "a pattern",
        ),
        (
            &["prove", "--also", "m.yaml", "--tenant-namespace", ""],
            "a pattern",
        ),
        (
            &["prove", "--also", "m.yaml", "--group-by", ""],
            "the key of a label",
        ),
        (
            &["prove", "--also", "m.yaml", "-n", "BAD NS"],
            "the name of a namespace",
        ),
        (
            &[
                "can", "user:x", "get", "pods", "-n", "BAD NS", "--also", "m.yaml",
            ],
            "the name of a namespace",
        ),
        (
            &["reach", "a", "b", "--port", "0", "--also", "m.yaml"],
            "a port of 1 to 65535",
        ),
        (
            &["reach", "a", "b", "--port=+80", "--also", "m.yaml"],
            "a port of 1 to 65535",
        ),
        (
            &["reach", "a", "b", "--port", "080", "--also", "m.yaml"],
            "a port of 1 to 65535",
        ),
        (
            &["reach", "a", "10.0.0.0/08", "--also", "m.yaml"],
            "neither an address nor a network",
        ),
        (
            &["reach", "a", "[fd00::1]:80", "--also", "m.yaml"],
            "write fd00::1, and the port as --port 80",
        ),
        (
            &["reach", "a", "10.0.0.7:80", "--also", "m.yaml"],
            "write 10.0.0.7, and the port as --port 80",
        ),
        (
            &["reach", "a", "[::1", "--also", "m.yaml"],
            "neither an address nor a network",
        ),
        (
            &["reach", "a", "::1]", "--also", "m.yaml"],
            "neither an address nor a network",
        ),
        (
            &["reach", "a", "[[[::1", "--also", "m.yaml"],
            "neither an address nor a network",
        ),
        (
            &["reach", "a", "[[::1]]", "--also", "m.yaml"],
            "neither an address nor a network",
        ),
        (
            &["reach", "a", "[10.0.0.7]", "--also", "m.yaml"],
            "there is no namespace",
        ),
        (
            &["can", "user:", "get", "pods", "--also", "m.yaml"],
            "has no name",
        ),
        (
            &["can", "", "get", "pods", "--also", "m.yaml"],
            "a subject has a name",
        ),
        (
            &[
                "can",
                "ServiceAccount:a:x",
                "get",
                "pods",
                "--also",
                "m.yaml",
            ],
            "write user:, group:, serviceaccount: or sa:",
        ),
        (
            &[
                "can",
                "service-account:a:x",
                "get",
                "pods",
                "--also",
                "m.yaml",
            ],
            "write user:, group:, serviceaccount: or sa:",
        ),
        (
            &["can", "Users:x", "get", "pods", "--also", "m.yaml"],
            "write user:, group:, serviceaccount: or sa:",
        ),
        (
            &["who-can", "get", "secrets", "", "--also", "m.yaml"],
            "it is empty",
        ),
        (&["who-can", "get", "", "--also", "m.yaml"], "it is empty"),
        (&["who-can", "", "pods", "--also", "m.yaml"], "it is empty"),
        (
            &["who-can", "get", "pods", "--also", "m.yaml", "--fleet", "."],
            "it is a folder",
        ),
    ] {
        let ran = sandbox.run(question);
        assert!(
            ran.code == 2 && ran.err.contains(wanted),
            "{question:?}: {ran:?}"
        );
        assert_eq!(ran.out, "", "{question:?}");
    }

    // Without a fleet no waiver has a day, and the day is wrong all the same.
    let mut command = sandbox.command(&["prove", "--also", "m.yaml"]);
    let ran = command
        .env("TENANTRY_NOW", "")
        .args(["--now", "2026-13-99"])
        .output()
        .expect("it runs");
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
}

#[test]
fn a_user_may_have_a_colon_in_the_name() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);
    for subject in [
        "system:admin",
        "oidc:alice",
        "arn:aws:iam::111122223333:user/alice",
        "user:system:x",
        "user:ServiceAccount:a:x",
        "user:arn:aws:iam::111122223333:role/x",
        "sa:a:default",
        "sa:a/default",
        "serviceaccount:a:default",
        "group:oidc:admins",
    ] {
        let ran = sandbox.run(&["can", subject, "get", "pods", "-n", "a"]);
        assert!(ran.code < 2, "{subject}: {ran:?}");
    }
    for end in ["[fd00::1]", "fd00::1", "fd00::/8", "10.0.0.0/0"] {
        let ran = sandbox.run(&["reach", "a", end]);
        assert!(ran.code < 2, "{end}: {ran:?}");
    }
}

//! Pods that control their node: `can` and `who-can` follow them as the admission plane of `prove` does.

use crate::support::{Sandbox, tenant, two_tenants, waiver};

/// Two namespaces, and a user who makes pods in the first; the other has an account that reads Secrets.
fn with_pods_in_alpha(labels: &str, more: &str) -> Sandbox {
    let group = "rbac.authorization.k8s.io";
    let objects = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: alpha, labels: {{{labels}}}}}\n---\n\
         apiVersion: v1\nkind: Namespace\nmetadata:\n  name: beta\n  labels: \
         {{pod-security.kubernetes.io/enforce: restricted}}\n---\n\
         apiVersion: {group}/v1\nkind: Role\nmetadata: {{name: pods, namespace: alpha}}\n\
         rules: [{{apiGroups: [\"\"], resources: [pods], verbs: [create]}}]\n---\n\
         apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: pods, namespace: alpha}}\n\
         roleRef: {{apiGroup: {group}, kind: Role, name: pods}}\n\
         subjects: [{{apiGroup: {group}, kind: User, name: sam}}]\n---\n\
         apiVersion: {group}/v1\nkind: Role\nmetadata: {{name: reads, namespace: beta}}\n\
         rules: [{{apiGroups: [\"\"], resources: [secrets], verbs: [get]}}]\n---\n\
         apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: reads, namespace: beta}}\n\
         roleRef: {{apiGroup: {group}, kind: Role, name: reads}}\n\
         subjects: [{{kind: ServiceAccount, name: reader, namespace: beta}}]\n---\n{more}"
    );
    Sandbox::with(&[("all.yaml", &objects)])
}

/// An admission policy for everything that is created, with one expression.
fn policy(expression: &str) -> String {
    format!(
        "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\n\
         metadata: {{name: pods}}\nspec:\n  failurePolicy: Fail\n  matchConstraints:\n    \
         resourceRules: [{{apiGroups: ['*'], apiVersions: ['*'], operations: [CREATE, UPDATE], \
         resources: ['*']}}]\n  validations: [{{expression: \"{expression}\"}}]\n---\n\
         apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\n\
         metadata: {{name: pods}}\nspec: {{policyName: pods, validationActions: [Deny]}}\n"
    )
}

/// `can`, `who-can` and the admission plane of `prove` follow a pod to its node alike.
#[test]
fn pods_that_nothing_keeps_from_their_node_act_as_the_accounts_of_others() {
    let enforced = "pod-security.kubernetes.io/enforce: baseline";
    let denied = policy("false");
    let unread = policy("object.spec.containers.all(c, c.image.startsWith('example.org/'))");
    for (labels, more, word, verdict) in [
        ("", "", "yes", "refuted"),
        (
            "pod-security.kubernetes.io/enforce: privileged",
            "",
            "yes",
            "refuted",
        ),
        (
            "pod-security.kubernetes.io/warn: restricted",
            "",
            "yes",
            "refuted",
        ),
        (enforced, "", "no", ""),
        ("", &denied[..], "no", ""),
        ("", &unread[..], "unknown", "unknown"),
    ] {
        let sandbox = with_pods_in_alpha(labels, more);
        let asked = ["get", "secrets", "-n", "beta", "--also", "all.yaml"];
        let can = sandbox.run(&[&["can", "user:sam"], &asked[..]].concat());
        let case = format!("{labels} {more} {}", can.all());
        assert!(can.out.starts_with(&format!("cluster: {word}")), "{case}");
        let node = "user sam runs privileged pods in `alpha`, which enforces ";
        assert_eq!(can.out.contains(node), word != "no", "{case}");
        let acts = "and so acts as service account beta/reader";
        assert_eq!(can.out.contains(acts), word == "yes", "{case}");

        let who = sandbox.run(&[&["who-can"], &asked[..]].concat());
        assert_eq!(
            who.out.contains("  user sam ("),
            word != "no",
            "{}",
            who.out
        );
        assert_eq!(who.code, i32::from(word == "unknown"), "{}", who.out);

        let proof = sandbox.run(&["prove", "--also", "all.yaml", "--only", "admission"]);
        let rule = "admission/pod-security-not-enforced";
        assert_eq!(
            proof.out.contains(rule),
            !verdict.is_empty(),
            "{}",
            proof.out
        );
    }
}

/// A node holds more than the tokens of accounts: a `no` says so.
#[test]
fn a_no_names_the_node_that_pods_control() {
    let sandbox = with_pods_in_alpha("", "");
    let ask = |more: &[&str]| {
        let asked = [
            "can",
            "user:sam",
            "get",
            "configmaps",
            "-n",
            "beta",
            "--also",
            "all.yaml",
        ];
        sandbox.run(&[&asked[..], more].concat()).code(1).out
    };
    let node = "this rests on nodes: user sam runs privileged pods in `alpha`, which enforces no Pod \
                Security level, and so reads what its node holds";
    let out = ask(&[]);
    assert!(
        out.starts_with("cluster: no") && out.contains(node),
        "{out}"
    );
    assert!(!ask(&["--direct"]).contains("this rests on nodes"));

    // Whose labels no input has may enforce a level.
    let objects = sandbox.read("all.yaml");
    sandbox.write(
        "all.yaml",
        &objects[objects.find("---\n").expect("a document") + 4..],
    );
    let out = ask(&[]);
    let unless = "`alpha`, if it enforces no Pod Security level: no input has its labels";
    assert!(
        out.starts_with("cluster: no") && out.contains(unless),
        "{out}"
    );
}

/// A namespace of a tenant that a question does not name counts too.
#[test]
fn the_node_of_a_tenant_that_is_not_asked_about_counts() {
    let group = "rbac.authorization.k8s.io";
    let loose = tenant("c", "  podSecurity: {level: privileged}\n");
    let waived = waiver("c", "admission/pod-security-loosened", "2026-12-30");
    let grants = format!(
        "apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: pods, namespace: c}}\n\
         roleRef: {{apiGroup: {group}, kind: ClusterRole, name: edit}}\n\
         subjects: [{{apiGroup: {group}, kind: User, name: sam}}]\n---\n\
         apiVersion: {group}/v1\nkind: RoleBinding\nmetadata: {{name: reads, namespace: b}}\n\
         roleRef: {{apiGroup: {group}, kind: ClusterRole, name: admin}}\n\
         subjects: [{{kind: ServiceAccount, name: reader, namespace: b}}]\n"
    );
    for (spec, code) in [(&loose[..], 0), (&tenant("c", "")[..], 1)] {
        let sandbox = two_tenants();
        sandbox.write("tenants/c.yaml", spec);
        if code == 0 {
            sandbox.write("tenants/waivers/c.yaml", &waived);
        }
        sandbox.write("also/x.yaml", &grants);
        let asked = [
            "can", "user:sam", "list", "secrets", "-n", "b", "--also", "also",
        ];
        let ran = sandbox.run(&asked).code(code);
        let node =
            "runs privileged pods in `c`, which enforces the Pod Security level `privileged`";
        assert_eq!(ran.out.contains(node), code == 0, "{}", ran.out);
    }
}

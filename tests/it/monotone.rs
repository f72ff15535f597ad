//! More access never gives a better verdict: random clusters, each with one more subject, rule,
//! allowed edge or namespace.

use crate::isolation::{base, cluster};
use crate::support::Dice;
use serde_json::{Value, json};
use tenantry::isolation::{ClusterProof, Plane, Verdict, prove};

const RBAC: &str = "rbac.authorization.k8s.io";

/// How many random clusters are changed.
const ROUNDS: usize = 240;

/// The groups, resources and verbs that matter most, and some that do not.
static GRANTS: [(&str, &[&str], &[&str]); 14] = [
    ("", &["pods", "secrets", "configmaps"], &["get", "list"]),
    ("", &["pods", "pods/exec"], &["create", "patch"]),
    ("", &["namespaces"], &["get", "patch"]),
    ("", &["nodes", "persistentvolumes"], &["get", "list"]),
    ("", &["users", "groups"], &["impersonate"]),
    ("apps", &["deployments"], &["create", "update"]),
    ("management.cattle.io", &["nodes"], &["get"]),
    ("metrics.k8s.io", &["nodes", "pods"], &["get", "list"]),
    (RBAC, &["roles", "clusterroles"], &["bind", "escalate"]),
    (
        RBAC,
        &["rolebindings", "clusterrolebindings"],
        &["create", "patch"],
    ),
    (RBAC, &["roles", "clusterroles"], &["create", "patch"]),
    (
        "networking.k8s.io",
        &["networkpolicies"],
        &["create", "patch"],
    ),
    (
        "certificates.k8s.io",
        &["signers", "certificatesigningrequests"],
        &["approve", "create"],
    ),
    (
        "certificates.k8s.io",
        &["certificatesigningrequests/approval"],
        &["update"],
    ),
];

static NAMES: [&str; 4] = ["blue", "kube-root-ca.crt", "default-deny", "x"];
static NAMESPACES: [&str; 5] = ["blue", "green", "sand", "flux-system", "kube-public"];

fn below(dice: &mut Dice, count: usize) -> usize {
    let all: Vec<usize> = (0..count).collect();
    *dice.of(&all)
}

fn rule(dice: &mut Dice) -> Value {
    let (group, resources, verbs) = *dice.of(&GRANTS);
    let mut rule = json!({
        "apiGroups": [if below(dice, 12) == 0 { "*" } else { group }],
        "resources": resources,
        "verbs": verbs,
    });
    if below(dice, 4) == 0 {
        rule["resourceNames"] = json!([dice.of(&NAMES)]);
    }
    rule
}

fn subject(dice: &mut Dice) -> Value {
    let person = |kind: &str, name: &str| json!({"kind": kind, "apiGroup": RBAC, "name": name});
    match below(dice, 8) {
        0 => person("Group", "blue-admins"),
        1 => person("Group", "ops"),
        2 => person("User", "sam"),
        3 => person("Group", "system:authenticated"),
        4 => person(
            "Group",
            &format!("system:serviceaccounts:{}", dice.of(&NAMESPACES)),
        ),
        5 => json!({"kind": "ServiceAccount", "name": "applier", "namespace": "flux-system"}),
        _ => json!({"kind": "ServiceAccount", "name": "app", "namespace": dice.of(&NAMESPACES)}),
    }
}

fn role(dice: &mut Dice, number: usize) -> Value {
    let rules: Vec<Value> = (0..=below(dice, 3)).map(|_| rule(dice)).collect();
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
        "metadata": {"name": format!("role-{number}")}, "rules": rules})
}

fn binding(dice: &mut Dice, number: usize) -> Value {
    let subjects: Vec<Value> = (0..=below(dice, 2)).map(|_| subject(dice)).collect();
    let mut binding = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("binding-{number}")}, "subjects": subjects,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": format!("role-{}", below(dice, 4))}});
    if below(dice, 3) > 0 {
        binding["kind"] = json!("RoleBinding");
        binding["metadata"]["namespace"] = json!(dice.of(&NAMESPACES));
    }
    binding
}

/// Random roles, many of which let one act as others, and bindings.
pub fn grants(dice: &mut Dice) -> Vec<Value> {
    let roles = (0..4).map(|number| role(dice, number));
    let mut all: Vec<Value> = roles.collect();
    all.extend((0..=below(dice, 6)).map(|number| binding(dice, number)));
    all
}

/// A Kustomization of the platform that applies what blue writes.
fn driven(dice: &mut Dice) -> Value {
    let namespace = dice.of(&["blue", "flux-system"]);
    json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "applier", "namespace": "flux-system"},
        "spec": {"serviceAccountName": "applier", "path": "./",
            "sourceRef": {"kind": "GitRepository", "name": "apps", "namespace": namespace}}})
}

fn policy(dice: &mut Dice, number: usize) -> Value {
    let peer =
        json!({"namespaceSelector": {"matchLabels": {"tenant": dice.of(&["blue", "green"])}}});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("edge-{number}"), "namespace": dice.of(&NAMESPACES[..2])},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [peer.clone()]}], "egress": [{"to": [peer]}]}})
}

/// A tenant's namespace with a floor of its own.
fn namespace() -> [Value; 3] {
    let labels = json!({"tenant": "sand", "pod-security.kubernetes.io/enforce": "restricted"});
    [
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "sand", "labels": labels}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "default-deny", "namespace": "sand"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
        json!({"apiVersion": "v1", "kind": "ResourceQuota",
            "metadata": {"name": "quota", "namespace": "sand"}, "spec": {"hard": {"pods": "10"}}}),
    ]
}

fn push(object: &mut Value, list: &str, item: Value) {
    object[list].as_array_mut().expect("a list").push(item);
}

/// A random cluster, and the same with a little more access.
fn pair(dice: &mut Dice) -> (Vec<Value>, Vec<Value>) {
    let mut less: Vec<Value> = (0..4).map(|number| role(dice, number)).collect();
    less.extend((0..=below(dice, 3)).map(|number| binding(dice, number)));
    if below(dice, 3) == 0 {
        less.push(driven(dice));
    }
    if below(dice, 4) == 0 {
        less.push(policy(dice, 0));
    }

    let mut more = less.clone();
    match below(dice, 6) {
        0 => push(&mut more[4], "subjects", subject(dice)),
        1 => {
            let at = below(dice, 4);
            push(&mut more[at], "rules", rule(dice));
        }
        2 => more.push(binding(dice, 9)),
        3 => more.push(policy(dice, 9)),
        4 => more.extend(namespace()),
        _ => more.push(driven(dice)),
    }
    (less, more)
}

fn proof(objects: &[Value]) -> ClusterProof {
    let text: String = objects
        .iter()
        .map(|object| format!("---\n{object}\n"))
        .collect();
    let (_, cluster) = cluster(&[base(), ("case.yaml".into(), text)]);
    prove(&cluster)
}

fn verdict(proof: &ClusterProof, plane: Plane) -> Verdict {
    let of_plane = proof.planes.iter().find(|result| result.plane == plane);
    of_plane.expect("every plane").verdict
}

#[test]
fn more_access_never_gives_a_better_verdict() {
    let mut dice = Dice(19);
    let mut worse = 0;
    for round in 0..ROUNDS {
        let (less, more) = pair(&mut dice);
        let (before, after) = (proof(&less), proof(&more));
        for plane in Plane::ALL {
            let (old, new) = (verdict(&before, plane), verdict(&after, plane));
            worse += usize::from(new > old);
            assert!(
                new >= old,
                "round {round}: {} is {} with less access, {} with more:\n{less:#?}\n{more:#?}",
                plane.name(),
                old.name(),
                new.name()
            );
        }
    }
    // The changes matter: many make a verdict worse.
    assert!(worse > ROUNDS / 10, "{worse} of {ROUNDS}");
}

//! Random policies, made of expressions that policies of the field are made of.

use crate::support::Dice;
use serde_json::{Value, json};

/// Expressions that policies of the field are made of. Each is true of some requests and false, or
/// an error, of others.
const ATOMS: [&str; 62] = [
    "object.metadata.name.startsWith('default')",
    "oldObject.metadata.name == 'default-deny'",
    "has(object.metadata.labels)",
    "has(object.metadata.labels) && 'tenantry.dev/owner' in object.metadata.labels",
    "object.metadata.labels['tenantry.dev/owner'] == 'fleet'",
    "object.metadata.?labels[?'tenantry.dev/owner'].orValue('') == 'fleet'",
    "oldObject.?metadata.?labels[?'tenantry.dev/owner'].hasValue()",
    "has(oldObject.metadata.labels) && oldObject.metadata.labels.exists(k, k.startsWith('tenantry.dev/'))",
    "object == null",
    "oldObject == null",
    "oldObject != null && object != null",
    "request.operation == 'DELETE'",
    "request.operation in ['CREATE', 'UPDATE']",
    "request.userInfo.username == 'guards-tenant'",
    "request.userInfo.username.startsWith('system:serviceaccount:flux-system:')",
    "request.userInfo.groups.exists(g, g == 'guards-team')",
    "'system:masters' in request.userInfo.groups",
    "request.userInfo.groups.all(g, g.startsWith('guards-') || g == 'system:authenticated')",
    "request.resource.resource == 'networkpolicies'",
    "request.kind.kind == 'Pod'",
    "request.?subResource.orValue('') == ''",
    "request.namespace.startsWith('g-')",
    "request.name == 'default-deny'",
    "namespaceObject.metadata.name == request.namespace",
    "namespaceObject.metadata.labels['level'] == 'restricted'",
    "namespaceObject.metadata.?labels[?'missing'].orValue('') == 'x'",
    "has(namespaceObject.metadata.labels) && namespaceObject.metadata.labels['level'] in ['baseline', 'restricted']",
    "object.spec.containers.all(c, has(c.securityContext) && c.securityContext.?privileged.orValue(false) == false)",
    "object.spec.containers.exists(c, c.?securityContext.?privileged.orValue(false))",
    "object.spec.containers.exists(c, c.securityContext.privileged)",
    "object.spec.containers.all(c, c.securityContext.privileged == false)",
    "object.spec.?hostNetwork.orValue(false)",
    "has(object.spec.hostPID) && object.spec.hostPID",
    "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))",
    "object.spec.volumes.exists(v, has(v.hostPath) && v.hostPath.path.startsWith('/var'))",
    "object.spec.containers.map(c, c.image).all(i, i.matches('^registry[.]example/.*$'))",
    "object.spec.containers.filter(c, c.image.contains(':latest')).size() == 0",
    "object.spec.containers[0].name == 'c'",
    "object.spec.containers[1].name == 'd'",
    "size(object.spec.containers) > 1",
    "object.spec.?ingress.orValue([]).exists(r, !has(r.from))",
    "object.spec.ingress.all(r, has(r.from))",
    "object.spec.podSelector == {}",
    "size(object.spec.podSelector) == 0 && 'Ingress' in object.spec.policyTypes",
    "object.spec == oldObject.spec",
    "has(object.spec.hard) && quantity(object.spec.hard['requests.cpu']).isLessThan(quantity('4'))",
    "quantity(object.spec.hard['limits.memory']).compareTo(quantity('1Gi')) > 0",
    "object.data.size() == 1",
    "object.data.x == '1'",
    "object.data.all(k, int(object.data[k]) < 5)",
    "object.metadata.?annotations[?'kustomize.toolkit.fluxcd.io/reconcile'].orValue('enabled') == 'enabled'",
    "object.roleRef.name != 'cluster-admin'",
    "object.subjects.all(s, s.kind == 'ServiceAccount' && s.namespace == request.namespace)",
    "has(params.data) && params.data.allow == 'yes'",
    "params.data.names.split(',').exists(n, n == object.metadata.name)",
    "int(params.data.most) >= 3",
    "variables.labels.exists(k, k == 'tenantry.dev/owner')",
    "variables.isPod && object.spec.containers.size() == 1",
    "variables.broken == 1",
    "object.metadata.name.size() < 8 ? has(object.spec) : has(object.data)",
    "[1, 2].exists(n, n == 2) && {'a': 1}.a == 1",
    "true",
];

fn expression(dice: &mut Dice, depth: usize) -> String {
    let atom = |dice: &mut Dice| format!("({})", dice.of(&ATOMS));
    if depth == 0 {
        return atom(dice);
    }

    match *dice.of(&[0, 0, 1, 1, 2, 3, 4]) {
        0 => atom(dice),
        1 => format!(
            "({} && {})",
            expression(dice, depth - 1),
            expression(dice, depth - 1)
        ),
        2 => format!(
            "({} || {})",
            expression(dice, depth - 1),
            expression(dice, depth - 1)
        ),
        3 => format!("!{}", expression(dice, depth - 1)),
        _ => format!(
            "({} ? {} : {})",
            expression(dice, depth - 1),
            expression(dice, depth - 1),
            atom(dice)
        ),
    }
}

fn matching(dice: &mut Dice) -> Value {
    let resources = *dice.of(&[
        &["*"][..],
        &["*"],
        &["*"],
        &["networkpolicies", "pods"],
        &["pods", "configmaps"],
        &["resourcequotas", "rolebindings"],
        &["*/*"],
    ]);

    let operations = *dice.of(&[
        &["*"][..],
        &["CREATE", "UPDATE"],
        &["DELETE"],
        &["CREATE", "UPDATE", "DELETE"],
    ]);

    let groups = *dice.of(&[&["*"][..], &["*"], &["", "networking.k8s.io"]]);
    let mut rule = json!({"apiGroups": groups, "apiVersions": [*dice.of(&["*", "v1"])], "resources": resources, "operations": operations});
    if *dice.of(&[false, false, false, true]) {
        rule["scope"] = (*dice.of(&["Namespaced", "Cluster", "*"])).into();
    }
    if *dice.of(&[false, false, false, false, true]) {
        rule["resourceNames"] = json!(["default-deny", "x"]);
    }
    let mut all = json!({"resourceRules": [rule]});

    match *dice.of(&[0, 0, 0, 1, 2]) {
        1 => all["objectSelector"] = json!({"matchLabels": {"tenantry.dev/owner": "fleet"}}),
        2 => {
            all["objectSelector"] =
                json!({"matchExpressions": [{"key": "free", "operator": "DoesNotExist"}]})
        }
        _ => {}
    }

    if *dice.of(&[false, false, false, true]) {
        all["excludeResourceRules"] = json!([{"apiGroups": [""], "apiVersions": ["*"], "resources": ["configmaps"], "operations": ["*"]}]);
    }
    if *dice.of(&[false, false, true]) {
        all["matchPolicy"] = "Exact".into();
    }
    all
}

/// A policy and its binding to a namespace.
pub fn policy(dice: &mut Dice, at: usize) -> [Value; 2] {
    let conditions: Vec<Value> = (0..*dice.of(&[0, 0, 1, 2]))
        .map(|i| json!({"name": format!("c{i}"), "expression": expression(dice, 1)}))
        .collect();
    let validations: Vec<Value> = (0..*dice.of(&[1, 1, 2]))
        .map(|_| json!({"expression": expression(dice, 2)}))
        .collect();
    let text = json!([conditions, validations]).to_string();
    let mut spec = json!({
        "failurePolicy": *dice.of(&["Fail", "Fail", "Ignore"]),
        "matchConstraints": matching(dice), "matchConditions": conditions, "validations": validations,
        "variables": [
            {"name": "labels", "expression": "object.metadata.?labels.orValue({})"},
            {"name": "isPod", "expression": "request.kind.kind == 'Pod'"},
            {"name": "broken", "expression": "object.spec.nothing"},
        ],
    });

    let name = format!("g-{at}");
    let mut binding = json!({
        "policyName": name,
        "validationActions": *dice.of(&[&["Deny"][..], &["Deny"], &["Deny", "Audit"], &["Warn"]]),
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}},
    });

    if text.contains("params") {
        spec["paramKind"] = json!({"apiVersion": "v1", "kind": "ConfigMap"});
        let named = json!({"name": *dice.of(&["params", "params", "none"])});
        let selected = json!({"selector": {"matchLabels": {"params": "yes"}}});
        binding["paramRef"] = if *dice.of(&[true, false]) {
            named
        } else {
            selected
        };
        binding["paramRef"]["parameterNotFoundAction"] = (*dice.of(&["Deny", "Allow"])).into();
    }

    [("ValidatingAdmissionPolicy", spec), ("ValidatingAdmissionPolicyBinding", binding)].map(|(kind, spec)| {
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
    })
}

//! Tamper analysis: each object of the floor, and each way to remove, weaken, freeze or sidestep
//! it, has a verdict: by RBAC alone, and with admission policies that stop it or do not.

use crate::isolation::{cluster, named, without};
use crate::support::{documents, say};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry::isolation::{self, ClusterProof, Plane, Verdict};

struct Floor {
    kind: String,
    object: Value,
    writes: Value,
    ways: Vec<Way>,
}

/// A way to change an object of the floor: the expression of a policy that denies it, and a part of the
/// finding without it.
struct Way {
    name: String,
    kept: String,
    says: String,
}

fn floor() -> Vec<Floor> {
    let read = |document: &Value| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let ways = document["ways"].as_object().expect("ways").iter();
        Floor {
            kind: text(&document["object"]["kind"]),
            object: document["object"].clone(),
            writes: document["writes"].clone(),
            ways: ways
                .map(|(name, way)| Way {
                    name: name.clone(),
                    kept: text(&way["kept"]),
                    says: text(&way["says"]),
                })
                .collect(),
        }
    };
    documents("fixtures/isolation/tamper.yaml")
        .iter()
        .map(read)
        .collect()
}

/// The clean base, in which the blue tenant writes an object of its floor, with some more objects.
fn proof(floor: &Floor, verbs: &Value, more: &[Value]) -> ClusterProof {
    let mut writes = floor.writes.clone();
    writes["verbs"] = verbs.clone();
    let api = "rbac.authorization.k8s.io/v1";
    let mut objects = vec![
        floor.object.clone(),
        json!({"apiVersion": api, "kind": "Role", "metadata": {"name": "writes", "namespace": "blue"}, "rules": [writes]}),
        json!({"apiVersion": api, "kind": "RoleBinding", "metadata": {"name": "writes", "namespace": "blue"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "writes"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "blue-admins"}]}),
    ];
    objects.extend(more.iter().cloned());
    let gone: BTreeSet<String> = objects.iter().map(named).collect();
    let case: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
    isolation::prove(&cluster(&[without(&gone), ("case.yaml".into(), case)]).1)
}

/// A policy of some expressions, and its binding.
fn policy(expressions: &[&str], binding: &Value, failure: &str) -> [Value; 2] {
    let validations: Vec<Value> = expressions
        .iter()
        .map(|e| json!({"expression": e}))
        .collect();

    let api = "admissionregistration.k8s.io/v1";
    let mut bound = json!({"policyName": "floor", "validationActions": ["Deny"]});
    for (key, value) in binding.as_object().expect("fields") {
        bound[key] = value.clone();
    }

    [
        json!({"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "floor"}, "spec": {
            "failurePolicy": failure, "validations": validations,
            "matchConstraints": {"resourceRules": [
                {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}}}),
        json!({"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "floor"}, "spec": bound}),
    ]
}

/// The verdict of the admission plane, what it found, and the assumptions that it rests on.
fn verdict(proof: &ClusterProof) -> (Verdict, String, String) {
    let plane = proof
        .planes
        .iter()
        .find(|p| p.plane == Plane::Admission)
        .expect("the plane");

    let here = |f: &&isolation::Finding| f.plane == Plane::Admission && f.verdict.is_some();
    let found = proof.findings.iter().filter(here).map(|f| {
        assert_eq!(
            f.diagnostic.rule.id, "admission/floor-writable",
            "{}",
            f.diagnostic.message
        );
        let steps = f.diagnostic.related.iter().map(|r| r.label.as_str());
        steps.collect::<Vec<_>>().join("\n")
    });

    let found = found.collect::<Vec<_>>().join("\n");
    let names = plane
        .assumptions
        .iter()
        .map(|a| a.name)
        .collect::<Vec<_>>()
        .join(" ");

    (plane.verdict, found, names)
}

#[test]
fn each_way_to_change_the_floor_has_a_verdict() {
    let (mut asked, none) = (0, json!({}));
    for floor in floor() {
        let all = &floor.writes["verbs"];
        // By RBAC alone each verb is a way.
        for verb in all.as_array().expect("verbs") {
            let (verdict, found, _) = verdict(&proof(&floor, &json!([verb]), &[]));
            assert_eq!(verdict, Verdict::Refuted, "{} {verb}: {found}", floor.kind);
            asked += 1;
        }

        let kept: Vec<&str> = floor.ways.iter().map(|way| way.kept.as_str()).collect();
        let with = |expressions: &[&str], binding: &Value, failure: &str| {
            verdict(&proof(&floor, all, &policy(expressions, binding, failure)))
        };
        // All of them denied: what holds rests on the policy.
        let (stopped, found, names) = with(&kept, &none, "Fail");
        assert_eq!(stopped, Verdict::Assumed, "{}: {found}", floor.kind);
        assert!(names.contains("policies-deny"), "{}: {names}", floor.kind);

        for (
            at,
            Way {
                name: way, says, ..
            },
        ) in floor.ways.iter().enumerate()
        {
            let mut less = kept.clone();
            less.remove(at);
            let (open, found, _) = with(&less, &none, "Fail");
            assert_eq!(open, Verdict::Refuted, "{} {way}: {found}", floor.kind);
            assert!(found.contains(says), "{} {way}: {found}", floor.kind);
            // What asks the authorizer is not evaluated: neither stopped nor open.
            less.push("authorizer.group('').resource('namespaces').check('update').allowed()");
            let (unknown, found, _) = with(&less, &none, "Fail");
            assert_eq!(unknown, Verdict::Unknown, "{} {way}: {found}", floor.kind);
            assert!(
                found.contains(says) && found.contains("not known"),
                "{} {way}: {found}",
                floor.kind
            );
            asked += 2;
        }

        // What only warns, is not bound here, or lets errors pass, stops nothing.
        let elsewhere =
            json!({"matchResources": {"namespaceSelector": {"matchLabels": {"tenant": "green"}}}});
        for (what, binding, failure, expressions) in [
            (
                "audited",
                json!({"validationActions": ["Audit", "Warn"]}),
                "Fail",
                &kept,
            ),
            ("elsewhere", elsewhere, "Fail", &kept),
            (
                "of another policy",
                json!({"policyName": "other"}),
                "Fail",
                &kept,
            ),
            (
                "ignored",
                none.clone(),
                "Ignore",
                &vec!["request.resource.nothing == 1"],
            ),
        ] {
            let (open, found, _) = with(expressions, &binding, failure);
            assert_eq!(open, Verdict::Refuted, "{} {what}: {found}", floor.kind);
            asked += 1;
        }

        // Whether an error denies is not known: another operand may absorb it.
        let (unknown, found, _) = with(&["request.resource.nothing == 1"], &none, "Fail");
        assert_eq!(
            unknown,
            Verdict::Unknown,
            "{} an error: {found}",
            floor.kind
        );

        let (unknown, found, _) = with(&["object.nothing == 1"], &none, "Fail");
        assert!(unknown >= Verdict::Unknown, "{}: {found}", floor.kind);
        asked += 3;
    }

    say(&format!(
        "tamper: {asked} verdicts on ways to change the floor"
    ));
    assert!(asked >= 80);
}

/// Policies that look as if they stopped it, and do not, or not for sure: none of them is taken to.
#[test]
fn a_policy_with_a_gap_blocks_nothing() {
    let network = |verbs: Value| json!({"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs});
    let create = || network(json!(["create"]));
    let all = || network(json!(["create", "update", "patch", "delete"]));
    let rbac = |resources: Value, verbs: Value| json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": resources, "verbs": verbs});
    let deny = || json!({"validations": [{"expression": "false"}]});
    let says = |expression: &str| json!({"validations": [{"expression": expression}]});
    let rule = |key: &str, value: Value| {
        let mut rule = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
        rule[key] = value;
        json!({"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [rule]}})
    };

    let selected = |selector: Value| {
        let rule = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
        json!({"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [rule], "objectSelector": selector}})
    };

    let condition = |expression: &str| json!({"validations": [{"expression": "false"}], "matchConditions": [{"name": "c", "expression": expression}]});
    let none = || json!({});
    let param = |rest: Value| {
        let mut binding = json!({"paramRef": {"name": "guard", "parameterNotFoundAction": "Deny"}});
        for (key, value) in rest.as_object().expect("fields") {
            binding["paramRef"][key] = value.clone();
        }
        binding
    };

    let with_param = || json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}, "validations": [{"expression": "params.data.open == 'yes'"}]});
    let guard = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "guard", "namespace": "blue"}, "data": {"open": "no"}});
    let status =
        |resource: &str| json!({"apiGroups": [""], "resources": [resource], "verbs": ["patch"]});
    let cases: Vec<(&str, Value, Value, Value)> = vec![
        (
            "another resource",
            status("pods/status"),
            rule("resources", json!(["configmaps"])),
            none(),
        ),
        (
            "the status of a quota",
            status("resourcequotas/status"),
            rule("resources", json!(["resourcequotas"])),
            none(),
        ),
        (
            "a name that is not there",
            json!({"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "resourceNames": ["gone"], "verbs": ["update"]}),
            says("object.metadata.name != 'default-deny'"),
            none(),
        ),
        (
            "a name that the rule does not have",
            all(),
            rule("resourceNames", json!(["other"])),
            none(),
        ),
        (
            "all at once have no name",
            network(json!(["deletecollection"])),
            rule(
                "resourceNames",
                json!(["default-deny", "allow-intra", "allow-internet"]),
            ),
            none(),
        ),
        (
            "a label that it avoids",
            create(),
            selected(json!({"matchExpressions": [{"key": "exempt", "operator": "DoesNotExist"}]})),
            none(),
        ),
        (
            "a label that it does not take",
            create(),
            selected(json!({"matchLabels": {"floor": "yes"}})),
            none(),
        ),
        (
            "a condition on a label",
            create(),
            condition("!('exempt' in object.metadata.labels)"),
            none(),
        ),
        (
            "a condition on who asks",
            create(),
            condition("!request.userInfo.groups.exists(g, g == 'blue-admins')"),
            none(),
        ),
        (
            "a name that it chooses",
            create(),
            says("object.metadata.name.startsWith('app-')"),
            none(),
        ),
        (
            "a label that it sets",
            create(),
            says("has(object.metadata.labels) && 'approved' in object.metadata.labels"),
            none(),
        ),
        (
            "empty peers alone",
            create(),
            says("!has(object.spec.ingress) || object.spec.ingress.all(i, has(i.from))"),
            none(),
        ),
        (
            "ports alone",
            create(),
            says("object.spec.ingress.all(i, has(i.ports))"),
            none(),
        ),
        (
            "one role alone",
            rbac(json!(["rolebindings"]), json!(["create"])),
            says("object.roleRef.name != 'cluster-admin'"),
            none(),
        ),
        (
            "one mark alone",
            all(),
            says(
                "request.operation == 'UPDATE' && object.spec == oldObject.spec && object.metadata.?annotations[?'kustomize.toolkit.fluxcd.io/reconcile'].orValue('') != 'disabled'",
            ),
            none(),
        ),
        (
            "options that it chooses",
            network(json!(["delete"])),
            says("has(request.options.propagationPolicy)"),
            none(),
        ),
        (
            "dry runs alone",
            create(),
            says("!has(request.options.dryRun)"),
            none(),
        ),
        (
            "a uid",
            create(),
            says("request.userInfo.uid != 'x'"),
            none(),
        ),
        (
            "a default of the server's",
            network(json!(["delete"])),
            says("!('Ingress' in oldObject.spec.policyTypes) || has(oldObject.spec.extra)"),
            none(),
        ),
        (
            "a version that is not served",
            all(),
            rule("apiVersions", json!(["v1beta1"])),
            none(),
        ),
        ("its own parameters", all(), with_param(), param(none())),
        (
            "its own parameters by name",
            all(),
            with_param(),
            param(json!({"namespace": "blue"})),
        ),
        (
            "bindings beside roles",
            rbac(json!(["roles"]), json!(["bind", "escalate"])),
            rule("resources", json!(["rolebindings"])),
            none(),
        ),
        (
            "another scope",
            all(),
            rule("scope", json!("Cluster")),
            none(),
        ),
        (
            "a rule that takes it out",
            all(),
            json!({"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}], "excludeResourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}]}}),
            none(),
        ),
        // What the server does not take is not there.
        (
            "no constraints",
            all(),
            json!({"validations": [{"expression": "false"}], "matchConstraints": null}),
            none(),
        ),
        (
            "constraints of a text",
            all(),
            json!({"validations": [{"expression": "false"}], "matchConstraints": "x"}),
            none(),
        ),
        (
            "a policy of failure that is none",
            all(),
            json!({"validations": [{"expression": "false"}], "failurePolicy": "fail"}),
            none(),
        ),
        (
            "a condition that is no text",
            all(),
            json!({"validations": [{"expression": "false"}], "matchConditions": [{"name": "x", "expression": false}]}),
            none(),
        ),
        (
            "stars beside others",
            all(),
            rule("operations", json!(["*", "CREATE"])),
            none(),
        ),
        (
            "deny and warn",
            all(),
            deny(),
            json!({"validationActions": ["Deny", "Warn"]}),
        ),
        (
            "parameters without an action",
            all(),
            with_param(),
            json!({"paramRef": {"name": "guard", "namespace": "flux-system"}}),
        ),
        (
            "a variable of itself",
            all(),
            json!({"variables": [{"name": "a", "expression": "variables.a"}], "validations": [{"expression": "variables.a"}]}),
            none(),
        ),
        // What another operand absorbs.
        (
            "an error beside what is written",
            create(),
            says(
                "object.metadata.labels.approved == 'yes' || oldObject.metadata.labels.approved == 'yes'",
            ),
            none(),
        ),
        (
            "an error that an item absorbs",
            create(),
            says("[{'a': 'x'}, {'name': 'ok'}].exists(r, r.name == object.metadata.name)"),
            none(),
        ),
        (
            "an alternative that is not needed",
            all(),
            says("object.?metadata.?namespace.orValue(oldObject.x) == 'blue'"),
            none(),
        ),
        (
            "an operator twice",
            all(),
            says("!!(request.operation != '')"),
            none(),
        ),
        (
            "a condition with an error",
            create(),
            condition("object.metadata.name == 'x' && oldObject.x"),
            none(),
        ),
        // What is not so on the server.
        (
            "many at once, the old object",
            network(json!(["deletecollection"])),
            says("oldObject != null"),
            none(),
        ),
        (
            "many at once, its name",
            network(json!(["deletecollection"])),
            says("!oldObject.metadata.name.startsWith('x')"),
            none(),
        ),
        (
            "a field beside the spec",
            network(json!(["update"])),
            says(
                "object.spec == oldObject.spec && object.metadata.?labels == oldObject.metadata.?labels && object.metadata.?annotations == oldObject.metadata.?annotations",
            ),
            none(),
        ),
        (
            "a name that is excluded",
            create(),
            {
                let every = || json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
                let mut but = every();
                but["resourceNames"] = json!(["exempt"]);
                json!({"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [every()], "excludeResourceRules": [but]}})
            },
            none(),
        ),
        (
            "labels that are gone",
            network(json!(["update"])),
            says("object.metadata.?labels.hasValue() && object.spec == oldObject.spec"),
            none(),
        ),
        (
            "a value in a list",
            network(json!(["update"])),
            says("!(oldObject.spec.podSelector in [{}])"),
            none(),
        ),
        (
            "a label that Flux adds",
            network(json!(["delete"])),
            {
                let rule = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
                let not = json!({"matchExpressions": [{"key": "kustomize.toolkit.fluxcd.io/name", "operator": "DoesNotExist"}]});
                json!({"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [rule], "objectSelector": not}})
            },
            none(),
        ),
        (
            "an unknown name's beginning",
            json!({"apiGroups": [""], "resources": ["limitranges"], "verbs": ["update"]}),
            says("request.name.startsWith('team-')"),
            none(),
        ),
        (
            "the labels of a status",
            status("namespaces/status"),
            says("object.status == oldObject.status"),
            none(),
        ),
        (
            "a Namespace's own",
            json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["update"]}),
            says("namespaceObject == null || false"),
            none(),
        ),
        (
            "a Namespace's namespace",
            json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["update"]}),
            says("!has(object.metadata.namespace) || false"),
            none(),
        ),
        (
            "one version of several",
            json!({"apiGroups": ["security.istio.io"], "resources": ["authorizationpolicies"], "verbs": ["create"]}),
            json!({"validations": [{"expression": "false"}], "matchConstraints": {"matchPolicy": "Exact", "resourceRules": [
                {"apiGroups": ["*"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"]}]}}),
            none(),
        ),
        (
            "another field of a policy",
            json!({"apiGroups": ["cilium.io"], "resources": ["ciliumnetworkpolicies"], "verbs": ["update"]}),
            says("object.spec == oldObject.spec && object.metadata == oldObject.metadata"),
            none(),
        ),
        (
            "an error of cost that passes",
            create(),
            json!({"failurePolicy": "Ignore", "validations": [{"expression": "request.operation != 'CREATE'"}]}),
            none(),
        ),
        (
            "a version that may not be served",
            json!({"apiGroups": ["security.istio.io"], "resources": ["authorizationpolicies"], "verbs": ["create"]}),
            rule("apiVersions", json!(["v1"])),
            none(),
        ),
        (
            "an optional beside a text",
            network(json!(["delete"])),
            says(
                "(request.operation == 'DELETE' ? oldObject.metadata.?labels.floor : 'x') == 'yes'",
            ),
            none(),
        ),
        (
            "the ports of a slice",
            json!({"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["update"]}),
            says(
                "object.endpoints == oldObject.endpoints && object.metadata == oldObject.metadata",
            ),
            none(),
        ),
        (
            "what Calico's own server is asked",
            json!({"apiGroups": ["projectcalico.org"], "resources": ["networkpolicies"], "verbs": ["create"]}),
            deny(),
            none(),
        ),
        // What makes the program stop.
        (
            "a long list",
            create(),
            says("lists.range(2000000000).size() > 1"),
            none(),
        ),
        (
            "a long number",
            create(),
            says("'%.1000000f'.format([1.0]) == ''"),
            none(),
        ),
        (
            "the least number",
            create(),
            says("-(-9223372036854775807 - 1) > 0"),
            none(),
        ),
        (
            "a large quantity",
            create(),
            says(
                "quantity('170141183460469231731687303715884105727E').compareTo(quantity('1n')) > 0",
            ),
            none(),
        ),
        (
            "quotes of quotes",
            create(),
            says(&format!(
                "{}'\\''{} == ''",
                "strings.quote(".repeat(32),
                ")".repeat(32)
            )),
            none(),
        ),
        (
            "patterns in loops",
            create(),
            says(
                "[1,2,3,4,5,6,7,8,9].all(x, [1,2,3,4,5,6,7,8,9].all(y, [1,2,3,4,5,6,7,8,9].all(z, 'x'.matches('(x{1,50}){1,50}'))))",
            ),
            none(),
        ),
        // What costs too much, or is too deep.
        (
            "nested comprehensions",
            all(),
            says(
                "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, [1,2,3,4,5,6,7,8,9].all(f, [1,2,3,4,5,6,7,8,9].all(g, a + b + c + d + e + f + g > 0)))))))",
            ),
            none(),
        ),
        (
            "a long sum",
            all(),
            says(&format!("{} == 0", vec!["1"; 7000].join("+"))),
            none(),
        ),
        (
            "a deep field",
            all(),
            says(&format!("object{} == 0", ".a".repeat(7000))),
            none(),
        ),
        (
            "doubled lists",
            all(),
            json!({"variables": (0..40).map(|i| json!({"name": format!("v{i}"), "expression": if i == 0 { "[1]".to_owned() } else { format!("[variables.v{0}, variables.v{0}]", i - 1) }})).collect::<Vec<_>>(), "validations": [{"expression": "size(variables.v39) == 0"}]}),
            none(),
        ),
        (
            "doubled texts",
            all(),
            json!({"variables": (0..60).map(|i| json!({"name": format!("v{i}"), "expression": if i == 0 { "'xxxxxxxx'".to_owned() } else { format!("variables.v{0} + variables.v{0}", i - 1) }})).collect::<Vec<_>>(), "validations": [{"expression": "size(variables.v59) == 0"}]}),
            none(),
        ),
    ];

    let floor = &floor()[0];
    let started = std::time::Instant::now();

    for (what, writes, spec, binding) in &cases {
        let mut objects = policy(&["false"], binding, "Fail").to_vec();
        for (key, value) in spec.as_object().expect("fields") {
            objects[0]["spec"][key] = value.clone();
        }
        objects.push(guard.clone());
        let floor = Floor {
            kind: floor.kind.clone(),
            object: floor.object.clone(),
            writes: writes.clone(),
            ways: Vec::new(),
        };

        let proof = proof(&floor, &writes["verbs"], &objects);
        let plane = proof
            .planes
            .iter()
            .find(|p| p.plane == Plane::Admission)
            .expect("the plane");

        assert!(
            plane.verdict >= Verdict::Unknown,
            "{what}: {:?}",
            plane.verdict
        );
    }

    // Several of them are made to take for ever.
    assert!(started.elapsed().as_secs() < 120);
    say(&format!(
        "tamper: {} policies that only look as if they stopped it",
        cases.len()
    ));
}

/// Pods that are their node, where no Pod Security level is enforced: a policy that denies each
/// stands in for it.
#[test]
fn a_policy_can_replace_pod_security() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue", "labels": {"tenant": "blue"}}});
    let containers = "object.spec.containers.all(c, !c.?securityContext.?privileged.orValue(false) \
                      && c.?securityContext.?capabilities.?add.orValue([]).size() == 0)";
    let kept = [
        containers,
        "object.spec.?initContainers.orValue([]).all(c, !c.?securityContext.?privileged.orValue(false) \
         && c.?securityContext.?capabilities.?add.orValue([]).size() == 0)",
        "!object.spec.?hostPID.orValue(false)",
        "!object.spec.?hostIPC.orValue(false)",
        "!object.spec.?hostNetwork.orValue(false)",
        "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))",
    ];

    let found = |expressions: &[&str], exempt: bool| {
        let mut objects = policy(expressions, &json!({}), "Fail").to_vec();
        objects[0]["spec"]["matchConstraints"]["resourceRules"][0]["resources"] = json!(["pods"]);

        if exempt {
            let expression =
                "!request.userInfo.groups.exists(g, g == 'system:serviceaccounts:kube-system')";
            objects[0]["spec"]["matchConditions"] =
                json!([{"name": "system", "expression": expression}]);
        }

        objects.push(namespace.clone());
        let gone: BTreeSet<String> = objects.iter().map(named).collect();
        let case: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
        let proof = isolation::prove(&cluster(&[without(&gone), ("case.yaml".into(), case)]).1);
        let steps = proof
            .findings
            .iter()
            .filter(|f| f.plane == Plane::Admission)
            .flat_map(|f| {
                assert_eq!(f.diagnostic.rule.id, "admission/pod-security-not-enforced");
                f.diagnostic.related.iter().map(|r| r.label.clone())
            });

        steps.collect::<Vec<_>>().join("\n")
    };

    assert_eq!(found(&kept, false), "");
    for at in 0..kept.len() {
        let mut less = kept.to_vec();
        less.remove(at);
        assert!(
            found(&less, false).contains("no admission policy denies it"),
            "{}",
            kept[at]
        );
    }

    // What else stands in a pod is its maker's to write.
    for other in [
        "object.spec.containers.all(c, c.image.startsWith('registry.example.org/'))",
        "object.spec.containers.all(c, has(c.resources.limits))",
        "!object.spec.containers[0].?securityContext.?privileged.orValue(false)",
        "object.spec.?priorityClassName.hasValue()",
    ] {
        assert!(!found(&[other], false).is_empty(), "{other}");
    }

    // A name in other letters, or with CAP_ before it, is one too.
    let some = "object.spec.containers.all(c, !c.?securityContext.?privileged.orValue(false) \
                && !c.?securityContext.?capabilities.?add.orValue([]).exists(a, a in ['ALL', 'SYS_ADMIN', 'SYS_PTRACE', 'SYS_MODULE']))";
    let mut less = kept.to_vec();
    less[0] = some;
    assert!(
        found(&less, false).contains("a capability of the node's"),
        "{}",
        found(&less, false)
    );

    let named = "object.spec.containers.all(c, !c.?securityContext.?privileged.orValue(false) \
                 && c.?securityContext.?capabilities.?add.orValue([]).all(a, a in ['NET_BIND_SERVICE', 'CHOWN']))";
    less[0] = named;
    assert_eq!(found(&less, false), "");

    // A Deployment's pods are made by a controller, which this one lets through.
    assert!(
        found(&kept, true).contains("runs a Deployment with a privileged container"),
        "{}",
        found(&kept, true)
    );
}

//! Tamper analysis: each object of the floor, and each way to remove, weaken, freeze or sidestep
//! it, has a verdict: by RBAC alone, and with admission policies that stop it or do not.

use crate::isolation::{cluster, named, without};
use crate::support::{documents, say};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tenantry::isolation::{self, ClusterProof, Plane, PlaneResult, Verdict};

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

/// The admission plane of a proof.
fn admission(proof: &ClusterProof) -> &PlaneResult {
    let mut planes = proof.planes.iter();
    planes
        .find(|plane| plane.plane == Plane::Admission)
        .expect("the plane")
}

/// The verdict of the admission plane, what it found, and the assumptions that it rests on.
fn verdict(proof: &ClusterProof) -> (Verdict, String, String) {
    let plane = admission(proof);
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

/// A policy that looks as if it protected the floor, of fixtures/isolation/policy-gaps.yaml.
struct Gap {
    name: String,
    /// The rule of the role that the tenant has.
    writes: Value,
    expression: String,
    /// Fields of the policy's spec, and of its binding's.
    spec: Value,
    binding: Value,
}

fn gaps() -> Vec<Gap> {
    let fields = |value: &Value| match value {
        Value::Null => json!({}),
        fields => fields.clone(),
    };
    let read = |document: &Value| Gap {
        name: document["gap"].as_str().expect("a name").to_owned(),
        writes: document["writes"].clone(),
        expression: document["expression"]
            .as_str()
            .unwrap_or("false")
            .to_owned(),
        spec: fields(&document["spec"]),
        binding: fields(&document["binding"]),
    };
    documents("fixtures/isolation/policy-gaps.yaml")
        .iter()
        .map(read)
        .collect()
}

/// Policies that cost too much to evaluate, or are too deep.
fn costly_gaps() -> Vec<Gap> {
    let verbs = json!(["create", "update", "patch", "delete"]);
    let gap = |name: &str, expression: String, spec: Value| Gap {
        name: name.to_owned(),
        writes: json!({
            "apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": verbs,
        }),
        expression,
        spec,
        binding: json!({}),
    };
    let doubled = |count: usize, first: &str, twice: &dyn Fn(usize) -> String| {
        let expression = |at: usize| match at {
            0 => first.to_owned(),
            at => twice(at - 1),
        };
        let variable = |at: usize| json!({"name": format!("v{at}"), "expression": expression(at)});
        json!({"variables": (0..count).map(variable).collect::<Vec<_>>()})
    };

    vec![
        gap(
            "a long sum",
            format!("{} == 0", vec!["1"; 7000].join("+")),
            json!({}),
        ),
        gap(
            "a deep field",
            format!("object{} == 0", ".a".repeat(7000)),
            json!({}),
        ),
        gap(
            "doubled lists",
            "size(variables.v39) == 0".to_owned(),
            doubled(40, "[1]", &|at| {
                format!("[variables.v{at}, variables.v{at}]")
            }),
        ),
        gap(
            "doubled texts",
            "size(variables.v59) == 0".to_owned(),
            doubled(60, "'xxxxxxxx'", &|at| {
                format!("variables.v{at} + variables.v{at}")
            }),
        ),
    ]
}

/// No policy is taken to block a request that it may let through.
#[test]
fn a_policy_with_a_gap_blocks_nothing() {
    let guard = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "guard", "namespace": "blue"}, "data": {"open": "no"},
    });
    let first = &floor()[0];
    let mut gaps = gaps();
    gaps.extend(costly_gaps());
    let started = Instant::now();

    for gap in &gaps {
        let mut objects = policy(&[&gap.expression], &gap.binding, "Fail").to_vec();
        for (key, value) in gap.spec.as_object().expect("fields") {
            objects[0]["spec"][key] = value.clone();
        }
        objects.push(guard.clone());
        let floor = Floor {
            kind: first.kind.clone(),
            object: first.object.clone(),
            writes: gap.writes.clone(),
            ways: Vec::new(),
        };

        let verdict = admission(&proof(&floor, &gap.writes["verbs"], &objects)).verdict;
        assert!(verdict >= Verdict::Unknown, "{}: {verdict:?}", gap.name);
    }

    // Several of them are made to take a long time.
    assert!(started.elapsed() < Duration::from_secs(120));
    say(&format!(
        "tamper: {} policies that only look as if they protected the floor",
        gaps.len()
    ));
    assert!(gaps.len() >= 60);
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

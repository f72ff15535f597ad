//! Tamper analysis: each object of the floor, and each way to remove, weaken, freeze or sidestep it, has a verdict: by RBAC
//! alone, and with admission policies that stop it or do not.

use crate::isolation::{cluster, named, without};
use crate::support::{root, say};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use tenantry::document;
use tenantry::isolation::{self, Plane, Proof, Verdict};
use tenantry::source::{Source, Sources};

struct Floor {
    kind: String,
    object: Value,
    writes: Value,
    ways: Vec<(String, String, String)>,
}

fn floor() -> Vec<Floor> {
    let mut sources = Sources::default();
    let text = fs::read_to_string(root().join("fixtures/isolation/tamper.yaml")).expect("tamper.yaml");
    let id = sources.add(Source::new("tamper.yaml", text));
    let (documents, faults) = document::parse_foreign(id, sources.get(id));
    assert!(faults.is_empty(), "{faults:?}");
    let of = |document: &document::Document| {
        let value = document.root.to_json();
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let ways = value["ways"].as_object().expect("ways").iter();
        Floor {
            kind: text(&value["object"]["kind"]),
            object: value["object"].clone(),
            writes: value["writes"].clone(),
            ways: ways.map(|(name, way)| (name.clone(), text(&way["kept"]), text(&way["says"]))).collect(),
        }
    };
    documents.iter().map(of).collect()
}

/// The clean base, in which the blue tenant writes an object of its floor, with some more objects.
fn proof(floor: &Floor, verbs: &Value, more: &[Value]) -> Proof {
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
    let validations: Vec<Value> = expressions.iter().map(|e| json!({"expression": e})).collect();
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
fn verdict(proof: &Proof) -> (Verdict, String, String) {
    let plane = proof.planes.iter().find(|p| p.plane == Plane::Admission).expect("the plane");
    let here = |f: &&isolation::Finding| f.plane == Plane::Admission && f.verdict.is_some();
    let found = proof.findings.iter().filter(here).map(|f| {
        assert_eq!(f.diagnostic.rule.id, "admission/floor-writable", "{}", f.diagnostic.message);
        let steps = f.diagnostic.related.iter().map(|r| r.label.as_str());
        steps.collect::<Vec<_>>().join("\n")
    });
    let found = found.collect::<Vec<_>>().join("\n");
    let names = plane.assumptions.iter().map(|a| a.name).collect::<Vec<_>>().join(" ");
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
        let kept: Vec<&str> = floor.ways.iter().map(|(_, kept, _)| kept.as_str()).collect();
        let with = |expressions: &[&str], binding: &Value, failure: &str| {
            verdict(&proof(&floor, all, &policy(expressions, binding, failure)))
        };
        // All of them denied: what holds rests on the policy.
        let (stopped, found, names) = with(&kept, &none, "Fail");
        assert_eq!(stopped, Verdict::Assumed, "{}: {found}", floor.kind);
        assert!(names.contains("policies-deny"), "{}: {names}", floor.kind);
        for (at, (way, _, says)) in floor.ways.iter().enumerate() {
            let mut less = kept.clone();
            less.remove(at);
            let (open, found, _) = with(&less, &none, "Fail");
            assert_eq!(open, Verdict::Refuted, "{} {way}: {found}", floor.kind);
            assert!(found.contains(says), "{} {way}: {found}", floor.kind);
            // What asks the authorizer is not evaluated: neither stopped nor open.
            less.push("authorizer.group('').resource('namespaces').check('update').allowed()");
            let (unknown, found, _) = with(&less, &none, "Fail");
            assert_eq!(unknown, Verdict::Unknown, "{} {way}: {found}", floor.kind);
            assert!(found.contains(says) && found.contains("not known"), "{} {way}: {found}", floor.kind);
            asked += 2;
        }
        // What only warns, is not bound here, or lets errors pass, stops nothing.
        let elsewhere = json!({"matchResources": {"namespaceSelector": {"matchLabels": {"tenant": "green"}}}});
        for (what, binding, failure, expressions) in [
            ("audited", json!({"validationActions": ["Audit", "Warn"]}), "Fail", &kept),
            ("elsewhere", elsewhere, "Fail", &kept),
            ("of another policy", json!({"policyName": "other"}), "Fail", &kept),
            ("ignored", none.clone(), "Ignore", &vec!["object.nothing == 1"]),
        ] {
            let (open, found, _) = with(expressions, &binding, failure);
            assert_eq!(open, Verdict::Refuted, "{} {what}: {found}", floor.kind);
            asked += 1;
        }
        let (stopped, found, _) = with(&["object.nothing == 1"], &none, "Fail");
        assert_eq!(stopped, Verdict::Assumed, "{} an error denies: {found}", floor.kind);
        asked += 2;
    }
    say(&format!("tamper: {asked} verdicts on ways to change the floor"));
    assert!(asked >= 80);
}

/// Pods that are their node, where no Pod Security level is enforced: a policy that denies each stands in for it.
#[test]
fn a_policy_may_stand_in_for_pod_security() {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue", "labels": {"tenant": "blue"}}});
    let containers = "object.spec.containers.all(c, !c.?securityContext.?privileged.orValue(false) \
                      && c.?securityContext.?capabilities.?add.orValue([]).size() == 0)";
    let kept = [
        containers,
        "object.spec.?initContainers.orValue([]).all(c, !c.?securityContext.?privileged.orValue(false))",
        "!object.spec.?hostPID.orValue(false)",
        "!object.spec.?hostIPC.orValue(false)",
        "!object.spec.?hostNetwork.orValue(false)",
        "object.spec.?volumes.orValue([]).all(v, !has(v.hostPath))",
    ];
    let found = |expressions: &[&str], exempt: bool| {
        let mut objects = policy(expressions, &json!({}), "Fail").to_vec();
        objects[0]["spec"]["matchConstraints"]["resourceRules"][0]["resources"] = json!(["pods"]);
        if exempt {
            let expression = "!request.userInfo.groups.exists(g, g == 'system:serviceaccounts:kube-system')";
            objects[0]["spec"]["matchConditions"] = json!([{"name": "system", "expression": expression}]);
        }
        objects.push(namespace.clone());
        let gone: BTreeSet<String> = objects.iter().map(named).collect();
        let case: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
        let proof = isolation::prove(&cluster(&[without(&gone), ("case.yaml".into(), case)]).1);
        let steps = proof.findings.iter().filter(|f| f.plane == Plane::Admission).flat_map(|f| {
            assert_eq!(f.diagnostic.rule.id, "admission/pod-security-not-enforced");
            f.diagnostic.related.iter().map(|r| r.label.clone())
        });
        steps.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(found(&kept, false), "");
    for at in 0..kept.len() {
        let mut less = kept.to_vec();
        less.remove(at);
        assert!(found(&less, false).contains("no admission policy denies it"), "{}", kept[at]);
    }
    // A Deployment's pods are made by a controller, which this one lets through.
    assert!(found(&kept, true).contains("runs a Deployment with a privileged container"), "{}", found(&kept, true));
}

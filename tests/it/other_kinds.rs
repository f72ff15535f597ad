//! Kinds of other systems: what they grant, copy and run is found, and their harmless twins are not;
//! each row of the table of operators is followed.

use super::isolation::{base, changed_cluster, cluster, named, without};
use crate::support::{documents, say};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry::isolation::operators::OPERATOR_KINDS;
use tenantry::isolation::{self, ClusterProof};

/// What is found beside the base.
fn prove(objects: &[Value]) -> ClusterProof {
    let gone: BTreeSet<String> = objects.iter().map(named).collect();
    let text: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
    isolation::prove(&cluster(&[without(&gone), ("case.yaml".into(), text)]).1)
}

/// The rules that are raised, with what could not be read.
fn rules(proof: &ClusterProof) -> BTreeSet<&'static str> {
    let findings = proof.findings.iter().map(|finding| &finding.diagnostic);
    let all = findings.chain(&proof.unread_inputs);
    all.map(|diagnostic| diagnostic.rule.id).collect()
}

#[test]
fn each_kind_is_found_or_harmless() {
    let cases = documents("fixtures/isolation/other-kinds.yaml");
    for case in &cases {
        let objects = case["add"].as_array().expect("objects");
        let proof = prove(objects);
        let expected: BTreeSet<&str> = case["finds"].as_str().into_iter().collect();
        let found = rules(&proof);

        match expected.is_empty() {
            true => assert_eq!(found, expected, "{}", case["case"]),
            false => assert!(found.is_superset(&expected), "{}: {found:?}", case["case"]),
        }
    }
    say(&format!("other kinds: {} cases", cases.len()));
}

/// A role of blue's people in blue, with one rule.
fn granted(group: &str, resource: &str, verb: &str) -> [Value; 2] {
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": "extra", "namespace": "blue"},
            "rules": [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "extra", "namespace": "blue"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "extra"},
            "subjects": [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "blue-admins"}],
        }),
    ]
}

/// What is assumed or found about operators.
fn about_operators(proof: &ClusterProof) -> Vec<String> {
    let assumed = proof
        .planes
        .iter()
        .flat_map(|plane| &plane.assumptions)
        .filter(|assumption| assumption.name == "operators-closed")
        .map(|assumption| assumption.text.clone());
    let found = proof
        .findings
        .iter()
        .filter(|finding| finding.diagnostic.rule.id == "api/operator-kind")
        .map(|finding| finding.diagnostic.message.clone());
    assumed.chain(found).collect()
}

#[test]
fn a_right_on_an_operators_kind_is_said_and_reading_it_is_not() {
    assert!(about_operators(&isolation::prove(&cluster(&[base()]).1)).is_empty());

    for row in OPERATOR_KINDS {
        let group = row.group.replace("*.", "example.");
        // Closed: no object opens the one, and the base shows the other's controller with the flag.
        let closed = ["keda.sh", "kustomize.toolkit.fluxcd.io"].contains(&row.group);
        for resource in row.resources {
            let name = if *resource == "*" { "things" } else { resource };
            for verb in ["create", "patch", "*"] {
                let said = about_operators(&prove(&granted(&group, name, verb)));
                assert_eq!(said.is_empty(), closed, "{group} {name} {verb}: {said:?}");
                assert!(said.iter().all(|text| text.contains("`blue`")), "{said:?}");
            }
            for verb in ["get", "list", "watch", "delete"] {
                let said = about_operators(&prove(&granted(&group, name, verb)));
                assert!(said.is_empty(), "{group} {name} {verb}: {said:?}");
            }
        }
    }
}

#[test]
fn a_finding_about_many_tenants_names_the_first_few() {
    let names: Vec<String> = (0..20).map(|at| format!("team-{at:02}")).collect();
    let shared = json!({
        "apiVersion": "spire.spiffe.io/v1alpha1", "kind": "ClusterSPIFFEID", "metadata": {"name": "h"},
        "spec": {"spiffeIDTemplate": "spiffe://example.org/app"},
    });
    let role = "arn:aws:iam::1:role/all";
    let objects = names.iter().flat_map(|name| {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "app", "namespace": name,
                "annotations": {"eks.amazonaws.com/role-arn": role}},
        });
        [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            account,
        ]
    });
    let text: String = objects
        .chain([shared])
        .map(|o| format!("---\n{o}\n"))
        .collect();
    let (_, cluster) = changed_cluster(&[("case.yaml".into(), text)], |parts| {
        let more = names.iter().map(|name| {
            let mut tenant = parts.tenants[0].clone();
            (tenant.name, tenant.subjects) = (name.as_str().into(), Vec::new());
            tenant.namespaces = vec![name.as_str().into()];
            tenant
        });
        let more: Vec<_> = more.collect();
        parts.tenants.extend(more);
    });

    let proof = isolation::prove(&cluster);
    let messages = proof.findings.iter().map(|finding| &finding.diagnostic);
    let messages = messages.filter(|found| found.rule.id == "data/shared-identity");
    let messages: Vec<&str> = messages.map(|found| found.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    for message in messages {
        assert!(message.contains("20 "), "{message}");
        assert!(
            message.ends_with("tenant `team-02` and 17 more"),
            "{message}"
        );
    }
}

//! Differences between a rendered object and the one in the cluster.

use tenantry::live::drift::differences;
use tenantry::value::Value;

/// Pairs of a rendered and a live object, and the path of the difference. No path: they differ only by
/// the server's defaults.
#[test]
fn a_field_that_was_not_rendered_is_a_difference() {
    const POLICY: &str = r#""apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy""#;
    const ROLE: &str = r#""apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole""#;
    const GUARD: &str =
        r#""apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy""#;
    const BOUND: &str = r#""apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding""#;
    const APPLIES: &str =
        r#""apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization""#;
    const HOME: &str = r#""apiVersion": "v1", "kind": "Namespace""#;
    let cases = [
        // An empty selector is not the same as another empty selector.
        (
            POLICY,
            r#""spec": {"ingress": [{"from": [{"podSelector": {}}]}]}"#,
            r#""spec": {"ingress": [{"from": [{"namespaceSelector": {}}]}], "policyTypes": ["Ingress"]}"#,
            "spec.ingress[0].from[0].podSelector",
        ),
        (
            POLICY,
            r#""spec": {"ingress": [{"from": [{"podSelector": {}}]}]}"#,
            r#""spec": {"ingress": [{"from": [{"podSelector": {}, "namespaceSelector": {}}]}]}"#,
            "spec.ingress[0].from[0].namespaceSelector",
        ),
        (
            POLICY,
            r#""spec": {"egress": [{"ports": [{"port": 53}]}]}"#,
            r#""spec": {"egress": [{"ports": [{"port": 53, "protocol": "TCP"}]}], "policyTypes": ["Ingress", "Egress"]}"#,
            "",
        ),
        (
            POLICY,
            r#""spec": {"egress": [{"ports": [{"port": 53}]}]}"#,
            r#""spec": {"egress": [{"ports": [{"port": 53, "endPort": 65535, "protocol": "TCP"}]}], "policyTypes": ["Ingress", "Egress"]}"#,
            "spec.egress[0].ports[0].endPort",
        ),
        (
            POLICY,
            r#""spec": {"podSelector": {}, "egress": []}"#,
            r#""spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}"#,
            "spec.policyTypes",
        ),
        (
            POLICY,
            r#""spec": {"podSelector": {"matchLabels": {"a": ""}}}"#,
            r#""spec": {"podSelector": {}, "policyTypes": ["Ingress"]}"#,
            "spec.podSelector.matchLabels",
        ),
        (
            ROLE,
            r#""rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]"#,
            r#""rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "nonResourceURLs": ["*"]}]"#,
            "rules[0].nonResourceURLs",
        ),
        (
            ROLE,
            r#""rules": []"#,
            r#""rules": null, "aggregationRule": {"clusterRoleSelectors": [{}]}"#,
            "aggregationRule",
        ),
        (
            GUARD,
            r#""spec": {"validations": [{"expression": "false"}], "matchConstraints": {"resourceRules": [{"resources": ["*"]}]}}"#,
            r#""spec": {"failurePolicy": "Fail", "validations": [{"expression": "false"}], "matchConstraints": {"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}, "resourceRules": [{"resources": ["*"], "scope": "*"}]}}"#,
            "",
        ),
        (
            GUARD,
            r#""spec": {"validations": [{"expression": "false"}]}"#,
            r#""spec": {"validations": [{"expression": "false"}], "matchConditions": [{"name": "x", "expression": "false"}]}"#,
            "spec.matchConditions",
        ),
        (
            GUARD,
            r#""spec": {"matchConstraints": {"resourceRules": [{"resources": ["*"]}]}}"#,
            r#""spec": {"matchConstraints": {"resourceRules": [{"resources": ["*"]}], "excludeResourceRules": [{"resources": ["*"]}]}}"#,
            "spec.matchConstraints.excludeResourceRules",
        ),
        (
            GUARD,
            r#""spec": {"matchConstraints": {"resourceRules": []}}"#,
            r#""spec": {"matchConstraints": {"resourceRules": [], "namespaceSelector": {"matchLabels": {"no": "where"}}}}"#,
            "spec.matchConstraints.namespaceSelector",
        ),
        (
            BOUND,
            r#""spec": {"policyName": "p"}"#,
            r#""spec": {"policyName": "p", "matchResources": {"objectSelector": {"matchLabels": {"no": "where"}}}}"#,
            "spec.matchResources",
        ),
        (
            APPLIES,
            r#""spec": {"sourceRef": {"name": "a"}}"#,
            r#""spec": {"force": false, "sourceRef": {"name": "a", "namespace": "evil"}}"#,
            "spec.sourceRef.namespace",
        ),
        // A key counts, whatever its value.
        (
            HOME,
            r#""metadata": {"labels": {"a": ""}}"#,
            r#""metadata": {"labels": {}}"#,
            "metadata.labels.a",
        ),
        (
            HOME,
            r#""metadata": {"labels": {"a": "b"}}"#,
            r#""metadata": {"labels": {"a": "b", "more": "c"}, "ownerReferences": [{"uid": "1"}]}"#,
            "metadata.ownerReferences",
        ),
        (
            HOME,
            r#""metadata": {"labels": {"a": "b"}}"#,
            r#""metadata": {"labels": {"a": "b", "more": "c"}}"#,
            "",
        ),
    ];

    for (kind, wanted, live, path) in cases {
        let read = |more: &str| -> Value {
            let more = if more.contains("\"metadata\"") {
                more.replacen("\"metadata\": {", "\"metadata\": {\"name\": \"x\", ", 1)
            } else {
                format!("\"metadata\": {{\"name\": \"x\"}}, {more}")
            };
            serde_json::from_str(&format!("{{{kind}, {more}}}"))
                .unwrap_or_else(|e| panic!("{e}: {more}"))
        };

        let (wanted, live) = (read(wanted), read(live));
        let id = tenantry::kube::ObjectId::of(&wanted).expect("an object");
        let found = differences(&id, &wanted, &live, |_| Value::default());
        let paths: Vec<&str> = found.iter().map(|d| d.path.as_str()).collect();
        let right = if path.is_empty() {
            paths.is_empty()
        } else {
            paths.iter().any(|p| p.starts_with(path))
        };

        assert!(right, "{path}: {paths:?}\n{wanted:?}\n{live:?}");
    }
}

/// The key of a Service's ports is a number. Each port has the manager that changed it, and no other.
#[test]
fn a_port_has_the_manager_that_changed_it() {
    let service = |ports: &str| -> Value {
        serde_json::from_str(&format!(
            r#"{{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "x", "namespace": "n"}},
                "spec": {{"ports": [{ports}]}}}}"#
        ))
        .expect("a Service")
    };
    let wanted = service(r#"{"port": 80, "targetPort": 1}, {"port": 443, "targetPort": 2}"#);
    let live = service(
        r#"{"port": 80, "protocol": "TCP", "targetPort": 1},
           {"port": 443, "protocol": "TCP", "targetPort": 3}"#,
    );

    let managed = r#"[
        {"manager": "kustomize-controller", "operation": "Apply", "time": "2026-01-02T00:00:00Z",
         "fieldsV1": {"f:spec": {"f:ports": {
             "k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:targetPort": {}},
             "k:{\"port\":443,\"protocol\":\"TCP\"}": {}}}}},
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-01-01T00:00:00Z",
         "fieldsV1": {"f:spec": {"f:ports": {
             "k:{\"port\":443,\"protocol\":\"TCP\"}": {"f:targetPort": {}}}}}}
    ]"#;
    let id = tenantry::kube::ObjectId::of(&wanted).expect("an object");
    let found = differences(&id, &wanted, &live, |_| {
        serde_json::from_str(managed).expect("managed fields")
    });

    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|difference| {
            let manager = difference.by.as_ref().map_or("", |by| by.name.as_str());
            (difference.path.as_str(), manager)
        })
        .collect();
    assert_eq!(
        found,
        [(
            "spec.ports[port=443,protocol=TCP].targetPort",
            "kubectl-edit"
        )]
    );
}

/// A policy that says the same in other words is no difference.
#[test]
fn network_policies_are_compared_by_meaning() {
    let policy = |spec: &str| -> Value {
        serde_json::from_str(&format!(
            r#"{{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {{"name": "x", "namespace": "n"}}, "spec": {spec}}}"#
        ))
        .expect("a policy")
    };
    let wanted = policy(r#"{"podSelector": {}, "ingress": [{"from": []}]}"#);
    let id = tenantry::kube::ObjectId::of(&wanted).expect("an object");

    for (live, is_equal) in [
        (r#"{"ingress": [{}], "policyTypes": ["Ingress"]}"#, true),
        (r#"{"ingress": [{}], "policyTypes": ["Egress"]}"#, false),
    ] {
        let found = differences(&id, &wanted, &policy(live), |_| Value::default());
        assert_eq!(found.is_empty(), is_equal, "{live}: {found:?}");
    }
}

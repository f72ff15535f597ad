use super::{Findings, own_grants};
use crate::diagnostic::rule;
use crate::graph::rbac::PolicyRule;
use crate::graph::{Cluster, NamespaceNode};
use crate::isolation::{Finding, namespace_span, tenant_of};
use std::collections::BTreeMap;

rule! {
    /// A tenant's claims may use devices that others are using.
    ///
    /// ## What it finds
    /// A tenant's Namespace with the label `resource.kubernetes.io/admin-access: "true"`, and a
    /// right of the tenant to write ResourceClaims or ResourceClaimTemplates there, or a claim that
    /// asks for `adminAccess`.
    ///
    /// ## Why it matters
    /// Admin access is for monitoring: a pod gets the device of another tenant's pod, with what it
    /// holds. The label is all that keeps tenants from it.
    ///
    /// ## Fix
    /// Remove the label; give it to a namespace of the platform.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation (Admin access);
    /// ISO 27001 A.8.3
    pub static DEVICE_ADMIN_ACCESS = "admission/device-admin-access", Error;
}

const LABEL: &str = "resource.kubernetes.io/admin-access";
const GROUP: &str = "resource.k8s.io";

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let labelled: Vec<&NamespaceNode> = cluster
        .namespaces
        .iter()
        .filter(|namespace| namespace.labels.get(LABEL) == Some("true"))
        .collect();
    if labelled.is_empty() {
        return;
    }

    let mut writers = BTreeMap::new();
    for (_, binding, role, _) in own_grants(cluster) {
        if let Some(rule) = role.rules.iter().find(|rule| writes_claims(rule)) {
            writers
                .entry(binding.id.namespace.as_str())
                .or_insert((binding, role, rule));
        }
    }
    let mut claims = BTreeMap::new();
    for claim in &cluster.facts.admin_claims {
        claims.entry(claim.id.namespace.as_str()).or_insert(claim);
    }

    for namespace in labelled {
        let Some((at, tenant)) = tenant_of(cluster, &namespace.name) else {
            continue;
        };
        let span = namespace_span(namespace, &cluster.tenants[at as usize]);
        let message = format!(
            "Namespace {} of tenant `{tenant}` has the label {LABEL}: its claims may use devices of others",
            namespace.name
        );
        let labels = format!("Namespace {} has the label {LABEL}", namespace.name);

        let claim = claims.get(namespace.name.as_str());
        let finding = match (claim, writers.get(namespace.name.as_str())) {
            (Some(claim), _) => Finding::refuted(&DEVICE_ADMIN_ACCESS, span, message)
                .step(span, labels)
                .step(
                    claim.origin.span,
                    format!("{} asks for adminAccess", claim.id.called()),
                )
                .through(&claim.id),
            (None, Some((binding, role, rule))) => {
                let (role_span, role) = role.cite(Some(rule), binding);
                Finding::refuted(&DEVICE_ADMIN_ACCESS, span, message)
                    .step(span, labels)
                    .step(
                        role_span,
                        format!("{role} lets tenant `{tenant}` write claims"),
                    )
            }
            (None, None) => {
                Finding::warning(&DEVICE_ADMIN_ACCESS, span, message).step(span, labels)
            }
        };
        out.push(finding.by(tenant).fix("remove the label"));
    }
}

fn writes_claims(rule: &PolicyRule) -> bool {
    ["resourceclaims", "resourceclaimtemplates"]
        .iter()
        .any(|resource| {
            ["create", "update", "patch"]
                .iter()
                .any(|verb| rule.touches(verb, GROUP, resource))
        })
}

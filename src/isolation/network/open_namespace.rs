use super::paths::governing;
use super::reach::{Admitted, Reachability};
use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::network::PolicyObject;
use crate::graph::{Cluster, NamespaceNode, TenantNode};
use crate::isolation::{Finding, Step, namespace_span};
use crate::kube::labels::TooLarge;
use crate::netpol::Direction;
use crate::source::Span;
use std::collections::BTreeSet;

rule! {
    /// No policy governs what comes into a namespace, or pods of it can avoid every one.
    ///
    /// ## What it finds
    /// A tenant's namespace in which some labels are selected by no ingress policy: one without a
    /// policy, or whose policies select only some pods. Pods that do not exist yet count: whoever
    /// writes them chooses their labels.
    ///
    /// ## Why it matters
    /// Without a policy that selects a pod, everything reaches it: every tenant's pods.
    ///
    /// ## Fix
    /// A policy with `podSelector: {}` and no rules (`default-deny`), and others that allow beside
    /// it.
    ///
    /// ## References
    /// CIS 5.3.2; NSA "Network policies"; MTB TI-1;
    /// kubernetes.io/docs/concepts/services-networking/network-policies; PCI DSS 1.3; ISO 27001
    /// A.8.22; SOC 2 CC6.6
    pub static OPEN_NAMESPACE = "network/open-namespace", Error;
}

pub(super) fn check(
    cluster: &Cluster,
    reach: &Reachability<'_>,
    declared: &BTreeSet<(u32, u32)>,
    out: &mut Findings<'_>,
) {
    for (index, tenant, namespace) in owned(cluster).filter(|(_, _, n)| !n.has_unevaluated_policy) {
        let Some(paths) = reach.paths_in(index) else {
            continue;
        };
        let Some(open) = paths.iter().find(|path| path.by.is_none()) else {
            continue;
        };
        let admitted = reach.admitted_through(index, open, declared);
        let tenant = &cluster.tenants[tenant as usize];
        out.push(finding(cluster, namespace, tenant, admitted));
    }
}

/// The finding about an open namespace, by who comes in.
fn finding(
    cluster: &Cluster,
    namespace: &NamespaceNode,
    tenant: &TenantNode,
    admitted: Result<Admitted, TooLarge>,
) -> Finding {
    let policies: Vec<&PolicyObject> = governing(cluster, namespace, Direction::Ingress)
        .map(|(policy, _)| policy)
        .collect();
    let why = match policies.as_slice() {
        [] => "no policy governs what comes into it".to_owned(),
        [one] => format!("{} does not select every pod", one.id.called()),
        [_, ..] => format!("none of its {} policies selects every pod", policies.len()),
    };

    // A policy that leaves pods out is what to change; without one, the namespace is.
    let span = match policies.first() {
        Some(policy) => policy.origin.span,
        None => namespace_span(namespace, tenant),
    };

    let finding = match admitted {
        Err(TooLarge) => {
            let message = format!(
                "whether others reach `{}` cannot be told: its selectors are too many",
                namespace.name
            );
            Finding::unknown(&OPEN_NAMESPACE, span, message)
        }
        Ok(Admitted { first: None, .. }) => {
            let message = format!(
                "`{}` of tenant `{}` is open: {why}; the policies of other tenants do not let \
                 their pods out to it yet",
                namespace.name, tenant.name
            );
            Finding::warning(&OPEN_NAMESPACE, span, message)
        }
        Ok(Admitted {
            first: Some(first),
            namespaces: count,
            tenants,
            ..
        }) => {
            let others = if count == 1 {
                "namespace"
            } else {
                "namespaces"
            };
            let message = format!(
                "pods of {count} other {others} reach every port of `{}` of tenant `{}`: {why}",
                namespace.name, tenant.name
            );

            Finding::missing(cluster, &OPEN_NAMESPACE, span, message)
                .steps([
                    sends(cluster, first, span),
                    Step::new(span, format!("in `{}`, {why}", namespace.name)),
                ])
                .reaching(&tenant.name)
                .by_set(tenants)
        }
    };

    finding.fix("add a NetworkPolicy with `podSelector: {}` and `policyTypes: [Ingress, Egress]`")
}

/// The step by which a pod of another namespace sends.
fn sends(cluster: &Cluster, from: u32, fallback: Span) -> Step {
    let from = &cluster.namespaces[from as usize];
    let text = format!(
        "a pod in `{}` of {} may send there",
        from.name,
        cluster.owner_name(from.owner)
    );
    Step::new(from.origin.map_or(fallback, |origin| origin.span), text)
}

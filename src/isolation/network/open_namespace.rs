use super::reach::Reachability;
use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::Finding;
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
    /// ## Example
    /// ```yaml
    /// kind: NetworkPolicy
    /// metadata: {name: web, namespace: payments}
    /// spec: {podSelector: {matchLabels: {app: web}}}
    /// ```
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
    for (at, tenant, namespace) in owned(cluster).filter(|(_, _, n)| !n.has_unevaluated_policy) {
        let Some(paths) = reach.paths_in(at) else {
            continue;
        };
        let Some(open) = paths.iter().find(|w| w.by.is_none()) else {
            continue;
        };
        let tenant = &cluster.tenants[tenant as usize];
        let span = namespace.origin.map_or(tenant.span, |o| o.span);
        let governing = namespace
            .policies
            .iter()
            .map(|p| &cluster.facts.policies[*p as usize]);

        let governing: Vec<_> = governing
            .filter(|object| object.spec.ingress.is_some())
            .collect();
        // A policy that leaves pods out is what to change; without one, the namespace is.
        let span = governing.first().map_or(span, |p| p.origin.span);
        let why = match governing.as_slice() {
            [] => "no policy governs what comes into it".to_owned(),
            [one] => format!("{} does not select every pod", one.id.called()),
            [_, ..] => format!("none of its {} policies selects every pod", governing.len()),
        };

        let finding = match reach.admitted_through(at, open, declared) {
            Err(_) => {
                let message = format!(
                    "whether others reach `{}` cannot be told: its selectors are too many",
                    namespace.name
                );
                Finding::unknown(&OPEN_NAMESPACE, span, message)
            }
            Ok(admitted) => match admitted.first {
                None => Finding::warning(
                    &OPEN_NAMESPACE,
                    span,
                    format!(
                        "`{}` of tenant `{}` is open: {why}; so far no other tenant's pods can get out to it",
                        namespace.name, tenant.name
                    ),
                ),
                Some(first) => {
                    let from = &cluster.namespaces[first as usize].name;
                    let others = if admitted.namespaces == 1 {
                        "namespace"
                    } else {
                        "namespaces"
                    };

                    let message = format!(
                        "pods of {} other {others} reach every port of `{}` of tenant `{}`: {why}",
                        admitted.namespaces, namespace.name, tenant.name
                    );

                    Finding::refuted(&OPEN_NAMESPACE, span, message)
                        .step(
                            cluster.namespaces[first as usize]
                                .origin
                                .map_or(span, |o| o.span),
                            format!(
                                "a pod in `{from}` of {} may send there",
                                cluster.owner_name(cluster.owner(from))
                            ),
                        )
                        .step(
                            governing.first().map_or(span, |p| p.origin.span),
                            format!("in `{}`, {why}", namespace.name),
                        )
                        .reaching(&tenant.name)
                }
            },
        };

        out.push(finding.fix(
            "add a NetworkPolicy with `podSelector: {}` and `policyTypes: [Ingress, Egress]`",
        ));
    }
}

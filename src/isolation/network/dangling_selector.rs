use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::network::PolicyObject;
use crate::isolation::{Finding, at, some};
use crate::kube::labels::Selector;
use crate::kube::names::NAME_LABEL;
use crate::netpol::{Peer, Rule};
use std::collections::BTreeMap;

rule! {
    /// Policies admit namespaces by labels that no namespace of the inputs has.
    ///
    /// ## What it finds
    /// A `namespaceSelector` of an ingress rule in tenants' namespaces that selects nothing. A
    /// selector that stands in many policies is one finding.
    ///
    /// ## Why it matters
    /// Either it lets nothing in, or a namespace that is not among the inputs has the label.
    /// Whoever can put it on a namespace of his enters every tenant that admits it.
    ///
    /// ## Fix
    /// Give the platform's namespaces with `--also`; or select by `kubernetes.io/metadata.name`,
    /// which nobody can forge.
    ///
    /// ## References
    /// CVE-2024-39690 (labels as a key to namespaces); CIS 5.3.2; ISO 27001 A.8.22
    pub static DANGLING_SELECTOR = "network/dangling-selector", Warning;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut found: BTreeMap<&Selector, Vec<(&PolicyObject, &Rule)>> = BTreeMap::new();
    for (_, _, namespace) in owned(cluster) {
        for policy in namespace
            .policies
            .iter()
            .map(|at| &cluster.facts.policies[*at as usize])
        {
            // A rendered policy names the platform's namespaces, which need not be among the
            // inputs.
            if policy.origin.input.is_rendered() {
                continue;
            }
            for rule in policy.spec.ingress.iter().flatten() {
                for peer in &rule.peers {
                    if let Peer::Pods {
                        namespaces: Some(selector),
                        ..
                    } = peer
                        && selector.pinned(NAME_LABEL).is_none()
                        && cluster.select(selector).is_empty()
                    {
                        found.entry(selector).or_default().push((policy, rule));
                    }
                }
            }
        }
    }

    for (selector, policies) in found {
        let Some((policy, rule)) = policies.first() else {
            continue;
        };
        let what: Vec<String> = selector.0.iter().map(|r| r.key.to_string()).collect();
        let homes: Vec<&str> = policies.iter().map(|(p, _)| &*p.id.namespace).collect();
        let message = format!(
            "{} {} namespaces labelled {}, and no namespace of the inputs is: {}",
            policies.len(),
            if policies.len() == 1 {
                "policy admits"
            } else {
                "policies admit"
            },
            described(selector, &what),
            some(homes)
        );

        out.push(
            Finding::warning(&DANGLING_SELECTOR, at(rule.span, policy.origin), message)
                .step(at(rule.span, policy.origin), format!("{} admits it", policy.id.called()))
                .fix("give the namespace's manifest with --also, or select by kubernetes.io/metadata.name"),
        );
    }
}

fn described(selector: &Selector, keys: &[String]) -> String {
    use crate::kube::labels::Op;
    let parts = selector
        .0
        .iter()
        .zip(keys)
        .map(|(requirement, key)| match &requirement.op {
            Op::In(values) => format!(
                "`{key}={}`",
                values
                    .iter()
                    .map(|v| v.as_str())
                    .collect::<Vec<_>>()
                    .join("|")
            ),
            Op::NotIn(_) | Op::DoesNotExist => format!("without `{key}`"),
            Op::Exists => format!("`{key}`"),
        });

    parts.collect::<Vec<_>>().join(" and ")
}

use super::reach::{Admitted, Reachability};
use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::network::PolicyObject;
use crate::isolation::{Finding, at};
use crate::kube::labels::TooLarge;
use crate::netpol::Rule;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A rule of a policy lets in other tenants' pods, which both sides did not declare.
    ///
    /// ## What it finds
    /// An ingress rule in a tenant's namespace that admits pods of other tenants' namespaces, which
    /// can get out to it. An edge that the consumer's egress and the provider's ingress (or
    /// `provides`) both declare is none.
    ///
    /// ## Why it matters
    /// A `namespaceSelector` beside a `podSelector`, in one list item, means both; in two items it
    /// means either. An `ipBlock` of everything holds every pod, unless the network plugin says
    /// otherwise.
    ///
    /// ## Example
    /// ```yaml
    /// ingress:
    ///   - from:
    ///       - namespaceSelector: {}
    /// ```
    ///
    /// ## Fix
    /// Name the namespace by `kubernetes.io/metadata.name`, which nobody can forge; or declare the
    /// edge on both sides.
    ///
    /// ## References
    /// CIS 5.3.2; NSA "Network policies"; MTB TI-1; holes in real fleets; PCI DSS 1.3; ISO 27001
    /// A.8.22; SOC 2 CC6.6
    pub static CROSS_TENANT = "network/cross-tenant-ingress", Error;
}
rule! {
    /// A rule of a policy would let in other tenants' pods, if only they got out.
    ///
    /// ## Why it matters
    /// One half of an edge that nobody declared: the day that the other tenant loosens its egress,
    /// the edge is there.
    ///
    /// ## Fix
    /// Remove the rule, or declare the edge on both sides.
    pub static HALF_OPEN = "network/half-open", Warning;
}

/// A rule that lets somebody in, and whom.
type Entrance<'a> = (&'a PolicyObject, &'a Rule, Result<Admitted, TooLarge>);

pub(super) fn check(
    cluster: &Cluster,
    reach: &Reachability<'_>,
    declared: &BTreeSet<(u32, u32)>,
    out: &mut Findings<'_>,
) -> usize {
    let mut edges = 0;
    for (to, tenant, namespace) in owned(cluster).filter(|(_, _, n)| !n.has_unevaluated_policy) {
        let tenant = &cluster.tenants[tenant as usize];
        let Some(paths) = reach.paths_in(to) else {
            let span = namespace.origin.map_or(tenant.span, |o| o.span);
            let message = format!(
                "whether others reach `{}` cannot be told: its selectors are too many",
                namespace.name
            );
            out.push(
                Finding::unknown(&CROSS_TENANT, span, message)
                    .by(&tenant.name)
                    .fix("select pods by fewer labels"),
            );
            continue;
        };

        // One rule, one finding, however many peers it has: by the one that lets in most.
        let mut rules: BTreeMap<(usize, usize), Entrance<'_>> = BTreeMap::new();
        for (policy, rule, way) in paths.iter().filter_map(|w| w.by.map(|(p, r)| (p, r, w))) {
            let admitted = reach.admitted_through(to, way, declared);
            edges += admitted.as_ref().map_or(0, |g| g.declared);
            let of = |list: &[u32]| {
                list.iter()
                    .position(|at| std::ptr::eq(&cluster.facts.policies[*at as usize], policy))
            };

            let own = policy
                .spec
                .ingress
                .iter()
                .flatten()
                .position(|r| std::ptr::eq(r, rule));

            let key = (
                of(&namespace.policies).unwrap_or_default(),
                own.unwrap_or_default(),
            );

            let known = rules
                .entry(key)
                .or_insert_with(|| (policy, rule, Ok(Admitted::default())));
            known.2 = match (&known.2, admitted) {
                (Err(TooLarge), _) | (_, Err(TooLarge)) => Err(TooLarge),
                (Ok(known), Ok(more)) => Ok(known.with(&more)),
            };
        }

        for (policy, rule, admitted) in rules.into_values() {
            let span = at(rule.span, policy.origin);
            let Ok(admitted) = admitted else {
                let message = format!(
                    "who comes in by {} cannot be told: the selectors are too many",
                    policy.id.called()
                );
                out.push(
                    Finding::unknown(&CROSS_TENANT, span, message)
                        .fix("select pods by fewer labels"),
                );
                continue;
            };

            let fix = "name the namespaces that are meant by kubernetes.io/metadata.name, or declare the edge on both sides";
            if let Some(first) = admitted.first {
                let from = &cluster.namespaces[first as usize];
                let others = match admitted.namespaces {
                    1 => format!("pods of `{}`", from.name),
                    many => format!(
                        "pods of {many} other namespaces, `{}` among them,",
                        from.name
                    ),
                };

                let message = format!(
                    "{others} reach `{}` of tenant `{}`: {} lets them in",
                    namespace.name,
                    tenant.name,
                    policy.id.called()
                );

                let out_step = match reach.between(first, to) {
                    Ok(Some((exit, _))) => match exit.by {
                        None => (
                            from.origin.map_or(span, |o| o.span),
                            format!(
                                "no policy governs what leaves `{}` of {}",
                                from.name,
                                cluster.owner_name(from.owner)
                            ),
                        ),
                        Some((policy, rule)) => (
                            at(rule.span, policy.origin),
                            format!("{} lets it out of `{}`", policy.id.called(), from.name),
                        ),
                    },
                    _ => (span, format!("a pod in `{}` sends", from.name)),
                };

                let finding = Finding::refuted(&CROSS_TENANT, span, message)
                    .step(out_step.0, out_step.1)
                    .step(
                        span,
                        format!("{} lets it into `{}`", policy.id.called(), namespace.name),
                    )
                    .reaching(&tenant.name)
                    .fix(fix);

                out.push(match cluster.owner(&from.name) {
                    crate::graph::Owner::Tenant(by) if admitted.namespaces == 1 => {
                        finding.by(&cluster.tenants[by as usize].name)
                    }
                    _ => finding,
                });
            } else if admitted.permitted > admitted.declared {
                let message = format!(
                    "{} lets {} or more namespaces of others into `{}` of tenant `{}`; so far none of their pods can get out to it",
                    policy.id.called(),
                    admitted.permitted - admitted.declared,
                    namespace.name,
                    tenant.name
                );
                out.push(
                    Finding::warning(&HALF_OPEN, span, message)
                        .reaching(&tenant.name)
                        .fix(fix),
                );
            }
        }
    }

    edges
}

use super::paths::{NetworkPath, assumption};
use super::reach::{Admitted, Reachability, is_rendered};
use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::network::PolicyObject;
use crate::graph::{Cluster, NamespaceNode, Owner, TenantNode};
use crate::isolation::{Finding, Step, at, namespace_span};
use crate::kube::labels::TooLarge;
use crate::netpol::{Direction, Rule};
use crate::source::Span;
use ipnet::IpNet;
use std::collections::BTreeSet;

rule! {
    /// A rule of a policy lets in other tenants' pods by an edge that both sides did not declare.
    ///
    /// ## What it finds
    /// An ingress rule in a tenant's namespace that admits pods of other tenants' namespaces, which
    /// can get out to it. An edge that the consumer's egress and the provider's ingress (or
    /// `provides`) both declare is not reported.
    ///
    /// ## Why it matters
    /// A `namespaceSelector` beside a `podSelector`, in one list item, means both; in two items it
    /// means either. An `ipBlock` of everything holds every pod, unless the network plugin says
    /// otherwise.
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
    /// A rule of a policy lets in other tenants' pods, whose own policies do not let them out.
    ///
    /// ## Why it matters
    /// It is one half of an edge that is not declared. If the other tenant loosens its egress, the
    /// edge is open.
    ///
    /// ## Fix
    /// Remove the rule, or declare the edge on both sides.
    pub static HALF_OPEN = "network/half-open", Warning;
}

pub(super) fn check(
    cluster: &Cluster,
    reach: &Reachability<'_>,
    declared: &BTreeSet<(u32, u32)>,
    out: &mut Findings<'_>,
) -> usize {
    let mut edges = 0;
    for (index, tenant, namespace) in owned(cluster).filter(|(_, _, n)| !n.has_unevaluated_policy) {
        let target = Target {
            cluster,
            reach,
            index,
            namespace,
            tenant: &cluster.tenants[tenant as usize],
        };
        let Some(paths) = reach.paths_in(index) else {
            out.push(target.undecided());
            continue;
        };

        // One rule is one finding, however many peers it has.
        for paths in paths.chunk_by(of_same_rule) {
            let Some((policy, rule)) = paths.first().and_then(|path| path.by) else {
                continue;
            };

            let mut all = Ok(Admitted::default());
            for path in paths {
                let admitted = reach.admitted_through(index, path, declared);
                // Another policy that lets the traffic of an edge in declares no other edge.
                if is_rendered(path) {
                    edges += admitted.as_ref().map_or(0, |admitted| admitted.declared);
                }
                all = match (all, admitted) {
                    (Ok(all), Ok(admitted)) => Ok(all.with(&admitted)),
                    _ => Err(TooLarge),
                };
            }

            let assumed = match paths.iter().all(|path| path.assumed.is_some()) {
                true => paths.first().and_then(|path| path.assumed),
                false => None,
            };
            if let Some(finding) = target.finding(policy, rule, all, assumed) {
                out.push(finding);
            }
        }
    }

    edges
}

/// Whether one rule of a policy lets both paths through: one path for each of its peers.
fn of_same_rule(left: &NetworkPath<'_>, right: &NetworkPath<'_>) -> bool {
    match (left.by, right.by) {
        (Some((_, left)), Some((_, right))) => std::ptr::eq(left, right),
        _ => false,
    }
}

const FIX: &str = "name the namespaces that are meant by kubernetes.io/metadata.name, or declare \
                   the edge on both sides";

/// The namespace of a tenant that others may enter.
struct Target<'a> {
    cluster: &'a Cluster,
    reach: &'a Reachability<'a>,
    index: u32,
    namespace: &'a NamespaceNode,
    tenant: &'a TenantNode,
}

impl Target<'_> {
    fn undecided(&self) -> Finding {
        let message = format!(
            "whether others reach `{}` cannot be told: its selectors are too many",
            self.namespace.name
        );
        let span = namespace_span(self.namespace, self.tenant);
        Finding::unknown(&CROSS_TENANT, span, message)
            .by(&self.tenant.name)
            .fix("select pods by fewer labels")
    }

    /// The finding about a rule of a policy, if it lets others in.
    fn finding(
        &self,
        policy: &PolicyObject,
        rule: &Rule,
        admitted: Result<Admitted, TooLarge>,
        assumed: Option<IpNet>,
    ) -> Option<Finding> {
        let span = at(rule.span, policy.origin);
        let Ok(admitted) = admitted else {
            let message = format!(
                "who comes in by {} cannot be told: the selectors are too many",
                policy.id.called()
            );
            let finding = Finding::unknown(&CROSS_TENANT, span, message);
            return Some(finding.fix("select pods by fewer labels"));
        };

        if let Some(first) = admitted.first {
            let step = format!(
                "{} lets it into `{}`{}",
                policy.id.called(),
                self.namespace.name,
                assumption(assumed)
            );
            let step = Step::new(span, step);
            let step = step.through(&policy.id);
            return Some(self.entered(policy, step, first, &admitted));
        }
        let permitted = admitted.permitted.checked_sub(admitted.declared)?;
        (permitted > 0).then(|| self.half_open(policy, span, permitted))
    }

    /// Pods of other tenants reach the namespace: `first` is the first of their namespaces.
    fn entered(
        &self,
        policy: &PolicyObject,
        lets_in: Step,
        first: u32,
        admitted: &Admitted,
    ) -> Finding {
        let (span, count) = (lets_in.span, admitted.namespaces);
        let from = &self.cluster.namespaces[first as usize];
        let others = match count {
            1 => format!("pods of `{}`", from.name),
            many => format!(
                "pods of {many} other namespaces, `{}` among them,",
                from.name
            ),
        };
        let message = format!(
            "{others} reach `{}` of tenant `{}`: {} lets them in",
            self.namespace.name,
            self.tenant.name,
            policy.id.called()
        );

        let finding = Finding::refuted(&CROSS_TENANT, span, message)
            .steps([self.exit(first, span), lets_in])
            .reaching(&self.tenant.name)
            .fix(FIX);

        match from.owner {
            Owner::Tenant(by) if count == 1 => finding.by(&self.cluster.tenants[by as usize].name),
            _ => finding.by_set(admitted.tenants.clone()),
        }
    }

    /// How a pod gets out of the first of the namespaces.
    fn exit(&self, first: u32, fallback: Span) -> Step {
        let from = &self.cluster.namespaces[first as usize];
        match self.reach.between(first, self.index) {
            Ok(Some((exit, _))) if exit.by.is_some() => {
                exit.step(Direction::Egress, from, fallback)
            }
            Ok(Some(_)) => Step::new(
                from.origin.map_or(fallback, |origin| origin.span),
                format!(
                    "no policy governs what leaves `{}` of {}",
                    from.name,
                    self.cluster.owner_name(from.owner)
                ),
            ),
            _ => Step::new(fallback, format!("a pod in `{}` sends", from.name)),
        }
    }

    /// The rule lets others in, and none of them has a way out to it.
    fn half_open(&self, policy: &PolicyObject, span: Span, permitted: usize) -> Finding {
        let message = format!(
            "{} lets {permitted} or more namespaces of others into `{}` of tenant `{}`; their \
             own policies do not let them out to it yet",
            policy.id.called(),
            self.namespace.name,
            self.tenant.name
        );
        Finding::warning(&HALF_OPEN, span, message)
            .reaching(&self.tenant.name)
            .fix(FIX)
    }
}

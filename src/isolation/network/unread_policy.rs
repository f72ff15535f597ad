use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, tenant_of};
use crate::netpol::Dialect;

rule! {
    /// A network policy of a kind that is not evaluated, or one that cannot be understood.
    ///
    /// ## What it finds
    /// CiliumNetworkPolicy, Calico's, ClusterNetworkPolicy, AdminNetworkPolicy and their like; and a
    /// NetworkPolicy that the API server would refuse. A policy that only takes connections away is
    /// not reported: one that denies alone, one that is staged, or an AuthorizationPolicy of Istio.
    ///
    /// ## Why it matters
    /// It can let in what no NetworkPolicy does, or overrule one. So nothing is said of the
    /// namespaces that it governs.
    ///
    /// ## Fix
    /// Say the same in a NetworkPolicy.
    ///
    /// ## References
    /// network-policy-api.sigs.k8s.io; docs.cilium.io/en/stable/security/policy
    pub static UNREAD_POLICY = "network/unread-policy", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for thing in &cluster.facts.other_policies {
        let message = match thing.id.namespace.as_str() {
            "" => format!(
                "{} governs every namespace, and its kind is not evaluated",
                thing.id.called()
            ),
            home => format!(
                "{} governs `{home}`, and its kind is not evaluated",
                thing.id.called()
            ),
        };

        let finding = Finding::unknown(&UNREAD_POLICY, thing.origin.span, message)
            .fix("say the same in a NetworkPolicy");
        out.push(match tenant_of(cluster, &thing.id.namespace) {
            Some((_, tenant)) => finding.reaching(tenant),
            None => finding,
        });
    }
    for unevaluated in cluster
        .facts
        .unevaluated
        .iter()
        .filter(|r| Dialect::is_kind_of_any(&r.id.kind))
    {
        let message = format!(
            "{} cannot be understood: {}",
            unevaluated.id.called(),
            unevaluated.reason
        );
        out.push(
            Finding::unknown(&UNREAD_POLICY, unevaluated.origin.span, message).fix(
                match &*unevaluated.id.name {
                    "*" => "grant what it takes to list them: tenantry verify --print-rbac",
                    _ => "mend it: the API server refuses it too",
                },
            ),
        );
    }
}

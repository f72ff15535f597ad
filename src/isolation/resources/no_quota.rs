use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, Owner};
use crate::isolation::Finding;
use crate::value::Text;
use std::collections::BTreeSet;

rule! {
    /// A tenant's namespace has no ResourceQuota.
    ///
    /// ## Why it matters
    /// One tenant can take every pod, every IP and every GB that the cluster has: the others' next
    /// pods stay pending.
    ///
    /// ## Example
    /// A Namespace with policies and bindings, and nothing of kind ResourceQuota.
    ///
    /// ## Fix
    /// A ResourceQuota, of `pods` at least; with `requests` or `limits` in it, a LimitRange with
    /// defaults.
    ///
    /// ## References
    /// MTB "configure namespace resource quotas"; NSA "Resource policies"; CIS 5.7;
    /// kubernetes.io/docs/concepts/policy
    pub static NO_QUOTA = "resources/no-quota", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let with: BTreeSet<&Text> = cluster
        .facts
        .quotas
        .iter()
        .map(|q| &q.id.namespace)
        .collect();
    for namespace in cluster
        .namespaces
        .iter()
        .filter(|n| !with.contains(&n.name))
    {
        let Owner::Tenant(tenant) = namespace.owner else {
            continue;
        };
        let tenant = &cluster.tenants[tenant as usize];
        let message = format!(
            "`{}` of tenant `{}` has no ResourceQuota",
            namespace.name, tenant.name
        );

        out.push(
            Finding::missing(
                cluster,
                &NO_QUOTA,
                namespace.origin.map_or(tenant.span, |o| o.span),
                message,
            )
            .by(&tenant.name)
            .step(
                namespace.origin.map_or(tenant.span, |o| o.span),
                format!("no ResourceQuota governs `{}`", namespace.name),
            )
            .fix("add a ResourceQuota, of `pods` at least"),
        );
    }
}

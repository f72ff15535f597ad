use super::Findings;
use super::governing::Governing;
use crate::diagnostic::rule;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, namespace_span};

rule! {
    /// A tenant's namespace has no ResourceQuota.
    ///
    /// ## Why it matters
    /// One tenant can take every pod, every IP and every GB that the cluster has: the others' next
    /// pods stay pending.
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

pub(super) fn check(cluster: &Cluster, governing: &Governing<'_>, out: &mut Findings<'_>) {
    for (at, namespace) in cluster.namespaces.iter().enumerate() {
        let Owner::Tenant(tenant) = namespace.owner else {
            continue;
        };
        if governing.of(at as u32).next().is_some() {
            continue;
        }

        let tenant = &cluster.tenants[tenant as usize];
        let span = namespace_span(namespace, tenant);
        let message = format!(
            "`{}` of tenant `{}` has no ResourceQuota",
            namespace.name, tenant.name
        );

        out.push(
            Finding::missing(cluster, &NO_QUOTA, span, message)
                .by(&tenant.name)
                .step(
                    span,
                    format!("no ResourceQuota governs `{}`", namespace.name),
                )
                .fix("add a ResourceQuota, of `pods` at least"),
        );
    }
}

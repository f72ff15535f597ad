use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant's Flux object puts what it applies into a namespace that is not the tenant's.
    ///
    /// ## Why it matters
    /// `targetNamespace` overrides the namespace of every object. What stops it is only what the
    /// service account may do.
    ///
    /// ## Fix
    /// Name a namespace of the tenant's own.
    ///
    /// ## References
    /// fluxcd/flux2#1829; Flux RFC-0001; ISO 27001 A.8.3
    pub static FOREIGN_TARGET = "gitops/foreign-target", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for (sync, tenant) in owned(cluster) {
        let Some((target, span)) = &sync.target else {
            continue;
        };
        let other = cluster.owner(target);
        if *target == sync.id.namespace || other == cluster.owner(&sync.id.namespace) {
            continue;
        }
        let span = at(*span, sync.origin);
        let message = format!(
            "{} of tenant `{tenant}` applies into `{target}` of {}",
            sync.id.called(),
            cluster.owner_name(other)
        );

        // With an account that has nothing there, it only fails; what is rendered has one.
        let known = cluster.namespace(target).is_some() || sync.origin.input.is_rendered();
        let finding = if known {
            Finding::refuted(&FOREIGN_TARGET, span, message)
        } else {
            Finding::warning(&FOREIGN_TARGET, span, message)
        };

        let finding = finding
            .by(tenant)
            .step(span, format!("targetNamespace of {}", sync.id.called()))
            .through(&sync.id);
        let finding = match tenant_of(cluster, target) {
            Some((_, victim)) => finding.reaching(victim),
            None => finding,
        };

        out.push(finding.fix("name a namespace of the tenant's own"));
    }
}

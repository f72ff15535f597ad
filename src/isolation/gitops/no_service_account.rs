use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant's Kustomization or HelmRelease names no service account.
    ///
    /// ## What it finds
    /// Flux objects in a tenant's namespace without `spec.serviceAccountName`, whatever the
    /// controllers' defaults are.
    ///
    /// ## Why it matters
    /// The controller then applies as itself, and it is a cluster-admin: whatever stands in the
    /// tenant's repository.
    ///
    /// ## Example
    /// ```yaml
    /// kind: Kustomization
    /// metadata: {name: apps, namespace: payments}
    /// spec: {path: ./deploy, sourceRef: {kind: GitRepository, name: apps}}
    /// ```
    ///
    /// ## Fix
    /// `spec.serviceAccountName`, of an account that has a role in the tenant's namespaces only.
    ///
    /// ## References
    /// fluxcd/flux2#1829; Flux RFC-0001; fluxcd.io multi-tenancy lockdown; ISO 27001 A.8.2; SOC 2
    /// CC6.3
    pub static NO_SERVICE_ACCOUNT = "gitops/no-service-account", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    // One of the platform's that applies what a tenant writes is the tenant's too.
    for sync in cluster
        .facts
        .gitops
        .appliers
        .iter()
        .filter(|s| s.account.is_none() && tenant_of(cluster, &s.id.namespace).is_none())
    {
        let source = sync
            .sources
            .iter()
            .find_map(|source| Some((source, tenant_of(cluster, &source.namespace)?.1)));

        let Some((reference, tenant)) = source else {
            continue;
        };
        let span = at(reference.span, sync.origin);
        let message = format!(
            "{} applies what tenant `{tenant}` has in `{}`, as the controller",
            sync.id.called(),
            reference.namespace
        );

        out.push(
            Finding::refuted(&NO_SERVICE_ACCOUNT, span, message)
                .by(tenant)
                .step(span, format!("{} of {} is the tenant's", reference.field, sync.id.called()))
                .step(sync.origin.span, "no serviceAccountName: the controller applies it as a cluster-admin")
                .fix("say serviceAccountName, of an account with a role in the tenant's namespaces only"),
        );
    }
    for (sync, tenant) in owned(cluster).filter(|(s, _)| s.account.is_none()) {
        let message = format!(
            "{} of tenant `{tenant}` names no service account: it applies as the controller",
            sync.id.called()
        );
        out.push(
            Finding::refuted(&NO_SERVICE_ACCOUNT, sync.origin.span, message)
                .by(tenant)
                .step(sync.origin.span, format!("tenant `{tenant}` writes what {} applies", sync.id.called()))
                .step(sync.origin.span, "no serviceAccountName: the controller applies it as a cluster-admin")
                .fix("say serviceAccountName, of an account with a role in the tenant's namespaces only"),
        );
    }
}

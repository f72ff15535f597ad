use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, tenant_of};
use crate::kube::labels::Selector;

rule! {
    /// The API server asks a tenant's Service, or a tenant's object decides what is admitted.
    ///
    /// ## What it finds
    /// Webhooks, aggregated APIs and conversions whose Service is in a tenant's namespace; bindings
    /// of admission policies whose parameters are. A webhook that is asked about objects of the
    /// tenant's own namespaces alone is not reported.
    ///
    /// ## Why it matters
    /// A webhook sees every object that it is asked about, Secrets of others included, and a
    /// mutating one changes them. Parameters in a tenant's namespace are the tenant's to edit.
    ///
    /// ## Fix
    /// Let the platform run it, in a namespace of its own; or narrow it with a namespaceSelector of
    /// the tenant's own.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/cluster-administration/admission-webhooks-good-practices; CIS
    /// 5.1; ISO 27001 A.8.9
    pub static TENANT_HOOK = "admission/tenant-hook", Error;
}

/// Whether a selector selects namespaces of one tenant alone.
fn is_own(cluster: &Cluster, tenant: u32, only: &Selector) -> bool {
    let selected = cluster.select(only);
    let is_own = |at: &u32| cluster.namespaces[*at as usize].owner == Owner::Tenant(tenant);
    !selected.is_empty() && selected.iter().all(is_own)
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for hook in &cluster.facts.hooks {
        let Some((at, tenant)) = tenant_of(cluster, &hook.namespace) else {
            continue;
        };
        if hook
            .only
            .as_ref()
            .is_some_and(|only| is_own(cluster, at, only))
        {
            continue;
        }
        let message = format!(
            "{} rests on what tenant `{tenant}` has in `{}`",
            hook.id.called(),
            hook.namespace
        );

        out.push(
            Finding::refuted(&TENANT_HOOK, hook.origin.span, message)
                .by(tenant)
                .step(
                    hook.origin.span,
                    format!(
                        "{} names the namespace `{}`",
                        hook.id.called(),
                        hook.namespace
                    ),
                )
                .through(&hook.id)
                .fix("let the platform run it, in a namespace of its own"),
        );
    }
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, tenant_of};

rule! {
    /// The API server asks a tenant's Service, or a tenant's object decides what is admitted.
    ///
    /// ## What it finds
    /// Webhooks, aggregated APIs and conversions whose Service is in a tenant's namespace; bindings
    /// of admission policies whose parameters are.
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

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for hook in &cluster.facts.hooks {
        let Some((_, tenant)) = tenant_of(cluster, &hook.namespace) else {
            continue;
        };
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
                .fix("let the platform run it, in a namespace of its own"),
        );
    }
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::identity::Lender;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A controller of Flux reads for a tenant with an identity of its own.
    ///
    /// ## What it finds
    /// A Bucket, OCIRepository, HelmRepository, GitRepository or ImageRepository in a tenant's
    /// namespace that names a cloud provider and neither a service account nor a Secret; a
    /// Kustomization that decrypts without keys of its own.
    ///
    /// ## Why it matters
    /// The controller's identity reads what the platform and every tenant need it to read: the
    /// tenant names another's bucket, or has another's file decrypted.
    ///
    /// ## Fix
    /// `spec.serviceAccountName` or `spec.secretRef` of the tenant's own; for decryption,
    /// `spec.decryption.secretRef`.
    ///
    /// ## References
    /// Flux RFC-0010; fluxcd.io/flux/components/source/buckets;
    /// fluxcd.io/flux/components/kustomize/kustomizations (Decryption); ISO 27001 A.5.16
    pub static CONTROLLER_IDENTITY = "gitops/controller-identity", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for borrowed in &cluster.facts.borrowed_identities {
        let Lender::FluxController(controller) = borrowed.lender else {
            continue;
        };
        let Some((_, tenant)) = tenant_of(cluster, &borrowed.id.namespace) else {
            continue;
        };

        let span = at(borrowed.span, borrowed.origin);
        let called = borrowed.id.called();
        let message = format!(
            "{called} of tenant `{tenant}` has {controller} act with its own identity: it {}",
            borrowed.acts
        );
        out.push(
            Finding::unknown(&CONTROLLER_IDENTITY, span, message)
                .by(tenant)
                .step(span, format!("{called} names no account and no Secret"))
                .fix("name a serviceAccountName or a secretRef of the tenant's own"),
        );
    }
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, tenant_of};

rule! {
    /// Flux leaves an object of the floor as it is.
    ///
    /// ## What it finds
    /// A NetworkPolicy, quota, limit, role, binding or Namespace of a tenant that carries
    /// `kustomize.toolkit.fluxcd.io/reconcile: disabled`, or `kustomize.toolkit.fluxcd.io/ssa:
    /// Ignore` or `IfNotPresent`, as an annotation or a label: among manifests, or in a snapshot of
    /// the live cluster.
    ///
    /// ## Why it matters
    /// Whoever may edit the object once freezes it so, and then changes it for good: Flux neither
    /// reports the difference nor takes it back, and what Git says of it is no longer what is
    /// there.
    ///
    /// ## Fix
    /// Remove the mark (`kubectl annotate --overwrite KIND NAME
    /// kustomize.toolkit.fluxcd.io/reconcile-`), and let nobody of the tenant write the object.
    ///
    /// ## References
    /// fluxcd.io/flux/components/kustomize/kustomizations (Controlling the apply behavior of
    /// resources); ISO 27001 A.8.9; PCI DSS 11.5.2
    pub static FROZEN_FLOOR = "admission/frozen-floor", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for object in &cluster.facts.frozen {
        let home = if object.id.kind == "Namespace" {
            &object.id.name
        } else {
            &object.id.namespace
        };

        let Some((_, tenant)) = tenant_of(cluster, home) else {
            continue;
        };
        let (span, mark) = (object.origin.span, &object.reason);
        let message = format!(
            "{} of tenant `{tenant}` stays as it is, whatever Git says: {mark}",
            object.id.called()
        );

        out.push(
            Finding::refuted(&FROZEN_FLOOR, span, message)
                .by(tenant)
                .step(
                    span,
                    format!(
                        "{} carries {mark}: Flux does not restore it",
                        object.id.called()
                    ),
                )
                .through(&object.id)
                .fix("remove the mark, and let nobody of the tenant write the object"),
        );
    }
}

use super::{Findings, owned};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, at};

rule! {
    /// A tenant's Flux object applies to a cluster that a Secret names.
    ///
    /// ## Why it matters
    /// What the kubeconfig says is not among the inputs: another cluster, with whatever rights it
    /// carries. Old controllers ran commands that stand in it.
    ///
    /// ## Fix
    /// Let the platform apply to other clusters; remove `kubeConfig`.
    ///
    /// ## References
    /// CVE-2022-24817, CVE-2021-41254; fluxcd/flux2#5543; ISO 27001 A.8.3
    pub static KUBE_CONFIG = "gitops/kubeconfig", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for (sync, tenant) in owned(cluster) {
        let Some((secret, span)) = &sync.kube_config else {
            continue;
        };
        let span = at(*span, sync.origin);
        let message = format!(
            "{} of tenant `{tenant}` applies to whatever cluster `{secret}` names",
            sync.id.called()
        );
        out.push(
            Finding::unknown(&KUBE_CONFIG, span, message)
                .by(tenant)
                .step(span, format!("kubeConfig of {}", sync.id.called()))
                .through(&sync.id)
                .fix("remove kubeConfig; let the platform apply to other clusters"),
        );
    }
}

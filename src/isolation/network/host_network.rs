use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::admission::refused;
use crate::isolation::{Finding, tenant_of};

rule! {
    /// A tenant's workload uses the node's network.
    ///
    /// ## Why it matters
    /// No NetworkPolicy governs it, either way: it reaches every pod of the node, the kubelet and
    /// the cloud's metadata.
    ///
    /// ## Fix
    /// Remove `hostNetwork`; Pod Security's `baseline` refuses it.
    ///
    /// ## References
    /// Pod Security Standards; CIS 5.2.5; NSA "Pod security"; MTB "block use of host networking and
    /// ports"
    pub static HOST_NETWORK = "network/host-network", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for workload in cluster.facts.workloads.iter().filter(|w| w.host_network) {
        let Some((_, tenant)) = tenant_of(cluster, &workload.id.namespace) else {
            continue;
        };
        let message = format!(
            "{} of tenant `{tenant}` uses the node's network, which no policy governs",
            workload.id.called()
        );

        // Where Pod Security refuses the pod, it never runs.
        let refused = refused(cluster, &workload.id.namespace);
        let finding = match refused {
            true => Finding::warning(
                &HOST_NETWORK,
                workload.origin.span,
                format!("{message}; Pod Security refuses it"),
            ),
            false => Finding::refuted(&HOST_NETWORK, workload.origin.span, message),
        };

        out.push(
            finding
                .by(tenant)
                .step(
                    workload.origin.span,
                    format!("{} says hostNetwork: true", workload.id.called()),
                )
                .through(&workload.id)
                .fix("remove hostNetwork"),
        );
    }
}

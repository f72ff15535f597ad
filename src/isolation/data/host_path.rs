use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::admission::refused;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant's workload mounts a folder of the node.
    ///
    /// ## Why it matters
    /// A node holds every pod's secrets and the kubelet's credentials.
    ///
    /// ## Fix
    /// Another kind of volume; Pod Security's `baseline` refuses this one.
    ///
    /// ## References
    /// Pod Security Standards; CIS 5.2.12; MTB "block use of host path"; NSA "Pod security"
    pub static HOST_PATH = "data/host-path", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for workload in &cluster.facts.workloads {
        let Some((_, tenant)) = tenant_of(cluster, &workload.id.namespace) else {
            continue;
        };
        for (path, span) in &workload.host_paths {
            let span = at(*span, workload.origin);
            let message = format!(
                "{} of tenant `{tenant}` mounts `{path}` of its node",
                workload.id.called()
            );

            // Where Pod Security refuses the pod, it never runs.
            let refused = refused(cluster, &workload.id.namespace);
            let finding = match refused {
                true => Finding::warning(
                    &HOST_PATH,
                    span,
                    format!("{message}; Pod Security refuses it"),
                ),
                false => Finding::refuted(&HOST_PATH, span, message),
            };

            out.push(
                finding
                    .by(tenant)
                    .step(span, format!("a volume of {}", workload.id.called()))
                    .through(&workload.id)
                    .fix("use another kind of volume"),
            );
        }
    }
}

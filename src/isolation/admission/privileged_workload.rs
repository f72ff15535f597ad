use super::{Findings, refused};
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, tenant_of};

rule! {
    /// A tenant's workload asks for its node.
    ///
    /// ## What it finds
    /// Privileged containers, `hostPID`, `hostIPC`, host ports and added capabilities beyond Pod
    /// Security's `baseline`.
    ///
    /// ## Why it matters
    /// A privileged container is the node, and the node is every pod on it.
    ///
    /// ## Fix
    /// Remove it; Pod Security's `baseline` refuses it.
    ///
    /// ## References
    /// Pod Security Standards; CIS 5.2.2 to 5.2.9; MTB "block privileged containers", "block add
    /// capabilities"
    pub static PRIVILEGED_WORKLOAD = "admission/privileged-workload", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for workload in cluster
        .facts
        .workloads
        .iter()
        .filter(|w| !w.privileges.is_empty())
    {
        let Some((_, tenant)) = tenant_of(cluster, &workload.id.namespace) else {
            continue;
        };
        let span = workload.origin.span;
        let what = workload.privileges.join(", ");
        let message = format!(
            "{} of tenant `{tenant}` asks for its node: {what}",
            workload.id.called()
        );

        // Pod Security looks at a pod once, when it is made: one that runs is there.
        let runs = workload.id.kind == "Pod" && workload.origin.input.is_live();
        let finding = match !runs && refused(cluster, &workload.id.namespace) {
            true => Finding::warning(
                &PRIVILEGED_WORKLOAD,
                span,
                format!("{message}; Pod Security refuses it"),
            ),
            false => Finding::refuted(&PRIVILEGED_WORKLOAD, span, message),
        };

        out.push(
            finding
                .by(tenant)
                .step(span, format!("{} says {what}", workload.id.called()))
                .through(&workload.id)
                .fix("remove it"),
        );
    }
}

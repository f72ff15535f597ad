use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, InputKind};
use crate::isolation::Finding;

rule! {
    /// The API server never queues the requests of a tenant.
    ///
    /// ## What it finds
    /// A FlowSchema of the level `exempt` that takes requests for objects of a tenant's users,
    /// groups or service accounts, or of everybody.
    ///
    /// ## Why it matters
    /// One tenant can keep the API server busy for everybody.
    ///
    /// ## Fix
    /// Choose a level that queues, such as `workload-low`.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/cluster-administration/flow-control
    pub static EXEMPT_FLOW = "resources/exempt-flow", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let everybody = |group: &str| {
        [
            "system:authenticated",
            "system:serviceaccounts",
            "system:unauthenticated",
        ]
        .contains(&group)
    };

    let flows = cluster.facts.exempt_flows.iter();
    for flow in flows.filter(|flow| flow.origin.input != InputKind::Builtin) {
        let found = flow.subjects.iter().find_map(|subject| {
            use crate::graph::rbac::Subject;
            match (cluster.holder(subject), subject) {
                (Some(tenant), _) => Some((subject, Some(tenant))),
                (None, Subject::Group(group)) if everybody(group) => Some((subject, None)),
                _ => None,
            }
        });
        let Some((subject, tenant)) = found else {
            continue;
        };

        let span = flow.origin.span;
        let message = format!(
            "{} exempts the requests of {subject} from every queue of the API server",
            flow.id.called()
        );
        let finding = Finding::refuted(&EXEMPT_FLOW, span, message)
            .step(
                span,
                format!("{} takes them at the level `exempt`", flow.id.called()),
            )
            .through(&flow.id)
            .fix("choose a priority level that queues");
        out.push(match tenant {
            Some(at) => finding.by(&cluster.tenants[at as usize].name),
            None => finding,
        });
    }
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, Input};
use crate::isolation::Finding;

rule! {
    /// A manifest defines an object that tenantry renders.
    ///
    /// ## Why it matters
    /// Two things apply it, and take it from each other: which of the two holds depends on who was last. Both count here,
    /// so what either grants is seen; what it is in the end is not known.
    ///
    /// ## Fix
    /// Remove one: import it into the tenant's spec, or leave it out of what tenantry renders.
    ///
    /// ## References
    /// fluxcd/kustomize-controller#338, fluxcd/flux2#3316
    pub static SECOND_DEFINITION = "gitops/second-definition", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for (second, first) in cluster.defined_twice.iter().filter(|(_, first)| first.input == Input::Rendered) {
        let message = format!("{} is rendered, and defined here again: who was last decides", second.id.called());
        out.push(
            Finding::unknown(&SECOND_DEFINITION, second.origin.place, message)
                .step(first.place, "rendered from this")
                .step(second.origin.place, "defined again")
                .fix("remove one of the two"),
        );
    }
}

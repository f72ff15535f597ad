use super::Findings;
use crate::diagnostic::rule;
use crate::graph::facts::ObjectRef;
use crate::graph::{Cluster, Origin};
use crate::isolation::Finding;

rule! {
    /// An object is defined twice, and not alike.
    ///
    /// ## What it finds
    /// A manifest of an object that tenantry renders; two manifests of one object that differ.
    ///
    /// ## Why it matters
    /// Whoever applies it last decides. Both count here, so what either grants is seen; what it is
    /// in the end is not known.
    ///
    /// ## Fix
    /// Remove one: import it into the tenant's spec, or leave it out of what tenantry renders. If the two
    /// files are of different clusters, remove none: name each cluster with its folder, as
    /// `--also NAME=DIR`.
    ///
    /// ## References
    /// fluxcd/kustomize-controller#338, fluxcd/flux2#3316
    pub static SECOND_DEFINITION = "gitops/second-definition", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for (second, first) in &cluster.defined_twice {
        let before = if first.input.is_rendered() {
            "rendered"
        } else {
            "defined"
        };
        let message = format!(
            "{} is {before}, and defined here again: who was last decides",
            second.id.called()
        );
        out.push(
            Finding::unknown(&SECOND_DEFINITION, second.origin.span, message)
                .step(first.span, "first from this")
                .step(second.origin.span, "defined again")
                .fix(fix(second, *first)),
        );
    }
}

/// Two files may be of two clusters that were given as one folder.
fn fix(second: &ObjectRef, first: Origin) -> &'static str {
    let is_one_file = second.origin.span.source == first.span.source;
    match first.input.is_rendered() || is_one_file {
        true => "remove one of the two",
        false => {
            "if the two files are of different clusters, name each with its folder, as --also \
             NAME=DIR; else remove one of the two"
        }
    }
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::Finding;

rule! {
    /// An object of a GitOps engine of a kind that is not evaluated.
    ///
    /// ## What it finds
    /// Argo CD's Applications, ApplicationSets and AppProjects; flux-operator's FluxInstance and
    /// its like.
    ///
    /// ## Why it matters
    /// It decides what is applied as whom, or how the controllers run. So nothing is said of the
    /// plane.
    ///
    /// ## Example
    /// `kind: Application` with `destination: {namespace: '*'}`, in a project that allows it.
    ///
    /// ## Fix
    /// Leave it out of the inputs where it is known to be harmless; a later version reads it.
    ///
    /// ## References
    /// argo-cd.readthedocs.io/en/stable/operator-manual/security; fluxcd.control-plane.io/operator;
    /// ISO 27001 A.8.9
    pub static UNREAD_KIND = "gitops/unread-kind", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for thing in &cluster.facts.gitops.unread {
        let message = format!(
            "{} decides what is applied, and its kind is not evaluated",
            thing.id.called()
        );
        out.push(
            Finding::unknown(&UNREAD_KIND, thing.origin.span, message)
                .fix("leave it out where it is known to be harmless"),
        );
    }
}

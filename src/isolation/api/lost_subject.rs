use super::Findings;
use crate::diagnostic::rule;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Input};
use crate::isolation::{Finding, at};

rule! {
    /// A binding names a service account of a namespace that is not there.
    ///
    /// ## Why it matters
    /// The grant waits: whoever gets that name for a namespace has it. Names are given out again.
    ///
    /// ## Example
    /// ```yaml
    /// subjects: [{kind: ServiceAccount, name: deployer, namespace: team-that-left}]
    /// ```
    ///
    /// ## Fix
    /// Remove the subject, or add the namespace's manifest to the inputs.
    ///
    /// ## References
    /// CIS 5.1; ISO 27001 A.5.18 (removal of access rights); SOC 2 CC6.2
    pub static LOST_SUBJECT = "api/lost-subject", Warning;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for binding in cluster.rbac.bindings.iter().filter(|b| b.origin.input != Input::Builtin) {
        for (subject, place) in &binding.subjects {
            let Subject::ServiceAccount(namespace, _) = subject else { continue };
            // The platform's own namespaces need not be among the inputs.
            let platforms = namespace.starts_with("kube-") || namespace == "default" || namespace == "flux-system";
            if platforms || cluster.namespace(namespace).is_some() {
                continue;
            }
            let message =
                format!("{} names {subject}, and no input has the namespace `{namespace}`", binding.id.called());
            out.push(
                Finding::warning(&LOST_SUBJECT, at(*place, binding.origin), message)
                    .fix("remove the subject; or give the namespace's manifest with --also"),
            );
        }
    }
}

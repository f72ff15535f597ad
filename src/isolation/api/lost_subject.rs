use super::Findings;
use crate::diagnostic::rule;
use crate::graph::rbac::Subject;
use crate::graph::{ACCOUNTS_OF, Cluster, InputKind};
use crate::isolation::grade::is_full;
use crate::isolation::{Finding, at};
use crate::spec::fleet::FleetSpec;
use crate::tenancy::reserved;

rule! {
    /// A binding names a service account of a namespace that is not there.
    ///
    /// ## Why it matters
    /// The grant waits: whoever gets that name for a namespace has it. Names are given out again.
    ///
    /// ## Fix
    /// Remove the subject, or add the namespace's manifest to the inputs.
    ///
    /// ## References
    /// CIS 5.1; ISO 27001 A.5.18 (removal of access rights); SOC 2 CC6.2
    pub static LOST_SUBJECT = "api/lost-subject", Warning;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| b.origin.input != InputKind::Builtin)
    {
        for (subject, span) in &binding.subjects {
            let namespace = match subject {
                Subject::ServiceAccount(namespace, _) => namespace.as_str(),
                Subject::Group(name) => match name.strip_prefix(ACCOUNTS_OF) {
                    Some(namespace) => namespace,
                    None => continue,
                },
                Subject::User(_) => continue,
            };

            // The platform's own namespaces need not be among the inputs, and a namespace that holds
            // objects is there: `helm template` prints no Namespace.
            if cluster.namespace(namespace).is_some()
                || reserved(&FleetSpec::default(), namespace).is_some()
            {
                continue;
            }
            let span = at(*span, binding.origin);
            let message = format!(
                "{} names {subject}, and no input has the namespace `{namespace}`",
                binding.id.called()
            );

            let everywhere = binding.id.namespace.is_empty();
            let is_full = everywhere
                && cluster
                    .rbac
                    .role(binding)
                    .is_some_and(|role| is_full(cluster, subject, &role.rules));
            let finding = match is_full {
                true => {
                    let message = format!(
                        "{message}: whoever has it has {} in every namespace",
                        binding.role_name()
                    );
                    Finding::unknown(&LOST_SUBJECT, span, message)
                }
                false => Finding::warning(&LOST_SUBJECT, span, message),
            };

            out.push(
                finding.fix("remove the subject; or give the namespace's manifest with --also"),
            );
        }
    }
}

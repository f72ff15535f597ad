use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, InputKind};
use crate::isolation::capability;
use crate::isolation::grade::{Grade, HeldRules, Place, grade, reaching};
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A binding names a group that everybody is in.
    ///
    /// ## What it finds
    /// A binding to `system:authenticated`, `system:unauthenticated`, `system:serviceaccounts` or
    /// `system:anonymous`, or to a group of a distribution that everybody is in
    /// (`system:authenticated:oauth` of OpenShift), that grants more than what is public: discovery,
    /// reviews, classes of the cluster, and objects of the platform that the role names.
    ///
    /// ## Why it matters
    /// Every pod of every tenant has a service account, and is in these groups.
    ///
    /// ## Fix
    /// Name the group of people that is meant.
    ///
    /// ## References
    /// CIS 5.1; GKE hardening "avoid system:authenticated";
    /// kubernetes.io/docs/concepts/security/rbac-good-practices; ISO 27001 A.5.15; SOC 2 CC6.1
    pub static WIDE_SUBJECT = "api/wide-subject", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| b.origin.input != InputKind::Builtin)
    {
        let Some(role) = cluster.rbac.role(binding) else {
            continue;
        };
        for (subject, span) in &binding.subjects {
            let Some(who) = capability::system_group(subject) else {
                continue;
            };
            let namespace = &binding.id.namespace;
            let span = at(*span, binding.origin);
            let place = Place::of(cluster, namespace);
            let held = HeldRules::new(cluster, subject, place);
            let rules = reaching(&role.rules, place, &held, Grade::Full);
            let what = capability::worst(&rules, namespace.is_empty());

            let step = format!(
                "{} binds {subject} to {}",
                binding.id.called(),
                binding.role_name()
            );

            let finding = match (namespace.is_empty(), grade(&role.rules, place, &held)) {
                (_, Grade::Nothing | Grade::Half) | (false, Grade::ClusterRead) => continue,
                (true, Grade::ClusterRead) => {
                    let message = format!(
                        "{who} reads things of the whole cluster: `{}` is bound to {}",
                        name(subject),
                        binding.role_name()
                    );
                    Finding::warning(&WIDE_SUBJECT, span, message)
                }
                (true, Grade::Full) => Finding::refuted(
                    &WIDE_SUBJECT,
                    span,
                    format!("{who} {what} in every namespace"),
                ),
                (false, Grade::Full) => {
                    let whose = cluster.owner_name(cluster.owner(namespace));
                    let finding = Finding::refuted(
                        &WIDE_SUBJECT,
                        span,
                        format!("{who} {what} in `{namespace}` of {whose}"),
                    );
                    match tenant_of(cluster, namespace) {
                        Some((_, victim)) => finding.reaching(victim),
                        None => finding,
                    }
                }
            };

            let finding = finding.step(at(binding.role_span, binding.origin), step);
            let finding = finding.through(&binding.id).through(&role.id);
            out.push(finding.fix(format!(
                "name the people or service accounts that {} is for",
                binding.id.called()
            )));
        }
    }
}

fn name(subject: &crate::graph::rbac::Subject) -> &str {
    use crate::graph::rbac::Subject;
    match subject {
        Subject::User(name) | Subject::Group(name) | Subject::ServiceAccount(_, name) => name,
    }
}

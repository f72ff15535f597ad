use super::{Findings, explain_subject};
use crate::diagnostic::rule;
use crate::graph::rbac::{Binding, Role, Subject};
use crate::graph::{ACCOUNTS_OF, Cluster, Owner};
use crate::isolation::capability;
use crate::isolation::grade::{Grade, HeldRules, Place, halves, reaching};
use crate::isolation::{Finding, at, tenant_of};
use crate::source::Span;

rule! {
    /// A RoleBinding in a namespace names somebody of another tenant.
    ///
    /// ## What it finds
    /// A RoleBinding in a tenant's namespace, or in the platform's, whose subject is another
    /// tenant's user, group, service account, or the group of all service accounts of another
    /// tenant's namespace. A service account of the platform's namespace that applies what a tenant
    /// writes is that tenant's. Reading objects of the platform that the role names, other than
    /// Secrets, is no finding.
    ///
    /// ## Why it matters
    /// Whoever can create a pod in a namespace can be every service account of it. So a service
    /// account that is bound next door is everybody there.
    ///
    /// ## Fix
    /// Remove the subject. What two tenants share belongs into a namespace of its own, or to the
    /// platform.
    ///
    /// ## References
    /// NSA Kubernetes Hardening Guide, "Namespace separation"; CIS 5.1; MTB "block access to other
    /// tenants' resources"; ISO 27001 A.8.3; SOC 2 CC6.1;
    /// kubernetes.io/docs/concepts/security/rbac-good-practices
    pub static CROSS_TENANT_BINDING = "api/cross-tenant-binding", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| !b.id.namespace.is_empty())
    {
        // Of a role that nobody defines, `api/dangling-role` says that nothing is known.
        let Some(role) = cluster.rbac.role(binding) else {
            continue;
        };
        for (subject, span) in &binding.subjects {
            let strangers = strangers(cluster, binding, subject);
            if let Some(finding) = finding(cluster, binding, role, subject, *span, &strangers) {
                out.push(finding);
            }
        }
    }
}

/// The tenants that hold a subject of a binding in a namespace that is not theirs.
fn strangers(cluster: &Cluster, binding: &Binding, subject: &Subject) -> Vec<u32> {
    let home = cluster.owner(&binding.id.namespace);
    let holders: Vec<u32> = cluster.holders(subject).collect();

    // People who are bound in the namespaces of several tenants: `api/shared-subject` says so.
    let people = !matches!(subject, Subject::ServiceAccount(..)) && !is_accounts(subject);
    let at_home = |tenant: &u32| home == Owner::Tenant(*tenant);
    if people && holders.iter().any(at_home) {
        return Vec::new();
    }
    holders
        .into_iter()
        .filter(|tenant| !at_home(tenant))
        .collect()
}

fn is_accounts(subject: &Subject) -> bool {
    matches!(subject, Subject::Group(name) if name.starts_with(ACCOUNTS_OF))
}

fn finding(
    cluster: &Cluster,
    binding: &Binding,
    role: &Role,
    subject: &Subject,
    span: Option<Span>,
    strangers: &[u32],
) -> Option<Finding> {
    let first = *strangers.first()?;
    let namespace = &binding.id.namespace;
    let place = Place::of(cluster, namespace);
    let held = HeldRules::new(cluster, subject, place);
    let rules = reaching(&role.rules, place, &held, Grade::Half);
    if rules.is_empty() {
        return None;
    }

    let tenant = &cluster.tenants[first as usize].name;
    let who = match strangers.len() {
        1 => format!("tenant `{tenant}`"),
        many => format!("each of {many} tenants (`{tenant}` and others)"),
    };
    let whose = cluster.owner_name(cluster.owner(namespace));
    let span = at(span, binding.origin);
    let full = reaching(&rules, place, &held, Grade::Full);
    let finding = match full.is_empty() {
        true => {
            let message = format!(
                "{who} has half of a power in `{namespace}` of {whose}: {} gives nothing alone",
                halves(&rules)
            );
            Finding::warning(&CROSS_TENANT_BINDING, span, message)
        }
        false => {
            let what = capability::worst(&full, false);
            let message =
                format!("{who} {what} in `{namespace}` of {whose}: {subject} is bound there");
            Finding::refuted(&CROSS_TENANT_BINDING, span, message)
        }
    };

    let finding = finding.by_first_of(tenant, strangers.iter().copied());
    let finding = explain_subject(cluster, first, subject, finding).step(
        at(binding.role_span, binding.origin),
        format!(
            "{} binds {subject} to {} in `{namespace}`",
            binding.id.called(),
            binding.role_name()
        ),
    );
    let finding = finding.through(&binding.id).through(&role.id);

    let finding = match tenant_of(cluster, namespace) {
        Some((_, victim)) => finding.reaching(victim),
        None => finding,
    };
    Some(finding.fix(format!("remove the subject from {}", binding.id.called())))
}

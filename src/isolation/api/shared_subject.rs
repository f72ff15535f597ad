use super::Findings;
use crate::diagnostic::rule;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::isolation::capability::system_group;
use crate::isolation::{Finding, at, some};
use std::collections::BTreeMap;

rule! {
    /// A user or group that no tenant declares is bound in the namespaces of several.
    ///
    /// ## Why it matters
    /// Whoever is in it is in all of them: to the API they are one tenant. That is right for those
    /// who run the platform, and seldom for anybody else.
    ///
    /// ## Fix
    /// Make one tenant of them (`--group-by KEY`), bind a group for each, or declare it in the
    /// fleet's sharedSubjects.
    ///
    /// ## References
    /// ISO 27001 A.5.15, A.8.2; SOC 2 CC6.3; NSA "RBAC"
    pub static SHARED_SUBJECT = "api/shared-subject", Warning;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut bound: BTreeMap<&Subject, BTreeMap<u32, _>> = BTreeMap::new();
    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| !b.id.namespace.is_empty())
    {
        let Owner::Tenant(tenant) = cluster.owner(&binding.id.namespace) else {
            continue;
        };
        // What is rendered was held against the fleet's sharedSubjects already.
        if binding.origin.input.is_rendered() {
            continue;
        }

        for (subject, span) in &binding.subjects {
            let people = matches!(subject, Subject::User(_) | Subject::Group(_));
            if people && system_group(subject).is_none() && !is_declared(cluster, subject) {
                bound
                    .entry(subject)
                    .or_default()
                    .entry(tenant)
                    .or_insert((at(*span, binding.origin), binding));
            }
        }
    }

    for (subject, tenants) in bound.into_iter().filter(|(_, tenants)| tenants.len() > 1) {
        let names = some(tenants.keys().map(|t| &*cluster.tenants[*t as usize].name));
        let mut spans = tenants.values();
        let Some((span, first)) = spans.next() else {
            continue;
        };
        let message = format!(
            "{subject} is bound in the namespaces of {} tenants: {names}",
            tenants.len()
        );

        let mut finding = Finding::warning(&SHARED_SUBJECT, *span, message).step(
            *span,
            format!("{} binds it to {}", first.id.called(), first.role_name()),
        );

        for (span, binding) in spans.take(2) {
            finding = finding.step(
                *span,
                format!(
                    "{} binds it to {}",
                    binding.id.called(),
                    binding.role_name()
                ),
            );
        }

        out.push(
            finding
                .fix("make one tenant of them (--group-by), or bind a group of its own for each"),
        );
    }
}

/// Whether one tenant alone holds a subject.
fn is_declared(cluster: &Cluster, subject: &Subject) -> bool {
    cluster.holders(subject).count() == 1
}

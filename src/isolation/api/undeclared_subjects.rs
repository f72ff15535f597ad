//! What verdicts assume of subjects that are bound, and of which no input says whose they are.

use super::Findings;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, InputKind};
use crate::isolation::assumptions::DECLARED_SUBJECTS;
use crate::tenancy::PlatformNames;
use std::collections::BTreeSet;

pub(super) fn assume(cluster: &Cluster, out: &mut Findings<'_>) {
    let bindings = cluster.rbac.bindings.iter();
    let undeclared: BTreeSet<String> = bindings
        .filter(|binding| binding.origin.input != InputKind::Builtin)
        .flat_map(|binding| &binding.subjects)
        .map(|(subject, _)| subject)
        .filter(|subject| is_undeclared(cluster, subject))
        .map(Subject::to_string)
        .collect();
    if undeclared.is_empty() {
        return;
    }

    let first: Vec<&str> = undeclared.iter().take(3).map(String::as_str).collect();
    let more = match undeclared.len() - first.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("{}: {}{more}", DECLARED_SUBJECTS.text, first.join(", "));
    out.assume_about(&DECLARED_SUBJECTS, text);
}

/// Whether no input says whose a subject is. A fleet declares all users and groups of its tenants.
fn is_undeclared(cluster: &Cluster, subject: &Subject) -> bool {
    if cluster.holder(subject).is_some() {
        return false;
    }
    match subject {
        Subject::User(name) | Subject::Group(name) => {
            !cluster.has_fleet && !name.starts_with("system:")
        }
        Subject::ServiceAccount(namespace, _) => {
            let of_platform = *namespace == cluster.engine_namespace
                || PlatformNames::default().reason(namespace, false).is_some();
            cluster.namespace(namespace).is_none() && !of_platform
        }
    }
}

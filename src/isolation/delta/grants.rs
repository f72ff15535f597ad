//! The rights that subjects have in one state and not in another.

use super::{Party, PartyLine, party};
use crate::graph::rbac::{Binding, PolicyRule, Role, Subject, effective, uncovered};
use crate::graph::{Cluster, InputKind, Owner};
use crate::value::Text;

/// A line for each binding and each role that grants what another state does not grant; for each
/// binding if there is no other state.
pub fn beyond(one: &Cluster, other: Option<&Cluster>) -> Vec<PartyLine> {
    let mut lines = Vec::new();
    for binding in &one.rbac.bindings {
        if binding.origin.input == InputKind::Builtin {
            continue;
        }
        for (subject, _) in &binding.subjects {
            if other.is_none_or(|other| grants_more(one, other, binding, subject)) {
                let line = format!("{subject} has {} {}", binding.role_name(), scope(binding));
                lines.push((holder(one, binding, subject), line));
            }
        }
    }

    if let Some(other) = other {
        lines.extend(changed_roles(one, other));
    }
    lines
}

/// Where a binding grants.
fn scope(binding: &Binding) -> String {
    match binding.id.namespace.as_str() {
        "" => "everywhere".to_owned(),
        namespace => format!("in `{namespace}`"),
    }
}

/// Whose a binding is: the tenant's in whose namespace it grants, or else its subject's.
fn holder(cluster: &Cluster, binding: &Binding, subject: &Subject) -> Party {
    match cluster.owner(&binding.id.namespace) {
        owner @ Owner::Tenant(_) => party(cluster, owner),
        Owner::Platform => match cluster.holder(subject) {
            Some(tenant) => party(cluster, Owner::Tenant(tenant)),
            None => Party::Platform,
        },
    }
}

/// Whether a binding gives a subject more than it has in another state. A role that both states
/// have is compared by [`changed_roles`].
fn grants_more(one: &Cluster, other: &Cluster, binding: &Binding, subject: &Subject) -> bool {
    let is_same =
        |known: &Binding| known.role == binding.role && known.id.namespace == binding.id.namespace;
    let role = one.rbac.role(binding);
    if let Some(known) = other.rbac.bindings_of(subject).find(|known| is_same(known)) {
        return role.is_some() && other.rbac.role(known).is_none();
    }

    // A role that is not known may allow anything.
    let Some(role) = role else {
        return true;
    };
    let rules = effective(&role.rules);
    let has = |known: &Subject| {
        let given = other
            .rbac
            .rules_in(&known.with_groups(), &binding.id.namespace);
        uncovered(&given, &rules).is_empty()
    };
    !has(subject) && !stand_ins(one, other, subject).any(has)
}

/// The accounts that a new account takes the place of: those of its namespace that lose every binding
/// as it gets its first, if it is a tenant's. Whoever may act as the new one could act as them.
fn stand_ins<'a>(
    one: &'a Cluster,
    other: &'a Cluster,
    subject: &'a Subject,
) -> impl Iterator<Item = &'a Subject> {
    let home = match subject {
        Subject::ServiceAccount(home, _) if other.rbac.bindings_of(subject).next().is_none() => {
            let is_tenants = |cluster: &Cluster| matches!(cluster.owner(home), Owner::Tenant(_));
            Some(home).filter(|_| is_tenants(one) && is_tenants(other))
        }
        _ => None,
    };
    home.into_iter()
        .flat_map(|home| other.rbac.accounts_of(home))
        .filter(|account| one.rbac.bindings_of(account).next().is_none())
}

/// What the roles of both states allow in one state only.
fn changed_roles(one: &Cluster, other: &Cluster) -> Vec<PartyLine> {
    let mut lines = Vec::new();
    for (key, role) in &one.rbac.roles {
        let known = other.rbac.roles.get(key);
        let Some(known) = known.filter(|known| known.rules != role.rules) else {
            continue;
        };

        let party = match role.id.namespace.as_str() {
            "" => Party::RoleHolders,
            namespace => party(one, one.owner(namespace)),
        };
        let more = uncovered(&known.rules, &effective(&role.rules));
        lines.extend(more.iter().map(|rule| (party.clone(), says(role, rule))));
    }
    lines
}

/// A rule of a role, as a line.
fn says(role: &Role, rule: &PolicyRule) -> String {
    let list = |names: &[Text]| {
        let names: Vec<&str> = names.iter().map(Text::as_str).collect();
        names.join(", ")
    };

    let group = match list(&rule.groups) {
        group if group.is_empty() => String::new(),
        group => format!(".{group}"),
    };
    let names = match rule.names.is_empty() {
        true => String::new(),
        false => format!(" named {}", list(&rule.names)),
    };
    let (called, verbs) = (role.id.called(), list(&rule.verbs));
    let (resources, urls) = (list(&rule.resources), list(&rule.urls));
    format!("{called} allows {verbs} {resources}{urls}{group}{names}")
}

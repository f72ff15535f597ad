//! The checks of `rbac.authorization.k8s.io`.
//!
//! Source: `pkg/apis/rbac/validation` and `pkg/apis/rbac/v1/defaults.go`: the group of a role, and of
//! users and groups, is filled in.

use super::field::Field;
use super::meta::selector;
use super::{Checked, names};
use crate::document::TreeValue;
use crate::kube::RBAC;

/// Checks a Role, or a ClusterRole.
pub(super) fn role<T: TreeValue>(root: &Field<'_, T>, namespaced: bool) -> Checked {
    for rule in root.child("rules").items() {
        policy_rule(&rule, namespaced)?;
    }

    let aggregation = root.child("aggregationRule");
    if namespaced || !aggregation.is_set() {
        return Ok(());
    }
    let selectors = aggregation.child("clusterRoleSelectors");
    selectors.require(!selectors.is_empty(), "must have a selector")?;
    for one in selectors.items() {
        selector(&one)?;
    }
    Ok(())
}

fn policy_rule<T: TreeValue>(rule: &Field<'_, T>, namespaced: bool) -> Checked {
    let (verbs, urls) = (rule.child("verbs"), rule.child("nonResourceURLs"));
    let (groups, resources) = (rule.child("apiGroups"), rule.child("resources"));
    verbs.require(!verbs.is_empty(), "must have a verb")?;

    if !urls.is_empty() {
        urls.require(!namespaced, "cannot stand in a Role")?;
        let alone =
            groups.is_empty() && resources.is_empty() && rule.child("resourceNames").is_empty();
        return urls.require(alone, "cannot stand in one rule with resources");
    }

    groups.require(!groups.is_empty(), "must have an API group")?;
    resources.require(!resources.is_empty(), "must have a resource")
}

/// Checks a RoleBinding, or a ClusterRoleBinding.
pub(super) fn binding<T: TreeValue>(root: &Field<'_, T>, namespaced: bool) -> Checked {
    let role = root.child("roleRef");
    let group = role.child("apiGroup");
    if !group.text().is_empty() {
        group.one_of(&[RBAC])?;
    }
    let kinds: &[&str] = match namespaced {
        true => &["Role", "ClusterRole"],
        false => &["ClusterRole"],
    };
    role.child("kind").one_of(kinds)?;
    role.child("name").named(names::path_segment)?;

    for one in root.child("subjects").items() {
        subject(&one, namespaced)?;
    }
    Ok(())
}

fn subject<T: TreeValue>(subject: &Field<'_, T>, namespaced: bool) -> Checked {
    let (kind, name) = (subject.child("kind"), subject.child("name"));
    let (group, namespace) = (subject.child("apiGroup"), subject.child("namespace"));
    name.require(!name.text().is_empty(), "must not be empty")?;
    kind.one_of(&["ServiceAccount", "User", "Group"])?;

    if kind.text() == "ServiceAccount" {
        name.named(names::dns_subdomain)?;
        group.require(
            group.text().is_empty(),
            "must be empty for a ServiceAccount",
        )?;
        let placed = namespaced || !namespace.text().is_empty();
        return namespace.require(placed, "must be set for a ServiceAccount");
    }
    match group.text() {
        "" => Ok(()),
        _ => group.one_of(&[RBAC]),
    }
}

//! Objects that were not rendered: which of them are reported, and why.

use super::desired::Desired;
use super::drift::Manager;
use super::status::text;
use crate::graph::ACCOUNTS_OF;
use crate::kube::RBAC;
use crate::kube::names::{OWNER_LABEL, TENANT_LABEL};
use crate::kube::{ObjectId, kinds};
use crate::netpol::{Dialect, Direction};
use crate::value::{Text, Value};

/// An object that was not rendered, and is reported.
#[derive(Debug)]
pub struct Stray {
    /// The object.
    pub id: ObjectId,
    /// Why it is reported.
    pub reason: StrayReason,
    /// The manager that made it or changed it last.
    pub by: Option<Manager>,
    /// The object of the engine that applies it, as `namespace/name`, if its labels say so.
    pub applied_by: Option<String>,
}

/// Why an object that was not rendered is reported.
#[derive(Debug)]
pub enum StrayReason {
    /// It gives a tenant more than was rendered: the tenant, and what it gives.
    Widens(u32, String),
    /// It gives service accounts of a namespace a Role of that namespace, as operators do: the tenant,
    /// and what it gives.
    Within(u32, String),
    /// A policy of the whole cluster, of the network plugin or the platform.
    ClusterPolicy,
    /// It has the fleet's label, and no spec renders it. The tenant that its label names.
    Orphaned(Option<Text>),
    /// A volume whose claim is gone: the claim, as `namespace/name`.
    Released(String),
}

/// Returns why an object that was not rendered is reported; `None` if it is not.
pub fn stray_reason(
    wanted: &Desired,
    id: &ObjectId,
    tenant: Option<u32>,
    object: &Value,
) -> Option<StrayReason> {
    let asked = |tenant: u32| wanted.asks(Some(tenant)).then_some(tenant);

    let reason = match (id.group.as_str(), id.kind.as_str()) {
        (RBAC, "RoleBinding") => {
            let tenant = tenant.and_then(asked);
            tenant.and_then(|tenant| role_binding(tenant, id, object))
        }
        (RBAC, "ClusterRoleBinding") => cluster_role_binding(wanted, object),
        (_, kind) if kinds::governs_network(kind) && id.namespace.is_empty() => {
            let is_reported = wanted.only.is_none();
            is_reported.then_some(StrayReason::ClusterPolicy)
        }
        (_, kind) if kinds::governs_network(kind) => {
            let tenant = tenant.and_then(asked);
            tenant.and_then(|tenant| network_policy(tenant, id, object))
        }
        ("", "PersistentVolume") => released_volume(wanted, object),
        _ => None,
    };

    reason.or_else(|| orphan(wanted, object))
}

/// A binding in a tenant's namespace.
fn role_binding(tenant: u32, id: &ObjectId, object: &Value) -> Option<StrayReason> {
    let subjects = object.at(&["subjects"]).items();
    if subjects.is_empty() {
        return None;
    }

    let names: Vec<String> = subjects.iter().map(subject_name).collect();
    let gives = format!("it gives {} to {}", role_name(object), first_few(&names));
    let is_own_account = |subject: &Value| {
        text(subject, &["kind"]) == "ServiceAccount"
            && text(subject, &["namespace"]) == id.namespace
    };

    // Operators make such bindings for the workloads that they run.
    let is_within = text(object, &["roleRef", "kind"]) == "Role";
    if is_within && subjects.iter().all(is_own_account) {
        Some(StrayReason::Within(tenant, gives))
    } else {
        Some(StrayReason::Widens(tenant, gives))
    }
}

/// A binding in every namespace that has a tenant among its subjects.
fn cluster_role_binding(wanted: &Desired, object: &Value) -> Option<StrayReason> {
    let mut subjects = object.at(&["subjects"]).items().iter();
    let (tenant, subject) = subjects.find_map(|subject| {
        let tenant = tenant_of_subject(wanted, subject)?;
        wanted.asks(Some(tenant)).then_some((tenant, subject))
    })?;

    let gives = format!(
        "it gives {} to {}, in every namespace",
        role_name(object),
        subject_name(subject)
    );
    Some(StrayReason::Widens(tenant, gives))
}

/// A policy in a tenant's namespace that lets traffic through.
fn network_policy(tenant: u32, id: &ObjectId, object: &Value) -> Option<StrayReason> {
    let Some(dialect) = Dialect::of(id) else {
        let text = "a policy of the network plugin's own kind adds to ours, or overrides it";
        return Some(StrayReason::Widens(tenant, text.into()));
    };
    let policy = match dialect.read(object) {
        Ok(policy) => policy,
        Err(reason) => {
            let text = format!("it cannot be understood: {reason}");
            return Some(StrayReason::Widens(tenant, text));
        }
    };

    let rules = |direction: Direction| policy.rules(direction).unwrap_or_default();
    let is_open = |direction: &Direction| {
        let mut rules = rules(*direction).iter();
        rules.any(|rule| rule.peers.is_empty())
    };

    let mut allowed = Direction::BOTH.to_vec();
    allowed.retain(|direction| !rules(*direction).is_empty());
    let open: Vec<Direction> = allowed.iter().copied().filter(is_open).collect();

    let text = match (open.as_slice(), allowed.as_slice()) {
        ([], []) => return None,
        ([], [Direction::Ingress]) => "it allows ingress",
        ([], [Direction::Egress]) => "it allows egress",
        ([], _) => "it allows ingress and egress",
        ([Direction::Ingress], _) => "it lets everybody in",
        ([Direction::Egress], _) => "it lets everything out",
        _ => "it lets everybody in, and everything out",
    };
    Some(StrayReason::Widens(tenant, text.to_owned()))
}

/// A volume that holds the data of a tenant's deleted claim.
fn released_volume(wanted: &Desired, object: &Value) -> Option<StrayReason> {
    if text(object, &["status", "phase"]) != "Released" {
        return None;
    }

    let claim = object.at(&["spec", "claimRef"]);
    let namespace = text(claim, &["namespace"]);
    let is_ours = match wanted.home(namespace) {
        Some(tenant) => wanted.asks(Some(tenant)),
        None => wanted.only.is_none() && wanted.gone.contains(namespace),
    };

    let name = text(claim, &["name"]);
    is_ours.then(|| StrayReason::Released(format!("{namespace}/{name}")))
}

/// An object with the fleet's label. The label proves nothing: whoever may make an object may label
/// it. The rendered objects of a tenant with an error are not known.
fn orphan(wanted: &Desired, object: &Value) -> Option<StrayReason> {
    let label = |key: &str| object.at(&["metadata", "labels", key]).as_str();
    let is_ours = !wanted.owner.is_empty() && label(OWNER_LABEL) == Some(wanted.owner.as_str());
    let tenant = label(TENANT_LABEL);
    let is_known = tenant.is_none_or(|tenant| !wanted.broken.contains(tenant));

    (is_ours && is_known && wanted.only.is_none())
        .then(|| StrayReason::Orphaned(tenant.map(Text::from)))
}

/// The tenant that a binding's subject belongs to.
fn tenant_of_subject(wanted: &Desired, subject: &Value) -> Option<u32> {
    let name = text(subject, &["name"]);
    let holder = |kind: &str| wanted.holder(&format!("{kind}/{name}"));
    let after = |prefix: &str| name.strip_prefix(prefix);

    match text(subject, &["kind"]) {
        "ServiceAccount" => wanted.home(text(subject, &["namespace"])),
        "Group" => holder("group").or_else(|| wanted.home(after(ACCOUNTS_OF)?)),
        "User" => holder("user").or_else(|| {
            let account = after("system:serviceaccount:")?;
            wanted.home(account.split(':').next()?)
        }),
        _ => None,
    }
}

/// The kind and name of the role that a binding gives.
fn role_name(binding: &Value) -> String {
    let part = |key: &str| text(binding, &["roleRef", key]);
    format!("{} {}", part("kind"), part("name"))
}

/// The kind and name of a subject. The name is cut off: it may be as long as an object may be.
fn subject_name(subject: &Value) -> String {
    let name: String = text(subject, &["name"]).chars().take(120).collect();
    match text(subject, &["namespace"]) {
        "" => format!("{} {name}", text(subject, &["kind"])),
        namespace => format!("{} {namespace}/{name}", text(subject, &["kind"])),
    }
}

/// The first three of some names.
fn first_few(names: &[String]) -> String {
    match names {
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        all => all.join(", "),
    }
}

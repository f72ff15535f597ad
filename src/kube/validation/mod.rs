//! What the API server refuses: the types of fields, and the validation of Kubernetes' own kinds.
//!
//! An object that the API server refuses is never made, so that it closes nothing and grants nothing.
//! Only what is sure is refused here: a fault that hangs on other objects, on a plugin or on a
//! feature gate is not looked for. One file an API group; [`schema`] holds the types of every kind in
//! each minor.
//!
//! Source: `pkg/apis/*/validation` and the defaults of Kubernetes 1.36. A test sends generated objects
//! to a real API server and compares.

mod admissionregistration;
mod core;
mod data;
mod field;
mod immutable;
mod meta;
mod minors;
pub mod names;
mod networking;
mod pod_security;
mod rbac;
mod schema;
mod served;
mod workloads;

use super::id::{ObjectId, RBAC};
use crate::document::{TreeValue, quoting};
use crate::source::Span;
use field::Field;
pub use immutable::check_update;
pub use minors::{MinorRange, NEWEST_MINOR, OLDEST_MINOR};
pub use pod_security::{BASELINE_CAPABILITIES, PodLevel, check_pod};
pub use served::{Unserved, find_unserved};
use std::fmt;

/// Who refuses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// Every API server.
    Server,
    /// API servers from [`STRICT_NETWORKS_MINOR`] on; older ones take it.
    NewServers,
    /// Whoever applies strictly: kubectl and Flux. Others drop the field, and the server takes the rest.
    StrictClients,
}

/// The first minor of Kubernetes 1 that refuses unusual spellings of addresses and networks.
const STRICT_NETWORKS_MINOR: u32 = 36;

/// Whether what [`RefusedBy::NewServers`] refuse is refused on servers of a minor, or on some if it is
/// not known.
fn is_new_server(minor: Option<u32>) -> bool {
    minor.is_none_or(|minor| minor >= STRICT_NETWORKS_MINOR)
}

/// Why an object is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who refuses it.
    pub by: RefusedBy,
    /// The field, such as `spec.ingress[0].ports[0].port`.
    pub field: String,
    /// The place of the field, or of the nearest one around it that is there.
    pub span: Option<Span>,
    /// What is wrong with it.
    pub reason: String,
    /// The minors that have the field, if the cluster's minor does not.
    pub minors: Option<MinorRange>,
}

impl Refusal {
    /// Whether servers of another minor may take the object.
    pub fn hangs_on_minor(&self) -> bool {
        self.minors.is_some() || self.by == RefusedBy::NewServers
    }

    /// The same without what it quotes of the object: that of a Secret.
    fn without_values(self) -> Self {
        const FIELDS: [&str; 5] = ["data", "stringData", "metadata", "type", "immutable"];
        let top = self.field.split(['.', '[']).next().unwrap_or_default();
        let known = FIELDS.into_iter().find(|field| *field == top);
        let field = match known {
            Some(field) if field == self.field => field.to_owned(),
            Some(field) => format!("a value in {field}"),
            None => "a field".to_owned(),
        };

        let is_own = |start: &&str| self.reason.starts_with(start);
        let reason = match ["must ", "has ", "is no field", "is immutable"]
            .iter()
            .any(is_own)
        {
            true => self.reason,
            false => "is not taken, and is not shown, as nothing of a Secret is".to_owned(),
        };
        Self {
            field,
            reason,
            ..self
        }
    }
}

/// A sentence without a subject: `the API server refuses it: …`.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match self.by {
            RefusedBy::Server => "the API server refuses it",
            RefusedBy::NewServers => {
                return write!(
                    f,
                    "API servers from 1.{STRICT_NETWORKS_MINOR} on refuse it: {} {}",
                    self.field, self.reason
                );
            }
            RefusedBy::StrictClients => {
                "kubectl and Flux refuse it, and other clients drop the field"
            }
        };
        write!(f, "{who}: {} {}", self.field, self.reason)
    }
}

/// The result of a check: the first reason to refuse.
type Checked = Result<(), Box<Refusal>>;

/// Checks an object: all of one of Kubernetes' own kinds, the metadata of another one. `None` if the
/// API server takes it. `minor` is that of Kubernetes 1 on the cluster; if it is not known, a field
/// that any minor has is taken.
pub fn check<T: TreeValue>(
    id: &ObjectId,
    api_version: &str,
    object: &T,
    minor: Option<u32>,
) -> Option<Box<Refusal>> {
    let root = Field::root(object);
    let mut fields = schema::FieldCheck::new(minor);
    let checked = fields
        .check(api_version, &id.kind, &root)
        .and_then(|()| meta::check(id, &root, minor))
        .and_then(|()| check_kind(id, &root, minor));

    let refusal = checked.err().or(fields.unknown)?;
    Some(match quoting::is_secret(object) {
        true => Box::new(refusal.without_values()),
        false => refusal,
    })
}

/// Checks the types and the names of an object's fields alone, as [`check`] does among other things.
pub fn check_fields<T: TreeValue>(
    id: &ObjectId,
    api_version: &str,
    object: &T,
    minor: Option<u32>,
) -> Option<Box<Refusal>> {
    let mut fields = schema::FieldCheck::new(minor);
    let checked = fields.check(api_version, &id.kind, &Field::root(object));
    checked.err().or(fields.unknown)
}

/// Checks the amounts of a LimitRange's item of the type Container. `None` if the API server takes
/// them.
pub fn check_container_limits<T: TreeValue>(item: &T) -> Option<Box<Refusal>> {
    core::limit_amounts(&Field::root(item), "Container").err()
}

/// The checks of one kind, beyond the types of its fields and its metadata.
fn check_kind<T: TreeValue>(id: &ObjectId, root: &Field<'_, T>, minor: Option<u32>) -> Checked {
    match (&*id.group, &*id.kind) {
        ("", "Namespace") => core::namespace(root),
        ("", "ResourceQuota") => core::resource_quota(root),
        ("", "LimitRange") => core::limit_range(root),
        ("", "Service") => core::service(root, minor),
        ("", "PersistentVolume") => core::persistent_volume(root),
        ("", "PersistentVolumeClaim") => core::persistent_volume_claim(root),
        ("", "ConfigMap") => data::config_map(root),
        ("", "Secret") => data::secret_data(root),
        ("", "Pod") => workloads::pod(root),
        ("apps", "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet") => {
            workloads::selecting(root)
        }
        ("batch", "Job") => workloads::job(root),
        ("batch", "CronJob") => workloads::cron_job(root),
        ("networking.k8s.io", "NetworkPolicy") => networking::network_policy(root, minor),
        ("networking.k8s.io", "Ingress") => networking::ingress(root),
        (RBAC, "Role") => rbac::role(root, true),
        (RBAC, "ClusterRole") => rbac::role(root, false),
        (RBAC, "RoleBinding") => rbac::binding(root, true),
        (RBAC, "ClusterRoleBinding") => rbac::binding(root, false),
        ("admissionregistration.k8s.io", kind) => admissionregistration::check(kind, root),
        _ => Ok(()),
    }
}

//! Tenant: one team, its namespaces and where they run.

mod network;
mod sync;

pub use network::{Audience, Isolation, Network, Peer, Port, PortRule, Protocol, Provision};
pub use sync::{
    BucketSource, Cosign, GitSource, HelmSource, Notification, OciSource, Placement, SecretHolder,
    Sync, Verify,
};

use super::leaf::{
    Date, FilePath, HostPattern, Keyed, LabelKey, LabelValue, Line, Name, ObjectName, Principal,
    QuotaKey, RbacName, Uuid,
};
use crate::document::Spanned;
use crate::kube::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A map of labels, keys and values checked.
pub type Labels = Keyed<LabelKey, Spanned<LabelValue>>;
/// A map of annotations, keys checked.
pub type Annotations = Keyed<LabelKey, Spanned<String>>;
/// Amounts by quota key: the `hard` of a ResourceQuota.
pub type Quota = Keyed<QuotaKey, Spanned<Quantity>>;
/// Amounts by resource.
pub type Resources = Keyed<LabelKey, Spanned<Quantity>>;

/// What a tenant is, or a part of it: a Profile's defaults and ceiling have the same shape.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSpec {
    /// A UUID that outlives renames. `new tenant` writes one; nothing else invents one.
    pub uuid: Option<Spanned<Uuid>>,
    /// A name for people: an annotation of the namespaces.
    pub display_name: Option<Spanned<Line>>,
    /// A text for people: an annotation of the namespaces. The one field that may hold tabs and
    /// newlines.
    #[schemars(length(max = 8192))]
    pub description: Option<Spanned<String>>,
    /// Free values, checked by the fleet's parametersSchema, for templates.
    pub parameters: Option<Spanned<serde_json::Map<String, serde_json::Value>>>,
    /// The Profile whose defaults apply: `restricted`, `baseline`, `adopted` or one of the fleet's.
    /// The fleet's defaultProfile when left out.
    pub profile: Option<Spanned<Name>>,
    /// The clusters it runs on. May be left out where there is only one.
    pub clusters: Option<Vec<Spanned<Name>>>,
    /// The clusters it runs on, by their labels.
    pub cluster_selector: Option<Spanned<LabelSelector>>,
    /// Fields that differ on some clusters. The last matching one wins.
    #[schemars(length(max = 64))]
    pub overrides: Option<Vec<Override>>,
    /// Who owns it. Bound to the role `owner` in every namespace unless they say otherwise.
    #[schemars(length(max = 256))]
    pub owners: Option<Vec<Spanned<Subject>>>,
    /// Others, each with a role.
    #[schemars(length(max = 512))]
    pub members: Option<Vec<Spanned<Subject>>>,
    /// Its namespaces, on every one of its clusters.
    #[schemars(length(max = 256))]
    pub namespaces: Option<Vec<Spanned<Namespace>>>,
    /// Amounts for the whole tenant, per cluster: split over its namespaces.
    pub quota: Option<Quota>,
    /// Defaults and bounds for a container.
    pub limits: Option<Limits>,
    /// What may reach it, and what it may reach.
    pub network: Option<Network>,
    /// The Pod Security level of its namespaces.
    pub pod_security: Option<PodSecurity>,
    /// Which parts of the floor are rendered. `external` takes a waiver of `bundle/floor-external`.
    pub floor: Option<Floor>,
    /// What it may claim for itself.
    pub allow: Option<Allow>,
    /// Where its own manifests come from.
    #[schemars(length(max = 64))]
    pub sync: Option<Vec<Spanned<Sync>>>,
    /// Files that are passed through byte for byte, relative to this file.
    #[schemars(length(max = 256))]
    pub manifests: Option<Vec<Spanned<FilePath>>>,
    /// Objects that must be among the inputs.
    pub requires: Option<Vec<Spanned<Requirement>>>,
    /// Other programs' output to equal, object for object.
    pub compat: Option<Compat>,
}

/// Fields that differ on some clusters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The clusters, by name.
    pub clusters: Option<Vec<Spanned<Name>>>,
    /// The clusters, by their labels.
    pub cluster_selector: Option<Spanned<LabelSelector>>,
    /// Amounts for the whole tenant.
    pub quota: Option<Quota>,
    /// Defaults and bounds for a container.
    pub limits: Option<Limits>,
    /// What may reach it, and what it may reach.
    pub network: Option<Network>,
    /// The Pod Security level.
    pub pod_security: Option<PodSecurity>,
    /// Which parts of the floor are rendered.
    pub floor: Option<Floor>,
    /// What it may claim for itself.
    pub allow: Option<Allow>,
    /// Others, each with a role.
    pub members: Option<Vec<Spanned<Subject>>>,
    /// Where its own manifests come from.
    pub sync: Option<Vec<Spanned<Sync>>>,
}

/// Labels that must all be there.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// Labels and their values.
    pub match_labels: Keyed<LabelKey, LabelValue>,
}

/// A user, group or service account, and what it is given. Exactly one of group, user and
/// serviceAccount.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// A group of the identity provider.
    pub group: Option<Spanned<Principal>>,
    /// A user of the identity provider.
    pub user: Option<Spanned<Principal>>,
    /// A service account of one of the tenant's namespaces.
    pub service_account: Option<Spanned<ServiceAccountRef>>,
    /// A role of the catalogue or of the fleet. `none` for an owner who is bound elsewhere.
    pub role: Option<Spanned<Name>>,
    /// A ClusterRole by name. `cluster-admin` takes a waiver of `api/cluster-admin`.
    pub cluster_role: Option<Spanned<RbacName>>,
    /// `tenant`: in every namespace. `namespace`: in those listed.
    pub level: Option<Spanned<Reach>>,
    /// The namespaces, for the level `namespace`.
    pub namespaces: Option<Vec<Spanned<Name>>>,
    /// The name of the RoleBinding. The role's name when left out.
    pub binding: Option<Spanned<RbacName>>,
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Reach {
    /// Every namespace of the tenant.
    Tenant,
    /// The namespaces listed.
    Namespace,
}

/// A service account.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountRef {
    /// The namespace, by its name in this tenant.
    pub namespace: Name,
    /// The name.
    pub name: ObjectName,
}

/// A namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Namespace {
    /// The name. The namespace in the cluster is called by the fleet's naming.namespace: this,
    /// unless it says otherwise.
    pub name: Spanned<Name>,
    /// Labels of the namespace.
    pub labels: Option<Labels>,
    /// Annotations of the namespace.
    pub annotations: Option<Annotations>,
    /// Amounts of its own, taken out of the tenant's.
    pub quota: Option<Quota>,
    /// Defaults and bounds for a container.
    pub limits: Option<Limits>,
    /// What may reach it, and what it may reach.
    pub network: Option<Network>,
    /// The Pod Security level.
    pub pod_security: Option<PodSecurity>,
    /// Which parts of the floor are rendered.
    pub floor: Option<Floor>,
    /// It exists in the cluster already, and is taken over as it is.
    pub adopt: Option<Spanned<bool>>,
    /// Names of floor objects that exist already.
    pub names: Option<FloorNames>,
}

/// Names of floor objects, where they are not the usual ones.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FloorNames {
    /// The ResourceQuota; `quota` when left out.
    pub quota: Option<Spanned<ObjectName>>,
    /// The LimitRange; `limits` when left out.
    pub limits: Option<Spanned<ObjectName>>,
}

/// Defaults and bounds for each container (the LimitRange).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The limit of a container that names none.
    pub default: Option<Resources>,
    /// The request of a container that names none.
    pub default_request: Option<Resources>,
    /// The smallest request.
    pub min: Option<Resources>,
    /// The largest limit.
    pub max: Option<Resources>,
    /// The largest ratio of limit to request.
    pub max_limit_request_ratio: Option<Resources>,
}

/// The Pod Security level.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurity {
    /// The level.
    pub level: Option<Spanned<PodSecurityLevel>>,
    /// The version of the standard: `latest` or `v1.34`. No label when left out.
    #[schemars(regex(pattern = r"^(latest|v1\.[0-9]+)$"))]
    pub version: Option<Spanned<String>>,
    /// Which of the three labels are set. All when left out.
    pub modes: Option<Vec<PodSecurityMode>>,
    /// `rendered`: as labels of the namespace. `external`: something else sets them (Rancher).
    pub management: Option<Spanned<Management>>,
}

/// A level of the Pod Security Standards, from the strictest.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "camelCase")]
pub enum PodSecurityLevel {
    /// Hardened.
    Restricted,
    /// No known privilege escalation.
    Baseline,
    /// Anything.
    Privileged,
}

/// What is done about a pod below the level.
#[derive(
    Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord,
)]
#[serde(rename_all = "camelCase")]
pub enum PodSecurityMode {
    /// It is refused.
    Enforce,
    /// It is noted in the audit log.
    Audit,
    /// Its author is warned.
    Warn,
}

/// Who writes a part of the floor.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Management {
    /// It is rendered.
    Rendered,
    /// Something else does, or nothing.
    External,
}

/// Which parts of the floor are rendered.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Floor {
    /// The `default` ServiceAccount without a token.
    pub service_account: Option<Spanned<Management>>,
    /// The NetworkPolicies.
    pub network: Option<Spanned<Management>>,
    /// The ResourceQuota.
    pub quota: Option<Spanned<Management>>,
    /// The LimitRange.
    pub limits: Option<Spanned<Management>>,
}

/// What a tenant may claim for itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allow {
    /// Host names of its Ingresses and routes. No two tenants claim one, nor one within another's
    /// wildcard.
    #[schemars(length(max = 1024))]
    pub ingress_hosts: Option<Vec<Spanned<HostPattern>>>,
}

/// An object that must be among the inputs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// The group and version.
    pub api_version: Line,
    /// The kind.
    pub kind: Line,
    /// The namespace, for a namespaced kind.
    pub namespace: Option<Name>,
    /// The name.
    pub name: ObjectName,
}

/// Other programs' output to equal, object for object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compat {
    /// Exactly what `flux create tenant --export` prints, and nothing else: no floor. Takes a
    /// waiver of `bundle/flux-create-tenant`.
    pub flux_create_tenant: Option<Spanned<bool>>,
    /// The ClusterRole it binds (`--cluster-role`); `cluster-admin` when left out.
    pub cluster_role: Option<Spanned<RbacName>>,
    /// Adds the user `gotk:NAMESPACE:reconciler` to the sync's RoleBindings, as old Flux versions
    /// impersonated it.
    pub gotk_user: Option<Spanned<bool>>,
}

/// The loosening of a rule for a tenant: who allowed it, why, and until when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaiverSpec {
    /// The rule that is waived.
    pub rule: Spanned<super::leaf::RuleId>,
    /// The tenant.
    pub tenant: Spanned<Name>,
    /// The objects it holds for, as `Kind/namespace/name`. All of the tenant's when left out.
    pub objects: Option<Vec<Spanned<super::leaf::ObjectId>>>,
    /// Why.
    #[schemars(length(min = 1))]
    pub reason: Line,
    /// Who allowed it: one of the fleet's waivers.approvers, where those are set.
    pub approved_by: Spanned<Principal>,
    /// When it was allowed: `"2026-11-22"`, quoted.
    pub approved_at: Spanned<Date>,
    /// The last day: `"2027-04-01"`, quoted.
    pub expires: Spanned<Date>,
}

/// Defaults that tenants inherit, and what they may not change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSpec {
    /// One Profile whose defaults, enforced and ceiling hold too.
    pub extends: Option<Spanned<Name>>,
    /// Fields of a tenant, for those who do not set them.
    pub defaults: Option<TenantSpec>,
    /// Fields that a tenant may not set, as `podSecurity.level`.
    pub enforced: Option<Vec<Spanned<super::leaf::FieldPath>>>,
    /// The most that a tenant may set: amounts, and lists.
    pub ceiling: Option<TenantSpec>,
}

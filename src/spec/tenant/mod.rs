//! Tenant: one team, its namespaces and where they run.

mod network;
mod sync;

pub use network::{
    Audience, Isolation, Network, PeerSpec, PortRule, PortSpec, ProtocolSpec, Provision,
};
pub use sync::{
    BucketSource, Cosign, GitSource, HelmSource, Notification, OciSource, Placement, SecretHolder,
    SyncSpec, VerifySpec,
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
    /// A UUID that stays the same when the tenant is renamed. `tenantry new tenant` writes one.
    ///
    /// Default: none.
    /// Renders: the labels of the fleet's `labelKeys.uuid` on every object of the tenant.
    /// Rules: `tenancy/claimed-twice`.
    pub uuid: Option<Spanned<Uuid>>,
    /// A name for people.
    ///
    /// Default: none.
    /// Renders: the annotation `tenantry.dev/display-name` of each Namespace.
    #[schemars(length(max = 8192))]
    pub display_name: Option<Spanned<Line>>,
    /// A text for people. It is the only field that may hold tabs and line breaks.
    ///
    /// Default: none.
    /// Renders: the annotation `tenantry.dev/description` of each Namespace.
    #[schemars(length(max = 8192))]
    pub description: Option<Spanned<String>>,
    /// Free values for the fleet's own templates, which read them as `tenant.parameters`. The
    /// fleet's `parametersSchema` checks them.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/parameters`.
    pub parameters: Option<Spanned<serde_json::Map<String, serde_json::Value>>>,
    /// The profile whose defaults, enforced fields and ceiling apply: `restricted`, `baseline`,
    /// `adopted` or a profile of the fleet.
    ///
    /// Default: the fleet's `defaultProfile`.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/unknown-profile`, `tenancy/enforced`, `tenancy/ceiling`,
    /// `admission/pod-security-loosened`.
    pub profile: Option<Spanned<Name>>,
    /// The clusters that the tenant runs on, by name.
    ///
    /// Default: the fleet's only cluster; a fleet with several clusters needs `clusters` or
    /// `clusterSelector`.
    /// Renders: a file of the tenant for each cluster.
    /// Rules: `tenancy/incomplete`, `tenancy/unknown-cluster`, `tenancy/ceiling`, `spec/one-of`.
    pub clusters: Option<Vec<Spanned<Name>>>,
    /// The clusters that the tenant runs on, by their labels. A tenant has `clusters` or
    /// `clusterSelector`, not both.
    ///
    /// Default: none.
    /// Renders: a file of the tenant for each matching cluster.
    /// Rules: `tenancy/unknown-cluster`, `tenancy/ceiling`, `spec/one-of`.
    pub cluster_selector: Option<Spanned<LabelSelector>>,
    /// Fields that differ on some clusters. If several entries match a cluster, the last one wins.
    ///
    /// Default: none.
    /// Renders: what its fields render, on the matching clusters.
    #[schemars(length(max = 64))]
    pub overrides: Option<Vec<Override>>,
    /// The owners. Each has the role `owner` in every namespace unless the entry says otherwise.
    ///
    /// Default: one group, made by the fleet's `organisation.groupTemplate`; without a template the
    /// field is needed.
    /// Renders: a subject of the RoleBinding `owner` in each namespace.
    /// Rules: `tenancy/incomplete`, `tenancy/derived-name`.
    #[schemars(length(max = 256))]
    pub owners: Option<Vec<Spanned<SubjectSpec>>>,
    /// Other users, groups and service accounts. Each entry names a role.
    ///
    /// Default: none.
    /// Renders: a subject of a RoleBinding in each namespace that the entry reaches.
    #[schemars(length(max = 512))]
    pub members: Option<Vec<Spanned<SubjectSpec>>>,
    /// The namespaces of the tenant, on each of its clusters. A tenant needs at least one.
    ///
    /// Default: none.
    /// Renders: a Namespace with its floor, for each entry.
    /// Rules: `tenancy/incomplete`, `tenancy/renders-too-much`.
    #[schemars(length(max = 256))]
    pub namespaces: Option<Vec<Spanned<NamespaceSpec>>>,
    /// The tenant's total on each cluster. It is split over the namespaces: a namespace's own
    /// amount is taken out, and the others get equal parts of the rest.
    ///
    /// Default: the profile's. `restricted` has: pods 50, requests.cpu 20, requests.memory 64Gi,
    /// limits.cpu 40, limits.memory 128Gi, persistentvolumeclaims 20, services.loadbalancers 0,
    /// services.nodeports 0.
    /// Renders: `spec.hard` of the ResourceQuota `quota` in each namespace.
    /// Rules: `resources/quota-over-tenant`, `resources/quota-without-defaults`,
    /// `resources/quota-without-effect`,
    /// `resources/over-capacity`, `resources/over-promised`, `tenancy/ceiling`.
    pub quota: Option<Quota>,
    /// Defaults and bounds for each container.
    ///
    /// Default: the profile's, field by field.
    /// Renders: the LimitRange `limits` in each namespace.
    pub limits: Option<Limits>,
    /// What pods of the tenant may reach, and what may reach them.
    ///
    /// Default: the profile's, field by field.
    /// Renders: the NetworkPolicies `default-deny`, `allow-dns`, `allow-intra`, `allow-egress` and
    /// `allow-ingress` in each namespace.
    pub network: Option<Network>,
    /// The Pod Security level of the tenant's namespaces.
    ///
    /// Default: the profile's, field by field.
    /// Renders: the labels `pod-security.kubernetes.io/*` of each Namespace.
    pub pod_security: Option<PodSecurity>,
    /// The parts of the floor that tenantry renders, and those that something else provides.
    ///
    /// Default: the profile's, field by field.
    /// Renders: the parts that are `rendered`.
    pub floor: Option<Floor>,
    /// What the tenant may claim for itself.
    ///
    /// Default: nothing is allowed.
    /// Renders: nothing.
    pub allow: Option<Allow>,
    /// The sources from which Flux applies the tenant's own manifests.
    ///
    /// Default: none.
    /// Renders: for each entry a Flux source, and a Kustomization or HelmRelease.
    #[schemars(length(max = 64))]
    pub sync: Option<Vec<Spanned<SyncSpec>>>,
    /// Files with objects of the tenant, which are copied byte for byte. The path is relative to
    /// the file that names it.
    ///
    /// Default: none.
    /// Renders: the objects of the files, in the tenant's files.
    /// Rules: `bundle/manifest`, `bundle/manifest-not-allowed`, `bundle/manifest-floor`,
    /// `bundle/duplicate-object`, `bundle/kind-not-declared`, `api/cluster-admin`,
    /// `api/floor-writing-role`, `bundle/through-controller`, `tenancy/claimed-twice`.
    #[schemars(length(max = 256))]
    pub manifests: Option<Vec<Spanned<FilePath>>>,
    /// The Secret with the key that decrypts the Secrets of `manifests` that SOPS encrypted. It lies
    /// in Flux's namespace. It needs `delivery.manifests: own` in the fleet.
    ///
    /// Default: none; encrypted manifests are refused.
    /// Renders: `spec.decryption` of the Kustomization `manifests-TENANT`, with the provider `sops`.
    /// Rules: `gitops/manifests-key`.
    pub decryption: Option<Spanned<SecretHolder>>,
    /// Objects that must be among the rendered objects of each of the tenant's clusters.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `bundle/required-missing`.
    pub requires: Option<Vec<Spanned<RequirementSpec>>>,
    /// Settings that make the output equal to that of another program.
    ///
    /// Default: none.
    /// Renders: see its fields.
    pub compat: Option<Compat>,
}

impl TenantSpec {
    /// The field `compat.fluxCreateTenant`, if it is true.
    pub fn flux_create_tenant(&self) -> Option<&Spanned<bool>> {
        let flag = self.compat.as_ref()?.flux_create_tenant.as_ref()?;
        flag.value.then_some(flag)
    }
}

/// Fields that differ on some clusters.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The clusters that the entry is for, by name. An entry needs `clusters` or `clusterSelector`.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/unknown-cluster`, `spec/one-of`.
    pub clusters: Option<Vec<Spanned<Name>>>,
    /// The clusters that the entry is for, by their labels.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/unknown-cluster`, `spec/one-of`.
    pub cluster_selector: Option<Spanned<LabelSelector>>,
    /// The tenant's total on these clusters.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.quota`.
    /// Rules: `resources/quota-over-tenant`, `resources/quota-without-defaults`,
    /// `resources/quota-without-effect`,
    /// `resources/over-capacity`, `resources/over-promised`, `tenancy/ceiling`, `tenancy/enforced`.
    pub quota: Option<Quota>,
    /// Defaults and bounds for each container on these clusters.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.limits`.
    pub limits: Option<Limits>,
    /// What pods may reach, and what may reach them, on these clusters.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.network`.
    pub network: Option<Network>,
    /// The Pod Security level on these clusters.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.podSecurity`.
    pub pod_security: Option<PodSecurity>,
    /// The parts of the floor that are rendered on these clusters.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.floor`.
    pub floor: Option<Floor>,
    /// What the tenant may claim on these clusters.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.allow`.
    pub allow: Option<Allow>,
    /// Users, groups and service accounts on these clusters. The list replaces the tenant's.
    ///
    /// Default: the tenant's own.
    /// Renders: as `spec.members`.
    pub members: Option<Vec<Spanned<SubjectSpec>>>,
    /// Sources on these clusters. Entries merge with the tenant's by name.
    ///
    /// Default: the tenant's own.
    /// Renders: as `spec.sync`.
    pub sync: Option<Vec<Spanned<SyncSpec>>>,
}

/// Labels that must all be there.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelSelector {
    /// The labels, with their values. All of them must be present.
    ///
    /// Renders: nothing by itself.
    pub match_labels: Keyed<LabelKey, LabelValue>,
}

/// A user, group or service account, and what it is given. Exactly one of group, user and
/// serviceAccount.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Subject")]
pub struct SubjectSpec {
    /// A group of the identity provider. An entry names one of `group`, `user` and
    /// `serviceAccount`.
    ///
    /// Default: none.
    /// Renders: a subject of kind Group.
    /// Rules: `tenancy/shared-subject`, `spec/one-of`.
    pub group: Option<Spanned<Principal>>,
    /// A user of the identity provider.
    ///
    /// Default: none.
    /// Renders: a subject of kind User.
    /// Rules: `tenancy/shared-subject`, `spec/one-of`.
    pub user: Option<Spanned<Principal>>,
    /// A service account of one of the tenant's namespaces.
    ///
    /// Default: none.
    /// Renders: a subject of kind ServiceAccount.
    /// Rules: `tenancy/foreign-account`, `spec/one-of`.
    pub service_account: Option<Spanned<ServiceAccountRef>>,
    /// A built-in role (`owner`, `operator`, `developer`, `viewer`, `secrets-viewer`, `pod-reader`,
    /// `deployer`) or a role of the fleet. `none` is for an owner who is bound elsewhere.
    ///
    /// Default: `owner` for an owner; a member needs `role` or `clusterRole`.
    /// Renders: `roleRef` of the RoleBinding: the ClusterRole `tenantry-ROLE`.
    /// Rules: `tenancy/unknown-role`, `api/wildcard-role`, `api/floor-writing-role`,
    /// `spec/one-of`.
    pub role: Option<Spanned<Name>>,
    /// A ClusterRole of the cluster, by name. `cluster-admin`, `admin` and `edit` need a waiver.
    ///
    /// Default: none.
    /// Renders: `roleRef` of the RoleBinding.
    /// Rules: `api/cluster-admin`, `api/floor-writing-role`, `tenancy/unknown-role`,
    /// `spec/one-of`.
    pub cluster_role: Option<Spanned<RbacName>>,
    /// The namespaces in which the role is granted: `tenant` is every namespace of the tenant,
    /// `namespace` those in `namespaces`.
    ///
    /// Default: `tenant`.
    /// Renders: nothing by itself.
    /// Rules: `spec/one-of`.
    pub level: Option<Spanned<ReachSpec>>,
    /// The namespaces for the level `namespace`, by their names in this tenant.
    ///
    /// Default: none.
    /// Renders: RoleBindings in these namespaces alone.
    /// Rules: `network/unknown-peer`, `spec/one-of`.
    pub namespaces: Option<Vec<Spanned<Name>>>,
    /// The name of the RoleBinding. One name stands for one ClusterRole.
    ///
    /// Default: the name of the role or ClusterRole.
    /// Renders: `metadata.name` of the RoleBinding.
    /// Rules: `tenancy/unknown-role`.
    pub binding: Option<Spanned<RbacName>>,
}

/// How far a role reaches.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Reach")]
pub enum ReachSpec {
    /// Every namespace of the tenant.
    Tenant,
    /// The namespaces listed.
    Namespace,
}

/// A service account.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccountRef {
    /// The namespace of the service account, by its name in this tenant.
    ///
    /// Renders: `namespace` of the subject.
    /// Rules: `tenancy/foreign-account`.
    pub namespace: Name,
    /// The name of the service account.
    ///
    /// Renders: `name` of the subject.
    pub name: ObjectName,
}

/// A namespace.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Namespace")]
pub struct NamespaceSpec {
    /// The name of the namespace in this file. The fleet's `naming.namespace` makes the name in the
    /// cluster from it.
    ///
    /// Renders: `metadata.name` of the Namespace.
    /// Rules: `tenancy/duplicate-tenant`, `tenancy/claimed-twice`, `tenancy/reserved-name`,
    /// `tenancy/derived-name`.
    pub name: Spanned<Name>,
    /// Labels of this namespace, besides those of the tenant's `metadata.labels`.
    ///
    /// Default: none.
    /// Renders: labels of the Namespace.
    /// Rules: `tenancy/metadata-not-allowed`, `tenancy/reserved-metadata`.
    pub labels: Option<Labels>,
    /// Annotations of this namespace, besides those of the tenant's `metadata.annotations`.
    ///
    /// Default: none.
    /// Renders: annotations of the Namespace.
    /// Rules: `tenancy/metadata-not-allowed`, `tenancy/reserved-metadata`.
    pub annotations: Option<Annotations>,
    /// The amounts of this namespace. They are taken out of the tenant's total.
    ///
    /// Default: an equal part of what the tenant's total leaves.
    /// Renders: `spec.hard` of the namespace's ResourceQuota.
    /// Rules: `resources/quota-over-tenant`, `resources/quota-without-defaults`,
    /// `resources/quota-without-effect`, `tenancy/ceiling`,
    /// `tenancy/enforced`.
    pub quota: Option<Quota>,
    /// Defaults and bounds for each container of this namespace.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.limits`.
    pub limits: Option<Limits>,
    /// What pods of this namespace may reach, and what may reach them.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.network`.
    pub network: Option<Network>,
    /// The Pod Security level of this namespace.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.podSecurity`.
    pub pod_security: Option<PodSecurity>,
    /// The parts of the floor that are rendered in this namespace.
    ///
    /// Default: the tenant's, field by field.
    /// Renders: as `spec.floor`.
    pub floor: Option<Floor>,
    /// Whether the namespace may exist in the cluster before tenantry renders it. Flux then merges
    /// into the objects that it finds.
    ///
    /// Default: false.
    /// Renders: the annotation `kustomize.toolkit.fluxcd.io/ssa: Merge` on the namespace's service
    /// accounts and the objects of its floor.
    /// Rules: `live/foreign`.
    pub adopt: Option<Spanned<bool>>,
    /// The names of floor objects that exist already.
    ///
    /// Default: the usual names.
    /// Renders: see its fields.
    pub names: Option<FloorNames>,
}

/// Names of floor objects, where they are not the usual ones.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FloorNames {
    /// The name of the ResourceQuota.
    ///
    /// Default: `quota`.
    /// Renders: `metadata.name` of the ResourceQuota.
    pub quota: Option<Spanned<ObjectName>>,
    /// The name of the LimitRange.
    ///
    /// Default: `limits`.
    /// Renders: `metadata.name` of the LimitRange.
    pub limits: Option<Spanned<ObjectName>>,
}

/// Defaults and bounds for each container (the LimitRange).
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// The limit of a container that sets none.
    ///
    /// Default: the profile's. `restricted` has: cpu 500m, memory 512Mi.
    /// Renders: `default` of the LimitRange's item.
    /// Rules: `resources/limits-inconsistent`, `resources/quota-without-defaults`,
    /// `tenancy/ceiling`.
    pub default: Option<Resources>,
    /// The request of a container that sets none.
    ///
    /// Default: the profile's. `restricted` has: cpu 100m, memory 128Mi.
    /// Renders: `defaultRequest` of the LimitRange's item.
    /// Rules: `resources/limits-inconsistent`, `resources/quota-without-defaults`,
    /// `tenancy/ceiling`.
    pub default_request: Option<Resources>,
    /// The smallest request that a container may have.
    ///
    /// Default: none.
    /// Renders: `min` of the LimitRange's item.
    /// Rules: `resources/limits-inconsistent`.
    pub min: Option<Resources>,
    /// The largest limit that a container may have.
    ///
    /// Default: none.
    /// Renders: `max` of the LimitRange's item.
    /// Rules: `resources/limits-inconsistent`, `tenancy/ceiling`.
    pub max: Option<Resources>,
    /// The largest ratio of a container's limit to its request.
    ///
    /// Default: none.
    /// Renders: `maxLimitRequestRatio` of the LimitRange's item.
    /// Rules: `resources/limits-inconsistent`.
    pub max_limit_request_ratio: Option<Resources>,
}

/// The Pod Security level.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSecurity {
    /// The level of the Pod Security Standards. A tenant that sets `baseline` or `privileged`
    /// itself needs a waiver; a profile of the fleet may set `baseline`.
    ///
    /// Default: the profile's; `restricted` in the profile `restricted`. The profile `adopted` sets
    /// none, which counts as `privileged`.
    /// Renders: the value of the labels `pod-security.kubernetes.io/MODE`.
    /// Rules: `admission/pod-security-loosened`, `tenancy/ceiling`.
    pub level: Option<Spanned<PodSecurityLevel>>,
    /// The version of the standard: `latest`, or a minor version as `v1.34`. A tenant that sets
    /// another than `latest` needs a waiver.
    ///
    /// Default: the profile's; `latest` in the profile `restricted`.
    /// Renders: the labels `pod-security.kubernetes.io/MODE-version`.
    /// Rules: `admission/pod-security-loosened`.
    #[schemars(regex(pattern = r"^(latest|v1\.[0-9]+)$"))]
    pub version: Option<Spanned<String>>,
    /// The modes whose labels are set. `enforce` refuses a pod, `audit` writes to the audit log,
    /// `warn` warns the client.
    ///
    /// Default: all three, but only `enforce` in the profile `adopted`.
    /// Renders: a label for each mode.
    /// Rules: `admission/pod-security-loosened`.
    pub modes: Option<Vec<PodSecurityMode>>,
    /// Whether tenantry sets the labels (`rendered`) or something else does (`external`, as Rancher
    /// does). A tenant that sets `external` itself needs a waiver.
    ///
    /// Default: `rendered`.
    /// Renders: no labels, with `external`.
    /// Rules: `admission/pod-security-loosened`.
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

impl PodSecurityLevel {
    /// The level as a label has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restricted => "restricted",
            Self::Baseline => "baseline",
            Self::Privileged => "privileged",
        }
    }
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
    /// The ServiceAccount `default` without a token. `external` needs a waiver in each part of the
    /// floor.
    ///
    /// Default: the profile's; `rendered` in `restricted`, `external` in `adopted`.
    /// Renders: the ServiceAccount `default`.
    /// Rules: `bundle/floor-external`, `bundle/floor-missing`.
    pub service_account: Option<Spanned<Management>>,
    /// The NetworkPolicies.
    ///
    /// Default: the profile's; `rendered` in `restricted`, `external` in `adopted`.
    /// Renders: all NetworkPolicies of the namespace.
    /// Rules: `bundle/floor-external`, `bundle/floor-missing`.
    pub network: Option<Spanned<Management>>,
    /// The ResourceQuota.
    ///
    /// Default: `rendered`.
    /// Renders: the ResourceQuota.
    /// Rules: `bundle/floor-external`, `bundle/floor-missing`.
    pub quota: Option<Spanned<Management>>,
    /// The LimitRange.
    ///
    /// Default: `rendered`.
    /// Renders: the LimitRange.
    /// Rules: `bundle/floor-external`, `bundle/floor-missing`.
    pub limits: Option<Spanned<Management>>,
}

/// What a tenant may claim for itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Allow {
    /// Host names of the tenant's Ingresses and routes. No two tenants may claim the same host, or
    /// a host within another's wildcard.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/claimed-twice`, `tenancy/ceiling`.
    #[schemars(length(max = 1024))]
    pub ingress_hosts: Option<Vec<Spanned<HostPattern>>>,
}

/// An object that must be among the inputs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Requirement")]
pub struct RequirementSpec {
    /// The group and version of the object. The version is not compared.
    ///
    /// Renders: nothing.
    /// Rules: `bundle/required-missing`.
    pub api_version: Line,
    /// The kind of the object.
    ///
    /// Renders: nothing.
    /// Rules: `bundle/required-missing`.
    pub kind: Line,
    /// The namespace of the object, as the cluster names it.
    ///
    /// Default: none, for an object of the cluster.
    /// Renders: nothing.
    /// Rules: `bundle/required-missing`.
    pub namespace: Option<Name>,
    /// The name of the object.
    ///
    /// Renders: nothing.
    /// Rules: `bundle/required-missing`.
    pub name: ObjectName,
}

/// Other programs' output to equal, object for object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Compat {
    /// Renders exactly what `flux create tenant --export` prints, without a floor. It needs a
    /// waiver.
    ///
    /// Default: false.
    /// Renders: for each namespace a Namespace, a ServiceAccount and a RoleBinding; besides them only
    /// `manifests`.
    /// Rules: `bundle/flux-create-tenant`.
    pub flux_create_tenant: Option<Spanned<bool>>,
    /// The ClusterRole that `fluxCreateTenant` binds, as `--cluster-role` does.
    ///
    /// Default: `cluster-admin`.
    /// Renders: `roleRef.name` of that RoleBinding.
    pub cluster_role: Option<Spanned<RbacName>>,
    /// Adds the user `gotk:NAMESPACE:reconciler`, which old versions of Flux impersonate.
    ///
    /// Default: false.
    /// Renders: a subject of the RoleBindings of the tenant's syncs.
    /// Rules: none.
    pub gotk_user: Option<Spanned<bool>>,
}

/// The loosening of a rule for a tenant: who allowed it, why, and until when.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaiverSpec {
    /// The id of the rule that is waived. `tenantry rules` marks the rules that can be waived.
    ///
    /// Renders: nothing; a waiver permits what a spec says.
    /// Rules: `tenancy/waiver-dangling`, `tenancy/waiver-unused`.
    pub rule: Spanned<super::leaf::RuleId>,
    /// The tenant that the waiver is for.
    ///
    /// Renders: nothing.
    /// Rules: `tenancy/waiver-dangling`.
    pub tenant: Spanned<Name>,
    /// The objects that the waiver is for, as `Kind/namespace/name`. The error of the rule names
    /// the object.
    ///
    /// Default: all objects of the tenant.
    /// Renders: nothing.
    /// Rules: `tenancy/waiver-unused`.
    pub objects: Option<Vec<Spanned<super::leaf::ObjectId>>>,
    /// Why the exception is needed.
    ///
    /// Renders: nothing.
    #[schemars(length(min = 1))]
    pub reason: Line,
    /// Who approved the waiver: one of the fleet's `waivers.approvers`, if those are set.
    ///
    /// Renders: nothing.
    /// Rules: `tenancy/waiver-not-approved`.
    pub approved_by: Spanned<Principal>,
    /// The day of the approval, in quotes: `"2026-11-22"`. It may not be in the future.
    ///
    /// Renders: nothing.
    /// Rules: `tenancy/waiver-not-approved`.
    pub approved_at: Spanned<Date>,
    /// The last day, in quotes: `"2027-04-01"`. The fleet's `waivers.maxDays` bounds the time since
    /// the approval.
    ///
    /// Renders: nothing; after that day the tenant's files are held.
    /// Rules: `tenancy/waiver-expired`, `tenancy/waiver-expiring`, `tenancy/waiver-not-approved`.
    pub expires: Spanned<Date>,
}

/// Defaults that tenants inherit, and what they may not change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSpec {
    /// Another profile, whose defaults, enforced fields and ceiling hold too.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/unknown-profile`.
    pub extends: Option<Spanned<Name>>,
    /// Fields of a tenant's `spec`, for tenants that do not set them.
    ///
    /// Default: none.
    /// Renders: what the fields render.
    pub defaults: Option<TenantSpec>,
    /// Fields that a tenant of this profile may not set, as `podSecurity.level`: not in its `spec`,
    /// its namespaces or its overrides.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/enforced`.
    pub enforced: Option<Vec<Spanned<super::leaf::FieldPath>>>,
    /// The most that a tenant of this profile may have, whoever set it. Only `quota`, `limits`,
    /// `podSecurity`, `allow` and `clusters` can be bounded.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/ceiling`.
    pub ceiling: Option<TenantSpec>,
}

//! Fleet: the clusters, what tenants may be called, and how the tree is delivered.

use super::leaf::{
    Cidr, Duration, GroupKind, Ip, Keyed, LabelKey, LabelValue, Line, Minor, Name, ObjectName,
    OciPrefix, Pattern, RelativePath, VersionReq,
};
use super::tenant::{PortRule, Reach, Resources, Subject, Verify};
use crate::document::Spanned;
use crate::kube::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fleet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSpec {
    /// The versions of tenantry that may render this fleet.
    pub required_version: Option<Spanned<VersionReq>>,
    /// The organisation's own naming.
    pub organisation: Option<Organisation>,
    /// Labels that name the tenant on every object.
    pub label_keys: Option<LabelKeys>,
    /// How names are made.
    pub naming: Option<Naming>,
    /// Names that no tenant and no namespace may have, besides Kubernetes' own.
    pub reserved: Option<Vec<Spanned<Name>>>,
    /// What tenants may put on their namespaces. Nothing when left out.
    pub tenant_metadata: Option<TenantMetadata>,
    /// Kinds of CRDs that tenants may pass through as verbatim manifests, as `group/Kind`. They
    /// must have a namespace.
    pub tenant_kinds: Option<Vec<GroupKind>>,
    /// The Profile of a tenant that names none; `restricted` when left out.
    pub default_profile: Option<Spanned<Name>>,
    /// Users and groups that may belong to several tenants.
    pub shared_subjects: Option<Vec<Spanned<Subject>>>,
    /// A JSON Schema for the tenants' parameters.
    pub parameters_schema: Option<Spanned<serde_json::Value>>,
    /// Roles besides the catalogue's.
    pub roles: Option<Vec<Role>>,
    /// The clusters.
    pub clusters: Vec<Cluster>,
    /// How the tree is applied.
    pub delivery: Option<Delivery>,
    /// Rules for waivers.
    pub waivers: Option<WaiverRules>,
    /// Other checkouts that hold tenants of this fleet, given by `--source NAME=DIR`.
    pub sources: Option<Vec<TenantSource>>,
}

/// The organisation's own naming.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organisation {
    /// The group that owns a tenant which names no owner: `acme:tenant:{{ tenant }}`.
    pub group_template: Option<Spanned<Pattern>>,
}

/// Labels that name the tenant on every object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelKeys {
    /// Keys of labels with the tenant's name, besides `tenantry.dev/tenant`.
    pub tenant: Option<Vec<Spanned<LabelKey>>>,
    /// Keys of labels with the tenant's UUID.
    pub uuid: Option<Vec<Spanned<LabelKey>>>,
}

/// How names are made.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Naming {
    /// The name of a namespace in the cluster, of `{{ name }}` and `{{ tenant }}`.
    pub namespace: Option<Spanned<Pattern>>,
}

/// What tenants may put on their namespaces: whole keys, or prefixes that end in `/` or `.`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantMetadata {
    /// Keys or prefixes of labels.
    pub labels: Option<Vec<Line>>,
    /// Keys or prefixes of annotations.
    pub annotations: Option<Vec<Line>>,
}

/// A role besides the catalogue's: a ClusterRole `tenantry-NAME`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// The name.
    pub name: Spanned<Name>,
    /// `namespace`: it may only be given for listed namespaces.
    pub level: Option<Reach>,
    /// What it grants.
    #[schemars(length(min = 1))]
    pub rules: Vec<Spanned<PolicyRule>>,
}

/// What a role grants, as in RBAC.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRule {
    /// API groups; `""` is the core group.
    #[schemars(length(min = 1))]
    pub api_groups: Vec<Line>,
    /// Resources and subresources.
    #[schemars(length(min = 1))]
    pub resources: Vec<Line>,
    /// Verbs.
    #[schemars(length(min = 1))]
    pub verbs: Vec<Line>,
    /// Names of objects. All when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_names: Option<Vec<Line>>,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// The name; the folder of its tree.
    pub name: Spanned<Name>,
    /// Labels for clusterSelector.
    pub labels: Option<Keyed<LabelKey, LabelValue>>,
    /// The group of clusters that a change reaches together.
    pub ring: Option<Spanned<Name>>,
    /// Its Kubernetes minor version, quoted: `"1.34"`.
    pub kubernetes: Option<Spanned<Minor>>,
    /// Its network plugin.
    pub cni: Option<Cni>,
    /// Kinds beyond Kubernetes' and Flux's own that it has, as `group/version/Kind`.
    pub apis: Option<Vec<Line>>,
    /// Namespaces of the platform, which no tenant may have.
    pub platform_namespaces: Option<Vec<Name>>,
    /// Its DNS.
    pub dns: Option<Dns>,
    /// Networks of its pods.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Option<Vec<Cidr>>,
    /// Networks of its Services.
    #[serde(rename = "serviceCIDRs")]
    pub service_cidrs: Option<Vec<Cidr>>,
    /// Networks of its nodes.
    #[serde(rename = "nodeCIDRs")]
    pub node_cidrs: Option<Vec<Cidr>>,
    /// Addresses of its API server.
    pub api_server: Option<Vec<Cidr>>,
    /// Addresses of its cloud's metadata service.
    #[serde(rename = "metadataCIDRs")]
    pub metadata_cidrs: Option<Vec<Cidr>>,
    /// What it can hold.
    pub capacity: Option<Resources>,
    /// How many times its capacity may be promised.
    pub overcommit: Option<Keyed<LabelKey, Spanned<Quantity>>>,
    /// Its Flux.
    pub flux: Option<Flux>,
    /// Places of the platform that tenants may reach, or be reached from.
    pub endpoints: Option<Vec<Endpoint>>,
}

/// A network plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cni {
    /// Its name: `cilium`, `calico` …
    pub name: Spanned<Name>,
    /// Its version.
    pub version: Option<Line>,
}

/// A cluster's DNS: where tenants may ask, and no further.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// The namespace of its pods; `kube-system` when left out.
    pub namespace: Option<Name>,
    /// Labels of its pods; `k8s-app: kube-dns` when left out.
    pub pod_labels: Option<Keyed<LabelKey, LabelValue>>,
    /// Addresses of node-local caches.
    pub ips: Option<Vec<Ip>>,
}

/// A cluster's Flux.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flux {
    /// Its version.
    pub version: Option<Line>,
    /// Its namespace; `flux-system` when left out.
    pub namespace: Option<Name>,
    /// The source that holds the tree; the GitRepository `flux-system` when left out.
    pub source: Option<FluxSource>,
    /// The service account that applies the tree; `kustomize-controller` when left out.
    pub service_account: Option<ObjectName>,
    /// Where the artifact of each unit is pushed, for `delivery.source: perShard`.
    pub artifacts: Option<Artifacts>,
}

/// A registry that holds an OCI artifact for each unit of a cluster, at
/// `URL/CLUSTER/tenants/UNIT:latest` and, where it has a late part, `URL/CLUSTER/late/UNIT:latest`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifacts {
    /// `oci://`, and what stands before the cluster's name.
    pub url: OciPrefix,
    /// How often it is looked at; `1m` when left out.
    pub interval: Option<Duration>,
    /// Whose credentials are used: `generic` (a Secret, or none) when left out.
    pub provider: Option<RegistryProvider>,
    /// The Secret with its credentials, in Flux's namespace.
    pub secret_ref: Option<ObjectName>,
    /// Whether it is asked without TLS.
    pub insecure: Option<bool>,
    /// The signature that each artifact must carry. Without one, whoever may push applies what he
    /// likes.
    pub verify: Option<Verify>,
}

/// Whose credentials a registry takes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum RegistryProvider {
    /// A Secret's, or none.
    Generic,
    /// Amazon's.
    Aws,
    /// Microsoft's.
    Azure,
    /// Google's.
    Gcp,
}

impl RegistryProvider {
    /// The name in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// The source that holds the tree.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FluxSource {
    /// The kind.
    pub kind: FluxSourceKind,
    /// The name, in Flux's namespace.
    pub name: ObjectName,
}

/// A kind of source.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
pub enum FluxSourceKind {
    /// A Git repository.
    GitRepository,
    /// An OCI artifact.
    #[serde(rename = "OCIRepository")]
    OciRepository,
    /// A bucket.
    Bucket,
}

impl FluxSourceKind {
    /// The name in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GitRepository => "GitRepository",
            Self::OciRepository => "OCIRepository",
            Self::Bucket => "Bucket",
        }
    }
}

/// A place of the platform: pods of a namespace, or networks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// The name by which tenants name it.
    pub name: Spanned<Name>,
    /// The namespace of its pods.
    pub namespace: Option<Name>,
    /// Labels of its pods.
    pub pod_labels: Option<Keyed<LabelKey, LabelValue>>,
    /// Its networks.
    pub cidrs: Option<Vec<Cidr>>,
    /// Its ports, for egress that names none.
    pub ports: Option<Vec<PortRule>>,
    /// It passes requests on to other tenants (an ingress controller, a gateway).
    pub forwards: Option<bool>,
}

/// How the tree is applied.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// `flux`.
    pub engine: Option<Engine>,
    /// What a Flux Kustomization holds: a tenant, or a shard of them. `auto` is settled at a
    /// cluster's first render.
    pub unit: Option<Unit>,
    /// How many shards; `auto` is settled at a cluster's first render.
    pub shards: Option<Spanned<Shards>>,
    /// `shared`, when left out: all Kustomizations read the cluster's one source. `perShard`: each
    /// unit's reads an OCI artifact of its own, so that a commit wakes what it changes.
    pub source: Option<SourceMode>,
    /// The one file that goes where the cluster's bootstrap looks, of `{{ cluster }}`.
    pub entry: Option<Spanned<Pattern>>,
    /// Where the repository's root is within the cluster's source.
    pub repository_path: Option<RelativePath>,
}

/// A GitOps engine.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Engine {
    /// Flux.
    #[default]
    Flux,
}

/// What a Flux Kustomization holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Settled at a cluster's first render: up to 100 tenants a tenant, else a shard.
    #[default]
    Auto,
    /// One tenant: its own health, failure and removal.
    Tenant,
    /// A shard of some fifty tenants.
    Shard,
}

/// How many shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shards {
    /// Settled at a cluster's first render: the next power of two over a fiftieth of the tenants.
    Auto,
    /// This many.
    Count(u32),
}

impl<'de> Deserialize<'de> for Shards {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Count(u32),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Count(n) => Ok(Self::Count(n)),
            Raw::Text(text) if text == "auto" => Ok(Self::Auto),
            Raw::Text(_) => Err(serde::de::Error::custom("auto, or a number from 1 to 4096")),
        }
    }
}

impl JsonSchema for Shards {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Shards".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["integer", "string"], "minimum": 1, "maximum": 4096, "pattern": "^auto$"})
    }
}

/// Which source the Kustomizations read.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum SourceMode {
    /// The cluster's one source.
    Shared,
    /// An OCI artifact for each unit.
    PerShard,
}

/// Rules for waivers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaiverRules {
    /// The longest time from approval to expiry, in days; 180 when left out.
    #[schemars(range(min = 1, max = 3660))]
    pub max_days: Option<i64>,
    /// Who may approve. Anybody, where it is left out: approval itself is the forge's.
    pub approvers: Option<Vec<Line>>,
}

/// Another checkout that holds tenants of this fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSource {
    /// The name, as in `--source NAME=DIR`.
    pub name: Spanned<Name>,
    /// The tenants that it may define.
    pub tenants: Vec<Name>,
}

//! Fleet: the clusters, what tenants may be called, and how the tree is delivered.

pub use super::given::{TenantLabels, TenantRecipients};
use super::leaf::{
    Cidr, Duration, FilePath, GroupKind, Ip, Keyed, LabelKey, LabelValue, Line, Minor, Name,
    ObjectName, OciPrefix, Pattern, RelativePath, VersionReq,
};
pub use super::settled::{ManifestPlace, Settled};
use super::tenant::{PortRule, ReachSpec, Resources, SubjectSpec, VerifySpec};
use crate::document::Spanned;
use crate::kube::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The fleet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSpec {
    /// The versions of tenantry that may render this fleet, as `>=0.1.0`.
    ///
    /// Default: any version.
    /// Renders: nothing.
    /// Rules: `tenancy/required-version`.
    pub required_version: Option<Spanned<VersionReq>>,
    /// The organisation's own naming.
    ///
    /// Default: none.
    /// Renders: see its fields.
    pub organisation: Option<Organisation>,
    /// More label keys that name the tenant.
    ///
    /// Default: none.
    /// Renders: labels of every object of a tenant.
    pub label_keys: Option<LabelKeys>,
    /// How names in the cluster are made.
    ///
    /// Default: none.
    /// Renders: see its fields.
    pub naming: Option<Naming>,
    /// Names that no tenant and no namespace may have, besides those of Kubernetes and its
    /// controllers.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/reserved-name`.
    pub reserved: Option<Vec<Spanned<Name>>>,
    /// Namespaces that tenants may have, although components of a platform usually install into
    /// namespaces of these names, as `monitoring`.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/platform-name`, `tenancy/entry-without-effect`.
    pub tenant_namespaces: Option<Vec<Spanned<Name>>>,
    /// The labels and annotations that tenants may set on their namespaces. An entry is a key, or a
    /// prefix that ends in `/` or `.`.
    ///
    /// Default: tenants may set none.
    /// Renders: nothing.
    pub tenant_metadata: Option<AllowedMetadata>,
    /// Labels that the platform gives tenants. `provides[].to.tenantSelector` selects by these labels
    /// alone: a tenant writes its `metadata.labels` itself.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `network/unselectable-label`.
    pub tenant_labels: Option<Vec<TenantLabels>>,
    /// Kinds of custom resources that tenants may have in `manifests`, as `group/Kind`, or
    /// `group/Kind/plural` if the plural is not regular. They must have a namespace.
    ///
    /// Default: the usual namespaced kinds of Kubernetes and Flux alone.
    /// Renders: nothing.
    /// Rules: `bundle/manifest-not-allowed`.
    pub tenant_kinds: Option<Vec<GroupKind>>,
    /// Files of this repository with the CustomResourceDefinitions of custom kinds, relative to this
    /// file. Objects of these kinds are held against their schemas; rules in CEL are not evaluated.
    ///
    /// Default: objects of custom kinds are not held against a schema.
    /// Renders: nothing.
    /// Rules: `bundle/manifest-refused`, `bundle/object-invalid`,
    /// `bundle/custom-resource-definition`, `bundle/definition-not-read`.
    pub custom_resource_definitions: Option<Vec<Spanned<FilePath>>>,
    /// The profile of a tenant that names none.
    ///
    /// Default: `restricted`.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/unknown-profile`.
    pub default_profile: Option<Spanned<Name>>,
    /// Groups and users that may belong to several tenants. Only `group` and `user` have an effect
    /// here.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/shared-subject`.
    pub shared_subjects: Option<Vec<Spanned<SubjectSpec>>>,
    /// SOPS recipients that the manifests of several tenants may be encrypted to, such as the
    /// platform's recovery key: a public key of age, a full fingerprint of PGP, the name of a key of a
    /// cloud. Their private keys are in no cluster.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `gitops/manifests-key`, `tenancy/fleet`.
    pub shared_recipients: Option<Vec<Spanned<Line>>>,
    /// SOPS recipients of single tenants. Files of other tenants may not name them, whoever named
    /// them first.
    ///
    /// Default: a recipient is of the tenant whose files named it first.
    /// Renders: nothing.
    /// Rules: `gitops/manifests-key`, `tenancy/entry-without-effect`.
    pub tenant_recipients: Option<Vec<TenantRecipients>>,
    /// A JSON Schema for the tenants' `parameters`.
    ///
    /// Default: every value is accepted.
    /// Renders: nothing.
    /// Rules: `tenancy/parameters`, `tenancy/fleet`.
    pub parameters_schema: Option<Spanned<serde_json::Value>>,
    /// Roles besides the built-in ones.
    ///
    /// Default: none.
    /// Renders: a ClusterRole `tenantry-NAME` in `platform/roles.yaml` of each cluster.
    pub roles: Option<Vec<RoleSpec>>,
    /// ClusterRoles of the clusters, besides `view`, whose rules leave the floor of tenants alone: a
    /// tenant's `clusterRole` may name them without a waiver. Their rules are not read here.
    /// `admin`, `edit`, `cluster-admin` and `system:*` take a waiver in any case.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `api/floor-writing-role`, `tenancy/entry-without-effect`.
    pub tenant_cluster_roles: Option<Vec<Spanned<Line>>>,
    /// The clusters.
    ///
    /// Renders: a folder of the tree for each cluster.
    /// Rules: `tenancy/fleet`.
    pub clusters: Vec<ClusterSpec>,
    /// How the clusters apply the tree.
    ///
    /// Default: Flux, with the defaults of its fields.
    /// Renders: the Flux Kustomizations of the tree.
    pub delivery: Option<Delivery>,
    /// Conditions that every waiver must meet.
    ///
    /// Default: the defaults of its fields.
    /// Renders: nothing.
    pub waivers: Option<WaiverRules>,
    /// Other checkouts that hold tenants of this fleet. A run gets each by `--source NAME=DIR`.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    pub sources: Option<Vec<TenantSource>>,
}

/// The organisation's own naming.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organisation {
    /// The group that owns a tenant without `owners`, as `acme:tenant:{{ tenant }}`.
    ///
    /// Default: none.
    /// Renders: the subject of the RoleBinding `owner`.
    /// Rules: `tenancy/derived-name`.
    pub group_template: Option<Spanned<Pattern>>,
}

/// Labels that name the tenant on every object.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelKeys {
    /// Label keys that hold the tenant's name, besides `tenantry.dev/tenant`.
    ///
    /// Default: none.
    /// Renders: labels of every object of a tenant.
    pub tenant: Option<Vec<Spanned<LabelKey>>>,
    /// Label keys that hold the tenant's `uuid`.
    ///
    /// Default: none.
    /// Renders: labels of every object of a tenant that has a `uuid`.
    pub uuid: Option<Vec<Spanned<LabelKey>>>,
}

/// How names are made.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Naming {
    /// The name of a namespace in the cluster, made from `{{ name }}` and `{{ tenant }}`.
    ///
    /// Default: `{{ name }}`.
    /// Renders: `metadata.name` of each Namespace.
    /// Rules: `tenancy/derived-name`.
    pub namespace: Option<Spanned<Pattern>>,
}

/// What tenants may put on their namespaces: whole keys, or prefixes that end in `/` or `.`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "TenantMetadata")]
pub struct AllowedMetadata {
    /// Keys or prefixes of labels.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/metadata-not-allowed`.
    pub labels: Option<Vec<Line>>,
    /// Keys or prefixes of annotations.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/metadata-not-allowed`.
    pub annotations: Option<Vec<Line>>,
}

/// A role besides the catalogue's: a ClusterRole `tenantry-NAME`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Role")]
pub struct RoleSpec {
    /// The name by which tenants use the role. It may not be a built-in one.
    ///
    /// Renders: the ClusterRole `tenantry-NAME`.
    /// Rules: `tenancy/fleet`.
    pub name: Spanned<Name>,
    /// Where the role may be granted: `namespace` means that a subject must list its namespaces.
    ///
    /// Default: `tenant`.
    /// Renders: nothing.
    /// Rules: `tenancy/unknown-role`.
    pub level: Option<ReachSpec>,
    /// What the role grants.
    ///
    /// Renders: `rules` of the ClusterRole.
    #[schemars(length(min = 1))]
    pub rules: Vec<Spanned<RoleRule>>,
}

/// What a role grants, as in RBAC.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "PolicyRule")]
pub struct RoleRule {
    /// API groups. `""` is the core group.
    ///
    /// Renders: `apiGroups` of the rule.
    /// Rules: `api/wildcard-role`.
    #[schemars(length(min = 1))]
    pub api_groups: Vec<Line>,
    /// Resources and subresources.
    ///
    /// Renders: `resources` of the rule.
    /// Rules: `api/wildcard-role`.
    #[schemars(length(min = 1))]
    pub resources: Vec<Line>,
    /// Verbs.
    ///
    /// Renders: `verbs` of the rule.
    /// Rules: `api/wildcard-role`.
    #[schemars(length(min = 1))]
    pub verbs: Vec<Line>,
    /// Names of objects.
    ///
    /// Default: all objects.
    /// Renders: `resourceNames` of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_names: Option<Vec<Line>>,
}

/// A cluster.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Cluster")]
pub struct ClusterSpec {
    /// The name of the cluster.
    ///
    /// Renders: the folder `rendered/NAME`, and the paths of the Flux objects.
    /// Rules: `tenancy/fleet`.
    pub name: Spanned<Name>,
    /// Labels that `clusterSelector` selects by. Templates read them as `cluster.labels`.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    /// Rules: `tenancy/unknown-cluster`.
    pub labels: Option<Keyed<LabelKey, LabelValue>>,
    /// The group of clusters that `tenantry render --ring` renders together. Templates read it as
    /// `cluster.ring`.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    pub ring: Option<Spanned<Name>>,
    /// The Kubernetes minor version, in quotes: `"1.34"`. Objects of verbatim files and templates are
    /// held against the kinds and fields of this version. Templates read it as `cluster.kubernetes`.
    ///
    /// Default: objects may have the kinds and fields of any version.
    /// Renders: nothing by itself.
    /// Rules: `bundle/manifest-refused`, `bundle/object-invalid`.
    pub kubernetes: Option<Spanned<Minor>>,
    /// The network plugin.
    ///
    /// Default: none.
    /// Renders: nothing.
    pub cni: Option<Cni>,
    /// Kinds of custom resources that the cluster has, besides those of Flux, as
    /// `group/version/Kind`.
    ///
    /// Default: every kind is accepted.
    /// Renders: nothing.
    /// Rules: `bundle/kind-not-declared`.
    pub apis: Option<Vec<Line>>,
    /// Namespaces of the platform, which no tenant may have.
    ///
    /// Default: none.
    /// Renders: nothing.
    /// Rules: `tenancy/reserved-name`.
    pub platform_namespaces: Option<Vec<Name>>,
    /// The DNS servers that pods of tenants may reach.
    ///
    /// Default: the defaults of its fields.
    /// Renders: the NetworkPolicy `allow-dns`: port 53 by UDP and TCP.
    pub dns: Option<Dns>,
    /// The networks of the pods.
    ///
    /// Default: none.
    /// Renders: `except` of an `ipBlock` that contains them.
    /// Rules: `network/cluster-range`, `network/range-undeclared`.
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Option<Vec<Spanned<Cidr>>>,
    /// The networks of the Services.
    ///
    /// Default: none.
    /// Renders: `except` of an `ipBlock` that contains them.
    /// Rules: `network/cluster-range`, `network/range-undeclared`.
    #[serde(rename = "serviceCIDRs")]
    pub service_cidrs: Option<Vec<Spanned<Cidr>>>,
    /// The networks of the nodes.
    ///
    /// Default: none.
    /// Renders: `except` of an `ipBlock` that contains them.
    /// Rules: `network/cluster-range`, `network/range-undeclared`.
    #[serde(rename = "nodeCIDRs")]
    pub node_cidrs: Option<Vec<Spanned<Cidr>>>,
    /// The addresses of the API server.
    ///
    /// Default: none.
    /// Renders: `except` of an `ipBlock` that contains them.
    /// Rules: `network/cluster-range`, `network/range-undeclared`.
    pub api_server: Option<Vec<Spanned<Cidr>>>,
    /// The addresses of the cloud's metadata service. Link-local networks and the addresses that the
    /// usual clouds have for it are closed in any case.
    ///
    /// Default: 169.254.169.254/32 and fd00:ec2::254/128.
    /// Renders: `except` of an `ipBlock` that contains them.
    /// Rules: `network/cluster-range`.
    #[serde(rename = "metadataCIDRs")]
    pub metadata_cidrs: Option<Vec<Spanned<Cidr>>>,
    /// The amounts that the cluster has.
    ///
    /// Default: none; quotas are then not compared.
    /// Renders: nothing.
    /// Rules: `resources/over-capacity`, `resources/over-promised`.
    pub capacity: Option<Resources>,
    /// By what factor the quotas of all tenants together may exceed the capacity.
    ///
    /// Default: 1, for each resource.
    /// Renders: nothing.
    /// Rules: `resources/over-promised`.
    pub overcommit: Option<Keyed<LabelKey, Spanned<Quantity>>>,
    /// The Flux of the cluster.
    ///
    /// Default: the defaults of its fields.
    /// Renders: see its fields.
    pub flux: Option<Flux>,
    /// Services of the platform that tenants may reach, or be reached from.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    pub endpoints: Option<Vec<Endpoint>>,
    /// What earlier renders settled.
    #[serde(skip)]
    #[schemars(skip)]
    pub settled: Settled,
}

/// A network plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cni {
    /// The name of the plugin: `cilium`, `calico` and others. The proof and `verify` read it.
    ///
    /// Renders: nothing.
    pub name: Spanned<Name>,
    /// The version of the plugin. No check reads it.
    ///
    /// Default: none.
    /// Renders: nothing.
    pub version: Option<Line>,
}

/// A cluster's DNS: where tenants may ask, and no further.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// The namespace of the DNS pods. No tenant may have it.
    ///
    /// Default: `kube-system`.
    /// Renders: a `namespaceSelector` of `allow-dns`.
    /// Rules: `tenancy/reserved-name`.
    pub namespace: Option<Name>,
    /// The labels of the DNS pods.
    ///
    /// Default: `k8s-app: kube-dns`.
    /// Renders: a `podSelector` of `allow-dns`.
    pub pod_labels: Option<Keyed<LabelKey, LabelValue>>,
    /// The addresses of node-local DNS caches.
    ///
    /// Default: none.
    /// Renders: an `ipBlock` of `allow-dns`, for each address.
    pub ips: Option<Vec<Ip>>,
}

/// A cluster's Flux.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flux {
    /// The version of Flux. Templates read it as `cluster.flux.version`.
    ///
    /// Default: none.
    /// Renders: nothing by itself.
    pub version: Option<Line>,
    /// The namespace of Flux. No tenant may have it.
    ///
    /// Default: `flux-system`.
    /// Renders: `metadata.namespace` of the tree's Flux objects, and of syncs with `placement:
    /// system`.
    /// Rules: `tenancy/reserved-name`.
    pub namespace: Option<Name>,
    /// The source that holds the tree.
    ///
    /// Default: the GitRepository `flux-system`.
    /// Renders: `spec.sourceRef` of the tree's Kustomizations.
    pub source: Option<FluxSource>,
    /// The service account that applies the tree.
    ///
    /// Default: `kustomize-controller`.
    /// Renders: `spec.serviceAccountName` of the tree's Kustomizations.
    pub service_account: Option<ObjectName>,
    /// The registry with an artifact for each unit. Only for `delivery.source: perShard`, which
    /// needs it.
    ///
    /// Default: none.
    /// Renders: an OCIRepository for each unit.
    /// Rules: `tree/no-registry`.
    pub artifacts: Option<Artifacts>,
}

/// A registry that holds an OCI artifact for each unit of a cluster, at
/// `URL/CLUSTER/tenants/UNIT:latest` and, where it has a late part, `URL/CLUSTER/late/UNIT:latest`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifacts {
    /// The address, up to the name of the cluster: `oci://HOST/PATH`, without a tag.
    ///
    /// Renders: `spec.url`: `URL/CLUSTER/tenants/UNIT`, and `URL/CLUSTER/late/UNIT`.
    pub url: OciPrefix,
    /// How often Flux looks at the artifact.
    ///
    /// Default: `1m`.
    /// Renders: `spec.interval`.
    pub interval: Option<Duration>,
    /// Whose credentials Flux uses. `generic` is a Secret, or none.
    ///
    /// Default: `generic`.
    /// Renders: `spec.provider`.
    pub provider: Option<RegistryProvider>,
    /// The Secret with the credentials, in the namespace of Flux.
    ///
    /// Default: none.
    /// Renders: `spec.secretRef`.
    pub secret_ref: Option<ObjectName>,
    /// Whether Flux asks the registry without TLS.
    ///
    /// Default: false.
    /// Renders: `spec.insecure`.
    /// Rules: none.
    pub insecure: Option<bool>,
    /// The signature that each artifact must carry. Without it, everybody who can push to the
    /// registry can change the cluster.
    ///
    /// Default: none.
    /// Renders: `spec.verify`.
    pub verify: Option<VerifySpec>,
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
    /// The kind of the source.
    ///
    /// Renders: `sourceRef.kind`.
    pub kind: FluxSourceKind,
    /// The name of the source, in the namespace of Flux.
    ///
    /// Renders: `sourceRef.name`.
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
    /// The name by which tenants use the endpoint (`platform: NAME`).
    ///
    /// Renders: nothing by itself.
    /// Rules: `tenancy/fleet`, `network/unknown-peer`.
    pub name: Spanned<Name>,
    /// The namespace of the endpoint's pods. No tenant may have it. An endpoint needs `namespace`
    /// or `cidrs`.
    ///
    /// Default: none.
    /// Renders: a `namespaceSelector` in the policies of tenants that use the endpoint.
    /// Rules: `tenancy/fleet`, `tenancy/reserved-name`.
    pub namespace: Option<Name>,
    /// The labels of the endpoint's pods.
    ///
    /// Default: every pod of the namespace.
    /// Renders: a `podSelector` in those policies.
    pub pod_labels: Option<Keyed<LabelKey, LabelValue>>,
    /// The networks of the endpoint.
    ///
    /// Default: none.
    /// Renders: an `ipBlock` in those policies, for each network.
    /// Rules: `tenancy/fleet`.
    pub cidrs: Option<Vec<Spanned<Cidr>>>,
    /// The ports of an egress to this endpoint that names none.
    ///
    /// Default: all ports.
    /// Renders: `ports` of the rule.
    pub ports: Option<Vec<PortRule>>,
    /// Whether the endpoint passes requests on to other tenants, as a gateway does. No check reads
    /// it.
    ///
    /// Default: false.
    /// Renders: nothing.
    /// Rules: none.
    pub forwards: Option<bool>,
}

/// How the tree is applied.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
    /// The GitOps engine.
    ///
    /// Default: `flux`.
    /// Renders: nothing by itself.
    pub engine: Option<Engine>,
    /// What one Kustomization of the tree applies: `tenant` is one tenant, `shard` some fifty of
    /// them. `auto` chooses at a cluster's first render: `tenant` for up to 100 tenants, else
    /// `shard`.
    ///
    /// Default: `auto`.
    /// Renders: a folder and a Kustomization for each unit.
    /// Rules: `tree/outgrown`, `tree/object-moved`.
    pub unit: Option<UnitChoice>,
    /// The number of shards. `auto` chooses at a cluster's first render: a fiftieth of the tenants,
    /// rounded up to a power of two.
    ///
    /// Default: `auto`.
    /// Renders: the folders `shard-NN`.
    /// Rules: `tree/outgrown`, `tree/object-moved`.
    pub shards: Option<Spanned<Shards>>,
    /// The source of the units: `shared` is the cluster's one source, `perShard` an OCI artifact
    /// for each unit, so that a commit wakes only the units that it changes.
    ///
    /// Default: `shared`.
    /// Renders: `spec.sourceRef` of the units' Kustomizations.
    /// Rules: `tree/no-registry`.
    pub source: Option<SourceMode>,
    /// Where the objects of tenants' verbatim files lie: `shared` is beside the tenant's floor,
    /// `own` a Kustomization of the tenant's own, applied after the floor as an account that is
    /// bound in the tenant's namespaces alone. `moving` prepares the move from `shared` to `own`.
    ///
    /// Default: `own` at a cluster's first render; then as the lock says.
    /// Renders: the folders `manifests`, their Kustomizations, and the accounts that apply them.
    /// Rules: `tree/object-moved`, `tree/manifests-with-floor`.
    pub manifests: Option<Spanned<ManifestPlace>>,
    /// The path of the one file that lies outside the tree, where the cluster's bootstrap looks for
    /// it. Made from `{{ cluster }}`.
    ///
    /// Default: `clusters/{{ cluster }}/tenantry.yaml`.
    /// Renders: that file, with the Kustomization `tenantry`.
    /// Rules: `tenancy/derived-name`, `tree/foreign-file`.
    pub entry: Option<Spanned<Pattern>>,
    /// The folder of the repository, from the root of the cluster's source.
    ///
    /// Default: `.`, the root.
    /// Renders: a prefix of `spec.path` of the tree's Kustomizations.
    /// Rules: `tree/repository-path`.
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

impl Engine {
    /// Every engine.
    pub const ALL: [Self; 1] = [Self::Flux];

    /// The engine as a fleet writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flux => "flux",
        }
    }
}

/// What a Flux Kustomization holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Unit")]
pub enum UnitChoice {
    /// Settled at a cluster's first render: up to 100 tenants a tenant, else a shard.
    #[default]
    Auto,
    /// One tenant: its own health, failure and removal.
    Tenant,
    /// A shard of some fifty tenants.
    Shard,
}

/// The networks that a cluster declares as its own, by the name of the field.
pub type OwnRanges<'a> = [(&'static str, &'a Option<Vec<Spanned<Cidr>>>); 4];

impl ClusterSpec {
    /// The minor of Kubernetes 1 that it states.
    pub fn minor(&self) -> Option<u32> {
        let version = self.kubernetes.as_ref()?.to_string();
        version.split('.').nth(1)?.parse().ok()
    }

    /// The networks of its pods, Services, nodes and API server.
    pub const fn own_ranges(&self) -> OwnRanges<'_> {
        [
            ("podCIDRs", &self.pod_cidrs),
            ("serviceCIDRs", &self.service_cidrs),
            ("nodeCIDRs", &self.node_cidrs),
            ("apiServer", &self.api_server),
        ]
    }
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
    /// The longest time from the approval of a waiver to its end, in days.
    ///
    /// Default: 180.
    /// Renders: nothing.
    /// Rules: `tenancy/waiver-not-approved`.
    #[schemars(range(min = 1, max = 3660))]
    pub max_days: Option<i64>,
    /// Who may approve waivers. The review of the pull request itself is for the forge to enforce
    /// (CODEOWNERS).
    ///
    /// Default: everybody.
    /// Renders: nothing.
    /// Rules: `tenancy/waiver-not-approved`.
    pub approvers: Option<Vec<Line>>,
}

/// Another checkout that holds tenants of this fleet.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSource {
    /// The name of the checkout, as in `--source NAME=DIR`.
    ///
    /// Renders: nothing.
    /// Rules: `tenancy/source-not-given`.
    pub name: Spanned<Name>,
    /// The tenants that the checkout may define.
    ///
    /// Renders: nothing.
    /// Rules: `tenancy/source-foreign-tenant`.
    pub tenants: Vec<Name>,
}

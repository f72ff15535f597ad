//! Tenants with every default filled in and every reference resolved. Templates see these values.

use crate::delivery::SyncValues;
use crate::document::{Node, Spanned};
use crate::netpol::{Dialect, Policy};
use crate::source::Span;
use crate::spec::leaf::{FilePath, HostPattern};
use crate::spec::tenant::{Network, Quota, RequirementSpec};
use crate::value::{Text, Value, map};
use indexmap::IndexMap;
use std::sync::Arc;

/// A tenant.
#[derive(Debug)]
pub struct Tenant {
    /// The name.
    pub name: Spanned<String>,
    /// The digest of its own document.
    pub input: String,
    /// The UUID that the document states.
    pub uuid: Option<Spanned<String>>,
    /// The labels that its document gives its namespaces.
    pub labels: IndexMap<Text, Text>,
    /// The labels that the platform gives it. Other tenants select it by these.
    pub platform_labels: IndexMap<Text, Text>,
    /// The hosts it claims.
    pub hosts: Vec<Spanned<HostPattern>>,
    /// The hosts of each ceiling that bounds hosts: those of its verbatim objects must lie within.
    pub host_ceilings: Vec<Arc<[Spanned<HostPattern>]>>,
    /// The keys that its verbatim files are encrypted to, each by its digest.
    pub file_keys: Vec<Spanned<String>>,
    /// The users and groups that are bound in its namespaces, as `group/NAME`.
    pub principals: Vec<Spanned<String>>,
    /// The profile it has.
    pub profile: String,
    /// The line that chose the profile, in a tenant's or the fleet's file. The values of a built-in
    /// profile have this place.
    pub profile_span: Span,
    /// Whether the tenant itself chose a built-in profile that is looser than `restricted`. The
    /// tenant then needs the waivers for it.
    pub chose_builtin: bool,
    /// The merged tree; null unless the context asks for it.
    pub merged: Node,
    /// The tenant on each of its clusters.
    pub on: Vec<OnCluster>,
}

/// The unit of a tenant's verbatim files.
#[derive(Clone, Debug, Default)]
pub struct ManifestUnit {
    /// The Secret in the engine's namespace with the key that decrypts them.
    pub decryption: Option<String>,
}

/// A tenant on a cluster.
#[derive(Debug)]
pub struct OnCluster {
    /// The cluster's index in the fleet.
    pub cluster: usize,
    /// The files that are passed through.
    pub manifests: Vec<Spanned<FilePath>>,
    /// The unit that their objects lie in. If `None`, they lie in that of the floor.
    pub manifest_unit: Option<ManifestUnit>,
    /// Objects that must be among the inputs.
    pub requires: Vec<Spanned<RequirementSpec>>,
    /// Whether it is rendered as `flux create tenant` would.
    pub plain: bool,
    /// The total of its quota, if the cluster states a capacity.
    pub promised: Option<Quota>,
    /// The values that templates see as `tenant`.
    pub tenant: TenantContext,
    /// The namespaces.
    pub namespaces: Vec<TenantNamespace>,
    /// The syncs.
    pub syncs: Vec<TenantSync>,
    /// The service accounts that its syncs act as.
    pub deployers: Vec<Deployer>,
}

/// The values that templates see as `tenant`.
#[derive(Clone, Debug)]
pub struct TenantContext {
    /// The name.
    pub name: String,
    /// The UUID, or null.
    pub uuid: Option<String>,
    /// The name for people, or null.
    pub display_name: Option<String>,
    /// The text for people, or null.
    pub description: Option<String>,
    /// Free values.
    pub parameters: Value,
    /// The labels that its document gives its namespaces.
    pub labels: IndexMap<Text, Text>,
    /// The names of its namespaces in this cluster.
    pub namespaces: Vec<String>,
    /// Labels of every object of the tenant.
    pub common_labels: IndexMap<Text, Text>,
    /// The role that `compat.fluxCreateTenant` binds.
    pub compat_cluster_role: String,
    /// Labels of `flux create tenant`.
    pub compat_labels: IndexMap<Text, Text>,
}

/// A namespace on a cluster: what templates see as `namespace`.
#[derive(Debug)]
pub struct TenantNamespace {
    /// The name within the tenant.
    pub id: String,
    /// The name in the cluster.
    pub name: String,
    /// The line that declares it.
    pub span: Span,
    /// Labels of the Namespace.
    pub labels: IndexMap<Text, Text>,
    /// Annotations of the Namespace.
    pub annotations: IndexMap<Text, Text>,
    /// Whether it exists already and is taken over.
    pub adopt: bool,
    /// Whether the `default` ServiceAccount is rendered.
    pub service_account: bool,
    /// The ResourceQuota, or null.
    pub quota: Option<QuotaObject>,
    /// The LimitRange, or null.
    pub limits: Option<LimitsObject>,
    /// The network policies.
    pub network: NetworkPolicies,
    /// The RoleBindings.
    pub bindings: Vec<TenantBinding>,
    /// The namespaces of other tenants that it reaches.
    pub reaches: Vec<String>,
    /// The merged network fields; empty once the tenants are linked.
    pub declared: Arc<Network>,
}

/// A ResourceQuota.
#[derive(Debug)]
pub struct QuotaObject {
    /// The name of the object.
    pub name: String,
    /// Amounts by key.
    pub hard: IndexMap<Text, Text>,
}

/// A LimitRange for containers.
#[derive(Debug)]
pub struct LimitsObject {
    /// The name of the object.
    pub name: String,
    /// The one item of `spec.limits`.
    pub item: Value,
}

/// The network policies of a namespace.
#[derive(Debug, Default)]
pub struct NetworkPolicies {
    /// Whether they are rendered at all.
    pub rendered: bool,
    /// The dialect in which they are rendered.
    pub dialect: Dialect,
    /// The policies, each with a name of its own. Empty if they are not rendered.
    pub policies: Vec<NamedPolicy>,
}

impl NetworkPolicies {
    /// The policy of a name.
    pub fn get(&self, name: &str) -> Option<&Policy> {
        let found = self.policies.iter().find(|policy| policy.name == name)?;
        Some(&found.policy)
    }
}

/// A network policy and the name of its object.
#[derive(Debug)]
pub struct NamedPolicy {
    /// The name.
    pub name: &'static str,
    /// The policy; namespaces of one cluster share those that are the same for all.
    pub policy: Arc<Policy>,
}

impl NamedPolicy {
    /// A policy under a name.
    pub fn new(name: &'static str, policy: Policy) -> Self {
        Self {
            name,
            policy: Arc::new(policy),
        }
    }
}

/// A RoleBinding.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantBinding {
    /// The name of the object.
    pub name: Text,
    /// The ClusterRole.
    pub cluster_role: Text,
    /// The subjects, as in RBAC.
    pub subjects: Vec<Value>,
    /// The identity of each subject, in order: each is bound once.
    pub keys: Vec<Text>,
    /// The line that chose the role: `role` or `clusterRole` of the first subject. `None` if the
    /// role is a default.
    pub role_span: Option<Span>,
}

/// A service account that syncs act as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deployer {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A sync: what templates see as `sync`.
#[derive(Debug)]
pub struct TenantSync {
    /// The name of its objects.
    pub name: String,
    /// The namespace of its objects.
    pub namespace: String,
    /// The line that declares it.
    pub span: Span,
    /// Fields of its objects, as the engine's kinds have them.
    pub values: SyncValues,
    /// The folder inside the source.
    pub path: String,
    /// The interval of the sync.
    pub interval: String,
    /// The longest time that an apply may take.
    pub timeout: String,
    /// Whether an object that left the source is removed from the cluster.
    pub prune: bool,
    /// Whether to wait until all is healthy.
    pub wait: bool,
    /// The namespace of every object, or null.
    pub target_namespace: Option<String>,
    /// The service account it acts as.
    pub service_account: String,
}

impl Tenant {
    /// The on-cluster part for a cluster, if it runs there.
    pub fn on(&self, cluster: usize) -> Option<&OnCluster> {
        self.on.iter().find(|on| on.cluster == cluster)
    }

    /// Whether a namespace is the tenant's on any cluster.
    pub fn has_namespace(&self, name: &str) -> bool {
        let mut own = self.on.iter().flat_map(|on| &on.namespaces);
        own.any(|namespace| namespace.name == name)
    }
}

/// The values that templates see; docs/templates.md lists them.
impl From<&TenantContext> for Value {
    fn from(tenant: &TenantContext) -> Self {
        map! {
            "name" => &tenant.name,
            "uuid" => tenant.uuid.as_ref(),
            "displayName" => tenant.display_name.as_ref(),
            "description" => tenant.description.as_ref(),
            "parameters" => tenant.parameters.clone(),
            "labels" => &tenant.labels,
            "namespaces" => tenant.namespaces.iter().map(Self::from).collect::<Vec<_>>(),
            "commonLabels" => &tenant.common_labels,
            "compatClusterRole" => &tenant.compat_cluster_role,
            "compatLabels" => &tenant.compat_labels,
        }
    }
}

impl From<&TenantNamespace> for Value {
    fn from(namespace: &TenantNamespace) -> Self {
        map! {
            "id" => &namespace.id,
            "name" => &namespace.name,
            "labels" => &namespace.labels,
            "annotations" => &namespace.annotations,
            "adopt" => namespace.adopt,
            "serviceAccount" => namespace.service_account,
            "quota" => namespace.quota.as_ref().map(|quota| map! { "name" => &quota.name, "hard" => &quota.hard }),
            "limits" => namespace.limits.as_ref().map(|limits| map! { "name" => &limits.name, "item" => limits.item.clone() }),
            "network" => &namespace.network,
            "bindings" => namespace.bindings.iter().map(Self::from).collect::<Vec<_>>(),
        }
    }
}

impl From<&NetworkPolicies> for Value {
    fn from(network: &NetworkPolicies) -> Self {
        let dialect = network.dialect;
        let policies = network.policies.iter().map(|named| {
            map! {
                "apiVersion" => dialect.version(),
                "kind" => dialect.kind(),
                "name" => named.name,
                "spec" => dialect.write(&named.policy),
            }
        });
        map! {
            "rendered" => network.rendered,
            "policies" => policies.collect::<Vec<_>>(),
        }
    }
}

impl From<&TenantBinding> for Value {
    fn from(binding: &TenantBinding) -> Self {
        map! {
            "name" => binding.name.clone(),
            "clusterRole" => binding.cluster_role.clone(),
            "subjects" => &binding.subjects,
        }
    }
}

impl From<&Deployer> for Value {
    fn from(deployer: &Deployer) -> Self {
        map! { "namespace" => &deployer.namespace, "name" => &deployer.name }
    }
}

impl From<&TenantSync> for Value {
    fn from(sync: &TenantSync) -> Self {
        map! {
            "name" => &sync.name,
            "namespace" => &sync.namespace,
            "git" => sync.values.git.clone(),
            "oci" => sync.values.oci.clone(),
            "helm" => sync.values.helm.clone(),
            "bucket" => sync.values.bucket.clone(),
            "sourceKind" => sync.values.source_kind,
            "path" => &sync.path,
            "interval" => &sync.interval,
            "timeout" => &sync.timeout,
            "prune" => sync.prune,
            "wait" => sync.wait,
            "targetNamespace" => sync.target_namespace.as_ref(),
            "serviceAccount" => &sync.service_account,
            "verify" => sync.values.verify.clone(),
            "secretRef" => sync.values.secret_ref.clone(),
            "decryption" => sync.values.decryption.clone(),
            "notifications" => &sync.values.notifications,
        }
    }
}

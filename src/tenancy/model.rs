//! Tenants with every default filled in and every reference resolved: what templates see.

use crate::document::{Node, Spanned};
use crate::source::Place;
use crate::spec::leaf::HostPattern;
use crate::spec::tenant::{Network, TenantSpec};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// Strings by key, in the order of the specs.
pub type Strings = IndexMap<String, String>;

/// A tenant.
#[derive(Debug)]
pub struct Tenant {
    /// Its name.
    pub name: Spanned<String>,
    /// The digest of its own document.
    pub input: String,
    /// Its UUID.
    pub uuid: Option<Spanned<String>>,
    /// The labels other tenants select it by.
    pub labels: Strings,
    /// The hosts it claims.
    pub hosts: Vec<Spanned<HostPattern>>,
    /// The users and groups that hold its keys, as `group/NAME`.
    pub principals: Vec<Spanned<String>>,
    /// The profile it has.
    pub profile: String,
    /// Whether it chose a looser one of the built-in profiles itself: what that loosens is its own doing.
    pub chose_builtin: bool,
    /// The merged tree; null where the context does not ask for it.
    pub merged: Node,
    /// Where it runs.
    pub on: Vec<OnCluster>,
}

/// A tenant on a cluster.
#[derive(Debug)]
pub struct OnCluster {
    /// The cluster's index in the fleet.
    pub cluster: usize,
    /// The merged spec, this cluster's overrides included.
    pub spec: TenantSpec,
    /// What templates see as `tenant`.
    pub tenant: TenantContext,
    /// Its namespaces.
    pub namespaces: Vec<Namespace>,
    /// Its syncs.
    pub syncs: Vec<Sync>,
    /// The service accounts that its syncs act as.
    pub deployers: Vec<Deployer>,
}

/// What templates see as `tenant`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
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
    /// The labels other tenants select it by.
    pub labels: Strings,
    /// The names of its namespaces in this cluster.
    pub namespaces: Vec<String>,
    /// Labels of every object of the tenant.
    pub common_labels: Strings,
    /// The role that `compat.fluxCreateTenant` binds.
    pub compat_cluster_role: String,
    /// Labels of `flux create tenant`.
    pub compat_labels: Strings,
}

/// A namespace on a cluster: what templates see as `namespace`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name within the tenant.
    pub id: String,
    /// Its name in the cluster.
    pub name: String,
    /// Where it is declared.
    #[serde(skip)]
    pub place: Place,
    /// Labels of the Namespace.
    pub labels: Strings,
    /// Annotations of the Namespace.
    pub annotations: Strings,
    /// Whether it exists already and is taken over.
    pub adopt: bool,
    /// Whether the `default` ServiceAccount is rendered.
    pub service_account: bool,
    /// The ResourceQuota, or null.
    pub quota: Option<QuotaObject>,
    /// The LimitRange, or null.
    pub limits: Option<LimitsObject>,
    /// The NetworkPolicies.
    pub network: NetworkObject,
    /// The RoleBindings.
    pub bindings: Vec<Binding>,
    /// The namespaces of other tenants that it reaches.
    #[serde(skip)]
    pub reaches: Vec<String>,
    /// The merged network fields.
    #[serde(skip)]
    pub declared: Network,
}

/// A ResourceQuota.
#[derive(Debug, Serialize)]
pub struct QuotaObject {
    /// Its name.
    pub name: String,
    /// Amounts by key.
    pub hard: Strings,
}

/// A LimitRange for containers.
#[derive(Debug, Serialize)]
pub struct LimitsObject {
    /// Its name.
    pub name: String,
    /// The one item of `spec.limits`.
    pub item: Value,
}

/// Rules of NetworkPolicies; a policy whose rules are empty is not rendered.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkObject {
    /// Whether they are rendered at all.
    pub rendered: bool,
    /// The rules of `default-deny`, each way: null, or one that lets everything through.
    pub deny: Option<Vec<Value>>,
    /// Peers within the namespace or tenant; none where everything is let through.
    pub intra: Vec<Value>,
    /// Egress rules for DNS; none where everything is let through.
    pub dns: Vec<Value>,
    /// Egress rules as declared.
    pub egress: Vec<Value>,
    /// Ingress rules as declared.
    pub ingress: Vec<Value>,
}

/// A RoleBinding.
#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Its name.
    pub name: String,
    /// The ClusterRole.
    pub cluster_role: String,
    /// The subjects, as in RBAC.
    pub subjects: Vec<Value>,
    /// The subjects' texts: each is bound once.
    #[serde(skip)]
    pub keys: std::collections::BTreeSet<String>,
}

/// A service account that syncs act as.
#[derive(Clone, Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deployer {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A sync: what templates see as `sync`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// The name of its objects.
    pub name: String,
    /// The namespace of its objects.
    pub namespace: String,
    /// Where it is declared.
    #[serde(skip)]
    pub place: Place,
    /// A GitRepository's `url` and `ref`, or null.
    pub git: Value,
    /// An OCIRepository's, or null.
    pub oci: Value,
    /// A HelmRepository's and HelmRelease's, or null.
    pub helm: Value,
    /// A Bucket's, or null.
    pub bucket: Value,
    /// The kind of the source that a Kustomization reads; null for Helm.
    pub source_kind: Option<&'static str>,
    /// The folder inside the source.
    pub path: String,
    /// How often to look.
    pub interval: String,
    /// How long an apply may take.
    pub timeout: String,
    /// Whether what left the source leaves the cluster.
    pub prune: bool,
    /// Whether to wait until all is healthy.
    pub wait: bool,
    /// Where every object is put, or null.
    pub target_namespace: Option<String>,
    /// The service account it acts as.
    pub service_account: String,
    /// A signature's verification, or null.
    pub verify: Value,
    /// The Secret with credentials, or null.
    pub secret_ref: Value,
    /// SOPS decryption, or null.
    pub decryption: Value,
    /// Providers of notifications.
    pub notifications: Vec<Value>,
}

impl Tenant {
    /// The on-cluster part for a cluster, if it runs there.
    pub fn on(&self, cluster: usize) -> Option<&OnCluster> {
        self.on.iter().find(|on| on.cluster == cluster)
    }
}

//! The inputs of a proof beside the rendered objects.

use super::values;
use clap::Args;
use tenantry::graph::WithoutFleet;
use tenantry::tenancy::PlatformNames;

/// The inputs of a proof beside the rendered objects.
#[derive(Clone, Debug, Args)]
pub struct ExtraArgs {
    /// Include the manifests of this folder or file, or of the standard input (-), on one cluster or
    /// on all; repeatable. If there is no fleet, each of their namespaces counts as a tenant
    #[arg(long, value_name = "[CLUSTER=]DIR", value_parser = values::cluster_path)]
    pub also: Vec<String>,
    /// Include the objects of a live cluster, as `kubectl get -o json` prints them, from a file or
    /// the standard input (-); repeatable
    #[arg(long, value_name = "[CLUSTER=]FILE", value_parser = values::cluster_path)]
    pub snapshot: Vec<String>,
    /// Make one tenant of the --also namespaces that share the value of this label or annotation
    #[arg(long, value_name = "KEY", value_parser = values::label_key)]
    pub group_by: Option<String>,
    /// Look only at this cluster; repeatable. Without a fleet, --also NAME=DIR names clusters
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Without a fleet, take this namespace for the platform's, as kube-system, cert-manager and
    /// other usual ones are; a pattern (`infra-*`) too; repeatable
    #[arg(long, value_name = "NAME", value_parser = values::namespace_pattern)]
    pub platform_namespace: Vec<String>,
    /// Without a fleet, take this namespace for a tenant's although a usual one of platforms has its
    /// name; a pattern too; repeatable
    #[arg(long, value_name = "NAME", value_parser = values::namespace_pattern)]
    pub tenant_namespace: Vec<String>,
    /// The namespace of `also` manifests that name none
    #[arg(skip)]
    pub manifest_namespace: Option<String>,
    /// The revision whose manifests `also` stands for; those on disk if `None`
    #[arg(skip)]
    pub revision: Option<String>,
}

impl ExtraArgs {
    /// The same with a namespace for manifests that name none.
    #[must_use]
    pub fn in_namespace(&self, namespace: Option<&String>) -> Self {
        Self {
            manifest_namespace: namespace.cloned(),
            ..self.clone()
        }
    }

    /// How manifests become a cluster if there is no fleet.
    pub fn without_fleet(&self) -> WithoutFleet<'_> {
        WithoutFleet {
            name: None,
            group_by: self.group_by.as_deref(),
            platform: PlatformNames {
                platform: &self.platform_namespace,
                tenants: &self.tenant_namespace,
            },
        }
    }
}

//! What verdicts rest on: assumptions, each of which some input removes, and the scope, which no
//! input can show.
//!
//! One row each. A new assumption needs a row here and in `docs/prove.md`, and a case that raises it.

use super::Plane;
use super::Plane::{Admission, Api, Data, Gitops, Network, Resources};

/// A condition that a verdict may rest on while the inputs do not show it.
#[derive(Debug)]
pub struct Condition {
    /// The name, which stays the same in all reports.
    pub name: &'static str,
    /// The condition in general, as a sentence without a full stop. A report names the objects.
    pub text: &'static str,
    /// The planes whose verdicts may rest on it.
    pub planes: &'static [Plane],
    /// The flag, the file or the snapshot that shows it, as a phrase.
    pub removed_by: &'static str,
}

/// A condition that every verdict on some planes rests on, and that no input can show.
#[derive(Debug)]
pub struct ScopeCondition {
    /// The name, which stays the same in all reports.
    pub name: &'static str,
    /// The condition, as a sentence without a full stop.
    pub text: &'static str,
    /// The planes whose verdicts rest on it; empty if only answers to threats do.
    pub planes: &'static [Plane],
}

/// A condition that a verdict rests on, with the objects that it is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assumption {
    /// The name, which stays the same in all reports.
    pub name: &'static str,
    /// The condition, as a sentence without a full stop.
    pub text: String,
    /// The flag, the file or the snapshot that shows it; `None` for a condition of the scope.
    pub removed_by: Option<&'static str>,
}

impl Condition {
    /// The assumption of this condition about some objects, which the text names.
    pub fn about(&self, text: impl Into<String>) -> Assumption {
        Assumption {
            name: self.name,
            text: text.into(),
            removed_by: Some(self.removed_by),
        }
    }
}

impl ScopeCondition {
    /// The condition as an assumption that nothing removes.
    pub fn assumption(&self) -> Assumption {
        Assumption {
            name: self.name,
            text: self.text.to_owned(),
            removed_by: None,
        }
    }
}

/// Declares the rows of a table, so that none can be used that is not in it.
macro_rules! table {
    (
        $(#[$meta:meta])* $table:ident: $type:ident;
        $($row:ident { name: $name:literal, text: $text:literal, $($rest:tt)* })*
    ) => {
        $(
            #[doc = concat!("`", $name, "`: ", $text, ".")]
            pub static $row: $type = $type { name: $name, text: $text, $($rest)* };
        )*

        $(#[$meta])*
        pub static $table: &[&$type] = &[$(&$row),*];
    };
}

table! {
    /// Every assumption, in the order of `docs/prove.md`.
    ASSUMPTIONS: Condition;

    NO_OTHER_GRANTS {
        name: "no-other-grants",
        text: "no role and no binding outside the inputs grants more",
        planes: &[Api, Admission],
        removed_by: "`--live`, or `--snapshot FILE` with roles, rolebindings, clusterroles and \
                     clusterrolebindings",
    }
    DECLARED_SUBJECTS {
        name: "declared-subjects",
        text: "subjects that are bound, and of which no input says whose they are, belong to the \
               platform",
        planes: &[Api],
        removed_by: "for a service account, `--also DIR` with its Namespace; for a user or a group, \
                     a fleet (`tenants/fleet.yaml`) whose Tenants declare their `owners` and `members`",
    }
    OPERATORS_CLOSED {
        name: "operators-closed",
        text: "the operators of the kinds that tenants may write do not run, or are closed",
        planes: &[Api],
        removed_by: "a role without these kinds; or, if flags of the operator close it, `--also DIR` \
                     with its Deployment",
    }
    ARGO_CD_READERS {
        name: "argo-cd-readers",
        text: "Applications of Argo CD hold nothing that a tenant keeps to itself",
        planes: &[Api],
        removed_by: "a role in `argocd-rbac-cm` that lets the tenant see its own project alone",
    }
    PLUGIN_ENFORCES {
        name: "plugin-enforces",
        text: "the network plugin enforces NetworkPolicies in every namespace",
        planes: &[Network],
        removed_by: "`cni` of the cluster in `tenants/fleet.yaml` with the name of a plugin that \
                     always does (calico, cilium, antrea, ovn-kubernetes, kube-ovn), or `--also DIR` \
                     or `--snapshot FILE` with its DaemonSet",
    }
    CONTROLLERS_CLOSED {
        name: "controllers-closed",
        text: "the namespaces of GitOps engines that run, and that no input has, let tenants' pods \
               send to metrics and webhooks only",
        planes: &[Network],
        removed_by: "`--also DIR` with the engine's Namespace and its NetworkPolicies, as \
                     `flux install --export` prints them",
    }
    NO_FORWARDING {
        name: "no-forwarding",
        text: "no pod of the platform that a tenant reaches passes on to another tenant what it is \
               sent",
        planes: &[Network],
        removed_by: "NetworkPolicies by which the tenants' pods send to no pod of the platform \
                     but DNS",
    }
    PLATFORM_SERVERS {
        name: "platform-servers",
        text: "servers of the platform that tenants' pods reach ask for a login, and give each \
               tenant its own data alone",
        planes: &[Network],
        removed_by: "NetworkPolicies by which the tenants' pods send to no pod of the platform \
                     but DNS",
    }
    METADATA_SERVICE {
        name: "metadata-service",
        text: "the metadata service 169.254.169.254 gives pods no identity of their node",
        planes: &[Network],
        removed_by: "`except: [169.254.169.254/32]` in the ipBlocks of the namespaces' policies",
    }
    NO_OTHER_POLICIES {
        name: "no-other-policies",
        text: "no policy of another kind lets in more than the NetworkPolicies of the inputs",
        planes: &[Network],
        removed_by: "`--live`, or `--snapshot FILE` as `verify --snapshot FILE` writes it",
    }
    POD_NETWORKS {
        name: "pod-networks",
        text: "pods have private addresses (RFC 1918, 100.64.0.0/10, fc00::/7)",
        planes: &[Network],
        removed_by: "`podCIDRs` of the cluster in `tenants/fleet.yaml`",
    }
    NETWORKS_SELECT_NO_PODS {
        name: "networks-select-no-pods",
        text: "as Cilium documents, an ipBlock selects no pods",
        planes: &[Network],
        removed_by: "`except` with the networks of pods in each ipBlock that holds them",
    }
    NO_OTHER_SYNCS {
        name: "no-other-syncs",
        text: "GitOps engines apply no more than the objects that the inputs hold",
        planes: &[Gitops],
        removed_by: "`--live`, or `--snapshot FILE` as `verify --snapshot FILE` writes it",
    }
    FLUX_LOCKDOWN {
        name: "flux-lockdown",
        text: "Flux's controllers run locked down",
        planes: &[Gitops],
        removed_by: "`--also DIR` with their Deployments and patches or with a FluxInstance, \
                     `--snapshot FILE` with deployments, or `--live`",
    }
    PLATFORM_REPOSITORIES {
        name: "platform-repositories",
        text: "only the platform writes the repositories that objects of other engines apply",
        planes: &[Gitops],
        removed_by: "objects of Flux in their place, whose accounts and sources are read",
    }
    POLICIES_DENY {
        name: "policies-deny",
        text: "the API server accepted the admission policies that keep tenants from their floor, \
               they stay as they are, and exempt no principal of a tenant by another name",
        planes: &[Admission],
        removed_by: "roles of tenants that do not let them write what the policies guard; for \
                     pods, the label `pod-security.kubernetes.io/enforce: baseline`",
    }
    UNBOUNDED_SHARES {
        name: "unbounded-shares",
        text: "tenants take no more than their share of what no quota of theirs bounds",
        planes: &[Resources],
        removed_by: "`quota` of the Tenant, or a ResourceQuota of the namespace, that bounds it",
    }
    PRIORITY_CLASSES {
        name: "priority-classes",
        text: "tenants' pods name no priority class by which they preempt the pods of others",
        planes: &[Resources],
        removed_by: "`--also DIR` with a ResourceQuota of the namespaces whose scopeSelector has the \
                     scope PriorityClass and these classes",
    }
    QUOTA_ENFORCERS {
        name: "quota-enforcers",
        text: "the scheduler or Kueue, which enforces the quotas of tenants, sees each of their pods",
        planes: &[Resources],
        removed_by: "a ResourceQuota of Kubernetes in each of their namespaces",
    }
    HOSTS_AND_ADDRESSES {
        name: "hosts-and-addresses",
        text: "admission denies externalIPs, and hosts of others, to tenants that may write \
               Services and Ingresses",
        planes: &[Data],
        removed_by: "roles of tenants that do not let them write Services and Ingresses",
    }
    CONTROLLER_CONFIGURATION {
        name: "controller-configuration",
        text: "the ingress controller ignores snippets, and references to other namespaces, in \
               annotations of tenants' Ingresses",
        planes: &[Data],
        removed_by: "Ingresses without these annotations",
    }
    CONVERGED {
        name: "converged",
        text: "objects of the snapshot become as the other inputs describe them",
        planes: &Plane::ALL,
        removed_by: "`--live`, which reads what runs alone",
    }
}

table! {
    /// The scope of the proof, in the order of `docs/prove.md`.
    SCOPE: ScopeCondition;

    KERNEL_HOLDS {
        name: "kernel-holds",
        text: "the kernel and the container runtime hold: a container without privileges stays in it",
        planes: &Plane::ALL,
    }
    GROUPS_ARE_THEIRS {
        name: "groups-are-theirs",
        text: "the identity provider puts only a tenant's people into the groups that the tenant \
               declares, and puts them into no other group that is bound",
        planes: &Plane::ALL,
    }
    RBAC_AUTHORIZES {
        name: "rbac-authorizes",
        text: "the API server authorizes by RBAC and the node authorizer alone",
        planes: &[Api, Gitops, Admission],
    }
    POD_SECURITY_WITHOUT_EXEMPTIONS {
        name: "pod-security-without-exemptions",
        text: "Pod Security admission runs, and its configuration exempts no tenant",
        planes: &[Network, Admission, Data],
    }
    NODES_AND_KUBELET {
        name: "nodes-and-kubelet",
        text: "nodes and their kubelets are the platform's; they reach the pods that run on them, \
               whatever policies say",
        planes: &[Network],
    }
    NODE_SHARES {
        name: "node-shares",
        text: "PIDs, node IO, connection tracking and DNS are shared: no object of the API divides \
               them",
        planes: &[Resources],
    }
    OUTSIDE_GRANTS {
        name: "outside-grants",
        text: "clouds, registries and stores of secrets give each service account its own tenant's \
               data only",
        planes: &[Data],
    }
    PLATFORM_IS_TRUSTED {
        name: "platform-is-trusted",
        text: "the platform's people, repositories and controllers do what their objects say",
        planes: &Plane::ALL,
    }
    AUDIT_APART {
        name: "audit-apart",
        text: "audit logs are kept where only their tenant and the platform read",
        planes: &[],
    }
    DESTINATIONS_ARE_TRUSTED {
        name: "destinations-are-trusted",
        text: "the server at an address that egress allows is the one that it is allowed for",
        planes: &[],
    }
}

//! The resources of Kubernetes' own API groups, with their names, scopes and subresources.
//!
//! Source: the discovery of each minor's release with every API enabled, which
//! `tests/it/kubernetes_minors.rs` compares; for older minors,
//! kubernetes.io/docs/reference/using-api/deprecation-guide. `tests/it/authorizer.rs` asks an API
//! server for its resources. A few rows are served by nobody and only authorized: users and groups
//! that are impersonated, signers, and the kubelet's subresources of a node.

use super::kinds::Scope;
use super::kinds::Scope::{Cluster, Namespaced};
use crate::kube::RBAC;

/// The resources of an API group.
#[derive(Debug)]
pub struct ApiGroup {
    /// The group; empty for the core group.
    pub name: &'static str,
    /// The resources.
    pub resources: &'static [ApiResource],
}

/// A resource, as rules of RBAC and requests name it.
#[derive(Debug)]
pub struct ApiResource {
    /// The plural.
    pub plural: &'static str,
    /// The singular and the short names, by which kubectl finds it.
    pub names: &'static [&'static str],
    /// Whether its objects are in namespaces.
    pub scope: Scope,
    /// The subresources; `*` if any.
    pub subresources: &'static [&'static str],
    /// The first minor version of Kubernetes 1 that serves it; 0 if it is older than 1.16.
    pub since: u8,
    /// The last minor version that serves it; `None` if it is served still.
    pub until: Option<u8>,
}

impl ApiResource {
    /// Whether a minor version of Kubernetes 1 serves it.
    pub const fn is_served_by(&self, minor: u8) -> bool {
        let gone = match self.until {
            Some(last) => minor > last,
            None => false,
        };
        minor >= self.since && !gone
    }

    const fn with(mut self, subresources: &'static [&'static str]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn since(mut self, minor: u8) -> Self {
        self.since = minor;
        self
    }

    const fn until(mut self, minor: u8) -> Self {
        self.until = Some(minor);
        self
    }
}

const fn resource(
    scope: Scope,
    plural: &'static str,
    names: &'static [&'static str],
) -> ApiResource {
    ApiResource {
        plural,
        names,
        scope,
        subresources: &[],
        since: 0,
        until: None,
    }
}

const fn group(name: &'static str, resources: &'static [ApiResource]) -> ApiGroup {
    ApiGroup { name, resources }
}

/// The groups, those of most requests first.
pub fn groups() -> &'static [ApiGroup] {
    &GROUPS
}

/// The resources of a group; `None` if it is none of Kubernetes' own.
pub fn find_group(group: &str) -> Option<&'static ApiGroup> {
    GROUPS.iter().find(|known| known.name == group)
}

/// A resource by its plural.
pub fn find(group: &str, plural: &str) -> Option<&'static ApiResource> {
    let mut resources = find_group(group)?.resources.iter();
    resources.find(|known| known.plural == plural)
}

/// A minor version of Kubernetes that no cluster is taken for any more.
const OLDEST: u8 = 24;

/// Whether an API server may serve a resource, or authorize requests by it: every resource of another
/// group than Kubernetes' own is taken for served.
pub fn may_be_served(group: &str, plural: &str, subresource: &str) -> bool {
    match (find_group(group), find(group, plural)) {
        // The groups of other APIs are domains.
        (None, _) => group.contains('.'),
        (Some(_), None) => false,
        (Some(_), Some(known)) if known.until.is_some_and(|last| last <= OLDEST) => false,
        (Some(_), Some(known)) => {
            let subresources = known.subresources;
            subresource.is_empty()
                || subresources.contains(&subresource)
                || subresources.contains(&"*")
        }
    }
}

/// A resource by any of its names, of a group or of the first that has it: the group and the resource.
pub fn find_named(name: &str, group: Option<&str>) -> Option<(&'static str, &'static ApiResource)> {
    let name = name.to_lowercase();
    GROUPS
        .iter()
        .filter(|known| group.is_none_or(|group| group == known.name))
        .find_map(|known| {
            let mut resources = known.resources.iter();
            let found = resources.find(|resource| {
                resource.plural == name || resource.names.contains(&name.as_str())
            })?;
            Some((known.name, found))
        })
}

static GROUPS: [ApiGroup; 25] = [
    group(
        "",
        &[
            resource(Namespaced, "bindings", &["binding"]),
            resource(Cluster, "componentstatuses", &["componentstatus", "cs"]),
            resource(Namespaced, "configmaps", &["configmap", "cm"]),
            resource(Namespaced, "endpoints", &["endpoints", "ep"]),
            resource(Namespaced, "events", &["event", "ev"]),
            resource(Cluster, "groups", &["group"]),
            resource(Namespaced, "limitranges", &["limitrange", "limits"]),
            resource(Cluster, "namespaces", &["namespace", "ns"]).with(&["finalize", "status"]),
            resource(Cluster, "nodes", &["node", "no"]).with(&[
                "checkpoint",
                "configz",
                "flagz",
                "healthz",
                "log",
                "metrics",
                "pods",
                "proxy",
                "runningpods",
                "spec",
                "stats",
                "status",
                "statusz",
            ]),
            resource(
                Namespaced,
                "persistentvolumeclaims",
                &["persistentvolumeclaim", "pvc"],
            )
            .with(&["status"]),
            resource(Cluster, "persistentvolumes", &["persistentvolume", "pv"]).with(&["status"]),
            resource(Namespaced, "pods", &["pod", "po"]).with(&[
                "attach",
                "binding",
                "ephemeralcontainers",
                "eviction",
                "exec",
                "log",
                "portforward",
                "proxy",
                "resize",
                "status",
            ]),
            resource(Namespaced, "podtemplates", &["podtemplate"]),
            resource(
                Namespaced,
                "replicationcontrollers",
                &["replicationcontroller", "rc"],
            )
            .with(&["scale", "status"]),
            resource(Namespaced, "resourcequotas", &["resourcequota", "quota"]).with(&["status"]),
            resource(Namespaced, "secrets", &["secret"]),
            resource(Namespaced, "serviceaccounts", &["serviceaccount", "sa"]).with(&["token"]),
            resource(Namespaced, "services", &["service", "svc"]).with(&["proxy", "status"]),
            resource(Cluster, "users", &["user"]),
        ],
    ),
    group(
        "apps",
        &[
            resource(Namespaced, "controllerrevisions", &["controllerrevision"]),
            resource(Namespaced, "daemonsets", &["daemonset", "ds"]).with(&["status"]),
            resource(Namespaced, "deployments", &["deployment", "deploy"])
                .with(&["scale", "status"]),
            resource(Namespaced, "replicasets", &["replicaset", "rs"]).with(&["scale", "status"]),
            resource(Namespaced, "statefulsets", &["statefulset", "sts"])
                .with(&["scale", "status"]),
        ],
    ),
    group(
        "batch",
        &[
            resource(Namespaced, "cronjobs", &["cronjob", "cj"]).with(&["status"]),
            resource(Namespaced, "jobs", &["job"]).with(&["status"]),
        ],
    ),
    group(
        "networking.k8s.io",
        &[
            resource(Cluster, "clustercidrs", &["clustercidr", "cc"])
                .since(26)
                .until(28),
            resource(Cluster, "ingressclasses", &["ingressclass"]),
            resource(Namespaced, "ingresses", &["ingress", "ing"]).with(&["status"]),
            resource(Cluster, "ipaddresses", &["ipaddress", "ip"]).since(27),
            resource(Namespaced, "networkpolicies", &["networkpolicy", "netpol"]),
            resource(Cluster, "servicecidrs", &["servicecidr"])
                .with(&["status"])
                .since(27),
        ],
    ),
    group(
        RBAC,
        &[
            resource(Cluster, "clusterrolebindings", &["clusterrolebinding"]),
            resource(Cluster, "clusterroles", &["clusterrole"]),
            resource(Namespaced, "rolebindings", &["rolebinding"]),
            resource(Namespaced, "roles", &["role"]),
        ],
    ),
    group(
        "policy",
        &[
            resource(
                Namespaced,
                "poddisruptionbudgets",
                &["poddisruptionbudget", "pdb"],
            )
            .with(&["status"]),
            resource(
                Cluster,
                "podsecuritypolicies",
                &["podsecuritypolicy", "psp"],
            )
            .until(24),
        ],
    ),
    group(
        "autoscaling",
        &[resource(
            Namespaced,
            "horizontalpodautoscalers",
            &["horizontalpodautoscaler", "hpa"],
        )
        .with(&["status"])],
    ),
    group(
        "storage.k8s.io",
        &[
            resource(Cluster, "csidrivers", &["csidriver"]),
            resource(Cluster, "csinodes", &["csinode"]).with(&["status"]),
            resource(Namespaced, "csistoragecapacities", &["csistoragecapacity"]).since(19),
            resource(Cluster, "storageclasses", &["storageclass", "sc"]),
            resource(Cluster, "volumeattachments", &["volumeattachment"]).with(&["status"]),
            resource(
                Cluster,
                "volumeattributesclasses",
                &["volumeattributesclass", "vac"],
            )
            .since(29),
        ],
    ),
    group(
        "apiextensions.k8s.io",
        &[resource(
            Cluster,
            "customresourcedefinitions",
            &["customresourcedefinition", "crd", "crds"],
        )
        .with(&["status"])],
    ),
    group(
        "apiregistration.k8s.io",
        &[resource(Cluster, "apiservices", &["apiservice"]).with(&["status"])],
    ),
    group(
        "discovery.k8s.io",
        &[resource(Namespaced, "endpointslices", &["endpointslice"])],
    ),
    group(
        "coordination.k8s.io",
        &[
            resource(Namespaced, "leasecandidates", &["leasecandidate"]).since(31),
            resource(Namespaced, "leases", &["lease"]),
        ],
    ),
    group(
        "certificates.k8s.io",
        &[
            resource(
                Cluster,
                "certificatesigningrequests",
                &["certificatesigningrequest", "csr"],
            )
            .with(&[
                "approval",
                "nodeclient",
                "selfnodeclient",
                "selfnodeserver",
                "status",
            ]),
            resource(Cluster, "clustertrustbundles", &["clustertrustbundle"]).since(27),
            resource(
                Namespaced,
                "podcertificaterequests",
                &["podcertificaterequest"],
            )
            .with(&["status"])
            .since(34),
            resource(Cluster, "signers", &["signer"]),
        ],
    ),
    group(
        "admissionregistration.k8s.io",
        &[
            resource(
                Cluster,
                "mutatingadmissionpolicies",
                &["mutatingadmissionpolicy"],
            )
            .since(32),
            resource(
                Cluster,
                "mutatingadmissionpolicybindings",
                &["mutatingadmissionpolicybinding"],
            )
            .since(32),
            resource(
                Cluster,
                "mutatingwebhookconfigurations",
                &["mutatingwebhookconfiguration"],
            ),
            resource(
                Cluster,
                "validatingadmissionpolicies",
                &["validatingadmissionpolicy"],
            )
            .with(&["status"])
            .since(26),
            resource(
                Cluster,
                "validatingadmissionpolicybindings",
                &["validatingadmissionpolicybinding"],
            )
            .since(26),
            resource(
                Cluster,
                "validatingwebhookconfigurations",
                &["validatingwebhookconfiguration"],
            ),
        ],
    ),
    group(
        "authentication.k8s.io",
        &[
            resource(Cluster, "selfsubjectreviews", &["selfsubjectreview"]).since(26),
            resource(Cluster, "tokenreviews", &["tokenreview"]),
            resource(Cluster, "uids", &["uid"]),
            resource(Cluster, "userextras", &["userextra"]).with(&["*"]),
        ],
    ),
    group(
        "authorization.k8s.io",
        &[
            resource(
                Namespaced,
                "localsubjectaccessreviews",
                &["localsubjectaccessreview"],
            ),
            resource(
                Cluster,
                "selfsubjectaccessreviews",
                &["selfsubjectaccessreview"],
            ),
            resource(
                Cluster,
                "selfsubjectrulesreviews",
                &["selfsubjectrulesreview"],
            ),
            resource(Cluster, "subjectaccessreviews", &["subjectaccessreview"]),
        ],
    ),
    group(
        "events.k8s.io",
        &[resource(Namespaced, "events", &["event", "ev"])],
    ),
    group(
        "scheduling.k8s.io",
        &[
            resource(Namespaced, "compositepodgroups", &["compositepodgroup"])
                .with(&["status"])
                .since(37),
            resource(Namespaced, "podgroups", &["podgroup"])
                .with(&["status"])
                .since(36),
            resource(Cluster, "priorityclasses", &["priorityclass", "pc"]),
            resource(Namespaced, "workloads", &["workload"]).since(35),
        ],
    ),
    group(
        "node.k8s.io",
        &[resource(Cluster, "runtimeclasses", &["runtimeclass"])],
    ),
    group(
        "resource.k8s.io",
        &[
            resource(Cluster, "deviceclasses", &["deviceclass"]).since(31),
            resource(Cluster, "devicetaintrules", &["devicetaintrule"])
                .with(&["status"])
                .since(33),
            resource(
                Namespaced,
                "podschedulingcontexts",
                &["podschedulingcontext"],
            )
            .with(&["status"])
            .since(26)
            .until(31),
            resource(
                Namespaced,
                "resourceclaimparameters",
                &["resourceclaimparameters"],
            )
            .since(30)
            .until(30),
            resource(Namespaced, "resourceclaims", &["resourceclaim"])
                .with(&["status"])
                .since(26),
            resource(
                Namespaced,
                "resourceclaimtemplates",
                &["resourceclaimtemplate"],
            )
            .since(26),
            resource(Cluster, "resourceclasses", &["resourceclass"])
                .since(26)
                .until(30),
            resource(
                Namespaced,
                "resourceclassparameters",
                &["resourceclassparameters"],
            )
            .since(30)
            .until(30),
            resource(
                Cluster,
                "resourcepoolstatusrequests",
                &["resourcepoolstatusrequest"],
            )
            .with(&["status"])
            .since(36),
            resource(Cluster, "resourceslices", &["resourceslice"]).since(30),
        ],
    ),
    group(
        "flowcontrol.apiserver.k8s.io",
        &[
            resource(Cluster, "flowschemas", &["flowschema"]).with(&["status"]),
            resource(
                Cluster,
                "prioritylevelconfigurations",
                &["prioritylevelconfiguration"],
            )
            .with(&["status"]),
        ],
    ),
    group(
        "internal.apiserver.k8s.io",
        &[resource(Cluster, "storageversions", &["storageversion"]).with(&["status"])],
    ),
    group(
        "lifecycle.k8s.io",
        &[
            resource(Namespaced, "evictionrequests", &["evictionrequest"])
                .with(&["status"])
                .since(37),
            resource(Namespaced, "evictions", &["eviction"])
                .with(&["status"])
                .since(37),
        ],
    ),
    group(
        "storagemigration.k8s.io",
        &[resource(
            Cluster,
            "storageversionmigrations",
            &["storageversionmigration"],
        )
        .with(&["status"])
        .since(30)],
    ),
    group(
        "extensions",
        &[resource(Namespaced, "ingresses", &["ingress", "ing"])
            .with(&["status"])
            .until(21)],
    ),
];

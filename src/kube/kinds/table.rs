//! The table of kinds.
//!
//! A new kind is one row in its group. [`Kind`] says what each column means; a column that is left
//! out has the answer for a kind that tenantry knows nothing special about.

use super::Listed::{Always, ForProof, MetadataAlways, Never};
use super::ServerDefault::{EmptySelector, Text};
use super::{Group, cluster, group, namespaced};
use crate::kube::RBAC;

/// The fields of a role, a binding and an aggregated role that grant something.
const RULES: &[&str] = &["rules"];
const BINDING: &[&str] = &["roleRef", "subjects"];
const CLUSTER_RULES: &[&str] = &["aggregationRule", "rules"];

const SPEC: &[&str] = &["spec"];

/// The fields of a binding and of a quota that nobody can change.
const ROLE_REF: &[&[&str]] = &[&["roleRef"]];
const SCOPES: &[&[&str]] = &[&["spec", "scopes"], &["spec", "scopeSelector"]];

/// Every group of which tenantry knows something.
pub(super) static TABLE: [&[Group]; 5] = [KUBERNETES, FLUX, ARGO_CD, NETWORK, OTHERS];

/// The groups of Kubernetes, those of most objects first.
static KUBERNETES: &[Group] = &[
    group("").present().complete().one_version().kinds(&[
        cluster("Namespace", "namespaces")
            .floor()
            .apply_order(0)
            .listed(Always)
            .read(),
        namespaced("ResourceQuota", "resourcequotas")
            .floor()
            .apply_order(1)
            .listed(Always)
            .exact(SPEC)
            .immutable(SCOPES)
            .read()
            .needs_namespace(),
        namespaced("LimitRange", "limitranges")
            .floor()
            .apply_order(2)
            .listed(Always)
            .passive()
            .needs_namespace(),
        namespaced("ServiceAccount", "serviceaccounts")
            .apply_order(4)
            .tenants_may_have()
            .listed(Always)
            .read()
            .needs_namespace(),
        // Whoever may list Secrets may read them.
        namespaced("Secret", "secrets")
            .apply_order(9)
            .tenants_may_have()
            .listed(Never)
            .passive()
            .not_kept(),
        namespaced("ConfigMap", "configmaps")
            .apply_order(10)
            .tenants_may_have()
            .passive(),
        namespaced("Service", "services")
            .apply_order(11)
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace(),
        namespaced("Pod", "pods")
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace()
            .not_kept(),
        namespaced("ReplicationController", "replicationcontrollers")
            .tenants_may_have()
            .listed(ForProof)
            .read(),
        namespaced("PodTemplate", "podtemplates")
            .tenants_may_have()
            .passive(),
        namespaced("PersistentVolumeClaim", "persistentvolumeclaims")
            .tenants_may_have()
            .listed(ForProof)
            .read(),
        cluster("PersistentVolume", "persistentvolumes")
            .listed(Always)
            .read(),
        cluster("Node", "nodes"),
        cluster("ComponentStatus", "componentstatuses"),
        // Tenants may not have it: it can send traffic to other tenants' pods (CVE-2021-25740).
        namespaced("Endpoints", "endpoints").read(),
        namespaced("Event", "events").passive().not_kept(),
        namespaced("Binding", "bindings"),
    ]),
    group(RBAC)
        .present()
        .complete()
        .one_version()
        .all_listed(Always)
        .server_defaults(&[("apiGroup", Text(RBAC))])
        .kinds(&[
            cluster("ClusterRole", "clusterroles")
                .floor()
                .apply_order(5)
                .exact(CLUSTER_RULES)
                .read(),
            namespaced("Role", "roles")
                .floor()
                .apply_order(6)
                .exact(RULES)
                .read()
                .needs_namespace(),
            cluster("ClusterRoleBinding", "clusterrolebindings")
                .floor()
                .apply_order(7)
                .exact(BINDING)
                .immutable(ROLE_REF)
                .read(),
            namespaced("RoleBinding", "rolebindings")
                .floor()
                .apply_order(8)
                .exact(BINDING)
                .immutable(ROLE_REF)
                .read()
                .needs_namespace(),
        ]),
    group("networking.k8s.io")
        .present()
        .complete()
        .server_defaults(&[("protocol", Text("TCP"))])
        .kinds(&[
            namespaced("NetworkPolicy", "networkpolicies")
                .one_version()
                .floor()
                .apply_order(3)
                .listed(Always)
                .exact(SPEC)
                .read()
                .needs_namespace(),
            namespaced("Ingress", "ingresses")
                .one_version()
                .tenants_may_have()
                .listed(ForProof)
                .read()
                .needs_namespace(),
            cluster("IngressClass", "ingressclasses"),
            cluster("IPAddress", "ipaddresses"),
            cluster("ServiceCIDR", "servicecidrs"),
        ]),
    group("apps").present().complete().one_version().kinds(&[
        namespaced("Deployment", "deployments")
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace()
            .not_kept(),
        namespaced("StatefulSet", "statefulsets")
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace()
            .not_kept(),
        namespaced("DaemonSet", "daemonsets")
            .tenants_may_have()
            .listed(MetadataAlways)
            .read()
            .needs_namespace()
            .not_kept(),
        namespaced("ReplicaSet", "replicasets")
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace()
            .not_kept(),
        namespaced("ControllerRevision", "controllerrevisions")
            .tenants_may_have()
            .passive()
            .not_kept(),
    ]),
    group("batch").present().complete().one_version().kinds(&[
        namespaced("Job", "jobs")
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace()
            .not_kept(),
        namespaced("CronJob", "cronjobs")
            .tenants_may_have()
            .listed(ForProof)
            .read()
            .needs_namespace()
            .not_kept(),
    ]),
    group("autoscaling")
        .present()
        .complete()
        .kinds(&[
            namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers")
                .version("v2")
                .tenants_may_have()
                .passive(),
        ]),
    group("policy").present().complete().kinds(&[namespaced(
        "PodDisruptionBudget",
        "poddisruptionbudgets",
    )
    .tenants_may_have()
    .passive()]),
    group("coordination.k8s.io").present().complete().kinds(&[
        namespaced("Lease", "leases").tenants_may_have().passive(),
        namespaced("LeaseCandidate", "leasecandidates").version("v1beta1"),
    ]),
    group("discovery.k8s.io").present().complete().kinds(&[
        // Tenants may not have it, for the reason of Endpoints.
        namespaced("EndpointSlice", "endpointslices")
            .read()
            .not_kept(),
    ]),
    group("events.k8s.io")
        .present()
        .kinds(&[namespaced("Event", "events").not_kept()]),
    group("authentication.k8s.io").present(),
    group("authorization.k8s.io").present(),
    group("admissionregistration.k8s.io")
        .present()
        .all_listed(Always)
        .server_defaults(&[
            ("matchPolicy", Text("Equivalent")),
            ("failurePolicy", Text("Fail")),
            ("scope", Text("*")),
            ("namespaceSelector", EmptySelector),
            ("objectSelector", EmptySelector),
        ])
        .kinds(&[
            cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies")
                .one_version()
                .exact(SPEC)
                .read(),
            cluster(
                "ValidatingAdmissionPolicyBinding",
                "validatingadmissionpolicybindings",
            )
            .one_version()
            .exact(SPEC)
            .read(),
            cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies")
                .exact(SPEC)
                .read(),
            cluster(
                "MutatingAdmissionPolicyBinding",
                "mutatingadmissionpolicybindings",
            )
            .exact(SPEC)
            .read(),
            cluster(
                "ValidatingWebhookConfiguration",
                "validatingwebhookconfigurations",
            )
            .read(),
            cluster(
                "MutatingWebhookConfiguration",
                "mutatingwebhookconfigurations",
            )
            .read(),
        ]),
    group("apiextensions.k8s.io").kinds(&[cluster(
        "CustomResourceDefinition",
        "customresourcedefinitions",
    )
    .listed(MetadataAlways)
    .read()
    .not_kept()]),
    group("apiregistration.k8s.io").kinds(&[cluster("APIService", "apiservices")
        .listed(MetadataAlways)
        .read()]),
    group("certificates.k8s.io").present().kinds(&[
        cluster("CertificateSigningRequest", "certificatesigningrequests"),
        cluster("ClusterTrustBundle", "clustertrustbundles").version("v1beta1"),
    ]),
    group("flowcontrol.apiserver.k8s.io").kinds(&[
        cluster("FlowSchema", "flowschemas").read(),
        cluster("PriorityLevelConfiguration", "prioritylevelconfigurations"),
    ]),
    group("node.k8s.io")
        .present()
        .kinds(&[cluster("RuntimeClass", "runtimeclasses")]),
    group("resource.k8s.io").kinds(&[
        cluster("DeviceClass", "deviceclasses"),
        cluster("ResourceClass", "resourceclasses").version("v1alpha2"),
        cluster("ResourceSlice", "resourceslices"),
        cluster("DeviceTaintRule", "devicetaintrules").version("v1beta2"),
        cluster("ResourcePoolStatusRequest", "resourcepoolstatusrequests").version("v1alpha3"),
    ]),
    group("internal.apiserver.k8s.io")
        .kinds(&[cluster("StorageVersion", "storageversions").version("v1alpha1")]),
    group("storagemigration.k8s.io").kinds(&[cluster(
        "StorageVersionMigration",
        "storageversionmigrations",
    )
    .version("v1beta1")]),
    group("scheduling.k8s.io")
        .present()
        .kinds(&[cluster("PriorityClass", "priorityclasses").passive()]),
    group("storage.k8s.io").present().kinds(&[
        cluster("StorageClass", "storageclasses").read(),
        cluster("VolumeAttachment", "volumeattachments"),
        cluster("CSIDriver", "csidrivers").read(),
        cluster("CSINode", "csinodes"),
        cluster("VolumeAttributesClass", "volumeattributesclasses"),
    ]),
];

/// Flux and its operator.
static FLUX: &[Group] = &[
    group("kustomize.toolkit.fluxcd.io")
        .present()
        .all_listed(Always)
        .kinds(&[namespaced("Kustomization", "kustomizations")
            .tenants_may_have()
            .exact(SPEC)
            .read()
            .needs_namespace()]),
    group("helm.toolkit.fluxcd.io")
        .present()
        .all_listed(Always)
        .server_defaults(&[
            ("reconcileStrategy", Text("ChartVersion")),
            ("version", Text("*")),
            ("provider", Text("cosign")),
            ("deletionPropagation", Text("background")),
        ])
        .kinds(&[namespaced("HelmRelease", "helmreleases")
            .version("v2")
            .tenants_may_have()
            .exact(SPEC)
            .read()
            .needs_namespace()]),
    group("source.toolkit.fluxcd.io")
        .present()
        .all_listed(Always)
        .server_defaults(&[
            ("reconcileStrategy", Text("ChartVersion")),
            ("version", Text("*")),
            ("mode", Text("HEAD")),
            ("provider", Text("generic")),
            ("provider", Text("cosign")),
            ("timeout", Text("60s")),
        ])
        .kinds(&[
            namespaced("GitRepository", "gitrepositories")
                .tenants_may_have()
                .exact(SPEC)
                .passive(),
            namespaced("OCIRepository", "ocirepositories")
                .tenants_may_have()
                .exact(SPEC)
                .passive(),
            namespaced("HelmRepository", "helmrepositories")
                .tenants_may_have()
                .exact(SPEC)
                .passive(),
            namespaced("HelmChart", "helmcharts")
                .tenants_may_have()
                .exact(SPEC)
                .passive(),
            namespaced("Bucket", "buckets")
                .tenants_may_have()
                .exact(SPEC)
                .passive(),
            namespaced("ExternalArtifact", "externalartifacts")
                .exact(SPEC)
                .passive(),
        ]),
    group("notification.toolkit.fluxcd.io")
        .present()
        .all_listed(ForProof)
        .kinds(&[
            namespaced("Provider", "providers")
                .version("v1beta3")
                .tenants_may_have()
                .read(),
            namespaced("Alert", "alerts")
                .version("v1beta3")
                .tenants_may_have()
                .read(),
            namespaced("Receiver", "receivers").read(),
        ]),
    group("image.toolkit.fluxcd.io")
        .all_listed(ForProof)
        .kinds(&[
            namespaced("ImageRepository", "imagerepositories").read(),
            namespaced("ImagePolicy", "imagepolicies").read(),
            namespaced("ImageUpdateAutomation", "imageupdateautomations").read(),
        ]),
    group("fluxcd.controlplane.io").all_listed(Always).kinds(&[
        namespaced("ResourceSet", "resourcesets")
            .read()
            .needs_namespace(),
        namespaced("ResourceSetInputProvider", "resourcesetinputproviders").read(),
        namespaced("FluxInstance", "fluxinstances").read(),
        namespaced("FluxReport", "fluxreports").read(),
    ]),
];

/// Argo CD.
static ARGO_CD: &[Group] = &[group("argoproj.io").kinds(&[
    namespaced("Application", "applications")
        .version("v1alpha1")
        .listed(Always)
        .read(),
    namespaced("ApplicationSet", "applicationsets")
        .version("v1alpha1")
        .listed(Always)
        .read(),
    namespaced("AppProject", "appprojects")
        .version("v1alpha1")
        .listed(Always)
        .read(),
])];

/// Network policies of plugins and meshes, and kinds that lead around network policies.
static NETWORK: &[Group] = &[
    group("policy.networking.k8s.io")
        .all_listed(Always)
        .kinds(&[
            cluster("AdminNetworkPolicy", "adminnetworkpolicies")
                .version("v1alpha1")
                .read(),
            cluster("BaselineAdminNetworkPolicy", "baselineadminnetworkpolicies")
                .version("v1alpha1")
                .read(),
            cluster("ClusterNetworkPolicy", "clusternetworkpolicies")
                .version("v1alpha2")
                .read(),
        ]),
    group("security.istio.io")
        .all_listed(Always)
        .kinds(&[namespaced("AuthorizationPolicy", "authorizationpolicies").read()]),
    group("cilium.io").kinds(&[
        namespaced("CiliumNetworkPolicy", "ciliumnetworkpolicies")
            .version("v2")
            .listed(Always)
            .read(),
        cluster(
            "CiliumClusterwideNetworkPolicy",
            "ciliumclusterwidenetworkpolicies",
        )
        .version("v2")
        .listed(Always)
        .read(),
        namespaced("CiliumLocalRedirectPolicy", "ciliumlocalredirectpolicies")
            .version("v2")
            .listed(Always)
            .read(),
    ]),
    group("crd.antrea.io").kinds(&[
        namespaced("NetworkPolicy", "networkpolicies")
            .version("v1beta1")
            .listed(Always)
            .read(),
        cluster("ClusterNetworkPolicy", "clusternetworkpolicies")
            .version("v1beta1")
            .listed(Always)
            .read(),
    ]),
    group("k8s.cni.cncf.io").kinds(&[namespaced(
        "NetworkAttachmentDefinition",
        "network-attachment-definitions",
    )
    .listed(Always)
    .read()]),
    group("k8s.ovn.org").kinds(&[
        namespaced("UserDefinedNetwork", "userdefinednetworks")
            .listed(Always)
            .read(),
        cluster("ClusterUserDefinedNetwork", "clusteruserdefinednetworks")
            .listed(Always)
            .read(),
        namespaced("EgressFirewall", "egressfirewalls")
            .listed(Always)
            .read(),
    ]),
    group("crd.projectcalico.org").kinds(&[
        namespaced("NetworkPolicy", "networkpolicies")
            .listed(Always)
            .read(),
        cluster("GlobalNetworkPolicy", "globalnetworkpolicies")
            .listed(Always)
            .read(),
        namespaced("StagedNetworkPolicy", "stagednetworkpolicies")
            .listed(Always)
            .read(),
        cluster("Tier", "tiers").listed(Always),
    ]),
    group("projectcalico.org").kinds(&[
        namespaced("NetworkPolicy", "networkpolicies")
            .version("v3")
            .listed(Always)
            .read(),
        cluster("GlobalNetworkPolicy", "globalnetworkpolicies")
            .version("v3")
            .listed(Always)
            .read(),
        namespaced("StagedNetworkPolicy", "stagednetworkpolicies")
            .version("v3")
            .listed(Always)
            .read(),
        cluster("Tier", "tiers").version("v3").listed(Always),
    ]),
];

/// Secret stores, routes and snapshots.
static OTHERS: &[Group] = &[
    group("external-secrets.io").kinds(&[
        namespaced("SecretStore", "secretstores")
            .listed(Always)
            .read(),
        cluster("ClusterSecretStore", "clustersecretstores")
            .listed(Always)
            .read(),
        namespaced("ExternalSecret", "externalsecrets")
            .listed(ForProof)
            .read(),
        cluster("ClusterExternalSecret", "clusterexternalsecrets")
            .listed(ForProof)
            .read(),
    ]),
    group("gateway.networking.k8s.io")
        .all_listed(ForProof)
        .kinds(&[
            namespaced("ReferenceGrant", "referencegrants")
                .version("v1beta1")
                .read(),
            cluster("GatewayClass", "gatewayclasses").read(),
        ]),
    group("networking.istio.io").all_listed(ForProof).kinds(&[
        namespaced("VirtualService", "virtualservices").read(),
        namespaced("Gateway", "gateways").read(),
        namespaced("ServiceEntry", "serviceentries").read(),
    ]),
    group("route.openshift.io").kinds(&[namespaced("Route", "routes").listed(ForProof).read()]),
    group("snapshot.storage.k8s.io").kinds(&[cluster(
        "VolumeSnapshotContent",
        "volumesnapshotcontents",
    )
    .listed(ForProof)
    .read()]),
];

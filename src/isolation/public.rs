//! What a cluster shows to everybody, and the kinds of the cluster that hold no tenant's data.

use crate::kube::kinds::Scope;
use crate::kube::resources;
use crate::value::Text;

/// Resources of the cluster, in no namespace, that say how it is set up and hold no tenant's data.
struct ClusterKinds {
    group: &'static str,
    /// The resources; `*` if the group has no others.
    resources: &'static [&'static str],
}

const fn cluster_kinds(group: &'static str, resources: &'static [&'static str]) -> ClusterKinds {
    ClusterKinds { group, resources }
}

/// Calico's own resources, which its API server and its CustomResourceDefinitions both have.
const CALICO: [&str; 12] = [
    "bgpconfigurations",
    "bgpfilters",
    "bgppeers",
    "clusterinformations",
    "felixconfigurations",
    "globalnetworkpolicies",
    "globalnetworksets",
    "hostendpoints",
    "ippools",
    "ipreservations",
    "kubecontrollersconfigurations",
    "tiers",
];

/// The kinds of operators; those of Kubernetes stand in the table of its resources.
///
/// Source: the CustomResourceDefinitions of each project (`spec.scope: Cluster`).
static OF_OPERATORS: [ClusterKinds; 112] = [
    cluster_kinds("cert-manager.io", &["clusterissuers"]),
    cluster_kinds("trust.cert-manager.io", &["bundles", "clusterbundles"]),
    cluster_kinds("policy.cert-manager.io", &["certificaterequestpolicies"]),
    cluster_kinds(
        "kyverno.io",
        &[
            "clustercleanuppolicies",
            "clusterpolicies",
            "globalcontextentries",
        ],
    ),
    cluster_kinds(
        "policies.kyverno.io",
        &[
            "deletingpolicies",
            "generatingpolicies",
            "imagevalidatingpolicies",
            "mutatingpolicies",
            "validatingpolicies",
        ],
    ),
    cluster_kinds("templates.gatekeeper.sh", &["constrainttemplates"]),
    cluster_kinds("constraints.gatekeeper.sh", &["*"]),
    cluster_kinds(
        "policies.kubewarden.io",
        &[
            "clusteradmissionpolicies",
            "clusteradmissionpolicygroups",
            "policyservers",
        ],
    ),
    cluster_kinds(
        "external-secrets.io",
        &[
            "clusterexternalsecrets",
            "clusterpushsecrets",
            "clustersecretstores",
        ],
    ),
    cluster_kinds("projectcalico.org", &CALICO),
    cluster_kinds("crd.projectcalico.org", &CALICO),
    cluster_kinds(
        "operator.tigera.io",
        &[
            "apiservers",
            "gatewayapis",
            "goldmanes",
            "imagesets",
            "installations",
            "tigerastatuses",
            "whiskers",
        ],
    ),
    cluster_kinds(
        "cilium.io",
        &[
            "ciliumbgpadvertisements",
            "ciliumbgpclusterconfigs",
            "ciliumbgppeerconfigs",
            "ciliumbgppeeringpolicies",
            "ciliumcidrgroups",
            "ciliumclusterwideenvoyconfigs",
            "ciliumclusterwidenetworkpolicies",
            "ciliumegressgatewaypolicies",
            "ciliuml2announcementpolicies",
            "ciliumloadbalancerippools",
            "ciliumnodes",
            "ciliumpodippools",
        ],
    ),
    cluster_kinds(
        "policy.networking.k8s.io",
        &[
            "adminnetworkpolicies",
            "baselineadminnetworkpolicies",
            "clusternetworkpolicies",
        ],
    ),
    cluster_kinds("gateway.networking.k8s.io", &["gatewayclasses"]),
    cluster_kinds(
        "snapshot.storage.k8s.io",
        &["volumesnapshotclasses", "volumesnapshotcontents"],
    ),
    cluster_kinds(
        "groupsnapshot.storage.k8s.io",
        &["volumegroupsnapshotclasses", "volumegroupsnapshotcontents"],
    ),
    cluster_kinds("metrics.k8s.io", &["nodes"]),
    cluster_kinds(
        "subresources.kubevirt.io",
        &["guestfs", "healthz", "version"],
    ),
    cluster_kinds(
        "instancetype.kubevirt.io",
        &[
            "virtualmachineclusterinstancetypes",
            "virtualmachineclusterpreferences",
        ],
    ),
    cluster_kinds(
        "cdi.kubevirt.io",
        &["cdiconfigs", "cdis", "storageprofiles"],
    ),
    cluster_kinds(
        "kueue.x-k8s.io",
        &[
            "admissionchecks",
            "clusterqueues",
            "cohorts",
            "resourceflavors",
            "topologies",
            "workloadpriorityclasses",
        ],
    ),
    cluster_kinds(
        "argoproj.io",
        &["clusteranalysistemplates", "clusterworkflowtemplates"],
    ),
    cluster_kinds("tekton.dev", &["clustertasks"]),
    cluster_kinds(
        "triggers.tekton.dev",
        &["clusterinterceptors", "clustertriggerbindings"],
    ),
    cluster_kinds(
        "apiextensions.crossplane.io",
        &[
            "compositeresourcedefinitions",
            "compositionrevisions",
            "compositions",
            "environmentconfigs",
            "managedresourceactivationpolicies",
            "managedresourcedefinitions",
        ],
    ),
    cluster_kinds(
        "pkg.crossplane.io",
        &[
            "configurationrevisions",
            "configurations",
            "deploymentruntimeconfigs",
            "functionrevisions",
            "functions",
            "imageconfigs",
            "providerrevisions",
            "providers",
        ],
    ),
    cluster_kinds("karpenter.sh", &["nodeclaims", "nodepools"]),
    cluster_kinds("karpenter.k8s.aws", &["ec2nodeclasses"]),
    cluster_kinds(
        "serving.kserve.io",
        &["clusterservingruntimes", "clusterstoragecontainers"],
    ),
    cluster_kinds("config.openshift.io", &["*"]),
    cluster_kinds("project.openshift.io", &["projectrequests"]),
    cluster_kinds("helm.openshift.io", &["helmchartrepositories"]),
    cluster_kinds(
        "authorization.openshift.io",
        &["clusterrolebindings", "clusterroles"],
    ),
    cluster_kinds("console.openshift.io", &["*"]),
    cluster_kinds("policy.karmada.io", &["clusterpropagationpolicies"]),
    cluster_kinds("wgpolicyk8s.io", &["clusterpolicyreports"]),
    cluster_kinds("openreports.io", &["clusterreports"]),
    cluster_kinds(
        "mutations.gatekeeper.sh",
        &["assign", "assignimage", "assignmetadata", "modifyset"],
    ),
    cluster_kinds("externaldata.gatekeeper.sh", &["providers"]),
    cluster_kinds("expansion.gatekeeper.sh", &["expansiontemplate"]),
    cluster_kinds("syncset.gatekeeper.sh", &["syncsets"]),
    cluster_kinds("generators.external-secrets.io", &["clustergenerators"]),
    cluster_kinds("awspca.cert-manager.io", &["awspcaclusterissuers"]),
    cluster_kinds("cas-issuer.jetstack.io", &["googlecasclusterissuers"]),
    cluster_kinds("certmanager.step.sm", &["stepclusterissuers"]),
    cluster_kinds("networking.internal.knative.dev", &["clusterdomainclaims"]),
    cluster_kinds("shipwright.io", &["clusterbuildstrategies"]),
    cluster_kinds("keda.sh", &["clustertriggerauthentications"]),
    cluster_kinds("scheduling.volcano.sh", &["queues"]),
    cluster_kinds("karpenter.azure.com", &["aksnodeclasses"]),
    cluster_kinds("eks.amazonaws.com", &["nodeclasses"]),
    cluster_kinds("capsule.clastix.io", &["capsuleconfigurations", "tenants"]),
    cluster_kinds("hnc.x-k8s.io", &["hncconfigurations"]),
    cluster_kinds("migrations.kubevirt.io", &["migrationpolicies"]),
    cluster_kinds(
        "nmstate.io",
        &["nodenetworkconfigurationpolicies", "nodenetworkstates"],
    ),
    cluster_kinds("nfd.k8s-sigs.io", &["nodefeaturerules"]),
    cluster_kinds("quota.openshift.io", &["clusterresourcequotas"]),
    cluster_kinds("security.openshift.io", &["securitycontextconstraints"]),
    cluster_kinds("machineconfiguration.openshift.io", &["machineconfigpools"]),
    cluster_kinds(
        "spire.spiffe.io",
        &[
            "clusterfederatedtrustdomains",
            "clusterspiffeids",
            "clusterstaticentries",
        ],
    ),
    cluster_kinds(
        "cluster.open-cluster-management.io",
        &["managedclusters", "managedclustersets"],
    ),
    cluster_kinds(
        "configuration.konghq.com",
        &["kongclusterplugins", "kongvaults"],
    ),
    cluster_kinds("elbv2.k8s.aws", &["ingressclassparams"]),
    cluster_kinds("vpcresources.k8s.aws", &["cninodes"]),
    cluster_kinds("crd.k8s.amazonaws.com", &["eniconfigs"]),
    cluster_kinds("cloud.google.com", &["computeclasses"]),
    cluster_kinds(
        "authentication.concierge.pinniped.dev",
        &["jwtauthenticators", "webhookauthenticators"],
    ),
    cluster_kinds(
        "olm.operatorframework.io",
        &["clustercatalogs", "clusterextensions"],
    ),
    cluster_kinds("operators.coreos.com", &["olmconfigs", "operators"]),
    cluster_kinds("trainer.kubeflow.org", &["clustertrainingruntimes"]),
    cluster_kinds(
        "replication.storage.openshift.io",
        &["volumereplicationclasses"],
    ),
    cluster_kinds("about.k8s.io", &["clusterproperties"]),
    cluster_kinds(
        "addon.open-cluster-management.io",
        &["clustermanagementaddons"],
    ),
    cluster_kinds("apiserver.openshift.io", &["apirequestcounts"]),
    cluster_kinds(
        "apps.kruise.io",
        &["nodeimages", "nodepodprobes", "sidecarsets"],
    ),
    cluster_kinds(
        "aquasecurity.github.io",
        &[
            "clustercompliancedetailreports",
            "clustercompliancereports",
            "clusterconfigauditreports",
            "clusterinfraassessmentreports",
            "clusterrbacassessmentreports",
            "clustersbomreports",
            "clustervulnerabilityreports",
        ],
    ),
    cluster_kinds("catalog.cattle.io", &["clusterrepos"]),
    cluster_kinds("config.projectsveltos.io", &["clusterprofiles"]),
    cluster_kinds(
        "crd.antrea.io",
        &[
            "antreaagentinfos",
            "antreacontrollerinfos",
            "bgppolicies",
            "clustergroups",
            "clusternetworkpolicies",
            "egresses",
            "externalippools",
            "ippools",
            "nodelatencymonitors",
            "tiers",
        ],
    ),
    cluster_kinds(
        "deviceplugin.intel.com",
        &[
            "dlbdeviceplugins",
            "dsadeviceplugins",
            "fpgadeviceplugins",
            "gpudeviceplugins",
            "iaadeviceplugins",
            "npudeviceplugins",
            "qatdeviceplugins",
            "sgxdeviceplugins",
        ],
    ),
    cluster_kinds(
        "fluentbit.fluent.io",
        &[
            "clusterfilters",
            "clusterfluentbitconfigs",
            "clusterinputs",
            "clustermultilineparsers",
            "clusteroutputs",
            "clusterparsers",
        ],
    ),
    cluster_kinds(
        "fluentd.fluent.io",
        &[
            "clusterfilters",
            "clusterfluentdconfigs",
            "clusterinputs",
            "clusteroutputs",
        ],
    ),
    cluster_kinds(
        "imageregistry.operator.openshift.io",
        &["configs", "imagepruners"],
    ),
    cluster_kinds(
        "k8s.ovn.org",
        &[
            "adminpolicybasedexternalroutes",
            "clusteruserdefinednetworks",
            "egressips",
            "routeadvertisements",
        ],
    ),
    cluster_kinds("kro.run", &["resourcegraphdefinitions"]),
    cluster_kinds("kubeflow.org", &["profiles"]),
    cluster_kinds(
        "kubeovn.io",
        &[
            "ippools",
            "provider-networks",
            "subnets",
            "vlans",
            "vpc-nat-gateways",
            "vpcs",
        ],
    ),
    cluster_kinds(
        "logging.banzaicloud.io",
        &["fluentbitagents", "loggingroutes", "loggings", "nodeagents"],
    ),
    cluster_kinds(
        "management.cattle.io",
        &[
            "features",
            "globalroles",
            "kontainerdrivers",
            "nodedrivers",
            "roletemplates",
        ],
    ),
    cluster_kinds(
        "mellanox.com",
        &[
            "hostdevicenetworks",
            "ipoibnetworks",
            "macvlannetworks",
            "nicclusterpolicies",
        ],
    ),
    cluster_kinds(
        "metacontroller.k8s.io",
        &["compositecontrollers", "decoratorcontrollers"],
    ),
    cluster_kinds(
        "monitoring.googleapis.com",
        &[
            "clusternodemonitorings",
            "clusterpodmonitorings",
            "clusterrules",
            "globalrules",
        ],
    ),
    cluster_kinds(
        "network.openshift.io",
        &["clusternetworks", "hostsubnets", "netnamespaces"],
    ),
    cluster_kinds("networking.gke.io", &["gkenetworkparamsets", "networks"]),
    cluster_kinds("nodemaintenance.medik8s.io", &["nodemaintenances"]),
    cluster_kinds("nvidia.com", &["clusterpolicies", "nvidiadrivers"]),
    cluster_kinds(
        "objectstorage.k8s.io",
        &["bucketaccessclasses", "bucketclasses"],
    ),
    cluster_kinds(
        "operator.open-cluster-management.io",
        &["clustermanagers", "klusterlets"],
    ),
    cluster_kinds(
        "operator.openshift.io",
        &[
            "clustercsidrivers",
            "configs",
            "consoles",
            "csisnapshotcontrollers",
            "dnses",
            "etcds",
            "imagecontentsourcepolicies",
            "kubeapiservers",
            "kubecontrollermanagers",
            "kubeschedulers",
            "kubestorageversionmigrators",
            "machineconfigurations",
            "networks",
            "openshiftapiservers",
            "openshiftcontrollermanagers",
            "storages",
        ],
    ),
    cluster_kinds(
        "operator.tekton.dev",
        &[
            "tektonaddons",
            "tektonchains",
            "tektonconfigs",
            "tektondashboards",
            "tektonhubs",
            "tektoninstallersets",
            "tektonpipelines",
            "tektonresults",
            "tektontriggers",
        ],
    ),
    cluster_kinds(
        "piraeus.io",
        &[
            "linstorclusters",
            "linstornodeconnections",
            "linstorsatelliteconfigurations",
            "linstorsatellites",
        ],
    ),
    cluster_kinds(
        "policy.sigstore.dev",
        &["clusterimagepolicies", "trustroots"],
    ),
    cluster_kinds("populator.storage.k8s.io", &["volumepopulators"]),
    cluster_kinds("postgresql.cnpg.io", &["clusterimagecatalogs"]),
    cluster_kinds("protection.crossplane.io", &["clusterusages"]),
    cluster_kinds("rbacmanager.reactiveops.io", &["rbacdefinitions"]),
    cluster_kinds(
        "sailoperator.io",
        &[
            "istiocnis",
            "istiorevisions",
            "istiorevisiontags",
            "istios",
            "ztunnels",
        ],
    ),
    cluster_kinds("samples.operator.openshift.io", &["configs"]),
    cluster_kinds(
        "tailscale.com",
        &[
            "connectors",
            "dnsconfigs",
            "proxyclasses",
            "proxygroups",
            "recorders",
        ],
    ),
    cluster_kinds("topology.volcano.sh", &["hypernodes"]),
    cluster_kinds("topolvm.io", &["logicalvolumes"]),
];

/// Whether a resource is one of the cluster, in no namespace, whose objects hold no tenant's data.
/// The group counts: `nodes` of another group are not Kubernetes' nodes.
pub fn is_cluster_kind(group: &str, resource: &str) -> bool {
    let of_kubernetes =
        || resources::find(group, resource).is_some_and(|known| known.scope == Scope::Cluster);
    let lists = |kinds: &ClusterKinds| {
        kinds.group == group && (kinds.resources.contains(&resource) || kinds.resources == ["*"])
    };
    of_kubernetes() || (resource != "*" && OF_OPERATORS.iter().any(lists))
}

/// Requests that a server answers to everybody with what is the requester's own, or that need a secret
/// beside them.
struct OwnRequest {
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    /// The names of which alone that is so; empty for every name.
    names: &'static [&'static str],
}

const fn own_request(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
) -> OwnRequest {
    OwnRequest {
        group,
        resource,
        verbs,
        names: &[],
    }
}

/// Source: openshift/openshift-apiserver `pkg/bootstrappolicy` (basic-user, self-access-reviewer,
/// system:oauth-token-deleter, system:webhook, system:build-strategy-*). The names of tokens are
/// secrets; a project says what its Namespace says; a build strategy is no object; the named
/// constraints let a pod do no more than Pod Security's `baseline`.
static OWN_REQUESTS: [OwnRequest; 10] = [
    OwnRequest {
        names: &["~"],
        ..own_request("user.openshift.io", "users", &["get"])
    },
    own_request(
        "project.openshift.io",
        "projects",
        &["get", "list", "watch"],
    ),
    own_request("oauth.openshift.io", "oauthaccesstokens", &["delete"]),
    own_request("oauth.openshift.io", "oauthauthorizetokens", &["delete"]),
    own_request(
        "oauth.openshift.io",
        "useroauthaccesstokens",
        &["get", "list", "watch", "delete"],
    ),
    own_request(
        "build.openshift.io",
        "buildconfigs/webhooks",
        &["get", "create"],
    ),
    own_request("build.openshift.io", "builds/docker", &["create"]),
    own_request("build.openshift.io", "builds/source", &["create"]),
    own_request("build.openshift.io", "builds/jenkinspipeline", &["create"]),
    OwnRequest {
        names: &[
            "nonroot",
            "nonroot-v2",
            "restricted",
            "restricted-v2",
            "restricted-v3",
        ],
        ..own_request(
            "security.openshift.io",
            "securitycontextconstraints",
            &["use"],
        )
    },
];

/// Whether everybody may make a request, which gets what is the requester's own. `resource` has its
/// subresource.
pub fn is_own_request(group: &str, resource: &str, verb: &str, names: &[Text]) -> bool {
    OWN_REQUESTS.iter().any(|own| {
        own.group == group
            && own.resource == resource
            && own.verbs.contains(&verb)
            && (own.names.is_empty()
                || !names.is_empty() && names.iter().all(|name| own.names.contains(&name.as_str())))
    })
}

/// Objects of a platform namespace that are there for everybody to read.
struct Shown {
    namespace: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
}

/// Source: kubernetes.io/docs/concepts/overview/working-with-objects/namespaces (kube-public), and
/// docs.openshift.com (the shared resources of the project `openshift`).
static SHOWN: [Shown; 3] = [
    Shown {
        namespace: "kube-public",
        group: "",
        resources: &["configmaps"],
    },
    Shown {
        namespace: "openshift",
        group: "image.openshift.io",
        resources: &[
            "imagestreams",
            "imagestreamtags",
            "imagestreamimages",
            "imagetags",
        ],
    },
    Shown {
        namespace: "openshift",
        group: "template.openshift.io",
        resources: &["templates"],
    },
];

/// Whether a namespace is there to show its objects of a resource to everybody.
pub fn is_shown_in(namespace: &str, group: &str, resource: &str) -> bool {
    SHOWN.iter().any(|shown| {
        shown.namespace == namespace && shown.group == group && shown.resources.contains(&resource)
    })
}

/// Paths of the API server that everybody may read: version, health, discovery, and the keys of its
/// tokens.
///
/// Metrics, logs and profiles belong to the control plane.
const PATHS: [&str; 11] = [
    "/api",
    "/apis",
    "/healthz",
    "/livez",
    "/readyz",
    "/version",
    "/openapi",
    "/openid",
    "/swagger",
    "/swaggerapi",
    "/.well-known",
];

/// Whether everybody may read a path.
pub fn is_path(path: &str) -> bool {
    path == "/"
        || path == "/swagger.json"
        || PATHS.iter().any(|public| {
            path.strip_prefix(public)
                .is_some_and(|rest| rest.is_empty() || rest == "*" || rest.starts_with('/'))
        })
}

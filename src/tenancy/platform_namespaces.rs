//! The namespaces that distributions, clouds and the usual charts of a platform install into. Where
//! no fleet says whose a namespace is, one of these is the platform's.

use super::model::Tenant;
use super::{ClaimKey, Prior, reserved};
use crate::diagnostic::{Diagnostic, rule};
use crate::kube::names::glob;
use crate::spec::fleet::FleetSpec;
use std::collections::BTreeSet;

rule! {
    /// A tenant takes a namespace into which a component of the platform usually installs.
    ///
    /// ## What it finds
    /// A name of a list, such as `cert-manager`, `ingress-nginx`, `istio-system`, `kyverno`,
    /// `monitoring` or `cattle-*`. A tenant that has the namespace in the lock keeps it. Namespaces of
    /// `platformNamespaces`, `reserved`, `dns` and endpoints are `tenancy/reserved-name`.
    ///
    /// ## Why it matters
    /// The owners of the tenant would be bound in the namespace of the component, which often has
    /// rights over the whole cluster; the tenant's floor would stop it.
    ///
    /// ## Fix
    /// Take another name. If the namespace is the tenant's, list its name in fleet.tenantNamespaces;
    /// `import` does so.
    pub static PLATFORM_NAME = "tenancy/platform-name", Error;
}

/// Namespaces of one project or distribution.
struct UsualNamespaces {
    /// The names; a `*` at the end stands for any rest.
    names: &'static [&'static str],
    /// What installs into them.
    of: &'static str,
}

const fn names(of: &'static str, names: &'static [&'static str]) -> UsualNamespaces {
    UsualNamespaces { names, of }
}

/// The namespaces that each project's own manifests, chart or installation guide names, besides those
/// that [`super::reserved`] knows: of Kubernetes, OpenShift, Flux and Argo CD.
///
/// Source: the project's installation guide, at the address that the row ends with.
static USUAL: [UsualNamespaces; 79] = [
    // Networks and meshes.
    names(
        "Calico (docs.tigera.io)",
        &["calico-system", "calico-apiserver", "tigera-*"],
    ),
    names(
        "Cilium (docs.cilium.io)",
        &["cilium-secrets", "cilium-spire"],
    ),
    names(
        "Consul (developer.hashicorp.com/consul/docs/k8s)",
        &["consul"],
    ),
    names(
        "Istio (istio.io/latest/docs/setup)",
        &["istio-system", "istio-ingress", "istio-operator"],
    ),
    names(
        "Linkerd (linkerd.io/2/tasks/install)",
        &["linkerd", "linkerd-*"],
    ),
    names("MetalLB (metallb.io/installation)", &["metallb-system"]),
    names(
        "Submariner (submariner.io/operations/deployment)",
        &["submariner-*"],
    ),
    // Ingress, names and certificates.
    names(
        "cert-manager (cert-manager.io/docs/installation)",
        &["cert-manager"],
    ),
    names(
        "Contour (projectcontour.io/getting-started)",
        &["projectcontour"],
    ),
    names(
        "Emissary-ingress (emissary-ingress.dev/docs)",
        &["emissary", "emissary-system"],
    ),
    names(
        "Envoy Gateway (gateway.envoyproxy.io/docs/install)",
        &["envoy-gateway-system"],
    ),
    names(
        "ExternalDNS (kubernetes-sigs.github.io/external-dns)",
        &["external-dns"],
    ),
    names(
        "HAProxy (haproxy.com/documentation/kubernetes-ingress)",
        &["haproxy-controller"],
    ),
    names(
        "ingress-nginx (kubernetes.github.io/ingress-nginx/deploy)",
        &["ingress-nginx"],
    ),
    names(
        "Kong (docs.konghq.com/kubernetes-ingress-controller)",
        &["kong", "kong-system"],
    ),
    names(
        "NGINX Ingress Controller (docs.nginx.com)",
        &["nginx-ingress"],
    ),
    names(
        "Traefik (doc.traefik.io/traefik/getting-started/install-traefik)",
        &["traefik"],
    ),
    // Policies, secrets and tenancy.
    names(
        "Capsule (projectcapsule.dev/docs/operating/setup)",
        &["capsule-system"],
    ),
    names(
        "External Secrets (external-secrets.io/latest/introduction/getting-started)",
        &["external-secrets"],
    ),
    names(
        "Gatekeeper (open-policy-agent.github.io/gatekeeper)",
        &["gatekeeper-system"],
    ),
    names(
        "Hierarchical namespaces (kubernetes-sigs/hierarchical-namespaces)",
        &["hnc-system"],
    ),
    names("Kubewarden (docs.kubewarden.io)", &["kubewarden"]),
    names("Kyverno (kyverno.io/docs/installation)", &["kyverno"]),
    names(
        "Vault (developer.hashicorp.com/vault/docs/platform/k8s)",
        &["vault", "vault-secrets-operator-system"],
    ),
    // Monitoring and security.
    names(
        "Falco (falco.org/docs/setup/kubernetes)",
        &["falco", "falco-operator"],
    ),
    names(
        "kube-prometheus (prometheus-operator/kube-prometheus)",
        &["monitoring"],
    ),
    names("NeuVector (open-docs.neuvector.com)", &["neuvector"]),
    names(
        "OpenTelemetry (opentelemetry.io/docs/platforms/kubernetes/operator)",
        &["opentelemetry-operator-system"],
    ),
    names(
        "Trivy Operator (aquasecurity.github.io/trivy-operator)",
        &["trivy-system"],
    ),
    // Storage and backup.
    names(
        "local-path-provisioner (rancher/local-path-provisioner)",
        &["local-path-storage"],
    ),
    names("Longhorn (longhorn.io/docs)", &["longhorn-system"]),
    names(
        "MinIO Operator (min.io/docs/minio/kubernetes)",
        &["minio-operator"],
    ),
    names("OpenEBS (openebs.io/docs)", &["openebs"]),
    names("Rook (rook.io/docs/rook/latest)", &["rook-ceph"]),
    names("TopoLVM (topolvm/topolvm)", &["topolvm-system"]),
    names("Trident (docs.netapp.com/us-en/trident)", &["trident"]),
    names("Velero (velero.io/docs)", &["velero"]),
    names("Cilium (docs.cilium.io)", &["cilium"]),
    names("Datadog (docs.datadoghq.com/containers)", &["datadog"]),
    names("Dynatrace (docs.dynatrace.com)", &["dynatrace"]),
    names("Gloo (docs.solo.io)", &["gloo-system"]),
    names("Kuma (kuma.io/docs)", &["kuma-system"]),
    names("Portworx (docs.portworx.com)", &["portworx"]),
    names(
        "Sealed Secrets (github.com/bitnami-labs/sealed-secrets)",
        &["sealed-secrets"],
    ),
    names("SPIRE (spiffe.io/docs)", &["spire"]),
    names("StackRox (docs.stackrox.io)", &["stackrox"]),
    names("Tailscale (tailscale.com/kb)", &["tailscale"]),
    names("Teleport (goteleport.com/docs)", &["teleport"]),
    // Operators and engines.
    names(
        "Actions Runner Controller (docs.github.com/actions)",
        &["arc-runners", "arc-systems", "actions-runner-system"],
    ),
    names(
        "Elastic Cloud on Kubernetes (elastic.co/docs/deploy-manage)",
        &["elastic-system"],
    ),
    names(
        "Jaeger Operator (jaegertracing/jaeger-operator)",
        &["observability"],
    ),
    names("Kiali (kiali.io/docs/installation)", &["kiali-operator"]),
    names(
        "Kubeflow (github.com/kubeflow/manifests)",
        &["kubeflow", "kubeflow-system"],
    ),
    names(
        "Kubernetes Dashboard (github.com/kubernetes/dashboard)",
        &["kubernetes-dashboard"],
    ),
    names(
        "Argo (argoproj.github.io)",
        &["argo", "argo-events", "argo-rollouts", "argocd-*"],
    ),
    names(
        "CloudNativePG (cloudnative-pg.io/documentation)",
        &["cnpg-system"],
    ),
    names(
        "Cluster API (cluster-api.sigs.k8s.io)",
        &["capi-*", "capa-system", "capg-system", "capz-system"],
    ),
    names(
        "Crossplane (docs.crossplane.io)",
        &["crossplane-system", "upbound-system"],
    ),
    names("Dapr (docs.dapr.io)", &["dapr-system"]),
    names(
        "JobSet and LeaderWorkerSet (jobset.sigs.k8s.io)",
        &["jobset-system", "lws-system"],
    ),
    names("KEDA (keda.sh/docs/latest/deploy)", &["keda"]),
    names(
        "Knative (knative.dev/docs/install)",
        &["knative-eventing", "knative-operator", "knative-serving"],
    ),
    names("KubeVirt (kubevirt.io/user-guide)", &["cdi", "kubevirt"]),
    names(
        "Kueue (kueue.sigs.k8s.io/docs/installation)",
        &["kueue-system"],
    ),
    names(
        "Node Feature Discovery (kubernetes-sigs.github.io/node-feature-discovery)",
        &["node-feature-discovery"],
    ),
    names(
        "NVIDIA (docs.nvidia.com/datacenter/cloud-native)",
        &[
            "gpu-operator",
            "nvidia-gpu-operator",
            "nvidia-network-operator",
        ],
    ),
    names(
        "Operator Lifecycle Manager (olm.operatorframework.io)",
        &["olm", "operators"],
    ),
    names(
        "Tekton (tekton.dev/docs/installation)",
        &[
            "tekton-operator",
            "tekton-pipelines",
            "tekton-pipelines-resolvers",
        ],
    ),
    names(
        "Volcano (volcano.sh/en/docs/installation)",
        &["volcano-system"],
    ),
    // Distributions and clouds.
    names(
        "AKS (learn.microsoft.com/azure/aks)",
        &[
            "aks-*",
            "app-routing-system",
            "azure-arc",
            "azure-workload-identity-system",
        ],
    ),
    names("Deckhouse (deckhouse.io/documentation)", &["d8-*"]),
    names(
        "EKS (docs.aws.amazon.com/eks)",
        &["amazon-cloudwatch", "amazon-guardduty", "aws-observability"],
    ),
    names(
        "GKE (cloud.google.com/kubernetes-engine/docs)",
        &["gke-*", "gmp-public", "gmp-system", "asm-system"],
    ),
    names(
        "Google Cloud's Config Sync and Config Connector (cloud.google.com)",
        &[
            "cnrm-system",
            "config-management-*",
            "configconnector-operator-system",
            "resource-group-system",
        ],
    ),
    names("Karpenter (karpenter.sh/docs)", &["karpenter"]),
    names("KubeSphere (kubesphere.io/docs)", &["kubesphere-*"]),
    names(
        "Open Cluster Management (open-cluster-management.io)",
        &[
            "multicluster-engine",
            "open-cluster-management",
            "open-cluster-management-*",
        ],
    ),
    names(
        "Rancher (ranchermanager.docs.rancher.com)",
        &[
            "cattle-*",
            "cluster-fleet-*",
            "fleet-default",
            "fleet-local",
            "rancher-operator-system",
            "system-upgrade",
        ],
    ),
    names(
        "Tanzu (docs.vmware.com)",
        &["tkg-system", "vmware-system-*"],
    ),
];

/// What usually installs into a namespace of this name; `None` if the name says nothing.
pub fn usual_platform(name: &str) -> Option<&'static str> {
    let is_it = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => name.len() > start.len() && name.starts_with(start),
        None => name == *pattern,
    };
    let row = USUAL.iter().find(|row| row.names.iter().any(&is_it))?;
    Some(row.of)
}

/// Whose a namespace is by its name, if not a tenant's: a reserved one, or a usual one of a platform that
/// the fleet does not give to tenants.
pub fn platform_owner(fleet: &FleetSpec, name: &str) -> Option<String> {
    if let Some(owner) = reserved(fleet, name) {
        return Some(owner);
    }
    let mut given = fleet.tenant_namespaces.iter().flatten();
    let usual = usual_platform(name).filter(|_| !given.any(|given| given.as_str() == name))?;
    Some(format!("the platform's {usual}"))
}

/// Reports each namespace of a tenant that is the platform's by its name, unless the fleet lists it or
/// the records have it as the tenant's.
pub(super) fn check(
    tenants: &[Tenant],
    fleet: &FleetSpec,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let listed = fleet.tenant_namespaces.iter().flatten();
    let listed: BTreeSet<&str> = listed.map(|name| name.as_str()).collect();
    for tenant in tenants {
        let own = tenant.name.value.as_str();
        let mut reported = BTreeSet::new();
        for on in &tenant.on {
            let cluster = fleet.clusters[on.cluster].name.as_str();
            for namespace in &on.namespaces {
                let name = namespace.name.as_str();
                let Some(usual) = usual_platform(name).filter(|_| !listed.contains(name)) else {
                    continue;
                };
                let has_it = prior
                    .holders(&ClaimKey::namespace(cluster, name))
                    .any(|holder| holder == own);
                if has_it || !reported.insert(name) {
                    continue;
                }
                let message = format!("the namespace `{name}` is usual for the platform's {usual}");
                let fix = "take another name; or, if it is the tenant's, list it in \
                           fleet.tenantNamespaces";
                out.push(
                    Diagnostic::new(&PLATFORM_NAME, namespace.span, message)
                        .fix(fix)
                        .tenant(own),
                );
            }
        }
    }
}

/// Which namespaces are the platform's where no fleet says it.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlatformNames<'a> {
    /// Patterns of namespaces that are the platform's.
    pub platform: &'a [String],
    /// Patterns of namespaces that are tenants', whatever their names say.
    pub tenants: &'a [String],
}

impl PlatformNames<'_> {
    /// Why a namespace is the platform's by its name, as a clause; `None` if it is not. `is_grouped` is
    /// whether a label or an annotation names its tenant.
    pub fn reason(&self, name: &str, is_grouped: bool) -> Option<String> {
        let is_one = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, name));
        if is_one(self.tenants) {
            return None;
        }
        if is_one(self.platform) {
            return Some("`--platform-namespace` names it".to_owned());
        }
        if let Some(owner) = reserved(&FleetSpec::default(), name) {
            return Some(format!("its name belongs to {owner}"));
        }
        let usual = usual_platform(name).filter(|_| !is_grouped)?;
        Some(format!(
            "its name is usual for the platform's {usual}; --tenant-namespace {name} takes it"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_namespaces_and_stand_once() {
        let mut seen = BTreeSet::new();
        for row in &USUAL {
            assert!(row.of.contains('('), "{}: no source", row.of);
            for name in row.names {
                let plain = name.strip_suffix('*').unwrap_or(name);
                let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(plain.len() > 2 && plain.chars().all(is_name), "{name}");
                assert!(seen.insert(*name), "{name} stands twice");
            }
        }
    }

    #[test]
    fn a_pattern_needs_a_rest() {
        assert!(usual_platform("cattle-system").is_some());
        assert!(usual_platform("cattle-").is_none());
        assert!(usual_platform("shop").is_none() && usual_platform("my-monitoring").is_none());
    }
}

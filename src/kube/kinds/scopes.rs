//! Which kinds outside the table are in namespaces.
//!
//! Source: the custom resource definitions that each project ships.

/// An API group whose kinds are in namespaces, except some.
struct NamespacedGroup {
    name: &'static str,
    /// The kinds that belong to the cluster, besides those called `Cluster…` and `Global…`.
    cluster: &'static [&'static str],
}

const fn group(name: &'static str) -> NamespacedGroup {
    NamespacedGroup { name, cluster: &[] }
}

const fn except(name: &'static str, cluster: &'static [&'static str]) -> NamespacedGroup {
    NamespacedGroup { name, cluster }
}

static GROUPS: [NamespacedGroup; 40] = [
    group("acme.cert-manager.io"),
    group("apisix.apache.org"),
    group("argoproj.io"),
    group("authorization.openshift.io"),
    group("bitnami.com"),
    group("cert-manager.io"),
    except("configuration.konghq.com", &["KongLicense", "KongVault"]),
    group("core.strimzi.io"),
    group("eventing.knative.dev"),
    group("extensions.istio.io"),
    group("external-secrets.io"),
    group("externaldns.k8s.io"),
    group("gateway.envoyproxy.io"),
    except("gateway.networking.k8s.io", &["GatewayClass"]),
    group("generators.external-secrets.io"),
    group("getambassador.io"),
    except(
        "groupsnapshot.storage.k8s.io",
        &["VolumeGroupSnapshotClass", "VolumeGroupSnapshotContent"],
    ),
    group("helm.cattle.io"),
    group("infra.contrib.fluxcd.io"),
    group("jobset.x-k8s.io"),
    group("k8s.nginx.org"),
    group("kafka.strimzi.io"),
    group("keda.sh"),
    group("kubevirt.io"),
    group("messaging.knative.dev"),
    group("monitoring.coreos.com"),
    group("networking.istio.io"),
    except("operators.coreos.com", &["OLMConfig", "Operator"]),
    group("postgresql.cnpg.io"),
    group("projectcontour.io"),
    group("secrets.hashicorp.com"),
    group("security.istio.io"),
    group("serving.knative.dev"),
    except(
        "snapshot.storage.k8s.io",
        &["VolumeSnapshotClass", "VolumeSnapshotContent"],
    ),
    group("sources.knative.dev"),
    group("tekton.dev"),
    group("telemetry.istio.io"),
    group("traefik.containo.us"),
    group("traefik.io"),
    group("triggers.tekton.dev"),
];

/// Kinds in namespaces, of groups that have others.
static KINDS: [(&str, &str); 6] = [
    ("capsule.clastix.io", "TenantResource"),
    ("cilium.io", "CiliumEnvoyConfig"),
    ("hive.openshift.io", "SyncSet"),
    ("kyverno.io", "CleanupPolicy"),
    ("kyverno.io", "Policy"),
    ("work.open-cluster-management.io", "ManifestWork"),
];

/// Whether a kind that has no row in the table is known to be in namespaces.
pub(super) fn is_namespaced(group: &str, kind: &str) -> bool {
    let is_wide = kind.starts_with("Global") || (kind.starts_with("Cluster") && kind != "Cluster");
    let in_group = GROUPS.iter().find(|known| known.name == group);

    KINDS.contains(&(group, kind))
        || in_group.is_some_and(|known| !is_wide && !known.cluster.contains(&kind))
}

//! Keys of labels and annotations that more than one stage sets or reads.

/// Label on every rendered object: the fleet that renders it (`metadata.name` of the fleet).
pub const OWNER_LABEL: &str = "tenantry.dev/owner";

/// Label on every object of a tenant: the name of the tenant.
pub const TENANT_LABEL: &str = "tenantry.dev/tenant";

/// Label that Kubernetes gives each Namespace, with its name. Nobody can change it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Prefix of the labels of a Namespace that choose its Pod Security levels.
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/";

/// Label of a Namespace: the Pod Security level that the API server enforces in it.
pub const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";

/// Label of a Namespace: the version of the level that the API server enforces.
pub const ENFORCE_VERSION_LABEL: &str = "pod-security.kubernetes.io/enforce-version";

/// Label of a Namespace: the Pod Security level of audit events.
pub const AUDIT_LABEL: &str = "pod-security.kubernetes.io/audit";

/// Label of a Namespace: the version of the level of audit events.
pub const AUDIT_VERSION_LABEL: &str = "pod-security.kubernetes.io/audit-version";

/// Label of a Namespace: the Pod Security level of warnings.
pub const WARN_LABEL: &str = "pod-security.kubernetes.io/warn";

/// Label of a Namespace: the version of the level of warnings.
pub const WARN_VERSION_LABEL: &str = "pod-security.kubernetes.io/warn-version";

/// Users and groups that installers of Kubernetes make for whoever administers a cluster.
///
/// Source: kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details (kubeadm:cluster-admins,
/// kubernetes-admin), docs.redhat.com OpenShift "authentication" (kube:admin, dedicated-admins,
/// cluster-admins), docs.k3s.io/cli/certificate (system:admin), learn.microsoft.com/azure/aks
/// (masterclient, clusterAdmin), kops.sigs.k8s.io (kubecfg), minikube and kind (minikube-user,
/// kubernetes-admin), ranchermanager.docs.rancher.com (kube-admin).
static ADMINISTRATORS: [&str; 14] = [
    "cluster-admin",
    "cluster-admins",
    "clusterAdmin",
    "dedicated-admins",
    "kube-admin",
    "kube:admin",
    "kubeadmin",
    "kubecfg",
    "kubernetes-admin",
    "kubernetes-super-admin",
    "masterclient",
    "minikube-user",
    "docker-for-desktop",
    "os:admin",
];

/// Prefixes of users and groups that belong to a cluster or its installer, and never to a tenant.
const OF_THE_CLUSTER: [&str; 4] = ["system:", "kubeadm:", "eks:", "b64:"];

/// Whether a user or a group administers a cluster, or is the cluster's own.
pub fn is_administrators(name: &str) -> bool {
    ADMINISTRATORS.contains(&name) || OF_THE_CLUSTER.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether a pattern with `*` and `?` matches a name.
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;

    while read < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((back, from)) = star else {
                    return false;
                };
                star = Some((back, from + 1));
                at = back + 1;
                read = from + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

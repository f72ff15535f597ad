use super::Findings;
use crate::diagnostic::rule;
use crate::graph::rbac::Binding;
use crate::graph::{Cluster, InputKind, Owner};
use crate::isolation::capability::system_group;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A binding names a role that is not among the inputs.
    ///
    /// ## Why it matters
    /// What it grants is not known; and where the role is nowhere, whoever may create it decides
    /// later what it grants.
    ///
    /// ## Fix
    /// Give the file that defines the role with `--also`, or a snapshot of the cluster; or remove
    /// the binding.
    ///
    /// ## References
    /// CIS 5.1; krane and polaris "dangling role reference"; ISO 27001 A.8.2
    pub static DANGLING_ROLE = "api/dangling-role", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| b.origin.input != InputKind::Builtin)
    {
        if cluster.rbac.role(binding).is_some() || binding.subjects.is_empty() {
            continue;
        }
        if is_made_by_kubernetes(cluster, binding) {
            continue;
        }
        let span = at(binding.role_span, binding.origin);
        let message = format!(
            "{} grants {}, which no input defines: what it grants is not known",
            binding.id.called(),
            binding.role_name()
        );

        // To a tenant's own people in its own namespace it can grant nothing of others.
        let home = cluster.owner(&binding.id.namespace);
        let inside = !binding.id.namespace.is_empty()
            && !binding.role.0.is_empty()
            && binding.subjects.iter().all(|(s, _)| {
                system_group(s).is_none()
                    && cluster
                        .holders(s)
                        .all(|tenant| home == Owner::Tenant(tenant))
            });

        let finding = match inside {
            true => Finding::warning(&DANGLING_ROLE, span, message),
            false => Finding::unknown(&DANGLING_ROLE, span, message),
        };

        let finding = match tenant_of(cluster, &binding.id.namespace) {
            Some((_, tenant)) => finding.by(tenant),
            None => finding,
        };

        out.push(finding.fix("give the file that defines it with --also, or remove the binding"));
    }
}

/// The Role by which extension API servers read how the API server authenticates: one ConfigMap, in
/// which there is no secret. Every metrics server and webhook server binds it.
const AUTHENTICATION_READER: (&str, &str) =
    ("kube-system", "extension-apiserver-authentication-reader");

/// Roles for Kubernetes' own controllers.
///
/// Source: k8s.io/kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/namespace_policy.go`.
const CONTROLLERS: [(&str, &str); 6] = [
    ("kube-public", "system:controller:bootstrap-signer"),
    ("kube-system", "system:controller:bootstrap-signer"),
    ("kube-system", "system:controller:cloud-provider"),
    ("kube-system", "system:controller:token-cleaner"),
    (
        "kube-system",
        "system::leader-locking-kube-controller-manager",
    ),
    ("kube-system", "system::leader-locking-kube-scheduler"),
];

/// Whether a binding grants a Role that every cluster has, in a namespace of the platform, and that
/// reaches no tenant.
fn is_made_by_kubernetes(cluster: &Cluster, binding: &Binding) -> bool {
    let (namespace, name) = (binding.role.0.as_str(), binding.role.1.as_str());
    let of_platform = || {
        let mut subjects = binding.subjects.iter();
        subjects.all(|(subject, _)| {
            cluster.holder(subject).is_none() && system_group(subject).is_none()
        })
    };
    (namespace, name) == AUTHENTICATION_READER
        || CONTROLLERS.contains(&(namespace, name)) && of_platform()
}

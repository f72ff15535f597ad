use super::{Findings, explain_subject};
use crate::diagnostic::rule;
use crate::graph::{Cluster, Owner};
use crate::isolation::capability;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A RoleBinding in a namespace names somebody of another tenant.
    ///
    /// ## What it finds
    /// A RoleBinding in a tenant's namespace, or in the platform's, whose subject is another
    /// tenant's user, group, service account, or the group of all service accounts of another
    /// tenant's namespace.
    ///
    /// ## Why it matters
    /// Whoever can create a pod in a namespace can be every service account of it. So a service
    /// account that is bound next door is everybody there.
    ///
    /// ## Example
    /// ```yaml
    /// kind: RoleBinding
    /// metadata: {name: deploy, namespace: payments}
    /// roleRef: {kind: ClusterRole, name: edit}
    /// subjects: [{kind: ServiceAccount, name: ci, namespace: search}]
    /// ```
    ///
    /// ## Fix
    /// Remove the subject. What two tenants share belongs into a namespace of its own, or to the
    /// platform.
    ///
    /// ## References
    /// NSA Kubernetes Hardening Guide, "Namespace separation"; CIS 5.1; MTB "block access to other
    /// tenants' resources"; ISO 27001 A.8.3; SOC 2 CC6.1;
    /// kubernetes.io/docs/concepts/security/rbac-good-practices
    pub static CROSS_TENANT_BINDING = "api/cross-tenant-binding", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for binding in cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| !b.id.namespace.is_empty())
    {
        let home = cluster.owner(&binding.id.namespace);
        for (subject, span) in &binding.subjects {
            let Some(holder) = cluster
                .holder(subject)
                .filter(|t| home != Owner::Tenant(*t))
            else {
                continue;
            };

            // Of a role that nobody defines, `api/dangling-role` says that nothing is known.
            let Some(role) = cluster.rbac.role(binding).filter(|r| !r.rules.is_empty()) else {
                continue;
            };
            let rules = &role.rules;
            let tenant = &cluster.tenants[holder as usize].name;
            let namespace = &binding.id.namespace;
            let what = capability::worst(rules, false);
            let whose = cluster.owner_name(home);
            let message = format!(
                "tenant `{tenant}` {what} in `{namespace}` of {whose}: {subject} is bound there"
            );
            let finding =
                Finding::refuted(&CROSS_TENANT_BINDING, at(*span, binding.origin), message);
            let finding = explain_subject(cluster, holder, subject, finding.by(tenant)).step(
                at(binding.role_span, binding.origin),
                format!(
                    "{} binds {subject} to {} in `{namespace}`",
                    binding.id.called(),
                    binding.role_name()
                ),
            );

            let finding = match tenant_of(cluster, namespace) {
                Some((_, victim)) => finding.reaching(victim),
                None => finding,
            };

            out.push(finding.fix(format!("remove the subject from {}", binding.id.called())));
        }
    }
}

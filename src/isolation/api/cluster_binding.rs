use super::{Findings, explain_subject};
use crate::diagnostic::rule;
use crate::graph::{Cluster, InputKind};
use crate::isolation::capability;
use crate::isolation::capability::Grade;
use crate::isolation::{Finding, at};

rule! {
    /// A ClusterRoleBinding gives a tenant something in every namespace, or over the cluster.
    ///
    /// ## What it finds
    /// A ClusterRoleBinding whose subject is a tenant's user, group or service account, and whose
    /// role does more than discovery. What only reads things of the cluster (nodes, classes,
    /// namespaces) is a warning.
    ///
    /// ## Why it matters
    /// A grant without a namespace is a grant in all of them, those of tomorrow included.
    ///
    /// ## Example
    /// ```yaml
    /// kind: ClusterRoleBinding
    /// metadata: {name: dashboards}
    /// roleRef: {kind: ClusterRole, name: view}
    /// subjects: [{kind: Group, name: search-devs}]
    /// ```
    ///
    /// ## Fix
    /// Bind the role in the tenant's own namespaces: a RoleBinding can name a ClusterRole.
    ///
    /// ## References
    /// CIS 5.1.1; NSA "RBAC"; MTB "block access to cluster resources"; ISO 27001 A.8.2; SOC 2 CC6.3
    pub static CLUSTER_BINDING = "api/cluster-binding", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let wide = cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| b.id.namespace.is_empty() && b.origin.input != InputKind::Builtin);
    for binding in wide {
        let Some(role) = cluster.rbac.role(binding) else {
            continue;
        };
        let grade = capability::grade(&role.rules);

        for (subject, span) in &binding.subjects {
            let Some(holder) = cluster.holder(subject) else {
                continue;
            };
            let tenant = &cluster.tenants[holder as usize].name;
            let span = at(*span, binding.origin);
            let finding = match grade {
                Grade::Nothing => continue,
                Grade::ClusterRead => Finding::warning(
                    &CLUSTER_BINDING,
                    span,
                    format!(
                        "tenant `{tenant}` reads things of the whole cluster: {subject} is bound to {}",
                        binding.role_name()
                    ),
                ),
                Grade::Full => {
                    let takeover = capability::TAKEOVER
                        .iter()
                        .find(|p| p.given_by(&role.rules).is_some());
                    let what = match takeover {
                        Some(power) if capability::EVERYTHING.given_by(&role.rules).is_none() => {
                            power.effect.predicate().to_owned()
                        }
                        _ => capability::worst(&role.rules, true),
                    };

                    let message = format!(
                        "tenant `{tenant}` {what} in every namespace: {subject} is bound in the whole cluster"
                    );
                    explain_subject(
                        cluster,
                        holder,
                        subject,
                        Finding::refuted(&CLUSTER_BINDING, span, message),
                    )
                }
            };

            let finding = finding.by(tenant).step(
                at(binding.role_span, binding.origin),
                format!(
                    "{} binds {subject} to {}",
                    binding.id.called(),
                    binding.role_name()
                ),
            );

            out.push(finding.fix(
                "bind it in the tenant's own namespaces: a RoleBinding can name a ClusterRole",
            ));
        }
    }
}

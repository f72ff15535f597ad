use super::{Findings, explain_subject};
use crate::diagnostic::rule;
use crate::graph::rbac::{Binding, Role, Subject};
use crate::graph::{Cluster, InputKind};
use crate::isolation::capability;
use crate::isolation::grade::{Grade, HeldRules, Place, grade, halves, reaching};
use crate::isolation::{Finding, at};
use crate::source::Span;

rule! {
    /// A ClusterRoleBinding gives a tenant something in every namespace, or over the cluster.
    ///
    /// ## What it finds
    /// A ClusterRoleBinding whose subject is a tenant's user, group or service account, and whose
    /// role does more than discovery and reviews. What only reads things of the cluster (nodes,
    /// classes, namespaces), or is half of a power (`bind` without writing bindings), is a warning.
    ///
    /// ## Why it matters
    /// A grant without a namespace is a grant in all of them, those of tomorrow included.
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
        for (subject, span) in &binding.subjects {
            let holders: Vec<u32> = cluster.holders(subject).collect();
            if holders.is_empty() {
                continue;
            }

            let held = HeldRules::new(cluster, subject, Place::Cluster);
            let grant = ClusterGrant {
                binding,
                role,
                subject,
                span: at(*span, binding.origin),
                holders,
            };
            out.extend(grant.finding(cluster, &held));
        }
    }
}

/// A subject of a tenant that a ClusterRoleBinding names.
struct ClusterGrant<'a> {
    binding: &'a Binding,
    role: &'a Role,
    subject: &'a Subject,
    span: Span,
    /// The tenants that hold the subject.
    holders: Vec<u32>,
}

impl ClusterGrant<'_> {
    fn finding(&self, cluster: &Cluster, held: &HeldRules<'_>) -> Option<Finding> {
        let (subject, role) = (self.subject, self.binding.role_name());
        let first = *self.holders.first()?;
        let tenant = &cluster.tenants[first as usize].name;
        let who = match self.holders.len() {
            1 => format!("tenant `{tenant}`"),
            many => format!("each of {many} tenants (`{tenant}` and others)"),
        };

        let finding = match grade(&self.role.rules, Place::Cluster, held) {
            Grade::Nothing => return None,
            Grade::Half => {
                let rules = reaching(&self.role.rules, Place::Cluster, held, Grade::Half);
                let message = format!(
                    "{who} has half of a power over the cluster by {role}: {} gives nothing alone",
                    halves(&rules)
                );
                Finding::warning(&CLUSTER_BINDING, self.span, message)
            }
            Grade::ClusterRead => {
                let message = format!(
                    "{who} reads things of the whole cluster: {subject} is bound to {role}"
                );
                Finding::warning(&CLUSTER_BINDING, self.span, message)
            }
            Grade::Full => {
                let what = self.worst(held);
                let message = format!(
                    "{who} {what} in every namespace: {subject} is bound in the whole cluster"
                );
                let finding = Finding::refuted(&CLUSTER_BINDING, self.span, message);
                explain_subject(cluster, first, subject, finding)
            }
        };

        let finding = finding
            .by_first_of(tenant, self.holders.iter().copied())
            .step(
                at(self.binding.role_span, self.binding.origin),
                format!("{} binds {subject} to {role}", self.binding.id.called()),
            )
            .through(&self.binding.id)
            .through(&self.role.id);
        Some(
            finding.fix(
                "bind it in the tenant's own namespaces: a RoleBinding can name a ClusterRole",
            ),
        )
    }

    /// The worst that the rules allow, as a predicate.
    fn worst(&self, held: &HeldRules<'_>) -> String {
        let rules = reaching(&self.role.rules, Place::Cluster, held, Grade::Full);
        let takeover = capability::TAKEOVER
            .iter()
            .find(|power| power.given_by(&rules).is_some());
        match takeover {
            Some(power) if capability::EVERYTHING.given_by(&rules).is_none() => {
                power.effect.predicate().to_owned()
            }
            _ => capability::worst(&rules, true),
        }
    }
}

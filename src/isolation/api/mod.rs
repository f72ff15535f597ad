//! The API plane: what RBAC grants across tenants.

mod argo_cd_policy;
mod cluster_binding;
mod cross_tenant_binding;
mod dangling_role;
mod lost_subject;
mod operator_kind;
mod shared_membership;
mod shared_subject;
mod undeclared_subjects;
mod wide_subject;

pub use argo_cd_policy::{ARGO_CD_POLICY, changes_others};
pub use cluster_binding::CLUSTER_BINDING;
pub use cross_tenant_binding::CROSS_TENANT_BINDING;
pub use dangling_role::DANGLING_ROLE;
pub use lost_subject::LOST_SUBJECT;
pub use operator_kind::OPERATOR_KIND;
pub use shared_membership::SHARED_MEMBERSHIP;
pub use shared_subject::SHARED_SUBJECT;
pub use wide_subject::WIDE_SUBJECT;

use super::assumptions::NO_OTHER_GRANTS;
use super::capability::BECOME_ACCOUNT;
use super::{Finding, Findings, Step};
use crate::graph::rbac::Subject;
use crate::graph::{ACCOUNTS_OF, Cluster};

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    if !cluster.closed_world {
        out.assume(&NO_OTHER_GRANTS);
    }
    undeclared_subjects::assume(cluster, out);
    cross_tenant_binding::check(cluster, out);
    cluster_binding::check(cluster, out);
    wide_subject::check(cluster, out);
    shared_subject::check(cluster, out);
    lost_subject::check(cluster, out);
    dangling_role::check(cluster, out);
    operator_kind::check(cluster, out);
    shared_membership::check(cluster, out);
    argo_cd_policy::check(cluster, out);
}

/// How a tenant's people come to act as a subject: the first steps of a chain.
fn explain_subject(cluster: &Cluster, tenant: u32, subject: &Subject, finding: Finding) -> Finding {
    if let Subject::Group(group) = subject
        && let Some(namespace) = group.strip_prefix(ACCOUNTS_OF)
        && let Some((name, driven)) = cluster
            .principals()
            .driven_in(namespace)
            .find(|(_, driven)| driven.tenants.contains(&tenant))
    {
        let text = format!(
            "{} makes service account {namespace}/{name}, which is in {subject}, do what tenant \
             `{}` writes",
            driven.by, cluster.tenants[tenant as usize].name
        );
        return finding.step(driven.origin.span, text).through(subject);
    }

    let Subject::ServiceAccount(namespace, name) = subject else {
        return finding
            .step(
                cluster.tenants[tenant as usize].span,
                format!("{subject} is the tenant's own"),
            )
            .through(subject);
    };

    if let Some(driven) = cluster.principals().driven(namespace, name) {
        let text = format!(
            "{} makes {subject} do what tenant `{}` writes",
            driven.by, cluster.tenants[tenant as usize].name
        );
        return finding.step(driven.origin.span, text).through(subject);
    }

    if let Some(step) = by_person(cluster, tenant, subject, namespace) {
        return finding.steps([step]);
    }

    let account = cluster
        .facts
        .accounts
        .iter()
        .find(|a| a.id.namespace == *namespace && a.id.name == *name);

    let span = account.map_or(cluster.tenants[tenant as usize].span, |a| a.origin.span);
    finding
        .step(span, format!("the tenant's pods run as {subject}"))
        .through(subject)
}

/// The step by which a person of a tenant acts as a service account of a namespace.
fn by_person(cluster: &Cluster, tenant: u32, account: &Subject, namespace: &str) -> Option<Step> {
    let people = cluster.tenants[tenant as usize].subjects.iter();
    let bound = people.flat_map(|person| {
        let bindings = cluster.rbac.bindings_of(person);
        let here = bindings.filter(|binding| binding.id.namespace == namespace);
        here.map(move |binding| (person, binding))
    });

    bound.into_iter().find_map(|(person, binding)| {
        let rules = &cluster.rbac.role(binding)?.rules;
        let mut powers = BECOME_ACCOUNT.iter();
        let power = powers.find(|power| power.given_by(rules).is_some())?;
        let text = format!(
            "{person} {} in `{namespace}`, and so acts as {account} ({})",
            power.effect.predicate(),
            binding.id.called()
        );
        let step = Step::new(binding.origin.span, text);
        Some(step.through(&binding.id).through(account))
    })
}

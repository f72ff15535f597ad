//! Who a user is outside RBAC: groups that other objects put it in, and what Argo CD lets it apply.
//!
//! Source: docs.aws.amazon.com/eks/latest/userguide/access-entries.html; OpenShift's groups;
//! argo-cd.readthedocs.io/en/stable/operator-manual/rbac.

use super::powers::ARGO_CD_ACCOUNT;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::isolation::api::changes_others;
use crate::isolation::{Step, at};

/// Somebody whom a subject acts as, and the object that says so.
#[derive(Clone, Debug)]
pub struct Standin {
    /// Whom.
    pub subject: Subject,
    /// The object, as a step that ends before "and so acts as".
    pub step: Step,
}

/// The subjects that other objects than bindings let a subject act as.
pub fn standins(cluster: &Cluster, subject: &Subject) -> Vec<Standin> {
    let mut all = memberships(cluster, subject);
    all.extend(by_argo_cd(cluster, subject));
    all
}

/// The groups and users that objects make of a user.
fn memberships(cluster: &Cluster, subject: &Subject) -> Vec<Standin> {
    let Subject::User(person) = subject else {
        return Vec::new();
    };
    let own = cluster.facts.memberships.iter();
    let own = own.filter(|membership| membership.person == *person);
    own.flat_map(|membership| {
        let text = format!("{} names {person}", membership.id.called());
        let step = Step::new(at(membership.span, membership.origin), text);
        membership.subjects.iter().map(move |subject| Standin {
            subject: subject.clone(),
            step: step.clone(),
        })
    })
    .collect()
}

/// Argo CD's account, for whom its policy lets change applications of others.
fn by_argo_cd(cluster: &Cluster, subject: &Subject) -> Vec<Standin> {
    let (Subject::User(name) | Subject::Group(name)) = subject else {
        return Vec::new();
    };
    let policies = cluster.facts.argo_policies.iter();
    let of_platform =
        policies.filter(|policy| cluster.owner(&policy.id.namespace) == Owner::Platform);
    let tenant = cluster.holder(subject);

    of_platform
        .filter_map(|policy| {
            let what = changes_others(cluster, policy, name, tenant)?;
            let text = format!("{} lets {subject} {what} in Argo CD", policy.id.called());
            let account = ARGO_CD_ACCOUNT.into();
            Some(Standin {
                subject: Subject::ServiceAccount(policy.id.namespace.clone(), account),
                step: Step::new(at(policy.span, policy.origin), text),
            })
        })
        .collect()
}

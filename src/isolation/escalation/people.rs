//! Who a user is outside RBAC: groups that other objects put it in, and what Argo CD lets it apply.
//!
//! Source: docs.aws.amazon.com/eks/latest/userguide/access-entries.html; OpenShift's groups;
//! argo-cd.readthedocs.io/en/stable/operator-manual/rbac.

use super::powers::ARGO_CD_ACCOUNT;
use crate::graph::membership::{ArgoPolicy, Membership};
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::isolation::api::changes_others;
use crate::isolation::{Step, at};
use crate::value::Text;
use std::collections::BTreeMap;

/// Somebody whom a subject acts as, and the object that says so.
#[derive(Clone, Debug)]
pub struct ActsAs {
    /// Whom.
    pub subject: Subject,
    /// The object, as a step that ends before "and so acts as".
    pub step: Step,
}

/// What objects say of each person: a user, or a service account with the cloud identity of one.
pub type Members<'a> = BTreeMap<Subject, Vec<&'a Membership>>;

/// Indexes what the objects of a cluster say of people.
pub fn members(cluster: &Cluster) -> Members<'_> {
    let mut by_person: BTreeMap<&Text, Vec<&Membership>> = BTreeMap::new();
    for membership in &cluster.facts.memberships {
        let own = by_person.entry(&membership.person).or_default();
        own.push(membership);
    }

    let annotated = cluster.facts.accounts.iter().flat_map(|account| {
        let identities = account.identities.iter();
        identities.map(|identity| (&account.id.namespace, &account.id.name, &identity.value))
    });

    let mut all = Members::new();
    for (namespace, name, identity) in annotated {
        if let Some(own) = by_person.get(identity) {
            let account = Subject::ServiceAccount(namespace.clone(), name.clone());
            all.entry(account).or_default().extend(own);
        }
    }
    for (person, own) in by_person {
        all.entry(Subject::User(person.clone()))
            .or_default()
            .extend(own);
    }
    all
}

/// The subjects that other objects than bindings let a subject act as.
pub fn acts_as(cluster: &Cluster, members: &Members<'_>, subject: &Subject) -> Vec<ActsAs> {
    let own = members.get(subject).into_iter().flatten();
    let named = own.flat_map(|membership| {
        let (id, person) = (membership.id.called(), &membership.person);
        let text = match subject {
            Subject::ServiceAccount(..) => format!("{subject} is {person}, whom {id} names,"),
            Subject::User(_) | Subject::Group(_) => format!("{id} names {person}"),
        };
        let step = Step::new(at(membership.span, membership.origin), text);
        let subjects = membership.subjects.iter().cloned();
        subjects.map(move |subject| ActsAs {
            subject,
            step: step.clone(),
        })
    });
    named.chain(by_argo_cd(cluster, subject)).collect()
}

/// The policies of the platform's Argo CDs.
fn argo_cd_policies(cluster: &Cluster) -> impl Iterator<Item = &ArgoPolicy> {
    let policies = cluster.facts.argo_policies.iter();
    policies.filter(|policy| cluster.owner(&policy.id.namespace) == Owner::Platform)
}

/// The account of each of the platform's Argo CDs, and the users and groups that its policy names. It
/// does not say which of both a name is.
pub fn argo_cd_subjects(cluster: &Cluster) -> impl Iterator<Item = Subject> {
    let names = argo_cd_policies(cluster).flat_map(|policy| {
        let permissions = policy.permissions.iter();
        let members = policy.roles.iter().map(|(member, _)| member);
        members.chain(permissions.map(|permission| &permission.subject))
    });
    let people = names.filter(|name| !name.starts_with("role:"));
    let accounts = argo_cd_policies(cluster).map(account_of);
    people
        .flat_map(|name| [Subject::User(name.clone()), Subject::Group(name.clone())])
        .chain(accounts)
}

/// The account with which the Argo CD of a policy applies.
fn account_of(policy: &ArgoPolicy) -> Subject {
    Subject::ServiceAccount(policy.id.namespace.clone(), ARGO_CD_ACCOUNT.into())
}

/// Argo CD's account, for whom its policy lets change applications of others.
fn by_argo_cd(cluster: &Cluster, subject: &Subject) -> Vec<ActsAs> {
    let (Subject::User(name) | Subject::Group(name)) = subject else {
        return Vec::new();
    };
    let tenant = cluster.holder(subject);
    argo_cd_policies(cluster)
        .filter_map(|policy| {
            let what = changes_others(cluster, policy, name, tenant)?;
            let text = format!("{} lets {subject} {what} in Argo CD", policy.id.called());
            Some(ActsAs {
                subject: account_of(policy),
                step: Step::new(at(policy.span, policy.origin), text),
            })
        })
        .collect()
}

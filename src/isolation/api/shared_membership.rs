use super::Findings;
use crate::diagnostic::rule;
use crate::graph::membership::Membership;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, MASTERS, Owner};
use crate::isolation::{Finding, at, some, tenant_of};
use crate::isolation::{capability, grade};
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// One identity outside the cluster is in the groups of several tenants, or has more than its
    /// tenant's.
    ///
    /// ## What it finds
    /// Roles and users of `aws-auth`, access entries of EKS and their policies, and groups of
    /// OpenShift, by which one IAM identity or user is in the groups of two tenants, or in a
    /// tenant's group and in one that reaches others.
    ///
    /// ## Why it matters
    /// Whoever may take the identity is a member of each tenant.
    ///
    /// ## Fix
    /// An identity for each tenant.
    ///
    /// ## References
    /// docs.aws.amazon.com/eks/latest/userguide/access-entries.html; OpenShift documentation,
    /// "Understanding authentication"; ISO 27001 A.5.16, A.8.2
    pub static SHARED_MEMBERSHIP = "api/shared-membership", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut people: BTreeMap<&str, Vec<&Membership>> = BTreeMap::new();
    for membership in &cluster.facts.memberships {
        people
            .entry(&membership.person)
            .or_default()
            .push(membership);
    }

    for (person, memberships) in people {
        if let Some(finding) = shared(cluster, person, &memberships) {
            out.push(finding.fix("give each tenant an identity of its own"));
        }
    }
}

/// What one identity has: each tenant whose member it is, and what else it reaches.
fn shared(cluster: &Cluster, person: &str, memberships: &[&Membership]) -> Option<Finding> {
    let mut tenants: BTreeMap<u32, &Membership> = BTreeMap::new();
    let mut beyond: Option<(&Membership, String)> = None;

    for membership in memberships {
        for subject in &membership.subjects {
            match cluster.holder(subject) {
                Some(tenant) => {
                    tenants.entry(tenant).or_insert(membership);
                }
                None if beyond.is_none() && is_administrator(subject) => {
                    beyond = Some((membership, format!("{subject}, which may do everything")));
                }
                None => {}
            }
        }
        for namespace in &membership.access {
            match tenant_of(cluster, namespace) {
                Some((tenant, _)) => {
                    tenants.entry(tenant).or_insert(membership);
                }
                None if namespace.is_empty() => {
                    beyond = Some((membership, "an access policy for the whole cluster".into()));
                }
                None => {}
            }
        }
    }

    if tenants.len() > 1 {
        return of_several(cluster, person, &tenants);
    }
    let home = tenants.keys().next().copied();
    let subjects = memberships.iter().flat_map(|membership| {
        membership
            .subjects
            .iter()
            .map(move |subject| (*membership, subject))
    });
    let reaching = || {
        subjects.clone().find_map(|(membership, subject)| {
            reaches_others(cluster, home?, subject).then(|| (membership, format!("{subject}")))
        })
    };
    let (membership, what) = beyond.or_else(reaching)?;

    let named = || {
        let parts = person.split(|c: char| !c.is_ascii_alphanumeric());
        let parts: BTreeSet<&str> = parts.collect();
        cluster
            .tenants
            .iter()
            .position(|tenant| parts.contains(tenant.name.as_str()))
    };
    let tenant = match home {
        Some(tenant) => tenant as usize,
        None => named()?,
    };
    let name = &cluster.tenants[tenant].name;

    let span = at(membership.span, membership.origin);
    let message = format!(
        "`{person}` is tenant `{name}`'s and is given {what} by {}",
        membership.id.called()
    );
    let finding = match home {
        Some(_) => Finding::refuted(&SHARED_MEMBERSHIP, span, message),
        // Only its name says whose it is.
        None => Finding::unknown(&SHARED_MEMBERSHIP, span, message),
    };
    Some(
        finding
            .by(name)
            .step(span, format!("{} names `{person}`", membership.id.called()))
            .through(&membership.id),
    )
}

/// The finding about an identity that is a member of several tenants.
fn of_several(
    cluster: &Cluster,
    person: &str,
    tenants: &BTreeMap<u32, &Membership>,
) -> Option<Finding> {
    let name = |tenant: &u32| cluster.tenants[*tenant as usize].name.as_str();
    let (_, last) = tenants.last_key_value()?;
    let message = format!(
        "`{person}` is a member of {} tenants: {}",
        tenants.len(),
        some(tenants.keys().map(name))
    );

    let mut finding = Finding::refuted(&SHARED_MEMBERSHIP, at(last.span, last.origin), message);
    for (tenant, membership) in tenants.iter().take(3) {
        finding = finding.step(
            at(membership.span, membership.origin),
            format!(
                "{} makes it a member of tenant `{}`",
                membership.id.called(),
                name(tenant)
            ),
        );
        finding = finding.through(&membership.id);
    }

    let all: Vec<&u32> = tenants.keys().collect();
    Some(match all[..] {
        [by, victim] => finding.by(name(by)).reaching(name(victim)),
        _ => finding.among(tenants.keys().copied()),
    })
}

/// Whether a subject may do everything on every cluster.
fn is_administrator(subject: &Subject) -> bool {
    matches!(subject, Subject::Group(name) if name == MASTERS || name == "kubeadm:cluster-admins")
}

/// Whether a group that no tenant holds reaches namespaces beyond a tenant's.
fn reaches_others(cluster: &Cluster, home: u32, subject: &Subject) -> bool {
    if cluster.holder(subject).is_some() || capability::system_group(subject).is_some() {
        return false;
    }
    cluster.rbac.bindings_of(subject).any(|binding| {
        let Some(role) = cluster.rbac.role(binding) else {
            return false;
        };
        match binding.id.namespace.as_str() {
            "" => grade::is_full(cluster, subject, &role.rules),
            namespace => matches!(cluster.owner(namespace), Owner::Tenant(other) if other != home),
        }
    })
}

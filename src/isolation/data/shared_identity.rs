use super::Findings;
use crate::diagnostic::rule;
use crate::graph::identity::SharedIdentity;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, some_owners};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// Service accounts of several tenants take one identity of a cloud.
    ///
    /// ## Why it matters
    /// Whatever the role may read, both read: buckets, queues, keys.
    ///
    /// ## Fix
    /// A role for each, whose trust names one namespace and one service account.
    ///
    /// ## References
    /// AWS IRSA, GKE and Azure workload identity documentation; rbac-police providerIAM; ISO 27001
    /// A.5.16
    pub static SHARED_IDENTITY = "data/shared-identity", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    type Takers<'a> = BTreeMap<Owner, (&'a ObjectId, Span)>;
    let mut all: BTreeMap<(&str, &Text), Takers<'_>> = BTreeMap::new();

    for account in &cluster.facts.accounts {
        let tenant = cluster.owner(&account.id.namespace);
        for identity in &account.identities {
            all.entry((identity.annotation.as_str(), &identity.value))
                .or_default()
                .entry(tenant)
                .or_insert((&account.id, at(identity.span, account.origin)));
        }
    }

    for association in &cluster.facts.identity_associations {
        all.entry((association.system, &association.identity))
            .or_default()
            .entry(cluster.owner(&association.namespace))
            .or_insert((&association.id, association.origin.span));
    }

    for shared in &cluster.facts.shared_identities {
        out.extend(of_pods(cluster, shared));
    }

    for ((key, value), tenants) in all.into_iter().filter(|(_, t)| t.len() > 1) {
        let mut each = tenants.values();
        let (Some((first, a)), Some((second, b))) = (each.next(), each.next()) else {
            continue;
        };
        let message = format!(
            "{} owners take the identity `{value}` ({key}): {}",
            tenants.len(),
            some_owners(cluster, tenants.keys())
        );

        out.push(
            Finding::refuted(&SHARED_IDENTITY, *b, message)
                .shared_by(tenants.keys().copied())
                .step(*a, format!("{} takes it", first.called()))
                .through(*first)
                .step(*b, format!("{} takes it too", second.called()))
                .through(*second)
                .fix("give each tenant an identity of its own"),
        );
    }
}

/// The finding about an identity that the pods of several tenants take.
fn of_pods(cluster: &Cluster, shared: &SharedIdentity) -> Option<Finding> {
    let selected = cluster.select(&shared.namespaces);
    let owners = selected
        .iter()
        .map(|at| cluster.namespaces[*at as usize].owner);
    let tenants: BTreeSet<Owner> = owners.filter(|owner| *owner != Owner::Platform).collect();
    if tenants.len() < 2 {
        return None;
    }

    let message = format!(
        "pods of {} tenants take the identity `{}`: {}",
        tenants.len(),
        shared.identity,
        some_owners(cluster, &tenants)
    );
    let span = shared.origin.span;
    let gives = format!("{} gives it to pods of each", shared.id.called());
    Some(
        Finding::refuted(&SHARED_IDENTITY, span, message)
            .shared_by(tenants)
            .step(span, gives)
            .through(&shared.id)
            .fix("name the namespace in the identity, or select the namespaces of one tenant"),
    )
}

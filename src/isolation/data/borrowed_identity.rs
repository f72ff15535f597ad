use super::Findings;
use crate::diagnostic::rule;
use crate::graph::identity::{BorrowedIdentity, Lender};
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, some, tenant_of};
use std::collections::BTreeSet;

rule! {
    /// A program acts for a tenant with an identity that is not the tenant's.
    ///
    /// ## What it finds
    /// Stores of secrets that log in with the service account of another tenant, or as the operator;
    /// monitors that name a file of Prometheus as a token; policies of Kyverno that read other
    /// namespaces; exceptions of AAD Pod Identity in a tenant's namespace.
    ///
    /// ## Why it matters
    /// The tenant has what the identity may read: secrets of others, a token of the platform.
    ///
    /// ## Fix
    /// Name an account or a Secret of the tenant's own namespace.
    ///
    /// ## References
    /// external-secrets.io/latest/guides/multi-tenancy; prometheus-operator.dev/docs/api-reference/api;
    /// GHSA-8p9x-46gm-qfx2; azure.github.io/aad-pod-identity; ISO 27001 A.5.16
    pub static BORROWED_IDENTITY = "data/borrowed-identity", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let scrapers = &cluster.facts.scrapers;
    let files_are_denied = !scrapers.is_empty() && scrapers.iter().all(|(_, denies)| *denies);

    for borrowed in &cluster.facts.borrowed_identities {
        let finding = match &borrowed.lender {
            // `gitops/controller-identity` is about it.
            Lender::FluxController(_) => None,
            Lender::Program("Prometheus") if files_are_denied => None,
            Lender::Program(name) => by_program(cluster, borrowed, name),
            Lender::Node => by_program(cluster, borrowed, "the node's metadata service"),
            Lender::ServiceAccount(namespace, name) => {
                by_account(cluster, borrowed, namespace, name)
            }
            Lender::Namespace(namespace) => reading(cluster, borrowed, namespace),
        };
        if let Some(finding) = finding {
            out.push(finding.fix("name an account or a Secret of the tenant's own namespace"));
        }
    }
}

/// An object of a tenant for which a program of the platform acts as itself.
fn by_program(cluster: &Cluster, borrowed: &BorrowedIdentity, name: &str) -> Option<Finding> {
    let home = match borrowed.id.kind.as_str() {
        "Namespace" => &borrowed.id.name,
        _ => &borrowed.id.namespace,
    };
    let (_, tenant) = tenant_of(cluster, home)?;
    let span = at(borrowed.span, borrowed.origin);
    let called = borrowed.id.called();
    let message = format!(
        "{called} of tenant `{tenant}` {}, with the identity of {name}",
        borrowed.acts
    );
    let finding = Finding::unknown(&BORROWED_IDENTITY, span, message).by(tenant);
    Some(finding.step(span, format!("{called} asks for it")))
}

/// An object that tenants may use, and that acts as a service account of another tenant.
fn by_account(
    cluster: &Cluster,
    borrowed: &BorrowedIdentity,
    namespace: &str,
    name: &str,
) -> Option<Finding> {
    let (victim, victim_name) = tenant_of(cluster, namespace)?;
    let users = users(cluster, borrowed);
    let others: BTreeSet<u32> = users.into_iter().filter(|user| *user != victim).collect();
    let first = &cluster.tenants[*others.first()? as usize].name;

    let span = at(borrowed.span, borrowed.origin);
    let called = borrowed.id.called();
    let names = others
        .iter()
        .map(|at| cluster.tenants[*at as usize].name.as_str());
    let message = format!(
        "{called}, which {} may use, {} as the service account {namespace}/{name} of tenant `{victim_name}`",
        some(names),
        borrowed.acts
    );
    let finding = Finding::refuted(&BORROWED_IDENTITY, span, message)
        .by(first)
        .reaching(victim_name)
        .step(span, format!("{called} names the account"))
        .through(&borrowed.id);
    Some(match others.len() {
        1 => finding,
        _ => finding.by_each(others),
    })
}

/// The tenants that may use a store.
fn users(cluster: &Cluster, borrowed: &BorrowedIdentity) -> BTreeSet<u32> {
    if let Some((tenant, _)) = tenant_of(cluster, &borrowed.id.namespace) {
        return BTreeSet::from([tenant]);
    }
    let mut stores = cluster.facts.stores.iter();
    let store = stores.find(|store| store.id == borrowed.id);
    let Some(conditions) = store.and_then(|store| store.conditions.as_ref()) else {
        // `data/open-secret-store` is about a store without conditions.
        return BTreeSet::new();
    };

    let admitted = conditions
        .iter()
        .flat_map(|condition| condition.namespaces(cluster));
    admitted
        .filter_map(|at| match cluster.namespaces[at as usize].owner {
            Owner::Tenant(tenant) => Some(tenant),
            Owner::Platform => None,
        })
        .collect()
}

/// A policy of a tenant's namespace that reads another.
fn reading(cluster: &Cluster, borrowed: &BorrowedIdentity, namespace: &str) -> Option<Finding> {
    let (home, tenant) = tenant_of(cluster, &borrowed.id.namespace)?;
    let other = cluster.owner(namespace);
    if !namespace.is_empty() && other == Owner::Tenant(home) {
        return None;
    }

    let span = at(borrowed.span, borrowed.origin);
    let called = borrowed.id.called();
    let whose = match namespace {
        "" => "every namespace".to_owned(),
        name => format!("`{name}` of {}", cluster.owner_name(other)),
    };
    let message = format!(
        "{called} of tenant `{tenant}` {} in {whose} (Kyverno before the fix of CVE-2026-22039)",
        borrowed.acts
    );
    let finding = Finding::unknown(&BORROWED_IDENTITY, span, message)
        .by(tenant)
        .step(span, format!("{called} reads {whose}"))
        .through(&borrowed.id);
    Some(match tenant_of(cluster, namespace) {
        Some((_, victim)) => finding.reaching(victim),
        None => finding,
    })
}

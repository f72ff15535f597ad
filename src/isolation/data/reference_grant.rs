use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::storage::{ReferenceGrant, VolumeClaim};
use crate::isolation::{Finding, at, tenant_of};
use crate::source::Span;
use std::collections::BTreeSet;

rule! {
    /// A tenant may refer to objects of another.
    ///
    /// ## What it finds
    /// A ReferenceGrant in a tenant's namespace that names a namespace of another tenant; one in the
    /// platform's that lets a tenant refer to every Secret there; a TLSCertificateDelegation of
    /// Contour or a VaultAuth that names another tenant's namespace, or every one; a claim
    /// whose data are copied from another tenant's namespace that grants it.
    ///
    /// ## Why it matters
    /// With the grant, a route or a gateway of the other uses the tenant's Services and Secrets,
    /// and a claim of the other starts as a copy of the tenant's volume or snapshot.
    ///
    /// ## Fix
    /// Grant the platform's namespace alone, or remove the grant.
    ///
    /// ## References
    /// gateway-api.sigs.k8s.io/api-types/referencegrant;
    /// kubernetes.io/docs/concepts/storage/persistent-volumes (Cross namespace data sources); ISO
    /// 27001 A.5.15
    pub static REFERENCE_GRANT = "data/reference-grant", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for grant in &cluster.facts.grants {
        granted(cluster, grant, out);
    }
    for claim in &cluster.facts.claims {
        if let Some(finding) = copied(cluster, claim) {
            out.push(finding);
        }
    }
}

/// Finds the other tenants that a grant of a tenant names.
fn granted(cluster: &Cluster, grant: &ReferenceGrant, out: &mut Findings<'_>) {
    let Some((home, tenant)) = tenant_of(cluster, &grant.id.namespace) else {
        return secrets_of_platform(cluster, grant, out);
    };
    let kinds = grant.kinds.join(", ");

    for (from, span) in &grant.from {
        let span = at(*span, grant.origin);
        if from == ReferenceGrant::EVERY_NAMESPACE {
            out.extend(granted_to_all(cluster, grant, home, span));
            continue;
        }
        let Some((_, by)) = tenant_of(cluster, from).filter(|(other, _)| *other != home) else {
            continue;
        };
        let message = format!(
            "tenant `{by}` may refer to {kinds} of tenant `{tenant}` in `{}`",
            grant.id.namespace
        );
        let lets = format!("{} lets `{from}` refer to {kinds}", grant.id.called());

        out.push(
            Finding::refuted(&REFERENCE_GRANT, span, message)
                .by(by)
                .reaching(tenant)
                .step(span, lets)
                .fix("grant the platform's namespace alone, or remove the grant"),
        );
    }
}

/// The finding about a grant to every namespace; `None` if there is no other tenant.
fn granted_to_all(
    cluster: &Cluster,
    grant: &ReferenceGrant,
    home: u32,
    span: Span,
) -> Option<Finding> {
    let others: BTreeSet<u32> = (0..cluster.tenants.len() as u32)
        .filter(|other| *other != home)
        .collect();
    let first = &cluster.tenants[*others.first()? as usize].name;
    let (kinds, tenant) = (grant.kinds.join(", "), &cluster.tenants[home as usize].name);
    let message = format!(
        "every tenant may refer to {kinds} of tenant `{tenant}` in `{}`",
        grant.id.namespace
    );
    let lets = format!(
        "{} lets every namespace refer to {kinds}",
        grant.id.called()
    );
    Some(
        Finding::refuted(&REFERENCE_GRANT, span, message)
            .by_first_of(first, others.into_iter())
            .reaching(tenant)
            .step(span, lets)
            .fix("name the platform's namespace alone, or remove the grant"),
    )
}

/// Finds the tenants that may use every Secret of a namespace of the platform.
fn secrets_of_platform(cluster: &Cluster, grant: &ReferenceGrant, out: &mut Findings<'_>) {
    if !grant.unnamed.iter().any(|kind| kind == "Secret") {
        return;
    }
    for (from, span) in &grant.from {
        let Some((_, by)) = tenant_of(cluster, from) else {
            continue;
        };
        let span = at(*span, grant.origin);
        let namespace = &grant.id.namespace;
        let message =
            format!("tenant `{by}` may use every Secret of the platform's namespace `{namespace}`");
        let lets = format!(
            "{} lets `{from}` refer to Secrets of any name",
            grant.id.called()
        );
        out.push(
            Finding::refuted(&REFERENCE_GRANT, span, message)
                .by(by)
                .step(span, lets)
                .fix("name the Secret in the grant (spec.to[].name)"),
        );
    }
}

/// The finding about a claim that copies another tenant's data without a grant: the API server does
/// not copy them today. A grant is a finding by itself.
fn copied(cluster: &Cluster, claim: &VolumeClaim) -> Option<Finding> {
    let (from, span) = claim.copies.as_ref()?;
    let (home, by) = tenant_of(cluster, &claim.id.namespace)?;
    let (other, tenant) = tenant_of(cluster, from)?;
    let grants_claim = |grant: &ReferenceGrant| {
        let mut named = grant.from.iter();
        grant.id.namespace == *from && named.any(|(name, _)| *name == claim.id.namespace)
    };
    if home == other || cluster.facts.grants.iter().any(grants_claim) {
        return None;
    }

    let message = format!(
        "{} of tenant `{by}` asks for a copy of what tenant `{tenant}` has",
        claim.id.called()
    );
    Some(
        Finding::warning(&REFERENCE_GRANT, at(*span, claim.origin), message)
            .by(by)
            .reaching(tenant)
            .fix("copy from a namespace of its own; nothing grants it today"),
    )
}

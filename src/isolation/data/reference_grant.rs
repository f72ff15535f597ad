use super::Findings;
use crate::diagnostic::rule;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant may refer to what another has.
    ///
    /// ## What it finds
    /// A ReferenceGrant in a tenant's namespace that names a namespace of another tenant; a claim
    /// whose data are copied from another tenant's namespace that grants it.
    ///
    /// ## Why it matters
    /// With the grant, a route or a gateway of the other uses the tenant's Services and Secrets,
    /// and a claim of the other starts as a copy of the tenant's volume or snapshot.
    ///
    /// ## Example
    /// ```yaml
    /// kind: ReferenceGrant
    /// metadata: {name: certificates, namespace: payments}
    /// spec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: search}], to: [{group: "", kind: Secret}]}
    /// ```
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
        let Some((home, tenant)) = tenant_of(cluster, &grant.id.namespace) else {
            continue;
        };
        for (from, span) in &grant.from {
            let Owner::Tenant(other) = cluster.owner(from) else {
                continue;
            };
            if other == home {
                continue;
            }
            let by = &cluster.tenants[other as usize].name;
            let (span, kinds) = (at(*span, grant.origin), grant.kinds.join(", "));
            let message = format!(
                "tenant `{by}` may refer to {kinds} of tenant `{tenant}` in `{}`",
                grant.id.namespace
            );

            out.push(
                Finding::refuted(&REFERENCE_GRANT, span, message)
                    .by(by)
                    .reaching(tenant)
                    .step(
                        span,
                        format!("{} lets `{from}` refer to {kinds}", grant.id.called()),
                    )
                    .fix("grant the platform's namespace alone, or remove the grant"),
            );
        }
    }
    for claim in &cluster.facts.claims {
        let Some((from, span)) = &claim.copies else {
            continue;
        };
        let (Some((home, by)), Some((other, tenant))) = (
            tenant_of(cluster, &claim.id.namespace),
            tenant_of(cluster, from),
        ) else {
            continue;
        };

        let granted = cluster.facts.grants.iter().any(|g| {
            g.id.namespace == *from
                && g.from
                    .iter()
                    .any(|(namespace, _)| *namespace == claim.id.namespace)
        });

        // A grant is a finding by itself; without one nothing is copied.
        if home != other && !granted {
            let span = at(*span, claim.origin);
            let message = format!(
                "{} of tenant `{by}` asks for a copy of what tenant `{tenant}` has",
                claim.id.called()
            );
            out.push(
                Finding::warning(&REFERENCE_GRANT, span, message)
                    .by(by)
                    .reaching(tenant)
                    .fix("copy from a namespace of its own; nothing grants it today"),
            );
        }
    }
}

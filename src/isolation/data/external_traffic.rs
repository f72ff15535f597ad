use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::isolation::{Finding, at, tenant_of};

rule! {
    /// A tenant's Service takes over addresses, or stands for a name of another namespace.
    ///
    /// ## What it finds
    /// `externalIPs`, and an `externalName` that ends in `.svc` or `.svc.cluster.local` of another
    /// tenant's namespace.
    ///
    /// ## Why it matters
    /// Every node sends what goes to an external IP to the tenant's pods: anybody's traffic to that
    /// address. An ingress controller that follows an ExternalName reaches what its own policies
    /// let it, and not what the tenant's do.
    ///
    /// ## Fix
    /// Remove them; deny `externalIPs` at admission.
    ///
    /// ## References
    /// CVE-2020-8554; CVE-2021-25740; CIS 5.3
    pub static EXTERNAL_TRAFFIC = "data/external-traffic", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for service in &cluster.facts.services {
        let Some((_, tenant)) = tenant_of(cluster, &service.id.namespace) else {
            continue;
        };
        if let Some((ip, span)) = service.external_ips.first() {
            let span = at(*span, service.origin);
            let message = format!(
                "{} of tenant `{tenant}` takes what anybody sends to {ip}",
                service.id.called()
            );
            out.push(
                Finding::refuted(&EXTERNAL_TRAFFIC, span, message)
                    .by(tenant)
                    .step(span, format!("externalIPs of {}", service.id.called()))
                    .through(&service.id)
                    .fix("remove externalIPs"),
            );
        }

        if let Some((name, span)) = &service.external_name {
            let inner = name
                .trim_end_matches('.')
                .trim_end_matches(".cluster.local")
                .strip_suffix(".svc");

            let other = inner
                .and_then(|n| n.rsplit_once('.'))
                .map(|(_, namespace)| namespace);
            let foreign =
                other.filter(|n| cluster.owner(n) != cluster.owner(&service.id.namespace));

            if let Some(namespace) = foreign {
                let span = at(*span, service.origin);
                let whose = cluster.owner_name(cluster.owner(namespace));
                let message = format!(
                    "{} of tenant `{tenant}` stands for `{name}` of {whose}",
                    service.id.called()
                );
                out.push(
                    Finding::warning(&EXTERNAL_TRAFFIC, span, message)
                        .by(tenant)
                        .step(span, format!("externalName of {}", service.id.called())).through(&service.id)
                        .fix("call the other namespace's Service by its own name, so that policies see who calls"),
                );
            }
        }
    }
}

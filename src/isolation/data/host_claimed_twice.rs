use super::Findings;
use crate::diagnostic::rule;
use crate::graph::workload::Host;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at};
use crate::value::Text;
use std::collections::BTreeMap;

rule! {
    /// Two tenants serve one host.
    ///
    /// ## What it finds
    /// Ingresses and routes of two tenants with the same host.
    ///
    /// ## Why it matters
    /// The controller sends a request to one of them, or to both by path: one gets the other's visitors, their cookies and
    /// their passwords. A certificate for the host is theirs too.
    ///
    /// ## Example
    /// ```yaml
    /// rules: [{host: pay.example.org, http: {paths: [{path: /login, …}]}}]
    /// ```
    ///
    /// ## Fix
    /// Give the host to one of them; claim it in its spec.
    ///
    /// ## References
    /// Capsule "collision of hostnames"; kubernetes.io/docs/concepts/services-networking/ingress; ISO 27001 A.8.3
    pub static HOST_CLAIMED_TWICE = "data/host-claimed-twice", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut hosts: BTreeMap<&Text, BTreeMap<u32, &Host>> = BTreeMap::new();
    for host in &cluster.facts.hosts {
        if let Owner::Tenant(tenant) = cluster.owner(&host.id.namespace) {
            hosts.entry(&host.host).or_default().entry(tenant).or_insert(host);
        }
    }
    for (name, claims) in hosts.into_iter().filter(|(_, claims)| claims.len() > 1) {
        let mut all = claims.iter();
        let (Some((a, first)), Some((b, second))) = (all.next(), all.next()) else { continue };
        let (a, b) = (&cluster.tenants[*a as usize].name, &cluster.tenants[*b as usize].name);
        let message = format!("the host `{name}` is served by {} tenants: `{a}` and `{b}`", claims.len());
        out.push(
            Finding::refuted(&HOST_CLAIMED_TWICE, at(second.place, second.origin), message)
                .by(b)
                .reaching(a)
                .step(at(first.place, first.origin), format!("{} serves it", first.id.called()))
                .step(at(second.place, second.origin), format!("{} serves it too", second.id.called()))
                .fix("give the host to one of them"),
        );
    }
}

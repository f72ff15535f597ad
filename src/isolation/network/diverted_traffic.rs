use super::Findings;
use crate::diagnostic::rule;
use crate::graph::diversion::{ChosenEndpoints, Diversion};
use crate::graph::{Cluster, Owner};
use crate::isolation::network::paths::pod_network;
use crate::isolation::{Finding, at, tenant_of};
use crate::netpol::addresses::AddressSet;
use crate::source::Span;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

rule! {
    /// An object sends the traffic of one tenant to another.
    ///
    /// ## What it finds
    /// - Endpoints and EndpointSlices of a tenant with the address of a pod of others, which Service
    ///   controllers and proxies then send to.
    /// - Envoy configurations of Cilium that take the traffic of a Service of another tenant, or send
    ///   to one.
    /// - Local redirects of Cilium in a tenant's namespace for an address.
    ///
    /// ## Why it matters
    /// A proxy that both tenants may use, such as an ingress controller, goes where the object sends
    /// it. The NetworkPolicies see the proxy, and not the tenant.
    ///
    /// ## Fix
    /// Select pods of the namespace in the Service; let nobody but the platform write Endpoints.
    ///
    /// ## References
    /// CVE-2021-25740; docs.cilium.io, "Local Redirect Policy"
    pub static DIVERTED_TRAFFIC = "network/diverted-traffic", Error;
}

const FIX: &str = "select pods of the namespace in the Service, and remove the addresses";

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut pods: BTreeMap<IpAddr, Owner> = BTreeMap::new();
    for workload in &cluster.facts.workloads {
        let owner = cluster.owner(&workload.id.namespace);
        pods.extend(workload.ips.iter().map(|ip| (*ip, owner)));
    }

    for endpoints in &cluster.facts.endpoints {
        out.extend(chosen(cluster, endpoints, &pods));
    }
    for diversion in &cluster.facts.diversions {
        out.extend(diverted(cluster, diversion));
    }
}

/// The finding about the first address of a tenant's endpoints that may be another's pod.
fn chosen(
    cluster: &Cluster,
    endpoints: &ChosenEndpoints,
    pods: &BTreeMap<IpAddr, Owner>,
) -> Option<Finding> {
    let (by, tenant) = tenant_of(cluster, &endpoints.id.namespace)?;
    let foreign = |ip: &IpAddr| match pods.get(ip) {
        Some(owner) => (*owner != Owner::Tenant(by)).then_some(Some(*owner)),
        None => pod_network(cluster, &AddressSet::new(&IpNet::from(*ip), &[])).map(|_| None),
    };
    let found = endpoints
        .addresses
        .iter()
        .find_map(|(ip, span)| Some((ip, span, foreign(ip)?)));
    let (ip, span, owner) = found?;

    let span = at(*span, endpoints.origin);
    let message = format!(
        "{} of tenant `{tenant}` sends to {ip}, which may be a pod of others",
        endpoints.id.called()
    );
    // Without podCIDRs the address may be one of another network.
    let known = owner.is_some() || !cluster.pod_networks.is_empty();
    let finding = match known {
        true => Finding::refuted(&DIVERTED_TRAFFIC, span, message),
        false => Finding::warning(
            &DIVERTED_TRAFFIC,
            span,
            format!("{message}: the podCIDRs of the cluster say whether"),
        ),
    };
    Some(
        finding
            .by(tenant)
            .step(span, format!("{} names the address", endpoints.id.called()))
            .through(&endpoints.id)
            .fix(FIX),
    )
}

/// The finding about an object of a plugin that diverts traffic between owners.
fn diverted(cluster: &Cluster, diversion: &Diversion) -> Option<Finding> {
    let home = tenant_of(cluster, &diversion.id.namespace);
    let span = diversion.origin.span;
    if let Some((_, tenant)) = home
        && let Some(address) = &diversion.address
    {
        let message = format!(
            "{} of tenant `{tenant}` takes what pods of the same node send to {address}",
            diversion.id.called()
        );
        return Some(refuted(span, message, "it redirects the address").by(tenant));
    }

    // Whoever takes the traffic: the author, or else who is sent to.
    let takers = diversion
        .sends
        .iter()
        .filter_map(|to| tenant_of(cluster, to));
    for (by, tenant) in home.into_iter().chain(takers) {
        let taken = diversion.takes.iter().find(|from| {
            let owner = cluster.owner(from);
            owner != Owner::Tenant(by) && (home.is_some() || owner != Owner::Platform)
        });
        if let Some(from) = taken {
            let message = format!(
                "{} sends what is meant for a Service of `{from}` to tenant `{tenant}`",
                diversion.id.called()
            );
            let finding = refuted(span, message, "it takes the traffic of the Service");
            return Some(match tenant_of(cluster, from) {
                Some((_, victim)) => finding.by(tenant).reaching(victim),
                None => finding.by(tenant),
            });
        }
    }

    let (by, tenant) = home?;
    let sent = diversion
        .sends
        .iter()
        .find(|to| cluster.owner(to) != Owner::Tenant(by));
    if let Some(to) = sent {
        let message = format!(
            "{} of tenant `{tenant}` sends to Services of `{to}` through the plugin's proxy",
            diversion.id.called()
        );
        return Some(refuted(span, message, "the proxy sends there").by(tenant));
    }

    diversion.raw.then(|| {
        let message = format!(
            "{} of tenant `{tenant}` configures the plugin's proxy, and its resources are not read",
            diversion.id.called()
        );
        Finding::unknown(&DIVERTED_TRAFFIC, span, message)
            .by(tenant)
            .fix("let nobody but the platform write it")
    })
}

fn refuted(span: Span, message: String, step: &str) -> Finding {
    Finding::refuted(&DIVERTED_TRAFFIC, span, message)
        .step(span, step)
        .fix("remove it, or let it name Services of one tenant alone")
}

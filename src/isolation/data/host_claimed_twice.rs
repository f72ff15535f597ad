use super::Findings;
use crate::diagnostic::rule;
use crate::graph::host::Host;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, tenant_of};
use std::collections::BTreeMap;

rule! {
    /// Two tenants serve one host.
    ///
    /// ## What it finds
    /// Ingresses and routes of two tenants with the same host; routes of a mesh for the Services of
    /// another tenant.
    ///
    /// ## Why it matters
    /// The controller sends a request to one of them, or to both by path: one gets the other's
    /// visitors, their cookies and their passwords. A certificate for the host is theirs too.
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
    /// Capsule "collision of hostnames"; kubernetes.io/docs/concepts/services-networking/ingress;
    /// ISO 27001 A.8.3
    pub static HOST_CLAIMED_TWICE = "data/host-claimed-twice", Error;
}

/// The hosts that are served, each with its owners and the first object of each.
type HostOwners<'a> = BTreeMap<&'a str, BTreeMap<Owner, &'a Host>>;

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut hosts = HostOwners::new();
    for host in &cluster.facts.hosts {
        let owner = cluster.owner(&host.id.namespace);
        if let Some(namespace) = service_namespace(&host.host) {
            if let Some(finding) = foreign_service(cluster, host, namespace) {
                out.push(finding);
            }
            continue;
        }

        // A listener of a gateway of the platform is there for the routes of tenants.
        if host.id.kind == "Gateway" && owner == Owner::Platform {
            continue;
        }
        hosts
            .entry(&host.host)
            .or_default()
            .entry(owner)
            .or_insert(host);
    }

    for name in hosts.keys() {
        if let Some(finding) = served_twice(cluster, name, &servers(&hosts, name)) {
            out.push(finding);
        }
    }
}

/// The namespace of the Service that a host names: of `NAME.NAMESPACE.svc` and its like.
fn service_namespace(host: &str) -> Option<&str> {
    let (service, rest) = host.split_once(".svc")?;
    if !rest.is_empty() && !rest.starts_with('.') {
        return None;
    }
    Some(service.rsplit('.').next().unwrap_or_default())
}

/// The finding about a route of a tenant for a Service of another.
fn foreign_service(cluster: &Cluster, host: &Host, namespace: &str) -> Option<Finding> {
    let (by, tenant) = tenant_of(cluster, &host.id.namespace)?;
    let (of, victim) = tenant_of(cluster, namespace)?;
    if by == of {
        return None;
    }

    let span = at(host.span, host.origin);
    let message = format!(
        "{} of tenant `{tenant}` takes what is sent to `{}` of tenant `{victim}`",
        host.id.called(),
        host.host
    );
    let routes = format!(
        "{} names it: the mesh routes by it in every namespace",
        host.id.called()
    );

    Some(
        Finding::refuted(&HOST_CLAIMED_TWICE, span, message)
            .by(tenant)
            .reaching(victim)
            .step(span, routes)
            .fix("name Services of its own, or set exportTo: [\".\"]"),
    )
}

/// The owners that serve a host: those that name it, and the others that serve it by a wildcard.
fn servers<'a>(hosts: &HostOwners<'a>, name: &str) -> Vec<(Owner, &'a Host)> {
    let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    let wildcard = wildcard.and_then(|wildcard| hosts.get(wildcard.as_str()));
    let exact = hosts.get(name);

    let mut servers: Vec<(Owner, &Host)> = Vec::new();
    for (owner, host) in exact.into_iter().chain(wildcard).flatten() {
        if !servers.iter().any(|(known, _)| known == owner) {
            servers.push((*owner, host));
        }
    }
    servers
}

/// The finding about a host that several owners serve, of which one at least is a tenant.
fn served_twice(cluster: &Cluster, name: &str, servers: &[(Owner, &Host)]) -> Option<Finding> {
    let [(first_owner, first), (second_owner, second), ..] = servers else {
        return None;
    };
    if servers.iter().all(|(owner, _)| *owner == Owner::Platform) {
        return None;
    }

    let message = format!(
        "the host `{name}` is served by {} owners: {} and {}",
        servers.len(),
        cluster.owner_name(*first_owner),
        cluster.owner_name(*second_owner)
    );
    let (first_span, second_span) = (at(first.span, first.origin), at(second.span, second.origin));
    let finding = Finding::refuted(&HOST_CLAIMED_TWICE, second_span, message)
        .step(first_span, format!("{} serves it", first.id.called()))
        .step(second_span, format!("{} serves it too", second.id.called()))
        .fix("give the host to one of them");

    let tenant = |owner: Owner| match owner {
        Owner::Tenant(at) => Some(cluster.tenants[at as usize].name.as_str()),
        Owner::Platform => None,
    };
    let finding = match tenant(*second_owner).or_else(|| tenant(*first_owner)) {
        Some(tenant) => finding.by(tenant),
        None => finding,
    };
    Some(match tenant(*first_owner) {
        Some(victim) => finding.reaching(victim),
        None => finding,
    })
}

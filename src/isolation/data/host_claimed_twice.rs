use super::Findings;
use crate::diagnostic::rule;
use crate::graph::host::Host;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at};
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

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut hosts: BTreeMap<&str, BTreeMap<Owner, &Host>> = BTreeMap::new();
    for host in &cluster.facts.hosts {
        // A name of a Service is its namespace's: `NAME.NAMESPACE.svc…`.
        if let Some((service, _)) = host
            .host
            .split_once(".svc")
            .filter(|(_, rest)| rest.is_empty() || rest.starts_with('.'))
        {
            let home = service.rsplit('.').next().unwrap_or_default();
            let owner = cluster.owner(&host.id.namespace);

            if let (Owner::Tenant(by), Owner::Tenant(of)) = (owner, cluster.owner(home))
                && by != of
            {
                let span = at(host.span, host.origin);
                let (by, of) = (
                    &cluster.tenants[by as usize].name,
                    &cluster.tenants[of as usize].name,
                );

                let message = format!(
                    "{} of tenant `{by}` takes what is sent to `{}` of tenant `{of}`",
                    host.id.called(),
                    host.host
                );

                out.push(
                    Finding::refuted(&HOST_CLAIMED_TWICE, span, message)
                        .by(by)
                        .reaching(of)
                        .step(
                            span,
                            format!(
                                "{} names it: the mesh routes by it in every namespace",
                                host.id.called()
                            ),
                        )
                        .fix("name Services of its own, or set exportTo: [\".\"]"),
                );
            }

            continue;
        }

        // A listener of the platform's is there for tenants' routes.
        if host.id.kind == "Gateway" && cluster.owner(&host.id.namespace) == Owner::Platform {
            continue;
        }
        hosts
            .entry(&host.host)
            .or_default()
            .entry(cluster.owner(&host.id.namespace))
            .or_insert(host);
    }

    for (name, claims) in &hosts {
        // A wildcard serves whatever ends in it, but for what somebody names exactly.
        let wild = name
            .split_once('.')
            .and_then(|(_, rest)| hosts.get(format!("*.{rest}").as_str()));
        let mut all: Vec<(&Owner, &&Host)> = claims.iter().collect();
        all.extend(
            wild.into_iter()
                .flatten()
                .filter(|(owner, _)| !claims.contains_key(owner)),
        );

        let tenants = all
            .iter()
            .filter(|(owner, _)| **owner != Owner::Platform)
            .count();

        let [(a, first), (b, second), ..] = all.as_slice() else {
            continue;
        };
        if tenants == 0 {
            continue;
        }
        let named = |owner: &Owner| cluster.owner_name(*owner);
        let message = format!(
            "the host `{name}` is served by {} owners: {} and {}",
            all.len(),
            named(a),
            named(b)
        );

        let finding =
            Finding::refuted(&HOST_CLAIMED_TWICE, at(second.span, second.origin), message)
                .step(
                    at(first.span, first.origin),
                    format!("{} serves it", first.id.called()),
                )
                .step(
                    at(second.span, second.origin),
                    format!("{} serves it too", second.id.called()),
                )
                .fix("give the host to one of them");

        let tenant = |owner: &Owner| match owner {
            Owner::Tenant(at) => Some(cluster.tenants[*at as usize].name.clone()),
            Owner::Platform => None,
        };

        let finding = tenant(b)
            .or_else(|| tenant(a))
            .iter()
            .fold(finding, |f, name| f.by(name));

        out.push(tenant(a).iter().fold(finding, |f, name| f.reaching(name)));
    }
}

use super::Findings;
use super::mesh_host;
use crate::diagnostic::rule;
use crate::graph::host::Host;
use crate::graph::{Cluster, Owner};
use crate::host::{HostIndex, HostPattern, HostUse};
use crate::isolation::{Finding, at, tenant_of};
use crate::kube::ObjectId;
use std::collections::BTreeSet;

rule! {
    /// Two tenants serve one host.
    ///
    /// ## What it finds
    /// Ingresses, routes of every ingress controller, DNS records and certificates of two tenants for
    /// the same host. A wildcard or a regular expression stands for the hosts that its controller
    /// takes it for. Annotations that name hosts count, and so do objects that change where a mesh
    /// sends the requests of others, and those that set something for every host of a controller. An
    /// object of a kind that is not evaluated and that names another tenant's host is a warning.
    ///
    /// A redirect of the platform, its certificates, its listeners, its wildcards, and its paths for
    /// logins and challenges take nothing from a tenant.
    ///
    /// ## Why it matters
    /// The controller sends a request to one of them, or to both by path: one gets the other's
    /// visitors, their cookies and their passwords. A certificate for the host is theirs too.
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
    let mut claims: HostIndex<'_, Owner, Host> = HostIndex::default();
    for host in &cluster.facts.hosts {
        let owner = cluster.owner(&host.id.namespace);
        if let HostUse::Mesh { .. } = host.used {
            out.extend(mesh_host::finding(cluster, host, owner));
        } else if owner != Owner::Platform || takes_from_tenants(host) {
            claims.add(owner, &host.pattern, host);
        }
    }

    let mut pairs: BTreeSet<(&ObjectId, &ObjectId)> = BTreeSet::new();
    claims.each_conflict(usize::MAX, &mut |servers| {
        let [(_, first), (_, second), ..] = servers else {
            return;
        };
        if pairs.insert((&first.id, &second.id)) {
            out.extend(served_twice(cluster, servers));
        }
    });
    for (_, host) in claims.unread() {
        out.push(unread(cluster, host));
    }
    for host in &cluster.facts.mentioned_hosts {
        out.extend(mentioned(cluster, &claims, host));
    }
}

/// Paths at which a platform serves logins and challenges for the hosts of tenants.
const HELPER_PATHS: [&str; 14] = [
    "/.well-known",
    "/oauth2",
    "/_oauth",
    "/.auth",
    "/auth",
    "/login",
    "/logout",
    "/dex",
    "/saml",
    "/sso",
    "/callback",
    "/outpost.goauthentik.io",
    "/.pomerium",
    "/_gatekeeper",
];

/// Whether an object of the platform for a host of a tenant's takes the tenant's visitors.
fn takes_from_tenants(host: &Host) -> bool {
    let path = host.path.trim_start_matches('^');
    let helps = HELPER_PATHS.iter().any(|helper| {
        let rest = path.strip_prefix(helper);
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    });
    host.used == HostUse::Serves && !helps && matches!(host.pattern, HostPattern::Name(_))
}

/// What an object does with a host, as a predicate.
const fn predicate(host: &Host) -> &'static str {
    match host.used {
        HostUse::Serves => "serves it",
        HostUse::Redirects => "redirects it",
        HostUse::Listens => "listens for it",
        HostUse::Governs => "sets how its controller serves it",
        HostUse::Certifies => "gets a certificate for it",
        HostUse::Resolves => "makes a DNS record for it",
        HostUse::Mesh { .. } => "routes it in the mesh",
    }
}

/// The finding about a host that several owners claim, of which one at least is a tenant.
fn served_twice(cluster: &Cluster, servers: &[(Owner, &Host)]) -> Option<Finding> {
    let [(first_owner, first), (second_owner, second), ..] = servers else {
        return None;
    };
    let name = &first.pattern;
    let message = format!(
        "the host `{name}` is claimed by {} owners: {} and {}",
        servers.len(),
        cluster.owner_name(*first_owner),
        cluster.owner_name(*second_owner)
    );
    let (first_span, second_span) = (at(first.span, first.origin), at(second.span, second.origin));
    let by_pattern = match second.pattern == first.pattern {
        true => String::new(),
        false => format!(", by `{}`", second.pattern),
    };
    let finding = Finding::refuted(&HOST_CLAIMED_TWICE, second_span, message)
        .step(
            first_span,
            format!("{} {}", first.id.called(), predicate(first)),
        )
        .through(&first.id)
        .step(
            second_span,
            format!(
                "{} {} too{by_pattern}",
                second.id.called(),
                predicate(second)
            ),
        )
        .through(&second.id)
        .fix("give the host to one of them");

    let tenant = |owner: Owner| match owner {
        Owner::Tenant(at) => Some(cluster.tenants[at as usize].name.as_str()),
        Owner::Platform => None,
    };
    let finding = match tenant(*second_owner).or_else(|| tenant(*first_owner)) {
        Some(tenant) => finding.by(tenant),
        None => finding,
    };
    Some(match (servers.len(), tenant(*first_owner)) {
        (3.., _) => finding.shared_by(servers.iter().map(|(owner, _)| *owner)),
        (_, Some(victim)) => finding.reaching(victim),
        (_, None) => finding,
    })
}

/// The finding about a regular expression that cannot be read.
fn unread(cluster: &Cluster, host: &Host) -> Finding {
    let message = format!(
        "{} claims the hosts that `{}` matches, and the expression cannot be read",
        host.id.called(),
        host.pattern
    );
    let span = at(host.span, host.origin);
    let finding = Finding::unknown(&HOST_CLAIMED_TWICE, span, message)
        .fix("name the hosts, or write the expression in the syntax of RE2");
    match tenant_of(cluster, &host.id.namespace) {
        Some((_, tenant)) => finding.by(tenant),
        None => finding,
    }
}

/// The warning about an object of a tenant that names a host of another, and whose kind is not read.
fn mentioned(
    cluster: &Cluster,
    claims: &HostIndex<'_, Owner, Host>,
    host: &Host,
) -> Option<Finding> {
    let (home, tenant) = tenant_of(cluster, &host.id.namespace)?;
    let HostPattern::Name(name) = &host.pattern else {
        return None;
    };
    let (other, served) = claims.other_owner(name, Owner::Tenant(home))?;
    let Owner::Tenant(victim) = other else {
        return None;
    };

    let message = format!(
        "{} of tenant `{tenant}` names the host `{name}` of tenant `{}`, and its kind is not evaluated",
        host.id.called(),
        cluster.tenants[victim as usize].name
    );
    let (span, served_span) = (at(host.span, host.origin), at(served.span, served.origin));
    Some(
        Finding::warning(&HOST_CLAIMED_TWICE, span, message)
            .by(tenant)
            .reaching(&cluster.tenants[victim as usize].name)
            .step(span, format!("{} names it", host.id.called()))
            .through(&host.id)
            .step(
                served_span,
                format!("{} {}", served.id.called(), predicate(served)),
            )
            .through(&served.id)
            .fix("give the host to one of them, if objects of this kind serve it"),
    )
}

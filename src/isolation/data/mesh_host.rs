//! Objects of a tenant that change where a mesh sends the requests of others.

use super::HOST_CLAIMED_TWICE;
use crate::graph::host::Host;
use crate::graph::{Cluster, Owner};
use crate::host::{HostPattern, HostUse};
use crate::isolation::{Finding, at};
use crate::value::Text;

/// The finding about a host that an object of a tenant takes from the mesh, if others follow it.
pub(super) fn finding(cluster: &Cluster, host: &Host, owner: Owner) -> Option<Finding> {
    let Owner::Tenant(by) = owner else {
        return None;
    };
    let HostUse::Mesh {
        exported_to,
        diverts,
    } = &host.used
    else {
        return None;
    };
    let follows = |namespace: &Text| cluster.owner(namespace) != owner;
    if exported_to
        .as_ref()
        .is_some_and(|namespaces| !namespaces.iter().any(follows))
    {
        return None;
    }

    let (victim, whose) = match taken(host) {
        Taken::OwnService => return None,
        Taken::Services => (None, "of every tenant".to_owned()),
        Taken::ServicesOf(namespace) => {
            let of = cluster.owner(namespace);
            if of == owner {
                return None;
            }
            (Some(of), format!("of {}", cluster.owner_name(of)))
        }
        Taken::Outside => (None, "outside the cluster, for every tenant".to_owned()),
    };

    let tenant = &cluster.tenants[by as usize].name;
    let span = at(host.span, host.origin);
    let message = format!(
        "{} of tenant `{tenant}` takes what is sent to `{}` {whose}",
        host.id.called(),
        host.pattern
    );
    let outside = matches!(taken(host), Taken::Outside);
    let finding = match *diverts || !outside {
        true => Finding::refuted(&HOST_CLAIMED_TWICE, span, message),
        // The host keeps its own addresses.
        false => Finding::warning(&HOST_CLAIMED_TWICE, span, message),
    };

    let routes = format!(
        "{} names it: the mesh routes by it in every namespace that it is exported to",
        host.id.called()
    );
    let finding = finding
        .by(tenant)
        .step(span, routes)
        .fix("name Services of its own, or set exportTo: [\".\"]");
    Some(match victim {
        Some(Owner::Tenant(at)) => finding.reaching(&cluster.tenants[at as usize].name),
        _ => finding,
    })
}

/// What a host of the mesh stands for.
enum Taken<'a> {
    /// A Service of the object's own namespace.
    OwnService,
    /// Services of every namespace.
    Services,
    /// Services of this namespace.
    ServicesOf(&'a str),
    /// A host outside the cluster.
    Outside,
}

/// Domains that hold the Services of every namespace.
const OF_ALL: [&str; 5] = ["", "svc", "local", "cluster.local", "svc.cluster.local"];

fn taken(host: &Host) -> Taken<'_> {
    let name = match &host.pattern {
        HostPattern::Below { domain, .. } if OF_ALL.contains(&domain.as_str()) => {
            return Taken::Services;
        }
        HostPattern::Rest | HostPattern::Unread(_) => return Taken::Services,
        HostPattern::Below { domain, .. } => domain,
        HostPattern::Name(name) | HostPattern::Regex(name) => {
            // A short name is one of the object's own namespace.
            if !name.contains('.') {
                return Taken::OwnService;
            }
            name
        }
    };

    match service_namespace(name) {
        Some(namespace) => Taken::ServicesOf(namespace),
        None => Taken::Outside,
    }
}

/// The namespace of the Services that a name stands for: of `NAME.NAMESPACE.svc` and its like.
fn service_namespace(host: &str) -> Option<&str> {
    let (service, rest) = host.split_once(".svc")?;
    if !rest.is_empty() && !rest.starts_with('.') {
        return None;
    }
    Some(service.rsplit('.').next().unwrap_or_default())
}

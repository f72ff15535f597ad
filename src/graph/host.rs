//! The hosts that Ingresses, routes and gateways serve.

use super::object::Origin;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::items;
use crate::source::Span;
use crate::value::Text;

/// The annotation of ingress-nginx that adds hosts to an Ingress.
const ALIASES: &str = "nginx.ingress.kubernetes.io/server-alias";

/// A host that an Ingress, a route or a gateway serves.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host, in lower case; `*.` stands for one label or more.
    pub host: Text,
    /// The path below it; empty if none is stated.
    pub path: Text,
    /// The object that serves it.
    pub id: ObjectId,
    /// Where it is named.
    pub span: Option<Span>,
    /// Where the object comes from.
    pub origin: Origin,
}

/// A host as an object names it.
struct NamedHost<'a> {
    name: &'a str,
    path: &'a str,
    span: Option<Span>,
}

impl<'a> NamedHost<'a> {
    /// The host of a field that holds a name, with every path.
    fn new<T: TreeValue>(node: &'a T) -> Option<Self> {
        Some(Self {
            name: node.text()?,
            path: "/",
            span: node.span(),
        })
    }
}

impl Host {
    /// The hosts of an Ingress, an HTTPRoute and their like.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        let spec = node.member("spec");
        let named = match id.group.as_str() {
            "gateway.networking.k8s.io" => gateway_api(spec),
            "networking.istio.io" => istio(&id.kind, spec),
            "route.openshift.io" => openshift(spec),
            _ => ingress(node, spec),
        };

        named
            .into_iter()
            .map(|named| Self {
                host: named.name.to_lowercase().into(),
                path: named.path.into(),
                id: id.clone(),
                span: named.span,
                origin,
            })
            .collect()
    }
}

/// The hosts of an Ingress: those of its rules, and those of the alias annotation.
fn ingress<'a, T: TreeValue>(node: &'a T, spec: Option<&'a T>) -> Vec<NamedHost<'a>> {
    let mut all = Vec::new();
    for rule in items(spec.and_then(|spec| spec.member("rules"))) {
        let Some(host) = rule.member("host").and_then(NamedHost::new) else {
            continue;
        };
        let paths = items(rule.member("http").and_then(|http| http.member("paths")));
        let path = |entry: &'a T| entry.member("path").and_then(TreeValue::text);

        all.extend(paths.iter().map(|entry| NamedHost {
            path: path(entry).unwrap_or("/"),
            ..host
        }));
        if paths.is_empty() {
            all.push(host);
        }
    }

    // An alias is served like a host.
    let alias = node
        .member("metadata")
        .and_then(|metadata| metadata.member("annotations")?.member(ALIASES));
    if let Some(alias) = alias {
        let names = alias.text().unwrap_or_default().split(',').map(str::trim);
        all.extend(names.filter(|name| !name.is_empty()).map(|name| NamedHost {
            name,
            path: "/",
            span: alias.span(),
        }));
    }

    all
}

/// The hosts of a route or of the listeners of a Gateway.
fn gateway_api<T: TreeValue>(spec: Option<&T>) -> Vec<NamedHost<'_>> {
    let hostnames = items(spec.and_then(|spec| spec.member("hostnames"))).iter();
    let listeners = items(spec.and_then(|spec| spec.member("listeners"))).iter();
    hostnames
        .chain(listeners.filter_map(|listener| listener.member("hostname")))
        .filter_map(NamedHost::new)
        .collect()
}

/// The hosts that an Istio Gateway serves, and those that a VirtualService or a ServiceEntry takes
/// from the mesh: the names of Services.
fn istio<'a, T: TreeValue>(kind: &str, spec: Option<&'a T>) -> Vec<NamedHost<'a>> {
    let list = |key: &str| items(spec.and_then(|spec| spec.member(key)));
    let hosts = |nodes: &'a [T]| nodes.iter().filter_map(NamedHost::new);

    match kind {
        "VirtualService" | "ServiceEntry" => {
            let of_mesh = list("gateways")
                .iter()
                .all(|gateway| gateway.text() == Some("mesh"));
            hosts(list("hosts"))
                .filter(|host| !of_mesh || host.name.contains(".svc"))
                .collect()
        }
        "Gateway" => list("servers")
            .iter()
            .flat_map(|server| hosts(items(server.member("hosts"))))
            // `NAMESPACE/HOST` states whose routes may use it.
            .map(|host| NamedHost {
                name: host.name.rsplit('/').next().unwrap_or(host.name),
                ..host
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// The host of an OpenShift Route.
fn openshift<T: TreeValue>(spec: Option<&T>) -> Vec<NamedHost<'_>> {
    let path = spec
        .and_then(|spec| spec.member("path"))
        .and_then(TreeValue::text);
    let host = spec
        .and_then(|spec| spec.member("host"))
        .and_then(NamedHost::new);

    let host = host.map(|host| NamedHost {
        path: path.unwrap_or("/"),
        ..host
    });
    host.into_iter().collect()
}

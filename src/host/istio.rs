//! The hosts of Istio: what its gateways serve, and what its objects take from the mesh.

use super::{HostUse, Levels, NamedHost};
use crate::document::TreeValue;
use crate::kube::labels::{items, text, texts};
use crate::value::Text;

/// The hosts that a Gateway, a VirtualService or a ServiceEntry names.
pub(super) fn named<'a, T: TreeValue>(
    kind: &str,
    home: &str,
    spec: Option<&'a T>,
) -> Vec<NamedHost<'a>> {
    let list = |key: &str| items(spec.and_then(|spec| spec.member(key)));
    let hosts = || {
        list("hosts")
            .iter()
            .filter_map(|host| NamedHost::new(host, Levels::Many))
    };
    let exported_to = match exported_to(spec, home) {
        Export::Nowhere => return Vec::new(),
        Export::Everywhere => None,
        Export::Namespaces(namespaces) => Some(namespaces),
    };

    match kind {
        "Gateway" => {
            let servers = list("servers").iter();
            let hosts = servers.flat_map(|server| items(server.member("hosts")));
            hosts
                .filter_map(|host| {
                    // `NAMESPACE/HOST` states whose routes may use it.
                    let name = host.text()?;
                    let name = name.rsplit('/').next().unwrap_or(name);
                    let pattern = super::HostPattern::parse(name, Levels::Many);
                    Some(NamedHost::of(pattern, host.span()).used(HostUse::Listens))
                })
                .collect()
        }
        "VirtualService" => {
            let gateways: Vec<&str> =
                texts(spec.and_then(|spec| spec.member("gateways"))).collect();
            let of_mesh = gateways.is_empty() || gateways.contains(&"mesh");
            let of_gateway = gateways.iter().any(|gateway| *gateway != "mesh");

            let mut all = Vec::new();
            if of_gateway {
                let used = match redirects(list("http")) {
                    true => HostUse::Redirects,
                    false => HostUse::Serves,
                };
                let prefix = only_prefix(list("http")).unwrap_or("/");
                all.extend(hosts().map(|host| NamedHost {
                    path: prefix,
                    ..host.used(used.clone())
                }));
            }
            if of_mesh {
                all.extend(hosts().map(|host| {
                    host.used(HostUse::Mesh {
                        exported_to: exported_to.clone(),
                        diverts: true,
                    })
                }));
            }
            all
        }
        _ => {
            // Without endpoints of its own choice, the host keeps its addresses.
            let resolution = text(spec, "resolution");
            let selects = spec.is_some_and(|spec| spec.member("workloadSelector").is_some());
            let diverts =
                !list("endpoints").is_empty() || selects || resolution.as_deref() == Some("STATIC");
            let used = HostUse::Mesh {
                exported_to,
                diverts,
            };
            hosts().map(|host| host.used(used.clone())).collect()
        }
    }
}

/// The namespaces that an object of the mesh holds for.
enum Export {
    /// Its own alone, or none.
    Nowhere,
    /// These.
    Namespaces(Vec<Text>),
    /// Every namespace.
    Everywhere,
}

/// Source: istio.io/latest/docs/reference/config/networking/virtual-service, `exportTo`.
fn exported_to<T: TreeValue>(spec: Option<&T>, home: &str) -> Export {
    let list: Vec<&str> = texts(spec.and_then(|spec| spec.member("exportTo"))).collect();
    if list.is_empty() || list.contains(&"*") {
        return Export::Everywhere;
    }

    let others = list
        .into_iter()
        .filter(|namespace| !matches!(*namespace, "." | "~") && *namespace != home);
    let others: Vec<Text> = others.map(Text::from).collect();
    match others.is_empty() {
        true => Export::Nowhere,
        false => Export::Namespaces(others),
    }
}

/// Whether the routes of a VirtualService only redirect.
fn redirects<T: TreeValue>(routes: &[T]) -> bool {
    let only = |route: &T| route.member("redirect").is_some() && route.member("route").is_none();
    !routes.is_empty() && routes.iter().all(only)
}

/// The prefix of every request that a VirtualService takes, if it has one route alone.
fn only_prefix<T: TreeValue>(routes: &[T]) -> Option<&str> {
    let [route] = routes else {
        return None;
    };
    let [condition] = items(route.member("match")) else {
        return None;
    };
    let uri = condition.member("uri")?;
    let value = uri.member("prefix").or_else(|| uri.member("exact"));
    value.and_then(TreeValue::text)
}

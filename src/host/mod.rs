//! The hosts that objects serve, certify, or resolve to addresses, and who has each.

mod annotations;
mod controller;
mod fields;
mod index;
mod istio;
mod mentioned;
mod pattern;
mod skipper;
mod traefik;

pub use controller::{
    ControllerSetting, IngressPower, controller_annotations, references_of_route, splits,
};
pub use index::HostIndex;
pub use mentioned::named as mentioned;
pub use pattern::{HostMatcher, HostPattern, Levels, escape};

use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{items, text};
use crate::source::Span;
use crate::value::Text;

/// What an object does with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostUse {
    /// It sends requests for it somewhere.
    Serves,
    /// It redirects requests for it, and sends them nowhere.
    Redirects,
    /// It listens for it, on behalf of routes.
    Listens,
    /// It sets for its whole controller how requests for it are served.
    Governs,
    /// It gets a certificate for it.
    Certifies,
    /// It makes a DNS record for it.
    Resolves,
    /// It changes where a mesh sends what others send to it.
    Mesh {
        /// The namespaces whose proxies follow it; `None` for every namespace.
        exported_to: Option<Vec<Text>>,
        /// Whether it chooses another destination than the host's own addresses.
        diverts: bool,
    },
}

/// A host as an object names it.
#[derive(Clone, Debug)]
pub struct NamedHost<'a> {
    /// The hosts that the object names.
    pub pattern: HostPattern,
    /// The path below them; `/` if none is stated.
    pub path: &'a str,
    /// What the object does with them.
    pub used: HostUse,
    /// Where they are named.
    pub span: Option<Span>,
}

impl<'a> NamedHost<'a> {
    /// The host of a field that holds a name or an address (`https://a.org/x`), with every path.
    fn new<T: TreeValue>(node: &'a T, levels: Levels) -> Option<Self> {
        let name = host_of_address(node.text()?);
        Some(Self::of(HostPattern::parse(name, levels), node.span()))
    }

    /// Every host.
    fn every(span: Option<Span>) -> Self {
        let pattern = HostPattern::Below {
            domain: Text::default(),
            levels: Levels::Many,
        };
        Self::of(pattern, span)
    }

    fn of(pattern: HostPattern, span: Option<Span>) -> Self {
        Self {
            pattern,
            path: "/",
            used: HostUse::Serves,
            span,
        }
    }

    fn used(self, used: HostUse) -> Self {
        Self { used, ..self }
    }
}

/// Whether a name, or the domain of a wildcard, is of the cluster's own DNS.
///
/// Source: kubernetes.io/docs/concepts/services-networking/dns-pod-service.
pub fn is_in_cluster(name: &str) -> bool {
    let is_below = |domain: &str| {
        let rest = name.strip_suffix(domain);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    is_below("svc") || is_below("cluster.local") || name == "kubernetes.default"
}

/// The namespace of a Service or a Pod that a name of the cluster's DNS stands for.
pub fn service_namespace(name: &str) -> Option<&str> {
    let inner = name.strip_suffix(".cluster.local").unwrap_or(name);
    let inner = inner
        .strip_suffix(".svc")
        .or_else(|| inner.strip_suffix(".pod"))?;
    inner.rsplit('.').next()
}

/// The hosts that an object names in the fields of its kind; `None` for a kind that names none.
pub fn named<'a, T: TreeValue>(id: &ObjectId, node: &'a T) -> Option<Vec<NamedHost<'a>>> {
    let spec = node.member("spec");
    Some(match (&*id.group, &*id.kind) {
        ("networking.k8s.io", "Ingress") => ingress(node, spec),
        ("gateway.networking.k8s.io", kind) => gateway_api(kind, spec),
        ("networking.istio.io", "VirtualService" | "Gateway" | "ServiceEntry") => {
            istio::named(&id.kind, &id.namespace, spec)
        }
        ("route.openshift.io", "Route") => openshift(spec),
        ("traefik.io" | "traefik.containo.us", "IngressRoute" | "IngressRouteTCP") => {
            traefik::named(&id.kind, spec)
        }
        ("cert-manager.io", "Certificate") => certificate(spec),
        _ if governs_every_host(id) => {
            vec![NamedHost::every(node.span()).used(HostUse::Governs)]
        }
        // A name without a dot, or of the cluster's DNS, is that of a Service in the mesh.
        ("flagger.app", kind) if fields::has_field("flagger.app", kind) => {
            let mut all = fields::named("flagger.app", kind, node);
            all.retain(|host| match &host.pattern {
                HostPattern::Name(name) => name.contains('.') && !is_in_cluster(name),
                _ => true,
            });
            all
        }
        (group, kind) if fields::has_field(group, kind) => fields::named(group, kind, node),
        _ => return None,
    })
}

/// The hosts that the annotations of an object name, whichever its kind.
pub fn named_by_annotations<T: TreeValue>(node: &T) -> Vec<NamedHost<'_>> {
    let annotations = node
        .member("metadata")
        .and_then(|metadata| metadata.member("annotations"));
    annotations.map_or_else(Vec::new, |all| annotations::named(all, node))
}

/// The host of an address: what stands between the scheme and the port or the path. A name without a
/// scheme is its own.
fn host_of_address(text: &str) -> &str {
    match text.split_once("://") {
        Some((_, rest)) => rest.split(['/', ':', '?']).next().unwrap_or(rest),
        None => text,
    }
}

/// Whether an object sets something for every host of its controller, whichever its namespace.
///
/// Sources: doc.traefik.io, "TLS" (the store and the options named `default`); apisix.apache.org,
/// "ApisixGlobalRule" and "ApisixClusterConfig".
fn governs_every_host(id: &ObjectId) -> bool {
    match (&*id.group, &*id.kind) {
        ("traefik.io" | "traefik.containo.us", "TLSStore" | "TLSOption") => id.name == "default",
        ("apisix.apache.org", "ApisixGlobalRule" | "ApisixClusterConfig") => true,
        _ => false,
    }
}

/// The hosts of the rules of an Ingress, and those that cert-manager gets certificates for.
fn ingress<'a, T: TreeValue>(node: &'a T, spec: Option<&'a T>) -> Vec<NamedHost<'a>> {
    let annotations = node
        .member("metadata")
        .and_then(|metadata| metadata.member("annotations"));
    let has = |key: &str| annotations.is_some_and(|all| all.member(key).is_some());
    let redirects = has("nginx.ingress.kubernetes.io/permanent-redirect")
        || has("nginx.ingress.kubernetes.io/temporal-redirect");

    let mut all = Vec::new();
    for rule in items(spec.and_then(|spec| spec.member("rules"))) {
        let Some(host) = rule
            .member("host")
            .and_then(|host| NamedHost::new(host, Levels::One))
        else {
            continue;
        };
        let host = match redirects {
            true => host.used(HostUse::Redirects),
            false => host,
        };
        let paths = items(rule.member("http").and_then(|http| http.member("paths")));
        let path = |entry: &'a T| entry.member("path").and_then(TreeValue::text);

        all.extend(paths.iter().map(|entry| NamedHost {
            path: path(entry).unwrap_or("/"),
            ..host.clone()
        }));
        if paths.is_empty() {
            all.push(host);
        }
    }

    // Of an issuer of its own namespace, the certificate is worth as much as the tenant itself.
    let annotation = |key: &str| {
        let annotations = node.member("metadata")?.member("annotations")?;
        annotations.member(key)?.text()
    };
    let is_of_platform = |key, own| annotation(key).is_some_and(|text| text != own);
    let certified = ["cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme"]
        .iter()
        .any(|key| has(key))
        || is_of_platform("cert-manager.io/issuer-kind", "Issuer")
        || is_of_platform("cert-manager.io/issuer-group", "cert-manager.io");
    if certified {
        let certificates = items(spec.and_then(|spec| spec.member("tls"))).iter();
        let hosts = certificates.flat_map(|entry| items(entry.member("hosts")));
        all.extend(
            hosts
                .filter_map(|host| NamedHost::new(host, Levels::One))
                .map(|host| host.used(HostUse::Certifies)),
        );
    }

    all
}

/// The hosts of a route or of the listeners of a Gateway.
fn gateway_api<'a, T: TreeValue>(kind: &str, spec: Option<&'a T>) -> Vec<NamedHost<'a>> {
    let list = |key: &str| items(spec.and_then(|spec| spec.member(key)));
    if kind == "Gateway" || kind == "ListenerSet" {
        return list("listeners")
            .iter()
            .filter_map(|listener| NamedHost::new(listener.member("hostname")?, Levels::Many))
            .map(|host| host.used(HostUse::Listens))
            .collect();
    }

    let rules = list("rules");
    let redirects = !rules.is_empty() && rules.iter().all(is_redirect);
    let used = match redirects {
        true => HostUse::Redirects,
        false => HostUse::Serves,
    };
    let paths = route_paths(rules);

    let hosts = list("hostnames")
        .iter()
        .filter_map(|host| NamedHost::new(host, Levels::Many));
    hosts
        .map(|host| host.used(used.clone()))
        .flat_map(|host| {
            let at = |path: &&'a str| NamedHost {
                path,
                ..host.clone()
            };
            paths.iter().map(at).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a rule of a route only redirects.
fn is_redirect<T: TreeValue>(rule: &T) -> bool {
    let mut filters = items(rule.member("filters")).iter();
    items(rule.member("backendRefs")).is_empty()
        && filters.any(|filter| text(Some(filter), "type").as_deref() == Some("RequestRedirect"))
}

/// The paths that the rules of a route match.
fn route_paths<T: TreeValue>(rules: &[T]) -> Vec<&str> {
    let mut paths = Vec::new();
    for rule in rules {
        let matches = items(rule.member("matches"));
        if matches.is_empty() {
            paths.push("/");
        }
        paths.extend(matches.iter().map(|entry| {
            let path = entry.member("path").and_then(|path| path.member("value"));
            path.and_then(TreeValue::text).unwrap_or("/")
        }));
    }
    if paths.is_empty() {
        paths.push("/");
    }
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The host of an OpenShift Route. A wildcard stands for one label.
fn openshift<T: TreeValue>(spec: Option<&T>) -> Vec<NamedHost<'_>> {
    let path = spec
        .and_then(|spec| spec.member("path"))
        .and_then(TreeValue::text);
    let below = text(spec, "wildcardPolicy").as_deref() == Some("Subdomain");
    let host = spec
        .and_then(|spec| spec.member("host"))
        .and_then(|host| NamedHost::new(host, Levels::One));

    let host = host.map(|host| {
        let pattern = match &host.pattern {
            HostPattern::Name(name) if below => {
                let domain = name.split_once('.').map_or("", |(_, domain)| domain);
                HostPattern::Below {
                    domain: domain.into(),
                    levels: Levels::One,
                }
            }
            pattern => pattern.clone(),
        };
        NamedHost {
            pattern,
            path: path.unwrap_or("/"),
            ..host
        }
    });
    host.into_iter().collect()
}

/// The hosts of a Certificate that an issuer of the platform signs.
fn certificate<T: TreeValue>(spec: Option<&T>) -> Vec<NamedHost<'_>> {
    let issuer = spec.and_then(|spec| spec.member("issuerRef"));
    let kind = text(issuer, "kind");
    if kind.is_none_or(|kind| kind == "Issuer") {
        return Vec::new();
    }

    let field = |key: &str| spec.and_then(|spec| spec.member(key));
    let names = items(field("dnsNames")).iter().chain(field("commonName"));
    let named = names.filter_map(|name| NamedHost::new(name, Levels::One));
    // A whole subject, as RFC 4514 writes it: `O=x,CN=a.org`.
    let subject = field("literalSubject");
    let parts = subject.and_then(TreeValue::text).unwrap_or_default();
    let common = parts.split([',', '+']).filter_map(|part| {
        let (key, name) = part.split_once('=')?;
        let is_common = key.trim().eq_ignore_ascii_case("CN");
        let pattern = is_common.then(|| HostPattern::parse(name, Levels::One))?;
        Some(NamedHost::of(pattern, subject?.span()))
    });
    named
        .chain(common)
        .map(|host| host.used(HostUse::Certifies))
        .collect()
}

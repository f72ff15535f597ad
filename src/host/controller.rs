//! The annotations and fields by which ingress objects reach into their controller.

use crate::document::{TreeValue, View};
use crate::kube::labels::items;
use crate::source::Span;
use crate::value::Text;

/// An annotation or a field that reaches into the controller.
#[derive(Debug)]
pub struct ControllerSetting<'a> {
    /// The key.
    pub key: &'a str,
    /// What it does.
    pub power: IngressPower,
    /// Where it stands.
    pub span: Option<Span>,
}

/// What an annotation does in a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IngressPower {
    /// It adds configuration of the tenant's own words.
    Snippet,
    /// It uses an object of this namespace, by this name.
    Uses(Text, Text),
    /// It uses an object that it names as `NAMESPACE-NAME`.
    UsesJoined(Text),
    /// It makes the controller call this host.
    Calls(Text),
}

/// Parts of the keys of annotations that hold configuration.
///
/// Sources: the documentation of ingress-nginx, NGINX Ingress Controller and both HAProxy
/// controllers; CVE-2021-25742.
const SNIPPETS: [&str; 9] = [
    "-snippet",
    "-snippets",
    "/config-backend",
    "/config-frontend",
    "/config-global",
    "/config-defaults",
    "/config-tcp-service",
    "/config-sections",
    "/auth-url-lua",
];

/// Parts of the keys of annotations that name a Secret or another object as `NAMESPACE/NAME`.
const REFERENCES: [&str; 14] = [
    "/fastcgi-params-configmap",
    "/auth-proxy-set-headers",
    "/cr-backend",
    "/auth-tls-secret",
    "/auth-secret",
    "/proxy-ssl-secret",
    "/secure-verify-ca-secret",
    "/secure-crt-secret",
    "/ssl-certificate",
    "/server-ca",
    "/server-crt",
    "/client-ca",
    "/custom-headers",
    "/tls-cert-namespace",
];

/// Parts of the keys of annotations that hold an address that the controller calls.
const CALLS: [&str; 2] = ["/auth-url", "/mirror-target"];

/// Variables of nginx that stand for a path, or for what follows one.
const PATH_VARIABLES: [&str; 6] = [
    "$request_uri",
    "$escaped_request_uri",
    "$uri",
    "$document_uri",
    "$is_args",
    "$args",
];

/// Ends of the keys of annotations of Traefik that name custom resources as
/// `NAMESPACE-NAME@kubernetescrd`, with commas between them.
///
/// Source: doc.traefik.io, "Traefik & Kubernetes with Ingress".
const TRAEFIK_REFERENCES: [&str; 3] = [
    "/router.middlewares",
    "/router.tls.options",
    "/service.serverstransport",
];

/// The provider of Traefik whose objects have namespaces.
const CUSTOM_RESOURCES: &str = "@kubernetescrd";

/// Prefixes of the keys of ingress controllers.
const CONTROLLERS: [&str; 7] = [
    "nginx.ingress.kubernetes.io/",
    "nginx.org/",
    "haproxy-ingress.github.io/",
    "haproxy.org/",
    "ingress.kubernetes.io/",
    "projectcontour.io/",
    "traefik.ingress.kubernetes.io/",
];

/// The most characters of the name of a namespace.
const NAMESPACE: usize = 63;

/// Each way to read `NAMESPACE-NAME`, of which both parts may hold dashes. With `safeNaming`, Traefik
/// puts `_` between the two.
pub fn splits(joined: &str) -> impl Iterator<Item = (&str, &str)> {
    let places = joined.match_indices(['-', '_']);
    let places = places.take_while(|(at, _)| *at <= NAMESPACE);
    places.map(|(at, _)| (&joined[..at], &joined[at + 1..]))
}

/// The custom resource of a list of Traefik's references.
fn joined(text: &str) -> Option<IngressPower> {
    let name = text.trim().strip_suffix(CUSTOM_RESOURCES)?;
    Some(IngressPower::UsesJoined(name.into()))
}

/// What an address makes the controller do: HAProxy Ingress takes `svc://NAMESPACE/NAME:PORT` too.
fn called(address: &str) -> Option<IngressPower> {
    let (scheme, rest) = address.split_once("://")?;
    if scheme == "svc" {
        let (namespace, rest) = rest
            .split_once('/')
            .filter(|(first, _)| !first.contains(':'))?;
        let name = rest.split([':', '/']).next().unwrap_or(rest);
        return Some(IngressPower::Uses(namespace.into(), name.into()));
    }

    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let path = PATH_VARIABLES
        .iter()
        .filter_map(|name| authority.find(name));
    let authority = &authority[..path.min().unwrap_or(authority.len())];
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = match host.split_once(']') {
        Some((address, _)) => address.trim_start_matches('['),
        None => host.split(':').next().unwrap_or(host),
    };
    Some(IngressPower::Calls(host.into()))
}

/// What the annotation of a controller does, as far as it reaches into the controller.
fn powers(key: &str, text: &str) -> Vec<IngressPower> {
    let is_one_of = |ends: &[&str]| ends.iter().any(|end| key.ends_with(end));
    if is_one_of(&SNIPPETS) {
        return vec![IngressPower::Snippet];
    }
    if is_one_of(&TRAEFIK_REFERENCES) {
        return text.split(',').filter_map(joined).collect();
    }
    if is_one_of(&CALLS) {
        return called(text).into_iter().collect();
    }
    if !is_one_of(&REFERENCES) {
        return Vec::new();
    }
    let named = match key.ends_with("-namespace") {
        true => Some((text, "*")),
        false => text.split_once('/'),
    };
    let named = named.map(|(namespace, name)| IngressPower::Uses(namespace.into(), name.into()));
    named.into_iter().collect()
}

/// The references to other namespaces that an IngressRoute of Traefik makes.
///
/// Source: doc.traefik.io, `allowCrossNamespace`, which is off by default.
pub fn references_of_route<T: TreeValue>(node: &T) -> Vec<ControllerSetting<'_>> {
    const LISTS: [&str; 2] = ["services", "middlewares"];
    let routes = items(node.member("spec").and_then(|spec| spec.member("routes"))).iter();
    let of_route = |route: &'_ T| {
        let named = |key: &'static str| {
            let all = items(route.member(key)).iter();
            all.filter_map(move |one| {
                let name = one.member("name")?;
                let namespace = one.member("namespace");
                let power = match namespace {
                    Some(namespace) => Some(IngressPower::Uses(
                        namespace.text()?.into(),
                        name.text()?.into(),
                    )),
                    None => joined(name.text()?),
                };
                Some(ControllerSetting {
                    key,
                    power: power?,
                    span: namespace.unwrap_or(name).span(),
                })
            })
        };
        LISTS.into_iter().flat_map(named).collect::<Vec<_>>()
    };
    routes.flat_map(of_route).collect()
}

/// The annotations of an object that reach into the controller.
pub fn controller_annotations<T: TreeValue>(node: &T) -> Vec<ControllerSetting<'_>> {
    let annotations = node
        .member("metadata")
        .and_then(|metadata| metadata.member("annotations"));
    let Some(View::Map(entries)) = annotations.map(TreeValue::view) else {
        return Vec::new();
    };

    let entries = entries.iter().map(T::split);
    let of_controller =
        entries.filter(|(key, _)| CONTROLLERS.iter().any(|prefix| key.starts_with(prefix)));
    of_controller
        .flat_map(|(key, value)| {
            let text = value.text().filter(|text| !text.is_empty());
            let powers = text.into_iter().flat_map(|text| powers(key, text));
            powers.map(move |power| ControllerSetting {
                key,
                power,
                span: value.span(),
            })
        })
        .collect()
}

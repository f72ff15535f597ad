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

/// Prefixes of the keys of ingress controllers.
const CONTROLLERS: [&str; 6] = [
    "nginx.ingress.kubernetes.io/",
    "nginx.org/",
    "haproxy-ingress.github.io/",
    "haproxy.org/",
    "ingress.kubernetes.io/",
    "projectcontour.io/",
];

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
                let (namespace, name) = (one.member("namespace")?, one.member("name")?);
                Some(ControllerSetting {
                    key,
                    power: IngressPower::Uses(namespace.text()?.into(), name.text()?.into()),
                    span: namespace.span(),
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
        .filter_map(|(key, value)| {
            let text = value.text().filter(|text| !text.is_empty())?;
            let power = if SNIPPETS.iter().any(|part| key.ends_with(part)) {
                IngressPower::Snippet
            } else if REFERENCES.iter().any(|part| key.ends_with(part)) {
                let (namespace, name) = match key.ends_with("-namespace") {
                    true => (text, "*"),
                    false => text.split_once('/')?,
                };
                IngressPower::Uses(namespace.into(), name.into())
            } else {
                return None;
            };
            Some(ControllerSetting {
                key,
                power,
                span: value.span(),
            })
        })
        .collect()
}

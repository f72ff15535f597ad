//! The annotations by which objects name more hosts.

use super::{HostPattern, HostUse, Levels, NamedHost, escape, skipper};
use crate::document::{TreeValue, View};
use crate::kube::labels::items;

/// How an annotation names hosts.
#[derive(Clone, Copy)]
enum Form {
    /// Names with commas between them; one that begins with `~` is a regular expression.
    List,
    /// A regular expression.
    Regex,
    /// `true` adds `www.`, or the name without it, to the hosts of the rules.
    Www,
    /// Conditions of a load balancer of AWS, in JSON.
    AwsConditions,
    /// Predicates of Skipper: `Host("^a[.]org$")`, `HostAny("a.org")`.
    SkipperPredicates,
}

/// Annotations that name hosts.
///
/// Sources: the documentation of ingress-nginx, HAProxy Ingress, Skipper, Traefik, Kong, the AWS and Azure
/// controllers, external-dns and cert-manager.
#[rustfmt::skip]
static ANNOTATIONS: [(&str, Form, HostUse); 23] = [
    ("nginx.ingress.kubernetes.io/server-alias", Form::List, HostUse::Serves),
    ("nginx.ingress.kubernetes.io/from-to-www-redirect", Form::Www, HostUse::Serves),
    ("haproxy-ingress.github.io/server-alias", Form::List, HostUse::Serves),
    ("haproxy-ingress.github.io/server-alias-regex", Form::Regex, HostUse::Serves),
    ("ingress.kubernetes.io/server-alias", Form::List, HostUse::Serves),
    ("ingress.kubernetes.io/server-alias-regex", Form::Regex, HostUse::Serves),
    ("haproxy-ingress.github.io/redirect-from", Form::List, HostUse::Serves),
    ("haproxy-ingress.github.io/redirect-from-regex", Form::Regex, HostUse::Serves),
    ("ingress.kubernetes.io/redirect-from", Form::List, HostUse::Serves),
    ("zalando.org/skipper-predicate", Form::SkipperPredicates, HostUse::Serves),
    ("zalando.org/skipper-routes", Form::SkipperPredicates, HostUse::Serves),
    ("konghq.com/host-aliases", Form::List, HostUse::Serves),
    ("konghq.com/snis", Form::List, HostUse::Serves),
    ("appgw.ingress.kubernetes.io/hostname-extension", Form::List, HostUse::Serves),
    ("alb.ingress.kubernetes.io/conditions.", Form::AwsConditions, HostUse::Serves),
    ("traefik.ingress.kubernetes.io/router.tls.domains.", Form::List, HostUse::Certifies),
    ("external-dns.alpha.kubernetes.io/hostname", Form::List, HostUse::Resolves),
    ("external-dns.alpha.kubernetes.io/internal-hostname", Form::List, HostUse::Resolves),
    ("external-dns.kubernetes.io/hostname", Form::List, HostUse::Resolves),
    ("dns.gardener.cloud/dnsnames", Form::List, HostUse::Resolves),
    ("cert.gardener.cloud/dnsnames", Form::List, HostUse::Certifies),
    ("cert-manager.io/common-name", Form::List, HostUse::Certifies),
    ("cert-manager.io/alt-names", Form::List, HostUse::Certifies),
];

/// The hosts that the annotations of an object name.
pub(super) fn named<'a, T: TreeValue>(annotations: &'a T, node: &'a T) -> Vec<NamedHost<'a>> {
    let View::Map(entries) = annotations.view() else {
        return Vec::new();
    };

    let mut all = Vec::new();
    for (key, value) in entries.iter().map(T::split) {
        let known = ANNOTATIONS
            .iter()
            .find(|(name, ..)| match name.ends_with('.') {
                true => key.starts_with(name),
                false => key == *name,
            });
        let (Some((_, form, used)), Some(text)) = (known, value.text()) else {
            continue;
        };
        let patterns = match form {
            Form::List => text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(alias)
                .collect(),
            Form::Regex => vec![HostPattern::regex(text)],
            Form::Www if text == "true" => www(node),
            Form::Www => Vec::new(),
            Form::AwsConditions => aws_hosts(text),
            Form::SkipperPredicates => skipper::hosts(text),
        };
        let named = patterns.into_iter();
        all.extend(named.map(|pattern| NamedHost::of(pattern, value.span()).used(used.clone())));
    }
    all
}

/// A name as nginx reads it: `~` and `~*` begin regular expressions.
fn alias(name: &str) -> HostPattern {
    match name.strip_prefix('~') {
        Some(expression) => HostPattern::regex(expression.trim_start_matches('*')),
        // nginx also takes `.example.org` for the domain and all below it.
        None => match name.strip_prefix('.') {
            Some(domain) => {
                let domain = escape(&domain.to_lowercase());
                HostPattern::regex(&format!("^(.*\\.)?{domain}$"))
            }
            None => HostPattern::parse(name, Levels::Many),
        },
    }
}

/// The hosts of the rules of an Ingress with `www.`, or without it.
fn www<T: TreeValue>(node: &T) -> Vec<HostPattern> {
    let rules = items(node.member("spec").and_then(|spec| spec.member("rules")));
    let hosts = rules.iter().filter_map(|rule| rule.member("host")?.text());
    let other = |host: &str| match host.strip_prefix("www.") {
        Some(host) => host.to_owned(),
        None => format!("www.{host}"),
    };
    hosts
        .map(|host| HostPattern::parse(&other(host), Levels::One))
        .collect()
}

/// The hosts of the conditions of a rule of an AWS load balancer.
fn aws_hosts(text: &str) -> Vec<HostPattern> {
    let conditions: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let conditions = conditions.as_ref().and_then(|all| all.as_array());
    let hosts = conditions.into_iter().flatten().filter_map(|condition| {
        let values = condition.get("hostHeaderConfig")?.get("values")?;
        values.as_array()
    });
    hosts
        .flatten()
        .filter_map(|host| Some(HostPattern::parse(host.as_str()?, Levels::Many)))
        .collect()
}

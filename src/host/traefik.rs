//! The hosts that the rules of Traefik match.
//!
//! Source: doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority.

use super::{HostPattern, Levels, NamedHost, escape};
use crate::document::TreeValue;
use crate::kube::labels::{items, texts};

/// The hosts of an IngressRoute.
pub(super) fn named<'a, T: TreeValue>(kind: &str, spec: Option<&'a T>) -> Vec<NamedHost<'a>> {
    // Routers of TCP come before those of HTTP. One with entry points of its own meets none of them.
    let entry_points = spec.and_then(|spec| spec.member("entryPoints"));
    let is_web = |point: &str| ["web", "websecure"].contains(&point);
    let before_http = kind == "IngressRouteTCP"
        && (items(entry_points).is_empty() || texts(entry_points).any(is_web));

    let mut all = Vec::new();
    for route in items(spec.and_then(|spec| spec.member("routes"))) {
        let Some(rule) = route.member("match") else {
            continue;
        };
        let ranked = route.member("priority").is_some();
        // Each alternative matches by itself.
        for part in rule.text().unwrap_or_default().split("||") {
            let hosts = hosts(part);
            let path = argument(part, "PathPrefix").or_else(|| argument(part, "Path"));
            let none = hosts.is_empty();
            let with_path = |pattern| NamedHost {
                path: path.unwrap_or("/"),
                ..NamedHost::of(pattern, rule.span())
            };
            let every = || HostPattern::Below {
                domain: "".into(),
                levels: Levels::Many,
            };
            let named = hosts.into_iter().map(|host| match host {
                HostPattern::Rest if before_http => every(),
                host => host,
            });
            all.extend(named.map(with_path));

            // Without a host it matches every one; a longer rule comes first unless it is ranked.
            if none {
                let pattern = match ranked {
                    true => every(),
                    false => HostPattern::Rest,
                };
                all.push(with_path(pattern));
            }
        }
    }
    all
}

/// The hosts that an alternative of a rule names.
fn hosts(part: &str) -> Vec<HostPattern> {
    let mut hosts = Vec::new();
    for matcher in ["Host", "HostHeader", "HostSNI"] {
        hosts.extend(arguments(part, matcher).map(|name| HostPattern::parse(name, Levels::Many)));
    }
    for matcher in ["HostRegexp", "HostSNIRegexp"] {
        hosts.extend(arguments(part, matcher).map(regular_expression));
    }
    hosts
}

/// The first argument of a matcher.
fn argument<'a>(part: &'a str, matcher: &str) -> Option<&'a str> {
    arguments(part, matcher).next()
}

/// The arguments of every call of a matcher that is not negated.
fn arguments<'a>(part: &'a str, matcher: &str) -> impl Iterator<Item = &'a str> {
    let call = format!("{matcher}(");
    let starts: Vec<usize> = part
        .match_indices(&call)
        .filter(|(at, _)| {
            let before = part[..*at].chars().next_back();
            !before.is_some_and(|before| before == '!' || before.is_ascii_alphanumeric())
        })
        .map(|(at, found)| at + found.len())
        .collect();

    starts.into_iter().flat_map(move |start| {
        let rest = &part[start..];
        let quoted = |quote: char| {
            let inner = rest.split(quote).skip(1).step_by(2);
            inner.collect::<Vec<&str>>()
        };
        // The list ends with the bracket that closes it, outside of quotes.
        let first = rest.trim_start().chars().next();
        let quote = first
            .filter(|quote| matches!(quote, '`' | '"' | '\''))
            .unwrap_or('`');
        let end = closing(rest, quote);
        quoted(quote)
            .into_iter()
            .filter(move |inner| inner.as_ptr() as usize - rest.as_ptr() as usize <= end)
            .collect::<Vec<_>>()
    })
}

/// Where the bracket stands that closes a list of arguments.
fn closing(rest: &str, quote: char) -> usize {
    let mut inside = false;
    for (at, letter) in rest.char_indices() {
        match letter {
            _ if letter == quote => inside = !inside,
            ')' if !inside => return at,
            _ => {}
        }
    }
    rest.len()
}

/// The expression of a `HostRegexp`: since version 3 a regular expression, before it a name with
/// parts such as `{sub:[a-z]+}`.
fn regular_expression(text: &str) -> HostPattern {
    if !text.contains('{') || text.contains('\\') || text.contains('^') {
        return HostPattern::regex(text);
    }

    let mut expression = String::from("^");
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (part, after) = after.split_once('}').unwrap_or((after, ""));
        let part = part.split_once(':').map_or(".*", |(_, part)| part);
        expression.push_str(&escape(before));
        expression.push_str(&format!("({part})"));
        rest = after;
    }
    expression.push_str(&escape(rest));
    expression.push('$');
    HostPattern::regex(&expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_rules() {
        let hosts =
            |rule: &str| -> Vec<String> { hosts(rule).iter().map(ToString::to_string).collect() };
        assert_eq!(
            hosts("Host(`a.org`, `b.org`) && PathPrefix(`/x`)"),
            ["a.org", "b.org"]
        );
        assert_eq!(hosts("PathPrefix(`/x`) && (Host(\"c.org\"))"), ["c.org"]);
        assert_eq!(hosts("!Host(`a.org`) && Method(`GET`)"), [""; 0]);
        assert_eq!(hosts(r"HostRegexp(`^[a-z]+\.org$`)"), [r"^[a-z]+\.org$"]);
        assert_eq!(hosts("HostRegexp(`{s:[a-z]+}.org`)"), [r"^([a-z]+)\.org$"]);
        assert_eq!(
            argument("Host(`a`) && PathPrefix(`/x`)", "PathPrefix"),
            Some("/x")
        );
    }
}

//! The hosts that the rules of Traefik match.
//!
//! Source: doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority.

use super::{HostPattern, HostUse, Levels, NamedHost, escape};
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
        for calls in alternatives(rule.text().unwrap_or_default()) {
            let hosts = hosts(&calls);
            let path = argument(&calls, "PathPrefix").or_else(|| argument(&calls, "Path"));
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
    let domains = items(spec.and_then(|spec| spec.member("tls")?.member("domains")));
    let certified = domains.iter().flat_map(|domain| {
        let names = items(domain.member("sans"))
            .iter()
            .chain(domain.member("main"));
        names.filter_map(|name| NamedHost::new(name, Levels::One))
    });
    all.extend(certified.map(|host| host.used(HostUse::Certifies)));
    all
}

/// A call of a matcher that is not negated, or a part of a rule that cannot be read.
enum Call<'r> {
    Matcher(&'r str, Vec<&'r str>),
    Unread(&'r str),
}

/// The most characters of a part that cannot be read which a message shows.
const SHOWN: usize = 60;

/// The calls of each alternative of a rule: what stands between `||`.
///
/// Traefik reads a rule as an expression of Go: a text stands between backticks, or between quotes with
/// escapes, which are not read here. Single quotes are those of older versions.
fn alternatives(rule: &str) -> Vec<Vec<Call<'_>>> {
    let mut all = vec![Vec::new()];
    let mut rest = rule;
    // The matcher whose arguments are read, and the word that may be one.
    let mut open: Option<(&str, Vec<&str>)> = None;
    let mut word: Option<&str> = None;
    let mut is_negated = false;

    while let Some(first) = rest.chars().next() {
        let mut behind = &rest[first.len_utf8()..];
        let calls = all.last_mut().expect("one alternative at least");
        match first {
            '`' | '"' | '\'' => {
                let text = behind.split_once(first);
                let text = text.filter(|(text, _)| first == '`' || !text.contains('\\'));
                let Some((text, after)) = text else {
                    calls.push(Call::Unread(shown(rest)));
                    return all;
                };
                if let Some((_, arguments)) = &mut open {
                    arguments.push(text);
                }
                behind = after;
                word = None;
            }
            '(' if word.is_some() => {
                let name = word.take().unwrap_or_default();
                let matcher = if is_negated { "" } else { name };
                open = Some((matcher, Vec::new()));
            }
            ')' => {
                let closed = open.take();
                calls.extend(closed.map(|(name, arguments)| Call::Matcher(name, arguments)));
                word = None;
            }
            '|' if behind.starts_with('|') => {
                behind = &behind[1..];
                all.push(Vec::new());
                word = None;
            }
            _ if first.is_ascii_alphanumeric() => {
                let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric());
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                is_negated = rule[..rule.len() - rest.len()].ends_with('!');
                word = Some(name);
                behind = after;
            }
            _ if first.is_whitespace() => {}
            _ => word = None,
        }
        rest = behind;
    }
    if let (Some((name, arguments)), Some(calls)) = (open, all.last_mut()) {
        calls.push(Call::Matcher(name, arguments));
    }
    all
}

/// The beginning of a text.
fn shown(text: &str) -> &str {
    let end = text.char_indices().nth(SHOWN).map(|(at, _)| at);
    &text[..end.unwrap_or(text.len())]
}

/// The hosts that an alternative of a rule names.
fn hosts(calls: &[Call<'_>]) -> Vec<HostPattern> {
    let of_call = |call: &Call<'_>| -> Vec<HostPattern> {
        match call {
            Call::Unread(text) => vec![HostPattern::Unread((*text).into())],
            Call::Matcher("Host" | "HostHeader" | "HostSNI", names) => {
                let names = names.iter();
                names
                    .map(|name| HostPattern::parse(name, Levels::Many))
                    .collect()
            }
            Call::Matcher("HostRegexp" | "HostSNIRegexp", expressions) => expressions
                .iter()
                .map(|text| regular_expression(text))
                .collect(),
            Call::Matcher(..) => Vec::new(),
        }
    };
    calls.iter().flat_map(of_call).collect()
}

/// The first argument of a matcher.
fn argument<'r>(calls: &[Call<'r>], matcher: &str) -> Option<&'r str> {
    calls.iter().find_map(|call| match call {
        Call::Matcher(name, arguments) if *name == matcher => arguments.first().copied(),
        _ => None,
    })
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
        let hosts = |rule: &str| -> Vec<String> {
            let all = alternatives(rule);
            let hosts = all.iter().flat_map(|calls| hosts(calls));
            hosts.map(|host| host.to_string()).collect()
        };
        assert_eq!(
            hosts("Host(`a.org`, `b.org`) && PathPrefix(`/x`)"),
            ["a.org", "b.org"]
        );
        assert_eq!(hosts("PathPrefix(`/x`) && (Host(\"c.org\"))"), ["c.org"]);
        assert_eq!(hosts("!Host(`a.org`) && Method(`GET`)"), [""; 0]);
        assert_eq!(hosts(r"HostRegexp(`^[a-z]+\.org$`)"), [r"^[a-z]+\.org$"]);
        assert_eq!(hosts("HostRegexp(`{s:[a-z]+}.org`)"), [r"^([a-z]+)\.org$"]);
        assert_eq!(
            argument(
                &alternatives("Host(`a`) && PathPrefix(`/x`)")[0],
                "PathPrefix"
            ),
            Some("/x")
        );
        assert_eq!(
            hosts("Host (`a.org`) || HostRegexp(`b||c`)"),
            ["a.org", "b||c"]
        );
        assert_eq!(
            hosts("Header(`X`, `Host(b.org)`) && Host(`a.org`)"),
            ["a.org"]
        );
        assert_eq!(hosts("!(Host(`a.org`))"), ["a.org"]);
    }

    /// Go reads escapes in quotes.
    #[test]
    fn what_is_no_plain_text_is_unread() {
        for rule in [r#"Host("a\x2eorg")"#, "Host(`a", "Host(`Host(`Host(`"] {
            let all = alternatives(rule);
            let hosts: Vec<HostPattern> = all.iter().flat_map(|calls| hosts(calls)).collect();
            let is_unread = |host: &HostPattern| matches!(host, HostPattern::Unread(_));
            assert!(hosts.iter().any(is_unread), "{rule}: {hosts:?}");
        }
    }
}

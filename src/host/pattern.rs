//! The hosts that one name of an object stands for: a name, a wildcard or a regular expression.

use crate::value::Text;
use jsonschema::PatternOptions;
use regex_syntax::hir::{Hir, HirKind, Literal, Look};
use serde_json::json;
use std::fmt;

/// Some hosts, all in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// The host of this name.
    Name(Text),
    /// The hosts below a domain, which is empty for every host.
    Below {
        /// The domain.
        domain: Text,
        /// How many labels may stand before it.
        levels: Levels,
    },
    /// The hosts that a regular expression matches.
    Regex(Text),
    /// The hosts that no other object serves.
    Rest,
    /// Hosts that cannot be read; the text that names them.
    Unread(Text),
}

/// How many labels a wildcard stands for.
///
/// Sources: the API of Ingress (one label); gateway-api.sigs.k8s.io, `Hostname`, and Istio's
/// VirtualService (one label or more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Levels {
    /// One.
    One,
    /// One or more.
    Many,
}

/// Says whether a host matches.
pub type HostMatcher<'a> = Box<dyn Fn(&str) -> bool + 'a>;

impl HostPattern {
    /// Reads a name, which may begin with `*`. A name in the letters of a language stands for its form
    /// in ASCII (RFC 5890), which is what a client asks for.
    pub fn parse(name: &str, levels: Levels) -> Self {
        let name = name.trim().trim_end_matches('.').to_lowercase();
        let name = match name.is_ascii() {
            true => name,
            false => idna::domain_to_ascii(&name).unwrap_or(name),
        };
        match name.strip_prefix('*') {
            Some("") => Self::Rest,
            None if name.is_empty() => Self::Rest,
            Some(domain) if !domain.contains('*') => Self::Below {
                domain: domain.trim_start_matches('.').into(),
                levels,
            },
            None if !name.contains('*') => Self::Name(name.into()),
            _ => Self::Regex(glob(&name).into()),
        }
    }

    /// A regular expression that is not anchored.
    pub fn regex(text: &str) -> Self {
        Self::Regex(text.trim().into())
    }

    /// Whether it certainly matches a host; `None` if its regular expression cannot be read.
    pub fn matches(&self, host: &str) -> Option<bool> {
        self.matcher().map(|matches| matches(host))
    }

    /// Whether all its hosts lie within a host of a spec, or `*.` and one. A wildcard, of however many
    /// labels, lies within one of the same domain; a regular expression within one of the domain that
    /// its matches end in.
    pub fn is_within(&self, outer: &str) -> bool {
        let Some(domain) = outer.strip_prefix("*.") else {
            return matches!(self, Self::Name(name) if name == outer);
        };
        match self {
            Self::Name(name) => is_below(name, domain, Levels::One),
            Self::Below { domain: own, .. } => own == domain,
            Self::Regex(_) => {
                let end = self.literal_end();
                let front = end.strip_suffix(domain);
                front.is_some_and(|front| front.ends_with('.'))
            }
            Self::Rest | Self::Unread(_) => false,
        }
    }

    /// A function that says whether a host certainly matches, with the regular expression compiled
    /// once; `None` if they cannot be read.
    pub fn matcher(&self) -> Option<HostMatcher<'_>> {
        Some(match self {
            Self::Name(name) => Box::new(move |host| name == host),
            Self::Below { domain, levels } => Box::new(move |host| is_below(host, domain, *levels)),
            Self::Regex(text) => Box::new(expression(text)?),
            Self::Rest => Box::new(|_| false),
            Self::Unread(_) => return None,
        })
    }

    /// The characters with which each host that it matches ends, as far as they are plain.
    pub fn literal_end(&self) -> Text {
        let Self::Regex(text) = self else {
            return Text::default();
        };
        let parsed = regex_syntax::Parser::new().parse(text).ok();
        parsed.map(|hir| literal_end(&hir)).unwrap_or_default()
    }
}

/// The characters with which each match of an expression ends, up to the end of the text; empty where it
/// is not known.
fn literal_end(hir: &Hir) -> Text {
    let HirKind::Concat(parts) = hir.kind() else {
        return Text::default();
    };
    let is_end = |part: &Hir| matches!(part.kind(), HirKind::Look(Look::End));
    let Some((_, front)) = parts.split_last().filter(|(last, _)| is_end(last)) else {
        return Text::default();
    };
    let last = front.last().map(Hir::kind);
    let Some(HirKind::Literal(Literal(bytes))) = last else {
        return Text::default();
    };
    String::from_utf8_lossy(bytes).into_owned().into()
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) | Self::Regex(name) | Self::Unread(name) => f.write_str(name),
            Self::Below { domain, .. } if domain.is_empty() => f.write_str("*"),
            Self::Below { domain, .. } => write!(f, "*.{domain}"),
            Self::Rest => f.write_str("*"),
        }
    }
}

fn is_below(host: &str, domain: &str, levels: Levels) -> bool {
    if domain.is_empty() {
        return true;
    }
    let labels = host
        .strip_suffix(domain)
        .and_then(|labels| labels.strip_suffix('.'));
    labels.is_some_and(|labels| {
        !labels.is_empty() && (levels == Levels::Many || !labels.contains('.'))
    })
}

/// A matcher of a regular expression; `None` for one that cannot be read.
fn expression(text: &str) -> Option<impl Fn(&str) -> bool> {
    let schema = json!({ "pattern": text });
    let validator = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .ok()?;
    Some(move |host: &str| validator.is_valid(&json!(host)))
}

/// A pattern with `*` as a regular expression.
fn glob(pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('*').map(escape).collect();
    format!("^{}$", parts.join(".*"))
}

/// A text as a regular expression that matches it alone.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_' {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_what_its_api_says() {
        let one = HostPattern::parse("*.Example.org", Levels::One);
        let many = HostPattern::parse("*.example.org.", Levels::Many);
        for (host, by_one, by_many) in [
            ("a.example.org", true, true),
            ("b.a.example.org", false, true),
            ("example.org", false, false),
            ("aexample.org", false, false),
        ] {
            assert_eq!(one.matches(host), Some(by_one), "{host}");
            assert_eq!(many.matches(host), Some(by_many), "{host}");
        }
    }

    #[test]
    fn a_name_is_compared_in_its_form_in_ascii() {
        let ascii = HostPattern::parse("xn--bcher-kva.example", Levels::One);
        for name in ["Bücher.example", "bücher.example.", "BÜCHER.EXAMPLE"] {
            assert_eq!(HostPattern::parse(name, Levels::One), ascii, "{name}");
        }
        let wild = HostPattern::parse("*.bücher.example", Levels::Many);
        assert_eq!(wild.matches("a.xn--bcher-kva.example"), Some(true));
    }

    #[test]
    fn a_regular_expression_matches_as_nginx_does() {
        let pattern = HostPattern::regex(r"^p.*\.example\.org$");
        assert_eq!(pattern.matches("pay.example.org"), Some(true));
        assert_eq!(pattern.matches("a.example.org"), Some(false));
        assert_eq!(pattern.literal_end(), ".example.org");
        assert_eq!(HostPattern::regex("(").matches("a"), None);
        assert_eq!(HostPattern::regex("^a+$").literal_end(), "");

        let glob = HostPattern::parse("a*.example.*", Levels::Many);
        assert_eq!(glob.matches("ab.example.org"), Some(true));
        assert_eq!(glob.matches("b.example.org"), Some(false));
    }
}

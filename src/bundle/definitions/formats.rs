//! The formats of strings that the API server checks in custom objects.
//!
//! Source: `k8s.io/kube-openapi/pkg/validation/strfmt`. A format that is not here is not checked.

use crate::spec::duration;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A format: its name, and whether a text is of it.
type Format = (&'static str, fn(&str) -> bool);

/// Every format that is checked.
pub(super) const FORMATS: [Format; 9] = [
    ("date-time", is_date_time),
    ("datetime", is_date_time),
    ("date", is_date),
    ("duration", is_duration),
    ("ipv4", is_ipv4),
    ("ipv6", is_ipv6),
    ("cidr", is_cidr),
    ("uri", is_uri),
    ("email", may_be_email),
];

/// The formats that a pattern says, and the patterns.
pub(super) const PATTERNS: [(&str, &str); 6] = [
    (
        "uuid",
        "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$",
    ),
    (
        "uuid3",
        "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?3[0-9a-fA-F]{3}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$",
    ),
    (
        "uuid4",
        "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?4[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$",
    ),
    (
        "uuid5",
        "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?5[0-9a-fA-F]{3}-?[89abAB][0-9a-fA-F]{3}-?[0-9a-fA-F]{12}$",
    ),
    (
        "byte",
        "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$",
    ),
    (
        "hostname",
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    ),
];

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_form = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_form && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let Some((date, time)) = lower.split_once('t') else {
        return false;
    };
    let (Some(clock), Some(rest)) = (time.get(..8), time.get(8..)) else {
        return false;
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let is_part = |(part, most): (&&str, u8)| {
        part.len() == 2 && part.parse::<u8>().is_ok_and(|number| number <= most)
    };
    let zone = match rest.starts_with(['z', '+', '-']) {
        true => rest,
        false => {
            let mut chars = rest.chars();
            chars.next();
            chars
                .as_str()
                .trim_start_matches(|c: char| c.is_ascii_digit())
        }
    };
    is_date(date)
        && parts.len() == 3
        && parts.iter().zip([23, 59, 59]).all(is_part)
        && (zone == "z" || is_offset(zone))
}

/// Whether a text is an offset such as `+01:00`.
fn is_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 6
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            0 => b"+-".contains(byte),
            3 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether a text is a duration of Go, or has a number with a unit anywhere in it.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 12] = [
        "ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk", "min",
    ];
    const STEMS: [&str; 8] = [
        "nano", "micro", "milli", "sec", "min", "hour", "day", "week",
    ];
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let number = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit());
        let number = number.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let after = number.trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == 'µ');
        let unit = number[..number.len() - after.len()].to_lowercase();
        if UNITS.contains(&unit.as_str()) || STEMS.iter().any(|stem| unit.starts_with(stem)) {
            return true;
        }
        rest = after;
    }
    duration::parse(text).is_ok()
}

/// A text without the zeros that Kubernetes skips before a number of an IPv4 address.
fn without_zeros(text: &str) -> String {
    let parts: Vec<&str> = text
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0",
            trimmed => trimmed,
        })
        .collect();
    parts.join(".")
}

fn is_ipv4(text: &str) -> bool {
    let is_mapped = || text.contains('.') && text.parse::<Ipv6Addr>().is_ok();
    without_zeros(text).parse::<Ipv4Addr>().is_ok() || is_mapped()
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let most = match () {
        () if is_ipv6(address) => 128,
        () if without_zeros(address).parse::<Ipv4Addr>().is_ok() => 32,
        () => return false,
    };
    let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    is_number && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// Whether a text is a path from the root, or has a scheme, as Go's `url.ParseRequestURI` wants.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let has_scheme = scheme.is_some_and(|scheme| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    });
    let has_control = text.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    (text == "*" || text.starts_with('/') || has_scheme) && !has_control
}

/// Whether a text has what every address of mail has.
fn may_be_email(text: &str) -> bool {
    text.contains('@')
}

//! The forms of names that the API server takes.
//!
//! Source: `k8s.io/apimachinery/pkg/util/validation` and `pkg/api/validate/content`. Each check says
//! what a name must be.

use std::net::IpAddr;

/// A check of a name: what it must be, if it is not.
type Checked = Result<(), &'static str>;

/// Whether a character is one of a-z and 0-9.
pub const fn is_lower_or_digit(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Whether a text begins and ends with a letter or a digit, and has only these and some others.
fn has_form(text: &str, is_end: fn(u8) -> bool, others: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let ends =
        bytes.first().is_some_and(|b| is_end(*b)) && bytes.last().is_some_and(|b| is_end(*b));
    ends && bytes.iter().all(|b| is_end(*b) || others.contains(b))
}

/// A DNS label: the name of a Namespace.
///
/// # Errors
/// What it must be.
pub fn dns_label(text: &str) -> Checked {
    match text.len() <= 63 && has_form(text, is_lower, b"-") {
        true => Ok(()),
        false => {
            Err("must be 1 to 63 of a-z, 0-9 and `-`, and begin and end with a letter or digit")
        }
    }
}

/// A DNS label that begins with a letter.
///
/// # Errors
/// What it must be.
pub fn dns_1035_label(text: &str) -> Checked {
    match text.starts_with(|first: char| first.is_ascii_lowercase()) && dns_label(text).is_ok() {
        true => Ok(()),
        false => Err("must be 1 to 63 of a-z, 0-9 and `-`, and begin with a letter"),
    }
}

/// A DNS subdomain: the name of most objects.
///
/// # Errors
/// What it must be.
pub fn dns_subdomain(text: &str) -> Checked {
    let labels = || text.split('.').all(|label| has_form(label, is_lower, b"-"));
    match text.len() <= 253 && labels() {
        true => Ok(()),
        false => Err(
            "must be 1 to 253 of a-z, 0-9, `-` and `.`, in labels that begin and end with a letter or digit",
        ),
    }
}

/// The name of a CronJob: the controller adds eleven characters to make that of a Job.
///
/// # Errors
/// What it must be.
pub fn cron_job(text: &str) -> Checked {
    dns_subdomain(text)?;
    match text.len() <= 52 {
        true => Ok(()),
        false => Err("must be at most 52 characters: those of its Jobs are 11 longer"),
    }
}

/// An IP address in the form that Go writes.
///
/// # Errors
/// What it must be.
pub fn ip_address(text: &str) -> Checked {
    let address = text.parse::<IpAddr>().ok();
    let is_mapped = |address: &IpAddr| match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.to_ipv4_mapped().is_some(),
    };
    match address.filter(|address| !is_mapped(address) && address.to_string() == text) {
        Some(_) => Ok(()),
        None => Err("must be an IP address in its shortest form"),
    }
}

/// The part of a qualified name without its prefix, and the value of a label.
fn is_label_text(text: &str) -> bool {
    text.len() <= 63 && has_form(text, |byte| byte.is_ascii_alphanumeric(), b"-_.")
}

/// A qualified name: the key of a label.
///
/// # Errors
/// What it must be.
pub fn qualified_name(text: &str) -> Checked {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    match prefix.is_none_or(|prefix| dns_subdomain(prefix).is_ok()) && is_label_text(name) {
        true => Ok(()),
        false => Err(
            "must be 1 to 63 letters, digits, `-`, `_` and `.`, and may have a DNS prefix and `/`",
        ),
    }
}

/// The value of a label.
///
/// # Errors
/// What it must be.
pub fn label_value(text: &str) -> Checked {
    match text.is_empty() || is_label_text(text) {
        true => Ok(()),
        false => Err(
            "must be at most 63 letters, digits, `-`, `_` and `.`, and begin and end with a letter or digit",
        ),
    }
}

/// A name that can be a segment of a path: that of a role or a binding.
///
/// # Errors
/// What it must be.
pub fn path_segment(text: &str) -> Checked {
    let is_wrong = text.is_empty() || [".", ".."].contains(&text) || text.contains(['/', '%']);
    match is_wrong {
        true => Err("must be a segment of a path: not empty, not `.` or `..`, without `/` and `%`"),
        false => Ok(()),
    }
}

/// The name of a port.
///
/// # Errors
/// What it must be.
pub fn port_name(text: &str) -> Checked {
    let has_letter = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let fits = text.len() <= 15 && has_form(text, is_lower, b"-");
    match fits && has_letter && !text.contains("--") {
        true => Ok(()),
        false => {
            Err("must be the name of a port: 1 to 15 of a-z, 0-9 and single `-`, with a letter")
        }
    }
}

/// A name of three labels or more: that of a webhook.
///
/// # Errors
/// What it must be.
pub fn fully_qualified(text: &str) -> Checked {
    dns_subdomain(text)?;
    match text.split('.').count() >= 3 {
        true => Ok(()),
        false => Err("must be a domain with at least three segments"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_server_takes_them() {
        let long = "a".repeat(64);
        for (check, good, bad) in [
            (
                dns_label as fn(&str) -> Checked,
                vec!["a", "1-b", "x9"],
                vec!["", "-a", "a-", "A", "a.b", &long],
            ),
            (dns_1035_label, vec!["a1"], vec!["1a", ""]),
            (
                dns_subdomain,
                vec!["a.b", "1.2", &long],
                vec!["a..b", ".a", "a_b", "Default_Deny"],
            ),
            (
                qualified_name,
                vec!["a", "A_b.c", "x.io/Y"],
                vec!["", "/a", "a/", "X/y", "a/b/c", "a b"],
            ),
            (label_value, vec!["", "A.b_c"], vec!["a b", "-a", &long]),
            (
                path_segment,
                vec!["system:a", "A b"],
                vec!["", ".", "a/b", "50%"],
            ),
            (
                port_name,
                vec!["http", "a-1", "8080a"],
                vec!["80", "", "a--b", "Http", "a-very-long-name-"],
            ),
            (fully_qualified, vec!["a.b.c"], vec!["a.b", "a"]),
            (cron_job, vec![&long[..52], "a.b"], vec!["", &long[..53]]),
            (
                ip_address,
                vec!["192.0.2.1", "2001:db8::1"],
                vec!["192.0.2.01", "2001:db8:0::1", "::ffff:1.2.3.4", "a"],
            ),
        ] {
            for text in good {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(check(text).is_err(), "{text}");
            }
        }
    }
}

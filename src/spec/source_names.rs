//! The addresses and revisions of sources, as Git, Helm and the registries that serve them name
//! them.

use crate::kube::validation::names::is_lower_or_digit;
use crate::plain::disguise;

/// Whether a text is an address with a password in it.
pub fn holds_password(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|parsed| parsed.password().is_some())
}

/// An address with one of some schemes, the usual one first.
///
/// A host or a user that begins with `-` would be an option of the program that opens the address
/// (CVE-2017-1000117).
pub(super) fn address(text: &str, schemes: &[&str]) -> Result<(), String> {
    if let Some((user_host, path)) = text.split_once(':')
        && user_host.contains('@')
        && !user_host.contains('/')
        && schemes.contains(&"ssh")
    {
        return Err(format!("write it as ssh://{user_host}/{path}"));
    }

    let wanted = || format!("write it as {}://HOST/PATH", schemes[0]);
    let parsed = url::Url::parse(text).map_err(|_| wanted())?;
    if !schemes.contains(&parsed.scheme()) {
        return Err(format!("it starts with {}://", parsed.scheme()));
    }
    // A browser mends `https:/host` and `https:///host`; Go takes them for addresses without a host.
    let rest = text.strip_prefix(parsed.scheme());
    let rest = rest.and_then(|rest| rest.strip_prefix("://"));
    let rest = rest.ok_or_else(wanted)?;
    let (user, host) = user_and_host(rest);
    if !is_user_of_go(user) {
        return Err("the user has a character that Go refuses".into());
    }
    if has_empty_part(host) {
        return Err("the host has an empty part".into());
    }
    if !is_host_of_go(host) {
        return Err(wanted());
    }
    if !is_escaped(rest) {
        return Err("`%` must begin an escape such as `%2F`".into());
    }
    let host = parsed.host_str().unwrap_or_default();
    if host.is_empty() {
        return Err("it names no host".into());
    }
    if host.starts_with(['-', '%']) || parsed.username().starts_with(['-', '%']) {
        return Err("its host or user begins with `-` or `%`, as an option of ssh can".into());
    }
    if parsed.password().is_some() {
        return Err("it holds a password; use auth.secretRef".into());
    }

    if text
        .chars()
        .any(|character| character.is_whitespace() || character.is_control())
    {
        Err("it holds white space".into())
    } else {
        Ok(())
    }
}

/// What stands between the scheme of an address and its path: a user and its password, and a host and
/// its port.
fn user_and_host(rest: &str) -> (&str, &str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = &rest[..end];
    authority.rsplit_once('@').unwrap_or(("", authority))
}

/// Source: Go's `net/url`, `validUserinfo`.
fn is_user_of_go(text: &str) -> bool {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    text.bytes().all(is_known)
}

/// Whether Go, Git and registries read a host, with or without a port, as it stands here.
///
/// Source: Go's `net/url`, `parseHost`; go-containerregistry, `NewRegistry`.
fn is_host_of_go(text: &str) -> bool {
    if text.starts_with('[') {
        return url::Host::parse(text.split_inclusive(']').next().unwrap_or_default()).is_ok();
    }
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_part = |part: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(is_known)
    };
    host.split('.').all(is_part) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a host that is there has nothing before, between or after its dots.
fn has_empty_part(text: &str) -> bool {
    let host = text.split(':').next().unwrap_or_default();
    host.contains('.') && host.split('.').any(str::is_empty)
}

/// Whether each `%` begins an escape of a byte.
fn is_escaped(text: &str) -> bool {
    let is_escape = |(_, after): (usize, &str)| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let escapes = text.match_indices('%');
    escapes.map(|(at, _)| (at, &text[at + 1..])).all(is_escape)
}

/// An address of an artifact in a registry: a host, and a repository without a tag.
///
/// Source: Flux's source-controller, `parseRepository`; go-containerregistry, `checkRepository`.
pub(super) fn oci_url(text: &str) -> Result<(), String> {
    address(text, &["oci"])?;
    let rest = text.strip_prefix("oci://").unwrap_or_default();
    let repository = rest
        .split_once('/')
        .map_or("", |(_, repository)| repository);
    let is_known = |c: char| is_lower_or_digit(c) || "_-./".contains(c);

    if rest.contains(['@', '?', '#']) {
        return Err("it holds more than a host and a repository; use secretRef and ref".into());
    }
    named_registry(rest)?;
    match (2..=255).contains(&repository.len()) && repository.chars().all(is_known) {
        true => Ok(()),
        false => Err(
            "the repository has 2 to 255 of a-z, 0-9, `_`, `-`, `.` and `/`, and no tag: oci://HOST/REPOSITORY"
                .into(),
        ),
    }
}

/// A registry without a dot and without a port is a part of a repository of Docker Hub.
fn named_registry(rest: &str) -> Result<(), String> {
    let host = rest.split('/').next().unwrap_or_default();
    match host.contains(['.', ':']) || host == "localhost" {
        true => Ok(()),
        false => Err(
            "its host has no dot and no port, and would be taken for a name on Docker Hub".into(),
        ),
    }
}

/// An address of a repository of charts.
pub(super) fn helm_url(text: &str) -> Result<(), String> {
    match text.starts_with("oci://") {
        // The chart's name follows.
        true => oci_prefix(text),
        false => address(text, &["https", "oci"]),
    }
}

/// Source: the OCI distribution specification, `name` of a repository.
pub(super) fn oci_prefix(text: &str) -> Result<(), String> {
    address(text, &["oci"])?;
    let (host, path) = text["oci://".len()..]
        .split_once('/')
        .unwrap_or((&text["oci://".len()..], ""));
    if host.contains(['@', '?', '#']) {
        return Err("it holds more than a host and a path; use secretRef".into());
    }
    named_registry(host)?;
    let part = |part: &str| {
        part.starts_with(is_lower_or_digit)
            && part.ends_with(is_lower_or_digit)
            && part
                .chars()
                .all(|character| is_lower_or_digit(character) || "._-".contains(character))
    };

    match path.trim_end_matches('/') {
        "" => Ok(()),
        path if path.split('/').all(part) => Ok(()),
        _ => Err("write it as oci://HOST/PATH, in lower case, without a tag".into()),
    }
}

/// The name of a branch or tag.
///
/// Source: `git check-ref-format`. `HEAD`, and a name that begins with `-`, stand for something else.
pub(super) fn git_ref(text: &str) -> Result<(), String> {
    let parts_fit = text
        .split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"));
    let has_refused = text
        .chars()
        .any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c));
    let is_refused = has_refused
        || text.contains("..")
        || text.contains("@{")
        || text.ends_with('.')
        || text.starts_with('-')
        || text == "HEAD";

    if !parts_fit || is_refused {
        return Err("Git refuses a branch or tag of this name (git check-ref-format)".into());
    }
    disguise(text).map_or(Ok(()), Err)
}

/// The whole hash of a commit.
pub(super) fn git_commit(text: &str) -> Result<(), String> {
    let is_hash = |length: usize| text.len() == length && text.bytes().all(is_hex);
    match is_hash(40) || is_hash(64) {
        true => Ok(()),
        false => Err("write all 40 or 64 hexadecimal digits, in lower case".into()),
    }
}

const fn is_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'a'..=b'f')
}

/// Source: the OCI distribution specification, `reference` as a tag.
pub(super) fn oci_tag(text: &str) -> Result<(), String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let fits = text.starts_with(is_word)
        && text.len() <= 128
        && text.chars().all(|c| is_word(c) || c == '.' || c == '-');
    match fits {
        true => Ok(()),
        false => Err("a tag has up to 128 of a-z, A-Z, 0-9, _, . and -".into()),
    }
}

/// Source: the OCI image specification, `digest`, of the algorithm that Flux takes.
pub(super) fn oci_digest(text: &str) -> Result<(), String> {
    let hash = text.strip_prefix("sha256:").unwrap_or_default();
    match hash.len() == 64 && hash.bytes().all(is_hex) {
        true => Ok(()),
        false => Err("write it as sha256: and 64 hexadecimal digits".into()),
    }
}

/// A name of a chart, with the path to it in a registry.
pub(super) fn chart(text: &str) -> Result<(), String> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    match text.len() <= 250 && text.split('/').all(part) {
        true => Ok(()),
        false => Err("a chart's name has letters, digits, `.`, `_` and `-`".into()),
    }
}

/// A name of a bucket, as S3 or Google Cloud Storage takes it.
pub(super) fn bucket(text: &str) -> Result<(), String> {
    let fits = (3..=222).contains(&text.len())
        && text.starts_with(is_lower_or_digit)
        && text.ends_with(is_lower_or_digit)
        && !text.contains("..")
        && text
            .chars()
            .all(|c| is_lower_or_digit(c) || "._-".contains(c));
    match fits {
        true => Ok(()),
        false => Err("a bucket's name has 3 to 222 of a-z, 0-9, `.`, `_` and `-`".into()),
    }
}

/// A range of versions.
///
/// Source: github.com/Masterminds/semver, `NewConstraint`, which Flux and Helm use.
pub(super) fn version_range(text: &str) -> Result<(), String> {
    match text.split("||").all(is_every_constraint) {
        true => Ok(()),
        false => Err("write a range of versions as 1.2.3, >=1.2.0 <2.0.0, ~1.2 or 1.x".into()),
    }
}

/// Whether a text is one constraint or more, with commas or spaces between them.
fn is_every_constraint(text: &str) -> bool {
    let mut rest = text.trim();
    if rest.is_empty() {
        return false;
    }

    while !rest.is_empty() {
        let after_op = rest.trim_start_matches(['=', '!', '<', '>', '~', '^']);
        let op = &rest[..rest.len() - after_op.len()];
        let is_known = matches!(
            op,
            "" | "=" | "!=" | ">" | "<" | ">=" | "=>" | "<=" | "=<" | "~" | "~>" | "^"
        );

        let version = after_op.trim_start();
        let end = version
            .find(|c: char| c.is_whitespace() || c == ',')
            .unwrap_or(version.len());
        if !is_known || !is_partial_version(&version[..end]) {
            return false;
        }

        let next = version[end..].trim_start();
        let is_version =
            |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*');
        let upper = next.strip_prefix('-');
        let upper = upper.filter(|upper| upper.starts_with(char::is_whitespace));
        rest = match upper.map(str::trim_start) {
            Some(upper) if op.is_empty() && is_version(upper) => upper,
            _ => next.strip_prefix(',').unwrap_or(next).trim_start(),
        };
        if rest.is_empty() && next.starts_with([',', '-']) {
            return false;
        }
    }

    true
}

/// Whether a text is a version of one to three parts, each a number or a wildcard.
fn is_partial_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, metadata) = text
        .split_once('+')
        .map_or((text, None), |(a, b)| (a, Some(b)));
    let (numbers, release) = text
        .split_once('-')
        .map_or((text, None), |(a, b)| (a, Some(b)));

    let is_number = |part: &str| {
        matches!(part, "x" | "X" | "*")
            || (part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u64>().is_ok())
    };
    let is_identifiers = |text: &str| {
        text.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };

    let has_leading_zero = |part: &str| {
        part.len() > 1 && part.starts_with('0') && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_release = |text: &str| is_identifiers(text) && !text.split('.').any(has_leading_zero);

    numbers.split('.').count() <= 3
        && numbers.split('.').all(is_number)
        && release.is_none_or(is_release)
        && metadata.is_none_or(is_identifiers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_masterminds_takes() {
        let good = [
            "1.2.3",
            "v1.2",
            "*",
            "1.x",
            ">=1.2.0 <2.0.0",
            ">= 1.2.0, < 2",
            "~1.2",
            "^2.0.0-rc.1",
            "1.2 - 1.4.5",
            "1.x || >=2.5.0 || 5.0.0 - 7.2.3",
            "!=1.0.0",
            "1.0.0+build.5",
        ];
        let bad = [
            "",
            "latest",
            ">",
            ">>1",
            "1.2.3.4",
            "1..2",
            "1.2 -",
            "1 ||",
            "${VERSION}",
            "../1",
            "1,",
        ];
        for text in good {
            assert!(version_range(text).is_ok(), "{text}");
        }
        for text in bad {
            assert!(version_range(text).is_err(), "{text}");
        }
    }
}

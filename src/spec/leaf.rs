//! The leaves of a spec: strings of which a wrong one can be refused where it stands.
//!
//! Each leaf is a JSON Schema format of our own. The schema's validator and the typed value use the
//! same check, so a value that passed the one converts into the other.

use super::duration::{self, DurationError};
use super::source_names::{self, address, oci_prefix};
use crate::host::is_in_cluster;
use crate::kube::names::is_administrators;
use crate::kube::validation::names::{is_lower_or_digit, qualified_name};
use crate::plain::disguise;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::{Borrow, Cow};
use std::net::IpAddr;
use std::str::FromStr;

/// A format: its name in the schema, what it is in words, and the reason why a text is not one.
pub struct LeafFormat {
    /// The name in the schema.
    pub name: &'static str,
    /// In words, with an article.
    pub what: &'static str,
    /// The reason why a text is not one.
    pub check: fn(&str) -> Result<(), String>,
}

macro_rules! leaves {
    ($($(#[$doc:meta])* $name:ident, $format:literal, $what:literal, $check:expr;)+) => {
        /// Every format of a leaf.
        pub static FORMATS: &[LeafFormat] = &[$(LeafFormat { name: $format, what: $what, check: $check }),+];
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(try_from = "String")]
            pub struct $name(String);

            impl $name {
                /// The text, as written.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl std::ops::Deref for $name {
                type Target = str;
                fn deref(&self) -> &str {
                    &self.0
                }
            }

            impl Borrow<str> for $name {
                fn borrow(&self) -> &str {
                    &self.0
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl TryFrom<String> for $name {
                type Error = String;
                fn try_from(text: String) -> Result<Self, String> {
                    let check: fn(&str) -> Result<(), String> = $check;
                    check(&text).map(|()| Self(text))
                }
            }

            impl Key for $name {
                const FORMAT: &'static str = $format;
            }

            impl JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({"type": "string", "format": $format})
                }
            }
        )+
    };
}

/// A leaf that can be the key of a mapping.
pub trait Key: Eq + std::hash::Hash {
    /// The name of its format in the schema.
    const FORMAT: &'static str;
}

/// A mapping in the order of its text, of which the keys are checked too.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(
    transparent,
    bound(
        deserialize = "K: Key + Deserialize<'de>, V: Deserialize<'de>",
        serialize = "K: Key + Serialize, V: Serialize"
    )
)]
pub struct Keyed<K, V>(IndexMap<K, V>);

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(IndexMap::new())
    }
}

impl<K, V> std::ops::Deref for Keyed<K, V> {
    type Target = IndexMap<K, V>;
    fn deref(&self) -> &IndexMap<K, V> {
        &self.0
    }
}

impl<'a, K, V> IntoIterator for &'a Keyed<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = indexmap::map::Iter<'a, K, V>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<K: Key, V: JsonSchema> JsonSchema for Keyed<K, V> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("MapOf{}", V::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<V>();
        json_schema!({"type": "object", "propertyNames": {"format": K::FORMAT}, "additionalProperties": value})
    }
}

leaves! {
    /// A DNS label (RFC 1123): the name of a tenant, namespace or cluster.
    Name, "dns-label", "a DNS label", dns_label;
    /// A name of an object as Kubernetes takes it for most kinds: a DNS subdomain, at most 253
    /// characters.
    ObjectName, "dns-subdomain", "an object name", dns_subdomain;
    /// A name of an RBAC object: any path segment.
    RbacName, "path-segment", "a name of an RBAC object", path_segment;
    /// A name of a user or group.
    Principal, "principal", "a user or group that a tenant may name", principal;
    /// A network in CIDR notation, without host bits.
    Cidr, "cidr", "a network in CIDR notation", cidr;
    /// An IP address.
    Ip, "ip", "an IP address", ip;
    /// A host name.
    Host, "host", "a host name", |text| host(text, false);
    /// A host name, or `*.` and a host name.
    HostPattern, "host-pattern", "a host name, or `*.` and one", |text| host(text, true);
    /// A duration as Go writes it.
    Duration, "duration-go", "a duration", duration;
    /// An `https://` or `ssh://` address of a Git repository.
    GitUrl, "git-url", "an https:// or ssh:// address", |text| address(text, &["https", "ssh"]);
    /// An `oci://` address.
    OciUrl, "oci-url", "an oci:// address of a repository", source_names::oci_url;
    /// An `oci://` address of repositories of a registry, without a tag.
    OciPrefix, "oci-prefix", "an oci:// address without a tag", oci_prefix;
    /// An `https://` or `oci://` address of a Helm repository.
    HelmUrl, "helm-url", "an https:// or oci:// address", source_names::helm_url;
    /// A branch or tag of Git.
    GitRef, "git-ref", "a branch or tag of Git", source_names::git_ref;
    /// The hash of a commit.
    GitCommit, "git-commit", "the hash of a commit", source_names::git_commit;
    /// A range of versions, as Flux and Helm take it.
    VersionRange, "version-range", "a range of versions", source_names::version_range;
    /// A tag of an OCI artifact.
    OciTag, "oci-tag", "a tag of an OCI artifact", source_names::oci_tag;
    /// A digest of an OCI artifact.
    OciDigest, "oci-digest", "a digest of an OCI artifact", source_names::oci_digest;
    /// A name of a Helm chart.
    ChartName, "chart-name", "a name of a chart", source_names::chart;
    /// A name of a bucket.
    BucketName, "bucket-name", "a name of a bucket", source_names::bucket;
    /// A Kubernetes minor version.
    Minor, "kubernetes-minor", "a Kubernetes minor version", minor;
    /// A requirement on this program's version.
    VersionReq, "version-requirement", "a version requirement", |text| semver::VersionReq::parse(text).map(|_| ()).map_err(|e| e.to_string());
    /// A key of a label or annotation.
    LabelKey, "label-key", "a label key", label_key;
    /// A value of a label.
    LabelValue, "label-value", "a label value", label_value;
    /// A day: `2026-11-22`.
    Date, "day", "a day", day;
    /// A UUID, in lower case.
    Uuid, "tenant-uuid", "a UUID", uuid;
    /// A path below the place where it is used: relative, without `..`.
    RelativePath, "relative-path", "a relative path", relative_path;
    /// A path of a file of the repository, relative to the file that names it.
    FilePath, "file-path", "a path of a file", file_path;
    /// A text for people, on one line.
    Line, "text-line", "a text on one line", |text| if text.chars().any(char::is_control) { Err("it holds a control character".into()) } else { Ok(()) };
    /// A key of a ResourceQuota's `hard`.
    QuotaKey, "quota-key", "a key of a ResourceQuota", quota_key;
    /// A field of a spec: names and dots.
    FieldPath, "field-path", "a path of a field", field_path;
    /// The id of a rule.
    RuleId, "rule-id", "the id of a rule", rule_id;
    /// A kind with its group, and its plural if that is not regular: `cert-manager.io/Certificate`,
    /// `example.com/Ox/oxen`.
    GroupKind, "group-kind", "a kind as group/Kind or group/Kind/plural", group_kind;
    /// The id of an object: `Kind/namespace/name`.
    ObjectId, "object-id", "an object as Kind/namespace/name", object_id;
    /// A text with `{{ expressions }}`.
    Pattern, "text-template", "a text with {{ expressions }}", text_template;
}

/// The reason why a text is not of a format; `None` for a format that is not ours.
pub fn reason(format: &str, text: &str) -> Option<(&'static str, String)> {
    let format = FORMATS.iter().find(|known| known.name == format)?;
    Some((format.what, (format.check)(text).err()?))
}

fn dns_label(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 63 {
        return Err(format!("it has {} characters, of 1 to 63", text.len()));
    }
    if !text
        .chars()
        .all(|character| is_lower_or_digit(character) || character == '-')
    {
        return Err("only a-z, 0-9 and - are allowed".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("it starts or ends with -".into());
    }
    Ok(())
}

fn dns_subdomain(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > 253 {
        return Err(format!("it has {} characters, of 1 to 253", text.len()));
    }
    let is_part = |part: &str| {
        part.starts_with(is_lower_or_digit)
            && part.ends_with(is_lower_or_digit)
            && part
                .chars()
                .all(|character| is_lower_or_digit(character) || character == '-')
    };

    if text.split('.').all(is_part) {
        Ok(())
    } else {
        Err(
            "only a-z, 0-9, - and . are allowed, and each part starts and ends with one of a-z, 0-9"
                .into(),
        )
    }
}

fn path_segment(text: &str) -> Result<(), String> {
    if text.is_empty()
        || text == "."
        || text == ".."
        || text.contains(['/', '%'])
        || text.chars().any(char::is_control)
    {
        return Err("it is empty, `.`, `..`, or holds `/`, `%` or a control character".into());
    }
    if let Some(reason) = disguise(text) {
        return Err(reason);
    }
    if text.len() > 253 {
        Err("it is longer than 253 characters".into())
    } else {
        Ok(())
    }
}

/// The owner that `import` writes where it finds no user and no group. It is refused, so that
/// somebody fills it in.
pub const OWNER_TO_FILL_IN: &str = "fill-in-the-owner";

fn principal(text: &str) -> Result<(), String> {
    if text == OWNER_TO_FILL_IN {
        return Err("`tenantry import` found no user and no group here: name the owner".into());
    }
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if let Some(reason) = disguise(text) {
        return Err(reason);
    }
    if text.starts_with("system:") {
        return Err("names that start with system: belong to Kubernetes".into());
    }
    if is_administrators(text) {
        return Err("it belongs to whoever administers the cluster, and to no tenant".into());
    }
    Ok(())
}

/// An address in the only form that the API server takes in new objects.
///
/// Source: k8s.io/apimachinery, `IsValidIP`.
fn ip(text: &str) -> Result<(), String> {
    let address =
        IpAddr::from_str(text).map_err(|_| "write it as 10.0.0.1 or fd00::1".to_owned())?;
    if let IpAddr::V6(v6) = address
        && v6.to_ipv4_mapped().is_some()
    {
        return Err("it stands for an IPv4 address; write it as one".into());
    }
    match address.to_string() == text {
        true => Ok(()),
        false => Err(format!("the usual form is {address}")),
    }
}

fn cidr(text: &str) -> Result<(), String> {
    let net = ipnet::IpNet::from_str(text)
        .map_err(|_| "write it as 10.0.0.0/8 or fd00::/8".to_owned())?;
    if net.trunc() != net {
        return Err(format!("it has host bits; the network is {}", net.trunc()));
    }
    if let ipnet::IpNet::V6(v6) = net
        && v6.addr().to_ipv4_mapped().is_some()
    {
        return Err("it stands for IPv4 addresses; write it as an IPv4 network".into());
    }
    if net.to_string() != text {
        return Err(format!("the usual form is {net}"));
    }
    Ok(())
}

fn host(text: &str, wildcard: bool) -> Result<(), String> {
    let rest = if wildcard {
        text.strip_prefix("*.").unwrap_or(text)
    } else {
        text
    };

    if IpAddr::from_str(rest).is_ok() {
        return Err("it is an address; use a cidr".into());
    }
    dns_subdomain(rest)?;
    if rest.split('.').any(|part| part.len() > 63) {
        return Err("a part of it is longer than 63 characters".into());
    }

    if wildcard && is_in_cluster(rest) {
        return Err("it is a name of the cluster's own DNS".into());
    }

    if rest.contains('.') {
        Ok(())
    } else {
        Err("it has no dot".into())
    }
}

/// A duration that Flux's CRDs accept (`ms`, `s`, `m`, `h`, no sign) and Go can hold.
///
/// Source: the pattern `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$` of Flux's CRDs.
fn duration(text: &str) -> Result<(), String> {
    let is_known = |byte: u8| byte.is_ascii_digit() || b"msh.".contains(&byte);
    // Each dot stands between two digits.
    let is_digit = |part: Option<&u8>| part.is_some_and(u8::is_ascii_digit);
    let is_between = |parts: &[&[u8]]| is_digit(parts[0].last()) && is_digit(parts[1].first());
    let parts: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b'.').collect();
    let is_of_flux = text.bytes().all(is_known) && parts.windows(2).all(is_between);

    match duration::parse(text) {
        Ok(_) if is_of_flux && text != "0" => Ok(()),
        Err(DurationError::OutOfRange) if is_of_flux => Err(format!(
            "it is longer than Go can hold ({})",
            duration::LONGEST
        )),
        _ => Err("write it as 10m, 1h30m or 45s".into()),
    }
}

/// The seconds of a duration that was checked.
pub fn seconds(duration: &Duration) -> f64 {
    duration::parse(duration).map_or(0.0, |nanos| nanos as f64 / 1e9)
}

fn minor(text: &str) -> Result<(), String> {
    let ok = text.split_once('.').is_some_and(|(major, minor)| {
        major == "1"
            && minor
                .parse::<u16>()
                .is_ok_and(|number| number.to_string() == minor)
    });
    if ok {
        Ok(())
    } else {
        Err("write it as \"1.34\"".into())
    }
}

/// The rule of `metav1`: an optional DNS subdomain and `/`, then a name of at most 63 characters.
fn label_key(text: &str) -> Result<(), String> {
    let (prefix, name) = text
        .split_once('/')
        .map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if let Some(prefix) = prefix {
        dns_subdomain(prefix)?;
    }
    if name.is_empty() {
        return Err("its name is empty".into());
    }
    label_value(name)
}

fn label_value(text: &str) -> Result<(), String> {
    if text.len() > 63 {
        return Err(format!("it has {} characters, of at most 63", text.len()));
    }
    let is_end = |character: char| character.is_ascii_alphanumeric();
    let allowed = |character: char| is_end(character) || matches!(character, '-' | '_' | '.');
    if text.is_empty()
        || (text.chars().all(allowed) && text.starts_with(is_end) && text.ends_with(is_end))
    {
        Ok(())
    } else {
        Err("only letters, digits, -, _ and . are allowed, and it starts and ends with a letter or digit".into())
    }
}

fn day(text: &str) -> Result<(), String> {
    Day::parse(text)
        .map(|_| ())
        .ok_or_else(|| "write it as \"2026-11-22\"".into())
}

fn uuid(text: &str) -> Result<(), String> {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    let ok = lengths.iter().all(|len| {
        parts.next().is_some_and(|part| {
            part.len() == *len
                && part
                    .bytes()
                    .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
    }) && parts.next().is_none();
    if ok {
        Ok(())
    } else {
        Err("write it as 6f1c2f7e-3b1d-4c5a-9a55-0a6f0d2f7b11".into())
    }
}

fn relative_path(text: &str) -> Result<(), String> {
    if text.starts_with('/') || text.contains('\\') || text.chars().any(char::is_control) {
        return Err("it is absolute, or holds a backslash or a control character".into());
    }
    if text.split('/').any(|part| part == "..") {
        Err("it leaves the source by ..".into())
    } else {
        Ok(())
    }
}

fn file_path(text: &str) -> Result<(), String> {
    if text.is_empty()
        || text.starts_with('/')
        || text.contains('\\')
        || text.chars().any(char::is_control)
    {
        return Err("it is empty, absolute, or holds a backslash or a control character".into());
    }
    Ok(())
}

/// The keys of Kubernetes' list (concepts/policy/resource-quotas) and the three open families.
fn quota_key(text: &str) -> Result<(), String> {
    const KNOWN: [&str; 19] = [
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "requests.storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "pods",
        "persistentvolumeclaims",
        "services",
        "services.loadbalancers",
        "services.nodeports",
        "secrets",
        "configmaps",
        "replicationcontrollers",
        "resourcequotas",
    ];
    if KNOWN.contains(&text) {
        return Ok(());
    }
    if let Err(reason) = qualified_name(text) {
        return Err(format!("it {reason}"));
    }
    if let Some(resource) = text.strip_prefix("count/") {
        return dns_subdomain(resource);
    }

    if let Some(extended) = text.strip_prefix("requests.")
        && extended.contains('/')
    {
        return label_key(extended);
    }

    for prefix in ["requests.", ""] {
        if text.strip_prefix(prefix).is_some_and(|rest| {
            rest.strip_prefix("hugepages-")
                .is_some_and(|size| !size.is_empty())
        }) {
            return Ok(());
        }
    }

    for suffix in [
        ".storageclass.storage.k8s.io/requests.storage",
        ".storageclass.storage.k8s.io/persistentvolumeclaims",
    ] {
        if let Some(class) = text.strip_suffix(suffix) {
            return dns_subdomain(class);
        }
    }

    let hint = crate::diagnostic::nearest(text, KNOWN)
        .map_or_else(String::new, |known| format!("; did you mean {known}"));
    Err(format!(
        "it is none of Kubernetes' keys, count/RESOURCE.GROUP, requests.DOMAIN/NAME or CLASS.storageclass.storage.k8s.io/…{hint}"
    ))
}

fn field_path(text: &str) -> Result<(), String> {
    let ok = text
        .split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if ok {
        Ok(())
    } else {
        Err("write it as podSecurity.level".into())
    }
}

fn rule_id(text: &str) -> Result<(), String> {
    let ok = text
        .split_once('/')
        .is_some_and(|(area, fault)| dns_label(area).is_ok() && dns_label(fault).is_ok());
    if ok {
        Ok(())
    } else {
        Err("write it as network/egress-any".into())
    }
}

impl GroupKind {
    /// The kind with its group: `group/Kind`.
    pub fn kind(&self) -> String {
        let parts: Vec<&str> = self.as_str().split('/').take(2).collect();
        parts.join("/")
    }
}

fn group_kind(text: &str) -> Result<(), String> {
    let ok = text.split_once('/').is_some_and(|(group, kind)| {
        let (kind, plural) = kind.split_once('/').unwrap_or((kind, "regular"));
        dns_subdomain(group).is_ok()
            && dns_label(plural).is_ok()
            && kind.starts_with(|character: char| character.is_ascii_uppercase())
            && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    if ok {
        Ok(())
    } else {
        Err("write it as cert-manager.io/Certificate".into())
    }
}

fn object_id(text: &str) -> Result<(), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ok = matches!(parts.len(), 2 | 3)
        && parts
            .iter()
            .all(|part| !part.is_empty() && !part.contains(char::is_whitespace));
    if ok {
        Ok(())
    } else {
        Err("write it as NetworkPolicy/payments/allow-egress".into())
    }
}

fn text_template(text: &str) -> Result<(), String> {
    crate::expression::check_text(text)
}

/// A day of the Gregorian calendar, as a number of days since 1970-01-01.
///
/// Source: Howard Hinnant, `days_from_civil`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(i64);

impl Day {
    /// 1970-01-01.
    pub const EPOCH: Self = Self(0);

    /// Reads `2026-11-22`.
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            text.get(range)
                .filter(|text| text.bytes().all(|character| character.is_ascii_digit()))?
                .parse::<i64>()
                .ok()
        };

        let (y, m, d) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let last = match m {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };

        if d < 1 || d > last {
            return None;
        }
        let y = if m <= 2 { y - 1 } else { y };
        let era = y.div_euclid(400);
        let yoe = y - era * 400;
        let doy = (153 * ((m + 9) % 12) + 2) / 5 + d - 1;

        Some(Self(
            era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468,
        ))
    }

    /// How many days lie between an earlier day and this one.
    pub const fn days_since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// The day some days later.
    #[must_use]
    pub const fn plus(self, days: i64) -> Self {
        Self(self.0 + days)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let z = self.0 + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z - era * 146_097;
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let (d, m) = (
            doy - (153 * mp + 2) / 5 + 1,
            if mp < 10 { mp + 3 } else { mp - 9 },
        );
        write!(
            f,
            "{:04}-{m:02}-{d:02}",
            yoe + era * 400 + i64::from(m <= 2)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count() {
        assert_eq!(Day::parse("1970-01-01"), Some(Day(0)));
        let day = Day::parse("2026-11-22").unwrap();
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!(day.plus(180).to_string(), "2027-05-21");
        assert_eq!(Day::parse("2026-02-29"), None);
        assert_eq!(
            Day::parse("2024-02-29").unwrap().plus(1).to_string(),
            "2024-03-01"
        );
    }

    #[test]
    fn each_format_refuses_and_accepts() {
        let table: [(&str, &[&str], &[&str]); 12] = [
            ("dns-label", &["a", "a-1"], &["", "A", "-a", "a.b", "a_b"]),
            (
                "cidr",
                &["10.0.0.0/8", "fd00::/8"],
                &[
                    "10.0.0.1/8",
                    "10.0.0.0",
                    "10.0.0.0/33",
                    "x",
                    "::ffff:0.0.0.0/96",
                ],
            ),
            (
                "host",
                &["a.example"],
                &["a", "10.0.0.1", "*.a.example", "-a.example"],
            ),
            ("host-pattern", &["*.a.example"], &["*", "a.*.b"]),
            (
                "duration-go",
                &["10m", "1h30m", "1.5h"],
                &[
                    "10",
                    "0",
                    "m",
                    "",
                    "1d",
                    "-1s",
                    ".5h",
                    "1.h",
                    "9999999999999h",
                    "2562048h",
                ],
            ),
            (
                "git-url",
                &["https://h/x", "ssh://git@h/x"],
                &["http://h/x", "git@h:x", "https://u:p@h/x", "https://"],
            ),
            ("label-key", &["a", "a.b/c"], &["", "a/b/c", "/a", "a b"]),
            ("label-value", &["", "a.b"], &["a b", "-a", "é"]),
            (
                "quota-key",
                &[
                    "pods",
                    "count/a.b",
                    "requests.nvidia.com/gpu",
                    "gold.storageclass.storage.k8s.io/requests.storage",
                ],
                &["pod", "limits.gpu"],
            ),
            ("kubernetes-minor", &["1.34"], &["1.34.2", "v1.34", "1.034"]),
            (
                "principal",
                &[
                    "github:team",
                    "ann@x",
                    "Jürgen Müller",
                    "Kjær",
                    "Yıldız",
                    "Ops – EU",
                    "Jean d’Arc",
                    "команда",
                    "開発",
                ],
                &[
                    "",
                    "system:masters",
                    "kubeadm:cluster-admins",
                    "kubernetes-admin",
                    "a\u{7}",
                    " admins",
                    "admins\u{a0}",
                    "ad\u{200b}mins",
                    "\u{430}dmins",
                    "\u{ff41}dmins",
                    "\u{251}dmins",
                    "b\u{43b}ue-t\u{435}am",
                ],
            ),
            ("relative-path", &["./a", ""], &["/a", "../a", "a/../../b"]),
        ];
        for (format, good, bad) in table {
            for text in good {
                assert!(reason(format, text).is_none(), "{format} refuses {text}");
            }
            for text in bad {
                assert!(reason(format, text).is_some(), "{format} accepts {text}");
            }
        }
    }
}

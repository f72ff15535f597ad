//! Objects that SOPS encrypted: what Flux decrypts of them, and the keys that open them.
//!
//! Source: `internal/decryptor` of kustomize-controller, and `stores/stores.go` of SOPS.

use super::unappliable::Fault;
use crate::document::{Node, NodeValue};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::tenancy::{RECIPIENT_LISTS, RecipientFault, recipient_of_list};

/// The start of a value that SOPS encrypted.
const CIPHERTEXT: &str = "ENC[";
/// The fields of a Secret that may be encrypted.
const DATA: [&str; 2] = ["data", "stringData"];

/// The keys of the metadata of SOPS, besides those of recipients.
///
/// Source: github.com/getsops/sops, `stores/stores.go`, `Metadata`.
const METADATA: [&str; 11] = [
    "shamir_threshold",
    "lastmodified",
    "mac",
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
    "mac_only_encrypted",
    "version",
];

/// The keys of an item of any list of recipients, besides those that name it.
const ITEM: [&str; 6] = [
    "created_at",
    "enc",
    "role",
    "context",
    "aws_profile",
    "version",
];

/// A key that opens an encrypted object, as the object names it.
#[derive(Debug)]
pub(super) struct FileKey {
    /// The recipient, or the encrypted data key itself.
    pub(super) name: String,
    /// The recipient to which it, or the data key, is encrypted.
    pub(super) recipient: String,
    /// Why its recipient cannot be compared.
    pub(super) unread: Option<RecipientFault>,
    /// The recipient as it is written; `None` for the data key. No two tenants' files have one data
    /// key, unless one was copied.
    pub(super) shown: Option<String>,
    /// The place.
    pub(super) span: Span,
}

/// Whether an object is encrypted.
pub(super) fn is_encrypted(root: &Node) -> bool {
    root.entry("sops").is_some()
}

/// The keys that open an encrypted object.
pub(super) fn keys(root: &Node) -> Vec<FileKey> {
    let Some(metadata) = root.get("sops") else {
        return Vec::new();
    };
    let groups = metadata.get("key_groups").map_or(&[][..], Node::items);
    let mut found = Vec::new();
    for group in std::iter::once(metadata).chain(groups) {
        for (list, fields) in &RECIPIENT_LISTS {
            for item in group.get(list).map_or(&[][..], Node::items) {
                let recipient = recipient(list, fields, item);
                let known = recipient.as_ref().and_then(|named| named.form.clone().ok());
                found.extend(data_key(item).map(|name| FileKey {
                    name,
                    recipient: known.unwrap_or_default(),
                    unread: None,
                    shown: None,
                    span: item.span,
                }));
                found.extend(recipient.map(|named| FileKey {
                    name: named.form.clone().unwrap_or_default(),
                    recipient: named.form.clone().unwrap_or_default(),
                    unread: named.form.err(),
                    shown: Some(named.shown),
                    span: item.span,
                }));
            }
        }
    }
    found
}

/// A recipient as an item names it.
struct NamedRecipient {
    /// Its one form, after the name of its list.
    form: Result<String, RecipientFault>,
    /// As it is written.
    shown: String,
}

/// The recipient that an item names; `None` for an item that names none.
fn recipient(list: &str, fields: &[&str], item: &Node) -> Option<NamedRecipient> {
    let parts = fields.iter().map(|field| item.get(field)?.as_str());
    let parts: Vec<&str> = parts.collect::<Option<_>>()?;
    let shown = parts.join("/").trim().to_owned();
    let form = recipient_of_list(list, &parts).map(|form| format!("{list}:{form}"));
    (!shown.is_empty()).then_some(NamedRecipient { form, shown })
}

/// The encrypted data key of an item.
fn data_key(item: &Node) -> Option<String> {
    let text = item.get("enc")?.as_str()?;
    let text: String = text.split_whitespace().collect();
    (!text.is_empty()).then_some(text)
}

/// What keeps Flux, with a key of the tenant, from making a Secret of an object, or hides more of the
/// object than its values.
pub(super) fn fault(id: &ObjectId, root: &Node) -> Option<Fault> {
    let metadata = root.entry("sops")?;
    let fault = |span, reason: &str, fix: &str| {
        Some(Fault {
            span,
            reason: reason.into(),
            fix: fix.into(),
        })
    };

    if !(id.group.is_empty() && id.kind == "Secret") {
        let reason = "it is encrypted with SOPS, and only Secrets may be: everything else is read \
                      here, for the checks";
        return fault(
            metadata.key_span,
            reason,
            "put the values into a Secret, and encrypt that",
        );
    }
    let is_signed = metadata.node.get("mac").and_then(Node::as_str);
    if is_signed.is_none_or(str::is_empty) || keys(root).is_empty() {
        let reason = "Flux does not decrypt it: the `sops` metadata has no `mac` or no recipient";
        return fault(metadata.key_span, reason, "encrypt it again, with `sops`");
    }
    if let Some((span, reason)) = unread_metadata(&metadata.node) {
        return fault(span, &reason, "encrypt it again, with `sops`");
    }
    if let Some(entry) = root
        .at(&["metadata", "annotations"])
        .and_then(|annotations| annotations.entry("kustomize.toolkit.fluxcd.io/decrypt"))
    {
        let reason = "an annotation keeps Flux from decrypting it";
        return fault(entry.key_span, reason, "remove the annotation");
    }

    let apart = |key: &str| key == "sops" || DATA.contains(&key);
    let mut read = root.entries().iter().filter(|entry| !apart(&entry.key));
    let span = read.find_map(|entry| ciphertext(&entry.node))?;
    let reason = "more of it is encrypted than the values of `data` and `stringData`";
    let fix = "encrypt it with: sops --encrypted-regex '^(data|stringData)$'";
    fault(span, reason, fix)
}

/// A part of the metadata of SOPS that is not as SOPS writes it. Its readers take keys in any case, and
/// some of them one item for a list: a recipient could hide there.
fn unread_metadata(metadata: &Node) -> Option<(Span, String)> {
    let is_list = |key: &str| RECIPIENT_LISTS.iter().any(|(list, _)| *list == key);
    let is_group_list = |key: &str| key == "key_groups";
    for entry in metadata.entries() {
        let key = &*entry.key;
        if !is_list(key) && !is_group_list(key) && !METADATA.contains(&key) {
            return Some((
                entry.key_span,
                format!("SOPS has no `{key}` in its metadata"),
            ));
        }
    }

    let no_list = |node: &Node| !matches!(node.value, NodeValue::Seq(_) | NodeValue::Null);
    let named = metadata.entries().iter();
    let mut lists = named.filter(|entry| is_list(&entry.key) || is_group_list(&entry.key));
    if let Some(entry) = lists.find(|entry| no_list(&entry.node)) {
        return Some((entry.node.span, format!("`sops.{}` is no list", entry.key)));
    }

    let groups = metadata.get("key_groups").map_or(&[][..], Node::items);
    let unread = |group| group_faults(group, &is_list);
    let of_groups = groups.iter().find_map(|group: &Node| {
        let mut entries = group.entries().iter();
        let other = entries.find(|entry| !is_list(&entry.key) || no_list(&entry.node));
        match (&group.value, other) {
            (NodeValue::Map(_), None) => unread(group),
            (_, Some(entry)) => Some((
                entry.key_span,
                format!("`{}` is no list of recipients", entry.key),
            )),
            (_, None) => Some((group.span, "a key group is no mapping".to_owned())),
        }
    });
    of_groups.or_else(|| unread(metadata))
}

/// An item of a list of recipients that is not as SOPS writes it.
fn group_faults(group: &Node, is_list: &dyn Fn(&str) -> bool) -> Option<(Span, String)> {
    let lists = group.entries().iter().filter(|entry| is_list(&entry.key));
    let mut items = lists.flat_map(|list| list.node.items().iter().map(move |item| (list, item)));
    items.find_map(|(list, item)| {
        if !matches!(item.value, NodeValue::Map(_)) {
            return Some((
                item.span,
                format!("an item of `sops.{}` is no mapping", list.key),
            ));
        }
        let fields = RECIPIENT_LISTS.iter().find(|(name, _)| **name == *list.key);
        let fields = fields.map_or(&[][..], |(_, fields)| *fields);
        let is_known = |key: &str| fields.contains(&key) || ITEM.contains(&key);
        let other = item.entries().iter().find(|entry| !is_known(&entry.key))?;
        Some((
            other.key_span,
            format!("SOPS has no `{}` in an item of `{}`", other.key, list.key),
        ))
    })
}

/// The place of the first encrypted value.
fn ciphertext(node: &Node) -> Option<Span> {
    match &node.value {
        NodeValue::String(text) => text.starts_with(CIPHERTEXT).then_some(node.span),
        NodeValue::Seq(items) => items.iter().find_map(ciphertext),
        NodeValue::Map(entries) => entries.iter().find_map(|entry| ciphertext(&entry.node)),
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(..) => None,
    }
}

/// The object that Flux makes, as far as it can be known: without the metadata of SOPS, and with
/// empty values instead of encrypted ones.
pub(super) fn decrypted(root: &Node) -> Node {
    with_values(root, &NodeValue::String(Default::default()))
}

/// The same with nulls instead of encrypted values, which is to say that they are not known.
pub(super) fn without_encrypted(root: &Node) -> Node {
    with_values(root, &NodeValue::Null)
}

/// An encrypted object without the metadata of SOPS, and with a value instead of each encrypted one.
fn with_values(root: &Node, instead: &NodeValue) -> Node {
    let mut object = root.clone();
    let NodeValue::Map(entries) = &mut object.value else {
        return object;
    };
    entries.retain(|entry| &*entry.key != "sops");
    let data = entries
        .iter_mut()
        .filter(|entry| DATA.contains(&&*entry.key));
    for entry in data {
        let NodeValue::Map(values) = &mut entry.node.value else {
            continue;
        };
        for value in values {
            if ciphertext(&value.node).is_some() {
                value.node.value = instead.clone();
            }
        }
    }
    object
}

/// A value of a Secret that Flux takes for a file of SOPS, and decrypts with the tenant's key. Its
/// recipients are not read here.
pub(super) fn embedded(id: &ObjectId, root: &Node) -> Option<Fault> {
    if !(id.group.is_empty() && id.kind == "Secret") {
        return None;
    }
    let entries = root.get("data").map_or(&[][..], Node::entries);
    let entry = entries
        .iter()
        .find(|entry| entry.node.as_str().is_some_and(holds_file))?;
    Some(Fault {
        span: entry.key_span,
        reason: "a value of it is a file that SOPS encrypted, whose recipients are not checked"
            .into(),
        fix: "encrypt the Secret itself".into(),
    })
}

/// Whether a base64 text holds a mark by which Flux knows a file of SOPS.
fn holds_file(text: &str) -> bool {
    const MARKS: [&[u8]; 4] = [
        b"\"mac\": \"ENC[",
        b"sops_mac=ENC[",
        b"[sops]",
        b"mac: ENC[",
    ];
    let bytes = from_base64(text);
    MARKS
        .iter()
        .any(|mark| memchr::memmem::find(&bytes, mark).is_some())
}

/// Decodes a base64 text, up to the first character that is not base64.
fn from_base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let Some(six) = digit(byte) else { break };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

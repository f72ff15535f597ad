//! Objects that the API server would take, and that do not reach it as they are written: kustomize
//! drops or renames them, Flux refuses them, or they are too large to be stored.

use super::sops;
use crate::document::{Entry, Node, NodeValue};
use crate::kube::ObjectId;
use crate::source::Span;

/// The most bytes of an object that etcd stores.
const MAX_STORED: usize = 3 << 19;

/// Why an object is not applied as it is written.
pub(super) struct Fault {
    /// The place.
    pub(super) span: Span,
    /// What happens to the object, as a clause.
    pub(super) reason: String,
    /// What the reader can do.
    pub(super) fix: String,
}

/// Who decrypts the files of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decryption {
    /// Flux, with a key of the tenant.
    ByTenant,
    /// Flux cannot: the tenant has no key.
    WithoutKey,
    /// Flux cannot: the files lie in the unit of the floor, which has no key of a tenant.
    WithFloor,
}

/// The first fault of an object. `decryption` says who decrypts its file.
pub(super) fn find(id: &ObjectId, root: &Node, decryption: Decryption) -> Option<Fault> {
    encrypted(id, root, decryption)
        .or_else(|| annotation(root))
        .or_else(|| set_by_server(root))
        .or_else(|| too_large(id, root))
}

/// What is wrong with a document that SOPS encrypted. Flux refuses one that nothing decrypts.
fn encrypted(id: &ObjectId, root: &Node, decryption: Decryption) -> Option<Fault> {
    let fix = match decryption {
        Decryption::ByTenant if sops::is_encrypted(root) => return sops::fault(id, root),
        Decryption::ByTenant => return sops::embedded(id, root),
        Decryption::WithoutKey => {
            "set spec.decryption.secretRef to a Secret TENANT.NAME of Flux's namespace, with a key of \
             the tenant's own"
        }
        Decryption::WithFloor => {
            "set delivery.manifests: own in the fleet (docs/upgrading.md), and \
             spec.decryption.secretRef in the tenant"
        }
    };
    Some(Fault {
        span: root.entry("sops")?.key_span,
        reason: "it is encrypted with SOPS, and nothing decrypts it".into(),
        fix: fix.into(),
    })
}

/// An annotation that kustomize acts on: it drops or renames the object, or drops the annotation.
fn annotation(root: &Node) -> Option<Fault> {
    let annotations = root.at(&["metadata", "annotations"])?;
    let acts = |entry: &&Entry| is_kustomizes(&entry.key, entry.node.as_str());
    let entry = annotations.entries().iter().find(acts)?;
    Some(Fault {
        span: entry.key_span,
        reason: format!(
            "kustomize acts on the annotation `{}`: it drops it, or drops or renames the object",
            entry.key
        ),
        fix: "remove the annotation".into(),
    })
}

/// Whether kustomize acts on an annotation.
///
/// Source: `kyaml/kio/kioutil` and `api/internal/utils/annotations.go` of kustomize.
fn is_kustomizes(key: &str, value: Option<&str>) -> bool {
    match key.split_once('/') {
        Some(("internal.config.kubernetes.io", _)) => true,
        Some(("config.kubernetes.io", "local-config")) => value != Some("false"),
        Some(("config.kubernetes.io", name)) => ["index", "origin", "path"].contains(&name),
        Some(("alpha.config.kubernetes.io", name)) => name == "transformations",
        _ => false,
    }
}

/// A field of the metadata that only the API server may set: an apply with it is refused.
fn set_by_server(root: &Node) -> Option<Fault> {
    let metadata = root.get("metadata")?;
    let set = |name: &&str| {
        metadata
            .entry(name)
            .is_some_and(|entry| !is_empty(&entry.node))
    };
    let name = ["managedFields", "resourceVersion", "uid"]
        .into_iter()
        .find(|name| set(name))?;
    let entry = metadata.entry(name)?;
    Some(Fault {
        span: entry.key_span,
        reason: format!("the API server alone sets metadata.{name}, and refuses to apply it"),
        fix: format!("remove metadata.{name}"),
    })
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        NodeValue::Null => true,
        NodeValue::String(text) => text.is_empty(),
        NodeValue::Seq(items) => items.is_empty(),
        _ => false,
    }
}

fn too_large(id: &ObjectId, root: &Node) -> Option<Fault> {
    // Kubernetes' own kinds are stored in a form without escapes, others as Go writes JSON.
    let is_custom = id.group.contains('.') && !id.group.ends_with(".k8s.io");
    let size = stored_bytes(root, is_custom);
    (size > MAX_STORED).then(|| Fault {
        span: root.span,
        reason: format!("it has {size} bytes, and etcd stores at most {MAX_STORED}"),
        fix: "split it into several objects".into(),
    })
}

/// The least number of bytes that an object is stored in.
fn stored_bytes(node: &Node, is_escaped: bool) -> usize {
    let text_bytes = |text: &str| match is_escaped {
        true => 2 + text.chars().map(escaped_bytes).sum::<usize>(),
        false => text.len(),
    };
    match &node.value {
        NodeValue::String(text) => text_bytes(text),
        NodeValue::Seq(items) => {
            let items = items.iter().map(|item| 1 + stored_bytes(item, is_escaped));
            items.sum()
        }
        NodeValue::Map(entries) => {
            let entries = entries
                .iter()
                .map(|entry| 2 + text_bytes(&entry.key) + stored_bytes(&entry.node, is_escaped));
            entries.sum()
        }
        NodeValue::Null | NodeValue::Bool(_) | NodeValue::Number(..) => 1,
    }
}

/// The bytes of a character in JSON as Go writes it.
const fn escaped_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{0}'..='\u{1f}' | '\u{2028}' | '\u{2029}' => 6,
        _ => c.len_utf8(),
    }
}

//! Argo CD, as far as it is read: it delivers no fleet yet.

use super::applied::AppliedPath;
use crate::document::Node;

/// The namespace that it is installed into.
pub const NAMESPACE: &str = "argocd";
/// The API group of its objects.
pub const GROUP: &str = "argoproj.io";
/// The kind of the object that applies folders.
pub const APPLICATION: &str = "Application";
/// The kind of the object that makes Applications from a template.
const APPLICATION_SET: &str = "ApplicationSet";
/// The prefix of labels and annotations that it reads.
pub const METADATA_PREFIX: &str = "argocd.argoproj.io/";

/// Reads the paths that an Application applies, or each Application of an ApplicationSet. Their
/// sources are addresses, and no objects.
pub(super) fn applied(root: &Node) -> Vec<AppliedPath> {
    let text = |key: &str| root.get(key).and_then(Node::as_str).unwrap_or_default();
    let group = text("apiVersion").split_once('/').map(|(group, _)| group);
    let spec = match text("kind") {
        APPLICATION => root.get("spec"),
        APPLICATION_SET => root.at(&["spec", "template", "spec"]),
        _ => None,
    };
    let Some(spec) = spec.filter(|_| group == Some(GROUP)) else {
        return Vec::new();
    };

    let many = spec.get("sources").map_or(&[][..], Node::items);
    spec.get("source")
        .into_iter()
        .chain(many)
        .filter_map(|source| AppliedPath::new(root, source.get("path")?, None))
        .collect()
}

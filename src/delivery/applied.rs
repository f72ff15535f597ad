//! A path that an engine applies already.

use super::SourceName;
use crate::document::Node;
use crate::source::{Span, join};

/// A path that an engine applies.
#[derive(Clone, Debug)]
pub struct AppliedPath {
    /// The path from the repository's root, without `./`.
    pub path: String,
    /// The object that applies it: its kind and name.
    pub by: String,
    /// The namespace of that object; may be empty.
    pub namespace: String,
    /// The source that the object reads; `None` if it names an address.
    pub source: Option<SourceName>,
    /// Where the path is named.
    pub span: Span,
}

impl AppliedPath {
    /// An object that applies what `path` names; `None` if that leaves the repository.
    pub(super) fn new(root: &Node, path: &Node, source: Option<SourceName>) -> Option<Self> {
        let kind = root.get("kind")?.as_str()?;
        let name = root
            .at(&["metadata", "name"])
            .and_then(Node::as_str)
            .unwrap_or("?");
        Some(Self {
            path: join("", path.as_str()?.trim_start_matches('/'))?,
            by: format!("{kind} `{name}`"),
            namespace: text_at(root, &["metadata", "namespace"]),
            source,
            span: path.span,
        })
    }

    /// Whether it says its namespace and its source, as what a bootstrap writes does.
    pub(super) fn is_whole(&self) -> bool {
        let named = |source: &SourceName| !source.kind.is_empty() && !source.name.is_empty();
        !self.namespace.is_empty() && self.source.as_ref().is_some_and(named)
    }

    /// Whether it reads this repository, as far as can be told: through one of the sources that
    /// hold the tree, or by a path that is not the root of some repository.
    pub fn reads_here(&self, own: &[SourceName]) -> bool {
        self.source
            .as_ref()
            .map_or(!self.path.is_empty(), |source| own.contains(source))
    }
}

/// The string at a path of fields; empty if the object has no string there.
pub(super) fn text_at(root: &Node, path: &[&str]) -> String {
    root.at(path)
        .and_then(Node::as_str)
        .unwrap_or_default()
        .to_owned()
}

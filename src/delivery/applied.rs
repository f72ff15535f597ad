//! A path that an engine applies already.

use super::{SourceName, TreeSource};
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
    /// What the object reads; `None` if that is an address which is not read.
    pub source: Option<TreeSource>,
    /// Where the path is named.
    pub span: Span,
}

impl AppliedPath {
    /// An object that applies what `path` names; `None` if that leaves the repository.
    pub(super) fn new(root: &Node, path: &Node, source: Option<TreeSource>) -> Option<Self> {
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
        let object = self.source.as_ref().and_then(TreeSource::object);
        !self.namespace.is_empty() && object.is_some_and(named)
    }

    /// Whether it reads this repository, as far as can be told: through one of the sources that
    /// hold the tree, or by a path that is not the root of some repository.
    pub fn reads_here(&self, own: &[TreeSource]) -> bool {
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

//! Where the things of a graph come from.

use crate::document::TreeValue;
use crate::kube::names::TENANT_LABEL;
use crate::source::Span;
use crate::value::Text;

/// Which of the inputs an object came in by, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputKind {
    /// tenantry renders it.
    Rendered,
    /// A manifest that tenantry does not render.
    Manifest,
    /// A live cluster, which holds it as tenantry renders it.
    Applied,
    /// A live cluster, or a snapshot of one.
    Snapshot,
    /// Kubernetes makes it by itself.
    Builtin,
}

impl InputKind {
    /// Whether a cluster holds it.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Applied | Self::Snapshot)
    }

    /// Whether it is as tenantry renders it.
    pub const fn is_rendered(self) -> bool {
        matches!(self, Self::Applied | Self::Rendered)
    }
}

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The input.
    pub input: InputKind,
    /// The object; for a rendered one, what in a spec it is rendered from; for one that Kubernetes
    /// makes, the line that declares the cluster.
    pub span: Span,
}

/// The tenant that the label of an object names.
pub(super) fn tenant_label<T: TreeValue>(node: &T) -> Option<Text> {
    let labels = node.member("metadata")?.member("labels")?;
    labels.member(TENANT_LABEL)?.text().map(Text::from)
}

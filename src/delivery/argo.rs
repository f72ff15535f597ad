//! Argo CD, as far as it is read: it delivers no fleet yet.

use super::applied::AppliedPath;
use crate::document::Node;

/// The namespace that it is installed into.
pub const NAMESPACE: &str = "argocd";
/// The API group of its objects.
pub const GROUP: &str = "argoproj.io";
/// The kind of the object that applies a folder.
pub const APPLICATION: &str = "Application";
/// The prefix of labels and annotations that it reads.
pub const METADATA_PREFIX: &str = "argocd.argoproj.io/";

/// Reads the path that an Application applies. Its source is an address, and no object.
pub(super) fn applied(root: &Node) -> Option<AppliedPath> {
    let version = root.get("apiVersion")?.as_str()?;
    let is_application =
        version.starts_with("argoproj.io/") && root.get("kind")?.as_str()? == APPLICATION;
    let path = root.at(&["spec", "source", "path"])?;
    is_application
        .then(|| AppliedPath::new(root, path, None))
        .flatten()
}

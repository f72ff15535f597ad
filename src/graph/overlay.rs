//! Kustomize overlays: which documents they are, and how they change the objects that they list.

use super::gitops::flux;
use crate::document::{Node, NodeValue, TreeValue};
use crate::kube::labels::{items, texts};
use crate::source::Span;

/// Whether a document is a Kustomize overlay or component, and no object.
fn is_overlay<T: TreeValue>(node: &T) -> bool {
    let version = node
        .member("apiVersion")
        .and_then(TreeValue::text)
        .unwrap_or_default();
    version.starts_with("kustomize.config.k8s.io/")
}

/// The files that a Kustomize overlay names as patches: they hold no objects of their own.
pub fn patches<T: TreeValue>(node: &T) -> Vec<&str> {
    let mut all = Vec::new();
    for key in [
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "components",
        "configurations",
    ] {
        let list = node.member(key);
        all.extend(texts(list));
        all.extend(
            items(list)
                .iter()
                .filter_map(|item| item.member("path")?.text()),
        );
    }

    all
}

/// The name of a file without its folders.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a document is a Kustomize overlay: by its group, or by its file's name if it states no
/// kind.
pub(super) fn is_kustomization(path: &str, root: &Node) -> bool {
    let named =
        ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&file_name(path));
    is_overlay(root) || (named && root.get("kind").is_none())
}

/// The field by which an overlay changes the objects that it lists, and its span; `None` if it
/// changes only the arguments of Flux's controllers.
pub(super) fn transforms(root: &Node) -> Option<(String, Span)> {
    const CHANGING: [&str; 18] = [
        "namespace",
        "labels",
        "commonLabels",
        "commonAnnotations",
        "configurations",
        "namePrefix",
        "nameSuffix",
        "components",
        "replacements",
        "transformers",
        "generators",
        "helmCharts",
        "patchesStrategicMerge",
        "patchesJson6902",
        "replicas",
        "vars",
        "crds",
        "bases",
    ];
    for key in CHANGING {
        if let Some(node) = root
            .get(key)
            .filter(|node| !matches!(node.value, NodeValue::Null))
        {
            return Some((format!("`{key}`"), node.span));
        }
    }

    if let Some(patch) = items(root.get("patches"))
        .iter()
        .find(|patch| !flux::is_controllers(patch))
    {
        return Some(("`patches`".into(), patch.span));
    }

    let remote = |text: &str| {
        text.contains("://")
            || text.starts_with("git@")
            || text.contains("?ref=")
            || text.starts_with("github.com/")
    };

    let resources = items(root.get("resources")).iter();
    resources
        .filter_map(|resource| Some((resource.as_str()?, resource.span)))
        .find(|(resource, _)| remote(resource))
        .map(|(resource, span)| (format!("a remote resource, {resource}"), span))
}

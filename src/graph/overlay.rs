//! Kustomize overlays: which documents they are, and how they change the objects that they list.

use super::gitops::patches;
use crate::delivery::is_kustomization_file;
use crate::document::{Node, NodeValue, TreeValue};
use crate::kube::labels::{items, texts};
use crate::source::{Span, parent};
use std::collections::BTreeSet;

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

/// Whether a document is a Kustomize overlay: by its group, or by its file's name if it states no
/// kind.
pub(super) fn is_kustomization(path: &str, root: &Node) -> bool {
    is_overlay(root) || (is_kustomization_file(path) && root.get("kind").is_none())
}

/// The field by which an overlay changes the objects that it lists, and its span; `None` if it
/// changes only the arguments of Flux's controllers.
pub(super) fn transforms(
    root: &Node,
    text: &dyn Fn(&str) -> Option<String>,
) -> Option<(String, Span)> {
    // A number of replicas (`replicas`) decides nothing.
    const CHANGING: [&str; 15] = [
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

    if patches::of_root(root, text).iter().any(Option::is_none) {
        let lists = ["patches", "patchesJson6902", "patchesStrategicMerge"];
        let list = lists.iter().find_map(|list| Some((list, root.get(list)?)));
        return list.map(|(list, node)| (format!("`{list}`"), node.span));
    }

    None
}

/// The files of the inputs, and the folders that hold them, to tell what an overlay lists and nobody
/// gave.
#[derive(Debug, Default)]
pub(super) struct Inputs(BTreeSet<String>);

impl Inputs {
    /// The files of some paths.
    pub(super) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut known = BTreeSet::new();
        for path in paths {
            let mut path = resolve("", path);
            while known.insert(path.clone()) {
                path = parent(&path).to_owned();
            }
        }
        Self(known)
    }

    /// What an overlay lists and the inputs do not hold, and the place of each. `path` is the
    /// overlay's.
    pub(super) fn missing<'n>(&self, path: &str, root: &'n Node) -> Vec<(&'n str, Span)> {
        let resources = items(root.get("resources")).iter();
        resources
            .filter_map(|resource| Some((resource.as_str()?, resource.span)))
            .filter(|(listed, _)| !self.0.contains(&resolve(parent(path), listed)))
            .collect()
    }
}

/// A path from a folder, without `.` and `..` as far as they can be taken out.
fn resolve(folder: &str, path: &str) -> String {
    let joined = format!("{folder}/{path}");
    let is_absolute = folder.starts_with('/') || (folder.is_empty() && path.starts_with('/'));
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    let start = if is_absolute { "/" } else { "" };
    format!("{start}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_from_the_folder_of_the_overlay() {
        for (folder, path, resolved) in [
            ("a/b", "../c.yaml", "a/c.yaml"),
            ("/a/b", "./c", "/a/b/c"),
            ("../x", "../y", "../y"),
            ("a", "../../y", "../y"),
            ("", "c/", "c"),
        ] {
            assert_eq!(resolve(folder, path), resolved);
        }
    }
}

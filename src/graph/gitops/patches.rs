//! Patches of overlays and of FluxInstances that change how Flux's controllers are started: JSON
//! patches (RFC 6902) and strategic merge patches of the controllers' Deployments.
//!
//! Only the arguments of the first container matter, and only patches that are understood are taken:
//! an overlay with another one is reported as unread.

use super::controller::{ArgumentEdit, Controller};
use crate::document::{self, Document, Node, TreeValue};
use crate::graph::{InputKind, Origin};
use crate::kube::ObjectId;
use crate::kube::labels::items;
use crate::source::{Source, SourceMap, Span};
use crate::value::Text;

/// Fields of a Deployment that a patch may change without a change of who may do what.
const HARMLESS: [&str; 16] = [
    "/metadata/annotations",
    "/spec/replicas",
    "/spec/strategy",
    "/spec/revisionHistoryLimit",
    "/spec/template/metadata/annotations",
    "/spec/template/spec/affinity",
    "/spec/template/spec/imagePullSecrets",
    "/spec/template/spec/nodeSelector",
    "/spec/template/spec/priorityClassName",
    "/spec/template/spec/securityContext",
    "/spec/template/spec/terminationGracePeriodSeconds",
    "/spec/template/spec/tolerations",
    "/spec/template/spec/topologySpreadConstraints",
    "/spec/template/spec/volumes",
    "/spec/template/spec/hostAliases",
    "/spec/template/spec/dnsConfig",
];

/// Fields of a container that a patch may change.
const HARMLESS_OF_CONTAINER: [&str; 9] = [
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "livenessProbe",
    "readinessProbe",
    "resources",
    "securityContext",
    "volumeMounts",
];

/// What an entry of `patches` does, if it is understood.
pub struct ControllerPatch {
    /// The pattern of the names that it is for; empty for all.
    pub names: Text,
    /// The pattern of their namespaces; empty for all.
    pub namespaces: Text,
    /// How it changes the arguments.
    pub edits: Vec<ArgumentEdit>,
    /// Where it stands.
    pub span: Span,
}

/// The objects that a patch is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct PatchTarget<'a> {
    /// The kind, if it is given.
    pub kind: Option<&'a str>,
    /// The pattern of the names, if it is given.
    pub name: Option<&'a str>,
    /// The pattern of the namespaces, if it is given.
    pub namespace: Option<&'a str>,
}

impl<'a> PatchTarget<'a> {
    /// Reads the `target` of an entry of `patches`.
    pub fn of<T: TreeValue>(entry: &'a T) -> Self {
        let target = entry.member("target");
        let field = |key: &str| target.and_then(|target| target.member(key)?.text());
        Self {
            kind: field("kind"),
            name: field("name"),
            namespace: field("namespace"),
        }
    }
}

/// Reads an entry of `patches`; `None` if it changes anything else than arguments and fields that do
/// not matter. `text` is the patch, inline or from its file.
pub fn read(target: PatchTarget<'_>, text: &str, span: Span) -> Option<ControllerPatch> {
    let source = Source::new("patch", text);
    let (documents, faults) = document::parse_foreign(span.source, &source);
    if !faults.is_empty() {
        return None;
    }
    let mut patch = ControllerPatch {
        names: target.name.unwrap_or_default().into(),
        namespaces: target.namespace.unwrap_or_default().into(),
        edits: Vec::new(),
        span,
    };
    for Document { root, .. } in &documents {
        let operations = root.items();
        if operations.is_empty() {
            if is_annotated_account(root) {
                continue;
            }
            let of_target = target.kind.is_none_or(|kind| kind == "Deployment");
            patch.merge(root).filter(|()| of_target)?;
            continue;
        }

        for operation in operations {
            match target.kind {
                Some("Deployment") => patch.operation(operation)?,
                Some("Kustomization") => narrows_sync(operation)?,
                Some("ServiceAccount") => annotates(operation)?,
                _ => return None,
            }
        }
    }
    Some(patch)
}

/// Whether an operation gives a Kustomization an account: it then does less than before.
fn narrows_sync(operation: &Node) -> Option<()> {
    let text = |key: &str| operation.get(key).and_then(Node::as_str);
    let sets = matches!(text("op")?, "add" | "replace");
    (sets && text("path")? == "/spec/serviceAccountName" && !text("value")?.is_empty())
        .then_some(())
}

/// Whether an operation annotates a ServiceAccount of a controller: it has a cloud identity then, and
/// `gitops/controller-identity` finds who borrows it.
fn annotates(operation: &Node) -> Option<()> {
    let path = operation.get("path").and_then(Node::as_str)?;
    path.starts_with("/metadata/annotations").then_some(())
}

/// Whether a strategic merge patch only annotates a ServiceAccount.
fn is_annotated_account(root: &Node) -> bool {
    let known = ["apiVersion", "kind", "metadata"];
    let metadata = root.get("metadata");
    let fields = metadata.map(Node::entries).unwrap_or_default();
    root.get("kind").and_then(Node::as_str) == Some("ServiceAccount")
        && root
            .entries()
            .iter()
            .all(|entry| known.contains(&&*entry.key))
        && fields
            .iter()
            .all(|entry| ["name", "namespace", "annotations"].contains(&&*entry.key))
}

impl ControllerPatch {
    /// Reads an operation of a JSON patch on a Deployment.
    fn operation(&mut self, operation: &Node) -> Option<()> {
        let text = |key: &str| operation.get(key).and_then(Node::as_str);
        let (op, path) = (text("op")?, text("path")?);
        if op == "test" {
            return Some(());
        }

        let Some(rest) = path.strip_prefix("/spec/template/spec/containers/") else {
            let harmless = HARMLESS.iter().any(|field| path.starts_with(field));
            return (harmless && matches!(op, "add" | "replace" | "remove")).then_some(());
        };
        let (container, field) = rest.split_once('/')?;
        let Some(place) = field.strip_prefix("args") else {
            let field = field.split('/').next()?;
            let known = HARMLESS_OF_CONTAINER.contains(&field);
            return (known && matches!(op, "add" | "replace" | "remove")).then_some(());
        };

        // Flux's controllers have one container.
        if container != "0" {
            return None;
        }
        let value = || Some(Text::from(text("value")?));
        let edit = match (op, place.strip_prefix('/')) {
            ("add", Some("-")) => ArgumentEdit::Insert(None, value()?, self.span),
            ("add", Some(at)) => ArgumentEdit::Insert(Some(at.parse().ok()?), value()?, self.span),
            ("replace", Some(at)) => ArgumentEdit::Replace(at.parse().ok()?, value()?, self.span),
            ("remove", Some(at)) => ArgumentEdit::Remove(at.parse().ok()?),
            ("remove", None) => ArgumentEdit::Set(Vec::new(), self.span),
            ("add" | "replace", None) => {
                let values = texts(operation.get("value"));
                ArgumentEdit::Set(values, self.span)
            }
            _ => return None,
        };
        self.edits.push(edit);
        Some(())
    }

    /// Reads a strategic merge patch of a Deployment.
    fn merge(&mut self, root: &Node) -> Option<()> {
        if root.get("kind").and_then(Node::as_str) != Some("Deployment") || has_directive(root) {
            return None;
        }
        if let Some(name) = root.at(&["metadata", "name"]).and_then(Node::as_str)
            && self.names.is_empty()
        {
            self.names = name.into();
        }

        let pod = root.at(&["spec", "template", "spec"]);
        for container in items(pod.and_then(|pod| pod.get("containers"))) {
            let is_own = container.get("name").and_then(Node::as_str) == Some("manager");
            if let Some(args) = container.get("args").filter(|_| is_own) {
                self.edits
                    .push(ArgumentEdit::Set(texts(Some(args)), self.span));
            }
        }
        Some(())
    }

    /// The patch as the start of a controller.
    pub fn into_controller(self) -> Controller {
        Controller {
            id: ObjectId {
                group: "apps".into(),
                kind: "Deployment".into(),
                namespace: self.namespaces,
                name: Text::default(),
            },
            patch: Some(self.names),
            is_instance: false,
            args: Vec::new(),
            edits: self.edits,
            origin: Origin {
                input: InputKind::Manifest,
                span: self.span,
            },
        }
    }
}

/// Whether a strategic merge patch has a directive (`$patch: delete`), or sets labels or names.
fn has_directive(node: &Node) -> bool {
    let own = node.entries().iter().any(|entry| {
        entry.key.starts_with("$patch") || entry.key == "labels" || has_directive(&entry.node)
    });
    own || node.items().iter().any(has_directive)
}

fn texts(list: Option<&Node>) -> Vec<Text> {
    let values = items(list).iter();
    values.filter_map(Node::as_str).map(Text::from).collect()
}

/// The patches of an overlay that change how controllers are started. `file` finds the text of a file
/// that the overlay names.
pub fn of_overlay(
    sources: &SourceMap,
    root: &Node,
    file: &dyn Fn(&str) -> Option<String>,
) -> Vec<Controller> {
    let patches = of_root(root, file).into_iter().flatten();
    patches
        .map(|patch| with_places(sources, patch).into_controller())
        .collect()
}

/// Each patch of an overlay; `None` for one that is not understood.
pub fn of_root(root: &Node, file: &dyn Fn(&str) -> Option<String>) -> Vec<Option<ControllerPatch>> {
    let mut all = Vec::new();
    for list in ["patches", "patchesJson6902"] {
        let entries = items(root.get(list)).iter();
        all.extend(entries.map(|entry| read_entry(entry, file)));
    }
    for entry in items(root.get("patchesStrategicMerge")) {
        let text = entry.as_str().and_then(|text| match text.contains('\n') {
            true => Some(text.to_owned()),
            false => file(text),
        });
        all.push(text.and_then(|text| read(PatchTarget::default(), &text, entry.span)));
    }
    all
}

/// Reads an entry of `patches`, inline or from its file.
fn read_entry(entry: &Node, file: &dyn Fn(&str) -> Option<String>) -> Option<ControllerPatch> {
    let target = PatchTarget::of(entry);
    match (entry.get("patch"), entry.get("path")) {
        (Some(inline), _) => read(target, inline.as_str()?, inline.span),
        (None, Some(path)) => read(target, &file(path.as_str()?)?, path.span),
        (None, None) => None,
    }
}

/// A patch within a text has no places of its own: the words of its values are looked for in the file.
fn with_places(sources: &SourceMap, mut patch: ControllerPatch) -> ControllerPatch {
    for edit in &mut patch.edits {
        match edit {
            ArgumentEdit::Insert(_, value, span) | ArgumentEdit::Replace(_, value, span) => {
                *span = span_of_word(sources, *span, value);
            }
            ArgumentEdit::Remove(_) | ArgumentEdit::Set(..) => {}
        }
    }
    patch
}

/// Where a word of a text stands: a patch within a text has no places of its own, so the word is
/// looked for in the file.
fn span_of_word(sources: &SourceMap, text: Span, word: &str) -> Span {
    let source = sources.get(text.source);
    let offset = source.text[text.start as usize..].find(word);
    offset.map_or(text, |offset| {
        let start = text.start + offset as u32;
        Span {
            start,
            end: start + word.len() as u32,
            ..text
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceId;

    fn patched(patch: &str, args: &[&str]) -> Option<Vec<String>> {
        let target = PatchTarget {
            kind: Some("Deployment"),
            name: Some("kustomize-controller"),
            namespace: None,
        };
        let read = read(target, patch, Span::file(SourceId(0)))?;

        let mut args: Vec<(Text, Option<Span>)> =
            args.iter().map(|arg| (Text::from(*arg), None)).collect();
        read.edits.iter().for_each(|edit| edit.apply(&mut args));
        Some(args.iter().map(|(arg, _)| arg.to_string()).collect())
    }

    #[test]
    fn arguments_are_patched_as_kustomize_does() {
        let args = "/spec/template/spec/containers/0/args";
        for (patch, wanted) in [
            (format!("[{{op: add, path: {args}/-, value: c}}]"), vec!["a", "b", "c"]),
            (format!("[{{op: add, path: {args}/0, value: c}}]"), vec!["c", "a", "b"]),
            (format!("[{{op: replace, path: {args}/0, value: c}}]"), vec!["c", "b"]),
            (format!("[{{op: remove, path: {args}/1}}]"), vec!["a"]),
            (format!("[{{op: replace, path: {args}, value: [c]}}]"), vec!["c"]),
            (
                "kind: Deployment\nspec: {template: {spec: {containers: [{name: manager, args: [c]}]}}}".into(),
                vec!["c"],
            ),
            ("[{op: replace, path: /spec/replicas, value: 2}]".into(), vec!["a", "b"]),
        ] {
            assert_eq!(patched(&patch, &["a", "b"]).as_deref(), Some(&wanted.iter().map(ToString::to_string).collect::<Vec<_>>()[..]), "{patch}");
        }
    }

    #[test]
    fn other_patches_are_not_understood() {
        for patch in [
            "[{op: move, from: /spec/a, path: /spec/template/spec/containers/0/args}]",
            "[{op: replace, path: /spec/template/spec/serviceAccountName, value: x}]",
            "[{op: add, path: /spec/template/spec/containers/1/args/-, value: x}]",
            "kind: Deployment\nspec: {template: {metadata: {labels: {a: b}}}}",
            "kind: Deployment\n$patch: delete",
        ] {
            assert_eq!(patched(patch, &["a"]), None, "{patch}");
        }
    }
}

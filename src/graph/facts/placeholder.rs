//! Objects in which something that decides is filled in later: `${…}` by Flux or envsubst, `{{…}}` by
//! Helm, `<path:…>` by a plugin of Argo CD.
//!
//! Source: fluxcd.io/flux/components/kustomize/kustomizations, "Post build variable substitution".

use super::{ObjectRef, Unevaluated};
use crate::delivery::{MarkEffect, all_marks};
use crate::document::{TreeValue, View};
use crate::graph::{InputKind, Origin};
use crate::kube::{ObjectId, kinds};
use crate::source::Span;

/// Fields in which a text decides nothing about isolation, and may hold anything: what a container
/// runs, an image's version, times, and the free values of charts and variables.
const FREE: [&str; 30] = [
    "args",
    "branch",
    "command",
    "commonMetadata",
    "data",
    "description",
    "env",
    "eventMetadata",
    "healthChecks",
    "image",
    "interval",
    "lifecycle",
    "livenessProbe",
    "message",
    "messageExpression",
    "patches",
    "path",
    "postBuild",
    "readinessProbe",
    "replicas",
    "resources",
    "retryInterval",
    "schedule",
    "semver",
    "startupProbe",
    "summary",
    "tag",
    "timeout",
    "values",
    "version",
];

/// Labels and annotations that say which version something is.
const VERSIONS: [&str; 3] = ["app.kubernetes.io/version", "helm.sh/chart", "version"];

/// A text that is filled in later.
struct Placeholder {
    /// The field that holds it.
    field: String,
    text: String,
    span: Option<Span>,
}

/// An object of a kind that a plane reads, in which a field that decides is filled in later.
pub fn filled_in_later<T: TreeValue>(object: &ObjectRef, node: &T) -> Option<Unevaluated> {
    if object.origin.input != InputKind::Manifest || !kinds::is_read(&object.id) {
        return None;
    }
    if is_literal(node) {
        return None;
    }

    let ObjectId { group, kind, .. } = &object.id;
    let search = Search {
        // Elsewhere these are the templates of the kind itself, as in Kyverno's policies.
        helm: kinds::is_present(group),
        is_workload: ["apps", "batch"].contains(&group.as_str()) || kind == "Pod",
    };
    let found = search.find(node, &mut Vec::new())?;
    Some(Unevaluated {
        id: object.id.clone(),
        reason: format!("{} is filled in later: `{}`", found.field, found.text),
        origin: Origin {
            span: found.span.unwrap_or(object.origin.span),
            ..object.origin
        },
        absent: false,
    })
}

/// Whether an engine is told to fill in nothing.
fn is_literal<T: TreeValue>(node: &T) -> bool {
    let metadata = node.member("metadata");
    let mut marks = all_marks().filter(|mark| mark.effect == MarkEffect::NotSubstituted);
    marks.any(|mark| {
        ["annotations", "labels"].iter().any(|at| {
            let value = metadata.and_then(|metadata| metadata.member(at)?.member(mark.key)?.text());
            value.is_some_and(|value| value.eq_ignore_ascii_case(mark.value))
        })
    })
}

struct Search {
    /// Whether `{{` is a placeholder too.
    helm: bool,
    /// Whether the object makes pods: its annotations and the resources of its containers decide
    /// nothing.
    is_workload: bool,
}

impl Search {
    /// The first placeholder below a node. `path` leads to the node.
    fn find<'t, T: TreeValue>(&self, node: &'t T, path: &mut Vec<&'t str>) -> Option<Placeholder> {
        match node.view() {
            View::String(text) => self.placeholder(text).map(|found| Placeholder {
                field: path.join("."),
                text: found.to_owned(),
                span: node.span(),
            }),
            View::Seq(items) => items.iter().find_map(|item| self.find(item, path)),
            View::Map(entries) => entries.iter().map(T::split).find_map(|(key, value)| {
                if self.is_free(key, path) {
                    return None;
                }
                path.push(key);
                let found = match self.placeholder(key) {
                    Some(found) => Some(Placeholder {
                        field: path.join("."),
                        text: found.to_owned(),
                        span: value.span(),
                    }),
                    None => self.find(value, path),
                };
                path.pop();
                found
            }),
            _ => None,
        }
    }

    /// Whether a field decides nothing.
    fn is_free(&self, key: &str, path: &[&str]) -> bool {
        let parent = path.last().copied().unwrap_or_default();
        match parent {
            "annotations" => self.is_workload || key.starts_with("kubectl.kubernetes.io/"),
            "labels" | "matchLabels" => VERSIONS.contains(&key),
            // The parameters of a StorageClass are for its provisioner to fill in, for each claim.
            _ if path.is_empty() => ["data", "parameters", "status"].contains(&key),
            _ => FREE.contains(&key) && (key != "resources" || self.is_workload),
        }
    }

    /// The placeholder of a text. `$${` stands for a literal `${`.
    fn placeholder<'t>(&self, text: &'t str) -> Option<&'t str> {
        let dollars = text
            .match_indices("${")
            .find(|(at, _)| !text[..*at].ends_with('$'));
        let at = dollars
            .map(|(at, _)| at)
            .or_else(|| self.helm.then(|| text.find("{{")).flatten())
            .or_else(|| text.find("<path:"))?;

        let rest = &text[at..];
        let end = rest.find(['}', '>', '\n']).unwrap_or(rest.len());
        Some(&rest[..end + usize::from(rest[end..].starts_with(['}', '>']))])
    }
}

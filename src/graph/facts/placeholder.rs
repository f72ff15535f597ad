//! Objects in which something that decides is filled in later: `${…}` by Flux or envsubst, `{{…}}` by
//! Helm, `<path:…>` by a plugin of Argo CD.
//!
//! Source: fluxcd.io/flux/components/kustomize/kustomizations, "Post build variable substitution".

use super::applied::find_mark;
use super::{ObjectRef, Unevaluated};
use crate::delivery::{MarkEffect, is_engine_group};
use crate::document::{TreeValue, View};
use crate::graph::host::Host;
use crate::graph::{InputKind, Origin};
use crate::kube::labels::at;
use crate::kube::{ObjectId, kinds};
use crate::source::Span;

/// Fields of what makes pods in which a text decides nothing about isolation: what a container runs,
/// how many there are, and when.
const FREE_IN_WORKLOADS: [&str; 13] = [
    "annotations",
    "args",
    "command",
    "env",
    "image",
    "lifecycle",
    "livenessProbe",
    "readinessProbe",
    "replicas",
    "resources",
    "schedule",
    "startupProbe",
    "suspend",
];

/// The same of the objects of engines: which version is applied and how often, the free values of
/// charts and variables, and what notifications say.
const FREE_IN_ENGINES: [&str; 15] = [
    "branch",
    "commonMetadata",
    "eventMetadata",
    "healthChecks",
    "interval",
    "patches",
    "path",
    "postBuild",
    "retryInterval",
    "semver",
    "summary",
    "tag",
    "timeout",
    "values",
    "version",
];

/// The same of definitions of resources: the schemas, with what they say of each field. What converts
/// the objects stands beside them.
const FREE_IN_DEFINITIONS: [&str; 1] = ["versions"];

/// The same of admission policies: what a denial says.
const FREE_IN_POLICIES: [&str; 2] = ["message", "messageExpression"];

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
    if object.origin.input != InputKind::Manifest || is_literal(node) {
        return None;
    }
    // Kinds of ingress controllers and the like are in no table of kinds, but name hosts.
    let names_hosts = || Host::of(&object.id, node, object.origin).is_some();
    if !kinds::is_read(&object.id) && !names_hosts() {
        return None;
    }

    let ObjectId { group, kind, .. } = &object.id;
    let makes_pods = ["apps", "batch"].contains(&group.as_str()) || kind == "Pod";
    let free: &[&str] = match group.as_str() {
        _ if makes_pods => &FREE_IN_WORKLOADS,
        "admissionregistration.k8s.io" => &FREE_IN_POLICIES,
        "apiextensions.k8s.io" => &FREE_IN_DEFINITIONS,
        group if is_engine_group(group) => &FREE_IN_ENGINES,
        _ => &[],
    };
    let search = Search {
        // Elsewhere these are the templates of the kind itself, as in Kyverno's policies.
        helm: kinds::is_present(group),
        free,
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
    find_mark(metadata, |effect| effect == MarkEffect::NotSubstituted).is_some()
}

/// Whether a field is a label that only says a version, which is filled in later.
pub fn is_version<T: TreeValue>(node: &T, field: &str) -> bool {
    let Some(key) = field.strip_prefix("metadata.labels.") else {
        return false;
    };
    let search = Search {
        helm: true,
        free: &[],
    };
    let value = at(node, &["metadata", "labels", key]).and_then(TreeValue::text);
    VERSIONS.contains(&key)
        && !is_literal(node)
        && value.is_some_and(|value| search.placeholder(value).is_some())
}

/// Whether an annotation only informs people, or a tool about itself: what programs follow has the
/// domain of the program before it.
fn is_note(key: &str) -> bool {
    const NOTES: [&str; 4] = [
        "app.kubernetes.io",
        "checksum",
        "kubectl.kubernetes.io",
        "meta.helm.sh",
    ];
    key.split_once('/')
        .is_none_or(|(domain, _)| NOTES.contains(&domain))
}

struct Search {
    /// Whether `{{` is a placeholder too.
    helm: bool,
    /// Fields of the kind in which a text decides nothing.
    free: &'static [&'static str],
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
            "annotations" => is_note(key),
            "labels" | "matchLabels" => VERSIONS.contains(&key),
            // The parameters of a StorageClass are for its provisioner to fill in, for each claim.
            "" => ["data", "parameters", "status"].contains(&key),
            _ => self.free.contains(&key),
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

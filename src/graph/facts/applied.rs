//! Whether an object is in the cluster as its manifest has it.

use super::{ObjectRef, Unevaluated};
use crate::delivery::{EngineMark, MarkEffect, all_marks};
use crate::document::TreeValue;
use crate::graph::{InputKind, Origin};
use crate::kube::{ObjectId, kinds};
use crate::source::Span;

/// An object of the floor that its engine leaves as it is, with the mark that says so as the
/// reason.
pub fn frozen<T: TreeValue>(object: &ObjectRef, node: &T) -> Option<Unevaluated> {
    if !kinds::is_floor(&object.id) {
        return None;
    }

    let (mark, span) = find_mark(node.member("metadata"), MarkEffect::freezes)?;
    Some(Unevaluated {
        id: object.id.clone(),
        reason: mark.to_string(),
        origin: Origin {
            span: span.unwrap_or(object.origin.span),
            ..object.origin
        },
        absent: false,
    })
}

/// Why the cluster does not hold an object as its manifest has it; `None` if it does.
pub fn not_applied<T: TreeValue>(id: &ObjectId, node: &T, input: InputKind) -> Option<String> {
    // What a cluster holds is there.
    if input.is_live() {
        return None;
    }
    let metadata = node.member("metadata");
    let annotation = |key: &str| metadata?.member("annotations")?.member(key)?.text();

    if [&id.name, &id.namespace]
        .iter()
        .any(|name| name.contains("${") || name.contains("{{"))
    {
        return Some("its name is filled in later".into());
    }

    if id.namespace.is_empty() && (kinds::needs_namespace(id) || decides(id, node)) {
        return Some(
            "it has no namespace: an overlay, or who applies it, decides where it goes".into(),
        );
    }

    if kinds::is_unknown_to_kubernetes(id) {
        return Some("Kubernetes has no such kind".into());
    }
    if annotation("config.kubernetes.io/local-config").is_some_and(|value| value != "false") {
        return Some(
            "it is local configuration (config.kubernetes.io/local-config), \
             and kustomize leaves it out"
                .into(),
        );
    }

    let label = |key: &str| metadata?.member("labels")?.member(key)?.text();
    let left_out = NOT_MADE.iter().find(|(key, value, _)| {
        annotation(key).is_some_and(|own| value.is_empty() || own == *value)
    });
    if let Some((key, _, what)) = left_out {
        return Some(format!("{what} ({key})"));
    }
    let lifetime = LIFETIMES
        .iter()
        .find(|key| annotation(key).or_else(|| label(key)).is_some());
    if let Some(key) = lifetime.filter(|_| kinds::closes(id)) {
        return Some(format!("it is deleted after a while ({key})"));
    }

    if let Some(reason) = short_lived(id, &annotation) {
        return Some(reason);
    }
    if let Some((mark, _)) = find_mark(metadata, MarkEffect::freezes)
        .filter(|(mark, _)| mark.effect == MarkEffect::NotApplied)
    {
        return Some(format!("Flux does not apply it ({mark})"));
    }

    let version = node
        .member("apiVersion")
        .and_then(TreeValue::text)
        .unwrap_or_default();

    (!kinds::may_be_served(id, version))
        .then(|| format!("no API server serves {version} any more, or yet"))
}

/// Whether an object of a kind that holds data grants something: it configures who may do what, or
/// is a token.
fn decides<T: TreeValue>(id: &ObjectId, node: &T) -> bool {
    const CONFIGURATIONS: [&str; 3] = ["argocd-cm", "argocd-rbac-cm", "aws-auth"];
    let kind = node.member("type").and_then(TreeValue::text);
    match (&*id.group, &*id.kind) {
        ("", "ConfigMap") => CONFIGURATIONS.contains(&id.name.as_str()),
        ("", "Secret") => kind == Some("kubernetes.io/service-account-token"),
        _ => false,
    }
}

/// Annotations by which a tool makes an object for a while: in a step of an installation, or when
/// somebody runs the tests.
///
/// Sources: helm.sh/docs/topics/charts_hooks, argo-cd.readthedocs.io/en/stable/user-guide/sync-waves,
/// kluctl.io/docs/kluctl/deployments/hooks.
const HOOKS: [(&str, &str); 3] = [
    ("helm.sh/hook", "Helm"),
    ("argocd.argoproj.io/hook", "Argo CD"),
    ("kluctl.io/hook", "kluctl"),
];

/// Annotations by which a tool makes no object: the key, the value (empty for any), and what it does.
///
/// Sources: carvel.dev/kapp/docs/latest/apply, kluctl.io/docs/kluctl/deployments/annotations,
/// cloud.google.com/kubernetes-engine/enterprise/config-sync/docs/how-to/managing-objects.
const NOT_MADE: [(&str, &str, &str); 4] = [
    (
        "kapp.k14s.io/noop",
        "",
        "kapp neither creates nor updates it",
    ),
    (
        "kapp.k14s.io/exists",
        "",
        "kapp waits for it, and does not create it",
    ),
    ("kluctl.io/delete", "true", "kluctl deletes it"),
    (
        "configmanagement.gke.io/managed",
        "disabled",
        "Config Sync does not apply it",
    ),
];

/// Annotations and labels by which a tool deletes an object after a while.
///
/// Sources: codeberg.org/hjacobs/kube-janitor, kyverno.io/docs/policy-types/cleanup-policy.
const LIFETIMES: [&str; 3] = ["janitor/ttl", "janitor/expires", "cleanup.kyverno.io/ttl"];

/// Why an object is not there for good: Argo CD skips it, or it closes something and is a hook. A
/// hook that grants something grants it while it is there.
fn short_lived<'t>(id: &ObjectId, annotation: &impl Fn(&str) -> Option<&'t str>) -> Option<String> {
    let mut hooks = HOOKS
        .iter()
        .filter_map(|(key, tool)| Some((key, tool, annotation(key)?)));
    let (key, tool, value) = hooks.next()?;

    let mut steps = value.split(',').map(str::trim);
    if *tool == "Argo CD" && steps.clone().any(|step| step == "Skip") {
        return Some(format!("Argo CD does not apply it ({key}: {value})"));
    }
    // Helm keeps the definitions that it installs first.
    if *tool == "Helm" && steps.all(|step| step == "crd-install") {
        return None;
    }
    kinds::closes(id)
        .then(|| format!("it is a hook of {tool}, and not there for good ({key}: {value})"))
}

/// The first mark of an engine with a wanted effect, and its span. The mark is an annotation or a
/// label; upper and lower case of its value count the same.
pub fn find_mark<T: TreeValue>(
    metadata: Option<&T>,
    is_wanted: impl Fn(MarkEffect) -> bool,
) -> Option<(&'static EngineMark, Option<Span>)> {
    let mut marks = all_marks()
        .filter(|mark| is_wanted(mark.effect))
        .flat_map(|mark| ["annotations", "labels"].map(|at| (mark, at)));
    marks.find_map(|(mark, at)| {
        let node = metadata?.member(at)?.member(mark.key)?;
        node.text()?
            .eq_ignore_ascii_case(mark.value)
            .then(|| (mark, node.span()))
    })
}

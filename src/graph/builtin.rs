//! What every cluster has by itself: Kubernetes' roles for people, nodes and its own controllers, and
//! who has them.
//!
//! Source: `builtin.yaml`, the answers of kube-apiserver; a test asks a server again.

use super::facts::Facts;
use super::rbac::{Binding, Subject};
use super::{InputKind, Origin};
use crate::document;
use crate::kube::ObjectId;
use crate::source::{Source, SourceId, Span};
use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What the names of controllers' roles and bindings begin with.
const CONTROLLER: &str = "system:controller:";

/// The objects, read once.
static OBJECTS: LazyLock<Vec<(ObjectId, Value)>> = LazyLock::new(|| {
    let source = Source::new("roles.yaml", include_str!("builtin.yaml"));
    let (documents, _) = document::parse(SourceId(0), &source);
    let object = |document: &document::Document| {
        // A `Value` has no spans of its own.
        let object = document.root.to_value();
        Some((ObjectId::of(&object).ok()?, object))
    };
    documents.iter().filter_map(object).collect()
});

/// The users and service accounts that the objects bind, and whether each is a controller's.
static SUBJECTS: LazyLock<BTreeMap<Subject, bool>> = LazyLock::new(|| {
    let origin = origin(Span::file(SourceId(0)));
    let bindings = OBJECTS
        .iter()
        .filter(|(id, _)| id.kind.ends_with("Binding"));
    let bindings = bindings.filter_map(|(id, node)| Binding::of(id.clone(), node, origin).ok());

    let mut all = BTreeMap::new();
    for binding in bindings {
        let is_controller = is_of_controller(&binding.id.name);
        let subjects = binding.subjects.into_iter().map(|(subject, _)| subject);
        for subject in subjects.filter(|subject| !matches!(subject, Subject::Group(_))) {
            *all.entry(subject).or_default() |= is_controller;
        }
    }
    all
});

/// Whether a binding is for a controller of kube-controller-manager. The cloud's controllers may run in
/// pods of their own.
fn is_of_controller(name: &str) -> bool {
    name.starts_with(CONTROLLER) && name != "system:controller:cloud-provider"
}

const fn origin(span: Span) -> Origin {
    Origin {
        input: InputKind::Builtin,
        span,
    }
}

/// Adds what Kubernetes makes by itself. No file of the user has it, so that `span` stands for it: the
/// line that declares the cluster.
///
/// If the inputs hold every role and binding of the cluster, those of controllers are not added: which
/// there are depends on the version of Kubernetes.
pub fn add(facts: &mut Facts, span: Span, has_every_role: bool) {
    let is_added = |id: &ObjectId| {
        let is_general = id.namespace.is_empty() && !id.name.starts_with(CONTROLLER);
        is_general || !has_every_role
    };
    for (id, object) in OBJECTS.iter().filter(|(id, _)| is_added(id)) {
        facts.add(id.clone(), object, origin(span));
    }
}

/// Whether a user or a service account is one of Kubernetes' own: of its controllers, of the scheduler,
/// of kube-proxy. Groups are not: people may be in them.
pub fn is_kubernetes_own(subject: &Subject) -> bool {
    SUBJECTS.contains_key(subject)
}

/// Whether a subject is the service account of a controller of kube-controller-manager. No pod runs as
/// one by itself, so that no node holds a token of it.
pub fn is_controller(subject: &Subject) -> bool {
    SUBJECTS.get(subject).copied().unwrap_or_default()
}

//! Manifests of namespaces that run already → a fleet that changes nothing.
//!
//! What a tenant's spec can say exactly is carried over; what it cannot say is passed through byte
//! for byte; what the tenant may not have is listed with the reason. Names and values stay as they
//! were found, and each part of the floor that was not found becomes a dated Waiver.

mod convert;
mod write;

pub use write::{Options, Output, hand_over, write};

use crate::document::{self, NodeValue};
use crate::graph::overlay;
use crate::kube::{ObjectId, kinds};
use crate::source::{SourceId, SourceMap, join, parent};
use crate::spec::fleet::FleetSpec;
use crate::spec::leaf;
use crate::tenancy::{MetadataField, controller_reads, reserved};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An object as it was found.
#[derive(Clone, Debug)]
pub struct FoundObject {
    /// What it is.
    pub id: ObjectId,
    /// Its value.
    pub value: Value,
    /// Its bytes.
    pub raw: String,
    /// `path:line:column`.
    pub place: String,
}

/// Something that is not carried over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// `path:line:column`.
    pub place: String,
    /// What it is.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// A namespace and what is in it.
#[derive(Debug)]
pub struct FoundNamespace {
    /// The Namespace.
    pub object: FoundObject,
    /// What is in it, in path order.
    pub objects: Vec<FoundObject>,
}

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct ImportSurvey {
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, FoundNamespace>,
    /// What is in no namespace that is carried over.
    pub left: Vec<Left>,
    /// How many objects there are.
    pub objects: usize,
}

/// Looks through manifests. `fleet` knows which names belong to the platform.
pub fn survey(sources: &SourceMap, ids: &[SourceId], fleet: &FleetSpec) -> ImportSurvey {
    let mut survey = ImportSurvey::default();
    let mut documents: Vec<(SourceId, document::Document)> = Vec::new();
    let mut patches: BTreeSet<String> = BTreeSet::new();

    for id in ids {
        let source = sources.get(*id);
        let (found, faults) = document::parse_foreign(*id, source);
        for fault in faults {
            survey.left.push(Left {
                place: sources.locate(fault.span),
                what: "a file".into(),
                reason: fault.message,
            });
        }
        for document in &found {
            let named = overlay::patches(&document.root).into_iter();
            patches.extend(named.filter_map(|file| join(parent(&source.path), file)));
        }
        documents.extend(found.into_iter().map(|d| (*id, d)));
    }

    let mut objects: BTreeMap<ObjectId, FoundObject> = BTreeMap::new();
    let mut order: Vec<ObjectId> = Vec::new();

    for (id, document) in documents {
        let source = sources.get(id);
        if matches!(document.root.value, NodeValue::Null) {
            continue;
        }
        let at = document
            .root
            .entries()
            .first()
            .map_or(document.root.span, |e| e.key_span);

        let place = sources.locate(at);
        let value = document.root.to_json();
        let mut leave = |what: String, reason: &str| {
            survey.left.push(Left {
                place: place.clone(),
                what,
                reason: reason.into(),
            })
        };

        let version = value
            .get("apiVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();

        if version.starts_with("kustomize.config.k8s.io/")
            || source
                .path
                .rsplit('/')
                .next()
                .is_some_and(|f| f.starts_with("kustomization."))
        {
            leave(
                "a kustomization".into(),
                "an overlay that is not built: import what `kustomize build` prints",
            );
            continue;
        }

        if value.get("kind").and_then(Value::as_str) == Some("List") && value.get("items").is_some()
        {
            leave(
                "a List".into(),
                "its items are not read: write each as a document of its own",
            );
            continue;
        }

        if let Some(unportable) = document.unportable {
            leave("a document".into(), unportable);
            continue;
        }

        let object = match ObjectId::of(&document.root) {
            Ok(object) => object,
            Err(reason) => {
                leave("a document".into(), &format!("this is no object: {reason}"));
                continue;
            }
        };

        survey.objects += 1;
        if patches.contains(&source.path) {
            leave(
                object.to_string(),
                "a patch of an overlay that is not built",
            );
            continue;
        }

        if let Some(reason) = other_systems(&object) {
            leave(object.to_string(), reason);
            continue;
        }

        let mut raw = source.slice(document.raw).to_owned();
        if !raw.ends_with('\n') {
            raw.push('\n');
        }
        let found = FoundObject {
            id: object.clone(),
            value,
            raw,
            place: place.clone(),
        };

        if let Some(earlier) = objects.insert(object.clone(), found) {
            let reason = format!("defined again at {place}, which is kept: the last in path order");
            survey.left.push(Left {
                place: earlier.place,
                what: object.to_string(),
                reason,
            });
        } else {
            order.push(object);
        }
    }

    sort_out(objects, &order, fleet, &mut survey);
    survey
}

fn other_systems(id: &ObjectId) -> Option<&'static str> {
    let group = id.group.as_str();
    if group.ends_with("capsule.clastix.io") || group.ends_with("projectcapsule.dev") {
        return Some("Capsule's kind: not read by this version");
    }
    if group.ends_with("kubesphere.io") {
        return Some("KubeSphere's kind: not read by this version");
    }
    (group.is_empty() && id.kind.ends_with("List"))
        .then_some("a List: import its items as documents")
}

fn sort_out(
    mut objects: BTreeMap<ObjectId, FoundObject>,
    order: &[ObjectId],
    fleet: &FleetSpec,
    survey: &mut ImportSurvey,
) {
    let is_namespace = |id: &ObjectId| id.kind == "Namespace" && id.group.is_empty();
    for id in order.iter().filter(|id| is_namespace(id)) {
        let Some(object) = objects.remove(id) else {
            continue;
        };
        let malformed = leaf::reason("dns-label", &id.name)
            .map(|(what, reason)| format!("its name is not {what}: {reason}"));

        match malformed.or_else(|| {
            reserved(fleet, &id.name).map(|whose| format!("its name belongs to {whose}"))
        }) {
            Some(reason) => survey.left.push(Left {
                place: object.place,
                what: id.to_string(),
                reason,
            }),
            None => {
                survey.namespaces.insert(
                    id.name.to_string(),
                    FoundNamespace {
                        object,
                        objects: Vec::new(),
                    },
                );
            }
        }
    }

    for id in order.iter().filter(|id| !is_namespace(id)) {
        let Some(object) = objects.remove(id) else {
            continue;
        };
        let reason = if kinds::is_cluster_scoped(id) {
            Some("an object of the cluster: the platform's, not a tenant's")
        } else if id.namespace.is_empty() {
            Some("it names no namespace: an overlay sets it, or it is an object of the cluster")
        } else if let Some(namespace) = survey.namespaces.get_mut(id.namespace.as_str()) {
            namespace.objects.push(object.clone());
            None
        } else {
            Some("its namespace is not declared here, or belongs to the platform")
        };

        if let Some(reason) = reason {
            survey.left.push(Left {
                place: object.place,
                what: id.to_string(),
                reason: reason.into(),
            });
        }
    }
}

/// Whether a tenant may have a key on its namespace.
fn may_carry(kind: MetadataField, key: &str, value: &Value) -> Result<String, &'static str> {
    let Some(text) = value.as_str() else {
        return Err("its value is no string");
    };
    if controller_reads(key) {
        return Err(
            "its key belongs to a controller; fleet.labelKeys.tenant sets one on every object of a tenant",
        );
    }

    if text.chars().any(char::is_control) {
        return Err("its value holds a control character");
    }
    let format = if kind == MetadataField::Label {
        "label-value"
    } else {
        "text-line"
    };

    if leaf::reason("label-key", key).is_some() || leaf::reason(format, text).is_some() {
        return Err("it is malformed");
    }
    Ok(text.to_owned())
}

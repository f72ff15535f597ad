//! Manifests of namespaces that run already → a fleet that changes nothing.
//!
//! An object that a spec can state exactly is carried over. Other objects are passed through byte
//! for byte, and those that the tenant may not have are listed with the reason. Names and values
//! stay as they were found. Each part of the floor that was not found, and each binding to a role that
//! can change the floor, becomes a dated Waiver.

mod convert;
mod write;

pub use write::{Options, Output, hand_over, write};

use crate::document::{self, Document, NodeValue};
use crate::graph::overlay;
use crate::kube::names::glob;
use crate::kube::{ObjectId, kinds};
use crate::source::{Source, SourceId, SourceMap, join, parent};
use crate::spec::fleet::FleetSpec;
use crate::spec::leaf;
use crate::tenancy::{MetadataField, controller_reads, reserved};
use indexmap::IndexMap;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An object in the state in which it was found.
#[derive(Clone, Debug)]
pub struct FoundObject {
    /// The identity.
    pub id: ObjectId,
    /// The whole object.
    pub value: Value,
    /// The bytes of its document.
    pub raw: String,
    /// `path:line:column`.
    pub place: String,
}

/// An object or a part of one that is not carried over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// `path:line:column`.
    pub place: String,
    /// The object, or the part of it.
    pub what: String,
    /// The reason.
    pub reason: String,
}

/// A namespace with its objects.
#[derive(Debug)]
pub struct SurveyedNamespace {
    /// The Namespace.
    pub object: FoundObject,
    /// The objects in the namespace, in path order.
    pub objects: Vec<FoundObject>,
}

/// The objects that were found in a folder.
#[derive(Debug, Default)]
pub struct ImportSurvey {
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, SurveyedNamespace>,
    /// Objects in no namespace that is carried over.
    pub left: Vec<Left>,
    /// The number of objects.
    pub objects: usize,
}

/// Surveys manifests. `fleet` states which names belong to the platform, as do the patterns of
/// `platform`.
pub fn survey(
    sources: &SourceMap,
    ids: &[SourceId],
    fleet: &FleetSpec,
    platform: &[String],
) -> ImportSurvey {
    let mut survey = ImportSurvey::default();
    let mut files: Vec<(SourceId, Vec<Document>)> = Vec::new();
    let mut patches: BTreeSet<String> = BTreeSet::new();

    for id in ids {
        let source = sources.get(*id);
        let (documents, faults) = document::parse_foreign(*id, source);
        survey.left.extend(faults.into_iter().map(|fault| Left {
            place: sources.locate(fault.span),
            what: "a file".into(),
            reason: fault.message,
        }));

        for document in &documents {
            let named = overlay::patches(&document.root).into_iter();
            patches.extend(named.filter_map(|file| join(parent(&source.path), file)));
        }
        files.push((*id, documents));
    }

    let mut found = FoundObjects::default();
    for (id, documents) in files {
        let source = sources.get(id);
        for document in documents {
            if matches!(document.root.value, NodeValue::Null) {
                continue;
            }
            let candidate = Candidate::new(sources, source, document);
            match candidate.object(patches.contains(&source.path), &mut survey.objects) {
                Ok(object) => survey.left.extend(found.add(object)),
                Err(left) => survey.left.push(left),
            }
        }
    }

    found.place(&|name| refused_name(name, fleet, platform), &mut survey);
    survey
}

/// A document that may be an object of a tenant.
struct Candidate<'s> {
    source: &'s Source,
    document: Document,
    value: Value,
    /// `path:line:column`.
    place: String,
}

impl<'s> Candidate<'s> {
    fn new(sources: &SourceMap, source: &'s Source, document: Document) -> Self {
        let first_key = document.root.entries().first();
        let span = first_key.map_or(document.root.span, |entry| entry.key_span);
        Self {
            place: sources.locate(span),
            value: document.root.to_json(),
            source,
            document,
        }
    }

    /// The object, which is added to the `count` of all objects.
    ///
    /// # Errors
    /// The reason why it is not carried over.
    fn object(self, is_patch: bool, count: &mut usize) -> Result<FoundObject, Left> {
        if let Some((what, reason)) = self.unread() {
            return Err(self.left(what, reason));
        }
        let id = ObjectId::of(&self.document.root).map_err(|reason| {
            let reason = format!("this is no object: {reason}");
            self.left("a document", &reason)
        })?;

        *count += 1;
        if is_patch {
            let reason = "a patch of an overlay that is not built";
            return Err(self.left(&id.to_string(), reason));
        }
        if let Some(reason) = other_systems(&id) {
            return Err(self.left(&id.to_string(), reason));
        }

        let mut raw = self.source.slice(self.document.raw).to_owned();
        if !raw.ends_with('\n') {
            raw.push('\n');
        }
        Ok(FoundObject {
            id,
            value: self.value,
            raw,
            place: self.place,
        })
    }

    /// The name and the reason of a document that is not read as an object.
    fn unread(&self) -> Option<(&'static str, &'static str)> {
        let text = |key| self.value.get(key).and_then(Value::as_str);
        let file = self.source.path.rsplit('/').next().unwrap_or_default();

        if file.starts_with("kustomization.")
            || text("apiVersion")
                .is_some_and(|version| version.starts_with("kustomize.config.k8s.io/"))
        {
            let reason = "an overlay that is not built: import what `kustomize build` prints";
            return Some(("a kustomization", reason));
        }
        if text("kind") == Some("List") && self.value.get("items").is_some() {
            let reason = "its items are not read: write each as a document of its own";
            return Some(("a List", reason));
        }
        let unportable = self.document.unportable.as_ref()?;
        Some(("a document", unportable.reason))
    }

    fn left(&self, what: &str, reason: &str) -> Left {
        Left {
            place: self.place.clone(),
            what: what.to_owned(),
            reason: reason.to_owned(),
        }
    }
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

/// Objects by identity, in the order in which they were found first.
#[derive(Default)]
struct FoundObjects(IndexMap<ObjectId, FoundObject>);

impl FoundObjects {
    /// Adds an object. The last definition of an identity is kept; returns the one before it.
    fn add(&mut self, object: FoundObject) -> Option<Left> {
        let place = object.place.clone();
        let earlier = self.0.insert(object.id.clone(), object)?;
        Some(Left {
            place: earlier.place,
            what: earlier.id.to_string(),
            reason: format!("defined again at {place}, which is kept: the last in path order"),
        })
    }

    /// Places the objects in their namespaces, and lists those that are in none.
    fn place(self, refused: &dyn Fn(&str) -> Option<String>, survey: &mut ImportSurvey) {
        let is_namespace = |id: &ObjectId| id.kind == "Namespace" && id.group.is_empty();
        let (namespaces, objects): (Vec<FoundObject>, Vec<FoundObject>) = self
            .0
            .into_values()
            .partition(|object| is_namespace(&object.id));

        for object in namespaces {
            match refused(&object.id.name) {
                Some(reason) => survey.left.push(object.left(reason)),
                None => {
                    let namespace = SurveyedNamespace {
                        object,
                        objects: Vec::new(),
                    };
                    let name = namespace.object.id.name.to_string();
                    survey.namespaces.insert(name, namespace);
                }
            }
        }

        for object in objects {
            if let Err(left) = survey.place(object) {
                survey.left.push(left);
            }
        }
    }
}

impl FoundObject {
    fn left(self, reason: String) -> Left {
        Left {
            place: self.place,
            what: self.id.to_string(),
            reason,
        }
    }
}

impl ImportSurvey {
    /// Places an object in its namespace.
    ///
    /// # Errors
    /// The reason why it is in none.
    fn place(&mut self, object: FoundObject) -> Result<(), Left> {
        let reason = if kinds::is_cluster_scoped(&object.id) {
            "an object of the cluster: the platform's, not a tenant's"
        } else if object.id.namespace.is_empty() {
            "it names no namespace: an overlay sets it, or it is an object of the cluster"
        } else if let Some(namespace) = self.namespaces.get_mut(object.id.namespace.as_str()) {
            namespace.objects.push(object);
            return Ok(());
        } else {
            "its namespace is not declared here, or belongs to the platform"
        };
        Err(object.left(reason.to_owned()))
    }
}

/// The reason why no namespace of a tenant may have a name.
fn refused_name(name: &str, fleet: &FleetSpec, platform: &[String]) -> Option<String> {
    let malformed = leaf::reason("dns-label", name)
        .map(|(noun, reason)| format!("its name is not {noun}: {reason}"));
    let reserved = || reserved(fleet, name).map(|owner| format!("its name belongs to {owner}"));
    let is_named = platform.iter().any(|pattern| glob(pattern, name));
    let by_name = || is_named.then(|| "`--platform-namespace` names it".to_owned());
    malformed.or_else(reserved).or_else(by_name)
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

//! CustomResourceDefinitions that the fleet names, and the objects of their kinds.

mod convert;
mod formats;

use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{self, Node, Ref, Repr, TreeValue};
use crate::kube::ObjectId;
use crate::source::{SourceId, SourceMap, Span};
use crate::spec::shorten;
use crate::value::Value;
use jsonschema::error::{TypeKind, ValidationErrorKind as Fault};
use jsonschema::json::{Array, Node as JsonNode, Object};
use jsonschema::{Keyword, ValidationError};
use rayon::prelude::*;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A file of the fleet's `customResourceDefinitions` is not there, cannot be read as YAML, or holds
    /// no CustomResourceDefinition of `apiextensions.k8s.io/v1`.
    pub static DEFINITION = "bundle/custom-resource-definition", Error;
}
rule! {
    /// The schema of a CustomResourceDefinition cannot be read, so objects of that version are not held
    /// against it.
    pub static DEFINITION_NOT_READ = "bundle/definition-not-read", Warning;
}

/// The type of validators of rendered values.
type Format = Repr<Value>;

/// A file that the fleet names in `customResourceDefinitions`.
#[derive(Clone, Copy, Debug)]
pub struct DefinitionFile {
    /// The line of the fleet that names it.
    pub span: Span,
    /// The file.
    pub source: SourceId,
}

/// Kinds and their schemas, by group and kind.
#[derive(Debug, Default)]
pub struct CustomDefinitions {
    kinds: BTreeMap<(String, String), Definition>,
}

/// A kind.
#[derive(Debug)]
struct Definition {
    /// The name of the CustomResourceDefinition.
    name: String,
    is_namespaced: bool,
    versions: Vec<Version>,
    /// The line of the fleet that names its file.
    span: Span,
}

/// A version of a kind.
#[derive(Debug)]
struct Version {
    name: String,
    is_served: bool,
    /// The reason why there is no validator.
    validator: Result<jsonschema::Validator<Format>, String>,
}

/// What a definition refuses of an object.
#[derive(Debug)]
pub struct DefinitionFault {
    /// The JSON Pointer of the value.
    pub pointer: String,
    /// The field, such as `spec.ports[0].name`, and what is wrong with it.
    pub reason: String,
}

impl CustomDefinitions {
    /// Reads definitions from files. Other objects in these files are passed over.
    pub fn load(sources: &SourceMap, files: &[DefinitionFile], out: &mut Vec<Diagnostic>) -> Self {
        let mut found: Vec<(Json, Span)> = Vec::new();
        for file in files {
            match read(sources, file) {
                Ok(read) => found.extend(read.into_iter().map(|one| (one, file.span))),
                Err(fault) => out.push(*fault),
            }
        }

        let made: Vec<_> = found
            .par_iter()
            .map(|(one, span)| Definition::new(one, *span))
            .collect();
        let mut all = Self::default();
        for (key, definition) in made.into_iter().flatten() {
            definition.report_unread(out);
            let span = definition.span;
            if let Some(other) = all.kinds.insert(key, definition) {
                let message = format!("the CustomResourceDefinition {} is there twice", other.name);
                let finding = Diagnostic::new(&DEFINITION, span, message)
                    .fix("keep the one that the clusters have")
                    .scope(Scope::Fleet);
                out.push(match other.span == span {
                    true => finding,
                    false => finding.related(other.span, "the other one is in this file"),
                });
            }
        }
        all
    }

    /// What the definition of its kind refuses of an object; `None` if there is no definition of it.
    pub fn check(&self, id: &ObjectId, object: &Value) -> Option<DefinitionFault> {
        let key = (id.group.to_string(), id.kind.to_string());
        let definition = self.kinds.get(&key)?;
        let api_version = object.get("apiVersion").and_then(Value::as_str)?;
        let (_, version) = api_version.split_once('/')?;
        definition.check(version, object)
    }
}

/// The definitions in a file.
fn read(sources: &SourceMap, file: &DefinitionFile) -> Result<Vec<Json>, Box<Diagnostic>> {
    let path = &sources.get(file.source).path;
    let refused = |message: String, fix: &str| {
        let finding = Diagnostic::new(&DEFINITION, file.span, message).fix(fix);
        finding.scope(Scope::Fleet)
    };

    let (documents, faults) = document::parse_foreign(file.source, sources.get(file.source));
    if let Some(fault) = faults.first() {
        let message = format!("{path} cannot be read: {}", fault.message);
        let finding = refused(message, "mend the file").related(fault.span, "here");
        return Err(Box::new(finding));
    }
    let roots = documents.iter().map(|document| &document.root);
    let objects = roots.flat_map(|root| match root.get("items").map(|items| &items.value) {
        Some(document::NodeValue::Seq(items)) => items.iter().collect(),
        _ => vec![root],
    });

    let found: Vec<Json> = objects
        .filter(|object| is_definition(object))
        .map(TreeValue::to_json)
        .collect();
    if found.is_empty() {
        let message =
            format!("{path} holds no CustomResourceDefinition of apiextensions.k8s.io/v1");
        let fix = "name the file that installs the kind";
        return Err(Box::new(refused(message, fix)));
    }
    Ok(found)
}

fn is_definition(object: &Node) -> bool {
    let text = |key: &str| object.get(key).and_then(Node::as_str);
    text("kind") == Some("CustomResourceDefinition")
        && text("apiVersion") == Some("apiextensions.k8s.io/v1")
}

impl Definition {
    /// Reads a definition; `None` if it names no kind.
    fn new(document: &Json, span: Span) -> Option<((String, String), Self)> {
        let spec = &document["spec"];
        let group = spec["group"].as_str()?;
        let kind = spec["names"]["kind"].as_str()?;
        let versions = spec["versions"].as_array().into_iter().flatten();

        let definition = Self {
            name: document["metadata"]["name"]
                .as_str()
                .unwrap_or(kind)
                .to_owned(),
            is_namespaced: spec["scope"] != "Cluster",
            versions: versions.filter_map(Version::new).collect(),
            span,
        };
        Some(((group.to_owned(), kind.to_owned()), definition))
    }

    fn report_unread(&self, out: &mut Vec<Diagnostic>) {
        for version in &self.versions {
            if let Err(reason) = &version.validator {
                let message = format!(
                    "the schema of {} {} cannot be read, and its objects are not held against it: {}",
                    self.name,
                    version.name,
                    shorten(reason)
                );
                let fix = "mend the definition; the API server may refuse it too";
                out.push(Diagnostic::new(&DEFINITION_NOT_READ, self.span, message).fix(fix));
            }
        }
    }

    fn check(&self, version: &str, object: &Value) -> Option<DefinitionFault> {
        let fault = |pointer: &str, reason: String| DefinitionFault {
            pointer: pointer.to_owned(),
            reason,
        };
        let mut versions = self.versions.iter();
        let Some(served) = versions.find(|one| one.name == version && one.is_served) else {
            let served = self.versions.iter().filter(|one| one.is_served);
            let served: Vec<&str> = served.map(|one| one.name.as_str()).collect();
            let reason = format!(
                "the version {} is not served; served are: {}",
                shorten(version),
                served.join(", ")
            );
            return Some(fault("/apiVersion", reason));
        };
        if !self.is_namespaced {
            let reason = "metadata.namespace is set, and the kind is one of the cluster";
            return Some(fault("/metadata/namespace", reason.to_owned()));
        }

        let validator = served.validator.as_ref().ok()?;
        let error = validator.iter_errors(Ref::Node(object)).next()?;
        let (pointer, what) = explain(&error);
        let reason = format!("{} {what}", field_path(&pointer));
        Some(fault(&pointer, reason))
    }
}

impl Version {
    fn new(version: &Json) -> Option<Self> {
        let schema = &version["schema"]["openAPIV3Schema"];
        let has_status = version["subresources"]["status"].is_object();
        let validator = match schema.is_object() {
            true => validator(&convert::json_schema(schema, has_status)),
            false => Err("there is none".to_owned()),
        };
        Some(Self {
            name: version["name"].as_str()?.to_owned(),
            is_served: version["served"] == true,
            validator,
        })
    }
}

fn validator(schema: &Json) -> Result<jsonschema::Validator<Format>, String> {
    let mut options = jsonschema::options_for::<Format>()
        .should_validate_formats(true)
        .offline()
        .with_pattern_options(jsonschema::PatternOptions::regex())
        .with_keyword(convert::LIST_KEYS, |_, keys, _| {
            Ok(Box::new(ListKeys::new(keys)))
        });
    for (name, check) in formats::FORMATS {
        options = options.with_format(name, check);
    }
    options.build(schema).map_err(|error| error.to_string())
}

/// The keyword of a list whose items are told apart by some of their fields.
struct ListKeys {
    /// The fields, each with the value of an item that lacks it.
    keys: BTreeMap<String, Json>,
}

impl ListKeys {
    fn new(keys: &Json) -> Self {
        let keys = keys.as_object().into_iter().flatten();
        Self {
            keys: keys
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        }
    }

    /// What tells an item apart.
    fn key_of<'i>(&self, item: Ref<'i, Value>) -> Option<String> {
        let fields = JsonNode::<Format>::as_object(&item)?;
        let value = |(name, default): (&String, &Json)| {
            let own = Object::<Format>::get(&fields, name);
            let own = own.map(|own| JsonNode::<Format>::to_value(&own).into_owned());
            own.filter(|own| !own.is_null())
                .unwrap_or_else(|| default.clone())
        };
        Some(Json::from_iter(self.keys.iter().map(value)).to_string())
    }

    fn has_twice(&self, list: Ref<'_, Value>) -> bool {
        let Some(items) = JsonNode::<Format>::as_array(&list) else {
            return false;
        };
        let mut seen = BTreeSet::new();
        let mut keys = Array::<Format>::elements(&items).filter_map(|item| self.key_of(item));
        !keys.all(|key| seen.insert(key))
    }

    fn message(&self) -> String {
        let names: Vec<&str> = self.keys.keys().map(String::as_str).collect();
        format!("has two items with the same {}", names.join(" and "))
    }
}

impl<'i> Keyword<'i, Format> for ListKeys {
    fn validate(&self, instance: Ref<'i, Value>) -> Result<(), ValidationError<'i>> {
        match self.has_twice(instance) {
            true => Err(ValidationError::custom(self.message())),
            false => Ok(()),
        }
    }

    fn is_valid(&self, instance: Ref<'i, Value>) -> bool {
        !self.has_twice(instance)
    }
}

/// Where an error is, and what is wrong there. Values of the object are not shown.
fn explain(error: &ValidationError<'_>) -> (String, String) {
    let pointer = error.instance_path().to_string();
    let what = match error.kind() {
        Fault::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map(String::as_str).unwrap_or_default();
            let part = name.replace('~', "~0").replace('/', "~1");
            let what = "is no field of this kind";
            return (format!("{pointer}/{part}"), what.to_owned());
        }
        Fault::Required { property } => {
            format!("lacks `{}`", property.as_str().unwrap_or_default())
        }
        Fault::Type { kind } => format!("must be {}", type_in_words(kind)),
        Fault::Enum { options } => {
            let options = options.as_array().into_iter().flatten();
            let options = options.filter(|option| !option.is_null());
            let options: Vec<String> = options.map(Json::to_string).collect();
            format!("must be one of {}", shorten(&options.join(", ")))
        }
        Fault::Format { format } => format!("must have the format {format}"),
        Fault::Pattern { pattern } => format!("must match {}", shorten(pattern)),
        Fault::Minimum { limit } => format!("must be at least {limit}"),
        Fault::Maximum { limit } => format!("must be at most {limit}"),
        Fault::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Fault::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Fault::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Fault::MinLength { limit } => format!("must have at least {limit} characters"),
        Fault::MaxLength { limit } => format!("must have at most {limit} characters"),
        Fault::MinItems { limit } => format!("must have at least {limit} items"),
        Fault::MaxItems { limit } => format!("must have at most {limit} items"),
        Fault::MinProperties { limit } => format!("must have at least {limit} entries"),
        Fault::MaxProperties { limit } => format!("must have at most {limit} entries"),
        Fault::UniqueItems => "has an item twice".to_owned(),
        Fault::Custom { message, .. } => message.clone(),
        other => format!("does not fit `{}` of its schema", other.keyword()),
    };
    (pointer, what)
}

fn type_in_words(kind: &TypeKind) -> String {
    let types: Vec<String> = match kind {
        TypeKind::Single(only) => vec![only.to_string()],
        TypeKind::Multiple(types) => types.iter().map(|one| one.to_string()).collect(),
    };
    let words = types.iter().filter(|name| *name != "null");
    let words = words.map(|name| match name.as_str() {
        "object" => "a mapping",
        "array" => "a list",
        "integer" => "a whole number",
        "string" => "a string (quote it)",
        "boolean" => "true or false",
        _ => "a number",
    });
    words.collect::<Vec<_>>().join(" or ")
}

/// A JSON Pointer as a path of fields, such as `spec.ports[0].name`.
fn field_path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        match part.bytes().all(|byte| byte.is_ascii_digit()) && !part.is_empty() {
            true => path.push_str(&format!("[{part}]")),
            false if path.is_empty() => path.push_str(&part),
            false => path.push_str(&format!(".{part}")),
        }
    }
    if path.is_empty() {
        "it".to_owned()
    } else {
        path
    }
}

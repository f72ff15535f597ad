//! The JSON Schemas, generated from the types, and the validators that documents are held against
//! first.

use super::fleet::FleetSpec;
use super::leaf::{self, FORMATS, Name};
use super::tenant::{Annotations, Labels, ProfileSpec, TenantSpec, WaiverSpec};
use crate::document::{Node, Ref, Repr};
use crate::kube::quantity::{self, Quantity};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// The group and version of every document.
pub const API_VERSION: &str = "tenantry.dev/v1alpha1";

/// The kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The fleet.
    Fleet,
    /// Defaults that tenants inherit.
    Profile,
    /// A tenant.
    Tenant,
    /// A loosening.
    Waiver,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Fleet, Self::Profile, Self::Tenant, Self::Waiver];

    /// `Fleet`, `Profile`, `Tenant` or `Waiver`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Profile => "Profile",
            Self::Tenant => "Tenant",
            Self::Waiver => "Waiver",
        }
    }

    /// The name of the schema's file.
    pub fn file(self) -> String {
        format!("{}.json", self.name().to_lowercase())
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// A document of a kind: only its shape.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "the schema is generated from it, nothing is read into it"
)]
struct Envelope<Spec> {
    /// `tenantry.dev/v1alpha1`.
    api_version: String,
    /// The kind of the document.
    kind: String,
    /// Its name, and what its namespaces carry.
    metadata: Metadata,
    /// What it says.
    spec: Spec,
}

/// The name of a document; labels and annotations for a tenant.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema is generated from it, nothing is read into it"
)]
struct Metadata {
    /// A DNS label.
    name: Name,
    /// Labels of its namespaces, within the fleet's tenantMetadata; other tenants select by them.
    labels: Option<Labels>,
    /// Annotations of its namespaces, within the fleet's tenantMetadata.
    annotations: Option<Annotations>,
}

/// The JSON Schema (2020-12) of a kind.
pub fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Fleet => envelope::<FleetSpec>(kind),
        Kind::Profile => envelope::<ProfileSpec>(kind),
        Kind::Tenant => envelope::<TenantSpec>(kind),
        Kind::Waiver => envelope::<WaiverSpec>(kind),
    }
}

fn envelope<Spec: JsonSchema>(kind: Kind) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(schemars::transform::RecursiveTransform(tidy));
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Envelope<Spec>>()
        .to_value();
    schema["title"] = json!(kind.name());
    schema["description"] = json!(match kind {
        Kind::Fleet => "The clusters, what tenants may be called, and how the tree is delivered.",
        Kind::Profile => "Defaults that tenants inherit, and what they may not change.",
        Kind::Tenant => "One team, its namespaces and where they run.",
        Kind::Waiver =>
            "The loosening of a rule for a tenant: who allowed it, why, and until when.",
    });
    schema["properties"]["apiVersion"] = json!({"const": API_VERSION});
    schema["properties"]["kind"] = json!({"const": kind.name()});
    if kind != Kind::Tenant {
        let metadata = json!({
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {"name": {"type": "string", "format": "dns-label", "description": "A DNS label."}},
            "description": "The name of the document."
        });
        schema["properties"]["metadata"] = metadata;
        if let Some(definitions) = schema["$defs"].as_object_mut() {
            definitions.shift_remove("Metadata");
        }
    }
    schema
}

/// Null is an error everywhere: an optional field is left out. Keys of maps are checked as their
/// leaf is.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|o| o != &json!({"type": "null"}));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(options)) = object.get_mut("enum") {
        options.retain(|o| !o.is_null());
    }
    // Enums whose variants carry docs come as oneOf of const: one list of names is what editors and
    // messages want.
    if let Some(Value::Array(options)) = object.get("oneOf") {
        let names: Option<Vec<Value>> = options.iter().map(|o| o.get("const").cloned()).collect();
        if let Some(names) = names {
            let docs = options.iter().filter_map(|o| {
                Some(format!(
                    "- `{}`: {}",
                    o.get("const")?.as_str()?,
                    o.get("description")?.as_str()?
                ))
            });
            let docs: Vec<String> = docs.collect();
            object.remove("oneOf");
            object.insert("type".into(), json!("string"));
            object.insert("enum".into(), Value::Array(names));
            if !docs.is_empty() && !object.contains_key("markdownDescription") {
                object.insert("markdownDescription".into(), json!(docs.join("\n")));
            }
        }
    }
}

/// The text of a schema's file.
pub fn schema_text(kind: Kind) -> String {
    let mut text = serde_json::to_string_pretty(&schema(kind)).unwrap_or_default();
    text.push('\n');
    text
}

/// A validator, and the schema it was made of.
pub struct Checker {
    /// The schema.
    pub schema: Value,
    validator: jsonschema::Validator<Repr<Node>>,
}

impl Checker {
    /// A checker of a schema; our formats are known in it.
    ///
    /// # Errors
    /// The reason why the schema is none.
    pub fn new(schema: Value) -> Result<Self, String> {
        let mut options = jsonschema::options_for::<Repr<Node>>()
            .should_validate_formats(true)
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex());
        for format in FORMATS {
            options = options.with_format(format.name, |text: &str| (format.check)(text).is_ok());
        }
        options = options.with_format(quantity::FORMAT, |text: &str| Quantity::parse(text).is_ok());
        let validator = options.build(&schema).map_err(|e| e.to_string())?;
        Ok(Self { schema, validator })
    }

    /// Every fault of a node.
    pub fn faults<'a>(
        &'a self,
        node: &'a Node,
    ) -> impl Iterator<Item = jsonschema::ValidationError<'a>> {
        self.validator.iter_errors(Ref::Node(node))
    }
}

/// The checker of a kind. Nothing only where a schema of our own types cannot be built, which fails
/// every test.
pub fn checker(kind: Kind) -> Option<&'static Checker> {
    static ALL: LazyLock<Vec<Option<Checker>>> = LazyLock::new(|| {
        Kind::ALL
            .into_iter()
            .map(|kind| Checker::new(schema(kind)).ok())
            .collect()
    });
    ALL.get(kind as usize).and_then(Option::as_ref)
}

/// Why a text is not of a format, in words.
pub fn format_reason(format: &str, text: &str) -> Option<(&'static str, String)> {
    if format == quantity::FORMAT {
        return Quantity::parse(text)
            .err()
            .map(|reason| ("a quantity", reason));
    }
    leaf::reason(format, text)
}

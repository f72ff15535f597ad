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

/// Begins the paragraph of a field's doc comment that says what holds without the field.
pub(super) const DEFAULT: &str = "Default: ";
/// Begins the paragraph of a field's doc comment that says what tenantry writes because of it.
pub(super) const RENDERS: &str = "Renders: ";
/// Begins the paragraph of a field's doc comment that names the rules that guard it.
pub(super) const RULES: &str = "Rules: ";

/// The group and version of every document.
pub const API_VERSION: &str = "tenantry.dev/v1alpha1";

/// The kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DocumentKind {
    /// The fleet.
    Fleet,
    /// Defaults that tenants inherit.
    Profile,
    /// A tenant.
    Tenant,
    /// An exception from a rule.
    Waiver,
}

impl DocumentKind {
    /// Every kind.
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

    /// The kind in one sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Fleet => {
                "The clusters, the names that tenants may have, and the delivery by Flux."
            }
            Self::Profile => "Defaults that tenants inherit, and limits that they must respect.",
            Self::Tenant => "One team, its namespaces and the clusters that they run on.",
            Self::Waiver => {
                "An exception from a rule for one tenant: who approved it, why, and until when."
            }
        }
    }

    /// The name of the schema's file.
    pub fn file(self) -> String {
        format!("{}.json", self.name().to_lowercase())
    }

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
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
    /// The group and version of tenantry's documents. Documents of other groups are skipped.
    ///
    /// Renders: nothing.
    /// Rules: `spec/unknown-kind`, `spec/no-kind`.
    api_version: String,
    /// The kind of the document. It decides the folder in which the document may stand.
    ///
    /// Renders: nothing.
    /// Rules: `spec/unknown-kind`, `spec/no-kind`, `spec/misplaced`.
    kind: String,
    /// The name of the tenant, and labels and annotations of its namespaces.
    ///
    /// Renders: labels and annotations.
    metadata: DocumentMetadata,
    /// The settings.
    ///
    /// Renders: see its fields.
    spec: Spec,
}

/// The name of a document; labels and annotations for a tenant.
#[derive(JsonSchema)]
#[schemars(rename = "Metadata", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the schema is generated from it, nothing is read into it"
)]
struct DocumentMetadata {
    /// The name of the tenant. No two tenants of a fleet have the same.
    ///
    /// Renders: the label `tenantry.dev/tenant` on every object of the tenant, and the keys of the
    /// fleet's `labelKeys.tenant`.
    /// Rules: `tenancy/duplicate-tenant`, `tenancy/reserved-name`, `tenancy/source-foreign-tenant`.
    name: Name,
    /// Labels of the tenant's namespaces, with keys that the fleet's `tenantMetadata.labels`
    /// allows.
    ///
    /// Default: none.
    /// Renders: labels of each Namespace.
    /// Rules: `tenancy/metadata-not-allowed`, `tenancy/reserved-metadata`.
    labels: Option<Labels>,
    /// Annotations of the tenant's namespaces, with keys that the fleet's
    /// `tenantMetadata.annotations` allows.
    ///
    /// Default: none.
    /// Renders: annotations of each Namespace.
    /// Rules: `tenancy/metadata-not-allowed`, `tenancy/reserved-metadata`.
    annotations: Option<Annotations>,
}

/// The JSON Schema (2020-12) of a kind.
pub fn schema(kind: DocumentKind) -> Value {
    match kind {
        DocumentKind::Fleet => envelope::<FleetSpec>(kind),
        DocumentKind::Profile => envelope::<ProfileSpec>(kind),
        DocumentKind::Tenant => envelope::<TenantSpec>(kind),
        DocumentKind::Waiver => envelope::<WaiverSpec>(kind),
    }
}

fn envelope<Spec: JsonSchema>(kind: DocumentKind) -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with_transform(schemars::transform::RecursiveTransform(tidy));
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Envelope<Spec>>()
        .to_value();

    schema["title"] = json!(kind.name());
    schema["description"] = json!(kind.description());

    let fields = &mut schema["properties"];
    fields["apiVersion"] =
        json!({"const": API_VERSION, "description": fields["apiVersion"]["description"]});
    fields["kind"] = json!({"const": kind.name(), "description": fields["kind"]["description"]});

    if kind != DocumentKind::Tenant {
        fields["metadata"] = json!({
            "type": "object", "additionalProperties": false, "required": ["name"],
            "description": format!("The name of the {}.\n\nRenders: nothing.", kind.name()),
            "properties": {"name": {
                "type": "string", "format": "dns-label", "description": name_description(kind)
            }}
        });
        if let Some(definitions) = schema["$defs"].as_object_mut() {
            definitions.shift_remove("Metadata");
        }
    }

    schema
}

/// The description of `metadata.name`, for the kinds that have no other metadata.
fn name_description(kind: DocumentKind) -> &'static str {
    match kind {
        DocumentKind::Fleet => {
            "The name of the fleet.\n\nRenders: the label `tenantry.dev/owner` on every rendered \
             object.\n\nRules: `spec/no-fleet`, `spec/misplaced`."
        }
        DocumentKind::Profile => {
            "The name by which a tenant or another profile chooses it.\n\nRenders: nothing.\n\n\
             Rules: `tenancy/unknown-profile`, `spec/misplaced`."
        }
        DocumentKind::Tenant | DocumentKind::Waiver => {
            "The name that messages use.\n\nRenders: nothing.\n\nRules: `spec/misplaced`."
        }
    }
}

/// Null is an error everywhere: an optional field is left out. Keys of maps are checked as their
/// leaf is.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("default");
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = unwrap_lines(description);
    }

    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".into(), only);
        }
    }

    if let Some(Value::Array(options)) = object.get_mut("anyOf") {
        options.retain(|option| option != &json!({"type": "null"}));
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            object.remove("anyOf");
            for (key, value) in only {
                object.entry(key).or_insert(value);
            }
        }
    }

    if let Some(Value::Array(options)) = object.get_mut("enum") {
        options.retain(|option| !option.is_null());
    }
    // Enums whose variants carry docs come as oneOf of const: one list of names is what editors and
    // messages want.
    if let Some(Value::Array(options)) = object.get("oneOf") {
        let names: Option<Vec<Value>> = options
            .iter()
            .map(|option| option.get("const").cloned())
            .collect();
        if let Some(names) = names {
            let docs = options.iter().filter_map(|option| {
                Some(format!(
                    "- `{}`: {}",
                    option.get("const")?.as_str()?,
                    unwrap_lines(option.get("description")?.as_str()?)
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

/// Joins the lines of each paragraph by spaces: editors show a description's line breaks. A blank
/// line, [`DEFAULT`], [`RENDERS`] and [`RULES`] begin a paragraph.
fn unwrap_lines(text: &str) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut begins = true;

    for line in text.lines().map(str::trim) {
        begins |= [DEFAULT, RENDERS, RULES]
            .iter()
            .any(|label| line.starts_with(label));
        match paragraphs.last_mut() {
            _ if line.is_empty() => begins = true,
            Some(last) if !begins => {
                last.push(' ');
                last.push_str(line);
            }
            _ => {
                paragraphs.push(line.to_owned());
                begins = false;
            }
        }
    }

    paragraphs.join("\n\n")
}

/// The text of a schema's file.
pub fn schema_text(kind: DocumentKind) -> String {
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
    /// The reason why it is no JSON Schema.
    pub fn new(schema: Value) -> Result<Self, String> {
        let mut options = jsonschema::options_for::<Repr<Node>>()
            .should_validate_formats(true)
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex());
        for format in FORMATS {
            options = options.with_format(format.name, |text: &str| (format.check)(text).is_ok());
        }
        options = options.with_format(quantity::FORMAT, |text: &str| Quantity::parse(text).is_ok());
        let validator = options.build(&schema).map_err(|error| error.to_string())?;
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

/// The checker of a kind. `None` if a schema cannot be built from tenantry's own types, which fails
/// every test.
pub fn checker(kind: DocumentKind) -> Option<&'static Checker> {
    static ALL: LazyLock<Vec<Option<Checker>>> = LazyLock::new(|| {
        DocumentKind::ALL
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

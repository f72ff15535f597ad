//! Every field of every kind of document, read from the JSON Schemas.
//!
//! The doc comment of a field in `tenant/`, `fleet.rs` and `schema.rs` says what the field means.
//! Paragraphs that begin with `Default:`, `Renders:` and `Rules:` say the rest.

use super::leaf::FORMATS;
use super::schema::{DEFAULT, DocumentKind, RENDERS, RULES, schema};
use crate::kube::quantity;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The rules that hold for every field.
pub static OF_EVERY_FIELD: [&str; 4] = [
    "spec/control-character",
    "spec/null",
    "spec/unknown-field",
    "spec/wrong-type",
];

/// A longer regular expression tells a reader less than the field's text.
const LONGEST_PATTERN: usize = 40;

/// A field of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The path from the document's root: `spec.network.egress[].cidr`.
    pub path: String,
    /// The type in words, with its bounds.
    pub type_name: String,
    /// Whether the document is refused without it.
    pub required: bool,
    /// What the field means.
    pub meaning: String,
    /// The value if the field is left out.
    pub default: Option<String>,
    /// What tenantry writes because of the field.
    pub renders: Option<String>,
    /// The ids of the rules that guard the field, sorted; `None` if the doc comment names none and
    /// no rule follows from the type.
    pub rules: Option<BTreeSet<String>>,
    /// Whether the field holds an object with fields of its own.
    pub is_object: bool,
    /// Where the fields of its object are listed, if that is elsewhere.
    pub listed_at: Option<(DocumentKind, String)>,
}

/// The fields of every kind of document, in the order of the types. An object that stands in
/// several places is listed at the shortest path, and the others refer to that.
pub fn fields() -> Vec<(DocumentKind, Vec<Field>)> {
    let schemas: Vec<(DocumentKind, Value)> =
        ORDER.into_iter().map(|kind| (kind, schema(kind))).collect();
    let homes = homes(&schemas);

    schemas
        .iter()
        .map(|(kind, schema)| {
            let mut reader = Reader {
                kind: *kind,
                schema,
                homes: &homes,
                out: Vec::new(),
            };
            reader.object("", schema);
            (*kind, reader.out)
        })
        .collect()
}

/// The order of the kinds: a tenant's objects are listed with the tenant.
static ORDER: [DocumentKind; 4] = [
    DocumentKind::Tenant,
    DocumentKind::Fleet,
    DocumentKind::Profile,
    DocumentKind::Waiver,
];

/// Where each named object of the schemas is listed.
type Homes = BTreeMap<String, (DocumentKind, String)>;

/// Finds the shortest path of each named object, breadth first.
fn homes(schemas: &[(DocumentKind, Value)]) -> Homes {
    let mut homes = Homes::new();
    for (kind, schema) in schemas {
        let mut queue = VecDeque::from([(String::new(), schema)]);
        while let Some((path, node)) = queue.pop_front() {
            for (name, field) in properties(node) {
                let (path, element) = element(join(&path, name), field);
                let (target, object) = resolve(schema, element);
                if properties(object).next().is_none() {
                    continue;
                }
                let is_first = target.is_none_or(|target| {
                    let here = (*kind, path.clone());
                    *homes.entry(target.to_owned()).or_insert(here.clone()) == here
                });
                if is_first {
                    queue.push_back((path, object));
                }
            }
        }
    }

    homes
}

/// Reads the fields of one schema.
struct Reader<'a> {
    kind: DocumentKind,
    schema: &'a Value,
    homes: &'a Homes,
    out: Vec<Field>,
}

impl Reader<'_> {
    fn object(&mut self, path: &str, object: &Value) {
        for (name, field) in properties(object) {
            let required = object["required"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == name));
            self.field(join(path, name), field, required);
        }
    }

    fn field(&mut self, path: String, field: &Value, required: bool) {
        let (item_path, element) = element(path.clone(), field);
        let (target, object) = resolve(self.schema, element);
        let is_object = properties(object).next().is_some();
        let home = target.and_then(|target| self.homes.get(target));
        let listed_at = home
            .filter(|(kind, home)| is_object && (*kind, home) != (self.kind, &item_path))
            .cloned();

        let mut read = Field {
            path,
            type_name: type_name(self.schema, field),
            required,
            meaning: String::new(),
            default: required.then(|| "required".to_owned()),
            renders: None,
            rules: None,
            is_object,
            listed_at,
        };

        if required {
            add_rules(&mut read.rules, ["spec/missing-field"]);
        }
        if is_bounded(self.schema, field) {
            add_rules(&mut read.rules, ["spec/invalid-value"]);
        }
        describe(&mut read, field["description"].as_str().unwrap_or_default());

        let list_here = is_object && read.listed_at.is_none();
        self.out.push(read);
        if list_here {
            self.object(&item_path, object);
        }
    }
}

/// Takes a description apart into the meaning, the default, what is rendered, and the rules.
fn describe(field: &mut Field, description: &str) {
    let mut meaning: Vec<&str> = Vec::new();
    for paragraph in description.split("\n\n") {
        if let Some(text) = paragraph.strip_prefix(DEFAULT) {
            field.default = Some(text.trim_end_matches('.').to_owned());
        } else if let Some(text) = paragraph.strip_prefix(RENDERS) {
            field.renders = Some(text.to_owned());
        } else if let Some(text) = paragraph.strip_prefix(RULES) {
            let ids = text.trim_end_matches('.').split(", ");
            add_rules(
                &mut field.rules,
                ids.filter(|id| *id != "none")
                    .map(|id| id.trim_matches('`')),
            );
        } else if !paragraph.is_empty() {
            meaning.push(paragraph);
        }
    }

    field.meaning = meaning.join(" ");
}

fn add_rules<'a>(rules: &mut Option<BTreeSet<String>>, ids: impl IntoIterator<Item = &'a str>) {
    rules
        .get_or_insert_default()
        .extend(ids.into_iter().map(str::to_owned));
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The fields of an object's schema.
fn properties(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let all = object["properties"].as_object().into_iter();
    all.flat_map(Map::iter)
        .map(|(name, field)| (name.as_str(), field))
}

/// The path and schema of a list's item, or of the field itself if it is no list.
fn element(path: String, field: &Value) -> (String, &Value) {
    match field.get("items") {
        Some(items) => (format!("{path}[]"), items),
        None => (path, field),
    }
}

/// The definition that a schema refers to, with its name, or the schema itself.
fn resolve<'a>(schema: &'a Value, node: &'a Value) -> (Option<&'a str>, &'a Value) {
    let name = node["$ref"]
        .as_str()
        .and_then(|target| target.strip_prefix("#/$defs/"));
    match name {
        Some(name) => (Some(name), &schema["$defs"][name]),
        None => (None, node),
    }
}

/// Whether a schema refuses some values of its JSON type.
fn is_bounded(schema: &Value, node: &Value) -> bool {
    static BOUNDS: [&str; 11] = [
        "const",
        "enum",
        "format",
        "maximum",
        "maxItems",
        "maxLength",
        "minimum",
        "minItems",
        "minLength",
        "pattern",
        "propertyNames",
    ];
    let (_, node) = resolve(schema, node);
    BOUNDS.iter().any(|bound| node.get(bound).is_some())
        || node
            .get("items")
            .is_some_and(|items| is_bounded(schema, items))
        || node
            .get("additionalProperties")
            .is_some_and(|value| is_bounded(schema, value))
}

/// A schema's type in words.
fn type_name(schema: &Value, node: &Value) -> String {
    let (_, node) = resolve(schema, node);
    if let Some(value) = node["const"].as_str() {
        return format!("`{value}`");
    }

    if let Some(choices) = node["enum"].as_array() {
        let names: Vec<String> = choices
            .iter()
            .filter_map(Value::as_str)
            .map(|name| format!("`{name}`"))
            .collect();
        return match names.as_slice() {
            [front @ .., last] if !front.is_empty() => format!("{} or {last}", front.join(", ")),
            _ => names.concat(),
        };
    }

    if let Some(name) = node["format"].as_str().and_then(format_name) {
        return name.to_owned();
    }

    let types: Vec<&str> = match &node["type"] {
        Value::String(only) => vec![only],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return "any value".to_owned(),
    };

    let names: Vec<String> = types
        .into_iter()
        .map(|one| match one {
            "array" => format!(
                "list: {}{}",
                type_name(schema, &node["items"]),
                bounds(node, "minItems", "maxItems")
            ),
            "object" if node.get("properties").is_none() => map_name(schema, node),
            "integer" => format!("integer{}", bounds(node, "minimum", "maximum")),
            "string" => {
                let length = bounds(node, "minLength", "maxLength");
                let length = if length.is_empty() {
                    length
                } else {
                    format!("{length} characters")
                };
                let pattern = node["pattern"]
                    .as_str()
                    .filter(|p| p.len() <= LONGEST_PATTERN);
                let pattern = pattern.map_or_else(String::new, |p| format!(" that matches `{p}`"));
                format!("string{pattern}{length}")
            }
            other => other.to_owned(),
        })
        .collect();

    names.join(", or ")
}

fn map_name(schema: &Value, node: &Value) -> String {
    let value = match node.get("additionalProperties") {
        Some(value @ Value::Object(_)) => type_name(schema, value),
        _ => "any value".to_owned(),
    };
    let key = node["propertyNames"]["format"]
        .as_str()
        .and_then(format_name)
        .unwrap_or("string");
    format!("map: {key} → {value}")
}

/// A leaf's format in words, without its article; `None` for a format of JSON Schema itself.
fn format_name(format: &str) -> Option<&'static str> {
    if format == quantity::FORMAT {
        return Some("quantity");
    }
    let what = FORMATS.iter().find(|known| known.name == format)?.what;
    let bare = what.strip_prefix("a ").or_else(|| what.strip_prefix("an "));
    Some(bare.unwrap_or(what))
}

/// The bounds of a value, as the end of a phrase.
fn bounds(node: &Value, least: &str, most: &str) -> String {
    match (node[least].as_i64(), node[most].as_i64()) {
        (Some(least), Some(most)) => format!(", {least} to {most}"),
        (Some(least), None) => format!(", at least {least}"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    }
}

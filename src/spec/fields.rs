//! The fields of every kind of document as trees, read from the JSON Schemas.
//!
//! The doc comment of a field in `tenant/`, `fleet.rs` and `schema.rs` says what the field means.
//! Paragraphs that begin with `Default:`, `Renders:` and `Rules:` say the rest.

use super::schema::{DocumentKind, schema};
use super::schema_types::{SchemaTypes, items, map_values};
use crate::diagnostic::nearest;
use serde_json::Value;

/// A field of a document, with the fields below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The key, as `egress`; the kind's lower-case name for a whole document.
    pub name: String,
    /// The type as kubectl writes types: `string`, `[]Peer`, `map[string]string`.
    pub type_name: String,
    /// The type in words, with its bounds.
    pub type_in_words: String,
    /// The name of the object type of the field, or of each item or value of it.
    pub object_type: Option<String>,
    /// Whether the field is a list.
    pub is_list: bool,
    /// Whether the type refuses some values of its JSON type.
    pub is_bounded: bool,
    /// Whether the object that has the field must set it.
    pub required: bool,
    /// The description of the field, in Markdown.
    pub description: String,
    /// The description of the field's object type, where the type has one of its own.
    pub type_description: Option<String>,
    /// The value that applies if the field is left out, as JSON, where the schema declares it.
    pub default: Option<String>,
    /// The values that are allowed, where they are listed.
    pub values: Vec<AllowedValue>,
    /// The fields of the object; of each item of a list or map of objects.
    pub fields: Vec<Field>,
}

/// One of the values that a field may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedValue {
    /// The value, as it is written.
    pub value: String,
    /// Its description, in Markdown.
    pub description: Option<String>,
}

/// A field that was found by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundField {
    /// The kind of document that has the field.
    pub kind: DocumentKind,
    /// The field.
    pub field: Field,
    /// The number of keys below the document: 0 for the document itself.
    pub depth: usize,
}

/// Finds a field by a path such as `tenant.spec.network.egress`. Paths go through lists and maps
/// without a mark, as those of `kubectl explain`.
///
/// # Errors
/// A sentence that names the nearest field, or the fields that there are.
pub fn find(path: &str) -> Result<FoundField, String> {
    let mut keys = path.split('.');
    let first = keys.next().unwrap_or_default().to_lowercase();
    let kind = DocumentKind::ALL
        .into_iter()
        .find(|kind| kind.name().to_lowercase() == first)
        .ok_or_else(|| unknown_kind(path, &first))?;

    let document = fields_of(kind);
    let mut field = &document;
    let mut parent = first;
    let mut depth = 0;

    for key in keys {
        field = field
            .fields
            .iter()
            .find(|below| below.name == key)
            .ok_or_else(|| unknown_field(&document, field, &parent, key))?;
        parent = format!("{parent}.{key}");
        depth += 1;
    }

    Ok(FoundField {
        kind,
        field: field.clone(),
        depth,
    })
}

/// Returns the whole document of a kind as a field.
pub fn fields_of(kind: DocumentKind) -> Field {
    let root = schema(kind);
    let reader = FieldReader {
        types: SchemaTypes { root: &root },
    };
    let mut document = reader.field(&kind.name().to_lowercase(), &root, false, &mut Vec::new());
    document.type_name = kind.name().to_owned();
    document
}

/// Reads the fields of a schema.
struct FieldReader<'a> {
    types: SchemaTypes<'a>,
}

impl<'a> FieldReader<'a> {
    /// Reads a field. `above` has the names of the types that the field lies in, so that a type
    /// that contains itself is read once.
    fn field(
        &self,
        name: &str,
        node: &'a Value,
        required: bool,
        above: &mut Vec<&'a str>,
    ) -> Field {
        let (element, type_ref) = self.element(node);
        let is_inside_itself = type_ref.is_some_and(|type_ref| above.contains(&type_ref));
        let fields = if is_inside_itself {
            Vec::new()
        } else {
            above.extend(type_ref);
            let fields = self.properties(element, above);
            above.truncate(above.len() - usize::from(type_ref.is_some()));
            fields
        };

        let own = text(node, "description");
        let of_type = text(element, "description");
        let type_description = of_type
            .clone()
            .filter(|of_type| !fields.is_empty() && own.as_ref().is_some_and(|own| own != of_type));

        Field {
            name: name.to_owned(),
            type_name: self.types.as_kubectl(node),
            type_in_words: self.types.in_words(node),
            object_type: type_ref.map(str::to_owned),
            is_list: items(node).is_some(),
            is_bounded: self.types.is_bounded(node),
            required,
            description: own.or(of_type).unwrap_or_default(),
            type_description,
            default: node.get("default").map(Value::to_string),
            values: values(element),
            fields,
        }
    }

    /// Reads the fields of an object.
    fn properties(&self, object: &'a Value, above: &mut Vec<&'a str>) -> Vec<Field> {
        let is_required = |name: &str| {
            let required = object.get("required").and_then(Value::as_array);
            required.is_some_and(|required| required.iter().any(|one| one == name))
        };

        let properties = object.get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, node)| self.field(name, node, is_required(name), above))
            .collect()
    }

    /// Follows references, and the items of lists and maps, to the schema of one element and the
    /// name of its type.
    fn element(&self, mut node: &'a Value) -> (&'a Value, Option<&'a str>) {
        let mut name = None;
        loop {
            let below = if let Some((type_name, target)) = self.types.target(node) {
                name = Some(type_name);
                target
            } else if let Some(below) = items(node).or_else(|| map_values(node)) {
                name = None;
                below
            } else {
                return (node, name);
            };
            node = below;
        }
    }
}

fn text(node: &Value, key: &str) -> Option<String> {
    node.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// The values of an enum, each with its line of `markdownDescription`.
fn values(node: &Value) -> Vec<AllowedValue> {
    let listed = node.get("enum").and_then(Value::as_array);
    let constant = node.get("const");
    let help = text(node, "markdownDescription").unwrap_or_default();

    listed
        .into_iter()
        .flatten()
        .chain(constant)
        .filter_map(Value::as_str)
        .map(|value| {
            let start = format!("- `{value}`: ");
            let description = help
                .lines()
                .find_map(|line| line.strip_prefix(start.as_str()));
            AllowedValue {
                value: value.to_owned(),
                description: description.map(str::to_owned),
            }
        })
        .collect()
}

fn unknown_kind(path: &str, first: &str) -> String {
    let kinds = DocumentKind::ALL.map(|kind| kind.name().to_lowercase());
    let hint = nearest(first, kinds.iter().map(String::as_str)).map_or_else(
        || format!("a path begins with {}", kinds.join(", ")),
        |kind| format!("did you mean `{kind}`?"),
    );
    format!("there is no field `{path}`; {hint}")
}

/// Says that an object has no such field, and names the nearest one of it; else the same field
/// elsewhere in the document; else the fields that it has.
fn unknown_field(document: &Field, object: &Field, parent: &str, key: &str) -> String {
    let message = format!("`{parent}` has no field `{key}`");
    if object.fields.is_empty() {
        return format!("{message}; its type is {}", object.type_name);
    }

    let names: Vec<&str> = object.fields.iter().map(|one| one.name.as_str()).collect();
    let near = nearest(key, names.iter().copied())
        .map(|name| format!("{parent}.{name}"))
        .or_else(|| path_to(document, key));
    match near {
        Some(path) => format!("{message}; did you mean `{path}`?"),
        None => format!("{message}; its fields are {}", names.join(", ")),
    }
}

/// The shortest path to a field of a name, level by level.
fn path_to(document: &Field, name: &str) -> Option<String> {
    let mut level = vec![(document.name.clone(), document)];
    while !level.is_empty() {
        let below: Vec<(String, &Field)> = level
            .iter()
            .flat_map(|(path, object)| {
                let below = object.fields.iter();
                below.map(move |field| (format!("{path}.{}", field.name), field))
            })
            .collect();
        if let Some((path, _)) = below.iter().find(|(_, field)| field.name == name) {
            return Some(path.clone());
        }
        level = below;
    }

    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_field_is_described() {
        fn check(path: &str, field: &Field) {
            let is_fixed = field.values.len() == 1;
            assert!(is_fixed || !field.description.is_empty(), "{path}");
            for below in &field.fields {
                check(&format!("{path}.{}", below.name), below);
            }
        }

        for kind in DocumentKind::ALL {
            check(kind.name(), &fields_of(kind));
        }
    }

    #[test]
    fn a_type_that_contains_itself_is_read_once() {
        let root = json!({
            "properties": {"tree": {"$ref": "#/$defs/Tree"}},
            "$defs": {"Tree": {"properties": {
                "below": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
                "size": {"type": "integer", "default": 3},
            }}},
        });
        let reader = FieldReader {
            types: SchemaTypes { root: &root },
        };
        let field = reader.field("document", &root, false, &mut Vec::new());

        let tree = &field.fields[0];
        assert_eq!(tree.type_name, "Tree");
        assert_eq!(tree.fields[0].type_name, "[]Tree");
        assert!(tree.fields[0].fields.is_empty());
        assert_eq!(tree.fields[1].default.as_deref(), Some("3"));
    }

    #[test]
    fn types_are_written_as_kubectl_writes_them() {
        let type_of = |path: &str| find(path).expect(path).field.type_name;
        assert_eq!(type_of("tenant"), "Tenant");
        assert_eq!(type_of("tenant.spec.network.egress"), "[]Peer");
        assert_eq!(type_of("tenant.metadata.labels"), "map[string]string");
        assert_eq!(type_of("tenant.spec.quota"), "map[string]string|integer");
        assert_eq!(type_of("tenant.spec.network.isolation"), "string");
    }

    #[test]
    fn an_unknown_field_names_the_nearest() {
        let error = |path: &str| find(path).expect_err(path);
        for (path, hint) in [
            ("tenat.spec", "did you mean `tenant`?"),
            ("tenant.spec.netwrok", "did you mean `tenant.spec.network`?"),
            ("tenant.network", "did you mean `tenant.spec.network`?"),
            ("tenant.spec.quota.pods", "its type is map[string]"),
            ("waiver.metadata.qqqqqq", "its fields are name"),
            ("nothing", "begins with fleet, profile, tenant, waiver"),
        ] {
            assert!(error(path).contains(hint), "{path}: {}", error(path));
        }
    }
}

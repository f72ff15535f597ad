//! The types of a schema in the two forms that people read: in words, and as kubectl writes them.

use super::leaf::FORMATS;
use crate::kube::quantity;
use serde_json::Value;

/// A longer regular expression tells a reader less than the field's text.
const LONGEST_PATTERN: usize = 40;

/// A JSON Schema with the definitions that its nodes refer to.
#[derive(Clone, Copy)]
pub(super) struct SchemaTypes<'a> {
    pub root: &'a Value,
}

impl<'a> SchemaTypes<'a> {
    /// The definition that a node refers to, with its name. `None` if it refers to none.
    pub fn target(&self, node: &'a Value) -> Option<(&'a str, &'a Value)> {
        let name = node.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        Some((name, self.root.get("$defs")?.get(name)?))
    }

    fn resolve(&self, node: &'a Value) -> &'a Value {
        self.target(node).map_or(node, |(_, target)| target)
    }

    /// Whether a node refuses some values of its JSON type.
    pub fn is_bounded(&self, node: &'a Value) -> bool {
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
        let node = self.resolve(node);
        let below = [node.get("items"), node.get("additionalProperties")];

        BOUNDS.iter().any(|bound| node.get(bound).is_some())
            || below
                .into_iter()
                .flatten()
                .any(|below| self.is_bounded(below))
    }

    /// Returns the type of a schema, as kubectl writes types.
    pub fn as_kubectl(&self, node: &'a Value) -> String {
        if let Some((name, target)) = self.target(node) {
            let is_object = target.get("properties").is_some();
            return if is_object {
                name.to_owned()
            } else {
                self.as_kubectl(target)
            };
        }

        if let Some(items) = items(node) {
            return format!("[]{}", self.as_kubectl(items));
        }
        if let Some(values) = map_values(node) {
            return format!("map[string]{}", self.as_kubectl(values));
        }

        match node.get("type") {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                names.join("|")
            }
            _ if node.get("const").is_some_and(Value::is_string) => "string".to_owned(),
            _ => "any".to_owned(),
        }
    }

    /// The type of a node in words, with its bounds.
    pub fn in_words(&self, node: &'a Value) -> String {
        let node = self.resolve(node);
        if let Some(value) = node["const"].as_str() {
            return format!("`{value}`");
        }
        if let Some(choices) = node["enum"].as_array() {
            return choice_in_words(choices);
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
            .map(|one| self.json_type_in_words(one, node))
            .collect();
        names.join(", or ")
    }

    fn json_type_in_words(&self, json_type: &str, node: &'a Value) -> String {
        match json_type {
            "array" => format!(
                "list: {}{}",
                self.in_words(&node["items"]),
                bounds(node, "minItems", "maxItems")
            ),
            "object" if node.get("properties").is_none() => self.map_in_words(node),
            "integer" => format!("integer{}", bounds(node, "minimum", "maximum")),
            "string" => string_in_words(node),
            other => other.to_owned(),
        }
    }

    fn map_in_words(&self, node: &'a Value) -> String {
        let value =
            map_values(node).map_or_else(|| "any value".to_owned(), |node| self.in_words(node));
        let key = node["propertyNames"]["format"]
            .as_str()
            .and_then(format_name)
            .unwrap_or("string");
        format!("map: {key} → {value}")
    }
}

fn choice_in_words(choices: &[Value]) -> String {
    let names: Vec<String> = choices
        .iter()
        .filter_map(Value::as_str)
        .map(|name| format!("`{name}`"))
        .collect();
    match names.as_slice() {
        [front @ .., last] if !front.is_empty() => format!("{} or {last}", front.join(", ")),
        _ => names.concat(),
    }
}

fn string_in_words(node: &Value) -> String {
    let pattern = node["pattern"]
        .as_str()
        .filter(|pattern| pattern.len() <= LONGEST_PATTERN)
        .map_or_else(String::new, |pattern| format!(" that matches `{pattern}`"));

    match bounds(node, "minLength", "maxLength").as_str() {
        "" => format!("string{pattern}"),
        length => format!("string{pattern}{length} characters"),
    }
}

/// The schema of a list's items.
pub(super) fn items(node: &Value) -> Option<&Value> {
    node.get("items").filter(|items| items.is_object())
}

/// The schema of a map's values. A map that takes any value has none.
pub(super) fn map_values(node: &Value) -> Option<&Value> {
    node.get("additionalProperties")
        .filter(|values| values.is_object())
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

//! The structural schema of a CustomResourceDefinition as a JSON Schema.
//!
//! Flux applies server-side: the API server first reads an object by the types of the schema, and
//! refuses a field that is not declared. Then it sets defaults, and checks the values. The JSON Schema
//! holds both steps. Rules in CEL (`x-kubernetes-validations`) are left out.

use super::formats::{FORMATS, PATTERNS};
use serde_json::{Map, Value, json};

/// The keyword of a list whose items are told apart by some of their fields.
pub(super) const LIST_KEYS: &str = "x-kubernetes-list-map-keys";

/// The keywords that a JSON Schema has too, with the same meaning.
const SHARED: [&str; 9] = [
    "pattern",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "uniqueItems",
];

/// How a part of a schema is read.
#[derive(Clone, Copy, Default)]
struct Mode {
    /// Fields that are not declared are taken, here and below.
    open: bool,
    /// Types alone count: the server drops the values, as of a status with a subresource.
    types_only: bool,
    /// A null is dropped before the values are checked, since there is a default.
    drops_null: bool,
    /// A null is refused in any case.
    never_null: bool,
}

/// The JSON Schema of the objects of a version. `has_status` says that their status is a subresource.
pub(super) fn json_schema(schema: &Value, has_status: bool) -> Value {
    let mode = Mode {
        open: is_true(schema, "x-kubernetes-preserve-unknown-fields"),
        ..Mode::default()
    };
    let mut root = structural(schema, mode);

    let mut properties = Map::new();
    for (name, field) in members(schema, "properties") {
        let mode = field_mode(field, mode);
        let converted = match name.as_str() {
            "apiVersion" | "kind" => continue,
            "metadata" => validations(field),
            "status" if has_status => structural(
                field,
                Mode {
                    types_only: true,
                    ..mode
                },
            ),
            _ => structural(field, mode),
        };
        properties.insert(name.clone(), Value::Object(converted));
    }
    for name in ["apiVersion", "kind", "metadata"] {
        properties.entry(name).or_insert(json!({}));
    }

    root.insert("properties".into(), Value::Object(properties));
    if !mode.open && !root.contains_key("additionalProperties") {
        root.insert("additionalProperties".into(), json!(false));
    }
    Value::Object(root)
}

fn is_true(schema: &Value, key: &str) -> bool {
    schema[key] == true
}

fn members<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    schema[key].as_object().into_iter().flatten()
}

/// The mode of a field of a schema that is read in a mode.
fn field_mode(field: &Value, mode: Mode) -> Mode {
    Mode {
        drops_null: !field["default"].is_null() && !is_true(field, "nullable"),
        never_null: false,
        ..mode
    }
}

/// A part of a structural schema that has a type.
fn structural(schema: &Value, mode: Mode) -> Map<String, Value> {
    let mode = Mode {
        open: mode.open || is_true(schema, "x-kubernetes-preserve-unknown-fields"),
        ..mode
    };
    let mut out = match mode.types_only {
        true => Map::new(),
        false => keywords(schema),
    };
    let takes_null = takes_null(schema, mode);

    if takes_null && !mode.types_only {
        skip_null(&mut out);
    }
    if let Some(mut types) = types(schema, mode) {
        if takes_null {
            types.push("null");
        }
        out.insert("type".into(), json!(types));
    }

    add_fields(schema, mode, &mut out);
    add_items(schema, mode, &mut out);
    out
}

/// Whether a null is taken. The server checks a null against the type and the choices alone, and takes
/// none as a choice.
fn takes_null(schema: &Value, mode: Mode) -> bool {
    let nullable = is_true(schema, "nullable") && schema["enum"].is_null();
    !mode.never_null && (mode.types_only || mode.drops_null || nullable)
}

/// The JSON types of a schema; `None` for any.
fn types(schema: &Value, mode: Mode) -> Option<Vec<&str>> {
    if is_true(schema, "x-kubernetes-int-or-string") {
        return (!mode.types_only).then(|| vec!["integer", "string"]);
    }
    match schema["type"].as_str()? {
        // By its type alone, a time is any scalar.
        "string" if mode.types_only && schema["format"] == "date-time" => {
            Some(vec!["string", "number", "boolean"])
        }
        "integer" if mode.types_only => Some(vec!["number"]),
        name => Some(vec![name]),
    }
}

/// Moves what would refuse a null behind a condition.
fn skip_null(out: &mut Map<String, Value>) {
    let mut moved = Map::new();
    for key in ["allOf", "anyOf", "oneOf", "not", "enum"] {
        if let Some(value) = out.remove(key) {
            moved.insert(key.into(), value);
        }
    }
    if !moved.is_empty() {
        out.insert("if".into(), json!({"not": {"type": "null"}}));
        out.insert("then".into(), Value::Object(moved));
    }
}

/// The fields of an object: which it may have, and which it must have.
fn add_fields(schema: &Value, mode: Mode, out: &mut Map<String, Value>) {
    let mut properties = Map::new();
    for (name, field) in members(schema, "properties") {
        let converted = structural(field, field_mode(field, mode));
        properties.insert(name.clone(), Value::Object(converted));
    }
    let mut required: Vec<Value> = Vec::new();
    if !mode.types_only {
        let listed = schema["required"].as_array().into_iter().flatten();
        let is_set = |name: &&Value| {
            let name = name.as_str().unwrap_or_default();
            schema["properties"][name]["default"].is_null()
        };
        required.extend(listed.filter(is_set).cloned());
    }

    if is_true(schema, "x-kubernetes-embedded-resource") {
        for (name, converted) in embedded() {
            properties.insert(name, converted);
        }
        if !mode.types_only {
            required.extend([json!("apiVersion"), json!("kind")]);
        }
    }

    if schema["additionalProperties"].is_object() {
        let values = structural(
            &schema["additionalProperties"],
            field_mode(&json!({}), mode),
        );
        out.insert("additionalProperties".into(), Value::Object(values));
    } else if !properties.is_empty() && !mode.open && schema["additionalProperties"] != true {
        out.insert("additionalProperties".into(), json!(false));
    }
    if !properties.is_empty() {
        out.insert("properties".into(), Value::Object(properties));
    }
    if !required.is_empty() {
        out.insert("required".into(), Value::Array(required));
    }
}

/// The fields that each object within an object has.
fn embedded() -> Map<String, Value> {
    let text = json!({"type": ["string", "null"]});
    let texts = json!({"type": ["object", "null"], "additionalProperties": text});
    let time = json!({"type": ["string", "null"], "format": "date-time"});
    let any = json!({});
    let metadata = json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "name": text, "generateName": text, "namespace": text, "selfLink": text, "uid": text,
            "resourceVersion": text, "labels": texts, "annotations": texts,
            "creationTimestamp": time, "deletionTimestamp": time, "generation": any,
            "deletionGracePeriodSeconds": any, "ownerReferences": any, "finalizers": any,
            "managedFields": any,
        },
    });
    let fields = [
        (
            "apiVersion",
            json!({"type": "string", "pattern": "^[^/]+(/[^/]+)?$"}),
        ),
        (
            "kind",
            json!({"type": "string", "pattern": "^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$"}),
        ),
        ("metadata", metadata),
    ];
    fields
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// The items of a list.
fn add_items(schema: &Value, mode: Mode, out: &mut Map<String, Value>) {
    let items = &schema["items"];
    if !items.is_object() {
        return;
    }
    let list_type = schema["x-kubernetes-list-type"]
        .as_str()
        .unwrap_or_default();
    let item_mode = Mode {
        never_null: list_type == "map" || list_type == "set",
        drops_null: false,
        ..mode
    };
    out.insert("items".into(), Value::Object(structural(items, item_mode)));

    match list_type {
        "set" => _ = out.insert("uniqueItems".into(), json!(true)),
        "map" => {
            let names = schema[LIST_KEYS].as_array().into_iter().flatten();
            let names = names.filter_map(Value::as_str);
            let keys: Map<String, Value> = names
                .map(|name| {
                    (
                        name.to_owned(),
                        items["properties"][name]["default"].clone(),
                    )
                })
                .collect();
            out.insert(LIST_KEYS.into(), Value::Object(keys));
        }
        _ => {}
    }
}

/// The keywords that check values, but for those of fields and items.
fn keywords(schema: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    for key in SHARED {
        if let Some(value) = schema.get(key) {
            out.insert(key.into(), value.clone());
        }
    }
    for (key, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        if let Some(limit) = schema.get(key) {
            let key = if is_true(schema, exclusive) {
                exclusive
            } else {
                key
            };
            out.insert(key.into(), limit.clone());
        }
    }
    if let Some(choices) = schema["enum"].as_array() {
        let choices: Vec<&Value> = choices.iter().filter(|one| !one.is_null()).collect();
        out.insert("enum".into(), json!(choices));
    }

    let mut all: Vec<Value> = Vec::new();
    if let Some(format) = schema["format"]
        .as_str()
        .filter(|_| schema["type"] == "string")
    {
        if FORMATS.iter().any(|(name, _)| *name == format) {
            out.insert("format".into(), json!(format));
        }
        let pattern = PATTERNS.iter().find(|(name, _)| *name == format);
        all.extend(pattern.map(|(_, pattern)| json!({"pattern": pattern})));
    }
    if schema["type"] == "integer" || is_true(schema, "x-kubernetes-int-or-string") {
        let (least, most) = match schema["format"].as_str() {
            Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
            _ => (i64::MIN, i64::MAX),
        };
        all.push(json!({"minimum": least, "maximum": most}));
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let Some(parts) = schema[key].as_array() else {
            continue;
        };
        let parts = parts.iter().map(|part| Value::Object(validations(part)));
        match key {
            "allOf" => all.extend(parts),
            _ => _ = out.insert(key.into(), parts.collect()),
        }
    }
    if !all.is_empty() {
        out.insert("allOf".into(), Value::Array(all));
    }
    if schema["not"].is_object() {
        out.insert("not".into(), Value::Object(validations(&schema["not"])));
    }
    out
}

/// A part of a schema that checks values alone: it declares no field.
fn validations(schema: &Value) -> Map<String, Value> {
    let mut out = keywords(schema);
    for key in ["type", "required"] {
        if let Some(value) = schema.get(key) {
            out.insert(key.into(), value.clone());
        }
    }
    let fields = members(schema, "properties");
    let fields = fields.map(|(name, field)| (name.clone(), Value::Object(validations(field))));
    let fields: Map<String, Value> = fields.collect();
    if !fields.is_empty() {
        out.insert("properties".into(), Value::Object(fields));
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            out.insert(key.into(), Value::Object(validations(&schema[key])));
        }
    }
    out
}

//! The schemas of the kinds that are rendered.

use crate::document::{self, Ref, Repr};
use crate::kube::quantity::{self, Quantity};
use crate::source::{Source, SourceId};
use crate::spec::leaf::FORMATS;
use crate::value::Value;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// By apiVersion, then by kind.
type Validators = BTreeMap<String, BTreeMap<String, jsonschema::Validator<Repr<Value>>>>;

static VALIDATORS: LazyLock<Validators> = LazyLock::new(|| {
    let source = Source::new("schemas.yaml", include_str!("schemas.yaml"));
    let (documents, _) = document::parse(SourceId(0), &source);
    let Some(root) = documents.first().map(|document| document.root.to_json()) else {
        return Validators::new();
    };
    let mut all = Validators::new();

    for (name, own) in root["kinds"].as_object().into_iter().flatten() {
        let (version, kind) = name.rsplit_once('/').unwrap_or(("", name));
        let mut schema = json!({
            "type": "object", "additionalProperties": false, "required": ["apiVersion", "kind", "metadata"],
            "properties": {
                "apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": {"$ref": "#/$defs/metadata"}
            },
            "$defs": root["$defs"],
        });

        for (field, sub) in own["properties"].as_object().into_iter().flatten() {
            schema["properties"][field] = sub.clone();
        }
        if let (Some(all), Some(more)) = (
            schema["required"].as_array_mut(),
            own["required"].as_array(),
        ) {
            all.extend(more.iter().cloned());
        }

        let mut options = jsonschema::options_for::<Repr<Value>>()
            .should_validate_formats(true)
            .offline();
        for format in FORMATS {
            options = options.with_format(format.name, |text: &str| (format.check)(text).is_ok());
        }
        options = options.with_format(quantity::FORMAT, |text: &str| Quantity::parse(text).is_ok());

        if let Ok(validator) = options.build(&schema) {
            all.entry(version.to_owned())
                .or_default()
                .insert(kind.to_owned(), validator);
        }
    }

    all
});

/// Makes the checkers of schemas, which the first object would wait for.
pub fn prepare() {
    LazyLock::force(&VALIDATORS);
}

/// Checks an object against its schema. Returns its faults, or `None` if there is no schema.
pub fn check(object: &Value) -> Option<Vec<String>> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let validator = VALIDATORS.get(text("apiVersion"))?.get(text("kind"))?;
    if validator.is_valid(Ref::Node(object)) {
        return Some(Vec::new());
    }
    Some(
        validator
            .iter_errors(Ref::Node(object))
            .take(5)
            .map(|error| {
                format!(
                    "{}: {}",
                    error.instance_path(),
                    crate::spec::shorten(&error.to_string())
                )
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds;

    #[test]
    fn every_kind_with_a_schema_has_a_row_of_its_version() {
        let schemas: Vec<(&String, &String)> = VALIDATORS
            .iter()
            .flat_map(|(version, kinds)| kinds.keys().map(move |kind| (version, kind)))
            .collect();
        assert!(schemas.len() > 15);

        for (api_version, kind) in schemas {
            let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
            let row = kinds::find(group, kind).unwrap_or_else(|| panic!("{kind} has no row"));
            assert_eq!(row.version, version, "{kind}");
        }
    }
}

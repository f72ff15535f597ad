//! The reference of all fields: docs/fields.md.

use crate::support::{Sandbox, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tenantry::catalog::RULES;
use tenantry::report::fields_table;
use tenantry::spec::fields::{OF_EVERY_FIELD, fields};
use tenantry::spec::schema::{Kind, schema};
use walkdir::WalkDir;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

#[test]
fn the_reference_of_fields_is_fresh() {
    assert!(
        read("docs/fields.md") == fields_table(),
        "docs/fields.md is stale: run `cargo run -- schema --docs docs/fields.md`"
    );
}

#[test]
fn the_program_writes_the_reference() {
    let sandbox = Sandbox::new();
    sandbox.run(&["schema", "--docs", "fields.md"]).code(0);
    assert_eq!(sandbox.read("fields.md"), fields_table());
}

#[test]
fn every_field_has_every_cell() {
    let mut missing = Vec::new();
    for (kind, fields) in fields() {
        for field in fields {
            let cells = [
                ("a first sentence", field.meaning.is_empty()),
                ("Default:", field.default.is_none()),
                ("Renders:", field.renders.is_none()),
                ("Rules:", field.rules.is_none() && !field.is_object),
            ];
            let empty = cells.iter().filter(|(_, is_empty)| *is_empty);
            missing
                .extend(empty.map(|(cell, _)| format!("{} {}: {cell}", kind.name(), field.path)));
        }
    }
    assert!(
        missing.is_empty(),
        "add these lines to the doc comments in src/spec: {missing:#?}"
    );
}

#[test]
fn every_rule_of_the_reference_exists() {
    let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    for (kind, fields) in fields() {
        for field in fields {
            for id in field.rules.iter().flatten() {
                assert!(
                    known.contains(id.as_str()),
                    "{} {}: there is no rule `{id}`",
                    kind.name(),
                    field.path
                );
            }
        }
    }
}

/// The ids of the rules that are declared below a folder of src/.
fn declared_in(folder: &str) -> BTreeSet<String> {
    let files = WalkDir::new(root().join("src").join(folder))
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file());
    let texts = files.map(|entry| fs::read_to_string(entry.path()).unwrap_or_default());
    let known: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    texts
        .flat_map(|text| {
            let ids = text
                .split("pub static ")
                .skip(1)
                .filter_map(|rest| rest.split_once("= \"")?.1.split('"').next());
            ids.map(str::to_owned).collect::<Vec<_>>()
        })
        .filter(|id| known.contains(id.as_str()))
        .collect()
}

#[test]
fn every_rule_about_specs_names_a_field() {
    let named: BTreeSet<String> = fields()
        .into_iter()
        .flat_map(|(_, fields)| fields)
        .flat_map(|field| field.rules.into_iter().flatten())
        .chain(OF_EVERY_FIELD.map(str::to_owned))
        .collect();
    let missing: Vec<String> = ["spec", "tenancy"]
        .into_iter()
        .flat_map(declared_in)
        .filter(|id| !named.contains(id))
        .collect();
    assert!(
        missing.is_empty(),
        "name these rules at the fields that they guard: {missing:#?}"
    );
}

#[test]
fn a_name_of_the_schemas_stands_for_one_object() {
    let mut seen: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    for kind in Kind::ALL {
        let schema = schema(kind);
        for (name, object) in schema["$defs"].as_object().into_iter().flatten() {
            let first = seen.entry(name.clone()).or_insert_with(|| object.clone());
            assert_eq!(first, object, "two objects are called {name}");
        }
    }
}

#[test]
fn descriptions_have_no_wrapped_lines() {
    for kind in Kind::ALL {
        let text = schema(kind).to_string();
        for description in text.split("\"description\":\"").skip(1) {
            let description = description.split('"').next().unwrap_or_default();
            let wrapped = description.replace("\\n\\n", "").contains("\\n");
            assert!(!wrapped, "{}: {description}", kind.name());
        }
    }
}

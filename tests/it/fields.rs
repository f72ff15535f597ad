//! The reference of all fields (docs/fields.md), and the tenant that uses each (docs/tenant.md).

use crate::support::{Sandbox, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tenantry::catalog::RULES;
use tenantry::document::{self, Node, NodeValue};
use tenantry::report::fields_table;
use tenantry::source::{Source, SourceId};
use tenantry::spec::field_table::{FieldRow, OF_EVERY_FIELD, field_rows};
use tenantry::spec::schema::{DocumentKind, schema};
use walkdir::WalkDir;

/// The fleet of docs/tenant.md.
const FOLDER: &str = "fixtures/tenant";

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
    for (kind, fields) in field_rows() {
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
    for (kind, fields) in field_rows() {
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
    let named: BTreeSet<String> = field_rows()
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
fn each_name_in_the_schemas_means_one_object() {
    let mut seen: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    for kind in DocumentKind::ALL {
        let schema = schema(kind);
        for (name, object) in schema["$defs"].as_object().into_iter().flatten() {
            let first = seen.entry(name.clone()).or_insert_with(|| object.clone());
            assert_eq!(first, object, "two objects are called {name}");
        }
    }
}

#[test]
fn descriptions_have_no_wrapped_lines() {
    for kind in DocumentKind::ALL {
        let text = schema(kind).to_string();
        for description in text.split("\"description\":\"").skip(1) {
            let description = description.split('"').next().unwrap_or_default();
            let wrapped = description.replace("\\n\\n", "").contains("\\n");
            assert!(!wrapped, "{}: {description}", kind.name());
        }
    }
}

/// The document of a YAML text.
fn parse(text: &str) -> Node {
    let (mut documents, faults) = document::parse(SourceId(0), &Source::new("t.yaml", text));
    assert!(faults.is_empty(), "{faults:?}");
    documents.remove(0).root
}

/// Adds the paths of the fields that a document sets. The path of an object that is listed elsewhere
/// counts as that one.
fn used(node: &Node, path: &str, all: &BTreeMap<String, FieldRow>, out: &mut BTreeSet<String>) {
    match &node.value {
        NodeValue::Seq(items) => {
            let path = format!("{path}[]");
            items.iter().for_each(|item| used_in(item, &path, all, out));
        }
        _ => used_in(node, path, all, out),
    }
}

fn used_in(node: &Node, path: &str, all: &BTreeMap<String, FieldRow>, out: &mut BTreeSet<String>) {
    for entry in node.entries() {
        let below = match path {
            "" => entry.key.to_string(),
            _ => format!("{path}.{}", entry.key),
        };
        let Some(field) = all.get(&below) else {
            continue;
        };
        out.insert(below.clone());
        match &field.listed_at {
            Some(home) => used(&entry.node, home.path.trim_end_matches("[]"), all, out),
            None => used(&entry.node, &below, all, out),
        }
    }
}

/// The first code block of a language in a text.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let begin = format!("```{language}\n");
    let (_, rest) = text.split_once(&begin).expect("a code block");
    rest.split_once("```").expect("its end").0
}

#[test]
fn the_annotated_tenant_uses_every_field() {
    let page = read("docs/tenant.md");
    let tenant = read(&format!("{FOLDER}/tenants/shop.yaml"));
    assert_eq!(
        block(&page, "yaml"),
        tenant,
        "docs/tenant.md shows {FOLDER}/tenants/shop.yaml"
    );

    let all: BTreeMap<String, FieldRow> = field_rows()
        .into_iter()
        .filter(|(kind, _)| *kind == DocumentKind::Tenant)
        .flat_map(|(_, fields)| fields)
        .map(|field| (field.path.clone(), field))
        .collect();

    let mut set = BTreeSet::new();
    used(&parse(&tenant), "", &all, &mut set);

    let excluded: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `spec.")?.split('`').next())
        .map(|path| format!("spec.{path}"))
        .collect();

    let unset: BTreeSet<String> = all.into_keys().filter(|path| !set.contains(path)).collect();
    assert_eq!(
        unset, excluded,
        "the fields that the tenant does not set (left) are those of the table in docs/tenant.md \
         (right)"
    );
}

/// A folder with the fleet of docs/tenant.md.
fn fleet() -> Sandbox {
    let sandbox = Sandbox::new();
    let folder = root().join(FOLDER);
    for entry in WalkDir::new(&folder).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            let below = entry.path().strip_prefix(&folder).expect("below");
            sandbox.write(
                &below.to_string_lossy(),
                fs::read(entry.path()).expect("a file"),
            );
        }
    }
    sandbox
}

#[test]
fn the_annotated_tenant_is_accepted() {
    let ran = fleet()
        .run(&["check", "--source", "search-team=search-team"])
        .code(0);
    assert!(
        ran.err.contains("0 errors, 0 warnings, 0 notes"),
        "{}",
        ran.err
    );
}

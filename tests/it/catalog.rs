//! The catalog names every rule, and every rule is found by some test.

use crate::support::root;
use std::collections::BTreeSet;
use std::fs;
use tenantry::catalog::RULES;
use walkdir::WalkDir;

fn texts(folder: &str) -> String {
    let files = WalkDir::new(root().join(folder))
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok);
    files
        .filter(|e| e.file_type().is_file())
        .map(|e| fs::read_to_string(e.path()).unwrap_or_default())
        .collect()
}

#[test]
fn the_catalog_is_sorted_and_complete() {
    let ids: Vec<&str> = RULES.iter().map(|r| r.id).collect();
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(
        ids, sorted,
        "src/catalog.rs lists each rule once, sorted by id"
    );

    let source = texts("src");
    let declared: BTreeSet<&str> = source
        .split("pub static ")
        .skip(1)
        .filter_map(|rest| rest.split_once("= \"")?.1.split('"').next())
        .filter(|id| id.contains('/') && !id.contains([' ', ';']) && *id != "area/fault")
        .collect();

    let missing: Vec<&&str> = declared.iter().filter(|id| !ids.contains(id)).collect();
    assert!(missing.is_empty(), "add to src/catalog.rs: {missing:?}");
}

#[test]
fn every_rule_has_a_test_that_finds_it() {
    let tests = texts("tests/it") + &texts("fixtures");
    let missing: Vec<&str> = RULES
        .iter()
        .map(|r| r.id)
        .filter(|id| !tests.contains(id))
        .collect();
    assert!(
        missing.is_empty(),
        "add a case to fixtures/spec/invalid, or a test in tests/it: {missing:#?}"
    );
}

#[test]
fn every_rule_has_a_manual() {
    for rule in RULES {
        assert!(rule.doc.trim().len() > 30, "{} says too little", rule.id);
        assert!(tenantry::report::explain(rule.id).is_ok());
    }
    assert!(
        tenantry::report::explain("network/egres-any")
            .unwrap_err()
            .contains("network/egress-any")
    );
}

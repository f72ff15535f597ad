//! docs/parity.md: each promise of the reference systems names tests and fixtures that exist, the
//! part that is open, or the reason why it does not apply.

use crate::support::{root, say, shared};
use std::collections::BTreeSet;
use std::fs;

/// How the page answers a promise.
#[derive(Debug, PartialEq)]
enum Answer {
    /// By tests, as `module::function`, and by fixtures, as paths.
    Shown(Vec<String>),
    /// By the part that is missing.
    Open,
    /// By the reason why a compiler has nothing to keep.
    NotApplicable,
}

/// A row of the page.
struct Promise {
    id: String,
    answer: Answer,
}

/// Reads the rows of the page.
fn promises() -> Vec<Promise> {
    let page = fs::read_to_string(root().join("docs/parity.md")).expect("docs/parity.md");
    let rows = page.lines().filter(|line| line.starts_with("| S"));

    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [id, promise, answer] = cells[..] else {
            panic!("a row has three cells: {row}");
        };
        assert!(!promise.is_empty(), "{id}");

        Promise {
            id: id.to_owned(),
            answer: read_answer(id, answer),
        }
    })
    .collect()
}

fn read_answer(id: &str, text: &str) -> Answer {
    if text.starts_with("open: ") {
        return Answer::Open;
    }
    if text.starts_with("not applicable: ") {
        return Answer::NotApplicable;
    }

    let names: Vec<String> = text
        .split(", ")
        .map(|name| name.trim_matches('`').to_owned())
        .collect();
    assert!(names.iter().all(|name| !name.is_empty()), "{id}: {text}");
    Answer::Shown(names)
}

/// Whether a test or a fixture of this name is there.
fn exists(name: &str) -> bool {
    match name.split_once("::") {
        Some((module, function)) => {
            let file = root().join(format!("tests/it/{module}.rs"));
            let text = fs::read_to_string(file).unwrap_or_default();
            text.contains(&format!("#[test]\nfn {function}()"))
        }
        None => name.starts_with("fixtures/") && root().join(name).exists(),
    }
}

#[test]
fn every_named_test_and_fixture_exists() {
    for promise in promises() {
        let Answer::Shown(names) = promise.answer else {
            continue;
        };
        for name in names {
            assert!(exists(&name), "{}: there is no {name}", promise.id);
        }
    }
}

#[test]
fn every_promise_has_one_row() {
    let promises = promises();
    let ids: BTreeSet<&str> = promises.iter().map(|promise| promise.id.as_str()).collect();
    assert_eq!(ids.len(), promises.len(), "a row stands twice");

    let count = |wanted: fn(&Answer) -> bool| {
        let all = promises.iter().filter(|promise| wanted(&promise.answer));
        all.count()
    };

    say(&format!(
        "parity: {} promises shown by tests, {} open, {} not applicable",
        count(|answer| matches!(answer, Answer::Shown(_))),
        count(|answer| *answer == Answer::Open),
        count(|answer| *answer == Answer::NotApplicable),
    ));

    let Some(file) = shared("design/PARITY.md") else {
        return;
    };
    let text = fs::read_to_string(file).expect("PARITY.md");
    let rows: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .filter(|id| id.starts_with('S') && id.contains('-'))
        .collect();

    assert_eq!(ids, rows);
}

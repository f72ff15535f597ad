//! The suite of holes and harmless cases (`conformance/isolation`): each is answered right, or stands in
//! the list of the contested cases with the source that contradicts it.

use crate::support::{root, shared, tool};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// The cases that the suite answers otherwise than the source that is named beside them: one a line,
/// the name, two spaces, the source.
const CONTESTED: &str = "fixtures/isolation/contested.txt";

/// The contested cases, with their sources.
fn contested() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join(CONTESTED)).expect("the list of contested cases");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, source) = line.split_once("  ").expect("a name and a source");
            (name.to_owned(), source.trim().to_owned())
        })
        .collect()
}

/// Runs the suite: the names of the wrong cases with the lines that say so, and its last line.
fn run_suite(folder: &std::path::Path) -> (BTreeMap<String, String>, String) {
    let scratch = tempfile::tempdir().expect("a folder");
    let output = Command::new(tool("python"))
        .arg(folder.join("run.py"))
        .arg(env!("CARGO_BIN_EXE_tenantry"))
        .arg(scratch.path())
        .args(["--jobs", "2"])
        .output()
        .expect("the runner starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();

    let sum = text
        .lines()
        .find(|line| line.starts_with("isolation: "))
        .unwrap_or_else(|| panic!("no sum: {text}{}", String::from_utf8_lossy(&output.stderr)))
        .to_owned();
    let wrong = text
        .lines()
        .filter(|line| line.contains("): wanted "))
        .filter_map(|line| Some((line.split(' ').next()?.to_owned(), line.to_owned())))
        .collect();
    (wrong, sum)
}

#[test]
fn every_case_is_right_or_contested() {
    let Some(folder) = shared("conformance/isolation") else {
        return;
    };
    let contested = contested();
    let (wrong, sum) = run_suite(&folder);

    let unexpected: Vec<&String> = wrong
        .iter()
        .filter(|(name, _)| !contested.contains_key(*name))
        .map(|(_, line)| line)
        .collect();
    assert!(unexpected.is_empty(), "{sum}\n{unexpected:#?}");

    let wrong: BTreeSet<&String> = wrong.keys().collect();
    let right: Vec<&String> = contested
        .keys()
        .filter(|name| !wrong.contains(name))
        .collect();
    assert!(
        right.is_empty(),
        "these are right now, take them out of {CONTESTED}: {right:?}"
    );
}

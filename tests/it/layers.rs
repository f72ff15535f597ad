//! Modules name only modules above them in lib.rs; the library touches nothing outside.

use crate::support::root;
use std::collections::BTreeMap;
use std::fs;
use walkdir::WalkDir;

/// The modules in the order of lib.rs, with the rank of each: siblings of one rank do not name each
/// other.
fn modules() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    text.lines()
        .filter_map(|l| {
            l.strip_prefix("pub mod ")?
                .strip_suffix(';')
                .map(str::to_owned)
        })
        .collect()
}

fn files() -> BTreeMap<String, Vec<(String, String)>> {
    let src = root().join("src");
    let mut all: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();

    for entry in WalkDir::new(&src)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
    {
        let path = entry
            .path()
            .strip_prefix(&src)
            .expect("below")
            .to_string_lossy()
            .into_owned();
        if let Some(stem) = path.strip_suffix(".rs") {
            let module = stem.split('/').next().expect("a name").to_owned();
            all.entry(module).or_default().push((
                path.clone(),
                fs::read_to_string(entry.path()).expect("text"),
            ));
        }
    }

    all
}

/// The code of a file: without comments, and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_module_names_only_modules_above_it() {
    let order = modules();
    assert!(order.len() >= 9, "{order:?}");
    let mut faults = Vec::new();

    for (module, files) in files() {
        let Some(rank) = order.iter().position(|m| *m == module) else {
            continue;
        };
        for (path, text) in files {
            for (other_rank, other) in order.iter().enumerate().filter(|(r, _)| *r > rank) {
                if code(&text).contains(&format!("crate::{other}")) {
                    faults.push(format!(
                        "{path} (rank {rank}) names {other} (rank {other_rank})"
                    ));
                }
            }
        }
    }

    assert!(
        faults.is_empty(),
        "move the code, or the module in lib.rs: {faults:#?}"
    );
}

#[test]
fn diagnostic_names_no_rule_and_siblings_do_not_name_each_other() {
    let all = files();
    let text = code(&all["diagnostic"][0].1);
    assert!(
        !text.contains(" = \""),
        "a rule stands beside the code that finds it"
    );

    for (module, other) in [
        ("report", "compile"),
        ("import", "tree"),
        ("tree", "import"),
    ] {
        for (path, text) in &all[module] {
            assert!(
                !code(text).contains(&format!("crate::{other}")),
                "{path} names {other}"
            );
        }
    }
}

#[test]
fn the_library_does_no_io() {
    let banned = [
        "std::fs",
        "std::env",
        "TcpStream",
        "std::process",
        "std::io",
        "SystemTime",
        "Instant::now",
        "println!",
        "eprintln!",
        "HashSet",
    ];
    for (module, files) in files() {
        if module == "cli" || module == "main" {
            continue;
        }
        for (path, text) in files {
            for word in banned {
                assert!(
                    !code(&text).contains(word),
                    "{path} uses {word}: only `cli` touches the world"
                );
            }
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for files in files().values() {
        for (path, text) in files {
            let lines = text.lines().count();
            assert!(lines <= 950, "{path} has {lines} lines");
        }
    }
}

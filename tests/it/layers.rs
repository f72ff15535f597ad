//! Modules name only modules above them in lib.rs; the library touches nothing outside.

use crate::support::root;
use std::collections::{BTreeMap, BTreeSet};
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
            let text = fs::read_to_string(entry.path()).expect("text");
            all.entry(module).or_default().push((stem.to_owned(), text));
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

/// The modules of the crate that the code of a file names, by `crate::` or by `super::`, in a path or
/// in a tree of a `use`. `path` is the file below `src`, without `.rs`.
fn named_modules(path: &str, code: &str) -> BTreeSet<String> {
    let depth = path.trim_end_matches("/mod").split('/').count();
    let from_above = "super::".repeat(depth);

    let mut all = BTreeSet::new();
    for start in ["crate::", &from_above] {
        for (at, _) in code.match_indices(start) {
            let is_longer = start != "crate::" && code[..at].ends_with("super::");
            if !is_longer {
                all.extend(first_names(&code[at + start.len()..]));
            }
        }
    }
    all
}

/// The first name of a path, or of each branch of a tree: `a` and `b` of `{a, b::{c, d}}`.
fn first_names(text: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(tree) = text.trim_start().strip_prefix('{') else {
        return vec![name(text)];
    };

    let mut names = vec![name(tree)];
    let mut open = 1;
    for (at, c) in tree.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => names.push(name(&tree[at + 1..])),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    names
}

#[test]
fn whole_trees_of_use_are_read() {
    let code = "use crate::{\n    span::Span,\n    tree::{self, live},\n    report,\n};\n\
                use super::super::import::survey;\nfn f() -> crate::compile::T {}";
    let named: Vec<String> = named_modules("graph/rbac", code).into_iter().collect();
    assert_eq!(named, ["", "compile", "import", "report", "span", "tree"]);

    let from_root = named_modules("graph/mod", "use super::{kube, live};");
    assert!(from_root.contains("kube") && from_root.contains("live"));
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
            let named = named_modules(&path, &code(&text));
            for (other_rank, other) in order.iter().enumerate().skip(rank + 1) {
                if named.contains(other) {
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

/// The circles among the modules of the program. A module that reads the fleet's files and one that
/// says where they are name each other; so do arguments whose values are names of the fleet.
const CIRCLES: [&[&str]; 2] = [
    &[
        "args",
        "git",
        "ignored",
        "reading",
        "session",
        "workspace",
        "written",
    ],
    &["concerned", "proof_inputs"],
];

/// The modules of the program that each one names.
fn named_in_cli() -> BTreeMap<String, BTreeSet<String>> {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in &files()["cli"] {
        let Some(below) = path.strip_prefix("cli/").filter(|below| *below != "mod") else {
            continue;
        };
        let module = below.split('/').next().unwrap_or_default();
        let code = code(text).replace("crate::cli::", "crate::");
        let mut others = named_modules(below, &code);
        others.remove(module);
        named.entry(module.to_owned()).or_default().extend(others);
    }
    named
}

#[test]
fn modules_of_the_program_have_no_new_circle() {
    let named = named_in_cli();
    assert!(named["interrupt"].contains("plugin_process"), "{named:#?}");

    let reached = |from: &str| {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            for next in named.get(module).into_iter().flatten() {
                if all.insert(next) {
                    open.push(next);
                }
            }
        }
        all.remove(from).then_some(all)
    };

    for module in named.keys() {
        let Some(reached_from) = reached(module) else {
            continue;
        };
        let is_known = CIRCLES.iter().any(|circle| {
            let is_back =
                |other: &&&str| reached(other).is_some_and(|back| back.contains(module.as_str()));
            circle.contains(&module.as_str())
                && reached_from
                    .iter()
                    .filter(is_back)
                    .all(|other| circle.contains(other))
        });
        assert!(is_known, "{module} reaches itself: {:?}", named[module]);
    }
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
                !named_modules(path, &code(text)).contains(other),
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
            assert!(lines <= 800, "{path} has {lines} lines");
        }
    }
}

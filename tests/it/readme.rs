//! The README, CONTRIBUTING.md and the pages of docs: their commands run, their links and paths lead
//! somewhere.

use crate::support::{Sandbox, root, tool};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every page below docs, as a path of the repository.
fn pages_of_docs() -> Vec<String> {
    let walk = walkdir::WalkDir::new(root().join("docs")).sort_by_file_name();

    walk.into_iter()
        .map(|entry| entry.expect("an entry of docs").into_path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let below = path.strip_prefix(root()).expect("a path below the root");
            below.to_string_lossy().into_owned()
        })
        .collect()
}

/// Every page that a reader may open.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
        .map(str::to_owned)
        .to_vec();
    pages.extend(pages_of_docs());
    pages
}

/// The lines of a text's code blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut inside = false;

    for line in text.lines() {
        if line.starts_with("```") {
            inside = !inside && line.trim_start_matches('`') == language;
        } else if inside {
            out.push(line.to_owned());
        }
    }
    out
}

/// A text without its code blocks.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;

    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// The targets of a text's links that lead to a file of the repository.
fn relative_links(text: &str) -> Vec<String> {
    prose(text)
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .filter(|target| !target.contains("://"))
        .collect()
}

/// The anchors of a text's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            title
                .chars()
                .filter(|&letter| letter.is_alphanumeric() || " -_".contains(letter))
                .map(|letter| if letter == ' ' { '-' } else { letter })
                .collect()
        })
        .collect()
}

/// The parts of a text between backticks, in its prose.
fn quoted(text: &str) -> Vec<String> {
    prose(text)
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Whether a path has a part to fill in, such as `src/netpol/NAME.rs`.
fn is_pattern(path: &str) -> bool {
    path.split(['/', '.', '-'])
        .any(|part| part.len() > 1 && part.chars().all(|letter| letter.is_ascii_uppercase()))
}

#[test]
fn the_first_command_renders_the_fleet_that_is_here() {
    let readme = read("README.md");
    let commands = blocks(&readme, "sh");
    assert_eq!(commands[0], "cargo run -- render", "the first command");
    assert_eq!(commands[1], "cargo test", "the second command");
    let sandbox = Sandbox::new();

    for folder in ["tenants", "rendered", "clusters"] {
        let status = Command::new("cp")
            .arg("-r")
            .arg(root().join(folder))
            .arg(sandbox.path())
            .status();
        assert!(status.expect("cp").success());
    }

    sandbox.write("tenantry.lock", read("tenantry.lock"));
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("3 tenants, 2 clusters") && ran.err.contains("0 files written"),
        "{}",
        ran.err
    );
}

#[test]
fn every_command_in_the_pages_exists() {
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    let mut help_of = |words: &[&str]| {
        let key: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let ask = || Sandbox::new().run(&[words, &["--help"]].concat());
        helps
            .entry(key)
            .or_insert_with(|| {
                let ran = ask();
                format!("{}\n{}", ran.code, ran.out)
            })
            .clone()
    };

    for page in pages() {
        for line in blocks(&read(&page), "sh") {
            let Some(rest) = line
                .trim_start_matches("cargo run -- ")
                .strip_prefix("tenantry ")
                .or_else(|| line.strip_prefix("cargo run -- "))
            else {
                continue;
            };

            let words: Vec<&str> = rest
                .split(['#', '>', '|', '&'])
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .collect();

            let help = help_of(&words[..1]);
            assert!(help.starts_with("0\n"), "{page}: {line}");

            for flag in words.iter().filter(|word| word.starts_with("--")) {
                let name = flag.split('=').next().unwrap_or_default();
                let known =
                    help.contains(name) || help_of(&words[..words.len().min(2)]).contains(name);
                assert!(known, "{page}: {line}: {name}");
            }
        }
    }
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    for page in pages() {
        let folder = root().join(&page);
        let folder = folder.parent().expect("a page is in a folder");

        for target in relative_links(&read(&page)) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() {
                root().join(&page)
            } else {
                folder.join(path)
            };
            assert!(file.exists(), "{page}: {target} leads nowhere");

            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).expect("a page");
                assert!(
                    anchors(&text).contains(anchor),
                    "{page}: {target}: no such heading"
                );
            }
        }
    }
}

#[test]
fn the_readme_links_every_page_of_docs() {
    let links = relative_links(&read("README.md"));
    let linked: BTreeSet<&str> = links
        .iter()
        .filter_map(|target| target.split('#').next())
        .collect();

    for page in pages_of_docs() {
        assert!(linked.contains(page.as_str()), "README.md: {page}");
    }
}

#[test]
fn every_path_that_contributing_names_exists() {
    let rooms = ["src/", "tests/", "templates/", "fixtures/", "docs/"];
    let text = read("CONTRIBUTING.md");
    let all = quoted(&text);
    let paths = all
        .iter()
        .filter(|path| rooms.iter().any(|room| path.starts_with(room)))
        .filter(|path| !path.contains(' ') && !is_pattern(path));

    for path in paths {
        assert!(root().join(path).exists(), "CONTRIBUTING.md: `{path}`");
    }
}

#[test]
fn every_source_that_a_page_names_exists() {
    for page in pages_of_docs() {
        let all = quoted(&read(&page));
        let paths = all.iter().filter(|path| {
            ["src/", "tests/", "fixtures/"]
                .iter()
                .any(|room| path.starts_with(room))
        });

        for path in paths.filter(|path| !is_pattern(path)) {
            assert!(root().join(path).exists(), "{page}: `{path}`");
        }
    }
}

#[test]
fn the_fleet_validates_with_an_ordinary_validator() {
    let script = r"
import sys, json, pathlib, yaml, jsonschema
root = pathlib.Path(sys.argv[1])
count = 0
for path in sorted((root / 'tenants').rglob('*.yaml')):
    text = path.read_text()
    first = text.splitlines()[0]
    prefix = '# yaml-language-server: $schema='
    assert first.startswith(prefix), f'{path}: no schema line'
    schema = json.loads((path.parent / first[len(prefix):]).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for document in yaml.safe_load_all(text):
        jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
        count += 1
    bad = dict(document, spec=dict(document['spec'], nonsense=1))
    try:
        jsonschema.validate(bad, schema, cls=jsonschema.Draft202012Validator)
        raise SystemExit(f'{path}: an unknown field was accepted')
    except jsonschema.ValidationError:
        pass
print(count)
";

    let output = Command::new(tool("python"))
        .args(["-c", script])
        .arg(root())
        .output()
        .expect("python starts");

    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    assert!(
        String::from_utf8_lossy(&output.stdout)
            .trim()
            .parse::<u32>()
            .expect("a number")
            >= 6
    );
}

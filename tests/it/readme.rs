//! The README's commands, and those of CONTRIBUTING and docs, as they are written there.

use crate::support::{Sandbox, root, tool};
use std::process::Command;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
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
fn every_command_in_the_text_exists() {
    for file in [
        "README.md",
        "CONTRIBUTING.md",
        "docs/templates.md",
        "docs/adopting.md",
        "docs/lock.md",
        "docs/ci.md",
        "docs/edges.md",
        "docs/merging.md",
        "docs/tenant.md",
        "docs/waivers.md",
        "docs/prove.md",
    ] {
        for line in blocks(&read(file), "sh") {
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
            let ran = Sandbox::new().run(&[&words[..1], &["--help"]].concat());
            assert_eq!(ran.code, 0, "{file}: {line}");
            for flag in words.iter().filter(|w| w.starts_with("--")) {
                let name = flag.split('=').next().unwrap_or_default();
                let known = ran.out.contains(name)
                    || Sandbox::new()
                        .run(&[words[0], words.get(1).copied().unwrap_or(""), "--help"])
                        .out
                        .contains(name);
                assert!(known, "{file}: {line}: {name}");
            }
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

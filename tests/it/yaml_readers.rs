//! What other YAML readers make of the output: PyYAML, ruamel.yaml and the Go reader of kubectl and
//! Flux read the same values, the nastiest strings included.

use crate::support::{Sandbox, fixture_fleets, pipe, root, tool};
use serde_json::Value;
use std::process::Command;
use tenantry::document::{emit_documents, parse_foreign};
use tenantry::source::{Source, SourceId};
use tenantry::spec::leaf;

const PYTHON: &str = r"
import sys, json, yaml
from ruamel.yaml import YAML
text = sys.stdin.buffer.read().decode('utf-8')
if sys.argv[1] == 'pyyaml':
    documents = list(yaml.safe_load_all(text))
else:
    documents = list(YAML(typ='safe', pure=True).load_all(text))
print(json.dumps([d for d in documents if d is not None]))
";

fn readers(text: &str) -> Vec<(&'static str, Value)> {
    let python = tool("python");
    let read = |name, command: &mut Command| {
        let ran = pipe(command, text).code(0);
        (
            name,
            serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{name}: {e}")),
        )
    };

    vec![
        read(
            "PyYAML",
            Command::new(&python).args(["-c", PYTHON, "pyyaml"]),
        ),
        read(
            "ruamel.yaml",
            Command::new(&python).args(["-c", PYTHON, "ruamel"]),
        ),
        read("sigs.k8s.io/yaml", &mut Command::new(tool("goyaml"))),
    ]
}

/// Strings that some reader takes for something else, or refuses, when they are written carelessly.
fn nasty() -> Vec<String> {
    let words = [
        "",
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "False",
        "null",
        "~",
        ".nan",
        ".inf",
        "-.INF",
        "1",
        "-0",
        "+1",
        "1e3",
        "0x1F",
        "0o7",
        "0755",
        "08",
        "1_000",
        "0b1",
        "12:30:45",
        "2026-11-22",
        "2001-12-14 21:59:43",
        "=",
        "<<",
        "<",
        "-",
        "- a",
        "---",
        "--- a",
        "...",
        "? a",
        ":",
        ": a",
        "a: b",
        "a:b",
        "a:",
        " a",
        "a ",
        "a #b",
        "a#b",
        "#a",
        "&a",
        "*a",
        "!a",
        "!!str a",
        "|",
        ">",
        "|-",
        "@a",
        "`a",
        "%a",
        "\"a\"",
        "'a'",
        "it's",
        "a\"b",
        "\\",
        "a\\nb",
        "{a}",
        "[a]",
        "a, b",
        ",",
        "{{ x }}",
        "${x}",
        "é",
        "日本",
        "😀",
        "\u{a0}",
        "a\u{a0}b",
        "x: y\u{2028}z",
        "\u{feff}a",
        "\u{85}",
        "\u{200b}",
        "a\u{202e}b",
        "\u{ad}",
        "\u{fffd}",
        "\u{e000}",
        "\u{10ffff}",
        "null ",
        "1.2.3",
        "::1",
        "10.0.0.0/8",
        "8Gi",
        "$(id)",
        "`id`",
        "*.example.com",
        "infinity",
        "None",
        "١٢٣",
        "ＹＥＳ",
        "key: |",
        "T",
        "f",
    ];

    let mut all: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
    all.extend([
        "x".repeat(2000),
        "word ".repeat(60),
        "é".repeat(500),
        "-".repeat(5),
        "1".repeat(40),
    ]);

    // A small generator of its own: the same strings in every run.
    let alphabet: Vec<char> =
        " \t\n:#-?,[]{}&*!|>'\"%@`~=<.0129_+exobynNtTruUE\\/é😀\u{85}\u{2028}\u{a0}ab"
            .chars()
            .collect();

    let mut state = 7u64;
    for _ in 0..1500 {
        let mut text = String::new();
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        for _ in 0..1 + next() % 12 {
            text.push(alphabet[next() % alphabet.len()]);
        }
        all.push(text);
    }

    all
}

#[test]
fn nasty_strings_are_read_back_by_three_readers() {
    let strings = nasty();
    let documents: Vec<Value> = strings
        .chunks(100)
        .map(|chunk| {
            let keys: serde_json::Map<String, Value> =
                chunk.iter().enumerate().filter(|(_, s)| s.len() < 900).map(|(i, s)| (s.clone(), Value::from(i))).collect();
            serde_json::json!({"kind": "X", "values": chunk, "nested": [[{"a": chunk[0], "b": [chunk[1]]}]], "keys": keys, "n": [1, -2, 1.5, true, null]})
        })
        .collect();

    let text = emit_documents(&documents.iter().map(Into::into).collect::<Vec<_>>());
    for (name, read) in readers(&text) {
        let read = read.as_array().expect("a list");
        assert_eq!(read.len(), documents.len(), "{name}");
        for (wanted, got) in documents.iter().zip(read) {
            for field in ["values", "nested", "keys", "n"] {
                assert_eq!(wanted[field], got[field], "{name}: {field}");
            }
        }
    }

    println!(
        "{} strings, as values and as keys, three readers",
        strings.len()
    );
}

/// A string as a double-quoted YAML scalar in ASCII.
fn quoted(text: &str) -> String {
    let escape = |c: char| match c {
        ' '..='~' if c != '"' && c != '\\' => c.to_string(),
        _ => format!("\\U{:08X}", c as u32),
    };
    format!("\"{}\"", text.chars().map(escape).collect::<String>())
}

/// Where the free text of each kind of sync comes to stand.
static SOURCES: [(&str, &[&str]); 2] = [
    (
        "OCIRepository",
        &[
            "/spec/verify/matchOIDCIdentity/0/issuer",
            "/spec/verify/matchOIDCIdentity/0/subject",
        ],
    ),
    ("Bucket", &["/spec/region"]),
];

fn source_with(i: usize, text: &str) -> String {
    let (text, anchored) = (quoted(text), quoted(&format!("^{text}$")));
    match i % SOURCES.len() {
        0 => format!(
            "oci: {{url: oci://r.example/apps}}, verify: {{cosign: {{issuer: {anchored}, subject: {anchored}}}}}"
        ),
        _ => format!("bucket: {{endpoint: s3.example, name: bucket, region: {text}}}"),
    }
}

/// A user or group of a tenant's own, with a text in its name if a name may hold it.
fn principal(tenant: usize, text: &str) -> String {
    let name = format!("{tenant}{text}");
    match leaf::reason("principal", &name) {
        None => name,
        Some(_) => format!("{tenant}g"),
    }
}

/// A text that is not empty.
fn said(text: &str) -> String {
    if text.is_empty() {
        "x".into()
    } else {
        text.into()
    }
}

/// Fails unless every reader takes a text for the values that we do. The text has more than `least`
/// documents.
#[track_caller]
fn assert_all_readers_agree(text: &str, least: usize) {
    let (documents, faults) = parse_foreign(SourceId(0), &Source::new("rendered", text));
    assert!(
        faults.is_empty() && documents.len() > least,
        "{} documents, {faults:?}",
        documents.len()
    );

    let ours: Vec<Value> = documents
        .iter()
        .map(|document| document.root.to_json())
        .filter(|value| !value.is_null())
        .collect();
    println!("{} documents, three readers", ours.len());

    let ours = Value::Array(ours);
    for (name, read) in readers(text) {
        assert_eq!(ours, read, "{name}");
    }
}

/// The trees of all fixtures: the same values to every reader.
#[test]
fn all_readers_agree_on_the_trees_of_all_fixtures() {
    let mut text = String::new();
    for (name, sandbox) in fixture_fleets() {
        let ran = sandbox.run(&["render"]);
        assert!(ran.code == 0 || name == "design", "{name}: {}", ran.all());
        for (path, bytes) in sandbox.files() {
            if path.starts_with("rendered/") || path.starts_with("clusters/") {
                text.push_str(&format!(
                    "---\n{}",
                    String::from_utf8(bytes).expect("a text")
                ));
            }
        }
    }

    assert_all_readers_agree(&text, 700);
}

#[test]
fn free_text_of_a_tenant_reaches_the_cluster_unchanged() {
    let lines: Vec<String> = nasty()
        .into_iter()
        .filter(|s| !s.chars().any(char::is_control))
        .take(220)
        .collect();

    let sandbox = Sandbox::with(&[(
        "tenants/fleet.yaml",
        "apiVersion: tenantry.dev/v1alpha1\
         \nkind: Fleet\
         \nmetadata: {name: acme}\
         \nspec:\
         \n  tenantMetadata: {annotations: [acme.example/]}\
         \n  clusters: [{name: prod}]\n",
    )]);

    for (i, line) in lines.iter().enumerate() {
        let group = principal(i, line);
        sandbox.write(
            &format!("tenants/t{i}.yaml"),
            format!(
                "apiVersion: tenantry.dev/v1alpha1\
                 \nkind: Tenant\
                 \nmetadata: {{name: t{i}, annotations: {{acme.example/t: {0}}}}}\
                 \nspec:\
                 \n  displayName: {0}\
                 \n  description: {1}\
                 \n  owners: [{{group: {2}}}]\
                 \n  members: [{{user: {2}, role: viewer}}]\
                 \n  namespaces: [{{name: t{i}, annotations: {{acme.example/x: {0}}}}}]\
                 \n  sync: [{{name: s, {3}}}]\n",
                quoted(line),
                quoted(&format!(
                    "{line}\
                     \n\tb\
                     \n{line}"
                )),
                quoted(&group),
                source_with(i, &said(line))
            ),
        );
    }

    sandbox.run(&["render"]).code(0);
    let files = sandbox.files();
    let text: String = files
        .iter()
        .filter(|(path, _)| path.starts_with("rendered/prod/tenants/"))
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .collect();

    for (name, read) in readers(&text) {
        let read = read.as_array().expect("a list");
        for (i, line) in lines.iter().enumerate() {
            let here = format!("t{i}");
            let of = |kind: &str, object: &str| {
                let mut all = read
                    .iter()
                    .filter(|o| o["kind"] == kind && o["metadata"]["name"] == object);
                all.find(|o| o["metadata"]["namespace"] == here.as_str() || kind == "Namespace")
                    .unwrap_or_else(|| panic!("{name}: {kind} {object} of {here}"))
            };

            let namespace = of("Namespace", &here);
            assert_eq!(
                namespace["metadata"]["annotations"]["acme.example/x"],
                line.as_str(),
                "{name}"
            );

            assert_eq!(
                namespace["metadata"]["annotations"]["acme.example/t"],
                line.as_str(),
                "{name}"
            );

            let (kind, pointers) = &SOURCES[i % SOURCES.len()];
            let source = of(kind, "s");

            for pointer in *pointers {
                let wanted = if pointer.contains("verify") {
                    format!("^{}$", said(line))
                } else {
                    said(line)
                };
                assert_eq!(
                    source.pointer(pointer),
                    Some(&Value::from(wanted)),
                    "{name}: {kind} {pointer}"
                );
            }

            assert_eq!(
                namespace["metadata"]["annotations"]["tenantry.dev/display-name"],
                line.as_str(),
                "{name}"
            );

            let description = format!("{line}\n\tb\n{line}");
            assert_eq!(
                namespace["metadata"]["annotations"]["tenantry.dev/description"],
                description.as_str(),
                "{name}"
            );

            let group = principal(i, line);
            for role in ["owner", "viewer"] {
                let subject = &of("RoleBinding", role)["subjects"][0]["name"];
                assert_eq!(*subject, group.as_str(), "{name}");
            }
        }
    }
}

#[test]
fn all_readers_agree_on_the_committed_tree() {
    let mut text = String::new();
    for entry in walkdir::WalkDir::new(root().join("rendered"))
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
    {
        if entry.file_type().is_file() {
            text.push_str(&std::fs::read_to_string(entry.path()).expect("a text"));
        }
    }

    assert_all_readers_agree(&text, 90);
}

//! A manifest that is passed through is read alike by tenantry, by Go's reader and by kustomize, which
//! Flux builds with: forms of YAML at every position, and a tab at every place.

use crate::support::{Ran, Sandbox, pipe, tool, tool_or_say};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;
use tenantry::document::parse_foreign;
use tenantry::source::{Source, SourceId};

/// Plain scalars, and how each can be quoted, that some reader takes for another value or refuses.
const PLAIN: [&str; 78] = [
    "a",
    "a b",
    "?a",
    "a?",
    "a?b",
    "a ? b",
    "?",
    ":a",
    "a:b",
    "a::b",
    "-a",
    "-1",
    "+1",
    "0",
    "1",
    "08",
    "012",
    "0644",
    "0x1F",
    "0X1F",
    "0o7",
    "0b1",
    "1_000",
    "1__",
    "_1",
    "0_",
    "1.5",
    ".5",
    "5.",
    "-0",
    "1e3",
    "1E5",
    "12e03",
    "1e400",
    "0.0",
    ".inf",
    "-.inf",
    ".nan",
    "NaN",
    "inf",
    "~",
    "null",
    "Null",
    "true",
    "TRUE",
    "True",
    "tRue",
    "yes",
    "No",
    "on",
    "OFF",
    "y",
    "N",
    "1:20",
    "12:30:45",
    "2001-12-14",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43",
    "=",
    "<<",
    "99999999999999999999",
    "9223372036854775808",
    "12345678901234567",
    "0.30000000000000004",
    "a#b",
    "a'b",
    "a\"b",
    "a]",
    "a}",
    "*",
    "a\tb",
    "!",
    "!!str 1",
    "!!str a",
    "!a b",
    "%a",
    "@a",
    "`a",
];

/// The forms that a scalar is written in.
fn scalars() -> Vec<String> {
    let mut all: Vec<String> = PLAIN.iter().map(|text| (*text).to_owned()).collect();
    all.extend(
        PLAIN
            .iter()
            .map(|text| format!("'{}'", text.replace('\'', "''"))),
    );

    let escapes = [
        "\\ud800",
        "\\udfff",
        "\\ud83d\\ude00",
        "\\U0000d800",
        "\\U00110000",
        "\\U0001f600",
        "\\e",
        "\\0",
        "\\x00",
        "\\x7f",
        "\\x85",
        "\\x9f",
        "\\_",
        "\\N",
        "\\L",
        "\\P",
        "\\ufeff",
        "\\ufffd",
        "\\ufffe",
        "\\uffff",
        "\\U0001fffe",
        "\\U0010ffff",
        "\\a\\b\\v\\f\\r\\n\\t",
        "\\/",
        "\\ ",
        "\\\\ud800",
        "\\\\/",
    ];
    all.extend(escapes.iter().map(|escape| format!("\"x{escape}y\"")));

    for length in [1000, 1021, 1022, 1023, 1024, 1030] {
        all.extend([
            "a".repeat(length),
            format!("\"{}\"", "é".repeat(length)),
            format!("'{}'", "<".repeat(length / 6)),
            format!("'{}'", "\"".repeat(length / 2)),
        ]);
    }
    all
}

/// The positions of a scalar in `spec`.
const POSITIONS: [&str; 12] = [
    "  @: v\n",
    "  {@: v}\n",
    "  - @: v\n",
    "  ? @\n  : v\n",
    "  a: {b: 1, @: v}\n",
    "  a: @\n",
    "  a: {b: @}\n",
    "  a: {b: @, c: 1}\n",
    "  - @\n",
    "  - - @\n",
    "  [@]\n",
    "  [v, @, w]\n",
];

/// Documents into which a tab is put at every place.
const TABBED: [&str; 6] = [
    "  a: b\n  c:\n    - d\n    - e: f\n      g: h\n    - - i\n",
    "  # one\n  a: {b: c, d: [e, f]} # two\n\n  g: [\n    h,\n    {i: j}\n  ]\n",
    "  a: |\n    b\n\n    c\n  d: |-\n    e\n  f: g\n",
    "  a: 'b\n    c'\n  d: \"e\n    f\"\n",
    "  ? a\n  : b\n  c: d\n    e\n",
    "  - a\n  # one\n  -\n    b: c\n",
];

/// Texts below `spec:` that stand alone.
const WHOLE: [&str; 15] = [
    "  {? : b}\n",
    "  [? b]\n",
    "  [?]\n",
    "  {? a : b}\n",
    "  !!map {a: b}\n",
    "  !!seq [a]\n",
    "  !!str a\n",
    "  !!int 1\n",
    "  !<tag:yaml.org,2002:str> 1\n",
    "  {!!str 1: b}\n",
    "  a: &x b\n",
    "  {a: b}\n...\n",
    "  {mode: 0644, port: 80, on1: \"on\", \"yes\": \"1\", \"1\": 1.5}\n",
    "  a: # ? b\n    {c: d} # ?\n",
    "  a: !!str\n    b\n",
];

/// What comes before the object.
const HEADS: [&str; 7] = [
    "",
    "# a\n",
    "---\n",
    "--- \t\n",
    "%YAML 1.1\n---\n",
    "%TAG ! tag:yaml.org,2002:\n---\n",
    "%TAG !x! tag:yaml.org,2002:\n---\n",
];

fn with_tabs(text: &str) -> Vec<String> {
    let places = 0..=text.len();
    places
        .map(|at| format!("{}\t{}", &text[..at], &text[at..]))
        .collect()
}

/// Every generated object, each with a name of its own.
fn objects() -> Vec<String> {
    let mut specs: Vec<String> = Vec::new();
    for scalar in scalars() {
        specs.extend(
            POSITIONS
                .iter()
                .map(|position| position.replace('@', &scalar)),
        );
    }
    specs.extend(TABBED.iter().flat_map(|text| with_tabs(text)));
    specs.extend(WHOLE.iter().map(|text| (*text).to_owned()));

    let mut all: Vec<String> = Vec::new();
    for spec in specs {
        all.push(object("", all.len(), &spec));
    }
    for head in HEADS {
        for spec in ["  a: b\n", "  a: !str 1\n", "  a: !x!str 1\n"] {
            all.push(object(head, all.len(), spec));
        }
    }
    all
}

fn object(head: &str, number: usize, spec: &str) -> String {
    format!(
        "{head}apiVersion: example.com/v1\nkind: Widget\nmetadata: {{name: w{number}}}\nspec:\n{spec}"
    )
}

/// The value of a text that is passed through; `None` if it is refused.
fn passed_through(text: &str) -> Option<Value> {
    let (documents, faults) = parse_foreign(SourceId(0), &Source::new("m.yaml", text));
    let portable = documents
        .iter()
        .all(|document| document.unportable.is_none());
    match documents.as_slice() {
        [document] if faults.is_empty() && portable => Some(document.root.to_json()),
        _ => None,
    }
}

/// A value without entries that are null: kustomize drops them, and so does the API server.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let kept = entries.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect()
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        // One number has several forms in JSON.
        Value::Number(number) => number.as_f64().into(),
        _ => value.clone(),
    }
}

fn go(args: &[&str], text: &str) -> Vec<Value> {
    let ran = pipe(Command::new(tool("goyaml")).args(args), text).code(0);
    serde_json::from_str(&ran.out).expect("a list")
}

#[test]
fn what_is_passed_through_is_read_alike_by_go_and_kustomize() {
    let Some(kustomize) = tool_or_say("kustomize") else {
        return;
    };

    let all = objects();
    let passed: BTreeMap<usize, Value> = all
        .iter()
        .enumerate()
        .filter_map(|(at, text)| Some((at, passed_through(text)?)))
        .collect();
    let texts: Vec<&str> = passed.keys().map(|at| all[*at].as_str()).collect();
    println!("{} objects, {} pass", all.len(), texts.len());
    assert!(texts.len() > 1000 && all.len() > texts.len() + 500);

    let read = go(
        &["each"],
        &texts
            .iter()
            .map(|text| format!("{text}\0"))
            .collect::<String>(),
    );
    let mut differ: Vec<String> = Vec::new();
    for ((at, ours), theirs) in passed.iter().zip(&read) {
        if without_nulls(ours) != without_nulls(theirs) {
            differ.push(format!("Go: {}\n{ours}\n{theirs}\n", all[*at]));
        }
    }

    let sandbox = Sandbox::new();
    let names = passed.keys().map(|at| format!("- w{at}.yaml\n"));
    sandbox.write(
        "kustomization.yaml",
        format!("resources:\n{}", names.collect::<String>()),
    );
    for at in passed.keys() {
        sandbox.write(&format!("w{at}.yaml"), &all[*at]);
    }
    let built = Command::new(kustomize)
        .arg("build")
        .arg(sandbox.path())
        .output();
    let built = Ran::of(built.expect("kustomize starts")).code(0);

    let built = go(&[], &built.out);
    assert_eq!(built.len(), passed.len());
    for value in &built {
        let name = value["metadata"]["name"].as_str().expect("a name");
        let at: usize = name[1..].parse().expect("a number");
        if without_nulls(&passed[&at]) != without_nulls(value) {
            differ.push(format!(
                "kustomize: {}\n{}\n{value}\n",
                all[at], passed[&at]
            ));
        }
    }
    assert!(differ.is_empty(), "{}", differ.concat());
}

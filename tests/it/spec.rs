//! Documents that are right, and documents that are wrong at a marked place.

use crate::support::{FLEET, compile, files_of, root};
use std::fs;
use tenantry::diagnostic::Level;
use tenantry::source::SourceMap;
use tenantry::spec::schema::{DocumentKind, schema_text};

/// What a file expects: `# ^^^ rule` marks columns of the line above it.
fn expectations(text: &str) -> Vec<(u32, u32, u32, String)> {
    let mut out = Vec::new();
    let mut line = 0;

    for (i, raw) in text.lines().enumerate() {
        let bare = raw.trim_start();
        if let Some(rest) = bare.strip_prefix('#')
            && rest.trim_start().starts_with('^')
        {
            let first = raw.find('^').expect("a caret");
            let width = raw[first..].chars().take_while(|c| *c == '^').count();
            let rule = raw[first + width..].trim().to_owned();
            out.push((line, first as u32 + 1, (first + width) as u32 + 1, rule));
        } else {
            line = i as u32 + 1;
        }
    }

    out
}

/// Every fixture of a folder: its name, and its files.
fn fixtures(folder: &str) -> Vec<(String, Vec<(String, String)>)> {
    let entries = fs::read_dir(root().join(folder)).expect("the fixtures");
    let mut paths: Vec<_> = entries.map(|e| e.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let text = fs::read_to_string(path).expect("a text");
        let files = files_of(&name, &text);
        (name, files)
    };
    paths.iter().map(read).collect()
}

fn found(
    sources: &SourceMap,
    findings: &[tenantry::diagnostic::Diagnostic],
) -> Vec<(String, u32, u32, u32, String)> {
    let mut out: Vec<_> = findings
        .iter()
        .filter(|d| d.level == Level::Error)
        .map(|d| {
            let source = sources.get(d.span.source);
            let (start, end) = (source.position(d.span.start), source.position(d.span.end));
            let end = if end.line == start.line {
                end.column
            } else {
                source.line(start.line).chars().count() as u32 + 1
            };
            (
                source.path.clone(),
                start.line,
                start.column,
                end,
                d.rule.id.to_owned(),
            )
        })
        .collect();

    out.sort();
    out
}

#[test]
fn each_invalid_document_is_refused_where_it_is_marked() {
    let mut faults = Vec::new();
    let mut count = 0;

    for (name, files) in fixtures("fixtures/spec/invalid") {
        let texts: Vec<(&str, &str)> = files
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect();

        let (sources, compiled) = compile(&texts);
        let mut wanted: Vec<_> = files
            .iter()
            .flat_map(|(p, t)| {
                expectations(t)
                    .into_iter()
                    .map(move |(l, c, e, r)| (p.clone(), l, c, e, r))
            })
            .collect();

        wanted.sort();
        let found = found(&sources, &compiled.findings);
        count += wanted.len();
        if wanted.is_empty() || wanted != found {
            faults.push(format!("{name}:\n  wanted {wanted:?}\n  found  {found:?}"));
        }

        for finding in compiled.findings.iter().filter(|d| d.level == Level::Error) {
            assert!(
                !finding.fix.is_empty(),
                "{name}: {} has no fix",
                finding.rule.id
            );
        }
    }

    assert!(faults.is_empty(), "{}", faults.join("\n"));
    println!("{count} marked places");
}

#[test]
fn each_valid_document_is_accepted() {
    for (name, files) in fixtures("fixtures/spec/valid") {
        let texts: Vec<(&str, &str)> = files
            .iter()
            .map(|(p, t)| (p.as_str(), t.as_str()))
            .collect();
        let (sources, compiled) = compile(&texts);
        let found = found(&sources, &compiled.findings);
        assert!(found.is_empty(), "{name}: {found:?}");
        assert!(!compiled.tree.files.is_empty(), "{name} renders nothing");
    }
}

#[test]
fn the_schemas_are_fresh() {
    for kind in DocumentKind::ALL {
        let path = root().join("schemas").join(kind.file());
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == schema_text(kind),
            "{} is stale: run `cargo run -- schema --write schemas`",
            path.display()
        );
    }
}

/// Where a fault lies does not depend on what stands around it, and the text at the place is the
/// text that is quoted.
#[test]
fn a_span_covers_the_quoted_text() {
    use proptest::prelude::*;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(200));
    runner
        .run(
            &("[a-z]{3,12}", "[é日a-z #]{0,20}", 0usize..5, any::<bool>()),
            |(word, comment, lines, crlf)| {
                prop_assume!(
                    ![
                        "owners",
                        "quota",
                        "uuid",
                        "limits",
                        "network",
                        "profile",
                        "clusters",
                        "members",
                        "sync",
                        "floor",
                        "allow",
                        "compat",
                        "requires",
                        "overrides",
                        "manifests",
                        "parameters",
                        "description"
                    ]
                    .contains(&word.as_str())
                );

                let mut text = crate::support::tenant("t", "");
                for _ in 0..lines {
                    text.push_str(&format!("  # {comment}\n"));
                }
                text.push_str(&format!("  {word}: \"é\" # {comment}\n"));
                if crlf {
                    text = text.replace('\n', "\r\n");
                }
                let (sources, compiled) =
                    compile(&[("tenants/fleet.yaml", FLEET), ("tenants/t.yaml", &text)]);
                let finding = compiled
                    .findings
                    .iter()
                    .find(|d| d.rule.id == "spec/unknown-field")
                    .expect("the finding");

                let source = sources.get(finding.span.source);
                prop_assert_eq!(source.slice(finding.span), word.as_str());
                let at = source.position(finding.span.start);
                prop_assert_eq!((at.line as usize, at.column), (7 + lines, 3));

                Ok(())
            },
        )
        .expect("holds");
}

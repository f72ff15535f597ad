//! Findings as SARIF 2.1.0, for code scanning.
//!
//! Source: docs.oasis-open.org/sarif/sarif/v2.1.0, and docs.github.com, "SARIF support for code
//! scanning": columns count characters (`unicodeCodePoints`), paths are relative to the
//! repository's root, and a fingerprint keeps a finding the same one when lines move.

use super::findings::{FindingState, ReportedFinding};
use super::{plain, pretty, rules};
use crate::diagnostic::{Diagnostic, Rule};
use crate::isolation::severity::severity;
use crate::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where the documentation of rules stands.
const DOCS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/");

/// A SARIF document, ended by a newline. `version` is the program's.
pub fn sarif(sources: &SourceMap, findings: &[Diagnostic], version: &str) -> String {
    let rules = rules(findings);
    let results = findings.iter().map(|d| result(sources, d, rules.index(d)));
    rules.document(results.collect(), version)
}

/// The same of a proof: waived findings are suppressed, known ones unchanged.
pub(super) fn sarif_of_proof(
    sources: &SourceMap,
    findings: &[ReportedFinding],
    version: &str,
) -> String {
    let diagnostics: Vec<Diagnostic> = findings.iter().map(|f| f.diagnostic.clone()).collect();
    let rules = rules(&diagnostics);
    let results = findings.iter().map(|finding| {
        let diagnostic = &finding.diagnostic;
        let mut result = result(sources, diagnostic, rules.index(diagnostic));
        match &finding.state {
            FindingState::New => result["baselineState"] = "new".into(),
            FindingState::Known => result["baselineState"] = "unchanged".into(),
            FindingState::Waived(waived) => {
                result["suppressions"] = json!([{
                    "kind": "external", "status": "accepted", "justification": plain(&waived.text()),
                }]);
            }
        }
        result
    });
    rules.document(results.collect(), version)
}

/// The rules of some findings, by id.
struct Rules(BTreeMap<&'static str, &'static Rule>);

fn rules(findings: &[Diagnostic]) -> Rules {
    Rules(findings.iter().map(|d| (d.rule.id, d.rule)).collect())
}

impl Rules {
    fn index(&self, finding: &Diagnostic) -> usize {
        self.0.range(..finding.rule.id).count()
    }

    fn document(&self, results: Vec<Value>, version: &str) -> String {
        let described: Vec<Value> = self.0.values().map(|rule| described(rule)).collect();
        let document = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "tenantry",
                    "version": version,
                    "semanticVersion": version,
                    "informationUri": env!("CARGO_PKG_REPOSITORY"),
                    "rules": described,
                }},
                "columnKind": "unicodeCodePoints",
                "invocations": [{"executionSuccessful": true}],
                "results": results,
            }],
        });

        pretty(&document)
    }
}

/// A rule, with its manual; one of the proof with its severity.
fn described(rule: &Rule) -> Value {
    let manual = rules::manual(rule);
    let headline = manual.split("\n\n").next().unwrap_or_default();
    let headline = headline.replace('\n', " ");
    let area = rule.id.split('/').next().unwrap_or_default();

    let mut properties = json!({"tags": [area, "kubernetes", "multi-tenancy"]});
    if let Some(severity) = severity(rule) {
        properties["tags"] = json!(["security", area, "kubernetes", "multi-tenancy"]);
        properties["security-severity"] = severity.score().into();
        properties["precision"] = "high".into();
    }

    json!({
        "id": rule.id,
        "shortDescription": {"text": headline},
        "help": {"text": manual, "markdown": manual},
        "helpUri": help_uri(rule),
        "defaultConfiguration": {"level": rule.level.name()},
        "properties": properties,
    })
}

/// The page about the rules of a stage.
fn help_uri(rule: &Rule) -> String {
    let page = match rule.module {
        module if module.contains("::isolation::") => "prove.md",
        module if module.contains("::live::") => "verify.md",
        _ => "troubleshooting.md",
    };
    format!("{DOCS}{page}")
}

fn location(sources: &SourceMap, span: Span) -> Value {
    let source = sources.file(span);
    let (start, end) = (
        source.position(span.start),
        source.position(span.end.max(span.start)),
    );
    json!({"physicalLocation": {
        "artifactLocation": {"uri": uri(&source.path)},
        "region": {
            "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
        },
    }})
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=@".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A plain text in which nothing is a link.
///
/// Source: SARIF 2.1.0, 3.11.6 "Messages with embedded links".
fn message(text: &str) -> Value {
    json!({"text": plain(text).replace("](", "] (")})
}

fn result(sources: &SourceMap, finding: &Diagnostic, rule: usize) -> Value {
    let text = match finding.fix.as_str() {
        "" => finding.message.clone(),
        fix => format!("{}. Fix: {fix}", finding.message),
    };

    let mut hasher = blake3::Hasher::new();
    for part in [
        finding.rule.id,
        sources.path(finding.span),
        finding.message.as_str(),
    ] {
        hasher.update(part.as_bytes()).update(&[0]);
    }

    let related: Vec<Value> = finding
        .related
        .iter()
        .enumerate()
        .map(|(at, related)| {
            let mut span = location(sources, related.span);
            span["id"] = at.into();
            span["message"] = message(&related.label);
            span
        })
        .collect();

    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": rule,
        "level": finding.level.name(),
        "message": message(&text),
        "locations": [location(sources, finding.span)],
        "relatedLocations": related,
        "partialFingerprints": {"tenantry/v1": &hasher.finalize().to_hex()[..32]},
    })
}

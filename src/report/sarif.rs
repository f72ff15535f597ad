//! Findings as SARIF 2.1.0, for code scanning.
//!
//! Source: docs.oasis-open.org/sarif/sarif/v2.1.0, and docs.github.com, "SARIF support for code
//! scanning": columns count characters (`unicodeCodePoints`), paths are relative to the
//! repository's root, and a fingerprint keeps a finding the same one when lines move.

use crate::diagnostic::{Diagnostic, Rule};
use crate::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A SARIF document, ended by a newline. `version` is the program's.
pub fn sarif(sources: &SourceMap, findings: &[Diagnostic], version: &str) -> String {
    let rules: BTreeMap<&str, &Rule> = findings.iter().map(|d| (d.rule.id, d.rule)).collect();
    let index: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(at, id)| (*id, at)).collect();
    let described = rules.values().map(|rule| {
        let first = rule
            .doc
            .trim()
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim()
            .replace("\n ", " ");
        json!({
            "id": rule.id,
            "shortDescription": {"text": first},
            "help": {"text": rule.doc.trim(), "markdown": rule.doc.trim()},
            "defaultConfiguration": {"level": rule.level.name()},
        })
    });

    let results: Vec<Value> = findings
        .iter()
        .map(|d| result(sources, d, index[d.rule.id]))
        .collect();

    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "tenantry", "version": version, "rules": described.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true}],
            "results": results,
        }],
    });

    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
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
            span["message"] = json!({"text": related.label});
            span
        })
        .collect();

    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": rule,
        "level": finding.level.name(),
        "message": {"text": text},
        "locations": [location(sources, finding.span)],
        "relatedLocations": related,
        "partialFingerprints": {"tenantry/v1": &hasher.finalize().to_hex()[..32]},
    })
}

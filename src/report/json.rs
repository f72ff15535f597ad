//! Findings as JSON: structs of their own, additive within a major version.

use super::{Counts, count};
use crate::diagnostic::Diagnostic;
use crate::plain::plain_json;
use crate::source::{SourceMap, Span};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FindingsReport<'a> {
    schema_version: u32,
    findings: Vec<FindingReport<'a>>,
    counts: Counts,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FindingReport<'a> {
    rule: &'a str,
    level: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    fix: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    location: LocationReport<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<RelatedReport<'a>>,
}

/// Lines and columns from 1, columns in characters; the end is the character after the last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LocationReport<'a> {
    path: &'a str,
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
}

#[derive(Serialize)]
struct RelatedReport<'a> {
    label: &'a str,
    location: LocationReport<'a>,
}

fn location(sources: &SourceMap, span: Span) -> LocationReport<'_> {
    let source = sources.file(span);
    let (start, end) = (
        source.position(span.start),
        source.position(span.end.max(span.start)),
    );
    LocationReport {
        path: &source.path,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

impl<'a> FindingReport<'a> {
    /// A finding in the form of every report.
    pub(super) fn of(sources: &'a SourceMap, finding: &'a Diagnostic) -> Self {
        Self {
            rule: finding.rule.id,
            level: finding.level.name(),
            message: &finding.message,
            fix: &finding.fix,
            tenant: finding.concerned_tenant(),
            location: location(sources, finding.span),
            related: finding
                .related
                .iter()
                .map(|related| RelatedReport {
                    label: &related.label,
                    location: location(sources, related.span),
                })
                .collect(),
        }
    }
}

/// A JSON document, ended by a newline.
pub fn json(sources: &SourceMap, findings: &[Diagnostic]) -> String {
    let report = FindingsReport {
        schema_version: 1,
        findings: findings
            .iter()
            .map(|finding| FindingReport::of(sources, finding))
            .collect(),
        counts: count(findings),
    };

    pretty(&report)
}

/// A JSON document, ended by a newline. What moves a cursor or commands a CI is an escape in it.
pub fn pretty(value: &impl Serialize) -> String {
    let mut text = plain_json(serde_json::to_string_pretty(value).unwrap_or_default());
    text.push('\n');
    text
}

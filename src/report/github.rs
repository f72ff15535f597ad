//! Findings as workflow commands of GitHub Actions: annotations beside the changed lines.
//!
//! Source: docs.github.com, "Workflow commands for GitHub Actions", and actions/toolkit
//! `command.ts` for the escapes.

use super::{plain, plain_finding};
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::source::SourceMap;
use std::collections::BTreeSet;

/// One line a finding. Where one tenant ends what another relies on, the file of the other has a notice
/// too.
pub fn github(sources: &SourceMap, findings: &[Diagnostic]) -> String {
    let mut out = String::new();
    let mut noticed = BTreeSet::new();
    for finding in findings {
        let finding = &plain_finding(finding);
        let command = match finding.level {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "notice",
        };

        let source = sources.file(finding.span);
        let (start, end) = (
            source.position(finding.span.start),
            source.position(finding.span.end),
        );

        let mut text = finding.message.clone();
        for related in &finding.related {
            text.push_str(&format!(
                "\n{}: {}",
                plain(&sources.locate(related.span)),
                related.label
            ));
        }

        if !finding.fix.is_empty() {
            text.push_str(&format!("\nfix: {}", finding.fix));
        }
        let columns = if start.line == end.line && end.column > start.column {
            format!(",col={},endColumn={}", start.column, end.column)
        } else {
            format!(",col={}", start.column)
        };

        out.push_str(&format!(
            "::{command} file={},line={},endLine={}{columns},title={}::{}\n",
            property(&plain(&source.path)),
            start.line,
            end.line.max(start.line),
            property(finding.rule.id),
            data(&text)
        ));
        if matches!(finding.scope, Scope::TenantInPart(_)) {
            notices(sources, finding, &mut noticed, &mut out);
        }
    }

    out
}

/// A notice at each other file that a finding relates to: one for each line and rule.
fn notices(
    sources: &SourceMap,
    finding: &Diagnostic,
    noticed: &mut BTreeSet<(String, &'static str)>,
    out: &mut String,
) {
    for related in &finding.related {
        let place = plain(&sources.locate(related.span));
        let is_elsewhere = sources.path(related.span) != sources.path(finding.span);
        if !is_elsewhere || !noticed.insert((place, finding.rule.id)) {
            continue;
        }
        let source = sources.file(related.span);
        let start = source.position(related.span.start);
        let text = format!(
            "{}, of the error at {}: {}",
            related.label,
            plain(&sources.locate(finding.span)),
            finding.message
        );
        out.push_str(&format!(
            "::notice file={},line={},endLine={},col={},title={}::{}\n",
            property(&plain(&source.path)),
            start.line,
            start.line,
            start.column,
            property(finding.rule.id),
            data(&text)
        ));
    }
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

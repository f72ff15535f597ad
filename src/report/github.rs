//! Findings as workflow commands of GitHub Actions: annotations beside the changed lines.
//!
//! Source: docs.github.com, "Workflow commands for GitHub Actions", and actions/toolkit
//! `command.ts` for the escapes.

use super::{plain, plain_finding};
use crate::diagnostic::{Diagnostic, Level};
use crate::source::SourceMap;

/// One line a finding.
pub fn github(sources: &SourceMap, findings: &[Diagnostic]) -> String {
    let mut out = String::new();
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
    }

    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

//! Findings for people: miette's frames around our own headline.

use super::{plain, plain_finding};
use crate::diagnostic::{Diagnostic, Level};
use crate::document::quoting::Quotable;
use crate::isolation::severity;
use crate::plain::characters;
use crate::source::{Source, SourceId, SourceMap, Span};
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents,
    SourceCode, SourceSpan, SpanContents,
};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Longest part of a line that is shown, in characters.
const MAX_LINE: usize = 160;
/// Lines shown before and after the place.
const CONTEXT: u32 = 1;

/// Every finding, as text; `color` for a terminal, `width` its columns.
pub fn text(sources: &SourceMap, findings: &[Diagnostic], color: bool, width: usize) -> String {
    let mut out = String::new();
    let mut quotable = QuotableTexts::default();
    for finding in findings {
        one(
            &mut out,
            sources,
            &plain_finding(finding),
            &mut quotable,
            (color, width),
        );
        out.push('\n');
    }
    out
}

/// What may be quoted of each text, as far as it was asked: each is read once.
#[derive(Default)]
struct QuotableTexts(HashMap<SourceId, Quotable>);

impl QuotableTexts {
    /// Whether the lines around some places of one text may be shown.
    fn allow(&mut self, source: &Source, spans: &[(Span, String)]) -> bool {
        let Some((first, last)) = lines_around(source, spans) else {
            return true;
        };
        let id = spans.first().map_or(SourceId(0), |(span, _)| span.source);
        let quotable = self.0.entry(id).or_insert_with(|| Quotable::of(id, source));
        quotable.allows(source.line_start(first), source.line_start(last + 1))
    }
}

fn one(
    out: &mut String,
    sources: &SourceMap,
    finding: &Diagnostic,
    quotable: &mut QuotableTexts,
    (color, width): (bool, usize),
) {
    let mut theme = if color {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };

    let head = format!("{}[{}]:", finding.level.name(), finding.rule.id);
    for slot in [
        &mut theme.characters.error,
        &mut theme.characters.warning,
        &mut theme.characters.advice,
    ] {
        slot.clone_from(&head);
    }

    let mut primary = vec![(finding.span, finding.label.clone())];
    let mut elsewhere = Vec::new();
    // What is of a live cluster has no line.
    let text = |span: Span| !sources.file(span).text.is_empty();

    for related in &finding.related {
        if !text(related.span) {
            elsewhere.push(related.label.clone());
        } else if related.span.source == finding.span.source
            && near(sources, related.span, finding.span)
        {
            primary.push((related.span, related.label.clone()));
        } else {
            elsewhere.push(format!(
                "{}: {}",
                plain(&sources.locate(related.span)),
                related.label
            ));
        }
    }

    let mut help: Vec<String> = elsewhere
        .into_iter()
        .map(|line| format!("see {line}"))
        .collect();

    if let Some(severity) = severity::of(finding) {
        help.push(format!("severity: {}", severity.name()));
    }
    help.extend(finding.notes.iter().cloned());
    if !finding.fix.is_empty() {
        help.push(format!("fix: {}", finding.fix));
    }
    let source = sources.file(finding.span);
    let excerpt = match quotable.allow(source, &primary) {
        true => Excerpt::new(source, &primary),
        false => None,
    };
    let shown = Shown {
        finding,
        excerpt,
        help,
    };

    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_context_lines(1)
        .without_cause_chain()
        .with_show_related_as_nested(false)
        .with_wrap_lines(false);

    // Writing to a String cannot fail.
    let _ = handler.render_report(out, &shown);
    if shown.excerpt.is_none() {
        let place = sources.place(finding.span);
        out.push_str(&format!("   at {}\n", plain(&place)));
    }
}

/// Whether two places fit into one frame.
fn near(sources: &SourceMap, a: Span, b: Span) -> bool {
    let source = sources.get(a.source);
    source
        .position(a.start)
        .line
        .abs_diff(source.position(b.start).line)
        <= 8
}

/// The first and the last line of the excerpt around some places. `None` if the file has no text.
fn lines_around(source: &Source, spans: &[(Span, String)]) -> Option<(u32, u32)> {
    if source.text.is_empty() {
        return None;
    }
    let lines = || {
        spans
            .iter()
            .map(|(span, _)| source.position(span.start).line)
    };
    let first = lines().min()?.saturating_sub(CONTEXT).max(1);
    let last = (lines().max()? + CONTEXT).min(source.line_count());
    Some((first, last))
}

/// The lines around some places, each cut to what can be read, as a text of its own.
#[derive(Debug)]
struct Excerpt {
    path: String,
    text: String,
    first_line: usize,
    /// Line and column of the primary place, from 0.
    at: (usize, usize),
    labels: Vec<LabeledSpan>,
}

impl Excerpt {
    /// Nothing for a file without a text.
    fn new(source: &Source, spans: &[(Span, String)]) -> Option<Self> {
        let (first, last) = lines_around(source, spans)?;
        let line_of = |offset: u32| source.position(offset).line;
        let mut text = String::new();
        let mut labels = Vec::new();

        for number in first..=last {
            let line = source.line(number);
            let start = source.line_start(number);
            let here: Vec<&(Span, String)> = spans
                .iter()
                .filter(|(p, _)| line_of(p.start) == number)
                .collect();

            let focus = here.first().map_or(0, |(p, _)| (p.start - start) as usize);
            let (cut, dropped) = crop(line, focus);
            let shown = plain_line(cut);
            let base = text.len();

            for (span, label) in here {
                let shown_at = |offset: u32| {
                    let at = ((offset - start) as usize).saturating_sub(dropped);
                    plain_line(cut.get(..at).unwrap_or(cut)).len()
                };
                let (from, to) = (shown_at(span.start), shown_at(span.end.max(span.start)));
                let label = (!label.is_empty()).then(|| label.clone());
                let length = to.saturating_sub(from).max(usize::from(from < shown.len()));
                labels.push(LabeledSpan::new(label, base + from, length));
            }

            text.push_str(&shown);
            text.push('\n');
        }

        let at = source.position(spans.first()?.0.start);
        labels.sort_by_key(LabeledSpan::offset);
        Some(Self {
            path: plain(&source.path),
            text,
            first_line: first as usize - 1,
            at: (at.line as usize - 1, at.column as usize - 1),
            labels,
        })
    }
}

/// A line of a file as it is shown. Tabs stay: the frame shows them as spaces.
fn plain_line(line: &str) -> Cow<'_, str> {
    let is_shown = |(c, is_plain): (char, bool)| is_plain || c == '\t';
    if characters(line).all(is_shown) {
        return Cow::Borrowed(line);
    }
    let shown = characters(line).map(|one| if is_shown(one) { one.0 } else { '\u{fffd}' });
    Cow::Owned(shown.collect())
}

/// A part of a line around a byte of it, and how many bytes were cut off before it.
fn crop(line: &str, focus: usize) -> (&str, usize) {
    if line.chars().nth(MAX_LINE).is_none() {
        return (line, 0);
    }
    let before = line[..focus.min(line.len())]
        .char_indices()
        .rev()
        .nth(MAX_LINE / 3)
        .map_or(0, |(i, _)| i);
    let after = line[before..]
        .char_indices()
        .nth(MAX_LINE)
        .map_or(line.len(), |(i, _)| before + i);
    (&line[before..after], before)
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let lines = self.text.lines().count();
        if before == 0 {
            // The frame's head asks without context: where the place is, in the whole file.
            let bytes = &self.text.as_bytes()[span.offset()..span.offset() + span.len()];
            let (line, column) = self.at;
            return Ok(Box::new(MietteSpanContents::new_named(
                self.path.clone(),
                bytes,
                *span,
                line,
                column,
                1,
            )));
        }

        Ok(Box::new(MietteSpanContents::new_named(
            self.path.clone(),
            self.text.as_bytes(),
            (0, self.text.len()).into(),
            self.first_line,
            0,
            lines,
        )))
    }
}

#[derive(Debug)]
struct Shown<'a> {
    finding: &'a Diagnostic,
    excerpt: Option<Excerpt>,
    help: Vec<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.finding.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.finding.level {
            Level::Error => miette::Severity::Error,
            Level::Warning => miette::Severity::Warning,
            Level::Note => miette::Severity::Advice,
        })
    }
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(self.help.join("\n")) as Box<dyn fmt::Display>)
    }
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.excerpt.as_ref().map(|e| e as &dyn SourceCode)
    }
    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.excerpt
            .as_ref()
            .map(|e| Box::new(e.labels.iter().cloned()) as Box<dyn Iterator<Item = LabeledSpan>>)
    }
}

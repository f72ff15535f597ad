//! What other readers make of a manifest's text: Go's YAML reader refuses some of YAML 1.2, and
//! kustomize, which Flux builds with, refuses or changes some of what Go reads.
//!
//! A test inserts such forms at every place of generated documents, and compares with Go's reader and
//! `kustomize build`. What is refused beyond them stands in docs/tenant.md.

use super::NodeValue;
use super::scalar;
use crate::source::{SourceId, Span};
use granit_parser::{ScalarStyle, StructureStyle};

/// The most characters of a key, as kustomize writes it in JSON between two steps: Go's reader takes
/// 1,024 with the quotes.
const MAX_KEY: usize = 1022;

/// A part of a document that other readers take otherwise, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unportable {
    /// The part.
    pub span: Span,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A scalar of a document.
pub(super) struct Scalar<'a> {
    /// Its text, without quotes and escapes.
    pub(super) text: &'a str,
    pub(super) style: ScalarStyle,
    pub(super) is_key: bool,
    pub(super) has_tag: bool,
}

/// Looks for what is unportable in one document after the other.
pub(super) struct Portability<'s> {
    id: SourceId,
    text: &'s str,
    /// The end of the last scalar.
    scalar_end: usize,
    /// Whether each open collection is in flow style, outermost first.
    flow: Vec<bool>,
    first: Option<Unportable>,
}

impl<'s> Portability<'s> {
    pub(super) fn new(id: SourceId, text: &'s str) -> Self {
        Self {
            id,
            text,
            scalar_end: 0,
            flow: Vec::new(),
            first: None,
        }
    }

    /// Takes in a part that is unportable; the first one of a document is kept.
    pub(super) fn found(&mut self, span: Span, reason: &'static str) {
        self.first.get_or_insert(Unportable { span, reason });
    }

    /// Takes in the start of a list or a mapping.
    pub(super) fn start(&mut self, style: StructureStyle) {
        self.flow.push(style == StructureStyle::Flow);
    }

    /// Takes in the end of a list or a mapping.
    pub(super) fn end(&mut self) {
        self.flow.pop();
    }

    /// What is unportable in the document that ends at `end`.
    pub(super) fn take(&mut self, end: usize) -> Option<Unportable> {
        self.between(end);
        self.first.take()
    }

    /// Takes in a scalar.
    pub(super) fn scalar(&mut self, scalar: &Scalar<'_>, span: Span) {
        self.between(span.start as usize);
        self.scalar_end = self.scalar_end.max(span.end as usize);

        let written = self
            .text
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default();
        let is_plain = scalar.style == ScalarStyle::Plain && !scalar.has_tag;
        let found = match scalar.style {
            ScalarStyle::DoubleQuoted => refused_escape(written),
            ScalarStyle::Plain if self.in_flow() => refused_in_flow(written),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let before = &self.text[..(span.start as usize).min(self.text.len())];
                refused_in_block(before, written)
            }
            _ => None,
        };

        let found = found
            .or_else(|| refused_character(scalar.text))
            .or_else(|| is_plain.then(|| ambiguous(scalar.text, scalar.is_key))?)
            .or_else(|| {
                let is_merge = scalar.is_key && scalar.text == "<<";
                is_merge.then_some("the key `<<`: kustomize drops it")
            })
            .or_else(|| {
                let is_long = scalar.is_key && json_length(scalar.text) > MAX_KEY;
                is_long.then_some("a key of more than 1,022 characters: kustomize refuses it")
            });
        if let Some(reason) = found {
            self.found(span, reason);
        }
    }

    fn in_flow(&self) -> bool {
        self.flow.last().is_some_and(|flow| *flow)
    }

    /// Looks at the text between the last scalar and an offset: indentation, indicators, comments.
    fn between(&mut self, end: usize) {
        let start = self.scalar_end;
        let Some(text) = self.text.get(start..end) else {
            return;
        };
        self.scalar_end = end;

        if let Some(at) = indenting_tab(text, start == 0) {
            let reason = "a tab at the start of a line, or after `-`, `?` or `:` there: kustomize refuses it";
            self.found(self.one_byte(start + at), reason);
        }
        if self.in_flow()
            && let Some(at) = text.split('#').next().and_then(|text| text.find('?'))
        {
            let reason = "a `?` between brackets: kustomize refuses it, or reads another value";
            self.found(self.one_byte(start + at), reason);
        }
    }

    fn one_byte(&self, at: usize) -> Span {
        Span {
            source: self.id,
            start: at as u32,
            end: at as u32 + 1,
        }
    }
}

/// The first tab among the white space and indicators that a line begins with. `begins` says whether
/// the text begins with a line.
fn indenting_tab(text: &str, begins: bool) -> Option<usize> {
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if (number > 0 || begins) && !line.starts_with("---") {
            let is_lead = |c: char| " -?:".contains(c);
            let lead = line.len() - line.trim_start_matches(is_lead).len();
            if line[lead..].starts_with('\t') {
                return Some(at + lead);
            }
        }
        at += line.len();
    }
    None
}

/// What Go's reader refuses in a double-quoted scalar, by its escapes.
fn refused_escape(written: &str) -> Option<&'static str> {
    let mut rest = written;
    while let Some((_, after)) = rest.split_once('\\') {
        let mut characters = after.chars();
        match characters.next() {
            Some('/') => return Some("the escape `\\/`, which not every reader knows"),
            Some('u') => {
                let code = after
                    .get(1..5)
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok());
                if code.is_some_and(|code| (0xd800..0xe000).contains(&code)) {
                    return Some("the escape of half a character (\\ud800 to \\udfff)");
                }
            }
            _ => {}
        }
        rest = characters.as_str();
    }
    None
}

/// What Go's reader refuses in a plain scalar between brackets.
fn refused_in_flow(written: &str) -> Option<&'static str> {
    (written.contains('?') || written.starts_with(':'))
        .then_some("an unquoted text with `?`, or that begins with `:`, between brackets")
}

/// What Go's reader refuses in a block scalar: a tab where the first line of text says how deep the
/// block is indented. `before` is the text up to the scalar, which may begin with its indicator.
fn refused_in_block(before: &str, written: &str) -> Option<&'static str> {
    let (header, block) = match written.starts_with(['|', '>']) {
        true => written.split_once('\n')?,
        false => before
            .trim_end_matches(['\n', '\r', ' '])
            .rsplit_once(['|', '>'])?,
    };
    let is_inside = !written.starts_with(['|', '>']);
    let header = if is_inside { block } else { header };
    let header = header.split('#').next().unwrap_or_default();
    if header.contains(|c: char| c.is_ascii_digit()) {
        return None;
    }

    let text = if is_inside { written } else { block };
    let mut starts = text.lines().map(|line| line.trim_start_matches(' '));
    let first = starts.find(|line| !line.is_empty())?;
    first
        .starts_with('\t')
        .then_some("a tab that indents the first line of a block: Go's reader refuses it")
}

/// What kustomize refuses in any text, or changes.
fn refused_character(text: &str) -> Option<&'static str> {
    let is_refused = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    text.contains(is_refused)
        .then_some("a control character or a noncharacter (U+007F to U+009F, U+FFFE, U+FFFF)")
}

/// What kustomize refuses in a plain scalar, or reads otherwise than kubectl.
fn ambiguous(text: &str, is_key: bool) -> Option<&'static str> {
    let kind = scalar::ambiguity(text);
    if is_key {
        let is_string = matches!(scalar::resolve(text), Ok(NodeValue::String(_)));
        let is_safe = is_string && kind.is_none_or(|kind| kind == "a value key");
        return (!is_safe).then_some("a key that is no string: kustomize refuses it (quote it)");
    }
    match kind {
        Some("a boolean") => Some("true or false to kubectl, and a string to Flux (quote it)"),
        Some("a date") => Some("a date, to which Flux adds a time (quote it)"),
        _ => None,
    }
}

/// The number of characters of a text in JSON as Go writes it, without quotes.
fn json_length(text: &str) -> usize {
    let length = |c: char| match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ if c.is_control() => 6,
        _ => 1,
    };
    text.chars().map(length).sum()
}

#[cfg(test)]
mod tests {
    use crate::document::parse_foreign;
    use crate::source::{Source, SourceId};

    #[test]
    fn a_tab_may_stand_in_a_block_but_not_at_its_start() {
        for (text, is_portable) in [
            ("a: |\n  b\n  \tc\n", true),
            ("a: |\n  \tb\n", false),
            ("a: |\n   \tb\n\n    c\nd: e\n", false),
            ("a: >-\n\n  \tb\n", false),
            ("a: |2\n  \tb\n", true),
            ("a: | # |\n  b\n", true),
        ] {
            let (documents, _) = parse_foreign(SourceId(0), &Source::new("m.yaml", text));
            let found = documents.first().and_then(|one| one.unportable.clone());
            assert_eq!(found.is_none(), is_portable, "{text:?}: {found:?}");
        }
    }
}

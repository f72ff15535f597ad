//! Characters that turn the direction in which a text is shown.

use crate::diagnostic::{Diagnostic, rule};
use crate::source::{Source, SourceId, Span};

rule! {
    /// A file holds a character that turns the direction of the text after it.
    ///
    /// ## Why it matters
    /// A reviewer sees the characters of the line in another order than the cluster reads them: a value may look
    /// like a comment.
    /// ## Fix
    /// Remove it. A text that needs it can hold it as an escape in double quotes: `"\u202e"`.
    /// ## References
    /// CVE-2021-42574; trojansource.codes
    pub static TEXT_DIRECTION = "document/text-direction", Warning;
}

/// The first character of a file that turns the direction of the text: an embedding, an override or
/// an isolate. Marks, which right-to-left languages need and which move no other text, are not looked for.
///
/// Source: Unicode Standard Annex 9, "Unicode Bidirectional Algorithm", 2.1 to 2.5.
pub fn turned_text(id: SourceId, source: &Source) -> Option<Diagnostic> {
    let text = source.text.as_str();
    let is_turning = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let start = text.find(is_turning)?;
    let found = text[start..].chars().next()?;
    let span = Span {
        source: id,
        start: start as u32,
        end: (start + found.len_utf8()) as u32,
    };
    let message = format!(
        "the character U+{:04X} turns the direction in which the text after it is shown",
        u32::from(found)
    );
    let fix = "remove it, or write it as an escape in double quotes";
    Some(Diagnostic::new(&TEXT_DIRECTION, span, message).fix(fix))
}

//! Texts that show what they hold. Names come from manifests of anybody, and a terminal or a browser
//! obeys characters that nobody sees.

use unicode_security::MixedScript;
use unicode_security::skeleton;

/// A text that moves no terminal's cursor, turns no reading direction, and begins no line. Each
/// character that would is replaced by U+FFFD.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if is_deceptive(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The reason why a reader may take a name for another one; `None` for a name that is what it looks
/// like.
///
/// Source: Unicode Technical Standard 39, "Unicode Security Mechanisms": skeletons of confusable
/// strings, and mixed scripts.
pub fn disguise(name: &str) -> Option<String> {
    if name.trim() != name {
        return Some("it begins or ends with white space".into());
    }
    let is_unseen = |c: &char| is_deceptive(*c) || (c.is_whitespace() && *c != ' ');
    if let Some(unseen) = name.chars().find(is_unseen) {
        return Some(format!(
            "it holds U+{:04X}, which is not seen",
            u32::from(unseen)
        ));
    }
    if name.is_ascii() {
        return None;
    }

    let skeleton: String = skeleton(name).collect();
    if skeleton.is_ascii() {
        return Some(format!("it looks like `{skeleton}`, in other letters"));
    }
    (!name.is_single_script()).then(|| "it mixes letters of several scripts".into())
}

/// Whether a character is not seen, or changes how others are seen: control characters, directions,
/// zero widths, separators of lines, tags.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

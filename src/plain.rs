//! Texts that show what they hold. Names come from manifests of anybody, and a terminal or a browser
//! obeys characters that nobody sees.

use std::fmt::Write;
use unicode_normalization::{UnicodeNormalization, is_nfkc};
use unicode_script::{Script, UnicodeScript};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// A text that moves no terminal's cursor, turns no reading direction, begins no line, and gives a CI
/// no command. Each character that would is replaced by U+FFFD.
pub fn plain(text: &str) -> String {
    characters(text)
        .map(|(c, is_plain)| if is_plain { c } else { '\u{fffd}' })
        .collect()
}

/// Whether [`plain`] leaves a text as it is.
pub fn is_plain(text: &str) -> bool {
    characters(text).all(|(_, is_plain)| is_plain)
}

/// The characters of a text, each with whether it stands for itself alone. That depends on the
/// characters before it, and on none after it.
///
/// GitHub's runner and Azure's agent obey `##[command]` and `##vso[command]` within a line, TeamCity
/// `##teamcity[command]`: there the bracket does not stand for itself.
///
/// Source: actions/runner, `ActionCommand.cs`, `TryParse`; microsoft/azure-pipelines-agent,
/// `Command.cs`.
pub fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut hashes = 0;
    let mut names_command = false;
    text.chars().map(move |c| {
        let opens_command = c == '[' && hashes > 1;
        match c {
            '#' if names_command => (hashes, names_command) = (1, false),
            '#' => hashes += 1,
            _ if hashes > 1 && (c.is_ascii_alphanumeric() || "-._".contains(c)) => {
                names_command = true;
            }
            _ => (hashes, names_command) = (0, false),
        }
        (c, !opens_command && !is_deceptive(c))
    })
}

/// A text in JSON in which each character of a string that does not stand for itself is an escape:
/// the value is the same.
pub fn plain_json(text: String) -> String {
    let is_kept = |(c, is_plain): (char, bool)| is_plain || c == '\n';
    if characters(&text).all(is_kept) {
        return text;
    }

    let mut out = String::with_capacity(text.len());
    for (c, is_plain) in characters(&text) {
        if is_kept((c, is_plain)) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The reason why a reader may take a name for another one; `None` for a name that is what it looks
/// like.
///
/// Source: Unicode Technical Standard 39, "Unicode Security Mechanisms": skeletons of confusable
/// strings, mixed scripts, and the letters of identifiers.
pub fn disguise(name: &str) -> Option<String> {
    if name.trim() != name {
        return Some("it begins or ends with white space".into());
    }
    let is_unseen = |c: &char| is_deceptive(*c) || (c.is_whitespace() && *c != ' ');
    if let Some(unseen) = name.chars().find(is_unseen) {
        return Some(format!(
            "it holds the invisible character U+{:04X}",
            u32::from(unseen)
        ));
    }
    if name.is_ascii() {
        return None;
    }
    if !is_nfkc(name) {
        let usual: String = name.nfkc().collect();
        return Some(format!("its usual form in Unicode is `{usual}`"));
    }
    let is_unusual = |c: &char| c.is_alphabetic() && !c.identifier_allowed();
    if let Some(unusual) = name.chars().find(is_unusual) {
        return Some(format!(
            "it holds U+{:04X}, a letter that no language of today writes names with",
            u32::from(unusual)
        ));
    }

    // Letters of the Latin script are what they look like: Kjær, Yıldız.
    let is_latin = |c: char| {
        matches!(
            c.script(),
            Script::Latin | Script::Common | Script::Inherited
        )
    };
    let skeleton: String = skeleton(name).collect();
    if skeleton.is_ascii() && !name.chars().all(is_latin) {
        return Some(format!("it looks like `{skeleton}`, in other letters"));
    }
    (!name.is_single_script()).then(|| "it mixes letters of several scripts".into())
}

/// Whether a character is not seen, or changes how others are seen: control characters, directions,
/// zero widths, separators of lines, tags, what is no character.
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
            | '\u{fffe}'..='\u{ffff}'
            | '\u{e0000}'..='\u{e0fff}')
}

//! Texts that show what they hold. Names come from manifests of anybody, and a terminal or a browser
//! obeys characters that nobody sees.

use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;
use unicode_normalization::{UnicodeNormalization, is_nfkc};
use unicode_script::{Script, UnicodeScript};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

/// A text that moves no terminal's cursor, turns no reading direction, begins no line, and gives a CI
/// no command: each character that would is replaced by U+FFFD. No credential is in it.
pub fn plain(text: &str) -> String {
    characters(&without_credentials(text))
        .map(|(c, is_plain)| if is_plain { c } else { '\u{fffd}' })
        .collect()
}

/// Whether [`plain`] leaves a text as it is.
pub fn is_plain(text: &str) -> bool {
    !shows_credential(text) && characters(text).all(|(_, is_plain)| is_plain)
}

/// What stands in an address where its user and password stood.
const NO_CREDENTIAL: &str = "(not shown)";

/// A text without what gives access by itself: the user and the password of an address, the value
/// after `Bearer`, a JSON Web Token, a value that SOPS encrypted.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut copied = 0;
    while let Some(hidden) = credential(text, copied) {
        out.push_str(&text[copied..hidden.start]);
        out.push_str(NO_CREDENTIAL);
        copied = hidden.end;
    }
    match copied {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(out + &text[copied..]),
    }
}

/// Whether [`without_credentials`] leaves something of a text out.
pub fn shows_credential(text: &str) -> bool {
    credential(text, 0).is_some()
}

/// The place of the first credential from a byte on that is not left out already.
fn credential(text: &str, from: usize) -> Option<Range<usize>> {
    let is_end = |c: char| c.is_whitespace() || "\"'`<>()[]{},\\".contains(c);
    let end_of = |start: usize| {
        text[start..]
            .find(is_end)
            .map_or(text.len(), |at| start + at)
    };
    let all = |mark: &'static str| {
        let found = text[from..].match_indices(mark);
        found.map(move |(at, _)| from + at + mark.len())
    };

    let users = all("://").filter_map(|start| {
        let end = end_of(start);
        let host = text[start..end]
            .find(['/', '?', '#'])
            .map_or(end, |at| start + at);
        let at = text[start..host].rfind('@')?;
        Some(start..start + at)
    });
    let tokens = all("Bearer ").map(|start| start..end_of(start));
    let web_tokens = all("eyJ").filter_map(|start| {
        let range = start - 3..end_of(start);
        (text[range.clone()].matches('.').count() == 2).then_some(range)
    });
    let sops = all("ENC[").map(|start| {
        let end = text[start..].find(']');
        start..end.map_or(text.len(), |at| start + at)
    });

    let first = [
        users.filter(|range| !range.is_empty()).next(),
        tokens.filter(|range| !range.is_empty()).next(),
        web_tokens.filter(|range| !range.is_empty()).next(),
        sops.filter(|range| !range.is_empty()).next(),
    ];
    first.into_iter().flatten().min_by_key(|range| range.start)
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
/// the value is the same, but for credentials.
pub fn plain_json(text: String) -> String {
    let text = match without_credentials(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(shown) => shown,
    };
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

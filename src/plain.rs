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
/// after `Bearer` or `Basic`, a JSON Web Token, a value that SOPS encrypted.
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

/// The place of the first credential from a byte on. Each byte is looked at once or twice.
fn credential(text: &str, mut from: usize) -> Option<Range<usize>> {
    let is_end = |c: char| c.is_whitespace() || "\"'`<>()[]{},\\".contains(c);
    let until = |start: usize, is_end: &dyn Fn(char) -> bool| {
        text[start..]
            .find(is_end)
            .map_or(text.len(), |at| start + at)
    };

    loop {
        from = until(from, &|c| matches!(c, ':' | 'B' | 'e' | 'E'));
        let rest = text.get(from..).filter(|rest| !rest.is_empty())?;
        let mut next = from + 1;

        let hidden = if rest.starts_with("://") {
            let start = from + 3;
            let host = until(start, &|c| is_end(c) || "/?#".contains(c));
            let at = text[start..host].rfind('@').unwrap_or(0);
            start..start + at
        } else if rest.starts_with("Bearer ") {
            from + 7..until(from + 7, &is_end)
        } else if rest.starts_with("Basic ") {
            let end = until(from + 6, &is_end);
            from + 6..if is_base64(&text[from + 6..end]) {
                end
            } else {
                from + 6
            }
        } else if rest.starts_with("ENC[") {
            from + 4..until(from + 4, &|c| "]\"\\\n".contains(c))
        } else if rest.starts_with("eyJ") {
            // Nothing else begins within such a word.
            next = until(from, &is_end);
            let is_token = text[from..next].matches('.').count() == 2;
            from..if is_token { next } else { from }
        } else {
            from..from
        };

        let is_left_out = text[hidden.clone()] == *NO_CREDENTIAL;
        if !hidden.is_empty() && !is_left_out {
            return Some(hidden);
        }
        from = next;
    }
}

/// Whether a word may be a user and a password in base64, and is no word such as `auth`.
fn is_base64(word: &str) -> bool {
    let digits = word.trim_end_matches('=');
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
    word.len() >= 8 && word.len().is_multiple_of(4) && digits.bytes().all(is_digit)
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

#[cfg(test)]
mod credential_tests {
    use super::*;

    #[test]
    fn no_credential_stays() {
        for (text, wanted) in [
            (
                "see https://u:p@x.example/a@b ://",
                "see https://(not shown)@x.example/a@b ://",
            ),
            ("a Bearer abc, b", "a Bearer (not shown), b"),
            (
                "Basic YTpiYw==, Basic auth",
                "Basic (not shown), Basic auth",
            ),
            ("ENC[x] ENC[y", "ENC[(not shown)] ENC[(not shown)"),
            ("é eyJh.b.c é eyJ.x", "é (not shown) é eyJ.x"),
            ("https://x.example/a", "https://x.example/a"),
            // The end of a string of JSON ends it.
            ("[\"ENC[a\", \"b\"]", "[\"ENC[(not shown)\", \"b\"]"),
        ] {
            assert_eq!(without_credentials(text), wanted);
            assert_eq!(without_credentials(wanted), wanted, "again");
        }
    }

    #[test]
    fn the_cost_grows_with_the_text() {
        for part in [
            "://",
            "eyJ",
            "ENC[a]",
            "Bearer a ",
            "https://a:b@c ",
            "e",
            ":",
        ] {
            let text = part.repeat((1 << 20) / part.len());
            assert!(
                without_credentials(&text).len() <= 12 * text.len(),
                "{part}"
            );
        }
    }
}

//! YAML out: text that YAML 1.1 and 1.2 readers read back as the same values.
//!
//! A string is written plain only where no reader can take it for anything else; as a literal block
//! where it has lines and nothing in them needs an escape; else in double quotes. Two spaces an
//! indent, lists at their key's indent.

use crate::plain::{characters, is_plain};
use crate::value::{Entry, Value};
use std::fmt::Write;

/// Longest key that is written without the `? ` form: YAML's simple-key limit is 1,024 characters.
const MAX_SIMPLE_KEY: usize = 1000;
static RESERVED: [&str; 11] = [
    "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
];

/// Appends a document, ended by a newline.
pub fn emit(out: &mut String, value: &Value) {
    match value {
        Value::Map(map) if !map.is_empty() => mapping(out, map, 0, false),
        Value::Seq(list) if !list.is_empty() => sequence(out, list, 0),
        _ => {
            inline(out, value, 2);
            out.push('\n');
        }
    }
}

/// Documents, each after a `---` line.
pub fn emit_documents<'a>(documents: impl IntoIterator<Item = &'a Value>) -> String {
    let mut out = String::new();
    for document in documents {
        out.push_str("---\n");
        emit(&mut out, document);
    }
    out
}

fn mapping(out: &mut String, map: &[Entry], indent: usize, mut first_on_line: bool) {
    for (name, value) in map {
        if !first_on_line {
            pad(out, indent);
        }
        first_on_line = false;
        key(out, name, indent);
        out.push(':');

        match value {
            Value::Map(child) if !child.is_empty() => {
                out.push('\n');
                mapping(out, child, indent + 2, false);
            }
            Value::Seq(child) if !child.is_empty() => {
                out.push('\n');
                sequence(out, child, indent);
            }
            _ => {
                out.push(' ');
                inline(out, value, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn sequence(out: &mut String, list: &[Value], indent: usize) {
    for item in list {
        pad(out, indent);
        out.push('-');

        match item {
            Value::Map(child) if !child.is_empty() => {
                out.push(' ');
                mapping(out, child, indent + 2, true);
            }
            Value::Seq(child) if !child.is_empty() => {
                out.push('\n');
                sequence(out, child, indent + 2);
            }
            _ => {
                out.push(' ');
                inline(out, item, indent + 2);
                out.push('\n');
            }
        }
    }
}

fn key(out: &mut String, name: &str, indent: usize) {
    if name.len() <= MAX_SIMPLE_KEY && plain_safe(name) {
        out.push_str(name);
    } else if name.len() > MAX_SIMPLE_KEY {
        out.push_str("? ");
        quoted(out, name);
        out.push('\n');
        pad(out, indent);
    } else {
        quoted(out, name);
    }
}

fn inline(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Number(n) => number(out, &n.to_string()),
        Value::String(s) => string(out, s, indent),
        Value::Seq(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
    }
}

/// PyYAML reads `1e16` as a string: a mantissa with a dot and a signed exponent is a float to
/// everybody.
fn number(out: &mut String, text: &str) {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        out.push_str(text);
        return;
    };
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    out.push('e');
    if !exponent.starts_with(['-', '+']) {
        out.push('+');
    }
    out.push_str(exponent);
}

fn string(out: &mut String, text: &str, indent: usize) {
    if plain_safe(text) {
        out.push_str(text);
    } else if literal_safe(text) {
        literal(out, text, indent);
    } else {
        quoted(out, text);
    }
}

/// Whether every reader reads a text back as this string when it stands without quotes.
fn plain_safe(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !(first.is_ascii_alphabetic() || *first == b'/') || matches!(last, b' ' | b':') {
        return false;
    }
    if text.contains("##") && !is_plain(text) {
        return false;
    }
    let clean = bytes.iter().enumerate().all(|(at, byte)| match byte {
        b':' => bytes.get(at + 1) != Some(&b' '),
        b'#' => bytes[at - 1] != b' ',
        0x20..=0x7e => true,
        _ => false,
    });
    clean && !(bytes.len() <= 5 && RESERVED.iter().any(|word| word.eq_ignore_ascii_case(text)))
}

fn literal_safe(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && text.split('\n').all(|line| {
            !line.ends_with([' ', '\t'])
                // GitHub's runner obeys a line that begins so.
                && !line.trim_start().starts_with("::")
                && characters(line)
                    .all(|(c, is_plain)| c == '\t' || is_plain && !needs_escape(c))
        })
}

fn literal(out: &mut String, text: &str, indent: usize) {
    let body = text.trim_end_matches('\n');
    let newlines = text.len() - body.len();
    out.push_str(match newlines {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });

    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
    }

    for _ in 1..newlines {
        out.push('\n');
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for (c, is_plain) in characters(text) {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if !is_plain || needs_escape(c) => {
                let code = c as u32;
                // Writing to a String cannot fail.
                let _ = match code {
                    0..=0xff => write!(out, "\\x{code:02X}"),
                    0x100..=0xffff => write!(out, "\\u{code:04X}"),
                    _ => write!(out, "\\U{code:08X}"),
                };
            }
            c => out.push(c),
        }
    }

    out.push('"');
}

/// Characters that readers drop, fold or break lines at, beside those that are not plain: private
/// use, non-characters.
fn needs_escape(c: char) -> bool {
    let code = c as u32;
    matches!(code,
        0..=0x1f | 0x7f..=0x9f | 0xad | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff
        | 0xfff0..=0xffff | 0xe000..=0xf8ff | 0xe0000..=0xe0fff | 0xfdd0..=0xfdef | 0xf0000..=0x10ffff)
        || code & 0xfffe == 0xfffe
}

fn pad(out: &mut String, indent: usize) {
    const SPACES: &str = "                                                                ";
    let mut left = indent;
    while left > SPACES.len() {
        out.push_str(SPACES);
        left -= SPACES.len();
    }
    out.push_str(&SPACES[..left]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use crate::source::{Source, SourceId};
    use proptest::prelude::*;
    use serde_json::json;

    fn read_back(value: &serde_json::Value) -> serde_json::Value {
        let mut text = String::new();
        emit(&mut text, &value.into());
        let source = Source::new("t", text.clone());
        let (documents, faults) = parse(SourceId(0), &source);
        assert!(faults.is_empty(), "{text}\n{faults:?}");
        documents[0].root.to_json()
    }

    #[test]
    fn traps_are_quoted() {
        let mut out = String::new();
        let value = json!({"a": "yes", "b": "012", "c": "x: y", "d": "plain", "e": "1\n2\n", "f": {}, "g": [[1]]});
        emit(&mut out, &Value::from(&value));
        assert_eq!(
            out,
            "a: \"yes\"\nb: \"012\"\nc: \"x: y\"\nd: plain\ne: |\n  1\n  2\nf: {}\ng:\n-\n  - 1\n"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_written_is_read_back(text in "[ -~\n\t\u{85}é日#:\\-'\"\u{feff}\u{2028}]{0,40}", key in "[ -~\n]{1,30}") {
            let value = json!({"v": text.clone(), "l": [text.clone(), {"x": text}], key: 1});
            prop_assert_eq!(read_back(&value), value);
        }
    }
}

//! What may be quoted of a document: by an excerpt, a message, `diff` or `show`.
//!
//! Of a Secret its identity alone; of other objects no text of SOPS, no last-applied annotation, and
//! no value that looks like a credential; of a text that cannot be read nothing, unless it says that
//! it is a spec of a fleet and nothing in it looks like a Secret.

use super::{Document, TreeValue, View};
use crate::plain::{shows_credential, without_credentials};
use crate::source::{Source, SourceId, Span};
use serde_json::Value;

/// What stands where a value is not quoted.
pub const NOT_SHOWN: &str = "(not shown)";

/// What a text has that may hold a Secret, other than the word itself. An escape may write any word.
static MARKS: [&str; 9] = [
    "stringData",
    "ENC[",
    "sops",
    "last-applied-configuration",
    "PRIVATE KEY",
    "!!",
    "\\x",
    "\\u",
    "\\U",
];

/// What the name of a field ends with, without its punctuation, whose value is a credential.
static CREDENTIALS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "sharedkey",
    "accountkey",
    "credential",
    "credentials",
    "connectionstring",
    "dsn",
];

/// Whether a text that cannot be read as YAML may be quoted.
pub fn may_quote_unread(text: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric();
    let names_secret = || {
        text.match_indices("Secret").any(|(at, word)| {
            let (before, after) = (&text[..at], &text[at + word.len()..]);
            !before.ends_with(is_letter) && !after.starts_with(is_letter)
        })
    };
    text.contains("tenantry.dev")
        && !MARKS.iter().any(|mark| text.contains(mark))
        && !names_secret()
}

/// Whether a line of a text looks as if it gave a credential a value.
pub fn is_credential_line(line: &str) -> bool {
    let ends = line.match_indices([':', '=']).map(|(at, _)| at);
    let mut names = ends.map(|at| {
        let name = line[..at].trim_end_matches(|c: char| "\"' \t".contains(c));
        let is_end = |c: char| !(c.is_alphanumeric() || "-_.".contains(c));
        name.rsplit(is_end).next().unwrap_or_default()
    });
    shows_credential(line) || line.contains("ENC[") || names.any(names_credential)
}

/// Whether a field of a name holds a credential, as its name says.
pub fn names_credential(name: &str) -> bool {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    CREDENTIALS.iter().any(|end| name.ends_with(end)) || name.contains("password")
}

/// Whether a report must leave a string out because of the string itself. The name of the field does
/// not count.
fn hides_text(text: &str) -> bool {
    let names_secret = || text.contains("kind") && text.contains("Secret");
    text.contains("ENC[")
        || text.contains("PRIVATE KEY")
        || shows_credential(text)
        || names_secret()
}

/// Whether an object is a Secret, or one that SOPS encrypted.
pub fn is_secret<T: TreeValue>(object: &T) -> bool {
    let kind = object.member("kind").and_then(T::text);
    kind == Some("Secret") || object.member("sops").is_some()
}

/// Whether an object is a Secret, or holds one, as a List does.
pub fn holds_secret<T: TreeValue>(object: &T) -> bool {
    match object.view() {
        View::Map(entries) => {
            is_secret(object) || entries.iter().any(|entry| holds_secret(T::split(entry).1))
        }
        View::Seq(items) => items.iter().any(holds_secret),
        _ => false,
    }
}

/// What a value stands in.
#[derive(Clone, Copy)]
enum Around<'k> {
    /// A mapping or a list that is quoted, and the name of the field.
    Field(&'k str),
    /// The metadata of a Secret.
    Metadata,
}

/// What decides how the values of a mapping are quoted. It is found once for all its keys.
struct Mapping<'k> {
    around: Around<'k>,
    is_secret: bool,
    /// Whether its `name` says that its `value` is a credential.
    names_credential: bool,
}

impl<'k> Mapping<'k> {
    fn new<T: TreeValue>(mapping: &T, around: Around<'k>) -> Self {
        let name = mapping.member("name").and_then(T::text);
        Self {
            around,
            is_secret: is_secret(mapping),
            names_credential: name.is_some_and(names_credential),
        }
    }

    /// How the value of a key is quoted; `None` if it is not.
    fn around<'e, T: TreeValue>(&self, key: &'e str, value: &T) -> Option<Around<'e>> {
        if let Around::Metadata = self.around {
            return matches!(key, "name" | "namespace").then_some(Around::Field(key));
        }
        if self.is_secret {
            return match key {
                "apiVersion" | "kind" => Some(Around::Field(key)),
                "metadata" => Some(Around::Metadata),
                _ => None,
            };
        }
        if key == "stringData" || key.ends_with("last-applied-configuration") {
            return None;
        }

        let is_credential = names_credential(key) || key == "value" && self.names_credential;
        let is_open = matches!(
            value.view(),
            View::Map(_) | View::Seq(_) | View::Bool(_) | View::Null
        );
        (is_open || !is_credential).then_some(Around::Field(key))
    }
}

/// Whether an item or a value of a field is not quoted by itself.
fn is_hidden<T: TreeValue>(value: &T, around: Around<'_>, is_item: bool) -> bool {
    let Around::Field(key) = around else {
        return false;
    };
    match value.view() {
        View::String(text) => hides_text(text) || is_item && names_credential(key),
        _ => false,
    }
}

/// An object as it may be quoted: what is not shown is replaced. Of a kind that is not `is_known` the
/// names of fields are shown, and its identity.
pub fn quotable<T: TreeValue>(object: &T, is_known: bool) -> Value {
    let View::Map(entries) = object.view() else {
        return copy(object, Around::Field(""), false, is_known);
    };
    let mapping = Mapping::new(object, Around::Field(""));
    let entry = |entry| {
        let (key, value) = T::split(entry);
        let is_identity = matches!(key, "apiVersion" | "kind" | "metadata");
        let copied = match mapping.around(key, value) {
            _ if !is_known && matches!(key, "data" | "binaryData") => NOT_SHOWN.into(),
            Some(around) => copy(value, around, false, is_known || is_identity),
            None => NOT_SHOWN.into(),
        };
        (key.to_owned(), copied)
    };
    Value::Object(entries.iter().map(entry).collect())
}

fn copy<T: TreeValue>(value: &T, around: Around<'_>, is_item: bool, is_known: bool) -> Value {
    match value.view() {
        View::Map(entries) => {
            let mapping = Mapping::new(value, around);
            let entry = |entry| {
                let (key, inner) = T::split(entry);
                let copied = mapping.around(key, inner);
                let copied = copied.map(|around| copy(inner, around, false, is_known));
                (key.to_owned(), copied.unwrap_or_else(|| NOT_SHOWN.into()))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
        View::Seq(items) => {
            let items = items.iter();
            items
                .map(|item| copy(item, around, true, is_known))
                .collect()
        }
        _ if !is_known || is_hidden(value, around, is_item) => NOT_SHOWN.into(),
        _ => value.to_json(),
    }
}

/// The parts of a document that are not quoted: its places.
pub fn hidden_spans(document: &Document) -> Vec<Span> {
    let mut spans = Vec::new();
    match holds_secret(&document.root) {
        true => spans.push(document.raw),
        false => add_hidden(&document.root, Around::Field(""), false, &mut spans),
    }
    spans
}

fn add_hidden<T: TreeValue>(value: &T, around: Around<'_>, is_item: bool, spans: &mut Vec<Span>) {
    match value.view() {
        View::Map(entries) => {
            let mapping = Mapping::new(value, around);
            for (key, inner) in entries.iter().map(T::split) {
                match mapping.around(key, inner) {
                    Some(around) => add_hidden(inner, around, false, spans),
                    None => spans.extend(inner.span()),
                }
            }
        }
        View::Seq(items) => {
            let items = items.iter();
            items.for_each(|item| add_hidden(item, around, true, spans));
        }
        _ if is_hidden(value, around, is_item) => spans.extend(value.span()),
        _ => {}
    }
}

/// Which places of a text may be quoted.
#[derive(Debug)]
pub enum Quotable {
    /// None.
    Nothing,
    /// All but these.
    AllBut(Vec<Span>),
}

impl Quotable {
    /// Which places of a source may be quoted.
    pub fn of(id: SourceId, source: &Source) -> Self {
        let (documents, faults) = super::parse_foreign(id, source);
        let mut hidden = match faults.is_empty() {
            true => documents.iter().flat_map(hidden_spans).collect(),
            false if may_quote_unread(&source.text) => Vec::new(),
            false => return Self::Nothing,
        };

        let lines = 1..=source.line_count();
        let of_credentials = lines.filter(|line| is_credential_line(source.line(*line)));
        hidden.extend(of_credentials.map(|line| Span {
            source: id,
            start: source.line_start(line),
            end: source.line_start(line + 1),
        }));
        Self::AllBut(hidden)
    }

    /// Whether some bytes may be quoted: whole lines of the text.
    pub fn allows(&self, start: u32, end: u32) -> bool {
        let Self::AllBut(hidden) = self else {
            return false;
        };
        let is_apart = |span: &Span| span.end <= start || end <= span.start;
        hidden.iter().all(is_apart)
    }
}

/// A value of a field as a message quotes it.
pub fn quoted(key: &str, text: &str) -> String {
    match names_credential(key) || hides_text(text) {
        true => NOT_SHOWN.to_owned(),
        false => without_credentials(text).into_owned(),
    }
}

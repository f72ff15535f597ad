//! The types of the fields of Kubernetes' kinds, and which fields each minor has.
//!
//! `tests/control-plane/schema.py` writes the table from the OpenAPI document of each minor, with every
//! API version on. A value is read as the server reads JSON: null stands for an absent value, and a
//! number without a fraction for an integer.

use super::field::{Field, whole};
use super::minors::{self, MinorRange};
use super::{Checked, Refusal, RefusedBy};
use crate::document::{TreeValue, View};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, OnceLock};

/// The name of the type of an object's metadata.
const METADATA: &str = "meta.v1.ObjectMeta";

/// The type of a field.
enum Type {
    Text,
    Bool,
    Int32,
    Int64,
    Number,
    Quantity,
    IntOrString,
    Time,
    Bytes,
    Any,
    List(Box<Type>),
    Map(Box<Type>),
    Object(&'static str),
}

/// A field of a type of objects.
struct Declared {
    value: Type,
    minors: MinorRange,
}

/// The fields of an object, by name.
type Fields = BTreeMap<&'static str, Declared>;

/// A type of objects. Most are never asked for, so that their fields are read on first use.
struct ObjectType {
    text: &'static str,
    fields: OnceLock<Fields>,
}

impl ObjectType {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            fields: OnceLock::new(),
        }
    }

    fn fields(&self) -> &Fields {
        self.fields.get_or_init(|| {
            let words = self.text.split(' ');
            words
                .filter_map(|word| {
                    let (name, text) = word.split_once(':')?;
                    let (text, minors) = MinorRange::split(text);
                    let value = Type::parse(text);
                    Some((name, Declared { value, minors }))
                })
                .collect()
        })
    }
}

/// A kind in one version.
struct Kind {
    /// The name of its type.
    name: &'static str,
    minors: MinorRange,
}

#[derive(Default)]
struct Schema {
    /// By apiVersion and kind.
    kinds: BTreeMap<(&'static str, &'static str), Kind>,
    /// What is sent to an API server, or read from it, and never applied: by apiVersion and kind.
    requests: BTreeSet<(&'static str, &'static str)>,
    /// Kubernetes' own groups.
    groups: BTreeSet<&'static str>,
    types: BTreeMap<&'static str, ObjectType>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    let lines = include_str!("schema.txt").lines();

    for line in lines.filter(|line| !line.starts_with('#')) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if !["kind", "request"].contains(&first) {
            schema.types.insert(first, ObjectType::new(rest));
            continue;
        }
        let mut words = rest.split(' ');
        let (Some(version), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        schema.groups.insert(group);
        match words.next() {
            Some(text) => {
                let (name, minors) = MinorRange::split(text);
                schema.kinds.insert((version, kind), Kind { name, minors });
            }
            None => {
                schema.requests.insert((version, kind));
            }
        }
    }
    schema
});

impl Type {
    fn parse(text: &'static str) -> Self {
        match text {
            "string" => Self::Text,
            "bool" => Self::Bool,
            "int32" => Self::Int32,
            "int64" => Self::Int64,
            "number" => Self::Number,
            "quantity" => Self::Quantity,
            "intOrString" => Self::IntOrString,
            "time" => Self::Time,
            "bytes" => Self::Bytes,
            "any" => Self::Any,
            _ => match (text.strip_prefix('['), text.strip_prefix('{')) {
                (Some(item), _) => Self::List(Box::new(Self::parse(item))),
                (_, Some(value)) => Self::Map(Box::new(Self::parse(value))),
                _ => Self::Object(text),
            },
        }
    }

    /// What a value of the type is called.
    const fn noun(&self) -> &'static str {
        match self {
            Self::Text => "a string (quote it)",
            Self::Bool => "true or false",
            Self::Int32 | Self::Int64 => "a whole number",
            Self::Number => "a number",
            Self::Quantity => "a quantity such as 500m or 8Gi",
            Self::IntOrString => "a whole number or a string",
            Self::Time => "a time such as 2026-11-30T10:00:00Z",
            Self::Bytes => "base64",
            Self::Any => "any value",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Object(_) => "a mapping",
        }
    }
}

/// Whether a group is one of Kubernetes' own, all of whose kinds are in the table.
pub(super) fn is_own_group(group: &str) -> bool {
    SCHEMA.groups.contains(group)
}

/// Kubernetes' own groups.
#[cfg(test)]
pub(super) fn own_groups() -> impl Iterator<Item = &'static str> {
    SCHEMA.groups.iter().copied()
}

/// Whether a kind is a request or a report of the API server, such as an Eviction, which has no
/// operation that applies it.
pub(super) fn is_request(api_version: &str, kind: &str) -> bool {
    SCHEMA.requests.contains(&(api_version, kind))
}

/// The minors that serve a kind of Kubernetes' own in a version; `None` if no minor that is known does.
pub(super) fn minors_of(api_version: &str, kind: &str) -> Option<MinorRange> {
    let kind = SCHEMA.kinds.get(&(api_version, kind))?;
    Some(kind.minors)
}

/// A check of fields on servers of one minor, or of any if it is not known.
pub(super) struct FieldCheck {
    minor: Option<u32>,
    /// The first field that the kind does not have.
    pub(super) unknown: Option<Box<Refusal>>,
}

impl FieldCheck {
    pub(super) const fn new(minor: Option<u32>) -> Self {
        Self {
            minor,
            unknown: None,
        }
    }

    /// Checks the types of an object's fields; of a kind that is not Kubernetes' own, those of its
    /// metadata.
    pub(super) fn check<T: TreeValue>(
        &mut self,
        api_version: &str,
        kind: &str,
        root: &Field<'_, T>,
    ) -> Checked {
        let kind = SCHEMA.kinds.get(&(api_version, kind));
        match kind.and_then(|kind| SCHEMA.types.get(kind.name)) {
            Some(known) => self.check_fields(root, known.fields()),
            None => self.check_value(&root.child("metadata"), &Type::Object(METADATA)),
        }
    }

    fn check_fields<T: TreeValue>(&mut self, field: &Field<'_, T>, fields: &Fields) -> Checked {
        for (key, value) in field.entries() {
            match fields.get(key) {
                Some(declared) if declared.minors.has(self.minor) => {
                    self.check_value(&value, &declared.value)?;
                }
                declared => self.add_unknown(&value, declared),
            }
        }
        Ok(())
    }

    fn add_unknown<T: TreeValue>(&mut self, value: &Field<'_, T>, declared: Option<&Declared>) {
        if self.unknown.is_some() {
            return;
        }
        let minors = declared.map(|declared| declared.minors);
        let mut reason = format!(
            "is no field of this kind in {}",
            minors::describe(self.minor)
        );
        if let Some(minors) = minors {
            reason.push_str(&format!("; {minors}"));
        }
        let mut refusal = value.refusal(RefusedBy::StrictClients, reason);
        refusal.minors = minors;
        self.unknown = Some(refusal);
    }

    fn check_value<T: TreeValue>(&mut self, field: &Field<'_, T>, kind: &Type) -> Checked {
        let Some(view) = field.view() else {
            return Ok(());
        };

        let fits = match (kind, view) {
            (Type::Any, _) | (_, View::Null) => true,
            (Type::List(item), View::Seq(_)) => {
                for one in field.items() {
                    self.check_value(&one, item)?;
                }
                true
            }
            (Type::Map(value), View::Map(_)) => {
                for (_, one) in field.entries() {
                    self.check_value(&one, value)?;
                }
                true
            }
            (Type::Object(name), View::Map(_)) => match SCHEMA.types.get(name) {
                Some(known) => return self.check_fields(field, known.fields()),
                None => true,
            },
            (Type::Text, View::String(_)) | (Type::Bool, View::Bool(_)) => true,
            (Type::Number | Type::Quantity, View::Number(_)) => true,
            (Type::Int32 | Type::IntOrString, View::Number(number)) => {
                whole(number).is_some_and(|number| i32::try_from(number).is_ok())
            }
            (Type::Int64, View::Number(number)) => whole(number).is_some(),
            (Type::IntOrString, View::String(_)) => true,
            (Type::Quantity, View::String(text)) => is_quantity(text),
            (Type::Time, View::String(text)) => is_time(text),
            (Type::Bytes, View::String(text)) => is_base64(text),
            // Go reads a list of numbers as bytes too.
            (Type::Bytes, View::Seq(_)) => field.items().all(|byte| byte.number().is_some()),
            _ => false,
        };

        match fits {
            true => Ok(()),
            false => field.refuse(format!("must be {}", kind.noun())),
        }
    }
}

/// Whether a text is a quantity: a number, and a suffix or an exponent.
fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 16] = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let suffix = unsigned.trim_start_matches(is_number);
    let number = &unsigned[..unsigned.len() - suffix.len()];
    let is_exponent = || {
        let digits = suffix.strip_prefix(['e', 'E']);
        digits.is_some_and(|digits| digits.parse::<i32>().is_ok())
    };

    number.contains(|c: char| c.is_ascii_digit())
        && number.matches('.').count() <= 1
        && (SUFFIXES.contains(&suffix) || is_exponent())
}

/// Whether a text has the form of a time of RFC 3339.
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes[..19].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            10 => *byte == b'T',
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
}

/// Whether a text is base64 with padding; line breaks do not count.
fn is_base64(text: &str) -> bool {
    let bytes: Vec<u8> = text.bytes().filter(|b| !b"\r\n".contains(b)).collect();
    let end = bytes.iter().position(|byte| *byte == b'=');
    let (data, padding) = bytes.split_at(end.unwrap_or(bytes.len()));

    bytes.len().is_multiple_of(4)
        && padding.len() <= 2
        && padding.iter().all(|byte| *byte == b'=')
        && data
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte))
}

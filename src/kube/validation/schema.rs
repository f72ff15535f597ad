//! The types of the fields of Kubernetes' kinds, and which fields there are.
//!
//! The table is written from the OpenAPI document of an API server by `tests/control-plane/schema.py`.
//! A value is read as the server reads JSON: null stands for an absent value, and a number without a
//! fraction for an integer.

use super::field::{Field, whole};
use super::{Checked, Refusal, RefusedBy};
use crate::document::{TreeValue, View};
use std::collections::BTreeMap;
use std::sync::LazyLock;

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

/// The fields of an object, by name.
type Fields = BTreeMap<&'static str, Type>;

#[derive(Default)]
struct Schema {
    /// The name of the type of each kind, by apiVersion and kind.
    kinds: BTreeMap<(&'static str, &'static str), &'static str>,
    types: BTreeMap<&'static str, Fields>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = Schema::default();
    let lines = include_str!("schema.txt").lines();

    for line in lines.filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let first = words.next().unwrap_or_default();
        if first == "kind" {
            if let (Some(version), Some(kind), Some(name)) =
                (words.next(), words.next(), words.next())
            {
                schema.kinds.insert((version, kind), name);
            }
            continue;
        }
        let fields = words.filter_map(|word| word.rsplit_once(':'));
        let fields = fields.map(|(name, text)| (name, Type::parse(text)));
        schema.types.insert(first, fields.collect());
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

/// Checks the types of an object's fields. `None` if the kind is not Kubernetes' own. The first field
/// that the kind does not have is put into `unknown`.
pub(super) fn check<T: TreeValue>(
    api_version: &str,
    kind: &str,
    root: &Field<'_, T>,
    unknown: &mut Option<Box<Refusal>>,
) -> Option<Checked> {
    let name = SCHEMA.kinds.get(&(api_version, kind))?;
    let fields = SCHEMA.types.get(name)?;
    Some(check_fields(root, fields, unknown))
}

/// Whether an API server of the newest minor serves a kind of Kubernetes' own in a version.
pub(super) fn has(api_version: &str, kind: &str) -> bool {
    SCHEMA.kinds.contains_key(&(api_version, kind))
}

/// Checks the types of the metadata of an object of any kind.
pub(super) fn check_metadata<T: TreeValue>(
    root: &Field<'_, T>,
    unknown: &mut Option<Box<Refusal>>,
) -> Checked {
    check_value(&root.child("metadata"), &Type::Object(METADATA), unknown)
}

fn check_fields<T: TreeValue>(
    field: &Field<'_, T>,
    fields: &Fields,
    unknown: &mut Option<Box<Refusal>>,
) -> Checked {
    for (key, value) in field.entries() {
        match fields.get(key) {
            Some(kind) => check_value(&value, kind, unknown)?,
            None if unknown.is_none() => {
                let reason = "is no field of this kind";
                *unknown = Some(value.refusal(RefusedBy::StrictClients, reason));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_value<T: TreeValue>(
    field: &Field<'_, T>,
    kind: &Type,
    unknown: &mut Option<Box<Refusal>>,
) -> Checked {
    let Some(view) = field.view() else {
        return Ok(());
    };

    let fits = match (kind, view) {
        (Type::Any, _) | (_, View::Null) => true,
        (Type::List(item), View::Seq(_)) => {
            for one in field.items() {
                check_value(&one, item, unknown)?;
            }
            true
        }
        (Type::Map(value), View::Map(_)) => {
            for (_, one) in field.entries() {
                check_value(&one, value, unknown)?;
            }
            true
        }
        (Type::Object(name), View::Map(_)) => match SCHEMA.types.get(name) {
            Some(fields) => return check_fields(field, fields, unknown),
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

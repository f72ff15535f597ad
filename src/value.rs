//! The values that templates see and make: cheap to copy, small, in the order they were written.
//!
//! Ten thousand tenants have some ten million of them. A copy shares what it copies, keys that
//! stand in our code are not allocated, and a mapping is a list, since few have more than ten
//! entries.

use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::{Number, Value as Json};
use std::sync::Arc;

/// A text: up to 23 bytes inline, longer ones shared.
pub use smol_str::SmolStr as Text;

/// A value of JSON's kinds.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// Null.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Text),
    /// A list.
    Seq(Arc<[Value]>),
    /// A mapping: no key stands twice.
    Map(Arc<[Entry]>),
}

/// A key and its value.
pub type Entry = (Text, Value);

/// A mapping of [`Value`]s: `map! { "kind" => "Group", "name" => name }`. The keys are constants,
/// each once.
macro_rules! map {
    ($($key:expr => $value:expr),* $(,)?) => {
        $crate::value::Value::Map(std::sync::Arc::new([$(
            ($crate::value::Text::new_static($key), $crate::value::Value::from($value))
        ),*] as [$crate::value::Entry; _]))
    };
}
/// A list of [`Value`]s.
macro_rules! list {
    ($($item:expr),* $(,)?) => {
        $crate::value::Value::Seq(std::sync::Arc::new([$($crate::value::Value::from($item)),*] as [$crate::value::Value; _]))
    };
}
pub(crate) use {list, map};

impl Value {
    /// Whether the value is null.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a string; `None` for another value.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The items of a list; empty for another value.
    pub fn items(&self) -> &[Self] {
        if let Self::Seq(items) = self {
            items
        } else {
            &[]
        }
    }

    /// The entries of a mapping; empty for another value.
    pub fn entries(&self) -> &[Entry] {
        if let Self::Map(entries) = self {
            entries
        } else {
            &[]
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()
            .iter()
            .find(|(one, _)| one == key)
            .map(|(_, value)| value)
    }

    /// The value at a path of keys; null if there is none.
    pub fn at(&self, path: &[&str]) -> &Self {
        const NOTHING: &Value = &Value::Null;
        path.iter()
            .try_fold(self, |value, key| value.get(key))
            .unwrap_or(NOTHING)
    }

    /// The value of a key, to be changed. Copies that share it keep the old value.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Self::Map(entries) = self else {
            return None;
        };
        let at = entries.iter().position(|(one, _)| one == key)?;
        Some(&mut Arc::make_mut(entries)[at].1)
    }

    /// Changes the entries of a mapping. Null counts as an empty mapping; another value does not
    /// change.
    pub fn change(&mut self, how: impl FnOnce(&mut Vec<Entry>)) {
        let mut entries = match self {
            Self::Null => Vec::new(),
            Self::Map(shared) => shared.to_vec(),
            _ => return,
        };
        how(&mut entries);
        *self = entries.into();
    }
}

/// Merges entries: each takes the place of its key, or is added at the end if the key is new.
///
/// `more` has each key once, as a mapping has.
pub fn merge_entries(entries: &mut Vec<Entry>, more: impl IntoIterator<Item = Entry>) {
    let before = entries.len();
    for (key, value) in more {
        match entries[..before].iter_mut().find(|(one, _)| *one == key) {
            Some((_, old)) => *old = value,
            None => entries.push((key, value)),
        }
    }
}

/// The order of keys does not count.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Seq(a), Self::Seq(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => {
                // Equal mappings mostly have their keys in the same order.
                let is_in_other = |(at, (key, value)): (usize, &Entry)| {
                    let same_place = b.get(at).filter(|(one, _)| one == key);
                    let found = same_place
                        .map(|(_, value)| value)
                        .or_else(|| other.get(key));
                    found == Some(value)
                };
                a.len() == b.len() && a.iter().enumerate().all(is_in_other)
            }
            _ => false,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Number(n) => n.serialize(serializer),
            Self::String(s) => serializer.serialize_str(s),
            Self::Seq(items) => items.serialize(serializer),
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key.as_str(), value)))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a value of JSON")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::String(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
                let mut items: Vec<Value> = Vec::new();
                while let Some(item) = from.next_element()? {
                    items.push(item);
                }
                Ok(Value::from(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
                let mut entries: Vec<Entry> = Vec::new();
                while let Some(entry) = from.next_entry::<Text, Value>()? {
                    entries.push(entry);
                }
                Ok(Value::from(entries))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

macro_rules! from {
    ($($type:ty: $value:ident => $make:expr),* $(,)?) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $make
            }
        }
    )*};
}

from! {
    bool: value => Self::Bool(value),
    u16: value => Self::Number(value.into()),
    u32: value => Self::Number(value.into()),
    &str: value => Self::String(value.into()),
    String: value => Self::String(value.into()),
    &String: value => Self::String(value.as_str().into()),
    Text: value => Self::String(value),
    Vec<Value>: value => Self::Seq(value.into()),
    &[Value]: value => Self::Seq(value.into()),
    &Vec<Value>: value => Self::Seq(value.as_slice().into()),
    Vec<Entry>: value => Self::Map(value.into()),
    &IndexMap<Text, Text>: value => value.iter().map(|(key, text)| (key.clone(), Self::from(text.clone()))).collect::<Vec<_>>().into(),
    &Json: value => match value {
        Json::Null => Self::Null,
        Json::Bool(b) => Self::Bool(*b),
        Json::Number(n) => Self::Number(n.clone()),
        Json::String(s) => s.into(),
        Json::Array(items) => items.iter().map(Self::from).collect::<Vec<_>>().into(),
        Json::Object(map) => map.iter().map(|(key, value)| (Text::from(key), Self::from(value))).collect::<Vec<_>>().into(),
    },
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_keeps_its_order_and_compares_without_it() {
        let a = map! { "b" => "1", "a" => list![true, Value::Null] };
        let b = map! { "a" => list![true, Value::Null], "b" => "1" };
        assert_eq!(a, b);
        assert_eq!(
            serde_json::to_string(&a).unwrap(),
            r#"{"b":"1","a":[true,null]}"#
        );
        assert_eq!(Value::from(&serde_json::to_value(&a).unwrap()), a);
        assert_ne!(a, map! { "a" => list![true], "b" => "1" });
    }
}

//! serde from a [`Node`], with [`Spanned`] leaves that keep their places.

use super::{Entry, Node, NodeValue};
use crate::source::{SourceId, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

const NAME: &str = "$tenantry::Spanned";
const FIELDS: [&str; 7] = [
    "source",
    "start",
    "end",
    "key_source",
    "key_start",
    "key_end",
    "value",
];

/// A value and where it stands: its own place, and its key's (its own again, for an item of a
/// list).
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The place of the value.
    pub span: Span,
    /// The place of its key.
    pub key: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub const fn new(value: T, span: Span) -> Self {
        Self {
            value,
            span,
            key: span,
        }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Serialize> Serialize for Spanned<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Spanned<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for V<T> {
            type Value = Spanned<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of a document")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut at = [0u32; 6];
                for slot in &mut at {
                    map.next_key::<de::IgnoredAny>()?;
                    *slot = map.next_value()?;
                }

                map.next_key::<de::IgnoredAny>()?;
                let value = map.next_value()?;
                Ok(Spanned {
                    value,
                    span: Span {
                        source: SourceId(at[0]),
                        start: at[1],
                        end: at[2],
                    },
                    key: Span {
                        source: SourceId(at[3]),
                        start: at[4],
                        end: at[5],
                    },
                })
            }
        }

        deserializer.deserialize_struct(NAME, &FIELDS, V(std::marker::PhantomData))
    }
}

/// Reads a typed value from a node whose shape a schema has already accepted.
///
/// # Errors
/// A fault that no schema states, with its place.
pub fn deserialize<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, (String, Span)> {
    T::deserialize(At {
        node,
        key: node.span,
    })
    .map_err(|fault| (fault.message, fault.span.unwrap_or(node.span)))
}

/// A fault of a conversion, and the innermost place it was seen at.
#[derive(Debug)]
struct Fault {
    message: String,
    span: Option<Span>,
}

impl Fault {
    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            span: None,
        }
    }
}

#[derive(Clone, Copy)]
struct At<'de> {
    node: &'de Node,
    key: Span,
}

impl<'de> Deserializer<'de> for At<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let span = self.node.span;
        match &self.node.value {
            NodeValue::Null => visitor.visit_unit(),
            NodeValue::Bool(b) => visitor.visit_bool(*b),
            NodeValue::Number(n, _) => match (n.as_i64(), n.as_u64()) {
                (Some(i), _) => visitor.visit_i64(i),
                (_, Some(u)) => visitor.visit_u64(u),
                _ => visitor.visit_f64(n.as_f64().unwrap_or_default()),
            },
            NodeValue::String(s) => visitor.visit_borrowed_str(s),
            NodeValue::Seq(items) => visitor.visit_seq(Items(items.iter())),
            NodeValue::Map(entries) => visitor.visit_map(Entries {
                entries: entries.iter(),
                current: None,
            }),
        }
        .map_err(|fault: Fault| fault.at(span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            NodeValue::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if name == NAME {
            return visitor.visit_map(SpanFields { at: self, next: 0 });
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let span = self.node.span;
        match &self.node.value {
            NodeValue::String(s) => visitor.visit_enum(s.as_str().into_deserializer()),
            _ => Err(de::Error::custom(format_args!(
                "{} where a name is wanted",
                self.node.kind()
            ))),
        }
        .map_err(|fault: Fault| fault.at(span))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Fault;
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        self.0
            .next()
            .map(|node| {
                seed.deserialize(At {
                    node,
                    key: node.span,
                })
            })
            .transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Fault;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        self.current = self.entries.next();
        self.current
            .map(|entry| {
                seed.deserialize(StrDeserializer::<Fault>::new(&entry.key))
                    .map_err(|fault| fault.at(entry.key_span))
            })
            .transpose()
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let entry = self
            .current
            .ok_or_else(|| de::Error::custom("a value without a key"))?;
        seed.deserialize(At {
            node: &entry.node,
            key: entry.key_span,
        })
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

struct SpanFields<'de> {
    at: At<'de>,
    next: usize,
}

impl<'de> MapAccess<'de> for SpanFields<'de> {
    type Error = Fault;
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        FIELDS
            .get(self.next)
            .map(|name| seed.deserialize(StrDeserializer::<Fault>::new(name)))
            .transpose()
    }
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (span, key) = (self.at.node.span, self.at.key);
        let numbers = [
            span.source.0,
            span.start,
            span.end,
            key.source.0,
            key.start,
            key.end,
        ];
        let field = self.next;
        self.next += 1;
        match numbers.get(field) {
            Some(n) => seed.deserialize(U32Deserializer::<Fault>::new(*n)),
            None => seed.deserialize(self.at),
        }
    }
}

//! YAML documents in which every key and value has a place.
//!
//! The subset (YAML 1.2 core schema): 64 levels, and in a file of ours 100,000 nodes and 4 MB after
//! aliases are expanded, in a manifest for the cluster as much by aliases alone; anchors are allowed; merge keys, other tags than the core's, keys that are
//! no strings, `%YAML` and raw control bytes are refused. Parsing never fails: it returns the
//! documents that could be read, and the faults.

mod de;
mod direction;
mod emit;
mod lookup;
mod parse;
mod portable;
pub mod quoting;
mod repr;
mod scalar;

pub use de::{Spanned, deserialize};
pub use direction::{TEXT_DIRECTION, turned_text};
pub use emit::{emit, emit_documents};
pub use lookup::KeyIndex;
pub use parse::{
    AMBIGUOUS_SCALAR, DUPLICATE_KEY, MAX_DEPTH, MAX_EXPANDED_BYTES, MAX_NODES, SYNTAX, TOO_BIG,
    TOO_DEEP, UNSUPPORTED, parse, parse_foreign,
};
pub use portable::Unportable;
pub use repr::{Ref, Repr, TreeValue, View};
pub use scalar::ambiguity;

use crate::source::Span;
use crate::value::Text;
use serde::ser::{Serialize, Serializer};
use serde_json::Number;

/// A document: its root and the bytes it was written in, without its `---` line.
#[derive(Clone, Debug)]
pub struct Document {
    /// The root.
    pub root: Node,
    /// The bytes between the document's markers, comments included.
    pub raw: Span,
    /// What in it other readers take otherwise, or not at all: matters where the bytes are passed
    /// on. Only looked for in manifests for the cluster.
    pub unportable: Option<Unportable>,
}

/// A value, its place, and what it won against in a merge.
#[derive(Clone, Debug)]
pub struct Node {
    /// The place of the value.
    pub span: Span,
    /// The value.
    pub value: NodeValue,
    /// The places of the values that this one replaced, nearest first.
    pub overridden: Box<[Span]>,
}

/// The value of a [`Node`].
#[derive(Clone, Debug)]
pub enum NodeValue {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number and its text as written.
    Number(Number, Box<str>),
    /// A string.
    String(Text),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Text,
    /// The place of the key.
    pub key_span: Span,
    /// The value.
    pub node: Node,
}

/// The value without places.
impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            NodeValue::Null => serializer.serialize_unit(),
            NodeValue::Bool(b) => serializer.serialize_bool(*b),
            NodeValue::Number(n, _) => n.serialize(serializer),
            NodeValue::String(s) => serializer.serialize_str(s),
            NodeValue::Seq(items) => items.serialize(serializer),
            NodeValue::Map(entries) => {
                serializer.collect_map(entries.iter().map(|entry| (&entry.key, &entry.node)))
            }
        }
    }
}

impl Node {
    /// A value at a place, that won against nothing.
    pub fn new(span: Span, value: NodeValue) -> Self {
        Self {
            span,
            value,
            overridden: Box::default(),
        }
    }

    /// The same value with every span in it replaced by one: a line of the user's that chose it.
    #[must_use]
    pub fn spanned_at(&self, span: Span) -> Self {
        let value = match &self.value {
            NodeValue::Seq(items) => {
                NodeValue::Seq(items.iter().map(|item| item.spanned_at(span)).collect())
            }
            NodeValue::Map(entries) => NodeValue::Map(
                entries
                    .iter()
                    .map(|entry| Entry {
                        key: entry.key.clone(),
                        key_span: span,
                        node: entry.node.spanned_at(span),
                    })
                    .collect(),
            ),
            scalar => scalar.clone(),
        };
        Self::new(span, value)
    }

    /// The entries, if it is a mapping.
    pub fn entries(&self) -> &[Entry] {
        if let NodeValue::Map(entries) = &self.value {
            entries
        } else {
            &[]
        }
    }

    /// The items, if it is a list.
    pub fn items(&self) -> &[Self] {
        if let NodeValue::Seq(items) = &self.value {
            items
        } else {
            &[]
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let NodeValue::String(s) = &self.value {
            Some(s)
        } else {
            None
        }
    }

    /// The entry of a key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// Takes the value of a key out.
    pub fn take(&mut self, key: &str) -> Option<Self> {
        let NodeValue::Map(entries) = &mut self.value else {
            return None;
        };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at).node)
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// `null`, `a boolean`, `a number`, `a string`, `a list` or `a mapping`.
    pub const fn kind(&self) -> &'static str {
        match &self.value {
            NodeValue::Null => "null",
            NodeValue::Bool(_) => "a boolean",
            NodeValue::Number(..) => "a number",
            NodeValue::String(_) => "a string",
            NodeValue::Seq(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }

    /// Sixteen hexadecimal digits that tell two values apart, wherever they stand.
    pub fn digest(&self) -> String {
        // A tree of JSON's kinds is always JSON.
        let text = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&text).to_hex().as_str()[..16].to_owned()
    }

    /// The value without places, as the JSON library has it.
    pub fn to_json(&self) -> serde_json::Value {
        TreeValue::to_json(self)
    }

    /// The value without places.
    pub fn to_value(&self) -> crate::value::Value {
        use crate::value::Value as V;
        match &self.value {
            NodeValue::Null => V::Null,
            NodeValue::Bool(b) => V::Bool(*b),
            NodeValue::Number(n, _) => V::Number(n.clone()),
            NodeValue::String(s) => V::String(s.clone()),
            NodeValue::Seq(items) => items.iter().map(Self::to_value).collect::<Vec<_>>().into(),
            NodeValue::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.node.to_value()))
                .collect::<Vec<_>>()
                .into(),
        }
    }

    /// Calls a function for every scalar below, with its path of keys and indices.
    pub fn leaves<'a>(
        &'a self,
        path: &mut Vec<String>,
        visit: &mut impl FnMut(&[String], &'a Self),
    ) {
        match &self.value {
            NodeValue::Map(entries) if !entries.is_empty() => {
                for entry in entries {
                    path.push(entry.key.to_string());
                    entry.node.leaves(path, visit);
                    path.pop();
                }
            }
            NodeValue::Seq(items) if !items.is_empty() => {
                for (i, item) in items.iter().enumerate() {
                    let name = item
                        .get("name")
                        .and_then(Self::as_str)
                        .map_or_else(|| i.to_string(), str::to_owned);
                    path.push(name);
                    item.leaves(path, visit);
                    path.pop();
                }
            }
            _ => visit(path, self),
        }
    }
}

//! Trees as an input of the `jsonschema` crate: documents and objects are validated where they
//! stand, without a copy, and a fault's JSON Pointer finds its span in the same tree.

use super::{Entry, Node, NodeValue};
use crate::source::Span;
use crate::value::{self, Value};
use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node as JsonNode, NodeIdentity, Object};
use serde_json::Number;
use std::borrow::Cow;
use std::marker::PhantomData;

/// A tree of JSON's kinds.
pub trait TreeValue: Sized + Send + Sync + 'static {
    /// A key and its value.
    type Entry: 'static;
    /// The view of a node.
    fn view(&self) -> View<'_, Self>;
    /// The parts of an entry.
    fn split(entry: &Self::Entry) -> (&str, &Self);

    /// Where it stands, where that is known.
    fn span(&self) -> Option<Span> {
        None
    }

    /// The value of a key; `None` if it is null, as Kubernetes reads it.
    fn member(&self, key: &str) -> Option<&Self> {
        let View::Map(entries) = self.view() else {
            return None;
        };
        let value = entries
            .iter()
            .map(Self::split)
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)?;
        (!matches!(value.view(), View::Null)).then_some(value)
    }

    /// The string, if it is one.
    fn text(&self) -> Option<&str> {
        if let View::String(text) = self.view() {
            Some(text)
        } else {
            None
        }
    }

    /// The value as the JSON library has it.
    fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as V;
        match self.view() {
            View::Null => V::Null,
            View::Bool(b) => V::Bool(b),
            View::Number(n) => V::Number(n.clone()),
            View::String(s) => V::String(s.to_owned()),
            View::Seq(items) => V::Array(items.iter().map(Self::to_json).collect()),
            View::Map(entries) => V::Object(
                entries
                    .iter()
                    .map(Self::split)
                    .map(|(key, value)| (key.to_owned(), value.to_json()))
                    .collect(),
            ),
        }
    }
}

/// A node of a tree, by its JSON type.
pub enum View<'a, T: TreeValue> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number.
    Number(&'a Number),
    /// A string.
    String(&'a str),
    /// A list.
    Seq(&'a [T]),
    /// A mapping.
    Map(&'a [T::Entry]),
}

impl TreeValue for Node {
    type Entry = Entry;
    fn view(&self) -> View<'_, Self> {
        match &self.value {
            NodeValue::Null => View::Null,
            NodeValue::Bool(b) => View::Bool(*b),
            NodeValue::Number(n, _) => View::Number(n),
            NodeValue::String(s) => View::String(s),
            NodeValue::Seq(items) => View::Seq(items),
            NodeValue::Map(entries) => View::Map(entries),
        }
    }
    fn split(entry: &Entry) -> (&str, &Self) {
        (&entry.key, &entry.node)
    }
    fn span(&self) -> Option<Span> {
        Some(self.span)
    }
}

impl TreeValue for Value {
    type Entry = value::Entry;
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(b) => View::Bool(*b),
            Self::Number(n) => View::Number(n),
            Self::String(s) => View::String(s),
            Self::Seq(items) => View::Seq(items),
            Self::Map(entries) => View::Map(entries),
        }
    }
    fn split((key, value): &value::Entry) -> (&str, &Self) {
        (key, value)
    }
}

/// The representation: `jsonschema::options_for::<Repr<Node>>()` builds validators of [`Node`]s.
pub struct Repr<T>(PhantomData<T>);

/// A node of a tree, or a key of a mapping.
pub enum Ref<'a, T> {
    /// A value.
    Node(&'a T),
    /// A key.
    Key(&'a str),
}

impl<T> Clone for Ref<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Ref<'_, T> {}

impl<T: TreeValue> Json for Repr<T> {
    type Node<'a> = Ref<'a, T>;
    type PreparedKey = String;
    type StringBuffer = String;
    const KEYS_PER_LOOKUP: usize = 2;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<R>(buffer: &mut String, text: &str, f: impl FnOnce(Ref<'_, T>) -> R) -> R {
        buffer.clear();
        buffer.push_str(text);
        f(Ref::Key(buffer))
    }
}

impl<'a, T: TreeValue> JsonNode<'a, Repr<T>> for Ref<'a, T> {
    type Object = Members<'a, T>;
    type Array = Items<'a, T>;
    type Number = Number;

    fn as_object(&self) -> Option<Members<'a, T>> {
        match self {
            Ref::Node(node) => {
                if let View::Map(entries) = node.view() {
                    Some(Members(entries))
                } else {
                    None
                }
            }
            Ref::Key(_) => None,
        }
    }

    fn as_array(&self) -> Option<Items<'a, T>> {
        match self {
            Ref::Node(node) => {
                if let View::Seq(items) = node.view() {
                    Some(Items(items))
                } else {
                    None
                }
            }
            Ref::Key(_) => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Ref::Node(node) => node.text().map(Cow::Borrowed),
            Ref::Key(key) => Some(Cow::Borrowed(key)),
        }
    }

    fn as_number(&self) -> Option<Number> {
        match self {
            Ref::Node(node) => {
                if let View::Number(n) = node.view() {
                    Some(n.clone())
                } else {
                    None
                }
            }
            Ref::Key(_) => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Ref::Node(node) => {
                if let View::Bool(b) = node.view() {
                    Some(b)
                } else {
                    None
                }
            }
            Ref::Key(_) => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Ref::Node(node) if matches!(node.view(), View::Null))
    }

    fn json_type(&self) -> JsonType {
        match self {
            Ref::Key(_) => JsonType::String,
            Ref::Node(node) => match node.view() {
                View::Null => JsonType::Null,
                View::Bool(_) => JsonType::Boolean,
                View::Number(_) => JsonType::Number,
                View::String(_) => JsonType::String,
                View::Seq(_) => JsonType::Array,
                View::Map(_) => JsonType::Object,
            },
        }
    }

    /// The value that a fault keeps, which is not read but for keys. A list or a mapping is left out:
    /// otherwise each fault of a mapping's keys would hold a copy of the mapping.
    fn to_value(&self) -> Cow<'a, serde_json::Value> {
        Cow::Owned(match self {
            Ref::Node(node) => match node.view() {
                View::Seq(_) | View::Map(_) => serde_json::Value::Null,
                _ => node.to_json(),
            },
            Ref::Key(key) => serde_json::Value::String((*key).to_owned()),
        })
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(match self {
            Ref::Node(node) => NodeIdentity::new(std::ptr::from_ref(*node) as usize),
            Ref::Key(key) => NodeIdentity::new(key.as_ptr() as usize),
        })
    }
}

/// A mapping.
pub struct Members<'a, T: TreeValue>(&'a [T::Entry]);
/// A list.
pub struct Items<'a, T>(&'a [T]);

impl<'a, T: TreeValue> Object<'a, Repr<T>> for Members<'a, T> {
    type Node = Ref<'a, T>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a, T>;

    fn len(&self) -> usize {
        self.0.len()
    }
    fn get(&self, key: &String) -> Option<Ref<'a, T>> {
        self.0
            .iter()
            .map(T::split)
            .find(|(name, _)| name == key)
            .map(|(_, value)| Ref::Node(value))
    }
    fn members(&self) -> MembersIter<'a, T> {
        MembersIter(self.0.iter())
    }
}

impl<'a, T: TreeValue> Array<'a, Repr<T>> for Items<'a, T> {
    type Node = Ref<'a, T>;
    type ElementsIter = ItemsIter<'a, T>;

    fn len(&self) -> usize {
        self.0.len()
    }
    fn elements(&self) -> ItemsIter<'a, T> {
        ItemsIter(self.0.iter())
    }
}

/// The entries of a mapping.
pub struct MembersIter<'a, T: TreeValue>(std::slice::Iter<'a, T::Entry>);
/// The items of a list.
pub struct ItemsIter<'a, T>(std::slice::Iter<'a, T>);

impl<'a, T: TreeValue> Iterator for MembersIter<'a, T> {
    type Item = (&'a str, Ref<'a, T>);
    fn next(&mut self) -> Option<Self::Item> {
        self.0
            .next()
            .map(T::split)
            .map(|(name, value)| (name, Ref::Node(value)))
    }
}

impl<'a, T> Iterator for ItemsIter<'a, T> {
    type Item = Ref<'a, T>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ref::Node)
    }
}

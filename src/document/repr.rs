//! The span tree as an input of the `jsonschema` crate: documents are validated where they stand, without a copy, and
//! a fault's JSON Pointer finds its span in the same tree.

use super::{Entry, Node, Value};
use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node as JsonNode, NodeIdentity, Object};
use serde_json::Number;
use std::borrow::Cow;

/// The representation: `jsonschema::options_for::<SpanTree>()` builds validators of [`Node`]s.
pub struct SpanTree;

/// A node of the tree, or a key of a mapping.
#[derive(Clone, Copy)]
pub enum Ref<'a> {
    /// A value.
    Node(&'a Node),
    /// A key.
    Key(&'a str),
}

impl Json for SpanTree {
    type Node<'a> = Ref<'a>;
    type PreparedKey = String;
    type StringBuffer = String;
    const KEYS_PER_LOOKUP: usize = 2;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut String, text: &str, f: impl FnOnce(Ref<'_>) -> T) -> T {
        buffer.clear();
        buffer.push_str(text);
        f(Ref::Key(buffer))
    }
}

impl<'a> JsonNode<'a, SpanTree> for Ref<'a> {
    type Object = Members<'a>;
    type Array = Items<'a>;
    type Number = Number;

    fn as_object(&self) -> Option<Members<'a>> {
        match self {
            Ref::Node(Node { value: Value::Map(entries), .. }) => Some(Members(entries)),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<Items<'a>> {
        match self {
            Ref::Node(Node { value: Value::Seq(items), .. }) => Some(Items(items)),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match self {
            Ref::Node(node) => node.as_str().map(Cow::Borrowed),
            Ref::Key(key) => Some(Cow::Borrowed(key)),
        }
    }

    fn as_number(&self) -> Option<Number> {
        match self {
            Ref::Node(Node { value: Value::Number(n, _), .. }) => Some(n.clone()),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match self {
            Ref::Node(Node { value: Value::Bool(b), .. }) => Some(*b),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Ref::Node(Node { value: Value::Null, .. }))
    }

    fn json_type(&self) -> JsonType {
        match self {
            Ref::Key(_) => JsonType::String,
            Ref::Node(node) => match node.value {
                Value::Null => JsonType::Null,
                Value::Bool(_) => JsonType::Boolean,
                Value::Number(..) => JsonType::Number,
                Value::String(_) => JsonType::String,
                Value::Seq(_) => JsonType::Array,
                Value::Map(_) => JsonType::Object,
            },
        }
    }

    fn to_value(&self) -> Cow<'a, serde_json::Value> {
        Cow::Owned(match self {
            Ref::Node(node) => node.to_json(),
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
pub struct Members<'a>(&'a [Entry]);
/// A list.
pub struct Items<'a>(&'a [Node]);

impl<'a> Object<'a, SpanTree> for Members<'a> {
    type Node = Ref<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }
    fn get(&self, key: &String) -> Option<Ref<'a>> {
        self.0.iter().find(|e| e.key == *key).map(|e| Ref::Node(&e.node))
    }
    fn members(&self) -> MembersIter<'a> {
        MembersIter(self.0.iter())
    }
}

impl<'a> Array<'a, SpanTree> for Items<'a> {
    type Node = Ref<'a>;
    type ElementsIter = ItemsIter<'a>;

    fn len(&self) -> usize {
        self.0.len()
    }
    fn elements(&self) -> ItemsIter<'a> {
        ItemsIter(self.0.iter())
    }
}

/// The entries of a mapping.
pub struct MembersIter<'a>(std::slice::Iter<'a, Entry>);
/// The items of a list.
pub struct ItemsIter<'a>(std::slice::Iter<'a, Node>);

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Ref<'a>);
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|e| (e.key.as_str(), Ref::Node(&e.node)))
    }
}

impl<'a> Iterator for ItemsIter<'a> {
    type Item = Ref<'a>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ref::Node)
    }
}

//! A page of a list, as a server writes it.

use super::listing::ServedKind;
use super::status::text;
use crate::kube::ObjectId;
use crate::value::{Entry, Text, Value};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A page of a list.
pub struct Page {
    /// The objects, each with its apiVersion and kind.
    pub items: Vec<Value>,
    /// What cannot be read.
    pub unread: Vec<ObjectId>,
    /// Where the next page begins.
    pub next: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "I: Deserialize<'de>"))]
struct RawPage<I> {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: RawMetadata,
    /// There in every list, and null in an empty one.
    #[serde(default, deserialize_with = "there")]
    items: Option<Option<Vec<I>>>,
}

fn there<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An object of a list. Who set its fields, most of its bytes, stays a text until it is asked for
/// ([`managed_fields`]).
struct ListedObject(Value);

impl<'de> Deserialize<'de> for ListedObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Depth::Object.deserialize(deserializer).map(Self)
    }
}

/// How deep in an object of a list something is.
#[derive(Clone, Copy)]
enum Depth {
    Object,
    Metadata,
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(key) = from.next_key::<Text>()? {
            let value = match (self, key.as_str()) {
                (Self::Object, "metadata") => from.next_value_seed(Self::Metadata)?,
                (Self::Metadata, MANAGED) => from.next_value::<&RawValue>()?.get().into(),
                _ => from.next_value()?,
            };
            entries.push((key, value));
        }
        Ok(entries.into())
    }
}

const MANAGED: &str = "managedFields";

/// Who set which fields of an object of a list.
pub fn managed_fields(object: &Value) -> Value {
    let text = text(object, &["metadata", MANAGED]);
    serde_json::from_str(text).unwrap_or_default()
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct RawMetadata {
    #[serde(rename = "continue")]
    next: String,
}

impl Page {
    /// Reads an answer to a list.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(kind: &ServedKind, bytes: &[u8]) -> Result<Self, String> {
        // Of a list with an object that cannot be read (one nested too deeply), the others are.
        let (page, unread) = match serde_json::from_slice::<RawPage<ListedObject>>(bytes) {
            Ok(page) => (page, Vec::new()),
            Err(_) => one_by_one(kind, bytes).map_err(|e| format!("the answer is no list: {e}"))?,
        };

        let Some(items) = page.items.filter(|_| page.kind.ends_with("List")) else {
            return Err(match page.kind.as_str() {
                "" => "the answer is no list: it has no kind".to_owned(),
                kind if kind.ends_with("List") => "the answer is a list without items".to_owned(),
                kind => format!("the answer is no list, but `{kind}`"),
            });
        };
        let head: [Entry; 2] = [
            ("apiVersion".into(), Value::String(kind.api_version())),
            ("kind".into(), Value::String(kind.kind.clone())),
        ];

        let mut items: Vec<Value> = items
            .unwrap_or_default()
            .into_iter()
            .map(|ListedObject(item)| item)
            .collect();

        for item in &mut items {
            // In a list of a built-in kind, objects do not say what they are.
            item.change(|entries| {
                entries.retain(|(key, _)| key != "apiVersion" && key != "kind");
                entries.splice(0..0, head.clone());
            });
        }

        let next = (!page.metadata.next.is_empty()).then_some(page.metadata.next);
        Ok(Self {
            items,
            unread,
            next,
        })
    }
}

/// Reads each object of a page by itself; of one that cannot be read, what it is called.
fn one_by_one(
    kind: &ServedKind,
    bytes: &[u8],
) -> serde_json::Result<(RawPage<ListedObject>, Vec<ObjectId>)> {
    #[derive(serde::Deserialize)]
    struct Called {
        metadata: Name,
    }
    #[derive(serde::Deserialize)]
    struct Name {
        #[serde(default)]
        namespace: Text,
        name: Text,
    }

    let page: RawPage<&RawValue> = serde_json::from_slice(bytes)?;
    let mut unread = Vec::new();
    let mut read = |item: &RawValue| match serde_json::from_str::<ListedObject>(item.get()) {
        Ok(item) => Some(item),
        Err(_) => {
            let called: Option<Called> = serde_json::from_str(item.get()).ok();
            let (namespace, name) = called
                .map(|c| (c.metadata.namespace, c.metadata.name))
                .unwrap_or_default();
            unread.push(ObjectId {
                group: kind.group.clone(),
                kind: kind.kind.clone(),
                namespace,
                name,
            });
            None
        }
    };

    let items = page
        .items
        .map(|items| items.map(|all| all.into_iter().filter_map(&mut read).collect()));
    Ok((
        RawPage {
            kind: page.kind,
            metadata: page.metadata,
            items,
        },
        unread,
    ))
}

/// An object as it goes into a snapshot: without who set its fields.
pub fn as_json(mut object: Value) -> String {
    if let Some(metadata) = object.get_mut("metadata") {
        metadata.change(|fields| fields.retain(|(key, _)| key != MANAGED));
    }
    serde_json::to_string(&object).unwrap_or_default()
}

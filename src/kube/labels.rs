//! Labels and selectors, for things that are there and for things that may come.
//!
//! Source: k8s.io/apimachinery `labels.Requirement.Matches`: `NotIn` and `DoesNotExist` match where
//! the key is absent.

mod satisfy;

pub use satisfy::{TooLarge, satisfiable};

use crate::document::{TreeValue, View};
use crate::value::{Entry, Text, Value};

/// Labels, sorted by key; each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Vec<(Text, Text)>);

impl Labels {
    /// Labels of some pairs; of two with one key the last counts.
    pub fn new(pairs: impl IntoIterator<Item = (Text, Text)>) -> Self {
        let mut labels = Self::default();
        for (key, value) in pairs {
            labels.set(key, value);
        }
        labels
    }

    /// The strings of a mapping; empty if the node is not a mapping.
    pub fn of<T: TreeValue>(node: Option<&T>) -> Self {
        let Some(View::Map(entries)) = node.map(TreeValue::view) else {
            return Self::default();
        };
        Self::new(
            entries
                .iter()
                .map(T::split)
                .filter_map(|(k, v)| Some((k.into(), v.text()?.into()))),
        )
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        Some(&self.0[at].1)
    }

    /// Sets a key.
    pub fn set(&mut self, key: Text, value: Text) {
        match self.0.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(k, v)| (k, v))
    }
}

/// What a requirement asks of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// It is there, with one of these values.
    In(Vec<Text>),
    /// It is absent, or has none of these values.
    NotIn(Vec<Text>),
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
}

/// A requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The key.
    pub key: Text,
    /// What is asked of it.
    pub op: Op,
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        match (&self.op, labels.get(&self.key)) {
            (Op::In(values), value) => value.is_some_and(|v| values.iter().any(|x| x == v)),
            (Op::NotIn(values), value) => value.is_none_or(|v| values.iter().all(|x| x != v)),
            (Op::Exists, value) => value.is_some(),
            (Op::DoesNotExist, value) => value.is_none(),
        }
    }

    /// The labels of which it asks for one; `None` if it asks for something else.
    pub fn labels(&self) -> Option<impl Iterator<Item = (&Text, &Text)>> {
        match &self.op {
            Op::In(values) => Some(values.iter().map(|value| (&self.key, value))),
            _ => None,
        }
    }
}

/// Requirements that must all be met; none of them selects everything.
///
/// A selector that is read has its requirements sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector(pub Vec<Requirement>);

impl Selector {
    /// Reads a `LabelSelector`.
    ///
    /// # Errors
    /// What in it is none of what Kubernetes knows.
    pub fn of<T: TreeValue>(node: &T) -> Result<Self, String> {
        let View::Map(entries) = node.view() else {
            return if matches!(node.view(), View::Null) {
                Ok(Self::default())
            } else {
                Err("a selector is no mapping".into())
            };
        };

        let mut all = Vec::new();
        for (key, value) in entries.iter().map(T::split) {
            match (key, value.view()) {
                (_, View::Null) => {}
                ("matchLabels", View::Map(pairs)) => {
                    for (key, value) in pairs.iter().map(T::split) {
                        let value = value
                            .text()
                            .ok_or_else(|| format!("the value of `{key}` is no string"))?;
                        all.push(Requirement {
                            key: key.into(),
                            op: Op::In(vec![value.into()]),
                        });
                    }
                }
                ("matchExpressions", View::Seq(items)) => {
                    for item in items {
                        all.push(Self::expression(item)?);
                    }
                }
                _ => return Err(format!("a selector has no `{key}` of this form")),
            }
        }

        all.sort();
        all.dedup();
        Ok(Self(all))
    }

    fn expression<T: TreeValue>(item: &T) -> Result<Requirement, String> {
        let key = item
            .member("key")
            .and_then(TreeValue::text)
            .ok_or("an expression has no key")?;

        let values: Vec<Text> = texts(item.member("values")).map(Into::into).collect();
        let op = match (
            item.member("operator").and_then(TreeValue::text),
            values.is_empty(),
        ) {
            (Some("In"), false) => Op::In(values),
            (Some("NotIn"), false) => Op::NotIn(values),
            (Some("Exists"), true) => Op::Exists,
            (Some("DoesNotExist"), true) => Op::DoesNotExist,
            _ => {
                return Err(format!(
                    "the expression on `{key}` is none that Kubernetes knows"
                ));
            }
        };

        Ok(Requirement {
            key: key.into(),
            op,
        })
    }

    /// Writes a `LabelSelector`, in the order of its requirements. A requirement of one value
    /// stands in `matchLabels`, unless an earlier one of the same key does.
    pub fn to_value(&self) -> Value {
        let mut labels: Vec<Entry> = Vec::new();
        let mut expressions: Vec<Value> = Vec::new();

        for Requirement { key, op } in &self.0 {
            match op {
                Op::In(values) if values.len() == 1 && labels.iter().all(|(k, _)| k != key) => {
                    labels.push((key.clone(), values[0].clone().into()));
                }
                Op::In(values) => expressions.push(expression(key, "In", values)),
                Op::NotIn(values) => expressions.push(expression(key, "NotIn", values)),
                Op::Exists => expressions.push(expression(key, "Exists", &[])),
                Op::DoesNotExist => expressions.push(expression(key, "DoesNotExist", &[])),
            }
        }

        let mut selector: Vec<Entry> = Vec::with_capacity(2);
        if !labels.is_empty() {
            selector.push((Text::new_static("matchLabels"), labels.into()));
        }
        if !expressions.is_empty() {
            selector.push((Text::new_static("matchExpressions"), expressions.into()));
        }

        selector.into()
    }

    /// A selector of labels that must all be present. Keeps their order.
    pub fn labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let equal = |(key, value): (&str, &str)| Requirement {
            key: key.into(),
            op: Op::In(vec![value.into()]),
        };
        Self(labels.into_iter().map(equal).collect())
    }

    /// A selector of one value of a key.
    pub fn equal(key: &str, value: &str) -> Self {
        Self(vec![Requirement {
            key: key.into(),
            op: Op::In(vec![value.into()]),
        }])
    }

    /// Whether it selects something with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|r| r.matches(labels))
    }

    /// Whether it selects everything.
    pub const fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// The values that one key must have, where the selector pins it.
    pub fn pinned(&self, key: &str) -> Option<&[Text]> {
        self.0.iter().find_map(|r| match &r.op {
            Op::In(values) if r.key == key => Some(values.as_slice()),
            _ => None,
        })
    }
}

/// An expression of a `LabelSelector`.
fn expression(key: &Text, operator: &'static str, values: &[Text]) -> Value {
    let mut entries: Vec<Entry> = vec![
        (Text::new_static("key"), key.clone().into()),
        (Text::new_static("operator"), operator.into()),
    ];
    if !values.is_empty() {
        let values: Vec<Value> = values.iter().cloned().map(Value::from).collect();
        entries.push((Text::new_static("values"), values.into()));
    }
    entries.into()
}

/// The node at a path of fields.
pub fn at<'t, T: TreeValue>(node: &'t T, path: &[&str]) -> Option<&'t T> {
    path.iter().try_fold(node, |node, key| node.member(key))
}

/// Whether a node is the boolean `true`.
pub fn is_true<T: TreeValue>(node: Option<&T>) -> bool {
    matches!(node.map(TreeValue::view), Some(View::Bool(true)))
}

/// Every text under one of some keys, at any depth.
pub fn texts_under<'t, T: TreeValue>(node: &'t T, keys: &[&str], found: &mut Vec<&'t str>) {
    match node.view() {
        View::Map(entries) => {
            for (name, value) in entries.iter().map(T::split) {
                match value.text() {
                    Some(text) if keys.contains(&name) => found.push(text),
                    _ => texts_under(value, keys, found),
                }
            }
        }
        View::Seq(items) => items.iter().for_each(|item| texts_under(item, keys, found)),
        _ => {}
    }
}

/// The text of a field.
pub fn text<T: TreeValue>(node: Option<&T>, key: &str) -> Option<Text> {
    node?.member(key)?.text().map(Text::from)
}

/// The strings of a list; none where it is no list.
pub fn texts<T: TreeValue>(node: Option<&T>) -> impl Iterator<Item = &str> {
    let items = match node.map(TreeValue::view) {
        Some(View::Seq(items)) => items,
        _ => &[],
    };
    items.iter().filter_map(TreeValue::text)
}

/// The items of a list; none where it is no list.
pub fn items<T: TreeValue>(node: Option<&T>) -> &[T] {
    match node.map(TreeValue::view) {
        Some(View::Seq(items)) => items,
        _ => &[],
    }
}

//! A field of an object, with the path that leads to it.

use super::{Checked, Refusal, RefusedBy};
use crate::document::{TreeValue, View};
use crate::kube::labels;
use crate::source::Span;
use std::fmt::Write;

/// How a field is reached from the one around it.
#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

/// A field: its value, which may be absent, and its path.
pub(super) struct Field<'p, T> {
    node: Option<&'p T>,
    parent: Option<&'p Self>,
    step: Step<'p>,
}

impl<'p, T: TreeValue> Field<'p, T> {
    /// The object itself.
    pub(super) fn root(object: &'p T) -> Self {
        Self {
            node: Some(object),
            parent: None,
            step: Step::Root,
        }
    }

    /// The field of a key; its value is absent if it is null, as Kubernetes reads it.
    pub(super) fn child<'c>(&'c self, key: &'c str) -> Field<'c, T> {
        Field {
            node: self.node.and_then(|node| node.member(key)),
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    /// The entry of a key of a mapping, whose value may be null.
    pub(super) fn entry<'c>(&'c self, key: &'c str) -> Field<'c, T> {
        let mut entries = self.entries();
        let found = entries.find(|(known, _)| *known == key);
        found.map_or_else(|| self.child(key), |(_, field)| field)
    }

    /// The items of a list; none of another value.
    pub(super) fn items<'c>(&'c self) -> impl Iterator<Item = Field<'c, T>> {
        let items = labels::items(self.node).iter().enumerate();
        items.map(move |(at, item)| Field {
            node: Some(item),
            parent: Some(self),
            step: Step::Index(at),
        })
    }

    /// The entries of a mapping; none of another value.
    pub(super) fn entries<'c>(&'c self) -> impl Iterator<Item = (&'c str, Field<'c, T>)> {
        let entries = match self.view() {
            Some(View::Map(entries)) => entries,
            _ => &[],
        };
        entries.iter().map(T::split).map(move |(key, node)| {
            let field = Field {
                node: Some(node),
                parent: Some(self),
                step: Step::Key(key),
            };
            (key, field)
        })
    }

    /// The value; `None` if it is absent.
    pub(super) fn view(&self) -> Option<View<'p, T>> {
        self.node.map(TreeValue::view)
    }

    /// Whether it has a value.
    pub(super) fn is_set(&self) -> bool {
        self.node
            .is_some_and(|node| !matches!(node.view(), View::Null))
    }

    /// How many items or entries it has.
    pub(super) fn len(&self) -> usize {
        match self.view() {
            Some(View::Seq(items)) => items.len(),
            Some(View::Map(entries)) => entries.len(),
            _ => 0,
        }
    }

    /// Whether it has no item and no entry.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The string; empty if it is absent or no string, as Go reads it.
    pub(super) fn text(&self) -> &'p str {
        self.node.and_then(TreeValue::text).unwrap_or_default()
    }

    /// The whole number, if it is one.
    pub(super) fn number(&self) -> Option<i64> {
        match self.view() {
            Some(View::Number(number)) => whole(number),
            _ => None,
        }
    }

    /// The strings of a list.
    pub(super) fn texts(&self) -> impl Iterator<Item = &'p str> {
        labels::texts(self.node)
    }

    /// The key of the field; `None` for the object itself and for an item of a list.
    pub(super) fn key(&self) -> Option<&str> {
        match self.step {
            Step::Key(key) => Some(key),
            Step::Root | Step::Index(_) => None,
        }
    }

    /// Whether it is the value of one of these keys, or lies below one.
    pub(super) fn is_below(&self, keys: &[&str]) -> bool {
        let mut field = Some(self);
        while let Some(at) = field {
            if at.key().is_some_and(|key| keys.contains(&key)) {
                return true;
            }
            field = at.parent;
        }
        false
    }

    /// The value as the JSON library has it; null if it is absent.
    pub(super) fn to_json(&self) -> serde_json::Value {
        self.node
            .map_or(serde_json::Value::Null, TreeValue::to_json)
    }

    /// The path, such as `spec.ports[0].name`.
    pub(super) fn path(&self) -> String {
        let mut steps = Vec::new();
        let mut field = Some(self);
        while let Some(at) = field {
            steps.push(at.step);
            field = at.parent;
        }

        let mut path = String::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => _ = write!(path, ".{key}"),
                Step::Index(at) => _ = write!(path, "[{at}]"),
            }
        }
        path
    }

    /// The place of the value, or of the nearest one around it that is there.
    fn span(&self) -> Option<Span> {
        let mut field = Some(self);
        while let Some(at) = field {
            if let Some(span) = at.node.and_then(TreeValue::span) {
                return Some(span);
            }
            field = at.parent;
        }
        None
    }

    /// Refuses the field.
    pub(super) fn refusal(&self, by: RefusedBy, reason: impl Into<String>) -> Box<Refusal> {
        Box::new(Refusal {
            by,
            field: self.path(),
            span: self.span(),
            reason: reason.into(),
            minors: None,
        })
    }

    /// Refuses the field, as every API server does.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> Checked {
        Err(self.refusal(RefusedBy::Server, reason))
    }

    /// Refuses the field unless a condition holds.
    pub(super) fn require(&self, holds: bool, reason: &str) -> Checked {
        if holds { Ok(()) } else { self.refuse(reason) }
    }

    /// Refuses a text that is not one of these.
    pub(super) fn one_of(&self, known: &[&str]) -> Checked {
        let text = self.text();
        if known.contains(&text) {
            return Ok(());
        }
        let known = known.join(", ");
        match text {
            "" => self.refuse(format!("must be one of {known}")),
            _ => self.refuse(format!("is `{text}`, and not one of {known}")),
        }
    }

    /// Refuses a text that is set and not one of these.
    pub(super) fn unset_or_one_of(&self, known: &[&str]) -> Checked {
        match self.is_set() {
            true => self.one_of(known),
            false => Ok(()),
        }
    }

    /// Refuses a text that is not empty and not one of these.
    pub(super) fn empty_or_one_of(&self, known: &[&str]) -> Checked {
        match self.text() {
            "" => Ok(()),
            _ => self.one_of(known),
        }
    }

    /// Whether it has an entry of a key, be it null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries().any(|(known, _)| known == key)
    }

    /// Refuses a text that a check of names refuses.
    pub(super) fn named(&self, check: fn(&str) -> Result<(), &'static str>) -> Checked {
        let text = self.text();
        check(text).or_else(|reason| self.refuse(format!("is `{text}`, and {reason}")))
    }
}

/// A number as an integer; `None` if it has a fraction or is out of range. A float without a fraction
/// counts, since the way from YAML to the server loses the difference.
pub(super) fn whole(number: &serde_json::Number) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let float = || {
        number
            .as_f64()
            .filter(|n| n.fract() == 0.0 && n.abs() <= LIMIT)
    };
    number.as_i64().or_else(|| float().map(|n| n as i64))
}

//! How an object differs from what was rendered: field by field, only in what was rendered, and who
//! changed it.

use super::status::text;
use crate::delivery::is_engine_group;
use crate::kube::kinds::{self, is_server_default};
use crate::kube::names::POD_SECURITY;
use crate::kube::{ObjectId, Quantity};
use crate::netpol::{Dialect, Direction, Policy};
use crate::value::{Entry, Text, Value};
use std::fmt;

/// Who set a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// The name that it gives itself: `kubectl-edit`, `kustomize-controller`.
    pub name: Text,
    /// `Apply` or `Update`.
    pub operation: Text,
    /// When, as RFC 3339; may be empty.
    pub time: Text,
}

impl Manager {
    /// Each that `managedFields` have, but for those of a subresource, with its entry.
    pub fn all(managed: &[Value]) -> impl Iterator<Item = (Self, &Value)> {
        let of = |entry: &Value| Self {
            name: text(entry, &["manager"]).into(),
            operation: text(entry, &["operation"]).into(),
            time: text(entry, &["time"]).into(),
        };
        managed
            .iter()
            .filter(|m| m.at(&["subresource"]).is_null())
            .map(move |m| (of(m), m))
    }

    /// The last of some to set something.
    pub fn last(all: impl Iterator<Item = Self>) -> Option<Self> {
        all.max_by(|a, b| a.time.cmp(&b.time))
    }
}

/// `kubectl-edit (Update, 2026-11-22T10:00:00Z)`.
impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.operation)?;
        if !self.time.is_empty() {
            write!(f, ", {}", self.time)?;
        }
        f.write_str(")")
    }
}

/// A field that is not as it was rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDifference {
    /// The path as it is shown: `spec.hard.pods` or `rules[0].verbs`.
    pub path: String,
    /// The names of the fields from the root of the object to the first list.
    pub fields: Vec<Text>,
    /// What was rendered, as JSON; `None` if the field was not rendered, and opens what the rendered
    /// ones close.
    pub wanted: Option<String>,
    /// What is there, as JSON; `None` if it is missing.
    pub live: Option<String>,
    /// Who set it; of a field that is missing, who last changed the object besides those who apply
    /// it.
    pub by: Option<Manager>,
}

impl FieldDifference {
    /// Whether it is this field of the object, or is within it.
    pub fn is_within(&self, field: &[&str]) -> bool {
        let fields = self.fields.iter().take(field.len());
        fields.eq(field.iter())
    }
}

/// A step of a path.
enum Step<'a> {
    Field(&'a str),
    Index(usize),
    /// An element of a list that is merged by keys: the keys, as `managedFields` writes them.
    Element(Vec<Entry>),
}

/// Whether two sets of keys name one element.
fn is_same_element(one: &[Entry], other: &[Entry]) -> bool {
    one.len() == other.len() && one.iter().all(|key| other.contains(key))
}

/// `name=web,port=80`.
fn element_name(keys: &[Entry]) -> String {
    let pair = |(key, value): &Entry| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={}", serde_json::to_string(value).unwrap_or_default()),
    };
    keys.iter().map(pair).collect::<Vec<_>>().join(",")
}

/// A rendered network policy and the live one, as the model of policies reads them.
struct PolicyPair {
    wanted: Policy,
    live: Policy,
}

impl PolicyPair {
    /// Reads both; `None` if the object is no policy, or one of them cannot be read.
    fn read(id: &ObjectId, wanted: &Value, live: &Value) -> Option<Self> {
        let dialect = Dialect::of(id)?;
        Some(Self {
            wanted: dialect.read(wanted).ok()?,
            live: dialect.read(live).ok()?,
        })
    }

    fn is_equal(&self) -> bool {
        self.wanted == self.live
    }

    /// Whether both govern the same directions, however they say it.
    fn has_equal_directions(&self) -> bool {
        let governs = |policy: &Policy| Direction::BOTH.map(|way| policy.rules(way).is_some());
        governs(&self.wanted) == governs(&self.live)
    }
}

/// Longest value that is shown, in characters.
const SHOWN: usize = 160;

/// How a live object differs from a rendered one. `managed` gives who set its fields, and is asked
/// only where it differs.
pub fn differences(
    id: &ObjectId,
    wanted: &Value,
    live: &Value,
    managed: impl FnOnce(&Value) -> Value,
) -> Vec<FieldDifference> {
    // Taken as one value each, lists differ at least where they differ as merged ones.
    match compared(id, wanted, live, &[]).is_empty() {
        true => Vec::new(),
        false => compared(id, wanted, live, managed(live).items()),
    }
}

fn compared(
    id: &ObjectId,
    wanted: &Value,
    live: &Value,
    managed: &[Value],
) -> Vec<FieldDifference> {
    let parts = kinds::exact(id);
    // What decides comes before what only names.
    let last = |(key, _): &&Entry| *key == "metadata";
    let entries = wanted.entries().iter();
    let entries = entries
        .clone()
        .filter(|e| !last(e))
        .chain(entries.filter(last));

    let policies = PolicyPair::read(id, wanted, live);
    let is_equal_policy = policies.as_ref().is_some_and(PolicyPair::is_equal);
    let has_equal_directions = |pair: &PolicyPair| pair.has_equal_directions();

    let mut comparison = FieldComparison {
        group: &id.group,
        policy_types_default: policies.as_ref().is_some_and(has_equal_directions),
        exact: false,
        managed,
        path: Vec::new(),
        out: Vec::new(),
    };

    // The server fills in the rules of an aggregated role.
    let aggregated = !wanted.at(&["aggregationRule"]).is_null();
    for (key, value) in entries {
        match key.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                for part in ["labels", "annotations"] {
                    comparison.at(
                        &["metadata", part],
                        value.at(&[part]),
                        live.at(&["metadata", part]),
                    );
                }
            }
            "rules" if aggregated => {}
            "spec" if is_equal_policy => {}
            key => {
                comparison.exact = parts.contains(&key);
                comparison.at(&[key], value, live.at(&[key]));
                comparison.exact = false;
            }
        }
    }

    for part in parts {
        let there = live.at(&[part]);
        if wanted.at(&[part]).is_null() && !is_nothing(there) && !(aggregated && *part == "rules") {
            comparison.unasked(&[part], there);
        }
    }

    comparison.unasked_metadata(id, wanted, live);
    comparison.out
}

/// Whether a value says as much as its absence.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Seq(items) => items.is_empty(),
        // A selector of nothing selects all, and a key counts whatever its value.
        Value::Map(entries) => entries.iter().all(|(key, value)| match value {
            Value::Map(inner) if KEYED.contains(&key.as_str()) => inner.is_empty(),
            value => is_nothing(value) && !is_selector(key),
        }),
        _ => false,
    }
}

/// Whose keys count, whatever their values.
const KEYED: [&str; 5] = [
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "data",
];

fn is_selector(field: &str) -> bool {
    field == "selector" || field.ends_with("Selector")
}

struct FieldComparison<'a> {
    group: &'a str,
    /// Whether the live `policyTypes` of a network policy say what follows from the rendered rules.
    policy_types_default: bool,
    /// Whether what was not rendered counts.
    exact: bool,
    managed: &'a [Value],
    path: Vec<Step<'a>>,
    out: Vec<FieldDifference>,
}

impl<'a> FieldComparison<'a> {
    fn at(&mut self, path: &[&'a str], wanted: &'a Value, live: &'a Value) {
        let before = self.path.len();
        self.path.extend(path.iter().map(|p| Step::Field(p)));
        self.compare(wanted, live);
        self.path.truncate(before);
    }

    fn unasked(&mut self, path: &[&'a str], live: &Value) {
        let before = self.path.len();
        self.path.extend(path.iter().map(|p| Step::Field(p)));
        self.push(None, live);
        self.path.truncate(before);
    }

    /// Adds the metadata that was not rendered, and by which an object goes, stays, or lets pods run.
    fn unasked_metadata(&mut self, id: &ObjectId, wanted: &Value, live: &'a Value) {
        let added = |field: &str| {
            let there = live.at(&["metadata", field]);
            let is_added = !is_nothing(there) && wanted.at(&["metadata", field]).is_null();
            is_added.then_some(there)
        };

        // What has an owner goes with it, when somebody else says so.
        let is_exact = !kinds::exact(id).is_empty();
        let decides = is_exact
            || id.group.is_empty() && ["Namespace", "ServiceAccount"].contains(&id.kind.as_str());
        if let Some(owners) = added("ownerReferences").filter(|_| decides) {
            self.unasked(&["metadata", "ownerReferences"], owners);
        }

        // What has a finalizer does not go, when Flux says so; but for those of its own controllers.
        let is_held = is_exact && !is_engine_group(&id.group);
        if let Some(finalizers) = added("finalizers").filter(|_| is_held) {
            self.unasked(&["metadata", "finalizers"], finalizers);
        }

        if id.kind == "Namespace" {
            for (key, value) in live.at(&["metadata", "labels"]).entries() {
                let is_rendered = !wanted.at(&["metadata", "labels", key]).is_null();
                if key.starts_with(POD_SECURITY) && !is_rendered {
                    self.unasked(&["metadata", "labels", key], value);
                }
            }
        }
    }

    fn push(&mut self, wanted: Option<&Value>, live: &Value) {
        let show = |value: &Value| {
            let text = serde_json::to_string(value).unwrap_or_default();
            match text.char_indices().nth(SHOWN) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        };

        let path = self
            .path
            .iter()
            .fold(String::new(), |path, step| match step {
                Step::Field(name) if name.contains(['.', '/']) => format!("{path}[{name}]"),
                Step::Field(name) if path.is_empty() => (*name).to_owned(),
                Step::Field(name) => format!("{path}.{name}"),
                Step::Index(at) => format!("{path}[{at}]"),
                Step::Element(keys) => format!("{path}[{}]", element_name(keys)),
            });

        let fields = self.path.iter().map_while(|step| match step {
            Step::Field(name) => Some(Text::from(*name)),
            Step::Index(_) | Step::Element(_) => None,
        });

        self.out.push(FieldDifference {
            path,
            fields: fields.collect(),
            wanted: wanted.map(show),
            live: (!live.is_null()).then(|| show(live)),
            by: self.manager(!live.is_null()),
        });
    }

    fn compare(&mut self, wanted: &'a Value, live: &'a Value) {
        if self.is_absence(wanted) && self.is_absence(live) {
            return;
        }
        match (wanted, live) {
            (Value::Map(entries), Value::Map(there)) => {
                for (key, value) in entries.iter() {
                    self.path.push(Step::Field(key));
                    self.compare(value, live.get(key).unwrap_or(&Value::Null));
                    self.path.pop();
                }
                if self.exact {
                    self.more(wanted, there);
                }
            }
            (Value::Seq(items), Value::Seq(there)) => self.lists(items, there, wanted, live),
            _ if wanted == live || self.same_quantity(wanted, live) => {}
            _ => self.push(Some(wanted), live),
        }
    }

    /// Fields that were not rendered.
    fn more(&mut self, wanted: &Value, there: &'a [Entry]) {
        let keyed = matches!(self.path.last(), Some(Step::Field(f)) if KEYED.contains(f));
        for (key, value) in there {
            if !wanted.at(&[key]).is_null() || !keyed && is_server_default(self.group, key, value) {
                continue;
            }
            if key == "policyTypes" && self.path.len() == 1 && self.policy_types_default {
                continue;
            }
            self.path.push(Step::Field(key));
            if !self.is_absence(value) {
                self.push(None, value);
            }
            self.path.pop();
        }
    }

    /// Whether a value at this path says as much as its absence.
    fn is_absence(&self, value: &Value) -> bool {
        let keyed = |s: Option<&Step<'_>>| matches!(s, Some(Step::Field(f)) if KEYED.contains(f));
        let (inner, outer) = (
            keyed(self.path.iter().rev().nth(1)),
            keyed(self.path.last()),
        );

        let selector = matches!(self.path.last(), Some(Step::Field(field)) if is_selector(field));
        match value {
            Value::Null => true,
            _ if inner => false,
            Value::Map(entries) if outer => entries.is_empty(),
            Value::Map(_)
                if selector && !is_server_default(self.group, "namespaceSelector", value) =>
            {
                false
            }
            value => is_nothing(value),
        }
    }

    /// Lists are one value, but for those that the server merges by keys, which `managedFields`
    /// show.
    fn lists(
        &mut self,
        items: &'a [Value],
        there: &'a [Value],
        wanted: &'a Value,
        live: &'a Value,
    ) {
        match self.keys() {
            Some(Keys::Fields(keys)) => {
                let exact = self.exact;
                let same = |a: &Value, b: &Value| {
                    keys.iter()
                        .all(|k| a.get(k) == b.get(k) || a.get(k).is_none() && !exact)
                };

                for item in items {
                    let found = there.iter().find(|t| same(item, t)).unwrap_or(&Value::Null);
                    // A key that was not rendered has the value that the server gave it.
                    let value = |key: &str| found.get(key).or_else(|| item.get(key)).cloned();
                    let named = keys
                        .iter()
                        .filter_map(|key| Some((key.clone(), value(key)?)));
                    self.path.push(Step::Element(named.collect()));
                    self.compare(item, found);
                    self.path.pop();
                }

                let asked =
                    |there: &Value| !self.exact || items.iter().any(|item| same(item, there));
                let more: Vec<_> = there
                    .iter()
                    .enumerate()
                    .filter(|(_, t)| !asked(t))
                    .collect();

                for (at, other) in more {
                    self.path.push(Step::Index(at));
                    self.push(None, other);
                    self.path.pop();
                }
            }
            Some(Keys::Values)
                if items.iter().all(|item| there.contains(item))
                    && (!self.exact || items.len() == there.len()) => {}
            None if items.len() == there.len() => {
                for (at, (item, found)) in items.iter().zip(there).enumerate() {
                    self.path.push(Step::Index(at));
                    self.compare(item, found);
                    self.path.pop();
                }
            }
            _ => self.push(Some(wanted), live),
        }
    }

    /// Amounts are equal by value: the server writes `1000m` as `1`.
    fn same_quantity(&self, wanted: &Value, live: &Value) -> bool {
        const AMOUNTS: [&str; 10] = [
            "hard",
            "limits",
            "requests",
            "default",
            "defaultRequest",
            "max",
            "min",
            "maxLimitRequestRatio",
            "capacity",
            "storage",
        ];
        let amount = |v: &Value| -> Option<Quantity> {
            match v {
                Value::String(text) => Quantity::parse(text).ok(),
                Value::Number(number) => Quantity::parse(&number.to_string()).ok(),
                _ => None,
            }
        };

        self.path
            .iter()
            .any(|step| matches!(step, Step::Field(name) if AMOUNTS.contains(name)))
            && matches!((amount(wanted), amount(live)), (Some(a), Some(b)) if a == b)
    }

    /// The keys by which the list at this path is merged; `None` if it is one value.
    fn keys(&self) -> Option<Keys> {
        let nodes = self
            .managed
            .iter()
            .filter_map(|m| self.walk(m.at(&["fieldsV1"]), self.path.len()));

        for (key, _) in nodes.flat_map(Value::entries) {
            if let Some(json) = key.strip_prefix("k:") {
                let element: Value = serde_json::from_str(json).ok()?;
                return Some(Keys::Fields(
                    element.entries().iter().map(|(k, _)| k.clone()).collect(),
                ));
            }
            if key.starts_with("v:") {
                return Some(Keys::Values);
            }
        }

        None
    }

    /// What a manager's fields have at the first steps of this path.
    fn walk<'m>(&self, fields: &'m Value, steps: usize) -> Option<&'m Value> {
        let mut node = fields;
        for step in &self.path[..steps] {
            node = match step {
                Step::Field(name) => node
                    .entries()
                    .iter()
                    .find(|(k, _)| k.strip_prefix("f:") == Some(name)),
                Step::Index(_) => None,
                Step::Element(keys) => node.entries().iter().find(|(k, _)| {
                    k.strip_prefix("k:")
                        .and_then(|json| serde_json::from_str::<Value>(json).ok())
                        .is_some_and(|element| is_same_element(element.entries(), keys))
                }),
            }
            .map(|(_, node)| node)?;
        }

        Some(node)
    }

    /// Who set the field at this path, or what holds it: the last to do so. Of one that is missing,
    /// who last updated the object.
    fn manager(&self, there: bool) -> Option<Manager> {
        if !there {
            let updates = Manager::all(self.managed)
                .map(|(manager, _)| manager)
                .filter(|m| m.operation == "Update");
            return Manager::last(updates);
        }
        // The field itself; else, within a list that is one value, the list.
        (1..=self.path.len()).rev().find_map(|steps| {
            let owns = |entry: &Value| {
                self.walk(entry.at(&["fieldsV1"]), steps)
                    .is_some_and(|node| steps == self.path.len() || node.entries().is_empty())
            };
            Manager::last(
                Manager::all(self.managed)
                    .filter(|(_, entry)| owns(entry))
                    .map(|(manager, _)| manager),
            )
        })
    }
}

/// By what a list is merged.
enum Keys {
    /// By these fields of its elements.
    Fields(Vec<Text>),
    /// By the elements themselves: a set.
    Values,
}

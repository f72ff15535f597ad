//! Two sets of objects, compared by meaning.
//!
//! Objects are matched by identity and compared field by field: the order of keys does not count,
//! nor that of subjects, nor how a quantity is written; what tenantry itself adds (its labels,
//! Flux's annotations) is told apart.

use super::pretty;
use crate::document::TreeValue;
use crate::document::quoting::{self, NOT_SHOWN};
use crate::isolation::delta::{self, ChangedObject, Delta, DeltaClass, Effect, Objects, Party};
use crate::kube::{ObjectId, Quantity, RBAC, kinds};
use crate::netpol::Dialect;
use crate::plain::plain;
use crate::value::Value as Tree;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What became of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectChange {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Fields differ.
    Changed(Vec<FieldChange>),
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Its path.
    pub path: String,
    /// The path as it is shown: that of the field around it of which nothing is.
    pub shown_path: String,
    /// Its value before, as far as it may be quoted; `None` if it was not there.
    pub before: Option<Value>,
    /// Its value after, as far as it may be quoted; `None` if it is not there.
    pub after: Option<Value>,
}

/// The differences between two sets of objects.
#[derive(Debug, Default)]
pub struct Difference {
    /// Changed objects, by identity.
    pub changes: BTreeMap<ObjectId, ObjectChange>,
    /// How many objects differ only in what tenantry adds to each.
    pub metadata_only: usize,
    /// How many objects are equal.
    pub equal: usize,
}

static OWN_PREFIXES: [&str; 2] = ["tenantry.dev/", "kustomize.toolkit.fluxcd.io/"];

/// Compares two sets of objects. With `own_metadata`, what tenantry adds to each object counts too.
pub fn diff(before: &Objects, after: &Objects, own_metadata: bool) -> Difference {
    let mut out = Difference::default();
    for (id, old) in before {
        let Some(new) = after.get(id) else {
            out.changes.insert(id.clone(), ObjectChange::Removed);
            continue;
        };

        if old == new {
            out.equal += 1;
            continue;
        }

        let (old_plain, new_plain) = (normal(id, old, own_metadata), normal(id, new, own_metadata));
        let is_known = kinds::find(&id.group, &id.kind).is_some();
        let quotable = |object: &Value| quoting::quotable(&Tree::from(object), is_known);
        let (old_shown, new_shown) = (quotable(&old_plain), quotable(&new_plain));

        let mut fields = Vec::new();
        let old_side = Side::new(&old_plain, &old_shown);
        let new_side = Side::new(&new_plain, &new_shown);
        compare("", None, Some(old_side), Some(new_side), &mut fields);

        if !fields.is_empty() {
            out.changes
                .insert(id.clone(), ObjectChange::Changed(fields));
        } else if !own_metadata && normal(id, old, true) != normal(id, new, true) {
            out.metadata_only += 1;
        } else {
            out.equal += 1;
        }
    }

    for id in after.keys().filter(|id| !before.contains_key(id)) {
        out.changes.insert(id.clone(), ObjectChange::Added);
    }
    out
}

/// An object in the form in which two that mean the same are equal.
fn normal(id: &ObjectId, object: &Value, own_metadata: bool) -> Value {
    let mut object = object.clone();
    if let (Some(policy), Some(object)) = (normal_policy(id, &object), object.as_object_mut()) {
        object.insert("spec".to_owned(), policy);
    }

    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["labels", "annotations"] {
            if let Some(Value::Object(map)) = metadata.get_mut(field) {
                if !own_metadata {
                    map.retain(|key, _| !OWN_PREFIXES.iter().any(|p| key.starts_with(p)));
                }
                if map.is_empty() {
                    metadata.remove(field);
                }
            }
        }
    }

    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();

    match kind.as_str() {
        "RoleBinding" | "ClusterRoleBinding" => {
            if let Some(Value::Array(subjects)) = object.get_mut("subjects") {
                for subject in subjects.iter_mut().filter_map(Value::as_object_mut) {
                    default_group(subject);
                }
                subjects.sort_by_key(Value::to_string);
                subjects.dedup();
            }
            if let Some(role) = object.get_mut("roleRef").and_then(Value::as_object_mut) {
                role.entry("apiGroup").or_insert(RBAC.into());
            }
        }
        "ResourceQuota" => quantities(object.pointer_mut("/spec/hard")),
        "LimitRange" => {
            for item in object
                .pointer_mut("/spec/limits")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                for part in [
                    "default",
                    "defaultRequest",
                    "min",
                    "max",
                    "maxLimitRequestRatio",
                ] {
                    quantities(item.get_mut(part));
                }
            }
        }
        _ => {}
    }

    object
}

/// The `spec` of a network policy, written as tenantry writes what it means; `None` if the object is no
/// policy, or one that cannot be read.
fn normal_policy(id: &ObjectId, object: &Value) -> Option<Value> {
    let dialect = Dialect::of(id)?;
    let read: crate::value::Value = serde_json::from_value(object.clone()).ok()?;

    let policy = dialect.read(&read).ok()?;
    Some(dialect.write(&policy).to_json())
}

fn default_group(subject: &mut Map<String, Value>) {
    if subject.get("kind").and_then(Value::as_str) == Some("ServiceAccount") {
        subject.remove("apiGroup");
    } else {
        subject.entry("apiGroup").or_insert(RBAC.into());
    }
    subject.sort_keys();
}

fn quantities(amounts: Option<&mut Value>) {
    for amount in amounts
        .and_then(Value::as_object_mut)
        .into_iter()
        .flat_map(|m| m.values_mut())
    {
        let text = match amount {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            _ => continue,
        };
        if let Ok(quantity) = Quantity::parse(&text) {
            *amount = Value::String(Quantity::from_nanos(quantity.nanos(), false).to_string());
        }
    }
}

/// A value, and what is shown of it.
#[derive(Clone, Copy)]
struct Side<'a> {
    value: &'a Value,
    shown: &'a Value,
}

impl<'a> Side<'a> {
    const fn new(value: &'a Value, shown: &'a Value) -> Self {
        Self { value, shown }
    }

    /// Whether nothing of it is shown.
    fn is_hidden(&self) -> bool {
        self.value != self.shown && self.shown == NOT_SHOWN
    }

    /// The value of a key. Of a value that is not shown, none is.
    fn member(&self, key: &str) -> Option<Self> {
        let shown = self.shown.get(key).unwrap_or(self.shown);
        Some(Self::new(self.value.get(key)?, shown))
    }

    fn item(&self, at: usize) -> Option<Self> {
        let shown = self.shown.get(at).unwrap_or(self.shown);
        Some(Self::new(self.value.get(at)?, shown))
    }
}

/// Adds what differs. `hidden` is the path of the value around it of which nothing is shown.
fn compare(
    path: &str,
    hidden: Option<&str>,
    old: Option<Side<'_>>,
    new: Option<Side<'_>>,
    out: &mut Vec<FieldChange>,
) {
    let is_hidden = [&old, &new].into_iter().flatten().any(Side::is_hidden);
    let hidden = hidden.or_else(|| is_hidden.then_some(path));
    let values = (old.map(|side| side.value), new.map(|side| side.value));

    match values {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let added = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(added) {
                let (old, new) = (
                    old.and_then(|side| side.member(key)),
                    new.and_then(|side| side.member(key)),
                );
                compare(&format!("{path}.{key}"), hidden, old, new, out);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
            for at in 0..a.len() {
                let (old, new) = (
                    old.and_then(|side| side.item(at)),
                    new.and_then(|side| side.item(at)),
                );
                compare(&format!("{path}[{at}]"), hidden, old, new, out);
            }
        }
        (a, b) if a == b => {}
        _ => {
            let shown = |side: Option<Side<'_>>| match hidden {
                Some(_) => side.map(|_| Value::from(NOT_SHOWN)),
                None => side.map(|side| side.shown.clone()),
            };
            out.push(FieldChange {
                path: path.trim_start_matches('.').to_owned(),
                shown_path: hidden.unwrap_or(path).trim_start_matches('.').to_owned(),
                before: shown(old),
                after: shown(new),
            });
        }
    }
}

/// The changes of an object as they are shown: a field of which nothing is shown counts once.
fn shown_fields(fields: &[FieldChange]) -> impl Iterator<Item = &FieldChange> {
    let mut hidden = BTreeSet::new();
    fields.iter().filter(move |field| {
        field.path == field.shown_path || hidden.insert(field.shown_path.as_str())
    })
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(nothing)".into(), Value::to_string)
}

/// What became of the value of a field, in words.
fn change_text(field: &FieldChange) -> String {
    let FieldChange {
        shown_path,
        before,
        after,
        ..
    } = field;
    let is_hidden = |value: &Option<Value>| value.as_ref().is_some_and(|value| value == NOT_SHOWN);
    if is_hidden(before) && is_hidden(after) {
        return format!("{shown_path}: changed {NOT_SHOWN}");
    }
    let word = |value: &Option<Value>| match is_hidden(value) {
        true => NOT_SHOWN.to_owned(),
        false => shown(value.as_ref()),
    };
    format!("{shown_path}: {} -> {}", word(before), word(after))
}

/// The differences as text.
pub fn text(difference: &Difference) -> String {
    let mut out = String::new();
    for (id, change) in &difference.changes {
        match change {
            ObjectChange::Added => out.push_str(&format!("+ {}\n", plain(&id.to_string()))),
            ObjectChange::Removed => out.push_str(&format!("- {}\n", plain(&id.to_string()))),
            ObjectChange::Changed(fields) => {
                out.push_str(&format!("~ {}\n", plain(&id.to_string())));
                for field in shown_fields(fields) {
                    out.push_str(&format!("    {}\n", plain(&change_text(field))));
                }
            }
        }
    }

    out
}

impl Difference {
    /// The objects that differ, with both of their states.
    pub fn objects<'a>(
        &'a self,
        before: &'a Objects,
        after: &'a Objects,
    ) -> Vec<ChangedObject<'a>> {
        let object = |(id, change): (&'a ObjectId, &'a ObjectChange)| ChangedObject {
            id,
            before: before.get(id),
            after: after.get(id),
            fields: match change {
                ObjectChange::Added | ObjectChange::Removed => Vec::new(),
                ObjectChange::Changed(fields) => {
                    fields.iter().map(|field| field.path.as_str()).collect()
                }
            },
        };
        self.changes.iter().map(object).collect()
    }

    /// Adds the differences of a cluster. With its name, each kind begins with it, so that objects
    /// of several clusters are told apart.
    pub fn add(&mut self, other: Self, cluster: Option<&str>) {
        self.equal += other.equal;
        self.metadata_only += other.metadata_only;
        self.changes
            .extend(other.changes.into_iter().map(|(mut id, change)| {
                if let Some(cluster) = cluster {
                    id.kind = format!("{cluster}: {}", id.kind).into();
                }
                (id, change)
            }));
    }
}

/// What each party gains and loses, by cluster.
pub type Deltas = BTreeMap<String, delta::Deltas>;

/// The class of a whole change: that of the party that it widens most.
pub fn class(deltas: &Deltas) -> DeltaClass {
    deltas
        .values()
        .flat_map(BTreeMap::values)
        .map(Delta::class)
        .max()
        .unwrap_or(DeltaClass::Neutral)
}

/// How many changes cannot be told.
pub fn untold(deltas: &Deltas) -> usize {
    let all = deltas.values().flat_map(BTreeMap::values);
    all.flat_map(|delta| &delta.beside)
        .filter(|change| change.effect == Effect::Untold)
        .count()
}

/// The isolation delta as text: each party's class, its access gained and lost, and the changes
/// beside access.
pub fn delta_text(deltas: &Deltas) -> String {
    let mut out = String::new();
    for (cluster, parties) in deltas {
        for (party, delta) in parties {
            let who = match party {
                Party::RoleHolders => "everybody with these roles".to_owned(),
                Party::Platform => "the platform".to_owned(),
                Party::Tenant(tenant) => format!("tenant `{tenant}`"),
            };
            let line = match delta.class() {
                DeltaClass::CannotTell => format!("{cluster}: cannot tell for {who}"),
                class => format!("{cluster}: {} {who}", class.name()),
            };
            out.push_str(&format!("{}\n", plain(&line)));
            out.push_str(&lines_text(delta));
        }
    }

    out
}

/// The lines of one party.
fn lines_text(delta: &Delta) -> String {
    let gained = delta
        .gained
        .iter()
        .map(|line| format!("  + {}\n", plain(line)));
    let lost = delta
        .lost
        .iter()
        .map(|line| format!("  - {}\n", plain(line)));
    let mut out: String = gained.chain(lost).collect();

    if !delta.beside.is_empty() {
        out.push_str("  beside access:\n");
    }
    for change in &delta.beside {
        let (sign, topic) = (change.effect.sign(), change.topic.name());
        out.push_str(&format!("  {sign} {topic}: {}\n", plain(&change.text)));
    }
    out
}

/// How many objects of each kind were added, removed and changed, in words.
pub fn summary(difference: &Difference) -> String {
    let of =
        |test: fn(&ObjectChange) -> bool| difference.changes.values().filter(|c| test(c)).count();
    let mut text = format!(
        "{} added, {} removed, {} changed, {} equal",
        of(|c| matches!(c, ObjectChange::Added)),
        of(|c| matches!(c, ObjectChange::Removed)),
        of(|c| matches!(c, ObjectChange::Changed(_))),
        difference.equal + difference.metadata_only
    );
    if difference.metadata_only > 0 {
        text.push_str(&format!(
            " ({} of them gain or lose only tenantry's labels and Flux's annotations; --metadata shows these)",
            difference.metadata_only
        ));
    }
    text
}

/// The differences as Markdown for a pull request.
pub fn markdown(difference: &Difference, deltas: &Deltas) -> String {
    let mut out = format!(
        "### tenantry diff: {}\n\n{}\n",
        class(deltas).name(),
        summary(difference)
    );

    let isolation = delta_text(deltas);
    if !isolation.is_empty() {
        out.push_str("\n```diff\n");
        // In a block of kind `diff` a line is coloured by its first character.
        isolation.lines().for_each(|line| {
            out.push_str(&format!("{}\n", line.trim_start().replace("```", "'''")))
        });
        out.push_str("```\n");
    }

    if !difference.changes.is_empty() {
        out.push_str("\n<details><summary>Objects</summary>\n\n```diff\n");
        out.push_str(&text(difference).replace("```", "'''"));
        out.push_str("```\n\n</details>\n");
    }

    out
}

/// The differences as JSON.
pub fn json(difference: &Difference, deltas: &Deltas) -> String {
    let changes: Vec<Value> = difference
        .changes
        .iter()
        .map(|(id, change)| match change {
            ObjectChange::Added => serde_json::json!({"object": id.to_string(), "change": "added"}),
            ObjectChange::Removed => {
                serde_json::json!({"object": id.to_string(), "change": "removed"})
            }
            ObjectChange::Changed(fields) => {
                let field = |field: &FieldChange| {
                    serde_json::json!({
                        "path": field.shown_path, "before": field.before, "after": field.after
                    })
                };
                let fields: Vec<Value> = shown_fields(fields).map(field).collect();
                serde_json::json!({"object": id.to_string(), "change": "changed", "fields": fields})
            }
        })
        .collect();

    let isolation: BTreeMap<&str, BTreeMap<&str, Value>> = deltas
        .iter()
        .map(|(cluster, parties)| (cluster.as_str(), parties.iter().map(party_json).collect()))
        .collect();

    let report = serde_json::json!({
        "schemaVersion": 1, "class": class(deltas).name(), "isolation": isolation, "changes": changes, "equal": difference.equal, "metadataOnly": difference.metadata_only
    });
    pretty(&report)
}

/// A party's name, and what it gains and loses. No tenant has a name in brackets.
fn party_json<'a>((party, delta): (&'a Party, &'a Delta)) -> (&'a str, Value) {
    let name = match party {
        Party::RoleHolders => "",
        Party::Platform => "(platform)",
        Party::Tenant(tenant) => tenant.as_str(),
    };
    let beside: Vec<Value> = delta
        .beside
        .iter()
        .map(|change| {
            serde_json::json!({
                "topic": change.topic.name(), "effect": change.effect.name(), "text": change.text
            })
        })
        .collect();
    let value = serde_json::json!({
        "class": delta.class().name(),
        "gained": delta.gained,
        "lost": delta.lost,
        "beside": beside,
    });
    (name, value)
}

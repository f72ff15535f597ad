//! Fields that no update may change: the API server refuses the apply, and the object stays as it was.
//!
//! Absence counts where the server fills nothing in, and where what it fills in is known. Elsewhere
//! values are compared that both objects state. Of mappings from names to values, such as labels, a key
//! that one of them lacks differs.
//!
//! Source: the `Validate…Update` functions of `pkg/apis/*/validation`. A test applies changes of every
//! field to objects in a real API server, and compares.

use super::field::Field;
use super::{Checked, Refusal};
use crate::document::{TreeValue, View, quoting};
use crate::kube::{ObjectId, Quantity};
use std::collections::{BTreeSet, HashMap};

/// Mappings whose keys are data.
const NAMED: [&str; 10] = [
    "annotations",
    "binaryData",
    "config",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "requests",
    "stringData",
];

/// Fields below others that the server never fills in.
const NO_DEFAULT: [&str; 18] = [
    "annotations",
    "args",
    "command",
    "devices",
    "env",
    "envFrom",
    "labels",
    "matchExpressions",
    "matchLabels",
    "metadata",
    "nodeSelector",
    "onExitCodes",
    "selector",
    "storageClassName",
    "value",
    "values",
    "volumeMounts",
    "volumes",
];

/// Fields that hold quantities, which have many forms: `1` is `1000m`.
const QUANTITIES: [&str; 6] = [
    "capacity",
    "limits",
    "requests",
    "resources",
    "sizeLimit",
    "storage",
];

/// What it means that an object lacks a field.
#[derive(Clone, Copy)]
enum Absence {
    /// No value: adding the field changes it, and so does removing it.
    Value,
    /// This value, which the server fills in.
    Means(&'static str),
    /// No value yet: adding the field is taken, and removing it is not.
    Open,
    /// Any value: the server fills one in.
    Unknown,
}

/// A field that never changes.
struct ImmutableField {
    path: &'static [&'static str],
    absence: Absence,
}

const fn field(path: &'static [&'static str], absence: Absence) -> ImmutableField {
    ImmutableField { path, absence }
}

/// Fields of a kind that never change.
struct Immutable {
    group: &'static str,
    kinds: &'static [&'static str],
    fields: &'static [ImmutableField],
}

static IMMUTABLE: [Immutable; 9] = [
    Immutable {
        group: "apps",
        kinds: &["DaemonSet", "Deployment", "ReplicaSet"],
        fields: &[field(&["spec", "selector"], Absence::Value)],
    },
    Immutable {
        group: "apps",
        kinds: &["StatefulSet"],
        fields: &[
            field(
                &["spec", "podManagementPolicy"],
                Absence::Means("OrderedReady"),
            ),
            field(&["spec", "selector"], Absence::Value),
            field(&["spec", "serviceName"], Absence::Value),
            field(&["spec", "volumeClaimTemplates"], Absence::Value),
        ],
    },
    Immutable {
        group: "apps",
        kinds: &["ControllerRevision"],
        fields: &[field(&["data"], Absence::Value)],
    },
    Immutable {
        group: "",
        kinds: &["Secret"],
        fields: &[field(&["type"], Absence::Means("Opaque"))],
    },
    Immutable {
        group: "",
        kinds: &["PersistentVolumeClaim"],
        fields: &[
            field(&["spec", "accessModes"], Absence::Value),
            field(&["spec", "dataSource"], Absence::Unknown),
            field(&["spec", "dataSourceRef"], Absence::Unknown),
            field(&["spec", "selector"], Absence::Value),
            field(&["spec", "storageClassName"], Absence::Open),
            field(&["spec", "volumeMode"], Absence::Means("Filesystem")),
            field(&["spec", "volumeName"], Absence::Open),
        ],
    },
    Immutable {
        group: "rbac.authorization.k8s.io",
        kinds: &["ClusterRoleBinding", "RoleBinding"],
        fields: &[field(&["roleRef"], Absence::Value)],
    },
    Immutable {
        group: "discovery.k8s.io",
        kinds: &["EndpointSlice"],
        fields: &[field(&["addressType"], Absence::Value)],
    },
    Immutable {
        group: "resource.k8s.io",
        kinds: &["ResourceClaim", "ResourceClaimTemplate"],
        fields: &[field(&["spec"], Absence::Value)],
    },
    Immutable {
        group: "batch",
        kinds: &["Job"],
        fields: &[
            field(&["spec", "backoffLimitPerIndex"], Absence::Value),
            field(&["spec", "completionMode"], Absence::Means("NonIndexed")),
            field(&["spec", "managedBy"], Absence::Value),
            field(&["spec", "podFailurePolicy"], Absence::Value),
            field(&["spec", "selector"], Absence::Unknown),
            field(&["spec", "successPolicy"], Absence::Value),
        ],
    },
];

/// Why an update from one object to another of the same identity is refused. `None` if the API server
/// takes it, as far as both objects say.
pub fn check_update<T: TreeValue>(id: &ObjectId, old: &T, new: &T) -> Option<Box<Refusal>> {
    let refusal = changed(id, &Field::root(old), &Field::root(new)).err()?;
    Some(match quoting::is_secret(new) {
        true => Box::new(refusal.without_values()),
        false => refusal,
    })
}

/// Refuses a change of a field that never changes.
fn changed<T: TreeValue>(id: &ObjectId, old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    let rows = IMMUTABLE.iter().filter(|row| {
        row.group == id.group && row.kinds.iter().any(|kind| *kind == id.kind.as_str())
    });
    for field in rows.flat_map(|row| row.fields) {
        unchanged_at(old, new, field.path, field.absence)?;
    }

    match (&*id.group, &*id.kind) {
        ("", "ConfigMap" | "Secret") => immutable_data(old, new),
        ("", "Service") => service(old, new),
        ("", "Pod") => pod(old, new),
        ("batch", "Job") => job(old, new),
        _ => Ok(()),
    }
}

fn unchanged_at<T: TreeValue>(
    old: &Field<'_, T>,
    new: &Field<'_, T>,
    path: &[&'static str],
    absence: Absence,
) -> Checked {
    match path {
        [] => same_field(old, new, absence),
        [first, rest @ ..] => unchanged_at(&old.child(first), &new.child(first), rest, absence),
    }
}

/// Refuses a field that differs from the earlier one, one that only one object has included.
fn same_field<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>, absence: Absence) -> Checked {
    let same_presence = is_blank(old) == is_blank(new);
    match absence {
        Absence::Value => new.require(same_presence, CHANGED)?,
        Absence::Open => new.require(same_presence || is_blank(old), CHANGED)?,
        Absence::Means(text) => {
            let or_default = |field: &Field<'_, T>| match field.text() {
                "" => text.to_owned(),
                stated => stated.to_owned(),
            };
            return new.require(or_default(old) == or_default(new), CHANGED);
        }
        Absence::Unknown => {}
    }
    unchanged(old, new)
}

/// Whether a field has no value, or an empty one, which the server takes for none. An empty class of
/// storage is one of its own.
fn is_blank<T: TreeValue>(field: &Field<'_, T>) -> bool {
    match field.view() {
        Some(View::Map(entries)) => entries.is_empty(),
        Some(View::Seq(items)) => items.is_empty(),
        Some(View::String(text)) => text.is_empty() && field.key() != Some("storageClassName"),
        _ => !field.is_set(),
    }
}

/// Refuses a value that differs from the earlier one, where both are stated.
fn unchanged<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    if !(old.is_set() && new.is_set()) {
        return Ok(());
    }
    let (Some(before), Some(after)) = (old.view(), new.view()) else {
        return Ok(());
    };
    let same_quantity =
        |before: &str, after: &str| new.is_below(&QUANTITIES) && is_equal(before, after);
    let same = match (before, after) {
        (View::Map(_), View::Map(_)) => return same_entries(old, new, &[]),
        (View::Seq(before), View::Seq(after)) => {
            for (before, after) in old.items().zip(new.items()) {
                unchanged(&before, &after)?;
            }
            before.len() == after.len()
        }
        (View::String(before), View::String(after)) => {
            before == after || same_quantity(before, after)
        }
        (View::Bool(before), View::Bool(after)) => before == after,
        (View::Number(_), View::Number(_)) => old.to_json() == new.to_json(),
        // A quantity may be a number or a string.
        (View::Number(_), View::String(text)) => same_quantity(&old.to_json().to_string(), text),
        (View::String(text), View::Number(_)) => same_quantity(text, &new.to_json().to_string()),
        _ => false,
    };
    new.require(same, CHANGED)
}

/// Refuses a mapping with an entry that differs from the earlier one, but for some keys.
fn same_entries<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>, but: &[&str]) -> Checked {
    let is_data = new.key().is_some_and(|key| NAMED.contains(&key));
    let has_no_default = |key: &str| !is_data && NO_DEFAULT.contains(&key);
    let counts =
        |key: &str, field: &Field<'_, T>| is_data || (has_no_default(key) && !is_blank(field));
    let before: HashMap<&str, Field<'_, T>> = old.entries().collect();
    let mut after = BTreeSet::new();

    for (key, value) in new.entries().filter(|(key, _)| !but.contains(key)) {
        after.insert(key);
        match before.get(key) {
            Some(earlier) if has_no_default(key) => same_field(earlier, &value, Absence::Value)?,
            Some(earlier) => unchanged(earlier, &value)?,
            None => value.require(!counts(key, &value), CHANGED)?,
        }
    }

    let mut gone = old
        .entries()
        .filter(|(key, _)| !but.contains(key) && !after.contains(key));
    match gone.find(|(key, field)| counts(key, field)) {
        Some((key, _)) => new.child(key).refuse(CHANGED),
        None => Ok(()),
    }
}

/// Why a value is refused.
const CHANGED: &str = "is immutable: an update cannot change it";

/// Whether two texts are one quantity.
fn is_equal(before: &str, after: &str) -> bool {
    match (Quantity::parse(before), Quantity::parse(after)) {
        (Ok(before), Ok(after)) => before == after,
        _ => false,
    }
}

/// The values of a ConfigMap or a Secret that is `immutable`.
fn immutable_data<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    let is_immutable = |field: &Field<'_, T>| matches!(field.view(), Some(View::Bool(true)));
    let flag = new.child("immutable");
    if !is_immutable(&old.child("immutable")) {
        return Ok(());
    }
    flag.require(
        is_immutable(&flag),
        "must stay true: the object was applied as immutable",
    )?;

    // The server adds `stringData` to `data`, and keeps what is no longer in it.
    let is_merged = |object: &Field<'_, T>| object.child("stringData").is_set();
    if is_merged(old) || is_merged(new) {
        for field in ["data", "stringData"] {
            let before = old.child(field);
            let before: HashMap<&str, Field<'_, T>> = before.entries().collect();
            let values = new.child(field);
            for (key, value) in values.entries() {
                before
                    .get(key)
                    .map_or(Ok(()), |earlier| unchanged(earlier, &value))?;
            }
        }
        return Ok(());
    }
    for field in ["data", "binaryData"] {
        same_field(&old.child(field), &new.child(field), Absence::Value)?;
    }
    Ok(())
}

fn service<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    let (old, new) = (old.child("spec"), new.child("spec"));
    let is_named = |spec: &Field<'_, T>| spec.child("type").text() == "ExternalName";
    if is_named(&old) || is_named(&new) {
        return Ok(());
    }
    let has_address = !old.child("clusterIP").text().is_empty();
    if has_address {
        unchanged(&old.child("clusterIP"), &new.child("clusterIP"))?;
        unchanged(&old.child("clusterIPs"), &new.child("clusterIPs"))?;
    }
    let balanced = |spec: &Field<'_, T>| spec.child("type").text() == "LoadBalancer";
    match balanced(&old) && balanced(&new) {
        true => same_field(
            &old.child("loadBalancerClass"),
            &new.child("loadBalancerClass"),
            Absence::Value,
        ),
        false => Ok(()),
    }
}

/// Fields of a pod that an update may change, at least in part.
const MUTABLE_POD_FIELDS: [&str; 8] = [
    "activeDeadlineSeconds",
    "affinity",
    "containers",
    "initContainers",
    "nodeSelector",
    "schedulingGates",
    "terminationGracePeriodSeconds",
    "tolerations",
];

fn pod<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    let (old, new) = (old.child("spec"), new.child("spec"));
    same_entries(&old, &new, &MUTABLE_POD_FIELDS)?;
    for list in ["containers", "initContainers"] {
        let (before, after) = (old.child(list), new.child(list));
        let is_set = before.is_set() && after.is_set();
        after.require(!is_set || before.len() == after.len(), CHANGED)?;
        for (before, after) in before.items().zip(after.items()) {
            same_entries(&before, &after, &["image"])?;
        }
    }
    Ok(())
}

/// The pods of a job. The scheduling of one that is suspended may change, and one with a time to live
/// may be gone.
fn job<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    let (old, new) = (old.child("spec"), new.child("spec"));
    let is_suspended = matches!(old.child("suspend").view(), Some(View::Bool(true)));
    if is_suspended || old.child("ttlSecondsAfterFinished").is_set() {
        return Ok(());
    }
    let (completions, parallelism) = (new.child("completions"), new.child("parallelism"));
    // Without both, each is 1.
    let count = |spec: &Field<'_, T>| {
        let is_single = !spec.child("completions").is_set() && !spec.child("parallelism").is_set();
        let stated = spec.child("completions").number();
        stated.or(is_single.then_some(1))
    };
    let is_indexed = new.child("completionMode").text() == "Indexed";
    let grows =
        is_indexed && (!parallelism.is_set() || parallelism.number() == completions.number());
    completions.require(grows || count(&old) == count(&new), CHANGED)?;
    unchanged(&old.child("template"), &new.child("template"))
}

//! Fields that no update may change: the API server refuses the apply, and the object stays as it was.
//!
//! Values are compared that both objects state: what one of them leaves out may be a default. Of
//! mappings from names to values, such as labels, a key that one of them lacks differs.
//!
//! Source: the `Validate…Update` functions of `pkg/apis/*/validation`. A test applies changes of every
//! field to objects in a real API server, and compares.

use super::field::Field;
use super::{Checked, Refusal};
use crate::document::{TreeValue, View, quoting};
use crate::kube::{ObjectId, Quantity};

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

/// Fields of a kind that never change.
struct Immutable {
    group: &'static str,
    kinds: &'static [&'static str],
    fields: &'static [&'static [&'static str]],
}

static IMMUTABLE: [Immutable; 9] = [
    Immutable {
        group: "apps",
        kinds: &["DaemonSet", "Deployment", "ReplicaSet"],
        fields: &[&["spec", "selector"]],
    },
    Immutable {
        group: "apps",
        kinds: &["StatefulSet"],
        fields: &[
            &["spec", "podManagementPolicy"],
            &["spec", "selector"],
            &["spec", "serviceName"],
            &["spec", "volumeClaimTemplates"],
        ],
    },
    Immutable {
        group: "apps",
        kinds: &["ControllerRevision"],
        fields: &[&["data"]],
    },
    Immutable {
        group: "",
        kinds: &["Secret"],
        fields: &[&["type"]],
    },
    Immutable {
        group: "",
        kinds: &["PersistentVolumeClaim"],
        fields: &[
            &["spec", "accessModes"],
            &["spec", "dataSource"],
            &["spec", "dataSourceRef"],
            &["spec", "selector"],
            &["spec", "storageClassName"],
            &["spec", "volumeMode"],
            &["spec", "volumeName"],
        ],
    },
    Immutable {
        group: "rbac.authorization.k8s.io",
        kinds: &["ClusterRoleBinding", "RoleBinding"],
        fields: &[&["roleRef"]],
    },
    Immutable {
        group: "discovery.k8s.io",
        kinds: &["EndpointSlice"],
        fields: &[&["addressType"]],
    },
    Immutable {
        group: "resource.k8s.io",
        kinds: &["ResourceClaim", "ResourceClaimTemplate"],
        fields: &[&["spec"]],
    },
    Immutable {
        group: "batch",
        kinds: &["Job"],
        fields: &[
            &["spec", "backoffLimitPerIndex"],
            &["spec", "completionMode"],
            &["spec", "managedBy"],
            &["spec", "podFailurePolicy"],
            &["spec", "selector"],
            &["spec", "successPolicy"],
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
    for path in rows.flat_map(|row| row.fields) {
        unchanged_at(old, new, path)?;
    }

    match (&*id.group, &*id.kind) {
        ("", "ConfigMap" | "Secret") => sealed(old, new),
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
) -> Checked {
    match path {
        [] => unchanged(old, new),
        [first, rest @ ..] => unchanged_at(&old.child(first), &new.child(first), rest),
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
    let same = match (before, after) {
        (View::Map(_), View::Map(_)) => {
            let is_data = new.key().is_some_and(|key| NAMED.contains(&key));
            for (key, value) in new.entries() {
                if is_data && !old.has(key) {
                    return value.refuse(CHANGED);
                }
                unchanged(&old.child(key), &value)?;
            }
            !is_data || old.entries().all(|(key, _)| new.has(key))
        }
        (View::Seq(before), View::Seq(after)) => {
            for (before, after) in old.items().zip(new.items()) {
                unchanged(&before, &after)?;
            }
            before.len() == after.len()
        }
        (View::String(before), View::String(after)) => before == after || equal(before, after),
        (View::Bool(before), View::Bool(after)) => before == after,
        (View::Number(_), View::Number(_)) => old.to_json() == new.to_json(),
        // A quantity, or a port, may be a number or a string.
        (View::Number(_), View::String(text)) => equal(&old.to_json().to_string(), text),
        (View::String(text), View::Number(_)) => equal(text, &new.to_json().to_string()),
        _ => false,
    };
    new.require(same, CHANGED)
}

/// Why a value is refused.
const CHANGED: &str = "must stay as it was applied: no update may change it";

/// Whether two texts are one quantity.
fn equal(before: &str, after: &str) -> bool {
    match (Quantity::parse(before), Quantity::parse(after)) {
        (Ok(before), Ok(after)) => before == after,
        _ => false,
    }
}

/// A ConfigMap or a Secret that is `immutable`.
fn sealed<T: TreeValue>(old: &Field<'_, T>, new: &Field<'_, T>) -> Checked {
    let is_sealed = |field: &Field<'_, T>| matches!(field.view(), Some(View::Bool(true)));
    let flag = new.child("immutable");
    if !is_sealed(&old.child("immutable")) {
        return Ok(());
    }
    flag.require(
        is_sealed(&flag),
        "must stay true: the object was applied as immutable",
    )?;
    for field in ["data", "binaryData", "stringData"] {
        unchanged(&old.child(field), &new.child(field))?;
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
        true => unchanged(
            &old.child("loadBalancerClass"),
            &new.child("loadBalancerClass"),
        ),
        false => Ok(()),
    }
}

/// Fields of a pod that an update may change, at least in part.
const OF_PODS: [&str; 8] = [
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
    for (key, field) in new.entries().filter(|(key, _)| !OF_PODS.contains(key)) {
        unchanged(&old.child(key), &field)?;
    }
    for list in ["containers", "initContainers"] {
        let (before, after) = (old.child(list), new.child(list));
        let is_set = before.is_set() && after.is_set();
        after.require(!is_set || before.len() == after.len(), CHANGED)?;
        for (before, after) in before.items().zip(after.items()) {
            for (key, field) in after.entries().filter(|(key, _)| *key != "image") {
                unchanged(&before.child(key), &field)?;
            }
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
    let is_indexed = new.child("completionMode").text() == "Indexed";
    let grows =
        is_indexed && (!parallelism.is_set() || parallelism.number() == completions.number());
    if !grows {
        unchanged(&old.child("completions"), &completions)?;
    }
    unchanged(&old.child("template"), &new.child("template"))
}

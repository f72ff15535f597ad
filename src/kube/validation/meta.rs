//! The checks of `metadata`, and of labels and selectors wherever they stand.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go` and
//! `pkg/apis/meta/v1/validation`.

use super::field::Field;
use super::{Checked, names};
use crate::document::{TreeValue, View};
use crate::kube::id::{ObjectId, RBAC};
use crate::kube::kinds;

/// The most bytes that the keys and values of annotations have together.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Checks the metadata of an object.
pub(super) fn check<T: TreeValue>(id: &ObjectId, root: &Field<'_, T>) -> Checked {
    let metadata = root.child("metadata");
    name(id, &metadata.child("name"))?;

    let namespace = metadata.child("namespace");
    if !kinds::is_cluster_scoped(id) && !namespace.text().is_empty() {
        namespace.named(names::dns_label)?;
    }

    labels(&metadata.child("labels"))?;
    annotations(&metadata.child("annotations"))?;

    for one in metadata.child("finalizers").items() {
        finalizer(id, &one)?;
    }
    let owners = metadata.child("ownerReferences");
    for owner in owners.items() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            let field = owner.child(key);
            field.require(!field.text().is_empty(), "must not be empty")?;
        }
    }
    let is_controller =
        |owner: &Field<'_, T>| matches!(owner.child("controller").view(), Some(View::Bool(true)));
    let controllers = owners.items().filter(is_controller).count();
    owners.require(controllers <= 1, "has more than one controller")?;

    Ok(())
}

/// Checks a finalizer: one of Kubernetes' own, or one with a domain.
fn finalizer<T: TreeValue>(id: &ObjectId, field: &Field<'_, T>) -> Checked {
    const OWN: [&str; 3] = ["foregroundDeletion", "kubernetes", "orphan"];
    field.named(names::qualified_name)?;
    let may_be_any = id.group == "admissionregistration.k8s.io" || field.text().contains('/');
    field.require(
        may_be_any || OWN.contains(&field.text()),
        "must be a finalizer of Kubernetes, or have a domain",
    )
}

/// Checks the name of an object, by its kind.
fn name<T: TreeValue>(id: &ObjectId, field: &Field<'_, T>) -> Checked {
    match (&*id.group, &*id.kind) {
        // The server makes one up.
        ("", "LimitRange") if field.text().is_empty() => Ok(()),
        (RBAC, _) => field.named(names::path_segment),
        ("", "Namespace" | "Service") => field.named(names::dns_label),
        ("" | "networking.k8s.io" | "apps" | "batch" | "admissionregistration.k8s.io", _) => {
            field.named(names::dns_subdomain)
        }
        // Kinds of CRDs.
        (group, _) if group.contains('.') && !group.ends_with(".k8s.io") => {
            field.named(names::dns_subdomain)
        }
        _ => Ok(()),
    }
}

/// Checks labels: keys and values.
pub(super) fn labels<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    for (key, value) in field.entries() {
        if let Err(reason) = names::qualified_name(key) {
            return field.refuse(format!("has the key `{key}`, which {reason}"));
        }
        value.named(names::label_value)?;
    }
    Ok(())
}

fn annotations<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let mut size = 0;
    for (key, value) in field.entries() {
        if let Err(reason) = names::qualified_name(&key.to_ascii_lowercase()) {
            return field.refuse(format!("has the key `{key}`, which {reason}"));
        }
        size += key.len() + value.text().len();
    }
    field.require(size <= MAX_ANNOTATIONS, "has more than 256 KiB")
}

/// Checks a selector of labels.
pub(super) fn selector<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    labels(&field.child("matchLabels"))?;

    for expression in field.child("matchExpressions").items() {
        let (operator, values) = (expression.child("operator"), expression.child("values"));
        operator.one_of(&["In", "NotIn", "Exists", "DoesNotExist"])?;
        match operator.text() {
            "In" | "NotIn" => values.require(!values.is_empty(), "must have a value")?,
            _ => values.require(values.is_empty(), "must have no value")?,
        }

        expression.child("key").named(names::qualified_name)?;
        for value in values.items() {
            value.named(names::label_value)?;
        }
    }
    Ok(())
}

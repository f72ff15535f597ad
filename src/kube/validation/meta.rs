//! The checks of `metadata`, and of labels and selectors wherever they stand.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation/objectmeta.go` and
//! `pkg/apis/meta/v1/validation`.

use super::field::Field;
use super::{Checked, names};
use crate::document::{TreeValue, View};
use crate::kube::id::{ObjectId, RBAC};
use crate::kube::{kinds, resources};

/// The most bytes that the keys and values of annotations have together.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Servers before this minor take no Service whose name begins with a digit.
const SERVICE_DIGIT_MINOR: u32 = 34;

/// Checks the metadata of an object, on servers of a minor or of any.
pub(super) fn check<T: TreeValue>(
    id: &ObjectId,
    root: &Field<'_, T>,
    minor: Option<u32>,
) -> Checked {
    let metadata = root.child("metadata");
    name(id, &metadata.child("name"), minor)?;

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
fn name<T: TreeValue>(id: &ObjectId, field: &Field<'_, T>, minor: Option<u32>) -> Checked {
    match (&*id.group, &*id.kind) {
        // The server makes one up.
        ("", "LimitRange") if field.text().is_empty() => Ok(()),
        ("", "Service") if minor.is_some_and(|minor| minor < SERVICE_DIGIT_MINOR) => {
            field.named(names::dns_1035_label)
        }
        _ => field.named(name_form(id)),
    }
}

/// The form of the names of a kind, as every minor takes it.
fn name_form(id: &ObjectId) -> fn(&str) -> Result<(), &'static str> {
    match (&*id.group, &*id.kind) {
        (RBAC, _) | ("coordination.k8s.io", "LeaseCandidate") => names::path_segment,
        ("", "Namespace" | "Service") | ("apps", "StatefulSet") => names::dns_label,
        ("batch", "CronJob") => names::cron_job,
        ("networking.k8s.io", "IPAddress") => names::ip_address,
        // Reviews, such as a TokenReview, have no name.
        ("authentication.k8s.io" | "authorization.k8s.io", _) => |_| Ok(()),
        // CertificateSigningRequest, CustomResourceDefinition, APIService, StorageVersion, EvictionRequest and
        // PodDisruptionBudget.
        (
            "apiextensions.k8s.io"
            | "apiregistration.k8s.io"
            | "certificates.k8s.io"
            | "internal.apiserver.k8s.io"
            | "lifecycle.k8s.io"
            | "policy",
            _,
        ) => names::path_segment,
        (group, _) if resources::find_group(group).is_some() => names::dns_subdomain,
        // APIs of other servers, which have names of their own: `app:latest`.
        (group, _) if group.ends_with(".openshift.io") || !group.contains('.') => {
            names::path_segment
        }
        // Kinds of CRDs.
        _ => names::dns_subdomain,
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

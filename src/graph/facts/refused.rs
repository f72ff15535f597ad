//! Objects that the API server refuses, or that strict clients do not send: they close nothing, and
//! grant nothing.

use super::{ObjectRef, Unevaluated, placeholder};
use crate::document::TreeValue;
use crate::graph::{InputKind, Origin};
use crate::kube::validation::{self, RefusedBy};
use crate::kube::{ObjectId, kinds};

/// An object that counts for a verdict, with the reason why it is refused; `None` if it is taken.
pub fn refused<T: TreeValue>(object: &ObjectRef, node: &T) -> Option<Unevaluated> {
    // A cluster holds what its API server took, and rendered objects were held to their schemas.
    if object.origin.input != InputKind::Manifest || !counts(&object.id) {
        return None;
    }

    let version = node.member("apiVersion").and_then(TreeValue::text);
    let group_version = version.unwrap_or_default();
    let refusal = validation::check(&object.id, group_version, node, None)?;
    if placeholder::is_version(node, &refusal.field) {
        return None;
    }
    Some(Unevaluated {
        id: object.id.clone(),
        reason: refusal.to_string(),
        origin: Origin {
            span: refusal.span.unwrap_or(object.origin.span),
            ..object.origin
        },
        absent: refusal.by == RefusedBy::Server,
    })
}

/// Whether a verdict hangs on an object: it closes or grants something. Pods and their like are left
/// out, since a pod that is refused harms nobody.
fn counts(id: &ObjectId) -> bool {
    const CORE: [&str; 5] = [
        "LimitRange",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Service",
        "ServiceAccount",
    ];
    kinds::is_floor(id)
        || id.group == "admissionregistration.k8s.io"
        || (id.group.is_empty() && CORE.contains(&id.kind.as_str()))
}

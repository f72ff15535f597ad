//! The reader of `rbac.authorization.k8s.io`: roles and their bindings.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::rbac::{Binding, Role};
use crate::kube::RBAC;

/// Reads a role or a binding.
///
/// # Errors
/// Why it cannot be evaluated.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> Result<bool, String> {
    let (id, origin) = (object.id.clone(), object.origin);

    match (&*id.group, &*id.kind) {
        (RBAC, "Role" | "ClusterRole") => facts.roles.push(Role::of(id, node, origin)?),
        (RBAC, "RoleBinding" | "ClusterRoleBinding") => {
            facts.bindings.push(Binding::of(id, node, origin)?);
        }
        _ => return Ok(false),
    }

    Ok(true)
}

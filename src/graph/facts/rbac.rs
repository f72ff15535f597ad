//! The reader of `rbac.authorization.k8s.io`: roles and their bindings.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::rbac::{Binding, GROUP, Role};

/// Reads a role or a binding.
///
/// # Errors
/// Why it cannot be evaluated.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> Result<bool, String> {
    let (id, origin) = (object.id.clone(), object.origin);

    match (&*id.group, &*id.kind) {
        (GROUP, "Role" | "ClusterRole") => facts.roles.push(Role::of(id, node, origin)?),
        (GROUP, "RoleBinding" | "ClusterRoleBinding") => {
            facts.bindings.push(Binding::of(id, node, origin)?);
        }
        _ => return Ok(false),
    }

    Ok(true)
}

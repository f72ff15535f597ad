//! The admission plane: whether the floor survives its own tenant.

mod attacks;
mod device_admin_access;
mod floor_writable;
mod frozen_floor;
mod idle_policy;
mod pod_security;
pub mod pods;
mod privileged_workload;
pub mod tamper;
mod tenant_hook;

pub use device_admin_access::DEVICE_ADMIN_ACCESS;
pub use floor_writable::FLOOR_WRITABLE;
pub use frozen_floor::FROZEN_FLOOR;
pub use idle_policy::IDLE_POLICY;
pub use pod_security::{
    NodePods, POD_SECURITY_NOT_ENFORCED, Shown, makes_pods, node_pods, refused,
};
pub use privileged_workload::PRIVILEGED_WORKLOAD;
pub use tenant_hook::TENANT_HOOK;

use super::assumptions::{NO_OTHER_GRANTS, POLICIES_DENY};
use super::{Findings, some};
use crate::graph::rbac::{Binding, Role, Subject};
use crate::graph::{Cluster, InputKind, Owner};
use crate::value::Text;
pub use attacks::AttackReview;

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    if !cluster.closed_world {
        out.assume(&NO_OTHER_GRANTS);
    }

    let mut review = AttackReview::new(cluster);
    floor_writable::check(cluster, &mut review, out);
    frozen_floor::check(cluster, out);
    idle_policy::check(cluster, out);
    pod_security::check(cluster, &mut review, out);
    privileged_workload::check(cluster, out);

    tenant_hook::check(cluster, out);
    device_admin_access::check(cluster, out);
}

/// Says that policies are what a verdict rests on.
fn rests_on(out: &mut Findings<'_>, policies: &[Text]) {
    let names = some(policies.iter().map(Text::as_str));
    let text = format!(
        "the API server accepted the admission policies {names} (their types match), they stay as \
         they are, and exempt no principal of the tenant by another name or group"
    );
    out.assume_about(&POLICIES_DENY, text);
}

/// Bindings in tenants' namespaces that give the tenant itself something, and whom.
///
/// The users and groups that no tenant declares, and that are bound in a stranger's namespace, are
/// its own.
pub(super) fn own_grants(
    cluster: &Cluster,
) -> impl Iterator<Item = (u32, &Binding, &Role, Vec<&Subject>)> {
    cluster
        .rbac
        .bindings
        .iter()
        .filter(|b| b.origin.input != InputKind::Builtin)
        .filter_map(|binding| {
            let Owner::Tenant(tenant) = cluster.owner(&binding.id.namespace) else {
                return None;
            };
            let own = |subject: &&Subject| is_own(cluster, tenant, subject);

            let subjects: Vec<&Subject> = binding
                .subjects
                .iter()
                .map(|(s, _)| s)
                .filter(own)
                .collect();

            (!subjects.is_empty()).then_some(())?;
            Some((tenant, binding, cluster.rbac.role(binding)?, subjects))
        })
}

/// Whether a subject that is bound in a tenant's namespace is the tenant's own.
fn is_own(cluster: &Cluster, tenant: u32, subject: &Subject) -> bool {
    let mut holders = cluster.holders(subject).peekable();
    if holders.peek().is_some() {
        return holders.any(|holder| holder == tenant);
    }
    cluster.tenants[tenant as usize].subjects.is_empty()
        && !matches!(subject, Subject::ServiceAccount(..))
}

//! The data plane: hosts, identities, volumes and stores of secrets, as manifests show them.

mod borrowed_identity;
mod claimants;
mod copied_object;
mod external_traffic;
mod host_claimed_twice;
mod host_path;
mod ingress_annotations;
mod mesh_host;
mod open_store;
mod reference_grant;
mod shared_class;
mod shared_identity;
mod shared_volume;

pub use borrowed_identity::BORROWED_IDENTITY;
pub use copied_object::COPIED_OBJECT;
pub use external_traffic::EXTERNAL_TRAFFIC;
pub use host_claimed_twice::HOST_CLAIMED_TWICE;
pub use host_path::HOST_PATH;
pub use open_store::OPEN_STORE;
pub use reference_grant::REFERENCE_GRANT;
pub use shared_class::SHARED_CLASS;
pub use shared_identity::SHARED_IDENTITY;
pub use shared_volume::SHARED_VOLUME;

use super::admission::own_grants;
use super::assumptions::HOSTS_AND_ADDRESSES;
use super::capability::{Permission, WRITE, giving};
use super::{Findings, some};
use crate::graph::Cluster;
use std::collections::BTreeSet;

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    assume_hosts(cluster, out);
    host_claimed_twice::check(cluster, out);
    ingress_annotations::check(cluster, out);
    shared_identity::check(cluster, out);
    open_store::check(cluster, out);
    host_path::check(cluster, out);
    external_traffic::check(cluster, out);
    shared_volume::check(cluster, out);
    shared_class::check(cluster, out);
    reference_grant::check(cluster, out);
    copied_object::check(cluster, out);
    borrowed_identity::check(cluster, out);
}

/// The rights by which a tenant takes an address or a host.
static TAKES_HOSTS: [Permission; 2] = [
    Permission::new("", &["services"], WRITE),
    Permission::new("networking.k8s.io", &["ingresses"], WRITE),
];

/// Names the tenants that may take addresses and hosts.
fn assume_hosts(cluster: &Cluster, out: &mut Findings<'_>) {
    let takers: BTreeSet<&str> = own_grants(cluster)
        .filter(|(_, _, role, _)| giving(&TAKES_HOSTS, &role.rules).is_some())
        .map(|(tenant, ..)| cluster.tenants[tenant as usize].name.as_str())
        .collect();
    if takers.is_empty() {
        return;
    }

    let text = format!(
        "admission denies externalIPs, and hosts of others, to tenants that may write Services and \
         Ingresses: {}",
        some(takers)
    );
    out.assume_about(&HOSTS_AND_ADDRESSES, text);
}

//! The network plane: which tenants' pods can send packets to which.

mod cross_tenant;
mod dangling_selector;
mod diverted_traffic;
mod host_network;
mod open_controller;
mod open_namespace;
mod platform_servers;
mod plugin;
pub mod reach;
mod unread_policy;
pub mod paths;

pub use cross_tenant::{CROSS_TENANT, HALF_OPEN};
pub use dangling_selector::DANGLING_SELECTOR;
pub use diverted_traffic::DIVERTED_TRAFFIC;
pub use host_network::HOST_NETWORK;
pub use open_controller::OPEN_CONTROLLER;
pub use open_namespace::OPEN_NAMESPACE;
pub use unread_policy::UNREAD_POLICY;

use super::Findings;
use crate::graph::{Cluster, NamespaceNode, Owner};
use reach::Reachability;
use std::collections::BTreeSet;

/// Every rule of the plane; how many edges both sides declare.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) -> usize {
    plugin::assume(cluster, out);
    unread_policy::check(cluster, out);
    host_network::check(cluster, out);
    dangling_selector::check(cluster, out);
    diverted_traffic::check(cluster, out);
    let reach = Reachability::new(cluster);
    let declared = declared(cluster);
    platform_servers::assume(cluster, &reach, out);
    open_controller::check(cluster, &reach, out);
    open_namespace::check(cluster, &reach, &declared, out);
    cross_tenant::check(cluster, &reach, &declared, out)
}

/// The edges between namespaces that specs declare.
pub fn declared(cluster: &Cluster) -> BTreeSet<(u32, u32)> {
    let edges = cluster.tenants.iter().flat_map(|t| &t.reaches);
    edges
        .filter_map(|(from, to)| Some((cluster.namespace(from)?, cluster.namespace(to)?)))
        .collect()
}

/// The namespaces of tenants.
fn owned(cluster: &Cluster) -> impl Iterator<Item = (u32, u32, &NamespaceNode)> {
    cluster
        .namespaces
        .iter()
        .enumerate()
        .filter_map(|(at, namespace)| match namespace.owner {
            Owner::Tenant(tenant) => Some((at as u32, tenant, namespace)),
            Owner::Platform => None,
        })
}

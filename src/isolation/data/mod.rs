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

use super::Findings;
use crate::graph::Cluster;

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    out.assume(
        "outside-grants",
        "clouds, registries and stores of secrets give each service account its own tenant's data only",
    );
    out.assume(
        "hosts-and-addresses",
        "admission denies externalIPs, and hosts of others, to those who may write Services and Ingresses",
    );
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

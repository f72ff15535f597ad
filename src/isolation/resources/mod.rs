//! The resources plane: shares of the cluster.

mod no_quota;

pub use no_quota::NO_QUOTA;

use super::Findings;
use crate::graph::Cluster;

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    out.assume(
        "node-shares",
        "PIDs, node IO, connection tracking and DNS are shared: no object of the API divides them",
    );
    no_quota::check(cluster, out);
}

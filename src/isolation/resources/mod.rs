//! The resources plane: shares of the cluster.

mod exempt_flow;
mod governing;
mod no_quota;
mod unbounded_quota;

pub use exempt_flow::EXEMPT_FLOW;
pub use no_quota::NO_QUOTA;
pub use unbounded_quota::UNBOUNDED_QUOTA;

use super::Findings;
use crate::graph::Cluster;
use governing::Governing;

/// Every rule of the plane.
pub fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let governing = Governing::new(cluster);
    no_quota::check(cluster, &governing, out);
    unbounded_quota::check(cluster, &governing, out);
    exempt_flow::check(cluster, out);
}

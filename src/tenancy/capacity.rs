//! The amounts that the tenants of a cluster are promised, against its capacity.

use super::model::Tenant;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::Spanned;
use crate::kube::Quantity;
use crate::spec::fleet::{ClusterSpec, FleetSpec};
use crate::spec::tenant::Quota;

rule! {
    /// A tenant's quota is more than a cluster holds.
    pub static OVER_CAPACITY = "resources/over-capacity", Error;
}
rule! {
    /// The tenants of a cluster are promised more than its capacity times its overcommit.
    pub static OVER_PROMISED = "resources/over-promised", Warning;
}

/// The overcommit of a cluster that states none, in nanos.
const NO_OVERCOMMIT: i128 = 1_000_000_000;

/// Reports a tenant that is promised more than a cluster holds, and a cluster whose tenants are
/// promised more than its capacity times its overcommit.
pub fn check(tenants: &[Tenant], fleet: &FleetSpec, out: &mut Vec<Diagnostic>) {
    for (at, cluster) in fleet.clusters.iter().enumerate() {
        for (resource, capacity) in cluster.capacity.iter().flatten() {
            let resource = resource.as_str();
            let mut sum = 0i128;

            for tenant in tenants {
                let quota = tenant.on(at).and_then(|on| on.promised.as_ref());
                let Some(amount) = quota.and_then(|quota| promised(quota, resource)) else {
                    continue;
                };
                sum += amount.value.nanos();

                if amount.value > capacity.value {
                    let message = format!(
                        "{} of {resource}; `{}` has {}",
                        amount.value, cluster.name.value, capacity.value
                    );
                    out.push(
                        Diagnostic::new(&OVER_CAPACITY, amount.span, message)
                            .related(capacity.span, "the cluster's capacity")
                            .fix("set a lower `quota` for the tenant")
                            .tenant(&tenant.name.value),
                    );
                }
            }

            out.extend(over_promised(cluster, resource, capacity, sum));
        }
    }
}

/// Reports a cluster whose tenants are promised `sum` of a resource, in nanos, if that is too much.
fn over_promised(
    cluster: &ClusterSpec,
    resource: &str,
    capacity: &Spanned<Quantity>,
    sum: i128,
) -> Option<Diagnostic> {
    let promisable = promisable(cluster, resource, &capacity.value);
    if sum <= promisable {
        return None;
    }

    let message = format!(
        "the tenants of `{}` are promised {} of {resource}, over {}",
        cluster.name.value,
        Quantity::from_nanos(sum, false),
        Quantity::from_nanos(promisable, false)
    );
    let finding = Diagnostic::new(&OVER_PROMISED, capacity.span, message)
        .label("capacity times overcommit")
        .fix("add capacity, or lower quotas")
        .scope(Scope::File(capacity.span.source));
    Some(finding)
}

/// A tenant's amount of a resource of a cluster's capacity.
fn promised<'a>(quota: &'a Quota, resource: &str) -> Option<&'a Spanned<Quantity>> {
    let find = |wanted: &str| {
        let mut amounts = quota.iter();
        amounts
            .find(|(key, _)| key.as_str() == wanted)
            .map(|(_, amount)| amount)
    };
    find(&format!("requests.{resource}"))
        .or_else(|| find(resource))
        .or_else(|| find(&format!("limits.{resource}")))
}

/// How much of a resource a cluster may promise, in nanos.
fn promisable(cluster: &ClusterSpec, resource: &str, capacity: &Quantity) -> i128 {
    let mut overcommit = cluster.overcommit.iter().flatten();
    let factor = overcommit
        .find(|(key, _)| key.as_str() == resource)
        .map(|(_, factor)| factor.value.nanos());
    capacity.nanos() / 1_000_000 * (factor.unwrap_or(NO_OVERCOMMIT) / 1000)
}

//! The units of a cluster: one for each tenant, or shards that each hold some.

use super::TreeRequest;
use super::cluster_entry::ClusterEntry;
use super::entry::TreeUnit;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::spec::fleet::{Shards, UnitChoice};
use std::collections::BTreeSet;

rule! {
    /// A cluster has more tenants than what its Kustomizations hold is made for.
    ///
    /// ## Why it matters
    /// Every commit wakes every Kustomization, and each unpacks the whole source: 400 of them cost
    /// 454 s of CPU.
    /// ## Fix
    /// Move to `delivery.unit: shard`, cluster by cluster, in the two steps of `tenantry explain
    /// tree/object-moved`.
    pub static OUTGROWN = "tree/outgrown", Warning;
}

/// Most tenants of a cluster that has a unit for each tenant, unless the fleet says otherwise.
const TENANTS_A_CLUSTER: usize = 100;
/// The tenants that a shard is meant to hold.
const TENANTS_A_SHARD: usize = 50;

/// What a unit of a cluster holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// One tenant.
    Tenant,
    /// The tenants of one shard, of so many.
    Shard(u32),
}

impl Sharding {
    /// The sharding of a cluster: as it was rendered before, or as the fleet says.
    pub fn of(request: &TreeRequest<'_>, cluster: usize) -> Self {
        let name = request.fleet.spec.clusters[cluster].name.as_str();
        if let Some(entry) = request.lock.clusters.get(name) {
            return Self::recorded(entry);
        }

        let tenants = tenants_on(request, cluster);
        let delivery = request.fleet.spec.delivery.as_ref();
        let count = || match delivery.and_then(|d| d.shards.as_ref()).map(|s| s.value) {
            Some(Shards::Count(count)) => count,
            _ => (tenants.div_ceil(TENANTS_A_SHARD).max(1)).next_power_of_two() as u32,
        };

        match delivery.and_then(|d| d.unit).unwrap_or_default() {
            UnitChoice::Tenant => Self::Tenant,
            UnitChoice::Shard => Self::Shard(count()),
            UnitChoice::Auto if tenants <= TENANTS_A_CLUSTER => Self::Tenant,
            UnitChoice::Auto => Self::Shard(count()),
        }
    }

    /// The sharding that a cluster's line of the lock says.
    pub fn recorded(entry: &ClusterEntry) -> Self {
        if entry.unit == "shard" {
            Self::Shard(entry.shards.max(1))
        } else {
            Self::Tenant
        }
    }

    /// How the lock writes it: what a unit holds, and the number of shards.
    pub const fn record(self) -> (&'static str, u32) {
        match self {
            Self::Tenant => ("tenant", 0),
            Self::Shard(count) => ("shard", count),
        }
    }

    /// The unit that a tenant is in.
    pub fn unit(self, tenant: &str) -> String {
        match self {
            Self::Tenant => tenant.to_owned(),
            Self::Shard(count) => shard_name(shard(tenant, count), count),
        }
    }
}

/// Whether a unit of this name can hold a tenant, whatever the number of shards.
pub fn may_hold(unit: &str, tenant: &str) -> bool {
    unit == tenant || unit.starts_with("shard-")
}

/// The unit that a tenant is in, by a cluster's line of the lock.
pub fn recorded_unit(entry: &ClusterEntry, tenant: &str) -> String {
    Sharding::recorded(entry).unit(tenant)
}

/// The name of the Kustomization that applies a tenant's core objects, by a cluster's line of the
/// lock. The name of the one that applies the deferred objects has `.late` behind it.
pub fn kustomization_of(entry: &ClusterEntry, tenant: &str) -> String {
    let sharding = Sharding::recorded(entry);
    TreeUnit {
        name: sharding.unit(tenant),
        one_tenant: sharding == Sharding::Tenant,
        late: false,
    }
    .applier()
}

/// Warns of a cluster that has more tenants than its units are made for.
pub fn outgrown(
    request: &TreeRequest<'_>,
    sharding: Sharding,
    cluster: usize,
    out: &mut Vec<Diagnostic>,
) {
    let name = request.fleet.spec.clusters[cluster].name.as_str();
    let tenants = tenants_on(request, cluster);
    let delivery = request.fleet.spec.delivery.as_ref();
    let asked = delivery.and_then(|d| d.unit).unwrap_or_default();

    let text = match sharding {
        Sharding::Tenant if asked == UnitChoice::Auto && tenants > TENANTS_A_CLUSTER => {
            format!("`{name}` has {tenants} tenants, each with a Kustomization of its own")
        }
        Sharding::Shard(count) if tenants > count as usize * TENANTS_A_SHARD * 2 => {
            format!("`{name}` has {tenants} tenants in {count} shards")
        }
        _ => return,
    };

    out.push(
        Diagnostic::new(&OUTGROWN, request.fleet.name.span, text)
            .fix("move to more shards in two steps: `tenantry explain tree/object-moved`")
            .scope(Scope::Fleet),
    );
}

/// The number of tenants on a cluster, held ones included.
fn tenants_on(request: &TreeRequest<'_>, cluster: usize) -> usize {
    let read = request
        .tenancy
        .tenants
        .iter()
        .filter(|tenant| tenant.on(cluster).is_some())
        .map(|tenant| tenant.name.value.as_str());

    read.chain(request.standings.held())
        .collect::<BTreeSet<&str>>()
        .len()
}

fn shard_name(index: u32, count: u32) -> String {
    let width = (count.max(1) - 1).to_string().len().max(2);
    format!("shard-{index:0width$}")
}

/// Jump consistent hash (Lamping and Veach, 2014) of a tenant's name.
fn shard(tenant: &str, count: u32) -> u32 {
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&blake3::hash(tenant.as_bytes()).as_bytes()[..8]);
    let mut key = u64::from_le_bytes(bytes);

    let (mut b, mut j) = (-1i64, 0i64);
    while j < i64::from(count) {
        b = j;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        j = ((b + 1) as f64 * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as i64;
    }
    b.max(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_tenants_move_when_shards_are_added() {
        let names: Vec<String> = (0..10_000).map(|i| format!("tenant-{i}")).collect();
        let moved = names
            .iter()
            .filter(|name| shard(name, 64) != shard(name, 65))
            .count();

        assert!(moved < 10_000 / 65 * 2, "{moved}");

        let mut sizes = vec![0; 64];
        for name in &names {
            sizes[shard(name, 64) as usize] += 1;
        }
        assert!(sizes.iter().all(|s| (90..260).contains(s)), "{sizes:?}");

        assert_eq!(
            (shard_name(3, 4), shard_name(3, 256)),
            ("shard-03".into(), "shard-003".into())
        );
    }
}

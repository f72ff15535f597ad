//! The units of a cluster: one for each tenant, or shards that each hold some.

use super::cluster_entry::{ClusterEntry, UnitContent};
use super::entry::TreeUnit;
use super::layout::TenantPart;
use std::fmt;

/// What a unit of a cluster holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// One tenant.
    Tenant,
    /// The tenants of one shard, of so many.
    Shard(u32),
}

impl Sharding {
    /// The sharding that a cluster's line of the lock says.
    pub fn recorded(entry: &ClusterEntry) -> Self {
        match entry.unit {
            UnitContent::Shard => Self::Shard(entry.shards.max(1)),
            UnitContent::Tenant => Self::Tenant,
        }
    }

    /// How the lock writes it: what a unit holds, and the number of shards.
    pub const fn record(self) -> (UnitContent, u32) {
        match self {
            Self::Tenant => (UnitContent::Tenant, 0),
            Self::Shard(count) => (UnitContent::Shard, count),
        }
    }

    /// The unit that a part of a tenant is in.
    pub fn unit_of(self, tenant: &str, part: TenantPart) -> String {
        match part {
            TenantPart::Core | TenantPart::Deferred => self.unit(tenant),
            TenantPart::Manifests => tenant.to_owned(),
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

impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => f.write_str("a unit for each tenant"),
            Self::Shard(1) => f.write_str("1 shard"),
            Self::Shard(count) => write!(f, "{count} shards"),
        }
    }
}

/// Whether a unit of this name can hold a tenant, whatever the number of shards.
pub fn may_hold(unit: &str, tenant: &str) -> bool {
    unit == tenant || unit.starts_with("shard-")
}

/// The unit that a part of a tenant is in, by a cluster's line of the lock.
pub fn recorded_unit(entry: &ClusterEntry, tenant: &str, part: TenantPart) -> String {
    Sharding::recorded(entry).unit_of(tenant, part)
}

/// The name of the Kustomization that applies a tenant's core objects, by a cluster's line of the
/// lock. The name of the one that applies the deferred objects has `.late` behind it.
pub fn kustomization_of(entry: &ClusterEntry, tenant: &str) -> String {
    applier_of(Sharding::recorded(entry), tenant)
}

/// The name of the Kustomization that applies a tenant's core objects.
pub(super) fn applier_of(sharding: Sharding, tenant: &str) -> String {
    TreeUnit {
        name: sharding.unit(tenant),
        one_tenant: sharding == Sharding::Tenant,
        late: false,
    }
    .applier()
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

//! How many units a cluster gets at its first render, and whether it has outgrown them.

use super::artifacts::source_mode;
use super::model::TreeRequest;
use super::shards::Sharding;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::spec::fleet::{Shards, SourceMode, UnitChoice};
use std::collections::BTreeSet;

rule! {
    /// A cluster has more tenants than what its Kustomizations hold is made for.
    ///
    /// ## Why it matters
    /// Every commit wakes every Kustomization, and each unpacks the whole source: 400 of them cost
    /// 454 s of CPU.
    /// ## Fix
    /// Move to `delivery.unit: shard`, cluster by cluster, in the two steps of `tenantry explain
    /// tree/object-moved`. For units of tenants' own verbatim files: `delivery.source: perShard`.
    pub static OUTGROWN = "tree/outgrown", Warning;
}

/// Most tenants of a cluster that has a unit for each tenant, unless the fleet says otherwise.
const TENANTS_A_CLUSTER: usize = 100;
/// The tenants that a shard is meant to hold.
const TENANTS_A_SHARD: usize = 50;

/// Returns the sharding of a cluster: as it was rendered before, or as the fleet says.
pub fn choose_sharding(request: &TreeRequest<'_>, cluster: usize) -> Sharding {
    let name = request.fleet.spec.clusters[cluster].name.as_str();
    if let Some(entry) = request.lock.clusters.get(name) {
        return Sharding::recorded(entry);
    }

    let delivery = request.fleet.spec.delivery.as_ref();
    match delivery.and_then(|d| d.unit).unwrap_or_default() {
        UnitChoice::Tenant => Sharding::Tenant,
        UnitChoice::Auto if tenants_on(request, cluster) <= TENANTS_A_CLUSTER => Sharding::Tenant,
        UnitChoice::Auto | UnitChoice::Shard => Sharding::Shard(first_count(request, cluster)),
    }
}

/// Returns the sharding that the fleet asks for a cluster that was rendered before. What the fleet
/// leaves to tenantry stays as it is.
pub fn asked_sharding(request: &TreeRequest<'_>, cluster: usize, recorded: Sharding) -> Sharding {
    let delivery = request.fleet.spec.delivery.as_ref();
    let asked = delivery.and_then(|delivery| delivery.unit);
    match (asked.unwrap_or_default(), recorded) {
        (UnitChoice::Tenant, _) | (UnitChoice::Auto, Sharding::Tenant) => Sharding::Tenant,
        (UnitChoice::Shard, Sharding::Tenant) => Sharding::Shard(first_count(request, cluster)),
        (UnitChoice::Auto | UnitChoice::Shard, Sharding::Shard(count)) => {
            Sharding::Shard(stated_count(request).unwrap_or(count))
        }
    }
}

/// The number of shards of a cluster at its first render.
fn first_count(request: &TreeRequest<'_>, cluster: usize) -> u32 {
    stated_count(request).unwrap_or_else(|| {
        let shards = tenants_on(request, cluster).div_ceil(TENANTS_A_SHARD);
        shards.max(1).next_power_of_two() as u32
    })
}

/// The number of shards that the fleet states.
fn stated_count(request: &TreeRequest<'_>) -> Option<u32> {
    let delivery = request.fleet.spec.delivery.as_ref()?;
    match delivery.shards.as_ref()?.value {
        Shards::Count(count) => Some(count),
        Shards::Auto => None,
    }
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

/// Warns of a cluster with more units of tenants' verbatim files than may unpack one shared source.
pub fn outgrown_by_files(
    request: &TreeRequest<'_>,
    units: usize,
    cluster: usize,
    out: &mut Vec<Diagnostic>,
) {
    let is_shared = source_mode(request.fleet) == SourceMode::Shared;
    if !is_shared || units <= TENANTS_A_CLUSTER {
        return;
    }
    let name = request.fleet.spec.clusters[cluster].name.as_str();
    let message = format!(
        "`{name}` has {units} units of tenants' verbatim files, and each unpacks the whole source"
    );
    out.push(
        Diagnostic::new(&OUTGROWN, request.fleet.name.span, message)
            .fix("set delivery.source: perShard (docs/commit.md)")
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

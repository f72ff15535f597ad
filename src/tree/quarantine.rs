//! Names of removed tenants: the tombstones that a removal leaves, and the tenants that may not take
//! such a name.

use super::lock::{Lock, Tombstone};
use crate::diagnostic::{Diagnostic, rule};
use crate::tenancy::model::Tenant;
use std::collections::{BTreeMap, HashMap};

rule! {
    /// A name of a tenant that went is used again.
    ///
    /// ## Why it matters
    /// Whatever still trusts the old name (an IAM role's subject, a Vault role) trusts the new
    /// tenant.
    /// ## Fix
    /// Take another name; or, once nothing outside the cluster trusts it, remove its tombstone from
    /// tenantry.lock.
    pub static QUARANTINED = "lifecycle/quarantined-name", Error;
}

/// The tombstones of a cluster.
pub(super) struct Quarantine<'a> {
    cluster: &'a str,
    by_name: HashMap<&'a str, &'a Tombstone>,
    by_namespace: HashMap<&'a str, Vec<&'a Tombstone>>,
}

impl<'a> Quarantine<'a> {
    /// The tombstones that the lock has of a cluster.
    pub(super) fn new(lock: &'a Lock, cluster: &'a str) -> Self {
        let mut by_name = HashMap::new();
        let mut by_namespace: HashMap<&str, Vec<&Tombstone>> = HashMap::new();
        for tombstone in lock.tombstones.values().filter(|t| t.cluster == cluster) {
            by_name.insert(tombstone.tombstone.as_str(), tombstone);
            for namespace in &tombstone.namespaces {
                by_namespace.entry(namespace).or_default().push(tombstone);
            }
        }

        Self {
            cluster,
            by_name,
            by_namespace,
        }
    }

    /// Reports each removed tenant whose name, or a namespace of which, a tenant would take on the
    /// cluster with this index. `is_recorded` tells whether a tenant has a file in the tree, on any
    /// cluster.
    pub(super) fn check(
        &self,
        tenant: &Tenant,
        index: usize,
        is_recorded: &dyn Fn(&str) -> bool,
        out: &mut Vec<Diagnostic>,
    ) {
        let name = tenant.name.value.as_str();
        let namespaces = tenant.on(index).map_or(&[][..], |on| &on.namespaces);
        // By the name in the lock, so that the findings have an order.
        let mut taken: BTreeMap<&str, (&Tombstone, String)> = BTreeMap::new();

        for namespace in namespaces {
            let namespace = namespace.name.as_str();
            for tombstone in self.by_namespace.get(namespace).into_iter().flatten() {
                let taken = taken.entry(tombstone.tombstone.as_str());
                taken.or_insert_with(|| (tombstone, format!("the namespace `{namespace}`")));
            }
        }
        if let Some(tombstone) = self.by_name.get(name) {
            taken.insert(name, (tombstone, format!("the name `{name}`")));
        }

        let cluster = self.cluster;
        for (tombstone, what) in taken.into_values() {
            if is_back(tombstone, tenant, is_recorded) {
                continue;
            }
            let message = format!("{what} belonged to a tenant that was removed from `{cluster}`");
            let fix = "take another name, or remove the tombstone from tenantry.lock once nothing \
                trusts the old one";
            out.push(
                Diagnostic::new(&QUARANTINED, tenant.name.span, message)
                    .fix(fix)
                    .tenant(name),
            );
        }
    }
}

/// Whether a tombstone is that of this tenant itself, which is alive (elsewhere, or by its UUID) and
/// comes back.
fn is_back(tombstone: &Tombstone, tenant: &Tenant, is_recorded: &dyn Fn(&str) -> bool) -> bool {
    let owner = tombstone.tenant();
    let same_uuid = tombstone.uuid.is_some()
        && tombstone.uuid.as_deref() == tenant.uuid.as_ref().map(|uuid| uuid.value.as_str());
    owner == tenant.name.value && (same_uuid || is_recorded(owner))
}

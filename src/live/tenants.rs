//! The tenants of a live cluster: how far each has come, and why it is not active.

use super::desired::{Desired, DesiredTenant};
use super::engine::{Progress, applier_kind};
use super::finding::LiveFinding;
use super::observe::Observations;
use super::rules::{MISSING, NOT_CONVERGED};
use crate::diagnostic::Level;
use crate::tree::{ENTRY, core_of, is_manifest_unit, late_of, manifests_of};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// How far a tenant has come on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// All its objects are as rendered.
    Active,
    /// The engine does not apply it.
    Suspended,
    /// It is being made.
    Pending,
    /// It is being removed.
    Terminating,
    /// Something is wrong with it.
    Error,
    /// No fault was seen, but not every list could be read.
    Unknown,
}

impl Phase {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Pending => "Pending",
            Self::Terminating => "Terminating",
            Self::Error => "Error",
            Self::Unknown => "Unknown",
        }
    }
}

/// A tenant on a cluster.
#[derive(Clone, Debug)]
pub struct TenantRow {
    /// The tenant's name.
    pub tenant: Text,
    /// How far it has come.
    pub phase: Phase,
    /// Its UUID; may be empty.
    pub uuid: Text,
    /// Its namespaces.
    pub namespaces: Vec<Text>,
    /// Why it is not active; may be empty.
    pub why: String,
    /// Since when, as RFC 3339; may be empty.
    pub since: Text,
}

/// Why nothing is known of a tenant.
pub(super) const NOT_ASKED: &str = "not everything could be asked";

/// Returns a row for each tenant that is asked about, by name. `is_complete` is whether every list
/// could be read.
pub(super) fn tenant_rows(
    wanted: &Desired,
    seen: &Observations,
    progress: &Progress,
    found: &[LiveFinding],
    is_complete: bool,
) -> Vec<TenantRow> {
    let states = TenantStates {
        wanted,
        progress,
        is_complete,
        units: core_units(wanted),
        suspended: suspended(wanted, seen),
        ending: ending(seen),
        worst: worst(found),
    };

    let mut rows: Vec<TenantRow> = wanted
        .asked()
        .map(|(index, tenant)| states.row(tenant, index))
        .collect();

    rows.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    rows
}

/// What decides about the phases of the tenants.
struct TenantStates<'a> {
    wanted: &'a Desired,
    progress: &'a Progress,
    is_complete: bool,
    /// The object that applies each tenant's core objects, by the tenant's index.
    units: BTreeMap<u32, &'a Text>,
    /// The names of suspended objects that apply a folder.
    suspended: BTreeSet<&'a Text>,
    /// The tenants that have a namespace that is being deleted.
    ending: BTreeSet<u32>,
    /// The error of each tenant that explains its phase.
    worst: BTreeMap<&'a Text, &'a LiveFinding>,
}

impl TenantStates<'_> {
    fn row(&self, tenant: &DesiredTenant, index: u32) -> TenantRow {
        let (phase, why) = self.phase(tenant, index);
        let since = match phase {
            Phase::Active => Text::default(),
            _ => self.since(tenant, index),
        };

        TenantRow {
            tenant: tenant.name.clone(),
            phase,
            uuid: tenant.uuid.clone(),
            namespaces: tenant.namespaces.iter().map(|n| n.name.clone()).collect(),
            why,
            since,
        }
    }

    /// The phase of a tenant, and why it is not active.
    fn phase(&self, tenant: &DesiredTenant, index: u32) -> (Phase, String) {
        if self.ending.contains(&index) {
            let why = "a namespace of it is being deleted";
            return (Phase::Terminating, why.to_owned());
        }

        let unit = self.units.get(&index).copied();
        if unit.is_some_and(|unit| self.suspended.contains(unit)) {
            let why = format!("its {} is suspended", applier_kind(self.wanted));
            return (Phase::Suspended, why);
        }

        let worst = self.worst.get(&tenant.name);
        let message = worst.map(|found| found.diagnostic.message.clone());
        let behind = unit.and_then(|unit| self.behind(unit)).or_else(|| {
            self.progress
                .behind
                .get(manifests_of(&tenant.name).as_str())
        });

        match (message, behind) {
            (Some(message), _) if !worst.is_some_and(|found| is_transient(found)) => {
                (Phase::Error, message)
            }
            (_, Some(why)) => (Phase::Pending, why.clone()),
            (Some(message), None) => (Phase::Pending, message),
            (None, None) if !self.is_complete => (Phase::Unknown, NOT_ASKED.to_owned()),
            (None, None) => (Phase::Active, String::new()),
        }
    }

    /// Why a tenant's core or deferred objects are not applied yet.
    fn behind(&self, unit: &str) -> Option<&String> {
        let behind = &self.progress.behind;
        behind
            .get(unit)
            .or_else(|| behind.get(late_of(unit).as_str()))
    }

    fn since(&self, tenant: &DesiredTenant, index: u32) -> Text {
        let of_error = self.worst.get(&tenant.name).map(|found| &found.since);
        let of_unit = || self.progress.since.get(*self.units.get(&index)?);

        of_error
            .filter(|since| !since.is_empty())
            .or_else(of_unit)
            .cloned()
            .unwrap_or_default()
    }
}

fn core_units(wanted: &Desired) -> BTreeMap<u32, &Text> {
    wanted
        .objects
        .values()
        .filter_map(|want| Some((want.tenant?, want.unit.as_ref()?)))
        .filter(|(_, unit)| core_of(unit).is_none() && *unit != ENTRY)
        .filter(|(_, unit)| !is_manifest_unit(unit))
        .collect()
}

fn suspended<'a>(wanted: &'a Desired, seen: &Observations) -> BTreeSet<&'a Text> {
    seen.seen
        .iter()
        .filter(|(_, seen)| seen.applied.as_ref().is_some_and(|a| a.suspended))
        .filter_map(|(at, _)| wanted.objects.get_index(*at))
        .map(|(id, _)| &id.name)
        .collect()
}

fn ending(seen: &Observations) -> BTreeSet<u32> {
    seen.endings
        .iter()
        .filter(|ending| ending.id.kind == "Namespace")
        .filter_map(|ending| ending.tenant)
        .collect()
}

/// The first error of each tenant; one that the engine will not mend comes before the others.
fn worst(found: &[LiveFinding]) -> BTreeMap<&Text, &LiveFinding> {
    let mut worst: BTreeMap<&Text, &LiveFinding> = BTreeMap::new();
    let errors = found.iter().filter(|f| f.diagnostic.level == Level::Error);

    for found in errors {
        let Some(tenant) = &found.tenant else {
            continue;
        };
        let first = worst.entry(tenant).or_insert(found);
        if is_transient(first) && !is_transient(found) {
            *first = found;
        }
    }

    worst
}

/// Whether the engine is on its way to mend what was found.
pub(super) fn is_transient(found: &LiveFinding) -> bool {
    found.diagnostic.level == Level::Error
        && [NOT_CONVERGED.id, MISSING.id].contains(&found.diagnostic.rule.id)
}

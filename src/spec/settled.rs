//! What a cluster's first render settles, and later renders keep.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Where the objects of tenants' verbatim files lie. A line of the lock that does not say it is of a
/// version that knew `shared` alone.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ManifestPlace {
    /// In the unit of the tenant's floor: an object that is refused stops the floor's apply.
    #[default]
    Shared,
    /// As `shared`, and Flux deletes no object that leaves a unit.
    Moving,
    /// In a Kustomization of the tenant's own.
    Own,
}

/// What a cluster's first render settles, and no later one changes by itself.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// Where the objects of tenants' verbatim files lie.
    pub manifests: ManifestPlace,
    /// The tenants whose verbatim files had a unit of their own at the last render.
    pub manifest_units: BTreeSet<String>,
}

//! The line of the lock for a cluster.

use super::layout::{ClusterFolder, Record};
use crate::spec::fleet::ManifestPlace;
use serde::{Deserialize, Serialize};

/// What a Kustomization of a cluster holds, as the lock writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UnitContent {
    /// One tenant.
    Tenant,
    /// The tenants of one shard.
    Shard,
}

/// What a cluster was rendered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterEntry {
    /// The cluster's name.
    pub cluster: String,
    /// The fleet's name; `None` in a line of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The version of tenantry.
    pub tool: String,
    /// The digest of the templates.
    pub templates: String,
    /// The digest of the profiles.
    pub profiles: String,
    /// What a Kustomization holds.
    pub unit: UnitContent,
    /// How many shards; 0 for the unit `tenant`.
    pub shards: u32,
    /// The digest of the fleet's document.
    pub fleet: String,
    /// The tree's folder.
    pub tree: String,
    /// The path of the entry file, outside the tree.
    pub entry: String,
    /// Where the objects of verbatim files lie.
    #[serde(default, skip_serializing_if = "is_shared")]
    pub manifests: ManifestPlace,
}

fn is_shared(place: &ManifestPlace) -> bool {
    *place == ManifestPlace::Shared
}

impl ClusterEntry {
    /// The cluster's folder in the tree.
    pub fn folder(&self) -> ClusterFolder<'_> {
        ClusterFolder {
            tree: &self.tree,
            cluster: &self.cluster,
        }
    }

    /// The place of the record of the cluster's file with this path.
    pub fn record(&self, path: &str) -> Record {
        self.folder().record(path)
    }

    /// Whether a path lies in one of the cluster's folders, or is its entry file.
    pub fn has(&self, path: &str) -> bool {
        self.folder().contains(path) || path == self.entry
    }
}

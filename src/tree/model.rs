//! The tree that should be there, and what it is made of.

use super::cluster_entry::ClusterEntry;
use super::hidden::IgnoreFiles;
use super::layout::{Layout, Record};
use super::lock::{Lock, Tombstone};
use super::record::FileEntry;
use crate::source::SourceMap;
use crate::spec::FleetDoc;
use crate::tenancy::{Standings, Tenancy};
use crate::value::Value;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A file that should be there.
#[derive(Clone, Debug)]
pub struct DesiredFile {
    /// Its first lines, the record among them.
    pub head: String,
    /// Its objects. They are most of what ten thousand tenants' files hold, and are copied nowhere.
    pub objects: String,
    /// Its record.
    pub entry: FileEntry,
}

impl DesiredFile {
    /// Its text.
    pub fn text(&self) -> String {
        [self.head.as_str(), &self.objects].concat()
    }
}

/// The tree that should be there.
#[derive(Debug, Default)]
pub struct Tree {
    /// Files to be written, by path.
    pub files: BTreeMap<String, DesiredFile>,
    /// Files of tenants that are not rendered, as the lock has them.
    pub held: BTreeMap<String, FileEntry>,
    /// What each cluster is rendered with.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// Tombstones of what is removed.
    pub tombstones: Vec<Tombstone>,
    /// The namespaces of tombstones that are there again, by the tombstone's name and cluster.
    pub restored: BTreeMap<(String, String), BTreeSet<String>>,
    /// The Kustomizations that apply the tree of each cluster, and the sources of their own.
    pub kustomizations: BTreeMap<String, Vec<Value>>,
    /// What is pushed where each unit has an artifact of its own.
    pub artifacts: Vec<Artifact>,
}

impl Tree {
    /// The place of the record of a file that should be there.
    pub fn place(&self, entry: &FileEntry) -> Record {
        let cluster = self.clusters.get(&entry.cluster);
        cluster.map_or(Record::InFile, |cluster| cluster.record(&entry.path))
    }
}

/// The inputs that a tree is built from.
pub struct TreeRequest<'a> {
    /// The fleet.
    pub fleet: &'a FleetDoc,
    /// The tenants without an error.
    pub tenancy: &'a Tenancy,
    /// The texts, for the paths in the lock.
    pub sources: &'a SourceMap,
    /// What was written before.
    pub lock: &'a Lock,
    /// Where things are.
    pub layout: &'a Layout,
    /// The standing of each tenant.
    pub standings: &'a Standings,
    /// Tenants that may go.
    pub removable: &'a [String],
    /// Tenants that would be among them, if no file had a fault that may be theirs.
    pub postponed: &'a [String],
    /// The files that say what the engine leaves out of its source.
    pub ignored: &'a IgnoreFiles,
    /// The version of this program.
    pub version: &'a str,
    /// The digest of the templates.
    pub templates: &'a str,
    /// The digest of the profiles.
    pub profiles: &'a str,
    /// Whether the files of tenants are made, or only what is wrong with the tree is said.
    pub texts: bool,
}

/// A folder that is pushed as an OCI artifact.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// The cluster's name.
    pub cluster: String,
    /// The Kustomization that applies it.
    pub kustomization: String,
    /// The folder, from the lock's.
    pub folder: String,
    /// Where it is pushed: `oci://`, without a tag.
    pub url: String,
    /// A digest over the files' names and digests; records do not count. Where no texts are made,
    /// of the files as their records have them.
    pub content: String,
}

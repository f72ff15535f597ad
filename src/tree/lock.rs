//! `tenantry.lock`: what each cluster was rendered with, and the tenants that were removed.
//!
//! The lock holds JSON lines: one for each cluster, one for each file that cannot hold its own record
//! (see [`super::record`]), and one for each removed tenant. The lock and the records are inputs:
//! they say which files are tenantry's, which tenant has a name, and what must not be removed
//! unseen.

use super::cluster_entry::ClusterEntry;
use super::layout::{FileKind, Record, TenantPart};
use super::record::{FileEntry, namespaces};
use super::shards::recorded_unit;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::{Source, SourceId, Span};
use crate::spec::fleet::Settled;
use crate::tenancy::{ClaimKey, Prior};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// `tenantry.lock` cannot be read.
    ///
    /// ## What it finds
    /// A merge conflict's markers, a line that is no JSON, fields of a newer version.
    /// ## Fix
    /// After a merge conflict: keep both sides' lines, remove the markers, run `tenantry render`.
    /// Else restore the file from Git.
    pub static LOCK_INVALID = "tree/lock-invalid", Error;
}

/// A line of the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum LockLine {
    Tombstone(Tombstone),
    Cluster(ClusterEntry),
    File(FileEntry),
}

/// A tenant that was removed from a cluster, or a namespace of one, as `TENANT/NAMESPACE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Its name.
    pub tombstone: String,
    /// The cluster that it was removed from.
    #[serde(rename = "on")]
    pub cluster: String,
    /// Its UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Its namespaces there.
    pub namespaces: Vec<String>,
}

impl Tombstone {
    /// Records that a tenant was removed from a cluster; or only a namespace of it.
    pub fn new(tenant: &str, namespace: Option<&str>, cluster: &str, uuid: Option<String>) -> Self {
        Self {
            tombstone: match namespace {
                Some(namespace) => format!("{tenant}/{namespace}"),
                None => tenant.to_owned(),
            },
            cluster: cluster.to_owned(),
            uuid,
            namespaces: Vec::new(),
        }
    }

    /// The tenant that was removed, or that a namespace was removed from.
    pub fn tenant(&self) -> &str {
        let name = self.tombstone.as_str();
        name.split_once('/').map_or(name, |(tenant, _)| tenant)
    }

    /// Its key in the lock: its name, and the cluster.
    pub fn key(&self) -> (String, String) {
        (self.tombstone.clone(), self.cluster.clone())
    }
}

/// The lock, and the records.
#[derive(Clone, Debug, Default)]
pub struct Lock {
    /// Clusters by name.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// Files by path.
    pub files: BTreeMap<String, FileEntry>,
    /// Tenants that went, by name and cluster.
    pub tombstones: BTreeMap<(String, String), Tombstone>,
    /// Each path as a source, for those who name it.
    spans: BTreeMap<String, Span>,
    /// The lines of clusters.
    cluster_lines: BTreeMap<String, Span>,
    /// The lines of tombstones, by name and cluster.
    tombstone_lines: BTreeMap<(String, String), Span>,
    /// The lock that was read.
    pub source: Option<SourceId>,
    /// The revision that it was read at, with its records; `None` for those on disk.
    pub revision: Option<String>,
}

impl Lock {
    /// Reads a lock. A fault is the fleet's.
    pub fn parse(id: SourceId, source: &Source) -> (Self, Vec<Diagnostic>) {
        let mut lock = Self {
            source: Some(id),
            ..Self::default()
        };

        let mut faults = Vec::new();
        for number in 1..=source.line_count() {
            let text = source.line(number);
            let start = source.line_start(number);
            let span = Span {
                source: id,
                start,
                end: start + text.len() as u32,
            };

            let fault = |message: &str, fix: &str| {
                let finding = Diagnostic::new(&LOCK_INVALID, span, message);
                finding.fix(fix).scope(Scope::Fleet)
            };

            if text.trim().is_empty() {
                continue;
            }
            if is_conflict_marker(text) {
                faults.push(fault(
                    "a merge conflict's marker stands in the lock",
                    "keep both sides' lines, remove the markers, run `tenantry render`",
                ));
                continue;
            }

            let line = serde_json::from_str(text).ok();
            if line.is_none_or(|line| !lock.take(line, span)) {
                faults.push(fault(
                    "this is not a line of a lock that this version writes",
                    "restore the file from Git, or install the version of tenantry that wrote it",
                ));
                // The next lines are no better, and one is enough.
                break;
            }
        }

        (lock, faults)
    }

    /// Takes a line in. Returns whether tenantry can have written it.
    fn take(&mut self, line: LockLine, span: Span) -> bool {
        match line {
            LockLine::Cluster(entry) => {
                self.cluster_lines.insert(entry.cluster.clone(), span);
                self.clusters.insert(entry.cluster.clone(), entry);
            }
            LockLine::Tombstone(entry) => {
                self.tombstone_lines.insert(entry.key(), span);
                self.tombstones.insert(entry.key(), entry);
            }
            LockLine::File(entry) => {
                // The lines of clusters stand first.
                let cluster = self.clusters.get(&entry.cluster);
                if !cluster.is_some_and(|c| entry.is_ours(&c.tree, Record::InLock)) {
                    return false;
                }
                self.spans.insert(entry.path.clone(), span);
                self.files.insert(entry.path.clone(), entry);
            }
        }
        true
    }

    /// The files whose records do not count: those of clusters that neither the lock nor the fleet
    /// has, and of tenants in another unit than the lock says that theirs is. Anyone who can add a
    /// file may have written them.
    pub fn foreign(&self, clusters: &[&str]) -> BTreeSet<String> {
        let counts = |entry: &FileEntry| match self.clusters.get(&entry.cluster) {
            None => clusters.contains(&entry.cluster.as_str()),
            Some(cluster) => match cluster.folder().parse(&entry.path) {
                Some(FileKind::Tenant { tenant, unit, part }) => {
                    recorded_unit(cluster, tenant, part) == unit
                }
                Some(_) => true,
                None => entry.tenant.is_none(),
            },
        };
        self.files
            .values()
            .filter(|entry| !counts(entry))
            .map(|entry| entry.path.clone())
            .collect()
    }

    /// Leaves out the records of some files.
    pub fn leave_out(&mut self, paths: &BTreeSet<String>) {
        for path in paths {
            self.files.remove(path);
        }
    }

    /// Takes in the records of the tree's files by path, and the files as sources.
    pub fn add(
        &mut self,
        mut records: BTreeMap<String, FileEntry>,
        mut spans: BTreeMap<String, Span>,
    ) {
        self.files.append(&mut records);
        self.spans.append(&mut spans);
    }

    /// What the last render settled for a cluster. `None` if it was never rendered. The empty units of
    /// `removable` tenants are left out.
    pub fn settled(&self, cluster: &str, removable: &[String]) -> Option<Settled> {
        let entry = self.clusters.get(cluster)?;
        let folder = entry.folder();
        let files = self.files.values().filter(|file| file.cluster == cluster);
        let units = files.filter_map(|file| match folder.parse(&file.path)? {
            FileKind::Tenant {
                tenant,
                part: TenantPart::Manifests,
                ..
            } => {
                let may_go = removable.iter().any(|name| name == tenant);
                (!may_go || !file.objects.is_empty()).then(|| tenant.to_owned())
            }
            _ => None,
        });
        Some(Settled {
            manifests: entry.manifests,
            manifest_units: units.collect(),
        })
    }

    /// Whether the record of a file is a line of the lock.
    fn has_line(&self, entry: &FileEntry) -> bool {
        let cluster = self.clusters.get(&entry.cluster);
        cluster.is_some_and(|cluster| cluster.record(&entry.path) == Record::InLock)
    }

    /// Adds a tombstone. The namespaces that one of the same name and cluster has stay with it.
    pub fn add_tombstone(&mut self, mut tombstone: Tombstone) {
        let key = tombstone.key();
        let earlier = self.tombstones.remove(&key);
        for namespace in earlier.into_iter().flat_map(|earlier| earlier.namespaces) {
            if !tombstone.namespaces.contains(&namespace) {
                tombstone.namespaces.push(namespace);
            }
        }
        self.tombstones.insert(key, tombstone);
    }

    /// Takes namespaces that are there again out of a tombstone. Removes a tombstone that has no
    /// namespace left.
    pub fn restore(&mut self, key: &(String, String), namespaces: &BTreeSet<String>) {
        if let Some(tombstone) = self.tombstones.get_mut(key) {
            tombstone
                .namespaces
                .retain(|name| !namespaces.contains(name));
            if tombstone.namespaces.is_empty() {
                self.tombstones.remove(key);
            }
        }
    }

    /// The lock alone, as it is written: without the records that stand in files.
    pub fn written(&self) -> Self {
        let files = self.files.iter().filter(|(_, entry)| self.has_line(entry));
        Self {
            clusters: self.clusters.clone(),
            files: files.map(|(p, entry)| (p.clone(), entry.clone())).collect(),
            tombstones: self.tombstones.clone(),
            ..Self::default()
        }
    }

    /// The text of the lock.
    pub fn to_text(&self) -> String {
        let clusters = self.clusters.values().map(serde_json::to_string);
        let files = self
            .files
            .values()
            .filter(|entry| self.has_line(entry))
            .map(serde_json::to_string);
        let tombstones = self.tombstones.values().map(serde_json::to_string);

        let mut out = String::new();
        for line in clusters.chain(files).chain(tombstones).flatten() {
            out.push_str(&line);
            out.push('\n');
        }
        out
    }

    /// The file of a path.
    pub fn span(&self, path: &str) -> Span {
        let id = self.source.unwrap_or(SourceId(0));
        self.spans.get(path).copied().unwrap_or(Span::file(id))
    }

    /// The namespaces that the records of each tenant have, each with its cluster.
    pub fn namespaces_of_tenants(&self) -> BTreeMap<&str, BTreeSet<ClusterNamespace<'_>>> {
        let mut all: BTreeMap<&str, BTreeSet<ClusterNamespace<'_>>> = BTreeMap::new();
        for entry in self.files.values() {
            if let Some(tenant) = entry.tenant.as_deref() {
                let of_tenant = all.entry(tenant).or_default();
                of_tenant.extend(namespaces(entry).map(|namespace| ClusterNamespace {
                    cluster: &entry.cluster,
                    namespace,
                }));
            }
        }
        all
    }

    /// The line of a cluster; `None` if the lock has none.
    pub fn cluster_line(&self, cluster: &str) -> Option<Span> {
        self.cluster_lines.get(cluster).copied()
    }

    /// The line of a tombstone, by its key; `None` if the lock has none.
    pub fn tombstone_line(&self, key: &(String, String)) -> Option<Span> {
        self.tombstone_lines.get(key).copied()
    }

    /// Whether there is neither a line nor a record.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.files.is_empty() && self.tombstones.is_empty()
    }

    /// Each tenant, and the file it came from.
    pub fn tenants(&self) -> BTreeMap<&str, &str> {
        self.files
            .values()
            .filter_map(|e| Some((e.tenant.as_deref()?, e.source.as_deref()?)))
            .collect()
    }

    /// What the tenants' stage wants to know of it; nothing of tenants that may go, nor of files
    /// whose records do not count.
    pub fn prior<'a>(&'a self, removable: &'a [String], foreign: &BTreeSet<String>) -> Prior<'a> {
        let mut prior = Prior::default();
        let removed = self.tombstones.values().map(Tombstone::tenant);
        for tenant in removed.chain(removable.iter().map(String::as_str)) {
            prior.add_removed(tenant);
        }

        for entry in self
            .files
            .values()
            .filter(|entry| !foreign.contains(&entry.path))
        {
            let Some(tenant) = entry
                .tenant
                .as_deref()
                .filter(|name| removable.iter().all(|l| l != name))
            else {
                continue;
            };

            if let Some(source) = &entry.source {
                prior.add_tenant(tenant, source);
            }
            if let Some(input) = &entry.input {
                prior.add_input(tenant, input);
            }
            for claim in &entry.claims {
                prior.add_claim(ClaimKey::of(claim), tenant);
            }
            for (from, to) in entry.edges.iter().filter_map(|edge| edge.split_once('>')) {
                prior.add_edge(&entry.cluster, (tenant, from), to);
            }

            for namespace in namespaces(entry) {
                prior.add_namespace(tenant, &entry.cluster, namespace);
            }
        }

        prior
    }
}

/// A namespace of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClusterNamespace<'a> {
    /// The cluster.
    pub cluster: &'a str,
    /// The namespace.
    pub namespace: &'a str,
}

/// Whether Git wrote a line to show a merge conflict.
fn is_conflict_marker(line: &str) -> bool {
    ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|marker| line.starts_with(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = r#"{"cluster":"prod","tool":"0.1.0","templates":"t","profiles":"p","unit":"tenant","shards":0,"fleet":"f","tree":"rendered","entry":"clusters/prod/tenantry.yaml"}"#;
    const POLICY: &str = r#"{"path":"rendered-outside/prod/blue/iam.json","digest":"0123456789abcdef0123456789abcdef","on":"prod","tenant":"blue","objects":[]}"#;

    fn parse(text: &str) -> (Lock, Vec<Diagnostic>) {
        Lock::parse(SourceId(0), &Source::new("tenantry.lock", text))
    }

    #[test]
    fn the_record_of_a_file_without_comments_is_a_line() {
        let text = format!("{CLUSTER}\n{POLICY}\n");
        let (lock, faults) = parse(&text);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(lock.files.len(), 1);
        assert!(lock.foreign(&["prod"]).is_empty());
        assert_eq!(lock.to_text(), text);
        assert_eq!(lock.written().to_text(), text);
    }

    #[test]
    fn the_record_of_a_file_of_the_tree_is_no_line() {
        let forged = POLICY.replace("rendered-outside/prod/blue/iam.json", "README.md");
        assert_eq!(parse(&format!("{CLUSTER}\n{forged}\n")).1.len(), 1);
        let elsewhere = POLICY.replace("/prod/", "/other/");
        assert_eq!(parse(&format!("{CLUSTER}\n{elsewhere}\n")).1.len(), 1);
        assert_eq!(parse(&format!("{POLICY}\n")).1.len(), 1);
    }

    #[test]
    fn an_unknown_unit_is_no_line() {
        let other = CLUSTER.replace("\"unit\":\"tenant\"", "\"unit\":\"team\"");
        assert_eq!(parse(&format!("{other}\n")).1.len(), 1);
    }
}

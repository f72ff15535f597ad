//! The tree over a revision's lock and records × the tree on disk → what no render explains.
//!
//! A change may hold specs, rendered files and the lock together, and its author can write them all.
//! So the specs are rendered over the lock and the records of a revision that the author cannot
//! write, and what is on disk must be what that render writes.
//!
//! | of the revision | on disk |
//! |---|---|
//! | a tenant's record | the same tenant has its namespaces, unless its removal is allowed |
//! | a tombstone | it is there, unless its tenant is back or its removal is allowed |
//! | a cluster that the fleet lacks | its line and its files are the same, unless its removal is allowed |
//! | a file below the tree that is of no cluster | it is the same |

use super::check::TreeRevision;
use super::layout::{ClusterFolder, is_below_tree};
use super::lock::{Lock, Tombstone};
use super::model::Tree;
use super::plan::lock_after;
use super::record::namespaces;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::{SourceMap, Span};
use crate::spec::FleetDoc;
use crate::tenancy::model::Tenant;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// The tree or its lock has a change that no render makes.
    ///
    /// ## What it finds
    /// Only with `render --check --since REV`, which renders the specs over the lock and the records
    /// of REV. It finds a tombstone that is gone, or that no removal leaves; a line or a file of a
    /// cluster that the fleet does not have; a file below the tree that is of no cluster.
    /// ## Why it matters
    /// The author of a change can write the lock and the records. A tombstone that is gone frees the
    /// names of a removed tenant for another one.
    /// ## Fix
    /// Restore the line or the file from REV, or remove the file. To allow a removal, run the check
    /// with `--allow-removal TENANT` or `--allow-cluster-removal CLUSTER`.
    pub static UNEXPLAINED = "tree/unexplained-change", Error;
}
rule! {
    /// A tenant takes over an existing namespace without approval.
    ///
    /// ## What it finds
    /// Only with `render --check --since REV`: a namespace with `adopt: true` that is not the tenant's
    /// in REV.
    /// ## Why it matters
    /// A namespace that exists has an owner, whom no file names. The tenant's owners get access to
    /// everything in it.
    /// ## Fix
    /// Take a name that no cluster has. To allow the adoption, run the check with
    /// `--allow-adoption TENANT`.
    pub static UNAPPROVED_ADOPTION = "lifecycle/unapproved-adoption", Error;
}
rule! {
    /// The revision has no tree, so that the change is compared with nothing.
    ///
    /// ## What it finds
    /// Only with `render --check --since REV`: REV has no lock and no record where the tree is. It is
    /// the first render, or the tree moved to another folder.
    pub static FIRST_RENDER = "tree/first-render", Note;
}

/// What the flags of the check allow a change to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed<'a> {
    /// Tenants that may go, with their namespaces and their tombstones.
    pub removals: &'a [String],
    /// Clusters that may go.
    pub clusters: &'a [String],
    /// Tenants that may take over namespaces that exist.
    pub adoptions: &'a [String],
}

impl Allowed<'_> {
    fn removal(&self, tenant: &str) -> bool {
        self.removals.iter().any(|name| name == tenant)
    }

    fn cluster(&self, cluster: &str) -> bool {
        self.clusters.iter().any(|name| name == cluster)
    }

    /// Prepares the lock of a revision: the specs are rendered over it. Leaves out the tombstones
    /// that may go and are not in the lock on disk. A cluster that is new since the revision has the
    /// line of the lock on disk: its units are chosen at its first render.
    pub fn prepare(&self, base: &mut Lock, found: &Lock) {
        base.tombstones.retain(|key, tombstone| {
            if !self.removal(tombstone.tenant()) {
                return true;
            }
            let Some(left) = found.tombstones.get(key) else {
                return false;
            };
            let namespaces = &mut tombstone.namespaces;
            namespaces.retain(|name| left.namespaces.contains(name));
            true
        });
        for (name, line) in &found.clusters {
            let line = || line.clone();
            base.clusters.entry(name.clone()).or_insert_with(line);
        }
    }
}

/// A change of a tree since a revision.
pub struct Change<'a> {
    /// The fleet.
    pub fleet: &'a FleetDoc,
    /// The tenants without an error.
    pub tenants: &'a [Tenant],
    /// The specs, rendered over the revision.
    pub tree: &'a Tree,
    /// The tree at the revision.
    pub past: &'a TreeRevision,
    /// The lock and the records of the revision, prepared.
    pub base: &'a Lock,
    /// Those on disk.
    pub found: &'a Lock,
    /// The path of each file below the tree on disk.
    pub files: &'a BTreeSet<String>,
    /// The tree's folder.
    pub folder: &'a str,
    /// What the change may do.
    pub allowed: Allowed<'a>,
}

/// Reports what of a change no render over the revision explains.
pub fn unexplained(change: &Change<'_>, sources: &mut SourceMap) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let lock = sources.add_path("tenantry.lock");
    change.tombstones(lock, &mut out);
    change.unknown_clusters(lock, &mut out);
    change.other_files(sources, &mut out);

    let is_first = change.past.clusters.is_empty() && change.base.files.is_empty();
    if is_first {
        let revision = &change.past.revision;
        let message = format!("{revision} has no tree: the change is compared with nothing");
        let first = Diagnostic::new(&FIRST_RENDER, change.fleet.name.span, message)
            .fix("review every line of it, or compare with the revision that has the tree")
            .scope(Scope::Fleet);
        out.push(first);
    } else {
        change.adoptions(&mut out);
    }
    out
}

/// A name that a tombstone keeps from other tenants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Quarantined<'a> {
    cluster: &'a str,
    /// The removed tenant, or the one that lost a namespace.
    tenant: &'a str,
    uuid: Option<&'a str>,
    /// The namespace; `None` for the tenant's own name.
    namespace: Option<&'a str>,
}

/// The names that tombstones keep, each with its tombstone.
fn quarantined(lock: &Lock) -> BTreeMap<Quarantined<'_>, &Tombstone> {
    let mut all = BTreeMap::new();
    for tombstone in lock.tombstones.values() {
        let tenant = tombstone.tenant();
        let is_whole = tenant == tombstone.tombstone;
        let namespaces = tombstone.namespaces.iter().map(|name| Some(name.as_str()));
        for namespace in namespaces.chain(is_whole.then_some(None)) {
            let name = Quarantined {
                cluster: &tombstone.cluster,
                tenant,
                uuid: tombstone.uuid.as_deref(),
                namespace,
            };
            all.insert(name, tombstone);
        }
    }
    all
}

impl Change<'_> {
    /// Reports tombstones that are gone, or that no removal leaves. `lock` is the lock's file.
    fn tombstones(&self, lock: Span, out: &mut Vec<Diagnostic>) {
        let clusters = self.tree.clusters.keys().cloned().collect();
        let expected = lock_after(self.tree, self.base, &clusters);
        let (expected, found) = (quarantined(&expected), quarantined(self.found));
        let revision = &self.past.revision;

        let mut gone = BTreeMap::new();
        for (name, tombstone) in &expected {
            if !found.contains_key(name) {
                gone.insert(tombstone.key(), *tombstone);
            }
        }
        for (key, tombstone) in gone {
            let (name, on) = &key;
            let fix = match self.base.tombstones.contains_key(&key) {
                true => format!(
                    "restore it from {revision}; to free the name, run the check with \
                     --allow-removal {}",
                    tombstone.tenant()
                ),
                false => format!(
                    "run: tenantry render --allow-removal {}",
                    tombstone.tenant()
                ),
            };
            let message = format!("the tombstone of `{name}` on `{on}` is not in the lock");
            let span = self.found.tombstone_line(&key).unwrap_or(lock);
            out.push(fault(span, message, fix));
        }

        let mut invented = BTreeMap::new();
        for (name, tombstone) in &found {
            if !expected.contains_key(name) {
                invented.insert(tombstone.key(), *tombstone);
            }
        }
        for (key, tombstone) in invented {
            let (name, on) = &key;
            let message =
                format!("no removal since {revision} leaves the tombstone of `{name}` on `{on}`");
            let fix = format!(
                "restore the lock from {revision}, and run tenantry render; to allow it, run the \
                 check with --allow-removal {}",
                tombstone.tenant()
            );
            let span = self.found.tombstone_line(&key).unwrap_or(lock);
            out.push(fault(span, message, fix));
        }
    }

    fn is_in_fleet(&self, cluster: &str) -> bool {
        let mut clusters = self.fleet.spec.clusters.iter();
        clusters.any(|known| known.name.as_str() == cluster)
    }

    /// Reports lines of clusters that the fleet does not have, unless they are as at the revision.
    fn unknown_clusters(&self, lock: Span, out: &mut Vec<Diagnostic>) {
        let revision = &self.past.revision;
        let names = self.past.clusters.keys().chain(self.found.clusters.keys());
        let unknown: BTreeSet<&String> = names.filter(|name| !self.is_in_fleet(name)).collect();

        for name in unknown {
            let is_same = self.past.clusters.get(name) == self.found.clusters.get(name);
            if is_same || self.allowed.cluster(name) {
                continue;
            }
            let message = format!(
                "the lock's line of `{name}`, a cluster that the fleet lacks, is not that of {revision}"
            );
            let fix = format!(
                "restore the line, or the cluster; to allow it, run the check with \
                 --allow-cluster-removal {name}"
            );
            let span = self.found.cluster_line(name).unwrap_or(lock);
            out.push(fault(span, message, fix));
        }
    }

    /// Reports files below the tree that no cluster of the fleet has, unless they are as at the
    /// revision.
    fn other_files(&self, sources: &mut SourceMap, out: &mut Vec<Diagnostic>) {
        let revision = &self.past.revision;
        let changed = self.past.files.iter();
        let changed = changed.filter(|(_, same)| !**same).map(|(path, _)| path);
        let added = self.files.iter();
        let added = added.filter(|path| is_manifest(path) && !self.past.files.contains_key(*path));

        for path in changed.chain(added) {
            if self.is_of_fleet(path) || self.may_go(path) {
                continue;
            }
            let message =
                format!("{path} is not in a cluster's folder and differs from {revision}");
            let is_there = self.files.contains(path);
            let fix = match (is_there, self.past.files.contains_key(path)) {
                (true, false) => "remove it from the tree's folder".to_owned(),
                (true, true) => format!("restore it from {revision}"),
                (false, _) => {
                    "restore it; to allow the removal of the cluster, run the check with \
                               --allow-cluster-removal NAME"
                        .to_owned()
                }
            };
            out.push(fault(sources.add_path(path), message, fix));
        }
    }

    /// Whether a path is that of a file of a cluster of the fleet. Those are compared one by one.
    fn is_of_fleet(&self, path: &str) -> bool {
        let mut clusters = self.fleet.spec.clusters.iter();
        let is_recorded = || {
            let recorded = self.base.files.get(path);
            recorded.is_some_and(|entry| self.is_in_fleet(&entry.cluster))
        };
        let is_entry = || !is_below_tree(self.folder, path);
        clusters.any(|cluster| self.folder_of(cluster.name.as_str()).contains(path))
            || is_entry() && is_recorded()
    }

    /// Whether a path is that of a file of a cluster that may go, and it is gone.
    fn may_go(&self, path: &str) -> bool {
        let lines = self.past.clusters.values();
        let mut allowed = lines.filter(|line| self.allowed.cluster(&line.cluster));
        !self.files.contains(path) && allowed.any(|line| line.has(path))
    }

    fn folder_of<'c>(&'c self, cluster: &'c str) -> ClusterFolder<'c> {
        ClusterFolder {
            tree: self.folder,
            cluster,
        }
    }

    /// Reports namespaces that a tenant newly takes over.
    fn adoptions(&self, out: &mut Vec<Diagnostic>) {
        let mut owned: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
        for entry in self.base.files.values() {
            if let Some(tenant) = &entry.tenant {
                let names = namespaces(entry);
                owned.extend(names.map(|name| (entry.cluster.as_str(), tenant.as_str(), name)));
            }
        }

        for tenant in self.tenants {
            let name = tenant.name.value.as_str();
            if self.allowed.adoptions.iter().any(|allowed| allowed == name) {
                continue;
            }
            for on in &tenant.on {
                let cluster = self.fleet.spec.clusters[on.cluster].name.as_str();
                let adopted = on.namespaces.iter().filter(|namespace| namespace.adopt);
                for namespace in
                    adopted.filter(|one| !owned.contains(&(cluster, name, one.name.as_str())))
                {
                    let message = format!(
                        "`{name}` takes over the namespace `{}` of `{cluster}`, which is not its own in {}",
                        namespace.name, self.past.revision
                    );
                    let fix = format!(
                        "take a name that is free; to allow it, run the check with \
                         --allow-adoption {name}"
                    );
                    let found = Diagnostic::new(&UNAPPROVED_ADOPTION, namespace.span, message);
                    out.push(found.fix(fix).tenant(name));
                }
            }
        }
    }
}

/// Whether a program that reads manifests from a folder reads a file of this name.
fn is_manifest(path: &str) -> bool {
    [".yaml", ".yml", ".json", "/Kustomization"]
        .iter()
        .any(|end| path.ends_with(end))
}

fn fault(span: Span, message: String, fix: String) -> Diagnostic {
    let found = Diagnostic::new(&UNEXPLAINED, span, message);
    found.fix(fix).scope(Scope::Fleet)
}

//! The tree that should be there × what is on disk → what differs, without writing.

use super::cluster_entry::ClusterEntry;
use super::lock::Lock;
use super::model::Tree;
use super::plan::{Disk, EDITED, FOREIGN_FILE};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::SourceMap;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// The committed tree is not what the specs say.
    /// ## Fix
    /// Run `tenantry render`, and commit the result.
    pub static STALE = "tree/stale", Error;
}
rule! {
    /// A cluster was rendered by another version of tenantry, or with other templates or profiles;
    /// its tenants and the fleet are as they were then, and so is the disk. The next `render` of it
    /// brings it forward.
    ///
    /// ## What it finds
    /// Only with `render --check --since REV`, where every file of the cluster and its line of the
    /// lock are byte for byte as at REV, or with `--allow-behind`, which trusts the lock on disk.
    /// Without either such a cluster is stale.
    /// ## Why it matters
    /// The author of a change can write the lock and the records. What the change is compared with
    /// must be a revision that the author cannot write, such as the target branch.
    pub static BEHIND = "tree/behind", Note;
}

/// What lets a cluster count as behind, and not as stale.
#[derive(Debug)]
pub enum Behind<'a> {
    /// Nothing: each cluster must be as this version renders it.
    Refused,
    /// The lock and the records on disk. The author of a change can write both.
    OnDisk,
    /// A revision of the tree that the author of a change cannot write.
    Since(&'a TreeRevision),
}

/// The tree at a revision, compared with the disk byte for byte.
#[derive(Debug, Default)]
pub struct TreeRevision {
    /// The revision, as the user named it.
    pub revision: String,
    /// The clusters of the revision's lock, by name.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// The tree's files at the revision: the path, and whether the disk holds the same bytes.
    pub files: BTreeMap<String, bool>,
}

impl TreeRevision {
    /// Whether a cluster's line of the lock and each of its files are as at the revision.
    fn holds(&self, now: &ClusterEntry, locked: Option<&ClusterEntry>, disk: &Disk) -> bool {
        let belongs = |path: &str| now.has(path);
        let same_line = locked.is_some() && self.clusters.get(&now.cluster) == locked;
        let none_added = disk
            .files
            .keys()
            .filter(|path| belongs(path))
            .all(|path| self.files.get(path) == Some(&true));
        let none_changed = self
            .files
            .iter()
            .filter(|(path, _)| belongs(path))
            .all(|(_, same)| *same);
        same_line && none_added && none_changed
    }
}

/// The lock and the records that a tree is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// Those on disk.
    pub found: &'a Lock,
    /// Those that the tree was built over: the same, or those of a revision.
    pub base: &'a Lock,
}

/// Compares a tree with what is on disk, without writing.
///
/// A cluster that an older version, or older templates or profiles, rendered is behind where
/// `behind` says so; else each file that differs is an error.
pub fn check(
    tree: &Tree,
    written: Written<'_>,
    disk: &Disk,
    behind: &Behind<'_>,
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    let check = TreeCheck {
        tree,
        lock: written.found,
        base: written.base,
        disk,
    };
    let mut out = Vec::new();
    for now in tree.clusters.values() {
        if check.is_behind(now, behind) {
            out.push(check.behind(now, sources));
        } else {
            out.extend(check.stale(now, sources));
        }
    }
    out
}

/// Whether a cluster was rendered by another version, or with other templates or profiles.
fn is_older(before: &ClusterEntry, now: &ClusterEntry) -> bool {
    (&before.tool, &before.templates, &before.profiles)
        != (&now.tool, &now.templates, &now.profiles)
}

struct TreeCheck<'a> {
    tree: &'a Tree,
    /// The lock and the records on disk.
    lock: &'a Lock,
    /// Those that the tree was built over.
    base: &'a Lock,
    disk: &'a Disk,
}

impl TreeCheck<'_> {
    fn is_behind(&self, now: &ClusterEntry, behind: &Behind<'_>) -> bool {
        let Some(before) = self.lock.clusters.get(&now.cluster) else {
            return false;
        };
        let vouched = match behind {
            Behind::Refused => false,
            Behind::OnDisk => true,
            Behind::Since(baseline) => baseline.holds(now, Some(before), self.disk),
        };
        is_older(before, now)
            && vouched
            && self.is_as_locked(now)
            && self.has_same_inputs(now, before)
    }

    /// Whether every file that should be there is, with a record that is true of it, and no other
    /// file is.
    fn is_as_locked(&self, now: &ClusterEntry) -> bool {
        let wanted = self.tree.files.values().map(|file| &file.entry);
        let wanted = wanted.filter(|entry| entry.cluster == now.cluster);
        let found = self.disk.files.keys();
        let found = found.filter(|path| now.has(path));
        wanted.map(|entry| &entry.path).chain(found).all(|path| {
            let recorded = self.lock.files.get(path);
            recorded.is_some_and(|entry| self.disk.has(entry))
        })
    }

    /// Whether the fleet's document and those of the cluster's tenants are as they were.
    fn has_same_inputs(&self, now: &ClusterEntry, before: &ClusterEntry) -> bool {
        let files = self.tree.files.values().map(|file| &file.entry);
        before.fleet == now.fleet
            && files
                .filter(|entry| entry.cluster == now.cluster && entry.tenant.is_some())
                .all(|entry| {
                    let recorded = self.lock.files.get(&entry.path);
                    recorded.is_some_and(|recorded| recorded.input == entry.input)
                })
    }

    fn behind(&self, now: &ClusterEntry, sources: &mut SourceMap) -> Diagnostic {
        let name = &now.cluster;
        let files = self.tree.files.values().map(|file| &file.entry);
        let other: Vec<&str> = files
            .filter(|entry| {
                entry.cluster == *name && self.lock.files.get(&entry.path) != Some(entry)
            })
            .map(|entry| entry.path.as_str())
            .collect();

        let mut message = format!(
            "`{name}` was rendered by another version, or with other templates or profiles"
        );
        match other.as_slice() {
            [] => {}
            [one] => message.push_str(&format!("; {one} would be written anew")),
            [one, rest @ ..] => message.push_str(&format!(
                "; {one} and {} more would be written anew",
                rest.len()
            )),
        }

        Diagnostic::new(&BEHIND, sources.add_path("tenantry.lock"), message)
            .fix(format!(
                "bring it forward: tenantry render --cluster {name}"
            ))
            .scope(Scope::Fleet)
    }

    /// Each file of a cluster that is not as it should be.
    fn stale(&self, now: &ClusterEntry, sources: &mut SourceMap) -> Vec<Diagnostic> {
        let mut out = Vec::new();
        let name = &now.cluster;
        let files = self.tree.files.iter();

        for (path, desired) in files.filter(|(_, file)| file.entry.cluster == *name) {
            match self.disk.files.get(path) {
                None => out.push((path, "is missing")),
                Some(found) if !found.has(&desired.entry.digest) => {
                    out.push((path, "is not what the specs say"));
                }
                Some(_) if self.lock.files.get(path) != Some(&desired.entry) => {
                    out.push((path, "has another record than the specs say"));
                }
                Some(_) => {}
            }
        }

        for path in self.recorded(name) {
            let found = self.lock.files.get(path);
            match self.tree.held.get(path) {
                _ if self.tree.files.contains_key(path) => {}
                Some(entry) if self.disk.has(entry) && found == Some(entry) => {}
                Some(_) => out.push((path, "is held, and not as its record says")),
                None if found.is_some() || self.disk.files.contains_key(path) => {
                    out.push((path, "is there, and nothing renders it"));
                }
                None => {}
            }
        }

        for path in self.disk.files.keys() {
            let known = self.tree.files.contains_key(path)
                || self.lock.files.contains_key(path)
                || self.base.files.contains_key(path);
            if now.has(path) && !known {
                out.push((path, "was not written by tenantry"));
            }
        }

        let mut faults: Vec<Diagnostic> = out
            .into_iter()
            .map(|(path, fault)| self.fault(path, fault, sources))
            .collect();

        faults.extend(self.line_fault(now, sources));
        faults
    }

    /// The recorded paths of a cluster's files, on disk and where the tree was built over.
    fn recorded(&self, cluster: &str) -> BTreeSet<&String> {
        let all = self.lock.files.iter().chain(&self.base.files);
        let own = all.filter(|(_, entry)| entry.cluster == *cluster);
        own.map(|(path, _)| path).collect()
    }

    /// The fault of a cluster's line of the lock, if it is not as a render writes it.
    fn line_fault(&self, now: &ClusterEntry, sources: &mut SourceMap) -> Option<Diagnostic> {
        let name = &now.cluster;
        let (message, fix) = match self.lock.clusters.get(name) {
            Some(before) if before == now => return None,
            Some(before) if is_older(before, now) => (
                format!(
                    "the lock says that another version, templates or profiles rendered `{name}`"
                ),
                format!(
                    "run: tenantry render --cluster {name}; to bring clusters forward one by one, \
                     compare with the target branch: tenantry render --check --since origin/main"
                ),
            ),
            Some(_) => (
                format!("the line of `{name}` in the lock is not as a render writes it"),
                "run: tenantry render".to_owned(),
            ),
            None => (
                format!("the lock has no line of `{name}`"),
                "restore the lock from Git, and run: tenantry render".to_owned(),
            ),
        };
        let span = self.lock.cluster_line(name);
        let span = span.unwrap_or_else(|| sources.add_path("tenantry.lock"));
        let fault = Diagnostic::new(&STALE, span, message).fix(fix);
        Some(fault.scope(Scope::Fleet))
    }

    fn fault(&self, path: &str, fault: &str, sources: &mut SourceMap) -> Diagnostic {
        let recorded = self.lock.files.get(path).map(|entry| &entry.digest);
        let (rule, fix) = match (self.disk.files.get(path), recorded) {
            (Some(_), None) => (
                &FOREIGN_FILE,
                "move it out of the folder, or, if it was edited, run: tenantry render --force",
            ),
            (Some(found), Some(recorded)) if !found.has(recorded) => (
                &EDITED,
                "change the tenant instead, and take the edit back: tenantry render --force",
            ),
            _ => (&STALE, "run: tenantry render"),
        };
        Diagnostic::new(rule, sources.add_path(path), format!("{path} {fault}"))
            .fix(fix)
            .scope(Scope::Fleet)
    }
}

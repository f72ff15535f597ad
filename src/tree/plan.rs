//! The tree that should be there × what is on disk → what to write, or why not.

use super::{ClusterEntry, FileEntry, Lock, Tree};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::SourceMap;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A file in the tree's folder that tenantry did not write.
    ///
    /// ## Why it matters
    /// Flux applies everything below a path. Whatever else lies there would be applied with the
    /// platform's power.
    /// ## Fix
    /// Move it out of the folder.
    pub static FOREIGN_FILE = "tree/foreign-file", Error;
}
rule! {
    /// A file of the tree was edited by hand.
    /// ## Fix
    /// Change the tenant instead, and run `tenantry render --force` to take the edit back.
    pub static EDITED = "tree/edited", Error;
}
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

/// What is on disk: digests by path, of every file of the tree and of every path that the lock
/// names.
#[derive(Debug, Default)]
pub struct Disk {
    /// Digests by path.
    pub files: BTreeMap<String, String>,
}

/// What stands for the digest of a link or a folder where a file should be: it is like no digest,
/// and nobody's.
pub const NOT_A_FILE: &str = "not a file";

/// What to do.
#[derive(Debug, Default)]
pub struct Plan {
    /// Paths to write.
    pub write: Vec<String>,
    /// Paths to delete.
    pub delete: Vec<String>,
    /// How many files are as they should be.
    pub unchanged: usize,
    /// The lock after the work.
    pub lock: Lock,
    /// The lock's text before anything is deleted: what it was, and the tombstones of what goes.
    pub before_deletion: String,
    /// Why nothing may be done.
    pub faults: Vec<Diagnostic>,
}

/// Plans the writing of a tree. Clusters outside `clusters` stay as the lock has them.
pub fn plan(
    tree: &Tree,
    lock: &Lock,
    disk: &Disk,
    clusters: &BTreeSet<String>,
    force: bool,
    sources: &mut SourceMap,
) -> Plan {
    let mut plan = Plan {
        lock: lock.without_files(),
        ..Plan::default()
    };
    let mine = |path: &str, digest: &str| lock.files.get(path).is_some_and(|e| e.digest == digest);
    // Where a cluster was rendered before, what stands in a file's place was once that file.
    let known = |entry: &FileEntry| {
        lock.files.contains_key(&entry.path) || lock.clusters.contains_key(&entry.on)
    };
    let mut fault = |rule, path: &str, message: String, fix: &str| {
        let span = sources.add_path(path);
        plan.faults.push(
            Diagnostic::new(rule, span, message)
                .fix(fix)
                .scope(Scope::Fleet),
        );
    };
    for (path, desired) in &tree.files {
        match disk.files.get(path) {
            Some(digest)
                if *digest == desired.entry.digest
                    && lock.files.get(path) == Some(&desired.entry) =>
            {
                plan.unchanged += 1;
            }
            Some(digest) if digest == NOT_A_FILE => {
                fault(
                    &FOREIGN_FILE,
                    path,
                    format!("{path} is a folder or a link, and no file"),
                    "move it away",
                );
            }
            Some(digest) if (force && known(&desired.entry)) || mine(path, digest) => {
                plan.write.push(path.clone())
            }
            Some(_) if lock.files.contains_key(path) => {
                fault(
                    &EDITED,
                    path,
                    format!("{path} was edited by hand"),
                    "change the tenant instead, and take the edit back: tenantry render --force",
                );
            }
            Some(_) => fault(
                &FOREIGN_FILE,
                path,
                format!(
                    "{path} is not as tenantry writes it: its record is gone, or it is somebody else's file"
                ),
                "move it away; of a conflict take either side; an edit is taken back by: tenantry render --force",
            ),
            None => plan.write.push(path.clone()),
        }
    }
    for (path, entry) in &lock.files {
        if !clusters.contains(&entry.on)
            || tree.files.contains_key(path)
            || tree.held.contains_key(path)
        {
            continue;
        }
        match disk.files.get(path) {
            Some(digest) if digest != NOT_A_FILE && (force || mine(path, digest)) => {
                plan.delete.push(path.clone())
            }
            Some(_) => fault(
                &EDITED,
                path,
                format!("{path} would be deleted, and was edited by hand"),
                "take the edit back: tenantry render --force",
            ),
            None => {}
        }
    }
    for (path, entry) in &tree.held {
        if disk.files.get(path) != Some(&entry.digest) {
            let message =
                format!("{path} is held for a tenant with an error, and is not as its record says");
            fault(
                &EDITED,
                path,
                message,
                &format!("restore it from Git: git checkout -- {path}"),
            );
        }
    }
    for path in disk.files.keys() {
        let ours = tree.files.contains_key(path)
            || tree.held.contains_key(path)
            || lock.files.contains_key(path);
        if ours {
            continue;
        }
        fault(
            &FOREIGN_FILE,
            path,
            format!("{path} was not written by tenantry, and would be applied"),
            "move it out of the folder",
        );
    }
    for grave in &tree.tombstones {
        plan.lock
            .tombstones
            .insert((grave.tombstone.clone(), grave.on.clone()), grave.clone());
    }
    plan.before_deletion = plan.lock.to_text();
    plan.lock.clusters.extend(tree.clusters.clone());
    for risen in &tree.risen {
        plan.lock.tombstones.remove(risen);
    }
    plan
}

/// What lets a cluster count as behind, and not as stale.
#[derive(Debug)]
pub enum Behind<'a> {
    /// Nothing: each cluster must be as this version renders it.
    Refused,
    /// The lock and the records on disk. The author of a change can write both.
    OnDisk,
    /// A revision of the tree that the author of a change cannot write.
    Since(&'a Baseline),
}

/// The tree at a revision, compared with the disk byte for byte.
#[derive(Debug, Default)]
pub struct Baseline {
    /// The revision, as the user named it.
    pub revision: String,
    /// The clusters of the revision's lock, by name.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// The tree's files at the revision: the path, and whether the disk holds the same bytes.
    pub files: BTreeMap<String, bool>,
}

impl Baseline {
    /// Whether a cluster's line of the lock and each of its files are as at the revision.
    fn holds(&self, now: &ClusterEntry, locked: Option<&ClusterEntry>, disk: &Disk) -> bool {
        let belongs = |path: &str| is_of_cluster(path, now);
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

/// Whether a path lies in a cluster's folder, or is the cluster's one file outside the tree.
fn is_of_cluster(path: &str, cluster: &ClusterEntry) -> bool {
    let folder = format!("{}/{}/", cluster.tree, cluster.cluster);
    path.starts_with(&folder) || path == cluster.entry
}

/// Compares a tree with what is on disk, without writing.
///
/// A cluster that an older version, or older templates or profiles, rendered is behind where
/// `behind` says so; else each file that differs is an error.
pub fn check(
    tree: &Tree,
    lock: &Lock,
    disk: &Disk,
    behind: &Behind<'_>,
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    let check = Check { tree, lock, disk };
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

struct Check<'a> {
    tree: &'a Tree,
    lock: &'a Lock,
    disk: &'a Disk,
}

impl Check<'_> {
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
        let wanted = wanted.filter(|entry| entry.on == now.cluster);
        let found = self.disk.files.keys();
        let found = found.filter(|path| is_of_cluster(path, now));
        wanted.map(|entry| &entry.path).chain(found).all(|path| {
            let recorded = self.lock.files.get(path).map(|entry| &entry.digest);
            recorded.is_some() && recorded == self.disk.files.get(path)
        })
    }

    /// Whether the fleet's document and those of the cluster's tenants are as they were.
    fn has_same_inputs(&self, now: &ClusterEntry, before: &ClusterEntry) -> bool {
        let files = self.tree.files.values().map(|file| &file.entry);
        before.fleet == now.fleet
            && files
                .filter(|entry| entry.on == now.cluster && entry.tenant.is_some())
                .all(|entry| {
                    let recorded = self.lock.files.get(&entry.path);
                    recorded.is_some_and(|recorded| recorded.input == entry.input)
                })
    }

    fn behind(&self, now: &ClusterEntry, sources: &mut SourceMap) -> Diagnostic {
        let name = &now.cluster;
        let files = self.tree.files.values().map(|file| &file.entry);
        let other: Vec<&str> = files
            .filter(|entry| entry.on == *name && self.lock.files.get(&entry.path) != Some(entry))
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
        for (path, desired) in files.filter(|(_, file)| file.entry.on == *name) {
            match self.disk.files.get(path) {
                None => out.push((path, "is missing")),
                Some(digest) if *digest != desired.entry.digest => {
                    out.push((path, "is not what the specs say"));
                }
                Some(_) if self.lock.files.get(path) != Some(&desired.entry) => {
                    out.push((path, "has another record than the specs say"));
                }
                Some(_) => {}
            }
        }

        let recorded = self.lock.files.iter();
        for (path, entry) in recorded.filter(|(_, entry)| entry.on == *name) {
            if self.tree.files.contains_key(path) {
                continue;
            }
            if !self.tree.held.contains_key(path) {
                out.push((path, "is there, and nothing renders it"));
            } else if self.disk.files.get(path) != Some(&entry.digest) {
                out.push((path, "is held, and not as its record says"));
            }
        }

        for path in self.disk.files.keys() {
            let known = self.tree.files.contains_key(path) || self.lock.files.contains_key(path);
            if is_of_cluster(path, now) && !known {
                out.push((path, "was not written by tenantry"));
            }
        }

        let mut faults: Vec<Diagnostic> = out
            .into_iter()
            .map(|(path, fault)| self.fault(path, fault, sources))
            .collect();
        let before = self.lock.clusters.get(name);
        if before.is_some_and(|before| is_older(before, now)) {
            let message = format!(
                "the lock says that another version, templates or profiles rendered `{name}`"
            );
            let fix = format!(
                "run: tenantry render --cluster {name}; to bring clusters forward one by one, \
                 compare with the target branch: tenantry render --check --since origin/main"
            );
            let stale = Diagnostic::new(&STALE, sources.add_path("tenantry.lock"), message);
            faults.push(stale.fix(fix).scope(Scope::Fleet));
        }
        faults
    }

    fn fault(&self, path: &str, fault: &str, sources: &mut SourceMap) -> Diagnostic {
        let recorded = self.lock.files.get(path).map(|entry| &entry.digest);
        let (rule, fix) = match (self.disk.files.get(path), recorded) {
            (Some(_), None) => (
                &FOREIGN_FILE,
                "move it out of the folder, or, if it was edited, run: tenantry render --force",
            ),
            (Some(digest), Some(recorded)) if digest != recorded => (
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

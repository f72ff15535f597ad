//! The tree that should be there × what is on disk → what to write, or why not.

use super::cluster_entry::ClusterEntry;
use super::layout::Record;
use super::lock::Lock;
use super::model::Tree;
use super::record::FileEntry;
use crate::diagnostic::{Diagnostic, Rule, Scope, rule};
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

/// What is on disk, at the path of every file of the tree and at every path that the lock names.
#[derive(Debug, Default)]
pub struct Disk {
    /// What is there, by path. A path without an entry is free.
    pub files: BTreeMap<String, OnDisk>,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnDisk {
    /// A file.
    File {
        /// The digest of its bytes, but for the record.
        digest: String,
    },
    /// A folder or a link, where a file should be.
    Other,
}

impl OnDisk {
    /// Whether it is a file with this digest.
    pub fn has(&self, expected: &str) -> bool {
        matches!(self, Self::File { digest } if digest == expected)
    }
}

impl Disk {
    /// Whether the file of a record is there, with the record's digest.
    fn has(&self, entry: &FileEntry) -> bool {
        let found = self.files.get(&entry.path);
        found.is_some_and(|found| found.has(&entry.digest))
    }
}

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
    let mut planner = Planner {
        tree,
        lock,
        disk,
        force,
        sources,
        outdated: Vec::new(),
        plan: Plan::default(),
    };
    planner.write_files();
    planner.delete_files(clusters);
    planner.check_held_files();
    planner.check_foreign_files();
    planner.write_lock();
    planner.plan
}

/// Makes a plan.
struct Planner<'a> {
    tree: &'a Tree,
    lock: &'a Lock,
    disk: &'a Disk,
    /// Whether edits by hand are overwritten.
    force: bool,
    sources: &'a mut SourceMap,
    /// Recorded paths of files that should no longer be there.
    outdated: Vec<&'a String>,
    plan: Plan,
}

impl Planner<'_> {
    /// Plans to write each file that is missing or differs.
    fn write_files(&mut self) {
        let (tree, lock, disk) = (self.tree, self.lock, self.disk);
        for (path, desired) in &tree.files {
            let Some(found) = disk.files.get(path) else {
                self.plan.write.push(path.clone());
                continue;
            };

            let recorded = lock.files.get(path);
            let is_desired = found.has(&desired.entry.digest);

            if is_desired && recorded == Some(&desired.entry) {
                self.plan.unchanged += 1;
            } else if *found == OnDisk::Other {
                let message = format!("{path} is a folder or a link, and no file");
                self.fault(&FOREIGN_FILE, path, message, "move it away");
            } else if (self.force && self.may_have_written(&desired.entry))
                || self.has_written(path, found)
                || (is_desired && self.tree.place(&desired.entry) == Record::InLock)
            {
                self.plan.write.push(path.clone());
            } else if recorded.is_some() {
                self.fault(
                    &EDITED,
                    path,
                    format!("{path} was edited by hand"),
                    "change the tenant instead, and take the edit back: tenantry render --force",
                );
            } else {
                let message = format!(
                    "{path} is not as tenantry writes it: its record is gone, or it is somebody \
                     else's file"
                );
                let fix = "move it away; of a conflict take either side; an edit is taken back \
                           by: tenantry render --force";
                self.fault(&FOREIGN_FILE, path, message, fix);
            }
        }
    }

    /// Plans to delete the recorded files of these clusters that should no longer be there.
    fn delete_files(&mut self, clusters: &BTreeSet<String>) {
        let (tree, lock, disk) = (self.tree, self.lock, self.disk);
        for (path, entry) in &lock.files {
            let stays = tree.files.contains_key(path) || tree.held.contains_key(path);
            if !clusters.contains(&entry.cluster) || stays {
                continue;
            }
            self.outdated.push(path);

            match disk.files.get(path) {
                None => {}
                Some(found @ OnDisk::File { .. })
                    if self.force || self.has_written(path, found) =>
                {
                    self.plan.delete.push(path.clone());
                }
                Some(_) => {
                    let message = format!("{path} would be deleted, and was edited by hand");
                    let fix = "take the edit back: tenantry render --force";
                    self.fault(&EDITED, path, message, fix);
                }
            }
        }
    }

    /// Checks that the files of tenants that are not rendered are as their records say.
    fn check_held_files(&mut self) {
        let tree = self.tree;
        for (path, entry) in &tree.held {
            if !self.disk.has(entry) {
                let message = format!(
                    "{path} belongs to a tenant that this run does not render, and is not as its \
                     record says"
                );
                let fix = format!("restore it from Git: git checkout -- {path}");
                self.fault(&EDITED, path, message, &fix);
            }
        }
    }

    /// Checks that no other file lies where Flux would apply it.
    fn check_foreign_files(&mut self) {
        let disk = self.disk;
        for path in disk.files.keys() {
            let ours = self.tree.files.contains_key(path)
                || self.tree.held.contains_key(path)
                || self.lock.files.contains_key(path);
            if !ours {
                let message = format!("{path} was not written by tenantry, and would be applied");
                self.fault(&FOREIGN_FILE, path, message, "move it out of the folder");
            }
        }
    }

    /// Plans the lock, after the work and before anything is deleted.
    fn write_lock(&mut self) {
        let mut lock = self.lock.written();
        for tombstone in &self.tree.tombstones {
            lock.add_tombstone(tombstone.clone());
        }

        self.plan.before_deletion = lock.to_text();

        for path in &self.outdated {
            lock.files.remove(*path);
        }
        let files = self.tree.files.iter();
        for (path, desired) in files {
            if self.tree.place(&desired.entry) == Record::InLock {
                lock.files.insert(path.clone(), desired.entry.clone());
            }
        }
        lock.clusters.extend(self.tree.clusters.clone());
        for (tombstone, namespaces) in &self.tree.restored {
            lock.restore(tombstone, namespaces);
        }

        self.plan.lock = lock;
    }

    /// Whether a file on disk has the bytes that its record says.
    fn has_written(&self, path: &str, found: &OnDisk) -> bool {
        let recorded = self.lock.files.get(path);
        recorded.is_some_and(|entry| found.has(&entry.digest))
    }

    /// Whether the file that stands at a record's path was once written by tenantry: it has a
    /// record, or its cluster was rendered before.
    fn may_have_written(&self, entry: &FileEntry) -> bool {
        self.lock.files.contains_key(&entry.path) || self.lock.clusters.contains_key(&entry.cluster)
    }

    fn fault(&mut self, rule: &'static Rule, path: &str, message: String, fix: &str) {
        let span = self.sources.add_path(path);
        self.plan.faults.push(
            Diagnostic::new(rule, span, message)
                .fix(fix)
                .scope(Scope::Fleet),
        );
    }
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
    let check = TreeCheck { tree, lock, disk };
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
    lock: &'a Lock,
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

        let recorded = self.lock.files.iter();
        for (path, entry) in recorded.filter(|(_, entry)| entry.cluster == *name) {
            if self.tree.files.contains_key(path) {
                continue;
            }
            if !self.tree.held.contains_key(path) {
                out.push((path, "is there, and nothing renders it"));
            } else if !self.disk.has(entry) {
                out.push((path, "is held, and not as its record says"));
            }
        }

        for path in self.disk.files.keys() {
            let known = self.tree.files.contains_key(path) || self.lock.files.contains_key(path);
            if now.has(path) && !known {
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

#[cfg(test)]
mod tests {
    use super::super::cluster_entry::UnitContent;
    use super::super::layout::{ClusterFolder, FileKind};
    use super::super::model::DesiredFile;
    use super::super::record::digest;
    use super::*;
    use crate::source::{Source, SourceId};

    const PATH: &str = "rendered-outside/prod/blue/iam.json";

    fn cluster() -> ClusterEntry {
        ClusterEntry {
            cluster: "prod".into(),
            tool: "0.1.0".into(),
            templates: String::new(),
            profiles: String::new(),
            unit: UnitContent::Tenant,
            shards: 0,
            fleet: String::new(),
            tree: "rendered".into(),
            entry: "clusters/prod/tenantry.yaml".into(),
            manifests: Default::default(),
        }
    }

    /// A tree with these JSON documents of the tenant `blue`, which lie outside the tree.
    fn tree(documents: &[&str]) -> Tree {
        let cluster = cluster();
        let mut tree = Tree::default();

        for text in documents {
            let kind = FileKind::Outside {
                owner: "blue",
                name: "iam.json",
            };

            let folder = ClusterFolder {
                tree: "rendered",
                cluster: "prod",
            };

            let entry = FileEntry {
                digest: digest(text.as_bytes()),
                tenant: Some("blue".into()),
                ..FileEntry::new(folder, kind)
            };

            let file = DesiredFile {
                head: String::new(),
                objects: (*text).to_owned(),
                entry,
            };

            tree.files.insert(file.entry.path.clone(), file);
        }

        tree.clusters.insert(cluster.cluster.clone(), cluster);
        tree
    }

    fn disk(text: Option<&str>) -> Disk {
        let found = |text: &str| OnDisk::File {
            digest: digest(text.as_bytes()),
        };
        let files = text.map(|text| (PATH.to_owned(), found(text)));
        Disk {
            files: files.into_iter().collect(),
        }
    }

    fn planned(tree: &Tree, lock: &Lock, disk: &Disk) -> Plan {
        let clusters = BTreeSet::from(["prod".to_owned()]);
        plan(
            tree,
            lock,
            disk,
            &clusters,
            false,
            &mut SourceMap::default(),
        )
    }

    /// The lock as the next run reads it.
    fn read_again(lock: &Lock) -> Lock {
        let source = Source::new("tenantry.lock", lock.to_text());
        let (lock, faults) = Lock::parse(SourceId(0), &source);
        assert!(faults.is_empty(), "{faults:?}");
        lock
    }

    #[test]
    fn a_document_outside_the_tree_is_written_and_deleted_like_a_file_of_it() {
        let first = planned(&tree(&["{}"]), &Lock::default(), &disk(None));
        assert_eq!(
            (first.write.as_slice(), first.faults.len()),
            (&[PATH.to_owned()][..], 0)
        );

        let lock = read_again(&first.lock);
        let again = planned(&tree(&["{}"]), &lock, &disk(Some("{}")));
        assert_eq!((again.write.len(), again.unchanged), (0, 1));

        let edited = planned(&tree(&["{}"]), &lock, &disk(Some("{\"by\": \"hand\"}")));
        assert_eq!(edited.faults[0].rule, &EDITED);

        let gone = planned(&tree(&[]), &lock, &disk(Some("{}")));
        assert_eq!(gone.delete, [PATH]);
        assert!(gone.before_deletion.contains(PATH));
        assert!(read_again(&gone.lock).files.is_empty());

        let missing = planned(&tree(&[]), &lock, &disk(None));
        assert!(missing.delete.is_empty() && missing.lock.files.is_empty());
    }

    #[test]
    fn a_document_that_was_written_before_the_lock_is_taken_up() {
        let plan = planned(&tree(&["{}"]), &Lock::default(), &disk(Some("{}")));
        assert_eq!(
            (plan.write.as_slice(), plan.faults.len()),
            (&[PATH.to_owned()][..], 0)
        );

        let foreign = planned(&tree(&["{}"]), &Lock::default(), &disk(Some("[]")));
        assert_eq!(foreign.faults[0].rule, &FOREIGN_FILE);
    }
}

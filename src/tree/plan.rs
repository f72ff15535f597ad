//! The tree that should be there × what is on disk → what to write, or why not.

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
    pub(super) fn has(&self, entry: &FileEntry) -> bool {
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
        plan: Plan::default(),
    };
    planner.write_files();
    planner.delete_files(clusters);
    planner.check_held_files();
    planner.check_foreign_files();
    planner.write_lock(clusters);
    planner.plan
}

/// The recorded paths of these clusters' files that should no longer be there.
fn outdated<'a>(
    tree: &'a Tree,
    lock: &'a Lock,
    clusters: &'a BTreeSet<String>,
) -> impl Iterator<Item = &'a String> {
    let recorded = lock.files.iter();
    let outdated = recorded.filter(|(path, entry)| {
        let stays = tree.files.contains_key(*path) || tree.held.contains_key(*path);
        clusters.contains(&entry.cluster) && !stays
    });
    outdated.map(|(path, _)| path)
}

/// The lock once a tree is written over the one that `lock` describes. Clusters outside `clusters`
/// stay as they are.
pub(super) fn lock_after(tree: &Tree, lock: &Lock, clusters: &BTreeSet<String>) -> Lock {
    let mut after = lock.written();
    for tombstone in &tree.tombstones {
        after.add_tombstone(tombstone.clone());
    }
    for path in outdated(tree, lock, clusters) {
        after.files.remove(path);
    }

    for (path, desired) in &tree.files {
        if tree.place(&desired.entry) == Record::InLock {
            after.files.insert(path.clone(), desired.entry.clone());
        }
    }
    after.clusters.extend(tree.clusters.clone());
    for (tombstone, namespaces) in &tree.restored {
        after.restore(tombstone, namespaces);
    }
    after
}

/// Makes a plan.
struct Planner<'a> {
    tree: &'a Tree,
    lock: &'a Lock,
    disk: &'a Disk,
    /// Whether edits by hand are overwritten.
    force: bool,
    sources: &'a mut SourceMap,
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
        for path in outdated(tree, lock, clusters) {
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
    fn write_lock(&mut self, clusters: &BTreeSet<String>) {
        let mut before = self.lock.written();
        for tombstone in &self.tree.tombstones {
            before.add_tombstone(tombstone.clone());
        }
        self.plan.before_deletion = before.to_text();
        self.plan.lock = lock_after(self.tree, self.lock, clusters);
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

#[cfg(test)]
mod tests {
    use super::super::cluster_entry::{ClusterEntry, UnitContent};
    use super::super::layout::{ClusterFolder, FileKind};
    use super::super::model::DesiredFile;
    use super::super::record::digest;
    use super::*;
    use crate::source::{Source, SourceId};

    const PATH: &str = "rendered-outside/prod/blue/iam.json";

    fn cluster() -> ClusterEntry {
        ClusterEntry {
            cluster: "prod".into(),
            owner: None,
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

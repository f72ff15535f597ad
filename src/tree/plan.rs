//! The tree that should be there × what is on disk → what to write, or why not.

use super::{FileEntry, Lock, Tree};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::Sources;
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
#[inline(never)]
pub fn plan(
    tree: &Tree,
    lock: &Lock,
    disk: &Disk,
    clusters: &BTreeSet<String>,
    force: bool,
    sources: &mut Sources,
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
        let place = sources.add_path(path);
        plan.faults.push(
            Diagnostic::new(rule, place, message)
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

/// Compares a tree with what is on disk, without writing: each cluster with what it was rendered
/// with.
pub fn check(tree: &Tree, lock: &Lock, disk: &Disk, sources: &mut Sources) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (name, now) in &tree.clusters {
        let before = lock.clusters.get(name);
        // Every file that should be there is, with a record that is true of it, and no other file
        // is.
        let wanted = tree
            .files
            .values()
            .filter(|d| d.entry.on == *name)
            .map(|d| &d.entry.path);
        let folder = format!("{}/{name}/", now.tree);
        let found = disk.files.keys().filter(|path| path.starts_with(&folder));
        let true_of = |path: &String| {
            let recorded = lock.files.get(path).map(|e| &e.digest);
            recorded.is_some() && recorded == disk.files.get(path)
        };
        let as_locked = wanted.chain(found).all(true_of);
        let older = before.is_some_and(|b| {
            (&b.tool, &b.templates, &b.profiles) != (&now.tool, &now.templates, &now.profiles)
        });
        let same_inputs = before.is_some_and(|b| b.fleet == now.fleet)
            && tree
                .files
                .values()
                .filter(|d| d.entry.on == *name && d.entry.tenant.is_some())
                .all(|desired| {
                    lock.files
                        .get(&desired.entry.path)
                        .is_some_and(|e| e.input == desired.entry.input)
                });
        if older && as_locked && same_inputs {
            let place = sources.add_path("tenantry.lock");
            let other = tree
                .files
                .values()
                .map(|d| &d.entry)
                .filter(|e| e.on == *name);
            let other: Vec<&str> = other
                .filter(|e| lock.files.get(&e.path) != Some(e))
                .map(|e| e.path.as_str())
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
            let fix = format!("bring it forward: tenantry render --cluster {name}");
            out.push(
                Diagnostic::new(&BEHIND, place, message)
                    .fix(fix)
                    .scope(Scope::Fleet),
            );
            continue;
        }
        let mut stale = |path: &str, what: &str| {
            let place = sources.add_path(path);
            let message = format!("{path} {what}");
            let ours = |digest: &String| lock.files.get(path).is_some_and(|e| e.digest == *digest);
            let (rule, fix) = match disk.files.get(path) {
                Some(digest) if lock.files.contains_key(path) && !ours(digest) => (
                    &EDITED,
                    "change the tenant instead, and take the edit back: tenantry render --force",
                ),
                Some(_) if !lock.files.contains_key(path) => (
                    &FOREIGN_FILE,
                    "move it out of the folder, or, if it was edited, run: tenantry render --force",
                ),
                _ => (&STALE, "run: tenantry render"),
            };
            out.push(
                Diagnostic::new(rule, place, message)
                    .fix(fix)
                    .scope(Scope::Fleet),
            );
        };
        for (path, desired) in tree.files.iter().filter(|(_, d)| d.entry.on == *name) {
            match disk.files.get(path) {
                None => stale(path, "is missing"),
                Some(digest) if *digest != desired.entry.digest => {
                    stale(path, "is not what the specs say")
                }
                Some(_) if lock.files.get(path).is_none_or(|e| *e != desired.entry) => {
                    stale(path, "has another record than the specs say")
                }
                Some(_) => {}
            }
        }
        for (path, entry) in lock
            .files
            .iter()
            .filter(|(p, e)| e.on == *name && !tree.files.contains_key(*p))
        {
            match (tree.held.contains_key(path), disk.files.get(path)) {
                (false, _) => stale(path, "is there, and nothing renders it"),
                (true, digest) if digest != Some(&entry.digest) => {
                    stale(path, "is held, and not as its record says")
                }
                _ => {}
            }
        }
        for path in disk.files.keys().filter(|p| p.starts_with(&folder)) {
            if !tree.files.contains_key(path) && !lock.files.contains_key(path) {
                stale(path, "was not written by tenantry");
            }
        }
    }
    out
}

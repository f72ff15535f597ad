//! Writing the tree: what is on disk, and replacing files one by one.
//!
//! What makes a kill harmless: each file is written beside itself and renamed, and says in its
//! record whose it is and what its digest should be. So a tree that is half old and half new is all
//! ours, and the next run brings it on. Two runs at once are kept apart by a lock (flock) on the
//! folder.

use super::CliError;
use super::bounded::{self, MAX_LOCK, MAX_RENDERED};
use super::files::{name_fault, slashed, walk_fault};
use super::workspace::{LOCK, Workspace};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, Write};
use std::path::{Path, PathBuf};
use tenantry::source::parent;
use tenantry::tree::{ClusterFolder, Disk, Lock, OnDisk, Plan, Tree, digest};
use walkdir::WalkDir;

/// The end of a temporary file's name.
const TEMPORARY: &str = ".tmp~";

/// Reads what is on disk: every file of some clusters' folders, and of every path that
/// the tree or one of the locks names. Also returns the temporary files that a killed run left behind.
pub fn snapshot(
    workspace: &Workspace,
    tree: &Tree,
    locks: &[&Lock],
    clusters: &BTreeSet<String>,
) -> Result<(Disk, Vec<PathBuf>), CliError> {
    let named = tree.files.keys().chain(tree.held.keys());
    let named = named.chain(locks.iter().flat_map(|lock| lock.files.keys()));
    let mut scan = Scan {
        workspace,
        paths: named.cloned().collect(),
        walked: Vec::new(),
        found: HashSet::new(),
        leftovers: Vec::new(),
    };

    for cluster in clusters {
        let folder = ClusterFolder {
            tree: &workspace.tree,
            cluster,
        };
        scan.walk(&folder.path_of_folder(), &|path| {
            let is_recorded = |lock: &&Lock| lock.files.contains_key(path);
            tree.files.contains_key(path) || locks.iter().any(is_recorded)
        })?;
    }

    scan.find_leftovers();
    refuse_links(&workspace.tree_base, &workspace.tree_base.join(LOCK))?;
    only_folders(workspace, &scan.paths)?;

    let found = scan
        .paths
        .par_iter()
        .map(|path| Ok((path.clone(), scan.on_disk(path)?)))
        .collect::<Result<Vec<_>, CliError>>()?;

    let files = found
        .into_iter()
        .filter_map(|(path, found)| Some((path, found?)))
        .collect();
    Ok((Disk { files }, scan.leftovers))
}

/// A look at the tree on disk.
struct Scan<'a> {
    workspace: &'a Workspace,
    /// The paths to read.
    paths: BTreeSet<String>,
    /// The folders that were walked, each with a slash at its end.
    walked: Vec<String>,
    /// The paths of files and folders in them.
    found: HashSet<String>,
    /// Temporary files that a killed run left behind.
    leftovers: Vec<PathBuf>,
}

impl Scan<'_> {
    /// Walks a folder, if it is there. `is_ours` is whether the tree or the lock names a path.
    fn walk(&mut self, folder: &str, is_ours: &dyn Fn(&str) -> bool) -> Result<(), CliError> {
        let full = self.workspace.tree_base.join(folder);
        match full.symlink_metadata() {
            Ok(_) => self.walked.push(format!("{folder}/")),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.walked.push(format!("{folder}/"));
                return Ok(());
            }
            // Each file in it says by itself why it cannot be read.
            Err(_) => return Ok(()),
        }

        for entry in WalkDir::new(&full) {
            let entry = entry.map_err(walk_fault(&full))?;
            let base = &self.workspace.tree_base;
            let path = entry.path().strip_prefix(base).unwrap_or(entry.path());
            let path = slashed(path);

            if entry.file_type().is_dir() {
                // A folder may stand where a file belongs.
                self.found.extend(path);
                continue;
            }

            let path = path.ok_or_else(|| name_fault(entry.path()))?;
            if path.strip_suffix(TEMPORARY).is_some_and(is_ours) {
                self.leftovers.push(entry.into_path());
            } else {
                self.found.insert(path.clone());
                self.paths.insert(path);
            }
        }

        Ok(())
    }

    /// Finds the temporary files of the lock and the entry files, which lie outside the tree's folder.
    fn find_leftovers(&mut self) {
        let top = format!("{}/", self.workspace.tree);
        let outside = self
            .paths
            .iter()
            .map(String::as_str)
            .filter(|path| !path.starts_with(&top))
            .chain([LOCK]);

        let base = &self.workspace.tree_base;
        let temporary = outside.map(|path| base.join(format!("{path}{TEMPORARY}")));
        let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|meta| !meta.is_dir());
        self.leftovers.extend(temporary.filter(is_file));
    }

    /// What is at a path; `None` if nothing is.
    fn on_disk(&self, path: &str) -> Result<Option<OnDisk>, CliError> {
        let is_walked = self.walked.iter().any(|folder| path.starts_with(folder));
        if is_walked && !self.found.contains(path) {
            return Ok(None);
        }

        let full = self.workspace.tree_base.join(path);
        match full.symlink_metadata() {
            Ok(meta) if meta.is_file() => {
                // A longer file is not as rendered: its digest is that of its first bytes.
                let (bytes, _) =
                    bounded::read_head(&full, MAX_RENDERED).map_err(CliError::io(&full))?;
                let digest = digest(&bytes);
                Ok(Some(OnDisk::File { digest }))
            }
            Ok(_) => Ok(Some(OnDisk::Other)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(source) => Err(CliError::Io { path: full, source }),
        }
    }
}

/// Refuses what stands where a folder of the tree belongs: through a link, what is written would
/// land somewhere else.
fn only_folders(workspace: &Workspace, paths: &BTreeSet<String>) -> Result<(), CliError> {
    let mut folders: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let mut folder = parent(path);
        while !folder.is_empty() && folders.insert(folder) {
            folder = parent(folder);
        }
    }

    for folder in folders {
        let full = workspace.tree_base.join(folder);
        match full.symlink_metadata() {
            Ok(meta) if meta.file_type().is_symlink() => {
                return Err(CliError::InTheWay {
                    path: full,
                    what: "a symbolic link",
                    wanted: "a folder of the tree",
                });
            }
            Ok(meta) if !meta.is_dir() => {
                return Err(CliError::InTheWay {
                    path: full,
                    what: "a file",
                    wanted: "a folder of the tree",
                });
            }
            _ => {}
        }
    }

    Ok(())
}

/// Refuses a link at a path, or at a folder between a base and it: what is written would land
/// somewhere else.
pub fn refuse_links(base: &Path, path: &Path) -> Result<(), CliError> {
    let below = path.strip_prefix(base).unwrap_or(path);
    let mut at = base.to_owned();
    for part in below.components() {
        at.push(part);
        if at.is_symlink() {
            let wanted = match at == path {
                true => "a file",
                false => "a folder",
            };
            return Err(CliError::InTheWay {
                path: at,
                what: "a symbolic link",
                wanted,
            });
        }
    }
    Ok(())
}

/// Keeps other runs out as long as it lives.
pub struct Exclusive(#[expect(dead_code, reason = "dropping it unlocks")] File);

impl Exclusive {
    /// Takes the folder of the lock.
    pub fn take(workspace: &Workspace) -> Result<Self, CliError> {
        let folder = &workspace.tree_base;
        fs::create_dir_all(folder).map_err(CliError::io(folder))?;
        let file = File::open(folder).map_err(CliError::io(folder))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(CliError::Busy(folder.clone())),
            Err(fs::TryLockError::Error(source)) => Err(CliError::Io {
                path: folder.clone(),
                source,
            }),
        }
    }
}

/// Whether a plan changes anything on disk, the lock included.
pub fn changes(workspace: &Workspace, plan: &Plan) -> bool {
    let unchanged = plan.write.is_empty() && plan.delete.is_empty();
    let lock = bounded::read_text(&workspace.tree_base.join(LOCK), MAX_LOCK).unwrap_or_default();
    !(unchanged && lock == plan.lock.to_text())
}

/// Carries out a plan.
pub fn apply(
    workspace: &Workspace,
    tree: &Tree,
    plan: &Plan,
    leftovers: &[PathBuf],
    step: &(dyn Fn() + Sync),
) -> Result<(), CliError> {
    for path in leftovers {
        remove(path)?;
    }
    let text = plan.lock.to_text();
    if !changes(workspace, plan) {
        return Ok(());
    }
    let folders: BTreeSet<&str> = plan.write.iter().map(|path| parent(path)).collect();

    for folder in folders {
        let folder = workspace.tree_base.join(folder);
        fs::create_dir_all(&folder).map_err(CliError::io(&folder))?;
    }

    plan.write.par_iter().try_for_each(|path| {
        step();
        let file = &tree.files[path];
        replace_by_parts(
            &workspace.tree_base.join(path),
            [file.head.as_bytes(), file.objects.as_bytes()],
        )
    })?;

    // What goes leaves its tombstone before it goes: after a kill in between, nothing else
    // remembers it.
    if !plan.delete.is_empty() {
        replace(
            &workspace.tree_base.join(LOCK),
            plan.before_deletion.as_bytes(),
        )?;
    }

    for path in &plan.delete {
        let full = workspace.tree_base.join(path);
        remove(&full)?;
        let top = workspace.tree_base.join(&workspace.tree);
        let mut folder = full.parent();
        while let Some(dir) = folder.filter(|d| d.starts_with(&top) && **d != top) {
            if fs::remove_dir(dir).is_err() {
                break;
            }
            folder = dir.parent();
        }
    }

    replace(&workspace.tree_base.join(LOCK), text.as_bytes())
}

/// Writes a file beside itself, and renames it: whoever reads sees the old one or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    replace_by_parts(path, [bytes, &[]])
}

/// The same of a file that is two parts, one after the other.
fn replace_by_parts(path: &Path, parts: [&[u8]; 2]) -> Result<(), CliError> {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    let temporary = PathBuf::from(name);
    let write = || -> std::io::Result<()> {
        // Whatever has the name, a link to somewhere else included, is not written through.
        let mut file = match File::create_new(&temporary) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&temporary)?;
                File::create_new(&temporary)?
            }
            made => made?,
        };
        write_parts(&mut file, parts)?;
        drop(file);
        fs::rename(&temporary, path)
    };

    write().map_err(|source| {
        let _ = fs::remove_file(&temporary);
        CliError::Io {
            path: path.to_owned(),
            source,
        }
    })
}

/// Writes two parts: in one call, where the system takes both in one.
fn write_parts(file: &mut impl Write, parts: [&[u8]; 2]) -> std::io::Result<()> {
    let mut done = match file.write_vectored(&parts.map(IoSlice::new)) {
        Err(e) if e.kind() == ErrorKind::Interrupted => 0,
        done => done?,
    };
    for part in parts {
        file.write_all(&part[done.min(part.len())..])?;
        done = done.saturating_sub(part.len());
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(CliError::Io {
            path: path.to_owned(),
            source: e,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at first; nothing where it is interrupted.
    struct Short(Option<usize>, Vec<u8>);

    impl Write for Short {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1.extend(bytes);
            Ok(bytes.len())
        }
        fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> std::io::Result<usize> {
            let all = parts.iter().flat_map(|part| part.iter().copied());
            let taken = self.0.ok_or(ErrorKind::Interrupted)?;
            self.1.extend(all.take(taken));
            Ok(taken)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_system_takes_in_part_is_written_whole() {
        for taken in [None, Some(0), Some(1), Some(3), Some(4), Some(5), Some(9)] {
            let mut file = Short(taken, Vec::new());
            write_parts(&mut file, [b"head", b"parts"]).unwrap();
            assert_eq!(file.1, b"headparts", "{taken:?}");
        }
    }
}

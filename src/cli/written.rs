//! What earlier runs wrote, as it lies on disk: the lock and the records of the tree's files.

use super::CliError;
use super::bounded::{self, MAX_LOCK};
#[cfg(feature = "git")]
use super::files::FileContent;
use super::files::{name_fault, slashed, walk_fault};
use super::workspace::{LOCK, Workspace};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use tenantry::compile::{self, InputFiles};
use tenantry::diagnostic::{Diagnostic, Scope};
use tenantry::source::{Source, SourceId, SourceMap, join};
use tenantry::tree::{FileEntry, LOCK_INVALID, Lock, record_range, tree_folders};
use walkdir::WalkDir;

/// As much of a file as is read for its record at once: more than nearly all have.
const HEAD: usize = 4 << 10;
/// Longest record that is read, in bytes: some ten thousand objects.
const MAX_RECORD: usize = 2 << 20;

/// The lock and the records of the tree's files.
pub struct WrittenTree {
    /// The revision that they are read at; `None` for those on disk.
    revision: Option<String>,
    lock: LockFile,
    /// By path.
    records: BTreeMap<String, FileEntry>,
}

/// What stands where the lock belongs.
enum LockFile {
    None,
    Text(String),
    /// Nothing that can be read as one, and why.
    Unreadable(String),
}

impl WrittenTree {
    /// Reads them.
    pub fn read(workspace: &Workspace) -> Result<Self, CliError> {
        let lock = read_lock(workspace)?;
        let records = read_records(workspace, &lock)?;
        Ok(Self {
            revision: None,
            lock,
            records,
        })
    }

    /// Those of a revision.
    #[cfg(feature = "git")]
    pub fn at(revision: &str, lock: FileContent, records: BTreeMap<String, FileEntry>) -> Self {
        Self {
            revision: Some(revision.to_owned()),
            lock: match lock {
                FileContent::Missing => LockFile::None,
                FileContent::Bytes(bytes) => String::from_utf8(bytes).map_or(
                    LockFile::Unreadable("the lock is not UTF-8".into()),
                    LockFile::Text,
                ),
                FileContent::TooLarge(_) => {
                    LockFile::Unreadable("the lock is larger than any lock".into())
                }
                FileContent::Unreadable(why) => {
                    LockFile::Unreadable(format!("the lock cannot be read: {why}"))
                }
                FileContent::Outside { .. } => LockFile::Unreadable("the lock is a link".into()),
            },
            records,
        }
    }

    /// Whether they are those on disk.
    pub const fn is_on_disk(&self) -> bool {
        self.revision.is_none()
    }

    /// The lock and the records as one, and what is wrong with them.
    pub fn into_lock(self, sources: &mut SourceMap) -> (Lock, Vec<Diagnostic>) {
        let mut files = InputFiles::default();
        self.take_in(sources, &mut files);
        let mut faults = std::mem::take(&mut files.faults);
        let lock = compile::read_lock(sources, &mut files, &mut faults);
        (lock, faults)
    }

    /// Takes them into the sources.
    pub fn take_in(self, sources: &mut SourceMap, files: &mut InputFiles) {
        // As Git names a file of a revision.
        let path = match &self.revision {
            None => LOCK.to_owned(),
            Some(revision) => format!("{revision}:{LOCK}"),
        };
        match self.lock {
            LockFile::None => {}
            LockFile::Text(text) => files.lock = Some(sources.add(Source::new(path, text))),
            LockFile::Unreadable(why) => {
                let finding = Diagnostic::new(&LOCK_INVALID, sources.add_path(&path), why);
                files
                    .faults
                    .push(finding.fix("restore the file from Git").scope(Scope::Fleet));
            }
        }

        files.record_spans = self
            .records
            .keys()
            .map(|path| (path.clone(), sources.add_path(path)))
            .collect();

        files.records = self.records;
        files.revision = self.revision;
    }
}

fn read_lock(workspace: &Workspace) -> Result<LockFile, CliError> {
    let path = workspace.tree_base.join(LOCK);
    // What a link leads to may be anything, and would be shown.
    if let Ok(meta) = path.symlink_metadata()
        && (!meta.is_file() || meta.len() > MAX_LOCK)
    {
        return Ok(LockFile::Unreadable(
            "the lock is a link or a folder, or larger than any lock".into(),
        ));
    }

    match bounded::read(&path, MAX_LOCK) {
        Ok(bytes) => Ok(String::from_utf8(bytes).map_or(
            LockFile::Unreadable("the lock is not UTF-8".into()),
            LockFile::Text,
        )),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(LockFile::None),
        Err(e) => Err(CliError::Io { path, source: e }),
    }
}

/// The record of a file of the tree.
pub fn read_record(workspace: &Workspace, path: &str) -> Option<FileEntry> {
    let full = workspace.tree_base.join(path);
    full.symlink_metadata()
        .ok()
        .filter(std::fs::Metadata::is_file)?;
    record_of(&workspace.tree, &full, path)
}

/// The record of what is known to be a file and no link.
fn record_of(tree: &str, full: &Path, path: &str) -> Option<FileEntry> {
    let mut file = File::open(full).ok()?;
    let mut bytes = Vec::with_capacity(HEAD);
    loop {
        let more = bytes.len().max(HEAD);
        let read = file
            .by_ref()
            .take(more as u64)
            .read_to_end(&mut bytes)
            .ok()?;
        if read < more || bytes.len() >= MAX_RECORD || record_range(&bytes).is_some() {
            return FileEntry::read(tree, path, &bytes);
        }
    }
}

/// The path of each file below the tree's folders, links included.
pub fn files_below_tree(workspace: &Workspace) -> Result<BTreeSet<String>, CliError> {
    let mut files = BTreeSet::new();
    for folder in tree_folders(&workspace.tree) {
        let top = workspace.tree_base.join(folder);
        if top.symlink_metadata().is_err() {
            continue;
        }
        for entry in WalkDir::new(&top) {
            let entry = entry.map_err(walk_fault(&top))?;
            let path = entry.path().strip_prefix(&workspace.tree_base);
            let path = slashed(path.unwrap_or(entry.path()));
            if !entry.file_type().is_dir() {
                files.insert(path.ok_or_else(|| name_fault(entry.path()))?);
            }
        }
    }
    Ok(files)
}

/// The records of the tree's files. What cannot be read is nobody's, and said when it is written.
fn read_records(
    workspace: &Workspace,
    lock: &LockFile,
) -> Result<BTreeMap<String, FileEntry>, CliError> {
    let clusters = match lock {
        LockFile::Text(text) => {
            Lock::parse(SourceId(0), &Source::new(LOCK, text.as_str()))
                .0
                .clusters
        }
        _ => BTreeMap::new(),
    };

    // Whoever may edit the repository may edit the lock: an entry is a file below the tree's own
    // folder, and no link.
    let entries = clusters
        .into_values()
        .map(|c| c.entry)
        .filter(|entry| join("", entry).as_ref() == Some(entry));

    let mut records: Vec<FileEntry> = entries
        .filter_map(|path| read_record(workspace, &path))
        .collect();
    let top = workspace.tree_base.join(&workspace.tree);
    let mut files = Vec::new();

    if top.symlink_metadata().is_ok_and(|m| m.is_dir()) {
        for entry in WalkDir::new(&top) {
            let entry = entry.map_err(walk_fault(&top))?;
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
    }

    let record = |full: &PathBuf| {
        record_of(
            &workspace.tree,
            full,
            &slashed(full.strip_prefix(&workspace.tree_base).unwrap_or(full))?,
        )
    };

    records.par_extend(files.par_iter().filter_map(record));
    Ok(records
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect())
}

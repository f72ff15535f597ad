//! Files at a revision, or as they are staged: read from the object store, never from the work
//! tree.

use super::CliError;
use super::bounded::{MAX_LOCK, MAX_RENDERED};
use super::files::{FileContent, NOT_READ, Store, is_yaml, name_fault, slashed};
use super::workspace::{LOCK, Workspace};
use super::written::WrittenTree;
use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tenantry::source::{MAX_BYTES, MAX_MANIFEST_BYTES, Source, SourceId};
use tenantry::tree::{FileEntry, Lock, TreeRevision, is_below_tree};

/// The YAML files of a revision.
pub struct Revision {
    repository: Mutex<Repository>,
    files: BTreeMap<String, (Oid, bool)>,
    /// The largest file that is read, in bytes.
    limit: usize,
}

const LINK: i32 = 0o120_000;

fn fault(what: &str) -> impl FnOnce(git2::Error) -> CliError + '_ {
    move |e| CliError::Git(format!("{what}: {}", e.message()))
}

fn open(root: &Path) -> Result<Repository, CliError> {
    Repository::open(root).map_err(|e| match e.code() {
        git2::ErrorCode::NotFound => {
            CliError::Git(format!("{} is in no Git repository", root.display()))
        }
        git2::ErrorCode::Owner => CliError::Git(format!(
            "{0} belongs to another user; run: git config --global --add safe.directory {0}",
            root.display()
        )),
        _ => CliError::Git(e.message().to_owned()),
    })
}

/// The commit that a revision names, in the repository around a folder.
pub fn commit(folder: &Path, rev: &str) -> Result<String, CliError> {
    let repository = Repository::discover(folder).map_err(fault("no repository"))?;
    let object = repository.revparse_single(rev).map_err(fault(rev))?;
    Ok(object
        .peel_to_commit()
        .map_err(fault(rev))?
        .id()
        .to_string())
}

/// The root folder of a revision.
fn tree_at<'r>(repository: &'r Repository, rev: &str) -> Result<git2::Tree<'r>, CliError> {
    let object = repository.revparse_single(rev).map_err(|e| {
        let shallow = if repository.is_shallow() {
            "; the clone is shallow: fetch more (fetch-depth: 0)"
        } else {
            ""
        };
        // libgit2 has no text for some faults.
        let why = match e.message() {
            "" | "no error" => String::new(),
            why => format!(": {why}"),
        };
        CliError::Git(format!("there is no revision `{rev}`{why}{shallow}"))
    })?;
    object.peel_to_tree().map_err(fault(rev))
}

/// The tree of a revision.
pub struct PastTree {
    /// The lock and the records.
    pub written: WrittenTree,
    /// The files, compared with the disk.
    pub revision: TreeRevision,
}

/// The lock and the rendered files of a revision, in the repository that holds the tree. All is read
/// from the object store.
///
/// Clusters are taken from the revision's own lock; one that cannot be read names none, so that no
/// cluster counts as behind.
pub fn past_tree(workspace: &Workspace, revision: &str) -> Result<PastTree, CliError> {
    let repository = Repository::discover(&workspace.tree_base).map_err(fault("no repository"))?;
    let Some(folder) = folder_at(&repository, &workspace.tree_base, revision)? else {
        // The folder is new since then: nothing of it can be behind.
        return Ok(PastTree {
            written: WrittenTree::at(revision, FileContent::Missing, BTreeMap::new()),
            revision: TreeRevision {
                revision: revision.to_owned(),
                ..TreeRevision::default()
            },
        });
    };

    let content = match folder.get_name(LOCK) {
        None => FileContent::Missing,
        Some(entry) if entry.filemode() == LINK => FileContent::Unreadable("it is a link".into()),
        Some(entry) => blob(&repository, entry.id(), MAX_LOCK),
    };
    let lock = match &content {
        FileContent::Bytes(bytes) => sound_lock(bytes).unwrap_or_default(),
        _ => Lock::default(),
    };

    let entries: Vec<&str> = lock.clusters.values().map(|c| c.entry.as_str()).collect();
    let (mut files, mut records) = (BTreeMap::new(), BTreeMap::new());
    folder
        .walk(TreeWalkMode::PreOrder, |parent, entry| {
            let Ok(name) = entry.name() else {
                return TreeWalkResult::Ok;
            };
            let path = format!("{parent}{name}");
            let wanted = is_below_tree(&workspace.tree, &path) || entries.contains(&path.as_str());
            if wanted && entry.kind() != Some(ObjectType::Tree) {
                let same = is_file_of(&workspace.tree_base.join(&path), entry);
                if entry.filemode() != LINK
                    && let FileContent::Bytes(bytes) = blob(&repository, entry.id(), MAX_RENDERED)
                {
                    let record = FileEntry::read(&workspace.tree, &path, &bytes);
                    records.extend(record.map(|record| (path.clone(), record)));
                }
                files.insert(path, same);
            }
            TreeWalkResult::Ok
        })
        .map_err(fault(revision))?;

    Ok(PastTree {
        written: WrittenTree::at(revision, content, records),
        revision: TreeRevision {
            revision: revision.to_owned(),
            clusters: lock.clusters,
            files,
        },
    })
}

/// The content of a blob. One that is larger than the limit is not unpacked.
fn blob(repository: &Repository, id: Oid, limit: u64) -> FileContent {
    let size = repository.odb().and_then(|odb| odb.read_header(id));
    match size {
        Ok((size, _)) if size as u64 > limit => return FileContent::TooLarge(size as u64),
        Ok(_) => {}
        Err(e) => return FileContent::Unreadable(e.message().to_owned()),
    }
    match repository.find_blob(id) {
        Ok(blob) => FileContent::Bytes(blob.content().to_owned()),
        Err(e) => FileContent::Unreadable(e.message().to_owned()),
    }
}

/// A folder of the work tree as a revision has it; `None` if it has none there.
fn folder_at<'a>(
    repository: &'a Repository,
    folder: &Path,
    revision: &str,
) -> Result<Option<git2::Tree<'a>>, CliError> {
    let root = tree_at(repository, revision)?;
    let path = folder_in(repository, folder)?;
    if path.as_os_str().is_empty() {
        return Ok(Some(root));
    }
    let Ok(entry) = root.get_path(&path) else {
        return Ok(None);
    };
    let object = entry.to_object(repository).map_err(fault(revision))?;
    object.peel_to_tree().map(Some).map_err(fault(revision))
}

/// The lock in a file, if all of it can be read.
fn sound_lock(bytes: &[u8]) -> Option<Lock> {
    let text = String::from_utf8(bytes.to_owned()).ok()?;
    let (lock, faults) = Lock::parse(SourceId(0), &Source::new(LOCK, text));
    faults.is_empty().then_some(lock)
}

/// The path of a folder below the repository's root.
fn folder_in(repository: &Repository, folder: &Path) -> Result<PathBuf, CliError> {
    let root = repository
        .workdir()
        .and_then(|root| root.canonicalize().ok())
        .ok_or_else(|| CliError::Git("the repository has no work tree".into()))?;
    let folder = folder.canonicalize().map_err(CliError::io(folder))?;
    let below = folder.strip_prefix(&root).map(Path::to_owned);
    below.map_err(|_| CliError::Git(format!("{} is not below it", folder.display())))
}

/// Whether a file on disk is a plain file with a blob's bytes.
fn is_file_of(path: &Path, entry: &git2::TreeEntry<'_>) -> bool {
    let plain = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    plain
        && entry.kind() == Some(ObjectType::Blob)
        && entry.filemode() != LINK
        && Oid::hash_file(ObjectType::Blob, path).is_ok_and(|id| id == entry.id())
}

impl Revision {
    /// The files at a revision: a branch, a tag, a commit, `HEAD~1`.
    pub fn open(root: &Path, rev: &str) -> Result<Self, CliError> {
        let repository = open(root)?;
        let mut files = BTreeMap::new();
        {
            let tree = tree_at(&repository, rev)?;
            tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
                if let (Some(ObjectType::Blob), Ok(name)) = (entry.kind(), entry.name())
                    && (is_yaml(name) || name.ends_with(".json"))
                {
                    files.insert(
                        format!("{folder}{name}"),
                        (entry.id(), entry.filemode() == LINK),
                    );
                }
                TreeWalkResult::Ok
            })
            .map_err(fault(rev))?;
        }

        Ok(Self {
            repository: Mutex::new(repository),
            files,
            limit: MAX_BYTES,
        })
    }

    /// The files in the folder of the lock at a revision, in the repository that holds the tree. Paths
    /// are from that folder.
    pub fn of_tree(workspace: &Workspace, rev: &str) -> Result<Self, CliError> {
        let folder = &workspace.tree_base;
        let repository = Repository::discover(folder).map_err(fault("no repository"))?;
        let below = folder_in(&repository, folder)?;
        let below = slashed(&below).ok_or_else(|| name_fault(folder))?;
        let root = repository.workdir().unwrap_or(folder);
        let all = Self::open(root, rev)?;

        let from_folder = |path: &str| match below.as_str() {
            "" => Some(path.to_owned()),
            below => Some(path.strip_prefix(below)?.strip_prefix('/')?.to_owned()),
        };
        let files = all.files.into_iter();
        Ok(Self {
            files: files
                .filter_map(|(path, file)| Some((from_folder(&path)?, file)))
                .collect(),
            limit: MAX_MANIFEST_BYTES,
            ..all
        })
    }

    /// The files as they are staged.
    pub fn staged(root: &Path) -> Result<Self, CliError> {
        let repository = open(root)?;
        let index = repository.index().map_err(fault("the index"))?;
        let mut files = BTreeMap::new();
        for entry in index.iter() {
            if let Ok(path) = String::from_utf8(entry.path.clone())
                && is_yaml(&path)
            {
                files.insert(path, (entry.id, entry.mode as i32 == LINK));
            }
        }
        drop(index);
        Ok(Self {
            repository: Mutex::new(repository),
            files,
            limit: MAX_BYTES,
        })
    }
}

impl Revision {
    /// The manifests, YAML and JSON, of a file or of all files in a folder: the path below the
    /// folder, and the content.
    pub fn manifests(&self, path: &str) -> Vec<(String, FileContent)> {
        let below = |file: &str| {
            if path.is_empty() {
                return Some(file.to_owned());
            }
            let rest = file.strip_prefix(path)?;
            match rest.strip_prefix('/') {
                Some(rest) => Some(rest.to_owned()),
                None if rest.is_empty() => Some(file.rsplit('/').next()?.to_owned()),
                None => None,
            }
        };
        let files = self.files.keys();
        files
            .filter_map(|file| Some((below(file)?, self.content(file, MAX_MANIFEST_BYTES))))
            .collect()
    }

    fn content(&self, path: &str, most: usize) -> FileContent {
        let Some((oid, link)) = self.files.get(path) else {
            return FileContent::Missing;
        };
        if *link {
            return FileContent::Unreadable(
                "it is a symbolic link, which is not followed in Git's own store".into(),
            );
        }

        let Ok(repository) = self.repository.lock() else {
            return FileContent::Unreadable("the repository is in use".into());
        };
        blob(&repository, *oid, most as u64)
    }
}

impl Store for Revision {
    fn list(&self, folder: &str, but: &[&str]) -> Result<Vec<String>, CliError> {
        let below = |path: &str, folder: &str| {
            folder.is_empty()
                || path
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let is_walked = |path: &str| {
            let below = path.get(folder.len()..).unwrap_or_default();
            let mut folders = below.rsplit('/').skip(1);
            !folders.any(|name| NOT_READ.contains(&name))
        };
        let wanted = |path: &&String| {
            is_yaml(path)
                && is_walked(path)
                && below(path, folder)
                && !but.iter().any(|other| below(path, other))
        };
        Ok(self.files.keys().filter(wanted).cloned().collect())
    }

    fn read(&self, path: &str) -> FileContent {
        self.content(path, self.limit)
    }
}

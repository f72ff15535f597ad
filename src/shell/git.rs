//! Files at a revision, or as they are staged: read from the object store, never from the work
//! tree.

use super::Fault;
use super::files::{Read, Store, is_yaml};
use git2::{ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use tenantry::source::MAX_BYTES;

/// The YAML files of a revision.
pub struct Revision {
    repository: Mutex<Repository>,
    files: BTreeMap<String, (Oid, bool)>,
}

const LINK: i32 = 0o120_000;

fn fault(what: &str) -> impl FnOnce(git2::Error) -> Fault + '_ {
    move |e| Fault::Git(format!("{what}: {}", e.message()))
}

fn open(root: &Path) -> Result<Repository, Fault> {
    Repository::open(root).map_err(|e| match e.code() {
        git2::ErrorCode::NotFound => {
            Fault::Git(format!("{} is in no Git repository", root.display()))
        }
        git2::ErrorCode::Owner => Fault::Git(format!(
            "{0} belongs to another user; run: git config --global --add safe.directory {0}",
            root.display()
        )),
        _ => Fault::Git(e.message().to_owned()),
    })
}

/// The commit that a revision names, in the repository around a folder.
pub fn commit(folder: &Path, rev: &str) -> Result<String, Fault> {
    let repository = Repository::discover(folder).map_err(fault("no repository"))?;
    let object = repository.revparse_single(rev).map_err(fault(rev))?;
    Ok(object
        .peel_to_commit()
        .map_err(fault(rev))?
        .id()
        .to_string())
}

impl Revision {
    /// The files at a revision: a branch, a tag, a commit, `HEAD~1`.
    pub fn open(root: &Path, rev: &str) -> Result<Self, Fault> {
        let repository = open(root)?;
        let mut files = BTreeMap::new();
        {
            let object = repository.revparse_single(rev).map_err(|e| {
                let shallow = if repository.is_shallow() {
                    "; the clone is shallow: fetch more (fetch-depth: 0)"
                } else {
                    ""
                };
                Fault::Git(format!(
                    "there is no revision `{rev}`: {}{shallow}",
                    e.message()
                ))
            })?;
            let tree = object.peel_to_tree().map_err(fault(rev))?;
            tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
                if let (Some(ObjectType::Blob), Ok(name)) = (entry.kind(), entry.name())
                    && is_yaml(name)
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
        })
    }

    /// The files as they are staged.
    pub fn staged(root: &Path) -> Result<Self, Fault> {
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
        })
    }
}

impl Store for Revision {
    fn list(&self, folder: &str, but: &[&str]) -> Result<Vec<String>, Fault> {
        let below = |path: &str, folder: &str| {
            folder.is_empty()
                || path
                    .strip_prefix(folder)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let wanted =
            |path: &&String| below(path, folder) && !but.iter().any(|other| below(path, other));
        Ok(self.files.keys().filter(wanted).cloned().collect())
    }

    fn read(&self, path: &str) -> Read {
        let Some((oid, link)) = self.files.get(path) else {
            return Read::Missing;
        };
        if *link {
            return Read::Unreadable(
                "it is a symbolic link, which is not followed in Git's own store".into(),
            );
        }
        let Ok(repository) = self.repository.lock() else {
            return Read::Unreadable("the repository is in use".into());
        };
        match repository.find_blob(*oid) {
            Ok(blob) if blob.size() > MAX_BYTES => Read::TooLarge(blob.size() as u64),
            Ok(blob) => Read::Bytes(blob.content().to_owned()),
            Err(e) => Read::Unreadable(e.message().to_owned()),
        }
    }
}

//! Manifests as a revision of their repository has them.

use super::CliError;
use super::files::FileContent;
#[cfg(feature = "git")]
use super::files::{git_root, slashed};
#[cfg(feature = "git")]
use super::git::Revision;
use std::path::Path;
#[cfg(feature = "git")]
use std::path::PathBuf;

/// The manifests of a revision.
pub struct PastManifests {
    #[cfg(feature = "git")]
    root: PathBuf,
    #[cfg(feature = "git")]
    files: Revision,
}

impl PastManifests {
    /// Opens a revision of the repository around a folder; `None` if no revision is named.
    ///
    /// # Errors
    /// A folder in no repository, and a revision that is not there.
    #[cfg(feature = "git")]
    pub fn open(folder: &Path, revision: Option<&str>) -> Result<Option<Self>, CliError> {
        let Some(revision) = revision else {
            return Ok(None);
        };
        let root = git_root(folder).ok_or_else(|| {
            CliError::Usage(format!(
                "--since {revision}: {} is in no Git repository",
                folder.display()
            ))
        })?;
        let files = Revision::open(&root, revision)?;
        Ok(Some(Self { root, files }))
    }

    #[cfg(not(feature = "git"))]
    pub fn open(_: &Path, _: Option<&str>) -> Result<Option<Self>, CliError> {
        Ok(None)
    }

    /// The manifests of a file or a folder, each with its path below the folder; `None` if it is not
    /// in the repository.
    #[cfg(feature = "git")]
    pub fn read(&self, path: &Path) -> Option<Vec<(String, FileContent)>> {
        let (path, root) = (path.canonicalize().ok()?, self.root.canonicalize().ok()?);
        let below = slashed(path.strip_prefix(&root).ok()?)?;
        Some(self.files.manifests(&below))
    }

    #[cfg(not(feature = "git"))]
    pub fn read(&self, _: &Path) -> Option<Vec<(String, FileContent)>> {
        None
    }
}

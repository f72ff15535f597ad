//! Where a fleet is on this machine: its repository, its file, its tree.

use super::CliError;
use super::args::Cli;
use super::bounded::not_a_file;
use super::files::{git_root, slashed};
use std::path::{Path, PathBuf};
use tenantry::source::parent;

/// The name of the lock's file.
pub const LOCK: &str = "tenantry.lock";

/// Where things are on this machine.
#[derive(Debug)]
pub struct Workspace {
    /// The repository's root: paths of sources are relative to it.
    pub root: PathBuf,
    /// The fleet's file, from the root.
    pub fleet: String,
    /// The folder with the tenants folder, from the root: the lock, the tree and the templates are
    /// in it.
    pub base: String,
    /// The folder of the lock.
    pub tree_base: PathBuf,
    /// The tree's folder, from the lock's.
    pub tree: String,
}

impl Workspace {
    /// Finds the fleet.
    pub fn find(cli: &Cli, tree: Option<&Path>) -> Result<Self, CliError> {
        let start = working_folder(cli)?;
        let file = match &cli.fleet {
            Some(file) => {
                let file = start.join(file);
                if file.is_dir() {
                    return Err(CliError::Usage(format!(
                        "--fleet {}: it is a folder; name the fleet's file, such as {}",
                        file.display(),
                        file.join("fleet.yaml").display()
                    )));
                }
                let meta = std::fs::metadata(&file).ok();
                if let Some(what) = meta.and_then(|meta| not_a_file(&file, meta.file_type())) {
                    return Err(CliError::Usage(format!(
                        "--fleet {}: it is {what}, and not a file",
                        file.display()
                    )));
                }
                if !file.is_file() {
                    return Err(CliError::Usage(format!(
                        "--fleet {}: there is no such file",
                        file.display()
                    )));
                }
                file
            }
            None => {
                let stop = git_root(&start);
                let found = start
                    .ancestors()
                    .take_while(|dir| stop.as_ref().is_none_or(|stop| dir.starts_with(stop)))
                    .map(|dir| dir.join("tenants/fleet.yaml"))
                    .find(|file| file.is_file());
                found.ok_or_else(|| CliError::NoFleet(start.clone()))?
            }
        };

        let tenants = file.parent().unwrap_or(&start).to_owned();
        let base_dir = tenants.parent().unwrap_or(&tenants).to_owned();
        let root = git_root(&base_dir).unwrap_or_else(|| base_dir.clone());
        let relative = |path: &Path| {
            let path = path.strip_prefix(&root).unwrap_or(path);
            slashed(path).ok_or_else(|| {
                CliError::Usage(format!("{}: the path is not UTF-8", path.display()))
            })
        };

        let (tree_base, tree) = match tree {
            None => (base_dir.clone(), "rendered".to_owned()),
            Some(dir) => {
                let dir = start.join(dir);
                let name = dir.file_name().and_then(|n| n.to_str()).map(str::to_owned);
                let name = name.ok_or_else(|| {
                    CliError::Usage(format!("--tree {}: it has no name", dir.display()))
                })?;
                (dir.parent().unwrap_or(&start).to_owned(), name)
            }
        };

        Ok(Self {
            fleet: relative(&file)?,
            base: relative(&base_dir)?,
            root,
            tree_base,
            tree,
        })
    }

    /// A path from the base, as a path from the root.
    pub fn under_base(&self, path: &str) -> String {
        if self.base.is_empty() {
            path.to_owned()
        } else {
            format!("{}/{path}", self.base)
        }
    }

    /// The folder of the fleet's own templates, from the root.
    pub fn templates(&self) -> String {
        self.under_base("templates")
    }

    /// The tenants folder, from the root.
    pub fn tenants(&self) -> &str {
        parent(&self.fleet)
    }
}

/// The folder that the program works in.
pub fn working_folder(cli: &Cli) -> Result<PathBuf, CliError> {
    let dir = cli.dir.clone().unwrap_or_else(|| PathBuf::from("."));
    dir.canonicalize().map_err(CliError::io(dir))
}

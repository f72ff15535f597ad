//! Reading files: from the disk, within the repository.

use super::{CliError, bounded};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;
use tenantry::source::{MAX_BYTES, MAX_MANIFEST_BYTES};
use walkdir::WalkDir;

/// What came of reading a file.
#[derive(Debug)]
pub enum FileContent {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// It is larger than what is read; its size.
    TooLarge(u64),
    /// Why it cannot be read.
    Unreadable(String),
    /// It, or a link on the way to it, is outside the repository, or leads to what is no manifest.
    Outside {
        /// Where it leads.
        target: PathBuf,
    },
    /// There is none.
    Missing,
}

/// Where files are read from. Paths are relative to the repository's root.
pub trait Store: Sync {
    /// The YAML files below a folder but for those below some others, sorted; `Err` names a folder
    /// that cannot be read.
    fn list(&self, folder: &str, but: &[&str]) -> Result<Vec<String>, CliError>;
    /// A file.
    fn read(&self, path: &str) -> FileContent;
    /// What lies below a folder and looks as if it should be read, and is not. Of files, those that
    /// have the mark.
    fn passed_over(&self, _folder: &str, _mark: Mark) -> Result<Vec<PassedOver>, CliError> {
        Ok(Vec::new())
    }
}

/// The names of folders that are not read: what programs build there.
pub const NOT_READ: [&str; 2] = ["target", "node_modules"];

/// A file or a link that is not read.
#[derive(Debug)]
pub struct PassedOver {
    /// The path from the root.
    pub path: String,
    /// Why it is not read.
    pub why: NotRead,
}

/// Why a file or a link is not read.
#[derive(Debug)]
pub enum NotRead {
    /// It lies below a folder of this name.
    Folder(&'static str),
    /// Its name does not end in `.yaml` or `.yml`.
    Ending,
    /// It is a link to this folder.
    Link(PathBuf),
    /// It is a folder with more than [`MAX_SEARCHED`] files that are not read.
    TooMany,
}

/// The files on disk.
pub struct DiskStore {
    root: PathBuf,
    canonical: PathBuf,
    /// The largest file that is read, in bytes.
    limit: u64,
    /// Folders, and whether they are within the root: asked once for the many files of one.
    folders: Mutex<HashMap<PathBuf, bool>>,
}

impl DiskStore {
    /// The files below a root.
    pub fn new(root: &Path) -> Result<Self, CliError> {
        let canonical = root.canonicalize().map_err(CliError::io(root))?;
        Ok(Self {
            root: root.to_owned(),
            canonical,
            limit: MAX_BYTES as u64,
            folders: Mutex::default(),
        })
    }

    /// Reads files of the size that manifests beside a fleet may have.
    pub const fn for_manifests(mut self) -> Self {
        self.limit = MAX_MANIFEST_BYTES as u64;
        self
    }

    /// Every file below the root that kubectl, kustomize or Flux may apply, sorted: YAML and JSON,
    /// in folders of any name but Git's own. A link to a folder is listed as a file that cannot be
    /// read, since what is behind it is not.
    pub fn manifests(&self) -> Result<Vec<String>, CliError> {
        let mut out = Vec::new();
        let walk = WalkDir::new(&self.root)
            .sort_by_file_name()
            .into_iter()
            .filter_entry(|e| e.file_name() != ".git");

        for entry in walk {
            let entry = entry.map_err(walk_fault(&self.root))?;
            // A link that the user names is followed: its entry is the root.
            if entry.depth() == 0 || entry.file_type().is_dir() {
                continue;
            }
            let folder = entry.path_is_symlink() && entry.path().is_dir();
            let path = self.listed(entry.path());
            let is_overlay = entry.file_name() == "Kustomization";
            if folder || is_overlay || is_yaml(&path) || path.ends_with(".json") {
                out.push(path);
            }
        }

        out.dedup();
        Ok(out)
    }

    /// The path of a file below the root. Bytes that are not UTF-8 are replaced by U+FFFD. Such a path
    /// opens no file: `read` reports it.
    fn listed(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        let path = path.to_string_lossy();
        path.replace(std::path::MAIN_SEPARATOR, "/")
    }

    /// Whether a path, with its links followed, is below the root and not Git's own.
    fn is_inside(&self, path: &Path) -> std::io::Result<bool> {
        let target = path.canonicalize()?;
        let Ok(below) = target.strip_prefix(&self.canonical) else {
            return Ok(false);
        };
        let is_git = |part: Component<'_>| part.as_os_str().eq_ignore_ascii_case(".git");
        Ok(!below.components().any(is_git))
    }

    /// Whether a link leads to a file that could stand there itself: a manifest below the root.
    fn leads_to_manifest(&self, path: &Path) -> std::io::Result<bool> {
        let target = path.canonicalize()?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let is_manifest = is_yaml(&name) || name.ends_with(".json") || name == "Kustomization";
        Ok((is_manifest || target.is_dir()) && self.is_inside(path)?)
    }

    fn folder_is_inside(&self, file: &Path) -> std::io::Result<bool> {
        let folder = file.parent().unwrap_or(file);
        // A lock that another thread broke off with holds what was asked so far.
        let mut folders = self
            .folders
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(inside) = folders.get(folder) {
            return Ok(*inside);
        }
        let inside = self.is_inside(folder)?;
        folders.insert(folder.to_owned(), inside);
        Ok(inside)
    }
}

/// A folder that cannot be walked, as a fault of the program.
pub fn walk_fault(start: &Path) -> impl FnOnce(walkdir::Error) -> CliError + '_ {
    |e| {
        let path = e.path().unwrap_or(start).to_owned();
        CliError::Io {
            path,
            source: e
                .into_io_error()
                .unwrap_or_else(|| std::io::Error::other("a loop of links")),
        }
    }
}

/// A path that is not UTF-8, as a fault of the program.
pub fn name_fault(path: &Path) -> CliError {
    CliError::Io {
        path: path.to_owned(),
        source: std::io::Error::other("its name is not UTF-8"),
    }
}

/// Whether a file is YAML by its name.
pub fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The order in which folders are walked by name: what is in a folder comes before what is called
/// like it and more.
fn by_folder(a: &str, b: &str) -> Ordering {
    let at = a.bytes().zip(b.bytes()).position(|(a, b)| a != b);
    let Some(at) = at else {
        return a.len().cmp(&b.len());
    };
    let rank = |path: &str| Some(path.as_bytes()[at]).filter(|b| *b != b'/');
    rank(a).cmp(&rank(b))
}

/// A path with `/` between its parts; nothing for one that is not UTF-8.
pub fn slashed(path: &Path) -> Option<String> {
    Some(path.to_str()?.replace(std::path::MAIN_SEPARATOR, "/"))
}

impl Store for DiskStore {
    fn passed_over(&self, folder: &str, mark: Mark) -> Result<Vec<PassedOver>, CliError> {
        self.find_passed_over(folder, mark)
    }

    fn list(&self, folder: &str, but: &[&str]) -> Result<Vec<String>, CliError> {
        let but: Vec<PathBuf> = but.iter().map(|path| self.root.join(path)).collect();
        let start = self.root.join(folder);
        if !start.exists() {
            return Ok(Vec::new());
        }
        let mut out = Vec::new();
        // Sorted after: a folder that is sorted is read as a whole before it can be passed over.
        let walk = WalkDir::new(&start).into_iter().filter_entry(|e| {
            let name = e.file_name().to_string_lossy();
            let walked = e.depth() == 0 || name != ".git" && !NOT_READ.contains(&name.as_ref());
            walked && !but.iter().any(|path| path == e.path())
        });

        for entry in walk {
            let entry = entry.map_err(walk_fault(&start))?;
            if entry.file_type().is_dir() {
                continue;
            }
            let path = self.listed(entry.path());
            if is_yaml(&path) {
                out.push(path);
            }
        }

        out.par_sort_unstable_by(|a, b| by_folder(a, b));
        out.dedup();
        Ok(out)
    }

    fn read(&self, path: &str) -> FileContent {
        let full = self.root.join(path);
        let mut meta = match full.symlink_metadata() {
            Ok(meta) => meta,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return match path.contains(char::REPLACEMENT_CHARACTER) {
                    true => FileContent::Unreadable("its name is not UTF-8: rename it".into()),
                    false => FileContent::Missing,
                };
            }
            Err(e) => return FileContent::Unreadable(e.to_string()),
        };

        let inside = if meta.is_symlink() {
            self.leads_to_manifest(&full)
        } else {
            self.folder_is_inside(&full)
        };

        match inside {
            Ok(true) => {}
            Ok(false) => {
                let target = full.canonicalize().unwrap_or_default();
                return FileContent::Outside { target };
            }
            Err(e) => return FileContent::Unreadable(e.to_string()),
        }

        if meta.is_symlink() {
            meta = match fs::metadata(&full) {
                Ok(meta) => meta,
                Err(e) => return FileContent::Unreadable(e.to_string()),
            };
        }

        match meta.len() {
            _ if meta.is_dir() => return FileContent::Unreadable(link_to_folder(&full)),
            _ if !meta.is_file() => return FileContent::Unreadable("it is no file".into()),
            size if size > self.limit => return FileContent::TooLarge(size),
            _ => {}
        }

        match bounded::read(&full, self.limit) {
            Ok(bytes) => FileContent::Bytes(bytes),
            Err(e) => FileContent::Unreadable(e.to_string()),
        }
    }
}

/// The most files that are searched for what was passed over.
pub const MAX_SEARCHED: usize = 10_000;

/// A search in files that are not read.
struct Search {
    mark: Mark,
    searched: usize,
    /// Whether there are more files than are searched.
    is_cut: bool,
}

impl Search {
    /// Whether a file has the mark; no after the last file that is searched.
    fn finds(&mut self, file: &Path) -> bool {
        self.is_cut = self.searched >= MAX_SEARCHED;
        if self.is_cut {
            return false;
        }
        self.searched += 1;
        self.mark.is_in(file)
    }
}

impl DiskStore {
    fn find_passed_over(&self, folder: &str, mark: Mark) -> Result<Vec<PassedOver>, CliError> {
        let start = self.root.join(folder);
        if !start.exists() {
            return Ok(Vec::new());
        }

        let mut out = Vec::new();
        let mut search = Search {
            mark,
            searched: 0,
            is_cut: false,
        };
        let walk = WalkDir::new(&start).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|e| e.file_name() != ".git") {
            let entry = entry.map_err(walk_fault(&start))?;
            let path = self.listed(entry.path());
            let below = path[folder.len().min(path.len())..].trim_start_matches('/');
            let Some(why) = why_not_read(&entry, below) else {
                continue;
            };
            let is_found = match why {
                NotRead::Link(_) => self.link_leads_to(entry.path(), &mut search),
                _ => entry.file_type().is_file() && search.finds(entry.path()),
            };
            if is_found {
                out.push(PassedOver { path, why });
            }
            if search.is_cut {
                break;
            }
        }

        out.sort_by(|a, b| by_folder(&a.path, &b.path));
        if search.is_cut {
            let path = folder.to_owned();
            let why = NotRead::TooMany;
            out.push(PassedOver { path, why });
        }
        Ok(out)
    }

    /// Whether a link leads out of the repository, or to a folder of it that holds a file with a mark.
    fn link_leads_to(&self, link: &Path, search: &mut Search) -> bool {
        if !self.is_inside(link).unwrap_or(false) {
            return true;
        }
        let Ok(target) = link.canonicalize() else {
            return true;
        };
        let walk = WalkDir::new(target).sort_by_file_name().into_iter();
        let mut files = walk.filter_map(Result::ok).filter(|entry| {
            entry.file_type().is_file() && is_manifest(&entry.file_name().to_string_lossy())
        });
        files.any(|entry| search.finds(entry.path()) || search.is_cut) && !search.is_cut
    }
}

/// Why an entry of a folder is not read, by its path below the folder; `None` if it is read, or is no
/// manifest.
fn why_not_read(entry: &walkdir::DirEntry, below: &str) -> Option<NotRead> {
    let mut folders = below.rsplit('/').skip(1);
    let not_read = folders.find_map(|name| NOT_READ.into_iter().find(|own| *own == name));
    if let Some(name) = not_read {
        return is_manifest(below).then_some(NotRead::Folder(name));
    }

    let is_link = entry.depth() > 0 && entry.path_is_symlink();
    if is_yaml(below) {
        None
    } else if is_link && entry.path().is_dir() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        Some(NotRead::Link(target))
    } else {
        is_manifest(below).then_some(NotRead::Ending)
    }
}

/// Whether a file is a manifest by its name, in letters of any case.
fn is_manifest(path: &str) -> bool {
    let ending = Path::new(path).extension().unwrap_or_default();
    let ending = ending.to_string_lossy().to_lowercase();
    matches!(ending.as_str(), "yaml" | "yml" | "json")
}

/// What a file that is not read has to hold to be reported.
#[derive(Clone, Copy, Debug)]
pub enum Mark {
    /// A document of tenantry: the field `apiVersion` with a version of `tenantry.dev`.
    Spec,
    /// Anything.
    None,
}

impl Mark {
    /// Whether a file of a readable size has the mark.
    fn is_in(self, path: &Path) -> bool {
        match self {
            Self::Spec => {
                bounded::read(path, MAX_BYTES as u64).is_ok_and(|bytes| holds_spec(&bytes))
            }
            Self::None => fs::metadata(path).is_ok_and(|meta| meta.len() <= MAX_BYTES as u64),
        }
    }
}

/// Whether a text holds `apiVersion: tenantry.dev/`, in YAML or in JSON.
fn holds_spec(text: &[u8]) -> bool {
    let unquoted = |text: &[u8]| -> usize {
        let is_quoted = text.ends_with(b"\"") || text.ends_with(b"'");
        text.len() - usize::from(is_quoted)
    };
    memchr::memmem::find_iter(text, b"tenantry.dev/").any(|at| {
        let before = &text[..unquoted(&text[..at])];
        let key = before.trim_ascii_end().strip_suffix(b":");
        key.is_some_and(|key| {
            let key = key.trim_ascii_end();
            key[..unquoted(key)].ends_with(b"apiVersion")
        })
    })
}

/// Why a link to a folder is not read.
fn link_to_folder(path: &Path) -> String {
    let target = fs::read_link(path).unwrap_or_default();
    format!(
        "it is a symbolic link to the folder {}, and links to folders are not followed",
        target.display()
    )
}

/// Reads files side by side; results in the order of the paths.
pub fn read_all(store: &dyn Store, paths: Vec<String>) -> Vec<(String, FileContent)> {
    paths
        .into_par_iter()
        .map(|path| (path.clone(), store.read(&path)))
        .collect()
}

/// The nearest folder upward that holds `.git`.
pub fn git_root(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .find(|dir| dir.join(".git").exists())
        .map(Path::to_owned)
}

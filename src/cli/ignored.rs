//! The files that change what Flux reads of its source: patterns of what it leaves out, and attributes
//! by which Git stores other bytes than those on disk.

use super::bounded;
use super::files::{git_root, slashed};
use super::session::Session;
use super::workspace::Workspace;
use std::collections::BTreeSet;
use std::path::Path;
use tenantry::delivery::engines_of;
use tenantry::diagnostic::{Diagnostic, Scope};
use tenantry::source::{MAX_BYTES, Source, SourceMap, join, parent};
use tenantry::spec::FleetDoc;
use tenantry::tree::{
    FOREIGN_FILE, HIDDEN_FILE, IgnoreFiles, Layout, Tree, entry_path, hidden_files,
};

/// The files of patterns that concern a tree, as they were read.
#[derive(Clone, Debug, Default)]
pub struct ReadIgnoreFiles {
    /// Those that can be read.
    pub files: IgnoreFiles,
    /// What is wrong with the others.
    faults: Vec<Diagnostic>,
}

/// Reads the files of patterns that concern the tree of a fleet.
pub fn read_all(
    workspace: &Workspace,
    fleet: &FleetDoc,
    layout: &Layout,
    sources: &mut SourceMap,
) -> ReadIgnoreFiles {
    let base = &workspace.tree_base;
    let base = base.canonicalize().unwrap_or_else(|_| base.clone());
    let root = git_root(&base).unwrap_or_else(|| base.clone());
    let folder = base.strip_prefix(&root).ok().and_then(slashed);
    let folder = folder.unwrap_or_default();

    let mut faults = Vec::new();
    let mut files = Vec::new();
    let names: BTreeSet<&str> = engines_of(&fleet.spec)
        .into_iter()
        .filter_map(|engine| engine.ignore_file)
        .collect();
    for above in folders_above(fleet, layout, &folder) {
        faults.extend(attributes(&root, &above, sources));
        for path in names.iter().filter_map(|name| join(&above, name)) {
            match read(&root.join(&path)) {
                Ok(None) => {}
                Ok(Some(text)) => files.push(sources.add(Source::new(path, text))),
                Err(why) => {
                    let span = sources.add_path(&path);
                    let message =
                        format!("{path} {why}; tenantry cannot tell which files it hides");
                    let found = Diagnostic::new(&HIDDEN_FILE, span, message);
                    faults.push(found.fix("make it a plain text file").scope(Scope::Fleet));
                }
            }
        }
    }

    ReadIgnoreFiles {
        files: IgnoreFiles { folder, files },
        faults,
    }
}

/// Reports the files of a tree that Flux leaves out.
pub fn check(session: &mut Session, tree: &Tree) -> Vec<Diagnostic> {
    let layout = session.layout();
    let Some(fleet) = session.resolved.specs.fleet.as_ref() else {
        return Vec::new();
    };

    let ignored = &session.ignored;
    let mut out = ignored.faults.clone();
    let files = &ignored.files;
    out.extend(hidden_files(
        fleet,
        &layout,
        tree,
        files,
        &mut session.sources,
    ));
    out
}

/// Reports attributes of Git in a folder below the root: `working-tree-encoding` and filters let Git
/// store, and Flux apply, other bytes than those that are checked. Those of the root are the platform's.
fn attributes(root: &Path, folder: &str, sources: &mut SourceMap) -> Option<Diagnostic> {
    let path = join(folder, ".gitattributes").filter(|_| !folder.is_empty())?;
    root.join(&path).symlink_metadata().ok()?;
    let message = format!("{path} can make Git store other bytes than the files of the tree have");
    let found = Diagnostic::new(&FOREIGN_FILE, sources.add_path(&path), message);
    let fix = "move its lines into the .gitattributes at the root of the repository";
    Some(found.fix(fix).scope(Scope::Fleet))
}

/// The folders above the clusters' own folders and their entry files, from the root of the source. In a
/// cluster's own folder, every other file is an error.
fn folders_above(fleet: &FleetDoc, layout: &Layout, folder: &str) -> BTreeSet<String> {
    let clusters = fleet.spec.clusters.iter();
    let places = clusters.flat_map(|cluster| {
        let own = layout.cluster(cluster.name.as_str()).path_of_folder();
        // A path that cannot be used is an error of the tree.
        let entry = entry_path(fleet, cluster.name.as_str()).unwrap_or_default();
        [own, entry]
    });

    let mut all = BTreeSet::new();
    for place in places {
        let path = join(folder, &place).unwrap_or(place);
        let mut above = parent(&path);
        while all.insert(above.to_owned()) && !above.is_empty() {
            above = parent(above);
        }
    }
    all
}

/// Reads a plain file; `None` if nothing is at the path. `Err` says why the file cannot be read.
fn read(path: &Path) -> Result<Option<String>, &'static str> {
    let Ok(meta) = path.symlink_metadata() else {
        return Ok(None);
    };
    match meta.is_file() {
        true if meta.len() > MAX_BYTES as u64 => Err("is larger than 1 MiB"),
        true => {
            let bytes = bounded::read(path, MAX_BYTES as u64).map_err(|_| "cannot be read")?;
            let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
            Ok(Some(text))
        }
        false => Err("is a link or a folder"),
    }
}

//! The files whose patterns say what Flux leaves out of its source.

use super::CliError;
use super::files::{git_root, slashed};
use super::session::Session;
use std::collections::BTreeSet;
use std::path::Path;
use tenantry::delivery::{conventions, engine_of};
use tenantry::diagnostic::{Diagnostic, Scope};
use tenantry::source::{MAX_BYTES, Source, join, parent};
use tenantry::tree::{HIDDEN_FILE, IgnoreFiles, Layout, Tree, hidden_files};

/// Reports the files of a tree that Flux leaves out.
pub fn check(session: &mut Session, tree: &Tree) -> Result<Vec<Diagnostic>, CliError> {
    let Some(fleet) = session.resolved.specs.fleet.as_ref() else {
        return Ok(Vec::new());
    };
    let layout = session.layout();
    let base = &session.workspace.tree_base;
    let base = base.canonicalize().unwrap_or_else(|_| base.clone());
    let root = git_root(&base).unwrap_or_else(|| base.clone());
    let folder = base.strip_prefix(&root).ok().and_then(slashed);
    let folder = folder.unwrap_or_default();

    let mut out = Vec::new();
    let mut files = Vec::new();
    let name = conventions(engine_of(&fleet.spec)).ignore_file;
    for above in folders_above(&layout, tree, &folder) {
        let Some(path) = join(&above, name) else {
            continue;
        };
        match read(&root.join(&path)) {
            Ok(None) => {}
            Ok(Some(text)) => files.push(session.sources.add(Source::new(path, text))),
            Err(why) => {
                let span = session.sources.add_path(&path);
                let message = format!("{path} {why}, so that it is not known what it hides");
                let found = Diagnostic::new(&HIDDEN_FILE, span, message);
                out.push(found.fix("make it a plain text file").scope(Scope::Fleet));
            }
        }
    }

    let ignored = IgnoreFiles {
        folder: &folder,
        files: &files,
    };
    out.extend(hidden_files(
        fleet,
        &layout,
        tree,
        &ignored,
        &mut session.sources,
    ));
    Ok(out)
}

/// The folders above the clusters' own folders and their entry files, from the root of the source. In a
/// cluster's own folder, every other file is an error.
fn folders_above(layout: &Layout, tree: &Tree, folder: &str) -> BTreeSet<String> {
    let lines = tree.clusters.values();
    let places = lines.flat_map(|line| {
        let own = layout.cluster(&line.cluster).path_of_folder();
        [own, line.entry.clone()]
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

/// The text of a plain file; `None` if there is none. `Err` says why it cannot be read.
fn read(path: &Path) -> Result<Option<String>, &'static str> {
    let Ok(meta) = path.symlink_metadata() else {
        return Ok(None);
    };
    match meta.is_file() {
        true if meta.len() > MAX_BYTES as u64 => Err("is larger than 1 MiB"),
        true => {
            let bytes = std::fs::read(path).map_err(|_| "cannot be read")?;
            let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
            Ok(Some(text))
        }
        false => Err("is a link or a folder"),
    }
}

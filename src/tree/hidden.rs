//! Files of the tree that the engine leaves out of its source: nobody applies them.

use super::artifacts::source_mode;
use super::layout::{FileKind, Layout};
use super::model::Tree;
use super::record::FileEntry;
use crate::delivery::{Conventions, IgnorePatterns, conventions, engine_of};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::{Source, SourceId, SourceMap, Span, join};
use crate::spec::FleetDoc;
use crate::spec::fleet::SourceMode;
use std::collections::BTreeMap;

rule! {
    /// Flux leaves out a file of the tree, so that it is not applied.
    ///
    /// ## What it finds
    /// A `.sourceignore` at the root of the repository, or in a folder above the tree or an entry file,
    /// whose patterns match the file. Without one, Flux leaves out the files of some CI systems, such
    /// as `cloudbuild.yaml`.
    /// ## Why it matters
    /// The tree is right, and the cluster does not have it: a namespace without its floor, or a tenant
    /// that Flux prunes.
    /// ## Fix
    /// Remove the pattern, or include the file again after it: `!rendered/**`.
    pub static HIDDEN_FILE = "gitops/hidden-file", Error;
}

/// Most patterns that are tried.
const MOST: usize = 1000;

/// The files of patterns that concern a tree.
pub struct IgnoreFiles<'a> {
    /// The folder of the lock, from the root of the source; empty for the root.
    pub folder: &'a str,
    /// The files of patterns above the tree and the entry files, by their paths from the root.
    pub files: &'a [SourceId],
}

/// Reports the files of a tree that its engine leaves out.
pub fn hidden_files(
    fleet: &FleetDoc,
    layout: &Layout,
    tree: &Tree,
    ignored: &IgnoreFiles<'_>,
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    let engine = conventions(engine_of(&fleet.spec));
    let files = ignored.files.iter();
    let texts: Vec<(SourceId, &Source)> = files.map(|id| (*id, sources.get(*id))).collect();
    let patterns = IgnorePatterns::new(engine.left_out, engine.left_out_otherwise, &texts);

    if let (true, Some(first)) = (patterns.stated() > MOST, ignored.files.first()) {
        let name = engine.ignore_file;
        let message = format!("the files {name} have more than {MOST} patterns");
        let fix = "write fewer: each is tried for each file of the tree".to_owned();
        return vec![fault(Span::file(*first), message, fix)];
    }

    let hidden = by_pattern(fleet, layout, tree, ignored.folder, &patterns);
    let mut out = Vec::new();
    for (pattern, paths) in hidden {
        match pattern {
            Some(span) => out.push(by_file(engine, span, &paths)),
            None => out.extend(paths.into_iter().map(|path| {
                let span = sources.add_path(path);
                by_engine(engine, span, path, &layout.tree)
            })),
        }
    }
    out
}

/// The hidden files of each pattern; `None` for a pattern of the engine itself.
fn by_pattern<'a>(
    fleet: &FleetDoc,
    layout: &Layout,
    tree: &'a Tree,
    folder: &str,
    patterns: &IgnorePatterns,
) -> BTreeMap<Option<Span>, Vec<&'a String>> {
    let mut hidden: BTreeMap<Option<Span>, Vec<&String>> = BTreeMap::new();
    let own = tree.files.iter().map(|(path, file)| (path, &file.entry));
    let is_in_source =
        |path: &str, entry: &FileEntry| match layout.cluster(&entry.cluster).parse(path) {
            Some(FileKind::Outside { .. }) => false,
            Some(FileKind::Tenant { .. }) => source_mode(fleet) != SourceMode::PerShard,
            _ => true,
        };

    for (path, entry) in own.chain(&tree.held) {
        if !is_in_source(path, entry) {
            continue;
        }
        let in_source = join(folder, path).unwrap_or_else(|| path.clone());
        if let Some(pattern) = patterns.hides(&in_source) {
            hidden.entry(pattern.span).or_default().push(path);
        }
    }
    hidden
}

/// Files that a pattern of a file hides.
fn by_file(engine: &Conventions, pattern: Span, paths: &[&String]) -> Diagnostic {
    let more = match paths.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more files of the tree"),
    };
    let message = format!("{} leaves out {}{more}", engine.title, paths[0]);
    let fix = "remove the pattern, or include the files again after it".to_owned();
    fault(pattern, message, fix)
}

/// A file that the engine leaves out by itself.
fn by_engine(engine: &Conventions, span: Span, path: &str, tree: &str) -> Diagnostic {
    let message = format!(
        "{} leaves out {path}: its name is that of a CI system's file",
        engine.title
    );
    let fix = format!(
        "rename the tenant, or write a {} at the root of the repository: !{tree}/**",
        engine.ignore_file
    );
    fault(span, message, fix)
}

fn fault(span: Span, message: String, fix: String) -> Diagnostic {
    let found = Diagnostic::new(&HIDDEN_FILE, span, message);
    found.fix(fix).scope(Scope::Fleet)
}

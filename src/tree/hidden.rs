//! Files of the tree that Flux does not apply.

use super::artifacts::source_mode;
use super::layout::{FileKind, Layout, TenantPart};
use super::model::{Tree, TreeRequest};
use super::record::FileEntry;
use crate::delivery::{Conventions, IgnorePatterns, engine_on, engines_of};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::{Source, SourceId, SourceMap, Span, join};
use crate::spec::FleetDoc;
use crate::spec::fleet::SourceMode;
use crate::tenancy::model::Tenant;
use std::collections::BTreeMap;

rule! {
    /// Flux leaves out a file of the tree, so that it is not applied.
    ///
    /// ## What it finds
    /// A `.sourceignore` at the root of the repository, or in a folder above the tree or an entry file,
    /// whose patterns match the file. Without one, Flux leaves out the files of some CI systems, such
    /// as `cloudbuild.yaml`: a tenant of such a name is an error, and is not rendered.
    /// ## Why it matters
    /// The tree is right, and the cluster does not have it: a namespace without its floor, or a tenant
    /// that Flux prunes.
    /// ## Fix
    /// Remove the pattern, or include the file again after it: `!rendered/**`. Or rename the tenant.
    pub static HIDDEN_FILE = "gitops/hidden-file", Error;
}

/// Most patterns that are tried.
const MAX_PATTERNS: usize = 1000;

/// The files of patterns that concern a tree.
#[derive(Clone, Debug, Default)]
pub struct IgnoreFiles {
    /// The folder of the lock, from the root of the source; empty for the root.
    pub folder: String,
    /// The files of patterns above the tree and the entry files, by their paths from the root.
    pub files: Vec<SourceId>,
}

impl IgnoreFiles {
    fn patterns(&self, engine: &Conventions, sources: &SourceMap) -> IgnorePatterns {
        let files = self.files.iter().filter(|_| engine.ignore_file.is_some());
        let texts: Vec<(SourceId, &Source)> = files.map(|id| (*id, sources.get(*id))).collect();
        IgnorePatterns::new(engine.left_out, engine.left_out_otherwise, &texts)
    }

    /// The path of a file of the tree, from the root of the source.
    fn in_source(&self, path: &str) -> String {
        join(&self.folder, path).unwrap_or_else(|| path.to_owned())
    }
}

/// The patterns that the engine has of its own, tried on the names of tenants.
pub struct NamePatterns<'a> {
    request: &'a TreeRequest<'a>,
    /// Those of each engine that can leave out a file of a tenant for its name.
    engines: Vec<(&'static Conventions, IgnorePatterns)>,
}

impl<'a> NamePatterns<'a> {
    /// Prepares the patterns.
    pub fn new(request: &'a TreeRequest<'a>) -> Self {
        let in_source = source_mode(request.fleet) != SourceMode::PerShard;
        let engines = engines_of(&request.fleet.spec)
            .into_iter()
            .filter(|_| in_source)
            .map(|engine| (engine, request.ignored.patterns(engine, request.sources)))
            .filter(|(_, patterns)| patterns.stated() == 0);
        Self {
            request,
            engines: engines.collect(),
        }
    }

    /// Reports a tenant whose files the engine leaves out for their name.
    pub fn check(&self, cluster: &str, tenant: &Tenant) -> Option<Diagnostic> {
        let name = tenant.name.value.as_str();
        let applied_by = engine_on(&self.request.fleet.spec, cluster)?;
        let mut engines = self.engines.iter();
        let (engine, patterns) = engines.find(|(known, _)| known.engine == applied_by)?;
        let path = path_of_tenant(self.request.layout, cluster, name);

        let is_named = || {
            let layout = self.request.layout;
            is_hidden_by_name(patterns, self.request.ignored, layout, cluster)
        };
        let hidden = patterns.hides(&self.request.ignored.in_source(&path));
        hidden.filter(|_| is_named())?;
        let tree = &self.request.layout.tree;
        let fault = by_engine(engine, tenant.name.span, &path, tree);
        Some(fault.tenant(name))
    }
}

fn path_of_tenant(layout: &Layout, cluster: &str, name: &str) -> String {
    layout.cluster(cluster).path(FileKind::Tenant {
        tenant: name,
        unit: name,
        part: TenantPart::Core,
    })
}

/// Whether a tenant's file that is hidden is so for its name: one of an ordinary name is not.
fn is_hidden_by_name(
    patterns: &IgnorePatterns,
    ignored: &IgnoreFiles,
    layout: &Layout,
    cluster: &str,
) -> bool {
    let ordinary = path_of_tenant(layout, cluster, "tenant");
    patterns.hides(&ignored.in_source(&ordinary)).is_none()
}

/// Reports the files of a tree that its engine leaves out.
pub fn hidden_files(
    fleet: &FleetDoc,
    layout: &Layout,
    tree: &Tree,
    ignored: &IgnoreFiles,
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for engine in engines_of(&fleet.spec) {
        out.extend(hidden_from(engine, fleet, layout, tree, ignored, sources));
    }
    out
}

/// Reports the files of a tree that one engine leaves out, on the clusters that it applies.
fn hidden_from(
    engine: &Conventions,
    fleet: &FleetDoc,
    layout: &Layout,
    tree: &Tree,
    ignored: &IgnoreFiles,
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    let patterns = ignored.patterns(engine, sources);

    if let (true, Some(first)) = (patterns.stated() > MAX_PATTERNS, ignored.files.first()) {
        let name = engine.ignore_file.unwrap_or_default();
        let message = format!("the files {name} have more than {MAX_PATTERNS} patterns");
        let fix = "write fewer: each is tried for each file of the tree".to_owned();
        return vec![fault(Span::file(*first), message, fix)];
    }

    let applies = |cluster: &str| engine_on(&fleet.spec, cluster) == Some(engine.engine);
    let hidden = by_pattern(fleet, layout, tree, ignored, &patterns, &applies);
    let mut out = Vec::new();
    for (pattern, paths) in hidden {
        match pattern {
            Some(span) => out.push(by_file(engine, span, &paths)),
            None => out.extend(hidden_by_engine(
                engine, layout, ignored, &patterns, &paths, sources,
            )),
        }
    }
    out
}

/// The hidden files of each pattern; `None` for a pattern of the engine itself. The files of a tenant
/// that are hidden for its name are left out: [`NamePatterns`] reports the tenant.
fn by_pattern<'a>(
    fleet: &FleetDoc,
    layout: &Layout,
    tree: &'a Tree,
    ignored: &IgnoreFiles,
    patterns: &IgnorePatterns,
    applies: &dyn Fn(&str) -> bool,
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
        if !applies(&entry.cluster) || !is_in_source(path, entry) {
            continue;
        }
        let Some(pattern) = patterns.hides(&ignored.in_source(path)) else {
            continue;
        };
        let kind = layout.cluster(&entry.cluster).parse(path);
        let is_tenants = matches!(kind, Some(FileKind::Tenant { .. }));
        let is_of_tenant = pattern.span.is_none()
            && is_tenants
            && is_hidden_by_name(patterns, ignored, layout, &entry.cluster);
        if !is_of_tenant {
            hidden.entry(pattern.span).or_default().push(path);
        }
    }
    hidden
}

/// Files that a pattern of a file hides.
fn by_file(engine: &Conventions, pattern: Span, paths: &[&String]) -> Diagnostic {
    let more = match paths.len() - 1 {
        0 => String::new(),
        1 => " and 1 more file of the tree".to_owned(),
        more => format!(" and {more} more files of the tree"),
    };
    let message = format!("{} leaves out {}{more}", engine.title, paths[0]);
    let fix = "remove the pattern, or include the files again after it".to_owned();
    fault(pattern, message, fix)
}

/// Files that patterns of the engine itself hide: one finding for each folder that it does not read, and
/// one for each other file.
fn hidden_by_engine(
    engine: &Conventions,
    layout: &Layout,
    ignored: &IgnoreFiles,
    patterns: &IgnorePatterns,
    paths: &[&String],
    sources: &mut SourceMap,
) -> Vec<Diagnostic> {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    let mut out = Vec::new();

    for path in paths {
        let in_source = ignored.in_source(path);
        match hidden_folder(patterns, &in_source) {
            Some(folder) => *folders.entry(folder).or_default() += 1,
            None => {
                let span = sources.add_path(path);
                out.push(by_engine(engine, span, path, &layout.tree));
            }
        }
    }

    out.extend(folders.into_iter().map(|(folder, count)| {
        let title = engine.title;
        let files = match count {
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let message =
            format!("{title} does not read the folder {folder}, which holds {files} of the tree");
        let fix = format!(
            "render into another folder (--tree), or write a {} at the root of the repository: \
             !{folder}/**",
            engine.ignore_file.unwrap_or_default()
        );
        fault(sources.add_path(&folder), message, fix)
    }));
    out
}

/// The uppermost folder on the path of a file that the engine does not read as a whole.
fn hidden_folder(patterns: &IgnorePatterns, path: &str) -> Option<String> {
    let ends = path.match_indices('/').map(|(at, _)| at);
    let mut folders = ends.map(|at| &path[..at]);
    let hidden = folders.find(|folder| patterns.hides(&format!("{folder}/file")).is_some());
    hidden.map(str::to_owned)
}

/// A file that the engine leaves out by itself.
fn by_engine(engine: &Conventions, span: Span, path: &str, tree: &str) -> Diagnostic {
    let message = format!(
        "{} leaves out {path}: its name is that of a CI system's file",
        engine.title
    );
    let fix = format!(
        "rename the tenant, or write a {} at the root of the repository: !{tree}/**",
        engine.ignore_file.unwrap_or_default()
    );
    fault(span, message, fix)
}

fn fault(span: Span, message: String, fix: String) -> Diagnostic {
    let found = Diagnostic::new(&HIDDEN_FILE, span, message);
    found.fix(fix).scope(Scope::Fleet)
}

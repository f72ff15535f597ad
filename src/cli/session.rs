//! A run: finding the fleet, reading its files, and the pipeline over them.

use super::CliError;
use super::args::Cli;
use super::files::{DiskStore, FileContent, Store, read_all};
use super::workspace::{Workspace, working_folder};
use super::written::{WrittenTree, read_record};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tenantry::bundle::{
    self, ClusterBundle, MANIFEST, ObjectForm, RenderedObject, TenantManifests,
};
use tenantry::compile::{self, Compiled, InputFiles, RenderOptions, ResolvedFleet};
use tenantry::delivery::{RepositorySurvey, may_say};
use tenantry::diagnostic::{Diagnostic, Level, Scope};
use tenantry::source::{
    NOT_UTF8, OUTSIDE_ROOT, Source, SourceId, SourceMap, TOO_LARGE, UNREADABLE, add_bytes,
};
use tenantry::spec::SpecFile;
use tenantry::spec::leaf::Day;
use tenantry::tenancy::Context;
use tenantry::tree::{Layout, OwnPaths, check_applied, entry_path};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Most bytes of verbatim manifests that one tenant may have.
const MAX_MANIFESTS: usize = 4 << 20;

/// The files of specs and templates, as they were read.
struct Inputs {
    /// Paths below the tenants folder.
    specs: Vec<(String, FileContent)>,
    /// Paths of the fleet's own templates.
    templates: Vec<(String, FileContent)>,
}

impl Inputs {
    fn read(workspace: &Workspace, store: &dyn Store) -> Result<Self, CliError> {
        let all = |folder: &str| Ok(read_all(store, store.list(folder, &[])?));
        Ok(Self {
            specs: all(workspace.tenants())?,
            templates: all(&workspace.templates())?,
        })
    }
}

/// Texts, specs and tenants.
pub struct Session {
    /// Where things are.
    pub workspace: Workspace,
    /// Every text.
    pub sources: SourceMap,
    /// Specs and tenants.
    pub resolved: ResolvedFleet,
    /// Verbatim files.
    pub manifests: TenantManifests,
    /// Whether the fleet has templates of its own.
    pub own_templates: bool,
}

impl Session {
    /// Reads and resolves everything on disk.
    pub fn open(cli: &Cli, tree: Option<&Path>) -> Result<Self, CliError> {
        let workspace = Workspace::find(cli, tree)?;
        let disk = DiskStore::new(&workspace.root)?;
        Self::read(cli, workspace, &disk)
    }

    /// The same without the records of the tree, which say who of two holds what both claim; with
    /// them where anything is wrong.
    pub fn open_lightly(cli: &Cli) -> Result<Self, CliError> {
        let workspace = Workspace::find(cli, None)?;
        let disk = DiskStore::new(&workspace.root)?;
        let inputs = Inputs::read(&workspace, &disk)?;
        let light = Self::resolve(cli, workspace, &disk, inputs, None, Context::default())?;
        match light
            .resolved
            .findings
            .iter()
            .any(|d| d.level == Level::Error)
        {
            false => Ok(light),
            true => Self::read(cli, light.workspace, &disk),
        }
    }

    /// Reads and resolves everything from somewhere.
    pub fn read(cli: &Cli, workspace: Workspace, store: &dyn Store) -> Result<Self, CliError> {
        Self::read_with(cli, workspace, store, Context::default())
    }

    /// The same, with what else a command wants.
    pub fn read_with(
        cli: &Cli,
        workspace: Workspace,
        store: &dyn Store,
        context: Context,
    ) -> Result<Self, CliError> {
        // The first document waits for the checkers of schemas: they are made meanwhile.
        rayon::spawn(compile::prepare);
        let (inputs, written) = rayon::join(
            || Inputs::read(&workspace, store),
            || WrittenTree::read(&workspace),
        );
        Self::resolve(cli, workspace, store, inputs?, Some(written?), context)
    }

    /// Resolves what was read; `written` is `None` if the records of the tree do not count.
    fn resolve(
        cli: &Cli,
        workspace: Workspace,
        store: &dyn Store,
        inputs: Inputs,
        written: Option<WrittenTree>,
        context: Context,
    ) -> Result<Self, CliError> {
        let mut sources = SourceMap::default();
        sources.reserve(2 * inputs.specs.len());
        let mut files = InputFiles {
            fleet_path: workspace.fleet.clone(),
            ..InputFiles::default()
        };

        for (path, read) in inputs.specs {
            if let Some(source) = take(
                &mut sources,
                &path,
                read,
                path == workspace.fleet,
                &mut files.faults,
            ) {
                files.inputs.push(SpecFile {
                    source,
                    origin: None,
                });
            }
        }

        let given = read_sources(cli, &mut sources, &mut files)?;
        let given_names = given.clone();
        let folder = workspace.templates();

        for (path, read) in inputs.templates {
            if let Some(source) = take(&mut sources, &path, read, true, &mut files.faults) {
                let below = path[folder.len()..].trim_start_matches('/').to_owned();
                files.templates.push((below, source));
            }
        }

        if let Some(written) = written {
            written.take_in(&mut sources, &mut files);
        }
        let context = Context {
            now: Some(today(cli)?),
            version: VERSION.to_owned(),
            sources: given,
            ..context
        };

        let mut resolved = compile::resolve(&mut sources, &mut files, &context);
        // A run that was cut short before it wrote the lock left entries that no lock names.
        let clusters = resolved.fleet().into_iter().flat_map(|f| {
            f.spec
                .clusters
                .iter()
                .map(move |c| entry_path(f, c.name.as_str()))
        });

        let unknown = clusters
            .flatten()
            .filter(|path| !resolved.lock.files.contains_key(path))
            .collect::<Vec<_>>();

        for entry in unknown
            .iter()
            .filter_map(|path| read_record(&workspace, path))
        {
            let at = sources.add_path(&entry.path);
            let path = entry.path.clone();
            resolved
                .lock
                .add([(path.clone(), entry)].into(), [(path, at)].into());
        }

        if let Some(fleet) = resolved.fleet() {
            let named = |name: &String| {
                fleet
                    .spec
                    .sources
                    .iter()
                    .flatten()
                    .any(|s| s.name.as_str() == name)
            };
            if let Some(unknown) = given_names.iter().find(|n| !named(n)) {
                return Err(CliError::Usage(format!(
                    "--source {unknown}: the fleet names no such source"
                )));
            }
        }

        let scanned = scan_applied(&workspace, store, &mut sources, &files, &resolved)?;
        resolved.findings.extend(scanned);
        let manifests = read_manifests(store, &mut sources, &files, &mut resolved);
        let own_templates = !files.templates.is_empty();

        Ok(Self {
            workspace,
            sources,
            resolved,
            manifests,
            own_templates,
        })
    }

    /// Renders some tenants alone, as values; and what is wrong.
    pub fn render_tenants(
        &self,
        tenants: &BTreeSet<String>,
    ) -> (Vec<ClusterBundle<RenderedObject>>, Vec<Diagnostic>) {
        compile::render_tenants(&self.resolved, &self.sources, &self.manifests, tenants)
    }

    /// Renders tenants and places them, and keeps the objects in the form that is asked for.
    pub fn compile<T: ObjectForm>(&mut self, selection: Selection) -> Compiled<T> {
        let repository_path = self
            .resolved
            .fleet()
            .and_then(|f| f.spec.delivery.as_ref())
            .and_then(|d| d.repository_path.as_ref())
            .map_or_else(|| ".".to_owned(), |p| p.to_string());

        let options = RenderOptions {
            layout: Layout {
                tree: self.workspace.tree.clone(),
                repository_path,
            },
            tenants: selection.tenants,
            clusters: selection.clusters,
            allow_removal: selection.allow_removal,
            version: VERSION.to_owned(),
        };

        compile::emit(&mut self.resolved, &self.sources, &self.manifests, &options)
    }
}

/// What of the fleet to render.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these tenants, where any are named.
    pub tenants: Vec<String>,
    /// Only these clusters, where any are named.
    pub clusters: Vec<String>,
    /// Tenants that may go.
    pub allow_removal: Vec<String>,
}

/// The day that decides about waivers.
pub fn today(cli: &Cli) -> Result<Day, CliError> {
    let text = match &cli.now {
        Some(text) => text.clone(),
        None => jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date()
            .to_string(),
    };
    Day::parse(&text)
        .ok_or_else(|| CliError::Usage(format!("--now {text}: write it as 2026-11-22")))
}

/// Takes a file into the sources, or says why not.
fn take(
    sources: &mut SourceMap,
    path: &str,
    read: FileContent,
    fleet: bool,
    faults: &mut Vec<Diagnostic>,
) -> Option<SourceId> {
    let mut fault = |sources: &mut SourceMap, rule, message: String, fix: &str| {
        let span = sources.add_path(path);
        let scope = if fleet {
            Scope::Fleet
        } else {
            Scope::File(span.source)
        };
        faults.push(Diagnostic::new(rule, span, message).fix(fix).scope(scope));
        None
    };

    if path
        .chars()
        .any(|c| c.is_control() || "\u{2028}\u{2029}".contains(c))
    {
        let shown = path.escape_debug().to_string();
        let span = sources.add_path(&shown);
        let scope = if fleet {
            Scope::Fleet
        } else {
            Scope::File(span.source)
        };
        let message = format!("{shown} has a control character in its name");
        faults.push(
            Diagnostic::new(&UNREADABLE, span, message)
                .fix("rename the file")
                .scope(scope),
        );
        return None;
    }

    match read {
        FileContent::Bytes(bytes) => {
            let (id, problem) = add_bytes(sources, path, bytes);
            match problem {
                None => Some(id),
                Some(problem) => {
                    let fix = if problem.rule == &NOT_UTF8 {
                        "save it as UTF-8"
                    } else {
                        "split it"
                    };
                    faults.push(problem.fix(fix).scope(if fleet {
                        Scope::Fleet
                    } else {
                        Scope::File(id)
                    }));
                    None
                }
            }
        }
        FileContent::TooLarge(size) => fault(
            sources,
            &TOO_LARGE,
            format!("{path} has {size} bytes; at most 1 MiB is read"),
            "split it, or move it out of the folder",
        ),
        FileContent::Unreadable(reason) => fault(
            sources,
            &UNREADABLE,
            format!("{path} cannot be read: {reason}"),
            "make it readable, or remove it",
        ),
        FileContent::Outside => fault(
            sources,
            &OUTSIDE_ROOT,
            format!("{path} leads out of the repository"),
            "copy the file into the repository",
        ),
        FileContent::Missing => fault(sources, &UNREADABLE, format!("{path} is gone"), "run again"),
    }
}

fn read_sources(
    cli: &Cli,
    sources: &mut SourceMap,
    files: &mut InputFiles,
) -> Result<Vec<String>, CliError> {
    let start = working_folder(cli)?;
    let mut given = Vec::new();

    for pair in &cli.source {
        let (name, dir) = pair
            .split_once('=')
            .ok_or_else(|| CliError::Usage(format!("--source {pair}: write it as NAME=DIR")))?;
        let disk = DiskStore::new(&start.join(dir))?;
        for (path, read) in read_all(&disk, disk.list("", &[])?) {
            let label = format!("{name}:{path}");
            if let Some(source) = take(sources, &label, read, false, &mut files.faults) {
                files.inputs.push(SpecFile {
                    source,
                    origin: Some(name.to_owned()),
                });
            }
        }
        given.push(name.to_owned());
    }

    Ok(given)
}

fn read_manifests(
    store: &dyn Store,
    sources: &mut SourceMap,
    files: &InputFiles,
    resolved: &mut ResolvedFleet,
) -> TenantManifests {
    let mut found = BTreeMap::new();
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    let listed = resolved.fleet().and_then(|f| f.spec.tenant_kinds.as_ref());
    let kinds = listed
        .into_iter()
        .flatten()
        .map(|k| k.to_string())
        .collect();

    let all_wanted = bundle::wanted(&resolved.tenancy, sources);
    let known: BTreeMap<String, SourceId> = match all_wanted.is_empty() {
        true => BTreeMap::new(),
        false => files
            .inputs
            .iter()
            .map(|i| (sources.get(i.source).path.clone(), i.source))
            .collect(),
    };

    for wanted in all_wanted {
        let Some(path) = &wanted.path else {
            let message =
                "this is no manifest of this repository: a .yaml file in no hidden folder";
            resolved.findings.push(
                Diagnostic::new(&OUTSIDE_ROOT, wanted.span, message)
                    .fix("copy it into the platform's own repository, beside the tenant")
                    .tenant(&wanted.tenant),
            );
            continue;
        };

        if let Some(id) = known.get(path) {
            found.insert(path.clone(), *id);
            continue;
        }

        let read = store.read(path);
        if matches!(read, FileContent::Missing) {
            let message = format!("there is no file {path}");
            let finding = Diagnostic::new(&MANIFEST, wanted.span, message);
            resolved.findings.push(
                finding
                    .fix("add it, or remove this; the path is relative to this file")
                    .tenant(&wanted.tenant),
            );
            continue;
        }

        if let FileContent::Bytes(bytes) = &read {
            let sum = sizes.entry(wanted.tenant.clone()).or_default();
            *sum += bytes.len();
            if *sum > MAX_MANIFESTS {
                let message = format!(
                    "the manifests of `{}` are larger than {MAX_MANIFESTS} bytes together",
                    wanted.tenant
                );
                let finding = Diagnostic::new(&MANIFEST, wanted.span, message);
                resolved.findings.push(
                    finding
                        .fix("let a sync deliver them")
                        .tenant(&wanted.tenant),
                );
                continue;
            }
        }

        let mut faults = Vec::new();
        if let Some(id) = take(sources, path, read, false, &mut faults) {
            found.insert(path.clone(), id);
        }
        resolved.findings.extend(
            faults
                .into_iter()
                .map(|f| f.related(wanted.span, "named here").tenant(&wanted.tenant)),
        );
    }

    TenantManifests::load(
        sources,
        &found,
        std::mem::take(&mut resolved.tenancy.permits),
        kinds,
    )
}

/// Reads what the repository says of engines that already apply it, and what is wrong with that.
fn scan_applied(
    workspace: &Workspace,
    store: &dyn Store,
    sources: &mut SourceMap,
    files: &InputFiles,
    resolved: &ResolvedFleet,
) -> Result<Vec<Diagnostic>, CliError> {
    let Some(fleet) = resolved.fleet() else {
        return Ok(Vec::new());
    };
    let own = OwnPaths::new(fleet, &workspace.base, &workspace.tree, &workspace.fleet);
    let paths: Vec<String> = store
        .list("", &[&own.tree, workspace.tenants()])?
        .into_iter()
        .filter(|path| !own.entries.contains(path))
        .collect();

    let texts: Vec<Source> = paths
        .into_par_iter()
        .filter_map(|path| match store.read(&path) {
            FileContent::Bytes(bytes) if may_say(&path, &bytes) => {
                Some(Source::new(path, String::from_utf8(bytes).ok()?))
            }
            _ => None,
        })
        .collect();

    let specs = files
        .inputs
        .iter()
        .filter(|input| input.origin.is_none())
        .map(|input| input.source);

    let mut ids: Vec<SourceId> = specs.collect();
    ids.extend(texts.into_iter().map(|text| sources.add(text)));

    let mut survey = RepositorySurvey::default();
    for id in ids {
        survey.add(id, sources.get(id));
    }
    Ok(check_applied(fleet, &own, &survey))
}

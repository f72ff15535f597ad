//! Reads a fleet: its specs, its templates, the tree that lies there, and the files that these name.

use super::CliError;
use super::args::Cli;
use super::files::{
    DiskStore, FileContent, MAX_SEARCHED, Mark, NotRead, PassedOver, Store, read_all,
};
use super::ignored::ReadIgnoreFiles;
use super::session::{Session, VERSION, today};
use super::workspace::{Workspace, working_folder};
use super::written::{WrittenTree, read_record};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry::bundle::{
    self, CustomDefinitions, DEFINITION, DefinitionFile, LastRendered, MANIFEST, NamedManifest,
    TenantManifests,
};
use tenantry::compile::{self, InputFiles, ResolvedFleet};
use tenantry::delivery::{RepositorySurvey, may_say};
use tenantry::diagnostic::{Diagnostic, Rule, Scope};
use tenantry::document::Spanned;
use tenantry::source::{
    NOT_UTF8, OUTSIDE_ROOT, PASSED_OVER, Source, SourceId, SourceMap, TOO_LARGE, UNREADABLE,
    add_bytes, join, parent,
};
use tenantry::spec::leaf::FilePath;
use tenantry::spec::{FleetDoc, SpecFile};
use tenantry::tenancy::Context;
use tenantry::tree::{OwnPaths, check_applied, entry_path};

/// Most bytes of verbatim manifests that one tenant may have.
const MAX_MANIFESTS: usize = 4 << 20;
/// Most bytes of them on all clusters of the tenant together.
const MAX_RENDERED: usize = 64 << 20;

/// The files of specs and templates, as they were read, by path.
pub struct FleetFiles {
    /// The files below the tenants folder.
    specs: Vec<(String, FileContent)>,
    /// The fleet's own templates.
    templates: Vec<(String, FileContent)>,
    /// What lies beside them and is not read.
    passed_over: Vec<PassedOver>,
}

impl FleetFiles {
    /// Reads them from a store.
    pub fn read(workspace: &Workspace, store: &dyn Store) -> Result<Self, CliError> {
        let all = |folder: &str| Ok(read_all(store, store.list(folder, &[])?));
        let mut passed_over = store.passed_over(workspace.tenants(), Mark::Spec)?;
        passed_over.extend(store.passed_over(&workspace.templates(), Mark::None)?);
        Ok(Self {
            specs: all(workspace.tenants())?,
            templates: all(&workspace.templates())?,
            passed_over,
        })
    }
}

/// A fleet that is being read.
pub struct FleetReader<'a> {
    cli: &'a Cli,
    workspace: Workspace,
    store: &'a dyn Store,
    /// The rendered files of a revision, by their paths from the folder of the lock.
    past: Option<&'a dyn Store>,
    sources: SourceMap,
    files: InputFiles,
}

impl<'a> FleetReader<'a> {
    /// Starts to read a fleet from a store.
    pub fn new(cli: &'a Cli, workspace: Workspace, store: &'a dyn Store) -> Self {
        let files = InputFiles {
            fleet_path: workspace.fleet.clone(),
            ..InputFiles::default()
        };

        Self {
            cli,
            workspace,
            store,
            past: None,
            sources: SourceMap::default(),
            files,
        }
    }

    /// Compares tenants' objects with those that a revision has rendered too. `past` has the files of
    /// the lock's folder.
    #[must_use]
    pub fn since(self, past: Option<&'a dyn Store>) -> Self {
        Self { past, ..self }
    }

    /// Resolves what was read. `written` is `None` if the records of the tree do not count.
    ///
    /// # Errors
    /// A fault if the arguments name something that the fleet does not have, or if a folder cannot be
    /// read.
    pub fn resolve(
        mut self,
        files: FleetFiles,
        written: Option<WrittenTree>,
        context: Context,
    ) -> Result<Session, CliError> {
        self.sources.reserve(2 * files.specs.len());
        self.add_specs(files.specs);
        let given = self.add_checkouts()?;
        self.add_templates(files.templates);
        let is_on_disk = written.as_ref().is_none_or(WrittenTree::is_on_disk);
        if let Some(written) = written {
            written.take_in(&mut self.sources, &mut self.files);
        }

        let context = Context {
            now: Some(today(self.cli)?),
            version: VERSION.to_owned(),
            sources: given.clone(),
            ..context
        };

        let mut resolved = compile::resolve(&mut self.sources, &mut self.files, &context);
        if is_on_disk {
            self.add_unlocked_entries(&mut resolved);
        }
        if let Some(fleet) = resolved.fleet() {
            check_sources(fleet, &given)?;
            let found = self.scan_applied(fleet)?;
            resolved.findings.extend(found);
        }
        let named = bundle::wanted(&resolved.tenancy, &self.sources);
        let unread = self.report_passed_over(files.passed_over, &named);
        resolved.findings.extend(unread);
        let manifests = self.read_manifests(&mut resolved, &named, is_on_disk)?;

        Ok(Session {
            workspace: self.workspace,
            sources: self.sources,
            resolved,
            manifests,
            own_templates: !self.files.templates.is_empty(),
            ignored: ReadIgnoreFiles::default(),
        })
    }

    fn add_specs(&mut self, specs: Vec<(String, FileContent)>) {
        for (path, content) in specs {
            let is_fleet = path == self.workspace.fleet;
            self.add_spec(&path, content, is_fleet, None);
        }
    }

    /// Adds a spec. `origin` is the source of the fleet that it is from; `None` for the repository's
    /// own specs.
    fn add_spec(&mut self, path: &str, content: FileContent, is_fleet: bool, origin: Option<&str>) {
        let origin = origin.map(str::to_owned);
        match take(&mut self.sources, path, content, is_fleet) {
            Ok(source) => self.files.inputs.push(SpecFile { source, origin }),
            Err(fault) => self.files.faults.push(*fault),
        }
    }

    /// Adds the specs of the checkouts that `--source` names. Returns the names of these sources.
    fn add_checkouts(&mut self) -> Result<Vec<String>, CliError> {
        let start = working_folder(self.cli)?;
        let mut given = Vec::new();

        for pair in &self.cli.source {
            let (name, folder) = pair
                .split_once('=')
                .ok_or_else(|| CliError::Usage(format!("--source {pair}: write it as NAME=DIR")))?;
            let disk = DiskStore::new(&start.join(folder))?;

            for (path, content) in read_all(&disk, disk.list("", &[])?) {
                let label = format!("{name}:{path}");
                self.add_spec(&label, content, false, Some(name));
            }
            given.push(name.to_owned());
        }

        Ok(given)
    }

    fn add_templates(&mut self, templates: Vec<(String, FileContent)>) {
        let folder = self.workspace.templates();

        for (path, content) in templates {
            let below = path[folder.len()..].trim_start_matches('/');
            match take(&mut self.sources, &path, content, true) {
                Ok(source) => self.files.templates.push((below.to_owned(), source)),
                Err(fault) => self.files.faults.push(*fault),
            }
        }
    }

    /// Warns of what looks like a part of the fleet and is not read, but for the files that tenants
    /// name.
    fn report_passed_over(
        &mut self,
        passed_over: Vec<PassedOver>,
        named: &[NamedManifest],
    ) -> Vec<Diagnostic> {
        let named: BTreeSet<&str> = named
            .iter()
            .filter_map(|named| named.path.as_deref())
            .collect();
        let mut out = Vec::new();
        let unread = passed_over.into_iter();
        for PassedOver { path, why } in unread.filter(|file| !named.contains(&*file.path)) {
            let (message, fix) = match why {
                NotRead::Folder(name) => (
                    format!("{path} is not read: it lies below a folder called `{name}`"),
                    "move it out of that folder, or remove it",
                ),
                NotRead::Ending => (
                    format!("{path} is not read: its name does not end in .yaml"),
                    "rename it, or remove it",
                ),
                NotRead::Link(target) => (
                    format!(
                        "{path} is not read: it is a link to the folder {}, and is not followed",
                        target.display()
                    ),
                    "copy the folder here, or remove the link",
                ),
                NotRead::TooMany => (
                    format!(
                        "{path} has more than {MAX_SEARCHED} files that are not read: the others \
                         were not searched for tenants"
                    ),
                    "move files that are not of the fleet to another folder",
                ),
            };
            let span = self.sources.add_path(&path);
            let found = Diagnostic::new(&PASSED_OVER, span, message);
            out.push(found.fix(fix));
        }
        out
    }

    /// Adds entry files that no lock names: a run that was cut short leaves them before it writes the
    /// lock.
    fn add_unlocked_entries(&mut self, resolved: &mut ResolvedFleet) {
        let Some(fleet) = resolved.fleet() else {
            return;
        };

        let entries = fleet.spec.clusters.iter();
        let paths: Vec<String> = entries
            .filter_map(|cluster| entry_path(fleet, cluster.name.as_str()).ok())
            .filter(|path| !resolved.lock.files.contains_key(path))
            .collect();

        for entry in paths
            .iter()
            .filter_map(|path| read_record(&self.workspace, path))
        {
            let span = self.sources.add_path(&entry.path);
            let path = entry.path.clone();
            resolved
                .lock
                .add([(path.clone(), entry)].into(), [(path, span)].into());
        }
    }

    /// Reads what the repository says of engines that already apply it, and returns what is wrong with
    /// that.
    fn scan_applied(&mut self, fleet: &FleetDoc) -> Result<Vec<Diagnostic>, CliError> {
        let (workspace, store) = (&self.workspace, self.store);
        let own = OwnPaths::new(fleet, &workspace.base, &workspace.tree, &workspace.fleet);
        let paths: Vec<String> = store
            .list("", &[&own.tree, workspace.tenants()])?
            .into_iter()
            .filter(|path| !own.entries.contains(path))
            .collect();

        // A store lists only files with an ending.
        let folders = paths.iter().flat_map(|path| {
            std::iter::successors(Some(parent(path)), |folder| {
                (!folder.is_empty()).then(|| parent(folder))
            })
        });
        let folders: BTreeSet<&str> = folders.collect();
        let without_ending: Vec<String> = folders
            .into_iter()
            .filter_map(|folder| join(folder, "Kustomization"))
            .collect();

        let texts: Vec<Source> = paths
            .into_par_iter()
            .chain(without_ending)
            .filter_map(|path| match store.read(&path) {
                FileContent::Bytes(bytes) if may_say(&path, &bytes) => {
                    Some(Source::new(path, String::from_utf8(bytes).ok()?))
                }
                _ => None,
            })
            .collect();

        let specs = self.files.inputs.iter();
        let mut ids: Vec<SourceId> = specs
            .filter(|input| input.origin.is_none())
            .map(|input| input.source)
            .collect();
        ids.extend(texts.into_iter().map(|text| self.sources.add(text)));

        let mut survey = RepositorySurvey::default();
        for id in ids {
            survey.add(id, self.sources.get(id));
        }
        Ok(check_applied(fleet, &own, &survey, &self.sources))
    }

    /// Reads the manifests that tenants name. `is_on_disk` says that the records are those on disk.
    fn read_manifests(
        &mut self,
        resolved: &mut ResolvedFleet,
        named: &[NamedManifest],
        is_on_disk: bool,
    ) -> Result<TenantManifests, CliError> {
        let fleet = resolved.fleet();
        let kinds = fleet.and_then(|fleet| fleet.spec.tenant_kinds.as_ref());
        let kinds = kinds.into_iter().flatten().map(|kind| kind.kind());
        let kinds: Vec<String> = kinds.collect();

        let mut reading = ManifestReading::default();
        if !named.is_empty() {
            let inputs = self.files.inputs.iter();
            reading.specs = inputs
                .map(|input| (self.sources.get(input.source).path.clone(), input.source))
                .collect();
        }

        for manifest in named {
            let read = reading.read(self.store, &mut self.sources, manifest);
            resolved.findings.extend(read.err().map(|fault| *fault));
        }

        let definitions = self.read_definitions(resolved);
        let permits = Arc::clone(&resolved.tenancy.permits);
        let last = self.read_last(resolved, is_on_disk)?;
        let manifests = TenantManifests::load(&self.sources, &reading.found, permits, kinds);
        let manifests = manifests.after(last).held_against(definitions);
        Ok(match resolved.fleet() {
            Some(fleet) => manifests.of_clusters(&fleet.spec),
            None => manifests,
        })
    }

    /// Reads the CustomResourceDefinitions that the fleet names.
    fn read_definitions(&mut self, resolved: &mut ResolvedFleet) -> CustomDefinitions {
        let fleet = resolved.specs.fleet.as_ref();
        let named = fleet.and_then(|fleet| fleet.spec.custom_resource_definitions.as_ref());
        let inputs = self.files.inputs.iter();
        let specs: BTreeMap<String, SourceId> = match named {
            Some(_) => inputs
                .map(|input| (self.sources.get(input.source).path.clone(), input.source))
                .collect(),
            None => BTreeMap::new(),
        };

        let mut files = Vec::new();
        for named in named.into_iter().flatten() {
            match read_definition(self.store, &mut self.sources, &specs, named) {
                Ok(source) => files.push(DefinitionFile {
                    span: named.span,
                    source,
                }),
                Err(fault) => resolved.findings.push(*fault),
            }
        }
        CustomDefinitions::load(&self.sources, &files, &mut resolved.findings)
    }

    /// Reads the objects that were rendered from tenants' manifests before: those on disk if the
    /// records are, and those of the revision. A revision need not have every file.
    fn read_last(
        &mut self,
        resolved: &mut ResolvedFleet,
        is_on_disk: bool,
    ) -> Result<LastRendered, CliError> {
        let rendered = compile::last_rendered(resolved);
        if rendered.is_empty() {
            return Ok(LastRendered::default());
        }
        let disk = DiskStore::new(&self.workspace.tree_base)?.for_manifests();
        let disk: Option<&dyn Store> = is_on_disk.then_some(&disk);

        let mut files = Vec::new();
        for (cluster, path) in rendered {
            for store in [disk, self.past].into_iter().flatten() {
                match take_rendered(&mut self.sources, &path, store.read(&path)) {
                    Ok(found) => files.extend(found.map(|id| (cluster, id))),
                    Err(fault) => resolved.findings.push(*fault),
                }
            }
        }
        Ok(LastRendered::load(&self.sources, &files))
    }
}

/// Adds a rendered file to the sources; `None` if the file is missing.
///
/// # Errors
/// The finding about a file that cannot be read.
fn take_rendered(
    sources: &mut SourceMap,
    path: &str,
    content: FileContent,
) -> Result<Option<SourceId>, Box<Diagnostic>> {
    let reason = match content {
        FileContent::Missing => return Ok(None),
        FileContent::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(Some(sources.add(Source::new(path, text)))),
            Err(_) => "it is not UTF-8".to_owned(),
        },
        FileContent::TooLarge(size) => format!("it has {size} bytes"),
        FileContent::Unreadable(reason) => reason,
        FileContent::Outside { .. } => "it leads out of the folder of the lock".to_owned(),
    };

    let span = sources.add_path(path);
    let message = format!("{path} cannot be compared with the tenant's manifests: {reason}");
    let fault = Diagnostic::new(&UNREADABLE, span, message).fix("restore the file from Git");
    Err(Box::new(fault.scope(Scope::File(span.source))))
}

/// Checks that the fleet names each source that `--source` gives.
fn check_sources(fleet: &FleetDoc, given: &[String]) -> Result<(), CliError> {
    let named = |name: &&String| {
        let mut sources = fleet.spec.sources.iter().flatten();
        sources.any(|source| source.name.as_str() == name.as_str())
    };

    match given.iter().find(|name| !named(name)) {
        Some(unknown) => Err(CliError::Usage(format!(
            "--source {unknown}: the fleet names no such source"
        ))),
        None => Ok(()),
    }
}

/// The manifests that tenants name, while they are read.
#[derive(Default)]
struct ManifestReading {
    /// The specs, which are read already, by path.
    specs: BTreeMap<String, SourceId>,
    /// The manifests, by path.
    found: BTreeMap<String, SourceId>,
    /// The sizes of each tenant's manifests.
    sizes: BTreeMap<String, ManifestSizes>,
}

/// The bytes of a tenant's manifests.
#[derive(Default)]
struct ManifestSizes {
    /// Those of the files.
    read: usize,
    /// Those of the files on each cluster of the tenant, summed up.
    rendered: usize,
}

impl ManifestReading {
    fn read(
        &mut self,
        store: &dyn Store,
        sources: &mut SourceMap,
        manifest: &NamedManifest,
    ) -> Result<(), Box<Diagnostic>> {
        let (tenant, span) = (&manifest.tenant, manifest.span);
        let fault = |rule: &'static Rule, message: String, fix: &str| {
            Box::new(Diagnostic::new(rule, span, message).fix(fix).tenant(tenant))
        };

        let Some(path) = &manifest.path else {
            return Err(fault(
                &OUTSIDE_ROOT,
                "this is no manifest of this repository: a .yaml file in no hidden folder".into(),
                "copy it into the platform's own repository, beside the tenant",
            ));
        };

        if let Some(id) = self.specs.get(path) {
            self.found.insert(path.clone(), *id);
            return Ok(());
        }

        let content = store.read(path);
        if matches!(content, FileContent::Missing) {
            return Err(fault(
                &MANIFEST,
                format!("the file {path} does not exist"),
                "add it, or remove this; the path is relative to this file",
            ));
        }

        if let FileContent::Bytes(bytes) = &content {
            let sizes = self.sizes.entry(tenant.clone()).or_default();
            sizes.read += bytes.len();
            sizes.rendered += bytes.len().saturating_mul(manifest.clusters);
            let too_large = [
                (sizes.read, MAX_MANIFESTS, "together"),
                (sizes.rendered, MAX_RENDERED, "on all clusters together"),
            ];
            if let Some((_, most, how)) = too_large.into_iter().find(|(size, most, _)| size > most)
            {
                let message =
                    format!("the manifests of `{tenant}` are larger than {most} bytes {how}");
                return Err(fault(&MANIFEST, message, "let a sync deliver them"));
            }
        }

        let id = take(sources, path, content, false)
            .map_err(|fault| Box::new(fault.related(span, "named here").tenant(tenant)))?;
        self.found.insert(path.clone(), id);
        Ok(())
    }
}

/// Reads a file that the fleet names in `customResourceDefinitions`. `specs` are read already.
///
/// # Errors
/// The finding, at the line of the fleet, about a file that cannot be read.
fn read_definition(
    store: &dyn Store,
    sources: &mut SourceMap,
    specs: &BTreeMap<String, SourceId>,
    named: &Spanned<FilePath>,
) -> Result<SourceId, Box<Diagnostic>> {
    let fault = |rule: &'static Rule, message: String, fix: &str| {
        let finding = Diagnostic::new(rule, named.span, message).fix(fix);
        Box::new(finding.scope(Scope::Fleet))
    };
    let Some(path) = join(parent(sources.path(named.span)), named.value.as_str()) else {
        let message = format!("{} leads out of the repository", named.value.as_str());
        return Err(fault(
            &OUTSIDE_ROOT,
            message,
            "copy the file into the repository",
        ));
    };
    if let Some(id) = specs.get(&path) {
        return Ok(*id);
    }

    match store.read(&path) {
        FileContent::Missing => Err(fault(
            &DEFINITION,
            format!("the file {path} does not exist"),
            "add it, or remove this; the path is relative to this file",
        )),
        content => take(sources, &path, content, true)
            .map_err(|found| fault(found.rule, found.message, &found.fix)),
    }
}

/// Takes a file into the sources.
///
/// # Errors
/// The finding about a file that cannot be read. It belongs to the whole fleet if `is_fleet`.
fn take(
    sources: &mut SourceMap,
    path: &str,
    content: FileContent,
    is_fleet: bool,
) -> Result<SourceId, Box<Diagnostic>> {
    let scope = |id: SourceId| match is_fleet {
        true => Scope::Fleet,
        false => Scope::File(id),
    };
    let is_odd = |c: char| c.is_control() || "\u{2028}\u{2029}".contains(c);
    let shown = match path.contains(is_odd) {
        true => path.escape_debug().to_string(),
        false => path.to_owned(),
    };

    let (rule, message, fix) = match content {
        _ if path.contains(is_odd) => (
            &UNREADABLE,
            format!("{shown} has a control character in its name"),
            "rename the file",
        ),
        FileContent::Bytes(bytes) => {
            let (id, problem) = add_bytes(sources, path, bytes);
            let Some(problem) = problem else {
                return Ok(id);
            };
            let fix = match problem.rule == &NOT_UTF8 {
                true => "save it as UTF-8",
                false => "split it",
            };
            return Err(Box::new(problem.fix(fix).scope(scope(id))));
        }
        FileContent::TooLarge(size) => (
            &TOO_LARGE,
            format!("{path} has {size} bytes; at most 1 MiB is read"),
            "split it, or move it out of the folder",
        ),
        FileContent::Unreadable(reason) => (
            &UNREADABLE,
            format!("{path} cannot be read: {reason}"),
            "make it readable, or remove it",
        ),
        FileContent::Outside { .. } => (
            &OUTSIDE_ROOT,
            format!("{path} leads out of the repository"),
            "copy the file into the repository",
        ),
        FileContent::Missing => (&UNREADABLE, format!("{path} is gone"), "run again"),
    };

    let span = sources.add_path(&shown);
    let fault = Diagnostic::new(rule, span, message).fix(fix);
    Err(Box::new(fault.scope(scope(span.source))))
}

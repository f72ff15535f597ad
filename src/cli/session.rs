//! A run: finding the fleet, reading its files, and the pipeline over them.

use super::CliError;
use super::args::Cli;
use super::bounded;
#[cfg(feature = "git")]
use super::files::git_root;
use super::files::{DiskStore, Store};
#[cfg(feature = "git")]
use super::git::{Revision, past_tree};
use super::ignored::{self, ReadIgnoreFiles};
use super::reading::{FleetFiles, FleetReader};
use super::workspace::Workspace;
use super::written::WrittenTree;
use std::collections::BTreeSet;
use std::path::Path;
use tenantry::bundle::{ClusterBundle, ObjectForm, RenderedObject, TenantManifests};
use tenantry::compile::{self, Compiled, RenderOptions, ResolvedFleet};
use tenantry::diagnostic::{Diagnostic, Level};
use tenantry::document::parse_foreign;
use tenantry::source::{MAX_BYTES, Source, SourceId, SourceMap};
use tenantry::spec::leaf::Day;
use tenantry::tenancy::Context;
use tenantry::tree::{Layout, Tombstone};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

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
    /// The files that say what Flux leaves out; they are read to render.
    pub ignored: ReadIgnoreFiles,
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
        let files = FleetFiles::read(&workspace, &disk)?;
        let light =
            FleetReader::new(cli, workspace, &disk).resolve(files, None, Context::default())?;
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
        Self::read_since(cli, workspace, store, context, None)
    }

    /// The same, where tenants' objects are compared with those of a revision too.
    pub fn read_since(
        cli: &Cli,
        workspace: Workspace,
        store: &dyn Store,
        context: Context,
        past: Option<&dyn Store>,
    ) -> Result<Self, CliError> {
        // The first document waits for the checkers of schemas: they are made meanwhile.
        rayon::spawn(compile::prepare);
        let (files, written) = rayon::join(
            || FleetFiles::read(&workspace, store),
            || WrittenTree::read(&workspace),
        );
        let reader = FleetReader::new(cli, workspace, store).since(past);
        reader.resolve(files?, Some(written?), context)
    }

    /// The same over a lock and records that were read before, and compared with the revision that they
    /// are of.
    pub fn read_over(
        cli: &Cli,
        workspace: Workspace,
        store: &dyn Store,
        context: Context,
        (written, past): (WrittenTree, &dyn Store),
    ) -> Result<Self, CliError> {
        rayon::spawn(compile::prepare);
        let files = FleetFiles::read(&workspace, store)?;
        let reader = FleetReader::new(cli, workspace, store).since(Some(past));
        reader.resolve(files, Some(written), context)
    }

    /// Reads and resolves everything as a revision of the fleet's repository has it: the specs, and the
    /// lock and the records if the tree is in the same repository.
    ///
    /// # Errors
    /// No repository, and no such revision.
    #[cfg(feature = "git")]
    pub fn read_at(cli: &Cli, workspace: Workspace, revision: &str) -> Result<Self, CliError> {
        let store = Revision::open(&workspace.root, revision)?;
        if git_root(&workspace.root) != git_root(&workspace.tree_base) {
            return Self::read(cli, workspace, &store);
        }
        let past = past_tree(&workspace, revision)?;
        let over = (past.written, &store as &dyn Store);
        Self::read_over(cli, workspace, &store, Context::default(), over)
    }

    /// Whether a spec declares this tenant.
    pub fn declares(&self, tenant: &str) -> bool {
        let mut declared = self.resolved.specs.tenants.iter();
        declared.any(|document| document.name.value == tenant)
    }

    /// Checks that the fleet has each of these tenants, in a spec or in its tree.
    ///
    /// # Errors
    /// A usage fault about the first tenant that it does not have.
    pub fn check_tenants<'a>(
        &self,
        names: impl IntoIterator<Item = &'a String>,
    ) -> Result<(), CliError> {
        let written = self.resolved.lock.tenants();
        let removed = self.resolved.lock.tombstones.values();
        let removed: BTreeSet<&str> = removed.map(Tombstone::tenant).collect();
        let is_known = |name: &str| {
            self.declares(name) || written.contains_key(name) || removed.contains(name)
        };

        match names.into_iter().find(|name| !is_known(name)) {
            Some(unknown) => Err(no_such_tenant(unknown, "")),
            None => Ok(()),
        }
    }

    /// Checks that the tree does not lie beside the specs of another fleet.
    ///
    /// # Errors
    /// A usage fault that names the other fleet.
    pub fn check_home(&self) -> Result<(), CliError> {
        let beside = self.workspace.tree_base.join("tenants/fleet.yaml");
        let own = self.workspace.root.join(&self.workspace.fleet);
        let is_own = || match (beside.canonicalize(), own.canonicalize()) {
            (Ok(beside), Ok(own)) => beside == own,
            _ => true,
        };
        let Some(fleet) = self.resolved.fleet().filter(|_| !is_own()) else {
            return Ok(());
        };
        let text = bounded::read_text(&beside, MAX_BYTES as u64).unwrap_or_default();
        let (documents, _) = parse_foreign(SourceId(0), &Source::new("", text));
        let mut names = documents.iter().filter_map(|document| {
            let name = document.root.at(&["metadata", "name"])?.as_str()?;
            let kind = document.root.get("kind")?.as_str()?;
            (kind == "Fleet").then_some(name)
        });
        let name = fleet.name.value.as_str();
        match names.find(|other| *other != name) {
            None => Ok(()),
            Some(other) => Err(CliError::Usage(format!(
                "--tree {}: it lies beside the specs of the fleet `{other}` ({}), and this is the fleet `{name}`",
                self.workspace
                    .tree_base
                    .join(&self.workspace.tree)
                    .display(),
                beside.display()
            ))),
        }
    }

    /// The names of the fleet's clusters.
    pub fn cluster_names(&self) -> Vec<&str> {
        let fleet = self.resolved.fleet().into_iter();
        let clusters = fleet.flat_map(|fleet| &fleet.spec.clusters);
        clusters.map(|cluster| cluster.name.as_str()).collect()
    }

    /// Renders some tenants alone, as values; and what is wrong.
    pub fn render_tenants(
        &self,
        tenants: &BTreeSet<String>,
    ) -> (Vec<ClusterBundle<RenderedObject>>, Vec<Diagnostic>) {
        compile::render_tenants(&self.resolved, &self.sources, &self.manifests, tenants)
    }

    /// The layout of the tree.
    pub fn layout(&self) -> Layout {
        let repository_path = self
            .resolved
            .fleet()
            .and_then(|f| f.spec.delivery.as_ref())
            .and_then(|d| d.repository_path.as_ref())
            .map_or_else(|| ".".to_owned(), |p| p.to_string());
        Layout {
            tree: self.workspace.tree.clone(),
            repository_path,
        }
    }

    /// Renders tenants and places them, and keeps the objects in the form that is asked for.
    pub fn compile<T: ObjectForm>(&mut self, selection: Selection) -> Compiled<T> {
        let layout = self.layout();
        if let Some(fleet) = self.resolved.specs.fleet.as_ref() {
            self.ignored = ignored::read_all(&self.workspace, fleet, &layout, &mut self.sources);
        }
        let options = RenderOptions {
            layout,
            tenants: selection.tenants,
            clusters: selection.clusters,
            removable: selection.removable,
            ignored: self.ignored.files.clone(),
            version: VERSION.to_owned(),
        };

        compile::emit(&mut self.resolved, &self.sources, &self.manifests, &options)
    }
}

/// The fault of a tenant that the arguments name and the fleet does not have. `more` says where, or
/// what was meant; it may be empty.
pub fn no_such_tenant(name: &str, more: &str) -> CliError {
    CliError::Usage(format!("there is no tenant `{name}`{more}"))
}

/// The fault of a cluster that `--cluster` names and the fleet does not have.
pub fn no_such_cluster(name: &str, known: &[&str]) -> CliError {
    let known = known.join(", ");
    CliError::Usage(format!("--cluster {name}: the fleet has {known}"))
}

/// The fault of a fleet of several clusters if `--cluster` names none.
pub fn which_cluster(known: &[&str]) -> CliError {
    let known = known.join(", ");
    CliError::Usage(format!(
        "the fleet has several clusters: add --cluster, of {known}"
    ))
}

/// What of the fleet to render.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these tenants, where any are named.
    pub tenants: Vec<String>,
    /// Only these clusters, where any are named.
    pub clusters: Vec<String>,
    /// Tenants that may go.
    pub removable: Vec<String>,
}

/// Whether a text is a day as `--now` takes it.
pub fn is_day(text: &str) -> bool {
    Day::parse(text).is_some()
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

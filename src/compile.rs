//! The stages one after the other, in three steps.
//!
//! 1. [`resolve`]: the lock and the records, templates, profiles and shared specs; then each tenant's
//!    document, alone; then what concerns several tenants (linking).
//! 2. The shell reads the verbatim files that the tenants name.
//! 3. [`emit`]: the standing of each tenant; rendering; the check against the records; the tree.
//!    [`render_tenants`] only renders, for a question about some tenants.

use crate::bundle::{
    self, ClusterBundle, ObjectForm, REQUIRED, RenderedObject, Templates, TenantManifests,
};
use crate::diagnostic::{Diagnostic, Level, Scope, sort};
use crate::graph::NOT_READ;
use crate::isolation;
use crate::kube::ObjectId;
use crate::source::{SourceId, SourceMap, Span};
use crate::spec::fleet::{FleetSpec, ManifestPlace};
use crate::spec::{self, FleetDoc, Loaded, NO_FLEET, ProfileDoc, SpecFile, Specs, TenantDoc};
use crate::tenancy::{
    self, Context, Linker, ResolveContext, Resolved, Standings, Tenancy, failing,
};
use crate::tree::{
    self, FileEntry, FileKind, IgnoreFiles, Layout, Lock, TenantPart, Tree, TreeRequest,
};
use indexmap::IndexSet;
use std::collections::{BTreeMap, BTreeSet};

/// The files that the shell read.
#[derive(Debug, Default)]
pub struct InputFiles {
    /// The path of the fleet's file.
    pub fleet_path: String,
    /// Files of specs.
    pub inputs: Vec<SpecFile>,
    /// The fleet's own templates: the path below `templates/`, and the text.
    pub templates: Vec<(String, SourceId)>,
    /// The lock.
    pub lock: Option<SourceId>,
    /// The records of the tree's files, by path.
    pub records: BTreeMap<String, FileEntry>,
    /// Each of those files as a source, for those who name it.
    pub record_spans: BTreeMap<String, Span>,
    /// The revision that the lock and the records are read at; `None` for those on disk.
    pub revision: Option<String>,
    /// What was wrong with reading them.
    pub faults: Vec<Diagnostic>,
}

/// A fleet whose tenants are resolved.
#[derive(Debug)]
pub struct ResolvedFleet {
    /// Every document.
    pub specs: Specs,
    /// Tenants without an error.
    pub tenancy: Tenancy,
    /// The lock.
    pub lock: Lock,
    /// The templates.
    pub templates: Templates,
    /// The digest of the profiles, built-in ones included.
    pub profiles_digest: String,
    /// Findings so far.
    pub findings: Vec<Diagnostic>,
}

impl ResolvedFleet {
    /// The fleet's document; `None` if it has a fault.
    pub const fn fleet(&self) -> Option<&FleetDoc> {
        self.specs.fleet.as_ref()
    }
}

/// Makes the checkers of schemas, which the first document and the first object would wait for.
pub fn prepare() {
    spec::prepare();
    bundle::prepare();
}

/// Reads specs and resolves tenants.
pub fn resolve(
    sources: &mut SourceMap,
    files: &mut InputFiles,
    context: &Context,
) -> ResolvedFleet {
    let mut findings = files.faults.clone();
    let mut lock = read_lock(sources, files, &mut findings);
    let known = rendered_sources(&lock);
    let home = spec::FleetHome {
        fleet: &files.fleet_path,
        known: &known,
    };
    let inputs = files.inputs.iter();
    let (shared_files, tenant_files): (Vec<&SpecFile>, Vec<&SpecFile>) =
        inputs.partition(|input| home.is_shared(sources, input));

    let (mut shared, in_shared) = read_shared(sources, files, &shared_files, home, &mut findings);
    if let Some(fleet) = &mut shared.specs.fleet {
        settle_manifests(&mut fleet.spec, &lock, &context.removable);
    }
    let mut about_all = Vec::new();
    let resolve_context = shared.resolve_context(context, &findings, &mut about_all);

    let load = || {
        let resolve_context = resolve_context.as_ref();
        load_tenants(sources, &tenant_files, home, in_shared, resolve_context)
    };
    let foreign = lock.foreign(&cluster_names(&shared.specs));
    let remember = || {
        let mut prior = lock.prior(&context.removable, &foreign);
        if let Some(inputs) = &context.inputs {
            prior.compare_with(inputs);
        }
        prior
    };
    let (mut loaded, prior) = rayon::join(load, remember);
    findings.append(&mut loaded.faults);

    let profiles_digest = digest_of_profiles(sources, &shared.profiles, &shared.specs);
    findings.extend(missing_fleet(sources, files, &shared.specs, &findings));

    let loaded = with_faulty(loaded, &mut findings);
    let (docs, skipped) = (loaded.specs.tenants, loaded.specs.skipped);
    let is_shared = |file| home.is_shared_path(&sources.get(file).path);
    spec::blame_files(&docs, &is_shared, &mut findings);
    let mut tenancy = Tenancy::default();
    if sound_fleet(&shared.specs, &findings).is_some() {
        let linker = resolve_context.as_ref().map(|resolve_context| Linker {
            resolve_context,
            docs: &docs,
            sources,
            context,
            prior: &prior,
            failed: &findings,
        });
        let faults = match linker {
            Some(linker) => {
                let (linked, faults) = linker.link(loaded.made, about_all);
                tenancy = linked;
                faults
            }
            None => about_all,
        };
        findings.extend(faults);
    }

    drop(prior);
    drop(resolve_context);
    lock.leave_out(&foreign);

    let mut specs = shared.specs;
    specs.tenants = docs;
    specs.skipped.extend(skipped);
    ResolvedFleet {
        specs,
        tenancy,
        lock,
        templates: shared.templates,
        profiles_digest,
        findings,
    }
}

/// Settles for each cluster where the objects of tenants' verbatim files lie: where the fleet says, else
/// where they were rendered, else in units of their own. `removable` are tenants whose empty units go.
fn settle_manifests(fleet: &mut FleetSpec, lock: &Lock, removable: &[String]) {
    let stated = fleet.delivery.as_ref().and_then(|d| d.manifests.as_ref());
    let stated = stated.map(|place| place.value);
    for cluster in &mut fleet.clusters {
        let recorded = lock.settled(cluster.name.as_str(), removable);
        let last = recorded.as_ref().map(|recorded| recorded.manifests);
        let mut settled = recorded.unwrap_or_default();
        settled.manifests = match (last, stated) {
            // There is nothing to move: a fleet may have such clusters beside those that it moves.
            (Some(ManifestPlace::Own), Some(ManifestPlace::Moving)) => ManifestPlace::Own,
            (_, Some(stated)) => stated,
            (last, None) => last.unwrap_or(ManifestPlace::Own),
        };
        cluster.settled = settled;
    }
}

/// The rendered files that hold verbatim objects of tenants that have some, each with the index of its
/// cluster in the fleet.
pub fn last_rendered(resolved: &ResolvedFleet) -> Vec<(usize, String)> {
    let Some(fleet) = resolved.fleet() else {
        return Vec::new();
    };
    let tenants = resolved.tenancy.tenants.iter();
    let have_files = tenants.filter(|tenant| tenant.on.iter().any(|on| !on.manifests.is_empty()));
    let have_files: BTreeSet<&str> = have_files.map(|t| t.name.value.as_str()).collect();
    if have_files.is_empty() {
        return Vec::new();
    }

    let holds = |cluster: usize, entry: &FileEntry| {
        let spec = &fleet.spec.clusters[cluster];
        let lines = resolved.lock.clusters.get(spec.name.as_str());
        let file = lines.and_then(|line| line.folder().parse(&entry.path));
        match file {
            Some(FileKind::Tenant { tenant, part, .. }) => {
                let is_apart = part == TenantPart::Manifests;
                have_files.contains(tenant)
                    && (is_apart || spec.settled.manifests != ManifestPlace::Own)
            }
            _ => false,
        }
    };
    let clusters: BTreeMap<&str, usize> = cluster_names(&resolved.specs)
        .into_iter()
        .zip(0..)
        .collect();
    let files = resolved.lock.files.values();
    let found = files.filter_map(|entry| {
        let cluster = *clusters.get(entry.cluster.as_str())?;
        holds(cluster, entry).then(|| (cluster, entry.path.clone()))
    });
    found.collect()
}

/// What all tenants have in common.
struct SharedInputs {
    templates: Templates,
    /// The profiles that are built in.
    profiles: BTreeMap<String, ProfileDoc>,
    /// The documents of the shared files, but for those of tenants.
    specs: Specs,
}

/// Reads the templates, the built-in profiles and the files of specs that all tenants share. Returns
/// the documents of tenants apart: a Fleet's file may hold some too.
fn read_shared(
    sources: &mut SourceMap,
    files: &InputFiles,
    shared: &[&SpecFile],
    home: spec::FleetHome<'_>,
    findings: &mut Vec<Diagnostic>,
) -> (SharedInputs, Vec<TenantDoc>) {
    let builtin = bundle::builtin_profiles(sources);
    let (templates, faults) = Templates::load(sources, &files.templates);
    findings.extend(faults);
    let (profiles, faults) = spec::load_profiles(sources, &builtin);
    findings.extend(faults);

    let loaded = spec::load(sources, shared, home, &|doc| (doc, ()));
    findings.extend(loaded.faults);
    let mut specs = loaded.specs;
    let tenants = std::mem::take(&mut specs.tenants);
    let shared = SharedInputs {
        templates,
        profiles,
        specs,
    };
    (shared, tenants)
}

impl SharedInputs {
    /// The context in which each tenant is resolved; `None` if a finding stops the fleet.
    fn resolve_context<'a>(
        &'a self,
        context: &'a Context,
        findings: &[Diagnostic],
        about_all: &mut Vec<Diagnostic>,
    ) -> Option<ResolveContext<'a>> {
        let fleet = sound_fleet(&self.specs, findings)?;
        let proof_rules = isolation::severity::RATED_RULES
            .iter()
            .map(|rated| rated.rule)
            .filter(|rule| **rule != NOT_READ)
            .collect();
        tenancy::resolve_context(
            fleet,
            &self.specs,
            &self.profiles,
            context,
            proof_rules,
            about_all,
        )
    }
}

/// The lock, with the records of the tree's files.
pub fn read_lock(
    sources: &SourceMap,
    files: &mut InputFiles,
    findings: &mut Vec<Diagnostic>,
) -> Lock {
    let mut lock = Lock::default();
    if let Some(id) = files.lock {
        let (read, faults) = Lock::parse(id, sources.get(id));
        findings.extend(faults);
        lock = read;
    }
    lock.revision.clone_from(&files.revision);
    lock.add(
        std::mem::take(&mut files.records),
        std::mem::take(&mut files.record_spans),
    );
    lock
}

/// The files that tenants were rendered from before.
fn rendered_sources(lock: &Lock) -> IndexSet<&str> {
    lock.files
        .values()
        .filter(|entry| entry.tenant.is_some())
        .filter_map(|entry| entry.source.as_deref())
        .collect()
}

/// The fleet's document, unless a finding stops the whole run.
fn sound_fleet<'a>(specs: &'a Specs, findings: &[Diagnostic]) -> Option<&'a FleetDoc> {
    let fleet = specs.fleet.as_ref();
    fleet.filter(|_| !findings.iter().any(Diagnostic::stops_the_fleet))
}

fn cluster_names(specs: &Specs) -> Vec<&str> {
    let clusters = specs.fleet.iter().flat_map(|fleet| &fleet.spec.clusters);
    clusters.map(|cluster| cluster.name.as_str()).collect()
}

/// Reads the files of tenants, and resolves each tenant alone; also those of the shared files.
fn load_tenants<'g>(
    sources: &SourceMap,
    inputs: &[&SpecFile],
    home: spec::FleetHome<'_>,
    in_shared: Vec<TenantDoc>,
    resolve_context: Option<&'g ResolveContext<'_>>,
) -> Loaded<Resolved<'g>> {
    let resolve = |doc: TenantDoc| {
        let resolved = resolve_context
            .map(|resolve_context| resolve_context.resolve(&doc))
            .unwrap_or_default();
        (doc.without_body(), resolved)
    };

    let mut loaded = spec::load(sources, inputs, home, &resolve);
    // A Fleet, a Profile or a Waiver in one of these files is a fault.
    debug_assert!(
        loaded.specs.fleet.is_none()
            && loaded.specs.profiles.is_empty()
            && loaded.specs.waivers.is_empty()
    );

    merge(&mut loaded, in_shared.into_iter().map(resolve).collect());
    loaded
}

/// Adds documents to those that were loaded, in the order of the files. Both are sorted, which the
/// stable sort makes use of: it takes linear time.
fn merge<T>(loaded: &mut Loaded<T>, more: Vec<(TenantDoc, T)>) {
    if more.is_empty() {
        return;
    }
    let docs = std::mem::take(&mut loaded.specs.tenants).into_iter();
    let made = std::mem::take(&mut loaded.made);
    let mut all: Vec<(TenantDoc, T)> = docs.zip(made).chain(more).collect();
    all.sort_by_key(|(doc, _)| doc.name.span.source);
    (loaded.specs.tenants, loaded.made) = all.into_iter().unzip();
}

/// Takes in the sound parts of documents with a fault, for what else is wrong with them. A fault that
/// is the tenant's own holds it. Another part, such as that of a second document of a tenant, only adds
/// its errors, which are its file's.
fn with_faulty<'g>(
    mut loaded: Loaded<Resolved<'g>>,
    findings: &mut Vec<Diagnostic>,
) -> Loaded<Resolved<'g>> {
    let faulty = std::mem::take(&mut loaded.faulty);
    let broken = failing(findings);
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let sound = loaded.specs.tenants.iter();
    for doc in sound.chain(faulty.iter().map(|(doc, _)| doc)) {
        *names.entry(doc.name.value.clone()).or_default() += 1;
    }

    let mut held = Vec::new();
    for (doc, resolved) in faulty {
        let name = doc.name.value.as_str();
        let is_own = names.get(name) == Some(&1) && broken.contains(name) && doc.origin.is_none();
        if is_own {
            held.push((doc, resolved));
            continue;
        }
        let errors = resolved.findings.into_iter();
        let errors = errors.filter(|finding| finding.level == Level::Error);
        let scope = Scope::File(doc.name.span.source);
        findings.extend(errors.map(|finding| finding.scope(scope.clone())));
    }
    merge(&mut loaded, held);
    loaded
}

fn digest_of_profiles(
    sources: &SourceMap,
    builtin: &BTreeMap<String, ProfileDoc>,
    specs: &Specs,
) -> String {
    let mut hasher = blake3::Hasher::new();
    for profile in builtin.values().chain(specs.profiles.values()) {
        let source = sources.get(profile.name.span.source);
        hasher.update(source.text.as_bytes());
    }
    bundle::short(&hasher)
}

/// Reports that there is no Fleet, unless another finding says why.
fn missing_fleet(
    sources: &mut SourceMap,
    files: &InputFiles,
    specs: &Specs,
    findings: &[Diagnostic],
) -> Option<Diagnostic> {
    if specs.fleet.is_some() || findings.iter().any(Diagnostic::stops_the_fleet) {
        return None;
    }
    let span = sources.add_path(&files.fleet_path);
    let message = format!("{} holds no Fleet", files.fleet_path);
    let finding = Diagnostic::new(&NO_FLEET, span, message)
        .fix("write one, or run: tenantry init")
        .scope(Scope::Fleet);
    Some(finding)
}

/// Renders some tenants alone, as values, for a question about them: what only a whole run finds
/// (what others define, the tree, the lock) is not asked. A tenant with an error is left out.
pub fn render_tenants(
    resolved: &ResolvedFleet,
    sources: &SourceMap,
    manifests: &TenantManifests,
    tenants: &BTreeSet<String>,
) -> (Vec<ClusterBundle<RenderedObject>>, Vec<Diagnostic>) {
    let mut findings = resolved.findings.clone();
    let Some(fleet) = sound_fleet(&resolved.specs, &findings) else {
        return (Vec::new(), findings);
    };

    let broken = failing(&findings);
    let wanted = |name: &str| tenants.contains(name) && !broken.contains(name);
    let (mut bundles, faults) = bundle::render(
        &resolved.tenancy.tenants,
        fleet,
        &resolved.templates,
        manifests,
        sources,
        &wanted,
    );

    findings.extend(faults);

    let broken = failing(&findings);
    retain_tenants(&mut bundles, |tenant| !broken.contains(tenant));
    sort(sources, &mut findings);

    (bundles, findings)
}

/// What a run is asked for.
#[derive(Debug)]
pub struct RenderOptions {
    /// Where things are.
    pub layout: Layout,
    /// Only these tenants, where any are named.
    pub tenants: Vec<String>,
    /// Only these clusters, where any are named.
    pub clusters: Vec<String>,
    /// Tenants that may go.
    pub removable: Vec<String>,
    /// The files that say what the engine leaves out of its source.
    pub ignored: IgnoreFiles,
    /// The version of this program.
    pub version: String,
}

/// Everything that comes out.
#[derive(Debug)]
pub struct Compiled<T> {
    /// Objects, by cluster.
    pub bundles: Vec<ClusterBundle<T>>,
    /// The tree; its files only if the texts of the objects are kept.
    pub tree: Tree,
    /// The standing of each tenant.
    pub standings: Standings,
    /// All findings, sorted.
    pub findings: Vec<Diagnostic>,
}

/// Renders tenants and places them. Takes the findings of `resolved`, and the tenants that have an
/// error.
pub fn emit<T: ObjectForm>(
    resolved: &mut ResolvedFleet,
    sources: &SourceMap,
    manifests: &TenantManifests,
    options: &RenderOptions,
) -> Compiled<T> {
    let mut compiled = Compiled {
        bundles: Vec::new(),
        tree: Tree::default(),
        standings: Standings::default(),
        findings: std::mem::take(&mut resolved.findings),
    };
    let is_stopped = compiled.findings.iter().any(Diagnostic::stops_the_fleet)
        || !render_and_place(resolved, sources, manifests, options, &mut compiled);
    if is_stopped {
        compiled.standings.stop(all_tenants(resolved));
    }
    sort(sources, &mut compiled.findings);
    compiled
}

/// The tenants that a spec declares, and those of the records.
fn all_tenants(resolved: &ResolvedFleet) -> BTreeSet<String> {
    let declared = resolved.specs.tenants.iter();
    let declared = declared.map(|document| document.name.value.to_string());
    let recorded = resolved.lock.tenants().into_keys().map(str::to_owned);
    declared.chain(recorded).collect()
}

/// Adds the bundles, the tree, the standings and the findings of a fleet that nothing stopped so
/// far. Returns whether the tenants could be rendered and may change so.
fn render_and_place<T: ObjectForm>(
    resolved: &mut ResolvedFleet,
    sources: &SourceMap,
    manifests: &TenantManifests,
    options: &RenderOptions,
    compiled: &mut Compiled<T>,
) -> bool {
    let Some(fleet) = &resolved.specs.fleet else {
        return false;
    };
    let findings = &mut compiled.findings;
    resolved.tenancy.set_aside(&failing(findings));
    if !manifests.is_empty() {
        let foreign = resolved.lock.foreign(&cluster_names(&resolved.specs));
        let prior = resolved.lock.prior(&options.removable, &foreign);
        let tenancy = &mut resolved.tenancy;
        bundle::claim_hosts(tenancy, manifests, sources, &prior, findings);
        bundle::check_called_names(tenancy, &fleet.spec, manifests, sources, &prior, findings);
        bundle::claim_keys(tenancy, fleet, manifests, sources, &prior, findings);
    }

    let (mut bundles, faults) = bundle::render(
        &resolved.tenancy.tenants,
        fleet,
        &resolved.templates,
        manifests,
        sources,
        &|_| true,
    );

    findings.extend(faults);
    if findings.iter().any(Diagnostic::stops_the_fleet) {
        return false;
    }
    findings.extend(unused_waivers(&resolved.tenancy, findings));
    findings.extend(more_errors(resolved, fleet, sources, manifests));

    let standings = Standings::new(
        &resolved.tenancy,
        &resolved.lock.tenants(),
        findings,
        sources,
        &|tenant| is_selected(&options.tenants, tenant),
    );

    bundles.retain(|bundle| {
        let cluster = &fleet.spec.clusters[bundle.cluster];
        is_selected(&options.clusters, cluster.name.as_str())
    });
    retain_tenants(&mut bundles, |tenant| standings.is_rendered(tenant));

    // A new file that cannot be read may be that of a tenant which seems to be gone.
    let (removable, postponed) = match has_new_faulty_file(findings, sources, &resolved.lock) {
        false => (&options.removable[..], &[][..]),
        true => (&[][..], &options.removable[..]),
    };

    let request = TreeRequest {
        fleet,
        tenancy: &resolved.tenancy,
        sources,
        lock: &resolved.lock,
        layout: &options.layout,
        standings: &standings,
        removable,
        postponed,
        ignored: &options.ignored,
        version: &options.version,
        templates: &resolved.templates.digest,
        profiles: &resolved.profiles_digest,
        texts: T::HAS_TEXT,
    };
    place(&request, bundles, compiled)
}

/// The errors that the objects of tenants have which have an error already. They are rendered for
/// these alone.
fn more_errors(
    resolved: &ResolvedFleet,
    fleet: &FleetDoc,
    sources: &SourceMap,
    manifests: &TenantManifests,
) -> Vec<Diagnostic> {
    let failing = &resolved.tenancy.failing;
    if failing.is_empty() {
        return Vec::new();
    }
    let (_, faults) = bundle::render::<ObjectId>(
        failing,
        fleet,
        &resolved.templates,
        manifests,
        sources,
        &|_| true,
    );
    // An object that they require may be that of a tenant without an error.
    let is_own = |fault: &Diagnostic| {
        let tenant = fault.concerned_tenant();
        fault.level == Level::Error && fault.rule != &REQUIRED && tenant.is_some()
    };
    faults.into_iter().filter(is_own).collect()
}

/// Whether a file from which no tenant was rendered yet has an error that is not known to be of one
/// tenant alone.
fn has_new_faulty_file(findings: &[Diagnostic], sources: &SourceMap, lock: &Lock) -> bool {
    let known: BTreeSet<&str> = lock.tenants().into_values().collect();
    let mut errors = findings
        .iter()
        .filter(|finding| finding.level == Level::Error);
    errors.any(|finding| match finding.scope {
        Scope::File(file) => !known.contains(&*sources.get(file).path),
        _ => false,
    })
}

/// The waivers that no tenant without an error uses, once the tenants' manifests are checked.
fn unused_waivers(tenancy: &Tenancy, findings: &[Diagnostic]) -> Vec<Diagnostic> {
    let broken = failing(findings);
    let rendered = tenancy
        .tenants
        .iter()
        .map(|tenant| tenant.name.value.as_str());
    let rendered: BTreeSet<&str> = rendered.filter(|name| !broken.contains(*name)).collect();
    tenancy.permits.unused(|name| rendered.contains(name))
}

/// Checks rendered tenants against the records, holds those that may not change so, and builds the
/// tree of the others. Returns whether the records let the fleet change.
fn place<T: ObjectForm>(
    request: &TreeRequest<'_>,
    mut bundles: Vec<ClusterBundle<T>>,
    compiled: &mut Compiled<T>,
) -> bool {
    let refused = tree::check_moves(request, &bundles);
    let mut standings = request.standings.clone();
    standings.hold(&refused);
    retain_tenants(&mut bundles, |tenant| standings.is_rendered(tenant));
    let may_change = !refused.iter().any(Diagnostic::stops_the_fleet);
    if !may_change {
        bundles.clear();
    }
    compiled.findings.extend(refused);

    let request = TreeRequest {
        standings: &standings,
        ..*request
    };

    let mut faults = Vec::new();
    let tree = tree::build(&request, &mut bundles, &mut faults);
    if !faults.iter().any(Diagnostic::stops_the_fleet) {
        compiled.tree = tree;
    }
    compiled.findings.extend(faults);

    compiled.bundles = bundles;
    compiled.standings = standings;
    may_change
}

/// Whether a tenant or a cluster is one of those that were named, or none was.
fn is_selected(named: &[String], name: &str) -> bool {
    named.is_empty() || named.iter().any(|one| one == name)
}

fn retain_tenants<T>(bundles: &mut [ClusterBundle<T>], stays: impl Fn(&str) -> bool) {
    for bundle in bundles {
        bundle.tenants.retain(|tenant| stays(&tenant.tenant));
    }
}

//! The pipeline from end to end, in two halves: between them, the shell reads the verbatim files
//! that tenants name.

use crate::bundle::{self, ClusterBundle, Kept, Manifests, RenderedObject, Templates};
use crate::diagnostic::{Diagnostic, Level, Scope, sort};
use crate::source::{SourceId, SourceMap, Span};
use crate::spec::{self, FleetDoc, Input, NO_FLEET, Specs, TenantDoc};
use crate::tenancy::{self, Context, Tenancy, failing};
use crate::tree::{self, FileEntry, Layout, Lock, Request, Tree};
use indexmap::IndexSet;
use std::collections::{BTreeMap, BTreeSet};

/// What the shell read.
#[derive(Debug, Default)]
pub struct Files {
    /// The path of the fleet's file.
    pub fleet_path: String,
    /// Files of specs.
    pub inputs: Vec<Input>,
    /// The fleet's own templates: the path below `templates/`, and the text.
    pub templates: Vec<(String, SourceId)>,
    /// The lock.
    pub lock: Option<SourceId>,
    /// The records of the tree's files, by path.
    pub records: BTreeMap<String, FileEntry>,
    /// Each of those files as a source, for those who name it.
    pub record_spans: BTreeMap<String, Span>,
    /// What was wrong with reading them.
    pub faults: Vec<Diagnostic>,
}

/// Specs and tenants.
#[derive(Debug)]
pub struct Front {
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

impl Front {
    /// The fleet; nothing after a fault in it.
    pub const fn fleet(&self) -> Option<&FleetDoc> {
        self.specs.fleet.as_ref()
    }

    /// Whether a finding stops the whole run.
    pub fn stopped(&self) -> bool {
        self.specs.fleet.is_none() || self.findings.iter().any(Diagnostic::stops_the_fleet)
    }
}

/// Makes the checkers of schemas, which the first document and the first object would wait for.
pub fn prepare() {
    spec::prepare();
    bundle::prepare();
}

/// Reads specs and resolves tenants.
pub fn front(sources: &mut SourceMap, files: &mut Files, context: &Context) -> Front {
    let mut findings = files.faults.clone();
    let mut lock = match files.lock {
        Some(id) => {
            let (lock, faults) = Lock::parse(id, sources.get(id));
            findings.extend(faults);
            lock
        }
        None => Lock::default(),
    };
    lock.add(
        std::mem::take(&mut files.records),
        std::mem::take(&mut files.record_spans),
    );
    let known: IndexSet<&str> = lock
        .files
        .values()
        .filter(|e| e.tenant.is_some())
        .filter_map(|e| e.source.as_deref())
        .collect();
    let builtin = bundle::builtin_profiles(sources);
    let (templates, faults) = Templates::load(sources, &files.templates);
    findings.extend(faults);
    let (profiles, faults) = spec::load_profiles(sources, &builtin);
    findings.extend(faults);
    let home = spec::Home {
        fleet: &files.fleet_path,
        known: &known,
    };
    let (shared, rest): (Vec<&Input>, Vec<&Input>) = files
        .inputs
        .iter()
        .partition(|i| home.is_shared(sources, i));
    let first = spec::load(sources, &shared, home, &|doc| (doc, ()));
    let mut specs = first.specs;
    let in_shared = std::mem::take(&mut specs.tenants);
    findings.extend(first.faults);
    let clusters = specs
        .fleet
        .iter()
        .flat_map(|f| f.spec.clusters.iter().map(|c| c.name.as_str()));
    let clusters: Vec<&str> = clusters.collect();
    let mut about_all = Vec::new();
    let sound = !findings.iter().any(Diagnostic::stops_the_fleet);
    let fleet = specs.fleet.as_ref().filter(|_| sound);
    let ground =
        fleet.and_then(|fleet| tenancy::ground(fleet, &specs, &profiles, context, &mut about_all));
    let resolve = |doc: TenantDoc| {
        let made = ground
            .as_ref()
            .map(|ground| ground.resolve(&doc))
            .unwrap_or_default();
        (doc.into_shell(), made)
    };
    let load = || spec::load(sources, &rest, home, &resolve);
    let remember = || {
        let foreign = lock.foreign(&clusters, tree::recorded_unit);
        (lock.prior(&context.leaving, &foreign), foreign)
    };
    let (others, (prior, foreign)) = rayon::join(load, remember);
    findings.extend(others.faults);
    // Elsewhere, they are in the wrong place.
    debug_assert!(
        others.specs.fleet.is_none()
            && others.specs.profiles.is_empty()
            && others.specs.waivers.is_empty()
    );
    let (mut docs, skipped, mut resolved) =
        (others.specs.tenants, others.specs.skipped, others.made);
    for doc in in_shared {
        // A Fleet's file may hold tenants too.
        let at = docs.partition_point(|other| other.name.span.source <= doc.name.span.source);
        let (doc, made) = resolve(doc);
        docs.insert(at, doc);
        resolved.insert(at, made);
    }
    let mut hasher = blake3::Hasher::new();
    for span in profiles
        .values()
        .chain(specs.profiles.values())
        .map(|p| p.name.span)
    {
        hasher.update(sources.get(span.source).text.as_bytes());
    }
    if specs.fleet.is_none() && !findings.iter().any(Diagnostic::stops_the_fleet) {
        let span = sources.add_path(&files.fleet_path);
        findings.push(
            Diagnostic::new(
                &NO_FLEET,
                span,
                format!("{} holds no Fleet", files.fleet_path),
            )
            .fix("write one, or run: tenantry init")
            .scope(Scope::Fleet),
        );
    }
    let sound = specs.fleet.is_some() && !findings.iter().any(Diagnostic::stops_the_fleet);
    let tenancy = match &ground {
        Some(ground) if sound => {
            let (joined, faults) = tenancy::join(
                ground, &docs, resolved, sources, context, &prior, &findings, about_all,
            );
            findings.extend(faults);
            joined
        }
        _ => {
            drop(resolved);
            if sound {
                findings.extend(about_all);
            }
            Tenancy::default()
        }
    };
    drop(prior);
    drop(ground);
    lock.leave_out(&foreign);
    specs.tenants = docs;
    specs.skipped.extend(skipped);
    Front {
        specs,
        tenancy,
        lock,
        templates,
        profiles_digest: bundle::short(&hasher),
        findings,
    }
}

/// What a run is asked for.
#[derive(Debug)]
pub struct Wish {
    /// Where things are.
    pub layout: Layout,
    /// Only these tenants, where any are named.
    pub tenants: Vec<String>,
    /// Only these clusters, where any are named.
    pub clusters: Vec<String>,
    /// Tenants that may go.
    pub allow_removal: Vec<String>,
    /// The version of this program.
    pub version: String,
}

/// Renders some tenants alone, as values, for a question about them: what only a whole run finds
/// (what others define, the tree, the lock) is not asked. A tenant with an error is left out.
pub fn some(
    front: &Front,
    sources: &SourceMap,
    manifests: &Manifests,
    tenants: &BTreeSet<String>,
) -> (Vec<ClusterBundle<RenderedObject>>, Vec<Diagnostic>) {
    let mut findings = front.findings.clone();
    let Some(fleet) = front
        .specs
        .fleet
        .as_ref()
        .filter(|_| !findings.iter().any(Diagnostic::stops_the_fleet))
    else {
        return (Vec::new(), findings);
    };
    let broken = failing(&findings);
    let wanted = |name: &str| tenants.contains(name) && !broken.contains(name);
    let (mut bundles, faults) = bundle::render(
        &front.tenancy,
        fleet,
        &front.templates,
        manifests,
        sources,
        &wanted,
    );
    findings.extend(faults);
    drop_failing(&mut bundles, &failing(&findings));
    sort(sources, &mut findings);
    (bundles, findings)
}

/// Everything that comes out.
#[derive(Debug)]
pub struct Compiled<T> {
    /// Objects, by cluster.
    pub bundles: Vec<ClusterBundle<T>>,
    /// The tree; its files only if the texts of the objects are kept.
    pub tree: Tree,
    /// Tenants whose last rendered files are held.
    pub held: BTreeSet<String>,
    /// All findings, sorted.
    pub findings: Vec<Diagnostic>,
}

/// Renders tenants and places them.
pub fn back<T: Kept>(
    front: &mut Front,
    sources: &SourceMap,
    manifests: &Manifests,
    wish: &Wish,
) -> Compiled<T> {
    let mut compiled = Compiled {
        bundles: Vec::new(),
        tree: Tree::default(),
        held: BTreeSet::new(),
        findings: std::mem::take(&mut front.findings),
    };
    if !compiled.findings.iter().any(Diagnostic::stops_the_fleet) {
        render_and_place(front, sources, manifests, wish, &mut compiled);
    }
    sort(sources, &mut compiled.findings);
    compiled
}

/// Adds the bundles, the tree, the held tenants and the findings of a fleet that nothing stopped
/// so far.
fn render_and_place<T: Kept>(
    front: &mut Front,
    sources: &SourceMap,
    manifests: &Manifests,
    wish: &Wish,
    compiled: &mut Compiled<T>,
) {
    let Some(fleet) = &front.specs.fleet else {
        return;
    };
    let findings = &mut compiled.findings;
    let broken = failing(findings);
    front
        .tenancy
        .tenants
        .retain(|tenant| !broken.contains(&tenant.name.value));

    let (mut bundles, faults) = bundle::render(
        &front.tenancy,
        fleet,
        &front.templates,
        manifests,
        sources,
        &|_| true,
    );
    findings.extend(faults);
    if findings.iter().any(Diagnostic::stops_the_fleet) {
        return;
    }
    retain_wished(&mut bundles, fleet, wish);
    drop_failing(&mut bundles, &failing(findings));

    let held = held_tenants(findings, &front.lock, &front.tenancy.absent, sources);
    let kept = unwished_tenants(&front.lock, wish);
    let request = Request {
        fleet,
        tenancy: &front.tenancy,
        sources,
        lock: &front.lock,
        layout: &wish.layout,
        held: &held,
        kept: &kept,
        allow_removal: &wish.allow_removal,
        version: &wish.version,
        templates: &front.templates.digest,
        profiles: &front.profiles_digest,
        texts: T::HAS_TEXT,
    };
    let refusals = tree::refusals(&request, &bundles);
    let held = &held | &failing(&refusals);
    drop_failing(&mut bundles, &held);
    if refusals.iter().any(Diagnostic::stops_the_fleet) {
        bundles.clear();
    }
    findings.extend(refusals);

    let request = Request {
        held: &held,
        ..request
    };
    let mut faults = Vec::new();
    let tree = tree::build(&request, &mut bundles, &mut faults);
    if !faults.iter().any(Diagnostic::stops_the_fleet) {
        compiled.tree = tree;
    }
    findings.extend(faults);

    compiled.bundles = bundles;
    compiled.held = held;
}

/// Leaves only the clusters and the tenants that were named, if any were.
fn retain_wished<T>(bundles: &mut Vec<ClusterBundle<T>>, fleet: &FleetDoc, wish: &Wish) {
    let is_wished =
        |named: &[String], name: &str| named.is_empty() || named.iter().any(|one| one == name);

    bundles.retain(|bundle| {
        let cluster = &fleet.spec.clusters[bundle.cluster];
        is_wished(&wish.clusters, cluster.name.as_str())
    });
    for bundle in bundles {
        bundle
            .tenants
            .retain(|tenant| is_wished(&wish.tenants, &tenant.tenant));
    }
}

/// The tenants of the records that this run leaves out, because others were named.
fn unwished_tenants(lock: &Lock, wish: &Wish) -> BTreeSet<String> {
    if wish.tenants.is_empty() {
        return BTreeSet::new();
    }
    lock.tenants()
        .into_keys()
        .filter(|tenant| wish.tenants.iter().all(|wished| wished != tenant))
        .map(str::to_owned)
        .collect()
}

fn drop_failing<T>(bundles: &mut [ClusterBundle<T>], failing: &BTreeSet<String>) {
    for bundle in bundles {
        bundle.tenants.retain(|t| !failing.contains(&t.tenant));
    }
}

/// Tenants with an error; those of a file with one; those of a source that was not given.
fn held_tenants(
    findings: &[Diagnostic],
    lock: &Lock,
    absent: &BTreeSet<String>,
    sources: &SourceMap,
) -> BTreeSet<String> {
    let mut held = failing(findings);
    let broken: BTreeSet<&str> = findings
        .iter()
        .filter(|d| d.level == Level::Error)
        .filter_map(|d| match &d.scope {
            Scope::File(id) => Some(sources.get(*id).path.as_str()),
            _ => None,
        })
        .collect();
    if !broken.is_empty() || !absent.is_empty() {
        let prior = lock.tenants().into_iter();
        let lost =
            prior.filter(|(tenant, source)| broken.contains(source) || absent.contains(*tenant));
        held.extend(lost.map(|(tenant, _)| tenant.to_owned()));
    }
    held
}

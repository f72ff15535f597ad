//! `diff`: what a change does to the objects.

use crate::cli::args::{Cli, DiffArgs, FailOnClass, ReportFormat};
use crate::cli::files::{DiskStore, FileContent, Store, read_all};
use crate::cli::session::{Selection, Session};
use crate::cli::workspace::working_folder;
use crate::cli::{CliError, Outcome, output};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tenantry::bundle::RenderedObject;
use tenantry::compile::Compiled;
use tenantry::delivery::{AppliedFolder, ClusterEngine, FolderOrigin, FolderRole};
use tenantry::diagnostic::{Level, listed};
use tenantry::document::TreeValue;
use tenantry::graph::{self, Cluster, ClusterObjects};
use tenantry::import::survey;
use tenantry::isolation::delta::{
    self, BesideAccess, ClusterState, DeltaClass, Effect, Objects, Party, Topic,
};
use tenantry::kube::ObjectId;
use tenantry::report::diff::{
    Deltas, Difference, class, delta_text, diff, json, markdown, summary, text, untold,
};
use tenantry::report::{first_few, plural};
use tenantry::source::{Source, SourceMap};
use tenantry::spec::fleet::{ClusterSpec, FleetSpec, ManifestPlace, SourceMode};

/// Runs the command.
pub fn run(cli: &Cli, args: &DiffArgs) -> Result<Outcome, CliError> {
    let selection = Selection {
        tenants: args.tenant.clone(),
        clusters: args.cluster.clone(),
        removable: Vec::new(),
    };

    let mut session = Session::open(cli, None)?;
    check_names(args, &session)?;
    let compiled = session.compile::<RenderedObject>(selection.clone());
    let has_errors = report_errors(cli, &session, &compiled);

    let comparison = match &args.against {
        Some(folder) => {
            let folder = working_folder(cli)?.join(folder);
            DiffInputs::with_folder(&folder, &session, &compiled)?
        }
        None => {
            let revision = args.rev.as_deref().unwrap_or("HEAD");
            let old = at_revision(cli, revision, selection)?;
            DiffInputs::with_revision(old, &session, &compiled)
        }
    };

    let difference = comparison.difference(args.metadata, session.cluster_names().len() > 1);
    deliver(cli, &difference, &comparison.deltas)?;

    output::status(cli, &summary(&difference));
    let class = class(&comparison.deltas);
    if args.against.is_none() {
        let untold = untold(&comparison.deltas);
        match class {
            DeltaClass::CannotTell if compiled.standings.held().next().is_some() => {
                let says = "isolation: tenants with an error are left out: mend the errors first";
                output::status(cli, says);
            }
            _ => report_class(cli, class, untold),
        }
    }

    let differs = args.exit_code && !difference.changes.is_empty();
    let widens = args.fail_on == Some(FailOnClass::Widens) && class >= DeltaClass::CannotTell;
    Ok(Outcome::from(has_errors || differs || widens))
}

/// Prints the findings if the specs have an error. Returns whether they have one.
fn report_errors(cli: &Cli, session: &Session, compiled: &Compiled<RenderedObject>) -> bool {
    let findings = &compiled.findings;
    let has_errors = findings.iter().any(|d| d.level == Level::Error);

    if has_errors {
        let findings = &listed(&session.sources, findings);
        let text = tenantry::report::text(&session.sources, findings, false, 120);
        output::err(&text);
        let held: Vec<&str> = compiled.standings.held().collect();
        if !held.is_empty() {
            let names = first_few(held.iter().copied());
            output::status(
                cli,
                &format!("held, and left out of the comparison: {names}"),
            );
        }
    }
    has_errors
}

/// Writes the report in each format that was asked for; as text if none was.
fn deliver(cli: &Cli, difference: &Difference, deltas: &Deltas) -> Result<(), CliError> {
    output::each(cli, |target| match target.format {
        ReportFormat::Json => json(difference, deltas),
        ReportFormat::Markdown => markdown(difference, deltas),
        ReportFormat::Text
        | ReportFormat::Github
        | ReportFormat::Sarif
        | ReportFormat::Junit
        | ReportFormat::Mermaid => {
            format!("{}{}", text(difference), delta_text(deltas))
        }
    })
}

fn report_class(cli: &Cli, class: DeltaClass, untold: usize) {
    let open = format!("{} cannot be told (`?` above)", plural(untold, "effect"));
    let says = match class {
        DeltaClass::Neutral => "the change changes nothing of what tenants may".to_owned(),
        DeltaClass::Narrows => "the change narrows what tenants may".to_owned(),
        DeltaClass::CannotTell => format!("what the change gives: {open}"),
        DeltaClass::Widens if untold > 0 => {
            format!("the change widens what a tenant may; {open}")
        }
        DeltaClass::Widens => "the change widens what a tenant may".to_owned(),
    };
    output::status(cli, &format!("isolation: {says}"));
}

/// The objects of each cluster; those of a folder stand under the empty name.
type ClusterObjectSets = BTreeMap<String, Objects>;

/// The objects by which each cluster's engine applies the tree, for one folder that stands for all.
struct TreeUnits {
    before: ClusterObjectSets,
    after: ClusterObjectSets,
}

/// The name of the folder that stands for all.
const EVERY_UNIT: &str = "(each unit of the tree)";

fn tree_units(session: &Session) -> ClusterObjectSets {
    let Some(fleet) = session.resolved.fleet() else {
        return ClusterObjectSets::new();
    };
    let delivery = fleet.spec.delivery.as_ref();
    let has_artifacts = delivery.and_then(|d| d.source) == Some(SourceMode::PerShard);

    let of_cluster = |cluster: &ClusterSpec| {
        let engine = ClusterEngine::new(&fleet.spec, cluster);
        let path = delivery.and_then(|delivery| delivery.repository_path.as_ref());
        let origin = match engine.artifacts().filter(|_| has_artifacts) {
            Some(artifacts) => FolderOrigin::Artifact(artifacts, artifacts.url.to_string()),
            None => FolderOrigin::Shared(path.map(ToString::to_string).unwrap_or_default()),
        };
        let folder = AppliedFolder {
            role: FolderRole::Core,
            name: EVERY_UNIT,
            origin,
            keep: false,
            after: None,
            account: None,
            decryption: None,
            keep_objects: cluster.settled.manifests == ManifestPlace::Moving,
        };
        let objects = engine.render(&fleet.name.value, &folder);
        let objects = objects
            .into_iter()
            .filter_map(|object| Some((ObjectId::of(&object).ok()?, object.to_json())));
        (cluster.name.to_string(), objects.collect())
    };
    fleet.spec.clusters.iter().map(of_cluster).collect()
}

/// Both sides of a comparison.
struct DiffInputs {
    before: ClusterObjectSets,
    after: ClusterObjectSets,
    /// What the change does to isolation; empty if a folder is compared.
    deltas: Deltas,
}

impl DiffInputs {
    /// Compares the manifests of a folder with the rendered objects, in the namespaces that both have.
    fn with_folder(
        folder: &Path,
        session: &Session,
        compiled: &Compiled<RenderedObject>,
    ) -> Result<Self, CliError> {
        let mut before = from_folder(folder)?;
        let rendered = objects(session, compiled, &BTreeSet::new());
        let mut after: Objects = rendered.into_values().flatten().collect();

        let (theirs, ours) = (homes(&before), homes(&after));
        if theirs.is_disjoint(&ours) {
            return Err(nothing_to_compare(folder, &theirs));
        }
        before.retain(|id, _| ours.contains(home(id)));
        after.retain(|id, _| theirs.contains(home(id)));

        Ok(Self {
            before: BTreeMap::from([(String::new(), before)]),
            after: BTreeMap::from([(String::new(), after)]),
            deltas: Deltas::new(),
        })
    }

    /// Compares the objects of a revision with the rendered ones, without the tenants that one of both
    /// holds. `old` is `None` if the revision has no fleet.
    fn with_revision(
        old: Option<OldFleet>,
        session: &Session,
        compiled: &Compiled<RenderedObject>,
    ) -> Self {
        let held_before: BTreeSet<String> = old
            .iter()
            .flat_map(|old| old.compiled.standings.held())
            .map(str::to_owned)
            .collect();
        let held_now = compiled.standings.held().map(str::to_owned);
        let held: BTreeSet<String> = held_now.chain(held_before.iter().cloned()).collect();

        let before = old
            .as_ref()
            .map(|old| objects(&old.session, &old.compiled, &held))
            .unwrap_or_default();
        let mut comparison = Self {
            before,
            after: objects(session, compiled, &held),
            deltas: Deltas::new(),
        };

        let old_units = old
            .as_ref()
            .map(|old| tree_units(&old.session))
            .unwrap_or_default();
        let old_graphs = old
            .map(|old| clusters(&old.session, &old.compiled, &held))
            .unwrap_or_default();
        let units = TreeUnits {
            before: old_units,
            after: tree_units(session),
        };
        comparison.compare(&old_graphs, &clusters(session, compiled, &held), &units);
        comparison.add_held_before(session, compiled, &held_before);
        comparison.add_held_now(session, compiled);
        comparison
    }

    /// Sets what the change does to isolation, by cluster. The arguments are the graphs before and
    /// after, and the objects that apply the tree.
    fn compare(
        &mut self,
        old: &BTreeMap<String, Cluster>,
        new: &BTreeMap<String, Cluster>,
        units: &TreeUnits,
    ) {
        let none = Objects::new();
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();

        for name in names {
            let before = self.before.get(name).unwrap_or(&none);
            let after = self.after.get(name).unwrap_or(&none);
            let difference = diff(before, after, true);
            let states = delta::Comparison {
                before: ClusterState {
                    cluster: old.get(name),
                    objects: before,
                },
                after: ClusterState {
                    cluster: new.get(name),
                    objects: after,
                },
            };

            let old_units = units.before.get(name).unwrap_or(&none);
            let new_units = units.after.get(name).unwrap_or(&none);
            let of_units = match old_units.is_empty() || new_units.is_empty() {
                true => Difference::default(),
                false => diff(old_units, new_units, true),
            };

            let mut changed = difference.objects(before, after);
            changed.extend(of_units.objects(old_units, new_units));
            let found = delta::delta(states, &changed);
            if !found.is_empty() {
                self.deltas.insert(name.clone(), found);
            }
        }
    }

    /// Names the tenants that only the revision holds: nothing tells what they gain.
    fn add_held_before(
        &mut self,
        session: &Session,
        compiled: &Compiled<RenderedObject>,
        held_before: &BTreeSet<String>,
    ) {
        let Some(fleet) = session.resolved.fleet() else {
            return;
        };
        for bundle in &compiled.bundles {
            let cluster = &fleet.spec.clusters[bundle.cluster].name;
            let tenants = bundle.tenants.iter().map(|bundle| &bundle.tenant);
            for tenant in tenants.filter(|tenant| held_before.contains(*tenant)) {
                let deltas = self.deltas.entry(cluster.to_string()).or_default();
                let party = Party::Tenant(tenant.as_str().into());
                deltas
                    .entry(party)
                    .or_default()
                    .beside
                    .insert(BesideAccess {
                        topic: Topic::Tenant,
                        effect: Effect::Untold,
                        text: format!(
                            "`{tenant}` has an error in the revision: it is not compared"
                        ),
                    });
            }
        }
    }

    /// Names the tenants that have an error now: they are left out.
    fn add_held_now(&mut self, session: &Session, compiled: &Compiled<RenderedObject>) {
        for cluster in session.cluster_names() {
            for tenant in compiled.standings.held() {
                let deltas = self.deltas.entry(cluster.to_owned()).or_default();
                let delta = deltas.entry(Party::Tenant(tenant.into())).or_default();
                delta.beside.insert(BesideAccess {
                    topic: Topic::Tenant,
                    effect: Effect::Untold,
                    text: format!("`{tenant}` has an error: it is left out"),
                });
            }
        }
    }

    /// The objects that differ. With several clusters, each object counts once for each of them.
    fn difference(&self, own_metadata: bool, several: bool) -> Difference {
        let none = Objects::new();
        let mut all = Difference::default();
        let names: BTreeSet<&String> = self.before.keys().chain(self.after.keys()).collect();
        for name in names {
            let before = self.before.get(name).unwrap_or(&none);
            let after = self.after.get(name).unwrap_or(&none);
            let cluster = (several && !name.is_empty()).then_some(name.as_str());
            all.add(diff(before, after, own_metadata), cluster);
        }
        all
    }
}

/// The fleet as a revision has it.
struct OldFleet {
    session: Session,
    compiled: Compiled<RenderedObject>,
}

/// Checks that the fleet has the tenants and clusters that the arguments name.
fn check_names(args: &DiffArgs, session: &Session) -> Result<(), CliError> {
    if session.resolved.fleet().is_none() {
        return Ok(());
    }

    session.check_tenants(&args.tenant)?;
    let known = session.cluster_names();
    match args
        .cluster
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        Some(unknown) => Err(CliError::Usage(format!("there is no cluster `{unknown}`"))),
        None => Ok(()),
    }
}

/// The namespace that an object is in, or is.
fn home(id: &ObjectId) -> &str {
    if id.kind == "Namespace" && id.group.is_empty() {
        &id.name
    } else {
        &id.namespace
    }
}

fn homes(objects: &Objects) -> BTreeSet<String> {
    objects
        .keys()
        .filter(|id| id.kind == "Namespace")
        .map(|id| id.name.to_string())
        .collect()
}

/// The error of a folder whose namespaces no tenant has.
fn nothing_to_compare(folder: &Path, theirs: &BTreeSet<String>) -> CliError {
    let folder = folder.display();
    CliError::Usage(match theirs.is_empty() {
        true => format!(
            "{folder} has no Namespace object: they tell which namespaces are compared; add their manifests"
        ),
        false => format!(
            "no tenant that is rendered has a namespace of {folder}: it has {}",
            first_few(theirs.iter().map(String::as_str))
        ),
    })
}

/// The objects of each cluster: the platform's, and those of each tenant that is not held.
fn objects(
    session: &Session,
    compiled: &Compiled<RenderedObject>,
    held: &BTreeSet<String>,
) -> ClusterObjectSets {
    let mut all = ClusterObjectSets::new();
    let Some(fleet) = session.resolved.fleet() else {
        return all;
    };

    for bundle in &compiled.bundles {
        let cluster = fleet.spec.clusters[bundle.cluster].name.to_string();
        let tenants = bundle.tenants.iter().filter(|t| !held.contains(&t.tenant));
        let parts = tenants.flat_map(|t| [&t.core, &t.deferred, &t.manifests]);
        let objects = parts
            .chain([&bundle.platform])
            .flat_map(|part| &part.objects)
            .map(|object| (object.id.clone(), object.value.to_json()));
        all.insert(cluster, objects.collect());
    }

    all
}

/// The graphs of the rendered objects, by cluster, without the held tenants.
fn clusters(
    session: &Session,
    compiled: &Compiled<RenderedObject>,
    held: &BTreeSet<String>,
) -> BTreeMap<String, Cluster> {
    let Some(fleet) = session.resolved.specs.fleet.as_ref() else {
        return BTreeMap::new();
    };
    let mut all = BTreeMap::new();

    for bundle in &compiled.bundles {
        let name = fleet.spec.clusters[bundle.cluster].name.to_string();
        let beside = graph::ExtraFacts::default();
        let out = |tenant: &str| held.contains(tenant) || !compiled.standings.is_rendered(tenant);
        let cluster = graph::cluster(
            fleet,
            &session.resolved.tenancy,
            ClusterObjects::Rendered(bundle),
            beside,
            None,
            &out,
        );
        all.insert(name, cluster);
    }

    all
}

#[cfg(feature = "git")]
fn at_revision(cli: &Cli, rev: &str, selection: Selection) -> Result<Option<OldFleet>, CliError> {
    use crate::cli::git::Revision;
    use crate::cli::workspace::Workspace;
    let workspace = Workspace::find(cli, None)?;
    let store = Revision::open(&workspace.root, rev)?;
    if matches!(store.read(&workspace.fleet), FileContent::Missing) {
        return Ok(None);
    }
    let mut session = Session::read_at(cli, workspace, rev)?;

    // What was removed since is no removal to refuse here: both sides are only compared.
    let removable = session
        .resolved
        .lock
        .tenants()
        .into_keys()
        .map(str::to_owned)
        .collect();

    let compiled = session.compile(Selection {
        removable,
        ..selection
    });

    Ok(Some(OldFleet { session, compiled }))
}

#[cfg(not(feature = "git"))]
fn at_revision(_: &Cli, _: &str, _: Selection) -> Result<Option<OldFleet>, CliError> {
    Err(CliError::Usage(
        "built without the feature `git`: only --against compares".into(),
    ))
}

/// The objects of a folder's manifests, as `import` sees them: without patches of overlays, the
/// last of two with one identity.
fn from_folder(folder: &Path) -> Result<Objects, CliError> {
    if !folder.is_dir() {
        let message = format!("--against {}: there is no such folder", folder.display());
        return Err(CliError::Usage(message));
    }
    let disk = DiskStore::new(folder)?;
    let mut sources = SourceMap::default();
    let mut ids = Vec::new();
    for (path, read) in read_all(&disk, disk.list("", &[])?) {
        let FileContent::Bytes(bytes) = read else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes) {
            ids.push(sources.add(Source::new(path, text)));
        }
    }
    let found = survey(&sources, &ids, &FleetSpec::default(), &[]);
    let all = found
        .namespaces
        .into_values()
        .flat_map(|n| std::iter::once(n.object).chain(n.objects));
    Ok(all.map(|object| (object.id, object.value)).collect())
}

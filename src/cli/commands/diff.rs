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
use tenantry::diagnostic::Level;
use tenantry::document::TreeValue;
use tenantry::graph::{self, Cluster, ClusterObjects};
use tenantry::import::survey;
use tenantry::isolation::delta::{DeltaClass, delta};
use tenantry::kube::ObjectId;
use tenantry::report::diff::{
    Deltas, Objects, class, delta_text, diff, json, markdown, summary, text,
};
use tenantry::source::{Source, SourceMap};
use tenantry::spec::fleet::FleetSpec;

/// Runs the command.
pub fn run(cli: &Cli, args: &DiffArgs) -> Result<Outcome, CliError> {
    let asked = output::formats(cli)?;
    let selection = Selection {
        tenants: args.tenant.clone(),
        clusters: args.cluster.clone(),
        allow_removal: Vec::new(),
    };

    let mut session = Session::open(cli, None)?;
    known_names(args, &session)?;
    let compiled = session.compile::<RenderedObject>(selection.clone());
    let errors = compiled
        .findings
        .iter()
        .filter(|d| d.level == Level::Error)
        .count();

    if errors > 0 {
        output::err(&tenantry::report::text(
            &session.sources,
            &compiled.findings,
            false,
            120,
        ));
        output::status(
            cli,
            "the tenants above are held, and left out of the comparison",
        );
    }

    let mut deltas = Deltas::new();
    let (before, after) = match &args.against {
        Some(folder) => {
            let mut before = from_folder(&working_folder(cli)?.join(folder))?;
            let mut after = objects(&session, &compiled, &BTreeSet::new(), false);
            let (theirs, ours) = (homes(&before), homes(&after));
            before.retain(|id, _| ours.contains(home(id)));
            after.retain(|id, _| theirs.contains(home(id)));
            (before, after)
        }
        None => {
            let mut old = at_revision(cli, args.rev.as_deref().unwrap_or("HEAD"), selection)?;
            let before = old.iter().flat_map(|(_, old)| old.standings.held());
            let held: BTreeSet<String> = compiled
                .standings
                .held()
                .chain(before)
                .map(str::to_owned)
                .collect();

            let several = session
                .resolved
                .fleet()
                .is_some_and(|f| f.spec.clusters.len() > 1);

            let before = old
                .as_ref()
                .map_or_else(Objects::new, |(s, old)| objects(s, old, &held, several));
            let after = objects(&session, &compiled, &held, several);
            deltas = isolation_deltas(old.as_mut(), &mut session, &compiled, &held);

            (before, after)
        }
    };

    let difference = diff(&before, &after, args.metadata);
    for (format, file) in &asked {
        let report = match format {
            ReportFormat::Json => json(&difference, &deltas),
            ReportFormat::Markdown => markdown(&difference, &deltas),
            _ => format!("{}{}", text(&difference), delta_text(&deltas)),
        };
        output::deliver(file.as_deref(), &report)?;
    }

    if asked.is_empty() {
        output::data(&text(&difference))?;
        output::data(&delta_text(&deltas))?;
    }

    output::status(cli, &summary(&difference));
    let widens = class(&deltas) == DeltaClass::Widens;

    if args.against.is_none() {
        let says = match class(&deltas) {
            DeltaClass::Neutral => "changes nothing of what tenants may",
            DeltaClass::Narrows => "narrows what tenants may",
            DeltaClass::Widens => "widens what a tenant may",
        };
        output::status(cli, &format!("isolation: the change {says}"));
    }

    let differs = args.exit_code && !difference.changes.is_empty();
    Ok(Outcome::from(
        errors > 0 || differs || (args.fail_on == Some(FailOnClass::Widens) && widens),
    ))
}

fn known_names(args: &DiffArgs, session: &Session) -> Result<(), CliError> {
    let Some(fleet) = session.resolved.fleet() else {
        return Ok(());
    };
    let known = session.resolved.lock.tenants();
    let tenant = |name: &&String| {
        known.contains_key(name.as_str())
            || session
                .resolved
                .specs
                .tenants
                .iter()
                .any(|t| t.name.value == **name)
    };

    if let Some(unknown) = args.tenant.iter().find(|n| !tenant(n)) {
        return Err(CliError::Usage(format!("there is no tenant `{unknown}`")));
    }
    let cluster = |name: &&String| {
        fleet
            .spec
            .clusters
            .iter()
            .any(|c| c.name.as_str() == name.as_str())
    };

    match args.cluster.iter().find(|n| !cluster(n)) {
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

/// The objects of every tenant.
///
/// With several clusters an object's kind is prefixed with its cluster, so that each counts on its
/// own.
fn objects(
    session: &Session,
    compiled: &Compiled<RenderedObject>,
    held: &BTreeSet<String>,
    several: bool,
) -> Objects {
    let mut all = Objects::new();
    let Some(fleet) = session.resolved.fleet() else {
        return all;
    };

    for bundle in &compiled.bundles {
        let cluster = fleet.spec.clusters[bundle.cluster].name.as_str();
        for part in bundle
            .tenants
            .iter()
            .filter(|t| !held.contains(&t.tenant))
            .flat_map(|t| [&t.core, &t.deferred])
        {
            for object in &part.objects {
                let mut id = object.id.clone();
                if several {
                    id.kind = format!("{cluster}: {}", id.kind).into();
                }
                all.insert(id, object.value.to_json());
            }
        }
    }

    all
}

/// What the change does to isolation, by cluster.
fn isolation_deltas(
    old: Option<&mut (Session, Compiled<RenderedObject>)>,
    session: &mut Session,
    compiled: &Compiled<RenderedObject>,
    held: &BTreeSet<String>,
) -> Deltas {
    let after = clusters(session, compiled, held);
    let before = old
        .map(|(session, compiled)| clusters(session, compiled, held))
        .unwrap_or_default();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |name: &String| (name.clone(), delta(before.get(name), after.get(name)));
    names
        .into_iter()
        .map(of)
        .filter(|(_, tenants)| !tenants.is_empty())
        .collect()
}

fn clusters(
    session: &mut Session,
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
fn at_revision(
    cli: &Cli,
    rev: &str,
    selection: Selection,
) -> Result<Option<(Session, Compiled<RenderedObject>)>, CliError> {
    use crate::cli::git::Revision;
    use crate::cli::workspace::Workspace;
    let workspace = Workspace::find(cli, None)?;
    let store = Revision::open(&workspace.root, rev)?;
    if matches!(store.read(&workspace.fleet), FileContent::Missing) {
        return Ok(None);
    }
    let mut session = Session::read(cli, workspace, &store)?;

    // What was removed since is no removal to refuse here: both sides are only compared.
    let allow_removal = session
        .resolved
        .lock
        .tenants()
        .into_keys()
        .map(str::to_owned)
        .collect();

    let compiled = session.compile(Selection {
        allow_removal,
        ..selection
    });

    Ok(Some((session, compiled)))
}

#[cfg(not(feature = "git"))]
fn at_revision(
    _: &Cli,
    _: &str,
    _: Selection,
) -> Result<Option<(Session, Compiled<RenderedObject>)>, CliError> {
    Err(CliError::Usage(
        "built without the feature `git`: only --against compares".into(),
    ))
}

/// The objects of a folder's manifests, as `import` sees them: without patches of overlays, the
/// last of two with one identity.
fn from_folder(folder: &Path) -> Result<Objects, CliError> {
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
    let found = survey(&sources, &ids, &FleetSpec::default());
    let all = found
        .namespaces
        .into_values()
        .flat_map(|n| std::iter::once(n.object).chain(n.objects));
    Ok(all.map(|object| (object.id, object.value)).collect())
}

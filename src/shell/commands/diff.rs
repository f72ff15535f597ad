//! `diff`: what a change does to the objects.

use crate::shell::args::{Cli, Diff, Format};
use crate::shell::files::{Disk, Read, Store, read_all};
use crate::shell::session::{Selection, Session, working_folder};
use crate::shell::{Fault, Outcome, output};
use std::collections::BTreeSet;
use std::path::Path;
use tenantry::bundle::{Keep, ObjectId};
use tenantry::compile::Compiled;
use tenantry::diagnostic::Level;
use tenantry::document;
use tenantry::import::survey;
use tenantry::report::diff::{Objects, diff, json, markdown, summary, text};
use tenantry::source::{Source, SourceId, Sources};
use tenantry::spec::fleet::FleetSpec;

/// Runs the command.
pub fn run(cli: &Cli, args: &Diff) -> Result<Outcome, Fault> {
    let asked = output::formats(cli, &[Format::Text, Format::Json, Format::Markdown])?;
    let selection =
        Selection { tenants: args.tenant.clone(), clusters: args.cluster.clone(), allow_removal: Vec::new() };
    let mut session = Session::open(cli, None)?;
    known_names(args, &session)?;
    let compiled = session.compile(selection.clone(), Keep::Texts);
    let errors = compiled.findings.iter().filter(|d| d.level == Level::Error).count();
    if errors > 0 {
        output::err(&tenantry::report::text(&session.sources, &compiled.findings, false, 120));
        output::talk(cli, "the tenants above are held, and left out of the comparison");
    }
    let (before, after) = match &args.against {
        Some(folder) => {
            let mut before = from_folder(&working_folder(cli)?.join(folder))?;
            let mut after = objects(&compiled, &BTreeSet::new(), false);
            let (theirs, ours) = (homes(&before), homes(&after));
            before.retain(|id, _| ours.contains(home(id)));
            after.retain(|id, _| theirs.contains(home(id)));
            (before, after)
        }
        None => {
            let old = at_revision(cli, args.rev.as_deref().unwrap_or("HEAD"), selection)?;
            let mut held = compiled.held.clone();
            held.extend(old.iter().flat_map(|c| c.held.iter().cloned()));
            let several = session.front.fleet().is_some_and(|f| f.spec.clusters.len() > 1);
            let before = old.map_or_else(Objects::new, |old| objects(&old, &held, several));
            (before, objects(&compiled, &held, several))
        }
    };
    let difference = diff(&before, &after, args.metadata);
    for (format, file) in &asked {
        let report = match format {
            Format::Json => json(&difference),
            Format::Markdown => markdown(&difference),
            _ => text(&difference),
        };
        output::deliver(file.as_deref(), &report)?;
    }
    if asked.is_empty() {
        output::data(&text(&difference))?;
    }
    output::talk(cli, &summary(&difference));
    Ok(Outcome::from(errors > 0 || (args.exit_code && !difference.changes.is_empty())))
}

fn known_names(args: &Diff, session: &Session) -> Result<(), Fault> {
    let Some(fleet) = session.front.fleet() else { return Ok(()) };
    let known = session.front.lock.tenants();
    let tenant = |name: &&String| {
        known.contains_key(name.as_str()) || session.front.specs.tenants.iter().any(|t| t.name.value == **name)
    };
    if let Some(unknown) = args.tenant.iter().find(|n| !tenant(n)) {
        return Err(Fault::Usage(format!("there is no tenant `{unknown}`")));
    }
    let cluster = |name: &&String| fleet.spec.clusters.iter().any(|c| c.name.as_str() == name.as_str());
    match args.cluster.iter().find(|n| !cluster(n)) {
        Some(unknown) => Err(Fault::Usage(format!("there is no cluster `{unknown}`"))),
        None => Ok(()),
    }
}

/// The namespace that an object is in, or is.
fn home(id: &ObjectId) -> &str {
    if id.kind == "Namespace" && id.group.is_empty() { &id.name } else { &id.namespace }
}

fn homes(objects: &Objects) -> BTreeSet<String> {
    objects.keys().filter(|id| id.kind == "Namespace").map(|id| id.name.to_string()).collect()
}

/// The objects of every tenant, read back from their texts.
///
/// With several clusters an object's kind is prefixed with its cluster, so that each counts on its own.
fn objects(compiled: &Compiled, held: &BTreeSet<String>, several: bool) -> Objects {
    let mut all = Objects::new();
    for desired in compiled.tree.files.values() {
        if desired.entry.tenant.as_ref().is_none_or(|t| held.contains(t)) {
            continue;
        }
        let source = Source::new(desired.entry.path.clone(), desired.text.clone());
        let (documents, _) = document::parse_foreign(SourceId(0), &source);
        for document in documents {
            if let Ok(mut id) = ObjectId::of(&document.root) {
                if several {
                    id.kind = format!("{}: {}", desired.entry.on, id.kind).into();
                }
                all.insert(id, document.root.to_json());
            }
        }
    }
    all
}

#[cfg(feature = "git")]
fn at_revision(cli: &Cli, rev: &str, selection: Selection) -> Result<Option<Compiled>, Fault> {
    use crate::shell::git::Revision;
    use crate::shell::session::Place;
    let place = Place::find(cli, None)?;
    let store = Revision::open(&place.root, rev)?;
    if matches!(store.read(&place.fleet), Read::Missing) {
        return Ok(None);
    }
    let mut session = Session::read(cli, place, &store)?;
    // What was removed since is no removal to refuse here: both sides are only compared.
    let allow_removal = session.front.lock.tenants().into_keys().map(str::to_owned).collect();
    Ok(Some(session.compile(Selection { allow_removal, ..selection }, Keep::Texts)))
}

#[cfg(not(feature = "git"))]
fn at_revision(_: &Cli, _: &str, _: Selection) -> Result<Option<Compiled>, Fault> {
    Err(Fault::Usage("built without the feature `git`: only --against compares".into()))
}

/// The objects of a folder's manifests, as `import` sees them: without patches of overlays, the last of two with one
/// identity.
fn from_folder(folder: &Path) -> Result<Objects, Fault> {
    let disk = Disk::new(folder)?;
    let mut sources = Sources::default();
    let mut ids = Vec::new();
    for (path, read) in read_all(&disk, disk.list("", &[])?) {
        let Read::Bytes(bytes) = read else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            ids.push(sources.add(Source::new(path, text)));
        }
    }
    let found = survey(&sources, &ids, &FleetSpec::default());
    let all = found.namespaces.into_values().flat_map(|n| std::iter::once(n.object).chain(n.objects));
    Ok(all.map(|object| (object.id, object.value)).collect())
}

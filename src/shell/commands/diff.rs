//! `diff`: what a change does to the objects.

use crate::shell::args::{Cli, Diff, Format};
use crate::shell::files::{Disk, Read, Store, read_all};
use crate::shell::session::{Selection, Session, working_folder};
use crate::shell::{Fault, Outcome, output};
use std::path::Path;
use tenantry::bundle::ObjectId;
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
    let compiled = session.compile(selection.clone());
    let errors = compiled.findings.iter().filter(|d| d.level == Level::Error).count();
    if errors > 0 {
        eprint!("{}", tenantry::report::text(&session.sources, &compiled.findings, false, 120));
        output::talk(cli, "the tenants above are left out of the comparison");
    }
    let after = objects(&compiled);
    let before = match &args.against {
        Some(folder) => {
            let mut all = from_folder(&working_folder(cli)?.join(folder))?;
            restrict(&mut all, &after);
            all
        }
        None => at_revision(cli, args.rev.as_deref().unwrap_or("HEAD"), selection)?,
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

/// The objects of every tenant, read back from their texts.
///
/// With several clusters an object's namespace is prefixed with its cluster's, so that each counts on its own.
fn objects(compiled: &Compiled) -> Objects {
    let mut all = Objects::new();
    let several = compiled.tree.clusters.len() > 1;
    for desired in compiled.tree.files.values().filter(|d| d.entry.tenant.is_some()) {
        let source = Source::new(desired.entry.path.clone(), desired.text.clone());
        let (documents, _) = document::parse_foreign(SourceId(0), &source);
        for document in documents {
            let value = document.root.to_json();
            if let Ok(mut id) = ObjectId::of(&value) {
                if several {
                    id.kind = format!("{}: {}", desired.entry.on, id.kind);
                }
                all.insert(id, value);
            }
        }
    }
    all
}

#[cfg(feature = "git")]
fn at_revision(cli: &Cli, rev: &str, selection: Selection) -> Result<Objects, Fault> {
    use crate::shell::git::Revision;
    use crate::shell::session::Place;
    let place = Place::find(cli, None)?;
    let store = Revision::open(&place.root, rev)?;
    if matches!(store.read(&place.fleet), Read::Missing) {
        return Ok(Objects::new());
    }
    let mut session = Session::read(cli, place, &store)?;
    // What was removed since is no removal to refuse here: both sides are only compared.
    let allow_removal = session.front.lock.prior().tenants.into_keys().collect();
    Ok(objects(&session.compile(Selection { allow_removal, ..selection })))
}

#[cfg(not(feature = "git"))]
fn at_revision(_: &Cli, _: &str, _: Selection) -> Result<Objects, Fault> {
    Err(Fault::Usage("built without the feature `git`: only --against compares".into()))
}

/// The objects of a folder's manifests, as `import` sees them: without patches of overlays, the last of two with one
/// identity.
fn from_folder(folder: &Path) -> Result<Objects, Fault> {
    let disk = Disk::new(folder)?;
    let mut sources = Sources::default();
    let mut ids = Vec::new();
    for (path, read) in read_all(&disk, disk.list("")?) {
        let Read::Bytes(bytes) = read else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            ids.push(sources.add(Source::new(path, text)));
        }
    }
    let found = survey(&sources, &ids, &FleetSpec::default());
    let all = found.namespaces.into_values().flat_map(|n| std::iter::once(n.object).chain(n.objects));
    Ok(all.map(|object| (object.id, object.value)).collect())
}

/// Leaves out what is not of the tenants that are looked at: objects outside their namespaces.
fn restrict(all: &mut Objects, after: &Objects) {
    let ours: std::collections::BTreeSet<&str> = after
        .keys()
        .map(|id| if id.kind.ends_with("Namespace") { id.name.as_str() } else { id.namespace.as_str() })
        .collect();
    all.retain(|id, _| {
        let home = if id.kind == "Namespace" && id.group.is_empty() { &id.name } else { &id.namespace };
        ours.contains(home.as_str())
    });
}

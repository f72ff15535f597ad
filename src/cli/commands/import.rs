//! `import`: takes over what runs already.

use crate::cli::args::{Cli, ImportArgs};
use crate::cli::commands::{init, schema};
use crate::cli::files::{DiskStore, FileContent, Store, read_all};
use crate::cli::session::{Session, no_such_cluster, today, which_cluster};
use crate::cli::workspace::{Workspace, working_folder};
use crate::cli::write::{refuse_links, replace};
use crate::cli::{CliError, Outcome, output};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tenantry::document::emit;
use tenantry::import::{Left, Options, Output, hand_over, survey, write};
use tenantry::report::plural;
use tenantry::source::{Source, SourceId, SourceMap};
use tenantry::spec::fleet::FleetSpec;
use tenantry::tenancy::DEFAULT_MAX_DAYS;

/// Runs the command.
pub fn run(cli: &Cli, args: &ImportArgs) -> Result<Outcome, CliError> {
    let dir = working_folder(cli)?;
    let from = dir.join(&args.from);
    if !from.is_dir() {
        return Err(CliError::Usage(format!("{} is no folder", from.display())));
    }
    let session = match Workspace::find(cli, None) {
        Ok(_) => Some(Session::open(cli, None)?),
        Err(CliError::NoFleet(_)) => None,
        Err(fault) => return Err(fault),
    };

    let mut manifests = read_manifests(&from)?;
    let empty = FleetSpec::default();
    let fleet = session
        .as_ref()
        .and_then(|session| session.resolved.fleet())
        .map_or(&empty, |fleet| &fleet.spec);

    let names = &args.platform_namespace;
    let mut found = survey(&manifests.sources, &manifests.ids, fleet, names);
    found.left.append(&mut manifests.unread);

    let made = write(&found, &options(cli, args, fleet)?);
    let report = hand_over(&made, &args.from.display().to_string());

    if args.dry_run {
        output::data(&report)?;
    } else {
        write_files(cli, args, session.as_ref(), &made, &report)?;
    }

    report_counts(cli, found.objects, &made);
    Ok(Outcome::from(made.tenants == 0))
}

/// The manifests of a folder.
struct ImportedManifests {
    sources: SourceMap,
    ids: Vec<SourceId>,
    /// The files that cannot be read.
    unread: Vec<Left>,
}

fn read_manifests(folder: &Path) -> Result<ImportedManifests, CliError> {
    let disk = DiskStore::new(folder)?;
    let mut manifests = ImportedManifests {
        sources: SourceMap::default(),
        ids: Vec::new(),
        unread: Vec::new(),
    };

    for (path, content) in read_all(&disk, disk.list("", &[])?) {
        let text = match content {
            FileContent::Bytes(bytes) => {
                String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
            }
            FileContent::TooLarge(size) => Err(format!("it has {size} bytes, over 1 MiB")),
            FileContent::Unreadable(reason) => Err(reason),
            FileContent::Outside { .. } => Err("it leads out of the folder".to_owned()),
            FileContent::Missing => Err("it is gone".to_owned()),
        };

        match text {
            Ok(text) => {
                let id = manifests.sources.add(Source::new(path, text));
                manifests.ids.push(id);
            }
            Err(reason) => manifests.unread.push(Left {
                place: path,
                what: "a file".into(),
                reason,
            }),
        }
    }

    Ok(manifests)
}

/// The options of the import: who owns each tenant, and which objects it takes over.
fn options<'a>(
    cli: &Cli,
    args: &'a ImportArgs,
    fleet: &FleetSpec,
) -> Result<Options<'a>, CliError> {
    let rules = fleet.waivers.clone().unwrap_or_default();
    let approver = rules.approvers.iter().flatten().next();

    Ok(Options {
        group_by: args.group_by.as_deref(),
        clusters: clusters(args, fleet)?,
        now: today(cli)?,
        max_days: rules.max_days.unwrap_or(DEFAULT_MAX_DAYS),
        approver: approver.map_or_else(|| "platform".to_owned(), ToString::to_string),
        owner: args.owner.as_deref().map(owner).transpose()?,
    })
}

/// The kind and the name of the subject that `--owner` names.
fn owner(text: &str) -> Result<(String, String), CliError> {
    match text.split_once(':') {
        Some((kind @ ("group" | "user"), name)) if !name.is_empty() => {
            Ok((kind.to_owned(), name.to_owned()))
        }
        _ => Err(CliError::Usage(format!(
            "--owner {text}: write group:NAME or user:NAME"
        ))),
    }
}

/// Says how much was carried over.
fn report_counts(cli: &Cli, objects: usize, made: &Output) {
    let text = format!(
        "{}: {} found; {} said by a spec, {} passed through, {} things not carried over \
         (tenants/IMPORT.md lists them); {}",
        plural(made.tenants, "tenant"),
        plural(objects, "object"),
        made.carried,
        made.passed,
        made.left.len(),
        plural(made.loosenings, "waived object")
    );
    output::status(cli, &text);

    if !made.without_owner.is_empty() {
        let text = format!(
            "{} with service accounts alone: fill in `owners`, or import with --owner group:NAME",
            plural(made.without_owner.len(), "tenant")
        );
        output::status(cli, &text);
    }

    if !made.plain_secrets.is_empty() {
        let secrets = plural(made.plain_secrets.len(), "Secret");
        let text = format!(
            "{secrets} passed through in plain text: encrypt them, or take them out of Git"
        );
        output::status(cli, &text);
    }
}

/// The cluster that the tenants are placed on; empty if the fleet has one cluster or none.
fn clusters(args: &ImportArgs, fleet: &FleetSpec) -> Result<Vec<String>, CliError> {
    let known: Vec<&str> = fleet.clusters.iter().map(|c| c.name.as_str()).collect();

    match &args.cluster {
        Some(name) if known.is_empty() || known.contains(&name.as_str()) => Ok(vec![name.clone()]),
        Some(name) => Err(no_such_cluster(name, &known)),
        None if known.len() > 1 => Err(which_cluster(&known)),
        None => Ok(Vec::new()),
    }
}

/// Writes the tenants and the report (`IMPORT.md`), and a fleet unless the folder has one.
fn write_files(
    cli: &Cli,
    args: &ImportArgs,
    session: Option<&Session>,
    made: &Output,
    report: &str,
) -> Result<(), CliError> {
    let dir = working_folder(cli)?;
    let tenants = match session {
        Some(session) => session.workspace.root.join(session.workspace.tenants()),
        None => dir.join("tenants"),
    };

    let fleet = session.is_none().then(|| fleet_text(args, made));
    let tenant_files = made.files.iter();
    let mut files: Vec<(PathBuf, &str)> = tenant_files
        .map(|(path, text)| (tenants.join(path), text.as_str()))
        .collect();
    files.extend(
        fleet
            .iter()
            .map(|text| (tenants.join("fleet.yaml"), text.as_str())),
    );
    files.push((tenants.join("IMPORT.md"), report));
    let base = session.map_or(&dir, |session| &session.workspace.root);
    let schemas = dir.join("schemas");
    let schema_files = schema::paths(&schemas).filter(|_| session.is_none());
    for path in files
        .iter()
        .map(|(path, _)| path.clone())
        .chain(schema_files)
    {
        refuse_links(base, &path)?;
    }
    write_new(&files)?;

    match session {
        Some(session) => report_missing(cli, session, made),
        None => schema::write(&schemas)?,
    }
    Ok(())
}

/// Writes files, unless one of them is there already.
fn write_new(files: &[(PathBuf, &str)]) -> Result<(), CliError> {
    if let Some((taken, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(CliError::Usage(format!(
            "{} is there already; nothing was written",
            taken.display()
        )));
    }

    let folders: BTreeSet<&Path> = files.iter().filter_map(|(path, _)| path.parent()).collect();
    for folder in folders {
        std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    }

    files
        .par_iter()
        .try_for_each(|(path, text)| replace(path, text.as_bytes()))
}

/// Says what the fleet lacks for the imported tenants. The fleet itself is not changed.
fn report_missing(cli: &Cli, session: &Session, made: &Output) {
    let Some(fleet) = session.resolved.fleet() else {
        return;
    };

    let missing = missing_in(&fleet.spec, made);
    if missing.is_empty() {
        return;
    }

    let mut text = String::new();
    emit(&mut text, &(&Value::Object(missing)).into());
    output::status(
        cli,
        "the fleet is yours, and was not changed; add to its spec:",
    );
    if !cli.quiet {
        output::err(&format!("{text}\n"));
    }
}

/// What a fleet that is there does not say yet.
fn missing_in(fleet: &FleetSpec, made: &Output) -> Map<String, Value> {
    let metadata = fleet.tenant_metadata.clone().unwrap_or_default();
    let lacks =
        |have: &Option<Vec<tenantry::spec::leaf::Line>>, wanted: &[String]| -> Vec<String> {
            wanted
                .iter()
                .filter(|w| !have.iter().flatten().any(|h| h.as_str() == w.as_str()))
                .cloned()
                .collect()
        };

    let (labels, annotations) = (
        lacks(&metadata.labels, &made.labels),
        lacks(&metadata.annotations, &made.annotations),
    );

    let mut out = Map::new();
    if !labels.is_empty() || !annotations.is_empty() {
        out.insert(
            "tenantMetadata".into(),
            json!({"labels": labels, "annotations": annotations}),
        );
    }

    let listed = |kind: &&String| {
        fleet
            .tenant_kinds
            .iter()
            .flatten()
            .any(|k| k.kind() == **kind)
    };

    let kinds: Vec<&String> = made.kinds.iter().filter(|k| !listed(k)).collect();
    if !kinds.is_empty() {
        out.insert("tenantKinds".into(), json!(kinds));
    }
    let listed = |name: &&String| {
        let mut listed = fleet.tenant_namespaces.iter().flatten();
        listed.any(|known| known.as_str() == name.as_str())
    };
    let namespaces: Vec<&String> = made.namespaces.iter().filter(|n| !listed(n)).collect();
    if !namespaces.is_empty() {
        out.insert("tenantNamespaces".into(), json!(namespaces));
    }
    let has = |wanted: &Value| {
        fleet.shared_subjects.iter().flatten().any(|s| {
            s.group
                .as_ref()
                .is_some_and(|g| wanted["group"].as_str() == Some(g.as_str()))
                || s.user
                    .as_ref()
                    .is_some_and(|u| wanted["user"].as_str() == Some(u.as_str()))
        })
    };

    let shared: Vec<&Value> = made.shared.iter().filter(|s| !has(s)).collect();
    if !shared.is_empty() {
        out.insert("sharedSubjects".into(), json!(shared));
    }
    out
}

/// A fleet for what was found: one cluster, the metadata and the shared groups that are in use.
fn fleet_text(args: &ImportArgs, made: &Output) -> String {
    let cluster = args.cluster.clone().unwrap_or_else(|| "production".into());
    let name = args
        .from
        .file_name()
        .and_then(|n| n.to_str())
        .map(init::label)
        .filter(|n| !n.is_empty());

    let mut spec = Map::new();
    spec.insert(
        "tenantMetadata".into(),
        json!({"labels": made.labels, "annotations": made.annotations}),
    );

    if !made.namespaces.is_empty() {
        spec.insert("tenantNamespaces".into(), json!(made.namespaces));
    }
    if !made.kinds.is_empty() {
        spec.insert("tenantKinds".into(), json!(made.kinds));
    }
    if !made.shared.is_empty() {
        spec.insert("sharedSubjects".into(), json!(made.shared));
    }
    spec.insert("clusters".into(), json!([{"name": cluster}]));
    spec.insert("waivers".into(), json!({"maxDays": DEFAULT_MAX_DAYS}));
    let value = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Fleet",
        "metadata": {"name": name.unwrap_or_else(|| "fleet".into())}, "spec": spec
    });

    let mut text = String::from(
        "# yaml-language-server: $schema=../schemas/fleet.json\n\
         # Written by `tenantry import`: what is in use, so that nothing changes. Narrow it as you tighten.\n",
    );

    emit(&mut text, &(&value).into());
    text
}

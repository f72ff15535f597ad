//! `import`: takes over what runs already.

use crate::cli::args::{Cli, ImportArgs};
use crate::cli::commands::{init, schema};
use crate::cli::files::{DiskStore, FileContent, Store, read_all};
use crate::cli::session::{Session, today};
use crate::cli::workspace::{Workspace, working_folder};
use crate::cli::write::replace;
use crate::cli::{CliError, Outcome, output};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tenantry::document::emit;
use tenantry::import::{Options, Output, hand_over, survey, write};
use tenantry::report::plural;
use tenantry::source::{Source, SourceMap};
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

    let shown = args.from.display().to_string();
    let mut sources = SourceMap::default();
    let disk = DiskStore::new(&from)?;
    let mut unread = Vec::new();
    let mut ids = Vec::new();

    for (path, read) in read_all(&disk, disk.list("", &[])?) {
        match read {
            FileContent::Bytes(bytes) => match String::from_utf8(bytes) {
                Ok(text) => ids.push(sources.add(Source::new(path, text))),
                Err(_) => unread.push((path, "it is not UTF-8".to_owned())),
            },
            FileContent::TooLarge(size) => {
                unread.push((path, format!("it has {size} bytes, over 1 MiB")))
            }
            FileContent::Unreadable(reason) => unread.push((path, reason)),
            FileContent::Outside => unread.push((path, "it leads out of the folder".to_owned())),
            FileContent::Missing => unread.push((path, "it is gone".to_owned())),
        }
    }

    let empty = FleetSpec::default();
    let fleet = session
        .as_ref()
        .and_then(|s| s.resolved.fleet())
        .map_or(&empty, |f| &f.spec);

    let mut found = survey(&sources, &ids, fleet);
    found.left.extend(
        unread
            .into_iter()
            .map(|(path, reason)| tenantry::import::Left {
                place: path,
                what: "a file".into(),
                reason,
            }),
    );

    let rules = fleet.waivers.clone().unwrap_or_default();
    let approver = rules
        .approvers
        .iter()
        .flatten()
        .next()
        .map_or_else(|| "platform".to_owned(), |a| a.to_string());

    let options = Options {
        group_by: args.group_by.as_deref(),
        clusters: clusters(args, fleet)?,
        now: today(cli)?,
        max_days: rules.max_days.unwrap_or(DEFAULT_MAX_DAYS),
        approver,
    };

    let made = write(&found, &options);
    let report = hand_over(&made, &shown);

    if args.dry_run {
        output::data(&report)?;
    } else {
        write_files(cli, args, &dir, session.as_ref(), &made, &report)?;
    }

    output::status(
        cli,
        &format!(
            "{}: {} found; {} said by a spec, {} passed through, {} things not carried over (tenants/IMPORT.md lists them); {}",
            plural(made.tenants, "tenant"),
            plural(found.objects, "object"),
            made.carried,
            made.passed,
            made.left.len(),
            plural(made.loosenings, "waived object")
        ),
    );

    if !made.plain_secrets.is_empty() {
        output::status(
            cli,
            &format!(
                "{} passed through in plain text: encrypt them, or take them out of Git",
                plural(made.plain_secrets.len(), "Secret")
            ),
        );
    }

    Ok(Outcome::from(made.tenants == 0))
}

fn clusters(args: &ImportArgs, fleet: &FleetSpec) -> Result<Vec<String>, CliError> {
    let all: Vec<&str> = fleet.clusters.iter().map(|c| c.name.as_str()).collect();
    match (&args.cluster, all.as_slice()) {
        (Some(wanted), []) => Ok(vec![wanted.clone()]),
        (Some(wanted), all) if all.contains(&wanted.as_str()) => Ok(vec![wanted.clone()]),
        (Some(wanted), all) => Err(CliError::Usage(format!(
            "--cluster {wanted}: the fleet has {}",
            all.join(", ")
        ))),
        (None, [] | [_]) => Ok(Vec::new()),
        (None, all) => Err(CliError::Usage(format!(
            "the fleet has several clusters: add --cluster, of {}",
            all.join(", ")
        ))),
    }
}

fn write_files(
    cli: &Cli,
    args: &ImportArgs,
    dir: &Path,
    session: Option<&Session>,
    made: &Output,
    report: &str,
) -> Result<(), CliError> {
    let tenants = match session {
        Some(session) => session.workspace.root.join(session.workspace.tenants()),
        None => dir.join("tenants"),
    };

    let mut files: Vec<(PathBuf, &str)> = made
        .files
        .iter()
        .map(|(p, text)| (tenants.join(p), text.as_str()))
        .collect();

    let fleet = fleet_text(args, made);
    if session.is_none() {
        files.push((tenants.join("fleet.yaml"), &fleet));
    }
    files.push((tenants.join("IMPORT.md"), report));

    if let Some((taken, _)) = files.iter().find(|(path, _)| path.exists()) {
        return Err(CliError::Usage(format!(
            "{} is there already; nothing was written",
            taken.display()
        )));
    }

    let mut folders: Vec<&Path> = files.iter().filter_map(|(p, _)| p.parent()).collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in folders {
        std::fs::create_dir_all(folder).map_err(CliError::io(folder))?;
    }
    files
        .par_iter()
        .try_for_each(|(path, text)| replace(path, text.as_bytes()))?;

    if let Some(session) = session {
        if let Some(fleet) = session.resolved.fleet() {
            let missing = missing_in(&fleet.spec, made);
            if !missing.is_empty() {
                output::status(
                    cli,
                    "the fleet is yours, and was not changed; add to its spec:",
                );
                let mut text = String::new();
                emit(&mut text, &(&Value::Object(missing)).into());
                output::status(cli, &text);
            }
        }
    } else {
        schema::write(&dir.join("schemas"))?;
    }

    Ok(())
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
            .any(|k| k.as_str() == kind.as_str())
    };

    let kinds: Vec<&String> = made.kinds.iter().filter(|k| !listed(k)).collect();
    if !kinds.is_empty() {
        out.insert("tenantKinds".into(), json!(kinds));
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

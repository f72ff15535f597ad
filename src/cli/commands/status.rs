//! `status`: the fleet in a table.

use crate::cli::args::{Cli, ReportFormat, StatusArgs};
use crate::cli::bounded::{self, MAX_RENDERED};
use crate::cli::session::{Selection, Session};
use crate::cli::{CliError, Outcome, output};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tenantry::compile::Compiled;
use tenantry::kube::ObjectId;
use tenantry::report::{count, first_few, or_dash, plain, plural};
use tenantry::tenancy::Standing;
use tenantry::tenancy::model::Tenant;
use tenantry::tree::{Artifact, FileEntry, digest, namespaces_of};

/// A tenant of the fleet. The fields are those of the JSON report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantStatus<'a> {
    name: &'a str,
    phase: &'static str,
    tenant_id: &'a str,
    /// `None` if the tenant is not resolved, or is held.
    profile: Option<&'a str>,
    clusters: BTreeSet<&'a str>,
    namespaces: BTreeSet<&'a str>,
    objects: usize,
    waivers: usize,
}

/// Runs the command.
pub fn run(cli: &Cli, args: &StatusArgs) -> Result<Outcome, CliError> {
    let mut session = Session::open(cli, args.tree.as_deref())?;
    let compiled = session.compile::<ObjectId>(Selection::default());
    if args.artifacts {
        return artifacts(cli, &session, &compiled);
    }

    let clusters = session.cluster_names();
    let objects = objects_by_tenant(&compiled);
    let files = files_by_tenant(&session);
    let tenants = session.resolved.tenancy.tenants.iter();
    // Of two tenants with one name the first counts.
    let tenants: BTreeMap<&str, &Tenant> = tenants
        .rev()
        .map(|tenant| (tenant.name.value.as_str(), tenant))
        .collect();

    let rows: Vec<TenantStatus<'_>> = compiled
        .standings
        .iter()
        .map(|(name, standing)| {
            let tenant = tenants.get(name).filter(|_| !standing.keeps_files());
            // A held tenant is shown as its last rendered files say.
            let waivers = session.resolved.tenancy.permits.used_by(name);
            match tenant {
                Some(tenant) => resolved_status(tenant, standing, waivers, &clusters, &objects),
                None => {
                    let files = files.get(name).map_or(&[][..], Vec::as_slice);
                    recorded_status(name, standing, waivers, files)
                }
            }
        })
        .collect();

    deliver_list(cli, "tenants", &rows, || table(&rows))?;
    Ok(errors(cli, &compiled))
}

fn objects_by_tenant(compiled: &Compiled<ObjectId>) -> BTreeMap<&str, usize> {
    let mut objects: BTreeMap<&str, usize> = BTreeMap::new();
    for tenant in compiled.bundles.iter().flat_map(|bundle| &bundle.tenants) {
        *objects.entry(&tenant.tenant).or_default() += tenant.ids().count();
    }
    objects
}

/// The rendered files of each tenant.
fn files_by_tenant(session: &Session) -> BTreeMap<&str, Vec<&FileEntry>> {
    let mut files: BTreeMap<&str, Vec<&FileEntry>> = BTreeMap::new();
    for file in session.resolved.lock.files.values() {
        if let Some(tenant) = &file.tenant {
            files.entry(tenant).or_default().push(file);
        }
    }
    files
}

/// A tenant as its spec says.
fn resolved_status<'a>(
    tenant: &'a Tenant,
    standing: Standing,
    waivers: usize,
    clusters: &[&'a str],
    objects: &BTreeMap<&str, usize>,
) -> TenantStatus<'a> {
    let name = tenant.name.value.as_str();
    let namespaces = tenant.on.iter().flat_map(|on| &on.namespaces);
    let uuid = tenant.uuid.as_ref();

    TenantStatus {
        name,
        phase: standing.phase(),
        tenant_id: uuid.map_or("", |uuid| uuid.value.as_str()),
        profile: Some(tenant.profile.as_str()),
        clusters: tenant.on.iter().map(|on| clusters[on.cluster]).collect(),
        namespaces: namespaces
            .map(|namespace| namespace.name.as_str())
            .collect(),
        objects: objects.get(name).copied().unwrap_or(0),
        waivers,
    }
}

/// A tenant as its rendered files say.
fn recorded_status<'a>(
    name: &'a str,
    standing: Standing,
    waivers: usize,
    files: &[&'a FileEntry],
) -> TenantStatus<'a> {
    let files = || files.iter().copied();

    TenantStatus {
        name,
        phase: standing.phase(),
        tenant_id: files()
            .find_map(|file| file.uuid.as_deref())
            .unwrap_or_default(),
        profile: None,
        clusters: files().map(|file| file.cluster.as_str()).collect(),
        namespaces: files().flat_map(namespaces_of).collect(),
        objects: files().map(|file| file.objects.len()).sum(),
        waivers,
    }
}

/// Writes a list in each format that was asked for: as JSON under a name, or as text.
fn deliver_list(
    cli: &Cli,
    name: &str,
    list: &[impl Serialize],
    text: impl Fn() -> String,
) -> Result<(), CliError> {
    output::each(cli, |target| match target.format {
        ReportFormat::Json => tenantry::report::pretty(&json!({"schemaVersion": 1, name: list})),
        ReportFormat::Text
        | ReportFormat::Github
        | ReportFormat::Sarif
        | ReportFormat::Markdown
        | ReportFormat::Junit
        | ReportFormat::Mermaid => text(),
    })
}

fn errors(cli: &Cli, compiled: &Compiled<ObjectId>) -> Outcome {
    let counts = count(&compiled.findings);
    if counts.errors > 0 {
        output::status(
            cli,
            &format!(
                "{}: tenantry check shows more",
                plural(counts.errors, "error")
            ),
        );
    }
    Outcome::from(counts.errors > 0)
}

/// Lists what is pushed: the folder, the address and the content of each artifact.
fn artifacts(
    cli: &Cli,
    session: &Session,
    compiled: &Compiled<ObjectId>,
) -> Result<Outcome, CliError> {
    let all = &compiled.tree.artifacts;
    for artifact in all {
        if let Some(name) = edited_file(session, &artifact.folder)? {
            let why = format!(
                "{name} is not as it was rendered: nothing is listed; run: tenantry render --check"
            );
            output::status(cli, &why);
            return Ok(Outcome::Findings);
        }
    }

    deliver_list(cli, "artifacts", all, || {
        let line = |a: &Artifact| {
            let cells = [&a.folder, &a.url, &a.content].map(|cell| plain(cell));
            format!("{}\n", cells.join("\t"))
        };
        all.iter().map(line).collect()
    })?;

    if all.is_empty() {
        output::status(
            cli,
            "no unit has an artifact of its own: delivery.source is not perShard",
        );
    }

    Ok(errors(cli, compiled))
}

/// The first file of a folder that is not as its record says. What is pushed is what lies on disk.
fn edited_file(session: &Session, folder: &str) -> Result<Option<String>, CliError> {
    let full = session.workspace.tree_base.join(folder);

    for file in std::fs::read_dir(&full).map_err(CliError::io(&full))? {
        let path = file.map_err(CliError::io(&full))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{folder}/{name}");

        let (bytes, _) = bounded::read_head(&path, MAX_RENDERED).map_err(CliError::io(&path))?;
        let recorded = session.resolved.lock.files.get(&name);
        if recorded.map(|file| &file.digest) != Some(&digest(&bytes)) {
            return Ok(Some(name));
        }
    }

    Ok(None)
}

fn table(rows: &[TenantStatus<'_>]) -> String {
    let head = [
        "NAME",
        "PHASE",
        "TENANTID",
        "NAMESPACE",
        "CLUSTERS",
        "PROFILE",
        "OBJECTS",
        "WAIVERS",
    ];

    let mut cells = vec![head.map(str::to_owned)];
    cells.extend(rows.iter().map(|row| {
        [
            or_dash(row.name),
            or_dash(row.phase),
            or_dash(row.tenant_id),
            first_few(row.namespaces.iter().copied()),
            first_few(row.clusters.iter().copied()),
            or_dash(row.profile.unwrap_or_default()),
            row.objects.to_string(),
            row.waivers.to_string(),
        ]
        .map(|cell| plain(&cell))
    }));

    let width = |column: usize| cells.iter().map(|row| row[column].len()).max();
    let widths: Vec<usize> = (0..head.len()).filter_map(width).collect();

    let line = |row: &[String; 8]| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    cells.iter().map(line).collect()
}

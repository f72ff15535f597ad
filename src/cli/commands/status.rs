//! `status`: the fleet in a table.

use crate::cli::args::{Cli, ReportFormat, StatusArgs};
use crate::cli::session::{Selection, Session};
use crate::cli::{CliError, Outcome, output};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use tenantry::compile::Compiled;
use tenantry::kube::ObjectId;
use tenantry::report::{count, plural};
use tenantry::tenancy::Standing;
use tenantry::tree::{digest, namespaces_of};

/// Runs the command.
pub fn run(cli: &Cli, args: &StatusArgs) -> Result<Outcome, CliError> {
    let mut session = Session::open(cli, args.tree.as_deref())?;
    let compiled = session.compile::<ObjectId>(Selection::default());
    if args.artifacts {
        return artifacts(cli, &session, &compiled);
    }
    let fleet_clusters: Vec<String> = session.resolved.fleet().map_or_else(Vec::new, |f| {
        f.spec
            .clusters
            .iter()
            .map(|c| c.name.value.to_string())
            .collect()
    });

    let mut objects: BTreeMap<&str, usize> = BTreeMap::new();
    for part in compiled.bundles.iter().flat_map(|b| &b.tenants) {
        *objects.entry(&part.tenant).or_default() += part.ids().count();
    }
    let mut names: BTreeSet<String> = session
        .resolved
        .specs
        .tenants
        .iter()
        .map(|t| t.name.value.clone())
        .collect();

    names.extend(compiled.standings.held().map(str::to_owned));
    let mut rows = Vec::new();

    for name in &names {
        let tenant = session
            .resolved
            .tenancy
            .tenants
            .iter()
            .find(|t| t.name.value == *name);

        let standing = compiled.standings.of(name).unwrap_or(Standing::Rendered);
        let phase = standing.phase();
        // A held tenant is shown as its last rendered files say.
        let tenant = tenant.filter(|_| !standing.keeps_files());
        let files = || {
            session
                .resolved
                .lock
                .files
                .values()
                .filter(|e| e.tenant.as_ref() == Some(name))
        };

        let clusters: BTreeSet<String> = match tenant {
            Some(tenant) => tenant
                .on
                .iter()
                .map(|on| fleet_clusters[on.cluster].clone())
                .collect(),
            None => files().map(|e| e.cluster.clone()).collect(),
        };

        let namespaces: BTreeSet<String> = match tenant {
            Some(tenant) => tenant
                .on
                .iter()
                .flat_map(|on| &on.namespaces)
                .map(|n| n.name.clone())
                .collect(),
            None => files().flat_map(namespaces_of).map(str::to_owned).collect(),
        };

        let uuid = match tenant {
            Some(tenant) => tenant
                .uuid
                .as_ref()
                .map_or_else(String::new, |u| u.value.clone()),
            None => files().find_map(|e| e.uuid.clone()).unwrap_or_default(),
        };

        let size: usize = match tenant {
            Some(_) => objects.get(name.as_str()).copied().unwrap_or(0),
            None => files().map(|e| e.objects.len()).sum(),
        };

        let waivers = session
            .resolved
            .tenancy
            .waivers_used
            .get(name)
            .copied()
            .unwrap_or(0);

        rows.push(json!({
            "name": name, "phase": phase, "tenantId": uuid, "profile": tenant.map(|t| t.profile.as_str()),
            "clusters": clusters, "namespaces": namespaces,
            "objects": size, "waivers": waivers
        }));
    }

    let asked = output::formats(cli)?;
    let file = asked.first().and_then(|(_, file)| file.as_deref());
    let text = if matches!(asked.first(), Some((ReportFormat::Json, _))) {
        format!(
            "{}\n",
            serde_json::to_string_pretty(&json!({"schemaVersion": 1, "tenants": rows}))
                .unwrap_or_default()
        )
    } else {
        table(&rows)
    };

    output::deliver(file, &text)?;
    Ok(errors(cli, &compiled))
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

/// What is pushed, as the tree's records have it.
fn artifacts(
    cli: &Cli,
    session: &Session,
    compiled: &Compiled<ObjectId>,
) -> Result<Outcome, CliError> {
    let all = &compiled.tree.artifacts;
    // What is pushed is what lies there, and not what its records say.
    for artifact in all {
        let folder = session.workspace.tree_base.join(&artifact.folder);
        for file in std::fs::read_dir(&folder).map_err(CliError::io(&folder))? {
            let path = file.map_err(CliError::io(&folder))?.path();
            let name = format!(
                "{}/{}",
                artifact.folder,
                path.file_name().unwrap_or_default().to_string_lossy()
            );
            let bytes = std::fs::read(&path).map_err(CliError::io(&path))?;
            let recorded = session.resolved.lock.files.get(&name).map(|e| &e.digest);
            if recorded != Some(&digest(&bytes)) {
                let why = format!(
                    "{name} is not as it was rendered: nothing is listed; run: tenantry render --check"
                );
                output::status(cli, &why);
                return Ok(Outcome::Findings);
            }
        }
    }

    let asked = output::formats(cli)?;
    let file = asked.first().and_then(|(_, file)| file.as_deref());
    let text = if matches!(asked.first(), Some((ReportFormat::Json, _))) {
        format!(
            "{}\n",
            serde_json::to_string_pretty(&json!({"schemaVersion": 1, "artifacts": all}))
                .unwrap_or_default()
        )
    } else {
        all.iter()
            .map(|a| format!("{}\t{}\t{}\n", a.folder, a.url, a.content))
            .collect()
    };

    output::deliver(file, &text)?;
    if all.is_empty() {
        output::status(
            cli,
            "no unit has an artifact of its own: delivery.source is not perShard",
        );
    }

    Ok(errors(cli, compiled))
}

fn table(rows: &[serde_json::Value]) -> String {
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

    let list = |v: &serde_json::Value| {
        let items: Vec<&str> = v
            .as_array()
            .map(|a| a.iter().filter_map(|i| i.as_str()).collect())
            .unwrap_or_default();
        if items.len() > 3 {
            format!("{} and {} more", items[..3].join(","), items.len() - 3)
        } else {
            items.join(",")
        }
    };

    let text = |v: &serde_json::Value| {
        v.as_str()
            .filter(|s| !s.is_empty())
            .unwrap_or("-")
            .to_owned()
    };

    let mut cells: Vec<Vec<String>> = vec![head.iter().map(|h| (*h).to_owned()).collect()];
    for row in rows {
        cells.push(vec![
            text(&row["name"]),
            text(&row["phase"]),
            text(&row["tenantId"]),
            list(&row["namespaces"]),
            list(&row["clusters"]),
            text(&row["profile"]),
            row["objects"].to_string(),
            row["waivers"].to_string(),
        ]);
    }

    let widths: Vec<usize> = (0..head.len())
        .map(|i| cells.iter().map(|r| r[i].len()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let padded: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(c, w)| format!("{c:w$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };

    cells.iter().map(line).collect()
}

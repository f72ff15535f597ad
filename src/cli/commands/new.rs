//! `new tenant`: the shortest file that is a hardened tenant.

use crate::cli::args::Cli;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use crate::cli::write::replace;
use crate::cli::{CliError, Outcome, output};
use serde_json::{Map, Value, json};
use tenantry::document::emit;
use tenantry::spec::leaf;

/// Writes tenants/NAME.yaml.
pub fn tenant(
    cli: &Cli,
    name: &str,
    owners: &[String],
    namespaces: &[String],
    clusters: &[String],
) -> Result<Outcome, CliError> {
    let workspace = Workspace::find(cli, None)?;
    let own = [name.to_owned()];
    let namespaces = if namespaces.is_empty() {
        &own[..]
    } else {
        namespaces
    };

    for label in std::iter::once(name).chain(namespaces.iter().map(String::as_str)) {
        if let Some((what, reason)) = leaf::reason("dns-label", label) {
            return Err(CliError::Usage(format!(
                "`{label}` is not {what}: {reason}"
            )));
        }
    }

    let mut listed = Vec::new();
    for owner in owners {
        let bad = |reason: &str| CliError::Usage(format!("--owner {owner}: {reason}"));
        let (kind, who) = owner
            .split_once(':')
            .ok_or_else(|| bad("write it as group:NAME or user:NAME"))?;
        if !matches!(kind, "group" | "user") {
            return Err(bad("write it as group:NAME or user:NAME"));
        }
        if let Some((_, reason)) = leaf::reason("principal", who) {
            return Err(bad(&reason));
        }
        listed.push(json!({kind: who}));
    }

    let path = workspace
        .root
        .join(workspace.tenants())
        .join(format!("{name}.yaml"));

    if path.exists() {
        return Err(CliError::Usage(format!(
            "{} is there already",
            path.display()
        )));
    }
    let session = Session::open(cli, None)?;

    if let Some(doc) = session
        .resolved
        .specs
        .tenants
        .iter()
        .find(|t| t.name.value == name)
    {
        return Err(CliError::Usage(format!(
            "the tenant `{name}` is defined in {}",
            session.sources.locate(doc.name.span)
        )));
    }

    let all: Vec<&str> = session.resolved.fleet().map_or_else(Vec::new, |f| {
        f.spec.clusters.iter().map(|c| c.name.as_str()).collect()
    });
    if let Some(unknown) = clusters.iter().find(|c| !all.contains(&c.as_str())) {
        return Err(CliError::Usage(format!(
            "--cluster {unknown}: the fleet has {}",
            all.join(", ")
        )));
    }

    if clusters.is_empty() && all.len() > 1 {
        return Err(CliError::Usage(format!(
            "the fleet has several clusters: add --cluster, of {}",
            all.join(", ")
        )));
    }

    let mut spec = Map::new();
    spec.insert("uuid".into(), json!(uuid::Uuid::new_v4().to_string()));
    if !clusters.is_empty() {
        spec.insert("clusters".into(), json!(clusters));
    }
    spec.insert("owners".into(), Value::Array(listed));
    spec.insert(
        "namespaces".into(),
        namespaces.iter().map(|n| json!({"name": n})).collect(),
    );

    let document = json!({
        "apiVersion": "tenantry.dev/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec
    });
    let mut text = String::from("# yaml-language-server: $schema=../schemas/tenant.json\n");
    emit(&mut text, &(&document).into());
    replace(&path, text.as_bytes())?;
    output::status(
        cli,
        &format!(
            "wrote {}/{name}.yaml; next: tenantry render",
            workspace.tenants()
        ),
    );

    Ok(Outcome::Clean)
}

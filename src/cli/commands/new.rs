//! `new tenant`: the shortest file that is a hardened tenant.

use crate::cli::args::{Cli, NewTenantArgs};
use crate::cli::session::{Session, no_such_cluster, which_cluster};
use crate::cli::workspace::Workspace;
use crate::cli::write::{refuse_links, replace};
use crate::cli::{CliError, Outcome, output};
use serde_json::{Map, Value, json};
use tenantry::document::emit;
use tenantry::spec::leaf;
use tenantry::tenancy::platform_owner;

/// Writes tenants/NAME.yaml.
pub fn tenant(cli: &Cli, args: &NewTenantArgs) -> Result<Outcome, CliError> {
    let name = &args.name;
    let workspace = Workspace::find(cli, None)?;
    let namespaces = match args.namespace.as_slice() {
        [] => std::slice::from_ref(name),
        named => named,
    };

    check_labels(std::iter::once(name).chain(namespaces))?;
    let owners = args
        .owner
        .iter()
        .map(|owner| owner_value(owner))
        .collect::<Result<Vec<Value>, CliError>>()?;

    let folder = workspace.root.join(workspace.tenants());
    let path = folder.join(format!("{name}.yaml"));
    refuse_links(&workspace.root, &path)?;
    if path.exists() {
        return Err(CliError::Usage(format!(
            "{} is there already",
            path.display()
        )));
    }

    let session = Session::open(cli, None)?;
    check_fleet(&session, args)?;
    check_platform_names(&session, namespaces)?;

    let mut spec = Map::new();
    spec.insert("uuid".into(), json!(uuid::Uuid::new_v4().to_string()));
    if !args.cluster.is_empty() {
        spec.insert("clusters".into(), json!(args.cluster));
    }
    spec.insert("owners".into(), Value::Array(owners));
    spec.insert(
        "namespaces".into(),
        namespaces
            .iter()
            .map(|name| json!({"name": name}))
            .collect(),
    );

    replace(&path, document(name, spec).as_bytes())?;
    let tenants = workspace.tenants();
    output::status(
        cli,
        &format!("wrote {tenants}/{name}.yaml; next: tenantry render"),
    );
    Ok(Outcome::Clean)
}

/// Checks that names can be names of a tenant and of namespaces.
fn check_labels<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), CliError> {
    for name in names {
        if let Some((what, reason)) = leaf::reason("dns-label", name) {
            let message = format!("`{name}` is not {what}: {reason}");
            return Err(CliError::Usage(message));
        }
    }
    Ok(())
}

/// The owner that `group:NAME` or `user:NAME` says, as a spec has it.
fn owner_value(owner: &str) -> Result<Value, CliError> {
    let fault = |reason: &str| CliError::Usage(format!("--owner {owner}: {reason}"));

    let pair = owner.split_once(':');
    let pair = pair.filter(|(kind, _)| matches!(*kind, "group" | "user"));
    let (kind, name) = pair.ok_or_else(|| fault("write it as group:NAME or user:NAME"))?;

    match leaf::reason("principal", name) {
        Some((_, reason)) => Err(fault(&reason)),
        None => Ok(json!({kind: name})),
    }
}

/// Checks that the fleet does not have the tenant yet, and has its clusters.
fn check_fleet(session: &Session, args: &NewTenantArgs) -> Result<(), CliError> {
    let mut declared = session.resolved.specs.tenants.iter();
    if let Some(document) = declared.find(|document| document.name.value == args.name) {
        return Err(CliError::Usage(format!(
            "the tenant `{}` is defined in {}",
            args.name,
            session.sources.locate(document.name.span)
        )));
    }

    let known = session.cluster_names();
    let unknown = args
        .cluster
        .iter()
        .find(|name| !known.contains(&name.as_str()));
    match unknown {
        Some(unknown) => Err(no_such_cluster(unknown, &known)),
        None if args.cluster.is_empty() && known.len() > 1 => Err(which_cluster(&known)),
        None => Ok(()),
    }
}

/// Checks that no namespace is a platform's by its name: `check` would hold the tenant. What a fleet's own
/// naming makes of a name is for `check` to say.
fn check_platform_names(session: &Session, namespaces: &[String]) -> Result<(), CliError> {
    let Some(fleet) = session.resolved.fleet() else {
        return Ok(());
    };
    if fleet.spec.naming.is_some() {
        return Ok(());
    }
    let owner = |name| platform_owner(&fleet.spec, name);
    match namespaces
        .iter()
        .find_map(|name| Some((name, owner(name)?)))
    {
        Some((name, owner)) => Err(CliError::Usage(format!(
            "the name of the namespace `{name}` belongs to {owner}: name another with --namespace"
        ))),
        None => Ok(()),
    }
}

/// The text of a tenant's file.
fn document(name: &str, spec: Map<String, Value>) -> String {
    let document = json!({
        "apiVersion": "tenantry.dev/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name},
        "spec": spec,
    });

    let mut text = String::from("# yaml-language-server: $schema=../schemas/tenant.json\n");
    emit(&mut text, &(&document).into());
    text
}

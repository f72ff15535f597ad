//! `show`: a tenant's effective settings.

use crate::cli::args::{Cli, ReportFormat, ShowArgs};
use crate::cli::files::DiskStore;
use crate::cli::session::{Session, no_such_tenant};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Outcome, output};
use serde::Serialize;
use serde_json::json;
use tenantry::diagnostic::{Diagnostic, Scope};
use tenantry::document::{Node, NodeValue, emit, quoting};
use tenantry::report::plain;
use tenantry::spec::did_you_mean;
use tenantry::tenancy::Context;

/// Runs the command.
pub fn run(cli: &Cli, args: &ShowArgs) -> Result<Outcome, CliError> {
    let workspace = Workspace::find(cli, None)?;
    let disk = DiskStore::new(&workspace.root)?;
    let context = Context {
        keep_merged: true,
        ..Context::default()
    };
    let session = Session::read_with(cli, workspace, &disk, context)?;

    let mut tenants = session.resolved.tenancy.tenants.iter();
    let Some(tenant) = tenants.find(|tenant| tenant.name.value == args.tenant) else {
        return report_unresolved(&session, &args.tenant);
    };

    let merged = &tenant.merged;
    output::each(cli, |target| match target.format {
        ReportFormat::Json => json_text(&session, merged, args.origin),
        ReportFormat::Text
        | ReportFormat::Github
        | ReportFormat::Sarif
        | ReportFormat::Markdown
        | ReportFormat::Junit
        | ReportFormat::Mermaid => text(&session, merged, args.origin),
    })?;
    Ok(Outcome::Clean)
}

/// The settings as JSON; with the place of each value if `origin` is set.
fn json_text(session: &Session, merged: &Node, origin: bool) -> String {
    match origin {
        true => tenantry::report::pretty(
            &json!({"schemaVersion": 1, "values": origins(session, merged)}),
        ),
        false => tenantry::report::pretty(&quoting::quotable(merged, true)),
    }
}

/// The settings as YAML; as a table with the place of each value if `origin` is set.
fn text(session: &Session, merged: &Node, origin: bool) -> String {
    if origin {
        return origins_table(&origins(session, merged));
    }
    let mut text = String::new();
    emit(&mut text, &(&quoting::quotable(merged, true)).into());
    text
}

/// Prints why a tenant could not be resolved.
///
/// # Errors
/// A usage fault if no spec has the tenant.
fn report_unresolved(session: &Session, tenant: &str) -> Result<Outcome, CliError> {
    let findings = session.resolved.findings.iter();
    let about: Vec<Diagnostic> = findings
        .filter(|d| d.scope == Scope::Tenant(tenant.to_owned()) || d.stops_the_fleet())
        .cloned()
        .collect();

    if about.is_empty() {
        let declared = session.resolved.specs.tenants.iter();
        let hint = did_you_mean(
            tenant,
            declared.map(|document| document.name.value.as_str()),
        );
        let more = match hint.as_str() {
            "" => String::new(),
            hint => format!("; {hint}"),
        };
        return Err(no_such_tenant(tenant, &more));
    }

    let text = tenantry::report::text(&session.sources, &about, false, 120);
    output::err(&text);
    Ok(Outcome::Findings)
}

/// A value with its place. The fields are those of the JSON report.
#[derive(Debug, Serialize)]
struct ValueOrigin {
    path: String,
    value: String,
    place: String,
    /// The values that it overrides, each with its place.
    over: Vec<String>,
}

/// Each value with its place, and the values that it overrides.
fn origins(session: &Session, merged: &Node) -> Vec<ValueOrigin> {
    let mut values = Vec::new();
    merged.leaves(&mut Vec::new(), &mut |path, node| {
        let key = path.last().map_or("", String::as_str);
        let overridden = node.overridden.iter().map(|span| {
            let place = session.sources.origin(*span);
            let text = one_line(session, *span);
            format!("{} at {place}", quoting::quoted(key, &text))
        });

        values.push(ValueOrigin {
            path: path.join("."),
            value: match &node.value {
                NodeValue::String(text) => quoting::quoted(key, &text.replace('\n', "\\n")),
                NodeValue::Number(_, text) => quoting::quoted(key, text),
                _ => node.to_json().to_string(),
            },
            place: session.sources.origin(node.span),
            over: overridden.collect(),
        });
    });
    values
}

fn origins_table(values: &[ValueOrigin]) -> String {
    let path_width = values.iter().map(|value| value.path.len()).max();
    let path_width = path_width.unwrap_or(0);
    let value_width = values.iter().map(|value| value.value.chars().count()).max();
    let value_width = value_width.unwrap_or(0).min(40);

    let mut out = String::new();
    for ValueOrigin {
        path,
        value,
        place,
        over,
    } in values
    {
        let line = format!("{path:path_width$}  {value:value_width$}  {place}");
        out.push_str(&format!("{}\n", plain(&line)));
        for overridden in over {
            out.push_str(&format!("{:path_width$}  over {}\n", "", plain(overridden)));
        }
    }
    out
}

/// The first line of the text at a place, cut off.
fn one_line(session: &Session, span: tenantry::source::Span) -> String {
    let text = session.sources.get(span.source).slice(span);
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(40)
        .collect()
}

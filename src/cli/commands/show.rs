//! `show`: a tenant's effective settings.

use crate::cli::args::{Cli, ReportFormat, ShowArgs};
use crate::cli::files::DiskStore;
use crate::cli::session::Session;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Outcome, output};
use serde_json::json;
use tenantry::diagnostic::{Diagnostic, Scope};
use tenantry::document::{Node, NodeValue, emit};
use tenantry::spec::did_you_mean;
use tenantry::tenancy::Context;

/// Runs the command.
pub fn run(cli: &Cli, args: &ShowArgs) -> Result<Outcome, CliError> {
    let workspace = Workspace::find(cli, None)?;
    let disk = DiskStore::new(&workspace.root)?;
    let session = Session::read_with(
        cli,
        workspace,
        &disk,
        Context {
            keep_merged: true,
            ..Context::default()
        },
    )?;

    let about: Vec<Diagnostic> = session
        .resolved
        .findings
        .iter()
        .filter(|d| d.scope == Scope::Tenant(args.tenant.clone()) || d.stops_the_fleet())
        .cloned()
        .collect();

    let Some(tenant) = session
        .resolved
        .tenancy
        .tenants
        .iter()
        .find(|t| t.name.value == args.tenant)
    else {
        if about.is_empty() {
            let names = session
                .resolved
                .specs
                .tenants
                .iter()
                .map(|t| t.name.value.as_str());
            let hint = did_you_mean(&args.tenant, names);
            return Err(CliError::Usage(
                format!("there is no tenant `{}`; {hint}", args.tenant)
                    .trim_end_matches("; ")
                    .to_owned(),
            ));
        }

        output::err(&tenantry::report::text(
            &session.sources,
            &about,
            false,
            120,
        ));

        return Ok(Outcome::Findings);
    };

    let asked = output::formats(cli)?;
    let file = asked.first().and_then(|(_, file)| file.as_deref());
    let as_json = matches!(asked.first(), Some((ReportFormat::Json, _)));
    let text = match (args.origin, as_json) {
        (false, true) => format!(
            "{}\n",
            serde_json::to_string_pretty(&tenant.merged.to_json()).unwrap_or_default()
        ),
        (false, false) => {
            let mut text = String::new();
            emit(&mut text, &tenant.merged.to_value());
            text
        }
        (true, as_json) => origins(&session, &tenant.merged, as_json),
    };

    output::deliver(file, &text)?;
    Ok(Outcome::Clean)
}

/// Each value with its place, and the places it won against.
fn origins(session: &Session, merged: &Node, as_json: bool) -> String {
    let mut rows: Vec<(String, String, String, Vec<String>)> = Vec::new();
    merged.leaves(&mut Vec::new(), &mut |path, node| {
        let value = match &node.value {
            NodeValue::String(s) => s.replace('\n', "\\n"),
            _ => node.to_json().to_string(),
        };

        let overridden = node.overridden.iter().map(|p| {
            format!(
                "{} at {}",
                one_line(session, *p),
                session.sources.origin(*p)
            )
        });

        rows.push((
            path.join("."),
            value,
            session.sources.origin(node.span),
            overridden.collect(),
        ));
    });

    if as_json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(path, value, span, overridden)| json!({"path": path, "value": value, "place": span, "over": overridden}))
            .collect();
        return format!(
            "{}\n",
            serde_json::to_string_pretty(&json!({"schemaVersion": 1, "values": rows}))
                .unwrap_or_default()
        );
    }

    let path_width = rows.iter().map(|r| r.0.len()).max().unwrap_or(0);
    let value_width = rows
        .iter()
        .map(|r| r.1.chars().count())
        .max()
        .unwrap_or(0)
        .min(40);

    let mut out = String::new();
    for (path, value, span, overridden) in rows {
        out.push_str(&format!(
            "{path:path_width$}  {value:value_width$}  {span}\n"
        ));
        for loser in overridden {
            out.push_str(&format!("{:path_width$}  over {loser}\n", ""));
        }
    }

    out
}

fn one_line(session: &Session, span: tenantry::source::Span) -> String {
    let text = session.sources.get(span.source).slice(span);
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(40)
        .collect()
}

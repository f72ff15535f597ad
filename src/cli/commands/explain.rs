//! `explain`: the manual of a rule, or of a field.

use crate::cli::args::ExplainArgs;
use crate::cli::{CliError, Outcome, output};
use tenantry::report;
use tenantry::spec::schema::DocumentKind;

/// Runs the command.
pub fn run(args: &ExplainArgs) -> Result<Outcome, CliError> {
    let subject = args.subject.as_str();
    let is_kind = DocumentKind::ALL
        .iter()
        .any(|kind| kind.name().eq_ignore_ascii_case(subject));
    let text = if is_kind || subject.contains('.') {
        report::explain_field(subject, args.recursive, output::width(80))
    } else {
        report::explain(subject)
    };
    output::data(&text.map_err(CliError::Usage)?)?;

    Ok(Outcome::Clean)
}

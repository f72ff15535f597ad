//! One file a command.

mod can;
mod check;
mod completions;
mod diff;
mod explain;
mod import;
mod init;
mod man;
mod new;
mod prove;
mod reach;
mod render;
mod schema;
mod show;
mod status;
#[cfg(feature = "cluster")]
mod verify;
mod who_can;

use super::args::{Cli, Command, NewCommand, ReportFormat};
use super::{CliError, Outcome, output};
use tenantry::report;

/// Runs the command that was asked for.
pub fn run(cli: &Cli) -> Result<Outcome, CliError> {
    // Before any work is done, also for commands that write no report.
    output::targets(cli)?;

    match &cli.command {
        Command::Init(args) => init::run(cli, args),
        Command::New(NewCommand::Tenant(args)) => new::tenant(cli, args),
        Command::Check(args) => check::run(cli, args),
        Command::Render(args) => render::run(cli, args),
        Command::Show(args) => show::run(cli, args),
        Command::Status(args) => status::run(cli, args),
        Command::Diff(args) => diff::run(cli, args),
        Command::Prove(args) => prove::run(cli, args),
        #[cfg(feature = "cluster")]
        Command::Verify(args) => verify::run(cli, args),
        Command::Can(args) => can::run(cli, args),
        Command::WhoCan(args) => who_can::run(cli, args),
        Command::Reach(args) => reach::run(cli, args),
        Command::Schema(args) => schema::run(cli, args),
        Command::Import(args) => import::run(cli, args),
        Command::Explain(args) => explain::run(args),
        Command::Completions { shell } => completions::run(*shell),
        Command::Man(args) => man::run(cli, args),
        Command::Rules => {
            output::each(cli, |target| match target.format {
                ReportFormat::Json => report::rules_json(),
                ReportFormat::Text
                | ReportFormat::Github
                | ReportFormat::Sarif
                | ReportFormat::Markdown
                | ReportFormat::Junit
                | ReportFormat::Mermaid => report::rules_table(),
            })?;
            Ok(Outcome::Clean)
        }
    }
}

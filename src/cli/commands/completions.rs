//! `completions`: the completion script of a shell.

use crate::cli::args::Cli;
use crate::cli::{CliError, Outcome, output};
use clap::CommandFactory;
use clap_complete::Shell;

/// Runs the command.
pub fn run(shell: Shell) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tenantry", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;

    Ok(Outcome::Clean)
}

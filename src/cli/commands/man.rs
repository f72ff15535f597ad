//! `man`: the manual pages, made of the same texts as `--help`.

use crate::cli::args::{Cli, ManArgs};
use crate::cli::session::VERSION;
use crate::cli::workspace::working_folder;
use crate::cli::write::replace;
use crate::cli::{CliError, Outcome, output};
use clap::CommandFactory;
use std::io::Write;
use std::path::Path;

/// Runs the command.
pub fn run(cli: &Cli, args: &ManArgs) -> Result<Outcome, CliError> {
    // Each command is built with the global options and its full name.
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();

    match &args.output_dir {
        Some(folder) => {
            let folder = working_folder(cli)?.join(folder);
            std::fs::create_dir_all(&folder).map_err(CliError::io(&folder))?;
            write_pages(&program, &folder)?;
        }
        None => output::data(&page(&program).map_err(CliError::io("tenantry.1"))?)?,
    }

    Ok(Outcome::Clean)
}

/// Writes the page of a command and of each of its commands, as `tenantry-new-tenant.1`.
fn write_pages(command: &clap::Command, folder: &Path) -> Result<(), CliError> {
    let path = folder.join(format!("{}.1", full_name(command)));
    let text = page(command).map_err(CliError::io(&path))?;
    replace(&path, text.as_bytes())?;

    command
        .get_subcommands()
        .try_for_each(|subcommand| write_pages(subcommand, folder))
}

/// Returns the name that a command's page has, as `tenantry-check`.
fn full_name(command: &clap::Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

/// Returns the roff text of a command's page.
fn page(command: &clap::Command) -> std::io::Result<String> {
    let command = command
        .clone()
        .subcommand_help_heading("COMMANDS")
        .subcommand_value_name("command");

    let source = format!("tenantry {VERSION}");
    let man = clap_mangen::Man::new(command.clone()).source(source);
    let mut out = Vec::new();

    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    man.render_synopsis_section(&mut out)?;
    man.render_description_section(&mut out)?;
    man.render_options_section(&mut out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut out)?;
    }
    examples(&command, &mut out)?;

    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Writes the examples of a command with their line breaks, which clap_mangen would fill up.
fn examples(command: &clap::Command, out: &mut Vec<u8>) -> std::io::Result<()> {
    let Some(help) = command.get_after_help() else {
        return Ok(());
    };

    writeln!(out, ".SH EXAMPLES\n.nf")?;
    for line in help.to_string().lines().skip(1) {
        let line = line.strip_prefix("  ").unwrap_or(line);
        let line = line.replace('\\', r"\\").replace('-', r"\-");
        writeln!(out, "{line}")?;
    }
    writeln!(out, ".fi")
}

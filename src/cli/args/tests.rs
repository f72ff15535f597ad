//! What holds of every command and flag.

use super::*;
use clap::CommandFactory;

/// Calls a function with every command, from the program down.
fn for_each(command: &clap::Command, check: &mut impl FnMut(&clap::Command)) {
    check(command);
    for subcommand in command.get_subcommands() {
        for_each(subcommand, check);
    }
}

/// Every command, with the global options and its full name.
fn program() -> clap::Command {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    program
}

#[test]
fn every_command_has_examples_that_parse() {
    for_each(&program(), &mut |command| {
        let name = command.get_bin_name().unwrap_or("tenantry").to_owned();
        let help = command.clone().render_long_help().to_string();
        let examples = help.split("\nExamples:\n").nth(1);
        let examples = examples.unwrap_or_else(|| panic!("{name} --help has no examples"));

        let mut count = 0;
        for line in examples.lines().filter(|line| !line.is_empty()) {
            let line = line
                .strip_prefix("  ")
                .unwrap_or_else(|| panic!("{name}: {line}"));
            if line.starts_with("# ") {
                continue;
            }
            assert!(
                line.starts_with(&name),
                "{line}: not an example of `{name}`"
            );
            let parsed = Cli::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            count += 1;
        }

        assert!(count > 0, "{name} --help has no examples");
    });
}

#[test]
fn the_global_options_have_a_group_of_their_own() {
    for_each(&program(), &mut |command| {
        for arg in command.get_arguments() {
            let heading = arg.is_global_set().then_some("Global options");
            assert_eq!(
                arg.get_help_heading(),
                heading,
                "{}: {arg}",
                command.get_name()
            );
        }
    });
}

#[test]
fn every_help_line_is_an_imperative_without_a_stop() {
    let is_plain = |name: &str, text: Option<&clap::builder::StyledStr>| {
        let text = text.map(ToString::to_string).unwrap_or_default();
        let first = text.split_whitespace().next().unwrap_or_default();
        let is_verb = first.chars().next().is_some_and(char::is_uppercase);
        // "Prints", "Writes": the third person, and not the imperative.
        let is_third_person = first.ends_with('s') && !first.ends_with("ss");
        assert!(is_verb && !is_third_person, "{name}: {text}");
        assert!(!text.ends_with('.'), "{name}: {text}");
    };

    for_each(&Cli::command(), &mut |command| {
        is_plain(command.get_name(), command.get_about());
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            is_plain(arg.get_id().as_str(), arg.get_help());
        }
    });
}

/// The text of a format names the commands that can write it, unless most can.
#[test]
fn the_help_of_a_format_names_its_commands() {
    let commands: Vec<(&str, Command)> = [
        ("check", "tenantry check"),
        ("render", "tenantry render"),
        ("diff", "tenantry diff"),
        ("prove", "tenantry prove"),
        ("verify", "tenantry verify"),
        ("can", "tenantry can u get pods"),
        ("who-can", "tenantry who-can get pods"),
        ("show", "tenantry show a"),
        ("status", "tenantry status"),
        ("rules", "tenantry rules"),
    ]
    .map(|(name, line)| (name, Cli::parse_from(line.split(' ')).command))
    .into();

    for format in [
        ReportFormat::Github,
        ReportFormat::Sarif,
        ReportFormat::Markdown,
        ReportFormat::Junit,
        ReportFormat::Mermaid,
    ] {
        let can = commands
            .iter()
            .filter(|(_, c)| c.formats().contains(&format));
        let names: Vec<&str> = can.map(|(name, _)| *name).collect();
        let value = format.to_possible_value().expect("no format is hidden");
        let help = value
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(help.ends_with(&format!("({})", names.join(", "))), "{help}");
    }
}

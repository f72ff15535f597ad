//! Reports go to standard output, status messages to standard error.

use super::CliError;
use super::args::{Cli, Color, ReportFormat, ReportOption};
#[cfg(feature = "cluster")]
use super::interrupt::whole;
use super::session::VERSION;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use tenantry::catalog::RULES;
use tenantry::diagnostic::Diagnostic;
use tenantry::diagnostic::listed;
use tenantry::report;
use tenantry::source::SourceMap;
use tenantry::spec::one_of_these;

/// Without live clusters, a signal ends the program at once.
#[cfg(not(feature = "cluster"))]
fn whole<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Lets a write beyond `ulimit -f` fail with a reason: without a handler, its signal ends the program.
pub fn survive_file_limit() {
    #[cfg(unix)]
    {
        let seen = std::sync::Arc::default();
        // Without the handler, a run of usual size works as before.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen);
    }
}

/// Writes to standard output; a closed pipe is a fault of its own.
pub fn data(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|fault| match fault.kind() {
        ErrorKind::BrokenPipe => CliError::Closed,
        _ => CliError::io("standard output")(fault),
    })
}

/// Writes to standard error; nobody is told where nobody reads.
pub fn err(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes a note to standard error.
pub fn note(text: &str) {
    err(&format!("note: {}\n", report::plain(text)));
}

/// Writes one line to standard error, unless `--quiet`. It may quote names of manifests.
pub fn status(cli: &Cli, text: &str) {
    if !cli.quiet {
        err(&format!("{}\n", report::plain(text)));
    }
}

/// Whether standard output or error shows colours.
fn colors(cli: &Cli, terminal: bool) -> bool {
    match cli.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    }
}

/// The width of a line: that of the variable `COLUMNS`, or else the given one.
pub fn width(otherwise: usize) -> usize {
    std::env::var("COLUMNS")
        .ok()
        .and_then(|c| c.parse().ok())
        .filter(|columns| *columns > 0)
        .unwrap_or(otherwise)
}

/// A report that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportTarget {
    /// Its format.
    pub format: ReportFormat,
    /// Its file; standard output if `None`.
    pub file: Option<PathBuf>,
}

impl ReportTarget {
    /// Writes the report to its file, or to standard output.
    pub fn deliver(&self, text: &str) -> Result<(), CliError> {
        match &self.file {
            Some(path) => whole(|| std::fs::write(path, text)).map_err(CliError::io(path)),
            None => data(text),
        }
    }
}

/// The reports asked for, in the order of the command line.
///
/// # Errors
/// A format that the command cannot write, and a `--output` that no report goes to.
pub fn targets(cli: &Cli) -> Result<Vec<ReportTarget>, CliError> {
    let allowed = cli.command.formats();
    let name = |format: &ReportFormat| format!("{format:?}").to_lowercase();
    let targets = paired(cli)?;

    if let Some(bad) = cli.format.iter().find(|f| !allowed.contains(f)) {
        return Err(CliError::Usage(format!(
            "--format {}: this command cannot write it; it writes {}",
            name(bad),
            allowed.iter().map(name).collect::<Vec<_>>().join(", ")
        )));
    }

    if allowed == [ReportFormat::Text] && !cli.output.is_empty() {
        return Err(CliError::Usage(
            "--output: this command writes no report".into(),
        ));
    }

    for file in targets.iter().filter_map(|target| target.file.as_deref()) {
        check_folder(file)?;
    }

    let to_stdout = targets.iter().filter(|target| target.file.is_none());
    if to_stdout.count() > 1 {
        return Err(CliError::Usage(
            "only one report can go to standard output: give each --format its --output".into(),
        ));
    }

    Ok(targets)
}

/// Checks that the folder of a report is there, before any work is done.
fn check_folder(file: &Path) -> Result<(), CliError> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Err(CliError::Usage(format!(
            "--output {}: there is no folder {}",
            file.display(),
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Writes each report that is asked for. If none is, writes the first format of the command to
/// standard output.
pub fn each(cli: &Cli, report: impl Fn(&ReportTarget) -> String) -> Result<(), CliError> {
    let mut targets = targets(cli)?;
    if targets.is_empty() {
        let first = cli.command.formats().first();
        targets.extend(first.map(|format| ReportTarget {
            format: *format,
            file: None,
        }));
    }

    targets
        .iter()
        .try_for_each(|target| target.deliver(&report(target)))
}

/// Gives each `--format` the `--output` between it and the next `--format`.
///
/// Goes backwards: if the command line has an option both before and after the command, only the
/// values after it count.
fn paired(cli: &Cli) -> Result<Vec<ReportTarget>, CliError> {
    let (mut formats, mut files) = (cli.format.iter().rev(), cli.output.iter().rev());
    let mut targets = Vec::new();
    let mut pending: Option<&PathBuf> = None;
    let fault = || CliError::Usage("--output belongs to a --format before it".into());

    for option in cli.report_options.iter().rev() {
        match option {
            ReportOption::Format => targets.extend(formats.next().map(|format| ReportTarget {
                format: *format,
                file: pending.take().cloned(),
            })),
            ReportOption::Output if pending.is_some() => return Err(fault()),
            ReportOption::Output => pending = files.next(),
        }
    }

    match pending {
        // One file without a format is the text.
        Some(file) if targets.is_empty() => targets.push(ReportTarget {
            format: ReportFormat::Text,
            file: Some(file.clone()),
        }),
        Some(_) => return Err(fault()),
        None => {}
    }
    targets.reverse();
    Ok(targets)
}

/// Writes the JUnit report of a run that could not do its work, where one is asked for. A run that
/// has lost a part of its lists has written its own.
pub fn report_fault(cli: &Cli, fault: &CliError) {
    #[cfg(feature = "cluster")]
    if matches!(fault, CliError::Partial(_)) {
        return;
    }
    let Ok(targets) = targets(cli) else {
        return;
    };

    let command = format!("tenantry {}", cli.command.name());
    let text = report::junit::junit_error(&command, &fault.to_string());
    let is_junit = |target: &&ReportTarget| target.format == ReportFormat::Junit;
    for target in targets.iter().filter(is_junit) {
        // The fault itself may be that the file cannot be written.
        let _ = target.deliver(&text);
    }
}

/// Which rules are reported: those of `only` where it names some, but not those of `skip`; each is
/// a rule or an area. `areas` is what areas are called.
pub fn chosen<'a>(
    only: &'a [String],
    skip: &'a [String],
    areas: &str,
) -> Result<impl Fn(&str) -> bool + use<'a>, CliError> {
    let is = |name: &str, id: &str| id == name || id.split('/').next() == Some(name);
    if let Some(unknown) = only
        .iter()
        .chain(skip)
        .find(|name| !RULES.iter().any(|r| is(name, r.id)))
    {
        let hint = one_of_these(unknown, RULES.iter().map(|r| r.id));
        return Err(CliError::Usage(format!(
            "`{unknown}` is no rule and no {areas}; {hint}"
        )));
    }
    let named = move |list: &[String], id: &str| list.iter().any(|name| is(name, id));
    Ok(move |id: &str| (only.is_empty() || named(only, id)) && !named(skip, id))
}

/// Writes findings in the formats asked for; as text where none is. Text is data for `check`, and
/// a status message for the others.
pub fn findings(
    cli: &Cli,
    sources: &SourceMap,
    findings: &[Diagnostic],
    as_data: bool,
) -> Result<(), CliError> {
    let findings = &listed(sources, findings);
    let asked = targets(cli)?;
    for target in &asked {
        let text = match target.format {
            ReportFormat::Json => report::json(sources, findings),
            ReportFormat::Github => report::github(sources, findings),
            ReportFormat::Sarif => report::sarif(sources, findings, VERSION),
            // `check` writes it itself.
            ReportFormat::Junit => continue,
            // No command that calls this writes Markdown or Mermaid.
            ReportFormat::Text | ReportFormat::Markdown | ReportFormat::Mermaid => {
                report::text(sources, findings, false, width(120))
            }
        };
        target.deliver(&text)?;
    }

    if asked.iter().any(|target| target.file.is_none()) {
        return Ok(());
    }
    if as_data {
        data(&report::text(
            sources,
            findings,
            colors(cli, std::io::stdout().is_terminal()),
            width(120),
        ))
    } else {
        err(&report::text(
            sources,
            findings,
            colors(cli, std::io::stderr().is_terminal()),
            width(120),
        ));
        Ok(())
    }
}

/// Findings as text, with colours where it goes to a terminal. Of many of one rule, the first are listed.
pub fn text(sources: &SourceMap, findings: &[Diagnostic], terminal: bool, cli: &Cli) -> String {
    report::text(
        sources,
        &listed(sources, findings),
        terminal && colors(cli, std::io::stdout().is_terminal()),
        width(120),
    )
}

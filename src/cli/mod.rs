//! What touches the world: arguments, files, Git, the clock, the terminal. One file a command.

mod args;
mod asked;
mod bounded;
mod bug;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod concerned;
mod encoding;
mod files;
#[cfg(feature = "git")]
mod git;
mod ignored;
#[cfg(feature = "cluster")]
mod interrupt;
mod known;
mod output;
mod past;
#[cfg(feature = "cluster")]
mod plugin_process;
mod proof_inputs;
mod reading;
mod session;
mod workspace;
mod write;
mod written;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;
use tenantry::plain::plain;

/// Why the work could not be done: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The arguments contradict each other, or name something that is not there.
    #[error("{0}")]
    Usage(String),
    /// No fleet was found.
    #[error(
        "no fleet found: no tenants/fleet.yaml in {0} or above; `tenantry init` writes one, --fleet names one"
    )]
    NoFleet(PathBuf),
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something stands where something else is to be written.
    #[error("{path} is {what}, and stands where {wanted} belongs: move it away, and run again")]
    InTheWay {
        /// Which.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// Another run has the lock.
    #[error("another tenantry is at work in {0}; wait for it, and run again")]
    Busy(PathBuf),
    /// Git.
    #[cfg(feature = "git")]
    #[error("git: {0}")]
    Git(String),
    /// A live cluster cannot be reached, or refuses a request that the run depends on.
    #[cfg(feature = "cluster")]
    #[error("cluster {0}")]
    Cluster(String),
    /// The kubeconfig, or a file, a credential or a proxy that it names, cannot be used.
    #[cfg(feature = "cluster")]
    #[error("{0}")]
    Kubeconfig(String),
    /// The API server of a live cluster is busy, or does not answer; it may answer later.
    #[cfg(feature = "cluster")]
    #[error("cluster {0}")]
    Unavailable(String),
    /// Some lists of a cluster could not be fetched: their number.
    #[cfg(feature = "cluster")]
    #[error("{0} lists could not be fetched; the report is incomplete")]
    Partial(usize),
    /// A pipe that nobody reads any more.
    #[error("standard output is closed")]
    Closed,
    /// A panic.
    #[error("{0}")]
    Bug(String),
}

impl CliError {
    fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// What a command came to: exit code 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is wrong.
    Clean,
    /// Something in an input is wrong, or differs.
    Findings,
}

impl From<bool> for Outcome {
    fn from(wrong: bool) -> Self {
        if wrong { Self::Findings } else { Self::Clean }
    }
}

/// A fault in one line that a terminal shows as it is: it may quote names of manifests, and what Git
/// or a server says.
fn plain_line(fault: &CliError) -> String {
    let text = fault.to_string();
    let lines: Vec<String> = text.lines().map(plain).collect();
    lines.join("; ")
}

/// Parses arguments, and the environment variables that stand for some. An empty variable is one that
/// is not set.
fn parse(arguments: Vec<OsString>) -> Result<args::Cli, clap::Error> {
    let mut command = without_empty_variables(args::Cli::command());
    if std::env::var("COLUMNS").is_ok_and(|columns| columns == "0") {
        command = command.term_width(output::width(100));
    }
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    args::Cli::from_arg_matches_mut(&mut matches).map_err(|fault| fault.format(&mut command))
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |variable: &OsStr| std::env::var_os(variable).is_some_and(|v| v.is_empty());
    command
        .mut_args(|argument| match argument.get_env().is_some_and(is_empty) {
            true => argument.env(Resettable::Reset),
            false => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// Reads the arguments. A fault quotes them: it is made of what they look like.
fn arguments() -> args::Cli {
    let fault = match parse(std::env::args_os().collect()) {
        Ok(cli) => return cli,
        Err(fault) => fault,
    };

    let shown = std::env::args_os().map(|argument| plain(&argument.to_string_lossy()));
    match parse(shown.map(OsString::from).collect()) {
        Err(of_shown) if of_shown.kind() == fault.kind() => of_shown.exit(),
        _ => {
            let said = fault
                .kind()
                .as_str()
                .unwrap_or("the arguments cannot be read");
            output::err(&format!("tenantry: {said}\n"));
            std::process::exit(2)
        }
    }
}

/// Starts the threads of the computation: as many as RAYON_NUM_THREADS says, and no more than the
/// processors.
fn start_threads() -> Result<(), CliError> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let asked = std::env::var("RAYON_NUM_THREADS").ok();
    let asked = asked.and_then(|count| count.parse().ok());
    let count = asked.filter(|count| *count > 0).unwrap_or(processors);
    let count = count.min(processors);

    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    let pool = match count {
        // One thread is this one, so that a profile shows each stage with all that it calls
        // (benches/instructions.py).
        1 => pool.use_current_thread(),
        _ => pool,
    };
    pool.build_global().map_err(|fault| {
        CliError::Usage(format!(
            "{count} threads cannot be started: {fault}; RAYON_NUM_THREADS=1 needs no other thread"
        ))
    })
}

/// The stack of the thread that does the work, in bytes: that of the first thread is the user's choice
/// (`ulimit -s`), and readers of nested documents need some.
const STACK: usize = 16 << 20;

/// Runs the program.
pub fn main() -> ExitCode {
    bug::report_panics();
    output::survive_file_limit();
    let thread = std::thread::Builder::new().stack_size(STACK);
    match thread.spawn(run) {
        Ok(work) => work.join().unwrap_or(ExitCode::from(2)),
        Err(fault) => {
            output::err(&format!("tenantry: no thread can be started: {fault}\n"));
            ExitCode::from(2)
        }
    }
}

fn run() -> ExitCode {
    let mut cli = arguments();
    cli.report_options = args::ReportOption::in_order(std::env::args_os());
    #[cfg(feature = "cluster")]
    if cli.command.connects() {
        interrupt::prepare();
    }
    let work = || start_threads().and_then(|()| commands::run(&cli));

    match bug::catch(work) {
        Ok(Ok(Outcome::Clean)) => ExitCode::SUCCESS,
        Ok(Ok(Outcome::Findings)) => ExitCode::from(1),
        Ok(Err(CliError::Closed)) => ExitCode::from(2),
        // The panic was reported where it happened.
        Err(place) => {
            output::report_fault(&cli, &CliError::Bug(bug::panic_message(place)));
            ExitCode::from(2)
        }
        Ok(Err(fault)) => {
            output::err(&format!("tenantry: {}\n", plain_line(&fault)));
            output::report_fault(&cli, &fault);
            ExitCode::from(2)
        }
    }
}

//! Flags, as kubectl, flux and cargo name them.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Compiles a directory of tenant specs into a hardened tree that Flux applies.
///
/// Exit codes: 0 clean; 1 something is wrong in an input, or differs; 2 the work could not be done.
#[derive(Debug, Parser)]
#[command(
    name = "tenantry",
    version = concat!(env!("CARGO_PKG_VERSION"), env!("TENANTRY_COMMIT")),
    max_term_width = 100
)]
pub struct Cli {
    /// Works in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The fleet's file; else the nearest tenants/fleet.yaml upward
    #[arg(long, global = true, value_name = "FILE", env = "TENANTRY_FLEET")]
    pub fleet: Option<PathBuf>,
    /// The format of a report; repeatable, each with its --output
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub format: Vec<Format>,
    /// The file of the report before it; standard output when left out
    #[arg(long, global = true, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// Colours in text
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        env = "TENANTRY_COLOR"
    )]
    pub color: Color,
    /// Says nothing but what is wrong
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Says more
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// The day that decides about waivers, as 2026-11-22; today (UTC) when left out
    #[arg(long, global = true, value_name = "DATE", env = "TENANTRY_NOW")]
    pub now: Option<String>,
    /// A checkout that the fleet names as a source; repeatable
    #[arg(long, global = true, value_name = "NAME=DIR")]
    pub source: Vec<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// A report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Annotations in GitHub Actions.
    Github,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
    /// For a pull request (diff, prove and verify).
    Markdown,
    /// Test results, for CI (verify).
    Junit,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// From which level on findings make the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors.
    Error,
    /// Warnings and errors.
    Warning,
    /// Anything.
    Note,
    /// Nothing.
    None,
}

/// What of a change makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnClass {
    /// It widens what a tenant may.
    Widens,
}

/// `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Print what is pushed where each unit has an artifact of its own: a line each of folder,
    /// address and content
    #[arg(long)]
    pub artifacts: bool,
    /// The folder of the tree, where it is in another checkout
    #[arg(long, value_name = "DIR")]
    pub tree: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Writes a fleet that renders, and the schemas for the editor; reads what is there first
    Init(Init),
    /// Writes a new document
    #[command(subcommand)]
    New(New),
    /// Checks every spec: schema, references, uniqueness, quotas, waivers
    Check(Check),
    /// Writes the tree: only what changed, and nothing that it did not write
    Render(Render),
    /// Prints what a tenant comes to, with the place of each value
    Show(Show),
    /// Prints the fleet's tenants in a table
    Status(Status),
    /// Prints what a change does to the objects, compared by meaning
    Diff(Diff),
    /// Proves that no tenant can reach another, or shows the chain by which one can
    Prove(Prove),
    /// Says whether a live cluster has become what is rendered, and what stands beside it
    #[cfg(feature = "cluster")]
    Verify(Verify),
    /// Says whether a subject may do something, with the chain
    Can(Can),
    /// Says whether pods can send to others, with the policies that let them
    Reach(Reach),
    /// Prints the JSON Schemas, or writes them to a folder
    Schema(Schema),
    /// Prints a rule's manual
    Explain {
        /// The rule's id, as network/egress-any
        rule: String,
    },
    /// Lists every rule
    Rules,
    /// Takes over namespaces that run already: tenants, waivers for each gap, and what could not be
    /// carried over
    Import(Import),
}

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// For Flux (the only engine so far)
    #[arg(long)]
    pub flux: bool,
}

/// What `new` writes.
#[derive(Debug, Subcommand)]
pub enum New {
    /// A tenant: tenants/NAME.yaml
    Tenant {
        /// Its name
        name: String,
        /// Who owns it; repeatable
        #[arg(long, value_name = "group:G|user:U", required = true)]
        owner: Vec<String>,
        /// Its namespaces; its own name when left out
        #[arg(short, long, value_name = "NAME")]
        namespace: Vec<String>,
        /// Its clusters; needed where there are several
        #[arg(long, value_name = "NAME")]
        cluster: Vec<String>,
    },
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Checks what is staged in Git
    #[arg(long, conflicts_with = "since")]
    pub staged: bool,
    /// Reports only what was not found at a revision
    #[arg(long, value_name = "REV")]
    pub since: Option<String>,
    /// Reports only what is not in an earlier report (--format json)
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// From which level on the exit code is 1
    #[arg(long, value_enum, default_value = "error")]
    pub fail_on: FailOn,
    /// Reports only these rules, or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Does not report these rules, or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub skip: Vec<String>,
}

/// Flags of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Writes nothing; says whether the tree is what the specs say
    #[arg(long, conflicts_with = "stdout")]
    pub check: bool,
    /// With --check: compares a cluster that another version rendered with this revision of the
    /// tree, such as origin/main; while it is the same there, it is behind and not stale
    #[arg(
        long,
        value_name = "REV",
        requires = "check",
        conflicts_with = "allow_behind"
    )]
    pub since: Option<String>,
    /// With --check: trusts the lock on disk about clusters that another version rendered. Do not
    /// use it as a gate: the author of a change can write the lock
    #[arg(long, requires = "check")]
    pub allow_behind: bool,
    /// Writes the objects to standard output instead
    #[arg(long)]
    pub stdout: bool,
    /// Only this tenant; repeatable
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Only this cluster; repeatable
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Only the clusters of this ring; repeatable
    #[arg(long, value_name = "NAME")]
    pub ring: Vec<String>,
    /// The tree's folder; `rendered` beside the tenants folder when left out
    #[arg(long, value_name = "DIR", env = "TENANTRY_TREE")]
    pub tree: Option<PathBuf>,
    /// Lets a tenant, or a namespace of it, go from the tree; repeatable
    #[arg(long, value_name = "TENANT")]
    pub allow_removal: Vec<String>,
    /// Overwrites files of the tree that were edited by hand
    #[arg(long)]
    pub force: bool,
}

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The tenant
    pub tenant: String,
    /// With the place of each value, and those it won against
    #[arg(long)]
    pub origin: bool,
}

/// Flags of `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// Compares with the specs of this revision; HEAD when left out
    pub rev: Option<String>,
    /// Compares with the manifests of a folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "rev")]
    pub against: Option<PathBuf>,
    /// Shows what tenantry adds to each object too
    #[arg(long)]
    pub metadata: bool,
    /// Only this tenant; repeatable
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Only this cluster; repeatable
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Ends with exit code 1 where something differs
    #[arg(long)]
    pub exit_code: bool,
    /// Ends with exit code 1 where the change gives a tenant more than it had
    #[arg(long, value_enum, value_name = "CLASS")]
    pub fail_on: Option<FailOnClass>,
}

/// What stands beside what is rendered.
#[derive(Debug, Args)]
pub struct Beside {
    /// Manifests that tenantry does not render, for one cluster or for all; repeatable. Without a
    /// fleet each of their namespaces counts as a tenant
    #[arg(long, value_name = "[CLUSTER=]DIR")]
    pub also: Vec<String>,
    /// What a live cluster holds, as `kubectl get -o json` prints it; repeatable
    #[arg(long, value_name = "[CLUSTER=]FILE")]
    pub snapshot: Vec<String>,
    /// Makes one tenant of the namespaces of --also that share a label's or annotation's value
    #[arg(long, value_name = "KEY")]
    pub group_by: Option<String>,
    /// Only this cluster; repeatable
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
}

/// Flags of `prove`.
#[derive(Debug, Args)]
pub struct Prove {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: Beside,
    /// Reports only these rules, or planes
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Does not report these rules, or planes; the verdicts still count them
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Counts the findings of each rule, and does not print them
    #[arg(long)]
    pub summary: bool,
    /// Proves what runs in a live cluster, in place of what is rendered
    #[cfg(feature = "cluster")]
    #[arg(long, conflicts_with_all = ["snapshot", "also"])]
    pub live: bool,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    #[allow(missing_docs)]
    pub connect: Connect,
    /// Adds who reaches whom, by classes of tenants that are alike
    #[arg(long)]
    pub matrix: bool,
    /// Adds what is said to the threats that reference systems name
    #[arg(long)]
    pub threats: bool,
}

/// Which cluster is asked, and how.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// The context of a cluster, which is named CLUSTER in the fleet; the current one where the
    /// fleet has one cluster. Repeatable
    #[arg(long, value_name = "[CLUSTER=]CONTEXT")]
    pub context: Vec<String>,
    /// The longest time that the server may say nothing, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub request_timeout: u64,
}

/// Flags of `verify`.
#[cfg(feature = "cluster")]
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub connect: Connect,
    /// Waits until the cluster has become what is rendered
    #[arg(long)]
    pub wait: bool,
    /// The longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "wait", value_parser = clap::value_parser!(u64).range(..=604_800))]
    pub timeout: u64,
    /// Only this tenant, and only its namespaces; repeatable
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// A list of external things and whose each is (`- {tenant: NAME or UUID, thing: TEXT}`): those
    /// of nobody are named
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// The commit that Flux has to have applied, or `any`; HEAD where the tree is in Git
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Writes what the cluster holds to a file, for prove --snapshot
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// The time by which ages are counted, as RFC 3339; now when left out
    #[arg(long, value_name = "TIME", env = "TENANTRY_CLOCK", hide = true)]
    pub clock: Option<String>,
    /// Prints the ClusterRole that this needs, and asks nothing
    #[arg(long)]
    pub print_rbac: bool,
    /// Prints what the cluster has, as the fleet declares it
    #[arg(long, conflicts_with = "print_rbac")]
    pub print_capabilities: bool,
    /// Reports only these rules, or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Does not report these rules, or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub skip: Vec<String>,
}

/// Flags of `can`.
#[derive(Debug, Args)]
pub struct Can {
    /// Who: user:NAME, group:NAME, serviceaccount:NAMESPACE:NAME (or sa:NAMESPACE:NAME)
    pub subject: String,
    /// The verb: get, create, impersonate …
    pub verb: String,
    /// The resource, as `pods`, `pods/exec`, `deployments.apps`; or a path, as /metrics
    pub resource: String,
    /// The object's name
    pub name: Option<String>,
    /// The namespace; the cluster's own resources when left out
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Counts only what is granted to the subject itself, and not to service accounts that it can
    /// act as
    #[arg(long)]
    pub direct: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: Beside,
}

/// Flags of `reach`.
#[derive(Debug, Args)]
pub struct Reach {
    /// From where: NAMESPACE for any pod that may come, or NAMESPACE/WORKLOAD
    pub from: String,
    /// To where
    pub to: String,
    /// On this port, as 8080 or 53/UDP
    #[arg(long, value_name = "PORT[/PROTOCOL]")]
    pub port: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: Beside,
}

/// Flags of `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// fleet, profile, tenant or waiver; all of them with --write
    pub kind: Option<String>,
    /// Writes the schemas' files into this folder
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}

/// Flags of `import`.
#[derive(Debug, Args)]
pub struct Import {
    /// The folder with the manifests
    pub from: PathBuf,
    /// Makes one tenant of the namespaces that share a label's or annotation's value
    #[arg(long, value_name = "KEY")]
    pub group_by: Option<String>,
    /// The cluster they run on; needed where the fleet has several
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Writes nothing; only says what would be carried over
    #[arg(long)]
    pub dry_run: bool,
}

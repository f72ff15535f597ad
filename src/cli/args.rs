//! Commands and flags, named as kubectl, flux and cargo name theirs.

mod access;
mod extra;
mod values;

pub use access::{AccessArgs, CanArgs, WhoCanArgs};
pub use extra::ExtraArgs;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use tenantry::delivery::Engine;
use tenantry::netpol::Port;

/// Compile a directory of tenant specs into a hardened tree that Flux applies
///
/// Exit codes: 0 if nothing is wrong; 1 if an input is wrong or something differs; 2 if the command
/// could not do its work.
#[derive(Debug, Parser)]
#[command(
    name = "tenantry",
    version = concat!(env!("CARGO_PKG_VERSION"), env!("TENANTRY_COMMIT")),
    max_term_width = 100,
    next_help_heading = "Global options",
    after_help = "\
Examples:
  # Start a fleet, add a tenant, and write the objects of both
  tenantry init
  tenantry new tenant shop --owner group:shop-admins
  tenantry render

  # Check every spec
  tenantry check"
)]
pub struct Cli {
    /// Run as if started in this folder
    #[arg(short = 'C', global = true, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Read this fleet file [default: the nearest tenants/fleet.yaml, upward]
    #[arg(long, global = true, value_name = "FILE", env = "TENANTRY_FLEET")]
    pub fleet: Option<PathBuf>,
    /// Write the report in this format; repeat it with one --output each for several reports
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub format: Vec<ReportFormat>,
    /// Write the report of the --format before it to this file [default: standard output]
    #[arg(long, global = true, value_name = "FILE")]
    pub output: Vec<PathBuf>,
    /// The options `--format` and `--output` in the order of the command line
    #[arg(skip)]
    pub report_options: Vec<ReportOption>,
    /// Colour the text of reports
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto",
        env = "TENANTRY_COLOR"
    )]
    pub color: Color,
    /// Print findings and errors only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more details
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Judge waivers as of this day, as 2026-11-22 [default: today, UTC]
    #[arg(long, global = true, value_name = "DATE", env = "TENANTRY_NOW", value_parser = values::day)]
    pub now: Option<String>,
    /// Read a source that the fleet names from this checkout; repeatable
    #[arg(long, global = true, value_name = "NAME=DIR")]
    pub source: Vec<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// An option that says which reports are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOption {
    /// `--format`.
    Format,
    /// `--output`.
    Output,
}

impl ReportOption {
    /// The options of a command line that clap accepted, in their order. Clap accepts no value that
    /// begins with `-`, so each argument of this form is the option itself.
    pub fn in_order(args: impl IntoIterator<Item = OsString>) -> Vec<Self> {
        let is_option = |arg: &OsString| arg != "--";
        args.into_iter()
            .take_while(is_option)
            .filter_map(|arg| match arg.to_string_lossy().split('=').next() {
                Some("--format") => Some(Self::Format),
                Some("--output") => Some(Self::Output),
                _ => None,
            })
            .collect()
    }
}

/// A report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Plain text, for people
    Text,
    /// JSON, for programs
    Json,
    /// Annotations of GitHub Actions (check, render, prove)
    Github,
    /// SARIF 2.1.0, for code scanning (check, render, prove)
    Sarif,
    /// Markdown, for a pull request (diff, prove, verify)
    Markdown,
    /// JUnit test results, for CI (check, prove, verify)
    Junit,
    /// A flowchart of Mermaid with each chain, for Markdown (prove, can, who-can)
    Mermaid,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The lowest level of findings that makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors
    Error,
    /// Warnings and errors
    Warning,
    /// Notes, warnings and errors
    Note,
    /// No finding
    None,
}

/// The effect of a change that makes the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnClass {
    /// Somebody gains access, or it cannot be told whether somebody does
    Widens,
}

/// The mildest findings of a proof that make the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnVerdict {
    /// Ways from one tenant to another
    Refuted,
    /// Ways, and questions without an answer
    Unknown,
    /// Ways, questions and warnings
    Warning,
}

/// Findings that were there before.
#[derive(Clone, Debug, Args)]
pub struct KnownArgs {
    /// Take the findings that this file lists as known: they do not make the exit code 1. The file
    /// is one of --write-baseline, or a report of --format json
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write the findings to this file, to be known in later runs [default: the file of --baseline]
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub write_baseline: Option<Option<PathBuf>>,
}

/// Flags of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print the artifact that is pushed for each unit: folder, address and content (needs
    /// `delivery.source: perShard`)
    #[arg(long)]
    pub artifacts: bool,
    /// Read the tree from this folder, as in another checkout
    #[arg(long, value_name = "DIR")]
    pub tree: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a fleet that renders, and the schemas for the editor; read existing clusters first
    #[command(after_help = "\
Examples:
  # Write tenants/fleet.yaml for the clusters below clusters/
  tenantry init

  # Write it in another folder
  tenantry init -C platform")]
    Init(InitArgs),
    /// Write a new document
    #[command(subcommand)]
    #[command(after_help = "\
Examples:
  # Write tenants/shop.yaml
  tenantry new tenant shop --owner group:shop-admins")]
    New(NewCommand),
    /// Check every spec: schema, references, uniqueness, quotas, waivers
    #[command(after_help = "\
Examples:
  # Check the whole fleet
  tenantry check

  # Check the staged files, and fail on warnings too
  tenantry check --staged --fail-on warning

  # Annotate a pull request with the findings that it adds
  tenantry check --since origin/main --format github")]
    Check(CheckArgs),
    /// Write the rendered tree: only files that changed, and only files that tenantry wrote
    #[command(after_help = "\
Examples:
  # Write the tree
  tenantry render

  # Fail if the committed tree is not up to date
  tenantry render --check

  # Print the objects of one tenant
  tenantry render --stdout --tenant shop")]
    Render(RenderArgs),
    /// Show a tenant's effective settings, and the file and line of each
    #[command(after_help = "\
Examples:
  # Show the settings of tenant `shop`, with defaults and profile
  tenantry show shop

  # Show the file and line that each setting comes from
  tenantry show shop --origin")]
    Show(ShowArgs),
    /// List the fleet's tenants in a table
    #[command(after_help = "\
Examples:
  # List every tenant with its phase, namespaces and clusters
  tenantry status

  # List them for a program
  tenantry status --format json")]
    Status(StatusArgs),
    /// Compare the objects of two revisions by meaning, and show who gains or loses access
    #[command(after_help = "\
Examples:
  # Compare the work tree with HEAD
  tenantry diff

  # Fail if a branch gives a tenant more access than main does
  tenantry diff origin/main --fail-on widens

  # Compare with the manifests of another program
  tenantry diff --against manifests")]
    Diff(DiffArgs),
    /// Prove that no tenant can reach another, or show each way by which one can
    #[command(after_help = "\
Examples:
  # Prove the rendered objects together with the platform's own manifests
  tenantry prove --also infra

  # Prove the objects of the live cluster of the current context
  tenantry prove --live

  # Prove two clusters without a fleet; shared/ belongs to both
  tenantry prove --also eu=clusters/eu --also us=clusters/us --also shared

  # Report only network findings, as Markdown
  tenantry prove --only network --format markdown

  # Fail only on what a branch brings
  tenantry prove --also infra --since origin/main

  # Write down what is there, and fail only on what comes later
  tenantry prove --also infra --write-baseline baseline.json
  tenantry prove --also infra --baseline baseline.json")]
    Prove(ProveArgs),
    /// Compare a live cluster with the rendered objects, and list the objects beside them
    #[cfg(feature = "cluster")]
    #[command(after_help = "\
Examples:
  # Wait until the cluster runs the objects of HEAD
  tenantry verify --wait

  # Verify one cluster of several by its kubeconfig context
  tenantry verify --context prod=admin@prod

  # Fail only on findings that are not in a baseline; what has not converged always fails
  tenantry verify --baseline live-baseline.json

  # Print the rights that verify needs
  tenantry verify --print-rbac")]
    Verify(VerifyArgs),
    /// Check whether a subject may do something, and by which grants
    #[command(after_help = "\
Examples:
  # Ask whether a group may read Secrets in namespace `shop`
  tenantry can group:shop-admins get secrets -n shop

  # Ask whether a service account may open a shell in a pod
  tenantry can serviceaccount:shop:default create pods/exec -n shop

  # Ask what manifests grant that name no namespace, as a chart's do
  tenantry can sa:shop:web get secrets -n shop --also chart.yaml --manifest-namespace shop")]
    Can(CanArgs),
    /// List everybody who may do something, each with the shortest chain of grants
    #[command(after_help = "\
Examples:
  # List everybody who reads Secrets in namespace `beta`, by grants or by acting as somebody else
  tenantry who-can get secrets -n beta

  # List the administrators of the cluster, with manifests of the platform
  tenantry who-can '*' '*' --also infra

  # List the principals of tenants that open a shell in a pod of `ledger`, as JSON
  tenantry who-can create pods/exec -n ledger --tenants --format json")]
    WhoCan(WhoCanArgs),
    /// Check whether pods can send to other pods, to addresses and to the platform, and by which
    /// policies
    #[command(after_help = "\
Examples:
  # Ask whether any pod of `shop` can reach `ledger`
  tenantry reach shop ledger

  # Ask about one workload and one port of a Service
  tenantry reach shop/web ledger/svc/api --port 8080

  # Draw the policies that let the connection through, or that block it
  tenantry reach shop/web ledger/svc/api --format mermaid

  # Ask about an address, the cloud's metadata service, and the API server
  tenantry reach shop 203.0.113.0/24
  tenantry reach shop metadata
  tenantry reach shop kube-apiserver --port 443

  # Ask about a chart that names no namespace
  tenantry reach shop/web shop/db --also chart.yaml -n shop")]
    Reach(ReachArgs),
    /// Print the JSON Schema of a kind, or write the schemas of all kinds to a folder
    #[command(after_help = "\
Examples:
  # Print the schema of a fleet
  tenantry schema fleet

  # Write the schemas for the editor
  tenantry schema --write schemas")]
    Schema(SchemaArgs),
    /// Explain a rule, or a field of a document
    #[command(after_help = "\
Examples:
  # Explain why a rule fires, and how to fix it
  tenantry explain network/egress-any

  # Describe a field of a tenant and its sub-fields
  tenantry explain tenant.spec.network.egress

  # List every field of a fleet
  tenantry explain fleet --recursive")]
    Explain(ExplainArgs),
    /// List every rule
    #[command(after_help = "\
Examples:
  # List the rules with their levels
  tenantry rules

  # List them for a program
  tenantry rules --format json")]
    Rules,
    /// Write tenants for running namespaces, waivers for each gap, and a list of what is left out
    #[command(after_help = "\
Examples:
  # Preview the tenants that a folder of manifests becomes
  tenantry import manifests --dry-run

  # Make one tenant of all namespaces with the same `team` label
  tenantry import manifests --group-by team")]
    Import(ImportArgs),
    /// Print a completion script for a shell
    ///
    /// bash: write it to ~/.local/share/bash-completion/completions/tenantry. zsh: write it to the
    /// file `_tenantry` in a folder of `fpath`. fish: write it to
    /// ~/.config/fish/completions/tenantry.fish. PowerShell: append it to the file `$PROFILE`.
    #[command(after_help = "\
Examples:
  # Print the script for bash; `source <(tenantry completions bash)` loads it at once
  tenantry completions bash

  # Print the script for zsh
  tenantry completions zsh")]
    Completions {
        /// Print the script for this shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one page for each command to a folder
    #[command(after_help = "\
Examples:
  # Print the page of tenantry
  tenantry man

  # Write a page for each command, where man finds them
  tenantry man --output-dir /usr/local/share/man/man1")]
    Man(ManArgs),
}

impl Command {
    /// The name of the commands that write JUnit reports; empty for others.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Prove(_) => "prove",
            #[cfg(feature = "cluster")]
            Self::Verify(_) => "verify",
            _ => "",
        }
    }

    /// Whether this command connects to live clusters.
    #[cfg(feature = "cluster")]
    pub const fn connects(&self) -> bool {
        match self {
            Self::Verify(_) => true,
            Self::Prove(args) => args.live,
            _ => false,
        }
    }

    /// The formats that this command can write. The first one is written if none is asked for.
    pub fn formats(&self) -> &'static [ReportFormat] {
        use ReportFormat::{Github, Json, Junit, Markdown, Mermaid, Sarif, Text};

        match self {
            Self::Check(_) => &[Text, Json, Github, Sarif, Junit],
            Self::Render(_) => &[Text, Json, Github, Sarif],
            Self::Prove(_) => &[Text, Json, Github, Sarif, Markdown, Junit, Mermaid],
            Self::Diff(_) => &[Text, Json, Markdown],
            #[cfg(feature = "cluster")]
            Self::Verify(_) => &[Text, Json, Markdown, Junit],
            Self::Show(_) | Self::Status(_) | Self::Rules => &[Text, Json],
            Self::Can(_) | Self::Reach(_) => &[Text, Mermaid],
            Self::WhoCan(_) => &[Text, Json, Mermaid],
            Self::Schema(_) => &[Json],
            Self::Init(_)
            | Self::New(_)
            | Self::Explain(_)
            | Self::Import(_)
            | Self::Completions { .. }
            | Self::Man(_) => &[Text],
        }
    }
}

/// Flags of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Write the fleet for Flux (the only engine so far)
    #[arg(long)]
    flux: bool,
}

impl InitArgs {
    /// The engine that the fleet is written for.
    pub const fn engine(&self) -> Engine {
        let _ = self.flux;
        Engine::Flux
    }
}

/// The documents that `new` writes.
#[derive(Debug, Subcommand)]
pub enum NewCommand {
    /// Write tenants/NAME.yaml
    #[command(after_help = "\
Examples:
  # Write a tenant with one namespace of its own name
  tenantry new tenant shop --owner group:shop-admins

  # Write a tenant with two namespaces, on one cluster of several
  tenantry new tenant shop --owner group:shop-admins -n shop -n shop-ci --cluster prod")]
    Tenant(NewTenantArgs),
}

/// Flags of `new tenant`.
#[derive(Debug, Args)]
pub struct NewTenantArgs {
    /// Name the tenant
    pub name: String,
    /// Make this group or user an owner; repeatable
    #[arg(long, value_name = "group:G|user:U", required = true)]
    pub owner: Vec<String>,
    /// Give it this namespace; repeatable [default: NAME]
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// Place it on this cluster; repeatable, and required if the fleet has several
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
}

/// Flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Check the files that are staged in Git
    #[arg(long, conflicts_with = "since")]
    pub staged: bool,
    /// Report only findings that this revision does not have; compare immutable fields and edges
    /// with it
    #[arg(long, value_name = "REV")]
    pub since: Option<String>,
    /// Report only findings that this earlier report does not have (--format json)
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Exit with 1 on findings of this level and above
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "error")]
    pub fail_on: FailOn,
    /// Report only these rules or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave out these rules or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub skip: Vec<String>,
}

/// Flags of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// Compare the tree with the specs, and write no file
    #[arg(long, conflicts_with = "stdout")]
    pub check: bool,
    /// With --check, compare the change with this revision, such as origin/main. The specs are
    /// rendered over the lock and records of that revision. Removed tenants, adopted namespaces and
    /// forged records are errors
    #[arg(
        long,
        value_name = "REV",
        requires = "check",
        conflicts_with = "allow_behind"
    )]
    pub since: Option<String>,
    /// With --check, trust the lock on disk about clusters that another version rendered; no gate,
    /// since the author of a change can write the lock
    #[arg(long, requires = "check")]
    pub allow_behind: bool,
    /// Write the objects to standard output, and write no file
    #[arg(long)]
    pub stdout: bool,
    /// Render only this tenant; repeatable
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Render only this cluster; repeatable
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Render only the clusters of this ring; repeatable
    #[arg(long, value_name = "NAME")]
    pub ring: Vec<String>,
    /// Write the tree to this folder [default: `rendered`, beside the tenants folder]
    #[arg(long, value_name = "DIR", env = "TENANTRY_TREE")]
    pub tree: Option<PathBuf>,
    /// Allow the removal of this tenant, or of its namespaces, from the tree; with --since, of its
    /// tombstones too; repeatable
    #[arg(long, value_name = "TENANT")]
    pub allow_removal: Vec<String>,
    /// With --since, allow the removal of this cluster; repeatable
    #[arg(long, value_name = "CLUSTER", requires = "since")]
    pub allow_cluster_removal: Vec<String>,
    /// With --since, allow this tenant to take over namespaces that exist (`adopt: true`); repeatable
    #[arg(long, value_name = "TENANT", requires = "since")]
    pub allow_adoption: Vec<String>,
    /// Overwrite files of the tree that were edited by hand
    #[arg(long)]
    pub force: bool,
}

/// Flags of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Show this tenant
    pub tenant: String,
    /// Show the file and line of each value, and the values that it overrides
    #[arg(long)]
    pub origin: bool,
}

/// Flags of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Compare with the specs of this revision [default: HEAD]
    pub rev: Option<String>,
    /// Compare with the manifests of this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "rev")]
    pub against: Option<PathBuf>,
    /// Compare the labels and annotations that tenantry adds, too
    #[arg(long)]
    pub metadata: bool,
    /// Compare only this tenant; repeatable
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Compare only this cluster; repeatable
    #[arg(long, value_name = "NAME")]
    pub cluster: Vec<String>,
    /// Exit with 1 if an object differs
    #[arg(long)]
    pub exit_code: bool,
    /// Exit with 1 if the change has this effect
    #[arg(long, value_enum, value_name = "CLASS")]
    pub fail_on: Option<FailOnClass>,
}

/// Flags of `prove`.
#[derive(Debug, Args)]
pub struct ProveArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: ExtraArgs,
    /// Place manifests of --also that name no namespace in this one, as `kubectl apply -n` does
    #[arg(short, long, value_name = "NAME", value_parser = values::namespace)]
    pub namespace: Option<String>,
    /// Report only these rules or planes, and let them alone decide the exit code
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave these rules or planes out of the report and of the exit code
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Exit with 1 on these findings
    #[arg(long, value_enum, value_name = "KIND", default_value = "unknown")]
    pub fail_on: FailOnVerdict,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub known: KnownArgs,
    /// Take the findings of this revision as known, such as origin/main: of its specs, and of the
    /// --also manifests in the repository
    #[arg(long, value_name = "REV")]
    pub since: Option<String>,
    /// Print only the number of findings of each rule
    #[arg(long)]
    pub summary: bool,
    /// Prove the objects of a live cluster in place of the rendered ones
    #[cfg(feature = "cluster")]
    #[arg(long, conflicts_with_all = ["snapshot", "also", "since"])]
    pub live: bool,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    #[allow(missing_docs)]
    pub connect: ConnectArgs,
    /// Print which tenants reach which, by classes of equal tenants
    #[arg(long)]
    pub matrix: bool,
    /// Print an answer to each threat that reference systems name
    #[arg(long)]
    pub threats: bool,
}

/// The clusters to connect to, and how.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, Args)]
pub struct ConnectArgs {
    /// Connect to a cluster of the fleet by this context of the kubeconfig; repeatable [default: the
    /// current context, if the fleet has one cluster]
    #[arg(long, value_name = "[CLUSTER=]CONTEXT")]
    pub context: Vec<String>,
    /// Give up on a request whose whole answer takes longer than this many seconds (an API server
    /// itself ends a list after 60)
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub request_timeout: u64,
    /// End the requests of the run after this many seconds, with what was read so far; several clusters
    /// share the time, and what was read is then compared [default: 3600; `verify --wait` stops waiting
    /// after 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub timeout: Option<u64>,
}

/// Flags of `verify`.
#[cfg(feature = "cluster")]
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub connect: ConnectArgs,
    /// Wait until the cluster has converged to the rendered objects, or --timeout is over
    #[arg(long)]
    pub wait: bool,
    /// Verify only this tenant and its namespaces; repeatable
    #[arg(long, value_name = "NAME")]
    pub tenant: Vec<String>,
    /// Report external things without a tenant; the file lists each with its tenant (`- {tenant:
    /// NAME or UUID, thing: TEXT}`)
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,
    /// Require that Flux has applied this commit, or `any` [default: HEAD, if the tree is in Git]
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
    /// Write the objects of the cluster to this file, for `prove --snapshot`
    #[arg(long, value_name = "FILE")]
    pub snapshot: Option<PathBuf>,
    /// The time by which ages are counted, as RFC 3339; now when left out
    #[arg(long, value_name = "TIME", env = "TENANTRY_CLOCK", hide = true)]
    pub clock: Option<String>,
    /// Print the ClusterRole that this command needs, and connect to no cluster
    #[arg(long)]
    pub print_rbac: bool,
    /// Print the cluster's capabilities in the form of the fleet's fields
    #[arg(long, conflicts_with = "print_rbac")]
    pub print_capabilities: bool,
    /// Report only these rules or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave out these rules or areas
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Exit with 1 on these findings: all errors, and of the proof also open questions, or warnings
    #[arg(long, value_enum, value_name = "KIND", default_value = "refuted")]
    pub fail_on: FailOnVerdict,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub known: KnownArgs,
}

/// Flags of `reach`.
#[derive(Debug, Args)]
pub struct ReachArgs {
    /// Send from NAMESPACE (any pod of it, also later ones) or NAMESPACE/WORKLOAD
    pub from: String,
    /// Send to one of these, or to NAMESPACE/svc/NAME, an address, a network, `metadata`,
    /// `kube-apiserver` or `dns`
    pub to: String,
    /// Send to this port, as 8080 or 53/UDP [default: any port]
    #[arg(long, value_name = "PORT[/PROTOCOL]", value_parser = values::port)]
    pub port: Option<Port>,
    /// Place manifests of --also that name no namespace in this one, as `kubectl apply -n` does
    #[arg(short, long, value_name = "NAME", value_parser = values::namespace)]
    pub namespace: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: ExtraArgs,
}

/// Flags of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Print the schema of this kind: fleet, profile, tenant or waiver [default: tenant]
    pub kind: Option<String>,
    /// Write the schemas of all kinds into this folder
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// Write the reference of all fields, as Markdown, to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["kind", "write"])]
    pub docs: Option<PathBuf>,
}

/// Flags of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Read the manifests of this folder
    pub from: PathBuf,
    /// Make one tenant of the namespaces that share the value of this label or annotation
    #[arg(long, value_name = "KEY")]
    pub group_by: Option<String>,
    /// Place the tenants on this cluster; required if the fleet has several
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Name the owner of tenants in whose namespaces only service accounts are bound: group:NAME or
    /// user:NAME
    #[arg(long, value_name = "SUBJECT")]
    pub owner: Option<String>,
    /// Leave out this namespace of the platform; a pattern (`infra-*`) too; repeatable
    #[arg(long, value_name = "NAME")]
    pub platform_namespace: Vec<String>,
    /// Report what would be carried over, and write no file
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Explain this rule (`network/egress-any`) or field (`tenant.spec.network`)
    #[arg(value_name = "RULE|FIELD")]
    pub subject: String,
    /// List the fields of fields, without their descriptions
    #[arg(long)]
    pub recursive: bool,
}

/// Flags of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write `tenantry.1`, and a page such as `tenantry-check.1` for each command, to this folder
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

#[cfg(all(test, feature = "cluster"))]
mod tests;

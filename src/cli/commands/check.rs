//! `check`: everything that can be said without writing.

use crate::cli::args::{CheckArgs, Cli, FailOn, ReportFormat};
use crate::cli::files::{DiskStore, Store};
use crate::cli::session::{Selection, Session};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Outcome, known, output};
use std::collections::BTreeMap;
use tenantry::bundle::ObjectForm;
use tenantry::compile::Compiled;
use tenantry::diagnostic::{Diagnostic, Level};
use tenantry::kube::ObjectId;
use tenantry::report::baseline::{Baseline, Clusters, Fingerprint};
use tenantry::report::junit::{Case, CaseOutcome, Suite, junit};
use tenantry::report::{count, plain, plural};
use tenantry::source::SourceMap;
use tenantry::tenancy::Context;

/// Runs the command.
pub fn run(cli: &Cli, args: &CheckArgs) -> Result<Outcome, CliError> {
    let shown = output::chosen(&args.only, &args.skip, "area of rules")?;
    let workspace = Workspace::find(cli, None)?;
    let store = store(args, &workspace)?;
    let past = match &args.since {
        Some(revision) => Some(at_revision(cli, revision)?),
        None => None,
    };
    let mut known = known::read_baseline(args.baseline.as_deref())?;
    let mut context = Context::default();
    if let Some(past) = past {
        known.extend(past.known);
        context.inputs = Some(past.inputs);
    }

    let applied = applied(args, &workspace)?;
    let mut session =
        Session::read_since(cli, workspace, store.as_ref(), context, applied.as_deref())?;
    let compiled = session.compile::<ObjectId>(Selection::default());
    let mut findings = compiled.findings.clone();
    let before = findings.len();
    findings.retain(|finding| !known.has(&Fingerprint::of(&session.sources, finding)));
    let hidden = before - findings.len();
    findings.retain(|d| shown(d.rule.id));

    output::findings(cli, &session.sources, &findings, true)?;
    deliver_junit(cli, args, &session, &findings)?;
    output::status(cli, &summary(&session, &compiled, &findings, hidden));

    Ok(Outcome::from(findings.iter().any(|d| fails(args, d))))
}

/// Whether a finding makes the exit code 1.
fn fails(args: &CheckArgs, finding: &Diagnostic) -> bool {
    match args.fail_on {
        FailOn::Error => finding.level >= Level::Error,
        FailOn::Warning => finding.level >= Level::Warning,
        FailOn::Note => finding.level >= Level::Note,
        FailOn::None => false,
    }
}

/// Writes the JUnit report, where one is asked for: each tenant is a case, and so is the fleet.
fn deliver_junit(
    cli: &Cli,
    args: &CheckArgs,
    session: &Session,
    findings: &[Diagnostic],
) -> Result<(), CliError> {
    let mut targets = output::targets(cli)?;
    targets.retain(|target| target.format == ReportFormat::Junit);
    if targets.is_empty() {
        return Ok(());
    }

    let declared = session.resolved.specs.tenants.iter();
    let mut cases: BTreeMap<Option<&str>, Vec<&Diagnostic>> = declared
        .map(|document| (Some(document.name.value.as_str()), Vec::new()))
        .collect();
    cases.entry(None).or_default();
    for finding in findings {
        cases
            .entry(finding.concerned_tenant())
            .or_default()
            .push(finding);
    }

    let cases = cases.into_iter().map(|(tenant, found)| {
        let outcome = outcome(args, &session.sources, &found);
        Case::new(tenant.unwrap_or("(fleet)"), outcome)
    });
    let suite = Suite {
        name: "tenants".to_owned(),
        cases: cases.collect(),
    };
    let text = junit("tenantry check", &[suite]);
    targets.iter().try_for_each(|target| target.deliver(&text))
}

/// The outcome of a case with some findings.
fn outcome(args: &CheckArgs, sources: &SourceMap, found: &[&Diagnostic]) -> CaseOutcome {
    let line = |finding: &&Diagnostic| {
        format!(
            "{}[{}]: {}\n  {}\n",
            finding.level.name(),
            finding.rule.id,
            plain(&finding.message),
            plain(&sources.locate(finding.span))
        )
    };
    let text: String = found.iter().map(line).collect();
    match found.iter().find(|finding| fails(args, finding)) {
        Some(first) => CaseOutcome::Failed(plain(&first.message), text),
        None => CaseOutcome::Passed(text),
    }
}

/// Where the specs are read from.
#[cfg(feature = "git")]
fn store(args: &CheckArgs, workspace: &Workspace) -> Result<Box<dyn Store>, CliError> {
    use crate::cli::git::Revision;
    Ok(if args.staged {
        Box::new(Revision::staged(&workspace.root)?)
    } else {
        Box::new(DiskStore::new(&workspace.root)?)
    })
}

#[cfg(not(feature = "git"))]
fn store(args: &CheckArgs, workspace: &Workspace) -> Result<Box<dyn Store>, CliError> {
    if args.staged {
        return Err(CliError::Usage(
            "--staged: built without the feature `git`".into(),
        ));
    }
    Ok(Box::new(DiskStore::new(&workspace.root)?))
}

/// Opens the revision whose rendered files Flux applies now: that of `--since`; with `--staged`, the last
/// commit. `None` without either flag, and before the first commit.
#[cfg(feature = "git")]
fn applied(args: &CheckArgs, workspace: &Workspace) -> Result<Option<Box<dyn Store>>, CliError> {
    use crate::cli::git::Revision;
    Ok(match (&args.since, args.staged) {
        (Some(revision), _) => Some(Box::new(Revision::of_tree(workspace, revision)?)),
        // Before the first commit, there is no HEAD.
        (None, true) => match Revision::of_tree(workspace, "HEAD") {
            Ok(revision) => Some(Box::new(revision)),
            Err(_) => None,
        },
        (None, false) => None,
    })
}

#[cfg(not(feature = "git"))]
fn applied(_: &CheckArgs, _: &Workspace) -> Result<Option<Box<dyn Store>>, CliError> {
    Ok(None)
}

/// What a revision has.
struct Past {
    /// Its findings.
    known: Baseline,
    /// The digest of each tenant's document, of tenants without an error.
    inputs: BTreeMap<String, String>,
}

#[cfg(feature = "git")]
fn at_revision(cli: &Cli, revision: &str) -> Result<Past, CliError> {
    use crate::cli::git::{Revision, past_tree};
    let workspace = Workspace::find(cli, None)?;
    let store = Revision::open(&workspace.root, revision)?;
    // The tree may lie in another repository, which does not have the revision.
    let mut session = match past_tree(&workspace, revision) {
        Ok(past) => {
            let tree = Revision::of_tree(&workspace, revision)?;
            let over = (past.written, &tree as &dyn Store);
            Session::read_over(cli, workspace, &store, Context::default(), over)?
        }
        Err(_) => Session::read_with(cli, workspace, &store, Context::default())?,
    };
    let tenants = session.resolved.tenancy.tenants.iter();
    let inputs = tenants
        .map(|tenant| (tenant.name.value.clone(), tenant.input.clone()))
        .collect();
    let compiled = session.compile::<ObjectId>(Selection::default());

    let mut known = Baseline::default();
    for finding in &compiled.findings {
        let fingerprint = Fingerprint::of(&session.sources, finding);
        known.add(fingerprint, Clusters::new());
    }
    Ok(Past { known, inputs })
}

#[cfg(not(feature = "git"))]
fn at_revision(_: &Cli, _: &str) -> Result<Past, CliError> {
    Err(CliError::Usage(
        "--since: built without the feature `git`".into(),
    ))
}

/// One line about the run.
pub fn summary<T: ObjectForm>(
    session: &Session,
    compiled: &Compiled<T>,
    findings: &[Diagnostic],
    hidden: usize,
) -> String {
    let counts = count(findings);
    let tenancy = &session.resolved.tenancy;
    let tenants = tenancy.tenants.len();
    let clusters = session
        .resolved
        .fleet()
        .map_or(0, |f| f.spec.clusters.len());
    let objects = compiled.bundles.iter().flat_map(|b| b.ids()).count();
    let waivers = tenancy.permits.used();

    let mut parts = vec![
        plural(tenants, "tenant"),
        plural(clusters, "cluster"),
        plural(objects, "object"),
        format!("{} in use", plural(waivers, "waiver")),
        plural(counts.errors, "error"),
        plural(counts.warnings, "warning"),
        plural(counts.notes, "note"),
    ];

    let skipped = session.resolved.specs.skipped.iter();
    let skipped = skipped
        .filter(|s| !session.manifests.contains(session.sources.path(s.span)))
        .count();

    if skipped > 0 {
        parts.push(format!(
            "{} of other groups skipped",
            plural(skipped, "document")
        ));
    }

    if hidden > 0 {
        parts.push(format!("{} known before", plural(hidden, "finding")));
    }
    let mut text = parts.join(", ");
    let held: Vec<&str> = compiled.standings.held().collect();

    if !held.is_empty() {
        let names = &held[..held.len().min(5)];
        let more = held.len().saturating_sub(5);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        text.push_str(&format!("; held: {}{more}", names.join(", ")));
    }

    text
}

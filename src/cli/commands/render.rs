//! `render`: writes the tree.

#[cfg(feature = "git")]
mod since;

use super::check::summary;
use crate::cli::args::{Cli, RenderArgs};
use crate::cli::files::DiskStore;
use crate::cli::session::{Selection, Session, no_such_cluster};
use crate::cli::workspace::Workspace;
use crate::cli::write::{Exclusive, apply, snapshot};
use crate::cli::{CliError, Outcome, ignored, output};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;
use tenantry::bundle::ObjectText;
use tenantry::compile::Compiled;
use tenantry::diagnostic::{Diagnostic, Level, sort};
use tenantry::report::plural;
use tenantry::source::parent;
use tenantry::spec::FleetDoc;
use tenantry::tenancy::Context;
use tenantry::tree::{Behind, Plan, Tree, Written, check_disk, plan};

/// Runs the command.
pub fn run(cli: &Cli, args: &RenderArgs) -> Result<Outcome, CliError> {
    let workspace = Workspace::find(cli, args.tree.as_deref())?;
    // Taken before anything is read: what another run writes meanwhile would not be seen.
    let _exclusive = if args.check || args.stdout {
        None
    } else {
        Some(Exclusive::take(&workspace)?)
    };

    let disk = DiskStore::new(&workspace.root)?;
    if let Some(revision) = &args.since {
        #[cfg(feature = "git")]
        return since::run(cli, args, &disk, revision);
        #[cfg(not(feature = "git"))]
        return Err(CliError::Usage(format!(
            "--since {revision}: built without the feature `git`"
        )));
    }

    let context = Context {
        removable: args.allow_removal.clone(),
        ..Context::default()
    };
    let mut session = Session::read_with(cli, workspace, &disk, context)?;
    session.check_home()?;
    let selection = select(args, &session)?;
    let compiled = session.compile::<ObjectText>(selection);

    if compiled.findings.iter().any(Diagnostic::stops_the_fleet) {
        output::findings(cli, &session.sources, &compiled.findings, args.check)?;
        if !args.check && !args.stdout {
            output::status(cli, "nothing was written");
        }
        return Ok(Outcome::Findings);
    }

    if args.stdout {
        print(cli, &session, &compiled)
    } else if args.check {
        compare(cli, args, session, compiled)
    } else {
        write(cli, session, compiled, args.force)
    }
}

/// Writes the files of the tree to standard output.
fn print(
    cli: &Cli,
    session: &Session,
    compiled: &Compiled<ObjectText>,
) -> Result<Outcome, CliError> {
    output::findings(cli, &session.sources, &compiled.findings, false)?;
    for desired in compiled.tree.files.values() {
        output::data(&desired.head)?;
        output::data(&desired.objects)?;
    }
    Ok(wrong(&compiled.findings))
}

/// Says where the tree on disk is not as it would be rendered.
fn compare(
    cli: &Cli,
    args: &RenderArgs,
    mut session: Session,
    mut compiled: Compiled<ObjectText>,
) -> Result<Outcome, CliError> {
    let clusters = clusters_of(&compiled.tree);
    let (disk, _) = snapshot(
        &session.workspace,
        &compiled.tree,
        &[&session.resolved.lock],
        &clusters,
    )?;

    let behind = match args.allow_behind {
        true => Behind::OnDisk,
        false => Behind::Refused,
    };

    let lock = &session.resolved.lock;
    let stale = check_disk(
        &compiled.tree,
        Written {
            found: lock,
            base: lock,
        },
        &disk,
        &behind,
        &mut session.sources,
    );

    compiled.findings.extend(stale);
    add_hidden(&mut session, &mut compiled);
    report_comparison(cli, &session, &compiled)
}

/// Adds what Git or Flux leaves out of the tree, as the last of the findings.
fn add_hidden(session: &mut Session, compiled: &mut Compiled<ObjectText>) {
    let hidden = ignored::check(session, &compiled.tree);
    compiled.findings.extend(hidden);
    sort(&session.sources, &mut compiled.findings);
}

/// Reports the findings of `render --check`.
fn report_comparison(
    cli: &Cli,
    session: &Session,
    compiled: &Compiled<ObjectText>,
) -> Result<Outcome, CliError> {
    output::findings(cli, &session.sources, &compiled.findings, true)?;
    output::status(cli, &summary(session, compiled, &compiled.findings, 0));
    Ok(wrong(&compiled.findings))
}

/// Writes the tree, unless a file of it was edited by hand or is somebody else's.
fn write(
    cli: &Cli,
    mut session: Session,
    mut compiled: Compiled<ObjectText>,
    force: bool,
) -> Result<Outcome, CliError> {
    let clusters = clusters_of(&compiled.tree);
    let (disk, leftovers) = snapshot(
        &session.workspace,
        &compiled.tree,
        &[&session.resolved.lock],
        &clusters,
    )?;

    let plan = plan(
        &compiled.tree,
        &session.resolved.lock,
        &disk,
        &clusters,
        force,
        &mut session.sources,
    );

    compiled.findings.extend(plan.faults.iter().cloned());
    add_hidden(&mut session, &mut compiled);

    output::findings(cli, &session.sources, &compiled.findings, false)?;
    if !plan.faults.is_empty() {
        output::status(cli, "nothing was written");
        return Ok(Outcome::Findings);
    }

    let bar = progress(cli, plan.write.len());
    apply(
        &session.workspace,
        &compiled.tree,
        &plan,
        &leftovers,
        &|| bar.inc(1),
    )?;

    bar.finish_and_clear();

    output::status(cli, &summary(&session, &compiled, &compiled.findings, 0));
    say_what_changed(cli, &plan);
    Ok(wrong(&compiled.findings))
}

fn clusters_of(tree: &Tree) -> BTreeSet<String> {
    tree.clusters.keys().cloned().collect()
}

fn say_what_changed(cli: &Cli, plan: &Plan) {
    let counts = format!(
        "{} written, {} deleted, {} unchanged",
        plural(plan.write.len(), "file"),
        plan.delete.len(),
        plan.unchanged
    );
    output::status(cli, &counts);

    let units = changed_units(&plan.write, &plan.delete);
    if !units.is_empty() && (cli.verbose || units.len() <= 8) {
        let names: Vec<String> = units.into_iter().collect();
        output::status(cli, &format!("changed: {}", names.join(", ")));
    }
}

fn wrong(findings: &[Diagnostic]) -> Outcome {
    Outcome::from(findings.iter().any(|d| d.level == Level::Error))
}

/// What the arguments choose.
fn select(args: &RenderArgs, session: &Session) -> Result<Selection, CliError> {
    let mut clusters = args.cluster.clone();
    if let Some(fleet) = session.resolved.fleet() {
        for ring in &args.ring {
            clusters.extend(clusters_of_ring(fleet, ring)?);
        }

        let known = session.cluster_names();
        let mut named = args.cluster.iter();
        if let Some(unknown) = named.find(|name| !known.contains(&name.as_str())) {
            return Err(no_such_cluster(unknown, &known));
        }
        session.check_tenants(args.tenant.iter().chain(&args.allow_removal))?;
    }

    Ok(Selection {
        tenants: args.tenant.clone(),
        clusters,
        removable: args.allow_removal.clone(),
    })
}

/// The names of a ring's clusters.
fn clusters_of_ring(fleet: &FleetDoc, ring: &str) -> Result<Vec<String>, CliError> {
    let clusters = fleet.spec.clusters.iter();
    let names: Vec<String> = clusters
        .filter(|cluster| cluster.ring.as_ref().is_some_and(|r| r.as_str() == ring))
        .map(|cluster| cluster.name.value.to_string())
        .collect();

    if names.is_empty() {
        let message = format!("--ring {ring}: no cluster is in it");
        return Err(CliError::Usage(message));
    }
    Ok(names)
}

/// The folders that a GitOps controller sees change: what to push, and what wakes.
fn changed_units(write: &[String], delete: &[String]) -> BTreeSet<String> {
    write
        .iter()
        .chain(delete)
        .map(|path| parent(path).to_owned())
        .filter(|folder| !folder.is_empty())
        .collect()
}

/// A bar on a terminal, once the work takes over a second.
fn progress(cli: &Cli, files: usize) -> ProgressBar {
    let bar = ProgressBar::new(files as u64);
    if cli.quiet || !std::io::stderr().is_terminal() || files < 2000 {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) =
        ProgressStyle::with_template("writing {bar:30} {pos}/{len} files, {eta} left")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

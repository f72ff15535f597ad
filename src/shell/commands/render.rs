//! `render`: writes the tree.

use super::check::summary;
use crate::shell::args::{Cli, Render};
use crate::shell::cache::{self, Cache, Left};
use crate::shell::files::Disk;
use crate::shell::place::Place;
use crate::shell::session::{Inputs, Selection, Session};
use crate::shell::write::{Exclusive, apply, snapshot};
use crate::shell::{Fault, Outcome, output};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::Duration;
use tenantry::bundle::Keep;
use tenantry::compile::Compiled;
use tenantry::diagnostic::{Diagnostic, Level, sort};
use tenantry::report::plural;
use tenantry::tenancy::Context;
use tenantry::tree::{Baseline, Behind, Plan, check_disk, plan};

/// What a run comes to, before anything is said or written.
struct Work {
    // As in `check`: the end of the process frees them.
    session: ManuallyDrop<Session>,
    compiled: ManuallyDrop<Compiled>,
    done: Done,
    leftovers: Vec<PathBuf>,
}

/// How far a run came.
enum Done {
    /// The fleet itself is wrong.
    Nothing,
    /// There are texts to print.
    Texts,
    /// The tree was compared with the disk.
    Compared,
    /// What is to be written.
    Planned(Box<Plan>),
}

/// Runs the command.
pub fn run(cli: &Cli, args: &Render) -> Result<Outcome, Fault> {
    let place = Place::find(cli, args.tree.as_deref())?;
    // Taken before anything is read: what another run writes meanwhile would not be seen.
    let _exclusive = if args.check || args.stdout {
        None
    } else {
        Some(Exclusive::take(&place)?)
    };
    let disk = Disk::new(&place.root)?;
    let mut inputs = Inputs::read_with_tree(&place, &disk)?;
    let parts = [&args.tenant, &args.cluster, &args.ring, &args.allow_removal];
    let everything = parts.iter().all(|list| list.is_empty()) && !args.stdout && !args.force;
    let mut cache = if everything {
        Cache::open(cli, &place, &inputs)
    } else {
        None
    };
    if let Some(cache) = &mut cache
        && let Some(session) = cache.session(cli, &place, &disk, &mut inputs, true)?
    {
        let work = work(args, session)?;
        if work.compiled.findings.is_empty() {
            return conclude(cli, args, work, Some(cache));
        }
    }
    if let Some(cache) = &mut cache {
        cache.read_again(&place, &mut inputs)?;
    }
    let context = Context {
        leaving: args.allow_removal.clone(),
        ..Context::default()
    };
    let session = Session::read_inputs(cli, place, &disk, inputs, context)?;
    conclude(cli, args, work(args, session)?, cache.as_ref())
}

/// Does everything but what can be seen.
fn work(args: &Render, session: Session) -> Result<Work, Fault> {
    let mut session = ManuallyDrop::new(session);
    let selection = select(args, &session)?;
    let mut compiled = ManuallyDrop::new(session.compile(selection, Keep::Texts));
    let fatal = compiled.findings.iter().any(Diagnostic::stops_the_fleet);
    if args.stdout || fatal {
        let done = if fatal { Done::Nothing } else { Done::Texts };
        return Ok(Work {
            session,
            compiled,
            done,
            leftovers: Vec::new(),
        });
    }
    let clusters: BTreeSet<String> = compiled.tree.clusters.keys().cloned().collect();
    let (disk, leftovers) = snapshot(
        &session.place,
        &compiled.tree,
        &session.front.lock,
        &clusters,
    )?;
    let baseline = match &args.since {
        Some(revision) => Some(baseline(&session.place, revision)?),
        None => None,
    };
    let behind = match &baseline {
        Some(baseline) => Behind::Since(baseline),
        None if args.allow_behind => Behind::OnDisk,
        None => Behind::Refused,
    };
    let Session { front, sources, .. } = &mut *session;
    let done = if args.check {
        let stale = check_disk(&compiled.tree, &front.lock, &disk, &behind, sources);
        compiled.findings.extend(stale);
        Done::Compared
    } else {
        let plan = plan(
            &compiled.tree,
            &front.lock,
            &disk,
            &clusters,
            args.force,
            sources,
        );
        compiled.findings.extend(plan.faults.iter().cloned());
        Done::Planned(Box::new(plan))
    };
    sort(sources, &mut compiled.findings);
    Ok(Work {
        session,
        compiled,
        done,
        leftovers,
    })
}

/// Says what was found, and writes.
fn conclude(cli: &Cli, args: &Render, work: Work, cache: Option<&Cache>) -> Result<Outcome, Fault> {
    let Work {
        session,
        compiled,
        done,
        leftovers,
    } = work;
    output::findings(cli, &session.sources, &compiled.findings, args.check)?;
    let plan = match done {
        Done::Nothing if args.check || args.stdout => return Ok(Outcome::Findings),
        Done::Nothing => {
            output::talk(cli, "nothing was written");
            return Ok(Outcome::Findings);
        }
        Done::Texts => {
            for desired in compiled.tree.files.values() {
                output::data(&desired.head)?;
                output::data(&desired.objects)?;
            }
            return Ok(wrong(&compiled.findings));
        }
        Done::Compared => {
            output::talk(cli, &summary(&session, &compiled, &compiled.findings, 0));
            cache::say(cli, &session);
            if let Some(cache) = cache {
                cache.leave(&session, &compiled, Left::AsRead(true));
            }
            return Ok(wrong(&compiled.findings));
        }
        Done::Planned(plan) => plan,
    };
    if !plan.faults.is_empty() {
        output::talk(cli, "nothing was written");
        return Ok(Outcome::Findings);
    }
    let bar = progress(cli, plan.write.len());
    apply(&session.place, &compiled.tree, &plan, &leftovers, &|| {
        bar.inc(1)
    })?;
    bar.finish_and_clear();
    if let Some(cache) = cache {
        let made = compiled
            .tree
            .files
            .iter()
            .map(|(path, made)| (path.as_str(), &made.entry));
        let files = made
            .chain(
                compiled
                    .tree
                    .held
                    .iter()
                    .map(|(path, entry)| (path.as_str(), entry)),
            )
            .collect();
        cache.leave(
            &session,
            &compiled,
            Left::Written(plan.lock.to_text(), files),
        );
    }
    output::talk(cli, &summary(&session, &compiled, &compiled.findings, 0));
    cache::say(cli, &session);
    output::talk(
        cli,
        &format!(
            "{} written, {} deleted, {} unchanged",
            plural(plan.write.len(), "file"),
            plan.delete.len(),
            plan.unchanged
                + session
                    .choice
                    .as_ref()
                    .map_or(0, |_| compiled.tree.held.len())
        ),
    );
    let units = changed_units(&plan.write, &plan.delete);
    if !units.is_empty() && (cli.verbose || units.len() <= 8) {
        output::talk(
            cli,
            &format!(
                "changed: {}",
                units.into_iter().collect::<Vec<_>>().join(", ")
            ),
        );
    }
    Ok(wrong(&compiled.findings))
}

/// The tree as a revision has it.
#[cfg(feature = "git")]
fn baseline(place: &Place, revision: &str) -> Result<Baseline, Fault> {
    crate::shell::git::baseline(place, revision)
}

#[cfg(not(feature = "git"))]
fn baseline(_: &Place, _: &str) -> Result<Baseline, Fault> {
    Err(Fault::Usage(
        "--since: built without the feature `git`".into(),
    ))
}

fn wrong(findings: &[Diagnostic]) -> Outcome {
    Outcome::from(findings.iter().any(|d| d.level == Level::Error))
}

fn select(args: &Render, session: &Session) -> Result<Selection, Fault> {
    let mut clusters = args.cluster.clone();
    if let Some(fleet) = session.front.fleet() {
        for ring in &args.ring {
            let found = fleet
                .spec
                .clusters
                .iter()
                .filter(|c| c.ring.as_ref().is_some_and(|r| r.as_str() == ring));
            let names: Vec<String> = found.map(|c| c.name.value.to_string()).collect();
            if names.is_empty() {
                return Err(Fault::Usage(format!("--ring {ring}: no cluster is in it")));
            }
            clusters.extend(names);
        }
        for wanted in &args.cluster {
            if !fleet
                .spec
                .clusters
                .iter()
                .any(|c| c.name.as_str() == wanted)
            {
                let names: Vec<&str> = fleet
                    .spec
                    .clusters
                    .iter()
                    .map(|c| c.name.as_str())
                    .collect();
                return Err(Fault::Usage(format!(
                    "--cluster {wanted}: the fleet has {}",
                    names.join(", ")
                )));
            }
        }
        let known = session.front.lock.tenants();
        for wanted in args.tenant.iter().chain(&args.allow_removal) {
            let there = session
                .front
                .specs
                .tenants
                .iter()
                .any(|t| t.name.value == *wanted);
            if !there && !known.contains_key(wanted.as_str()) {
                return Err(Fault::Usage(format!("there is no tenant `{wanted}`")));
            }
        }
    }
    Ok(Selection {
        tenants: args.tenant.clone(),
        clusters,
        allow_removal: args.allow_removal.clone(),
    })
}

/// The folders that a GitOps controller sees change: what to push, and what wakes.
fn changed_units(write: &[String], delete: &[String]) -> BTreeSet<String> {
    write
        .iter()
        .chain(delete)
        .filter_map(|p| p.rsplit_once('/').map(|(dir, _)| dir.to_owned()))
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

//! `verify`: whether live clusters have become what is rendered.

use crate::shell::api_server::{FetchOptions, Server, live_line};
use crate::shell::args::{Cli, Format, Verify};
use crate::shell::prefetch::{Ahead, Reached, purpose};
use crate::shell::session::{Selection, Session};
use crate::shell::workspace::working_folder;
use crate::shell::{Fault, Outcome, live_session, output};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenantry::bundle::{ClusterBundle, Keep};
use tenantry::diagnostic::Level;
use tenantry::document::emit_documents;
use tenantry::graph::{Beside, rbac};
use tenantry::live::role::role;
use tenantry::live::{
    FLUX, Found, Gap, Purpose, Wanted, access, capabilities, concerns, inventory, listings,
    narrowed, policies,
};
use tenantry::report::{live as report, plural};
use tenantry::source::Source;
use tenantry::value::Text;

/// Runs the command.
pub fn run(cli: &Cli, args: &Verify) -> Result<Outcome, Fault> {
    let reported = output::chosen(&args.only, &args.skip, "area")?;
    let formats = [Format::Text, Format::Json, Format::Junit, Format::Markdown];
    let asked = output::formats(cli, &formats)?;
    if args.print_rbac {
        return print_rbac(cli);
    }
    let mut session = Session::open(cli, None)?;
    let chosen = live_session::chosen(&session, &args.connect)?;
    if args.snapshot.is_some() && chosen.len() > 1 {
        return Err(Fault::Usage(
            "--snapshot: it holds one cluster: name one --context".into(),
        ));
    }
    // Of some tenants other lists are taken, if there are such tenants.
    let ahead = chosen
        .first()
        .filter(|_| args.tenant.is_empty() && !args.print_capabilities);
    let mut ahead = ahead.map(|(_, context)| Ahead::of(context.clone(), args));
    let mut compiled = session.compile(Selection::default(), Keep::Values);
    let broken = compiled
        .findings
        .iter()
        .filter(|d| d.level == Level::Error)
        .count();
    if broken > 0 {
        output::talk(
            cli,
            &format!(
                "{broken} errors in the specs: `tenantry check` shows them; what they hold back is not verified"
            ),
        );
    }
    if args.print_capabilities {
        return print_capabilities(cli, &session, &chosen, args);
    }
    let commit = commit(&session, args.revision.as_deref())?;
    let stale = stale(&session, &compiled);
    if stale > 0 {
        let what = plural(stale, "tenant");
        output::talk(
            cli,
            &format!(
                "{what} changed since the tree was rendered: what their specs say now is compared; render, commit and push"
            ),
        );
    }
    let mut clusters: Vec<report::Cluster> = Vec::new();
    let mut left_behind = left_behind(cli, &mut session, args.inventory.as_deref())?;
    let several = chosen.len() > 1;
    for (index, context) in chosen {
        let mut wanted = live_session::wanted(&session, &mut compiled, index)?;
        only(&mut wanted, &args.tenant)?;
        wanted.context = context.as_deref().unwrap_or_default().into();
        let wanted = Arc::new(wanted);
        // Of no cluster: said once.
        let external = std::mem::take(&mut left_behind);
        let ask = |reached: &mut Reached, session: &mut Session| {
            let mut cluster = once(
                cli,
                session,
                &compiled,
                index,
                &wanted,
                reached,
                commit.as_deref(),
                args,
            )?;
            cluster.judgement.found.extend(external.iter().cloned());
            cluster.judgement.keep(&reported);
            cluster.broken = broken;
            Ok::<_, Fault>(cluster)
        };
        let started = Instant::now();
        let first = loop {
            let reach = || Reached::new(context.as_deref(), &args.connect);
            let first = ahead.take().map_or_else(reach, Ahead::reached);
            let first = first.and_then(|mut reached| {
                ask(&mut reached, &mut session).map(|cluster| (reached, cluster))
            });
            match &first {
                // A server that is started anew answers again.
                Err(Fault::Unavailable(why))
                    if args.wait && started.elapsed().as_secs() < args.timeout =>
                {
                    live_line(cli, &format!("{}: {why}", wanted.cluster));
                    std::thread::sleep(Duration::from_secs(2));
                }
                _ => break first,
            }
        };
        let (mut reached, mut cluster) = match first {
            Ok(both) => both,
            // Of the others there is something to say.
            Err(Fault::Cluster(why) | Fault::Unavailable(why)) if several => {
                clusters.push(unreached(&wanted, context.unwrap_or_default(), why));
                continue;
            }
            Err(fault) => return Err(fault),
        };
        while args.wait && !cluster.judgement.is_converged() && cluster.judgement.is_moving() {
            let left = args.timeout.saturating_sub(started.elapsed().as_secs());
            if left == 0 {
                live_line(cli, "");
                output::talk(
                    cli,
                    &format!("{}: not converged after {} s", cluster.name, args.timeout),
                );
                break;
            }
            let first = cluster
                .judgement
                .found
                .iter()
                .find(|f| f.diagnostic.level == Level::Error);
            let why = first.map(|f| {
                f.diagnostic
                    .message
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            });
            live_line(
                cli,
                &format!(
                    "{}: {left} s left: {}",
                    cluster.name,
                    why.unwrap_or_default()
                ),
            );
            std::thread::sleep(Duration::from_secs(2.min(left)));
            match ask(&mut reached, &mut session) {
                Ok(now) => cluster = now,
                // A server that does not answer may answer again.
                Err(Fault::Unavailable(why)) => {
                    live_line(cli, &format!("{}: {left} s left: {why}", cluster.name))
                }
                Err(fault) => return Err(fault),
            }
        }
        live_line(cli, "");
        if cli.verbose {
            let (server, (requests, listed)) = (&reached.server, reached.server.spent());
            output::talk(
                cli,
                &format!(
                    "{}: {requests} requests, lists in {:.3} s",
                    server.name,
                    listed.as_secs_f64()
                ),
            );
        }
        clusters.push(cluster);
    }
    let sources = &session.sources;
    let asked = if asked.is_empty() {
        vec![(Format::Text, None)]
    } else {
        asked
    };
    for (format, file) in &asked {
        let text = match format {
            Format::Json => report::json(sources, &clusters),
            Format::Junit => report::junit(&clusters),
            Format::Markdown => report::markdown(&clusters),
            _ => {
                let found: Vec<_> = clusters
                    .iter()
                    .flat_map(|c| c.judgement.found.iter().map(report::shown))
                    .collect();
                output::text(sources, &found, file.is_none(), cli)
                    + &report::text(&clusters, cli.verbose)
            }
        };
        output::deliver(file.as_deref(), &text)?;
    }
    let gaps: usize = clusters.iter().map(|c| c.gaps.len()).sum();
    let wrong = broken > 0 || clusters.iter().any(|c| c.judgement.is_wrong());
    if gaps > 0 {
        return Err(Fault::Partial(gaps));
    }
    Ok(Outcome::from(wrong))
}

/// Asks a server, and judges what it answers.
#[allow(clippy::too_many_arguments)]
fn once(
    cli: &Cli,
    session: &mut Session,
    compiled: &tenantry::compile::Compiled,
    index: usize,
    wanted: &Arc<Wanted>,
    reached: &mut Reached,
    commit: Option<&str>,
    args: &Verify,
) -> Result<report::Cluster, Fault> {
    let now = match &args.clock {
        Some(text) => text
            .parse()
            .map_err(|e| Fault::Usage(format!("--clock {text}: {e}")))?,
        None => Timestamp::now(),
    };
    let begun = std::mem::take(&mut reached.begun);
    let server = &reached.server;
    let span = session
        .sources
        .add_path(&format!("the cluster of {}", server.name));
    let (served, mut gaps) = reached.served.take().map_or_else(|| server.served(), Ok)?;
    let kinds = wanted.kinds();
    // What concerns none of what is asked (a broken metrics server) hides nothing.
    gaps.retain(|gap| concerns(&gap.group, kinds.keys().map(|(group, _)| group)));
    let purpose = purpose(args);
    let mut lists = listings(&served, &kinds, &wanted.flux, purpose);
    if wanted.only.is_some() && args.snapshot.is_none() {
        lists = narrowed(lists, &wanted.namespaces(), &wanted.flux);
    }
    for (group, kind) in kinds
        .keys()
        .filter(|(group, kind)| served.find(group, kind, None).is_none())
    {
        // What is not served cannot be there: each object of it is missing, which is said of each.
        output::talk(
            cli,
            &format!("{}: {kind} ({group}) is not served", server.name),
        );
    }
    let guarded = session_guarded(compiled, index);
    let json = args.snapshot.is_some();
    let how = FetchOptions {
        span,
        now,
        keeps: guarded,
        digest: false,
        json,
    };
    let mut taken = server.take(cli, wanted, lists, begun, how);
    gaps.append(&mut taken.gaps);
    let whole = gaps.is_empty() && taken.batch.unread.is_empty();
    match &args.snapshot {
        Some(file) if whole => snapshot(file, &taken.objects)?,
        // A proof over it would take what is missing for what is not there.
        Some(file) => {
            let file = file.display();
            output::talk(
                cli,
                &format!(
                    "{}: not everything could be read: {file} is not written",
                    server.name
                ),
            );
        }
        None => {}
    }
    let mut facts = std::mem::take(&mut taken.batch.facts);
    let (mut judgement, cluster) = rayon::join(
        || tenantry::live::judge(wanted, &taken.batch, &gaps, commit, now),
        || {
            facts.riddles.extend(Gap::riddles(&gaps, span));
            let beside = Beside {
                facts,
                closed: whole,
                guarded,
                ..Beside::default()
            };
            wanted
                .only
                .is_none()
                .then(|| live_session::graph(session, index, beside))
        },
    );
    if let Some(cluster) = &cluster {
        // What grants is not known where it could not be read.
        let unread = taken.batch.unread.iter().map(|id| &id.group);
        let hidden = |group: &Text| group == "*" || group == rbac::GROUP;
        let known = !gaps.iter().map(|gap| &gap.group).chain(unread).any(hidden);
        let samples = if known {
            access::samples(cluster, wanted)
        } else {
            Vec::new()
        };
        // The server is asked while what is there is proven.
        let (answers, (exposed, unknown)) = std::thread::scope(|scope| {
            let asked = scope.spawn(|| server.review(&samples));
            let exposed = live_session::exposed(cluster);
            (
                asked
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                exposed,
            )
        });
        let mut refused = false;
        for (sample, answer) in samples.iter().zip(answers) {
            match answer {
                Ok(allowed) => judgement.found.extend(sample.judge(wanted, allowed)),
                Err(why) if !refused => {
                    refused = true;
                    let gap = live_session::reviews_gap(why);
                    judgement.push_gap(wanted, &gap);
                    gaps.push(gap);
                }
                Err(_) => {}
            }
        }
        judgement
            .found
            .extend(policies::check(wanted, cluster, &served));
        judgement.found.extend(exposed);
        judgement.unknown = unknown;
    }
    Ok(report::Cluster {
        name: wanted.cluster.to_string(),
        context: server.name.clone(),
        version: server.version.clone(),
        commit: commit.map(str::to_owned),
        judgement,
        gaps,
        broken: 0,
        only: args.tenant.clone(),
    })
}

/// A cluster that does not answer, among others that do.
fn unreached(wanted: &Wanted, context: String, why: String) -> report::Cluster {
    let gap = Gap {
        group: "*".into(),
        kind: "*".into(),
        why,
        command: String::new(),
        fix: "see whether the server can be reached, and takes these credentials".into(),
    };
    let (name, version) = (wanted.cluster.to_string(), "not reached".to_owned());
    let mut judgement = tenantry::live::Judgement::default();
    judgement.push_gap(wanted, &gap);
    report::Cluster {
        name,
        context,
        version,
        commit: None,
        judgement,
        gaps: vec![gap],
        broken: 0,
        only: Vec::new(),
    }
}

/// External things of tenants that nothing declares.
fn left_behind(cli: &Cli, session: &mut Session, file: Option<&Path>) -> Result<Vec<Found>, Fault> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let path = working_folder(cli)?.join(file);
    let text = std::fs::read_to_string(&path).map_err(Fault::io(&path))?;
    let id = session
        .sources
        .add(Source::new(file.display().to_string(), text));
    let tenants = &session.front.specs.tenants;
    let uuids = session
        .front
        .tenancy
        .tenants
        .iter()
        .filter_map(|t| t.uuid.as_ref().map(|u| u.value.as_str()));
    let declared = tenants
        .iter()
        .map(|t| t.name.value.as_str())
        .chain(uuids)
        .collect();
    inventory::check(id, &session.sources, &declared)
        .map_err(|why| Fault::Usage(format!("--inventory {why}")))
}

/// How many tenants are not what the tree's records were rendered from.
fn stale(session: &Session, compiled: &tenantry::compile::Compiled) -> usize {
    let tenants = compiled.bundles.iter().flat_map(|b| &b.tenants);
    let inputs: BTreeMap<&str, &str> = tenants
        .map(|t| {
            let input = &session.front.tenancy.tenants[t.index].input;
            (t.tenant.as_str(), input.as_str())
        })
        .collect();
    let other = session.front.lock.files.values().filter_map(|e| {
        let tenant = e.tenant.as_deref()?;
        (e.input.as_deref() != Some(*inputs.get(tenant)?)).then_some(tenant)
    });
    other.collect::<BTreeSet<_>>().len()
}

/// Whether admission policies are rendered for a cluster.
fn session_guarded(compiled: &tenantry::compile::Compiled, index: usize) -> bool {
    let mut objects = compiled
        .bundles
        .iter()
        .filter(|b| b.cluster == index)
        .flat_map(ClusterBundle::objects);
    objects.any(|id| id.group == "admissionregistration.k8s.io")
}

/// The commit that Flux has to have applied.
fn commit(session: &Session, revision: Option<&str>) -> Result<Option<String>, Fault> {
    match revision {
        Some("any") => Ok(None),
        #[cfg(feature = "git")]
        revision => {
            let found =
                crate::shell::git::commit(&session.workspace.tree_base, revision.unwrap_or("HEAD"));
            match (found, revision) {
                (Ok(commit), _) => Ok(Some(commit)),
                // Where nothing was asked for, a tree outside Git has no commit.
                (Err(_), None) => Ok(None),
                (Err(fault), Some(_)) => Err(fault),
            }
        }
        #[cfg(not(feature = "git"))]
        Some(commit) => Ok(Some(commit.to_owned())),
        #[cfg(not(feature = "git"))]
        None => Ok(None),
    }
}

/// Leaves only some tenants to be asked about.
fn only(wanted: &mut Wanted, tenants: &[String]) -> Result<(), Fault> {
    if tenants.is_empty() {
        return Ok(());
    }
    let mut chosen = BTreeSet::new();
    for name in tenants {
        let at = wanted.tenants.iter().position(|t| t.name == *name);
        let at = at.ok_or_else(|| {
            Fault::Usage(format!(
                "there is no tenant `{name}` on `{}`",
                wanted.cluster
            ))
        })?;
        chosen.insert(at as u32);
    }
    wanted.only = Some(chosen);
    Ok(())
}

/// Writes what a cluster holds, whole or not at all.
fn snapshot(file: &Path, objects: &[String]) -> Result<(), Fault> {
    let mut text = String::from("{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n");
    text.push_str(&objects.join(",\n"));
    text.push_str("\n]}\n");
    let beside = file.with_extension(format!("{}.tenantry-new", std::process::id()));
    // It is a whole cluster's access: nobody else reads it.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut new = options.open(&beside).map_err(Fault::io(&beside))?;
    new.write_all(text.as_bytes()).map_err(Fault::io(&beside))?;
    std::fs::rename(&beside, file).map_err(Fault::io(file))
}

fn print_rbac(cli: &Cli) -> Result<Outcome, Fault> {
    let rendered = match Session::open(cli, None) {
        Err(Fault::NoFleet(_)) => BTreeSet::new(),
        session => {
            let mut session = session?;
            let compiled = session.compile(Selection::default(), Keep::Nothing);
            let objects = compiled.bundles.iter().flat_map(ClusterBundle::objects);
            objects
                .map(|id| (id.group.clone(), id.kind.clone()))
                .collect()
        }
    };
    output::data(&emit_documents(&[role(rendered)]))?;
    Ok(Outcome::Clean)
}

fn print_capabilities(
    cli: &Cli,
    session: &Session,
    chosen: &[(usize, Option<String>)],
    args: &Verify,
) -> Result<Outcome, Fault> {
    let Some(fleet) = session.front.fleet() else {
        return Ok(Outcome::Findings);
    };
    for (index, context) in chosen {
        let server = Server::connect(context.as_deref(), &args.connect)?;
        let (served, _) = server.served()?;
        let name = fleet.spec.clusters[*index].name.as_str();
        let mut lists = listings(&served, &Default::default(), FLUX, Purpose::Verify);
        lists.retain(|l| ["CustomResourceDefinition", "DaemonSet"].contains(&l.kind.kind.as_str()));
        let wanted = Arc::new(Wanted::nothing(name, fleet.name.span));
        let span = fleet.name.span;
        let taken = server.take(
            cli,
            &wanted,
            lists,
            Vec::new(),
            FetchOptions {
                span,
                now: Timestamp::now(),
                keeps: false,
                digest: false,
                json: false,
            },
        );
        let found = capabilities::capabilities(name, &server.version, &served, &taken.batch);
        output::data(&emit_documents(&[vec![found].into()]))?;
    }
    Ok(Outcome::Clean)
}

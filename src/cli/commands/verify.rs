//! `verify`: compares live clusters with what is rendered.

mod printed;

use crate::cli::args::{Cli, FailOnVerdict, ReportFormat, VerifyArgs};
use crate::cli::bounded::{self, MAX_REPORT};
use crate::cli::cluster::api_server::{ApiServer, live_line};
use crate::cli::cluster::lists::{FetchOptions, Fetched};
use crate::cli::cluster::live_session::{self, ChosenCluster, Exposed};
use crate::cli::cluster::run_time::RunTime;
use crate::cli::interrupt;
use crate::cli::known::KnownFindings;
use crate::cli::session::{Selection, Session, no_such_tenant};
use crate::cli::workspace::working_folder;
use crate::cli::{CliError, Outcome, output};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tenantry::bundle::RenderedObject;
use tenantry::compile::Compiled;
use tenantry::diagnostic::Level;
use tenantry::graph::{COMPLETE_SNAPSHOT, Cluster, ExtraFacts};
use tenantry::kube::RBAC;
use tenantry::live::{
    Desired, ListError, Listing, LiveFinding, LiveReport, LiveState, Observations, Purpose,
    RenderedKind, ServedKinds, access, compare, concerns, inventory, listings, narrowed, policies,
};
use tenantry::report::baseline::{Baseline, Clusters, Fingerprint};
use tenantry::report::{live as report, plural};
use tenantry::source::{Source, SourceMap};
use tenantry::tenancy::ProofWaiver;
use tenantry::tree::FileEntry;
use tenantry::value::Text;

/// The pause between two rounds of `--wait`, in seconds.
const PAUSE: u64 = 2;

/// The rendered kinds, by group and kind.
type Kinds = BTreeMap<(Text, Text), RenderedKind>;

/// Runs the command.
pub fn run(cli: &Cli, args: &VerifyArgs) -> Result<Outcome, CliError> {
    let reported = output::chosen(&args.only, &args.skip, "area")?;
    let known = KnownFindings::read(&args.known)?;

    if args.print_rbac {
        return printed::print_rbac(cli);
    }

    let time = RunTime::start(&args.connect);
    let mut session = Session::open(cli, None)?;
    let chosen = live_session::chosen(&session, &args.connect)?;

    check_one_cluster(args, &chosen)?;

    let compiled = session.compile(Selection::default());
    let findings = &compiled.findings;
    let errors = findings.iter().filter(|d| d.level == Level::Error).count();

    if errors > 0 {
        output::status(
            cli,
            &format!(
                "{errors} errors in the specs: `tenantry check` shows them; what they hold back \
                 is not verified"
            ),
        );
    }

    if args.print_capabilities {
        return printed::print_capabilities(cli, &session, &chosen, args, time);
    }

    let commit = commit(&session, args.revision.as_deref())?;
    report_stale(cli, &session, &compiled);
    let external = left_behind(cli, &mut session, args.inventory.as_deref())?;
    let mut run = Run {
        cli,
        args,
        time,
        session,
        compiled,
        errors,
        commit,
        reported: &reported,
        known: &known,
        external,
    };

    let mut clusters = run.clusters(chosen)?;
    let stale = compare_with_file(&known, &reported, &run.session.sources, &mut clusters)?;
    deliver(cli, &run.session, &clusters)?;
    for gone in stale {
        output::status(cli, &format!("stale entry of the baseline: {gone}"));
    }

    let gaps: usize = clusters.iter().map(|cluster| cluster.gaps.len()).sum();
    if gaps > 0 {
        return Err(CliError::Partial(gaps));
    }
    let wrong = clusters.iter().any(|cluster| fails(args, &cluster.report));

    Ok(Outcome::from(errors > 0 || wrong))
}

/// Whether the report of a cluster makes the exit code 1.
fn fails(args: &VerifyArgs, report: &LiveReport) -> bool {
    let has_warning = || {
        let mut levels = report.found.iter().map(|found| found.diagnostic.level);
        levels.any(|level| level == Level::Warning)
    };
    report.is_wrong()
        || match args.fail_on {
            FailOnVerdict::Refuted => false,
            FailOnVerdict::Unknown => report.unknown > 0,
            FailOnVerdict::Warning => report.unknown > 0 || has_warning(),
        }
}

/// Whether a baseline can have a finding.
fn can_be_known(found: &LiveFinding) -> bool {
    found.state != LiveState::Waived && !found.is_of_convergence()
}

/// Writes the baseline, if it is asked for, and marks what is written as known. Returns the entries
/// of the file that are gone.
fn compare_with_file(
    known: &KnownFindings,
    reported: &dyn Fn(&str) -> bool,
    sources: &SourceMap,
    clusters: &mut [report::VerifiedCluster],
) -> Result<BTreeSet<Fingerprint>, CliError> {
    let mut present = Baseline::default();
    for cluster in clusters.iter() {
        let name = Clusters::from([cluster.name.clone()]);
        for found in cluster
            .report
            .found
            .iter()
            .filter(|found| can_be_known(found))
        {
            present.add(Fingerprint::of(sources, &found.diagnostic), name.clone());
        }
    }

    let here: Clusters = clusters
        .iter()
        .map(|cluster| cluster.name.clone())
        .collect();
    let could_find = |known: &Fingerprint, of: &Clusters| {
        reported(&known.rule) && (of.is_empty() || !of.is_disjoint(&here))
    };
    let stale = known.stale(&present, could_find);
    if !known.write(present, could_find)? {
        return Ok(stale);
    }

    for cluster in clusters {
        let found = cluster.report.found.iter_mut();
        found
            .filter(|found| can_be_known(found))
            .for_each(LiveFinding::set_known);
    }
    Ok(BTreeSet::new())
}

/// Checks that one cluster is chosen, if an argument is about one. A snapshot holds one cluster. The
/// external things of an inventory belong to no cluster, so no report but the only one can hold them.
fn check_one_cluster(args: &VerifyArgs, chosen: &[ChosenCluster]) -> Result<(), CliError> {
    let fault = |text: &str| Err(CliError::Usage(text.to_owned()));

    match chosen {
        [] | [_] => Ok(()),
        _ if args.snapshot.is_some() => {
            fault("--snapshot: it holds one cluster: name one --context")
        }
        _ if args.inventory.is_some() => {
            fault("--inventory: its things belong to no cluster: name one --context")
        }
        _ => Ok(()),
    }
}

/// One run of the command.
struct Run<'a> {
    cli: &'a Cli,
    args: &'a VerifyArgs,
    time: RunTime,
    session: Session,
    compiled: Compiled<RenderedObject>,
    /// The number of errors in the specs.
    errors: usize,
    /// The commit that Flux has to have applied; any commit if `None`.
    commit: Option<String>,
    /// Whether the findings of a rule are reported.
    reported: &'a dyn Fn(&str) -> bool,
    /// The findings of the baseline.
    known: &'a KnownFindings,
    /// The findings of `--inventory`, which no live object shows. There is one cluster then.
    external: Vec<LiveFinding>,
}

/// One cluster to verify.
struct VerifyTarget {
    /// Its index in the fleet.
    index: usize,
    /// The objects that should be there.
    wanted: Arc<Desired>,
}

impl Run<'_> {
    /// Verifies each cluster.
    fn clusters(
        &mut self,
        chosen: Vec<ChosenCluster>,
    ) -> Result<Vec<report::VerifiedCluster>, CliError> {
        let several = chosen.len() > 1;
        let mut clusters = Vec::new();
        let mut left = chosen.len();

        for ChosenCluster { index, context } in chosen {
            let time = self.time.share(left);
            left -= 1;
            let mut wanted = live_session::wanted(&self.session, &mut self.compiled, index)?;
            select_tenants(&mut wanted, &self.args.tenant)?;
            wanted.context = context.as_deref().unwrap_or_default().into();
            let target = VerifyTarget {
                index,
                wanted: Arc::new(wanted),
            };

            let (server, first) = match self.reach(&target, context.as_deref(), time) {
                Ok(reached) => reached,
                Err(fault) if several => {
                    let gap = fault.into_gap()?;
                    let context = context.unwrap_or_default();
                    clusters.push(unreached(&target.wanted, context, gap));
                    continue;
                }
                Err(fault) => return Err(fault),
            };

            clusters.push(self.wait(&target, &server, first, time)?);

            live_line(self.cli, "");
            if self.cli.verbose {
                let (requests, time) = (server.requests(), server.list_time().as_secs_f64());
                let text = format!("{}: {requests} requests, lists in {time:.3} s", server.name);
                output::status(self.cli, &text);
            }
        }

        Ok(clusters)
    }

    /// Connects to the server of a cluster, and verifies the cluster once. With `--wait`, a server
    /// that is unavailable is asked again until the time is over: it may just be restarting.
    fn reach(
        &mut self,
        target: &VerifyTarget,
        context: Option<&str>,
        time: RunTime,
    ) -> Result<(ApiServer, report::VerifiedCluster), CliError> {
        let mut before: Option<String> = None;

        loop {
            let server = ApiServer::connect(context, &self.args.connect, time);
            let reached = server.and_then(|server| {
                let cluster = self.verify(target, &server)?;
                Ok((server, cluster))
            });

            match (reached, before.take()) {
                (Err(CliError::Unavailable(why)), _) if self.args.wait && time.wait_left() > 0 => {
                    live_line(self.cli, &format!("{}: {why}", target.wanted.cluster));
                    std::thread::sleep(Duration::from_secs(PAUSE.min(time.wait_left())));
                    before = Some(why);
                }
                // The failure says more than the time that is over since.
                (Err(CliError::Unavailable(_)), Some(before)) if time.is_over() => {
                    let why = format!("{before}; {}", time.over());
                    return Err(CliError::Unavailable(why));
                }
                (reached, _) => return reached,
            }
        }
    }

    /// With `--wait`, verifies a cluster until it is converged, nothing moves, or the time is over.
    fn wait(
        &mut self,
        target: &VerifyTarget,
        server: &ApiServer,
        first: report::VerifiedCluster,
        time: RunTime,
    ) -> Result<report::VerifiedCluster, CliError> {
        let mut cluster = first;

        while self.args.wait && !cluster.report.is_converged() && cluster.report.is_moving() {
            let left = time.wait_left();
            if left == 0 {
                live_line(self.cli, "");
                let seconds = time.wait_seconds;
                let text = format!("{}: not converged after {seconds} s", cluster.name);
                output::status(self.cli, &text);
                break;
            }

            let found = &cluster.report.found;
            let error = found.iter().find(|f| f.diagnostic.level == Level::Error);
            let message = error.and_then(|f| f.diagnostic.message.lines().next());
            let why = message.unwrap_or_default();
            live_line(self.cli, &format!("{}: {left} s left: {why}", cluster.name));
            std::thread::sleep(Duration::from_secs(PAUSE.min(left)));

            match self.verify(target, server) {
                // The end of the run cut this answer off: the complete one before it says more.
                Ok(now) if time.is_over() && cluster.gaps.is_empty() && !now.gaps.is_empty() => {}
                Ok(now) => cluster = now,
                // The last answer stands until the server answers again.
                Err(CliError::Unavailable(why)) => {
                    live_line(self.cli, &format!("{}: {left} s left: {why}", cluster.name));
                }
                Err(fault) => return Err(fault),
            }
        }

        Ok(cluster)
    }

    /// Verifies a cluster once.
    fn verify(
        &mut self,
        target: &VerifyTarget,
        server: &ApiServer,
    ) -> Result<report::VerifiedCluster, CliError> {
        let wanted = &target.wanted;
        let kinds = wanted.kinds();
        let (served, mut gaps) = server.served()?;
        // A broken API of a kind that is not compared (metrics, say) hides nothing.
        gaps.retain(|gap| concerns(&gap.group, kinds.keys().map(|(group, _)| group)));
        let listings = self.listings(wanted, &kinds, &served);
        self.report_unserved(&kinds, &served, server);

        let span = live_session::cluster_span(&mut self.session.sources, &server.name);
        let options = FetchOptions {
            span,
            now: self.now()?,
            keep_objects: has_policies(wanted),
            digest: false,
            json: self.args.snapshot.is_some(),
        };

        let Fetched {
            mut batch,
            gaps: lost,
            objects,
        } = server.fetch(self.cli, wanted, listings, options);

        gaps.extend(lost);

        let complete = gaps.is_empty() && batch.unread.is_empty();
        self.write_snapshot(server, &objects, complete)?;
        drop(objects);

        let facts = std::mem::take(&mut batch.facts);
        let commit = self.commit.as_deref();
        let mut report = compare(wanted, &batch, &gaps, commit, options.now);

        // The proof needs all tenants: with some alone, others would be missing.
        if wanted.only.is_none() {
            let mut beside = ExtraFacts {
                facts,
                closed_world: complete,
                lists_every_kind: complete,
                keeps_objects: options.keep_objects,
                ..ExtraFacts::default()
            };
            beside
                .facts
                .unevaluated
                .extend(ListError::unevaluated(&gaps, span));
            let cluster = live_session::graph(&mut self.session, target.index, beside);

            let samples = samples(&cluster, wanted, &batch, &gaps);
            review(server, wanted, &samples, &mut report, &mut gaps);
            let waivers = &self.session.resolved.tenancy.proof_waivers;
            prove(&cluster, wanted, &served, waivers, &mut report);
        }

        report.found.extend(self.external.iter().cloned());
        report.keep(self.reported);
        self.mark_known(wanted, &mut report);
        Ok(self.report(wanted, server, report, gaps))
    }

    /// Marks the findings that the baseline has, but not those about convergence.
    fn mark_known(&self, wanted: &Desired, report: &mut LiveReport) {
        let clusters = Clusters::from([wanted.cluster.to_string()]);
        let known = self.known.all();
        for found in &mut report.found {
            let fingerprint = Fingerprint::of(&self.session.sources, &found.diagnostic);
            if can_be_known(found) && known.knows(&fingerprint, &clusters) {
                found.set_known();
            }
        }
    }

    fn report(
        &self,
        wanted: &Desired,
        server: &ApiServer,
        report: LiveReport,
        gaps: Vec<ListError>,
    ) -> report::VerifiedCluster {
        report::VerifiedCluster {
            name: wanted.cluster.to_string(),
            context: server.name.clone(),
            version: server.version.clone(),
            commit: self.commit.clone(),
            report,
            gaps,
            broken: self.errors,
            only: self.args.tenant.clone(),
        }
    }

    /// The time by which ages are counted.
    fn now(&self) -> Result<Timestamp, CliError> {
        match &self.args.clock {
            Some(text) => text
                .parse()
                .map_err(|e| CliError::Usage(format!("--clock {text}: {e}"))),
            None => Ok(Timestamp::now()),
        }
    }

    /// The lists to fetch. With `--tenant`, only the namespaces of these tenants are listed, unless
    /// a snapshot of the whole cluster is written.
    fn listings(&self, wanted: &Desired, kinds: &Kinds, served: &ServedKinds) -> Vec<Listing> {
        let purpose = if self.args.snapshot.is_some() {
            Purpose::Prove
        } else {
            Purpose::Verify
        };
        let all = listings(served, kinds, &wanted.engine_namespace, purpose);

        if wanted.only.is_some() && self.args.snapshot.is_none() {
            narrowed(all, &wanted.namespaces(), &wanted.engine_namespace)
        } else {
            all
        }
    }

    /// Names the rendered kinds that the server does not serve. Each of their objects is reported as
    /// missing.
    fn report_unserved(&self, kinds: &Kinds, served: &ServedKinds, server: &ApiServer) {
        for (group, kind) in kinds.keys() {
            if served.find(group, kind, None).is_none() {
                let text = format!("{}: {kind} ({group}) is not served", server.name);
                output::status(self.cli, &text);
            }
        }
    }

    /// Writes the file of `--snapshot`. An incomplete snapshot is not written: a proof would take the
    /// objects that were not read for objects that do not exist.
    fn write_snapshot(
        &self,
        server: &ApiServer,
        objects: &[String],
        complete: bool,
    ) -> Result<(), CliError> {
        match &self.args.snapshot {
            Some(file) if complete => write_private(file, objects),
            Some(file) => {
                let text = format!(
                    "{}: not everything could be read: {} is not written",
                    server.name,
                    file.display()
                );
                output::status(self.cli, &text);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The requests to ask the server about. There are none if grants could not be read: the server's
/// answers would have nothing to be compared with.
fn samples(
    cluster: &Cluster,
    wanted: &Desired,
    batch: &Observations,
    gaps: &[ListError],
) -> Vec<access::Sample> {
    let unread = batch.unread.iter().map(|id| &id.group);
    let is_of_grants = |group: &Text| group == "*" || group == RBAC;

    if gaps
        .iter()
        .map(|gap| &gap.group)
        .chain(unread)
        .any(is_of_grants)
    {
        return Vec::new();
    }
    access::samples(cluster, wanted)
}

/// Asks the server about the samples, and reports each answer that its roles and bindings do not
/// explain. A failed request is a gap.
fn review(
    server: &ApiServer,
    wanted: &Desired,
    samples: &[access::Sample],
    report: &mut LiveReport,
    gaps: &mut Vec<ListError>,
) {
    for (sample, answer) in samples.iter().zip(server.review(samples)) {
        match answer {
            Ok(allowed) => report.found.extend(sample.judge(wanted, allowed)),
            Err(error) => {
                let gap = live_session::reviews_gap(error);
                report.push_gap(wanted, &gap);
                gaps.push(gap);
            }
        }
    }
}

/// Reports admission policies that do not deny, and paths between tenants.
fn prove(
    cluster: &Cluster,
    wanted: &Desired,
    served: &ServedKinds,
    waivers: &[ProofWaiver],
    report: &mut LiveReport,
) {
    let policies = policies::check(wanted, cluster, served);
    let Exposed { found, unknown } = live_session::exposed(cluster, waivers);

    report.found.extend(policies);
    report.found.extend(found);
    report.unknown = unknown;
}

/// Writes the reports to standard output and to files.
fn deliver(
    cli: &Cli,
    session: &Session,
    clusters: &[report::VerifiedCluster],
) -> Result<(), CliError> {
    output::each(cli, |target| match target.format {
        ReportFormat::Json => report::json(&session.sources, clusters),
        ReportFormat::Junit => report::junit(clusters),
        ReportFormat::Markdown => report::markdown(clusters),
        ReportFormat::Text | ReportFormat::Github | ReportFormat::Sarif | ReportFormat::Mermaid => {
            text(cli, session, clusters, target.file.is_none())
        }
    })
}

/// The report as text. `is_output` is whether it goes to standard output.
fn text(
    cli: &Cli,
    session: &Session,
    clusters: &[report::VerifiedCluster],
    is_output: bool,
) -> String {
    let found: Vec<_> = clusters
        .iter()
        .flat_map(|cluster| &cluster.report.found)
        .filter(|found| found.state != LiveState::Known)
        .map(report::shown)
        .collect();

    let found = output::text(&session.sources, &found, is_output, cli);
    match cli.quiet {
        true => found,
        false => found + &report::text(clusters, cli.verbose),
    }
}

/// The report of a cluster that cannot be reached, beside others that can.
fn unreached(wanted: &Desired, context: String, gap: ListError) -> report::VerifiedCluster {
    let mut report = LiveReport::default();
    report.push_gap(wanted, &gap);

    report::VerifiedCluster {
        name: wanted.cluster.to_string(),
        context,
        version: "not reached".to_owned(),
        commit: None,
        report,
        gaps: vec![gap],
        broken: 0,
        only: Vec::new(),
    }
}

/// Finds the external things of `--inventory` whose tenant is not declared.
fn left_behind(
    cli: &Cli,
    session: &mut Session,
    file: Option<&Path>,
) -> Result<Vec<LiveFinding>, CliError> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let path = working_folder(cli)?.join(file);
    let text = bounded::read_text(&path, MAX_REPORT).map_err(CliError::io(&path))?;
    let source = Source::new(file.display().to_string(), text);
    let id = session.sources.add(source);

    let resolved = &session.resolved;
    let names = resolved.specs.tenants.iter().map(|t| t.name.value.as_str());
    let uuids = resolved
        .tenancy
        .tenants
        .iter()
        .filter_map(|t| t.uuid.as_ref());
    let declared = names.chain(uuids.map(|uuid| uuid.value.as_str())).collect();

    inventory::check(id, &session.sources, &declared)
        .map_err(|why| CliError::Usage(format!("--inventory {why}")))
}

/// Says how many tenants changed since the tree was rendered, by the digest of their inputs.
fn report_stale(cli: &Cli, session: &Session, compiled: &Compiled<RenderedObject>) {
    let resolved = &session.resolved;
    let inputs: BTreeMap<&str, &str> = compiled
        .bundles
        .iter()
        .flat_map(|bundle| &bundle.tenants)
        .map(|t| {
            let input = &resolved.tenancy.tenants[t.index].input;
            (t.tenant.as_str(), input.as_str())
        })
        .collect();

    let changed = |entry: &FileEntry| {
        let tenant = entry.tenant.as_deref()?;
        let input = inputs.get(tenant)?;
        (entry.input.as_deref() != Some(*input)).then(|| tenant.to_owned())
    };

    let stale: BTreeSet<String> = resolved.lock.files.values().filter_map(changed).collect();

    if !stale.is_empty() {
        let tenants = plural(stale.len(), "tenant");
        output::status(
            cli,
            &format!(
                "{tenants} changed since the tree was rendered: what their specs say now is \
                 compared; render, commit and push"
            ),
        );
    }
}

/// Whether admission policies are rendered for a cluster.
fn has_policies(wanted: &Desired) -> bool {
    let mut ids = wanted.objects.keys();
    ids.any(|id| id.group == "admissionregistration.k8s.io")
}

/// The commit that Flux has to have applied; `None` if any commit will do. Without `--revision`, a
/// tree outside Git has no commit.
fn commit(session: &Session, revision: Option<&str>) -> Result<Option<String>, CliError> {
    if revision == Some("any") {
        return Ok(None);
    }

    #[cfg(feature = "git")]
    {
        let tree = &session.workspace.tree_base;
        match crate::cli::git::commit(tree, revision.unwrap_or("HEAD")) {
            Err(_) if revision.is_none() => Ok(None),
            commit => commit.map(Some),
        }
    }
    #[cfg(not(feature = "git"))]
    {
        let _ = session;
        Ok(revision.map(str::to_owned))
    }
}

/// Restricts a run to the tenants of `--tenant`.
fn select_tenants(wanted: &mut Desired, tenants: &[String]) -> Result<(), CliError> {
    if tenants.is_empty() {
        return Ok(());
    }

    let mut selected = BTreeSet::new();
    for name in tenants {
        let at = wanted.tenants.iter().position(|t| t.name == *name);
        let at = at.ok_or_else(|| no_such_tenant(name, &format!(" on `{}`", wanted.cluster)))?;
        selected.insert(at as u32);
    }

    wanted.only = Some(selected);
    Ok(())
}

/// Writes a snapshot, completely or not at all. It shows all access in the cluster: only the user who
/// runs the program may read the file.
fn write_private(file: &Path, objects: &[String]) -> Result<(), CliError> {
    let mut text = String::from(COMPLETE_SNAPSHOT);
    text.push_str("\"items\":[\n");
    text.push_str(&objects.join(",\n"));
    text.push_str("\n]}\n");

    let new = file.with_extension(format!("{}.tenantry-new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);

    // A signal leaves the old file or the new one, and none beside it.
    interrupt::whole(|| {
        let written = options
            .open(&new)
            .and_then(|mut opened| opened.write_all(text.as_bytes()))
            .map_err(CliError::io(&new))
            .and_then(|()| std::fs::rename(&new, file).map_err(CliError::io(file)));
        if written.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        written
    })
}

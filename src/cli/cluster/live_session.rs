//! Connects a fleet with live clusters: which context belongs to which cluster, which objects
//! should be there, and the graph of the objects that are there.

use super::api_server::ApiServer;
use super::http::{Failure, RequestError};
use super::lists::{FetchOptions, Fetched};
use super::run_time::RunTime;
use crate::cli::CliError;
use crate::cli::args::{Cli, ConnectArgs, ExtraArgs};
use crate::cli::proof_inputs::ProofInputs;
use crate::cli::session::{Selection, Session};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry::bundle::RenderedObject;
use tenantry::compile::Compiled;
use tenantry::diagnostic::{Diagnostic, Level, Scope};
use tenantry::graph::{self, Cluster, ClusterObjects, ExtraFacts};
use tenantry::isolation;
use tenantry::isolation::waived::waive;
use tenantry::live::rules::NOT_LISTED;
use tenantry::live::{Desired, ListError, LiveFinding, Purpose, listings};
use tenantry::source::{SourceMap, Span};
use tenantry::tenancy::{ProofWaiver, Standings};
use tenantry::tree::kustomization_of;

/// A cluster that is asked.
pub struct ChosenCluster {
    /// Its index in the fleet.
    pub index: usize,
    /// The context of the kubeconfig; the current one if `None`.
    pub context: Option<String>,
}

/// Resolves `--context` to clusters of the fleet. Without it, a fleet of one cluster is asked by the
/// current context.
///
/// # Errors
/// A usage fault if a context fits no cluster, or two contexts the same one.
pub fn chosen(session: &Session, connect: &ConnectArgs) -> Result<Vec<ChosenCluster>, CliError> {
    let Some(fleet) = session.resolved.fleet() else {
        return Err(CliError::Usage(
            "the fleet has an error: tenantry check shows it".into(),
        ));
    };

    let clusters = &fleet.spec.clusters;
    let names: Vec<&str> = clusters.iter().map(|c| c.name.as_str()).collect();

    if connect.context.is_empty() {
        if names.len() != 1 {
            let all = names.join(", ");
            return Err(CliError::Usage(format!(
                "the fleet has several clusters: say which, --context CLUSTER=CONTEXT ({all})"
            )));
        }
        return Ok(vec![ChosenCluster {
            index: 0,
            context: None,
        }]);
    }

    let mut chosen: Vec<ChosenCluster> = Vec::new();
    for text in &connect.context {
        let (name, context) = split_context(text, &names)?;
        let index = names.iter().position(|n| *n == name).unwrap_or_default();
        let fault = |why: &str| CliError::Usage(format!("--context {text}: {why}"));

        if context.is_empty() {
            return Err(fault("the context is empty"));
        }
        if chosen.iter().any(|other| other.index == index) {
            return Err(fault(&format!("`{name}` has a context already")));
        }
        chosen.push(ChosenCluster {
            index,
            context: Some(context.to_owned()),
        });
    }

    Ok(chosen)
}

/// Splits the value of `--context` into the cluster's name and the context. The name of a context
/// may hold any character, `=` too.
fn split_context<'a>(text: &'a str, names: &[&'a str]) -> Result<(&'a str, &'a str), CliError> {
    match text.split_once('=') {
        Some((name, context)) if names.contains(&name) => Ok((name, context)),
        _ if names.contains(&text) => Ok((text, text)),
        _ if names.len() == 1 => Ok((names[0], text)),
        _ => {
            let all = names.join(", ");
            Err(CliError::Usage(format!(
                "--context {text}: say whose it is, CLUSTER=CONTEXT ({all})"
            )))
        }
    }
}

/// Collects the objects that should be in a cluster. They move out of the compiled bundle.
///
/// # Errors
/// A usage fault if the cluster was not rendered.
pub fn wanted(
    session: &Session,
    compiled: &mut Compiled<RenderedObject>,
    index: usize,
) -> Result<Desired, CliError> {
    let bundle = compiled.bundles.iter_mut().find(|b| b.cluster == index);
    let (Some(fleet), Some(bundle)) = (session.resolved.fleet(), bundle) else {
        return Err(CliError::Usage(
            "the fleet cannot be rendered: tenantry check shows why".into(),
        ));
    };

    let name = fleet.spec.clusters[index].name.as_str();
    let entry = compiled.tree.clusters.get(name);
    let units = |tenant: &str| {
        entry
            .map(|e| kustomization_of(e, tenant))
            .unwrap_or_default()
    };

    let tenancy = &session.resolved.tenancy;
    let mut wanted = Desired::new(fleet, tenancy, bundle, &compiled.tree, &units);

    wanted.broken = broken_tenants(session, &compiled.standings);
    for tenant in &bundle.tenants {
        wanted.broken.remove(tenant.tenant.as_str());
    }
    let tombstones = session.resolved.lock.tombstones.values();
    wanted.gone = tombstones
        .filter(|tombstone| tombstone.cluster == name)
        .flat_map(|tombstone| tombstone.namespaces.iter().cloned())
        .collect();

    Ok(wanted)
}

/// The declared tenants that could not be resolved, and the held ones whose file still exists.
fn broken_tenants(session: &Session, standings: &Standings) -> BTreeSet<String> {
    let resolved = &session.resolved;
    let recorded = resolved.lock.tenants();
    let has_file = |tenant: &&str| {
        recorded
            .get(tenant)
            .is_some_and(|file| session.workspace.root.join(file).exists())
    };
    let held = standings.held().filter(has_file);

    let resolved_names: BTreeSet<&str> = resolved
        .tenancy
        .tenants
        .iter()
        .map(|t| t.name.value.as_str())
        .collect();

    let declared = resolved.specs.tenants.iter().map(|t| t.name.value.as_str());
    declared
        .filter(|tenant| !resolved_names.contains(tenant))
        .chain(held)
        .map(str::to_owned)
        .collect()
}

/// Builds the graph of the objects in a live cluster, with the fleet's tenants.
pub fn graph(session: &mut Session, index: usize, beside: ExtraFacts) -> Cluster {
    let fleet = session
        .resolved
        .specs
        .fleet
        .as_ref()
        .expect("the cluster was chosen from a fleet");

    let tenancy = &session.resolved.tenancy;

    graph::cluster(
        fleet,
        tenancy,
        ClusterObjects::Live(index),
        beside,
        None,
        &|_| false,
    )
}

/// The isolation faults of a live cluster.
pub struct Exposed {
    /// A finding for each proven path between tenants.
    pub found: Vec<LiveFinding>,
    /// The number of paths whose verdict is unknown.
    pub unknown: usize,
}

/// Proves the isolation of a live cluster.
pub fn exposed(cluster: &Cluster, waivers: &[ProofWaiver]) -> Exposed {
    let mut proof = isolation::prove(cluster);
    waive(&mut proof, waivers);
    let findings = proof.findings;
    let has = |finding: &isolation::Finding, verdict| finding.verdict == Some(verdict);

    let unknown = findings
        .iter()
        .filter(|finding| has(finding, isolation::Verdict::Unknown) && finding.waived.is_none())
        .count();

    let found = findings
        .into_iter()
        .filter(|finding| {
            finding.diagnostic.level == Level::Error && has(finding, isolation::Verdict::Refuted)
        })
        .map(LiveFinding::of_proof)
        .collect();

    Exposed { found, unknown }
}

/// Describes that the server does not answer SubjectAccessReviews.
pub fn reviews_gap(error: RequestError) -> ListError {
    ListError {
        group: "authorization.k8s.io".into(),
        kind: "SubjectAccessReview".into(),
        may_pass: error.may_pass(),
        fix: match error.failure {
            Failure::RunOver => "give the run more time: --timeout".into(),
            _ => "grant what `tenantry verify --print-rbac` prints".into(),
        },
        why: error.text,
        command: "kubectl auth can-i create subjectaccessreviews".into(),
    }
}

/// Reads live clusters, to prove their isolation: with the fleet's tenants, or, without a fleet, with
/// each namespace as a tenant.
pub fn read(cli: &Cli, connect: &ConnectArgs, beside: &ExtraArgs) -> Result<ProofInputs, CliError> {
    let time = RunTime::start(connect);
    match Session::open(cli, None) {
        Err(CliError::NoFleet(_)) => read_without_fleet(cli, connect, time, beside),
        session => read_fleet(cli, connect, time, session?),
    }
}

fn read_fleet(
    cli: &Cli,
    connect: &ConnectArgs,
    time: RunTime,
    mut session: Session,
) -> Result<ProofInputs, CliError> {
    let mut compiled = session.compile(Selection::default());
    let chosen = chosen(&session, connect)?;
    let unread = graph::unread(&compiled.findings);

    let mut clusters = Vec::new();
    let mut missing_lists = 0;
    let several = chosen.len() > 1;
    let mut left = chosen.len();
    for ChosenCluster { index, context } in chosen {
        let time = time.share(left);
        left -= 1;
        // The objects that are as rendered keep the place of their template or spec.
        let wanted = wanted(&session, &mut compiled, index).ok();

        let server = ApiServer::connect(context.as_deref(), connect, time);
        let read = server.and_then(|server| {
            let span = cluster_span(&mut session.sources, &server.name);
            let wanted = wanted.unwrap_or_else(|| Desired::nothing(&server.name, span));
            fetch_for_proof(cli, &server, wanted, span)
        });
        let (mut beside, missing) = match read {
            Err(fault) if several => {
                let gap = fault.into_gap()?;
                let context = context.as_deref().unwrap_or_default();
                let span = cluster_span(&mut session.sources, context);
                (unread_cluster(span, &gap), 1)
            }
            read => read?,
        };
        missing_lists += missing;
        beside.faults.extend(unread.iter().cloned());
        clusters.push(graph(&mut session, index, beside));
    }

    Ok(ProofInputs {
        has_fleet: true,
        sources: session.sources,
        clusters,
        findings: compiled.findings,
        waivers: session.resolved.tenancy.proof_waivers,
        missing_lists,
    })
}

fn read_without_fleet(
    cli: &Cli,
    connect: &ConnectArgs,
    time: RunTime,
    args: &ExtraArgs,
) -> Result<ProofInputs, CliError> {
    if connect.context.len() > 1 {
        return Err(CliError::Usage(
            "--context: without a fleet, one cluster is proven at a time".into(),
        ));
    }

    let context = connect.context.first().map(String::as_str);
    let server = ApiServer::connect(context, connect, time)?;

    let mut sources = SourceMap::default();
    let span = cluster_span(&mut sources, &server.name);
    let wanted = Desired::nothing(&server.name, span);
    let (beside, missing_lists) = fetch_for_proof(cli, &server, wanted, span)?;
    let cluster = graph::without_fleet(beside, span, &args.without_fleet());

    Ok(ProofInputs {
        has_fleet: false,
        sources,
        clusters: vec![cluster],
        findings: Vec::new(),
        waivers: Vec::new(),
        missing_lists,
    })
}

/// The place that findings show for the objects of a live cluster.
pub fn cluster_span(sources: &mut SourceMap, context: &str) -> Span {
    sources.add_path(&format!("the cluster of {context}"))
}

impl CliError {
    /// A cluster that cannot be reached, as a gap in the report of several: the others can still be
    /// read.
    ///
    /// # Errors
    /// The fault itself, if it is of the whole run.
    pub fn into_gap(self) -> Result<ListError, Self> {
        let why = match self {
            Self::Cluster(why) | Self::Unavailable(why) | Self::Kubeconfig(why) => why,
            fault => return Err(fault),
        };
        Ok(ListError {
            group: "*".into(),
            kind: "*".into(),
            why,
            command: String::new(),
            fix: "see whether the server can be reached, and takes these credentials".into(),
            may_pass: false,
        })
    }
}

/// The inputs of a cluster that cannot be reached: each verdict about it is unknown.
fn unread_cluster(span: Span, gap: &ListError) -> ExtraFacts {
    let mut beside = ExtraFacts {
        faults: vec![not_listed(span, gap)],
        keeps_objects: true,
        ..ExtraFacts::default()
    };
    let hidden = ListError::unevaluated(std::slice::from_ref(gap), span);
    beside.facts.unevaluated.extend(hidden);
    beside
}

/// Fetches every object that the proof reads. Lists that fail leave the world open, and make the
/// verdicts that depend on them unknown. Returns the number of these lists too.
fn fetch_for_proof(
    cli: &Cli,
    server: &ApiServer,
    wanted: Desired,
    span: Span,
) -> Result<(ExtraFacts, usize), CliError> {
    let (served, mut gaps) = server.served()?;
    let engine = &wanted.engine_namespace;
    let lists = listings(&served, &BTreeMap::new(), engine, Purpose::Prove);
    let options = FetchOptions {
        span,
        now: Timestamp::now(),
        keep_objects: true,
        digest: true,
        json: false,
    };

    let Fetched {
        batch, gaps: lost, ..
    } = server.fetch(cli, &Arc::new(wanted), lists, options);

    gaps.extend(lost);
    let missing = gaps.len();
    gaps.extend(batch.unread.iter().map(|id| ListError {
        group: id.group.clone(),
        kind: id.kind.clone(),
        why: format!("{} cannot be read: it is nested too deeply", id.called()),
        command: String::new(),
        fix: "see what it is for".into(),
        may_pass: false,
    }));

    let mut facts = batch.facts;
    facts
        .unevaluated
        .extend(ListError::unevaluated(&gaps, span));
    let bytes = facts.digest();

    let beside = ExtraFacts {
        facts,
        faults: gaps.iter().map(|gap| not_listed(span, gap)).collect(),
        has_unread_files: false,
        closed_world: gaps.is_empty(),
        lists_every_kind: gaps.is_empty(),
        bytes,
        keeps_objects: true,
    };
    Ok((beside, missing))
}

/// Reports a gap to the proof, as an input that could not be read.
fn not_listed(span: Span, gap: &ListError) -> Diagnostic {
    let fix = if gap.command.is_empty() {
        gap.fix.clone()
    } else {
        format!("{}; see: {}", gap.fix, gap.command)
    };

    Diagnostic::new(&NOT_LISTED, span, gap.message())
        .fix(fix)
        .scope(Scope::Fleet)
}

//! A fleet's clusters and the live ones: which context is whose, what should be there, and the
//! graph of what is.

use super::Fault;
use super::api_server::{FetchOptions, Server};
use super::args::{Cli, Connect};
use super::proof_inputs::ProofInputs;
use super::session::{Selection, Session};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tenantry::bundle::{ClusterBundle, Keep, Part, TenantBundle};
use tenantry::compile::Compiled;
use tenantry::diagnostic::{Diagnostic, Level, Scope};
use tenantry::graph::{self, Beside, Cluster};
use tenantry::isolation;
use tenantry::live::rules::NOT_LISTED;
use tenantry::live::{FLUX, Found, Gap, Purpose, Wanted, listings};
use tenantry::source::{SourceMap, Span};
use tenantry::tree::kustomization_of;

/// The clusters that are asked, as indices in the fleet, each with its context; the current one
/// where none is named.
pub fn chosen(session: &Session, connect: &Connect) -> Result<Vec<(usize, Option<String>)>, Fault> {
    let Some(fleet) = session.front.fleet() else {
        return Err(Fault::Usage(
            "the fleet has an error: tenantry check shows it".into(),
        ));
    };
    let clusters = &fleet.spec.clusters;
    let names: Vec<&str> = clusters.iter().map(|c| c.name.as_str()).collect();
    if connect.context.is_empty() {
        return match names.len() {
            1 => Ok(vec![(0, None)]),
            _ => {
                let all = names.join(", ");
                Err(Fault::Usage(format!(
                    "the fleet has several clusters: say which, --context CLUSTER=CONTEXT ({all})"
                )))
            }
        };
    }
    let mut all = Vec::new();
    for text in &connect.context {
        let (name, context) = match text.split_once('=') {
            Some((name, context)) if names.contains(&name) => (name, context),
            // Names of contexts may hold anything.
            _ if names.contains(&text.as_str()) => (text.as_str(), text.as_str()),
            _ if names.len() == 1 => (names[0], text.as_str()),
            _ => {
                let all = names.join(", ");
                return Err(Fault::Usage(format!(
                    "--context {text}: say whose it is, CLUSTER=CONTEXT ({all})"
                )));
            }
        };
        let index = names.iter().position(|n| *n == name).unwrap_or_default();
        if context.is_empty() {
            return Err(Fault::Usage(format!(
                "--context {text}: the context is empty"
            )));
        }
        if all.iter().any(|(other, _)| *other == index) {
            return Err(Fault::Usage(format!(
                "--context {text}: `{name}` has a context already"
            )));
        }
        all.push((index, Some(context.to_owned())));
    }
    Ok(all)
}

/// What should be there of a cluster.
pub fn wanted(session: &Session, compiled: &mut Compiled, index: usize) -> Result<Wanted, Fault> {
    let bundle = compiled.bundles.iter_mut().find(|b| b.cluster == index);
    let (Some(fleet), Some(bundle)) = (session.front.fleet(), bundle) else {
        return Err(Fault::Usage(
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
    let mut wanted = Wanted::new(
        fleet,
        &session.front.tenancy,
        bundle,
        &compiled.tree,
        &units,
    );
    let bundle = &*bundle;
    let rendered: BTreeSet<&str> = bundle.tenants.iter().map(|t| t.tenant.as_str()).collect();
    let declared = session.front.specs.tenants.iter().map(|t| &t.name.value);
    let sound: BTreeSet<&String> = session
        .front
        .tenancy
        .tenants
        .iter()
        .map(|t| &t.name.value)
        .collect();
    wanted.broken = declared
        .filter(|name| !sound.contains(name))
        .cloned()
        .collect();
    // Held for an error in their file; where that is gone, they are nobody's.
    let prior = session.front.lock.tenants();
    let held = compiled.held.iter();
    let held = held.filter(|t| {
        prior
            .get(t.as_str())
            .is_some_and(|file| session.workspace.root.join(file).exists())
    });
    wanted.broken.extend(held.cloned());
    wanted
        .broken
        .retain(|name| !rendered.contains(name.as_str()));
    let graves = session
        .front
        .lock
        .tombstones
        .values()
        .filter(|t| t.on == name);
    wanted.gone = graves.flat_map(|t| t.namespaces.iter().cloned()).collect();
    Ok(wanted)
}

/// The graph of what a live cluster holds, with the fleet's tenants.
pub fn graph(session: &mut Session, index: usize, beside: Beside) -> Cluster {
    let fleet = session
        .front
        .specs
        .fleet
        .as_ref()
        .expect("it was chosen of a fleet");
    let tenancy = &session.front.tenancy;
    let tenants = tenancy
        .tenants
        .iter()
        .enumerate()
        .filter(|(_, t)| t.on(index).is_some());
    let tenants = tenants.map(|(at, t)| TenantBundle {
        tenant: t.name.value.clone(),
        index: at,
        early: Part::default(),
        late: Part::default(),
    });
    let bundle = ClusterBundle {
        cluster: index,
        platform: Part::default(),
        tenants: tenants.collect(),
    };
    graph::cluster(
        fleet,
        tenancy,
        &bundle,
        &mut session.sources,
        beside,
        None,
        &|_| false,
    )
}

/// The ways between tenants that are there in a live cluster, and of how many it cannot be told.
pub fn exposed(cluster: &Cluster) -> (Vec<Found>, usize) {
    let proof = isolation::prove(cluster);
    let unknown = proof
        .findings
        .iter()
        .filter(|f| f.verdict == Some(isolation::Verdict::Unknown))
        .count();
    let found = proof.findings.into_iter().filter(|f| {
        f.diagnostic.level == Level::Error && f.verdict == Some(isolation::Verdict::Refuted)
    });
    let found = found
        .map(|f| Found {
            tenant: f.tenant.clone(),
            object: String::new(),
            show: "tenantry prove --live".into(),
            since: Default::default(),
            diagnostic: f.diagnostic,
        })
        .collect();
    (found, unknown)
}

/// That the server does not answer about access.
pub fn reviews_gap(why: String) -> Gap {
    Gap {
        group: "authorization.k8s.io".into(),
        kind: "SubjectAccessReview".into(),
        why,
        command: "kubectl auth can-i create subjectaccessreviews".into(),
        fix: "grant what `tenantry verify --print-rbac` prints".into(),
    }
}

/// What is missing of a cluster, as what a proof could not read.
fn blind(span: Span, gaps: &[Gap]) -> Vec<Diagnostic> {
    let of = |gap: &Gap| {
        let fix = if gap.command.is_empty() {
            gap.fix.clone()
        } else {
            format!("{}; see: {}", gap.fix, gap.command)
        };
        Diagnostic::new(&NOT_LISTED, span, gap.message())
            .fix(fix)
            .scope(Scope::Fleet)
    };
    gaps.iter().map(of).collect()
}

/// Everything that decides in live clusters, to be proven: with the fleet's tenants, or, without a
/// fleet, each namespace a tenant.
pub fn read(cli: &Cli, connect: &Connect, group_by: Option<&str>) -> Result<ProofInputs, Fault> {
    let mut session = match Session::open(cli, None) {
        Err(Fault::NoFleet(_)) => None,
        opened => Some(opened?),
    };
    let mut compiled = session
        .as_mut()
        .map(|s| s.compile(Selection::default(), Keep::Values));
    let chosen = match &session {
        Some(session) => chosen(session, connect)?,
        None if connect.context.len() > 1 => {
            return Err(Fault::Usage(
                "--context: without a fleet, one cluster is proven at a time".into(),
            ));
        }
        None => vec![(0, connect.context.first().cloned())],
    };
    let mut all = Vec::new();
    let mut alone = SourceMap::default();
    for (index, context) in chosen {
        let server = Server::connect(context.as_deref(), connect)?;
        let (served, mut gaps) = server.served()?;
        let sources = session.as_mut().map_or(&mut alone, |s| &mut s.sources);
        let span = sources.add_path(&format!("the cluster of {}", server.name));
        // Of a fleet, what is as it was rendered is told apart.
        let wanted = match (&session, &mut compiled) {
            (Some(session), Some(compiled)) => wanted(session, compiled, index).ok(),
            _ => None,
        };
        let wanted = wanted.unwrap_or_else(|| Wanted::nothing(&server.name, span));
        let lists = listings(&served, &BTreeMap::new(), FLUX, Purpose::Prove);
        let how = FetchOptions {
            span,
            now: Timestamp::now(),
            keeps: true,
            digest: true,
            json: false,
        };
        let mut taken = server.take(cli, &Arc::new(wanted), lists, Vec::new(), how);
        gaps.append(&mut taken.gaps);
        gaps.extend(taken.batch.unread.iter().map(|id| Gap {
            group: id.group.clone(),
            kind: id.kind.clone(),
            why: format!("{} cannot be read: it is nested too deeply", id.called()),
            command: String::new(),
            fix: "see what it is for".into(),
        }));
        let mut facts = taken.batch.facts;
        facts.riddles.extend(Gap::riddles(&gaps, span));
        let bytes = facts.digest();
        let beside = Beside {
            facts,
            faults: blind(span, &gaps),
            closed: gaps.is_empty(),
            bytes,
            guarded: true,
        };
        all.push(match &mut session {
            Some(session) => graph(session, index, beside),
            None => graph::without_fleet(&mut alone, beside, group_by),
        });
    }
    let (sources, findings) = match session {
        Some(session) => (session.sources, session.front.findings),
        None => (alone, Vec::new()),
    };
    Ok(ProofInputs {
        sources,
        clusters: all,
        findings,
    })
}

//! The outputs of `verify` beside its report: the rights that it needs, and the capabilities of
//! clusters.

use super::Kinds;
use crate::cli::args::{Cli, VerifyArgs};
use crate::cli::cluster::api_server::ApiServer;
use crate::cli::cluster::lists::FetchOptions;
use crate::cli::cluster::live_session::ChosenCluster;
use crate::cli::cluster::run_time::RunTime;
use crate::cli::session::{Selection, Session};
use crate::cli::{CliError, Outcome, output};
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::Arc;
use tenantry::bundle::ClusterBundle;
use tenantry::delivery::ClusterEngine;
use tenantry::document::emit_documents;
use tenantry::kube::ObjectId;
use tenantry::live::role::role;
use tenantry::live::{Desired, Purpose, capabilities, listings};

/// Prints the ClusterRole that `verify` needs. Without a fleet it has no kinds of templates.
pub fn print_rbac(cli: &Cli) -> Result<Outcome, CliError> {
    let rendered = match Session::open(cli, None) {
        Err(CliError::NoFleet(_)) => BTreeSet::new(),
        session => {
            let compiled = session?.compile::<ObjectId>(Selection::default());
            let objects = compiled.bundles.iter().flat_map(ClusterBundle::ids);
            objects
                .map(|id| (id.group.clone(), id.kind.clone()))
                .collect()
        }
    };

    output::data(&emit_documents(&[role(rendered)]))?;
    Ok(Outcome::Clean)
}

/// Prints the capabilities of live clusters, as a fleet declares them.
pub fn print_capabilities(
    cli: &Cli,
    session: &Session,
    chosen: &[ChosenCluster],
    args: &VerifyArgs,
    time: RunTime,
) -> Result<Outcome, CliError> {
    let Some(fleet) = session.resolved.fleet() else {
        return Ok(Outcome::Findings);
    };

    let several = chosen.len() > 1;
    let mut missing = 0;
    for (at, ChosenCluster { index, context }) in chosen.iter().enumerate() {
        let cluster = &fleet.spec.clusters[*index];
        let time = time.share(chosen.len() - at);
        let server = ApiServer::connect(context.as_deref(), &args.connect, time);
        let reached = server.and_then(|server| {
            let (served, _) = server.served()?;
            Ok((server, served))
        });
        let (server, served) = match reached {
            Err(fault) if several => {
                let gap = fault.into_gap()?;
                output::status(
                    cli,
                    &format!("{}: {}", cluster.name.as_str(), gap.message()),
                );
                missing += 1;
                continue;
            }
            reached => reached?,
        };

        let engine = ClusterEngine::new(&fleet.spec, cluster).namespace();
        let mut listings = listings(&served, &Kinds::new(), engine, Purpose::Verify);
        listings.retain(|listing| {
            ["CustomResourceDefinition", "DaemonSet"].contains(&listing.kind.kind.as_str())
        });

        let name = cluster.name.as_str();
        let span = fleet.name.span;
        let wanted = Arc::new(Desired::nothing(name, span));
        let options = FetchOptions {
            span,
            now: Timestamp::now(),
            keep_objects: false,
            digest: false,
            json: false,
        };

        let fetched = server.fetch(cli, &wanted, listings, options);
        for gap in &fetched.gaps {
            output::status(cli, &format!("{name}: {}", gap.message()));
        }
        missing += fetched.gaps.len();

        let found = capabilities::capabilities(name, &server.version, &served, &fetched.batch);
        output::data(&emit_documents(&[vec![found].into()]))?;
    }

    match missing {
        0 => Ok(Outcome::Clean),
        missing => Err(CliError::Partial(missing)),
    }
}

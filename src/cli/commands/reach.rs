//! `reach`: whether pods can send to others.

use crate::cli::args::{Cli, ReachArgs};
use crate::cli::proof_inputs::{self, Question};
use crate::cli::{CliError, Outcome, output};
use tenantry::graph::Cluster;
use tenantry::isolation::question::{self, ConnectionEnd, Route};
use tenantry::netpol::{Port, Ports, Protocol};

/// Runs the command.
pub fn run(cli: &Cli, args: &ReachArgs) -> Result<Outcome, CliError> {
    let port = args.port.as_deref().map(port).transpose()?;
    let inputs = proof_inputs::read_for(
        cli,
        &args.beside,
        &Question::Packets([namespace(&args.from), namespace(&args.to)]),
    )?;

    let mut any = false;
    let mut missing = Vec::new();

    for cluster in &inputs.clusters {
        let (from, to) = match (end(cluster, &args.from), end(cluster, &args.to)) {
            (Ok(from), Ok(to)) => (from, to),
            (Err(reason), _) | (_, Err(reason)) => {
                missing.push(format!("{}: {reason}", cluster.name));
                continue;
            }
        };

        let said = |word: &str| format!("{}: {word}\n", cluster.name);
        match question::reach(cluster, &from, &to, port.as_ref()) {
            Ok(Route::Open(steps)) => {
                any = true;
                output::data(&said("yes"))?;
                proof_inputs::print_steps(&inputs.sources, &steps)?;
            }
            Ok(Route::Blocked(steps)) => {
                output::data(&said("no"))?;
                proof_inputs::print_steps(&inputs.sources, &steps)?;
            }
            Ok(Route::Unknown(steps)) => {
                output::data(&said("unknown"))?;
                proof_inputs::print_steps(&inputs.sources, &steps)?;
            }
            Err(_) => {
                output::data(&said("unknown: the selectors are too many to tell"))?;
            }
        }
    }

    if missing.len() == inputs.clusters.len() {
        return Err(CliError::Usage(missing.join("; ")));
    }
    Ok(Outcome::from(!any))
}

/// The namespace of an end.
fn namespace(text: &str) -> &str {
    text.split_once('/')
        .map_or(text, |(namespace, _)| namespace)
}

fn end(cluster: &Cluster, text: &str) -> Result<ConnectionEnd, String> {
    let (namespace, pod) = text
        .split_once('/')
        .map_or((text, None), |(n, p)| (n, Some(p)));
    let at = cluster
        .namespace(namespace)
        .ok_or_else(|| format!("there is no namespace `{namespace}`"))?;
    let workload = match pod {
        None => None,
        Some(pod) => {
            let found = cluster
                .facts
                .workloads
                .iter()
                .find(|w| w.id.namespace == namespace && w.id.name == pod);
            let found = found.ok_or_else(|| format!("`{namespace}` has no workload `{pod}`"))?;
            Some(found)
        }
    };

    Ok(ConnectionEnd {
        namespace: at,
        labels: workload.map(|workload| workload.labels.clone()),
        ports: workload.map(|workload| workload.ports.clone()),
        workload: workload.map(|workload| workload.id.clone()),
        host_network: workload.is_some_and(|workload| workload.host_network),
    })
}

fn port(text: &str) -> Result<Port, CliError> {
    let bad = || CliError::Usage(format!("--port {text}: write it as 8080, or 53/UDP"));
    let (number, protocol) = text.split_once('/').unwrap_or((text, "TCP"));
    let number: u16 = number.parse().map_err(|_| bad())?;
    let protocol = Protocol::parse(&protocol.to_uppercase()).ok_or_else(bad)?;
    Ok(Port {
        protocol,
        ports: Ports::Range(number, number),
    })
}

//! `prove`: that no tenant can reach another.

use crate::cli::args::{Cli, ProveArgs, ReportFormat};
use crate::cli::proof_inputs::{self, ProofInputs};
use crate::cli::session::VERSION;
use crate::cli::{CliError, Outcome, output};
use tenantry::diagnostic::Level;
use tenantry::graph::Cluster;
use tenantry::isolation::{self, ClusterProof, Verdict, matrix, threats};
use tenantry::report::tables::Tables;
use tenantry::report::{self, proof};

/// Runs the command.
pub fn run(cli: &Cli, args: &ProveArgs) -> Result<Outcome, CliError> {
    let shown = output::chosen(&args.only, &args.skip, "plane")?;
    let asked = output::formats(cli)?;
    let inputs = read(cli, args)?;
    let mut proofs: Vec<ClusterProof> = inputs.clusters.iter().map(isolation::prove).collect();
    let tables: Vec<Tables> = inputs
        .clusters
        .iter()
        .zip(&proofs)
        .map(|(c, p)| tables(args, c, p))
        .collect();

    let digest = proof::digest(&inputs.sources, &inputs.clusters);
    let mut findings = proof::findings(&inputs.sources, &proofs);
    if proofs.is_empty() {
        findings.clone_from(&inputs.findings);
    }
    findings.retain(|d| shown(d.rule.id));

    for proof in &mut proofs {
        proof.findings.retain(|f| shown(f.diagnostic.rule.id));
        proof.blind.retain(|d| shown(d.rule.id));
    }

    let sources = &inputs.sources;
    let asked = if asked.is_empty() {
        vec![(ReportFormat::Text, None)]
    } else {
        asked
    };

    for (format, file) in &asked {
        let text = match format {
            // Without a cluster there is only what is wrong with the fleet.
            ReportFormat::Json if proofs.is_empty() => report::json(sources, &findings),
            ReportFormat::Json => proof::proof_json(sources, &proofs, &tables, &digest),
            ReportFormat::Github => report::github(sources, &findings),
            ReportFormat::Sarif => report::sarif(sources, &findings, VERSION),
            ReportFormat::Markdown => {
                proof::proof_markdown(sources, &proofs, &tables, &findings, &digest)
            }
            ReportFormat::Text | ReportFormat::Junit => {
                let found = match args.summary {
                    true => proof::counts_text(&findings),
                    false => output::text(sources, &findings, file.is_none(), cli),
                };
                found + &proof::proof_text(&proofs, &tables, &digest)
            }
        };
        output::deliver(file.as_deref(), &text)?;
    }

    let worst = proofs
        .iter()
        .flat_map(|p| &p.planes)
        .map(|p| p.verdict)
        .max();

    let broken = inputs.findings.iter().any(|d| d.level == Level::Error);
    Ok(Outcome::from(
        broken || worst.is_none_or(|v| v >= Verdict::Unknown),
    ))
}

/// What is proven: what is rendered and stands beside it, or what runs.
fn read(cli: &Cli, args: &ProveArgs) -> Result<ProofInputs, CliError> {
    #[cfg(feature = "cluster")]
    if args.live {
        return crate::cli::live_session::read(cli, &args.connect, args.beside.group_by.as_deref());
    }
    proof_inputs::read(cli, &args.beside)
}

/// What is asked for besides verdicts.
fn tables(args: &ProveArgs, cluster: &Cluster, proof: &ClusterProof) -> Tables {
    Tables {
        matrix: args
            .matrix
            .then(|| matrix::matrix(cluster, &proof.findings)),
        threats: args.threats.then(|| threats::answers(proof)),
    }
}

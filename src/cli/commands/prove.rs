//! `prove`: that no tenant can reach another.

use crate::cli::args::{Cli, ProveArgs, ReportFormat};
use crate::cli::proof_inputs::{self, ProofInputs};
use crate::cli::session::VERSION;
use crate::cli::{CliError, Outcome, output};
use tenantry::diagnostic::{Diagnostic, Level};
use tenantry::graph::Cluster;
use tenantry::isolation::{self, ClusterProof, Verdict, matrix, threats};
use tenantry::report::tables::Tables;
use tenantry::report::{self, proof};
use tenantry::source::SourceMap;

/// Runs the command.
pub fn run(cli: &Cli, args: &ProveArgs) -> Result<Outcome, CliError> {
    let shown = output::chosen(&args.only, &args.skip, "plane")?;
    let asked = output::formats(cli)?;
    let inputs = read(cli, args)?;

    let mut proofs: Vec<ClusterProof> = inputs.clusters.iter().map(isolation::prove).collect();
    let clusters = inputs.clusters.iter().zip(&proofs);
    let tables = clusters
        .map(|(cluster, proof)| tables(args, cluster, proof))
        .collect();

    let digest = proof::digest(&inputs.sources, &inputs.clusters);
    let mut findings = proof::findings(&inputs.sources, &proofs);
    if proofs.is_empty() {
        findings.clone_from(&inputs.findings);
    }

    findings.retain(|d| shown(d.rule.id));
    for proof in &mut proofs {
        proof.findings.retain(|f| shown(f.diagnostic.rule.id));
        proof.unread_inputs.retain(|d| shown(d.rule.id));
    }

    let report = ProofOutput {
        sources: &inputs.sources,
        proofs,
        tables,
        findings,
        digest,
    };

    let asked = match asked.is_empty() {
        true => vec![(ReportFormat::Text, None)],
        false => asked,
    };
    for (format, file) in &asked {
        let text = report.write(cli, args, *format, file.is_none());
        output::deliver(file.as_deref(), &text)?;
    }

    let planes = report.proofs.iter().flat_map(|proof| &proof.planes);
    let worst = planes.map(|plane| plane.verdict).max();
    let is_open = worst.is_none_or(|verdict| verdict >= Verdict::Unknown);
    let has_errors = inputs.findings.iter().any(|d| d.level == Level::Error);
    Ok(Outcome::from(has_errors || is_open))
}

/// What the reports of all formats are made of.
struct ProofOutput<'a> {
    sources: &'a SourceMap,
    proofs: Vec<ClusterProof>,
    tables: Vec<Tables>,
    findings: Vec<Diagnostic>,
    digest: String,
}

impl ProofOutput<'_> {
    /// The text of the report in one format. `is_output` is whether it goes to standard output.
    fn write(&self, cli: &Cli, args: &ProveArgs, format: ReportFormat, is_output: bool) -> String {
        let Self {
            sources,
            proofs,
            tables,
            findings,
            digest,
        } = self;

        match format {
            // Without a cluster, the findings about the fleet are all there is.
            ReportFormat::Json if proofs.is_empty() => report::json(sources, findings),
            ReportFormat::Json => proof::proof_json(sources, proofs, tables, digest),
            ReportFormat::Github => report::github(sources, findings),
            ReportFormat::Sarif => report::sarif(sources, findings, VERSION),
            ReportFormat::Markdown => {
                proof::proof_markdown(sources, proofs, tables, findings, digest)
            }
            ReportFormat::Text | ReportFormat::Junit => {
                let found = match args.summary {
                    true => proof::counts_text(findings),
                    false => output::text(sources, findings, is_output, cli),
                };
                found + &proof::proof_text(proofs, tables, digest)
            }
        }
    }
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

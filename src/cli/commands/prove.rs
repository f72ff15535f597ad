//! `prove`: that no tenant can reach another.

use crate::cli::args::{Cli, FailOnVerdict, ProveArgs, ReportFormat};
use crate::cli::known::KnownFindings;
use crate::cli::proof_inputs::{self, ProofInputs};
use crate::cli::session::VERSION;
use crate::cli::{CliError, Outcome, output};
use std::collections::BTreeSet;
use tenantry::diagnostic::{Diagnostic, listed};
use tenantry::graph::Cluster;
use tenantry::isolation::waived::waive;
use tenantry::isolation::{self, ClusterProof, matrix, threats};
use tenantry::report;
use tenantry::report::baseline::{Baseline, Clusters, Fingerprint};
use tenantry::report::findings::{self, ReportedFinding, Threshold};
use tenantry::report::proof::{self, ProofReport};
use tenantry::report::tables::Tables;

/// Runs the command.
pub fn run(cli: &Cli, args: &ProveArgs) -> Result<Outcome, CliError> {
    let scope = Scope::new(args)?;
    let mut known = KnownFindings::read(&args.known)?;
    let inputs = read(cli, args)?;

    let (mut proofs, unused) = prove(&inputs);
    let clusters = inputs.clusters.iter().zip(&proofs);
    let tables = clusters
        .map(|(cluster, proof)| tables(args, cluster, proof))
        .collect();

    let mut found = reported(&inputs, &proofs);
    if proves_whole_fleet(args) {
        let of_fleet = |finding: &Diagnostic| ReportedFinding::of_inputs(finding, Clusters::new());
        found.extend(unused.iter().map(of_fleet));
        findings::sort(&inputs.sources, &mut found);
    }
    found.retain(|finding| scope.has(finding));
    for proof in &mut proofs {
        proof
            .findings
            .retain(|f| scope.has_rule(f.diagnostic.rule.id));
        proof.unread_inputs.retain(|d| !scope.leaves_out(d.rule.id));
    }

    if let Some(revision) = &args.since {
        known.add(at_revision(cli, args, revision)?);
    }
    let present = findings::baseline(&inputs.sources, &found);
    let could_find = scope.could_find(&proofs);
    let stale = known.stale(&present, &could_find);
    let is_written = known.write(present.clone(), &could_find)?;
    let known = if is_written { &present } else { known.all() };
    findings::mark_known(&inputs.sources, &mut found, known);

    let report = ProofReport {
        sources: &inputs.sources,
        digest: proof::digest(&inputs.sources, &inputs.clusters),
        proofs,
        tables,
        findings: found,
        stale: if is_written { BTreeSet::new() } else { stale },
        asked: scope.planes(),
    };
    deliver(cli, args, &report)?;
    #[cfg(feature = "cluster")]
    if inputs.missing_lists > 0 {
        return Err(CliError::Partial(inputs.missing_lists));
    }

    let threshold = threshold(args.fail_on);
    let fails = report.findings.iter().any(|f| threshold.fails(f));
    Ok(Outcome::from(fails || report.proofs.is_empty()))
}

/// The findings that make the exit code 1.
fn threshold(fail_on: FailOnVerdict) -> Threshold {
    match fail_on {
        FailOnVerdict::Refuted => Threshold::Refuted,
        FailOnVerdict::Unknown => Threshold::Unknown,
        FailOnVerdict::Warning => Threshold::Warning,
    }
}

/// Proves each cluster. Marks the findings that a Waiver permits, and returns a finding for each
/// Waiver that permits none on any of these clusters.
fn prove(inputs: &ProofInputs) -> (Vec<ClusterProof>, Vec<Diagnostic>) {
    let mut proofs: Vec<ClusterProof> = inputs.clusters.iter().map(isolation::prove).collect();
    let mut is_used = vec![false; inputs.waivers.len()];
    for proof in &mut proofs {
        let used = waive(proof, &inputs.waivers);
        is_used
            .iter_mut()
            .zip(used)
            .for_each(|(all, here)| *all |= here);
    }

    // An input that was not read may hold the object that the Waiver is for.
    if proofs.iter().any(|proof| !proof.unread_inputs.is_empty()) {
        return (proofs, Vec::new());
    }
    let tenants = inputs.clusters.iter().flat_map(|cluster| &cluster.tenants);
    let tenants: BTreeSet<&str> = tenants.map(|tenant| tenant.name.as_str()).collect();
    let waivers = inputs.waivers.iter().zip(is_used);
    let unused = waivers
        .filter(|(waiver, is_used)| !is_used && tenants.contains(waiver.tenant.as_str()))
        .map(|(waiver, _)| waiver.unused())
        .collect();
    (proofs, unused)
}

/// Whether the proof covers every cluster of the fleet as it is rendered. Else a Waiver may permit a
/// finding of another cluster.
fn proves_whole_fleet(args: &ProveArgs) -> bool {
    #[cfg(feature = "cluster")]
    if args.live {
        return false;
    }
    args.beside.cluster.is_empty()
}

/// The findings of all proofs; those about the fleet if it has no cluster that can be proven.
fn reported(inputs: &ProofInputs, proofs: &[ClusterProof]) -> Vec<ReportedFinding> {
    if !proofs.is_empty() {
        return findings::collect(&inputs.sources, proofs);
    }

    let of_fleet = |finding: &Diagnostic| ReportedFinding::of_inputs(finding, Clusters::new());
    let mut all: Vec<ReportedFinding> = inputs.findings.iter().map(of_fleet).collect();
    findings::sort(&inputs.sources, &mut all);
    all
}

/// The findings that a revision has, without those that are waived in it.
fn at_revision(cli: &Cli, args: &ProveArgs, revision: &str) -> Result<Baseline, CliError> {
    let inputs = proof_inputs::read_at(
        cli,
        &args.beside.in_namespace(args.namespace.as_ref()),
        revision,
    )?;
    let (proofs, _) = prove(&inputs);
    Ok(findings::baseline(
        &inputs.sources,
        &reported(&inputs, &proofs),
    ))
}

/// The rules and planes that are asked for.
struct Scope<'a> {
    args: &'a ProveArgs,
    only_and_skip: Box<dyn Fn(&str) -> bool + 'a>,
    skip: Box<dyn Fn(&str) -> bool + 'a>,
}

impl<'a> Scope<'a> {
    fn new(args: &'a ProveArgs) -> Result<Self, CliError> {
        Ok(Self {
            args,
            only_and_skip: Box::new(output::chosen(&args.only, &args.skip, "plane")?),
            skip: Box::new(output::chosen(&[], &args.skip, "plane")?),
        })
    }

    fn has_rule(&self, rule: &str) -> bool {
        (self.only_and_skip)(rule)
    }

    /// Whether `--skip` names a rule or its plane.
    fn leaves_out(&self, rule: &str) -> bool {
        !(self.skip)(rule)
    }

    /// Whether a finding is asked for. An input that was not read concerns every plane.
    fn has(&self, finding: &ReportedFinding) -> bool {
        let rule = finding.diagnostic.rule.id;
        match finding.plane {
            Some(_) => self.has_rule(rule),
            None => !self.leaves_out(rule),
        }
    }

    /// Whether a run over some clusters could find an entry of a baseline again.
    fn could_find(
        &self,
        proofs: &[ClusterProof],
    ) -> impl Fn(&Fingerprint, &Clusters) -> bool + use<'_, 'a> {
        let here: BTreeSet<String> = proofs.iter().map(|p| p.cluster.to_string()).collect();
        let is_part = !self.args.beside.cluster.is_empty();
        move |known, clusters| {
            self.has_rule(&known.rule)
                && (!is_part || clusters.iter().any(|name| here.contains(name)))
        }
    }

    /// The planes of which a rule is asked for; `None` if all are.
    fn planes(&self) -> Option<Vec<isolation::Plane>> {
        let is_all = self.args.only.is_empty() && self.args.skip.is_empty();
        let rules = isolation::severity::RATED_RULES;
        let is_asked = |plane: &isolation::Plane| {
            let of_plane = rules.iter().map(|rated| rated.rule.id);
            let mut of_plane = of_plane.filter(|id| id.split('/').next() == Some(plane.name()));
            of_plane.any(|id| self.has_rule(id))
        };
        let planes = isolation::Plane::ALL.into_iter().filter(is_asked);
        (!is_all).then(|| planes.collect())
    }
}

/// Writes the reports to standard output and to files.
fn deliver(cli: &Cli, args: &ProveArgs, report: &ProofReport<'_>) -> Result<(), CliError> {
    output::each(cli, |target| match target.format {
        ReportFormat::Json => report.json(),
        ReportFormat::Github => {
            report::github(report.sources, &listed(report.sources, &report.shown()))
        }
        ReportFormat::Sarif => report.sarif(VERSION),
        ReportFormat::Markdown => report.markdown(),
        ReportFormat::Junit => report.junit(threshold(args.fail_on)),
        ReportFormat::Mermaid => report.mermaid(),
        ReportFormat::Text => text(cli, args, report, target.file.is_none()),
    })
}

/// The report as text. `is_output` is whether it goes to standard output.
fn text(cli: &Cli, args: &ProveArgs, report: &ProofReport<'_>, is_output: bool) -> String {
    let shown = report.shown();
    let found = match args.summary {
        true => proof::counts_text(&shown),
        false => output::text(report.sources, &shown, is_output, cli),
    };
    match cli.quiet {
        true => found,
        false => report.headline() + &found + &report.text(),
    }
}

/// What is proven: what is rendered and stands beside it, or what runs.
fn read(cli: &Cli, args: &ProveArgs) -> Result<ProofInputs, CliError> {
    #[cfg(feature = "cluster")]
    if args.live {
        return crate::cli::cluster::live_session::read(cli, &args.connect, &args.beside);
    }
    proof_inputs::read_to_prove(cli, &args.beside.in_namespace(args.namespace.as_ref()))
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

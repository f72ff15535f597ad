//! Proofs: a table of verdicts for people, and the same for programs.

use super::assumptions::{AssumptionReport, RestsOn, ScopeReport};
use super::baseline::{Clusters, Fingerprint};
use super::findings::{FindingState, ReportedFinding, Threshold};
use super::json::FindingReport;
use super::junit::{self, Case, CaseOutcome, Suite};
use super::steps::{LocationReport, StepReport};
use super::tables::{self, Tables, TablesReport};
use super::{Counts, count, mermaid, plain, plural, pretty, run_verdict, sarif};
use crate::bundle::short;
use crate::diagnostic::Diagnostic;
use crate::graph::Cluster;
use crate::isolation::pairs::OpenedPairs;
use crate::isolation::severity::{self, Severity};
use crate::isolation::{ClusterProof, ClusterSize, Finding, MODEL, Plane, PlaneResult, Verdict};
use crate::markdown::{cell, code, literal};
use crate::source::SourceMap;
use crate::value::Text;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// The digest of what a proof was made of: every text's path and bytes, snapshots, and which
/// namespaces are whose.
pub fn digest(sources: &SourceMap, clusters: &[Cluster]) -> String {
    let mut hasher = blake3::Hasher::new();
    for cluster in clusters {
        hasher
            .update(cluster.name.as_bytes())
            .update(&cluster.snapshot_digest);
        for tenant in &cluster.tenants {
            hasher.update(tenant.name.as_bytes()).update(&[0]);
            tenant
                .namespaces
                .iter()
                .for_each(|n| _ = hasher.update(n.as_bytes()).update(&[1]));
        }
    }

    for (_, source) in sources
        .iter()
        .filter(|(_, s)| !s.text.is_empty() && s.path != "tenantry.lock")
    {
        hasher
            .update(source.path.as_bytes())
            .update(&[0])
            .update(source.text.as_bytes())
            .update(&[0]);
    }

    short(&hasher)
}

fn names(texts: &[Text]) -> Vec<&str> {
    texts.iter().map(Text::as_str).collect()
}

/// A proof of all clusters, to be written in each format.
#[derive(Debug)]
pub struct ProofReport<'a> {
    /// The texts that places point into.
    pub sources: &'a SourceMap,
    /// The digest of the inputs.
    pub digest: String,
    /// The proof of each cluster.
    pub proofs: Vec<ClusterProof>,
    /// What is asked for besides verdicts, for each cluster.
    pub tables: Vec<Tables>,
    /// The findings that are asked for, the gravest first.
    pub findings: Vec<ReportedFinding>,
    /// The entries of the baseline that are gone.
    pub stale: BTreeSet<Fingerprint>,
    /// The planes that are asked for; all if `None`.
    pub asked: Option<Vec<Plane>>,
}

impl ProofReport<'_> {
    /// The findings that people are shown: those that are not known, with those that are waived.
    pub fn shown(&self) -> Vec<Diagnostic> {
        let is_shown = |finding: &&ReportedFinding| finding.state != FindingState::Known;
        let shown = self.findings.iter().filter(is_shown);
        shown.map(ReportedFinding::shown).collect()
    }

    /// Whether a plane is asked for.
    fn asks(&self, plane: Plane) -> bool {
        let asked = self.asked.as_ref();
        asked.is_none_or(|planes| planes.contains(&plane))
    }

    /// What the verdicts rest on.
    fn rests_on(&self) -> RestsOn<'_> {
        RestsOn::new(&self.proofs, &self.tables, &|plane| self.asks(plane))
    }

    /// The verdict of the run in one line, with the number of findings; and what was asked for.
    pub fn headline(&self) -> String {
        let verdicts = run_verdict::by_cluster(&self.proofs, &|plane| self.asks(plane));
        let verdicts = plain(&verdicts);
        let counts = run_verdict::counts(&self.findings);
        let mut out = format!(
            "verdict: {verdicts}; {counts}; model {MODEL}, inputs {}\n",
            self.digest
        );
        if let Some(planes) = &self.asked {
            let names: Vec<&str> = planes.iter().map(|plane| plane.name()).collect();
            let names = names.join(", ");
            let _ = writeln!(out, "asked for: {names}; only these decide the exit code");
        }
        out.push('\n');
        out
    }

    /// A table for each cluster: what is proven and what was not looked at; then what all verdicts
    /// rest on.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (proof, tables) in self.proofs.iter().zip(&self.tables) {
            self.add_cluster(&mut out, proof, tables);
        }
        if !self.proofs.is_empty() {
            out.push('\n');
        }

        let answers_threats = self.tables.iter().any(|tables| tables.threats.is_some());
        out.push_str(&self.rests_on().text(answers_threats));
        out.push_str(&self.states_text());
        out
    }

    fn add_cluster(&self, out: &mut String, proof: &ClusterProof, tables: &Tables) {
        let size = proof.size;
        let _ = writeln!(
            out,
            "{}: {}; {}, {}, {}, {} declared on both sides",
            plain(&proof.cluster),
            run_verdict::of_cluster(proof, &|plane| self.asks(plane)),
            plural(size.tenants, "tenant"),
            plural(size.namespaces, "namespace"),
            objects_text(size),
            plural(proof.declared_edges, "edge"),
        );

        let has_findings = proof
            .planes
            .iter()
            .any(|plane| plane.refuted + plane.unknown > 0);
        if size.tenants == 0 {
            out.push_str(match has_findings {
                false => "  no tenant is on this cluster yet: there is nothing to prove\n",
                true => WITHOUT_TENANTS,
            });
        }
        if !proof.platform_by_name.is_empty() {
            let _ = writeln!(
                out,
                "  the platform's by name: {} (--tenant-namespace and --platform-namespace change it)",
                plain(&names(&proof.platform_by_name).join(", "))
            );
        }
        let planes = proof.planes.iter();
        out.extend(planes.map(|plane| plane_line(plane, self.asks(plane.plane))));

        if !proof.unread.is_empty() {
            let kinds: Vec<String> = proof
                .unread
                .iter()
                .map(|(kind, count)| format!("{} ({count})", plain(kind)))
                .collect();
            let _ = writeln!(out, "  read by no plane: {}", kinds.join(", "));
        }

        out.extend(tables.matrix.iter().map(tables::matrix_text));
        out.extend(
            tables
                .threats
                .iter()
                .map(|answers| tables::threats_text(&proof.cluster, answers)),
        );
    }

    /// How many findings do not count, and why; the entries of the baseline that are gone.
    fn states_text(&self) -> String {
        let mut out = String::new();
        let counts = StateCounts::of(&self.findings);
        if counts.known > 0 {
            let known = plural(counts.known, "finding");
            let _ = writeln!(out, "{known} known before, {} new", counts.new);
        }
        if counts.waived > 0 {
            let waived = plural(counts.waived, "finding");
            let _ = writeln!(out, "{waived} waived");
        }
        for gone in &self.stale {
            let _ = writeln!(out, "stale entry of the baseline: {gone}");
        }
        out
    }
}

/// What findings mean on a cluster that has no tenant.
const WITHOUT_TENANTS: &str = "  no namespace counts as a tenant's: what was found would hold for any tenant, \
                               or was not read and may hold tenants (without a fleet, --tenant-namespace NAME \
                               makes a namespace a tenant's, and --platform-namespace NAME the platform's)\n";

/// How many objects there are, and how many of them are rendered if others stand beside them.
fn objects_text(size: ClusterSize) -> String {
    let objects = plural(size.objects, "object");
    match size.rendered {
        0 => objects,
        rendered if rendered == size.objects => objects,
        rendered => format!("{objects} ({rendered} rendered)"),
    }
}

/// The line of a plane: its verdict, and what the verdict rests on.
fn plane_line(plane: &PlaneResult, is_asked: bool) -> String {
    let mut why = Vec::new();
    if plane.refuted > 0 {
        why.push(format!("{} found", plural(plane.refuted, "way")));
    }
    if plane.unknown > 0 {
        why.push(format!("{} open", plural(plane.unknown, "question")));
    }
    if plane.refuted_waived + plane.unknown_waived > 0 {
        let waived = plane.refuted_waived + plane.unknown_waived;
        why.push(format!("{waived} waived"));
    }
    if plane.verdict == Verdict::Assumed {
        let names: BTreeSet<&str> = plane.assumptions.iter().map(|a| a.name).collect();
        let names: Vec<&str> = names.into_iter().collect();
        why.push(format!("if {}", names.join(", ")));
    }
    if !is_asked {
        why.push("not asked for".to_owned());
    }

    let (name, verdict) = (plane.plane.name(), plane.verdict_name());
    format!("  {name:10} {verdict:8} {}\n", why.join(", "))
}

/// A line for each rule with findings: how often, at what level, how grave; the gravest first.
pub fn counts_text(findings: &[Diagnostic]) -> String {
    let mut counts = BTreeMap::new();
    for finding in findings {
        let severity = severity::of(finding);
        let key = (Reverse(severity), Reverse(finding.level), finding.rule.id);
        *counts.entry(key).or_insert(0_usize) += 1;
    }

    let mut out = String::new();
    for ((severity, level, rule), count) in counts {
        let severity = severity.0.map_or("-", Severity::name);
        let _ = writeln!(out, "{count:6} {:8} {severity:8} {rule}", level.0.name());
    }
    out
}

/// Most findings that a comment lists: a forge cuts longer ones off.
const MAX_LISTED: usize = 50;

impl ProofReport<'_> {
    /// The same as Markdown for a pull request.
    pub fn markdown(&self) -> String {
        let mut out = format!(
            "### tenantry prove\n\nVerdict: {}; {}.\n\nModel {MODEL}, inputs `{}`.\n\n\
             | cluster | {} |\n",
            cell(&run_verdict::by_cluster(&self.proofs, &|plane| self.asks(plane))),
            run_verdict::counts(&self.findings),
            self.digest,
            Plane::ALL.map(Plane::name).join(" | ")
        );

        out.push_str("|---|---|---|---|---|---|---|\n");
        for proof in &self.proofs {
            let verdicts: Vec<&str> = proof.planes.iter().map(PlaneResult::verdict_name).collect();
            let _ = writeln!(
                out,
                "| {} | {} |",
                cell(&proof.cluster),
                verdicts.join(" | ")
            );
        }

        for line in self.states_text().lines() {
            let _ = writeln!(out, "\n{}", cell(line));
        }
        out.push_str(&findings_markdown(self.sources, &self.shown()));
        out.extend(
            self.proofs
                .iter()
                .zip(&self.tables)
                .map(|(proof, tables)| tables::markdown(&literal(&proof.cluster), tables)),
        );

        out.push_str(&self.rests_on().markdown());
        out
    }
}

/// The findings, folded; empty if there are none.
fn findings_markdown(sources: &SourceMap, findings: &[Diagnostic]) -> String {
    if findings.is_empty() {
        return String::new();
    }

    let count = plural(findings.len(), "finding");
    let mut out = format!("\n<details><summary>{count}</summary>\n\n");
    for finding in findings.iter().take(MAX_LISTED) {
        let _ = writeln!(
            out,
            "- **{}** `{}` {} ({})",
            finding.level.name(),
            finding.rule.id,
            cell(&finding.message),
            code(&sources.locate(finding.span))
        );
        for note in &finding.notes {
            let _ = writeln!(out, "  - {}", cell(note));
        }
        for related in &finding.related {
            let (label, place) = (cell(&related.label), code(&sources.locate(related.span)));
            let _ = writeln!(out, "  - {label} ({place})");
        }
    }

    if findings.len() > MAX_LISTED {
        let _ = writeln!(out, "- … and {} more", findings.len() - MAX_LISTED);
    }
    out.push_str("\n</details>\n");
    out
}

/// How many findings are of each state.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct StateCounts {
    new: usize,
    known: usize,
    waived: usize,
}

impl StateCounts {
    fn of(findings: &[ReportedFinding]) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match finding.state {
                FindingState::New => counts.new += 1,
                FindingState::Known => counts.known += 1,
                FindingState::Waived(_) => counts.waived += 1,
            }
        }
        counts
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofDocument<'a> {
    schema_version: u32,
    model: &'a str,
    inputs: &'a str,
    verdict: &'a str,
    clusters: Vec<ProvenClusterReport<'a>>,
    assumptions: Vec<AssumptionReport<'a>>,
    scope: Vec<ScopeReport<'a>>,
    findings: Vec<ListedFinding<'a>>,
    counts: Counts,
    states: StateCounts,
    stale: Vec<StaleReport<'a>>,
}

/// A finding in the form of every report, with what a proof says of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedFinding<'a> {
    #[serde(flatten)]
    finding: FindingReport<'a>,
    severity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plane: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a str>,
    clusters: &'a Clusters,
    #[serde(flatten)]
    opens: OpensReport,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiver: Option<WaiverReport<'a>>,
}

/// How many pairs of tenants a finding opens; nothing if it opens none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpensReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_pairs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_alone: Option<u64>,
}

impl OpensReport {
    fn of(opens: Option<OpenedPairs>) -> Self {
        Self {
            opens_pairs: opens.map(|opens| opens.pairs),
            opens_alone: opens.map(|opens| opens.alone),
        }
    }
}

#[derive(Serialize)]
struct WaiverReport<'a> {
    name: &'a str,
    expires: &'a str,
}

#[derive(Serialize)]
struct StaleReport<'a> {
    rule: &'a str,
    path: &'a str,
    message: &'a str,
}

impl<'a> StaleReport<'a> {
    fn of(gone: &'a Fingerprint) -> Self {
        Self {
            rule: &gone.rule,
            path: &gone.path,
            message: &gone.message,
        }
    }
}

impl<'a> ListedFinding<'a> {
    fn of(sources: &'a SourceMap, finding: &'a ReportedFinding) -> Self {
        Self {
            finding: FindingReport::of(sources, &finding.diagnostic),
            severity: finding.severity.name(),
            plane: finding.plane.map(Plane::name),
            verdict: finding.verdict.map(Verdict::name),
            clusters: &finding.clusters,
            opens: OpensReport::of(finding.opens),
            state: finding.state.name(),
            waiver: match &finding.state {
                FindingState::Waived(waived) => Some(WaiverReport {
                    name: &waived.waiver,
                    expires: &waived.expires,
                }),
                _ => None,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProvenClusterReport<'a> {
    cluster: &'a str,
    verdict: &'a str,
    tenants: usize,
    namespaces: usize,
    objects: usize,
    rendered: usize,
    declared_edges: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    platform_by_name: Vec<&'a str>,
    planes: Vec<PlaneReport<'a>>,
    findings: Vec<ProofFindingReport<'a>>,
    unread: &'a BTreeMap<String, usize>,
    #[serde(flatten)]
    tables: TablesReport<'a>,
}

#[derive(Serialize)]
struct PlaneReport<'a> {
    plane: &'a str,
    verdict: &'a str,
    refuted: usize,
    unknown: usize,
    waived: usize,
    assumptions: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct ProofFindingReport<'a> {
    rule: &'a str,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plane: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    victim: Option<&'a str>,
    #[serde(flatten)]
    opens: OpensReport,
    message: &'a str,
    location: LocationReport<'a>,
    witness: Vec<StepReport<'a>>,
    fix: &'a str,
}

impl<'a> ProvenClusterReport<'a> {
    fn of(
        sources: &'a SourceMap,
        verdict: &'a str,
        proof: &'a ClusterProof,
        tables: &'a Tables,
    ) -> Self {
        let plane = |plane: &'a PlaneResult| PlaneReport {
            plane: plane.plane.name(),
            verdict: plane.verdict_name(),
            refuted: plane.refuted,
            unknown: plane.unknown,
            waived: plane.refuted_waived + plane.unknown_waived,
            assumptions: texts_by_name(plane),
        };

        let found = proof.findings.iter().map(|f| (Some(f), &f.diagnostic));
        let unread = proof.unread_inputs.iter().map(|d| (None, d));
        Self {
            cluster: &proof.cluster,
            verdict,
            tenants: proof.size.tenants,
            namespaces: proof.size.namespaces,
            objects: proof.size.objects,
            rendered: proof.size.rendered,
            declared_edges: proof.declared_edges,
            platform_by_name: names(&proof.platform_by_name),
            planes: proof.planes.iter().map(plane).collect(),
            findings: found
                .chain(unread)
                .map(|(finding, diagnostic)| ProofFindingReport::of(sources, finding, diagnostic))
                .collect(),
            unread: &proof.unread,
            tables: tables.report(),
        }
    }
}

/// The assumptions of a plane by their names.
fn texts_by_name(plane: &PlaneResult) -> BTreeMap<&str, String> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for assumption in &plane.assumptions {
        let text = texts.entry(assumption.name).or_default();
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&assumption.text);
    }
    texts
}

impl<'a> ProofFindingReport<'a> {
    fn of(
        sources: &'a SourceMap,
        finding: Option<&'a Finding>,
        diagnostic: &'a Diagnostic,
    ) -> Self {
        Self {
            rule: diagnostic.rule.id,
            level: diagnostic.level.name(),
            severity: severity::of(diagnostic).map(Severity::name),
            plane: finding.map(|f| f.plane.name()),
            verdict: finding.and_then(|f| f.verdict).map(Verdict::name),
            tenant: finding.and_then(|f| f.tenant.as_deref()),
            victim: finding.and_then(|f| f.victim.as_deref()),
            opens: OpensReport::of(finding.and_then(|f| f.opens)),
            message: &diagnostic.message,
            location: LocationReport::of(sources, diagnostic.span),
            witness: diagnostic
                .related
                .iter()
                .map(|related| StepReport::of(sources, &related.label, related.span))
                .collect(),
            fix: &diagnostic.fix,
        }
    }
}

impl ProofReport<'_> {
    /// A JSON document, ended by a newline.
    pub fn json(&self) -> String {
        let is_asked = |plane| self.asks(plane);
        let clusters = self.proofs.iter().zip(&self.tables);
        let rests_on = self.rests_on();
        let shown: Vec<Diagnostic> = self.findings.iter().map(ReportedFinding::shown).collect();
        let document = ProofDocument {
            schema_version: 1,
            model: MODEL,
            inputs: &self.digest,
            verdict: run_verdict::of_run(&self.proofs, &is_asked),
            clusters: clusters
                .map(|(proof, tables)| {
                    let verdict = run_verdict::of_cluster(proof, &is_asked);
                    ProvenClusterReport::of(self.sources, verdict, proof, tables)
                })
                .collect(),
            assumptions: rests_on.assumptions,
            scope: rests_on.scope,
            findings: self
                .findings
                .iter()
                .map(|finding| ListedFinding::of(self.sources, finding))
                .collect(),
            counts: count(&shown),
            states: StateCounts::of(&self.findings),
            stale: self.stale.iter().map(StaleReport::of).collect(),
        };

        pretty(&document)
    }

    /// A SARIF document, ended by a newline. `version` is the program's.
    pub fn sarif(&self, version: &str) -> String {
        sarif::sarif_of_proof(self.sources, &self.findings, version)
    }

    /// A flowchart of Mermaid with the ways that are not known.
    pub fn mermaid(&self) -> String {
        mermaid::mermaid_of_proof(self.sources, &self.findings)
    }

    /// JUnit test results: each cluster a suite, each plane a case, which fails if a finding over the
    /// threshold counts.
    pub fn junit(&self, threshold: Threshold) -> String {
        let clusters = self.proofs.iter().map(|proof| proof.cluster.as_str());
        let mut suites: Vec<Suite> = clusters
            .map(|cluster| Suite {
                name: cluster.to_owned(),
                cases: self.cases(cluster, threshold),
            })
            .collect();

        if suites.is_empty() {
            let all: Vec<&ReportedFinding> = self.findings.iter().collect();
            suites.push(Suite {
                name: "fleet".to_owned(),
                cases: vec![match self.outcome(&all, threshold) {
                    outcome @ CaseOutcome::Failed(..) => Case::new("(inputs)", outcome),
                    _ => {
                        let why = "no cluster can be proven".to_owned();
                        Case::new("(inputs)", CaseOutcome::Failed(why, String::new()))
                    }
                }],
            });
        }
        junit::junit("tenantry prove", &suites)
    }

    fn cases(&self, cluster: &str, threshold: Threshold) -> Vec<Case> {
        let of = |plane: Option<Plane>| -> Vec<&ReportedFinding> {
            let here = self
                .findings
                .iter()
                .filter(|f| f.clusters.contains(cluster));
            here.filter(|f| f.plane == plane).collect()
        };

        let mut cases = vec![Case::new("(inputs)", self.outcome(&of(None), threshold))];
        cases.extend(Plane::ALL.into_iter().map(|plane| {
            let outcome = match self.asks(plane) {
                true => self.outcome(&of(Some(plane)), threshold),
                false => CaseOutcome::Skipped("not asked for".to_owned()),
            };
            Case::new(plane.name(), outcome)
        }));
        cases
    }

    /// The outcome of a case with some findings.
    fn outcome(&self, findings: &[&ReportedFinding], threshold: Threshold) -> CaseOutcome {
        let text: String = findings
            .iter()
            .map(|finding| {
                let shown = finding.shown();
                let (severity, state) = (finding.severity.name(), finding.state.name());
                format!(
                    "{}[{}] ({severity}, {state}): {}\n  {}\n",
                    shown.level.name(),
                    shown.rule.id,
                    plain(&shown.message),
                    plain(&self.sources.locate(shown.span))
                )
            })
            .collect();

        match findings.iter().find(|finding| threshold.fails(finding)) {
            Some(first) => CaseOutcome::Failed(plain(&first.diagnostic.message), text),
            None => CaseOutcome::Passed(text),
        }
    }
}

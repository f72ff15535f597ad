//! Proofs: a table of verdicts for people, and the same for programs.

use super::plural;
use super::tables::{self, Tables, TablesReport};
use crate::bundle::short;
use crate::diagnostic::Diagnostic;
use crate::graph::Cluster;
use crate::isolation::{ClusterProof, MODEL, Plane, PlaneResult, Verdict};
use crate::source::{SourceMap, Span};
use serde::Serialize;
use std::collections::BTreeMap;
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

/// Everything that a proof has found, as findings, each once for all clusters.
pub fn findings(sources: &SourceMap, proofs: &[ClusterProof]) -> Vec<Diagnostic> {
    let found = proofs.iter().flat_map(|p| {
        p.findings
            .iter()
            .map(|f| &f.diagnostic)
            .chain(&p.unread_inputs)
    });
    let mut all: Vec<Diagnostic> = found.cloned().collect();
    crate::diagnostic::sort(sources, &mut all);
    all
}

/// A table for each cluster: what is proven, what it rests on, and what was not looked at.
pub fn proof_text(proofs: &[ClusterProof], tables: &[Tables], digest: &str) -> String {
    let mut out = String::new();
    for (proof, tables) in proofs.iter().zip(tables) {
        let size = proof.size;
        let _ = writeln!(
            out,
            "{}: {}, {}, {}, {} declared on both sides (model {MODEL}, inputs {digest})",
            proof.cluster,
            plural(size.tenants, "tenant"),
            plural(size.namespaces, "namespace"),
            plural(size.objects, "object"),
            plural(proof.declared_edges, "edge"),
        );

        if size.tenants == 0 {
            out.push_str("  no tenant is on this cluster yet: there is nothing to prove\n");
        }
        out.extend(proof.planes.iter().map(plane_line));

        let mut assumptions: BTreeMap<&str, &str> = BTreeMap::new();
        for plane in proof
            .planes
            .iter()
            .filter(|p| p.verdict == Verdict::Assumed)
        {
            assumptions.extend(plane.assumptions.iter().map(|a| (a.name, a.text.as_str())));
        }

        for (name, text) in assumptions {
            let _ = writeln!(out, "  assumes {name}: {text}");
        }
        if !proof.unread.is_empty() {
            let kinds: Vec<String> = proof
                .unread
                .iter()
                .map(|(kind, count)| format!("{kind} ({count})"))
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

    out
}

/// The line of a plane: its verdict, and what the verdict rests on.
fn plane_line(plane: &PlaneResult) -> String {
    let mut why = Vec::new();
    if plane.refuted > 0 {
        why.push(format!("{} found", plural(plane.refuted, "way")));
    }
    if plane.unknown > 0 {
        why.push(format!("{} open", plural(plane.unknown, "question")));
    }
    if plane.verdict == Verdict::Assumed {
        let names: Vec<&str> = plane.assumptions.iter().map(|a| a.name).collect();
        why.push(format!("if {}", names.join(", ")));
    }

    let (name, verdict) = (plane.plane.name(), plane.verdict.name());
    format!("  {name:10} {verdict:8} {}\n", why.join(", "))
}

/// A line for each rule with findings: how often, at what level.
pub fn counts_text(findings: &[Diagnostic]) -> String {
    let mut counts: BTreeMap<(std::cmp::Reverse<crate::diagnostic::Level>, &str), usize> =
        BTreeMap::new();
    for finding in findings {
        *counts
            .entry((std::cmp::Reverse(finding.level), finding.rule.id))
            .or_default() += 1;
    }
    let line =
        |((level, rule), count): (&(std::cmp::Reverse<crate::diagnostic::Level>, &str), &usize)| {
            format!("{count:6} {:8} {rule}\n", level.0.name())
        };
    counts.iter().map(line).collect()
}

/// Most findings that a comment lists: a forge cuts longer ones off.
const MAX_LISTED: usize = 50;

/// The same as Markdown for a pull request.
pub fn proof_markdown(
    sources: &SourceMap,
    proofs: &[ClusterProof],
    tables: &[Tables],
    findings: &[Diagnostic],
    digest: &str,
) -> String {
    let mut out = format!(
        "### tenantry prove\n\nModel {MODEL}, inputs `{digest}`.\n\n| cluster | {} |\n",
        Plane::ALL.map(Plane::name).join(" | ")
    );

    out.push_str("|---|---|---|---|---|---|---|\n");
    for proof in proofs {
        let verdicts: Vec<&str> = proof.planes.iter().map(|p| p.verdict.name()).collect();
        let _ = writeln!(
            out,
            "| {} | {} |",
            cell(&proof.cluster),
            verdicts.join(" | ")
        );
    }

    out.push_str(&findings_markdown(sources, findings));
    out.extend(
        proofs
            .iter()
            .zip(tables)
            .map(|(proof, tables)| tables::markdown(&cell(&proof.cluster), tables)),
    );

    let assumed: BTreeMap<&str, &str> = proofs
        .iter()
        .flat_map(|p| &p.planes)
        .flat_map(|p| &p.assumptions)
        .map(|a| (a.name, a.text.as_str()))
        .collect();

    out.push_str("\n<details><summary>What it rests on</summary>\n\n");
    for (name, text) in assumed {
        let _ = writeln!(out, "- `{name}`: {}", cell(text));
    }
    out.push_str("\n</details>\n");

    out
}

/// A text that stays in one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
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
            cell(&sources.locate(finding.span))
        );
        for related in &finding.related {
            let (label, place) = (cell(&related.label), cell(&sources.locate(related.span)));
            let _ = writeln!(out, "  - {label} ({place})");
        }
    }

    if findings.len() > MAX_LISTED {
        let _ = writeln!(out, "- … and {} more", findings.len() - MAX_LISTED);
    }
    out.push_str("\n</details>\n");
    out
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofReport<'a> {
    schema_version: u32,
    model: &'a str,
    inputs: &'a str,
    clusters: Vec<ProvenClusterReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProvenClusterReport<'a> {
    cluster: &'a str,
    tenants: usize,
    namespaces: usize,
    objects: usize,
    declared_edges: usize,
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
    assumptions: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
struct ProofFindingReport<'a> {
    rule: &'a str,
    level: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    plane: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    victim: Option<&'a str>,
    message: &'a str,
    location: LocationReport<'a>,
    witness: Vec<StepReport<'a>>,
    fix: &'a str,
}

#[derive(Serialize)]
struct StepReport<'a> {
    text: &'a str,
    location: LocationReport<'a>,
}

/// Line and column from 1, columns in characters.
#[derive(Serialize)]
struct LocationReport<'a> {
    path: &'a str,
    line: u32,
    column: u32,
}

fn at(sources: &SourceMap, span: Span) -> LocationReport<'_> {
    let source = sources.file(span);
    let start = source.position(span.start);
    LocationReport {
        path: &source.path,
        line: start.line,
        column: start.column,
    }
}

/// A JSON document, ended by a newline.
pub fn proof_json(
    sources: &SourceMap,
    proofs: &[ClusterProof],
    tables: &[Tables],
    digest: &str,
) -> String {
    let clusters = proofs
        .iter()
        .zip(tables)
        .map(|(proof, tables)| ProvenClusterReport {
            cluster: &proof.cluster,
            tenants: proof.size.tenants,
            namespaces: proof.size.namespaces,
            objects: proof.size.objects,
            declared_edges: proof.declared_edges,
            planes: proof
                .planes
                .iter()
                .map(|p| PlaneReport {
                    plane: p.plane.name(),
                    verdict: p.verdict.name(),
                    refuted: p.refuted,
                    unknown: p.unknown,
                    assumptions: p
                        .assumptions
                        .iter()
                        .map(|a| (a.name, a.text.as_str()))
                        .collect(),
                })
                .collect(),
            findings: proof
                .findings
                .iter()
                .map(|f| (Some(f), &f.diagnostic))
                .chain(proof.unread_inputs.iter().map(|d| (None, d)))
                .map(|(f, d)| ProofFindingReport {
                    rule: d.rule.id,
                    level: d.level.name(),
                    plane: f.map(|f| f.plane.name()),
                    verdict: f.and_then(|f| f.verdict).map(Verdict::name),
                    tenant: f.and_then(|f| f.tenant.as_deref()),
                    victim: f.and_then(|f| f.victim.as_deref()),
                    message: &d.message,
                    location: at(sources, d.span),
                    witness: d
                        .related
                        .iter()
                        .map(|r| StepReport {
                            text: &r.label,
                            location: at(sources, r.span),
                        })
                        .collect(),
                    fix: &d.fix,
                })
                .collect(),
            unread: &proof.unread,
            tables: tables.report(),
        });

    let report = ProofReport {
        schema_version: 1,
        model: MODEL,
        inputs: digest,
        clusters: clusters.collect(),
    };

    let mut text = serde_json::to_string_pretty(&report).unwrap_or_default();
    text.push('\n');
    text
}

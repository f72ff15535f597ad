//! What was found in live clusters: a table for people, and the same for programs, CI and pull
//! requests.

use super::junit::{self, Case, CaseOutcome, Suite};
use super::{first_few, or_dash, plain, plural, pretty};
use crate::diagnostic::{Diagnostic, Level};
use crate::isolation::severity::{self, Severity};
use crate::live::{
    ComparedObjects, ListError, LiveFinding, LiveReport, LiveState, Phase, TenantRow,
};
use crate::markdown::{cell, code};
use crate::source::SourceMap;
use crate::value::Text;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What was found of a cluster.
#[derive(Debug)]
pub struct VerifiedCluster {
    /// Its name in the fleet.
    pub name: String,
    /// The context by which it was asked, or its address.
    pub context: String,
    /// Its version.
    pub version: String,
    /// The commit that should be there, where one is known.
    pub commit: Option<String>,
    /// What was found.
    pub report: LiveReport,
    /// What could not be had.
    pub gaps: Vec<ListError>,
    /// How many errors the specs have: what they hold back was not asked about.
    pub broken: usize,
    /// The tenants that were asked about; all where none is named.
    pub only: Vec<String>,
}

/// Most tenants that are listed one by one, unless all are asked for.
const LISTED: usize = 50;

/// A finding as text shows it: with the command that shows the object.
pub fn shown(found: &LiveFinding) -> Diagnostic {
    let mut diagnostic = found.diagnostic.clone();
    if !found.show.is_empty() {
        let fix = std::mem::take(&mut diagnostic.fix);
        diagnostic.fix = if fix.is_empty() {
            format!("see: {}", found.show)
        } else {
            format!("{fix}; see: {}", found.show)
        };
    }
    diagnostic
}

/// The tenants of some clusters in a table, and how each cluster stands. Active ones of a large
/// fleet are only counted, unless `all`.
pub fn text(clusters: &[VerifiedCluster], all: bool) -> String {
    let mut out = String::new();
    for cluster in clusters {
        let rows = &cluster.report.rows;
        let is_shown = |row: &&TenantRow| all || rows.len() <= LISTED || row.phase != Phase::Active;
        let shown: Vec<&TenantRow> = rows.iter().filter(is_shown).collect();

        let (context, version) = (plain(&cluster.context), plain(&cluster.version));
        let name = plain(&cluster.name);
        let _ = writeln!(out, "{name} ({context}, {version})");
        if !shown.is_empty() {
            out.push_str(&tenants_table(&shown));
        }

        let hidden = rows.len() - shown.len();
        if hidden > 0 {
            let _ = writeln!(out, "  and {} that are Active", plural(hidden, "tenant"));
        }
        let _ = writeln!(out, "  {}", plain(&state(cluster)));
    }
    out
}

fn tenants_table(rows: &[&TenantRow]) -> String {
    let head = ["NAME", "PHASE", "TENANTID", "NAMESPACE", "SINCE", "WHY"].map(str::to_owned);
    let mut cells = vec![head];
    cells.extend(rows.iter().map(|row| {
        let why = row.why.lines().next().unwrap_or_default();
        let namespaces = first_few(row.namespaces.iter().map(Text::as_str));
        [
            &row.tenant,
            row.phase.name(),
            &row.uuid,
            &namespaces,
            &row.since,
            why,
        ]
        .map(|cell| or_dash(&plain(cell)))
    }));

    // The last column is as wide as its text.
    let widths: Vec<usize> = (0..5)
        .filter_map(|column| cells.iter().map(|row| row[column].chars().count()).max())
        .collect();

    let mut out = String::new();
    for row in &cells {
        let padded = row.iter().zip(&widths);
        let padded: Vec<String> = padded
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        let _ = writeln!(out, "  {}  {}", padded.join("  "), row[5]);
    }
    out
}

/// How a cluster stands, in a sentence.
fn state(cluster: &VerifiedCluster) -> String {
    let report = &cluster.report;
    let counts = report.counts;
    let at = match (&report.revision, &cluster.commit) {
        (Some(revision), _) => format!(" at {revision}"),
        (None, Some(commit)) => format!(", not at {commit} everywhere"),
        (None, None) => String::new(),
    };

    let how = if !cluster.gaps.is_empty() {
        "not known to be converged"
    } else if report.is_converged() && cluster.broken == 0 {
        "converged"
    } else {
        "not converged"
    };

    let mut text = format!(
        "{how}{at}: {} of {} objects are as rendered; {} looked at",
        counts.as_rendered,
        counts.rendered,
        plural(counts.looked_at, "object")
    );

    if cluster.broken > 0 {
        let _ = write!(
            text,
            "; {} in the specs (tenantry check)",
            plural(cluster.broken, "error")
        );
    }

    if report.left_out > 0 {
        let _ = write!(
            text,
            "; {} left out (--only, --skip)",
            plural(report.left_out, "error")
        );
    }

    let of = |state| report.found.iter().filter(|f| f.state == state).count();
    for state in [LiveState::Known, LiveState::Waived] {
        if of(state) > 0 {
            let _ = write!(text, "; {} {}", plural(of(state), "finding"), state.name());
        }
    }

    if report.unknown > 0 {
        let _ = write!(
            text,
            "; {} of the proof unknown (tenantry prove --live)",
            plural(report.unknown, "question")
        );
    }

    if !cluster.only.is_empty() {
        let _ = write!(
            text,
            "; of {} alone: other namespaces, samples of access, the network plugin and the proof were left out",
            cluster.only.join(", ")
        );
    }

    text
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifyReport<'a> {
    schema_version: u32,
    clusters: Vec<VerifiedClusterReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VerifiedClusterReport<'a> {
    name: &'a str,
    context: &'a str,
    version: &'a str,
    converged: bool,
    complete: bool,
    commit: Option<&'a str>,
    revision: Option<&'a str>,
    objects: ObjectCounts,
    tenants: Vec<TenantReport<'a>>,
    findings: Vec<LiveFindingReport<'a>>,
    not_listed: Vec<GapReport<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectCounts {
    rendered: usize,
    as_rendered: usize,
    looked_at: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TenantReport<'a> {
    name: &'a str,
    phase: &'a str,
    tenant_id: &'a str,
    namespaces: Vec<&'a str>,
    why: &'a str,
    since: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveFindingReport<'a> {
    rule: &'a str,
    level: &'a str,
    tenant: Option<&'a str>,
    object: &'a str,
    message: &'a str,
    file: &'a str,
    line: u32,
    steps: Vec<&'a str>,
    fix: &'a str,
    show: &'a str,
    since: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GapReport<'a> {
    group: &'a str,
    kind: &'a str,
    why: &'a str,
}

impl<'a> VerifiedClusterReport<'a> {
    fn of(sources: &'a SourceMap, cluster: &'a VerifiedCluster) -> Self {
        let report = &cluster.report;
        let ComparedObjects {
            rendered,
            as_rendered,
            looked_at,
        } = report.counts;
        let tenant = |row: &'a TenantRow| TenantReport {
            name: &row.tenant,
            phase: row.phase.name(),
            tenant_id: &row.uuid,
            namespaces: row.namespaces.iter().map(|n| n.as_str()).collect(),
            why: &row.why,
            since: &row.since,
        };

        let finding = |found: &'a LiveFinding| {
            let span = found.diagnostic.span;
            LiveFindingReport {
                rule: found.diagnostic.rule.id,
                level: found.diagnostic.level.name(),
                tenant: found.tenant.as_deref(),
                object: &found.object,
                message: &found.diagnostic.message,
                file: sources.path(span),
                line: sources.get(span.source).position(span.start).line,
                steps: found
                    .diagnostic
                    .related
                    .iter()
                    .map(|r| r.label.as_str())
                    .collect(),
                fix: &found.diagnostic.fix,
                show: &found.show,
                since: &found.since,
                state: found.state.name(),
                severity: severity::of(&found.diagnostic).map(Severity::name),
            }
        };

        let gap = |gap: &'a ListError| GapReport {
            group: &gap.group,
            kind: &gap.kind,
            why: &gap.why,
        };

        Self {
            name: &cluster.name,
            context: &cluster.context,
            version: &cluster.version,
            converged: cluster.gaps.is_empty() && report.is_converged() && cluster.broken == 0,
            complete: cluster.gaps.is_empty(),
            commit: cluster.commit.as_deref(),
            revision: report.revision.as_deref(),
            objects: ObjectCounts {
                rendered,
                as_rendered,
                looked_at,
            },
            tenants: report.rows.iter().map(tenant).collect(),
            findings: report.found.iter().map(finding).collect(),
            not_listed: cluster.gaps.iter().map(gap).collect(),
        }
    }
}

/// The same for programs. Fields are only ever added within a `schemaVersion`.
pub fn json(sources: &SourceMap, clusters: &[VerifiedCluster]) -> String {
    let report = VerifyReport {
        schema_version: 1,
        clusters: clusters
            .iter()
            .map(|c| VerifiedClusterReport::of(sources, c))
            .collect(),
    };
    pretty(&report)
}

/// The same as JUnit test results: each cluster a suite, each tenant and the cluster itself a case.
/// A tenant that is not converged fails, whatever is reported of it.
pub fn junit(clusters: &[VerifiedCluster]) -> String {
    let suites: Vec<Suite> = clusters.iter().map(suite).collect();
    junit::junit("tenantry verify", &suites)
}

fn suite(cluster: &VerifiedCluster) -> Suite {
    let mut found: BTreeMap<Option<&str>, Vec<&LiveFinding>> = BTreeMap::new();
    for one in &cluster.report.found {
        found.entry(one.tenant.as_deref()).or_default().push(one);
    }
    let found_of = |tenant| found.get(&tenant).map_or(&[][..], Vec::as_slice);

    let tenants = cluster.report.rows.iter().map(|row| {
        let name = row.tenant.as_str();
        Case::new(name, tenant_case(row, found_of(Some(name))))
    });
    let itself = Case::new("(cluster)", cluster_case(cluster, found_of(None)));
    Suite {
        name: cluster.name.clone(),
        cases: std::iter::once(itself).chain(tenants).collect(),
    }
}

/// The case of the cluster itself, from the findings that are no tenant's.
fn cluster_case(cluster: &VerifiedCluster, found: &[&LiveFinding]) -> CaseOutcome {
    let text = found_text(found);
    if let Some(gap) = cluster.gaps.first() {
        return CaseOutcome::Error(plain(&gap.message()), text);
    }
    if let Some(error) = first_error(found) {
        return CaseOutcome::Failed(headline(error), text);
    }

    let report = &cluster.report;
    let is_behind = report.behind > 0 || report.left_out > 0 || cluster.broken > 0;
    match is_behind {
        true => CaseOutcome::Failed(plain(&state(cluster)), text),
        false => CaseOutcome::Passed(text),
    }
}

/// The case of a tenant, from its findings.
fn tenant_case(row: &TenantRow, found: &[&LiveFinding]) -> CaseOutcome {
    let text = found_text(found);
    if let Some(error) = first_error(found) {
        return CaseOutcome::Failed(headline(error), text);
    }

    let why = plain(row.why.lines().next().unwrap_or_default());
    match row.phase {
        Phase::Active => CaseOutcome::Passed(text),
        Phase::Unknown => CaseOutcome::Error("not everything could be asked".to_owned(), text),
        Phase::Suspended | Phase::Pending | Phase::Terminating | Phase::Error => {
            CaseOutcome::Failed(format!("{}: {why}", row.phase.name()), text)
        }
    }
}

fn first_error<'a>(found: &[&'a LiveFinding]) -> Option<&'a LiveFinding> {
    let mut found = found.iter().copied();
    found.find(|found| found.diagnostic.level == Level::Error)
}

/// The first line of a finding.
fn headline(found: &LiveFinding) -> String {
    plain(found.diagnostic.message.lines().next().unwrap_or_default())
}

/// The findings, each with what mends it.
fn found_text(found: &[&LiveFinding]) -> String {
    let mut out = String::new();
    for found in found.iter().take(LISTED) {
        let diagnostic = &found.diagnostic;
        let (message, fix) = (plain(&diagnostic.message), plain(&diagnostic.fix));
        let _ = writeln!(out, "{}: {message}\nfix: {fix}", diagnostic.rule.id);
        if !found.show.is_empty() {
            let _ = writeln!(out, "see: {}", plain(&found.show));
        }
    }
    if found.len() > LISTED {
        let _ = writeln!(out, "and {}", plural(found.len() - LISTED, "more finding"));
    }
    out
}

/// The same as Markdown.
pub fn markdown(clusters: &[VerifiedCluster]) -> String {
    let mut out = String::from("### tenantry verify\n");

    for cluster in clusters {
        let _ = writeln!(
            out,
            "\n**{}**: {}\n",
            cell(&cluster.name),
            cell(&state(cluster))
        );

        let rows: Vec<_> = cluster
            .report
            .rows
            .iter()
            .filter(|r| r.phase != Phase::Active)
            .collect();

        if !rows.is_empty() {
            out.push_str("| tenant | phase | since | why |\n|---|---|---|---|\n");
            for row in rows.iter().take(LISTED) {
                let why = row.why.lines().next().unwrap_or_default();
                let _ = writeln!(
                    out,
                    "| {} | {} | {} | {} |",
                    cell(&row.tenant),
                    row.phase.name(),
                    cell(&row.since),
                    cell(why)
                );
            }
            out.push('\n');
        }

        let found = &cluster.report.found;
        if !found.is_empty() {
            let _ = write!(
                out,
                "<details><summary>{}</summary>\n\n",
                plural(found.len(), "finding")
            );

            for one in found.iter().take(LISTED) {
                let see = if one.show.is_empty() {
                    String::new()
                } else {
                    format!(" {}", code(&one.show))
                };
                let message = cell(&one.diagnostic.message);
                let _ = writeln!(
                    out,
                    "- **{}** `{}` {message}{see}",
                    one.diagnostic.level.name(),
                    one.diagnostic.rule.id
                );
            }

            if found.len() > LISTED {
                let _ = writeln!(out, "- and {} more", found.len() - LISTED);
            }
            out.push_str("\n</details>\n");
        }
    }

    out
}

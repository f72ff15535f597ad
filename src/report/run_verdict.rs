//! The verdict of a run over some clusters, in one line.

use super::findings::{FindingState, ReportedFinding};
use super::plural;
use crate::diagnostic::Level;
use crate::isolation::severity::Severity;
use crate::isolation::{ClusterProof, Plane, PlaneResult, Verdict};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Most clusters that a line names.
const MAX_CLUSTERS: usize = 5;

/// The first of some clusters, and how many more there are.
pub(super) fn few<'a>(clusters: impl IntoIterator<Item = &'a str>) -> String {
    let clusters: Vec<&str> = clusters.into_iter().collect();
    let first: Vec<&str> = clusters.iter().take(MAX_CLUSTERS).copied().collect();
    match clusters.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// How bad the verdict on a plane is: those that waivers permit come after those that count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Badness {
    counts: bool,
    verdict: Verdict,
}

impl Badness {
    fn of(plane: &PlaneResult) -> Self {
        Self {
            counts: plane.verdict >= Verdict::Unknown && !plane.is_waived(),
            verdict: plane.verdict,
        }
    }
}

/// The clusters with one verdict.
#[derive(Default)]
struct VerdictClusters<'a> {
    verdict: &'static str,
    clusters: Vec<&'a str>,
}

/// The plane with the worst verdict, of those that are asked for.
fn worst<'a>(proof: &'a ClusterProof, is_asked: &dyn Fn(Plane) -> bool) -> Option<&'a PlaneResult> {
    let planes = proof.planes.iter();
    let asked = planes.filter(|plane| is_asked(plane.plane));
    asked.max_by_key(|plane| Badness::of(plane))
}

/// The verdict on a cluster: that on its worst plane.
pub(super) fn of_cluster(proof: &ClusterProof, is_asked: &dyn Fn(Plane) -> bool) -> &'static str {
    worst(proof, is_asked).map_or(Verdict::Proven.name(), PlaneResult::verdict_name)
}

/// The verdict on all clusters: that on the worst. None can be proven if there are no clusters.
pub(super) fn of_run(proofs: &[ClusterProof], is_asked: &dyn Fn(Plane) -> bool) -> &'static str {
    let worst = proofs.iter().filter_map(|proof| worst(proof, is_asked));
    let worst = worst.max_by_key(|plane| Badness::of(plane));
    match worst {
        Some(plane) => plane.verdict_name(),
        None if proofs.is_empty() => Verdict::Unknown.name(),
        None => Verdict::Proven.name(),
    }
}

/// The verdicts with the clusters that have each, the worst first.
pub(super) fn by_cluster(proofs: &[ClusterProof], is_asked: &dyn Fn(Plane) -> bool) -> String {
    let mut found: BTreeMap<Reverse<Badness>, VerdictClusters<'_>> = BTreeMap::new();
    for proof in proofs {
        if let Some(plane) = worst(proof, is_asked) {
            let alike = found.entry(Reverse(Badness::of(plane))).or_default();
            alike.verdict = plane.verdict_name();
            alike.clusters.push(&proof.cluster);
        }
    }

    let parts = found
        .into_values()
        .map(|alike| format!("{} on {}", alike.verdict, few(alike.clusters)));
    let parts: Vec<String> = parts.collect();
    match parts.is_empty() {
        true => format!("{}: no cluster can be proven", Verdict::Unknown.name()),
        false => parts.join("; "),
    }
}

/// How many findings there are: those that count, by severity; and those that do not, by state.
pub(super) fn counts(findings: &[ReportedFinding]) -> String {
    let mut errors: BTreeMap<Reverse<Severity>, usize> = BTreeMap::new();
    let (mut warnings, mut known, mut waived) = (0, 0, 0);
    for finding in findings {
        match finding.state {
            FindingState::Known => known += 1,
            FindingState::Waived(_) => waived += 1,
            FindingState::New if finding.diagnostic.level == Level::Error => {
                *errors.entry(Reverse(finding.severity)).or_default() += 1;
            }
            FindingState::New => warnings += 1,
        }
    }

    let mut parts = Vec::new();
    let total: usize = errors.values().sum();
    if total > 0 {
        let each = errors.iter();
        let each: Vec<String> = each
            .map(|(severity, count)| format!("{count} {}", severity.0.name()))
            .collect();
        parts.push(format!("{} ({})", plural(total, "error"), each.join(", ")));
    }
    if warnings > 0 {
        parts.push(plural(warnings, "warning"));
    }
    if known > 0 {
        parts.push(format!("{known} known before"));
    }
    if waived > 0 {
        parts.push(format!("{waived} waived"));
    }
    match parts.is_empty() {
        true => "no findings".to_owned(),
        false => parts.join(", "),
    }
}

//! The findings of proofs as reports list them: each once for all clusters, the gravest first, and
//! which of them decide the exit code.

use super::baseline::{Baseline, Clusters, Fingerprint};
use crate::diagnostic::{Diagnostic, Level};
use crate::isolation::pairs::OpenedPairs;
use crate::isolation::severity::{self, Severity};
use crate::isolation::waived::Waived;
use crate::isolation::{ClusterProof, Finding, Plane, Step, Verdict};
use crate::source::{SourceMap, Span};
use crate::value::Text;
use fixedbitset::FixedBitSet;
use std::cmp::Reverse;

/// A finding of a proof, on all clusters that have it.
#[derive(Clone, Debug)]
pub struct ReportedFinding {
    /// The rule, the place, the chain and the fix.
    pub diagnostic: Diagnostic,
    /// The severity.
    pub severity: Severity,
    /// The plane; `None` for an input that could not be read, which concerns every plane.
    pub plane: Option<Plane>,
    /// The verdict that it leads to; `None` for a warning.
    pub verdict: Option<Verdict>,
    /// The clusters that have it; empty if it is of the fleet.
    pub clusters: Clusters,
    /// The pairs of tenants that it opens on these clusters, if it opens any.
    pub opens: Option<OpenedPairs>,
    /// The steps of the chain, which the diagnostic numbers.
    pub chain: Vec<Step>,
    /// The tenants that gain access, and those that are reached.
    pub ends: [TenantsAtEnd; 2],
    /// Whether it decides the exit code.
    pub state: FindingState,
}

/// Most tenants that a phrase names.
const MAX_NAMES: usize = 3;

/// The tenants at an end of the chain of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TenantsAtEnd {
    /// Every tenant.
    All,
    /// One tenant.
    One(Text),
    /// Several tenants, but not all.
    Some {
        /// How many they are.
        count: usize,
        /// The names of the first.
        first: Vec<Text>,
    },
}

impl TenantsAtEnd {
    /// The tenants of a set of indices, or else the one; all if there is neither. `names` are those of
    /// the tenants of the cluster.
    fn new(set: Option<&FixedBitSet>, one: Option<&Text>, names: &[Text]) -> Self {
        let Some(set) = set.filter(|set| !set.is_clear()) else {
            return one.map_or(Self::All, |name| Self::One(name.clone()));
        };
        let count = set.count_ones(..);
        let mut those = set.ones().filter_map(|at| names.get(at).cloned());
        match count {
            1 => those.next().map_or(Self::All, Self::One),
            _ if count == names.len() => Self::All,
            _ => Self::Some {
                count,
                first: those.take(MAX_NAMES).collect(),
            },
        }
    }

    /// As a phrase: `5 tenants (a, b, c and 2 more)`.
    pub fn phrase(&self) -> String {
        match self {
            Self::All => "every tenant".to_owned(),
            Self::One(name) => format!("tenant {name}"),
            Self::Some { count, first } => {
                let names: Vec<&str> = first.iter().map(Text::as_str).collect();
                let names = names.join(", ");
                match count.saturating_sub(first.len()) {
                    0 => format!("{count} tenants ({names})"),
                    more => format!("{count} tenants ({names} and {more} more)"),
                }
            }
        }
    }

    /// How many they are at least.
    const fn count(&self) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::One(_) => 1,
            Self::Some { count, .. } => *count,
        }
    }
}

/// Whether a finding decides the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingState {
    /// It does.
    New,
    /// It was there before: a baseline or a revision has it.
    Known,
    /// A Waiver permits it.
    Waived(Waived),
}

impl FindingState {
    /// The name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Waived(_) => "waived",
        }
    }
}

/// The mildest findings that make the exit code 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Ways from one tenant to another.
    Refuted,
    /// The same, and questions without an answer.
    Unknown,
    /// The same, and warnings.
    Warning,
}

impl Threshold {
    /// Whether a finding makes the exit code 1.
    pub fn fails(self, finding: &ReportedFinding) -> bool {
        let is_over = match self {
            Self::Refuted => finding.verdict == Some(Verdict::Refuted),
            Self::Unknown => finding.verdict.is_some(),
            Self::Warning => {
                finding.verdict.is_some() || finding.diagnostic.level >= Level::Warning
            }
        };
        is_over && finding.state == FindingState::New
    }
}

impl ReportedFinding {
    fn of_proof(finding: &Finding, proof: &ClusterProof) -> Self {
        let end = |set: &Option<FixedBitSet>, one: &Option<Text>| {
            TenantsAtEnd::new(set.as_ref(), one.as_ref(), &proof.tenants)
        };
        Self {
            diagnostic: finding.diagnostic.clone(),
            severity: severity::of(&finding.diagnostic).unwrap_or(Severity::Medium),
            plane: Some(finding.plane),
            verdict: finding.verdict,
            clusters: Clusters::from([proof.cluster.as_str().to_owned()]),
            opens: finding.opens,
            chain: finding.chain.clone(),
            ends: [
                end(&finding.gaining, &finding.tenant),
                end(&finding.reached, &finding.victim),
            ],
            state: match &finding.waived {
                Some(waived) => FindingState::Waived(waived.clone()),
                None => FindingState::New,
            },
        }
    }

    /// A finding about the inputs. An error leaves a question without an answer.
    pub fn of_inputs(diagnostic: &Diagnostic, clusters: Clusters) -> Self {
        Self {
            severity: severity::of(diagnostic).unwrap_or(Severity::Medium),
            plane: None,
            verdict: (diagnostic.level == Level::Error).then_some(Verdict::Unknown),
            diagnostic: diagnostic.clone(),
            clusters,
            opens: None,
            chain: Vec::new(),
            ends: [TenantsAtEnd::All, TenantsAtEnd::All],
            state: FindingState::New,
        }
    }

    /// The finding as text shows it: with the pairs of tenants that it opens. One that is waived is
    /// a note, with the last day.
    pub fn shown(&self) -> Diagnostic {
        let mut shown = self.diagnostic.clone();
        shown.notes.extend(self.opens.map(OpenedPairs::phrase));
        if let FindingState::Waived(waived) = &self.state {
            shown.level = Level::Note;
            shown.message = format!("{} ({})", shown.message, waived.text());
        }
        shown
    }

    /// What makes it the same one in two runs.
    pub fn fingerprint(&self, sources: &SourceMap) -> Fingerprint {
        Fingerprint::of(sources, &self.diagnostic)
    }
}

/// Every finding of some proofs, each once for all clusters: the gravest first, then by place.
pub fn collect(sources: &SourceMap, proofs: &[ClusterProof]) -> Vec<ReportedFinding> {
    let mut all = Vec::new();
    for proof in proofs {
        let name = proof.cluster.as_str();
        let found = proof.findings.iter();
        all.extend(found.map(|finding| ReportedFinding::of_proof(finding, proof)));

        let clusters = Clusters::from([name.to_owned()]);
        let unread = proof.unread_inputs.iter();
        all.extend(unread.map(|finding| ReportedFinding::of_inputs(finding, clusters.clone())));
    }
    sort(sources, &mut all);
    all
}

/// Puts findings in the order of a report, and merges those of several clusters: the gravest first,
/// then those that open the most pairs of tenants, then by place.
pub fn sort(sources: &SourceMap, findings: &mut Vec<ReportedFinding>) {
    findings.sort_by_cached_key(|finding| {
        let diagnostic = &finding.diagnostic;
        let span = diagnostic.span;
        (
            Reverse((finding.severity, diagnostic.level)),
            sources.path(span).to_owned(),
            (span.start, span.end, diagnostic.rule.id),
            diagnostic.message.clone(),
        )
    });
    findings.dedup_by(|later, first| {
        let is_same = is_one_place(sources, later.diagnostic.span, first.diagnostic.span)
            && later.diagnostic.rule == first.diagnostic.rule
            && later.diagnostic.message == first.diagnostic.message
            && later.state == first.state;
        if is_same {
            first.clusters.append(&mut later.clusters);
            let both = first.opens.into_iter().chain(later.opens);
            first.opens = both.reduce(OpenedPairs::with);
            // Of clusters with other tenants, the one with the most is shown.
            for (shown, other) in first.ends.iter_mut().zip(&later.ends) {
                if other.count() > shown.count() {
                    shown.clone_from(other);
                }
            }
        }
        is_same
    });

    // Of findings that are equally grave, those that open the most pairs come first.
    findings.sort_by_key(|finding| {
        let pairs = finding.opens.map_or(0, |opens| opens.pairs);
        Reverse((finding.severity, finding.diagnostic.level, pairs))
    });
}

/// Whether two spans are one place. A snapshot is a source of its own on each cluster.
fn is_one_place(sources: &SourceMap, one: Span, other: Span) -> bool {
    (one.start, one.end) == (other.start, other.end) && sources.path(one) == sources.path(other)
}

/// Marks the findings that are known, but not those that are waived.
pub fn mark_known(sources: &SourceMap, findings: &mut [ReportedFinding], known: &Baseline) {
    for finding in findings {
        let is_known = known.knows(&finding.fingerprint(sources), &finding.clusters);
        if finding.state == FindingState::New && is_known {
            finding.state = FindingState::Known;
        }
    }
}

/// The findings as a baseline: all but those that are waived.
pub fn baseline(sources: &SourceMap, findings: &[ReportedFinding]) -> Baseline {
    let mut known = Baseline::default();
    for finding in findings {
        if !matches!(finding.state, FindingState::Waived(_)) {
            known.add(finding.fingerprint(sources), finding.clusters.clone());
        }
    }
    known
}

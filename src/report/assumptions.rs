//! What the verdicts of proofs rest on, once for all clusters: as text, as Markdown, and as JSON.

use super::plain;
use super::run_verdict::few;
use super::tables::Tables;
use crate::isolation::assumptions::{Assumption, ScopeCondition};
use crate::isolation::{ClusterProof, Plane, Verdict};
use crate::markdown::cell;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// An assumption with the clusters and planes that it counts for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AssumptionReport<'a> {
    name: &'a str,
    text: &'a str,
    removed_by: &'a str,
    clusters: BTreeSet<&'a str>,
    planes: Vec<&'static str>,
}

/// A condition of the scope.
#[derive(Debug, Serialize)]
pub(super) struct ScopeReport<'a> {
    name: &'a str,
    text: &'a str,
    planes: Vec<&'static str>,
}

/// The assumptions and the scope of some proofs.
#[derive(Debug)]
pub(super) struct RestsOn<'a> {
    /// The assumptions, by name and text.
    pub assumptions: Vec<AssumptionReport<'a>>,
    /// The scope.
    pub scope: Vec<ScopeReport<'a>>,
    /// The number of clusters.
    clusters: usize,
}

/// The clusters and planes that an assumption counts for.
#[derive(Default)]
struct CountsFor<'a> {
    clusters: BTreeSet<&'a str>,
    planes: BTreeSet<Plane>,
}

impl<'a> RestsOn<'a> {
    /// What the verdicts on planes that are asked for rest on, and the answers to threats.
    pub fn new(
        proofs: &'a [ClusterProof],
        tables: &'a [Tables],
        is_asked: &dyn Fn(Plane) -> bool,
    ) -> Self {
        let mut all: BTreeMap<&Assumption, CountsFor<'_>> = BTreeMap::new();
        for (proof, tables) in proofs.iter().zip(tables) {
            let planes = proof.planes.iter().filter(|plane| {
                let is_assumed = plane.verdict == Verdict::Assumed && is_asked(plane.plane);
                is_assumed || tables.threats.is_some()
            });
            for plane in planes {
                for assumption in &plane.assumptions {
                    let entry = all.entry(assumption).or_default();
                    entry.clusters.insert(&proof.cluster);
                    entry.planes.insert(plane.plane);
                }
            }
        }

        let assumptions = all.into_iter().filter_map(|(assumption, counts_for)| {
            Some(AssumptionReport {
                name: assumption.name,
                text: &assumption.text,
                removed_by: assumption.removed_by?,
                clusters: counts_for.clusters,
                planes: names(counts_for.planes),
            })
        });
        Self {
            assumptions: assumptions.collect(),
            scope: scope(proofs, tables),
            clusters: proofs.len(),
        }
    }

    /// The assumptions with what removes each, and the scope.
    pub fn text(&self, lists_scope: bool) -> String {
        let mut out = String::new();
        for assumption in &self.assumptions {
            let AssumptionReport {
                name,
                text,
                removed_by,
                ..
            } = assumption;
            let counts_for = plain(&self.counts_for(assumption));
            let text = plain(text);
            let _ = writeln!(
                out,
                "assumes {name}: {text}\n    counts for: {counts_for}\n    removed by: {removed_by}"
            );
        }

        if lists_scope {
            for ScopeReport { name, text, .. } in &self.scope {
                let _ = writeln!(out, "scope {name}: {text}");
            }
        } else if !self.scope.is_empty() {
            let names: Vec<&str> = self.scope.iter().map(|condition| condition.name).collect();
            let _ = writeln!(
                out,
                "scope: no input can show {} (docs/prove.md, Scope)",
                names.join(", ")
            );
        }
        out
    }

    /// The planes of an assumption, with its clusters if there are several.
    fn counts_for(&self, assumption: &AssumptionReport<'_>) -> String {
        let planes = assumption.planes.join(", ");
        let clusters = &assumption.clusters;
        match clusters.len() {
            _ if self.clusters == 1 => planes,
            count if count == self.clusters => format!("{planes} on all clusters"),
            _ => format!("{planes} on {}", few(clusters.iter().copied())),
        }
    }

    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::from(
            "\n<details><summary>What it rests on</summary>\n\n\
             | assumption | condition | removed by | counts for |\n|---|---|---|---|\n",
        );
        for assumption in &self.assumptions {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                assumption.name,
                cell(assumption.text),
                cell(assumption.removed_by),
                cell(&self.counts_for(assumption))
            );
        }

        out.push_str("\nThe scope, which no input can show:\n\n");
        for ScopeReport { name, text, .. } in &self.scope {
            let _ = writeln!(out, "- `{name}`: {}", cell(text));
        }
        out.push_str("\n</details>\n");
        out
    }
}

/// The scope of some proofs: that of their planes, and of the threats that they answer.
fn scope<'a>(proofs: &'a [ClusterProof], tables: &'a [Tables]) -> Vec<ScopeReport<'a>> {
    let of_proofs = proofs.iter().flat_map(|proof| proof.scope.iter().copied());
    let answers = tables.iter().filter_map(|tables| tables.threats.as_ref());
    let of_threats = answers.flatten().flat_map(|answer| answer.threat.scope);

    let mut found: Vec<&ScopeCondition> = Vec::new();
    for condition in of_proofs.chain(of_threats.copied()) {
        if !found.iter().any(|other| other.name == condition.name) {
            found.push(condition);
        }
    }
    let report = |condition: &'a ScopeCondition| ScopeReport {
        name: condition.name,
        text: condition.text,
        planes: names(condition.planes.iter().copied()),
    };
    found.into_iter().map(report).collect()
}

fn names(planes: impl IntoIterator<Item = Plane>) -> Vec<&'static str> {
    planes.into_iter().map(Plane::name).collect()
}

//! Findings as text: for people, for programs, for a forge. Nothing else writes them in any format.

pub mod access;
mod assumptions;
pub mod baseline;
pub mod diff;
mod examples;
mod explain;
mod fields;
pub mod findings;
mod github;
mod json;
pub mod junit;
pub mod live;
pub mod mermaid;
pub mod proof;
mod rules;
mod run_verdict;
mod sarif;
mod steps;
pub mod tables;
#[cfg(feature = "cli")]
mod text;

pub use explain::explain_field;
pub use fields::fields_table;
pub use github::github;
pub use json::{json, pretty};
pub use rules::{explain, rules_json, rules_table};
pub use sarif::sarif;
pub use steps::numbered_steps;
#[cfg(feature = "cli")]
pub use text::text;

pub use crate::plain::plain;

use crate::diagnostic::{Diagnostic, Level};
use crate::plain::{is_deceptive, is_plain};

/// How many findings there are of each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

/// Counts findings by level.
pub fn count(findings: &[Diagnostic]) -> Counts {
    let of = |level| findings.iter().filter(|d| d.level == level).count();
    Counts {
        errors: of(Level::Error),
        warnings: of(Level::Warning),
        notes: of(Level::Note),
    }
}

/// A finding whose texts are plain.
fn plain_finding(finding: &Diagnostic) -> Diagnostic {
    let mut finding = finding.clone();
    let own = [&mut finding.message, &mut finding.label, &mut finding.fix];
    let related = finding.related.iter_mut().map(|one| &mut one.label);
    for text in own.into_iter().chain(related).chain(&mut finding.notes) {
        if !is_plain(text) {
            *text = plain(text);
        }
    }
    finding
}

/// A text, or a dash if it is empty.
pub fn or_dash(text: &str) -> String {
    match text {
        "" => "-".to_owned(),
        text => text.to_owned(),
    }
}

/// The first three of some names, and how many more there are.
pub fn first_few<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(3);
    let first = names.take(3).collect::<Vec<_>>().join(",");
    match more {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// A number and a word, in the plural where there is not one.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}

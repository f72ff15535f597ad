//! Compares a live cluster with what was rendered: which lists are asked of its server, and
//! what follows from the answers. Nothing here sends a request; `src/cli/` does.

pub mod access;
pub mod answer;
mod unmanaged;
mod commands;
mod stray;
mod tenants;
pub mod capabilities;
pub mod drift;
mod deletion;
mod finding;
pub mod inventory;
pub mod compare;
pub mod listing;
pub mod page;
mod plugin;
pub mod policies;
mod engine;
pub mod role;
pub mod rules;
pub mod observe;
pub mod status;
mod versions;
pub mod desired;

pub use compare::{ComparedObjects, LiveReport, compare};
pub use desired::{Desired, RenderedKind};
pub use finding::{LiveFinding, LiveState};
pub use listing::{Detail, Listing, Purpose, ServedKinds, concerns, listings, narrowed};
pub use observe::Observations;
pub use page::Page;
pub use tenants::{Phase, TenantRow};

use crate::graph::{InputKind, Origin, Unevaluated};
use crate::kube::ObjectId;
use crate::netpol::Dialect;
use crate::source::Span;
use crate::value::Text;

/// A list that could not be had.
#[derive(Clone, Debug)]
pub struct ListError {
    /// The group of what it is of; `*` for everything.
    pub group: Text,
    /// The kind.
    pub kind: Text,
    /// Why.
    pub why: String,
    /// The command that shows it; may be empty.
    pub command: String,
    /// What mends it.
    pub fix: String,
    /// Whether the server may answer when it is asked again.
    pub may_pass: bool,
}

impl ListError {
    /// What the proof is told of lists that could not be had: where policies are not known, nothing
    /// is open for want of one. It is of no namespace that there is, and so of all.
    pub fn unevaluated(gaps: &[Self], span: Span) -> impl Iterator<Item = Unevaluated> {
        let of = move |gap: &Self, dialect: Dialect| Unevaluated {
            id: ObjectId {
                group: dialect.group().into(),
                kind: dialect.kind().into(),
                namespace: "*".into(),
                name: "*".into(),
            },
            reason: format!("they could not be listed: {}", gap.why),
            origin: Origin {
                input: InputKind::Snapshot,
                span,
            },
            absent: false,
        };
        gaps.iter().flat_map(move |gap| {
            let hidden = Dialect::ALL.into_iter();
            let hidden = hidden.filter(|dialect| gap.hides(dialect.group(), dialect.kind()));
            hidden.map(move |dialect| of(gap, dialect))
        })
    }

    /// Whether it hides a kind.
    pub fn hides(&self, group: &str, kind: &str) -> bool {
        self.group == "*" || self.group == group && (self.kind == kind || self.kind == "*")
    }

    /// What is said of it.
    pub fn message(&self) -> String {
        format!("{} could not be listed: {}", self.what(), self.why)
    }

    /// What it is of.
    pub fn what(&self) -> String {
        match (self.group.as_str(), self.kind.as_str()) {
            ("*", _) => "what the server serves".into(),
            ("", kind) => kind.to_owned(),
            (group, "*") => group.to_owned(),
            (group, kind) => format!("{kind}.{group}"),
        }
    }
}

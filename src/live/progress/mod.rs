//! How far the engine has come: why what it applies is not what was rendered. One file an engine.

mod flux;

use super::ListError;
use super::desired::Desired;
use super::finding::LiveFinding;
use super::observe::Observations;
use crate::delivery::Engine;
use crate::value::Text;
use std::collections::BTreeMap;

/// Why the objects that apply the tree have not applied what was rendered, by their names.
pub type BehindReasons = BTreeMap<Text, String>;

/// How far the engine has come on a cluster.
#[derive(Debug, Default)]
pub struct Progress {
    /// What has not applied what was rendered.
    pub behind: BehindReasons,
    /// Since when each object that applies the tree is as it is, as RFC 3339.
    pub since: BTreeMap<Text, Text>,
    /// The revision that was applied, where all agree on one.
    pub revision: Option<Text>,
    /// What was found.
    pub found: Vec<LiveFinding>,
}

/// Says how far the engine has come. `commit` is the one that was rendered, where that is known;
/// `is_quiet` is whether nothing else was found, so that what only waits is named too.
pub fn progress(
    wanted: &Desired,
    seen: &Observations,
    gaps: &[ListError],
    commit: Option<&str>,
    is_quiet: bool,
) -> Progress {
    match wanted.engine {
        Engine::Flux => flux::progress(wanted, seen, gaps, commit, is_quiet),
    }
}

//! The delivery engine of a live cluster: its own objects, how far it has come, and which fields it
//! sets back. One file an engine; each function here has an arm for each engine.

mod flux;

use super::ListError;
use super::desired::Desired;
use super::finding::LiveFinding;
use super::observe::Observations;
use super::status::ObjectStatus;
use crate::delivery::{Engine, conventions};
use crate::kube::ObjectId;
use crate::value::{Text, Value};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Why the objects that apply the tree have not applied what was rendered, by their names.
pub type BehindReasons = BTreeMap<Text, String>;

/// How far the engine has come on a cluster.
#[derive(Debug, Default)]
pub struct Progress {
    /// What has not applied what was rendered.
    pub behind: BehindReasons,
    /// Since when each object that applies the tree is as it is, as RFC 3339.
    pub since: BTreeMap<Text, Text>,
    /// The revision that was applied, if all agree on one.
    pub revision: Option<Text>,
    /// What was found.
    pub found: Vec<LiveFinding>,
}

/// What the engine's own objects say, beside those that were rendered.
#[derive(Debug, Default)]
pub struct EngineObservations {
    /// The sources in the engine's namespace.
    pub sources: Vec<ObservedSource>,
    /// The names of suspended objects in the engine's namespace that apply a folder.
    pub suspended: BTreeSet<Text>,
}

impl EngineObservations {
    /// Adds the observations of another page.
    pub fn append(&mut self, more: Self) {
        self.sources.extend(more.sources);
        self.suspended.extend(more.suspended);
    }
}

/// What the engine has fetched of a source.
#[derive(Clone, Debug)]
pub struct ObservedSource {
    /// The source's kind.
    pub kind: Text,
    /// The source's name.
    pub name: Text,
    /// The revision that it holds; may be empty.
    pub revision: Text,
    /// The digest of the rendered files that an artifact says it is made of; may be empty.
    pub content: Text,
    /// The revision of the Git repository that an artifact says it is made of; may be empty.
    pub origin: Text,
    /// Why it is not ready; may be empty.
    pub wrong: String,
}

/// How far an object that applies a folder has come.
#[derive(Clone, Debug, Default)]
pub struct ApplierState {
    /// Whether it is suspended.
    pub suspended: bool,
    /// The revision that was applied last; may be empty.
    pub revision: Text,
    /// Its Ready condition.
    pub ready: ReadyCondition,
    /// The object that applies it, as `namespace/name`, by its labels.
    pub by: Option<String>,
}

/// The Ready condition of an object. All texts may be empty.
#[derive(Clone, Debug, Default)]
pub struct ReadyCondition {
    /// `True`, `False` or `Unknown`.
    pub status: Text,
    /// The reason, in one word.
    pub reason: Text,
    /// The reason, for people.
    pub message: Text,
    /// The last time that the status changed, as RFC 3339.
    pub since: Text,
}

/// Says how far the engine has come. `commit` is the one that was rendered, if that is known;
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

/// Notes what a live object says about the engine itself, if it is one of the engine's objects.
pub fn observe(
    wanted: &Desired,
    id: &ObjectId,
    object: &Value,
    now: Timestamp,
    out: &mut EngineObservations,
) {
    match wanted.engine {
        Engine::Flux => flux::observe(wanted, id, object, now, out),
    }
}

/// Returns how far a live object that applies a folder has come.
pub fn applier_state(wanted: &Desired, object: &Value) -> ApplierState {
    match wanted.engine {
        Engine::Flux => flux::applier_state(object),
    }
}

/// Returns the object that applies a live object, as `namespace/name`, by the labels that the engine
/// sets.
pub fn applied_by(wanted: &Desired, object: &Value) -> Option<String> {
    match wanted.engine {
        Engine::Flux => flux::applied_by(object),
    }
}

/// Returns the status of one of the engine's objects between two turns: an object that has done its
/// work before is current, although it says at each interval that it is at work.
pub fn between_turns(
    wanted: &Desired,
    id: &ObjectId,
    object: &Value,
    status: ObjectStatus,
) -> ObjectStatus {
    match wanted.engine {
        Engine::Flux => flux::between_turns(id, object, status),
    }
}

/// Whether a field manager is the engine itself.
pub fn is_own_manager(wanted: &Desired, manager: &str) -> bool {
    match wanted.engine {
        Engine::Flux => manager == flux::MANAGER,
    }
}

/// Whether the engine removes a field that this manager set, and that was not rendered.
pub fn overrides(wanted: &Desired, manager: &str) -> bool {
    match wanted.engine {
        Engine::Flux => flux::overrides(manager),
    }
}

/// Returns the command that makes the engine apply a folder at once. `fetch` also makes it look at
/// the folder's source first.
pub fn apply_now(wanted: &Desired, applier: &str, fetch: bool) -> String {
    match wanted.engine {
        Engine::Flux => flux::apply_now(wanted, applier, fetch),
    }
}

/// The engine's name in messages.
pub fn title(wanted: &Desired) -> &'static str {
    conventions(wanted.engine).title
}

/// The kind of the engine's objects that apply a folder.
pub fn applier_kind(wanted: &Desired) -> &'static str {
    conventions(wanted.engine).applier.kind
}

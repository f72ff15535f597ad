//! Flux in a live cluster: why each Kustomization has not applied what was rendered, what Flux's own
//! objects say, and the commands of its CLI.

use super::{ApplierState, EngineObservations, ObservedSource, Progress, ReadyCondition};
use crate::delivery::SourceName;
use crate::delivery::flux::{KUSTOMIZE_GROUP, SOURCE_GROUP, is_group};
use crate::diagnostic::Level;
use crate::kube::ObjectId;
use crate::live::ListError;
use crate::live::commands::quoted;
use crate::live::desired::{Desired, DesiredObject};
use crate::live::finding::LiveFinding;
use crate::live::observe::{Observations, Observed};
use crate::live::rules::NOT_CONVERGED;
use crate::live::status::{ObjectStatus, Stage, conditions, text};
use crate::spec::fleet::FluxSourceKind;
use crate::tree::ENTRY;
use crate::value::{Text, Value};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// The field manager that kustomize-controller applies with.
pub(super) const MANAGER: &str = "kustomize-controller";

/// Beginnings of the names of managers whose fields Flux removes if they were not rendered.
///
/// Source: kustomize-controller, `ssa.ApplyCleanupOptions` of its reconciler.
const OVERRIDDEN_MANAGERS: [&str; 4] = ["kubectl", "before-first-apply", MANAGER, "gotk-"];

/// The annotation in which an artifact holds the digest of the files that it is made of.
const CONTENT: &str = "tenantry.dev/content";

/// Says how far Flux has come. What holds up several Kustomizations is said once.
pub(super) fn progress(
    wanted: &Desired,
    seen: &Observations,
    gaps: &[ListError],
    commit: Option<&str>,
    is_quiet: bool,
) -> Progress {
    let sources: Sources<'_> = seen
        .engine
        .sources
        .iter()
        .map(|source| ((&*source.kind, &*source.name), source))
        .collect();

    let shared = wanted
        .source
        .object()
        .and_then(|own| sources.get(&(&*own.kind, &*own.name)).copied());
    let fault = source_fault(wanted, shared, gaps);
    let mut survey = ProgressSurvey {
        wanted,
        seen,
        commit,
        shared,
        sources,
        is_shared_said: fault.is_some(),
        first: None,
        others: 0,
        waiting: Vec::new(),
        revisions: BTreeSet::new(),
        out: Progress::default(),
    };

    survey.out.found.extend(fault);

    let appliers = wanted.objects.iter().enumerate().filter(|(_, (id, want))| {
        wanted.applies(id, want)
            && wanted.asks(want.tenant)
            && !gaps.iter().any(|gap| gap.hides(&id.group, &id.kind))
    });

    for (at, (id, want)) in appliers {
        survey.look(at, id, want);
    }
    survey.finish(is_quiet)
}

/// What Flux has fetched, by kind and name.
type Sources<'a> = HashMap<(&'a str, &'a str), &'a ObservedSource>;

/// What is wrong with the source that holds the tree.
fn source_fault(
    wanted: &Desired,
    shared: Option<&ObservedSource>,
    gaps: &[ListError],
) -> Option<LiveFinding> {
    let SourceName { kind, name } = wanted.source.object()?;
    let is_hidden = gaps.iter().any(|gap| gap.hides(SOURCE_GROUP, kind));
    let fault = match shared {
        Some(source) if source.wrong.is_empty() => return None,
        Some(source) if source.revision.is_empty() => format!("holds nothing: {}", source.wrong),
        Some(source) => format!(
            "holds `{}`, and brings nothing new: {}",
            source.revision, source.wrong
        ),
        None if is_hidden => return None,
        None => "is not there".to_owned(),
    };

    let id = ObjectId {
        group: Text::new_static(SOURCE_GROUP),
        kind: kind.clone(),
        namespace: wanted.engine_namespace.clone(),
        name: name.clone(),
    };

    let message = format!(
        "the {kind} {}/{name}, which holds the tree, {fault}",
        wanted.engine_namespace
    );

    let found = LiveFinding::new(wanted, &NOT_CONVERGED, message)
        .with_show(wanted.kubectl("describe", &id, ""))
        .with_fix(
            "mend what its message names: the address, the credentials, the branch; resume it \
             where it is suspended",
        );
    Some(found)
}

/// A look at each Kustomization that applies the tree.
struct ProgressSurvey<'a> {
    wanted: &'a Desired,
    seen: &'a Observations,
    commit: Option<&'a str>,
    shared: Option<&'a ObservedSource>,
    sources: Sources<'a>,
    /// Whether it was said that the shared source is behind.
    is_shared_said: bool,
    /// Where that was said of a Kustomization, among what was found.
    first: Option<usize>,
    /// How many other Kustomizations it holds up.
    others: usize,
    /// Kustomizations that wait for others.
    waiting: Vec<Waiting<'a>>,
    revisions: BTreeSet<Text>,
    out: Progress,
}

/// A Kustomization that waits for another one.
struct Waiting<'a> {
    id: &'a ObjectId,
    want: &'a DesiredObject,
    why: String,
}

impl<'a> ProgressSurvey<'a> {
    fn look(&mut self, at: usize, id: &'a ObjectId, want: &'a DesiredObject) {
        let Some(Observed {
            applied: Some(applied),
            status,
            ..
        }) = self.seen.seen.get(&at)
        else {
            let why = "is not there yet".into();
            self.out.behind.insert(id.name.clone(), why);
            return;
        };

        self.look_above(id, applied);

        let content = self.wanted.contents.get(&id.name);
        let own = (FluxSourceKind::OciRepository.as_str(), &*id.name);
        let source = match content {
            Some(_) => self.sources.get(&own).copied(),
            None => self.shared,
        };

        if content.is_none() {
            self.revisions.insert(applied.revision.clone());
        }
        let since = applied.ready.since.clone();
        self.out.since.insert(id.name.clone(), since);

        let held_up = HeldUp::of(applied, status, source, (self.commit, content));
        let Some(held_up) = held_up else { return };

        let why = held_up.why.clone();
        self.out.behind.insert(id.name.clone(), why.clone());
        if applied.ready.reason == "DependencyNotReady" {
            self.waiting.push(Waiting { id, want, why });
        } else {
            self.report(id, want, applied, &held_up);
        }
    }

    /// Reports that what applies the entry is suspended: what it applies stays as it is, and the
    /// tree below it goes on.
    fn look_above(&mut self, id: &ObjectId, applied: &ApplierState) {
        let wanted = self.wanted;
        let above = applied.by.as_deref().and_then(|by| wanted.unit_of(by));
        let suspended = &self.seen.engine.suspended;

        if let Some(above) = above.filter(|above| id.name == ENTRY && suspended.contains(*above)) {
            let message = format!(
                "the Kustomization {}/{above}, which applies `{ENTRY}`, is suspended",
                wanted.engine_namespace
            );
            let found = LiveFinding::new(wanted, &NOT_CONVERGED, message)
                .with_level(Level::Warning)
                .with_fix(resume(wanted, above));
            self.out.found.push(found);
        }
    }

    fn report(
        &mut self,
        id: &ObjectId,
        want: &DesiredObject,
        applied: &ApplierState,
        held_up: &HeldUp,
    ) {
        // The shared source is behind for all that it holds, and is reported once.
        if held_up.cause == Cause::SharedSource {
            if std::mem::replace(&mut self.is_shared_said, true) {
                self.others += 1;
                return;
            }
            self.first = Some(self.out.found.len());
        }

        let wanted = self.wanted;
        let message = format!("{} {}", id.called(), held_up.why);
        let found = LiveFinding::new(wanted, &NOT_CONVERGED, message)
            .of_tenant(wanted, want.tenant)
            .at(want.span)
            .about(wanted, id)
            .with_show(wanted.kubectl("describe", id, ""))
            .with_since(applied.ready.since.clone())
            .with_fix(held_up.cause.fix(wanted, id));
        self.out.found.push(found);
    }

    fn finish(mut self, is_quiet: bool) -> Progress {
        if let (Some(first), 1..) = (self.first, self.others) {
            let more = format!(" (and {} more)", self.others);
            self.out.found[first].diagnostic.message += &more;
        }

        // What waits for another is reported only if there is no other cause.
        let is_quiet = is_quiet && self.out.found.is_empty();
        if let Some(first) = self.waiting.first().filter(|_| is_quiet) {
            let Waiting { id, want, why } = first;
            let more = match self.waiting.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };

            let wanted = self.wanted;
            let message = format!("{} {why}{more}", id.called());
            let found = LiveFinding::new(wanted, &NOT_CONVERGED, message)
                .at(want.span)
                .about(wanted, id)
                .with_show(wanted.kubectl("describe", id, ""))
                .with_fix("wait: it is looked at again every half a minute (--requeue-dependency)");
            self.out.found.push(found);
        }

        if let (1, Some(revision)) = (self.revisions.len(), self.revisions.first()) {
            self.out.revision = Some(revision.clone()).filter(|revision| !revision.is_empty());
        }
        self.out
    }
}

/// Why a Kustomization has not applied what was rendered.
struct HeldUp {
    why: String,
    cause: Cause,
}

/// The kind of a reason, which decides the fix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Suspended,
    /// The revision of the source that holds the tree.
    SharedSource,
    /// The revision of the unit's own artifact.
    OwnSource,
    Failing,
}

impl Cause {
    fn fix(self, wanted: &Desired, id: &ObjectId) -> String {
        let again = || apply_now(wanted, &id.name, true);
        match self {
            Self::Suspended => resume(wanted, &id.name),
            Self::OwnSource => {
                let again = again();
                format!("push its artifact (tenantry status --artifacts): {again}")
            }
            Self::SharedSource => format!("push the commit, or wait: {}", again()),
            Self::Failing => "mend what its message names; Flux tries again by itself".into(),
        }
    }
}

impl HeldUp {
    /// Returns why a Kustomization has not applied what was rendered: a commit, or the content of its
    /// own artifact. Only a Git repository, and an artifact that names its commit, can say which
    /// commit they hold.
    fn of(
        applied: &ApplierState,
        status: &ObjectStatus,
        source: Option<&ObservedSource>,
        (commit, content): (Option<&str>, Option<&Text>),
    ) -> Option<Self> {
        let of_source = match content {
            Some(_) => Cause::OwnSource,
            None => Cause::SharedSource,
        };
        if let Some(held_up) = Self::not_working(applied, status, of_source) {
            return Some(held_up);
        }

        let stale = behind_source(applied, source).or_else(|| match content {
            Some(content) => wrong_artifact(content, source),
            None => wrong_commit(applied, commit?, source),
        });
        if let Some(why) = stale {
            let cause = of_source;
            return Some(Self { why, cause });
        }

        let at_work = format!("is at work: {} {}", status.reason, status.message);
        (status.stage != Stage::Current).then(|| Self {
            why: at_work.trim_end().to_owned(),
            cause: Cause::Failing,
        })
    }

    /// Returns why a Kustomization applies nothing now, whatever its source holds.
    fn not_working(
        applied: &ApplierState,
        status: &ObjectStatus,
        of_source: Cause,
    ) -> Option<Self> {
        let ready = &applied.ready;
        let (why, cause) = if applied.suspended {
            let why = "is suspended: nothing is applied, and nothing set back";
            (why.to_owned(), Cause::Suspended)
        } else if status.stage == Stage::Terminating {
            ("is being deleted".to_owned(), Cause::Failing)
        } else if ready.status == "False" {
            let why = format!("is not ready: {}: {}", ready.reason, ready.message);
            (why, Cause::Failing)
        } else if applied.revision.is_empty() {
            ("has applied nothing yet".to_owned(), of_source)
        } else {
            return None;
        };
        Some(Self { why, cause })
    }
}

/// Says that a Kustomization has not applied the revision that its source holds.
fn behind_source(applied: &ApplierState, source: Option<&ObservedSource>) -> Option<String> {
    let held = source.map_or("", |source| source.revision.as_str());
    if held.is_empty() || held == applied.revision {
        return None;
    }

    Some(format!(
        "has applied `{}`, and its source holds `{held}`",
        applied.revision
    ))
}

/// Says that a unit's own artifact is not made of the rendered files. It may be older than the
/// commit, and hold the same files.
fn wrong_artifact(content: &Text, source: Option<&ObservedSource>) -> Option<String> {
    if let Some(source) = source.filter(|source| !source.wrong.is_empty()) {
        let wrong = &source.wrong;
        return Some(format!("has a source that brings nothing new: {wrong}"));
    }

    match source.map_or("", |source| source.content.as_str()) {
        "" => Some("has applied an artifact that does not say of what files it is made".to_owned()),
        other if other != *content => Some(format!(
            "has applied an artifact of the files `{other}`, and `{content}` were rendered"
        )),
        _ => None,
    }
}

/// Says that a Kustomization has applied another commit than the rendered one.
fn wrong_commit(
    applied: &ApplierState,
    commit: &str,
    source: Option<&ObservedSource>,
) -> Option<String> {
    let origin = match source {
        Some(source) if source.kind != FluxSourceKind::GitRepository.as_str() => &source.origin,
        _ => &applied.revision,
    };

    let is_other = !origin.is_empty() && !origin.ends_with(commit);
    is_other.then(|| format!("has applied `{origin}`, and `{commit}` was rendered"))
}

/// Notes a source, and a Kustomization that is suspended.
pub(super) fn observe(
    wanted: &Desired,
    id: &ObjectId,
    object: &Value,
    now: Timestamp,
    out: &mut EngineObservations,
) {
    if id.namespace != wanted.engine_namespace {
        return;
    }

    match id.group.as_str() {
        KUSTOMIZE_GROUP if wanted.is_applier(id) && is_suspended(object) => {
            out.suspended.insert(id.name.clone());
        }
        SOURCE_GROUP => out.sources.push(observed_source(id, object, now)),
        _ => {}
    }
}

fn is_suspended(object: &Value) -> bool {
    matches!(object.at(&["spec", "suspend"]), Value::Bool(true))
}

fn observed_source(id: &ObjectId, object: &Value, now: Timestamp) -> ObservedSource {
    let artifact = object.at(&["status", "artifact"]);
    let annotation = |key: &str| text(artifact, &["metadata", key]).into();
    let status = ObjectStatus::of(&id.group, &id.kind, object, now);

    ObservedSource {
        kind: id.kind.clone(),
        name: id.name.clone(),
        revision: text(artifact, &["revision"]).into(),
        content: annotation(CONTENT),
        origin: annotation("org.opencontainers.image.revision"),
        wrong: why_not_ready(&status, object),
    }
}

/// Why a source brings nothing new; empty if it does.
fn why_not_ready(status: &ObjectStatus, object: &Value) -> String {
    if is_suspended(object) {
        return "it is suspended".to_owned();
    }

    let mut conditions = conditions(object);
    if let Some(ready) = conditions.find(|c| c.kind == "Ready" && c.status == "False") {
        return format!("{}: {}", ready.reason, ready.message);
    }

    match (status.stage, status.reason.as_str()) {
        (Stage::Failed | Stage::Terminating, _) | (_, "LatestGenerationNotObserved") => {
            format!("{}: {}", status.reason, status.message)
        }
        _ => String::new(),
    }
}

/// Returns how far a live Kustomization has come.
pub(super) fn applier_state(object: &Value) -> ApplierState {
    let ready = conditions(object).find(|c| c.kind == "Ready");
    let ready = ready.map_or_else(ReadyCondition::default, |c| ReadyCondition {
        status: c.status.into(),
        reason: c.reason.into(),
        message: c.message.into(),
        since: c.since.into(),
    });

    ApplierState {
        suspended: is_suspended(object),
        revision: text(object, &["status", "lastAppliedRevision"]).into(),
        ready,
        by: applied_by(object),
    }
}

/// Returns the Kustomization or HelmRelease that applies an object, as `namespace/name`, by the
/// labels that Flux sets.
pub(super) fn applied_by(object: &Value) -> Option<String> {
    let labels = object.at(&["metadata", "labels"]);

    ["kustomize", "helm"].into_iter().find_map(|controller| {
        let label = |part: &str| {
            let key = format!("{controller}.toolkit.fluxcd.io/{part}");
            labels.at(&[&key]).as_str()
        };
        Some(format!("{}/{}", label("namespace")?, label("name")?))
    })
}

/// Returns `Current` for an object of Flux that has done its work before and looks again.
pub(super) fn between_turns(id: &ObjectId, object: &Value, status: ObjectStatus) -> ObjectStatus {
    let is_done = !object.at(&["status", "artifact"]).is_null()
        || !object.at(&["status", "history"]).items().is_empty()
        || !text(object, &["status", "lastAppliedRevision"]).is_empty();
    let fails = conditions(object).any(|c| c.kind == "Ready" && c.status == "False");
    let looks_again = status.stage == Stage::InProgress && status.reason == "Progressing";

    if is_group(&id.group) && is_done && looks_again && !fails {
        ObjectStatus::current()
    } else {
        status
    }
}

/// Whether Flux removes a field that this manager set, and that was not rendered.
pub(super) fn overrides(manager: &str) -> bool {
    OVERRIDDEN_MANAGERS
        .iter()
        .any(|known| manager.starts_with(known))
}

/// Returns the command that applies a Kustomization at once. `fetch` also fetches its source.
pub(super) fn apply_now(wanted: &Desired, name: &str, fetch: bool) -> String {
    let more = if fetch { " --with-source" } else { "" };
    command(wanted, "reconcile", name, more)
}

fn resume(wanted: &Desired, name: &str) -> String {
    command(wanted, "resume", name, "")
}

/// A command of Flux about a Kustomization; `more` comes after the namespace.
fn command(wanted: &Desired, verb: &str, name: &str, more: &str) -> String {
    wanted.here(&format!(
        "flux {verb} kustomization {} -n {}{more}",
        quoted(name),
        quoted(&wanted.engine_namespace)
    ))
}

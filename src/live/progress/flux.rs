//! How far Flux has come: why each Kustomization has not applied what was rendered.

use super::Progress;
use crate::delivery::flux::SOURCE_GROUP;
use crate::diagnostic::Level;
use crate::kube::ObjectId;
use crate::live::ListError;
use crate::live::desired::{Desired, DesiredObject};
use crate::live::finding::LiveFinding;
use crate::live::observe::{ApplierState, Observations, Observed, ObservedSource};
use crate::live::rules::NOT_CONVERGED;
use crate::live::status::{ObjectStatus, Stage};
use crate::spec::fleet::FluxSourceKind;
use crate::tree::ENTRY;
use crate::value::Text;
use std::collections::{BTreeSet, HashMap};

/// Says how far Flux has come. What holds up several Kustomizations is said once.
pub(super) fn progress(
    wanted: &Desired,
    seen: &Observations,
    gaps: &[ListError],
    commit: Option<&str>,
    is_quiet: bool,
) -> Progress {
    let sources: Sources<'_> = seen
        .sources
        .iter()
        .map(|source| ((&*source.kind, &*source.name), source))
        .collect();

    let shared = sources
        .get(&(&*wanted.source.kind, &*wanted.source.name))
        .copied();
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
    let (kind, name) = (&wanted.source.kind, &wanted.source.name);
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

    let mut found = LiveFinding::new(wanted, &NOT_CONVERGED, None, wanted.span, None, message);
    found.show = wanted.kubectl("describe", &id, "");
    found.diagnostic.fix =
        "mend what its message names: the address, the credentials, the branch; \
                            resume it where it is suspended"
            .into();

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
    waiting: Vec<(&'a ObjectId, &'a DesiredObject, String)>,
    revisions: BTreeSet<Text>,
    out: Progress,
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
        let since = applied.ready[3].clone();
        self.out.since.insert(id.name.clone(), since);

        let held = held_up(applied, status, (self.commit, content), source);
        if let Some((why, cause)) = held {
            self.out.behind.insert(id.name.clone(), why.clone());
            if applied.ready[1] == "DependencyNotReady" {
                self.waiting.push((id, want, why));
            } else {
                self.report(id, want, applied, &why, cause, content.is_some());
            }
        }
    }

    /// Reports that what applies the entry is suspended: what it applies stays as it is, and the
    /// tree below it goes on.
    fn look_above(&mut self, id: &ObjectId, applied: &ApplierState) {
        let wanted = self.wanted;
        let above = applied.by.as_deref().and_then(|by| wanted.unit_of(by));
        let is_suspended = |above: &&str| id.name == ENTRY && self.seen.suspended.contains(*above);
        if let Some(above) = above.filter(is_suspended) {
            let message = format!(
                "the Kustomization {}/{above}, which applies `{ENTRY}`, is suspended",
                wanted.engine_namespace
            );
            let mut found =
                LiveFinding::new(wanted, &NOT_CONVERGED, None, wanted.span, None, message);
            found.diagnostic.level = Level::Warning;
            found.diagnostic.fix = wanted.flux("resume", above, "");
            self.out.found.push(found);
        }
    }

    fn report(
        &mut self,
        id: &ObjectId,
        want: &DesiredObject,
        applied: &ApplierState,
        why: &str,
        cause: Cause,
        has_own_source: bool,
    ) {
        // One source is behind for all that it holds; a unit's own for itself alone.
        if cause == Cause::Revision && !has_own_source {
            if std::mem::replace(&mut self.is_shared_said, true) {
                self.others += 1;
                return;
            }
            self.first = Some(self.out.found.len());
        }

        let wanted = self.wanted;
        let message = format!("{} {why}", id.called());
        let mut found = LiveFinding::new(
            wanted,
            &NOT_CONVERGED,
            want.tenant,
            want.span,
            Some(id),
            message,
        );

        found.show = wanted.kubectl("describe", id, "");
        found.since = applied.ready[3].clone();
        let again = || wanted.flux("reconcile", &id.name, " --with-source");
        found.diagnostic.fix = match cause {
            Cause::Suspended => wanted.flux("resume", &id.name, ""),
            Cause::Revision if has_own_source => format!(
                "push its artifact (tenantry status --artifacts): {}",
                again()
            ),
            Cause::Revision => format!("push the commit, or wait: {}", again()),
            Cause::Failing => "mend what its message names; Flux tries again by itself".into(),
        };

        self.out.found.push(found);
    }

    fn finish(mut self, is_quiet: bool) -> Progress {
        if let (Some(first), 1..) = (self.first, self.others) {
            let more = format!(" (and {} more)", self.others);
            self.out.found[first].diagnostic.message += &more;
        }

        // What waits for another is no cause, unless nothing else is.
        let is_quiet = is_quiet && self.out.found.is_empty();
        if let Some((id, want, why)) = self.waiting.first().filter(|_| is_quiet) {
            let more = match self.waiting.len() {
                1 => String::new(),
                count => format!(" (and {} more)", count - 1),
            };
            let message = format!("{} {why}{more}", id.called());
            let wanted = self.wanted;
            let mut found =
                LiveFinding::new(wanted, &NOT_CONVERGED, None, want.span, Some(id), message);
            found.show = wanted.kubectl("describe", id, "");
            found.diagnostic.fix =
                "wait: it is looked at again every half a minute (--requeue-dependency)".into();
            self.out.found.push(found);
        }

        if let (1, Some(revision)) = (self.revisions.len(), self.revisions.first()) {
            self.out.revision = Some(revision.clone()).filter(|revision| !revision.is_empty());
        }
        self.out
    }
}

/// What kind of thing holds a Kustomization up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Suspended,
    Revision,
    Failing,
}

/// Why a Kustomization has not applied what was rendered. Of a commit, only a Git repository and an
/// artifact that names the commit it is made of can say whether they are at it.
fn held_up(
    applied: &ApplierState,
    status: &ObjectStatus,
    (commit, content): (Option<&str>, Option<&Text>),
    source: Option<&ObservedSource>,
) -> Option<(String, Cause)> {
    let [ready, reason, message, _] = &applied.ready;
    if applied.suspended {
        return Some((
            "is suspended: nothing is applied, and nothing set back".into(),
            Cause::Suspended,
        ));
    }

    if status.stage == Stage::Terminating {
        return Some(("is being deleted".into(), Cause::Failing));
    }
    if ready == "False" {
        return Some((format!("is not ready: {reason}: {message}"), Cause::Failing));
    }
    if applied.revision.is_empty() {
        return Some(("has applied nothing yet".into(), Cause::Revision));
    }
    let held = source.map_or("", |s| s.revision.as_str());

    if !held.is_empty() && held != applied.revision {
        return Some((
            format!(
                "has applied `{}`, and its source holds `{held}`",
                applied.revision
            ),
            Cause::Revision,
        ));
    }

    // What a unit's own artifact holds may be older than the commit, and the same.
    if let Some(content) = content {
        let holds = source.map_or("", |s| s.content.as_str());
        let why = match holds {
            "" => Some(
                "has applied an artifact that does not say of what files it is made".to_owned(),
            ),
            other if other != *content => Some(format!(
                "has applied an artifact of the files `{other}`, and `{content}` were rendered"
            )),
            _ => None,
        };

        let fails = source
            .filter(|s| !s.wrong.is_empty())
            .map(|s| format!("has a source that brings nothing new: {}", s.wrong));
        if let Some(why) = fails.or(why) {
            return Some((why, Cause::Revision));
        }
    }

    let commit = commit.filter(|_| content.is_none());
    let origin = match source {
        Some(source) if source.kind != "GitRepository" => source.origin.as_str(),
        _ => applied.revision.as_str(),
    };

    if let Some(commit) = commit.filter(|commit| !origin.is_empty() && !origin.ends_with(*commit)) {
        return Some((
            format!("has applied `{origin}`, and `{commit}` was rendered"),
            Cause::Revision,
        ));
    }

    let at_work = format!("is at work: {} {}", status.reason, status.message);
    (status.stage != Stage::Current).then(|| (at_work.trim_end().to_owned(), Cause::Failing))
}

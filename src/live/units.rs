//! How far Flux has come: why each Kustomization has not applied what was rendered.

use super::judge::{Behind, Judge, SOURCES};
use super::rules::NOT_CONVERGED;
use super::seen::{Applied, Seen, SourceSeen};
use super::status::{Stage, Status};
use super::wanted::Want;
use crate::delivery::SourceName;
use crate::diagnostic::Level;
use crate::kube::ObjectId;
use crate::spec::fleet::FluxSourceKind;
use crate::tree::ENTRY;
use crate::value::Text;
use std::collections::{BTreeSet, HashMap};

impl Judge<'_> {
    /// How far Flux has come: why each Kustomization has not applied what was rendered. What holds
    /// up several is said once.
    pub(super) fn units(&mut self, commit: Option<&str>) -> Behind {
        let wanted = self.wanted;
        let mut behind = Behind::new();
        let mut revisions: BTreeSet<Text> = BTreeSet::new();
        let SourceName { kind, name } = &wanted.source;
        let sources: HashMap<(&str, &str), &SourceSeen> = self
            .seen
            .sources
            .iter()
            .map(|s| ((&*s.kind, &*s.name), s))
            .collect();
        let shared = sources.get(&(&**kind, &**name)).copied();
        let (mut said, mut first, mut others) = (false, None, 0);
        let mut waiting: Vec<(&ObjectId, &Want, String)> = Vec::new();
        let hidden = self.gaps.iter().any(|g| g.hides(SOURCES, kind));
        let fault = match shared {
            Some(source) if source.wrong.is_empty() => None,
            Some(source) if source.revision.is_empty() => {
                Some(format!("holds nothing: {}", source.wrong))
            }
            Some(source) => Some(format!(
                "holds `{}`, and brings nothing new: {}",
                source.revision, source.wrong
            )),
            None => (!hidden).then(|| "is not there".to_owned()),
        };
        if let Some(fault) = fault {
            let id = ObjectId {
                group: Text::new_static(SOURCES),
                kind: kind.clone(),
                namespace: wanted.engine_namespace.clone(),
                name: name.clone(),
            };
            let message = format!(
                "the {kind} {}/{name}, which holds the tree, {fault}",
                wanted.engine_namespace
            );
            let show = wanted.kubectl("describe", &id, "");
            let found = self.push(&NOT_CONVERGED, None, wanted.span, None, message);
            found.show = show;
            found.diagnostic.fix =
                "mend what its message names: the address, the credentials, the branch; resume it where it is suspended"
                    .into();
            said = true;
        }
        let objects = wanted.objects.iter().enumerate();
        for (at, (id, want)) in
            objects.filter(|(_, (id, want))| wanted.applies(id, want) && wanted.asks(want.tenant))
        {
            if self.hidden(id) {
                continue;
            }
            let Some(Seen {
                applied: Some(applied),
                status,
                ..
            }) = self.seen.seen.get(&at)
            else {
                behind.insert(id.name.clone(), "is not there yet".into());
                continue;
            };
            let content = wanted.contents.get(&id.name);
            let source = match content {
                Some(_) => sources
                    .get(&(FluxSourceKind::OciRepository.as_str(), &*id.name))
                    .copied(),
                None => shared,
            };
            let above = applied.by.as_deref().and_then(|by| wanted.unit_of(by));
            if let Some(above) =
                above.filter(|above| id.name == ENTRY && self.seen.suspended.contains(*above))
            {
                let message = format!(
                    "the Kustomization {}/{above}, which applies `{ENTRY}`, is suspended",
                    wanted.engine_namespace
                );
                let found = self.push(&NOT_CONVERGED, None, wanted.span, None, message);
                // What it applies stays as it is, and the tree below it goes on.
                found.diagnostic.level = Level::Warning;
                found.diagnostic.fix = wanted.flux("resume", above, "");
            }
            if content.is_none() {
                revisions.insert(applied.revision.clone());
            }
            self.since.insert(id.name.clone(), applied.ready[3].clone());
            let Some((why, cause)) = held_up(applied, status, (commit, content), source) else {
                continue;
            };
            behind.insert(id.name.clone(), why.clone());
            if applied.ready[1] == "DependencyNotReady" {
                waiting.push((id, want, why));
                continue;
            }
            // One source is behind for all that it holds; a unit's own for itself alone.
            if cause == Cause::Revision && content.is_none() && std::mem::replace(&mut said, true) {
                others += 1;
                continue;
            }
            let since = applied.ready[3].clone();
            if cause == Cause::Revision && content.is_none() {
                first = Some(self.out.found.len());
            }
            let found = self.push(
                &NOT_CONVERGED,
                want.tenant,
                want.span,
                Some(id),
                format!("{} {why}", id.called()),
            );
            found.show = wanted.kubectl("describe", id, "");
            found.since = since;
            found.diagnostic.fix = match cause {
                Cause::Suspended => wanted.flux("resume", &id.name, ""),
                Cause::Revision if content.is_some() => {
                    let again = wanted.flux("reconcile", &id.name, " --with-source");
                    format!("push its artifact (tenantry status --artifacts): {again}")
                }
                Cause::Revision => {
                    format!(
                        "push the commit, or wait: {}",
                        wanted.flux("reconcile", &id.name, " --with-source")
                    )
                }
                Cause::Failing => "mend what its message names; Flux tries again by itself".into(),
            };
        }
        if let (Some(first), 1..) = (first, others) {
            self.out.found[first].diagnostic.message += &format!(" (and {others} more)");
        }
        // What waits for another is no cause, unless nothing else is.
        if let Some((id, want, why)) = waiting.first().filter(|_| self.out.found.is_empty()) {
            let more = if waiting.len() > 1 {
                format!(" (and {} more)", waiting.len() - 1)
            } else {
                String::new()
            };
            let found = self.push(
                &NOT_CONVERGED,
                None,
                want.span,
                Some(id),
                format!("{} {why}{more}", id.called()),
            );
            found.show = wanted.kubectl("describe", id, "");
            found.diagnostic.fix =
                "wait: it is looked at again every half a minute (--requeue-dependency)".into();
        }
        if let (1, Some(revision)) = (revisions.len(), revisions.first()) {
            self.out.revision = Some(revision.clone()).filter(|r| !r.is_empty());
        }
        behind
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
    applied: &Applied,
    status: &Status,
    (commit, content): (Option<&str>, Option<&Text>),
    source: Option<&SourceSeen>,
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

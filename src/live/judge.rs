//! What should be there × what a server answered → what is wrong, and how far each tenant has come.

use super::drift::{Difference, Manager};
use super::found::Found;
use super::rules::*;
use super::seen::{Applied, Batch, Ending, Seen, SourceSeen, Why};
use super::status::{Stage, Status};
use super::wanted::{ENTRY, KUSTOMIZATION, Want, Wanted};
use super::{Gap, plugin, versions};
use crate::bundle::ObjectId;
use crate::diagnostic::{Diagnostic, Level, Rule, Scope};
use crate::source::Place;
use crate::spec::fleet::FluxSourceKind;
use crate::tree::late_of;
use crate::value::Text;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How far a tenant has come on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It is there, as it was rendered.
    Active,
    /// It is there, and nothing mends it.
    Suspended,
    /// It is being made.
    Pending,
    /// It is being removed.
    Terminating,
    /// Something is wrong with it.
    Error,
    /// Nothing wrong was seen of it, and not everything could be.
    Unknown,
}

impl Phase {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Pending => "Pending",
            Self::Terminating => "Terminating",
            Self::Error => "Error",
            Self::Unknown => "Unknown",
        }
    }
}

/// A tenant on a cluster.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub tenant: Text,
    /// How far it has come.
    pub phase: Phase,
    /// Its UUID; may be empty.
    pub uuid: Text,
    /// Its namespaces.
    pub namespaces: Vec<Text>,
    /// Why it is not active; may be empty.
    pub why: String,
    /// Since when, as RFC 3339; may be empty.
    pub since: Text,
}

/// What was found of a cluster.
#[derive(Debug, Default)]
pub struct Judgement {
    /// The tenants, by name.
    pub rows: Vec<Row>,
    /// What was found.
    pub found: Vec<Found>,
    /// How many objects should be there, are there as they should, and were looked at.
    pub counts: [usize; 3],
    /// How many Kustomizations have not applied what was rendered.
    pub behind: usize,
    /// Of how many of the proof's questions it cannot be told.
    pub unknown: usize,
    /// Whether something differs that Flux sets back at its next turn.
    pub returns: bool,
    /// How many errors are not among what was found, because they are not asked for.
    pub left_out: usize,
    /// The revision that Flux has applied, where all Kustomizations agree on one.
    pub revision: Option<Text>,
}

impl Judgement {
    /// Whether the cluster has become what was rendered.
    pub fn is_converged(&self) -> bool {
        self.behind == 0 && self.left_out == 0 && !self.found.iter().any(|f| f.diagnostic.level == Level::Error)
    }

    /// Whether something that is reported says that it has not.
    pub fn is_wrong(&self) -> bool {
        self.found.iter().any(|f| f.diagnostic.level == Level::Error)
    }

    /// Adds what could not be had.
    pub fn push_gap(&mut self, wanted: &Wanted, gap: &Gap) {
        let message = format!("{} could not be listed: {}", gap.what(), gap.why);
        self.found.push(Found {
            diagnostic: Diagnostic::new(&NOT_LISTED, wanted.place, message).fix(gap.fix.clone()).scope(Scope::Fleet),
            tenant: None,
            object: String::new(),
            show: if gap.command.is_empty() { String::new() } else { wanted.here(&gap.command) },
            since: Text::default(),
        });
        for row in self.rows.iter_mut().filter(|row| row.phase == Phase::Active) {
            row.phase = Phase::Unknown;
            row.why = "not everything could be asked".to_owned();
        }
    }

    /// Leaves only what is asked for; that something else is wrong is still known.
    pub fn keep(&mut self, asked: impl Fn(&str) -> bool) {
        self.found.retain(|f| {
            let keeps = asked(f.diagnostic.rule.id);
            self.left_out += usize::from(!keeps && f.diagnostic.level == Level::Error);
            keeps
        });
    }

    /// Whether waiting may help: something is on its way.
    pub fn is_moving(&self) -> bool {
        self.behind > 0 || self.returns || self.found.iter().any(comes_by_itself)
    }
}

const SOURCES: &str = "source.toolkit.fluxcd.io";

/// Managers whose fields Flux takes over.
/// Source: kustomize-controller, `ssa.ApplyCleanupOptions` of its reconciler.
const FLUX_TAKES: [&str; 4] = ["kubectl", "before-first-apply", "kustomize-controller", "gotk-"];

/// How long something may be being deleted before that is said, and before it is an error, in seconds.
const STUCK: [i64; 2] = [30 * 60, 37 * 24 * 3600];

/// Judges what a server answered. `commit` is the one that was rendered, where that is known.
pub fn judge(wanted: &Wanted, seen: &Batch, gaps: &[Gap], commit: Option<&str>, now: Timestamp) -> Judgement {
    let mut judge = Judge { wanted, seen, gaps, now, out: Judgement::default(), since: BTreeMap::new() };
    judge.gaps();
    let behind = judge.units(commit);
    judge.out.behind = behind.len();
    judge.objects(&behind);
    judge.homes();
    judge.strays(&behind);
    judge.unread();
    judge.applications();
    judge.endings();
    judge.out.found.extend(versions::check(wanted, &seen.images));
    if wanted.only.is_none()
        && !gaps
            .iter()
            .any(|g| g.hides("apps", "DaemonSet") || g.hides("apiextensions.k8s.io", "CustomResourceDefinition"))
    {
        judge.out.found.extend(plugin::check(wanted, &seen.definitions, &seen.daemon_sets));
    }
    judge.rows(&behind);
    let place = |f: &Found| (f.diagnostic.rule.id, f.tenant.clone(), f.object.clone(), f.diagnostic.message.clone());
    judge.out.found.sort_by_key(|f| (std::cmp::Reverse(f.diagnostic.level), place(f)));
    judge.out.counts[2] = seen.count;
    judge.out
}

/// Why a Kustomization has not applied what was rendered, by its name.
type Behind = BTreeMap<Text, String>;

struct Judge<'a> {
    wanted: &'a Wanted,
    seen: &'a Batch,
    gaps: &'a [Gap],
    now: Timestamp,
    out: Judgement,
    /// Since when a unit is as it is.
    since: BTreeMap<Text, Text>,
}

impl Judge<'_> {
    fn push(
        &mut self,
        rule: &'static Rule,
        tenant: Option<u32>,
        place: Place,
        id: Option<&ObjectId>,
        message: String,
    ) -> &mut Found {
        let name = self.wanted.name_of(tenant).cloned();
        let mut diagnostic = Diagnostic::new(rule, place, message).scope(Scope::Fleet);
        if let Some(name) = &name {
            diagnostic = diagnostic.tenant(name);
        }
        let object = id.map(ObjectId::called).unwrap_or_default();
        let show = id.map(|id| self.wanted.kubectl("get", id, " -o yaml --show-managed-fields")).unwrap_or_default();
        self.out.found.push(Found { diagnostic, tenant: name, object, show, since: Text::default() });
        let at = self.out.found.len() - 1;
        &mut self.out.found[at]
    }

    fn gaps(&mut self) {
        for gap in self.gaps {
            self.out.push_gap(self.wanted, gap);
        }
    }

    /// Whether a kind could not be listed, so that nothing is known of its objects.
    fn hidden(&self, id: &ObjectId) -> bool {
        self.gaps.iter().any(|gap| gap.hides(&id.group, &id.kind))
    }

    /// How far Flux has come: why each Kustomization has not applied what was rendered. What holds up several is said once.
    fn units(&mut self, commit: Option<&str>) -> Behind {
        let wanted = self.wanted;
        let mut behind = Behind::new();
        let mut revisions: BTreeSet<Text> = BTreeSet::new();
        let (kind, name) = &wanted.source;
        let sources: HashMap<(&str, &str), &SourceSeen> =
            self.seen.sources.iter().map(|s| ((&*s.kind, &*s.name), s)).collect();
        let shared = sources.get(&(&**kind, &**name)).copied();
        let (mut said, mut first, mut others) = (false, None, 0);
        let mut waiting: Vec<(&ObjectId, &Want, String)> = Vec::new();
        let hidden = self.gaps.iter().any(|g| g.hides(SOURCES, kind));
        let fault = match shared {
            Some(source) if source.wrong.is_empty() => None,
            Some(source) if source.revision.is_empty() => Some(format!("holds nothing: {}", source.wrong)),
            Some(source) => Some(format!("holds `{}`, and brings nothing new: {}", source.revision, source.wrong)),
            None => (!hidden).then(|| "is not there".to_owned()),
        };
        if let Some(fault) = fault {
            let id = ObjectId {
                group: Text::new_static(SOURCES),
                kind: kind.clone(),
                namespace: wanted.flux.clone(),
                name: name.clone(),
            };
            let message = format!("the {kind} {}/{name}, which holds the tree, {fault}", wanted.flux);
            let show = wanted.kubectl("describe", &id, "");
            let found = self.push(&NOT_CONVERGED, None, wanted.place, None, message);
            found.show = show;
            found.diagnostic.fix =
                "mend what its message names: the address, the credentials, the branch; resume it where it is suspended"
                    .into();
            said = true;
        }
        for (id, want) in
            wanted.objects.iter().filter(|(id, want)| wanted.applies(id, want) && wanted.asks(want.tenant))
        {
            if self.hidden(id) {
                continue;
            }
            let Some(Seen { applied: Some(applied), status, .. }) = self.seen.seen.get(id) else {
                behind.insert(id.name.clone(), "is not there yet".into());
                continue;
            };
            let content = wanted.contents.get(&id.name);
            let source = match content {
                Some(_) => sources.get(&(FluxSourceKind::OciRepository.as_str(), &*id.name)).copied(),
                None => shared,
            };
            if content.is_none() {
                revisions.insert(applied.revision.clone());
            }
            self.since.insert(id.name.clone(), applied.ready[3].clone());
            let Some((why, cause)) = held_up(applied, status, (commit, content), source) else { continue };
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
            let found = self.push(&NOT_CONVERGED, want.tenant, want.place, Some(id), format!("{} {why}", id.called()));
            found.show = wanted.kubectl("describe", id, "");
            found.since = since;
            found.diagnostic.fix = match cause {
                Cause::Suspended => wanted.flux("resume", &id.name, ""),
                Cause::Revision if content.is_some() => {
                    let again = wanted.flux("reconcile", &id.name, " --with-source");
                    format!("push its artifact (tenantry status --artifacts): {again}")
                }
                Cause::Revision => {
                    format!("push the commit, or wait: {}", wanted.flux("reconcile", &id.name, " --with-source"))
                }
                Cause::Failing => "mend what its message names; Flux tries again by itself".into(),
            };
        }
        if let (Some(first), 1..) = (first, others) {
            self.out.found[first].diagnostic.message += &format!(" (and {others} more)");
        }
        // What waits for another is no cause, unless nothing else is.
        if let Some((id, want, why)) = waiting.first().filter(|_| self.out.found.is_empty()) {
            let more = if waiting.len() > 1 { format!(" (and {} more)", waiting.len() - 1) } else { String::new() };
            let found = self.push(&NOT_CONVERGED, None, want.place, Some(id), format!("{} {why}{more}", id.called()));
            found.show = wanted.kubectl("describe", id, "");
            found.diagnostic.fix = "wait: it is looked at again every half a minute (--requeue-dependency)".into();
        }
        if let (1, Some(revision)) = (revisions.len(), revisions.first()) {
            self.out.revision = Some(revision.clone()).filter(|r| !r.is_empty());
        }
        behind
    }

    fn objects(&mut self, behind: &Behind) {
        let wanted = self.wanted;
        let endings: HashMap<&ObjectId, &Ending> = self.seen.endings.iter().map(|e| (&e.id, e)).collect();
        for (id, want) in wanted.objects.iter().filter(|(id, want)| wanted.asks_of(id, want)) {
            self.out.counts[0] += 1;
            if self.hidden(id) {
                continue;
            }
            let late = want.unit.as_ref().and_then(|unit| behind.get(unit));
            let Some(seen) = self.seen.seen.get(id) else {
                // What its Kustomization has not applied yet is no fault of its own.
                if late.is_none() && !self.homeless(id) && !self.seen.unread.contains(id) {
                    self.missing(id, want);
                }
                continue;
            };
            let before = self.out.found.len();
            self.drifted(id, want, seen, late.is_some());
            for mark in &seen.marks {
                let by = mark.by.as_ref().map(|m| format!("; last changed by {m}")).unwrap_or_default();
                let what = format!("`{}: {}`", mark.key, mark.value);
                let message =
                    format!("{} is marked {what}: Flux leaves it as it is, or leaves it behind{by}", id.called());
                let found = self.push(&FROZEN, want.tenant, want.place, Some(id), message);
                found.diagnostic.fix =
                    format!("take it off: {}", wanted.kubectl(mark.verb, id, &format!(" {}-", mark.key)));
            }
            // Where it has been for long, that is said as of everything that is.
            let ends = seen.status.stage == Stage::Terminating;
            let ending = if ends { endings.get(id).copied() } else { None };
            if ends && ending.is_none_or(|e| self.age(e) <= STUCK[0]) {
                let by = ending.map(|e| format!(": {}", held_by(e))).unwrap_or_default();
                let message = format!("{} is being deleted{by}", id.called());
                let found = self.push(&NOT_CONVERGED, want.tenant, want.place, Some(id), message);
                found.diagnostic.fix = "once it is gone, Flux makes it again".into();
            }
            if (&*id.group, &*id.kind) != KUSTOMIZATION
                && matches!(seen.status.stage, Stage::InProgress | Stage::Failed)
            {
                let message = format!("{} is not ready: {} {}", id.called(), seen.status.reason, seen.status.message);
                let found = self.push(&NOT_CONVERGED, want.tenant, want.place, Some(id), message.trim_end().to_owned());
                found.diagnostic.fix = "its own controller says why: mend what its status names".into();
            }
            if self.out.found.len() == before {
                self.out.counts[1] += 1;
            }
        }
    }

    /// Whether the namespace of an object is missing too, which says it all.
    fn homeless(&self, id: &ObjectId) -> bool {
        let home = ObjectId {
            group: Text::default(),
            kind: Text::new_static("Namespace"),
            namespace: Text::default(),
            name: id.namespace.clone(),
        };
        !id.namespace.is_empty() && self.wanted.objects.contains_key(&home) && !self.seen.seen.contains_key(&home)
    }

    fn missing(&mut self, id: &ObjectId, want: &Want) {
        let message = format!("{} is not there", id.called());
        let unit = want.unit.clone();
        let wanted = self.wanted;
        let found = self.push(&MISSING, want.tenant, want.place, Some(id), message);
        found.show = wanted.kubectl("get", id, "");
        found.diagnostic.fix = match unit {
            Some(unit) => {
                format!("Flux makes it at its next turn: {}", wanted.flux("reconcile", &unit, " --with-source"))
            }
            None => "apply the entry file, or put it where the cluster's bootstrap looks".into(),
        };
    }

    fn drifted(&mut self, id: &ObjectId, want: &Want, seen: &Seen, late: bool) {
        // Of what is not applied yet, only what somebody else changed.
        let foreign = |by: &Option<Manager>| by.as_ref().is_some_and(|m| m.name != "kustomize-controller");
        let all: Vec<_> = seen.differences.iter().filter(|d| !late || foreign(&d.by)).collect();
        let Some(first) = all.first() else { return };
        let mut message = format!("{}: ", id.called());
        message += &match (&first.wanted, &first.live) {
            (Some(wanted), Some(live)) => format!("{} is {live}, and {wanted} was rendered", first.path),
            (Some(wanted), None) => format!("{} is missing, and {wanted} was rendered", first.path),
            (None, live) => {
                format!("{} is {}, and nothing was rendered", first.path, live.as_deref().unwrap_or("there"))
            }
        };
        if let Some(by) = &first.by {
            message += &match first.live {
                Some(_) => format!("; set by {by}"),
                None => format!("; the last to change it was {by}"),
            };
        }
        if all.len() > 1 {
            let more: Vec<&str> = all[1..].iter().take(5).map(|d| d.path.as_str()).collect();
            message += &format!("; and {} more: {}", all.len() - 1, more.join(", "));
        }
        let since = first.by.as_ref().map(|m| m.time.clone()).unwrap_or_default();
        let wanted = self.wanted;
        let unit = want.unit.clone().unwrap_or_else(|| "tenantry".into());
        // What holds it is said of its own.
        let held = !seen.marks.is_empty() || seen.applied.as_ref().is_some_and(|a| a.suspended);
        let cannot_change = |d: &Difference| {
            d.path.starts_with("roleRef") || id.kind == "ResourceQuota" && d.path.starts_with("spec.scope")
        };
        let taken = |by: &Option<Manager>| by.as_ref().is_none_or(|m| FLUX_TAKES.iter().any(|f| m.name.starts_with(f)));
        let anew = all.iter().any(|d| cannot_change(d));
        let left = all.iter().any(|d| d.wanted.is_none() && !taken(&d.by));
        self.out.returns |= !held && !anew && !left;
        let found = self.push(&DRIFTED, want.tenant, want.place, Some(id), message);
        found.since = since;
        found.diagnostic.fix = match (held, anew, left) {
            (true, ..) => String::new(),
            (_, true, _) => {
                format!("it cannot be changed: {}, and Flux makes it anew", wanted.kubectl("delete", id, ""))
            }
            (.., true) => {
                format!("Flux leaves fields that others own: take it off, {}", wanted.kubectl("edit", id, ""))
            }
            _ => {
                let again = wanted.flux("reconcile", &unit, "");
                format!("Flux sets it back at its next turn: {again}; to keep it, change the spec")
            }
        };
    }

    /// Namespaces that were there before, and are nobody's to take.
    fn homes(&mut self) {
        for at in 0..self.wanted.tenants.len() as u32 {
            if !self.wanted.asks(Some(at)) {
                continue;
            }
            for (name, adopt, place) in &self.wanted.tenants[at as usize].namespaces {
                let Some(home) = self.seen.homes.get(name) else { continue };
                if home.owner.as_ref() == Some(&self.wanted.owner) || *adopt {
                    continue;
                }
                let whose = match &home.owner {
                    Some(other) => format!("belongs to the fleet `{other}`"),
                    None => "was there before, without our label".to_owned(),
                };
                let id =
                    ObjectId { group: "".into(), kind: "Namespace".into(), namespace: "".into(), name: name.clone() };
                let since = home.made.clone();
                let found =
                    self.push(&NOT_ADOPTED, Some(at), *place, Some(&id), format!("the namespace `{name}` {whose}"));
                found.since = since;
                found.diagnostic.fix =
                    "say `adopt: true` at the namespace to take it over, or choose another name".into();
            }
        }
    }

    fn strays(&mut self, behind: &Behind) {
        let mut beside = Vec::new();
        for stray in &self.seen.strays {
            let by = stray.by.as_ref().map(|m| format!("; last changed by {m}")).unwrap_or_default();
            let called = stray.id.called();
            let id = Some(&stray.id);
            match &stray.why {
                Why::Widens(tenant, what) | Why::Within(tenant, what) => {
                    let place = self.wanted.tenants[*tenant as usize].place;
                    // A hint: whoever makes an object may label it.
                    let labels = stray.applied_by.as_ref();
                    let applied = labels.map(|by| format!("; its labels say that {by} applies it")).unwrap_or_default();
                    let message = format!("{called} was not rendered, and {what}{applied}{by}");
                    let delete = self.wanted.kubectl("delete", &stray.id, "");
                    let fix = format!("declare it in the spec, or take it away where it comes from, or: {delete}");
                    let warns = matches!(stray.why, Why::Within(..));
                    let found = self.push(&FOREIGN, Some(*tenant), place, id, message);
                    found.since = stray.by.as_ref().map(|m| m.time.clone()).unwrap_or_default();
                    found.diagnostic.fix = fix;
                    if warns {
                        found.diagnostic.level = Level::Warning;
                    }
                }
                Why::Beside => beside.push(called),
                // What its Kustomization will prune once it has come so far is no fault.
                Why::Orphaned(_)
                    if stray
                        .applied_by
                        .as_ref()
                        .and_then(|by| by.strip_prefix(&format!("{}/", self.wanted.flux)))
                        .is_some_and(|unit| behind.contains_key(unit)) => {}
                Why::Orphaned(tenant) => {
                    let of = tenant.as_ref().map(|t| format!(" (of the tenant `{t}`)")).unwrap_or_default();
                    let message = format!("{called}{of} has our label, and nothing renders it{by}");
                    let fix = match &*stray.id.kind {
                        "Namespace" => "whoever owned it says whether it goes, and everything in it with it".to_owned(),
                        _ => format!("see that nobody uses it, then: {}", self.wanted.kubectl("delete", &stray.id, "")),
                    };
                    self.push(&ORPHANED, None, self.wanted.place, id, message).diagnostic.fix = fix;
                }
                Why::Released(claim) => {
                    let message = format!("{called} was of the claim {claim}, which is gone: its data is still there");
                    let fix =
                        "whoever owned the data says whether it is deleted: kubectl delete pv, and what it stands for";
                    self.push(&ORPHANED, None, self.wanted.place, id, message).diagnostic.fix = fix.into();
                }
            }
        }
        if let Some(first) = beside.first() {
            let more = if beside.len() > 1 { format!(" and {} more", beside.len() - 1) } else { String::new() };
            let message = format!(
                "{first}{more} stand over every namespace, and were not rendered: they may let through what ours hold"
            );
            let found = self.push(&FOREIGN, None, self.wanted.place, None, message);
            found.diagnostic.level = Level::Warning;
            found.diagnostic.fix = "see what they allow; what the proof can say of them: tenantry prove --live".into();
        }
    }

    /// What Argo CD brings into tenants' namespaces, and has not brought.
    fn applications(&mut self) {
        for (id, tenant, status) in &self.seen.applications {
            let place = self.wanted.tenants[*tenant as usize].place;
            let message = format!("{} is {}: {}", id.called(), status.reason, status.message);
            let found = self.push(&NOT_CONVERGED, Some(*tenant), place, Some(id), message);
            // It is the tenant's own, and nothing that was rendered.
            found.diagnostic.level = Level::Warning;
            found.diagnostic.fix = "mend what its message names; Argo CD tries again by itself".into();
        }
    }

    /// What could be listed, and not read.
    fn unread(&mut self) {
        for id in &self.seen.unread {
            let tenant = self.wanted.home(&id.namespace);
            let place = tenant.map_or(self.wanted.place, |t| self.wanted.tenants[t as usize].place);
            let message = format!("{} cannot be read (it is nested too deeply): nothing is known of it", id.called());
            self.push(&NOT_LISTED, tenant, place, Some(id), message).diagnostic.fix =
                "see what it is for; nothing that Flux applies needs to be so deep".into();
        }
    }

    /// How long something is being deleted, in seconds.
    fn age(&self, ending: &Ending) -> i64 {
        ending.since.parse::<Timestamp>().map_or(i64::MAX, |since| self.now.as_second() - since.as_second())
    }

    fn endings(&mut self) {
        for ending in &self.seen.endings {
            let age = self.age(ending);
            if age <= STUCK[0] {
                continue;
            }
            let place = ending.tenant.map_or(self.wanted.place, |t| self.wanted.tenants[t as usize].place);
            let message =
                format!("{} has been Terminating for {}: {}", ending.id.called(), length(age), held_by(ending));
            // What was rendered is not there for long.
            let wanted = self.wanted.objects.contains_key(&ending.id);
            let level = if wanted || age > STUCK[1] { Level::Error } else { STUCK_DELETION.level };
            let since = ending.since.clone();
            let found = self.push(&STUCK_DELETION, ending.tenant, place, Some(&ending.id), message);
            found.since = since;
            found.diagnostic.level = level;
            found.diagnostic.fix =
                "let whoever set the finalizer finish: see its logs, its rights, whether it still runs; \
                                    taking a finalizer off leaves behind what it would have cleaned up"
                    .into();
        }
    }

    fn rows(&mut self, behind: &Behind) {
        let wanted = self.wanted;
        let units: BTreeMap<u32, &Text> = wanted
            .objects
            .values()
            .filter_map(|w| Some((w.tenant?, w.unit.as_ref()?)))
            .filter(|(_, u)| !u.ends_with(".late") && *u != ENTRY)
            .collect();
        let applied = self.seen.seen.iter().filter(|(_, seen)| seen.applied.as_ref().is_some_and(|a| a.suspended));
        let suspended: BTreeSet<&Text> = applied.map(|(id, _)| &id.name).collect();
        let mut worst: BTreeMap<&Text, &Found> = BTreeMap::new();
        for found in self.out.found.iter().filter(|f| f.diagnostic.level == Level::Error) {
            let Some(tenant) = &found.tenant else { continue };
            // What will not mend itself comes first.
            let first = worst.entry(tenant).or_insert(found);
            if comes_by_itself(first) && !comes_by_itself(found) {
                *first = found;
            }
        }
        let ending: BTreeSet<u32> =
            self.seen.endings.iter().filter(|e| e.id.kind == "Namespace").filter_map(|e| e.tenant).collect();
        let mut rows = Vec::new();
        for (at, tenant) in wanted.tenants.iter().enumerate() {
            let at = at as u32;
            if !wanted.asks(Some(at)) {
                continue;
            }
            let unit = units.get(&at).copied();
            let suspended = unit.is_some_and(|u| suspended.contains(u));
            let first = worst.get(&tenant.name);
            let late = unit.and_then(|u| behind.get(u).or_else(|| behind.get(late_of(u).as_str())));
            let (phase, why) = match (ending.contains(&at), suspended, first, late) {
                (true, ..) => (Phase::Terminating, "a namespace of it is being deleted".to_owned()),
                (_, true, ..) => (Phase::Suspended, "its Kustomization is suspended".to_owned()),
                (_, _, Some(found), _) if !comes_by_itself(found) => (Phase::Error, found.diagnostic.message.clone()),
                (_, _, _, Some(why)) => (Phase::Pending, why.clone()),
                (_, _, Some(found), _) => (Phase::Pending, found.diagnostic.message.clone()),
                _ if !self.gaps.is_empty() => (Phase::Unknown, "not everything could be asked".to_owned()),
                _ => (Phase::Active, String::new()),
            };
            let since = match phase {
                Phase::Active => Text::default(),
                _ => first
                    .map(|f| f.since.clone())
                    .filter(|s| !s.is_empty())
                    .or_else(|| unit.and_then(|u| self.since.get(u)).cloned())
                    .unwrap_or_default(),
            };
            rows.push(Row {
                tenant: tenant.name.clone(),
                phase,
                uuid: tenant.uuid.clone(),
                namespaces: tenant.namespaces.iter().map(|(name, _, _)| name.clone()).collect(),
                why,
                since,
            });
        }
        rows.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        self.out.rows = rows;
    }
}

/// Whether Flux is on its way to mend what was found.
fn comes_by_itself(found: &Found) -> bool {
    found.diagnostic.level == Level::Error && [NOT_CONVERGED.id, MISSING.id].contains(&found.diagnostic.rule.id)
}

/// What kind of thing holds a Kustomization up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Suspended,
    Revision,
    Failing,
}

/// Why a Kustomization has not applied what was rendered. Of a commit, only a Git repository and an artifact that names the
/// commit it is made of can say whether they are at it.
fn held_up(
    applied: &Applied,
    status: &Status,
    (commit, content): (Option<&str>, Option<&Text>),
    source: Option<&SourceSeen>,
) -> Option<(String, Cause)> {
    let [ready, reason, message, _] = &applied.ready;
    if applied.suspended {
        return Some(("is suspended: nothing is applied, and nothing set back".into(), Cause::Suspended));
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
        return Some((format!("has applied `{}`, and its source holds `{held}`", applied.revision), Cause::Revision));
    }
    // What a unit's own artifact holds may be older than the commit, and the same.
    if let Some(content) = content {
        let holds = source.map_or("", |s| s.content.as_str());
        let why = match holds {
            "" => Some("has applied an artifact that does not say of what files it is made".to_owned()),
            other if other != *content => {
                Some(format!("has applied an artifact of the files `{other}`, and `{content}` were rendered"))
            }
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
        return Some((format!("has applied `{origin}`, and `{commit}` was rendered"), Cause::Revision));
    }
    let at_work = format!("is at work: {} {}", status.reason, status.message);
    (status.stage != Stage::Current).then(|| (at_work.trim_end().to_owned(), Cause::Failing))
}

/// What a deletion waits for, and who that is.
fn held_by(ending: &Ending) -> String {
    let mut all: Vec<String> = ending
        .finalizers
        .iter()
        .map(|finalizer| match owner_of(finalizer) {
            Some(owner) => format!("the finalizer `{finalizer}`, of {owner}"),
            None => format!("the finalizer `{finalizer}`"),
        })
        .collect();
    all.extend(ending.conditions.iter().cloned());
    if all.is_empty() { "nothing of it says why".into() } else { all.join("; ") }
}

/// Whose a finalizer is, of those that are often met.
fn owner_of(finalizer: &str) -> Option<&'static str> {
    const OWNERS: [(&str, &str); 15] = [
        ("kubernetes.io/pvc-protection", "kube-controller-manager, while a pod uses the claim"),
        ("kubernetes.io/pv-protection", "kube-controller-manager, while a claim is bound to the volume"),
        ("kubernetes", "the namespace controller, until everything in it is gone"),
        ("foregroundDeletion", "the garbage collector, until what it owns is gone"),
        ("orphan", "the garbage collector"),
        ("service.kubernetes.io/load-balancer-cleanup", "the cloud's controller manager"),
        ("finalizers.fluxcd.io", "Flux: the controller of its kind, which needs its service account to prune"),
        ("resources-finalizer.argocd.argoproj.io", "Argo CD's application controller"),
        ("externalsecrets.external-secrets.io/externalsecret-cleanup", "the External Secrets Operator"),
        ("external-attacher/", "the CSI driver's attacher"),
        ("snapshot.storage.kubernetes.io/", "the snapshot controller"),
        ("batch.kubernetes.io/job-tracking", "the job controller"),
        ("ingress.k8s.aws/", "the AWS load balancer controller"),
        ("elbv2.k8s.aws/", "the AWS load balancer controller"),
        ("networking.gke.io/", "GKE's ingress controller"),
    ];
    OWNERS
        .iter()
        .find(|(name, _)| finalizer == *name || name.ends_with('/') && finalizer.starts_with(name))
        .map(|(_, owner)| *owner)
}

/// A length of time, for people.
fn length(seconds: i64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

//! What should be there × what a server answered → what is wrong, and how far each tenant has come.

use super::deletion::{STUCK, held_by};
use super::desired::{Desired, DesiredObject};
use super::drift::{FieldDifference, Manager};
use super::finding::LiveFinding;
use super::observe::{Ending, Observations, Observed};
use super::progress::{BehindReasons, progress};
use super::rules::*;
use super::status::Stage;
use super::{ListError, plugin, versions};
use crate::diagnostic::{Diagnostic, Level, Rule, Scope};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::tree::{ENTRY, late_of};
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
pub struct TenantRow {
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
pub struct LiveReport {
    /// The tenants, by name.
    pub rows: Vec<TenantRow>,
    /// What was found.
    pub found: Vec<LiveFinding>,
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

impl LiveReport {
    /// Whether the cluster has become what was rendered.
    pub fn is_converged(&self) -> bool {
        self.behind == 0 && self.left_out == 0 && !self.is_wrong()
    }

    /// Whether something that is reported says that it has not.
    pub fn is_wrong(&self) -> bool {
        self.found
            .iter()
            .any(|f| f.diagnostic.level == Level::Error)
    }

    /// Adds what could not be had.
    pub fn push_gap(&mut self, wanted: &Desired, gap: &ListError) {
        self.found.push(LiveFinding {
            diagnostic: Diagnostic::new(&NOT_LISTED, wanted.span, gap.message())
                .fix(gap.fix.clone())
                .scope(Scope::Fleet),
            tenant: None,
            object: String::new(),
            show: if gap.command.is_empty() {
                String::new()
            } else {
                wanted.here(&gap.command)
            },
            since: Text::default(),
        });
        for row in self
            .rows
            .iter_mut()
            .filter(|row| row.phase == Phase::Active)
        {
            row.phase = Phase::Unknown;
            row.why = NOT_ASKED.to_owned();
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
        self.behind > 0 || self.returns || self.found.iter().any(is_transient)
    }
}

/// Why nothing is known of a tenant.
const NOT_ASKED: &str = "not everything could be asked";

/// Managers whose fields Flux takes over.
/// Source: kustomize-controller, `ssa.ApplyCleanupOptions` of its reconciler.
const FLUX_TAKES: [&str; 4] = [
    "kubectl",
    "before-first-apply",
    "kustomize-controller",
    "gotk-",
];

/// Judges what a server answered. `commit` is the one that was rendered, where that is known.
pub fn compare(
    wanted: &Desired,
    seen: &Observations,
    gaps: &[ListError],
    commit: Option<&str>,
    now: Timestamp,
) -> LiveReport {
    let mut comparison = Comparison {
        wanted,
        seen,
        gaps,
        now,
        out: LiveReport::default(),
        since: BTreeMap::new(),
    };

    comparison.gaps();
    let is_quiet = comparison.out.found.is_empty();
    let progress = progress(wanted, seen, gaps, commit, is_quiet);
    comparison.out.found.extend(progress.found);
    comparison.out.revision = progress.revision;
    comparison.since = progress.since;
    let behind = progress.behind;
    comparison.out.behind = behind.len();
    comparison.objects(&behind);
    comparison.homes();
    comparison.strays(&behind);
    comparison.unread();
    comparison.applications();
    comparison.endings();
    comparison
        .out
        .found
        .extend(versions::check(wanted, &seen.images));

    if wanted.only.is_none()
        && !gaps.iter().any(|g| {
            g.hides("apps", "DaemonSet")
                || g.hides("apiextensions.k8s.io", "CustomResourceDefinition")
        })
    {
        comparison
            .out
            .found
            .extend(plugin::check(wanted, &seen.definitions, &seen.daemon_sets));
    }

    comparison.rows(&behind);
    let key = |f: &LiveFinding| {
        (
            f.diagnostic.rule.id,
            f.tenant.clone(),
            f.object.clone(),
            f.diagnostic.message.clone(),
        )
    };

    comparison
        .out
        .found
        .sort_by_key(|f| (std::cmp::Reverse(f.diagnostic.level), key(f)));

    comparison.out.counts[2] = seen.count;
    comparison.out
}

pub(super) struct Comparison<'a> {
    pub(super) wanted: &'a Desired,
    pub(super) seen: &'a Observations,
    pub(super) gaps: &'a [ListError],
    pub(super) now: Timestamp,
    pub(super) out: LiveReport,
    /// Since when a unit is as it is.
    pub(super) since: BTreeMap<Text, Text>,
}

impl Comparison<'_> {
    pub(super) fn push(
        &mut self,
        rule: &'static Rule,
        tenant: Option<u32>,
        span: Span,
        id: Option<&ObjectId>,
        message: String,
    ) -> &mut LiveFinding {
        let found = LiveFinding::new(self.wanted, rule, tenant, span, id, message);
        self.out.found.push(found);
        let at = self.out.found.len() - 1;
        &mut self.out.found[at]
    }

    fn gaps(&mut self) {
        // Lists that one thing would bring are one finding.
        let mut by_fix: BTreeMap<&str, Vec<&ListError>> = BTreeMap::new();
        for gap in self.gaps {
            by_fix.entry(&gap.fix).or_default().push(gap);
        }
        for gaps in by_fix.into_values() {
            self.out.push_gap(self.wanted, gaps[0]);
            if let (Some(found), [_, more @ ..]) = (self.out.found.last_mut(), gaps.as_slice())
                && !more.is_empty()
            {
                let kinds: Vec<String> = more.iter().map(|gap| gap.what()).collect();
                found.diagnostic.message += &format!("; nor could {}", kinds.join(", "));
            }
        }
    }

    /// Whether a kind could not be listed, so that nothing is known of its objects.
    pub(super) fn hidden(&self, id: &ObjectId) -> bool {
        self.gaps.iter().any(|gap| gap.hides(&id.group, &id.kind))
    }

    fn objects(&mut self, behind: &BehindReasons) {
        let wanted = self.wanted;
        let endings: HashMap<&ObjectId, &Ending> =
            self.seen.endings.iter().map(|e| (&e.id, e)).collect();
        let objects = wanted.objects.iter().enumerate();

        for (at, (id, want)) in objects.filter(|(_, (id, want))| wanted.in_scope(id, want)) {
            self.out.counts[0] += 1;
            if self.hidden(id) {
                continue;
            }
            let late = want.unit.as_ref().and_then(|unit| behind.get(unit));

            if !self.seen.there.contains(at) {
                // What its Kustomization has not applied yet is no fault of its own.
                if late.is_none() && !self.namespace_missing(id) && !self.seen.unread.contains(id) {
                    self.missing(id, want);
                }
                continue;
            }

            let Some(seen) = self.seen.seen.get(&at) else {
                self.out.counts[1] += 1;
                continue;
            };

            let before = self.out.found.len();
            self.drifted(id, want, seen, late.is_some());

            for mark in &seen.marks {
                let by = mark
                    .by
                    .as_ref()
                    .map(|m| format!("; last changed by {m}"))
                    .unwrap_or_default();
                let what = format!("`{}: {}`", mark.key, mark.value);
                let message = format!(
                    "{} is marked {what}: Flux leaves it as it is, or leaves it behind{by}",
                    id.called()
                );
                let found = self.push(&FROZEN, want.tenant, want.span, Some(id), message);
                found.diagnostic.fix = format!(
                    "take it off: {}",
                    wanted.kubectl(mark.verb, id, &format!(" {}-", mark.key))
                );
            }

            // Where it has been for long, that is said as of everything that is.
            let ends = seen.status.stage == Stage::Terminating;
            let ending = if ends { endings.get(id).copied() } else { None };

            if ends && ending.is_none_or(|e| self.age(e) <= STUCK[0]) {
                let by = ending
                    .map(|e| format!(": {}", held_by(e)))
                    .unwrap_or_default();
                let message = format!("{} is being deleted{by}", id.called());
                let found = self.push(&NOT_CONVERGED, want.tenant, want.span, Some(id), message);
                found.diagnostic.fix = "once it is gone, Flux makes it again".into();
            }

            if !wanted.is_applier(id)
                && matches!(seen.status.stage, Stage::InProgress | Stage::Failed)
            {
                let message = format!(
                    "{} is not ready: {} {}",
                    id.called(),
                    seen.status.reason,
                    seen.status.message
                );
                let found = self.push(
                    &NOT_CONVERGED,
                    want.tenant,
                    want.span,
                    Some(id),
                    message.trim_end().to_owned(),
                );
                found.diagnostic.fix =
                    "its own controller says why: mend what its status names".into();
            }

            if self.out.found.len() == before {
                self.out.counts[1] += 1;
            }
        }
    }

    /// Whether the namespace of an object is missing too, which says it all.
    fn namespace_missing(&self, id: &ObjectId) -> bool {
        let home = ObjectId::of_namespace(id.namespace.clone());
        let at = || self.wanted.objects.get_index_of(&home);
        !id.namespace.is_empty() && at().is_some_and(|at| !self.seen.there.contains(at))
    }

    fn missing(&mut self, id: &ObjectId, want: &DesiredObject) {
        let message = format!("{} is not there", id.called());
        let unit = want.unit.clone();
        let wanted = self.wanted;
        let found = self.push(&MISSING, want.tenant, want.span, Some(id), message);
        found.show = wanted.kubectl("get", id, "");
        found.diagnostic.fix = match unit {
            Some(unit) => {
                format!(
                    "Flux makes it at its next turn: {}",
                    wanted.flux("reconcile", &unit, " --with-source")
                )
            }
            None => "apply the entry file, or put it where the cluster's bootstrap looks".into(),
        };
    }

    fn drifted(&mut self, id: &ObjectId, want: &DesiredObject, seen: &Observed, late: bool) {
        // Of what is not applied yet, only what somebody else changed.
        let foreign = |by: &Option<Manager>| {
            by.as_ref()
                .is_some_and(|m| m.name != "kustomize-controller")
        };

        let all: Vec<_> = seen
            .differences
            .iter()
            .filter(|d| !late || foreign(&d.by))
            .collect();

        let Some(first) = all.first() else { return };
        let mut message = format!("{}: ", id.called());
        message += &match (&first.wanted, &first.live) {
            (Some(wanted), Some(live)) => {
                format!("{} is {live}, and {wanted} was rendered", first.path)
            }
            (Some(wanted), None) => format!("{} is missing, and {wanted} was rendered", first.path),
            (None, live) => {
                format!(
                    "{} is {}, and nothing was rendered",
                    first.path,
                    live.as_deref().unwrap_or("there")
                )
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

        let since = first
            .by
            .as_ref()
            .map(|m| m.time.clone())
            .unwrap_or_default();

        let wanted = self.wanted;
        let unit = want.unit.clone().unwrap_or_else(|| ENTRY.into());
        // What holds it is said of its own.
        let held = !seen.marks.is_empty() || seen.applied.as_ref().is_some_and(|a| a.suspended);
        let cannot_change = |d: &FieldDifference| {
            d.path.starts_with("roleRef")
                || id.kind == "ResourceQuota" && d.path.starts_with("spec.scope")
        };

        let taken = |by: &Option<Manager>| {
            by.as_ref()
                .is_none_or(|m| FLUX_TAKES.iter().any(|f| m.name.starts_with(f)))
        };

        let anew = all.iter().any(|d| cannot_change(d));
        let left = all.iter().any(|d| d.wanted.is_none() && !taken(&d.by));
        self.out.returns |= !held && !anew && !left;
        let found = self.push(&DRIFTED, want.tenant, want.span, Some(id), message);
        found.since = since;

        found.diagnostic.fix = match (held, anew, left) {
            (true, ..) => String::new(),
            (_, true, _) => {
                format!(
                    "it cannot be changed: {}, and Flux makes it anew",
                    wanted.kubectl("delete", id, "")
                )
            }
            (.., true) => {
                format!(
                    "Flux leaves fields that others own: take it off, {}",
                    wanted.kubectl("edit", id, "")
                )
            }
            _ => {
                let again = wanted.flux("reconcile", &unit, "");
                format!("Flux sets it back at its next turn: {again}; to keep it, change the spec")
            }
        };
    }

    /// How long something is being deleted, in seconds.
    pub(super) fn age(&self, ending: &Ending) -> i64 {
        ending
            .since
            .parse::<Timestamp>()
            .map_or(i64::MAX, |since| self.now.as_second() - since.as_second())
    }

    fn rows(&mut self, behind: &BehindReasons) {
        let wanted = self.wanted;
        let units: BTreeMap<u32, &Text> = wanted
            .objects
            .values()
            .filter_map(|w| Some((w.tenant?, w.unit.as_ref()?)))
            .filter(|(_, u)| !u.ends_with(".late") && *u != ENTRY)
            .collect();

        let applied = self
            .seen
            .seen
            .iter()
            .filter(|(_, seen)| seen.applied.as_ref().is_some_and(|a| a.suspended));

        let named = applied.filter_map(|(at, _)| wanted.objects.get_index(*at));
        let suspended: BTreeSet<&Text> = named.map(|(id, _)| &id.name).collect();
        let mut worst: BTreeMap<&Text, &LiveFinding> = BTreeMap::new();

        for found in self
            .out
            .found
            .iter()
            .filter(|f| f.diagnostic.level == Level::Error)
        {
            let Some(tenant) = &found.tenant else {
                continue;
            };
            // What will not mend itself comes first.
            let first = worst.entry(tenant).or_insert(found);
            if is_transient(first) && !is_transient(found) {
                *first = found;
            }
        }

        let ending: BTreeSet<u32> = self
            .seen
            .endings
            .iter()
            .filter(|e| e.id.kind == "Namespace")
            .filter_map(|e| e.tenant)
            .collect();

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
                (true, ..) => (
                    Phase::Terminating,
                    "a namespace of it is being deleted".to_owned(),
                ),
                (_, true, ..) => (
                    Phase::Suspended,
                    "its Kustomization is suspended".to_owned(),
                ),
                (_, _, Some(found), _) if !is_transient(found) => {
                    (Phase::Error, found.diagnostic.message.clone())
                }
                (_, _, _, Some(why)) => (Phase::Pending, why.clone()),
                (_, _, Some(found), _) => (Phase::Pending, found.diagnostic.message.clone()),
                _ if !self.gaps.is_empty() => (Phase::Unknown, NOT_ASKED.to_owned()),
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

            rows.push(TenantRow {
                tenant: tenant.name.clone(),
                phase,
                uuid: tenant.uuid.clone(),
                namespaces: tenant
                    .namespaces
                    .iter()
                    .map(|(name, _, _)| name.clone())
                    .collect(),
                why,
                since,
            });
        }

        rows.sort_by(|a, b| a.tenant.cmp(&b.tenant));
        self.out.rows = rows;
    }
}

/// Whether Flux is on its way to mend what was found.
fn is_transient(found: &LiveFinding) -> bool {
    found.diagnostic.level == Level::Error
        && [NOT_CONVERGED.id, MISSING.id].contains(&found.diagnostic.rule.id)
}

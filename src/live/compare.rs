//! Compares the objects that should be in a cluster with a server's answers: what is wrong, and how
//! far each tenant has come.

use super::deletion::{WARNING_AFTER, age, held_by};
use super::desired::{Desired, DesiredObject};
use super::drift::{FieldDifference, Manager};
use super::engine::{self, BehindReasons, Progress};
use super::finding::LiveFinding;
use super::observe::{Ending, FoundMark, Observations, Observed};
use super::rules::{DRIFTED, FROZEN, MISSING, NOT_CONVERGED, NOT_LISTED};
use super::status::Stage;
use super::tenants::{NOT_ASKED, Phase, TenantRow, is_transient, tenant_rows};
use super::{ListError, plugin, unmanaged, versions};
use crate::diagnostic::{Level, Rule};
use crate::kube::{ObjectId, kinds};
use crate::tree::ENTRY;
use crate::value::Text;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Numbers of objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ComparedObjects {
    /// The objects that should be there.
    pub rendered: usize,
    /// The rendered objects that are there as rendered.
    pub as_rendered: usize,
    /// The live objects that were looked at.
    pub looked_at: usize,
}

/// What was found in a cluster.
#[derive(Debug, Default)]
pub struct LiveReport {
    /// The tenants, by name.
    pub rows: Vec<TenantRow>,
    /// What was found.
    pub found: Vec<LiveFinding>,
    /// The numbers of objects.
    pub counts: ComparedObjects,
    /// How many of the engine's objects have not applied what was rendered.
    pub behind: usize,
    /// How many of the proof's questions have the answer unknown.
    pub unknown: usize,
    /// Whether something differs that the engine sets back at its next turn.
    pub returns: bool,
    /// Whether a list failed that the server may answer when it is asked again.
    pub gaps_may_pass: bool,
    /// How many errors are left out of `found`, because they were not asked for.
    pub left_out: usize,
    /// The revision that the engine has applied, if all its objects agree on one.
    pub revision: Option<Text>,
}

impl LiveReport {
    /// Whether the cluster has become what was rendered.
    pub fn is_converged(&self) -> bool {
        self.behind == 0 && self.left_out == 0 && !self.is_wrong()
    }

    /// Whether an error is reported.
    pub fn is_wrong(&self) -> bool {
        let mut levels = self.found.iter().map(|found| found.diagnostic.level);
        levels.any(|level| level == Level::Error)
    }

    /// Adds a list that could not be read.
    pub fn push_gap(&mut self, wanted: &Desired, gap: &ListError) {
        let mut found =
            LiveFinding::new(wanted, &NOT_LISTED, gap.message()).with_fix(gap.fix.clone());
        if !gap.command.is_empty() {
            found.show = wanted.here(&gap.command);
        }
        self.found.push(found);
        self.gaps_may_pass |= gap.may_pass;

        let active = self.rows.iter_mut();
        for row in active.filter(|row| row.phase == Phase::Active) {
            row.phase = Phase::Unknown;
            row.why = NOT_ASKED.to_owned();
        }
    }

    /// Keeps the findings of the rules that are asked for, and counts the errors that it leaves out.
    pub fn keep(&mut self, asked: impl Fn(&str) -> bool) {
        self.found.retain(|found| {
            let keeps = asked(found.diagnostic.rule.id);
            let is_error = found.diagnostic.level == Level::Error;
            self.left_out += usize::from(!keeps && is_error);
            keeps
        });
    }

    /// Whether waiting may help: something is on its way.
    pub fn is_moving(&self) -> bool {
        self.behind > 0 || self.returns || self.gaps_may_pass || self.found.iter().any(is_transient)
    }
}

/// Compares the objects that should be there with a server's answers. `gaps` are the lists that could
/// not be read; `commit` is the one that was rendered, if that is known.
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
    };

    comparison.report_gaps();
    let is_quiet = comparison.out.found.is_empty();
    let mut progress = engine::progress(wanted, seen, gaps, commit, is_quiet);
    let out = &mut comparison.out;
    out.found.append(&mut progress.found);
    out.revision = progress.revision.take();
    out.behind = progress.behind.len();

    comparison.compare_objects(&progress.behind);
    let unmanaged = unmanaged::check(wanted, seen, &progress.behind, now);
    comparison.out.found.extend(unmanaged);
    comparison.check_cluster();

    comparison.finish(&progress)
}

/// The most kinds that a finding about lists names; the report in JSON has all of them.
const MAX_KINDS_NAMED: usize = 50;

/// A comparison under way.
struct Comparison<'a> {
    wanted: &'a Desired,
    seen: &'a Observations,
    gaps: &'a [ListError],
    now: Timestamp,
    out: LiveReport,
}

impl Comparison<'_> {
    /// Reports the lists that could not be read. Lists with one fix are one finding.
    fn report_gaps(&mut self) {
        let mut by_fix: BTreeMap<&str, Vec<&ListError>> = BTreeMap::new();
        for gap in self.gaps {
            by_fix.entry(&gap.fix).or_default().push(gap);
        }

        for gaps in by_fix.into_values() {
            self.out.push_gap(self.wanted, gaps[0]);
            self.out.gaps_may_pass |= gaps.iter().any(|gap| gap.may_pass);

            // With `--tenant`, a kind has a list for each namespace.
            let first = gaps[0].what();
            let more: BTreeSet<String> = gaps.iter().map(|gap| gap.what()).collect();
            let mut more: Vec<String> = more.into_iter().filter(|what| *what != first).collect();
            let left_out = more.len().saturating_sub(MAX_KINDS_NAMED);
            if left_out > 0 {
                more.truncate(MAX_KINDS_NAMED);
                more.push(format!("{left_out} more kinds"));
            }
            if let Some(found) = self.out.found.last_mut()
                && !more.is_empty()
            {
                found.diagnostic.message += &format!("; nor could {}", more.join(", "));
            }
        }
    }

    /// Whether a kind could not be listed, so that nothing is known of its objects.
    fn is_hidden(&self, group: &str, kind: &str) -> bool {
        self.gaps.iter().any(|gap| gap.hides(group, kind))
    }

    /// Compares each rendered object with its live one.
    fn compare_objects(&mut self, behind: &BehindReasons) {
        let (wanted, seen) = (self.wanted, self.seen);
        let endings: HashMap<&ObjectId, &Ending> = seen
            .endings
            .iter()
            .map(|ending| (&ending.id, ending))
            .collect();

        for (at, (id, want)) in wanted.objects.iter().enumerate() {
            if !wanted.in_scope(id, want) {
                continue;
            }

            self.out.counts.rendered += 1;
            if self.is_hidden(&id.group, &id.kind) {
                continue;
            }

            let unit = want.unit.as_ref();
            let is_behind = unit.is_some_and(|unit| behind.contains_key(unit));
            if !seen.there.contains(at) {
                // If the engine has not applied an object yet, its absence is no fault of its own.
                if !is_behind && !self.namespace_missing(id) && !seen.unread.contains(id) {
                    self.report_missing(id, want);
                }
                continue;
            }

            let before = self.out.found.len();
            if let Some(observed) = seen.seen.get(&at) {
                self.report_drift(id, want, observed, is_behind);
                self.report_marks(id, want, &observed.marks);
                self.report_status(id, want, observed, endings.get(id).copied());
            }
            self.out.counts.as_rendered += usize::from(self.out.found.len() == before);
        }
    }

    /// Whether the namespace of an object is missing too. That is reported once, for the namespace.
    fn namespace_missing(&self, id: &ObjectId) -> bool {
        let home = ObjectId::of_namespace(id.namespace.clone());
        let at = || self.wanted.objects.get_index_of(&home);
        !id.namespace.is_empty() && at().is_some_and(|at| !self.seen.there.contains(at))
    }

    /// A finding about a rendered object.
    fn found(
        &self,
        rule: &'static Rule,
        id: &ObjectId,
        want: &DesiredObject,
        message: String,
    ) -> LiveFinding {
        LiveFinding::new(self.wanted, rule, message)
            .of_tenant(self.wanted, want.tenant)
            .at(want.span)
            .about(self.wanted, id)
    }

    fn report_missing(&mut self, id: &ObjectId, want: &DesiredObject) {
        let wanted = self.wanted;
        let fix = match &want.unit {
            Some(unit) => format!(
                "{} makes it at its next turn: {}",
                engine::title(wanted),
                engine::apply_now(wanted, unit, true)
            ),
            None => "apply the entry file, or put it where the cluster's bootstrap looks".into(),
        };

        let message = format!("{} is not there", id.called());
        let found = self.found(&MISSING, id, want, message);
        let show = wanted.kubectl("get", id, "");
        self.out.found.push(found.with_show(show).with_fix(fix));
    }

    /// Reports the fields that are not as rendered. While the engine is behind, only the fields that
    /// somebody else changed count.
    fn report_drift(
        &mut self,
        id: &ObjectId,
        want: &DesiredObject,
        seen: &Observed,
        is_behind: bool,
    ) {
        let wanted = self.wanted;
        let is_foreign = |by: &Option<Manager>| {
            by.as_ref()
                .is_some_and(|manager| !engine::is_own_manager(wanted, &manager.name))
        };

        let differences: Vec<&FieldDifference> = seen
            .differences
            .iter()
            .filter(|difference| !is_behind || is_foreign(&difference.by))
            .collect();

        let Some(first) = differences.first() else {
            return;
        };

        let remedy = Remedy::of(wanted, id, seen, &differences);
        self.out.returns |= remedy == Remedy::SetBack;

        let since = first.by.as_ref().map(|manager| manager.time.clone());
        let message = drift_message(id, first, &differences[1..]);
        let found = self
            .found(&DRIFTED, id, want, message)
            .with_since(since.unwrap_or_default())
            .with_fix(remedy.fix(wanted, id, want));
        self.out.found.push(found);
    }

    /// Reports the marks by which the engine leaves an object alone.
    fn report_marks(&mut self, id: &ObjectId, want: &DesiredObject, marks: &[FoundMark]) {
        let wanted = self.wanted;
        for mark in marks {
            let by = mark.by.as_ref();
            let by = by.map_or_else(String::new, |by| format!("; last changed by {by}"));
            let message = format!(
                "{} is marked `{}: {}`: {} leaves it as it is, or leaves it behind{by}",
                id.called(),
                mark.key,
                mark.value,
                engine::title(wanted)
            );

            let command = wanted.kubectl(mark.verb, id, &format!(" {}-", mark.key));
            let found = self.found(&FROZEN, id, want, message);
            let found = found.with_fix(format!("take it off: {command}"));
            self.out.found.push(found);
        }
    }

    /// Reports an object that is being deleted, or is not ready. A deletion that has lasted for long
    /// is reported by [`unmanaged`].
    fn report_status(
        &mut self,
        id: &ObjectId,
        want: &DesiredObject,
        seen: &Observed,
        ending: Option<&Ending>,
    ) {
        let wanted = self.wanted;
        let status = &seen.status;

        match status.stage {
            Stage::Current => {}
            Stage::Terminating => {
                if ending.is_some_and(|ending| age(ending, self.now) > WARNING_AFTER) {
                    return;
                }
                let by = ending.map_or_else(String::new, |e| format!(": {}", held_by(e)));
                let message = format!("{} is being deleted{by}", id.called());
                let fix = format!("once it is gone, {} makes it again", engine::title(wanted));
                let found = self.found(&NOT_CONVERGED, id, want, message);
                self.out.found.push(found.with_fix(fix));
            }
            // How far the engine's own objects have come is reported by its progress.
            Stage::InProgress | Stage::Failed if wanted.is_applier(id) => {}
            Stage::InProgress | Stage::Failed => {
                let (reason, text) = (&status.reason, &status.message);
                let message = format!("{} is not ready: {reason} {text}", id.called());
                let found = self.found(&NOT_CONVERGED, id, want, message.trim_end().to_owned());
                let fix = "its own controller says why: mend what its status names";
                self.out.found.push(found.with_fix(fix));
            }
        }
    }

    /// Checks the versions of the controllers, and the network plugin.
    fn check_cluster(&mut self) {
        let (wanted, seen) = (self.wanted, self.seen);
        self.out.found.extend(versions::check(wanted, &seen.images));

        let is_hidden = self.is_hidden("apps", "DaemonSet")
            || self.is_hidden("apiextensions.k8s.io", "CustomResourceDefinition");
        if wanted.only.is_none() && !is_hidden {
            let found = plugin::check(wanted, &seen.definitions, &seen.daemon_sets);
            self.out.found.extend(found);
        }
    }

    /// Adds the rows of the tenants, and sorts the findings.
    fn finish(self, progress: &Progress) -> LiveReport {
        let mut out = self.out;
        let is_complete = self.gaps.is_empty();

        out.rows = tenant_rows(self.wanted, self.seen, progress, &out.found, is_complete);
        out.counts.looked_at = self.seen.count;
        out.found.sort_by_cached_key(|found| {
            let diagnostic = &found.diagnostic;
            (
                Reverse(diagnostic.level),
                diagnostic.rule.id,
                found.tenant.clone(),
                found.object.clone(),
                diagnostic.message.clone(),
            )
        });
        out
    }
}

/// Says which fields of an object are not as rendered.
fn drift_message(id: &ObjectId, first: &FieldDifference, more: &[&FieldDifference]) -> String {
    let path = &first.path;
    let mut message = format!("{}: ", id.called());
    message += &match (&first.wanted, &first.live) {
        (Some(wanted), Some(live)) => format!("{path} is {live}, and {wanted} was rendered"),
        (Some(wanted), None) => format!("{path} is missing, and {wanted} was rendered"),
        (None, live) => {
            let live = live.as_deref().unwrap_or("there");
            format!("{path} is {live}, and nothing was rendered")
        }
    };

    if let Some(by) = &first.by {
        message += &match first.live {
            Some(_) => format!("; set by {by}"),
            None => format!("; the last to change it was {by}"),
        };
    }

    if !more.is_empty() {
        let paths: Vec<&str> = more.iter().take(5).map(|d| d.path.as_str()).collect();
        message += &format!("; and {} more: {}", more.len(), paths.join(", "));
    }
    message
}

/// How a changed object becomes again what was rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// A mark or a suspension keeps the engine away; that has a finding of its own.
    Release,
    /// The object has to be deleted, since the server lets nobody change the field.
    Recreate,
    /// Somebody has to remove the field, since the engine leaves fields of other managers.
    Remove,
    /// The engine sets it back by itself.
    SetBack,
}

impl Remedy {
    fn of(
        wanted: &Desired,
        id: &ObjectId,
        seen: &Observed,
        differences: &[&FieldDifference],
    ) -> Self {
        let is_suspended = seen.applied.as_ref().is_some_and(|state| state.suspended);
        if is_suspended || !seen.marks.is_empty() {
            return Self::Release;
        }

        let immutable = kinds::immutable(id);
        let cannot_change = |d: &FieldDifference| immutable.iter().any(|field| d.is_within(field));
        if differences.iter().any(|d| cannot_change(d)) {
            return Self::Recreate;
        }

        let is_overridden = |by: &Option<Manager>| {
            by.as_ref()
                .is_none_or(|manager| engine::overrides(wanted, &manager.name))
        };
        let is_left = |d: &FieldDifference| d.wanted.is_none() && !is_overridden(&d.by);
        match differences.iter().any(|d| is_left(d)) {
            true => Self::Remove,
            false => Self::SetBack,
        }
    }

    fn fix(self, wanted: &Desired, id: &ObjectId, want: &DesiredObject) -> String {
        let title = engine::title(wanted);
        match self {
            Self::Release => String::new(),
            Self::Recreate => {
                let delete = wanted.kubectl("delete", id, "");
                format!("it cannot be changed: {delete}, and {title} makes it anew")
            }
            Self::Remove => {
                let edit = wanted.kubectl("edit", id, "");
                format!("{title} leaves fields that others own: take it off, {edit}")
            }
            Self::SetBack => {
                let unit = want.unit.as_deref().unwrap_or(ENTRY);
                let apply = engine::apply_now(wanted, unit, false);
                format!(
                    "{title} sets it back at its next turn: {apply}; to keep it, change the spec"
                )
            }
        }
    }
}

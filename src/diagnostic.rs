//! Rules, and what is found by them.
//!
//! This module names no rule: a rule is a `static` beside the code that finds its fault, and only
//! [`crate::catalog`] names them all.

use crate::span::{SourceId, SourceMap, Span};
use std::borrow::Cow;
use std::collections::HashMap;

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is left unsaid that a reader of the result should know.
    Note,
    /// Wrong soon, or in a part of the cases.
    Warning,
    /// Wrong: the tenant's files are held.
    Error,
}

impl Level {
    /// `error`, `warning` or `note`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A fault that can be found: its name is API, its doc comment is the manual that `explain` prints.
#[derive(Debug)]
pub struct Rule {
    /// `<area>/<fault>`.
    pub id: &'static str,
    /// The level that a finding has unless the code that finds it says otherwise.
    pub level: Level,
    /// The manual of the rule, in Markdown: its doc comment.
    pub doc: &'static str,
    /// The path of the module that declares it.
    pub module: &'static str,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Rule {}

/// Declares a rule: `rule! { /// manual  pub static NAME = "area/fault", Error; }`.
macro_rules! rule {
    ($(#[doc = $doc:literal])+ pub static $name:ident = $id:literal, $level:ident;) => {
        $(#[doc = $doc])+
        pub static $name: $crate::diagnostic::Rule = $crate::diagnostic::Rule {
            id: $id,
            level: $crate::diagnostic::Level::$level,
            doc: concat!($($doc, "\n"),+),
            module: module_path!(),
        };
    };
}
pub(crate) use rule;

/// Whom a finding concerns: what is held because of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything: the run stops.
    Fleet,
    /// The tenant of this name.
    Tenant(String),
    /// The tenant of this name, which is rendered all the same: without the thing that the finding
    /// is about.
    TenantInPart(String),
    /// The tenants that the lock remembers from this file.
    File(SourceId),
}

/// Another place that belongs to a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Related {
    /// The place.
    pub span: Span,
    /// The text beside the place.
    pub label: String,
}

/// One finding: a rule, one primary place, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The fault.
    pub rule: &'static Rule,
    /// The severity here, which a stage may lower.
    pub level: Level,
    /// One line, without a final stop.
    pub message: String,
    /// The primary place.
    pub span: Span,
    /// The text under the line of the place; may be empty.
    pub label: String,
    /// Other places.
    pub related: Vec<Related>,
    /// More about it, a line each; two findings are not told apart by it.
    pub notes: Vec<String>,
    /// The fix, or the reason why none is needed; may be empty.
    pub fix: String,
    /// Whom it concerns.
    pub scope: Scope,
}

impl Diagnostic {
    /// A finding of a rule at a place, at the rule's own level, that concerns the file it lies in.
    pub fn new(rule: &'static Rule, span: Span, message: impl Into<String>) -> Self {
        Self {
            rule,
            level: rule.level,
            message: message.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            notes: Vec::new(),
            fix: String::new(),
            scope: Scope::File(span.source),
        }
    }

    /// Says whom it concerns.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Says that it concerns a tenant.
    #[must_use]
    pub fn tenant(self, name: &str) -> Self {
        self.scope(Scope::Tenant(name.to_owned()))
    }

    /// Changes the level.
    #[must_use]
    pub const fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Says something under the line of the primary place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            label: label.into(),
        });
        self
    }

    /// Says what mends it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    /// The texts that it names.
    fn texts_mut(&mut self) -> impl Iterator<Item = &mut SourceId> {
        let scope = match &mut self.scope {
            Scope::File(file) => Some(file),
            Scope::Fleet | Scope::Tenant(_) | Scope::TenantInPart(_) => None,
        };
        let related = self.related.iter_mut();
        std::iter::once(&mut self.span.source)
            .chain(related.map(|related| &mut related.span.source))
            .chain(scope)
    }

    /// The tenant that it concerns; `None` if it concerns a file or the fleet.
    pub fn concerned_tenant(&self) -> Option<&str> {
        match &self.scope {
            Scope::Tenant(name) | Scope::TenantInPart(name) => Some(name),
            Scope::Fleet | Scope::File(_) => None,
        }
    }

    /// Whether the whole run stops because of it.
    pub fn stops_the_fleet(&self) -> bool {
        self.level == Level::Error && self.scope == Scope::Fleet
    }
}

/// Moves findings into the texts of another run. `from` are the texts that they name; each that `to`
/// lacks is added to it once.
pub fn into_sources(findings: &mut [Diagnostic], from: &SourceMap, to: &mut SourceMap) {
    let texts = findings.iter_mut().flat_map(Diagnostic::texts_mut);
    let ids = texts.map(|id| *id).collect();
    let moved = to.add_missing(from, &ids);

    for id in findings.iter_mut().flat_map(Diagnostic::texts_mut) {
        if let Some(new) = moved.get(id) {
            *id = *new;
        }
    }
}

/// Most findings of one rule that are listed of one file.
pub const LISTED: usize = 100;

/// The findings that a report lists: of each file the first [`LISTED`] of a rule, and one that says how
/// many more there are. `findings` are sorted.
pub fn listed<'a>(sources: &SourceMap, findings: &'a [Diagnostic]) -> Cow<'a, [Diagnostic]> {
    let key = |finding: &Diagnostic| (finding.span.source, finding.rule.id);
    let mut counts: HashMap<(SourceId, &str), usize> = HashMap::new();
    for finding in findings {
        *counts.entry(key(finding)).or_default() += 1;
    }
    if counts.values().all(|count| *count <= LISTED) {
        return Cow::Borrowed(findings);
    }

    let mut seen: HashMap<(SourceId, &str), usize> = HashMap::new();
    let mut all = Vec::new();
    for finding in findings {
        let before = seen.entry(key(finding)).or_default();
        *before += 1;
        let count = counts[&key(finding)];
        if *before <= LISTED || count == *before && count == LISTED + 1 {
            all.push(finding.clone());
        } else if *before == LISTED + 1 {
            let (more, path) = (count - LISTED, sources.path(finding.span));
            let message = format!("{more} more findings of {} in {path}", finding.rule.id);
            let more = Diagnostic::new(finding.rule, finding.span, message)
                .level(finding.level)
                .label("the first that is not listed")
                .fix("mend those above first")
                .scope(finding.scope.clone());
            all.push(more);
        }
    }
    Cow::Owned(all)
}

/// Puts findings in the order in which they are reported: by path, place, rule and text; equal ones
/// once.
pub fn sort(sources: &SourceMap, findings: &mut Vec<Diagnostic>) {
    findings.sort_by(|a, b| {
        let key = |finding: &Diagnostic| (finding.span.start, finding.span.end, finding.rule.id);
        sources
            .path(a.span)
            .cmp(sources.path(b.span))
            .then_with(|| key(a).cmp(&key(b)))
            .then_with(|| a.message.cmp(&b.message))
            // Of one fault that is said twice, the graver stays.
            .then_with(|| b.level.cmp(&a.level))
    });
    findings.dedup_by(|a, b| a.span == b.span && a.rule == b.rule && a.message == b.message);
}

/// The known name nearest to an unknown one, if any is near enough to be meant.
pub fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = unknown.to_lowercase();
    let length = unknown.chars().count();
    let may_be_near = |name: &&str| {
        let most = 1 + name.len().max(unknown.len()) / 4;
        name.chars().count().abs_diff(length) <= most
    };
    known
        .into_iter()
        .filter(may_be_near)
        .map(|name| {
            (
                strsim::damerau_levenshtein(&folded, &name.to_lowercase()),
                name,
            )
        })
        .filter(|(distance, name)| *distance <= 1 + name.len().max(unknown.len()) / 4)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Source;

    rule! {
        /// A rule.
        pub static REMOVED = "area/fault", Error;
    }

    fn finding(source: SourceId, at: u32) -> Diagnostic {
        let span = Span {
            source,
            start: at,
            end: at + 1,
        };
        Diagnostic::new(&REMOVED, span, "removed")
    }

    /// A file has one text, however many findings move, so that a report lists a hundred of them; what
    /// both runs found is there once.
    #[test]
    fn findings_move_with_one_text_a_file() {
        let most = LISTED as u32 + 50;
        let text = "x".repeat(1000);
        let (mut from, mut to) = (SourceMap::default(), SourceMap::default());
        from.add(Source::new("other", ""));
        let own = from.add(Source::new("a.yaml", text.as_str()));
        let new = from.add(Source::new("b.yaml", text.as_str()));
        let built_in = from.add(Source::built_in("c", "c", "template c (built in)"));
        to.add(Source::new("a.yaml", "another text"));
        let there = to.add(Source::new("a.yaml", text.as_str()));

        let mut moved: Vec<Diagnostic> = (0..most)
            .flat_map(|at| [finding(own, at), finding(new, at)])
            .map(|finding| finding.related(Span::file(built_in), "here"))
            .collect();
        into_sources(&mut moved, &from, &mut to);
        assert_eq!(to.iter().count(), 4);
        assert_eq!(moved[0].scope, Scope::File(there));
        let template = to.get(moved[0].related[0].span.source);
        assert_eq!(template.built_in.as_deref(), Some("template c (built in)"));

        moved.extend((0..most).map(|at| finding(there, at)));
        sort(&to, &mut moved);
        assert_eq!(moved.len() as u32, 2 * most);
        assert_eq!(listed(&to, &moved).len(), 2 * (LISTED + 1));
    }
}

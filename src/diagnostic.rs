//! Rules, and what is found by them.
//!
//! This module names no rule: a rule is a `static` beside the code that finds its fault, and only
//! [`crate::catalog`] names them all.

use crate::span::{Source, SourceId, SourceMap, Span};
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

    /// The same finding in the texts of another run: `from` are those that its spans lie in. The texts
    /// are added to `to`.
    #[must_use]
    pub fn carried(mut self, from: &SourceMap, to: &mut SourceMap) -> Self {
        let mut carry = |span: &mut Span| {
            let source = from.get(span.source);
            span.source = to.add(Source::new(source.path.as_str(), source.text.as_str()));
        };
        carry(&mut self.span);
        for related in &mut self.related {
            carry(&mut related.span);
        }
        if let Scope::File(file) = &mut self.scope {
            *file = self.span.source;
        }
        self
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

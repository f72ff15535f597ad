//! One thing that was found in a live cluster.

use super::desired::Desired;
use super::rules;
use crate::diagnostic::{Diagnostic, Level, Rule, Scope};
use crate::isolation::Finding;
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;

/// The rules about what is not yet, or no longer, as it was rendered.
static OF_CONVERGENCE: [&Rule; 7] = [
    &rules::DRIFTED,
    &rules::FROZEN,
    &rules::MISSING,
    &rules::NOT_ADOPTED,
    &rules::NOT_CONVERGED,
    &rules::NOT_LISTED,
    &rules::STUCK_DELETION,
];

/// Something that was found in a cluster.
#[derive(Clone, Debug)]
pub struct LiveFinding {
    /// The rule, the place in the fleet, the text and the fix.
    pub diagnostic: Diagnostic,
    /// The tenant; `None` if it concerns the cluster.
    pub tenant: Option<Text>,
    /// The object that it is about; may be empty.
    pub object: String,
    /// The command that shows it; may be empty.
    pub show: String,
    /// Since when, as RFC 3339; may be empty.
    pub since: Text,
    /// Whether it decides the exit code.
    pub state: LiveState,
}

/// Whether a finding decides the exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LiveState {
    /// It does.
    #[default]
    New,
    /// A baseline has it.
    Known,
    /// A Waiver permits it.
    Waived,
}

impl LiveState {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Waived => "waived",
        }
    }
}

impl LiveFinding {
    /// A finding about the cluster.
    pub fn new(wanted: &Desired, rule: &'static Rule, message: impl Into<String>) -> Self {
        Self {
            diagnostic: Diagnostic::new(rule, wanted.span, message).scope(Scope::Fleet),
            tenant: None,
            object: String::new(),
            show: String::new(),
            since: Text::default(),
            state: LiveState::New,
        }
    }

    /// A finding of a proof. One that a Waiver permits is a note with the last day.
    pub fn of_proof(finding: Finding) -> Self {
        let mut diagnostic = finding.diagnostic;
        let state = match &finding.waived {
            None => LiveState::New,
            Some(waived) => {
                diagnostic.level = Level::Note;
                diagnostic.message = format!("{} ({})", diagnostic.message, waived.text());
                LiveState::Waived
            }
        };
        Self {
            diagnostic,
            tenant: finding.tenant,
            object: String::new(),
            show: "tenantry prove --live".into(),
            since: Text::default(),
            state,
        }
    }

    /// Whether it says that the cluster has not become what was rendered, or that this could not be
    /// seen. Neither a Waiver nor a baseline changes that.
    pub fn is_of_convergence(&self) -> bool {
        OF_CONVERGENCE.contains(&self.diagnostic.rule)
    }

    /// Marks it as known: it is a note then.
    pub fn set_known(&mut self) {
        self.state = LiveState::Known;
        self.diagnostic.level = Level::Note;
    }

    /// Makes it a finding about a tenant, at the place where the tenant is declared.
    pub fn of_tenant(mut self, wanted: &Desired, tenant: Option<u32>) -> Self {
        self.diagnostic.span = wanted.span_of(tenant);
        self.tenant = wanted.name_of(tenant).cloned();
        if let Some(name) = &self.tenant {
            self.diagnostic = self.diagnostic.tenant(name);
        }
        self
    }

    /// Sets the place.
    pub fn at(mut self, span: Span) -> Self {
        self.diagnostic.span = span;
        self
    }

    /// Names the object that it is about, and the command that prints the object.
    pub fn about(self, wanted: &Desired, id: &ObjectId) -> Self {
        let command = wanted.kubectl("get", id, " -o yaml --show-managed-fields");
        Self {
            object: id.called(),
            ..self.with_show(command)
        }
    }

    /// Sets the fix.
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.diagnostic.fix = fix.into();
        self
    }

    /// Sets the level, if it is not the rule's own.
    pub fn with_level(mut self, level: Level) -> Self {
        self.diagnostic.level = level;
        self
    }

    /// Sets the command that shows it.
    pub fn with_show(mut self, command: String) -> Self {
        self.show = command;
        self
    }

    /// Sets since when it is so, as RFC 3339.
    pub fn with_since(mut self, since: Text) -> Self {
        self.since = since;
        self
    }
}

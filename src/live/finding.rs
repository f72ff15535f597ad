//! One thing that was found in a live cluster.

use super::desired::Desired;
use crate::diagnostic::{Diagnostic, Rule, Scope};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;

/// Something that was found in a cluster.
#[derive(Clone, Debug)]
pub struct LiveFinding {
    /// The rule, the place in the fleet, the text and the fix.
    pub diagnostic: Diagnostic,
    /// The tenant; nothing for what concerns the cluster.
    pub tenant: Option<Text>,
    /// The object that it is about; may be empty.
    pub object: String,
    /// The command that shows it; may be empty.
    pub show: String,
    /// Since when, as RFC 3339; may be empty.
    pub since: Text,
}

impl LiveFinding {
    /// Something that was found of a tenant or of the cluster, and of an object where `id` names it.
    pub fn new(
        wanted: &Desired,
        rule: &'static Rule,
        tenant: Option<u32>,
        span: Span,
        id: Option<&ObjectId>,
        message: String,
    ) -> Self {
        let name = wanted.name_of(tenant).cloned();
        let mut diagnostic = Diagnostic::new(rule, span, message).scope(Scope::Fleet);
        if let Some(name) = &name {
            diagnostic = diagnostic.tenant(name);
        }
        let show = id.map(|id| wanted.kubectl("get", id, " -o yaml --show-managed-fields"));
        Self {
            diagnostic,
            tenant: name,
            object: id.map(ObjectId::called).unwrap_or_default(),
            show: show.unwrap_or_default(),
            since: Text::default(),
        }
    }
}

/// A word of a command, so that any shell takes it as it is: names of some kinds may hold anything.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

impl Desired {
    /// A command that is about this cluster.
    pub fn here(&self, command: &str) -> String {
        match self.context.as_str() {
            "" => command.to_owned(),
            context => format!("{command} --context {}", quoted(context)),
        }
    }

    /// A command of kubectl about an object: `get`, `delete`; `more` comes after its name.
    pub fn kubectl(&self, verb: &str, id: &ObjectId, more: &str) -> String {
        let kind = match id.group.as_str() {
            "" => id.kind.to_lowercase(),
            group => format!("{}.{group}", id.kind.to_lowercase()),
        };

        // No shell takes a control character as all others do.
        if id.name.chars().any(char::is_control) {
            return self.here(&format!(
                "kubectl get {kind} -n {} # its name holds control characters",
                quoted(&id.namespace)
            ));
        }

        let namespace = if id.namespace.is_empty() {
            String::new()
        } else {
            format!(" -n {}", quoted(&id.namespace))
        };

        self.here(&format!(
            "kubectl {verb} {kind}/{}{namespace}{more}",
            quoted(&id.name)
        ))
    }

    /// A command of Flux about a Kustomization.
    pub fn flux(&self, verb: &str, name: &str, more: &str) -> String {
        self.here(&format!(
            "flux {verb} kustomization {} -n {}{more}",
            quoted(name),
            quoted(&self.engine_namespace)
        ))
    }
}

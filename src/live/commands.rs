//! The commands of kubectl that a finding shows, quoted for a shell.

use super::desired::Desired;
use crate::kube::ObjectId;

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
}

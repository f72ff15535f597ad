//! One thing that was found in a live cluster.

use crate::bundle::ObjectId;
use crate::diagnostic::Diagnostic;
use crate::value::Text;

/// Something that was found in a cluster.
#[derive(Clone, Debug)]
pub struct Found {
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

/// What shows an object.
pub fn get(id: &ObjectId, more: &str) -> String {
    let kind = match id.group.as_str() {
        "" => id.kind.to_lowercase(),
        group => format!("{}.{group}", id.kind.to_lowercase()),
    };
    let namespace = if id.namespace.is_empty() { String::new() } else { format!(" -n {}", id.namespace) };
    format!("kubectl get {kind} {}{namespace}{more}", id.name)
}

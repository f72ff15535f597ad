//! External things, given as a list: a bucket, a role of a cloud, a mount of Vault. Those of no
//! tenant are left behind.

use super::finding::{LiveFinding, LiveState};
use super::rules::ORPHANED;
use crate::diagnostic::{Diagnostic, Scope};
use crate::document::{self, Node};
use crate::source::{SourceId, SourceMap};
use crate::value::Text;
use std::collections::BTreeSet;

/// What is found of an inventory: lists of `{tenant: NAME or UUID, thing: TEXT}`, in as many
/// documents as it likes. `declared` are the names and UUIDs of all tenants.
///
/// # Errors
/// What of it is no such list, and where.
pub fn check(
    id: SourceId,
    sources: &SourceMap,
    declared: &BTreeSet<&str>,
) -> Result<Vec<LiveFinding>, String> {
    let (documents, faults) = document::parse_foreign(id, sources.get(id));
    if let Some(fault) = faults.first() {
        return Err(format!("{}: {}", sources.locate(fault.span), fault.message));
    }
    let mut all = Vec::new();

    for document in &documents {
        let entries = match document.root.items() {
            [] => {
                return Err(format!(
                    "{}: it is no list",
                    sources.locate(document.root.span)
                ));
            }
            entries => entries,
        };
        for entry in entries {
            let text = |key: &str| {
                entry
                    .get(key)
                    .and_then(Node::as_str)
                    .filter(|t| !t.is_empty())
            };

            let (Some(tenant), Some(thing)) = (text("tenant"), text("thing")) else {
                let at = sources.locate(entry.span);
                return Err(format!(
                    "{at}: write it as {{tenant: NAME or UUID, thing: TEXT}}"
                ));
            };

            if declared.contains(tenant) {
                continue;
            }
            let message = format!("{thing} is of the tenant `{tenant}`, which nothing declares");
            let fix = "ask its former owner before you delete it, or correct whose it is";

            all.push(LiveFinding {
                diagnostic: Diagnostic::new(&ORPHANED, entry.span, message)
                    .fix(fix)
                    .scope(Scope::Fleet),
                tenant: None,
                object: thing.to_owned(),
                show: String::new(),
                since: Text::default(),
                state: LiveState::New,
            });
        }
    }

    Ok(all)
}

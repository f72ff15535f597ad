//! The part of a document that its faults leave, so that later stages can say what else is wrong.
//!
//! The part is never rendered: the document has an error.

use super::UNKNOWN_FIELD;
use crate::diagnostic::Diagnostic;
use crate::document::{Node, NodeValue};
use crate::source::Span;
use std::collections::BTreeSet;

/// Fields of a spec that decide what its other fields are about. A value of theirs that is left out
/// would be a fault of its own; an unknown field would not.
const DECISIVE: [&str; 7] = [
    "owners",
    "namespaces",
    "clusters",
    "clusterSelector",
    "profile",
    "limits",
    "podSecurity",
];

/// A document without what in its spec has a fault; `None` if a fault is not of a part that can be left
/// out.
pub(super) fn sound_part(root: &Node, faults: &[Diagnostic]) -> Option<Node> {
    let spans = |wanted: &dyn Fn(&Diagnostic) -> bool| {
        let wanted = faults.iter().filter(|fault| wanted(fault));
        wanted.map(|fault| fault.span).collect()
    };
    let all: BTreeSet<Span> = spans(&|_| true);
    let unknown: BTreeSet<Span> = spans(&|fault| fault.rule == &UNKNOWN_FIELD);

    let mut sound = root.clone();
    let mut left_out = BTreeSet::new();
    let NodeValue::Map(entries) = &mut sound.value else {
        return None;
    };
    let spec = entries.iter_mut().find(|entry| entry.key == "spec")?;
    let NodeValue::Map(fields) = &mut spec.node.value else {
        return None;
    };

    fields.retain_mut(|field| {
        let faulty = match DECISIVE.contains(&field.key.as_str()) {
            true => &unknown,
            false => &all,
        };
        let is_faulty = [field.key_span, field.node.span]
            .into_iter()
            .filter(|span| faulty.contains(span));
        let before = left_out.len();
        left_out.extend(is_faulty);
        if left_out.len() > before {
            return false;
        }
        leave_out(&mut field.node, faulty, &mut left_out);
        true
    });
    (left_out == all).then_some(sound)
}

/// Leaves out what has a fault below a node.
fn leave_out(node: &mut Node, faulty: &BTreeSet<Span>, left_out: &mut BTreeSet<Span>) {
    match &mut node.value {
        NodeValue::Map(entries) => entries.retain_mut(|entry| {
            let spans = [entry.key_span, entry.node.span];
            let before = left_out.len();
            left_out.extend(spans.into_iter().filter(|span| faulty.contains(span)));
            let stays = left_out.len() == before;
            if stays {
                leave_out(&mut entry.node, faulty, left_out);
            }
            stays
        }),
        NodeValue::Seq(items) => items.retain_mut(|item| {
            let stays = !faulty.contains(&item.span);
            match stays {
                true => leave_out(item, faulty, left_out),
                false => _ = left_out.insert(item.span),
            }
            stays
        }),
        _ => {}
    }
}

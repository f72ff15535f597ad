//! Merging trees, last wins: maps merge, lists of objects with a `name` merge by name, anything
//! else is replaced.
//!
//! A value keeps the winner's place and the chain of the places it won against.

use crate::document::{Entry, KeyIndex, Node, NodeValue};
use std::collections::{BTreeSet, HashMap};

/// Lays `over` upon `base`.
pub fn merge(base: &Node, over: &Node) -> Node {
    match (&base.value, &over.value) {
        (NodeValue::Map(below), NodeValue::Map(above)) => {
            let mut index = KeyIndex::default();
            let mut entries: Vec<Entry> = Vec::with_capacity(below.len() + above.len());
            for entry in below {
                entries.push(match index.entry(over, &entry.key) {
                    Some(winner) => Entry {
                        key: winner.key.clone(),
                        key_span: winner.key_span,
                        node: merge(&entry.node, &winner.node),
                    },
                    None => entry.clone(),
                });
            }

            let added = above
                .iter()
                .filter(|entry| index.entry(base, &entry.key).is_none());
            entries.extend(added.cloned());
            Node::new(over.span, NodeValue::Map(entries))
        }
        (NodeValue::Seq(below), NodeValue::Seq(above))
            if named(below) && named(above) && !below.is_empty() =>
        {
            Node::new(over.span, NodeValue::Seq(merge_by_name(below, above)))
        }
        _ => {
            let mut winner = over.clone();
            winner.overridden = over
                .overridden
                .iter()
                .chain([&base.span])
                .chain(&base.overridden)
                .copied()
                .collect();
            winner
        }
    }
}

/// Lays a list upon another. Of several items of a name, the first counts.
fn merge_by_name(below: &[Node], above: &[Node]) -> Vec<Node> {
    let mut uppers: HashMap<&str, &Node> = HashMap::new();
    for item in above {
        uppers.entry(name(item)).or_insert(item);
    }
    let lowers: BTreeSet<&str> = below.iter().map(name).collect();

    let merged = below.iter().map(|item| match uppers.get(name(item)) {
        Some(winner) => merge(item, winner),
        None => item.clone(),
    });
    let added = above.iter().filter(|item| !lowers.contains(name(item)));
    merged.chain(added.cloned()).collect()
}

fn name(item: &Node) -> &str {
    item.get("name").and_then(Node::as_str).unwrap_or_default()
}

fn named(items: &[Node]) -> bool {
    items
        .iter()
        .all(|node| node.get("name").and_then(Node::as_str).is_some())
}

/// A mapping of some keys of another, for those that are there.
pub fn pick(node: &Node, keys: &[&str]) -> Node {
    let entries = node
        .entries()
        .iter()
        .filter(|entry| keys.contains(&entry.key.as_str()))
        .cloned()
        .collect();
    Node::new(node.span, NodeValue::Map(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse;
    use crate::source::{Source, SourceId};

    fn node(id: u32, text: &str) -> Node {
        let (mut documents, faults) = parse(SourceId(id), &Source::new("t", text));
        assert!(faults.is_empty());
        documents.remove(0).root
    }

    #[test]
    fn maps_merge_named_lists_merge_by_name_and_losers_are_kept() {
        let low = node(
            0,
            "a: {x: 1, w: 1}\nl: [{name: p, v: 1}, {name: q, v: 1}]\nr: [1, 2]\n",
        );
        let mid = node(1, "a: {w: 2}\nl: [{name: q, v: 2}]\nr: [3]\n");
        let top = node(2, "a: {w: 3}\nl: [{name: s}]\n");
        let merged = merge(&merge(&low, &mid), &top);
        assert_eq!(
            merged.to_json(),
            serde_json::json!({"a": {"x": 1, "w": 3}, "l": [{"name": "p", "v": 1}, {"name": "q", "v": 2}, {"name": "s"}], "r": [3]})
        );
        let leaf = merged.at(&["a", "w"]).unwrap();
        let chain: Vec<u32> = leaf.overridden.iter().map(|span| span.source.0).collect();
        assert_eq!((leaf.span.source.0, chain), (2, vec![1, 0]));
    }
}

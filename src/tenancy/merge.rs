//! Merging trees, last wins: maps merge, lists of objects with a `name` merge by name, anything
//! else is replaced.
//!
//! A value keeps the winner's place and the chain of the places it won against.

use crate::document::{Entry, Node, NodeValue};

/// Lays `over` upon `base`.
pub fn merge(base: &Node, over: &Node) -> Node {
    match (&base.value, &over.value) {
        (NodeValue::Map(below), NodeValue::Map(above)) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(below.len() + above.len());
            for entry in below {
                entries.push(match above.iter().find(|upper| upper.key == entry.key) {
                    Some(winner) => Entry {
                        key: winner.key.clone(),
                        key_span: winner.key_span,
                        node: merge(&entry.node, &winner.node),
                    },
                    None => entry.clone(),
                });
            }

            entries.extend(
                above
                    .iter()
                    .filter(|entry| !below.iter().any(|lower| lower.key == entry.key))
                    .cloned(),
            );

            Node::new(over.span, NodeValue::Map(entries))
        }
        (NodeValue::Seq(below), NodeValue::Seq(above))
            if named(below) && named(above) && !below.is_empty() =>
        {
            let name = |node: &Node| node.get("name").and_then(Node::as_str).map(str::to_owned);
            let mut items: Vec<Node> = Vec::with_capacity(below.len() + above.len());
            for item in below {
                items.push(match above.iter().find(|upper| name(upper) == name(item)) {
                    Some(winner) => merge(item, winner),
                    None => item.clone(),
                });
            }
            items.extend(
                above
                    .iter()
                    .filter(|upper| !below.iter().any(|lower| name(lower) == name(upper)))
                    .cloned(),
            );
            Node::new(over.span, NodeValue::Seq(items))
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

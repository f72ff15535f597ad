//! Lookups of many keys in the same mappings.

use super::{Entry, Node, NodeValue};
use std::collections::HashMap;

/// The entries of mappings by their keys, indexed once a mapping is long.
#[derive(Default)]
pub struct KeyIndex<'a> {
    /// By the address of the mapping.
    maps: HashMap<*const Node, HashMap<&'a str, &'a Entry>>,
}

/// The length from which a mapping is indexed.
const LONG: usize = 16;

impl<'a> KeyIndex<'a> {
    /// The entry of a key.
    pub fn entry(&mut self, node: &'a Node, key: &str) -> Option<&'a Entry> {
        let entries = node.entries();
        if entries.len() < LONG {
            return node.entry(key);
        }
        let index = || entries.iter().map(|entry| (entry.key.as_str(), entry));
        let map = self.maps.entry(std::ptr::from_ref(node));
        let map = map.or_insert_with(|| index().collect());
        map.get(key).copied()
    }

    /// The value at a JSON Pointer, and the key that leads to it.
    ///
    /// A pointer that leads further than the tree stops at the last node that is there.
    pub fn pointer(&mut self, root: &'a Node, pointer: &str) -> (&'a Node, Option<&'a Entry>) {
        let mut node = root;
        let mut entry = None;

        for part in pointer.split('/').skip(1) {
            let key = part.replace("~1", "/").replace("~0", "~");
            match &node.value {
                NodeValue::Map(_) => match self.entry(node, &key) {
                    Some(found) => {
                        node = &found.node;
                        entry = Some(found);
                    }
                    None => break,
                },
                NodeValue::Seq(items) => match key.parse().ok().and_then(|at: usize| items.get(at))
                {
                    Some(found) => {
                        node = found;
                        entry = None;
                    }
                    None => break,
                },
                _ => break,
            }
        }

        (node, entry)
    }
}

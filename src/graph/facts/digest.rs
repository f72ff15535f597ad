//! A digest of an object's value, to tell two definitions of it apart.

use crate::document::{TreeValue, View};

/// The digest of a value, never 0. Equal values have equal digests, whatever the order of their keys.
pub fn digest<T: TreeValue>(node: &T) -> u64 {
    let mut bytes = Vec::with_capacity(1024);
    write_canonical(node, &mut bytes);
    let hash = blake3::hash(&bytes);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default()).max(1)
}

/// Writes a value as bytes that do not depend on the order of its keys.
fn write_canonical<T: TreeValue>(node: &T, out: &mut Vec<u8>) {
    fn text(out: &mut Vec<u8>, kind: u8, text: &str) {
        out.push(kind);
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }

    fn list(out: &mut Vec<u8>, kind: u8, length: usize) {
        out.push(kind);
        out.extend((length as u64).to_le_bytes());
    }

    match node.view() {
        View::Null => out.push(b'n'),
        View::Bool(truth) => out.extend([b'b', u8::from(truth)]),
        View::Number(number) => text(out, b'i', &number.to_string()),
        View::String(string) => text(out, b's', string),
        View::Seq(items) => {
            list(out, b'l', items.len());
            items.iter().for_each(|item| write_canonical(item, out));
        }
        View::Map(entries) => {
            list(out, b'm', entries.len());
            let mut entries: Vec<(&str, &T)> = entries.iter().map(T::split).collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, value) in entries {
                text(out, b'k', key);
                write_canonical(value, out);
            }
        }
    }
}

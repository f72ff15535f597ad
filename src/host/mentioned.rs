//! Hosts that objects of kinds without a reader name.

use super::{HostPattern, Levels, NamedHost, host_of_address};
use crate::document::{TreeValue, View};

/// The ends of the names of fields that hold hosts which an object serves, or hold such fields.
const ENDS: [&str; 7] = [
    "host", "hosts", "name", "names", "domain", "domains", "fqdn",
];

/// The hosts in fields of an object whose names are those of hosts. Whether it serves them is not
/// known.
pub fn named<T: TreeValue>(node: &T) -> Vec<NamedHost<'_>> {
    let View::Map(entries) = node.view() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (key, value) in entries.iter().map(T::split) {
        if !["apiVersion", "kind", "metadata", "status"].contains(&key) {
            walk(is_of_hosts(key), value, &mut found);
        }
    }
    found
}

fn is_of_hosts(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ENDS.iter().any(|end| key.ends_with(end))
}

/// Collects the hosts of a field. `of_hosts` is whether the name of the field, or of one around it,
/// is that of hosts.
fn walk<'a, T: TreeValue>(of_hosts: bool, node: &'a T, found: &mut Vec<NamedHost<'a>>) {
    match node.view() {
        View::Map(entries) => {
            for (key, value) in entries.iter().map(T::split) {
                walk(of_hosts || is_of_hosts(key), value, found);
            }
        }
        View::Seq(items) => items.iter().for_each(|item| walk(of_hosts, item, found)),
        View::String(text) if of_hosts => {
            let pattern = HostPattern::parse(host_of_address(text), Levels::One);
            let is_host = matches!(&pattern, HostPattern::Name(name) if name.contains('.'));
            if is_host {
                found.push(NamedHost::of(pattern, node.span()));
            }
        }
        _ => {}
    }
}

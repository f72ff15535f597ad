//! The owners of hosts, and which of them meet.

use super::{HostPattern, Levels};
use std::collections::{BTreeMap, BTreeSet};

/// Owners of some hosts, each with the first of the values that it has them by.
type Owners<'a, O, V> = BTreeMap<O, &'a V>;

/// Takes the owners of one host, each with a value that it has the host by.
type OnConflict<'c, 'a, O, V> = dyn FnMut(&[(O, &'a V)]) + 'c;

/// Hosts by their patterns, each with its owners. A value is what an owner has a host by, such as an
/// object.
#[derive(Debug)]
pub struct HostIndex<'a, O, V> {
    names: BTreeMap<&'a str, Owners<'a, O, V>>,
    /// The same names, with their characters from the last to the first.
    reversed: BTreeMap<String, &'a str>,
    /// The domains of wildcards of one label, and of those of more.
    below_one: BTreeMap<&'a str, Owners<'a, O, V>>,
    below_many: BTreeMap<&'a str, Owners<'a, O, V>>,
    expressions: BTreeMap<&'a HostPattern, Owners<'a, O, V>>,
    rest: Owners<'a, O, V>,
    /// Patterns that cannot be read.
    unread: Vec<(O, &'a V)>,
}

impl<O, V> Default for HostIndex<'_, O, V> {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            reversed: BTreeMap::new(),
            below_one: BTreeMap::new(),
            below_many: BTreeMap::new(),
            expressions: BTreeMap::new(),
            rest: BTreeMap::new(),
            unread: Vec::new(),
        }
    }
}

impl<'a, O: Ord + Copy, V> HostIndex<'a, O, V> {
    /// Adds a value that an owner has some hosts by.
    pub fn add(&mut self, owner: O, pattern: &'a HostPattern, value: &'a V) {
        let owners = match pattern {
            HostPattern::Name(name) => {
                let backwards = name.chars().rev().collect();
                self.reversed.insert(backwards, name);
                self.names.entry(name).or_default()
            }
            HostPattern::Below { domain, levels } => match levels {
                Levels::One => self.below_one.entry(domain).or_default(),
                Levels::Many => self.below_many.entry(domain).or_default(),
            },
            HostPattern::Unread(_) => {
                self.unread.push((owner, value));
                return;
            }
            HostPattern::Regex(_) => {
                if pattern.matches("").is_none() {
                    self.unread.push((owner, value));
                    return;
                }
                self.expressions.entry(pattern).or_default()
            }
            HostPattern::Rest => &mut self.rest,
        };
        owners.entry(owner).or_insert(value);
    }

    /// The values whose pattern cannot be read, each with its owner.
    pub fn unread(&self) -> &[(O, &'a V)] {
        &self.unread
    }

    /// Hands on the owners of each host that has several: those of the more exact patterns first,
    /// and not more than `most` of them.
    pub fn each_conflict(&self, most: usize, on_conflict: &mut OnConflict<'_, 'a, O, V>) {
        let mut by_expression: BTreeMap<&str, Vec<&Owners<'a, O, V>>> = BTreeMap::new();
        let mut hand_on = |servers: &[(O, &'a V)]| {
            if servers.len() > 1 {
                on_conflict(servers);
            }
        };

        for (pattern, owners) in &self.expressions {
            // One that cannot be read is not among the expressions.
            let Some(matches) = pattern.matcher() else {
                continue;
            };
            for name in self.matched(pattern, &matches) {
                by_expression.entry(name).or_default().push(owners);
            }
            let wildcards = self.below_one.iter().chain(&self.below_many);
            let met = wildcards.filter(|(domain, _)| matches(&format!("a.{domain}")));
            let met = met.map(|(_, others)| others);
            hand_on(&merged([owners].into_iter().chain(met), most));
        }

        for (name, owners) in &self.names {
            let by_expression = by_expression.get(name).into_iter().flatten().copied();
            let above = self.above(name);
            let all = [owners].into_iter().chain(by_expression).chain(above);
            hand_on(&merged(all, most));
        }
        for (domain, owners) in &self.below_one {
            let same = self.below_many.get(domain);
            let above = self.above_many(domain);
            hand_on(&merged([owners].into_iter().chain(same).chain(above), most));
        }
        for (domain, owners) in &self.below_many {
            let all = [owners].into_iter().chain(self.above_many(domain));
            hand_on(&merged(all, most));
        }
        hand_on(&merged([&self.rest], most));
    }

    /// The names that a regular expression matches.
    fn matched(&self, pattern: &HostPattern, matches: &dyn Fn(&str) -> bool) -> Vec<&'a str> {
        let end: String = pattern.literal_end().chars().rev().collect();
        let candidates = self.reversed.range(end.clone()..);
        candidates
            .take_while(|(backwards, _)| backwards.starts_with(&end))
            .map(|(_, name)| *name)
            .filter(|name| matches(name))
            .collect()
    }

    /// An owner of a name, other than one, and its value.
    pub fn other_owner(&self, name: &str, owner: O) -> Option<(O, &'a V)> {
        let own = self.names.get(name).into_iter();
        let all = merged(own.chain(self.above(name)), usize::MAX);
        all.into_iter().find(|(other, _)| *other != owner)
    }

    /// The wildcards that hold a name.
    fn above<'s>(&'s self, name: &str) -> Vec<&'s Owners<'a, O, V>> {
        let parent = name.split_once('.').map(|(_, parent)| parent);
        let one = parent.and_then(|parent| self.below_one.get(parent));
        one.into_iter().chain(self.above_many(name)).collect()
    }

    /// The wildcards of several labels that hold what is below a domain, except its own.
    fn above_many<'s>(&'s self, domain: &str) -> Vec<&'s Owners<'a, O, V>> {
        let parents = domain.match_indices('.').map(|(at, _)| &domain[at + 1..]);
        let all = (!domain.is_empty()).then_some("");
        parents
            .chain(all)
            .filter_map(|parent| self.below_many.get(parent))
            .collect()
    }
}

/// The owners of several patterns, each once, and not more than `most`.
fn merged<'a, 'm, O, V>(
    all: impl IntoIterator<Item = &'m Owners<'a, O, V>>,
    most: usize,
) -> Vec<(O, &'a V)>
where
    'a: 'm,
    O: Ord + Copy + 'm,
{
    let mut servers: Vec<(O, &V)> = Vec::new();
    let mut known: BTreeSet<O> = BTreeSet::new();
    for (owner, value) in all.into_iter().flatten() {
        if known.insert(*owner) {
            servers.push((*owner, value));
        }
        if servers.len() == most {
            break;
        }
    }
    servers
}

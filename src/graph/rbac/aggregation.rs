//! The aggregation of ClusterRoles: whose rules each takes over, and in which order.
//!
//! Source: k8s.io/kubernetes `pkg/controller/clusterroleaggregation`.

use super::{PolicyRule, Role, RoleName};
use crate::kube::labels::{Requirement, Selector};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The ClusterRoles of a cluster, by each of their labels.
struct LabelledRoles<'r> {
    roles: &'r BTreeMap<RoleName, Role>,
    all: Vec<&'r RoleName>,
    by_label: HashMap<(&'r Text, &'r Text), Vec<&'r RoleName>>,
}

impl<'r> LabelledRoles<'r> {
    fn new(roles: &'r BTreeMap<RoleName, Role>) -> Self {
        let mut labelled = Self {
            roles,
            all: Vec::new(),
            by_label: HashMap::new(),
        };
        for (key, role) in roles.iter().filter(|((home, _), _)| home.is_empty()) {
            labelled.all.push(key);
            for label in role.labels.iter() {
                labelled.by_label.entry(label).or_default().push(key);
            }
        }
        labelled
    }

    /// The roles that a selector selects.
    fn selected_by<'s>(&'s self, selector: &'s Selector) -> impl Iterator<Item = &'r RoleName> {
        let labels = selector.0.iter().find_map(Requirement::labels);
        let candidates: Vec<&'r RoleName> = match labels {
            Some(labels) => labels
                .filter_map(|label| self.by_label.get(&label))
                .flatten()
                .copied()
                .collect(),
            None => self.all.clone(),
        };
        let fits = |key: &&'r RoleName| selector.matches(&self.roles[*key].labels);
        candidates.into_iter().filter(fits)
    }
}

/// Which ClusterRoles take over whose rules, and which of them are still to do so.
pub(super) struct Aggregation {
    /// The roles that each aggregated role selects.
    selected: BTreeMap<RoleName, Vec<RoleName>>,
    /// The aggregated roles that select a role.
    selecting: BTreeMap<RoleName, Vec<RoleName>>,
    /// The place of each aggregated role in the order in which they take over: after those that it
    /// selects, but for rings.
    places: BTreeMap<RoleName, usize>,
    /// The aggregated roles in that order.
    order: Vec<RoleName>,
    /// The places of those that may take over more.
    open: BTreeSet<usize>,
}

impl Aggregation {
    pub(super) fn new(roles: &BTreeMap<RoleName, Role>) -> Self {
        let labelled = LabelledRoles::new(roles);
        let mut all = Self {
            selected: BTreeMap::new(),
            selecting: BTreeMap::new(),
            places: BTreeMap::new(),
            order: Vec::new(),
            open: BTreeSet::new(),
        };
        for (key, role) in roles {
            let Some(selectors) = &role.aggregates else {
                continue;
            };
            let mut selected: BTreeSet<&RoleName> = BTreeSet::new();
            for selector in selectors {
                selected.extend(labelled.selected_by(selector));
            }
            selected.remove(key);

            for other in &selected {
                let selecting = all.selecting.entry((*other).clone()).or_default();
                selecting.push(key.clone());
            }
            let selected = selected.into_iter().cloned().collect();
            all.selected.insert(key.clone(), selected);
        }

        all.sort();
        all
    }

    /// Orders the aggregated roles, each after those that it selects.
    fn sort(&mut self) {
        let mut seen: BTreeSet<&RoleName> = BTreeSet::new();
        for first in self.selected.keys() {
            // Roles that are entered, each with how many of those that it selects were looked at.
            let mut entered = match seen.insert(first) {
                true => vec![(first, 0)],
                false => Vec::new(),
            };
            while let Some((key, next)) = entered.last_mut() {
                let selected = self.selected.get(*key).map_or(&[][..], Vec::as_slice);
                let Some(other) = selected.get(*next) else {
                    self.order.push((*key).clone());
                    entered.pop();
                    continue;
                };
                *next += 1;
                if self.selected.contains_key(other) && seen.insert(other) {
                    entered.push((other, 0));
                }
            }
        }

        let places = self.order.iter().cloned().zip(0..);
        self.places = places.collect();
        self.open = (0..self.order.len()).collect();
    }

    /// The roles that an aggregated role selects.
    pub(super) fn selected(&self, key: &RoleName) -> &[RoleName] {
        self.selected.get(key).map_or(&[], Vec::as_slice)
    }

    /// Notes that a role has more rules: those that select it may take over more.
    pub(super) fn changed(&mut self, key: &RoleName) {
        let selecting = self.selecting.get(key).into_iter().flatten();
        let places = selecting.filter_map(|other| self.places.get(other));
        self.open.extend(places);
    }

    /// Adds the rules of the roles that aggregated roles select, until nothing changes. Rules are
    /// only ever added, so that a ring of roles comes to an end.
    pub(super) fn take_over(&mut self, roles: &mut BTreeMap<RoleName, Role>) {
        while let Some(place) = self.open.pop_first() {
            let key = self.order[place].clone();
            let mut rules: Vec<PolicyRule> = roles[&key].rules.to_vec();
            let before = rules.len();
            let mut known: BTreeSet<PolicyRule> = rules.iter().cloned().collect();

            for other in self.selected(&key) {
                let more = roles[other].rules.iter();
                rules.extend(more.filter(|rule| known.insert((*rule).clone())).cloned());
            }
            if rules.len() == before {
                continue;
            }
            if let Some(role) = roles.get_mut(&key) {
                role.rules = rules.into();
            }
            self.changed(&key);
        }
    }
}

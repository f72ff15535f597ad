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

/// The rules of the ClusterRoles of a cluster, each distinct one by a number.
#[derive(Default)]
struct NumberedRules {
    rules: Vec<PolicyRule>,
    numbers: BTreeMap<PolicyRule, u32>,
}

impl NumberedRules {
    /// The numbers of some rules, which are added where they are new.
    fn add(&mut self, rules: &[PolicyRule]) -> Vec<u32> {
        let number = |rule: &PolicyRule| {
            let next = self.rules.len() as u32;
            let number = *self.numbers.entry(rule.clone()).or_insert(next);
            if number == next {
                self.rules.push(rule.clone());
            }
            number
        };
        rules.iter().map(number).collect()
    }
}

/// Which ClusterRoles take over whose rules, and which of them are still to do so.
pub(super) struct Aggregation {
    rules: NumberedRules,
    /// The numbers of the rules that each ClusterRole has.
    held: BTreeMap<RoleName, Vec<u32>>,
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
            rules: NumberedRules::default(),
            held: BTreeMap::new(),
            selected: BTreeMap::new(),
            selecting: BTreeMap::new(),
            places: BTreeMap::new(),
            order: Vec::new(),
            open: BTreeSet::new(),
        };
        for key in &labelled.all {
            let held = all.rules.add(&roles[*key].rules);
            all.held.insert((*key).clone(), held);
        }
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

    /// Whether a role has rules.
    pub(super) fn has_rules(&self, key: &RoleName) -> bool {
        self.held.get(key).is_some_and(|held| !held.is_empty())
    }

    /// Gives an aggregated role rules of its own: those that select it take them over.
    pub(super) fn keep(&mut self, key: RoleName, rules: &[PolicyRule]) {
        let numbers = self.rules.add(rules);
        self.changed(&key);
        self.held.insert(key, numbers);
    }

    /// Notes that a role has more rules: those that select it may take over more.
    fn changed(&mut self, key: &RoleName) {
        let selecting = self.selecting.get(key).into_iter().flatten();
        let places = selecting.filter_map(|other| self.places.get(other));
        self.open.extend(places);
    }

    /// Adds the rules of the roles that aggregated roles select, until nothing changes. Rules are
    /// only ever added, so that a ring of roles comes to an end.
    pub(super) fn take_over(&mut self) {
        // By the number of a rule: the last turn in which a role had it.
        let mut turns = vec![0; self.rules.rules.len()];
        let mut turn: u32 = 0;

        while let Some(place) = self.open.pop_first() {
            let key = self.order[place].clone();
            let mut held = self.held.remove(&key).unwrap_or_default();
            let before = held.len();
            turn += 1;

            for number in &held {
                turns[*number as usize] = turn;
            }
            for other in self.selected(&key) {
                let numbers = self.held.get(other).into_iter().flatten();
                let is_new =
                    |number: &&u32| std::mem::replace(&mut turns[**number as usize], turn) != turn;
                held.extend(numbers.filter(is_new));
            }

            let has_more = held.len() > before;
            self.held.insert(key.clone(), held);
            if has_more {
                self.changed(&key);
            }
        }
    }

    /// Gives the aggregated roles the rules that they have taken over.
    pub(super) fn fill(&self, roles: &mut BTreeMap<RoleName, Role>) {
        for key in self.selected.keys() {
            if let (Some(role), Some(held)) = (roles.get_mut(key), self.held.get(key)) {
                let rule = |number: &u32| self.rules.rules[*number as usize].clone();
                role.rules = held.iter().map(rule).collect();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::graph::object::{InputKind, Origin};
    use crate::graph::rbac::{PolicyRule, Rbac, Role, RuleFields};
    use crate::kube::ObjectId;
    use crate::kube::labels::{Labels, Selector};
    use crate::source::{SourceId, Span};

    /// A role of a chain: with the rule of its number, and those of the next role.
    fn role(number: usize, last: usize) -> [Role; 2] {
        let named = |prefix: &str, labels: &[(&str, usize)], aggregates, rules: Vec<PolicyRule>| {
            let labels = labels
                .iter()
                .map(|(key, number)| (format!("{key}{number}").into(), "y".into()));
            Role {
                id: ObjectId {
                    group: crate::kube::RBAC.into(),
                    kind: "ClusterRole".into(),
                    namespace: "".into(),
                    name: format!("{prefix}{number}").into(),
                },
                rules: rules.into(),
                labels: Labels::new(labels),
                aggregates,
                origin: Origin {
                    input: InputKind::Manifest,
                    span: Span::file(SourceId(0)),
                },
            }
        };
        let selects = |key: String| {
            let selector = serde_json::json!({"matchLabels": {(key): "y"}});
            Selector::of(&crate::value::Value::from(&selector)).expect("a selector")
        };
        let from = match number == last {
            true => vec![selects(format!("own{number}"))],
            false => vec![
                selects(format!("own{number}")),
                selects(format!("all{}", number + 1)),
            ],
        };
        let rule = RuleFields {
            verbs: vec!["get".into()],
            resources: vec![format!("r{number}").into()],
            ..RuleFields::default()
        };
        [
            named("all", &[("all", number)], Some(from), Vec::new()),
            named("own", &[("own", number)], None, vec![rule.into()]),
        ]
    }

    #[test]
    fn roles_of_a_chain_share_the_rules_that_they_take_over() {
        let last = 20;
        let mut rbac = Rbac::default();
        for role in (0..=last).flat_map(|number| role(number, last)) {
            rbac.add(role);
        }
        rbac.finish();

        let rules = |name: String| &rbac.roles[&("".into(), name.into())].rules;
        for number in 0..=last {
            let all = rules(format!("all{number}"));
            assert_eq!(all.len(), last - number + 1);
            let own = &rules(format!("own{number}"))[0];
            for first in 0..=number {
                let all = rules(format!("all{first}"));
                let is_own = |rule: &&PolicyRule| std::ptr::eq::<RuleFields>(&***rule, &**own);
                assert_eq!(all.iter().filter(is_own).count(), 1, "{first} {number}");
            }
        }
    }
}

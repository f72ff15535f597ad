//! Which labels some selectors select and others do not.
//!
//! Each selector to avoid is avoided by one of its requirements: a search tries them in turn, and
//! takes a choice back where it leads nowhere. The choices are kept in a list and changes in a log:
//! neither the stack nor a copy grows with the number of selectors.

use super::{Labels, Op, Requirement, Selector};
use crate::value::Text;
use std::collections::{BTreeSet, HashMap};

/// How many ways to avoid selectors are tried before the question is left open.
const MAX_TRIES: usize = 20_000;

/// How many values of labels are looked at before the question is left open.
const MAX_VALUES: usize = 200_000;

/// A question about selectors that would take too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Labels that all of `yes` select and none of `no` does: what somebody may choose who labels a pod
/// freely.
///
/// # Errors
/// The question was too large to be answered.
pub fn satisfiable(yes: &[&Selector], no: &[&Selector]) -> Result<Option<Labels>, TooLarge> {
    let mut domains = KeyDomains::default();
    for requirement in yes.iter().flat_map(|selector| &selector.0) {
        if !domains.narrow(requirement, false)? {
            return Ok(None);
        }
    }
    if no.iter().any(|selector| selector.is_everything()) {
        return Ok(None);
    }

    // The shortest first: they leave the fewest ways.
    let mut no = no.to_vec();
    no.sort_by_key(|selector| selector.0.len());
    match domains.avoid(&no)? {
        true => domains.labels().map(Some),
        false => Ok(None),
    }
}

/// What a key may still be, after some requirements.
#[derive(Debug)]
struct KeyDomain<'s> {
    key: &'s Text,
    absent: bool,
    present: bool,
    /// One of these, where it is said.
    one_of: Option<Vec<&'s Text>>,
    none_of: BTreeSet<&'s Text>,
}

impl<'s> KeyDomain<'s> {
    fn new(key: &'s Text) -> Self {
        Self {
            key,
            absent: true,
            present: true,
            one_of: None,
            none_of: BTreeSet::new(),
        }
    }

    /// A value that meets the requirements: `Some(None)` if the key may be absent, `None` if no value
    /// meets them.
    fn example(&self, budget: &mut Budget) -> Result<Option<Option<Text>>, TooLarge> {
        if self.absent {
            return Ok(Some(None));
        }
        if !self.present {
            return Ok(None);
        }

        if let Some(values) = &self.one_of {
            for value in values {
                budget.look_at(1)?;
                if !self.none_of.contains(value) {
                    return Ok(Some(Some((*value).clone())));
                }
            }
            return Ok(None);
        }

        // Of so many values, one is not excluded.
        for number in 0..=self.none_of.len() {
            budget.look_at(1)?;
            let fresh = Text::from(format!("any-{number}"));
            if !self.none_of.contains(&fresh) {
                return Ok(Some(Some(fresh)));
            }
        }
        Ok(None)
    }
}

/// How much of a question may still be tried.
#[derive(Debug)]
struct Budget {
    tries: usize,
    values: usize,
}

impl Budget {
    const fn try_once(&mut self) -> Result<(), TooLarge> {
        match self.tries.checked_sub(1) {
            Some(left) => {
                self.tries = left;
                Ok(())
            }
            None => Err(TooLarge),
        }
    }

    const fn look_at(&mut self, values: usize) -> Result<(), TooLarge> {
        match self.values.checked_sub(values) {
            Some(left) => {
                self.values = left;
                Ok(())
            }
            None => Err(TooLarge),
        }
    }
}

/// What a requirement changed of the domain with an index.
#[derive(Debug)]
enum Change<'s> {
    /// It could be absent before.
    Absent(usize),
    /// It could be present before.
    Present(usize),
    /// It could be one of these before.
    OneOf(usize, Option<Vec<&'s Text>>),
    /// It could have this value before.
    NoneOf(usize, &'s Text),
}

/// A requirement by which a selector is avoided.
struct Choice {
    /// Its index in the selector.
    requirement: usize,
    /// The number of changes before it.
    mark: usize,
}

/// Requirements that are being met together, for something that does not exist yet.
#[derive(Debug)]
struct KeyDomains<'s> {
    all: Vec<KeyDomain<'s>>,
    index: HashMap<&'s Text, usize>,
    log: Vec<Change<'s>>,
    budget: Budget,
}

impl Default for KeyDomains<'_> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            index: HashMap::new(),
            log: Vec::new(),
            budget: Budget {
                tries: MAX_TRIES,
                values: MAX_VALUES,
            },
        }
    }
}

impl<'s> KeyDomains<'s> {
    /// Narrows a key to where a requirement is met, or is not met; returns whether it can be.
    fn narrow(&mut self, requirement: &'s Requirement, is_negated: bool) -> Result<bool, TooLarge> {
        let at = *self.index.entry(&requirement.key).or_insert_with(|| {
            self.all.push(KeyDomain::new(&requirement.key));
            self.all.len() - 1
        });

        match (&requirement.op, is_negated) {
            (Op::In(values), false) | (Op::NotIn(values), true) => {
                self.require(at);
                self.keep(at, values)?;
            }
            (Op::NotIn(values), false) | (Op::In(values), true) => self.exclude(at, values)?,
            (Op::Exists, false) | (Op::DoesNotExist, true) => self.require(at),
            (Op::DoesNotExist, false) | (Op::Exists, true) => {
                if std::mem::take(&mut self.all[at].present) {
                    self.log.push(Change::Present(at));
                }
            }
        }

        let example = self.all[at].example(&mut self.budget)?;
        Ok(example.is_some())
    }

    fn require(&mut self, at: usize) {
        if std::mem::take(&mut self.all[at].absent) {
            self.log.push(Change::Absent(at));
        }
    }

    fn keep(&mut self, at: usize, values: &'s [Text]) -> Result<(), TooLarge> {
        let known = &mut self.all[at].one_of;
        self.budget
            .look_at(values.len() + known.as_ref().map_or(0, Vec::len))?;

        let kept = match &known {
            Some(known) => {
                let values: BTreeSet<&Text> = values.iter().collect();
                let both = known.iter().filter(|value| values.contains(**value));
                both.copied().collect()
            }
            None => values.iter().collect(),
        };
        self.log.push(Change::OneOf(at, known.replace(kept)));
        Ok(())
    }

    fn exclude(&mut self, at: usize, values: &'s [Text]) -> Result<(), TooLarge> {
        self.budget.look_at(values.len())?;
        for value in values {
            if self.all[at].none_of.insert(value) {
                self.log.push(Change::NoneOf(at, value));
            }
        }
        Ok(())
    }

    /// Takes back the changes after the first so many.
    fn undo(&mut self, mark: usize) {
        for change in self.log.drain(mark..).rev() {
            match change {
                Change::Absent(at) => self.all[at].absent = true,
                Change::Present(at) => self.all[at].present = true,
                Change::OneOf(at, before) => self.all[at].one_of = before,
                Change::NoneOf(at, value) => _ = self.all[at].none_of.remove(value),
            }
        }
    }

    /// Narrows the keys so that no selector selects them; returns whether that is possible.
    fn avoid(&mut self, no: &[&'s Selector]) -> Result<bool, TooLarge> {
        // By selector, in order: how it is avoided.
        let mut chosen: Vec<Choice> = Vec::new();
        let mut next = 0;

        while let Some(selector) = no.get(chosen.len()) {
            let Some(requirement) = selector.0.get(next) else {
                // No requirement of it is left: the selector before it must be avoided otherwise.
                let Some(last) = chosen.pop() else {
                    return Ok(false);
                };
                self.undo(last.mark);
                next = last.requirement + 1;
                continue;
            };

            self.budget.try_once()?;
            let mark = self.log.len();
            if self.narrow(requirement, true)? {
                chosen.push(Choice {
                    requirement: next,
                    mark,
                });
                next = 0;
            } else {
                self.undo(mark);
                next += 1;
            }
        }

        Ok(true)
    }

    /// An example of labels that are left.
    fn labels(mut self) -> Result<Labels, TooLarge> {
        let mut pairs = Vec::new();
        for domain in &self.all {
            if let Some(Some(value)) = domain.example(&mut self.budget)? {
                pairs.push((domain.key.clone(), value));
            }
        }
        Ok(Labels::new(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(pairs: &[(&str, &str)]) -> Selector {
        Selector::labels(pairs.iter().copied())
    }

    fn requires(key: &str, op: Op) -> Selector {
        let key = key.into();
        Selector(vec![Requirement { key, op }])
    }

    fn found(yes: &[Selector], no: &[Selector]) -> Result<Option<Labels>, TooLarge> {
        let yes: Vec<&Selector> = yes.iter().collect();
        let no: Vec<&Selector> = no.iter().collect();
        satisfiable(&yes, &no)
    }

    #[test]
    fn a_choice_that_leads_nowhere_is_taken_back() {
        // To avoid the first by `a` leaves no way to avoid the second.
        let yes = [requires("a", Op::Exists)];
        let no = [
            equal(&[("a", "x"), ("b", "x")]),
            Selector(vec![
                Requirement {
                    key: "a".into(),
                    op: Op::NotIn(vec!["x".into()]),
                },
                Requirement {
                    key: "c".into(),
                    op: Op::NotIn(vec!["y".into()]),
                },
                Requirement {
                    key: "c".into(),
                    op: Op::DoesNotExist,
                },
            ]),
        ];
        let labels = found(&yes, &no).unwrap().unwrap();
        assert!(yes[0].matches(&labels));
        assert!(!no.iter().any(|selector| selector.matches(&labels)));

        let closed = [
            equal(&[("a", "x")]),
            requires("a", Op::NotIn(vec!["x".into()])),
        ];
        assert_eq!(found(&yes, &closed), Ok(None));
    }

    #[test]
    fn a_fresh_value_is_found_beside_those_that_are_excluded() {
        let values = (0..50).map(|number| Text::from(format!("any-{number}")));
        let no = [requires("a", Op::In(values.collect()))];
        let yes = [requires("a", Op::Exists)];
        let labels = found(&yes, &no).unwrap().unwrap();
        assert_eq!(labels.get("a"), Some("any-50"));
    }

    #[test]
    fn many_selectors_are_avoided_without_a_deep_stack() {
        let no: Vec<Selector> = (0..MAX_TRIES)
            .map(|number| equal(&[(&format!("a{number}"), "b")]))
            .collect();
        assert!(found(&[], &no).unwrap().is_some());

        let more = [&no[..], &no[..1]].concat();
        assert_eq!(found(&[], &more), Err(TooLarge));
    }
}

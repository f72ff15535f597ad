//! How many pairs of tenants each finding opens, and how many it alone opens: which one to mend first.
//!
//! A pair is a tenant that gains access and another one that is reached. Pairs are counted by sets
//! of tenants, not listed: a single finding may open all of them.

use super::{Finding, Plane, Verdict, matrix};
use crate::graph::TenantNode;
use fixedbitset::FixedBitSet;
use std::collections::{BTreeMap, HashMap};

/// The pairs of tenants that a finding opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpenedPairs {
    /// All of them.
    pub pairs: u64,
    /// Those that no other finding opens.
    pub alone: u64,
}

impl OpenedPairs {
    /// Adds the pairs of another cluster.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            pairs: self.pairs + other.pairs,
            alone: self.alone + other.alone,
        }
    }

    /// As a phrase: `opens 12 pairs of tenants, 3 of them alone`.
    pub fn phrase(self) -> String {
        let Self { pairs, alone } = self;
        match (pairs, alone) {
            (1, 0) => "opens 1 pair of tenants, which other findings open too".to_owned(),
            (1, _) => "opens 1 pair of tenants, alone".to_owned(),
            (_, 0) => format!("opens {pairs} pairs of tenants, none of them alone"),
            _ if alone == pairs => format!("opens {pairs} pairs of tenants, all of them alone"),
            _ => format!("opens {pairs} pairs of tenants, {alone} of them alone"),
        }
    }
}

/// Counts the pairs that each finding of a cluster opens.
pub fn count(tenants: &[TenantNode], findings: &mut [Finding]) {
    let numbers = tenants.iter().enumerate();
    let index: HashMap<&str, usize> = numbers
        .map(|(at, tenant)| (tenant.name.as_str(), at))
        .collect();

    let opening: Vec<Option<FindingPairs>> = findings
        .iter()
        .map(|finding| opens(finding).then(|| FindingPairs::of(finding, &index, tenants.len())))
        .collect();
    let counts = PairCounts::new(tenants.len(), opening.iter().flatten());

    for (finding, pairs) in findings.iter_mut().zip(&opening) {
        let counted = pairs.as_ref().map(|one| counts.count(one));
        finding.opens = counted.filter(|opens| opens.pairs > 0);
    }
}

/// Whether a finding is a way from one tenant to another. The matrix asks each pair about packets,
/// so that it counts no finding about them.
fn opens(finding: &Finding) -> bool {
    let is_of_packets = finding.plane == Plane::Network;
    finding.verdict == Some(Verdict::Refuted)
        && (is_of_packets || matrix::Relation::of(finding).is_some())
}

/// Some tenants of a cluster.
#[derive(Clone, Debug)]
enum Tenants {
    All,
    One(usize),
    Some(FixedBitSet),
}

impl Tenants {
    fn new(several: Option<&FixedBitSet>, one: Option<usize>, count: usize) -> Self {
        match (several, one) {
            (Some(several), _) => {
                let mut all = several.clone();
                all.grow(count);
                match all.is_full() {
                    true => Self::All,
                    false => Self::Some(all),
                }
            }
            (None, Some(one)) => Self::One(one),
            (None, None) => Self::All,
        }
    }

    fn has(&self, tenant: usize) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => *one == tenant,
            Self::Some(some) => some.contains(tenant),
        }
    }

    fn list(&self, count: usize) -> Vec<usize> {
        match self {
            Self::All => (0..count).collect(),
            Self::One(one) => vec![*one],
            Self::Some(some) => some.ones().collect(),
        }
    }
}

/// The pairs of a finding: each tenant that gains with each other one that is reached.
struct FindingPairs {
    gaining: Tenants,
    reached: Tenants,
}

impl FindingPairs {
    fn of(finding: &Finding, index: &HashMap<&str, usize>, count: usize) -> Self {
        let at = |name: Option<&str>| name.and_then(|name| index.get(name)).copied();
        let (tenant, victim) = (at(finding.tenant.as_deref()), at(finding.victim.as_deref()));
        let gaining = Tenants::new(finding.gaining.as_ref(), tenant, count);
        let reached = Tenants::new(finding.reached.as_ref(), victim, count);

        // All the others of a tenant are all tenants: nobody is a pair with itself.
        let gaining = match (gaining, &reached) {
            (Tenants::Some(some), Tenants::One(one))
                if some.count_ones(..) + 1 == count && !some.contains(*one) =>
            {
                Tenants::All
            }
            (gaining, _) => gaining,
        };
        Self { gaining, reached }
    }
}

/// Who reaches a tenant by the findings that name whom they reach.
#[derive(Default)]
struct ReachedBy {
    /// How many findings open it to all tenants.
    to_all: u64,
    /// The tenants that reach it by at least one of the others, and by at least two. Each grows on its
    /// first use: most tenants are reached by none, or by all.
    once: FixedBitSet,
    twice: FixedBitSet,
}

impl ReachedBy {
    fn add(&mut self, gaining: &Tenants) {
        match gaining {
            Tenants::All => self.to_all += 1,
            Tenants::One(one) => {
                self.once.grow(one + 1);
                if self.once.put(*one) {
                    self.twice.grow(one + 1);
                    self.twice.insert(*one);
                }
            }
            Tenants::Some(some) => {
                let mut again = self.once.clone();
                again.intersect_with(some);
                self.twice.union_with(&again);
                self.once.union_with(some);
            }
        }
    }
}

/// By how many findings each pair is open: those that reach all tenants by the tenant that gains,
/// the others by the tenant that is reached.
struct PairCounts {
    count: usize,
    /// By how many findings a tenant reaches all others.
    rows: Vec<u64>,
    /// The tenants that reach all others by no finding.
    closed: FixedBitSet,
    reached_by: BTreeMap<usize, ReachedBy>,
    /// How many others each tenant reaches by the columns.
    covered: Vec<u64>,
}

impl PairCounts {
    fn new<'r>(count: usize, all: impl Iterator<Item = &'r FindingPairs>) -> Self {
        let mut counts = Self {
            count,
            rows: vec![0; count],
            closed: FixedBitSet::with_capacity(count),
            reached_by: BTreeMap::new(),
            covered: vec![0; count],
        };
        for FindingPairs { gaining, reached } in all {
            if matches!(reached, Tenants::All) {
                let rows = gaining.list(count);
                rows.into_iter().for_each(|row| counts.rows[row] += 1);
                continue;
            }
            for victim in reached.list(count) {
                counts.reached_by.entry(victim).or_default().add(gaining);
            }
        }

        let rows = counts.rows.iter().enumerate();
        let closed = rows.filter(|(_, findings)| **findings == 0);
        counts.closed.extend(closed.map(|(row, _)| row));
        if counts.rows.iter().any(|findings| *findings > 0) {
            counts.cover();
        }
        counts
    }

    fn cover(&mut self) {
        let is_open = |reached_by: &&ReachedBy| reached_by.to_all > 0;
        let to_all = self.reached_by.values().filter(is_open).count() as u64;
        self.covered.fill(to_all);
        for (victim, reached_by) in &self.reached_by {
            if reached_by.to_all > 0 {
                self.covered[*victim] -= 1;
                continue;
            }
            let others = reached_by.once.ones().filter(|from| from != victim);
            others.for_each(|from| self.covered[from] += 1);
        }
    }

    fn count(&self, pairs: &FindingPairs) -> OpenedPairs {
        let FindingPairs { gaining, reached } = pairs;
        let number = |tenants: &Tenants| match tenants {
            Tenants::All => self.count,
            Tenants::One(_) => 1,
            Tenants::Some(some) => some.count_ones(..),
        };
        let itself = match (gaining, reached) {
            (Tenants::All, other) | (other, Tenants::All) => number(other),
            (Tenants::One(one), other) | (other, Tenants::One(one)) => usize::from(other.has(*one)),
            (Tenants::Some(gaining), Tenants::Some(reached)) => {
                gaining.intersection(reached).count()
            }
        };

        let alone = match reached {
            Tenants::All => {
                let rows = gaining.list(self.count).into_iter();
                let alone = rows.filter(|row| self.rows[*row] == 1);
                alone
                    .map(|row| self.count as u64 - 1 - self.covered[row])
                    .sum()
            }
            some => {
                let victims = some.list(self.count).into_iter();
                victims.map(|victim| self.alone(gaining, victim)).sum()
            }
        };
        let pairs = number(gaining) as u64 * number(reached) as u64 - itself as u64;
        OpenedPairs { pairs, alone }
    }

    /// How many of some tenants reach another one by this finding alone.
    fn alone(&self, gaining: &Tenants, victim: usize) -> u64 {
        let Some(reached_by) = self.reached_by.get(&victim) else {
            return 0;
        };
        let is_alone = |from: usize| from != victim && self.closed.contains(from);
        let of_closed = |mut set: FixedBitSet| {
            set.intersect_with(&self.closed);
            set.set(victim, false);
            set.count_ones(..) as u64
        };

        match gaining {
            Tenants::All if reached_by.to_all == 1 => {
                let mut set = self.closed.clone();
                set.difference_with(&reached_by.once);
                of_closed(set)
            }
            _ if reached_by.to_all > 0 => 0,
            Tenants::All => 0,
            Tenants::One(one) => u64::from(is_alone(*one) && !reached_by.twice.contains(*one)),
            Tenants::Some(some) => {
                let mut set = some.clone();
                set.difference_with(&reached_by.twice);
                of_closed(set)
            }
        }
    }
}

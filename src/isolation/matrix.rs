//! Tenant × tenant: who reaches whom, by classes of tenants that reach, and are reached by, the
//! same.

use super::network::reach::Reachability;
use super::{Finding, Plane, Verdict, network};
use crate::graph::{Cluster, Owner};
use crate::value::Text;
use fixedbitset::FixedBitSet;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How one tenant reaches another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// By a grant of Kubernetes' API.
    Api,
    /// By packets that both sides did not declare.
    Network,
    /// By packets, as both sides declare.
    Declared,
    /// By what applies what.
    Gitops,
    /// By its node.
    Node,
    /// By data: hosts, stores, identities.
    Data,
    /// It is not known.
    Unknown,
}

impl Relation {
    /// Every one, in the order of a report.
    pub const ALL: [Self; 7] = [
        Self::Api,
        Self::Network,
        Self::Declared,
        Self::Gitops,
        Self::Node,
        Self::Data,
        Self::Unknown,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Network => "network",
            Self::Declared => "declared",
            Self::Gitops => "gitops",
            Self::Node => "node",
            Self::Data => "data",
            Self::Unknown => "unknown",
        }
    }

    /// The letter in tables.
    pub const fn letter(self) -> char {
        match self {
            Self::Api => 'a',
            Self::Network => 'n',
            Self::Declared => 'e',
            Self::Gitops => 'g',
            Self::Node => 'o',
            Self::Data => 'd',
            Self::Unknown => '?',
        }
    }

    /// The relation that a finding means; `None` if it is about packets, which each pair is asked
    /// about, or reaches nobody.
    pub(super) fn of(finding: &Finding) -> Option<Self> {
        match (finding.verdict?, finding.plane) {
            (Verdict::Unknown, _) => Some(Self::Unknown),
            // Who asks a tenant's webhook gives it whatever it is asked about; who has the node has
            // its pods.
            _ if finding.diagnostic.rule.id == "admission/tenant-hook" => Some(Self::Api),
            _ if NODE.contains(&finding.diagnostic.rule.id) => Some(Self::Node),
            _ if finding.diagnostic.rule.id == "network/open-controller" => Some(Self::Data),
            // Of packets each pair is asked; shares of a cluster, and a tenant's own floor, reach
            // nobody.
            (_, Plane::Network | Plane::Resources | Plane::Admission) => None,
            (_, Plane::Api) => Some(Self::Api),
            (_, Plane::Gitops) => Some(Self::Gitops),
            (_, Plane::Data) => Some(Self::Data),
        }
    }
}

/// Rules that find ways to a node.
const NODE: [&str; 4] = [
    "admission/pod-security-not-enforced",
    "admission/privileged-workload",
    "data/host-path",
    "network/host-network",
];

/// Tenants that are alike: each reaches, and is reached by, the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantClass {
    /// Their names, sorted.
    pub tenants: Vec<Text>,
    /// How each of them reaches everybody.
    pub reaches_all: BTreeSet<Relation>,
    /// How everybody reaches each of them.
    pub reached_by_all: BTreeSet<Relation>,
}

/// Who reaches whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// The cluster's name.
    pub cluster: Text,
    /// How everybody reaches everybody.
    pub everywhere: BTreeSet<Relation>,
    /// The classes: those that are apart from all last.
    pub classes: Vec<TenantClass>,
    /// Beyond that: from a class to another, or to others of its own: how. Pairs that are apart are
    /// left out.
    pub cells: BTreeMap<(usize, usize), BTreeSet<Relation>>,
}

/// The relations between pairs of tenants.
#[derive(Default)]
struct TenantPairs {
    everywhere: BTreeSet<Relation>,
    /// By tenant.
    reaches_all: BTreeMap<usize, BTreeSet<Relation>>,
    reached_by_all: BTreeMap<usize, BTreeSet<Relation>>,
    /// By the relation: whom each tenant reaches, and who reaches it.
    rows: BTreeMap<Relation, Vec<FixedBitSet>>,
    columns: BTreeMap<Relation, Vec<FixedBitSet>>,
    count: usize,
}

/// The tenants at one end of a finding.
enum TenantSet<'f> {
    All,
    Some(Cow<'f, FixedBitSet>),
}

impl<'f> TenantSet<'f> {
    /// The tenants that a finding names; all if it names none. `index` has all tenants by name.
    fn of(
        name: Option<&Text>,
        several: Option<&'f FixedBitSet>,
        index: &HashMap<&str, usize>,
    ) -> Self {
        if let Some(several) = several {
            return match several.count_ones(..) == index.len() {
                true => Self::All,
                false => Self::Some(Cow::Borrowed(several)),
            };
        }

        let Some(tenant) = name.and_then(|name| index.get(name.as_str())) else {
            return Self::All;
        };
        let mut one = FixedBitSet::with_capacity(index.len());
        one.insert(*tenant);
        Self::Some(Cow::Owned(one))
    }
}

/// Adds tenants to the set of each member, but no member to its own. `sets` has a set of each
/// tenant, which has no bits while it is empty.
fn unite(sets: &mut [FixedBitSet], members: &FixedBitSet, others: &FixedBitSet) {
    let (count, added) = (sets.len(), others.count_ones(..));
    for member in members.ones() {
        if added == usize::from(others.contains(member)) {
            continue;
        }
        let set = &mut sets[member];
        let has_itself = set.contains(member);
        set.grow(count);
        set.union_with(others);
        set.set(member, has_itself);
    }
}

impl TenantPairs {
    fn new(count: usize) -> Self {
        let empty = || {
            Relation::ALL
                .into_iter()
                .map(|r| (r, vec![FixedBitSet::new(); count]))
                .collect()
        };
        Self {
            rows: empty(),
            columns: empty(),
            count,
            ..Self::default()
        }
    }

    fn pair(&mut self, relation: Relation, from: usize, to: usize) {
        let count = self.count;
        let set = |sets: Option<&mut Vec<FixedBitSet>>, a: usize, b: usize| {
            for set in sets.into_iter().map(|s| &mut s[a]) {
                set.grow(count);
                set.insert(b);
            }
        };
        set(self.rows.get_mut(&relation), from, to);
        set(self.columns.get_mut(&relation), to, from);
    }

    /// Adds that each of some tenants reaches each of others, but not itself.
    fn add(&mut self, relation: Relation, from: &TenantSet<'_>, to: &TenantSet<'_>) {
        match (from, to) {
            (TenantSet::All, TenantSet::All) => _ = self.everywhere.insert(relation),
            (TenantSet::Some(from), TenantSet::All) => {
                for tenant in from.ones() {
                    let known = self.reaches_all.entry(tenant).or_default();
                    known.insert(relation);
                }
            }
            (TenantSet::All, TenantSet::Some(to)) => {
                for tenant in to.ones() {
                    let known = self.reached_by_all.entry(tenant).or_default();
                    known.insert(relation);
                }
            }
            (TenantSet::Some(from), TenantSet::Some(to)) => {
                for (sets, members, others) in
                    [(&mut self.rows, from, to), (&mut self.columns, to, from)]
                {
                    if let Some(sets) = sets.get_mut(&relation) {
                        unite(sets, members, others);
                    }
                }
            }
        }
    }

    /// Adds the tenants that reach one: all others, or some.
    fn column(&mut self, relation: Relation, sources: &FixedBitSet, to: usize) {
        if sources.count_ones(..) + 1 >= self.count && self.count > 2 {
            self.reached_by_all.entry(to).or_default().insert(relation);
        } else {
            sources
                .ones()
                .for_each(|from| self.pair(relation, from, to));
        }
    }
}

/// Returns which tenants reach which. `findings` are those of the proof of the cluster.
pub fn matrix(cluster: &Cluster, findings: &[Finding]) -> Matrix {
    let mut known = TenantPairs::new(cluster.tenants.len());
    let index: HashMap<&str, usize> = cluster
        .tenants
        .iter()
        .enumerate()
        .map(|(i, t)| (t.name.as_str(), i))
        .collect();

    for finding in findings {
        let Some(relation) = Relation::of(finding) else {
            continue;
        };
        let from = TenantSet::of(finding.tenant.as_ref(), finding.gaining.as_ref(), &index);
        let to = TenantSet::of(finding.victim.as_ref(), finding.reached.as_ref(), &index);
        known.add(relation, &from, &to);
    }

    if !cluster.unread_inputs.is_empty() {
        known.everywhere.insert(Relation::Unknown);
    }
    let reach = Reachability::new(cluster);
    let declared = network::declared(cluster);

    for (at, namespace) in cluster.namespaces.iter().enumerate() {
        let Owner::Tenant(to) = namespace.owner else {
            continue;
        };
        match reach.sources(at as u32, &declared) {
            Ok(sources) if !namespace.has_unevaluated_policy => {
                known.column(Relation::Network, &sources.open, to as usize);
                known.column(Relation::Declared, &sources.declared, to as usize);
            }
            _ => {
                _ = known
                    .reached_by_all
                    .entry(to as usize)
                    .or_default()
                    .insert(Relation::Unknown)
            }
        }
    }

    classes(cluster, known)
}

/// What tells a tenant from another.
#[derive(PartialEq, Eq, Hash)]
struct Signature {
    /// The tenants that it reaches and that reach it, by relation.
    sets: Vec<FixedBitSet>,
    reaches_all: BTreeSet<Relation>,
    reached_by_all: BTreeSet<Relation>,
}

impl Signature {
    /// Whether the tenant is apart from all others.
    fn is_apart(&self) -> bool {
        self.sets.iter().all(FixedBitSet::is_clear)
            && self.reaches_all.is_empty()
            && self.reached_by_all.is_empty()
    }
}

/// Tenants with one signature.
struct AlikeTenants {
    signature: Signature,
    members: Vec<usize>,
}

impl TenantPairs {
    /// The signature of a tenant. With `ring`, the tenant counts as one that it reaches itself: the
    /// members of a ring, in which each reaches all others, are then alike.
    fn signature(&self, tenant: usize, ring: bool) -> Signature {
        let own = |sets: &Vec<FixedBitSet>| {
            let mut set = sets[tenant].clone();
            set.grow(self.count);
            set.set(tenant, ring && !set.is_clear());
            match set.is_clear() {
                true => FixedBitSet::new(),
                false => set,
            }
        };
        let of = |all: &BTreeMap<usize, BTreeSet<Relation>>| {
            all.get(&tenant).cloned().unwrap_or_default()
        };

        Signature {
            sets: self
                .rows
                .values()
                .chain(self.columns.values())
                .map(own)
                .collect(),
            reaches_all: of(&self.reaches_all),
            reached_by_all: of(&self.reached_by_all),
        }
    }

    fn gather(&self, tenants: impl IntoIterator<Item = usize>, ring: bool) -> Vec<AlikeTenants> {
        let mut alike: HashMap<Signature, Vec<usize>> = HashMap::new();
        for tenant in tenants {
            alike
                .entry(self.signature(tenant, ring))
                .or_default()
                .push(tenant);
        }
        alike
            .into_iter()
            .map(|(signature, members)| AlikeTenants { signature, members })
            .collect()
    }

    /// Groups tenants that are alike: first those that reach the same others, then rings.
    fn alike(&self) -> Vec<AlikeTenants> {
        let (mut alike, alone): (Vec<_>, Vec<_>) = self
            .gather(0..self.count, false)
            .into_iter()
            .partition(|group| group.members.len() > 1);
        let alone = alone.into_iter().flat_map(|group| group.members);
        alike.extend(self.gather(alone, true));
        alike
    }
}

fn classes(cluster: &Cluster, pairs: TenantPairs) -> Matrix {
    let name = |tenant: usize| &cluster.tenants[tenant].name;
    let mut groups = pairs.alike();
    for group in &mut groups {
        group.members.sort_by_key(|tenant| name(*tenant));
    }
    groups.sort_by_key(|group| (group.signature.is_apart(), name(group.members[0])));

    let mut class_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (class, group) in groups.iter().enumerate() {
        class_of.extend(group.members.iter().map(|tenant| (*tenant, class)));
    }

    // The first of a class stands for it.
    let mut cells: BTreeMap<(usize, usize), BTreeSet<Relation>> = BTreeMap::new();
    for (class, group) in groups.iter().enumerate() {
        let first = group.members[0];
        for (relation, rows) in &pairs.rows {
            for to in rows[first].ones().filter(|to| *to != first) {
                cells
                    .entry((class, class_of[&to]))
                    .or_default()
                    .insert(*relation);
            }
        }
    }

    let class = |group: AlikeTenants| TenantClass {
        tenants: group
            .members
            .iter()
            .map(|tenant| name(*tenant).clone())
            .collect(),
        reaches_all: group.signature.reaches_all,
        reached_by_all: group.signature.reached_by_all,
    };
    Matrix {
        cluster: cluster.name.clone(),
        everywhere: pairs.everywhere,
        classes: groups.into_iter().map(class).collect(),
        cells,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of those of five tenants whose bits are set.
    fn tenants(bits: u8) -> FixedBitSet {
        (0..5).filter(|at| bits >> at & 1 == 1).collect()
    }

    #[test]
    fn sets_of_tenants_add_the_same_as_their_pairs() {
        for (from, to) in (0..32).flat_map(|from| (0..32).map(move |to| (from, to))) {
            let (from, to) = (tenants(from), tenants(to));
            let mut by_pair = TenantPairs::new(5);
            let mut by_set = TenantPairs::new(5);
            for pairs in [&mut by_pair, &mut by_set] {
                pairs.pair(Relation::Api, 3, 4);
                pairs.pair(Relation::Network, 2, 2);
            }

            for relation in [Relation::Api, Relation::Network] {
                for one in from.ones() {
                    let others = to.ones().filter(|other| *other != one);
                    others.for_each(|other| by_pair.pair(relation, one, other));
                }
                let sets = [&from, &to].map(|set| TenantSet::Some(Cow::Borrowed(set)));
                by_set.add(relation, &sets[0], &sets[1]);
            }
            assert_eq!(by_set.rows, by_pair.rows, "{from} to {to}");
            assert_eq!(by_set.columns, by_pair.columns, "{from} to {to}");
        }
    }
}

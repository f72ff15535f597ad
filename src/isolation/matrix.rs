//! Tenant × tenant: who reaches whom, by classes of tenants that reach, and are reached by, the
//! same.

use super::network::reach::Reachability;
use super::{Finding, Plane, Verdict, network};
use crate::graph::{Cluster, Owner};
use crate::value::Text;
use fixedbitset::FixedBitSet;
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

    /// Adds that a tenant reaches another; `None` stands for every tenant.
    fn add(&mut self, relation: Relation, from: Option<usize>, to: Option<usize>) {
        match (from, to) {
            (Some(from), Some(to)) if from == to => {}
            (Some(from), Some(to)) => self.pair(relation, from, to),
            (Some(from), None) => _ = self.reaches_all.entry(from).or_default().insert(relation),
            (None, Some(to)) => _ = self.reached_by_all.entry(to).or_default().insert(relation),
            (None, None) => _ = self.everywhere.insert(relation),
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

    // The tenants of a finding; all if it names none.
    let named = |name: &Option<Text>, several: &Option<FixedBitSet>| match (several, name) {
        (Some(several), _) if several.count_ones(..) == index.len() => vec![None],
        (Some(several), _) => several.ones().map(Some).collect(),
        (None, Some(name)) => vec![index.get(name.as_str()).copied()],
        (None, None) => vec![None],
    };
    for finding in findings {
        let Some(relation) = Relation::of(finding) else {
            continue;
        };
        let reached = named(&finding.victim, &finding.reached);
        for from in named(&finding.tenant, &finding.gaining) {
            for to in &reached {
                known.add(relation, from, *to);
            }
        }
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

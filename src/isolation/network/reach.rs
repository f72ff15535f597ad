//! Which namespaces' pods reach which, without a question for every pair.
//!
//! A path out that leads to few namespaces is looked up from where it leads. Namespaces whose paths
//! out to many namespaces are equal form a group, and each path in is held against a group once.

use super::paths::{EndLabels, NamespaceSet, NetworkPath, PathCondition, paths};
use crate::graph::{Cluster, NamespaceNode, Owner};
use crate::kube::labels::TooLarge;
use crate::netpol::{Direction, Port};
use crate::value::Text;
use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Up to this many namespaces, a path leads to few.
const FEW: usize = 32;

/// The paths of a cluster, indexed so that they can be asked about.
pub struct Reachability<'a> {
    cluster: &'a Cluster,
    /// By namespace; `None` if the selectors are too many to tell.
    outs: Vec<Option<Vec<NetworkPath<'a>>>>,
    ins: Vec<Option<Vec<NetworkPath<'a>>>>,
    exits: ExitIndex<'a>,
}

/// The paths out of tenants' namespaces, by where they lead.
#[derive(Default)]
struct ExitIndex<'a> {
    groups: Vec<ExitGroup<'a>>,
    /// The namespaces with a path to few, by where it leads.
    few: HashMap<u32, Vec<u32>>,
    /// Namespaces whose paths out could not be told.
    undecided: Vec<u32>,
}

/// A path that leads to many namespaces: to which, and on what condition.
type WidePath<'a> = (NamespaceSet, PathCondition<'a>);

/// Namespaces whose paths out to many namespaces are equal.
struct ExitGroup<'a> {
    paths: Vec<WidePath<'a>>,
    /// Namespaces of tenants, sorted.
    members: Vec<u32>,
    /// The tenants of these namespaces.
    tenants: FixedBitSet,
}

impl<'a> ExitIndex<'a> {
    fn new(cluster: &Cluster, outs: &[Option<Vec<NetworkPath<'a>>>]) -> Self {
        let mut index = Self::default();
        let mut known: HashMap<Vec<WidePath<'a>>, usize> = HashMap::new();

        for (from, (namespace, paths)) in cluster.namespaces.iter().zip(outs).enumerate() {
            let from = from as u32;
            if namespace.owner == Owner::Platform {
                continue;
            }
            let Some(paths) = paths else {
                index.undecided.push(from);
                continue;
            };

            let wide = index.add_narrow(from, paths);
            if wide.is_empty() {
                continue;
            }
            let at = *known.entry(wide).or_insert_with_key(|paths| {
                index.groups.push(ExitGroup {
                    paths: paths.clone(),
                    members: Vec::new(),
                    tenants: FixedBitSet::with_capacity(cluster.tenants.len()),
                });
                index.groups.len() - 1
            });
            index.groups[at].members.push(from);
            index.groups[at].tenants.extend(tenant_at(namespace));
        }

        index
    }

    /// Indexes the paths that lead to few, and returns the others, sorted.
    fn add_narrow(&mut self, from: u32, paths: &[NetworkPath<'a>]) -> Vec<WidePath<'a>> {
        let mut wide = BTreeSet::new();
        for path in paths {
            match &path.namespaces {
                NamespaceSet::In(list) if list.len() <= FEW => {
                    for to in list.iter() {
                        let sources = self.few.entry(*to).or_default();
                        if sources.last() != Some(&from) {
                            sources.push(from);
                        }
                    }
                }
                namespaces => _ = wide.insert((namespaces.clone(), path.condition.clone())),
            }
        }
        wide.into_iter().collect()
    }
}

/// The index of the tenant that owns a namespace.
fn tenant_at(namespace: &NamespaceNode) -> Option<usize> {
    match namespace.owner {
        Owner::Tenant(at) => Some(at as usize),
        Owner::Platform => None,
    }
}

/// The tenants whose pods reach a namespace, as sets of indices.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Tenants that reach it by an edge that is not declared on both sides.
    pub open: FixedBitSet,
    /// Tenants that reach it by an edge that both sides declare.
    pub declared: FixedBitSet,
}

/// The namespaces of other tenants whose pods come in by one path.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// How many reach it without an edge that both sides declare.
    pub namespaces: usize,
    /// The first of them by name.
    pub first: Option<u32>,
    /// Their tenants, as indices.
    pub tenants: FixedBitSet,
    /// How many the path lets in, whether or not they have a path out to it; more than a few are
    /// not counted to the end.
    pub permitted: usize,
    /// How many reach it by an edge that both sides declare.
    pub declared: usize,
}

impl Admitted {
    /// Merges what two peers of one rule admit: the larger of each number.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            namespaces: self.namespaces.max(other.namespaces),
            first: [self.first, other.first].into_iter().flatten().min(),
            tenants: self.tenants.union(&other.tenants).collect(),
            permitted: self.permitted.max(other.permitted),
            declared: self.declared.max(other.declared),
        }
    }

    fn add(&mut self, count: usize, first: Option<u32>) {
        self.namespaces += count;
        self.first = [self.first, first].into_iter().flatten().min();
    }
}

/// Returns a path out of one namespace and a path into another that meet, for pods of which some
/// labels are known, or on one port. Each namespace comes with its paths.
///
/// # Errors
/// The selectors are too many to tell.
pub fn meeting<'p, 'a>(
    (from, outs): (u32, &'p [NetworkPath<'a>]),
    (to, ins): (u32, &'p [NetworkPath<'a>]),
    labels: EndLabels<'_>,
    port: Option<&Port>,
) -> Result<Option<(&'p NetworkPath<'a>, &'p NetworkPath<'a>)>, TooLarge> {
    let leads = |path: &NetworkPath<'a>, other: u32| {
        path.namespaces.has(other)
            && port.is_none_or(|port| path.condition.has_port(port, labels.to_ports))
    };

    for entrance in ins.iter().filter(|path| leads(path, from)) {
        for exit in outs.iter().filter(|path| leads(path, to)) {
            if exit.condition.meets_as(&entrance.condition, labels)? {
                return Ok(Some((exit, entrance)));
            }
        }
    }
    Ok(None)
}

impl<'a> Reachability<'a> {
    /// Indexes the paths of a cluster.
    pub fn new(cluster: &'a Cluster) -> Self {
        let all = |direction| -> Vec<Option<Vec<NetworkPath<'a>>>> {
            cluster
                .namespaces
                .par_iter()
                .map(|namespace| paths(cluster, namespace, direction).ok())
                .collect()
        };

        let outs = all(Direction::Egress);
        Self {
            cluster,
            exits: ExitIndex::new(cluster, &outs),
            outs,
            ins: all(Direction::Ingress),
        }
    }

    /// The paths into a namespace; `None` if the selectors are too many to tell.
    pub fn paths_in(&self, namespace: u32) -> Option<&[NetworkPath<'a>]> {
        self.ins[namespace as usize].as_deref()
    }

    /// The paths out of a namespace; `None` if the selectors are too many to tell.
    pub fn paths_out(&self, namespace: u32) -> Option<&[NetworkPath<'a>]> {
        self.outs[namespace as usize].as_deref()
    }

    /// Returns a path out of one namespace and a path into another that meet.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn between(
        &self,
        from: u32,
        to: u32,
    ) -> Result<Option<(&NetworkPath<'a>, &NetworkPath<'a>)>, TooLarge> {
        self.between_as(from, to, EndLabels::default(), None)
    }

    /// Does the same for pods of which some labels are known, or on one port.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn between_as(
        &self,
        from: u32,
        to: u32,
        labels: EndLabels<'_>,
        port: Option<&Port>,
    ) -> Result<Option<(&NetworkPath<'a>, &NetworkPath<'a>)>, TooLarge> {
        let (Some(outs), Some(ins)) = (self.paths_out(from), self.paths_in(to)) else {
            return Err(TooLarge);
        };
        meeting((from, outs), (to, ins), labels, port)
    }

    /// Whether pods of one namespace may send to pods of another on another port than that of DNS.
    pub fn sends_beside_dns(&self, from: u32, to: u32) -> bool {
        let (Some(outs), Some(ins)) = (self.paths_out(from), self.paths_in(to)) else {
            return true;
        };
        let leads = |path: &&NetworkPath<'a>, other: u32| {
            path.namespaces.has(other) && !path.condition.is_dns_alone()
        };
        let exits = outs.iter().filter(|path| leads(path, to));
        exits.into_iter().any(|exit| {
            let mut entrances = ins.iter().filter(|path| leads(path, from));
            entrances
                .any(|entrance| !matches!(exit.condition.meets(&entrance.condition), Ok(false)))
        })
    }

    /// Counts the namespaces whose pods come into a namespace by one of its paths in.
    ///
    /// `declared` holds the edges that both sides declare.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn admitted_through(
        &self,
        to: u32,
        path: &NetworkPath<'a>,
        declared: &BTreeSet<(u32, u32)>,
    ) -> Result<Admitted, TooLarge> {
        let entrance = Entrance {
            reach: self,
            to,
            path,
            declared,
        };
        let mut admitted = Admitted::default();

        let sources = match &path.namespaces {
            NamespaceSet::In(list) if list.len() <= FEW => {
                let foreign = list
                    .iter()
                    .copied()
                    .filter(|from| entrance.is_foreign(*from));
                let foreign: Vec<u32> = foreign.collect();
                admitted.permitted = foreign.len();
                entrance.meeting(foreign, |_| true)?
            }
            _ => {
                entrance.check_decided()?;
                admitted.permitted = entrance.count_permitted();
                for group in entrance.open_groups()? {
                    let (count, first) = entrance.foreign_members(group);
                    admitted.add(count, first);
                    admitted
                        .tenants
                        .union_with(&entrance.foreign_tenants(group));
                }
                entrance.narrow_sources()?
            }
        };

        for from in sources {
            match entrance.is_declared(from)? {
                true => admitted.declared += 1,
                false => {
                    admitted.add(1, Some(from));
                    admitted.tenants.extend(entrance.foreign_tenant(from));
                }
            }
        }

        Ok(admitted)
    }

    /// Returns the other tenants that come into a namespace by any of its paths in.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn sources(&self, to: u32, declared: &BTreeSet<(u32, u32)>) -> Result<Sources, TooLarge> {
        let none = || FixedBitSet::with_capacity(self.cluster.tenants.len());
        let mut sources = Sources {
            open: none(),
            declared: none(),
        };

        for path in self.paths_in(to).ok_or(TooLarge)? {
            let entrance = Entrance {
                reach: self,
                to,
                path,
                declared,
            };
            entrance.check_decided()?;

            for group in entrance.open_groups()? {
                let admitted = group.members.iter().copied();
                let admitted = admitted.filter(|from| path.namespaces.has(*from));
                sources
                    .open
                    .extend(admitted.filter_map(|from| entrance.foreign_tenant(from)));
            }

            for from in entrance.narrow_sources()? {
                let Some(tenant) = entrance.foreign_tenant(from) else {
                    continue;
                };
                match entrance.is_declared(from)? {
                    true => sources.declared.insert(tenant),
                    false => sources.open.insert(tenant),
                }
            }
        }

        Ok(sources)
    }
}

/// A path into a namespace, held against the paths out of the others.
struct Entrance<'r, 'a> {
    reach: &'r Reachability<'a>,
    to: u32,
    path: &'r NetworkPath<'a>,
    declared: &'r BTreeSet<(u32, u32)>,
}

impl<'r, 'a> Entrance<'r, 'a> {
    fn owner(&self, namespace: u32) -> Owner {
        self.reach.cluster.namespaces[namespace as usize].owner
    }

    /// The tenant of a namespace, if it is not the one that is entered.
    fn foreign_tenant(&self, from: u32) -> Option<usize> {
        match self.owner(from) {
            owner if owner == self.owner(self.to) => None,
            Owner::Tenant(at) => Some(at as usize),
            Owner::Platform => None,
        }
    }

    fn is_foreign(&self, from: u32) -> bool {
        self.foreign_tenant(from).is_some()
    }

    /// Fails if the paths out of a namespace that may come in could not be told.
    fn check_decided(&self) -> Result<(), TooLarge> {
        let mut undecided = self.reach.exits.undecided.iter();
        match undecided.any(|from| self.is_foreign(*from) && self.path.namespaces.has(*from)) {
            true => Err(TooLarge),
            false => Ok(()),
        }
    }

    /// How many foreign namespaces the path lets in; of any, at most a few are counted.
    fn count_permitted(&self) -> usize {
        match &self.path.namespaces {
            NamespaceSet::Anywhere => (0..self.reach.cluster.namespaces.len() as u32)
                .filter(|from| self.is_foreign(*from))
                .take(FEW)
                .count(),
            NamespaceSet::In(list) => list.iter().filter(|from| self.is_foreign(**from)).count(),
        }
    }

    /// The groups with a path out that meets this one.
    fn open_groups(&self) -> Result<Vec<&'r ExitGroup<'a>>, TooLarge> {
        let mut open = Vec::new();
        for group in &self.reach.exits.groups {
            for (namespaces, condition) in &group.paths {
                if namespaces.has(self.to) && condition.meets(&self.path.condition)? {
                    open.push(group);
                    break;
                }
            }
        }
        Ok(open)
    }

    /// How many members of a group come in that are foreign, and the first of them.
    ///
    /// A group may hold every namespace of the cluster: its members are counted, not listed.
    fn foreign_members(&self, group: &ExitGroup<'_>) -> (usize, Option<u32>) {
        let cluster = self.reach.cluster;
        let comes_in = |from: u32| self.path.namespaces.has(from);
        let all = match &self.path.namespaces {
            NamespaceSet::Anywhere => group.members.len(),
            NamespaceSet::In(_) => group.members.iter().filter(|from| comes_in(**from)).count(),
        };

        let own_names: &[Text] = match self.owner(self.to) {
            Owner::Tenant(at) => &cluster.tenants[at as usize].namespaces,
            Owner::Platform => &[],
        };
        let own = own_names
            .iter()
            .filter_map(|name| cluster.namespace(name))
            .filter(|own| group.members.binary_search(own).is_ok() && comes_in(*own))
            .count();

        let mut members = group.members.iter().copied();
        let first = members.find(|from| comes_in(*from) && self.is_foreign(*from));
        (all - own, first)
    }

    /// The tenants of the members of a group that come in and are foreign.
    fn foreign_tenants(&self, group: &ExitGroup<'_>) -> FixedBitSet {
        let mut tenants = match &self.path.namespaces {
            NamespaceSet::Anywhere => group.tenants.clone(),
            NamespaceSet::In(_) => {
                let members = group.members.iter().copied();
                let comes_in = members.filter(|from| self.path.namespaces.has(*from));
                comes_in
                    .filter_map(|from| self.foreign_tenant(from))
                    .collect()
            }
        };
        if let Owner::Tenant(own) = self.owner(self.to)
            && tenants.contains(own as usize)
        {
            tenants.set(own as usize, false);
        }
        tenants
    }

    /// The foreign namespaces with a path out to few that meets this one.
    fn narrow_sources(&self) -> Result<BTreeSet<u32>, TooLarge> {
        let sources = self.reach.exits.few.get(&self.to).into_iter().flatten();
        let sources = sources
            .copied()
            .filter(|from| self.is_foreign(*from) && self.path.namespaces.has(*from));
        self.meeting(
            sources,
            |namespaces| matches!(namespaces, NamespaceSet::In(list) if list.len() <= FEW),
        )
    }

    /// Those of some namespaces with a path out, of those kept, that meets this one.
    fn meeting(
        &self,
        sources: impl IntoIterator<Item = u32>,
        keep: impl Fn(&NamespaceSet) -> bool,
    ) -> Result<BTreeSet<u32>, TooLarge> {
        let mut meeting = BTreeSet::new();
        for from in sources {
            let exits = self.reach.paths_out(from).ok_or(TooLarge)?.iter();
            for exit in exits.filter(|exit| exit.namespaces.has(self.to) && keep(&exit.namespaces))
            {
                if exit.condition.meets(&self.path.condition)? {
                    meeting.insert(from);
                    break;
                }
            }
        }
        Ok(meeting)
    }

    /// Whether a namespace comes in by an edge that both sides declare, and by nothing else.
    ///
    /// Policies that are rendered must let it through at both ends. Other policies may let the
    /// traffic of the edge through too, and nothing more.
    fn is_declared(&self, from: u32) -> Result<bool, TooLarge> {
        if !self.declared.contains(&(from, self.to)) {
            return Ok(false);
        }
        let exits = self.reach.paths_out(from).ok_or(TooLarge)?;
        let entrances = self.reach.paths_in(self.to).ok_or(TooLarge)?;
        let leading = || exits.iter().filter(|exit| exit.namespaces.has(self.to));
        let entering = || entrances.iter().filter(|path| path.namespaces.has(from));
        let edge_out = || {
            let rendered = leading().filter(|exit| is_rendered(exit));
            rendered.map(|exit| &exit.condition)
        };
        let edge_in = || {
            let rendered = entering().filter(|path| is_rendered(path));
            rendered.map(|path| &path.condition)
        };

        let entrance = &self.path.condition;
        for exit in leading() {
            let is_sent =
                is_rendered(exit) || PathCondition::covers(edge_out(), &exit.condition, entrance);
            let is_taken = is_rendered(self.path)
                || PathCondition::covers(edge_in(), entrance, &exit.condition);
            if !(is_sent && is_taken) && exit.condition.meets(entrance)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether a path is one of a policy that is rendered.
pub fn is_rendered(path: &NetworkPath<'_>) -> bool {
    path.by
        .is_some_and(|(policy, _)| policy.origin.input.is_rendered())
}

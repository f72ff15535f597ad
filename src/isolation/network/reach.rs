//! Which namespaces' pods reach which: without asking every pair.
//!
//! Ways out that lead to few namespaces are looked up from there; namespaces whose ways out lead to
//! many are put into groups of one kind, and a group is asked once for each way in.

use super::paths::{NamespaceSet, NetworkPath, PathCondition, paths};
use crate::graph::{Cluster, Owner};
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port};
use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// From how many namespaces on a way leads to many.
const MANY: usize = 32;

/// Namespaces whose ways out to many are of one kind.
struct ExitGroup<'a> {
    paths: Vec<(NamespaceSet, PathCondition<'a>)>,
    /// Namespaces of tenants, sorted.
    members: Vec<u32>,
}

/// The ways of a cluster, laid out to be asked.
pub struct Reachability<'a> {
    cluster: &'a Cluster,
    /// By namespace; nothing where it could not be told.
    outs: Vec<Option<Vec<NetworkPath<'a>>>>,
    ins: Vec<Option<Vec<NetworkPath<'a>>>>,
    groups: Vec<ExitGroup<'a>>,
    /// The namespaces with a way to few, by where it leads.
    few: HashMap<u32, Vec<u32>>,
    /// Namespaces whose ways out could not be told.
    undecided: Vec<u32>,
}

/// The tenants that come into a namespace.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Those that come as not both sides declare.
    pub open: FixedBitSet,
    /// Those that come as both sides declare.
    pub declared: FixedBitSet,
}

/// Who comes in by one way.
#[derive(Clone, Debug, Default)]
pub struct Admitted {
    /// How many namespaces of other tenants.
    pub namespaces: usize,
    /// One of them, the first by name.
    pub first: Option<u32>,
    /// How many namespaces of other tenants it would let in, if they had a way out.
    pub permitted: usize,
    /// How many come in as both sides declare.
    pub declared: usize,
}

impl Admitted {
    /// Of two ways the one that lets in more, and what both have.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self {
            namespaces: self.namespaces.max(other.namespaces),
            first: [self.first, other.first].into_iter().flatten().min(),
            permitted: self.permitted.max(other.permitted),
            declared: self.declared.max(other.declared),
        }
    }
}

impl<'a> Reachability<'a> {
    /// Lays out the ways of a cluster.
    pub fn new(cluster: &'a Cluster) -> Self {
        let all = |direction| -> Vec<Option<Vec<NetworkPath<'a>>>> {
            cluster
                .namespaces
                .par_iter()
                .map(|n| paths(cluster, n, direction).ok())
                .collect()
        };

        let (outs, ins) = (all(Direction::Egress), all(Direction::Ingress));
        let mut few: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut groups: Vec<ExitGroup<'a>> = Vec::new();
        let mut known: HashMap<Vec<(NamespaceSet, PathCondition<'a>)>, usize> = HashMap::new();
        let mut undecided = Vec::new();

        for (from, paths) in outs.iter().enumerate() {
            if cluster.namespaces[from].owner == Owner::Platform {
                continue;
            }
            if paths.is_none() {
                undecided.push(from as u32);
            }
            let mut many: BTreeSet<(NamespaceSet, PathCondition<'a>)> = BTreeSet::new();

            for way in paths.iter().flatten() {
                match &way.span {
                    NamespaceSet::In(list) if list.len() <= MANY => {
                        for to in list.iter() {
                            let sources = few.entry(*to).or_default();
                            if sources.last() != Some(&(from as u32)) {
                                sources.push(from as u32);
                            }
                        }
                    }
                    span => {
                        many.insert((span.clone(), way.shape.clone()));
                    }
                }
            }

            if !many.is_empty() {
                let paths: Vec<(NamespaceSet, PathCondition<'a>)> = many.into_iter().collect();
                let at = *known.entry(paths).or_insert_with_key(|paths| {
                    groups.push(ExitGroup {
                        paths: paths.clone(),
                        members: Vec::new(),
                    });
                    groups.len() - 1
                });
                groups[at].members.push(from as u32);
            }
        }

        Self {
            cluster,
            outs,
            ins,
            groups,
            few,
            undecided,
        }
    }

    /// The ways into a namespace; nothing where it could not be told.
    pub fn paths_in(&self, namespace: u32) -> Option<&[NetworkPath<'a>]> {
        self.ins[namespace as usize].as_deref()
    }

    /// The ways out of a namespace; nothing where it could not be told.
    pub fn paths_out(&self, namespace: u32) -> Option<&[NetworkPath<'a>]> {
        self.outs[namespace as usize].as_deref()
    }

    /// A way out of one namespace and a way into another that meet.
    ///
    /// # Errors
    /// It could not be told.
    pub fn between(
        &self,
        from: u32,
        to: u32,
    ) -> Result<Option<(&NetworkPath<'a>, &NetworkPath<'a>)>, TooLarge> {
        self.between_as(from, to, [None, None], None)
    }

    /// The same, for pods whose labels are known, or on one port.
    ///
    /// # Errors
    /// It could not be told.
    pub fn between_as(
        &self,
        from: u32,
        to: u32,
        labels: [Option<&Labels>; 2],
        port: Option<&Port>,
    ) -> Result<Option<(&NetworkPath<'a>, &NetworkPath<'a>)>, TooLarge> {
        let (Some(outs), Some(ins)) = (self.paths_out(from), self.paths_in(to)) else {
            return Err(TooLarge);
        };
        let on_port = |way: &&NetworkPath<'a>| port.is_none_or(|port| way.shape.has_port(port));
        for entrance in ins.iter().filter(|w| w.span.has(from)).filter(on_port) {
            for exit in outs.iter().filter(|w| w.span.has(to)).filter(on_port) {
                if exit.shape.meets_as(&entrance.shape, labels)? {
                    return Ok(Some((exit, entrance)));
                }
            }
        }
        Ok(None)
    }

    /// Whether an edge is there by what specs declare alone: policies that are rendered, at both
    /// ends.
    fn by_both_specs(
        &self,
        from: u32,
        to: u32,
        entrance: &NetworkPath<'a>,
    ) -> Result<bool, TooLarge> {
        let rendered = |way: &NetworkPath<'a>| {
            way.by
                .is_some_and(|(policy, _)| policy.origin.input.is_rendered())
        };

        if !rendered(entrance) {
            return Ok(false);
        }
        for exit in self
            .paths_out(from)
            .ok_or(TooLarge)?
            .iter()
            .filter(|w| w.span.has(to) && !rendered(w))
        {
            if exit.shape.meets(&entrance.shape)? {
                return Ok(false);
            }
        }

        Ok(true)
    }

    /// Who comes into a namespace by one of its ways in. `declared` tells the edges that both sides
    /// declare.
    ///
    /// # Errors
    /// It could not be told.
    pub fn admitted_through(
        &self,
        to: u32,
        entrance: &NetworkPath<'a>,
        declared: &BTreeSet<(u32, u32)>,
    ) -> Result<Admitted, TooLarge> {
        let mut admitted = Admitted::default();
        let home = self.cluster.namespaces[to as usize].owner;
        let foreign = |from: &u32| {
            let owner = self.cluster.namespaces[*from as usize].owner;
            owner != home && owner != Owner::Platform
        };

        let mut exits: BTreeSet<u32> = BTreeSet::new();
        if let NamespaceSet::In(list) = &entrance.span
            && list.len() <= MANY
        {
            for from in list.iter().filter(|f| foreign(f)) {
                admitted.permitted += 1;
                let outs = self.paths_out(*from).ok_or(TooLarge)?;
                for exit in outs.iter().filter(|w| w.span.has(to)) {
                    if exit.shape.meets(&entrance.shape)? {
                        exits.insert(*from);
                        break;
                    }
                }
            }
        } else {
            if self
                .undecided
                .iter()
                .any(|from| foreign(from) && entrance.span.has(*from))
            {
                return Err(TooLarge);
            }

            let others = |from: &u32| foreign(from);
            admitted.permitted = match &entrance.span {
                NamespaceSet::Anywhere => (0..self.cluster.namespaces.len() as u32)
                    .filter(others)
                    .take(MANY)
                    .count(),
                NamespaceSet::In(list) => list.iter().filter(|f| others(f)).count(),
            };

            for group in &self.groups {
                let mut open = false;
                for (span, shape) in &group.paths {
                    if span.has(to) && shape.meets(&entrance.shape)? {
                        open = true;
                        break;
                    }
                }

                if !open {
                    continue;
                }
                // All of a group but the tenant's own: counted, not listed.
                let within = |from: &&u32| entrance.span.has(**from);
                let own = match home {
                    Owner::Tenant(at) => self.cluster.tenants[at as usize].namespaces.iter(),
                    Owner::Platform => [].iter(),
                };

                let own = own.filter_map(|n| self.cluster.namespace(n));
                let own = own
                    .filter(|n| group.members.binary_search(n).is_ok() && entrance.span.has(*n))
                    .count();
                let members = match &entrance.span {
                    NamespaceSet::Anywhere => group.members.len(),
                    NamespaceSet::In(_) => group.members.iter().filter(within).count(),
                };

                admitted.namespaces += members - own;
                let first = group
                    .members
                    .iter()
                    .filter(within)
                    .find(|f| foreign(f))
                    .copied();

                admitted.first = [admitted.first, first].into_iter().flatten().min();
            }

            for from in self
                .few
                .get(&to)
                .into_iter()
                .flatten()
                .filter(|f| foreign(f) && entrance.span.has(**f))
            {
                let outs = self.paths_out(*from).ok_or(TooLarge)?;
                for exit in outs.iter().filter(
                    |w| matches!(&w.span, NamespaceSet::In(l) if l.len() <= MANY && w.span.has(to)),
                ) {
                    if exit.shape.meets(&entrance.shape)? {
                        exits.insert(*from);
                        break;
                    }
                }
            }
        }

        for from in exits {
            if declared.contains(&(from, to)) && self.by_both_specs(from, to, entrance)? {
                admitted.declared += 1;
            } else {
                admitted.namespaces += 1;
                admitted.first = [admitted.first, Some(from)].into_iter().flatten().min();
            }
        }

        Ok(admitted)
    }

    /// The tenants that come into a namespace by any of its ways in, but its own.
    ///
    /// # Errors
    /// It could not be told.
    pub fn sources(&self, to: u32, declared: &BTreeSet<(u32, u32)>) -> Result<Sources, TooLarge> {
        let none = || FixedBitSet::with_capacity(self.cluster.tenants.len());
        let mut sources = Sources {
            open: none(),
            declared: none(),
        };

        let home = self.cluster.namespaces[to as usize].owner;
        let tenant = |from: u32| match self.cluster.namespaces[from as usize].owner {
            Owner::Tenant(at) if Owner::Tenant(at) != home => Some(at as usize),
            _ => None,
        };

        for entrance in self.paths_in(to).ok_or(TooLarge)? {
            if self
                .undecided
                .iter()
                .any(|from| tenant(*from).is_some() && entrance.span.has(*from))
            {
                return Err(TooLarge);
            }

            for group in &self.groups {
                let mut paths = group.paths.iter().filter(|(span, _)| span.has(to));
                if paths.try_fold(false, |open, (_, shape)| {
                    Ok(open || shape.meets(&entrance.shape)?)
                })? {
                    let within = group
                        .members
                        .iter()
                        .filter(|from| entrance.span.has(**from));
                    sources.open.extend(within.filter_map(|from| tenant(*from)));
                }
            }

            for from in self
                .few
                .get(&to)
                .into_iter()
                .flatten()
                .filter(|from| entrance.span.has(**from))
            {
                let Some(at) = tenant(*from) else { continue };
                let outs = self.paths_out(*from).ok_or(TooLarge)?;
                let mut paths = outs.iter().filter(
                    |w| matches!(&w.span, NamespaceSet::In(l) if l.len() <= MANY && w.span.has(to)),
                );
                if paths.try_fold(false, |open, exit| {
                    Ok(open || exit.shape.meets(&entrance.shape)?)
                })? {
                    match declared.contains(&(*from, to))
                        && self.by_both_specs(*from, to, entrance)?
                    {
                        true => sources.declared.insert(at),
                        false => sources.open.insert(at),
                    }
                }
            }
        }

        Ok(sources)
    }
}

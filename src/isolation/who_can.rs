//! The reverse question: everybody who may do something, each with a shortest chain.
//!
//! Each subject is looked at once: what it may do as itself, and whom it can act as. A breadth-first
//! search goes backwards from those who may do what is asked. Ways that lead to many subjects at
//! once (all accounts of a namespace, all users) are one edge each, so that the graph is linear in
//! the inputs.

use super::Step;
use super::capability::system_group;
use super::escalation::{CertificatePowers, Directory, HeldGrants, Target, certified, ways};
use super::question::{AccessChain, AccessQuestion, allowed, granted};
use crate::graph::Cluster;
use crate::graph::rbac::Subject;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// A subject that may do what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The subject.
    pub subject: Subject,
    /// A chain that takes the fewest identities.
    pub chain: AccessChain,
}

/// Whose a subject is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// These tenants'.
    Tenants(Vec<&'a str>),
    /// A group or user of Kubernetes that tenants are in, as a phrase.
    Everybody(&'static str),
    /// The platform's.
    Platform,
}

impl<'a> Whose<'a> {
    /// Whose a subject of a cluster is.
    pub fn of(cluster: &'a Cluster, subject: &Subject) -> Self {
        if let Some(phrase) = system_group(subject) {
            return Self::Everybody(phrase);
        }
        let holders = cluster.holders(subject);
        let names: Vec<&str> = holders
            .map(|tenant| cluster.tenants[tenant as usize].name.as_str())
            .collect();
        match names.is_empty() {
            true => Self::Platform,
            false => Self::Tenants(names),
        }
    }
}

/// Returns every subject of a cluster for which [`super::question::can`] finds a chain.
///
/// Subjects are those that a binding or a tenant names, those that a role lets one impersonate, and
/// every service account. Direct grants come first, then the shortest chains, then by name.
pub fn who_can(cluster: &Cluster, question: &AccessQuestion<'_>, direct: bool) -> Vec<Access> {
    let mut all = match direct {
        true => granted_to(cluster, question),
        false => Graph::new(cluster, question).accesses(),
    };
    all.sort_by(|left, right| order(left).cmp(&order(right)));
    all
}

/// What the order of answers goes by.
fn order(access: &Access) -> (bool, usize, usize, &Subject) {
    let chain = &access.chain;
    let is_indirect = !chain.is_direct;
    (is_indirect, chain.taken, chain.steps.len(), &access.subject)
}

/// The subjects to which it is granted directly.
fn granted_to(cluster: &Cluster, question: &AccessQuestion<'_>) -> Vec<Access> {
    let everybody = Directory::new(cluster).everybody();
    let access = |subject: Subject| {
        let steps = granted(cluster, &subject, question)?;
        let chain = AccessChain::direct(steps);
        Some(Access { subject, chain })
    };
    everybody.into_iter().filter_map(access).collect()
}

/// A subject, and what it can do as itself.
struct Node {
    /// The steps by which it may do what is asked.
    goal: Option<Vec<Step>>,
    /// Whom it can act as.
    targets: Vec<Target>,
    asks_for_certificates: bool,
    approves_certificates: bool,
}

/// Who can act as whom, without client certificates.
struct Graph<'a, 'q> {
    cluster: &'a Cluster,
    question: &'q AccessQuestion<'q>,
    directory: Directory<'a>,
    subjects: Vec<Subject>,
    nodes: Vec<Node>,
    index: HashMap<Subject, u32>,
    /// The subjects that can act as each target.
    sources: BTreeMap<Target, Vec<u32>>,
}

impl<'a, 'q> Graph<'a, 'q> {
    fn new(cluster: &'a Cluster, question: &'q AccessQuestion<'q>) -> Self {
        let directory = Directory::new(cluster);
        let subjects: Vec<Subject> = directory.everybody().into_iter().collect();
        let numbers = subjects.iter().cloned().zip(0..);
        let mut graph = Self {
            cluster,
            question,
            directory,
            index: numbers.collect(),
            subjects,
            nodes: Vec::new(),
            sources: BTreeMap::new(),
        };

        let nodes = graph.subjects.par_iter().map(|subject| graph.node(subject));
        graph.nodes = nodes.collect();
        for (at, node) in graph.nodes.iter().enumerate() {
            for target in &node.targets {
                let sources = graph.sources.entry(target.clone()).or_default();
                sources.push(at as u32);
            }
        }
        graph
    }

    fn node(&self, subject: &Subject) -> Node {
        let grants = HeldGrants::of(self.cluster, subject);
        let powers = CertificatePowers::of(&grants);
        Node {
            goal: allowed(self.cluster, subject, &grants, self.question),
            targets: ways(&self.directory, subject, &grants)
                .into_iter()
                .map(|way| way.target)
                .collect(),
            asks_for_certificates: powers.asks.is_some(),
            approves_certificates: powers.approves.is_some(),
        }
    }

    /// The subjects from which those that a predicate holds for are taken, and how.
    fn search(&self, is_goal: impl Fn(&Node) -> bool) -> Search {
        let mut search = Search {
            found: vec![None; self.nodes.len()],
        };
        let mut queue = VecDeque::new();
        for (at, _) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| is_goal(node))
        {
            search.found[at] = Some(Found {
                taken: 0,
                next: None,
            });
            queue.push_back(at as u32);
        }

        let mut used = BTreeSet::new();
        while let Some(at) = queue.pop_front() {
            let subject = &self.subjects[at as usize];
            let taken = search.taken(at).map_or(1, |taken| taken + 1);
            let mut targets = self.directory.targets_with(subject);
            targets.push(Target::One(subject.clone()));

            for target in targets {
                let Some(sources) = self.sources.get(&target) else {
                    continue;
                };
                if !used.insert(target) {
                    continue;
                }
                for source in sources {
                    let found = &mut search.found[*source as usize];
                    if found.is_none() {
                        let next = Some(at);
                        *found = Some(Found { taken, next });
                        queue.push_back(*source);
                    }
                }
            }
        }
        search
    }

    /// Everybody who reaches the goal.
    fn accesses(&self) -> Vec<Access> {
        let to_goal = self.search(|node| node.goal.is_some());
        let certificates = Certificates::new(self, &to_goal);
        let hops = self.hops(&to_goal);

        let access = |at: u32| {
            let plain = to_goal.taken(at);
            let certified = certificates.as_ref().and_then(|all| all.taken(at));
            let taken = plain.into_iter().chain(certified).min()?;
            let steps = match plain == Some(taken) {
                true => self.chain(&to_goal, &hops, at),
                false => certificates.as_ref()?.chain(at, &hops)?,
            };

            let subject = self.subjects[at as usize].clone();
            let is_direct = taken == 0 && granted(self.cluster, &subject, self.question).is_some();
            let chain = AccessChain {
                steps,
                taken,
                is_direct,
            };
            Some(Access { subject, chain })
        };
        let all = 0..self.nodes.len() as u32;
        all.into_par_iter().filter_map(access).collect()
    }

    /// The steps from each subject to the next on its way.
    fn hops(&self, search: &Search) -> Vec<Vec<Step>> {
        let next = search.found.par_iter().enumerate();
        next.map(|(at, found)| match found.and_then(|found| found.next) {
            Some(next) => self.hop(at as u32, next),
            None => Vec::new(),
        })
        .collect()
    }

    /// The steps by which one subject acts as another.
    fn hop(&self, from: u32, to: u32) -> Vec<Step> {
        let (from, to) = (&self.subjects[from as usize], &self.subjects[to as usize]);
        let grants = HeldGrants::of(self.cluster, from);
        let mut targets = self.directory.targets_with(to);
        targets.push(Target::One(to.clone()));
        let ways = ways(&self.directory, from, &grants);
        let way = ways.iter().find(|way| targets.contains(&way.target));
        way.map_or_else(Vec::new, |way| way.steps(to))
    }

    /// The subjects on the way from one to a goal, itself included.
    fn path<'s>(&self, search: &'s Search, from: u32) -> impl Iterator<Item = u32> + use<'s> {
        std::iter::successors(Some(from), |at| search.found[*at as usize]?.next)
    }

    fn chain(&self, to_goal: &Search, hops: &[Vec<Step>], from: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        for at in self.path(to_goal, from) {
            match &self.nodes[at as usize].goal {
                Some(goal) => steps.extend_from_slice(goal),
                None => steps.extend_from_slice(&hops[at as usize]),
            }
        }
        steps
    }
}

/// What a search knows of a subject.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// How many identities are taken on the way to a goal.
    taken: usize,
    /// The first of them; `None` for a goal.
    next: Option<u32>,
}

/// A search backwards from some goals.
struct Search {
    /// By subject; `None` if it reaches no goal.
    found: Vec<Option<Found>>,
}

impl Search {
    fn taken(&self, at: u32) -> Option<usize> {
        self.found[at as usize].map(|found| found.taken)
    }
}

/// The ways over a client certificate: somebody asks for one, somebody approves it, and it may name
/// everybody who is bound.
struct Certificates<'g, 'a, 'q> {
    graph: &'g Graph<'a, 'q>,
    to_goal: &'g Search,
    to_asking: Search,
    to_approving: Search,
    /// The subject that the certificate names: one of the nearest to the goal.
    named: u32,
    /// How many identities that subject takes.
    rest: usize,
}

impl<'g, 'a, 'q> Certificates<'g, 'a, 'q> {
    /// Returns `None` if no certificate leads to the goal.
    fn new(graph: &'g Graph<'a, 'q>, to_goal: &'g Search) -> Option<Self> {
        let nearest = graph.directory.certifiable().filter_map(|subject| {
            let at = *graph.index.get(subject)?;
            Some((to_goal.taken(at)?, at))
        });
        let (rest, named) = nearest.min()?;
        Some(Self {
            graph,
            to_goal,
            to_asking: graph.search(|node| node.asks_for_certificates),
            to_approving: graph.search(|node| node.approves_certificates),
            named,
            rest,
        })
    }

    /// How many identities are taken on the way from a subject over a certificate.
    fn taken(&self, from: u32) -> Option<usize> {
        let asking = self.to_asking.taken(from)?;
        let approving = self.to_approving.taken(from)?;
        Some(asking.max(approving) + 1 + self.rest)
    }

    fn chain(&self, from: u32, hops: &[Vec<Step>]) -> Option<Vec<Step>> {
        let asks = self.until(&self.to_asking, from, |powers| powers.asks)?;
        let approves = self.until(&self.to_approving, from, |powers| powers.approves)?;
        let named = &self.graph.subjects[self.named as usize];
        let mut steps = certified(&asks, &approves, named);
        steps.extend(self.graph.chain(self.to_goal, hops, self.named));
        Some(steps)
    }

    /// The steps to the nearest subject with a power, and those of the power.
    fn until(
        &self,
        search: &Search,
        from: u32,
        power: impl Fn(CertificatePowers) -> Option<Vec<Step>>,
    ) -> Option<Vec<Step>> {
        let path: Vec<u32> = self.graph.path(search, from).collect();
        let mut steps = Vec::new();
        for pair in path.windows(2) {
            steps.extend(self.graph.hop(pair[0], pair[1]));
        }
        let last = &self.graph.subjects[*path.last()? as usize];
        let grants = HeldGrants::of(self.graph.cluster, last);
        steps.extend(power(CertificatePowers::of(&grants))?);
        Some(steps)
    }
}

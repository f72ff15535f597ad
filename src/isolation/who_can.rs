//! The reverse question: everybody who may do something, each with a shortest chain.
//!
//! Each subject is looked at once: what it may do as itself, and whom it can act as. A breadth-first
//! search goes backwards from those who may do what is asked. Ways that lead to many subjects at
//! once (all accounts of a namespace, all users) are one edge each, so that the graph is linear in
//! the inputs.

use super::Step;
use super::capability::system_group;
use super::escalation::{
    CertificatePowers, Directory, DoubtKind, HeldGrants, Target, certified, doubts, ways,
};
use super::question::{
    AccessChain, AccessQuestion, MAX_REASONS, allowed, granted, undefined_elsewhere,
    undefined_roles,
};
use crate::graph::Cluster;
use crate::graph::builtin::is_kubernetes_own;
use crate::graph::rbac::Subject;
use crate::value::Text;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// A subject that may do what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The subject.
    pub subject: Subject,
    /// A chain that takes the fewest identities.
    pub chain: AccessChain,
    /// Whether it is undecided because no input has a role that it is bound to.
    pub lacks_role: bool,
}

/// Who may do something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WhoCan {
    /// The subjects that may.
    pub allowed: Vec<Access>,
    /// The subjects of which the inputs do not tell. Each chain ends with what they do not say.
    pub undecided: Vec<Access>,
}

/// Whose a subject is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose<'a> {
    /// These tenants'.
    Tenants(Vec<&'a str>),
    /// A group or user of Kubernetes that tenants are in, as a phrase.
    Everybody(&'static str),
    /// Kubernetes' own: of its controllers, of the scheduler, of kube-proxy.
    Kubernetes,
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
            false => Self::Tenants(names),
            true if is_kubernetes_own(subject) => Self::Kubernetes,
            true => Self::Platform,
        }
    }

    /// Whether it is no tenant's, nor that of a group that tenants are in.
    pub const fn is_of_no_tenant(&self) -> bool {
        matches!(self, Self::Kubernetes | Self::Platform)
    }
}

/// Returns every subject of a cluster for which [`super::question::answer`] says yes, and every one
/// for which it says unknown. If an input could not be read, it says so of everybody else, and no
/// subject is listed as undecided.
///
/// Subjects are those that a binding, a tenant, a membership or a policy of Argo CD names, those that
/// a role lets one impersonate, and every service account. Direct grants come first, then the shortest
/// chains, then by name.
pub fn who_can(cluster: &Cluster, question: &AccessQuestion<'_>, direct: bool) -> WhoCan {
    let mut answer = match direct {
        true => granted_to(cluster, question),
        false => Graph::new(cluster, question).answer(),
    };
    for list in [&mut answer.allowed, &mut answer.undecided] {
        list.sort_by(|left, right| order(left).cmp(&order(right)));
    }
    answer
}

/// What the order of answers goes by.
fn order(access: &Access) -> (bool, usize, usize, &Subject) {
    let chain = &access.chain;
    let is_indirect = !chain.is_direct;
    (is_indirect, chain.taken, chain.steps.len(), &access.subject)
}

/// The subjects to which it is granted directly.
fn granted_to(cluster: &Cluster, question: &AccessQuestion<'_>) -> WhoCan {
    let mut answer = WhoCan::default();
    for subject in Directory::new(cluster).everybody() {
        if let Some(steps) = granted(cluster, &subject, question) {
            answer.allowed.push(Access {
                subject,
                chain: AccessChain::direct(steps),
                lacks_role: false,
            });
            continue;
        }
        let steps = undefined_roles(cluster, &subject, question.namespace());
        if cluster.unread_inputs.is_empty() && !steps.is_empty() {
            answer.undecided.push(Access {
                subject,
                chain: AccessChain::direct(steps),
                lacks_role: true,
            });
        }
    }
    answer
}

/// A subject, and what it can do as itself.
struct Node {
    /// The steps by which it may do what is asked.
    goal: Option<Vec<Step>>,
    /// The steps of ways that the inputs show, and whose rights they do not say.
    open: Vec<Step>,
    /// The steps of its bindings to roles that no input has; they are among the open ones too.
    undefined: Vec<Step>,
    /// Whom it can act as.
    targets: Vec<Target>,
    asks_for_certificates: bool,
    approves_certificates: bool,
}

/// The steps with which a chain ends at a subject; `None` if none ends there.
type LastSteps = fn(&Node) -> Option<&[Step]>;

const GOAL: LastSteps = |node| node.goal.as_deref();
const OPEN: LastSteps = |node| (!node.open.is_empty()).then_some(&node.open[..]);

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
        let goal = allowed(self.cluster, subject, &grants, self.question);
        let (open, undefined) = match goal {
            Some(_) => (Vec::new(), Vec::new()),
            None => self.open(subject, &grants),
        };
        Node {
            goal,
            open,
            undefined,
            targets: ways(&self.directory, subject, &grants)
                .into_iter()
                .map(|way| way.target)
                .collect(),
            asks_for_certificates: powers.asks.is_some(),
            approves_certificates: powers.approves.is_some(),
        }
    }

    /// The ways of a subject that the inputs show, and whose rights they do not say; and those of them
    /// by a role that is missing.
    fn open(&self, subject: &Subject, grants: &HeldGrants<'_>) -> (Vec<Step>, Vec<Step>) {
        if !self.cluster.unread_inputs.is_empty() {
            return (Vec::new(), Vec::new());
        }
        let mut steps = undefined_roles(self.cluster, subject, self.question.namespace());
        let undefined = steps.clone();
        let doubts = doubts(self.directory.powers(), subject, grants).into_iter();
        steps.extend(
            doubts
                .filter(|doubt| doubt.kind == DoubtKind::Shown)
                .map(|doubt| doubt.step),
        );
        steps.truncate(MAX_REASONS);
        (steps, undefined)
    }

    /// Who may do what is asked, and of whom it is not known.
    fn answer(mut self) -> WhoCan {
        let mut is_allowed = vec![false; self.nodes.len()];
        let allowed = self.accesses(GOAL, &is_allowed);
        for access in &allowed {
            if let Some(at) = self.index.get(&access.subject) {
                is_allowed[*at as usize] = true;
            }
        }
        if self.cluster.unread_inputs.is_empty() {
            self.open_elsewhere(&allowed);
        }
        let mut undecided = self.accesses(OPEN, &is_allowed);
        undecided.retain_mut(|access| {
            !is_kubernetes_own(&access.subject) || self.keep_undefined(access)
        });
        let to_lacking = self.search(|node| !node.undefined.is_empty());
        for access in &mut undecided {
            let at = self.index.get(&access.subject);
            access.lacks_role = at.is_some_and(|at| to_lacking.taken(*at).is_some());
        }
        WhoCan { allowed, undecided }
    }

    /// Reduces the open questions about one of Kubernetes' own subjects to the bound roles that no input
    /// defines. What Kubernetes does with the known rights is not in question. Returns whether such a
    /// role is left.
    fn keep_undefined(&self, access: &mut Access) -> bool {
        let at = self.index.get(&access.subject);
        let undefined = at.map(|at| &self.nodes[*at as usize].undefined);
        access.chain = AccessChain::direct(undefined.cloned().unwrap_or_default());
        !access.chain.steps.is_empty()
    }

    /// Adds what the roles that no input holds leave open in other namespaces than the question's: each
    /// may let a subject act as a service account there that may do what is asked.
    fn open_elsewhere(&mut self, allowed: &[Access]) {
        let mut accounts: BTreeMap<&Text, &Subject> = BTreeMap::new();
        for access in allowed {
            let Subject::ServiceAccount(home, _) = &access.subject else {
                continue;
            };
            if !self.directory.targets_with(&access.subject).is_empty() {
                let first = accounts.entry(home).or_insert(&access.subject);
                *first = (*first).min(&access.subject);
            }
        }
        for (subject, node) in self.subjects.iter().zip(&mut self.nodes) {
            let steps = undefined_elsewhere(self.cluster, subject, self.question, |home| {
                accounts.get(home).map(|account| (*account).clone())
            });
            node.open.extend_from_slice(&steps);
            node.open.truncate(MAX_REASONS);
            node.undefined.extend(steps);
            node.undefined.truncate(MAX_REASONS);
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

    /// Everybody whose chain ends with some last steps, without some subjects.
    fn accesses(&self, last: LastSteps, except: &[bool]) -> Vec<Access> {
        let to_goal = self.search(|node| last(node).is_some());
        let certificates = Certificates::new(self, &to_goal);
        let hops = self.hops(&to_goal, except);

        let access = |at: u32| {
            let plain = to_goal.taken(at);
            let certified = certificates.as_ref().and_then(|all| all.taken(at));
            let taken = plain.into_iter().chain(certified).min()?;
            let steps = match plain == Some(taken) {
                true => self.chain(&to_goal, &hops, last, at),
                false => certificates.as_ref()?.chain(at, &hops, last)?,
            };

            let subject = self.subjects[at as usize].clone();
            let is_direct = taken == 0 && granted(self.cluster, &subject, self.question).is_some();
            let chain = AccessChain {
                steps,
                taken,
                is_direct,
            };
            Some(Access {
                subject,
                chain,
                lacks_role: false,
            })
        };
        let all = 0..self.nodes.len() as u32;
        all.into_par_iter()
            .filter(|at| !except[*at as usize])
            .filter_map(access)
            .collect()
    }

    /// The steps from each subject to the next on its way, without those of some subjects.
    fn hops(&self, search: &Search, except: &[bool]) -> Vec<Vec<Step>> {
        let next = search.found.par_iter().enumerate();
        next.map(|(at, found)| match found.and_then(|found| found.next) {
            Some(next) if !except[at] => self.hop(at as u32, next),
            _ => Vec::new(),
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

    fn chain(&self, to_goal: &Search, hops: &[Vec<Step>], last: LastSteps, from: u32) -> Vec<Step> {
        let mut steps = Vec::new();
        for at in self.path(to_goal, from) {
            match last(&self.nodes[at as usize]) {
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

    fn chain(&self, from: u32, hops: &[Vec<Step>], last: LastSteps) -> Option<Vec<Step>> {
        let asks = self.until(&self.to_asking, from, |powers| powers.asks)?;
        let approves = self.until(&self.to_approving, from, |powers| powers.approves)?;
        let named = &self.graph.subjects[self.named as usize];
        let mut steps = certified(&asks, &approves, named);
        steps.extend(self.graph.chain(self.to_goal, hops, last, self.named));
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

//! What a change does to isolation: what each tenant, each holder of a role and the platform gain
//! and lose, and what cannot be told.
//!
//! Access is compared by meaning ([`network`], [`grants`], Pod Security): something is gained if the
//! state before does not hold all of it. What else decides is compared object by object: bounds in
//! [`bounds`], every other object in [`objects`]. An object whose effect is not known is named, so
//! that a change is never said to do nothing while a part of it is not understood.

mod bounds;
mod grants;
mod network;
mod objects;

pub use objects::ChangedObject;

use crate::graph::{Cluster, NamespaceNode, Owner};
use crate::kube::ObjectId;
use crate::kube::names::ENFORCE_LABEL;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// How a change moves somebody, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeltaClass {
    /// Nothing is gained or lost.
    Neutral,
    /// Something is lost, and nothing gained.
    Narrows,
    /// Something changes that is not evaluated; nothing else is gained.
    CannotTell,
    /// Something is gained.
    Widens,
}

impl DeltaClass {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Narrows => "narrows",
            Self::CannotTell => "cannot-tell",
            Self::Widens => "widens",
        }
    }
}

/// Who gains or loses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// Everybody who has a role of the cluster.
    RoleHolders,
    /// Subjects of no tenant, and objects of the whole cluster or of namespaces of the platform.
    Platform,
    /// The tenant of this name.
    Tenant(Text),
}

/// The effect of a change beside access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// More is possible.
    Gained,
    /// Less is possible.
    Lost,
    /// It is not evaluated.
    Untold,
}

impl Effect {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::Untold => "untold",
        }
    }

    /// The sign in front of a line of a report.
    pub const fn sign(self) -> char {
        match self {
            Self::Gained => '+',
            Self::Lost => '-',
            Self::Untold => '?',
        }
    }
}

/// The subject of a change beside access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// A source or an object of a GitOps engine.
    Sync,
    /// A bound of a quota or a limit.
    Bound,
    /// A host or a route.
    Host,
    /// A service account, a secret, or a store of secrets.
    Identity,
    /// A policy or a webhook of the API server.
    Admission,
    /// A workload or a Service.
    Workload,
    /// A tenant that one of the two states cannot render.
    Tenant,
    /// Anything else.
    Object,
}

impl Topic {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Bound => "bound",
            Self::Host => "host",
            Self::Identity => "identity",
            Self::Admission => "admission",
            Self::Workload => "workload",
            Self::Tenant => "tenant",
            Self::Object => "object",
        }
    }
}

/// A change that is no access by itself: of a sync, a quota, a host, an identity, another object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BesideAccess {
    /// The subject.
    pub topic: Topic,
    /// The effect.
    pub effect: Effect,
    /// The change, as a phrase.
    pub text: String,
}

/// What one party gains and loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// The access that it has now and did not have before.
    pub gained: BTreeSet<String>,
    /// The access that it no longer has.
    pub lost: BTreeSet<String>,
    /// The changes beside access.
    pub beside: BTreeSet<BesideAccess>,
}

impl Delta {
    /// How it moves.
    pub fn class(&self) -> DeltaClass {
        let has = |effect| self.beside.iter().any(|change| change.effect == effect);
        if !self.gained.is_empty() || has(Effect::Gained) {
            DeltaClass::Widens
        } else if has(Effect::Untold) {
            DeltaClass::CannotTell
        } else if !self.lost.is_empty() || has(Effect::Lost) {
            DeltaClass::Narrows
        } else {
            DeltaClass::Neutral
        }
    }
}

/// What each party gains and loses.
pub type Deltas = BTreeMap<Party, Delta>;

/// Objects by identity.
pub type Objects = BTreeMap<ObjectId, serde_json::Value>;

/// A cluster before or after a change.
#[derive(Clone, Copy, Debug)]
pub struct ClusterState<'a> {
    /// The graph; `None` if the cluster is not there.
    pub cluster: Option<&'a Cluster>,
    /// The rendered objects.
    pub objects: &'a Objects,
}

impl ClusterState<'_> {
    /// Whether the cluster has a namespace.
    fn has_namespace(&self, name: &str) -> bool {
        self.cluster
            .is_some_and(|cluster| cluster.namespace(name).is_some())
    }

    /// Who owns a namespace; `None` if the cluster does not have it.
    fn party_of(&self, namespace: &str) -> Option<Party> {
        let cluster = self.cluster?;
        cluster.namespace(namespace)?;
        Some(party(cluster, cluster.owner(namespace)))
    }
}

/// The two states that a change lies between.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// The state before.
    pub before: ClusterState<'a>,
    /// The state after.
    pub after: ClusterState<'a>,
}

impl Comparison<'_> {
    /// Who owns a namespace after the change, or else before it; the platform owns the objects of
    /// the whole cluster.
    fn party_of(&self, namespace: &str) -> Party {
        self.after
            .party_of(namespace)
            .or_else(|| self.before.party_of(namespace))
            .unwrap_or(Party::Platform)
    }

    /// Whether a namespace is there before and after.
    fn keeps_namespace(&self, name: &str) -> bool {
        self.before.has_namespace(name) && self.after.has_namespace(name)
    }
}

/// What each party gains and loses between two states of a cluster. `changed` are the objects that
/// differ; parties without a change are left out.
pub fn delta(states: Comparison<'_>, changed: &[ChangedObject<'_>]) -> Deltas {
    let mut deltas = Deltas::new();
    let Comparison { before, after } = states;

    for (party, line) in accesses(after.cluster, before.cluster) {
        deltas.entry(party).or_default().gained.insert(line);
    }
    for (party, line) in accesses(before.cluster, after.cluster) {
        deltas.entry(party).or_default().lost.insert(line);
    }

    let beside = bounds::compare(states, changed)
        .into_iter()
        .chain(objects::compare(states, changed));
    for (party, change) in beside {
        deltas.entry(party).or_default().beside.insert(change);
    }

    deltas
}

/// A line of a report, and whose it is.
type PartyLine = (Party, String);

/// The access that one state has and another has not.
fn accesses(one: Option<&Cluster>, other: Option<&Cluster>) -> Vec<PartyLine> {
    let Some(one) = one else {
        return Vec::new();
    };

    let mut lines = grants::beyond(one, other);
    for namespace in &one.namespaces {
        let owner = party(one, namespace.owner);
        // What a namespace may goes with it to its new tenant.
        let counterpart = other.and_then(|other| {
            let node = &other.namespaces[other.namespace(&namespace.name)? as usize];
            (party(other, node.owner) == owner).then_some((other, node))
        });

        let found = match owner {
            Party::Tenant(_) => network::beyond(one, namespace, counterpart),
            _ => network::beyond_of_platform(one, namespace, other, counterpart),
        };
        let found = found
            .into_iter()
            .chain(pod_security(namespace, counterpart.map(|(_, node)| node)));
        lines.extend(found.map(|line| (owner.clone(), line)));
    }

    lines
}

/// The pods that a namespace admits, beyond those that it admits in another state.
fn pod_security(namespace: &NamespaceNode, other: Option<&NamespaceNode>) -> Vec<String> {
    if namespace.owner == Owner::Platform {
        return Vec::new();
    }

    let admits_root = |node: &NamespaceNode| level(node) != "restricted";
    let admits_privileged =
        |node: &NamespaceNode| !["restricted", "baseline"].contains(&level(node));
    let name = &namespace.name;

    let mut lines = Vec::new();
    if admits_root(namespace) && !other.is_some_and(admits_root) {
        lines.push(format!("runs pods in `{name}` that `restricted` refuses"));
    }
    if admits_privileged(namespace) && !other.is_some_and(admits_privileged) {
        lines.push(format!("runs privileged pods in `{name}`"));
    }
    lines
}

/// The Pod Security level that a namespace enforces.
fn level(namespace: &NamespaceNode) -> &str {
    namespace.labels.get(ENFORCE_LABEL).unwrap_or_default()
}

fn party(cluster: &Cluster, owner: Owner) -> Party {
    match owner {
        Owner::Tenant(at) => Party::Tenant(cluster.tenants[at as usize].name.clone()),
        Owner::Platform => Party::Platform,
    }
}

//! Objects → the one model that every isolation check reads: a [`Cluster`] of namespaces, owners,
//! grants and policies.
//!
//! Rendered objects, manifests from elsewhere and a snapshot of a live cluster all become the same
//! graph. What a kind means is read in [`facts`]; what belongs to whom is settled here.

pub mod admission;
mod assemble;
pub mod cel;
pub mod symbolic;
pub mod facts;
pub mod gitops;
pub mod admission_policy;
mod intake;
pub mod network;
mod object;
pub mod overlay;
pub mod rbac;
pub mod request;
pub mod storage;
pub mod workload;

pub use assemble::{ClusterObjects, ExtraFacts, cluster, unread, without_fleet};
pub use facts::{Facts, Unevaluated};
pub use intake::{NOT_READ, Reading, has_policies, read, read_snapshot};
pub use object::{InputKind, Origin};

use crate::diagnostic::{Diagnostic, Scope};
use crate::document;
use crate::kube::ObjectId;
use crate::kube::labels::{self, Labels, Selector};
use crate::kube::names::NAME_LABEL;
use crate::netpol::Dialect;
use crate::source::{Source, Span};
use crate::value::Text;
use rbac::{Rbac, Subject};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

/// A tenant of a cluster.
#[derive(Clone, Debug)]
pub struct TenantNode {
    /// Its name.
    pub name: Text,
    /// Where it is declared.
    pub span: Span,
    /// The users and groups that hold its keys and nobody else's.
    pub subjects: Vec<Subject>,
    /// The names of its namespaces.
    pub namespaces: Vec<Text>,
    /// The edges that its spec declares: from a namespace of its own to another tenant's.
    pub reaches: Vec<(Text, Text)>,
}

/// Who owns a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The tenant of this index.
    Tenant(u32),
    /// The platform.
    Platform,
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct NamespaceNode {
    /// Its name.
    pub name: Text,
    /// Its labels, with the one that Kubernetes sets.
    pub labels: Labels,
    /// Who owns it.
    pub owner: Owner,
    /// Where its object comes from; nothing where no input holds it, and its labels are not known.
    pub origin: Option<Origin>,
    /// Its policies, as indices.
    pub policies: Vec<u32>,
    /// Whether policies of other kinds, or ones that could not be read, have a say in it.
    pub has_unevaluated_policy: bool,
}

/// A cluster, as the inputs have it.
#[derive(Debug)]
pub struct Cluster {
    /// Its name.
    pub name: Text,
    /// The namespace of the engine that applies its tree.
    pub engine_namespace: Text,
    /// Its network plugin, where that is said.
    pub plugin: Option<Text>,
    /// Networks of its pods, where they are said.
    pub pod_networks: Vec<ipnet::IpNet>,
    /// Its tenants.
    pub tenants: Vec<TenantNode>,
    /// Its namespaces, sorted by name.
    pub namespaces: Vec<NamespaceNode>,
    /// Roles and bindings.
    pub rbac: Rbac,
    /// Everything else.
    pub facts: Facts,
    /// Whether a snapshot says what else is there.
    pub closed: bool,
    /// What could not be read: nothing is proven beside it.
    pub blind: Vec<Diagnostic>,
    /// The digest of what stands in no text: snapshots.
    pub beside: [u8; 32],
    /// Whether objects of a snapshot were set aside for what the other inputs say of them.
    pub snapshot_superseded: bool,
    /// Objects that two inputs define: the second, and the first.
    pub defined_twice: Vec<(facts::ObjectRef, Origin)>,
    kept: BTreeMap<ObjectId, u32>,
    bound: admission::Bound,
    by_name: HashMap<Text, u32>,
    holders: BTreeMap<Subject, u32>,
    selected: Mutex<HashMap<Selector, std::sync::Arc<[u32]>>>,
    by_label: HashMap<(Text, Text), Vec<u32>>,
}

/// What a cluster is made of.
#[derive(Debug, Default)]
pub struct Parts {
    /// Its name.
    pub name: Text,
    /// The namespace of the engine that applies its tree.
    pub engine_namespace: Text,
    /// Its network plugin, where that is said.
    pub plugin: Option<Text>,
    /// Networks of its pods, where they are said.
    pub pod_networks: Vec<ipnet::IpNet>,
    /// Its tenants.
    pub tenants: Vec<TenantNode>,
    /// What its objects say.
    pub facts: Facts,
    /// Whether a snapshot is among them.
    pub closed: bool,
    /// What could not be read.
    pub blind: Vec<Diagnostic>,
    /// The digest of what stands in no text: snapshots.
    pub beside: [u8; 32],
}

impl Cluster {
    /// Puts a cluster together. `infer_tenant` names the tenant of a namespace that no tenant declares;
    /// nothing for the platform's.
    pub fn new(
        mut parts: Parts,
        infer_tenant: &dyn Fn(&str, &Labels, &Labels) -> Option<Text>,
    ) -> Self {
        let (mut defined_twice, snapshot_superseded) = merge_definitions(&mut parts.facts);
        // What only the network plane cannot read is its own to say.
        let (policies, others): (Vec<_>, Vec<_>) = std::mem::take(&mut parts.facts.unevaluated)
            .into_iter()
            .partition(|r| Dialect::is_kind_of_any(&r.id.kind) && !r.id.namespace.is_empty());
        defined_twice.retain(|(thing, _)| !others.iter().any(|r| r.id == thing.id));
        parts.facts.unevaluated = policies;
        parts.blind.extend(others.iter().map(|unevaluated| {
            let message = format!(
                "{} cannot be evaluated: {}",
                unevaluated.id.called(),
                unevaluated.reason
            );
            Diagnostic::new(&NOT_READ, unevaluated.origin.span, message)
                .fix(
                    "give what is applied: build the overlay (kustomize build), substitute, render",
                )
                .scope(Scope::Fleet)
        }));

        let mut owner: HashMap<Text, Owner> = HashMap::new();
        for (at, tenant) in parts.tenants.iter().enumerate() {
            owner.extend(
                tenant
                    .namespaces
                    .iter()
                    .map(|n| (n.clone(), Owner::Tenant(at as u32))),
            );
        }

        let mut found: BTreeMap<Text, (Labels, Labels, Option<Origin>, Span)> = BTreeMap::new();
        for fact in &parts.facts.namespaces {
            found.insert(
                fact.id.name.clone(),
                (
                    fact.labels.clone(),
                    fact.annotations.clone(),
                    Some(fact.origin),
                    fact.origin.span,
                ),
            );
        }

        for thing in parts
            .facts
            .objects
            .iter()
            .filter(|t| !t.id.namespace.is_empty())
        {
            if !found.contains_key(&thing.id.namespace) {
                let name = thing.id.namespace.clone();
                let labels = Labels::new([(NAME_LABEL.into(), name.clone())]);
                found.insert(name, (labels, Labels::default(), None, thing.origin.span));
            }
        }

        let mut tenants = parts.tenants;
        let declared = tenants.len();
        let mut by_tenant: HashMap<Text, u32> = tenants
            .iter()
            .enumerate()
            .map(|(i, t)| (t.name.clone(), i as u32))
            .collect();

        let mut namespaces = Vec::with_capacity(found.len());
        for (name, (labels, annotations, origin, span)) in found {
            let owner = match owner.get(&name) {
                Some(owner) => *owner,
                // One that no input defines is somebody's whom nobody here knows.
                None => match origin.and_then(|_| infer_tenant(&name, &labels, &annotations)) {
                    None => Owner::Platform,
                    Some(tenant) => {
                        let at = *by_tenant.entry(tenant.clone()).or_insert_with(|| {
                            tenants.push(TenantNode {
                                name: tenant,
                                span,
                                subjects: Vec::new(),
                                namespaces: Vec::new(),
                                reaches: Vec::new(),
                            });
                            tenants.len() as u32 - 1
                        });
                        tenants[at as usize].namespaces.push(name.clone());
                        Owner::Tenant(at)
                    }
                },
            };
            namespaces.push(NamespaceNode {
                name,
                labels,
                owner,
                origin,
                policies: Vec::new(),
                has_unevaluated_policy: false,
            });
        }

        let by_name: HashMap<Text, u32> = namespaces
            .iter()
            .enumerate()
            .map(|(i, n)| (n.name.clone(), i as u32))
            .collect();

        for (at, policy) in parts.facts.policies.iter().enumerate() {
            if let Some(home) = by_name.get(&policy.id.namespace) {
                namespaces[*home as usize].policies.push(at as u32);
            }
        }

        let unread = parts
            .facts
            .unevaluated
            .iter()
            .filter(|r| Dialect::is_kind_of_any(&r.id.kind))
            .map(|r| &r.id);

        for id in parts
            .facts
            .other_policies
            .iter()
            .map(|t| &t.id)
            .chain(unread)
        {
            match by_name.get(&id.namespace) {
                Some(home) => namespaces[*home as usize].has_unevaluated_policy = true,
                None => namespaces
                    .iter_mut()
                    .for_each(|n| n.has_unevaluated_policy = true),
            }
        }

        let mut by_label: HashMap<(Text, Text), Vec<u32>> = HashMap::new();
        for (at, namespace) in namespaces.iter().enumerate() {
            for (key, value) in namespace.labels.iter().filter(|(k, _)| *k != NAME_LABEL) {
                by_label
                    .entry((key.clone(), value.clone()))
                    .or_default()
                    .push(at as u32);
            }
        }

        let mut rbac = Rbac::default();
        std::mem::take(&mut parts.facts.roles)
            .into_iter()
            .for_each(|role| rbac.add(role));
        rbac.bindings = std::mem::take(&mut parts.facts.bindings);
        rbac.finish();
        adopt_unclaimed_subjects(&mut tenants, declared, &namespaces, &by_name, &rbac);
        let mut holders = BTreeMap::new();
        for (at, tenant) in tenants.iter().enumerate() {
            holders.extend(tenant.subjects.iter().map(|s| (s.clone(), at as u32)));
        }
        let kept = parts
            .facts
            .kept
            .iter()
            .enumerate()
            .map(|(at, k)| (k.id.clone(), at as u32))
            .collect();

        let bound = admission::bound(&parts.facts);
        Self {
            kept,
            bound,
            name: parts.name,
            engine_namespace: parts.engine_namespace,
            plugin: parts.plugin,
            pod_networks: parts.pod_networks,
            tenants,
            namespaces,
            rbac,
            facts: parts.facts,
            closed: parts.closed,
            blind: parts.blind,
            beside: parts.beside,
            snapshot_superseded,
            defined_twice,
            by_name,
            holders,
            selected: Mutex::default(),
            by_label,
        }
    }

    /// The index of a namespace.
    pub fn namespace(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Who owns a namespace; the platform one that nobody knows.
    pub fn owner(&self, namespace: &str) -> Owner {
        self.namespace(namespace)
            .map_or(Owner::Platform, |at| self.namespaces[at as usize].owner)
    }

    /// The tenant that holds a subject: its own users, groups and service accounts.
    pub fn holder(&self, subject: &Subject) -> Option<u32> {
        let tenant = |namespace: &str| match self.owner(namespace) {
            Owner::Tenant(at) => Some(at),
            Owner::Platform => None,
        };
        match subject {
            Subject::ServiceAccount(namespace, _) => tenant(namespace),
            Subject::Group(name) => match name.strip_prefix("system:serviceaccounts:") {
                Some(namespace) => tenant(namespace),
                None => self.holders.get(subject).copied(),
            },
            Subject::User(_) => self.holders.get(subject).copied(),
        }
    }

    /// How an owner is called in a sentence.
    pub fn owner_name(&self, owner: Owner) -> String {
        match owner {
            Owner::Tenant(at) => format!("tenant `{}`", self.tenants[at as usize].name),
            Owner::Platform => "the platform".into(),
        }
    }

    /// The namespaces that a selector selects, sorted. Each selector is looked up once.
    pub fn select(&self, selector: &Selector) -> std::sync::Arc<[u32]> {
        // A lock that another thread broke off with holds what was found so far.
        let known =
            |selected: &HashMap<Selector, std::sync::Arc<[u32]>>| selected.get(selector).cloned();
        let lock = || {
            self.selected
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };

        if let Some(found) = known(&lock()) {
            return found;
        }
        let matches = |at: &u32| selector.matches(&self.namespaces[*at as usize].labels);
        let mut found: Vec<u32> = if let Some(names) = selector.pinned(NAME_LABEL) {
            names
                .iter()
                .filter_map(|n| self.namespace(n))
                .filter(matches)
                .collect()
        } else if let Some((key, values)) = selector.0.iter().find_map(|r| match &r.op {
            labels::Op::In(values) => Some((&r.key, values)),
            _ => None,
        }) {
            let lists = values
                .iter()
                .filter_map(|v| self.by_label.get(&(key.clone(), v.clone())));
            lists.flatten().copied().filter(matches).collect()
        } else {
            (0..self.namespaces.len() as u32).filter(matches).collect()
        };

        found.sort_unstable();
        found.dedup();
        let found: std::sync::Arc<[u32]> = found.into();
        lock().insert(selector.clone(), found.clone());

        found
    }
}

/// Of tenants that no spec declares, the users and groups that are bound in the namespaces of one
/// of them are its own.
fn adopt_unclaimed_subjects(
    tenants: &mut [TenantNode],
    declared: usize,
    namespaces: &[NamespaceNode],
    by_name: &HashMap<Text, u32>,
    rbac: &Rbac,
) {
    let known: BTreeSet<Subject> = tenants
        .iter()
        .flat_map(|t| t.subjects.iter().cloned())
        .collect();

    let owner = |name: &Text| by_name.get(name).map(|at| namespaces[*at as usize].owner);
    for subject in rbac.subjects() {
        let (Subject::User(name) | Subject::Group(name)) = subject else {
            continue;
        };
        if known.contains(subject) || name.starts_with("system:") {
            continue;
        }
        let mut homes: BTreeSet<u32> = BTreeSet::new();

        for binding in rbac.bindings_of(subject) {
            if let Some(Owner::Tenant(at)) = owner(&binding.id.namespace) {
                homes.insert(at);
            }
        }

        if let (Some(home), 1) = (homes.first(), homes.len())
            && *home as usize >= declared
        {
            tenants[*home as usize].subjects.push(subject.clone());
        }
    }
}

/// Adds what Kubernetes makes by itself: its roles for users, and who has them. No file of the user
/// has them, so that `span` stands for them: the line that declares the cluster.
pub fn builtin(facts: &mut Facts, span: Span) {
    let source = Source::new("roles.yaml", include_str!("builtin.yaml"));
    let (documents, _) = document::parse(span.source, &source);
    let origin = Origin {
        input: InputKind::Builtin,
        span,
    };
    for document in documents {
        // A `Value` has no spans of its own.
        let object = document.root.to_value();
        if let Ok(id) = ObjectId::of(&object) {
            facts.add(id, &object, origin);
        }
    }
}

/// Settles what several definitions of an object come to. What is rendered or in a manifest comes
/// before a snapshot's, and that before Kubernetes' own. Of two that would both be applied both
/// count, and they are reported where they differ; the same goes for a manifest of a role that
/// Kubernetes makes, since it adds its own rules again.
fn merge_definitions(facts: &mut Facts) -> (Vec<(facts::ObjectRef, Origin)>, bool) {
    let mut first: HashMap<&ObjectId, &facts::ObjectRef> =
        HashMap::with_capacity(facts.objects.len());
    let mut gone: BTreeSet<(ObjectId, Origin)> = BTreeSet::new();
    let (mut twice, mut snapshot_superseded) = (Vec::new(), false);

    for thing in &facts.objects {
        let Some(known) = first.get(&thing.id).copied() else {
            first.insert(&thing.id, thing);
            continue;
        };

        let (weaker, stronger) = match known.origin.input < thing.origin.input {
            // From the strongest to the weakest: rendered, manifest, live, builtin.
            true => (thing, known),
            false => (known, thing),
        };

        match (weaker.origin.input, stronger.origin.input) {
            (InputKind::Builtin, strong) if strong.is_live() => {
                gone.insert((weaker.id.clone(), weaker.origin));
                first.insert(&thing.id, stronger);
            }
            (InputKind::Builtin, _) | (InputKind::Rendered, InputKind::Rendered) => {}
            (weak, strong) if weak.is_live() && strong.is_live() => {}
            (weak, _) if weak.is_live() => {
                snapshot_superseded = true;
                gone.insert((weaker.id.clone(), weaker.origin));
                first.insert(&thing.id, stronger);
            }
            _ if known.digest == thing.digest => {
                gone.insert((thing.id.clone(), thing.origin));
            }
            _ => twice.push((thing.clone(), known.origin)),
        }
    }

    facts.remove(&gone);
    (twice, snapshot_superseded)
}

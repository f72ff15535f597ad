//! Parts → a cluster: who owns each namespace, which definitions count, and the indices.

use super::facts::{Facts, ObjectRef, Unevaluated};
use super::indirect::{self, ReachIndex};
use super::platform::PlatformEndpoints;
use super::principal::Principals;
use super::rbac::{Rbac, Subject};
use super::{Cluster, InputKind, NOT_READ, NamespaceNode, Origin, Owner, TenantNode, admission};
use crate::diagnostic::{Diagnostic, Scope};
use crate::kube::ObjectId;
use crate::kube::labels::Labels;
use crate::kube::names::{NAME_LABEL, is_administrators};
use crate::netpol::Dialect;
use crate::source::{SourceId, Span};
use crate::value::Text;
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

/// The parts of a cluster, before they are put together.
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
    /// The platform's own endpoints.
    pub endpoints: PlatformEndpoints,
    /// Its tenants.
    pub tenants: Vec<TenantNode>,
    /// What its objects say.
    pub facts: Facts,
    /// Whether a fleet declares the tenants, and delivers to the cluster by its engine.
    pub has_fleet: bool,
    /// Whether a snapshot is among them.
    pub closed_world: bool,
    /// Whether the inputs hold every object of the cluster of the kinds that planes read.
    pub lists_every_kind: bool,
    /// What could not be read.
    pub unread_inputs: Vec<Diagnostic>,
    /// Whether files are among it, any object of which may be missing.
    pub has_unread_files: bool,
    /// The digest of what stands in no text: snapshots.
    pub snapshot_digest: [u8; 32],
}

/// Names the tenant of a namespace that no tenant declares, by the namespace's name, labels and
/// annotations; `None` if it is the platform's.
type InferTenant<'a> = dyn Fn(&str, &Labels, &Labels) -> Option<Text> + 'a;

impl Cluster {
    /// Puts a cluster together. `infer_tenant` names the tenant of a namespace that no tenant
    /// declares, by the namespace's name, labels and annotations; `None` if it is the platform's.
    pub fn new(parts: Parts, infer_tenant: &InferTenant<'_>) -> Self {
        let Parts {
            mut facts,
            mut unread_inputs,
            ..
        } = parts;

        let (mut defined_twice, snapshot_superseded) = merge_definitions(&mut facts);
        let unevaluated = take_unevaluated(&mut facts);
        let unread: BTreeSet<&ObjectId> = unevaluated.iter().map(|object| &object.id).collect();
        defined_twice.retain(|(object, _)| !unread.contains(&object.id));
        unread_inputs.extend(not_evaluated(&unevaluated));

        let mut tenants = Tenants::new(parts.tenants);
        let mut namespaces: Vec<NamespaceNode> = found_namespaces(&facts)
            .into_iter()
            .map(|(name, found)| tenants.place(name, found, infer_tenant))
            .collect();

        let by_name = index(namespaces.iter().map(|namespace| &namespace.name));
        add_policies(&mut namespaces, &by_name, &facts);
        let by_label = index_labels(&namespaces);

        let mut rbac = Rbac::default();
        for role in std::mem::take(&mut facts.roles) {
            rbac.add(role);
        }
        rbac.bindings = std::mem::take(&mut facts.bindings);
        let index = ReachIndex::new(&facts.namespaces, &tenants.nodes);
        rbac.bindings
            .extend(indirect::bindings(&facts.indirect_bindings, &index));
        rbac.finish();
        tenants.adopt_unclaimed_subjects(&namespaces, &by_name, &rbac);

        let owner = |name: &str| {
            let known = by_name.get(name);
            known.map_or(Owner::Platform, |at| namespaces[*at as usize].owner)
        };
        let tenant = |name: &str| tenants.by_name.get(name).copied();
        let principals = Principals::new(&facts, tenants.holders(), &owner, &tenant);

        let kept = facts.kept.iter().enumerate();
        Self {
            kept: kept
                .map(|(at, object)| (object.id.clone(), at as u32))
                .collect(),
            bound: admission::bound(&facts),
            principals,
            name: parts.name,
            engine_namespace: parts.engine_namespace,
            plugin: parts.plugin,
            pod_networks: parts.pod_networks,
            endpoints: parts.endpoints,
            tenants: tenants.nodes,
            platform_by_name: Vec::new(),
            namespaces,
            rbac,
            facts,
            has_fleet: parts.has_fleet,
            closed_world: parts.closed_world,
            lists_every_kind: parts.lists_every_kind,
            unread_inputs,
            has_unread_files: parts.has_unread_files,
            snapshot_digest: parts.snapshot_digest,
            snapshot_superseded,
            defined_twice,
            by_name,
            selected: Mutex::default(),
            by_label,
        }
    }
}

/// Takes out the objects that are not evaluated, except network policies of a namespace: what they
/// let through is unknown to the network plane alone.
fn take_unevaluated(facts: &mut Facts) -> Vec<Unevaluated> {
    let (policies, others) = std::mem::take(&mut facts.unevaluated)
        .into_iter()
        .partition(|object| {
            Dialect::is_kind_of_any(&object.id.kind) && !object.id.namespace.is_empty()
        });

    facts.unevaluated = policies;
    others
}

/// Reports what cannot be evaluated. The objects of a file that have one reason are one finding: an
/// installation without namespaces is one cause.
fn not_evaluated(objects: &[Unevaluated]) -> Vec<Diagnostic> {
    let mut causes: IndexMap<(SourceId, &str), Vec<&Unevaluated>> = IndexMap::new();
    for object in objects {
        let cause = (object.origin.span.source, object.reason.as_str());
        causes.entry(cause).or_default().push(object);
    }
    causes
        .into_values()
        .filter_map(|same| cause(&same))
        .collect()
}

/// Most objects that a finding shows besides the first.
const MAX_SHOWN: usize = 3;

/// The finding of some objects of a file that cannot be evaluated for one reason.
fn cause(objects: &[&Unevaluated]) -> Option<Diagnostic> {
    let (first, others) = objects.split_first()?;
    let mut message = format!(
        "{} cannot be evaluated: {}",
        first.id.called(),
        first.reason
    );
    if !others.is_empty() {
        let count = others.len();
        message.push_str(&format!("; the same holds for {count} more of this file"));
    }

    let finding = Diagnostic::new(&NOT_READ, first.origin.span, message)
        .fix("give what is applied: build the overlay (kustomize build), substitute, render")
        .scope(Scope::Fleet);
    let shown = others.iter().take(MAX_SHOWN);
    Some(shown.fold(finding, |finding, object| {
        finding.related(object.origin.span, object.id.called())
    }))
}

/// A namespace that an input defines, or that an object is in.
struct FoundNamespace {
    labels: Labels,
    annotations: Labels,
    /// The origin of its Namespace object; `None` if no input has the object.
    origin: Option<Origin>,
    /// The Namespace object, or the first object in the namespace.
    span: Span,
}

fn found_namespaces(facts: &Facts) -> BTreeMap<Text, FoundNamespace> {
    let mut found = BTreeMap::new();
    for fact in &facts.namespaces {
        let namespace = FoundNamespace {
            labels: fact.labels.clone(),
            annotations: fact.annotations.clone(),
            origin: Some(fact.origin),
            span: fact.origin.span,
        };
        found.insert(fact.id.name.clone(), namespace);
    }

    let given = facts.objects.iter();
    for object in given.filter(|object| object.origin.input != InputKind::Builtin) {
        let name = &object.id.namespace;
        if !name.is_empty() && !found.contains_key(name) {
            let namespace = FoundNamespace {
                labels: Labels::new([(NAME_LABEL.into(), name.clone())]),
                annotations: Labels::default(),
                origin: None,
                span: object.origin.span,
            };
            found.insert(name.clone(), namespace);
        }
    }

    found
}

/// The tenants of a cluster: the declared ones, then the inferred ones.
struct Tenants {
    nodes: Vec<TenantNode>,
    declared: usize,
    by_name: HashMap<Text, u32>,
    /// The owners of the namespaces that tenants declare.
    owners: HashMap<Text, Owner>,
}

impl Tenants {
    fn new(declared: Vec<TenantNode>) -> Self {
        let mut owners = HashMap::new();
        for (at, tenant) in declared.iter().enumerate() {
            let owner = Owner::Tenant(at as u32);
            owners.extend(tenant.namespaces.iter().map(|name| (name.clone(), owner)));
        }

        Self {
            declared: declared.len(),
            by_name: index(declared.iter().map(|tenant| &tenant.name)),
            nodes: declared,
            owners,
        }
    }

    /// Places a namespace with its owner. Its policies are added later.
    fn place(
        &mut self,
        name: Text,
        found: FoundNamespace,
        infer_tenant: &InferTenant<'_>,
    ) -> NamespaceNode {
        let owner = match self.owners.get(&name) {
            Some(owner) => *owner,
            // The owner of a namespace without an object cannot be inferred.
            None => found
                .origin
                .and_then(|_| infer_tenant(&name, &found.labels, &found.annotations))
                .map_or(Owner::Platform, |tenant| {
                    self.infer(tenant, name.clone(), found.span)
                }),
        };

        NamespaceNode {
            name,
            labels: found.labels,
            owner,
            origin: found.origin,
            policies: Vec::new(),
            has_unevaluated_policy: false,
        }
    }

    /// Gives a namespace to a tenant, which is added if the cluster does not have it yet.
    fn infer(&mut self, tenant: Text, namespace: Text, span: Span) -> Owner {
        let nodes = &mut self.nodes;
        let at = *self.by_name.entry(tenant.clone()).or_insert_with(|| {
            nodes.push(TenantNode {
                name: tenant,
                span,
                subjects: Vec::new(),
                namespaces: Vec::new(),
                reaches: Vec::new(),
            });
            nodes.len() as u32 - 1
        });

        nodes[at as usize].namespaces.push(namespace);
        Owner::Tenant(at)
    }

    /// Gives users and groups to inferred tenants: to each in whose namespaces they are bound. One
    /// that is bound in the namespaces of several is held by all of them: another binding never
    /// makes it the platform's.
    fn adopt_unclaimed_subjects(
        &mut self,
        namespaces: &[NamespaceNode],
        by_name: &HashMap<Text, u32>,
        rbac: &Rbac,
    ) {
        let claimed: BTreeSet<Subject> = self
            .nodes
            .iter()
            .flat_map(|tenant| tenant.subjects.iter().cloned())
            .collect();

        let tenant_of = |name: &Text| match namespaces[*by_name.get(name)? as usize].owner {
            Owner::Tenant(at) => Some(at),
            Owner::Platform => None,
        };

        for subject in rbac.subjects() {
            let (Subject::User(name) | Subject::Group(name)) = subject else {
                continue;
            };
            if claimed.contains(subject) || is_administrators(name) {
                continue;
            }

            let tenants: BTreeSet<u32> = rbac
                .bindings_of(subject)
                .filter_map(|binding| tenant_of(&binding.id.namespace))
                .filter(|tenant| *tenant as usize >= self.declared)
                .collect();
            for tenant in tenants {
                self.nodes[tenant as usize].subjects.push(subject.clone());
            }
        }
    }

    /// The tenants of each user and group that one holds.
    fn holders(&self) -> BTreeMap<Subject, Vec<u32>> {
        let mut holders: BTreeMap<Subject, Vec<u32>> = BTreeMap::new();
        for (at, tenant) in self.nodes.iter().enumerate() {
            for subject in &tenant.subjects {
                let all = holders.entry(subject.clone()).or_default();
                if all.last() != Some(&(at as u32)) {
                    all.push(at as u32);
                }
            }
        }

        holders
    }
}

/// Adds the network policies to their namespaces. A policy that is not evaluated makes the traffic of
/// its namespace unknown; one of the cluster, that of all.
fn add_policies(namespaces: &mut [NamespaceNode], by_name: &HashMap<Text, u32>, facts: &Facts) {
    for (at, policy) in facts.policies.iter().enumerate() {
        if let Some(home) = by_name.get(&policy.id.namespace) {
            namespaces[*home as usize].policies.push(at as u32);
        }
    }

    let other = facts.other_policies.iter().map(|policy| &policy.id);
    let evaluable = facts.unevaluated.iter().filter(|policy| !policy.absent);
    let unevaluated = evaluable.map(|policy| &policy.id);
    let mut of_cluster = false;
    for id in other.chain(unevaluated.filter(|id| Dialect::is_kind_of_any(&id.kind))) {
        match by_name.get(&id.namespace) {
            Some(home) => namespaces[*home as usize].has_unevaluated_policy = true,
            None => of_cluster = true,
        }
    }
    for namespace in namespaces.iter_mut().filter(|_| of_cluster) {
        namespace.has_unevaluated_policy = true;
    }
}

fn index<'a>(names: impl Iterator<Item = &'a Text>) -> HashMap<Text, u32> {
    names
        .enumerate()
        .map(|(at, name)| (name.clone(), at as u32))
        .collect()
}

/// The namespaces with each label, except the one with the namespace's name.
fn index_labels(namespaces: &[NamespaceNode]) -> HashMap<(Text, Text), Vec<u32>> {
    let mut by_label: HashMap<(Text, Text), Vec<u32>> = HashMap::new();
    for (at, namespace) in namespaces.iter().enumerate() {
        for (key, value) in namespace
            .labels
            .iter()
            .filter(|(key, _)| *key != NAME_LABEL)
        {
            by_label
                .entry((key.clone(), value.clone()))
                .or_default()
                .push(at as u32);
        }
    }

    by_label
}

/// Decides which definitions of an object count. A rendered object or a manifest replaces the one of
/// a snapshot, and that replaces Kubernetes' own. Two definitions that would both be applied both
/// count, and are reported if they differ. So do a manifest of a role that Kubernetes makes and that
/// role, since Kubernetes adds its own rules again.
///
/// Returns the objects that are defined twice, and whether an object of a snapshot was replaced.
fn merge_definitions(facts: &mut Facts) -> (Vec<(ObjectRef, Origin)>, bool) {
    let mut first: HashMap<&ObjectId, &ObjectRef> = HashMap::with_capacity(facts.objects.len());
    let mut gone: BTreeSet<(ObjectId, Origin)> = BTreeSet::new();
    let (mut twice, mut snapshot_superseded) = (Vec::new(), false);

    for object in &facts.objects {
        let Some(known) = first.get(&object.id).copied() else {
            first.insert(&object.id, object);
            continue;
        };

        let (weaker, stronger) = match known.origin.input < object.origin.input {
            // From the strongest to the weakest: rendered, manifest, live, builtin.
            true => (object, known),
            false => (known, object),
        };

        match (weaker.origin.input, stronger.origin.input) {
            (InputKind::Builtin, strong) if strong.is_live() => {
                gone.insert((weaker.id.clone(), weaker.origin));
                first.insert(&object.id, stronger);
            }
            (InputKind::Builtin, _) | (InputKind::Rendered, InputKind::Rendered) => {}
            (weak, strong) if weak.is_live() && strong.is_live() => {}
            (weak, _) if weak.is_live() => {
                snapshot_superseded = true;
                gone.insert((weaker.id.clone(), weaker.origin));
                first.insert(&object.id, stronger);
            }
            _ if known.digest == object.digest => {
                gone.insert((object.id.clone(), object.origin));
            }
            _ => twice.push((object.clone(), known.origin)),
        }
    }

    facts.remove(&gone);
    (twice, snapshot_superseded)
}

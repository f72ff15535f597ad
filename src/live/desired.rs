//! What should be there: a cluster's rendered objects, the Kustomizations that apply them, and
//! whose they are.

use crate::bundle::{ClusterBundle, ObjectSet, RenderedObject};
use crate::delivery::{ClusterEngine, Engine, TreeSource, conventions, is_engine_group, user_of};
use crate::kube::ObjectId;
use crate::kube::names::OWNER_LABEL;
use crate::source::Span;
use crate::spec::FleetDoc;
use crate::spec::fleet::ClusterSpec;
use crate::tenancy::Tenancy;
use crate::tenancy::model::{OnCluster, Tenant};
use crate::tree::{ENTRY, PLATFORM, Tree, TreeUnit, core_of, late_of, manifests_of};
use crate::value::{Text, Value};
use indexmap::IndexMap;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An object that should be there.
#[derive(Debug)]
pub struct DesiredObject {
    /// What was rendered.
    pub value: Value,
    /// What it is rendered from.
    pub span: Span,
    /// Its tenant, as an index; nothing for what is rendered once a cluster.
    pub tenant: Option<u32>,
    /// The name of the Kustomization that applies it; nothing for the one that the bootstrap
    /// applies.
    pub unit: Option<Text>,
}

/// A tenant of the cluster.
#[derive(Debug)]
pub struct DesiredTenant {
    /// Its name.
    pub name: Text,
    /// Its UUID; may be empty.
    pub uuid: Text,
    /// Where it is declared.
    pub span: Span,
    /// Its namespaces.
    pub namespaces: Vec<DesiredNamespace>,
}

/// A namespace of a tenant.
#[derive(Debug)]
pub struct DesiredNamespace {
    /// Its name.
    pub name: Text,
    /// Whether the tenant takes it over if it is there already.
    pub adopt: bool,
    /// Where it is declared.
    pub span: Span,
}

/// Objects that should be there. A cluster's are looked up for each of its live ones.
pub type DesiredObjects = IndexMap<ObjectId, DesiredObject>;

/// What should be there of a cluster.
#[derive(Debug)]
pub struct Desired {
    /// The cluster's name.
    pub cluster: Text,
    /// Where it is declared.
    pub span: Span,
    /// The fleet's name, which is on every object of ours as a label.
    pub owner: Text,
    /// The context by which it is asked, where one was named.
    pub context: Text,
    /// The engine that applies its tree.
    pub engine: Engine,
    /// The namespace of the engine.
    pub engine_namespace: Text,
    /// The user that applies the tree.
    pub engine_user: String,
    /// The source that holds the tree.
    pub source: TreeSource,
    /// The digest of the files that a Kustomization's own artifact is made of, by the
    /// Kustomization's name.
    pub contents: HashMap<Text, Text>,
    /// The network plugin, where it is declared.
    pub plugin: Option<Text>,
    /// The objects, in order.
    pub objects: DesiredObjects,
    /// The tenants.
    pub tenants: Vec<DesiredTenant>,
    /// Tenants with an error: nothing is known of what is rendered of them.
    pub broken: BTreeSet<String>,
    /// Namespaces of tenants that went.
    pub gone: BTreeSet<String>,
    /// Only these tenants are asked about.
    pub only: Option<BTreeSet<u32>>,
    homes: HashMap<Text, u32>,
    holders: HashMap<Text, u32>,
}

/// A kind of which an object was rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedKind {
    /// The version in which its objects are written.
    pub version: Text,
    /// Whether an object lacks the label of the fleet, as verbatim ones do.
    pub has_unlabelled: bool,
}

impl Desired {
    /// Of a cluster of which nothing is wanted.
    pub fn nothing(cluster: &str, span: Span) -> Self {
        let engine = Engine::default();
        let source = conventions(engine).source.clone().unwrap_or_default();
        Self {
            cluster: cluster.into(),
            span,
            owner: Text::default(),
            context: Text::default(),
            engine,
            engine_namespace: conventions(engine).namespace.into(),
            engine_user: user_of(conventions(engine).namespace, conventions(engine).account),
            source: TreeSource::Object(source),
            contents: HashMap::new(),
            plugin: None,
            objects: DesiredObjects::default(),
            tenants: Vec::new(),
            broken: BTreeSet::new(),
            gone: BTreeSet::new(),
            only: None,
            homes: HashMap::new(),
            holders: HashMap::new(),
        }
    }

    /// Collects what should be in a cluster: the objects of the bundle, which move out of it, and the
    /// tree's objects that apply its folders. `units` names the object that applies a tenant's core
    /// objects.
    pub fn new(
        fleet: &FleetDoc,
        tenancy: &Tenancy,
        bundle: &mut ClusterBundle<RenderedObject>,
        tree: &Tree,
        units: &dyn Fn(&str) -> String,
    ) -> Self {
        let cluster = &fleet.spec.clusters[bundle.cluster];
        let name = cluster.name.as_str();
        let appliers = tree.kustomizations.get(name).map_or(&[][..], |all| all);
        let artifacts = tree.artifacts.iter().filter(|a| a.cluster == name);

        let mut wanted = Self {
            owner: fleet.name.value.as_str().into(),
            contents: artifacts
                .map(|a| (a.kustomization.as_str().into(), a.content.as_str().into()))
                .collect(),
            plugin: cluster.cni.as_ref().map(|cni| cni.name.as_str().into()),
            ..Self::of_engine(&ClusterEngine::new(&fleet.spec, cluster), cluster)
        };

        let objects = bundle.ids().count() + appliers.len();
        wanted.objects.reserve(objects);
        wanted.take(&mut bundle.platform, None, PLATFORM.into());

        for part in &mut bundle.tenants {
            let tenant = &tenancy.tenants[part.index];
            if let Some(on) = tenant.on(bundle.cluster) {
                let index = wanted.add_tenant(tenant, on);
                let unit = units(&part.tenant);
                wanted.take(&mut part.deferred, Some(index), late_of(&unit).into());
                let apart = manifests_of(&part.tenant);
                wanted.take(&mut part.manifests, Some(index), apart.into());
                wanted.take(&mut part.core, Some(index), unit.into());
            }
        }

        wanted.add_appliers(appliers);
        wanted.objects.sort_unstable_keys();
        wanted
    }

    /// An empty cluster with its engine.
    fn of_engine(engine: &ClusterEngine<'_>, cluster: &ClusterSpec) -> Self {
        Self {
            engine: engine.engine(),
            engine_namespace: engine.namespace().into(),
            engine_user: engine.user(),
            source: engine.source(),
            ..Self::nothing(cluster.name.as_str(), cluster.name.span)
        }
    }

    /// Adds a tenant on the cluster. Returns its index.
    fn add_tenant(&mut self, tenant: &Tenant, on: &OnCluster) -> u32 {
        let index = self.tenants.len() as u32;
        let uuid = tenant.uuid.as_ref();
        let namespaces = on.namespaces.iter().map(|namespace| DesiredNamespace {
            name: namespace.name.as_str().into(),
            adopt: namespace.adopt,
            span: namespace.span,
        });

        let wanted = DesiredTenant {
            name: tenant.name.value.as_str().into(),
            uuid: uuid.map_or_else(Text::default, |uuid| uuid.value.as_str().into()),
            span: tenant.name.span,
            namespaces: namespaces.collect(),
        };

        let homes = wanted.namespaces.iter().map(|n| (n.name.clone(), index));
        self.homes.extend(homes);
        let principals = tenant.principals.iter();
        self.holders
            .extend(principals.map(|principal| (Text::from(&principal.value), index)));

        self.tenants.push(wanted);
        index
    }

    /// Adds the engine's objects that apply the tree. The unit of one tenant belongs to it.
    fn add_appliers(&mut self, appliers: &[Value]) {
        let tenant_of: HashMap<String, u32> = self
            .tenants
            .iter()
            .zip(0..)
            .flat_map(|(tenant, index)| {
                let floor = TreeUnit::of_tenant(&tenant.name).applier();
                [(floor, index), (manifests_of(&tenant.name), index)]
            })
            .collect();

        for value in appliers {
            let Ok(id) = ObjectId::of(value) else {
                continue;
            };
            let core = core_of(&id.name).unwrap_or(&id.name);
            let applier = DesiredObject {
                value: value.clone(),
                span: self.span,
                tenant: tenant_of.get(core).copied(),
                unit: (id.name != ENTRY).then(|| Text::new_static(ENTRY)),
            };
            self.objects.insert(id, applier);
        }
    }

    fn take(&mut self, set: &mut ObjectSet<RenderedObject>, tenant: Option<u32>, unit: Text) {
        for object in std::mem::take(&mut set.objects) {
            let want = DesiredObject {
                value: object.value,
                span: object.span,
                tenant,
                unit: Some(unit.clone()),
            };
            self.objects.insert(object.id, want);
        }
    }

    /// The tenant of a namespace.
    pub fn home(&self, namespace: &str) -> Option<u32> {
        self.homes.get(namespace).copied()
    }

    /// The tenant of a user or group, written as `group/NAME`.
    pub fn holder(&self, principal: &str) -> Option<u32> {
        self.holders.get(principal).copied()
    }

    /// The tenants that are asked about, each with its index.
    pub fn asked(&self) -> impl Iterator<Item = (u32, &DesiredTenant)> {
        (0..)
            .zip(&self.tenants)
            .filter(|(index, _)| self.asks(Some(*index)))
    }

    /// Whether a tenant is asked about; what is nobody's always is.
    pub fn asks(&self, tenant: Option<u32>) -> bool {
        match (&self.only, tenant) {
            (Some(only), Some(tenant)) => only.contains(&tenant),
            _ => true,
        }
    }

    /// Whether it is one of the Kustomizations that apply the tree, and no tenant's own.
    pub fn applies(&self, id: &ObjectId, want: &DesiredObject) -> bool {
        let unit = want.unit.as_deref();
        self.is_applier(id)
            && id.namespace == self.engine_namespace
            && (unit == Some(ENTRY) || id.name == ENTRY)
    }

    /// Whether it is of the kind of the engine's objects that apply a folder.
    pub fn is_applier(&self, id: &ObjectId) -> bool {
        conventions(self.engine).applier.is_of(id)
    }

    /// Whether it is asked whether an object is there. Where only some tenants are asked about,
    /// other namespaces are not listed, but for what applies the tree.
    pub fn in_scope(&self, id: &ObjectId, want: &DesiredObject) -> bool {
        let listed = || {
            id.namespace.is_empty()
                || id.namespace == self.engine_namespace && is_engine_group(&id.group)
        };
        self.asks(want.tenant) && (self.only.is_none() || want.tenant.is_some() || listed())
    }

    /// The rendered kinds, by group and kind.
    pub fn kinds(&self) -> BTreeMap<(Text, Text), RenderedKind> {
        let mut kinds: BTreeMap<(Text, Text), RenderedKind> = BTreeMap::new();

        // The objects of a kind mostly lie together.
        let all: Vec<(&ObjectId, &DesiredObject)> = self.objects.iter().collect();
        for run in all.chunk_by(|(a, _), (b, _)| a.kind == b.kind && a.group == b.group) {
            let (id, last) = run[run.len() - 1];
            let version = last.value.at(&["apiVersion"]).as_str().unwrap_or_default();
            let has_label = |want: &DesiredObject| {
                let label = want.value.at(&["metadata", "labels", OWNER_LABEL]);
                !label.is_null()
            };

            let kind = kinds.entry((id.group.clone(), id.kind.clone()));
            let kind = kind.or_default();
            // If versions differ, the last object decides.
            kind.version = version.rsplit('/').next().unwrap_or_default().into();
            kind.has_unlabelled |= run.iter().any(|(_, want)| !has_label(want));
        }
        kinds
    }

    /// The name of a Kustomization in Flux's namespace, where labels say `namespace/name` of it.
    pub fn unit_of<'a>(&self, by: &'a str) -> Option<&'a str> {
        by.split_once('/')
            .filter(|(home, _)| *home == self.engine_namespace)
            .map(|(_, name)| name)
    }

    /// Where a tenant is declared; the cluster, for what is nobody's.
    pub fn span_of(&self, tenant: Option<u32>) -> Span {
        tenant.map_or(self.span, |t| self.tenants[t as usize].span)
    }

    /// The name of a tenant.
    pub fn name_of(&self, tenant: Option<u32>) -> Option<&Text> {
        self.tenants.get(tenant? as usize).map(|t| &t.name)
    }

    /// The namespaces of the tenants that are asked about.
    pub fn namespaces(&self) -> Vec<Text> {
        self.asked()
            .flat_map(|(_, tenant)| tenant.namespaces.iter().map(|n| n.name.clone()))
            .collect()
    }
}

//! A fleet's tenants and objects, and what stands beside them → clusters.

use super::facts::{Facts, digest};
use super::platform::PlatformEndpoints;
use super::rbac::Subject;
use super::{Cluster, InputKind, NOT_READ, Origin, Owner, Parts, TenantNode, builtin};
use crate::bundle::{ClusterBundle, ObjectSet, RenderedObject, TenantBundle};
use crate::delivery::{ClusterEngine, Engine, conventions};
use crate::diagnostic::{Diagnostic, Level, Scope};
use crate::kube::ObjectId;
use crate::kube::labels::Labels;
use crate::source::Span;
use crate::spec::FleetDoc;
use crate::spec::fleet::FleetSpec;
use crate::tenancy::model::{OnCluster, Tenant};
use crate::tenancy::{PlatformNames, SOURCE_NOT_GIVEN, Tenancy, claims, reserved};
use crate::value::Text;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What stands beside a cluster's rendered objects.
#[derive(Debug, Default)]
pub struct ExtraFacts {
    /// What it says.
    pub facts: Facts,
    /// What could not be read of it.
    pub faults: Vec<Diagnostic>,
    /// Whether a file could not be read, any object of which may be missing.
    pub has_unread_files: bool,
    /// Whether a snapshot is among it, of every kind that RBAC has.
    pub closed_world: bool,
    /// Whether it holds every object of the cluster of the kinds that planes read.
    pub lists_every_kind: bool,
    /// The bytes of snapshots, which stand in no text.
    pub bytes: Vec<u8>,
    /// Whether there are admission policies among it.
    pub keeps_objects: bool,
}

/// The objects of a fleet's cluster, besides those of [`ExtraFacts`].
///
/// Rendered objects have values: a graph without them would be empty, and would prove anything.
///
/// ```compile_fail
/// use tenantry::{bundle::ClusterBundle, graph::ClusterObjects, kube::ObjectId};
///
/// fn of_identities(bundle: &ClusterBundle<ObjectId>) -> ClusterObjects<'_> {
///     ClusterObjects::Rendered(bundle)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum ClusterObjects<'a> {
    /// The objects that are rendered for the cluster.
    Rendered(&'a ClusterBundle<RenderedObject>),
    /// The objects that run in the cluster of this index, all of which are in [`ExtraFacts`].
    Live(usize),
}

impl<'a> ClusterObjects<'a> {
    /// The cluster's index in the fleet.
    fn cluster(self) -> usize {
        match self {
            Self::Rendered(bundle) => bundle.cluster,
            Self::Live(cluster) => cluster,
        }
    }

    /// The bundles of the tenants that are not left out.
    fn tenants(self, left_out: &dyn Fn(&str) -> bool) -> Vec<&'a TenantBundle<RenderedObject>> {
        match self {
            Self::Rendered(bundle) => {
                let is_in = |tenant: &&TenantBundle<_>| !left_out(&tenant.tenant);
                bundle.tenants.iter().filter(is_in).collect()
            }
            Self::Live(_) => Vec::new(),
        }
    }
}

/// Puts a cluster of a fleet together. Namespaces that no tenant declares are the platform's,
/// unless the fleet has no tenants there, or `group_by` (the key of a label or annotation) names
/// their tenant. `left_out` names tenants that are taken for absent.
///
/// A tenant whose namespaces are not among the objects is reported as unread: nothing is proven
/// about it.
pub fn cluster(
    fleet: &FleetDoc,
    tenancy: &Tenancy,
    objects: ClusterObjects<'_>,
    beside: ExtraFacts,
    group_by: Option<&str>,
    left_out: &dyn Fn(&str) -> bool,
) -> Cluster {
    let spec = &fleet.spec.clusters[objects.cluster()];
    let here: Vec<(&Tenant, &OnCluster)> = tenancy
        .tenants
        .iter()
        .filter(|tenant| !left_out(&tenant.name.value))
        .filter_map(|tenant| Some((tenant, tenant.on(objects.cluster())?)))
        .collect();

    let shared = claims::shared(fleet);

    let mut facts = Facts::keeping(beside.keeps_objects);
    builtin::add(&mut facts, spec.name.span, beside.closed_world);
    add_rendered(&mut facts, objects, &beside, left_out);
    facts.append(beside.facts);

    let mut unread_inputs = beside.faults;
    unread_inputs.extend(missing(&here, &facts, spec.name.as_str()));
    let parts = Parts {
        name: spec.name.as_str().into(),
        engine_namespace: ClusterEngine::new(&fleet.spec, spec).namespace().into(),
        plugin: spec.cni.as_ref().map(|c| c.name.as_str().into()),
        pod_networks: spec
            .pod_cidrs
            .iter()
            .flatten()
            .filter_map(|c| c.as_str().parse().ok())
            .collect(),
        endpoints: PlatformEndpoints::of(spec),
        tenants: here
            .iter()
            .map(|(tenant, on)| node(tenant, on, &shared))
            .collect(),
        facts,
        has_fleet: !here.is_empty(),
        closed_world: beside.closed_world,
        lists_every_kind: beside.lists_every_kind,
        has_unread_files: beside.has_unread_files,
        unread_inputs,
        snapshot_digest: *blake3::hash(&beside.bytes).as_bytes(),
    };

    let alone = parts.tenants.is_empty();
    Cluster::new(parts, &infer_tenant(&fleet.spec, group_by, alone))
}

/// The findings that leave a part of the fleet out of its clusters, as errors: verdicts beside them
/// are unknown.
pub fn unread(findings: &[Diagnostic]) -> Vec<Diagnostic> {
    let leaves_out =
        |finding: &&Diagnostic| finding.level == Level::Error || *finding.rule == SOURCE_NOT_GIVEN;
    findings
        .iter()
        .filter(leaves_out)
        .map(|finding| finding.clone().level(Level::Error))
        .collect()
}

/// Reports each tenant of which a namespace is not among the objects.
fn missing(here: &[(&Tenant, &OnCluster)], facts: &Facts, cluster: &str) -> Vec<Diagnostic> {
    let found: BTreeSet<&str> = facts
        .namespaces
        .iter()
        .map(|namespace| namespace.id.name.as_str())
        .collect();

    let mut out = Vec::new();
    for (tenant, on) in here {
        let missing: Vec<&str> = on
            .namespaces
            .iter()
            .map(|namespace| namespace.name.as_str())
            .filter(|name| !found.contains(name))
            .collect();
        if !missing.is_empty() {
            let message = format!(
                "the objects of tenant `{}` on `{cluster}` are incomplete: namespace {} is missing",
                tenant.name.value,
                missing.join(", ")
            );
            out.push(
                Diagnostic::new(&NOT_READ, tenant.name.span, message)
                    .fix("apply the tenant's rendered files to the cluster, and try again")
                    .scope(Scope::Fleet),
            );
        }
    }

    out
}

/// How manifests that no fleet describes become a cluster.
#[derive(Clone, Debug, Default)]
pub struct WithoutFleet<'a> {
    /// The name of the cluster; `cluster` if `None`.
    pub name: Option<&'a str>,
    /// The key of a label or annotation whose value names the tenant of a namespace.
    pub group_by: Option<&'a str>,
    /// Which namespaces are the platform's.
    pub platform: PlatformNames<'a>,
}

/// Puts a cluster together of manifests alone; `span` stands for the cluster. Each namespace is a
/// tenant, except those of the platform.
pub fn without_fleet(mut beside: ExtraFacts, span: Span, options: &WithoutFleet<'_>) -> Cluster {
    builtin::add(&mut beside.facts, span, beside.closed_world);
    let parts = Parts {
        name: options.name.unwrap_or("cluster").into(),
        engine_namespace: conventions(Engine::default()).namespace.into(),
        facts: beside.facts,
        closed_world: beside.closed_world,
        lists_every_kind: beside.lists_every_kind,
        has_unread_files: beside.has_unread_files,
        unread_inputs: beside.faults,
        snapshot_digest: *blake3::hash(&beside.bytes).as_bytes(),
        ..Parts::default()
    };

    let infer = |name: &str, labels: &Labels, annotations: &Labels| {
        let group = named_group(options.group_by, labels, annotations);
        let is_platform = options.platform.reason(name, group.is_some()).is_some();
        (!is_platform).then(|| group.unwrap_or_else(|| own_tenant(options.group_by, name)))
    };
    let mut cluster = Cluster::new(parts, &infer);
    let namespaces = cluster.namespaces.iter();
    cluster.platform_by_name = namespaces
        .filter(|one| one.owner == Owner::Platform)
        .filter(|one| options.platform.reason(&one.name, false).is_some())
        .map(|one| one.name.clone())
        .collect();
    cluster
}

/// The tenant that a label or an annotation of a namespace names.
fn named_group(group_by: Option<&str>, labels: &Labels, annotations: &Labels) -> Option<Text> {
    let key = group_by?;
    let group = labels.get(key).or_else(|| annotations.get(key))?;
    Some(group.into())
}

/// The tenant of a namespace that names none.
fn own_tenant(group_by: Option<&str>, name: &str) -> Text {
    match group_by {
        None => name.into(),
        // Apart from the groups, one of which may have its name.
        Some(_) => format!("namespace {name}").into(),
    }
}

/// Names the tenant of a namespace that no tenant declares, by its name, labels and annotations.
fn infer_tenant(
    fleet: &FleetSpec,
    group_by: Option<&str>,
    alone: bool,
) -> impl Fn(&str, &Labels, &Labels) -> Option<Text> {
    move |name, labels, annotations| {
        if reserved(fleet, name).is_some() {
            return None;
        }
        let group = named_group(group_by, labels, annotations);
        group.or_else(|| alone.then(|| own_tenant(group_by, name)))
    }
}

/// Adds what is rendered: the platform's objects, then those of each tenant that is not left out.
fn add_rendered(
    facts: &mut Facts,
    objects: ClusterObjects<'_>,
    beside: &ExtraFacts,
    left_out: &dyn Fn(&str) -> bool,
) {
    let again: BTreeSet<ObjectId> = beside.facts.objects.iter().map(|t| t.id.clone()).collect();
    let tenants: Vec<Facts> = objects
        .tenants(left_out)
        .par_iter()
        .map(|tenant| {
            let mut facts = Facts::keeping(beside.keeps_objects);
            add(&mut facts, &tenant.core, &again);
            add(&mut facts, &tenant.deferred, &again);
            add(&mut facts, &tenant.manifests, &again);
            facts
        })
        .collect();

    if let ClusterObjects::Rendered(bundle) = objects {
        add(facts, &bundle.platform, &again);
    }
    tenants.into_iter().for_each(|more| facts.append(more));
}

/// Adds rendered objects. Those that manifests define too have a digest, to tell whether the two
/// definitions differ.
fn add(facts: &mut Facts, set: &ObjectSet<RenderedObject>, again: &BTreeSet<ObjectId>) {
    for object in &set.objects {
        let origin = Origin {
            input: InputKind::Rendered,
            span: object.span,
        };
        facts.add(object.id.clone(), &object.value, origin);

        if again.contains(&object.id)
            && let Some(thing) = facts.objects.last_mut()
        {
            thing.digest = digest(&object.value);
        }
    }
}

fn node(tenant: &Tenant, on: &OnCluster, shared: &BTreeSet<String>) -> TenantNode {
    let own = tenant
        .principals
        .iter()
        .filter(|p| !shared.contains(&p.value));

    let subjects = own.filter_map(|p| match p.value.split_once('/') {
        Some(("group", name)) => Some(Subject::Group(name.into())),
        Some(("user", name)) => Some(Subject::User(name.into())),
        _ => None,
    });

    TenantNode {
        name: tenant.name.value.as_str().into(),
        span: tenant.name.span,
        subjects: subjects.collect(),
        namespaces: on
            .namespaces
            .iter()
            .map(|n| n.name.as_str().into())
            .collect(),
        reaches: on
            .namespaces
            .iter()
            .flat_map(|n| {
                n.reaches
                    .iter()
                    .map(|to| (Text::from(&n.name), Text::from(to)))
            })
            .collect(),
    }
}

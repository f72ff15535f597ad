//! A fleet's tenants and objects, and what stands beside them → clusters.

use super::facts::{Facts, digest};
use super::rbac::Subject;
use super::{Cluster, Input, Origin, Parts, TenantNode, builtin};
use crate::bundle::{ClusterBundle, Part, TenantBundle};
use crate::diagnostic::Diagnostic;
use crate::kube::ObjectId;
use crate::kube::labels::Labels;
use crate::source::SourceMap;
use crate::spec::FleetDoc;
use crate::spec::fleet::FleetSpec;
use crate::tenancy::model::{OnCluster, Tenant};
use crate::tenancy::{Tenancy, claims, reserved};
use crate::value::Text;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// What stands beside a cluster's rendered objects.
#[derive(Debug, Default)]
pub struct Beside {
    /// What it says.
    pub facts: Facts,
    /// What could not be read of it.
    pub faults: Vec<Diagnostic>,
    /// Whether a snapshot is among it, of every kind that RBAC has.
    pub closed: bool,
    /// The bytes of snapshots, which stand in no text.
    pub bytes: Vec<u8>,
    /// Whether there are admission policies among it.
    pub guarded: bool,
}

/// Puts a cluster of a fleet together. Namespaces that no tenant declares are the platform's,
/// unless the fleet has no tenants there, or `group_by` (the key of a label or annotation) names
/// their tenant. `left_out` names tenants that are taken for absent.
pub fn cluster(
    fleet: &FleetDoc,
    tenancy: &Tenancy,
    bundle: &ClusterBundle,
    sources: &mut SourceMap,
    beside: Beside,
    group_by: Option<&str>,
    left_out: &dyn Fn(&str) -> bool,
) -> Cluster {
    let spec = &fleet.spec.clusters[bundle.cluster];
    let here: Vec<(&Tenant, &OnCluster)> = tenancy
        .tenants
        .iter()
        .filter_map(|t| Some((t, t.on(bundle.cluster)?)))
        .collect();
    let shared = claims::shared(fleet);
    let mut facts = Facts::keeping(beside.guarded);
    builtin(sources, &mut facts);
    let again: BTreeSet<ObjectId> = beside.facts.objects.iter().map(|t| t.id.clone()).collect();
    let taken: Vec<&TenantBundle> = bundle
        .tenants
        .iter()
        .filter(|t| !left_out(&t.tenant))
        .collect();
    let rendered: Vec<Facts> = taken
        .par_iter()
        .map(|t| {
            let mut facts = Facts::keeping(beside.guarded);
            add(&mut facts, &t.early, &again);
            add(&mut facts, &t.late, &again);
            facts
        })
        .collect();
    add(&mut facts, &bundle.platform, &again);
    rendered.into_iter().for_each(|more| facts.append(more));
    facts.append(beside.facts);
    let rendered: BTreeSet<&str> = taken.iter().map(|t| t.tenant.as_str()).collect();
    let parts = Parts {
        name: spec.name.as_str().into(),
        plugin: spec.cni.as_ref().map(|c| c.name.as_str().into()),
        pod_networks: spec
            .pod_cidrs
            .iter()
            .flatten()
            .filter_map(|c| c.as_str().parse().ok())
            .collect(),
        tenants: here
            .iter()
            .filter(|(t, _)| rendered.contains(t.name.value.as_str()))
            .map(|(t, on)| tenant(t, on, &shared))
            .collect(),
        facts,
        closed: beside.closed,
        blind: beside.faults,
        beside: *blake3::hash(&beside.bytes).as_bytes(),
    };
    let alone = parts.tenants.is_empty();
    Cluster::new(parts, &stranger(&fleet.spec, group_by, alone))
}

/// Puts a cluster together of manifests alone.
pub fn without_fleet(
    sources: &mut SourceMap,
    mut beside: Beside,
    group_by: Option<&str>,
) -> Cluster {
    builtin(sources, &mut beside.facts);
    let parts = Parts {
        name: "cluster".into(),
        facts: beside.facts,
        closed: beside.closed,
        blind: beside.faults,
        beside: *blake3::hash(&beside.bytes).as_bytes(),
        ..Parts::default()
    };
    Cluster::new(parts, &stranger(&FleetSpec::default(), group_by, true))
}

/// Names the tenant of a namespace that no tenant declares, by its name, labels and annotations.
fn stranger(
    fleet: &FleetSpec,
    group_by: Option<&str>,
    alone: bool,
) -> impl Fn(&str, &Labels, &Labels) -> Option<Text> {
    move |name, labels, annotations| {
        if reserved(fleet, name).is_some() {
            return None;
        }
        let Some(key) = group_by else {
            return alone.then(|| name.into());
        };
        match labels.get(key).or_else(|| annotations.get(key)) {
            Some(group) => Some(group.into()),
            // Apart from the groups, one of which may have its name.
            None => alone.then(|| format!("namespace {name}").into()),
        }
    }
}

/// Adds what is rendered; what manifests define too is told apart from their definitions.
fn add(facts: &mut Facts, part: &Part, again: &BTreeSet<ObjectId>) {
    for (id, (value, span)) in part.objects.iter().zip(&part.values) {
        facts.add(
            id.clone(),
            value,
            Origin {
                input: Input::Rendered,
                span: *span,
            },
        );
        if again.contains(id)
            && let Some(thing) = facts.objects.last_mut()
        {
            thing.digest = digest(value);
        }
    }
}

fn tenant(tenant: &Tenant, on: &OnCluster, shared: &BTreeSet<String>) -> TenantNode {
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

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::indirect::{CopiedObjects, CopySource, ReachIndex};
use crate::isolation::{Finding, some, tenant_of};
use std::collections::BTreeMap;

rule! {
    /// An object of a tenant is copied into a namespace of another.
    ///
    /// ## What it finds
    /// Secrets that Kyverno clones, that a ClusterExternalSecret fetches from a path named after a
    /// tenant, that Reflector, Replicator, Config Syncer or secretgen-controller may copy; bindings
    /// that the hierarchical namespace controller propagates.
    ///
    /// ## Why it matters
    /// Whoever reads the copy reads the original.
    ///
    /// ## Fix
    /// Name the namespaces of the tenant itself as the targets, or copy from a namespace of the
    /// platform what is meant for all.
    ///
    /// ## References
    /// kyverno.io/docs/policy-types/cluster-policy/generate;
    /// external-secrets.io/latest/api/clusterexternalsecret; emberstack/kubernetes-reflector; ISO
    /// 27001 A.8.3
    pub static COPIED_OBJECT = "data/copied-object", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let copied = &cluster.facts.copied_objects;
    if copied.is_empty() {
        return;
    }
    let by_name: BTreeMap<&str, u32> = cluster
        .tenants
        .iter()
        .zip(0..)
        .map(|(tenant, at)| (tenant.name.as_str(), at))
        .collect();
    let index = ReachIndex::new(&cluster.facts.namespaces, &cluster.tenants);

    for object in copied {
        if let Some(finding) = copy(cluster, &by_name, &index, object) {
            out.push(finding);
        }
    }
}

/// The finding about objects of a tenant that are copied into a namespace of another.
fn copy(
    cluster: &Cluster,
    by_name: &BTreeMap<&str, u32>,
    index: &ReachIndex<'_>,
    object: &CopiedObjects,
) -> Option<Finding> {
    let owner = match &object.from {
        CopySource::Namespace(name) => tenant_of(cluster, name)?.0,
        CopySource::Outside(paths) => paths
            .iter()
            .flat_map(|path| path.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'))
            .find_map(|part| by_name.get(part).copied())?,
    };
    let victim = &cluster.tenants[owner as usize].name;

    let others: Vec<(u32, &str)> = match index.namespaces(&object.to) {
        None => cluster
            .tenants
            .iter()
            .zip(0..)
            .filter(|(tenant, at)| *at != owner && !tenant.namespaces.is_empty())
            .map(|(tenant, at)| (at, tenant.name.as_str()))
            .collect(),
        Some(names) => names
            .iter()
            .filter_map(|name| tenant_of(cluster, name))
            .filter(|(at, _)| *at != owner)
            .map(|(at, tenant)| (at, tenant.as_str()))
            .collect(),
    };
    let (_, first) = *others.first()?;
    let names = || others.iter().map(|(_, name)| *name);

    let span = object.origin.span;
    let message = format!(
        "{} has {} copy {} of tenant `{victim}` to {}",
        object.id.called(),
        object.by,
        object.what,
        some(names())
    );
    let finding = Finding::refuted(&COPIED_OBJECT, span, message)
        .step(
            span,
            format!("{} names {}", object.id.called(), object.what),
        )
        .through(&object.id)
        .step(
            span,
            format!(
                "{} writes it into namespaces of {}",
                object.by,
                some(names())
            ),
        )
        .reaching(victim)
        .fix("copy it into the tenant's own namespaces only");
    Some(match others.len() {
        1 => finding.by(first),
        _ => finding.by_each(others.iter().map(|(at, _)| *at)),
    })
}

//! The OCI artifacts of a cluster whose units have one each.

use super::entry::{ManifestUnit, TreeUnit, artifact_url, late_of, manifests_of};
use super::layout::TenantPart;
use super::model::{Artifact, Tree, TreeRequest};
use super::record::{FileEntry, short_hex};
use crate::delivery::ClusterEngine;
use crate::diagnostic::rule;
use crate::source::parent;
use crate::spec::FleetDoc;
use crate::spec::fleet::{Artifacts, ClusterSpec, SourceMode};
use std::collections::BTreeMap;

rule! {
    /// Each unit has an OCI artifact of its own, and a cluster does not say where.
    ///
    /// ## Why it matters
    /// Its Kustomizations would have no source.
    /// ## Fix
    /// Say `flux.artifacts.url: oci://REGISTRY/PATH` of each cluster, or leave `delivery.source`
    /// out.
    pub static NO_REGISTRY = "tree/no-registry", Error;
}

/// How the tree of a fleet reaches its clusters.
pub fn source_mode(fleet: &FleetDoc) -> SourceMode {
    fleet
        .spec
        .delivery
        .as_ref()
        .and_then(|d| d.source)
        .unwrap_or(SourceMode::Shared)
}

/// The registry of a cluster's artifacts, if each unit has its own.
pub fn artifacts_of<'a>(fleet: &FleetDoc, cluster: &'a ClusterSpec) -> Option<&'a Artifacts> {
    ClusterEngine::new(&fleet.spec, cluster)
        .artifacts()
        .filter(|_| source_mode(fleet) == SourceMode::PerShard)
}

/// The artifacts of a cluster, in the order of the folders.
pub fn list_artifacts(
    request: &TreeRequest<'_>,
    cluster: &ClusterSpec,
    units: &[TreeUnit],
    apart: &[ManifestUnit],
    tree: &Tree,
) -> Vec<Artifact> {
    let Some(artifacts) = artifacts_of(request.fleet, cluster) else {
        return Vec::new();
    };
    let name = cluster.name.as_str();
    let contents = contents(request, name, tree);

    let artifact = |unit: &str, part: TenantPart, applier: String| {
        let folder = request.layout.cluster(name).unit(unit, part);
        let hasher = contents.get(&folder)?;
        Some(Artifact {
            cluster: name.to_owned(),
            kustomization: applier,
            url: artifact_url(artifacts, &request.layout.in_tree(&folder)),
            content: short_hex(hasher),
            folder,
        })
    };

    let of_units = units.iter().flat_map(|unit| {
        let (name, applier) = (unit.name.as_str(), unit.applier());
        let late = late_of(&applier);
        [
            artifact(name, TenantPart::Core, applier),
            artifact(name, TenantPart::Deferred, late),
        ]
    });
    let of_manifests = apart.iter().map(|unit| {
        let applier = manifests_of(&unit.tenant);
        artifact(&unit.tenant, TenantPart::Manifests, applier)
    });
    of_units.chain(of_manifests).flatten().collect()
}

/// The digest of each folder of tenants, over the names and digests of its files.
fn contents(
    request: &TreeRequest<'_>,
    cluster: &str,
    tree: &Tree,
) -> BTreeMap<String, blake3::Hasher> {
    let made = tree.files.iter().map(|(path, file)| (path, &file.entry));
    let files: BTreeMap<&String, &FileEntry> = if request.texts {
        made.chain(&tree.held).collect()
    } else {
        request.lock.files.iter().collect()
    };

    let mut contents: BTreeMap<String, blake3::Hasher> = BTreeMap::new();
    for (path, entry) in files {
        if entry.cluster != cluster || entry.tenant.is_none() {
            continue;
        }
        let folder = parent(path);
        let file = path[folder.len()..].trim_start_matches('/');
        contents
            .entry(folder.to_owned())
            .or_default()
            .update(file.as_bytes())
            .update(&[0])
            .update(entry.digest.as_bytes())
            .update(&[0]);
    }

    contents
}

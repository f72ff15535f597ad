//! Objects → the files of a tree, with their records, and the tombstones of removed namespaces.

use super::artifacts::{NO_REGISTRY, artifacts_of, list_artifacts, source_mode};
use super::cluster_entry::ClusterEntry;
use super::entry::{self, EntryBuilder, ManifestUnit, TreeUnit};
use super::layout::{FileKind, Layout, Record, TenantPart, is_below_tree};
use super::lock::Tombstone;
use super::model::{DesiredFile, Tree, TreeRequest};
use super::record::{FileEntry, namespaces, short_hex};
use super::shards::{Sharding, applier_of};
use super::sizing::{choose_sharding, outgrown, outgrown_by_files};
use crate::bundle::{ClusterBundle, ObjectForm, ObjectSet, TenantBundle};
use crate::delivery::ClusterEngine;
use crate::diagnostic::{Diagnostic, Scope};
use crate::expression::eval_text;
use crate::plain::plain;
use crate::source::Span;
use crate::spec::FleetDoc;
use crate::spec::fleet::{ClusterSpec, ManifestPlace, SourceMode};
use crate::tenancy::model::Tenant;
use crate::tenancy::{ClaimKind, DERIVED_NAME, claims};
use crate::value::Value;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// The fix of an entry file that has no usable path.
const ENTRY_FIX: &str = "write it as clusters/{{ cluster }}/tenantry.yaml";

/// The line that a rendered file begins with.
pub fn header(source: Option<&str>) -> String {
    match source {
        Some(path) => {
            let path = plain(path);
            format!("# Rendered by tenantry from {path}. Do not edit: change the tenant.\n")
        }
        None => "# Rendered by tenantry. Do not edit: change the fleet.\n".to_owned(),
    }
}

/// Builds the tree of some clusters. The objects' texts move into it: ten thousand tenants have a
/// lot of them.
pub fn build<T: ObjectForm>(
    request: &TreeRequest<'_>,
    bundles: &mut [ClusterBundle<T>],
    out: &mut Vec<Diagnostic>,
) -> Tree {
    let mut tree = Tree::default();
    let clusters: Vec<String> = request
        .fleet
        .spec
        .clusters
        .iter()
        .map(|cluster| cluster.name.value.to_string())
        .collect();

    for bundle in bundles {
        let cluster = &request.fleet.spec.clusters[bundle.cluster];
        let name = cluster.name.as_str();
        let sharding = choose_sharding(request, bundle.cluster);

        let mut placed = place_tenants(request, bundle, sharding, &clusters, &mut tree);
        keep_files(request, name, &mut placed, &mut tree);
        let apart: Vec<ManifestUnit> = placed
            .apart
            .into_iter()
            .map(|(tenant, decryption)| ManifestUnit {
                after: applier_of(sharding, &tenant),
                tenant,
                decryption,
            })
            .collect();
        let units: Vec<TreeUnit> = placed
            .units
            .into_iter()
            .map(|(name, late)| TreeUnit {
                name,
                one_tenant: sharding == Sharding::Tenant,
                late,
            })
            .collect();

        place_platform(request, bundle, &mut tree);
        place_entry(request, bundle.cluster, &units, &apart, &mut tree, out);
        let artifacts = list_artifacts(request, cluster, &units, &apart, &tree);
        tree.artifacts.extend(artifacts);
        outgrown(request, sharding, bundle.cluster, out);
        outgrown_by_files(request, apart.len(), bundle.cluster, out);

        let line = cluster_line(request, cluster, sharding);
        tree.clusters.insert(name.to_owned(), line);
        if request.texts {
            record_removals(request, name, &mut tree);
        }
    }

    tree
}

/// The cluster's line of the lock.
fn cluster_line(
    request: &TreeRequest<'_>,
    cluster: &ClusterSpec,
    sharding: Sharding,
) -> ClusterEntry {
    let (unit, shards) = sharding.record();
    let name = cluster.name.as_str();
    ClusterEntry {
        cluster: name.to_owned(),
        owner: Some(request.fleet.name.value.to_string()),
        tool: request.version.to_owned(),
        templates: request.templates.to_owned(),
        profiles: request.profiles.to_owned(),
        unit,
        shards,
        fleet: request.fleet.digest.clone(),
        tree: request.layout.tree.clone(),
        entry: entry_path(request.fleet, name).unwrap_or_default(),
        manifests: cluster.settled.manifests,
    }
}

/// What a cluster's tenants are placed in.
#[derive(Default)]
struct PlacedUnits {
    /// Each unit, and whether it has deferred objects.
    units: BTreeMap<String, bool>,
    /// The tenants whose verbatim files are applied apart, each with the Secret that decrypts them.
    apart: BTreeMap<String, Option<String>>,
}

/// Adds the files of a cluster's tenants.
fn place_tenants<T: ObjectForm>(
    request: &TreeRequest<'_>,
    bundle: &mut ClusterBundle<T>,
    sharding: Sharding,
    clusters: &[String],
    tree: &mut Tree,
) -> PlacedUnits {
    let cluster = bundle.cluster;
    let mut placed = PlacedUnits::default();
    let apart = bundle.tenants.iter();
    let apart = apart.filter(|part| has_manifest_unit(request, cluster, part));
    placed.apart = apart
        .map(|part| {
            let tenant = &request.tenancy.tenants[part.index];
            (part.tenant.clone(), decryption_of(tenant, cluster))
        })
        .collect();

    let made: Vec<(String, bool, Vec<DesiredFile>)> = bundle
        .tenants
        .par_iter_mut()
        .map(|tenant| {
            let unit = sharding.unit(&tenant.tenant);
            let late = !tenant.deferred.objects.is_empty();
            let files = match request.texts {
                true => tenant_files(request, cluster, sharding, tenant, clusters),
                false => Vec::new(),
            };
            (unit, late, files)
        })
        .collect();

    for (unit, late, files) in made {
        *placed.units.entry(unit).or_default() |= late;
        let files = files.into_iter();
        tree.files
            .extend(files.map(|file| (file.entry.path.clone(), file)));
    }

    placed
}

/// Whether a tenant's verbatim files have a unit on a cluster. One that has lost its last object stays:
/// while it is there, Flux deletes as its account what it held.
fn has_manifest_unit<T: ObjectForm>(
    request: &TreeRequest<'_>,
    cluster: usize,
    bundle: &TenantBundle<T>,
) -> bool {
    let settled = &request.fleet.spec.clusters[cluster].settled;
    let tenant = &request.tenancy.tenants[bundle.index];
    let has_unit = tenant
        .on(cluster)
        .is_some_and(|on| on.manifest_unit.is_some());
    has_unit
        && (!bundle.manifests.objects.is_empty() || settled.manifest_units.contains(&bundle.tenant))
}

/// The Secret that decrypts a tenant's verbatim files on a cluster.
fn decryption_of(tenant: &Tenant, cluster: usize) -> Option<String> {
    let unit = tenant.on(cluster)?.manifest_unit.as_ref()?;
    unit.decryption.clone()
}

/// Keeps the files of tenants that are not rendered, and their units.
fn keep_files(request: &TreeRequest<'_>, cluster: &str, placed: &mut PlacedUnits, tree: &mut Tree) {
    let recorded = request.lock.files.iter();
    for (path, entry) in recorded.filter(|(_, entry)| entry.cluster == cluster) {
        let Some(owner) = &entry.tenant else { continue };
        if !request.standings.keeps_files(owner) {
            continue;
        }
        let file = request.layout.cluster(cluster).parse(path);
        match file {
            Some(FileKind::Tenant {
                tenant,
                part: TenantPart::Manifests,
                ..
            }) => {
                let secret = entry.decryption.clone();
                placed.apart.insert(tenant.to_owned(), secret);
            }
            Some(FileKind::Tenant { unit, part, .. }) => {
                let late = placed.units.entry(unit.to_owned()).or_default();
                *late |= part == TenantPart::Deferred;
            }
            _ => {}
        }
        tree.held.insert(path.clone(), entry.clone());
    }
}

/// What a tenant's record on a cluster says that it claims besides objects, sorted, and the
/// namespaces of other tenants that its own reach, as `from>to`.
fn claims_and_edges(
    tenant: &Tenant,
    cluster: usize,
    clusters: &[String],
) -> (Vec<String>, Vec<String>) {
    let claims = claims::of(tenant, clusters)
        .into_iter()
        .map(|(thing, _)| thing);
    let mut claims: Vec<String> = claims
        .filter(|thing| thing.kind != ClaimKind::Namespace)
        .map(|thing| thing.to_string())
        .collect();

    claims.sort();

    let namespaces = tenant.on(cluster).map_or(&[][..], |on| &on.namespaces);
    let mut edges: Vec<String> = namespaces
        .iter()
        .flat_map(|n| n.reaches.iter().map(|to| format!("{}>{to}", n.name)))
        .collect();

    edges.sort();
    edges.dedup();
    (claims, edges)
}

/// The files of a tenant on a cluster, one for each part that has objects.
fn tenant_files<T: ObjectForm>(
    request: &TreeRequest<'_>,
    cluster: usize,
    sharding: Sharding,
    bundle: &mut TenantBundle<T>,
    clusters: &[String],
) -> Vec<DesiredFile> {
    let tenant = &request.tenancy.tenants[bundle.index];
    let name = &clusters[cluster];
    let source = request.sources.path(tenant.name.span);

    let has_unit = has_manifest_unit(request, cluster, bundle);
    let file = |part: TenantPart, set: &mut ObjectSet<T>| {
        if set.objects.is_empty() && !(has_unit && part == TenantPart::Manifests) {
            return None;
        }
        let (claims, edges) = match part {
            TenantPart::Core => claims_and_edges(tenant, cluster, clusters),
            TenantPart::Deferred | TenantPart::Manifests => Default::default(),
        };
        let decryption = match part {
            TenantPart::Manifests => decryption_of(tenant, cluster),
            TenantPart::Core | TenantPart::Deferred => None,
        };

        let kind = FileKind::Tenant {
            tenant: &bundle.tenant,
            unit: &sharding.unit_of(&bundle.tenant, part),
            part,
        };

        let entry = FileEntry {
            tenant: Some(bundle.tenant.clone()),
            source: Some(source.to_owned()),
            input: Some(tenant.input.clone()),
            uuid: tenant.uuid.as_ref().map(|u| u.value.clone()),
            edges,
            claims,
            decryption,
            ..FileEntry::new(request.layout.cluster(name), kind)
        };

        Some(objects_file(request.layout, entry, Some(source), set))
    };

    let parts = [
        file(TenantPart::Core, &mut bundle.core),
        file(TenantPart::Deferred, &mut bundle.deferred),
        file(TenantPart::Manifests, &mut bundle.manifests),
    ];
    parts.into_iter().flatten().collect()
}

/// A file with its record, which is in its head unless it is a line of the lock.
fn recorded(
    layout: &Layout,
    mut entry: FileEntry,
    source: Option<&str>,
    objects: String,
) -> DesiredFile {
    let place = layout.cluster(&entry.cluster).record(&entry.path);
    let mut head = match place {
        Record::InFile => header(source),
        Record::InLock => String::new(),
    };

    let mut hasher = blake3::Hasher::new();
    hasher.update(head.as_bytes()).update(objects.as_bytes());
    entry.digest = short_hex(&hasher);

    if place == Record::InFile {
        head.push_str(&entry.comment());
    }
    DesiredFile {
        head,
        objects,
        entry,
    }
}

/// A file of some objects, whose text moves into it.
fn objects_file<T: ObjectForm>(
    layout: &Layout,
    mut entry: FileEntry,
    source: Option<&str>,
    set: &mut ObjectSet<T>,
) -> DesiredFile {
    entry.objects = set.ids().map(ToString::to_string).collect();
    recorded(layout, entry, source, set.take_text())
}

/// Adds the file of what is rendered once a cluster.
fn place_platform<T: ObjectForm>(
    request: &TreeRequest<'_>,
    bundle: &mut ClusterBundle<T>,
    tree: &mut Tree,
) {
    let name = request.fleet.spec.clusters[bundle.cluster].name.as_str();
    let entry = FileEntry::new(request.layout.cluster(name), FileKind::Platform);
    let file = objects_file(request.layout, entry, None, &mut bundle.platform);
    tree.files.insert(file.entry.path.clone(), file);
}

/// Adds the files of the engine's objects that apply a cluster's tree: one for each unit, so that two
/// pull requests that each add one touch no file together, and the entry file.
fn place_entry(
    request: &TreeRequest<'_>,
    cluster: usize,
    units: &[TreeUnit],
    apart: &[ManifestUnit],
    tree: &mut Tree,
    out: &mut Vec<Diagnostic>,
) {
    let cluster = &request.fleet.spec.clusters[cluster];
    let name = cluster.name.as_str();
    let artifacts = artifacts_of(request.fleet, cluster);

    if artifacts.is_none() && source_mode(request.fleet) == SourceMode::PerShard {
        let message =
            format!("each unit of `{name}` has an artifact of its own, and nothing says where");
        out.push(
            Diagnostic::new(&NO_REGISTRY, cluster.name.span, message)
                .fix("say flux.artifacts.url: oci://REGISTRY/PATH, or leave delivery.source out")
                .scope(Scope::Fleet),
        );
    }

    let applied = EntryBuilder {
        owner: &request.fleet.name.value,
        cluster: name,
        engine: ClusterEngine::new(&request.fleet.spec, cluster),
        layout: request.layout,
        artifacts,
        keep_objects: cluster.settled.manifests == ManifestPlace::Moving,
    };

    let folder = request.layout.cluster(name);
    let mut files: Vec<(FileEntry, Vec<Value>)> = applied
        .entry_folder(units, apart)
        .into_iter()
        .map(|(unit, objects)| (FileEntry::new(folder, FileKind::Unit(&unit)), objects))
        .collect();

    if let Some(path) = checked_entry_path(request, name, tree, out) {
        let entry = FileEntry::new(folder, FileKind::Entry(&path));
        files.push((entry, applied.entry_file()));
    }

    for (record, kustomizations) in files {
        let (text, objects) = entry::text(&kustomizations);
        tree.kustomizations
            .entry(name.to_owned())
            .or_default()
            .extend(kustomizations);
        let file = recorded(request.layout, FileEntry { objects, ..record }, None, text);
        tree.files.insert(file.entry.path.clone(), file);
    }
}

/// The path of a cluster's entry file, and what is wrong with it; `None` if there is no path.
fn checked_entry_path(
    request: &TreeRequest<'_>,
    cluster: &str,
    tree: &Tree,
    out: &mut Vec<Diagnostic>,
) -> Option<String> {
    let mut report = |span, message| {
        out.push(
            Diagnostic::new(&DERIVED_NAME, span, message)
                .fix(ENTRY_FIX)
                .scope(Scope::Fleet),
        );
    };

    let path = match entry_path(request.fleet, cluster) {
        Ok(path) => path,
        Err((reason, span)) => {
            report(span, format!("delivery.entry names no file: {reason}"));
            return None;
        }
    };

    let hidden = path.split('/').any(|part| part.starts_with('.'));
    if is_below_tree(&request.layout.tree, &path) || hidden || tree.files.contains_key(&path) {
        let delivery = request.fleet.spec.delivery.as_ref();
        let span = delivery
            .and_then(|d| d.entry.as_ref())
            .map_or(request.fleet.name.span, |entry| entry.span);
        let message = format!(
            "`{path}` is no place for the entry file of `{cluster}`: it is taken, hidden, or in \
             the tree"
        );
        report(span, message);
    }

    Some(path)
}

/// The path of a cluster's entry file.
///
/// # Errors
/// The reason why there is none, and the place that names it.
pub fn entry_path(fleet: &FleetDoc, cluster: &str) -> Result<String, (String, Span)> {
    let template = fleet.spec.delivery.as_ref().and_then(|d| d.entry.as_ref());
    let (text, span) = template.map_or(
        ("clusters/{{ cluster }}/tenantry.yaml", fleet.name.span),
        |t| (t.as_str(), t.span),
    );
    let path = eval_text(text, &[("cluster", &cluster.into())]).map_err(|reason| (reason, span))?;
    let clean = crate::source::join("", &path)
        .ok_or_else(|| (format!("`{path}` leaves the repository"), span))?;
    if clean.ends_with(".yaml") || clean.ends_with(".yml") {
        Ok(clean)
    } else {
        Err((format!("`{path}` is no .yaml file"), span))
    }
}

/// Adds the tombstones of tenants, and of namespaces of a tenant, that are removed from a cluster,
/// and names those of what is there again.
fn record_removals(request: &TreeRequest<'_>, cluster: &str, tree: &mut Tree) {
    let mut staying: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let files = tree.files.values().map(|file| &file.entry);

    for entry in files.chain(tree.held.values()) {
        if let Some(tenant) = entry.tenant.as_ref().filter(|_| entry.cluster == cluster) {
            let namespaces = namespaces(entry);
            staying.entry(tenant).or_default().extend(namespaces);
        }
    }

    let mut removed: BTreeMap<(String, String), Tombstone> = BTreeMap::new();
    let recorded = request.lock.files.values();

    for entry in recorded.filter(|entry| entry.cluster == cluster) {
        let Some(tenant) = &entry.tenant else {
            continue;
        };
        for namespace in namespaces(entry) {
            let alone = match staying.get(tenant.as_str()) {
                Some(kept) if kept.contains(namespace) => continue,
                Some(_) => Some(namespace),
                None => None,
            };
            let tombstone = Tombstone::new(tenant, alone, cluster, entry.uuid.clone());
            let tombstone = removed.entry(tombstone.key()).or_insert(tombstone);
            tombstone.namespaces.push(namespace.to_owned());
        }
    }

    let tombstones = request.lock.tombstones.values();
    for tombstone in tombstones.filter(|t| t.cluster == cluster) {
        let Some(kept) = staying.get(tombstone.tenant()) else {
            continue;
        };
        let namespaces = tombstone.namespaces.iter();
        let restored: BTreeSet<String> = namespaces
            .filter(|name| kept.contains(name.as_str()))
            .cloned()
            .collect();

        if !restored.is_empty() {
            tree.restored.insert(tombstone.key(), restored);
        }
    }

    tree.tombstones.extend(removed.into_values());
}

//! Objects → files: where each is placed, what is written, what is refused.
//!
//! This stage places text and never serialises an object again. It does no IO: what is on disk
//! comes in as digests, and a plan goes out.

mod applied;
mod entry;
mod lock;
mod plan;
mod refusals;

pub use applied::{
    Applied, ENTRY_NOT_LISTED, PATH_APPLIED_TWICE, REPOSITORY_PATH, applied_twice, unlisted_entries,
};
pub use lock::{
    ClusterEntry, FileEntry, LOCK_INVALID, Lock, Tombstone, namespaces as namespaces_of,
};

pub use entry::{ENTRY, PLATFORM, late_of};
pub use lock::record_range;
pub use plan::{
    BEHIND, Baseline, Behind, Disk, EDITED, FOREIGN_FILE, NOT_A_FILE, Plan, STALE,
    check as check_disk, plan,
};
pub use refusals::{OBJECT_MOVED, QUARANTINED, UNKNOWN_CLUSTER, UNRETIRED_REMOVAL, refusals};

use crate::bundle::{ClusterBundle, Kept, ObjectSet, TenantBundle};
use crate::delivery::ClusterEngine;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::expression::eval_text;
use crate::source::{SourceMap, Span};
use crate::spec::FleetDoc;
use crate::spec::fleet::{Artifacts, Cluster, Shards, SourceMode, Unit as UnitChoice};
use crate::tenancy::model::Tenant;
use crate::tenancy::{DERIVED_NAME, Kind, Tenancy, claims};
use crate::value::Value;
use entry::{Entry, Unit, artifact_url};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A cluster has more tenants than what its Kustomizations hold is made for.
    ///
    /// ## Why it matters
    /// Every commit wakes every Kustomization, and each unpacks the whole source: 400 of them cost
    /// 454 s of CPU.
    /// ## Fix
    /// Move to `delivery.unit: shard`, cluster by cluster, in the two steps of `tenantry explain
    /// tree/object-moved`.
    pub static OUTGROWN = "tree/outgrown", Warning;
}
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
/// The folder an object is applied from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Where(pub String);

/// Where things are, from the folder of the lock.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The tree's folder: `rendered`.
    pub tree: String,
    /// Where the repository's root is within the cluster's source.
    pub repository_path: String,
}

impl Layout {
    /// The folder of a cluster.
    pub fn cluster_folder(&self, cluster: &str) -> String {
        format!("{}/{cluster}", self.tree)
    }
    /// A folder's path below the tree.
    fn in_tree(&self, folder: &str) -> String {
        folder
            .strip_prefix(&self.tree)
            .unwrap_or(folder)
            .trim_start_matches('/')
            .to_owned()
    }
    fn entry_folder(&self, cluster: &str) -> String {
        format!("{}/{cluster}/entry", self.tree)
    }
    fn platform_folder(&self, cluster: &str) -> String {
        format!("{}/{cluster}/platform", self.tree)
    }
    fn unit_folder(&self, cluster: &str, unit: &str, late: bool) -> String {
        format!(
            "{}/{cluster}/{}/{unit}",
            self.tree,
            if late { "late" } else { "tenants" }
        )
    }
    fn tenant_file(&self, cluster: &str, unit: &str, late: bool, tenant: &str) -> String {
        format!("{}/{tenant}.yaml", self.unit_folder(cluster, unit, late))
    }

    /// A path as the cluster's source has it.
    pub fn in_source(&self, path: &str) -> String {
        let prefix = self
            .repository_path
            .trim_start_matches("./")
            .trim_end_matches('/');
        if prefix.is_empty() || prefix == "." {
            format!("./{path}")
        } else {
            format!("./{prefix}/{path}")
        }
    }
}

/// A file that should be there.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Its first lines, the record among them.
    pub head: String,
    /// Its objects. They are most of what ten thousand tenants' files hold, and are copied nowhere.
    pub objects: String,
    /// Its record.
    pub entry: FileEntry,
}

impl Desired {
    /// Its text.
    pub fn text(&self) -> String {
        [self.head.as_str(), &self.objects].concat()
    }
}

/// The tree that should be there.
#[derive(Debug, Default)]
pub struct Tree {
    /// Files to be written, by path.
    pub files: BTreeMap<String, Desired>,
    /// Files of tenants that have an error, as the lock has them.
    pub held: BTreeMap<String, FileEntry>,
    /// What each cluster is rendered with.
    pub clusters: BTreeMap<String, ClusterEntry>,
    /// Tenants that go.
    pub tombstones: Vec<Tombstone>,
    /// Tombstones of what came back: the name, and the cluster.
    pub risen: Vec<(String, String)>,
    /// The Kustomizations that apply the tree of each cluster, and the sources of their own.
    pub kustomizations: BTreeMap<String, Vec<Value>>,
    /// What is pushed where each unit has an artifact of its own.
    pub artifacts: Vec<Artifact>,
}

/// A folder that is pushed as an OCI artifact.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// The cluster's name.
    pub cluster: String,
    /// The Kustomization that applies it.
    pub kustomization: String,
    /// The folder, from the lock's.
    pub folder: String,
    /// Where it is pushed: `oci://`, without a tag.
    pub url: String,
    /// A digest over the files' names and digests; records do not count. Where no texts are made,
    /// of the files as their records have them.
    pub content: String,
}

/// What the tree is made of.
pub struct Request<'a> {
    /// The fleet.
    pub fleet: &'a FleetDoc,
    /// The tenants without an error.
    pub tenancy: &'a Tenancy,
    /// The texts, for the paths in the lock.
    pub sources: &'a SourceMap,
    /// What was written before.
    pub lock: &'a Lock,
    /// Where things are.
    pub layout: &'a Layout,
    /// Tenants that have an error: their files stay as they are.
    pub held: &'a BTreeSet<String>,
    /// Tenants that this run does not look at: their files stay as they are.
    pub kept: &'a BTreeSet<String>,
    /// Tenants that may go.
    pub allow_removal: &'a [String],
    /// The version of this program.
    pub version: &'a str,
    /// The digest of the templates.
    pub templates: &'a str,
    /// The digest of the profiles.
    pub profiles: &'a str,
    /// Whether the files of tenants are made, or only what is wrong with the tree is said.
    pub texts: bool,
}

/// The line that a rendered file begins with.
pub fn header(source: Option<&str>) -> String {
    match source {
        Some(path) => {
            format!("# Rendered by tenantry from {path}. Do not edit: change the tenant.\n")
        }
        None => "# Rendered by tenantry. Do not edit: change the fleet.\n".to_owned(),
    }
}

/// The digest of a file: of its bytes, but for its record.
pub fn digest(bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    match record_range(bytes) {
        Some(record) => hasher
            .update(&bytes[..record.start])
            .update(&bytes[record.end..]),
        None => hasher.update(bytes),
    };
    written(&hasher)
}

/// A digest as records have it: the first half of its hexadecimal digits. 128 bits are enough that
/// two inputs of one digest cannot be found.
fn written(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex().as_str()[..32].to_owned()
}

/// What a Kustomization of a cluster holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Tenant,
    Shard(u32),
}

impl Choice {
    fn unit(self, tenant: &str) -> String {
        match self {
            Self::Tenant => tenant.to_owned(),
            Self::Shard(count) => shard_name(shard(tenant, count), count),
        }
    }
}

fn shard_name(index: u32, count: u32) -> String {
    let width = (count.max(1) - 1).to_string().len().max(2);
    format!("shard-{index:0width$}")
}

/// Jump consistent hash (Lamping and Veach, 2014) of a tenant's name.
fn shard(tenant: &str, count: u32) -> u32 {
    let mut bytes = [0u8; 8];
    bytes.copy_from_slice(&blake3::hash(tenant.as_bytes()).as_bytes()[..8]);
    let mut key = u64::from_le_bytes(bytes);
    let (mut b, mut j) = (-1i64, 0i64);
    while j < i64::from(count) {
        b = j;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        j = ((b + 1) as f64 * ((1u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as i64;
    }
    b.max(0) as u32
}

/// The unit that a tenant is in, by a cluster's line of the lock.
pub fn recorded_unit(entry: &ClusterEntry, tenant: &str) -> String {
    recorded_choice(entry).unit(tenant)
}

/// The name of the Kustomization that applies a tenant's floor, by a cluster's line of the lock;
/// that of its late part has `.late` behind it.
pub fn kustomization_of(entry: &ClusterEntry, tenant: &str) -> String {
    let one_tenant = matches!(recorded_choice(entry), Choice::Tenant);
    Unit {
        name: recorded_unit(entry, tenant),
        one_tenant,
        late: false,
    }
    .applier()
}

fn recorded_choice(entry: &ClusterEntry) -> Choice {
    if entry.unit == "shard" {
        Choice::Shard(entry.shards.max(1))
    } else {
        Choice::Tenant
    }
}

const TENANTS_A_CLUSTER: usize = 100;
const TENANTS_A_SHARD: usize = 50;

/// How many tenants a cluster has, held ones included.
fn tenants_on(request: &Request<'_>, cluster: usize) -> usize {
    let read = request
        .tenancy
        .tenants
        .iter()
        .filter(|t| t.on(cluster).is_some())
        .map(|t| t.name.value.as_str());
    let held = request.held.iter().map(String::as_str);

    read.chain(held).collect::<BTreeSet<&str>>().len()
}

fn unit_choice(request: &Request<'_>, cluster: usize) -> Choice {
    if let Some(entry) = request
        .lock
        .clusters
        .get(request.fleet.spec.clusters[cluster].name.as_str())
    {
        return recorded_choice(entry);
    }
    let tenants = tenants_on(request, cluster);
    let delivery = request.fleet.spec.delivery.as_ref();
    let count = || match delivery.and_then(|d| d.shards.as_ref()).map(|s| s.value) {
        Some(Shards::Count(n)) => n,
        _ => (tenants.div_ceil(TENANTS_A_SHARD).max(1)).next_power_of_two() as u32,
    };
    match delivery.and_then(|d| d.unit).unwrap_or_default() {
        UnitChoice::Tenant => Choice::Tenant,
        UnitChoice::Shard => Choice::Shard(count()),
        UnitChoice::Auto if tenants <= TENANTS_A_CLUSTER => Choice::Tenant,
        UnitChoice::Auto => Choice::Shard(count()),
    }
}

/// Builds the tree of some clusters. The objects' texts move into it: ten thousand tenants have a
/// lot of them.
pub fn build<T: Kept>(
    request: &Request<'_>,
    bundles: &mut [ClusterBundle<T>],
    out: &mut Vec<Diagnostic>,
) -> Tree {
    let mut tree = Tree::default();
    let clusters: Vec<String> = request
        .fleet
        .spec
        .clusters
        .iter()
        .map(|c| c.name.value.to_string())
        .collect();
    for bundle in bundles {
        let cluster = &request.fleet.spec.clusters[bundle.cluster];
        let name = cluster.name.as_str();
        let choice = unit_choice(request, bundle.cluster);
        let mut units: BTreeMap<String, bool> = BTreeMap::new();
        let index = bundle.cluster;
        let made: Vec<(String, bool, [Option<Desired>; 2])> = bundle
            .tenants
            .par_iter_mut()
            .map(|part| {
                let unit = choice.unit(&part.tenant);
                let late = !part.deferred.objects.is_empty();
                let files = match request.texts {
                    true => tenant_files(request, index, &unit, part, &clusters),
                    false => [None, None],
                };
                (unit, late, files)
            })
            .collect();
        for (unit, late, files) in made {
            *units.entry(unit).or_default() |= late;
            tree.files.extend(
                files
                    .into_iter()
                    .flatten()
                    .map(|d| (d.entry.path.clone(), d)),
            );
        }
        for (path, entry) in request.lock.files.iter().filter(|(_, e)| e.on == name) {
            let Some(owner) = &entry.tenant else { continue };
            if request.held.contains(owner) || request.kept.contains(owner) {
                let folder = lock::unit_of(path).0;
                if let Some(unit) = folder.rsplit('/').next() {
                    let late = folder == request.layout.unit_folder(name, unit, true);
                    *units.entry(unit.to_owned()).or_default() |= late;
                }
                tree.held.insert(path.clone(), entry.clone());
            }
        }
        let units: Vec<Unit> = units
            .into_iter()
            .map(|(name, late)| Unit {
                name,
                one_tenant: matches!(choice, Choice::Tenant),
                late,
            })
            .collect();
        place_cluster(request, bundle, &units, &mut tree, out);
        let artifacts = list_artifacts(request, cluster, &units, &tree);
        tree.artifacts.extend(artifacts);
        outgrown(
            request,
            &choice,
            name,
            tenants_on(request, bundle.cluster),
            out,
        );
        let (unit, shards) = match choice {
            Choice::Tenant => ("tenant", 0),
            Choice::Shard(count) => ("shard", count),
        };
        tree.clusters.insert(
            name.to_owned(),
            ClusterEntry {
                cluster: name.to_owned(),
                tool: request.version.to_owned(),
                templates: request.templates.to_owned(),
                profiles: request.profiles.to_owned(),
                unit: unit.to_owned(),
                shards,
                fleet: request.fleet.digest.clone(),
                tree: request.layout.tree.clone(),
                entry: entry_path(request.fleet, name).unwrap_or_default(),
            },
        );
        if request.texts {
            bury(request, name, &mut tree);
        }
    }
    tree
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
        .filter(|thing| thing.kind != Kind::Namespace)
        .map(|t| t.to_string())
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

/// The files of a tenant on a cluster: of what the cluster surely has the kinds of, and of the
/// rest.
fn tenant_files<T: Kept>(
    request: &Request<'_>,
    cluster: usize,
    unit: &str,
    bundle: &mut TenantBundle<T>,
    clusters: &[String],
) -> [Option<Desired>; 2] {
    let tenant = &request.tenancy.tenants[bundle.index];
    let name = &clusters[cluster];
    let source = request.sources.path(tenant.name.span);
    let file = |late: bool, set: &mut ObjectSet<T>| {
        if set.objects.is_empty() {
            return None;
        }
        let (claims, edges) = if late {
            Default::default()
        } else {
            claims_and_edges(tenant, cluster, clusters)
        };
        let entry = FileEntry {
            path: request.layout.tenant_file(name, unit, late, &bundle.tenant),
            digest: String::new(),
            on: name.clone(),
            tenant: Some(bundle.tenant.clone()),
            source: Some(source.to_owned()),
            input: Some(tenant.input.clone()),
            uuid: tenant.uuid.as_ref().map(|u| u.value.clone()),
            edges,
            claims,
            objects: Vec::new(),
        };
        Some(desired(entry, header(Some(source)), set))
    };
    [
        file(false, &mut bundle.core),
        file(true, &mut bundle.deferred),
    ]
}

/// A file with its record.
fn recorded(mut entry: FileEntry, mut head: String, objects: String) -> Desired {
    let mut hasher = blake3::Hasher::new();
    hasher.update(head.as_bytes()).update(objects.as_bytes());
    entry.digest = written(&hasher);
    head.push_str(&entry.record());
    Desired {
        head,
        objects,
        entry,
    }
}

/// A file of some objects, whose text is let go.
fn desired<T: Kept>(mut entry: FileEntry, head: String, set: &mut ObjectSet<T>) -> Desired {
    entry.objects = set.ids().map(ToString::to_string).collect();
    recorded(entry, head, set.take_text())
}

fn place_cluster<T: Kept>(
    request: &Request<'_>,
    bundle: &mut ClusterBundle<T>,
    units: &[Unit],
    tree: &mut Tree,
    out: &mut Vec<Diagnostic>,
) {
    let cluster = &request.fleet.spec.clusters[bundle.cluster];
    let name = cluster.name.as_str();
    let entry = |path: String| FileEntry {
        path,
        digest: String::new(),
        on: name.to_owned(),
        tenant: None,
        source: None,
        input: None,
        uuid: None,
        edges: Vec::new(),
        claims: Vec::new(),
        objects: Vec::new(),
    };
    let roles = format!("{}/roles.yaml", request.layout.platform_folder(name));
    tree.files.insert(
        roles.clone(),
        desired(entry(roles), header(None), &mut bundle.platform),
    );
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
    let applied = Entry {
        owner: &request.fleet.name.value,
        cluster: name,
        engine: ClusterEngine::new(&request.fleet.spec, cluster),
        layout: request.layout,
        artifacts,
    };
    let folder = request.layout.entry_folder(name);
    // A file a unit: two pull requests that each add one touch no file together.
    let mut files: Vec<(String, Vec<Value>)> = applied
        .entry_folder(units)
        .into_iter()
        .map(|(unit, file)| (format!("{folder}/{unit}.yaml"), file))
        .collect();
    match entry_path(request.fleet, name) {
        Ok(path) => {
            let below_tree = path.starts_with(&format!("{}/", request.layout.tree));
            let hidden = path.split('/').any(|part| part.starts_with('.'));
            if below_tree || hidden || tree.files.contains_key(&path) {
                let span = request
                    .fleet
                    .spec
                    .delivery
                    .as_ref()
                    .and_then(|d| d.entry.as_ref())
                    .map(|e| e.span);
                let message = format!(
                    "`{path}` is no place for the entry file of `{name}`: it is taken, hidden, or in the tree"
                );
                out.push(
                    Diagnostic::new(
                        &DERIVED_NAME,
                        span.unwrap_or(request.fleet.name.span),
                        message,
                    )
                    .fix("write it as clusters/{{ cluster }}/tenantry.yaml")
                    .scope(Scope::Fleet),
                );
            }
            files.push((path, applied.entry_file()));
        }
        Err((reason, span)) => out.push(
            Diagnostic::new(
                &DERIVED_NAME,
                span,
                format!("delivery.entry names no file: {reason}"),
            )
            .fix("write it as clusters/{{ cluster }}/tenantry.yaml")
            .scope(Scope::Fleet),
        ),
    }
    for (path, kustomizations) in files {
        let (text, objects) = entry::text(&kustomizations);
        tree.kustomizations
            .entry(name.to_owned())
            .or_default()
            .extend(kustomizations);
        let entry = FileEntry {
            objects,
            ..entry(path.clone())
        };
        tree.files.insert(path, recorded(entry, header(None), text));
    }
}

fn source_mode(fleet: &FleetDoc) -> SourceMode {
    fleet
        .spec
        .delivery
        .as_ref()
        .and_then(|d| d.source)
        .unwrap_or(SourceMode::Shared)
}

/// Where the artifacts of a cluster's units are, where they have their own.
fn artifacts_of<'a>(fleet: &FleetDoc, cluster: &'a Cluster) -> Option<&'a Artifacts> {
    ClusterEngine::new(&fleet.spec, cluster)
        .artifacts()
        .filter(|_| source_mode(fleet) == SourceMode::PerShard)
}

/// What is pushed of a cluster, in the order of the folders.
fn list_artifacts(
    request: &Request<'_>,
    cluster: &Cluster,
    units: &[Unit],
    tree: &Tree,
) -> Vec<Artifact> {
    let Some(artifacts) = artifacts_of(request.fleet, cluster) else {
        return Vec::new();
    };
    let name = cluster.name.as_str();
    let mut contents: BTreeMap<String, blake3::Hasher> = BTreeMap::new();
    let mut add = |path: &String, entry: &FileEntry| {
        if let (true, Some(_), Some((folder, file))) =
            (entry.on == name, &entry.tenant, path.rsplit_once('/'))
        {
            let hasher = contents.entry(folder.to_owned()).or_default();
            hasher
                .update(file.as_bytes())
                .update(&[0])
                .update(entry.digest.as_bytes())
                .update(&[0]);
        }
    };
    let made = tree.files.iter().map(|(path, made)| (path, &made.entry));
    let files: BTreeMap<&String, &FileEntry> = if request.texts {
        made.chain(&tree.held).collect()
    } else {
        request.lock.files.iter().collect()
    };
    files.into_iter().for_each(|(path, entry)| add(path, entry));
    let of = |unit: &Unit, late: bool| {
        let folder = request.layout.unit_folder(name, &unit.name, late);
        let hasher = contents.get(&folder)?;
        let applied_by = unit.applier();
        Some(Artifact {
            cluster: name.to_owned(),
            kustomization: if late {
                late_of(&applied_by)
            } else {
                applied_by
            },
            url: artifact_url(artifacts, &request.layout.in_tree(&folder)),
            content: written(hasher),
            folder,
        })
    };
    units
        .iter()
        .flat_map(|unit| [of(unit, false), of(unit, true)])
        .flatten()
        .collect()
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

fn outgrown(
    request: &Request<'_>,
    choice: &Choice,
    cluster: &str,
    tenants: usize,
    out: &mut Vec<Diagnostic>,
) {
    let asked = request
        .fleet
        .spec
        .delivery
        .as_ref()
        .and_then(|d| d.unit)
        .unwrap_or_default();
    let text = match choice {
        Choice::Tenant if asked == UnitChoice::Auto && tenants > TENANTS_A_CLUSTER => {
            format!("`{cluster}` has {tenants} tenants, each with a Kustomization of its own")
        }
        Choice::Shard(count) if tenants > *count as usize * TENANTS_A_SHARD * 2 => {
            format!("`{cluster}` has {tenants} tenants in {count} shards")
        }
        _ => return,
    };
    out.push(
        Diagnostic::new(&OUTGROWN, request.fleet.name.span, text)
            .fix("move to more shards in two steps: `tenantry explain tree/object-moved`")
            .scope(Scope::Fleet),
    );
}

/// Tombstones of the tenants, and of the namespaces of a tenant, that go from a cluster.
///
/// A namespace's own is called `TENANT/NAMESPACE`.
fn bury(request: &Request<'_>, cluster: &str, tree: &mut Tree) {
    let mut staying: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in tree
        .files
        .values()
        .map(|d| &d.entry)
        .chain(tree.held.values())
        .filter(|e| e.on == cluster)
    {
        if let Some(tenant) = &entry.tenant {
            staying
                .entry(tenant)
                .or_default()
                .extend(lock::namespaces(entry));
        }
    }
    let mut graves: BTreeMap<String, Tombstone> = BTreeMap::new();
    for entry in request.lock.files.values().filter(|e| e.on == cluster) {
        let Some(tenant) = &entry.tenant else {
            continue;
        };
        for namespace in lock::namespaces(entry) {
            let name = match staying.get(tenant.as_str()) {
                Some(kept) if kept.contains(namespace) => continue,
                Some(_) => format!("{tenant}/{namespace}"),
                None => tenant.clone(),
            };
            let grave = graves.entry(name.clone()).or_insert_with(|| Tombstone {
                tombstone: name,
                on: cluster.to_owned(),
                uuid: entry.uuid.clone(),
                namespaces: Vec::new(),
            });
            grave.namespaces.push(namespace.to_owned());
        }
    }
    for grave in request.lock.tombstones.values().filter(|t| t.on == cluster) {
        let owner = grave.tombstone.split('/').next().unwrap_or_default();
        if staying
            .get(owner)
            .is_some_and(|kept| grave.namespaces.iter().any(|n| kept.contains(n.as_str())))
        {
            tree.risen
                .push((grave.tombstone.clone(), cluster.to_owned()));
        }
    }
    tree.tombstones.extend(graves.into_values());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_tenants_move_when_shards_are_added() {
        let names: Vec<String> = (0..10_000).map(|i| format!("tenant-{i}")).collect();
        let moved = names
            .iter()
            .filter(|n| shard(n, 64) != shard(n, 65))
            .count();
        assert!(moved < 10_000 / 65 * 2, "{moved}");
        let mut sizes = vec![0; 64];
        for name in &names {
            sizes[shard(name, 64) as usize] += 1;
        }
        assert!(sizes.iter().all(|s| (90..260).contains(s)), "{sizes:?}");
        assert_eq!(
            (shard_name(3, 4), shard_name(3, 256)),
            ("shard-03".into(), "shard-003".into())
        );
    }
}

//! What the records and the lock do not allow: objects that move, namespaces that are removed, names
//! of removed tenants.

use super::entry::{LATE, TENANT_PREFIX, TreeUnit, late_of};
use super::hidden::NamePatterns;
use super::layout::{FileKind, TenantPart};
use super::model::TreeRequest;
use super::quarantine::Quarantine;
use super::record::{FileEntry, objects};
use super::shards::Sharding;
use super::sizing::{asked_sharding, choose_sharding};
use crate::bundle::{ClusterBundle, ObjectForm, TenantBundle};
use crate::delivery::ClusterEngine;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::kube::ObjectId;
use crate::source::parent;
use crate::spec::fleet::ManifestPlace;
use crate::tenancy::DERIVED_NAME;
use crate::tenancy::model::Tenant;
use rayon::prelude::*;
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};

rule! {
    /// An object would move from one Flux Kustomization to another in one commit.
    ///
    /// ## Why it matters
    /// Flux gives no order: if the old owner reconciles first, it prunes the object, a Namespace
    /// with everything in it.
    /// ## Fix
    /// In two commits. First: keep it where it is, and add `kustomize.toolkit.fluxcd.io/prune:
    /// disabled` to it there (the floor has it already); wait until that is applied. Then: move it,
    /// with its old file deleted (its record goes with it), and, for another unit or other shards,
    /// the cluster's line of tenantry.lock.
    ///
    /// For the objects of verbatim files that are to have a unit of their own, `delivery.manifests:
    /// moving` renders the first step, and `own` the second.
    pub static OBJECT_MOVED = "tree/object-moved", Error;
}
rule! {
    /// A namespace would go from a cluster without its tenant being retired.
    ///
    /// ## What it finds
    /// A tenant's file that was deleted, a cluster or a namespace that was taken out of it.
    /// ## Why it matters
    /// A namespace goes with everything in it. A deleted line is not a decision to delete a team's
    /// data.
    /// ## Fix
    /// Restore it; or let the tenant go: `tenantry render --allow-removal TENANT`.
    pub static UNRETIRED_REMOVAL = "lifecycle/unretired-removal", Error;
}
rule! {
    /// The tree was rendered for another fleet.
    ///
    /// ## Why it matters
    /// A render would put its own files beside those of the other fleet, or in their place.
    /// ## Fix
    /// Render into a folder of this fleet's own (`--tree`). If the fleet was renamed, write its new
    /// name into the lines of tenantry.lock.
    pub static ANOTHER_FLEET = "tree/another-fleet", Error;
}
rule! {
    /// The lock holds a cluster that the fleet does not have.
    ///
    /// ## Why it matters
    /// Its files stay in the tree, and its Flux goes on applying them. Nothing is deleted because a
    /// line of the fleet is.
    /// ## Fix
    /// Restore the cluster; or, once it is gone, remove its folder of the tree, its entry file, and
    /// its lines of the lock.
    pub static UNKNOWN_CLUSTER = "tree/unknown-cluster", Warning;
}

rule! {
    /// Tenants' verbatim files lie in the units of their floors.
    ///
    /// ## Why it matters
    /// An object that only the cluster can refuse (by a quota, a webhook, a missing CRD) stops the
    /// whole unit: the tenant's floor, and in a shard every neighbour's.
    /// ## Fix
    /// Move them to units of their own in two commits, `delivery.manifests: moving`, then `own`
    /// (docs/upgrading.md). A cluster that is rendered for the first time has `own`.
    pub static MANIFESTS_WITH_FLOOR = "tree/manifests-with-floor", Warning;
}

/// Checks whether the lock and the records allow the tenants as they are rendered now. A finding of
/// a tenant holds its files.
pub fn check_moves<T: ObjectForm>(
    request: &TreeRequest<'_>,
    bundles: &[ClusterBundle<T>],
) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    unknown_clusters(request, &mut out);
    out.extend(manifests_with_floor(request));

    if let Some(fault) = another_tree(request).or_else(|| another_fleet(request)) {
        out.push(fault);
        return out;
    }

    let recorded: LazyCell<BTreeSet<&str>, _> = LazyCell::new(|| {
        let entries = request.lock.files.values();
        entries
            .filter_map(|entry| entry.tenant.as_deref())
            .collect()
    });
    let is_recorded = |tenant: &str| recorded.contains(tenant);
    let name_patterns = NamePatterns::new(request);
    let mut hidden: BTreeSet<&str> = BTreeSet::new();
    for bundle in bundles {
        let cluster = &request.fleet.spec.clusters[bundle.cluster];
        let name = cluster.name.as_str();
        let engine = ClusterEngine::new(&request.fleet.spec, cluster);
        let sharding = choose_sharding(request, bundle.cluster);

        if let Some(fault) = unit_changed(request, name, bundle.cluster, sharding) {
            out.push(fault);
            continue;
        }

        let quarantine = Quarantine::new(request.lock, name);
        for part in &bundle.tenants {
            let tenant = &request.tenancy.tenants[part.index];
            quarantine.check(tenant, bundle.cluster, &is_recorded, &mut out);
            derived_names(&engine, sharding, tenant, &mut out);
            if let Some(fault) = name_patterns.check(name, tenant)
                && hidden.insert(&part.tenant)
            {
                out.push(fault);
            }
        }

        let moves = Moves::new(request, bundle, sharding);
        moves.orphans(&mut out);
        if moves.changed_files(&bundle.tenants, &mut out) {
            out.push(place_changed(request, name));
        }
    }

    out
}

/// Warns of clusters that the lock has and the fleet does not.
fn unknown_clusters(request: &TreeRequest<'_>, out: &mut Vec<Diagnostic>) {
    let clusters = &request.fleet.spec.clusters;
    for cluster in request.lock.clusters.keys() {
        if clusters.iter().any(|c| c.name.as_str() == cluster) {
            continue;
        }
        let message =
            format!("the cluster `{cluster}` is in the lock, and not in the fleet: its files stay");
        let fix = "restore it; or remove its folder, its entry file and its lines of the lock";
        out.push(
            Diagnostic::new(&UNKNOWN_CLUSTER, request.fleet.name.span, message)
                .fix(fix)
                .scope(Scope::Fleet),
        );
    }
}

/// Warns of clusters whose units hold verbatim files beside the floor, once.
fn manifests_with_floor(request: &TreeRequest<'_>) -> Option<Diagnostic> {
    let spec = &request.fleet.spec;
    let has_files = |cluster: usize| {
        let mut on = request.tenancy.tenants.iter().filter_map(|t| t.on(cluster));
        on.any(|on| !on.manifests.is_empty() && !on.plain)
    };
    let in_place = |asked: ManifestPlace, recorded: Option<ManifestPlace>| -> Vec<&str> {
        let clusters = spec.clusters.iter().enumerate();
        let those = clusters.filter(|(index, cluster)| {
            let line = request.lock.clusters.get(cluster.name.as_str());
            let last = line.map(|line| line.manifests);
            let is_there = match recorded {
                Some(recorded) => last == Some(recorded),
                // A cluster that would go back is refused.
                None => last != Some(ManifestPlace::Own),
            };
            cluster.settled.manifests == asked && is_there && has_files(*index)
        });
        those.map(|(_, cluster)| cluster.name.as_str()).collect()
    };

    let shared = in_place(ManifestPlace::Shared, None);
    // The run that begins the move has nothing to say.
    let moving = in_place(ManifestPlace::Moving, Some(ManifestPlace::Moving));
    let (clusters, state, fix) = match (shared.is_empty(), moving.is_empty()) {
        (false, _) => (
            shared,
            "lie",
            "set delivery.manifests: moving, and, once that is applied, own (docs/upgrading.md)",
        ),
        (true, false) => (
            moving,
            "still lie",
            "once `moving` is applied, set delivery.manifests: own (docs/upgrading.md)",
        ),
        (true, true) => return None,
    };

    let stated = spec.delivery.as_ref().and_then(|d| d.manifests.as_ref());
    let span = stated.map_or(request.fleet.name.span, |place| place.span);
    let message = format!(
        "verbatim files of tenants {state} in the units of the floor on {}: one that the cluster \
         refuses stops the floor",
        first_clusters(&clusters)
    );
    Some(
        Diagnostic::new(&MANIFESTS_WITH_FLOOR, span, message)
            .fix(fix)
            .scope(Scope::Fleet),
    )
}

/// The first clusters of a list, and how many more there are.
fn first_clusters(clusters: &[&str]) -> String {
    let first: Vec<String> = clusters.iter().take(3).map(|c| format!("`{c}`")).collect();
    match clusters.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// The place of a rendered object: the part that it is in, and its tenant's index in the tenancy.
type Placed = (TenantPart, usize);

/// Compares the records of a cluster with what is rendered for it now.
struct Moves<'a, T> {
    request: &'a TreeRequest<'a>,
    /// The cluster's name.
    cluster: &'a str,
    /// The cluster's index in the fleet.
    index: usize,
    sharding: Sharding,
    /// The rendered tenants, by name.
    tenants: HashMap<&'a str, &'a TenantBundle<T>>,
}

impl<'a, T: ObjectForm> Moves<'a, T> {
    fn new(request: &'a TreeRequest<'a>, bundle: &'a ClusterBundle<T>, sharding: Sharding) -> Self {
        let tenants = bundle.tenants.iter();
        Self {
            request,
            cluster: request.fleet.spec.clusters[bundle.cluster].name.as_str(),
            index: bundle.cluster,
            sharding,
            tenants: tenants.map(|part| (part.tenant.as_str(), part)).collect(),
        }
    }

    /// The folder that the objects of a tenant's part are applied from.
    fn folder(&self, tenant: &str, part: TenantPart) -> String {
        let folder = self.request.layout.cluster(self.cluster);
        folder.unit(&self.sharding.unit_of(tenant, part), part)
    }

    /// Whether a file holds the objects that it held. Most files do.
    fn is_same(&self, path: &str, entry: &FileEntry, owner: &str) -> bool {
        let Some(bundle) = self.tenants.get(owner) else {
            return false;
        };
        let is_at = |part| {
            let file = FileKind::Tenant {
                tenant: owner,
                unit: &self.sharding.unit_of(owner, part),
                part,
            };
            self.request.layout.cluster(self.cluster).path(file) == path
        };

        let parts = [
            (TenantPart::Core, &bundle.core),
            (TenantPart::Deferred, &bundle.deferred),
            (TenantPart::Manifests, &bundle.manifests),
        ];

        parts.into_iter().any(|(part, now)| {
            now.objects.len() == entry.objects.len()
                && now
                    .ids()
                    .zip(&entry.objects)
                    .all(|(id, text)| id.is_written(text))
                && is_at(part)
        })
    }

    /// Reports objects that move, and namespaces that are removed. Returns whether one of the objects
    /// moves because the fleet asks for another place of verbatim files.
    fn changed_files(&self, tenants: &[TenantBundle<T>], out: &mut Vec<Diagnostic>) -> bool {
        let recorded = self.request.lock.files.iter();
        let files: Vec<(&String, &FileEntry)> = recorded
            .filter(|(_, entry)| entry.cluster == self.cluster)
            .collect();
        let changed = files.into_par_iter().filter_map(|(path, entry)| {
            let owner = entry.tenant.as_ref()?;
            let passed =
                self.request.standings.keeps_files(owner) || self.is_same(path, entry, owner);
            (!passed).then_some((entry, owner))
        });

        let mut rendered: Option<HashMap<&ObjectId, Placed>> = None;
        let mut follows_place = false;
        for (entry, owner) in changed.collect::<Vec<_>>() {
            let rendered = rendered.get_or_insert_with(|| everything(tenants));
            for id in objects(entry) {
                let now = rendered.get(&id);
                out.extend(self.changed_object(&id, entry, owner, now));
                follows_place |= now.is_some_and(|now| self.follows_place(entry, owner, now));
            }
        }

        follows_place
    }

    /// Whether an object of a tenant's verbatim files moves because they have another place now.
    fn follows_place(&self, entry: &FileEntry, owner: &str, (part, index): &Placed) -> bool {
        let tenant = &self.request.tenancy.tenants[*index];
        let Some(recorded) = self.request.lock.clusters.get(self.cluster) else {
            return false;
        };
        let folder = self.request.layout.cluster(self.cluster);
        let was_apart = matches!(
            folder.parse(&entry.path),
            Some(FileKind::Tenant {
                part: TenantPart::Manifests,
                ..
            })
        );
        let is_apart = *part == TenantPart::Manifests;
        let on = tenant.on(self.index);
        let has_files = on.is_some_and(|on| !on.manifests.is_empty());

        let asked = self.request.fleet.spec.clusters[self.index]
            .settled
            .manifests;
        let changes = match (recorded.manifests, asked) {
            (ManifestPlace::Shared, ManifestPlace::Own) => !was_apart && is_apart,
            (ManifestPlace::Own, ManifestPlace::Shared) => was_apart && !is_apart,
            // `shared` and `moving` are the same place, and `moving` prepares `own`.
            _ => false,
        };
        changes && has_files && tenant.name.value == *owner
    }

    /// What is wrong with the change of one recorded object.
    fn changed_object(
        &self,
        id: &ObjectId,
        entry: &FileEntry,
        owner: &str,
        now: Option<&Placed>,
    ) -> Option<Diagnostic> {
        let Some((part, index)) = now else {
            let is_namespace = id.kind == "Namespace" && id.group.is_empty();
            let allowed = || self.request.removable.iter().any(|name| name == owner);
            return (is_namespace && !allowed()).then(|| self.removed(id, entry, owner));
        };

        let tenant = &self.request.tenancy.tenants[*index];
        let name = &tenant.name.value;
        let (old, new) = (parent(&entry.path), self.folder(name, *part));
        let (message, fix) = if name != owner {
            (
                format!("`{id}` would go from `{owner}` to `{name}`"),
                "let it go from its tenant first, then take it over",
            )
        } else if old != new && !(name == owner && self.is_prepared(*part)) {
            (
                format!("`{id}` would move from {old} to {new}"),
                "move it in two steps: `tenantry explain tree/object-moved`",
            )
        } else {
            return None;
        };

        let recorded = self.request.lock.span(&entry.path);
        let finding = Diagnostic::new(&OBJECT_MOVED, tenant.name.span, message)
            .related(recorded, format!("{}, where it is now", entry.path))
            .fix(fix)
            .tenant(name);

        Some(finding)
    }

    /// Whether the last render left every object of the units unpruned, so that the verbatim ones may
    /// move to a unit of the tenant's own.
    fn is_prepared(&self, part: TenantPart) -> bool {
        let recorded = self.request.lock.clusters.get(self.cluster);
        part == TenantPart::Manifests
            && recorded.is_some_and(|entry| entry.manifests == ManifestPlace::Moving)
    }

    /// A namespace that would be removed.
    fn removed(&self, id: &ObjectId, entry: &FileEntry, owner: &str) -> Diagnostic {
        let mut tenants = self.request.tenancy.tenants.iter();
        let tenant = tenants.find(|tenant| tenant.name.value == *owner);
        let recorded = self.request.lock.span(&entry.path);

        let message = format!(
            "the namespace `{}` of `{owner}` would go from `{}`",
            id.name, self.cluster
        );

        let is_postponed = self.request.postponed.iter().any(|name| name == owner);
        let source = entry.source.as_deref().unwrap_or("its file");
        let fix = match &self.request.lock.revision {
            _ if is_postponed => {
                "mend the files with errors first: one of them may be the tenant's".to_owned()
            }
            None => {
                format!("restore it in {source}, or run: tenantry render --allow-removal {owner}")
            }
            Some(revision) => format!(
                "restore it in {source}; to allow it, run: \
                 tenantry render --check --since {revision} --allow-removal {owner}"
            ),
        };

        let span = tenant.map_or(recorded, |tenant| tenant.name.span);
        let finding = Diagnostic::new(&UNRETIRED_REMOVAL, span, message)
            .fix(fix)
            .tenant(owner);

        match tenant {
            Some(_) => finding.related(recorded, format!("{}, where it is now", entry.path)),
            None => finding,
        }
    }

    /// Reports the Kustomizations of tenants whose own files are gone, and with them what the files'
    /// records remembered.
    fn orphans(&self, out: &mut Vec<Diagnostic>) {
        let files = || {
            let recorded = self.request.lock.files.values();
            recorded.filter(|entry| entry.cluster == self.cluster)
        };

        let folder = self.request.layout.cluster(self.cluster);
        let tenant_of = |entry: &'a FileEntry| match folder.parse(&entry.path)? {
            FileKind::Tenant { tenant, .. } => Some(tenant),
            _ => None,
        };

        let recorded: BTreeSet<&str> = files().filter_map(tenant_of).collect();
        let allowed = |tenant: &str| self.request.removable.iter().any(|name| name == tenant);

        for entry in files() {
            let Some(FileKind::Unit(unit)) = folder.parse(&entry.path) else {
                continue;
            };
            let Some(tenant) = TreeUnit::tenant_of(unit) else {
                continue;
            };
            let is_there = recorded.contains(tenant) || self.tenants.contains_key(tenant);

            if is_there || allowed(tenant) {
                continue;
            }

            let message = format!(
                "the files of `{tenant}` on `{}` were deleted, so its namespaces are unknown",
                self.cluster
            );

            let fix = format!(
                "restore them from Git; to let it go, then run: tenantry render --allow-removal \
                 {tenant}"
            );

            let span = self.request.lock.span(&entry.path);
            out.push(
                Diagnostic::new(&UNRETIRED_REMOVAL, span, message)
                    .fix(fix)
                    .scope(Scope::Fleet),
            );
        }
    }
}

/// Every tenant's objects, and the place of each.
fn everything<T: ObjectForm>(tenants: &[TenantBundle<T>]) -> HashMap<&ObjectId, Placed> {
    let mut all = HashMap::new();
    for tenant in tenants {
        let core = tenant.core.ids();
        all.extend(core.map(|id| (id, (TenantPart::Core, tenant.index))));
        let deferred = tenant.deferred.ids();
        all.extend(deferred.map(|id| (id, (TenantPart::Deferred, tenant.index))));
        let manifests = tenant.manifests.ids();
        all.extend(manifests.map(|id| (id, (TenantPart::Manifests, tenant.index))));
    }
    all
}

/// The lock is that of a tree in another folder beside this one: everything would move.
fn another_tree(request: &TreeRequest<'_>) -> Option<Diagnostic> {
    let other = request
        .lock
        .clusters
        .values()
        .find(|c| c.tree != request.layout.tree)?;
    let message = format!(
        "the lock is that of the tree in `{}`, not of `{}`",
        other.tree, request.layout.tree
    );
    Some(
        Diagnostic::new(&OBJECT_MOVED, request.lock.span(""), message)
            .fix("render into the tree's own folder; a second tree lies in a folder of its own, with a lock of its own")
            .scope(Scope::Fleet),
    )
}

/// The lock is that of another fleet. A revision's lock is where it always was: its fleet was renamed.
fn another_fleet(request: &TreeRequest<'_>) -> Option<Diagnostic> {
    let own = request.fleet.name.value.as_str();
    let lines = request.lock.clusters.values();
    let mut owners = lines.filter_map(|line| Some((line, line.owner.as_deref()?)));
    let (line, other) = owners.find(|(_, owner)| *owner != own)?;
    if request.lock.revision.is_some() {
        return None;
    }

    let span = request.lock.cluster_line(&line.cluster);
    let message = format!("the lock of this tree is that of the fleet `{other}`, not of `{own}`");
    let fix = "render into a folder of this fleet's own (--tree); if the fleet was renamed, write \
               its new name into the lines of the lock";
    let span = span.unwrap_or_else(|| request.lock.span(""));
    let found = Diagnostic::new(&ANOTHER_FLEET, span, message);
    Some(found.fix(fix).scope(Scope::Fleet))
}

/// Reports a tenant whose name makes that of the engine's object too long.
fn derived_names(
    engine: &ClusterEngine<'_>,
    sharding: Sharding,
    tenant: &Tenant,
    out: &mut Vec<Diagnostic>,
) {
    if sharding == Sharding::Tenant {
        let unit = TreeUnit {
            name: tenant.name.value.clone(),
            one_tenant: true,
            late: true,
        };

        let made = engine.applier_name(&late_of(&unit.applier()));
        let conventions = engine.conventions();
        let (limit, kind) = (conventions.name_limit, conventions.applier.kind);

        if made.len() > limit {
            let name = &tenant.name.value;
            let most = limit - (made.len() - name.len());
            let message = format!(
                "the name of the tenant has {} characters; with `delivery.unit: tenant` it has at most \
                 {most}, because the {kind} `{TENANT_PREFIX}NAME{LATE}` has at most {limit}",
                name.len()
            );
            out.push(
                Diagnostic::new(&DERIVED_NAME, tenant.name.span, message)
                    .fix(format!("shorten the tenant's name to {most} characters"))
                    .tenant(&tenant.name.value),
            );
        }
    }
}

/// The fleet asks for another place of verbatim files than a cluster was rendered with, and an object
/// would move there. Then nothing of the new place is rendered.
fn place_changed(request: &TreeRequest<'_>, cluster: &str) -> Diagnostic {
    let delivery = request.fleet.spec.delivery.as_ref();
    let stated = delivery.and_then(|delivery| delivery.manifests.as_ref());
    let span = stated.map_or(request.fleet.name.span, |place| place.span);
    let message = format!(
        "the verbatim files of tenants on `{cluster}` would move to other units in one commit"
    );

    let recorded = request
        .lock
        .clusters
        .get(cluster)
        .map(|line| line.manifests);
    let fix = match recorded {
        Some(ManifestPlace::Own) => {
            "restore delivery.manifests: own; no place prepares the move back \
             (`tenantry explain tree/object-moved`)"
        }
        _ => {
            "set delivery.manifests: moving, and, once that is applied, the new place \
             (docs/upgrading.md)"
        }
    };
    let finding = Diagnostic::new(&OBJECT_MOVED, span, message);
    finding.fix(fix).scope(Scope::Fleet)
}

/// The fleet asks for another unit or count than the cluster was rendered with: everything would
/// move.
fn unit_changed(
    request: &TreeRequest<'_>,
    name: &str,
    cluster: usize,
    recorded: Sharding,
) -> Option<Diagnostic> {
    request.lock.clusters.get(name)?;
    let delivery = request.fleet.spec.delivery.as_ref()?;
    let asked = asked_sharding(request, cluster, recorded);

    if asked == recorded {
        return None;
    }
    let span = delivery
        .shards
        .as_ref()
        .map_or(request.fleet.name.span, |s| s.span);

    let message = format!(
        "`{name}` is rendered with {recorded}, and the fleet now asks for {asked}: every object \
         would move"
    );

    Some(
        Diagnostic::new(&OBJECT_MOVED, span, message)
            .fix(
                "restore delivery.unit and delivery.shards, or move in two steps: `tenantry explain tree/object-moved`",
            )
            .scope(Scope::Fleet),
    )
}

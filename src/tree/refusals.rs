//! What the records and the lock do not allow: objects that move, namespaces that go, names of
//! tenants that went.

use super::entry::{Unit, late_of};
use super::lock::{self, FileEntry, Tombstone};
use super::{Choice, Request, Where, unit_choice};
use crate::bundle::{ClusterBundle, Kept, TenantBundle};
use crate::delivery::{Conventions, conventions, engine_of};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::kube::ObjectId;
use crate::spec::fleet::{Shards, Unit as UnitChoice};
use crate::tenancy::DERIVED_NAME;
use crate::tenancy::model::Tenant;
use rayon::prelude::*;
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
    /// A name of a tenant that went is used again.
    ///
    /// ## Why it matters
    /// Whatever still trusts the old name (an IAM role's subject, a Vault role) trusts the new
    /// tenant.
    /// ## Fix
    /// Take another name; or, once nothing outside the cluster trusts it, remove its tombstone from
    /// tenantry.lock.
    pub static QUARANTINED = "lifecycle/quarantined-name", Error;
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

/// Whether the lock or the removals allow what a tenant now is; findings hold the tenant.
pub fn refusals<T: Kept>(request: &Request<'_>, bundles: &[ClusterBundle<T>]) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for cluster in request.lock.clusters.keys() {
        if !request
            .fleet
            .spec
            .clusters
            .iter()
            .any(|c| c.name.as_str() == cluster)
        {
            let message = format!(
                "the cluster `{cluster}` is in the lock, and not in the fleet: its files stay"
            );
            let fix = "restore it; or remove its folder, its entry file and its lines of the lock";
            out.push(
                Diagnostic::new(&UNKNOWN_CLUSTER, request.fleet.name.span, message)
                    .fix(fix)
                    .scope(Scope::Fleet),
            );
        }
    }
    if let Some(fault) = another_tree(request) {
        out.push(fault);
        return out;
    }
    let engine = conventions(engine_of(&request.fleet.spec));
    for bundle in bundles {
        let cluster = &request.fleet.spec.clusters[bundle.cluster];
        let name = cluster.name.as_str();
        let choice = unit_choice(request, bundle.cluster);
        if let Some(fault) = unit_changed(request, name) {
            out.push(fault);
            continue;
        }
        let mut by_name: HashMap<&str, &TenantBundle<T>> =
            HashMap::with_capacity(bundle.tenants.len());
        for part in &bundle.tenants {
            let tenant = &request.tenancy.tenants[part.index];
            by_name.insert(&part.tenant, part);
            quarantine(request, name, tenant, &mut out);
            derived_names(engine, &choice, tenant, &mut out);
        }
        orphans(request, name, &by_name, &mut out);
        let mut rendered: Option<HashMap<&ObjectId, (bool, usize)>> = None;
        // Most files hold what they held, where they were.
        let is_same = |path: &str, entry: &FileEntry, owner: &str| {
            by_name.get(owner).is_some_and(|part| {
                [(false, &part.core), (true, &part.deferred)]
                    .into_iter()
                    .any(|(late, now)| {
                        let there = || {
                            request
                                .layout
                                .tenant_file(name, &choice.unit(owner), late, owner)
                                == path
                        };
                        now.objects.len() == entry.objects.len()
                            && now
                                .ids()
                                .zip(entry.objects.iter())
                                .all(|(id, text)| id.is_written(text))
                            && there()
                    })
            })
        };
        let files: Vec<(&String, &FileEntry)> = request
            .lock
            .files
            .iter()
            .filter(|(_, e)| e.on == name)
            .collect();
        let changed = files.into_par_iter().filter_map(|(path, entry)| {
            let owner = entry.tenant.as_ref()?;
            let passed = request.held.contains(owner)
                || request.kept.contains(owner)
                || is_same(path, entry, owner);
            (!passed).then_some((path, entry, owner))
        });
        for (path, entry, owner) in changed.collect::<Vec<_>>() {
            let rendered = rendered.get_or_insert_with(|| everything(&bundle.tenants));
            let old = lock::unit_of(path);
            for id in lock::objects(entry) {
                let new = |late: bool, index: usize| {
                    let unit = choice.unit(&request.tenancy.tenants[index].name.value);
                    Where(request.layout.unit_folder(name, &unit, late))
                };
                match rendered.get(&id) {
                    Some((_, index)) if request.tenancy.tenants[*index].name.value != *owner => {
                        let message = format!(
                            "`{id}` would go from `{owner}` to `{}`",
                            request.tenancy.tenants[*index].name.value
                        );
                        let tenant = &request.tenancy.tenants[*index];
                        out.push(
                            Diagnostic::new(&OBJECT_MOVED, tenant.name.span, message)
                                .related(request.lock.span(path), "where it is now")
                                .fix("let it go from its tenant first, then take it over")
                                .tenant(&tenant.name.value),
                        );
                    }
                    Some((late, index)) if new(*late, *index) != old => {
                        let new = new(*late, *index);
                        let tenant = &request.tenancy.tenants[*index];
                        let message = format!("`{id}` would move from {} to {}", old.0, new.0);
                        out.push(
                            Diagnostic::new(&OBJECT_MOVED, tenant.name.span, message)
                                .related(request.lock.span(path), "where it is now")
                                .fix("move it in two steps: `tenantry explain tree/object-moved`")
                                .tenant(&tenant.name.value),
                        );
                    }
                    None if id.kind == "Namespace"
                        && id.group.is_empty()
                        && !request.allow_removal.contains(owner) =>
                    {
                        let tenant = request
                            .tenancy
                            .tenants
                            .iter()
                            .find(|t| t.name.value == *owner);
                        let span = tenant.map_or_else(|| request.lock.span(path), |t| t.name.span);
                        let message = format!(
                            "the namespace `{}` of `{owner}` would go from `{name}`",
                            id.name
                        );
                        let mut finding = Diagnostic::new(&UNRETIRED_REMOVAL, span, message)
                            .fix(format!(
                                "restore it in {}, or run: tenantry render --allow-removal {owner}",
                                entry.source.as_deref().unwrap_or("its file")
                            ))
                            .tenant(owner);
                        if tenant.is_some() {
                            finding =
                                finding.related(request.lock.span(path), "it was rendered here");
                        }
                        out.push(finding);
                    }
                    _ => {}
                }
            }
        }
    }
    out
}

/// Kustomizations of tenants whose own files are gone, and with them what the files' records
/// remembered.
fn orphans<T>(
    request: &Request<'_>,
    cluster: &str,
    rendered: &HashMap<&str, &TenantBundle<T>>,
    out: &mut Vec<Diagnostic>,
) {
    let here = || request.lock.files.values().filter(|e| e.on == cluster);
    let recorded: BTreeSet<&str> = here().filter_map(|e| e.tenant.as_deref()).collect();
    let folder = format!("{}/tenant-", request.layout.entry_folder(cluster));
    for entry in here() {
        let tenant = entry
            .path
            .strip_prefix(&folder)
            .and_then(|rest| rest.strip_suffix(".yaml"));
        let Some(tenant) = tenant.filter(|t| !recorded.contains(t) && !rendered.contains_key(t))
        else {
            continue;
        };
        if request
            .allow_removal
            .iter()
            .any(|allowed| allowed == tenant)
        {
            continue;
        }
        let message =
            format!("the files of `{tenant}` on `{cluster}` are gone, and with them what it has");
        let span = request.lock.span(&entry.path);
        let fix = format!(
            "restore them from Git; to let it go, then run: tenantry render --allow-removal {tenant}"
        );
        out.push(
            Diagnostic::new(&UNRETIRED_REMOVAL, span, message)
                .fix(fix)
                .scope(Scope::Fleet),
        );
    }
}

/// Every tenant's objects: whether each is late, and whose it is.
fn everything<T: Kept>(tenants: &[TenantBundle<T>]) -> HashMap<&ObjectId, (bool, usize)> {
    let mut all = HashMap::new();
    for bundle in tenants {
        all.extend(bundle.core.ids().map(|id| (id, (false, bundle.index))));
        all.extend(bundle.deferred.ids().map(|id| (id, (true, bundle.index))));
    }
    all
}

/// The lock is that of a tree in another folder beside this one: everything would move.
fn another_tree(request: &Request<'_>) -> Option<Diagnostic> {
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

fn quarantine(request: &Request<'_>, cluster: &str, tenant: &Tenant, out: &mut Vec<Diagnostic>) {
    let index = request
        .fleet
        .spec
        .clusters
        .iter()
        .position(|c| c.name.as_str() == cluster);
    let namespaces: Vec<&str> = index.and_then(|i| tenant.on(i)).map_or(Vec::new(), |on| {
        on.namespaces.iter().map(|n| n.name.as_str()).collect()
    });
    for grave in request
        .lock
        .tombstones
        .values()
        .filter(|t| t.on == cluster && !is_back(request, t, tenant))
    {
        let namespace = grave
            .namespaces
            .iter()
            .find(|n| namespaces.contains(&n.as_str()));
        let what = if grave.tombstone == tenant.name.value {
            Some(format!("the name `{}`", tenant.name.value))
        } else {
            namespace.map(|n| format!("the namespace `{n}`"))
        };
        if let Some(what) = what {
            let message = format!("{what} was that of a tenant which went from `{cluster}`");
            out.push(
                Diagnostic::new(&QUARANTINED, tenant.name.span, message)
                    .fix(
                        "take another name, or remove the tombstone from tenantry.lock once nothing trusts the old one",
                    )
                    .tenant(&tenant.name.value),
            );
        }
    }
}

/// Whether a tombstone is that of this tenant itself, which is alive (elsewhere, or by its UUID)
/// and comes back.
fn is_back(request: &Request<'_>, grave: &Tombstone, tenant: &Tenant) -> bool {
    let owner = grave.tombstone.split('/').next().unwrap_or_default();
    let same_uuid = grave.uuid.is_some()
        && grave.uuid.as_deref() == tenant.uuid.as_ref().map(|u| u.value.as_str());
    let alive = || {
        request
            .lock
            .files
            .values()
            .any(|e| e.tenant.as_deref() == Some(owner))
    };
    owner == tenant.name.value && (same_uuid || alive())
}

/// Reports a tenant whose name makes that of the engine's object too long.
fn derived_names(
    engine: &Conventions,
    choice: &Choice,
    tenant: &Tenant,
    out: &mut Vec<Diagnostic>,
) {
    if matches!(choice, Choice::Tenant) {
        let unit = Unit {
            name: tenant.name.value.clone(),
            one_tenant: true,
            late: true,
        };
        let made = late_of(&unit.applier());
        let (limit, kind) = (engine.name_limit, engine.applier.1);
        if made.len() > limit {
            let message = format!(
                "the {kind} `{made}`, of `tenant-`, `{}` and `.late`, has {} characters, of {limit}",
                tenant.name.value,
                made.len()
            );
            out.push(
                Diagnostic::new(&DERIVED_NAME, tenant.name.span, message)
                    .fix("shorten the tenant's name")
                    .tenant(&tenant.name.value),
            );
        }
    }
}

/// The fleet asks for another unit or count than the cluster was rendered with: everything would
/// move.
fn unit_changed(request: &Request<'_>, cluster: &str) -> Option<Diagnostic> {
    let entry = request.lock.clusters.get(cluster)?;
    let delivery = request.fleet.spec.delivery.as_ref()?;
    let unit = match delivery.unit.unwrap_or_default() {
        UnitChoice::Auto => entry.unit.as_str(),
        UnitChoice::Tenant => "tenant",
        UnitChoice::Shard => "shard",
    };
    let shards = match delivery.shards.as_ref().map(|s| s.value) {
        Some(Shards::Count(n)) if unit == "shard" => n,
        _ => entry.shards,
    };
    if unit == entry.unit && shards == entry.shards {
        return None;
    }
    let span = delivery
        .shards
        .as_ref()
        .map_or(request.fleet.name.span, |s| s.span);
    let message = format!(
        "`{cluster}` is rendered by {} ({}), the fleet now wants {unit} ({shards}): every object would move",
        entry.unit, entry.shards
    );
    Some(
        Diagnostic::new(&OBJECT_MOVED, span, message)
            .fix(
                "restore delivery.unit and delivery.shards, or move in two steps: `tenantry explain tree/object-moved`",
            )
            .scope(Scope::Fleet),
    )
}

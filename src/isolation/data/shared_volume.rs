use super::Findings;
use super::claimants::Claimants;
use crate::diagnostic::rule;
use crate::graph::data_place::DataPlace;
use crate::graph::storage::{InlineVolume, Volume, VolumeClaim};
use crate::graph::workload::Workload;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, tenant_of};
use crate::kube::ObjectId;
use crate::kube::names::ENFORCE_LABEL;
use crate::source::Span;
use crate::value::Text;
use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// Two owners have one volume.
    ///
    /// ## What it finds
    /// - Volumes of several tenants whose data lie in one place, or in a folder of the other's: by
    ///   their handles, their servers and folders, their buckets. Volumes that pods define
    ///   themselves and contents of snapshots count too.
    /// - A volume without a `claimRef` whose data are another owner's, or that is a folder of nodes,
    ///   if a tenant has a claim that it fits or may create one.
    /// - One volume that claims of several tenants name.
    /// - A volume for a tenant that is a folder of nodes, unless a provisioner made the folder for
    ///   it.
    ///
    /// ## Why it matters
    /// A PersistentVolume belongs to no namespace. If two of them are one disk, each owner reads
    /// what the other writes. The first claim that names a volume, or that fits it, gets it.
    ///
    /// ## Fix
    /// A disk for each tenant; on a shared file system, a folder that only its volume mounts.
    ///
    /// ## References
    /// MTB "block use of existing PVs"; kubernetes.io/docs/concepts/storage/persistent-volumes
    /// (Reserving); CIS 5.2.12; ISO 27001 A.8.10
    pub static SHARED_VOLUME = "data/shared-volume", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let claims = claims_by_volume(cluster);
    let mut uses: Vec<DataUse<'_>> = inline_uses(cluster);

    for volume in &cluster.facts.volumes {
        let named = claims.get(volume.id.name.as_str());
        let named = named.filter(|_| volume.id.kind == "PersistentVolume");
        match (&volume.claim, named) {
            (Some((namespace, claim)), _) => {
                out.extend(node_folder(cluster, volume, namespace, claim));
                uses.extend(DataUse::of_volume(volume, cluster.owner(namespace)));
            }
            (None, Some(claims)) => {
                for claim in claims {
                    let namespace = &claim.id.namespace;
                    out.extend(node_folder(cluster, volume, namespace, &claim.id.name));
                    uses.extend(DataUse::of_volume(volume, cluster.owner(namespace)));
                }
            }
            (None, None) => {}
        }
    }

    shared_places(cluster, &uses, out);
    free_volumes(cluster, &claims, &uses, out);
    claimed_by_name(cluster, out);
}

/// The claims that name a volume, by its name.
fn claims_by_volume(cluster: &Cluster) -> BTreeMap<&str, Vec<&VolumeClaim>> {
    let mut claims: BTreeMap<&str, Vec<&VolumeClaim>> = BTreeMap::new();
    for claim in &cluster.facts.claims {
        if let Some((volume, _)) = &claim.volume {
            claims.entry(volume).or_default().push(claim);
        }
    }
    claims
}

/// Data that an owner uses by a volume.
#[derive(Clone, Copy)]
struct DataUse<'a> {
    place: &'a DataPlace,
    owner: Owner,
    /// The object that defines the volume.
    id: &'a ObjectId,
    span: Span,
}

impl<'a> DataUse<'a> {
    fn of_volume(volume: &'a Volume, owner: Owner) -> impl Iterator<Item = Self> {
        // A folder of a node is not one place: each node has its own.
        let places = volume
            .places
            .iter()
            .filter(|place| !place.is_of_node() || place.is_local());
        places.map(move |place| Self {
            place,
            owner,
            id: &volume.id,
            span: volume.origin.span,
        })
    }
}

/// The data of the volumes that tenants' pods define themselves.
fn inline_uses(cluster: &Cluster) -> Vec<DataUse<'_>> {
    let persistent: BTreeSet<&str> = cluster
        .facts
        .csi_drivers
        .iter()
        .filter(|driver| !driver.takes_inline)
        .map(|driver| driver.id.name.as_str())
        .collect();

    let mut uses = Vec::new();
    for workload in &cluster.facts.workloads {
        let mounted = workload
            .inline_volumes
            .iter()
            .filter(|volume| is_mounted(cluster, workload, volume, &persistent));
        for volume in mounted {
            uses.extend(volume.places.iter().map(|place| DataUse {
                place,
                owner: cluster.owner(&workload.id.namespace),
                id: &workload.id,
                span: at(volume.span, workload.origin),
            }));
        }
    }
    uses
}

/// Whether the pods of a workload get a volume that they define: Pod Security's `restricted` refuses
/// those of Kubernetes' own kinds, and a driver those that it takes as PersistentVolumes alone.
fn is_mounted(
    cluster: &Cluster,
    workload: &Workload,
    volume: &InlineVolume,
    persistent: &BTreeSet<&str>,
) -> bool {
    if let Some(driver) = &volume.driver {
        return !persistent.contains(driver.as_str());
    }
    let namespace = cluster.namespace(&workload.id.namespace);
    let level = namespace.and_then(|at| {
        let labels = &cluster.namespaces[at as usize].labels;
        labels.get(ENFORCE_LABEL)
    });
    level != Some("restricted")
}

/// The finding about a tenant's volume that is a folder of a node.
fn node_folder(
    cluster: &Cluster,
    volume: &Volume,
    namespace: &Text,
    claim: &Text,
) -> Option<Finding> {
    let (_, tenant) = tenant_of(cluster, namespace)?;
    let place = volume.places.iter().find(|place| place.is_of_node())?;
    if is_provisioned(volume, place, namespace, claim) {
        return None;
    }

    let span = volume.origin.span;
    let message = format!(
        "{} is `{}` of a node, for `{claim}` of tenant `{tenant}`",
        volume.id.called(),
        folder_of(place)
    );
    let finding = match place.is_local() {
        false => Finding::refuted(&SHARED_VOLUME, span, message),
        // An administrator sets such a folder apart on one node.
        true => Finding::warning(&SHARED_VOLUME, span, message),
    };

    let mounts = format!("it is for {namespace}/{claim}, whose pods mount the node's folder");
    Some(
        finding
            .by(tenant)
            .step(span, mounts)
            .fix("use another kind of volume"),
    )
}

/// Whether a provisioner made a folder for this claim alone: it says so, and the folder is called by
/// the volume or by the claim.
///
/// Sources: local-path-provisioner (`pathPattern`), and the provisioners of minikube, MicroK8s,
/// OpenEBS and KubeVirt.
fn is_provisioned(volume: &Volume, place: &DataPlace, namespace: &Text, claim: &Text) -> bool {
    let path = place.path.as_str();
    let of_claim = path.contains(namespace.as_str()) && path.contains(claim.as_str());
    volume.provisioner.is_some() && (path.contains(volume.id.name.as_str()) || of_claim)
}

/// A folder as it is written, without the slash at its end.
fn folder_of(place: &DataPlace) -> &str {
    match place.path.as_str() {
        "/" => "/",
        path => path.trim_end_matches('/'),
    }
}

/// Finds data that several owners use, each place once. A folder holds the folders below it: its
/// owner reads theirs, and they do not read its.
fn shared_places(cluster: &Cluster, uses: &[DataUse<'_>], out: &mut Findings<'_>) {
    let mut uses = uses.to_vec();
    uses.sort_by(|left, right| (left.place, left.owner).cmp(&(right.place, right.owner)));
    let mut open: Vec<&DataUse<'_>> = Vec::new();
    let mut found: BTreeSet<&DataPlace> = BTreeSet::new();

    for inner in &uses {
        // What remains are the folders that hold this one: a folder sorts before those below it.
        while open
            .last()
            .is_some_and(|outer| !inner.place.is_within(outer.place))
        {
            open.pop();
        }
        let outer = open.iter().find(|outer| {
            let reads = outer.owner != Owner::Platform || outer.place == inner.place;
            reads && outer.owner != inner.owner
        });
        if let Some(outer) = outer
            && found.insert(outer.place)
        {
            out.push(shared_place(cluster, outer, inner));
        }

        let known = open
            .iter()
            .any(|outer| outer.place == inner.place && outer.owner == inner.owner);
        if !known {
            open.push(inner);
        }
    }
}

/// The finding about data that two owners use.
fn shared_place(cluster: &Cluster, outer: &DataUse<'_>, inner: &DataUse<'_>) -> Finding {
    let owners = [outer.owner, inner.owner];
    let message = format!(
        "`{}` ({}) is a volume of {}",
        inner.place.path,
        inner.place.on,
        names(cluster, &owners)
    );

    let finding = Finding::refuted(&SHARED_VOLUME, inner.span, message)
        .step(outer.span, format!("{} is of it", outer.id.called()))
        .through(outer.id)
        .step(inner.span, format!("{} is of it too", inner.id.called()))
        .through(inner.id)
        .fix("give each tenant a disk of its own");
    between(cluster, &owners, finding)
}

/// Finds volumes without a claim that a tenant may take, and whose data are another's or a node's.
fn free_volumes(
    cluster: &Cluster,
    claims: &BTreeMap<&str, Vec<&VolumeClaim>>,
    uses: &[DataUse<'_>],
    out: &mut Findings<'_>,
) {
    let mut by_place: BTreeMap<&DataPlace, &DataUse<'_>> = BTreeMap::new();
    for used in uses {
        by_place.entry(used.place).or_insert(used);
    }

    let free = cluster.facts.volumes.iter().filter(|volume| {
        volume.id.kind == "PersistentVolume"
            && volume.claim.is_none()
            && !claims.contains_key(volume.id.name.as_str())
    });
    // Few clusters have a free volume.
    let claimants = LazyCell::new(|| Claimants::new(cluster));
    for volume in free {
        for place in &volume.places {
            out.extend(free_place(cluster, volume, place, &claimants, &by_place));
        }
    }
}

/// The finding about the data of a volume without a claim.
fn free_place(
    cluster: &Cluster,
    volume: &Volume,
    place: &DataPlace,
    claimants: &Claimants<'_>,
    by_place: &BTreeMap<&DataPlace, &DataUse<'_>>,
) -> Option<Finding> {
    let span = volume.origin.span;
    let free = "it has no claimRef: the first claim that fits it gets it";
    if place.is_of_node() {
        let claimant = claimants.of(volume, None)?;
        let tenant = &cluster.tenants[claimant.tenant as usize].name;
        let message = format!(
            "tenant `{tenant}` may claim {}, which is `{}` of a node",
            volume.id.called(),
            folder_of(place)
        );
        let finding = match place.is_local() {
            false => Finding::refuted(&SHARED_VOLUME, span, message),
            true => Finding::warning(&SHARED_VOLUME, span, message),
        };
        return Some(
            finding
                .by(tenant)
                .step(span, free)
                .steps([claimant.step(volume)])
                .fix("say in its claimRef whose it is, or use another kind of volume"),
        );
    }

    let used = overlapping(place, by_place)?;
    let claimant = claimants.of(volume, Some(used.owner))?;
    let tenant = &cluster.tenants[claimant.tenant as usize].name;
    let message = format!(
        "tenant `{tenant}` may claim {}, whose data are those of {}",
        volume.id.called(),
        cluster.owner_name(used.owner)
    );
    let finding = Finding::refuted(&SHARED_VOLUME, span, message)
        .step(span, free)
        .steps([claimant.step(volume)])
        .step(
            used.span,
            format!("{} is of the same data", used.id.called()),
        )
        .through(used.id)
        .fix("say in its claimRef whose it is");
    let owners = [Owner::Tenant(claimant.tenant), used.owner];
    Some(between(cluster, &owners, finding.by(tenant)))
}

/// A use of the same data, of a folder that holds them, or of one that they hold.
fn overlapping<'a, 'u>(
    place: &DataPlace,
    by_place: &BTreeMap<&DataPlace, &'a DataUse<'u>>,
) -> Option<&'a DataUse<'u>> {
    // Folders below it sort right behind it.
    let below = by_place.range::<&DataPlace, _>(&place..).next();
    if let Some((_, used)) = below.filter(|(inner, _)| inner.is_within(place)) {
        return Some(used);
    }

    // Folders that hold it: each prefix that ends with a slash.
    place.path.match_indices('/').find_map(|(at, _)| {
        let outer = DataPlace {
            on: place.on.clone(),
            path: place.path[..=at].into(),
        };
        by_place.get(&outer).copied()
    })
}

/// Finds volumes that claims of several owners name.
fn claimed_by_name(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut named: BTreeMap<&Text, BTreeMap<Owner, (&VolumeClaim, Span)>> = BTreeMap::new();
    for claim in &cluster.facts.claims {
        if let Some((volume, span)) = &claim.volume {
            named
                .entry(volume)
                .or_default()
                .entry(cluster.owner(&claim.id.namespace))
                .or_insert((claim, at(*span, claim.origin)));
        }
    }

    for (volume, claims) in named {
        let mut each = claims.values();
        let (Some((first, first_span)), Some((second, second_span))) = (each.next(), each.next())
        else {
            continue;
        };
        let owners: Vec<Owner> = claims.keys().copied().collect();
        let message = format!(
            "{} claim the PersistentVolume `{volume}` by name",
            names(cluster, &owners)
        );

        let finding = Finding::refuted(&SHARED_VOLUME, *second_span, message)
            .step(*first_span, format!("{} names it", first.id.called()))
            .through(&first.id)
            .step(
                *second_span,
                format!(
                    "{} names it too: whoever comes first has it",
                    second.id.called()
                ),
            )
            .through(&second.id)
            .fix("let each tenant claim a volume of its own");
        out.push(between(cluster, &owners, finding));
    }
}

fn names(cluster: &Cluster, owners: &[Owner]) -> String {
    let names: Vec<String> = owners
        .iter()
        .map(|owner| cluster.owner_name(*owner))
        .collect();
    names.join(", ")
}

/// Names the two tenants of a finding, if its owners are two tenants.
fn between(cluster: &Cluster, owners: &[Owner], finding: Finding) -> Finding {
    match owners {
        [Owner::Tenant(by), Owner::Tenant(victim)] => finding
            .by(&cluster.tenants[*by as usize].name)
            .reaching(&cluster.tenants[*victim as usize].name),
        several => finding.shared_by(several.iter().copied()),
    }
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::storage::{Volume, VolumeClaim};
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at, tenant_of};
use crate::source::Span;
use crate::value::Text;
use std::collections::BTreeMap;

rule! {
    /// Two owners have one volume.
    ///
    /// ## What it finds
    /// PersistentVolumes, or contents of snapshots, of one handle that are for claims of several
    /// tenants; one volume that claims of several tenants name; a volume for a tenant that is a
    /// folder of nodes.
    ///
    /// ## Why it matters
    /// A PersistentVolume belongs to no namespace. If two of them are one disk, each owner reads
    /// what the other writes. The first claim that names a volume gets it.
    ///
    /// ## Example
    /// ```yaml
    /// kind: PersistentVolume
    /// spec: {claimRef: {namespace: payments, name: data}, csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}}
    /// ---
    /// kind: PersistentVolume
    /// spec: {claimRef: {namespace: search, name: data}, csi: {driver: ebs.csi.aws.com, volumeHandle: vol-1}}
    /// ```
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
    let claimed = claimed_volumes(cluster);
    for volume in &claimed {
        if let Some(finding) = node_folder(cluster, volume) {
            out.push(finding);
        }
    }

    for (handle, owners) in shared_handles(cluster, &claimed) {
        if let Some(finding) = shared_handle(cluster, handle, &owners) {
            out.push(finding);
        }
    }
    claimed_by_name(cluster, out);
}

/// A volume with a handle, and a claim that it is for.
struct ClaimedVolume<'a> {
    volume: &'a Volume,
    handle: &'a Handle,
    namespace: &'a Text,
    claim: &'a Text,
}

/// The kind of a volume or its driver, and the name of the data there.
type Handle = (Text, Text);

/// The volumes that are for a claim: for the one that the volume names, or else for each claim that
/// names the volume.
fn claimed_volumes(cluster: &Cluster) -> Vec<ClaimedVolume<'_>> {
    let mut claims: BTreeMap<&str, Vec<&VolumeClaim>> = BTreeMap::new();
    for claim in &cluster.facts.claims {
        if let Some((volume, _)) = &claim.volume {
            claims.entry(volume).or_default().push(claim);
        }
    }

    let mut claimed = Vec::new();
    for volume in &cluster.facts.volumes {
        let Some(handle) = &volume.handle else {
            continue;
        };
        let mut add = |namespace, claim| {
            claimed.push(ClaimedVolume {
                volume,
                handle,
                namespace,
                claim,
            });
        };

        match &volume.claim {
            Some((namespace, claim)) => add(namespace, claim),
            None => {
                let by_name = claims.get(volume.id.name.as_str());
                for claim in by_name.into_iter().flatten() {
                    add(&claim.id.namespace, &claim.id.name);
                }
            }
        }
    }
    claimed
}

/// The finding about a tenant's volume that is a folder of a node.
fn node_folder(cluster: &Cluster, claimed: &ClaimedVolume<'_>) -> Option<Finding> {
    let ClaimedVolume {
        volume,
        handle: (kind, folder),
        namespace,
        claim,
    } = claimed;
    let (_, tenant) = tenant_of(cluster, namespace)?;
    if volume.id.kind != "PersistentVolume" {
        return None;
    }

    let span = volume.origin.span;
    let message = format!(
        "{} is `{}` of a node, for `{claim}` of tenant `{tenant}`",
        volume.id.called(),
        folder.trim_end_matches('/')
    );
    let finding = match kind.as_str() {
        "hostPath" => Finding::refuted(&SHARED_VOLUME, span, message),
        // An administrator sets such a folder apart on one node.
        "local" => Finding::warning(&SHARED_VOLUME, span, message),
        _ => return None,
    };

    let mounts = format!("it is for {namespace}/{claim}, whose pods mount the node's folder");
    Some(
        finding
            .by(tenant)
            .step(span, mounts)
            .fix("use another kind of volume"),
    )
}

/// The owners of some data, each with the first of its volumes.
type VolumesByOwner<'a> = BTreeMap<Owner, &'a Volume>;

/// The owners of the data of each handle. A folder belongs to the owners of the folders below it too.
fn shared_handles<'a>(
    cluster: &Cluster,
    claimed: &[ClaimedVolume<'a>],
) -> Vec<(&'a Handle, VolumesByOwner<'a>)> {
    let mut by_handle: BTreeMap<&Handle, VolumesByOwner<'_>> = BTreeMap::new();
    for claimed in claimed {
        by_handle
            .entry(claimed.handle)
            .or_default()
            .entry(cluster.owner(claimed.namespace))
            .or_insert(claimed.volume);
    }

    // A folder sorts before those below it.
    let mut merged: Vec<(&Handle, VolumesByOwner<'_>)> = Vec::new();
    for (handle, owners) in by_handle {
        match merged.last_mut() {
            Some((outer, all)) if is_within(handle, outer) => all.extend(owners),
            _ => merged.push((handle, owners)),
        }
    }
    merged
}

fn is_within(handle: &Handle, outer: &Handle) -> bool {
    outer.0 == handle.0 && outer.1.ends_with('/') && handle.1.starts_with(outer.1.as_str())
}

/// The finding about a handle that has several owners.
fn shared_handle(
    cluster: &Cluster,
    handle: &Handle,
    owners: &VolumesByOwner<'_>,
) -> Option<Finding> {
    let mut volumes = owners.values();
    let (first, second) = (volumes.next()?, volumes.next()?);
    let (kind, name) = handle;
    let owners: Vec<Owner> = owners.keys().copied().collect();
    let message = format!(
        "`{name}` ({kind}) is a volume of {}",
        names(cluster, &owners)
    );

    let finding = Finding::refuted(&SHARED_VOLUME, second.origin.span, message)
        .step(first.origin.span, format!("{} is of it", first.id.called()))
        .step(
            second.origin.span,
            format!("{} is of it too", second.id.called()),
        )
        .fix("give each tenant a disk of its own");
    Some(between(cluster, &owners, finding))
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
            .step(
                *second_span,
                format!(
                    "{} names it too: whoever comes first has it",
                    second.id.called()
                ),
            )
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
        _ => finding,
    }
}

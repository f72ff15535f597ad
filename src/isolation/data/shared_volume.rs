use super::Findings;
use crate::diagnostic::rule;
use crate::graph::storage::Volume;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at};
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
    /// A PersistentVolume belongs to no namespace: whoever makes two of one disk gives both what
    /// either writes. A claim that names a volume has it if it comes first.
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

/// What is outside, and whose it is by which volume.
type Held<'a> = (&'a (Text, Text), BTreeMap<Owner, &'a Volume>);

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let facts = &cluster.facts;
    let mut by_handle: BTreeMap<&(Text, Text), BTreeMap<Owner, &Volume>> = BTreeMap::new();
    // A volume is for the claim that it names, or for those that name it.
    let mut claims: BTreeMap<&str, Vec<(&Text, &Text)>> = BTreeMap::new();

    for claim in &facts.claims {
        if let Some((volume, _)) = &claim.volume {
            claims
                .entry(volume)
                .or_default()
                .push((&claim.id.namespace, &claim.id.name));
        }
    }

    let bound = |volume: &'_ Volume| -> Vec<(Text, Text)> {
        let named = claims
            .get(volume.id.name.as_str())
            .into_iter()
            .flatten()
            .filter(|_| volume.claim.is_none());
        let named = named.map(|(namespace, name)| ((*namespace).clone(), (*name).clone()));
        volume.claim.iter().cloned().chain(named).collect()
    };

    let pairs: Vec<(&Volume, (Text, Text))> = facts
        .volumes
        .iter()
        .flat_map(|v| bound(v).into_iter().map(move |claim| (v, claim)))
        .collect();

    for (volume, (namespace, claim)) in &pairs {
        let Some(handle) = &volume.handle else {
            continue;
        };
        by_handle
            .entry(handle)
            .or_default()
            .entry(cluster.owner(namespace))
            .or_insert(volume);

        let Owner::Tenant(tenant) = cluster.owner(namespace) else {
            continue;
        };
        if ["hostPath", "local"].contains(&handle.0.as_str())
            && volume.id.kind == "PersistentVolume"
        {
            let (tenant, span) = (&cluster.tenants[tenant as usize].name, volume.origin.span);
            let message = format!(
                "{} is `{}` of a node, for `{claim}` of tenant `{tenant}`",
                volume.id.called(),
                handle.1.trim_end_matches('/')
            );

            let finding = match handle.0.as_str() {
                "hostPath" => Finding::refuted(&SHARED_VOLUME, span, message),
                // What an administrator sets apart on one node.
                _ => Finding::warning(&SHARED_VOLUME, span, message),
            };

            out.push(
                finding
                    .by(tenant)
                    .step(
                        span,
                        format!(
                            "it is for {namespace}/{claim}, whose pods mount the node's folder"
                        ),
                    )
                    .fix("use another kind of volume"),
            );
        }
    }

    // A folder holds those below it.
    let mut above: Option<Held<'_>> = None;
    let mut nested: Vec<Held<'_>> = Vec::new();

    for (handle, owners) in by_handle {
        let (kind, folder) = handle;
        let within = |above: &(Text, Text)| {
            above.0 == *kind && above.1.ends_with('/') && folder.starts_with(above.1.as_str())
        };
        match &mut above {
            Some((outer, all)) if within(outer) => all.extend(owners),
            _ => nested.extend(above.replace((handle, owners))),
        }
    }

    nested.extend(above);
    for ((kind, handle), owners) in nested.into_iter().filter(|(_, o)| o.len() > 1) {
        let names = owners
            .keys()
            .map(|o| cluster.owner_name(*o))
            .collect::<Vec<_>>()
            .join(", ");

        let mut each = owners.values();
        let (Some(first), Some(second)) = (each.next(), each.next()) else {
            continue;
        };
        let message = format!("`{handle}` ({kind}) is a volume of {names}");
        let owners: Vec<Owner> = owners.keys().copied().collect();

        out.push(
            between(
                cluster,
                &owners,
                Finding::refuted(&SHARED_VOLUME, second.origin.span, message),
            )
            .step(first.origin.span, format!("{} is of it", first.id.called()))
            .step(
                second.origin.span,
                format!("{} is of it too", second.id.called()),
            )
            .fix("give each tenant a disk of its own"),
        );
    }

    let mut named: BTreeMap<
        &Text,
        BTreeMap<Owner, (&crate::graph::storage::VolumeClaim, crate::source::Span)>,
    > = BTreeMap::new();

    for claim in &facts.claims {
        if let Some((volume, span)) = &claim.volume {
            let owner = cluster.owner(&claim.id.namespace);
            named
                .entry(volume)
                .or_default()
                .entry(owner)
                .or_insert((claim, at(*span, claim.origin)));
        }
    }

    for (volume, owners) in named.into_iter().filter(|(_, o)| o.len() > 1) {
        let names = owners
            .keys()
            .map(|o| cluster.owner_name(*o))
            .collect::<Vec<_>>()
            .join(", ");

        let mut each = owners.values();
        let (Some((first, a)), Some((second, b))) = (each.next(), each.next()) else {
            continue;
        };
        let message = format!("{names} claim the PersistentVolume `{volume}` by name");
        let both: Vec<Owner> = owners.keys().copied().collect();

        out.push(
            between(
                cluster,
                &both,
                Finding::refuted(&SHARED_VOLUME, *b, message),
            )
            .step(*a, format!("{} names it", first.id.called()))
            .step(
                *b,
                format!(
                    "{} names it too: whoever comes first has it",
                    second.id.called()
                ),
            )
            .fix("let each tenant claim a volume of its own"),
        );
    }
}

/// Names who reaches whom, where two tenants do.
fn between(cluster: &Cluster, owners: &[Owner], finding: Finding) -> Finding {
    match owners {
        [Owner::Tenant(a), Owner::Tenant(b)] => finding
            .by(&cluster.tenants[*a as usize].name)
            .reaching(&cluster.tenants[*b as usize].name),
        _ => finding,
    }
}

//! The reader of volumes, claims, snapshots, and what provisions them.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::storage::{CsiDriver, StorageClass, Volume, VolumeClaim};

/// Reads a volume, a claim, the content of a snapshot, a StorageClass or a CSIDriver.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (object.id.clone(), object.origin);

    match (&*id.group, &*id.kind) {
        ("", "PersistentVolume")
        | ("snapshot.storage.k8s.io", "VolumeSnapshotContent")
        | ("groupsnapshot.storage.k8s.io", "VolumeGroupSnapshotContent") => {
            facts.volumes.push(Volume::of(id, node, origin));
        }
        ("", "PersistentVolumeClaim") => facts.claims.push(VolumeClaim::of(id, node, origin)),
        ("storage.k8s.io", "StorageClass") => {
            facts
                .storage_classes
                .push(StorageClass::of(id, node, origin));
        }
        ("storage.k8s.io", "CSIDriver") => {
            facts.csi_drivers.push(CsiDriver::of(id, node, origin));
        }
        _ => return false,
    }

    true
}

//! Volumes, claims, snapshots, and who lets whom refer to what is theirs.

use super::object::Origin;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{items, text};
use crate::source::Span;
use crate::value::Text;

/// What holds data outside of any namespace: a PersistentVolume, or the content of a snapshot.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What it is.
    pub id: ObjectId,
    /// What it is outside: the kind of volume or the driver, and its handle there.
    pub handle: Option<(Text, Text)>,
    /// The claim or snapshot that it is for: its namespace and name.
    pub claim: Option<(Text, Text)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug)]
pub struct VolumeClaim {
    /// What it is.
    pub id: ObjectId,
    /// The volume that it asks for by name.
    pub volume: Option<(Text, Option<Span>)>,
    /// The namespace that its data are copied from.
    pub copies: Option<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A ReferenceGrant: who may refer to what of its namespace.
#[derive(Clone, Debug)]
pub struct ReferenceGrant {
    /// What it is.
    pub id: ObjectId,
    /// Namespaces that may, and where each is named.
    pub from: Vec<(Text, Option<Span>)>,
    /// The kinds that they may refer to.
    pub kinds: Vec<Text>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Fields of a volume that say what it is outside.
const HANDLES: [(&str, &str); 9] = [
    ("csi", "volumeHandle"),
    ("hostPath", "path"),
    ("local", "path"),
    ("nfs", "path"),
    ("awsElasticBlockStore", "volumeID"),
    ("gcePersistentDisk", "pdName"),
    ("azureDisk", "diskURI"),
    ("azureFile", "shareName"),
    ("iscsi", "iqn"),
];

fn placed<T: TreeValue>(node: Option<&T>, key: &str) -> Option<(Text, Option<Span>)> {
    let value = node?.member(key)?;
    Some((value.text()?.into(), value.span()))
}

impl Volume {
    /// Reads a PersistentVolume or a VolumeSnapshotContent.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let outside = HANDLES.iter().find_map(|(kind, field)| {
            let volume = spec?.member(kind)?;
            let attributes = volume.member("volumeAttributes");
            // A driver of a file system may be given any handle: the folder is among its
            // attributes.
            let folder = || text(attributes, "share").or_else(|| text(attributes, "path"));
            let server = ["server", "targetPortal"]
                .iter()
                .find_map(|k| text(Some(volume), k).or_else(|| text(attributes, k)));
            let handle = folder()
                .filter(|_| server.is_some())
                .or_else(|| text(Some(volume), field))?;

            // One server's path is another's; one's driver does not matter where the server is
            // named.
            let kind = match (&server, text(Some(volume), "driver")) {
                (Some(server), _) => format!("files of {server}"),
                (None, Some(driver)) => format!("{kind} {driver}"),
                (None, None) => (*kind).to_owned(),
            };

            let folder = match handle.starts_with('/') {
                true => format!("{}/", handle.trim_end_matches('/')).into(),
                false => handle,
            };

            Some((kind.into(), folder))
        });

        let snapshot = || {
            let handle = text(spec?.member("source"), "snapshotHandle")?;
            Some((text(spec, "driver").unwrap_or_default(), handle))
        };

        let claim = spec.and_then(|s| {
            s.member("claimRef")
                .or_else(|| s.member("volumeSnapshotRef"))
        });

        let claim = text(claim, "namespace").zip(text(claim, "name"));
        Self {
            handle: outside.or_else(snapshot),
            claim,
            origin,
            id,
        }
    }
}

impl VolumeClaim {
    /// Reads a PersistentVolumeClaim.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let copies = placed(spec.and_then(|s| s.member("dataSourceRef")), "namespace");
        Self {
            volume: placed(spec, "volumeName"),
            copies,
            origin,
            id,
        }
    }
}

impl ReferenceGrant {
    /// Reads a ReferenceGrant.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let from = items(spec.and_then(|s| s.member("from")))
            .iter()
            .filter_map(|f| placed(Some(f), "namespace"));
        let kinds = items(spec.and_then(|s| s.member("to")))
            .iter()
            .filter_map(|t| text(Some(t), "kind"));
        Self {
            from: from.collect(),
            kinds: kinds.collect(),
            origin,
            id,
        }
    }
}

//! Volumes, claims, snapshots, and who lets whom refer to what is theirs.

use super::data_place::DataPlace;
use super::object::Origin;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Selector, items, text, texts};
use crate::source::Span;
use crate::value::Text;

/// What holds data outside of any namespace: a PersistentVolume, or the content of a snapshot.
#[derive(Clone, Debug)]
pub struct Volume {
    /// What it is.
    pub id: ObjectId,
    /// Where its data lie.
    pub places: Vec<DataPlace>,
    /// The claim or snapshot that it is for: its namespace and name.
    pub claim: Option<(Text, Text)>,
    /// The class of the claims that may have it; empty for none.
    pub class: Text,
    /// Its labels, by which claims select it.
    pub labels: Labels,
    /// The provisioner that made it.
    pub provisioner: Option<Text>,
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
    /// The class that it asks for; `None` for the default class of the cluster.
    pub class: Option<Text>,
    /// The labels of the volumes that it takes; `None` for a selector that cannot be read.
    pub selector: Option<Selector>,
    /// The namespace that its data are copied from.
    pub copies: Option<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A volume that a pod defines itself.
#[derive(Clone, Debug)]
pub struct InlineVolume {
    /// Where its data lie.
    pub places: Vec<DataPlace>,
    /// The CSI driver that mounts it; `None` for a kind of volume of Kubernetes.
    pub driver: Option<Text>,
    /// Where it stands.
    pub span: Option<Span>,
}

/// A StorageClass.
#[derive(Clone, Debug)]
pub struct StorageClass {
    /// What it is.
    pub id: ObjectId,
    /// Whether claims that name no class get it.
    pub is_default: bool,
    /// The parameter that gives every volume the same folder, and its value.
    pub shared_by: Option<(&'static str, Text)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A CSIDriver.
#[derive(Clone, Debug)]
pub struct CsiDriver {
    /// What it is.
    pub id: ObjectId,
    /// Whether pods may define its volumes themselves.
    pub takes_inline: bool,
    /// Where it comes from.
    pub origin: Origin,
}

/// A ReferenceGrant: who may refer to what of its namespace.
#[derive(Clone, Debug)]
pub struct ReferenceGrant {
    /// What it is.
    pub id: ObjectId,
    /// Namespaces that may, and where each is named. See [`Self::EVERY_NAMESPACE`].
    pub from: Vec<(Text, Option<Span>)>,
    /// The kinds that they may refer to.
    pub kinds: Vec<Text>,
    /// Those kinds of which they may refer to every object, and not to a named one.
    pub unnamed: Vec<Text>,
    /// Where it comes from.
    pub origin: Origin,
}

fn placed<T: TreeValue>(node: Option<&T>, key: &str) -> Option<(Text, Option<Span>)> {
    let value = node?.member(key)?;
    Some((value.text()?.into(), value.span()))
}

impl Volume {
    /// Reads a PersistentVolume, or the content of a snapshot.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let metadata = node.member("metadata");
        let annotations = metadata.and_then(|metadata| metadata.member("annotations"));
        let claim = ["claimRef", "volumeSnapshotRef", "volumeGroupSnapshotRef"]
            .iter()
            .find_map(|key| spec?.member(key));

        let mut places = match (&*id.kind, spec) {
            ("PersistentVolume", Some(spec)) => DataPlace::of_volume(spec, &nodes(spec)),
            _ => snapshot_places(spec, node.member("status")),
        };
        places.sort();
        places.dedup();

        Self {
            places,
            claim: text(claim, "namespace").zip(text(claim, "name")),
            class: text(spec, "storageClassName")
                .or_else(|| text(annotations, CLASS_ANNOTATION))
                .unwrap_or_default(),
            labels: Labels::of(metadata.and_then(|metadata| metadata.member("labels"))),
            provisioner: text(annotations, "pv.kubernetes.io/provisioned-by"),
            origin,
            id,
        }
    }
}

/// The annotation that stood for the class of a volume before the field did.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The nodes that a volume is bound to, as a text.
fn nodes<T: TreeValue>(spec: &T) -> String {
    let required = spec
        .member("nodeAffinity")
        .and_then(|affinity| affinity.member("required"));
    let terms = items(required.and_then(|required| required.member("nodeSelectorTerms")));
    let mut nodes: Vec<&str> = terms
        .iter()
        .flat_map(|term| items(term.member("matchExpressions")))
        .flat_map(|expression| texts(expression.member("values")))
        .collect();
    nodes.sort_unstable();
    nodes.join(",")
}

/// Where the data of a snapshot lie: the snapshots themselves, and the volumes that they are taken
/// of.
fn snapshot_places<T: TreeValue>(spec: Option<&T>, status: Option<&T>) -> Vec<DataPlace> {
    let driver = text(spec, "driver").unwrap_or_default();
    let source = spec.and_then(|spec| spec.member("source"));
    let group = source.and_then(|source| source.member("groupSnapshotHandles"));

    let volumes = texts(source.and_then(|source| source.member("volumeHandles")));
    let volumes = volumes.map(Text::from).chain(text(source, "volumeHandle"));
    let mut places: Vec<DataPlace> = volumes
        .filter_map(|handle| DataPlace::of_handle(&driver, &handle))
        .collect();

    let of_group = texts(group.and_then(|group| group.member("volumeSnapshotHandles")));
    let snapshots = of_group
        .map(Text::from)
        .chain(text(source, "snapshotHandle"))
        .chain(text(status, "snapshotHandle"))
        .chain(text(group, "volumeGroupSnapshotHandle"));
    places.extend(snapshots.map(|handle| DataPlace {
        on: format!("snapshots of {driver}").into(),
        path: handle,
    }));
    places
}

impl VolumeClaim {
    /// Reads a PersistentVolumeClaim.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let annotations = node
            .member("metadata")
            .and_then(|metadata| metadata.member("annotations"));
        let copies = placed(spec.and_then(|s| s.member("dataSourceRef")), "namespace");
        let selector = spec.and_then(|spec| spec.member("selector"));

        Self {
            volume: placed(spec, "volumeName").filter(|(name, _)| !name.is_empty()),
            class: text(spec, "storageClassName").or_else(|| text(annotations, CLASS_ANNOTATION)),
            selector: match selector {
                Some(selector) => Selector::of(selector).ok(),
                None => Some(Selector::default()),
            },
            copies,
            origin,
            id,
        }
    }
}

impl InlineVolume {
    /// The volumes that a pod defines itself, and whose data lie outside the cluster. Folders of
    /// the node are read elsewhere.
    pub fn of_pod<T: TreeValue>(pod: &T) -> Vec<Self> {
        items(pod.member("volumes"))
            .iter()
            .filter(|volume| volume.member("hostPath").is_none())
            .map(|volume| Self {
                places: DataPlace::of_volume(volume, ""),
                driver: volume
                    .member("csi")
                    .and_then(|csi| text(Some(csi), "driver")),
                span: volume.span(),
            })
            .filter(|volume| !volume.places.is_empty())
            .collect()
    }
}

/// Parameters of provisioners that choose the folder of a volume.
///
/// Sources: the parameters of csi-driver-nfs, csi-driver-smb, aws-efs-csi-driver, the Azure
/// drivers, juicefs-csi-driver, local-path-provisioner and nfs-subdir-external-provisioner.
const FOLDER_PARAMETERS: [(&str, &str); 10] = [
    ("nfs.csi.k8s.io", "subDir"),
    ("smb.csi.k8s.io", "subDir"),
    ("efs.csi.aws.com", "subPathPattern"),
    ("file.csi.azure.com", "shareName"),
    ("kubernetes.io/azure-file", "shareName"),
    ("blob.csi.azure.com", "containerName"),
    ("csi.juicefs.com", "pathPattern"),
    ("rancher.io/local-path", "pathPattern"),
    ("k8s-sigs.io/nfs-subdir-external-provisioner", "pathPattern"),
    (
        "cluster.local/nfs-subdir-external-provisioner",
        "pathPattern",
    ),
];

/// Parts of a pattern that differ for the volumes of two tenants, in lower case.
const TELLS_APART: [&str; 4] = ["namespace", "pvname", "pv.metadata.name", "pv.name"];

impl StorageClass {
    /// Reads a StorageClass.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let provisioner = text(Some(node), "provisioner").unwrap_or_default();
        let parameters = node.member("parameters");
        let annotations = node
            .member("metadata")
            .and_then(|metadata| metadata.member("annotations"));

        // The EFS driver adds a unique folder unless it is told not to.
        let unique = text(parameters, "ensureUniqueDirectory");
        let unique = provisioner == "efs.csi.aws.com" && unique.as_deref() != Some("false");
        let shared_by = FOLDER_PARAMETERS
            .iter()
            .filter(|(of, _)| *of == provisioner && !unique)
            .find_map(|(_, parameter)| {
                let value = text(parameters, parameter).filter(|value| !value.is_empty())?;
                let pattern = value.to_lowercase();
                let shared = !TELLS_APART.iter().any(|part| pattern.contains(part));
                shared.then_some((*parameter, value))
            });

        let is_default = text(annotations, "storageclass.kubernetes.io/is-default-class")
            .as_deref()
            == Some("true");
        Self {
            is_default,
            shared_by,
            origin,
            id,
        }
    }
}

impl CsiDriver {
    /// Reads a CSIDriver. Without a statement, its volumes are PersistentVolumes alone.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let mut modes = texts(spec.and_then(|spec| spec.member("volumeLifecycleModes")));
        Self {
            takes_inline: modes.any(|mode| mode == "Ephemeral"),
            origin,
            id,
        }
    }
}

impl ReferenceGrant {
    /// The name that stands for every namespace.
    pub const EVERY_NAMESPACE: &'static str = "*";

    /// Reads an object by which other namespaces may refer to objects of its own; `None` for
    /// another kind.
    ///
    /// Sources: gateway-api.sigs.k8s.io/api-types/referencegrant; the same of Kong;
    /// projectcontour.io, "TLS Certificate Delegation"; developer.hashicorp.com,
    /// `VaultAuth.spec.allowedNamespaces`.
    pub fn all_of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Vec<Self>> {
        let spec = node.member("spec");
        let named = |list: Option<&T>, kind: &'static str| Self {
            from: items(list)
                .iter()
                .filter_map(|name| Some((name.text()?.into(), name.span())))
                .collect(),
            kinds: vec![kind.into()],
            unnamed: Vec::new(),
            id: id.clone(),
            origin,
        };

        Some(match (&*id.group, &*id.kind) {
            ("gateway.networking.k8s.io", "ReferenceGrant" | "ReferencePolicy")
            | ("configuration.konghq.com", "KongReferenceGrant") => {
                vec![Self::of(id.clone(), node, origin)]
            }
            ("projectcontour.io", "TLSCertificateDelegation") => {
                let delegations = items(spec.and_then(|spec| spec.member("delegations"))).iter();
                delegations
                    .map(|one| named(one.member("targetNamespaces"), "Secret"))
                    .collect()
            }
            ("secrets.hashicorp.com", "VaultAuth" | "VaultAuthGlobal") => {
                let allowed = spec.and_then(|spec| spec.member("allowedNamespaces"));
                vec![named(allowed, "VaultAuth")]
            }
            _ => return None,
        })
    }

    /// Reads a ReferenceGrant.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let from = items(spec.and_then(|s| s.member("from")))
            .iter()
            .filter_map(|f| placed(Some(f), "namespace"));
        let kinds = items(spec.and_then(|s| s.member("to")))
            .iter()
            .filter_map(|t| text(Some(t), "kind"));
        let unnamed = items(spec.and_then(|s| s.member("to")))
            .iter()
            .filter(|to| text(Some(*to), "name").is_none_or(|name| name.is_empty()))
            .filter_map(|to| text(Some(to), "kind"));
        Self {
            from: from.collect(),
            unnamed: unnamed.collect(),
            kinds: kinds.collect(),
            origin,
            id,
        }
    }
}

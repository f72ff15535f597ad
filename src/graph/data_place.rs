//! Where the data of a volume lie outside the cluster, whichever field or driver names it.
//!
//! Two volumes with one place share data, and so do two of which one is a folder of the other.
//! Sources: the API of PersistentVolumes, and the documentation of the drivers that the tables name.

use crate::document::{TreeValue, View};
use crate::kube::labels::{items, text, texts};
use crate::value::Text;

/// Where data lie: a server, a file system or a kind of disks, and a folder or a disk there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataPlace {
    /// The server, the file system or the kind of disks.
    pub on: Text,
    /// The folder, which ends with `/`, or the name of the disk.
    pub path: Text,
}

impl DataPlace {
    /// A disk, a bucket of no folder, or other data that are not divided.
    fn disk(on: impl Into<Text>, name: impl Into<Text>) -> Self {
        Self {
            on: on.into(),
            path: name.into(),
        }
    }

    /// A folder, below other folders.
    fn folder(on: impl Into<Text>, parts: &[&str]) -> Self {
        let parts = parts.iter().flat_map(|part| part.split('/'));
        let mut path = String::from("/");
        for part in parts.filter(|part| !part.is_empty() && *part != ".") {
            path.push_str(part);
            path.push('/');
        }
        Self {
            on: on.into(),
            path: path.into(),
        }
    }

    /// Whether it is the same data as another, or a folder of it.
    pub fn is_within(&self, outer: &Self) -> bool {
        self.on == outer.on
            && (self.path == outer.path
                || outer.path.ends_with('/') && self.path.starts_with(outer.path.as_str()))
    }

    /// Whether it is a folder of a node.
    pub fn is_of_node(&self) -> bool {
        self.on == HOST_PATH || self.is_local()
    }

    /// Whether it is a folder that an administrator set apart on one node.
    pub fn is_local(&self) -> bool {
        self.on.starts_with(LOCAL)
    }

    /// The place of a `volumeHandle` of a driver, as a snapshot names it.
    pub fn of_handle(driver: &str, handle: &str) -> Option<Self> {
        (!handle.is_empty()).then(|| csi_handle(driver, handle))
    }

    /// The places of a volume that a PersistentVolume or a pod defines. `node` holds the field of the
    /// kind of the volume; `on_nodes` are the nodes that it is bound to.
    pub fn of_volume<T: TreeValue>(node: &T, on_nodes: &str) -> Vec<Self> {
        let field = |key: &str| node.member(key);
        if let Some(csi) = field("csi") {
            return csi_places(csi, node);
        }
        if let Some(path) = text(field("hostPath"), "path") {
            return vec![Self::folder(HOST_PATH, &[&path])];
        }
        if let Some(path) = text(field("local"), "path") {
            return vec![Self::folder(format!("{LOCAL} {on_nodes}"), &[&path])];
        }

        let found = file_system(node).or_else(|| disk(node));
        found.into_iter().collect()
    }
}

/// The place of a folder of whichever node.
const HOST_PATH: &str = "the node";

/// The beginning of the place of a folder of one node.
const LOCAL: &str = "the nodes";

/// A kind of volume of Kubernetes that is a folder of a server.
fn file_system<T: TreeValue>(node: &T) -> Option<DataPlace> {
    let get = |kind: &str, key: &str| text(node.member(kind), key);
    let monitors = |kind: &str| {
        let mut all: Vec<&str> = texts(node.member(kind)?.member("monitors")).collect();
        all.sort_unstable();
        Some(all.join(","))
    };

    if let Some(path) = get("nfs", "path") {
        let server = get("nfs", "server").unwrap_or_default();
        return Some(files_of(&server, &[&path]));
    }
    if let Some(monitors) = monitors("cephfs") {
        let path = get("cephfs", "path").unwrap_or_default();
        return Some(DataPlace::folder(format!("CephFS of {monitors}"), &[&path]));
    }
    if let Some(path) = get("glusterfs", "path") {
        let endpoints = get("glusterfs", "endpoints")?;
        return Some(DataPlace::folder(
            format!("GlusterFS of {endpoints}"),
            &[&path],
        ));
    }
    if let Some(share) = get("azureFile", "shareName") {
        let secret = get("azureFile", "secretName")?;
        return Some(DataPlace::folder(
            format!("Azure Files by {secret}"),
            &[&share],
        ));
    }
    if let Some(volume) = get("quobyte", "volume") {
        let registry = get("quobyte", "registry").unwrap_or_default();
        return Some(DataPlace::folder(
            format!("Quobyte of {registry}"),
            &[&volume],
        ));
    }
    if let Some(monitors) = monitors("rbd") {
        let pool = get("rbd", "pool").unwrap_or_else(|| "rbd".into());
        return Some(DataPlace::disk(
            format!("RBD of {monitors}, {pool}"),
            get("rbd", "image")?,
        ));
    }
    None
}

/// A kind of volume of Kubernetes that is a disk: the field of its name, and what it is called.
const DISKS: [(&str, &str, &str); 10] = [
    ("awsElasticBlockStore", "volumeID", EBS),
    ("gcePersistentDisk", "pdName", GCE),
    ("azureDisk", "diskURI", AZURE_DISK),
    ("vsphereVolume", "volumePath", "vSphere"),
    ("cinder", "volumeID", CINDER),
    ("portworxVolume", "volumeID", PORTWORX),
    ("photonPersistentDisk", "pdID", "Photon"),
    ("storageos", "volumeName", "StorageOS"),
    ("scaleIO", "volumeName", "ScaleIO"),
    ("flocker", "datasetUUID", "Flocker"),
];

const EBS: &str = "EBS";
const GCE: &str = "Compute Engine";
const AZURE_DISK: &str = "Azure disks";
const CINDER: &str = "Cinder";
const PORTWORX: &str = "Portworx";

fn disk<T: TreeValue>(node: &T) -> Option<DataPlace> {
    let known = DISKS
        .iter()
        .find_map(|(kind, key, on)| Some((*on, text(node.member(kind), key)?)));
    if let Some((on, name)) = known {
        return Some(DataPlace::disk(on, disk_name(on, &name)));
    }

    if let Some(iscsi) = node.member("iscsi") {
        return iscsi_place(iscsi);
    }
    if let Some(fc) = node.member("fc") {
        let mut names: Vec<&str> = texts(fc.member("targetWWNs"))
            .chain(texts(fc.member("wwids")))
            .collect();
        names.sort_unstable();
        return Some(DataPlace::disk(
            "Fibre Channel",
            format!("{} {}", names.join(","), number(fc.member("lun"))),
        ));
    }

    let flex = node.member("flexVolume")?;
    let options = flex.member("options").map(TreeValue::to_json);
    let options = options.map(|options| options.to_string());
    Some(DataPlace::disk(
        format!("flexVolume {}", text(Some(flex), "driver")?),
        options.unwrap_or_default(),
    ))
}

/// The name of a disk without what its spellings differ in.
fn disk_name(on: &str, name: &str) -> String {
    let last = || name.rsplit('/').next().unwrap_or(name);
    match on {
        // `aws://ZONE/vol-1` and `vol-1`; disks of Azure have names in any case.
        EBS => last().to_owned(),
        AZURE_DISK => name.to_lowercase(),
        // The driver takes `UNSPECIFIED` for the project: the zone and the name tell disks apart.
        GCE => {
            let parts: Vec<&str> = name.split('/').collect();
            parts[parts.len().saturating_sub(4)..].join("/")
        }
        _ => name.to_owned(),
    }
}

fn iscsi_place<T: TreeValue>(node: &T) -> Option<DataPlace> {
    let portal = text(Some(node), "targetPortal")?;
    let portal = portal.trim_end_matches(":3260");
    let name = text(Some(node), "iqn")?;
    Some(DataPlace::disk(
        format!("iSCSI of {portal}"),
        format!("{name} {}", number(node.member("lun"))),
    ))
}

fn number<T: TreeValue>(node: Option<&T>) -> String {
    match node.map(TreeValue::view) {
        Some(View::Number(number)) => number.to_string(),
        Some(View::String(text)) => text.to_owned(),
        _ => "0".to_owned(),
    }
}

/// A folder of a server of files, by whichever protocol and driver.
fn files_of(server: &str, parts: &[&str]) -> DataPlace {
    let server = server.trim_end_matches('.').to_lowercase();
    DataPlace::folder(format!("files of {server}"), parts)
}

/// The places of a CSI volume: by its attributes where they say where the data lie, else by its
/// handle.
fn csi_places<T: TreeValue>(csi: &T, volume: &T) -> Vec<DataPlace> {
    let driver = text(Some(csi), "driver").unwrap_or_default();
    let handle = text(Some(csi), "volumeHandle").unwrap_or_default();
    let attributes = csi.member("volumeAttributes");
    let attribute = |keys: &[&str]| keys.iter().find_map(|key| text(attributes, key));

    let stated = csi_attributes(&driver, &handle, &attribute, volume);
    match (stated, handle.is_empty()) {
        (Some(place), _) => vec![place],
        (None, false) => vec![csi_handle(&driver, &handle)],
        (None, true) => Vec::new(),
    }
}

/// Where the data of a CSI volume lie, by its attributes.
///
/// Sources: the drivers' documentation of static provisioning (csi-driver-nfs, csi-driver-smb,
/// aws-efs-csi-driver, mountpoint-s3-csi-driver, azurefile, blob, ceph-csi, gcs-fuse).
fn csi_attributes<T: TreeValue>(
    driver: &str,
    handle: &str,
    attribute: &dyn Fn(&[&str]) -> Option<Text>,
    volume: &T,
) -> Option<DataPlace> {
    let folder = attribute(&["subDir", "subdir", "subPath"]).unwrap_or_default();

    // The Secrets Store, and others that hold no data of their own, have none of these.
    if let Some(source) = attribute(&["source"]).filter(|source| source.contains(['/', '\\'])) {
        let source = source.replace('\\', "/").to_lowercase();
        let source = source.trim_start_matches("smb:").trim_start_matches('/');
        let (server, share) = source.split_once('/').unwrap_or((source, ""));
        // What the driver provisions has its folder in the handle.
        let made = handle.split('#').nth(1).filter(|_| folder.is_empty());
        return Some(files_of(
            server,
            &[share, &folder, made.unwrap_or_default()],
        ));
    }
    if let Some(server) = attribute(&["server", "ip", "nfsServer", "host"]) {
        let share = attribute(&[
            "share",
            "path",
            "exportPath",
            "volume",
            "nfsPath",
            "filesystem",
            "fsname",
            "mountname",
        ])?;
        let made = handle.split('#').nth(2).filter(|_| folder.is_empty());
        return Some(files_of(
            &server,
            &[&share, &folder, made.unwrap_or_default()],
        ));
    }

    csi_bucket(driver, handle, attribute, volume)
        .or_else(|| csi_ceph(handle, attribute))
        .or_else(|| csi_by_driver(driver, handle, attribute, volume))
}

/// A bucket, or a share of a cloud.
fn csi_bucket<T: TreeValue>(
    driver: &str,
    handle: &str,
    attribute: &dyn Fn(&[&str]) -> Option<Text>,
    volume: &T,
) -> Option<DataPlace> {
    let bucket = ["bucketName", "bucket", "bucket_name", "BucketName"];
    if let Some(bucket) = attribute(&bucket) {
        let path = attribute(&["path", "prefix"]).unwrap_or_default();
        let prefix = option(volume, &["prefix", "only-dir"]).unwrap_or_default();
        return Some(DataPlace::folder(
            format!("buckets of {driver}"),
            &[&bucket, &path, &prefix],
        ));
    }
    if let Some(share) = attribute(&["shareName", "sharename"]) {
        let account = azure_account(handle, attribute)?;
        let folder = attribute(&["folderName", "foldername"]).unwrap_or_default();
        return Some(DataPlace::folder(
            format!("Azure Files of {account}"),
            &[&share, &folder],
        ));
    }
    if let Some(container) = attribute(&["containerName", "containername"]) {
        let account = azure_account(handle, attribute)?;
        return Some(DataPlace::folder(
            format!("Azure blobs of {account}"),
            &[&container],
        ));
    }
    None
}

/// A file system or an image of Ceph.
fn csi_ceph(handle: &str, attribute: &dyn Fn(&[&str]) -> Option<Text>) -> Option<DataPlace> {
    if let Some(path) = attribute(&["rootPath", "subvolumePath"]) {
        let cluster = attribute(&["clusterID", "monitors"]).unwrap_or_default();
        let name = attribute(&["fsName"]).unwrap_or_default();
        return Some(DataPlace::folder(
            format!("CephFS of {cluster} {name}"),
            &[&path],
        ));
    }
    if attribute(&["staticVolume"]).is_some() {
        let cluster = attribute(&["clusterID"]).unwrap_or_default();
        let pool = attribute(&["pool"]).unwrap_or_default();
        let image = attribute(&["imageName"]).unwrap_or_else(|| handle.into());
        return Some(DataPlace::disk(format!("RBD of {cluster}, {pool}"), image));
    }
    None
}

/// What is left: disks of iSCSI, and attributes of single drivers.
fn csi_by_driver<T: TreeValue>(
    driver: &str,
    handle: &str,
    attribute: &dyn Fn(&[&str]) -> Option<Text>,
    volume: &T,
) -> Option<DataPlace> {
    if let Some(portal) = attribute(&["targetPortal"]) {
        let portal = portal.trim_end_matches(":3260");
        let lun = attribute(&["lun"]).unwrap_or_else(|| "0".into());
        return Some(DataPlace::disk(
            format!("iSCSI of {portal}"),
            format!("{} {lun}", attribute(&["iqn"])?),
        ));
    }
    if driver == "csi.juicefs.com" {
        let folder = attribute(&["subDir", "subdir", "subPath"]).unwrap_or_default();
        return juicefs(&folder, volume);
    }
    // A bucket whose name is the handle, and a folder of the filer.
    if driver == "gcsfuse.csi.storage.gke.io" {
        let prefix = option(volume, &["only-dir"]).unwrap_or_default();
        let bucket = format!("buckets of {driver}");
        return Some(DataPlace::folder(bucket, &[handle, &prefix])).filter(|_| !handle.is_empty());
    }
    // Drivers of one file system, of which a volume is a folder.
    if ["csi.moosefs.com", "seaweedfs-csi-driver"].contains(&driver) {
        let path = attribute(&["path", "mfsSubDir"])?;
        return Some(DataPlace::folder(format!("files of {driver}"), &[&path]));
    }
    if let Some(name) = attribute(&["volName"]) {
        let server = attribute(&["masterAddr"]).unwrap_or_default();
        return Some(DataPlace::disk(format!("{driver} {server}"), name));
    }
    if let Some(name) = attribute(&["internalName", "internalID"]) {
        return Some(DataPlace::disk(driver, name));
    }
    if let Some(name) = attribute(&["dnsname"]) {
        let mount = attribute(&["mountname", "volumePath"]).unwrap_or_default();
        return Some(files_of(&name, &[&mount]));
    }
    None
}

/// The place of a volume of JuiceFS: the Secret names the file system.
///
/// Source: juicefs.com/docs/csi/guide/pv, "Static provisioning" and "Mount subdirectory".
fn juicefs<T: TreeValue>(folder: &str, volume: &T) -> Option<DataPlace> {
    let secret = volume.member("csi")?.member("nodePublishSecretRef");
    let name = text(secret, "name")?;
    let namespace = text(secret, "namespace").unwrap_or_default();
    let below = option(volume, &["subdir"]).unwrap_or_default();
    Some(DataPlace::folder(
        format!("JuiceFS of {namespace}/{name}"),
        &[&below, folder],
    ))
}

/// The storage account of a volume of Azure: by its attributes, or in its handle
/// `GROUP#ACCOUNT#SHARE`.
fn azure_account(handle: &str, attribute: &dyn Fn(&[&str]) -> Option<Text>) -> Option<String> {
    let stated = attribute(&["storageAccount", "storageaccount", "storageAccountName"]);
    let account = stated.or_else(|| handle.split('#').nth(1).map(Text::from));
    // Without either, the account stands in the Secret.
    let account = account.or_else(|| attribute(&["secretName", "secretname"]));
    Some(account.unwrap_or_default().to_lowercase())
}

/// The value of a mount option: `prefix=p` or `prefix p`.
fn option<T: TreeValue>(volume: &T, keys: &[&str]) -> Option<String> {
    items(volume.member("mountOptions"))
        .iter()
        .filter_map(TreeValue::text)
        .find_map(|option| {
            let option = option.trim_start_matches('-');
            let (key, value) = option.split_once(['=', ' '])?;
            keys.contains(&key).then(|| value.trim().to_owned())
        })
}

/// The place that a handle of a driver names.
fn csi_handle(driver: &str, handle: &str) -> DataPlace {
    match driver {
        "efs.csi.aws.com" => efs(handle),
        "ebs.csi.aws.com" => DataPlace::disk(EBS, disk_name(EBS, handle)),
        "pd.csi.storage.gke.io" => DataPlace::disk(GCE, disk_name(GCE, handle)),
        "disk.csi.azure.com" => DataPlace::disk(AZURE_DISK, disk_name(AZURE_DISK, handle)),
        "cinder.csi.openstack.org" => DataPlace::disk(CINDER, handle),
        "pxd.portworx.com" => DataPlace::disk(PORTWORX, handle),
        "file.csi.azure.com" | "blob.csi.azure.com" => {
            let mut parts = handle.split('#').skip(1);
            let (account, share) = (parts.next(), parts.next());
            match (account, share) {
                (Some(account), Some(share)) if driver.starts_with("file") => DataPlace::folder(
                    format!("Azure Files of {}", account.to_lowercase()),
                    &[share],
                ),
                (Some(account), Some(share)) => DataPlace::folder(
                    format!("Azure blobs of {}", account.to_lowercase()),
                    &[share],
                ),
                _ => DataPlace::disk(driver, handle.to_lowercase()),
            }
        }
        "nfs.csi.k8s.io" => {
            let mut parts = handle.split('#');
            match (parts.next(), parts.next(), parts.next()) {
                (Some(server), Some(share), folder) => {
                    files_of(server, &[share, folder.unwrap_or_default()])
                }
                _ => DataPlace::disk(driver, handle),
            }
        }
        "gcsfuse.csi.storage.gke.io" => {
            DataPlace::folder(format!("buckets of {driver}"), &[handle])
        }
        _ if handle.starts_with('/') => DataPlace::folder(driver, &[handle]),
        _ => DataPlace::disk(driver, handle),
    }
}

/// `FILE_SYSTEM[:FOLDER][:ACCESS_POINT]`. An access point is a folder of its file system.
///
/// Source: aws-efs-csi-driver, docs/README.md.
fn efs(handle: &str) -> DataPlace {
    let mut parts = handle.split(':');
    let system = parts.next().unwrap_or_default();
    let folder = parts.next().unwrap_or_default();
    let point = parts.next().unwrap_or_default();
    DataPlace::folder(format!("EFS {system}"), &[point, folder])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Value, map};

    fn csi(driver: &str, handle: &str, attributes: Value) -> Vec<DataPlace> {
        let volume: Value = map! {
            "csi" => map! {
                "driver" => driver, "volumeHandle" => handle, "volumeAttributes" => attributes
            }
        };
        DataPlace::of_volume(&volume, "")
    }

    fn none() -> Value {
        map! {}
    }

    #[test]
    fn one_place_has_many_spellings() {
        let share = |source: &str| csi("smb.csi.k8s.io", "h", map! { "source" => source });
        assert_eq!(share("//Server/Share"), share("\\\\server\\share"));
        assert_eq!(share("//server/share"), share("//server/share/"));

        let nfs: Value = map! { "nfs" => map! { "server" => "S", "path" => "/x/" } };
        let attributes = map! { "server" => "s", "share" => "/x" };
        assert_eq!(
            DataPlace::of_volume(&nfs, ""),
            csi("nfs.csi.k8s.io", "any", attributes)
        );

        let ebs: Value = map! {
            "awsElasticBlockStore" => map! { "volumeID" => "aws://us-east-1a/vol-1" }
        };
        assert_eq!(
            DataPlace::of_volume(&ebs, ""),
            csi("ebs.csi.aws.com", "vol-1", none())
        );
        assert_eq!(
            csi("s3.csi.aws.com", "h1", map! { "bucketName" => "b" }),
            csi("s3.csi.aws.com", "h2", map! { "bucketName" => "b" })
        );
    }

    #[test]
    fn a_folder_is_within_its_file_system() {
        let place = |handle: &str| csi("efs.csi.aws.com", handle, none()).remove(0);
        let (root, point, folder) = (place("fs-1"), place("fs-1::fsap-2"), place("fs-1:/a"));
        assert!(point.is_within(&root) && folder.is_within(&root));
        assert!(!root.is_within(&point) && !point.is_within(&place("fs-1::fsap-3")));
        assert!(!place("fs-2").is_within(&root));
        assert!(!place("fs-1:/ab").is_within(&folder));
    }

    #[test]
    fn what_a_driver_provisions_has_a_folder_of_its_own() {
        let volume = |handle: &str| {
            let attributes = map! { "server" => "s", "share" => "/x" };
            csi("nfs.csi.k8s.io", handle, attributes).remove(0)
        };
        let (one, two) = (volume("s#x#pvc-1##"), volume("s#x#pvc-2##"));
        assert!(!one.is_within(&two) && !two.is_within(&one));
    }
}

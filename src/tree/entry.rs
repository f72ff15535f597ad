//! The objects of the engine that apply the tree: one entry, the platform, the units, and the
//! units' late parts.

use super::layout::{Layout, TenantPart};
use crate::bundle::schemas;
use crate::delivery::{AppliedFolder, ClusterEngine, FolderOrigin, FolderRole, system_name};
use crate::document::emit_documents;
use crate::kube::ObjectId;
use crate::spec::fleet::Artifacts;
use crate::tenancy::MANIFESTS_ROLE;
use crate::value::Value;

/// The name of the object that applies the entry folder.
pub const ENTRY: &str = "tenantry";
/// The name of the object that applies what is rendered once a cluster.
pub const PLATFORM: &str = "tenantry-platform";

/// The start of the name of the object that applies the unit of one tenant.
pub const TENANT_PREFIX: &str = "tenant-";

/// A folder of tenants that one object of the engine applies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeUnit {
    /// The folder's name: a tenant's, or `shard-NN`.
    pub name: String,
    /// Whether it holds one tenant.
    pub one_tenant: bool,
    /// Whether there is a late part.
    pub late: bool,
}

impl TreeUnit {
    /// The unit of one tenant, without a late part.
    pub fn of_tenant(tenant: &str) -> Self {
        Self {
            name: tenant.to_owned(),
            one_tenant: true,
            late: false,
        }
    }

    /// The tenant of the unit that an object of this name applies; `None` if no unit of one tenant
    /// has this applier. The inverse of [`Self::applier`].
    pub fn tenant_of(applier: &str) -> Option<&str> {
        applier.strip_prefix(TENANT_PREFIX)
    }

    /// The name of the object that applies it.
    pub fn applier(&self) -> String {
        if self.one_tenant {
            format!("{TENANT_PREFIX}{}", self.name)
        } else {
            format!("tenants-{}", self.name)
        }
    }
}

/// The verbatim files of a tenant that are applied apart from its floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestUnit {
    /// The tenant.
    pub tenant: String,
    /// The object that applies the tenant's core objects.
    pub after: String,
    /// The Secret with the key that decrypts the files.
    pub decryption: Option<String>,
}

/// The start of the name of the object that applies a tenant's verbatim files.
const MANIFESTS_PREFIX: &str = "manifests-";
/// The characters of a long tenant's name, and of its digest, in the name of that object. Flux puts
/// the name into a label: it has at most 63 characters.
const SHORTENED: (usize, usize) = (36, 16);

/// Returns the name of the object that applies a tenant's verbatim files. That of a long tenant's name
/// ends in a digest, after a dot: no tenant's name has one, so no two tenants come to one name.
pub fn manifests_of(tenant: &str) -> String {
    let (start, digest) = SHORTENED;
    if tenant.len() <= start + digest + 1 {
        return format!("{MANIFESTS_PREFIX}{tenant}");
    }
    let hash = blake3::hash(tenant.as_bytes()).to_hex();
    format!("{MANIFESTS_PREFIX}{}.{}", &tenant[..start], &hash[..digest])
}

/// Whether an object of this name applies the verbatim files of a tenant.
pub fn is_manifest_unit(applier: &str) -> bool {
    applier.starts_with(MANIFESTS_PREFIX)
}

/// Makes the objects that apply a cluster's tree.
pub struct EntryBuilder<'a> {
    /// The fleet's name.
    pub owner: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
    /// The engine that applies the tree.
    pub engine: ClusterEngine<'a>,
    /// Where things are.
    pub layout: &'a Layout,
    /// Where each unit has an artifact of its own.
    pub artifacts: Option<&'a Artifacts>,
    /// Whether Flux deletes no object that leaves a unit.
    pub keep_objects: bool,
}

/// How a unit's folder is applied.
struct Applying<'a> {
    /// What the folder holds.
    role: FolderRole<'a>,
    /// Whether what the folder holds stays when the unit goes.
    keep: bool,
    /// The unit that has to be ready first.
    after: &'a str,
    /// The account; `None` for the engine's own.
    account: Option<String>,
    /// The Secret with the key that decrypts the folder's objects.
    decryption: Option<&'a str>,
}

impl<'a> Applying<'a> {
    /// By the engine's own account, once another unit is ready.
    const fn after(after: &'a str, role: FolderRole<'a>) -> Self {
        Self {
            role,
            keep: false,
            after,
            account: None,
            decryption: None,
        }
    }
}

impl EntryBuilder<'_> {
    fn render(&self, folder: &AppliedFolder<'_>) -> Vec<Value> {
        let objects = self.engine.render(self.owner, folder);
        let is_valid = |object| schemas::check(object).is_some_and(|faults| faults.is_empty());
        debug_assert!(objects.iter().all(is_valid));
        objects
    }

    /// The object that applies a folder of the cluster's one source.
    fn shared(&self, name: &str, role: FolderRole<'_>, folder: &str) -> Vec<Value> {
        self.render(&AppliedFolder {
            role,
            name: &self.engine.applier_name(name),
            origin: FolderOrigin::Shared(self.layout.in_source(folder)),
            keep: false,
            after: None,
            account: None,
            decryption: None,
            keep_objects: false,
        })
    }

    /// The objects that apply a unit's folder, which has its own source where there are artifacts.
    fn unit(&self, name: &str, folder: &str, how: &Applying<'_>) -> Vec<Value> {
        let origin = match self.artifacts {
            Some(artifacts) => {
                let url = artifact_url(artifacts, &self.layout.in_tree(folder));
                FolderOrigin::Artifact(artifacts, url)
            }
            None => FolderOrigin::Shared(self.layout.in_source(folder)),
        };
        self.render(&AppliedFolder {
            role: how.role,
            name: &self.engine.applier_name(name),
            origin,
            keep: how.keep,
            after: Some(&self.engine.applier_name(how.after)),
            account: how.account.clone(),
            decryption: how.decryption,
            keep_objects: self.keep_objects,
        })
    }

    /// What is in the one file that goes where the bootstrap looks.
    pub fn entry_file(&self) -> Vec<Value> {
        let folder = self.layout.cluster(self.cluster).entry();
        self.shared(ENTRY, FolderRole::Entry, &folder)
    }

    /// What is in the files of the entry folder, by name: the objects that apply the platform, and
    /// those of each unit, and those of each tenant's verbatim files.
    pub fn entry_folder(
        &self,
        units: &[TreeUnit],
        apart: &[ManifestUnit],
    ) -> Vec<(String, Vec<Value>)> {
        let cluster = self.layout.cluster(self.cluster);
        let platform = self.shared(PLATFORM, FolderRole::Platform, &cluster.platform());
        let mut files = vec![(PLATFORM.to_owned(), platform)];

        for unit in units {
            let name = unit.applier();
            let folder = cluster.unit(&unit.name, TenantPart::Core);
            let how = Applying {
                keep: true,
                ..Applying::after(PLATFORM, FolderRole::Core)
            };
            let mut objects = self.unit(&name, &folder, &how);
            if unit.late {
                // Nothing in a late part keeps a tenant in: what leaves it goes, and so does the
                // part itself.
                let folder = cluster.unit(&unit.name, TenantPart::Deferred);
                let how = Applying::after(&name, FolderRole::Deferred);
                let late = self.unit(&late_of(&name), &folder, &how);
                objects.extend(late);
            }
            files.push((name, objects));
        }

        for unit in apart {
            let name = manifests_of(&unit.tenant);
            let folder = cluster.unit(&unit.tenant, TenantPart::Manifests);
            let role = FolderRole::Manifests {
                tenant: &unit.tenant,
            };
            let how = Applying {
                account: Some(system_name(&unit.tenant, MANIFESTS_ROLE)),
                decryption: unit.decryption.as_deref(),
                ..Applying::after(&unit.after, role)
            };
            let objects = self.unit(&name, &folder, &how);
            files.push((name, objects));
        }

        files
    }
}

/// The text of some objects, and their identities.
pub fn text(objects: &[Value]) -> (String, Vec<String>) {
    let ids = objects
        .iter()
        .filter_map(|object| ObjectId::of(object).ok())
        .map(|id| id.to_string());
    (emit_documents(objects), ids.collect())
}

/// The end of the name of the object that applies a unit's deferred objects.
pub const LATE: &str = ".late";

/// Returns the name of the object that applies a unit's deferred objects, by the name of the one that
/// applies its core objects.
pub fn late_of(applier: &str) -> String {
    format!("{applier}{LATE}")
}

/// Returns the name of the object that applies a unit's core objects, by the name of the one that
/// applies its deferred objects; `None` if this is no such name. The inverse of [`late_of`].
pub fn core_of(applier: &str) -> Option<&str> {
    applier.strip_suffix(LATE)
}

/// The address of a folder's artifact, without its tag.
pub fn artifact_url(artifacts: &Artifacts, below_tree: &str) -> String {
    format!(
        "{}/{below_tree}",
        artifacts.url.as_str().trim_end_matches('/')
    )
}

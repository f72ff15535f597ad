//! The files that tenantry writes: the path of each kind, and the kind that a path names.

/// The part of a tenant's objects that a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TenantPart {
    /// Objects of kinds that every cluster has.
    Core,
    /// Objects of kinds that a cluster may lack; they are applied after the core.
    Deferred,
    /// Objects of verbatim files that are applied apart, after the core. The unit is the tenant.
    Manifests,
}

impl TenantPart {
    /// Every part, in the order of applying.
    pub const ALL: [Self; 3] = [Self::Core, Self::Deferred, Self::Manifests];

    /// The name of its folder.
    const fn folder(self) -> &'static str {
        match self {
            Self::Core => "tenants",
            Self::Deferred => "late",
            Self::Manifests => "manifests",
        }
    }
}

/// The place of a file's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// A comment in the file itself.
    InFile,
    /// A line of the lock, for a document outside the tree.
    InLock,
}

impl Record {
    /// The place of the record of a kind of file. Documents outside the tree are of any format.
    pub const fn of(file: FileKind<'_>) -> Self {
        match file {
            FileKind::Entry(_)
            | FileKind::Unit(_)
            | FileKind::Platform
            | FileKind::Tenant { .. } => Self::InFile,
            FileKind::Outside { .. } => Self::InLock,
        }
    }
}

/// The kind of a file that tenantry writes for a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind<'a> {
    /// The file that makes Flux apply the tree. It lies outside the tree, where the bootstrap looks,
    /// and `delivery.entry` of the fleet names its path.
    Entry(&'a str),
    /// The Kustomization of this name, which applies a unit or the platform.
    Unit(&'a str),
    /// The objects that are rendered once a cluster.
    Platform,
    /// Objects of a tenant.
    Tenant {
        /// The tenant.
        tenant: &'a str,
        /// The unit that the tenant is in: the tenant itself, or a shard.
        unit: &'a str,
        /// The part of the tenant's objects.
        part: TenantPart,
    },
    /// A document that Flux does not apply, such as a policy for another system.
    Outside {
        /// The tenant that it is rendered for.
        owner: &'a str,
        /// The name of the file.
        name: &'a str,
    },
}

/// The folder of a cluster in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterFolder<'a> {
    /// The tree's folder, from the folder of the lock: `rendered`.
    pub tree: &'a str,
    /// The cluster's name.
    pub cluster: &'a str,
}

impl ClusterFolder<'_> {
    /// The path of a file, from the folder of the lock. [`Self::parse`] is its inverse.
    pub fn path(self, file: FileKind<'_>) -> String {
        let Self { tree, cluster } = self;
        match file {
            FileKind::Entry(path) => path.to_owned(),
            FileKind::Unit(name) => format!("{}/{name}.yaml", self.entry()),
            FileKind::Platform => format!("{}/roles.yaml", self.platform()),
            FileKind::Tenant { tenant, unit, part } => {
                format!("{}/{tenant}.yaml", self.unit(unit, part))
            }
            FileKind::Outside { owner, name } => {
                format!("{}/{cluster}/{owner}/{name}", outside(tree))
            }
        }
    }

    /// The kind of the file with this path; `None` if tenantry writes no such file for the cluster.
    ///
    /// A YAML file outside the tree may be the cluster's entry file: the path alone cannot tell.
    pub fn parse<'p>(self, path: &'p str) -> Option<FileKind<'p>> {
        let Self { tree, cluster } = self;
        if let Some(below) = below(path, &outside(tree)) {
            let (owner, name) = self::below(below, cluster)?.split_once('/')?;
            return (!name.contains('/')).then_some(FileKind::Outside { owner, name });
        }

        let Some(below) = below(path, tree) else {
            return is_yaml(path).then_some(FileKind::Entry(path));
        };

        let parts: Vec<&str> = self::below(below, cluster)?.split('/').collect();
        let tenant = |part, unit, file: &'p str| {
            let tenant = file.strip_suffix(".yaml")?;
            Some(FileKind::Tenant { tenant, unit, part })
        };

        match parts.as_slice() {
            ["entry", file] => Some(FileKind::Unit(file.strip_suffix(".yaml")?)),
            ["platform", "roles.yaml"] => Some(FileKind::Platform),
            ["tenants", unit, file] => tenant(TenantPart::Core, unit, file),
            ["late", unit, file] => tenant(TenantPart::Deferred, unit, file),
            ["manifests", unit, file] => tenant(TenantPart::Manifests, unit, file),
            _ => None,
        }
    }

    /// The place of the record of the file with this path.
    pub fn record(self, path: &str) -> Record {
        self.parse(path).map_or(Record::InFile, Record::of)
    }

    /// Whether a path lies in one of the folders that are the cluster's alone.
    pub fn contains(self, path: &str) -> bool {
        [self.tree, &outside(self.tree)]
            .into_iter()
            .any(|top| below(path, top).is_some_and(|rest| below(rest, self.cluster).is_some()))
    }

    /// The folder itself.
    pub fn path_of_folder(self) -> String {
        format!("{}/{}", self.tree, self.cluster)
    }

    /// The folder of the Kustomizations that apply the units.
    pub fn entry(self) -> String {
        format!("{}/entry", self.path_of_folder())
    }

    /// The folder of what is rendered once a cluster.
    pub fn platform(self) -> String {
        format!("{}/platform", self.path_of_folder())
    }

    /// The folder of one part of a unit.
    pub fn unit(self, unit: &str, part: TenantPart) -> String {
        format!("{}/{}/{unit}", self.path_of_folder(), part.folder())
    }
}

/// The layout of a tree.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The tree's folder, from the folder of the lock: `rendered`.
    pub tree: String,
    /// The folder of the lock within the cluster's source.
    pub repository_path: String,
}

impl Layout {
    /// The folder of a cluster.
    pub fn cluster<'a>(&'a self, cluster: &'a str) -> ClusterFolder<'a> {
        ClusterFolder {
            tree: &self.tree,
            cluster,
        }
    }

    /// A folder's path below the tree.
    pub(super) fn in_tree(&self, folder: &str) -> String {
        below(folder, &self.tree).unwrap_or(folder).to_owned()
    }

    /// A path as the cluster's source has it.
    pub fn in_source(&self, path: &str) -> String {
        let prefix = self
            .repository_path
            .trim_start_matches("./")
            .trim_end_matches('/');
        if prefix.is_empty() || prefix == "." {
            format!("./{path}")
        } else {
            format!("./{prefix}/{path}")
        }
    }
}

/// The tree's folder, and that of its documents that Flux does not apply.
pub fn tree_folders(tree: &str) -> [String; 2] {
    [tree.to_owned(), outside(tree)]
}

/// Whether a path lies in the tree, or in the folder of its documents that Flux does not apply.
pub fn is_below_tree(tree: &str, path: &str) -> bool {
    below(path, tree).is_some() || below(path, &outside(tree)).is_some()
}

/// The folder of a tree's documents that Flux does not apply.
fn outside(tree: &str) -> String {
    format!("{tree}-outside")
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The rest of a path below a folder.
fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROD: ClusterFolder<'_> = ClusterFolder {
        tree: "rendered",
        cluster: "prod",
    };

    proptest! {
        #[test]
        fn the_path_of_a_file_names_its_kind(
            tree in "[a-z][a-z0-9.-]{0,8}",
            cluster in "[a-z][a-z0-9-]{0,8}",
            tenant in "[a-z][a-z0-9-]{0,8}",
            unit in "[a-z][a-z0-9-]{0,8}",
            name in "[a-z][a-z0-9.-]{0,8}(\\.json|\\.yaml)",
            entry in "clusters/[a-z]{1,8}/[a-z]{1,8}\\.ya?ml",
        ) {
            let folder = ClusterFolder { tree: &tree, cluster: &cluster };
            let kinds = [
                FileKind::Entry(&entry),
                FileKind::Unit(&unit),
                FileKind::Platform,
                FileKind::Tenant { tenant: &tenant, unit: &unit, part: TenantPart::Core },
                FileKind::Tenant { tenant: &tenant, unit: &unit, part: TenantPart::Deferred },
                FileKind::Tenant { tenant: &tenant, unit: &tenant, part: TenantPart::Manifests },
                FileKind::Outside { owner: &tenant, name: &name },
            ];
            prop_assume!(tree != "clusters");
            for kind in kinds {
                let path = folder.path(kind);
                prop_assert_eq!(folder.parse(&path), Some(kind), "{}", path);
                prop_assert_eq!(folder.contains(&path), !matches!(kind, FileKind::Entry(_)));
            }
        }
    }

    #[test]
    fn paths_of_a_cluster() {
        let policy = FileKind::Outside {
            owner: "blue",
            name: "iam.json",
        };
        assert_eq!(PROD.path(policy), "rendered-outside/prod/blue/iam.json");
        let deferred = FileKind::Tenant {
            tenant: "blue",
            unit: "shard-03",
            part: TenantPart::Deferred,
        };
        assert_eq!(PROD.path(deferred), "rendered/prod/late/shard-03/blue.yaml");
    }

    #[test]
    fn other_paths_are_no_files_of_the_cluster() {
        for path in [
            "rendered/other/platform/roles.yaml",
            "rendered/prod/platform/other.yaml",
            "rendered/prod/tenants/blue.yaml",
            "rendered/prod/tenants/blue/more/blue.yaml",
            "rendered/prod/tenants/blue/blue.json",
            "rendered-outside/other/blue/iam.json",
            "rendered-outside/prod/blue/more/iam.json",
            "clusters/prod/tenantry.json",
        ] {
            assert_eq!(PROD.parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_document_outside_the_tree_has_its_record_in_the_lock() {
        for (path, place) in [
            ("rendered/prod/entry/x.yaml", Record::InFile),
            ("clusters/prod/tenantry.yaml", Record::InFile),
            ("rendered-outside/prod/a/iam.json", Record::InLock),
            ("rendered-outside/prod/a/vault.yaml", Record::InLock),
        ] {
            assert_eq!(PROD.record(path), place, "{path}");
        }
    }
}

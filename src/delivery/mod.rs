//! The engines that apply a cluster's tree: what each is called, needs, writes and leaves alone.
//!
//! [`Engine`] is closed. What belongs to one engine stands in that engine's files: [`flux`] here,
//! `graph/gitops/flux.rs` for the proof, `live/engine/flux.rs` for a live cluster. CONTRIBUTING.md lists
//! the other places that name an engine's group or annotation.

mod applied;
pub mod argo;
pub mod flux;
mod ignore;
mod survey;

pub use crate::spec::fleet::Engine;
pub use applied::AppliedPath;
pub use ignore::{IgnorePattern, IgnorePatterns};
pub use survey::{KustomizationFiles, RepositorySurvey, is_kustomization_file, may_say};

use crate::document::Node;
use crate::kube::ObjectId;
use crate::spec::fleet::{Artifacts, ClusterSpec, FleetSpec};
use crate::spec::tenant;
use crate::value::{Entry, Text, Value};

/// What holds of an engine on every cluster.
#[derive(Debug)]
pub struct Conventions {
    /// The engine.
    pub engine: Engine,
    /// Its name in messages.
    pub title: &'static str,
    /// The namespace that it is installed into, where a cluster does not say otherwise.
    pub namespace: &'static str,
    /// The source that its bootstrap makes. If `None`, its objects name an address themselves.
    pub source: Option<SourceName>,
    /// The service account that applies the tree, where a cluster does not say otherwise.
    pub account: &'static str,
    /// The ends of the names of its API groups.
    pub group_suffixes: &'static [&'static str],
    /// The group and kind of its object that applies a folder.
    pub applier: GroupKind,
    /// Prefixes of labels and annotations that it reads: no tenant may set them.
    pub metadata_prefixes: &'static [&'static str],
    /// Labels and annotations by which it treats one object unlike the others.
    pub marks: &'static [EngineMark],
    /// The key of the marks that say how an object is applied.
    pub apply_mode: &'static str,
    /// The most characters of the name of its object that applies a folder.
    pub name_limit: usize,
    /// The least seconds between two looks at a source.
    pub least_interval: u32,
    /// The name of the files whose patterns say what a source leaves out, if it reads such files.
    pub ignore_file: Option<&'static str>,
    /// The patterns of what it always leaves out.
    pub left_out: &'static [&'static str],
    /// The patterns of what it leaves out where no file has patterns.
    pub left_out_otherwise: &'static [&'static str],
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupKind {
    /// Its API group.
    pub group: &'static str,
    /// Its name.
    pub kind: &'static str,
}

impl GroupKind {
    /// Whether an object is of this kind.
    pub fn is_of(self, id: &ObjectId) -> bool {
        self.group == id.group && self.kind == id.kind
    }
}

/// An object that holds what an engine applies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceName {
    /// Its kind.
    pub kind: Text,
    /// Its name.
    pub name: Text,
}

/// Where an engine reads a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeSource {
    /// From an object of the engine.
    Object(SourceName),
    /// From a repository that its objects name themselves.
    Repository {
        /// The address.
        url: Text,
        /// The branch, tag or commit.
        revision: Text,
    },
}

impl TreeSource {
    /// The object, if it is one.
    pub const fn object(&self) -> Option<&SourceName> {
        match self {
            Self::Object(name) => Some(name),
            Self::Repository { .. } => None,
        }
    }
}

/// A label or annotation by which an engine treats one object unlike the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineMark {
    /// The key.
    pub key: &'static str,
    /// The value, in the case in which it is documented; it is read in any case.
    pub value: &'static str,
    /// What the engine then does.
    pub effect: MarkEffect,
}

/// What an engine does with an object that has a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkEffect {
    /// It does not apply the object.
    NotApplied,
    /// It makes the object where it is missing, and changes it never again.
    AppliedOnce,
    /// It leaves fields that others set.
    Merged,
    /// It does not delete the object when it leaves the tree.
    NotPruned,
    /// It fills no variables into the object.
    NotSubstituted,
}

impl MarkEffect {
    /// Whether a later state of the tree may not reach the object.
    pub const fn freezes(self) -> bool {
        matches!(self, Self::NotApplied | Self::AppliedOnce)
    }

    /// Whether the engine does not set the object back, or does not remove it.
    pub const fn hinders(self) -> bool {
        !matches!(self, Self::NotSubstituted)
    }
}

impl std::fmt::Display for EngineMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.value)
    }
}

impl EngineMark {
    /// The annotation.
    pub const fn annotation(&self) -> Entry {
        (
            Text::new_static(self.key),
            Value::String(Text::new_static(self.value)),
        )
    }
}

/// How an engine is to treat a rendered object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Treatment {
    /// Whether the object stays in the cluster when it leaves the tree.
    pub keep: bool,
    /// Whether fields that others set stay.
    pub merge: bool,
}

/// What holds of each engine. The proof and the scans read all of them: an engine that does not
/// apply the tree may still apply something.
pub static ENGINES: [&Conventions; 1] = [&flux::CONVENTIONS];

/// Returns what holds of an engine on every cluster.
pub const fn conventions(engine: Engine) -> &'static Conventions {
    match engine {
        Engine::Flux => &flux::CONVENTIONS,
    }
}

impl Conventions {
    /// Whether an API group is the engine's.
    pub fn has_group(&self, group: &str) -> bool {
        let mut suffixes = self.group_suffixes.iter();
        suffixes.any(|suffix| group.ends_with(suffix))
    }
}

/// Returns the engine that a fleet is delivered by to one of its clusters.
fn engine_of(fleet: &FleetSpec, _cluster: &ClusterSpec) -> Engine {
    fleet
        .delivery
        .as_ref()
        .and_then(|delivery| delivery.engine)
        .unwrap_or_default()
}

/// Returns the engine that a fleet is delivered by to the cluster of a name. A cluster that the fleet
/// does not have has none.
pub fn engine_on(fleet: &FleetSpec, cluster: &str) -> Option<Engine> {
    let mut clusters = fleet.clusters.iter();
    let found = clusters.find(|one| one.name.as_str() == cluster)?;
    Some(engine_of(fleet, found))
}

/// Returns the engines that apply a fleet's tree on its clusters, each once, in the order of
/// [`ENGINES`].
pub fn engines_of(fleet: &FleetSpec) -> Vec<&'static Conventions> {
    let used: Vec<Engine> = fleet
        .clusters
        .iter()
        .map(|cluster| engine_of(fleet, cluster))
        .collect();
    ENGINES
        .into_iter()
        .filter(|known| used.contains(&known.engine))
        .collect()
}

/// Whether an API group is an engine's.
pub fn is_engine_group(group: &str) -> bool {
    ENGINES.iter().any(|engine| engine.has_group(group))
}

/// Whether an engine reads a label or annotation.
pub fn reads_metadata(key: &str) -> bool {
    ENGINES
        .iter()
        .flat_map(|engine| engine.metadata_prefixes)
        .any(|prefix| key.starts_with(prefix))
}

/// The marks of every engine.
pub fn all_marks() -> impl Iterator<Item = &'static EngineMark> {
    ENGINES.iter().flat_map(|engine| engine.marks)
}

/// Says why a tenant may not have an object of an engine in its own namespace: the object reaches
/// out of it, or acts as the engine. `is_own` says whether a namespace is the tenant's.
pub fn reaches_out(
    id: &ObjectId,
    object: &serde_json::Value,
    is_own: &dyn Fn(&str) -> bool,
) -> Option<String> {
    Engine::ALL.into_iter().find_map(|engine| match engine {
        Engine::Flux => flux::reaches_out(id, object, is_own),
    })
}

/// Whether an object says that an engine does not update it: it is replaced, or left as it is.
pub fn is_replaced(object: &Node) -> bool {
    Engine::ALL.into_iter().any(|engine| match engine {
        Engine::Flux => flux::is_replaced(object),
    })
}

/// The name of a tenant's sync that lies in the engine's namespace, and the prefix of the names of
/// all that belongs to such syncs.
///
/// No tenant's and no sync's name has a dot, so no two tenants come to one name.
pub fn system_name(tenant: &str, name: &str) -> String {
    format!("sync.{tenant}.{name}")
}

/// The fields of a cluster in the fleet that say what its engine's bootstrap is called, as YAML below
/// `clusters`; empty where that is the usual.
pub fn cluster_fields(engine: Engine, bootstrap: &AppliedPath) -> String {
    match engine {
        Engine::Flux => flux::cluster_fields(bootstrap),
    }
}

/// The user that the API server sees where a service account acts.
pub fn user_of(namespace: &str, account: &str) -> String {
    format!("system:serviceaccount:{namespace}:{account}")
}

/// The engine of one cluster, with what the cluster says of it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterEngine<'a> {
    engine: Engine,
    cluster: &'a ClusterSpec,
}

/// Fields of the objects of a tenant's sync, as the engine's kinds have them. Templates see them; what
/// the sync does not have is null.
#[derive(Clone, Debug, Default)]
pub struct SyncValues {
    /// A Git repository's `url` and `ref`.
    pub git: Value,
    /// An OCI artifact's `url` and `ref`.
    pub oci: Value,
    /// A Helm chart's repository, name and version.
    pub helm: Value,
    /// A bucket's endpoint, name and region.
    pub bucket: Value,
    /// The kind of the source that holds manifests; nothing for Helm.
    pub source_kind: Option<&'static str>,
    /// The verification of a signature.
    pub verify: Value,
    /// The Secret with credentials.
    pub secret_ref: Value,
    /// The Secret that decrypts, and how.
    pub decryption: Value,
    /// The providers of notifications.
    pub notifications: Vec<Value>,
}

/// What a folder of the tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderRole<'a> {
    /// The engine's objects that apply the other folders.
    Entry,
    /// What is rendered once a cluster.
    Platform,
    /// The core objects of a unit's tenants.
    Core,
    /// Objects of a unit's tenants whose kinds a cluster may lack.
    Deferred,
    /// A tenant's verbatim files.
    Manifests {
        /// The tenant.
        tenant: &'a str,
    },
}

/// A folder of the tree, and the object of an engine that applies it.
#[derive(Clone, Debug)]
pub struct AppliedFolder<'a> {
    /// What it holds.
    pub role: FolderRole<'a>,
    /// The name of the object.
    pub name: &'a str,
    /// Where the engine finds the folder.
    pub origin: FolderOrigin<'a>,
    /// Whether what the folder holds stays when the object goes.
    pub keep: bool,
    /// The object that has to be ready first.
    pub after: Option<&'a str>,
    /// The service account that applies it. If `None`, the engine applies it with its own account.
    pub account: Option<String>,
    /// The Secret with the key that decrypts what the folder holds.
    pub decryption: Option<&'a str>,
    /// Whether no object that leaves the folder is deleted, though the folder's object stays.
    pub keep_objects: bool,
}

/// Where an engine finds a folder.
#[derive(Clone, Debug)]
pub enum FolderOrigin<'a> {
    /// In the source that the whole cluster shares, at this path.
    Shared(String),
    /// In an OCI artifact of its own, at this address without its tag.
    Artifact(&'a Artifacts, String),
}

impl<'a> ClusterEngine<'a> {
    /// The engine by which a fleet is delivered to one of its clusters.
    pub fn new(fleet: &FleetSpec, cluster: &'a ClusterSpec) -> Self {
        Self {
            engine: engine_of(fleet, cluster),
            cluster,
        }
    }

    /// Which engine it is.
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// What holds of it on every cluster.
    pub const fn conventions(&self) -> &'static Conventions {
        conventions(self.engine)
    }

    /// The namespace in which it runs.
    pub fn namespace(&self) -> &'a str {
        let stated = match self.engine {
            Engine::Flux => flux::stated_namespace(self.cluster),
        };
        stated.unwrap_or(conventions(self.engine).namespace)
    }

    /// The source that holds the tree.
    pub fn source(&self) -> TreeSource {
        match self.engine {
            Engine::Flux => TreeSource::Object(flux::source(self.cluster)),
        }
    }

    /// The name of the object that applies a unit, by the unit's name. Objects of several clusters
    /// may lie in one namespace, so some engines put the cluster's name before it.
    pub fn applier_name(&self, unit: &str) -> String {
        match self.engine {
            Engine::Flux => unit.to_owned(),
        }
    }

    /// The service account that applies the tree, in its namespace.
    pub fn account(&self) -> &'a str {
        let stated = match self.engine {
            Engine::Flux => flux::stated_account(self.cluster),
        };
        stated.unwrap_or(conventions(self.engine).account)
    }

    /// The user that the API server sees where the tree is applied.
    pub fn user(&self) -> String {
        user_of(self.namespace(), self.account())
    }

    /// Its version, where the cluster says it.
    pub fn version(&self) -> Option<&'a str> {
        match self.engine {
            Engine::Flux => flux::stated_version(self.cluster),
        }
    }

    /// Where each unit's own artifact is pushed, where the cluster says it.
    pub fn artifacts(&self) -> Option<&'a Artifacts> {
        match self.engine {
            Engine::Flux => flux::stated_artifacts(self.cluster),
        }
    }

    /// The annotations of a rendered object, by key.
    pub fn annotations(&self, treatment: Treatment) -> Vec<Entry> {
        match self.engine {
            Engine::Flux => flux::annotations(treatment),
        }
    }

    /// Fields of the objects of a tenant's sync: `name` is theirs, `home` the tenant's namespace.
    pub fn sync_values(&self, sync: &tenant::SyncSpec, name: &str, home: &str) -> SyncValues {
        match self.engine {
            Engine::Flux => flux::sync_values(sync, name, home),
        }
    }

    /// The objects that apply a folder. `owner` is the fleet's name.
    pub fn render(&self, owner: &str, folder: &AppliedFolder<'_>) -> Vec<Value> {
        match self.engine {
            Engine::Flux => flux::render(self, owner, folder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_is_read_once() {
        let read: Vec<Engine> = ENGINES.iter().map(|known| known.engine).collect();
        assert_eq!(read, Engine::ALL);

        for engine in Engine::ALL {
            assert_eq!(conventions(engine).engine, engine);
        }
    }

    /// Source: the marks that kustomize-controller reads.
    #[test]
    fn each_effect_of_a_mark_of_flux_is_known() {
        let marks = conventions(Engine::Flux).marks.iter();
        let effects: Vec<MarkEffect> = marks.map(|mark| mark.effect).collect();
        for effect in [
            MarkEffect::NotApplied,
            MarkEffect::AppliedOnce,
            MarkEffect::Merged,
            MarkEffect::NotPruned,
            MarkEffect::NotSubstituted,
        ] {
            assert!(effects.contains(&effect), "{effect:?}");
        }
    }
}

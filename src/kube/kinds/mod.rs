//! Kinds of objects: one row each, in one table.
//!
//! What tenantry must know of a kind stands in its row of `table.rs`: how it is named in paths, who
//! may have it, how a live cluster is asked for it, and whether the proof reads it. Every stage asks
//! here, so that a new kind is one row.
//!
//! An object of a kind without a row is handled as well: it has a namespace unless it says
//! otherwise, tenants may have it only if the fleet says so, a live cluster is asked for it only if
//! it was rendered, and a proof reports that it does not read it.

mod scopes;
mod table;

use super::id::{ObjectId, RBAC};
use crate::value::Value;
use std::sync::LazyLock;
use table::TABLE;

/// An API group, and what holds for all of its kinds.
#[derive(Debug)]
pub struct Group {
    /// The name; empty for the core group.
    pub name: &'static str,
    /// Whether every cluster has it: it is part of Kubernetes, or of Flux.
    present: bool,
    /// Whether Kubernetes has no kind of this group besides `kinds`.
    complete: bool,
    /// Whether API servers serve each kind in one version only.
    one_version: bool,
    /// How every kind of it is listed, also one without a row.
    pub all_listed: Option<Listed>,
    /// Values that the API server sets where a manifest leaves a field out: the name of the field,
    /// wherever it stands in an object, and the value. A field may have several.
    server_defaults: &'static [(&'static str, ServerDefault)],
    /// The rows of the table.
    pub kinds: &'static [Kind],
}

/// A kind of object: a row of the table.
#[derive(Debug)]
pub struct Kind {
    /// The name, as in manifests.
    pub name: &'static str,
    /// The name in paths and in rules of RBAC.
    pub plural: &'static str,
    /// The version that API servers prefer.
    pub version: &'static str,
    /// Whether API servers serve no other version.
    one_version: bool,
    /// Whether its objects are in namespaces, or belong to the cluster.
    pub scope: Scope,
    /// The position among the kinds that are applied in a certain order.
    apply_order: Option<usize>,
    /// Whether the floor of a tenant is made of it.
    floor: bool,
    /// Whether tenants may have objects of it without an entry in `fleet.tenantKinds`.
    tenants_may_have: bool,
    /// How a live cluster is asked for it.
    pub listed: Listed,
    /// The top-level fields in which a live object may have nothing that was not rendered, but for
    /// [`is_server_default`]: one more entry opens what the rendered ones close.
    pub exact: &'static [&'static str],
    /// The fields that the API server lets nobody change: each as the names from the root.
    immutable: &'static [&'static [&'static str]],
    /// Whether the proof reads it.
    pub proof: Proof,
    /// Whether the proof cannot judge an object without knowing its namespace.
    needs_namespace: bool,
    /// Whether its objects are kept for admission policies to be asked about them.
    kept: bool,
}

/// Where objects of a kind are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In namespaces.
    Namespaced,
    /// In none: they belong to the cluster.
    Cluster,
}

/// How a live cluster is asked for the objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Only if an object of the kind was rendered.
    IfRendered,
    /// For a proof of everything that runs.
    ForProof,
    /// Also to verify a cluster.
    Always,
    /// Also to verify a cluster, which needs only the metadata.
    MetadataAlways,
    /// Never.
    Never,
}

/// Whether the proof reads objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A plane reads it.
    Read,
    /// It holds data and grants nothing, so that no plane needs to read it.
    Passive,
    /// No plane reads it. A proof reports how many of them there are.
    Unread,
}

/// A value that the API server sets where a manifest leaves a field out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerDefault {
    /// This text.
    Text(&'static str),
    /// A selector without requirements, which selects everything.
    EmptySelector,
}

impl ServerDefault {
    fn is(self, value: &Value) -> bool {
        match self {
            Self::Text(text) => value.as_str() == Some(text),
            Self::EmptySelector => value.entries().is_empty(),
        }
    }
}

/// The names of the kinds that have a position in the order of applying, in this order.
static APPLIED_FIRST: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut ordered: Vec<_> = all()
        .filter_map(|(_, kind)| Some((kind.apply_order?, kind.name)))
        .collect();
    ordered.sort_unstable();
    ordered.dedup();

    ordered.into_iter().map(|(_, name)| name).collect()
});

/// The suffix of every API group of Flux.
const FLUX: &str = "toolkit.fluxcd.io";

/// The groups of the table.
pub fn groups() -> impl Iterator<Item = &'static Group> {
    TABLE.into_iter().flatten()
}

/// The rows of the table, each with its group.
pub fn all() -> impl Iterator<Item = (&'static Group, &'static Kind)> {
    groups().flat_map(|group| group.kinds.iter().map(move |kind| (group, kind)))
}

/// The group of this name; `None` if the table does not have it.
pub fn find_group(name: &str) -> Option<&'static Group> {
    groups().find(|group| group.name == name)
}

/// The row of a kind; `None` if the table does not have it.
pub fn find(group: &str, kind: &str) -> Option<&'static Kind> {
    find_group(group)?.kind(kind)
}

fn of(id: &ObjectId) -> Option<&'static Kind> {
    find(&id.group, &id.kind)
}

/// Whether an object is known to belong to the cluster, and to no namespace.
pub fn is_cluster_scoped(id: &ObjectId) -> bool {
    of(id).is_some_and(|kind| kind.scope == Scope::Cluster)
}

/// Whether an object is known to be in a namespace.
pub fn is_namespaced(id: &ObjectId) -> bool {
    match of(id) {
        Some(kind) => kind.scope == Scope::Namespaced,
        None => scopes::is_namespaced(&id.group, &id.kind),
    }
}

/// Whether an object says that it is of one of Kubernetes' own groups, which has no such kind.
pub fn is_unknown_to_kubernetes(id: &ObjectId) -> bool {
    find_group(&id.group).is_some_and(|group| group.complete && group.kind(&id.kind).is_none())
}

/// Whether the table has every kind of a group of Kubernetes' own.
pub fn is_complete(group: &str) -> bool {
    find_group(group).is_some_and(|group| group.complete)
}

/// Whether every cluster has the kinds of a group. An object of another group is applied after the
/// floor, so that a kind that is not installed yet holds up nothing.
pub fn is_present(group: &str) -> bool {
    find_group(group).is_some_and(|group| group.present)
}

/// Whether tenants may have an object of this kind without an entry in `fleet.tenantKinds`.
pub fn tenants_may_have(id: &ObjectId) -> bool {
    of(id).is_some_and(|kind| kind.tenants_may_have)
}

/// The kinds that tenants may have without an entry in `fleet.tenantKinds`, and that are no part of
/// the floor.
pub fn tenant_kinds() -> impl Iterator<Item = (&'static Group, &'static Kind)> {
    all().filter(|(_, kind)| kind.tenants_may_have && !kind.floor)
}

/// Whether the floor is made of this kind. Network policies of every plugin count: they add to those
/// that tenantry renders, or override them.
pub fn is_floor(id: &ObjectId) -> bool {
    of(id).is_some_and(|kind| kind.floor) || id.kind.to_lowercase().contains("networkpolic")
}

/// Whether objects of this kind only close something: without them more is open.
pub fn closes(id: &ObjectId) -> bool {
    let grants = id.group == RBAC;
    (is_floor(id) && !grants) || id.kind.starts_with("ValidatingAdmissionPolicy")
}

/// Whether a subject that writes objects of this kind in its own namespace can change its floor.
/// A Role gives nothing without a binding, and no ServiceAccount but `default` is part of the floor.
pub fn holds_floor(group: &str, kind: &Kind) -> bool {
    let is_floor = kind.floor || governs_network(kind.name);
    is_floor && !(group == RBAC && kind.name == "Role") && kind.name != "ServiceAccount"
}

/// The position of an object's kind in the order of applying. The group does not count: a network
/// policy of a plugin is applied together with those of Kubernetes. Kinds of Flux come last.
pub fn apply_order(id: &ObjectId) -> usize {
    let position = APPLIED_FIRST.iter().position(|name| *name == id.kind);
    let flux = usize::from(id.group.ends_with(FLUX));

    position.unwrap_or(APPLIED_FIRST.len() + flux)
}

/// How a live cluster is asked for a kind.
pub fn listed(group: &str, kind: &str) -> Listed {
    let Some(group) = find_group(group) else {
        return Listed::IfRendered;
    };
    let row = || group.kind(kind).map(|row| row.listed);

    group.all_listed.or_else(row).unwrap_or(Listed::IfRendered)
}

/// Whether a kind, of any group, holds network policies or leads around them.
pub fn governs_network(kind: &str) -> bool {
    const PARTS: [&str; 5] = [
        "networkpolic",
        "networkattachmentdefinition",
        "localredirectpolic",
        "userdefinednetwork",
        "egressfirewall",
    ];

    let kind = kind.to_lowercase();
    PARTS.iter().any(|part| kind.contains(part))
}

/// The fields in which a live object may have nothing that was not rendered. See [`Kind::exact`].
pub fn exact(id: &ObjectId) -> &'static [&'static str] {
    of(id).map_or(&[], |kind| kind.exact)
}

/// The fields that the API server lets nobody change, each as the names from the root.
///
/// Source: `pkg/apis/{rbac,core}/validation`, the functions of updates.
pub fn immutable(id: &ObjectId) -> &'static [&'static [&'static str]] {
    of(id).map_or(&[], |kind| kind.immutable)
}

/// Whether the API server may have set a field of an object of this group to this value.
///
/// Source: the defaults of pkg/apis/{networking,rbac,admissionregistration} and of Flux's CRDs. A
/// boolean that is left out is false everywhere.
pub fn is_server_default(group: &str, field: &str, value: &Value) -> bool {
    let defaults = find_group(group).map_or(&[][..], |group| group.server_defaults);
    let mut of_field = defaults
        .iter()
        .filter(|(name, _)| *name == field)
        .peekable();

    if of_field.peek().is_none() {
        return matches!(value, Value::Bool(false));
    }
    of_field.any(|(_, default)| default.is(value))
}

/// Whether the proof has no use for an object, because it holds data and grants nothing.
pub fn is_passive(id: &ObjectId) -> bool {
    of(id).is_some_and(|kind| kind.proof == Proof::Passive)
}

/// Whether the proof cannot judge an object without knowing its namespace: its kind is in namespaces,
/// and does more than hold data.
pub fn needs_namespace(id: &ObjectId) -> bool {
    let Some(kind) = of(id) else {
        return scopes::is_namespaced(&id.group, &id.kind);
    };
    let only_holds_data = kind.proof == Proof::Passive && !id.group.ends_with(FLUX);
    kind.scope == Scope::Namespaced && (kind.needs_namespace || !only_holds_data)
}

/// Whether a plane of the proof reads objects of this kind, or rests on them.
pub fn is_read(id: &ObjectId) -> bool {
    let by_group = || find_group(&id.group).is_some_and(|group| group.all_listed.is_some());
    of(id).map_or_else(by_group, |kind| {
        kind.proof == Proof::Read || kind.needs_namespace
    })
}

/// Whether an object is kept for admission policies to be asked about it. Secrets never are, nor are
/// kinds of which a cluster has very many.
pub fn is_kept(id: &ObjectId) -> bool {
    of(id).is_none_or(|kind| kind.kept)
}

/// Whether API servers may serve an object in the version that its `apiVersion` says. Of most kinds
/// outside Kubernetes every version is taken for served.
pub fn may_be_served(id: &ObjectId, api_version: &str) -> bool {
    let known = find_group(&id.group).and_then(|group| Some((group, group.kind(&id.kind)?)));

    known.is_none_or(|(group, kind)| {
        !(group.one_version || kind.one_version) || group.api_version(kind) == api_version
    })
}

/// The name of a kind in paths. For a kind without a row it is made as Kubernetes makes it.
pub fn plural(group: &str, kind: &str) -> String {
    find(group, kind).map_or_else(|| regular_plural(kind), |row| row.plural.to_owned())
}

/// The plural that Kubernetes makes of the name of a kind.
fn regular_plural(kind: &str) -> String {
    let name = kind.to_lowercase();

    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if name.ends_with('s') || name.ends_with('x') || name.ends_with("ch") => {
            format!("{name}es")
        }
        _ => format!("{name}s"),
    }
}

impl Group {
    fn kind(&self, name: &str) -> Option<&'static Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// Whether a live cluster is asked for a kind of it even if none was rendered.
    pub fn is_listed(&self) -> bool {
        let own = self.kinds.iter().map(|kind| kind.listed);

        self.all_listed
            .into_iter()
            .chain(own)
            .any(|listed| !matches!(listed, Listed::IfRendered | Listed::Never))
    }

    /// The `apiVersion` of a kind of this group, in the version that API servers prefer.
    pub fn api_version(&self, kind: &Kind) -> String {
        match self.name {
            "" => kind.version.to_owned(),
            group => format!("{group}/{}", kind.version),
        }
    }
}

/// A group without facts and without rows.
const fn group(name: &'static str) -> Group {
    Group {
        name,
        present: false,
        complete: false,
        one_version: false,
        all_listed: None,
        server_defaults: &[],
        kinds: &[],
    }
}

/// The columns of a group, each set by its name. [`Group`] says what they mean.
impl Group {
    const fn present(mut self) -> Self {
        self.present = true;
        self
    }

    const fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    const fn one_version(mut self) -> Self {
        self.one_version = true;
        self
    }

    const fn all_listed(mut self, listed: Listed) -> Self {
        self.all_listed = Some(listed);
        self
    }

    const fn server_defaults(mut self, defaults: &'static [(&'static str, ServerDefault)]) -> Self {
        self.server_defaults = defaults;
        self
    }

    const fn kinds(mut self, kinds: &'static [Kind]) -> Self {
        self.kinds = kinds;
        self
    }
}

/// A kind whose objects are in namespaces.
const fn namespaced(name: &'static str, plural: &'static str) -> Kind {
    Kind {
        name,
        plural,
        version: "v1",
        one_version: false,
        scope: Scope::Namespaced,
        apply_order: None,
        floor: false,
        tenants_may_have: false,
        listed: Listed::IfRendered,
        exact: &[],
        immutable: &[],
        proof: Proof::Unread,
        needs_namespace: false,
        kept: true,
    }
}

/// A kind whose objects belong to the cluster.
const fn cluster(name: &'static str, plural: &'static str) -> Kind {
    let mut kind = namespaced(name, plural);
    kind.scope = Scope::Cluster;
    kind
}

/// The columns of a row, each set by its name. [`Kind`] says what they mean.
impl Kind {
    const fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    const fn one_version(mut self) -> Self {
        self.one_version = true;
        self
    }

    const fn apply_order(mut self, position: usize) -> Self {
        self.apply_order = Some(position);
        self
    }

    const fn floor(mut self) -> Self {
        self.floor = true;
        self
    }

    const fn tenants_may_have(mut self) -> Self {
        self.tenants_may_have = true;
        self
    }

    const fn listed(mut self, listed: Listed) -> Self {
        self.listed = listed;
        self
    }

    const fn exact(mut self, fields: &'static [&'static str]) -> Self {
        self.exact = fields;
        self
    }

    const fn immutable(mut self, fields: &'static [&'static [&'static str]]) -> Self {
        self.immutable = fields;
        self
    }

    const fn read(mut self) -> Self {
        self.proof = Proof::Read;
        self
    }

    const fn passive(mut self) -> Self {
        self.proof = Proof::Passive;
        self
    }

    const fn needs_namespace(mut self) -> Self {
        self.needs_namespace = true;
        self
    }

    const fn not_kept(mut self) -> Self {
        self.kept = false;
        self
    }
}

#[cfg(test)]
mod tests;

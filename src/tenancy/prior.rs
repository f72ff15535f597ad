//! The records of earlier runs in the tree: which tenant has a thing, and which namespace reached
//! which.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

/// The kind of a claimed thing, in the order of the names. Findings have the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClaimKind<'a> {
    /// A key that a file is encrypted to, by its digest.
    FileKey,
    /// A group of users.
    Group,
    /// A host.
    Host,
    /// A namespace of a cluster.
    Namespace,
    /// A user.
    User,
    /// A tenant's UUID.
    Uuid,
    /// A kind that this version does not know.
    Other(&'a str),
}

impl<'a> ClaimKind<'a> {
    fn of(name: &'a str) -> Self {
        match name {
            "file-key" => Self::FileKey,
            "group" => Self::Group,
            "host" => Self::Host,
            "namespace" => Self::Namespace,
            "user" => Self::User,
            "uuid" => Self::Uuid,
            other => Self::Other(other),
        }
    }

    /// The name in a record.
    pub const fn name(&self) -> &'a str {
        match self {
            Self::FileKey => "file-key",
            Self::Group => "group",
            Self::Host => "host",
            Self::Namespace => "namespace",
            Self::User => "user",
            Self::Uuid => "uuid",
            Self::Other(name) => name,
        }
    }
}

/// A thing that only one tenant may have: a namespace of a cluster, a host, a UUID, a user or a
/// group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey<'a> {
    /// The kind of the thing.
    pub kind: ClaimKind<'a>,
    /// The cluster that it is on; empty for a thing of no cluster.
    pub on: &'a str,
    /// The name.
    pub name: &'a str,
}

impl<'a> ClaimKey<'a> {
    /// A namespace of a cluster.
    pub const fn namespace(on: &'a str, name: &'a str) -> Self {
        Self {
            kind: ClaimKind::Namespace,
            on,
            name,
        }
    }

    /// A thing of no cluster, as records and principals are written: `kind/name`.
    pub fn of(text: &'a str) -> Self {
        let (kind, name) = text.split_once('/').unwrap_or(("thing", text));
        Self {
            kind: ClaimKind::of(kind),
            on: "",
            name,
        }
    }

    /// The name, after the cluster if it is on one.
    pub fn called(&self) -> String {
        if self.on.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}/{}", self.on, self.name)
        }
    }
}

impl fmt::Display for ClaimKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, on, name } = self;
        let slash = if on.is_empty() { "" } else { "/" };
        write!(f, "{}/{on}{slash}{name}", kind.name())
    }
}

/// A pair of texts: a tenant or a cluster, and what is on it.
type Pair<'a> = (&'a str, &'a str);

/// The records of earlier runs, borrowed from the lock. The maps are looked up; what is listed of them
/// is sorted.
#[derive(Debug, Default)]
pub struct Prior<'a> {
    /// The tenants that have a thing. More than one if a record is forged, or the thing is shared.
    claims: HashMap<ClaimKey<'a>, Vec<&'a str>>,
    /// Each tenant and the file it came from.
    tenants: HashMap<&'a str, &'a str>,
    /// Each tenant and the digest of the document that it was rendered from.
    inputs: HashMap<&'a str, &'a str>,
    /// The tenants that were removed, or may be.
    removed: BTreeSet<&'a str>,
    /// A tenant's namespaces on a cluster, by the tenant and the cluster.
    namespaces: HashMap<Pair<'a>, Vec<&'a str>>,
    /// The tenants' namespaces that reached a namespace, by its cluster and its name.
    edges: HashMap<Pair<'a>, Vec<Pair<'a>>>,
}

impl<'a> Prior<'a> {
    /// Whether a record is a tenant's of this name.
    pub fn knows(&self, tenant: &str) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// The file that a tenant came from.
    pub fn source(&self, tenant: &str) -> Option<&'a str> {
        self.tenants.get(tenant).copied()
    }

    /// The tenant that has a thing; `None` if the records name several.
    pub fn holder<'s>(&'s self, thing: &ClaimKey<'s>) -> Option<&'s str> {
        match self.claims.get(thing)?.as_slice() {
            [holder] => Some(holder),
            _ => None,
        }
    }

    /// Every tenant whose records say that it has a thing.
    pub fn holders<'s>(&'s self, thing: &ClaimKey<'s>) -> impl Iterator<Item = &'s str> {
        self.claims.get(thing).into_iter().flatten().copied()
    }

    /// The hosts that some tenants have, and who has each, in order.
    pub fn hosts_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&'a str, &'a str)> {
        let mut found: Vec<(&str, &str)> = self
            .claims
            .iter()
            .filter(|(thing, _)| thing.kind == ClaimKind::Host)
            .flat_map(|(thing, holders)| holders.iter().map(|holder| (thing.name, *holder)))
            .filter(|(_, holder)| wanted(holder))
            .collect();
        found.sort_unstable();
        found
    }

    /// The namespaces that a tenant has on a cluster.
    pub fn namespaces<'s>(&'s self, tenant: &'s str, on: &'s str) -> impl Iterator<Item = &'s str> {
        self.namespaces
            .get(&(tenant, on))
            .into_iter()
            .flatten()
            .copied()
    }

    /// The tenants that reached a namespace of a cluster, each with the namespace it came from.
    pub fn consumers<'s>(
        &'s self,
        on: &'s str,
        namespace: &'s str,
    ) -> impl Iterator<Item = (&'s str, &'s str)> {
        self.edges
            .get(&(on, namespace))
            .into_iter()
            .flatten()
            .copied()
    }

    /// Notes that there is a tenant, and the file that it came from.
    pub fn add_tenant(&mut self, tenant: &'a str, source: &'a str) {
        self.tenants.insert(tenant, source);
    }

    /// Notes the digest of the document that a tenant was rendered from.
    pub fn add_input(&mut self, tenant: &'a str, digest: &'a str) {
        self.inputs.insert(tenant, digest);
    }

    /// Compares documents with those of a revision, and no longer with those of the records. `inputs`
    /// has the digest of each tenant's document there.
    pub fn compare_with(&mut self, inputs: &'a BTreeMap<String, String>) {
        let inputs = inputs.iter();
        self.inputs = inputs
            .map(|(tenant, digest)| (tenant.as_str(), digest.as_str()))
            .collect();
    }

    /// Notes that a tenant was removed, or may be.
    pub fn add_removed(&mut self, tenant: &'a str) {
        self.removed.insert(tenant);
    }

    /// Whether a tenant was removed, or may be.
    pub fn is_removed(&self, tenant: &str) -> bool {
        self.removed.contains(tenant)
    }

    /// Whether a tenant's document is another one than that it was rendered from, or than that of the
    /// revision that the run is compared with. `digest` is that of the document now. A tenant that was
    /// never rendered has changed.
    pub fn has_changed(&self, tenant: &str, digest: &str) -> bool {
        self.inputs.get(tenant) != Some(&digest)
    }

    /// Notes that a tenant has a thing.
    pub fn add_claim(&mut self, thing: ClaimKey<'a>, tenant: &'a str) {
        let holders = self.claims.entry(thing).or_default();
        if !holders.contains(&tenant) {
            holders.push(tenant);
        }
    }

    /// Notes that a tenant has a namespace on a cluster.
    pub fn add_namespace(&mut self, tenant: &'a str, on: &'a str, namespace: &'a str) {
        self.add_claim(ClaimKey::namespace(on, namespace), tenant);
        self.namespaces
            .entry((tenant, on))
            .or_default()
            .push(namespace);
    }

    /// Notes that a tenant's namespace reached another on a cluster.
    pub fn add_edge(&mut self, on: &'a str, from: Pair<'a>, to: &'a str) {
        self.edges.entry((on, to)).or_default().push(from);
    }
}

//! What earlier runs left, by the tree's records: who has a thing, who reached whom.

use foldhash::{HashMap, HashMapExt};
use std::fmt;
use std::sync::OnceLock;

/// What kind of thing it is, in the order of their names, which is that of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind<'a> {
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
    /// What a record calls otherwise.
    Other(&'a str),
}

impl<'a> Kind<'a> {
    fn of(name: &'a str) -> Self {
        match name {
            "group" => Self::Group,
            "host" => Self::Host,
            "namespace" => Self::Namespace,
            "user" => Self::User,
            "uuid" => Self::Uuid,
            other => Self::Other(other),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'a str {
        match self {
            Self::Group => "group",
            Self::Host => "host",
            Self::Namespace => "namespace",
            Self::User => "user",
            Self::Uuid => "uuid",
            Self::Other(name) => name,
        }
    }
}

/// What only one tenant may have: a namespace of a cluster, a host, a UUID, a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing<'a> {
    /// What kind of thing it is.
    pub kind: Kind<'a>,
    /// The cluster that it is on; empty for what is on none.
    pub on: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Thing<'a> {
    /// A namespace of a cluster.
    pub const fn namespace(on: &'a str, name: &'a str) -> Self {
        Self {
            kind: Kind::Namespace,
            on,
            name,
        }
    }

    /// A thing of no cluster, as records and principals are written: `kind/name`.
    pub fn of(text: &'a str) -> Self {
        let (kind, name) = text.split_once('/').unwrap_or(("thing", text));
        Self {
            kind: Kind::of(kind),
            on: "",
            name,
        }
    }

    /// Its name, with the cluster before it where it is on one.
    pub fn called(&self) -> String {
        if self.on.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}/{}", self.on, self.name)
        }
    }
}

impl fmt::Display for Thing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, on, name } = self;
        let slash = if on.is_empty() { "" } else { "/" };
        write!(f, "{}/{on}{slash}{name}", kind.name())
    }
}

/// A pair of texts: a tenant or a cluster, and what is on it.
type Pair<'a> = (&'a str, &'a str);

/// What the records remember of earlier runs. Ten thousand of them are read in each: they are
/// borrowed, and what few runs ask for is looked up in an index that is made when it is asked for.
///
/// Its keys are chosen by tenants; the hasher's seed is another in each run, and nothing shows it.
#[derive(Debug, Default)]
pub struct Prior<'a> {
    /// Who has a thing.
    claims: HashMap<Thing<'a>, Holders<'a>>,
    /// Each tenant and the file it came from.
    tenants: HashMap<&'a str, &'a str>,
    /// Tenant and cluster, and a namespace of it there.
    namespaces: Vec<(Pair<'a>, &'a str)>,
    /// Cluster and namespace, and the tenant and its namespace that reached it.
    edges: Vec<(Pair<'a>, Pair<'a>)>,
    /// Where those of a tenant on a cluster stand in `namespaces`.
    namespaces_of: OnceLock<Index>,
    /// Where those who reached a namespace stand in `edges`.
    takers_of: OnceLock<Index>,
}

/// Where the values of a key stand in a list.
type Index = HashMap<(String, String), Vec<usize>>;

/// Who has a thing. More than one where a record is forged, or the thing is shared.
#[derive(Debug)]
struct Holders<'a> {
    first: &'a str,
    others: Vec<&'a str>,
}

impl<'a> Holders<'a> {
    fn iter(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

/// Where the values of each key stand, in order.
fn index<V>(pairs: &[(Pair<'_>, V)]) -> Index {
    let mut all = Index::new();
    for (at, ((a, b), _)) in pairs.iter().enumerate() {
        all.entry(((*a).to_owned(), (*b).to_owned()))
            .or_default()
            .push(at);
    }
    all
}

/// The values of a key.
fn found<'i, V: Copy>(
    index: &'i Index,
    pairs: &'i [(Pair<'_>, V)],
    a: &str,
    b: &str,
) -> impl Iterator<Item = V> + 'i {
    let places = index.get(&(a.to_owned(), b.to_owned()));
    places.into_iter().flatten().map(|at| pairs[*at].1)
}

impl<'a> Prior<'a> {
    /// Nothing yet, with room for what as many records hold.
    pub fn of(records: usize) -> Self {
        Self {
            claims: HashMap::with_capacity(4 * records),
            tenants: HashMap::with_capacity(records),
            namespaces: Vec::with_capacity(2 * records),
            edges: Vec::with_capacity(2 * records),
            ..Self::default()
        }
    }

    /// Whether a record is a tenant's of this name.
    pub fn knows(&self, tenant: &str) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// The file that a tenant came from.
    pub fn source(&self, tenant: &str) -> Option<&'a str> {
        self.tenants.get(tenant).copied()
    }

    /// Who has a thing; nobody where several say so.
    pub fn holder<'s>(&'s self, thing: &Thing<'s>) -> Option<&'s str> {
        self.claims
            .get(thing)
            .filter(|held| held.others.is_empty())
            .map(|held| held.first)
    }

    /// Everybody whose records say that they have a thing.
    pub fn holders<'s>(&'s self, thing: &Thing<'s>) -> impl Iterator<Item = &'s str> {
        self.claims.get(thing).into_iter().flat_map(Holders::iter)
    }

    /// The hosts that some tenants have, and who has each, in order.
    pub fn hosts_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&'a str, &'a str)> {
        let hosts = self
            .claims
            .iter()
            .filter(|(thing, _)| thing.kind == Kind::Host);
        let each = hosts.flat_map(|(thing, held)| held.iter().map(|holder| (thing.name, holder)));
        let mut found: Vec<(&str, &str)> = each.filter(|(_, holder)| wanted(holder)).collect();
        found.sort_unstable();
        found
    }

    /// The namespaces that a tenant has on a cluster.
    pub fn namespaces(&self, tenant: &str, on: &str) -> impl Iterator<Item = &str> {
        found(
            self.namespaces_of.get_or_init(|| index(&self.namespaces)),
            &self.namespaces,
            tenant,
            on,
        )
    }

    /// Who reached a namespace of a cluster: tenants, and their namespaces.
    pub fn takers(&self, on: &str, namespace: &str) -> impl Iterator<Item = (&str, &str)> {
        found(
            self.takers_of.get_or_init(|| index(&self.edges)),
            &self.edges,
            on,
            namespace,
        )
    }

    /// Notes that there is a tenant, and the file that it came from.
    pub fn add_tenant(&mut self, tenant: &'a str, source: &'a str) {
        self.tenants.insert(tenant, source);
    }

    /// Notes that a tenant has a thing.
    pub fn add_claim(&mut self, thing: Thing<'a>, tenant: &'a str) {
        let held = self.claims.entry(thing).or_insert(Holders {
            first: tenant,
            others: Vec::new(),
        });
        if held.first != tenant && !held.others.contains(&tenant) {
            held.others.push(tenant);
        }
    }

    /// Notes that a tenant has a namespace on a cluster.
    pub fn add_namespace(&mut self, tenant: &'a str, on: &'a str, namespace: &'a str) {
        self.add_claim(Thing::namespace(on, namespace), tenant);
        self.namespaces.push(((tenant, on), namespace));
    }

    /// Notes that a tenant's namespace reached another on a cluster.
    pub fn add_edge(&mut self, on: &'a str, from: Pair<'a>, to: &'a str) {
        self.edges.push(((on, to), from));
    }
}

//! What earlier runs left, by the tree's records: who has a thing, who reached whom.

use std::collections::HashMap;
use std::fmt;

/// What only one tenant may have: a namespace of a cluster, a host, a UUID, a user or group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing<'a> {
    /// What kind of thing it is.
    pub kind: &'a str,
    /// The cluster that it is on; empty for what is on none.
    pub on: &'a str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Thing<'a> {
    /// A namespace of a cluster.
    pub const fn namespace(on: &'a str, name: &'a str) -> Self {
        Self { kind: "namespace", on, name }
    }

    /// A thing of no cluster, as records and principals are written: `kind/name`.
    pub fn of(text: &'a str) -> Self {
        let (kind, name) = text.split_once('/').unwrap_or(("thing", text));
        Self { kind, on: "", name }
    }

    /// Its name, with the cluster before it where it is on one.
    pub fn called(&self) -> String {
        if self.on.is_empty() { self.name.to_owned() } else { format!("{}/{}", self.on, self.name) }
    }
}

impl fmt::Display for Thing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, on, name } = self;
        let slash = if on.is_empty() { "" } else { "/" };
        write!(f, "{kind}/{on}{slash}{name}")
    }
}

/// What the records remember of earlier runs. Ten thousand of them are read in each: nothing of them is copied.
#[derive(Debug, Default)]
pub struct Prior<'a> {
    /// Who has a thing. More than one where a record is forged, or the thing is shared.
    claims: HashMap<Thing<'a>, Vec<&'a str>>,
    /// The namespaces of a tenant on a cluster.
    namespaces: HashMap<(&'a str, &'a str), Vec<&'a str>>,
    /// Who reached a namespace of a cluster: tenants, and their namespaces.
    edges: HashMap<(&'a str, &'a str), Vec<(&'a str, &'a str)>>,
    /// Each tenant and the file it came from.
    tenants: HashMap<&'a str, &'a str>,
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

    /// Who has a thing; nobody where several say so.
    pub fn holder<'s>(&'s self, thing: &Thing<'s>) -> Option<&'s str> {
        if let [one] = self.holders(thing) { Some(one) } else { None }
    }

    /// Everybody whose records say that they have a thing.
    pub fn holders<'s>(&'s self, thing: &Thing<'s>) -> &'s [&'s str] {
        self.claims.get(thing).map_or(&[], Vec::as_slice)
    }

    /// The hosts that tenants of some kind have, and who has each, in order.
    pub fn hosts_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&'a str, &'a str)> {
        let hosts = self.claims.iter().filter(|(thing, _)| thing.kind == "host");
        let each = hosts.flat_map(|(thing, all)| all.iter().map(|holder| (thing.name, *holder)));
        let mut found: Vec<(&str, &str)> = each.filter(|(_, holder)| wanted(holder)).collect();
        found.sort_unstable();
        found
    }

    /// The namespaces that a tenant has on a cluster.
    pub fn namespaces<'s>(&'s self, tenant: &'s str, on: &'s str) -> &'s [&'s str] {
        self.namespaces.get(&(tenant, on)).map_or(&[], Vec::as_slice)
    }

    /// Who reached a namespace of a cluster: tenants, and their namespaces.
    pub fn takers<'s>(&'s self, on: &'s str, namespace: &'s str) -> &'s [(&'s str, &'s str)] {
        self.edges.get(&(on, namespace)).map_or(&[], Vec::as_slice)
    }

    /// Notes that there is a tenant, and the file that it came from.
    pub fn add_tenant(&mut self, tenant: &'a str, source: &'a str) {
        self.tenants.insert(tenant, source);
    }

    /// Notes that a tenant has a thing.
    pub fn add_claim(&mut self, thing: Thing<'a>, tenant: &'a str) {
        let holders = self.claims.entry(thing).or_insert_with(|| Vec::with_capacity(1));
        if !holders.contains(&tenant) {
            holders.push(tenant);
        }
    }

    /// Notes that a tenant has a namespace on a cluster.
    pub fn add_namespace(&mut self, tenant: &'a str, on: &'a str, namespace: &'a str) {
        self.add_claim(Thing::namespace(on, namespace), tenant);
        self.namespaces.entry((tenant, on)).or_default().push(namespace);
    }

    /// Notes that a tenant's namespace reached another on a cluster.
    pub fn add_edge(&mut self, on: &'a str, (tenant, from): (&'a str, &'a str), to: &'a str) {
        self.edges.entry((on, to)).or_default().push((tenant, from));
    }
}

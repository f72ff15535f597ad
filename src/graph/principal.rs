//! Whose a principal is: the tenants that hold a user, a group or a service account.
//!
//! A service account of a platform namespace is a tenant's too if it applies what the tenant writes:
//! the tenant decides by a commit what the account does. A group of service accounts is held by
//! every tenant that holds one of them.
//!
//! Source: fluxcd.io/flux/installation/configuration/multitenancy and
//! kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin.

use super::Owner;
use super::facts::Facts;
use super::gitops::{Applier, ArtifactSource, SourceRef};
use super::object::Origin;
use super::rbac::Subject;
use crate::value::Text;
use std::collections::{BTreeMap, HashMap};

/// A service account: its namespace and its name.
type AccountName = (Text, Text);

/// The tenants that hold each principal.
#[derive(Debug, Default)]
pub struct Principals {
    /// Users and groups.
    people: BTreeMap<Subject, Vec<u32>>,
    /// Service accounts of platform namespaces that a tenant drives.
    accounts: BTreeMap<AccountName, DrivenAccount>,
    /// The tenants that drive an account of a platform namespace, by namespace.
    namespaces: BTreeMap<Text, Vec<u32>>,
    /// The tenants that write what each applier applies, in the order of the appliers.
    writers: Vec<Vec<u32>>,
}

/// A service account of a platform namespace that does what tenants write.
#[derive(Clone, Debug)]
pub struct DrivenAccount {
    /// The tenants, in order.
    pub tenants: Vec<u32>,
    /// The object that says so: what applies as the account, or the account itself.
    pub origin: Origin,
    /// What that object is called.
    pub by: String,
}

impl Principals {
    /// Finds who holds what. `owner` is the owner of a namespace, `tenant` the index of a tenant's
    /// name, `people` the tenants of each user and group.
    pub(super) fn new(
        facts: &Facts,
        people: BTreeMap<Subject, Vec<u32>>,
        owner: &dyn Fn(&str) -> Owner,
        tenant: &dyn Fn(&str) -> Option<u32>,
    ) -> Self {
        let mut sources = Sources::new(&facts.gitops.sources, owner, tenant);
        let appliers = &facts.gitops.appliers;

        let mut principals = Self {
            people,
            writers: appliers.iter().map(|one| sources.writers(one)).collect(),
            ..Self::default()
        };
        for (applier, writers) in appliers.iter().zip(&principals.writers) {
            if let Some(account) = &applier.account {
                let name = (applier.id.namespace.clone(), account.clone());
                let by = applier.id.called();
                add(&mut principals.accounts, name, writers, applier.origin, by);
            }
        }
        for sync in &facts.gitops.others {
            let Owner::Tenant(writer) = owner(&sync.id.namespace) else {
                continue;
            };
            if let Some(account) = sync.account.clone() {
                let by = sync.id.called();
                add(
                    &mut principals.accounts,
                    account,
                    &[writer],
                    sync.origin,
                    by,
                );
            }
        }
        for account in &facts.accounts {
            let labelled: Vec<u32> = account
                .tenant
                .iter()
                .filter_map(|name| tenant(name))
                .collect();
            let name = (account.id.namespace.clone(), account.id.name.clone());
            let by = account.id.called();
            add(
                &mut principals.accounts,
                name,
                &labelled,
                account.origin,
                by,
            );
        }

        principals
            .accounts
            .retain(|(namespace, _), _| owner(namespace) == Owner::Platform);
        for ((namespace, _), account) in &principals.accounts {
            let all = principals.namespaces.entry(namespace.clone()).or_default();
            insert(all, &account.tenants);
        }
        principals
    }

    /// The tenants of a user or a group, in order.
    pub(super) fn of_people(&self, subject: &Subject) -> &[u32] {
        self.people.get(subject).map_or(&[], Vec::as_slice)
    }

    /// The tenants that drive a service account of a platform namespace.
    pub fn driven(&self, namespace: &Text, name: &Text) -> Option<&DrivenAccount> {
        self.accounts.get(&(namespace.clone(), name.clone()))
    }

    /// The accounts of a platform namespace that tenants drive.
    pub fn driven_in(&self, namespace: &str) -> impl Iterator<Item = (&Text, &DrivenAccount)> {
        let first = (Text::from(namespace), Text::default());
        self.accounts
            .range(first..)
            .take_while(move |((home, _), _)| home == namespace)
            .map(|((_, name), account)| (name, account))
    }

    /// The tenants that drive some account of a platform namespace.
    pub(super) fn of_namespace(&self, namespace: &str) -> &[u32] {
        self.namespaces.get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The tenants that write what the applier of an index applies.
    pub fn writers(&self, applier: usize) -> &[u32] {
        self.writers.get(applier).map_or(&[], Vec::as_slice)
    }
}

fn add(
    accounts: &mut BTreeMap<AccountName, DrivenAccount>,
    name: AccountName,
    tenants: &[u32],
    origin: Origin,
    by: String,
) {
    if tenants.is_empty() {
        return;
    }
    let account = accounts.entry(name).or_insert(DrivenAccount {
        tenants: Vec::new(),
        origin,
        by,
    });
    insert(&mut account.tenants, tenants);
}

/// Adds tenants to a sorted list, each once.
fn insert(all: &mut Vec<u32>, tenants: &[u32]) {
    for tenant in tenants {
        if let Err(at) = all.binary_search(tenant) {
            all.insert(at, *tenant);
        }
    }
}

/// The sources of a cluster, and who writes each.
struct Sources<'a> {
    by_name: HashMap<SourceRef, &'a ArtifactSource>,
    owner: &'a dyn Fn(&str) -> Owner,
    tenant: &'a dyn Fn(&str) -> Option<u32>,
    /// The writers that are known already. A source that is part of itself has none by that.
    known: HashMap<SourceRef, Vec<u32>>,
}

impl<'a> Sources<'a> {
    fn new(
        sources: &'a [ArtifactSource],
        owner: &'a dyn Fn(&str) -> Owner,
        tenant: &'a dyn Fn(&str) -> Option<u32>,
    ) -> Self {
        let made = sources
            .iter()
            .flat_map(|source| source.makes.iter().map(move |made| (made.clone(), source)));
        let own = sources.iter().map(|source| (source.reference(), source));

        Self {
            by_name: made.chain(own).collect(),
            owner,
            tenant,
            known: HashMap::new(),
        }
    }

    /// The tenants that write what an object applies.
    fn writers(&mut self, applier: &Applier) -> Vec<u32> {
        let mut writers = Vec::new();
        insert(&mut writers, &self.home(&applier.id.namespace));
        insert(&mut writers, &self.labelled(applier.tenant.as_ref()));

        for reference in &applier.sources {
            insert(&mut writers, &self.of_source(&reference.source()));
        }
        writers
    }

    /// The tenants that write what a source holds: of its namespace, by its label, or of a source
    /// that it is made of.
    fn of_source(&mut self, source: &SourceRef) -> Vec<u32> {
        if let Some(known) = self.known.get(source) {
            return known.clone();
        }
        self.known.insert(source.clone(), Vec::new());

        let mut writers = self.home(&source.namespace);
        if let Some(object) = self.by_name.get(source).copied() {
            insert(&mut writers, &self.home(&object.id.namespace));
            insert(&mut writers, &self.labelled(object.tenant.as_ref()));
            for part in &object.parts {
                insert(&mut writers, &self.of_source(part));
            }
        }

        self.known.insert(source.clone(), writers.clone());
        writers
    }

    fn home(&self, namespace: &str) -> Vec<u32> {
        match (self.owner)(namespace) {
            Owner::Tenant(tenant) => vec![tenant],
            Owner::Platform => Vec::new(),
        }
    }

    fn labelled(&self, label: Option<&Text>) -> Vec<u32> {
        label
            .and_then(|name| (self.tenant)(name))
            .into_iter()
            .collect()
    }
}

//! Objects → the one model that every isolation check reads: a [`Cluster`] of namespaces, owners,
//! grants and policies.
//!
//! Rendered objects, manifests from elsewhere and a snapshot of a live cluster all become the same
//! graph. What a kind means is read in [`facts`]; what belongs to whom is settled here.

pub mod admission;
pub mod api_server;
mod assemble;
mod build;
pub mod builtin;
pub mod cel;
pub mod data_place;
pub mod diversion;
pub mod symbolic;
pub mod facts;
pub mod gitops;
pub mod host;
pub mod ingress_annotation;
pub mod identity;
pub mod indirect;
pub mod admission_policy;
mod intake;
pub mod membership;
mod narrowing;
pub mod network;
mod object;
pub mod operator;
pub mod overlay;
pub mod platform;
pub mod pod_security;
mod plugin_setting;
mod pod_shape;
pub mod principal;
pub mod quota;
pub mod rbac;
pub mod request;
pub mod storage;
pub mod workload;

pub use assemble::{ClusterObjects, ExtraFacts, WithoutFleet, cluster, unread, without_fleet};
pub use build::Parts;
pub use facts::{Facts, Unevaluated};
pub use intake::{
    COMPLETE_SNAPSHOT, NOT_READ, ReadOptions, Reading, has_policies, read, read_snapshot, read_with,
};
pub use object::{InputKind, Origin};

use crate::diagnostic::Diagnostic;
use crate::kube::ObjectId;
use crate::kube::labels::{self, Labels, Selector};
use crate::kube::names::NAME_LABEL;
use crate::source::Span;
use crate::value::Text;
use platform::PlatformEndpoints;
use principal::Principals;
use rbac::{Rbac, Subject};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// The group of every service account of a namespace, before the namespace's name.
pub const ACCOUNTS_OF: &str = "system:serviceaccounts:";

/// The group whose members may do everything.
pub const MASTERS: &str = "system:masters";

/// A tenant of a cluster.
#[derive(Clone, Debug)]
pub struct TenantNode {
    /// Its name.
    pub name: Text,
    /// Where it is declared.
    pub span: Span,
    /// The users and groups that hold its keys and nobody else's.
    pub subjects: Vec<Subject>,
    /// The names of its namespaces.
    pub namespaces: Vec<Text>,
    /// The edges that its spec declares: from a namespace of its own to another tenant's.
    pub reaches: Vec<(Text, Text)>,
}

/// Who owns a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The tenant of this index.
    Tenant(u32),
    /// The platform.
    Platform,
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct NamespaceNode {
    /// Its name.
    pub name: Text,
    /// Its labels, with the one that Kubernetes sets.
    pub labels: Labels,
    /// Who owns it.
    pub owner: Owner,
    /// Where its object comes from; nothing where no input holds it, and its labels are not known.
    pub origin: Option<Origin>,
    /// Its policies, as indices.
    pub policies: Vec<u32>,
    /// Whether policies of other kinds, or ones that could not be read, have a say in it.
    pub has_unevaluated_policy: bool,
}

/// A cluster, as the inputs have it.
#[derive(Debug)]
pub struct Cluster {
    /// Its name.
    pub name: Text,
    /// The namespace of the engine that applies its tree.
    pub engine_namespace: Text,
    /// Its network plugin, where that is said.
    pub plugin: Option<Text>,
    /// Networks of its pods, where they are said.
    pub pod_networks: Vec<ipnet::IpNet>,
    /// The platform's own endpoints.
    pub endpoints: PlatformEndpoints,
    /// Its tenants.
    pub tenants: Vec<TenantNode>,
    /// The namespaces that are taken for the platform's by their names, where no fleet says whose
    /// they are; sorted.
    pub platform_by_name: Vec<Text>,
    /// Its namespaces, sorted by name.
    pub namespaces: Vec<NamespaceNode>,
    /// Roles and bindings.
    pub rbac: Rbac,
    /// Everything else.
    pub facts: Facts,
    /// Whether a fleet declares the tenants, and delivers to the cluster by its engine.
    pub has_fleet: bool,
    /// Whether a snapshot says what else is there.
    pub closed_world: bool,
    /// Whether the inputs hold every object of the cluster of the kinds that planes read.
    pub lists_every_kind: bool,
    /// What could not be read: nothing is proven beside it.
    pub unread_inputs: Vec<Diagnostic>,
    /// Whether files are among it, any object of which may be missing.
    pub has_unread_files: bool,
    /// The digest of what stands in no text: snapshots.
    pub snapshot_digest: [u8; 32],
    /// Whether objects of a snapshot were set aside for what the other inputs say of them.
    pub snapshot_superseded: bool,
    /// Objects that two inputs define: the second, and the first.
    pub defined_twice: Vec<(facts::ObjectRef, Origin)>,
    kept: BTreeMap<ObjectId, u32>,
    bound: admission::BoundPolicies,
    by_name: HashMap<Text, u32>,
    principals: Principals,
    selected: Mutex<HashMap<Selector, Arc<[u32]>>>,
    by_label: HashMap<(Text, Text), Vec<u32>>,
}

impl Cluster {
    /// The index of a namespace.
    pub fn namespace(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Who owns a namespace; the platform one that nobody knows.
    pub fn owner(&self, namespace: &str) -> Owner {
        self.namespace(namespace)
            .map_or(Owner::Platform, |at| self.namespaces[at as usize].owner)
    }

    /// Whose the principals are that no namespace tells.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }

    /// The tenants that hold a subject, in order: their users and groups, the service accounts of
    /// their namespaces, those of the platform that do what they write, and groups of these.
    pub fn holders(&self, subject: &Subject) -> impl Iterator<Item = u32> + use<'_> {
        let none: &[u32] = &[];
        let (home, others) = match subject {
            Subject::ServiceAccount(namespace, name) => match self.owner(namespace) {
                Owner::Tenant(at) => (Some(at), none),
                Owner::Platform => {
                    let driven = self.principals.driven(namespace, name);
                    (None, driven.map_or(none, |account| &account.tenants))
                }
            },
            Subject::Group(name) => match name.strip_prefix(ACCOUNTS_OF) {
                Some(namespace) => match self.owner(namespace) {
                    Owner::Tenant(at) => (Some(at), none),
                    Owner::Platform => (None, self.principals.of_namespace(namespace)),
                },
                None => (None, self.principals.of_people(subject)),
            },
            Subject::User(_) => (None, self.principals.of_people(subject)),
        };
        home.into_iter().chain(others.iter().copied())
    }

    /// The first tenant that holds a subject.
    pub fn holder(&self, subject: &Subject) -> Option<u32> {
        self.holders(subject).next()
    }

    /// How an owner is called in a sentence.
    pub fn owner_name(&self, owner: Owner) -> String {
        match owner {
            Owner::Tenant(at) => format!("tenant `{}`", self.tenants[at as usize].name),
            Owner::Platform => "the platform".into(),
        }
    }

    /// The namespaces that a selector selects, sorted. Each selector is looked up once.
    pub fn select(&self, selector: &Selector) -> Arc<[u32]> {
        // A lock that another thread broke off with holds what was found so far.
        let lock = || {
            self.selected
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };

        // The lock is not held while the namespaces are searched.
        let known = lock().get(selector).cloned();
        known.unwrap_or_else(|| {
            let found: Arc<[u32]> = self.find_selected(selector).into();
            lock().insert(selector.clone(), found.clone());
            found
        })
    }

    /// The namespaces that a selector selects, sorted: by name or by an index of labels if the
    /// selector allows it.
    fn find_selected(&self, selector: &Selector) -> Vec<u32> {
        let matches = |at: &u32| selector.matches(&self.namespaces[*at as usize].labels);
        let listed = selector.0.iter().find_map(|requirement| {
            let labels::Op::In(values) = &requirement.op else {
                return None;
            };
            Some((&requirement.key, values))
        });

        let mut found: Vec<u32> = if let Some(names) = selector.pinned(NAME_LABEL) {
            names
                .iter()
                .filter_map(|name| self.namespace(name))
                .filter(matches)
                .collect()
        } else if let Some((key, values)) = listed {
            values
                .iter()
                .filter_map(|value| self.by_label.get(&(key.clone(), value.clone())))
                .flatten()
                .copied()
                .filter(matches)
                .collect()
        } else {
            (0..self.namespaces.len() as u32).filter(matches).collect()
        };

        found.sort_unstable();
        found.dedup();
        found
    }
}

//! What objects of other systems grant or copy, in terms of RBAC and of namespaces: OpenShift,
//! Capsule, Rancher, rbac-manager, Kyverno, and programs that copy Secrets.

use super::TenantNode;
use super::facts::NamespaceFact;
use super::object::Origin;
use super::rbac::{Binding, Subject};
use crate::kube::ObjectId;
use crate::kube::labels::Selector;
use crate::kube::names::glob;
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// Namespaces that an object of another system is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Every namespace.
    Everywhere,
    /// Namespaces by name; `*` and `?` stand for other characters.
    Names(Vec<Text>),
    /// Namespaces whose labels are selected.
    Selected(Selector),
    /// The namespaces of a Tenant of Capsule.
    CapsuleTenant(Text),
    /// The namespaces of a project of Rancher: `CLUSTER:PROJECT`.
    RancherProject(Text),
}

/// An object by which another system binds a role.
#[derive(Clone, Debug)]
pub struct IndirectBinding {
    /// The object.
    pub id: ObjectId,
    /// The namespace of the Role, empty for a ClusterRole; and its name.
    pub role: (Text, Text),
    /// Who gets it, and where each is named.
    pub subjects: Vec<(Subject, Option<Span>)>,
    /// Where they get it.
    pub reach: Reach,
    /// Where the object comes from.
    pub origin: Origin,
}

/// An object by which another system copies objects of a namespace into others.
#[derive(Clone, Debug)]
pub struct CopiedObjects {
    /// The object that has it copied.
    pub id: ObjectId,
    /// What is copied, as a sentence calls it: `Secret db`.
    pub what: Text,
    /// Where it is.
    pub from: CopySource,
    /// Where copies are made.
    pub to: Reach,
    /// The program that copies.
    pub by: &'static str,
    /// Where the object comes from.
    pub origin: Origin,
}

/// Where copied objects are.
#[derive(Clone, Debug)]
pub enum CopySource {
    /// In a namespace.
    Namespace(Text),
    /// In a store outside, under these paths: whose they are, only their parts show.
    Outside(Vec<Text>),
}

/// The annotation and label by which Rancher places a namespace in a project.
const RANCHER_PROJECT: &str = "field.cattle.io/projectId";

/// The labels by which Capsule places a namespace in a tenant.
const CAPSULE_TENANT: [&str; 2] = ["capsule.clastix.io/tenant", "projectcapsule.dev/tenant"];

/// The namespaces of a cluster, by what [`Reach`] asks for.
#[derive(Debug, Default)]
pub struct ReachIndex<'a> {
    all: Vec<&'a NamespaceFact>,
    capsule: BTreeMap<&'a str, Vec<&'a Text>>,
    rancher: BTreeMap<&'a str, Vec<&'a Text>>,
    /// The namespaces of each tenant, by its name.
    tenants: BTreeMap<&'a str, &'a [Text]>,
}

impl<'a> ReachIndex<'a> {
    /// Indexes the namespaces of some tenants.
    pub fn new(namespaces: &'a [NamespaceFact], tenants: &'a [TenantNode]) -> Self {
        let mut index = Self::default();
        for namespace in namespaces {
            index.all.push(namespace);
            for key in CAPSULE_TENANT {
                if let Some(tenant) = namespace.labels.get(key) {
                    index
                        .capsule
                        .entry(tenant)
                        .or_default()
                        .push(&namespace.id.name);
                }
            }
            let project = namespace
                .annotations
                .get(RANCHER_PROJECT)
                .or_else(|| namespace.labels.get(RANCHER_PROJECT));
            if let Some(project) = project {
                let project = project.rsplit(':').next().unwrap_or(project);
                index
                    .rancher
                    .entry(project)
                    .or_default()
                    .push(&namespace.id.name);
            }
        }

        for tenant in tenants {
            index.tenants.insert(&tenant.name, &tenant.namespaces);
        }
        index
    }

    /// The namespaces that are meant; `None` stands for all.
    pub fn namespaces(&self, reach: &Reach) -> Option<BTreeSet<Text>> {
        let found = match reach {
            Reach::Everywhere => return None,
            Reach::Names(names) => {
                if names.iter().any(|name| name == "*") {
                    return None;
                }
                let mut found = BTreeSet::new();
                for name in names {
                    if name.contains(['*', '?']) {
                        let all = self.all.iter().map(|namespace| &namespace.id.name);
                        found.extend(all.filter(|known| glob(name, known)).cloned());
                    } else {
                        found.insert(name.clone());
                    }
                }
                found
            }
            Reach::Selected(selector) if selector.0.is_empty() => return None,
            Reach::Selected(selector) => {
                let all = self.all.iter();
                let selected = all.filter(|namespace| selector.matches(&namespace.labels));
                selected
                    .map(|namespace| namespace.id.name.clone())
                    .collect()
            }
            Reach::CapsuleTenant(name) => match self.capsule.get(name.as_str()) {
                Some(found) => found.iter().map(|name| (*name).clone()).collect(),
                None => {
                    let own = self.tenants.get(name.as_str()).copied().unwrap_or_default();
                    own.iter().cloned().collect()
                }
            },
            Reach::RancherProject(project) => {
                let name = project.rsplit(':').next().unwrap_or(project);
                let found = self.rancher.get(name).into_iter().flatten();
                found.map(|name| (*name).clone()).collect()
            }
        };
        Some(found)
    }
}

/// The bindings that indirect ones come to: one for each namespace, or one for the cluster.
pub fn bindings(indirect: &[IndirectBinding], index: &ReachIndex<'_>) -> Vec<Binding> {
    let mut found = Vec::new();
    for binding in indirect {
        let namespaces: Vec<Text> = match index.namespaces(&binding.reach) {
            Some(namespaces) => namespaces.into_iter().collect(),
            None => vec![Text::default()],
        };
        found.extend(namespaces.into_iter().map(|namespace| Binding {
            id: ObjectId {
                namespace,
                ..binding.id.clone()
            },
            role: binding.role.clone(),
            role_span: None,
            subjects: binding.subjects.clone(),
            origin: binding.origin,
        }));
    }
    found
}

impl Reach {
    /// The namespaces that a list of regular expressions names, as programs that copy Secrets have
    /// it. An expression that is more than a name with `.*` is taken for all.
    pub fn expressions(list: &str) -> Self {
        let mut names = Vec::new();
        for expression in list
            .split(',')
            .map(str::trim)
            .filter(|each| !each.is_empty())
        {
            let pattern = expression
                .trim_start_matches('^')
                .trim_end_matches('$')
                .replace(".*", "*");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '*';
            if !pattern.chars().all(plain) {
                return Self::Everywhere;
            }
            names.push(Text::from(pattern));
        }
        match names.is_empty() {
            true => Self::Everywhere,
            false => Self::Names(names),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_as_kyverno_matches_names() {
        for (pattern, name, matches) in [
            ("red", "red", true),
            ("red", "reds", false),
            ("red-*", "red-a", true),
            ("red-*", "red", false),
            ("*-dev", "a-b-dev", true),
            ("r?d", "rad", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
        ] {
            assert_eq!(glob(pattern, name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn expressions_are_names_or_everything() {
        assert_eq!(Reach::expressions(""), Reach::Everywhere);
        assert_eq!(Reach::expressions("a|b"), Reach::Everywhere);
        assert_eq!(
            Reach::expressions("red, red-.*"),
            Reach::Names(vec!["red".into(), "red-*".into()])
        );
    }
}

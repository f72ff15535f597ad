//! The reader of stores of secrets outside the cluster: those of External Secrets, and of the Vault
//! Secrets Operator.
//!
//! Sources: external-secrets.io/latest/api/clustersecretstore,
//! external-secrets.io/latest/api/generator/cluster, and
//! developer.hashicorp.com/vault/docs/platform/k8s/vso/api-reference (VaultAuth).

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::indirect::{CopiedObjects, CopySource, Reach};
use crate::graph::{Cluster, Origin};
use crate::kube::ObjectId;
use crate::kube::labels::{Selector, at, items, text, texts};
use crate::value::Text;

/// A store of secrets that lies outside: a SecretStore, a ClusterSecretStore, a ClusterGenerator or a
/// VaultAuth.
#[derive(Clone, Debug)]
pub struct SecretStore {
    /// What it is.
    pub id: ObjectId,
    /// Which namespaces may use it; every one where it does not say.
    pub conditions: Option<Vec<StoreCondition>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Who may use a store; any of them is enough.
#[derive(Clone, Debug)]
pub enum StoreCondition {
    /// These namespaces.
    Names(Vec<Text>),
    /// Those that are selected.
    Selected(Selector),
    /// Whatever matches: not evaluated.
    Pattern,
}

impl StoreCondition {
    /// The namespaces that it admits, as indices; those of a pattern are not known.
    pub fn namespaces(&self, cluster: &Cluster) -> Vec<u32> {
        match self {
            Self::Names(names) => {
                let known = names.iter().filter_map(|name| cluster.namespace(name));
                known.collect()
            }
            Self::Selected(selector) => cluster.select(selector).to_vec(),
            Self::Pattern => Vec::new(),
        }
    }
}

/// Reads a SecretStore or a ClusterSecretStore, or notes an object that fetches from one.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (group, kind) = (object.id.group.as_str(), object.id.kind.as_str());
    let conditions = match (group, kind) {
        ("external-secrets.io", "SecretStore" | "ClusterSecretStore") => conditions(node),
        ("generators.external-secrets.io", "ClusterGenerator") => {
            if is_local_generator(node) {
                return true;
            }
            None
        }
        ("secrets.hashicorp.com", "VaultAuth") => allowed_namespaces(object, node),
        ("external-secrets.io", "ExternalSecret" | "PushSecret")
        | (
            "secrets.hashicorp.com",
            "VaultStaticSecret" | "VaultDynamicSecret" | "VaultPKISecret",
        ) => {
            facts.secret_requests.push(object.clone());
            return true;
        }
        _ => return false,
    };
    if kind == "ClusterSecretStore" {
        read_of_cluster(
            facts,
            object,
            node,
            conditions.as_deref().unwrap_or_default(),
        );
    }
    facts.stores.push(SecretStore {
        conditions,
        origin: object.origin,
        id: object.id.clone(),
    });
    true
}

/// The Secrets of a namespace that a store lets others read. A store without conditions is one for
/// everybody, and another rule is about it.
///
/// Source: external-secrets.io/latest/provider/kubernetes.
fn read_of_cluster<T: TreeValue>(
    facts: &mut Facts,
    object: &ObjectRef,
    node: &T,
    conditions: &[StoreCondition],
) {
    let provider = at(node, &["spec", "provider", "kubernetes"]);
    let Some(from) = text(provider, "remoteNamespace") else {
        return;
    };
    for condition in conditions {
        let to = match condition {
            StoreCondition::Names(names) => Reach::Names(names.clone()),
            StoreCondition::Selected(selector) => Reach::Selected(selector.clone()),
            StoreCondition::Pattern => continue,
        };
        facts.copied_objects.push(CopiedObjects {
            id: object.id.clone(),
            what: "Secrets".into(),
            from: CopySource::Namespace(from.clone()),
            to,
            by: "External Secrets Operator",
            origin: object.origin,
        });
    }
}

/// Whether a generator makes its values itself, and asks nobody for them.
fn is_local_generator<T: TreeValue>(node: &T) -> bool {
    let kind = text(node.member("spec"), "kind").unwrap_or_default();
    ["Fake", "Password", "SSHKey", "UUID"].contains(&kind.as_str())
}

/// The namespaces whose objects may log in by a VaultAuth: its own, those that it lists, or all.
fn allowed_namespaces<T: TreeValue>(object: &ObjectRef, node: &T) -> Option<Vec<StoreCondition>> {
    let spec = node.member("spec");
    let mut names: Vec<Text> = texts(spec.and_then(|spec| spec.member("allowedNamespaces")))
        .map(Text::from)
        .collect();
    if names.iter().any(|name| name == "*") {
        return None;
    }
    names.push(object.id.namespace.clone());
    Some(vec![StoreCondition::Names(names)])
}

/// The conditions of a store; `None` if it states none. Each field of an entry admits by itself.
fn conditions<T: TreeValue>(store: &T) -> Option<Vec<StoreCondition>> {
    let entries = items(
        store
            .member("spec")
            .and_then(|spec| spec.member("conditions")),
    );
    if entries.is_empty() {
        return None;
    }

    let mut all = Vec::new();
    for entry in entries {
        let names = texts(entry.member("namespaces")).map(Text::from);
        all.push(StoreCondition::Names(names.collect()));

        match entry.member("namespaceSelector").map(Selector::of) {
            Some(Ok(selector)) => all.push(StoreCondition::Selected(selector)),
            Some(Err(_)) => all.push(StoreCondition::Pattern),
            None => {}
        }

        if !items(entry.member("namespaceRegexes")).is_empty() {
            all.push(StoreCondition::Pattern);
        }
    }

    Some(all)
}

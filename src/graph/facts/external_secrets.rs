//! The reader of `external-secrets.io`: stores of secrets outside the cluster.
//!
//! Source: external-secrets.io/latest/api/clustersecretstore.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::{Cluster, Origin};
use crate::kube::ObjectId;
use crate::kube::labels::{Selector, items, texts};
use crate::value::Text;

/// A store of secrets that lies outside: a SecretStore or a ClusterSecretStore.
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
    let is_store = object.id.group == "external-secrets.io"
        && ["SecretStore", "ClusterSecretStore"].contains(&object.id.kind.as_str());

    if is_store {
        facts.stores.push(SecretStore {
            conditions: conditions(node),
            origin: object.origin,
            id: object.id.clone(),
        });
    }

    let fetches = object.id.group == "external-secrets.io"
        && ["ExternalSecret", "PushSecret"].contains(&object.id.kind.as_str());
    if fetches {
        facts.secret_requests.push(object.clone());
    }

    is_store || fetches
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

//! The reader of the core group: Namespaces, ServiceAccounts and Services.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::object::{Origin, tenant_label};
use crate::graph::quota::Quota;
use crate::graph::workload::Service;
use crate::kube::ObjectId;
use crate::kube::labels::Labels;
use crate::kube::names::NAME_LABEL;
use crate::source::Span;
use crate::value::Text;

/// A Namespace object.
#[derive(Clone, Debug)]
pub struct NamespaceFact {
    /// What it is.
    pub id: ObjectId,
    /// Its labels, with the one that Kubernetes sets.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Where it comes from.
    pub origin: Origin,
}

/// A ServiceAccount.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// What it is.
    pub id: ObjectId,
    /// The tenant that its label names.
    pub tenant: Option<Text>,
    /// Identities of a cloud that it takes.
    pub identities: Vec<CloudIdentity>,
    /// Where it comes from.
    pub origin: Origin,
}

/// An identity of a cloud that a ServiceAccount takes by an annotation.
#[derive(Clone, Debug)]
pub struct CloudIdentity {
    /// The key of the annotation.
    pub annotation: Text,
    /// Its value: the identity.
    pub value: Text,
    /// The span of the value.
    pub span: Option<Span>,
}

/// Annotations that give a service account an identity of a cloud.
const IDENTITIES: [&str; 4] = [
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
    "pod-identity.alibabacloud.com/role-name",
];

/// Reads an object of the core group.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (object.id.clone(), object.origin);

    match (&*id.group, &*id.kind) {
        ("", "Namespace") => {
            let namespace = namespace(id, node, origin);
            let quota = Quota::of_rancher(&namespace.id, &namespace.annotations, origin);
            facts.quotas.extend(quota);
            facts.namespaces.push(namespace);
        }
        ("", "ServiceAccount") => facts.accounts.push(service_account(id, node, origin)),
        ("", "Secret") => {
            facts.token_secrets.extend(token_secret(id, node, origin));
            return false;
        }
        ("", "Service") => facts.services.push(Service::of(id, node, origin)),
        _ => return false,
    }

    true
}

fn namespace<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> NamespaceFact {
    let metadata = node.member("metadata");
    let field = |key: &str| Labels::of(metadata.and_then(|metadata| metadata.member(key)));

    let mut labels = field("labels");
    labels.set(NAME_LABEL.into(), id.name.clone());
    NamespaceFact {
        labels,
        annotations: field("annotations"),
        origin,
        id,
    }
}

fn service_account<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> ServiceAccount {
    let metadata = node.member("metadata");
    let annotations = metadata.and_then(|metadata| metadata.member("annotations"));
    let identity = |key: &&str| {
        let value = annotations?.member(key)?;
        let text = value.text()?;
        // The id of a client is a GUID, of which the case means nothing.
        let identity = match key.starts_with("azure.") {
            true => Text::from(text.to_lowercase()),
            false => Text::from(text),
        };
        Some(CloudIdentity {
            annotation: Text::from(*key),
            value: identity,
            span: value.span(),
        })
    };

    ServiceAccount {
        tenant: tenant_label(node),
        identities: IDENTITIES.iter().filter_map(identity).collect(),
        origin,
        id,
    }
}

/// A Secret that holds the token of a service account. Its data is not read.
#[derive(Clone, Debug)]
pub struct TokenSecret {
    /// What it is.
    pub id: ObjectId,
    /// The name of the account, which is in the Secret's namespace.
    pub account: Text,
    /// Where it comes from.
    pub origin: Origin,
}

/// Source: kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets.
fn token_secret<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Option<TokenSecret> {
    if node.member("type")?.text()? != "kubernetes.io/service-account-token" {
        return None;
    }
    let annotations = node.member("metadata")?.member("annotations")?;
    let account = annotations.member("kubernetes.io/service-account.name")?;
    Some(TokenSecret {
        account: account.text()?.into(),
        id,
        origin,
    })
}

//! Objects for which a program acts as somebody else: as itself, or as another account.

use super::object::Origin;
use crate::kube::ObjectId;
use crate::kube::labels::Selector;
use crate::source::Span;
use crate::value::Text;

/// An object for which a program uses an identity that is not of the object's namespace.
#[derive(Clone, Debug)]
pub struct BorrowedIdentity {
    /// The object.
    pub id: ObjectId,
    /// Whose identity is used.
    pub lender: Lender,
    /// What it is used for, as a predicate: `reads the bucket`.
    pub acts: &'static str,
    /// The field that says so.
    pub span: Option<Span>,
    /// Where the object comes from.
    pub origin: Origin,
}

/// Whose identity a program uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lender {
    /// A controller of Flux: its own cloud identity or its own keys.
    FluxController(&'static str),
    /// Another program of the platform: its own account or cloud identity.
    Program(&'static str),
    /// A service account: its namespace and its name.
    ServiceAccount(Text, Text),
    /// The objects of a namespace; of every one where it is empty.
    Namespace(Text),
    /// The node, by the metadata service of a cloud.
    Node,
}

/// An object that gives a service account an identity of a cloud, besides annotations of the account.
#[derive(Clone, Debug)]
pub struct IdentityAssociation {
    /// The object.
    pub id: ObjectId,
    /// The namespace of the service account.
    pub namespace: Text,
    /// The system.
    pub system: &'static str,
    /// The identity.
    pub identity: Text,
    /// Where the object comes from.
    pub origin: Origin,
}

/// An object that gives the pods of some namespaces one identity.
#[derive(Clone, Debug)]
pub struct SharedIdentity {
    /// The object.
    pub id: ObjectId,
    /// The identity.
    pub identity: Text,
    /// The namespaces.
    pub namespaces: Selector,
    /// Where the object comes from.
    pub origin: Origin,
}

//! Network policies: one model, and one file for each dialect that reads and writes it.
//!
//! Rendering writes [`Policy`]s, and the proof reads them. The kinds of objects that hold policies
//! are in the dialects alone.

pub mod addresses;
pub mod kubernetes;
mod policy;
#[cfg(test)]
mod strategy;

pub use policy::{Direction, Peer, Policy, Port, Ports, Protocol, Rule};

use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::value::Value;

/// A kind of object that holds a network policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `NetworkPolicy` of Kubernetes.
    #[default]
    Kubernetes,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 1] = [Self::Kubernetes];

    /// The dialect of a kind of object; `None` if policies of that kind are not read.
    pub fn of_kind(group: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|dialect| dialect.group() == group && dialect.kind() == kind)
    }

    /// The dialect of an object; `None` if policies of its kind are not read.
    pub fn of(id: &ObjectId) -> Option<Self> {
        Self::of_kind(&id.group, &id.kind)
    }

    /// Whether some dialect has objects of a kind, in whichever group the kind is.
    pub fn is_kind_of_any(kind: &str) -> bool {
        Self::ALL.iter().any(|dialect| dialect.kind() == kind)
    }

    /// The API group of its objects.
    pub const fn group(self) -> &'static str {
        match self {
            Self::Kubernetes => kubernetes::GROUP,
        }
    }

    /// The API version in which its objects are written.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Kubernetes => kubernetes::VERSION,
        }
    }

    /// The kind of its objects.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Kubernetes => kubernetes::KIND,
        }
    }

    /// Reads the policy of an object. Without a `spec`, the policy is that of an empty one.
    ///
    /// # Errors
    /// Why the API server refuses it, or which field of it is not understood.
    pub fn read<T: TreeValue>(self, object: &T) -> Result<Policy, String> {
        match self {
            Self::Kubernetes => kubernetes::read(object.member("spec")),
        }
    }

    /// Writes a policy as the `spec` of an object.
    pub fn write(self, policy: &Policy) -> Value {
        match self {
            Self::Kubernetes => kubernetes::write(policy),
        }
    }
}

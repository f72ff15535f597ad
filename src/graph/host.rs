//! The hosts among the facts of a cluster, each with the object that names it.

use super::object::Origin;
use crate::document::TreeValue;
use crate::host::{self, HostPattern, HostUse, NamedHost};
use crate::kube::ObjectId;
use crate::source::Span;
use crate::value::Text;

/// A host that an object serves, certifies or resolves.
#[derive(Clone, Debug)]
pub struct Host {
    /// The hosts that the object names.
    pub pattern: HostPattern,
    /// The path below it; `/` if none is stated.
    pub path: Text,
    /// What the object does with it.
    pub used: HostUse,
    /// The object that names it.
    pub id: ObjectId,
    /// Where it is named.
    pub span: Option<Span>,
    /// Where the object comes from.
    pub origin: Origin,
}

impl Host {
    /// The hosts that an object names in the fields of its kind; `None` for a kind that names none.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Vec<Self>> {
        host::named(id, node).map(|named| Self::all(named, id, origin))
    }

    /// The hosts that an object of a kind without a reader names in fields that are called so.
    pub fn mentioned<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        Self::all(host::mentioned(node), id, origin)
    }

    /// The hosts that the annotations of an object name, whichever its kind.
    pub fn of_annotations<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        Self::all(host::named_by_annotations(node), id, origin)
    }

    fn all(named: Vec<NamedHost<'_>>, id: &ObjectId, origin: Origin) -> Vec<Self> {
        named
            .into_iter()
            .map(|named| Self {
                pattern: named.pattern,
                path: named.path.into(),
                used: named.used,
                id: id.clone(),
                span: named.span,
                origin,
            })
            .collect()
    }
}

//! The reader of kinds that serve hosts: Ingresses, the Gateway API, Istio, and the kinds of ingress
//! controllers.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::host::{Host, IngressAnnotation};
use crate::graph::storage::ReferenceGrant;

/// Reads an object that serves hosts, or a ReferenceGrant of the Gateway API.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (&object.id, object.origin);

    if let ("gateway.networking.k8s.io", "ReferenceGrant" | "ReferencePolicy") =
        (&*id.group, &*id.kind)
    {
        facts
            .grants
            .push(ReferenceGrant::of(id.clone(), node, origin));
        return true;
    }
    if id.kind == "Ingress" {
        facts
            .ingress_annotations
            .extend(IngressAnnotation::of(id, node, origin));
    }

    let hosts = Host::of(id, node, origin);
    let serves = hosts.is_some();
    facts.hosts.extend(hosts.into_iter().flatten());
    serves
}

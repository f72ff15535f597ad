//! The reader of the groups that serve hosts: Ingresses, the Gateway API, Istio and OpenShift routes.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::host::Host;
use crate::graph::storage::ReferenceGrant;

/// Reads an object that serves hosts, or a ReferenceGrant of the Gateway API.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (&object.id, object.origin);

    match (&*id.group, &*id.kind) {
        ("gateway.networking.k8s.io", "ReferenceGrant" | "ReferencePolicy") => {
            facts
                .grants
                .push(ReferenceGrant::of(id.clone(), node, origin));
        }
        ("networking.k8s.io", "Ingress")
        | ("gateway.networking.k8s.io", _)
        | ("networking.istio.io", "VirtualService" | "Gateway" | "ServiceEntry")
        | ("route.openshift.io", "Route") => facts.hosts.extend(Host::of(id, node, origin)),
        _ => return false,
    }

    true
}

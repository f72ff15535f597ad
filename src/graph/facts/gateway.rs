//! The reader of kinds that serve hosts: Ingresses, the Gateway API, Istio, and the kinds of ingress
//! controllers.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::host::Host;
use crate::graph::ingress_annotation::IngressAnnotation;
use crate::graph::storage::ReferenceGrant;
use crate::kube::kinds;

/// Reads an object that serves hosts, or a ReferenceGrant of the Gateway API.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (&object.id, object.origin);

    if let Some(grants) = ReferenceGrant::all_of(id, node, origin) {
        facts.grants.extend(grants);
        // A VaultAuth is a store of secrets too, which another reader takes.
        return id.kind != "VaultAuth";
    }
    if id.kind == "Ingress" {
        facts
            .ingress_annotations
            .extend(IngressAnnotation::of(id, node, origin));
    }

    if ["IngressRoute", "IngressRouteTCP", "IngressRouteUDP"].contains(&&*id.kind) {
        facts
            .ingress_annotations
            .extend(IngressAnnotation::of_route(id, node, origin));
    }

    let hosts = Host::of(id, node, origin);
    let serves = hosts.is_some();
    if !serves && !id.namespace.is_empty() && !kinds::is_complete(&id.group) {
        let mentioned = Host::mentioned(id, node, origin);
        facts.mentioned_hosts.extend(mentioned);
    }
    facts.hosts.extend(hosts.into_iter().flatten());
    serves
}

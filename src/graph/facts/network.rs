//! The reader of network policies, of every kind that governs traffic.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::diversion::{ChosenEndpoints, Diversion};
use crate::graph::narrowing::only_narrows;
use crate::graph::network::PolicyObject;
use crate::kube::{ObjectId, kinds};
use crate::netpol::Dialect;

/// Reads a network policy of a kind that the proof evaluates.
///
/// # Errors
/// Why the policy cannot be evaluated.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> Result<bool, String> {
    let Some(dialect) = Dialect::of(&object.id) else {
        return Ok(false);
    };

    facts.policies.push(PolicyObject {
        spec: dialect.read(node)?,
        id: object.id.clone(),
        origin: object.origin,
    });
    Ok(true)
}

/// Notes a network policy of a kind that the proof does not evaluate. One that only takes
/// connections away is noted apart.
pub fn read_other<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let is_policy = is_network_policy(&object.id);
    if is_policy && only_narrows(&object.id, node) {
        facts.narrowing_policies.push(object.clone());
    } else if is_policy {
        facts.other_policies.push(object.clone());
    }

    is_policy
}

/// Reads an object that sends traffic somewhere else: endpoints, and redirects of a plugin.
pub fn read_diversion<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (&object.id, object.origin);
    match (&*id.group, &*id.kind) {
        ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice") => {
            facts
                .endpoints
                .extend(ChosenEndpoints::of(id, node, origin));
            true
        }
        _ => {
            let diversion = Diversion::of(id, node, origin);
            let diverts = diversion.is_some();
            facts.diversions.extend(diversion);
            diverts
        }
    }
}

fn is_network_policy(id: &ObjectId) -> bool {
    kinds::governs_network(&id.kind)
        || (id.group == "security.istio.io" && id.kind == "AuthorizationPolicy")
}

//! The reader of pods and of the kinds that make pods.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::api_server;
use crate::graph::operator::Operator;
use crate::graph::pod_shape;
use crate::graph::workload::Workload;
use crate::kube::kinds;
use crate::kube::labels::{is_true, items};

/// Reads a Pod, a Deployment and their like; also how a controller of an engine is started.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    if object.id.kind == "Deployment" {
        facts
            .gitops
            .read_deployment(&object.id, node, object.origin);
    }

    let opens = api_server::opens(&object.id, node);
    facts
        .unevaluated
        .extend(opens.map(|reason| object.unevaluated(reason)));
    facts.admin_claims.extend(admin_claim(object, node));
    let operator = Operator::of(&object.id, node, object.origin);
    facts.operators.extend(operator);

    let workload = Workload::of(object.id.clone(), node, object.origin);
    if let Some(workload) = workload {
        facts.workloads.push(workload);
        return true;
    }
    if kinds::is_complete(&object.id.group) {
        return false;
    }

    let by_shape = pod_shape::workloads(&object.id, node, object.origin);
    let makes_pods = !by_shape.is_empty();
    facts.workloads.extend(by_shape);
    makes_pods
}

/// A ResourceClaim, or a template of one, that asks for admin access to a device.
fn admin_claim<T: TreeValue>(object: &ObjectRef, node: &T) -> Option<ObjectRef> {
    if object.id.group != "resource.k8s.io" {
        return None;
    }
    let spec = node.member("spec")?;
    let claim = match object.id.kind.as_str() {
        "ResourceClaim" => spec,
        "ResourceClaimTemplate" => spec.member("spec")?,
        _ => return None,
    };

    let asks = |request: &T| {
        let exactly = request.member("exactly").unwrap_or(request);
        is_true(exactly.member("adminAccess"))
    };
    let mut requests = items(claim.member("devices")?.member("requests")).iter();
    requests.any(asks).then(|| object.clone())
}

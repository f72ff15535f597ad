//! The reader of pods and of the kinds that make pods.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::workload::Workload;

/// Reads a Pod, a Deployment and their like; also how a controller of an engine is started.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    if object.id.kind == "Deployment" {
        facts
            .gitops
            .read_deployment(&object.id, node, object.origin);
    }

    let workload = Workload::of(object.id.clone(), node, object.origin);
    let makes_pods = workload.is_some();
    facts.workloads.extend(workload);
    makes_pods
}

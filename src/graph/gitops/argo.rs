//! Argo's objects, none of which is evaluated yet.

use super::{Gitops, UnreadObject};
use crate::delivery::argo::GROUP;
use crate::graph::Origin;
use crate::kube::ObjectId;

/// Kinds of Argo's group that run something, and deliver nothing.
const WORKLOADS: [&str; 6] = [
    "Rollout",
    "Workflow",
    "WorkflowTemplate",
    "CronWorkflow",
    "AnalysisTemplate",
    "AnalysisRun",
];

/// Reads an object, and says whether it is Argo CD's.
pub(super) fn read(gitops: &mut Gitops, id: &ObjectId, origin: Origin) -> bool {
    let is_delivery = id.group == GROUP && !WORKLOADS.contains(&id.kind.as_str());
    if is_delivery {
        gitops.unread.push(UnreadObject {
            id: id.clone(),
            origin,
        });
    }
    is_delivery
}

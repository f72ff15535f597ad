//! The reader of quotas, of Kubernetes and of other tools, and of the API server's own queues.

use super::{Facts, ObjectRef};
use crate::document::TreeValue;
use crate::graph::quota::{self, ExemptFlow, Quota};

/// Reads a quota, a LimitRange, a PriorityClass or a FlowSchema.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let (id, origin) = (&object.id, object.origin);

    match (&*id.group, &*id.kind) {
        ("", "LimitRange") => {
            if quota::limits_claims(node) {
                facts.claim_limits.push(object.clone());
            }
        }
        ("scheduling.k8s.io", "PriorityClass") => facts.priority_classes.push(object.clone()),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => {
            facts.exempt_flows.extend(ExemptFlow::of(id, node, origin));
        }
        ("", "ResourceQuota")
        | ("quota.openshift.io", "ClusterResourceQuota" | "AppliedClusterResourceQuota")
        | ("hnc.x-k8s.io", "HierarchicalResourceQuota")
        | ("scheduling.sigs.k8s.io" | "scheduling.x-k8s.io", "ElasticQuota")
        | ("kueue.x-k8s.io", "ClusterQueue")
        | ("quota.kubesphere.io", "ResourceQuota") => {
            facts.quotas.extend(Quota::of(id, node, origin));
        }
        // The kind grants rights too: another reader may take it.
        ("capsule.clastix.io", "Tenant") => {
            facts.quotas.extend(Quota::of(id, node, origin));
            return false;
        }
        _ => return false,
    }

    true
}

//! Nodes that an identity controls by its own pods: in a namespace where neither Pod Security nor an
//! admission policy denies one that asks for its node.

use super::held::{HeldGrants, HeldRule, Reach};
use crate::graph::Cluster;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::isolation::admission::{AttackReview, NodePods, makes_pods, node_pods};

/// A node that is controlled by pods of a namespace.
#[derive(Debug)]
pub struct NodeWay {
    /// The index of the grant that lets the identity make the pods.
    pub grant: usize,
    /// What it does, and how much of it the inputs show.
    pub pods: NodePods,
}

/// The nodes that an identity controls by its own pods, for each namespace in which it has a grant.
/// Whoever makes pods in every namespace has all accounts without a node.
pub(super) fn node_ways(
    cluster: &Cluster,
    subject: &Subject,
    grants: &HeldGrants<'_>,
) -> Vec<NodeWay> {
    let mut all = Vec::new();
    let mut review = None;
    for level in grants.levels() {
        let Reach::Namespace(name) = level.reach else {
            continue;
        };
        let makes = |held: &&HeldRule<'_>| makes_pods(std::slice::from_ref(held.rule));
        let Some(held) = level.rules.iter().find(makes) else {
            continue;
        };
        let Some(at) = cluster.namespace(name) else {
            continue;
        };

        let namespace = &cluster.namespaces[at as usize];
        let review = review.get_or_insert_with(|| AttackReview::of_one(cluster));
        let rules: Vec<PolicyRule> = level.rules.iter().map(|held| held.rule.clone()).collect();
        all.extend(
            node_pods(review, namespace, subject, &rules).map(|pods| NodeWay {
                grant: held.grant,
                pods,
            }),
        );
    }
    all
}

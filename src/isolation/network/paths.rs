//! Ways in and out of namespaces, for pods that may come: with whatever labels their tenants
//! choose.
//!
//! A namespace is left open in a direction where some labels avoid every policy; else what passes
//! is what some rule of a policy lets through that some labels are selected by. Two ways meet where
//! one choice of labels and a port serves both.

use crate::graph::network::{PolicyObject, ports_meet};
use crate::graph::{Cluster, NamespaceNode};
use crate::kube::labels::{Labels, Selector, TooLarge, satisfiable};
use crate::netpol::{Direction, Peer, Port, Rule};
use ipnet::IpNet;
use std::sync::Arc;

/// Which namespaces the other end may be in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceSet {
    /// Any.
    Anywhere,
    /// These, sorted.
    In(Arc<[u32]>),
}

impl NamespaceSet {
    /// Whether a namespace is among them.
    pub fn has(&self, namespace: u32) -> bool {
        match self {
            Self::Anywhere => true,
            Self::In(list) => list.binary_search(&namespace).is_ok(),
        }
    }
}

/// One way in or out of a namespace.
#[derive(Clone, Debug)]
pub struct NetworkPath<'a> {
    /// The policy that lets it through; nothing where none governs.
    pub by: Option<(&'a PolicyObject, &'a Rule)>,
    /// Where the other end may be.
    pub span: NamespaceSet,
    /// What it does not depend on the namespace by: two ways of one shape meet the same ways.
    pub shape: PathCondition<'a>,
}

/// What of a way does not depend on where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathCondition<'a> {
    /// What must select the pod.
    own: Option<&'a Selector>,
    /// What must not.
    avoid: Vec<&'a Selector>,
    /// What must select the other pod.
    other: Option<&'a Selector>,
    /// On which ports; all where there is none.
    ports: &'a [Port],
}

impl PathCondition<'_> {
    /// Whether pods can be labelled so that a connection takes this way out and that way in.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn meets(&self, entrance: &PathCondition<'_>) -> Result<bool, TooLarge> {
        self.meets_as(entrance, [None, None])
    }

    /// The same, where the labels of one pod or both are known: of the one that sends, and of the
    /// one that is sent to.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn meets_as(
        &self,
        entrance: &PathCondition<'_>,
        labels: [Option<&Labels>; 2],
    ) -> Result<bool, TooLarge> {
        if !ports_meet(self.ports, entrance.ports) {
            return Ok(false);
        }
        let both = |labels: Option<&Labels>,
                    a: Option<&'_ Selector>,
                    b: Option<&'_ Selector>,
                    avoid: &[&Selector]| {
            let yes: Vec<&Selector> = a.into_iter().chain(b).collect();
            match labels {
                Some(labels) => Ok(yes.iter().all(|s| s.matches(labels))
                    && !avoid.iter().any(|s| s.matches(labels))),
                None => satisfiable(&yes, avoid).map(|found| found.is_some()),
            }
        };

        let [from, to] = labels;
        Ok(both(from, self.own, entrance.other, &self.avoid)?
            && both(to, entrance.own, self.other, &entrance.avoid)?)
    }

    /// Whether a port is among those that it lets through.
    pub fn has_port(&self, port: &Port) -> bool {
        ports_meet(self.ports, std::slice::from_ref(port))
    }
}

/// Whether addresses of a rule hold those of pods.
fn holds_pods(cluster: &Cluster, net: &IpNet, except: &[IpNet]) -> bool {
    // Cilium's networks select no pods: docs.cilium.io, "IP/CIDR based".
    if cluster.plugin.as_deref() == Some("cilium") {
        return false;
    }
    let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
    let usual: Vec<IpNet> = USUAL_PODS.iter().filter_map(|n| n.parse().ok()).collect();
    let pods = if cluster.pod_networks.is_empty() {
        &usual
    } else {
        &cluster.pod_networks
    };
    pods.iter()
        .any(|pods| overlap(net, pods) && !except.iter().any(|e| e.contains(pods)))
}

/// Where pods are when nobody says so: private addresses, and those of carriers.
const USUAL_PODS: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

/// Every way in or out of a namespace.
///
/// # Errors
/// The selectors are too many to tell whether some pod is not governed.
pub fn paths<'a>(
    cluster: &'a Cluster,
    namespace: &NamespaceNode,
    direction: Direction,
) -> Result<Vec<NetworkPath<'a>>, TooLarge> {
    let policies = namespace
        .policies
        .iter()
        .map(|at| &cluster.facts.policies[*at as usize]);

    let governing: Vec<(&PolicyObject, &[Rule])> = policies
        .filter_map(|object| Some((object, object.spec.rules(direction)?)))
        .collect();
    let mut all = Vec::new();
    let mut avoid: Vec<&Selector> = governing
        .iter()
        .map(|(object, _)| &object.spec.pods)
        .collect();

    avoid.sort();
    avoid.dedup();

    if satisfiable(&[], &avoid)?.is_some() {
        let shape = PathCondition {
            own: None,
            avoid,
            other: None,
            ports: &[],
        };
        all.push(NetworkPath {
            by: None,
            span: NamespaceSet::Anywhere,
            shape,
        });
    }

    for (policy, rules) in governing {
        for rule in rules {
            let mut add = |span, other| {
                let shape = PathCondition {
                    own: Some(&policy.spec.pods),
                    avoid: Vec::new(),
                    other,
                    ports: &rule.ports,
                };
                all.push(NetworkPath {
                    by: Some((policy, rule)),
                    span,
                    shape,
                });
            };

            if rule.peers.is_empty() {
                add(NamespaceSet::Anywhere, None);
            }
            for peer in &rule.peers {
                match peer {
                    Peer::Pods {
                        namespaces: None,
                        pods,
                    } => {
                        let own: Vec<u32> = cluster
                            .namespace(&policy.id.namespace)
                            .into_iter()
                            .collect();
                        add(NamespaceSet::In(own.into()), Some(pods));
                    }
                    Peer::Pods {
                        namespaces: Some(selector),
                        pods,
                    } if selector.is_everything() => {
                        add(NamespaceSet::Anywhere, Some(pods));
                    }
                    Peer::Pods {
                        namespaces: Some(selector),
                        pods,
                    } => {
                        add(NamespaceSet::In(cluster.select(selector)), Some(pods));
                    }
                    Peer::Block { net, except } if holds_pods(cluster, net, except) => {
                        add(NamespaceSet::Anywhere, None)
                    }
                    Peer::Block { .. } => {}
                }
            }
        }
    }

    Ok(all)
}

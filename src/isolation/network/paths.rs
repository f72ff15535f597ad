//! The network paths in and out of namespaces, for every pod that their tenants may create.
//!
//! A tenant chooses the labels of its pods. A namespace is open in a direction if some labels avoid
//! every policy. Otherwise a connection passes if a rule of a policy that selects the pod lets it
//! through. A path out and a path in meet if one choice of labels and one port serve both.

use crate::graph::network::{PolicyObject, ports_meet};
use crate::graph::{Cluster, NamespaceNode};
use crate::isolation::{Step, at};
use crate::kube::labels::{Labels, Selector, TooLarge, satisfiable};
use crate::netpol::{Direction, Peer, Port, Rule};
use crate::source::Span;
use ipnet::IpNet;
use std::sync::Arc;

/// The namespaces that the other end of a connection may be in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceSet {
    /// Every namespace.
    Anywhere,
    /// The namespaces with these indices, sorted.
    In(Arc<[u32]>),
}

impl NamespaceSet {
    /// Whether a namespace is in the set.
    pub fn has(&self, namespace: u32) -> bool {
        match self {
            Self::Anywhere => true,
            Self::In(list) => list.binary_search(&namespace).is_ok(),
        }
    }
}

/// One path in or out of a namespace.
#[derive(Clone, Debug)]
pub struct NetworkPath<'a> {
    /// The policy and the rule that let it through; `None` if no policy governs it.
    pub by: Option<(&'a PolicyObject, &'a Rule)>,
    /// The namespaces that the other end may be in.
    pub namespaces: NamespaceSet,
    /// What it requires of the pods and the port.
    pub condition: PathCondition<'a>,
}

impl NetworkPath<'_> {
    /// The step of a chain that this path is. `fallback` is its place if no policy governs it.
    pub fn step(&self, direction: Direction, namespace: &NamespaceNode, fallback: Span) -> Step {
        let (word, name) = (preposition(direction), &namespace.name);
        match self.by {
            Some((policy, rule)) => Step::new(
                at(rule.span, policy.origin),
                format!("{} lets it {word} `{name}`", policy.id.called()),
            ),
            None => Step::new(
                fallback,
                format!("no policy governs what goes {word} `{name}`"),
            ),
        }
    }
}

/// The word before the namespace that a connection leaves or enters.
pub const fn preposition(direction: Direction) -> &'static str {
    match direction {
        Direction::Egress => "out of",
        Direction::Ingress => "into",
    }
}

/// What a path requires of the pods and the port, whichever namespace it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathCondition<'a> {
    /// Must select the pod of the path's namespace.
    own: Option<&'a Selector>,
    /// None of them may select the pod of the path's namespace.
    avoid: Vec<&'a Selector>,
    /// Must select the pod at the other end.
    other: Option<&'a Selector>,
    /// The ports that it lets through; every port if empty.
    ports: &'a [Port],
}

/// The labels of the pods at both ends of a connection; `None` stands for any labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct EndLabels<'a> {
    /// The labels of the pod that sends.
    pub from: Option<&'a Labels>,
    /// The labels of the pod that receives.
    pub to: Option<&'a Labels>,
}

impl PathCondition<'_> {
    /// Whether pods can be labelled so that a connection takes this path out and that path in.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn meets(&self, entrance: &PathCondition<'_>) -> Result<bool, TooLarge> {
        self.meets_as(entrance, EndLabels::default())
    }

    /// Does the same for pods of which some labels are known.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn meets_as(
        &self,
        entrance: &PathCondition<'_>,
        labels: EndLabels<'_>,
    ) -> Result<bool, TooLarge> {
        if !ports_meet(self.ports, entrance.ports) {
            return Ok(false);
        }
        Ok(
            can_be_labelled(labels.from, [self.own, entrance.other], &self.avoid)?
                && can_be_labelled(labels.to, [entrance.own, self.other], &entrance.avoid)?,
        )
    }

    /// Whether the path lets a port through.
    pub fn has_port(&self, port: &Port) -> bool {
        ports_meet(self.ports, std::slice::from_ref(port))
    }
}

/// Whether a pod, with these labels if they are known, can be selected by some and not by others.
fn can_be_labelled(
    labels: Option<&Labels>,
    selected: [Option<&Selector>; 2],
    avoid: &[&Selector],
) -> Result<bool, TooLarge> {
    let selected: Vec<&Selector> = selected.into_iter().flatten().collect();
    match labels {
        Some(labels) => Ok(selected.iter().all(|selector| selector.matches(labels))
            && !avoid.iter().any(|selector| selector.matches(labels))),
        None => satisfiable(&selected, avoid).map(|found| found.is_some()),
    }
}

/// Whether a network of a rule contains addresses of pods.
fn holds_pods(cluster: &Cluster, net: &IpNet, except: &[IpNet]) -> bool {
    // Cilium's networks select no pods: docs.cilium.io, "IP/CIDR based".
    if cluster.plugin.as_deref() == Some("cilium") {
        return false;
    }

    let usual: Vec<IpNet> = USUAL_POD_NETWORKS
        .iter()
        .filter_map(|network| network.parse().ok())
        .collect();
    let pod_networks = match cluster.pod_networks.as_slice() {
        [] => &usual,
        declared => declared,
    };

    pod_networks.iter().any(|pods| {
        let overlap = net.contains(pods) || pods.contains(net);
        overlap && !except.iter().any(|except| except.contains(pods))
    })
}

/// The addresses that pods have if the fleet declares none: private ones, and those of carriers.
const USUAL_POD_NETWORKS: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
];

/// The policies of a namespace that govern a direction, each with its rules.
pub fn governing<'a>(
    cluster: &'a Cluster,
    namespace: &NamespaceNode,
    direction: Direction,
) -> impl Iterator<Item = (&'a PolicyObject, &'a [Rule])> {
    namespace
        .policies
        .iter()
        .map(|at| &cluster.facts.policies[*at as usize])
        .filter_map(move |policy| Some((policy, policy.spec.rules(direction)?)))
}

/// Every path in or out of a namespace.
///
/// # Errors
/// The selectors are too many to tell whether some pod is not governed.
pub fn paths<'a>(
    cluster: &'a Cluster,
    namespace: &NamespaceNode,
    direction: Direction,
) -> Result<Vec<NetworkPath<'a>>, TooLarge> {
    let governing: Vec<_> = governing(cluster, namespace, direction).collect();
    let mut paths = Vec::new();

    let mut selectors: Vec<&Selector> = governing
        .iter()
        .map(|(policy, _)| &policy.spec.pods)
        .collect();
    selectors.sort();
    selectors.dedup();

    if satisfiable(&[], &selectors)?.is_some() {
        paths.push(NetworkPath {
            by: None,
            namespaces: NamespaceSet::Anywhere,
            condition: PathCondition {
                own: None,
                avoid: selectors,
                other: None,
                ports: &[],
            },
        });
    }

    for (policy, rules) in governing {
        for rule in rules {
            let peers = peers(cluster, policy, rule).into_iter();
            paths.extend(peers.map(|(namespaces, other)| NetworkPath {
                by: Some((policy, rule)),
                namespaces,
                condition: PathCondition {
                    own: Some(&policy.spec.pods),
                    avoid: Vec::new(),
                    other,
                    ports: &rule.ports,
                },
            }));
        }
    }

    Ok(paths)
}

/// The pods that a rule names as peers: their namespaces, and the selector of the pods.
fn peers<'a>(
    cluster: &Cluster,
    policy: &PolicyObject,
    rule: &'a Rule,
) -> Vec<(NamespaceSet, Option<&'a Selector>)> {
    if rule.peers.is_empty() {
        return vec![(NamespaceSet::Anywhere, None)];
    }

    let peer = |peer: &'a Peer| match peer {
        Peer::Pods {
            namespaces: None,
            pods,
        } => {
            let own: Vec<u32> = cluster
                .namespace(&policy.id.namespace)
                .into_iter()
                .collect();
            Some((NamespaceSet::In(own.into()), Some(pods)))
        }
        Peer::Pods {
            namespaces: Some(selector),
            pods,
        } if selector.is_everything() => Some((NamespaceSet::Anywhere, Some(pods))),
        Peer::Pods {
            namespaces: Some(selector),
            pods,
        } => Some((NamespaceSet::In(cluster.select(selector)), Some(pods))),
        Peer::Block { net, except } => {
            holds_pods(cluster, net, except).then_some((NamespaceSet::Anywhere, None))
        }
    };

    rule.peers.iter().filter_map(peer).collect()
}

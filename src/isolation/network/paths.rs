//! The network paths in and out of namespaces, for every pod that their tenants may create.
//!
//! A tenant chooses the labels of its pods. A namespace is open in a direction if some labels avoid
//! every policy. Otherwise a connection passes if a rule of a policy that selects the pod lets it
//! through. A path out and a path in meet if one choice of labels and one port serve both.

use crate::graph::network::{NamedPort, PolicyObject, port_meets};
use crate::graph::{Cluster, NamespaceNode};
use crate::isolation::{Step, at};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Selector, TooLarge, satisfiable};
use crate::netpol::addresses::AddressSet;
use crate::netpol::{Direction, Peer, Port, Ports, Rule};
use crate::source::Span;
use ipnet::IpNet;
use std::sync::Arc;
use std::sync::LazyLock;

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
    /// The network that pods are assumed to have addresses of, if the path rests on that.
    pub assumed: Option<IpNet>,
    /// What it requires of the pods and the port.
    pub condition: PathCondition<'a>,
}

impl NetworkPath<'_> {
    /// The step of a chain that this path is. `fallback` is its place if no policy governs it.
    pub fn step(&self, direction: Direction, namespace: &NamespaceNode, fallback: Span) -> Step {
        self.step_on("", direction, namespace, fallback)
    }

    /// The same with a clause that names the ports.
    pub fn step_on(
        &self,
        ports: &str,
        direction: Direction,
        namespace: &NamespaceNode,
        fallback: Span,
    ) -> Step {
        let (word, name) = (preposition(direction), &namespace.name);
        match self.by {
            Some((policy, rule)) => Step::new(
                at(rule.span, policy.origin),
                format!(
                    "{} lets it {word} `{name}`{ports}{}",
                    policy.id.called(),
                    assumption(self.assumed)
                ),
            )
            .through(&policy.id),
            None => Step::new(
                fallback,
                format!("no policy governs what goes {word} `{name}`"),
            )
            .through(&ObjectId::of_namespace(name.clone())),
        }
    }
}

/// The clause by which a step says that it rests on the addresses of pods; empty if it does not.
pub fn assumption(network: Option<IpNet>) -> String {
    network.map_or_else(String::new, |network| {
        format!(", if pods have addresses of {network}: the podCIDRs of the cluster say whether")
    })
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
    /// The ports that the pod that receives names; `None` if the pod is not known, and may give any
    /// name to any port.
    pub to_ports: Option<&'a [NamedPort]>,
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
        if !self.shares_port(entrance, labels.to_ports) {
            return Ok(false);
        }
        Ok(
            can_be_labelled(labels.from, [self.own, entrance.other], &self.avoid)?
                && can_be_labelled(labels.to, [entrance.own, self.other], &entrance.avoid)?,
        )
    }

    /// Whether the path and a path in let a port through together. `named` are the ports that the
    /// destination names, if it is known.
    pub fn shares_port(&self, entrance: &PathCondition<'_>, named: Option<&[NamedPort]>) -> bool {
        PathPorts::of(self.ports, named).meet(&PathPorts::of(entrance.ports, named))
    }

    /// Whether the pod of the path's namespace and the pod at the other end can be pods of the path.
    /// `None` stands for any labels.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn has_pods(&self, own: Option<&Labels>, other: Option<&Labels>) -> Result<bool, TooLarge> {
        Ok(can_be_labelled(own, [self.own, None], &self.avoid)?
            && can_be_labelled(other, [self.other, None], &[])?)
    }

    /// Whether the path lets a port through. `named` are the ports that the destination names, if it
    /// is known.
    pub fn has_port(&self, port: &Port, named: Option<&[NamedPort]>) -> bool {
        lets_port(self.ports, Some(port), named)
    }

    /// The ports that it lets through; every port if empty.
    pub const fn ports(&self) -> &[Port] {
        self.ports
    }

    /// Whether it is for DNS alone.
    pub fn is_dns_alone(&self) -> bool {
        !self.ports.is_empty()
            && self
                .ports
                .iter()
                .all(|port| port.ports == Ports::Range(53, 53))
    }

    /// Whether each connection that another path lets through to a path of the other end is one of
    /// some paths too, whichever pods of their own namespace take part.
    pub fn covers<'p>(
        paths: impl Iterator<Item = &'p PathCondition<'p>>,
        other: &PathCondition<'_>,
        entrance: &PathCondition<'_>,
    ) -> bool {
        let paths: Vec<&PathCondition<'_>> = paths
            .filter(|path| {
                let all = path.other.is_none_or(Selector::is_everything);
                all || path.other == other.other || path.other == entrance.own
            })
            .collect();
        if paths.iter().any(|path| path.ports.is_empty()) {
            return true;
        }

        let lets = |port: &Port| {
            paths
                .iter()
                .flat_map(|path| path.ports)
                .any(|own| holds_port(own, port))
        };
        let (some, more) = (other.ports, entrance.ports);
        if some.is_empty() || more.is_empty() {
            let stated = if some.is_empty() { more } else { some };
            return !stated.is_empty() && stated.iter().all(lets);
        }
        let shared = some
            .iter()
            .flat_map(|left| more.iter().filter_map(|right| shared_ports(left, right)));
        shared.into_iter().all(|port| lets(&port))
    }
}

/// The ports of a path, when a destination may be known.
enum PathPorts {
    /// Every port.
    Every,
    /// These; none if there are none.
    Some(Vec<Port>),
}

/// Whether the ports of a rule let a port through; some port, if `None` is asked about. `named` are
/// the ports that the destination names, if it is known.
pub fn lets_port(ports: &[Port], port: Option<&Port>, named: Option<&[NamedPort]>) -> bool {
    let asked = match port {
        None => PathPorts::Every,
        Some(port) => PathPorts::of(std::slice::from_ref(port), named),
    };
    PathPorts::of(ports, named).meet(&asked)
}

impl PathPorts {
    /// The ports that a rule lets through, with the numbers that a destination gives to their names.
    fn of(ports: &[Port], named: Option<&[NamedPort]>) -> Self {
        if ports.is_empty() {
            return Self::Every;
        }
        let Some(named) = named else {
            return Self::Some(ports.to_vec());
        };

        let numbers = ports.iter().flat_map(|port| match &port.ports {
            Ports::Named(name) => named
                .iter()
                .filter(|own| own.name == *name && own.protocol == port.protocol)
                .map(|own| Port {
                    protocol: own.protocol,
                    ports: Ports::Range(own.port, own.port),
                })
                .collect(),
            _ => vec![port.clone()],
        });
        Self::Some(numbers.collect())
    }

    fn meet(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Every, Self::Every) => true,
            (Self::Every, Self::Some(ports)) | (Self::Some(ports), Self::Every) => {
                !ports.is_empty()
            }
            (Self::Some(own), Self::Some(other)) => own
                .iter()
                .any(|port| other.iter().any(|other| port_meets(port, other))),
        }
    }
}

/// The ports that two have in common, or more: a name can stand for any number.
fn shared_ports(left: &Port, right: &Port) -> Option<Port> {
    if !port_meets(left, right) {
        return None;
    }
    let ports = match (&left.ports, &right.ports) {
        (Ports::Range(first, last), Ports::Range(from, to)) => {
            Ports::Range(*first.max(from), *last.min(to))
        }
        (own, Ports::All) | (own @ Ports::Range(..), Ports::Named(_)) => own.clone(),
        (_, other) => other.clone(),
    };
    let protocol = right.protocol;
    Some(Port { protocol, ports })
}

/// Whether some ports hold others.
fn holds_port(own: &Port, other: &Port) -> bool {
    own.protocol == other.protocol
        && match (&own.ports, &other.ports) {
            (Ports::All, _) => true,
            (Ports::Range(first, last), Ports::Range(from, to)) => first <= from && to <= last,
            (own, other) => own == other,
        }
}

/// Whether a pod, with these labels if they are known, can be selected by some and not by others.
pub fn can_be_labelled(
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

/// The first network of pods of which some addresses have one.
pub fn pod_network(cluster: &Cluster, addresses: &AddressSet) -> Option<IpNet> {
    // Cilium's networks select no pods: docs.cilium.io, "IP/CIDR based".
    if is_on_cilium(cluster) {
        return None;
    }
    meeting_network(pod_networks(cluster), addresses)
}

/// Whether the network plugin is Cilium.
pub fn is_on_cilium(cluster: &Cluster) -> bool {
    cluster.plugin.as_deref() == Some("cilium")
}

/// The first of some networks that has one of some addresses.
pub fn meeting_network(networks: &[IpNet], addresses: &AddressSet) -> Option<IpNet> {
    let meets = |net: &&IpNet| addresses.meets(&AddressSet::new(net, &[]));
    networks.iter().find(meets).copied()
}

/// The networks of pods that the fleet declares; the usual ones if it declares none.
pub fn pod_networks(cluster: &Cluster) -> &[IpNet] {
    declared_or_usual(&cluster.pod_networks)
}

/// Networks that the fleet declares; the usual ones if it declares none.
pub fn declared_or_usual(declared: &[IpNet]) -> &[IpNet] {
    match declared {
        [] => &USUAL_NETWORKS,
        declared => declared,
    }
}

/// The networks that pods and nodes have if the fleet declares none: private ones, and those of
/// carriers.
static USUAL_NETWORKS: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    const NETWORKS: [&str; 5] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    ];
    let networks = NETWORKS.iter();
    networks.filter_map(|net| net.parse().ok()).collect()
});

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
            assumed: None,
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
            paths.extend(peers.map(|peer| NetworkPath {
                by: Some((policy, rule)),
                namespaces: peer.namespaces,
                assumed: peer.assumed,
                condition: PathCondition {
                    own: Some(&policy.spec.pods),
                    avoid: Vec::new(),
                    other: peer.pods,
                    ports: &rule.ports,
                },
            }));
        }
    }

    Ok(paths)
}

/// Pods that a rule names as peers.
struct RulePeer<'a> {
    namespaces: NamespaceSet,
    pods: Option<&'a Selector>,
    /// The network that pods are assumed to have addresses of, if the peer is a network and the
    /// cluster declares none of its pods.
    assumed: Option<IpNet>,
}

impl<'a> RulePeer<'a> {
    const fn new(namespaces: NamespaceSet, pods: Option<&'a Selector>) -> Self {
        Self {
            namespaces,
            pods,
            assumed: None,
        }
    }
}

/// The pods that a rule names as peers.
fn peers<'a>(cluster: &Cluster, policy: &PolicyObject, rule: &'a Rule) -> Vec<RulePeer<'a>> {
    if rule.peers.is_empty() {
        return vec![RulePeer::new(NamespaceSet::Anywhere, None)];
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
            Some(RulePeer::new(NamespaceSet::In(own.into()), Some(pods)))
        }
        Peer::Pods {
            namespaces: Some(selector),
            pods,
        } if selector.is_everything() => Some(RulePeer::new(NamespaceSet::Anywhere, Some(pods))),
        Peer::Pods {
            namespaces: Some(selector),
            pods,
        } => {
            let selected = NamespaceSet::In(cluster.select(selector));
            Some(RulePeer::new(selected, Some(pods)))
        }
        Peer::Block { net, except } => {
            let pods = pod_network(cluster, &AddressSet::new(net, except))?;
            let assumed = cluster.pod_networks.is_empty().then_some(pods);
            Some(RulePeer {
                assumed,
                ..RulePeer::new(NamespaceSet::Anywhere, None)
            })
        }
    };

    rule.peers.iter().filter_map(peer).collect()
}

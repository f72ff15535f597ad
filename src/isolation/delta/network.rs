//! The paths of the network that a namespace has in one state and not in another.
//!
//! A path is held by several together: ports, networks and selectors are compared as unions. So a
//! range that is split in two is the same range.

use crate::graph::{Cluster, NamespaceNode};
use crate::kube::labels::{Op, Requirement, Selector, satisfiable};
use crate::kube::names::NAME_LABEL;
use crate::netpol::addresses::AddressSet;
use crate::netpol::{Direction, Peer, Port, Ports, Protocol, Rule};
use crate::value::Text;
use std::collections::BTreeSet;
use std::fmt;

/// What a direction of the network of a namespace lets through.
#[derive(Debug, Default)]
struct Traffic<'a> {
    /// The pods of each policy that governs it; a pod of none is not governed.
    governed: Vec<&'a Selector>,
    paths: BTreeSet<Path>,
}

/// A path: from some pods of a namespace, or to them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Path {
    end: End,
    /// Every port, and every protocol, if `None`.
    port: Option<Port>,
    /// The pods of the namespace.
    pods: Selector,
}

/// The other end of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// Every pod, and every address.
    Anything,
    /// Pods of the same namespace.
    Itself(Selector),
    /// Pods of every namespace.
    Everyone(Selector),
    /// Pods of one other namespace.
    Namespace(Text, Selector),
    /// Pods of each namespace with some labels, also of later ones.
    Labelled(Selector, Selector),
    /// The addresses of a network, without those of others.
    Addresses(ipnet::IpNet, Vec<ipnet::IpNet>),
}

/// The paths of a namespace that it does not have in another state; all if `None`.
pub fn beyond(
    cluster: &Cluster,
    namespace: &NamespaceNode,
    other: Option<(&Cluster, &NamespaceNode)>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for direction in Direction::BOTH {
        let traffic = Traffic::new(cluster, namespace, direction);
        let known = other.map(|(cluster, node)| Traffic::new(cluster, node, direction));
        lines.extend(traffic.beyond(known.as_ref(), &namespace.name, direction));
    }
    lines
}

/// The same of a namespace of the platform. One that the other state does not name is there all the
/// same, and no policy governs its pods.
pub fn beyond_of_platform(
    cluster: &Cluster,
    namespace: &NamespaceNode,
    other: Option<&Cluster>,
    counterpart: Option<(&Cluster, &NamespaceNode)>,
) -> Vec<String> {
    let was_governed = counterpart.is_some_and(|(_, node)| !node.policies.is_empty());
    if namespace.policies.is_empty() && !was_governed {
        return Vec::new();
    }

    match (other, counterpart) {
        (Some(_), None) => Direction::BOTH
            .into_iter()
            .flat_map(|direction| {
                let traffic = Traffic::new(cluster, namespace, direction);
                traffic.beyond(Some(&Traffic::default()), &namespace.name, direction)
            })
            .collect(),
        _ => beyond(cluster, namespace, counterpart),
    }
}

impl<'a> Traffic<'a> {
    fn new(cluster: &'a Cluster, namespace: &NamespaceNode, direction: Direction) -> Self {
        let mut traffic = Self::default();
        let policies = namespace
            .policies
            .iter()
            .map(|at| &cluster.facts.policies[*at as usize]);

        for policy in policies {
            let Some(rules) = policy.spec.rules(direction) else {
                continue;
            };
            traffic.governed.push(&policy.spec.pods);
            for rule in rules {
                traffic.add_rule(cluster, namespace, &policy.spec.pods, rule);
            }
        }
        traffic
    }

    fn add_rule(
        &mut self,
        cluster: &Cluster,
        namespace: &NamespaceNode,
        pods: &Selector,
        rule: &Rule,
    ) {
        let ports: Vec<Option<&Port>> = match rule.ports.is_empty() {
            true => vec![None],
            false => rule.ports.iter().map(Some).collect(),
        };
        for end in ends(cluster, &namespace.name, rule) {
            self.paths.extend(ports.iter().map(|port| Path {
                end: end.clone(),
                port: port.cloned(),
                pods: pods.clone(),
            }));
        }
    }

    /// A line for each part of it that another state does not have; for each part if `None`.
    fn beyond(&self, other: Option<&Self>, namespace: &Text, direction: Direction) -> Vec<String> {
        let arrow = match direction {
            Direction::Egress => "->",
            Direction::Ingress => "<-",
        };

        let mut lines = Vec::new();
        if self.has_more_ungoverned(other) {
            lines.push(format!(
                "`{namespace}` {arrow} anything, for pods that no policy selects"
            ));
        }

        let is_new = |path: &&Path| {
            !other.is_some_and(|other| other.paths.contains(*path) || other.holds(path))
        };
        let new = self.paths.iter().filter(is_new);
        lines.extend(new.map(|path| format!("`{namespace}` {arrow} {path}")));
        lines
    }

    /// Whether pods are governed by no policy that are governed in another state.
    fn has_more_ungoverned(&self, other: Option<&Self>) -> bool {
        // Where it cannot be told, it is said.
        let is_possible = |yes: &[&Selector]| !matches!(satisfiable(yes, &self.governed), Ok(None));
        match other {
            None => is_possible(&[]),
            Some(other) => other.governed.iter().any(|pods| is_possible(&[pods])),
        }
    }

    /// Whether the paths together allow all that another one does.
    fn holds(&self, path: &Path) -> bool {
        let nearby: Vec<(&Path, AddressSet)> = self
            .paths
            .iter()
            .filter(|own| own.end.may_hold(&path.end))
            .map(|own| (own, own.end.addresses()))
            .collect();

        port_cells(path, &nearby).iter().all(|cell| {
            let on_port: Vec<&(&Path, AddressSet)> = nearby
                .iter()
                .filter(|(own, _)| cell.is_in(own.port.as_ref()))
                .collect();
            self.holds_on_port(path, &on_port)
        })
    }

    /// The same on a part of the ports, by paths that have all of this part.
    fn holds_on_port(&self, path: &Path, own: &[&(&Path, AddressSet)]) -> bool {
        if !matches!(path.end, End::Addresses(..)) {
            let pods: Vec<&Selector> = own.iter().map(|(own, _)| &own.pods).collect();
            return self.selects_all(&path.pods, &pods);
        }

        let sets: Vec<&AddressSet> = own.iter().map(|(_, set)| set).collect();
        path.end.addresses().cells(&sets).into_iter().all(|cell| {
            let there = own
                .iter()
                .filter(|(own, set)| own.end == End::Anything || set.holds(cell));
            let pods: Vec<&Selector> = there.map(|(own, _)| &own.pods).collect();
            self.selects_all(&path.pods, &pods)
        })
    }

    /// Whether each pod of `pods` is one of `own`, or is governed by no policy.
    fn selects_all(&self, pods: &Selector, own: &[&Selector]) -> bool {
        let has_all = |own: &&Selector| own.is_everything() || *own == pods;
        own.iter().any(has_all)
            || self
                .governed
                .iter()
                .all(|governed| satisfiable(&[pods, governed], own) == Ok(None))
    }
}

/// A part of the ports of a path. Each path nearby has all of it, or nothing of it.
enum PortCell {
    /// Protocols without ports.
    Other,
    Range(Protocol, u16, u16),
    Named(Protocol, Text),
}

impl PortCell {
    /// Whether the ports of a path have all of it.
    fn is_in(&self, port: Option<&Port>) -> bool {
        let Some(Port { protocol, ports }) = port else {
            return true;
        };
        match (self, ports) {
            (Self::Other, _) => false,
            (Self::Range(own, ..) | Self::Named(own, _), Ports::All) => own == protocol,
            (Self::Range(own, first, last), Ports::Range(from, to)) => {
                own == protocol && from <= first && last <= to
            }
            (Self::Named(own, name), Ports::Named(other)) => own == protocol && name == other,
            _ => false,
        }
    }
}

/// The ports of a path, cut at each border of the paths nearby.
fn port_cells(path: &Path, nearby: &[(&Path, AddressSet)]) -> Vec<PortCell> {
    let range = |protocol, first, last| {
        let borders = nearby.iter().filter_map(|(own, _)| match &own.port {
            Some(Port {
                protocol: own,
                ports: Ports::Range(from, to),
            }) if *own == protocol => Some([Some(*from), to.checked_add(1)]),
            _ => None,
        });
        let within: BTreeSet<u16> = borders
            .flatten()
            .flatten()
            .filter(|at| first < *at && *at <= last)
            .collect();

        let mut cells = Vec::new();
        let mut start = first;
        for border in within {
            cells.push(PortCell::Range(protocol, start, border - 1));
            start = border;
        }
        cells.push(PortCell::Range(protocol, start, last));
        cells
    };

    match &path.port {
        None => [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .into_iter()
            .flat_map(|protocol| range(protocol, 1, u16::MAX))
            .chain([PortCell::Other])
            .collect(),
        Some(Port { protocol, ports }) => match ports {
            Ports::All => range(*protocol, 1, u16::MAX),
            Ports::Range(first, last) => range(*protocol, *first, *last),
            Ports::Named(name) => vec![PortCell::Named(*protocol, name.clone())],
        },
    }
}

impl End {
    /// Whether it holds another one; of addresses, whether it may hold some of them.
    fn may_hold(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anything, _) | (Self::Addresses(..), Self::Addresses(..)) => true,
            (Self::Itself(own), Self::Itself(other)) => covers(own, other),
            (
                Self::Everyone(own),
                Self::Everyone(other)
                | Self::Namespace(_, other)
                | Self::Labelled(_, other)
                | Self::Itself(other),
            ) => covers(own, other),
            (Self::Namespace(a, own), Self::Namespace(b, other)) => a == b && covers(own, other),
            (Self::Labelled(a, own), Self::Labelled(b, other)) => {
                covers(a, b) && covers(own, other)
            }
            _ => false,
        }
    }

    /// Its addresses; empty for pods.
    fn addresses(&self) -> AddressSet {
        match self {
            Self::Addresses(net, except) => AddressSet::new(net, except),
            _ => AddressSet::default(),
        }
    }
}

/// Whether a selector selects each thing that another selects.
fn covers(own: &Selector, other: &Selector) -> bool {
    own.is_everything() || own == other || satisfiable(&[other], &[own]) == Ok(None)
}

/// The other ends of a rule of a namespace.
fn ends(cluster: &Cluster, home: &Text, rule: &Rule) -> Vec<End> {
    if rule.peers.is_empty() {
        return vec![End::Anything];
    }

    let of_namespace = |name: &Text, pods: &Selector| match name == home {
        true => End::Itself(pods.clone()),
        false => End::Namespace(name.clone(), pods.clone()),
    };

    let mut all = Vec::new();
    for peer in &rule.peers {
        match peer {
            Peer::Block { net, except } => all.push(End::Addresses(*net, except.clone())),
            Peer::Pods {
                namespaces: None,
                pods,
            } => all.push(End::Itself(pods.clone())),
            Peer::Pods {
                namespaces: Some(selector),
                pods,
            } if selector.is_everything() => all.push(End::Everyone(pods.clone())),
            Peer::Pods {
                namespaces: Some(selector),
                pods,
            } => {
                let name = |at: &u32| &cluster.namespaces[*at as usize].name;
                let selected = cluster.select(selector);
                let there = selected.iter().map(name);
                all.extend(there.map(|name| of_namespace(name, pods)));

                match is_of_names(selector) {
                    // A namespace that is named, and not there yet.
                    Some(names) => all.extend(names.iter().map(|name| of_namespace(name, pods))),
                    None => all.push(End::Labelled(selector.clone(), pods.clone())),
                }
            }
        }
    }
    all
}

/// The names that a selector of namespaces lists, if it asks for nothing else.
fn is_of_names(selector: &Selector) -> Option<&[Text]> {
    match selector.0.as_slice() {
        [_] => selector.pinned(NAME_LABEL),
        _ => None,
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |pods: &Selector| match pods.is_everything() {
            true => "",
            false => " (some pods)",
        };

        match &self.end {
            End::Anything => write!(f, "anything")?,
            End::Itself(pods) => write!(f, "itself{}", part(pods))?,
            End::Everyone(pods) => write!(f, "every namespace{}", part(pods))?,
            End::Namespace(name, pods) => write!(f, "`{name}`{}", part(pods))?,
            End::Labelled(labels, pods) => {
                let labels: Vec<String> = labels.0.iter().map(requirement).collect();
                let (labels, part) = (labels.join(", "), part(pods));
                write!(f, "namespaces with {labels}{part}")?;
            }
            End::Addresses(net, except) if except.is_empty() => write!(f, "{net}")?,
            End::Addresses(net, except) => {
                let except: Vec<String> = except.iter().map(ToString::to_string).collect();
                write!(f, "{net} except {}", except.join(", "))?;
            }
        }

        if let Some(Port { protocol, ports }) = &self.port {
            let protocol = protocol.name();
            match ports {
                Ports::All => write!(f, " on {protocol}")?,
                Ports::Range(first, last) if first == last => write!(f, " on {protocol}/{first}")?,
                Ports::Range(first, last) => write!(f, " on {protocol}/{first}-{last}")?,
                Ports::Named(name) => write!(f, " on {protocol}/{name}")?,
            }
        }

        f.write_str(match self.pods.is_everything() {
            true => "",
            false => ", for some of its pods",
        })
    }
}

/// A requirement of labels, as kubectl writes it.
fn requirement(requirement: &Requirement) -> String {
    let Requirement { key, op } = requirement;
    let list = |values: &[Text]| {
        let values: Vec<&str> = values.iter().map(Text::as_str).collect();
        values.join(", ")
    };
    match op {
        Op::In(values) if values.len() == 1 => format!("{key}={}", values[0]),
        Op::In(values) => format!("{key} in ({})", list(values)),
        Op::NotIn(values) => format!("{key} notin ({})", list(values)),
        Op::Exists => key.to_string(),
        Op::DoesNotExist => format!("!{key}"),
    }
}

//! The network policies of a cluster, and what they allow between two pods.
//!
//! Source: kubernetes.io/docs/concepts/services-networking/network-policies. Where a policy selects
//! a pod and governs a direction, only the connections that some policy allows pass. Where none
//! does, every connection passes.

use super::object::Origin;
use crate::kube::ObjectId;
use crate::kube::labels::Labels;
use crate::netpol::{Direction, Peer, Policy, Port, Ports, Protocol, Rule};
use crate::value::Text;
use std::net::IpAddr;

/// An object of a cluster that holds a network policy.
#[derive(Clone, Debug)]
pub struct PolicyObject {
    /// The identity of the object.
    pub id: ObjectId,
    /// The policy that it holds.
    pub spec: Policy,
    /// The document that the object comes from.
    pub origin: Origin,
}

/// A port that a container declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// The name.
    pub name: Text,
    /// The protocol.
    pub protocol: Protocol,
    /// The number.
    pub port: u16,
}

/// One end of a connection, when it is known.
#[derive(Clone, Copy, Debug)]
pub struct FlowEnd<'a> {
    /// The name of its namespace.
    pub namespace: &'a str,
    /// The labels of its namespace.
    pub namespace_labels: &'a Labels,
    /// Its own.
    pub labels: &'a Labels,
    /// Its addresses.
    pub ips: &'a [IpAddr],
    /// The ports that it names.
    pub ports: &'a [NamedPort],
}

/// What policies say of a connection in one direction.
#[derive(Clone, Copy, Debug)]
pub enum FlowVerdict<'a> {
    /// No policy governs the pod in that direction.
    Open,
    /// A rule of a policy lets it through.
    Allowed(&'a PolicyObject, &'a Rule),
    /// Policies govern the pod, and none lets it through; one of them.
    Denied(&'a PolicyObject),
}

impl FlowVerdict<'_> {
    /// Whether the connection passes.
    pub const fn passes(&self) -> bool {
        !matches!(self, Self::Denied(_))
    }
}

/// Whether a rule allows a port of a connection. `named` are the ports that the destination names.
fn allows_port(rule: &Rule, protocol: Protocol, port: u16, named: &[NamedPort]) -> bool {
    rule.ports.is_empty()
        || rule.ports.iter().any(|allowed| {
            allowed.protocol == protocol
                && match &allowed.ports {
                    Ports::All => true,
                    Ports::Range(first, last) => (*first..=*last).contains(&port),
                    Ports::Named(name) => named.iter().any(|own| {
                        own.name == *name && own.protocol == protocol && own.port == port
                    }),
                }
        })
}

/// Whether a rule allows an end of a connection. `home` is the policy's namespace.
fn allows_peer(rule: &Rule, home: &str, end: &FlowEnd<'_>) -> bool {
    rule.peers.is_empty() || rule.peers.iter().any(|peer| is_peer(peer, home, end))
}

/// Whether an end of a connection is a peer of a rule. `home` is the policy's namespace.
fn is_peer(peer: &Peer, home: &str, end: &FlowEnd<'_>) -> bool {
    match peer {
        Peer::Pods { namespaces, pods } => {
            let in_namespaces = match namespaces {
                None => end.namespace == home,
                Some(selector) => selector.matches(end.namespace_labels),
            };
            in_namespaces && pods.matches(end.labels)
        }
        Peer::Block { net, except } => end
            .ips
            .iter()
            .any(|ip| net.contains(ip) && !except.iter().any(|left_out| left_out.contains(ip))),
    }
}

/// Whether two ports have a connection in common. A name can stand for any number, since a pod
/// chooses it.
pub fn port_meets(left: &Port, right: &Port) -> bool {
    left.protocol == right.protocol
        && match (&left.ports, &right.ports) {
            (Ports::Range(first, last), Ports::Range(other_first, other_last)) => {
                first <= other_last && other_first <= last
            }
            _ => true,
        }
}

/// Whether two lists of ports have a connection in common. An empty list means every port.
pub fn ports_meet(left: &[Port], right: &[Port]) -> bool {
    left.is_empty()
        || right.is_empty()
        || left
            .iter()
            .any(|port| right.iter().any(|other| port_meets(port, other)))
}

/// What the policies of a pod's namespace say of a connection with a peer, in one direction.
pub fn verdict<'a>(
    policies: impl Iterator<Item = &'a PolicyObject>,
    direction: Direction,
    pod: &FlowEnd<'_>,
    peer: &FlowEnd<'_>,
    protocol: Protocol,
    port: u16,
) -> FlowVerdict<'a> {
    let named = match direction {
        Direction::Ingress => pod.ports,
        Direction::Egress => peer.ports,
    };

    let mut denied = None;
    for object in policies {
        let Some(rules) = object.spec.rules(direction) else {
            continue;
        };
        if !object.spec.pods.matches(pod.labels) {
            continue;
        }

        denied = Some(object);
        let allowing = rules.iter().find(|rule| {
            allows_port(rule, protocol, port, named)
                && allows_peer(rule, &object.id.namespace, peer)
        });
        if let Some(rule) = allowing {
            return FlowVerdict::Allowed(object, rule);
        }
    }

    denied.map_or(FlowVerdict::Open, FlowVerdict::Denied)
}

//! NetworkPolicies, and what they let through between two pods.
//!
//! Source: kubernetes.io/docs/concepts/services-networking/network-policies, and
//! `pkg/apis/networking/v1/defaults.go`. Where a policy selects a pod in a direction, only what
//! some policy allows passes; where none does, everything does.

use super::object::Origin;
use crate::document::{Tree, View};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Selector, items, texts};
use crate::source::Span;
use crate::value::Text;
use ipnet::IpNet;
use std::net::IpAddr;

/// Which way a connection is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

/// A NetworkPolicy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What it is.
    pub id: ObjectId,
    /// The pods of its namespace that it governs.
    pub pods: Selector,
    /// What may come in; nothing where it does not govern that.
    pub ingress: Option<Vec<Rule>>,
    /// What may go out; nothing where it does not govern that.
    pub egress: Option<Vec<Rule>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A rule: any of the peers, on any of the ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The peers; everyone where there is none.
    pub peers: Vec<Peer>,
    /// The ports; all where there is none.
    pub ports: Vec<Port>,
    /// Where it stands, where that is known better than its policy's place.
    pub span: Option<Span>,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Pods of the namespaces that are selected, of the policy's own where none are named.
    Pods {
        /// The namespaces.
        namespaces: Option<Selector>,
        /// The pods in them.
        pods: Selector,
    },
    /// Addresses.
    Block {
        /// The network.
        net: IpNet,
        /// What of it is left out.
        except: Vec<IpNet>,
    },
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// The protocol of a name.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// A port of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// Which of its ports.
    pub ports: Ports,
}

/// Ports of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// Every one.
    All,
    /// From the first to the last.
    Range(u16, u16),
    /// What the destination's pod calls so.
    Named(Text),
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
pub struct End<'a> {
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
pub enum Verdict<'a> {
    /// No policy governs the pod in that direction.
    Open,
    /// A rule of a policy lets it through.
    Allowed(&'a Policy, &'a Rule),
    /// Policies govern the pod, and none lets it through; one of them.
    Denied(&'a Policy),
}

impl Verdict<'_> {
    /// Whether the connection passes.
    pub const fn passes(&self) -> bool {
        !matches!(self, Self::Denied(_))
    }
}

impl Policy {
    /// Reads a NetworkPolicy.
    ///
    /// # Errors
    /// What in it the API server would refuse.
    pub fn of<T: Tree>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let spec = node.member("spec");
        let pods = spec
            .and_then(|s| s.member("podSelector"))
            .map_or(Ok(Selector::default()), Selector::of)?;
        let rules = |key: &str, peers: &str| -> Result<Vec<Rule>, String> {
            items(spec.and_then(|s| s.member(key)))
                .iter()
                .map(|rule| Rule::of(rule, peers))
                .collect()
        };
        let (ingress, egress) = (rules("ingress", "from")?, rules("egress", "to")?);
        let types: Vec<&str> = texts(spec.and_then(|s| s.member("policyTypes"))).collect();
        if let Some(other) = types.iter().find(|t| !matches!(**t, "Ingress" | "Egress")) {
            return Err(format!("`{other}` is no policy type"));
        }
        let governs_in = types.is_empty() || types.contains(&"Ingress");
        let governs_out = types.contains(&"Egress") || (types.is_empty() && !egress.is_empty());
        Ok(Self {
            id,
            pods,
            ingress: governs_in.then_some(ingress),
            egress: governs_out.then_some(egress),
            origin,
        })
    }

    /// Its rules in a direction; nothing where it does not govern that.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

impl Rule {
    fn of<T: Tree>(node: &T, peers: &str) -> Result<Self, String> {
        Ok(Self {
            peers: items(node.member(peers))
                .iter()
                .map(Peer::of)
                .collect::<Result<_, _>>()?,
            ports: items(node.member("ports"))
                .iter()
                .map(Port::of)
                .collect::<Result<_, _>>()?,
            span: node.span(),
        })
    }

    /// Whether a port of a connection is among its ports; `named` are those that the destination
    /// names.
    fn has_port(&self, protocol: Protocol, port: u16, named: &[NamedPort]) -> bool {
        self.ports.is_empty()
            || self.ports.iter().any(|own| {
                own.protocol == protocol
                    && match &own.ports {
                        Ports::All => true,
                        Ports::Range(first, last) => (*first..=*last).contains(&port),
                        Ports::Named(name) => named
                            .iter()
                            .any(|n| n.name == *name && n.protocol == protocol && n.port == port),
                    }
            })
    }
}

impl Peer {
    fn of<T: Tree>(node: &T) -> Result<Self, String> {
        let selector = |key: &str| node.member(key).map(Selector::of).transpose();
        let (namespaces, pods) = (selector("namespaceSelector")?, selector("podSelector")?);
        match (node.member("ipBlock"), namespaces, pods) {
            (None, None, None) => Err("a peer says nothing".into()),
            (None, namespaces, pods) => Ok(Self::Pods {
                namespaces,
                pods: pods.unwrap_or_default(),
            }),
            (Some(block), None, None) => {
                let net = |text: &str| {
                    text.parse::<IpNet>()
                        .map_err(|_| format!("`{text}` is no network"))
                };
                let except = texts(block.member("except"))
                    .map(net)
                    .collect::<Result<_, _>>()?;
                Ok(Self::Block {
                    net: net(block
                        .member("cidr")
                        .and_then(Tree::text)
                        .unwrap_or_default())?,
                    except,
                })
            }
            _ => Err("a peer has an ipBlock beside a selector".into()),
        }
    }

    /// Whether it is this end; `home` is the policy's namespace.
    fn is(&self, home: &str, end: &End<'_>) -> bool {
        match self {
            Self::Pods { namespaces, pods } => {
                namespaces
                    .as_ref()
                    .map_or(end.namespace == home, |s| s.matches(end.namespace_labels))
                    && pods.matches(end.labels)
            }
            Self::Block { net, except } => end
                .ips
                .iter()
                .any(|ip| net.contains(ip) && !except.iter().any(|e| e.contains(ip))),
        }
    }
}

impl Port {
    fn of<T: Tree>(node: &T) -> Result<Self, String> {
        let protocol = match node.member("protocol").and_then(Tree::text) {
            None => Protocol::Tcp,
            Some(name) => Protocol::of(name).ok_or_else(|| format!("`{name}` is no protocol"))?,
        };
        let number = |key: &str| match node.member(key).map(Tree::view) {
            Some(View::Number(n)) => n
                .as_u64()
                .and_then(|n| u16::try_from(n).ok())
                .map(Some)
                .ok_or_else(|| format!("`{n}` is no port")),
            _ => Ok(None),
        };
        let ports = match (
            node.member("port").and_then(Tree::text),
            number("port")?,
            number("endPort")?,
        ) {
            (Some(name), None, None) => Ports::Named(name.into()),
            (None, None, None) => Ports::All,
            (None, Some(port), end) if end.is_none_or(|end| end >= port) => {
                Ports::Range(port, end.unwrap_or(port))
            }
            _ => return Err("a port's range is none".into()),
        };
        Ok(Self { protocol, ports })
    }

    /// Whether some connection is on both; a name can stand for any number, since a pod chooses it.
    pub fn meets(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && match (&self.ports, &other.ports) {
                (Ports::Range(a, b), Ports::Range(c, d)) => a <= d && c <= b,
                _ => true,
            }
    }
}

/// Whether some connection is on ports of both lists; an empty one holds all.
pub fn ports_meet(a: &[Port], b: &[Port]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|a| b.iter().any(|b| a.meets(b)))
}

/// What the policies of a pod's namespace say of a connection with a peer, in one direction.
pub fn verdict<'a>(
    policies: impl Iterator<Item = &'a Policy>,
    direction: Direction,
    pod: &End<'_>,
    peer: &End<'_>,
    protocol: Protocol,
    port: u16,
) -> Verdict<'a> {
    let named = match direction {
        Direction::Ingress => pod.ports,
        Direction::Egress => peer.ports,
    };
    let mut denied = None;
    for policy in policies {
        let Some(rules) = policy
            .rules(direction)
            .filter(|_| policy.pods.matches(pod.labels))
        else {
            continue;
        };
        denied = Some(policy);
        let allows = |rule: &&Rule| {
            rule.has_port(protocol, port, named)
                && (rule.peers.is_empty()
                    || rule.peers.iter().any(|p| p.is(&policy.id.namespace, peer)))
        };
        if let Some(rule) = rules.iter().find(allows) {
            return Verdict::Allowed(policy, rule);
        }
    }
    denied.map_or(Verdict::Open, Verdict::Denied)
}

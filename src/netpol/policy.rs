//! The model of a network policy, whichever dialect it is written in.

use crate::kube::labels::Selector;
use crate::source::Span;
use crate::value::Text;
use ipnet::IpNet;

/// The direction of a connection, as seen from the pods that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

impl Direction {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];
}

/// The network policy of some pods of one namespace.
///
/// A policy governs at least one direction. In a direction that it governs, its pods have only the
/// connections that a rule of some policy allows. An empty list of rules allows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The pods of its namespace that it selects.
    pub pods: Selector,
    /// The rules for ingress; `None` if it does not govern ingress.
    pub ingress: Option<Vec<Rule>>,
    /// The rules for egress; `None` if it does not govern egress.
    pub egress: Option<Vec<Rule>>,
}

impl Policy {
    /// The rules in a direction; `None` if the policy does not govern it.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

/// A rule: it allows connections with any of its peers on any of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The peers; an empty list means every peer.
    pub peers: Vec<Peer>,
    /// The ports; an empty list means every port.
    pub ports: Vec<Port>,
    /// Where the rule stands, if it was read from a text.
    pub span: Option<Span>,
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Selected pods of selected namespaces.
    Pods {
        /// The namespaces; `None` means the policy's own.
        namespaces: Option<Selector>,
        /// The pods in them.
        pods: Selector,
    },
    /// The addresses of a network.
    Block {
        /// The network.
        net: IpNet,
        /// The networks within it that are left out.
        except: Vec<IpNet>,
    },
}

/// Ports of one protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The ports of the protocol.
    pub ports: Ports,
}

/// A set of ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// Every port.
    All,
    /// The ports from the first to the last, both included.
    Range(u16, u16),
    /// The port to which the pod that is connected to gives this name.
    Named(Text),
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
    /// Reads the name that manifests use.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }

    /// The name that manifests use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

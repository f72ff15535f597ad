//! What specs declare, as peers and ports of the policy model.

use super::ranges::excluded;
use crate::kube::labels::{Op, Requirement, Selector};
use crate::kube::names::NAME_LABEL;
use crate::netpol;
use crate::netpol::{Peer, Policy, Ports, Rule};
use crate::spec::fleet::{ClusterSpec, Endpoint};
use crate::spec::leaf::{Keyed, LabelKey, LabelValue};
use crate::spec::tenant::{PortRule, PortSpec, ProtocolSpec};
use ipnet::IpNet;
use std::net::IpAddr;

/// The port of DNS.
const DNS_PORT: u16 = 53;

/// The peers of a platform endpoint: its pods, then its networks.
pub(super) fn endpoint_peers(endpoint: &Endpoint) -> Vec<Peer> {
    let pods = endpoint.namespace.as_ref().map(|namespace| Peer::Pods {
        namespaces: Some(Selector::equal(NAME_LABEL, namespace.as_str())),
        pods: endpoint
            .pod_labels
            .as_ref()
            .map(selector)
            .unwrap_or_default(),
    });
    let networks = endpoint.cidrs.iter().flatten();
    let networks = networks
        .filter_map(|cidr| cidr.parse().ok())
        .map(whole_network);

    pods.into_iter().chain(networks).collect()
}

/// The peer of every pod of the policy's own namespace.
pub(super) fn own_pods() -> Peer {
    Peer::Pods {
        namespaces: None,
        pods: Selector::default(),
    }
}

/// The peer of every pod of some namespaces, by name; `None` if there are no namespaces.
pub(super) fn pods_of_namespaces<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Peer> {
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }

    let is_named = Requirement {
        key: NAME_LABEL.into(),
        op: Op::In(names.into_iter().map(Into::into).collect()),
    };
    Some(Peer::Pods {
        namespaces: Some(Selector(vec![is_named])),
        pods: Selector::default(),
    })
}

/// The peer of a declared network, without the cluster's own ranges.
pub(super) fn network_peer(net: IpNet, cluster_ranges: &[IpNet]) -> Peer {
    Peer::Block {
        net,
        except: excluded(net, cluster_ranges),
    }
}

const fn whole_network(net: IpNet) -> Peer {
    Peer::Block {
        net,
        except: Vec::new(),
    }
}

/// A rule of some peers, on the declared ports.
pub(super) fn rule<'a>(peers: Vec<Peer>, ports: impl IntoIterator<Item = &'a PortRule>) -> Rule {
    Rule {
        peers,
        ports: ports.into_iter().map(port).collect(),
        span: None,
    }
}

fn port(declared: &PortRule) -> netpol::Port {
    let protocol = match declared.protocol.unwrap_or(ProtocolSpec::Tcp) {
        ProtocolSpec::Tcp => netpol::Protocol::Tcp,
        ProtocolSpec::Udp => netpol::Protocol::Udp,
        ProtocolSpec::Sctp => netpol::Protocol::Sctp,
    };
    let ports = match &declared.port {
        PortSpec::Number(first) => Ports::Range(*first, declared.end_port.unwrap_or(*first)),
        PortSpec::Name(name) => Ports::Named(name.into()),
    };
    netpol::Port { protocol, ports }
}

/// The policy that allows egress to a cluster's DNS.
pub(super) fn dns_policy(cluster: &ClusterSpec) -> Policy {
    let dns = cluster.dns.as_ref();
    let namespace = dns
        .and_then(|dns| dns.namespace.as_ref())
        .map_or("kube-system", |namespace| namespace.as_str());
    let labels = dns.and_then(|dns| dns.pod_labels.as_ref());

    let pods = Peer::Pods {
        namespaces: Some(Selector::equal(NAME_LABEL, namespace)),
        pods: labels.map_or_else(|| Selector::equal("k8s-app", "kube-dns"), selector),
    };

    let caches = dns.and_then(|dns| dns.ips.as_ref()).into_iter().flatten();
    let caches = caches
        .filter_map(|ip| ip.parse::<IpAddr>().ok())
        .map(|ip| whole_network(ip.into()));

    let protocols = [netpol::Protocol::Udp, netpol::Protocol::Tcp];
    let rule = Rule {
        peers: [pods].into_iter().chain(caches).collect(),
        ports: protocols
            .map(|protocol| netpol::Port {
                protocol,
                ports: Ports::Range(DNS_PORT, DNS_PORT),
            })
            .into(),
        span: None,
    };

    Policy {
        egress: Some(vec![rule]),
        ..Policy::default()
    }
}

fn selector(labels: &Keyed<LabelKey, LabelValue>) -> Selector {
    Selector::labels(
        labels
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    )
}

//! Random policies for tests.

use super::{Peer, Policy, Port, Ports, Protocol, Rule};
use crate::kube::labels::{Op, Requirement, Selector};
use crate::value::Text;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A policy that governs at least one direction.
pub fn policy() -> impl Strategy<Value = Policy> {
    let directions = prop_oneof![
        rules().prop_map(|ingress| (Some(ingress), None)),
        rules().prop_map(|egress| (None, Some(egress))),
        (rules(), rules()).prop_map(|(ingress, egress)| (Some(ingress), Some(egress))),
    ];
    (selector(), directions).prop_map(|(pods, (ingress, egress))| Policy {
        pods,
        ingress,
        egress,
    })
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    vec(rule(), 0..4)
}

fn rule() -> impl Strategy<Value = Rule> {
    (vec(peer(), 0..4), vec(port(), 0..4)).prop_map(|(peers, ports)| Rule {
        peers,
        ports,
        span: None,
    })
}

fn peer() -> impl Strategy<Value = Peer> {
    let pods = (option::of(selector()), selector())
        .prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods });
    let block = (net(), vec(net(), 0..3)).prop_map(|(net, except)| Peer::Block { net, except });
    prop_oneof![3 => pods, 2 => block]
}

fn port() -> impl Strategy<Value = Port> {
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]);
    let range = (1..=u16::MAX, 0..100u16)
        .prop_map(|(first, more)| Ports::Range(first, first.saturating_add(more)));
    let name = select(vec!["http", "grpc-web"]).prop_map(|name| Ports::Named(name.into()));

    (
        protocol,
        prop_oneof![1 => Just(Ports::All), 3 => range, 1 => name],
    )
        .prop_map(|(protocol, ports)| Port { protocol, ports })
}

fn net() -> impl Strategy<Value = IpNet> {
    let v4 = (any::<u32>(), 0..=32u8).prop_filter_map("a network", |(address, length)| {
        Some(IpNet::V4(Ipv4Net::new(address.into(), length).ok()?))
    });
    let v6 = (any::<u128>(), 0..=128u8).prop_filter_map("a network", |(address, length)| {
        Some(IpNet::V6(Ipv6Net::new(address.into(), length).ok()?))
    });
    prop_oneof![v4, v6].prop_map(|net| net.trunc())
}

/// A selector whose requirements are in the order in which they are read.
fn selector() -> impl Strategy<Value = Selector> {
    vec(requirement(), 0..4).prop_map(|mut requirements| {
        requirements.sort();
        requirements.dedup();
        Selector(requirements)
    })
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let key = select(vec!["app", "kubernetes.io/metadata.name", "tier"]);
    let values = || {
        vec(
            select(vec!["", "api", "web", "x-1"]).prop_map(Text::from),
            1..3,
        )
    };

    let op = prop_oneof![
        3 => values().prop_map(Op::In),
        1 => values().prop_map(Op::NotIn),
        1 => Just(Op::Exists),
        1 => Just(Op::DoesNotExist),
    ];

    (key, op).prop_map(|(key, op)| Requirement {
        key: key.into(),
        op,
    })
}

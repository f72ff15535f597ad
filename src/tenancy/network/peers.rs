//! Peers and rules of NetworkPolicies, as they stand in one.

use super::ranges::excluded;
use crate::spec::fleet::{Cluster, Endpoint};
use crate::spec::leaf::{Keyed, LabelKey, LabelValue};
use crate::spec::tenant::{Port, PortRule, Protocol};
use crate::value::{Entry, Text, Value, list, map};
use ipnet::IpNet;

const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The peers that an endpoint is.
pub(super) fn endpoint_peers(endpoint: &Endpoint) -> Vec<Value> {
    let mut peers = Vec::new();
    if let Some(namespace) = &endpoint.namespace {
        let selector = match_labels(map! { NAME_LABEL => namespace.as_str() });
        peers.push(match &endpoint.pod_labels {
            Some(labels) => {
                map! { "namespaceSelector" => selector, "podSelector" => match_labels(labels_of(labels)) }
            }
            None => map! { "namespaceSelector" => selector },
        });
    }
    peers.extend(
        endpoint
            .cidrs
            .iter()
            .flatten()
            .map(|c| map! { "ipBlock" => map! { "cidr" => c.as_str() } }),
    );
    peers
}

/// The peer that some namespaces are, by name.
pub(super) fn namespaces_peer(names: &[&str]) -> Value {
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    match names.as_slice() {
        [one] => map! { "namespaceSelector" => match_labels(map! { NAME_LABEL => *one }) },
        many => {
            let values: Vec<Value> = many.iter().map(|name| Value::from(*name)).collect();
            let wanted = map! { "key" => NAME_LABEL, "operator" => "In", "values" => values };
            map! { "namespaceSelector" => map! { "matchExpressions" => list![wanted] } }
        }
    }
}

/// A rule of one side, `to` or `from`, with its peers and ports.
pub(super) fn rule_of(side: &'static str, peers: Vec<Value>, ports: &[PortRule]) -> Value {
    let mut rule: Vec<Entry> = vec![(Text::new_static(side), peers.into())];
    if !ports.is_empty() {
        let ports = ports.iter().map(|p| {
            let mut entries: Vec<Entry> = Vec::with_capacity(3);
            entries.push((
                Text::new_static("protocol"),
                p.protocol.unwrap_or(Protocol::Tcp).as_str().into(),
            ));
            let port = match &p.port {
                Port::Number(number) => Value::from(*number),
                Port::Name(name) => name.as_str().into(),
            };
            entries.push((Text::new_static("port"), port));
            if let Some(end) = p.end_port {
                entries.push((Text::new_static("endPort"), end.into()));
            }
            Value::from(entries)
        });
        rule.push((Text::new_static("ports"), ports.collect::<Vec<_>>().into()));
    }
    rule.into()
}

/// The egress rules to a cluster's DNS.
pub(super) fn dns_rules(cluster: &Cluster) -> Value {
    let dns = cluster.dns.as_ref();
    let namespace = dns
        .and_then(|d| d.namespace.as_ref())
        .map_or("kube-system", |n| n.as_str());
    let labels = dns
        .and_then(|d| d.pod_labels.as_ref())
        .map_or_else(|| map! { "k8s-app" => "kube-dns" }, labels_of);
    let mut to = vec![map! {
        "namespaceSelector" => match_labels(map! { NAME_LABEL => namespace }),
        "podSelector" => match_labels(labels)
    }];
    for ip in dns.and_then(|d| d.ips.as_ref()).into_iter().flatten() {
        let bits = if ip.contains(':') { 128 } else { 32 };
        to.push(map! { "ipBlock" => map! { "cidr" => format!("{}/{bits}", ip.as_str()) } });
    }
    let port = |protocol: &'static str| map! { "protocol" => protocol, "port" => 53u16 };
    list![map! { "to" => to, "ports" => list![port("UDP"), port("TCP")] }]
}

/// The peer of a network, without the cluster's own ranges.
pub(super) fn ip_block(cidr: &str, cluster_ranges: &[IpNet]) -> Value {
    let except = cidr
        .parse::<IpNet>()
        .map_or_else(|_| Vec::new(), |net| excluded(net, cluster_ranges));
    if except.is_empty() {
        return map! { "ipBlock" => map! { "cidr" => cidr } };
    }

    let except: Vec<Value> = except.iter().map(|net| net.to_string().into()).collect();
    map! { "ipBlock" => map! { "cidr" => cidr, "except" => except } }
}

/// A mapping without entries: what selects everything.
pub(super) fn everything() -> Value {
    Vec::<Entry>::new().into()
}

fn match_labels(labels: Value) -> Value {
    map! { "matchLabels" => labels }
}

fn labels_of(labels: &Keyed<LabelKey, LabelValue>) -> Value {
    labels
        .iter()
        .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
        .collect::<Vec<Entry>>()
        .into()
}

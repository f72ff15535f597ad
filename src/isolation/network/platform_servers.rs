//! What verdicts assume of the servers that tenants' pods may send to.

use super::paths::{EndLabels, NamespaceSet, NetworkPath};
use super::reach::Reachability;
use super::{Findings, owned};
use crate::graph::workload::Workload;
use crate::graph::{Cluster, Owner};
use crate::isolation::assumptions::{METADATA_SERVICE, NO_FORWARDING, PLATFORM_SERVERS};
use crate::isolation::some;
use crate::kube::labels::Labels;
use crate::kube::names::NAME_LABEL;
use crate::netpol::addresses::AddressSet;
use crate::netpol::{Direction, Peer, Port, Ports, Protocol, Rule};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A program that gives everybody who asks the data of all, unless it is told otherwise.
struct OpenServer {
    /// A part of its image, or of the name of its pods.
    part: &'static str,
    /// What it does, as a phrase.
    does: &'static str,
}

const fn server(part: &'static str, does: &'static str) -> OpenServer {
    OpenServer { part, does }
}

/// Source: the documentation of each on authentication.
static OPEN_SERVERS: [OpenServer; 26] = [
    server("redis", "asks for no password by default"),
    server("valkey", "asks for no password by default"),
    server("memcached", "asks for no password"),
    server("etcd", "holds the data of its clients"),
    server("loki", "lets clients choose the tenant in a header"),
    server("mimir", "lets clients choose the tenant in a header"),
    server("cortex", "lets clients choose the tenant in a header"),
    server("tempo", "lets clients choose the tenant in a header"),
    server("thanos", "shows every metric"),
    server("prometheus", "shows every metric"),
    server("victoria-metrics", "shows every metric"),
    server("alertmanager", "shows every alert"),
    server("pushgateway", "takes and shows every metric"),
    server("jaeger", "shows every trace"),
    server("elasticsearch", "asks for no login in some versions"),
    server("opensearch", "asks for no login in some versions"),
    server("registry", "takes pushes from everybody by default"),
    server("chartmuseum", "takes charts from everybody by default"),
    server("minio", "holds the buckets of its clients"),
    server("nats", "asks for no login by default"),
    server("kafka", "asks for no login by default"),
    server("zookeeper", "asks for no login by default"),
    server("mongo", "asks for no login by default"),
    server("tiller", "installs for everybody"),
    server("buildkit", "builds for everybody"),
    server("kubernetes-dashboard", "acts with its own account"),
];

pub(super) fn assume(cluster: &Cluster, reach: &Reachability<'_>, out: &mut Findings<'_>) {
    let reached = reached(cluster, reach);
    let unseen = unseen_system_namespace(cluster, reach);
    let is_unseen = unseen.is_some();
    if !reached.is_empty() || is_unseen {
        let mut by_namespace: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for workload in &cluster.facts.workloads {
            if let Some(at) = cluster.namespace(&workload.id.namespace)
                && let Some(from) = reached.get(&at)
                && let Some(server) = open_server(workload)
                && is_reached(reach, from[0], at, workload)
            {
                let text = format!("{} {}", workload.id.called(), server.does);
                let list = by_namespace.entry(&workload.id.namespace).or_default();
                list.push(text);
            }
        }

        let each = reached.iter().map(|(at, from)| {
            let name = &cluster.namespaces[*at as usize].name;
            let from = from
                .iter()
                .map(|at| cluster.namespaces[*at as usize].name.as_str());
            let from = some(from);
            match by_namespace.get(name.as_str()) {
                Some(servers) => format!("`{name}` (from {from}; {})", servers.join("; ")),
                None => format!("`{name}` (from {from})"),
            }
        });
        let each: Vec<String> = each.chain(unseen).collect();
        let text = format!(
            "servers of the platform ask tenants' pods for a login, and give each tenant its own \
             data alone: in {}",
            each.join(", ")
        );
        out.assume_about(&PLATFORM_SERVERS, text);
        assume_no_forwarding(cluster, &reached, is_unseen, out);
    }

    assume_metadata(cluster, reach, out);
}

/// Names the namespaces whose pods may pass on what they are sent.
fn assume_no_forwarding(
    cluster: &Cluster,
    reached: &BTreeMap<u32, Vec<u32>>,
    unseen: bool,
    out: &mut Findings<'_>,
) {
    let names = reached.keys();
    let names = names.map(|at| cluster.namespaces[*at as usize].name.as_str());
    let names: Vec<&str> = names.chain(unseen.then_some(SYSTEM_NAMESPACE)).collect();
    let text = format!(
        "no pod of the platform passes on to another tenant what a tenant sends it: in {}",
        some(names)
    );
    out.assume_about(&NO_FORWARDING, text);
}

/// Most tenants' namespaces that are named for a namespace of the platform.
const MAX_CLIENTS: usize = 4;

/// The namespaces of the platform that tenants' pods reach on other ports than those of DNS, each
/// with the first that do.
fn reached(cluster: &Cluster, reach: &Reachability<'_>) -> BTreeMap<u32, Vec<u32>> {
    let mut reached: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let platform: Vec<u32> = cluster
        .namespaces
        .iter()
        .enumerate()
        .filter(|(_, namespace)| namespace.owner == Owner::Platform)
        .map(|(at, _)| at as u32)
        .collect();

    let may_send = |from: &u32| {
        let paths = reach.paths_out(*from);
        paths.is_none_or(|paths| paths.iter().any(|path| !path.condition.is_dns_alone()))
    };
    let senders = owned(cluster).map(|(at, _, _)| at);
    let senders: Vec<u32> = senders.filter(may_send).collect();

    for to in platform {
        for &from in &senders {
            if reach.sends_beside_dns(from, to) {
                let clients = reached.entry(to).or_default();
                clients.push(from);
                if clients.len() == MAX_CLIENTS {
                    break;
                }
            }
        }
    }
    reached
}

/// The namespace of the platform that every cluster has.
const SYSTEM_NAMESPACE: &str = "kube-system";

/// The clause about the system namespace, if no input has it and tenants' pods may send to it.
fn unseen_system_namespace(cluster: &Cluster, reach: &Reachability<'_>) -> Option<String> {
    if cluster.namespace(SYSTEM_NAMESPACE).is_some() {
        return None;
    }

    let labels = Labels::new([(NAME_LABEL.into(), SYSTEM_NAMESPACE.into())]);
    let selects = |peer: &Peer| match peer {
        Peer::Pods { namespaces, .. } => namespaces
            .as_ref()
            .is_some_and(|selector| selector.matches(&labels)),
        Peer::Block { .. } => false,
    };
    let leads = |path: &NetworkPath<'_>| {
        let selected = path
            .by
            .is_some_and(|(_, rule)| rule.peers.iter().any(selects));
        let anywhere = path.namespaces == NamespaceSet::Anywhere;
        (anywhere || selected) && !path.condition.is_dns_alone()
    };

    let clients = owned(cluster).filter(|(at, _, _)| {
        let paths = reach.paths_out(*at);
        paths.is_none_or(|paths| paths.iter().any(leads))
    });
    let clients: Vec<&str> = clients
        .take(MAX_CLIENTS)
        .map(|(_, _, namespace)| namespace.name.as_str())
        .collect();
    (!clients.is_empty()).then(|| {
        let from = some(clients.iter().copied());
        format!("`{SYSTEM_NAMESPACE}` (from {from}; no input has it)")
    })
}

/// The program that a workload of the platform runs, if it is one of the table.
fn open_server(workload: &Workload) -> Option<&'static OpenServer> {
    let named = |text: &str, part: &str| {
        let mut parts = text.match_indices(part);
        parts.any(|(at, _)| {
            let before = text[..at].chars().next_back();
            !before.is_some_and(|letter| letter.is_ascii_alphanumeric())
        })
    };
    let labels = [
        "app.kubernetes.io/name",
        "app",
        "k8s-app",
        "app.kubernetes.io/component",
    ];
    let labels = labels.iter().filter_map(|key| workload.labels.get(key));
    let texts: Vec<&str> = labels
        .chain(workload.images.iter().map(|image| image.as_str()))
        .chain([workload.id.name.as_str()])
        .collect();

    OPEN_SERVERS
        .iter()
        .find(|server| texts.iter().any(|text| named(text, server.part)))
}

fn is_reached(reach: &Reachability<'_>, from: u32, to: u32, workload: &Workload) -> bool {
    let labels = EndLabels {
        to: Some(&workload.labels),
        to_ports: Some(&workload.ports),
        ..EndLabels::default()
    };
    !matches!(reach.between_as(from, to, labels, None), Ok(None))
}

/// The address at which clouds give a machine its identity.
///
/// Sources: the instance metadata services of AWS, Azure, Google Cloud and OpenStack.
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// The same in IPv6: of AWS, and of Google Cloud.
const METADATA_V6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Names the namespaces whose pods may ask for the identity of their nodes.
fn assume_metadata(cluster: &Cluster, reach: &Reachability<'_>, out: &mut Findings<'_>) {
    let asking = owned(cluster).filter(|(at, _, namespace)| {
        let open = reach.paths_out(*at);
        if open.is_none_or(|paths| paths.iter().any(|path| path.by.is_none())) {
            return true;
        }
        for at in &namespace.policies {
            let policy = &cluster.facts.policies[*at as usize].spec;
            let Some(rules) = policy.rules(Direction::Egress) else {
                continue;
            };
            if rules.iter().any(lets_to_metadata) {
                return true;
            }
        }
        false
    });
    let names: Vec<&str> = asking
        .map(|(_, _, namespace)| namespace.name.as_str())
        .collect();
    if names.is_empty() {
        return;
    }

    let text = format!(
        "the metadata service {METADATA} gives pods no identity of their node: policies let the \
         pods of {} send there",
        some(names.iter().copied())
    );
    out.assume_about(&METADATA_SERVICE, text);
}

/// Whether a rule lets pods send to the metadata service.
fn lets_to_metadata(rule: &Rule) -> bool {
    let http = Port {
        protocol: Protocol::Tcp,
        ports: Ports::Range(80, 80),
    };
    let port = rule.ports.is_empty()
        || rule.ports.iter().any(|port| {
            // The service has no named ports.
            !matches!(port.ports, Ports::Named(_)) && crate::graph::network::port_meets(port, &http)
        });
    let address = rule.peers.is_empty()
        || rule.peers.iter().any(|peer| match peer {
            Peer::Pods { .. } => false,
            Peer::Block { net, except } => {
                let block = AddressSet::new(net, except);
                let mut services = METADATA_V6.iter().chain([&METADATA]);
                services.any(|address| block.has(*address))
            }
        });
    port && address
}

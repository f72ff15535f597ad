//! The ends that a user names: namespaces, workloads, Services, addresses, endpoints of the platform.

use super::outside::{OutsideEnd, OutsideKind};
use super::{ConnectionEnd, NamedEnd, PodEnd, span_of};
use crate::graph::workload::{Service, Workload};
use crate::graph::{Cluster, NamespaceNode};
use crate::isolation::Step;
use crate::kube::labels::{Labels, Selector};
use crate::kube::resources;
use crate::netpol::{Port, Ports, Protocol};
use crate::spec::did_you_mean_or;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names of the API server in a question.
const API_SERVER: [&str; 4] = [
    "kube-apiserver",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
];

/// Names of the cluster's DNS in a question.
const DNS: [&str; 3] = ["dns", "kube-dns", "coredns"];

/// The Services of the DNS of the usual distributions: a namespace and a name.
///
/// Source: kubernetes/kubernetes `cluster/addons/dns`, coredns/helm, rancher/rke2-charts,
/// openshift/cluster-dns-operator.
const DNS_SERVICES: [[&str; 2]; 4] = [
    ["kube-system", "kube-dns"],
    ["kube-system", "coredns"],
    ["kube-system", "rke2-coredns-rke2-coredns"],
    ["openshift-dns", "dns-default"],
];

/// Whether a text has the form of an address or a network: `10.0.0.7`, `10.0.0.0/8`, `fd00::1`,
/// `[fd00::1]`.
pub fn names_address(text: &str) -> bool {
    let has_dot = text.split('/').next().unwrap_or(text).contains('.');
    text.contains(':') || has_dot && text.starts_with(|first: char| first.is_ascii_digit())
}

/// The namespace that an end names, if it names one.
pub fn named_namespace(text: &str) -> Option<&str> {
    if names_address(text) || API_SERVER.contains(&text) {
        return None;
    }
    if let Some((_, namespace)) = service_name(text) {
        return Some(namespace);
    }
    let first = text.split('/').next().unwrap_or(text);
    let is_kind = text.contains('/') && is_service(first);
    (!is_kind).then_some(first)
}

/// The name and the namespace of a Service in a name of DNS: `web.shop.svc`.
fn service_name(text: &str) -> Option<(&str, &str)> {
    let mut labels = text.split('.');
    let (name, namespace, svc) = (labels.next()?, labels.next()?, labels.next()?);
    (svc == "svc" && !text.contains('/')).then_some((name, namespace))
}

/// Whether a word of a question is the kind Service.
fn is_service(kind: &str) -> bool {
    resources::find_named(kind, Some("")).is_some_and(|(_, known)| known.plural == "services")
}

/// The ends that a text stands for. `home` is the namespace of the other end.
///
/// # Errors
/// The cluster has nothing of that name.
pub fn find<'a>(
    cluster: &'a Cluster,
    text: &str,
    home: Option<&str>,
) -> Result<Vec<NamedEnd<'a>>, String> {
    if names_address(text) {
        return of_address(cluster, text);
    }
    if let Some(namespace) = cluster.namespace(text) {
        return Ok(vec![ConnectionEnd::Pods(PodEnd::any(namespace)).into()]);
    }
    if text == "metadata" {
        let networks = cluster.endpoints.metadata.clone();
        return Ok(vec![outside(
            "the metadata service",
            OutsideKind::Metadata(networks),
        )]);
    }
    if API_SERVER.contains(&text) {
        return Ok(vec![api_server(cluster)]);
    }
    if DNS.contains(&text) {
        return dns(cluster);
    }
    if let Some((name, namespace)) = service_name(text) {
        return of_service(cluster, namespace, name);
    }

    let parts: Vec<&str> = text.split('/').collect();
    match (parts.as_slice(), home) {
        ([kind, name], Some(home)) if is_service(kind) && cluster.namespace(kind).is_none() => {
            of_service(cluster, home, name)
        }
        ([namespace, name], _) => of_workload(cluster, namespace, None, name),
        ([namespace, kind, name], _) if is_service(kind) => of_service(cluster, namespace, name),
        ([namespace, kind, name], _) => of_workload(cluster, namespace, Some(kind), name),
        _ => Err(no_namespace(cluster, text)),
    }
}

fn outside<'a>(name: &str, kind: OutsideKind) -> NamedEnd<'a> {
    let end = OutsideEnd {
        name: name.to_owned(),
        kind,
    };
    ConnectionEnd::Outside(end).into()
}

fn no_namespace(cluster: &Cluster, name: &str) -> String {
    let known = cluster.namespaces.iter().map(|known| known.name.as_str());
    let help = did_you_mean_or(name, known, || {
        "an end is NAMESPACE, NAMESPACE/WORKLOAD, NAMESPACE/svc/NAME, an address, a network, \
         `metadata`, `kube-apiserver` or `dns`"
            .to_owned()
    });
    format!("there is no namespace `{name}`: {help}")
}

/// The index of a namespace.
fn namespace(cluster: &Cluster, name: &str) -> Result<u32, String> {
    cluster
        .namespace(name)
        .ok_or_else(|| no_namespace(cluster, name))
}

/// Reads an address or a network, in brackets or not. An IPv4 network that is mapped to IPv6 is one of
/// IPv4.
fn network(text: &str) -> Result<IpNet, String> {
    if let Some((address, port)) = with_port(text) {
        return Err(format!(
            "`{text}` has a port: write {address}, and the port as --port {port}"
        ));
    }
    let net = unbracketed(text).and_then(plain_network);
    let net = net.ok_or_else(|| {
        format!(
            "`{text}` is neither an address nor a network: write 10.0.0.7, 10.0.0.0/8 or fd00::1, \
             and give the port by --port"
        )
    })?;

    Ok(match net {
        IpNet::V6(net) => unmapped(net.network(), net.prefix_len()).unwrap_or(IpNet::V6(net)),
        v4 @ IpNet::V4(_) => v4,
    }
    .trunc())
}

/// The address and the port of `10.0.0.7:80` or `[fd00::1]:80`.
fn with_port(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.rsplit_once(':')?;
    let address: IpAddr = match address.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?.into(),
        None => address.parse::<Ipv4Addr>().ok()?.into(),
    };
    Some((address, port.parse().ok()?))
}

/// A text without the pair of brackets that an IPv6 address may have; `None` for another bracket.
fn unbracketed(text: &str) -> Option<&str> {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let plain = match inner {
        Some(inner) if inner.contains(':') => inner,
        _ => text,
    };
    (!plain.contains(['[', ']'])).then_some(plain)
}

/// An address or a network whose length is written as kubectl takes it: `/8`, and not `/08`.
fn plain_network(text: &str) -> Option<IpNet> {
    let Some((_, prefix)) = text.split_once('/') else {
        return text.parse::<IpAddr>().ok().map(IpNet::from);
    };
    let is_plain = prefix == "0" || !prefix.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain)
}

fn unmapped(address: Ipv6Addr, prefix: u8) -> Option<IpNet> {
    let mapped = address.to_ipv4_mapped()?;
    let prefix = prefix.checked_sub(96)?;
    IpNet::new(IpAddr::V4(mapped), prefix).ok()
}

/// The ends of an address: the pod or the Service that has it, else the address itself.
fn of_address<'a>(cluster: &'a Cluster, text: &str) -> Result<Vec<NamedEnd<'a>>, String> {
    let net = network(text)?;
    let is_single = net.prefix_len() == net.max_prefix_len();
    let is_it = |ip: &IpAddr| is_single && IpNet::from(ip.to_canonical()) == net;

    let workloads = cluster.facts.workloads.iter();
    let having = workloads.filter(|one| !one.host_network && one.ips.iter().any(is_it));
    let pods = pods_of(cluster, having);
    if !pods.is_empty() {
        return Ok(pods);
    }
    let mut services = cluster.facts.services.iter();
    if let Some(service) = services.find(|service| service.ips.iter().any(is_it)) {
        return of_service(cluster, &service.id.namespace, &service.id.name);
    }

    let is_in = |networks: &[IpNet]| networks.iter().any(|all| all.contains(&net));
    let endpoints = &cluster.endpoints;
    let (name, kind) = if is_in(&endpoints.metadata) {
        let name = format!("the metadata service {net}");
        (name, OutsideKind::Metadata(vec![net]))
    } else if is_in(&endpoints.api_server) {
        let name = format!("the API server {net}");
        (name, OutsideKind::ApiServer(vec![net]))
    } else {
        (text.to_owned(), OutsideKind::Networks(vec![net]))
    };
    let name = name.replace("/32", "").replace("/128", "");
    Ok(vec![outside(&name, kind)])
}

/// The API server, by the addresses that the fleet or the Endpoints of `default/kubernetes` give.
fn api_server<'a>(cluster: &Cluster) -> NamedEnd<'a> {
    let declared = &cluster.endpoints.api_server;
    let networks = match declared.is_empty() {
        false => declared.clone(),
        true => endpoints(cluster, "default", "kubernetes"),
    };
    outside("the API server", OutsideKind::ApiServer(networks))
}

/// The addresses that Endpoints or EndpointSlices give a Service.
fn endpoints(cluster: &Cluster, namespace: &str, name: &str) -> Vec<IpNet> {
    let all = cluster.facts.endpoints.iter();
    let own = all.filter(|one| {
        one.id.namespace == namespace && one.service.as_ref().is_some_and(|own| own == name)
    });
    let addresses = own.flat_map(|one| one.addresses.iter());
    addresses.map(|(ip, _)| IpNet::from(*ip)).collect()
}

/// The cluster's DNS: as the fleet declares it, as a Service of a usual name, or by the usual labels.
fn dns<'a>(cluster: &'a Cluster) -> Result<Vec<NamedEnd<'a>>, String> {
    let pods = &cluster.endpoints.dns;
    let mut ends = Vec::new();

    let has_service = |[namespace, name]: &[&str; 2]| service(cluster, namespace, name).is_some();
    let service = DNS_SERVICES.iter().find(|known| has_service(known));
    match (service, cluster.namespace(&pods.namespace)) {
        (Some([namespace, name]), _) if !pods.is_declared => {
            ends = of_service(cluster, namespace, name)?;
        }
        (_, Some(namespace)) => {
            let end = PodEnd {
                labels: Some(pods.labels.clone()),
                ..PodEnd::any(namespace)
            };
            ends.push(ConnectionEnd::Pods(end).into());
        }
        (_, None) => {
            let kind = OutsideKind::Pods {
                namespace: pods.namespace.clone(),
                labels: pods.labels.clone(),
            };
            ends.push(outside(&format!("the DNS in `{}`", pods.namespace), kind));
        }
    }

    for end in &mut ends {
        end.port = Some(Port {
            protocol: Protocol::Udp,
            ports: Ports::Range(53, 53),
        });
    }
    Ok(ends)
}

/// The workloads of a name, and of a kind if one is given.
fn of_workload<'a>(
    cluster: &'a Cluster,
    home: &str,
    kind: Option<&str>,
    name: &str,
) -> Result<Vec<NamedEnd<'a>>, String> {
    namespace(cluster, home)?;
    let is_kind = |own: &str| {
        kind.is_none_or(|kind| {
            let own = own.to_lowercase();
            let kind = kind.to_lowercase();
            let known = resources::find_named(&kind, None);
            let is_known = known.is_some_and(|(_, known)| known.names.contains(&own.as_str()));
            is_known || own == kind || format!("{own}s") == kind
        })
    };

    let all = || cluster.facts.workloads.iter();
    let here = || all().filter(|one| one.id.namespace == home);
    let named = here().filter(|one| one.id.name == name && is_kind(&one.id.kind));
    let ends = pods_of(cluster, named);
    if !ends.is_empty() {
        return Ok(ends);
    }

    let known = here().filter(|one| is_kind(&one.id.kind));
    let help = did_you_mean_or(name, known.map(|one| one.id.name.as_str()), || {
        format!("`{home}` alone asks about any pod that it may hold")
    });
    let kind = kind.unwrap_or("workload");
    Err(format!("`{home}` has no {kind} `{name}`: {help}"))
}

/// The ends of some workloads. Workloads whose pods are alike are one end.
fn pods_of<'a, 'w>(
    cluster: &Cluster,
    workloads: impl Iterator<Item = &'w Workload>,
) -> Vec<NamedEnd<'a>> {
    let mut ends: Vec<PodEnd> = Vec::new();
    for workload in workloads {
        let Some(namespace) = cluster.namespace(&workload.id.namespace) else {
            continue;
        };
        let is_known = ends.iter().any(|end| {
            end.namespace == namespace
                && end.labels.as_ref() == Some(&workload.labels)
                && end.ports.as_ref() == Some(&workload.ports)
                && end.host_network == workload.host_network
        });
        if !is_known {
            ends.push(PodEnd {
                namespace,
                labels: Some(workload.labels.clone()),
                ports: Some(workload.ports.clone()),
                workload: Some(workload.id.clone()),
                is_single: workload.is_single,
                host_network: workload.host_network,
            });
        }
    }
    let ends = ends.into_iter().map(ConnectionEnd::Pods);
    ends.map(NamedEnd::from).collect()
}

fn service<'a>(cluster: &'a Cluster, namespace: &str, name: &str) -> Option<&'a Service> {
    let mut all = cluster.facts.services.iter();
    all.find(|one| one.id.namespace == namespace && one.id.name == name)
}

/// The ends behind a Service.
fn of_service<'a>(
    cluster: &'a Cluster,
    home: &str,
    name: &str,
) -> Result<Vec<NamedEnd<'a>>, String> {
    if (home, name) == ("default", "kubernetes") {
        return Ok(vec![api_server(cluster)]);
    }
    let at = namespace(cluster, home)?;
    let Some(service) = service(cluster, home, name) else {
        let all = cluster.facts.services.iter();
        let here = all.filter(|one| one.id.namespace == home);
        let help = did_you_mean_or(name, here.map(|one| one.id.name.as_str()), || {
            format!("`{home}` alone asks about any pod that it may hold")
        });
        return Err(format!("`{home}` has no Service `{name}`: {help}"));
    };

    let mut ends = match &service.selector {
        Some(selector) => selected(cluster, &cluster.namespaces[at as usize], at, selector),
        None => vec![without_selector(cluster, service).into()],
    };
    for end in &mut ends {
        end.service = Some(service);
    }
    Ok(ends)
}

/// The ends of the pods that a Service selects. If the inputs have none, a pod with the labels of the
/// selector stands for them.
fn selected<'a>(
    cluster: &Cluster,
    node: &NamespaceNode,
    namespace: u32,
    selector: &Selector,
) -> Vec<NamedEnd<'a>> {
    let workloads = cluster.facts.workloads.iter().filter(|workload| {
        workload.id.namespace == node.name && selector.matches(&workload.labels)
    });
    let ends = pods_of(cluster, workloads);
    if !ends.is_empty() {
        return ends;
    }

    let first = selector.0.iter().filter_map(|one| one.labels()?.next());
    let pairs = first.map(|(key, value)| (key.clone(), value.clone()));
    let end = PodEnd {
        labels: Some(Labels::new(pairs)),
        ..PodEnd::any(namespace)
    };
    let text = format!(
        "this holds for {} and no other labels: no workload of the inputs has them",
        end.called(cluster)
    );
    let condition = Step::new(span_of(cluster, node), text);
    vec![NamedEnd {
        condition: Some(condition),
        ..ConnectionEnd::Pods(end).into()
    }]
}

/// The end of a Service that selects no pods.
fn without_selector(cluster: &Cluster, service: &Service) -> ConnectionEnd {
    let networks = endpoints(cluster, &service.id.namespace, &service.id.name);
    if !networks.is_empty() && service.external_name.is_none() {
        return ConnectionEnd::Outside(OutsideEnd {
            name: "its endpoints".to_owned(),
            kind: OutsideKind::Networks(networks),
        });
    }

    let what = match &service.external_name {
        Some((name, _)) => format!("stands for the name {name}"),
        None => "selects no pods".to_owned(),
    };
    let text = format!(
        "{} {what}, and the inputs do not say its addresses: ask about the address",
        service.id.called()
    );
    ConnectionEnd::Untold(Step::new(service.origin.span, text))
}

//! The checks of `networking.k8s.io`.
//!
//! Source: `pkg/apis/networking/validation`, and `ParseCIDRSloppy` of `k8s.io/utils/net`.

use super::field::Field;
use super::meta::selector;
use super::{Checked, RefusedBy, is_new_server, names};
use crate::document::{TreeValue, View};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Checks a NetworkPolicy, on servers of a minor or of any.
pub(super) fn network_policy<T: TreeValue>(root: &Field<'_, T>, minor: Option<u32>) -> Checked {
    let spec = root.child("spec");
    selector(&spec.child("podSelector"))?;

    for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.child(rules).items() {
            for one in rule.child("ports").items() {
                port(&one)?;
            }
            for one in rule.child(peers).items() {
                peer(&one, minor)?;
            }
        }
    }

    let types = spec.child("policyTypes");
    types.require(types.len() <= 2, "has more than two items")?;
    for one in types.items() {
        one.one_of(&["Ingress", "Egress"])?;
    }
    Ok(())
}

fn port<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    field
        .child("protocol")
        .unset_or_one_of(&["TCP", "UDP", "SCTP"])?;

    let (port, end) = (field.child("port"), field.child("endPort"));
    match port.view() {
        None => end.require(!end.is_set(), "needs a port"),
        Some(View::String(_)) => {
            end.require(!end.is_set(), "needs a port that is a number")?;
            port.named(names::port_name)
        }
        Some(_) => {
            port_number(&port)?;
            if !end.is_set() {
                return Ok(());
            }
            port_number(&end)?;
            end.require(end.number() >= port.number(), "is below the port")
        }
    }
}

/// Checks an Ingress.
pub(super) fn ingress<T: TreeValue>(root: &Field<'_, T>) -> Checked {
    let spec = root.child("spec");
    let (default, rules) = (spec.child("defaultBackend"), spec.child("rules"));
    let serves = default.is_set() || !rules.is_empty();
    spec.require(serves, "must have a rule or a default backend")?;
    if default.is_set() {
        backend(&default)?;
    }

    for tls in spec.child("tls").items() {
        for host in tls.child("hosts").items() {
            host.require(is_host_name(host.text()), HOST)?;
        }
    }

    for rule in rules.items() {
        let host = rule.child("host");
        host.require(host.text().is_empty() || is_host(host.text()), HOST)?;
        let http = rule.child("http");
        if !http.is_set() {
            continue;
        }
        let paths = http.child("paths");
        paths.require(!paths.is_empty(), "must have a path")?;
        for one in paths.items() {
            ingress_path(&one)?;
        }
    }
    Ok(())
}

/// Why a host is refused.
const HOST: &str = "must be a host name in lower case, such as a.example, or *.example";

/// Whether a rule of an Ingress may serve a host.
fn is_host(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_err() && is_host_name(text)
}

/// Whether a text is a host name, or one with a wildcard. An IPv4 address is one.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    names::dns_subdomain(name).is_ok()
}

fn ingress_path<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let (kind, path) = (field.child("pathType"), field.child("path"));
    kind.one_of(&["Exact", "Prefix", "ImplementationSpecific"])?;
    let is_absolute = path.text().starts_with('/');
    let may_be_relative = kind.text() == "ImplementationSpecific";
    path.require(is_absolute || may_be_relative, "must begin with `/`")?;
    backend(&field.child("backend"))
}

fn backend<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let (service, resource) = (field.child("service"), field.child("resource"));
    let is_one = service.is_set() != resource.is_set();
    field.require(is_one, "must have a service or a resource")?;
    if resource.is_set() {
        return Ok(());
    }

    service.child("name").named(names::dns_label)?;
    let port = service.child("port");
    let (name, number) = (port.child("name"), port.child("number"));
    match name.text().is_empty() {
        true => port_number(&number),
        false => name.named(names::port_name),
    }
}

/// Checks the number of a port.
pub(super) fn port_number<T: TreeValue>(field: &Field<'_, T>) -> Checked {
    let fits = field.number().is_some_and(|n| (1..=65535).contains(&n));
    field.require(fits, "must be a port from 1 to 65535")
}

fn peer<T: TreeValue>(field: &Field<'_, T>, minor: Option<u32>) -> Checked {
    let (pods, namespaces) = (field.child("podSelector"), field.child("namespaceSelector"));
    let block = field.child("ipBlock");
    selector(&pods)?;
    selector(&namespaces)?;

    let selects = pods.is_set() || namespaces.is_set();
    field.require(selects || block.is_set(), "is an empty peer")?;
    if !block.is_set() {
        return Ok(());
    }
    field.require(!selects, "has both an ipBlock and a selector")?;
    ip_block(&block, minor)
}

fn ip_block<T: TreeValue>(block: &Field<'_, T>, minor: Option<u32>) -> Checked {
    let cidr = block.child("cidr");
    let net = network(&cidr, minor)?;

    for except in block.child("except").items() {
        let inner = network(&except, minor)?;
        let is_within = net.contains(&inner.network()) && net.prefix_len() < inner.prefix_len();
        except.require(is_within, "must be a strict subset of the cidr")?;
    }
    Ok(())
}

/// Checks a network, on servers of a minor or of any.
pub(super) fn network<T: TreeValue>(
    field: &Field<'_, T>,
    minor: Option<u32>,
) -> Result<IpNet, Box<super::Refusal>> {
    let text = field.text();
    let Some(net) = sloppy_network(text) else {
        let reason = format!("is `{text}`, which is no network such as 10.9.8.0/24");
        return Err(field.refusal(RefusedBy::Server, reason));
    };
    let reason = match text.parse::<IpNet>() {
        _ if !is_new_server(minor) => return Ok(net.trunc()),
        _ if has_leading_zeros(text) => "has leading zeros",
        Ok(IpNet::V6(six)) if six.addr().to_ipv4_mapped().is_some() => {
            "is an IPv4 address within IPv6"
        }
        Ok(exact) if exact.addr() != exact.network() => "has bits beyond the prefix length",
        _ => return Ok(net.trunc()),
    };
    Err(field.refusal(
        RefusedBy::NewServers,
        format!("is `{text}`, which {reason}"),
    ))
}

/// Whether a number of an IPv4 address, or the length of a prefix, has leading zeros.
fn has_leading_zeros(network: &str) -> bool {
    let (address, length) = network.split_once('/').unwrap_or((network, ""));
    let numbers = address.split('.').filter(|_| !address.contains(':'));
    numbers
        .chain([length])
        .any(|number| number.len() > 1 && number.starts_with('0'))
}

/// A network as servers before 1.36 read it: numbers may have leading zeros.
fn sloppy_network(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
    let length: u8 = is_number.then(|| length.parse().ok()).flatten()?;
    IpNet::new(sloppy_address(address)?, length).ok()
}

/// An address whose numbers may have leading zeros.
pub(super) fn sloppy_address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let octets: Vec<u8> = text
        .split('.')
        .map(|octet| {
            let digits = !octet.is_empty() && octet.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| octet.parse().ok()).flatten()
        })
        .collect::<Option<_>>()?;
    let octets: [u8; 4] = octets.try_into().ok()?;
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

//! Networks in CIDR notation: those too large to allow, and the cluster's own ranges.

use crate::diagnostic::{Diagnostic, rule};
use crate::document::Spanned;
use crate::source::Span;
use crate::spec::fleet::ClusterSpec;
use crate::spec::tenant::PeerSpec;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{Ipv4Addr, Ipv6Addr};

rule! {
    /// Egress to every address: a network larger than a /8 (IPv6: /16).
    ///
    /// ## Why it matters
    /// Data can leave to anywhere. The cluster's own ranges stay closed.
    /// ## Fix
    /// Name the networks, or have a Waiver approved.
    pub static EGRESS_ANY = "network/egress-any", Error;
}
rule! {
    /// Egress to a range of the cluster itself: its pods, Services, nodes, API server or metadata
    /// service.
    ///
    /// ## Why it matters
    /// Behind the metadata service lies the node's cloud identity; behind the pod range, every
    /// other tenant, whatever edges are declared.
    /// ## Fix
    /// Declare the tenant or the platform endpoint instead, or have a Waiver approved.
    pub static CLUSTER_RANGE = "network/cluster-range", Error;
}
rule! {
    /// Ingress from every address: a network larger than a /8 (IPv6: /16).
    ///
    /// ## Why it matters
    /// Whoever reaches a node or a load balancer reaches the pods, other tenants' pods included.
    /// ## Fix
    /// Name the networks, or let the platform's gateway in: `ingress: [{platform: web}]`.
    pub static INGRESS_ANY = "network/ingress-any", Error;
}
rule! {
    /// A cluster does not declare all of its own ranges, and a tenant's egress names a network.
    ///
    /// ## Why it matters
    /// Pod, Service, node and API server ranges are left out of a `cidr` only where they are
    /// declared.
    /// ## Fix
    /// Add podCIDRs, serviceCIDRs, nodeCIDRs and apiServer to the cluster.
    pub static RANGE_UNDECLARED = "network/range-undeclared", Note;
}

/// The metadata services of the usual clouds, for a cluster that declares none.
static METADATA: [&str; 2] = ["169.254.169.254/32", "fd00:ec2::254/128"];

/// Networks that no pod, Service or node has, and that a declared network always leaves out: the
/// link-local ranges, the addresses beyond them at which clouds answer with credentials, and the
/// NAT64 prefix whose form each network chooses itself (RFC 8215).
///
/// Sources: RFC 3927 and RFC 4291 (link-local); docs.aws.amazon.com, "Use IMDS" and "EKS Pod
/// Identity agent"; learn.microsoft.com, "What is IP address 168.63.129.16"; alibabacloud.com,
/// "Instance metadata"; cloud.google.com/compute/docs/metadata; docs.oracle.com, "Instance metadata" and,
/// for 192.0.0.192, "Retrieve Predefined Instance Metadata"; cloud-init's data sources of
/// Scaleway and Akamai.
static RESERVED: [&str; 13] = [
    "169.254.0.0/16",
    "fe80::/10",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "fd00:ec2::254/128",
    "fd00:ec2::23/128",
    "fd20:ce::254/128",
    "fd00:c1::a9fe:a9fe/128",
    "fd00:42::42/128",
    "fd00:a9fe:a9fe::1/128",
    "fd00:100::100:200/128",
    "64:ff9b:1::/48",
];

/// The IPv6 networks in which every IPv4 address has an image: NAT64, 6to4, IPv4-compatible and
/// IPv4-translated addresses. Each with the position of the image's first bit.
///
/// Sources: RFC 6052, RFC 3056, RFC 4291 section 2.5.5.1, RFC 2765 section 2.1.
static IMAGES: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::UNSPECIFIED, 96),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96),
];

/// The ranges of a cluster that a `cidr` leaves out, unless it lies within one of them: its own, those
/// of [`RESERVED`], and the images of both in IPv6.
pub(super) fn cluster_ranges(cluster: &ClusterSpec) -> Vec<IpNet> {
    let declared = cluster.own_ranges().into_iter();
    let declared = declared.flat_map(|(_, cidrs)| cidrs.iter().flatten());
    let mut ranges: Vec<IpNet> = declared
        .filter_map(|cidr| cidr.as_str().parse().ok())
        .chain(metadata_networks(Some(cluster)))
        .chain(reserved_networks())
        .collect();

    let images: Vec<IpNet> = ranges.iter().flat_map(images).collect();
    ranges.extend(images);
    ranges
}

/// The networks that every declared network leaves out, on every cluster.
pub fn reserved_networks() -> Vec<IpNet> {
    let parsed = RESERVED.iter().filter_map(|cidr| cidr.parse().ok());
    parsed.collect()
}

/// The IPv4 network that an IPv6 network is the image of: every address, if it holds all images.
fn translated(net: Ipv6Net) -> Option<Ipv4Net> {
    IMAGES.iter().find_map(|(prefix, start)| {
        let all = Ipv6Net::new(*prefix, *start as u8).ok()?;
        if net.contains(&all) {
            return Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 0).ok();
        }
        if !all.contains(&net) {
            return None;
        }
        let address = (u128::from(net.network()) >> (96 - start)) as u32;
        let length = (net.prefix_len() - all.prefix_len()).min(32);
        Some(Ipv4Net::new(address.into(), length).ok()?.trunc())
    })
}

/// The IPv6 networks from which a translator reaches an IPv4 network.
fn images(net: &IpNet) -> Vec<IpNet> {
    let IpNet::V4(v4) = net else {
        return Vec::new();
    };
    let address = u128::from(u32::from(v4.network()));

    IMAGES
        .iter()
        .filter_map(|(prefix, start)| {
            let image = u128::from(*prefix) | address << (96 - start);
            let length = *start as u8 + v4.prefix_len();
            IpNet::new(Ipv6Addr::from(image).into(), length).ok()
        })
        .collect()
}

/// The addresses of the metadata service of a cluster's cloud; the usual ones if the cluster
/// declares none.
pub fn metadata_networks(cluster: Option<&ClusterSpec>) -> Vec<IpNet> {
    let declared = cluster.and_then(|cluster| cluster.metadata_cidrs.as_ref());
    let networks: Vec<&str> = match declared {
        Some(declared) => declared.iter().map(|cidr| cidr.as_str()).collect(),
        None => METADATA.to_vec(),
    };
    let parsed = networks.iter().filter_map(|cidr| cidr.parse().ok());
    parsed.collect()
}

/// The cluster's own ranges that a declared network must leave out: the largest of those strictly
/// within it, sorted.
///
/// A range that is named is opened. Kubernetes requires each entry of `except` to be strictly
/// within the network.
pub(super) fn excluded(net: IpNet, cluster_ranges: &[IpNet]) -> Vec<IpNet> {
    let within: Vec<IpNet> = cluster_ranges
        .iter()
        .filter(|range| net.contains(*range) && **range != net)
        .copied()
        .collect();

    let is_largest = |range: &IpNet| {
        !within
            .iter()
            .any(|other| other != range && other.contains(range))
    };

    let mut except: Vec<IpNet> = within
        .iter()
        .filter(|range| is_largest(range))
        .copied()
        .collect();

    except.sort();
    except.dedup();
    except
}

/// Whether a network is too large to belong to anyone. Two halves of all addresses count as every
/// address, and an image of an IPv4 network as that network.
pub(super) fn is_everywhere(cidr: &str) -> bool {
    match cidr.parse::<IpNet>() {
        Ok(IpNet::V4(net)) => net.prefix_len() < 8,
        Ok(IpNet::V6(net)) => {
            let translated = translated(net);
            net.prefix_len() < 16 || translated.is_some_and(|net| net.prefix_len() < 8)
        }
        Err(_) => false,
    }
}

/// The first network of a list that is too large only together: more than four /8 (IPv6: /16).
pub(super) fn everywhere_together(peers: &[Spanned<PeerSpec>]) -> Option<&Spanned<PeerSpec>> {
    let (mut v4, mut v6) = (0u128, 0u128);

    let nets = peers
        .iter()
        .filter_map(|peer| peer.cidr.as_ref()?.parse::<IpNet>().ok());
    let meant = nets.map(|net| match net {
        IpNet::V6(v6) => translated(v6).map_or(net, IpNet::V4),
        IpNet::V4(_) => net,
    });
    for net in meant {
        match net {
            IpNet::V4(net) if net.prefix_len() >= 8 => v4 += 1 << (32 - net.prefix_len()),
            IpNet::V6(net) if net.prefix_len() >= 16 => v6 += 1 << (128 - net.prefix_len()),
            _ => {}
        }
    }

    (v4 > 4 << 24 || v6 > 4 << 112)
        .then(|| peers.iter().find(|peer| peer.cidr.is_some()))
        .flatten()
}

/// Reports the kinds of ranges that a cluster does not declare. `span` is a network that may hold
/// them.
pub(super) fn undeclared_ranges(cluster: &ClusterSpec, span: Span) -> Option<Diagnostic> {
    let missing: Vec<&str> = cluster
        .own_ranges()
        .into_iter()
        .filter(|(_, cidrs)| cidrs.is_none())
        .map(|(name, _)| name)
        .collect();

    if missing.is_empty() {
        return None;
    }

    let message = format!(
        "the cluster `{}` declares no {}",
        cluster.name.value,
        missing.join(", ")
    );

    Some(
        Diagnostic::new(&RANGE_UNDECLARED, cluster.name.span, message)
            .related(span, "a network that may hold them")
            .fix("add them: they are then left out of every `cidr`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_network_leaves_out_the_cluster_unless_it_names_it() {
        let ranges = nets(&["10.0.0.0/16", "10.0.1.0/24", "fd00::/64"]);
        let cases: [(&str, &[&str]); 4] = [
            ("0.0.0.0/0", &["10.0.0.0/16"]),
            ("10.0.0.0/16", &["10.0.1.0/24"]),
            ("10.0.1.0/25", &[]),
            ("192.0.2.0/24", &[]),
        ];

        for (net, left_out) in cases {
            let found = excluded(net.parse().unwrap(), &ranges);
            assert_eq!(found, nets(left_out), "{net}");
        }
    }

    #[test]
    fn an_ipv4_network_has_an_image_in_each_form() {
        let net = "169.254.0.0/16".parse().unwrap();
        let wanted = nets(&[
            "64:ff9b::a9fe:0/112",
            "2002:a9fe::/32",
            "::a9fe:0/112",
            "::ffff:0:a9fe:0/112",
        ]);
        assert_eq!(images(&net), wanted);
        assert!(images(&"fe80::/10".parse().unwrap()).is_empty());
    }

    #[test]
    fn a_network_larger_than_a_slash_eight_is_everywhere() {
        assert!(is_everywhere("0.0.0.0/1"));
        assert!(is_everywhere("2000::/3"));
        assert!(!is_everywhere("10.0.0.0/8"));
        assert!(!is_everywhere("2001::/16"));
        for image in [
            "64:ff9b::/96",
            "64:ff9b::/95",
            "2002::/16",
            "2002:8000::/17",
            "::/96",
            "::ffff:0:0:0/96",
        ] {
            assert!(is_everywhere(image), "{image}");
        }
        for image in ["64:ff9b::a00:0/104", "2002:a00::/24", "2001:db8::/32"] {
            assert!(!is_everywhere(image), "{image}");
        }
    }
}

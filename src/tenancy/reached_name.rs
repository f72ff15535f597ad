//! Names by which a controller would reach the cluster, a node, itself or a metadata service.

use super::reserved_networks;
use crate::host::{is_in_cluster, service_namespace};
use std::net::{IpAddr, Ipv4Addr};

/// The names of metadata services, besides their addresses.
///
/// Sources: cloud.google.com/compute/docs/metadata; docs.aws.amazon.com, "Instance metadata";
/// cloud.tencent.com, "Querying instance metadata".
const METADATA: [&str; 5] = [
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
];

/// Variables of nginx that stand for the host of the request, which is one that the object serves.
const OWN_HOST: [&str; 4] = ["$host", "$http_host", "$best_http_host", "$server_name"];

/// The dots from which on a resolver takes a name for a full one first: the `ndots` of a pod.
///
/// Source: kubernetes.io/docs/concepts/services-networking/dns-pod-service.
const FULL_NAME_DOTS: usize = 5;

/// A name in lower case, without the dot of the root.
fn plain(name: &str) -> String {
    name.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// The namespace that a resolver in a pod would look a short name up in: `shop` for `web.shop` and
/// `db-0.db.shop`. `None` for a full name, such as one that ends in a dot.
pub fn namespace_of_short_name(name: &str) -> Option<String> {
    let is_full = name.trim().ends_with('.');
    let name = plain(name);
    let dots = name.matches('.').count();
    let is_short = !is_full && (1..FULL_NAME_DOTS).contains(&dots) && !name.contains('$');
    let (_, last) = name.rsplit_once('.').filter(|_| is_short)?;
    address_of_name(&name).is_none().then(|| last.to_owned())
}

/// Why a tenant's object may not make a controller call a name, as the end of a sentence; `None` if it
/// may. `is_own` says which namespaces are the tenant's.
pub fn forbidden_name(name: &str, is_own: &dyn Fn(&str) -> bool) -> Option<&'static str> {
    let name = plain(name);
    if name.contains('$') {
        return (!OWN_HOST.contains(&&*name)).then_some("a host that the request chooses");
    }
    if let Some(address) = address_of_name(&name) {
        return of_address(address);
    }

    let is_host = name == "localhost" || name.ends_with(".localhost");
    if is_host || name == "localhost.localdomain" {
        return Some("the controller itself");
    }
    if METADATA.contains(&&*name) {
        return Some("a metadata service");
    }
    if !name.contains('.') {
        return Some("a Service of the controller's own namespace");
    }
    let home = service_namespace(&name);
    let is_of_cluster = home.is_some() || is_in_cluster(&name);
    if is_of_cluster && !home.is_some_and(is_own) {
        return Some("a name of the cluster's DNS that is not the tenant's");
    }
    None
}

/// Why no object of a tenant may name an address.
fn of_address(address: IpAddr) -> Option<&'static str> {
    let is_host = match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified(),
    };
    if is_host {
        return Some("the controller itself");
    }
    let mut reserved = reserved_networks().into_iter();
    reserved
        .any(|network| network.contains(&address))
        .then_some("a link-local address, or that of a metadata service")
}

/// The address that a name is, in any spelling that resolvers take: `127.1`, `0x7f000001`.
///
/// Source: `inet_aton` of POSIX.
pub fn address_of_name(name: &str) -> Option<IpAddr> {
    let name = name
        .trim()
        .trim_end_matches('.')
        .trim_start_matches('[')
        .trim_end_matches(']');
    let address = name.parse().ok();
    let address = address.or_else(|| old_spelling(name).map(IpAddr::V4))?;
    Some(address.to_canonical())
}

fn old_spelling(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = name.split('.').map(number).collect::<Option<_>>()?;
    let (last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|part| *part > 255) {
        return None;
    }
    let rest = 32 - 8 * front.len() as u32;
    if u64::from(*last) >> rest != 0 {
        return None;
    }
    let shifts = (0..4).map(|place| 24 - 8 * place);
    let front = front.iter().zip(shifts).map(|(part, shift)| part << shift);
    Some(Ipv4Addr::from(front.fold(*last, |all, part| all | part)))
}

fn number(part: &str) -> Option<u32> {
    if let Some(digits) = part.strip_prefix("0x") {
        return u32::from_str_radix(digits, 16).ok();
    }
    match part.strip_prefix('0').filter(|digits| !digits.is_empty()) {
        Some(digits) => u32::from_str_radix(digits, 8).ok(),
        None => part.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_in_each_spelling() {
        for name in ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001"] {
            assert_eq!(address_of_name(name), Some([127, 0, 0, 1].into()), "{name}");
        }
        for name in ["a.org", "1.2.3.4.5", "256.1.1.1", "", "7.example"] {
            assert_eq!(address_of_name(name), None, "{name}");
        }
        assert_eq!(
            address_of_name("[::ffff:169.254.169.254]"),
            Some([169, 254, 169, 254].into())
        );
    }
}

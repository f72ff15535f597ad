//! Sets of addresses.

use ipnet::IpNet;
use std::net::IpAddr;

/// The first and the last of the addresses that stand for IPv4: `::ffff:0:0/96`.
const MAPPED: (u128, u128) = (0xffff_0000_0000, 0xffff_ffff_ffff);

/// A set of addresses, as sorted ranges that do not overlap. An IPv4 address counts as the IPv6
/// address that it is mapped to, so that both spellings of a network are one set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressSet(Vec<(u128, u128)>);

impl AddressSet {
    /// The addresses of a network, without those of some others.
    pub fn new(net: &IpNet, except: &[IpNet]) -> Self {
        let mut gaps: Vec<(u128, u128)> = except.iter().flat_map(ranges).collect();
        gaps.sort_unstable();
        let parts = ranges(net)
            .into_iter()
            .flat_map(|range| without_all(range, &gaps));
        Self(parts.collect())
    }

    /// Whether it has an address in common with another set.
    pub fn meets(&self, other: &Self) -> bool {
        let (few, many) = match self.0.len() <= other.0.len() {
            true => (self, other),
            false => (other, self),
        };
        few.0.iter().any(|(first, last)| {
            let next = many.0.partition_point(|(_, to)| to < first);
            many.0.get(next).is_some_and(|(from, _)| from <= last)
        })
    }

    /// Whether it holds an address.
    pub fn has(&self, address: IpAddr) -> bool {
        let single = Self(ranges(&IpNet::from(address)));
        self.meets(&single)
    }

    /// Whether it holds each address of a range.
    pub fn holds(&self, (first, last): (u128, u128)) -> bool {
        let next = self.0.partition_point(|(_, to)| *to < first);
        let range = self.0.get(next);
        range.is_some_and(|(from, to)| *from <= first && last <= *to)
    }

    /// Its ranges, cut at each border of other sets: no other set holds only a part of one.
    pub fn cells(&self, others: &[&Self]) -> Vec<(u128, u128)> {
        let mut borders: Vec<u128> = others
            .iter()
            .flat_map(|set| &set.0)
            .flat_map(|(first, last)| [Some(*first), last.checked_add(1)])
            .flatten()
            .collect();
        borders.sort_unstable();
        borders.dedup();

        let mut cells = Vec::new();
        for (first, last) in &self.0 {
            let mut start = *first;
            let next = borders.partition_point(|at| at <= first);
            for border in borders[next..].iter().take_while(|at| *at <= last) {
                cells.push((start, border - 1));
                start = *border;
            }
            cells.push((start, *last));
        }
        cells
    }
}

/// A range without the addresses of some others, which are sorted and may overlap.
fn without_all((first, last): (u128, u128), gaps: &[(u128, u128)]) -> Vec<(u128, u128)> {
    let mut left = Vec::new();
    // The first address that may be left; none after the last of all.
    let mut start = Some(first);

    for (from, to) in gaps {
        let Some(at) = start.filter(|at| *at <= last && *from <= last) else {
            break;
        };
        if at < *from {
            left.push((at, from - 1));
        }
        if at <= *to {
            start = to.checked_add(1);
        }
    }

    left.extend(start.filter(|at| *at <= last).map(|at| (at, last)));
    left
}

/// The ranges of a network. One of IPv6 that is larger than all of IPv4 has no address of IPv4.
fn ranges(net: &IpNet) -> Vec<(u128, u128)> {
    match net {
        IpNet::V4(net) => {
            let number = |address: std::net::Ipv4Addr| MAPPED.0 + u128::from(u32::from(address));
            vec![(number(net.network()), number(net.broadcast()))]
        }
        IpNet::V6(net) => {
            let range = (u128::from(net.network()), u128::from(net.broadcast()));
            match MAPPED.0 <= range.0 && range.1 <= MAPPED.1 {
                true => vec![range],
                false => without_all(range, &[MAPPED]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(net: &str, except: &[&str]) -> AddressSet {
        let except: Vec<IpNet> = except.iter().map(|net| net.parse().unwrap()).collect();
        AddressSet::new(&net.parse().unwrap(), &except)
    }

    fn is_union(net: &str, parts: &[&str]) -> bool {
        let parts: Vec<AddressSet> = parts.iter().map(|net| set(net, &[])).collect();
        let all: Vec<&AddressSet> = parts.iter().collect();
        let mut cells = set(net, &[]).cells(&all).into_iter();
        cells.all(|cell| parts.iter().any(|part| part.holds(cell)))
    }

    #[test]
    fn halves_of_a_network_are_the_network() {
        assert!(is_union("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]));
        assert!(is_union("0.0.0.0/0", &["128.0.0.0/1", "0.0.0.0/1"]));
        assert!(is_union("::/0", &["8000::/1", "::/1"]));
        assert!(!is_union("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/10"]));
    }

    #[test]
    fn both_spellings_of_an_ipv4_network_are_one_set() {
        assert_eq!(set("10.0.0.0/8", &[]), set("::ffff:10.0.0.0/104", &[]));
        assert!(!is_union("10.0.0.0/8", &["::/0"]));
    }

    #[test]
    fn networks_that_are_left_out_may_overlap_in_any_order() {
        let orders = [
            ["10.0.0.0/16", "10.0.0.0/24", "10.2.0.0/16"],
            ["10.2.0.0/16", "10.0.0.0/24", "10.0.0.0/16"],
        ];
        for except in orders {
            let left = set("10.0.0.0/8", &except);
            for (address, has) in [
                ("9.255.255.255", false),
                ("10.0.255.255", false),
                ("10.1.0.0", true),
                ("10.2.0.0", false),
                ("10.3.0.0", true),
                ("10.255.255.255", true),
                ("11.0.0.0", false),
            ] {
                assert_eq!(left.has(address.parse().unwrap()), has, "{address}");
            }
        }
        assert_eq!(set("::/0", &["::/0", "::/1"]), AddressSet::default());
        assert_eq!(set("10.0.0.0/8", &["11.0.0.0/8"]), set("10.0.0.0/8", &[]));
    }

    #[test]
    fn what_is_left_out_is_not_in_it() {
        let left = set("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]);
        assert_eq!(left, AddressSet::default());
        assert_eq!(set("10.0.0.0/8", &["10.0.0.0/9"]), set("10.128.0.0/9", &[]));
    }
}

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
        let mut set = Self(ranges(net));
        for gap in except.iter().flat_map(ranges) {
            set.remove(gap);
        }
        set
    }

    fn remove(&mut self, gap: (u128, u128)) {
        self.0 = self
            .0
            .iter()
            .flat_map(|range| without(*range, gap))
            .collect();
    }

    /// Whether it has an address in common with another set.
    pub fn meets(&self, other: &Self) -> bool {
        self.0.iter().any(|(first, last)| {
            let mut others = other.0.iter();
            others.any(|(from, to)| first <= to && from <= last)
        })
    }

    /// Whether it holds an address.
    pub fn has(&self, address: IpAddr) -> bool {
        let single = Self(ranges(&IpNet::from(address)));
        self.meets(&single)
    }

    /// Whether it holds each address of a range.
    pub fn holds(&self, (first, last): (u128, u128)) -> bool {
        self.0
            .iter()
            .any(|(from, to)| *from <= first && last <= *to)
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
            let within = borders.iter().filter(|at| *first < **at && **at <= *last);
            for border in within {
                cells.push((start, border - 1));
                start = *border;
            }
            cells.push((start, *last));
        }
        cells
    }
}

/// A range without the addresses of another.
fn without((first, last): (u128, u128), gap: (u128, u128)) -> Vec<(u128, u128)> {
    if gap.1 < first || last < gap.0 {
        return vec![(first, last)];
    }
    let before = (first < gap.0).then(|| (first, gap.0 - 1));
    let after = (gap.1 < last).then(|| (gap.1 + 1, last));
    before.into_iter().chain(after).collect()
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
                false => without(range, MAPPED),
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
    fn what_is_left_out_is_not_in_it() {
        let left = set("10.0.0.0/8", &["10.0.0.0/9", "10.128.0.0/9"]);
        assert_eq!(left, AddressSet::default());
        assert_eq!(set("10.0.0.0/8", &["10.0.0.0/9"]), set("10.128.0.0/9", &[]));
    }
}

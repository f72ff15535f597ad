//! A set of addresses holds what its network holds and its exceptions do not.
#![no_main]

use ipnet::IpNet;
use libfuzzer_sys::fuzz_target;
use std::net::IpAddr;
use tenantry::netpol::addresses::AddressSet;
use tenantry::spec::leaf::reason;

fuzz_target!(|text: &str| {
    for word in text.split_whitespace() {
        let _ = reason("cidr", word);
    }

    // An IPv6 address that an IPv4 address is mapped to counts as that IPv4 address.
    let is_mapped = |address: IpAddr| address != address.to_canonical();
    let nets = text.split_whitespace().take(12);
    let nets = nets.filter_map(|word| word.parse::<IpNet>().ok());
    let nets: Vec<IpNet> = nets.filter(|net| !is_mapped(net.network())).collect();
    let Some((net, except)) = nets.split_first() else {
        return;
    };

    let addresses = text.split_whitespace().filter_map(|word| word.parse().ok());
    let ends = nets.iter().flat_map(|net| [net.network(), net.broadcast()]);
    let set = AddressSet::new(net, except);
    for probe in addresses.chain(ends).filter(|probe| !is_mapped(*probe)) {
        let wanted = net.contains(&probe) && !except.iter().any(|one| one.contains(&probe));
        assert_eq!(set.has(probe), wanted, "{net} {except:?} {probe}");
    }
    assert!(set.cells(&[&set]).into_iter().all(|cell| set.holds(cell)));
});

//! Whether two lists of ports have one in common.

use crate::spec::tenant::{PortRule, PortSpec, ProtocolSpec};
use std::collections::BTreeSet;

/// The ports of one half of an edge, by protocol.
#[derive(Default)]
pub(super) struct PortSet<'a> {
    of: [ProtocolPorts<'a>; 3],
}

/// The ports of one protocol.
#[derive(Default)]
struct ProtocolPorts<'a> {
    /// Ranges that do not overlap, in order; the last port of each.
    ranges: Vec<(u16, u16)>,
    names: BTreeSet<&'a str>,
}

impl<'a> PortSet<'a> {
    /// The set of some ports.
    pub fn new(ports: impl IntoIterator<Item = &'a PortRule>) -> Self {
        let mut set = Self::default();
        for port in ports {
            let of = &mut set.of[protocol(port)];
            match &port.port {
                PortSpec::Number(first) => {
                    of.ranges.push((*first, port.end_port.unwrap_or(*first)));
                }
                PortSpec::Name(name) => {
                    of.names.insert(name);
                }
            }
        }
        for of in &mut set.of {
            of.merge();
        }
        set
    }

    /// Whether it has a port of some others. A name meets the same name, and any number.
    pub fn meets<'p>(&self, ports: impl IntoIterator<Item = &'p PortRule>) -> bool {
        ports.into_iter().any(|port| {
            let of = &self.of[protocol(port)];
            match &port.port {
                PortSpec::Number(first) => {
                    !of.names.is_empty() || of.overlaps(*first, port.end_port.unwrap_or(*first))
                }
                PortSpec::Name(name) => !of.ranges.is_empty() || of.names.contains(name.as_str()),
            }
        })
    }
}

impl ProtocolPorts<'_> {
    fn merge(&mut self) {
        self.ranges.sort_unstable();
        self.ranges.dedup_by(|next, range| {
            let overlaps = next.0 <= range.1;
            if overlaps {
                range.1 = range.1.max(next.1);
            }
            overlaps
        });
    }

    fn overlaps(&self, first: u16, last: u16) -> bool {
        let at = self.ranges.partition_point(|range| range.1 < first);
        self.ranges.get(at).is_some_and(|range| range.0 <= last)
    }
}

fn protocol(port: &PortRule) -> usize {
    port.protocol.unwrap_or(ProtocolSpec::Tcp) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(port: PortSpec, end_port: Option<u16>, protocol: Option<ProtocolSpec>) -> PortRule {
        PortRule {
            port,
            end_port,
            protocol,
        }
    }

    #[test]
    fn ports_meet_by_number_range_name_and_protocol() {
        let name = |name: &str| port(PortSpec::Name(name.into()), None, None);
        let range = |first, last| port(PortSpec::Number(first), Some(last), None);
        let udp = port(PortSpec::Number(53), None, Some(ProtocolSpec::Udp));
        let set = [range(30, 40), range(10, 20), range(15, 25), udp.clone()];
        let set = PortSet::new(&set);

        for (other, meets) in [
            (range(25, 29), true),
            (range(26, 29), false),
            (range(41, 60000), false),
            (range(1, 10), true),
            (range(53, 53), false),
            (udp, true),
            (name("web"), true),
        ] {
            assert_eq!(set.meets([&other]), meets, "{other:?}");
        }

        let named = [name("web")];
        let named = PortSet::new(&named);
        assert!(named.meets([&name("web")]) && named.meets([&range(1, 1)]));
        assert!(!named.meets([&name("api")]));
    }
}

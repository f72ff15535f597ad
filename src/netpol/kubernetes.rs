//! The dialect of Kubernetes: `NetworkPolicy` of `networking.k8s.io/v1`.
//!
//! An absent list and an empty one differ in two places. `ingress` and `egress` decide, where
//! `policyTypes` is empty, whether the policy governs egress. An empty `from`, `to` or `ports`
//! means every peer or port, as an absent one does.
//!
//! Sources: kubernetes.io/docs/concepts/services-networking/network-policies,
//! `pkg/apis/networking/v1/defaults.go` and `pkg/apis/networking/validation`.

use super::{Direction, Peer, Policy, Port, Ports, Protocol, Rule};
use crate::document::{TreeValue, View};
use crate::kube::labels::Selector;
use crate::value::{Entry, Text, Value, map};
use ipnet::IpNet;

/// The API group.
pub const GROUP: &str = "networking.k8s.io";
/// The API version that is written.
pub const VERSION: &str = "networking.k8s.io/v1";
/// The kind.
pub const KIND: &str = "NetworkPolicy";

impl Direction {
    /// The name among a policy's `policyTypes`.
    const fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The key of the rules, which names the direction in sentences too.
    pub const fn rules_key(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The key of a rule's peers, which is the preposition before a peer in sentences too.
    pub const fn peers_key(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }
}

/// Reads the `spec` of a NetworkPolicy.
///
/// # Errors
/// Why the API server refuses it, or which field of it is not understood.
pub fn read<T: TreeValue>(spec: Option<&T>) -> Result<Policy, String> {
    const FIELDS: [&str; 4] = ["podSelector", "policyTypes", "ingress", "egress"];
    if let Some(spec) = spec {
        refuse_other_fields(spec, "spec", &FIELDS)?;
    }

    let pods = spec
        .and_then(|spec| spec.member("podSelector"))
        .map_or(Ok(Selector::default()), Selector::of)?;
    let rules = |direction: Direction| -> Result<Vec<Rule>, String> {
        list(spec, direction.rules_key())?
            .iter()
            .map(|rule| read_rule(rule, direction))
            .collect()
    };

    let (ingress, egress) = (rules(Direction::Ingress)?, rules(Direction::Egress)?);

    let types = texts(spec, "policyTypes")?;
    let known = Direction::BOTH.map(Direction::policy_type);

    if let Some(other) = types.iter().find(|name| !known.contains(name)) {
        return Err(format!("`{other}` is not a policy type"));
    }

    let governs_ingress = types.is_empty() || types.contains(&Direction::Ingress.policy_type());
    let governs_egress = if types.is_empty() {
        !egress.is_empty()
    } else {
        types.contains(&Direction::Egress.policy_type())
    };

    Ok(Policy {
        pods,
        ingress: governs_ingress.then_some(ingress),
        egress: governs_egress.then_some(egress),
    })
}

fn read_rule<T: TreeValue>(node: &T, direction: Direction) -> Result<Rule, String> {
    refuse_other_fields(node, "a rule", &[direction.peers_key(), "ports"])?;
    let peers = list(Some(node), direction.peers_key())?;
    let ports = list(Some(node), "ports")?;

    Ok(Rule {
        peers: peers.iter().map(read_peer).collect::<Result<_, _>>()?,
        ports: ports.iter().map(read_port).collect::<Result<_, _>>()?,
        span: node.span(),
    })
}

fn read_peer<T: TreeValue>(node: &T) -> Result<Peer, String> {
    const FIELDS: [&str; 3] = ["ipBlock", "namespaceSelector", "podSelector"];
    refuse_other_fields(node, "a peer", &FIELDS)?;
    let selector = |key: &str| node.member(key).map(Selector::of).transpose();
    let (namespaces, pods) = (selector("namespaceSelector")?, selector("podSelector")?);

    match (node.member("ipBlock"), namespaces, pods) {
        (None, None, None) => Err("a peer is empty".into()),
        (None, namespaces, pods) => Ok(Peer::Pods {
            namespaces,
            pods: pods.unwrap_or_default(),
        }),
        (Some(block), None, None) => read_block(block),
        _ => Err("a peer has both an ipBlock and a selector".into()),
    }
}

fn read_block<T: TreeValue>(block: &T) -> Result<Peer, String> {
    refuse_other_fields(block, "an ipBlock", &["cidr", "except"])?;
    let net = |text: &str| {
        text.parse::<IpNet>()
            .map_err(|_| format!("`{text}` is not a network"))
    };
    let cidr = block.member("cidr").and_then(TreeValue::text);

    Ok(Peer::Block {
        except: texts(Some(block), "except")?
            .into_iter()
            .map(net)
            .collect::<Result<_, _>>()?,
        net: net(cidr.unwrap_or_default())?,
    })
}

fn read_port<T: TreeValue>(node: &T) -> Result<Port, String> {
    refuse_other_fields(node, "a port", &["protocol", "port", "endPort"])?;
    let protocol = match node.member("protocol").map(TreeValue::text) {
        None => Protocol::Tcp,
        Some(None) => return Err("a protocol is not a string".into()),
        Some(Some(name)) => {
            Protocol::parse(name).ok_or_else(|| format!("`{name}` is not a protocol"))?
        }
    };
    let name = node.member("port").and_then(TreeValue::text);

    let ports = match (name, number(node, "port")?, number(node, "endPort")?) {
        (Some(name), None, None) => Ports::Named(name.into()),
        (None, None, None) => Ports::All,
        (None, Some(first), last) if last.is_none_or(|last| last >= first) => {
            Ports::Range(first, last.unwrap_or(first))
        }
        _ => return Err("endPort needs a numeric port that is not above it".into()),
    };
    Ok(Port { protocol, ports })
}

/// The port number of a key; `None` if it is absent or has a name.
fn number<T: TreeValue>(node: &T, key: &str) -> Result<Option<u16>, String> {
    let number = match node.member(key).map(TreeValue::view) {
        None => return Ok(None),
        Some(View::String(_)) if key == "port" => return Ok(None),
        Some(View::Number(number)) => number,
        Some(_) => return Err(format!("`{key}` is not a port")),
    };
    number
        .as_u64()
        .and_then(|number| u16::try_from(number).ok())
        .map(Some)
        .ok_or_else(|| format!("`{number}` is not a port"))
}

/// Refuses a mapping with a field that is not known, and what is no mapping.
fn refuse_other_fields<T: TreeValue>(node: &T, place: &str, known: &[&str]) -> Result<(), String> {
    let entries = match node.view() {
        View::Map(entries) => entries,
        View::Null => return Ok(()),
        _ => return Err(format!("{place} is not a mapping")),
    };

    let mut names = entries.iter().map(T::split).map(|(name, _)| name);
    match names.find(|name| !known.contains(name)) {
        Some(name) => Err(format!("{place} has a field `{name}`, which is not known")),
        None => Ok(()),
    }
}

/// The items of a list; none if the field is absent.
fn list<'a, T: TreeValue>(node: Option<&'a T>, key: &str) -> Result<&'a [T], String> {
    match node.and_then(|node| node.member(key)).map(TreeValue::view) {
        None => Ok(&[]),
        Some(View::Seq(items)) => Ok(items),
        Some(_) => Err(format!("`{key}` is not a list")),
    }
}

/// The strings of a list; none if the field is absent.
fn texts<'a, T: TreeValue>(node: Option<&'a T>, key: &str) -> Result<Vec<&'a str>, String> {
    let text = |item: &'a T| {
        item.text()
            .ok_or_else(|| format!("`{key}` has an item that is not a string"))
    };
    list(node, key)?.iter().map(text).collect()
}

/// Writes a policy as the `spec` of a NetworkPolicy.
pub fn write(policy: &Policy) -> Value {
    let governed = Direction::BOTH
        .into_iter()
        .filter_map(|direction| Some((direction, policy.rules(direction)?)));
    let types: Vec<Value> = governed
        .clone()
        .map(|(direction, _)| text(direction.policy_type()))
        .collect();

    let mut spec: Vec<Entry> = vec![
        entry("podSelector", policy.pods.to_value()),
        entry("policyTypes", types.into()),
    ];

    for (direction, rules) in governed.filter(|(_, rules)| !rules.is_empty()) {
        let rules: Vec<Value> = rules
            .iter()
            .map(|rule| write_rule(rule, direction))
            .collect();
        spec.push(entry(direction.rules_key(), rules.into()));
    }

    spec.into()
}

fn write_rule(rule: &Rule, direction: Direction) -> Value {
    let mut entries: Vec<Entry> = Vec::with_capacity(2);

    if !rule.peers.is_empty() {
        let peers: Vec<Value> = rule.peers.iter().map(write_peer).collect();
        entries.push(entry(direction.peers_key(), peers.into()));
    }
    if !rule.ports.is_empty() {
        let ports: Vec<Value> = rule.ports.iter().map(write_port).collect();
        entries.push(entry("ports", ports.into()));
    }
    entries.into()
}

fn write_peer(peer: &Peer) -> Value {
    match peer {
        Peer::Pods {
            namespaces: None,
            pods,
        } => map! { "podSelector" => pods.to_value() },
        Peer::Pods {
            namespaces: Some(namespaces),
            pods,
        } if pods.is_everything() => map! { "namespaceSelector" => namespaces.to_value() },
        Peer::Pods {
            namespaces: Some(namespaces),
            pods,
        } => {
            map! { "namespaceSelector" => namespaces.to_value(), "podSelector" => pods.to_value() }
        }
        Peer::Block { net, except } => {
            let mut block: Vec<Entry> = vec![entry("cidr", net.to_string().into())];
            if !except.is_empty() {
                let except: Vec<Value> = except.iter().map(|net| net.to_string().into()).collect();
                block.push(entry("except", except.into()));
            }
            map! { "ipBlock" => block }
        }
    }
}

fn write_port(port: &Port) -> Value {
    let mut entries: Vec<Entry> = vec![entry("protocol", text(port.protocol.name()))];

    match &port.ports {
        Ports::All => {}
        Ports::Named(name) => entries.push(entry("port", name.clone().into())),
        Ports::Range(first, last) => {
            entries.push(entry("port", (*first).into()));
            if last != first {
                entries.push(entry("endPort", (*last).into()));
            }
        }
    }
    entries.into()
}

const fn entry(key: &'static str, value: Value) -> Entry {
    (Text::new_static(key), value)
}

const fn text(text: &'static str) -> Value {
    Value::String(Text::new_static(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netpol::strategy;
    use crate::value::list;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_policy_that_is_written_reads_back_the_same(policy in strategy::policy()) {
            let spec = write(&policy);
            prop_assert_eq!(read(Some(&spec)), Ok(policy), "{:?}", spec);
        }
    }

    /// The number of rules in each direction; `None` if the policy does not govern it.
    fn governed(spec: &Value) -> (Option<usize>, Option<usize>) {
        let policy = read(Some(spec)).unwrap();
        let count = |direction| policy.rules(direction).map(<[Rule]>::len);
        (count(Direction::Ingress), count(Direction::Egress))
    }

    #[test]
    fn absent_policy_types_follow_from_the_rules() {
        let nothing = Vec::<Value>::new;

        assert_eq!(governed(&map! {}), (Some(0), None));
        assert_eq!(governed(&map! { "egress" => nothing() }), (Some(0), None));
        assert_eq!(
            governed(&map! { "egress" => list![map! {}] }),
            (Some(0), Some(1))
        );
        assert_eq!(
            governed(&map! { "policyTypes" => nothing() }),
            (Some(0), None)
        );
    }

    #[test]
    fn policy_types_decide_which_rules_count() {
        let spec = |types: Value| {
            map! {
                "policyTypes" => types,
                "ingress" => list![map! {}],
                "egress" => list![map! {}, map! {}],
            }
        };

        assert_eq!(governed(&spec(list!["Ingress"])), (Some(1), None));
        assert_eq!(governed(&spec(list!["Egress"])), (None, Some(2)));
        assert_eq!(
            governed(&spec(list!["Egress", "Ingress"])),
            (Some(1), Some(2))
        );
    }

    #[test]
    fn an_empty_list_of_peers_or_ports_means_all() {
        let empty = map! { "from" => Vec::<Value>::new(), "ports" => Vec::<Value>::new() };
        let spec = |rule: Value| map! { "ingress" => list![rule] };

        assert_eq!(read(Some(&spec(empty))), read(Some(&spec(map! {}))));
    }

    #[test]
    fn what_the_api_server_refuses_is_not_read() {
        let port = |port: Value| map! { "ingress" => list![map! { "ports" => list![port] }] };
        let peer = |peer: Value| map! { "egress" => list![map! { "to" => list![peer] }] };
        let block = |cidr: &str| map! { "ipBlock" => map! { "cidr" => cidr } };
        let both = map! { "ipBlock" => map! { "cidr" => "::/0" }, "podSelector" => map! {} };

        for spec in [
            map! { "policyTypes" => list!["Both"] },
            port(map! { "protocol" => "ICMP" }),
            port(map! { "port" => 0x1_0000u32 }),
            port(map! { "port" => 90u16, "endPort" => 80u16 }),
            port(map! { "port" => "http", "endPort" => 80u16 }),
            port(map! { "endPort" => 80u16 }),
            peer(map! {}),
            peer(block("10.0.0.0")),
            peer(both),
        ] {
            assert!(read(Some(&spec)).is_err(), "{spec:?}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_read() {
        let rule = |rule: Value| map! { "ingress" => list![rule] };
        let port = |port: Value| rule(map! { "ports" => list![port] });
        let block = map! { "cidr" => "::/0", "except" => list![1u16] };

        for spec in [
            map! { "order" => 1u16 },
            map! { "ingress" => "x" },
            map! { "policyTypes" => "Egress" },
            map! { "policyTypes" => list![1u16] },
            rule("x".into()),
            rule(map! { "from" => "x" }),
            rule(map! { "to" => list![map! { "podSelector" => map! {} }] }),
            rule(map! { "from" => list![map! { "serviceSelector" => map! {} }] }),
            rule(map! { "from" => list![map! { "ipBlock" => block }] }),
            port(map! { "port" => true }),
            port(map! { "port" => 80u16, "endPort" => "90" }),
            port(map! { "protocol" => 6u16 }),
            port(map! { "ports" => 80u16 }),
        ] {
            assert!(read(Some(&spec)).is_err(), "{spec:?}");
        }
    }

    #[test]
    fn a_policy_of_both_directions_is_written_with_empty_lists_left_out() {
        let deny = Policy {
            ingress: Some(Vec::new()),
            egress: Some(Vec::new()),
            ..Policy::default()
        };

        let spec = write(&deny);
        assert_eq!(
            serde_json::to_string(&spec).unwrap(),
            r#"{"podSelector":{},"policyTypes":["Ingress","Egress"]}"#
        );
    }
}

//! Connections between a pod and an end outside the pods of the inputs: addresses, the API server, the
//! metadata service, and the DNS of a namespace that no input holds.
//!
//! Source: kubernetes.io/docs/concepts/services-networking/network-policies, "What you can't do with
//! network policies" and "NetworkPolicy and hostNetwork pods"; docs.cilium.io, "IP/CIDR based".

use super::side::{Governing, PolicyEffect, by_ports, governing_pods, on_ports, reasons};
use super::{MAX_REASONS, PodEnd, narrowing, too_large, unknown};
use crate::graph::Cluster;
use crate::graph::network::{NamedPort, PolicyObject};
use crate::isolation::network::paths::{
    declared_or_usual, is_on_cilium, paths, pod_network, pod_networks,
};
use crate::isolation::question::{Answer, Word};
use crate::isolation::{Step, at};
use crate::kube::labels::{Labels, TooLarge};
use crate::kube::names::NAME_LABEL;
use crate::netpol::addresses::AddressSet;
use crate::netpol::{Direction, Peer, Port, Rule};
use crate::value::Text;
use ipnet::IpNet;

/// An end outside the pods of the inputs.
#[derive(Clone, Debug)]
pub struct OutsideEnd {
    /// How a sentence calls it.
    pub name: String,
    /// What it is.
    pub kind: OutsideKind,
}

/// What an end outside the pods of the inputs is.
#[derive(Clone, Debug)]
pub enum OutsideKind {
    /// Any address of some networks.
    Networks(Vec<IpNet>),
    /// The API server; without networks if the inputs do not say where it is.
    ApiServer(Vec<IpNet>),
    /// The metadata service of a cloud.
    Metadata(Vec<IpNet>),
    /// Pods of a namespace that no input holds.
    Pods {
        /// The namespace.
        namespace: Text,
        /// The labels of the pods.
        labels: Labels,
    },
}

impl OutsideEnd {
    /// Its networks; none if they are not known.
    fn networks(&self) -> &[IpNet] {
        match &self.kind {
            OutsideKind::Networks(all)
            | OutsideKind::ApiServer(all)
            | OutsideKind::Metadata(all) => all,
            OutsideKind::Pods { .. } => &[],
        }
    }

    /// Whether each of its addresses is in one of some networks.
    fn is_within(&self, networks: &[IpNet]) -> bool {
        let own = self.networks();
        let is_in = |net: &IpNet| networks.iter().any(|all| all.contains(net));
        !own.is_empty() && own.iter().all(is_in)
    }

    /// Whether some of its addresses are in a set.
    fn meets(&self, set: &AddressSet) -> bool {
        let mut own = self.networks().iter();
        own.any(|net| AddressSet::new(net, &[]).meets(set))
    }

    /// Whether some of its addresses are in some networks.
    fn meets_any(&self, networks: &[IpNet]) -> bool {
        let mut all = networks.iter();
        all.any(|net| self.meets(&AddressSet::new(net, &[])))
    }

    /// Whether the address never leaves the pod.
    fn is_loopback(&self) -> bool {
        let own = self.networks();
        !own.is_empty() && own.iter().all(|net| net.network().is_loopback())
    }
}

/// Whether a rule has the end among its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HasEnd {
    No,
    /// If the end's address is that of a pod that the rule selects.
    IfPod,
    /// If the end's address, which the inputs do not say, is in the rule's network.
    IfAddress,
    Yes,
}

/// A pod and an end outside, and the direction of the connection as the pod sees it.
#[derive(Clone, Copy)]
struct Outward<'a> {
    cluster: &'a Cluster,
    pods: &'a PodEnd,
    direction: Direction,
    end: &'a OutsideEnd,
}

/// Answers whether a pod can send to an end outside, or be sent to by it.
pub fn answer(
    cluster: &Cluster,
    pods: &PodEnd,
    direction: Direction,
    end: &OutsideEnd,
    port: Option<&Port>,
) -> Answer {
    if end.is_loopback() {
        let text = format!("{} never leaves the pod: no policy governs it", end.name);
        let step = Step::new(pods.span(cluster), text);
        return Answer::new(Word::Yes, String::new(), vec![step]);
    }
    let unknown = unknown(cluster, &[pods]);
    if !unknown.is_empty() {
        return Answer::new(Word::Unknown, String::new(), unknown);
    }

    let asked = Outward {
        cluster,
        pods,
        direction,
        end,
    };
    let answer = asked.answer(port);
    answer.unwrap_or_else(|TooLarge| too_large(cluster, &[pods]))
}

impl Outward<'_> {
    fn answer(&self, port: Option<&Port>) -> Result<Answer, TooLarge> {
        let node = self.pods.node(self.cluster);
        let all = paths(self.cluster, node, self.direction)?;
        for path in all.iter().filter(|path| path.by.is_none()) {
            if path.condition.has_pods(self.pods.labels.as_ref(), None)? {
                let step = path.step(self.direction, node, self.pods.span(self.cluster));
                return Ok(self.open(step));
            }
        }

        let mut governing = Vec::new();
        let mut maybe: Option<Step> = None;
        for (policy, rules) in governing_pods(self.cluster, self.pods, self.direction)? {
            let mut own = Governing::new(policy, rules);
            for rule in rules {
                let has = self.has_end(policy, rule);
                if has == HasEnd::No {
                    continue;
                }
                let effect = by_ports(rule, port, self.named_ports());
                match (has, effect) {
                    (HasEnd::Yes, PolicyEffect::Peer(_)) => {
                        return Ok(self.open(self.rule_step(policy, rule)));
                    }
                    (HasEnd::IfAddress, PolicyEffect::Peer(_)) => {
                        maybe.get_or_insert_with(|| self.maybe_step(policy, rule));
                    }
                    (HasEnd::IfPod, PolicyEffect::Peer(_)) => {
                        own.note(rule, PolicyEffect::PodsAlone)
                    }
                    (HasEnd::Yes, effect) => own.note(rule, effect),
                    _ => {}
                }
            }
            governing.push(own);
        }

        Ok(match maybe {
            Some(step) => Answer::new(Word::Unknown, String::new(), vec![step]),
            None => self.closed(&governing),
        })
    }

    /// The ports that the destination names.
    fn named_ports(&self) -> Option<&[NamedPort]> {
        match (self.direction, &self.end.kind) {
            (Direction::Ingress, _) => self.pods.ports.as_deref(),
            (Direction::Egress, OutsideKind::Pods { .. }) => None,
            // An address names no port.
            (Direction::Egress, _) => Some(&[]),
        }
    }

    /// Whether the end's addresses are those of pods, as the fleet declares its networks.
    fn is_pod_address(&self) -> bool {
        self.end.is_within(&self.cluster.pod_networks)
    }

    /// Whether some of the end's addresses may be those of pods: in a network of pods that the fleet
    /// declares, or in a usual one if it declares none. No rule of a network plugin counts here.
    fn may_be_pod_address(&self) -> bool {
        let is_plain = matches!(self.end.kind, OutsideKind::Networks(_));
        is_plain && self.end.meets_any(pod_networks(self.cluster))
    }

    /// Whether some of the end's addresses may be those of nodes. If the fleet declares no networks of
    /// nodes, each private address may be one.
    fn may_be_node_address(&self) -> bool {
        let is_plain = matches!(self.end.kind, OutsideKind::Networks(_));
        is_plain
            && self
                .end
                .meets_any(declared_or_usual(&self.cluster.endpoints.nodes))
    }

    /// Whether the end's addresses are those of nodes, as the fleet declares its networks.
    fn is_node_address(&self) -> bool {
        self.end.is_within(&self.cluster.endpoints.nodes)
    }

    fn has_end(&self, policy: &PolicyObject, rule: &Rule) -> HasEnd {
        if rule.peers.is_empty() {
            return HasEnd::Yes;
        }
        let peers = rule.peers.iter();
        let all = peers.map(|peer| match peer {
            Peer::Block { net, except } => self.has_block(net, except),
            Peer::Pods { namespaces, pods } => {
                let OutsideKind::Pods { namespace, labels } = &self.end.kind else {
                    return match self.may_be_pod_address() {
                        true => HasEnd::IfPod,
                        false => HasEnd::No,
                    };
                };
                let known = Labels::new([(NAME_LABEL.into(), namespace.clone())]);
                let is_in = match namespaces {
                    None => *namespace == policy.id.namespace,
                    Some(selector) => selector.matches(&known),
                };
                match is_in && pods.matches(labels) {
                    true => HasEnd::Yes,
                    false => HasEnd::No,
                }
            }
        });
        all.max().unwrap_or(HasEnd::No)
    }

    fn has_block(&self, net: &IpNet, except: &[IpNet]) -> HasEnd {
        let is_unknown = self.end.networks().is_empty();
        let is_everything = net.prefix_len() == 0 && except.is_empty();

        if is_unknown && is_everything && matches!(self.end.kind, OutsideKind::ApiServer(_)) {
            return HasEnd::Yes;
        }
        if is_unknown {
            let blocks = AddressSet::new(net, except);
            let is_pods = matches!(self.end.kind, OutsideKind::Pods { .. });
            return match !is_pods || pod_network(self.cluster, &blocks).is_some() {
                true => HasEnd::IfAddress,
                false => HasEnd::No,
            };
        }
        // With Cilium, an ipBlock selects no pods.
        if is_on_cilium(self.cluster) && self.is_pod_address() {
            return HasEnd::No;
        }
        match self.end.meets(&AddressSet::new(net, except)) {
            true => HasEnd::Yes,
            false => HasEnd::No,
        }
    }

    fn rule_step(&self, policy: &PolicyObject, rule: &Rule) -> Step {
        let text = format!(
            "{} allows {} of {} {} {}{}",
            policy.id.called(),
            self.direction.rules_key(),
            self.pods.called(self.cluster),
            self.direction.peers_key(),
            self.allowed_part(rule),
            on_ports(&rule.ports)
        );
        Step::new(at(rule.span, policy.origin), text).through(&policy.id)
    }

    /// How a sentence calls the part of the end that a rule allows.
    fn allowed_part(&self, rule: &Rule) -> String {
        let blocks = rule.peers.iter().filter_map(|peer| match peer {
            Peer::Block { net, .. } => Some(*net),
            Peer::Pods { .. } => None,
        });
        let blocks: Vec<IpNet> = blocks
            .filter(|net| self.end.meets(&AddressSet::new(net, &[])))
            .collect();
        match blocks.first() {
            Some(part) if !self.end.is_within(&blocks) => {
                format!("{part}, a part of {}", self.end.name)
            }
            _ => self.end.name.clone(),
        }
    }

    /// The step of a rule whose network may hold the end.
    fn maybe_step(&self, policy: &PolicyObject, rule: &Rule) -> Step {
        let step = self.rule_step(policy, rule);
        let why = match &self.end.kind {
            OutsideKind::ApiServer(_) => {
                "if its address is in the rule's network: declare apiServer, or ask about the address"
            }
            _ => "if its address is in the rule's network: ask about the address",
        };
        Step {
            text: format!("{} {why}", step.text),
            ..step
        }
    }

    /// The answer if the policies of the pod let the connection through.
    fn open(&self, step: Step) -> Answer {
        let mut steps = vec![step];
        if let Some(untold) = self.untold() {
            steps.push(untold);
            return Answer::new(Word::Unknown, String::new(), steps);
        }
        steps.extend(narrowing(self.cluster, &[self.pods]));
        steps.extend(self.conditions(true));
        Answer::new(Word::Yes, String::new(), steps)
    }

    /// The answer if no policy of the pod lets the connection through.
    fn closed(&self, governing: &[Governing<'_>]) -> Answer {
        let pods = self.pods.called(self.cluster);
        let mut steps = reasons(governing, self.direction, &pods, &self.end.name);
        steps.truncate(MAX_REASONS);

        let may_pass = governing
            .iter()
            .any(|one| one.effect == PolicyEffect::PodsAlone);
        let untold = self.untold().filter(|_| may_pass);
        if let Some(step) = untold.or_else(|| self.own_node()) {
            steps.push(step);
            return Answer::new(Word::Unknown, String::new(), steps);
        }

        steps.extend(self.conditions(false));
        let summary = format!("{} of {pods} is blocked", self.direction.rules_key());
        Answer::new(Word::No, summary, steps)
    }

    fn step(&self, text: String) -> Step {
        Step::new(self.pods.span(self.cluster), text)
    }

    /// Why the answer is not known although a policy lets the address through, if it is not.
    fn untold(&self) -> Option<Step> {
        let name = &self.end.name;
        if !matches!(self.end.kind, OutsideKind::Networks(_)) {
            return None;
        }
        if self.is_pod_address() {
            return Some(self.step(format!(
                "{name} is an address of pods (podCIDRs), whose policies decide too: ask about the \
                 pod (NAMESPACE/WORKLOAD)"
            )));
        }
        let is_service = self.end.is_within(&self.cluster.endpoints.services);
        is_service.then(|| {
            self.step(format!(
                "{name} is an address of Services (serviceCIDRs), and policies see the pods behind \
                 it: ask about the Service (NAMESPACE/svc/NAME)"
            ))
        })
    }

    /// Why the answer is not known although policies block the address: a pod and its node always
    /// reach each other.
    fn own_node(&self) -> Option<Step> {
        let name = &self.end.name;
        if self.cluster.endpoints.nodes.is_empty() || !self.may_be_node_address() {
            return None;
        }
        let are = match self.is_node_address() {
            true => format!("{name} is an address of nodes (nodeCIDRs)"),
            false => format!("a part of {name} is addresses of nodes (nodeCIDRs)"),
        };
        Some(self.step(format!(
            "{are}: a pod and its own node always reach each other"
        )))
    }

    /// What the end's addresses must not be for an answer to hold, if they may be it.
    fn other_ends(&self, passes: bool) -> Option<String> {
        let name = &self.end.name;
        let is_pod = self.may_be_pod_address() && !self.is_node_address();
        // A pod reaches its own node always. With Cilium, an ipBlock selects no nodes.
        let is_node = self.may_be_node_address() && (!passes || is_on_cilium(self.cluster));
        Some(match (is_pod, is_node) {
            (true, true) => format!(
                "this holds if {name} is neither a pod's address nor that of the pod's own node: \
                 podCIDRs and nodeCIDRs of the fleet say so"
            ),
            (true, false) => {
                format!("this holds if {name} is not a pod's address: podCIDRs of the fleet say so")
            }
            (false, true) => format!(
                "this holds if {name} is not the address of the pod's own node: nodeCIDRs of the \
                 fleet say so"
            ),
            (false, false) => return None,
        })
    }

    /// The conditions of an answer that NetworkPolicies do not decide.
    fn conditions(&self, passes: bool) -> Vec<Step> {
        let mut all = Vec::new();
        let name = &self.end.name;

        match &self.end.kind {
            OutsideKind::Networks(_) => {
                all.extend(self.other_ends(passes));
                let is_private = self.may_be_pod_address();
                if self.direction == Direction::Ingress && !is_private {
                    all.push(format!(
                        "this holds if packets keep {name} as their source: load balancers and nodes \
                         may replace it"
                    ));
                }
            }
            OutsideKind::ApiServer(_) if !passes => all.push(format!(
                "this holds unless the pod runs on the node of {name}: a pod and its own node always \
                 reach each other"
            )),
            OutsideKind::Metadata(_) if passes && self.direction == Direction::Egress => {
                all.push(format!(
                    "whether {name} answers pods is the cloud's setting (hop limit, workload \
                     identity)"
                ));
            }
            OutsideKind::Pods { namespace, .. } if passes => all.push(format!(
                "this holds if the policies of `{namespace}` allow it: no input holds the namespace"
            )),
            _ => {}
        }
        all.into_iter().map(|text| self.step(text)).collect()
    }
}

//! One side of a connection: the policies that govern a pod in one direction, and why each lets the
//! other end through or not.

use super::{MAX_REASONS, PodEnd};
use crate::graph::Cluster;
use crate::graph::network::{NamedPort, PolicyObject};
use crate::isolation::network::paths::{NetworkPath, can_be_labelled, governing, lets_port};
use crate::isolation::question::{Answer, Word};
use crate::isolation::{Step, at};
use crate::kube::labels::TooLarge;
use crate::netpol::{Direction, Port, Ports, Rule};
use std::collections::BTreeSet;

/// The question that a side is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// The port; `None` for any.
    pub port: Option<&'a Port>,
    /// The ports that the destination names, if it is known.
    pub named: Option<&'a [NamedPort]>,
}

/// What a policy lets through of a connection with one peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyEffect {
    /// It has no rule.
    Nothing,
    /// It lets other peers through.
    OtherPeers,
    /// It lets pods through, and the peer is an address that may be a pod's.
    PodsAlone,
    /// It lets the peer through on other ports.
    OtherPorts(Vec<String>),
    /// It lets the peer through on ports that the destination does not name.
    MissingPorts(Vec<String>),
    /// It lets the peer through.
    Peer(Vec<String>),
}

/// A policy that governs the pods of a side.
pub struct Governing<'a> {
    policy: &'a PolicyObject,
    /// The rule that comes nearest to letting the peer through.
    rule: Option<&'a Rule>,
    /// What it lets through.
    pub effect: PolicyEffect,
}

impl<'a> Governing<'a> {
    /// A policy before its rules are held against a peer.
    pub fn new(policy: &'a PolicyObject, rules: &[Rule]) -> Self {
        let effect = match rules.is_empty() {
            true => PolicyEffect::Nothing,
            false => PolicyEffect::OtherPeers,
        };
        Self {
            policy,
            rule: None,
            effect,
        }
    }

    /// Notes what a rule lets through, if it is nearer than the rules before.
    pub fn note(&mut self, rule: &'a Rule, effect: PolicyEffect) {
        match (&mut self.effect, effect) {
            (PolicyEffect::OtherPorts(known), PolicyEffect::OtherPorts(more))
            | (PolicyEffect::MissingPorts(known), PolicyEffect::MissingPorts(more))
            | (PolicyEffect::Peer(known), PolicyEffect::Peer(more)) => {
                // No port stands for every port.
                match known.is_empty() || more.is_empty() {
                    true => known.clear(),
                    false => known.extend(more),
                }
                let mut seen = BTreeSet::new();
                known.retain(|port| seen.insert(port.clone()));
            }
            (known, effect) if effect > *known => {
                self.rule = Some(rule);
                *known = effect;
            }
            _ => {}
        }
    }

    /// The step of an answer. `pods` and `peer` are how it calls the two ends.
    pub fn step(&self, direction: Direction, pods: &str, peer: &str) -> Step {
        let ports = |list: &[String]| list.join(", ");
        let effect = match &self.effect {
            PolicyEffect::Nothing => "allows none".to_owned(),
            PolicyEffect::OtherPeers => "allows other peers only".to_owned(),
            PolicyEffect::PodsAlone => {
                format!("allows pods only: {peer} passes if it is one of them")
            }
            PolicyEffect::OtherPorts(list) => format!("allows {peer} on {} only", ports(list)),
            PolicyEffect::MissingPorts(list) => format!(
                "allows {peer} on {} only, a port name that the destination does not have",
                ports(list)
            ),
            PolicyEffect::Peer(list) if list.is_empty() => format!("allows {peer}"),
            PolicyEffect::Peer(list) => format!("allows {peer} on {}", ports(list)),
        };

        let text = format!(
            "{} governs {} of {pods} and {effect}",
            self.policy.id.called(),
            direction.rules_key()
        );
        let span = self.rule.and_then(|rule| rule.span);
        let step = Step::new(at(span, self.policy.origin), text);
        step.through(&self.policy.id).stopping()
    }
}

/// What a rule lets through that has the peer, by its ports.
pub fn by_ports(rule: &Rule, port: Option<&Port>, named: Option<&[NamedPort]>) -> PolicyEffect {
    if lets_port(&rule.ports, port, named) {
        return PolicyEffect::Peer(texts(&rule.ports));
    }
    let is_missing = !lets_port(&rule.ports, None, named);
    match is_missing {
        true => PolicyEffect::MissingPorts(texts(&rule.ports)),
        false => PolicyEffect::OtherPorts(texts(&rule.ports)),
    }
}

/// Ports as a sentence names them: `8080/TCP`.
fn texts(ports: &[Port]) -> Vec<String> {
    let text = |port: &Port| {
        let protocol = port.protocol.name();
        match &port.ports {
            Ports::All => format!("every port of {protocol}"),
            Ports::Range(first, last) if first == last => format!("{first}/{protocol}"),
            Ports::Range(first, last) => format!("{first}-{last}/{protocol}"),
            Ports::Named(name) => format!("`{name}`/{protocol}"),
        }
    };
    ports.iter().map(text).collect()
}

/// The step of a path that lets a connection through, with the ports that its rule allows.
pub fn passing(
    path: &NetworkPath<'_>,
    direction: Direction,
    (cluster, end): (&Cluster, &PodEnd),
) -> Step {
    let ports = on_ports(path.condition.ports());
    path.step_on(&ports, direction, end.node(cluster), end.span(cluster))
}

/// The clause that names the ports of a rule; empty if it has every port.
pub fn on_ports(ports: &[Port]) -> String {
    match ports {
        [] => String::new(),
        ports => format!(" on {}", texts(ports).join(", ")),
    }
}

/// The policies of a pod's namespace that select the pod, or some pod, and govern a direction.
///
/// # Errors
/// The selectors are too many to tell.
pub fn governing_pods<'a>(
    cluster: &'a Cluster,
    end: &PodEnd,
    direction: Direction,
) -> Result<Vec<(&'a PolicyObject, &'a [Rule])>, TooLarge> {
    let mut selecting = Vec::new();
    for (policy, rules) in governing(cluster, end.node(cluster), direction) {
        let own = [Some(&policy.spec.pods), None];
        if can_be_labelled(end.labels.as_ref(), own, &[])? {
            selecting.push((policy, rules));
        }
    }
    Ok(selecting)
}

/// One side of a connection between pods.
pub struct Side<'a> {
    direction: Direction,
    pods: String,
    peer: String,
    /// The step of the first path that lets the other end through.
    open: Option<Step>,
    governing: Vec<Governing<'a>>,
}

impl<'a> Side<'a> {
    /// Holds the paths of an end in a direction against the other end.
    ///
    /// # Errors
    /// The selectors are too many to tell.
    pub fn new(
        asked: Asked<'a>,
        direction: Direction,
        (end, paths): (&PodEnd, &[NetworkPath<'a>]),
        other: &PodEnd,
    ) -> Result<Self, TooLarge> {
        let cluster = asked.cluster;
        let mut side = Self {
            direction,
            pods: end.called(cluster),
            peer: other.called(cluster),
            open: None,
            governing: governing_pods(cluster, end, direction)?
                .into_iter()
                .map(|(policy, rules)| Governing::new(policy, rules))
                .collect(),
        };

        for path in paths {
            let (own, peer) = (end.labels.as_ref(), other.labels.as_ref());
            let has_peer =
                path.namespaces.has(other.namespace) && path.condition.has_pods(own, peer)?;
            if !has_peer {
                continue;
            }
            let lets = lets_port(path.condition.ports(), asked.port, asked.named);
            if lets && side.open.is_none() {
                side.open = Some(passing(path, direction, (cluster, end)));
            }

            let Some((policy, rule)) = path.by else {
                continue;
            };
            let mut governing = side.governing.iter_mut();
            if let Some(own) = governing.find(|own| std::ptr::eq(own.policy, policy)) {
                own.note(rule, by_ports(rule, asked.port, asked.named));
            }
        }
        Ok(side)
    }

    /// A step for each policy, up to a number.
    fn reasons(&self) -> Vec<Step> {
        reasons(&self.governing, self.direction, &self.pods, &self.peer)
    }

    fn phrase(&self) -> String {
        format!("{} of {}", self.direction.rules_key(), self.pods)
    }
}

/// A step for each policy of a side, up to a number; those that let more through come first.
pub fn reasons(
    governing: &[Governing<'_>],
    direction: Direction,
    pods: &str,
    peer: &str,
) -> Vec<Step> {
    let mut sorted: Vec<&Governing<'_>> = governing.iter().collect();
    sorted.sort_by(|one, other| other.effect.cmp(&one.effect));

    let shown = sorted.iter().take(MAX_REASONS);
    let mut steps: Vec<Step> = shown.map(|one| one.step(direction, pods, peer)).collect();
    let more = sorted.len().saturating_sub(MAX_REASONS);
    if let (1.., Some(last)) = (more, steps.last_mut()) {
        last.text = format!("{}; {more} more policies govern it too", last.text);
    }
    steps
}

/// The answer that a connection is blocked: the side that blocks first, then the other.
pub fn blocked(egress: &Side<'_>, ingress: &Side<'_>) -> Answer {
    let (summary, steps) = match (&egress.open, &ingress.open) {
        (None, None) => {
            let summary = format!("{} and {} are blocked", egress.phrase(), ingress.phrase());
            (summary, [egress.reasons(), ingress.reasons()].concat())
        }
        (None, Some(open)) => {
            let steps = [egress.reasons(), vec![open.clone()]].concat();
            (format!("{} is blocked", egress.phrase()), steps)
        }
        (Some(open), None) => {
            let steps = [vec![open.clone()], ingress.reasons()].concat();
            (format!("{} is blocked", ingress.phrase()), steps)
        }
        (Some(out), Some(into)) => {
            let summary = "egress and ingress each allow some connections, but none in common";
            let mut steps = [egress.reasons(), ingress.reasons()].concat();
            // A side that no policy governs has no policy to name.
            for (side, open) in [(egress, out), (ingress, into)] {
                if side.governing.is_empty() {
                    steps.push(open.clone());
                }
            }
            (summary.to_owned(), steps)
        }
    };
    Answer::new(Word::No, summary, steps)
}

//! What a change does to isolation: each way and each grant that a tenant gains or loses.
//!
//! Ways of the network, bindings, roles and Pod Security are compared; quotas, syncs, stores and hosts are not, and of a
//! selector of pods only that there is one. A way that is narrowed to some of its ports shows as one lost and one gained.
//! Lines are compared, not verdicts: a change that stays within what is proven still shows here, so that a reviewer sees
//! what it opens.

use super::admission::ENFORCE;
use crate::graph::labels::{Selector, possible};
use crate::graph::network::{Direction, Peer, Policy, Port, Ports, Rule};
use crate::graph::rbac::{Role, uncovered};
use crate::graph::{Cluster, Input, Namespace, Owner};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// How a change moves a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing is gained or lost.
    Neutral,
    /// Something is lost, and nothing gained.
    Narrows,
    /// Something is gained.
    Widens,
}

impl Class {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Narrows => "narrows",
            Self::Widens => "widens",
        }
    }
}

/// What a tenant, or everybody with a role, gains and loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// What it may now.
    pub gained: Vec<String>,
    /// What it may no longer.
    pub lost: Vec<String>,
}

impl Delta {
    /// How it moves.
    pub const fn class(&self) -> Class {
        match (self.gained.is_empty(), self.lost.is_empty()) {
            (false, _) => Class::Widens,
            (true, false) => Class::Narrows,
            (true, true) => Class::Neutral,
        }
    }
}

/// What tenants gain and lose between two states of a cluster, by tenant; what a role of the cluster gains for all who
/// have it stands under the empty name.
pub fn delta(before: Option<&Cluster>, after: Option<&Cluster>) -> BTreeMap<Text, Delta> {
    let lines = |cluster: Option<&Cluster>| cluster.map(lines).unwrap_or_default();
    let (old, new) = (lines(before), lines(after));
    let mut all: BTreeMap<Text, Delta> = BTreeMap::new();
    let none = BTreeSet::new();
    let names: BTreeSet<&Text> = old.keys().chain(new.keys()).collect();
    for name in names {
        let (old, new) = (old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
        let delta =
            Delta { gained: new.difference(old).cloned().collect(), lost: old.difference(new).cloned().collect() };
        if delta.class() != Class::Neutral {
            all.insert(name.clone(), delta);
        }
    }
    let roles = roles(before, after);
    if roles.class() != Class::Neutral {
        all.insert(Text::default(), roles);
    }
    all
}

/// What each tenant may, as lines that mean the same wherever they are equal.
fn lines(cluster: &Cluster) -> BTreeMap<Text, BTreeSet<String>> {
    let mut all: BTreeMap<Text, BTreeSet<String>> = BTreeMap::new();
    for namespace in &cluster.namespaces {
        let Owner::Tenant(tenant) = namespace.owner else { continue };
        let lines = all.entry(cluster.tenants[tenant as usize].name.clone()).or_default();
        network(cluster, namespace, lines);
        let level = namespace.labels.get(ENFORCE);
        if level != Some("restricted") {
            lines.insert(format!("runs pods in `{}` that `restricted` refuses", namespace.name));
        }
        if !matches!(level, Some("restricted" | "baseline")) {
            lines.insert(format!("runs privileged pods in `{}`", namespace.name));
        }
    }
    for binding in cluster.rbac.bindings.iter().filter(|b| b.origin.input != Input::Builtin) {
        for (subject, _) in &binding.subjects {
            let home = match cluster.owner(&binding.id.namespace) {
                Owner::Tenant(at) if !binding.id.namespace.is_empty() => Some(at),
                _ => cluster.holder(subject),
            };
            let Some(tenant) = home else { continue };
            let place = match binding.id.namespace.as_str() {
                "" => "everywhere".to_owned(),
                namespace => format!("in `{namespace}`"),
            };
            let line = format!("{subject} has {} {place}", binding.role_name());
            all.entry(cluster.tenants[tenant as usize].name.clone()).or_default().insert(line);
        }
    }
    // A tenant's own Roles are few: what they say belongs to it.
    for role in cluster.rbac.roles.values().filter(|r| !r.id.namespace.is_empty()) {
        if let Owner::Tenant(tenant) = cluster.owner(&role.id.namespace) {
            let lines = all.entry(cluster.tenants[tenant as usize].name.clone()).or_default();
            lines.extend(atoms(role).into_iter().map(|atom| format!("{} {atom}", role.id.called())));
        }
    }
    all
}

fn atoms(role: &Role) -> Vec<String> {
    uncovered(&[], &role.rules)
        .iter()
        .map(|rule| {
            let of = |list: &[Text]| list.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", ");
            let group = match of(&rule.groups) {
                group if group.is_empty() => String::new(),
                group => format!(".{group}"),
            };
            let names = if rule.names.is_empty() { String::new() } else { format!(" named {}", of(&rule.names)) };
            format!("allows {} {}{}{group}{names}", of(&rule.verbs), of(&rule.resources), of(&rule.urls))
        })
        .collect()
}

fn network(cluster: &Cluster, namespace: &Namespace, out: &mut BTreeSet<String>) {
    for direction in [Direction::Ingress, Direction::Egress] {
        let policies = namespace.policies.iter().map(|at| &cluster.facts.policies[*at as usize]);
        let governing: Vec<(&Policy, &[Rule])> = policies.filter_map(|p| Some((p, p.rules(direction)?))).collect();
        let arrow = match direction {
            Direction::Ingress => "<-",
            Direction::Egress => "->",
        };
        let selectors: Vec<&Selector> = governing.iter().map(|(p, _)| &p.pods).collect();
        // Where it cannot be told, it is said.
        if !matches!(possible(&[], &selectors), Ok(None)) {
            out.insert(format!("`{}` {arrow} anything, for pods that no policy selects", namespace.name));
        }
        for (policy, rules) in governing {
            let pods = if policy.pods.is_everything() { "" } else { ", for some of its pods" };
            for rule in rules {
                let ports = on_ports(&rule.ports);
                let mut add = |peer: String| {
                    out.insert(format!("`{}` {arrow} {peer}{ports}{pods}", namespace.name));
                };
                if rule.peers.is_empty() {
                    add("anything".into());
                }
                for peer in &rule.peers {
                    match peer {
                        Peer::Pods { namespaces: None, .. } => add("itself".into()),
                        Peer::Pods { namespaces: Some(selector), pods } => {
                            let part = if pods.is_everything() { "" } else { " (some pods)" };
                            let pinned = selector.pinned(crate::graph::facts::NAME_LABEL);
                            let found = cluster.select(selector);
                            match pinned {
                                Some(names) => names.iter().for_each(|n| add(format!("`{n}`{part}"))),
                                None if selector.is_everything() => add(format!("every namespace{part}")),
                                None => found
                                    .iter()
                                    .for_each(|n| add(format!("`{}`{part}", cluster.namespaces[*n as usize].name))),
                            }
                        }
                        Peer::Block { net, except } if except.is_empty() => add(net.to_string()),
                        Peer::Block { net, except } => {
                            let except: Vec<String> = except.iter().map(ToString::to_string).collect();
                            add(format!("{net} except {}", except.join(", ")));
                        }
                    }
                }
            }
        }
    }
}

fn on_ports(ports: &[Port]) -> String {
    let one = |port: &Port| match &port.ports {
        Ports::All => port.protocol.name().to_owned(),
        Ports::Range(a, b) if a == b => format!("{}/{a}", port.protocol.name()),
        Ports::Range(a, b) => format!("{}/{a}-{b}", port.protocol.name()),
        Ports::Named(name) => format!("{}/{name}", port.protocol.name()),
    };
    match ports {
        [] => String::new(),
        ports => format!(" on {}", ports.iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}

/// What ClusterRoles that are in both states gain and lose.
fn roles(before: Option<&Cluster>, after: Option<&Cluster>) -> Delta {
    let mut delta = Delta::default();
    let (Some(before), Some(after)) = (before, after) else { return delta };
    for (key, new) in after.rbac.roles.iter().filter(|(key, _)| key.0.is_empty()) {
        let Some(old) = before.rbac.roles.get(key).filter(|old| old.rules != new.rules) else { continue };
        let says = |role: &Role, more: Vec<crate::graph::rbac::Rule>| -> Vec<String> {
            let more = Role { rules: more.into(), ..role.clone() };
            atoms(&more).into_iter().map(|atom| format!("{} {atom}", role.id.called())).collect()
        };
        delta.gained.extend(says(new, uncovered(&old.rules, &new.rules)));
        delta.lost.extend(says(old, uncovered(&new.rules, &old.rules)));
    }
    delta
}

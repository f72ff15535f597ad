//! What a change does to isolation: each way and each grant that a tenant gains or loses.
//!
//! Ways of the network, bindings, roles and Pod Security are compared; quotas, syncs, stores and
//! hosts are not. A way is gained where none of before holds all of it: one that is narrowed to
//! some of its ports, pods or addresses is lost, and nothing is gained. Lines are compared, not
//! verdicts: a change that stays within what is proven still shows here, so that a reviewer sees
//! what it opens.

use crate::graph::network::PolicyObject;
use crate::graph::rbac::{Binding, Role, uncovered};
use crate::graph::{Cluster, InputKind, NamespaceNode, Owner};
use crate::kube::labels::{Selector, satisfiable};
use crate::kube::names::ENFORCE_LABEL;
use crate::netpol::{Direction, Peer, Port, Ports, Rule};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// How a change moves a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeltaClass {
    /// Nothing is gained or lost.
    Neutral,
    /// Something is lost, and nothing gained.
    Narrows,
    /// Something is gained.
    Widens,
}

impl DeltaClass {
    /// The name in reports.
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
    /// The access that it has now and did not have before.
    pub gained: Vec<String>,
    /// The access that it no longer has.
    pub lost: Vec<String>,
}

impl Delta {
    /// How it moves.
    pub const fn class(&self) -> DeltaClass {
        match (self.gained.is_empty(), self.lost.is_empty()) {
            (false, _) => DeltaClass::Widens,
            (true, false) => DeltaClass::Narrows,
            (true, true) => DeltaClass::Neutral,
        }
    }
}

/// What tenants gain and lose between two states of a cluster, by tenant; what a role of the
/// cluster gains for all who have it stands under the empty name.
pub fn delta(before: Option<&Cluster>, after: Option<&Cluster>) -> BTreeMap<Text, Delta> {
    let accesses = |cluster: Option<&Cluster>| cluster.map(accesses).unwrap_or_default();
    let (old, new) = (accesses(before), accesses(after));
    let mut all: BTreeMap<Text, Delta> = BTreeMap::new();
    let none = BTreeSet::new();
    let names: BTreeSet<&Text> = old.keys().chain(new.keys()).collect();

    for name in names {
        let (old, new) = (
            old.get(name).unwrap_or(&none),
            new.get(name).unwrap_or(&none),
        );

        let beyond = |some: &BTreeSet<Access>, others: &BTreeSet<Access>| -> Vec<String> {
            let more = some
                .difference(others)
                .filter(|line| !others.iter().any(|other| other.holds(line)));
            let more: BTreeSet<String> = more.map(ToString::to_string).collect();
            more.into_iter().collect()
        };

        let delta = Delta {
            gained: beyond(new, old),
            lost: beyond(old, new),
        };

        if delta.class() != DeltaClass::Neutral {
            all.insert(name.clone(), delta);
        }
    }

    let roles = roles(before, after);
    if roles.class() != DeltaClass::Neutral {
        all.insert(Text::default(), roles);
    }
    all
}

/// Something that a tenant may: it means the same wherever it is equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    /// A way of the network, on one port.
    Network(NetworkAccess),
    /// Anything else.
    Other(String),
}

/// A way of the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NetworkAccess {
    namespace: Text,
    out: bool,
    end: AccessEnd,
    /// Every port where there is none.
    port: Option<Port>,
    /// The pods of the namespace that it is for.
    pods: Selector,
}

/// The other end of a way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AccessEnd {
    /// Anything.
    Anything,
    /// Pods of its own namespace.
    Itself(Selector),
    /// Pods of every namespace.
    Everyone(Selector),
    /// Pods of one.
    Namespace(Text, Selector),
    /// Addresses, without some.
    Addresses(ipnet::IpNet, Vec<ipnet::IpNet>),
}

impl Access {
    /// Whether it allows all that another does.
    fn holds(&self, other: &Self) -> bool {
        let (Self::Network(own), Self::Network(other)) = (self, other) else {
            return self == other;
        };
        let all = |own: &Selector, other: &Selector| own.is_everything() || own == other;
        let ports = match (&own.port, &other.port) {
            (None, _) => true,
            (Some(own), Some(other)) if own.protocol == other.protocol => {
                match (&own.ports, &other.ports) {
                    (Ports::All, _) => true,
                    (Ports::Range(a, b), Ports::Range(c, d)) => a <= c && d <= b,
                    (own, other) => own == other,
                }
            }
            _ => false,
        };

        let ends = match (&own.end, &other.end) {
            (AccessEnd::Anything, _) => true,
            (AccessEnd::Itself(own), AccessEnd::Itself(other)) => all(own, other),
            (
                AccessEnd::Everyone(own),
                AccessEnd::Everyone(other)
                | AccessEnd::Namespace(_, other)
                | AccessEnd::Itself(other),
            ) => all(own, other),
            (AccessEnd::Namespace(a, own), AccessEnd::Namespace(b, other)) => {
                a == b && all(own, other)
            }
            (AccessEnd::Addresses(a, except), AccessEnd::Addresses(b, gone)) => {
                a.contains(b)
                    && except.iter().all(|e| {
                        gone.iter().any(|g| g.contains(e)) || !(e.contains(b) || b.contains(e))
                    })
            }
            _ => false,
        };

        own.namespace == other.namespace
            && own.out == other.out
            && ports
            && ends
            && all(&own.pods, &other.pods)
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let way = match self {
            Self::Other(text) => return f.write_str(text),
            Self::Network(way) => way,
        };

        write!(
            f,
            "`{}` {} ",
            way.namespace,
            if way.out { "->" } else { "<-" }
        )?;

        let part = |pods: &Selector| {
            if pods.is_everything() {
                ""
            } else {
                " (some pods)"
            }
        };

        match &way.end {
            AccessEnd::Anything => write!(f, "anything")?,
            AccessEnd::Itself(pods) => write!(f, "itself{}", part(pods))?,
            AccessEnd::Everyone(pods) => write!(f, "every namespace{}", part(pods))?,
            AccessEnd::Namespace(name, pods) => write!(f, "`{name}`{}", part(pods))?,
            AccessEnd::Addresses(net, except) if except.is_empty() => write!(f, "{net}")?,
            AccessEnd::Addresses(net, except) => {
                let except: Vec<String> = except.iter().map(ToString::to_string).collect();
                write!(f, "{net} except {}", except.join(", "))?;
            }
        }

        if let Some(Port { protocol, ports }) = &way.port {
            let protocol = protocol.name();
            match ports {
                Ports::All => write!(f, " on {protocol}")?,
                Ports::Range(a, b) if a == b => write!(f, " on {protocol}/{a}")?,
                Ports::Range(a, b) => write!(f, " on {protocol}/{a}-{b}")?,
                Ports::Named(name) => write!(f, " on {protocol}/{name}")?,
            }
        }

        f.write_str(if way.pods.is_everything() {
            ""
        } else {
            ", for some of its pods"
        })
    }
}

/// The access of each tenant.
fn accesses(cluster: &Cluster) -> BTreeMap<Text, BTreeSet<Access>> {
    let mut accesses = TenantAccesses {
        cluster,
        by_tenant: BTreeMap::new(),
    };
    for namespace in &cluster.namespaces {
        if let Owner::Tenant(tenant) = namespace.owner {
            accesses.add_namespace(tenant, namespace);
        }
    }
    for binding in &cluster.rbac.bindings {
        if binding.origin.input != InputKind::Builtin {
            accesses.add_binding(binding);
        }
    }
    for role in cluster.rbac.roles.values() {
        accesses.add_role(role);
    }
    accesses.by_tenant
}

/// The access of each tenant of a cluster, while it is collected.
struct TenantAccesses<'a> {
    cluster: &'a Cluster,
    by_tenant: BTreeMap<Text, BTreeSet<Access>>,
}

impl TenantAccesses<'_> {
    fn of(&mut self, tenant: u32) -> &mut BTreeSet<Access> {
        let name = &self.cluster.tenants[tenant as usize].name;
        self.by_tenant.entry(name.clone()).or_default()
    }

    /// Adds the network paths of a tenant's namespace, and the pods that it admits.
    fn add_namespace(&mut self, tenant: u32, namespace: &NamespaceNode) {
        let cluster = self.cluster;
        let accesses = self.of(tenant);
        network(cluster, namespace, accesses);

        let (name, level) = (&namespace.name, namespace.labels.get(ENFORCE_LABEL));
        if level != Some("restricted") {
            let text = format!("runs pods in `{name}` that `restricted` refuses");
            accesses.insert(Access::Other(text));
        }
        if !matches!(level, Some("restricted" | "baseline")) {
            accesses.insert(Access::Other(format!("runs privileged pods in `{name}`")));
        }
    }

    /// Adds a binding to the tenant of its namespace, or else to the tenants of its subjects.
    fn add_binding(&mut self, binding: &Binding) {
        let namespace = &binding.id.namespace;
        let scope = match namespace.as_str() {
            "" => "everywhere".to_owned(),
            namespace => format!("in `{namespace}`"),
        };

        for (subject, _) in &binding.subjects {
            let tenant = match self.cluster.owner(namespace) {
                Owner::Tenant(tenant) if !namespace.is_empty() => Some(tenant),
                _ => self.cluster.holder(subject),
            };
            if let Some(tenant) = tenant {
                let text = format!("{subject} has {} {scope}", binding.role_name());
                self.of(tenant).insert(Access::Other(text));
            }
        }
    }

    /// Adds what a tenant's own Role allows.
    fn add_role(&mut self, role: &Role) {
        if role.id.namespace.is_empty() {
            return;
        }
        if let Owner::Tenant(tenant) = self.cluster.owner(&role.id.namespace) {
            let permissions = atoms(role).into_iter();
            let called = role.id.called();
            self.of(tenant)
                .extend(permissions.map(|atom| Access::Other(format!("{called} {atom}"))));
        }
    }
}

fn atoms(role: &Role) -> Vec<String> {
    uncovered(&[], &role.rules)
        .iter()
        .map(|rule| {
            let of = |list: &[Text]| {
                list.iter()
                    .map(|t| t.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };

            let group = match of(&rule.groups) {
                group if group.is_empty() => String::new(),
                group => format!(".{group}"),
            };

            let names = if rule.names.is_empty() {
                String::new()
            } else {
                format!(" named {}", of(&rule.names))
            };

            format!(
                "allows {} {}{}{group}{names}",
                of(&rule.verbs),
                of(&rule.resources),
                of(&rule.urls)
            )
        })
        .collect()
}

fn network(cluster: &Cluster, namespace: &NamespaceNode, lines: &mut BTreeSet<Access>) {
    for direction in [Direction::Ingress, Direction::Egress] {
        let policies = namespace
            .policies
            .iter()
            .map(|at| &cluster.facts.policies[*at as usize]);

        let governing: Vec<(&PolicyObject, &[Rule])> = policies
            .filter_map(|object| Some((object, object.spec.rules(direction)?)))
            .collect();
        let out = direction == Direction::Egress;
        let selectors: Vec<&Selector> = governing
            .iter()
            .map(|(object, _)| &object.spec.pods)
            .collect();

        // Where it cannot be told, it is said.
        if !matches!(satisfiable(&[], &selectors), Ok(None)) {
            let arrow = if out { "->" } else { "<-" };
            let text = format!(
                "`{}` {arrow} anything, for pods that no policy selects",
                namespace.name
            );
            lines.insert(Access::Other(text));
        }

        for (policy, rules) in governing {
            for rule in rules {
                let ports: Vec<Option<&Port>> = match rule.ports.is_empty() {
                    true => vec![None],
                    false => rule.ports.iter().map(Some).collect(),
                };
                for end in ends(cluster, rule) {
                    for port in &ports {
                        lines.insert(Access::Network(NetworkAccess {
                            namespace: namespace.name.clone(),
                            out,
                            end: end.clone(),
                            port: port.cloned(),
                            pods: policy.spec.pods.clone(),
                        }));
                    }
                }
            }
        }
    }
}

fn ends(cluster: &Cluster, rule: &Rule) -> Vec<AccessEnd> {
    if rule.peers.is_empty() {
        return vec![AccessEnd::Anything];
    }
    let mut all = Vec::new();

    for peer in &rule.peers {
        match peer {
            Peer::Pods {
                namespaces: None,
                pods,
            } => all.push(AccessEnd::Itself(pods.clone())),
            Peer::Pods {
                namespaces: Some(selector),
                pods,
            } => match selector.pinned(crate::kube::names::NAME_LABEL) {
                Some(names) => all.extend(
                    names
                        .iter()
                        .map(|n| AccessEnd::Namespace(n.clone(), pods.clone())),
                ),
                None if selector.is_everything() => all.push(AccessEnd::Everyone(pods.clone())),
                None => {
                    let name = |at: &u32| cluster.namespaces[*at as usize].name.clone();
                    all.extend(
                        cluster
                            .select(selector)
                            .iter()
                            .map(|at| AccessEnd::Namespace(name(at), pods.clone())),
                    );
                }
            },
            Peer::Block { net, except } => all.push(AccessEnd::Addresses(*net, except.clone())),
        }
    }

    all
}

/// What ClusterRoles that are in both states gain and lose.
fn roles(before: Option<&Cluster>, after: Option<&Cluster>) -> Delta {
    let mut delta = Delta::default();
    let (Some(before), Some(after)) = (before, after) else {
        return delta;
    };

    for (key, new) in after.rbac.roles.iter().filter(|(key, _)| key.0.is_empty()) {
        let Some(old) = before
            .rbac
            .roles
            .get(key)
            .filter(|old| old.rules != new.rules)
        else {
            continue;
        };

        let says = |role: &Role, more: Vec<crate::graph::rbac::PolicyRule>| -> Vec<String> {
            let more = Role {
                rules: more.into(),
                ..role.clone()
            };
            atoms(&more)
                .into_iter()
                .map(|atom| format!("{} {atom}", role.id.called()))
                .collect()
        };

        delta
            .gained
            .extend(says(new, uncovered(&old.rules, &new.rules)));
        delta
            .lost
            .extend(says(old, uncovered(&new.rules, &old.rules)));
    }

    delta
}

//! What an identity may do: the roles that it is bound to, and those that it can give itself by
//! `bind` and `escalate`.

use super::nodes::{NodeWay, node_ways};
use crate::graph::Cluster;
use crate::graph::rbac::{
    AccessRequest, Binding, BoundSubject, PolicyRule, Role, RuleFields, Subject,
};
use crate::isolation::capability::Permission;
use crate::isolation::{ChainNode, Step, at};
use crate::kube::RBAC;
use crate::source::Span;
use crate::value::Text;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a grant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach<'a> {
    /// For every request.
    Cluster,
    /// For every request in a namespace.
    EveryNamespace,
    /// For the requests in one namespace.
    Namespace(&'a str),
}

impl<'a> Reach<'a> {
    /// The namespace; empty if it is none or all.
    pub const fn namespace(self) -> &'a str {
        match self {
            Self::Cluster | Self::EveryNamespace => "",
            Self::Namespace(name) => name,
        }
    }

    /// Whether a request in a namespace, or of the cluster, is within it.
    pub fn holds(self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::EveryNamespace => !namespace.is_empty(),
            Self::Namespace(name) => name == namespace,
        }
    }

    fn phrase(self) -> String {
        match self {
            Self::Cluster => "in the whole cluster".into(),
            Self::EveryNamespace => "in every namespace".into(),
            Self::Namespace(name) => format!("in `{name}`"),
        }
    }
}

/// Rules that an identity has, and why.
#[derive(Clone, Debug)]
pub struct HeldGrant<'a> {
    /// Where they hold.
    pub reach: Reach<'a>,
    rules: Arc<[PolicyRule]>,
    /// The role; `None` for one that the identity writes itself.
    role: Option<&'a Role>,
    /// Who has it, as a phrase.
    subject: String,
    /// The binding that gives it.
    binding: &'a Binding,
    span: Span,
    /// The steps by which the identity gives it to itself.
    steps: Vec<Step>,
}

impl HeldGrant<'_> {
    /// The steps of doing something by this grant.
    pub fn how(&self, what: &str) -> Vec<Step> {
        let text = format!("{} {what} ({})", self.subject, self.binding.called());
        let step = Step::new(self.span, text);

        let mut steps = self.steps.clone();
        steps.push(match steps.is_empty() {
            true => step.through(&self.binding.id),
            false => step,
        });
        steps
    }
}

/// A rule that an identity has at a level.
#[derive(Clone, Copy, Debug)]
pub struct HeldRule<'g> {
    /// The rule.
    pub rule: &'g PolicyRule,
    /// The index of its grant.
    pub grant: usize,
    /// Whether the grant is one of the whole cluster.
    pub of_cluster: bool,
}

/// All rules that hold together: in the cluster, or in one namespace.
pub struct Level<'g> {
    /// Where.
    pub reach: Reach<'g>,
    /// The rules.
    pub rules: Vec<HeldRule<'g>>,
}

impl<'g> Level<'g> {
    /// The first rule that gives a permission.
    pub fn giving(&self, permission: &Permission) -> Option<&HeldRule<'g>> {
        self.rules
            .iter()
            .find(|held| permission.is_given_by(held.rule))
    }
}

/// Everything that an identity may do.
#[derive(Debug, Default)]
pub struct HeldGrants<'a> {
    /// The grants: those by bindings first.
    pub all: Vec<HeldGrant<'a>>,
    known: BTreeSet<(Reach<'a>, Text, Text)>,
    bound: usize,
    nodes: OnceCell<Vec<NodeWay>>,
}

impl<'a> HeldGrants<'a> {
    /// The grants of a subject: by the bindings of itself and of its implicit groups, and by the roles
    /// that it can give itself.
    pub fn of(cluster: &'a Cluster, subject: &Subject) -> Self {
        let mut grants = Self::bound(cluster, &subject.with_groups());
        while grants.extend(cluster) {}
        grants
    }

    /// The grants by the bindings of some subjects.
    fn bound(cluster: &'a Cluster, subjects: &[Subject]) -> Self {
        let mut grants = Self::default();
        for subject in subjects {
            for (binding, entry) in cluster.rbac.entries_of(subject) {
                if let Some(role) = cluster.rbac.role(binding) {
                    grants.add(binding, entry, role);
                }
            }
        }
        grants.bound = grants.all.len();
        grants
    }

    fn add(&mut self, binding: &'a Binding, (subject, span): &BoundSubject, role: &'a Role) {
        let reach = match binding.id.namespace.as_str() {
            "" => Reach::Cluster,
            name => Reach::Namespace(name),
        };
        self.known
            .insert((reach, binding.role.0.clone(), binding.role.1.clone()));
        self.all.push(HeldGrant {
            reach,
            rules: role.rules.clone(),
            role: Some(role),
            subject: subject.to_string(),
            binding,
            span: at(*span, binding.origin),
            steps: Vec::new(),
        });
    }

    /// The steps by which a grant that the identity gives itself allows a request.
    pub fn allowing(&self, request: &AccessRequest<'_>) -> Option<Vec<Step>> {
        let own = self.all[self.bound..].iter();
        own.filter(|grant| grant.reach.holds(request.namespace))
            .find(|grant| grant.rules.iter().any(|rule| rule.allows(request)))
            .map(|grant| grant.steps.clone())
    }

    /// The same for a path.
    pub fn allowing_path(&self, verb: &str, path: &str) -> Option<Vec<Step>> {
        let own = self.all[self.bound..].iter();
        own.filter(|grant| grant.reach == Reach::Cluster)
            .find(|grant| grant.rules.iter().any(|rule| rule.allows_url(verb, path)))
            .map(|grant| grant.steps.clone())
    }

    /// The nodes that a subject, whose grants these are, controls by its own pods. They are found once.
    pub fn node_ways(&self, cluster: &Cluster, subject: &Subject) -> &[NodeWay] {
        self.nodes.get_or_init(|| node_ways(cluster, subject, self))
    }

    /// The rules, by where they hold together.
    pub fn levels(&self) -> Vec<Level<'_>> {
        let mut by_reach: BTreeMap<Reach<'_>, Vec<HeldRule<'_>>> = BTreeMap::new();
        for (at, grant) in self.all.iter().enumerate() {
            let rules = grant.rules.iter().map(|rule| HeldRule {
                rule,
                grant: at,
                of_cluster: grant.reach == Reach::Cluster,
            });
            by_reach.entry(grant.reach).or_default().extend(rules);
        }

        let wide: Vec<HeldRule<'_>> = [Reach::Cluster, Reach::EveryNamespace]
            .iter()
            .filter_map(|reach| by_reach.get(reach))
            .flatten()
            .copied()
            .collect();
        by_reach
            .into_iter()
            .map(|(reach, own)| {
                let mut rules = own;
                if reach != Reach::Cluster {
                    let more = wide
                        .iter()
                        .filter(|held| reach != Reach::EveryNamespace || held.of_cluster);
                    rules.extend(more);
                }
                Level { reach, rules }
            })
            .collect()
    }

    /// Adds the roles that the identity can bind itself to, or write. Returns whether there were any
    /// that it did not have.
    fn extend(&mut self, cluster: &'a Cluster) -> bool {
        let mut found = Vec::new();
        for level in self.levels() {
            found.extend(self.by_binding(cluster, &level));
            found.extend(self.by_writing(&level));
        }

        let before = self.all.len();
        for own in found {
            let known = (own.reach, own.namespace, own.name);
            if self.known.insert(known) {
                self.all.push(own.grant);
            }
        }
        self.all.len() > before
    }
}

/// A role that an identity gives itself.
struct SelfGrant<'a> {
    reach: Reach<'a>,
    namespace: Text,
    name: Text,
    grant: HeldGrant<'a>,
}

const fn of_rbac(resources: &'static [&'static str], verbs: &'static [&'static str]) -> Permission {
    Permission::new(RBAC, resources, verbs)
}

/// A kind of bindings that an identity may write.
struct BindingKind<'a> {
    resource: &'static str,
    /// Where its bindings grant.
    reach: Reach<'a>,
    create: Permission,
    update: Permission,
}

const ROLE_BINDINGS: &[&str] = &["rolebindings"];
const CLUSTER_ROLE_BINDINGS: &[&str] = &["clusterrolebindings"];

const fn binding_kind<'a>(resources: &'static [&'static str], reach: Reach<'a>) -> BindingKind<'a> {
    BindingKind {
        resource: resources[0],
        reach,
        create: of_rbac(resources, &["create"]),
        update: of_rbac(resources, &["update", "patch"]),
    }
}

impl<'a> HeldGrants<'a> {
    /// The roles that the identity can bind itself to: by a binding that it creates, or by the
    /// subjects of one that is there.
    fn by_binding(&self, cluster: &'a Cluster, level: &Level<'_>) -> Vec<SelfGrant<'a>> {
        if !binds_any(level) {
            return Vec::new();
        }
        let Some(reach) = self.own_reach(level.reach, cluster) else {
            return Vec::new();
        };
        let kinds = match reach {
            Reach::Cluster => vec![
                binding_kind(CLUSTER_ROLE_BINDINGS, Reach::Cluster),
                binding_kind(ROLE_BINDINGS, Reach::EveryNamespace),
            ],
            other => vec![binding_kind(ROLE_BINDINGS, other)],
        };

        let mut grants = Vec::new();
        for kind in kinds {
            if let Some(held) = level.giving(&kind.create) {
                let roles = bindable(cluster, level, kind.reach);
                // A Role counts in its own namespace only.
                let reach = |role: &'a Role| match role.id.namespace.as_str() {
                    "" => kind.reach,
                    own => Reach::Namespace(own),
                };
                let roles = roles.into_iter();
                grants.extend(
                    roles.map(|role| self.bound_to(role, reach(role), held, kind.resource)),
                );
                continue;
            }
            grants.extend(self.by_update(cluster, level, &kind));
        }
        grants
    }

    /// The roles of the bindings that are there, whose subjects the identity may change.
    fn by_update(
        &self,
        cluster: &'a Cluster,
        level: &Level<'_>,
        kind: &BindingKind<'_>,
    ) -> Vec<SelfGrant<'a>> {
        let rbac = &cluster.rbac;
        let there: Vec<&'a Binding> = match kind.reach {
            Reach::Cluster => rbac.bindings_in("").collect(),
            Reach::Namespace(name) => rbac.bindings_in(name).collect(),
            Reach::EveryNamespace => {
                let all = rbac.bindings.iter();
                all.filter(|binding| !binding.id.namespace.is_empty())
                    .collect()
            }
        };

        let mut grants = Vec::new();
        let updates = |held: &&HeldRule<'_>| kind.update.is_given_by(held.rule);
        for held in level.rules.iter().filter(updates) {
            let named = there.iter().filter(|one| names(held.rule, &one.id.name));
            for binding in named {
                let Some(role) = rbac.role(binding).filter(|role| may_bind(level, role)) else {
                    continue;
                };
                let reach = match binding.id.namespace.as_str() {
                    "" => Reach::Cluster,
                    name => Reach::Namespace(name),
                };
                grants.push(self.bound_to(role, reach, held, kind.resource));
            }
        }
        grants
    }

    /// A reach with the lifetime of the cluster.
    fn own_reach(&self, reach: Reach<'_>, cluster: &'a Cluster) -> Option<Reach<'a>> {
        match reach {
            Reach::Cluster => Some(Reach::Cluster),
            Reach::EveryNamespace => Some(Reach::EveryNamespace),
            Reach::Namespace(name) => {
                let own = self.all.iter().map(|grant| grant.reach);
                own.into_iter()
                    .find(|own| *own == Reach::Namespace(name))
                    .or_else(|| {
                        let at = cluster.namespace(name)?;
                        Some(Reach::Namespace(&cluster.namespaces[at as usize].name))
                    })
            }
        }
    }

    fn bound_to(
        &self,
        role: &'a Role,
        reach: Reach<'a>,
        held: &HeldRule<'_>,
        resource: &str,
    ) -> SelfGrant<'a> {
        let by = &self.all[held.grant];
        let what = format!(
            "binds itself to {} {}, by `bind` and its right to write {resource}",
            role.id.called(),
            reach.phrase()
        );
        SelfGrant {
            reach,
            namespace: role.id.namespace.clone(),
            name: role.id.name.clone(),
            grant: HeldGrant {
                reach,
                rules: role.rules.clone(),
                role: Some(role),
                steps: leading_to(role, by.how(&what)),
                ..by.clone()
            },
        }
    }

    /// Every permission, by a role that the identity has and may write with `escalate`.
    fn by_writing(&self, level: &Level<'_>) -> Vec<SelfGrant<'a>> {
        let mut grants = Vec::new();
        for resources in [&["roles"], &["clusterroles"]] {
            let of_cluster = resources == &["clusterroles"];
            let escalates = of_rbac(resources, &["escalate"]);
            let updates = of_rbac(resources, &["update", "patch"]);
            if of_cluster && level.reach != Reach::Cluster || level.giving(&escalates).is_none() {
                continue;
            }

            let may = |permission: &Permission, role: &Role| {
                level.rules.iter().any(|held| {
                    permission.is_given_by(held.rule) && names(held.rule, &role.id.name)
                })
            };
            for grant in &self.all {
                let Some(role) = grant.role.filter(|role| {
                    let namespace = &role.id.namespace;
                    namespace.is_empty() == of_cluster && level.reach.holds(namespace)
                }) else {
                    continue;
                };
                if may(&escalates, role) && may(&updates, role) {
                    grants.push(grant.escalated(role));
                }
            }
        }
        grants
    }
}

impl<'a> HeldGrant<'a> {
    /// Every permission where this grant holds.
    fn escalated(&self, role: &Role) -> SelfGrant<'a> {
        let all = || vec![Text::from("*")];
        let everything = PolicyRule::from(RuleFields {
            verbs: all(),
            groups: all(),
            resources: all(),
            urls: all(),
            ..RuleFields::default()
        });
        let what = format!(
            "adds any permission to {}, which it has, by `escalate`",
            role.id.called()
        );
        SelfGrant {
            reach: self.reach,
            namespace: Text::default(),
            name: "*".into(),
            grant: HeldGrant {
                rules: Arc::new([everything]),
                role: None,
                steps: leading_to(role, self.how(&what)),
                ..self.clone()
            },
        }
    }
}

/// Says of the last step that it leads to a role.
fn leading_to(role: &Role, mut steps: Vec<Step>) -> Vec<Step> {
    if let Some(last) = steps.last_mut() {
        last.nodes.push(ChainNode::from(&role.id));
    }
    steps
}

fn names(rule: &PolicyRule, name: &Text) -> bool {
    rule.names.is_empty() || rule.names.contains(name)
}

const BIND_CLUSTER_ROLES: Permission = of_rbac(&["clusterroles"], &["bind"]);
const BIND_ROLES: Permission = of_rbac(&["roles"], &["bind"]);

/// Whether the rules of a level let one bind some role.
fn binds_any(level: &Level<'_>) -> bool {
    let permissions = [&BIND_CLUSTER_ROLES, &BIND_ROLES];
    permissions
        .into_iter()
        .any(|permission| level.giving(permission).is_some())
}

/// Whether the rules of a level let one bind a role.
fn may_bind(level: &Level<'_>, role: &Role) -> bool {
    let permission = match role.id.namespace.is_empty() {
        true => &BIND_CLUSTER_ROLES,
        false => &BIND_ROLES,
    };
    level
        .rules
        .iter()
        .any(|held| permission.is_given_by(held.rule) && names(held.rule, &role.id.name))
}

/// The roles that the rules of a level let one bind where a binding grants. Whoever may bind every
/// ClusterRole needs no other than the strongest.
fn bindable<'a>(cluster: &'a Cluster, level: &Level<'_>, reach: Reach<'_>) -> Vec<&'a Role> {
    let roles = &cluster.rbac.roles;
    let given = |permission: &'static Permission| {
        let rules = level.rules.iter().map(|held| held.rule);
        rules.filter(|rule| permission.is_given_by(rule))
    };
    let named =
        |namespace: &str, name: &Text| roles.get_key_value(&(namespace.into(), name.clone()));

    let mut found = BTreeMap::new();
    for rule in given(&BIND_CLUSTER_ROLES) {
        if rule.names.is_empty() {
            let strongest = named("", &"cluster-admin".into());
            return strongest.map(|(_, role)| role).into_iter().collect();
        }
        found.extend(rule.names.iter().filter_map(|name| named("", name)));
    }

    for rule in given(&BIND_ROLES) {
        match reach {
            Reach::Cluster => {}
            Reach::EveryNamespace => found.extend(
                roles
                    .iter()
                    .filter(|((namespace, name), _)| !namespace.is_empty() && names(rule, name)),
            ),
            Reach::Namespace(home) if rule.names.is_empty() => {
                let first = (Text::from(home), Text::default());
                let there = roles.range(first..);
                found.extend(there.take_while(|((namespace, _), _)| namespace == home));
            }
            Reach::Namespace(home) => {
                found.extend(rule.names.iter().filter_map(|name| named(home, name)));
            }
        }
    }
    found.into_values().collect()
}

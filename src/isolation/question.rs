//! Answers one question at a time: whether a subject may do something, itself or as an account that
//! it can become, and whether one pod can send to another.

use super::capability::{BECOME_ACCOUNT, Capability};
use super::network::paths::{EndLabels, NetworkPath, governing, preposition};
use super::network::reach::Reachability;
use super::{Step, at};
use crate::graph::rbac::{AccessRequest, Binding, Grant, PolicyRule, Subject};
use crate::graph::{Cluster, NamespaceNode};
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port};
use crate::source::{SourceId, Span};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A request that RBAC is asked about.
#[derive(Clone, Debug)]
pub enum AccessQuestion<'a> {
    /// A request on a resource.
    Resource(AccessRequest<'a>),
    /// A request on a path that belongs to no resource.
    Path {
        /// The HTTP method, in lower case.
        verb: &'a str,
        /// The path.
        path: &'a str,
    },
}

/// Returns the chain by which a subject may do something; `None` if it may not.
///
/// With `direct`, only what is granted to the subject and its implicit groups counts.
pub fn can(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
    direct: bool,
) -> Option<Vec<Step>> {
    let mut seen: BTreeSet<Subject> = BTreeSet::from([subject.clone()]);
    let mut queue: VecDeque<(Subject, Vec<Step>)> = VecDeque::from([(subject.clone(), Vec::new())]);
    let mut accounts: Option<Accounts> = None;

    while let Some((subject, mut steps)) = queue.pop_front() {
        let subjects = with_groups(&subject);
        let grant = match question {
            AccessQuestion::Resource(request) => cluster.rbac.authorize(&subjects, request),
            AccessQuestion::Path { verb, path } => {
                cluster.rbac.authorize_url(&subjects, verb, path)
            }
        };

        if let Some(grant) = grant {
            steps.extend(grant_steps(&subjects, &grant));
            return Some(steps);
        }
        if direct {
            continue;
        }

        let accounts = accounts.get_or_insert_with(|| all_accounts(cluster));
        for (account, step) in becomes(cluster, &subjects, accounts) {
            if seen.insert(account.clone()) {
                let text = format!("{} and so acts as {account}", step.text);
                let mut steps = steps.clone();
                steps.push(Step::new(step.span, text));
                queue.push_back((account, steps));
            }
        }
    }

    None
}

/// Returns a subject and the groups that Kubernetes puts it in.
pub fn with_groups(subject: &Subject) -> Vec<Subject> {
    std::iter::once(subject.clone())
        .chain(subject.implicit_groups().into_iter().map(Subject::Group))
        .collect()
}

/// The steps of a grant: the binding, and the rule of its role.
fn grant_steps(subjects: &[Subject], grant: &Grant<'_>) -> [Step; 2] {
    let binding = grant.binding;
    let bound = binding
        .subjects
        .iter()
        .find(|(subject, _)| subjects.contains(subject));
    let (subject, span) = bound.map_or((String::new(), None), |(subject, span)| {
        (subject.to_string(), *span)
    });

    let (rule_span, role) = grant.role.cite(Some(grant.rule), binding);
    let binds = format!(
        "{} binds {subject} to {}",
        binding.called(),
        binding.role_name()
    );

    [
        Step::new(at(span, binding.origin), binds),
        Step::new(rule_span, format!("{role} allows it")),
    ]
}

/// The service accounts that some subjects can act as, each with the step by which they do.
///
/// An account is one that the inputs hold, or one that a binding names.
fn becomes(cluster: &Cluster, subjects: &[Subject], accounts: &Accounts) -> Vec<(Subject, Step)> {
    let mut found = Vec::new();
    for subject in subjects {
        for binding in cluster.rbac.bindings_of(subject) {
            let Some(role) = cluster.rbac.role(binding) else {
                continue;
            };
            for capability in BECOME_ACCOUNT {
                if let Some(rule) = capability.given_by(&role.rules) {
                    let takeover = AccountTakeover {
                        subject,
                        binding,
                        capability,
                        rule,
                    };
                    found.extend(takeover.accounts(accounts));
                }
            }
        }
    }

    found
}

/// A capability of a subject to act as service accounts, and the rule that gives it.
struct AccountTakeover<'a> {
    subject: &'a Subject,
    binding: &'a Binding,
    capability: &'a Capability,
    rule: &'a PolicyRule,
}

impl AccountTakeover<'_> {
    /// The accounts, each with the step by which the subject acts as it.
    fn accounts(&self, all: &Accounts) -> Vec<(Subject, Step)> {
        let namespaces: Vec<(&Text, &Vec<Text>)> = match self.binding.id.namespace.as_str() {
            "" => all.iter().collect(),
            namespace => all.get_key_value(namespace).into_iter().collect(),
        };

        let mut found = Vec::new();
        for (namespace, names) in namespaces {
            let text = format!(
                "{} {} in `{namespace}` ({}),",
                self.subject,
                self.capability.effect.predicate(),
                self.binding.id.called()
            );
            for name in names.iter().filter(|name| self.covers(name)) {
                let account = Subject::ServiceAccount(namespace.clone(), name.clone());
                found.push((account, Step::new(self.binding.origin.span, text.clone())));
            }
        }

        found
    }

    /// Whether the rule covers an account of this name.
    fn covers(&self, account: &Text) -> bool {
        !self.capability.effect.names_accounts()
            || self.rule.names.is_empty()
            || self.rule.names.contains(account)
    }
}

/// The names of service accounts, by namespace.
type Accounts = BTreeMap<Text, Vec<Text>>;

fn all_accounts(cluster: &Cluster) -> Accounts {
    let present = cluster
        .facts
        .accounts
        .iter()
        .map(|account| (account.id.namespace.clone(), account.id.name.clone()));
    let bound = cluster.rbac.subjects().filter_map(|subject| match subject {
        Subject::ServiceAccount(namespace, name) => Some((namespace.clone(), name.clone())),
        _ => None,
    });

    let sorted: BTreeSet<(Text, Text)> = present.chain(bound).collect();
    let mut accounts = Accounts::new();
    for (namespace, name) in sorted {
        accounts.entry(namespace).or_default().push(name);
    }
    accounts
}

/// One end of a connection that is asked for.
#[derive(Clone, Debug)]
pub struct ConnectionEnd {
    /// The index of the namespace.
    pub namespace: u32,
    /// The labels of the pod; `None` stands for any pod that the namespace may hold.
    pub labels: Option<Labels>,
    /// Whether the pod uses the network of its node.
    pub host_network: bool,
}

/// The answer about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It passes, by these steps.
    Open(Vec<Step>),
    /// It does not pass, because of these policies.
    Blocked(Vec<Step>),
    /// The answer is not known, because of these objects.
    Unknown(Vec<Step>),
}

/// Most reasons that an unknown answer lists.
const MAX_REASONS: usize = 5;

/// Answers whether a pod can send to another.
///
/// # Errors
/// The selectors are too many to tell.
pub fn reach(
    cluster: &Cluster,
    from: &ConnectionEnd,
    to: &ConnectionEnd,
    port: Option<&Port>,
) -> Result<Route, TooLarge> {
    let mut unknown: Vec<Step> = cluster
        .unread_inputs
        .iter()
        .map(|finding| Step::new(finding.span, finding.message.clone()))
        .collect();
    unknown.extend(unevaluated(cluster, from));
    unknown.extend(unevaluated(cluster, to));

    if !unknown.is_empty() {
        unknown.truncate(MAX_REASONS);
        return Ok(Route::Unknown(unknown));
    }

    let reachability = Reachability::new(cluster);
    let labels = EndLabels {
        from: from.labels.as_ref(),
        to: to.labels.as_ref(),
    };
    if let Some((exit, entrance)) =
        reachability.between_as(from.namespace, to.namespace, labels, port)?
    {
        let step = |path: &NetworkPath<'_>, end: &ConnectionEnd, direction| {
            let namespace = &cluster.namespaces[end.namespace as usize];
            path.step(direction, namespace, span_of(cluster, namespace))
        };
        return Ok(Route::Open(vec![
            step(exit, from, Direction::Egress),
            step(entrance, to, Direction::Ingress),
        ]));
    }

    let exits = reachability.paths_out(from.namespace).ok_or(TooLarge)?;
    let entrances = reachability.paths_in(to.namespace).ok_or(TooLarge)?;
    let leads = |paths: &[NetworkPath<'_>], other: &ConnectionEnd| {
        paths.iter().any(|path| {
            path.namespaces.has(other.namespace)
                && port.is_none_or(|port| path.condition.has_port(port))
        })
    };

    let mut blocked = Vec::new();
    if !leads(exits, to) {
        blocked.extend(blocking(cluster, from, Direction::Egress));
    }
    if !leads(entrances, from) {
        blocked.extend(blocking(cluster, to, Direction::Ingress));
    }
    Ok(Route::Blocked(blocked))
}

/// What keeps the answer about one end of a connection from being known.
fn unevaluated(cluster: &Cluster, end: &ConnectionEnd) -> Vec<Step> {
    let namespace = &cluster.namespaces[end.namespace as usize];
    let mut steps = Vec::new();

    if namespace.has_unevaluated_policy {
        let of_other_kinds = cluster.facts.other_policies.iter().filter(|policy| {
            policy.id.namespace.is_empty() || policy.id.namespace == namespace.name
        });
        steps.extend(of_other_kinds.map(|policy| {
            let text = format!(
                "{} has a say in `{}`, and is not evaluated",
                policy.id.called(),
                namespace.name
            );
            Step::new(policy.origin.span, text)
        }));

        let not_read = cluster
            .facts
            .unevaluated
            .iter()
            .filter(|object| object.id.namespace == namespace.name);
        steps.extend(not_read.map(|object| {
            let text = format!(
                "{} cannot be understood: {}",
                object.id.called(),
                object.reason
            );
            Step::new(object.origin.span, text)
        }));
    }

    if end.host_network {
        let text = format!(
            "a pod of `{}` uses its node's network: no policy governs it",
            namespace.name
        );
        steps.push(Step::new(span_of(cluster, namespace), text));
    }

    steps
}

/// The policies that let nothing through at one end of a connection, as one step.
fn blocking(cluster: &Cluster, end: &ConnectionEnd, direction: Direction) -> Option<Step> {
    let namespace = &cluster.namespaces[end.namespace as usize];
    let policies: Vec<_> = governing(cluster, namespace, direction)
        .map(|(policy, _)| policy)
        .collect();

    let names: Vec<&str> = policies
        .iter()
        .map(|policy| policy.id.name.as_str())
        .collect();
    let text = format!(
        "what goes {} `{}` is governed by {}: none of them lets it",
        preposition(direction),
        namespace.name,
        names.join(", ")
    );

    let first = policies.first()?;
    Some(Step::new(first.origin.span, text))
}

/// The place of a namespace; of one that no input holds, the place of the first object.
fn span_of(cluster: &Cluster, namespace: &NamespaceNode) -> Span {
    let first = cluster.facts.objects.first();
    namespace
        .origin
        .or(first.map(|object| object.origin))
        .map_or(Span::file(SourceId(0)), |origin| origin.span)
}

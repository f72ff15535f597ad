//! The engines, asked one question: may a subject do something, by itself or as whom it can become;
//! can one pod send to another.

use super::at;
use super::capability::BECOME_ACCOUNT;
use super::network::reach::Reachability;
use crate::graph::Cluster;
use crate::graph::network::PolicyObject;
use crate::graph::rbac::{AccessRequest, Grant, Subject};
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port, Rule};
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A step of a chain: where it is allowed, and what is done.
pub type Step = (Span, String);

/// What is asked of RBAC.
#[derive(Clone, Debug)]
pub enum AccessQuestion<'a> {
    /// A request on a resource.
    Resource(AccessRequest<'a>),
    /// A request on a path: the verb and the path.
    Path(&'a str, &'a str),
}

/// The chain by which a subject may do something; nothing where it may not. With `direct`, only by
/// what is granted to itself and its implicit groups.
pub fn can(
    cluster: &Cluster,
    subject: &Subject,
    ask: &AccessQuestion<'_>,
    direct: bool,
) -> Option<Vec<Step>> {
    let mut seen: BTreeSet<Subject> = BTreeSet::from([subject.clone()]);
    let mut queue: VecDeque<(Subject, Vec<Step>)> = VecDeque::from([(subject.clone(), Vec::new())]);
    let mut accounts: Option<Accounts> = None;

    while let Some((subject, steps)) = queue.pop_front() {
        let who = with_groups(&subject);
        let grant = match ask {
            AccessQuestion::Resource(request) => cluster.rbac.authorize(&who, request),
            AccessQuestion::Path(verb, path) => cluster.rbac.authorize_url(&who, verb, path),
        };

        if let Some(grant) = grant {
            let mut steps = steps;
            steps.extend(granted(&who, &grant));
            return Some(steps);
        }

        if direct {
            continue;
        }
        let accounts = accounts.get_or_insert_with(|| self::accounts(cluster));

        for (account, step) in becomes(cluster, &who, accounts) {
            if seen.insert(account.clone()) {
                let mut steps = steps.clone();
                steps.push((step.0, format!("{} and so acts as {account}", step.1)));
                queue.push_back((account, steps));
            }
        }
    }

    None
}

/// A subject and the groups that it is in by itself.
pub fn with_groups(subject: &Subject) -> Vec<Subject> {
    std::iter::once(subject.clone())
        .chain(subject.implicit_groups().into_iter().map(Subject::Group))
        .collect()
}

fn granted(who: &[Subject], grant: &Grant<'_>) -> Vec<Step> {
    let named = grant.binding.subjects.iter().find(|(s, _)| who.contains(s));
    let (subject, span) = named.map_or((String::new(), None), |(s, span)| (s.to_string(), *span));
    let (rule_span, role) = grant.role.cite(Some(grant.rule), grant.binding);
    vec![
        (
            at(span, grant.binding.origin),
            format!(
                "{} binds {subject} to {}",
                grant.binding.called(),
                grant.binding.role_name()
            ),
        ),
        (rule_span, format!("{role} allows it")),
    ]
}

/// The service accounts that some subjects can act as, and how: those that are there, and those
/// that a binding names.
fn becomes(cluster: &Cluster, who: &[Subject], accounts: &Accounts) -> Vec<(Subject, Step)> {
    let mut found = Vec::new();
    for subject in who {
        for binding in cluster.rbac.bindings_of(subject) {
            let Some(role) = cluster.rbac.role(binding) else {
                continue;
            };
            for power in &BECOME_ACCOUNT {
                let Some(rule) = power.of(&role.rules) else {
                    continue;
                };
                // Of a token or an impersonation, the names of a rule are the accounts'; of a pod,
                // they are not.
                let by_name = power.description.contains("token")
                    || power.description.contains("impersonates");
                let named = |account: &&Text| {
                    !by_name || rule.names.is_empty() || rule.names.contains(account)
                };
                let homes: Vec<(&Text, &Vec<Text>)> = match binding.id.namespace.as_str() {
                    "" => accounts.iter().collect(),
                    home => accounts.get_key_value(home).into_iter().collect(),
                };

                for (home, names) in homes {
                    let text = format!(
                        "{subject} {} in `{home}` ({}),",
                        power.description,
                        binding.id.called()
                    );
                    for name in names.iter().filter(named) {
                        let account = Subject::ServiceAccount(home.clone(), name.clone());
                        found.push((account, (binding.origin.span, text.clone())));
                    }
                }
            }
        }
    }

    found
}

/// The names of service accounts, by namespace.
type Accounts = BTreeMap<Text, Vec<Text>>;

fn accounts(cluster: &Cluster) -> Accounts {
    let there = cluster
        .facts
        .accounts
        .iter()
        .map(|a| (a.id.namespace.clone(), a.id.name.clone()));
    let bound = cluster.rbac.subjects().filter_map(|s| match s {
        Subject::ServiceAccount(namespace, name) => Some((namespace.clone(), name.clone())),
        _ => None,
    });
    let all: BTreeSet<(Text, Text)> = there.chain(bound).collect();
    let mut accounts = Accounts::new();
    for (namespace, name) in all {
        accounts.entry(namespace).or_default().push(name);
    }
    accounts
}

/// One end of a connection that is asked for.
#[derive(Clone, Debug)]
pub struct ConnectionEnd {
    /// The namespace's index.
    pub namespace: u32,
    /// The pod's labels, where one is named.
    pub labels: Option<Labels>,
    /// Whether it uses its node's network.
    pub host_network: bool,
}

/// The answer about a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It passes, by these steps.
    Open(Vec<Step>),
    /// It does not, because of these.
    Blocked(Vec<Step>),
    /// It cannot be told, because of these.
    Unknown(Vec<Step>),
}

/// Whether a pod can send to another: of a namespace, any that may come.
///
/// # Errors
/// The selectors are too many to tell.
pub fn reach(
    cluster: &Cluster,
    from: &ConnectionEnd,
    to: &ConnectionEnd,
    port: Option<&Port>,
) -> Result<Route, TooLarge> {
    let mut unread: Vec<Step> = cluster
        .blind
        .iter()
        .map(|d| (d.span, d.message.clone()))
        .collect();

    for end in [from, to] {
        let namespace = &cluster.namespaces[end.namespace as usize];
        if namespace.has_unevaluated_policy {
            let others = cluster
                .facts
                .other_policies
                .iter()
                .filter(|t| t.id.namespace.is_empty() || t.id.namespace == namespace.name);

            unread.extend(others.map(|t| {
                (
                    t.origin.span,
                    format!(
                        "{} has a say in `{}`, and is not evaluated",
                        t.id.called(),
                        namespace.name
                    ),
                )
            }));

            let unevaluated = cluster
                .facts
                .unevaluated
                .iter()
                .filter(|r| r.id.namespace == namespace.name);

            unread.extend(unevaluated.map(|r| {
                (
                    r.origin.span,
                    format!("{} cannot be understood: {}", r.id.called(), r.reason),
                )
            }));
        }

        if end.host_network {
            unread.push((
                namespace
                    .origin
                    .map_or_else(|| first_span(cluster), |o| o.span),
                format!(
                    "a pod of `{}` uses its node's network: no policy governs it",
                    namespace.name
                ),
            ));
        }
    }

    if !unread.is_empty() {
        unread.truncate(5);
        return Ok(Route::Unknown(unread));
    }

    let reach = Reachability::new(cluster);
    let name = |end: &ConnectionEnd| cluster.namespaces[end.namespace as usize].name.clone();
    let labels = [from.labels.as_ref(), to.labels.as_ref()];
    let step = |direction: Direction, by: Option<(&PolicyObject, &Rule)>| {
        let (end, word) = match direction {
            Direction::Egress => (from, "out of"),
            Direction::Ingress => (to, "into"),
        };
        match by {
            Some((policy, rule)) => (
                at(rule.span, policy.origin),
                format!("{} lets it {word} `{}`", policy.id.called(), name(end)),
            ),
            None => {
                let namespace = &cluster.namespaces[end.namespace as usize];
                let span = namespace
                    .origin
                    .map_or_else(|| first_span(cluster), |o| o.span);
                (
                    span,
                    format!("no policy governs what goes {word} `{}`", namespace.name),
                )
            }
        }
    };

    if let Some((exit, entrance)) = reach.between_as(from.namespace, to.namespace, labels, port)? {
        return Ok(Route::Open(vec![
            step(Direction::Egress, exit.by),
            step(Direction::Ingress, entrance.by),
        ]));
    }

    let mut blocked = Vec::new();
    for (end, other, direction, word) in [
        (from, to, Direction::Egress, "out of"),
        (to, from, Direction::Ingress, "into"),
    ] {
        let ways = match direction {
            Direction::Egress => reach.paths_out(end.namespace),
            Direction::Ingress => reach.paths_in(end.namespace),
        };
        let ways = ways.ok_or(TooLarge)?;
        if ways
            .iter()
            .any(|w| w.span.has(other.namespace) && port.is_none_or(|p| w.shape.has_port(p)))
        {
            continue;
        }
        let home = &cluster.namespaces[end.namespace as usize];
        let policies = home
            .policies
            .iter()
            .map(|p| &cluster.facts.policies[*p as usize]);
        let governing: Vec<_> = policies
            .filter(|object| object.spec.rules(direction).is_some())
            .collect();
        let names = governing
            .iter()
            .map(|p| p.id.name.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        let text = format!(
            "what goes {word} `{}` is governed by {names}: none of them lets it",
            home.name
        );
        blocked.extend(governing.first().map(|p| (p.origin.span, text)));
    }

    Ok(Route::Blocked(blocked))
}

fn first_span(cluster: &Cluster) -> Span {
    cluster
        .facts
        .objects
        .first()
        .map_or(Span::file(crate::source::SourceId(0)), |t| t.origin.span)
}

//! Answers one question at a time: whether a subject may do something, itself or as an account that
//! it can become, and whether one pod can send to another.

use super::escalation::Identities;
use super::network::paths::{EndLabels, NetworkPath, governing, preposition};
use super::network::reach::Reachability;
use super::{Step, at};
use crate::graph::network::{NamedPort, PolicyObject};
use crate::graph::rbac::{AccessRequest, Grant, Subject};
use crate::graph::{Cluster, NamespaceNode};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port};
use crate::source::{SourceId, Span};

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
/// With `direct`, only what is granted to the subject and its implicit groups counts. Without, so
/// does what it can come to: the identities that it can take, and the roles that it can give itself.
pub fn can(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
    direct: bool,
) -> Option<Vec<Step>> {
    if direct {
        return granted(cluster, subject, question);
    }

    let mut identities = Identities::new(cluster, subject);
    while let Some((identity, grants)) = identities.next_identity() {
        let own = granted(cluster, &identity.subject, question);
        let given = || match question {
            AccessQuestion::Resource(request) => grants.allowing(request),
            AccessQuestion::Path { verb, path } => grants.allowing_path(verb, path),
        };
        if let Some(more) = own.or_else(given) {
            let mut steps = identity.steps;
            steps.extend(more);
            return Some(steps);
        }
        identities.follow(&identity, &grants);
    }

    None
}

/// The steps of a grant to a subject itself or to its implicit groups.
fn granted(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
) -> Option<Vec<Step>> {
    let subjects = with_groups(subject);
    let grant = match question {
        AccessQuestion::Resource(request) => cluster.rbac.authorize(&subjects, request),
        AccessQuestion::Path { verb, path } => cluster.rbac.authorize_url(&subjects, verb, path),
    };
    grant.map(|grant| grant_steps(&subjects, &grant).to_vec())
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

/// One end of a connection that is asked for.
#[derive(Clone, Debug)]
pub struct ConnectionEnd {
    /// The index of the namespace.
    pub namespace: u32,
    /// The labels of the pod; `None` stands for any pod that the namespace may hold.
    pub labels: Option<Labels>,
    /// The ports that the pod names; `None` if the pod is not known.
    pub ports: Option<Vec<NamedPort>>,
    /// The workload that is named, if one is.
    pub workload: Option<ObjectId>,
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
    if let Some(step) = itself(cluster, from, to) {
        return Ok(Route::Open(vec![step]));
    }

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
        to_ports: to.ports.as_deref(),
    };
    if let Some((exit, entrance)) =
        reachability.between_as(from.namespace, to.namespace, labels, port)?
    {
        let step = |path: &NetworkPath<'_>, end: &ConnectionEnd, direction| {
            let namespace = &cluster.namespaces[end.namespace as usize];
            path.step(direction, namespace, span_of(cluster, namespace))
        };
        let mut steps = vec![
            step(exit, from, Direction::Egress),
            step(entrance, to, Direction::Ingress),
        ];
        steps.extend(narrowing(cluster, [from, to]));
        return Ok(Route::Open(steps));
    }

    let exits = reachability.paths_out(from.namespace).ok_or(TooLarge)?;
    let entrances = reachability.paths_in(to.namespace).ok_or(TooLarge)?;
    let leads = |paths: &[NetworkPath<'_>], other: &ConnectionEnd| {
        paths.iter().any(|path| {
            path.namespaces.has(other.namespace)
                && port.is_none_or(|port| path.condition.has_port(port, to.ports.as_deref()))
        })
    };

    let (out, into) = (leads(exits, to), leads(entrances, from));
    let mut blocked = Vec::new();
    // Where each side lets something through, they let no connection through together.
    if !out || into {
        blocked.extend(blocking(cluster, from, Direction::Egress));
    }
    if !into || out {
        blocked.extend(blocking(cluster, to, Direction::Ingress));
    }
    Ok(Route::Blocked(blocked))
}

/// The step by which a pod reaches itself, if both ends are one pod.
///
/// Source: kubernetes.io/docs/concepts/services-networking/network-policies, "a Pod cannot block
/// access to itself".
fn itself(cluster: &Cluster, from: &ConnectionEnd, to: &ConnectionEnd) -> Option<Step> {
    let pod = from.workload.as_ref()?;
    let is_one = pod.kind == "Pod" && from.workload == to.workload;
    let namespace = &cluster.namespaces[from.namespace as usize];
    is_one.then(|| {
        let text = format!("{} always reaches itself", pod.called());
        Step::new(span_of(cluster, namespace), text)
    })
}

/// The policies of other kinds that may still refuse a connection between some ends.
fn narrowing<'a>(
    cluster: &'a Cluster,
    ends: [&ConnectionEnd; 2],
) -> impl Iterator<Item = Step> + 'a {
    let names = ends.map(|end| cluster.namespaces[end.namespace as usize].name.clone());
    let policies = cluster.facts.narrowing_policies.iter();
    let governing = policies.filter(move |policy| {
        policy.id.namespace.is_empty() || names.contains(&policy.id.namespace)
    });
    governing.take(MAX_REASONS).map(|policy| {
        let text = format!("{} may refuse it, and is not evaluated", policy.id.called());
        Step::new(policy.origin.span, text)
    })
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
    let selects = |policy: &PolicyObject| {
        let labels = end.labels.as_ref();
        labels.is_none_or(|labels| policy.spec.pods.matches(labels))
    };
    let policies: Vec<_> = governing(cluster, namespace, direction)
        .map(|(policy, _)| policy)
        .filter(|policy| selects(policy))
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

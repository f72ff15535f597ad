//! Answers whether one end of a connection can send to another, and by which policies.
//!
//! An end is a pod, any pod of a namespace, or something outside the pods of the inputs: addresses,
//! the API server, the metadata service. Each answer has a step for each policy that decides it.

mod ends;
mod outside;
mod side;

pub use ends::{named_namespace, names_address};
pub use outside::{OutsideEnd, OutsideKind};

use super::network::paths::{EndLabels, paths};
use super::network::reach::meeting;
use super::question::{Answer, Word, first_steps, unread_steps};
use super::{MAX_NAMES, Step};
use crate::graph::network::NamedPort;
use crate::graph::workload::{Service, ServicePort};
use crate::graph::{Cluster, NamespaceNode};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port, Ports};
use crate::source::{SourceId, Span};
use side::Side;

/// One end of a connection that is asked for.
#[derive(Clone, Debug)]
pub enum ConnectionEnd {
    /// A pod of the inputs, or any pod of a namespace.
    Pods(PodEnd),
    /// An end outside the pods of the inputs.
    Outside(OutsideEnd),
    /// An end that the inputs do not tell, for a reason.
    Untold(Step),
}

/// A pod, or any pod of a namespace.
#[derive(Clone, Debug)]
pub struct PodEnd {
    /// The index of the namespace.
    pub namespace: u32,
    /// The labels of the pod; `None` stands for any pod that the namespace may hold.
    pub labels: Option<Labels>,
    /// The ports that the pod names; `None` if the pod is not known.
    pub ports: Option<Vec<NamedPort>>,
    /// The workload that is named, if one is.
    pub workload: Option<ObjectId>,
    /// Whether the workload is one pod, or states that it asks for one replica.
    pub is_single: bool,
    /// Whether the pod uses the network of its node.
    pub host_network: bool,
}

impl PodEnd {
    /// Any pod of a namespace.
    pub const fn any(namespace: u32) -> Self {
        Self {
            namespace,
            labels: None,
            ports: None,
            workload: None,
            is_single: false,
            host_network: false,
        }
    }

    fn node<'a>(&self, cluster: &'a Cluster) -> &'a NamespaceNode {
        &cluster.namespaces[self.namespace as usize]
    }

    /// How a sentence calls it.
    fn called(&self, cluster: &Cluster) -> String {
        match (&self.workload, &self.labels) {
            (Some(workload), _) => workload.called(),
            (None, None) => format!("pods of `{}`", self.node(cluster).name),
            (None, Some(labels)) => {
                let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
                let labels: Vec<String> = labels.collect();
                format!(
                    "pods of `{}` with {}",
                    self.node(cluster).name,
                    labels.join(", ")
                )
            }
        }
    }

    /// A place that stands for it.
    fn span(&self, cluster: &Cluster) -> Span {
        span_of(cluster, self.node(cluster))
    }
}

/// An end as a question names it: one of those that the name may stand for.
#[derive(Clone, Debug)]
struct NamedEnd<'a> {
    end: ConnectionEnd,
    /// The Service by which the end is named.
    service: Option<&'a Service>,
    /// The port that the name stands for if the question has none.
    port: Option<Port>,
    /// A condition that the answer rests on.
    condition: Option<Step>,
}

impl From<ConnectionEnd> for NamedEnd<'_> {
    fn from(end: ConnectionEnd) -> Self {
        Self {
            end,
            service: None,
            port: None,
            condition: None,
        }
    }
}

/// What an end of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndName {
    /// A workload; a namespace if it is any pod of it.
    Object(ObjectId),
    /// Something that is no object of the inputs, as a phrase.
    Phrase(String),
}

impl ConnectionEnd {
    /// What it is; `None` if the inputs do not tell.
    fn name(&self, cluster: &Cluster) -> Option<EndName> {
        Some(match self {
            Self::Untold(_) => return None,
            Self::Outside(end) => EndName::Phrase(end.name.clone()),
            Self::Pods(pods) => match (&pods.workload, &pods.labels) {
                (Some(workload), _) => EndName::Object(workload.clone()),
                (None, None) => {
                    EndName::Object(ObjectId::of_namespace(pods.node(cluster).name.clone()))
                }
                (None, Some(_)) => EndName::Phrase(pods.called(cluster)),
            },
        })
    }
}

/// The answer about two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// What sends.
    pub from: EndName,
    /// What receives.
    pub to: EndName,
    /// Whether it is open, and the policies that decide it.
    pub answer: Answer,
}

/// Most steps of one answer that list policies of one end, or things that were not read.
const MAX_REASONS: usize = 5;

/// Answers whether an end can send to another. The ends are as a user names them: `NAMESPACE`,
/// `NAMESPACE/WORKLOAD`, `NAMESPACE/KIND/NAME`, an address, a network, or an endpoint of the platform.
///
/// # Errors
/// A name that stands for nothing in the cluster, or two ends that no policy governs.
pub fn answer(
    cluster: &Cluster,
    from: &str,
    to: &str,
    port: Option<&Port>,
) -> Result<Answer, String> {
    let deciding = connections(cluster, from, to, port)?;
    Ok(together(&deciding))
}

/// The answer of the connections that decide it.
pub fn together(deciding: &[Connection]) -> Answer {
    best(deciding.iter().map(|one| one.answer.clone()).collect())
}

/// The connections that decide [`answer`]: a name may stand for several ends. One is enough for `yes`
/// and for `unknown`.
///
/// # Errors
/// As [`answer`].
pub fn connections(
    cluster: &Cluster,
    from: &str,
    to: &str,
    port: Option<&Port>,
) -> Result<Vec<Connection>, String> {
    let froms = ends::find(cluster, from, named_namespace(to))?;
    let tos = ends::find(cluster, to, named_namespace(from))?;
    if froms.iter().any(|from| from.service.is_some()) {
        return Err(format!(
            "`{from}` is a Service, which sends nothing: name a workload (NAMESPACE/WORKLOAD)"
        ));
    }

    let named = |end: &ConnectionEnd, asked: &str| {
        let name = end.name(cluster);
        name.unwrap_or_else(|| EndName::Phrase(asked.to_owned()))
    };
    let mut all = Vec::new();
    for source in &froms {
        for target in &tos {
            all.push(Connection {
                from: named(&source.end, from),
                to: named(&target.end, to),
                answer: between_named(cluster, source, target, port)?,
            });
        }
    }

    let least = all.iter().map(|one| rank(&one.answer)).min();
    all.retain(|one| Some(rank(&one.answer)) == least);
    let is_no = all.first().is_some_and(|one| one.answer.word == Word::No);
    all.truncate(if is_no { MAX_NAMES } else { 1 });
    Ok(all)
}

/// How an answer ranks among those of several ends, the one that counts first.
const fn rank(answer: &Answer) -> u8 {
    match answer.word {
        Word::Yes => 0,
        Word::Unknown => 1,
        Word::No => 2,
    }
}

/// The answer of a name that stands for several ends: what one of them may, the name may.
fn best(answers: Vec<Answer>) -> Answer {
    let mut best = Answer::new(Word::No, String::new(), Vec::new());
    let Some(least) = answers.iter().map(rank).min() else {
        return best;
    };

    for (at, answer) in answers
        .into_iter()
        .filter(|answer| rank(answer) == least)
        .enumerate()
    {
        let is_first = at == 0;
        if is_first {
            best = answer;
        } else if best.word == Word::No && at < MAX_NAMES {
            let new = |step: &Step| !best.steps.contains(step);
            let more: Vec<Step> = answer.steps.into_iter().filter(new).collect();
            best.steps.extend(more);
        }
    }
    best
}

/// The answer about two ends. A Service leads to the ports of its pods.
fn between_named(
    cluster: &Cluster,
    from: &NamedEnd<'_>,
    to: &NamedEnd<'_>,
    port: Option<&Port>,
) -> Result<Answer, String> {
    let port = port.or(to.port.as_ref());
    let ports = match to.service {
        None => vec![port.cloned()],
        Some(service) => match target_ports(service, &to.end, port) {
            Ok(ports) => ports,
            Err(missing) => {
                let step = Step::new(service.origin.span, missing.clone());
                return Ok(Answer::new(Word::No, missing, vec![step]));
            }
        },
    };

    let mut answers = Vec::new();
    for port in &ports {
        answers.push(between(cluster, &from.end, &to.end, port.as_ref())?);
    }

    let mut answer = best(answers);
    if let Some(service) = to.service {
        let text = match &to.end {
            ConnectionEnd::Pods(pods) => {
                format!("{} sends to {}", service.id.called(), pods.called(cluster))
            }
            ConnectionEnd::Outside(end) => {
                format!("{} sends to {}", service.id.called(), end.name)
            }
            ConnectionEnd::Untold(_) => format!("{} is named", service.id.called()),
        };
        let step = Step::new(service.origin.span, text).through(&service.id);
        answer.steps.insert(0, step);
    }
    let conditions = [&from.condition, &to.condition];
    answer
        .steps
        .extend(conditions.into_iter().flatten().cloned());
    Ok(answer)
}

/// The ports of the pods to which a Service sends what is meant for one of its ports; `None` for
/// every port.
///
/// # Errors
/// The Service has no such port.
fn target_ports(
    service: &Service,
    end: &ConnectionEnd,
    port: Option<&Port>,
) -> Result<Vec<Option<Port>>, String> {
    // The name of a headless Service stands for its pods, with every port of theirs.
    if service.headless || service.ports.is_empty() {
        return Ok(vec![port.cloned()]);
    }

    let is_asked = |own: &&ServicePort| {
        port.is_none_or(|port| {
            port.protocol == own.protocol && port.ports == Ports::Range(own.port, own.port)
        })
    };
    let asked: Vec<&ServicePort> = service.ports.iter().filter(is_asked).collect();
    if asked.is_empty() {
        let own = service.ports.iter();
        let own: Vec<String> = own
            .map(|own| format!("{}/{}", own.port, own.protocol.name()))
            .collect();
        return Err(format!(
            "{} has no such port; it has {}",
            service.id.called(),
            own.join(", ")
        ));
    }

    let named = match end {
        ConnectionEnd::Pods(pods) => pods.ports.as_deref(),
        _ => None,
    };
    let is_served = |own: &&ServicePort| match (&own.target, named) {
        (Ports::Named(name), Some(named)) => named
            .iter()
            .any(|port| port.name == *name && port.protocol == own.protocol),
        _ => true,
    };
    let target = |own: &ServicePort| {
        Some(Port {
            protocol: own.protocol,
            ports: own.target.clone(),
        })
    };
    let served = asked.iter().copied().filter(is_served);
    let served: Vec<Option<Port>> = served.map(target).collect();
    match served.is_empty() {
        false => Ok(served),
        true => Err(format!(
            "{} sends to a port name that its pods do not have",
            service.id.called()
        )),
    }
}

/// Answers whether an end can send to another.
///
/// # Errors
/// No end is a pod.
pub fn between(
    cluster: &Cluster,
    from: &ConnectionEnd,
    to: &ConnectionEnd,
    port: Option<&Port>,
) -> Result<Answer, String> {
    let (told, step) = match (from, to) {
        (ConnectionEnd::Pods(from), ConnectionEnd::Pods(to)) => {
            let answer = between_pods(cluster, from, to, port);
            return Ok(answer.unwrap_or_else(|TooLarge| too_large(cluster, &[from, to])));
        }
        (ConnectionEnd::Pods(pods), ConnectionEnd::Outside(end)) => {
            return Ok(outside::answer(cluster, pods, Direction::Egress, end, port));
        }
        (ConnectionEnd::Outside(end), ConnectionEnd::Pods(pods)) => {
            return Ok(outside::answer(
                cluster,
                pods,
                Direction::Ingress,
                end,
                port,
            ));
        }
        (ConnectionEnd::Outside(_), ConnectionEnd::Outside(_)) => {
            return Err(
                "a NetworkPolicy governs pods: name a namespace or a workload at one end".into(),
            );
        }
        (ConnectionEnd::Untold(step), other) | (other, ConnectionEnd::Untold(step)) => {
            (other, step)
        }
    };

    let mut steps = vec![step.clone()];
    if let ConnectionEnd::Untold(other) = told {
        steps.push(other.clone());
    }
    Ok(Answer::new(Word::Unknown, String::new(), steps))
}

/// The answer if the selectors of some ends are too many to tell.
fn too_large(cluster: &Cluster, ends: &[&PodEnd]) -> Answer {
    let step = |end: &&PodEnd| {
        let text = format!(
            "the selectors of the policies of `{}` have too many combinations to evaluate",
            end.node(cluster).name
        );
        Step::new(end.span(cluster), text)
    };
    let steps = ends.iter().map(step).collect();
    Answer::new(Word::Unknown, String::new(), steps)
}

/// What keeps the answer about some ends from being known.
fn unknown(cluster: &Cluster, ends: &[&PodEnd]) -> Vec<Step> {
    let unread = unread_steps(&cluster.unread_inputs);
    let unevaluated = ends.iter().flat_map(|end| unevaluated(cluster, end));
    first_steps(unread.chain(unevaluated).collect())
}

fn between_pods(
    cluster: &Cluster,
    from: &PodEnd,
    to: &PodEnd,
    port: Option<&Port>,
) -> Result<Answer, TooLarge> {
    if let Some(step) = itself(cluster, from, to) {
        return Ok(Answer::new(Word::Yes, String::new(), vec![step]));
    }
    let unknown = unknown(cluster, &[from, to]);
    if !unknown.is_empty() {
        return Ok(Answer::new(Word::Unknown, String::new(), unknown));
    }

    let outs = paths(cluster, from.node(cluster), Direction::Egress)?;
    let ins = paths(cluster, to.node(cluster), Direction::Ingress)?;
    let labels = EndLabels {
        from: from.labels.as_ref(),
        to: to.labels.as_ref(),
        to_ports: to.ports.as_deref(),
    };

    let (exits, entrances) = ((from.namespace, &*outs), (to.namespace, &*ins));
    if let Some((exit, entrance)) = meeting(exits, entrances, labels, port)? {
        let exit = side::passing(exit, Direction::Egress, (cluster, from));
        let entrance = side::passing(entrance, Direction::Ingress, (cluster, to));
        let mut steps = vec![exit, entrance];
        steps.extend(narrowing(cluster, &[from, to]));
        return Ok(Answer::new(Word::Yes, String::new(), steps));
    }

    let asked = side::Asked {
        cluster,
        port,
        named: to.ports.as_deref(),
    };
    let egress = Side::new(asked, Direction::Egress, (from, &outs), to)?;
    let ingress = Side::new(asked, Direction::Ingress, (to, &ins), from)?;
    Ok(side::blocked(&egress, &ingress))
}

/// The step by which a pod reaches itself, if both ends are one pod.
///
/// Source: kubernetes.io/docs/concepts/services-networking/network-policies, "a Pod cannot block
/// access to itself".
fn itself(cluster: &Cluster, from: &PodEnd, to: &PodEnd) -> Option<Step> {
    let workload = from.workload.as_ref()?;
    let is_one = from.is_single && from.workload == to.workload;
    is_one.then(|| {
        let text = match workload.kind.as_str() {
            "Pod" => format!("{} always reaches itself", workload.called()),
            _ => format!(
                "{} asks for one replica, and each pod always reaches itself",
                workload.called()
            ),
        };
        Step::new(from.span(cluster), text)
    })
}

/// The policies of other kinds that may still refuse a connection between some ends.
fn narrowing(cluster: &Cluster, ends: &[&PodEnd]) -> Vec<Step> {
    let governs = |namespace: &str| {
        let mut names = ends.iter().map(|end| &end.node(cluster).name);
        namespace.is_empty() || names.any(|name| name == namespace)
    };
    let policies = cluster.facts.narrowing_policies.iter();
    let governing = policies.filter(|policy| governs(&policy.id.namespace));
    let step = |policy: &crate::graph::facts::ObjectRef| {
        let text = format!("{} may refuse it, and is not evaluated", policy.id.called());
        Step::new(policy.origin.span, text).through(&policy.id)
    };
    governing.take(MAX_REASONS).map(step).collect()
}

/// What keeps the answer about one end of a connection from being known.
fn unevaluated(cluster: &Cluster, end: &PodEnd) -> Vec<Step> {
    let namespace = end.node(cluster);
    let mut steps = Vec::new();

    if namespace.has_unevaluated_policy {
        let of_other_kinds = cluster.facts.other_policies.iter().filter(|policy| {
            policy.id.namespace.is_empty() || policy.id.namespace == namespace.name
        });
        steps.extend(of_other_kinds.map(|policy| {
            let text = format!(
                "{} governs `{}`, and is not evaluated",
                policy.id.called(),
                namespace.name
            );
            let step = Step::new(policy.origin.span, text);
            step.through(&policy.id).stopping()
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
            "{} uses the network of its node, which no NetworkPolicy governs",
            end.called(cluster)
        );
        steps.push(Step::new(end.span(cluster), text));
    }

    steps
}

/// The place of a namespace; of one that no input holds, the place of the first object.
fn span_of(cluster: &Cluster, namespace: &NamespaceNode) -> Span {
    let first = cluster.facts.objects.first();
    namespace
        .origin
        .or(first.map(|object| object.origin))
        .map_or(Span::file(SourceId(0)), |origin| origin.span)
}

use super::attacks::{AttackReview, Attacker, PolicyVerdict};
use super::{Findings, own_grants, pods, rests_on};
use crate::diagnostic::rule;
use crate::graph::pod_security::PodSecurityConfiguration;
use crate::graph::rbac::{Binding, PolicyRule, Role, Subject};
use crate::graph::{Cluster, NamespaceNode, Owner, TenantNode};
use crate::isolation::capability::{APPLY_BY_FLUX, CREATE_PODS, Capability, Effect, Permission};
use crate::isolation::{Finding, namespace_span};
use crate::kube::names::ENFORCE_LABEL;
use crate::source::Span;
use crate::value::Text;
use std::collections::BTreeMap;

rule! {
    /// A tenant may create pods in a namespace that enforces no Pod Security level.
    ///
    /// ## What it finds
    /// A tenant's namespace whose label `pod-security.kubernetes.io/enforce` is missing,
    /// `privileged` or misspelt, and in which a subject of the tenant may create pods; one that the
    /// API server's AdmissionConfiguration exempts, with its users and its runtime classes. If
    /// ValidatingAdmissionPolicies are bound to deny, they are evaluated for pods that ask for their
    /// node. If they deny every such pod there is no finding, and the verdict depends on them.
    ///
    /// ## Why it matters
    /// A privileged pod is the node: every other tenant's pods, their secrets and service accounts
    /// on it.
    ///
    /// ## Fix
    /// `pod-security.kubernetes.io/enforce: restricted`, or `baseline`.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/security/pod-security-standards; CIS 5.2; NSA "Pod security";
    /// MTB "block privileged containers", "block use of host path"; PCI DSS 2.2; ISO 27001 A.8.9
    pub static POD_SECURITY_NOT_ENFORCED = "admission/pod-security-not-enforced", Error;
}

static ADD_CONTAINERS: Capability = Capability {
    effect: Effect::AddContainers,
    permissions: &[Permission::new(
        "",
        &["pods/ephemeralcontainers"],
        &["update", "patch"],
    )],
};

/// Every way to get a pod with a spec of one's own into a namespace.
static MAKE_PODS: [&Capability; 4] = [
    &CREATE_PODS,
    &APPLY_BY_FLUX,
    &ADD_CONTAINERS,
    &pods::CREATE_PODS_BY_OPERATOR,
];

/// Whether Pod Security refuses a pod of a namespace that asks for the node.
pub fn refused(cluster: &Cluster, namespace: &str) -> bool {
    cluster
        .namespace(namespace)
        .is_some_and(|at| refuses_privileged(cluster, &cluster.namespaces[at as usize]))
}

fn refuses_privileged(cluster: &Cluster, namespace: &NamespaceNode) -> bool {
    let refuses = |level: &str| ["baseline", "restricted"].contains(&level);
    let configurations = &cluster.facts.pod_security;
    let by_default = !configurations.is_empty()
        && configurations
            .iter()
            .all(|configuration| refuses(&configuration.default_level));

    let level = namespace.labels.get(ENFORCE_LABEL);
    exempting(cluster, namespace).is_none() && level.map_or(by_default, refuses)
}

/// The configuration that exempts a namespace.
fn exempting<'a>(
    cluster: &'a Cluster,
    namespace: &NamespaceNode,
) -> Option<&'a PodSecurityConfiguration> {
    let mut configurations = cluster.facts.pod_security.iter();
    configurations.find(|configuration| configuration.namespaces.contains(&namespace.name))
}

pub(super) fn check(cluster: &Cluster, review: &mut AttackReview<'_>, out: &mut Findings<'_>) {
    let mut creators: BTreeMap<&Text, Vec<Creator<'_>>> = BTreeMap::new();
    for (_, binding, role, subjects) in own_grants(cluster) {
        if makes_pods(&role.rules) {
            let creators = creators.entry(&binding.id.namespace).or_default();
            creators.extend(subjects.into_iter().map(|subject| Creator {
                binding,
                role,
                subject,
            }));
        }
    }

    for namespace in &cluster.namespaces {
        let Owner::Tenant(tenant) = namespace.owner else {
            continue;
        };
        let Some(creators) = creators.get(&namespace.name) else {
            continue;
        };
        let subjects = creators.iter().map(|creator| creator.subject);
        let Some(gap) = gap(cluster, namespace, subjects) else {
            continue;
        };
        let mut creators = creators.clone();
        creators.retain(|creator| gap.covers(creator.subject));
        if let Some((creator, verdict)) = worst(cluster, namespace, &creators, (review, out)) {
            let tenant = &cluster.tenants[tenant as usize];
            out.push(finding(namespace, tenant, &gap, creator, verdict));
        }
    }
}

/// Why Pod Security keeps some subjects from no pod that asks for its node.
struct Gap<'a> {
    /// The users whom it keeps from none; `None` if it keeps nobody from one.
    users: Option<&'a [Text]>,
    /// What holds for the namespace, as a predicate.
    predicate: String,
    /// The place of the setting; `None` if only the namespace has a place.
    span: Option<Span>,
    fix: String,
    /// Whether the pod controls its node; else that depends on the runtime class.
    is_sure: bool,
}

impl Gap<'_> {
    fn covers(&self, subject: &Subject) -> bool {
        self.users.is_none_or(|users| is_one_of(users, subject))
    }
}

/// Whether a subject has one of some usernames.
fn is_one_of(users: &[Text], subject: &Subject) -> bool {
    let username = match subject {
        Subject::User(name) => name.to_string(),
        Subject::ServiceAccount(namespace, name) => {
            format!("system:serviceaccount:{namespace}:{name}")
        }
        Subject::Group(_) => return false,
    };
    users.iter().any(|name| name.as_str() == username)
}

fn gap<'a>(
    cluster: &'a Cluster,
    namespace: &NamespaceNode,
    subjects: impl Iterator<Item = &'a Subject>,
) -> Option<Gap<'a>> {
    let name = &namespace.name;
    if let Some(configuration) = exempting(cluster, namespace) {
        return Some(Gap {
            users: None,
            predicate: "is exempt from Pod Security".to_owned(),
            span: Some(configuration.span),
            fix: format!("remove `{name}` from exemptions.namespaces"),
            is_sure: true,
        });
    }
    if refuses_privileged(cluster, namespace) {
        return exemption(cluster, subjects);
    }
    Some(Gap {
        users: None,
        predicate: match namespace.labels.get(ENFORCE_LABEL) {
            None => "enforces no Pod Security level".to_owned(),
            Some(level) => format!("enforces the Pod Security level `{level}`"),
        },
        span: None,
        fix: format!("label the namespace {ENFORCE_LABEL}: restricted"),
        is_sure: true,
    })
}

/// The exemption of users or runtime classes by which some subjects have no level to keep.
fn exemption<'a>(
    cluster: &'a Cluster,
    subjects: impl Iterator<Item = &'a Subject>,
) -> Option<Gap<'a>> {
    let subjects: Vec<&Subject> = subjects.collect();
    for configuration in &cluster.facts.pod_security {
        let users = &configuration.usernames[..];
        if let Some(first) = subjects.iter().find(|subject| is_one_of(users, subject)) {
            return Some(Gap {
                predicate: format!(
                    "enforces no Pod Security level for {first}, which its configuration exempts"
                ),
                users: Some(users),
                span: Some(configuration.span),
                fix: "remove it from exemptions.usernames".to_owned(),
                is_sure: true,
            });
        }
        if let Some(class) = configuration.runtime_classes.first() {
            return Some(Gap {
                users: None,
                predicate: format!(
                    "enforces no Pod Security level for pods of the runtime class `{class}`, which \
                     its configuration exempts"
                ),
                span: Some(configuration.span),
                fix: "remove it from exemptions.runtimeClasses".to_owned(),
                is_sure: false,
            });
        }
    }
    None
}

/// What a subject gets by pods of a namespace that control their node.
#[derive(Clone, Debug)]
pub struct NodePods {
    /// What it does, as a predicate that follows the subject.
    pub what: String,
    /// How much of it the inputs show.
    pub shown: Shown,
}

/// How much the inputs show of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// That it is open.
    Open,
    /// That there is one, and not whether it is open.
    Undecided,
    /// Nothing: the labels of the namespace are not among them.
    Nothing,
}

/// Whether some rules let one make pods in a namespace.
pub fn makes_pods(rules: &[PolicyRule]) -> bool {
    let mut ways = MAKE_PODS.iter();
    ways.any(|capability| capability.given_by(rules).is_some())
}

/// What a subject that makes pods in a namespace gets by one that controls its node; `None` if Pod
/// Security or an admission policy denies each.
pub fn node_pods(
    review: &mut AttackReview<'_>,
    namespace: &NamespaceNode,
    subject: &Subject,
    rules: &[PolicyRule],
) -> Option<NodePods> {
    let cluster = review.cluster();
    let gap = gap(cluster, namespace, std::iter::once(subject))?;
    let pods = format!("runs privileged pods in `{}`", namespace.name);
    if namespace.origin.is_none() && gap.span.is_none() {
        return Some(NodePods {
            what: format!("{pods}, if it enforces no Pod Security level: no input has its labels"),
            shown: Shown::Nothing,
        });
    }

    let shown = match gap.is_sure {
        true => Shown::Open,
        false => Shown::Undecided,
    };
    let what = format!("{pods}, which {}", gap.predicate);
    if !cluster.has_denying_policies() {
        return Some(NodePods { what, shown });
    }
    let attacker = Attacker {
        namespace: &namespace.name,
        subject,
        rules,
        role: None,
    };
    match pods::verdict(review, &attacker) {
        PolicyVerdict::Denied(_) => None,
        PolicyVerdict::Open(_) => Some(NodePods {
            what: format!("{what}, and no admission policy denies it"),
            shown,
        }),
        PolicyVerdict::Unknown(undecided) => Some(NodePods {
            what: format!(
                "{what}: whether ValidatingAdmissionPolicy `{}` denies it is not known",
                undecided.policy
            ),
            shown: Shown::Undecided,
        }),
    }
}

/// A subject of a tenant that may create pods, and the binding that lets it.
#[derive(Clone, Copy)]
struct Creator<'a> {
    binding: &'a Binding,
    role: &'a Role,
    subject: &'a Subject,
}

/// The first creator that no admission policy keeps from a privileged pod; without one, the first
/// of whom this is not known. The verdict is `None` if no policy is bound to deny.
fn worst<'a>(
    cluster: &Cluster,
    namespace: &NamespaceNode,
    creators: &'a [Creator<'a>],
    (review, out): (&mut AttackReview<'_>, &mut Findings<'_>),
) -> Option<(&'a Creator<'a>, Option<PolicyVerdict>)> {
    if !cluster.has_denying_policies() {
        return Some((creators.first()?, None));
    }

    let mut undecided = None;
    for creator in creators {
        let attacker = Attacker {
            namespace: &namespace.name,
            subject: creator.subject,
            rules: &creator.role.rules,
            role: Some(&creator.role.id),
        };
        match pods::verdict(review, &attacker) {
            PolicyVerdict::Denied(policies) => rests_on(out, &policies),
            unknown @ PolicyVerdict::Unknown(_) => {
                undecided.get_or_insert((creator, Some(unknown)));
            }
            open @ PolicyVerdict::Open(_) => return Some((creator, Some(open))),
        }
    }
    undecided
}

fn finding(
    namespace: &NamespaceNode,
    tenant: &TenantNode,
    gap: &Gap<'_>,
    creator: &Creator<'_>,
    verdict: Option<PolicyVerdict>,
) -> Finding {
    let (binding, subject) = (creator.binding, creator.subject);
    let span = gap.span.unwrap_or(namespace_span(namespace, tenant));
    let (name, tenant) = (&namespace.name, &tenant.name);
    let enforces = &gap.predicate;

    let finding = match (namespace.origin, &verdict) {
        (None, _) if gap.span.is_none() => {
            let message = format!(
                "the labels of `{name}` of tenant `{tenant}` are not among the inputs: whether it \
                 runs privileged pods is not known"
            );
            Finding::unknown(&POD_SECURITY_NOT_ENFORCED, span, message)
        }
        (_, Some(PolicyVerdict::Unknown(undecided))) => {
            let message = format!(
                "whether tenant `{tenant}` may run privileged pods in `{name}`, which {enforces}, \
                 is for ValidatingAdmissionPolicy `{}` to say, and not known: {}",
                undecided.policy, undecided.reason
            );
            Finding::unknown(&POD_SECURITY_NOT_ENFORCED, span, message)
        }
        _ => {
            let message =
                format!("tenant `{tenant}` may run privileged pods in `{name}`, which {enforces}");
            match gap.is_sure {
                true => Finding::refuted(&POD_SECURITY_NOT_ENFORCED, span, message),
                false => Finding::unknown(&POD_SECURITY_NOT_ENFORCED, span, message),
            }
        }
    };

    let lets = format!("{} lets {subject} create pods", binding.id.called());
    let finding = finding.by(tenant).step(binding.origin.span, lets).step(
        span,
        format!("`{name}` {enforces}: a privileged pod is the node it runs on"),
    );

    let finding = match verdict {
        Some(PolicyVerdict::Open(attack)) => finding.step(
            binding.origin.span,
            format!("{subject} {attack}, and no admission policy denies it"),
        ),
        Some(PolicyVerdict::Unknown(undecided)) => finding.step(
            undecided.span,
            format!(
                "{subject} {}: `{}` decides",
                undecided.attack, undecided.policy
            ),
        ),
        Some(PolicyVerdict::Denied(_)) | None => finding,
    };
    finding.fix(&gap.fix)
}

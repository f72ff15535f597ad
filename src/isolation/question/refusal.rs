//! Why a subject may not do something: that no binding names it, or the grants of it that come
//! nearest.

use super::AccessQuestion;
use crate::graph::rbac::{
    AccessRequest, Binding, PolicyRule, Role, RuleFields, Subject, has, url_covers,
};
use crate::graph::{Cluster, InputKind};
use crate::isolation::{MAX_NAMES, Step, at};
use crate::source::Span;
use crate::spec::did_you_mean;
use crate::value::Text;
use std::collections::BTreeSet;

/// What a rule lacks for a request, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lacks {
    /// The namespace: it is granted elsewhere.
    Place,
    /// The name of the object.
    Name,
    /// The verb.
    Verb,
    /// The subresource, or the resource that has it.
    Subresource,
    /// The API group.
    Group,
}

/// Why a subject may not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason in short.
    pub summary: String,
    /// The grants of the subject that come nearest; its first bindings if none comes near.
    pub nearest: Vec<Step>,
}

/// Says why a subject may not do something by its own bindings and those of its groups.
pub fn refusal(cluster: &Cluster, subject: &Subject, question: &AccessQuestion<'_>) -> Refusal {
    let subjects = subject.with_groups();
    let bindings = own_bindings(cluster, &subjects);
    if bindings.is_empty() {
        return Refusal {
            summary: without_bindings(cluster, subject),
            nearest: Vec::new(),
        };
    }

    let count = match bindings.len() {
        1 => "the binding".to_owned(),
        count => format!("none of the {count} bindings"),
    };
    let verb = if bindings.len() == 1 {
        "does not allow"
    } else {
        "allows"
    };
    Refusal {
        summary: format!("{count} of {subject} {verb} {}", question.phrase()),
        nearest: match nearest(cluster, &bindings, question) {
            near if near.is_empty() => held(&bindings),
            near => near,
        },
    }
}

/// The reason why a subject that no input binds may not do something. Kubernetes' own bindings name
/// some users and accounts, and a group that everybody is in.
fn without_bindings(cluster: &Cluster, subject: &Subject) -> String {
    if cluster.rbac.bindings_of(subject).next().is_some() {
        return format!("Kubernetes' own bindings of {subject} allow nothing of the kind");
    }
    let summary = format!("no binding but Kubernetes' own names {subject} or a group of it");
    match nearest_name(cluster, subject) {
        help if help.is_empty() => summary,
        help => format!("{summary}: {help}"),
    }
}

/// The first bindings, of which no rule comes near.
fn held(bindings: &[&Binding]) -> Vec<Step> {
    let step = |binding: &&Binding| {
        let text = format!(
            "{} binds it to {}, which allows nothing like it",
            binding.called(),
            binding.role_name()
        );
        Step::new(at(binding.role_span, binding.origin), text)
    };
    bindings.iter().take(MAX_NAMES).map(step).collect()
}

/// The bindings of some subjects that a user or the platform wrote.
fn own_bindings<'a>(cluster: &'a Cluster, subjects: &[Subject]) -> Vec<&'a Binding> {
    let all = subjects
        .iter()
        .flat_map(|one| cluster.rbac.bindings_of(one));
    let mut seen = BTreeSet::new();
    all.filter(|binding| binding.origin.input != InputKind::Builtin)
        .filter(|binding| seen.insert(&binding.id))
        .collect()
}

/// The bindings of a subject whose role no input holds.
fn undefined_bindings<'a>(cluster: &'a Cluster, subject: &Subject) -> Vec<&'a Binding> {
    let mut bindings = own_bindings(cluster, &subject.with_groups());
    bindings.retain(|binding| cluster.rbac.role(binding).is_none());
    bindings
}

/// The bindings of a subject where a request counts, whose role no input holds.
pub fn undefined_roles(cluster: &Cluster, subject: &Subject, namespace: &str) -> Vec<Step> {
    let bindings = undefined_bindings(cluster, subject);
    let counts = |binding: &&&Binding| {
        let home = &binding.id.namespace;
        home.is_empty() || home == namespace
    };
    let undefined = bindings.iter().filter(counts).take(MAX_NAMES);
    undefined.map(|binding| undefined_role(binding)).collect()
}

/// The bindings of a subject in other namespaces than the question's, whose role no input holds: the
/// role may let it act as a service account there that may do what is asked. `account_that_may` finds
/// one in a namespace.
pub fn undefined_elsewhere(
    cluster: &Cluster,
    subject: &Subject,
    question: &AccessQuestion<'_>,
    mut account_that_may: impl FnMut(&Text) -> Option<Subject>,
) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut asked = BTreeSet::new();
    for binding in undefined_bindings(cluster, subject) {
        let home = &binding.id.namespace;
        if home.is_empty() || home == question.namespace() || !asked.insert(home) {
            continue;
        }
        if let Some(account) = account_that_may(home) {
            steps.push(undefined_role(binding));
            let text = format!("{account}, as which that role may let it act, may do it");
            steps.push(Step::new(binding.origin.span, text));
        }
    }
    steps
}

/// Says that no input holds the role of a binding.
fn undefined_role(binding: &Binding) -> Step {
    let text = format!(
        "{} binds it to {}, which no input defines",
        binding.called(),
        binding.role_name()
    );
    Step::new(at(binding.role_span, binding.origin), text)
}

/// The name that was probably meant, if a binding or a tenant has one like it.
fn nearest_name(cluster: &Cluster, subject: &Subject) -> String {
    let tenants = cluster.tenants.iter().flat_map(|tenant| &tenant.subjects);
    let known = cluster.rbac.subjects().chain(tenants);
    match subject {
        Subject::ServiceAccount(namespace, name) => {
            let accounts = cluster.facts.accounts.iter().map(|one| &one.id);
            let here = || accounts.clone().filter(|id| id.namespace == *namespace);
            if here().any(|id| id.name == *name) {
                return String::new();
            }
            did_you_mean(name, here().map(|id| id.name.as_str()))
        }
        Subject::User(name) => {
            let users = known.filter_map(|one| match one {
                Subject::User(name) => Some(name.as_str()),
                _ => None,
            });
            did_you_mean(name, users)
        }
        Subject::Group(name) => {
            let groups = known.filter_map(|one| match one {
                Subject::Group(name) => Some(name.as_str()),
                _ => None,
            });
            did_you_mean(name, groups)
        }
    }
}

/// The grants that come nearest, each with what it allows.
fn nearest(cluster: &Cluster, bindings: &[&Binding], question: &AccessQuestion<'_>) -> Vec<Step> {
    let mut found: Vec<(Lacks, Step)> = Vec::new();
    let mut seen: BTreeSet<(Span, String)> = BTreeSet::new();
    for binding in bindings {
        let Some(role) = cluster.rbac.role(binding) else {
            continue;
        };
        for rule in role.rules.iter() {
            let lacks = match question {
                AccessQuestion::Resource(request) => lacks(rule, request, &binding.id.namespace),
                AccessQuestion::Path { verb, path } => lacks_path(rule, verb, path, binding),
            };
            let Some(lacks) = lacks else { continue };
            let step = step(binding, role, rule, lacks, question);
            if seen.insert((step.span, step.text.clone())) {
                found.push((lacks, step));
            }
        }
    }
    found.sort_by_key(|(lacks, _)| *lacks);
    let nearest = found.into_iter().take(MAX_NAMES);
    nearest.map(|(_, step)| step).collect()
}

/// What a rule lacks for a request; `None` if it lacks several things. That its binding is in another
/// namespace does not count as one, since each step says where it allows.
fn lacks(rule: &PolicyRule, request: &AccessRequest<'_>, home: &str) -> Option<Lacks> {
    let elsewhere = !home.is_empty() && home != request.namespace;
    if rule.allows(request) {
        return elsewhere.then_some(Lacks::Place);
    }

    let unnamed = PolicyRule::from(RuleFields {
        names: Vec::new(),
        ..RuleFields::clone(rule)
    });
    let allows = |request: AccessRequest<'_>| unnamed.allows(&request);
    if allows(request.clone()) {
        return Some(Lacks::Name);
    }
    let verb = rule.verbs.first()?;
    if allows(AccessRequest {
        verb,
        ..request.clone()
    }) {
        return Some(Lacks::Verb);
    }
    let of_resource = |own: &&Text| {
        let (name, _) = own.split_once('/').unwrap_or((own, ""));
        name == request.resource
    };
    let is_sibling = rule.resources.iter().any(|own| of_resource(&own));
    if is_sibling && has(&rule.verbs, request.verb) && has(&rule.groups, request.group) {
        return Some(Lacks::Subresource);
    }
    let group = rule.groups.first()?;
    allows(AccessRequest {
        group,
        ..request.clone()
    })
    .then_some(Lacks::Group)
}

/// What a rule lacks for a path.
fn lacks_path(rule: &PolicyRule, verb: &str, path: &str, binding: &Binding) -> Option<Lacks> {
    if rule.allows_url(verb, path) {
        return (!binding.id.namespace.is_empty()).then_some(Lacks::Place);
    }
    let has_path = rule.urls.iter().any(|own| url_covers(own, path));
    has_path.then_some(Lacks::Verb)
}

fn step(
    binding: &Binding,
    role: &Role,
    rule: &PolicyRule,
    lacks: Lacks,
    question: &AccessQuestion<'_>,
) -> Step {
    let list = |texts: &[Text]| {
        let texts: Vec<&str> = texts.iter().map(Text::as_str).collect();
        texts.join(", ")
    };
    let place = match binding.id.namespace.as_str() {
        "" => "in the whole cluster".to_owned(),
        name => format!("in `{name}`"),
    };
    let is_path = matches!(question, AccessQuestion::Path { .. });

    let allows = match lacks {
        Lacks::Place if is_path => "allows it, but a RoleBinding gives no paths".to_owned(),
        Lacks::Place => format!("allows it {place} only"),
        Lacks::Name => format!("allows it {place} for {} only", list(&rule.names)),
        Lacks::Verb if is_path => format!("allows {} on it only", list(&rule.verbs)),
        Lacks::Verb => format!("allows {} on it {place} only", list(&rule.verbs)),
        Lacks::Subresource => format!("allows it {place} on {} only", list(&rule.resources)),
        Lacks::Group => {
            let groups = rule.groups.iter().map(|group| match group.as_str() {
                "" => "the core group",
                group => group,
            });
            let groups: Vec<&str> = groups.collect();
            format!("allows it {place} in {} only", groups.join(", "))
        }
    };
    let (span, role) = role.cite(Some(rule), binding);
    Step::new(span, format!("{role} ({}) {allows}", binding.called()))
}

//! The reader of objects that say who is in which groups: the maps of EKS, OpenShift's groups,
//! Teleport's roles, and Argo CD's own policy.

use super::{Facts, ObjectRef};
use crate::document::{self, Node, NodeValue, TreeValue, View};
use crate::graph::membership::{ArgoPolicy, Membership};
use crate::graph::rbac::Subject;
use crate::kube::labels::{at, items, text, texts};
use crate::source::{Source, Span};
use crate::value::Text;

/// Reads a map of identities, a group, or a policy of Argo CD.
///
/// # Errors
/// Why it cannot be evaluated.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> Result<bool, String> {
    let id = &object.id;
    match (&*id.group, &*id.kind, &*id.name) {
        ("", "ConfigMap", "aws-auth") if id.namespace == "kube-system" => {
            aws_auth(facts, object, node.member("data"))?;
        }
        ("", "ConfigMap", "argocd-rbac-cm" | "argocd-cm") => {
            argo(facts, object, node.member("data"));
        }
        ("user.openshift.io", "Group", name) => {
            for user in items(node.member("users")) {
                let Some(person) = user.text() else { continue };
                facts.memberships.push(Membership {
                    id: id.clone(),
                    person: person.into(),
                    subjects: vec![Subject::Group(name.into())],
                    access: Vec::new(),
                    span: user.span(),
                    origin: object.origin,
                });
            }
        }
        (group, "AccessEntry", _) if is_eks(group) => access_entry(facts, object, node),
        (group, "AccessPolicyAssociation", _) if is_eks(group) => {
            let spec = parameters(node);
            facts
                .memberships
                .extend(policy_association(object, spec, spec));
        }
        ("iamauthenticator.k8s.aws", "IAMIdentityMapping", _) => mapping(facts, object, node),
        ("resources.teleport.dev", kind, _) if kind.starts_with("TeleportRole") => {
            teleport_role(facts, object, node);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// An identity of IAM, its user and its groups, as aws-iam-authenticator reads them of an object.
fn mapping<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let spec = node.member("spec");
    let groups = texts(spec.and_then(|spec| spec.member("groups")));
    let mut subjects: Vec<Subject> = groups.map(|name| Subject::Group(name.into())).collect();
    let user = text(spec, "username").filter(|name| !name.contains("{{"));
    subjects.extend(user.map(Subject::User));

    facts.memberships.push(Membership {
        id: object.id.clone(),
        person: text(spec, "arn").unwrap_or_default(),
        subjects,
        access: Vec::new(),
        span: spec.and_then(TreeValue::span),
        origin: object.origin,
    });
}

/// The users and groups as which Teleport sends the requests of whoever has a role.
///
/// Source: goteleport.com/docs/enroll-resources/kubernetes-access/controls.
fn teleport_role<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let allow = at(node, &["spec", "allow"]);
    let listed = |key: &str| {
        let names = texts(allow.and_then(|allow| allow.member(key)));
        names.filter(|name| !name.contains("{{")).map(Text::from)
    };
    let groups = listed("kubernetes_groups").map(Subject::Group);
    let users = listed("kubernetes_users").map(Subject::User);

    facts.memberships.push(Membership {
        id: object.id.clone(),
        person: format!("teleport-role:{}", object.id.name).into(),
        subjects: groups.chain(users).collect(),
        access: Vec::new(),
        span: allow.and_then(TreeValue::span),
        origin: object.origin,
    });
}

/// Whether a group is that of EKS, of ACK or of Crossplane.
fn is_eks(group: &str) -> bool {
    [
        "eks.services.k8s.aws",
        "eks.aws.upbound.io",
        "eks.aws.m.upbound.io",
        "eks.aws.crossplane.io",
    ]
    .contains(&group)
}

/// The parameters of a managed resource: its spec, or `spec.forProvider` with Crossplane.
fn parameters<T: TreeValue>(node: &T) -> Option<&T> {
    let spec = node.member("spec")?;
    Some(spec.member("forProvider").unwrap_or(spec))
}

/// A field that ACK and Crossplane spell in two ways.
fn either<T: TreeValue>(node: Option<&T>, ack: &str, crossplane: &str) -> Option<Text> {
    text(node, ack).or_else(|| text(node, crossplane))
}

/// An access entry of EKS: an IAM identity, its groups, and its access policies.
fn access_entry<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) {
    let spec = parameters(node);
    let person = either(spec, "principalARN", "principalArn").unwrap_or_default();
    let groups = texts(spec.and_then(|spec| spec.member("kubernetesGroups")));
    let mut subjects: Vec<Subject> = groups.map(|name| Subject::Group(name.into())).collect();
    subjects.extend(either(spec, "username", "userName").map(Subject::User));

    facts.memberships.push(Membership {
        id: object.id.clone(),
        person,
        subjects,
        access: Vec::new(),
        span: spec.and_then(TreeValue::span),
        origin: object.origin,
    });
    for policy in items(spec.and_then(|spec| spec.member("accessPolicies"))) {
        facts
            .memberships
            .extend(policy_association(object, spec, Some(policy)));
    }
}

/// An access policy of an IAM identity. Only those that read nothing are left out.
fn policy_association<T: TreeValue>(
    object: &ObjectRef,
    spec: Option<&T>,
    policy: Option<&T>,
) -> Option<Membership> {
    either(policy, "policyARN", "policyArn")?;
    let scope = policy?
        .member("accessScope")
        .map(|scope| match scope.view() {
            View::Seq(items) => items.first().unwrap_or(scope),
            _ => scope,
        });
    let namespaces: Vec<Text> = texts(scope.and_then(|scope| scope.member("namespaces")))
        .map(Text::from)
        .collect();

    Some(Membership {
        id: object.id.clone(),
        person: either(spec, "principalARN", "principalArn").unwrap_or_default(),
        subjects: Vec::new(),
        access: match namespaces.is_empty() {
            true => vec![Text::default()],
            false => namespaces,
        },
        span: policy.and_then(TreeValue::span),
        origin: object.origin,
    })
}

/// The map of IAM identities of older EKS clusters. Its values are texts of YAML.
fn aws_auth<T: TreeValue>(
    facts: &mut Facts,
    object: &ObjectRef,
    data: Option<&T>,
) -> Result<(), String> {
    for (key, arn) in [("mapRoles", "rolearn"), ("mapUsers", "userarn")] {
        let Some(value) = data.and_then(|data| data.member(key)) else {
            continue;
        };
        let written = value
            .text()
            .ok_or_else(|| format!("its {key} is no text"))?;
        for entry in embedded(written, object, key)? {
            let groups = texts(entry.member("groups"));
            let mut subjects: Vec<Subject> =
                groups.map(|name| Subject::Group(name.into())).collect();
            let user = text(Some(&entry), "username").filter(|name| !name.contains("{{"));
            subjects.extend(user.map(Subject::User));

            facts.memberships.push(Membership {
                id: object.id.clone(),
                person: text(Some(&entry), arn).unwrap_or_default(),
                subjects,
                access: Vec::new(),
                span: value.span(),
                origin: object.origin,
            });
        }
    }
    Ok(())
}

/// The entries of a list that is written as a text.
fn embedded(written: &str, object: &ObjectRef, key: &str) -> Result<Vec<Node>, String> {
    let source = Source::new(key, written);
    let (documents, faults) = document::parse_foreign(object.origin.span.source, &source);
    if let Some(fault) = faults.first() {
        return Err(format!("its {key} cannot be read: {}", fault.message));
    }

    let mut entries = Vec::new();
    for document in documents {
        match document.root.value {
            NodeValue::Seq(items) => entries.extend(items),
            NodeValue::Null => {}
            _ => return Err(format!("its {key} is no list")),
        }
    }
    Ok(entries)
}

/// A ConfigMap of Argo CD: its policy, or its settings.
fn argo<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, data: Option<&T>) {
    let field = |key: &str| -> Option<(Text, Option<Span>)> {
        let value = data?.member(key)?;
        Some((value.text()?.into(), value.span()))
    };
    let anonymous = field("users.anonymous.enabled").filter(|(value, _)| value == "true");
    let mut policy = ArgoPolicy {
        id: object.id.clone(),
        default_role: field("policy.default").filter(|(role, _)| !role.is_empty()),
        anonymous: anonymous.map(|(_, span)| span),
        permissions: Vec::new(),
        roles: Vec::new(),
        unread: None,
        span: field("policy.csv").and_then(|(_, span)| span),
        origin: object.origin,
    };

    if let Some(View::Map(entries)) = data.map(TreeValue::view) {
        for (key, value) in entries.iter().map(T::split) {
            let is_policy = key.starts_with("policy.") && key.ends_with(".csv");
            if let Some(written) = value.text().filter(|_| is_policy) {
                policy.read_lines(written);
            }
        }
    }
    facts.argo_policies.push(policy);
}

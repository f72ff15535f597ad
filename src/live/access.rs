//! Samples by which it is seen whether the API server agrees with what follows from its own roles
//! and bindings.

use super::commands::quoted;
use super::desired::Desired;
use super::finding::LiveFinding;
use super::rules::ACCESS_DIFFERS;
use crate::graph::rbac::{AccessRequest, Subject};
use crate::graph::{Cluster, TenantNode};
use crate::kube::RBAC;
use crate::value::{Text, Value, map};
use std::collections::BTreeSet;

/// A verb on a resource.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    /// The verb.
    pub verb: &'static str,
    /// The API group of the resource.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
}

impl Action {
    const fn new(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self {
            verb,
            group,
            resource,
        }
    }

    /// The resource as kubectl takes it, such as `rolebindings.rbac.authorization.k8s.io`.
    fn full_resource(&self) -> String {
        match self.group {
            "" => self.resource.to_owned(),
            group => format!("{}.{group}", self.resource),
        }
    }
}

/// A request that is asked of the server, and the answer that follows from its lists.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The subject that makes the request.
    pub subject: Subject,
    /// The subject's tenant.
    pub tenant: Text,
    /// The action that is requested.
    pub action: Action,
    /// The namespace that it is requested in.
    pub namespace: Text,
    /// Whether it follows from the roles and bindings that it is allowed.
    pub expected: bool,
}

/// Most tenants that are sampled.
const SAMPLED: usize = 8;

/// The actions, which take turns over the tenants and namespaces.
const ACTIONS: [Action; 4] = [
    Action::new("get", "", "secrets"),
    Action::new("create", RBAC, "rolebindings"),
    Action::new("delete", "networking.k8s.io", "networkpolicies"),
    Action::new("create", "", "pods"),
];

/// Returns requests of some tenants, spread evenly over all: in a namespace of their own, in another
/// tenant's, and in the platform's. Ten thousand tenants have as many samples as eight.
pub fn samples(cluster: &Cluster, wanted: &Desired) -> Vec<Sample> {
    let tenants = asked_tenants(cluster, wanted);
    let step = tenants.len().div_ceil(SAMPLED).max(1);
    let mut all = Vec::new();

    for (turn, at) in (0..tenants.len()).step_by(step).enumerate() {
        let tenant = tenants[at];
        let own = &tenant.namespaces[0];
        let other = &tenants[(at + 1) % tenants.len()].namespaces[0];
        let account = || Subject::ServiceAccount(own.clone(), "default".into());
        let subject = tenant.subjects.first().cloned().unwrap_or_else(account);

        let mut namespaces = vec![
            own.clone(),
            other.clone(),
            "kube-system".into(),
            wanted.engine_namespace.clone(),
            "default".into(),
        ];
        namespaces.dedup();

        for (offset, namespace) in namespaces.into_iter().enumerate() {
            let action = ACTIONS[(turn + offset) % ACTIONS.len()];
            all.push(Sample {
                expected: is_allowed(cluster, &subject, action, &namespace),
                subject: subject.clone(),
                tenant: tenant.name.clone(),
                action,
                namespace,
            });
        }
    }

    all
}

/// The tenants that are asked about and have a namespace.
fn asked_tenants<'a>(cluster: &'a Cluster, wanted: &Desired) -> Vec<&'a TenantNode> {
    let asked: BTreeSet<&Text> = wanted.asked().map(|(_, tenant)| &tenant.name).collect();

    cluster
        .tenants
        .iter()
        .filter(|tenant| !tenant.namespaces.is_empty() && asked.contains(&tenant.name))
        .collect()
}

/// Whether the roles and bindings of a cluster allow a request.
fn is_allowed(cluster: &Cluster, subject: &Subject, action: Action, namespace: &str) -> bool {
    let request = AccessRequest {
        verb: action.verb,
        group: action.group,
        resource: action.resource,
        namespace,
        ..AccessRequest::default()
    };

    let grant = cluster.rbac.authorize(&subject.with_groups(), &request);
    grant.is_some()
}

impl Sample {
    /// The SubjectAccessReview that asks it. The server adds no group by itself.
    pub fn review(&self) -> Value {
        let (user, mut groups): (Text, Vec<Text>) = match &self.subject {
            Subject::User(name) => (name.clone(), Vec::new()),
            Subject::Group(name) => ("tenantry:sample".into(), vec![name.clone()]),
            Subject::ServiceAccount(namespace, name) => (
                format!("system:serviceaccount:{namespace}:{name}").into(),
                Vec::new(),
            ),
        };

        groups.extend(self.subject.implicit_groups());
        groups.sort();
        groups.dedup();
        let groups: Vec<Value> = groups.into_iter().map(Value::from).collect();

        map! {
            "apiVersion" => "authorization.k8s.io/v1",
            "kind" => "SubjectAccessReview",
            "spec" => map! {
                "user" => user,
                "groups" => groups,
                "resourceAttributes" => map! {
                    "verb" => self.action.verb,
                    "group" => self.action.group,
                    "resource" => self.action.resource,
                    "namespace" => self.namespace.clone(),
                },
            },
        }
    }

    /// Returns a finding if the server's answer is not the expected one.
    pub fn judge(&self, wanted: &Desired, allowed: bool) -> Option<LiveFinding> {
        if allowed == self.expected {
            return None;
        }

        let (verb, namespace) = (self.action.verb, &self.namespace);
        let resource = self.action.full_resource();
        let says = if allowed { "allows" } else { "refuses" };
        let follows = if self.expected {
            "allows it"
        } else {
            "does not"
        };

        let message = format!(
            "the API server {says} {} to {verb} {resource} in `{namespace}`, and what its roles \
             and bindings grant {follows}",
            self.subject
        );

        let as_subject = match &self.subject {
            Subject::User(name) => format!("--as {}", quoted(name)),
            Subject::Group(name) => format!("--as tenantry:sample --as-group {}", quoted(name)),
            Subject::ServiceAccount(namespace, name) => {
                format!("--as system:serviceaccount:{namespace}:{name}")
            }
        };

        let show = format!("kubectl auth can-i {verb} {resource} -n {namespace} {as_subject}");
        let fix = "see which authorizers the API server runs besides RBAC: --authorization-mode, \
                   --authorization-config";

        let index = wanted.tenants.iter().zip(0..);
        let mut index = index.filter(|(tenant, _)| tenant.name == self.tenant);
        let tenant = index.next().map(|(_, index)| index);

        let found = LiveFinding::new(wanted, &ACCESS_DIFFERS, message)
            .of_tenant(wanted, tenant)
            .with_show(wanted.here(&show))
            .with_fix(fix);
        Some(found)
    }
}

/// Returns whether the answer to a SubjectAccessReview allows the request.
pub fn allowed(answer: &Value) -> Option<bool> {
    match answer.at(&["status", "allowed"]) {
        Value::Bool(allowed) => Some(*allowed),
        _ => None,
    }
}

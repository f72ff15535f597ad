//! Samples by which it is seen whether the API server agrees with what follows from its own roles
//! and bindings.

use super::desired::Desired;
use super::finding::{LiveFinding, quoted};
use super::rules::ACCESS_DIFFERS;
use crate::diagnostic::{Diagnostic, Scope};
use crate::graph::Cluster;
use crate::graph::rbac::{self, AccessRequest, Subject};
use crate::isolation::question::with_groups;
use crate::value::{Text, Value, map};
use std::collections::BTreeSet;

/// A request that is asked of the server, and what follows from its lists.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Who.
    pub subject: Subject,
    /// The tenant of it.
    pub tenant: Text,
    /// The verb.
    pub verb: &'static str,
    /// The group and the resource.
    pub resource: (&'static str, &'static str),
    /// The namespace.
    pub namespace: Text,
    /// Whether it follows from the roles and bindings that it is allowed.
    pub expected: bool,
}

/// Most tenants that are sampled.
const SAMPLED: usize = 8;

/// What is asked: in a namespace of its own, in another tenant's, and in the platform's.
const ASKED: [(&str, (&str, &str)); 4] = [
    ("get", ("", "secrets")),
    ("create", (rbac::GROUP, "rolebindings")),
    ("delete", ("networking.k8s.io", "networkpolicies")),
    ("create", ("", "pods")),
];

/// Some requests of some tenants, spread evenly over all: as many for ten thousand tenants as for
/// eight.
pub fn samples(cluster: &Cluster, wanted: &Desired) -> Vec<Sample> {
    let asked: BTreeSet<&Text> = wanted
        .tenants
        .iter()
        .enumerate()
        .filter(|(at, _)| wanted.asks(Some(*at as u32)))
        .map(|(_, t)| &t.name)
        .collect();

    let tenants: Vec<_> = cluster
        .tenants
        .iter()
        .filter(|t| !t.namespaces.is_empty())
        .filter(|t| asked.contains(&t.name))
        .collect();

    let step = tenants.len().div_ceil(SAMPLED).max(1);
    let platform: Vec<Text> = ["kube-system", wanted.engine_namespace.as_str(), "default"]
        .map(Text::from)
        .into();
    let mut all = Vec::new();

    for (at, tenant) in tenants.iter().enumerate().step_by(step) {
        let own = tenant.namespaces[0].clone();
        let account = Subject::ServiceAccount(own.clone(), "default".into());
        let subject = tenant.subjects.first().cloned().unwrap_or(account);
        let other = tenants[(at + 1) % tenants.len()].namespaces[0].clone();
        let mut homes = vec![own, other];
        homes.extend(platform.iter().cloned());
        homes.dedup();

        for (turn, namespace) in homes.into_iter().enumerate() {
            let (verb, resource) = ASKED[(at / step + turn) % ASKED.len()];
            let request = AccessRequest {
                verb,
                group: resource.0,
                resource: resource.1,
                namespace: &namespace,
                ..AccessRequest::default()
            };

            let expected = cluster
                .rbac
                .authorize(&with_groups(&subject), &request)
                .is_some();

            all.push(Sample {
                subject: subject.clone(),
                tenant: tenant.name.clone(),
                verb,
                resource,
                namespace,
                expected,
            });
        }
    }

    all
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
                    "verb" => self.verb,
                    "group" => self.resource.0,
                    "resource" => self.resource.1,
                    "namespace" => self.namespace.clone(),
                },
            },
        }
    }

    /// What is found where the server's answer is another.
    pub fn judge(&self, wanted: &Desired, allowed: bool) -> Option<LiveFinding> {
        if allowed == self.expected {
            return None;
        }
        let says = if allowed { "allows" } else { "refuses" };
        let follows = if self.expected {
            "allows it"
        } else {
            "does not"
        };

        let (group, resource) = self.resource;
        let what = if group.is_empty() {
            resource.to_owned()
        } else {
            format!("{resource}.{group}")
        };

        let message = format!(
            "the API server {says} {} to {} {what} in `{}`, and what its roles and bindings grant {follows}",
            self.subject, self.verb, self.namespace
        );

        let tenant = wanted.tenants.iter().find(|t| t.name == self.tenant);
        let span = tenant.map_or(wanted.span, |t| t.span);
        let as_whom = match &self.subject {
            Subject::User(name) => format!("--as {}", quoted(name)),
            Subject::Group(name) => format!("--as tenantry:sample --as-group {}", quoted(name)),
            Subject::ServiceAccount(namespace, name) => {
                format!("--as system:serviceaccount:{namespace}:{name}")
            }
        };

        Some(LiveFinding {
            diagnostic: Diagnostic::new(&ACCESS_DIFFERS, span, message)
                .fix("see which authorizers the API server runs besides RBAC: --authorization-mode, --authorization-config")
                .scope(Scope::Tenant(self.tenant.to_string())),
            tenant: Some(self.tenant.clone()),
            object: String::new(),
            show: wanted.here(&format!("kubectl auth can-i {} {what} -n {} {as_whom}", self.verb, self.namespace)),
            since: Text::default(),
        })
    }
}

/// What the answer to a SubjectAccessReview says.
pub fn allowed(answer: &Value) -> Option<bool> {
    match answer.at(&["status", "allowed"]) {
        Value::Bool(allowed) => Some(*allowed),
        _ => None,
    }
}

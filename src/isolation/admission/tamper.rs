//! Each way to change the floor that rules allow, asked of the admission policies: to remove,
//! weaken, freeze or sidestep it.
//!
//! A way stands for all that who goes it may write: a policy stops it where it denies whatever that
//! is. Where it depends on that, some objects are tried, and one that passes is the way; where none
//! of them does it is not known.

use crate::graph::Cluster;
use crate::graph::admission::AdmissionAnswer;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::request::{AdmissionRequest, RequestObject, Requester, WrittenObject};
use crate::isolation::capability::Capability;
use crate::source::Span;
use crate::value::Text;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// What becomes of all ways to do something that rules allow.
#[derive(Clone, Debug)]
pub enum PolicyVerdict {
    /// This one is denied by no policy.
    Open(String),
    /// None is known to be open; whether this one is cannot be told, because of a policy, at a
    /// place, for a reason.
    Unknown(String, Text, Span, String),
    /// Each is denied, by these policies, whatever who asks would write.
    Denied(Vec<Text>),
}

/// A resource that the floor is made of.
struct FloorKind {
    group: &'static str,
    resource: &'static str,
    version: &'static str,
    kind: &'static str,
    /// The spec, or what else an object of it says, by which it lets everything through.
    open: fn() -> Json,
}

impl FloorKind {
    /// The fields that say what it lets through.
    fn says(&self) -> &'static [&'static [&'static str]] {
        match self.kind {
            "RoleBinding" => &[&["subjects"]],
            "Role" => &[&["rules"]],
            "Endpoints" => &[&["subsets"]],
            "EndpointSlice" => &[&["endpoints"], &["ports"]],
            "Namespace" => &[&["metadata", "labels"]],
            "CiliumNetworkPolicy" => &[&["spec"], &["specs"]],
            "Application" => &[&["spec"], &["operation"]],
            _ => &[&["spec"]],
        }
    }
}

static KINDS: [FloorKind; 16] = [
    kind(
        "networking.k8s.io",
        "networkpolicies",
        "v1",
        "NetworkPolicy",
        || json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}}),
    ),
    kind(
        "cilium.io",
        "ciliumnetworkpolicies",
        "v2",
        "CiliumNetworkPolicy",
        || json!({"spec": {"endpointSelector": {}, "ingress": [{"fromEntities": ["all"]}], "egress": [{"toEntities": ["all"]}]}}),
    ),
    kind(
        "crd.projectcalico.org",
        "networkpolicies",
        "v1",
        "NetworkPolicy",
        calico,
    ),
    kind(
        "projectcalico.org",
        "networkpolicies",
        "v3",
        "NetworkPolicy",
        calico,
    ),
    kind(
        "security.istio.io",
        "authorizationpolicies",
        "v1",
        "AuthorizationPolicy",
        || json!({"spec": {"rules": [{}]}}),
    ),
    kind(
        "",
        "resourcequotas",
        "v1",
        "ResourceQuota",
        || json!({"spec": {"hard": {"pods": "1M"}}, "status": {}}),
    ),
    kind("", "limitranges", "v1", "LimitRange", || {
        let wide = json!({"cpu": "1k", "memory": "1Ti"});
        json!({"spec": {"limits": [{"type": "Container", "max": wide, "default": wide, "defaultRequest": wide}]}})
    }),
    kind(
        "",
        "namespaces",
        "v1",
        "Namespace",
        || json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
    ),
    kind(
        "rbac.authorization.k8s.io",
        "rolebindings",
        "v1",
        "RoleBinding",
        || {
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
               "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "strangers"}]})
        },
    ),
    kind(
        "rbac.authorization.k8s.io",
        "roles",
        "v1",
        "Role",
        || json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
    ),
    kind(
        "",
        "endpoints",
        "v1",
        "Endpoints",
        || json!({"subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 443, "protocol": "TCP"}]}]}),
    ),
    kind(
        "discovery.k8s.io",
        "endpointslices",
        "v1",
        "EndpointSlice",
        || json!({"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {}}], "ports": [{"port": 443, "protocol": "TCP", "name": ""}]}),
    ),
    kind(
        "argoproj.io",
        "applications",
        "v1alpha1",
        "Application",
        || {
            json!({"spec": {"project": "default", "source": {"repoURL": "https://example.org/x.git", "path": "."},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": "kube-system"}}})
        },
    ),
    kind(
        "argoproj.io",
        "appprojects",
        "v1alpha1",
        "AppProject",
        || json!({"spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}}),
    ),
    kind(
        "",
        "services",
        "v1",
        "Service",
        || json!({"spec": {}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}),
    ),
    kind(
        "",
        "pods",
        "v1",
        "Pod",
        || json!({"spec": {}, "status": {"podIP": "192.0.2.1", "phase": "Running"}}),
    ),
];

const fn kind(
    group: &'static str,
    resource: &'static str,
    version: &'static str,
    kind: &'static str,
    open: fn() -> Json,
) -> FloorKind {
    FloorKind {
        group,
        resource,
        version,
        kind,
        open,
    }
}

fn calico() -> Json {
    json!({"spec": {"order": 0, "selector": "all()", "types": ["Ingress", "Egress"], "ingress": [{"action": "Allow"}], "egress": [{"action": "Allow"}]}})
}

/// One way to change something: what is done, the requests one after the other, and what is tried
/// of it.
pub struct Attack {
    /// What is done, after a subject.
    pub says: String,
    /// The requests, with all open that is free to choose.
    pub requests: Vec<AdmissionRequest>,
    /// Some of what may be chosen.
    pub tries: Vec<(String, Vec<AdmissionRequest>)>,
}

/// A user that a subject stands for, and its groups. Whoever is in a group is taken for a user that
/// no policy names.
pub fn as_user(subject: &Subject) -> (String, Vec<String>) {
    let texts = |groups: Vec<Text>| groups.iter().map(ToString::to_string).collect();
    match subject {
        Subject::User(name) => (name.to_string(), texts(subject.implicit_groups())),
        Subject::ServiceAccount(namespace, name) => (
            format!("system:serviceaccount:{namespace}:{name}"),
            texts(subject.implicit_groups()),
        ),
        // One of its service accounts, whichever it is.
        Subject::Group(name) if name.starts_with("system:serviceaccounts:") => {
            let namespace = name.trim_start_matches("system:serviceaccounts:");
            as_user(&Subject::ServiceAccount(namespace.into(), "default".into()))
        }
        Subject::Group(name) if name == "system:unauthenticated" => {
            ("system:anonymous".into(), vec![name.to_string()])
        }
        Subject::Group(name) => (
            format!("somebody in {name}"),
            vec![name.to_string(), "system:authenticated".to_owned()],
        ),
    }
}

/// Whom the user that stands for a subject stands for.
pub fn asker(subject: &Subject) -> Requester {
    match subject {
        Subject::Group(name) if name.starts_with("system:") => Requester::Anyone,
        Subject::Group(_) => Requester::Member,
        _ => Requester::One,
    }
}

/// What the admission policies say to every way in which rules let a subject do something in a
/// namespace.
pub fn stand(
    cluster: &Cluster,
    namespace: &str,
    subject: &Subject,
    rules: &[PolicyRule],
    power: &Capability,
) -> PolicyVerdict {
    let mut ways = Vec::new();
    for (group, resources, verbs) in power.grants {
        for resource in *resources {
            let touching = |verb: &str| -> Vec<&PolicyRule> {
                rules
                    .iter()
                    .filter(|r| r.touches(verb, group, resource))
                    .collect()
            };

            let held: Vec<&str> = verbs
                .iter()
                .copied()
                .filter(|v| !touching(v).is_empty())
                .collect();

            if held.is_empty() {
                continue;
            }
            let plain = resource.split('/').next().unwrap_or_default();
            // Who may bind or escalate writes a binding, or a role.
            let raised = |kind: &FloorKind| match kind.kind {
                "RoleBinding" => held.contains(&"bind"),
                "Role" => held.contains(&"escalate"),
                _ => false,
            };

            let own = |k: &&FloorKind| {
                k.group == *group
                    && k.resource == plain
                    && !held.iter().all(|v| ["bind", "escalate"].contains(v))
            };

            let kinds: Vec<&FloorKind> = KINDS.iter().filter(|k| own(k) || raised(k)).collect();
            if kinds.is_empty() {
                return PolicyVerdict::Open(format!(
                    "may {} {resource}: no policy was asked",
                    held.join(", ")
                ));
            }

            for kind in kinds {
                let verbs = if raised(kind) {
                    vec!["create", "update"]
                } else {
                    held.clone()
                };

                let named = |verb: &str| -> Option<Vec<Text>> {
                    let all = touching(verb).iter().any(|r| r.names.is_empty()) || raised(kind);
                    (!all).then(|| {
                        touching(verb)
                            .iter()
                            .flat_map(|r| r.names.iter().cloned())
                            .collect()
                    })
                };

                let asking = Asking {
                    cluster,
                    namespace,
                    subject,
                    kind,
                    resource,
                };

                for verb in verbs {
                    ways.extend(asking.ways(verb, named(verb)));
                }
            }
        }
    }

    ask(cluster, ways)
}

/// Why a policy is not taken to stop a way that it seems to.
const NOT_SURE: &str = "it seems to deny it, by what is not certain: what the server fills in, parameters, an error, a selector";

/// Requests of one subject for one resource of one namespace.
struct Asking<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    subject: &'a Subject,
    kind: &'a FloorKind,
    resource: &'a str,
}

impl Asking<'_> {
    fn sub(&self) -> &str {
        self.resource.split_once('/').map_or("", |(_, sub)| sub)
    }

    fn request(
        &self,
        operation: &'static str,
        name: &str,
        object: RequestObject,
        old: RequestObject,
    ) -> AdmissionRequest {
        let (user, groups) = as_user(self.subject);
        AdmissionRequest {
            operation,
            group: self.kind.group.to_owned(),
            version: self.kind.version.to_owned(),
            resource: self.kind.resource.to_owned(),
            subresource: self.sub().to_owned(),
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
            user,
            groups,
            asker: asker(self.subject),
            object,
            old,
        }
    }

    /// The objects that a verb reaches, by name; of those that are not among the inputs nothing is
    /// known.
    fn targets(&self, names: Option<Vec<Text>>) -> Vec<(String, RequestObject)> {
        let home = if self.kind.kind == "Namespace" {
            ""
        } else {
            self.namespace
        };

        let there = self
            .cluster
            .kept_of(home, self.kind.group, self.kind.kind)
            .into_iter();

        let mut all: Vec<(String, RequestObject)> = there
            .filter_map(|o| Some((o.json()?["metadata"]["name"].as_str()?.to_owned(), o)))
            .filter(|(name, _)| self.kind.kind != "Namespace" || name == self.namespace)
            .filter(|(name, _)| names.as_ref().is_none_or(|n| n.iter().any(|n| n == name)))
            .collect();

        let unseen = |name: &str| {
            let written = WrittenObject {
                kind: self.kind.kind.to_owned(),
                ..WrittenObject::default()
            };
            (name.to_owned(), RequestObject::Written(written))
        };

        let known: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        let missing = names
            .iter()
            .flatten()
            .filter(|n| !known.iter().any(|k| k == n.as_str()));

        all.extend(missing.map(|name| unseen(name)));
        if all.is_empty() {
            // Of one that is not known, the name is not either.
            all.push(unseen(if self.kind.kind == "Namespace" {
                self.namespace
            } else {
                ""
            }));
        }

        all
    }

    fn ways(&self, verb: &str, names: Option<Vec<Text>>) -> Vec<Attack> {
        let kind = self.kind;
        let called = |name: &str| {
            let sub = if self.sub().is_empty() {
                String::new()
            } else {
                format!("'s {}", self.sub())
            };
            match name {
                "" => format!("a {}{sub}", kind.kind),
                name => format!("the {} `{name}`{sub}", kind.kind),
            }
        };

        let written = |changes: &[&'static str]| {
            RequestObject::Written(WrittenObject {
                kind: kind.kind.to_owned(),
                changes: changes.to_vec(),
                ..WrittenObject::default()
            })
        };

        let mut ways = Vec::new();
        match verb {
            "create" if self.sub().is_empty() && kind.kind != "Namespace" => {
                let made = RequestObject::Known(made(kind, self.namespace, "open"));
                let tried = self.request("CREATE", "open", made, RequestObject::Absent);
                ways.push(Attack {
                    says: format!("creates a {}", kind.kind),
                    requests: vec![self.request("CREATE", "", written(&[]), RequestObject::Absent)],
                    tries: vec![(
                        format!("creates a {} that lets everything through", kind.kind),
                        vec![tried],
                    )],
                });
            }
            "update" | "patch" => {
                for (name, old) in self.targets(names) {
                    for (what, field) in self.parts() {
                        let says = format!("{what} {}", called(&name));
                        let tried = old.json().and_then(|json| {
                            let to = match what {
                                "weakens" => weakened(kind, json),
                                "relabels" => unlabelled(json),
                                "freezes" => frozen(json),
                                _ => owned(json),
                            };
                            (to != *json).then_some(RequestObject::Manifest(to))
                        });

                        let tries = tried.map(|to| {
                            (
                                says.clone(),
                                vec![self.request("UPDATE", &name, to, old.clone())],
                            )
                        });

                        ways.push(Attack {
                            requests: vec![self.request(
                                "UPDATE",
                                &name,
                                written(field),
                                old.clone(),
                            )],
                            tries: tries.into_iter().collect(),
                            says,
                        });
                    }
                }
            }
            // No subresource is deleted by itself. Many at once are asked about one by one, without
            // their names.
            "delete" | "deletecollection" if self.sub().is_empty() => {
                for (name, old) in self.targets(names) {
                    let asked = if verb == "delete" { name.as_str() } else { "" };
                    let requests = vec![self.request("DELETE", asked, RequestObject::Absent, old)];
                    ways.push(Attack {
                        says: format!("deletes {}", called(&name)),
                        requests,
                        tries: Vec::new(),
                    });
                }
            }
            _ => {}
        }

        ways
    }

    /// The parts of an object that an update changes, each with what is done by it: its labels, its
    /// annotations and its owners (of one whose owner is not there the garbage collector disposes)
    /// by each subresource too.
    fn parts(&self) -> Vec<(&'static str, &'static [&'static str])> {
        let own: &'static [&'static [&'static str]] = match self.sub() {
            "" => self.kind.says(),
            "finalize" => &[&["spec"]],
            _ => &[&["status"]],
        };

        const LABELS: &[&str] = &["metadata", "labels"];
        let mut parts: Vec<(&str, &[&str])> = own.iter().map(|field| ("weakens", *field)).collect();
        // Of a Namespace the labels are what it lets through, whichever way they are written.
        let weakens = self.kind.kind == "Namespace" && !self.sub().is_empty();

        if weakens {
            parts.push(("weakens", LABELS));
        } else if !own.contains(&LABELS) {
            parts.push(("relabels", LABELS));
        }

        parts.push(("freezes", &["metadata", "annotations"]));
        parts.push((
            "gives an owner that is not there to",
            &["metadata", "ownerReferences"],
        ));

        parts
    }
}

/// What the policies say to ways: one is stopped where one of its requests is denied, whatever is
/// written in it.
///
/// That a request is denied whatever is written is said by what is certain alone. What is tried is
/// evaluated as a whole.
pub fn ask(cluster: &Cluster, ways: Vec<Attack>) -> PolicyVerdict {
    if ways.is_empty() {
        return PolicyVerdict::Open("goes a way that no policy was asked about".into());
    }
    let (mut by, mut open) = (BTreeSet::new(), None);

    for way in ways {
        if let Some(policy) = way.requests.iter().find_map(|r| cluster.surely_denied(r)) {
            by.insert(policy);
            continue;
        }

        let says = way
            .requests
            .iter()
            .map(|r| cluster.admits(r))
            .find(|a| *a != AdmissionAnswer::Allowed);

        let (policy, span, why) = match says {
            None | Some(AdmissionAnswer::Allowed) => return PolicyVerdict::Open(way.says),
            Some(AdmissionAnswer::Denied(policy, span)) => (policy, span, NOT_SURE.to_owned()),
            Some(AdmissionAnswer::Unknown(policy, span, why)) => (policy, span, why),
        };

        for (says, requests) in way.tries {
            if requests
                .iter()
                .all(|r| cluster.admits(r) == AdmissionAnswer::Allowed)
            {
                return PolicyVerdict::Open(says);
            }
        }

        open = open.or(Some(PolicyVerdict::Unknown(way.says, policy, span, why)));
    }

    open.unwrap_or_else(|| PolicyVerdict::Denied(by.into_iter().collect()))
}

/// What is tried to be created of Kubernetes' own kinds: the group, the resource, and the object
/// with the server's defaults.
pub fn examples(namespace: &str) -> Vec<(&'static str, &'static str, Json)> {
    let own = |k: &&FloorKind| !k.group.contains('.') || k.group.ends_with(".k8s.io");
    let makes = |k: &&FloorKind| !["namespaces", "services", "pods"].contains(&k.resource);
    let all = KINDS
        .iter()
        .filter(own)
        .filter(makes)
        .filter(|k| k.group != "argoproj.io");
    all.map(|k| (k.group, k.resource, made(k, namespace, "open")))
        .collect()
}

/// An object of a kind, as wide as can be.
fn made(kind: &FloorKind, namespace: &str, name: &str) -> Json {
    let version = if kind.group.is_empty() {
        kind.version.to_owned()
    } else {
        format!("{}/{}", kind.group, kind.version)
    };
    let mut object = json!({"apiVersion": version, "kind": kind.kind, "metadata": {"name": name, "namespace": namespace}});
    if kind.kind == "Namespace" {
        object["metadata"] =
            json!({"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}});
    }
    widen(&mut object, kind);
    object
}

fn widen(object: &mut Json, kind: &FloorKind) {
    if let (Json::Object(object), Json::Object(open)) = (object, (kind.open)()) {
        object.extend(open);
    }
}

fn weakened(kind: &FloorKind, old: &Json) -> Json {
    let mut object = old.clone();
    widen(&mut object, kind);

    if kind.kind == "Namespace"
        && let Some(Json::Object(labels)) = object.pointer_mut("/metadata/labels")
    {
        for (key, value) in labels
            .iter_mut()
            .filter(|(k, _)| k.starts_with("pod-security.kubernetes.io/"))
        {
            *value = if key.ends_with("-version") {
                "latest".into()
            } else {
                "privileged".into()
            };
        }
    }

    // Who is bound to what is not changed but for whom.
    if kind.kind == "RoleBinding" {
        object["roleRef"] = old["roleRef"].clone();
    }
    object
}

/// Without its labels; one that has none gets one.
fn unlabelled(old: &Json) -> Json {
    let mut object = old.clone();
    let mut labels = object["metadata"]["labels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let before = labels.len();
    labels.retain(|k, _| k == "kubernetes.io/metadata.name");
    if labels.len() == before {
        labels.insert("app".into(), "x".into());
    }
    object["metadata"]["labels"] = Json::Object(labels);
    object
}

/// With an owner that is not there.
fn owned(old: &Json) -> Json {
    let mut object = old.clone();
    object["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    ]);
    object
}

fn frozen(old: &Json) -> Json {
    let mut object = old.clone();
    let mut marks = object["metadata"]["annotations"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    marks.insert(
        "kustomize.toolkit.fluxcd.io/reconcile".into(),
        "disabled".into(),
    );
    object["metadata"]["annotations"] = Json::Object(marks);
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds;

    #[test]
    fn kinds_are_as_the_table_has_them() {
        for own in &KINDS {
            let row = kinds::find(own.group, own.kind).unwrap();
            assert_eq!((own.resource, own.version), (row.plural, row.version));
        }
    }
}

//! Each way to change the floor that rules allow, asked of the admission policies: to remove, weaken, freeze or sidestep it.

use crate::graph::Cluster;
use crate::graph::admission::{Answer, Request};
use crate::graph::rbac::{Rule, Subject};
use crate::isolation::power::Power;
use crate::source::Place;
use crate::value::Text;
use serde_json::{Value as Json, json};

/// What becomes of all ways to do something that rules allow.
#[derive(Clone, Debug)]
pub enum Stand {
    /// This one is denied by no policy.
    Open(String),
    /// None is known to be open; whether this one is cannot be told, because of a policy, at a place, for a reason.
    Unknown(String, Text, Place, String),
    /// Each is denied: how many, and by which policies.
    Denied(usize, Vec<Text>),
}

/// A resource that the floor is made of.
struct Kind {
    group: &'static str,
    resource: &'static str,
    version: &'static str,
    kind: &'static str,
    /// The spec, or what else an object of it says, by which it lets everything through.
    open: fn() -> Json,
}

static KINDS: [Kind; 16] = [
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
    kind("crd.projectcalico.org", "networkpolicies", "v1", "NetworkPolicy", calico),
    kind("projectcalico.org", "networkpolicies", "v3", "NetworkPolicy", calico),
    kind(
        "security.istio.io",
        "authorizationpolicies",
        "v1",
        "AuthorizationPolicy",
        || json!({"spec": {"rules": [{}]}}),
    ),
    kind("", "resourcequotas", "v1", "ResourceQuota", || json!({"spec": {"hard": {"pods": "1M"}}, "status": {}})),
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
    kind("rbac.authorization.k8s.io", "rolebindings", "v1", "RoleBinding", || {
        json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
               "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "strangers"}]})
    }),
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
    kind("argoproj.io", "applications", "v1alpha1", "Application", || {
        json!({"spec": {"project": "default", "source": {"repoURL": "https://example.org/x.git", "path": "."},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": "kube-system"}}})
    }),
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
    kind("", "pods", "v1", "Pod", || json!({"spec": {}, "status": {"podIP": "192.0.2.1", "phase": "Running"}})),
];

const fn kind(
    group: &'static str,
    resource: &'static str,
    version: &'static str,
    kind: &'static str,
    open: fn() -> Json,
) -> Kind {
    Kind { group, resource, version, kind, open }
}

fn calico() -> Json {
    json!({"spec": {"order": 0, "selector": "all()", "types": ["Ingress", "Egress"], "ingress": [{"action": "Allow"}], "egress": [{"action": "Allow"}]}})
}

/// One way to change the floor.
struct Way {
    says: String,
    request: Request,
}

/// A user that a subject stands for, and its groups. Whoever is in a group is taken for a user that no policy names.
pub fn who(subject: &Subject) -> (String, Vec<String>) {
    let implicit = || subject.implicit_groups().iter().map(ToString::to_string).collect();
    match subject {
        Subject::User(name) => (name.to_string(), implicit()),
        Subject::ServiceAccount(namespace, name) => (format!("system:serviceaccount:{namespace}:{name}"), implicit()),
        Subject::Group(name) => {
            (format!("somebody in {name}"), vec![name.to_string(), "system:authenticated".to_owned()])
        }
    }
}

/// What the admission policies say to every way in which rules let a subject do something in a namespace.
pub fn stand(cluster: &Cluster, namespace: &str, subject: &Subject, rules: &[Rule], power: &Power) -> Stand {
    let (user, groups) = who(subject);
    let request = |kind: &Kind, sub: &str, operation, object: Json, old: Json| Request {
        operation,
        group: kind.group.to_owned(),
        version: kind.version.to_owned(),
        resource: kind.resource.to_owned(),
        subresource: sub.to_owned(),
        namespace: namespace.to_owned(),
        name: [&object, &old].iter().find_map(|o| o["metadata"]["name"].as_str()).unwrap_or_default().to_owned(),
        user: user.clone(),
        groups: groups.clone(),
        object,
        old,
    };
    let mut ways = Vec::new();
    for (group, resources, verbs) in power.asks {
        for resource in *resources {
            let (plain, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let touching = |verb: &str| rules.iter().filter(|r| r.touches(verb, group, resource)).collect::<Vec<_>>();
            // What is granted by a role that may be bound or made bigger is granted by a binding or a role.
            let verbs: Vec<&str> = verbs.iter().copied().filter(|v| !touching(v).is_empty()).collect();
            if verbs.is_empty() {
                continue;
            }
            let Some(kind) =
                KINDS.iter().find(|k| k.group == *group && k.resource == plain || raises(k, &verbs, plain))
            else {
                return Stand::Open(format!("{} {resource}: no policy was asked", verbs.join(", ")));
            };
            let writes = |verb: &str| verbs.contains(&verb) || raises(kind, &verbs, plain);
            let mut add = |says: &str, operation, object: Json, old: Json| {
                // What changes nothing is no way.
                if object == old {
                    return;
                }
                let name = [&object, &old].iter().find_map(|o| o["metadata"]["name"].as_str()).unwrap_or_default();
                let sub = if sub.is_empty() { String::new() } else { format!("'s {sub}") };
                let says = format!("{says} {} `{name}`{sub}", kind.kind);
                ways.push(Way {
                    says,
                    request: request(kind, resource.split_once('/').map_or("", |(_, s)| s), operation, object, old),
                });
            };
            if writes("create") && sub.is_empty() && kind.kind != "Namespace" {
                add("creates the", "CREATE", made(kind, namespace, "open"), Json::Null);
            }
            let named = |verb: &str| {
                let rules = touching(verb);
                let any = rules.iter().any(|r| r.names.is_empty()) || raises(kind, &[verb], plain) || rules.is_empty();
                let names: Vec<Text> = rules.iter().flat_map(|r| r.names.iter().cloned()).collect();
                (any, names)
            };
            let home = if kind.kind == "Namespace" { "" } else { namespace };
            let mut there = cluster.kept_of(home, kind.group, kind.kind);
            there.retain(|o| kind.kind != "Namespace" || o["metadata"]["name"] == namespace);
            let targets = |verb: &str| -> Vec<Json> {
                let (any, names) = named(verb);
                let allowed = |o: &&Json| any || names.iter().any(|n| o["metadata"]["name"] == n.as_str());
                match there.is_empty() {
                    true => vec![made(kind, namespace, names.first().map_or("it", |n| n))],
                    false => there.iter().filter(allowed).cloned().collect(),
                }
            };
            for verb in ["update", "patch"].into_iter().filter(|v| writes(v)) {
                for old in targets(verb) {
                    add("weakens the", "UPDATE", weakened(kind, &old), old.clone());
                    if sub.is_empty() {
                        add("takes the labels of the", "UPDATE", unlabelled(&old), old.clone());
                        add("freezes the", "UPDATE", frozen(&old), old);
                    }
                }
            }
            for verb in ["delete", "deletecollection"].into_iter().filter(|v| writes(v)) {
                for old in targets(verb) {
                    add("deletes the", "DELETE", Json::Null, old);
                }
            }
        }
    }
    ask(cluster, ways.into_iter().map(|w| (w.says, vec![w.request])))
}

/// Whether roles of a kind are what somebody raises who may bind or escalate.
fn raises(kind: &Kind, verbs: &[&str], plain: &str) -> bool {
    let by = if kind.kind == "RoleBinding" { "bind" } else { "escalate" };
    kind.group == "rbac.authorization.k8s.io" && ["roles", "clusterroles"].contains(&plain) && verbs.contains(&by)
}

/// What the policies say to ways that are each some requests, one after the other: it is open where none of them is denied.
pub fn ask(cluster: &Cluster, ways: impl IntoIterator<Item = (String, Vec<Request>)>) -> Stand {
    let (mut count, mut by, mut open) = (0, Vec::new(), None);
    for (says, requests) in ways {
        count += 1;
        let answers: Vec<Answer> = requests.iter().map(|r| cluster.admits(r)).collect();
        if let Some(policy) =
            answers.iter().find_map(|a| if let Answer::Denied(policy, _) = a { Some(policy) } else { None })
        {
            if !by.contains(policy) {
                by.push(policy.clone());
            }
            continue;
        }
        match answers.into_iter().find(|a| *a != Answer::Allowed) {
            Some(Answer::Unknown(policy, place, why)) => open = open.or(Some(Stand::Unknown(says, policy, place, why))),
            _ => return Stand::Open(says),
        }
    }
    by.sort();
    open.unwrap_or(Stand::Denied(count, by))
}

/// What is tried to be created of Kubernetes' own kinds: the group, the resource, and the object with the server's defaults.
pub fn examples(namespace: &str) -> Vec<(&'static str, &'static str, Json)> {
    let own = |k: &&Kind| !k.group.contains('.') || k.group.ends_with(".k8s.io");
    let makes = |k: &&Kind| !["namespaces", "services", "pods"].contains(&k.resource);
    let all = KINDS.iter().filter(own).filter(makes).filter(|k| k.group != "argoproj.io");
    all.map(|k| (k.group, k.resource, made(k, namespace, "open"))).collect()
}

/// An object of a kind, as wide as can be.
fn made(kind: &Kind, namespace: &str, name: &str) -> Json {
    let version =
        if kind.group.is_empty() { kind.version.to_owned() } else { format!("{}/{}", kind.group, kind.version) };
    let mut object =
        json!({"apiVersion": version, "kind": kind.kind, "metadata": {"name": name, "namespace": namespace}});
    if kind.kind == "Namespace" {
        object["metadata"] = json!({"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}});
    }
    widen(&mut object, kind);
    object
}

fn widen(object: &mut Json, kind: &Kind) {
    if let (Json::Object(object), Json::Object(open)) = (object, (kind.open)()) {
        object.extend(open);
    }
}

fn weakened(kind: &Kind, old: &Json) -> Json {
    let mut object = old.clone();
    widen(&mut object, kind);
    if kind.kind == "Namespace"
        && let Some(Json::Object(labels)) = object.pointer_mut("/metadata/labels")
    {
        for (key, value) in labels.iter_mut().filter(|(k, _)| k.starts_with("pod-security.kubernetes.io/")) {
            *value = if key.ends_with("-version") { "latest".into() } else { "privileged".into() };
        }
    }
    // Who is bound to what is not changed but for whom.
    if kind.kind == "RoleBinding" {
        object["roleRef"] = old["roleRef"].clone();
    }
    object
}

fn unlabelled(old: &Json) -> Json {
    let mut object = old.clone();
    if let Some(Json::Object(labels)) = object.pointer_mut("/metadata/labels") {
        labels.retain(|k, _| k == "kubernetes.io/metadata.name");
    }
    object
}

fn frozen(old: &Json) -> Json {
    let mut object = old.clone();
    object["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled".into();
    object
}

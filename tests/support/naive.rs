//! NetworkPolicies and RBAC, read straight from their definitions: no index, no interning, no
//! haste. Short enough to be believed by reading; the engines are held against it.

use serde_json::Value;
use std::collections::BTreeMap;

/// Labels.
pub type Labels = BTreeMap<String, String>;

/// A pod: its namespace's name and labels, its own labels, and the ports it names (name, protocol,
/// number).
pub struct Pod<'a> {
    pub namespace: &'a str,
    pub namespace_labels: &'a Labels,
    pub labels: &'a Labels,
    pub ports: &'a [(&'a str, &'a str, u64)],
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn has(values: &Value, text: &str) -> bool {
    list(values).iter().any(|v| v == text)
}

/// "A label selector requirement": matchLabels and matchExpressions are ANDed; an empty selector
/// matches everything.
pub fn selects(selector: &Value, labels: &Labels) -> bool {
    let pairs = selector["matchLabels"].as_object().into_iter().flatten();
    pairs
        .into_iter()
        .all(|(k, v)| labels.get(k).map(String::as_str) == v.as_str())
        && list(&selector["matchExpressions"]).iter().all(|e| {
            let value = labels.get(e["key"].as_str().expect("a key"));
            match e["operator"].as_str().expect("an operator") {
                "In" => value.is_some_and(|v| has(&e["values"], v)),
                "NotIn" => value.is_none_or(|v| !has(&e["values"], v)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                other => panic!("{other}"),
            }
        })
}

/// Whether the policies let a connection pass, seen from one of its ends. `direction` is `Ingress`
/// or `Egress`.
pub fn passes(
    policies: &[Value],
    direction: &str,
    pod: &Pod<'_>,
    peer: &Pod<'_>,
    protocol: &str,
    port: u64,
) -> bool {
    let (rules, peers, target) = match direction {
        "Ingress" => ("ingress", "from", pod),
        _ => ("egress", "to", peer),
    };

    let mut isolated = false;
    for policy in policies {
        let spec = &policy["spec"];
        let types = &spec["policyTypes"];
        let governs = match list(types) {
            [] => direction == "Ingress" || !list(&spec["egress"]).is_empty(),
            _ => has(types, direction),
        };

        if policy["metadata"]["namespace"] != pod.namespace
            || !governs
            || !selects(&spec["podSelector"], pod.labels)
        {
            continue;
        }

        isolated = true;
        for rule in list(&spec[rules]) {
            let to_port = list(&rule["ports"]).is_empty()
                || list(&rule["ports"]).iter().any(|p| {
                    p["protocol"].as_str().unwrap_or("TCP") == protocol
                        && match (&p["port"], &p["endPort"]) {
                            (Value::Null, _) => true,
                            (Value::String(name), _) => {
                                target.ports.contains(&(name.as_str(), protocol, port))
                            }
                            (first, Value::Null) => first == port,
                            (first, last) => {
                                first.as_u64() <= Some(port) && Some(port) <= last.as_u64()
                            }
                        }
                });

            let from_peer = list(&rule[peers]).is_empty()
                || list(&rule[peers]).iter().any(|p| {
                    let there = match &p["namespaceSelector"] {
                        Value::Null => peer.namespace == pod.namespace,
                        selector => selects(selector, peer.namespace_labels),
                    };
                    there && selects(&p["podSelector"], peer.labels)
                });

            if to_port && from_peer {
                return true;
            }
        }
    }

    !isolated
}

/// What somebody asks the API server.
pub struct Request<'a> {
    pub user: &'a str,
    pub groups: &'a [&'a str],
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub name: &'a str,
    pub namespace: &'a str,
}

/// Whether RBAC allows a request, by the roles and bindings among some objects.
pub fn allowed(objects: &[Value], request: &Request<'_>) -> bool {
    objects.iter().any(|binding| {
        let here = match binding["kind"].as_str() {
            Some("RoleBinding") => binding["metadata"]["namespace"] == request.namespace,
            Some("ClusterRoleBinding") => true,
            _ => false,
        };

        let named = list(&binding["subjects"])
            .iter()
            .any(|s| match s["kind"].as_str() {
                Some("User") => s["name"] == request.user,
                Some("Group") => request.groups.iter().any(|g| s["name"] == *g),
                _ => {
                    let (namespace, name) = (
                        s["namespace"].as_str().unwrap_or(""),
                        s["name"].as_str().unwrap_or(""),
                    );
                    format!("system:serviceaccount:{namespace}:{name}") == request.user
                }
            });

        here && named && {
            let (kind, name) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
            let is_it = |o: &&Value| {
                o["kind"] == *kind
                    && o["metadata"]["name"] == *name
                    && (kind == "ClusterRole"
                        || o["metadata"]["namespace"] == binding["metadata"]["namespace"])
            };
            objects
                .iter()
                .find(is_it)
                .is_some_and(|role| grants(objects, role, request, 0))
        }
    })
}

/// A ClusterRole with an aggregationRule has the rules of those it selects, and none of its own.
fn grants(objects: &[Value], role: &Value, request: &Request<'_>, depth: usize) -> bool {
    let selectors = list(&role["aggregationRule"]["clusterRoleSelectors"]);
    if !selectors.is_empty() {
        return depth < objects.len()
            && objects
                .iter()
                .filter(|o| o["kind"] == "ClusterRole" && *o != role)
                .any(|other| {
                    let labels: Labels = other["metadata"]["labels"]
                        .as_object()
                        .into_iter()
                        .flatten()
                        .map(|(k, v)| (k.clone(), v.as_str().unwrap_or("").to_owned()))
                        .collect();
                    selectors.iter().any(|s| selects(s, &labels))
                        && grants(objects, other, request, depth + 1)
                });
    }

    let whole = match request.subresource {
        "" => request.resource.to_owned(),
        sub => format!("{}/{sub}", request.resource),
    };

    let any = |set: &Value, text: &str| has(set, "*") || has(set, text);
    list(&role["rules"]).iter().any(|rule| {
        any(&rule["verbs"], request.verb)
            && any(&rule["apiGroups"], request.group)
            && (any(&rule["resources"], &whole)
                || (!request.subresource.is_empty()
                    && has(&rule["resources"], &format!("*/{}", request.subresource))))
            && (list(&rule["resourceNames"]).is_empty()
                || has(&rule["resourceNames"], request.name))
    })
}

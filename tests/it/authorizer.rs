//! RBAC verdicts against SubjectAccessReview of a real API server, over random roles and bindings.

use crate::differential::rbac;
use crate::support::control_plane::ControlPlane;
use crate::support::{Dice, pipe, root, say, tool};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::Duration;
use tenantry::graph::facts::Facts;
use tenantry::graph::rbac::{AccessRequest, PolicyRule, Role, Subject};
use tenantry::graph::{Cluster, Parts, builtin, read_snapshot};
use tenantry::kube::kinds::{self, Scope};
use tenantry::kube::resources;
use tenantry::source::{SourceId, SourceMap, Span};
use tenantry::tenancy;

/// How many random sets of objects, and questions about each.
const SETS: usize = 24;
const QUESTIONS: usize = 1000;

/// Gives every name of a set a prefix, so that sets do not meet.
fn prefixed(object: &Value, prefix: &str, dice: &mut Dice) -> Option<Value> {
    let mut object = object.clone();
    let rename = |value: &mut Value| {
        if let Some(text) = value.as_str().filter(|t| !t.starts_with("system:")) {
            *value = format!("{prefix}{text}").into();
        }
    };

    // A grant to everybody in the cluster would answer the questions of every other set.
    let everybody = |s: &Value| {
        s["kind"] == "Group" && s["name"].as_str().is_some_and(|n| n.starts_with("system:"))
    };
    if object["kind"] == "ClusterRoleBinding"
        && object["subjects"].as_array()?.iter().any(everybody)
    {
        return None;
    }

    // And one that aggregates everything would hold Kubernetes' own roles.
    if object["kind"] == "ClusterRole" {
        object["metadata"]["labels"]["set"] = prefix.trim_end_matches('-').into();
        let rule = object
            .get_mut("aggregationRule")
            .and_then(|r| r["clusterRoleSelectors"].as_array_mut());
        for selector in rule.into_iter().flatten() {
            selector["matchLabels"]["set"] = prefix.trim_end_matches('-').into();
        }
    }

    rename(&mut object["metadata"]["name"]);
    if object["metadata"].get("namespace").is_some() {
        rename(&mut object["metadata"]["namespace"]);
    }

    if object.get("roleRef").is_some() {
        let builtin = *dice.of(&["", "", "", "admin", "edit", "view"]);
        if builtin.is_empty() || object["roleRef"]["kind"] == "Role" {
            rename(&mut object["roleRef"]["name"]);
        } else {
            object["roleRef"]["name"] = builtin.into();
        }
        for subject in object["subjects"].as_array_mut().into_iter().flatten() {
            rename(&mut subject["name"]);
            if subject.get("namespace").is_some() {
                rename(&mut subject["namespace"]);
            }
        }
    } else if object["kind"] == "ClusterRole" && object.get("aggregationRule").is_none() {
        let urls = *dice.of(&["/metrics", "/healthz/*", "/debug*", "*"]);
        let rule = json!({"nonResourceURLs": [urls], "verbs": [*dice.of(&["get", "*"])]});
        object["rules"].as_array_mut().expect("rules").push(rule);
        // Some are aggregated into Kubernetes' own.
        if *dice.of(&[true, false, false, false]) {
            object["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] =
                "true".into();
        }
    }

    Some(object)
}

/// Everything of some kinds, once the controllers have settled.
fn settled(plane: &ControlPlane) -> String {
    let kinds = "clusterroles,clusterrolebindings,roles,rolebindings";
    let mut before = String::new();

    for _ in 0..60 {
        let now = plane.kubectl(&["get", kinds, "-A", "-o", "json"]).out;
        let filled = |name: &str| {
            let all: Value = serde_json::from_str(&now).expect("JSON");
            let role = all["items"]
                .as_array()
                .expect("items")
                .iter()
                .find(|o| o["metadata"]["name"] == name)
                .cloned();
            role.is_some_and(|r| r["rules"].as_array().is_some_and(|r| !r.is_empty()))
        };

        if now == before && filled("admin") && filled("view") {
            return now;
        }
        before = now;
        std::thread::sleep(Duration::from_millis(1500));
    }

    panic!("aggregated roles are not filled");
}

#[test]
fn subject_access_reviews_agree_with_the_proof() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let mut runner = TestRunner::deterministic();
    let mut dice = Dice(7);
    let (mut objects, mut namespaces) = (Vec::new(), BTreeSet::new());

    for set in 0..SETS {
        let prefix = format!("s{set}-");
        let drawn = rbac().new_tree(&mut runner).expect("a value").current();
        objects.extend(drawn.iter().filter_map(|o| prefixed(o, &prefix, &mut dice)));
        namespaces.extend(["n0", "n1"].map(|n| format!("{prefix}{n}")));
    }

    let spaces = namespaces
        .iter()
        .map(|n| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n}}));
    let list: Vec<Value> = spaces.chain(objects.iter().cloned()).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": list});
    let applied = plane.kubectl_with(
        &["create", "--validate=strict", "-f", "-"],
        &list.to_string(),
    );

    assert_eq!(applied.code, 0, "{}", applied.err);

    // What the server has is the input: a snapshot, as `kubectl get` prints it.
    let snapshot = settled(plane);
    let mut sources = SourceMap::default();
    let span = sources.add_path("snapshot.json");
    let facts = read_snapshot(&snapshot, span, false).expect("a snapshot");
    assert!(facts.unevaluated.is_empty(), "{:?}", facts.unevaluated);
    let filled: BTreeMap<String, Vec<PolicyRule>> = facts
        .roles
        .iter()
        .filter(|r| r.aggregates.is_some())
        .map(|r| (r.id.to_string(), r.rules.to_vec()))
        .collect();

    let cluster = Cluster::new(
        Parts {
            facts,
            ..Parts::default()
        },
        &|_, _, _| None,
    );

    for role in cluster
        .rbac
        .roles
        .values()
        .filter(|r| r.aggregates.is_some())
    {
        // The controller fills it with what we fill it with.
        let theirs = &filled[&role.id.to_string()];
        let missing =
            |a: &[PolicyRule], b: &[PolicyRule]| a.iter().filter(|r| !b.contains(r)).count();
        assert_eq!(
            (missing(theirs, &role.rules), missing(&role.rules, theirs)),
            (0, 0),
            "{}",
            role.id
        );
    }

    let (mut reviews, mut said) = (Vec::new(), Vec::new());
    for set in 0..SETS {
        for _ in 0..QUESTIONS {
            let p = format!("s{set}-");
            let who = *dice.of(&["u0", "u1", "g0", "g1", "sa"]);
            let (subject, user, groups) = match who {
                "sa" => {
                    let (ns, name) = (
                        format!("{p}n0"),
                        format!("{p}{}", dice.of(&["one", "two", "three"])),
                    );
                    let groups = vec![
                        "system:serviceaccounts".into(),
                        format!("system:serviceaccounts:{ns}"),
                        "system:authenticated".into(),
                    ];
                    (
                        Subject::ServiceAccount(ns.as_str().into(), name.as_str().into()),
                        format!("system:serviceaccount:{ns}:{name}"),
                        groups,
                    )
                }
                user if user.starts_with('u') => (
                    Subject::User(format!("{p}{user}").into()),
                    format!("{p}{user}"),
                    vec!["system:authenticated".to_owned()],
                ),
                group => (
                    Subject::Group(format!("{p}{group}").into()),
                    "nobody".to_owned(),
                    vec![format!("{p}{group}"), "system:authenticated".into()],
                ),
            };

            let subjects = subject.with_groups();
            let verb = *dice.of(&["get", "list", "create", "impersonate", "delete"]);
            let spec = if *dice.of(&[true, false, false, false, false, false]) {
                let path = *dice.of(&[
                    "/metrics",
                    "/healthz/etcd",
                    "/debug/pprof",
                    "/api",
                    "/version",
                ]);
                said.push(cluster.rbac.authorize_url(&subjects, verb, path).is_some());
                json!({"user": user, "groups": groups, "nonResourceAttributes": {"verb": verb, "path": path}})
            } else {
                let resource = *dice.of(&[
                    "pods",
                    "pods/exec",
                    "secrets",
                    "deployments",
                    "deployments/scale",
                    "configmaps",
                    "rolebindings",
                ]);

                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                let group = *dice.of(&["", "apps", "rbac.authorization.k8s.io"]);
                let name = *dice.of(&["", "one", "two"]);
                let namespace = match *dice.of(&["", "n0", "n1"]) {
                    "" => String::new(),
                    namespace => format!("{p}{namespace}"),
                };

                let request = AccessRequest {
                    verb,
                    group,
                    resource,
                    subresource,
                    name,
                    namespace: &namespace,
                };

                said.push(cluster.rbac.authorize(&subjects, &request).is_some());
                json!({"user": user, "groups": groups, "resourceAttributes": {
                    "verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
                    "namespace": namespace, "version": "v1"}})
            };

            let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
            let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
            reviews.push(json!({"method": "POST", "path": path, "body": review}));
        }
    }

    let answers = plane.ask(&reviews);
    let answers: Vec<bool> = answers
        .iter()
        .map(|a| a["body"]["status"]["allowed"] == true)
        .collect();

    let differ: Vec<&Value> = reviews
        .iter()
        .zip(answers.iter().zip(&said))
        .filter(|(_, (a, b))| a != b)
        .map(|(review, _)| review)
        .collect();

    let allowed = answers.iter().filter(|a| **a).count();
    say(&format!(
        "authorizer: {} SubjectAccessReviews, {allowed} allowed, {} differ",
        answers.len(),
        differ.len()
    ));

    assert!(differ.is_empty(), "{:#?}", &differ[..differ.len().min(10)]);
    assert!(answers.len() >= 20_000 && allowed > 1000 && allowed < answers.len() / 2);
}

/// What we say that Kubernetes makes by itself is what it makes.
#[test]
fn the_builtin_roles_match_those_of_the_server() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let theirs = plane.kubectl(&[
        "get",
        "clusterroles,clusterrolebindings,roles,rolebindings",
        "-A",
        "-o",
        "json",
        "-l",
        "kubernetes.io/bootstrapping=rbac-defaults",
    ]);
    let mut command = Command::new(tool("python"));
    command.arg(root().join("tests/control-plane/roles.py"));
    let written = pipe(command.arg("v1.36"), &theirs.out);
    assert_eq!(written.code, 0, "{}", written.err);

    let ours = include_str!("../../src/graph/builtin.yaml");
    let differ = written.out.lines().zip(ours.lines());
    let first = differ
        .enumerate()
        .find(|(_, (theirs, ours))| theirs != ours);
    assert!(
        written.out == ours,
        "write what tests/control-plane/roles.py prints: {first:?}"
    );
    assert!(ours.contains("name: \"system:controller:deployment-controller\""));

    let theirs: Value = serde_json::from_str(&theirs.out).expect("JSON");
    let mut facts = Facts::default();
    builtin::add(&mut facts, Span::file(SourceId(0)), false);
    assert_eq!(
        Some(facts.objects.len()),
        theirs["items"].as_array().map(Vec::len)
    );
}

/// A cluster with what Kubernetes makes by itself alone.
fn cluster_of_kubernetes() -> Cluster {
    let mut facts = Facts::default();
    builtin::add(&mut facts, Span::file(SourceId(0)), false);
    let parts = Parts {
        facts,
        ..Parts::default()
    };
    Cluster::new(parts, &|_, _, _| None)
}

/// The accounts of Kubernetes' own controllers get the answers that the server gives them.
#[test]
fn the_controllers_of_kubernetes_may_do_what_the_server_says() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let cluster = cluster_of_kubernetes();
    assert!(cluster.namespaces.is_empty(), "a role makes no namespace");

    let questions = [
        ("create", "", "pods"),
        ("delete", "", "pods"),
        ("get", "", "secrets"),
        ("list", "", "nodes"),
        ("patch", "", "nodes"),
        ("create", "", "serviceaccounts"),
        ("update", "", "namespaces"),
        ("create", "apps", "replicasets"),
        ("update", "batch", "jobs"),
        ("watch", "discovery.k8s.io", "endpointslices"),
        ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
        ("update", "coordination.k8s.io", "leases"),
    ];
    let (mut reviews, mut said) = (Vec::new(), Vec::new());
    for subject in cluster.rbac.subjects() {
        let Subject::ServiceAccount(home, name) = subject else {
            continue;
        };
        let accounts = "system:serviceaccounts";
        let groups = [
            accounts.to_owned(),
            format!("{accounts}:{home}"),
            "system:authenticated".into(),
        ];
        for (verb, group, resource) in questions {
            for namespace in ["default", "kube-system", "kube-public"] {
                let request = AccessRequest {
                    verb,
                    group,
                    resource,
                    subresource: "",
                    name: "",
                    namespace,
                };
                let granted = cluster.rbac.authorize(&subject.with_groups(), &request);
                said.push(granted.is_some());
                reviews.push(json!({"method": "POST",
                    "path": "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                    "body": {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                        "spec": {"user": format!("system:serviceaccount:{home}:{name}"), "groups": groups,
                            "resourceAttributes": {"verb": verb, "group": group,
                                "resource": resource, "namespace": namespace}}}}));
            }
        }
    }

    let answers = plane.ask(&reviews);
    let mut allowed = 0;
    for ((review, answer), said) in reviews.iter().zip(&answers).zip(&said) {
        assert_eq!(
            answer["body"]["status"]["allowed"] == true,
            *said,
            "{review}"
        );
        allowed += usize::from(*said);
    }
    assert!(
        reviews.len() > 1000 && allowed > 50,
        "{allowed} of {}",
        reviews.len()
    );
}

/// The roles for users, as Kubernetes' own test data has them.
#[test]
fn the_default_cluster_roles_agree_with_the_reference() {
    let Some(folder) = crate::support::shared("conformance/default-clusterroles") else {
        return;
    };
    let (_, reference) = crate::conformance::facts(&[&folder.join("cluster-roles.yaml")]);
    let mut facts = Facts::default();
    builtin::add(&mut facts, Span::file(SourceId(0)), false);
    let cluster = |facts: Facts| {
        Cluster::new(
            Parts {
                facts,
                ..Parts::default()
            },
            &|_, _, _| None,
        )
    };

    let (ours, theirs) = (cluster(facts), cluster(reference));
    let mut compared = 0;

    for name in ["admin", "edit", "view", "cluster-admin"] {
        let key = (Default::default(), name.into());
        let (Some(a), Some(b)) = (ours.rbac.roles.get(&key), theirs.rbac.roles.get(&key)) else {
            panic!("{name}")
        };
        let more = tenantry::graph::rbac::uncovered(&a.rules, &b.rules);
        let less = tenantry::graph::rbac::uncovered(&b.rules, &a.rules);
        say(&format!(
            "{name}: {} rules; the reference has {} that ours has not, ours {} that it has not",
            a.rules.len(),
            more.len(),
            less.len()
        ));

        assert!(more.is_empty(), "{name}: {more:?}");
        // The reference is of an older minor: what came since is of these groups.
        let new: BTreeSet<&str> = less
            .iter()
            .flat_map(|r| r.groups.iter().map(|g| g.as_str()))
            .collect();

        assert!(
            new.iter()
                .all(|g| ["events.k8s.io", "resource.k8s.io"].contains(g)),
            "{name}: {new:?}"
        );

        compared += 1;
    }

    assert_eq!(compared, 4);
}

/// The names that tenantry knows without resolving a role are those that the resolved rules give.
#[test]
fn the_roles_of_kubernetes_that_write_the_floor_are_known_by_name() {
    let cluster = cluster_of_kubernetes();

    let verbs = ["create", "update", "patch", "delete", "deletecollection"];
    let writes = |role: &Role| {
        let mut floor = kinds::all().filter(|(group, kind)| kinds::holds_floor(group.name, kind));
        floor.any(|(group, kind)| {
            let mut rules = role.rules.iter();
            rules.any(|rule| {
                let mut verbs = verbs.iter();
                verbs.any(|verb| rule.touches(verb, group.name, kind.plural))
            })
        })
    };

    let roles = cluster.rbac.roles.iter();
    let writing = roles.filter(|(_, role)| writes(role));
    let writing: Vec<&str> = writing
        .map(|((_, name), _)| name.as_str())
        .filter(|name| !name.starts_with("system:") && *name != "cluster-admin")
        .collect();
    assert_eq!(writing, tenancy::FLOOR_WRITING);
}

/// The resources of a group and version that a server says it has.
fn served(plane: &ControlPlane, path: &str) -> Vec<Value> {
    let ran = plane.kubectl(&["get", "--raw", path]);
    assert_eq!(ran.code, 0, "{path}: {}", ran.err);
    let list: Value = serde_json::from_str(&ran.out).expect("JSON");
    list["resources"].as_array().cloned().unwrap_or_default()
}

#[test]
fn every_resource_of_the_server_is_known() {
    let Some(plane) = ControlPlane::get() else {
        return;
    };
    let groups = plane.kubectl(&["get", "--raw", "/apis"]);
    let groups: Value = serde_json::from_str(&groups.out).expect("JSON");

    let mut paths = vec![(String::new(), "/api/v1".to_owned())];
    for group in groups["groups"].as_array().expect("groups") {
        let name = group["name"].as_str().unwrap_or_default();
        for version in group["versions"].as_array().expect("versions") {
            let version = version["groupVersion"].as_str().unwrap_or_default();
            paths.push((name.to_owned(), format!("/apis/{version}")));
        }
    }

    let mut unknown = Vec::new();
    for (group, path) in paths.iter().filter(|(group, _)| is_of_kubernetes(group)) {
        for resource in served(plane, path) {
            let name = resource["name"].as_str().unwrap_or_default();
            let (plural, subresource) = name.split_once('/').unwrap_or((name, ""));
            let scope = match resource["namespaced"].as_bool() {
                Some(true) => Scope::Namespaced,
                _ => Scope::Cluster,
            };
            let is_known = resources::find(group, plural).is_some_and(|known| {
                known.scope == scope && resources::may_be_served(group, plural, subresource)
            });
            if !is_known {
                unknown.push(format!("{group} {name}"));
            }
        }
    }
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// Whether a group is Kubernetes' own: other tests define resources in groups of theirs.
fn is_of_kubernetes(group: &str) -> bool {
    let own = !group.contains('.') || group.ends_with(".k8s.io");
    own && !group.ends_with("x-k8s.io") && !group.starts_with("gateway.")
}

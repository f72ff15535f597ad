//! What admission policies say, against a real API server: random policies, bound to a namespace
//! each, and requests to each of them that are made for trial (`dryRun`).

mod random;

use crate::support::control_plane::ControlPlane;
use crate::support::{Dice, say};
use random::policy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tenantry::graph::admission::{AdmissionAnswer, AdmissionReview};
use tenantry::graph::request::{AdmissionRequest, RequestObject, Requester};
use tenantry::graph::{Cluster, Parts, read_snapshot};
use tenantry::isolation::admission::{pods, tamper};
use tenantry::source::SourceMap;

/// How many policies, each with a namespace of its own.
const POLICIES: usize = 300;
const USER: &str = "guards-tenant";
const GROUPS: [&str; 2] = ["guards-team", "system:authenticated"];

fn object(api: &str, kind: &str, name: &str, labels: &Value, rest: &Value) -> Value {
    let mut object =
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": name, "labels": labels}});
    for (key, value) in rest.as_object().expect("an object") {
        object[key] = value.clone();
    }
    object
}

/// What is there before the policies are, in each namespace.
fn there() -> Vec<Value> {
    let ours = json!({"tenantry.dev/owner": "fleet"});
    vec![
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "default-deny",
            &ours,
            &json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
        ),
        object(
            "v1",
            "ResourceQuota",
            "quota",
            &ours,
            &json!({"spec": {"hard": {"requests.cpu": "2", "limits.memory": "2Gi"}}}),
        ),
        object(
            "v1",
            "ConfigMap",
            "x",
            &json!({}),
            &json!({"data": {"x": "1"}}),
        ),
        object(
            "v1",
            "ConfigMap",
            "params",
            &json!({"params": "yes"}),
            &json!({"data": {"allow": "yes", "names": "a,x,default-deny", "most": "3"}}),
        ),
        object("v1", "ServiceAccount", "default", &json!({}), &json!({})),
        object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            "owners",
            &ours,
            &json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "g-0"}]}),
        ),
    ]
}

const PATHS: [(&str, &str, &str, &str); 6] = [
    (
        "NetworkPolicy",
        "networking.k8s.io",
        "networkpolicies",
        "/apis/networking.k8s.io/v1",
    ),
    ("ResourceQuota", "", "resourcequotas", "/api/v1"),
    ("ConfigMap", "", "configmaps", "/api/v1"),
    ("Pod", "", "pods", "/api/v1"),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io",
        "rolebindings",
        "/apis/rbac.authorization.k8s.io/v1",
    ),
    ("ServiceAccount", "", "serviceaccounts", "/api/v1"),
];

/// What is tried in each namespace: the operation and the object as it is sent.
fn tries() -> Vec<(&'static str, Value)> {
    let ours = json!({"tenantry.dev/owner": "fleet"});
    let none = json!({});
    let pod = |name: &str, spec: Value| object("v1", "Pod", name, &none, &json!({"spec": spec}));
    let policy = |name: &str, labels: &Value, spec: Value| {
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            name,
            labels,
            &json!({"spec": spec}),
        )
    };

    let mut all = vec![
        (
            "CREATE",
            pod(
                "plain",
                json!({"containers": [{"name": "c", "image": "registry.example/a:1"}]}),
            ),
        ),
        (
            "CREATE",
            pod(
                "root",
                json!({"containers": [{"name": "c", "image": "a:latest", "securityContext": {"privileged": true}}]}),
            ),
        ),
        (
            "CREATE",
            pod(
                "mixed",
                json!({"containers": [{"name": "c", "image": "a", "securityContext": {"privileged": false}}, {"name": "d", "image": "b", "securityContext": {"privileged": true}}]}),
            ),
        ),
        (
            "CREATE",
            pod(
                "host",
                json!({"hostNetwork": true, "hostPID": true, "containers": [{"name": "c", "image": "registry.example/a"}]}),
            ),
        ),
        (
            "CREATE",
            pod(
                "path",
                json!({"volumes": [{"name": "v", "hostPath": {"path": "/var/run"}}], "containers": [{"name": "c", "image": "registry.example/a"}]}),
            ),
        ),
        (
            "CREATE",
            policy(
                "open",
                &none,
                json!({"podSelector": {}, "ingress": [{}], "egress": [{}]}),
            ),
        ),
        (
            "CREATE",
            policy(
                "narrow",
                &ours,
                json!({"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{"from": [{"podSelector": {}}]}]}),
            ),
        ),
        (
            "UPDATE",
            policy(
                "default-deny",
                &ours,
                json!({"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}),
            ),
        ),
        (
            "UPDATE",
            policy(
                "default-deny",
                &none,
                json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
            ),
        ),
        (
            "CREATE",
            object(
                "v1",
                "ResourceQuota",
                "more",
                &none,
                &json!({"spec": {"hard": {"requests.cpu": "8"}}}),
            ),
        ),
        (
            "UPDATE",
            object(
                "v1",
                "ResourceQuota",
                "quota",
                &ours,
                &json!({"spec": {"hard": {"requests.cpu": "100", "limits.memory": "2Gi"}}}),
            ),
        ),
        (
            "CREATE",
            object(
                "v1",
                "ConfigMap",
                "y",
                &json!({"free": "1"}),
                &json!({"data": {"x": "1", "y": "12"}}),
            ),
        ),
        (
            "UPDATE",
            object(
                "v1",
                "ConfigMap",
                "x",
                &none,
                &json!({"data": {"x": "nine"}}),
            ),
        ),
        (
            "CREATE",
            object(
                "rbac.authorization.k8s.io/v1",
                "RoleBinding",
                "all",
                &none,
                &json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "x"}]}),
            ),
        ),
    ];

    let mut frozen = all[7].1.clone();
    frozen["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/reconcile"] = "disabled".into();
    all.push(("UPDATE", frozen));
    all.extend(
        there()
            .into_iter()
            .filter(|o| o["kind"] != "ServiceAccount")
            .map(|o| ("DELETE", o)),
    );

    all
}

fn kind_of(object: &Value) -> (&'static str, &'static str, &'static str, &'static str) {
    *PATHS
        .iter()
        .find(|(kind, ..)| object["kind"] == *kind)
        .expect("a kind")
}

/// A try in a namespace, as it is sent.
fn sent(operation: &str, object: &Value, namespace: &str, user: bool) -> Value {
    let (_, _, resource, root) = kind_of(object);
    let path = format!("{root}/namespaces/{namespace}/{resource}");
    let name = object["metadata"]["name"].as_str().expect("a name");
    let mut request = match operation {
        "CREATE" => json!({"method": "POST", "path": format!("{path}?dryRun=All"), "body": object}),
        "UPDATE" => {
            json!({"method": "PUT", "path": format!("{path}/{name}?dryRun=All"), "body": object})
        }
        _ => json!({"method": "DELETE", "path": format!("{path}/{name}?dryRun=All")}),
    };
    if user {
        request["user"] = USER.into();
        request["groups"] = json!(GROUPS);
    }
    request
}

/// Creates what is there in some namespaces, and what lets the user do it all.
fn prepare(plane: &ControlPlane, namespaces: &[String]) {
    let mut all = Vec::new();
    for (at, namespace) in namespaces.iter().enumerate() {
        let level = ["restricted", "baseline", "privileged"][at % 3];
        all.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"level": level}}}));
        for mut object in there() {
            object["metadata"]["namespace"] = namespace.as_str().into();
            all.push(object);
        }
    }

    all.push(
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": USER},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}]}),
    );

    // Namespaces first; each in its turn, since several are asked at once.
    let spaces = namespaces.len();
    let post = |object: &Value| {
        let path = match object["kind"].as_str().expect("a kind") {
            "Namespace" => "/api/v1/namespaces".to_owned(),
            "ClusterRoleBinding" => {
                "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings".to_owned()
            }
            _ => {
                let (_, _, resource, root) = kind_of(object);
                format!(
                    "{root}/namespaces/{}/{resource}",
                    object["metadata"]["namespace"].as_str().expect("one")
                )
            }
        };
        json!({"method": "POST", "path": path, "body": object})
    };

    all.sort_by_key(|o| o["kind"] != "Namespace");
    for part in [&all[..spaces], &all[spaces..]] {
        let made = plane.ask(&part.iter().map(post).collect::<Vec<_>>());
        let refused: Vec<&Value> = made.iter().filter(|a| a["code"] != 201).collect();
        assert!(refused.is_empty(), "{:#?}", refused.first());
    }
}

#[test]
fn admission_verdicts_match_those_of_the_server() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let mut dice = Dice(11);
    let drawn: Vec<[Value; 2]> = (0..POLICIES).map(|at| policy(&mut dice, at)).collect();
    let mut namespaces: Vec<String> = (0..POLICIES).map(|at| format!("g-{at}")).collect();
    namespaces.extend(["g-free".into(), "g-last".into()]);
    prepare(plane, &namespaces);

    // What the server makes of each try where nothing stands against it: with its defaults.
    let tries = tries();
    let free: Vec<Value> = tries
        .iter()
        .map(|(operation, object)| sent(operation, object, "g-free", true))
        .collect();

    let made: Vec<Value> = plane.ask(&free);
    let refused: Vec<&Value> = made
        .iter()
        .filter(|a| a["code"].as_u64().is_none_or(|c| c >= 300))
        .collect();

    assert!(refused.is_empty(), "{refused:#?}");

    // One that the server does not take is none: what its type check finds is found before it is
    // bound.
    let root = "/apis/admissionregistration.k8s.io/v1";
    let post = |o: &Value| {
        let kind = if o["kind"] == "ValidatingAdmissionPolicy" {
            "validatingadmissionpolicies"
        } else {
            "validatingadmissionpolicybindings"
        };
        json!({"method": "POST", "path": format!("{root}/{kind}"), "body": o})
    };

    let taken = plane.ask(&drawn.iter().map(|[p, _]| post(p)).collect::<Vec<_>>());
    let bound: Vec<usize> = (0..POLICIES)
        .filter(|at| taken[*at]["code"] == 201)
        .collect();
    let messages = || {
        taken
            .iter()
            .filter(|t| t["code"] != 201)
            .map(|t| &t["body"]["message"])
            .collect::<Vec<_>>()
    };

    assert!(bound.len() * 10 > POLICIES * 9, "{:#?}", messages());
    let made_bindings = plane.ask(
        &bound
            .iter()
            .map(|at| post(&drawn[*at][1]))
            .collect::<Vec<_>>(),
    );

    assert!(
        made_bindings.iter().all(|a| a["code"] == 201),
        "{made_bindings:#?}"
    );

    // The last one tells when all are in force.
    let last = [
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "g-last"}, "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], "operations": ["*"]}]},
            "validations": [{"expression": "false"}]}}),
        json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "g-last"}, "spec": {
            "policyName": "g-last", "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "g-last"}}}}}),
    ];

    plane.ask(&last.each_ref().map(post));
    let started = Instant::now();

    while plane.ask(&[sent(tries[0].0, &tries[0].1, "g-last", true)])[0]["code"] == 201 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the policies are not in force"
        );
        std::thread::sleep(Duration::from_millis(500));
    }

    std::thread::sleep(Duration::from_secs(3));

    // What the cluster holds is the input, as `kubectl get` prints it.
    let kinds = "namespaces,configmaps,networkpolicies,resourcequotas,rolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings";
    let snapshot = plane.kubectl(&["get", kinds, "-A", "-o", "json"]).out;
    let mut sources = SourceMap::default();
    let span = sources.add_path("snapshot.json");
    let facts = read_snapshot(&snapshot, span, true).expect("a snapshot");
    assert!(facts.unevaluated.is_empty(), "{:?}", facts.unevaluated);
    let cluster = Cluster::new(
        Parts {
            facts,
            closed_world: true,
            ..Parts::default()
        },
        &|_, _, _| None,
    );

    let (mut questions, mut ours) = (Vec::new(), Vec::new());
    let review = AdmissionReview::new(&cluster);
    for at in &bound {
        let namespace = &namespaces[*at];
        for ((operation, object), made) in tries.iter().zip(&made) {
            let (kind, group, resource, _) = kind_of(object);
            let name = object["metadata"]["name"].as_str().expect("a name");
            let there = cluster
                .kept_of(namespace, group, kind)
                .into_iter()
                .find(|o| o.json().is_some_and(|o| o["metadata"]["name"] == name));

            let mut new = if *operation == "DELETE" {
                Value::Null
            } else {
                made["body"].clone()
            };

            if !new.is_null() {
                new["metadata"]["namespace"] = namespace.as_str().into();
            }
            let request = AdmissionRequest {
                operation,
                group: group.into(),
                version: "v1".into(),
                resource: resource.into(),
                subresource: String::new(),
                namespace: namespace.clone(),
                // The name of what is created comes with the object.
                name: name.into(),
                user: USER.into(),
                groups: GROUPS.map(str::to_owned).to_vec(),
                asker: Requester::One,
                object: if new.is_null() {
                    RequestObject::Absent
                } else {
                    RequestObject::Known(new.into())
                },
                old: if *operation == "CREATE" {
                    RequestObject::Absent
                } else {
                    there.expect("it is there")
                },
            };

            ours.push((request.clone(), review.admits(&request)));
            questions.push(sent(operation, object, namespace, true));
        }
    }

    let answers = plane.ask(&questions);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differ = Vec::new();

    for ((request, ours), theirs) in ours.iter().zip(&answers) {
        let message = theirs["body"]["message"].as_str().unwrap_or_default();
        let denied = message.contains("ValidatingAdmissionPolicy");
        assert!(
            denied || theirs["code"].as_u64().is_some_and(|c| c < 300),
            "{request:?}: {theirs}"
        );

        let word = match ours {
            AdmissionAnswer::Allowed => "allowed",
            AdmissionAnswer::Denied(..) => "denied",
            AdmissionAnswer::Unknown(..) => "not known",
        };

        if let AdmissionAnswer::Unknown(_, _, why) = ours {
            *reasons.entry(why.as_str()).or_default() += 1;
        }
        *counts.entry(word).or_default() += 1;

        if (word == "allowed" && denied) || (word == "denied" && !denied) {
            let at: usize = request.namespace[2..].parse().expect("a number");
            let spec = drawn[at][0]["spec"].as_object().expect("a spec").clone();
            let keys = ["failurePolicy", "matchConditions", "validations"];
            let spec = keys.map(|k| spec[k].to_string()).join(" ");
            let asked = format!(
                "{} {} {}: {word}",
                request.operation, request.resource, request.name
            );
            differ.push([asked, message.to_owned(), spec]);
        }
    }

    // They are in force for a while after they are gone, even against this.
    let grants = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let delete = |path: String| {
        plane
            .ask(&[json!({"method": "DELETE", "path": path})])
            .remove(0)
    };

    for kind in [
        "validatingadmissionpolicybindings",
        "validatingadmissionpolicies",
    ] {
        assert_eq!(delete(format!("{root}/{kind}"))["code"], 200);
    }

    let started = Instant::now();
    while delete(format!("{grants}/{USER}"))["code"] != 200 {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "the policies stay in force"
        );
        std::thread::sleep(Duration::from_millis(500));
    }

    say(&format!(
        "admission: {} policies, {} requests, {counts:?}, {} differ; not known: {reasons:?}",
        bound.len(),
        answers.len(),
        differ.len()
    ));

    assert!(differ.is_empty(), "{:#?}", &differ[..differ.len().min(8)]);
    assert!(
        counts["denied"] > 250
            && counts["allowed"] > 300
            && counts
                .get("not known")
                .is_none_or(|n| *n * 20 < answers.len())
    );
}

/// Drops what a server sets by itself, and no policy that is told apart by it asks for.
fn plain(object: &mut Value) {
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata
        .retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
}

/// What is tried of a floor is what the server has of it before admission: with all of its
/// defaults.
#[test]
fn tried_objects_have_the_defaults_of_the_server() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let namespace = "tried";
    let made = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}),
    ];

    for object in made {
        assert_eq!(
            plane
                .kubectl_with(&["create", "-f", "-"], &object.to_string())
                .code,
            0
        );
    }

    let tried: Vec<tamper::Example> = tamper::examples(namespace)
        .into_iter()
        .chain(pods::examples(namespace))
        .collect();

    let requests = tried.iter().map(|tamper::Example { group, resource, object }| {
        let version = object["apiVersion"].as_str().expect("a version");
        let root = if group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{version}") };
        json!({"method": "POST", "path": format!("{root}/namespaces/{namespace}/{resource}?dryRun=All"), "body": object})
    });

    let answers = plane.ask(&requests.collect::<Vec<_>>());
    let mut differ = Vec::new();

    for (tried, answer) in tried.iter().zip(answers) {
        assert_eq!(answer["code"], 201, "{answer}");
        let mut theirs = answer["body"].clone();
        let mut ours = tried.object.clone();
        plain(&mut theirs);
        plain(&mut ours);

        // A job's selector and the labels of its pods are its uid.
        if ours["kind"] == "Job" {
            theirs["spec"]
                .as_object_mut()
                .expect("a spec")
                .remove("selector");
            theirs["spec"]["template"]["metadata"]["labels"] =
                ours["spec"]["template"]["metadata"]["labels"].clone();
        }

        if theirs != ours {
            let kind = ours["kind"].to_string();
            if !differ.iter().any(|[k, ..]: &[String; 3]| *k == kind) {
                differ.push([kind, theirs.to_string(), ours.to_string()]);
            }
        }
    }

    say(&format!(
        "admission: {} objects that are tried, {} differ from the server's",
        tried.len(),
        differ.len()
    ));

    assert!(
        tried.len() > 50 && differ.is_empty(),
        "{:#?}",
        &differ[..differ.len().min(12)]
    );
}

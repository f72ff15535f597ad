//! Pods that are their node, asked of the admission policies.

use super::tamper::{Stand, Way, ask, who};
use crate::graph::Cluster;
use crate::graph::admission::{Body, Request, Written};
use crate::graph::rbac::{Rule, Subject};
use crate::isolation::power::{BECOME_ACCOUNT, Power};
use serde_json::{Value as Json, json};

/// What makes pods, and the service account of Kubernetes that makes them for it: nothing for a pod itself.
static MAKERS: [(&str, &str, &str, &str); 8] = [
    ("", "pods", "Pod", ""),
    ("apps", "deployments", "Deployment", "replicaset-controller"),
    ("apps", "replicasets", "ReplicaSet", "replicaset-controller"),
    ("apps", "statefulsets", "StatefulSet", "statefulset-controller"),
    ("apps", "daemonsets", "DaemonSet", "daemon-set-controller"),
    ("batch", "jobs", "Job", "job-controller"),
    ("batch", "cronjobs", "CronJob", "job-controller"),
    ("", "replicationcontrollers", "ReplicationController", "replication-controller"),
];

/// Resources of others that make pods: no policy is asked about them.
pub static OTHER_MAKERS: Power = Power {
    says: "makes pods",
    asks: &[
        ("argoproj.io", &["rollouts", "workflows", "cronworkflows"], &["create", "update", "patch"]),
        ("tekton.dev", &["taskruns", "pipelineruns"], &["create", "update", "patch"]),
        ("kubevirt.io", &["virtualmachines", "virtualmachineinstances"], &["create", "update", "patch"]),
        ("serving.knative.dev", &["services"], &["create", "update", "patch"]),
        ("ray.io", &["rayclusters", "rayjobs"], &["create", "update", "patch"]),
        ("kubeflow.org", &["notebooks", "pytorchjobs"], &["create", "update", "patch"]),
        ("sparkoperator.k8s.io", &["sparkapplications"], &["create", "update", "patch"]),
    ],
};

/// Ways of a pod to its node, by which Pod Security's `baseline` refuses it.
pub fn privileged() -> Vec<(&'static str, Json)> {
    let with = |change: &dyn Fn(&mut Json)| {
        let mut pod = plain();
        change(&mut pod);
        pod
    };
    let container = |pod: &mut Json, context: Json| pod["containers"][0]["securityContext"] = context;
    vec![
        ("a privileged container", with(&|p| container(p, json!({"privileged": true})))),
        (
            "a privileged init container",
            with(&|p| {
                let mut first = p["containers"][0].clone();
                first["name"] = "first".into();
                first["securityContext"] = json!({"privileged": true});
                p["initContainers"] = json!([first]);
            }),
        ),
        ("the node's processes (hostPID)", with(&|p| p["hostPID"] = true.into())),
        ("the node's memory (hostIPC)", with(&|p| p["hostIPC"] = true.into())),
        ("the node's network (hostNetwork)", with(&|p| p["hostNetwork"] = true.into())),
        (
            "the node's files (hostPath)",
            with(&|p| p["volumes"] = json!([{"name": "node", "hostPath": {"path": "/", "type": ""}}])),
        ),
        (
            "a folder of the node (hostPath)",
            with(&|p| p["volumes"] = json!([{"name": "node", "hostPath": {"path": "/var/log", "type": ""}}])),
        ),
        ("the capability SYS_ADMIN", with(&|p| container(p, json!({"capabilities": {"add": ["SYS_ADMIN"]}})))),
        ("the capability SYS_PTRACE", with(&|p| container(p, json!({"capabilities": {"add": ["SYS_PTRACE"]}})))),
        ("every capability", with(&|p| container(p, json!({"capabilities": {"add": ["ALL"]}})))),
    ]
}

/// The spec of a pod with the server's defaults.
fn plain() -> Json {
    let second = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    json!({
        "containers": [{
            "name": "app", "image": "registry.example/app:1", "imagePullPolicy": "IfNotPresent", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
        "automountServiceAccountToken": false,
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
        "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
        "serviceAccount": "default", "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
        "tolerations": [second("node.kubernetes.io/not-ready"), second("node.kubernetes.io/unreachable")],
    })
}

/// What the server adds to the spec of what makes pods, and its first status.
fn defaults(kind: &str) -> (Json, Json) {
    let rolling = |more: Json| json!({"type": "RollingUpdate", "rollingUpdate": more});
    match kind {
        "Pod" => (json!({}), json!({"phase": "Pending", "qosClass": "BestEffort"})),
        "Deployment" => (
            json!({"replicas": 1, "strategy": rolling(json!({"maxUnavailable": "25%", "maxSurge": "25%"})),
                   "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600}),
            json!({}),
        ),
        "StatefulSet" => (
            json!({"replicas": 1, "serviceName": "", "podManagementPolicy": "OrderedReady",
                   "updateStrategy": rolling(json!({"partition": 0})), "revisionHistoryLimit": 10,
                   "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"}}),
            json!({"replicas": 0, "availableReplicas": 0}),
        ),
        "DaemonSet" => (
            json!({"updateStrategy": rolling(json!({"maxUnavailable": 1, "maxSurge": 0})), "revisionHistoryLimit": 10}),
            json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0}),
        ),
        "Job" => (
            json!({"parallelism": 1, "completions": 1, "backoffLimit": 6, "manualSelector": false,
                   "completionMode": "NonIndexed", "suspend": false, "podReplacementPolicy": "TerminatingOrFailed"}),
            json!({}),
        ),
        "CronJob" => (
            json!({"concurrencyPolicy": "Allow", "suspend": false, "successfulJobsHistoryLimit": 3,
                   "failedJobsHistoryLimit": 1}),
            json!({}),
        ),
        _ => (json!({"replicas": 1}), json!({"replicas": 0})),
    }
}

fn object(kind: &str, namespace: &str, pod: &Json) -> Json {
    let mut pod = pod.clone();
    // A job's pods end by themselves.
    if kind.ends_with("Job") {
        pod["restartPolicy"] = "Never".into();
    }
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": pod});
    let mut spec = match kind {
        "Pod" => pod,
        "CronJob" => json!({"schedule": "* * * * *", "jobTemplate": {"metadata": {}, "spec": {"template": template}}}),
        "Job" => json!({"template": template}),
        "ReplicationController" => json!({"selector": {"app": "x"}, "template": template}),
        _ => json!({"selector": {"matchLabels": {"app": "x"}}, "template": template}),
    };
    let (more, status) = defaults(kind);
    if let (Json::Object(spec), Json::Object(more)) = (&mut spec, more) {
        spec.extend(more);
    }
    let version = match kind {
        "Pod" | "ReplicationController" => "v1",
        "Job" | "CronJob" => "batch/v1",
        _ => "apps/v1",
    };
    let mut metadata = json!({"name": "x", "namespace": namespace, "labels": {"app": "x"}});
    if kind == "DaemonSet" {
        metadata["annotations"] = json!({"deprecated.daemonset.template.generation": "1"});
    }
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec, "status": status})
}

/// What is tried to be created: the group, the resource, and the object with the server's defaults.
pub fn examples(namespace: &str) -> Vec<(&'static str, &'static str, Json)> {
    let of = |(group, resource, kind, _): &(&'static str, &'static str, &str, &str)| {
        let (group, resource, kind) = (*group, *resource, (*kind).to_owned());
        privileged().into_iter().map(move |(_, pod)| (group, resource, object(&kind, namespace, &pod)))
    };
    MAKERS.iter().flat_map(of).collect()
}

/// What the admission policies say to every pod of the node's that rules let a subject make in a namespace.
pub fn stand(cluster: &Cluster, namespace: &str, subject: &Subject, rules: &[Rule]) -> Stand {
    const WRITE: [&str; 3] = ["create", "update", "patch"];
    let request = |operation, group: &str, resource: &str, subject: &Subject, object: Body| {
        let (user, groups) = who(subject);
        let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
        let unseen = || Body::Written(Written { kind: "Pod".into(), ..Written::default() });
        Request {
            operation,
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            subresource: sub.to_owned(),
            namespace: namespace.to_owned(),
            name: String::new(),
            user,
            groups,
            object,
            old: if operation == "CREATE" { Body::Absent } else { unseen() },
        }
    };
    // Its metadata are its maker's: only the spec is what it is.
    let written = |kind: &str, pod: &Json| {
        let spec = object(kind, namespace, pod)["spec"].clone();
        Body::Written(Written { kind: kind.to_owned(), spec: Some(spec), ..Written::default() })
    };
    let touches = |verb: &str, group: &str, resource: &str| rules.iter().any(|r| r.touches(verb, group, resource));
    let mut ways = Vec::new();
    for (group, resource, kind, by) in MAKERS {
        for (operation, verbs) in [("CREATE", &WRITE[..1]), ("UPDATE", &WRITE[1..])] {
            // The spec of a pod that is there is fixed, but for what a subresource adds.
            if !verbs.iter().any(|v| touches(v, group, resource)) || (kind == "Pod" && operation == "UPDATE") {
                continue;
            }
            for (says, pod) in privileged() {
                let mut requests = vec![request(operation, group, resource, subject, written(kind, &pod))];
                if !by.is_empty() {
                    let account = Subject::ServiceAccount("kube-system".into(), by.into());
                    requests.push(request("CREATE", "", "pods", &account, written("Pod", &pod)));
                }
                let tries = vec![(
                    format!("runs a {kind} with {says}"),
                    requests.iter().map(|r| Request { object: as_tried(r, namespace, &pod), ..r.clone() }).collect(),
                )];
                ways.push(Way { says: format!("runs a {kind} with {says}"), requests, tries });
            }
        }
    }
    if ["update", "patch"].iter().any(|v| touches(v, "", "pods/ephemeralcontainers")) {
        let open = Body::Written(Written { kind: "Pod".into(), ..Written::default() });
        let requests = vec![request("UPDATE", "", "pods/ephemeralcontainers", subject, open)];
        ways.push(Way { says: "adds a privileged container to a pod".into(), requests, tries: Vec::new() });
    }
    // Flux applies what it is given, as a service account.
    match [&OTHER_MAKERS, &BECOME_ACCOUNT[4]].into_iter().find_map(|p| p.of(rules)) {
        Some(rule) => Stand::Open(format!("runs pods by {}: no policy was asked", rule.resources.join(", "))),
        None => ask(cluster, ways),
    }
}

/// A request's object with the metadata that a plain one has.
fn as_tried(request: &Request, namespace: &str, pod: &Json) -> Body {
    let kind = MAKERS.iter().find(|(group, resource, ..)| *group == request.group && *resource == request.resource);
    kind.map_or(Body::Absent, |(_, _, kind, _)| Body::Known(object(kind, namespace, pod)))
}

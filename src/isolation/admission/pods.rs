//! Pods that are their node, asked of the admission policies.

use super::tamper::{Stand, ask, who};
use crate::graph::Cluster;
use crate::graph::admission::Request;
use crate::graph::rbac::{Rule, Subject};
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
        ("the capability SYS_ADMIN", with(&|p| container(p, json!({"capabilities": {"add": ["SYS_ADMIN"]}})))),
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
    let (user, groups) = who(subject);
    let create = |group: &str, resource: &str, object: Json, user: &str, groups: &[String]| Request {
        operation: "CREATE",
        group: group.to_owned(),
        version: "v1".to_owned(),
        resource: resource.to_owned(),
        subresource: String::new(),
        namespace: namespace.to_owned(),
        name: "x".to_owned(),
        user: user.to_owned(),
        groups: groups.to_vec(),
        object,
        old: Json::Null,
    };
    let mut ways = Vec::new();
    for (group, resource, kind, by) in MAKERS {
        let writes =
            ["create", "update", "patch"].iter().any(|verb| rules.iter().any(|r| r.touches(verb, group, resource)));
        if !writes {
            continue;
        }
        for (says, pod) in privileged() {
            let mut requests = vec![create(group, resource, object(kind, namespace, &pod), &user, &groups)];
            if !by.is_empty() {
                let account = Subject::ServiceAccount("kube-system".into(), by.into());
                let (user, groups) = who(&account);
                requests.push(create("", "pods", object("Pod", namespace, &pod), &user, &groups));
            }
            ways.push((format!("runs a {kind} with {says}"), requests));
        }
    }
    match ways.is_empty() {
        // Other kinds make them: no policy was asked.
        true => Stand::Open("runs pods by kinds that no policy was asked about".into()),
        false => ask(cluster, ways),
    }
}

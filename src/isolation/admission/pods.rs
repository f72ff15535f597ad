//! Pods that are their node, asked of the admission policies.

use super::tamper::{Attack, PolicyVerdict, as_user, ask, asker};
use crate::graph::Cluster;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::request::{AdmissionRequest, RequestObject, SymbolicValue, WrittenObject};
use crate::graph::workload::BASELINE_CAPABILITIES;
use crate::isolation::capability::{BECOME_ACCOUNT, Capability};
use serde_json::{Value as Json, json};

/// What makes pods, and the service account of Kubernetes that makes them for it: nothing for a pod
/// itself.
static MAKERS: [(&str, &str, &str, &str); 8] = [
    ("", "pods", "Pod", ""),
    ("apps", "deployments", "Deployment", "replicaset-controller"),
    ("apps", "replicasets", "ReplicaSet", "replicaset-controller"),
    (
        "apps",
        "statefulsets",
        "StatefulSet",
        "statefulset-controller",
    ),
    ("apps", "daemonsets", "DaemonSet", "daemon-set-controller"),
    ("batch", "jobs", "Job", "job-controller"),
    ("batch", "cronjobs", "CronJob", "job-controller"),
    (
        "",
        "replicationcontrollers",
        "ReplicationController",
        "replication-controller",
    ),
];

/// Resources of others that make pods: no policy is asked about them.
pub static OTHER_MAKERS: Capability = Capability {
    description: "makes pods",
    grants: &[
        (
            "jobset.x-k8s.io",
            &["jobsets"],
            &["create", "update", "patch"],
        ),
        (
            "leaderworkerset.x-k8s.io",
            &["leaderworkersets"],
            &["create", "update", "patch"],
        ),
        (
            "apps.kruise.io",
            &["*", "clonesets", "statefulsets", "daemonsets"],
            &["create", "update", "patch"],
        ),
        (
            "batch.volcano.sh",
            &["jobs"],
            &["create", "update", "patch"],
        ),
        (
            "argoproj.io",
            &["rollouts", "workflows", "cronworkflows"],
            &["create", "update", "patch"],
        ),
        (
            "tekton.dev",
            &["taskruns", "pipelineruns"],
            &["create", "update", "patch"],
        ),
        (
            "kubevirt.io",
            &["virtualmachines", "virtualmachineinstances"],
            &["create", "update", "patch"],
        ),
        (
            "serving.knative.dev",
            &["services"],
            &["create", "update", "patch"],
        ),
        (
            "ray.io",
            &["rayclusters", "rayjobs"],
            &["create", "update", "patch"],
        ),
        (
            "kubeflow.org",
            &["notebooks", "pytorchjobs"],
            &["create", "update", "patch"],
        ),
        (
            "sparkoperator.k8s.io",
            &["sparkapplications"],
            &["create", "update", "patch"],
        ),
    ],
};

/// A way of a pod to its node: what it has, what its spec holds for it, and specs that are tried.
struct NodeAccess {
    says: &'static str,
    shape: SymbolicValue,
    tries: Vec<Json>,
}

fn fields(name: &'static str, shape: SymbolicValue) -> SymbolicValue {
    SymbolicValue::Fields(vec![(name, shape)])
}

/// Some container that has something in its security context.
fn some_container(list: &'static str, context: SymbolicValue) -> SymbolicValue {
    fields(
        list,
        SymbolicValue::Holding(Box::new(fields("securityContext", context))),
    )
}

/// A capability that `baseline` does not name: it may be one of the node's, in whatever letters,
/// with or without `CAP_`.
fn capability() -> SymbolicValue {
    fields(
        "capabilities",
        fields(
            "add",
            SymbolicValue::Holding(Box::new(SymbolicValue::NoneOf(&BASELINE_CAPABILITIES))),
        ),
    )
}

/// Ways of a pod to its node, by which Pod Security's `baseline` refuses it.
fn nodes() -> Vec<NodeAccess> {
    let with = |change: &dyn Fn(&mut Json)| {
        let mut pod = plain();
        change(&mut pod);
        pod
    };

    let of = |list: &'static str, context: Json| {
        with(&|p| {
            let mut container = p["containers"][0].clone();
            if list != "containers" {
                container["name"] = "first".into();
            }
            container["securityContext"] = context.clone();
            p[list] = json!([container]);
        })
    };

    let adds = |list, name: &str| of(list, json!({"capabilities": {"add": [name]}}));
    let path = |path: &str| {
        with(&|p| p["volumes"] = json!([{"name": "node", "hostPath": {"path": path, "type": ""}}]))
    };
    let host = |says, field: &'static str| NodeAccess {
        says,
        shape: fields(field, SymbolicValue::True),
        tries: vec![with(&|p| p[field] = true.into())],
    };

    let privileged = || fields("privileged", SymbolicValue::True);
    vec![
        NodeAccess {
            says: "a privileged container",
            shape: some_container("containers", privileged()),
            tries: vec![of("containers", json!({"privileged": true}))],
        },
        NodeAccess {
            says: "a privileged init container",
            shape: some_container("initContainers", privileged()),
            tries: vec![of("initContainers", json!({"privileged": true}))],
        },
        host("the node's processes (hostPID)", "hostPID"),
        host("the node's memory (hostIPC)", "hostIPC"),
        host("the node's network (hostNetwork)", "hostNetwork"),
        NodeAccess {
            says: "the node's files (hostPath)",
            shape: fields(
                "volumes",
                SymbolicValue::Holding(Box::new(fields(
                    "hostPath",
                    fields("path", SymbolicValue::Any),
                ))),
            ),
            tries: ["/", "/var/log", "/etc"].map(path).into(),
        },
        NodeAccess {
            says: "a capability of the node's",
            shape: some_container("containers", capability()),
            tries: ["SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "ALL"]
                .map(|c| adds("containers", c))
                .into(),
        },
        NodeAccess {
            says: "a capability of the node's in an init container",
            shape: some_container("initContainers", capability()),
            tries: ["SYS_ADMIN", "ALL"]
                .map(|c| adds("initContainers", c))
                .into(),
        },
    ]
}

/// What is known of an object that makes pods with such a spec.
fn made_of(kind: &str, pod: SymbolicValue) -> SymbolicValue {
    let template = |pod| fields("spec", fields("template", fields("spec", pod)));
    match kind {
        "Pod" => fields("spec", pod),
        "CronJob" => fields("spec", fields("jobTemplate", template(pod))),
        _ => template(pod),
    }
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
        "Pod" => (
            json!({}),
            json!({"phase": "Pending", "qosClass": "BestEffort"}),
        ),
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
        "CronJob" => {
            json!({"schedule": "* * * * *", "jobTemplate": {"metadata": {}, "spec": {"template": template}}})
        }
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
        let pods = nodes().into_iter().flat_map(|node| node.tries);
        pods.map(move |pod| (group, resource, object(&kind, namespace, &pod)))
    };

    MAKERS.iter().flat_map(of).collect()
}

/// What the admission policies say to every pod of the node's that rules let a subject make in a
/// namespace.
pub fn stand(
    cluster: &Cluster,
    namespace: &str,
    subject: &Subject,

    rules: &[PolicyRule],
) -> PolicyVerdict {
    const WRITE: [&str; 3] = ["create", "update", "patch"];
    let request =
        |operation, group: &str, resource: &str, subject: &Subject, object: RequestObject| {
            let (user, groups) = as_user(subject);
            let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let unseen = || {
                RequestObject::Written(WrittenObject {
                    kind: "Pod".into(),
                    ..WrittenObject::default()
                })
            };

            AdmissionRequest {
                operation,
                group: group.to_owned(),
                version: "v1".to_owned(),
                resource: resource.to_owned(),
                subresource: sub.to_owned(),
                namespace: namespace.to_owned(),
                name: String::new(),
                user,
                groups,
                asker: asker(subject),
                object,
                old: if operation == "CREATE" {
                    RequestObject::Absent
                } else {
                    unseen()
                },
            }
        };

    // All but what makes it the node's is its maker's to write.
    let written = |kind: &str, pod: &SymbolicValue| {
        let shape = Some(made_of(kind, pod.clone()));
        RequestObject::Written(WrittenObject {
            kind: kind.to_owned(),
            shape,
            ..WrittenObject::default()
        })
    };

    let touches = |verb: &str, group: &str, resource: &str| {
        rules.iter().any(|r| r.touches(verb, group, resource))
    };
    let mut ways = Vec::new();

    for (group, resource, kind, by) in MAKERS {
        for (operation, verbs) in [("CREATE", &WRITE[..1]), ("UPDATE", &WRITE[1..])] {
            // The spec of a pod that is there is fixed, but for what a subresource adds.
            if !verbs.iter().any(|v| touches(v, group, resource))
                || (kind == "Pod" && operation == "UPDATE")
            {
                continue;
            }
            for node in nodes() {
                let own = request(
                    operation,
                    group,
                    resource,
                    subject,
                    written(kind, &node.shape),
                );

                let says = format!("runs a {kind} with {}", node.says);
                if by.is_empty() {
                    let tried = |pod: &Json| {
                        vec![AdmissionRequest {
                            object: as_tried(&own, namespace, pod),
                            ..own.clone()
                        }]
                    };

                    let tries = node
                        .tries
                        .iter()
                        .map(|pod| (says.clone(), tried(pod)))
                        .collect();

                    ways.push(Attack {
                        says,
                        requests: vec![own],
                        tries,
                    });

                    continue;
                }

                // Of these the controller makes pods by revisions too, which others may have
                // written.
                let by_revision = ["StatefulSet", "DaemonSet"].contains(&kind);
                let account = Subject::ServiceAccount("kube-system".into(), by.into());

                for maker in [
                    account,
                    Subject::User("system:kube-controller-manager".into()),
                ] {
                    let pod = request("CREATE", "", "pods", &maker, written("Pod", &node.shape));
                    let all = [own.clone(), pod];
                    let tried = |pod: &Json| -> Vec<AdmissionRequest> {
                        all.iter()
                            .map(|r| AdmissionRequest {
                                object: as_tried(r, namespace, pod),
                                ..r.clone()
                            })
                            .collect()
                    };
                    // That all controllers are one user is so on some clusters alone.
                    let tries = match maker {
                        Subject::User(_) => Vec::new(),
                        _ => node
                            .tries
                            .iter()
                            .map(|pod| (says.clone(), tried(pod)))
                            .collect(),
                    };
                    let requests = all[usize::from(by_revision)..].to_vec();
                    ways.push(Attack {
                        says: says.clone(),
                        requests,
                        tries,
                    });
                }
            }
        }
    }

    if WRITE
        .iter()
        .any(|v| touches(v, "apps", "controllerrevisions"))
    {
        for node in nodes() {
            let account =
                Subject::ServiceAccount("kube-system".into(), "statefulset-controller".into());
            let requests = vec![request(
                "CREATE",
                "",
                "pods",
                &account,
                written("Pod", &node.shape),
            )];

            let says = format!(
                "writes a ControllerRevision by which a StatefulSet runs a pod with {}",
                node.says
            );

            ways.push(Attack {
                says,
                requests,
                tries: Vec::new(),
            });
        }
    }

    if ["update", "patch"]
        .iter()
        .any(|v| touches(v, "", "pods/ephemeralcontainers"))
    {
        for shape in [fields("privileged", SymbolicValue::True), capability()] {
            let shape = some_container("ephemeralContainers", shape);
            let requests = vec![request(
                "UPDATE",
                "",
                "pods/ephemeralcontainers",
                subject,
                written("Pod", &shape),
            )];
            ways.push(Attack {
                says: "adds a privileged container to a pod".into(),
                requests,
                tries: Vec::new(),
            });
        }
    }

    // Flux applies what it is given, as a service account.
    match [&OTHER_MAKERS, &BECOME_ACCOUNT[4]]
        .into_iter()
        .find_map(|p| p.of(rules))
    {
        Some(rule) => PolicyVerdict::Open(format!(
            "runs pods by {}: no policy was asked",
            rule.resources.join(", ")
        )),
        None => ask(cluster, ways),
    }
}

/// A request's object with the metadata that a plain one has.
fn as_tried(request: &AdmissionRequest, namespace: &str, pod: &Json) -> RequestObject {
    let kind = MAKERS
        .iter()
        .find(|(group, resource, ..)| *group == request.group && *resource == request.resource);
    kind.map_or(RequestObject::Absent, |(_, _, kind, _)| {
        RequestObject::Known(object(kind, namespace, pod))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds;

    #[test]
    fn makers_are_as_the_table_has_them() {
        for (group, resource, kind, _) in MAKERS {
            assert_eq!(kinds::find(group, kind).unwrap().plural, resource);
        }
    }
}

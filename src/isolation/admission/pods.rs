//! Pods that take over their node, held against the admission policies.

use super::attacks::{Attack, AttackReview, Attacker, Attempt, PolicyVerdict, as_user, requester};
use super::tamper::Example;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::request::{AdmissionRequest, RequestObject, SymbolicValue, WrittenObject};
use crate::isolation::capability::{APPLY_BY_FLUX, Capability, Effect, Permission};
use crate::kube::validation::BASELINE_CAPABILITIES;
use serde_json::{Value as Json, json};
use std::iter;
use std::sync::LazyLock;

/// A kind of object of which Kubernetes makes pods.
struct PodMaker {
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    /// The service account in `kube-system` that creates the pods; `None` for a pod itself.
    controller: Option<&'static str>,
}

const fn pod_maker(
    group: &'static str,
    resource: &'static str,
    kind: &'static str,
    controller: Option<&'static str>,
) -> PodMaker {
    PodMaker {
        group,
        resource,
        kind,
        controller,
    }
}

static POD_MAKERS: [PodMaker; 8] = [
    pod_maker("", "pods", "Pod", None),
    pod_maker(
        "apps",
        "deployments",
        "Deployment",
        Some("replicaset-controller"),
    ),
    pod_maker(
        "apps",
        "replicasets",
        "ReplicaSet",
        Some("replicaset-controller"),
    ),
    pod_maker(
        "apps",
        "statefulsets",
        "StatefulSet",
        Some(STATEFUL_SET_CONTROLLER),
    ),
    pod_maker(
        "apps",
        "daemonsets",
        "DaemonSet",
        Some("daemon-set-controller"),
    ),
    pod_maker("batch", "jobs", "Job", Some("job-controller")),
    pod_maker("batch", "cronjobs", "CronJob", Some("job-controller")),
    pod_maker(
        "",
        "replicationcontrollers",
        "ReplicationController",
        Some("replication-controller"),
    ),
];

const STATEFUL_SET_CONTROLLER: &str = "statefulset-controller";

/// The user of all controllers on clusters that give them no service accounts.
const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";

const WRITE: &[&str] = &["create", "update", "patch"];

/// Objects of which operators make pods that run as an account that the object names. No policy is
/// evaluated for them.
///
/// Source: the API reference of each project (`serviceAccountName`, `serviceAccount`, a pod template).
pub static CREATE_PODS_BY_OPERATOR: Capability = Capability {
    effect: Effect::CreatePodsByOperator,
    permissions: &[
        Permission::new("jobset.x-k8s.io", &["jobsets"], WRITE),
        Permission::new("leaderworkerset.x-k8s.io", &["leaderworkersets"], WRITE),
        Permission::new(
            "apps.kruise.io",
            &[
                "*",
                "clonesets",
                "statefulsets",
                "daemonsets",
                "broadcastjobs",
                "advancedcronjobs",
            ],
            WRITE,
        ),
        Permission::new("apps.openshift.io", &["deploymentconfigs"], WRITE),
        Permission::new("build.openshift.io", &["buildconfigs", "builds"], WRITE),
        Permission::new("batch.volcano.sh", &["jobs", "cronjobs"], WRITE),
        Permission::new(
            "argoproj.io",
            &[
                "rollouts",
                "workflows",
                "cronworkflows",
                "sensors",
                "eventsources",
            ],
            WRITE,
        ),
        Permission::new("tekton.dev", &["taskruns", "pipelineruns"], WRITE),
        Permission::new("triggers.tekton.dev", &["eventlisteners"], WRITE),
        Permission::new("shipwright.io", &["buildruns"], WRITE),
        Permission::new(
            "kubevirt.io",
            &[
                "virtualmachines",
                "virtualmachineinstances",
                "virtualmachineinstancereplicasets",
            ],
            WRITE,
        ),
        Permission::new("pool.kubevirt.io", &["virtualmachinepools"], WRITE),
        Permission::new(
            "serving.knative.dev",
            &["services", "configurations"],
            WRITE,
        ),
        Permission::new("sources.knative.dev", &["containersources"], WRITE),
        Permission::new("keda.sh", &["scaledjobs"], WRITE),
        Permission::new("ray.io", &["rayclusters", "rayjobs", "rayservices"], WRITE),
        Permission::new(
            "kubeflow.org",
            &[
                "notebooks",
                "pytorchjobs",
                "tfjobs",
                "mpijobs",
                "xgboostjobs",
                "paddlejobs",
                "jaxjobs",
            ],
            WRITE,
        ),
        Permission::new("trainer.kubeflow.org", &["trainjobs"], WRITE),
        Permission::new(
            "serving.kserve.io",
            &["inferenceservices", "servingruntimes"],
            WRITE,
        ),
        Permission::new("machinelearning.seldon.io", &["seldondeployments"], WRITE),
        Permission::new(
            "sparkoperator.k8s.io",
            &["sparkapplications", "scheduledsparkapplications"],
            WRITE,
        ),
        Permission::new("flink.apache.org", &["flinkdeployments"], WRITE),
        Permission::new("kubernetes.dask.org", &["daskclusters", "daskjobs"], WRITE),
        Permission::new("opentelemetry.io", &["opentelemetrycollectors"], WRITE),
        Permission::new(
            "monitoring.coreos.com",
            &[
                "prometheuses",
                "prometheusagents",
                "alertmanagers",
                "thanosrulers",
            ],
            WRITE,
        ),
        Permission::new(
            "operator.victoriametrics.com",
            &["vmagents", "vmsingles", "vmalerts", "vmauths"],
            WRITE,
        ),
        Permission::new("jaegertracing.io", &["jaegers"], WRITE),
        Permission::new("elasticsearch.k8s.elastic.co", &["elasticsearches"], WRITE),
        Permission::new("kibana.k8s.elastic.co", &["kibanas"], WRITE),
        Permission::new("agent.k8s.elastic.co", &["agents"], WRITE),
        Permission::new("grafana.integreatly.org", &["grafanas"], WRITE),
        Permission::new(
            "actions.github.com",
            &[
                "autoscalingrunnersets",
                "ephemeralrunnersets",
                "ephemeralrunners",
            ],
            WRITE,
        ),
        Permission::new(
            "actions.summerwind.dev",
            &[
                "runners",
                "runnerdeployments",
                "runnersets",
                "runnerreplicasets",
            ],
            WRITE,
        ),
        Permission::new("k6.io", &["testruns", "k6s"], WRITE),
        Permission::new("litmuschaos.io", &["chaosengines"], WRITE),
    ],
};

/// A pod's access to its node: the field that asks for it, and pod specs to try.
struct NodeAccess {
    /// What the pod has, as a phrase.
    phrase: &'static str,
    shape: SymbolicValue,
    specs: Vec<Json>,
}

fn fields(name: &'static str, shape: SymbolicValue) -> SymbolicValue {
    SymbolicValue::Fields(vec![(name, shape)])
}

fn holding(shape: SymbolicValue) -> SymbolicValue {
    SymbolicValue::Holding(Box::new(shape))
}

/// Some container of a list has this in its security context.
fn some_container(list: &'static str, context: SymbolicValue) -> SymbolicValue {
    fields(list, holding(fields("securityContext", context)))
}

fn privileged() -> SymbolicValue {
    fields("privileged", SymbolicValue::True)
}

/// A capability that `baseline` does not list: it may be one of the node's, in any letter case,
/// with or without `CAP_`.
fn capability() -> SymbolicValue {
    let added = holding(SymbolicValue::NoneOf(&BASELINE_CAPABILITIES));
    fields("capabilities", fields("add", added))
}

/// Every access to the node for which Pod Security's `baseline` refuses a pod.
static NODE_ACCESSES: LazyLock<Vec<NodeAccess>> = LazyLock::new(node_accesses);

fn node_accesses() -> Vec<NodeAccess> {
    let host_path = holding(fields("hostPath", fields("path", SymbolicValue::Any)));
    vec![
        privileged_container("a privileged container", "containers"),
        privileged_container("a privileged init container", "initContainers"),
        host_namespace("the node's processes (hostPID)", "hostPID"),
        host_namespace("the node's memory (hostIPC)", "hostIPC"),
        host_namespace("the node's network (hostNetwork)", "hostNetwork"),
        NodeAccess {
            phrase: "the node's files (hostPath)",
            shape: fields("volumes", host_path),
            specs: ["/", "/var/log", "/etc"].map(pod_with_host_path).into(),
        },
        NodeAccess {
            phrase: "a capability of the node's",
            shape: some_container("containers", capability()),
            specs: ["SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "ALL"]
                .map(|name| pod_with_capability("containers", name))
                .into(),
        },
        NodeAccess {
            phrase: "a capability of the node's in an init container",
            shape: some_container("initContainers", capability()),
            specs: ["SYS_ADMIN", "ALL"]
                .map(|name| pod_with_capability("initContainers", name))
                .into(),
        },
    ]
}

fn privileged_container(phrase: &'static str, list: &'static str) -> NodeAccess {
    NodeAccess {
        phrase,
        shape: some_container(list, privileged()),
        specs: vec![pod_with_container(list, json!({"privileged": true}))],
    }
}

fn host_namespace(phrase: &'static str, field: &'static str) -> NodeAccess {
    let mut spec = plain_pod();
    spec[field] = true.into();
    NodeAccess {
        phrase,
        shape: fields(field, SymbolicValue::True),
        specs: vec![spec],
    }
}

/// A pod spec with one container in a list, which has this security context.
fn pod_with_container(list: &str, context: Json) -> Json {
    let mut spec = plain_pod();
    let mut container = spec["containers"][0].clone();
    if list != "containers" {
        container["name"] = "first".into();
    }
    container["securityContext"] = context;
    spec[list] = json!([container]);
    spec
}

fn pod_with_capability(list: &str, name: &str) -> Json {
    pod_with_container(list, json!({"capabilities": {"add": [name]}}))
}

fn pod_with_host_path(path: &str) -> Json {
    let mut spec = plain_pod();
    spec["volumes"] = json!([{"name": "node", "hostPath": {"path": path, "type": ""}}]);
    spec
}

/// An object of a kind that makes pods, of which only the pod spec is known.
fn object_shape(kind: &str, pod: SymbolicValue) -> SymbolicValue {
    let template = |pod| fields("spec", fields("template", fields("spec", pod)));
    match kind {
        "Pod" => fields("spec", pod),
        "CronJob" => fields("spec", fields("jobTemplate", template(pod))),
        _ => template(pod),
    }
}

/// A pod spec with the defaults of the API server.
fn plain_pod() -> Json {
    let tolerated = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
    json!({
        "containers": [{
            "name": "app", "image": "registry.example/app:1", "imagePullPolicy": "IfNotPresent", "resources": {},
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
        "automountServiceAccountToken": false,
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
        "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {},
        "serviceAccount": "default", "serviceAccountName": "default", "terminationGracePeriodSeconds": 30,
        "tolerations": [tolerated("node.kubernetes.io/not-ready"), tolerated("node.kubernetes.io/unreachable")],
    })
}

/// The defaults that the API server adds to the spec of an object, and its first status.
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

/// An object that makes pods with a spec.
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

/// The objects that attacks try to create.
pub fn examples(namespace: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    for maker in &POD_MAKERS {
        let specs = NODE_ACCESSES.iter().flat_map(|access| &access.specs);
        examples.extend(specs.map(|spec| Example {
            group: maker.group,
            resource: maker.resource,
            object: object(maker.kind, namespace, spec),
        }));
    }
    examples
}

/// Returns what the admission policies say to every pod with access to its node that its role lets an
/// attacker create.
pub fn verdict(review: &mut AttackReview<'_>, attacker: &Attacker<'_>) -> PolicyVerdict {
    review.verdict(attacker, "pods", |_| attacks(attacker))
}

/// The attacks that create such a pod.
///
/// # Errors
/// An attack that no policy is asked about.
fn attacks(attacker: &Attacker<'_>) -> Result<Vec<Attack>, String> {
    // Policies are not evaluated for the objects of operators, nor for those that Flux applies.
    let by_others = [&CREATE_PODS_BY_OPERATOR, &APPLY_BY_FLUX]
        .into_iter()
        .find_map(|capability| capability.given_by(attacker.rules));
    if let Some(rule) = by_others {
        return Err(format!(
            "runs pods by {}: no policy was asked",
            rule.resources.join(", ")
        ));
    }

    let author = PodAuthor {
        namespace: attacker.namespace,
        subject: attacker.subject,
        rules: attacker.rules,
    };
    let mut attacks = Vec::new();
    for maker in &POD_MAKERS {
        for operation in &OPERATIONS {
            if author.may(operation, maker) {
                attacks.extend(author.through_maker(operation, maker));
            }
        }
    }
    attacks.extend(author.through_revisions());
    attacks.extend(author.through_ephemeral_containers());
    Ok(attacks)
}

/// An operation of admission, and the verbs of RBAC that permit it.
struct Operation {
    name: &'static str,
    verbs: &'static [&'static str],
}

static OPERATIONS: [Operation; 2] = [
    Operation {
        name: "CREATE",
        verbs: &["create"],
    },
    Operation {
        name: "UPDATE",
        verbs: &["update", "patch"],
    },
];

/// A subject that writes objects of which pods are made, in a namespace.
struct PodAuthor<'a> {
    namespace: &'a str,
    subject: &'a Subject,
    rules: &'a [PolicyRule],
}

impl PodAuthor<'_> {
    fn touches(&self, verbs: &[&str], group: &str, resource: &str) -> bool {
        let rules = self.rules.iter();
        rules
            .flat_map(|rule| verbs.iter().map(move |verb| (rule, verb)))
            .any(|(rule, verb)| rule.touches(verb, group, resource))
    }

    fn may(&self, operation: &Operation, maker: &PodMaker) -> bool {
        // The spec of an existing pod is fixed; only a subresource adds to it.
        let fixed = maker.kind == "Pod" && operation.name == "UPDATE";
        !fixed && self.touches(operation.verbs, maker.group, maker.resource)
    }

    fn request(
        &self,
        operation: &'static str,
        group: &str,
        resource: &str,
        subject: &Subject,
        object: RequestObject,
    ) -> AdmissionRequest {
        let (user, groups) = as_user(subject);
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let old = match operation {
            "CREATE" => RequestObject::Absent,
            _ => RequestObject::Written(WrittenObject {
                kind: "Pod".into(),
                ..WrittenObject::default()
            }),
        };

        AdmissionRequest {
            operation,
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: self.namespace.to_owned(),
            name: String::new(),
            user,
            groups,
            asker: requester(subject),
            object,
            old,
        }
    }

    /// The request by which a controller creates a pod.
    fn pod_request(&self, controller: &Subject, spec: &SymbolicValue) -> AdmissionRequest {
        self.request("CREATE", "", "pods", controller, written("Pod", spec))
    }

    /// The attacks that write an object of which Kubernetes makes a pod.
    fn through_maker(&self, operation: &Operation, maker: &PodMaker) -> Vec<Attack> {
        let mut attacks = Vec::new();
        for access in NODE_ACCESSES.iter() {
            let description = format!("runs a {} with {}", maker.kind, access.phrase);
            let own = self.request(
                operation.name,
                maker.group,
                maker.resource,
                self.subject,
                written(maker.kind, &access.shape),
            );
            let Some(controller) = maker.controller else {
                attacks.push(Attack {
                    attempts: attempts(&description, std::slice::from_ref(&own), access),
                    requests: vec![own],
                    description,
                });
                continue;
            };

            // These controllers make pods of revisions too, which others may have written.
            let by_revision = ["StatefulSet", "DaemonSet"].contains(&maker.kind);
            let account = service_account(controller);
            let pod = self.pod_request(&account, &access.shape);
            let requests = [own.clone(), pod];
            attacks.push(Attack {
                description: description.clone(),
                attempts: attempts(&description, &requests, access),
                requests: requests[usize::from(by_revision)..].to_vec(),
            });

            // Only some clusters have one user for all controllers: nothing is tried as it.
            let manager = Subject::User(CONTROLLER_MANAGER.into());
            let requests = [own, self.pod_request(&manager, &access.shape)];
            attacks.push(Attack {
                description,
                attempts: Box::new(iter::empty()),
                requests: requests[usize::from(by_revision)..].to_vec(),
            });
        }
        attacks
    }

    /// The attacks that write a ControllerRevision, of which a StatefulSet makes its pods.
    fn through_revisions(&self) -> Vec<Attack> {
        if !self.touches(WRITE, "apps", "controllerrevisions") {
            return Vec::new();
        }
        let controller = service_account(STATEFUL_SET_CONTROLLER);
        let attack = |access: &NodeAccess| Attack {
            description: format!(
                "writes a ControllerRevision by which a StatefulSet runs a pod with {}",
                access.phrase
            ),
            requests: vec![self.pod_request(&controller, &access.shape)],
            attempts: Box::new(iter::empty()),
        };
        NODE_ACCESSES.iter().map(attack).collect()
    }

    /// The attacks that add a container to a running pod.
    fn through_ephemeral_containers(&self) -> Vec<Attack> {
        const RESOURCE: &str = "pods/ephemeralcontainers";
        if !self.touches(&["update", "patch"], "", RESOURCE) {
            return Vec::new();
        }
        let attack = |context: SymbolicValue| {
            let shape = some_container("ephemeralContainers", context);
            let object = written("Pod", &shape);
            Attack {
                description: "adds a privileged container to a pod".into(),
                requests: vec![self.request("UPDATE", "", RESOURCE, self.subject, object)],
                attempts: Box::new(iter::empty()),
            }
        };
        [privileged(), capability()].map(attack).into()
    }
}

/// Requests with each pod spec of an access written into them.
fn attempts(
    description: &str,
    requests: &[AdmissionRequest],
    access: &'static NodeAccess,
) -> Box<dyn Iterator<Item = Attempt>> {
    let with_spec = |request: &AdmissionRequest, spec: &Json| {
        let maker = POD_MAKERS
            .iter()
            .find(|maker| maker.group == request.group && maker.resource == request.resource);
        AdmissionRequest {
            object: maker.map_or(RequestObject::Absent, |maker| {
                RequestObject::Known(object(maker.kind, &request.namespace, spec).into())
            }),
            ..request.clone()
        }
    };

    let (description, requests) = (description.to_owned(), requests.to_vec());
    let attempt = move |spec: &Json| Attempt {
        description: description.clone(),
        requests: requests
            .iter()
            .map(|request| with_spec(request, spec))
            .collect(),
    };
    Box::new(access.specs.iter().map(attempt))
}

fn service_account(controller: &str) -> Subject {
    Subject::ServiceAccount("kube-system".into(), controller.into())
}

/// An object with this pod spec. Its author chooses all other fields.
fn written(kind: &str, spec: &SymbolicValue) -> RequestObject {
    RequestObject::Written(WrittenObject {
        kind: kind.to_owned(),
        shape: Some(object_shape(kind, spec.clone())),
        ..WrittenObject::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds;

    #[test]
    fn makers_are_as_the_table_has_them() {
        for maker in &POD_MAKERS {
            let kind = kinds::find(maker.group, maker.kind).unwrap();
            assert_eq!(kind.plural, maker.resource);
        }
    }
}

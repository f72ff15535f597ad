//! What an object's own status says: whether it has become what its spec asks for.
//!
//! The rules are those of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus/status), by which `kubectl`,
//! Flux and Kustomize wait.

use crate::value::Value;
use jiff::Timestamp;

/// How far an object has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It is what was asked for.
    Current,
    /// It is being made so.
    InProgress,
    /// It will not become so by itself.
    Failed,
    /// It is being deleted.
    Terminating,
}

/// What an object's status comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectStatus {
    /// How far it has come.
    pub stage: Stage,
    /// Why, in one word; empty where it is current.
    pub reason: String,
    /// Why, as its controller says it; may be empty.
    pub message: String,
}

/// How long a pod may be without a node before that is a failure, in seconds.
const SCHEDULE_WINDOW: i64 = 15;

impl ObjectStatus {
    /// The status of an object that is as its spec asks.
    pub fn current() -> Self {
        Self {
            stage: Stage::Current,
            reason: String::new(),
            message: String::new(),
        }
    }

    fn progress(reason: &str, message: impl Into<String>) -> Self {
        Self {
            stage: Stage::InProgress,
            reason: reason.into(),
            message: message.into(),
        }
    }

    fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self {
            stage: Stage::Failed,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// The status of an object of a kind of an API group, at a time.
    pub fn of(group: &str, kind: &str, object: &Value, now: Timestamp) -> Self {
        if !object.at(&["metadata", "deletionTimestamp"]).is_null() {
            return Self {
                stage: Stage::Terminating,
                reason: "Terminating".into(),
                message: String::new(),
            };
        }

        let (generation, observed) = (
            object.at(&["metadata", "generation"]),
            object.at(&["status", "observedGeneration"]),
        );

        if let (Value::Number(generation), Value::Number(observed)) = (generation, observed)
            && generation != observed
        {
            let message = format!("generation {generation} is there, {observed} was looked at");
            return Self::progress("LatestGenerationNotObserved", message);
        }

        for condition in conditions(object).filter(|c| c.is("True")) {
            match condition.kind {
                "Reconciling" => return Self::progress(condition.reason, condition.message),
                "Stalled" => return Self::failed(condition.reason, condition.message),
                _ => {}
            }
        }

        match (group, kind) {
            ("apps", "Deployment") => deployment(object),
            ("apps", "StatefulSet") => stateful_set(object),
            ("apps", "DaemonSet") => daemon_set(object),
            ("apps" | "extensions", "ReplicaSet") => replica_set(object),
            ("", "Pod") => pod(object, now),
            ("", "PersistentVolumeClaim") => match text(object, &["status", "phase"]) {
                "Bound" => Self::current(),
                phase => Self::progress(
                    "NotBound",
                    format!("the claim is {}", or(phase, "not bound")),
                ),
            },
            ("", "Service") => {
                let without = text(object, &["spec", "clusterIP"]).is_empty();
                match text(object, &["spec", "type"]) == "LoadBalancer" && without {
                    true => Self::progress("NoIPAssigned", "it has no cluster IP"),
                    false => Self::current(),
                }
            }
            ("batch", "Job") => job(object),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
            ("batch", "CronJob")
            | ("", "ConfigMap" | "Secret")
            | ("policy", "PodDisruptionBudget") => Self::current(),
            ("argoproj.io", "Application") => application(object),
            _ => ready(object),
        }
    }
}

/// A condition of a status.
pub struct StatusCondition<'a> {
    /// Its type.
    pub kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// Why, in one word.
    pub reason: &'a str,
    /// Why, for people.
    pub message: &'a str,
    /// Since when, as RFC 3339; may be empty.
    pub since: &'a str,
}

impl StatusCondition<'_> {
    fn is(&self, status: &str) -> bool {
        self.status == status
    }
}

/// The conditions of an object.
pub fn conditions(object: &Value) -> impl Iterator<Item = StatusCondition<'_>> {
    object
        .at(&["status", "conditions"])
        .items()
        .iter()
        .map(|c| StatusCondition {
            kind: text(c, &["type"]),
            status: text(c, &["status"]),
            reason: text(c, &["reason"]),
            message: text(c, &["message"]),
            since: text(c, &["lastTransitionTime"]),
        })
}

/// The text at a path; empty where there is none.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    object.at(path).as_str().unwrap_or_default()
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn number(object: &Value, path: &[&str]) -> Option<i64> {
    if let Value::Number(number) = object.at(path) {
        number.as_i64()
    } else {
        None
    }
}

/// The first of some comparisons of counts that does not hold: a reason, what there is, what there
/// should be at least.
fn counts(all: &[(&str, i64, i64)]) -> Option<ObjectStatus> {
    let (reason, there, wanted) = all.iter().find(|(_, there, wanted)| there < wanted)?;
    Some(ObjectStatus::progress(
        reason,
        format!("{there} of {wanted}"),
    ))
}

fn deployment(object: &Value) -> ObjectStatus {
    let mut progressing = number(object, &["spec", "progressDeadlineSeconds"])
        .is_none_or(|s| s == i64::from(i32::MAX));
    let mut available = false;

    for condition in conditions(object) {
        match condition.kind {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return ObjectStatus::failed(condition.reason, condition.message);
            }
            "Progressing" => {
                progressing |= condition.is("True") && condition.reason == "NewReplicaSetAvailable"
            }
            "Available" => available |= condition.is("True"),
            _ => {}
        }
    }

    let status = |key: &str| number(object, &["status", key]).unwrap_or(0);
    let spec = number(object, &["spec", "replicas"]).unwrap_or(1);
    counts(&[
        ("LessReplicas", status("replicas"), spec),
        ("LessUpdated", status("updatedReplicas"), spec),
        ("ExtraPods", spec, status("replicas")),
        (
            "LessAvailable",
            status("availableReplicas"),
            status("updatedReplicas"),
        ),
        ("LessReady", status("readyReplicas"), spec),
    ])
    .unwrap_or_else(|| match (progressing, available) {
        (false, _) => ObjectStatus::progress(
            "ReplicaSetNotAvailable",
            "its new ReplicaSet is not available",
        ),
        (_, false) => ObjectStatus::progress("DeploymentNotAvailable", "it is not available"),
        _ => ObjectStatus::current(),
    })
}

fn stateful_set(object: &Value) -> ObjectStatus {
    if text(object, &["spec", "updateStrategy", "type"]) == "OnDelete" {
        return ObjectStatus::current();
    }
    let status = |key: &str| number(object, &["status", key]).unwrap_or(0);
    let spec = number(object, &["spec", "replicas"]).unwrap_or(1);
    let partition = number(
        object,
        &["spec", "updateStrategy", "rollingUpdate", "partition"],
    );

    let short = counts(&[
        ("LessReplicas", status("replicas"), spec),
        ("LessReady", status("readyReplicas"), spec),
        ("ExtraPods", spec, status("replicas")),
    ]);

    let then = || match partition {
        Some(partition) => counts(&[(
            "PartitionRollout",
            status("updatedReplicas"),
            spec - partition,
        )]),
        None => counts(&[("LessCurrent", status("currentReplicas"), spec)]).or_else(|| {
            let (current, wanted) = (
                text(object, &["status", "currentRevision"]),
                text(object, &["status", "updateRevision"]),
            );
            (current != wanted)
                .then(|| ObjectStatus::progress("RevisionMismatch", "its revisions differ"))
        }),
    };

    short.or_else(then).unwrap_or_else(ObjectStatus::current)
}

fn daemon_set(object: &Value) -> ObjectStatus {
    let status = |key: &str| number(object, &["status", key]);
    if number(object, &["metadata", "generation"]).is_none() {
        return ObjectStatus::progress("NoGeneration", "it has no generation");
    }

    if status("observedGeneration").is_none() {
        return ObjectStatus::progress(
            "NoObservedGeneration",
            "its controller has not looked at it",
        );
    }

    let Some(wanted) = status("desiredNumberScheduled") else {
        return ObjectStatus::progress("NoDesiredNumber", "how many nodes it is for is not said");
    };
    let status = |key: &str| status(key).unwrap_or(0);
    counts(&[
        ("LessCurrent", status("currentNumberScheduled"), wanted),
        ("LessUpdated", status("updatedNumberScheduled"), wanted),
        ("LessAvailable", status("numberAvailable"), wanted),
        ("LessReady", status("numberReady"), wanted),
    ])
    .unwrap_or_else(ObjectStatus::current)
}

fn replica_set(object: &Value) -> ObjectStatus {
    if let Some(failure) = conditions(object).find(|c| c.kind == "ReplicaFailure" && c.is("True")) {
        return ObjectStatus::progress("ReplicaFailure", failure.message);
    }
    let status = |key: &str| number(object, &["status", key]).unwrap_or(0);
    let spec = number(object, &["spec", "replicas"]).unwrap_or(1);
    counts(&[
        ("LessLabelled", status("fullyLabeledReplicas"), spec),
        ("LessAvailable", status("availableReplicas"), spec),
        ("LessReady", status("readyReplicas"), spec),
        ("ExtraPods", spec, status("replicas")),
    ])
    .unwrap_or_else(ObjectStatus::current)
}

fn pod(object: &Value, now: Timestamp) -> ObjectStatus {
    let condition =
        |kind: &str, status: &str| conditions(object).find(|c| c.kind == kind && c.is(status));
    match text(object, &["status", "phase"]) {
        "Succeeded" | "Failed" => ObjectStatus::current(),
        "Running" if condition("Ready", "True").is_some() => ObjectStatus::current(),
        "Running" => {
            let containers = object.at(&["status", "containerStatuses"]).items().iter();
            let looping: Vec<&str> = containers
                .filter(|c| text(c, &["state", "waiting", "reason"]) == "CrashLoopBackOff")
                .map(|c| text(c, &["name"]))
                .collect();
            match looping.is_empty() {
                false => ObjectStatus::failed(
                    "ContainerCrashLooping",
                    format!("{} crashes", looping.join(", ")),
                ),
                true => ObjectStatus::progress("PodRunningNotReady", "it runs, and is not ready"),
            }
        }
        "Pending" => match condition("PodScheduled", "False") {
            Some(why) if why.reason == "Unschedulable" => {
                let made = text(object, &["metadata", "creationTimestamp"]).parse::<Timestamp>();
                match made.is_ok_and(|made| now.as_second() - made.as_second() < SCHEDULE_WINDOW) {
                    true => ObjectStatus::progress("PodNotScheduled", why.message),
                    false => ObjectStatus::failed("PodUnschedulable", why.message),
                }
            }
            _ => ObjectStatus::progress("PodPending", "it is pending"),
        },
        _ => ObjectStatus::progress("PodNotObserved", "its phase is not known"),
    }
}

fn job(object: &Value) -> ObjectStatus {
    for condition in conditions(object).filter(|c| c.is("True")) {
        match condition.kind {
            "Complete" | "Suspended" => return ObjectStatus::current(),
            "Failed" => return ObjectStatus::failed("JobFailed", condition.message),
            _ => {}
        }
    }
    match text(object, &["status", "startTime"]) {
        "" => ObjectStatus::progress("JobNotStarted", "it has not started"),
        _ => ObjectStatus::current(),
    }
}

fn definition(object: &Value) -> ObjectStatus {
    for condition in conditions(object) {
        match (condition.kind, condition.status) {
            ("NamesAccepted", "False") => {
                return ObjectStatus::failed(condition.reason, condition.message);
            }
            ("Established", "False") if condition.reason != "Installing" => {
                return ObjectStatus::failed(condition.reason, condition.message);
            }
            ("Established", "True") => return ObjectStatus::current(),
            _ => {}
        }
    }
    ObjectStatus::progress("Installing", "it is being installed")
}

/// Argo CD's own words. Source: argo-cd, pkg/apis/application/v1alpha1 (SyncStatusCode,
/// OperationPhase), gitops-engine, health.
fn application(object: &Value) -> ObjectStatus {
    let status = |path: &[&str]| text(object, &[&["status"], path].concat());
    let message = status(&["operationState", "message"]);
    let (health, phase) = (
        status(&["health", "status"]),
        status(&["operationState", "phase"]),
    );

    match (status(&["sync", "status"]), health) {
        (_, "Degraded") => ObjectStatus::failed(health, status(&["health", "message"])),
        ("Synced", "Healthy" | "Suspended") => ObjectStatus::current(),
        _ if ["Failed", "Error"].contains(&phase) => ObjectStatus::failed(phase, message),
        ("Synced", _) => {
            ObjectStatus::progress(or(health, "Unknown"), "its health is not known to be good")
        }
        (sync, _) => ObjectStatus::progress(
            or(sync, "Unknown"),
            or(message, "it is not in sync with its repository"),
        ),
    }
}

fn ready(object: &Value) -> ObjectStatus {
    match conditions(object).find(|c| c.kind == "Ready") {
        None => ObjectStatus::current(),
        Some(ready) if ready.is("True") => ObjectStatus::current(),
        Some(ready) => ObjectStatus::progress(ready.reason, ready.message),
    }
}

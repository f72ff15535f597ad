//! The self-check that closes the loop: every hole of the proof that a live cluster can have is
//! made in a real one, and `prove --live` finds it there.

use super::isolation::{Hole, base, holes, named, objects};
use crate::support::control_plane::{CONTROLLERS, ControlPlane};
use crate::support::{Ran, Sandbox, say, tool_or_say};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Groups that the API server itself serves.
const BUILTIN: [&str; 9] = [
    "",
    "admissionregistration.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "batch",
    "discovery.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
];

/// The controllers that take volumes' finalizers off.
const PROTECTION: &str =
    "persistentvolume-protection-controller,persistentvolumeclaim-protection-controller";

/// The group of kustomize's own files.
const KUSTOMIZE: &str = "kustomize.config.k8s.io";

/// Holes that are in manifests alone: a server refuses such an object, or has none.
const OF_MANIFESTS: [&str; 13] = [
    "a misspelt level enforces nothing",
    "an object that kustomize leaves out",
    "a Role without a namespace",
    "a binding without a namespace",
    "a binding whose subject is filled in later",
    "a policy of a version that nobody serves",
    "a policy that Flux does not apply",
    "a policy that the server would refuse",
    "a cluster-admin that names a namespace",
    "a role whose aggregationRule is null",
    "a role of the cluster is emptied on paper",
    "an object is defined twice",
    "an admission policy whose expression is none",
];

/// Holes in objects of kinds that a live cluster is not asked for.
const NOT_LISTED: [&str; 7] = [
    "requests of a tenant are never queued",
    "a route of Traefik for the host of another tenant",
    "a DNS record for a host below the wildcard of another tenant",
    "one folder is for the volumes of every tenant",
    "a tenant's group is an administrator of Argo CD",
    "an IAM role is in the groups of two tenants",
    "a tenant's namespace has a Subscription of Operator Lifecycle Manager",
];

fn is_of_manifests(hole: &Hole) -> bool {
    let name = hole.name.as_str();
    OF_MANIFESTS.contains(&name)
        || NOT_LISTED.contains(&name)
        || hole.add.iter().any(|o| group(o).0 == KUSTOMIZE)
}

fn group(object: &Value) -> (&str, &str) {
    let version = object["apiVersion"].as_str().expect("apiVersion");
    version.split_once('/').unwrap_or(("", version))
}

/// A CRD of anything, for each kind that the server does not serve by itself.
fn definitions(all: &[&Value]) -> Vec<Value> {
    let mut made: BTreeMap<(String, String), (BTreeSet<String>, bool)> = BTreeMap::new();
    for object in all {
        let (group, version) = group(object);
        if !BUILTIN.contains(&group) && group != KUSTOMIZE {
            let key = (
                group.to_owned(),
                object["kind"].as_str().expect("kind").to_owned(),
            );
            let known = made.entry(key).or_default();
            known.0.insert(version.to_owned());
            known.1 |= object["metadata"]["namespace"].is_string();
        }
    }

    let of = |((group, kind), (versions, namespaced)): (
        (String, String),
        (BTreeSet<String>, bool),
    )| {
        let plural = match kind.to_lowercase() {
            one if one.ends_with('y') && !one.ends_with("ay") => {
                format!("{}ies", &one[..one.len() - 1])
            }
            one => format!("{one}s"),
        };

        let last = versions.last().cloned();
        let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        let version = |v: &String| json!({"name": v, "served": true, "storage": Some(v) == last.as_ref(), "schema": schema});

        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{plural}.{group}"),
                "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},
            },
            "spec": {
                "group": group, "scope": if namespaced { "Namespaced" } else { "Cluster" },
                "names": {"plural": plural, "kind": kind},
                "versions": versions.iter().map(version).collect::<Vec<_>>(),
            },
        })
    };

    made.into_iter().map(of).collect()
}

/// Adds what the API server wants of an object, and no verdict rests on.
fn complete(object: &Value) -> Value {
    let mut object = object.clone();
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let name = object["metadata"]["name"].clone();
    let mut put = |path: &str, value: Value| {
        let (parent, key) = path.rsplit_once('/').expect("a path");
        if let Some(Value::Object(parent)) = object.pointer_mut(parent) {
            parent.entry(key).or_insert(value);
        }
    };

    match kind.as_str() {
        "Deployment" | "DaemonSet" | "StatefulSet" => {
            put("/spec/selector", json!({"matchLabels": {"app": name}}));
            put("/spec/template/metadata", json!({"labels": {"app": name}}));
            put("/spec/template/spec/containers", json!([{}]));
        }
        "Pod" => put("/spec/containers", json!([{}])),
        "PersistentVolume" => {
            put("/spec/capacity", json!({"storage": "1Gi"}));
            put("/spec/accessModes", json!(["ReadWriteMany"]));
        }
        "PersistentVolumeClaim" => {
            put("/spec/accessModes", json!(["ReadWriteMany"]));
            put("/spec/resources", json!({"requests": {"storage": "1Gi"}}));
        }
        "MutatingWebhookConfiguration" => {
            put("/webhooks/0/sideEffects", json!("None"));
            put("/webhooks/0/admissionReviewVersions", json!(["v1"]));
        }
        "ValidatingAdmissionPolicyBinding" => {
            put("/spec/validationActions", json!(["Deny"]));
            put("/spec/paramRef/parameterNotFoundAction", json!("Deny"));
        }
        "APIService" => {
            put("/spec/groupPriorityMinimum", json!(1));
            put("/spec/versionPriority", json!(1));
            put("/spec/group", json!("x.y"));
            put("/spec/version", json!("v1"));
            put("/spec/insecureSkipTLSVerify", json!(true));
        }
        "Service" => put("/spec/ports", json!([{"port": 80}])),
        _ => {}
    }

    for path in ["/spec/template/spec/containers", "/spec/containers"] {
        for (at, container) in object
            .pointer_mut(path)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .enumerate()
        {
            if let Some(container) = container.as_object_mut() {
                container.entry("name").or_insert(json!(format!("c{at}")));
                container.entry("image").or_insert(json!("x"));
            }
        }
    }

    object
}

fn list(objects: &[&Value]) -> String {
    let items: Vec<Value> = objects.iter().map(|o| complete(o)).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn rules(ran: &Ran) -> BTreeSet<String> {
    let report: Value =
        serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.all()));
    let found = report["clusters"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter();
    found
        .map(|f| f["rule"].as_str().expect("a rule").to_owned())
        .collect()
}

#[test]
fn every_hole_is_found_in_a_real_cluster() {
    let Some(bin) = tool_or_say("control-plane") else {
        return;
    };
    let plane = ControlPlane::start(&bin, "holes", &format!("{CONTROLLERS},{PROTECTION}"));
    let (holes, text) = (holes(), base().1);
    let base = objects(&text);
    let (of_manifests, holes): (Vec<Hole>, Vec<Hole>) =
        holes.into_iter().partition(is_of_manifests);
    let all: Vec<&Value> = holes.iter().flat_map(|h| &h.add).chain(&base).collect();
    let definitions = definitions(&all);
    let made = plane.apply(&list(&definitions.iter().collect::<Vec<_>>()));
    assert_eq!(made.code, 0, "{}", made.err);
    let made = plane.kubectl(&[
        "wait",
        "crd",
        "--all",
        "--for=condition=Established",
        "--timeout=60s",
    ]);

    assert_eq!(made.code, 0, "{}", made.err);
    let made = plane.apply(&list(&base.iter().collect::<Vec<_>>()));
    assert_eq!(made.code, 0, "{}", made.err);
    let made = plane.kubectl(&["create", "namespace", "argocd"]);
    assert_eq!(made.code, 0, "{}", made.err);
    let fleet = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            "apiVersion: tenantry.dev/v1alpha1\n\
             kind: Fleet\n\
             metadata: {name: acme}\n\
             spec: {clusters: [{name: live}]}\n",
        ),
        ("tenants/blue.yaml", &tenant("blue", "{name: blue}")),
        (
            "tenants/green.yaml",
            &tenant("green", "{name: green}, {name: green-jobs}"),
        ),
    ]);

    let prove = || {
        let mut command = fleet.command(&[
            "prove",
            "--live",
            "--group-by",
            "tenant",
            "--format",
            "json",
        ]);
        rules(&Ran::of(
            command
                .env("KUBECONFIG", plane.kubeconfig())
                .output()
                .expect("the program starts"),
        ))
    };

    let clean = prove();
    let (mut found, mut missed) = (0, Vec::new());

    for hole in &holes {
        if let Some(why) = inject(&plane, hole) {
            missed.push(format!("{}: the server refuses it: {why}", hole.name));
        } else {
            let rules = prove();
            match rules.contains(&hole.finds) && !clean.contains(&hole.finds) {
                true => found += 1,
                false => missed.push(format!("{}: {} is not in {rules:?}", hole.name, hole.finds)),
            }
        }
        mend(&plane, hole, &base);
    }

    assert_eq!(missed, Vec::<String>::new(), "{found} found");
    assert_eq!(prove(), clean, "what was mended is mended");
    let rest = of_manifests.len();

    say(&format!(
        "live: {found} holes made in a real cluster, and found; {rest} are of manifests alone"
    ));
}

fn tenant(name: &str, namespaces: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\n\
         spec: {{owners: [{{group: {name}-admins}}], namespaces: [{namespaces}]}}\n"
    )
}

/// Makes a hole; why the server refuses it, where it does.
fn inject(plane: &ControlPlane, hole: &Hole) -> Option<String> {
    for gone in &hole.remove {
        let (kind, path) = gone.split_once(' ').expect("Kind namespace/name");
        let (namespace, name) = path.split_once('/').expect("namespace/name");
        let ran = plane.kubectl(&["delete", kind, name, "-n", namespace, "--timeout=30s"]);
        assert_eq!(ran.code, 0, "{}: {}", hole.name, ran.err);
    }
    if hole.add.is_empty() {
        return None;
    }
    let ran = plane.apply(&list(&hole.add.iter().collect::<Vec<_>>()));
    (ran.code != 0).then(|| ran.err.lines().next().unwrap_or_default().to_owned())
}

/// Takes away what a hole added, and puts back what it changed.
fn mend(plane: &ControlPlane, hole: &Hole, base: &[Value]) {
    let before: BTreeSet<String> = base.iter().map(named).collect();
    let added: Vec<&Value> = hole
        .add
        .iter()
        .filter(|o| !before.contains(&named(o)))
        .collect();

    if !added.is_empty() {
        let ran = plane.kubectl_with(
            &["delete", "--ignore-not-found", "--timeout=30s", "-f", "-"],
            &list(&added),
        );
        assert_eq!(ran.code, 0, "{}: {}", hole.name, ran.err);
    }

    let changes = hole.changes();
    let changed: Vec<&Value> = base
        .iter()
        .filter(|o| changes.contains(&named(o)))
        .collect();

    if !changed.is_empty() {
        let ran = plane.apply(&list(&changed));
        assert_eq!(ran.code, 0, "{}: {}", hole.name, ran.err);
    }
}

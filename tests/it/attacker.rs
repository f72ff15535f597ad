//! A random attacker: somebody of a tenant, on a real API server that holds what is said to be
//! clean, tries requests of every kind, in every namespace, as everyone it can become. It reaches
//! nothing of another tenant's. Where a hole is, it does.

use crate::isolation::{base, holes, objects, without};
use crate::replay::apply;
use crate::support::control_plane::ControlPlane;
use crate::support::{Dice, say, seed};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many requests it makes of a clean cluster, of one with a hole, and at once.
const CLEAN: usize = 6000;
const BROKEN: usize = 1500;
const BATCH: usize = 150;

/// What is secret of the other tenant.
const TREASURE: &str = "green-treasure";

/// The resources that it knows of: where they are served, and a kind to create.
const RESOURCES: [(&str, &str, &str, bool); 34] = [
    ("/api/v1", "secrets", "Secret", true),
    ("/api/v1", "configmaps", "ConfigMap", true),
    ("/api/v1", "pods", "Pod", true),
    ("/api/v1", "services", "Service", true),
    ("/api/v1", "endpoints", "Endpoints", true),
    ("/api/v1", "serviceaccounts", "ServiceAccount", true),
    (
        "/api/v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        true,
    ),
    ("/api/v1", "resourcequotas", "ResourceQuota", true),
    ("/api/v1", "limitranges", "LimitRange", true),
    (
        "/api/v1",
        "replicationcontrollers",
        "ReplicationController",
        true,
    ),
    ("/api/v1", "events", "Event", true),
    ("/api/v1", "namespaces", "Namespace", false),
    ("/api/v1", "nodes", "Node", false),
    ("/api/v1", "persistentvolumes", "PersistentVolume", false),
    ("/apis/apps/v1", "deployments", "Deployment", true),
    ("/apis/apps/v1", "statefulsets", "StatefulSet", true),
    ("/apis/apps/v1", "daemonsets", "DaemonSet", true),
    (
        "/apis/apps/v1",
        "controllerrevisions",
        "ControllerRevision",
        true,
    ),
    ("/apis/batch/v1", "jobs", "Job", true),
    ("/apis/batch/v1", "cronjobs", "CronJob", true),
    (
        "/apis/networking.k8s.io/v1",
        "networkpolicies",
        "NetworkPolicy",
        true,
    ),
    ("/apis/networking.k8s.io/v1", "ingresses", "Ingress", true),
    ("/apis/rbac.authorization.k8s.io/v1", "roles", "Role", true),
    (
        "/apis/rbac.authorization.k8s.io/v1",
        "rolebindings",
        "RoleBinding",
        true,
    ),
    (
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterroles",
        "ClusterRole",
        false,
    ),
    (
        "/apis/rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
    ),
    (
        "/apis/admissionregistration.k8s.io/v1",
        "validatingadmissionpolicies",
        "ValidatingAdmissionPolicy",
        false,
    ),
    (
        "/apis/admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
    ),
    (
        "/apis/apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
    ),
    (
        "/apis/certificates.k8s.io/v1",
        "certificatesigningrequests",
        "CertificateSigningRequest",
        false,
    ),
    (
        "/apis/storage.k8s.io/v1",
        "storageclasses",
        "StorageClass",
        false,
    ),
    (
        "/apis/discovery.k8s.io/v1",
        "endpointslices",
        "EndpointSlice",
        true,
    ),
    ("/apis/coordination.k8s.io/v1", "leases", "Lease", true),
    (
        "/apis/policy/v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        true,
    ),
];

const NAMESPACES: [&str; 8] = [
    "blue",
    "blue",
    "blue",
    "green",
    "green-jobs",
    "kube-system",
    "default",
    "flux-system",
];
const NAMES: [&str; 10] = [
    "treasure",
    "app",
    "default-deny",
    "quota",
    "owners",
    "green",
    "green-jobs",
    "blue",
    "default",
    "x",
];
const URLS: [&str; 9] = [
    "/metrics",
    "/logs/",
    "/debug/pprof/",
    "/healthz/etcd",
    "/readyz",
    "/version",
    "/api",
    "/apis",
    "/openapi/v2",
];

/// A body for a kind: as bold as the kind allows.
fn body(kind: &str, api: &str, name: &str, dice: &mut Dice) -> Value {
    let who = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "blue-admins"},
        {"kind": "ServiceAccount", "name": "app", "namespace": "blue"}]);
    let role = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
    let mut pod = json!({"serviceAccountName": *dice.of(&["app", "default"]), "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "c", "image": "x", "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]});

    if *dice.of(&[true, false, false]) {
        pod["containers"][0]["securityContext"] = json!({"privileged": true});
        pod["hostNetwork"] = true.into();
    }

    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": pod});
    let rest = match kind {
        "Secret" => json!({"type": "kubernetes.io/service-account-token"}),
        "Pod" => json!({"spec": pod}),
        "Deployment" | "StatefulSet" | "DaemonSet" => {
            json!({"spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}})
        }
        "Job" => json!({"spec": {"template": {"spec": pod}}}),
        "Service" => json!({"spec": {"externalIPs": ["192.0.2.7"], "ports": [{"port": 443}]}}),
        "Endpoints" => {
            json!({"subsets": [{"addresses": [{"ip": "10.0.0.7"}], "ports": [{"port": 443}]}]})
        }
        "NetworkPolicy" => json!({"spec": {"podSelector": {}, "ingress": [{}], "egress": [{}]}}),
        "Role" | "ClusterRole" => {
            json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]})
        }
        "RoleBinding" => {
            let role = if *dice.of(&[true, false]) {
                role(
                    "ClusterRole",
                    dice.of::<&str>(&["cluster-admin", "admin", "tenant-owner"]),
                )
            } else {
                role("Role", "x")
            };
            json!({"roleRef": role, "subjects": who})
        }
        "ClusterRoleBinding" => {
            json!({"roleRef": role("ClusterRole", "cluster-admin"), "subjects": who})
        }
        "Namespace" => json!({"spec": {}}),
        "PersistentVolume" => {
            json!({"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}})
        }
        "ValidatingAdmissionPolicy" => json!({"spec": {"validations": [{"expression": "true"}]}}),
        "CertificateSigningRequest" => {
            json!({"spec": {"request": "eA==", "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]}})
        }
        _ => json!({}),
    };

    let version = api.strip_prefix("/apis/").unwrap_or("v1");
    let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}});
    if kind == "Secret" {
        object["metadata"]["annotations"] = json!({"kubernetes.io/service-account.name": "app"});
    }
    for (key, value) in rest.as_object().expect("fields") {
        object[key] = value.clone();
    }

    object
}

/// Somebody it can act as: the fields of a request that say so.
type Identity = Value;

struct Attacker {
    dice: Dice,
    identities: Vec<Identity>,
    known: BTreeSet<String>,
    number: usize,
}

/// What became of an attack.
#[derive(Default)]
struct Attack {
    asked: usize,
    allowed: usize,
    reached: Option<String>,
}

impl Attacker {
    fn new(seed: u64) -> Self {
        // Without a token it is nobody.
        let identities = vec![
            json!({"token": "blue"}),
            json!({"token": "blue"}),
            json!({"token": ""}),
        ];
        Self {
            dice: Dice(seed),
            identities,
            known: BTreeSet::new(),
            number: 0,
        }
    }

    fn become_account(&mut self, namespace: &str, name: &str, identity: Option<Identity>) {
        if self.known.insert(format!("{namespace}/{name}")) {
            // A pod is given a token of its service account; there is no kubelet here to give it.
            let user = format!("system:serviceaccount:{namespace}:{name}");
            let groups = [
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".into(),
            ];
            self.identities
                .push(identity.unwrap_or_else(|| json!({"user": user, "groups": groups})));
        }
    }

    fn request(&mut self) -> Value {
        let dice = &mut self.dice;
        self.number += 1;
        let mut request = dice.of(&self.identities).clone();
        let (api, resource, kind, namespaced) = *dice.of(&RESOURCES);
        let namespace = *dice.of(&NAMESPACES);
        let everywhere = *dice.of(&[true, false, false, false]);
        let root = if !namespaced || everywhere {
            format!("{api}/{resource}")
        } else {
            format!("{api}/namespaces/{namespace}/{resource}")
        };

        let name = *dice.of(&NAMES);
        let fresh = format!("a{}", self.number);
        let made = if namespaced {
            format!("{api}/namespaces/{namespace}/{resource}")
        } else {
            root.clone()
        };

        let (method, path, body) = match *dice.of(&[0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]) {
            0 => ("GET", root, None),
            1 => ("GET", format!("{made}/{name}"), None),
            2 => ("POST", made, Some(body(kind, api, &fresh, dice))),
            3 => (
                "PATCH",
                format!("{made}/{name}"),
                Some(
                    json!({"metadata": {"labels": {"tenant": "blue"}, "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}}),
                ),
            ),
            4 => ("DELETE", format!("{made}/{name}"), None),
            5 => (
                "POST",
                format!(
                    "/api/v1/namespaces/{namespace}/serviceaccounts/{}/token",
                    dice.of(&["app", "default"])
                ),
                Some(
                    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}),
                ),
            ),
            6 => ("GET", (*dice.of(&URLS)).to_owned(), None),
            7 => {
                // To be somebody else, if that is allowed.
                if request.get("user").is_none() {
                    let user = *dice.of(&[
                        "admin",
                        "system:admin",
                        "system:serviceaccount:green:app",
                        "system:serviceaccount:flux-system:kustomize-controller",
                    ]);
                    request["user"] = user.into();
                    request["groups"] = json!([*dice.of(&[
                        "system:masters",
                        "green-admins",
                        "system:authenticated"
                    ])]);
                }
                ("GET", root, None)
            }
            9 => {
                let account = *dice.of(&["app", "default", "ghost"]);
                let mut pod = body("Pod", "/api/v1", &fresh, dice);
                pod["spec"]["serviceAccountName"] = account.into();
                (
                    "POST",
                    format!("/api/v1/namespaces/{namespace}/pods"),
                    Some(pod),
                )
            }
            _ => {
                let sub = *dice.of(&[
                    "exec?command=id&stdout=1",
                    "log",
                    "attach",
                    "portforward",
                    "status",
                    "proxy",
                    "scale",
                    "finalize",
                    "ephemeralcontainers",
                ]);
                ("GET", format!("{made}/{name}/{sub}"), None)
            }
        };

        request["method"] = method.into();
        request["path"] = path.into();
        if method == "PATCH" {
            request["type"] = "application/merge-patch+json".into();
        }
        if let Some(body) = body {
            request["body"] = body;
        }

        request
    }

    /// Makes requests until one reaches what is another's, or there have been so many.
    fn attack(&mut self, plane: &ControlPlane, budget: usize) -> Attack {
        let mut attack = Attack::default();
        while attack.asked < budget && attack.reached.is_none() {
            let requests: Vec<Value> = (0..BATCH).map(|_| self.request()).collect();
            for (request, answer) in requests.iter().zip(plane.ask(&requests)) {
                attack.asked += 1;
                if answer["code"].as_u64().is_none_or(|c| c >= 300) {
                    continue;
                }
                attack.allowed += 1;

                if reaches(request, &answer) {
                    attack
                        .reached
                        .get_or_insert(format!("{} {}", request["method"], request["path"]));
                }

                let path = request["path"].as_str().expect("a path");
                let Some(namespace) = path
                    .split("/namespaces/")
                    .nth(1)
                    .and_then(|p| p.split('/').next())
                else {
                    continue;
                };

                if let Some(token) = answer["body"]["status"]["token"].as_str() {
                    let name = path.split('/').rev().nth(1).expect("a name").to_owned();
                    self.become_account(namespace, &name, Some(json!({"token": token})));
                }

                let accounts = ["/spec", "/spec/template/spec"].iter().filter_map(|at| {
                    request["body"].pointer(at)?["serviceAccountName"]
                        .as_str()
                        .map(str::to_owned)
                });

                for name in accounts {
                    self.become_account(namespace, &name, None);
                }
            }
        }

        attack
    }
}

/// Whether an answer gave what is another's, or changed it.
fn reaches(request: &Value, answer: &Value) -> bool {
    let path = request["path"]
        .as_str()
        .expect("a path")
        .split('?')
        .next()
        .expect("a path");

    if answer["body"].to_string().contains(TREASURE) {
        return true;
    }
    let Some((_, rest)) = ["/api/v1/", "/apis/"]
        .iter()
        .find_map(|root| path.split_once(root))
    else {
        // What everybody may know of the server.
        return ["/metrics", "/logs", "/debug", "/healthz/"]
            .iter()
            .any(|p| path.starts_with(p));
    };

    match rest.split_once("namespaces/") {
        Some((_, inside)) => inside.split('/').next() != Some("blue"),
        // Lists of everything, and what belongs to the cluster; the groups and versions that are
        // served are everybody's.
        None => {
            !rest.is_empty()
                && RESOURCES
                    .iter()
                    .any(|(_, resource, ..)| rest.split('/').any(|part| part == *resource))
        }
    }
}

/// What the other tenant has, as the server has it.
fn state(plane: &ControlPlane) -> Vec<String> {
    let kinds = RESOURCES
        .iter()
        .filter(|r| r.3 && r.1 != "events" && r.1 != "leases");
    let requests: Vec<Value> = kinds
        .flat_map(|(api, resource, ..)| {
            ["green", "green-jobs"].map(
                |n| json!({"method": "GET", "path": format!("{api}/namespaces/{n}/{resource}")}),
            )
        })
        .chain(
            ["green", "green-jobs"]
                .map(|n| json!({"method": "GET", "path": format!("/api/v1/namespaces/{n}")})),
        )
        .collect();

    plane
        .ask(&requests)
        .iter()
        .map(|a| a["body"]["items"].to_string() + &a["body"]["metadata"]["uid"].to_string())
        .collect()
}

/// What is there besides the base: treasures, and accounts that every namespace has.
fn treasures() -> Vec<Value> {
    let mut all = Vec::new();
    for namespace in ["green", "green-jobs"] {
        for kind in ["Secret", "ConfigMap"] {
            let text = if kind == "Secret" {
                "stringData"
            } else {
                "data"
            };
            all.push(json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "treasure", "namespace": namespace, "labels": {"x": TREASURE}}, text: {"x": TREASURE}}));
        }
    }
    for namespace in ["blue", "green", "green-jobs"] {
        all.push(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}));
    }
    all
}

#[test]
fn a_random_attacker_reaches_nothing_of_a_clean_cluster() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let quotas = |o: &Value| o["kind"] != "ResourceQuota" && o["kind"] != "Deployment";
    let clean: Vec<Value> = objects(&base().1)
        .into_iter()
        .filter(quotas)
        .chain(treasures())
        .collect();

    apply(plane, &clean);
    let seed = seed();
    let before = state(plane);
    let mut attacker = Attacker::new(seed);
    let attack = attacker.attack(plane, CLEAN);
    assert_eq!(attack.reached, None, "TENANTRY_SEED={seed}");
    assert_eq!(before, state(plane), "TENANTRY_SEED={seed}");

    // It is no idle one: it did what its tenant may, as more than itself.
    assert!(
        attack.allowed > 50 && attacker.identities.len() > 4,
        "{} {:?}",
        attack.allowed,
        attacker.identities
    );

    say(&format!(
        "attacker: {} requests as {} identities, {} allowed, nothing reached (TENANTRY_SEED={seed})",
        attack.asked,
        attacker.identities.len(),
        attack.allowed
    ));

    // The same one where there is a hole.
    let (mut broken, mut reached, mut missed) = (0, 0, Vec::new());
    for hole in holes()
        .iter()
        .filter(|h| h.finds == "api/cross-tenant-binding" || h.finds == "api/wide-subject")
    {
        let group = |o: &Value| {
            o["apiVersion"]
                .as_str()
                .is_some_and(|v| v.starts_with("rbac.authorization"))
        };

        // A change of the server's own roles, and a group of another distribution's login, have no
        // effect on this server.
        let own = hole.add.iter().any(|o| {
            let text = o.to_string();
            o["metadata"]["name"] == "cluster-admin"
                || text.contains("aggregat")
                || text.contains("system:authenticated:oauth")
        });
        if own || !hole.add.iter().all(group) || !hole.remove.is_empty() {
            continue;
        }
        apply(plane, &hole.add);
        broken += 1;
        // Requests are random: one attack may miss a hole that the next one finds.
        let gets_through =
            |seed| -> bool { Attacker::new(seed).attack(plane, BROKEN).reached.is_some() };
        match gets_through(seed ^ broken) || gets_through(seed ^ (broken << 32)) {
            true => reached += 1,
            false => missed.push(hole.name.clone()),
        }

        let list = json!({"apiVersion": "v1", "kind": "List", "items": hole.add});
        assert_eq!(
            plane
                .kubectl_with(&["delete", "--wait=false", "-f", "-"], &list.to_string())
                .code,
            0
        );

        // What it replaced or broke is whole again.
        let (_, text) = without(&BTreeSet::new());
        apply(
            plane,
            &objects(&text)
                .into_iter()
                .filter(quotas)
                .chain(treasures())
                .collect::<Vec<_>>(),
        );
    }

    say(&format!(
        "attacker: with a hole it got through {reached} of {broken} times in twice {BROKEN} requests; not through {missed:?}"
    ));
    assert!(
        broken >= 8 && reached * 4 >= broken * 3,
        "{reached} of {broken}: {missed:?} (TENANTRY_SEED={seed})"
    );
}

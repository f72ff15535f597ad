//! Refuted chains of the api plane, carried out on a real API server as the principal that they
//! begin with: each succeeds, and none of it does in the clean base.

use crate::isolation::{Hole, base, cluster, holes, objects, without};
use crate::support::control_plane::ControlPlane;
use crate::support::say;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tenantry::graph::Cluster;
use tenantry::graph::rbac::{Binding, PolicyRule, Subject};
use tenantry::isolation::{self, Verdict};

/// Objects that decide what RBAC allows.
fn decides(object: &Value) -> bool {
    let group = object["apiVersion"].as_str().unwrap_or_default();
    group.starts_with("rbac.authorization.k8s.io/")
        || ["Namespace", "ServiceAccount"]
            .iter()
            .any(|k| object["kind"] == *k)
}

/// Flags of kubectl by which an admin acts as a subject. Impersonating a service account or a user
/// adds their groups.
fn acting_as(subject: &Subject) -> Vec<String> {
    match subject {
        Subject::User(name) if name == "system:anonymous" => vec!["--as=system:anonymous".into()],
        Subject::User(name) => vec![
            format!("--as={name}"),
            "--as-group=system:authenticated".into(),
        ],
        Subject::ServiceAccount(namespace, name) => {
            vec![format!("--as=system:serviceaccount:{namespace}:{name}")]
        }
        Subject::Group(name) => match name.strip_prefix("system:serviceaccounts:") {
            Some(namespace) => vec![format!("--as=system:serviceaccount:{namespace}:app")],
            None if name == "system:serviceaccounts" => {
                vec!["--as=system:serviceaccount:blue:app".into()]
            }
            None if name == "system:unauthenticated" => vec!["--as=system:anonymous".into()],
            None => {
                vec![
                    "--as=somebody".into(),
                    format!("--as-group={name}"),
                    "--as-group=system:authenticated".into(),
                ]
            }
        },
    }
}

/// What a rule lets somebody do, as arguments of `kubectl auth can-i`; and whether a list shows it
/// by itself.
fn request(rule: &PolicyRule) -> Option<(String, String, bool)> {
    if let (Some(url), Some(verb)) = (rule.urls.first(), rule.verbs.first()) {
        let verb = if verb == "*" { "get" } else { verb.as_str() };
        return Some((verb.into(), url.to_string(), false));
    }

    let verb = match rule
        .verbs
        .iter()
        .find(|v| *v == "list")
        .or(rule.verbs.first())?
        .as_str()
    {
        "*" => "list",
        verb => verb,
    };

    let resource = match rule.resources.first()?.as_str() {
        "*" => "secrets",
        resource => resource,
    };

    let group = match rule.groups.first()?.as_str() {
        "*" | "" => String::new(),
        group => format!(".{group}"),
    };

    let (resource, sub) = resource
        .split_once('/')
        .map_or((resource, String::new()), |(r, s)| (r, format!("/{s}")));
    Some((
        verb.into(),
        format!("{resource}{group}{sub}"),
        verb == "list" && sub.is_empty(),
    ))
}

/// Whether the server lets a subject do what a rule says, asked as that subject.
fn succeeds(plane: &ControlPlane, subject: &Subject, binding: &Binding, rule: &PolicyRule) -> bool {
    let Some((verb, resource, listed)) = request(rule) else {
        return true;
    };
    let (resource, sub) = match resource
        .split_once('/')
        .filter(|(resource, _)| !resource.is_empty())
    {
        Some((resource, sub)) => (resource.to_owned(), Some(sub.to_owned())),
        None => (resource, None),
    };

    let namespace = if binding.id.namespace.is_empty() {
        "green"
    } else {
        binding.id.namespace.as_str()
    };

    let who = acting_as(subject);
    // Whoever has no name may not even ask what it may: it tries.
    if who == ["--as=system:anonymous"] {
        let path = format!("/api/v1/namespaces/{namespace}/{resource}");
        return plane.kubectl(&["get", "--raw", &path, &who[0]]).code == 0;
    }

    let mut args = vec!["auth", "can-i", &verb];
    let name = rule.names.first().map(|n| format!("{resource}/{n}"));
    args.push(name.as_deref().unwrap_or(&resource));
    args.extend(["-n", namespace]);
    args.extend(who.iter().map(String::as_str));
    let sub = sub.map(|sub| format!("--subresource={sub}"));
    args.extend(sub.as_deref());
    let can = plane.kubectl(&args).out.trim() == "yes";
    if !can || !listed {
        return can;
    }

    // Not only asked: done.
    let mut args = vec!["get", &resource, "-n", namespace, "-o", "name"];
    args.extend(who.iter().map(String::as_str));
    plane.kubectl(&args).code == 0
}

/// Applies objects as an admin.
pub fn apply(plane: &ControlPlane, objects: &[Value]) {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let applied = plane.kubectl_with(
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        &list.to_string(),
    );
    assert_eq!(applied.code, 0, "{}", applied.err);
}

/// The binding that a hole adds, whom it names, and what its role allows.
fn chain<'a>(
    cluster: &'a Cluster,
    hole: &Hole,
) -> Option<(&'a Binding, &'a Subject, &'a [PolicyRule])> {
    let names: BTreeSet<&str> = hole
        .add
        .iter()
        .filter_map(|o| o["metadata"]["name"].as_str())
        .collect();
    let binding = cluster
        .rbac
        .bindings
        .iter()
        .find(|b| names.contains(b.id.name.as_str()))?;
    let role = cluster.rbac.role(binding)?;
    Some((binding, &binding.subjects.first()?.0, &role.rules))
}

#[test]
fn refuted_chains_succeed_on_a_real_server() {
    let Some((plane, _turn)) = ControlPlane::alone() else {
        return;
    };
    let clean: Vec<Value> = objects(&base().1).into_iter().filter(decides).collect();
    apply(plane, &clean);
    let (mut carried, mut steps) = (0, 0);

    for hole in holes().iter().filter(|h| h.finds.starts_with("api/")) {
        let added: Vec<Value> = hole.add.iter().filter(|o| decides(o)).cloned().collect();
        let mut texts = vec![without(&hole.changes())];
        texts.push((
            "hole.yaml".into(),
            added.iter().map(|o| format!("---\n{o}\n")).collect(),
        ));

        let (_, cluster) = cluster(&texts);
        let proof = isolation::prove(&cluster);
        let refuted = proof
            .findings
            .iter()
            .any(|f| f.diagnostic.rule.id == hole.finds && f.verdict == Some(Verdict::Refuted));

        // What Kubernetes makes by itself is there already; a ring of roles, and labels that
        // aggregate, take a controller.
        let own = added.iter().any(|o| {
            o["metadata"]["name"] == "cluster-admin" || o.to_string().contains("aggregat")
        });
        let Some((binding, subject, rules)) = chain(&cluster, hole).filter(|_| refuted && !own)
        else {
            continue;
        };

        let rule = rules
            .iter()
            .find(|r| !r.resources.is_empty())
            .or(rules.first())
            .expect("a rule");

        assert!(
            !succeeds(plane, subject, binding, rule),
            "{}: it succeeds without the hole",
            hole.name
        );

        apply(plane, &added);
        // The authorizer learns of a binding by a watch.
        let done = (0..40).any(|_| {
            let done = succeeds(plane, subject, binding, rule);
            if !done {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            done
        });

        assert!(done, "{}: {subject} cannot {:?}", hole.name, request(rule));
        carried += 1;
        steps += 1;

        // The step before, where there is one: the tenant's own people create pods as that service
        // account.
        if let Subject::ServiceAccount(namespace, _) = subject {
            let admins = format!("--as-group={namespace}-admins");
            let can = plane.kubectl(&[
                "auth",
                "can-i",
                "create",
                "pods",
                "-n",
                namespace,
                "--as=somebody",
                &admins,
            ]);
            assert_eq!(can.out.trim(), "yes", "{}: {}", hole.name, can.err);
            steps += 1;
        }

        let list = json!({"apiVersion": "v1", "kind": "List", "items": added});
        let gone = plane.kubectl_with(&["delete", "--wait=false", "-f", "-"], &list.to_string());
        assert_eq!(gone.code, 0, "{}", gone.err);
        let back = (0..40).any(|_| {
            let still = succeeds(plane, subject, binding, rule);
            if still {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            !still
        });

        assert!(back, "{}: it is still there", hole.name);
    }

    say(&format!(
        "replay: {carried} refuted chains carried out in {steps} steps, each as its principal"
    ));
    assert!(carried >= 25, "{carried}");
}

//! The proof by itself, in the library: the network plane over many namespaces, and the worst case.

use rayon::prelude::*;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tenantry::graph::facts::Facts;
use tenantry::graph::{Cluster, InputKind, Origin, Parts};
use tenantry::isolation::{self, Plane};
use tenantry::kube::ObjectId;
use tenantry::source::{SourceId, Span};
use tenantry::value::Value;

/// What each tenant of a generated cluster has.
#[derive(Clone, Copy)]
enum Shape {
    /// Its namespace is closed, and one neighbour is let in.
    Plain,
    /// No policy: everybody reaches everybody.
    Open,
    /// All labels distinct, edges to ten others each way, 500 groups that many share.
    Worst,
}

/// Runs every case and prints a table.
pub fn run() {
    println!("| case | objects | read and index s | network s | every plane s | findings |");
    println!("|---|---|---|---|---|---|");
    for (name, shape, count) in [
        ("10,000 tenants, closed", Shape::Plain, 10_000),
        (
            "100,000 namespaces with a workload each, closed",
            Shape::Plain,
            100_000,
        ),
        ("100,000 namespaces, all open", Shape::Open, 100_000),
        (
            "worst case: 10,000 tenants, labels distinct, 20 edges each, 500 shared groups",
            Shape::Worst,
            10_000,
        ),
    ] {
        case(name, shape, count);
    }
}

fn case(name: &str, shape: Shape, count: usize) {
    let objects: Vec<Value> = (0..count)
        .flat_map(|i| tenant(shape, i, count))
        .map(|o| Value::from(&o))
        .collect();
    let span = Span::file(SourceId(0));
    let started = Instant::now();
    // Side by side, as manifests are read.
    let read = |objects: &[Value]| {
        let mut facts = Facts::default();
        for object in objects {
            let id = ObjectId::of(object).expect("an object");
            facts.add(
                id,
                object,
                Origin {
                    input: InputKind::Manifest,
                    span,
                },
            );
        }
        facts
    };
    let all: Vec<Facts> = objects.par_chunks(64).map(read).collect();
    let mut facts = Facts::default();
    all.into_iter().for_each(|more| facts.append(more));
    let cluster = Cluster::new(
        Parts {
            facts,
            ..Parts::default()
        },
        &|name, _, _| Some(name.into()),
    );
    let read = started.elapsed();
    let network = least(|| {
        let (mut all, mut assumptions) = (Vec::new(), BTreeSet::new());
        isolation::plane(&cluster, Plane::Network, &mut all, &mut assumptions);
    });
    let mut findings = 0;
    let every = least(|| findings = isolation::prove(&cluster).findings.len());
    let s = Duration::as_secs_f64;
    println!(
        "| {name} | {} | {:.2} | {:.2} | {:.2} | {findings} |",
        objects.len(),
        s(&read),
        s(&network),
        s(&every)
    );
}

/// The least of three runs.
fn least(mut work: impl FnMut()) -> Duration {
    let mut run = || {
        let started = Instant::now();
        work();
        started.elapsed()
    };
    [run(), run(), run()].into_iter().min().unwrap_or_default()
}

fn tenant(shape: Shape, index: usize, count: usize) -> Vec<serde_json::Value> {
    use serde_json::json;
    let name = format!("tenant-{index:06}");
    let other = |step: usize| format!("tenant-{:06}", (index + step) % count);
    let by_name = |n: String| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": n}}});
    let by_label = |n: String| json!({"namespaceSelector": {"matchLabels": {format!("label-{n}"): "yes"}}, "podSelector": {"matchLabels": {format!("app-{n}"): "yes"}}});
    let mut labels = json!({"team": format!("team-{}", index / 5)});
    if matches!(shape, Shape::Worst) {
        labels =
            json!({format!("label-{name}"): "yes", format!("own-{index}"): format!("{index}")});
    }
    let policy = |id: &str, spec: serde_json::Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": id, "namespace": name}, "spec": spec});
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "app", "namespace": name},
            "spec": {"template": {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": []}}}}),
    ];
    let (ins, outs): (Vec<_>, Vec<_>) = match shape {
        Shape::Open => return all,
        Shape::Plain => (vec![by_name(other(count - 1))], vec![by_name(other(1))]),
        Shape::Worst => (
            (1..=10).map(|s| by_label(other(count - s))).collect(),
            (1..=10).map(|s| by_label(other(s))).collect(),
        ),
    };
    all.push(policy(
        "default-deny",
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
    ));
    all.push(policy(
        "allow",
        json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": ins, "ports": [{"port": 8080}]}], "egress": [{"to": outs, "ports": [{"port": 8080}]}]}),
    ));
    if matches!(shape, Shape::Worst) {
        for group in 0..3 {
            all.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": format!("b{group}"), "namespace": name},
                "roleRef": {"kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "Group", "name": format!("group-{}", (index * 7 + group * 131) % 500)}]}));
        }
    }
    all
}

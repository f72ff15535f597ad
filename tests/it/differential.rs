//! The engines against `support/naive.rs`, on random inputs. Counterexamples are shrunk by
//! proptest, and kept in `fixtures/isolation/counterexamples`.

use crate::support::naive::{self, Labels as NaiveLabels};
use crate::support::say;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use tenantry::graph::facts::Facts;
use tenantry::graph::network::{FlowEnd, NamedPort, verdict};
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::graph::{Cluster, InputKind, Origin, Parts};
use tenantry::isolation::network::reach::Reachability;
use tenantry::isolation::{self, Plane, Verdict};
use tenantry::kube::ObjectId;
use tenantry::kube::labels::Labels;
use tenantry::netpol::{Direction, Protocol};
use tenantry::source::{SourceId, Span};

const NAMESPACES: [&str; 4] = ["n0", "n1", "n2", "n3"];
const KEYS: [&str; 2] = ["a", "b"];
const VALUES: [&str; 2] = ["x", "y"];
const PROBES: [(&str, u64); 6] = [
    ("TCP", 80),
    ("TCP", 85),
    ("TCP", 443),
    ("UDP", 53),
    ("UDP", 80),
    ("SCTP", 1),
];

/// A cluster of objects; each namespace is a tenant.
fn cluster(objects: &[Value]) -> Cluster {
    let mut facts = Facts::default();
    for (at, object) in objects.iter().enumerate() {
        let value = tenantry::value::Value::from(object);
        // Each object has a place of its own, so that they are told apart.
        let span = Span {
            source: SourceId(0),
            start: at as u32,
            end: at as u32,
        };
        facts.add(
            ObjectId::of(&value).expect("an object"),
            &value,
            Origin {
                input: InputKind::Manifest,
                span,
            },
        );
    }

    assert!(facts.unevaluated.is_empty(), "{:?}", facts.unevaluated);
    Cluster::new(
        Parts {
            facts,
            ..Parts::default()
        },
        &|name, _, _| Some(name.into()),
    )
}

fn selector() -> impl Strategy<Value = Value> {
    let expression = (select(&KEYS[..]), 0..4u8, vec(select(&VALUES[..]), 1..3)).prop_map(
        |(key, op, values)| match op {
            0 => json!({"key": key, "operator": "In", "values": values}),
            1 => json!({"key": key, "operator": "NotIn", "values": values}),
            2 => json!({"key": key, "operator": "Exists"}),
            _ => json!({"key": key, "operator": "DoesNotExist"}),
        },
    );
    prop_oneof![
        2 => Just(json!({})),
        2 => (select(&KEYS[..]), select(&VALUES[..])).prop_map(|(k, v)| json!({"matchLabels": {k: v}})),
        3 => vec(expression, 1..3).prop_map(|all| json!({"matchExpressions": all})),
    ]
}

fn rule(peers: &'static str) -> impl Strategy<Value = Value> {
    let named = select(&NAMESPACES[..])
        .prop_map(|n| json!({"matchLabels": {"kubernetes.io/metadata.name": n}}));
    let peer = prop_oneof![
        selector().prop_map(|s| json!({"podSelector": s})),
        selector().prop_map(|s| json!({"namespaceSelector": s})),
        (prop_oneof![selector(), named], selector())
            .prop_map(|(n, p)| json!({"namespaceSelector": n, "podSelector": p})),
    ];

    let port = prop_oneof![
        Just(json!({"port": 80})),
        Just(json!({"protocol": "TCP", "port": 80, "endPort": 90})),
        Just(json!({"protocol": "UDP"})),
        Just(json!({"protocol": "UDP", "port": 53})),
        Just(json!({"protocol": "TCP", "port": "web"})),
    ];

    (vec(peer, 0..3), vec(port, 0..2))
        .prop_map(move |(who, ports)| json!({peers: who, "ports": ports}))
}

fn policy() -> impl Strategy<Value = Value> {
    let types = prop_oneof![
        1 => Just(json!([])),
        1 => Just(json!(["Ingress"])),
        1 => Just(json!(["Egress"])),
        2 => Just(json!(["Ingress", "Egress"]))
    ];
    (select(&NAMESPACES[..]), selector(), types, vec(rule("from"), 0..3), vec(rule("to"), 0..3), any::<u32>()).prop_map(
        |(namespace, pods, types, ingress, egress, name)| {
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": format!("p{name}"), "namespace": namespace},
                "spec": {"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress},
            })
        },
    )
}

fn labels() -> impl Strategy<Value = NaiveLabels> {
    proptest::collection::btree_map(
        select(&KEYS[..]).prop_map(String::from),
        select(&VALUES[..]).prop_map(String::from),
        0..3,
    )
}

fn namespace(name: &str, labels: &NaiveLabels) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn with_name(name: &str, labels: &NaiveLabels) -> NaiveLabels {
    let mut labels = labels.clone();
    labels.insert("kubernetes.io/metadata.name".into(), name.into());
    labels
}

fn ours(labels: &NaiveLabels) -> Labels {
    Labels::new(labels.iter().map(|(k, v)| (k.into(), v.into())))
}

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(strategy, |input| {
        test(input);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn the_naive_evaluator_agrees_on_existing_pods() {
    let asked = Cell::new(0u32);
    let input = (
        vec(labels(), 4),
        vec(policy(), 0..7),
        vec(labels(), 8),
        any::<bool>(),
    );

    run(1200, &input, |(homes, policies, pods, names_web)| {
        let homes: Vec<NaiveLabels> = NAMESPACES
            .iter()
            .zip(&homes)
            .map(|(n, l)| with_name(n, l))
            .collect();

        let all: Vec<Value> = NAMESPACES
            .iter()
            .zip(&homes)
            .map(|(n, l)| namespace(n, l))
            .chain(policies.iter().cloned())
            .collect();

        let cluster = cluster(&all);
        let ours_homes: Vec<Labels> = homes.iter().map(ours).collect();
        let ours_pods: Vec<Labels> = pods.iter().map(ours).collect();
        let web = [NamedPort {
            name: "web".into(),
            protocol: Protocol::Tcp,
            port: 85,
        }];

        let ports: (&[NamedPort], &[(&str, &str, u64)]) = if names_web {
            (&web, &[("web", "TCP", 85)])
        } else {
            (&[], &[])
        };

        let end = |i: usize| FlowEnd {
            namespace: NAMESPACES[i % 4],
            namespace_labels: &ours_homes[i % 4],
            labels: &ours_pods[i],
            ips: &[],
            ports: ports.0,
        };

        let pod = |i: usize| naive::Pod {
            namespace: NAMESPACES[i % 4],
            namespace_labels: &homes[i % 4],
            labels: &pods[i],
            ports: ports.1,
        };

        for (from, to) in (0..8)
            .flat_map(|a| (0..8).map(move |b| (a, b)))
            .filter(|(a, b)| a != b)
        {
            for (protocol, port) in PROBES {
                for (direction, name, a, b) in [
                    (Direction::Ingress, "Ingress", to, from),
                    (Direction::Egress, "Egress", from, to),
                ] {
                    asked.set(asked.get() + 1);
                    let own = cluster
                        .facts
                        .policies
                        .iter()
                        .filter(|p| p.id.namespace == NAMESPACES[a % 4]);
                    let said = verdict(
                        own,
                        direction,
                        &end(a),
                        &end(b),
                        Protocol::parse(protocol).expect("known"),
                        port as u16,
                    );
                    let want = naive::passes(&policies, name, &pod(a), &pod(b), protocol, port);
                    assert_eq!(said.passes(), want, "{name} {a} {b} {protocol}/{port}");
                }
            }
        }
    });

    say(&format!(
        "network: {} random questions about pods, the same answers",
        asked.get()
    ));

    assert!(asked.get() >= 100_000);
}

/// Every way to label a pod that makes a difference: each key absent, with each value that is
/// mentioned, with another.
fn every_label() -> Vec<NaiveLabels> {
    let values = [None, Some("x"), Some("y"), Some("other")];
    values
        .iter()
        .flat_map(|a| values.iter().map(move |b| [("a", a), ("b", b)]))
        .map(|pair| {
            pair.iter()
                .filter_map(|(k, v)| Some(((*k).to_owned(), v.as_ref()?.to_string())))
                .collect()
        })
        .collect()
}

/// Whether some pod of one namespace can reach some pod of another, by trying them all.
fn by_trying(homes: &[NaiveLabels], policies: &[Value], from: usize, to: usize) -> bool {
    let every = every_label();
    every.iter().any(|source| {
        every.iter().any(|target| {
            PROBES.iter().any(|(protocol, port)| {
                [&[][..], &[("web", *protocol, *port)][..]]
                    .iter()
                    .any(|ports| {
                        let pod = |at: usize, labels, ports| naive::Pod {
                            namespace: NAMESPACES[at],
                            namespace_labels: &homes[at],
                            labels,
                            ports,
                        };
                        let (a, b) = (pod(from, source, &[]), pod(to, target, ports));
                        naive::passes(policies, "Egress", &a, &b, protocol, *port)
                            && naive::passes(policies, "Ingress", &b, &a, protocol, *port)
                    })
            })
        })
    })
}

/// Holds the engine against trying, for every pair of namespaces; how many pairs, and how many are
/// open.
fn agrees(homes: &[NaiveLabels], policies: &[Value]) -> (u32, u32) {
    let homes: Vec<NaiveLabels> = NAMESPACES
        .iter()
        .zip(homes)
        .map(|(n, l)| with_name(n, l))
        .collect();

    let all: Vec<Value> = NAMESPACES
        .iter()
        .zip(&homes)
        .map(|(n, l)| namespace(n, l))
        .chain(policies.iter().cloned())
        .collect();

    let cluster = cluster(&all);
    let reach = Reachability::new(&cluster);
    let (mut asked, mut open, mut reached) = (0, 0, BTreeSet::new());

    for (from, to) in (0..4).flat_map(|a| (0..4).map(move |b| (a, b))) {
        let want = by_trying(&homes, policies, from, to);
        asked += 1;
        open += u32::from(want);
        let said = reach
            .between(from as u32, to as u32)
            .expect("small")
            .is_some();
        assert_eq!(
            said, want,
            "from {} to {}",
            NAMESPACES[from], NAMESPACES[to]
        );
        if want && from != to {
            reached.insert(NAMESPACES[to].to_owned());
        }
    }

    // Whom the proof says somebody reaches is exactly who is reached.
    let proof = isolation::prove(&cluster);
    let network = proof
        .findings
        .iter()
        .filter(|f| f.plane == Plane::Network && f.verdict == Some(Verdict::Refuted));

    let said: BTreeSet<String> = network
        .filter_map(|f| f.victim.as_ref().map(ToString::to_string))
        .collect();
    assert_eq!(said, reached);
    (asked, open)
}

/// What once was a counterexample.
#[test]
fn saved_counterexamples_agree() {
    let folder = crate::support::root().join("fixtures/isolation/counterexamples");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|e| e.expect("a file").path())
        .collect();

    files.sort();
    assert!(!files.is_empty());

    for file in files {
        let text = std::fs::read_to_string(&file).expect("text");
        let mut sources = tenantry::source::SourceMap::default();
        let id = sources.add(tenantry::source::Source::new("case.yaml", text));
        let (documents, faults) = tenantry::document::parse_foreign(id, sources.get(id));
        assert!(faults.is_empty(), "{faults:?}");
        let objects: Vec<Value> = documents.iter().map(|d| d.root.to_json()).collect();
        let labels = |name: &str| {
            let is_it = |o: &&Value| o["kind"] == "Namespace" && o["metadata"]["name"] == name;
            let labels = objects
                .iter()
                .find(is_it)
                .map(|o| o["metadata"]["labels"].clone())
                .unwrap_or_default();
            serde_json::from_value::<Option<NaiveLabels>>(labels)
                .expect("labels")
                .unwrap_or_default()
        };

        let homes: Vec<NaiveLabels> = NAMESPACES.iter().map(|n| labels(n)).collect();
        let policies: Vec<Value> = objects
            .into_iter()
            .filter(|o| o["kind"] == "NetworkPolicy")
            .collect();

        agrees(&homes, &policies);
    }
}

#[test]
fn the_naive_evaluator_agrees_on_future_pods() {
    let (asked, open) = (Cell::new(0u32), Cell::new(0u32));
    let input = (
        vec(labels(), 4),
        vec(policy(), 0..9),
        vec(any::<[bool; 2]>(), 4),
    );

    run(400, &input, |(homes, mut policies, denied)| {
        // Most fleets deny by default: without it nearly every pair is open.
        for (at, [ingress, egress]) in denied.into_iter().enumerate() {
            let types: Vec<&str> = [("Ingress", ingress), ("Egress", egress)]
                .iter()
                .filter(|(_, on)| *on)
                .map(|(t, _)| *t)
                .collect();
            if !types.is_empty() {
                policies.push(json!({
                    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                    "metadata": {"name": "default-deny", "namespace": NAMESPACES[at]},
                    "spec": {"podSelector": {}, "policyTypes": types},
                }));
            }
        }

        let (more, ways) = agrees(&homes, &policies);
        asked.set(asked.get() + more);
        open.set(open.get() + ways);
    });

    say(&format!(
        "network: {} random pairs of namespaces, {} of them open, each tried with every label",
        asked.get(),
        open.get()
    ));
}

const VERBS: [&str; 5] = ["get", "list", "create", "impersonate", "*"];
const GROUPS: [&str; 4] = ["", "apps", "rbac.authorization.k8s.io", "*"];
const RESOURCES: [&str; 7] = [
    "pods",
    "pods/exec",
    "secrets",
    "deployments",
    "*/scale",
    "deployments/scale",
    "*",
];
const NAMES: [&str; 3] = ["one", "two", "three"];

pub fn rbac() -> impl Strategy<Value = Vec<Value>> {
    let rule = (
        vec(select(&VERBS[..]), 1..3),
        vec(select(&GROUPS[..]), 1..3),
        vec(select(&RESOURCES[..]), 1..3),
        prop_oneof![3 => Just(Vec::new()), 1 => vec(select(&NAMES[..]), 1..2)],
    )
        .prop_map(|(verbs, groups, resources, names)| {
            json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
        });

    let rules = vec(rule, 1..4);
    let span = (select(&NAMESPACES[..2]), select(&NAMES[..]));
    let role = (span.clone(), rules.clone()).prop_map(|((namespace, name), rules)| {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": rules})
    });
    let cluster_role = (select(&NAMES[..]), rules, labels(), proptest::option::weighted(0.3, selector())).prop_map(|(name, rules, labels, aggregates)| {
        let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name, "labels": labels}, "rules": rules});
        if let Some(selector) = aggregates {
            role["aggregationRule"] = json!({"clusterRoleSelectors": [selector]});
            role["rules"] = json!([]);
        }
        role
    });

    let subject = prop_oneof![
        select(&["u0", "u1"][..]).prop_map(|name| json!({"kind": "User", "name": name})),
        select(
            &[
                "g0",
                "g1",
                "system:authenticated",
                "system:serviceaccounts:n0",
                "system:serviceaccounts"
            ][..]
        )
        .prop_map(|name| json!({"kind": "Group", "name": name})),
        span.clone().prop_map(
            |(ns, name)| json!({"kind": "ServiceAccount", "namespace": ns, "name": name})
        ),
    ];

    let binding = (span, any::<bool>(), any::<bool>(), select(&NAMES[..]), vec(subject, 0..5), any::<u32>()).prop_map(
        |((namespace, _), wide, cluster_role, role, subjects, name)| {
            let kind = if wide { "ClusterRoleBinding" } else { "RoleBinding" };
            let role_kind = if wide || cluster_role { "ClusterRole" } else { "Role" };
            let mut metadata = json!({"name": format!("b{name}")});
            if !wide {
                metadata["namespace"] = namespace.into();
            }
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata,
                "roleRef": {"kind": role_kind, "name": role}, "subjects": subjects})
        },
    );

    let objects = vec(
        prop_oneof![2 => role, 2 => cluster_role, 4 => binding],
        0..24,
    );

    objects.prop_map(|objects| {
        // The last of two with one identity is the one that is there.
        let key = |o: &Value| {
            format!(
                "{} {} {}",
                o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]
            )
        };

        let last = |at: usize| {
            objects[at + 1..]
                .iter()
                .all(|o| key(o) != key(&objects[at]))
        };

        (0..objects.len())
            .filter(|at| last(*at))
            .map(|at| objects[at].clone())
            .collect()
    })
}

#[test]
fn the_naive_evaluator_agrees_on_rbac_requests() {
    let (asked, allowed) = (Cell::new(0u32), Cell::new(0u32));
    let question = (
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
        any::<Index>(),
    );

    run(
        4000,
        &(rbac(), vec(question, 30)),
        |(objects, questions)| {
            let cluster = cluster(&objects);
            for (who, verb, group, resource, name, namespace) in &questions {
                let people: [(Subject, &str, &[&str]); 4] = [
                    (
                        Subject::User("u0".into()),
                        "u0",
                        &["system:authenticated"][..],
                    ),
                    (Subject::User("u1".into()), "u1", &["system:authenticated"]),
                    (
                        Subject::Group("g0".into()),
                        "",
                        &["g0", "system:authenticated"],
                    ),
                    (
                        Subject::ServiceAccount("n0".into(), "one".into()),
                        "system:serviceaccount:n0:one",
                        &[
                            "system:serviceaccounts",
                            "system:serviceaccounts:n0",
                            "system:authenticated",
                        ],
                    ),
                ];

                let (subject, user, groups) = who.get(&people).clone();
                let resource = *resource.get(&[
                    "pods",
                    "pods/exec",
                    "secrets",
                    "deployments/scale",
                    "deployments",
                ]);

                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                let (verb, group) = (*verb.get(&VERBS[..4]), *group.get(&GROUPS[..3]));
                let (name, namespace) = (
                    *name.get(&["", "one", "two"]),
                    *namespace.get(&["", "n0", "n1"]),
                );

                let want = naive::allowed(
                    &objects,
                    &naive::Request {
                        user,
                        groups,
                        verb,
                        group,
                        resource,
                        subresource,
                        name,
                        namespace,
                    },
                );

                let who = subject.with_groups();
                let said = cluster
                    .rbac
                    .authorize(
                        &who,
                        &AccessRequest {
                            verb,
                            group,
                            resource,
                            subresource,
                            name,
                            namespace,
                        },
                    )
                    .is_some();

                asked.set(asked.get() + 1);
                allowed.set(allowed.get() + u32::from(want));
                assert_eq!(
                    said, want,
                    "{user} {groups:?} {verb} {group}/{resource}/{subresource} {name} in {namespace}"
                );
            }
        },
    );

    say(&format!(
        "rbac: {} random questions, {} of them allowed, the same answers",
        asked.get(),
        allowed.get()
    ));

    assert!(asked.get() >= 100_000);
}

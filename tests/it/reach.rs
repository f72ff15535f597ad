//! `reach` over random policies and pods: the answers of the naive evaluator, each with reasons that
//! are about the pods in question.

use crate::support::naive::{self, Labels as NaiveLabels};
use crate::support::{Dice, Sandbox, say, seed};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tenantry::graph::{self, Cluster, ExtraFacts, WithoutFleet};
use tenantry::isolation::connection;
use tenantry::isolation::question::Word;
use tenantry::kube::labels::Labels;
use tenantry::netpol::{Direction, Port, Ports, Protocol};
use tenantry::source::{Source, SourceMap};

const NAMESPACES: [&str; 3] = ["n0", "n1", "n2"];
const PODS: usize = 3;

fn selector(dice: &mut Dice) -> Value {
    match *dice.of(&[0, 0, 1, 1, 1, 2, 3]) {
        0 => json!({}),
        1 => json!({"matchLabels": {"app": *dice.of(&["a", "b", "c"])}}),
        2 => json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
        _ => json!({"matchExpressions":
            [{"key": "app", "operator": "NotIn", "values": [*dice.of(&["a", "b"])]}]}),
    }
}

fn rule(dice: &mut Dice, peers: &str) -> Value {
    let home = json!({"matchLabels":
        {"kubernetes.io/metadata.name": *dice.of(&NAMESPACES)}});
    let peer = match *dice.of(&[0, 1, 2, 3]) {
        0 => vec![],
        1 => vec![json!({"podSelector": selector(dice)})],
        2 => vec![json!({"namespaceSelector": home})],
        _ => vec![
            json!({"namespaceSelector": home, "podSelector": selector(dice)}),
            json!({"podSelector": selector(dice)}),
        ],
    };
    let ports = match *dice.of(&[0, 0, 1, 2, 3]) {
        0 => vec![],
        1 => vec![json!({"port": 80})],
        2 => vec![json!({"port": "web"})],
        _ => vec![
            json!({"port": 8000, "endPort": 9000}),
            json!({"protocol": "UDP", "port": 53}),
        ],
    };
    json!({peers: peer, "ports": ports})
}

fn policy(dice: &mut Dice, at: usize) -> Value {
    let types = *dice.of(&[&["Ingress"][..], &["Egress"], &["Ingress", "Egress"]]);
    let mut rules = |peers| -> Vec<Value> {
        let count = *dice.of(&[0, 1, 1, 2]);
        (0..count).map(|_| rule(dice, peers)).collect()
    };
    let (ingress, egress) = (rules("from"), rules("to"));
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("p{at}"), "namespace": *dice.of(&NAMESPACES)},
        "spec": {"podSelector": selector(dice), "policyTypes": types,
            "ingress": ingress, "egress": egress},
    })
}

fn pod(dice: &mut Dice, namespace: &str, at: usize) -> Value {
    let mut labels = json!({"app": *dice.of(&["a", "b", "c"])});
    if *dice.of(&[true, false]) {
        labels["tier"] = json!("x");
    }
    let ports = match *dice.of(&[true, false]) {
        true => json!([{"name": "web", "containerPort": *dice.of(&[80, 8080])}]),
        false => json!([]),
    };
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("pod{at}"), "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "c", "ports": ports}]}})
}

fn cluster(objects: &[Value]) -> Cluster {
    let mut sources = SourceMap::default();
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let id = sources.add(Source::new("objects.yaml", text.join("\n---\n")));
    let reading = graph::read(&sources, &[id], false);
    assert!(reading.faults.is_empty(), "{:?}", reading.faults);
    let beside = ExtraFacts {
        facts: reading.facts,
        ..ExtraFacts::default()
    };
    let span = sources.add_path("cluster");
    graph::without_fleet(beside, span, &WithoutFleet::default())
}

fn labels(object: &Value) -> NaiveLabels {
    let all = object["metadata"]["labels"].as_object().expect("labels");
    let pair = |(key, value): (&String, &Value)| (key.clone(), value.as_str().unwrap().to_owned());
    all.iter().map(pair).collect()
}

/// A pod as the naive evaluator takes it.
struct NaivePod {
    namespace: String,
    home: NaiveLabels,
    labels: NaiveLabels,
    ports: Vec<u64>,
}

impl NaivePod {
    fn new(object: &Value) -> Self {
        let namespace = object["metadata"]["namespace"].as_str().unwrap().to_owned();
        let name = ("kubernetes.io/metadata.name".to_owned(), namespace.clone());
        let ports = object["spec"]["containers"][0]["ports"].as_array().unwrap();
        let ports = ports.iter().map(|port| port["containerPort"].as_u64());
        Self {
            namespace,
            home: NaiveLabels::from([name]),
            labels: labels(object),
            ports: ports.flatten().collect(),
        }
    }

    fn passes(&self, policies: &[Value], direction: &str, peer: &Self, port: u64) -> bool {
        let own: Vec<_> = self
            .ports
            .iter()
            .map(|port| ("web", "TCP", *port))
            .collect();
        let others: Vec<_> = peer
            .ports
            .iter()
            .map(|port| ("web", "TCP", *port))
            .collect();
        naive::passes(
            policies,
            direction,
            &self.naive(&own),
            &peer.naive(&others),
            "TCP",
            port,
        )
    }

    fn naive<'a>(&'a self, ports: &'a [(&'a str, &'a str, u64)]) -> naive::Pod<'a> {
        naive::Pod {
            namespace: &self.namespace,
            namespace_labels: &self.home,
            labels: &self.labels,
            ports,
        }
    }
}

/// The policies that a step names.
fn named<'c>(cluster: &'c Cluster, step: &str) -> Vec<&'c graph::network::PolicyObject> {
    let policies = cluster.facts.policies.iter();
    let is_named = |policy: &&graph::network::PolicyObject| {
        let called = format!("{} ", policy.id.called());
        format!("{step} ").contains(&called)
    };
    policies.filter(is_named).collect()
}

/// The direction that a step is about.
fn direction(step: &str) -> Direction {
    match step.contains("egress") || step.contains("out of") {
        true => Direction::Egress,
        false => Direction::Ingress,
    }
}

/// Whether each policy that an answer names governs an end in the direction that its step says.
/// `ends` are the namespaces, with the labels of the pod if it is known.
fn names_own_policies(
    cluster: &Cluster,
    steps: &[tenantry::isolation::Step],
    from: (&str, Option<&Labels>),
    to: (&str, Option<&Labels>),
) -> usize {
    let mut count = 0;
    for step in steps {
        let direction = direction(&step.text);
        let (home, labels) = match direction {
            Direction::Egress => from,
            Direction::Ingress => to,
        };
        for policy in named(cluster, &step.text) {
            assert_eq!(policy.id.namespace, home, "{step:?}");
            assert!(policy.spec.rules(direction).is_some(), "{step:?}");
            assert!(
                labels.is_none_or(|labels| policy.spec.pods.matches(labels)),
                "{step:?}"
            );
            count += 1;
        }
    }
    count
}

fn ours(labels: &NaiveLabels) -> Labels {
    Labels::new(labels.iter().map(|(key, value)| (key.into(), value.into())))
}

#[test]
fn every_answer_names_the_policies_of_its_pods() {
    let mut dice = Dice(seed());
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();

    for _ in 0..250 {
        let count = *dice.of(&[0, 1, 2, 4, 7]);
        let policies: Vec<Value> = (0..count).map(|at| policy(&mut dice, at)).collect();
        let pods: Vec<Value> = NAMESPACES
            .iter()
            .flat_map(|namespace| (0..PODS).map(move |at| (*namespace, at)))
            .map(|(namespace, at)| pod(&mut dice, namespace, at))
            .collect();
        let all: Vec<Value> = policies.iter().chain(&pods).cloned().collect();
        let cluster = cluster(&all);
        let pods: Vec<NaivePod> = pods.iter().map(NaivePod::new).collect();

        for _ in 0..30 {
            let (from, to) = (
                dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8]),
                dice.of(&[0, 1, 2, 3, 4, 5, 6, 7, 8]),
            );
            let (from, to) = (*from, *to);
            if from == to {
                continue;
            }
            let number = *dice.of(&[80, 8080, 8443, 53]);
            let port = Port {
                protocol: Protocol::Tcp,
                ports: Ports::Range(number, number),
            };
            let name = |at: usize| format!("{}/pod{}", pods[at].namespace, at % PODS);
            let answer = connection::answer(&cluster, &name(from), &name(to), Some(&port));
            let answer = answer.expect("pods that are there");

            let number = u64::from(number);
            let wanted = pods[from].passes(&policies, "Egress", &pods[to], number)
                && pods[to].passes(&policies, "Ingress", &pods[from], number);
            let word = if wanted { Word::Yes } else { Word::No };
            assert_eq!(answer.word, word, "{answer:?}");
            assert!(!answer.steps.is_empty(), "{answer:?}");

            let labels = [from, to].map(|at| ours(&pods[at].labels));
            let count = names_own_policies(
                &cluster,
                &answer.steps,
                (&pods[from].namespace, Some(&labels[0])),
                (&pods[to].namespace, Some(&labels[1])),
            );
            assert!(wanted || count > 0, "{answer:?}");
            *words.entry(answer.word.name()).or_default() += 1;
        }

        for (from, to) in [("n0", "n1"), ("n2/pod0", "n0"), ("n1", "n2/pod1")] {
            let answer = connection::answer(&cluster, from, to, None).expect("namespaces");
            assert!(!answer.steps.is_empty(), "{answer:?}");
            let home = |end: &'static str| &end[..2];
            let labels = |end: &str| {
                let mut known = cluster.facts.workloads.iter();
                let is_it =
                    |id: &tenantry::kube::ObjectId| format!("{}/{}", id.namespace, id.name) == end;
                known.find(|one| is_it(&one.id)).map(|one| &one.labels)
            };
            names_own_policies(
                &cluster,
                &answer.steps,
                (home(from), labels(from)),
                (home(to), labels(to)),
            );
        }
    }

    say(&format!("reach: random questions with reasons: {words:?}"));
    assert!(words["yes"] > 500 && words["no"] > 500, "{words:?}");
}

/// Whether the policies let a pod send to an address, or be sent to.
fn passes_address(
    policies: &[Value],
    pod: &NaivePod,
    egress: bool,
    address: &str,
    port: u64,
) -> bool {
    let (direction, rules, peers) = match egress {
        true => ("Egress", "egress", "to"),
        false => ("Ingress", "ingress", "from"),
    };
    let has_port = |rule: &Value| {
        let ports = rule["ports"].as_array().unwrap();
        let is_it = |allowed: &Value| {
            let is_tcp = allowed["protocol"].as_str().unwrap_or("TCP") == "TCP";
            let first = match allowed["port"].as_str() {
                // An address names no port.
                Some(_) if egress => return false,
                Some(_) => return pod.ports.contains(&port),
                None => allowed["port"].as_u64().unwrap(),
            };
            let last = allowed["endPort"].as_u64().unwrap_or(first);
            is_tcp && first <= port && port <= last
        };
        ports.is_empty() || ports.iter().any(is_it)
    };
    let has_peer = |rule: &Value| {
        let all = rule[peers].as_array().unwrap();
        let is_it = |peer: &Value| {
            let Some(net) = peer["ipBlock"]["cidr"].as_str() else {
                return false;
            };
            let net: ipnet::IpNet = net.parse().unwrap();
            net.contains(&address.parse::<std::net::IpAddr>().unwrap())
        };
        all.is_empty() || all.iter().any(is_it)
    };

    let mut is_governed = false;
    for policy in policies {
        let spec = &policy["spec"];
        let types = spec["policyTypes"].as_array().unwrap();
        let governs = types.iter().any(|one| one == direction)
            && policy["metadata"]["namespace"] == pod.namespace.as_str()
            && naive::selects(&spec["podSelector"], &pod.labels);
        if !governs {
            continue;
        }
        is_governed = true;
        let rules = spec[rules].as_array().unwrap();
        if rules.iter().any(|rule| has_port(rule) && has_peer(rule)) {
            return true;
        }
    }
    !is_governed
}

#[test]
fn addresses_pass_as_the_blocks_of_the_policies_say() {
    let mut dice = Dice(seed());
    let mut words: BTreeMap<&str, usize> = BTreeMap::new();
    let addresses = [
        "203.0.113.9",
        "198.51.100.1",
        "169.254.169.254",
        "2001:db8::7",
    ];

    for _ in 0..250 {
        let count = *dice.of(&[0, 1, 2, 4]);
        let mut policies: Vec<Value> = (0..count).map(|at| policy(&mut dice, at)).collect();
        for policy in &mut policies {
            for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
                for rule in policy["spec"][rules].as_array_mut().unwrap() {
                    let net = *dice.of(&["203.0.113.0/24", "0.0.0.0/0", "2001:db8::/32"]);
                    if *dice.of(&[true, false]) {
                        rule[peers] = json!([{"ipBlock": {"cidr": net}}]);
                    }
                }
            }
        }
        let pod = pod(&mut dice, "n0", 0);
        let mut all = policies.clone();
        all.push(pod.clone());
        let (cluster, pod) = (cluster(&all), NaivePod::new(&pod));

        for address in addresses {
            for egress in [true, false] {
                let number = *dice.of(&[80, 8080, 8443]);
                let port = Port {
                    protocol: Protocol::Tcp,
                    ports: Ports::Range(number, number),
                };
                let (from, to) = match egress {
                    true => ("n0/pod0", address),
                    false => (address, "n0/pod0"),
                };
                let answer = connection::answer(&cluster, from, to, Some(&port)).expect("ends");
                let wanted = passes_address(&policies, &pod, egress, address, u64::from(number));
                let word = if wanted { Word::Yes } else { Word::No };
                assert_eq!(answer.word, word, "{answer:?}");
                assert!(!answer.steps.is_empty(), "{answer:?}");

                let labels = ours(&pod.labels);
                let end = ("n0", Some(&labels));
                let count = names_own_policies(&cluster, &answer.steps, end, end);
                assert!(wanted || count > 0, "{answer:?}");
                *words.entry(answer.word.name()).or_default() += 1;
            }
        }
    }
    say(&format!(
        "reach: random questions about addresses: {words:?}"
    ));
    assert!(words["yes"] > 200 && words["no"] > 200, "{words:?}");
}

/// Two closed namespaces, a web server with a Service, and a policy for each case.
fn closed() -> Sandbox {
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ledger"}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "deny", "namespace": "shop"},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "db-alone", "namespace": "shop"},
            "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "web-out", "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"],
            "egress": [
                {"to": [{"ipBlock": {"cidr": "198.51.100.0/24"}}], "ports": [{"port": 443}]},
                {"to": [{"namespaceSelector": {"matchLabels":
                    {"kubernetes.io/metadata.name": "ledger"}}}], "ports": [{"port": "api"}]},
            ]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "c", "image": "c"}]}}}}),
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "api", "namespace": "ledger", "labels": {"app": "api"}},
            "spec": {"containers": [{"name": "c", "image": "c",
                "ports": [{"name": "api", "containerPort": 9000}]}]},
            "status": {"podIP": "10.1.2.3"}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "api", "namespace": "ledger"},
            "spec": {"clusterIP": "10.96.0.7", "selector": {"app": "api"},
                "ports": [{"port": 80, "targetPort": "api"}]}}),
    ];
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    Sandbox::with(&[("all.yaml", &text.join("\n---\n"))])
}

/// Asks, and returns the answer's first line and everything.
fn ask(sandbox: &Sandbox, question: &[&str]) -> (String, String) {
    let ran = sandbox.run(&[&["reach"], question, &["--also", "all.yaml"]].concat());
    let first = ran.out.lines().next().unwrap_or_default().to_owned();
    (first, ran.all())
}

#[test]
fn a_no_names_the_policies_of_the_pod_alone() {
    let sandbox = closed();
    let (first, all) = ask(&sandbox, &["shop/web", "198.51.100.7", "--port", "80"]);
    assert!(
        first.contains("no: egress of Deployment shop/web is blocked"),
        "{all}"
    );
    assert!(
        all.contains("NetworkPolicy shop/web-out governs egress of Deployment shop/web and allows 198.51.100.7 on 443/TCP only")
            && all.contains("NetworkPolicy shop/deny") && !all.contains("db-alone"),
        "{all}"
    );

    let (first, all) = ask(&sandbox, &["shop/web", "198.51.100.7", "--port", "443"]);
    assert!(
        first.ends_with("yes") && all.contains("NetworkPolicy shop/web-out allows egress"),
        "{all}"
    );

    // Of a network, the part that passes is said.
    let (first, all) = ask(&sandbox, &["shop/web", "198.51.0.0/16"]);
    assert!(
        first.ends_with("yes") && all.contains("to 198.51.100.0/24, a part of 198.51.0.0/16"),
        "{all}"
    );

    // The other side is said too.
    let (first, all) = ask(&sandbox, &["ledger", "shop/web"]);
    assert!(
        first.contains("no: ingress of Deployment shop/web is blocked")
            && all.contains("no policy governs what goes out of `ledger`"),
        "{all}"
    );
}

#[test]
fn services_lead_to_the_ports_of_their_pods() {
    let sandbox = closed();
    for target in ["ledger/svc/api", "api.ledger.svc", "10.96.0.7"] {
        let (first, all) = ask(&sandbox, &["shop/web", target, "--port", "80"]);
        assert!(first.ends_with("yes"), "{target}: {all}");
        assert!(
            all.contains("Service ledger/api sends to Pod ledger/api"),
            "{all}"
        );
        let (first, all) = ask(&sandbox, &["shop/web", target, "--port", "9000"]);
        assert!(
            first.contains("no: Service ledger/api has no such port; it has 80/TCP"),
            "{all}"
        );
    }

    // The address of a pod is the pod, in each spelling.
    for target in ["10.1.2.3", "[::ffff:10.1.2.3]", "ledger/pod/api"] {
        let (first, all) = ask(&sandbox, &["shop/web", target, "--port", "9000"]);
        assert!(first.ends_with("yes"), "{target}: {all}");
        let (first, all) = ask(&sandbox, &["shop/web", target, "--port", "80"]);
        assert!(first.contains(": no"), "{target}: {all}");
    }
}

#[test]
fn endpoints_of_the_platform_have_names() {
    let sandbox = closed();
    for (end, word) in [
        ("metadata", "no"),
        ("kube-apiserver", "unknown"),
        ("dns", "no"),
    ] {
        let (first, all) = ask(&sandbox, &["shop/web", end, "--port", "443"]);
        assert!(first.contains(&format!(": {word}")), "{end}: {all}");
        let (first, all) = ask(&sandbox, &["ledger", end]);
        assert!(first.contains(": yes"), "{end}: {all}");
    }

    for (ends, wanted) in [
        (["shop", "10.0.0.300"], "neither an address nor a network"),
        (
            ["203.0.113.9", "198.51.100.0/24"],
            "name a namespace or a workload",
        ),
        (["shopp", "ledger"], "did you mean `shop`?"),
        (["shop/wep", "ledger"], "did you mean `web`?"),
        (["ledger/svc/api", "shop"], "sends nothing"),
    ] {
        let ran = sandbox.run(&[&["reach"], &ends[..], &["--also", "all.yaml"]].concat());
        assert!(ran.code == 2 && ran.err.contains(wanted), "{ran:?}");
    }
}

#[test]
fn a_fleet_says_where_its_nodes_and_its_api_server_are() {
    let fleet = crate::support::FLEET;
    let declared = "      podCIDRs: [10.0.0.0/16]\n      serviceCIDRs: [10.96.0.0/16]\n      \
                    nodeCIDRs: [192.168.0.0/24]\n      apiServer: [192.168.1.10/32]\n";
    let fleet = fleet.replace(
        "    - name: prod\n",
        &format!("    - name: prod\n{declared}"),
    );
    assert!(fleet.contains("nodeCIDRs"), "{fleet}");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &crate::support::tenant("a", "")),
    ]);

    for (end, word, reason) in [
        (
            "192.168.0.7",
            "unknown",
            "a pod and its own node always reach each other",
        ),
        ("192.168.1.10", "no", "unless the pod runs on the node"),
        ("kube-apiserver", "no", "unless the pod runs on the node"),
        ("dns", "yes", "no input holds the namespace"),
        ("10.0.3.4", "unknown", "whose policies decide too"),
        ("203.0.113.9", "no", "is blocked"),
        ("127.0.0.1", "yes", "never leaves the pod"),
    ] {
        let ran = sandbox.run(&["reach", "a", end]);
        assert!(
            ran.out.starts_with(&format!("prod: {word}")) && ran.out.contains(reason),
            "{end}: {ran:?}"
        );
    }
}

#[test]
fn an_address_of_a_pod_or_a_node_is_never_answered_without_a_condition() {
    let allows = json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "out", "namespace": "a"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}});
    let ask = |plugin: &str, declared: &str, question: &[&str]| {
        let cluster = format!("    - name: prod\n      cni: {{name: {plugin}}}\n{declared}");
        let fleet = crate::support::FLEET.replace("    - name: prod\n", &cluster);
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/a.yaml", &crate::support::tenant("a", "")),
            ("allows.yaml", &allows.to_string()),
        ]);
        let ran = sandbox.run(&[&["reach", "a"], question].concat());
        assert!(ran.code < 2, "{ran:?}");
        ran.out
    };
    let pods = "      podCIDRs: [10.244.0.0/16]\n";
    let nodes = "      nodeCIDRs: [10.1.0.0/16]\n";
    let both = format!("{pods}{nodes}");

    for plugin in ["calico", "cilium"] {
        for (declared, target, word, reason) in [
            ("", "10.0.1.5", "no", "neither a pod's address nor"),
            (pods, "10.0.1.5", "no", "the address of the pod's own node"),
            (nodes, "10.0.1.5", "no", "not a pod's address"),
            (both.as_str(), "10.0.1.5", "no", ""),
            (nodes, "10.1.0.7", "unknown", "is an address of nodes"),
            (
                nodes,
                "10.0.0.0/8",
                "unknown",
                "a part of 10.0.0.0/8 is addresses of nodes",
            ),
            ("", "203.0.113.9", "no", ""),
        ] {
            let out = ask(plugin, declared, &[target]);
            let is_bare = !out.contains("this holds if") && !out.contains("nodeCIDRs");
            assert!(
                out.starts_with(&format!("prod: {word}")) && out.contains(reason),
                "{plugin} {declared} {target}: {out}"
            );
            assert_eq!(
                is_bare,
                reason.is_empty(),
                "{plugin} {declared} {target}: {out}"
            );
        }
    }

    // What a policy allows may still be a pod, whose own policies decide too.
    let allowed = ["10.0.1.5", "--also", "allows.yaml"];
    for (plugin, declared, reason) in [
        ("calico", "", "not a pod's address"),
        ("cilium", "", "neither a pod's address nor"),
        ("calico", pods, ""),
        ("cilium", pods, "the address of the pod's own node"),
        ("cilium", &both, ""),
    ] {
        let out = ask(plugin, declared, &allowed);
        assert!(
            out.starts_with("prod: yes") && out.contains(reason),
            "{plugin} {declared}: {out}"
        );
        assert_eq!(
            !out.contains("this holds if"),
            reason.is_empty(),
            "{plugin}: {out}"
        );
    }
}

#[test]
fn a_service_has_the_addresses_of_its_own_slices_alone() {
    let slice = |name: &str, service: Value, address: &str| {
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "shop", "labels": service},
            "endpoints": [{"addresses": [address]}], "ports": []})
    };
    let label = |service: &str| json!({"kubernetes.io/service-name": service});
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ledger"}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "web", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "out", "namespace": "ledger"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"],
                "egress": [{"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]}}),
    ];
    let ask = |slices: &[Value]| {
        let all = objects.iter().chain(slices);
        let text: Vec<String> = all.map(ToString::to_string).collect();
        let sandbox = Sandbox::with(&[("all.yaml", &text.join("\n---\n"))]);
        ask(&sandbox, &["ledger", "shop/svc/web", "--port", "80"]).0
    };

    let own = slice("chosen", label("web"), "203.0.113.9");
    let other = slice("web-admin-x1", label("web-admin"), "203.0.113.9");
    let unlabelled = slice("web-x1", json!({}), "203.0.113.9");
    assert!(ask(&[own]).contains(": yes"), "the label decides");
    for foreign in [other, unlabelled] {
        assert!(ask(&[foreign]).contains(": unknown"), "a name says nothing");
    }
}

#[test]
fn a_fleet_that_declares_no_dns_has_that_of_its_manifests() {
    let objects = [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "coredns", "namespace": "kube-system"},
            "spec": {"selector": {"app": "own-dns"}, "ports": [{"port": 53, "protocol": "UDP"}]}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "deny", "namespace": "kube-system"},
            "spec": {"podSelector": {"matchLabels": {"app": "own-dns"}},
                "policyTypes": ["Ingress"]}}),
    ];
    let text: Vec<String> = objects.iter().map(ToString::to_string).collect();
    let declared = "      dns: {namespace: kube-system, podLabels: {app: declared}}\n";
    for (more, word) in [("", "no"), (declared, "yes")] {
        let cluster = format!("    - name: prod\n{more}");
        let fleet = crate::support::FLEET.replace("    - name: prod\n", &cluster);
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/a.yaml", &crate::support::tenant("a", "")),
            ("dns.yaml", &text.join("\n---\n")),
        ]);
        let ran = sandbox.run(&["reach", "a", "dns", "--also", "dns.yaml"]);
        assert!(
            ran.out.starts_with(&format!("prod: {word}")),
            "{more}: {ran:?}"
        );
    }
}

#[test]
fn the_only_pod_of_a_workload_reaches_itself() {
    let workload = |kind: &str, replicas: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n\
             apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: deny, namespace: shop}}\n\
             spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress]}}\n---\n\
             apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: db, namespace: shop}}\n\
             spec: {{{replicas}selector: {{matchLabels: {{app: db}}}}, template: {{metadata: \
             {{labels: {{app: db}}}}, spec: {{containers: [{{name: c, image: c}}]}}}}}}\n"
        );
        let sandbox = Sandbox::with(&[("all.yaml", &text)]);
        ask(&sandbox, &["shop/db", "shop/db"])
    };
    for (kind, replicas, word) in [
        ("StatefulSet", "replicas: 1, ", "yes"),
        ("Deployment", "replicas: 1, ", "yes"),
        ("Deployment", "replicas: 2, ", "no"),
        ("Deployment", "", "no"),
        ("DaemonSet", "", "no"),
    ] {
        let (first, all) = workload(kind, replicas);
        assert!(first.contains(word), "{kind} {replicas}: {all}");
    }
}

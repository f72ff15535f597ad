//! `who-can`: it lists a subject exactly if `can` says yes, by a chain that takes as few identities,
//! over random roles and bindings; and what the command prints.

use crate::differential::rbac;
use crate::isolation::{base, cluster};
use crate::monotone;
use crate::support::{Dice, FLEET, Sandbox, json, say, tenant, two_tenants};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use tenantry::graph::Cluster;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::ChainNode;
use tenantry::isolation::question::{AccessQuestion, can};
use tenantry::isolation::who_can::who_can;

const RBAC: &str = "rbac.authorization.k8s.io";

/// How many random clusters are asked, of each kind.
const ROUNDS: usize = 24;

fn resource<'a>(
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    namespace: &'a str,
) -> AccessQuestion<'a> {
    AccessQuestion::Resource(AccessRequest {
        verb,
        group,
        resource,
        subresource: "",
        name: "",
        namespace,
    })
}

fn questions() -> Vec<AccessQuestion<'static>> {
    vec![
        resource("get", "", "secrets", "blue"),
        resource("list", "", "pods", "flux-system"),
        resource("create", "", "pods", "n0"),
        resource("delete", "apps", "deployments", "n1"),
        resource("impersonate", "", "users", ""),
        resource("patch", RBAC, "clusterroles", ""),
        resource("*", "", "*", ""),
        AccessQuestion::Path {
            verb: "get",
            path: "/metrics",
        },
    ]
}

/// Everybody whom a binding, a tenant or an account names.
fn known(cluster: &Cluster) -> BTreeSet<Subject> {
    let mut all: BTreeSet<Subject> = cluster.rbac.subjects().cloned().collect();
    all.extend(cluster.tenants.iter().flat_map(|t| t.subjects.clone()));
    for account in &cluster.facts.accounts {
        let (namespace, name) = (account.id.namespace.clone(), account.id.name.clone());
        all.insert(Subject::ServiceAccount(namespace, name));
    }
    all
}

/// Everybody else whom a rule may name, and somebody whom nothing names.
fn others(objects: &[Value]) -> BTreeSet<Subject> {
    let rules = objects.iter().flat_map(|o| o["rules"].as_array()).flatten();
    let names = rules.flat_map(|rule| rule["resourceNames"].as_array());
    let names = names.flatten().filter_map(Value::as_str);
    names
        .chain(["somebody-else"])
        .flat_map(|name| [Subject::User(name.into()), Subject::Group(name.into())])
        .collect()
}

/// What was compared.
#[derive(Default)]
struct Compared {
    subjects: usize,
    yes: usize,
    /// By how many identities are taken.
    taken: BTreeMap<usize, usize>,
}

impl Compared {
    fn compare(&mut self, objects: &[Value]) {
        let text: String = objects
            .iter()
            .map(|object| format!("---\n{object}\n"))
            .collect();
        let (_, cluster) = cluster(&[base(), ("case.yaml".into(), text)]);
        let (known, others) = (known(&cluster), others(objects));
        let anybody = Subject::Group("system:authenticated".into());

        for question in questions() {
            let all = who_can(&cluster, &question, false);
            let order = all.iter().map(|access| {
                let chain = &access.chain;
                (
                    !chain.is_direct,
                    chain.taken,
                    chain.steps.len(),
                    &access.subject,
                )
            });
            assert!(order.is_sorted(), "{objects:#?}");

            let listed: BTreeMap<&Subject, _> = all
                .iter()
                .map(|access| (&access.subject, &access.chain))
                .collect();
            assert_eq!(listed.len(), all.len(), "a subject stands there once");
            for subject in listed.keys().copied().chain(&known).chain(&others) {
                let chain = can(&cluster, subject, &question, false);
                let found = listed.get(subject).copied();
                let of = |chain: &tenantry::isolation::question::AccessChain| {
                    (chain.taken, chain.is_direct)
                };
                // Somebody whom nothing names has what everybody has who has a name.
                let found = match found {
                    None if !known.contains(subject) => listed.get(&anybody).copied(),
                    found => found,
                };
                assert_eq!(
                    chain.as_ref().map(of),
                    found.map(of),
                    "{subject} {question:?}\n{chain:#?}\n{found:#?}\n{objects:#?}"
                );
                self.subjects += 1;
                self.yes += usize::from(found.is_some());
                if let Some(found) = found {
                    *self.taken.entry(found.taken).or_default() += 1;
                }
            }

            let direct = who_can(&cluster, &question, true);
            for access in &direct {
                assert!(can(&cluster, &access.subject, &question, true).is_some());
            }
            let is_direct = all.iter().filter(|access| access.chain.is_direct);
            let direct = direct.iter().map(|access| &access.subject);
            let expected = is_direct.map(|access| &access.subject);
            assert!(direct.eq(expected), "{objects:#?}");
        }
    }
}

#[test]
fn a_subject_is_listed_exactly_if_can_says_yes() {
    let mut compared = Compared::default();
    let mut runner = TestRunner::deterministic();
    for _ in 0..ROUNDS {
        let drawn = rbac().new_tree(&mut runner).expect("a value").current();
        compared.compare(&drawn);
    }
    let mut dice = Dice(4);
    for _ in 0..ROUNDS {
        compared.compare(&monotone::grants(&mut dice));
    }

    let Compared {
        subjects,
        yes,
        taken,
    } = compared;
    say(&format!(
        "who-can: {subjects} subjects, {yes} of them can, by identities taken: {taken:?}"
    ));
    assert!(yes > 2000 && subjects > 2 * yes, "{yes} of {subjects}");
    assert!(
        taken.get(&1) > Some(&200) && taken.get(&2) > Some(&20),
        "{taken:?}"
    );
}

fn role(name: &str, rules: &Value) -> Value {
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": rules})
}

fn bound(name: &str, namespace: &str, role: &str, subject: &Value) -> Value {
    let mut binding = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding",
        "metadata": {"name": name}, "subjects": [subject],
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}});
    if !namespace.is_empty() {
        binding["kind"] = json!("RoleBinding");
        binding["metadata"]["namespace"] = json!(namespace);
    }
    binding
}

fn rule(group: &str, resource: &str, verb: &str) -> Value {
    json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]})
}

/// One asks for a certificate, and has another one approve it: both chains are there.
#[test]
fn a_certificate_that_two_identities_get_together_counts() {
    let certificates = "certificates.k8s.io";
    let user = |name: &str| json!({"kind": "User", "apiGroup": RBAC, "name": name});
    let approver = json!({"kind": "ServiceAccount", "name": "approver", "namespace": "blue"});
    let objects = [
        role(
            "asks",
            &json!([rule(certificates, "certificatesigningrequests", "create"),]),
        ),
        role(
            "approves",
            &json!([
                rule(
                    certificates,
                    "certificatesigningrequests/approval",
                    "update"
                ),
                rule(certificates, "signers", "approve"),
            ]),
        ),
        role("pods", &json!([rule("", "pods", "create")])),
        bound("asks", "", "asks", &user("sam")),
        bound("pods", "blue", "pods", &user("sam")),
        bound("approves", "", "approves", &approver),
    ];
    Compared::default().compare(&objects);

    let text: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
    let (_, cluster) = cluster(&[base(), ("case.yaml".into(), text)]);
    let all = who_can(&cluster, &resource("get", "", "secrets", "green"), false);
    let sam = Subject::User("sam".into());
    let found = all
        .iter()
        .find(|access| access.subject == sam)
        .expect("sam");
    assert_eq!(found.chain.taken, 2);

    let steps = &found.chain.steps;
    let has = |text: &str| steps.iter().any(|step| step.text.contains(text));
    assert!(has("creates pods in `blue`"), "{steps:#?}");
    assert!(has("asks for a client certificate"), "{steps:#?}");
    assert!(has("has a certificate for any name"), "{steps:#?}");
    // Each step leads through something that a picture can show.
    assert!(
        steps.iter().all(|step| !step.nodes.is_empty()),
        "{steps:#?}"
    );
    let acts_as = |step: &&tenantry::isolation::Step| {
        matches!(step.nodes.last(), Some(ChainNode::Principal(_)))
    };
    assert_eq!(steps.iter().filter(acts_as).count(), 2, "{steps:#?}");
}

/// Ways to all accounts are one edge each: the time grows with the inputs, not with their square.
#[test]
fn many_subjects_that_can_become_all_accounts_are_listed_in_linear_time() {
    let time = |count: usize| {
        let mut objects = vec![role("pods", &json!([rule("", "pods", "create")]))];
        for at in 0..count {
            let account = json!({"kind": "ServiceAccount", "name": format!("a{at}"),
                "namespace": format!("n{at}")});
            objects.push(bound(&format!("b{at}"), "", "pods", &account));
        }
        let reader = json!({"kind": "ServiceAccount", "name": "reader", "namespace": "blue"});
        objects.push(bound("reader", "", "cluster-admin", &reader));

        let text: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
        let (_, cluster) = cluster(&[base(), ("case.yaml".into(), text)]);
        let start = Instant::now();
        let all = who_can(&cluster, &resource("get", "", "secrets", "green"), false);
        assert!(all.len() > count, "{}", all.len());
        start.elapsed()
    };
    let (few, many) = (time(250), time(4000));
    assert!(many < few * 16 * 8, "{few:?} for 250, {many:?} for 4000");
}

#[test]
fn the_command_lists_whose_each_subject_is_and_its_steps() {
    let sandbox = two_tenants();
    sandbox.write(
        "also/x.yaml",
        crate::support::fixture("prove/view-for-an-account.yaml"),
    );

    let ran = sandbox.run(&["who-can", "list", "pods", "-n", "b", "--also", "also"]);
    let ran = ran.code(0);
    assert!(ran.out.starts_with("prod: "), "{}", ran.out);
    assert!(ran.out.contains(" can list pods in `b`\n"), "{}", ran.out);
    let at = |text: &str| {
        ran.out
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", ran.out))
    };
    assert!(at("  group b-admins (tenant `b`)\n    1. ") < at("  group a-admins (tenant `a`)\n"));
    at("and so acts as service account a/app");
    at("  group system:masters (the platform)\n");

    let tenants = [
        "who-can",
        "list",
        "pods",
        "-n",
        "b",
        "--also",
        "also",
        "--tenants",
    ];
    let ran = sandbox.run(&tenants).code(0);
    assert!(!ran.out.contains("system:masters"), "{}", ran.out);
    let ran = sandbox.run(&[&tenants[..], &["--direct"]].concat()).code(0);
    assert!(!ran.out.contains("group a-admins"), "{}", ran.out);

    let report = json(
        &sandbox
            .run(&[&tenants[..], &["--format", "json"]].concat())
            .out,
    );
    let subjects = report["clusters"][0]["subjects"]
        .as_array()
        .expect("subjects");
    let admins = subjects
        .iter()
        .find(|one| one["name"] == "a-admins")
        .expect("a-admins");
    assert_eq!(admins["tenants"], json!(["a"]));
    assert_eq!(
        (&admins["direct"], &admins["identitiesTaken"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(
        admins["steps"][0]["location"]["line"]
            .as_u64()
            .map(|line| line > 0),
        Some(true)
    );
    assert_eq!(report["clusters"][0]["complete"], true);

    // Names of the inputs are said as `can` says them.
    for args in [
        ["who-can", "get", "widgets", "-n", "a"],
        ["who-can", "gte", "pods", "-n", "a"],
        ["who-can", "get", "pods", "-n", "nowhere"],
    ] {
        let ran = sandbox.run(&args).code(2);
        let same = sandbox
            .run(&[&["can", "user:u"], &args[1..]].concat())
            .code(2);
        assert!(
            ran.out.is_empty() && ran.err == same.err,
            "{} {}",
            ran.err,
            same.err
        );
    }
    for args in [["who-can", "*", "*"], ["who-can", "get", "/metrics"]] {
        let ran = sandbox.run(&args).code(0);
        assert!(
            ran.out.contains("  group system:masters (the platform)\n"),
            "{}",
            ran.out
        );
    }
}

#[test]
fn everybody_with_one_chain_stands_together() {
    let sandbox = two_tenants();
    let ran = sandbox.run(&["who-can", "get", "/version"]).code(0);
    let everybody = "  group system:authenticated: everybody with a name";
    assert!(ran.out.contains(everybody), "{}", ran.out);
    assert!(
        ran.out.contains("  group a-admins (tenant `a`)\n"),
        "{}",
        ran.out
    );
    // One chain for all who have a name, one for those who have none.
    assert!(ran.out.matches("    1. ").count() < 5, "{}", ran.out);
}

#[test]
fn what_is_not_read_makes_the_list_incomplete() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);
    sandbox.write(
        "also/y.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\nrules: []\n",
    );
    let args = ["who-can", "get", "secrets", "-n", "a", "--also", "also"];
    let ran = sandbox.run(&args).code(1);
    assert!(
        ran.out.contains("  group a-admins (tenant `a`)\n"),
        "{}",
        ran.out
    );
    let unknown = "prod: unknown whether others can: not everything could be read\n";
    assert!(
        ran.out.contains(unknown) && ran.out.contains("also/y.yaml"),
        "{}",
        ran.out
    );
    let report = json(
        &sandbox
            .run(&[&args[..], &["--format", "json"]].concat())
            .out,
    );
    assert_eq!(report["clusters"][0]["complete"], false);
}

//! `who-can`: it lists a subject exactly if `can` says yes or unknown, by a chain that takes as few
//! identities, over random roles, bindings and memberships; and what the command prints.

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
use tenantry::graph::builtin::is_kubernetes_own;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::ChainNode;
use tenantry::isolation::question::{AccessChain, AccessQuestion, Word, answer, can};
use tenantry::isolation::who_can::{Access, who_can};

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

/// Users that no binding names: those of memberships, and of a policy of Argo CD.
const PEOPLE: [&str; 3] = ["arn:aws:iam::1:user/kim", "ann", "lee"];

/// Random objects that say who somebody is, and ways of which no input says how far they lead.
fn people(dice: &mut Dice) -> Vec<Value> {
    let namespaces = ["blue", "green", "flux-system"];
    let home = *dice.of(&namespaces);
    let groups = ["ops", "blue-admins", "system:masters", "nobody"];
    let user = |name: &str| json!({"kind": "User", "apiGroup": RBAC, "name": name});
    let identities = format!(
        "[{{userarn: '{}', username: ann, groups: ['{}']}}]",
        PEOPLE[0],
        dice.of(&groups)
    );
    let role = dice.of(&["role:admin", "role:readonly"]);
    let service = json!({"name": "hook", "namespace": dice.of(&namespaces)});

    let all = [
        json!({"apiVersion": "user.openshift.io/v1", "kind": "Group",
            "metadata": {"name": dice.of(&groups)}, "users": ["ann"]}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"mapUsers": identities},
            "metadata": {"name": "aws-auth", "namespace": "kube-system"}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "data": {"policy.csv": format!("g, lee, {role}\n")},
            "metadata": {"name": "argocd-rbac-cm", "namespace": "flux-system"}}),
        bound("gone", home, "no-such-role", &user("ann")),
        bound(
            "argo",
            "",
            "edit",
            &json!({"kind": "ServiceAccount", "namespace": "flux-system",
            "name": "argocd-application-controller"}),
        ),
        json!({"apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration", "metadata": {"name": "hook"},
            "webhooks": [{"name": "h.example.com", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "clientConfig": {"service": service}}]}),
    ];
    let is_there = |_: &Value| *dice.of(&[true, true, false]);
    all.into_iter().filter(is_there).collect()
}

/// Everybody whom a binding, a tenant, an account or another object names.
fn known(cluster: &Cluster) -> BTreeSet<Subject> {
    let mut all: BTreeSet<Subject> = cluster.rbac.subjects().cloned().collect();
    all.extend(cluster.tenants.iter().flat_map(|t| t.subjects.clone()));
    for account in &cluster.facts.accounts {
        let (namespace, name) = (account.id.namespace.clone(), account.id.name.clone());
        all.insert(Subject::ServiceAccount(namespace, name));
    }
    for membership in &cluster.facts.memberships {
        all.insert(Subject::User(membership.person.clone()));
    }
    let policies = cluster.facts.argo_policies.iter();
    for (member, _) in policies.flat_map(|policy| &policy.roles) {
        all.extend([
            Subject::User(member.clone()),
            Subject::Group(member.clone()),
        ]);
    }
    all
}

/// Everybody whom a rule lets one impersonate by name.
fn impersonated(objects: &[Value]) -> BTreeSet<Subject> {
    let has = |rule: &Value, field: &str, wanted: &str| {
        let list = rule[field].as_array().into_iter().flatten();
        list.filter_map(Value::as_str)
            .any(|one| one == wanted || one == "*")
    };
    let mut all = BTreeSet::new();
    for rule in objects.iter().flat_map(|o| o["rules"].as_array()).flatten() {
        if !has(rule, "verbs", "impersonate") || !has(rule, "apiGroups", "") {
            continue;
        }
        let names = rule["resourceNames"].as_array().into_iter().flatten();
        for name in names.filter_map(Value::as_str) {
            if has(rule, "resources", "users") {
                all.insert(Subject::User(name.into()));
            }
            if has(rule, "resources", "groups") {
                all.insert(Subject::Group(name.into()));
            }
        }
    }
    all
}

/// Those whom nothing names: they have what everybody has who has a name.
fn strangers() -> [Subject; 2] {
    let name = "somebody-else";
    [Subject::User(name.into()), Subject::Group(name.into())]
}

/// Fails unless a list is in order, without a subject that stands there twice.
#[track_caller]
fn by_subject(list: &[Access]) -> BTreeMap<&Subject, &AccessChain> {
    let order = list.iter().map(|access| {
        let chain = &access.chain;
        let is_indirect = !chain.is_direct;
        (is_indirect, chain.taken, chain.steps.len(), &access.subject)
    });
    assert!(order.is_sorted(), "{list:#?}");
    let chains = list.iter().map(|access| (&access.subject, &access.chain));
    let listed: BTreeMap<_, _> = chains.collect();
    assert_eq!(listed.len(), list.len(), "a subject stands there once");
    listed
}

/// What was compared.
#[derive(Default)]
struct Compared {
    subjects: usize,
    yes: usize,
    unknown: usize,
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
        let (mut named, strangers) = (known(&cluster), strangers());
        named.extend(impersonated(objects));
        let anybody = Subject::Group("system:authenticated".into());

        for (number, question) in questions().into_iter().enumerate() {
            let found = who_can(&cluster, &question, false);
            let all = found.allowed;
            let (listed, undecided) = (by_subject(&all), by_subject(&found.undecided));
            for stranger in &strangers {
                let is_listed = listed.contains_key(stranger) || undecided.contains_key(stranger);
                assert!(!is_listed, "{objects:#?}");
            }

            let subjects = listed.keys().chain(undecided.keys()).copied();
            let subjects = subjects.chain(&named).chain(&strangers);
            // Kubernetes' own are many, and the same in each cluster.
            let is_asked = |subject: &&Subject| number == 3 || !is_kubernetes_own(subject);
            for subject in subjects.filter(is_asked) {
                let chain = can(&cluster, subject, &question, false);
                let whose = match strangers.contains(subject) {
                    true => &anybody,
                    false => subject,
                };
                let found = listed.get(whose).copied();
                let of = |chain: &AccessChain| (chain.taken, chain.is_direct);
                assert_eq!(
                    chain.as_ref().map(of),
                    found.map(of),
                    "{subject} {question:?}\n{chain:#?}\n{found:#?}\n{objects:#?}"
                );
                let is_counted = !is_kubernetes_own(subject);
                self.subjects += usize::from(is_counted);
                self.yes += usize::from(is_counted && found.is_some());
                if let Some(found) = found {
                    *self.taken.entry(found.taken).or_default() += 1;
                    continue;
                }

                // The reasons of an answer take a while.
                if number % 4 > 0 {
                    continue;
                }
                let answer = answer(&cluster, subject, &question, false);
                let is_undecided = undecided.contains_key(whose);
                assert_eq!(
                    answer.word == Word::Unknown,
                    is_undecided,
                    "{subject} {question:?}\n{answer:#?}\n{objects:#?}"
                );
                self.unknown += usize::from(is_undecided);
            }

            let direct = who_can(&cluster, &question, true).allowed;
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
        let mut objects = monotone::grants(&mut dice);
        objects.extend(people(&mut dice));
        compared.compare(&objects);
    }

    let Compared {
        subjects,
        yes,
        unknown,
        taken,
    } = compared;
    say(&format!(
        "who-can: {subjects} subjects, {yes} of them can, by identities taken: {taken:?}; unknown: {unknown}"
    ));
    assert!(unknown > 100, "{unknown}");
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
    let all = who_can(&cluster, &resource("get", "", "secrets", "green"), false).allowed;
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
        let all = who_can(&cluster, &resource("get", "", "secrets", "green"), false).allowed;
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

#[test]
fn somebody_of_whom_the_inputs_do_not_tell_stands_apart() {
    let sandbox = two_tenants();
    let gone = "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
                metadata: {name: x, namespace: b}\n\
                roleRef: {kind: ClusterRole, name: gone, apiGroup: rbac.authorization.k8s.io}\n\
                subjects: [{kind: User, name: sam, apiGroup: rbac.authorization.k8s.io}]\n";
    sandbox.write("also/x.yaml", gone);
    let args = ["who-can", "get", "secrets", "-n", "b", "--also", "also"];
    for more in [&[][..], &["--direct"]] {
        let ran = sandbox.run(&[&args[..], more].concat()).code(1);
        let unknown = "prod: unknown for 1 subject, because the inputs do not say what these give\n  \
                       user sam (the platform)\n    1. RoleBinding b/x binds it to ClusterRole `gone`";
        assert!(ran.out.contains(unknown), "{}", ran.out);
    }

    let report = json(
        &sandbox
            .run(&[&args[..], &["--format", "json"]].concat())
            .out,
    );
    let cluster = &report["clusters"][0];
    assert_eq!(
        (&cluster["complete"], &cluster["undecided"][0]["name"]),
        (&json!(false), &json!("sam"))
    );
    // What is not known of the platform's own is not asked for.
    let ran = sandbox.run(&[&args[..], &["--tenants"]].concat()).code(0);
    assert!(!ran.out.contains("unknown"), "{}", ran.out);

    let asked = [
        "can", "user:sam", "get", "secrets", "-n", "b", "--also", "also",
    ];
    let ran = sandbox.run(&asked).code(1);
    assert!(ran.out.starts_with("prod: unknown"), "{}", ran.out);
}

/// Texts of manifests that turn the reading direction are shown as what they are.
#[test]
fn no_name_turns_the_reading_direction() {
    let sandbox = two_tenants();
    let name = "sam\\u202egnp";
    let binding = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: x}}\n\
         roleRef: {{kind: ClusterRole, name: view, apiGroup: rbac.authorization.k8s.io}}\n\
         subjects: [{{kind: User, name: \"{name}\", apiGroup: rbac.authorization.k8s.io}}]\n"
    );
    sandbox.write("also/x.yaml", binding);
    let asked = ["list", "pods", "-n", "b", "--also", "also"];
    for start in [&["can", "user:sam\u{202e}gnp"][..], &["who-can"]] {
        let ran = sandbox.run(&[start, &asked[..]].concat()).code(0);
        assert!(!ran.out.contains('\u{202e}'), "{}", ran.out);
        assert!(ran.out.contains("sam\u{fffd}gnp"), "{}", ran.out);
    }
}

const CONTROLLER: &str = "system:serviceaccount:kube-system:";

/// The roles of Kubernetes' own controllers are known, and whose their accounts are is said.
#[test]
fn the_controllers_of_kubernetes_are_listed_as_its_own() {
    let sandbox = two_tenants();
    let asked = ["create", "pods", "-n", "a"];
    let ran = sandbox.run(&[&["who-can"], &asked[..]].concat()).code(0);
    let direct =
        "  service account kube-system/job-controller (Kubernetes' own): by its own role\n";
    let indirect = "  service account kube-system/deployment-controller (Kubernetes' own): by acting as \
                    others\n";
    assert!(
        ran.out.contains(direct) && ran.out.contains(indirect),
        "{}",
        ran.out
    );
    let last = |text: &str| ran.out.rfind(text).expect(text);
    assert!(last("group system:masters") < last(direct), "{}", ran.out);
    assert!(!ran.all().contains("left out"), "{}", ran.all());

    let tenants = sandbox.run(&[&["who-can", "--tenants"], &asked[..]].concat());
    assert!(!tenants.code(0).out.contains("kube-system"));

    let report = [&["who-can", "--format", "json"], &asked[..]].concat();
    let report = json(&sandbox.run(&report).code(0).out);
    let subjects = &report["clusters"][0]["subjects"];
    for one in subjects.as_array().expect("subjects") {
        assert_eq!(
            one["kubernetes"],
            one["namespace"] == "kube-system" || one["name"] == "system:kube-controller-manager",
            "{one}"
        );
        assert!(
            one["steps"]
                .as_array()
                .is_some_and(|steps| !steps.is_empty())
        );
    }

    for (account, code, word) in [
        ("deployment-controller", 0, "prod: yes"),
        ("ttl-controller", 1, "prod: no: Kubernetes' own bindings"),
        ("of-a-cloud", 1, "prod: unknown"),
    ] {
        let subject = format!("{CONTROLLER}{account}");
        let ran = sandbox.run(&[&["can", &subject], &asked[..]].concat());
        assert!(ran.code(code).out.starts_with(word), "{account}");
    }
}

/// A controller's token is in no pod, so that control of the nodes does not give it; a right on the
/// accounts of `kube-system` does.
#[test]
fn a_tenant_becomes_a_controller_by_its_account_and_not_by_nodes() {
    let sandbox = two_tenants();
    let group = json!({"kind": "Group", "apiGroup": RBAC, "name": "a-admins"});
    let tokens = json!([rule("", "serviceaccounts/token", "create")]);
    for (rules, namespace, code) in [
        (tokens.clone(), "kube-system", 0),
        (tokens, "a", 1),
        (json!([rule("", "nodes/proxy", "get")]), "", 1),
    ] {
        let objects = [role("x", &rules), bound("x", namespace, "x", &group)];
        let text: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
        sandbox.write("also/x.yaml", text);
        let asked = [
            "can",
            "group:a-admins",
            "get",
            "secrets",
            "-n",
            "b",
            "--also",
            "also",
        ];
        let ran = sandbox.run(&asked).code(code);
        let by = "and so acts as service account kube-system/";
        assert_eq!(ran.out.contains(by), code == 0, "{}", ran.out);
    }
}

/// What one of Kubernetes' own subjects does with its rights is Kubernetes'; what a role holds that no
/// input has is not known of it either.
#[test]
fn a_missing_role_of_a_subject_of_kubernetes_is_unknown() {
    let sandbox = two_tenants();
    let account =
        |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": "kube-system"});
    let asked = ["get", "secrets", "-n", "b", "--also", "also"];
    for (is_defined, word) in [(false, "prod: unknown"), (true, "prod: no")] {
        let mut objects = vec![bound("x", "", "x", &account("ttl-controller"))];
        if is_defined {
            objects.push(role("x", &json!([rule("", "pods", "get")])));
        }
        let text: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
        sandbox.write("also/x.yaml", text);

        let subject = format!("{CONTROLLER}ttl-controller");
        let ran = sandbox
            .run(&[&["can", &subject], &asked[..]].concat())
            .code(1);
        assert!(ran.out.starts_with(word), "{}", ran.out);
        let says = ran.out.contains("which no input defines");
        assert_eq!(says, !is_defined, "{}", ran.out);

        // Others that have doubts of their own stay as they are.
        let other = format!("{CONTROLLER}attachdetach-controller");
        let ran = sandbox
            .run(&[&["can", &other], &asked[..]].concat())
            .code(1);
        assert!(ran.out.starts_with("prod: no"), "{}", ran.out);

        let ran = sandbox
            .run(&[&["who-can"], &asked[..]].concat())
            .code(i32::from(!is_defined));
        let listed = ran.out.contains("kube-system/ttl-controller");
        assert_eq!(listed, !is_defined, "{}", ran.out);
    }
}

/// The platform is trusted with rights that show or move objects of others; a tenant is not.
#[test]
fn an_undecided_account_of_the_platform_leaves_the_exit_code() {
    let sandbox = two_tenants();
    let rules = json!([rule(
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "update"
    )]);
    for (home, code) in [("ingress-nginx", 0), ("a", 1)] {
        let account = json!({"kind": "ServiceAccount", "name": "admission", "namespace": home});
        let objects = [role("x", &rules), bound("x", "", "x", &account)];
        let text: String = objects.iter().map(|o| format!("---\n{o}\n")).collect();
        sandbox.write("also/x.yaml", text);

        let asked = ["who-can", "get", "secrets", "-n", "b", "--also", "also"];
        let ran = sandbox.run(&asked).code(code);
        let unknown = format!("  service account {home}/admission (");
        assert!(ran.out.contains(&unknown), "{}", ran.out);
        let report = sandbox.run(&[&asked[..], &["--format", "json"]].concat());
        assert_eq!(json(&report.out)["clusters"][0]["complete"], code == 0);
    }
}

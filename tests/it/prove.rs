//! `prove`, `can`, `reach` and the isolation delta of `diff`, as commands.

use crate::support::{FLEET, Sandbox, root, shared, tenant};
use serde_json::Value;

fn two_tenants() -> Sandbox {
    let a = tenant(
        "a",
        "  network: {egress: [{tenant: b, ports: [{port: 8080}]}]}\n",
    );
    let b = tenant(
        "b",
        "  network: {ingress: [{tenant: a, ports: [{port: 8080}]}]}\n",
    );
    Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &a),
        ("tenants/b.yaml", &b),
    ])
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn verdict(report: &Value, plane: &str) -> String {
    let planes = report["clusters"][0]["planes"].as_array().expect("planes");
    let found = planes
        .iter()
        .find(|p| p["plane"] == plane)
        .expect("the plane");
    found["verdict"].as_str().expect("a verdict").to_owned()
}

#[test]
fn a_clean_fleet_is_never_called_proven_without_what_it_rests_on() {
    let sandbox = two_tenants();
    let ran = sandbox.run(&["prove"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "model 1, inputs ",
        "1 edge declared on both sides",
        "assumes no-other-grants:",
        "assumes plugin-enforces:",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let report = json(&sandbox.run(&["prove", "--format", "json"]).out);
    for plane in ["api", "network", "gitops", "admission", "resources", "data"] {
        assert_eq!(verdict(&report, plane), "assumed", "{plane}");
    }
    assert_eq!(report["clusters"][0]["findings"], json("[]"));
    // The same inputs, the same digest; other inputs, another.
    let digest = report["inputs"].clone();
    assert_eq!(
        json(&sandbox.run(&["prove", "--format", "json"]).out)["inputs"],
        digest
    );
    sandbox.write("tenants/c.yaml", tenant("c", ""));
    assert_ne!(
        json(&sandbox.run(&["prove", "--format", "json"]).out)["inputs"],
        digest
    );
}

#[test]
fn tenants_and_threats_have_tables() {
    let sandbox = two_tenants();
    sandbox.write("tenants/c.yaml", tenant("c", ""));
    let ran = sandbox.run(&["prove", "--matrix", "--threats"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "A   1 tenant: a\n",
        "C   1 tenant: c: apart from all others",
        "  e declared\n",
        "partly   reads another",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let report = json(
        &sandbox
            .run(&["prove", "--matrix", "--threats", "--format", "json"])
            .out,
    );
    let cluster = &report["clusters"][0];
    assert_eq!(
        cluster["matrix"]["cells"],
        json(r#"[{"from": 0, "to": 1, "by": ["declared"]}]"#)
    );
    assert_eq!(cluster["threats"].as_array().map(Vec::len), Some(25));
    assert!(
        json(&sandbox.run(&["prove", "--format", "json"]).out)["clusters"][0]
            .get("matrix")
            .is_none()
    );
    let markdown = sandbox
        .run(&["prove", "--matrix", "--threats", "--format", "markdown"])
        .out;
    for part in [
        "who reaches whom</summary>",
        "| AIFactory | reads another tenant's secrets in Vault | partly | if ",
    ] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
}

#[test]
fn a_manifest_beside_the_fleet_is_found_with_its_line() {
    let sandbox = two_tenants();
    sandbox.write(
        "platform/ci.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: ci, namespace: b}\nroleRef: {kind: ClusterRole, name: edit}\nsubjects:\n  - kind: ServiceAccount\n    name: default\n    namespace: a\n",
    );
    let ran = sandbox.run(&["prove", "--also", "platform"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    for part in [
        "api/cross-tenant-binding",
        "platform/ci.yaml:6:5",
        "service account a/default",
        "fix: remove the subject",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    // The chain begins with the tenant's own people: whoever creates a pod is every service
    // account.
    assert!(
        ran.out.contains("1. group a-admins creates pods in `a`"),
        "{}",
        ran.out
    );
    let report = json(
        &sandbox
            .run(&["prove", "--also", "prod=platform", "--format", "json"])
            .out,
    );
    let finding = &report["clusters"][0]["findings"][0];
    assert_eq!(
        (&finding["tenant"], &finding["victim"]),
        (&"a".into(), &"b".into()),
        "{finding}"
    );
    assert_eq!(finding["witness"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        sandbox.run(&["prove", "--also", "nowhere=platform"]).code,
        2
    );
    assert_eq!(sandbox.run(&["prove", "--also", "absent"]).code, 2);
    assert_eq!(
        sandbox.run(&["prove", "--only", "api/cross-tenant"]).code,
        2
    );
    // What is not reported still counts.
    let ran = sandbox.run(&["prove", "--also", "platform", "--skip", "api"]);
    assert!(
        ran.code == 1 && !ran.out.contains("api/cross-tenant-binding"),
        "{ran:?}"
    );
}

#[test]
fn a_second_definition_is_found() {
    let sandbox = two_tenants();
    sandbox.write(
        "platform/policy.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: default-deny, namespace: b}\nspec: {podSelector: {}}\n",
    );
    let ran = sandbox.run(&["prove", "--also", "platform"]);
    assert!(
        ran.code == 1 && ran.out.contains("gitops/second-definition"),
        "{ran:?}"
    );
}

#[test]
fn what_cannot_be_read_makes_everything_unknown() {
    let sandbox = two_tenants();
    sandbox.write(
        "platform/chart.yaml",
        "kind: Deployment\nmetadata:\n  name: {{ .Release.Name }}\n",
    );
    let ran = sandbox.run(&["prove", "--also", "platform", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let report = json(&ran.out);
    for plane in ["api", "network", "data"] {
        assert_eq!(verdict(&report, plane), "unknown", "{plane}");
    }
    assert_eq!(
        report["clusters"][0]["findings"][0]["rule"],
        "document/not-read"
    );
    // A tenant with an error is left out: nothing is known of it.
    std::fs::remove_dir_all(sandbox.path().join("platform")).expect("a folder");
    sandbox.write("tenants/c.yaml", tenant("c", "  quotas: {}\n"));
    let ran = sandbox.run(&["prove", "--format", "json"]);
    assert_eq!(
        (ran.code, verdict(&json(&ran.out), "api").as_str()),
        (1, "unknown")
    );
}

#[test]
fn kinds_that_nobody_reads_are_named() {
    let sandbox = two_tenants();
    sandbox.write(
        "also/x.yaml",
        "apiVersion: example.org/v1\nkind: Gadget\nmetadata: {name: g, namespace: a}\n",
    );
    let ran = sandbox.run(&["prove", "--also", "also"]);
    assert!(
        ran.code == 0 && ran.out.contains("read by no plane: Gadget.example.org (1)"),
        "{ran:?}"
    );
}

#[test]
fn a_snapshot_closes_the_world() {
    let sandbox = two_tenants();
    let list = |items: &str| {
        format!("{{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{items}]}}")
    };
    let node = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}}"#;
    sandbox.write("cluster.json", list(node));
    let rests_on_grants = || {
        let report = json(
            &sandbox
                .run(&["prove", "--snapshot", "cluster.json", "--format", "json"])
                .out,
        );
        report["clusters"][0]["planes"][0]["assumptions"]
            .get("no-other-grants")
            .is_some()
    };
    assert!(
        rests_on_grants(),
        "a list of namespaces says nothing of grants"
    );
    let rbac = |kind: &str, more: &str| {
        format!(
            r#"{{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "{kind}", "metadata": {{"name": "x"{more}"#
        )
    };
    let nobody = rbac(
        "ClusterRoleBinding",
        r#"}, "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": []}"#,
    );
    sandbox.write("cluster.json", list(&format!("{node}, {nobody}")));
    assert!(rests_on_grants(), "nor does one kind of four say it");
    let nobody = [
        nobody,
        rbac("ClusterRole", r#"}, "rules": []}"#),
        rbac("Role", r#", "namespace": "kube-system"}, "rules": []}"#),
        rbac(
            "RoleBinding",
            r#", "namespace": "kube-system"}, "roleRef": {"kind": "Role", "name": "x"}, "subjects": []}"#,
        ),
    ]
    .join(", ");
    sandbox.write("cluster.json", list(&format!("{node}, {nobody}")));
    assert!(!rests_on_grants());
    // Another snapshot, other inputs.
    let inputs = || {
        json(
            &sandbox
                .run(&["prove", "--snapshot", "cluster.json", "--format", "json"])
                .out,
        )["inputs"]
            .clone()
    };
    let first = inputs();
    sandbox.write(
        "cluster.json",
        list(&format!(
            "{node}, {nobody}, {}",
            node.replace("kube-system", "kube-public")
        )),
    );
    assert_ne!(inputs(), first);
    // What the specs say of an object comes before what a snapshot has of it: that it converges is
    // assumed.
    let old = r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}"#;
    sandbox.write("cluster.json", list(&format!("{node}, {nobody}, {old}")));
    assert!(
        sandbox
            .run(&["prove", "--snapshot", "cluster.json"])
            .out
            .contains("assumes converged:")
    );
    let grant = r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "left"},
        "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "Group", "name": "a-admins"}]}"#;
    sandbox.write("cluster.json", list(&format!("{node}, {grant}")));
    let ran = sandbox.run(&["prove", "--snapshot", "cluster.json"]);
    assert!(
        ran.code == 1 && ran.out.contains("api/cluster-binding"),
        "{ran:?}"
    );
    sandbox.write("cluster.json", "kind: List\n");
    assert_eq!(
        sandbox.run(&["prove", "--snapshot", "cluster.json"]).code,
        2
    );
}

#[test]
fn manifests_alone_are_a_fleet_too() {
    let sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&["prove"]).code, 2);
    let text =
        std::fs::read_to_string(root().join("fixtures/isolation/base.yaml")).expect("base.yaml");
    sandbox.write("manifests/base.yaml", text);
    let ran = sandbox.run(&[
        "prove",
        "--also",
        "manifests",
        "--group-by",
        "tenant",
        "--format",
        "json",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(json(&ran.out)["clusters"][0]["tenants"], 2);
    let ran = sandbox.run(&["prove", "--also", "manifests", "--format", "json"]);
    assert_eq!(
        json(&ran.out)["clusters"][0]["tenants"],
        3,
        "each namespace is a tenant"
    );
}

/// Files that others would apply are not passed over for their name or their folder's.
#[test]
fn nothing_hides_behind_a_name() {
    let base =
        std::fs::read_to_string(root().join("fixtures/isolation/base.yaml")).expect("base.yaml");
    let grant = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: h}\nroleRef: {kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: app, namespace: blue}]\n";
    let json_grant = r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "h"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}, "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "blue"}]}"#;
    let list = format!("apiVersion: v1\nkind: List\nitems: [{json_grant}]\n");
    for (path, text) in [
        ("m/target/a.yaml", grant),
        ("m/node_modules/x/a.yml", grant),
        ("m/.hidden/a.yaml", grant),
        ("m/a.json", json_grant),
        ("m/kustomization.blue.yaml", grant),
        ("m/list.yaml", &list),
        (
            "m/kustomization.yaml",
            &format!(
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [base.yaml]\n---\n{grant}"
            ),
        ),
    ] {
        let sandbox = Sandbox::with(&[("m/base.yaml", &base), (path, text)]);
        for ask in [
            ["prove", "--also", "m"],
            ["prove", "--also", "."],
            ["prove", "--also", "./m/"],
        ] {
            let ran = sandbox.run(&[&ask[..], &["--group-by", "tenant"]].concat());
            assert!(
                ran.code == 1 && ran.out.contains("api/cluster-binding"),
                "{path} {ask:?}: {}",
                ran.out
            );
        }
    }
    // What an overlay of another folder calls a patch is an object.
    let overlay = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\npatches: [{path: ../a.yaml}]\n";
    let sandbox = Sandbox::with(&[
        ("m/base.yaml", &base),
        ("m/a.yaml", grant),
        ("m/blue/kustomization.yaml", overlay),
    ]);
    let ran = sandbox.run(&["prove", "--also", "m", "--group-by", "tenant"]);
    assert!(
        ran.out.contains("api/cluster-binding") && ran.out.contains("document/not-read"),
        "{}",
        ran.out
    );
    // A link to a folder is not followed, and that is said.
    let sandbox = Sandbox::with(&[("m/base.yaml", &base), ("elsewhere/a.yaml", grant)]);
    std::os::unix::fs::symlink("../elsewhere", sandbox.path().join("m/link")).expect("a link");
    let ran = sandbox.run(&["prove", "--also", "m", "--group-by", "tenant"]);
    assert!(
        ran.code == 1 && ran.out.contains("document/not-read") && ran.out.contains("m/link"),
        "{}",
        ran.out
    );
    // Nothing read is nothing proven.
    let sandbox = Sandbox::with(&[
        ("empty/readme.md", ""),
        ("one.yaml", &base),
        ("config.yaml", "a: 1\n"),
    ]);
    assert_eq!(sandbox.run(&["prove", "--also", "empty"]).code, 2);
    assert_eq!(sandbox.run(&["prove", "--also", "config.yaml"]).code, 2);
    assert_eq!(
        sandbox
            .run(&["prove", "--also", "one.yaml", "--group-by", "tenant"])
            .code,
        0
    );
    // A name moves no cursor.
    let nasty = grant.replace(
        "name: app, namespace: blue",
        "name: \"a\\epp\", namespace: blue",
    );
    let sandbox = Sandbox::with(&[("m/base.yaml", &base), ("m/a.yaml", &nasty)]);
    let ran = sandbox.run(&["prove", "--also", "m", "--group-by", "tenant"]);
    assert!(
        ran.code == 1 && !ran.out.contains('\u{1b}'),
        "{:?}",
        ran.out
    );
}

/// What code scanning shows is what stands at the place.
#[test]
fn sarif_points_at_what_it_names() {
    let sandbox = two_tenants();
    sandbox.write(
        "platform/ci.yaml",
        "# Ünïcödé before, to tell columns of characters from bytes\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: \"é\", namespace: b}\nroleRef: {kind: ClusterRole, name: edit}\nsubjects: [{kind: ServiceAccount, name: \"dé\", namespace: a}, {kind: ServiceAccount, name: x, namespace: a}]\n",
    );
    let report = json(
        &sandbox
            .run(&["prove", "--also", "platform", "--format", "sarif"])
            .out,
    );
    assert_eq!(report["version"], "2.1.0");
    let run = &report["runs"][0];
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 2);
    let mut prints = std::collections::BTreeSet::new();
    for result in results {
        let rule = &run["tool"]["driver"]["rules"]
            [result["ruleIndex"].as_u64().expect("an index") as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        let span = &result["locations"][0]["physicalLocation"];
        let text = sandbox.read(span["artifactLocation"]["uri"].as_str().expect("a path"));
        let number = |key: &str| span["region"][key].as_u64().expect("a number") as usize;
        assert_eq!(number("startLine"), number("endLine"));
        let line = text.lines().nth(number("startLine") - 1).expect("a line");
        let at: String = line
            .chars()
            .skip(number("startColumn") - 1)
            .take(number("endColumn") - number("startColumn"))
            .collect();
        assert!(
            at.starts_with("{kind: ServiceAccount") && at.ends_with("namespace: a}"),
            "{at}"
        );
        prints.insert(result["partialFingerprints"]["tenantry/v1"].to_string());
    }
    assert_eq!(prints.len(), 2);
    // `check` has it too; and Markdown has the verdicts.
    assert_eq!(
        json(&sandbox.run(&["check", "--format", "sarif"]).out)["runs"][0]["results"],
        json("[]")
    );
    let ran = sandbox.run(&["prove", "--also", "platform", "--format", "markdown"]);
    assert!(
        ran.out.contains("| prod | refuted | assumed |")
            && ran.out.contains("platform/ci.yaml:6:12"),
        "{}",
        ran.out
    );
}

/// Whose way out has too many selectors to tell is not taken for closed.
#[test]
fn what_is_too_large_is_unknown() {
    let base =
        std::fs::read_to_string(root().join("fixtures/isolation/base.yaml")).expect("base.yaml");
    let mut more = String::from(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: in, namespace: green}\nspec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: red, labels: {tenant: red, pod-security.kubernetes.io/enforce: restricted}}\n",
    );
    // Whether eight pigeons fit into seven holes, asked of labels: a pod that avoids every policy
    // would say how.
    let mut count = 0;
    let mut policy = |expressions: &[String]| {
        count += 1;
        more.push_str(&format!("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{count}, namespace: red}}\nspec: {{policyTypes: [Egress], podSelector: {{matchExpressions: [{}]}}}}\n", expressions.join(", ")));
    };
    let key = |pigeon: usize, hole: usize, operator: &str| {
        format!("{{key: k{pigeon}x{hole}, operator: {operator}}}")
    };
    for pigeon in 0..8 {
        policy(
            &(0..7)
                .map(|hole| key(pigeon, hole, "DoesNotExist"))
                .collect::<Vec<_>>(),
        );
    }
    for hole in 0..7 {
        for (a, b) in (0..8).flat_map(|a| (0..a).map(move |b| (a, b))) {
            policy(&[key(a, hole, "Exists"), key(b, hole, "Exists")]);
        }
    }
    let sandbox = Sandbox::with(&[("m/base.yaml", &base), ("m/more.yaml", &more)]);
    let ran = sandbox.run(&[
        "prove",
        "--also",
        "m",
        "--group-by",
        "tenant",
        "--format",
        "json",
    ]);
    assert_eq!(
        (ran.code, verdict(&json(&ran.out), "network").as_str()),
        (1, "unknown")
    );
}

/// The tree beside its own specs defines nothing anew; a question over what was not read is not
/// answered.
#[test]
fn what_was_not_read_is_not_answered_for() {
    let sandbox = two_tenants();
    assert_eq!(sandbox.run(&["render"]).code, 0);
    let ran = sandbox.run(&["prove", "--also", "rendered"]);
    assert!(
        ran.code == 0 && !ran.out.contains("second-definition"),
        "{}",
        ran.out
    );
    sandbox.write(
        "also/x.yaml",
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: x, namespace: b}\nspec: {}\n",
    );
    let ran = sandbox.run(&["reach", "a", "b", "--also", "also"]);
    assert!(
        ran.code == 1 && ran.out.contains("prod: unknown") && ran.out.contains("also/x.yaml:1:1"),
        "{ran:?}"
    );
    sandbox.write(
        "also/y.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: x}\nrules: []\n",
    );
    let ran = sandbox.run(&["can", "group:a-admins", "get", "nodes", "--also", "also"]);
    assert!(
        ran.code == 1 && ran.out.contains("unknown") && ran.out.contains("also/y.yaml"),
        "{ran:?}"
    );
    assert_eq!(sandbox.run(&["can", "sa:b", "get", "nodes"]).code, 2);
    // An edge that specs declare excuses no more than what they declare.
    std::fs::remove_dir_all(sandbox.path().join("also")).expect("a folder");
    sandbox.write("also/wide.yaml", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: wide, namespace: b}\nspec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}}]}]}\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: wide, namespace: a}\nspec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: b}}}]}]}\n");
    let ran = sandbox.run(&["prove", "--also", "also"]);
    assert!(
        ran.code == 1 && ran.out.contains("network/cross-tenant-ingress"),
        "{}",
        ran.out
    );
}

#[test]
fn can_answers_with_the_chain() {
    let sandbox = two_tenants();
    let ran = sandbox.run(&["can", "group:a-admins", "get", "secrets", "-n", "a"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.out.starts_with("prod: yes\n") && ran.out.contains("ClusterRole `tenantry-owner`"),
        "{}",
        ran.out
    );
    for args in [
        &["can", "group:a-admins", "get", "secrets", "-n", "b"][..],
        &[
            "can",
            "group:a-admins",
            "create",
            "networkpolicies",
            "-n",
            "a",
        ],
        &["can", "group:a-admins", "get", "nodes"],
        &["can", "group:a-admins", "get", "/metrics"],
    ] {
        let ran = sandbox.run(args);
        assert!(ran.code == 1 && ran.out.contains("prod: no"), "{ran:?}");
    }
    assert_eq!(sandbox.run(&["can", "user:x", "get", "/version"]).code, 0);
    // As kubectl finds it: by one, by a short name, in any case; what there is not is said.
    for resource in ["secret", "Secrets"] {
        assert_eq!(
            sandbox
                .run(&["can", "group:a-admins", "GET", resource, "-n", "a"])
                .code,
            0,
            "{resource}"
        );
    }
    assert_eq!(
        sandbox
            .run(&["can", "group:a-admins", "get", "deploy", "-n", "a"])
            .code,
        0
    );
    for args in [["get", "widgets", "a"], ["get", "pods", "nowhere"]] {
        let ran = sandbox.run(&["can", "group:a-admins", args[0], args[1], "-n", args[2]]);
        assert!(ran.code == 2 && ran.out.is_empty(), "{ran:?}");
    }
    // Through a service account that it can act as, unless only its own grants count.
    sandbox.write(
        "also/x.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: x, namespace: b}\nroleRef: {kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: app, namespace: a}]\n",
    );
    let ask = [
        "can",
        "group:a-admins",
        "list",
        "pods",
        "-n",
        "b",
        "--also",
        "also",
    ];
    let ran = sandbox.run(&ask);
    assert!(
        ran.code == 0 && ran.out.contains("and so acts as service account a/app"),
        "{ran:?}"
    );
    assert_eq!(sandbox.run(&[&ask[..], &["--direct"]].concat()).code, 1);
}

#[test]
fn reach_answers_with_the_policies() {
    let sandbox = two_tenants();
    let ran = sandbox.run(&["reach", "a", "b", "--port", "8080"]);
    assert!(
        ran.code == 0
            && ran
                .out
                .contains("NetworkPolicy b/allow-ingress lets it into `b`"),
        "{ran:?}"
    );
    for args in [
        &["reach", "a", "b", "--port", "9090"][..],
        &["reach", "b", "a"],
        &["reach", "a", "b", "--port", "8080/udp"],
    ] {
        let ran = sandbox.run(args);
        assert!(
            ran.code == 1 && ran.out.contains("none of them lets it"),
            "{ran:?}"
        );
    }
    assert_eq!(sandbox.run(&["reach", "a", "nowhere"]).code, 2);
    assert_eq!(sandbox.run(&["reach", "a", "b", "--port", "http"]).code, 2);
}

#[test]
fn a_change_is_classed() {
    let sandbox = two_tenants();
    sandbox.git(&["init", "-q"]);
    sandbox.git(&["add", "-A"]);
    assert_eq!(sandbox.git(&["commit", "-qm", "first"]).code, 0);
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert!(
        ran.code == 0 && ran.err.contains("changes nothing of what tenants may"),
        "{ran:?}"
    );
    // Another edge.
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  network: {egress: [{tenant: b, ports: [{port: 8080}]}, {cidr: 192.0.2.0/24}]}\n",
        ),
    );
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.out
            .contains("prod: widens tenant `a`\n  + `a` -> 192.0.2.0/24\n"),
        "{}",
        ran.out
    );
    assert_eq!(sandbox.run(&["diff"]).code, 0);
    let report = json(&sandbox.run(&["diff", "--format", "json"]).out);
    assert_eq!(
        (&report["class"], &report["isolation"]["prod"]["a"]["class"]),
        (&"widens".into(), &"widens".into())
    );
    assert!(
        sandbox
            .run(&["diff", "--format", "markdown"])
            .out
            .contains("+ `a` -> 192.0.2.0/24")
    );
    // Another person; an edge that goes.
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  members: [{group: a-devs, role: developer}]\n"),
    );
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out
            .contains("+ group a-devs has ClusterRole `tenantry-developer` in `a`"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("prod: narrows tenant `b`\n  - `b` <- `a` on TCP/8080"),
        "{}",
        ran.out
    );
    // One edge on fewer ports, to fewer addresses: nothing is gained.
    sandbox.write(
        "tenants/b.yaml",
        tenant(
            "b",
            "  network: {ingress: [{tenant: a, ports: [{port: 8080}]}]}\n",
        ),
    );
    let edge = |more: &str| {
        tenant(
            "a",
            &format!("  network: {{egress: [{{tenant: b, ports: [{{port: 8080}}]}}, {more}]}}\n"),
        )
    };
    sandbox.write("tenants/a.yaml", edge("{cidr: 192.0.2.0/24}"));
    sandbox.git(&["add", "-A"]);
    assert_eq!(sandbox.git(&["commit", "-qm", "second"]).code, 0);
    for less in [
        "{cidr: 192.0.2.0/24, ports: [{port: 443}]}",
        "{cidr: 192.0.2.128/25}",
        "{cidr: 192.0.2.1/32, ports: [{port: 53, protocol: UDP}]}",
    ] {
        sandbox.write("tenants/a.yaml", edge(less));
        let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
        assert!(
            ran.code == 0
                && ran
                    .out
                    .contains("prod: narrows tenant `a`\n  - `a` -> 192.0.2.0/24\n"),
            "{less}: {ran:?}"
        );
    }
    for more in ["{cidr: 192.0.2.0/23}", "{cidr: 198.51.100.0/24}"] {
        sandbox.write("tenants/a.yaml", edge(more));
        assert_eq!(
            sandbox.run(&["diff", "--fail-on", "widens"]).code,
            1,
            "{more}"
        );
    }
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    // Less alone is no reason to fail.
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    let ran = sandbox.run(&["diff", "--fail-on", "widens"]);
    assert!(
        ran.code == 0 && ran.err.contains("narrows what tenants may"),
        "{ran:?}"
    );
}

#[test]
fn a_real_fleet_is_answered_for() {
    let Some(_) = shared("fleets/moj-cloud-platform/namespaces.tar.gz") else {
        return;
    };
    let archive = shared("fleets/moj-cloud-platform/namespaces.tar.gz").expect("it is there");
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.path().join("moj")).expect("a folder");
    let tar = std::process::Command::new("tar")
        .arg("xzf")
        .arg(archive)
        .arg("-C")
        .arg(sandbox.path().join("moj"))
        .status();
    assert!(tar.expect("tar runs").success());
    let ran = sandbox.run(&["prove", "--also", "moj", "--format", "json"]);
    assert_eq!(ran.code, 1);
    let report = json(&ran.out);
    let findings = report["clusters"][0]["findings"]
        .as_array()
        .expect("findings");
    let count = |rule: &str| findings.iter().filter(|f| f["rule"] == rule).count();
    // Counted in the files themselves: docs/case-studies/cloud-platform.md says how.
    let told = |rule: &str, text: &str| {
        findings
            .iter()
            .any(|f| f["rule"] == rule && f["message"].as_str().is_some_and(|m| m.contains(text)))
    };
    assert!(told(
        "network/dangling-selector",
        "1452 policies admit namespaces labelled `component=ingress-controllers`"
    ));
    assert!(told(
        "admission/floor-writable",
        "1457 tenants write NetworkPolicies"
    ));
    assert!(told("api/wide-subject", "system:authenticated"));
    assert_eq!(count("api/cross-tenant-binding"), 13);
    assert_eq!(count("network/open-namespace"), 4);
}

#[test]
fn a_real_fleet_with_lockdown_off_is_told_what_follows() {
    let Some(folder) = shared("fleets/warrenwb-fleets") else {
        return;
    };
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["prove", "--also", &folder.to_string_lossy()]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.out.contains("--no-cross-namespace-refs=false"),
        "{}",
        ran.out
    );
    assert!(
        ran.out
            .contains("a tenant's Flux objects may read every other tenant's sources"),
        "{}",
        ran.out
    );
}

//! `prove`: verdicts, assumptions, the matrix, and its report formats.

use crate::support::{Sandbox, fixture, json, tenant, two_tenants_with_an_edge};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

fn verdict(report: &Value, plane: &str) -> String {
    let planes = report["clusters"][0]["planes"].as_array().expect("planes");
    let found = planes
        .iter()
        .find(|p| p["plane"] == plane)
        .expect("the plane");
    found["verdict"].as_str().expect("a verdict").to_owned()
}

#[test]
fn a_clean_proof_states_its_assumptions() {
    let sandbox = two_tenants_with_an_edge();
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
fn the_matrix_and_the_threats_are_tables() {
    let sandbox = two_tenants_with_an_edge();
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
fn kinds_that_no_plane_reads_are_named() {
    let sandbox = two_tenants_with_an_edge();
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
fn a_snapshot_with_every_rbac_kind_has_no_other_grants() {
    let sandbox = two_tenants_with_an_edge();
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

/// Whose way out has too many selectors to tell is not taken for closed.
#[test]
fn a_network_question_that_is_too_large_is_unknown() {
    let base = fixture("isolation/base.yaml");
    let mut more = String::from(
        "---\n\
         apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata: {name: in, namespace: green}\n\
         spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}\n\
         ---\n\
         apiVersion: v1\n\
         kind: Namespace\n\
         metadata: {name: red, labels: {tenant: red, pod-security.kubernetes.io/enforce: restricted}}\n",
    );
    // Whether eight pigeons fit into seven holes, asked of labels: a pod that avoids every policy
    // would say how.
    let mut count = 0;
    let mut policy = |expressions: &[String]| {
        count += 1;
        more.push_str(&format!("---\n\
                                apiVersion: networking.k8s.io/v1\n\
                                kind: NetworkPolicy\n\
                                metadata: {{name: p{count}, namespace: red}}\n\
                                spec: {{policyTypes: [Egress], podSelector: {{matchExpressions: [{}]}}}}\n", expressions.join(", ")));
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

/// What code scanning shows is what stands at the place.
#[test]
fn sarif_regions_cover_the_text_that_they_name() {
    let sandbox = two_tenants_with_an_edge();
    sandbox.write(
        "platform/ci.yaml",
        fixture("prove/columns-of-characters.yaml"),
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
    let mut prints = BTreeSet::new();

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

#[test]
fn an_unreadable_manifest_makes_every_plane_unknown() {
    let sandbox = two_tenants_with_an_edge();
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
    fs::remove_dir_all(sandbox.path().join("platform")).expect("a folder");
    sandbox.write("tenants/c.yaml", tenant("c", "  quotas: {}\n"));
    let ran = sandbox.run(&["prove", "--format", "json"]);

    assert_eq!(
        (ran.code, verdict(&json(&ran.out), "api").as_str()),
        (1, "unknown")
    );
}

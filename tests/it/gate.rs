//! `prove` as a gate of CI: waivers, baselines, revisions, exit codes, and the formats that CI reads.

use crate::support::{Ran, Sandbox, json, root, tenant, tool, two_tenants, waiver};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;

/// A policy that waits for a label: a warning.
const WARNING: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: a}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: none}}}]}]}
";

const RULE: &str = "api/cross-tenant-binding";

/// The admins of one tenant edit the namespace of another.
fn help_out(name: &str, who: &str, namespace: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\n\
         kind: RoleBinding\n\
         metadata: {{name: {name}, namespace: {namespace}}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}\n\
         subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {who}-admins}}]\n"
    )
}

/// A fleet of `a` and `b`, and a platform that lets `a` into `b`.
fn with_a_hole() -> Sandbox {
    let sandbox = two_tenants();
    sandbox.write("platform/help.yaml", help_out("help", "a", "b"));
    sandbox
}

fn prove(sandbox: &Sandbox, more: &[&str]) -> Ran {
    let mut args = vec!["prove", "--also", "platform"];
    args.extend(more);
    sandbox.run(&args)
}

fn report(sandbox: &Sandbox, more: &[&str]) -> Value {
    let mut args = vec!["--format", "json"];
    args.extend(more);
    json(&prove(sandbox, &args).out)
}

/// The states of the findings of a rule.
fn states(report: &Value, rule: &str) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings");
    let of_rule = findings.iter().filter(|finding| finding["rule"] == rule);
    of_rule
        .map(|finding| finding["state"].as_str().expect("a state").to_owned())
        .collect()
}

fn commit(sandbox: &Sandbox) {
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "x"]] {
        sandbox.git(args).code(0);
    }
}

#[test]
fn a_waived_finding_is_shown_and_does_not_fail() {
    let sandbox = with_a_hole();
    assert_eq!(prove(&sandbox, &[]).code, 1);
    sandbox.write("tenants/waivers/a.yaml", waiver("a", RULE, "2026-12-30"));
    sandbox.run(&["check"]).code(0);

    let ran = prove(&sandbox, &["--matrix"]).code(0);
    for part in [
        "note[api/cross-tenant-binding]",
        "(waived until 2026-12-30 by `a-waiver`)",
        "  api        refuted (waived) 1 way found, 1 waived",
        "1 finding waived",
        "  a api\n",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }

    let report = report(&sandbox, &[]);
    assert_eq!(states(&report, RULE), ["waived"]);
    assert_eq!(report["findings"][0]["waiver"]["expires"], "2026-12-30");
    assert_eq!(
        report["clusters"][0]["planes"][0]["verdict"],
        "refuted (waived)"
    );

    // Questions are answered as if there were no waiver.
    let can = [
        "can",
        "group:a-admins",
        "get",
        "pods",
        "-n",
        "b",
        "--also",
        "platform",
    ];
    assert!(
        sandbox.run(&can).out.starts_with("prod: yes"),
        "{:?}",
        sandbox.run(&can)
    );
}

#[test]
fn a_waiver_holds_for_its_rule_its_tenant_its_objects_and_its_time() {
    let sandbox = with_a_hole();
    let code = |text: String| {
        sandbox.write("tenants/waivers/a.yaml", text);
        prove(&sandbox, &[]).code
    };
    let valid = waiver("a", RULE, "2026-12-30");
    assert_eq!(code(valid.clone()), 0);
    assert_eq!(code(waiver("b", RULE, "2026-12-30")), 1, "another tenant");
    assert_eq!(
        code(waiver("a", "api/wide-subject", "2026-12-30")),
        1,
        "another rule"
    );
    assert_eq!(code(waiver("a", RULE, "2026-11-02")), 1, "it has expired");

    let with =
        |object: &str| valid.replace("tenant: a,", &format!("tenant: a, objects: [{object}],"));
    assert_eq!(code(with("RoleBinding/b/help")), 0);
    assert_eq!(code(with("RoleBinding/b/hel")), 1, "another object");
    assert_eq!(code(with("RoleBinding/b/other")), 1, "another object");

    // Another hole of the same rule.
    assert_eq!(code(with("RoleBinding/b/help")), 0);
    sandbox.write("platform/more.yaml", help_out("more", "a", "b"));
    assert_eq!(prove(&sandbox, &[]).code, 1);
}

#[test]
fn every_rule_of_the_proof_can_be_waived_and_has_a_severity() {
    let sandbox = two_tenants();
    let rules = json(&sandbox.run(&["rules", "--format", "json"]).out);
    let rules = rules["rules"].as_array().expect("rules");
    let rated = rules.iter().filter(|rule| rule.get("severity").is_some());
    let rated: Vec<&Value> = rated.collect();
    assert!(rated.len() > 30);

    for rule in rated
        .iter()
        .filter(|rule| rule["id"] != "document/not-read")
    {
        assert_eq!(rule["waivable"], true, "{rule}");
        let id = rule["id"].as_str().expect("an id");
        sandbox.write("tenants/waivers/a.yaml", waiver("a", id, "2026-12-30"));
        let ran = sandbox.run(&["check"]);
        assert!(
            !ran.all().contains("tenancy/waiver-dangling"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn the_exit_code_is_of_the_findings_that_are_asked_for() {
    let sandbox = with_a_hole();
    for (args, code) in [
        (&["--only", "api"][..], 1),
        (&["--only", "network"], 0),
        (&["--only", RULE], 1),
        (&["--skip", "api"], 0),
        (&["--skip", RULE], 0),
        (&["--skip", "network"], 1),
        (&["--fail-on", "refuted"], 1),
    ] {
        assert_eq!(prove(&sandbox, args).code, code, "{args:?}");
    }
    let ran = prove(&sandbox, &["--only", "network,data"]).code(0);
    let says = "asked for: network, data; only these decide the exit code";
    assert!(ran.out.contains(says), "{}", ran.out);
    assert!(
        ran.out.contains("1 way found, not asked for"),
        "{}",
        ran.out
    );

    // An input that is not read concerns every plane.
    sandbox.write("platform/help.yaml", "kind: {{ .Values.kind }}\n");
    assert_eq!(prove(&sandbox, &["--only", "network"]).code, 1);
    assert_eq!(prove(&sandbox, &["--fail-on", "refuted"]).code, 0);
    assert_eq!(prove(&sandbox, &["--skip", "document/not-read"]).code, 0);

    // A warning: no namespace has the label that a policy asks for.
    sandbox.write("platform/help.yaml", WARNING);
    assert_eq!(prove(&sandbox, &[]).code, 0, "{:?}", prove(&sandbox, &[]));
    assert_eq!(prove(&sandbox, &["--fail-on", "warning"]).code, 1);
}

#[test]
fn quiet_prints_findings_alone() {
    let sandbox = with_a_hole();
    let ran = prove(&sandbox, &["-q"]).code(1);
    assert!(
        ran.out.starts_with("  error[api/cross-tenant-binding]"),
        "{}",
        ran.out
    );
    assert!(
        !ran.out.contains("assum") && !ran.out.contains("refuted"),
        "{}",
        ran.out
    );
    fs::remove_file(sandbox.path().join("platform/help.yaml")).expect("a file");
    assert_eq!(sandbox.run(&["prove", "-q"]).code(0).out, "");
}

#[test]
fn findings_come_the_gravest_first() {
    let sandbox = with_a_hole();
    let everything = help_out("all", "b", "x")
        .replace("RoleBinding", "ClusterRoleBinding")
        .replace(", namespace: x", "");
    sandbox.write("platform/zz.yaml", everything);
    sandbox.write("platform/aa.yaml", WARNING);

    let report = report(&sandbox, &[]);
    let findings = report["findings"].as_array().expect("findings");
    let order = ["critical", "high", "medium", "low"];
    let ranks: Vec<usize> = findings
        .iter()
        .map(|finding| order.iter().position(|name| finding["severity"] == *name))
        .map(|rank| rank.expect("a severity"))
        .collect();
    assert!(ranks.is_sorted() && ranks.len() > 2, "{ranks:?}");
    assert_eq!(findings[0]["rule"], "api/cluster-binding");
    for field in ["message", "level", "location", "related", "fix"] {
        assert!(findings[0].get(field).is_some(), "{field}");
    }
    assert!(prove(&sandbox, &[]).out.contains("severity: critical"));
}

#[test]
fn a_baseline_tells_new_known_and_stale() {
    let sandbox = with_a_hole();
    let file = sandbox.path().join("known.json").display().to_string();
    prove(&sandbox, &["--write-baseline", &file]).code(0);
    let written = fs::read_to_string(&file).expect("a file");
    assert!(
        written.contains("group a-admins is bound there") && !written.contains("\"line\""),
        "{written}"
    );

    // Known, also on another line.
    let moved = format!("# moved\n{}", sandbox.read("platform/help.yaml"));
    sandbox.write("platform/help.yaml", moved);
    let ran = prove(&sandbox, &["--baseline", &file]).code(0);
    assert!(
        ran.out.contains("finding known before, 0 new"),
        "{}",
        ran.out
    );
    assert!(!ran.out.contains("error["), "{}", ran.out);
    assert!(
        ran.out.contains("  api        refuted  1 way found"),
        "{}",
        ran.out
    );

    // New beside known.
    sandbox.write("platform/more.yaml", help_out("more", "b", "a"));
    let ran = prove(&sandbox, &["--baseline", &file]).code(1);
    assert!(
        ran.out.contains("b-admins") && ran.out.contains("1 new"),
        "{}",
        ran.out
    );
    let report = report(&sandbox, &["--baseline", &file]);
    let found: BTreeSet<String> = states(&report, RULE).into_iter().collect();
    assert_eq!(
        found,
        BTreeSet::from(["known".to_owned(), "new".to_owned()])
    );

    // Stale, but not where another plane is asked for.
    fs::remove_file(sandbox.path().join("platform/help.yaml")).expect("a file");
    let stale = "stale entry of the baseline: api/cross-tenant-binding platform/help.yaml:";
    let ran = prove(&sandbox, &["--baseline", &file]).code(1);
    assert!(ran.out.contains(stale), "{}", ran.out);
    let ran = prove(&sandbox, &["--baseline", &file, "--only", "network"]).code(0);
    assert!(!ran.out.contains("stale"), "{}", ran.out);

    // Written anew: a flag without a file means that of --baseline.
    prove(&sandbox, &["--baseline", &file, "--write-baseline"]).code(0);
    prove(&sandbox, &["--baseline", &file]).code(0);

    for bad in ["", "[]", "{\"findings\": [1]}"] {
        sandbox.write("known.json", bad);
        prove(&sandbox, &["--baseline", &file]).code(2);
    }
    prove(&sandbox, &["--baseline", "missing.json"]).code(2);
    prove(&sandbox, &["--write-baseline"]).code(2);
}

#[test]
fn since_a_revision_only_what_the_change_brought_counts() {
    let sandbox = with_a_hole();
    commit(&sandbox);
    let ran = prove(&sandbox, &["--since", "HEAD"]).code(0);
    assert!(ran.out.contains("known before, 0 new"), "{}", ran.out);

    // A hole of the platform, and one of a spec.
    sandbox.write("platform/more.yaml", help_out("more", "b", "a"));
    prove(&sandbox, &["--since", "HEAD"]).code(1);
    fs::remove_file(sandbox.path().join("platform/more.yaml")).expect("a file");
    prove(&sandbox, &["--since", "HEAD"]).code(0);
    sandbox.write(
        "templates/namespace/x.yaml",
        help_out("x", "b", "\"{{ namespace.name }}\""),
    );
    prove(&sandbox, &["--since", "HEAD"]).code(1);

    // A waiver that goes leaves a finding that is new.
    fs::remove_file(sandbox.path().join("templates/namespace/x.yaml")).expect("a file");
    sandbox.write("tenants/waivers/a.yaml", waiver("a", RULE, "2026-12-30"));
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "waived"]).code(0);
    prove(&sandbox, &["--since", "HEAD"]).code(0);
    fs::remove_file(sandbox.path().join("tenants/waivers/a.yaml")).expect("a file");
    prove(&sandbox, &["--since", "HEAD"]).code(1);
    prove(&sandbox, &["--since", "HEAD~1"]).code(0);
    prove(&sandbox, &["--since", "nowhere"]).code(2);
}

/// Without a fleet, too: also a folder of JSON files.
#[test]
fn since_a_revision_manifests_alone_are_compared() {
    let namespace = |name: &str| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {{\"name\": \"{name}\"}}}}\n"
        )
    };
    let sandbox = Sandbox::with(&[("m/a.json", &namespace("a"))]);
    commit(&sandbox);
    let args = ["prove", "--also", "m", "--since", "HEAD"];
    sandbox.run(&args).code(0);
    sandbox.write("m/b.json", namespace("b"));
    sandbox.run(&args).code(1);
}

#[test]
fn sarif_passes_the_official_schema() {
    let schema = fs::read_to_string(tool("sarif-schema")).expect("the schema");
    let schema: Value = json(&schema);
    assert!(
        schema["id"]
            .as_str()
            .is_some_and(|id| id.contains("sarif-schema-2.1.0"))
    );
    let validator = jsonschema::draft4::new(&schema).expect("a schema");

    let sandbox = with_a_hole();
    sandbox.write("platform/warn.yaml", WARNING);
    sandbox.write("platform/other name%.yaml", help_out("more", "b", "a"));
    sandbox.write("tenants/waivers/a.yaml", waiver("a", RULE, "2026-12-30"));
    let file = sandbox.path().join("known.json").display().to_string();
    sandbox.write("known.json", "{\"findings\": []}");

    let mut documents = Vec::new();
    for args in [&[][..], &["--baseline", &file], &["--only", "network"]] {
        let mut all = vec!["--format", "sarif"];
        all.extend(args);
        documents.push(json(&prove(&sandbox, &all).out));
    }
    sandbox.write("tenants/c.yaml", tenant("c", "  quota: {pods: x}\n"));
    documents.push(json(&sandbox.run(&["check", "--format", "sarif"]).out));

    for document in &documents {
        let faults: Vec<String> = validator
            .iter_errors(document)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    let run = &documents[0]["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
    let rule = rules
        .iter()
        .find(|rule| rule["id"] == RULE)
        .expect("the rule");
    assert_eq!(rule["properties"]["security-severity"], "8.0");
    assert_eq!(rule["properties"]["tags"][0], "security");
    assert!(
        rule["helpUri"]
            .as_str()
            .is_some_and(|uri| uri.ends_with("docs/prove.md"))
    );
    let results = run["results"].as_array().expect("results");
    assert!(
        results
            .iter()
            .any(|result| result["suppressions"][0]["kind"] == "external")
    );
    assert!(
        results
            .iter()
            .any(|result| result["baselineState"] == "new")
    );
}

/// What a reader of JUnit sees: each case, by how it ended.
fn cases(text: &str) -> Vec<(String, &'static str)> {
    assert!(
        text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "),
        "{text}"
    );
    assert!(text.ends_with("</testsuites>\n"), "{text}");
    let blocks = text.split("<testcase ").skip(1);
    blocks
        .map(|block| {
            let name = block.split("name=\"").nth(2).expect("a name");
            let name = name.split('"').next().expect("a name").to_owned();
            let ended = ["failure", "error", "skipped"];
            let ended = ended
                .into_iter()
                .find(|tag| block.contains(&format!("<{tag} ")));
            (name, ended.unwrap_or("passed"))
        })
        .collect()
}

#[test]
fn junit_has_each_plane_and_each_tenant() {
    let sandbox = with_a_hole();
    let ran = prove(&sandbox, &["--format", "junit", "--skip", "network"]).code(1);
    let found = cases(&ran.out);
    let ended = |name: &str| {
        found
            .iter()
            .find(|(case, _)| case == name)
            .map(|(_, ended)| *ended)
    };
    assert_eq!(
        (
            ended("api"),
            ended("network"),
            ended("data"),
            ended("(inputs)")
        ),
        (
            Some("failure"),
            Some("skipped"),
            Some("passed"),
            Some("passed")
        )
    );

    sandbox.write("tenants/c.yaml", tenant("c", "  quota: {pods: x}\n"));
    let ran = sandbox.run(&["check", "--format", "junit"]).code(1);
    let found = cases(&ran.out);
    assert!(found.contains(&("c".to_owned(), "failure")), "{}", ran.out);
    assert!(found.contains(&("a".to_owned(), "passed")), "{}", ran.out);
}

/// A CI that waits for the file gets one, also where the tool could not do its work.
#[test]
fn junit_is_written_when_the_work_could_not_be_done() {
    let sandbox = with_a_hole();
    for args in [
        &["prove", "--also", "nowhere<&>"][..],
        &["prove", "--since", "nowhere"],
        &["check", "--since", "nowhere"],
        &["verify", "--context", "nowhere"],
    ] {
        let mut all = args.to_vec();
        let file = sandbox.path().join("report.xml").display().to_string();
        all.extend(["--format", "junit", "--output", &file]);
        sandbox.run(&all).code(2);
        let text = fs::read_to_string(&file).expect("a file");
        assert_eq!(
            cases(&text),
            [("(run)".to_owned(), "error")],
            "{args:?}: {text}"
        );
        fs::remove_file(&file).expect("a file");
    }
}

#[test]
fn the_documentation_names_each_option() {
    let docs = fs::read_to_string(root().join("docs/ci.md")).expect("docs/ci.md");
    for option in [
        "--baseline",
        "--write-baseline",
        "--since",
        "--fail-on refuted",
        "--only",
        "-q",
        "junit",
        "security-severity",
    ] {
        assert!(docs.contains(option), "{option}");
    }
}

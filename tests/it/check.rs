//! `check`: its warnings, its report formats, and the pre-commit hook.

use crate::support::{FLEET, NOW, Ran, root, tenant, tool, two_tenants, waiver};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

#[test]
fn undeclared_ranges_and_overcommitted_capacity_are_warnings() {
    let sandbox = two_tenants();
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  network: {egress: [{cidr: 192.0.2.0/24}]}\n  quota: {requests.cpu: \"3\"}\n",
        ),
    );

    sandbox.write(
        "tenants/b.yaml",
        tenant("b", "  quota: {requests.cpu: \"3\"}\n"),
    );

    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}      capacity: {{cpu: \"4\"}}\n      overcommit: {{cpu: \"1.2\"}}\n"),
    );

    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.out.contains("network/range-undeclared") && ran.out.contains("podCIDRs"),
        "{}",
        ran.out
    );

    assert!(
        ran.out.contains("resources/over-promised")
            && ran.out.contains("4.8") | ran.out.contains("4800m"),
        "{}",
        ran.out
    );

    sandbox.write(
        "templates/namespace/x.yaml",
        "apiVersion: v1\
         \nkind: ConfigMap\
         \nmetadata:\
         \n  name: x\
         \n  namespace: a\
         \ndata:\
         \n  a: \"{{ 1 / 0 }}\"\n",
    );

    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.out.contains("bundle/expression"), "{}", ran.out);
}

#[test]
fn waivers_that_expire_soon_or_permit_nothing_are_warnings() {
    let waiver = |expires: &str| waiver("a", "network/egress-any", expires);
    let sandbox = two_tenants();
    sandbox.write("tenants/waivers/w.yaml", waiver("2026-12-01"));
    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.out.contains("tenancy/waiver-expiring") && ran.out.contains("tenancy/waiver-unused"),
        "{}",
        ran.out
    );

    sandbox.run(&["check", "--fail-on", "warning"]).code(1);
    sandbox
        .run(&["check", "--fail-on", "warning", "--skip", "tenancy"])
        .code(0);
    sandbox
        .run(&[
            "check",
            "--fail-on",
            "warning",
            "--only",
            "network/egress-any",
        ])
        .code(0);

    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  network: {egress: [{cidr: 0.0.0.0/0}]}\n"),
    );

    sandbox.run(&["render"]).code(0);
    let before = sandbox.files();
    let expired = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .arg("-C")
        .arg(sandbox.path())
        .args(["render", "--now", "2027-01-01"])
        .output()
        .expect("runs");

    assert_eq!(expired.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&expired.stderr).contains("tenancy/waiver-expired"));
    let after = sandbox.files();
    let tree = |files: &BTreeMap<String, Vec<u8>>| {
        files
            .iter()
            .filter(|(p, _)| p.starts_with("rendered"))
            .map(|(p, b)| (p.clone(), b.clone()))
            .collect::<Vec<_>>()
    };

    assert_eq!(
        tree(&before),
        tree(&after),
        "a date holds a tenant, and never changes bytes"
    );
}

#[test]
fn egress_to_the_clusters_own_ranges_needs_a_waiver() {
    for (cidr, bad) in [
        ("169.254.169.254/32", true),
        ("10.1.0.0/16", true),
        ("10.1.2.0/24", true),
        ("192.0.2.0/24", false),
    ] {
        let sandbox = two_tenants();
        sandbox.write(
            "tenants/fleet.yaml",
            format!("{FLEET}      podCIDRs: [10.1.0.0/16]\n"),
        );
        sandbox.write(
            "tenants/a.yaml",
            tenant("a", &format!("  network: {{egress: [{{cidr: {cidr}}}]}}\n")),
        );
        let ran = sandbox.run(&["check"]).code(i32::from(bad));
        assert_eq!(
            ran.out.contains("network/cluster-range"),
            bad,
            "{cidr}: {}",
            ran.out
        );
    }
}

#[test]
fn a_template_cannot_weaken_the_floor() {
    let policy = |rules: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\
             \nkind: NetworkPolicy\
             \nmetadata:\
             \n  name: default-deny\
             \n  namespace: \"{{{{ namespace.name }}}}\"\
             \nspec:\
             \n  podSelector: {{}}\
             \n  policyTypes: [Ingress, Egress]\
             \n{rules}"
        )
    };
    for (path, text, bad) in [
        ("network", policy("  ingress: [{}]\n"), true),
        (
            "network",
            policy("").replace("[Ingress, Egress]", "[Ingress]"),
            true,
        ),
        ("network", policy(""), false),
        (
            "service-account",
            "apiVersion: v1\
             \nkind: ServiceAccount\
             \nmetadata:\
             \n  name: default\
             \n  namespace: \"{{ namespace.name }}\"\
             \nautomountServiceAccountToken: true\n"
                .to_owned(),
            true,
        ),
        (
            "namespace",
            "apiVersion: v1\
             \nkind: Namespace\
             \nmetadata:\
             \n  name: \"{{ namespace.name }}\"\n"
                .to_owned(),
            true,
        ),
        (
            "extra",
            "apiVersion: v1\
             \nkind: ConfigMapp\
             \nmetadata:\
             \n  name: x\
             \n  namespace: \"{{ namespace.name }}\"\n"
                .to_owned(),
            true,
        ),
    ] {
        let sandbox = two_tenants();
        sandbox.write(&format!("templates/namespace/{path}.yaml"), &text);
        let ran = sandbox.run(&["check"]).code(i32::from(bad));
        assert_eq!(
            ran.out.contains("bundle/floor-missing") || ran.out.contains("bundle/object-invalid"),
            bad,
            "{text}{}",
            ran.out
        );
    }
}

#[test]
fn reports_have_several_formats() {
    let sandbox = two_tenants();
    sandbox.write("tenants/b.yaml", tenant("b", "  qouta: {}\n"));
    let ran = sandbox
        .run(&[
            "check", "--format", "json", "--output", "r.json", "--format", "github",
        ])
        .code(1);

    assert!(ran.out.starts_with("::error file=tenants/b.yaml,line=7,endLine=7,col=3,endColumn=8,title=spec/unknown-field::unknown field `qouta`%0Afix: did you mean `quota`?"), "{}", ran.out);
    let report: Value = serde_json::from_str(&sandbox.read("r.json")).expect("JSON");
    assert_eq!(
        report["findings"][0]["location"],
        serde_json::json!({"path": "tenants/b.yaml", "line": 7, "column": 3, "endLine": 7, "endColumn": 8})
    );

    assert_eq!(report["schemaVersion"], 1);
    sandbox.run(&["check", "--baseline", "r.json"]).code(0);
    sandbox
        .run(&["check", "--format", "json", "--format", "github"])
        .code(2);
    sandbox.run(&["check", "--format", "markdown"]).code(2);
    sandbox.run(&["explain", "network/egress-any"]).code(0);
    sandbox.run(&["explain", "network/egress"]).code(2);
    assert!(sandbox.run(&["rules"]).code(0).out.lines().count() > 70);
    sandbox.run(&["--nonsense"]).code(2);
    let long = format!("  displayName: \"{}\"\n  qouta: 1\n", "x".repeat(200_000));
    sandbox.write("tenants/b.yaml", tenant("b", &long));
    let ran = sandbox.run(&["check"]).code(1);

    assert!(
        ran.out.len() < 3000,
        "a long line is cut: {}",
        ran.out.len()
    );
}

#[test]
fn the_pre_commit_hook_names_the_line_and_the_command() {
    let python = tool("python");
    let sandbox = two_tenants();
    sandbox.write(
        ".pre-commit-hooks.yaml",
        fs::read_to_string(root().join(".pre-commit-hooks.yaml")).expect("the hooks"),
    );

    let hooks = "repos:\n- repo: local\n  hooks:\n";
    let own = sandbox.read(".pre-commit-hooks.yaml");
    let indented: String = own
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| format!("  {l}\n"))
        .collect();

    sandbox.write(".pre-commit-config.yaml", format!("{hooks}{indented}"));
    sandbox.git(&["init", "-q"]).code(0);
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_tenantry"))
        .parent()
        .expect("a folder")
        .to_owned();

    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );

    let home = tempfile::tempdir().expect("a folder");
    let run = || {
        sandbox.git(&["add", "-A"]).code(0);
        let mut command = Command::new(&python);
        command
            .current_dir(sandbox.path())
            .args(["-m", "pre_commit", "run"])
            .env("PATH", &path);
        command
            .env("PRE_COMMIT_HOME", home.path())
            .env("TENANTRY_NOW", NOW)
            .env("NO_COLOR", "1");
        Ran::of(command.output().expect("pre-commit starts"))
    };

    let ran = run().code(1);
    assert!(
        ran.all().contains("tree/stale") && ran.all().contains("run: tenantry render"),
        "{}",
        ran.all()
    );

    sandbox.run(&["render"]).code(0);
    run().code(0);
    sandbox.write("tenants/a.yaml", tenant("a", "  qouta: {}\n"));
    let ran = run().code(1);

    assert!(
        ran.all().contains("spec/unknown-field") && ran.all().contains("tenants/a.yaml:7:3"),
        "{}",
        ran.all()
    );
}

#[test]
fn a_baseline_is_read_as_prove_reads_it() {
    let sandbox = two_tenants();
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: x}\n"));
    let report = sandbox.run(&["check", "--format", "json"]).code(1).out;
    sandbox.write("known.json", &report);
    let ran = sandbox.run(&["check", "--baseline", "known.json"]).code(0);
    assert!(
        ran.all().contains("1 finding known before"),
        "{}",
        ran.all()
    );

    sandbox.write(
        "known.json",
        r#"{"findings": [{"rule": "spec/invalid-value"}]}"#,
    );
    for command in ["check", "prove"] {
        let ran = sandbox.run(&[command, "--baseline", "known.json"]).code(2);
        assert!(ran.err.contains("findings[0] has no rule"), "{}", ran.err);
    }
}

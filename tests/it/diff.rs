//! `diff`: changed objects, and who gains or loses access.

use crate::support::{Sandbox, json, tenant, two_tenants, two_tenants_with_an_edge};

/// Commits all files.
fn commit(sandbox: &Sandbox) {
    for args in [
        &["init", "-q"][..],
        &["add", "-A"],
        &["commit", "-qm", "fleet"],
    ] {
        sandbox.git(args).code(0);
    }
}

#[test]
fn diff_compares_objects_with_a_revision() {
    let sandbox = two_tenants();
    commit(&sandbox);
    assert_eq!(sandbox.run(&["diff"]).code(0).out, "");
    sandbox.write(
        "tenants/a.yaml",
        tenant(
            "a",
            "  quota: {pods: \"9\"}\n  members: [{group: x, role: viewer}]\n",
        ),
    );

    let ran = sandbox.run(&["diff", "HEAD"]).code(0);
    assert!(
        ran.out
            .contains("~ ResourceQuota/a/quota\n    spec.hard.pods: \"50\" -> \"9\""),
        "{}",
        ran.out
    );

    assert!(
        ran.out
            .contains("+ RoleBinding.rbac.authorization.k8s.io/a/viewer"),
        "{}",
        ran.out
    );

    assert!(!ran.out.contains("/b/"), "{}", ran.out);
    sandbox.run(&["diff", "--exit-code"]).code(1);
    assert!(
        sandbox
            .run(&["diff", "--format", "markdown"])
            .code(0)
            .out
            .contains("```diff")
    );

    assert!(
        sandbox
            .run(&["diff", "nowhere"])
            .code(2)
            .err
            .contains("there is no revision `nowhere`")
    );

    let ran = sandbox.run(&["check", "--since", "HEAD"]).code(0);
    assert!(ran.err.contains("0 errors"), "{}", ran.err);
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.run(&["check"]).code(0);
    sandbox.run(&["check", "--staged"]).code(1);
    sandbox.git(&["commit", "-qm", "two"]).code(0);
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    sandbox.run(&["check"]).code(1);

    sandbox.run(&["check", "--since", "HEAD"]).code(0);
}

#[test]
fn diff_prints_no_value_of_a_secret() {
    let sandbox = two_tenants();
    let secret = |v: &str| {
        format!(
            "apiVersion: v1\n\
             kind: Secret\n\
             metadata: {{name: s, namespace: a}}\n\
             stringData: {{p: {v}}}\n"
        )
    };

    sandbox.write("extra.yaml", secret("hunter2"));
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "  manifests: [../extra.yaml]\n"),
    );

    commit(&sandbox);
    sandbox.write("extra.yaml", secret("hunter3"));

    for format in ["text", "json", "markdown"] {
        let ran = sandbox.run(&["diff", "--format", format]).code(0);
        assert!(
            ran.out.contains("Secret/a/s") && !ran.all().contains("hunter"),
            "{}",
            ran.all()
        );
    }
}

#[test]
fn diff_says_who_gains_and_who_loses_access() {
    let sandbox = two_tenants_with_an_edge();
    commit(&sandbox);
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
}

#[test]
fn a_narrower_edge_gives_no_access_and_a_wider_edge_does() {
    let sandbox = two_tenants_with_an_edge();
    let edge = |more: &str| {
        tenant(
            "a",
            &format!("  network: {{egress: [{{tenant: b, ports: [{{port: 8080}}]}}, {more}]}}\n"),
        )
    };

    sandbox.write("tenants/a.yaml", edge("{cidr: 192.0.2.0/24}"));
    commit(&sandbox);

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

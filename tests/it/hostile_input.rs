//! Input that is broken or hostile: refused at its place, with exit code 1, and nothing of that
//! tenant written.

use crate::support::{FLEET, Sandbox, tenant, with_bad};

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, rule: &str, span: &str) {
    let sandbox = with_bad("tenants/bad.yaml", bytes);
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains(rule), "{}", ran.err);
    assert!(ran.err.contains(span), "{}", ran.err);
    assert!(ran.err.contains("fix:"), "{}", ran.err);
    assert!(
        sandbox.has("rendered/prod/tenants/good/good.yaml"),
        "the others render"
    );

    assert!(
        !sandbox
            .files()
            .keys()
            .any(|p| p.starts_with("rendered/prod/tenants/bad")),
        "nothing of it is written"
    );
}

#[test]
fn syntax_errors_are_refused() {
    refused(
        tenant("bad", "  quota: {pods: [}\n"),
        "document/syntax",
        "tenants/bad.yaml:7:1",
    );

    refused(
        tenant("bad", "\tquota: 1\n"),
        "document/syntax",
        "tenants/bad.yaml:7:",
    );

    refused(
        b"apiVersion: tenantry.dev/v1alpha1\nkind: \0Tenant\n",
        "document/syntax",
        "tenants/bad.yaml:2:7",
    );

    refused(
        b"apiVersion: tenantry.dev/v1alpha1\nkind: \x07Tenant\n",
        "document/syntax",
        "tenants/bad.yaml:2:7",
    );

    refused(
        b"apiVersion: tenantry.dev/v1alpha1\nkind: \xffTenant\n",
        "source/not-utf8",
        "tenants/bad.yaml:2:7",
    );

    refused(
        tenant("bad", "").replace("kind", "%YAML 1.1\n---\nkind"),
        "document/",
        "tenants/bad.yaml:",
    );
}

#[test]
fn yaml_bombs_are_refused() {
    let mut laughs = tenant(
        "bad",
        "  parameters:\n    a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n",
    );

    for i in 1..9 {
        let list = vec![format!("*a{}", i - 1); 10].join(", ");
        laughs.push_str(&format!("    a{i}: &a{i} [{list}]\n"));
    }

    refused(laughs, "document/too-big", "tenants/bad.yaml:");
    let mut text = tenant(
        "bad",
        &format!("  parameters:\n    a: &a {}\n    b:\n", "x".repeat(100_000)),
    );

    text.push_str(&"      - *a\n".repeat(20_000));
    refused(text, "document/too-big", "tenants/bad.yaml:");
    let deep = format!("  parameters: {}{}\n", "[".repeat(1000), "]".repeat(1000));
    refused(
        tenant("bad", &deep),
        "document/too-deep",
        "tenants/bad.yaml:7:",
    );

    let mut block = tenant("bad", "  parameters:\n");
    for i in 0..1000 {
        block.push_str(&format!("{}a:\n", " ".repeat(4 + i)));
    }
    refused(block, "document/too-deep", "tenants/bad.yaml:");
    refused(
        tenant("bad", "  parameters: &p [*p]\n"),
        "document/",
        "tenants/bad.yaml:7:",
    );

    refused(
        vec![b'#'; 100 << 20],
        "source/too-large",
        "tenants/bad.yaml",
    );
}

#[test]
fn links_and_paths_do_not_leave_the_repository() {
    let outside = Sandbox::with(&[(
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: bad}\n",
    )]);

    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [link.yaml]\n"),
    );

    std::os::unix::fs::symlink(
        outside.path().join("secret.yaml"),
        sandbox.path().join("tenants/link.yaml"),
    )
    .expect("a link");

    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("source/outside-root"), "{}", ran.err);
    assert!(!sandbox.has("rendered/prod/tenants/bad"));
    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [../../../etc/passwd]\n"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("source/outside-root") && ran.err.contains("tenants/bad.yaml:7:15"),
        "{}",
        ran.err
    );
}

#[test]
fn an_unreadable_file_holds_its_tenant() {
    let sandbox = with_bad("tenants/bad.yaml", tenant("bad", ""));
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/bad/bad.yaml");
    // A folder in the place of the file cannot be read by anybody, root included.
    std::fs::remove_file(sandbox.path().join("tenants/bad.yaml")).expect("removed");
    std::os::unix::fs::symlink("nowhere", sandbox.path().join("tenants/bad.yaml")).expect("a link");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("source/unreadable") && ran.err.contains("held: bad"),
        "{}",
        ran.err
    );
    assert_eq!(before, sandbox.read("rendered/prod/tenants/bad/bad.yaml"));
}

#[test]
fn documents_of_other_groups_are_counted() {
    refused(
        "metadata: {name: bad}\nspec: {}\n",
        "spec/no-kind",
        "tenants/bad.yaml:1:1",
    );

    let sandbox = with_bad("tenants/kustomization.yaml", "resources: [a.yaml]\n");
    sandbox.write(
        "tenants/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    );

    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.err.contains("2 documents of other groups skipped"),
        "{}",
        ran.err
    );
}

#[test]
fn a_fleet_error_stops_the_run() {
    for (text, rule) in [
        (
            "apiVersion: tenantry.dev/v1alpha1\n\
             kind: Fleet\n\
             metadata: {name: acme}\n\
             spec: {clusters: [{name: [}",
            "document/syntax",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
            "spec/no-fleet",
        ),
        (
            "apiVersion: tenantry.dev/v1alpha1\n\
             kind: Fleet\n\
             metadata: {name: acme}\n\
             spec: {clusters: []}",
            "tenancy/fleet",
        ),
    ] {
        let sandbox = with_bad("tenants/fleet.yaml", text);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.err.contains(rule) && ran.err.contains("nothing was written"),
            "{}",
            ran.err
        );
        assert!(!sandbox.has("rendered") && !sandbox.has("tenantry.lock"));
    }
}

#[test]
fn a_broken_source_affects_only_its_own_tenants() {
    let other = Sandbox::with(&[(
        "x.yaml",
        "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: evil}\nspec: {}\n",
    )]);

    other.write("y.yaml", tenant("good", "  nope: 1\n"));
    other.write("z.yaml", tenant("mine", "  manifests: [secret.yaml]\n"));
    let sandbox = with_bad(
        "tenants/fleet.yaml",
        format!("{FLEET}  sources: [{{name: team, tenants: [mine]}}]\n"),
    );

    sandbox.write(
        "secret.yaml",
        "apiVersion: v1\n\
         kind: Secret\n\
         metadata: {name: s, namespace: mine}\n\
         stringData: {p: hunter2}\n",
    );

    let given = format!("team={}", other.path().display());
    let ran = sandbox.run(&["render", "--source", &given]).code(1);
    assert!(
        sandbox.has("rendered/prod/tenants/good/good.yaml"),
        "{}",
        ran.err
    );

    assert!(
        !ran.err.contains("held: good") && !ran.all().contains("hunter2"),
        "{}",
        ran.err
    );

    assert!(!sandbox.has("rendered/prod/tenants/mine"));
    sandbox.run(&["check", "--source", "nobody=."]).code(2);
}

#[test]
fn small_files_cannot_cost_much_time() {
    let many = |n: usize, what: &str| {
        (0..n)
            .map(|i| format!("{{{what}{i}}}"))
            .collect::<Vec<_>>()
            .join(", ")
    };

    let anchors = format!(
        "  parameters:\n    a: &a0 {}[{}]{}\n",
        (1..60).map(|i| format!("[&a{i} ")).collect::<String>(),
        "x,".repeat(90_000),
        "]".repeat(59)
    );

    for (text, rule) in [
        (
            tenant("bad", "").replace("[{name: bad}]", &format!("[{}]", many(2000, "name: n"))),
            "spec/invalid-value",
        ),
        (
            tenant(
                "bad",
                &format!("  members: [{}]\n", many(5000, "role: viewer, group: g")),
            ),
            "spec/invalid-value",
        ),
        (
            tenant(
                "bad",
                &format!("  manifests: [{}]\n", vec!["x.yaml"; 2000].join(", ")),
            ),
            "spec/invalid-value",
        ),
        (tenant("bad", &anchors), "document/too-"),
        (
            format!("{}{}", "---\t1\n".repeat(90_000), tenant("bad", "")),
            "document/",
        ),
    ] {
        let ran = with_bad("tenants/bad.yaml", &text).run(&["check"]);
        assert!(
            ran.code == 1 && ran.out.contains(rule) || rule == "document/",
            "{rule}: {}",
            &ran.out[..ran.out.len().min(2000)]
        );
    }
}

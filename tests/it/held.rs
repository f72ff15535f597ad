//! A tenant with an error is held: its last files and edges stay, and the other tenants render.

use crate::support::{FLEET, Sandbox, tenant, two_tenants, waiver};
use std::fs;

#[test]
fn an_error_holds_only_its_own_tenant() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/a/a.yaml");
    sandbox.write("tenants/a.yaml", tenant("a", "  quota: {pods: x}\n"));
    sandbox.write("tenants/b.yaml", tenant("b", "  displayName: B\n"));
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: a"), "{}", ran.err);
    assert_eq!(before, sandbox.read("rendered/prod/tenants/a/a.yaml"));
    assert!(
        sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("display-name: B")
    );

    assert!(sandbox.run(&["status"]).out.contains("Held"));
    assert!(
        sandbox
            .read("rendered/prod/entry/tenant-a.yaml")
            .contains("name: tenant-a\n")
    );

    sandbox.write("tenants/a.yaml", "kind: [\n");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("held: a"),
        "a file that no longer parses: {}",
        ran.err
    );

    assert_eq!(before, sandbox.read("rendered/prod/tenants/a/a.yaml"));
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.run(&["render"]).code(0);

    assert!(!sandbox.run(&["status"]).out.contains("Held"));
}

/// A file that a tenant names is its own, wherever it lies: what is wrong with it is an error.
#[test]
fn an_unreadable_manifest_is_an_error_of_its_tenant() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "  manifests: [x/m.yaml]\n")),
        (
            "tenants/x/m.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: a}\n",
        ),
    ]);

    sandbox.run(&["render"]).code(0);
    for broken in [
        "kind: a\nkind: b\n",
        "a: [\n",
        "<<: {a: b}\n",
        "\u{feff}a: b\n\u{1}",
    ] {
        sandbox.write("tenants/x/m.yaml", broken);
        let ran = sandbox.run(&["check"]).code(1);
        assert!(ran.out.contains("error["), "{broken:?}: {}", ran.all());
        sandbox.run(&["render"]).code(1);
    }
}

#[test]
fn an_edge_to_a_held_tenant_stays() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &tenant("a", "  network: {egress: [{tenant: b}]}\n"),
        ),
        (
            "tenants/b.yaml",
            &tenant("b", "  network: {ingress: [{tenant: a}]}\n"),
        ),
    ]);

    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("rendered/prod/tenants/a/a.yaml");
    assert!(before.contains("allow-egress"), "{before}");
    sandbox.write("tenants/b.yaml", "kind: [\n");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: b\n"), "only b: {}", ran.err);

    assert_eq!(before, sandbox.read("rendered/prod/tenants/a/a.yaml"));
}

#[test]
fn a_held_tenant_keeps_its_edges() {
    let edges = |egress: &str| tenant("a", &format!("  network: {{egress: [{egress}]}}\n"));
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &edges("{tenant: b, ports: [{port: 80}]}, {tenant: c}"),
        ),
        (
            "tenants/b.yaml",
            &tenant(
                "b",
                "  network: {provides: [{port: 80, to: {any: true}}]}\n",
            ),
        ),
        (
            "tenants/c.yaml",
            &tenant("c", "  network: {ingress: [{tenant: a}]}\n"),
        ),
    ]);

    sandbox.run(&["render"]).code(0);
    let tree = || {
        sandbox
            .files()
            .into_iter()
            .filter(|(p, _)| p.starts_with("rendered/"))
            .collect::<Vec<_>>()
    };

    let before = tree();
    assert!(
        sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("allow-ingress")
    );

    for broken in [
        edges("{tenant: b, ports: [{port: 80}]}, {tenant: c}").replace("spec:", "spec:\n  nope: 1"),
        edges("").replace("spec:", "spec:\n  profile: nope"),
        "kind: [".to_owned(),
    ] {
        sandbox.write("tenants/a.yaml", broken);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(ran.err.contains("held: a\n"), "only a: {}", ran.err);
        assert!(
            before == tree(),
            "its providers keep letting it in: {}",
            ran.err
        );
    }

    sandbox.write(
        "tenants/a.yaml",
        edges("{tenant: b, ports: [{port: 80}]}, {tenant: c}"),
    );

    sandbox.write("tenants/c.yaml", tenant("c", "  profile: nope\n"));
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("held: c\n") && before == tree(),
        "a provider that breaks is not its consumer's fault: {}",
        ran.err
    );
}

#[test]
fn a_namespace_of_a_held_tenant_cannot_be_claimed() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", "  nope: 1\n"));
    sandbox.write(
        "tenants/evil.yaml",
        tenant("evil", "").replace("[{name: evil}]", "[{name: a}]"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/claimed-twice") && ran.err.contains("held: a, evil"),
        "{}",
        ran.err
    );

    assert!(!sandbox.has("rendered/prod/tenants/evil"));
    sandbox.write(
        "tenants/evil.yaml",
        tenant("b", "").replace("tenants/b", "x"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/duplicate-tenant") && ran.err.contains("held: a\n"),
        "the lock's document wins: {}",
        ran.err
    );
}

#[test]
fn a_source_that_is_not_given_holds_its_tenants() {
    let other = Sandbox::with(&[
        ("search.yaml", &tenant("search", "")),
        ("evil.yaml", &tenant("evil", "")),
    ]);

    let sandbox = two_tenants();
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  sources: [{{name: search-team, tenants: [search]}}]\n"),
    );

    let given = format!("search-team={}", other.path().display());
    let ran = sandbox.run(&["render", "--source", &given]).code(1);
    assert!(
        ran.err.contains("tenancy/source-foreign-tenant"),
        "{}",
        ran.err
    );

    fs::remove_file(other.path().join("evil.yaml")).expect("removed");
    sandbox.run(&["render", "--source", &given]).code(0);
    assert!(sandbox.has("rendered/prod/tenants/search/search.yaml"));
    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.err.contains("tenancy/source-not-given") && ran.err.contains("held: search"),
        "{}",
        ran.err
    );

    assert!(sandbox.has("rendered/prod/tenants/search/search.yaml"));
    other.write(
        "w.yaml",
        waiver("search", "network/egress-any", "2026-12-31"),
    );
    let ran = sandbox.run(&["check", "--source", &given]).code(1);

    assert!(
        ran.out.contains("spec/misplaced") && ran.out.contains("tenant-owned source"),
        "{}",
        ran.out
    );
}

#[test]
fn a_fault_of_the_fleet_holds_every_tenant() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    assert!(sandbox.run(&["status"]).code(0).out.contains("Valid"));

    let unknown = format!("{FLEET}  defaultProfile: unknown\n");
    sandbox.write("tenants/fleet.yaml", unknown);
    let ran = sandbox.run(&["status"]).code(1);
    let is_held = ran.out.matches("Held").count() == 2 && !ran.out.contains("Valid");
    assert!(is_held, "{}", ran.all());
}

/// Documents that a tenant can add to a file of its own, and that name another tenant or the whole
/// fleet.
fn strays() -> Vec<(&'static str, String)> {
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: tenantry.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {spec}\n"
        )
    };
    let waiver = "{tenant: b, rule: network/egress-any, reason: x, approvedBy: x, \
                  approvedAt: '2026-11-01', expires: '2026-12-30'}";
    vec![
        ("an unknown field", document("Tenant", "b", "{foo: bar}")),
        ("a wrong type", document("Tenant", "b", "{owners: 3}")),
        ("no spec", document("Tenant", "b", "")),
        (
            "a bad quantity",
            document("Tenant", "b", "{owners: [{group: b}], quota: {pods: x}}"),
        ),
        (
            "a bad name beside it",
            document("Tenant", "b", "{owners: [{group: ''}]}"),
        ),
        (
            "a whole document",
            document(
                "Tenant",
                "b",
                "{owners: [{group: x}], namespaces: [{name: b}]}",
            ),
        ),
        ("a valid waiver", document("Waiver", "b-waiver", waiver)),
        (
            "a broken waiver",
            document("Waiver", "b-waiver", "{tenant: b, rule: x}"),
        ),
        (
            "a fleet",
            document("Fleet", "acme", "{clusters: [{name: x}]}"),
        ),
        ("a broken fleet", document("Fleet", "acme", "{clusters: 3}")),
        (
            "a profile",
            document("Profile", "restricted", "{extends: baseline}"),
        ),
        (
            "a broken profile",
            document("Profile", "restricted", "{foo: bar}"),
        ),
        (
            "a Kustomization of the whole repository",
            "---\napiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\n\
             metadata: {name: all, namespace: flux-system}\n\
             spec: {path: ./, prune: true, interval: 10m, \
             sourceRef: {kind: GitRepository, name: flux-system}}\n"
                .to_owned(),
        ),
    ]
}

/// Whoever may write one file must not stop another tenant by what it holds.
#[test]
fn a_stray_document_stops_nobody_but_its_own_file() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);

    for (at, (what, stray)) in strays().into_iter().enumerate() {
        sandbox.write("tenants/a.yaml", format!("{}{stray}", tenant("a", "")));
        let changed = tenant("b", &format!("  displayName: change {at}\n"));
        sandbox.write("tenants/b.yaml", changed);

        let ran = sandbox.run(&["render"]).code(1);
        let rendered = sandbox.read("rendered/prod/tenants/b/b.yaml");
        assert!(
            rendered.contains(&format!("change {at}")),
            "{what}: {}",
            ran.all()
        );
        assert!(!ran.all().contains("held: b"), "{what}: {}", ran.all());

        let files = error_files(&sandbox);
        assert!(!files.is_empty(), "{what}");
        assert!(
            files.iter().all(|file| *file == "tenants/a.yaml"),
            "{what}: {files:?}"
        );
    }
}

/// The paths of the errors that `check` reports.
fn error_files(sandbox: &Sandbox) -> Vec<String> {
    let ran = sandbox.run(&["check", "--format", "json"]).code(1);
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let errors = findings
        .iter()
        .filter(|finding| finding["level"] == "error");
    errors
        .filter_map(|finding| Some(finding["location"]["path"].as_str()?.to_owned()))
        .collect()
}

/// Whoever closes an edge must not be kept from it by the other side, which is not held either.
#[test]
fn an_edge_that_one_side_closes_is_closed_and_holds_neither() {
    let consumer = |more: &str| {
        tenant(
            "a",
            &format!("  network: {{egress: [{{tenant: b}}]}}\n{more}"),
        )
    };
    let provider = |ingress: &str, more: &str| {
        tenant("b", &format!("  network: {{ingress: [{ingress}]}}\n{more}"))
    };
    let open = "{tenant: a}";
    let narrowings = [
        (
            "the provider revokes",
            consumer(""),
            provider("", ""),
            "tenants/b.yaml",
        ),
        (
            "the provider takes another port",
            consumer("").replace("{tenant: b}", "{tenant: b, ports: [{port: 80}]}"),
            provider("{tenant: a, ports: [{port: 81}]}", ""),
            "tenants/b.yaml",
        ),
        (
            "the consumer lets go",
            tenant("a", ""),
            provider(open, ""),
            "tenants/a.yaml",
        ),
    ];

    for (what, a, b, changed) in narrowings {
        let ports = what.contains("port");
        let before = match ports {
            true => (a.clone(), provider("{tenant: a, ports: [{port: 80}]}", "")),
            false => (consumer(""), provider(open, "")),
        };
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/a.yaml", &before.0),
            ("tenants/b.yaml", &before.1),
        ]);
        sandbox.run(&["render"]).code(0);
        let file = |name: &str| sandbox.read(&format!("rendered/prod/tenants/{name}/{name}.yaml"));
        assert!(file("a").contains("metadata.name: b\n"), "{what}");
        assert!(file("b").contains("metadata.name: a\n"), "{what}");

        sandbox.write("tenants/a.yaml", &a);
        sandbox.write("tenants/b.yaml", &b);
        assert_eq!(error_files(&sandbox), [changed], "{what}");

        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.all().contains("network/one-sided-edge"),
            "{what}: {}",
            ran.all()
        );
        assert!(!ran.all().contains("held:"), "{what}: {}", ran.all());
        assert!(!file("a").contains("metadata.name: b\n"), "{what}");
        assert!(!file("b").contains("metadata.name: a\n"), "{what}");
    }
}

/// What a provider may take away, and the edge of a consumer that it ends.
#[test]
fn no_provider_holds_its_consumer_by_what_it_takes_away() {
    let consumer = |peer: &str| tenant("a", &format!("  network: {{egress: [{peer}]}}\n"));
    let provider = |more: &str| {
        tenant(
            "b",
            &format!("  network: {{ingress: [{{tenant: a}}]}}\n{more}"),
        )
    };
    let two = |text: String| text.replace("[{name: b}]", "[{name: b}, {name: b-db}]");
    let fleet = format!("{FLEET}    - name: more\n");
    let on = |text: String, cluster: &str| format!("{text}  clusters: [{cluster}]\n");

    let cases = [
        (
            "the namespace",
            "{tenant: b, namespace: b-db}",
            Some(on(provider(""), "prod")),
        ),
        (
            "the cluster",
            "{tenant: b}",
            Some(on(two(provider("")), "more")),
        ),
        (
            "the ingress",
            "{tenant: b}",
            Some(on(two(tenant("b", "")), "prod")),
        ),
        ("itself", "{tenant: b}", None),
    ];
    for (what, peer, after) in cases {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/a.yaml", &on(consumer(peer), "prod")),
            ("tenants/b.yaml", &on(two(provider("")), "prod")),
        ]);
        sandbox.run(&["render"]).code(0);
        let a = "rendered/prod/tenants/a/a.yaml";
        assert!(sandbox.read(a).contains("b-db"), "{what}");

        match after {
            Some(text) => sandbox.write("tenants/b.yaml", text),
            None => fs::remove_file(sandbox.path().join("tenants/b.yaml")).expect("removed"),
        }
        // The consumer changes something else in the same change.
        sandbox.write(
            "tenants/a.yaml",
            on(consumer(peer), "prod") + "  quota: {pods: \"3\"}\n",
        );
        let ran = sandbox.run(&["render", "--allow-removal", "b"]).code(1);
        assert!(!ran.err.contains("held"), "{what}: {}", ran.err);
        assert!(ran.err.contains("tenants/a.yaml:"), "{what}: {}", ran.err);
        let text = sandbox.read(a);
        assert!(!text.contains("b-db"), "{what}: {text}");
        assert!(text.contains("pods: \"3\""), "{what}: {text}");
        assert_eq!(
            sandbox.has("rendered/prod/tenants/b"),
            what.contains("namespace") || what.contains("ingress"),
            "{what}"
        );

        // Nor later.
        sandbox.write(
            "tenants/a.yaml",
            on(consumer(peer), "prod") + "  quota: {pods: \"4\"}\n",
        );
        let ran = sandbox.run(&["render"]).code(1);
        assert!(!ran.err.contains("held"), "{what}: {}", ran.err);
    }

    // A name that the consumer mistypes is its own fault.
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &consumer("{tenant: b}")),
        ("tenants/b.yaml", &provider("")),
    ]);
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", consumer("{tenant: bb}"));
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: a"), "{}", ran.err);
}

/// What changed is told by the revision that is named, and both files have an annotation.
#[test]
fn a_closed_edge_is_reported_at_the_file_that_changed_since_the_revision() {
    let a = tenant("a", "  network: {egress: [{tenant: b}]}\n");
    let b = tenant("b", "  network: {ingress: [{tenant: a}]}\n");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &a),
        ("tenants/b.yaml", &b),
    ]);
    // The tree lies elsewhere: no records say what changed.
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "x"]] {
        sandbox.git(args).code(0);
    }
    for (changed, other, text) in [("b", "a", tenant("b", "")), ("a", "b", tenant("a", ""))] {
        let path = format!("tenants/{changed}.yaml");
        let before = sandbox.read(&path);
        sandbox.write(&path, text);
        let ran = sandbox
            .run(&["check", "--since", "HEAD", "--format", "github"])
            .code(1);
        let lines: Vec<&str> = ran
            .out
            .lines()
            .filter(|line| line.contains("one-sided-edge"))
            .collect();
        let at = |start: &str, name: &str| {
            let start = format!("::{start} file=tenants/{name}.yaml,line=");
            lines.iter().any(|line| line.starts_with(&start))
        };
        assert!(
            lines.len() == 2 && at("error", changed) && at("notice", other),
            "{}",
            ran.out
        );
        sandbox.write(&path, before);
    }
}

/// A tenant may stand in the file of the fleet, which is read apart.
#[test]
fn a_stray_document_does_not_stop_a_tenant_in_the_file_of_the_fleet() {
    let fleet = format!("{FLEET}---\n{}", tenant("shop", ""));
    let stray =
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: shop}\nspec: {foo: 1}\n";
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        (
            "tenants/eve.yaml",
            &format!("{}---\n{stray}", tenant("eve", "")),
        ),
    ]);
    let ran = sandbox.run(&["check"]).code(1);
    assert!(!ran.all().contains("held: shop"), "{}", ran.all());
}

//! Input that is broken or hostile: refused at its place, with exit code 1, and nothing of that
//! tenant written.

use crate::support::{FLEET, Sandbox, tenant};

/// A fleet with a good tenant, and a bad file.
fn with_bad(path: &str, bytes: impl AsRef<[u8]>) -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/good.yaml", &tenant("good", "")),
    ]);
    sandbox.write(path, bytes);
    sandbox
}

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
fn templates_cannot_grant_rights_beyond_the_tenant() {
    let object = |kind: &str, meta: &str| {
        format!("apiVersion: v1\nkind: {kind}\nmetadata:\n  name: x\n{meta}")
    };
    for (text, rule) in [
        (object("ConfigMap", "  namespace: kube-system\n"), "bundle/object-not-allowed"),
        (object("Node", ""), "bundle/object-not-allowed"),
        (object("Namespace", ""), "bundle/object-not-allowed"),
        ("apiVersion: rbac.authorization.k8s.io/v1\
          \nkind: ClusterRoleBinding\
          \nmetadata:\
          \n  name: x\
          \nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n".into(), "bundle/object-not-allowed"),
        (object("ConfigMap", "").replace("name: x", "label: x"), "bundle/object-invalid"),
        ("apiVersion: v1\n\
          kind: ResourceQuota\n\
          metadata: {name: q, namespace: good}\n\
          spec: {hard: {pods: many}}\n".into(), "bundle/object-invalid"),
        ("apiVersion: v1\n\
          kind: ServiceAccount\n\
          metadata: {name: default, namespace: good}\n\
          automountServiceAccountToken: false\n".into(), "bundle/duplicate-object"),
    ] {
        let sandbox = with_bad("templates/namespace/extra.yaml", text);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(ran.err.contains(rule), "{rule}: {}", ran.err);
        assert!(ran.err.contains("templates/namespace/extra.yaml:1:1"), "points into the template: {}", ran.err);
        assert!(ran.err.contains("tenants/good.yaml:3:18"), "and at the tenant: {}", ran.err);
        assert!(!sandbox.has("rendered/prod/tenants/good"));
    }

    let sandbox = with_bad("templates/namespace/quota.yaml", "# nothing\n");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("bundle/floor-missing"), "{}", ran.err);
    let sandbox = with_bad("templates/extra.yaml", "a: 1\n");
    let ran = sandbox.run(&["render"]).code(1);

    assert!(ran.err.contains("bundle/template-misplaced"), "{}", ran.err);
}

#[test]
fn manifests_cannot_grant_rights_beyond_the_tenant() {
    let policy = "apiVersion: networking.k8s.io/v1\n\
                  kind: NetworkPolicy\n\
                  metadata: {name: open, namespace: bad}\n\
                  spec: {podSelector: {}, ingress: [{}]}\n";
    for (text, rule) in [
        (policy, "bundle/manifest-floor"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: good}\n",
            "bundle/manifest-not-allowed",
        ),
        (
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: x}\n",
            "bundle/manifest-not-allowed",
        ),
        ("a: 1\n", "bundle/manifest]"),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default, namespace: bad}\n",
            "bundle/duplicate-object",
        ),
    ] {
        let sandbox = with_bad(
            "tenants/bad.yaml",
            tenant("bad", "  manifests: [../extra/x.yaml]\n"),
        );
        sandbox.write("extra/x.yaml", text);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(ran.err.contains(rule), "{rule}: {}", ran.err);
        assert!(!sandbox.has("rendered/prod/tenants/bad"));
    }

    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [none.yaml]\n"),
    );

    let ran = sandbox.run(&["check"]).code(1);
    assert!(
        ran.out.contains("bundle/manifest]") && ran.out.contains("tenants/none.yaml"),
        "{}",
        ran.out
    );
}

#[test]
fn verbatim_manifests_pass_byte_for_byte() {
    let text = "# a comment  \
                \napiVersion: v1\
                \nkind: ConfigMap\
                \nmetadata: {name: x,   namespace: bad}\
                \ndata:\
                \n  a: 'yes' # kept\n";
    let crd = "apiVersion: cert-manager.io/v1\
               \nkind: Certificate\
               \nmetadata:\
               \n    name: c\
               \n    namespace: bad\n";
    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [../extra/x.yaml]\n"),
    );

    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  tenantKinds: [cert-manager.io/Certificate]\n"),
    );

    sandbox.write("extra/x.yaml", format!("{text}---\n{crd}"));
    sandbox.run(&["render"]).code(0);
    assert!(
        sandbox
            .read("rendered/prod/tenants/bad/bad.yaml")
            .contains(&format!("---\n{text}"))
    );

    assert!(
        sandbox
            .read("rendered/prod/late/bad/bad.yaml")
            .ends_with(&format!("---\n{crd}"))
    );

    let entry = |unit: &str| sandbox.read(&format!("rendered/prod/entry/{unit}.yaml"));
    assert!(
        entry("tenant-bad").contains("name: tenant-bad.late"),
        "{}",
        entry("tenant-bad")
    );

    assert!(
        !entry("tenant-good").contains("tenant-good.late"),
        "{}",
        entry("tenant-good")
    );
}

#[test]
fn paths_that_are_applied_already_are_refused() {
    let flux = |path: &str, source: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\
             \nkind: Kustomization\
             \nmetadata: {{name: x, namespace: flux-system}}\
             \nspec:\
             \n  path: {path}\
             \n  sourceRef: {{kind: GitRepository, name: {source}}}\n"
        )
    };
    for (path, source, code) in [
        ("./", "flux-system", 1),
        ("./rendered", "flux-system", 1),
        ("./tenants", "flux-system", 1),
        ("./tenants/base", "flux-system", 0),
        ("./", "other", 0),
        ("./clusters/prod", "flux-system", 0),
    ] {
        let sandbox = with_bad(
            "clusters/prod/flux-system/gotk-sync.yaml",
            flux(path, source),
        );
        let ran = sandbox.run(&["check"]).code(code);
        assert_eq!(
            ran.out.contains("gitops/path-applied-twice"),
            code == 1,
            "{path}: {}",
            ran.out
        );
    }
}

/// What one reader takes for a ConfigMap, another must not take for something else.
#[test]
fn manifests_are_read_as_flux_reads_them() {
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\n\
                   kind: ClusterRoleBinding\n\
                   metadata: {name: evil}\n";
    let indented: String = binding.lines().map(|l| format!("  {l}\n")).collect();
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: bad}\n";
    let ls = binding.replace('\n', "\u{2028}");

    for (what, text) in [
        (
            "a List",
            "apiVersion: v1\n\
             kind: List\n\
             metadata: {name: x, namespace: bad}\n\
             items:\n\
             - {apiVersion: v1, kind: Node, metadata: {name: n}}\n"
                .to_owned(),
        ),
        (
            "items",
            format!(
                "{head}items:\n\
                 - {{apiVersion: v1, kind: Node, metadata: {{name: n}}}}\n"
            ),
        ),
        (
            "a marker with a comment",
            format!("{head}---#x: |\n{indented}"),
        ),
        (
            "a line separator",
            format!("# \u{2028}{ls}x: |\n  y\n{head}").replace("x: |\n  y\n", ""),
        ),
        (
            "a lone return",
            format!("# \r{}{head}", binding.replace('\n', "\r")),
        ),
        (
            "an anchor",
            "apiVersion: v1\n\
             kind: ConfigMap\n\
             x: [&n kube-system]\n\
             y: &j:q [&n bad]\n\
             metadata: {name: x, namespace: *n }\n"
                .to_owned(),
        ),
        ("an escape", format!("{head}data: {{\"a\\/b\": x}}\n")),
        ("infinity", format!("{head}data: {{a: .inf}}\n")),
        ("a byte order mark", format!("a: 1\n---\n\u{feff}{head}")),
    ] {
        let sandbox = with_bad(
            "tenants/bad.yaml",
            tenant("bad", "  manifests: [../extra/x.yaml]\n"),
        );
        sandbox.write("extra/x.yaml", text);
        let ran = sandbox.run(&["render"]).code(1);
        assert!(
            ran.err.contains("bundle/manifest") || ran.err.contains("document/"),
            "{what}: {}",
            ran.err
        );
        assert!(
            !sandbox.has("rendered/prod/tenants/bad") && !sandbox.has("rendered/prod/late/bad"),
            "{what}"
        );
    }

    // A document after `...` is a document: each is rendered once.
    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [../extra/x.yaml]\n"),
    );

    sandbox.write(
        "extra/x.yaml",
        format!("{head}...\n{}", head.replace("name: x", "name: z")),
    );

    sandbox.run(&["render"]).code(0);
    let text = sandbox.read("rendered/prod/tenants/bad/bad.yaml");
    assert_eq!(
        (
            text.matches("{name: x,").count(),
            text.matches("{name: z,").count()
        ),
        (1, 1),
        "{text}"
    );
}

#[test]
fn manifests_hold_only_kinds_that_tenants_may_have() {
    let flux = |spec: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\n\
             kind: Kustomization\n\
             metadata: {{name: x, namespace: bad}}\n\
             spec: {{{spec}}}\n"
        )
    };

    let kind = |version: &str, kind: &str| {
        format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x, namespace: bad}}\n")
    };
    for (text, good) in [
        (kind("cert-manager.io/v1", "ClusterIssuer"), false),
        (kind("cilium.io/v2", "CiliumNetworkPolicy"), false),
        (
            kind("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
            false,
        ),
        (kind("discovery.k8s.io/v1", "EndpointSlice"), false),
        (kind("kyverno.io/v1", "ClusterPolicy"), false),
        (kind("v1", "ConfigMap"), true),
        (
            flux("interval: 5m, prune: true, path: ./, sourceRef: {kind: GitRepository, name: x}"),
            false,
        ),
        (
            flux(
                "serviceAccountName: deployer, sourceRef: {kind: GitRepository, name: x, namespace: flux-system}",
            ),
            false,
        ),
        (
            flux("serviceAccountName: deployer, targetNamespace: kube-system"),
            false,
        ),
        (
            flux("serviceAccountName: deployer, kubeConfig: {secretRef: {name: x}}"),
            false,
        ),
        (
            flux(
                "serviceAccountName: deployer, sourceRef: {kind: GitRepository, name: x}, targetNamespace: bad",
            ),
            true,
        ),
    ] {
        let sandbox = with_bad(
            "tenants/bad.yaml",
            tenant("bad", "  manifests: [../extra/x.yaml]\n"),
        );
        sandbox.write("extra/x.yaml", &text);
        let ran = sandbox.run(&["check"]).code(i32::from(!good));
        assert_eq!(
            ran.out.contains("bundle/manifest-"),
            !good,
            "{text}: {}",
            ran.out
        );
    }
}

#[test]
fn a_profile_does_not_replace_a_waiver() {
    let adopted = "  profile: adopted\
                   \n  podSecurity: {level: restricted}\
                   \n  floor: {serviceAccount: rendered, network: rendered}\
                   \n  manifests: [../extra/x.yaml]\n";
    let sandbox = with_bad("tenants/bad.yaml", tenant("bad", adopted));
    sandbox.write(
        "extra/x.yaml",
        "apiVersion: networking.k8s.io/v1\n\
         kind: NetworkPolicy\n\
         metadata: {name: open, namespace: bad}\n\
         spec: {podSelector: {}, ingress: [{}]}\n",
    );
    assert!(
        sandbox
            .run(&["check"])
            .code(1)
            .out
            .contains("bundle/manifest-floor")
    );

    for more in [
        "  profile: baseline\n",
        "  podSecurity: {management: external}\n",
        "  podSecurity: {version: v1.0}\n",
    ] {
        let ran = with_bad("tenants/bad.yaml", tenant("bad", more))
            .run(&["check"])
            .code(1);
        assert!(
            ran.out.contains("admission/pod-security-loosened"),
            "{more}: {}",
            ran.out
        );
    }

    let halves = "  network: {egress: [{cidr: 0.0.0.0/1}, {cidr: 128.0.0.0/1}]}\n";
    assert!(
        with_bad("tenants/bad.yaml", tenant("bad", halves))
            .run(&["check"])
            .code(1)
            .out
            .contains("network/egress-any")
    );

    for role in ["tenantry-owner", "system:node"] {
        let member = format!("  members: [{{group: x, clusterRole: \"{role}\"}}]\n");
        assert!(
            with_bad("tenants/bad.yaml", tenant("bad", &member))
                .run(&["check"])
                .code(1)
                .out
                .contains("tenancy/unknown-role")
        );
    }

    let lent = "  sync: [{name: x, placement: system, git: {url: https://evil.example/x}, auth: {secretRef: flux-system}}]\n";
    assert!(
        with_bad("tenants/bad.yaml", tenant("bad", lent))
            .run(&["check"])
            .code(1)
            .out
            .contains("gitops/sync")
    );
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

#[test]
fn objects_and_ranges_that_reach_outside_are_refused() {
    let object = |kind: &str, version: &str, more: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x, namespace: bad}}\n{more}\n"
        )
    };

    for text in [
        object("Service", "v1", "spec: {externalIPs: [192.0.2.10]}"),
        object("Secret", "v1", "type: kubernetes.io/service-account-token"),
        object(
            "Alert",
            "notification.toolkit.fluxcd.io/v1beta3",
            "spec: {eventSources: [{kind: Kustomization, name: '*', namespace: flux-system}]}",
        ),
        object(
            "Bucket",
            "source.toolkit.fluxcd.io/v1",
            "spec: {provider: aws}",
        ),
    ] {
        let sandbox = with_bad(
            "tenants/bad.yaml",
            tenant("bad", "  manifests: [../extra/x.yaml]\n"),
        );
        sandbox.write("extra/x.yaml", &text);
        assert!(
            sandbox
                .run(&["check"])
                .code(1)
                .out
                .contains("bundle/manifest-not-allowed"),
            "{text}"
        );
    }

    let eighths = (0..5)
        .map(|i| format!("{{cidr: {}.0.0.0/8}}", 20 + i))
        .collect::<Vec<_>>()
        .join(", ");

    for (more, rule) in [
        (
            "  network: {ingress: [{cidr: 0.0.0.0/1}]}\n".to_owned(),
            "network/ingress-any",
        ),
        (
            format!("  network: {{egress: [{eighths}]}}\n"),
            "network/egress-any",
        ),
        (
            "  network: {ingress: [{cidr: 169.254.169.254/32}]}\n".to_owned(),
            "network/cluster-range",
        ),
        (
            "  limits: {default: {cpu: \"0\"}}\n".to_owned(),
            "resources/limits-inconsistent",
        ),
    ] {
        let ran = with_bad("tenants/bad.yaml", tenant("bad", &more))
            .run(&["check"])
            .code(1);
        assert!(ran.out.contains(rule), "{more}: {}", ran.out);
    }

    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  allow: {ingressHosts: [\"*.shop.example\"]}\n"),
    );

    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/bad.yaml", "kind: [");
    sandbox.write(
        "tenants/good.yaml",
        tenant("good", "  allow: {ingressHosts: [a.shop.example]}\n"),
    );

    assert!(
        sandbox
            .run(&["render"])
            .code(1)
            .err
            .contains("held: bad, good")
    );
}

#[test]
fn a_resource_set_of_a_tenant_names_its_account() {
    let fleet = format!("{FLEET}  tenantKinds: [fluxcd.controlplane.io/ResourceSet]\n");
    for (spec, code) in [("{}", 1), ("{serviceAccountName: bad-sync}", 0)] {
        let sandbox = with_bad("tenants/fleet.yaml", &fleet);
        sandbox.write(
            "tenants/bad.yaml",
            tenant("bad", "  manifests: [../extra/x.yaml]\n"),
        );
        let set = format!(
            "apiVersion: fluxcd.controlplane.io/v1\n\
             kind: ResourceSet\n\
             metadata: {{name: x, namespace: bad}}\n\
             spec: {spec}\n"
        );
        sandbox.write("extra/x.yaml", set);

        let ran = sandbox.run(&["check"]).code(code);
        let is_refused = ran.out.contains("bundle/manifest-not-allowed");
        assert_eq!(is_refused, code == 1, "{spec}: {}", ran.out);
    }
}

#[test]
fn every_source_of_an_application_counts() {
    let application = |kind: &str, spec: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\n\
             kind: {kind}\n\
             metadata: {{name: x, namespace: argocd}}\n\
             spec: {spec}\n"
        )
    };
    let sources = "{sources: [{repoURL: r, path: charts}, {repoURL: r, path: rendered}]}";
    let template = format!("{{generators: [], template: {{spec: {sources}}}}}");
    for (text, code) in [
        (application("Application", sources), 1),
        (
            application("Application", "{source: {repoURL: r, path: rendered}}"),
            1,
        ),
        (application("ApplicationSet", &template), 1),
        (
            application("Application", "{sources: [{repoURL: r, path: charts}]}"),
            0,
        ),
    ] {
        let sandbox = with_bad("apps/x.yaml", &text);
        let ran = sandbox.run(&["check"]).code(code);
        let is_reported = ran.out.contains("gitops/path-applied-twice");
        assert_eq!(is_reported, code == 1, "{text}: {}", ran.out);
    }
}

#[test]
fn a_kustomization_file_without_an_ending_bounds_what_is_applied() {
    let applied = "apiVersion: argoproj.io/v1alpha1\n\
                   kind: Application\n\
                   metadata: {name: x, namespace: argocd}\n\
                   spec: {source: {repoURL: r, path: apps}}\n";
    for (name, code) in [("Kustomization", 1), ("kustomization.yaml.bak", 0)] {
        let sandbox = with_bad("root/x.yaml", applied);
        sandbox.write("apps/deployment.yaml", "a: 1\n");
        sandbox.write(&format!("apps/{name}"), "resources: [../rendered]\n");
        let ran = sandbox.run(&["check"]).code(code);
        let is_reported = ran.out.contains("gitops/path-applied-twice");
        assert_eq!(is_reported, code == 1, "{name}: {}", ran.out);
    }
}

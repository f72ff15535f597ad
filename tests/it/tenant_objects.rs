//! Objects that templates and manifests bring in: none gives a tenant more than it may have, and
//! none is applied twice.

use crate::support::{FLEET, tenant, with_bad};

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
        format!("{FLEET}  tenantKinds: [cert-manager.io/Certificate]\n  delivery: {{manifests: shared}}\n"),
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
            !sandbox.has("rendered/prod/tenants/bad")
                && !sandbox.has("rendered/prod/manifests/bad"),
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
    let text = sandbox.read("rendered/prod/manifests/bad/bad.yaml");
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

/// A byte order mark at the start of a file is named as one, with what removes it.
#[test]
fn a_byte_order_mark_is_named() {
    let sandbox = with_bad(
        "tenants/bad.yaml",
        tenant("bad", "  manifests: [../extra/x.yaml]\n"),
    );
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: bad}\n";
    sandbox.write("extra/x.yaml", format!("\u{feff}{text}"));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(
        ran.out.contains("a byte order mark (U+FEFF)"),
        "{}",
        ran.out
    );
    let fix = "save the file as UTF-8 without a byte order mark";
    assert!(ran.out.contains(fix), "{}", ran.out);

    sandbox.write("extra/x.yaml", text);
    sandbox.run(&["check"]).code(0);
}

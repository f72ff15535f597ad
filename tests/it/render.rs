//! What is rendered: the committed fleet, and what a field adds and nothing else.

use crate::support::{FLEET, Sandbox, compile, root, tenant, waiver};
use std::collections::BTreeMap;

#[test]
fn the_committed_tree_is_fresh() {
    let sandbox = Sandbox::new();
    let copy = |folder: &str| {
        for entry in walkdir::WalkDir::new(root().join(folder))
            .into_iter()
            .filter_map(Result::ok)
        {
            if entry.file_type().is_file() {
                let path = entry
                    .path()
                    .strip_prefix(root())
                    .expect("below")
                    .to_string_lossy()
                    .into_owned();
                sandbox.write(&path, std::fs::read(entry.path()).expect("bytes"));
            }
        }
    };

    copy("tenants");
    sandbox.run(&["render"]).code(0);

    for (path, bytes) in sandbox
        .files()
        .iter()
        .filter(|(p, _)| !p.starts_with("tenants/"))
    {
        let committed = std::fs::read(root().join(path)).unwrap_or_default();
        assert!(
            committed == *bytes,
            "{path} is stale: run `cargo run -- render`"
        );
    }
}

fn rendered(more: &str) -> BTreeMap<String, String> {
    let (_, compiled) = compile(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", more)),
    ]);
    assert!(!compiled.tree.files.is_empty(), "{:?}", compiled.findings);
    compiled
        .tree
        .files
        .into_iter()
        .map(|(p, d)| (p, d.text()))
        .collect()
}

fn of(files: &BTreeMap<String, String>) -> &str {
    &files["rendered/prod/tenants/a/a.yaml"]
}

#[test]
fn an_unused_feature_changes_no_object() {
    // The record says what the tenant's own document was; what is applied does not differ.
    let objects = |more: &str| -> std::collections::BTreeMap<String, String> {
        let applied = |text: &str| {
            text.lines()
                .filter(|l| !l.starts_with("# tenantry: "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        rendered(more)
            .into_iter()
            .map(|(path, text)| (path, applied(&text)))
            .collect()
    };

    let plain = objects("");
    for more in [
        "  members: []\n",
        "  sync: []\n",
        "  network: {}\n",
        "  floor: {quota: rendered}\n",
        "  parameters: {x: 1}\n",
    ] {
        assert_eq!(plain, objects(more), "{more}");
    }
}

#[test]
fn the_floor_is_on_by_default() {
    let files = rendered("");
    let text = of(&files);

    for part in [
        "pod-security.kubernetes.io/enforce: restricted",
        "automountServiceAccountToken: false",
        "name: default-deny",
        "  podSelector: {}\n  policyTypes:\n  - Ingress\n  - Egress\n---\n",
        "name: allow-dns",
        "k8s-app: kube-dns",
        "kubernetes.io/metadata.name: kube-system",
        "services.loadbalancers: \"0\"",
        "name: tenantry-owner",
        "kustomize.toolkit.fluxcd.io/prune: disabled",
        "kustomize.toolkit.fluxcd.io/substitute: disabled",
        "tenantry.dev/tenant: a",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }

    let kinds: Vec<&str> = text
        .lines()
        .filter_map(|l| l.strip_prefix("kind: "))
        .collect();

    assert_eq!(
        kinds,
        [
            "Namespace",
            "ResourceQuota",
            "LimitRange",
            "NetworkPolicy",
            "NetworkPolicy",
            "NetworkPolicy",
            "ServiceAccount",
            "RoleBinding"
        ]
    );

    // What must not outlive its removal from Git is never kept from pruning.
    for object in text
        .split("---\n")
        .filter(|o| o.contains("kind: RoleBinding") || o.contains("name: allow-"))
    {
        assert!(!object.contains("prune: disabled"), "{object}");
    }
}

#[test]
fn isolation_none_opens_the_default_policy() {
    let waiver = waiver("a", "network/isolation-none", "2026-12-31");
    let (_, compiled) = compile(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &tenant("a", "  network: {isolation: none}\n"),
        ),
        ("tenants/waivers/w.yaml", &waiver),
    ]);

    let text = &compiled.tree.files["rendered/prod/tenants/a/a.yaml"].text();
    assert!(
        text.contains("name: default-deny")
            && text.contains("  ingress:\n  - {}\n  egress:\n  - {}\n"),
        "{text}"
    );

    assert!(!text.contains("name: allow-dns"), "{text}");
}

#[test]
fn each_reference_of_a_source_is_rendered() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let commit = "b".repeat(40);
    for (source, url, key, value) in [
        ("git", "https://git.example/x", "tag", "v1.2.3"),
        ("git", "https://git.example/x", "semver", ">=1.0.0"),
        ("git", "https://git.example/x", "commit", commit.as_str()),
        ("git", "https://git.example/x", "branch", "next"),
        ("oci", "oci://r.example/apps", "tag", "v1"),
        ("oci", "oci://r.example/apps", "semver", ">=1.0.0"),
        ("oci", "oci://r.example/apps", "digest", digest.as_str()),
    ] {
        let more = format!(
            "  sync:\n    - name: apps\n      {source}: {{url: {url}, {key}: '{value}'}}\n"
        );
        let text = of(&rendered(&more)).replace(['"', '\''], "");
        assert!(
            text.contains(&format!("ref:\n    {key}: {value}\n")),
            "{source} {key}: {text}"
        );
    }
}

#[test]
fn a_sync_runs_as_the_tenants_own_identity() {
    let sync = "  sync:\
                \n    - name: apps\
                \n      git: {url: https://git.example/x}\
                \n    - name: base\
                \n      placement: system\
                \n      oci: {url: oci://r.example/apps, tag: \"1.2\"}\
                \n      verify: {cosign: {issuer: ^https://ci$, subject: ^x$}}\
                \n    - name: chart\
                \n      helm: {url: https://charts.example, chart: web, version: \"1\"}\
                \n      notifications: [{type: slack, secretRef: hook}]\n";
    let files = rendered(sync);
    let text = of(&files);
    let object = |kind: &str, name: &str| {
        let found = text.split("---\n").find(|o| {
            o.contains(&format!("\nkind: {kind}\n")) && o.contains(&format!("  name: {name}\n"))
        });
        found
            .unwrap_or_else(|| panic!("{kind} {name}\n{text}"))
            .to_owned()
    };

    assert!(object("Kustomization", "apps").contains("serviceAccountName: deployer"));
    assert!(object("Kustomization", "apps").contains("namespace: a\n"));
    assert!(object("Kustomization", "sync.a.base").contains("namespace: flux-system\n"));
    assert!(object("Kustomization", "sync.a.base").contains("serviceAccountName: sync.a.deployer"));
    assert!(object("OCIRepository", "sync.a.base").contains("provider: cosign"));
    assert!(object("HelmRelease", "chart").contains("serviceAccountName: deployer"));
    assert!(
        object("ServiceAccount", "sync.a.deployer").contains("automountServiceAccountToken: false")
    );
    assert!(object("RoleBinding", "deployer").contains("name: tenantry-deployer"));
    assert!(object("Alert", "chart-slack").contains("kind: HelmRelease"));

    assert!(
        !text.contains("targetNamespace: a\n")
            || object("HelmRelease", "chart").contains("targetNamespace: a")
    );
}

#[test]
fn an_edge_opens_its_two_sides_only() {
    let (_, compiled) = compile(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &tenant(
                "a",
                "  network: {egress: [{tenant: b, ports: [{port: 8080}]}]}\n",
            ),
        ),
        (
            "tenants/b.yaml",
            &tenant(
                "b",
                "  network: {provides: [{port: 8080, to: {any: true}}, {port: 9090, to: {any: true}}]}\n",
            ),
        ),
        ("tenants/c.yaml", &tenant("c", "")),
    ]);

    let text = |t: &str| compiled.tree.files[&format!("rendered/prod/tenants/{t}/{t}.yaml")].text();
    let section = |t: &str, name: &str| {
        let text = text(t);
        text.split("---\n")
            .find(|o| o.contains(&format!("  name: {name}\n")))
            .map(|o| o.split("spec:\n").nth(1).unwrap_or_default().to_owned())
    };

    assert_eq!(
        section("a", "allow-egress").expect("egress"),
        "  podSelector: {}\
         \n  policyTypes:\
         \n  - Egress\
         \n  egress:\
         \n  - to:\
         \n    - namespaceSelector:\
         \n        matchLabels:\
         \n          kubernetes.io/metadata.name: b\
         \n    ports:\
         \n    - protocol: TCP\
         \n      port: 8080\n"
    );

    assert_eq!(
        section("b", "allow-ingress").expect("ingress"),
        "  podSelector: {}\
         \n  policyTypes:\
         \n  - Ingress\
         \n  ingress:\
         \n  - from:\
         \n    - namespaceSelector:\
         \n        matchLabels:\
         \n          kubernetes.io/metadata.name: a\
         \n    ports:\
         \n    - protocol: TCP\
         \n      port: 8080\n"
    );

    assert_eq!(section("c", "allow-ingress"), None);
}

#[test]
fn roles_of_the_catalogue_cannot_edit_the_floor() {
    let (_, compiled) = compile(&[("tenants/fleet.yaml", FLEET)]);
    let text = &compiled.tree.files["rendered/prod/platform/roles.yaml"].text();
    let source = tenantry::source::Source::new("roles", text.clone());
    let (documents, _) = tenantry::document::parse(tenantry::source::SourceId(0), &source);
    let mut names = Vec::new();

    for role in documents
        .iter()
        .map(|d| d.root.to_json())
        .filter(|v| !v.is_null())
    {
        names.push(
            role["metadata"]["name"]
                .as_str()
                .expect("a name")
                .to_owned(),
        );

        for rule in role["rules"].as_array().expect("rules") {
            let list = |k: &str| {
                rule[k]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|v| v.as_str().expect("text").to_owned())
                    .collect::<Vec<_>>()
            };

            let (resources, verbs) = (list("resources"), list("verbs"));
            assert!(
                !resources.contains(&"*".into())
                    && !verbs.contains(&"*".into())
                    && !list("apiGroups").contains(&"*".into())
            );

            let writes = verbs
                .iter()
                .any(|v| !matches!(v.as_str(), "get" | "list" | "watch"));
            for floor in [
                "networkpolicies",
                "resourcequotas",
                "limitranges",
                "namespaces",
                "roles",
                "rolebindings",
                "serviceaccounts/token",
            ] {
                assert!(
                    !writes || !resources.contains(&floor.to_owned()),
                    "{role} writes {floor}"
                );
            }

            for verb in ["escalate", "bind", "impersonate"] {
                assert!(!verbs.contains(&verb.to_owned()));
            }
        }

        let secrets = role["rules"].to_string().contains("\"secrets\"");
        let name = role["metadata"]["name"].as_str().expect("a name");
        assert_eq!(
            secrets,
            [
                "tenantry-owner",
                "tenantry-secrets-viewer",
                "tenantry-deployer",
                "tenantry-manifests"
            ]
            .contains(&name),
            "{name}"
        );
    }

    let mut wanted = tenantry::bundle::catalogue_objects();
    wanted.push("tenantry-manifests".into());
    wanted.sort();
    names.sort();

    assert_eq!(names, wanted);
}

#[test]
fn an_undeclared_kind_is_reported_at_its_first_template() {
    let thing = |name: &str| {
        format!(
            "apiVersion: x.example/v1\n\
             kind: Thing\n\
             metadata: {{name: {name}, namespace: \"{{{{ namespace.name }}}}\"}}\n"
        )
    };

    let sandbox = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}      apis: [y.example/v1/Other]\n"),
        ),
        ("tenants/a.yaml", &tenant("a", "")),
        ("templates/namespace/first.yaml", &thing("zz")),
        ("templates/namespace/second.yaml", &thing("aa")),
    ]);

    let ran = sandbox.run(&["check"]).code(0);
    assert!(
        ran.all().contains("templates/namespace/first.yaml:1"),
        "{}",
        ran.all()
    );

    assert!(
        !ran.all().contains("templates/namespace/second.yaml"),
        "{}",
        ran.all()
    );
}

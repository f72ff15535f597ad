//! Objects of a tenant's verbatim files that the API server would take by their types, and that would
//! not be applied as they are written: each is refused at its line, for objects of any kind.

use crate::support::{Ran, Sandbox, tenant, tool_or_say};
use std::process::Command;
use tenantry::kube::{ObjectId, validation};

const FLEET: &str = "apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec:
  clusters: [{name: prod}]
  tenantKinds: [example.com/Widget]
";

/// A kind, and the lines of an object of it below `metadata`.
const KINDS: [(&str, &str, &str); 4] = [
    ("v1", "ConfigMap", "data: {a: b}\n"),
    (
        "batch/v1",
        "Job",
        "spec:\n  template:\n    spec: {restartPolicy: Never, containers: [{name: a, image: b}]}\n",
    ),
    ("example.com/v1", "Widget", "spec: {a: b}\n"),
    (
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        "spec: {interval: 5m, prune: true, serviceAccountName: deployer, sourceRef: {kind: GitRepository, name: x}}\n",
    ),
];

/// An object in five lines and more; what is put into its metadata stands in the sixth.
fn object(kind: &(&str, &str, &str), metadata: &str) -> String {
    let (version, name, rest) = kind;
    format!(
        "apiVersion: {version}\nkind: {name}\nmetadata:\n  name: x\n  namespace: red\n{metadata}{rest}"
    )
}

fn check(text: &str) -> Ran {
    let spec = tenant("red", "  manifests: [m.yaml]\n");
    Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/red.yaml", &spec),
        ("tenants/m.yaml", text),
    ])
    .run(&["check"])
}

/// Fails unless a text is refused at a line.
#[track_caller]
fn assert_refused(text: &str, line: usize) {
    let all = check(text).code(1).all();
    assert!(all.contains("bundle/manifest-refused"), "{text}: {all}");
    assert!(
        all.contains(&format!("tenants/m.yaml:{line}:")),
        "{text}: {all}"
    );
}

#[test]
fn metadata_that_the_server_refuses_is_refused_in_objects_of_any_kind() {
    let long = "x".repeat(256 << 10);
    let refused = [
        format!("  annotations: {{a: \"{long}\"}}\n"),
        "  annotations: {\"a b\": c}\n".to_owned(),
        "  annotations: {a: 1}\n".to_owned(),
        "  labels: {a: \"b c\"}\n".to_owned(),
        "  labels: {-a: b}\n".to_owned(),
        "  finalizers: [a]\n".to_owned(),
        "  ownerReferences: [{kind: a}]\n".to_owned(),
        "  nonsense: a\n".to_owned(),
        "  uid: a\n".to_owned(),
        "  resourceVersion: \"1\"\n".to_owned(),
        "  managedFields: [{manager: a}]\n".to_owned(),
    ];

    for kind in &KINDS {
        check(&object(kind, "  annotations: {a: b}\n  labels: {a: b}\n")).code(0);
        for metadata in &refused {
            assert_refused(&object(kind, metadata), 6);
        }
        assert_refused(&object(kind, "").replace("name: x\n", "name: X_y\n"), 4);
    }
}

#[test]
fn an_annotation_that_kustomize_acts_on_is_refused() {
    let Some(kustomize) = tool_or_say("kustomize") else {
        return;
    };

    let names = [
        "local-config",
        "index",
        "path",
        "origin",
        "id",
        "function",
        "needsHashSuffix",
        "behavior",
    ];
    let prefixes = [
        "config.kubernetes.io",
        "internal.config.kubernetes.io",
        "kustomize.config.k8s.io",
    ];
    let mut refused = 0;
    for name in names {
        for prefix in prefixes {
            for value in ["true", "false", "enabled"] {
                let metadata = format!("  annotations:\n    {prefix}/{name}: \"{value}\"\n");
                let text = object(&KINDS[0], &metadata);
                let sandbox = Sandbox::new();
                sandbox.write("m.yaml", &text);
                sandbox.write("kustomization.yaml", "resources: [m.yaml]\n");
                let built = Command::new(&kustomize)
                    .arg("build")
                    .arg(sandbox.path())
                    .output();
                let built = Ran::of(built.expect("kustomize starts")).code(0).out;

                let is_whole = built.contains(&format!("{prefix}/{name}"))
                    && built.lines().any(|line| line == "  name: x");
                if is_whole {
                    // Of kustomize's internal ones no version says which it keeps.
                    check(&text).code(i32::from(prefix.starts_with("internal.")));
                } else {
                    assert_refused(&text, 7);
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_document_that_sops_encrypted_is_refused() {
    for kind in &KINDS {
        let text = object(kind, "  annotations: {a: b}\n");
        let line = text.lines().count() + 1;
        assert_refused(
            &format!("{text}sops: {{mac: \"ENC[AES256_GCM,data:a]\"}}\n"),
            line,
        );
    }
}

#[test]
fn an_object_that_etcd_does_not_store_is_refused() {
    let text = |count: usize| format!("a: \"{}\"\n", "<".repeat(count));
    let widget = ("example.com/v1", "Widget", "");
    check(&(object(&widget, "") + &text(200_000))).code(0);
    assert_refused(&(object(&widget, "") + &text(300_000)), 1);
    // Kubernetes' own kinds are stored without escapes.
    let config = ("v1", "ConfigMap", "data:\n  ");
    check(&(object(&config, "") + &text(300_000))).code(0);
}

#[test]
fn an_object_of_flux_that_decrypts_with_a_key_of_the_controller_is_refused() {
    let kustomization =
        |more: &str| object(&KINDS[3], "").replace("prune: true", &format!("prune: true, {more}"));
    let all = check(&kustomization("decryption: {provider: sops}"))
        .code(1)
        .all();
    assert!(
        all.contains("bundle/manifest-not-allowed") && all.contains("decryption"),
        "{all}"
    );
    check(&kustomization(
        "decryption: {provider: sops, secretRef: {name: a}}",
    ))
    .code(0);
}

#[test]
fn an_ingress_may_state_an_address_for_tls_alone() {
    let ingress = |host: &str, tls: &str| {
        let backend = serde_json::json!({"service": {"name": "a", "port": {"number": 80}}});
        let object = serde_json::json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "a", "namespace": "b"},
            "spec": {
                "tls": [{"hosts": [tls]}],
                "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}],
            },
        });
        let object = tenantry::value::Value::from(&object);
        let id = ObjectId::of(&object).expect("an object");
        validation::check(&id, "networking.k8s.io/v1", &object, None).map(|refusal| refusal.field)
    };
    assert_eq!(ingress("a.example", "192.0.2.1"), None);
    assert_eq!(
        ingress("a.example", "2001:db8::1").as_deref(),
        Some("spec.tls[0].hosts[0]")
    );
    assert_eq!(
        ingress("192.0.2.1", "a.example").as_deref(),
        Some("spec.rules[0].host")
    );
}

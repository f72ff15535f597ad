//! Reports of live clusters whose servers would forge them, or show a credential. Each hostile text
//! stands in each field of an answer that a report may show.

use super::forged_output::{commands, forged_markdown, forgery, holds, some_in_one};
use crate::support::fake_server::{Answer, FakeServer, small_fleet, usual};
use crate::support::json;
use serde_json::{Value, json};

/// A group that a fake server serves, with its resources: plural, kind and scope.
type Served = (
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
);

const GROUPS: [Served; 5] = [
    (
        "",
        &[
            ("namespaces", "Namespace", "Cluster"),
            ("serviceaccounts", "ServiceAccount", "Namespaced"),
            ("persistentvolumes", "PersistentVolume", "Cluster"),
            ("pods", "Pod", "Namespaced"),
        ],
    ),
    (
        "networking.k8s.io",
        &[("networkpolicies", "NetworkPolicy", "Namespaced")],
    ),
    (
        "rbac.authorization.k8s.io",
        &[
            ("rolebindings", "RoleBinding", "Namespaced"),
            ("clusterrolebindings", "ClusterRoleBinding", "Cluster"),
        ],
    ),
    (
        "kustomize.toolkit.fluxcd.io",
        &[("kustomizations", "Kustomization", "Namespaced")],
    ),
    (
        "source.toolkit.fluxcd.io",
        &[("gitrepositories", "GitRepository", "Namespaced")],
    ),
];

/// What a server serves: the groups, a kind whose name is the text, and an API that does not answer.
fn discovery(core: bool, text: &str) -> String {
    let resource = |group: &str, (plural, kind, scope): &(&str, &str, &str)| {
        json!({
            "resource": plural,
            "responseKind": {"group": group, "version": "v1", "kind": kind},
            "scope": scope,
            "verbs": ["list"],
        })
    };
    let group = |name: &str, resources: Vec<Value>| {
        json!({
            "metadata": {"name": name},
            "versions": [{"version": "v1", "freshness": "Current", "resources": resources}],
        })
    };

    let all = GROUPS.iter().filter(|(name, _)| name.is_empty() == core);
    let mut groups: Vec<Value> = all
        .map(|(name, resources)| {
            group(
                name,
                resources.iter().map(|one| resource(name, one)).collect(),
            )
        })
        .collect();
    if !core {
        let policy = format!("NetworkPolicy{text}");
        let named = format!("x{text}");
        groups.push(group(
            &named,
            vec![resource(&named, &(&named, &policy, "Namespaced"))],
        ));
        groups.push(json!({
            "metadata": {"name": "cilium.io"},
            "versions": [{"version": text, "freshness": "Stale", "resources": []}],
        }));
    }
    json!({"kind": "APIGroupDiscoveryList", "items": groups}).to_string()
}

/// Objects of a kind: a rendered one that differs, and another one.
fn objects(kind: &str, names: &[&str], text: &str) -> String {
    let metadata = |name: &str| {
        json!({
            "name": name,
            "namespace": if kind == "Namespace" { "" } else { "blue" },
            "creationTimestamp": text,
            "deletionTimestamp": "2026-11-01T00:00:00Z",
            "labels": {"tenantry.dev/fleet": text, "tenantry.dev/tenant": text, text: text},
            "annotations": {
                "kustomize.toolkit.fluxcd.io/reconcile": "disabled",
                "tenantry.dev/source": text,
                text: text,
            },
            "finalizers": [text],
            "managedFields": [{
                "manager": text,
                "operation": text,
                "time": text,
                "subresource": text,
                "fieldsV1": {"f:spec": {}, "f:metadata": {"f:labels": {format!("f:{text}"): {}}}},
            }],
        })
    };
    let subject = json!({"kind": "User", "name": text, "apiGroup": "rbac.authorization.k8s.io"});
    let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": text, "message": text});
    let spec = json!({
        "podSelector": {"matchLabels": {text: text}},
        "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {text: text}}}]}],
        "finalizers": [text],
        "suspend": true,
        "path": text,
        "sourceRef": {"name": text},
        "containers": [{"name": text, "image": text, "securityContext": {"privileged": true}}],
        text: text,
    });
    let object = |name: &str| {
        json!({
            "metadata": metadata(name),
            "spec": spec,
            "roleRef": {"kind": "ClusterRole", "name": text},
            "subjects": [subject],
            "status": {
                "phase": text,
                "lastAppliedRevision": text,
                "conditions": [
                    condition("Ready", "False"),
                    condition(text, "True"),
                    condition("Stalled", "True"),
                ],
            },
            text: text,
        })
    };
    let items: Vec<Value> = names.iter().map(|name| object(name)).collect();
    json!({"kind": format!("{kind}List"), "metadata": {}, "items": items}).to_string()
}

/// A server in whose answers each field that may be shown has a text. A request whose path begins
/// with `fault` has it in an error.
fn hostile(text: &str, fault: &'static str) -> FakeServer {
    let text = text.to_owned();
    FakeServer::start(move |path, _| {
        let bare = path.split('?').next().unwrap_or_default();
        let says = |status: u16, body: String| Some(Answer::Says(status, "", body));

        if !fault.is_empty() && bare.starts_with(fault) {
            let status = json!({"kind": "Status", "message": text, "reason": text});
            return says(403, status.to_string());
        }
        let kind = GROUPS.iter().flat_map(|(_, resources)| resources.iter());
        let mut kind = kind.filter(|(plural, _, _)| bare.ends_with(plural));
        match (bare, kind.next()) {
            ("/version", _) => says(200, json!({"gitVersion": text}).to_string()),
            ("/api", _) => says(200, discovery(true, &text)),
            ("/apis", _) => says(200, discovery(false, &text)),
            (_, Some((_, kind, _))) => {
                let names = ["blue", "default", "default-deny", text.as_str()];
                says(200, objects(kind, &names, &text))
            }
            (_, None) if bare.ends_with("subjectaccessreviews") => says(
                201,
                json!({"status": {"allowed": true, "reason": text}}).to_string(),
            ),
            _ => says(200, usual(path)),
        }
    })
}

const VERIFY: &[&str] = &["json", "text", "junit", "markdown"];
const PROVE: &[&str] = &[
    "json", "text", "github", "sarif", "junit", "markdown", "mermaid",
];

/// Each report of a run against a server, with its format; the last two are the program's outputs.
fn reports(
    server: &FakeServer,
    user: &str,
    command: &[&str],
    formats: &'static [&'static str],
) -> Vec<(&'static str, String)> {
    let sandbox = small_fleet(&server.url, user);
    let mut run = sandbox.command(command);
    for format in formats {
        run.args(["--format", format, "--output", &format!("report.{format}")]);
    }
    let kubeconfig = sandbox.path().join("kubeconfig");
    let output = run.env("KUBECONFIG", kubeconfig).output();
    let ran = crate::support::Ran::of(output.expect("the program starts"));
    assert!([1, 2].contains(&ran.code), "{}", ran.all());

    let mut all = Vec::new();
    for format in formats {
        let file = sandbox.path().join(format!("report.{format}"));
        all.extend(
            std::fs::read_to_string(file)
                .ok()
                .map(|text| (*format, text)),
        );
    }
    all.push(("", ran.out));
    all.push(("", ran.err));
    all
}

/// The number of findings that a report of JSON has.
fn findings(reports: &[(&str, String)]) -> usize {
    let count = |value: &Value| value["findings"].as_array().map_or(0, Vec::len);
    let Some((_, text)) = reports.iter().find(|(format, _)| *format == "json") else {
        return 0;
    };
    let report = json(text);
    if report["findings"].is_array() {
        return count(&report);
    }
    let clusters = report["clusters"].as_array();
    clusters.map_or(0, |all| all.iter().map(count).sum())
}

const FAULTS: [&str; 4] = [
    "",
    "/version",
    "/apis/networking.k8s.io/",
    "/apis/authorization.k8s.io/",
];

#[test]
fn no_server_forges_a_report() {
    for text in some_in_one() {
        for fault in FAULTS {
            let server = hostile(&text, fault);
            for (command, formats) in [(&["verify"][..], VERIFY), (&["prove", "--live"], PROVE)] {
                let context = format!("{command:?} {fault:?} {text:?}");
                let all = reports(&server, "{}", command, formats);
                let count = findings(&all);
                assert!(count > 10 || fault == "/version", "{context}: {all:?}");

                for (format, report) in &all {
                    match *format {
                        "" => {
                            assert_eq!(forgery(report), None, "{context}: {report}");
                            assert_eq!(commands(report), [] as [&str; 0], "{context}: {report}");
                        }
                        format => holds(format, report, count, &context),
                    }
                    if *format == "markdown" {
                        assert_eq!(forged_markdown(report), None, "{context}: {report}");
                    }
                }
            }
        }
    }
}

/// A server that repeats the request in each field shows no credential of it.
#[test]
fn no_server_makes_a_report_show_the_credential() {
    let token = "k8s-aws-v1.aHR0cHM6Ly9zdHMuZXhhbXBsZQ";
    let plugin = format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: echo, \
         args: ['{{\"status\": {{\"token\": \"{token}\"}}}}']}}}}"
    );
    let cases = [
        (
            format!("{{token: {token}}}"),
            token,
            format!("Bearer {token}"),
        ),
        (plugin, token, format!("Bearer {token}")),
        (
            "{token: shortword}".into(),
            "shortword",
            "Bearer shortword".into(),
        ),
        (
            "{username: admin, password: correct-horse-battery}".into(),
            "YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5",
            "Basic YWRtaW46Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5 correct-horse-battery".into(),
        ),
    ];

    for (user, secret, header) in cases {
        for fault in FAULTS {
            let server = hostile(&format!("authorization: {header}"), fault);
            for (command, formats) in [(&["verify"][..], VERIFY), (&["prove", "--live"], PROVE)] {
                for (format, report) in reports(&server, &user, command, formats) {
                    let context = format!("{command:?} {fault:?} {format}: {report}");
                    assert!(!report.contains(secret), "{context}");
                    assert!(!report.contains("correct-horse-battery"), "{context}");
                }
            }
        }
    }
}

//! `verify` and `prove --live` against real servers: Kubernetes' API server and controllers, Flux,
//! and Git.

use crate::support::flux_loop::FluxLoop;
use crate::support::{Ran, Sandbox, say, shared, tool_or_say};
use serde_json::Value;
use std::collections::BTreeMap;
use tenantry::live::status::{ObjectStatus, Stage};

/// Every case of kstatus' own tests: the stage, and the reason of what is not current.
#[test]
fn an_objects_own_status_is_read_as_kstatus_reads_it() {
    let Some(dir) = shared("conformance/kstatus") else {
        return;
    };
    let now: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
    let text = std::fs::read_to_string(dir.join("expected.json")).expect("the cases");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let cases = expected.as_array().expect("cases");
    assert_eq!(cases.len(), 53);
    // One of them names a key twice, which our own reader refuses.
    let Some(python) = tool_or_say("python") else {
        return;
    };
    let script = "import sys, json, yaml\nfor path in sys.argv[1:]:\n    text = open(path).read().replace('{{NOW}}', '2026-11-22T10:00:00Z')\n    print(json.dumps(yaml.safe_load(text), default=lambda t: t.isoformat().replace('+00:00', 'Z')))";
    let mut command = std::process::Command::new(python);
    command.arg("-c").arg(script).args(
        cases
            .iter()
            .map(|c| dir.join(c["file"].as_str().expect("a file"))),
    );
    let read = Ran::of(command.output().expect("Python starts"));
    assert_eq!(read.code, 0, "{}", read.err);
    for (case, line) in cases.iter().zip(read.out.lines()) {
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let object: tenantry::value::Value = serde_json::from_str(line).expect("JSON");
        let version = object.at(&["apiVersion"]).as_str().expect("apiVersion");
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let status = ObjectStatus::of(
            group,
            object.at(&["kind"]).as_str().expect("kind"),
            &object,
            now,
        );
        let stage = match status.stage {
            Stage::Current => "Current",
            Stage::InProgress => "InProgress",
            Stage::Failed => "Failed",
            Stage::Terminating => "Terminating",
        };
        assert_eq!(stage, text(&case["status"]), "{}: {status:?}", case["file"]);
        if let Some(condition) = case["conditions"].as_array().and_then(|c| c.first()) {
            assert_eq!(
                status.reason,
                text(&condition["reason"]),
                "{}",
                case["file"]
            );
        }
    }
    say("live: 53 of 53 cases of kstatus");
}

pub const FLEET: &str = "
apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec:
  clusters: [{name: live, kubernetes: \"1.36\", podCIDRs: [10.0.0.0/16]}]
  delivery: {entry: \"clusters/{{ cluster }}/tenantry.yaml\"}
";

/// A CRD by which a plugin that enforces is told.
pub const PLUGIN: &str = r#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "globalnetworkpolicies.crd.projectcalico.org"},
  "spec": {"group": "crd.projectcalico.org", "scope": "Cluster",
    "names": {"plural": "globalnetworkpolicies", "kind": "GlobalNetworkPolicy"},
    "versions": [{"name": "v1", "served": true, "storage": true,
      "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}"#;

pub fn tenant(name: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\n\
         spec: {{owners: [{{group: {name}-admins}}], namespaces: [{{name: {name}}}]}}\n"
    )
}

/// The fleet that the tests share, committed and applied.
pub fn fleet(flux: &FluxLoop) -> Sandbox {
    let repo = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/blue.yaml", &tenant("blue")),
        ("tenants/green.yaml", &tenant("green")),
    ]);
    repo.git(&["init", "-q", "-b", "main"]);
    assert_eq!(repo.run(&["render"]).code, 0);
    repo.git(&["add", "-A"]);
    assert_eq!(repo.git(&["commit", "-q", "-m", "one"]).code, 0);
    let applied = flux.plane.apply(PLUGIN);
    assert_eq!(applied.code, 0, "{}", applied.err);
    flux.serve(&repo);
    let waited = flux.verify(&repo, "admin", &["verify", "--wait", "--timeout", "90"]);
    assert_eq!(waited.code, 0, "{}", waited.all());
    repo
}

pub fn report(flux: &FluxLoop, repo: &Sandbox) -> Value {
    let ran = flux.verify(repo, "admin", &["verify", "--format", "json"]);
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.all()))
}

/// The findings of a rule: the object and the message of each.
pub fn found(report: &Value, rule: &str) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let all = report["clusters"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter();
    all.filter(|f| f["rule"] == rule)
        .map(|f| (text(&f["object"]), text(&f["message"])))
        .collect()
}

fn phase(report: &Value, tenant: &str) -> String {
    let tenants = report["clusters"][0]["tenants"]
        .as_array()
        .expect("tenants");
    let row = tenants
        .iter()
        .find(|t| t["name"] == tenant)
        .expect("the tenant");
    row["phase"].as_str().expect("a phase").to_owned()
}

pub fn ok(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.all());
}

/// From a commit to a cluster: Flux applies it as the account it impersonates, and verify says that
/// it is there.
#[test]
fn a_commit_becomes_a_cluster() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let head = repo.git(&["rev-parse", "HEAD"]).out.trim().to_owned();
    let table = flux.verify(&repo, "admin", &["verify"]);
    assert_eq!(table.code, 0, "{}", table.all());
    assert!(
        table.out.contains("NAME   PHASE   TENANTID  NAMESPACE"),
        "{}",
        table.out
    );
    assert!(
        table
            .out
            .contains(&format!("converged at main@sha1:{head}")),
        "{}",
        table.out
    );
    // A tenant more: not there before it is pushed, there once it is waited for.
    repo.write("tenants/red.yaml", tenant("red"));
    assert_eq!(repo.run(&["render"]).code, 0);
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-q", "-m", "two"]);
    let behind = report(&flux, &repo);
    assert_eq!(phase(&behind, "red"), "Pending");
    let why = found(&behind, "live/not-converged");
    assert!(
        why.len() == 1 && why[0].1.contains("has applied") && why[0].1.contains("was rendered"),
        "{why:?}"
    );
    flux.push(&repo);
    let waited = flux.verify(
        &repo,
        "admin",
        &["verify", "--wait", "--timeout", "90", "--format", "json"],
    );
    ok(&waited);
    let report: Value = serde_json::from_str(&waited.out).expect("JSON");
    assert_eq!(phase(&report, "red"), "Active");
    // What waits for ever ends, and says so.
    let timeout = flux.verify(
        &repo,
        "admin",
        &["verify", "--revision", "HEAD~1", "--wait", "--timeout", "3"],
    );
    assert_eq!(timeout.code, 1, "{}", timeout.all());
    assert!(
        timeout.err.contains("not converged after 3 s"),
        "{}",
        timeout.err
    );
    for (format, holds) in [
        ("junit", "<testcase classname=\"live\" name=\"red\"/>"),
        ("markdown", "**live**: converged"),
    ] {
        let ran = flux.verify(&repo, "admin", &["verify", "--format", format]);
        assert!(ran.code == 0 && ran.out.contains(holds), "{}", ran.all());
    }
    // The spec goes, its objects stay: they are nobody's.
    std::fs::remove_file(repo.path().join("tenants/red.yaml")).expect("it was there");
    let orphaned = found(&self::report(&flux, &repo), "live/orphaned");
    assert!(
        orphaned.iter().any(|(object, _)| object == "Namespace red"),
        "{orphaned:?}"
    );
}

/// What somebody does to a cluster by hand, what is found of it, and how it is undone.
#[test]
fn what_is_changed_by_hand_is_found() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    // What it is, what is done, the rule, the object, a part of the message, and what undoes it
    // where Flux does not.
    type Edit<'a> = (
        &'a str,
        &'a [&'a str],
        &'a str,
        &'a str,
        &'a str,
        &'a [&'a str],
    );
    let cases: &[Edit<'_>] = &[
        (
            "a label",
            &[
                "label",
                "namespace",
                "blue",
                "pod-security.kubernetes.io/enforce=privileged",
                "--overwrite",
            ],
            "live/drifted",
            "Namespace blue",
            "metadata.labels[pod-security.kubernetes.io/enforce] is \"privileged\", and \"restricted\" was rendered; set by kubectl-label (Update",
            &[],
        ),
        (
            "a label that goes",
            &[
                "label",
                "namespace",
                "blue",
                "pod-security.kubernetes.io/enforce-",
            ],
            "live/drifted",
            "Namespace blue",
            "is missing, and \"restricted\" was rendered",
            &[],
        ),
        (
            "an amount",
            &[
                "patch",
                "resourcequota",
                "quota",
                "-n",
                "blue",
                "--type=merge",
                "-p",
                r#"{"spec":{"hard":{"pods":"999"}}}"#,
            ],
            "live/drifted",
            "ResourceQuota blue/quota",
            "spec.hard.pods is \"999\"",
            &[],
        ),
        (
            "a scope",
            &[
                "patch",
                "networkpolicy",
                "default-deny",
                "-n",
                "blue",
                "--type=merge",
                "-p",
                r#"{"spec":{"ingress":[{}]}}"#,
            ],
            "live/drifted",
            "NetworkPolicy blue/default-deny",
            "spec.ingress is [{}], and nothing was rendered; set by kubectl-patch",
            &[],
        ),
        (
            "one more subject",
            &[
                "patch",
                "rolebinding",
                "owner",
                "-n",
                "blue",
                "--type=json",
                "-p",
                r#"[{"op":"add","path":"/subjects/-","value":{"kind":"Group","name":"green-admins","apiGroup":"rbac.authorization.k8s.io"}}]"#,
            ],
            "live/drifted",
            "RoleBinding blue/owner",
            "subjects is [",
            &[],
        ),
        (
            "a Kustomization with a patch",
            &[
                "patch",
                "kustomization",
                "tenant-blue",
                "-n",
                "flux-system",
                "--type=merge",
                "-p",
                r#"{"spec":{"patches":[{"patch":"[{\"op\":\"remove\",\"path\":\"/spec/policyTypes\"}]","target":{"kind":"NetworkPolicy"}}]}}"#,
            ],
            "live/drifted",
            "Kustomization flux-system/tenant-blue",
            "spec.patches is [",
            &[
                "patch",
                "kustomization",
                "tenant-blue",
                "-n",
                "flux-system",
                "--type=json",
                "-p",
                r#"[{"op":"remove","path":"/spec/patches"}]"#,
            ],
        ),
        (
            "an object that goes",
            &["delete", "limitrange", "limits", "-n", "blue"],
            "live/missing",
            "LimitRange blue/limits",
            "is not there",
            &[],
        ),
        (
            "a mark that freezes",
            &[
                "annotate",
                "rolebinding",
                "owner",
                "-n",
                "blue",
                "kustomize.toolkit.fluxcd.io/prune=disabled",
            ],
            "live/frozen",
            "RoleBinding blue/owner",
            "is marked `kustomize.toolkit.fluxcd.io/prune: disabled`",
            &[
                "annotate",
                "rolebinding",
                "owner",
                "-n",
                "blue",
                "kustomize.toolkit.fluxcd.io/prune-",
            ],
        ),
        (
            "one binding more",
            &[
                "create",
                "rolebinding",
                "evil",
                "-n",
                "blue",
                "--clusterrole=view",
                "--group=green-admins",
            ],
            "live/foreign",
            "RoleBinding blue/evil",
            "it gives ClusterRole view to Group green-admins",
            &["delete", "rolebinding", "evil", "-n", "blue"],
        ),
        (
            "one binding more, in the whole cluster",
            &[
                "create",
                "clusterrolebinding",
                "evil",
                "--clusterrole=view",
                "--serviceaccount=blue:default",
            ],
            "live/foreign",
            "ClusterRoleBinding evil",
            "in every namespace",
            &["delete", "clusterrolebinding", "evil"],
        ),
        (
            "a Kustomization that is suspended",
            &[
                "patch",
                "kustomization",
                "tenant-green",
                "-n",
                "flux-system",
                "--type=merge",
                "-p",
                r#"{"spec":{"suspend":true}}"#,
            ],
            "live/not-converged",
            "Kustomization flux-system/tenant-green",
            "is suspended",
            &[
                "patch",
                "kustomization",
                "tenant-green",
                "-n",
                "flux-system",
                "--type=merge",
                "-p",
                r#"{"spec":{"suspend":false}}"#,
            ],
        ),
    ];
    for (what, does, rule, object, message, undoes) in cases {
        ok(&plane.kubectl(does));
        let report = report(&flux, &repo);
        let all = found(&report, rule);
        assert!(
            all.iter().any(|(o, m)| o == object && m.contains(message)),
            "{what}: {all:#?}"
        );
        assert_eq!(report["clusters"][0]["converged"], false, "{what}");
        if !undoes.is_empty() {
            ok(&plane.kubectl(undoes));
        }
        flux.reconcile(&["tenant-blue", "tenant-green"]);
        flux.until(what, || {
            flux.verify(&repo, "admin", &["verify", "-q"]).code == 0
        });
    }
    // Flux itself: its arguments, and a version with known holes.
    let image = |image: &str| {
        let image = format!("manager=ghcr.io/fluxcd/kustomize-controller:{image}");
        ok(&plane.kubectl(&[
            "set",
            "image",
            "deployment/kustomize-controller",
            &image,
            "-n",
            "flux-system",
        ]));
    };
    image("v0.22.0");
    let holes = found(&report(&flux, &repo), "live/known-hole");
    assert!(
        holes
            .iter()
            .any(|(_, m)| m.contains("CVE-2022-24817") && m.contains("mended in 0.23.0")),
        "{holes:?}"
    );
    image("v1.9.5");
    let args = |args: &str| {
        let patch = format!(
            r#"[{{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": {args}}}]"#
        );
        ok(&plane.kubectl(&[
            "patch",
            "deployment",
            "kustomize-controller",
            "-n",
            "flux-system",
            "--type=json",
            "-p",
            &patch,
        ]));
    };
    args(
        r#"["--no-cross-namespace-refs=false", "--no-remote-bases=true", "--default-service-account=default"]"#,
    );
    let open = found(&report(&flux, &repo), "gitops/lockdown");
    assert!(
        open.len() == 1 && open[0].1.contains("--no-cross-namespace-refs=false"),
        "{open:?}"
    );
    args(
        r#"["--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default"]"#,
    );
    // A plugin that does not enforce, and none at all.
    ok(&plane.kubectl(&[
        "delete",
        "crd",
        "globalnetworkpolicies.crd.projectcalico.org",
    ]));
    let none = flux.verify(&repo, "admin", &["verify"]);
    assert!(
        none.code == 1 && none.all().contains("error[live/not-enforced]"),
        "{}",
        none.all()
    );
    let missing = found(&report(&flux, &repo), "live/not-enforced");
    assert!(
        missing.len() == 1
            && missing[0]
                .1
                .contains("globalnetworkpolicies.crd.projectcalico.org")
            && missing[0].1.contains("ciliumnetworkpolicies.cilium.io"),
        "{missing:?}"
    );
    let flannel = r#"{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "kube-flannel-ds", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": {"app": "f"}}, "template": {"metadata": {"labels": {"app": "f"}},
        "spec": {"containers": [{"name": "f", "image": "flannel:1"}]}}}}"#;
    ok(&plane.apply(flannel));
    let weak = found(&report(&flux, &repo), "live/not-enforced");
    assert!(
        weak.len() == 1 && weak[0].1.contains("flannel (DaemonSet kube-flannel-ds)"),
        "{weak:?}"
    );
    ok(&plane.kubectl(&[
        "delete",
        "daemonset",
        "kube-flannel-ds",
        "-n",
        "kube-system",
    ]));
    ok(&plane.apply(PLUGIN));
    let capabilities = flux.verify(&repo, "admin", &["verify", "--print-capabilities"]);
    assert!(
        capabilities.out.contains("kubernetes: \"1.36\"")
            && capabilities.out.contains("name: calico"),
        "{}",
        capabilities.all()
    );
    // A volume whose claim is gone.
    let volume = r#"{"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "left"}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"},
        "claimRef": {"namespace": "blue", "name": "data", "uid": "1"}}}"#;
    ok(&plane.apply(volume));
    let released = [
        "patch",
        "pv",
        "left",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status":{"phase":"Released"}}"#,
    ];
    ok(&plane.kubectl(&released));
    let left = found(&report(&flux, &repo), "live/orphaned");
    assert!(
        left.iter()
            .any(|(o, m)| o == "PersistentVolume left" && m.contains("the claim blue/data")),
        "{left:?}"
    );
    // No controller takes its finalizer off here.
    ok(&plane.kubectl(&["delete", "pv", "left", "--wait=false"]));
    ok(&plane.kubectl(&[
        "patch",
        "pv",
        "left",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]));
    // Manifests, from somebody else.
    let policy = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "open", "namespace": "green"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}}"#;
    ok(&plane.apply(policy));
    let report_now = report(&flux, &repo);
    assert!(
        found(&report_now, "live/foreign")[0]
            .1
            .contains("it lets everybody in, and everything out")
    );
    assert_eq!(phase(&report_now, "green"), "Error");
    ok(&plane.kubectl(&["delete", "networkpolicy", "open", "-n", "green"]));
    // A way between tenants that only the live set of bindings has: the chain is told.
    ok(&plane.kubectl(&[
        "create",
        "rolebinding",
        "across",
        "-n",
        "blue",
        "--clusterrole=edit",
        "--group=green-admins",
    ]));
    let across = found(&report(&flux, &repo), "api/cross-tenant-binding");
    assert!(
        across[0].1.contains("tenant `green`") && across[0].1.contains("`blue`"),
        "{across:?}"
    );
    let live = flux.verify(&repo, "admin", &["prove", "--live", "--summary"]);
    assert!(
        live.code == 1 && live.out.contains("api/cross-tenant-binding"),
        "{}",
        live.all()
    );
    ok(&plane.kubectl(&["delete", "rolebinding", "across", "-n", "blue"]));
    say(&format!(
        "live: {} edits by hand found, and mended",
        cases.len() + 2
    ));
}

/// A namespace that was there before is nobody's to take; one that does not go is named, with what
/// holds it.
#[test]
fn namespaces_that_were_there_and_that_do_not_go() {
    let Some(flux) = FluxLoop::get() else { return };
    let plane = &flux.plane;
    let repo = fleet(&flux);
    ok(&plane.kubectl(&["create", "namespace", "old"]));
    repo.write("tenants/old.yaml", tenant("old"));
    let report_now = report(&flux, &repo);
    let refused = found(&report_now, "live/not-adopted");
    assert!(
        refused.len() == 1 && refused[0].1.contains("was there before, without our label"),
        "{refused:?}"
    );
    ok(&plane.kubectl(&["delete", "namespace", "old"]));
    // A claim with a finalizer keeps its namespace.
    let held = r#"{"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "held", "namespace": "green", "finalizers": ["snapshot.storage.kubernetes.io/held"]}}"#;
    ok(&plane.apply(held));
    ok(&plane.kubectl(&[
        "patch",
        "kustomization",
        "tenant-green",
        "-n",
        "flux-system",
        "--type=merge",
        "-p",
        r#"{"spec":{"suspend":true}}"#,
    ]));
    ok(&plane.kubectl(&["delete", "namespace", "green", "--wait=false"]));
    flux.until("it is being deleted", || {
        phase(&report(&flux, &repo), "green") == "Terminating"
    });
    // Half an hour later.
    let clock = (jiff::Timestamp::now() + jiff::SignedDuration::from_mins(45)).to_string();
    let mut stuck: BTreeMap<String, String> = BTreeMap::new();
    flux.until("what holds it is named", || {
        let later = flux.verify(
            &repo,
            "admin",
            &["verify", "--format", "json", "--clock", &clock],
        );
        let later: Value =
            serde_json::from_str(&later.out).unwrap_or_else(|e| panic!("{e}: {}", later.all()));
        stuck = found(&later, "live/stuck-deletion").into_iter().collect();
        stuck.len() > 1 && stuck["Namespace green"].contains("finalizers")
    });
    assert!(
        stuck["ServiceAccount green/held"].contains(
            "the finalizer `snapshot.storage.kubernetes.io/held`, of the snapshot controller"
        ),
        "{stuck:?}"
    );
    assert!(
        stuck["Namespace green"].contains("finalizers remaining"),
        "{stuck:?}"
    );
    // After 37 days it is an error.
    let clock = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 38)).to_string();
    let late = flux.verify(&repo, "admin", &["verify", "--clock", &clock]);
    assert!(
        late.out.contains(
            "error[live/stuck-deletion]: Namespace green has been Terminating for 38 days"
        ),
        "{}",
        late.out
    );
    ok(&plane.kubectl(&[
        "patch",
        "serviceaccount",
        "held",
        "-n",
        "green",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":[]}}"#,
    ]));
    ok(&plane.kubectl(&[
        "patch",
        "kustomization",
        "tenant-green",
        "-n",
        "flux-system",
        "--type=merge",
        "-p",
        r#"{"spec":{"suspend":false}}"#,
    ]));
    flux.until("it is gone", || {
        plane.kubectl(&["get", "namespace", "green"]).code != 0
    });
    flux.reconcile(&["tenant-green"]);
    std::fs::remove_file(repo.path().join("tenants/old.yaml")).expect("it was there");
    flux.until("it is back", || {
        flux.verify(&repo, "admin", &["verify", "-q"]).code == 0
    });
}

/// It needs the rights that it prints, and no more: it reads no Secret, and writes nothing.
#[test]
fn it_needs_what_it_prints_and_writes_nothing() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    let bare = flux.verify(&repo, "verifier", &["verify"]);
    assert_eq!(bare.code, 2, "{}", bare.all());
    assert!(
        bare.out.contains("live/not-listed") && bare.out.contains("--print-rbac"),
        "{}",
        bare.out
    );
    let role = flux.verify(&repo, "verifier", &["verify", "--print-rbac"]);
    ok(&role);
    assert!(!role.out.contains("- secrets\n"), "{}", role.out);
    ok(&plane.apply(&role.out));
    ok(&plane.kubectl(&[
        "create",
        "clusterrolebinding",
        "verifier",
        "--clusterrole=tenantry-verify",
        "--user=verifier",
    ]));
    let before = plane.audited().len();
    let ran = flux.verify(&repo, "verifier", &["verify", "-v"]);
    ok(&ran);
    let asked: Vec<[String; 3]> = plane.audited().split_off(before);
    assert!(!asked.is_empty());
    for [verb, resource, code] in &asked {
        let reads = verb == "list"
            || verb == "get" && ["/version", "/api", "/apis"].contains(&resource.as_str());
        let reviews = verb == "create" && resource == "subjectaccessreviews";
        assert!(
            (reads || reviews) && resource != "secrets" && code.starts_with("20"),
            "{verb} {resource} {code}"
        );
    }
    // As many for eight tenants as for two, but for the samples of access.
    let lists = |asked: &[[String; 3]]| asked.iter().filter(|a| a[0] == "list").count();
    let two = lists(&asked);
    for at in 0..6 {
        repo.write(
            &format!("tenants/more-{at}.yaml"),
            tenant(&format!("more-{at}")),
        );
    }
    let before = plane.audited().len();
    assert_eq!(flux.verify(&repo, "verifier", &["verify"]).code, 1);
    assert_eq!(lists(&plane.audited().split_off(before)), two);
    // One tenant alone: only its namespaces.
    let one = flux.verify(&repo, "verifier", &["verify", "--tenant", "blue"]);
    ok(&one);
    assert!(
        one.out.contains("blue") && !one.out.contains("green"),
        "{}",
        one.out
    );
    // The whole proof, and the snapshot, with the same rights; a snapshot proves the same.
    for at in 0..6 {
        std::fs::remove_file(repo.path().join(format!("tenants/more-{at}.yaml")))
            .expect("it was there");
    }
    let live = flux.verify(&repo, "verifier", &["prove", "--live"]);
    let taken = flux.verify(&repo, "verifier", &["verify", "--snapshot", "live.json"]);
    ok(&taken);
    let again = repo.run(&["prove", "--snapshot", "live.json"]);
    let planes = |ran: &Ran| -> Vec<String> {
        let names = [
            "api ",
            "network ",
            "gitops ",
            "admission ",
            "resources ",
            "data ",
        ];
        let of = |l: &&str| names.iter().any(|n| l.trim_start().starts_with(n));
        ran.out
            .lines()
            .filter(of)
            .map(|l| l.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(planes(&live).len(), 6, "{}", live.all());
    assert_eq!(
        planes(&live),
        planes(&again),
        "{}\n{}",
        live.all(),
        again.all()
    );
    assert!(
        !live.out.contains("no-other-grants"),
        "a live cluster is whole: {}",
        live.out
    );
    say(&format!(
        "live: verify asks {} times, {two} lists among them, with the rights that it prints",
        asked.len()
    ));
}

/// A policy that was rendered, and only warns: what it would refuse is counted; one whose binding
/// goes denies nothing.
#[test]
fn policies_that_were_rendered_deny() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let guard = |action: &str| {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {{name: owned}}\n\
             spec:\n  failurePolicy: Fail\n  matchConstraints: {{resourceRules: [{{apiGroups: [networking.k8s.io], \
             apiVersions: [v1], operations: [CREATE, UPDATE], resources: [networkpolicies]}}]}}\n  \
             validations: [{{expression: \"object.metadata.name != 'allow-dns'\"}}]\n---\n\
             apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {{name: owned}}\n\
             spec: {{policyName: owned, validationActions: [{action}]}}\n"
        )
    };
    let apply = |action: &str| {
        repo.write("templates/cluster/guard.yaml", guard(action));
        let rendered = repo.run(&["render"]);
        assert_eq!(rendered.code, 0, "{}", rendered.all());
        repo.git(&["add", "-A"]);
        repo.git(&["commit", "-q", "-m", action]);
        flux.push(&repo);
        flux.verify(
            &repo,
            "admin",
            &["verify", "--wait", "--timeout", "60", "--format", "json"],
        )
    };
    let audited: Value = serde_json::from_str(&apply("Audit").out).expect("JSON");
    let idle = found(&audited, "live/policy-not-denying");
    assert!(
        idle.len() == 1 && idle[0].1.contains("is bound by owned, which does not deny"),
        "{idle:?}"
    );
    let violated = found(&audited, "live/policy-violated");
    assert!(
        violated.len() == 1 && violated[0].1.contains("NetworkPolicy blue/allow-dns"),
        "{violated:?}"
    );
    // Once it denies, nothing is left to say of it but what it refuses by itself.
    ok(&flux
        .plane
        .kubectl(&["delete", "validatingadmissionpolicybinding", "owned"]));
    let gone = report(&flux, &repo);
    assert!(
        found(&gone, "live/policy-not-denying")[0]
            .1
            .contains("is bound by nothing"),
        "{gone}"
    );
    assert!(
        found(&gone, "live/missing")
            .iter()
            .any(|(o, _)| o == "ValidatingAdmissionPolicyBinding owned"),
        "{gone}"
    );
    // Another fleet's tests have no policy.
    let without = fleet(&flux);
    flux.until("the policy is gone", || {
        flux.reconcile(&["tenantry-platform"]);
        flux.verify(&without, "admin", &["verify", "-q"]).code == 0
    });
}

/// Credentials of an exec plugin, and two contexts in one table.
#[test]
fn contexts_and_credentials_are_those_of_the_kubeconfig() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plugin = r#"exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, "echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {\"token\": \"admin\"}}'"]}"#;
    let kubeconfig = flux
        .plane
        .kubeconfig_of("admin")
        .replace("token: admin", plugin);
    repo.write("exec.kubeconfig", &kubeconfig);
    let run = |args: &[&str]| {
        let mut command = repo.command(args);
        Ran::of(
            command
                .env("KUBECONFIG", repo.path().join("exec.kubeconfig"))
                .output()
                .expect("the program starts"),
        )
    };
    ok(&run(&["verify"]));
    // A client's certificate; a token in a file, with a line's end; the files of KUBECONFIG, one of
    // which is not there.
    let certificate = flux
        .plane
        .kubeconfig_of("admin")
        .replace("token: admin", &flux.plane.certificate());
    repo.write("exec.kubeconfig", &certificate);
    ok(&run(&["verify"]));
    repo.write("token", "admin\n");
    let file = format!("tokenFile: {}", repo.path().join("token").display());
    repo.write(
        "exec.kubeconfig",
        flux.plane
            .kubeconfig_of("admin")
            .replace("token: admin", &file),
    );
    let mut several = repo.command(&["verify"]);
    let list = format!("/nowhere:{}", repo.path().join("exec.kubeconfig").display());
    ok(&Ran::of(
        several
            .env("KUBECONFIG", list)
            .output()
            .expect("the program starts"),
    ));
    // What a plugin prints is a credential, and so is its command line.
    let leaks = plugin.replace("echo", "echo SECRET; exit 3; echo").replace(
        "sh, args",
        "sh, env: [{name: PASSWORD, value: SECRET}], args",
    );
    repo.write(
        "exec.kubeconfig",
        flux.plane
            .kubeconfig_of("admin")
            .replace("token: admin", &leaks),
    );
    let leaked = run(&["verify"]);
    assert!(
        leaked.code == 2 && leaked.err.contains("credential plugin ended"),
        "{}",
        leaked.all()
    );
    assert!(!leaked.all().contains("SECRET"), "{}", leaked.all());
    let ran = repo.path().join("ran");
    let counted = kubeconfig.replace("\"echo ", &format!("\"echo >> {}; echo ", ran.display()));
    repo.write("exec.kubeconfig", &counted);
    ok(&run(&["verify"]));
    let times = || {
        std::fs::read_to_string(&ran)
            .expect("the plugin was run")
            .len()
    };
    let before = times();
    repo.write(
        "tenants/fleet.yaml",
        FLEET.replace("clusters: [", "clusters: [{name: other}, "),
    );
    for args in [&["verify"][..], &["verify", "--context", "a"]] {
        let unsaid = run(args);
        assert!(
            unsaid.code == 2 && unsaid.err.contains("CLUSTER=CONTEXT (other, live)"),
            "{}",
            unsaid.all()
        );
    }
    // Nobody's credentials are asked for before it is known which.
    assert_eq!(times(), before);
    repo.write("exec.kubeconfig", &kubeconfig);
    let both = run(&[
        "verify",
        "--context",
        "live=a",
        "--context",
        "other=a",
        "--format",
        "json",
    ]);
    let report: Value =
        serde_json::from_str(&both.out).unwrap_or_else(|e| panic!("{e}: {}", both.all()));
    let names: Vec<&str> = report["clusters"]
        .as_array()
        .expect("clusters")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert_eq!(names, ["live", "other"]);
    assert_eq!(report["clusters"][1]["converged"], false);
    let one = run(&[
        "verify",
        "--context",
        "live=a",
        "--context",
        "other=a",
        "--snapshot",
        "live.json",
    ]);
    assert!(
        one.code == 2 && one.err.contains("it holds one cluster"),
        "{}",
        one.all()
    );
    let empty = run(&["verify", "--context", "live="]);
    assert!(
        empty.code == 2 && empty.err.contains("the context is empty"),
        "{}",
        empty.all()
    );
    let gone = run(&["verify", "--context", "live=nowhere"]);
    assert!(
        gone.code == 2 && gone.err.contains("the context `nowhere`"),
        "{}",
        gone.all()
    );
}

//! `verify` against a real API server, Flux and Git: convergence, and the life of namespaces.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{fleet, found, ok, phase, report, tenant};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

/// From a commit to a cluster: Flux applies it as the account it impersonates, and verify says that
/// it is there.
#[test]
fn a_commit_is_applied_and_verified() {
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
    fs::remove_file(repo.path().join("tenants/red.yaml")).expect("it was there");
    let orphaned = found(&self::report(&flux, &repo), "live/orphaned");
    assert!(
        orphaned.iter().any(|(object, _)| object == "Namespace red"),
        "{orphaned:?}"
    );
}

/// A namespace that existed before its tenant is not adopted.
#[test]
fn an_existing_namespace_is_not_adopted() {
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
}

/// A namespace that cannot be deleted is reported, with the finalizers that hold it.
#[test]
fn a_stuck_namespace_deletion_is_reported() {
    let Some(flux) = FluxLoop::get() else { return };
    let plane = &flux.plane;
    let repo = fleet(&flux);
    // An object with a finalizer keeps its namespace.
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
    flux.until("it is back", || {
        flux.verify(&repo, "admin", &["verify", "-q"]).code == 0
    });
}

/// A policy that was rendered, and only warns: what it would refuse is counted; one whose binding
/// goes denies nothing.
#[test]
fn a_rendered_admission_policy_that_does_not_deny_is_found() {
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

//! What `verify` finds of the platform itself: Flux, the network plugin, Argo CD, and what removed
//! tenants left behind.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{PLUGIN, fleet, found, ok, report};
use std::fs;

#[test]
fn an_old_or_opened_flux_controller_is_found() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
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
}

#[test]
fn a_network_plugin_that_does_not_enforce_is_found() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
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
}

#[test]
fn applications_and_holes_of_argo_cd_are_found() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
    let definition = PLUGIN
        .replace(
            "globalnetworkpolicies.crd.projectcalico.org",
            "applications.argoproj.io",
        )
        .replace("crd.projectcalico.org", "argoproj.io")
        .replace("globalnetworkpolicies", "applications")
        .replace("GlobalNetworkPolicy", "Application")
        .replace("\"Cluster\"", "\"Namespaced\"")
        .replace("\"v1\", \"served\"", "\"v1alpha1\", \"served\"");

    ok(&plane.apply(&definition));
    ok(&plane.kubectl(&[
        "wait",
        "crd/applications.argoproj.io",
        "--for=condition=Established",
        "--timeout=30s",
    ]));

    ok(&plane.kubectl(&["create", "namespace", "argocd"]));
    let application = |sync: &str, health: &str| {
        let text = format!(
            r#"{{"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {{"name": "shop", "namespace": "argocd"}},
            "spec": {{"destination": {{"server": "https://kubernetes.default.svc", "namespace": "blue"}}}},
            "status": {{"sync": {{"status": "{sync}"}}, "health": {{"status": "{health}", "message": "no image"}}}}}}"#
        );
        ok(&plane.apply(&text));
        found(&report(&flux, &repo), "live/not-converged")
    };

    assert_eq!(application("Synced", "Healthy"), []);
    for (sync, health, says) in [
        ("Synced", "Degraded", "is Degraded: no image"),
        ("OutOfSync", "Healthy", "is OutOfSync: it is not in sync"),
        ("Synced", "Missing", "is Missing"),
    ] {
        let said = application(sync, health);
        assert!(
            said.len() == 1 && said[0].0 == "Application argocd/shop" && said[0].1.contains(says),
            "{said:?}"
        );
    }

    let server = r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "argocd-server", "namespace": "argocd"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "server", "image": "quay.io/argoproj/argocd:v2.10.6"}]}}}}"#;
    ok(&plane.apply(server));
    let holes = found(&report(&flux, &repo), "live/known-hole");
    assert!(
        holes.len() == 1 && holes[0].1.contains("CVE-2024-31990") && holes[0].1.contains("2.10.7"),
        "{holes:?}"
    );

    ok(&plane.kubectl(&["delete", "crd", "applications.argoproj.io"]));
    ok(&plane.kubectl(&["delete", "namespace", "argocd"]));
}

#[test]
fn a_volume_whose_claim_is_gone_is_orphaned() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
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
}

#[test]
fn external_things_of_no_tenant_are_orphaned() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    repo.write(
        "external.yaml",
        "- {tenant: blue, thing: \"s3://blue-data\"}\n- {tenant: gone, thing: \"vault: gone/\"}\n",
    );

    let external = ["verify", "--format", "json", "--inventory", "external.yaml"];
    let ran = flux.verify(&repo, "admin", &external);
    let left = found(
        &serde_json::from_str(&ran.out).expect("JSON"),
        "live/orphaned",
    );

    let gone = (
        "vault: gone/".to_owned(),
        "vault: gone/ is of the tenant `gone`, which nothing declares".to_owned(),
    );

    assert!(
        left.contains(&gone) && !left.iter().any(|(o, _)| o.contains("blue-data")),
        "{left:?}"
    );

    for (text, says) in [
        ("- {tenant: blue}\n", "external.yaml:1:"),
        ("a: b\n", "it is no list"),
        ("- [\n", "external.yaml:"),
    ] {
        repo.write("external.yaml", text);
        let ran = flux.verify(&repo, "admin", &external);
        assert!(ran.code == 2 && ran.err.contains(says), "{}", ran.all());
    }

    fs::remove_file(repo.path().join("external.yaml")).expect("it was there");
}

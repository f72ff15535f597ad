//! `prove --live`: ways between tenants in a real cluster.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{fleet, found, ok, report, tenant};

#[test]
fn a_binding_across_tenants_is_refuted() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let plane = &flux.plane;
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
}

#[test]
fn a_declared_edge_is_no_finding_and_the_same_edge_by_hand_is_one() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let edge = |name: &str, way: &str, other: &str| {
        let network = format!("network: {{{way}: [{{tenant: {other}, ports: [{{port: 8080}}]}}]}}");
        repo.write(
            &format!("tenants/{name}.yaml"),
            tenant(name).replace("spec: {", &format!("spec: {{{network}, ")),
        );
    };

    edge("blue", "egress", "green");
    edge("green", "ingress", "blue");
    ok(&repo.run(&["render"]));
    repo.git(&["commit", "-aqm", "an edge"]);
    repo.git(&["add", "-A"]);
    repo.git(&["commit", "-qm", "its files"]);
    flux.push(&repo);
    ok(&flux.verify(&repo, "admin", &["verify", "--wait", "--timeout", "90"]));
    let proof = flux.verify(&repo, "admin", &["prove", "--live", "--only", "network"]);
    assert!(
        proof.code == 0 && proof.out.contains("1 edge declared on both sides"),
        "{}",
        proof.all()
    );

    // The other way, by hand, at both ends.
    let policy = |name: &str, way: &str, rule: &str, other: &str| {
        let text = format!(
            r#"{{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {{"name": "hand", "namespace": "{name}"}},
            "spec": {{"podSelector": {{}}, "policyTypes": ["{way}"], "{rule}": [{{"{}": [{{"namespaceSelector":
            {{"matchLabels": {{"kubernetes.io/metadata.name": "{other}"}}}}}}]}}]}}}}"#,
            if way == "Ingress" { "from" } else { "to" }
        );
        ok(&flux.plane.apply(&text));
    };

    policy("green", "Egress", "egress", "blue");
    policy("blue", "Ingress", "ingress", "green");
    let proof = flux.verify(&repo, "admin", &["prove", "--live", "--only", "network"]);
    let says = "pods of `green` reach `blue`";
    assert!(
        proof.code == 1 && proof.out.contains(says) && proof.out.contains("lets it out of `green`"),
        "{}",
        proof.all()
    );

    for home in ["blue", "green"] {
        ok(&flux
            .plane
            .kubectl(&["delete", "networkpolicy", "hand", "-n", home]));
    }
}

//! What a Waiver does beyond the tenant that it is for, and what does not count as its use.

use crate::support::{self, FLEET, Sandbox, tenant};

/// A level of Pod Security that needs a waiver.
const LOOSE: &str = "  podSecurity: {level: baseline}\n";

/// A waiver that permits it.
fn waiver(tenant: &str, expires: &str) -> String {
    support::waiver(tenant, "admission/pod-security-loosened", expires)
}

#[test]
fn a_tenant_with_an_expired_waiver_keeps_its_edges() {
    let egress = format!("{LOOSE}  network: {{egress: [{{tenant: b}}]}}\n");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", &egress)),
        (
            "tenants/b.yaml",
            &tenant("b", "  network: {ingress: [{tenant: a}]}\n"),
        ),
        ("tenants/waivers/a.yaml", &waiver("a", "2026-12-30")),
    ]);

    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/waivers/a.yaml", waiver("a", "2026-11-20"));
    sandbox.write("tenants/a.yaml", tenant("a", LOOSE));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(
        ran.all().contains("tenancy/waiver-expired") && ran.all().contains("held: a"),
        "{}",
        ran.all()
    );

    for rule in [
        "network/one-sided-edge",
        "tenancy/waiver-unused",
        "held: a, b",
    ] {
        assert!(!ran.all().contains(rule), "{rule}: {}", ran.all());
    }
}

#[test]
fn a_waiver_does_not_declare_its_tenant() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/a.yaml",
            &tenant("a", "  network: {egress: [{tenant: ghost}]}\n"),
        ),
        ("tenants/waivers/ghost.yaml", &waiver("ghost", "2026-11-20")),
    ]);

    let ran = sandbox.run(&["check"]).code(1);
    for rule in [
        "tenancy/waiver-expired",
        "tenancy/waiver-dangling",
        "network/unknown-peer",
    ] {
        assert!(ran.all().contains(rule), "{rule}: {}", ran.all());
    }
}

#[test]
fn a_waiver_that_only_a_manifest_uses_is_in_use() {
    let adopted = "  profile: adopted\n\
                   \x20 podSecurity: {level: restricted}\n\
                   \x20 floor: {serviceAccount: rendered, network: rendered}\n\
                   \x20 manifests: [../extra/x.yaml]\n";
    let policy = "apiVersion: networking.k8s.io/v1\n\
                  kind: NetworkPolicy\n\
                  metadata: {name: legacy, namespace: a}\n\
                  spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}\n";
    let permit = support::waiver("a", "bundle/manifest-floor", "2026-12-30");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", adopted)),
        ("extra/x.yaml", policy),
        ("tenants/waivers/a.yaml", &permit),
    ]);

    let ran = sandbox.run(&["check"]).code(0);
    assert!(!ran.all().contains("waiver-unused"), "{}", ran.all());
    assert!(ran.all().contains("1 waiver in use"), "{}", ran.all());

    let harmless = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: a}\n";
    sandbox.write("extra/x.yaml", harmless);
    let ran = sandbox.run(&["check"]).code(0);
    assert!(ran.all().contains("waiver-unused"), "{}", ran.all());
    assert!(ran.all().contains("0 waivers in use"), "{}", ran.all());
}

#[test]
fn only_a_proof_reports_an_unused_waiver_of_its_rules() {
    let permit = support::waiver("a", "api/cross-tenant-binding", "2026-12-30");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &tenant("b", "")),
        ("tenants/waivers/a.yaml", &permit),
    ]);

    let ran = sandbox.run(&["check"]).code(0);
    assert!(!ran.all().contains("waiver-unused"), "{}", ran.all());
    assert!(ran.all().contains("0 waivers in use"), "{}", ran.all());

    let ran = sandbox.run(&["prove"]);
    assert!(ran.all().contains("waiver-unused"), "{}", ran.all());
}

#[test]
fn a_duplicate_document_uses_no_waiver() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/waivers/a.yaml", &waiver("a", "2026-12-30")),
    ]);

    // Unused, and rendered from a.yaml all the same: that is the one that counts.
    let ran = sandbox.run(&["render"]).code(0);
    assert!(ran.all().contains("tenancy/waiver-unused"), "{}", ran.all());
    sandbox.write("tenants/b.yaml", tenant("a", LOOSE));
    let ran = sandbox.run(&["check"]).code(1);

    for text in [
        "tenancy/duplicate-tenant",
        "tenancy/waiver-unused",
        "0 waivers in use",
    ] {
        assert!(ran.all().contains(text), "{text}: {}", ran.all());
    }
}

#[test]
fn tenants_may_stand_in_the_file_of_the_fleet() {
    let fleet = format!("{FLEET}---\n{}---\n{}", tenant("z", ""), tenant("a", ""));
    let sandbox = Sandbox::with(&[
        ("tenants/b.yaml", &tenant("b", "")),
        ("tenants/fleet.yaml", &fleet),
        ("tenants/profiles/own.yaml", &tenant("lost", "")),
        (
            "tenants/x.yaml",
            "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: far}\nspec: {}\n",
        ),
    ]);

    let ran = sandbox.run(&["check"]).code(1);
    assert_eq!(
        ran.all().matches("spec/misplaced").count(),
        2,
        "{}",
        ran.all()
    );

    std::fs::remove_file(sandbox.path().join("tenants/x.yaml")).expect("removed");
    std::fs::remove_file(sandbox.path().join("tenants/profiles/own.yaml")).expect("removed");
    let ran = sandbox.run(&["check"]).code(0);

    assert!(ran.all().contains("3 tenants"), "{}", ran.all());
}

//! Namespaces of the platform, which no tenant can take by its name.

use crate::support::{FLEET, Sandbox, tenant};
use tenantry::tenancy::usual_platform;

/// A fleet in which `a` has a second namespace.
fn with(fleet: &str, namespace: &str) -> Sandbox {
    let spec = tenant("a", "").replace(
        "{name: a}]",
        &format!("{{name: a}}, {{name: {namespace}}}]"),
    );
    Sandbox::with(&[("tenants/fleet.yaml", fleet), ("tenants/a.yaml", &spec)])
}

#[test]
fn a_usual_namespace_of_a_platform_is_the_tenants_only_if_the_fleet_says_so() {
    for name in [
        "cert-manager",
        "monitoring",
        "ingress-nginx",
        "istio-system",
        "kyverno",
        "cattle-fleet-system",
        "gatekeeper-system",
        "external-secrets",
        "velero",
        "kubernetes-dashboard",
        "elastic-system",
        "kubeflow",
        "kiali-operator",
        "arc-systems",
        "observability",
    ] {
        assert!(usual_platform(name).is_some(), "{name}");
        let sandbox = with(FLEET, name);
        let all = sandbox.run(&["check"]).code(1).all();
        let says = all.contains("error[tenancy/platform-name]")
            && all.contains("tenants/a.yaml:")
            && all.contains("held: a\n")
            && all.contains("fleet.tenantNamespaces");
        assert!(says, "{name}: {all}");

        let listed = format!("{FLEET}  tenantNamespaces: [{name}]\n");
        sandbox.write("tenants/fleet.yaml", listed);
        sandbox.run(&["render"]).code(0);

        // A fleet that runs keeps the namespace; another tenant does not get it.
        sandbox.write("tenants/fleet.yaml", FLEET);
        sandbox.run(&["check"]).code(0);
        let thief =
            tenant("b", "").replace("{name: b}]", &format!("{{name: b}}, {{name: {name}}}]"));
        sandbox.write("tenants/b.yaml", thief);
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(all.contains("held: b\n"), "{name}: {all}");
    }
}

#[test]
fn a_namespace_that_the_fleet_names_for_its_platform_is_no_tenants() {
    let endpoint = "      endpoints: [{name: web, namespace: own-platform}]\n";
    let fleets = [
        format!("{FLEET}      platformNamespaces: [own-platform]\n"),
        format!("{FLEET}      dns: {{namespace: own-platform}}\n"),
        format!("{FLEET}{endpoint}"),
        format!("{FLEET}  reserved: [own-platform]\n"),
        format!("{FLEET}      flux: {{namespace: own-platform}}\n"),
    ];
    for fleet in fleets {
        let all = with(&fleet, "own-platform").run(&["check"]).code(1).all();
        assert!(
            all.contains("error[tenancy/reserved-name]"),
            "{fleet}: {all}"
        );
    }
    for name in [
        "flux-system",
        "argocd",
        "kube-system",
        "kube-flannel",
        "default",
        "openshift-x",
    ] {
        let listed = format!("{FLEET}  tenantNamespaces: [{name}]\n");
        let all = with(&listed, name).run(&["check"]).code(1).all();
        assert!(
            all.contains("error[tenancy/reserved-name]"),
            "{name}: {all}"
        );
    }
}

#[test]
fn an_entry_of_the_fleet_that_changes_nothing_is_a_warning() {
    for (list, warns) in [
        ("tenantClusterRoles: [admin]", true),
        ("tenantClusterRoles: ['system:node']", true),
        ("tenantClusterRoles: ['*']", true),
        ("tenantClusterRoles: [view]", true),
        ("tenantClusterRoles: [metrics-reader]", false),
        ("tenantNamespaces: [kube-system]", true),
        ("tenantNamespaces: [vault]\n  reserved: [vault]", true),
        ("tenantNamespaces: [shop]", true),
        ("tenantNamespaces: [vault]", false),
        (
            "tenantRecipients: [{tenant: nobody, recipients: [age1x]}]",
            true,
        ),
        (
            "tenantRecipients: [{tenant: a, recipients: [age1x]}]",
            false,
        ),
    ] {
        let sandbox = with(&format!("{FLEET}  {list}\n"), "a-jobs");
        let all = sandbox.run(&["check"]).code(0).all();
        let says = all.contains("warning[tenancy/entry-without-effect]");
        assert_eq!(says, warns, "{list}: {all}");
        assert!(
            !says || all.contains("tenants/fleet.yaml:"),
            "{list}: {all}"
        );
    }
}

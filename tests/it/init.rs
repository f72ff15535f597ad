//! `init` and `new`: from an empty folder to a rendered tree.

use crate::support::Sandbox;

#[test]
fn init_new_and_render_make_a_tree() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["check"]).code(2);
    assert!(ran.err.contains("tenantry init"), "{}", ran.err);
    sandbox.run(&["init"]).code(0);
    sandbox.run(&["check", "--fail-on", "warning"]).code(0);
    sandbox.run(&["init"]).code(2);
    sandbox
        .run(&[
            "new",
            "tenant",
            "shop",
            "--owner",
            "group:shop-admins",
            "-n",
            "shop",
            "-n",
            "shop-ci",
        ])
        .code(0);

    let ran = sandbox.run(&["render"]).code(0);
    assert!(
        ran.out.is_empty(),
        "talk goes to standard error: {}",
        ran.out
    );

    let text = sandbox.read("rendered/production/tenants/shop/shop.yaml");
    for part in [
        "kind: Namespace",
        "name: default-deny",
        "kind: ResourceQuota",
        "kind: LimitRange",
        "group",
    ] {
        assert!(
            text.contains(part) || part == "group" && text.contains("shop-admins"),
            "{part}"
        );
    }

    assert!(
        sandbox
            .read("clusters/production/tenantry.yaml")
            .contains("path: \"./rendered/production/entry\"")
    );

    assert!(
        sandbox
            .read(".gitattributes")
            .contains("rendered/** linguist-generated=true")
    );

    sandbox.run(&["render", "--check"]).code(0);
    assert!(
        sandbox
            .run(&["render"])
            .code(0)
            .err
            .contains("0 files written")
    );

    let ran = sandbox
        .run(&["new", "tenant", "shop", "--owner", "group:g"])
        .code(2);
    assert!(ran.err.contains("is there already"), "{}", ran.err);

    for bad in [
        ["new", "tenant", "Shop", "--owner", "group:g"],
        ["new", "tenant", "x", "--owner", "g"],
        ["new", "tenant", "x", "--owner", "group:system:masters"],
        ["new", "tenant", "monitoring", "--owner", "group:g"],
        ["new", "tenant", "kube-shop", "--owner", "group:g"],
    ] {
        sandbox.run(&bad).code(2);
    }
}

#[test]
fn init_reads_the_clusters_that_flux_has() {
    let sandbox = Sandbox::with(&[
        (
            "clusters/staging/flux-system/gotk-sync.yaml",
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\n\
             kind: Kustomization\n\
             metadata: {name: flux-system, namespace: flux-system}\n\
             spec: {path: ./clusters/staging, sourceRef: {kind: GitRepository, name: flux-system}}\n",
        ),
        (
            "clusters/production/flux-system/kustomization.yaml",
            "resources: []\n",
        ),
    ]);

    sandbox.run(&["init", "--flux"]).code(0);
    let fleet = sandbox.read("tenants/fleet.yaml");
    assert!(
        fleet.contains("- name: production") && fleet.contains("- name: staging"),
        "{fleet}"
    );

    let sandbox = Sandbox::with(&[(
        "flux/sync.yaml",
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\n\
         kind: Kustomization\n\
         metadata: {name: all, namespace: flux-system}\n\
         spec: {path: ./, sourceRef: {kind: GitRepository, name: flux-system}}\n",
    )]);

    let ran = sandbox.run(&["init"]).code(2);
    assert!(
        ran.err.contains("Kustomization `all` applies `./`") && !sandbox.has("tenants"),
        "{}",
        ran.err
    );
}

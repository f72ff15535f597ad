//! Removed tenants and namespaces: what stays, what must be allowed, and what is quarantined.

use crate::support::{FLEET, tenant, two_tenants};
use std::fs;

#[test]
fn a_removed_tenant_stays_until_its_removal_is_allowed() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("lifecycle/unretired-removal") && ran.err.contains("--allow-removal a"),
        "{}",
        ran.err
    );

    assert!(sandbox.has("rendered/prod/tenants/a/a.yaml"));
    sandbox
        .run(&["render", "--allow-removal", "nobody"])
        .code(2);
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    assert!(!sandbox.has("rendered/prod/tenants/a"));
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"tombstone\":\"a\"")
    );

    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    let ran = sandbox.run(&["render"]).code(1);

    assert!(
        ran.err.contains("lifecycle/quarantined-name"),
        "{}",
        ran.err
    );
}

#[test]
fn a_namespace_does_not_move_to_another_tenant() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "").replace("[{name: a}]", "[{name: a2}]"),
    );

    sandbox.write(
        "tenants/b.yaml",
        tenant("b", "").replace("[{name: b}]", "[{name: b}, {name: a}]"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tenancy/claimed-twice") && ran.err.contains("has not let it go"),
        "{}",
        ran.err
    );

    assert!(
        ran.err.contains("lifecycle/unretired-removal"),
        "{}",
        ran.err
    );

    // Nor in two, without being let go.
    let ran = sandbox.run(&["render"]).code(1);
    assert!(ran.err.contains("held: a, b"), "{}", ran.err);
    assert!(
        !sandbox
            .read("rendered/prod/tenants/b/b.yaml")
            .contains("namespace: a\n")
    );

    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  delivery: {{unit: shard, shards: 4}}\n"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("tree/object-moved") && ran.err.contains("nothing was written"),
        "{}",
        ran.err
    );
}

#[test]
fn a_removed_namespace_is_quarantined() {
    let sandbox = two_tenants();
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "").replace("[{name: a}]", "[{name: a}, {name: a-jobs}]"),
    );

    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/a.yaml", tenant("a", ""));
    sandbox.run(&["render"]).code(1);
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    assert!(
        sandbox
            .read("tenantry.lock")
            .contains("\"tombstone\":\"a/a-jobs\"")
    );

    sandbox.write(
        "tenants/thief.yaml",
        tenant("thief", "").replace("[{name: thief}]", "[{name: a-jobs}]"),
    );

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.err.contains("lifecycle/quarantined-name"),
        "{}",
        ran.err
    );

    fs::remove_file(sandbox.path().join("tenants/thief.yaml")).expect("removed");
    sandbox.write(
        "tenants/a.yaml",
        tenant("a", "").replace("[{name: a}]", "[{name: a}, {name: a-jobs}]"),
    );

    sandbox.run(&["render"]).code(0);
    assert!(
        !sandbox.read("tenantry.lock").contains("tombstone"),
        "it came back to whom it was"
    );
}

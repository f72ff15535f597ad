//! Removed tenants and namespaces: what stays, what must be allowed, and what is quarantined.

use crate::support::{FLEET, Sandbox, tenant, two_tenants, two_tenants_with_an_edge};
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
        ran.err.contains("tenancy/claimed-twice") && ran.err.contains("still belongs to"),
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
        ran.err.contains("with a unit for each tenant") && ran.err.contains("for 4 shards"),
        "{}",
        ran.err
    );
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

/// The tenant `a` with some namespaces and a fixed UUID.
fn tenant_a(namespaces: &str) -> String {
    tenant("a", "  uuid: 8c7f5c0e-6d0f-4a59-9a0e-3f0f4f6a2b11\n").replace("[{name: a}]", namespaces)
}

/// A fleet in which the tenant `a` was removed with two namespaces and came back with one of them.
fn returned_in_part() -> Sandbox {
    let sandbox = two_tenants();
    sandbox.write("tenants/a.yaml", tenant_a("[{name: a}, {name: ax}]"));
    sandbox.run(&["render"]).code(0);

    fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    sandbox.write("tenants/a.yaml", tenant_a("[{name: a}]"));
    sandbox.run(&["render"]).code(0);
    sandbox
}

#[test]
fn a_tenant_that_returns_in_part_leaves_the_rest_in_quarantine() {
    let sandbox = returned_in_part();

    let thief = tenant("b", "").replace("[{name: b}]", "[{name: b}, {name: ax}]");
    sandbox.write("tenants/b.yaml", thief);
    let ran = sandbox.run(&["render"]).code(1);
    let is_refused = ran.err.contains("lifecycle/quarantined-name");
    assert!(is_refused, "{}", ran.err);

    sandbox.write("tenants/b.yaml", tenant("b", ""));
    sandbox.write("tenants/a.yaml", tenant_a("[{name: a}, {name: ax}]"));
    sandbox.run(&["render"]).code(0);
    assert!(!sandbox.read("tenantry.lock").contains("tombstone"));
}

#[test]
fn a_second_removal_keeps_the_namespaces_of_the_first() {
    let sandbox = returned_in_part();

    fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    sandbox.run(&["render", "--allow-removal", "a"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    let tombstone = lock.lines().find(|line| line.contains("tombstone"));
    let namespaces = tombstone.and_then(|line| line.split_once("\"namespaces\":"));
    let both =
        namespaces.is_some_and(|(_, list)| list.contains("\"a\"") && list.contains("\"ax\""));
    assert!(both, "{lock}");
}

/// A file that cannot be read may hold the tenant that seems to be gone.
#[test]
fn a_removal_waits_for_files_that_cannot_be_read() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    let before = sandbox.read("tenantry.lock");

    fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    for (file, broken) in [
        ("tenants/moved.yaml", tenant("a", "  quota: [\n")),
        (
            "tenants/moved.yaml",
            tenant("a", "").replace("kind: Tenant", "kind: Tenent"),
        ),
        (
            "tenants/moved.yaml",
            tenant("a", "").replace("{name: a}", "{}"),
        ),
    ] {
        sandbox.write(file, broken);
        let ran = sandbox.run(&["render", "--allow-removal", "a"]).code(1);
        assert!(
            ran.err.contains("mend the files with errors first"),
            "{}",
            ran.err
        );
        let kept = sandbox.read("rendered/prod/tenants/a/a.yaml");
        assert!(kept.contains("kind: Namespace"), "{kept}");
        assert_eq!(sandbox.read("tenantry.lock"), before);
    }

    fs::remove_file(sandbox.path().join("tenants/moved.yaml")).expect("removed");
    sandbox.write("tenants/b.yaml", tenant("b", "  quota: {pods: x}\n"));
    let ran = sandbox.run(&["render", "--allow-removal", "a"]).code(1);
    assert!(ran.err.contains("held: b"), "{}", ran.err);
    let is_there = sandbox
        .path()
        .join("rendered/prod/tenants/a/a.yaml")
        .exists();
    assert!(!is_there, "an error of another tenant keeps nobody");
}

fn committed(sandbox: &Sandbox) {
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "all"]).code(0);
}

/// A removal that is rendered, and not allowed in the check, is the one error: of a tenant, and of a
/// namespace; beside it, what another file has is still found.
#[test]
fn a_rendered_removal_is_the_one_error_of_the_check() {
    let goes: fn(&Sandbox) = |sandbox| {
        fs::remove_file(sandbox.path().join("tenants/a.yaml")).expect("removed");
    };
    let shrinks: fn(&Sandbox) = |sandbox| sandbox.write("tenants/a.yaml", tenant_a("[{name: a}]"));

    let renames: fn(&Sandbox) = |sandbox| {
        sandbox.write("tenants/a.yaml", tenant_a("[{name: a}, {name: a3}]"));
    };

    for unit in ["unit: tenant", "unit: shard, shards: 2"] {
        for change in [goes, shrinks, renames] {
            let fleet = format!("{FLEET}  delivery: {{{unit}}}\n");
            let sandbox = Sandbox::with(&[
                ("tenants/fleet.yaml", &fleet),
                ("tenants/a.yaml", &tenant_a("[{name: a}, {name: a2}]")),
                ("tenants/b.yaml", &tenant("b", "")),
            ]);
            sandbox.run(&["render"]).code(0);
            committed(&sandbox);
            change(&sandbox);
            sandbox.run(&["render", "--allow-removal", "a"]).code(0);

            let check = ["render", "--check", "--since", "HEAD"];
            let refused = sandbox.run(&check).code(1).out;
            let errors = refused.matches("error[").count();
            let removals = refused.matches("lifecycle/unretired-removal").count();
            assert!(errors > 0 && errors == removals, "{refused}");
            sandbox
                .run(&[&check[..], &["--allow-removal", "a"]].concat())
                .code(0);

            sandbox.write("rendered/prod/tenants/extra.yaml", "a: b\n");
            let both = sandbox.run(&check).code(1).out;
            assert!(both.contains("rendered/prod/tenants/extra.yaml"), "{both}");
        }

        // A removal that is not rendered is the one error too: nothing on disk is stale.
        let sandbox = two_tenants();
        sandbox.run(&["render"]).code(0);
        committed(&sandbox);
        goes(&sandbox);
        let ran = sandbox
            .run(&["render", "--check", "--since", "HEAD"])
            .code(1);
        assert_eq!(ran.out.matches("error[").count(), 1, "{}", ran.out);
        assert!(ran.out.contains("held: a") || ran.err.contains("held: a"));
    }
}

/// The consumers of a removed provider are named in the first run, and keep their edge until it goes.
#[test]
fn a_removed_provider_is_reported_at_its_consumers_at_once() {
    let sandbox = two_tenants_with_an_edge();
    sandbox.run(&["render"]).code(0);
    let consumer = sandbox.read("rendered/prod/tenants/a/a.yaml");
    fs::remove_file(sandbox.path().join("tenants/b.yaml")).expect("removed");

    let first = sandbox.run(&["render"]).code(1).all();
    let says = "there is no tenant `b`";
    assert_eq!(first.matches(says).count(), 1, "{first}");
    assert!(first.contains("held: b\n"), "{first}");
    assert_eq!(sandbox.read("rendered/prod/tenants/a/a.yaml"), consumer);

    let second = sandbox
        .run(&["render", "--allow-removal", "b"])
        .code(1)
        .all();
    assert_eq!(second.matches(says).count(), 1, "{second}");
    assert!(!second.contains("held:"), "{second}");
    assert!(!sandbox.has("rendered/prod/tenants/b"));
}

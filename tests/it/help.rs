//! The version of the program.

use crate::support::{FLEET, Sandbox, root, say, tenant};

fn fleet() -> Sandbox {
    Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &tenant("b", "")),
    ])
}

#[allow(dead_code, reason = "the build script's main is Cargo's to call")]
#[path = "../../build.rs"]
mod build_script;

#[test]
fn a_release_names_its_commit() {
    if !root().join(".git").exists() {
        say("NOT RUN: the checkout has no .git; the commit in --version was not looked at");
        return;
    }
    let commit = build_script::commit().expect("a commit");
    let (hash, date) = commit
        .strip_prefix(" (")
        .and_then(|rest| rest.strip_suffix(")"))
        .and_then(|commit| commit.split_once(' '))
        .expect("a hash and a date");
    assert_eq!((hash.len(), date.len()), (10, 10), "{commit}");
    assert!(hash.chars().all(|c| c.is_ascii_hexdigit()), "{commit}");
}

#[test]
fn a_development_build_and_the_lock_have_the_bare_version() {
    let version = Sandbox::new().run(&["--version"]).code(0).out;
    assert_eq!(
        version,
        concat!("tenantry ", env!("CARGO_PKG_VERSION"), "\n")
    );

    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    let tool = concat!("\"tool\":\"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(lock.contains(tool), "{lock}");
}

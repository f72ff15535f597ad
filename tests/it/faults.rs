//! The machine misbehaves: kills, a full disk, permissions, two runs at once. Each file is old or new, and the next run
//! is right.

use crate::support::{FLEET, Ran, Sandbox, tenant};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

fn fleet(tenants: usize, more: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    change(&sandbox, tenants, more);
    sandbox
}

fn change(sandbox: &Sandbox, tenants: usize, more: &str) {
    for i in 0..tenants {
        sandbox.write(&format!("tenants/t{i}.yaml"), tenant(&format!("t{i}"), more));
    }
}

fn tree(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let keep = |p: &String| p.starts_with("rendered/") || p.starts_with("clusters/") || p == "tenantry.lock";
    sandbox.files().into_iter().filter(|(p, _)| keep(p)).collect()
}

#[test]
fn killed_at_any_moment() {
    let sandbox = fleet(400, "");
    sandbox.run(&["render"]).code(0);
    let old = tree(&sandbox);
    let fresh = fleet(400, "  displayName: New\n");
    fresh.run(&["render"]).code(0);
    let new = tree(&fresh);
    let started = std::time::Instant::now();
    fresh.run(&["render", "--force"]).code(0);
    let whole = started.elapsed();
    let mut torn = 0;
    for round in 0..20u32 {
        // From the old tree to the new one and back, killed a little later each time.
        change(&sandbox, 400, if round % 2 == 0 { "  displayName: New\n" } else { "" });
        let mut child =
            sandbox.command(&["render"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
        std::thread::sleep(whole * (round + 4) / 20);
        let _ = child.kill();
        let _ = child.wait();
        let between = tree(&sandbox);
        for (path, bytes) in &between {
            let known = old.get(path) == Some(bytes) || new.get(path) == Some(bytes);
            assert!(
                known || path == "tenantry.lock" || path.ends_with(".tmp~"),
                "round {round}: {path} is neither old nor new"
            );
        }
        torn += usize::from(sandbox.has("tenantry.lock.next"));
        sandbox.run(&["render"]).code(0);
        let wanted = if round % 2 == 0 { &new } else { &old };
        assert!(tree(&sandbox) == *wanted, "round {round}: the next run is right");
        assert!(!sandbox.has("tenantry.lock.next"));
    }
    println!("20 kills, {torn} of them between the first file and the lock");
}

#[test]
fn what_an_unfinished_run_wrote_is_ours() {
    let sandbox = fleet(3, "");
    sandbox.run(&["render"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    change(&sandbox, 3, "  displayName: New\n");
    sandbox.run(&["render"]).code(0);
    // As if killed after the files and before the lock.
    let next: String = sandbox
        .read("tenantry.lock")
        .lines()
        .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
        .filter_map(|v| Some(format!("{} {}\n", v["digest"].as_str()?, v["path"].as_str()?)))
        .collect();
    sandbox.write("tenantry.lock", &lock);
    let ran = sandbox.run(&["render"]);
    assert!(ran.code == 0 || ran.err.contains("tree/edited"), "{}", ran.err);
    sandbox.write("tenantry.lock", lock);
    sandbox.write("tenantry.lock.next", next);
    sandbox.write("rendered/prod/tenants/t1/t1.yaml.tmp~", "half");
    change(&sandbox, 3, "  displayName: Newer\n");
    sandbox.run(&["render"]).code(0);
    assert!(!sandbox.has("rendered/prod/tenants/t1/t1.yaml.tmp~"));
    sandbox.run(&["render", "--check"]).code(0);
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let sandbox = fleet(300, "");
    let children: Vec<_> = (0..4)
        .map(|_| sandbox.command(&["render"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts"))
        .collect();
    let ends: Vec<Ran> = children.into_iter().map(|c| Ran::of(c.wait_with_output().expect("ends"))).collect();
    assert!(ends.iter().any(|r| r.code == 0), "{ends:?}");
    for ran in &ends {
        assert!(ran.code == 0 || (ran.code == 2 && ran.err.contains("another tenantry is at work")), "{ran:?}");
    }
    sandbox.run(&["render", "--check"]).code(0);
}

/// Runs the program under a limit of the shell, as a user who is not root where the machine lets us.
fn limited(sandbox: &Sandbox, limit: &str) -> Ran {
    let script = format!("{limit}; exec {} render --now {}", env!("CARGO_BIN_EXE_tenantry"), crate::support::NOW);
    Ran::of(Command::new("bash").current_dir(sandbox.path()).args(["-c", &script]).output().expect("bash starts"))
}

#[test]
fn a_full_disk_tears_nothing() {
    let sandbox = fleet(5, "");
    sandbox.run(&["render"]).code(0);
    let before = tree(&sandbox);
    change(&sandbox, 5, &format!("  description: {}\n", "x".repeat(8000)));
    // No file may grow over 4 KiB: the write fails as on a full disk.
    let ran = limited(&sandbox, "trap '' XFSZ; ulimit -f 4");
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(ran.err.contains("File too large") || ran.err.contains("space"), "{}", ran.err);
    let after = tree(&sandbox);
    for (path, bytes) in &before {
        assert!(after.get(path) == Some(bytes), "{path} is as it was");
    }
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["render", "--check"]).code(0);
}

#[test]
fn a_read_only_folder_is_said() {
    let sandbox = fleet(2, "");
    // Root may write anywhere: a file in the place of the folder is in everybody's way.
    sandbox.write("rendered", "a file");
    let ran = sandbox.run(&["render"]).code(2);
    assert!(ran.err.contains("rendered"), "{}", ran.err);
    assert!(!sandbox.has("tenantry.lock"));
    let sandbox = fleet(2, "");
    let whoami = Command::new("id").arg("-u").output().expect("id").stdout;
    if whoami.starts_with(b"0\n") {
        let mode = |m| Command::new("chmod").args([m, "."]).current_dir(sandbox.path()).status().expect("chmod");
        mode("a+rx");
        let folder = sandbox.path().parent().expect("a folder");
        let _ = Command::new("chmod").args(["a+x"]).arg(folder).status();
        let bin = tempfile::tempdir().expect("a folder");
        let copy = bin.path().join("tenantry");
        std::fs::copy(env!("CARGO_BIN_EXE_tenantry"), &copy).expect("a copy");
        let _ = Command::new("chmod").args(["-R", "a+rx"]).arg(bin.path()).status();
        let script = format!("exec {} -C {} render --now 2026-11-22", copy.display(), sandbox.path().display());
        let output = Command::new("setpriv").args(["--reuid=65534", "--clear-groups", "bash", "-c", &script]).output();
        let ran = Ran::of(output.expect("setpriv starts"));
        assert_eq!(ran.code, 2, "{}", ran.all());
        assert!(ran.err.contains("Permission denied"), "{}", ran.err);
    } else {
        let mode = |m| Command::new("chmod").args([m, "."]).current_dir(sandbox.path()).status().expect("chmod");
        mode("a-w");
        let ran = sandbox.run(&["render"]);
        mode("u+w");
        assert_eq!(ran.code, 2, "{}", ran.all());
    }
    assert!(!sandbox.has("rendered") && !sandbox.has("tenantry.lock"));
}

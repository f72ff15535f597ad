//! The machine misbehaves: kills, a full disk, permissions, two runs at once. Each file is old or
//! new, and the next run is right.

use crate::support::{FLEET, NOW, Ran, Sandbox, tenant, waiver};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn fleet(tenants: usize, more: &str) -> Sandbox {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    change(&sandbox, tenants, more);
    sandbox
}

fn change(sandbox: &Sandbox, tenants: usize, more: &str) {
    for i in 0..tenants {
        sandbox.write(
            &format!("tenants/t{i}.yaml"),
            tenant(&format!("t{i}"), more),
        );
    }
}

fn tree(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let keep = |p: &String| {
        p.starts_with("rendered/") || p.starts_with("clusters/") || p == "tenantry.lock"
    };
    sandbox
        .files()
        .into_iter()
        .filter(|(p, _)| keep(p))
        .collect()
}

/// A number that looks like chance: the same in every run, so that what fails fails again.
fn chance(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below.max(1)
}

/// When the first file of the tree was written.
fn written(sandbox: &Sandbox) -> Option<std::time::SystemTime> {
    let folder = std::fs::read_dir(sandbox.path().join("rendered/prod/tenants")).ok()?;
    let mut shards: Vec<_> = folder.filter_map(|e| Some(e.ok()?.path())).collect();
    shards.sort();
    let mut files: Vec<_> = std::fs::read_dir(shards.first()?)
        .ok()?
        .filter_map(|e| Some(e.ok()?.path()))
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    files.first()?.metadata().ok()?.modified().ok()
}

#[test]
fn a_killed_run_leaves_whole_files() {
    const TENANTS: usize = 1000;
    const SEED: u64 = 41;
    let sandbox = fleet(TENANTS, "");
    sandbox.run(&["render"]).code(0);
    let old = tree(&sandbox);
    let fresh = fleet(TENANTS, "  displayName: New\n");
    fresh.run(&["render"]).code(0);
    let new = tree(&fresh);
    let started = Instant::now();
    change(&sandbox, TENANTS, "  displayName: New\n");
    sandbox.run(&["render"]).code(0);
    let whole = started.elapsed();
    assert!(tree(&sandbox) == new);
    let (mut state, mut torn, mut early, mut late) = (SEED, 0, 0, 0);

    for round in 0..60u32 {
        // From the new tree to the old one and back. Half of the kills fall anywhere in the run,
        // half into the writing.
        let forward = round % 2 == 1;
        change(
            &sandbox,
            TENANTS,
            if forward { "  displayName: New\n" } else { "" },
        );

        let mut child = sandbox
            .command(&["render"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");

        let mut within = whole;
        if round % 4 > 1 {
            let before = written(&sandbox);
            while written(&sandbox) == before && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_micros(200));
            }
            within = whole / 6;
        }

        std::thread::sleep(Duration::from_micros(chance(
            &mut state,
            within.as_micros() as u64,
        )));

        let _ = child.kill();
        let _ = child.wait();
        let between = tree(&sandbox);

        for (path, bytes) in &between {
            let known = old.get(path) == Some(bytes) || new.get(path) == Some(bytes);
            assert!(
                known || path == "tenantry.lock" || path.ends_with(".tmp~"),
                "seed {SEED}, round {round}: {path} is neither old nor new"
            );
        }

        let locked = between.get("tenantry.lock");
        let whole_lock = locked == old.get("tenantry.lock") || locked == new.get("tenantry.lock");
        assert!(
            whole_lock,
            "seed {SEED}, round {round}: the lock is neither old nor new"
        );

        let (from, to) = if forward { (&old, &new) } else { (&new, &old) };
        let files = || between.iter().filter(|(p, _)| p.ends_with(".yaml"));

        match (
            files().all(|(p, b)| from[p] == *b),
            files().all(|(p, b)| to[p] == *b),
        ) {
            (true, _) => early += 1,
            (_, true) => late += 1,
            _ => torn += 1,
        }

        sandbox.run(&["render"]).code(0);
        assert!(
            tree(&sandbox) == *to,
            "seed {SEED}, round {round}: the next run is right"
        );
    }

    println!(
        "60 kills of a render of {TENANTS} tenants, seed {SEED}: {early} before the first file, {torn} between two files, {late} after the last"
    );
    assert!(torn >= 10, "{torn}");
}

#[test]
fn the_files_of_an_unfinished_run_are_taken_over() {
    let sandbox = fleet(3, "");
    sandbox.run(&["render"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    let old = sandbox.read("rendered/prod/tenants/t2/t2.yaml");
    change(&sandbox, 3, "  displayName: New\n");
    sandbox.run(&["render"]).code(0);

    // As if killed between two files, and before the lock.
    sandbox.write("tenantry.lock", lock);
    sandbox.write("rendered/prod/tenants/t2/t2.yaml", old);
    let halves = [
        "rendered/prod/tenants/t1/t1.yaml.tmp~",
        "clusters/prod/tenantry.yaml.tmp~",
        "tenantry.lock.tmp~",
    ];

    for half in halves {
        sandbox.write(half, "half");
    }
    change(&sandbox, 3, "  displayName: Newer\n");
    sandbox.run(&["render"]).code(0);
    for half in halves {
        assert!(!sandbox.has(half), "{half}");
    }

    sandbox.run(&["render", "--check"]).code(0);
}

#[test]
fn two_runs_at_once_do_not_mix() {
    let sandbox = fleet(300, "");
    let children: Vec<_> = (0..4)
        .map(|_| {
            sandbox
                .command(&["render"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("starts")
        })
        .collect();

    let ends: Vec<Ran> = children
        .into_iter()
        .map(|c| Ran::of(c.wait_with_output().expect("ends")))
        .collect();

    assert!(ends.iter().any(|r| r.code == 0), "{ends:?}");
    for ran in &ends {
        assert!(
            ran.code == 0 || (ran.code == 2 && ran.err.contains("another tenantry is at work")),
            "{ran:?}"
        );
    }

    sandbox.run(&["render", "--check"]).code(0);
}

/// Runs the program under a limit of the shell.
fn limited(sandbox: &Sandbox, limit: &str) -> Ran {
    let script = format!(
        "{limit}; exec {} render --now {}",
        env!("CARGO_BIN_EXE_tenantry"),
        crate::support::NOW
    );
    Ran::of(
        Command::new("bash")
            .current_dir(sandbox.path())
            .args(["-c", &script])
            .output()
            .expect("bash starts"),
    )
}

#[test]
fn a_full_disk_leaves_whole_files() {
    let sandbox = fleet(5, "");
    sandbox.run(&["render"]).code(0);
    let before = tree(&sandbox);
    change(
        &sandbox,
        5,
        &format!("  description: {}\n", "x".repeat(8000)),
    );

    // No file may grow over 4 KiB: the write fails as on a full disk.
    let ran = limited(&sandbox, "ulimit -f 4");
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert!(
        ran.err.contains("File too large") || ran.err.contains("space"),
        "{}",
        ran.err
    );

    let after = tree(&sandbox);
    for (path, bytes) in &before {
        assert!(after.get(path) == Some(bytes), "{path} is as it was");
    }
    sandbox.run(&["render"]).code(0);

    sandbox.run(&["render", "--check"]).code(0);
}

/// A run that did its work, or says in one line why it could not.
fn is_whole(ran: &Ran) -> bool {
    let says_why = ran.err.lines().any(|line| line.starts_with("tenantry: "));
    let is_bug = ran.all().contains("this is a bug") || ran.all().contains("panicked");
    !is_bug && (matches!(ran.code, 0 | 1) || ran.code == 2 && says_why)
}

#[test]
fn a_report_that_cannot_be_written_is_an_error() {
    let sandbox = fleet(2, "");
    sandbox.run(&["render"]).code(0);
    for args in [
        "check --format json",
        "status",
        "show t0",
        "render --stdout",
        "prove --format sarif",
        "schema",
        "explain tenant.spec.network",
        "rules",
        "completions bash",
        "check --format junit --output /dev/full",
    ] {
        let script = format!("exec {} {args} >/dev/full", env!("CARGO_BIN_EXE_tenantry"));
        let mut shell = Command::new("bash");
        shell.current_dir(sandbox.path()).args(["-c", &script]);
        let ran = Ran::of(shell.output().expect("bash starts"));
        assert!(
            ran.code == 2 && ran.err.contains("No space left on device"),
            "{args}: {ran:?}"
        );
    }
}

#[test]
fn a_run_with_few_files_or_threads_ends_with_a_reason() {
    let sandbox = fleet(40, "");
    let mut codes = BTreeSet::new();
    for limit in 3..40 {
        let ran = limited(&sandbox, &format!("ulimit -n {limit}"));
        // The loader of the program itself needs some.
        let is_started = !ran.err.contains("error while loading shared libraries");
        assert!(!is_started || is_whole(&ran), "{limit}: {ran:?}");
        codes.insert(ran.code);
    }
    assert!(codes.contains(&0) && codes.contains(&2), "{codes:?}");
    sandbox.run(&["render", "--check"]).code(0);

    // The program parses a deep document also where the user limits the stack to 64 KiB.
    let sequence = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    sandbox.write("tenants/deep.yaml", format!("a: {sequence}\n"));
    let ran = limited(&sandbox, "ulimit -s 64");
    assert!(
        ran.code == 0 && ran.err.contains("document/too-deep"),
        "{ran:?}"
    );
    std::fs::remove_file(sandbox.path().join("tenants/deep.yaml")).expect("it is there");

    for threads in ["100000", "18446744073709551615", "0", "-1", "many", ""] {
        let limit = format!("export RAYON_NUM_THREADS={threads}");
        let ran = limited(&sandbox, &limit);
        assert!(ran.code == 0, "{threads}: {ran:?}");
    }
}

/// Runs the program as a user who is not root, where the machine lets us become one.
fn unprivileged(sandbox: &Sandbox, args: &str) -> Ran {
    let whoami = Command::new("id").arg("-u").output().expect("id").stdout;
    if !whoami.starts_with(b"0\n") {
        return sandbox.run(&args.split(' ').collect::<Vec<_>>());
    }
    let open = |path: &Path| {
        let _ = Command::new("chmod").arg("a+rx").arg(path).status();
    };
    open(sandbox.path());
    sandbox.path().ancestors().skip(1).take(1).for_each(open);
    let bin = tempfile::tempdir().expect("a folder");
    let copy = bin.path().join("tenantry");
    std::fs::copy(env!("CARGO_BIN_EXE_tenantry"), &copy).expect("a copy");
    [bin.path(), &copy].into_iter().for_each(open);
    let script = format!(
        "exec {} -C {} {args} --now {NOW}",
        copy.display(),
        sandbox.path().display()
    );

    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "bash", "-c", &script])
        .output();
    Ran::of(output.expect("setpriv starts"))
}

fn mode(sandbox: &Sandbox, path: &str, mode: &str) {
    let status = Command::new("chmod")
        .args(["-R", mode, path])
        .current_dir(sandbox.path())
        .status()
        .expect("chmod");
    assert!(status.success());
}

#[test]
fn a_path_that_cannot_be_written_is_named() {
    let sandbox = fleet(2, "");
    mode(&sandbox, ".", "a-w,a+rX");
    let ran = unprivileged(&sandbox, "render").code(2);
    mode(&sandbox, ".", "u+w");
    assert!(ran.err.contains("Permission denied"), "{}", ran.err);
    assert!(!sandbox.has("rendered") && !sandbox.has("tenantry.lock"));

    sandbox.run(&["render"]).code(0);
    let before = tree(&sandbox);
    change(&sandbox, 2, "  displayName: New\n");
    // One folder of the tree: the other files may be new, that one's are old, and the lock still is
    // the old one.
    mode(&sandbox, ".", "a+rwX");
    mode(&sandbox, "rendered/prod/tenants/t1", "a-w");
    let ran = unprivileged(&sandbox, "render").code(2);
    assert!(
        ran.err.contains("rendered/prod/tenants/t1") && ran.err.contains("Permission denied"),
        "{}",
        ran.err
    );

    assert!(
        sandbox.read("rendered/prod/tenants/t1/t1.yaml").as_bytes()
            == before["rendered/prod/tenants/t1/t1.yaml"]
    );

    mode(&sandbox, "rendered/prod/tenants/t1", "a+w");
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["render", "--check"]).code(0);

    assert!(
        sandbox
            .read("rendered/prod/tenants/t1/t1.yaml")
            .contains("New")
    );
}

#[test]
fn a_file_that_cannot_be_read_holds_its_tenants() {
    let sandbox = fleet(3, "");
    sandbox.run(&["render"]).code(0);
    let before = tree(&sandbox);
    change(&sandbox, 3, "  displayName: New\n");
    mode(&sandbox, ".", "a+rwX");
    mode(&sandbox, "tenants/t1.yaml", "a-r");
    let ran = unprivileged(&sandbox, "render").code(1);
    assert!(
        ran.err.contains("source/unreadable") && ran.err.contains("held: t1"),
        "{}",
        ran.err
    );

    let after = tree(&sandbox);
    let path = "rendered/prod/tenants/t1/t1.yaml";
    assert_eq!(
        before[path], after[path],
        "a tenant that cannot be read keeps its files"
    );

    assert!(
        sandbox
            .read("rendered/prod/tenants/t0/t0.yaml")
            .contains("New")
    );

    mode(&sandbox, "tenants/t1.yaml", "a+r");
    mode(&sandbox, "tenantry.lock", "a-r");
    let ran = unprivileged(&sandbox, "render").code(2);
    assert!(
        ran.err.contains("tenantry.lock") && ran.err.contains("Permission denied"),
        "{}",
        ran.err
    );

    mode(&sandbox, "tenantry.lock", "a+r");
    let shut = Command::new("chmod")
        .args(["a-rx", "tenants"])
        .current_dir(sandbox.path())
        .status()
        .expect("chmod");

    assert!(shut.success());
    let ran = unprivileged(&sandbox, "render --fleet tenants/fleet.yaml").code(2);
    assert!(ran.err.contains("tenants"), "{}", ran.err);
    let opened = Command::new("chmod")
        .args(["a+rx", "tenants"])
        .current_dir(sandbox.path())
        .status()
        .expect("chmod");

    assert!(opened.success());
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["render", "--check"]).code(0);
}

/// What stands in the way, how the run ends, and what its message names.
#[test]
fn a_folder_in_the_place_of_a_file_is_named() {
    let file: fn(&Sandbox, &str) = |sandbox, path| {
        let _ = std::fs::remove_dir_all(sandbox.path().join(path));
        let _ = std::fs::remove_file(sandbox.path().join(path));
        sandbox.write(path, "in the way\n");
    };

    let folder: fn(&Sandbox, &str) = |sandbox, path| {
        let _ = std::fs::remove_dir_all(sandbox.path().join(path));
        let _ = std::fs::remove_file(sandbox.path().join(path));
        std::fs::create_dir_all(sandbox.path().join(path).join("in-the-way")).expect("a folder");
    };

    let cases = [
        (
            "rendered",
            file,
            2,
            "is a file, and stands where a folder of the tree belongs: move it away",
        ),
        (
            "rendered/prod",
            file,
            2,
            "is a file, and stands where a folder of the tree belongs: move it away",
        ),
        (
            "rendered/prod/tenants/t1",
            file,
            2,
            "is a file, and stands where a folder of the tree belongs: move it away",
        ),
        (
            "rendered/prod/tenants/t1/t1.yaml",
            folder,
            1,
            "is a folder or a link, and no file",
        ),
        (
            "clusters/prod",
            file,
            2,
            "is a file, and stands where a folder of the tree belongs: move it away",
        ),
        (
            "clusters/prod/tenantry.yaml",
            folder,
            1,
            "is a folder or a link, and no file",
        ),
        ("tenantry.lock", folder, 1, "the lock is a link or a folder"),
        ("tenants/fleet.yaml", folder, 2, "no fleet found"),
        ("tenants/x.yaml", folder, 0, ""),
    ];

    for (path, put, code, message) in cases {
        for args in [&["render"][..], &["render", "--force"]] {
            for before in [false, true] {
                let sandbox = fleet(2, "");
                if before {
                    sandbox.run(&["render"]).code(0);
                    change(&sandbox, 2, "  displayName: New\n");
                }

                let was = tree(&sandbox);
                put(&sandbox, path);
                let ran = sandbox.run(args);
                let said = format!("{path}, {args:?}, rendered before: {before}: {}", ran.all());
                assert_eq!(ran.code, code, "{said}");
                assert!(
                    ran.err.contains(message) && (code == 0 || ran.err.contains(path)),
                    "{said}"
                );

                if code != 0 {
                    let now = tree(&sandbox);
                    let kept = was
                        .iter()
                        .filter(|(p, _)| !p.starts_with(path))
                        .all(|(p, bytes)| now.get(p) == Some(bytes));
                    assert!(kept, "nothing is half-written: {said}");
                }

                let there = sandbox.path().join(path);
                let _ = std::fs::remove_dir_all(&there);
                let _ = std::fs::remove_file(&there);
                for (path, bytes) in was.iter().filter(|(p, _)| !sandbox.has(p)) {
                    sandbox.write(path, bytes);
                }
                if path == "tenants/fleet.yaml" {
                    sandbox.write(path, FLEET);
                }
                sandbox.run(&["render"]).code(0);

                sandbox.run(&["render", "--check"]).code(0);
            }
        }
    }
}

#[test]
fn an_unreadable_lock_stops_the_run() {
    let cases = [
        (
            "from the future",
            "{\"path\":\"rendered/prod/tenants/t1/t1.yaml\",\"digest2\":\"x\"}\n",
            "install the version",
        ),
        (
            "a line of a new kind",
            "{\"seal\":\"2100\"}\n",
            "install the version",
        ),
        (
            "a conflict",
            "<<<<<<< ours\n=======\n>>>>>>> theirs\n",
            "keep both sides' lines",
        ),
        (
            "half a line",
            "{\"path\":\"rendered/prod/te",
            "restore the file from Git",
        ),
        ("no text", "\u{0}\u{1}", "restore the file from Git"),
    ];
    for (what, line, fix) in cases {
        let sandbox = fleet(2, "");
        sandbox.run(&["render"]).code(0);
        let lock = sandbox.read("tenantry.lock");
        change(&sandbox, 2, "  displayName: New\n");
        let torn = format!("{lock}{line}");
        sandbox.write("tenantry.lock", &torn);
        let before = tree(&sandbox);

        for args in [&["render"][..], &["check"], &["render", "--check"]] {
            let ran = sandbox.run(args).code(1);
            let said = ran.all();
            assert!(
                said.contains("tree/lock-invalid") && said.contains(fix),
                "{what}: {said}"
            );
            assert!(
                said.contains("tenantry.lock:"),
                "{what}: the line is named: {said}"
            );
        }

        assert!(tree(&sandbox) == before, "{what}: nothing was written");
        // As the message says: the lock as it was, or both sides' lines, which the next run
        // settles.
        let other = lock.replacen("\"fleet\":\"", "\"fleet\":\"0", 1);
        let mended = if what == "a conflict" {
            format!("{lock}{other}")
        } else {
            lock
        };

        sandbox.write("tenantry.lock", mended);
        sandbox.run(&["render"]).code(0);
        sandbox.run(&["render", "--check"]).code(0);
    }
}

#[test]
fn the_tree_does_not_depend_on_the_clock() {
    let render = |sandbox: &Sandbox, now: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        Ran::of(
            command
                .current_dir(sandbox.path())
                .args(["render", "--now", now])
                .output()
                .expect("starts"),
        )
    };

    let days = ["1970-01-01", NOW, "2100-12-31"];
    let trees: Vec<_> = days
        .iter()
        .map(|now| {
            let sandbox = fleet(3, "");
            render(&sandbox, now).code(0);
            tree(&sandbox)
        })
        .collect();

    assert!(trees[0] == trees[1] && trees[1] == trees[2]);

    // A waiver is the one thing that a day decides: past its end, its tenant keeps the files of the
    // day before.
    let loose = "  network: {egress: [{cidr: 0.0.0.0/0}]}\n";
    let sandbox = fleet(2, "");
    sandbox.write("tenants/t1.yaml", tenant("t1", loose));
    sandbox.write(
        "tenants/waivers/w.yaml",
        waiver("t1", "network/egress-any", "2026-12-31"),
    );

    render(&sandbox, NOW).code(0);
    let before = tree(&sandbox);

    for now in ["1970-01-01", "2100-12-31"] {
        let ran = render(&sandbox, now);
        let said = ran.all();
        let files = |t: BTreeMap<String, Vec<u8>>| {
            t.into_iter()
                .filter(|(p, _)| p != "tenantry.lock")
                .collect::<Vec<_>>()
        };

        assert!(
            files(tree(&sandbox)) == files(before.clone()),
            "{now}: {said}"
        );

        if now.starts_with("2100") {
            assert!(
                ran.code == 1
                    && said.contains("tenancy/waiver-expired")
                    && said.contains("held: t1"),
                "{said}"
            );
        }
    }

    render(&sandbox, NOW).code(0);
    assert!(tree(&sandbox) == before);
}

/// An empty variable is one that is not set.
#[test]
fn an_empty_variable_is_not_set() {
    let sandbox = fleet(1, "");
    sandbox.run(&["render"]).code(0);
    let names = ["FLEET", "NOW", "TREE", "COLOR", "CLOCK"];
    for args in [&["check"][..], &["render", "--check"], &["prove"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenantry"));
        command.current_dir(sandbox.path()).args(args);
        for name in names {
            command.env(format!("TENANTRY_{name}"), "");
        }
        Ran::of(command.output().expect("it starts")).code(0);
    }

    let mut command = sandbox.command(&["check", "--help"]);
    let help = Ran::of(command.output().expect("it starts")).code(0).out;
    for columns in ["0", "-1", ""] {
        command.env("COLUMNS", columns);
        let ran = Ran::of(command.output().expect("it starts")).code(0);
        assert!(
            ran.out.lines().count() < 2 * help.lines().count(),
            "{columns}: {}",
            ran.out
        );
    }
}

/// A report has no place: the run says so before it works, and leaves nothing behind.
#[test]
fn a_report_without_a_folder_is_refused_before_the_work() {
    let sandbox = fleet(1, "");
    let ran = sandbox
        .run(&["render", "--format", "json", "--output", "none/report.json"])
        .code(2);
    let says = "--output none/report.json: there is no folder none";
    assert!(ran.err.contains(says), "{}", ran.err);
    assert!(!sandbox.has("rendered"));
}

#[test]
fn a_revision_that_is_not_there_is_said_without_an_empty_reason() {
    let sandbox = fleet(1, "");
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "all"]).code(0);
    for revision in ["none", "HEAD~9", ":/zzz", "", "HEAD^9", ".."] {
        let ran = sandbox.run(&["diff", revision]).code(2);
        let says = format!("there is no revision `{revision}`");
        assert!(ran.err.contains(&says), "{}", ran.err);
        assert!(!ran.err.contains("no error"), "{}", ran.err);
    }
}

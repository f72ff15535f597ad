//! Files without an end, and files that nobody writes: each that can be given to the program is refused
//! at once, by its name.

use crate::support::{FLEET, NOW, Ran, Sandbox, tenant};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a run may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The address space of a run, in KiB: far less than a device yields.
const MEMORY: u64 = 3_000_000;

/// Where a file is given: the command, and the files of the sandbox, in which `FILE` is the file.
const PLACES: [(&str, &str); 11] = [
    ("check --baseline FILE", ""),
    ("prove --baseline FILE", ""),
    ("prove --snapshot FILE", ""),
    ("prove --also FILE", ""),
    ("verify --inventory FILE", ""),
    ("check --fleet FILE", ""),
    ("verify", "KUBECONFIG"),
    ("verify", "certificate-authority"),
    ("verify", "client-certificate"),
    ("verify", "client-key"),
    ("verify", "tokenFile"),
];

/// A kubeconfig with a file in one field.
fn kubeconfig(field: &str, file: &str) -> String {
    let of = |fields: &[&str], others: &str| match fields.contains(&field) {
        true => format!("{{{field}: {file}{others}}}"),
        false => "{}".to_owned(),
    };
    let pair = match field {
        "client-certificate" => ", client-key: key.pem",
        "client-key" => ", client-certificate: key.pem",
        _ => "",
    };
    let user = of(&["client-certificate", "client-key", "tokenFile"], pair);
    let cluster = match field {
        "certificate-authority" => format!(", {field}: {file}"),
        _ => String::new(),
    };
    format!(
        "{{apiVersion: v1, kind: Config, current-context: a, \
         contexts: [{{name: a, context: {{cluster: a, user: a}}}}], \
         clusters: [{{name: a, cluster: {{server: 'https://127.0.0.1:1'{cluster}}}}}], \
         users: [{{name: a, user: {user}}}]}}"
    )
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/blue.yaml", &tenant("blue", "")),
        ("key.pem", "-----BEGIN CERTIFICATE-----\n"),
    ]);
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "all"]).code(0);
    let made = Command::new("mkfifo")
        .arg(sandbox.path().join("fifo"))
        .status();
    assert!(made.expect("mkfifo starts").success());
    sandbox
}

/// Runs a command of the shell with little memory.
fn run(sandbox: &Sandbox, script: &str) -> Ran {
    run_within(sandbox, script, MEMORY)
}

fn run_within(sandbox: &Sandbox, script: &str, memory: u64) -> Ran {
    let mut shell = Command::new("bash");
    let script = format!("ulimit -v {memory}; {script}");
    shell.current_dir(sandbox.path()).args(["-c", &script]);
    let started = Instant::now();
    let ran = Ran::of(shell.output().expect("bash starts"));
    assert!(started.elapsed() < PATIENCE, "{script}");
    ran
}

fn program(args: &str) -> String {
    format!(
        "timeout -s KILL 30 {} {args} --now {NOW}",
        env!("CARGO_BIN_EXE_tenantry")
    )
}

#[cfg(unix)]
#[test]
fn a_device_or_a_named_pipe_is_refused_by_its_name() {
    let sandbox = sandbox();
    let fifo = sandbox.path().join("fifo");
    let kinds = [
        (Path::new("/dev/zero"), "it is a device"),
        (&fifo, "it is a named pipe"),
    ];

    for (file, why) in kinds {
        let file = file.display().to_string();
        for (args, field) in PLACES {
            let kubeconfig_file = match field {
                "KUBECONFIG" => file.clone(),
                _ => "kubeconfig".to_owned(),
            };
            sandbox.write("kubeconfig", kubeconfig(field, &file));
            let command = program(&args.replace("FILE", &file));
            let ran = run(&sandbox, &format!("KUBECONFIG={kubeconfig_file} {command}"));
            let said = format!("{args} {field} {file}: {}", ran.all());

            assert_eq!(ran.code, 2, "{said}");
            assert!(ran.err.contains(why) && ran.err.contains(&file), "{said}");
        }
    }
}

/// Less than the limit of a snapshot, in KiB: a larger file is refused before its bytes are read.
const LESS_MEMORY: u64 = 1_000_000;

/// A file of a revision has the limit of a file on disk.
#[test]
fn a_large_file_of_a_revision_is_not_read() {
    let sandbox = sandbox();
    sandbox.run(&["render"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    let comment = format!("# {}\n", "x".repeat(1022));
    let commit = || {
        sandbox.git(&["add", "-A"]).code(0);
        sandbox.git(&["commit", "-qm", "more"]).code(0);
    };

    sandbox.write("tenantry.lock", lock.clone() + &"\n".repeat(17 << 20));
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: x}\n\
                   roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n\
                   subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: blue-admins}]\n";
    sandbox.write("m/x.yaml", binding.to_owned() + &comment.repeat(65 << 10));
    commit();

    sandbox.write("tenantry.lock", lock);
    let ran = run(&sandbox, &program("render --check --since HEAD"));
    assert!(ran.all().contains("larger than any lock"), "{}", ran.all());

    // A finding in it is thus new in a file that can be read.
    sandbox.write("m/x.yaml", binding);
    run(&sandbox, &program("prove --also m --since HEAD")).code(1);
    commit();
    run(&sandbox, &program("prove --also m --since HEAD")).code(0);
}

/// A file that is too large by one byte is refused before it is read; a sparse one has no blocks.
#[test]
fn a_file_over_its_limit_is_refused_with_the_limit() {
    let sandbox = sandbox();
    let sparse = |path: &str, mebibytes: u64| {
        let file = std::fs::File::create(sandbox.path().join(path)).expect("a file");
        file.set_len((mebibytes << 20) + 1).expect("a size");
    };

    for (args, limit) in [
        ("check --baseline large", 256),
        ("verify --inventory large", 256),
        ("prove --snapshot large", 1024),
    ] {
        sparse("large", limit);
        let ran = run_within(&sandbox, &program(args), LESS_MEMORY).code(2);
        let why = format!("larger than {limit} MiB");
        assert!(ran.err.contains(&why), "{args}: {}", ran.err);
    }

    sparse("kubeconfig", 16);
    let ran = run(
        &sandbox,
        &format!("KUBECONFIG=kubeconfig {}", program("verify")),
    );
    assert!(ran.err.contains("larger than 16 MiB"), "{}", ran.err);

    let ran = run(
        &sandbox,
        &format!("{} </dev/zero", program("prove --also -")),
    );
    assert!(ran.all().contains("64 MiB"), "{}", ran.all());

    // A rendered file of any size is not as rendered.
    sandbox.run(&["render"]).code(0);
    sparse("rendered/prod/tenants/blue/blue.yaml", 8192);
    let ran = run(&sandbox, &program("render --check")).code(1);
    assert!(ran.out.contains("blue.yaml"), "{}", ran.all());
}

/// The shell gives a pipe as a descriptor: `<(…)`.
#[cfg(unix)]
#[test]
fn a_pipe_of_the_shell_is_read() {
    let sandbox = sandbox();
    sandbox.write(
        "list",
        "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\
         {\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"x\"}}]}",
    );
    sandbox.write(
        "object.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: blue}\n",
    );

    for (args, file) in [
        ("prove --snapshot", "list"),
        ("prove --also", "object.yaml"),
    ] {
        let by_name = run(&sandbox, &program(&format!("{args} {file}")));
        let piped = run(&sandbox, &program(&format!("{args} <(cat {file})")));
        assert!(by_name.code < 2, "{args}: {}", by_name.all());
        assert_eq!(piped.code, by_name.code, "{args}: {}", piped.all());
    }

    sandbox.write("kubeconfig", kubeconfig("", ""));
    let ran = run(
        &sandbox,
        &format!("KUBECONFIG=<(cat kubeconfig) {}", program("verify")),
    );
    assert!(ran.err.contains("cluster `a`"), "{}", ran.err);
}

/// Files that are read elsewhere than in `src/cli/bounded.rs`, and why.
const OTHER_READS: [(&str, &str); 4] = [
    (
        "src/cli/cluster/exec_plugin.rs",
        "the output of a child, with a limit",
    ),
    ("src/cli/interrupt.rs", "a file of the kernel"),
    ("src/cli/write.rs", "a folder, to lock it"),
    (
        "src/cli/written.rs",
        "the head of a file that is no link, with a limit",
    ),
];

#[test]
fn every_file_is_read_in_one_place() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let calls = [
        "fs::read(",
        "read_to_string(",
        "File::open(",
        "read_to_end(",
    ];
    let mut reading: Vec<String> = Vec::new();

    for entry in walkdir::WalkDir::new(root.join("src")).sort_by_file_name() {
        let entry = entry.expect("a file");
        if entry.path().extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("a text");
        let code = text.split("#[cfg(test)]\nmod tests").next();
        if calls
            .iter()
            .any(|call| code.is_some_and(|code| code.contains(call)))
        {
            let path = entry.path().strip_prefix(root).expect("below");
            reading.push(path.to_string_lossy().into_owned());
        }
    }

    let mut allowed: Vec<&str> = OTHER_READS.iter().map(|(path, _)| *path).collect();
    allowed.push("src/cli/bounded.rs");
    allowed.sort_unstable();
    assert_eq!(reading, allowed, "read files with cli/bounded.rs");
}

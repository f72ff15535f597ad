//! Credential plugins and tokens that are broken or hostile, and signals: no plugin outlives a run, no
//! file is half written, and no credential is shown.

use crate::support::fake_server::{Answer, FakeServer, POLICIES, small_fleet};
use crate::support::{Dice, Ran, Sandbox};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The entry of a user with a plugin that runs a script of the shell.
fn plugin(script: &str) -> String {
    format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, {}]}}}}",
        serde_json::to_string(script).expect("JSON")
    )
}

fn command(sandbox: &Sandbox, args: &[&str]) -> Command {
    let mut command = sandbox.command(args);
    command
        .env("KUBECONFIG", sandbox.path().join("kubeconfig"))
        .stdin(Stdio::null());
    command
}

fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    Ran::of(command(sandbox, args).output().expect("the program starts"))
}

/// The processes that a script noted in a file, once there are so many.
fn noted(sandbox: &Sandbox, count: usize) -> Vec<String> {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(sandbox.path().join("pids")).unwrap_or_default();
        let pids: Vec<String> = text.lines().map(str::to_owned).collect();
        if pids.len() >= count && text.ends_with('\n') {
            return pids;
        }
        assert!(started.elapsed() < PATIENCE, "{pids:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process runs. One that has ended may wait for its parent.
fn runs(pid: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", pid]).output();
    let state = state.expect("ps starts").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

fn all_end(pids: &[String]) {
    let started = Instant::now();
    while pids.iter().any(|pid| runs(pid)) {
        assert!(started.elapsed() < PATIENCE, "{pids:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

const NOTE_AND_HANG: &str = "sleep 1000 & echo $! >> pids; echo $$ >> pids; wait";

#[test]
fn a_plugin_that_does_not_end_is_ended_with_its_children() {
    let server = FakeServer::start(|_, _| None);
    let hang = NOTE_AND_HANG;
    for (script, why) in [
        (hang.to_owned(), "the credential plugin did not end"),
        (
            format!("trap '' TERM INT HUP; {hang}"),
            "the credential plugin did not end",
        ),
        (
            format!("{hang} & yes >&2"),
            "the credential plugin did not end",
        ),
        (
            format!("{hang} & yes"),
            "the credential plugin prints more than 1 MiB",
        ),
        (
            format!("{hang} & exec >&-; sleep 1000"),
            "the credential plugin did not end",
        ),
        (
            format!("{hang} & sleep 0.2"),
            "a process that it left behind holds its output open",
        ),
        (
            format!("({hang}) >&- & sleep 0.2; exit 3"),
            "the credential plugin ended with exit status: 3",
        ),
    ] {
        let sandbox = small_fleet(&server.url, &plugin(&script));
        let started = Instant::now();
        let ran = run(&sandbox, &["verify", "--timeout", "5"]);
        let context = format!("{script}: {:?} {}", started.elapsed(), ran.all());

        assert!(ran.code == 2 && ran.err.contains(why), "{context}");
        assert!(started.elapsed() < PATIENCE, "{context}");
        all_end(&noted(&sandbox, 2));
    }
}

/// A plugin is asked again when its credential expires, and when the server refuses it.
#[test]
fn a_credential_is_fetched_again() {
    let server = FakeServer::start(|path, nth| {
        let is_refused = path.starts_with(POLICIES) && nth == 1;
        is_refused.then(|| Answer::Says(401, "", r#"{"message": "Unauthorized"}"#.into()))
    });
    let script =
        r#"echo x >> pids; echo '{"kind": "ExecCredential", "status": {"token": "a-token"}}'"#;
    let sandbox = small_fleet(&server.url, &plugin(script));
    let ran = run(&sandbox, &["verify"]);
    assert!(
        ran.code == 1 && !ran.out.contains("live/not-listed"),
        "{}",
        ran.all()
    );
    assert_eq!(noted(&sandbox, 2).len(), 2);

    // A plugin has the signals that every program has.
    let script = "sleep 1000 & kill $!; wait $!; echo '{\"status\": {\"token\": \"a-token\"}}'";
    let sandbox = small_fleet(&server.url, &plugin(script));
    let ran = run(&sandbox, &["verify", "--timeout", "20"]);
    assert_eq!(ran.code, 1, "{}", ran.all());

    // As YAML too, and with a time of its own.
    let script = "printf 'kind: ExecCredential\nstatus:\n  token: a-token\n  expirationTimestamp: \"2099-01-01T00:00:00Z\"\n'";
    let sandbox = small_fleet(&server.url, &plugin(script));
    let ran = run(&sandbox, &["verify"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
}

/// A signal ends a run at each stage, and leaves no plugin and no half file behind.
#[test]
fn a_signal_ends_a_run_at_once() {
    let silent = |stage: &'static str| {
        FakeServer::start(move |path, _| {
            path.starts_with(stage).then_some(Answer::Stalls("{", 3600))
        })
    };
    let asked = |server: &FakeServer, stage: &str| {
        server.asked().iter().any(|path| path.starts_with(stage))
    };

    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        for stage in ["plugin", "/version", "/apis", POLICIES, "wait"] {
            let server = silent(stage);
            let user = if stage == "plugin" {
                plugin(NOTE_AND_HANG)
            } else {
                "{}".to_owned()
            };
            let sandbox = small_fleet(&server.url, &user);
            sandbox.write("live.json", "old");
            let mut args = vec![
                "verify",
                "--snapshot",
                "live.json",
                "--format",
                "json",
                "--output",
                "r",
            ];
            if stage == "wait" {
                // Nobody answers there.
                let text =
                    std::fs::read_to_string(sandbox.path().join("kubeconfig")).expect("text");
                sandbox.write(
                    "kubeconfig",
                    text.replace(&server.url, "http://127.0.0.1:9"),
                );
                args.push("--wait");
            }

            let mut child = command(&sandbox, &args)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            let pids = if stage == "plugin" {
                noted(&sandbox, 2)
            } else {
                Vec::new()
            };
            let started = Instant::now();
            while stage.starts_with('/') && !asked(&server, stage) {
                assert!(started.elapsed() < PATIENCE, "{stage}");
                std::thread::sleep(Duration::from_millis(20));
            }
            if stage == "wait" {
                std::thread::sleep(Duration::from_secs(2));
            }

            let sent = Instant::now();
            let pid = child.id().to_string();
            let kill = Command::new("kill").args(["-s", name, &pid]).status();
            assert!(kill.expect("kill starts").success());
            let status = child.wait().expect("it ends");
            assert_eq!(status.signal(), Some(number), "{stage} {name}: {status}");
            assert!(
                sent.elapsed() < PATIENCE,
                "{stage} {name}: {:?}",
                sent.elapsed()
            );
            all_end(&pids);

            let text = std::fs::read_to_string(sandbox.path().join("live.json")).expect("text");
            assert_eq!(text, "old");
            let files = std::fs::read_dir(sandbox.path()).expect("a folder");
            let names = files.map(|file| file.expect("a file").file_name());
            let mut names: Vec<_> = names.filter(|n| n != "pids").collect();
            names.sort();
            assert_eq!(names, ["kubeconfig", "live.json", "tenants"]);
        }
    }
}

/// Each value of a user's entry that is sent in a header.
fn entries(value: &str) -> Vec<(&'static str, String)> {
    let escaped = value.chars().map(|c| format!("\\u{:04x}", u32::from(c)));
    let value = format!("\"{}\"", escaped.collect::<String>());
    vec![
        (
            "the token of the user `a` in ",
            format!("{{token: {value}}}"),
        ),
        (
            "the password of the user `a` in ",
            format!("{{username: u, password: {value}}}"),
        ),
        (
            "the username of the user `a` in ",
            format!("{{username: {value}, password: p}}"),
        ),
        (
            "the id-token of the user `a` in ",
            format!("{{auth-provider: {{name: oidc, config: {{id-token: {value}}}}}}}"),
        ),
        ("`as` of the user `a` in ", format!("{{as: {value}}}")),
        (
            "`as-uid` of the user `a` in ",
            format!("{{as-uid: {value}}}"),
        ),
        (
            "`as-groups` of the user `a` in ",
            format!("{{as: x, as-groups: [{value}]}}"),
        ),
        (
            "`as-user-extra` of the user `a` in ",
            format!("{{as: x, as-user-extra: {{k: [{value}]}}}}"),
        ),
    ]
}

#[test]
fn a_control_character_in_a_credential_is_an_error_with_its_file() {
    let server = FakeServer::start(|_, _| None);
    for control in ["\n", "\r\n", "\0", "\u{1b}[31m", "\u{7f}", "\u{85}", "\t"] {
        let value = format!("secretA{control}secretB");
        for (what, user) in entries(&value) {
            let sandbox = small_fleet(&server.url, &user);
            let ran = run(&sandbox, &["verify"]);
            let context = format!("{user}: {}", ran.all());
            assert!(ran.code == 2 && ran.err.contains(what), "{context}");
            assert!(
                ran.err.contains("kubeconfig has the control character U+"),
                "{context}"
            );
            assert!(
                ran.err.contains("in one line") && !ran.all().contains("secret"),
                "{context}"
            );
        }

        let sandbox = small_fleet(&server.url, "{tokenFile: my.token}");
        sandbox.write("my.token", &value);
        let ran = run(&sandbox, &["verify"]);
        let context = format!("{value:?}: {}", ran.all());
        assert!(
            ran.code == 2 && ran.err.contains("my.token has the control"),
            "{context}"
        );
        assert!(!ran.all().contains("secret"), "{context}");

        let printed = serde_json::json!({"status": {"token": value}}).to_string();
        sandbox.write("printed", printed);
        let text = std::fs::read_to_string(sandbox.path().join("kubeconfig")).expect("text");
        sandbox.write(
            "kubeconfig",
            text.replace("{tokenFile: my.token}", &plugin("cat printed")),
        );
        let ran = run(&sandbox, &["verify"]);
        let context = format!("{value:?}: {}", ran.all());
        let what = "the token of the credential plugin has the control";
        assert!(ran.code == 2 && ran.err.contains(what), "{context}");
    }

    // The program removes white space around a token.
    for user in ["{tokenFile: my.token}", "{token: \" a-token\\n\"}"] {
        let sandbox = small_fleet(&server.url, user);
        sandbox.write("my.token", "\r\n a-token \t\r\n");
        let ran = run(&sandbox, &["verify"]);
        assert_eq!(ran.code, 1, "{}", ran.all());
    }

    for (content, why) in [("", "is empty"), ("  \n", "is empty")] {
        let sandbox = small_fleet(&server.url, "{tokenFile: my.token}");
        sandbox.write("my.token", content);
        let ran = run(&sandbox, &["verify"]);
        assert!(ran.code == 2 && ran.err.contains(why), "{}", ran.all());
    }
}

/// A client certificate that cannot be used is named with its file.
#[test]
fn a_broken_client_certificate_is_an_error_with_its_file() {
    let server = FakeServer::start(|_, _| None);
    let whole = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let broken = [
        ("", "my.pem has no line `-----BEGIN"),
        ("secret", "my.pem has no line `-----BEGIN"),
        (
            "-----BEGIN CERTIFICATE-----\nMI\u{1}B\n-----END CERTIFICATE-----\n",
            "my.pem has the control character U+0001 inside",
        ),
        (
            "\u{1b}[31m-----BEGIN CERTIFICATE-----\n",
            "my.pem has the control character U+001B inside",
        ),
    ];

    for (content, why) in broken {
        for (user, field) in [
            (
                "{client-certificate: my.pem, client-key: whole.pem}",
                "`client-certificate` of",
            ),
            (
                "{client-certificate: whole.pem, client-key: my.pem}",
                "`client-key` of",
            ),
        ] {
            let sandbox = small_fleet(&server.url, user);
            sandbox.write("my.pem", content);
            sandbox.write("whole.pem", whole);
            let ran = run(&sandbox, &["verify"]);
            let context = format!("{content:?}: {}", ran.all());
            assert!(ran.code == 2 && ran.err.contains(why), "{context}");
            assert!(
                ran.err.contains(field) && ran.err.contains("kubeconfig"),
                "{context}"
            );
            assert!(!ran.all().contains("secret"), "{context}");
        }
    }

    for (user, why) in [
        (
            "{client-certificate: none.pem, client-key: whole.pem}",
            "none.pem cannot be read",
        ),
        (
            "{client-certificate: whole.pem}",
            "has `client-certificate` alone",
        ),
        ("{client-key: whole.pem}", "has `client-key` alone"),
        (
            "{client-certificate: whole.pem, client-key: whole.pem}",
            "the credentials of the user `a` in ",
        ),
        (
            "{client-certificate-data: '!!', client-key-data: '!!'}",
            "the credentials of the user `a` in ",
        ),
    ] {
        let sandbox = small_fleet(&server.url, user);
        sandbox.write("whole.pem", whole);
        let ran = run(&sandbox, &["verify"]);
        assert!(
            ran.code == 2 && ran.err.contains(why),
            "{user}: {}",
            ran.all()
        );
    }
}

/// Kubeconfigs with each way to give a credential. Nobody listens at their server.
const KUBECONFIGS: [&str; 3] = [
    "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
     contexts:\n- name: a\n  context: {cluster: a, user: a, namespace: b}\n\
     clusters:\n- name: a\n  cluster: {server: \"https://127.0.0.1:1/x\", insecure-skip-tls-verify: true, proxy-url: \"http://127.0.0.1:2\"}\n\
     users:\n- name: a\n  user: {username: a, password: b, as: c, as-groups: [d], as-user-extra: {e: [f]}}\n",
    "{\"apiVersion\": \"v1\", \"kind\": \"Config\", \"current-context\": \"a\", \"contexts\": [{\"name\": \"a\", \"context\": {\"cluster\": \"a\", \"user\": \"a\"}}], \
     \"clusters\": [{\"name\": \"a\", \"cluster\": {\"server\": \"http://127.0.0.1:1\", \"certificate-authority-data\": \"YQ==\", \"tls-server-name\": \"a\"}}], \
     \"users\": [{\"name\": \"a\", \"user\": {\"token\": \"t\", \"client-certificate-data\": \"YQ==\", \"client-key-data\": \"YQ==\"}}]}",
    "current-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n\
     clusters: [{name: a, cluster: {server: \"http://127.0.0.1:1\", extensions: [{name: x, extension: {y: z}}]}}]\n\
     users: [{name: a, user: {exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: \"false\", args: [a], env: [{name: A, value: b}]}}}]\n",
];

/// What takes the place of a part of a kubeconfig.
const PIECES: [&str; 24] = [
    "",
    "",
    "null",
    "[]",
    "{}",
    "{",
    "]",
    ": ",
    "- ",
    "\n",
    "\"",
    "'",
    "&a ",
    "*a",
    "!!binary ",
    "\u{7}",
    "\u{0}",
    "é",
    "99999999999999999999",
    "-1",
    "true",
    "https://",
    "[::1]:",
    "\t",
];

#[test]
fn a_changed_kubeconfig_is_read_or_refused() {
    let sandbox = small_fleet("http://127.0.0.1:1", "{}");
    let mut dice = Dice(8);
    let mut refused = 0;
    for _ in 0..120 {
        let mut text = (*dice.of(&KUBECONFIGS)).to_owned();
        for _ in 0..*dice.of(&[1, 1, 2, 4]) {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let from = *dice.of(&places);
            let to = text.len().min(from + *dice.of(&[0, 1, 3, 12]));
            text.replace_range(from..to, dice.of::<&str>(&PIECES));
        }
        sandbox.write("kubeconfig", &text);

        let ran = run(
            &sandbox,
            &["verify", "--request-timeout", "2", "--timeout", "4"],
        );
        let says_why = ran.err.lines().any(|line| line.starts_with("tenantry: "));
        assert!(
            ran.code == 2 && says_why && !ran.err.contains("this is a bug"),
            "{text:?}: {ran:?}"
        );
        refused += usize::from(ran.err.contains("cannot be read as a kubeconfig"));
    }
    assert!(
        (20..180).contains(&refused),
        "{refused} of 200 are no kubeconfig"
    );
}

/// A kubeconfig that does not say how the cluster is reached: each fault begins with what is wrong, and
/// names the file or the context.
#[test]
fn a_kubeconfig_that_does_not_help_is_named() {
    let sandbox = small_fleet("http://127.0.0.1:1", "{}");
    let own = sandbox.path().join("kubeconfig").display().to_string();
    for (kubeconfig, args, says) in [
        (
            "none.yaml",
            &["verify"][..],
            "tenantry: KUBECONFIG names no file that exists: none.yaml",
        ),
        (
            "",
            &["verify"],
            "tenantry: no kubeconfig has a current context, and the program does not run in a cluster: set KUBECONFIG",
        ),
        (
            "",
            &["verify", "--context", "x"],
            "tenantry: there is no kubeconfig for the context `x`: set KUBECONFIG",
        ),
        (
            own.as_str(),
            &["verify", "--context", "x"],
            "tenantry: no kubeconfig has the context `x`; did you mean `a`?",
        ),
        (
            "tenants/fleet.yaml",
            &["verify", "--context", "x"],
            "tenantry: no kubeconfig has the context `x`; there is none",
        ),
    ] {
        let mut command = sandbox.command(args);
        command
            .env("KUBECONFIG", kubeconfig)
            .env("HOME", sandbox.path().join("no-home"));
        let ran = Ran::of(command.output().expect("the program starts")).code(2);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
    }
}

//! Formats and the version.

use crate::support::{FLEET, Ran, Sandbox, root, say, tenant};

/// A format, and the text that a report in it begins with.
const FORMATS: [(&str, &[&str]); 6] = [
    ("text", &[]),
    ("json", &["{"]),
    ("github", &[]),
    ("sarif", &["{"]),
    ("markdown", &["#", "|", "*", "The ", "No "]),
    ("junit", &["<?xml"]),
];

/// Each command with arguments that let it run, and the formats that it can write.
const COMMANDS: [(&[&str], &[&str]); 15] = [
    (&["init"], &["text"]),
    (&["new", "tenant", "c", "--owner", "group:g"], &["text"]),
    (&["check"], &["text", "json", "github", "sarif"]),
    (&["render", "--check"], &["text", "json", "github", "sarif"]),
    (&["show", "a"], &["text", "json"]),
    (&["status"], &["text", "json"]),
    (&["diff", "--against", "."], &["text", "json", "markdown"]),
    (&["prove"], &["text", "json", "github", "sarif", "markdown"]),
    (&["verify"], &["text", "json", "markdown", "junit"]),
    (&["can", "user:u", "get", "pods", "-n", "a"], &["text"]),
    (&["reach", "a", "b"], &["text"]),
    (&["schema"], &["json"]),
    (&["explain", "network/egress-any"], &["text"]),
    (&["rules"], &["text", "json"]),
    (&["import", ".", "--dry-run"], &["text"]),
];

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

/// The names of the commands that `tenantry --help` lists.
fn listed_commands() -> Vec<String> {
    let help = Sandbox::new().run(&["--help"]).code(0).out;
    let commands = help
        .split("\nCommands:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next())
        .expect("a list of commands");
    commands
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_is_in_the_table_of_formats() {
    let tested: Vec<&str> = COMMANDS.iter().map(|(words, _)| words[0]).collect();
    assert_eq!(listed_commands(), tested);
}

#[test]
fn a_format_that_a_command_cannot_write_is_refused_with_those_it_can() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);

    for (words, can) in COMMANDS {
        for (format, starts) in FORMATS {
            let mut command = sandbox.command(&[words, &["--format", format]].concat());
            let ran = Ran::of(command.env("KUBECONFIG", "absent").output().expect("runs"));
            let case = format!("{words:?} --format {format}: {}", ran.all());
            if !can.contains(&format) {
                assert_eq!(ran.code, 2, "{case}");
                assert!(ran.out.is_empty(), "{case}");
                let list = format!("it writes {}\n", can.join(", "));
                assert!(ran.err.ends_with(&list), "{case}");
                continue;
            }
            assert!(!ran.err.contains("cannot write"), "{case}");
            // There is no cluster to verify; `init` and `new` find their files here.
            if ran.code != 2 && !starts.is_empty() {
                let begins = starts.iter().any(|start| ran.out.starts_with(start));
                assert!(begins, "{case}");
            }
        }
    }
}

#[test]
fn a_command_without_a_report_takes_no_file_for_it() {
    let ran = fleet()
        .run(&["reach", "a", "b", "--format", "text", "--output", "x"])
        .code(2);
    assert!(ran.err.contains("writes no report"), "{}", ran.err);
}

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

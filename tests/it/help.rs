//! Help, formats, completions, manual pages, the version and `explain`.

use crate::support::{Ran, Sandbox, pipe, root, say, two_tenants};
use std::process::Command;

/// A format, and the text that a report in it begins with.
const FORMATS: [(&str, &[&str]); 7] = [
    ("text", &[]),
    ("json", &["{"]),
    ("github", &[]),
    ("sarif", &["{"]),
    ("markdown", &["#", "|", "*", "The ", "No "]),
    ("junit", &["<?xml"]),
    ("mermaid", &["flowchart LR\n"]),
];

/// Each command with arguments that let it run, and the formats that it can write.
const COMMANDS: [(&[&str], &[&str]); 18] = [
    (&["init"], &["text"]),
    (&["new", "tenant", "c", "--owner", "group:g"], &["text"]),
    (&["check"], &["text", "json", "github", "sarif", "junit"]),
    (&["render", "--check"], &["text", "json", "github", "sarif"]),
    (&["show", "a"], &["text", "json"]),
    (&["status"], &["text", "json"]),
    (&["diff", "--against", "."], &["text", "json", "markdown"]),
    (
        &["prove"],
        &[
            "text", "json", "github", "sarif", "markdown", "junit", "mermaid",
        ],
    ),
    (&["verify"], &["text", "json", "markdown", "junit"]),
    (
        &["can", "user:u", "get", "pods", "-n", "a"],
        &["text", "mermaid"],
    ),
    (
        &["who-can", "get", "pods", "-n", "a"],
        &["text", "json", "mermaid"],
    ),
    (&["reach", "a", "b"], &["text", "mermaid"]),
    (&["schema"], &["json"]),
    (&["explain", "tenant"], &["text"]),
    (&["rules"], &["text", "json"]),
    (&["import", ".", "--dry-run"], &["text"]),
    (&["completions", "bash"], &["text"]),
    (&["man"], &["text"]),
];

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
fn an_unsupported_format_is_refused_with_the_supported_ones() {
    let sandbox = two_tenants();
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
    let ran = two_tenants()
        .run(&["explain", "tenant", "--format", "text", "--output", "x"])
        .code(2);
    assert!(ran.err.contains("writes no report"), "{}", ran.err);
}

#[test]
fn completions_load_and_complete_in_bash() {
    let ran = shell("bash", &["-n", "-"], &completions("bash"));
    ran.expect("bash is there").code(0);

    let script = format!(
        "{}\ncomplete -p tenantry\nCOMP_WORDS=(tenantry ren) COMP_CWORD=1\n\
         _tenantry tenantry ren tenantry\necho \"${{COMPREPLY[@]}}\"\n",
        completions("bash")
    );
    let ran = shell("bash", &["--norc", "-s"], &script).expect("bash is there");
    let out = ran.code(0).out;
    assert!(out.contains("-F _tenantry"), "{out}");
    assert!(out.ends_with("\nrender\n"), "{out}");
}

#[test]
fn completions_load_in_zsh() {
    let script = format!(
        "autoload -U compinit && compinit -D -u\n{}\necho $_comps[tenantry]\n\
         whence -w _tenantry _tenantry__subcmd__render_commands\n",
        completions("zsh")
    );
    let Some(ran) = shell("zsh", &["-f", "-s"], &script) else {
        return;
    };
    let out = ran.code(0).out;
    assert!(out.starts_with("_tenantry\n"), "{out}");
    assert!(out.contains("_tenantry: function"), "{out}");
}

#[test]
fn completions_load_and_complete_in_fish() {
    let script = format!(
        "{}\ncomplete -C 'tenantry ren'\ncomplete -C 'tenantry check --format ju'\n",
        completions("fish")
    );
    let Some(ran) = shell("fish", &["--no-config"], &script) else {
        return;
    };
    let out = ran.code(0).out;
    assert!(out.starts_with("render\t"), "{out}");
    assert!(out.contains("\njunit"), "{out}");
}

#[test]
fn completions_for_powershell_register_the_program() {
    let script = completions("powershell");
    let register = "Register-ArgumentCompleter -Native -CommandName 'tenantry'";
    assert!(script.contains(register), "{script}");
}

fn completions(shell: &str) -> String {
    Sandbox::new().run(&["completions", shell]).code(0).out
}

/// Runs a script in a shell; if the machine has no such shell, says so on standard error.
fn shell(name: &str, args: &[&str], script: &str) -> Option<Ran> {
    if Command::new(name).arg("--version").output().is_err() {
        say(&format!(
            "NOT RUN: {name} is absent; its completions were not loaded"
        ));
        return None;
    }
    let ran = pipe(Command::new(name).args(args), script);
    assert!(ran.err.is_empty(), "{name}: {}", ran.err);
    Some(ran)
}

#[test]
fn every_command_has_a_manual_page() {
    let sandbox = Sandbox::new();
    let page = sandbox.run(&["man"]).code(0).out;
    assert!(page.contains(".TH tenantry 1"), "{page}");

    sandbox.run(&["man", "--output-dir", "man1"]).code(0);
    assert_eq!(sandbox.read("man1/tenantry.1"), page);

    for name in listed_commands() {
        let page = sandbox.read(&format!("man1/tenantry-{name}.1"));
        let example = format!("\ntenantry {name}").replace('-', "\\-");
        let section = page.split("\n.SH EXAMPLES\n.nf\n").nth(1);
        assert!(
            section.is_some_and(|text| format!("\n{text}").contains(&example)),
            "{page}"
        );
    }

    assert!(sandbox.has("man1/tenantry-new-tenant.1"));
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

    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    let lock = sandbox.read("tenantry.lock");
    let tool = concat!("\"tool\":\"", env!("CARGO_PKG_VERSION"), "\"");
    assert!(lock.contains(tool), "{lock}");
}

#[test]
fn explain_describes_a_field_and_suggests_the_nearest() {
    let sandbox = Sandbox::new();
    let ran = sandbox
        .run(&["explain", "tenant.spec.network.egress"])
        .code(0);
    assert!(ran.out.contains("FIELD: egress <[]Peer>\n"), "{}", ran.out);
    let ran = sandbox.run(&["explain", "Fleet", "--recursive"]).code(0);
    assert!(
        ran.out.contains("\n    clusters <[]Cluster>"),
        "{}",
        ran.out
    );

    for (unknown, hint) in [
        ("tenant.spec.netwrok", "did you mean `tenant.spec.network`?"),
        ("tenat", "did you mean `tenant`?"),
        ("network/egres-any", "did you mean `network/egress-any`?"),
        ("egress-any", "did you mean `network/egress-any`?"),
    ] {
        let ran = sandbox.run(&["explain", unknown]).code(2);
        assert!(ran.err.contains(hint), "{unknown}: {}", ran.err);
    }
}

//! What a person reads: the text of each command, over the fleet of this repository and over one
//! with faults. `cargo insta review` shows a change, and takes it.

use crate::support::{Sandbox, root, two_tenants};
use std::fs;
use std::path::PathBuf;
use walkdir::WalkDir;

/// A folder with the files below a folder of the project.
fn copy_of(folder: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let base = root().join(folder);
    for entry in WalkDir::new(&base).into_iter().filter_map(Result::ok) {
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(&base).expect("below");
            let bytes = fs::read(entry.path()).expect("a file");
            sandbox.write(&path.to_string_lossy(), bytes);
        }
    }
    sandbox
}

/// The tenants of this repository, which the README renders.
fn example() -> Sandbox {
    let sandbox = Sandbox::new();
    for entry in WalkDir::new(root().join("tenants"))
        .into_iter()
        .filter_map(Result::ok)
    {
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(root()).expect("below");
            let bytes = fs::read(entry.path()).expect("a file");
            sandbox.write(&path.to_string_lossy(), bytes);
        }
    }
    sandbox
}

/// A text without the digest of the inputs, which every change of a template moves.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("inputs ");
    let mut out = parts.next().unwrap_or_default().to_owned();

    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        out.push_str(if part.len() - rest.len() == 16 {
            "inputs DIGEST"
        } else {
            "inputs "
        });
        out.push_str(if part.len() - rest.len() == 16 {
            rest
        } else {
            part
        });
    }

    out
}

/// Compares what a command says with its snapshot, a file below `tests/it/snapshots/`.
#[track_caller]
fn assert_says(sandbox: &Sandbox, name: &str, args: &[&str]) {
    let ran = sandbox.run(args);
    let folder = sandbox.path().to_string_lossy().into_owned();
    let output = without_digests(&ran.all().replace(&folder, "FOLDER"));
    let text = format!(
        "$ tenantry {}\n{output}[exit code {}]\n",
        args.join(" "),
        ran.code
    );

    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(PathBuf::from("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn render_says_what_it_wrote() {
    assert_says(&example(), "render", &["render"]);
}

#[test]
fn status_shows_each_tenant() {
    let sandbox = example();
    sandbox.run(&["render"]).code(0);
    assert_says(&sandbox, "status", &["status"]);
}

#[test]
fn show_explains_a_tenant() {
    assert_says(&example(), "show", &["show", "payments"]);
}

#[test]
fn prove_shows_each_plane() {
    assert_says(&example(), "prove", &["prove"]);
}

#[test]
fn can_says_why() {
    let args = [
        "can",
        "group:acme:payments-devs",
        "get",
        "secrets",
        "-n",
        "payments",
    ];
    assert_says(&example(), "can", &args);
}

#[test]
fn reach_says_why() {
    assert_says(&example(), "reach", &["reach", "payments", "ledger"]);
}

#[test]
fn diff_shows_a_change() {
    let sandbox = example();
    sandbox.git(&["init", "-q"]).code(0);
    sandbox.git(&["add", "-A"]).code(0);
    sandbox.git(&["commit", "-qm", "fleet"]).code(0);
    let text = sandbox.read("tenants/search.yaml");
    sandbox.write(
        "tenants/search.yaml",
        text.replace("name: search", "name: find"),
    );
    assert_says(&sandbox, "diff", &["diff", "HEAD"]);
}

#[test]
fn check_points_at_each_fault() {
    assert_says(&copy_of("fixtures/output/faults"), "check", &["check"]);
}

#[test]
fn prove_shows_the_chain_of_a_hole() {
    let sandbox = example();
    let hole = fs::read(root().join("fixtures/output/hole.yaml")).expect("a file");
    sandbox.write("hole.yaml", hole);

    assert_says(&sandbox, "prove-hole", &["prove", "--also", "hole.yaml"]);
}

#[test]
fn explain_describes_a_rule() {
    assert_says(
        &Sandbox::new(),
        "explain-rule",
        &["explain", "api/wide-subject"],
    );
}

#[test]
fn explain_describes_a_field() {
    assert_says(
        &Sandbox::new(),
        "explain-field",
        &["explain", "tenant.spec.network.egress"],
    );
}

#[test]
fn an_output_belongs_to_the_format_before_it() {
    let sandbox = two_tenants();
    let both = [
        "--format", "text", "--format", "json", "--output", "out.json",
    ];
    let ran = sandbox.run(&[&["status"], &both[..]].concat()).code(0);
    assert!(ran.out.contains("PHASE"), "{}", ran.out);
    assert!(sandbox.read("out.json").starts_with('{'));

    // Before the command as well as behind it.
    let split = ["--format", "json", "status", "--output", "split.json"];
    let ran = sandbox.run(&split).code(0);
    assert!(ran.out.is_empty(), "{}", ran.out);
    assert!(sandbox.read("split.json").starts_with('{'));

    let ran = sandbox.run(&["status", "--output", "x", "--format", "json"]);
    assert!(ran.code(2).err.contains("belongs to a --format"));

    // A file without a format is the text.
    let ran = sandbox.run(&["status", "--output", "text.txt"]).code(0);
    assert!(ran.out.is_empty(), "{}", ran.out);
    assert!(sandbox.read("text.txt").contains("PHASE"));
}

#[test]
fn each_report_that_is_asked_for_is_written() {
    let sandbox = two_tenants();
    for command in [&["status"][..], &["show", "a"], &["rules"]] {
        let asked = [
            "--format", "json", "--output", "one", "--format", "text", "--output", "two",
        ];
        let ran = sandbox.run(&[command, &asked[..]].concat()).code(0);
        assert!(ran.out.is_empty(), "{}", ran.out);

        let (one, two) = (sandbox.read("one"), sandbox.read("two"));
        let is_json = |text: &str| text.starts_with('{') || text.starts_with('[');
        assert!(is_json(&one) && !is_json(&two), "{command:?}: {one}{two}");
        fs::remove_file(sandbox.path().join("two")).expect("removed");
    }
}

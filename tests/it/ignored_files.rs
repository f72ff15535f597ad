//! Files that Flux leaves out of its source: `.sourceignore` as Flux reads it, and what it hides of a tree.

use crate::support::{Dice, FLEET, Sandbox, pipe, seed, tenant, tool, two_tenants};
use serde_json::json;
use std::process::Command;
use tenantry::delivery::{Engine, IgnorePatterns, conventions};
use tenantry::source::{Source, SourceId};

const FOLDERS: [&str; 4] = ["", "rendered", "rendered/prod", "clusters/prod"];

const PATHS: [&str; 9] = [
    "rendered/prod/tenants/a/a.yaml",
    "rendered/prod/entry/tenant-a.yaml",
    "rendered/x.yaml",
    "clusters/prod/tenantry.yaml",
    "prod/rendered/prod/a.yaml",
    "a/cloudbuild.yaml",
    "a/.github/b.yaml",
    "a",
    ".sops.yaml",
];

/// Names of paths, and patterns of some.
const NAMES: [&str; 33] = [
    "rendered",
    "prod",
    "tenants",
    "a",
    "a.yaml",
    "x.yaml",
    "clusters",
    "*",
    "**",
    "?",
    "*.yaml",
    "r*d",
    "re?dered",
    "[a-p]*",
    "[^a]*",
    "[!a]*",
    "[]a]",
    "[a",
    "a[",
    "[a-",
    "[-a]",
    "[a-]*",
    "\\a",
    "a\\",
    "**a",
    "a**",
    "",
    " ",
    "#",
    "!",
    "[\\]a]*",
    "*a*l",
    "tenant-a.yaml",
];

/// A line of some file.
fn line(dice: &mut Dice) -> String {
    let count = dice.of(&[1, 1, 2, 2, 3, 4]);
    let parts: Vec<&str> = (0..*count).map(|_| *dice.of(&NAMES)).collect();
    let before = dice.of(&["", "", "", "/", "!", "!/", "#", " "]);
    let after = dice.of(&["", "", "", "/", "/*", "/**", " ", "\\ ", "\r"]);
    format!("{before}{}{after}", parts.join("/"))
}

#[test]
fn patterns_hide_what_flux_leaves_out() {
    let seed = seed();
    let mut dice = Dice(seed);
    let flux = conventions(Engine::Flux);
    let mut input = String::new();
    let mut expected = Vec::new();

    for _ in 0..20_000 {
        let mut files = Vec::new();
        for folder in FOLDERS {
            if *dice.of(&[true, false, false]) {
                let lines: Vec<String> = (0..*dice.of(&[0, 1, 2, 3]))
                    .map(|_| line(&mut dice))
                    .collect();
                files.push((folder, lines.join("\n")));
            }
        }
        let asked: Vec<_> = files
            .iter()
            .map(|(folder, text)| json!({"Folder": folder, "Text": text}))
            .collect();
        input.push_str(&format!("{}\n", json!({"Files": asked, "Paths": PATHS})));

        let texts: Vec<Source> = files
            .iter()
            .map(|(folder, text)| {
                let slash = if folder.is_empty() { "" } else { "/" };
                Source::new(format!("{folder}{slash}.sourceignore"), text)
            })
            .collect();
        let texts: Vec<(SourceId, &Source)> =
            texts.iter().map(|text| (SourceId(0), text)).collect();
        let patterns = IgnorePatterns::new(flux.left_out, flux.left_out_otherwise, &texts);
        let hidden: Vec<bool> = PATHS
            .iter()
            .map(|path| patterns.hides(path).is_some())
            .collect();
        expected.push((files, hidden));
    }

    let ran = pipe(&mut Command::new(tool("sourceignore")), &input).code(0);
    assert_eq!(ran.out.lines().count(), expected.len());
    let mut both = [0, 0];
    for (line, (files, hidden)) in ran.out.lines().zip(&expected) {
        let of_flux: Vec<bool> = serde_json::from_str(line).expect("a list");
        assert_eq!(
            *hidden, of_flux,
            "TENANTRY_SEED={seed}: {files:?}, of {PATHS:?}"
        );
        hidden
            .iter()
            .for_each(|hidden| both[usize::from(*hidden)] += 1);
    }
    assert!(both[0] > 10_000 && both[1] > 10_000, "{both:?}");
}

/// Each folder above the tree and the entry file, and patterns that hide something of them.
#[test]
fn a_pattern_that_hides_a_file_of_the_tree_is_an_error() {
    let sandbox = two_tenants();
    sandbox.run(&["render"]).code(0);
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-qm", "x"]] {
        sandbox.git(args).code(0);
    }
    let runs: [&[&str]; 3] = [
        &["render"],
        &["render", "--check"],
        &["render", "--check", "--since", "HEAD"],
    ];
    let hiding = [
        ("", "*.yaml\n"),
        ("", "rendered/\n"),
        ("", "/rendered/prod/tenants/b/\n"),
        ("", "!rendered/prod/tenants/b/b.yaml\nrendered/\n"),
        ("rendered/", "b.yaml\n"),
        ("rendered/", "*\n"),
        ("clusters/", "prod\n"),
        ("clusters/prod/", "tenantry.yaml\n"),
    ];
    for (folder, text) in hiding {
        let path = format!("{folder}.sourceignore");
        sandbox.write(&path, text);
        for run in runs {
            let ran = sandbox.run(run).code(1);
            let says = ran.all();
            assert!(
                says.contains("error[gitops/hidden-file]"),
                "{path}: {text}: {says}"
            );
            assert!(says.contains(&format!("{path}:")), "{path}: {text}: {says}");
        }
        std::fs::remove_file(sandbox.path().join(&path)).expect("removed");
    }

    for text in [
        "",
        "# all\n",
        "/*\n!/clusters\n!/rendered\n",
        "docs/\n*.md\n",
        "b\n!rendered/**\n",
    ] {
        sandbox.write(".sourceignore", text);
        for run in runs {
            let ran = sandbox.run(run);
            assert_eq!(ran.code, 0, "{text}: {}", ran.all());
        }
    }

    std::fs::remove_file(sandbox.path().join(".sourceignore")).expect("removed");
    std::os::unix::fs::symlink("tenants/a.yaml", sandbox.path().join(".sourceignore"))
        .expect("a link");
    let ran = sandbox.run(&["render", "--check"]).code(1);
    assert!(ran.out.contains("is a link or a folder"), "{}", ran.out);
}

/// Without patterns, Flux leaves out the files of some CI systems. A tenant of such a name is held; the
/// others are rendered.
#[test]
fn a_tenant_whose_file_flux_leaves_out_is_an_error() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("cloudbuild", "")),
        ("tenants/b.yaml", &tenant("b", "")),
    ]);
    let says = "Flux leaves out rendered/prod/tenants/cloudbuild/cloudbuild.yaml";
    for command in ["check", "render"] {
        let all = sandbox.run(&[command]).code(1).all();
        assert_eq!(all.matches(says).count(), 1, "{all}");
        assert_eq!(all.matches("error[").count(), 1, "{all}");
    }
    let rendered = |name: &str| {
        let path = format!("rendered/prod/tenants/{name}/{name}.yaml");
        sandbox.path().join(path).exists()
    };
    assert!(rendered("b") && !rendered("cloudbuild"));
    let shown = sandbox.run(&["render", "--check"]).code(1);
    assert_eq!(shown.all().matches("error[").count(), 1, "{}", shown.all());

    // Once a file has patterns, those of Flux do not hold.
    sandbox.write(".sourceignore", "!rendered/**\n");
    sandbox.run(&["check"]).code(0);
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["render", "--check"]).code(0);
    assert!(rendered("cloudbuild"));

    // A tenant that is rendered already stays as it is.
    std::fs::remove_file(sandbox.path().join(".sourceignore")).expect("removed");
    let ran = sandbox.run(&["render"]).code(1);
    assert_eq!(ran.all().matches("error[").count(), 1, "{}", ran.all());
    assert!(rendered("cloudbuild"));
}

/// A tree in a folder that Flux leaves out is a fault of the fleet, and of no tenant.
#[test]
fn a_tree_that_flux_leaves_out_is_a_fault_of_the_fleet() {
    let sandbox = two_tenants();
    sandbox.git(&["init", "-q"]).code(0);
    let ran = sandbox
        .run(&["render", "--tree", ".github/rendered"])
        .code(1);
    let says = "Flux does not read the folder .github, which holds 7 files of the tree";
    assert!(ran.err.contains(says), "{}", ran.err);
    assert_eq!(ran.err.matches("error[").count(), 1, "{}", ran.err);
    let file = ".github/rendered/prod/tenants/a/a.yaml";
    assert!(sandbox.path().join(file).exists(), "{}", ran.err);
}

//! Names the commit that the program is built from, for `tenantry --version`.
//!
//! `TENANTRY_COMMIT` is ` (HASH DATE)`: ten digits of the commit and the day of the commit, both
//! the same in every build of it. It is empty where the package is not a Git work tree of its own,
//! as in a package of crates.io, and in a development build.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A development build names no commit: it would be compiled anew after each one.
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = if release { commit() } else { None };
    println!(
        "cargo::rustc-env=TENANTRY_COMMIT={}",
        commit.unwrap_or_default()
    );
}

/// Returns ` (HASH DATE)`, and has Cargo run this again when another commit is checked out.
pub fn commit() -> Option<String> {
    // Cargo runs a build script in the folder of its package.
    let root = Path::new(".").canonicalize().ok()?;
    let top = git(&["rev-parse", "--show-toplevel"])?;
    // A package that lies within somebody else's repository is not of its commit.
    if Path::new(&top).canonicalize().ok()? != root {
        return None;
    }

    // A commit moves the branch's file, or its line in packed-refs. Cargo runs a build script each
    // time if a file that it names is missing.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let names = ["HEAD", "logs/HEAD", "packed-refs"];
    for name in names.into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).is_file() {
            println!("cargo::rerun-if-changed={path}");
        }
    }

    let shown = git(&[
        "-c",
        "log.showSignature=false",
        "log",
        "-1",
        "--format=%H %cs",
    ])?;
    let (hash, date) = shown.split_once(' ')?;
    Some(format!(" ({} {date})", hash.get(..10)?))
}

/// Returns the line that a Git command prints, if it succeeds. The variables that a Git hook sets
/// name another repository.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(args)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| line.trim().to_owned())
}

//! A number that tells builds apart: over the sources and what they are built with. (The versions
//! that Cargo chooses without a lock are not known here: the cache looks at the program's file
//! too.)

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let mut files: Vec<PathBuf> = ["Cargo.toml", "Cargo.lock", "build.rs"]
        .iter()
        .map(PathBuf::from)
        .collect();
    for folder in ["src", "templates"] {
        println!("cargo::rerun-if-changed={folder}");
        list(Path::new(folder), &mut files);
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
        file.hash(&mut hasher);
        // A package that is built by itself may have no lock.
        std::fs::read(file).unwrap_or_default().hash(&mut hasher);
    }
    let of_cargo = |name: &str| {
        name.starts_with("CARGO_FEATURE_")
            || ["CARGO_ENCODED_RUSTFLAGS", "OPT_LEVEL", "PROFILE", "TARGET"].contains(&name)
    };
    let mut settings: Vec<_> = std::env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(of_cargo))
        .collect();
    settings.sort();
    settings.hash(&mut hasher);
    println!("cargo::rustc-env=TENANTRY_BUILD={:016x}", hasher.finish());
}

fn list(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("a folder of the package");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            list(&path, out)
        } else {
            out.push(path)
        }
    }
}

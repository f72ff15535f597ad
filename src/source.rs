//! Bytes → texts: what is no text, or too large, or not ours to read, is refused here.

pub use crate::span::{LineColumn, Source, SourceId, SourceMap, Span};

use crate::diagnostic::{Diagnostic, Scope, rule};

/// Largest file that is read as YAML, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Largest file of manifests beside a fleet, in bytes: what kustomize builds of a whole cluster.
pub const MAX_MANIFEST_BYTES: usize = 64 << 20;

rule! {
    /// A file is not UTF-8.
    ///
    /// ## Why it matters
    /// YAML readers disagree on other encodings: what one reads as a name, another refuses or reads
    /// otherwise.
    /// ## Fix
    /// Convert it: `iconv -f latin1 -t utf-8 FILE`.
    pub static NOT_UTF8 = "source/not-utf8", Error;
}
rule! {
    /// A file is larger than 1 MiB.
    ///
    /// ## Why it matters
    /// A tenant is a page of text. A file of this size is a mistake or an attack on the machine
    /// that runs the check.
    /// ## Fix
    /// Split it, or move it out of the tenants folder.
    pub static TOO_LARGE = "source/too-large", Error;
}
rule! {
    /// A file cannot be read.
    ///
    /// ## Why it matters
    /// A tenant in it would silently be missing from every verdict. Its last rendered files are
    /// held instead.
    /// ## Fix
    /// Give the user who runs tenantry the right to read it, or remove it.
    pub static UNREADABLE = "source/unreadable", Error;
}
rule! {
    /// A path, or a symbolic link on it, leads out of the repository.
    ///
    /// ## Why it matters
    /// What is outside is not reviewed and differs from machine to machine. A link to `/etc/shadow`
    /// would be copied into a committed tree.
    /// ## Fix
    /// Copy the file into the repository and name it by a relative path without `..` that leaves
    /// it.
    pub static OUTSIDE_ROOT = "source/outside-root", Error;
}

rule! {
    /// A file looks like a part of the fleet, and is not read.
    ///
    /// ## What it finds
    /// In the tenants folder and in the templates folder: files with documents of tenantry below a
    /// folder called `target` or `node_modules`, or with the ending `.json` or `.YAML`; and links to
    /// folders with such files, or out of the repository.
    /// ## Why it matters
    /// A tenant in it is silently missing from every verdict.
    /// ## Fix
    /// Move the file, or copy the linked folder, to where it is read; or remove it.
    pub static PASSED_OVER = "source/passed-over", Warning;
}

/// Adds bytes as they were read, with the fault that keeps them from being a text.
///
/// A fault belongs to the file: the tenants that the lock remembers from it are held.
pub fn add_bytes(
    sources: &mut SourceMap,
    path: &str,
    bytes: Vec<u8>,
) -> (SourceId, Option<Diagnostic>) {
    let size = bytes.len();
    if size > MAX_BYTES {
        let id = sources.add(Source::new(path, ""));
        let message = format!("{path} has {size} bytes; at most {MAX_BYTES} are read");
        return (
            id,
            Some(Diagnostic::new(&TOO_LARGE, Span::file(id), message).scope(Scope::File(id))),
        );
    }

    match String::from_utf8(bytes) {
        Ok(text) => (sources.add(Source::new(path, text)), None),
        Err(fault) => {
            let at = fault.utf8_error().valid_up_to();
            let bytes = fault.into_bytes();
            let good = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let message = format!("{path} is not UTF-8: byte {at} is 0x{:02x}", bytes[at]);
            let id = sources.add(Source::new(path, good));
            let span = Span {
                source: id,
                start: at as u32,
                end: at as u32,
            };
            (
                id,
                Some(Diagnostic::new(&NOT_UTF8, span, message).scope(Scope::File(id))),
            )
        }
    }
}

/// Joins a relative path to the folder of `from`, and resolves `.` and `..`.
///
/// `None` when the result would leave the root, or when `path` is absolute.
pub fn join(from_dir: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = from_dir
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();

    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }

    Some(parts.join("/"))
}

/// The folder of a path: everything before the last `/`, or nothing.
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn join_never_leaves_the_root() {
        assert_eq!(join("tenants", "../a.yaml").as_deref(), Some("a.yaml"));
        assert_eq!(join("tenants", "../../a.yaml"), None);
        assert_eq!(join("tenants", "/etc/passwd"), None);
        assert_eq!(join("", "./x/./y").as_deref(), Some("x/y"));
    }
}

//! Reads a file as a whole, up to a limit. Every file that the program reads as a whole is read here,
//! but for those in the list of `tests/it/bounded_reads.rs`.
//!
//! The limits of specs and manifests are the library's, in [`tenantry::source`].

use std::fs::{File, FileType};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The most bytes of the lock.
pub const MAX_LOCK: u64 = 16 << 20;

/// The most bytes of a snapshot.
pub const MAX_SNAPSHOT: u64 = 1 << 30;

/// The most bytes of a file with a credential. Tokens and certificates have some KiB.
#[cfg(feature = "cluster")]
pub const MAX_CREDENTIAL_FILE: u64 = 1 << 20;

/// The most bytes of a kubeconfig. One with a thousand contexts has some MiB.
#[cfg(feature = "cluster")]
pub const MAX_KUBECONFIG: u64 = 16 << 20;

/// The most bytes of a report that is read again: a baseline, or an inventory.
pub const MAX_REPORT: u64 = 256 << 20;

/// The most bytes of a file of the tree. What one tenant renders is bounded far below.
pub const MAX_RENDERED: u64 = 256 << 20;

/// Reads a file, or a pipe that was given to this process as `/dev/fd/N`.
///
/// # Errors
/// The file has more bytes than the limit, cannot be read, or is a folder, a device, a socket or a
/// named pipe.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    // The size may be wrong: files of /proc have none, and a file may grow.
    let meta = std::fs::metadata(path)?;
    if meta.is_file() && meta.len() > limit {
        return Err(too_large(limit));
    }

    let (bytes, is_whole) = read_head(path, limit)?;
    if is_whole {
        Ok(bytes)
    } else {
        Err(too_large(limit))
    }
}

/// Reads a text, as [`read`] does.
///
/// # Errors
/// As [`read`], and if the file is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String> {
    String::from_utf8(read(path, limit)?)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Reads the first bytes of a file, and one more than the limit at most. Returns whether the file has
/// no more than the limit too.
///
/// # Errors
/// As [`read`], except that no file is too large.
pub fn read_head(path: &Path, limit: u64) -> Result<(Vec<u8>, bool)> {
    let meta = std::fs::metadata(path)?;
    if let Some(what) = not_a_file(path, meta.file_type()) {
        return Err(Error::other(format!("it is {what}, and not a file")));
    }

    let size = meta.len().min(limit);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;

    let is_whole = bytes.len() as u64 <= limit;
    Ok((bytes, is_whole))
}

/// Reads the standard input; `None` if it has more bytes than the limit.
///
/// # Errors
/// It cannot be read.
pub fn read_standard_input(limit: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;

    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}

/// The error of a file that has more bytes than the limit.
fn too_large(limit: u64) -> Error {
    let limit = match limit >> 20 {
        0 => format!("{limit} bytes"),
        mebibytes => format!("{mebibytes} MiB"),
    };
    Error::new(
        ErrorKind::FileTooLarge,
        format!("it is larger than {limit}, and is not read"),
    )
}

/// Says what a path names, if it is not read: a device has no end, and a named pipe may have no
/// writer. The shell names a pipe that it opened by its descriptor, as in `--snapshot <(kubectl …)`.
pub fn not_a_file(path: &Path, kind: FileType) -> Option<&'static str> {
    let is_descriptor = ["/dev/fd", "/dev/stdin", "/proc/self/fd"]
        .iter()
        .any(|folder| path.starts_with(folder));

    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if is_pipe(kind) {
        (!is_descriptor).then_some("a named pipe")
    } else {
        Some("a device or a socket")
    }
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_: FileType) -> bool {
    false
}

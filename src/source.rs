//! Texts with a line index: what every span points into.
//!
//! A source is a path and the text that stood there. Paths are relative to the repository's root and use `/`; no
//! absolute path enters the pipeline, so that output and messages do not depend on the machine.

use crate::diagnostic::{Diagnostic, Scope, rule};

/// Largest file that is read as YAML, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

rule! {
    /// A file is not UTF-8.
    ///
    /// ## Why it matters
    /// YAML readers disagree on other encodings: what one reads as a name, another refuses or reads otherwise.
    /// ## Fix
    /// Convert it: `iconv -f latin1 -t utf-8 FILE`.
    pub static NOT_UTF8 = "source/not-utf8", Error;
}
rule! {
    /// A file is larger than 1 MiB.
    ///
    /// ## Why it matters
    /// A tenant is a page of text. A file of this size is a mistake or an attack on the machine that runs the check.
    /// ## Fix
    /// Split it, or move it out of the tenants folder.
    pub static TOO_LARGE = "source/too-large", Error;
}
rule! {
    /// A file cannot be read.
    ///
    /// ## Why it matters
    /// A tenant in it would silently be missing from every verdict. Its last rendered files are held instead.
    /// ## Fix
    /// Give the user who runs tenantry the right to read it, or remove it.
    pub static UNREADABLE = "source/unreadable", Error;
}
rule! {
    /// A path, or a symbolic link on it, leads out of the repository.
    ///
    /// ## Why it matters
    /// What is outside is not reviewed and differs from machine to machine. A link to `/etc/shadow` would be copied
    /// into a committed tree.
    /// ## Fix
    /// Copy the file into the repository and name it by a relative path without `..` that leaves it.
    pub static OUTSIDE_ROOT = "source/outside-root", Error;
}

/// Names a [`Source`] of a [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A range of bytes in a source. `0..0` stands for the file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Place {
    /// The file as a whole.
    pub const fn file(source: SourceId) -> Self {
        Self { source, start: 0, end: 0 }
    }
}

/// A path and its text.
#[derive(Debug)]
pub struct Source {
    /// Relative to the repository's root, `/` between parts.
    pub path: String,
    /// The text; empty where it could not be read.
    pub text: String,
    /// Byte offset of each line's start.
    lines: Vec<u32>,
}

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Source {
    /// A source of a text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let mut lines = vec![0];
        let bytes = text.as_bytes();
        for (i, b) in bytes.iter().enumerate() {
            if *b == b'\n' || (*b == b'\r' && bytes.get(i + 1) != Some(&b'\n')) {
                lines.push(i as u32 + 1);
            }
        }
        Self { path: path.into(), text, lines }
    }

    /// The line and column of a byte offset.
    pub fn position(&self, offset: u32) -> LineColumn {
        let line = self.lines.partition_point(|start| *start <= offset).max(1) - 1;
        let start = self.lines[line] as usize;
        let end = self.floor(offset).max(start);
        LineColumn { line: line as u32 + 1, column: self.text[start..end].chars().count() as u32 + 1 }
    }

    /// The text of a line (from 1), without its end.
    pub fn line(&self, line: u32) -> &str {
        let index = line as usize - 1;
        let Some(start) = self.lines.get(index) else {
            return "";
        };
        let end = self.lines.get(index + 1).map_or(self.text.len(), |next| *next as usize);
        self.text[*start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// The byte offset of a line's start (lines from 1).
    pub fn line_start(&self, line: u32) -> u32 {
        self.lines.get(line as usize - 1).copied().unwrap_or(self.text.len() as u32)
    }

    /// How many lines the text has.
    pub fn line_count(&self) -> u32 {
        self.lines.len() as u32
    }

    /// The text of a place; empty where the place lies outside.
    pub fn slice(&self, place: Place) -> &str {
        self.text.get(place.start as usize..place.end as usize).unwrap_or("")
    }

    fn floor(&self, offset: u32) -> usize {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// All texts of a run, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Sources {
    all: Vec<Source>,
}

impl Sources {
    /// Adds a text.
    pub fn add(&mut self, source: Source) -> SourceId {
        self.all.push(source);
        SourceId(self.all.len() as u32 - 1)
    }

    /// Adds bytes as they were read, with the fault that keeps them from being a text.
    ///
    /// A fault belongs to the file: the tenants that the lock remembers from it are held.
    pub fn add_bytes(&mut self, path: &str, bytes: Vec<u8>) -> (SourceId, Option<Diagnostic>) {
        let size = bytes.len();
        if size > MAX_BYTES {
            let id = self.add(Source::new(path, ""));
            let message = format!("{path} has {size} bytes; at most {MAX_BYTES} are read");
            return (id, Some(Diagnostic::new(&TOO_LARGE, Place::file(id), message).scope(Scope::File(id))));
        }
        match String::from_utf8(bytes) {
            Ok(text) => (self.add(Source::new(path, text)), None),
            Err(fault) => {
                let at = fault.utf8_error().valid_up_to();
                let bytes = fault.into_bytes();
                let good = String::from_utf8_lossy(&bytes[..at]).into_owned();
                let message = format!("{path} is not UTF-8: byte {at} is 0x{:02x}", bytes[at]);
                let id = self.add(Source::new(path, good));
                let place = Place { source: id, start: at as u32, end: at as u32 };
                (id, Some(Diagnostic::new(&NOT_UTF8, place, message).scope(Scope::File(id))))
            }
        }
    }

    /// Adds a path without a text: for a fault that concerns a file as a whole.
    pub fn add_path(&mut self, path: &str) -> Place {
        Place::file(self.add(Source::new(path, "")))
    }

    /// The source of an id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The path of the source that a place lies in.
    pub fn path(&self, place: Place) -> &str {
        &self.get(place.source).path
    }

    /// `path:line:column` of a place; the path alone for a file as a whole without a text.
    pub fn locate(&self, place: Place) -> String {
        let source = self.get(place.source);
        let at = source.position(place.start);
        format!("{}:{}:{}", source.path, at.line, at.column)
    }

    /// Every source with its id.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.all.iter().enumerate().map(|(i, s)| (SourceId(i as u32), s))
    }
}

/// Joins a relative path to the folder of `from`, and resolves `.` and `..`.
///
/// `None` when the result would leave the root, or when `path` is absolute.
pub fn join(from_dir: &str, path: &str) -> Option<String> {
    if path.starts_with('/') || path.contains('\\') {
        return None;
    }
    let mut parts: Vec<&str> = from_dir.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
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
    fn positions_count_characters() {
        let source = Source::new("a", "é: 日本\r\nb: c\rd");
        assert_eq!(source.position(4), LineColumn { line: 1, column: 4 });
        assert_eq!(source.position(12), LineColumn { line: 2, column: 1 });
        assert_eq!(source.line(2), "b: c");
        assert_eq!(source.line(3), "d");
    }

    #[test]
    fn join_never_leaves_the_root() {
        assert_eq!(join("tenants", "../a.yaml").as_deref(), Some("a.yaml"));
        assert_eq!(join("tenants", "../../a.yaml"), None);
        assert_eq!(join("tenants", "/etc/passwd"), None);
        assert_eq!(join("", "./x/./y").as_deref(), Some("x/y"));
    }
}

//! Texts with a line index, and places in them: what every span points into.
//!
//! A source is a path and the text that stood there. Paths are relative to the repository's root
//! and use `/`; no absolute path enters the pipeline, so that output and messages do not depend on
//! the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// Names a [`Source`] of a [`SourceMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// A range of bytes in a source. `0..0` stands for the file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The file as a whole.
    pub const fn file(source: SourceId) -> Self {
        Self {
            source,
            start: 0,
            end: 0,
        }
    }
}

/// A path and its text.
#[derive(Debug)]
pub struct Source {
    /// Relative to the repository's root, `/` between parts.
    pub path: String,
    /// The text; empty where it could not be read.
    pub text: String,
    /// Set for a text that is part of tenantry, as `profile restricted (built in)`. The user has no
    /// such file: no output names its path.
    pub built_in: Option<String>,
    /// The byte offset of the start of each line, computed at first use. Most texts need none.
    lines: OnceLock<Vec<u32>>,
    /// The number of characters before each block of [`BLOCK`] bytes, computed at first use.
    characters: OnceLock<Vec<u32>>,
}

/// How many bytes are counted at most to tell a column: a file may be one line.
const BLOCK: usize = 1024;

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
        Self {
            path: path.into(),
            text: text.into(),
            built_in: None,
            lines: OnceLock::new(),
            characters: OnceLock::new(),
        }
    }

    /// A text that is part of tenantry; `name` is what output calls it.
    pub fn built_in(path: &str, text: &str, name: impl Into<String>) -> Self {
        Self {
            built_in: Some(name.into()),
            ..Self::new(path, text)
        }
    }

    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let ends = bytes.iter().enumerate();
            let ends = ends.filter(|(at, byte)| {
                **byte == b'\n' || (**byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'))
            });
            std::iter::once(0)
                .chain(ends.map(|(at, _)| at as u32 + 1))
                .collect()
        })
    }

    /// The line and column of a byte offset.
    pub fn position(&self, offset: u32) -> LineColumn {
        let lines = self.lines();
        let line = lines.partition_point(|start| *start <= offset).max(1) - 1;
        let start = lines[line] as usize;
        let end = self.floor(offset).max(start);
        let column = match end - start > BLOCK {
            true => self.characters_before(end) - self.characters_before(start),
            false => count_characters(&self.text.as_bytes()[start..end]),
        };
        LineColumn {
            line: line as u32 + 1,
            column: column + 1,
        }
    }

    /// The number of characters that start before a byte.
    fn characters_before(&self, end: usize) -> u32 {
        let bytes = self.text.as_bytes();
        let before = self.characters.get_or_init(|| {
            let mut sum = 0;
            let add = |block| {
                let before = sum;
                sum += count_characters(block);
                before
            };
            // The empty block is that of the end of the text.
            let blocks = bytes.chunks(BLOCK).chain([&[][..]]);
            blocks.map(add).collect()
        });
        let block = end / BLOCK;
        before[block] + count_characters(&bytes[block * BLOCK..end])
    }

    /// The text of a line (from 1), without its end.
    pub fn line(&self, line: u32) -> &str {
        let index = line as usize - 1;
        let lines = self.lines();
        let Some(start) = lines.get(index) else {
            return "";
        };
        let end = lines
            .get(index + 1)
            .map_or(self.text.len(), |next| *next as usize);
        self.text[*start as usize..end].trim_end_matches(['\n', '\r'])
    }

    /// The byte offset of a line's start (lines from 1).
    pub fn line_start(&self, line: u32) -> u32 {
        self.lines()
            .get(line as usize - 1)
            .copied()
            .unwrap_or(self.text.len() as u32)
    }

    /// The number of lines of the text.
    pub fn line_count(&self) -> u32 {
        self.lines().len() as u32
    }

    /// The text of a place; empty where the place lies outside.
    pub fn slice(&self, span: Span) -> &str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    fn floor(&self, offset: u32) -> usize {
        let mut at = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

/// The number of characters that start in some bytes of UTF-8.
fn count_characters(bytes: &[u8]) -> u32 {
    let is_start = |byte: &&u8| **byte & 0xc0 != 0x80;
    bytes.iter().filter(is_start).count() as u32
}

/// All texts of a run, in the order in which they were added.
#[derive(Debug, Default)]
pub struct SourceMap {
    all: Vec<Source>,
}

impl SourceMap {
    /// Makes room for as many texts more.
    pub fn reserve(&mut self, more: usize) {
        self.all.reserve(more);
    }

    /// Adds a text.
    pub fn add(&mut self, source: Source) -> SourceId {
        self.all.push(source);
        SourceId(self.all.len() as u32 - 1)
    }

    /// Finds the texts of another run in this one: the id here of each. A text that is not here is
    /// added, once.
    pub fn add_missing(
        &mut self,
        others: &Self,
        ids: &BTreeSet<SourceId>,
    ) -> BTreeMap<SourceId, SourceId> {
        let paths: BTreeSet<&str> = ids.iter().map(|id| others.get(*id).path.as_str()).collect();
        let mut here: BTreeMap<&str, Vec<SourceId>> = BTreeMap::new();
        for (id, source) in self.iter() {
            if let Some(path) = paths.get(source.path.as_str()) {
                here.entry(*path).or_default().push(id);
            }
        }

        let mut found = BTreeMap::new();
        for id in ids {
            let other = others.get(*id);
            let known = here.entry(other.path.as_str()).or_default();
            let same = known.iter().find(|known| {
                let source = self.get(**known);
                source.text == other.text && source.built_in == other.built_in
            });
            let new = match same {
                Some(same) => *same,
                None => {
                    let added = self.add(Source {
                        built_in: other.built_in.clone(),
                        ..Source::new(other.path.as_str(), other.text.as_str())
                    });
                    known.push(added);
                    added
                }
            };
            found.insert(*id, new);
        }
        found
    }

    /// Adds a path without a text: for a fault that concerns a file as a whole.
    pub fn add_path(&mut self, path: &str) -> Span {
        Span::file(self.add(Source::new(path, "")))
    }

    /// The source of an id.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.all[id.0 as usize]
    }

    /// The user's file that a span lies in: every output takes its paths from here.
    ///
    /// A span in a built-in text is a bug of the stage that made it: there, a span in a file of
    /// the user stands for the built-in value. A debug build panics.
    pub fn file(&self, span: Span) -> &Source {
        let source = self.get(span.source);
        debug_assert!(
            source.built_in.is_none(),
            "a place in {}, which the user does not have",
            source.path
        );
        source
    }

    /// The path of the user's file that a span lies in.
    pub fn path(&self, span: Span) -> &str {
        &self.file(span).path
    }

    /// `path:line:column` of a span in a file of the user.
    pub fn locate(&self, span: Span) -> String {
        let source = self.file(span);
        let at = source.position(span.start);
        format!("{}:{}:{}", source.path, at.line, at.column)
    }

    /// The place of a span: [`SourceMap::locate`], or the path alone if the file has no text, as a
    /// cluster has none.
    pub fn place(&self, span: Span) -> String {
        match self.file(span).text.is_empty() {
            true => self.path(span).to_owned(),
            false => self.locate(span),
        }
    }

    /// Where a value comes from: [`SourceMap::locate`], or the name of a built-in text.
    pub fn origin(&self, span: Span) -> String {
        match &self.get(span.source).built_in {
            Some(name) => name.clone(),
            None => self.locate(span),
        }
    }

    /// Every source with its id.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.all
            .iter()
            .enumerate()
            .map(|(at, source)| (SourceId(at as u32), source))
    }
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
    fn columns_of_a_long_line_count_characters() {
        for first in ["", "x", "short\n"] {
            let text = format!("{first}{}", "日é€x".repeat(1000));
            let source = Source::new("a", text.as_str());
            let line = text.rsplit('\n').next().unwrap_or_default();
            let start = text.len() - line.len();
            for (column, (at, _)) in line.char_indices().enumerate() {
                let found = source.position((start + at) as u32);
                assert_eq!(found.column, column as u32 + 1, "{first:?} {at}");
            }
            let end = source.position(text.len() as u32);
            assert_eq!(end.column, line.chars().count() as u32 + 1);
        }
    }
}

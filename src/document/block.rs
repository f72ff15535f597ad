//! The events of files in plain block style, which most are, at a tenth of the library's cost.
//!
//! It reads a part of YAML 1.2.2 that leaves nothing to decide: block mappings with bare keys,
//! block lists, flow collections on one line, scalars on one line that are plain or quoted without
//! an escape, literal blocks, comments. Whatever else a text holds, a fault included, is the
//! library's: the whole text is then read by it. Where both read a text, their events and places
//! are the same (`tests::both_readers_see_the_same`).

use granit_parser::ScalarStyle;
use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting that is read here.
const MAX_DEPTH: usize = 32;
/// Longest key that is read here, in bytes: YAML ends implicit keys at 1,024 characters.
const MAX_KEY: usize = 1_000;

/// An event, and the bytes it stands at.
#[derive(Debug, PartialEq)]
pub(super) enum Event<'t> {
    /// A document begins: whether a marker says so.
    Document(bool),
    /// It ends.
    DocumentEnd,
    /// A block or flow mapping begins.
    Map,
    /// A list begins.
    Seq,
    /// The innermost collection ends.
    End,
    /// A scalar; `~` where nothing stands.
    Scalar(Cow<'t, str>, ScalarStyle),
}

pub(super) type Spanned<'t> = (Event<'t>, Range<usize>);

/// The events of a text; nothing where the text is not plain block style throughout.
pub(super) fn events(text: &str) -> Option<Vec<Spanned<'_>>> {
    let bytes = text.as_bytes();
    let plain = |b: &u8| matches!(b, b'\n' | b' '..=b'~');
    // Without a way out in between, this is done many bytes at once.
    if !bytes.iter().fold(true, |all, b| all & plain(b)) && !printable(text) {
        return None;
    }
    // A line is a key and its value, more or less.
    let mut scan = Scan {
        text,
        bytes,
        line: 0,
        at: 0,
        depth: 0,
        events: Vec::with_capacity(bytes.len() / 12 + 8),
    };
    scan.next_line(0);
    scan.stream()?;
    Some(scan.events)
}

/// Whether a text that is not all ASCII has only characters that no reader treats as something
/// else.
fn printable(text: &str) -> bool {
    text.chars().all(|c| {
        matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
            && !matches!(c, '\u{2028}' | '\u{2029}')
    })
}

/// Whether a byte may stand in a bare key.
static IN_KEY: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let b = at as u8;
        table[at] = b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
        at += 1;
    }
    table
};

struct Scan<'t> {
    text: &'t str,
    bytes: &'t [u8],
    /// Where the line begins that is read.
    line: usize,
    /// The next byte that is no space; the text's length at its end.
    at: usize,
    depth: usize,
    events: Vec<Spanned<'t>>,
}

impl<'t> Scan<'t> {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(b'\n')
    }

    fn column(&self) -> usize {
        self.at - self.line
    }

    fn over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn emit(&mut self, event: Event<'t>, range: Range<usize>) {
        self.events.push((event, range));
    }

    /// The end of the line that a byte is in.
    fn line_end(&self, at: usize) -> usize {
        memchr::memchr(b'\n', &self.bytes[at..]).map_or(self.bytes.len(), |n| at + n)
    }

    /// Goes to the next line, from a line's start, that holds more than a comment.
    fn next_line(&mut self, mut start: usize) {
        loop {
            let at = self.skip_spaces(start);
            if at >= self.bytes.len() {
                // Nothing follows; no line is less indented.
                (self.line, self.at) = (self.bytes.len(), self.bytes.len());
                return;
            }
            match self.bytes[at] {
                b'\n' => start = at + 1,
                b'#' => start = self.line_end(at) + 1,
                _ => {
                    (self.line, self.at) = (start, at);
                    return;
                }
            }
        }
    }

    /// Goes on behind a value, where nothing but a comment may follow on its line.
    fn finish_line(&mut self, at: usize) -> Option<()> {
        let rest = self.skip_spaces(at);
        let comment = self.byte(rest) == b'#' && rest > at;
        if self.byte(rest) != b'\n' && !comment {
            return None;
        }
        self.next_line(self.line_end(rest) + 1);
        Some(())
    }

    fn skip_spaces(&self, mut at: usize) -> usize {
        while at < self.bytes.len() && self.bytes[at] == b' ' {
            at += 1;
        }
        at
    }

    /// Whether a document's marker stands here, or what looks like one.
    fn marker(&self) -> bool {
        self.at == self.line
            && [b"---", b"..."]
                .iter()
                .any(|mark| self.bytes[self.at..].starts_with(*mark))
    }

    fn stream(&mut self) -> Option<()> {
        let mut first = true;
        while !self.over() {
            let explicit = self.marker();
            if explicit {
                let end = self.at + 3;
                if self.bytes[self.at] != b'-' || self.byte(end) != b'\n' {
                    return None;
                }
                self.emit(Event::Document(true), self.at..end);
                self.next_line(end + 1);
                if self.over() || self.marker() {
                    return None;
                }
            } else if first {
                self.emit(Event::Document(false), self.at..self.at);
            } else {
                return None;
            }
            first = false;
            self.block()?;
            if !self.over() && !self.marker() {
                return None;
            }
            self.emit(Event::DocumentEnd, self.at..self.at);
        }
        (!first).then_some(())
    }

    /// A block collection that begins here.
    fn block(&mut self) -> Option<()> {
        if self.dash(self.at) {
            self.deeper(|scan| scan.list(false))
        } else {
            self.block_mapping(self.key()?)
        }
    }

    /// A block mapping whose first key begins here, and ends where it is said.
    fn block_mapping(&mut self, colon: usize) -> Option<()> {
        self.deeper(|scan| scan.mapping(colon))
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        read(self)?;
        self.depth -= 1;
        Some(())
    }

    /// Whether an item of a block list begins at a byte.
    fn dash(&self, at: usize) -> bool {
        self.byte(at) == b'-' && matches!(self.byte(at + 1), b' ' | b'\n')
    }

    /// The end of the bare key that begins here, where one does.
    fn key(&self) -> Option<usize> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|b| !IN_KEY[usize::from(*b)])?;
        let bare = rest[length] == b':'
            && (1..=MAX_KEY).contains(&length)
            && rest[0] != b'-'
            && rest[0] != b'.';
        (bare && matches!(self.byte(self.at + length + 1), b' ' | b'\n'))
            .then_some(self.at + length)
    }

    /// A mapping whose first key ends at `colon`.
    fn mapping(&mut self, mut colon: usize) -> Option<()> {
        let column = self.column();
        self.emit(Event::Map, self.at..self.at);
        loop {
            self.emit(
                Event::Scalar(
                    Cow::Borrowed(&self.text[self.at..colon]),
                    ScalarStyle::Plain,
                ),
                self.at..colon,
            );
            let value = self.skip_spaces(colon + 1);
            if matches!(self.byte(value), b'\n' | b'#') {
                self.finish_line(colon + 1)?;
                if !self.over() && self.column() > column {
                    self.block()?;
                } else if !self.over() && self.column() == column && self.dash(self.at) {
                    self.depth += 1;
                    self.list(true)?;
                    self.depth -= 1;
                } else {
                    self.nothing(colon);
                }
            } else {
                self.inline(value, column)?;
            }
            if self.over() || self.column() < column || (column == 0 && self.marker()) {
                break;
            }
            if self.column() > column {
                return None;
            }
            colon = self.key()?;
        }
        self.emit(Event::End, self.at..self.at);
        Some(())
    }

    /// A list. `level` says that it is no deeper than the mapping it is a value in.
    fn list(&mut self, level: bool) -> Option<()> {
        let column = self.column();
        let begin = if level {
            self.skip_spaces(self.at + 1)
        } else {
            self.at
        };
        if level && matches!(self.byte(begin), b'\n' | b'#') {
            return None;
        }
        self.emit(Event::Seq, begin..begin);
        loop {
            let after = self.at + 1;
            let value = self.skip_spaces(after);
            if matches!(self.byte(value), b'\n' | b'#') {
                self.finish_line(after)?;
                if !self.over() && self.column() > column {
                    self.block()?;
                } else if value == after {
                    self.nothing(after);
                } else {
                    return None;
                }
            } else {
                self.at = value;
                if self.dash(value) {
                    self.deeper(|scan| scan.list(false))?;
                } else if let Some(colon) = self.key() {
                    self.block_mapping(colon)?;
                } else {
                    self.inline(value, column)?;
                }
            }
            if self.over() || self.column() < column {
                break;
            }
            if self.column() > column {
                return None;
            }
            if !self.dash(self.at) {
                if level || self.marker() {
                    break;
                }
                return None;
            }
        }
        self.emit(Event::End, self.at..self.at);
        Some(())
    }

    fn nothing(&mut self, at: usize) {
        self.emit(
            Event::Scalar(Cow::Borrowed("~"), ScalarStyle::Plain),
            at..at,
        );
    }

    /// A value on the line of its key or dash; the collection stands in `column`.
    fn inline(&mut self, at: usize, column: usize) -> Option<()> {
        match self.byte(at) {
            b'|' => return self.literal(at, column),
            b'[' | b'{' => {
                let end = self.flow(at)?;
                self.finish_line(end)?;
            }
            quote @ (b'"' | b'\'') => {
                let end = self.quoted(at, quote)?;
                self.finish_line(end)?;
            }
            _ => {
                let end = self.plain(at)?;
                self.finish_line(end)?;
            }
        }
        // What is indented further would go on with the scalar.
        (self.over() || self.column() <= column).then_some(())
    }

    fn quoted(&mut self, at: usize, quote: u8) -> Option<usize> {
        let inner = &self.bytes[at + 1..];
        let length = inner
            .iter()
            .position(|b| *b == quote || matches!(b, b'\n' | b'\\'))?;
        let end = at + 1 + length;
        let doubled = self.byte(end + 1) == quote;
        let escaped = inner[length] == b'\\' && quote == b'"';
        if inner[length] != quote || escaped || doubled {
            return None;
        }
        let style = if quote == b'"' {
            ScalarStyle::DoubleQuoted
        } else {
            ScalarStyle::SingleQuoted
        };
        self.emit(
            Event::Scalar(Cow::Borrowed(&self.text[at + 1..end]), style),
            at..end + 1,
        );
        Some(end + 1)
    }

    /// Whether a plain scalar may begin so, whatever follows.
    fn begins_plain(&self, at: usize) -> bool {
        let first = self.byte(at);
        let follows = self.byte(at + 1);
        first.is_ascii_alphanumeric()
            || matches!(
                first,
                b'_' | b'.' | b'/' | b'~' | b'+' | b'(' | b'$' | b'<' | b'=' | b'^' | b';'
            )
            || (first == b'-' && (follows.is_ascii_alphanumeric() || follows == b'-'))
            || first >= 0x80
    }

    fn plain(&mut self, at: usize) -> Option<usize> {
        if !self.begins_plain(at) {
            return None;
        }
        let line = &self.bytes[at..self.line_end(at)];
        let mut length = line.len();
        let mut from = 0;
        while let Some(found) = memchr::memchr2(b':', b'#', &line[from..]) {
            let mark = from + found;
            if line[mark] == b'#' {
                if line[mark - 1] == b' ' {
                    length = mark;
                    break;
                }
            } else if line.get(mark + 1).is_none_or(|b| *b == b' ') {
                return None;
            }
            from = mark + 1;
        }
        while line[length - 1] == b' ' {
            length -= 1;
        }
        let end = at + length;
        self.emit(
            Event::Scalar(Cow::Borrowed(&self.text[at..end]), ScalarStyle::Plain),
            at..end,
        );
        Some(end)
    }

    /// A flow collection on one line; the byte behind it.
    fn flow(&mut self, at: usize) -> Option<usize> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let map = self.byte(at) == b'{';
        let close = if map { b'}' } else { b']' };
        self.emit(if map { Event::Map } else { Event::Seq }, at..at + 1);
        let mut next = self.skip_spaces(at + 1);
        let mut first = true;
        while self.byte(next) != close {
            if !first {
                if self.byte(next) != b',' {
                    return None;
                }
                next = self.skip_spaces(next + 1);
            }
            first = false;
            if map {
                let end = self.flow_plain(next)?;
                if self.byte(end) != b':' || self.byte(end + 1) != b' ' || end - next > MAX_KEY {
                    return None;
                }
                next = self.skip_spaces(end + 1);
            }
            next = match self.byte(next) {
                b'[' | b'{' => self.flow(next)?,
                quote @ (b'"' | b'\'') => self.quoted(next, quote)?,
                _ => self.flow_plain(next)?,
            };
            next = self.skip_spaces(next);
        }
        self.emit(Event::End, next..next + 1);
        self.depth -= 1;
        Some(next + 1)
    }

    /// A plain scalar without a space in it, within a flow collection.
    fn flow_plain(&mut self, at: usize) -> Option<usize> {
        let rest = &self.bytes[at..];
        let word =
            |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b'*');
        let length = rest.iter().position(|b| !word(b))?;
        let first = rest[0];
        if length == 0 || !(first.is_ascii_alphanumeric() || first == b'_' || first == b'/') {
            return None;
        }
        let end = at + length;
        self.emit(
            Event::Scalar(Cow::Borrowed(&self.text[at..end]), ScalarStyle::Plain),
            at..end,
        );
        Some(end)
    }

    /// A literal block.
    fn literal(&mut self, at: usize, column: usize) -> Option<()> {
        let strip = self.byte(at + 1) == b'-';
        let mut line = at + 1 + usize::from(strip);
        if self.byte(line) != b'\n' || line >= self.bytes.len() {
            return None;
        }
        line += 1;
        let begin = self.skip_spaces(line);
        let indent = begin - line;
        // The collection itself may stand in the first column; a block is deeper than it.
        if indent <= column || self.byte(begin) == b'\n' {
            return None;
        }
        let mut text = String::new();
        let mut blank = 0;
        let end = loop {
            let content = self.skip_spaces(line);
            let width = content - line;
            if content >= self.bytes.len() {
                if width > 0 {
                    return None;
                }
                break content;
            }
            if self.bytes[content] == b'\n' {
                if width > indent {
                    return None;
                }
                blank += 1;
                line = content + 1;
                continue;
            }
            if width < indent {
                if width > column {
                    return None;
                }
                break content;
            }
            text.extend(std::iter::repeat_n('\n', blank));
            blank = 0;
            let stop = self.line_end(content);
            if stop >= self.bytes.len() {
                return None;
            }
            text.push_str(&self.text[line + indent..=stop]);
            line = stop + 1;
        };
        if strip {
            text.pop();
        }
        self.emit(
            Event::Scalar(Cow::Owned(text), ScalarStyle::Literal),
            begin..end,
        );
        self.next_line(line);
        Some(())
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the tests read files, and how many cases are wanted"
)]
mod tests {
    use super::*;
    use granit_parser::Parser;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    use std::path::{Path, PathBuf};

    /// The same events by the library; nothing where it finds a fault.
    fn by_library(text: &str) -> Option<Vec<Spanned<'_>>> {
        use granit_parser::Event as Theirs;
        let mut options =
            granit_parser::options! { flow_nesting_limit: 64, block_nesting_limit: 64 };
        options.set_emit_comments(false);
        let mut out = Vec::new();
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(next) = parser.next_event() {
            let (event, span) = next.ok()?;
            let range = span.byte_range()?;
            out.push(match event {
                Theirs::StreamStart | Theirs::StreamEnd => continue,
                Theirs::DocumentStart(explicit, None) => (Event::Document(explicit), range),
                Theirs::DocumentEnd => (Event::DocumentEnd, range),
                Theirs::MappingStart(_, 0, None) => (Event::Map, range),
                Theirs::SequenceStart(_, 0, None) => (Event::Seq, range),
                Theirs::MappingEnd | Theirs::SequenceEnd => (Event::End, range),
                Theirs::Scalar(text, style, 0, None) => {
                    (Event::Scalar(Cow::Owned(text.into_owned()), style), range)
                }
                _ => return None,
            });
        }
        Some(out)
    }

    fn texts() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders: Vec<PathBuf> = ["fixtures", "templates", "tenants", "rendered", "src"]
            .iter()
            .map(|f| root.join(f))
            .collect();
        let shared = std::env::var_os("TENANTRY_SHARED")
            .map_or_else(|| root.join("../shared"), PathBuf::from);
        if shared.is_dir() {
            folders.push(shared.join("fleets"));
            folders.push(shared.join("conformance"));
        } else {
            eprintln!(
                "{} is not there: real fleets are not read",
                shared.display()
            );
        }
        let files = folders
            .iter()
            .flat_map(|f| walkdir::WalkDir::new(f).sort_by_file_name())
            .filter_map(Result::ok);
        let yaml = files.filter(|f| {
            f.path()
                .extension()
                .is_some_and(|e| e == "yaml" || e == "yml")
        });
        yaml.filter(|f| f.metadata().is_ok_and(|m| m.len() < 100_000))
            .filter_map(|f| std::fs::read_to_string(f.path()).ok())
            .collect()
    }

    fn same(text: &str) -> bool {
        let Some(ours) = events(text) else {
            return false;
        };
        let theirs = by_library(text).unwrap_or_default();
        if ours != theirs {
            let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
            panic!(
                "{:?}\nand by the library {:?}\nof {text}",
                ours.get(at),
                theirs.get(at)
            );
        }
        true
    }

    #[test]
    fn both_readers_see_the_same() {
        let all = texts();
        let read = all.iter().filter(|text| same(text)).count();
        println!("{read} of {} files are in plain block style", all.len());
        assert!(read * 2 > all.len(), "{read} of {}", all.len());
    }

    #[test]
    fn both_readers_end_at_the_same_lengths() {
        let mut taken = 0;
        for length in [1, 22, 23, 24, 999, 1_000, 1_001, 1_023, 1_024, 1_025, 5_000] {
            let key = "k".repeat(length);
            for text in [
                format!("{key}: 1\n"),
                format!("a: {{{key}: 1}}\n"),
                format!("- {key}: 1\n"),
                format!("a: {key}\n"),
                format!("a: [{key}]\n"),
                format!("a: \"{key}\"\n"),
                format!("a: |\n  {key}\n"),
            ] {
                taken += usize::from(same(&text));
            }
        }
        for depth in [1, 15, 16, 30, 31, 32, 33, 63, 64, 65, 66] {
            let block: String = (0..depth)
                .map(|i| format!("{}a:\n", " ".repeat(i)))
                .collect();
            let list = format!("{}x\n", "- ".repeat(depth));
            let flow = format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
            taken += [block, list, flow].iter().filter(|text| same(text)).count();
        }
        assert!(taken > 70, "{taken}");
    }

    /// What stands in files, cut, doubled, shifted, with whatever means something in YAML strewn
    /// in.
    #[test]
    fn both_readers_see_the_same_in_what_is_spoilt() {
        let all: Vec<String> = texts()
            .into_iter()
            .filter(|t| t.len() < 3_000 && events(t).is_some())
            .collect();
        let count = std::env::var("TENANTRY_CASES")
            .ok()
            .and_then(|n| n.parse().ok())
            .unwrap_or(20_000);
        let mut runner = TestRunner::new_with_rng(
            Config {
                cases: count,
                failure_persistence: None,
                ..Config::default()
            },
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        );
        let bits = [
            ":",
            ": ",
            "- ",
            "-",
            " ",
            "  ",
            "\n",
            "#",
            " #",
            "[",
            "]",
            "{",
            "}",
            ",",
            "'",
            "\"",
            "|",
            "|-",
            "|+",
            ">",
            "?",
            "&a ",
            "*a",
            "!!str ",
            "%",
            "@",
            "`",
            "~",
            "\t",
            "\\",
            "---\n",
            "...\n",
            "é",
            "\u{85}",
            "\r\n",
            "\n\n",
            "<<",
            "=",
            "[a, b]",
            "{a: b}",
            "a: b\n",
            "- a\n",
            "  |\n    x\n",
            "\u{feff}",
            "null",
            "key:",
            "\u{2028}",
            ".",
            "/",
        ];
        let edit = (
            any::<prop::sample::Index>(),
            0..6u8,
            prop::sample::select(bits.to_vec()),
            1..9usize,
        );
        let cases = (prop::sample::select(all), prop::collection::vec(edit, 1..4));
        let read = std::cell::Cell::new(0);
        let tried = runner.run(&cases, |(text, edits)| {
            let mut text = text;
            for (at, what, bit, length) in edits {
                let mut at = at.index(text.len() + 1);
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
                match what {
                    0 => text.insert_str(at, bit),
                    1 => text.insert_str(line, bit),
                    2 => {
                        let mut end = (at + length).min(text.len());
                        while !text.is_char_boundary(end) {
                            end += 1;
                        }
                        text.replace_range(at..end, "");
                    }
                    3 => text.insert_str(line, &" ".repeat(length)),
                    4 => {
                        let spaces =
                            text[line..].len() - text[line..].trim_start_matches(' ').len();
                        text.replace_range(line..line + spaces.min(length), "");
                    }
                    _ => text.truncate(at),
                }
            }
            read.set(read.get() + usize::from(same(&text)));
            Ok(())
        });
        tried.unwrap_or_else(|fault| panic!("{fault}"));
        println!("{} of {count} spoilt files are read here", read.get());
        assert!(read.get() * 10 > count as usize, "{}", read.get());
    }
}

//! granit's events → [`Document`]s.

use super::{Document, Entry, Node, Value, block, scalar};
use crate::diagnostic::{Diagnostic, rule};
use crate::source::{Place, Source, SourceId};
use crate::value::Text;
use granit_parser::{Event, Parser, ScalarStyle};
use std::collections::HashMap;
use std::ops::Range;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// Most nodes in a file, aliases expanded.
pub const MAX_NODES: usize = 100_000;
/// Most bytes of text in a file's values, aliases expanded.
pub const MAX_EXPANDED_BYTES: usize = 4 << 20;
/// Keys of a mapping that are compared one by one as they are read; a longer mapping is hashed once
/// it is complete.
const SCAN_KEYS: usize = 16;

rule! {
    /// A file is not YAML.
    ///
    /// ## Why it matters
    /// Its tenants cannot be read. Their last rendered files are held, so that nothing is removed
    /// by a typing error.
    /// ## Example
    /// `spec: {owners: [}`
    /// ## Fix
    /// Mend the text at the place named. Tabs cannot indent; a `:` inside a value needs quotes;
    /// control characters are refused.
    pub static SYNTAX = "document/syntax", Error;
}
rule! {
    /// A mapping names a key twice.
    ///
    /// ## Why it matters
    /// Readers disagree which one counts: a reviewer sees the first, the cluster gets the last.
    /// ## Fix
    /// Remove one of the two.
    pub static DUPLICATE_KEY = "document/duplicate-key", Error;
}
rule! {
    /// A document is nested deeper than 64 levels.
    ///
    /// ## Why it matters
    /// No spec is. Deep nesting is how a file makes a reader run out of stack.
    pub static TOO_DEEP = "document/too-deep", Error;
}
rule! {
    /// A document is too large once its aliases are expanded: over 100,000 nodes or 4 MB.
    ///
    /// ## Why it matters
    /// A few lines of aliases of aliases grow to gigabytes (the "billion laughs").
    /// ## Fix
    /// Write the values out, or fewer of them.
    pub static TOO_BIG = "document/too-big", Error;
}
rule! {
    /// A document uses a part of YAML that readers treat differently.
    ///
    /// ## What it finds
    /// Merge keys (`<<`), tags other than the core's, keys that are not strings, `%YAML`
    /// directives, aliases that contain themselves, numbers that no integer or float holds, byte
    /// order marks inside a text.
    /// ## Why it matters
    /// kubectl, Flux, Python and this program would read different values from one text.
    /// ## Fix
    /// Write the value out in plain YAML; quote what should be a string.
    pub static UNSUPPORTED = "document/unsupported", Error;
}
rule! {
    /// A plain scalar that YAML 1.1 readers take for something else.
    ///
    /// ## What it finds
    /// Unquoted `yes`, `no`, `on`, `off`, `y`, `n` (booleans to kubectl), `012`, `1_000`,
    /// `12:30:45`, `1e3` (numbers) and `2026-11-01` (a date to Python).
    /// ## Why it matters
    /// The same text means `true` to one reader and `"on"` to another. What was reviewed is not
    /// what is applied.
    /// ## Example
    /// `team: on`
    /// ## Fix
    /// Quote it: `team: "on"`. For a boolean write `true` or `false`.
    pub static AMBIGUOUS_SCALAR = "document/ambiguous-scalar", Error;
}

/// Reads a file of ours: everything that readers disagree on is a fault.
#[inline(never)]
pub fn parse(id: SourceId, source: &Source) -> (Vec<Document>, Vec<Diagnostic>) {
    Builder::new(id, source, true).run()
}

/// Reads a manifest that was written for the cluster: as kubectl would, so that an unquoted `yes`
/// is a boolean.
pub fn parse_foreign(id: SourceId, source: &Source) -> (Vec<Document>, Vec<Diagnostic>) {
    Builder::new(id, source, false).run()
}

/// A collection that is being read.
struct Open {
    /// What it becomes, empty.
    node: Node,
    /// The anchor that it defines; 0 for none.
    anchor: usize,
    /// The key that waits for its value.
    waiting: Option<(Text, Place)>,
    /// Where its members begin among those of all open collections of its kind.
    first: usize,
}

struct Size {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

struct Builder<'s> {
    id: SourceId,
    source: &'s Source,
    strict: bool,
    documents: Vec<Document>,
    faults: Vec<Diagnostic>,
    /// The root of the document that is being read, once it is complete.
    root: Option<Node>,
    /// Where that document's bytes begin.
    raw_start: usize,
    /// Open collections, outermost first.
    open: Vec<Open>,
    /// The entries of open mappings so far: each takes its own once it is complete, in as much
    /// memory as they need.
    entries: Vec<Entry>,
    /// The items of open lists, likewise.
    items: Vec<Node>,
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    bytes: usize,
    odd: Option<&'static str>,
}

/// The fault that ends the reading of a file.
struct Stop(Box<Diagnostic>);

impl<'s> Builder<'s> {
    fn new(id: SourceId, source: &'s Source, strict: bool) -> Self {
        Self {
            id,
            source,
            strict,
            documents: Vec::new(),
            faults: Vec::new(),
            root: None,
            raw_start: 0,
            open: Vec::new(),
            entries: Vec::new(),
            items: Vec::new(),
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
            odd: None,
        }
    }

    fn place(&self, start: usize, end: usize) -> Place {
        Place {
            source: self.id,
            start: start as u32,
            end: end as u32,
        }
    }

    fn fault(
        &self,
        rule: &'static crate::diagnostic::Rule,
        place: Place,
        message: impl Into<String>,
    ) -> Diagnostic {
        debug_assert_eq!(place.source, self.id);
        Diagnostic::new(rule, place, message)
    }

    fn run(mut self) -> (Vec<Document>, Vec<Diagnostic>) {
        let printable = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
        // Without a way out in between, this is done many bytes at once.
        let all_printable = self
            .source
            .text
            .as_bytes()
            .iter()
            .fold(true, |all, b| all & printable(b));
        let refused = |c: char| c == '\0' || (c.is_control() && !"\t\n\r\u{85}".contains(c));
        if !all_printable && let Some(at) = self.source.text.find(refused) {
            let c = self.source.text[at..].chars().next().unwrap_or('\0');
            let message = format!(
                "the control character U+{:04X} stands in the text",
                c as u32
            );
            let fault = self
                .fault(&SYNTAX, self.place(at, at + c.len_utf8()), message)
                .fix("remove it");
            return (Vec::new(), vec![fault]);
        }
        match block::events(&self.source.text) {
            Some(events) => self.run_plain(events),
            None => self.run_any(),
        }
        if self.faults.is_empty() {
            (self.documents, self.faults)
        } else {
            (Vec::new(), self.faults)
        }
    }

    /// A file in plain block style.
    fn run_plain(&mut self, events: Vec<block::Spanned<'s>>) {
        for (event, range) in events {
            let place = self.place(range.start, range.end);
            let step = match event {
                block::Event::Document(explicit) => self.document(explicit, range),
                block::Event::DocumentEnd => self.document_end(),
                block::Event::Map => self.start(Node::new(place, Value::Map(Vec::new())), 0),
                block::Event::Seq => self.start(Node::new(place, Value::Seq(Vec::new())), 0),
                block::Event::End => self.end(range.end),
                block::Event::Scalar(text, style) => self.scalar(&text, style, None, 0, place),
            };
            if !self.go_on(step) {
                return;
            }
        }
    }

    /// Whatever else YAML has, by the library.
    fn run_any(&mut self) {
        let mut options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
        options.set_emit_comments(false);
        let text = &self.source.text;
        let mut parser = Parser::new_from_str_with_options(text, options);
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(pair) => pair,
                Err(fault) => {
                    let at = fault.marker().byte_offset().unwrap_or(0).min(text.len());
                    let message = fault.info();
                    let deep = message.contains("nesting")
                        || message.contains("recursion")
                        || message.contains("depth");
                    if let Some(fault) = self.familiar_fault() {
                        self.faults.push(fault);
                        return;
                    }
                    let (rule, fix) = if deep {
                        (&TOO_DEEP, format!("at most {MAX_DEPTH} levels are read"))
                    } else {
                        (&SYNTAX, "mend the text here".to_owned())
                    };
                    let end = text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
                    let fault = self.fault(rule, self.place(at, end), message).fix(fix);
                    self.faults.push(fault);
                    return;
                }
            };
            let range = span.byte_range().unwrap_or(0..0);
            let place = self.place(range.start, range.end);
            let step = match event {
                Event::DocumentStart(_, Some(_)) => Err(Stop(Box::new(
                    self.fault(&UNSUPPORTED, place, "a %YAML directive is not read")
                        .fix("remove it"),
                ))),
                Event::DocumentStart(explicit, None) => self.document(explicit, range),
                Event::DocumentEnd => self.document_end(),
                Event::Scalar(text, style, anchor, tag) => {
                    self.scalar(&text, style, tag.as_deref(), anchor, place)
                }
                Event::Alias(anchor) => self.alias(anchor, place),
                Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag)
                    if tag.as_deref().is_some_and(|t| !t.is_yaml_core_schema()) =>
                {
                    Err(Stop(Box::new(
                        self.fault(&UNSUPPORTED, place, "a tag is not read")
                            .fix("remove the tag"),
                    )))
                }
                Event::SequenceStart(_, anchor, _) => {
                    self.start(Node::new(place, Value::Seq(Vec::new())), anchor)
                }
                Event::MappingStart(_, anchor, _) => {
                    self.start(Node::new(place, Value::Map(Vec::new())), anchor)
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(range.end),
                _ => Ok(None),
            };
            if !self.go_on(step) {
                return;
            }
        }
    }

    /// Takes what a step came to; false where it ends the reading.
    fn go_on(&mut self, step: Result<Option<Node>, Stop>) -> bool {
        match step {
            Ok(None) => true,
            Ok(finished) => {
                self.root = finished;
                true
            }
            Err(Stop(fault)) => {
                self.faults.push(*fault);
                false
            }
        }
    }

    fn document(&mut self, explicit: bool, range: Range<usize>) -> Result<Option<Node>, Stop> {
        self.root = None;
        if explicit {
            if let Some(last) = self.documents.last_mut() {
                last.raw.end = last.raw.end.min(range.start as u32);
            }
            self.raw_start = after_marker(&self.source.text, range.end);
        } else if !self.documents.is_empty() {
            self.raw_start = range.start;
        }
        Ok(None)
    }

    fn document_end(&mut self) -> Result<Option<Node>, Stop> {
        self.anchors.clear();
        if let Some(root) = self.root.take() {
            let end = before_end_marker(&self.source.text, self.raw_start);
            let odd = self.odd.take();
            self.documents.push(Document {
                root,
                raw: self.place(self.raw_start, end),
                odd,
            });
        }
        Ok(None)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&granit_parser::Tag>,
        anchor: usize,
        place: Place,
    ) -> Result<Option<Node>, Stop> {
        let value = self.tag(tag, text, style, place)?;
        self.leaf(Node::new(place, value), anchor)
    }

    /// A mistake that is better named than by where the grammar stumbled over it.
    fn familiar_fault(&self) -> Option<Diagnostic> {
        for number in 1..=self.source.line_count() {
            let line = self.source.line(number);
            let start = self.source.line_start(number) as usize;
            if ["<<<<<<< ", "=======", ">>>>>>> "]
                .iter()
                .any(|mark| line.starts_with(mark))
            {
                let message = "a merge conflict's marker stands in the file";
                let place = self.place(start, start + line.len());
                return Some(
                    self.fault(&SYNTAX, place, message)
                        .fix("resolve the conflict, and remove the markers"),
                );
            }
            let indent = line.len() - line.trim_start().len();
            if let Some(tab) = line[..indent].find('\t') {
                let place = self.place(start + tab, start + tab + 1);
                return Some(
                    self.fault(&SYNTAX, place, "a tab indents this line")
                        .fix("indent with spaces"),
                );
            }
        }
        None
    }

    fn tag(
        &mut self,
        tag: Option<&granit_parser::Tag>,
        text: &str,
        style: ScalarStyle,
        place: Place,
    ) -> Result<Value, Stop> {
        let plain = style == ScalarStyle::Plain;
        if let Some(tag) = tag {
            if tag.is_yaml_core_schema() && tag.suffix() == "str" {
                return Ok(Value::String(text.into()));
            }
            let message = "a tag is not read here";
            return Err(Stop(Box::new(
                self.fault(&UNSUPPORTED, place, message)
                    .fix("remove the tag"),
            )));
        }
        if style == ScalarStyle::DoubleQuoted && self.source.slice(place).contains("\\/") {
            self.odd = Some("the escape `\\/`, which not every reader knows");
        }
        if !plain {
            return Ok(Value::String(text.into()));
        }
        let ambiguous = scalar::ambiguity(text);
        if self.strict {
            if let Some(kind) = ambiguous {
                let booleans = if kind == "a boolean" {
                    ", or write true or false"
                } else {
                    ""
                };
                let message = format!("`{text}` is {kind} to YAML 1.1 readers such as kubectl's");
                self.faults.push(
                    self.fault(&AMBIGUOUS_SCALAR, place, message)
                        .label("quote it")
                        .fix(format!("write \"{text}\"{booleans}")),
                );
                return Ok(Value::String(text.into()));
            }
        } else if ambiguous == Some("a boolean") {
            let truth = ["y", "yes", "on"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(text));
            return Ok(Value::Bool(truth));
        }
        scalar::resolve(text).or_else(|()| {
            if !self.strict {
                self.odd = Some("a number that JSON does not hold");
                return Ok(Value::String(text.into()));
            }
            let message = format!("`{text}` is a number that no integer or float holds");
            self.faults.push(
                self.fault(&UNSUPPORTED, place, message)
                    .fix("quote it if it is a text"),
            );
            Ok(Value::String(text.into()))
        })
    }

    fn count(&mut self, nodes: usize, bytes: usize, place: Place) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES || self.bytes > MAX_EXPANDED_BYTES {
            let message = format!(
                "the document holds more than {MAX_NODES} values or {MAX_EXPANDED_BYTES} bytes once aliases are expanded"
            );
            return Err(Stop(Box::new(
                self.fault(&TOO_BIG, place, message)
                    .fix("write the values out"),
            )));
        }
        Ok(())
    }

    /// Readers disagree where an anchor's name ends (`&a:b c`), so that one name can stand for two
    /// values.
    fn saw_anchor(&mut self) {
        self.odd = Some("an anchor or an alias: readers disagree on what it names");
    }

    fn leaf(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Stop> {
        let bytes = if let Value::String(s) = &node.value {
            s.len()
        } else {
            8
        };
        self.count(1, bytes, node.place)?;
        if anchor > 0 {
            self.saw_anchor();
            self.anchors.insert(
                anchor,
                (
                    node.clone(),
                    Size {
                        nodes: 1,
                        bytes,
                        depth: 1,
                    },
                ),
            );
        }
        self.attach(node)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<Option<Node>, Stop> {
        self.saw_anchor();
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let message = "an alias stands inside the value that it names";
            return Err(Stop(Box::new(
                self.fault(&UNSUPPORTED, place, message)
                    .fix("write the value out"),
            )));
        };
        let (nodes, bytes, depth) = (size.nodes, size.bytes, size.depth);
        if self.open.len() + depth > MAX_DEPTH {
            let message = format!("expanded, this alias nests deeper than {MAX_DEPTH} levels");
            return Err(Stop(Box::new(
                self.fault(&TOO_DEEP, place, message)
                    .fix("write the value out"),
            )));
        }
        let mut node = node.clone();
        node.place = place;
        self.count(nodes, bytes, place)?;
        self.attach(node)
    }

    fn start(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Stop> {
        if anchor > 0 {
            self.saw_anchor();
        }
        self.count(1, 0, node.place)?;
        if self.open.len() >= MAX_DEPTH {
            let message = format!("the document is nested deeper than {MAX_DEPTH} levels");
            return Err(Stop(Box::new(
                self.fault(&TOO_DEEP, node.place, message).fix("flatten it"),
            )));
        }
        if let Some(Open {
            node: parent,
            waiting: None,
            ..
        }) = self.open.last()
            && matches!(parent.value, Value::Map(_))
        {
            let message = "a key is a list or a mapping";
            return Err(Stop(Box::new(
                self.fault(&UNSUPPORTED, node.place, message)
                    .fix("use a string as key"),
            )));
        }
        let first = if matches!(node.value, Value::Seq(_)) {
            self.items.len()
        } else {
            self.entries.len()
        };
        self.open.push(Open {
            node,
            anchor,
            waiting: None,
            first,
        });
        Ok(None)
    }

    fn end(&mut self, end: usize) -> Result<Option<Node>, Stop> {
        let Some(Open {
            mut node,
            anchor,
            first,
            ..
        }) = self.open.pop()
        else {
            return Ok(None);
        };
        let start = node.place.start as usize;
        let text = &self.source.text[start..end.max(start)];
        node.place.end = (start + text.trim_end().len()) as u32;
        match &mut node.value {
            Value::Seq(items) => *items = self.items.drain(first..).collect(),
            Value::Map(entries) => {
                self.faults.extend(late_duplicates(&self.entries[first..]));
                *entries = self.entries.drain(first..).collect();
            }
            _ => {}
        }
        if anchor > 0 {
            let size = measure(&node);
            // The anchor's own copy counts too: anchors within anchors are copies of copies.
            self.count(size.nodes, size.bytes, node.place)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        self.attach(node)
    }

    fn attach(&mut self, node: Node) -> Result<Option<Node>, Stop> {
        let strict = self.strict;
        let Some(Open {
            node: parent,
            waiting,
            first,
            ..
        }) = self.open.last_mut()
        else {
            return Ok(Some(node));
        };
        match &parent.value {
            Value::Seq(_) => self.items.push(node),
            Value::Map(_) => match waiting.take() {
                Some((key, key_place)) => self.entries.push(Entry {
                    key,
                    key_place,
                    node,
                }),
                None => {
                    let place = node.place;
                    let key = match node.value {
                        Value::String(key) => key,
                        Value::Number(_, text) if !strict => text.into(),
                        Value::Bool(b) if !strict => b.to_string().into(),
                        _ => {
                            let message = format!("a key is {}, not a string", node.kind());
                            let fault =
                                Diagnostic::new(&UNSUPPORTED, place, message).fix("quote the key");
                            return Err(Stop(Box::new(fault)));
                        }
                    };
                    if key == "<<" && place.end - place.start == 2 {
                        let fault =
                            Diagnostic::new(&UNSUPPORTED, place, "merge keys (<<) are not read")
                                .fix("write the keys out, or move them into a Profile");
                        return Err(Stop(Box::new(fault)));
                    }
                    let entries = &self.entries[*first..];
                    if entries.len() < SCAN_KEYS
                        && let Some(known) = entries.iter().find(|e| e.key == key)
                    {
                        self.faults.push(twice(&key, place, known.key_place));
                    }
                    *waiting = Some((key, place));
                }
            },
            _ => {}
        }
        Ok(None)
    }
}

fn twice(key: &str, place: Place, first: Place) -> Diagnostic {
    Diagnostic::new(
        &DUPLICATE_KEY,
        place,
        format!("the key `{key}` is given twice"),
    )
    .label("again here")
    .related(first, "first here")
    .fix("remove one of the two")
}

/// Duplicates among the keys that were not scanned for while a long mapping was read.
fn late_duplicates(entries: &[Entry]) -> Vec<Diagnostic> {
    if entries.len() <= SCAN_KEYS {
        return Vec::new();
    }
    let mut first: HashMap<&str, Place> = HashMap::with_capacity(entries.len());
    let mut faults = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        match first.get(entry.key.as_str()) {
            Some(place) if i >= SCAN_KEYS => {
                faults.push(twice(&entry.key, entry.key_place, *place))
            }
            Some(_) => {}
            None => {
                first.insert(&entry.key, entry.key_place);
            }
        }
    }
    faults
}

fn measure(node: &Node) -> Size {
    let children: &mut dyn Iterator<Item = &Node> = match &node.value {
        Value::Seq(items) => &mut items.iter(),
        Value::Map(entries) => &mut entries.iter().map(|e| &e.node),
        Value::String(s) => {
            return Size {
                nodes: 1,
                bytes: s.len(),
                depth: 1,
            };
        }
        _ => {
            return Size {
                nodes: 1,
                bytes: 8,
                depth: 1,
            };
        }
    };
    children.map(measure).fold(
        Size {
            nodes: 1,
            bytes: 0,
            depth: 1,
        },
        |sum, child| Size {
            nodes: sum.nodes + child.nodes,
            bytes: sum.bytes + child.bytes,
            depth: sum.depth.max(child.depth + 1),
        },
    )
}

/// Where the text of a document begins: after the marker's line, or after the marker if something
/// follows it there.
fn after_marker(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let line_end = rest.find('\n').map_or(rest.len(), |i| i + 1);
    if rest[..line_end].trim().is_empty() {
        end + line_end
    } else {
        end
    }
}

/// Where the text of a document ends: before `...`, if there is one.
fn before_end_marker(text: &str, start: usize) -> usize {
    let may_stand =
        |mark: &str| memchr::memmem::find(&text.as_bytes()[start..], mark.as_bytes()).is_some();
    if !may_stand("---") && !may_stand("...") {
        return text.len();
    }
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        let bare = line.trim_end();
        let marker = line.starts_with("---") || line.starts_with("...");
        if marker && (bare.len() == 3 || line[3..].starts_with([' ', '\t', '\r'])) {
            return at;
        }
        at += line.len();
    }
    text.len()
}

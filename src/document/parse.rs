//! granit's events → [`Document`]s.

use super::portable::{self, Portability};
use super::{Document, Entry, Node, NodeValue, quoting, scalar};
use crate::diagnostic::{Diagnostic, rule};
use crate::source::{Source, SourceId, Span};
use crate::value::Text;
use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as EventSpan, Tag};
use std::collections::HashMap;
use std::collections::hash_map;
use std::ops::Range;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// The most faults of a file, after which a key that is given twice ends the reading.
const MAX_FAULTS: usize = 1000;
/// The largest number of nodes in a file, with aliases expanded.
pub const MAX_NODES: usize = 100_000;
/// The largest number of bytes of text in a file's values, with aliases expanded.
pub const MAX_EXPANDED_BYTES: usize = 4 << 20;

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
    /// The collection, with the members that were read so far.
    node: Node,
    /// The anchor that it defines; 0 for none.
    anchor: usize,
    /// The key that waits for its value.
    waiting: Option<(Text, Span)>,
    /// The keys of a mapping so far, and where each stands first.
    keys: HashMap<Text, Span>,
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
    /// The offset of the document's first byte.
    raw_start: usize,
    /// Open collections, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, Size)>,
    nodes: usize,
    bytes: usize,
    /// What other readers make of the text; looked at in a manifest for the cluster alone.
    portability: Portability<'s>,
    /// Whether the text may be quoted though it cannot be read, once that was asked.
    may_quote: Option<bool>,
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
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
            portability: Portability::new(id, &source.text),
            may_quote: None,
        }
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span {
            source: self.id,
            start: start as u32,
            end: end as u32,
        }
    }

    fn fault(
        &self,
        rule: &'static crate::diagnostic::Rule,
        span: Span,
        message: impl Into<String>,
    ) -> Diagnostic {
        debug_assert_eq!(span.source, self.id);
        Diagnostic::new(rule, span, message)
    }

    fn run(mut self) -> (Vec<Document>, Vec<Diagnostic>) {
        if let Some(fault) = self.control_character() {
            return (Vec::new(), vec![fault]);
        }

        self.read();

        if self.faults.is_empty() {
            (self.documents, self.faults)
        } else {
            (Vec::new(), self.faults)
        }
    }

    /// The fault of the first control character that no YAML text may hold.
    fn control_character(&self) -> Option<Diagnostic> {
        let refused =
            |character: char| character.is_control() && !"\t\n\r\u{85}".contains(character);
        let text = &self.source.text;
        let (at, found) = text
            .char_indices()
            .find(|(_, character)| refused(*character))?;

        let message = format!(
            "the control character U+{:04X} stands in the text",
            found as u32
        );
        let span = self.span(at, at + found.len_utf8());
        Some(self.fault(&SYNTAX, span, message).fix("remove it"))
    }

    /// Reads the events of the text until the last one or the first fault that ends the reading.
    fn read(&mut self) {
        let mut options = granit_parser::options! {
            flow_nesting_limit: MAX_DEPTH,
            block_nesting_limit: MAX_DEPTH,
        };

        options.set_emit_comments(false);

        let mut parser = Parser::new_from_str_with_options(&self.source.text, options);
        while let Some(next) = parser.next_event() {
            let step = match next {
                Ok((event, span)) => self.event(event, &span),
                Err(error) => Err(Stop(Box::new(self.syntax_fault(&error)))),
            };
            match step {
                Ok(None) => {}
                Ok(root) => self.root = root,
                Err(Stop(fault)) => {
                    self.faults.push(*fault);
                    return;
                }
            }
        }
    }

    /// The fault that the library found: a familiar mistake where there is one.
    fn syntax_fault(&self, error: &ScanError) -> Diagnostic {
        if let Some(fault) = self.familiar_fault() {
            return fault;
        }

        let message = error.info();
        let too_deep = ["nesting", "recursion", "depth"]
            .iter()
            .any(|word| message.contains(word));
        let (rule, fix) = if too_deep {
            (&TOO_DEEP, format!("at most {MAX_DEPTH} levels are read"))
        } else {
            (&SYNTAX, "mend the text here".to_owned())
        };

        let text = &self.source.text;
        let start = error.marker().byte_offset().unwrap_or(0).min(text.len());
        let length = text[start..].chars().next().map_or(0, char::len_utf8);

        self.fault(rule, self.span(start, start + length), message)
            .fix(fix)
    }

    /// Takes in an event; returns the root of a document once it is complete.
    fn event(&mut self, event: Event<'_>, span: &EventSpan) -> Result<Option<Node>, Stop> {
        let range = span.byte_range().unwrap_or(0..0);
        let span = self.span(range.start, range.end);

        match event {
            Event::DocumentStart(_, Some(_)) => {
                Err(self.unsupported(span, "a %YAML directive is not read", "remove it"))
            }
            Event::DocumentStart(explicit, None) => self.document(explicit, range),
            Event::DocumentEnd => self.document_end(),
            Event::Scalar(text, style, anchor, tag) => {
                if !self.strict {
                    let scalar = portable::Scalar {
                        text: &text,
                        style,
                        is_key: self.expects_key(),
                        has_tag: tag.is_some(),
                    };
                    self.portability.scalar(&scalar, span);
                }
                let value = self.value(tag.as_deref(), &text, style, span)?;
                self.leaf(Node::new(span, value), anchor)
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::SequenceStart(_, _, tag) | Event::MappingStart(_, _, tag)
                if tag.as_deref().is_some_and(|tag| !tag.is_yaml_core_schema()) =>
            {
                Err(self.unsupported(span, "a tag is not read", "remove the tag"))
            }
            Event::SequenceStart(style, anchor, _) => {
                self.portability.start(style);
                self.start(Node::new(span, NodeValue::Seq(Vec::new())), anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                self.portability.start(style);
                self.start(Node::new(span, NodeValue::Map(Vec::new())), anchor)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.portability.end();
                self.end(range.end)
            }
            _ => Ok(None),
        }
    }

    /// Whether the next node is a key of a mapping.
    fn expects_key(&self) -> bool {
        self.open.last().is_some_and(|parent| {
            parent.waiting.is_none() && matches!(parent.node.value, NodeValue::Map(_))
        })
    }

    fn unsupported(&self, span: Span, message: &str, fix: &str) -> Stop {
        Stop(Box::new(self.fault(&UNSUPPORTED, span, message).fix(fix)))
    }

    fn document(&mut self, explicit: bool, range: Range<usize>) -> Result<Option<Node>, Stop> {
        self.root = None;
        if let Some(span) = self.directive(range.start) {
            return Err(self.unsupported(span, "a directive (%) is not read", "remove it"));
        }
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

    /// The first directive between the last document and the start of the next one.
    fn directive(&self, start: usize) -> Option<Span> {
        let last = self.documents.last();
        let mut at = last.map_or(0, |document| document.raw.end as usize);
        let between = self.source.text.get(at..start).unwrap_or_default();

        for line in between.split_inclusive('\n') {
            if line.starts_with('%') {
                return Some(self.span(at, at + line.trim_end().len()));
            }
            at += line.len();
        }
        None
    }

    fn document_end(&mut self) -> Result<Option<Node>, Stop> {
        self.anchors.clear();
        if let Some(root) = self.root.take() {
            let end = before_end_marker(&self.source.text, self.raw_start);
            let unportable = self.portability.take(end);
            self.documents.push(Document {
                root,
                raw: self.span(self.raw_start, end),
                unportable,
            });
        }
        Ok(None)
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
                let span = self.span(start, start + line.len());
                return Some(
                    self.fault(&SYNTAX, span, message)
                        .fix("resolve the conflict, and remove the markers"),
                );
            }

            let indent = line.len() - line.trim_start().len();
            if let Some(tab) = line[..indent].find('\t') {
                let span = self.span(start + tab, start + tab + 1);
                return Some(
                    self.fault(&SYNTAX, span, "a tab indents this line")
                        .fix("indent with spaces"),
                );
            }
        }
        None
    }

    /// The value of a scalar, by its tag, its style and its text.
    fn value(
        &mut self,
        tag: Option<&Tag>,
        text: &str,
        style: ScalarStyle,
        span: Span,
    ) -> Result<NodeValue, Stop> {
        if let Some(tag) = tag {
            if tag.is_yaml_core_schema() && tag.suffix() == "str" {
                return Ok(NodeValue::String(text.into()));
            }
            return Err(self.unsupported(span, "a tag is not read here", "remove the tag"));
        }

        Ok(match style {
            ScalarStyle::Plain => self.plain_value(text, span),
            _ => NodeValue::String(text.into()),
        })
    }

    /// The value of a plain scalar without a tag.
    fn plain_value(&mut self, text: &str, span: Span) -> NodeValue {
        let ambiguous = scalar::ambiguity(text);
        if self.strict {
            if let Some(kind) = ambiguous {
                let fault = self.ambiguous(text, kind, span);
                self.faults.push(fault);
                return NodeValue::String(text.into());
            }
        } else if ambiguous == Some("a boolean") {
            let truth = ["y", "yes", "on"]
                .iter()
                .any(|word| word.eq_ignore_ascii_case(text));
            return NodeValue::Bool(truth);
        }

        let resolved = match self.strict {
            true => scalar::resolve(text),
            false => scalar::resolve_as_go(text),
        };
        if let Ok(value) = resolved {
            return value;
        }
        if self.strict {
            let shown = self.shown(text);
            let message = format!("{shown} is a number that no integer or float holds");
            let fault = self
                .fault(&UNSUPPORTED, span, message)
                .fix("quote it if it is a text");
            self.faults.push(fault);
        } else {
            self.portability
                .found(span, "a number that JSON does not hold");
        }

        NodeValue::String(text.into())
    }

    fn ambiguous(&mut self, text: &str, kind: &str, span: Span) -> Diagnostic {
        let booleans = if kind == "a boolean" {
            ", or write true or false"
        } else {
            ""
        };
        let shown = self.shown(text);
        let message = format!("{shown} is {kind} to YAML 1.1 readers such as kubectl's");
        let fix = match shown.starts_with('`') {
            true => format!("write \"{text}\"{booleans}"),
            false => format!("write it in quotes{booleans}"),
        };
        self.fault(&AMBIGUOUS_SCALAR, span, message)
            .label("quote it")
            .fix(fix)
    }

    /// Whether the text may be quoted though it cannot be read.
    fn may_quote(&mut self) -> bool {
        let text = &self.source.text;
        let of_text = || quoting::may_quote_unread(text);
        *self.may_quote.get_or_insert_with(of_text)
    }

    /// A value as a message shows it: not at all where it may be a credential.
    fn shown(&mut self, text: &str) -> String {
        let waiting = self.open.last().and_then(|open| open.waiting.as_ref());
        let is_credential = waiting.is_some_and(|(key, _)| quoting::names_credential(key));
        match is_credential || !self.may_quote() {
            true => "the value".to_owned(),
            false => format!("`{text}`"),
        }
    }

    fn count(&mut self, nodes: usize, bytes: usize, span: Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.nodes > MAX_NODES || self.bytes > MAX_EXPANDED_BYTES {
            let message = format!(
                "the document holds more than {MAX_NODES} values or {MAX_EXPANDED_BYTES} bytes once aliases are expanded"
            );
            return Err(Stop(Box::new(
                self.fault(&TOO_BIG, span, message)
                    .fix("write the values out"),
            )));
        }
        Ok(())
    }

    /// Counts a node that stands in the text itself. In a manifest for the cluster only expanded
    /// aliases count: what kustomize builds is as large as it is.
    fn count_own(&mut self, bytes: usize, span: Span) -> Result<(), Stop> {
        match self.strict {
            true => self.count(1, bytes, span),
            false => Ok(()),
        }
    }

    /// Readers disagree where an anchor's name ends (`&a:b c`), so that one name can stand for two
    /// values.
    fn saw_anchor(&mut self, span: Span) {
        let reason = "an anchor or an alias: readers disagree on what it names";
        self.portability.found(span, reason);
    }

    fn leaf(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Stop> {
        let bytes = if let NodeValue::String(s) = &node.value {
            s.len()
        } else {
            8
        };

        self.count_own(bytes, node.span)?;
        if anchor > 0 {
            self.saw_anchor(node.span);
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

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Option<Node>, Stop> {
        self.saw_anchor(span);
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let message = "an alias stands inside the value that it names";
            return Err(self.unsupported(span, message, "write the value out"));
        };

        let (nodes, bytes, depth) = (size.nodes, size.bytes, size.depth);
        if self.open.len() + depth > MAX_DEPTH {
            let message = format!("expanded, this alias nests deeper than {MAX_DEPTH} levels");
            return Err(Stop(Box::new(
                self.fault(&TOO_DEEP, span, message)
                    .fix("write the value out"),
            )));
        }

        let mut node = node.clone();
        node.span = span;
        self.count(nodes, bytes, span)?;

        self.attach(node)
    }

    fn start(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, Stop> {
        if anchor > 0 {
            self.saw_anchor(node.span);
        }
        self.count_own(0, node.span)?;

        if self.open.len() >= MAX_DEPTH {
            let message = format!("the document is nested deeper than {MAX_DEPTH} levels");
            return Err(Stop(Box::new(
                self.fault(&TOO_DEEP, node.span, message).fix("flatten it"),
            )));
        }

        if self.expects_key() {
            let message = "a key is a list or a mapping";
            return Err(self.unsupported(node.span, message, "use a string as key"));
        }

        self.open.push(Open {
            node,
            anchor,
            waiting: None,
            keys: HashMap::new(),
        });

        Ok(None)
    }

    fn end(&mut self, end: usize) -> Result<Option<Node>, Stop> {
        let Some(Open {
            mut node, anchor, ..
        }) = self.open.pop()
        else {
            return Ok(None);
        };

        let start = node.span.start as usize;
        let text = &self.source.text[start..end.max(start)];
        node.span.end = (start + text.trim_end().len()) as u32;

        // Parsed documents are most of the memory of a run.
        match &mut node.value {
            NodeValue::Seq(items) => items.shrink_to_fit(),
            NodeValue::Map(entries) => entries.shrink_to_fit(),
            _ => {}
        }

        if anchor > 0 {
            let size = measure(&node);
            // The anchor's own copy counts too: anchors within anchors are copies of copies.
            self.count(size.nodes, size.bytes, node.span)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }

        self.attach(node)
    }

    /// Adds a complete node to the innermost open collection, as an item, a key or a value; returns
    /// the node if no collection is open.
    fn attach(&mut self, node: Node) -> Result<Option<Node>, Stop> {
        let Some(parent) = self.open.last_mut() else {
            return Ok(Some(node));
        };

        match &mut parent.node.value {
            NodeValue::Seq(items) => items.push(node),
            NodeValue::Map(entries) => match parent.waiting.take() {
                Some((key, key_span)) => entries.push(Entry {
                    key,
                    key_span,
                    node,
                }),
                None => {
                    let span = node.span;
                    let key = key_of(node, self.strict)?;
                    match parent.keys.entry(key.clone()) {
                        hash_map::Entry::Occupied(first) => {
                            let first = *first.get();
                            let text = &self.source.text;
                            let of_text = || quoting::may_quote_unread(text);
                            let may_quote = *self.may_quote.get_or_insert_with(of_text);
                            let shown = may_quote.then_some(key.as_str());
                            let fault = twice(shown, span, first);
                            if self.faults.len() >= MAX_FAULTS {
                                let fix = "remove one of the two; the rest of the file is not read";
                                return Err(Stop(Box::new(fault.fix(fix))));
                            }
                            self.faults.push(fault);
                        }
                        hash_map::Entry::Vacant(free) => {
                            free.insert(span);
                        }
                    }
                    parent.waiting = Some((key, span));
                }
            },
            _ => {}
        }

        Ok(None)
    }
}

/// The text of a key. Only manifests that were written for the cluster may have numbers and booleans
/// as keys (`strict` is false for them).
fn key_of(node: Node, strict: bool) -> Result<Text, Stop> {
    let span = node.span;
    let key: Text = match node.value {
        NodeValue::String(key) => key,
        NodeValue::Number(_, text) if !strict => text.into(),
        NodeValue::Bool(b) if !strict => b.to_string().into(),
        _ => {
            let message = format!("a key is {}, not a string", node.kind());
            let fault = Diagnostic::new(&UNSUPPORTED, span, message).fix("quote the key");
            return Err(Stop(Box::new(fault)));
        }
    };

    // A quoted `"<<"` is an ordinary key.
    if key == "<<" && span.end - span.start == 2 {
        let fault = Diagnostic::new(&UNSUPPORTED, span, "merge keys (<<) are not read")
            .fix("write the keys out, or move them into a Profile");
        return Err(Stop(Box::new(fault)));
    }

    Ok(key)
}

/// The fault of a key that is given twice; its text, if it may be quoted.
fn twice(key: Option<&str>, span: Span, first: Span) -> Diagnostic {
    let message = match key {
        Some(key) => format!("the key `{key}` is given twice"),
        None => "a key is given twice".to_owned(),
    };
    Diagnostic::new(&DUPLICATE_KEY, span, message)
        .label("again here")
        .related(first, "first here")
        .fix("remove one of the two")
}

fn measure(node: &Node) -> Size {
    let (bytes, children): (usize, Vec<&Node>) = match &node.value {
        NodeValue::Seq(items) => (0, items.iter().collect()),
        NodeValue::Map(entries) => (0, entries.iter().map(|entry| &entry.node).collect()),
        NodeValue::String(text) => (text.len(), Vec::new()),
        _ => (8, Vec::new()),
    };

    let own = Size {
        nodes: 1,
        bytes,
        depth: 1,
    };

    children
        .into_iter()
        .map(measure)
        .fold(own, |sum, child| Size {
            nodes: sum.nodes + child.nodes,
            bytes: sum.bytes + child.bytes,
            depth: sum.depth.max(child.depth + 1),
        })
}

/// Where the text of a document begins: after the marker's line, or after the marker if something
/// follows it there.
fn after_marker(text: &str, end: usize) -> usize {
    let rest = &text[end..];
    let line_end = rest.find('\n').map_or(rest.len(), |at| at + 1);
    if rest[..line_end].trim().is_empty() {
        end + line_end
    } else {
        end
    }
}

/// Where the text of a document ends: before `...`, if there is one.
fn before_end_marker(text: &str, start: usize) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    fn faults(text: &str) -> Vec<Diagnostic> {
        let mut sources = SourceMap::default();
        let id = sources.add(Source::new("a.yaml", text));
        parse(id, sources.get(id)).1
    }

    #[test]
    fn a_key_given_twice_is_a_fault_in_mappings_of_any_length() {
        for count in [1, 2, 16, 17, 100] {
            let keys: String = (0..count).map(|at| format!("k{at}: 1\n")).collect();
            assert!(faults(&keys).is_empty());

            let last = count - 1;
            let found = faults(&format!("{keys}k{last}: 1\nk{last}: 2\n"));
            let rules: Vec<&str> = found.iter().map(|fault| fault.rule.id).collect();
            assert_eq!(rules, [DUPLICATE_KEY.id; 2], "{count} keys");
            assert!(found.iter().all(|fault| fault.related.len() == 1));
        }
        let found = faults(&"k: 1\n".repeat(5 * MAX_FAULTS));
        assert_eq!(found.len(), MAX_FAULTS + 1);
        assert!(found[MAX_FAULTS].fix.ends_with("is not read"));
    }

    #[test]
    fn nesting_has_a_limit_in_every_style() {
        let block = |depth: usize| -> String {
            (0..depth)
                .map(|level| format!("{}a:\n", " ".repeat(level)))
                .collect()
        };
        let list = |depth: usize| format!("{}x\n", "- ".repeat(depth));
        let flow = |depth: usize| format!("{}{}\n", "[".repeat(depth), "]".repeat(depth));

        for write in [&block as &dyn Fn(usize) -> String, &list, &flow] {
            assert!(faults(&write(MAX_DEPTH)).is_empty());
            let found = faults(&write(MAX_DEPTH + 1));
            let rules: Vec<&str> = found.iter().map(|fault| fault.rule.id).collect();
            assert_eq!(rules, [TOO_DEEP.id], "{}", write(MAX_DEPTH + 1));
        }
    }
}

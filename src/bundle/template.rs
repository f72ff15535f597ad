//! Templates: YAML documents with expressions at the leaves.
//!
//! A leaf that is one `{{ expression }}` keeps the expression's type; null leaves the key out.
//! Structure is steered by keys: `$if` keeps a mapping or not, `$for: x in list` repeats a document
//! or an item, `$merge` lays a mapping's entries in, `$value` stands for the whole mapping. A value
//! is never read as YAML again, so it cannot become structure.

use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{self, Document, Node, NodeValue};
use crate::expression::{ExpressionFault, Leaf, NameScope};
use crate::source::{Source, SourceId, Span};
use crate::value::{Entry, Text, Value, merge_entries};
use std::cell::Cell;

/// The largest number of values that one document of a template may yield for one tenant.
pub const MAX_VALUES: usize = 200_000;
/// The largest number of bytes of text that one document of a template may yield for one tenant.
pub const MAX_BYTES: usize = 4 << 20;

rule! {
    /// A template cannot be read.
    ///
    /// ## What it finds
    /// An expression with a syntax error, an expression in a key, a `$for` that is not `x in list`,
    /// a misplaced or unknown `$` key.
    pub static SYNTAX = "bundle/template-syntax", Error;
}
rule! {
    /// A template uses a name that is not defined for this tenant.
    ///
    /// ## Why it matters
    /// Other engines write an empty text, and the object is applied with it.
    /// ## Fix
    /// Mend the name, or write `{{ name|default(none) }}` where it may be missing.
    pub static UNDEFINED = "bundle/undefined", Error;
}
rule! {
    /// A template runs too long or yields too much: an endless loop, a text that grows without
    /// bound.
    pub static LIMIT = "bundle/template-limit", Error;
}
rule! {
    /// An expression of a template fails for this tenant.
    pub static EXPRESSION = "bundle/expression", Error;
}

/// A template: its documents, in order.
#[derive(Debug)]
pub struct Template {
    /// The path below `templates/`.
    pub path: String,
    is_built_in: bool,
    documents: Vec<TemplateDocument>,
}

#[derive(Debug)]
struct TemplateDocument {
    span: Span,
    root: TemplateNode,
}

#[derive(Debug)]
enum TemplateNode {
    Literal(Value),
    Leaf {
        leaf: Leaf,
        span: Span,
    },
    Map {
        condition: Option<Test>,
        entries: Vec<Member>,
        span: Span,
    },
    Seq(Vec<TemplateItem>),
}

#[derive(Debug)]
enum Member {
    Entry(Text, TemplateNode),
    Merge(TemplateNode, Span),
    Whole(TemplateNode),
}

#[derive(Debug)]
struct TemplateItem {
    repeat: Option<Repeat>,
    part: TemplateNode,
}

#[derive(Debug)]
struct Repeat {
    name: String,
    list: Leaf,
    span: Span,
}

#[derive(Debug)]
struct Test {
    leaf: Leaf,
    span: Span,
}

/// A fault of a template for one tenant.
#[derive(Debug)]
pub struct Failure {
    /// The fault.
    pub fault: ExpressionFault,
    /// The place in the template.
    span: Span,
    /// The path of a built-in template: its place is in no file of the user.
    built_in: Option<String>,
}

/// An object that a template yields, and where the fleet's own template has it; `None` for a
/// built-in template.
pub type Yielded = (Value, Option<Span>);

/// Bounds what one evaluation may yield.
struct TemplateBudget {
    values: Cell<usize>,
    bytes: Cell<usize>,
}

impl TemplateBudget {
    fn spend(&self, bytes: usize, span: Span) -> Result<(), Failure> {
        self.values.set(self.values.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
        if self.values.get() > MAX_VALUES || self.bytes.get() > MAX_BYTES {
            let text =
                format!("the template yields more than {MAX_VALUES} values or {MAX_BYTES} bytes");
            return Err(Failure::new(ExpressionFault::Limit(text), span));
        }
        Ok(())
    }
}

impl Template {
    /// Reads a template. Every fault is the fleet's.
    pub fn parse(path: &str, id: SourceId, source: &Source) -> (Self, Vec<Diagnostic>) {
        let (documents, mut faults) = document::parse(id, source);
        let mut bodies = Vec::new();

        for document in &documents {
            match body(document) {
                Ok(Some(body)) => bodies.push(body),
                Ok(None) => {}
                Err(fault) => faults.push(*fault),
            }
        }

        for fault in &mut faults {
            fault.scope = Scope::Fleet;
        }
        (
            Self {
                path: path.to_owned(),
                is_built_in: source.built_in.is_some(),
                documents: bodies,
            },
            faults,
        )
    }

    /// Evaluates every document: objects, each with the place of the document it comes from.
    pub fn eval(&self, scope: &NameScope<'_>, out: &mut Vec<Yielded>) -> Result<(), Failure> {
        for body in &self.documents {
            let budget = TemplateBudget {
                values: Cell::new(0),
                bytes: Cell::new(0),
            };

            let item = match &body.root {
                TemplateNode::Seq(items) => items.first(),
                _ => None,
            };

            let Some(item) = item else { continue };
            let mut found = Vec::new();
            item.eval(scope, &budget, &mut found)
                .map_err(|failure| Failure {
                    built_in: self.is_built_in.then(|| self.path.clone()),
                    ..failure
                })?;

            let span = (!self.is_built_in).then_some(body.span);
            out.extend(found.into_iter().map(|value| (value, span)));
        }
        Ok(())
    }
}

fn syntax(span: Span, message: impl Into<String>, fix: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::new(&SYNTAX, span, message)
            .fix(fix)
            .scope(Scope::Fleet),
    )
}

fn body(document: &Document) -> Result<Option<TemplateDocument>, Box<Diagnostic>> {
    match &document.root.value {
        NodeValue::Null => Ok(None),
        NodeValue::Map(_) => {
            let first = document.root.span;
            let head = document
                .root
                .entries()
                .first()
                .map_or(first, |entry| entry.key_span);
            Ok(Some(TemplateDocument {
                span: head,
                root: TemplateNode::Seq(vec![item(&document.root)?]),
            }))
        }
        _ => Err(syntax(
            document.root.span,
            "a template is a mapping",
            "write an object",
        )),
    }
}

fn item(node: &Node) -> Result<TemplateItem, Box<Diagnostic>> {
    let Some(entry) = node.entry("$for") else {
        return Ok(TemplateItem {
            repeat: None,
            part: template_node(node)?,
        });
    };

    let span = entry.node.span;
    let wrong = || {
        syntax(
            span,
            "`$for` is not of the form `x in list`",
            "write `$for: x in namespace.bindings`",
        )
    };

    let text = entry.node.as_str().ok_or_else(wrong)?;
    let (name, list) = text.split_once(" in ").ok_or_else(wrong)?;
    let (name, list) = (name.trim(), list.trim());
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        return Err(wrong());
    }
    let list = Leaf::parse(&format!("{{{{ {list} }}}}"))
        .map_err(|(fault, _)| syntax(span, fault.to_string(), "mend it"))?;
    let mut rest = node.clone();
    if let NodeValue::Map(entries) = &mut rest.value {
        entries.retain(|entry| entry.key != "$for");
    }

    Ok(TemplateItem {
        repeat: Some(Repeat {
            name: name.to_owned(),
            list,
            span,
        }),
        part: template_node(&rest)?,
    })
}

fn leaf(node: &Node, text: &str) -> Result<Leaf, Box<Diagnostic>> {
    Leaf::parse(text)
        .map_err(|(fault, _)| syntax(node.span, fault.to_string(), "mend the expression"))
}

fn template_node(node: &Node) -> Result<TemplateNode, Box<Diagnostic>> {
    match &node.value {
        NodeValue::String(text) if text.contains("{{") => Ok(TemplateNode::Leaf {
            leaf: leaf(node, text)?,
            span: node.span,
        }),
        NodeValue::Map(entries) => mapping(node.span, entries),
        NodeValue::Seq(items) => sequence(items),
        _ => Ok(TemplateNode::Literal(node.to_value())),
    }
}

/// A mapping; a literal if it holds no expression.
fn mapping(span: Span, entries: &[document::Entry]) -> Result<TemplateNode, Box<Diagnostic>> {
    let mut condition = None;
    let mut members = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.key.as_str() {
            "$if" => condition = Some(test(&entry.node)?),
            _ => members.extend(member(entry)?),
        }
    }

    let is_literal = |member: &Member| matches!(member, Member::Entry(_, TemplateNode::Literal(_)));
    if condition.is_some() || !members.iter().all(is_literal) {
        return Ok(TemplateNode::Map {
            condition,
            entries: members,
            span,
        });
    }

    let entries = members.into_iter().filter_map(|member| match member {
        Member::Entry(key, TemplateNode::Literal(value)) => Some((key, value)),
        _ => None,
    });
    Ok(TemplateNode::Literal(
        entries.collect::<Vec<Entry>>().into(),
    ))
}

/// A condition, which may be written without braces.
fn test(node: &Node) -> Result<Test, Box<Diagnostic>> {
    let text = node.as_str().unwrap_or_default();
    let leaf = match text.contains("{{") {
        true => leaf(node, text)?,
        false => leaf(node, &format!("{{{{ {text} }}}}"))?,
    };
    Ok(Test {
        leaf,
        span: node.span,
    })
}

/// The member of a mapping; `None` for null, which leaves the key out.
fn member(entry: &document::Entry) -> Result<Option<Member>, Box<Diagnostic>> {
    let (node, span) = (&entry.node, entry.key_span);
    let member = match entry.key.as_str() {
        "$merge" => Member::Merge(template_node(node)?, node.span),
        "$value" => Member::Whole(template_node(node)?),
        "$for" => {
            let message = "`$for` stands in a document or an item of a list";
            return Err(syntax(span, message, "move it"));
        }
        key if key.starts_with('$') => {
            let message = format!("`{key}` is unknown");
            return Err(syntax(span, message, "known: $if, $for, $merge, $value"));
        }
        key if key.contains("{{") => {
            let fix = "merge a mapping in with $merge";
            return Err(syntax(span, "an expression in a key", fix));
        }
        _ if matches!(node.value, NodeValue::Null) => return Ok(None),
        key => Member::Entry(key.into(), template_node(node)?),
    };
    Ok(Some(member))
}

/// A list; a literal if it holds no expression.
fn sequence(items: &[Node]) -> Result<TemplateNode, Box<Diagnostic>> {
    let items = items
        .iter()
        .map(item)
        .collect::<Result<Vec<TemplateItem>, _>>()?;
    let is_literal = |item: &TemplateItem| {
        item.repeat.is_none() && matches!(item.part, TemplateNode::Literal(_))
    };
    if !items.iter().all(is_literal) {
        return Ok(TemplateNode::Seq(items));
    }

    let values = items.into_iter().filter_map(|item| match item.part {
        TemplateNode::Literal(value) => Some(value),
        _ => None,
    });
    Ok(TemplateNode::Literal(values.collect::<Vec<Value>>().into()))
}

/// Whether a value counts as true: it is not null, false, zero, or an empty text, list or mapping.
fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Number(n) => n.as_f64() != Some(0.0),
        Value::String(s) => !s.is_empty(),
        Value::Seq(a) => !a.is_empty(),
        Value::Map(o) => !o.is_empty(),
    }
}

fn fail((fault, _): (ExpressionFault, usize), span: Span) -> Failure {
    Failure::new(fault, span)
}

impl TemplateItem {
    fn eval(
        &self,
        scope: &NameScope<'_>,
        budget: &TemplateBudget,
        out: &mut Vec<Value>,
    ) -> Result<(), Failure> {
        let Some(repeat) = &self.repeat else {
            out.extend(self.part.eval(scope, budget)?);
            return Ok(());
        };

        let list = repeat
            .list
            .eval(scope)
            .map_err(|fault| fail(fault, repeat.span))?;
        let Value::Seq(items) = list else {
            let fault =
                ExpressionFault::Other("`$for` runs over something that is not a list".into());
            return Err(Failure::new(fault, repeat.span));
        };

        for value in items.iter() {
            budget.spend(0, repeat.span)?;
            out.extend(
                self.part
                    .eval(&scope.with(&[(&repeat.name, value)]), budget)?,
            );
        }

        Ok(())
    }
}

impl TemplateNode {
    /// The value; `None` if a condition is false.
    fn eval(
        &self,
        scope: &NameScope<'_>,
        budget: &TemplateBudget,
    ) -> Result<Option<Value>, Failure> {
        match self {
            Self::Literal(value) => Ok(Some(value.clone())),
            Self::Leaf { leaf, span } => {
                let value = leaf.eval(scope).map_err(|fault| fail(fault, *span))?;
                budget.spend(size(&value), *span)?;
                Ok(Some(value))
            }
            Self::Seq(items) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    item.eval(scope, budget, &mut out)?;
                }
                Ok(Some(out.into()))
            }
            Self::Map {
                condition,
                entries,
                span,
            } => {
                budget.spend(0, *span)?;
                match condition {
                    Some(test) if !test.holds(scope)? => Ok(None),
                    _ => eval_members(entries, scope, budget),
                }
            }
        }
    }
}

impl Test {
    fn holds(&self, scope: &NameScope<'_>) -> Result<bool, Failure> {
        let value = self.leaf.eval(scope);
        let value = value.map_err(|fault| fail(fault, self.span))?;
        Ok(truth(&value))
    }
}

/// The value of a mapping's members.
///
/// A template has each key once. So an entry can only meet a key that was merged in before it.
fn eval_members(
    members: &[Member],
    scope: &NameScope<'_>,
    budget: &TemplateBudget,
) -> Result<Option<Value>, Failure> {
    let mut entries = Vec::with_capacity(members.len());
    let mut has_merged = false;

    for member in members {
        match member {
            Member::Entry(key, part) => {
                let value = part.eval(scope, budget)?;
                match value.filter(|value| !value.is_null()) {
                    Some(value) if has_merged => {
                        merge_entries(&mut entries, [(key.clone(), value)])
                    }
                    Some(value) => entries.push((key.clone(), value)),
                    None => {}
                }
            }
            Member::Whole(part) => return part.eval(scope, budget),
            Member::Merge(part, span) => match part.eval(scope, budget)? {
                Some(Value::Map(more)) => {
                    has_merged = true;
                    merge_entries(&mut entries, more.iter().cloned());
                }
                None | Some(Value::Null) => {}
                Some(_) => {
                    let text = "`$merge` takes a mapping, and this is not one".to_owned();
                    return Err(Failure::new(ExpressionFault::Other(text), *span));
                }
            },
        }
    }

    Ok(Some(entries.into()))
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(s) => s.len(),
        Value::Seq(items) => items.iter().map(size).sum::<usize>() + items.len(),
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum(),
        _ => 8,
    }
}

impl Failure {
    const fn new(fault: ExpressionFault, span: Span) -> Self {
        Self {
            fault,
            span,
            built_in: None,
        }
    }

    /// The finding: in the fleet's own template, and at the tenant it fails for. A failure of a
    /// built-in template is at the tenant alone.
    pub fn finding(&self, tenant: &str, tenant_span: Span) -> Diagnostic {
        let rule = match &self.fault {
            ExpressionFault::Undefined(_) => &UNDEFINED,
            ExpressionFault::Limit(_) => &LIMIT,
            ExpressionFault::Syntax(_) => &SYNTAX,
            ExpressionFault::Other(_) => &EXPRESSION,
        };

        let message = format!("{} for the tenant `{tenant}`", self.fault);
        if let Some(path) = &self.built_in {
            let message = format!("the built-in template `{path}` fails: {message}");
            let fix = match &self.fault {
                ExpressionFault::Limit(_) => "divide the tenant into several".to_owned(),
                _ => format!("write a template `{path}` of the fleet's own"),
            };
            return Diagnostic::new(rule, tenant_span, message)
                .fix(fix)
                .tenant(tenant);
        }

        let fix = match &self.fault {
            ExpressionFault::Undefined(_) => {
                "mend the name, or write `{{ name|default(none) }}` where it may be missing"
            }
            ExpressionFault::Limit(_) => "make it yield less",
            ExpressionFault::Syntax(_) | ExpressionFault::Other(_) => "mend the expression",
        };

        Diagnostic::new(rule, self.span, message)
            .related(tenant_span, "for this tenant")
            .fix(fix)
            .tenant(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{list, map};
    use serde_json::json;

    fn eval(text: &str) -> Result<Vec<Value>, Failure> {
        let source = Source::new("t", text);
        let (template, faults) = Template::parse("t", SourceId(0), &source);
        assert!(faults.is_empty(), "{faults:?}");
        let v = Value::from(
            &json!({"list": ["a", "b"], "map": {"x": "1"}, "no": null, "evil": "x\n---\nkind: Evil"}),
        );
        let mut scope = NameScope::new();
        scope.push("v", &v);
        let mut out = Vec::new();
        template.eval(&scope, &mut out)?;
        Ok(out.into_iter().map(|(v, _)| v).collect())
    }

    #[test]
    fn structure_comes_from_keys_and_never_from_values() {
        let text = "a: [{$for: x in v.list, $value: \"{{ x }}!\"}, {$if: v.no, $value: 1}]\nb: {$merge: \"{{ v.map }}\", w: 2}\nc: \"{{ v.no }}\"\nd: \"{{ v.evil }}\"\n---\n$for: x in v.list\nname: \"{{ x }}\"\n---\n$if: \"{{ v.no }}\"\nz: 1\n";
        assert_eq!(
            eval(text).unwrap(),
            vec![
                map! { "a" => list!["a!", "b!"], "b" => map! { "x" => "1", "w" => 2u16 }, "d" => "x\n---\nkind: Evil" },
                map! { "name" => "a" },
                map! { "name" => "b" }
            ]
        );
    }

    #[test]
    fn a_built_in_template_fails_at_the_tenant() {
        let text = "a: \"{{ v.nope }}\"\n";
        let tenant = Span::file(SourceId(7));
        let finding = |source: Source| {
            let (template, _) = Template::parse("tenant/x.yaml", SourceId(0), &source);
            let mut scope = NameScope::new();
            let v = Value::from(&json!({}));
            scope.push("v", &v);
            let failure = template.eval(&scope, &mut Vec::new()).unwrap_err();
            failure.finding("blue", tenant)
        };

        let own = finding(Source::new("templates/tenant/x.yaml", text));
        assert_eq!(own.span.source, SourceId(0));
        assert_eq!(own.related[0].span, tenant);

        let built_in = finding(Source::built_in("x", text, "template x (built in)"));
        assert_eq!((built_in.span, built_in.related.len()), (tenant, 0));
        assert!(built_in.message.contains("`tenant/x.yaml`"));
    }

    #[test]
    fn loops_end() {
        let text = "a: [{$for: a in range(1000), $value: [{$for: b in range(1000), $value: [{$for: c in range(1000), $value: x}]}]}]\n";
        assert!(matches!(
            eval(text).unwrap_err().fault,
            ExpressionFault::Limit(_)
        ));
        assert!(matches!(
            eval("a: \"{{ v.nope }}\"").unwrap_err().fault,
            ExpressionFault::Undefined(_)
        ));
    }
}

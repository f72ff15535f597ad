//! Expressions: minijinja's, bounded in time and memory.
//!
//! Used by the fleet's patterns (`acme:tenant:{{ tenant }}`) and by the leaves of templates. Whole
//! templates are never text: an expression yields a value, and a value can not become structure.

use crate::value::Value;
use minijinja::{Environment, Error, ErrorKind, Expression, UndefinedBehavior, Value as Jinja};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Longest text that an expression, or a text made of several, may yield, in bytes.
pub const MAX_TEXT: usize = 1 << 16;
/// Most items that an expression may yield, lists within lists included.
const MAX_ITEMS: usize = 10_000;
/// Longest expression that is read, in bytes.
const MAX_SOURCE: usize = 2048;
/// Instructions an expression may run for.
const FUEL: u64 = 20_000;

/// Filters and functions of minijinja that cannot make much of little.
static KEPT_FILTERS: [&str; 14] = [
    "bool",
    "capitalize",
    "default",
    "d",
    "first",
    "float",
    "int",
    "last",
    "length",
    "lower",
    "sort",
    "trim",
    "unique",
    "upper",
];

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_debug(true);
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    for name in KEPT_FILTERS {
        keep(&mut env, name);
    }
    env.add_test("defined", |v: &Jinja| !v.is_undefined());
    env.add_test("undefined", |v: &Jinja| v.is_undefined());
    env.add_test("none", |v: &Jinja| v.is_none());
    env.add_function("range", |end: u32| -> Result<Vec<u32>, Error> {
        if end > 1000 {
            Err(too_long())
        } else {
            Ok((0..end).collect())
        }
    });

    env
});

fn keep(env: &mut Environment<'static>, name: &'static str) {
    use minijinja::filters as f;
    match name {
        "bool" => env.add_filter(name, f::bool),
        "capitalize" => env.add_filter(name, f::capitalize),
        "default" | "d" => env.add_filter(name, f::default),
        "first" => env.add_filter(name, f::first),
        "float" => env.add_filter(name, f::float),
        "int" => env.add_filter(name, f::int),
        "last" => env.add_filter(name, f::last),
        "length" => env.add_filter(name, |v: &Jinja| {
            if v.is_undefined() {
                Err(undefined())
            } else {
                f::length(v)
            }
        }),
        "lower" => env.add_filter(name, f::lower),
        "sort" => env.add_filter(name, f::sort),
        "trim" => env.add_filter(name, f::trim),
        "unique" => env.add_filter(name, f::unique),
        "upper" => env.add_filter(name, f::upper),
        _ => {}
    }
}

/// Whether a value has no more items than a budget. A list times a number shares its items until it
/// is written out.
fn fits(value: &Jinja, budget: &mut usize) -> bool {
    let Some(left) = budget.checked_sub(1) else {
        return false;
    };
    *budget = left;
    match value.kind() {
        minijinja::value::ValueKind::Seq | minijinja::value::ValueKind::Iterable => value
            .try_iter()
            .is_ok_and(|mut items| items.all(|item| fits(&item, budget))),
        minijinja::value::ValueKind::Map => value.try_iter().is_ok_and(|mut keys| {
            keys.all(|key| value.get_item(&key).is_ok_and(|item| fits(&item, budget)))
        }),
        _ => true,
    }
}

fn undefined() -> Error {
    Error::from(ErrorKind::UndefinedError)
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("the result is longer than {MAX_TEXT}"),
    )
}

fn join(list: Vec<String>, separator: Option<String>) -> Result<String, Error> {
    let separator = separator.unwrap_or_default();
    let size = list.iter().map(String::len).sum::<usize>() + separator.len() * list.len();
    if size > MAX_TEXT {
        Err(too_long())
    } else {
        Ok(list.join(&separator))
    }
}

fn replace(text: String, from: String, to: String) -> Result<String, Error> {
    let size = text
        .len()
        .saturating_add(text.matches(&from).count().saturating_mul(to.len()));
    if size > MAX_TEXT {
        Err(too_long())
    } else {
        Ok(text.replace(&from, &to))
    }
}

/// A leaf: a value as it is, one expression whose type is kept, or a text with expressions in it.
#[derive(Debug)]
pub enum Leaf {
    /// No expression.
    Text(String),
    /// `{{ a.b }}` and nothing around it.
    Value(Expr),
    /// Text and expressions.
    Mixed(Vec<TextPart>),
}

/// A part of a mixed leaf.
#[derive(Debug)]
pub enum TextPart {
    /// Text.
    Text(String),
    /// An expression.
    Expr(Expr),
}

/// An expression, and where it stands in its leaf.
#[derive(Debug)]
pub struct Expr {
    /// The expression's text.
    pub source: String,
    /// First byte of it in the leaf.
    pub offset: usize,
    kind: ExprKind,
}

#[derive(Debug)]
enum ExprKind {
    /// Names and indices: looked up without the engine.
    Path(Vec<String>),
    Engine(Expression<'static, 'static>),
}

/// What went wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpressionFault {
    /// It cannot be read.
    Syntax(String),
    /// A name that is nowhere defined.
    Undefined(String),
    /// It runs too long, or yields too much.
    Limit(String),
    /// Anything else.
    Other(String),
}

impl std::fmt::Display for ExpressionFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(text) | Self::Limit(text) | Self::Other(text) => f.write_str(text),
            Self::Undefined(name) => write!(f, "`{name}` is undefined"),
        }
    }
}

/// The names that an expression sees, outermost first: a later one hides an earlier one.
#[derive(Clone, Debug, Default)]
pub struct NameScope<'a> {
    names: Vec<(&'a str, &'a Value)>,
}

impl<'a> NameScope<'a> {
    /// Nothing is defined.
    pub const fn new() -> Self {
        Self { names: Vec::new() }
    }

    /// Defines a name.
    pub fn push(&mut self, name: &'a str, value: &'a Value) {
        self.names.push((name, value));
    }

    /// This scope, and a few names more.
    #[must_use]
    pub fn with<'b>(&self, more: &[(&'b str, &'b Value)]) -> NameScope<'b>
    where
        'a: 'b,
    {
        let mut names: Vec<(&'b str, &'b Value)> = self.names.clone();
        names.extend_from_slice(more);
        NameScope { names }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.names
            .iter()
            .rev()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| *v)
    }

    fn to_jinja(&self) -> Jinja {
        let names: BTreeMap<&str, Jinja> = self
            .names
            .iter()
            .map(|(n, v)| (*n, Jinja::from(minijinja::value::Serde(v))))
            .collect();
        Jinja::from(names)
    }
}

impl Expr {
    fn parse(source: &str, offset: usize) -> Result<Self, ExpressionFault> {
        if source.len() > MAX_SOURCE {
            return Err(ExpressionFault::Limit(format!(
                "the expression is longer than {MAX_SOURCE} bytes"
            )));
        }

        let kind = match path(source) {
            Some(path) => ExprKind::Path(path),
            None => ExprKind::Engine(
                ENVIRONMENT
                    .compile_expression_owned(source.to_owned())
                    .map_err(|e| ExpressionFault::Syntax(explain(&e)))?,
            ),
        };

        Ok(Self {
            source: source.to_owned(),
            offset,
            kind,
        })
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// An undefined name, a limit, or what the engine says.
    pub fn eval(&self, scope: &NameScope<'_>) -> Result<Value, ExpressionFault> {
        match &self.kind {
            ExprKind::Path(path) => self.lookup(path, scope).cloned(),
            ExprKind::Engine(expression) => {
                let value = expression
                    .eval(scope.to_jinja())
                    .map_err(|e| match e.kind() {
                        ErrorKind::UndefinedError => {
                            ExpressionFault::Undefined(self.source.clone())
                        }
                        ErrorKind::OutOfFuel => {
                            ExpressionFault::Limit("the expression runs too long".into())
                        }
                        _ => ExpressionFault::Other(explain(&e)),
                    })?;

                if value.is_undefined() {
                    return Err(ExpressionFault::Undefined(self.source.clone()));
                }
                if value.as_str().is_some_and(|s| s.len() > MAX_TEXT) {
                    return Err(ExpressionFault::Limit(format!(
                        "the text is longer than {MAX_TEXT} bytes"
                    )));
                }

                let mut budget = MAX_ITEMS;
                if !fits(&value, &mut budget) {
                    return Err(ExpressionFault::Limit(format!(
                        "the value holds more than {MAX_ITEMS} items"
                    )));
                }

                serde_json::to_value(&value)
                    .map(|v| Value::from(&v))
                    .map_err(|e| ExpressionFault::Other(e.to_string()))
            }
        }
    }

    /// The value, borrowed, where the expression is a path.
    pub fn borrow<'a>(&self, scope: &NameScope<'a>) -> Option<Result<&'a Value, ExpressionFault>> {
        match &self.kind {
            ExprKind::Path(path) => Some(self.lookup(path, scope)),
            ExprKind::Engine(_) => None,
        }
    }

    fn lookup<'a>(
        &self,
        path: &[String],
        scope: &NameScope<'a>,
    ) -> Result<&'a Value, ExpressionFault> {
        let undefined = || ExpressionFault::Undefined(self.source.clone());
        let (first, rest) = path.split_first().ok_or_else(undefined)?;
        let mut value = scope.get(first).ok_or_else(undefined)?;
        for key in rest {
            let next = match value {
                Value::Seq(items) => key.parse::<usize>().ok().and_then(|i| items.get(i)),
                _ => value.get(key),
            };
            value = next.ok_or_else(undefined)?;
        }
        Ok(value)
    }
}

fn explain(error: &Error) -> String {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    let mut text = detail;
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// `a.b[0]['c']` as a list of keys; `None` for anything that the engine must evaluate.
fn path(source: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = source.trim();

    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']')?;
            let key = &inner[..end];
            let quoted = |q: char| {
                key.strip_prefix(q)
                    .and_then(|k| k.strip_suffix(q))
                    .filter(|k| !k.contains(q))
            };
            let key = match quoted('\'').or_else(|| quoted('"')) {
                Some(name) => name,
                None if !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()) => key,
                None => return None,
            };
            out.push(key.to_owned());
            rest = &inner[end + 1..];
        } else {
            if !out.is_empty() {
                rest = rest.strip_prefix('.')?;
            }
            let end = rest
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            if end == 0 || rest.as_bytes()[0].is_ascii_digit() {
                return None;
            }
            out.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
    }

    let word = out.first()?;
    let keyword = matches!(
        word.as_str(),
        "true" | "false" | "none" | "null" | "not" | "True" | "False" | "None"
    );

    (!keyword).then_some(out)
}

impl Leaf {
    /// Reads a leaf.
    ///
    /// # Errors
    /// The fault, and the byte of the leaf at which the expression with it begins.
    pub fn parse(text: &str) -> Result<Self, (ExpressionFault, usize)> {
        let mut parts = Vec::new();
        let mut at = 0;

        while let Some(open) = text[at..].find("{{").map(|i| i + at) {
            let close = text[open..].find("}}").map(|i| i + open);
            let Some(close) = close else {
                return Err((
                    ExpressionFault::Syntax("a `{{` without its `}}`".into()),
                    open,
                ));
            };
            if open > at {
                parts.push(TextPart::Text(text[at..open].to_owned()));
            }
            let inner = &text[open + 2..close];
            let lead = inner.len() - inner.trim_start().len();
            let hole = Expr::parse(inner.trim(), open + 2 + lead).map_err(|f| (f, open))?;
            parts.push(TextPart::Expr(hole));
            at = close + 2;
        }

        if at < text.len() {
            parts.push(TextPart::Text(text[at..].to_owned()));
        }
        Ok(match (parts.len(), parts.pop()) {
            (_, None) => Self::Text(String::new()),
            (1, Some(TextPart::Text(text))) => Self::Text(text),
            (1, Some(TextPart::Expr(hole))) => Self::Value(hole),
            (_, Some(last)) => {
                parts.push(last);
                Self::Mixed(parts)
            }
        })
    }

    /// The value of the leaf.
    ///
    /// # Errors
    /// The fault, and the expression's byte in the leaf.
    pub fn eval(&self, scope: &NameScope<'_>) -> Result<Value, (ExpressionFault, usize)> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Value(hole) => hole.eval(scope).map_err(|f| (f, hole.offset)),
            Self::Mixed(parts) => mixed(parts, scope).map(Value::from),
        }
    }

    /// The leaf as a text.
    ///
    /// # Errors
    /// As [`Leaf::eval`]; a list or a mapping is no text.
    pub fn text(&self, scope: &NameScope<'_>) -> Result<String, (ExpressionFault, usize)> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Value(hole) => mixed_part(hole, scope).map_err(|f| (f, hole.offset)),
            Self::Mixed(parts) => mixed(parts, scope),
        }
    }
}

fn mixed(parts: &[TextPart], scope: &NameScope<'_>) -> Result<String, (ExpressionFault, usize)> {
    let mut out = String::new();
    for part in parts {
        match part {
            TextPart::Text(text) => out.push_str(text),
            TextPart::Expr(hole) => {
                out.push_str(&mixed_part(hole, scope).map_err(|f| (f, hole.offset))?)
            }
        }
        if out.len() > MAX_TEXT {
            return Err((
                ExpressionFault::Limit(format!("the text is longer than {MAX_TEXT} bytes")),
                0,
            ));
        }
    }

    Ok(out)
}

fn mixed_part(hole: &Expr, scope: &NameScope<'_>) -> Result<String, ExpressionFault> {
    let owned;
    let value = match hole.borrow(scope) {
        Some(found) => found?,
        None => {
            owned = hole.eval(scope)?;
            &owned
        }
    };

    match value {
        Value::String(text) => Ok(text.to_string()),
        Value::Bool(b) => Ok(b.to_string()),
        Value::Number(n) => Ok(n.to_string()),
        Value::Null => Err(ExpressionFault::Undefined(hole.source.clone())),
        _ => Err(ExpressionFault::Other(format!(
            "`{}` is a list or a mapping, and text stands around it",
            hole.source
        ))),
    }
}

/// Whether a text with expressions can be read.
///
/// # Errors
/// The reason.
pub fn check_text(text: &str) -> Result<(), String> {
    Leaf::parse(text)
        .map(|_| ())
        .map_err(|(fault, _)| fault.to_string())
}

/// Evaluates a text with expressions.
///
/// # Errors
/// The reason.
pub fn eval_text(text: &str, names: &[(&str, &Value)]) -> Result<String, String> {
    let mut scope = NameScope::new();
    for (name, value) in names {
        scope.push(name, value);
    }
    Leaf::parse(text)
        .and_then(|leaf| leaf.text(&scope))
        .map_err(|(fault, _)| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{list, map};

    fn eval(text: &str) -> Result<Value, ExpressionFault> {
        let v = map! { "a" => map! { "b" => list!["x", 1u16] }, "t" => "no" };
        let mut scope = NameScope::new();
        scope.push("v", &v);
        Leaf::parse(text)
            .map_err(|e| e.0)?
            .eval(&scope)
            .map_err(|e| e.0)
    }

    #[test]
    fn a_lone_expression_keeps_its_type() {
        assert_eq!(eval("{{ v.a.b[1] }}"), Ok(1u16.into()));
        assert_eq!(eval("x-{{ v.t }}"), Ok("x-no".into()));
        assert_eq!(eval("{{ v.a['b'][0] ~ '!' }}"), Ok("x!".into()));
        assert_eq!(eval("{{ v.a.b|length + 1 }}"), Ok(3u16.into()));
    }

    #[test]
    fn what_is_undefined_is_a_fault() {
        for text in [
            "{{ w }}",
            "{{ v.zip }}",
            "{{ v.zip.zap }}",
            "{{ v.a.b[7] }}",
            "{{ v.zip ~ 'x' }}",
            "{{ w|length }}",
        ] {
            assert!(
                matches!(eval(text), Err(ExpressionFault::Undefined(_))),
                "{text}: {:?}",
                eval(text)
            );
        }

        for filter in KEPT_FILTERS
            .iter()
            .filter(|f| !matches!(**f, "default" | "d"))
        {
            assert!(
                eval(&format!("{{{{ w|{filter} }}}}")).is_err(),
                "{filter}: {:?}",
                eval(&format!("{{{{ w|{filter} }}}}"))
            );
        }

        assert!(matches!(eval("{{ v. }}"), Err(ExpressionFault::Syntax(_))));
        assert!(matches!(eval("{{ v"), Err(ExpressionFault::Syntax(_))));
        assert!(eval("{{ v|format }}").is_err());
    }

    #[test]
    fn little_never_becomes_much() {
        let long = format!("{{{{ '{}' }}}}", "x".repeat(3000));
        for text in [
            "{{ 'x' * 10000000000 }}",
            "{{ ('x' * 60000) * 60000 }}",
            "{{ range(1000000000) }}",
            "{{ [[[1] * 1000] * 1000] * 1000 }}",
            "{{ 'aaaaaaaaaa'|replace('a','aaaaaaaaaa')|replace('a','aaaaaaaaaa')|replace('a','aaaaaaaaaa')|replace('a','aaaaaaaaaa')|replace('a','aaaaaaaaaa')|replace('a','aaaaaaaaaa') }}",
            "{{ '%1000000000s'|format('x') }}",
            &long,
        ] {
            assert!(eval(text).is_err(), "{text}");
        }
    }
}

//! CEL, as the API server evaluates it in admission policies.
//!
//! The functions are kube-cel's. Where its interpreter differs from cel-go the expression is
//! replaced before it is evaluated: fields of what is no mapping (an error there, `false` here),
//! optional fields, errors within `all` and `exists` (passed over there if another item decides).
//! What it cannot evaluate is never taken for an answer.
//!
//! A [`Term`] may be open: what stands in some of its fields is chosen by who asks, or not among
//! the inputs. An expression has a value only where it has the same whatever that is.
//!
//! Source: cel-go `interpreter/attributes.go` (`refQualify`), k8s.io/apiserver `pkg/cel`.

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use kube_cel::cel::objects::{Key, Map, Opaque, OptionalValue};
use kube_cel::cel::parser::Parser;
use kube_cel::cel::{Context, ExecutionError, FunctionContext, IdedExpr, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluationFault {
    /// The API server has none either: a field that is absent, a text that is no number.
    Error(String),
    /// It is not known what the API server has.
    Unsupported(String),
}

impl std::fmt::Display for EvaluationFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(text) | Self::Unsupported(text) => f.write_str(text),
        }
    }
}

/// An expression that can be evaluated.
#[derive(Clone, Debug)]
pub struct Expression {
    /// As it is written.
    pub text: String,
    tree: Result<IdedExpr, String>,
    /// As it is written, where the parser is known to read it right.
    plain: Option<IdedExpr>,
}

/// Expressions longer than this, or of more operators, are not evaluated; Kubernetes' own limit on
/// what they cost comes far before.
const LONGEST: usize = 16 * 1024;
const MOST_OPERATORS: usize = 500;

/// What evaluating may cost, in values that are copied; and how large a value may become on the
/// way.
const BUDGET: usize = 200_000;
const LARGEST: usize = 20_000;
const DEEPEST: usize = 100;

impl Expression {
    /// Parses an expression. One that cannot be parsed has a [`EvaluationFault::Unsupported`] wherever it is
    /// evaluated.
    pub fn parse(text: &str) -> Self {
        let operators = text
            .bytes()
            .filter(|b| b".+-*/%&|?[(<>=!{,".contains(b))
            .count();

        let tree = match text.len() {
            // The parser counts how deep it is, and miscounts beyond some ninety of these.
            0..=LONGEST if operators <= MOST_OPERATORS && text.matches('?').count() <= 50 => {
                Parser::new()
                    .enable_optional_syntax(true)
                    .parse(text)
                    .map_err(|e| {
                        let text = e.to_string();
                        text.lines().next().unwrap_or_default().to_owned()
                    })
            }
            _ => Err("it is too long to be evaluated here".into()),
        };

        // The parser drops one of two such operators.
        let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let doubled = squeezed.contains("!!") || squeezed.contains("--");
        let tree = if doubled {
            Err("it has an operator twice, which is not evaluated here".into())
        } else {
            tree
        };

        let plain = tree.clone().ok();
        let tree = tree.and_then(|tree| rewrite(tree, 0, 0).map_err(str::to_owned));
        Self {
            text: text.to_owned(),
            tree,
            plain,
        }
    }

    /// Its syntax tree; nothing where it is not known to be what the server reads.
    pub const fn plain(&self) -> Option<&IdedExpr> {
        self.plain.as_ref()
    }

    /// Why it cannot be parsed, where it cannot.
    pub fn unreadable(&self) -> Option<&str> {
        self.tree.as_ref().err().map(String::as_str)
    }

    /// Its value with some variables.
    ///
    /// # Errors
    /// It has none, or it is not known.
    pub fn evaluate(&self, scope: &EvaluationScope<'_>) -> Result<Value, EvaluationFault> {
        let tree = self
            .tree
            .as_ref()
            .map_err(|e| EvaluationFault::Unsupported(e.clone()))?;
        scope.0.resolve(tree).and_then(raised).map_err(fault)
    }

    /// Whether it is true with some variables.
    ///
    /// # Errors
    /// It has no value, or it is not known.
    pub fn holds(&self, scope: &EvaluationScope<'_>) -> Result<bool, EvaluationFault> {
        match self.evaluate(scope)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(EvaluationFault::Unsupported(
                "it is neither true nor false".into(),
            )),
        }
    }
}

fn fault(error: ExecutionError) -> EvaluationFault {
    use ExecutionError as E;
    let text = match &error {
        // Our own reasons are sentences.
        E::UndeclaredReference(name) if name.contains(' ') => name.to_string(),
        other => other
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    };

    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(160)
        .collect();

    match error {
        E::NoSuchKey(_)
        | E::DivisionByZero(_)
        | E::RemainderByZero(_)
        | E::Overflow(..)
        | E::IndexOutOfBounds(_) => EvaluationFault::Error(text),
        // Of other functions it is not known whether they are at fault, or what they were given.
        E::FunctionError { function, .. } if function == "value" => EvaluationFault::Error(text),
        _ => EvaluationFault::Unsupported(text),
    }
}

/// A value that may be open.
#[derive(Clone, Debug)]
pub enum Term<'a> {
    /// It is known.
    Known(&'a serde_json::Value),
    /// These fields are known, these are known to be absent; any other may be there, with any
    /// value.
    Open(Vec<(&'a str, Term<'a>)>, Vec<&'a str>),
    /// It is known in all that it says; what it does not say may be there: the server has defaults
    /// for it.
    Sparse(&'a serde_json::Value),
}

impl Term<'_> {
    /// Anything at all.
    pub const ANY: Self = Self::Open(Vec::new(), Vec::new());

    fn value(&self) -> Value {
        use serde_json::Value as J;
        match self {
            Self::Known(json) => value_of(json),
            Self::Open(known, absent) => Value::Opaque(Arc::new(OpenObject {
                known: known
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), v.value()))
                    .collect(),
                absent: absent.iter().map(|k| (*k).to_owned()).collect(),
                defaults: false,
            })),
            Self::Sparse(J::Object(fields)) => Value::Opaque(Arc::new(OpenObject {
                known: fields
                    .iter()
                    .map(|(k, v)| (k.clone(), Term::Sparse(v).value()))
                    .collect(),
                absent: Vec::new(),
                defaults: true,
            })),
            Self::Sparse(J::Array(items)) => Value::List(Arc::new(
                items.iter().map(|i| Term::Sparse(i).value()).collect(),
            )),
            Self::Sparse(json) => value_of(json),
        }
    }
}

/// Fields of which some are known.
#[derive(Debug, PartialEq)]
struct OpenObject {
    known: BTreeMap<String, Value>,
    absent: Vec<String>,
    /// Whether what else is there are defaults: the same beside the same.
    defaults: bool,
}

impl Eq for OpenObject {}

impl Opaque for OpenObject {
    fn runtime_type_name(&self) -> &'static str {
        "tenantry.dev/open"
    }
}

/// Why an expression on what is open has no value.
const CHOSEN: &str = "it depends on what is written, or on what is not among the inputs";

fn chosen() -> ExecutionError {
    ExecutionError::undeclared_reference(CHOSEN)
}

fn open(value: &Value) -> Option<&OpenObject> {
    let Value::Opaque(opaque) = value else {
        return None;
    };
    opaque.downcast_ref::<OpenObject>()
}

/// What a value says, as if nothing of it were open.
fn said(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(Arc::new(items.iter().map(said).collect())),
        Value::Map(map) => Value::Map(Map {
            map: Arc::new(map.map.iter().map(|(k, v)| (k.clone(), said(v))).collect()),
        }),
        Value::Opaque(_) => match open(value) {
            Some(open) => Value::Map(Map {
                map: Arc::new(open.known.iter().map(|(k, v)| (key(k), said(v))).collect()),
            }),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

/// Whether two values are equal; an error where that is open.
fn equal(a: &Value, b: &Value) -> Result<bool, ExecutionError> {
    match (open(a), open(b)) {
        (None, None) => match (a, b) {
            (Value::List(x), Value::List(y)) if x.len() != y.len() => Ok(false),
            (Value::List(x), Value::List(y)) => all_equal(x.iter().zip(y.iter())),
            (Value::Map(x), Value::Map(y)) if x.map.len() != y.map.len() => Ok(false),
            (Value::Map(x), Value::Map(y)) => {
                let missing = x.map.keys().any(|k| !y.map.contains_key(k));
                if missing {
                    Ok(false)
                } else {
                    all_equal(x.map.iter().filter_map(|(k, v)| Some((v, y.map.get(k)?))))
                }
            }
            _ => Ok(a == b),
        },
        (Some(x), Some(y)) if x.defaults && y.defaults && said(a) == said(b) => Ok(true),
        // What is open is there, and no single value.
        (Some(_), None) if !matches!(b, Value::Map(_)) => Ok(false),
        (None, Some(_)) if !matches!(a, Value::Map(_)) => Ok(false),
        // One known field that differs tells two apart.
        _ => {
            let field =
                |v: &Value, name: &str| look(v, &Value::String(Arc::new(name.to_owned()))).ok();
            let names = [a, b]
                .into_iter()
                .filter_map(open)
                .flat_map(|o| o.known.keys());

            let differ = |name: &String| match (field(a, name), field(b, name)) {
                (Some(Some(x)), Some(Some(y))) => equal(&x, &y) == Ok(false),
                (Some(x), Some(y)) => x.is_some() != y.is_some(),
                _ => false,
            };

            if names.into_iter().any(differ) {
                Ok(false)
            } else {
                Err(chosen())
            }
        }
    }
}

fn all_equal<'v>(
    pairs: impl Iterator<Item = (&'v Value, &'v Value)>,
) -> Result<bool, ExecutionError> {
    let mut open = None;
    for (a, b) in pairs {
        match equal(a, b) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => open = Some(error),
        }
    }
    open.map_or(Ok(true), Err)
}

/// How large a value is, counted up to a limit.
fn weight(value: &Value) -> usize {
    fn add(value: &Value, sum: &mut usize) {
        *sum += 1;
        if *sum > LARGEST {
            return;
        }
        match value {
            Value::String(text) => *sum += text.len() / 16,
            Value::List(items) => items.iter().for_each(|v| add(v, sum)),
            Value::Map(map) => map.map.values().for_each(|v| add(v, sum)),
            Value::Opaque(_) => match (open(value), held(value)) {
                (Some(open), _) => open.known.values().for_each(|v| add(v, sum)),
                (_, Some(Some(inner))) => add(inner, sum),
                _ => {}
            },
            _ => {}
        }
    }

    let mut sum = 0;
    add(value, &mut sum);
    sum
}

/// What has been spent of the budget.
#[derive(Clone, Debug, Default)]
struct Budget(Arc<AtomicUsize>);

impl Budget {
    fn pay(&self, value: Value) -> Result<Value, ExecutionError> {
        let weight = weight(&value);
        let sum = self.0.fetch_add(weight, Ordering::Relaxed);
        if weight > LARGEST || sum > BUDGET {
            return Err(ExecutionError::undeclared_reference(
                "it costs too much to be evaluated here",
            ));
        }
        Ok(value)
    }
}

/// Variables and functions.
pub struct EvaluationScope<'a>(Context<'a>);

impl EvaluationScope<'_> {
    /// A scope with variables.
    pub fn new<'v>(variables: impl IntoIterator<Item = (&'v str, Term<'v>)>) -> Self {
        let mut context = Context::default().with_all();
        let spent = Budget::default();
        let indexing = spent.clone();
        context.add_function("@index", move |value: Value, at: Value| {
            index(indexing.pay(value)?, at).and_then(|v| indexing.pay(v))
        });
        context.add_function("@has", has);
        context.add_function("@opt", optional);
        context.add_function("@try", attempt);
        context.add_function("@raise", raised);
        context.add_function("@and", |a: Value, b: Value| {
            Ok::<_, ExecutionError>(decided(false, a, b))
        });
        context.add_function("@or", |a: Value, b: Value| {
            Ok::<_, ExecutionError>(decided(true, a, b))
        });
        context.add_function("@eq", |a: Value, b: Value| equal(&a, &b));
        context.add_function("@ne", |a: Value, b: Value| equal(&a, &b).map(|same| !same));
        context.add_function("@small", move |value: Value| spent.pay(value));
        context.add_function("size", size);
        context.add_function("replace", |_: Value| -> Result<Value, ExecutionError> {
            Err(ExecutionError::undeclared_reference(
                "replace is not evaluated here",
            ))
        });

        let mut scope = Self(context);
        for (name, term) in variables {
            scope.set(name, &term);
        }
        scope
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, term: &Term<'_>) {
        self.0.add_variable_from_value(name, term.value());
    }

    /// Adds the `variables` of a policy, each evaluated with those before it. One without a value
    /// has its fault where it is used.
    pub fn with_variables(&mut self, variables: &[(String, Expression)]) {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        // One that is not among them yet is no variable: nothing is known of it.
        let open = |known: &BTreeMap<String, Value>| {
            Value::Opaque(Arc::new(OpenObject {
                known: known.clone(),
                absent: Vec::new(),
                defaults: false,
            }))
        };

        for (name, expression) in variables {
            self.0.add_variable_from_value("variables", open(&known));
            let value = match &expression.tree {
                Ok(tree) => self
                    .0
                    .resolve(tree)
                    .and_then(raised)
                    .unwrap_or_else(pending),
                Err(text) => pending(ExecutionError::undeclared_reference(text)),
            };

            let small = known.values().map(weight).sum::<usize>() + weight(&value) <= LARGEST;
            let value = if small {
                value
            } else {
                pending(ExecutionError::undeclared_reference("it is too large"))
            };

            known.insert(name.clone(), value);
        }

        self.0.add_variable_from_value("variables", open(&known));
    }
}

fn key(name: &str) -> Key {
    Key::String(Arc::new(name.to_owned()))
}

fn value_of(json: &serde_json::Value) -> Value {
    use serde_json::Value as J;
    match json {
        J::Null => Value::Null,
        J::Bool(b) => Value::Bool(*b),
        J::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::Float(n.as_f64().unwrap_or_default()), Value::Int),
        J::String(s) => Value::String(Arc::new(s.clone())),
        J::Array(items) => Value::List(Arc::new(items.iter().map(value_of).collect())),
        J::Object(fields) => Value::Map(Map {
            map: Arc::new(fields.iter().map(|(k, v)| (key(k), value_of(v))).collect()),
        }),
    }
}

/// An error that is kept until it is used.
#[derive(Debug, PartialEq)]
struct DeferredError(ExecutionError);

impl Eq for DeferredError {}

impl Opaque for DeferredError {
    fn runtime_type_name(&self) -> &'static str {
        "tenantry.dev/error"
    }
}

fn pending(error: ExecutionError) -> Value {
    Value::Opaque(Arc::new(DeferredError(error)))
}

fn attempt(
    context: &FunctionContext<'_, '_>,
    expression: IdedExpr,
) -> Result<Value, ExecutionError> {
    Ok(context.ptx.resolve(&expression).unwrap_or_else(pending))
}

/// A value, or the error that was kept in its place.
fn raised(value: Value) -> Result<Value, ExecutionError> {
    match &value {
        Value::Opaque(opaque) => match opaque.downcast_ref::<DeferredError>() {
            Some(DeferredError(error)) => Err(error.clone()),
            None => Ok(value),
        },
        _ => Ok(value),
    }
}

/// `a && b` or `a || b`, where one of them may be an error: `decisive` decides by itself.
fn decided(decisive: bool, a: Value, b: Value) -> Value {
    let is = |v: &Value, what: bool| matches!(v, Value::Bool(b) if *b == what);
    match () {
        () if is(&a, decisive) || is(&b, decisive) => Value::Bool(decisive),
        () if is(&a, !decisive) => b,
        () => a,
    }
}

fn size(context: &FunctionContext<'_, '_>) -> Result<i64, ExecutionError> {
    let this = match (&context.this, context.args) {
        (Some(this), []) => this.clone(),
        (None, [argument]) => context.ptx.resolve(argument)?,
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    let size = match raised(this)? {
        Value::List(items) => items.len(),
        Value::Map(map) => map.map.len(),
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        _ => return Err(ExecutionError::NoSuchOverload),
    };
    Ok(size as i64)
}

fn none() -> Value {
    Value::Opaque(Arc::new(OptionalValue::none()))
}

fn some(value: Value) -> Value {
    Value::Opaque(Arc::new(OptionalValue::of(value)))
}

/// What an optional value holds; nothing where it is none.
fn held(value: &Value) -> Option<Option<&Value>> {
    let Value::Opaque(opaque) = value else {
        return None;
    };
    opaque
        .downcast_ref::<OptionalValue>()
        .map(OptionalValue::value)
}

/// A field of a mapping or an item of a list, if it is there.
fn child(value: &Value, at: &Value) -> Option<Value> {
    match (value, at) {
        (Value::Map(map), Value::String(name)) => {
            let found = map.map.get(&Key::String(name.clone()));
            found
                .or_else(|| map.map.get(&key(&unescaped(name)?)))
                .cloned()
        }
        (Value::Map(map), Value::Int(n)) => map.map.get(&Key::Int(*n)).cloned(),
        (Value::Map(map), Value::Bool(b)) => map.map.get(&Key::Bool(*b)).cloned(),
        (Value::List(items), Value::Int(n)) => items.get(usize::try_from(*n).ok()?).cloned(),
        _ => None,
    }
}

/// A field or an item, if it is there; an error where that is open.
fn look(value: &Value, at: &Value) -> Result<Option<Value>, ExecutionError> {
    let Some(open) = open(value) else {
        return Ok(child(value, at));
    };
    let Value::String(name) = at else {
        return Err(chosen());
    };
    match open.known.get(name.as_str()) {
        Some(value) => raised(value.clone()).map(Some),
        None if open.absent.iter().any(|a| a == name.as_str()) => Ok(None),
        None => Err(chosen()),
    }
}

/// The name of a property that is no identifier, as a schema's fields are written in CEL.
fn unescaped(name: &str) -> Option<String> {
    if !name.contains("__") {
        return None;
    }
    let reserved = name.strip_prefix("__").and_then(|n| n.strip_suffix("__"));
    let plain = name
        .replace("__dash__", "-")
        .replace("__dot__", ".")
        .replace("__slash__", "/");
    Some(
        reserved
            .filter(|_| plain == name)
            .map_or(plain, str::to_owned)
            .replace("__underscores__", "__"),
    )
}

fn missing(at: &Value) -> ExecutionError {
    let name = match at {
        Value::String(name) => name.to_string(),
        Value::Int(n) => n.to_string(),
        _ => "it".to_owned(),
    };
    ExecutionError::no_such_key(&name)
}

fn index(value: Value, at: Value) -> Result<Value, ExecutionError> {
    let value = raised(value)?;
    match held(&value) {
        Some(None) => Ok(none()),
        Some(Some(held)) => Ok(look(held, &at)?.map_or_else(none, some)),
        None => look(&value, &at)?
            .ok_or_else(|| missing(&at))
            .and_then(raised),
    }
}

fn has(value: Value, field: Value) -> Result<bool, ExecutionError> {
    let value = raised(value)?;
    match held(&value) {
        Some(None) => Ok(false),
        Some(Some(held)) => Ok(look(held, &field)?.is_some()),
        None => Ok(look(&value, &field)?.is_some()),
    }
}

fn optional(value: Value, at: Value) -> Result<Value, ExecutionError> {
    let value = raised(value)?;
    let found = match held(&value) {
        Some(None) => None,
        Some(Some(held)) => look(held, &at)?,
        None => look(&value, &at)?,
    };
    found.map_or_else(|| Ok(none()), |value| raised(value).map(some))
}

/// Whether it is a quantity of as few digits as can be compared with any other.
fn is_short(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Literal(LiteralValue::String(text)) if text.inner().len() <= 12)
}

fn call(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    })
}

/// Replaces what the interpreter reads otherwise than cel-go.
///
/// `loops` is how many comprehensions it is within.
fn rewrite(node: IdedExpr, depth: usize, loops: usize) -> Result<IdedExpr, &'static str> {
    if depth > DEEPEST {
        return Err("it is too deep to be evaluated here");
    }
    let loops = loops + usize::from(matches!(node.expr, Expr::Comprehension(_)));
    let rewrite = |node: IdedExpr| self::rewrite(node, depth + 1, loops);
    let all = |nodes: Vec<IdedExpr>| {
        nodes
            .into_iter()
            .map(rewrite)
            .collect::<Result<Vec<_>, _>>()
    };

    let id = node.id;
    let expr = match node.expr {
        Expr::Select(select) => {
            let field = Expr::Literal(LiteralValue::String(select.field.as_str().into()));
            let name = if select.test { "@has" } else { "@index" };
            call(
                name,
                vec![rewrite(*select.operand)?, IdedExpr { id, expr: field }],
            )
        }
        Expr::Call(mut of) => {
            of.args = all(of.args)?;
            of.target = of.target.map(|t| rewrite(*t).map(Box::new)).transpose()?;
            let name = match of.func_name.as_str() {
                "_[_]" => "@index",
                "_?._" | "_[?_]" => "@opt",
                "_==_" => "@eq",
                "_!=_" => "@ne",
                // A pattern is compiled at each turn.
                "matches" | "find" | "findAll" if loops > 1 => {
                    return Err("it has patterns within loops within loops");
                }
                // What may grow is weighed.
                "_+_" | "join" | "lowerAscii" | "upperAscii" | "split" | "flatten" | "findAll" => {
                    let grown = IdedExpr {
                        id,
                        expr: Expr::Call(of),
                    };
                    return Ok(IdedExpr {
                        id,
                        expr: call("@small", vec![grown]),
                    });
                }
                // These may panic, or make more than there is room for, before anything can be
                // weighed.
                "format" | "range" | "quote" | "add" | "sub" | "-_" => {
                    return Err("it has a function that is not evaluated here");
                }
                "quantity" if !of.args.iter().all(is_short) => {
                    return Err("its quantities are too long to be evaluated here");
                }
                name if name.starts_with('@') && name != "@in" && name != "@not_strictly_false" => {
                    return Err("it names what has no name");
                }
                _ => {
                    return Ok(IdedExpr {
                        id,
                        expr: Expr::Call(of),
                    });
                }
            };

            call(name, of.args)
        }
        Expr::List(mut list) => {
            list.elements = all(list.elements)?;
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                let EntryExpr::MapEntry(pair) = &mut entry.expr else {
                    return Err("it makes an object");
                };
                pair.key = rewrite(std::mem::take(&mut pair.key))?;
                pair.value = rewrite(std::mem::take(&mut pair.value))?;
            }
            Expr::Map(map)
        }
        Expr::Comprehension(mut c) => {
            if c.iter_var2.is_some() {
                return Err("it has a comprehension of two variables");
            }
            c.iter_range = rewrite(c.iter_range)?;
            c.accu_init = rewrite(c.accu_init)?;
            // Each turn is paid for.
            let turn = rewrite(c.loop_cond)?;
            c.loop_cond = IdedExpr {
                id,
                expr: call("@small", vec![turn]),
            };

            c.loop_step = rewrite(c.loop_step)?;
            c.result = rewrite(c.result)?;

            if let Expr::Call(step) = &mut c.loop_step.expr
                && step.args.len() == 2
                && matches!(&step.args[0].expr, Expr::Ident(name) if *name == c.accu_var)
                && let Some(name) = match step.func_name.as_str() {
                    "_&&_" => Some("@and"),
                    "_||_" => Some("@or"),
                    _ => None,
                }
            {
                step.func_name = name.to_owned();
                let tried = std::mem::take(&mut step.args[1]);
                step.args[1] = IdedExpr {
                    id,
                    expr: call("@try", vec![tried]),
                };
                let result = std::mem::take(&mut c.result);
                c.result = IdedExpr {
                    id,
                    expr: call("@raise", vec![result]),
                };
            }

            Expr::Comprehension(c)
        }
        Expr::Struct(_) => return Err("it makes an object"),
        Expr::Unspecified => return Err("it is empty"),
        known @ (Expr::Ident(_) | Expr::Literal(_)) => known,
    };

    Ok(IdedExpr { id, expr })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(text: &str) -> Result<bool, EvaluationFault> {
        let object = json!({"metadata": {"name": "x", "labels": {"a.b/c": "1"}}, "n": [1, 2], "none": null, "b": [{"x": 1}, {}]});
        let null = serde_json::Value::Null;
        let mut scope = EvaluationScope::new([
            ("object", Term::Known(&object)),
            ("oldObject", Term::Known(&null)),
        ]);
        let variables = [
            ("two", "2"),
            ("gone", "object.gone"),
            ("four", "variables.two + 2"),
        ]
        .map(|(n, e)| (n.into(), Expression::parse(e)));
        scope.with_variables(&variables);
        Expression::parse(text).holds(&scope)
    }

    #[test]
    fn what_is_absent_is_absent_as_in_kubernetes() {
        for (text, expected) in [
            ("object.metadata.name == 'x'", true),
            ("has(object.metadata.labels) && !has(object.spec)", true),
            ("object.metadata.labels['a.b/c'] == '1'", true),
            ("object.?spec.?replicas.orValue(3) == 3", true),
            ("object.?metadata.?name.orValue('') == 'x'", true),
            ("object.metadata.?labels[?'a.b/c'].orValue('') == '1'", true),
            ("object.metadata.?labels['a.b/c'].hasValue()", true),
            ("has(oldObject.metadata)", false),
            ("oldObject.?metadata.hasValue()", false),
            ("object.b.exists(i, i.x == 1)", true),
            ("object.b.exists(i, i.x == 2) || true", true),
            ("object.b.all(i, i.x == 2)", false),
            ("object.b.filter(i, has(i.x)).size() == 1", true),
            (
                "variables.four == 4 && (variables.four > 3 || variables.gone)",
                true,
            ),
            ("quantity('1Gi').isGreaterThan(quantity('1Mi'))", true),
            ("'ü'.size() == 1", true),
            ("{'a': object.n[1]}.a == 2", true),
        ] {
            assert_eq!(answer(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_error_is_one_and_what_is_not_known_is_not() {
        for text in [
            "object.spec == 1",
            "oldObject.metadata.name == 'x'",
            "object.n[2] == 1",
            "variables.gone",
            "object.b.all(i, i.x == 1)",
        ] {
            assert!(
                matches!(answer(text), Err(EvaluationFault::Error(_))),
                "{text}: {:?}",
                answer(text)
            );
        }
        for text in [
            "authorizer.group('').resource('pods').check('get').allowed()",
            "object.",
            "@try(1)",
            "Foo{a: 1}.a",
            "1",
            "nothing(1)",
        ] {
            assert!(
                matches!(answer(text), Err(EvaluationFault::Unsupported(_))),
                "{text}: {:?}",
                answer(text)
            );
        }
    }
}

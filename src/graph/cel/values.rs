//! Values of expressions: open objects, optional values, and errors that are kept until they are
//! used.

use kube_cel::cel::objects::{Key, Map, Opaque, OptionalValue};
use kube_cel::cel::{ExecutionError, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How large a value may become.
pub(super) const LARGEST: usize = 20_000;

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

    pub(super) fn value(&self) -> Value {
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
pub(super) struct OpenObject {
    pub(super) known: BTreeMap<String, Value>,
    pub(super) absent: Vec<String>,
    /// Whether what else is there are defaults: the same beside the same.
    pub(super) defaults: bool,
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
pub(super) fn equal(a: &Value, b: &Value) -> Result<bool, ExecutionError> {
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
pub(super) fn weight(value: &Value) -> usize {
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

pub(super) fn pending(error: ExecutionError) -> Value {
    Value::Opaque(Arc::new(DeferredError(error)))
}

/// A value, or the error that was kept in its place.
pub(super) fn raised(value: Value) -> Result<Value, ExecutionError> {
    match &value {
        Value::Opaque(opaque) => match opaque.downcast_ref::<DeferredError>() {
            Some(DeferredError(error)) => Err(error.clone()),
            None => Ok(value),
        },
        _ => Ok(value),
    }
}

pub(super) fn none() -> Value {
    Value::Opaque(Arc::new(OptionalValue::none()))
}

pub(super) fn some(value: Value) -> Value {
    Value::Opaque(Arc::new(OptionalValue::of(value)))
}

/// The content of an optional value; the outer `None` if the value is not optional.
pub(super) fn held(value: &Value) -> Option<Option<&Value>> {
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
pub(super) fn look(value: &Value, at: &Value) -> Result<Option<Value>, ExecutionError> {
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

pub(super) fn missing(at: &Value) -> ExecutionError {
    let name = match at {
        Value::String(name) => name.to_string(),
        Value::Int(n) => n.to_string(),
        _ => "it".to_owned(),
    };
    ExecutionError::no_such_key(&name)
}

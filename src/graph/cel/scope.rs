//! The variables and functions that an expression is evaluated with.

use super::NamedExpression;
use super::values::{
    LARGEST, OpenObject, Term, equal, held, look, missing, none, pending, raised, some, weight,
};
use kube_cel::KubeCelExt;
use kube_cel::cel::{Context, ExecutionError, FunctionContext, IdedExpr, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What evaluating may cost, in values that are copied.
const BUDGET: usize = 200_000;

/// The functions that expressions are evaluated with. To make them costs more than to evaluate most
/// expressions, so that they are made once. One expression is evaluated at a time.
pub struct Functions {
    context: Context<'static>,
    spent: Budget,
}

impl Default for Functions {
    fn default() -> Self {
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
        let copying = spent.clone();
        context.add_function("@small", move |value: Value| copying.pay(value));
        context.add_function("size", size);
        context.add_function("replace", |_: Value| -> Result<Value, ExecutionError> {
            Err(ExecutionError::undeclared_reference(
                "replace is not evaluated here",
            ))
        });

        Self { context, spent }
    }
}

impl Functions {
    /// A scope with variables.
    pub fn scope<'v>(
        &self,
        variables: impl IntoIterator<Item = (&'v str, Term<'v>)>,
    ) -> EvaluationScope<'_> {
        let mut scope = EvaluationScope {
            context: self.context.new_inner_scope(),
            spent: &self.spent,
        };
        for (name, term) in variables {
            scope.set(name, &term);
        }
        scope
    }
}

/// Variables and functions.
pub struct EvaluationScope<'a> {
    pub(super) context: Context<'a>,
    spent: &'a Budget,
}

impl EvaluationScope<'_> {
    /// A scope with the same variables, to which more can be added.
    pub fn inner(&self) -> EvaluationScope<'_> {
        EvaluationScope {
            context: self.context.new_inner_scope(),
            spent: self.spent,
        }
    }

    /// Forgets what was spent: the expressions of each policy have the whole budget.
    pub fn reset_budget(&self) {
        self.spent.0.store(0, Ordering::Relaxed);
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, term: &Term<'_>) {
        self.context.add_variable_from_value(name, term.value());
    }

    /// Adds the `variables` of a policy, each evaluated with those before it. One without a value
    /// has its fault where it is used.
    pub fn with_variables(&mut self, variables: &[NamedExpression]) {
        let mut known: BTreeMap<String, Value> = BTreeMap::new();
        // One that is not among them yet is no variable: nothing is known of it.
        let open = |known: &BTreeMap<String, Value>| {
            Value::Opaque(Arc::new(OpenObject {
                known: known.clone(),
                absent: Vec::new(),
                defaults: false,
            }))
        };

        for NamedExpression { name, expression } in variables {
            self.context
                .add_variable_from_value("variables", open(&known));
            let value = match &expression.tree {
                Ok(tree) => self
                    .context
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

        self.context
            .add_variable_from_value("variables", open(&known));
    }
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

fn attempt(
    context: &FunctionContext<'_, '_>,
    expression: IdedExpr,
) -> Result<Value, ExecutionError> {
    Ok(context.ptx.resolve(&expression).unwrap_or_else(pending))
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

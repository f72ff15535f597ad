//! CEL, as the API server evaluates it in admission policies.
//!
//! The functions are kube-cel's. Where its interpreter differs from cel-go the expression is
//! replaced before it is evaluated: fields of a value that is no mapping (an error there, `false` here),
//! optional fields, errors within `all` and `exists` (passed over there if another item decides).
//! What it cannot evaluate is never taken for an answer.
//!
//! A [`Term`] may be open: what stands in some of its fields is chosen by who asks, or not among
//! the inputs. An expression has a value only if every such choice gives
//! the same value.
//!
//! Source: cel-go `interpreter/attributes.go` (`refQualify`), k8s.io/apiserver `pkg/cel`.

mod rewrite;
mod scope;
mod values;

pub use scope::{EvaluationScope, Functions};
pub use values::Term;

use kube_cel::cel::parser::Parser;
use kube_cel::cel::{ExecutionError, IdedExpr, Value};
use rewrite::rewrite;
use values::raised;

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

/// An expression with a name: a variable or a match condition of a policy.
#[derive(Clone, Debug)]
pub struct NamedExpression {
    /// The name.
    pub name: String,
    /// The expression.
    pub expression: Expression,
}

/// Expressions longer than this, or of more operators, are not evaluated; Kubernetes' own limit on
/// what they cost comes far before.
const LONGEST: usize = 16 * 1024;
const MOST_OPERATORS: usize = 500;

impl Expression {
    /// Parses an expression. One that cannot be parsed has an [`EvaluationFault::Unsupported`]
    /// wherever it is evaluated.
    pub fn parse(text: &str) -> Self {
        let parsed = parse(text);
        Self {
            text: text.to_owned(),
            plain: parsed.clone().ok(),
            tree: parsed.and_then(|tree| rewrite(tree).map_err(str::to_owned)),
        }
    }

    /// Its syntax tree; `None` if it may differ from the one that the server reads.
    pub const fn plain(&self) -> Option<&IdedExpr> {
        self.plain.as_ref()
    }

    /// Why it cannot be parsed; `None` if it can.
    pub fn unreadable(&self) -> Option<&str> {
        self.tree.as_ref().err().map(String::as_str)
    }

    /// Its value with some variables.
    ///
    /// # Errors
    /// The expression has no value, or the value is not known.
    pub fn evaluate(&self, scope: &EvaluationScope<'_>) -> Result<Value, EvaluationFault> {
        let tree = self
            .tree
            .as_ref()
            .map_err(|e| EvaluationFault::Unsupported(e.clone()))?;
        scope.context.resolve(tree).and_then(raised).map_err(fault)
    }

    /// Whether it is true with some variables.
    ///
    /// # Errors
    /// The expression has no value, or the value is not known.
    pub fn holds(&self, scope: &EvaluationScope<'_>) -> Result<bool, EvaluationFault> {
        match self.evaluate(scope)? {
            Value::Bool(holds) => Ok(holds),
            _ => Err(EvaluationFault::Unsupported(
                "it is neither true nor false".into(),
            )),
        }
    }
}

/// Parses the text of an expression, unless the parser is known to misread it.
fn parse(text: &str) -> Result<IdedExpr, String> {
    let operators = text
        .bytes()
        .filter(|byte| b".+-*/%&|?[(<>=!{,".contains(byte))
        .count();

    // The parser counts how deep it is, and miscounts beyond some ninety `?`.
    let is_short =
        text.len() <= LONGEST && operators <= MOST_OPERATORS && text.matches('?').count() <= 50;
    if !is_short {
        return Err("it is too long to be evaluated here".into());
    }

    // The parser drops one of two such operators.
    let squeezed: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if squeezed.contains("!!") || squeezed.contains("--") {
        return Err("it has an operator twice, which is not evaluated here".into());
    }

    Parser::new()
        .enable_optional_syntax(true)
        .parse(text)
        .map_err(|error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().to_owned()
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(text: &str) -> Result<bool, EvaluationFault> {
        let object = json!({"metadata": {"name": "x", "labels": {"a.b/c": "1"}}, "n": [1, 2], "none": null, "b": [{"x": 1}, {}]});
        let null = serde_json::Value::Null;
        let functions = Functions::default();
        let mut scope = functions.scope([
            ("object", Term::Known(&object)),
            ("oldObject", Term::Known(&null)),
        ]);
        let variables = [
            ("two", "2"),
            ("gone", "object.gone"),
            ("four", "variables.two + 2"),
        ]
        .map(|(name, text)| NamedExpression {
            name: name.into(),
            expression: Expression::parse(text),
        });
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

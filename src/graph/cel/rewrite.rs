//! Replaces what the interpreter evaluates otherwise than cel-go.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, MapExpr, SelectExpr,
};

/// How deep expressions may be nested.
const DEEPEST: usize = 100;

/// Why an expression is not evaluated.
type Refusal = &'static str;

/// Replaces each operation of an expression that the interpreter evaluates otherwise than cel-go.
///
/// # Errors
/// The expression has an operation that is not evaluated.
pub(super) fn rewrite(tree: IdedExpr) -> Result<IdedExpr, Refusal> {
    Position::default().node(tree)
}

/// Where a node stands in its expression.
#[derive(Clone, Copy, Default)]
struct Position {
    /// How many nodes hold it.
    depth: usize,
    /// How many comprehensions hold it.
    loops: usize,
}

impl Position {
    fn node(self, node: IdedExpr) -> Result<IdedExpr, Refusal> {
        if self.depth > DEEPEST {
            return Err("it is too deep to be evaluated here");
        }
        let inner = Self {
            depth: self.depth + 1,
            loops: self.loops + usize::from(matches!(node.expr, Expr::Comprehension(_))),
        };

        let id = node.id;
        let expr = match node.expr {
            Expr::Select(select) => inner.select(id, select)?,
            Expr::Call(call) => inner.call(id, call)?,
            Expr::List(mut list) => {
                list.elements = inner.nodes(list.elements)?;
                Expr::List(list)
            }
            Expr::Map(map) => inner.map(map)?,
            Expr::Comprehension(mut comprehension) => {
                inner.comprehension(id, &mut comprehension)?;
                Expr::Comprehension(comprehension)
            }
            Expr::Struct(_) => return Err("it makes an object"),
            Expr::Unspecified => return Err("it is empty"),
            known @ (Expr::Ident(_) | Expr::Literal(_)) => known,
        };

        Ok(IdedExpr { id, expr })
    }

    fn nodes(self, nodes: Vec<IdedExpr>) -> Result<Vec<IdedExpr>, Refusal> {
        nodes.into_iter().map(|node| self.node(node)).collect()
    }

    fn select(self, id: u64, select: SelectExpr) -> Result<Expr, Refusal> {
        let field = Expr::Literal(LiteralValue::String(select.field.as_str().into()));
        let name = if select.test { "@has" } else { "@index" };
        let operand = self.node(*select.operand)?;
        Ok(call(name, vec![operand, IdedExpr { id, expr: field }]))
    }

    fn call(self, id: u64, mut of: CallExpr) -> Result<Expr, Refusal> {
        of.args = self.nodes(of.args)?;
        of.target = of
            .target
            .map(|target| self.node(*target).map(Box::new))
            .transpose()?;

        let name = match of.func_name.as_str() {
            "_[_]" => "@index",
            "_?._" | "_[?_]" => "@opt",
            "_==_" => "@eq",
            "_!=_" => "@ne",
            // A pattern is compiled at each turn.
            "matches" | "find" | "findAll" if self.loops > 1 => {
                return Err("it has patterns within loops within loops");
            }
            // The results of these may grow, and are weighed.
            "_+_" | "join" | "lowerAscii" | "upperAscii" | "split" | "flatten" | "findAll" => {
                return Ok(wrap(
                    "@small",
                    IdedExpr {
                        id,
                        expr: Expr::Call(of),
                    },
                ));
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
            _ => return Ok(Expr::Call(of)),
        };

        Ok(call(name, of.args))
    }

    fn map(self, mut map: MapExpr) -> Result<Expr, Refusal> {
        for entry in &mut map.entries {
            let EntryExpr::MapEntry(pair) = &mut entry.expr else {
                return Err("it makes an object");
            };
            pair.key = self.node(std::mem::take(&mut pair.key))?;
            pair.value = self.node(std::mem::take(&mut pair.value))?;
        }

        Ok(Expr::Map(map))
    }

    fn comprehension(self, id: u64, of: &mut ComprehensionExpr) -> Result<(), Refusal> {
        if of.iter_var2.is_some() {
            return Err("it has a comprehension of two variables");
        }
        for part in [
            &mut of.iter_range,
            &mut of.accu_init,
            &mut of.loop_cond,
            &mut of.loop_step,
            &mut of.result,
        ] {
            *part = self.node(std::mem::take(part))?;
        }

        // Each turn is paid for.
        replace(id, "@small", &mut of.loop_cond);
        absorb_errors(id, of);
        Ok(())
    }
}

/// Makes `all` and `exists` pass over the error of an item if another item decides.
fn absorb_errors(id: u64, of: &mut ComprehensionExpr) {
    let Expr::Call(step) = &mut of.loop_step.expr else {
        return;
    };
    let name = match step.func_name.as_str() {
        "_&&_" => "@and",
        "_||_" => "@or",
        _ => return,
    };
    let [accumulated, item] = step.args.as_mut_slice() else {
        return;
    };

    if matches!(&accumulated.expr, Expr::Ident(name) if *name == of.accu_var) {
        step.func_name = name.to_owned();
        replace(id, "@try", item);
        replace(id, "@raise", &mut of.result);
    }
}

/// Replaces a node by a call with the node as the argument.
fn replace(id: u64, name: &str, node: &mut IdedExpr) {
    let expr = wrap(name, std::mem::take(node));
    *node = IdedExpr { id, expr };
}

fn wrap(name: &str, argument: IdedExpr) -> Expr {
    call(name, vec![argument])
}

fn call(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    })
}

/// Whether it is a quantity of as few digits as can be compared with any other.
fn is_short(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Literal(LiteralValue::String(text)) if text.inner().len() <= 12)
}

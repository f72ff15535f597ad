//! Which requesters the admission policies of a cluster tell apart: those that differ in what an
//! expression reads of them.

use crate::graph::Facts;
use crate::graph::cel::Expression;
use crate::graph::request::Requester;
use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{EntryExpr, Expr, LiteralValue};
use std::collections::BTreeSet;

/// What the policies of a cluster read of a requester.
#[derive(Debug, Default)]
pub struct RequesterReads {
    /// The texts that its name is compared with.
    names: BTreeSet<String>,
    /// The parts that are looked for in its name.
    parts: BTreeSet<(NamePart, String)>,
    /// The texts that are looked for among its groups.
    groups: BTreeSet<String>,
    /// Whether its name is read in another way.
    whole_name: bool,
    /// Whether its groups are read in another way.
    whole_groups: bool,
}

/// Where a text is looked for in the name of a requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NamePart {
    Start,
    End,
    Anywhere,
}

impl NamePart {
    fn of_method(name: &str) -> Option<Self> {
        match name {
            "startsWith" => Some(Self::Start),
            "endsWith" => Some(Self::End),
            "contains" => Some(Self::Anywhere),
            _ => None,
        }
    }

    fn is_in(self, name: &str, text: &str) -> bool {
        match self {
            Self::Start => name.starts_with(text),
            Self::End => name.ends_with(text),
            Self::Anywhere => name.contains(text),
        }
    }
}

/// Requesters that no policy of a cluster tells apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequesterClass {
    asker: Requester,
    /// The name, if a policy compares it with the same text.
    name: Option<String>,
    /// The parts of the name that policies look for.
    parts: Vec<(NamePart, String)>,
    /// The groups that policies look for.
    groups: Vec<String>,
    /// What the texts add to the cost of an expression that reads the request.
    weights: Vec<usize>,
}

const REQUEST: &str = "request";
const REQUESTER: &str = "userInfo";

impl RequesterReads {
    /// What the policies among some facts read.
    pub fn of(facts: &Facts) -> Self {
        let mut reads = Self::default();
        let policies = facts.admission_policies.iter();
        let expressions = policies.flat_map(|policy| policy.spec.expressions());
        expressions
            .filter_map(Expression::plain)
            .for_each(|tree| reads.add(tree));
        reads
    }

    /// The class of a requester.
    pub fn class(&self, name: &str, groups: &[String], asker: Requester) -> RequesterClass {
        let is_named = self.whole_name || self.names.contains(name);
        let has_part = |(part, text): &&(NamePart, String)| part.is_in(name, text);
        let is_sought = |group: &&String| self.whole_groups || self.groups.contains(*group);
        let texts = std::iter::once(name).chain(groups.iter().map(String::as_str));
        RequesterClass {
            asker,
            name: is_named.then(|| name.to_owned()),
            parts: self.parts.iter().filter(has_part).cloned().collect(),
            groups: groups.iter().filter(is_sought).cloned().collect(),
            weights: texts.map(|text| text.len() / 16).collect(),
        }
    }

    /// Adds what an expression reads.
    fn add(&mut self, node: &IdedExpr) {
        if self.add_comparison(node) {
            return;
        }
        match path(node).as_deref() {
            Some([REQUEST] | [REQUEST, REQUESTER]) => {
                self.whole_name = true;
                self.whole_groups = true;
            }
            Some([REQUEST, REQUESTER, "username", ..]) => self.whole_name = true,
            Some([REQUEST, REQUESTER, "groups", ..]) => self.whole_groups = true,
            Some([REQUEST, ..]) => {}
            _ => children(node).into_iter().for_each(|child| self.add(child)),
        }
    }

    /// Adds a comparison of the name or the groups with texts. Returns whether the expression is one.
    fn add_comparison(&mut self, node: &IdedExpr) -> bool {
        let Expr::Call(call) = &node.expr else {
            return false;
        };
        let name = call.func_name.as_str();
        match (name, call.target.as_deref(), call.args.as_slice()) {
            ("_==_" | "_!=_", None, [one, other] | [other, one]) if is_name(one) => {
                let texts = text(other).map(|text| vec![text]);
                self.add_names(texts)
            }
            ("@in", None, [item, list]) if is_name(item) => self.add_names(texts(list)),
            ("@in", None, [item, list]) if is_groups(list) => match text(item) {
                Some(group) => {
                    self.groups.insert(group);
                    true
                }
                None => false,
            },
            (_, Some(target), [part]) if is_name(target) => {
                match (NamePart::of_method(name), text(part)) {
                    (Some(place), Some(part)) => {
                        self.parts.insert((place, part));
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }

    fn add_names(&mut self, texts: Option<Vec<String>>) -> bool {
        let is_known = texts.is_some();
        self.names.extend(texts.into_iter().flatten());
        is_known
    }
}

fn is_name(node: &IdedExpr) -> bool {
    path(node).is_some_and(|path| path == [REQUEST, REQUESTER, "username"])
}

fn is_groups(node: &IdedExpr) -> bool {
    path(node).is_some_and(|path| path == [REQUEST, REQUESTER, "groups"])
}

/// The names of a variable and of the fields that are selected from it.
fn path(node: &IdedExpr) -> Option<Vec<&str>> {
    match &node.expr {
        Expr::Ident(name) => Some(vec![name]),
        Expr::Select(select) => {
            let mut names = path(&select.operand)?;
            names.push(&select.field);
            Some(names)
        }
        _ => None,
    }
}

fn text(node: &IdedExpr) -> Option<String> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}

/// The items of a list of texts.
fn texts(node: &IdedExpr) -> Option<Vec<String>> {
    match &node.expr {
        Expr::List(list) if list.optional_indices.is_empty() => {
            list.elements.iter().map(text).collect()
        }
        _ => None,
    }
}

/// The expressions that an expression holds.
fn children(node: &IdedExpr) -> Vec<&IdedExpr> {
    match &node.expr {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Struct(of) => of
            .entries
            .iter()
            .flat_map(|entry| entry_parts(&entry.expr))
            .collect(),
        Expr::Comprehension(of) => vec![
            &of.iter_range,
            &of.accu_init,
            &of.loop_cond,
            &of.loop_step,
            &of.result,
        ],
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value],
        EntryExpr::MapEntry(pair) => vec![&pair.key, &pair.value],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the policies of one expression tell two users apart.
    fn tells_apart(expression: &str, one: &str, other: &str) -> bool {
        let mut reads = RequesterReads::default();
        reads.add(Expression::parse(expression).plain().expect("a tree"));
        let class = |name: &str| {
            let groups = [format!("group-of-{name}"), "all".to_owned()];
            reads.class(name, &groups, Requester::One)
        };
        class(one) != class(other)
    }

    #[test]
    fn users_are_told_apart_by_what_an_expression_reads() {
        for (expression, is_told) in [
            ("object.spec == oldObject.spec", false),
            (
                "request.operation != 'DELETE' && request.namespace == 'a'",
                false,
            ),
            ("request.userInfo.username == 'ann'", true),
            ("'ann' != request.userInfo.username", true),
            ("request.userInfo.username in ['ann', 'eve']", true),
            ("request.userInfo.username in ['eve']", false),
            ("request.userInfo.username.startsWith('an')", true),
            ("request.userInfo.username.startsWith('system:')", false),
            ("request.userInfo.username.matches('x')", true),
            ("'group-of-bob' in request.userInfo.groups", true),
            ("'admins' in request.userInfo.groups", false),
            ("request.userInfo.groups.exists(g, g == 'admins')", true),
            ("size(request.userInfo.username) == 3", true),
            ("request.userInfo.username == object.metadata.name", true),
            ("[request].all(r, r.userInfo.username == 'x')", true),
            ("request['userInfo'].username == 'x'", true),
            ("request.?userInfo.?username.orValue('') == 'x'", true),
            ("{'a': request.userInfo}.a.username == 'x'", true),
        ] {
            assert_eq!(
                tells_apart(expression, "ann", "bob"),
                is_told,
                "{expression}"
            );
        }
    }
}

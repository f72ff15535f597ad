//! Whether admission policies deny a request whatever is written in it.
//!
//! Only what is certain counts. Of CEL a part is read, the one that guards of a floor are written
//! in: who asks, what for, whether a field stays what it was, whether some item of a list has a
//! field. All else is not known, an error included: which errors an expression has depends on what
//! the server fills in, and on what other operands absorb them. What is not known never denies.
//!
//! Source: the CEL specification (errors and logical operators), k8s.io/apiserver
//! `pkg/admission/plugin/policy/validating` and `.../matching`,
//! `pkg/admission/plugin/webhook/predicates`.

use super::admission::{AdmissionReview, EVALUATION, MATCH};
use super::admission_policy::{AdmissionPolicySpec, Matching, ResourceRule};
use super::cel::Expression;
use super::request::{AdmissionRequest, RequestObject, Requester, SymbolicValue};
use crate::kube::RBAC;
use crate::kube::labels::{Op, Requirement, Selector};
use crate::kube::names::NAME_LABEL;
use crate::value::Text;
use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, Expr, LiteralValue, SelectExpr};
use serde_json::Value as Json;

/// What is known of a truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    /// It is false, or an error.
    NeverTrue,
    /// It may be anything.
    Unknown,
}

use Truth::{False, NeverTrue, True, Unknown};

impl Truth {
    const fn of(holds: bool) -> Self {
        if holds { True } else { False }
    }

    const fn not(self) -> Self {
        match self {
            True => False,
            False => True,
            NeverTrue | Unknown => Unknown,
        }
    }

    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (False, _) | (_, False) => False,
            (NeverTrue, _) | (_, NeverTrue) => NeverTrue,
            (True, True) => True,
            _ => Unknown,
        }
    }

    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (True, _) | (_, True) => True,
            (False, False) => False,
            (False | NeverTrue, False | NeverTrue) => NeverTrue,
            _ => Unknown,
        }
    }
}

/// Whose object a path begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    New,
    Old,
    Home,
    AdmissionRequest,
}

/// What is known of a value.
#[derive(Clone, Debug)]
enum KnownValue<'a> {
    Nothing,
    Null,
    Truth(Truth),
    Number(i64),
    Text(String),
    List(Vec<KnownValue<'a>>),
    /// A number over nothing.
    Some,
    /// An empty mapping or list, as it is written.
    Empty,
    Path(Root, Vec<String>),
    SymbolicValue(&'a SymbolicValue),
    /// A field that may be absent.
    Optional(Box<KnownValue<'a>>),
    /// The name of a member of a group: none that a policy names, and none of Kubernetes' own.
    Member,
}

/// Steps that an evaluation may take, and how deep it may go.
const STEPS: usize = 20_000;
const DEPTH: usize = 60;

struct Evaluation<'a> {
    guard: &'a AdmissionPolicySpec,
    request: &'a AdmissionRequest,
    /// The object as it is, where it is among the inputs.
    old: Option<&'a Json>,
    /// The request's Namespace, where it is among the inputs; conditions have none.
    home: Option<&'a Json>,
    bound: Vec<(&'a str, &'a SymbolicValue)>,
    /// Whether there are variables: not in conditions.
    variables: bool,
    steps: usize,
    depth: usize,
}

impl<'a> Evaluation<'a> {
    fn new(
        guard: &'a AdmissionPolicySpec,
        request: &'a AdmissionRequest,
        old: Option<&'a Json>,
    ) -> Self {
        Self {
            guard,
            request,
            old,
            home: None,
            bound: Vec::new(),
            variables: false,
            steps: 0,
            depth: 0,
        }
    }

    /// Whether the conditions of the policy surely hold, and one of its validations surely fails.
    fn denies(mut self, home: Option<&'a Json>) -> bool {
        let policy = self.guard;
        let applies = policy
            .conditions
            .iter()
            .all(|condition| self.expression(condition) == True);
        if !applies {
            return false;
        }

        // Conditions have neither the namespace nor the variables.
        self.home = home;
        self.variables = true;
        policy.validations.iter().any(|validation| {
            let truth = self.expression(&validation.expression);
            matches!(truth, False | NeverTrue)
        })
    }

    fn truth(&mut self, node: &'a IdedExpr) -> Truth {
        match self.value(node) {
            KnownValue::Truth(truth) => truth,
            KnownValue::SymbolicValue(SymbolicValue::True) => True,
            _ => Unknown,
        }
    }

    fn expression(&mut self, expression: &'a Expression) -> Truth {
        expression.plain().map_or(Unknown, |tree| self.truth(tree))
    }

    fn value(&mut self, node: &'a IdedExpr) -> KnownValue<'a> {
        self.steps += 1;
        if self.steps > STEPS || self.depth > DEPTH {
            return KnownValue::Nothing;
        }
        self.depth += 1;
        let value = match &node.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(b) => KnownValue::Truth(Truth::of(*b.inner())),
                LiteralValue::Int(n) => KnownValue::Number(*n.inner()),
                LiteralValue::String(s) => KnownValue::Text(s.inner().to_owned()),
                LiteralValue::Null => KnownValue::Null,
                _ => KnownValue::Nothing,
            },
            Expr::Ident(name) => self.variable(name),
            Expr::List(list) if list.optional_indices.is_empty() => {
                match list.elements.is_empty() {
                    true => KnownValue::Empty,
                    false => {
                        KnownValue::List(list.elements.iter().map(|e| self.value(e)).collect())
                    }
                }
            }
            Expr::Map(map) if map.entries.is_empty() => KnownValue::Empty,
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(of) => KnownValue::Truth(self.comprehension(of)),
            _ => KnownValue::Nothing,
        };

        self.depth -= 1;
        value
    }

    fn variable(&self, name: &str) -> KnownValue<'a> {
        if let Some((_, shape)) = self.bound.iter().rev().find(|(bound, _)| *bound == name) {
            return KnownValue::SymbolicValue(shape);
        }
        let root = match name {
            "object" if self.request.operation == "DELETE" => return KnownValue::Null,
            "oldObject" if self.request.operation == "CREATE" => return KnownValue::Null,
            "object" => Root::New,
            "oldObject" => Root::Old,
            "namespaceObject" => Root::Home,
            "request" => Root::AdmissionRequest,
            _ => return KnownValue::Nothing,
        };
        KnownValue::Path(root, Vec::new())
    }

    fn select(&mut self, select: &'a SelectExpr) -> KnownValue<'a> {
        if let Expr::Ident(name) = &select.operand.expr
            && name == "variables"
            && !select.test
            && self.variables
            && !self.bound.iter().any(|(bound, _)| *bound == "variables")
        {
            let guard = self.guard;
            let mut found = guard
                .variables
                .iter()
                .filter(|variable| variable.name == select.field);

            let (Some(variable), None) = (found.next(), found.next()) else {
                return KnownValue::Nothing;
            };
            let Some(tree) = variable.expression.plain() else {
                return KnownValue::Nothing;
            };
            // A variable does not see what a macro has bound.
            let bound = std::mem::take(&mut self.bound);
            let value = self.value(tree);
            self.bound = bound;

            return value;
        }

        let operand = self.value(&select.operand);
        let found = self.step(operand, &select.field);

        match &found {
            KnownValue::Optional(_) if select.test => KnownValue::Nothing,
            found if select.test => KnownValue::Truth(self.is_there(found)),
            _ => self.settled(found),
        }
    }

    /// The field of a value.
    fn step(&self, value: KnownValue<'a>, field: &str) -> KnownValue<'a> {
        match value {
            KnownValue::Path(root, mut path) => {
                path.push(field.to_owned());
                KnownValue::Path(root, path)
            }
            KnownValue::SymbolicValue(shape) => shape
                .field(field)
                .map_or(KnownValue::Nothing, KnownValue::SymbolicValue),
            KnownValue::Optional(of) => KnownValue::Optional(Box::new(self.step(*of, field))),
            _ => KnownValue::Nothing,
        }
    }

    /// Whether a field is there.
    fn is_there(&self, value: &KnownValue<'a>) -> Truth {
        match value {
            KnownValue::SymbolicValue(_) => True,
            KnownValue::Path(root, path) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                match (root, path.as_slice()) {
                    (Root::New | Root::Old, ["metadata" | "kind" | "apiVersion"]) => True,
                    (Root::Home, ["metadata"]) if self.home.is_some() => True,
                    (Root::Old | Root::Home, ["metadata", "labels"]) => {
                        let labels = self
                            .json(*root)
                            .and_then(|j| j.pointer("/metadata/labels")?.as_object());
                        if labels.is_some_and(|l| !l.is_empty()) {
                            True
                        } else {
                            Unknown
                        }
                    }
                    (Root::New, path) if self.shape(path).is_some() => True,
                    _ if matches!(self.resolved(*root, &path), KnownValue::Text(_)) => True,
                    _ => Unknown,
                }
            }
            _ => Unknown,
        }
    }

    fn json(&self, root: Root) -> Option<&'a Json> {
        match root {
            Root::Old => self.old,
            Root::Home => self.home,
            _ => None,
        }
    }

    fn shape(&self, path: &[&str]) -> Option<&'a SymbolicValue> {
        let request = self.request;
        path.iter()
            .try_fold(request.object.shape()?, |shape, field| shape.field(field))
    }

    /// A path's value, where one is known; else the path.
    fn settled(&self, value: KnownValue<'a>) -> KnownValue<'a> {
        let KnownValue::Path(root, path) = &value else {
            return value;
        };
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        match self.resolved(*root, &steps) {
            KnownValue::Nothing => value,
            known => known,
        }
    }

    fn resolved(&self, root: Root, path: &[&str]) -> KnownValue<'a> {
        let request = self.request;
        let text = |text: &str| {
            if text.is_empty() {
                KnownValue::Nothing
            } else {
                KnownValue::Text(text.to_owned())
            }
        };

        match (root, path) {
            (Root::AdmissionRequest, ["operation"]) => text(request.operation),
            (Root::AdmissionRequest, ["userInfo", "username"]) => match request.asker {
                Requester::One => text(&request.user),
                Requester::Member => KnownValue::Member,
                Requester::Anyone => KnownValue::Nothing,
            },
            (Root::AdmissionRequest, ["userInfo", "groups"]) => {
                let groups = request.groups.iter().map(|g| KnownValue::Text(g.clone()));
                // Of anyone, only what all have in common is known.
                let more = (request.asker == Requester::Anyone).then_some(KnownValue::Nothing);
                KnownValue::List(groups.chain(more).collect())
            }
            (Root::AdmissionRequest, ["namespace"]) => text(&request.namespace),
            (Root::AdmissionRequest, ["subResource"]) => text(&request.subresource),
            (Root::AdmissionRequest, ["resource", "resource"]) => text(&request.resource),
            (Root::AdmissionRequest, ["resource", "group"]) => {
                KnownValue::Text(request.group.clone())
            }
            (Root::AdmissionRequest, ["kind", "kind"]) if request.subresource.is_empty() => {
                request.kind().map_or(KnownValue::Nothing, text)
            }
            // Of what is made, and of many at once, the name is not the request's.
            (Root::AdmissionRequest, ["name"]) if request.operation != "CREATE" => {
                text(&request.name)
            }
            (Root::New, ["metadata", "name"]) if request.operation == "UPDATE" => {
                text(&request.name)
            }
            (Root::Old, ["metadata", "name"]) => {
                match self.old.and_then(|o| o["metadata"]["name"].as_str()) {
                    Some(name) => text(name),
                    None => text(&request.name),
                }
            }
            (Root::New | Root::Old, ["metadata", "namespace"]) if !request.of_namespaces() => {
                text(&request.namespace)
            }
            (Root::Home, ["metadata", "name"]) if self.home.is_some() => text(&request.namespace),
            (Root::Old | Root::Home, ["metadata", "labels", key]) => {
                let labels = self.json(root).and_then(|j| j.pointer("/metadata/labels"));
                labels
                    .and_then(|l| l.get(*key)?.as_str())
                    .map_or(KnownValue::Nothing, text)
            }
            (Root::New, path) if !path.is_empty() => self
                .shape(path)
                .map_or(KnownValue::Nothing, KnownValue::SymbolicValue),
            _ => KnownValue::Nothing,
        }
    }

    fn call(&mut self, call: &'a CallExpr) -> KnownValue<'a> {
        match &call.target {
            Some(target) => self.method(&call.func_name, target, &call.args),
            None => self.function(&call.func_name, &call.args),
        }
    }

    /// The value of an operator, or of a function without a target.
    fn function(&mut self, name: &str, args: &'a [IdedExpr]) -> KnownValue<'a> {
        let truth = match (name, args) {
            ("!_", [operand]) => self.truth(operand).not(),
            ("_&&_", [left, right]) => self.truth(left).and(self.truth(right)),
            ("_||_", [left, right]) => self.truth(left).or(self.truth(right)),
            ("_==_", [left, right]) => self.equal(left, right),
            ("_!=_", [left, right]) => self.equal(left, right).not(),
            ("@in", [item, list]) => self.is_in(item, list),
            ("_>_", [left, right]) => match (self.value(left), self.value(right)) {
                (KnownValue::Some, KnownValue::Number(0)) => True,
                _ => return KnownValue::Nothing,
            },
            ("_?_:_", [condition, then, otherwise]) => {
                return match self.truth(condition) {
                    True => self.value(then),
                    False => self.value(otherwise),
                    _ => KnownValue::Nothing,
                };
            }
            ("_[_]", [of, field]) => {
                return match self.field(of, field) {
                    Some(found) => self.settled(found),
                    None => KnownValue::Nothing,
                };
            }
            ("_?._" | "_[?_]", [of, field]) => {
                return match self.field(of, field) {
                    Some(optional @ KnownValue::Optional(_)) => optional,
                    Some(found) => KnownValue::Optional(Box::new(found)),
                    None => KnownValue::Nothing,
                };
            }
            ("size", [of]) => return self.size(of),
            _ => return KnownValue::Nothing,
        };

        KnownValue::Truth(truth)
    }

    /// The value of a function that is called on a target.
    fn method(&mut self, name: &str, target: &'a IdedExpr, args: &'a [IdedExpr]) -> KnownValue<'a> {
        match (name, args) {
            ("hasValue", []) => match self.value(target) {
                KnownValue::Optional(of) => KnownValue::Truth(self.is_there(&of)),
                _ => KnownValue::Nothing,
            },
            ("orValue", [other]) => {
                let KnownValue::Optional(of) = self.value(target) else {
                    return KnownValue::Nothing;
                };
                let found = self.settled(*of);
                match (&found, self.value(other)) {
                    (KnownValue::Text(_) | KnownValue::SymbolicValue(_), _) => found,
                    // A comparison does not tell an absent value from an empty one.
                    (KnownValue::Path(Root::New | Root::Old, _), KnownValue::Empty) => found,
                    _ => KnownValue::Nothing,
                }
            }
            ("size", []) => self.size(target),
            ("startsWith" | "endsWith" | "contains", [part]) => {
                match (self.value(target), self.value(part)) {
                    (KnownValue::Text(text), KnownValue::Text(part)) => {
                        KnownValue::Truth(Truth::of(match name {
                            "startsWith" => text.starts_with(&part),
                            "endsWith" => text.ends_with(&part),
                            _ => text.contains(&part),
                        }))
                    }
                    (KnownValue::Member, KnownValue::Text(part))
                        if name == "startsWith" && part.starts_with("system:") =>
                    {
                        KnownValue::Truth(False)
                    }
                    _ => KnownValue::Nothing,
                }
            }
            _ => KnownValue::Nothing,
        }
    }

    /// The field of a value that an expression names; `None` if the name is not known.
    fn field(&mut self, of: &'a IdedExpr, field: &'a IdedExpr) -> Option<KnownValue<'a>> {
        let (value, field) = (self.value(of), self.value(field));
        let KnownValue::Text(field) = field else {
            return None;
        };
        Some(self.step(value, &field))
    }

    fn size(&mut self, of: &'a IdedExpr) -> KnownValue<'a> {
        match self.value(of) {
            KnownValue::SymbolicValue(SymbolicValue::Holding(_)) => KnownValue::Some,
            KnownValue::Empty => KnownValue::Number(0),
            _ => KnownValue::Nothing,
        }
    }

    fn equal(&mut self, a: &'a IdedExpr, b: &'a IdedExpr) -> Truth {
        let (a, b) = match (self.value(a), self.value(b)) {
            (KnownValue::Optional(a), KnownValue::Optional(b)) => (*a, *b),
            values => values,
        };
        match (a, b) {
            (KnownValue::Null, KnownValue::Null) => True,
            (KnownValue::Path(Root::New | Root::Old, path), KnownValue::Null)
            | (KnownValue::Null, KnownValue::Path(Root::New | Root::Old, path))
                if path.is_empty() =>
            {
                False
            }
            (KnownValue::Text(a), KnownValue::Text(b)) => Truth::of(a == b),
            (KnownValue::Number(a), KnownValue::Number(b)) => Truth::of(a == b),
            (KnownValue::Some, KnownValue::Number(0))
            | (KnownValue::Number(0), KnownValue::Some) => False,
            (KnownValue::SymbolicValue(SymbolicValue::NoneOf(not)), KnownValue::Text(one))
            | (KnownValue::Text(one), KnownValue::SymbolicValue(SymbolicValue::NoneOf(not))) => {
                if not.contains(&one.as_str()) {
                    False
                } else {
                    Unknown
                }
            }
            (KnownValue::Member, KnownValue::Text(_))
            | (KnownValue::Text(_), KnownValue::Member) => False,
            (KnownValue::SymbolicValue(SymbolicValue::True), KnownValue::Truth(b))
            | (KnownValue::Truth(b), KnownValue::SymbolicValue(SymbolicValue::True)) => b,
            (KnownValue::Truth(a), KnownValue::Truth(b)) => match (a, b) {
                (True, other) | (other, True) => other,
                (False, other) | (other, False) => other.not(),
                _ => Unknown,
            },
            (KnownValue::Path(from, a), KnownValue::Path(to, b))
                if a == b
                    && matches!((from, to), (Root::New, Root::Old) | (Root::Old, Root::New)) =>
            {
                // What changes is not the same, nor is what holds it; but a field may be gone,
                // which is an error.
                let changed = self.request.object.changed();
                let holds =
                    changed.len() >= a.len() && changed.iter().zip(&a).all(|(c, step)| c == step);
                if !changed.is_empty() && holds {
                    NeverTrue
                } else {
                    Unknown
                }
            }
            _ => Unknown,
        }
    }

    fn is_in(&mut self, a: &'a IdedExpr, b: &'a IdedExpr) -> Truth {
        let (item, list) = (self.value(a), self.value(b));
        match (&item, list) {
            (
                KnownValue::Text(_)
                | KnownValue::Member
                | KnownValue::SymbolicValue(SymbolicValue::NoneOf(_)),
                KnownValue::Empty,
            ) => False,
            (KnownValue::Text(text), KnownValue::List(all)) => {
                let whole = all.iter().all(|k| matches!(k, KnownValue::Text(_)));
                let there = all
                    .iter()
                    .any(|k| matches!(k, KnownValue::Text(one) if one == text));
                if there {
                    True
                } else if whole {
                    False
                } else {
                    Unknown
                }
            }
            (KnownValue::Member, KnownValue::List(all)) => {
                if all.iter().all(|k| matches!(k, KnownValue::Text(_))) {
                    False
                } else {
                    Unknown
                }
            }
            (KnownValue::SymbolicValue(SymbolicValue::NoneOf(not)), KnownValue::List(all)) => {
                let listed = |k: &KnownValue<'_>| matches!(k, KnownValue::Text(one) if not.contains(&one.as_str()));
                if all.iter().all(listed) {
                    False
                } else {
                    Unknown
                }
            }
            (KnownValue::Text(key), KnownValue::Path(root, path)) => {
                let found = self.step(KnownValue::Path(root, path), key);
                if self.is_there(&found) == True {
                    True
                } else {
                    Unknown
                }
            }
            _ => Unknown,
        }
    }

    /// `all` and `exists` over a list of which one item is known: it decides, whatever the others
    /// are.
    fn comprehension(&mut self, of: &'a ComprehensionExpr) -> Truth {
        let KnownValue::SymbolicValue(SymbolicValue::Holding(item)) = self.value(&of.iter_range)
        else {
            return Unknown;
        };
        let (Expr::Call(step), Expr::Literal(LiteralValue::Boolean(from)), None) =
            (&of.loop_step.expr, &of.accu_init.expr, &of.iter_var2)
        else {
            return Unknown;
        };

        let result = matches!(&of.result.expr, Expr::Ident(name) if *name == of.accu_var);
        let Some(Expr::Ident(accumulated)) = step.args.first().map(|a| &a.expr) else {
            return Unknown;
        };
        let macro_of = |name: &str, init: bool| {
            step.func_name == name
                && *from.inner() == init
                && result
                && *accumulated == of.accu_var
                && step.args.len() == 2
        };

        let all = macro_of("_&&_", true);
        if !all && !macro_of("_||_", false) {
            return Unknown;
        }
        self.bound.push((&of.iter_var, item));
        let truth = self.truth(&step.args[1]);
        self.bound.pop();

        match (all, truth) {
            (true, False) => False,
            (true, NeverTrue) => NeverTrue,
            (false, True) => True,
            _ => Unknown,
        }
    }
}

impl Selector {
    /// Whether it surely selects what has these labels, and may have more.
    fn surely(&self, label: &dyn Fn(&str) -> Option<String>) -> bool {
        self.0.iter().all(|requirement: &Requirement| {
            match (&requirement.op, label(&requirement.key)) {
                (Op::In(values), Some(value)) => values.iter().any(|v| *v == value),
                (Op::NotIn(values), Some(value)) => values.iter().all(|v| *v != value),
                (Op::Exists, Some(_)) => true,
                _ => false,
            }
        })
    }
}

impl ResourceRule {
    /// Whether it surely matches.
    fn surely(&self, request: &AdmissionRequest) -> bool {
        // Groups of which the server has one version alone.
        const ONE_VERSION: [&str; 6] = [
            "",
            "apps",
            "batch",
            "networking.k8s.io",
            RBAC,
            "discovery.k8s.io",
        ];
        let all = self.versions.iter().any(|v| v == "*");
        let this = self.versions.iter().any(|v| *v == request.version);
        // Of others it is not known which versions are served.
        let version = all || (this && ONE_VERSION.contains(&request.group.as_str()));
        version && self.is_in_scope(request) && self.names.is_empty() && self.covers(request)
    }
}

impl Matching {
    /// Whether it surely matches; a binding's may be without rules.
    fn surely(&self, request: &AdmissionRequest, old: Option<&Json>, home: Option<&Json>) -> bool {
        let label = |json: Option<&Json>, key: &str| {
            json.and_then(|j| {
                j.pointer("/metadata/labels")?
                    .get(key)?
                    .as_str()
                    .map(str::to_owned)
            })
        };

        // Either object is enough: the one that is there has the labels that were rendered.
        let objects = self.objects.0.is_empty() || self.objects.surely(&|key| label(old, key));
        let namespaces = request.namespace.is_empty()
            || self.namespaces.surely(&|key| match key {
                NAME_LABEL => Some(request.namespace.clone()),
                key => label(home, key),
            });

        !self.excluded.iter().any(|rule| rule.covers(request))
            && (self.rules.is_empty() || self.rules.iter().any(|rule| rule.surely(request)))
            && objects
            && namespaces
    }
}

impl AdmissionReview<'_> {
    /// The admission policy that denies a request whatever is written in it, where one does.
    pub fn surely_denied(&self, request: &AdmissionRequest) -> Option<Text> {
        // Served by a program of its own, which may not ask policies.
        if request.group == "projectcalico.org" {
            return None;
        }
        // Where Flux rewrites what it applies, labels are not what stands in the manifests.
        let is_rewritten = self.cluster.facts.gitops.rewritten;
        let old = request.old.json().filter(|_| !is_rewritten);
        // Of a Namespace that is written itself the labels are its writer's.
        let inputs = self.inputs(&request.namespace);
        let home = inputs.object.as_ref().and_then(RequestObject::json);
        let home = home.filter(|_| !is_rewritten && !request.of_namespaces());

        for (binding, policy) in self.cluster.bound_policies(&request.namespace) {
            // Of two definitions it is not known which one is there.
            let Some(policy) = policy else { continue };
            let spec = &policy.spec;
            // The requester can make an expression cost more than it may, which is an error. Only a
            // policy that fails closed denies then. Parameters are not read.
            let is_evaluated = spec.fails_closed
                && spec.param_kind.is_none()
                && binding.params.is_none()
                && spec.unreadable().is_none();
            if !is_evaluated {
                continue;
            }

            let both = [Some(&spec.matches), binding.matches.as_ref()];
            let applies = both
                .into_iter()
                .flatten()
                .all(|matching| matching.surely(request, old, home));
            if !self.takes(if applies { EVALUATION } else { MATCH }) {
                return None;
            }
            if !applies {
                continue;
            }
            if Evaluation::new(spec, request, old).denies(home) {
                return Some(policy.id.name.clone());
            }
        }

        None
    }
}

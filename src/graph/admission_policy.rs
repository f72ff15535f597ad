//! Admission policies and their bindings, as they are written.
//!
//! Source: kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy.

use super::cel::{Expression, NamedExpression};
use super::object::Origin;
use crate::delivery::ENGINES;
use crate::document::{TreeValue, View};
use crate::kube::labels::{Selector, text, texts};
use crate::kube::names::NAME_LABEL;
use crate::kube::{ObjectId, kinds};
use crate::source::Span;
use crate::value::Text;
use std::collections::BTreeSet;

/// The group of admission policies and webhooks.
pub const GROUP: &str = "admissionregistration.k8s.io";

/// A ValidatingAdmissionPolicy.
#[derive(Clone, Debug)]
pub struct AdmissionPolicy {
    /// What it is.
    pub id: ObjectId,
    /// What it says.
    pub spec: AdmissionPolicySpec,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a ValidatingAdmissionPolicy says.
#[derive(Clone, Debug)]
pub struct AdmissionPolicySpec {
    pub(super) matches: Matching,
    pub(super) param_kind: Option<ParamKind>,
    /// Whether an error of an expression refuses the request: `failurePolicy: Fail`.
    pub(super) fails_closed: bool,
    pub(super) variables: Vec<NamedExpression>,
    pub(super) conditions: Vec<Expression>,
    pub(super) validations: Vec<Validation>,
}

/// The kind of the objects of parameters that a policy takes.
#[derive(Clone, Debug)]
pub(super) struct ParamKind {
    pub(super) group: Text,
    pub(super) kind: Text,
}

/// A validation of a policy.
#[derive(Clone, Debug)]
pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) span: Option<Span>,
}

/// A ValidatingAdmissionPolicyBinding.
#[derive(Clone, Debug)]
pub struct AdmissionPolicyBinding {
    /// What it is.
    pub id: ObjectId,
    /// The name of its policy.
    pub policy: Text,
    /// Whether the API server denies the requests that the policy refuses.
    pub denies: bool,
    pub(super) matches: Option<Matching>,
    pub(super) params: Option<Params>,
    /// Where it comes from.
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) struct Params {
    pub(super) name: Option<Text>,
    pub(super) namespace: Option<Text>,
    pub(super) selector: Option<Selector>,
    pub(super) needed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Matching {
    pub(super) namespaces: Selector,
    pub(super) objects: Selector,
    pub(super) rules: Vec<ResourceRule>,
    pub(super) excluded: Vec<ResourceRule>,
}

#[derive(Clone, Debug)]
pub(super) struct ResourceRule {
    pub(super) operations: Vec<Text>,
    pub(super) groups: Vec<Text>,
    pub(super) versions: Vec<Text>,
    pub(super) resources: Vec<Text>,
    pub(super) names: Vec<Text>,
    pub(super) scope: Option<Text>,
}

fn selector<T: TreeValue>(node: Option<&T>, key: &str) -> Result<Selector, String> {
    node.and_then(|n| n.member(key))
        .map_or_else(|| Ok(Selector::default()), Selector::of)
}

impl AdmissionPolicy {
    /// Reads one, as strictly as the server does.
    ///
    /// # Errors
    /// Why the server does not take it.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let spec = node.member("spec").ok_or("it has no spec")?;
        check_stays(node.member("metadata"))?;

        let spec = AdmissionPolicySpec::of(spec)?;
        if spec.matches.rules.is_empty() {
            return Err("matchConstraints has no resourceRules".into());
        }
        Ok(Self { id, spec, origin })
    }
}

/// Checks that the metadata of a policy do not make it one that the cluster may not hold, or not
/// for long.
fn check_stays<T: TreeValue>(metadata: Option<&T>) -> Result<(), String> {
    let has = |key: &str| metadata.is_some_and(|metadata| metadata.member(key).is_some());
    let has_annotation = |key: &str| {
        metadata
            .and_then(|metadata| metadata.member("annotations")?.member(key))
            .is_some()
    };

    if has_annotation("helm.sh/hook") || has_annotation("argocd.argoproj.io/hook") {
        return Err("it is a hook, which is there for a while".into());
    }

    let applied_otherwise = ENGINES
        .iter()
        .any(|engine| has_annotation(engine.apply_mode));
    if applied_otherwise || has("deletionTimestamp") {
        return Err(
            "it may not be there as it stands: Flux does not apply it as others, \
             or it is being deleted"
                .into(),
        );
    }

    Ok(())
}

impl AdmissionPolicySpec {
    fn of<T: TreeValue>(spec: &T) -> Result<Self, String> {
        let param_kind = spec.member("paramKind").map(ParamKind::of).transpose()?;
        let matches = spec
            .member("matchConstraints")
            .ok_or("it has no matchConstraints")?;

        Ok(Self {
            matches: Matching::of(matches)?,
            param_kind,
            fails_closed: match spec.member("failurePolicy").map(TreeValue::text) {
                None | Some(Some("Fail")) => true,
                Some(Some("Ignore")) => false,
                Some(_) => return Err("failurePolicy is neither Fail nor Ignore".into()),
            },
            variables: named_expressions(spec, "variables")?,
            conditions: named_expressions(spec, "matchConditions")?
                .into_iter()
                .map(|named| named.expression)
                .collect(),
            validations: list(spec, "validations")?
                .iter()
                .map(Validation::of)
                .collect::<Result<_, String>>()?,
        })
    }
}

impl ParamKind {
    fn of<T: TreeValue>(node: &T) -> Result<Self, String> {
        let version = text(Some(node), "apiVersion").ok_or("paramKind has no apiVersion")?;
        let group = version.split_once('/').map_or("", |(group, _)| group);
        Ok(Self {
            group: group.into(),
            kind: text(Some(node), "kind").ok_or("paramKind has no kind")?,
        })
    }

    /// The identity of an object of this kind.
    pub(super) fn id(&self, namespace: &str, name: &str) -> ObjectId {
        ObjectId {
            group: self.group.clone(),
            kind: self.kind.clone(),
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// Reads the expressions of `variables` or `matchConditions`, each with its name.
fn named_expressions<T: TreeValue>(spec: &T, key: &str) -> Result<Vec<NamedExpression>, String> {
    let read = |node: &T| {
        Some(NamedExpression {
            name: text(Some(node), "name")?.to_string(),
            expression: Expression::parse(&text(Some(node), "expression")?),
        })
    };
    let all: Vec<NamedExpression> = list(spec, key)?
        .iter()
        .map(|node| {
            read(node).ok_or_else(|| format!("an entry of {key} has no name or no expression"))
        })
        .collect::<Result<_, String>>()?;

    let names: BTreeSet<&str> = all.iter().map(|named| named.name.as_str()).collect();
    let may_have = |c: char| {
        c.is_ascii_alphanumeric() || c == '_' || (key != "variables" && "-./".contains(c))
    };
    let is_name =
        |name: &&str| !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(may_have);

    if names.len() == all.len() && all.len() <= 64 && names.iter().all(is_name) {
        Ok(all)
    } else {
        Err(format!(
            "the names of {key} are not such as the server takes"
        ))
    }
}

impl Validation {
    fn of<T: TreeValue>(node: &T) -> Result<Self, String> {
        const REASONS: [&str; 4] = [
            "Unauthorized",
            "Forbidden",
            "Invalid",
            "RequestEntityTooLarge",
        ];

        let written = node
            .member("expression")
            .and_then(|expression| Some((expression.text()?, expression.span())));
        let (expression, span) = written.ok_or("a validation has no expression")?;

        let field = |key: &str| text(Some(node), key);
        let is_wrong = field("reason").is_some_and(|reason| !REASONS.contains(&reason.as_str()))
            || field("message").is_some_and(|message| {
                // The server trims it first.
                let message = message.trim();
                message.is_empty() || message.contains(['\n', '\r'])
            })
            || field("messageExpression")
                .is_some_and(|message| Expression::parse(&message).unreadable().is_some());
        if is_wrong {
            return Err(
                "the reason or the message of a validation is not such as the server takes".into(),
            );
        }

        Ok(Self {
            expression: Expression::parse(expression),
            span,
        })
    }
}

impl AdmissionPolicyBinding {
    /// Reads one.
    ///
    /// # Errors
    /// Why the server does not take it.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let spec = node.member("spec");
        let policy = text(spec, "policyName").ok_or("it names no policy")?;
        let actions: Vec<&str> = texts(spec.and_then(|s| s.member("validationActions"))).collect();
        let known = |a: &&str| ["Deny", "Warn", "Audit"].contains(a);
        let twice = actions.iter().collect::<BTreeSet<_>>().len() < actions.len();
        let both = actions.contains(&"Deny") && actions.contains(&"Warn");

        if actions.is_empty() || !actions.iter().all(known) || both || twice {
            return Err(
                "validationActions are one or more of Deny, Warn, Audit, and not both of the first"
                    .into(),
            );
        }

        let params = match spec.and_then(|s| s.member("paramRef")) {
            None => None,
            Some(of) => Some(Params {
                name: text(Some(of), "name"),
                namespace: text(Some(of), "namespace"),
                selector: of.member("selector").map(Selector::of).transpose()?,
                needed: match text(Some(of), "parameterNotFoundAction").as_deref() {
                    Some("Deny") => true,
                    Some("Allow") => false,
                    _ => {
                        return Err(
                            "paramRef.parameterNotFoundAction is neither Allow nor Deny".into()
                        );
                    }
                },
            }),
        };

        let matches = spec.and_then(|s| s.member("matchResources"));
        let denies = actions.contains(&"Deny");
        Ok(Self {
            policy,
            denies,
            matches: matches.map(Matching::of).transpose()?,
            params,
            origin,
            id,
        })
    }
}

impl Matching {
    fn of<T: TreeValue>(node: &T) -> Result<Self, String> {
        if !matches!(node.view(), View::Map(_)) {
            return Err("what it matches is no mapping".into());
        }
        let rules = |key: &str| -> Result<Vec<ResourceRule>, String> {
            list(node, key)?.iter().map(ResourceRule::of).collect()
        };

        match text(Some(node), "matchPolicy").as_deref() {
            None | Some("Exact" | "Equivalent") => {}
            Some(_) => return Err("matchPolicy is neither Exact nor Equivalent".into()),
        }

        Ok(Self {
            namespaces: selector(Some(node), "namespaceSelector")?,
            objects: selector(Some(node), "objectSelector")?,
            rules: rules("resourceRules")?,
            excluded: rules("excludeResourceRules")?,
        })
    }
}

impl ResourceRule {
    fn of<T: TreeValue>(node: &T) -> Result<Self, String> {
        let some = |key: &str| -> Result<Vec<Text>, String> {
            let all: Vec<Text> = texts(node.member(key)).map(Text::from).collect();
            let whole = all.len() == list(node, key)?.len() && !all.is_empty();
            let alone = key == "resources" || all.len() == 1 || !all.iter().any(|a| a == "*");
            if whole && alone {
                Ok(all)
            } else {
                Err(format!(
                    "`{key}` of a rule is no list that the server takes"
                ))
            }
        };

        let (operations, resources) = (some("operations")?, some("resources")?);
        const OPERATIONS: [&str; 5] = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];
        let star = resources.iter().any(|r| r == "*")
            && resources.iter().any(|r| r != "*" && !r.contains('/'));

        if !operations.iter().all(|o| OPERATIONS.contains(&o.as_str())) || star {
            return Err(
                "the operations or the resources of a rule are not such as the server takes".into(),
            );
        }

        if text(Some(node), "scope")
            .is_some_and(|s| !["*", "Cluster", "Namespaced"].contains(&s.as_str()))
        {
            return Err("the scope of a rule is none".into());
        }

        Ok(Self {
            operations,
            groups: some("apiGroups")?,
            versions: some("apiVersions")?,
            resources,
            names: texts(node.member("resourceNames"))
                .map(Text::from)
                .collect(),
            scope: text(Some(node), "scope"),
        })
    }
}

/// The items of a list that may be absent.
fn list<'a, T: TreeValue>(node: &'a T, key: &str) -> Result<&'a [T], String> {
    match node.member(key).map(TreeValue::view) {
        None => Ok(&[]),
        Some(View::Seq(items)) => Ok(items),
        Some(_) => Err(format!("`{key}` is no list")),
    }
}

impl AdmissionPolicySpec {
    /// All of its expressions.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let variables = self.variables.iter().map(|variable| &variable.expression);
        let validations = self
            .validations
            .iter()
            .map(|validation| &validation.expression);
        self.conditions.iter().chain(variables).chain(validations)
    }

    /// The first of its expressions that cannot be parsed, and why.
    pub fn unreadable(&self) -> Option<(&str, &str)> {
        let mut all = self.expressions();
        all.find_map(|expression| Some((expression.text.as_str(), expression.unreadable()?)))
    }
}

/// An object as text, which admission policies are evaluated with.
#[derive(Clone, Debug)]
pub struct KeptObject {
    /// What it is.
    pub id: ObjectId,
    /// The object, as the API server has it before admission.
    pub json: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl KeptObject {
    /// Keeps an object; `None` if no policy is evaluated with it.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        if !kinds::is_kept(id) || id.group == GROUP {
            return None;
        }
        // The server does not take labels and annotations whose values are no texts.
        let metadata = node
            .member("metadata")
            .filter(|m| matches!(m.view(), View::Map(_)))?;
        let plain = |key: &str| match metadata.member(key).map(TreeValue::view) {
            None => true,
            Some(View::Map(entries)) => entries
                .iter()
                .map(T::split)
                .all(|(_, v)| v.text().is_some()),
            Some(_) => false,
        };

        if !plain("labels") || !plain("annotations") {
            return None;
        }
        let mut json = node.to_json();
        if id.group.is_empty() && id.kind == "Namespace" {
            json["metadata"]["labels"][NAME_LABEL] = id.name.as_str().into();
        }

        Some(Self {
            id: id.clone(),
            json: json.to_string(),
            origin,
        })
    }
}

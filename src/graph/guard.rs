//! Admission policies and their bindings, as they are written.
//!
//! Source: kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy.

use super::cel::Expression;
use super::labels::{NAME_LABEL, Selector, items, texts};
use super::object::Origin;
use crate::bundle::ObjectId;
use crate::document::{Tree, View};
use crate::source::Place;
use crate::value::Text;

/// The group of admission policies and webhooks.
pub const GROUP: &str = "admissionregistration.k8s.io";

/// A ValidatingAdmissionPolicy.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What it is.
    pub id: ObjectId,
    /// What it says.
    pub says: GuardSpec,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a ValidatingAdmissionPolicy says.
#[derive(Clone, Debug)]
pub struct GuardSpec {
    pub(super) matches: Matching,
    pub(super) param_kind: Option<(Text, Text)>,
    pub(super) closed: bool,
    pub(super) variables: Vec<(String, Expression)>,
    pub(super) conditions: Vec<Expression>,
    pub(super) validations: Vec<(Expression, Option<Place>)>,
}

/// A ValidatingAdmissionPolicyBinding.
#[derive(Clone, Debug)]
pub struct GuardBinding {
    /// What it is.
    pub id: ObjectId,
    /// The name of its policy.
    pub policy: Text,
    /// Whether what the policy refuses is refused.
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
    pub(super) exact: bool,
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

fn strings<T: Tree>(node: &T, key: &str) -> Vec<Text> {
    texts(node.member(key)).map(Text::from).collect()
}

fn text<T: Tree>(node: Option<&T>, key: &str) -> Option<Text> {
    node?.member(key)?.text().map(Text::from)
}

fn selector<T: Tree>(node: Option<&T>, key: &str) -> Result<Selector, String> {
    node.and_then(|n| n.member(key)).map_or_else(|| Ok(Selector::default()), Selector::of)
}

impl Guard {
    /// Reads one.
    ///
    /// # Errors
    /// What of it cannot be understood.
    pub fn of<T: Tree>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let spec = node.member("spec").ok_or("it has no spec")?;
        let named = |key: &str| -> Vec<(String, Expression)> {
            let of = |n: &T| {
                Some((n.member("name")?.text()?.to_owned(), Expression::parse(n.member("expression")?.text()?)))
            };
            items(spec.member(key)).iter().filter_map(of).collect()
        };
        let kind = spec.member("paramKind");
        let param_kind = kind.and_then(|k| {
            let version = k.member("apiVersion")?.text()?;
            Some((version.split_once('/').map_or("", |(g, _)| g).into(), k.member("kind")?.text()?.into()))
        });
        let validation = |n: &T| {
            let expression = n.member("expression")?;
            Some((Expression::parse(expression.text()?), expression.place()))
        };
        let says = GuardSpec {
            matches: Matching::of(spec.member("matchConstraints"))?,
            param_kind,
            closed: spec.member("failurePolicy").and_then(Tree::text) != Some("Ignore"),
            variables: named("variables"),
            conditions: named("matchConditions").into_iter().map(|(_, e)| e).collect(),
            validations: items(spec.member("validations")).iter().filter_map(validation).collect(),
        };
        Ok(Self { id, says, origin })
    }
}

impl GuardBinding {
    /// Reads one.
    ///
    /// # Errors
    /// What of it cannot be understood.
    pub fn of<T: Tree>(id: ObjectId, node: &T, origin: Origin) -> Result<Self, String> {
        let spec = node.member("spec");
        let policy = text(spec, "policyName").ok_or("it names no policy")?;
        let matches = spec.and_then(|s| s.member("matchResources"));
        let params = match spec.and_then(|s| s.member("paramRef")) {
            None => None,
            Some(of) => Some(Params {
                name: text(Some(of), "name"),
                namespace: text(Some(of), "namespace"),
                selector: of.member("selector").map(Selector::of).transpose()?,
                needed: text(Some(of), "parameterNotFoundAction").as_deref() != Some("Allow"),
            }),
        };
        Ok(Self {
            policy,
            denies: spec.is_some_and(|s| texts(s.member("validationActions")).any(|a| a == "Deny")),
            matches: matches.map(|m| Matching::of(Some(m))).transpose()?,
            params,
            origin,
            id,
        })
    }
}

impl Matching {
    fn of<T: Tree>(node: Option<&T>) -> Result<Self, String> {
        let rules = |key: &str| -> Vec<ResourceRule> {
            let rules = node.map(|n| items(n.member(key))).unwrap_or_default();
            rules.iter().map(ResourceRule::of).collect()
        };
        Ok(Self {
            namespaces: selector(node, "namespaceSelector")?,
            objects: selector(node, "objectSelector")?,
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            exact: text(node, "matchPolicy").as_deref() == Some("Exact"),
        })
    }
}

impl ResourceRule {
    fn of<T: Tree>(node: &T) -> Self {
        Self {
            operations: strings(node, "operations"),
            groups: strings(node, "apiGroups"),
            versions: strings(node, "apiVersions"),
            resources: strings(node, "resources"),
            names: strings(node, "resourceNames"),
            scope: text(Some(node), "scope"),
        }
    }
}

impl GuardSpec {
    /// The first of its expressions that cannot be parsed, and why.
    pub fn unreadable(&self) -> Option<(&str, &str)> {
        let variables = self.variables.iter().map(|(_, e)| e);
        let all = self.conditions.iter().chain(variables).chain(self.validations.iter().map(|(e, _)| e));
        all.into_iter().find_map(|e| Some((e.text.as_str(), e.unreadable()?)))
    }
}

/// An object as text, kept for admission policies to be asked about it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What it is.
    pub id: ObjectId,
    /// It, as the API server has it before admission.
    pub json: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl Kept {
    /// Keeps an object; nothing for what no policy is asked about here.
    pub fn of<T: Tree>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        const LEFT_OUT: [&str; 12] = [
            "Secret",
            "Event",
            "Pod",
            "Deployment",
            "StatefulSet",
            "DaemonSet",
            "ReplicaSet",
            "Job",
            "CronJob",
            "ControllerRevision",
            "CustomResourceDefinition",
            "EndpointSlice",
        ];
        if LEFT_OUT.contains(&id.kind.as_str()) || id.group == GROUP {
            return None;
        }
        let mut json = node.to_json();
        if let View::Map(_) = node.view()
            && id.group.is_empty()
            && id.kind == "Namespace"
        {
            json["metadata"]["labels"][NAME_LABEL] = id.name.as_str().into();
        }
        Some(Self { id: id.clone(), json: json.to_string(), origin })
    }
}

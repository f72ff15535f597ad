//! What admission policies say to a request.
//!
//! Source: kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy;
//! k8s.io/apiserver `pkg/admission/plugin/policy/matching` and `.../validating`,
//! `pkg/admission/plugin/webhook/predicates`.

use super::admission_policy::{
    AdmissionPolicy, AdmissionPolicyBinding, AdmissionPolicySpec, Matching, ParamKind,
    ResourceRule, Validation,
};
use super::cel::{EvaluationFault, EvaluationScope, Term};
use super::request::{AdmissionRequest, RequestObject, Requester};
use super::{Cluster, Facts, Owner};
use crate::kube::labels::Labels;
use crate::kube::names::NAME_LABEL;
use crate::kube::{ObjectId, kinds};
use crate::source::Span;
use crate::value::Text;
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};

/// What the admission policies of a cluster say to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmissionAnswer {
    /// None denies it.
    Allowed,
    /// This one does, and where.
    Denied(Text, Span),
    /// None is known to deny it, and this one cannot be told, for a reason.
    Unknown(Text, Span, String),
}

impl Matching {
    /// Whether it matches a request; nothing where the labels of its namespace are not known.
    fn matches(&self, cluster: &Cluster, request: &AdmissionRequest) -> Option<bool> {
        let any = |rules: &[ResourceRule]| rules.iter().any(|r| r.matches(request));
        if any(&self.excluded) || !(self.rules.is_empty() || any(&self.rules)) {
            return Some(false);
        }
        // What is written has the labels that its writer likes: none keeps it among what is
        // selected.
        let of_object = |body: &RequestObject| {
            body.json()
                .is_some_and(|o| self.objects.matches(&labels_of(o)))
        };

        if !self.objects.0.is_empty() && !of_object(&request.object) && !of_object(&request.old) {
            return Some(false);
        }
        if self.namespaces.0.is_empty() || request.namespace.is_empty() {
            return Some(true);
        }

        // Of a Namespace that is written, what it is about to be decides.
        if request.resource == "namespaces"
            && request.subresource.is_empty()
            && request.operation != "DELETE"
        {
            let fixed = self.namespaces.0.iter().all(|r| r.key == NAME_LABEL);
            return Some(match request.object.json() {
                Some(object) => self.namespaces.matches(&labels_of(object)),
                None => {
                    fixed
                        && self.namespaces.matches(&Labels::new([(
                            NAME_LABEL.into(),
                            request.namespace.as_str().into(),
                        )]))
                }
            });
        }

        if let Some(names) = self.namespaces.pinned(NAME_LABEL)
            && !names.iter().any(|n| *n == request.namespace)
        {
            return Some(false);
        }

        let namespace = &cluster.namespaces[cluster.namespace(&request.namespace)? as usize];
        let known =
            namespace.origin.is_some() || self.namespaces.0.iter().all(|r| r.key == NAME_LABEL);
        known.then(|| self.namespaces.matches(&namespace.labels))
    }
}

fn labels_of(object: &Json) -> Labels {
    let labels = object.pointer("/metadata/labels").and_then(Json::as_object);
    Labels::new(
        labels
            .into_iter()
            .flatten()
            .filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into()))),
    )
}

impl ResourceRule {
    /// Whether it names the resource and what is done with it, whatever the version, the name and
    /// the scope.
    pub(super) fn covers(&self, request: &AdmissionRequest) -> bool {
        let has = |all: &[Text], one: &str| all.iter().any(|x| x == "*" || x == one);
        let resource = |r: &Text| {
            let (resource, sub) = r.split_once('/').unwrap_or((r, ""));
            (resource == "*" || resource == request.resource)
                && (sub == "*" || sub == request.subresource)
        };
        has(&self.operations, request.operation)
            && has(&self.groups, &request.group)
            && self.resources.iter().any(resource)
    }

    /// Whether what a request is about is in its scope.
    pub(super) fn is_in_scope(&self, request: &AdmissionRequest) -> bool {
        match self.scope.as_deref() {
            Some("Namespaced") => !request.of_cluster(),
            Some("Cluster") => request.of_cluster(),
            _ => true,
        }
    }

    fn matches(&self, request: &AdmissionRequest) -> bool {
        self.is_in_scope(request)
            && self.covers(request)
            // Of Kubernetes' own kinds that are asked about one version is served.
            && self.versions.iter().any(|v| v == "*" || *v == request.version)
            && (self.names.is_empty() || self.names.iter().any(|n| *n == request.name))
    }
}

/// What one policy says with one object of parameters.
enum Said {
    Nothing,
    Refused(Option<Span>),
    NotKnown(Option<Span>, String),
}

impl AdmissionPolicySpec {
    fn ask(&self, mut scope: EvaluationScope<'_>, namespace: &Term<'_>) -> Said {
        let failed = |fault: EvaluationFault, span| match fault {
            EvaluationFault::Error(_) if self.fails_closed => Said::Refused(span),
            EvaluationFault::Error(_) => Said::Nothing,
            EvaluationFault::Unsupported(why) => Said::NotKnown(span, why),
        };

        let mut fault = None;
        // The server has no namespace for conditions.
        scope.set("namespaceObject", &Term::Known(&Json::Null));

        for condition in &self.conditions {
            match condition.holds(&scope) {
                Ok(true) => {}
                Ok(false) => return Said::Nothing,
                Err(EvaluationFault::Error(_)) if fault.is_some() => {}
                Err(other) => fault = Some(other),
            }
        }

        if let Some(fault) = fault {
            return failed(fault, None);
        }
        scope.set("namespaceObject", namespace);
        scope.with_variables(&self.variables);
        let mut open = Said::Nothing;

        for Validation { expression, span } in &self.validations {
            let said = match expression.holds(&scope) {
                Ok(true) => Said::Nothing,
                Ok(false) => Said::Refused(*span),
                Err(fault) => failed(fault, *span),
            };
            match said {
                Said::Refused(_) => return said,
                Said::NotKnown(..) => open = said,
                Said::Nothing => {}
            }
        }

        open
    }
}

impl Cluster {
    /// Whether there is an admission policy that is bound to deny.
    pub fn has_denying_policies(&self) -> bool {
        self.facts.admission_bindings.iter().any(|b| b.denies)
    }

    /// The bindings that deny and may have a say in a namespace (in all, where it is empty), each
    /// with its policy; nothing for a policy where it, or the binding, is defined more than once.
    pub(super) fn bound_policies(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&AdmissionPolicyBinding, Option<&AdmissionPolicy>)> {
        let BoundPolicies {
            by_namespace,
            everywhere,
        } = &self.bound;
        let here = by_namespace.get(namespace).map_or(&[][..], Vec::as_slice);
        let in_all = by_namespace
            .values()
            .flatten()
            .filter(move |_| namespace.is_empty());

        everywhere.iter().chain(here).chain(in_all).map(|bound| {
            let binding = &self.facts.admission_bindings[bound.binding as usize];
            let policy = bound
                .policy
                .map(|at| &self.facts.admission_policies[at as usize]);
            (binding, policy)
        })
    }

    /// The kept objects that a policy would refuse if they were written as they are, by `user`,
    /// who applies the tree; and of how many that cannot be told. `resource_of` gives the version
    /// and the plural of an object's kind.
    pub fn violations(
        &self,
        policy: &str,
        user: &str,
        resource_of: &dyn Fn(&ObjectId) -> Option<(Text, Text)>,
    ) -> (Vec<ObjectId>, usize) {
        let (mut refused, mut unknown) = (Vec::new(), 0);
        let Some(guard) = self
            .facts
            .admission_policies
            .iter()
            .find(|g| g.id.name == policy)
        else {
            return (refused, unknown);
        };

        for id in self.kept.keys() {
            let (Some((version, resource)), Some(body)) = (resource_of(id), self.kept(id)) else {
                continue;
            };
            let namespace = if id.kind == "Namespace" && id.group.is_empty() {
                &id.name
            } else {
                &id.namespace
            };

            let request = AdmissionRequest {
                operation: "UPDATE",
                group: id.group.to_string(),
                version: version.to_string(),
                resource: resource.to_string(),
                subresource: String::new(),
                namespace: namespace.to_string(),
                name: id.name.to_string(),
                user: user.into(),
                groups: vec![
                    "system:serviceaccounts".into(),
                    "system:authenticated".into(),
                ],
                asker: Requester::One,
                object: body.clone(),
                old: body,
            };

            match guard.spec.matches.matches(self, &request) {
                Some(false) => continue,
                None => unknown += 1,
                Some(true) if guard.spec.param_kind.is_some() => unknown += 1,
                Some(true) => match self.ask(&guard.spec, &request, &Json::Null) {
                    Said::Nothing => {}
                    Said::Refused(_) => refused.push(id.clone()),
                    Said::NotKnown(..) => unknown += 1,
                },
            }
        }

        (refused, unknown)
    }

    /// What the admission policies that are bound to deny say to a request. Mutation and webhooks
    /// are left out.
    pub fn admits(&self, request: &AdmissionRequest) -> AdmissionAnswer {
        let mut answer = AdmissionAnswer::Allowed;
        for (binding, policy) in self.bound_policies(&request.namespace) {
            match self.admits_by(binding, policy, request) {
                AdmissionAnswer::Allowed => {}
                denied @ AdmissionAnswer::Denied(..) => return denied,
                unknown @ AdmissionAnswer::Unknown(..) => answer = unknown,
            }
        }

        answer
    }

    /// What one binding and its policy say to a request.
    fn admits_by(
        &self,
        binding: &AdmissionPolicyBinding,
        policy: Option<&AdmissionPolicy>,
        request: &AdmissionRequest,
    ) -> AdmissionAnswer {
        let Some(policy) = policy else {
            let why = "it is defined more than once".to_owned();
            return AdmissionAnswer::Unknown(binding.policy.clone(), binding.origin.span, why);
        };

        let name = || policy.id.name.clone();
        let at = |span: Option<Span>| span.unwrap_or(policy.origin.span);

        let both = [Some(&policy.spec.matches), binding.matches.as_ref()];
        let matches: Vec<Option<bool>> = both
            .iter()
            .flatten()
            .map(|matching| matching.matches(self, request))
            .collect();
        if matches.contains(&Some(false)) {
            return AdmissionAnswer::Allowed;
        }
        if matches.contains(&None) {
            let why = format!(
                "the labels of `{}` are not among the inputs",
                request.namespace
            );
            return AdmissionAnswer::Unknown(name(), at(None), why);
        }

        let params = match self.params(policy, binding, request) {
            Ok(params) => params,
            Err(why) => return AdmissionAnswer::Unknown(name(), binding.origin.span, why),
        };
        let needs_params = binding.params.as_ref().is_some_and(|params| params.needed);
        if params.is_empty() && needs_params && policy.spec.fails_closed {
            return AdmissionAnswer::Denied(name(), binding.origin.span);
        }

        let mut answer = AdmissionAnswer::Allowed;
        for params in params {
            match self.ask(&policy.spec, request, &params) {
                Said::Nothing => {}
                Said::Refused(span) => return AdmissionAnswer::Denied(name(), at(span)),
                Said::NotKnown(span, why) => {
                    answer = AdmissionAnswer::Unknown(name(), at(span), why);
                }
            }
        }

        answer
    }

    fn ask(&self, guard: &AdmissionPolicySpec, request: &AdmissionRequest, params: &Json) -> Said {
        let variable = request.variable(request.kind().unwrap_or_default());
        let id = ObjectId::of_namespace(request.namespace.as_str().into());
        let home = Json::from(request.namespace.as_str());
        let known = self.kept(&id);
        let namespace = match &known {
            _ if request.of_cluster() => Term::Known(&Json::Null),
            Some(body) => body.term(&Json::Null),
            None => Term::ANY,
        };

        let all = [
            ("object", request.object.term(&home)),
            ("oldObject", request.old.term(&home)),
            ("request", request.term(&variable)),
            ("params", Term::Known(params)),
        ];

        guard.ask(EvaluationScope::new(all), &namespace)
    }

    /// The objects of parameters that a policy is evaluated with: null if it takes none.
    ///
    /// # Errors
    /// Why they are not known.
    fn params(
        &self,
        policy: &AdmissionPolicy,
        binding: &AdmissionPolicyBinding,
        request: &AdmissionRequest,
    ) -> Result<Vec<Json>, String> {
        let (Some(kind), Some(wanted)) = (&policy.spec.param_kind, &binding.params) else {
            return Ok(vec![Json::Null]);
        };

        let namespace = match &wanted.namespace {
            _ if !self.has_namespaced(kind) => "",
            Some(namespace) => namespace.as_str(),
            // The server takes this for a mistake of the binding, which no request passes.
            None if request.namespace.is_empty() => return Ok(Vec::new()),
            None => &request.namespace,
        };

        // A tenant may change the objects in its namespaces.
        if matches!(self.owner(namespace), Owner::Tenant(_)) {
            return Err(format!(
                "its parameters are in `{namespace}`, where the tenant may have a say in them"
            ));
        }

        let (found, called): (Vec<RequestObject>, String) = match (&wanted.name, &wanted.selector) {
            (Some(name), _) => {
                let object = self.kept(&kind.id(namespace, name));
                (object.into_iter().collect(), format!("`{name}`"))
            }
            (None, Some(selector)) => {
                let mut objects = self.kept_of(namespace, &kind.group, &kind.kind);
                let selects = |object: &RequestObject| {
                    object
                        .json()
                        .is_some_and(|json| selector.matches(&labels_of(json)))
                };
                objects.retain(selects);
                (objects, "that it selects".to_owned())
            }
            (None, None) => return Err("it names no parameters".into()),
        };

        let found: Vec<Json> = found
            .iter()
            .filter_map(|object| object.json().cloned())
            .collect();
        if found.is_empty() {
            return Err(format!(
                "its parameters, {} {called}, are not among the inputs",
                kind.kind
            ));
        }

        Ok(found)
    }

    /// Whether objects of a kind of parameters are in namespaces.
    fn has_namespaced(&self, kind: &ParamKind) -> bool {
        let first = kind.id("", "");
        !kinds::is_cluster_scoped(&first)
            && self
                .kept
                .range(&first..)
                .take_while(|(id, _)| id.group == kind.group && id.kind == kind.kind)
                .any(|(id, _)| !id.namespace.is_empty())
    }

    /// An object that was kept. Objects are kept only if there are admission policies, and Secrets
    /// never.
    pub fn kept(&self, id: &ObjectId) -> Option<RequestObject> {
        let kept = &self.facts.kept[*self.kept.get(id)? as usize];
        let json = serde_json::from_str(&kept.json).ok()?;
        Some(if kept.origin.input.is_live() {
            RequestObject::Known(json)
        } else {
            RequestObject::Manifest(json)
        })
    }

    /// Objects of a kind in a namespace that were kept, by name.
    pub fn kept_of(&self, namespace: &str, group: &str, kind: &str) -> Vec<RequestObject> {
        let from = ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: Text::default(),
        };
        let of = |id: &&ObjectId| id.group == group && id.kind == kind && id.namespace == namespace;
        self.kept
            .range(from..)
            .map(|(id, _)| id)
            .take_while(of)
            .filter_map(|id| self.kept(id))
            .collect()
    }
}

/// A binding that denies, with its policy, as indices of the facts.
#[derive(Clone, Copy, Debug)]
struct BoundPolicy {
    binding: u32,
    /// `None` if the policy or the binding is defined more than once.
    policy: Option<u32>,
}

/// The bindings that deny, by the namespaces that they can apply to.
#[derive(Debug, Default)]
pub(super) struct BoundPolicies {
    /// Those that select namespaces by name.
    by_namespace: HashMap<Text, Vec<BoundPolicy>>,
    /// All others.
    everywhere: Vec<BoundPolicy>,
}

/// Sorts the bindings that deny by the namespace that they, or their policies, select by name.
pub(super) fn bound(facts: &Facts) -> BoundPolicies {
    let mut policies: HashMap<&Text, Vec<u32>> = HashMap::new();
    for (at, policy) in facts.admission_policies.iter().enumerate() {
        policies.entry(&policy.id.name).or_default().push(at as u32);
    }
    let mut names: HashMap<&Text, usize> = HashMap::new();
    for binding in &facts.admission_bindings {
        *names.entry(&binding.id.name).or_default() += 1;
    }

    let mut bound = BoundPolicies::default();
    let bindings = facts.admission_bindings.iter().enumerate();
    for (at, binding) in bindings.filter(|(_, binding)| binding.denies) {
        let Some(defined) = policies.get(&binding.policy) else {
            continue;
        };
        let is_single = defined.len() == 1 && names.get(&binding.id.name) == Some(&1);
        let policy = defined.first().copied().filter(|_| is_single);

        let of_policy = policy.map(|at| &facts.admission_policies[at as usize].spec.matches);
        let names = [binding.matches.as_ref(), of_policy]
            .into_iter()
            .flatten()
            .find_map(|matching| matching.namespaces.pinned(NAME_LABEL));

        let found = BoundPolicy {
            binding: at as u32,
            policy,
        };
        match names {
            Some(names) => {
                for name in names.iter().collect::<BTreeSet<_>>() {
                    let here = bound.by_namespace.entry(name.clone()).or_default();
                    here.push(found);
                }
            }
            None => bound.everywhere.push(found),
        }
    }

    bound
}

//! The evaluation of admission policies. A request and its namespace are read once for all
//! policies.

use super::{AdmissionAnswer, labels_of};
use crate::graph::admission_policy::{
    AdmissionPolicy, AdmissionPolicyBinding, AdmissionPolicySpec, ParamKind, Validation,
};
use crate::graph::cel::{EvaluationFault, EvaluationScope, Functions, Term};
use crate::graph::request::{AdmissionRequest, RequestObject, Requester};
use crate::graph::{Cluster, Owner};
use crate::kube::{ObjectId, kinds};
use crate::source::Span;
use crate::value::Text;
use serde_json::Value as Json;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The admission policies of a cluster, to be asked about many requests.
pub struct AdmissionReview<'c> {
    pub(in crate::graph) cluster: &'c Cluster,
    functions: Functions,
    /// What was read for the namespace of the last request.
    last: RefCell<Rc<NamespaceInputs>>,
    /// How much the answers to the question at hand may still cost, before they take of what all
    /// share.
    own: Cell<usize>,
    /// How much more the answers to all questions may cost, in requests that a policy is matched with.
    shared: Cell<usize>,
}

/// What it costs to match a policy with a request, and to evaluate its expressions.
pub(in crate::graph) const MATCH: usize = 1;
pub(in crate::graph) const EVALUATION: usize = 16;

/// Why the answer of a policy is not known once no policy is evaluated any more.
const NOT_EVALUATED: &str = "too many policies and subjects are bound to evaluate each for \
                                 each: select the namespaces of each policy in its binding";

/// The objects of parameters of a policy, or why they are not known.
type ParamObjects = Result<Vec<Json>, String>;

/// What policies are evaluated with in a namespace, beside a request.
#[derive(Default)]
pub(in crate::graph) struct NamespaceInputs {
    name: String,
    /// The Namespace, if it is among the inputs.
    pub(in crate::graph) object: Option<RequestObject>,
    /// The parameters of policies, by the name of the binding.
    params: RefCell<BTreeMap<Text, Rc<ParamObjects>>>,
}

/// What one policy says with one object of parameters.
enum Said {
    Nothing,
    Refused(Option<Span>),
    NotKnown(Option<Span>, String),
}

impl AdmissionPolicySpec {
    /// What the policy says to a request, in the scope of the request.
    fn ask(&self, request: &EvaluationScope<'_>, params: &Json) -> Said {
        request.reset_budget();
        let failed = |fault: EvaluationFault, span| match fault {
            EvaluationFault::Error(_) if self.fails_closed => Said::Refused(span),
            EvaluationFault::Error(_) => Said::Nothing,
            EvaluationFault::Unsupported(why) => Said::NotKnown(span, why),
        };

        match self.applies(request, params) {
            Ok(true) => {}
            Ok(false) => return Said::Nothing,
            Err(fault) => return failed(fault, None),
        }

        let mut scope = request.inner();
        scope.set("params", &Term::Known(params));
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

    /// Whether the conditions of the policy hold.
    ///
    /// # Errors
    /// One of them has no value, or the value is not known, and none is false.
    fn applies(
        &self,
        request: &EvaluationScope<'_>,
        params: &Json,
    ) -> Result<bool, EvaluationFault> {
        if self.conditions.is_empty() {
            return Ok(true);
        }
        let mut scope = request.inner();
        scope.set("params", &Term::Known(params));
        // The server has no namespace for conditions.
        scope.set("namespaceObject", &Term::Known(&Json::Null));

        let mut fault = None;
        for condition in &self.conditions {
            match condition.holds(&scope) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(EvaluationFault::Error(_)) if fault.is_some() => {}
                Err(other) => fault = Some(other),
            }
        }
        fault.map_or(Ok(true), Err)
    }
}

impl<'c> AdmissionReview<'c> {
    /// The policies of a cluster, each evaluated as often as it is asked.
    pub fn new(cluster: &'c Cluster) -> Self {
        Self::with_limit(cluster, usize::MAX)
    }

    /// The policies of a cluster. Beyond a number of evaluations, and those that each question is
    /// [granted](Self::grant), the answer is not known.
    pub fn with_limit(cluster: &'c Cluster, evaluations: usize) -> Self {
        Self {
            own: Cell::new(0),
            shared: Cell::new(evaluations.saturating_mul(EVALUATION)),
            cluster,
            functions: Functions::default(),
            last: RefCell::default(),
        }
    }

    /// Grants the next question a number of evaluations of its own, which no other question takes.
    pub fn grant(&self, evaluations: usize) {
        self.own.set(evaluations.saturating_mul(EVALUATION));
    }

    /// Whether no policy is evaluated any more for the question at hand.
    pub fn is_exhausted(&self) -> bool {
        self.own.get() == 0 && self.shared.get() == 0
    }

    /// Takes what something costs. Returns whether as much was left.
    pub(in crate::graph) fn takes(&self, cost: usize) -> bool {
        let own = self.own.get();
        self.own.set(own.saturating_sub(cost));
        let shared = self.shared.get().checked_sub(cost.saturating_sub(own));
        self.shared.set(shared.unwrap_or_default());
        shared.is_some()
    }

    /// What policies are evaluated with in a namespace.
    pub(in crate::graph) fn inputs(&self, namespace: &str) -> Rc<NamespaceInputs> {
        let last = Rc::clone(&self.last.borrow());
        if last.name == namespace {
            return last;
        }
        let inputs = Rc::new(NamespaceInputs {
            name: namespace.to_owned(),
            object: self.cluster.kept(&ObjectId::of_namespace(namespace.into())),
            params: RefCell::default(),
        });
        self.last.replace(Rc::clone(&inputs));
        inputs
    }

    /// The objects of parameters of a policy in a namespace.
    fn params(
        &self,
        policy: &AdmissionPolicy,
        binding: &AdmissionPolicyBinding,
        namespace: &str,
    ) -> Rc<ParamObjects> {
        let inputs = self.inputs(namespace);
        let mut known = inputs.params.borrow_mut();
        let read = || Rc::new(self.cluster.params(policy, binding, namespace));
        Rc::clone(known.entry(binding.id.name.clone()).or_insert_with(read))
    }

    /// The variables that every policy is evaluated with for a request.
    fn scope(&self, request: &AdmissionRequest) -> EvaluationScope<'_> {
        let variable = request.variable(request.kind().unwrap_or_default());
        let home = Json::from(request.namespace.as_str());
        let inputs = self.inputs(&request.namespace);
        let namespace = match &inputs.object {
            _ if request.of_cluster() => Term::Known(&Json::Null),
            Some(body) => body.term(&Json::Null),
            None => Term::ANY,
        };

        self.functions.scope([
            ("object", request.object.term(&home)),
            ("oldObject", request.old.term(&home)),
            ("request", request.term(&variable)),
            ("namespaceObject", namespace),
        ])
    }

    /// What the admission policies that are bound to deny say to a request. Mutation and webhooks
    /// are left out.
    pub fn admits(&self, request: &AdmissionRequest) -> AdmissionAnswer {
        let mut answer = AdmissionAnswer::Allowed;
        let scope = OnceCell::new();
        for (binding, policy) in self.cluster.bound_policies(&request.namespace) {
            match self.admits_by(binding, policy, request, &scope) {
                AdmissionAnswer::Allowed => {}
                denied @ AdmissionAnswer::Denied(..) => return denied,
                unknown @ AdmissionAnswer::Unknown(..) => answer = unknown,
            }
        }

        answer
    }

    /// What one binding and its policy say to a request, whose scope is made at its first use.
    fn admits_by<'r>(
        &'r self,
        binding: &AdmissionPolicyBinding,
        policy: Option<&AdmissionPolicy>,
        request: &'r AdmissionRequest,
        scope: &OnceCell<EvaluationScope<'r>>,
    ) -> AdmissionAnswer {
        let Some(policy) = policy else {
            let why = "it is defined more than once".to_owned();
            return AdmissionAnswer::Unknown(binding.policy.clone(), binding.origin.span, why);
        };

        let name = || policy.id.name.clone();
        let unevaluated = || {
            let why = NOT_EVALUATED.to_owned();
            AdmissionAnswer::Unknown(name(), binding.origin.span, why)
        };
        if !self.takes(MATCH) {
            return unevaluated();
        }
        let at = |span: Option<Span>| span.unwrap_or(policy.origin.span);

        let both = [Some(&policy.spec.matches), binding.matches.as_ref()];
        let matches: Vec<Option<bool>> = both
            .iter()
            .flatten()
            .map(|matching| matching.matches(self.cluster, request))
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

        let params = self.params(policy, binding, &request.namespace);
        let params = match params.as_ref() {
            Ok(params) => params,
            Err(why) => return AdmissionAnswer::Unknown(name(), binding.origin.span, why.clone()),
        };
        let needs_params = binding.params.as_ref().is_some_and(|params| params.needed);
        if params.is_empty() && needs_params && policy.spec.fails_closed {
            return AdmissionAnswer::Denied(name(), binding.origin.span);
        }

        let mut answer = AdmissionAnswer::Allowed;
        for params in params {
            if !self.takes(EVALUATION) {
                return unevaluated();
            }
            let scope = scope.get_or_init(|| self.scope(request));
            match policy.spec.ask(scope, params) {
                Said::Nothing => {}
                Said::Refused(span) => return AdmissionAnswer::Denied(name(), at(span)),
                Said::NotKnown(span, why) => {
                    answer = AdmissionAnswer::Unknown(name(), at(span), why);
                }
            }
        }

        answer
    }
}

impl Cluster {
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

        let review = AdmissionReview::new(self);
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
                Some(true) => match guard.spec.ask(&review.scope(&request), &Json::Null) {
                    Said::Nothing => {}
                    Said::Refused(_) => refused.push(id.clone()),
                    Said::NotKnown(..) => unknown += 1,
                },
            }
        }

        (refused, unknown)
    }

    /// The objects of parameters that a policy is evaluated with in a namespace: null if it takes
    /// none.
    ///
    /// # Errors
    /// Why they are not known.
    fn params(
        &self,
        policy: &AdmissionPolicy,
        binding: &AdmissionPolicyBinding,
        asked_in: &str,
    ) -> Result<Vec<Json>, String> {
        let (Some(kind), Some(wanted)) = (&policy.spec.param_kind, &binding.params) else {
            return Ok(vec![Json::Null]);
        };

        let namespace = match &wanted.namespace {
            _ if !self.has_namespaced(kind) => "",
            Some(namespace) => namespace.as_str(),
            // The server takes this for a mistake of the binding, which no request passes.
            None if asked_in.is_empty() => return Ok(Vec::new()),
            None => asked_in,
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
}

//! What admission policies say to a request.
//!
//! Source: kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy;
//! k8s.io/apiserver `pkg/admission/plugin/policy/matching` and `.../validating`,
//! `pkg/admission/plugin/webhook/predicates`.

mod requesters;
mod review;

pub use requesters::{RequesterClass, RequesterReads};
pub use review::AdmissionReview;
pub(super) use review::{EVALUATION, MATCH};

use super::admission_policy::{AdmissionPolicy, AdmissionPolicyBinding, Matching, ResourceRule};
use super::request::{AdmissionRequest, RequestObject};
use super::{Cluster, Facts};
use crate::kube::ObjectId;
use crate::kube::labels::Labels;
use crate::kube::names::NAME_LABEL;
use crate::source::Span;
use crate::value::Text;
use serde_json::Value as Json;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

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

    /// An object that was kept. Objects are kept only if there are admission policies, and Secrets
    /// never.
    pub fn kept(&self, id: &ObjectId) -> Option<RequestObject> {
        let kept = &self.facts.kept[*self.kept.get(id)? as usize];
        let json = Arc::new(serde_json::from_str(&kept.json).ok()?);
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

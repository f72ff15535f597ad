//! What admission policies say to a request.
//!
//! Source: kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy; k8s.io/apiserver
//! `pkg/admission/plugin/policy/matching` and `.../validating`, `pkg/admission/plugin/webhook/predicates`.

use super::Cluster;
use super::cel::{Fault, Scope};
use super::guard::{Guard, GuardBinding, GuardSpec, Matching, ResourceRule};
use super::labels::{Labels, NAME_LABEL};
use crate::bundle::{ObjectId, kinds};
use crate::source::Place;
use crate::value::Text;
use serde_json::{Value as Json, json};

/// A request, as admission sees it.
#[derive(Clone, Debug)]
pub struct Request {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: &'static str,
    /// The API group; empty for the core's.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource, plural.
    pub resource: String,
    /// The subresource; empty for none.
    pub subresource: String,
    /// The namespace; of a Namespace, its own name.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Who asks.
    pub user: String,
    /// The groups of who asks.
    pub groups: Vec<String>,
    /// The object as it would be, with the server's defaults; null where it is deleted.
    pub object: Json,
    /// The object as it is; null where there is none.
    pub old: Json,
}

/// What the admission policies of a cluster say to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// None denies it.
    Allowed,
    /// This one does, and where.
    Denied(Text, Place),
    /// None is known to deny it, and this one cannot be told, for a reason.
    Unknown(Text, Place, String),
}

impl Matching {
    /// Whether it matches a request; nothing where the labels of its namespace are not known.
    fn matches(&self, cluster: &Cluster, request: &Request) -> Option<bool> {
        let any = |rules: &[ResourceRule]| rules.iter().any(|r| r.matches(request, self.exact));
        if any(&self.excluded) || !(self.rules.is_empty() || any(&self.rules)) {
            return Some(false);
        }
        let of_object = |object: &Json| !object.is_null() && self.objects.matches(&labels_of(object));
        if !self.objects.0.is_empty() && !of_object(&request.object) && !of_object(&request.old) {
            return Some(false);
        }
        if self.namespaces.0.is_empty() || request.namespace.is_empty() {
            return Some(true);
        }
        // Of a Namespace that is written, what it is about to be decides.
        if request.resource == "namespaces" && request.subresource.is_empty() && request.operation != "DELETE" {
            return Some(self.namespaces.matches(&labels_of(&request.object)));
        }
        if let Some(names) = self.namespaces.pinned(NAME_LABEL)
            && !names.iter().any(|n| *n == request.namespace)
        {
            return Some(false);
        }
        let namespace = &cluster.namespaces[cluster.namespace(&request.namespace)? as usize];
        let known = namespace.origin.is_some() || self.namespaces.0.iter().all(|r| r.key == NAME_LABEL);
        known.then(|| self.namespaces.matches(&namespace.labels))
    }
}

fn labels_of(object: &Json) -> Labels {
    let labels = object.pointer("/metadata/labels").and_then(Json::as_object);
    Labels::new(labels.into_iter().flatten().filter_map(|(k, v)| Some((k.as_str().into(), v.as_str()?.into()))))
}

impl ResourceRule {
    fn matches(&self, request: &Request, exact: bool) -> bool {
        let has = |all: &[Text], one: &str| all.iter().any(|x| x == "*" || x == one);
        let resource = |r: &Text| {
            let (resource, sub) = r.split_once('/').unwrap_or((r, ""));
            (resource == "*" || resource == request.resource) && (sub == "*" || sub == request.subresource)
        };
        let of_cluster = request.namespace.is_empty() || (request.group.is_empty() && request.resource == "namespaces");
        let scope = match self.scope.as_deref() {
            Some("Namespaced") => !of_cluster,
            Some("Cluster") => of_cluster,
            _ => true,
        };
        scope
            && has(&self.operations, request.operation)
            && has(&self.groups, &request.group)
            && (!exact || has(&self.versions, &request.version))
            && self.resources.iter().any(resource)
            && (self.names.is_empty() || self.names.iter().any(|n| *n == request.name))
    }
}

impl Request {
    /// The `request` variable.
    fn variable(&self, kind: &str) -> Json {
        let kind = json!({"group": self.group, "version": self.version, "kind": kind});
        let resource = json!({"group": self.group, "version": self.version, "resource": self.resource});
        let mut all = json!({
            "uid": "00000000-0000-0000-0000-000000000000",
            "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
            "operation": self.operation,
            "userInfo": {"username": self.user, "groups": self.groups},
            "dryRun": false,
        });
        for (key, text) in [("subResource", &self.subresource), ("name", &self.name), ("namespace", &self.namespace)] {
            if !text.is_empty() {
                all[key] = text.as_str().into();
            }
        }
        all
    }
}

/// What one policy says with one object of parameters.
enum Said {
    Nothing,
    Refused(Option<Place>),
    NotKnown(Option<Place>, String),
}

impl GuardSpec {
    fn ask(&self, mut scope: Scope<'_>, namespace: Option<&Json>) -> Said {
        let failed = |fault: Fault, place| match fault {
            Fault::Error(_) if self.closed => Said::Refused(place),
            Fault::Error(_) => Said::Nothing,
            Fault::Unsupported(why) => Said::NotKnown(place, why),
        };
        let mut fault = None;
        // The server has no namespace for conditions.
        scope.set("namespaceObject", &Json::Null);
        for condition in &self.conditions {
            match condition.holds(&scope) {
                Ok(true) => {}
                Ok(false) => return Said::Nothing,
                Err(Fault::Error(_)) if fault.is_some() => {}
                Err(other) => fault = Some(other),
            }
        }
        if let Some(fault) = fault {
            return failed(fault, None);
        }
        match namespace {
            Some(namespace) => scope.set("namespaceObject", namespace),
            None => scope.forbid("namespaceObject"),
        }
        scope.with_variables(&self.variables);
        let mut open = Said::Nothing;
        for (validation, place) in &self.validations {
            let said = match validation.holds(&scope) {
                Ok(true) => Said::Nothing,
                Ok(false) => Said::Refused(*place),
                Err(fault) => failed(fault, *place),
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
    /// What the admission policies that are bound to deny say to a request. Mutation and webhooks are left out.
    pub fn admits(&self, request: &Request) -> Answer {
        let mut open = Answer::Allowed;
        let facts = &self.facts;
        for binding in facts.guard_bindings.iter().filter(|b| b.denies) {
            let Some(guard) = facts.guards.iter().find(|g| g.id.name == binding.policy) else { continue };
            let unknown = |place: Option<Place>, why: String| {
                Answer::Unknown(guard.id.name.clone(), place.unwrap_or(guard.origin.place), why)
            };
            let both = [Some(&guard.says.matches), binding.matches.as_ref()];
            let matches: Vec<Option<bool>> = both.iter().flatten().map(|m| m.matches(self, request)).collect();
            if matches.contains(&Some(false)) {
                continue;
            }
            if matches.contains(&None) {
                open = unknown(None, format!("the labels of `{}` are not among the inputs", request.namespace));
                continue;
            }
            let params = match self.params(guard, binding, request) {
                Ok(params) => params,
                Err(why) => {
                    open = unknown(Some(binding.origin.place), why);
                    continue;
                }
            };
            let needed = binding.params.as_ref().is_some_and(|p| p.needed);
            if params.is_empty() && needed && guard.says.closed {
                return Answer::Denied(guard.id.name.clone(), binding.origin.place);
            }
            for params in params {
                match self.ask(&guard.says, request, &params) {
                    Said::Nothing => {}
                    Said::Refused(place) => {
                        return Answer::Denied(guard.id.name.clone(), place.unwrap_or(guard.origin.place));
                    }
                    Said::NotKnown(place, why) => open = unknown(place, why),
                }
            }
        }
        open
    }

    fn ask(&self, guard: &GuardSpec, request: &Request, params: &Json) -> Said {
        let kind = [&request.object, &request.old].into_iter().find_map(|o| o["kind"].as_str());
        let variable = request.variable(kind.unwrap_or_default());
        let id = ObjectId {
            group: Text::default(),
            kind: "Namespace".into(),
            namespace: Text::default(),
            name: request.namespace.as_str().into(),
        };
        let namespace = match request.namespace.is_empty() {
            true => Some(Json::Null),
            false => self.kept(&id),
        };
        let all =
            [("object", &request.object), ("oldObject", &request.old), ("request", &variable), ("params", params)];
        guard.ask(Scope::new(all), namespace.as_ref())
    }

    /// The objects of parameters that a policy is asked with: null where it takes none.
    fn params(&self, guard: &Guard, binding: &GuardBinding, request: &Request) -> Result<Vec<Json>, String> {
        let (Some((group, kind)), Some(wanted)) = (&guard.says.param_kind, &binding.params) else {
            return Ok(vec![Json::Null]);
        };
        let of_kind = |namespace: &str, name: &str| ObjectId {
            group: group.clone(),
            kind: kind.clone(),
            namespace: namespace.into(),
            name: name.into(),
        };
        let of_cluster = kinds::cluster_scoped(&of_kind("", ""))
            || !self.kept.keys().any(|id| id.group == *group && id.kind == *kind && !id.namespace.is_empty());
        let namespace = match &wanted.namespace {
            _ if of_cluster => "",
            Some(namespace) => namespace.as_str(),
            // The server takes this for a mistake of the binding, which no request passes.
            None if request.namespace.is_empty() => return Ok(Vec::new()),
            None => &request.namespace,
        };
        match (&wanted.name, &wanted.selector) {
            (Some(name), _) => match self.kept(&of_kind(namespace, name)) {
                Some(params) => Ok(vec![params]),
                None if self.closed => Ok(Vec::new()),
                None => Err(format!("its parameters, {kind} `{name}`, are not among the inputs")),
            },
            (None, Some(selector)) => {
                let ids =
                    self.kept.keys().filter(|id| id.group == *group && id.kind == *kind && id.namespace == namespace);
                let mut ids: Vec<&ObjectId> = ids.collect();
                ids.sort();
                let all = ids.into_iter().filter_map(|id| self.kept(id)).filter(|o| selector.matches(&labels_of(o)));
                let all: Vec<Json> = all.collect();
                match all.is_empty() && !self.closed {
                    true => Err(format!("its parameters, of kind {kind}, are not among the inputs")),
                    false => Ok(all),
                }
            }
            (None, None) => Err("it names no parameters".into()),
        }
    }

    /// An object as JSON, where it was kept: only where there are admission policies, and never a Secret.
    pub fn kept(&self, id: &ObjectId) -> Option<Json> {
        let at = *self.kept.get(id)?;
        serde_json::from_str(&self.facts.kept[at as usize].json).ok()
    }

    /// Objects of a kind in a namespace that were kept, by name.
    pub fn kept_of(&self, namespace: &str, group: &str, kind: &str) -> Vec<Json> {
        let from =
            ObjectId { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: Text::default() };
        let of = |id: &&ObjectId| id.group == group && id.kind == kind && id.namespace == namespace;
        self.kept.range(from..).map(|(id, _)| id).take_while(of).filter_map(|id| self.kept(id)).collect()
    }
}

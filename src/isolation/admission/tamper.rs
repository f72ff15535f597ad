//! Attacks on the floor: each way to remove, weaken, freeze or evade it that rules allow, held
//! against the admission policies.
//!
//! A request of an attack stands for every object that its author may write. A policy stops it if
//! it denies the request whatever is written. If the answer depends on the object, some objects are
//! tried. One that passes shows that the attack is open; otherwise the answer is not known.

use crate::graph::admission::AdmissionAnswer;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::graph::request::{AdmissionRequest, RequestObject, Requester, WrittenObject};
use crate::graph::{ACCOUNTS_OF, Cluster};
use crate::isolation::capability::Permission;
use crate::kube::RBAC;
use crate::kube::names::POD_SECURITY;
use crate::source::Span;
use crate::value::Text;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

/// What the admission policies say to all attacks that rules allow.
#[derive(Clone, Debug)]
pub enum PolicyVerdict {
    /// No policy denies this attack. The text follows a subject.
    Open(String),
    /// No attack is known to be open, and the answer to this one is not known.
    Unknown(UndecidedAttack),
    /// These policies deny every attack, whatever the requester writes.
    Denied(Vec<Text>),
}

/// An attack to which the answer of an admission policy is not known.
#[derive(Clone, Debug)]
pub struct UndecidedAttack {
    /// What is done, as a predicate that follows a subject.
    pub attack: String,
    /// The policy.
    pub policy: Text,
    /// The expression or the object that is not understood.
    pub span: Span,
    /// Why the answer is not known.
    pub reason: String,
}

/// A kind of object of which the floor is made.
struct FloorKind {
    group: &'static str,
    resource: &'static str,
    version: &'static str,
    kind: &'static str,
    /// The fields of an object that lets everything through.
    open: fn() -> Json,
}

impl FloorKind {
    /// The paths of the fields that say what an object lets through.
    fn effective_fields(&self) -> &'static [FieldPath] {
        match self.kind {
            "RoleBinding" => &[&["subjects"]],
            "Role" => &[&["rules"]],
            "Endpoints" => &[&["subsets"]],
            "EndpointSlice" => &[&["endpoints"], &["ports"]],
            "Namespace" => &[LABELS],
            "CiliumNetworkPolicy" => &[&["spec"], &["specs"]],
            "Application" => &[&["spec"], &["operation"]],
            _ => &[&["spec"]],
        }
    }

    fn is_namespace(&self) -> bool {
        self.kind == "Namespace"
    }
}

/// The path of a field of an object.
type FieldPath = &'static [&'static str];

const LABELS: FieldPath = &["metadata", "labels"];

static KINDS: [FloorKind; 16] = [
    kind(
        "networking.k8s.io",
        "networkpolicies",
        "v1",
        "NetworkPolicy",
        || json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]}}),
    ),
    kind(
        "cilium.io",
        "ciliumnetworkpolicies",
        "v2",
        "CiliumNetworkPolicy",
        || json!({"spec": {"endpointSelector": {}, "ingress": [{"fromEntities": ["all"]}], "egress": [{"toEntities": ["all"]}]}}),
    ),
    kind(
        "crd.projectcalico.org",
        "networkpolicies",
        "v1",
        "NetworkPolicy",
        calico,
    ),
    kind(
        "projectcalico.org",
        "networkpolicies",
        "v3",
        "NetworkPolicy",
        calico,
    ),
    kind(
        "security.istio.io",
        "authorizationpolicies",
        "v1",
        "AuthorizationPolicy",
        || json!({"spec": {"rules": [{}]}}),
    ),
    kind(
        "",
        "resourcequotas",
        "v1",
        "ResourceQuota",
        || json!({"spec": {"hard": {"pods": "1M"}}, "status": {}}),
    ),
    kind("", "limitranges", "v1", "LimitRange", || {
        let wide = json!({"cpu": "1k", "memory": "1Ti"});
        json!({"spec": {"limits": [{"type": "Container", "max": wide, "default": wide, "defaultRequest": wide}]}})
    }),
    kind(
        "",
        "namespaces",
        "v1",
        "Namespace",
        || json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
    ),
    kind(RBAC, "rolebindings", "v1", "RoleBinding", || {
        json!({"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
               "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": "strangers"}]})
    }),
    kind(
        RBAC,
        "roles",
        "v1",
        "Role",
        || json!({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
    ),
    kind(
        "",
        "endpoints",
        "v1",
        "Endpoints",
        || json!({"subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 443, "protocol": "TCP"}]}]}),
    ),
    kind(
        "discovery.k8s.io",
        "endpointslices",
        "v1",
        "EndpointSlice",
        || json!({"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"], "conditions": {}}], "ports": [{"port": 443, "protocol": "TCP", "name": ""}]}),
    ),
    kind(
        "argoproj.io",
        "applications",
        "v1alpha1",
        "Application",
        || {
            json!({"spec": {"project": "default", "source": {"repoURL": "https://example.org/x.git", "path": "."},
                        "destination": {"server": "https://kubernetes.default.svc", "namespace": "kube-system"}}})
        },
    ),
    kind(
        "argoproj.io",
        "appprojects",
        "v1alpha1",
        "AppProject",
        || json!({"spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}}),
    ),
    kind(
        "",
        "services",
        "v1",
        "Service",
        || json!({"spec": {}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}),
    ),
    kind(
        "",
        "pods",
        "v1",
        "Pod",
        || json!({"spec": {}, "status": {"podIP": "192.0.2.1", "phase": "Running"}}),
    ),
];

const fn kind(
    group: &'static str,
    resource: &'static str,
    version: &'static str,
    kind: &'static str,
    open: fn() -> Json,
) -> FloorKind {
    FloorKind {
        group,
        resource,
        version,
        kind,
        open,
    }
}

fn calico() -> Json {
    json!({"spec": {"order": 0, "selector": "all()", "types": ["Ingress", "Egress"], "ingress": [{"action": "Allow"}], "egress": [{"action": "Allow"}]}})
}

/// Requests, one after the other, by which a subject does something.
pub struct Attack {
    /// What is done, as a predicate that follows a subject.
    pub description: String,
    /// The requests. Every field that the requester may choose is open.
    pub requests: Vec<AdmissionRequest>,
    /// Choices of those fields to try.
    pub attempts: Vec<Attempt>,
}

/// The requests of an attack with every field chosen.
pub struct Attempt {
    /// What is done, as a predicate that follows a subject.
    pub description: String,
    /// The requests.
    pub requests: Vec<AdmissionRequest>,
}

/// Returns the name and the groups of a user that a subject stands for.
///
/// A group stands for a user of whom only the group is known.
pub fn as_user(subject: &Subject) -> (String, Vec<String>) {
    let texts = |groups: Vec<Text>| groups.iter().map(ToString::to_string).collect();
    match subject {
        Subject::User(name) => (name.to_string(), texts(subject.implicit_groups())),
        Subject::ServiceAccount(namespace, name) => (
            format!("system:serviceaccount:{namespace}:{name}"),
            texts(subject.implicit_groups()),
        ),
        // One of its service accounts, whichever it is.
        Subject::Group(name) if name.starts_with(ACCOUNTS_OF) => {
            let namespace = name.trim_start_matches(ACCOUNTS_OF);
            as_user(&Subject::ServiceAccount(namespace.into(), "default".into()))
        }
        Subject::Group(name) if name == "system:unauthenticated" => {
            ("system:anonymous".into(), vec![name.to_string()])
        }
        Subject::Group(name) => (
            format!("somebody in {name}"),
            vec![name.to_string(), "system:authenticated".to_owned()],
        ),
    }
}

/// Whether the user of [`as_user`] is the subject itself or any member of a group.
pub fn requester(subject: &Subject) -> Requester {
    match subject {
        Subject::Group(name) if name.starts_with("system:") => Requester::Anyone,
        Subject::Group(_) => Requester::Member,
        _ => Requester::One,
    }
}

/// Returns what the admission policies say to everything that a subject can do in a namespace with
/// the permissions, as far as the rules give them.
pub fn verdict(
    cluster: &Cluster,
    namespace: &str,
    subject: &Subject,
    rules: &[PolicyRule],
    permissions: &[Permission],
) -> PolicyVerdict {
    let mut attacks = Vec::new();
    for permission in permissions {
        for resource in permission.resources {
            let held = HeldVerbs::new(rules, permission, resource);
            if held.verbs.is_empty() {
                continue;
            }
            let kinds = held.kinds();
            if kinds.is_empty() {
                return PolicyVerdict::Open(format!(
                    "may {} {resource}: no policy was asked",
                    held.verbs.join(", ")
                ));
            }

            for kind in kinds {
                let target = Target {
                    cluster,
                    namespace,
                    subject,
                    kind,
                    resource,
                };
                let verbs = held.verbs_on(kind);
                for verb in &verbs {
                    let names = held.names(verb, kind);
                    // A patch is the same request as an update.
                    let is_asked = *verb == "patch"
                        && verbs.contains(&"update")
                        && held.names("update", kind) == names;
                    if !is_asked {
                        attacks.extend(target.attacks(verb, names));
                    }
                }
            }
        }
    }

    ask(cluster, attacks)
}

/// The verbs of a permission on one resource that rules give.
struct HeldVerbs<'a> {
    rules: &'a [PolicyRule],
    group: &'static str,
    resource: &'static str,
    verbs: Vec<&'static str>,
}

impl<'a> HeldVerbs<'a> {
    fn new(rules: &'a [PolicyRule], permission: &Permission, resource: &'static str) -> Self {
        let group = permission.group;
        let verbs = permission.verbs.iter().copied();
        Self {
            rules,
            group,
            resource,
            verbs: verbs
                .filter(|verb| rules.iter().any(|rule| rule.touches(verb, group, resource)))
                .collect(),
        }
    }

    /// Whether the verbs let a subject write an object of a kind beyond its own permissions.
    ///
    /// A subject that may `bind` or `escalate` is taken to write bindings or roles as well.
    fn raises(&self, kind: &FloorKind) -> bool {
        match kind.kind {
            "RoleBinding" => self.verbs.contains(&"bind"),
            "Role" => self.verbs.contains(&"escalate"),
            _ => false,
        }
    }

    /// The kinds of objects that the verbs write.
    fn kinds(&self) -> Vec<&'static FloorKind> {
        let resource = self.resource.split('/').next().unwrap_or_default();
        let only_raises = self
            .verbs
            .iter()
            .all(|verb| ["bind", "escalate"].contains(verb));

        let written = |kind: &&FloorKind| {
            let own = kind.group == self.group && kind.resource == resource && !only_raises;
            own || self.raises(kind)
        };
        KINDS.iter().filter(written).collect()
    }

    fn verbs_on(&self, kind: &FloorKind) -> Vec<&'static str> {
        match self.raises(kind) {
            true => vec!["create", "update"],
            false => self.verbs.clone(),
        }
    }

    /// The names of the objects that a verb is limited to; `None` if it is not.
    fn names(&self, verb: &str, kind: &FloorKind) -> Option<Vec<Text>> {
        let touching = self
            .rules
            .iter()
            .filter(|rule| rule.touches(verb, self.group, self.resource));
        let mut names = Vec::new();
        for rule in touching {
            if rule.names.is_empty() {
                return None;
            }
            names.extend(rule.names.iter().cloned());
        }
        (!self.raises(kind)).then_some(names)
    }
}

/// Why a denial that rests on uncertain parts does not count.
const NOT_SURE: &str = "it seems to deny it, by what is not certain: what the server fills in, \
                        parameters, an error, a selector";

/// Objects of one kind in one namespace that a subject attacks.
struct Target<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    subject: &'a Subject,
    kind: &'static FloorKind,
    resource: &'a str,
}

/// How an update changes an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It lets more through.
    Weaken,
    /// It loses its labels, by which policies and selectors find it.
    Relabel,
    /// Flux no longer restores it.
    Freeze,
    /// It gets an owner that does not exist: the garbage collector deletes it.
    Orphan,
}

impl Change {
    /// The change as a verb that follows a subject.
    const fn verb(self) -> &'static str {
        match self {
            Self::Weaken => "weakens",
            Self::Relabel => "relabels",
            Self::Freeze => "freezes",
            Self::Orphan => "gives an owner that is not there to",
        }
    }

    /// An object after the change.
    fn apply(self, kind: &FloorKind, old: &Json) -> Json {
        match self {
            Self::Weaken => weakened(kind, old),
            Self::Relabel => unlabelled(old),
            Self::Freeze => frozen(old),
            Self::Orphan => orphaned(old),
        }
    }
}

impl Target<'_> {
    fn subresource(&self) -> &str {
        self.resource.split_once('/').map_or("", |(_, sub)| sub)
    }

    fn request(
        &self,
        operation: &'static str,
        name: &str,
        object: RequestObject,
        old: RequestObject,
    ) -> AdmissionRequest {
        let (user, groups) = as_user(self.subject);
        AdmissionRequest {
            operation,
            group: self.kind.group.to_owned(),
            version: self.kind.version.to_owned(),
            resource: self.kind.resource.to_owned(),
            subresource: self.subresource().to_owned(),
            namespace: self.namespace.to_owned(),
            name: name.to_owned(),
            user,
            groups,
            asker: requester(self.subject),
            object,
            old,
        }
    }

    /// An object of the kind, of which only the changed field is open.
    fn written(&self, changes: FieldPath) -> RequestObject {
        RequestObject::Written(WrittenObject {
            kind: self.kind.kind.to_owned(),
            changes: changes.to_vec(),
            ..WrittenObject::default()
        })
    }

    /// The objects that a verb reaches, by name. An object that no input holds has an unknown body.
    fn objects(&self, names: Option<Vec<Text>>) -> Vec<(String, RequestObject)> {
        let home = match self.kind.is_namespace() {
            true => "",
            false => self.namespace,
        };
        let allowed = |name: &str| {
            let listed = |names: &Vec<Text>| names.iter().any(|listed| listed == name);
            names.as_ref().is_none_or(listed)
                && (!self.kind.is_namespace() || name == self.namespace)
        };

        let mut objects: Vec<(String, RequestObject)> = self
            .cluster
            .kept_of(home, self.kind.group, self.kind.kind)
            .into_iter()
            .filter_map(|body| Some((body.json()?["metadata"]["name"].as_str()?.to_owned(), body)))
            .filter(|(name, _)| allowed(name))
            .collect();

        let unseen = |name: &str| (name.to_owned(), self.written(&[]));
        let known: BTreeSet<String> = objects.iter().map(|(name, _)| name.clone()).collect();
        let missing = names
            .iter()
            .flatten()
            .filter(|name| !known.contains(name.as_str()));
        objects.extend(missing.map(|name| unseen(name)));

        if objects.is_empty() {
            objects.push(unseen(match self.kind.is_namespace() {
                true => self.namespace,
                false => "",
            }));
        }
        objects
    }

    /// An object of the kind, as a phrase.
    fn phrase(&self, name: &str) -> String {
        let sub = match self.subresource() {
            "" => String::new(),
            sub => format!("'s {sub}"),
        };
        match name {
            "" => format!("a {}{sub}", self.kind.kind),
            name => format!("the {} `{name}`{sub}", self.kind.kind),
        }
    }

    /// The attacks by one verb. `names` are the objects that the verb is limited to.
    fn attacks(&self, verb: &str, names: Option<Vec<Text>>) -> Vec<Attack> {
        let whole = self.subresource().is_empty();
        match verb {
            "create" if whole && !self.kind.is_namespace() => vec![self.creation()],
            "update" | "patch" => {
                let objects = self.objects(names);
                let updates = |(name, old): &(String, RequestObject)| self.updates(name, old);
                objects.iter().flat_map(updates).collect()
            }
            // A subresource is not deleted by itself.
            "delete" | "deletecollection" if whole => {
                let objects = self.objects(names).into_iter();
                let deletion =
                    |(name, old): (String, RequestObject)| self.deletion(verb, &name, old);
                objects.map(deletion).collect()
            }
            _ => Vec::new(),
        }
    }

    fn creation(&self) -> Attack {
        let open = RequestObject::Known(open_object(self.kind, self.namespace, "open"));
        Attack {
            description: format!("creates a {}", self.kind.kind),
            requests: vec![self.request("CREATE", "", self.written(&[]), RequestObject::Absent)],
            attempts: vec![Attempt {
                description: format!("creates a {} that lets everything through", self.kind.kind),
                requests: vec![self.request("CREATE", "open", open, RequestObject::Absent)],
            }],
        }
    }

    fn updates(&self, name: &str, old: &RequestObject) -> Vec<Attack> {
        let update = |(change, field): (Change, FieldPath)| {
            let description = format!("{} {}", change.verb(), self.phrase(name));
            let attempt = old.json().and_then(|json| {
                let new = change.apply(self.kind, json);
                let request =
                    |new| self.request("UPDATE", name, RequestObject::Manifest(new), old.clone());
                (new != *json).then(|| Attempt {
                    description: description.clone(),
                    requests: vec![request(new)],
                })
            });

            Attack {
                requests: vec![self.request("UPDATE", name, self.written(field), old.clone())],
                attempts: attempt.into_iter().collect(),
                description,
            }
        };

        self.changes().into_iter().map(update).collect()
    }

    /// The API server asks about many objects that are deleted at once one by one, without names.
    fn deletion(&self, verb: &str, name: &str, old: RequestObject) -> Attack {
        let asked = if verb == "delete" { name } else { "" };
        Attack {
            description: format!("deletes {}", self.phrase(name)),
            requests: vec![self.request("DELETE", asked, RequestObject::Absent, old)],
            attempts: Vec::new(),
        }
    }

    /// The changes that an update can make, and the field that each writes.
    ///
    /// Labels, annotations and owners can be written through every subresource too.
    fn changes(&self) -> Vec<(Change, FieldPath)> {
        let effective: &'static [FieldPath] = match self.subresource() {
            "" => self.kind.effective_fields(),
            "finalize" => &[&["spec"]],
            _ => &[&["status"]],
        };

        let weaken = effective.iter().map(|field| (Change::Weaken, *field));
        let mut changes: Vec<(Change, FieldPath)> = weaken.collect();
        // The labels of a Namespace decide what it lets through.
        if self.kind.is_namespace() && !self.subresource().is_empty() {
            changes.push((Change::Weaken, LABELS));
        } else if !effective.contains(&LABELS) {
            changes.push((Change::Relabel, LABELS));
        }

        changes.push((Change::Freeze, &["metadata", "annotations"]));
        changes.push((Change::Orphan, &["metadata", "ownerReferences"]));
        changes
    }
}

/// Returns what the policies say to attacks. They stop an attack if they deny one of its requests,
/// whatever is written in it.
///
/// Only the certain parts of a policy count for such a denial. An attempt is evaluated as a whole.
pub fn ask(cluster: &Cluster, attacks: Vec<Attack>) -> PolicyVerdict {
    if attacks.is_empty() {
        return PolicyVerdict::Open("goes a way that no policy was asked about".into());
    }
    let mut denied_by = BTreeSet::new();
    let mut undecided = None;

    for attack in attacks {
        let mut requests = attack.requests.iter();
        if let Some(policy) = requests.find_map(|request| cluster.surely_denied(request)) {
            denied_by.insert(policy);
            continue;
        }

        let answer = attack
            .requests
            .iter()
            .map(|request| cluster.admits(request))
            .find(|answer| *answer != AdmissionAnswer::Allowed);
        let (policy, span, reason) = match answer {
            None | Some(AdmissionAnswer::Allowed) => {
                return PolicyVerdict::Open(attack.description);
            }
            Some(AdmissionAnswer::Denied(policy, span)) => (policy, span, NOT_SURE.to_owned()),
            Some(AdmissionAnswer::Unknown(policy, span, reason)) => (policy, span, reason),
        };

        let passes = |attempt: &Attempt| {
            let mut requests = attempt.requests.iter();
            requests.all(|request| cluster.admits(request) == AdmissionAnswer::Allowed)
        };
        if let Some(attempt) = attack.attempts.into_iter().find(passes) {
            return PolicyVerdict::Open(attempt.description);
        }

        undecided.get_or_insert(UndecidedAttack {
            attack: attack.description,
            policy,
            span,
            reason,
        });
    }

    match undecided {
        Some(undecided) => PolicyVerdict::Unknown(undecided),
        None => PolicyVerdict::Denied(denied_by.into_iter().collect()),
    }
}

/// An object that a test creates, with the defaults of the API server.
pub struct Example {
    /// The API group.
    pub group: &'static str,
    /// The resource.
    pub resource: &'static str,
    /// The object.
    pub object: Json,
}

/// The objects of Kubernetes' own kinds that attacks try to create.
pub fn examples(namespace: &str) -> Vec<Example> {
    let built_in = |kind: &&FloorKind| !kind.group.contains('.') || kind.group.ends_with(".k8s.io");
    let created = |kind: &&FloorKind| !["namespaces", "services", "pods"].contains(&kind.resource);
    let example = |kind: &FloorKind| Example {
        group: kind.group,
        resource: kind.resource,
        object: open_object(kind, namespace, "open"),
    };
    KINDS
        .iter()
        .filter(built_in)
        .filter(created)
        .map(example)
        .collect()
}

/// An object of a kind that lets everything through.
fn open_object(kind: &FloorKind, namespace: &str, name: &str) -> Json {
    let version = match kind.group {
        "" => kind.version.to_owned(),
        group => format!("{group}/{}", kind.version),
    };

    let mut object = json!({"apiVersion": version, "kind": kind.kind, "metadata": {"name": name, "namespace": namespace}});
    if kind.is_namespace() {
        object["metadata"] =
            json!({"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}});
    }
    widen(&mut object, kind);
    object
}

fn widen(object: &mut Json, kind: &FloorKind) {
    if let (Json::Object(object), Json::Object(open)) = (object, (kind.open)()) {
        object.extend(open);
    }
}

fn weakened(kind: &FloorKind, old: &Json) -> Json {
    let mut object = old.clone();
    widen(&mut object, kind);

    if kind.is_namespace()
        && let Some(Json::Object(labels)) = object.pointer_mut("/metadata/labels")
    {
        for (key, value) in labels.iter_mut() {
            if key.starts_with(POD_SECURITY) {
                *value = match key.ends_with("-version") {
                    true => "latest".into(),
                    false => "privileged".into(),
                };
            }
        }
    }

    // The role of a binding cannot be changed, only its subjects.
    if kind.kind == "RoleBinding" {
        object["roleRef"] = old["roleRef"].clone();
    }
    object
}

/// The object without its labels. One that has none to lose gets one.
fn unlabelled(old: &Json) -> Json {
    let mut object = old.clone();
    let mut labels = object["metadata"]["labels"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let before = labels.len();
    labels.retain(|key, _| key == "kubernetes.io/metadata.name");
    if labels.len() == before {
        labels.insert("app".into(), "x".into());
    }
    object["metadata"]["labels"] = Json::Object(labels);
    object
}

/// The object with an owner that does not exist.
fn orphaned(old: &Json) -> Json {
    let mut object = old.clone();
    object["metadata"]["ownerReferences"] = json!([
        {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "00000000-0000-0000-0000-000000000000"}
    ]);
    object
}

/// The object with the annotation by which Flux leaves it alone.
fn frozen(old: &Json) -> Json {
    let mut object = old.clone();
    let mut annotations = object["metadata"]["annotations"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    annotations.insert(
        "kustomize.toolkit.fluxcd.io/reconcile".into(),
        "disabled".into(),
    );
    object["metadata"]["annotations"] = Json::Object(annotations);
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds;

    #[test]
    fn kinds_are_as_the_table_has_them() {
        for own in &KINDS {
            let row = kinds::find(own.group, own.kind).unwrap();
            assert_eq!((own.resource, own.version), (row.plural, row.version));
        }
    }
}

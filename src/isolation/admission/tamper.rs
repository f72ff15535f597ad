//! Attacks on the floor: each way to remove, weaken, freeze or evade it that rules allow, held
//! against the admission policies.

use super::attacks::{Attack, AttackReview, Attacker, Attempt, PolicyVerdict, as_user, requester};
use crate::graph::Cluster;
use crate::graph::rbac::PolicyRule;
use crate::graph::request::{AdmissionRequest, RequestObject, WrittenObject};
use crate::isolation::capability::Permission;
use crate::kube::RBAC;
use crate::kube::names::POD_SECURITY;
use crate::value::Text;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::iter;

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

/// Returns what the admission policies say to everything that an attacker can do with permissions to
/// change a part of the floor, as far as its role gives them.
pub fn verdict(
    review: &mut AttackReview<'_>,
    attacker: &Attacker<'_>,
    part: &'static str,
    permissions: &[Permission],
) -> PolicyVerdict {
    review.verdict(attacker, part, |cluster| {
        attacks(cluster, attacker, permissions)
    })
}

/// The attacks by permissions, as far as the role gives them.
///
/// # Errors
/// An attack that no policy is asked about.
fn attacks(
    cluster: &Cluster,
    attacker: &Attacker<'_>,
    permissions: &[Permission],
) -> Result<Vec<Attack>, String> {
    let rules = attacker.rules;
    let mut attacks = Vec::new();
    for permission in permissions {
        for resource in permission.resources {
            let held = HeldVerbs::new(rules, permission, resource);
            if held.verbs.is_empty() {
                continue;
            }
            let kinds = held.kinds();
            if kinds.is_empty() {
                return Err(format!(
                    "may {} {resource}: no policy was asked",
                    held.verbs.join(", ")
                ));
            }

            for kind in kinds {
                let target = Target {
                    cluster,
                    attacker,
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

    Ok(attacks)
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

/// Objects of one kind in one namespace that a subject attacks.
struct Target<'a> {
    cluster: &'a Cluster,
    attacker: &'a Attacker<'a>,
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
        let (user, groups) = as_user(self.attacker.subject);
        AdmissionRequest {
            operation,
            group: self.kind.group.to_owned(),
            version: self.kind.version.to_owned(),
            resource: self.kind.resource.to_owned(),
            subresource: self.subresource().to_owned(),
            namespace: self.attacker.namespace.to_owned(),
            name: name.to_owned(),
            user,
            groups,
            asker: requester(self.attacker.subject),
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
            false => self.attacker.namespace,
        };
        let allowed = |name: &str| {
            let listed = |names: &Vec<Text>| names.iter().any(|listed| listed == name);
            names.as_ref().is_none_or(listed)
                && (!self.kind.is_namespace() || name == self.attacker.namespace)
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
                true => self.attacker.namespace,
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
        let (kind, namespace) = (self.kind, self.attacker.namespace.to_owned());
        let request = self.request("CREATE", "", self.written(&[]), RequestObject::Absent);
        let tried = AdmissionRequest {
            name: "open".to_owned(),
            ..request.clone()
        };
        let attempt = move || {
            let open = open_object(kind, &namespace, "open");
            Attempt {
                description: format!("creates a {} that lets everything through", kind.kind),
                requests: vec![AdmissionRequest {
                    object: RequestObject::Known(open.into()),
                    ..tried
                }],
            }
        };

        Attack {
            description: format!("creates a {}", kind.kind),
            requests: vec![request],
            attempts: Box::new(iter::once_with(attempt)),
        }
    }

    fn updates(&self, name: &str, old: &RequestObject) -> Vec<Attack> {
        let update = |(change, field): (Change, FieldPath)| {
            let kind = self.kind;
            let description = format!("{} {}", change.verb(), self.phrase(name));
            let request = self.request("UPDATE", name, self.written(field), old.clone());

            let (done, tried) = (description.clone(), request.clone());
            let attempt = move || {
                let new = change.apply(kind, tried.old.json()?);
                (Some(&new) != tried.old.json()).then(|| Attempt {
                    description: done,
                    requests: vec![AdmissionRequest {
                        object: RequestObject::Manifest(new.into()),
                        ..tried
                    }],
                })
            };

            Attack {
                description,
                requests: vec![request],
                attempts: Box::new(iter::once_with(attempt).flatten()),
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
            attempts: Box::new(iter::empty()),
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

//! Objects → what they say: read one by one, from whatever tree they come in.

use super::admission_policy::{self, AdmissionPolicy, AdmissionPolicyBinding, KeptObject};
use super::gitops::Gitops;
use super::network::PolicyObject;
use super::object::{InputKind, Origin};
use super::rbac::{self, Binding, Role};
use super::storage::{ReferenceGrant, Volume, VolumeClaim};
use super::workload::{Host, Service, Workload};
use crate::delivery::{EngineMark, MarkEffect, all_marks};
use crate::document::{TreeValue, View};
use crate::kube::labels::{Labels, Selector, items, texts};
use crate::kube::names::NAME_LABEL;
use crate::kube::{ObjectId, kinds};
use crate::netpol::Dialect;
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// A Namespace object.
#[derive(Clone, Debug)]
pub struct NamespaceFact {
    /// What it is.
    pub id: ObjectId,
    /// Its labels, with the one that Kubernetes sets.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Where it comes from.
    pub origin: Origin,
}

/// A ServiceAccount.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// What it is.
    pub id: ObjectId,
    /// Identities of a cloud that it takes: the annotation and its value.
    pub identities: Vec<(Text, Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A store of secrets that lies outside: a SecretStore or a ClusterSecretStore.
#[derive(Clone, Debug)]
pub struct SecretStore {
    /// What it is.
    pub id: ObjectId,
    /// Which namespaces may use it; every one where it does not say.
    pub conditions: Option<Vec<StoreCondition>>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Who may use a store; any of them is enough.
#[derive(Clone, Debug)]
pub enum StoreCondition {
    /// These namespaces.
    Names(Vec<Text>),
    /// Those that are selected.
    Selected(Selector),
    /// Whatever matches: not evaluated.
    Pattern,
}

/// An object that is only known to be there.
#[derive(Clone, Debug)]
pub struct ObjectRef {
    /// What it is.
    pub id: ObjectId,
    /// Tells it from another definition of it; 0 for what is rendered, which has no other.
    pub digest: u64,
    /// Where it comes from.
    pub origin: Origin,
}

/// What serves the API server from within the cluster: a webhook, an aggregated API, a conversion.
#[derive(Clone, Debug)]
pub struct WebhookService {
    /// What it is.
    pub id: ObjectId,
    /// The namespace of the Service that is asked, or of the objects that decide.
    pub namespace: Text,
    /// Where it comes from.
    pub origin: Origin,
}

/// An object that could not be understood, and why.
#[derive(Clone, Debug)]
pub struct Unevaluated {
    /// What it is.
    pub id: ObjectId,
    /// Why.
    pub reason: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What some objects say.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every object.
    pub objects: Vec<ObjectRef>,
    /// Namespaces.
    pub namespaces: Vec<NamespaceFact>,
    /// ServiceAccounts.
    pub accounts: Vec<ServiceAccount>,
    /// Roles and ClusterRoles.
    pub roles: Vec<Role>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<Binding>,
    /// NetworkPolicies.
    pub policies: Vec<PolicyObject>,
    /// Network policies of other kinds: what they let through is not known.
    pub other_policies: Vec<ObjectRef>,
    /// Pods, and what makes them.
    pub workloads: Vec<Workload>,
    /// Services.
    pub services: Vec<Service>,
    /// Hosts that are served.
    pub hosts: Vec<Host>,
    /// What the objects of the engines say that apply manifests.
    pub gitops: Gitops,
    /// Stores of secrets.
    pub stores: Vec<SecretStore>,
    /// Volumes, and the contents of snapshots.
    pub volumes: Vec<Volume>,
    /// Claims of volumes.
    pub claims: Vec<VolumeClaim>,
    /// Who lets whom refer to what is theirs.
    pub grants: Vec<ReferenceGrant>,
    /// Services that the API server asks.
    pub hooks: Vec<WebhookService>,
    /// Admission policies.
    pub guards: Vec<AdmissionPolicy>,
    /// Their bindings.
    pub guard_bindings: Vec<AdmissionPolicyBinding>,
    /// Objects as they are, where policies are asked about them.
    pub kept: Vec<KeptObject>,
    /// Whether objects are kept: where there are admission policies.
    pub keeps: bool,
    /// Whether each object comes once, so that none is told from another definition of it.
    once: bool,
    /// ResourceQuotas that hold every pod of their namespace.
    pub quotas: Vec<ObjectRef>,
    /// Objects of the floor that Flux leaves as they are, and the mark by which it does.
    pub frozen: Vec<Unevaluated>,
    /// What could not be understood.
    pub unevaluated: Vec<Unevaluated>,
    /// Kinds that no plane reads, as `Kind.group`, and how many objects of each there are.
    pub unread: BTreeMap<String, usize>,
}

/// Annotations that give a service account an identity of a cloud.
const IDENTITIES: [&str; 3] = [
    "eks.amazonaws.com/role-arn",
    "iam.gke.io/gcp-service-account",
    "azure.workload.identity/client-id",
];

/// Hands every list of facts to a macro.
macro_rules! every_list {
    ($do:ident) => {
        $do!(
            objects,
            namespaces,
            accounts,
            roles,
            bindings,
            policies,
            other_policies,
            workloads,
            services,
            hosts,
            stores,
            volumes,
            claims,
            grants,
            hooks,
            guards,
            guard_bindings,
            kept,
            quotas,
            unevaluated
        )
    };
}

impl Facts {
    /// No facts yet. `keeps` is whether objects are kept as they are: where there are admission
    /// policies.
    pub fn keeping(keeps: bool) -> Self {
        Self {
            keeps,
            ..Self::default()
        }
    }

    /// The same of a live cluster whose digest nobody asks for: objects are not told from other
    /// definitions of them.
    pub fn live(keeps: bool) -> Self {
        Self {
            once: true,
            ..Self::keeping(keeps)
        }
    }

    /// A digest of every object, in any order.
    pub fn digest(&self) -> Vec<u8> {
        let mut all: Vec<String> = self
            .objects
            .iter()
            .map(|t| format!("{} {:x}\n", t.id, t.digest))
            .collect();
        all.sort();
        all.concat().into_bytes()
    }

    /// Adds an object.
    pub fn add<T: TreeValue>(&mut self, mut id: ObjectId, node: &T, origin: Origin) {
        // As the API server does: what belongs to the cluster has no namespace, whatever its
        // manifest says.
        if kinds::is_cluster_scoped(&id) {
            id.namespace = Text::default();
        }
        let digest = match origin.input {
            InputKind::Rendered | InputKind::Builtin => 0,
            // A cluster holds each object once.
            InputKind::Applied | InputKind::Snapshot if self.once => 0,
            InputKind::Manifest | InputKind::Applied | InputKind::Snapshot => digest(node),
        };

        let thing = ObjectRef {
            id: id.clone(),
            digest,
            origin,
        };

        self.objects.push(thing.clone());
        let metadata = node.member("metadata");

        if kinds::is_floor(&id)
            && let Some((mark, span)) = left_alone(metadata)
        {
            let origin = Origin {
                span: span.unwrap_or(origin.span),
                ..origin
            };
            self.frozen.push(Unevaluated {
                id: id.clone(),
                reason: mark.to_string(),
                origin,
            });
        }

        if let Some(reason) = not_applied(&id, node, origin.input) {
            self.unevaluated.push(Unevaluated { id, reason, origin });
            return;
        }

        self.hooks.extend(hooks(&id, node, origin));
        if self.keeps {
            self.kept.extend(KeptObject::of(&id, node, origin));
        }

        if let Some(dialect) = Dialect::of_kind(&id.group, &id.kind) {
            match dialect.read(node) {
                Ok(spec) => self.policies.push(PolicyObject { id, spec, origin }),
                Err(reason) => self.unevaluated.push(Unevaluated { id, reason, origin }),
            }
            return;
        }

        if self.gitops.read(&id, node, origin) {
            return;
        }

        let mut unevaluated = |reason: String| {
            self.unevaluated.push(Unevaluated {
                id: id.clone(),
                reason,
                origin,
            })
        };

        match (&*id.group, &*id.kind) {
            ("", "Namespace") => {
                let mut labels = Labels::of(metadata.and_then(|m| m.member("labels")));
                labels.set(NAME_LABEL.into(), id.name.clone());
                let annotations = Labels::of(metadata.and_then(|m| m.member("annotations")));
                self.namespaces.push(NamespaceFact {
                    labels,
                    annotations,
                    origin,
                    id,
                });
            }
            ("", "ServiceAccount") => {
                let annotations = metadata.and_then(|m| m.member("annotations"));
                let identity = |key: &&str| {
                    let value = annotations?.member(key)?;
                    Some((Text::from(*key), Text::from(value.text()?), value.span()))
                };
                let identities = IDENTITIES.iter().filter_map(identity).collect();
                self.accounts.push(ServiceAccount {
                    identities,
                    origin,
                    id,
                });
            }
            (rbac::GROUP, "Role" | "ClusterRole") => match Role::of(id.clone(), node, origin) {
                Ok(role) => self.roles.push(role),
                Err(reason) => unevaluated(reason),
            },
            (rbac::GROUP, "RoleBinding" | "ClusterRoleBinding") => {
                match Binding::of(id.clone(), node, origin) {
                    Ok(binding) => self.bindings.push(binding),
                    Err(reason) => unevaluated(reason),
                }
            }
            ("", "Service") => self.services.push(Service::of(id, node, origin)),
            ("", "ResourceQuota") => {
                // One without an amount, or for some pods alone, leaves the rest free.
                let spec = node.member("spec");
                let scoped = spec.is_some_and(|s| {
                    s.member("scopes")
                        .or_else(|| s.member("scopeSelector"))
                        .is_some()
                });
                let amounts = spec.and_then(|s| s.member("hard")).map(TreeValue::view);
                if !scoped && matches!(amounts, Some(View::Map(amounts)) if !amounts.is_empty()) {
                    self.quotas.push(thing);
                }
            }
            ("", "PersistentVolume") | ("snapshot.storage.k8s.io", "VolumeSnapshotContent") => {
                self.volumes.push(Volume::of(id, node, origin));
            }
            ("", "PersistentVolumeClaim") => self.claims.push(VolumeClaim::of(id, node, origin)),
            ("gateway.networking.k8s.io", "ReferenceGrant" | "ReferencePolicy") => {
                self.grants.push(ReferenceGrant::of(id, node, origin))
            }
            ("networking.k8s.io", "Ingress")
            | ("gateway.networking.k8s.io", _)
            | ("networking.istio.io", "VirtualService" | "Gateway" | "ServiceEntry")
            | ("route.openshift.io", "Route") => {
                self.hosts.extend(Host::of(&id, node, origin));
            }
            ("external-secrets.io", "SecretStore" | "ClusterSecretStore") => {
                let conditions = node.member("spec").and_then(|s| s.member("conditions"));
                let conditions = items(conditions);
                // Each field admits by itself.
                let of = |c: &T| -> Vec<StoreCondition> {
                    let mut all = vec![StoreCondition::Names(
                        texts(c.member("namespaces")).map(Text::from).collect(),
                    )];
                    match c.member("namespaceSelector").map(Selector::of) {
                        Some(Ok(selector)) => all.push(StoreCondition::Selected(selector)),
                        Some(Err(_)) => all.push(StoreCondition::Pattern),
                        None => {}
                    }
                    if !items(c.member("namespaceRegexes")).is_empty() {
                        all.push(StoreCondition::Pattern);
                    }
                    all
                };

                let conditions =
                    (!conditions.is_empty()).then(|| conditions.iter().flat_map(of).collect());
                self.stores.push(SecretStore {
                    conditions,
                    origin,
                    id,
                });
            }
            (admission_policy::GROUP, "ValidatingAdmissionPolicy") => {
                match AdmissionPolicy::of(id.clone(), node, origin) {
                    Ok(guard) => self.guards.push(guard),
                    Err(reason) => unevaluated(reason),
                }
            }
            (admission_policy::GROUP, "ValidatingAdmissionPolicyBinding") => {
                match AdmissionPolicyBinding::of(id.clone(), node, origin) {
                    Ok(binding) => self.guard_bindings.push(binding),
                    Err(reason) => unevaluated(reason),
                }
            }
            // Whom they ask is a hook; what they deny is not evaluated.
            (
                admission_policy::GROUP
                | "apiregistration.k8s.io"
                | "apiextensions.k8s.io"
                | "kyverno.io"
                | "policies.kyverno.io",
                _,
            ) => {}
            (group, _) if group.ends_with("gatekeeper.sh") => {}
            _ if is_network_policy(&id) => self.other_policies.push(thing),
            _ => {
                if id.kind == "Deployment" {
                    self.gitops.read_deployment(&id, node, origin);
                }
                if let Some(workload) = Workload::of(id.clone(), node, origin) {
                    self.workloads.push(workload);
                } else if !kinds::is_passive(&id) {
                    *self.unread.entry(id.type_name()).or_default() += 1;
                }
            }
        }
    }

    /// Adds what others say.
    pub fn append(&mut self, mut other: Self) {
        macro_rules! append {
            ($($list:ident),*) => {$( self.$list.append(&mut other.$list); )*};
        }
        every_list!(append);
        // Not among those that may be taken out: what a live object says of itself counts, whatever
        // it is to become.
        self.frozen.append(&mut other.frozen);
        self.gitops.append(other.gitops);
        for (kind, count) in other.unread {
            *self.unread.entry(kind).or_default() += count;
        }
    }

    /// Takes objects out again.
    pub fn remove(&mut self, gone: &BTreeSet<(ObjectId, Origin)>) {
        if gone.is_empty() {
            return;
        }
        let stays = |id: &ObjectId, origin: &Origin| !gone.contains(&(id.clone(), *origin));
        macro_rules! retain {
            ($($list:ident),*) => {$( self.$list.retain(|x| stays(&x.id, &x.origin)); )*};
        }
        every_list!(retain);
        self.gitops.retain(stays);
    }
}

fn is_network_policy(id: &ObjectId) -> bool {
    kinds::governs_network(&id.kind)
        || (id.group == "security.istio.io" && id.kind == "AuthorizationPolicy")
}

/// Why an object is not there as it is written: who applies it decides what becomes of it.
fn not_applied<T: TreeValue>(id: &ObjectId, node: &T, input: InputKind) -> Option<String> {
    // What a cluster holds is there.
    if input.is_live() {
        return None;
    }
    let metadata = node.member("metadata");
    let annotation = |key: &str| metadata?.member("annotations")?.member(key)?.text();

    if [&id.name, &id.namespace]
        .iter()
        .any(|t| t.contains("${") || t.contains("{{"))
    {
        return Some("its name is filled in later".into());
    }

    if id.namespace.is_empty() && kinds::needs_namespace(id) {
        return Some(
            "it has no namespace: an overlay, or who applies it, decides where it goes".into(),
        );
    }

    if kinds::is_unknown_to_kubernetes(id) {
        return Some("Kubernetes has no such kind".into());
    }
    if annotation("config.kubernetes.io/local-config").is_some_and(|v| v != "false") {
        return Some(
            "it is local configuration (config.kubernetes.io/local-config), and kustomize leaves it out".into(),
        );
    }

    if let Some((mark, _)) =
        left_alone(metadata).filter(|(mark, _)| mark.effect == MarkEffect::NotApplied)
    {
        return Some(format!("Flux does not apply it ({mark})"));
    }

    let version = node
        .member("apiVersion")
        .and_then(TreeValue::text)
        .unwrap_or_default();

    (!kinds::may_be_served(id, version))
        .then(|| format!("no API server serves {version} any more, or yet"))
}

/// The mark by which an engine leaves an object as it is, and where it stands. It may be an
/// annotation or a label, in any case.
fn left_alone<T: TreeValue>(metadata: Option<&T>) -> Option<(&'static EngineMark, Option<Span>)> {
    let mut marks = all_marks()
        .filter(|mark| mark.effect.freezes())
        .flat_map(|mark| ["annotations", "labels"].map(|at| (mark, at)));
    marks.find_map(|(mark, at)| {
        let node = metadata?.member(at)?.member(mark.key)?;
        node.text()?
            .eq_ignore_ascii_case(mark.value)
            .then(|| (mark, node.span()))
    })
}

/// A digest of what an object says.
pub(super) fn digest<T: TreeValue>(node: &T) -> u64 {
    let mut bytes = Vec::with_capacity(1024);
    write_canonical(node, &mut bytes);
    let hash = blake3::hash(&bytes);
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default()).max(1)
}

/// Writes a value so that two are the same bytes where they are the same value, whatever the order
/// of their keys.
fn write_canonical<T: TreeValue>(node: &T, out: &mut Vec<u8>) {
    fn text(out: &mut Vec<u8>, kind: u8, text: &str) {
        out.push(kind);
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }

    fn list(out: &mut Vec<u8>, kind: u8, length: usize) {
        out.push(kind);
        out.extend((length as u64).to_le_bytes());
    }

    match node.view() {
        View::Null => out.push(b'n'),
        View::Bool(b) => out.extend([b'b', u8::from(b)]),
        View::Number(n) => text(out, b'i', &n.to_string()),
        View::String(s) => text(out, b's', s),
        View::Seq(items) => {
            list(out, b'l', items.len());
            items.iter().for_each(|item| write_canonical(item, out));
        }
        View::Map(entries) => {
            list(out, b'm', entries.len());
            let mut entries: Vec<(&str, &T)> = entries.iter().map(T::split).collect();
            entries.sort_by_key(|(key, _)| *key);
            for (key, value) in entries {
                text(out, b'k', key);
                write_canonical(value, out);
            }
        }
    }
}

/// The Services within the cluster that the API server asks because of an object.
fn hooks<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<WebhookService> {
    let spec = node.member("spec");
    let service = |client: Option<&T>| -> Option<Text> {
        Some(
            client?
                .member("service")?
                .member("namespace")?
                .text()?
                .into(),
        )
    };

    let found: Vec<Text> = match (&*id.group, &*id.kind) {
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => items(node.member("webhooks"))
            .iter()
            .filter_map(|w| service(w.member("clientConfig")))
            .collect(),
        (
            "admissionregistration.k8s.io",
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding",
        ) => {
            let param = spec
                .and_then(|s| s.member("paramRef"))
                .and_then(|p| p.member("namespace"));
            param
                .and_then(TreeValue::text)
                .map(Text::from)
                .into_iter()
                .collect()
        }
        ("apiregistration.k8s.io", "APIService") => service(spec).into_iter().collect(),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let webhook = spec
                .and_then(|s| s.member("conversion"))
                .and_then(|c| c.member("webhook"));
            service(webhook.and_then(|w| w.member("clientConfig")))
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    };

    found
        .into_iter()
        .map(|namespace| WebhookService {
            id: id.clone(),
            namespace,
            origin,
        })
        .collect()
}

/// Whether a document is a Kustomize overlay or component, and no object.
pub fn is_overlay<T: TreeValue>(node: &T) -> bool {
    let version = node
        .member("apiVersion")
        .and_then(TreeValue::text)
        .unwrap_or_default();
    version.starts_with("kustomize.config.k8s.io/")
}

/// The files that a Kustomize overlay names as patches: no objects of their own.
pub fn patches<T: TreeValue>(node: &T) -> Vec<&str> {
    let mut all = Vec::new();
    for key in [
        "patches",
        "patchesStrategicMerge",
        "patchesJson6902",
        "components",
        "configurations",
    ] {
        let list = node.member(key);
        all.extend(texts(list));
        all.extend(
            items(list)
                .iter()
                .filter_map(|item| item.member("path")?.text()),
        );
    }

    all
}

/// The objects of a list as kubectl writes it; `None` for what is no list.
pub fn listed<T: TreeValue>(node: &T) -> Option<&[T]> {
    let kind = node.member("kind").and_then(TreeValue::text)?;
    let View::Seq(items) = node.member("items")?.view() else {
        return None;
    };
    kind.ends_with("List").then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds::Proof;
    use crate::source::SourceId;
    use crate::value::{Value, map};

    #[test]
    fn the_table_of_kinds_says_what_is_read() {
        // A spec in which each kind that makes pods finds its template.
        let template = map! { "spec" => map! {} };
        let job = map! { "spec" => map! { "template" => template.clone() } };
        let spec = map! { "template" => template, "jobTemplate" => job };

        for (group, kind) in kinds::all() {
            let object: Value = map! {
                "apiVersion" => group.api_version(kind),
                "kind" => kind.name,
                "metadata" => map! { "name" => "x", "namespace" => "red" },
                "spec" => spec.clone(),
            };

            let id = ObjectId::of(&object).unwrap();
            let name = id.type_name();
            let origin = Origin {
                input: InputKind::Snapshot,
                span: Span::file(SourceId(0)),
            };

            let mut facts = Facts::keeping(false);
            facts.add(id, &object, origin);

            let counted = facts.unread.contains_key(&name);
            assert_eq!(counted, kind.proof == Proof::Unread, "{name}");
        }
    }
}

//! Objects that differ and whose access is not compared: each is known to give nobody anything, or
//! its effect is named, or it cannot be told.

use super::{BesideAccess, Comparison, Effect, Party, Topic};
use crate::document::quoting::{self, NOT_SHOWN};
use crate::graph::Cluster;
use crate::kube::names::{
    AUDIT_LABEL, AUDIT_VERSION_LABEL, ENFORCE_LABEL, WARN_LABEL, WARN_VERSION_LABEL,
};
use crate::kube::{ObjectId, RBAC, kinds};
use crate::netpol::Dialect;
use crate::tenancy::controller_reads;
use crate::value::Value as Tree;
use serde_json::Value;
use std::collections::BTreeSet;

/// An object that differs between two states.
#[derive(Clone, Debug)]
pub struct ChangedObject<'a> {
    /// What it is.
    pub id: &'a ObjectId,
    /// The object before; `None` if it is new.
    pub before: Option<&'a Value>,
    /// The object after; `None` if it is gone.
    pub after: Option<&'a Value>,
    /// The paths of the fields that differ; empty for an object that is new or gone.
    pub fields: Vec<&'a str>,
}

/// Most fields that a line names.
const MAX_FIELDS: usize = 3;

/// Annotations by which Flux leaves an object as it is, or replaces it.
const FLUX_MARKS: [&str; 3] = [
    "kustomize.toolkit.fluxcd.io/reconcile",
    "kustomize.toolkit.fluxcd.io/ssa",
    "kustomize.toolkit.fluxcd.io/force",
];

/// Prefixes of the metadata that tenantry and Flux set themselves.
const OWN_METADATA: [&str; 2] = ["tenantry.dev/", "kustomize.toolkit.fluxcd.io/"];

/// Fields of the objects of Flux that decide when, and not what, by whom or where to.
const TIMING: [&str; 8] = [
    "spec.interval",
    "spec.retryInterval",
    "spec.timeout",
    "spec.wait",
    "spec.prune",
    "spec.force",
    "spec.healthChecks",
    "spec.healthCheckExprs",
];

/// Parts of paths of a workload's fields that decide more than which program runs.
const POWERS: [&str; 9] = [
    "serviceAccount",
    "host",
    "securityContext",
    "volumes",
    "volumeClaimTemplates",
    "runtimeClassName",
    "priorityClassName",
    "schedulerName",
    "automountServiceAccountToken",
];

/// ConfigMaps that grant access by their name.
const GRANTING_CONFIG_MAPS: [&str; 5] = [
    "aws-auth",
    "argocd-cm",
    "argocd-rbac-cm",
    "argocd-cmd-params-cm",
    "extension-apiserver-authentication",
];

/// The changes beside access of objects that differ, each with its owner.
pub fn compare(
    states: Comparison<'_>,
    changed: &[ChangedObject<'_>],
) -> Vec<(Party, BesideAccess)> {
    let unevaluated = unevaluated(states);
    let selected = selected_keys(states, changed);
    let judge = Judge {
        states,
        unevaluated: &unevaluated,
        selected: &selected,
    };

    let mut found = Vec::new();
    for object in changed {
        let party = states.party_of(match is_namespace(object.id) {
            true => &object.id.name,
            false => &object.id.namespace,
        });
        let changes = judge.changes(object, &party);
        found.extend(changes.into_iter().map(|change| (party.clone(), change)));
    }
    found
}

/// The objects that one of both graphs does not understand.
fn unevaluated<'a>(states: Comparison<'a>) -> BTreeSet<&'a ObjectId> {
    let of = |cluster: Option<&'a Cluster>| cluster.map(|cluster| &cluster.facts.unevaluated);
    let both = [of(states.before.cluster), of(states.after.cluster)];
    let all = both.into_iter().flatten().flatten();
    all.map(|object| &object.id).collect()
}

/// The keys of labels that an object of either state selects by, but for network policies, whose
/// selectors are evaluated. Empty if no Namespace changed.
fn selected_keys(states: Comparison<'_>, changed: &[ChangedObject<'_>]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    if !changed.iter().any(|object| is_namespace(object.id)) {
        return keys;
    }
    let both = [states.before.objects, states.after.objects];
    let objects = both.into_iter().flatten();
    for (_, object) in objects.filter(|(id, _)| Dialect::of(id).is_none()) {
        collect_selected(object, &mut keys);
    }
    keys
}

fn collect_selected(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("matchLabels", Value::Object(labels)) => keys.extend(labels.keys().cloned()),
                    ("matchExpressions", Value::Array(list)) => {
                        let key = |item: &Value| Some(item.get("key")?.as_str()?.to_owned());
                        keys.extend(list.iter().filter_map(key));
                    }
                    _ => collect_selected(value, keys),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect_selected(value, keys)),
        _ => {}
    }
}

fn is_namespace(id: &ObjectId) -> bool {
    id.group.is_empty() && id.kind == "Namespace"
}

/// What is known of the effect of an object of a kind.
enum Effects {
    /// Its access is compared, or it gives nobody anything.
    None,
    /// Only these of its fields decide, or all of its content if it is new.
    Fields(fn(&str) -> bool),
    /// All of it decides.
    All,
}

/// Judges objects that differ.
struct Judge<'a> {
    states: Comparison<'a>,
    unevaluated: &'a BTreeSet<&'a ObjectId>,
    selected: &'a BTreeSet<String>,
}

impl Judge<'_> {
    /// The changes of an object that count.
    fn changes(&self, object: &ChangedObject<'_>, party: &Party) -> Vec<BesideAccess> {
        let topic = topic(object.id);
        let mut changes = self.metadata(object);

        let is_untold = match self.effects(object, party) {
            _ if self.unevaluated.contains(object.id) => true,
            Effects::None => false,
            Effects::All => has_content(object, |_| true),
            Effects::Fields(decides) => has_content(object, decides),
        };
        if is_untold {
            changes.push(BesideAccess {
                topic,
                effect: self.effect(object, party),
                text: says(object),
            });
        }
        changes.extend(token(object));
        changes
    }

    /// What is known of the effect of an object's content.
    fn effects(&self, object: &ChangedObject<'_>, party: &Party) -> Effects {
        let id = object.id;
        let is_tenants = matches!(party, Party::Tenant(_));
        let name = id.name.as_str();

        match (id.group.as_str(), id.kind.as_str()) {
            (RBAC, _) => Effects::None,
            ("", "ResourceQuota" | "LimitRange") => Effects::None,
            _ if Dialect::of(id).is_some() => match self.is_out_of_sight(object, party) {
                true => Effects::All,
                false => Effects::None,
            },
            // The access of one that is new or gone is compared.
            ("", "Namespace") if object.before.is_none() || object.after.is_none() => Effects::None,
            ("", "Namespace") => Effects::Fields(|path| path.starts_with("spec")),
            ("", "ConfigMap") if !GRANTING_CONFIG_MAPS.contains(&name) => Effects::None,
            ("", "Event") | ("coordination.k8s.io", "Lease") => Effects::None,
            ("autoscaling", "HorizontalPodAutoscaler") => Effects::None,
            ("policy", "PodDisruptionBudget") => Effects::None,
            ("", "ServiceAccount") => match has_secrets(object) {
                true => Effects::All,
                false => Effects::None,
            },
            ("", "Service") if is_plain_service(object) => Effects::None,
            (group, _) if group.ends_with(".toolkit.fluxcd.io") => {
                Effects::Fields(|path| !TIMING.iter().any(|field| is_below(path, field)))
            }
            ("" | "apps" | "batch", _)
                if is_tenants
                    && topic(id) == Topic::Workload
                    && id.kind != "Service"
                    && object.before.is_none()
                    && object.after.is_some_and(is_plain_workload) =>
            {
                Effects::None
            }
            ("" | "apps" | "batch", _) if is_tenants && topic(id) == Topic::Workload => {
                Effects::Fields(|path| {
                    let mut parts = path.split(['.', '[']);
                    parts.any(|part| POWERS.iter().any(|power| part.starts_with(power)))
                })
            }
            _ => Effects::All,
        }
    }

    /// Whether a policy is all that names a namespace of the platform, so that only one state has
    /// the namespace.
    fn is_out_of_sight(&self, object: &ChangedObject<'_>, party: &Party) -> bool {
        *party == Party::Platform && !self.states.keeps_namespace(&object.id.namespace)
    }

    /// The effect of a change whose content decides.
    fn effect(&self, object: &ChangedObject<'_>, party: &Party) -> Effect {
        let is_new = object.before.is_none();
        let is_gone = object.after.is_none();
        let is_tenants = matches!(party, Party::Tenant(_));

        match topic(object.id) {
            _ if self.unevaluated.contains(object.id) => Effect::Untold,
            // The first policy of a namespace only closes.
            _ if Dialect::of(object.id).is_some() && is_new => Effect::Lost,
            _ if is_new && self.only_narrows(object.id) => Effect::Lost,
            Topic::Admission if only_denies(object.id) && is_new => Effect::Lost,
            Topic::Admission if only_denies(object.id) && is_gone => Effect::Gained,
            Topic::Sync | Topic::Host | Topic::Identity | Topic::Workload
                if is_gone && is_tenants =>
            {
                Effect::Lost
            }
            _ => Effect::Untold,
        }
    }

    /// Whether an object is a network policy of another kind that only takes connections away.
    fn only_narrows(&self, id: &ObjectId) -> bool {
        let policies = self
            .states
            .after
            .cluster
            .map(|cluster| &cluster.facts.narrowing_policies);
        policies
            .into_iter()
            .flatten()
            .any(|policy| policy.id == *id)
    }

    /// The labels and annotations that differ and decide something.
    fn metadata(&self, object: &ChangedObject<'_>) -> Vec<BesideAccess> {
        let (Some(before), Some(after)) = (object.before, object.after) else {
            return self.new_metadata(object);
        };

        let mut changes = Vec::new();
        for field in ["labels", "annotations"] {
            let (old, new) = (metadata(before, field), metadata(after, field));
            for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                if old.get(key) == new.get(key) || !self.decides(object.id, field, key) {
                    continue;
                }
                let called = object.id.called();
                let change = metadata_change(field, key, [before, after]);
                changes.push(untold(object.id, format!("{called}: {change}")));
            }
        }
        changes
    }

    /// The same of a new object whose content alone gives nobody anything.
    fn new_metadata(&self, object: &ChangedObject<'_>) -> Vec<BesideAccess> {
        let Some(after) = object.after.filter(|_| !is_namespace(object.id)) else {
            return Vec::new();
        };

        let mut changes = Vec::new();
        for field in ["labels", "annotations"] {
            for (key, value) in metadata(after, field) {
                if self.decides(object.id, field, &key) {
                    let called = object.id.called();
                    let text = format!("{called} is added, with metadata.{field}.{key} {value}");
                    changes.push(untold(object.id, text));
                }
            }
        }
        changes
    }

    /// Whether a label or an annotation of an object can give somebody something.
    fn decides(&self, id: &ObjectId, field: &str, key: &str) -> bool {
        if FLUX_MARKS.contains(&key) {
            return true;
        }
        if OWN_METADATA.iter().any(|prefix| key.starts_with(prefix)) {
            return false;
        }

        match (id.group.as_str(), id.kind.as_str()) {
            // The levels of audit and warnings stop nothing; the enforced one is compared.
            ("", "Namespace") => {
                let harmless = [
                    ENFORCE_LABEL,
                    AUDIT_LABEL,
                    AUDIT_VERSION_LABEL,
                    WARN_LABEL,
                    WARN_VERSION_LABEL,
                ];
                !harmless.contains(&key) && (controller_reads(key) || self.selected.contains(key))
            }
            ("", "ServiceAccount") => field == "annotations" && key.contains('/'),
            ("", "ConfigMap" | "ResourceQuota" | "LimitRange") => false,
            (RBAC, _) => false,
            _ if Dialect::of(id).is_some() => false,
            _ => controller_reads(key),
        }
    }
}

/// A line that cannot be told.
fn untold(id: &ObjectId, text: String) -> BesideAccess {
    BesideAccess {
        topic: match id.kind.as_str() {
            "ServiceAccount" => Topic::Identity,
            _ => topic(id),
        },
        effect: Effect::Untold,
        text,
    }
}

/// The labels or annotations of an object.
fn metadata(object: &Value, field: &str) -> serde_json::Map<String, Value> {
    let found = object
        .get("metadata")
        .and_then(|metadata| metadata.get(field));
    found
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// How a label or an annotation changes, in a phrase.
fn metadata_change(field: &str, key: &str, states: [&Value; 2]) -> String {
    let shown = states.map(|state| {
        let shown = quoting::quotable(&Tree::from(state), true);
        shown.pointer("/metadata")?.get(field).cloned()
    });
    if shown.iter().flatten().any(|field| field == NOT_SHOWN) {
        return format!("metadata.{field} {NOT_SHOWN}");
    }
    let [old, new] = shown.map(|shown| match shown.as_ref().and_then(|all| all.get(key)) {
        Some(value) if value == NOT_SHOWN => NOT_SHOWN.to_owned(),
        Some(value) => value.to_string(),
        None => "(nothing)".to_owned(),
    });
    format!("metadata.{field}.{key} {old} -> {new}")
}

/// The subject of a kind of object.
fn topic(id: &ObjectId) -> Topic {
    match (id.group.as_str(), id.kind.as_str()) {
        (group, _) if group.ends_with(".toolkit.fluxcd.io") || group == "argoproj.io" => {
            Topic::Sync
        }
        ("fluxcd.controlplane.io", _) => Topic::Sync,
        ("admissionregistration.k8s.io" | "kyverno.io" | "policies.kyverno.io", _) => {
            Topic::Admission
        }
        (group, _) if group.ends_with(".gatekeeper.sh") => Topic::Admission,
        _ if Dialect::of(id).is_some() => Topic::Object,
        ("networking.k8s.io" | "gateway.networking.k8s.io" | "route.openshift.io", _) => {
            Topic::Host
        }
        (group, _) if group.ends_with(".istio.io") || group.starts_with("traefik.") => Topic::Host,
        ("external-secrets.io", _) | ("", "ServiceAccount" | "Secret") => Topic::Identity,
        ("apps" | "batch", _) => Topic::Workload,
        ("", "Pod" | "ReplicationController" | "Service") => Topic::Workload,
        _ => Topic::Object,
    }
}

/// Whether an object of a kind can only deny requests.
fn only_denies(id: &ObjectId) -> bool {
    let kinds = [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    kinds.contains(&id.kind.as_str())
}

/// Whether an object is new or gone, or one of its fields that differ decides. Labels and
/// annotations are judged one by one.
fn has_content(object: &ChangedObject<'_>, decides: impl Fn(&str) -> bool) -> bool {
    let is_metadata =
        |path: &str| is_below(path, "metadata.labels") || is_below(path, "metadata.annotations");
    object.before.is_none()
        || object.after.is_none()
        || object
            .fields
            .iter()
            .any(|path| !is_metadata(path) && decides(path))
}

/// Whether a path is a field, or leads through it.
fn is_below(path: &str, field: &str) -> bool {
    path.strip_prefix(field)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a ServiceAccount lists secrets.
fn has_secrets(object: &ChangedObject<'_>) -> bool {
    let list = |state: Option<&Value>, key: &str| state.and_then(|object| object.get(key)).cloned();
    ["secrets", "imagePullSecrets"]
        .iter()
        .any(|key| list(object.before, key) != list(object.after, key))
}

/// Whether a Service only gives pods of its namespace a name, before and after.
fn is_plain_service(object: &ChangedObject<'_>) -> bool {
    let is_plain = |service: &&Value| {
        let field = |key: &str| service.get("spec").and_then(|spec| spec.get(key));
        let kind = field("type").and_then(Value::as_str);
        kind.is_none_or(|kind| kind == "ClusterIP")
            && field("externalIPs").is_none()
            && field("selector").is_some()
    };
    [object.before, object.after].iter().flatten().all(is_plain)
}

/// Whether a workload asks for nothing but to run: no account, nothing of its node, and no volumes but
/// those of its namespace.
fn is_plain_workload(workload: &Value) -> bool {
    const CONTEXT: [&str; 9] = [
        "allowPrivilegeEscalation",
        "capabilities",
        "fsGroup",
        "readOnlyRootFilesystem",
        "runAsGroup",
        "runAsNonRoot",
        "runAsUser",
        "seccompProfile",
        "supplementalGroups",
    ];
    const VOLUMES: [&str; 5] = ["configMap", "downwardAPI", "emptyDir", "name", "secret"];

    let holds_only = |map: &Value, keys: &[&str]| {
        let map = map.as_object();
        map.is_some_and(|map| map.keys().all(|key| keys.contains(&key.as_str())))
    };
    let is_plain = |key: &str, value: &Value| match key {
        "securityContext" => {
            let escalates = value.get("allowPrivilegeEscalation") == Some(&true.into());
            let adds = value.pointer("/capabilities/add").is_some();
            holds_only(value, &CONTEXT) && !escalates && !adds
        }
        "volumes" => {
            let volumes = value.as_array();
            volumes.is_some_and(|all| all.iter().all(|volume| holds_only(volume, &VOLUMES)))
        }
        "automountServiceAccountToken" => value == &Value::Bool(false),
        key => !POWERS.iter().any(|power| key.starts_with(power)),
    };
    workload
        .get("spec")
        .is_some_and(|spec| all_fields(spec, &is_plain))
}

/// Whether a condition holds for every field below a value.
fn all_fields(value: &Value, holds: &impl Fn(&str, &Value) -> bool) -> bool {
    match value {
        Value::Object(map) => map
            .iter()
            .all(|(key, value)| holds(key, value) && all_fields(value, holds)),
        Value::Array(list) => list.iter().all(|value| all_fields(value, holds)),
        _ => true,
    }
}

/// The change of whether pods of an account get a token.
fn token(object: &ChangedObject<'_>) -> Option<BesideAccess> {
    if (object.id.group.as_str(), object.id.kind.as_str()) != ("", "ServiceAccount") {
        return None;
    }
    let mounts =
        |account: &Value| account.get("automountServiceAccountToken") != Some(&false.into());
    let (before, after) = (mounts(object.before?), mounts(object.after?));
    let (effect, verb) = match (before, after) {
        (false, true) => (Effect::Gained, "get"),
        (true, false) => (Effect::Lost, "no longer get"),
        _ => return None,
    };

    let called = object.id.called();
    Some(BesideAccess {
        topic: Topic::Identity,
        effect,
        text: format!("pods that run as {called} {verb} its token"),
    })
}

/// What became of an object, in a phrase.
fn says(object: &ChangedObject<'_>) -> String {
    let called = object.id.called();
    let (before, after) = match (object.before, object.after) {
        (None, _) => return format!("{called} is added"),
        (_, None) => return format!("{called} is removed"),
        (Some(before), Some(after)) => (before, after),
    };

    let is_known = kinds::find(&object.id.group, &object.id.kind).is_some();
    let quotable = |object: &Value| quoting::quotable(&Tree::from(object), is_known);
    let (old_shown, new_shown) = (quotable(before), quotable(after));
    let shown = |value: Option<&Value>| match value {
        Some(value) if is_short(value) => value.to_string(),
        Some(_) => "(…)".to_owned(),
        None => "(nothing)".to_owned(),
    };

    let fields = object.fields.iter().take(MAX_FIELDS).map(|path| {
        let is_hidden = |object, shown| at(object, path).is_some() && at(shown, path).is_none();
        if is_hidden(before, &old_shown) || is_hidden(after, &new_shown) {
            let top = path.split(['.', '[']).next().unwrap_or_default();
            return format!("{top} {NOT_SHOWN}");
        }
        let (old, new) = (at(&old_shown, path), at(&new_shown, path));
        if [old, new].iter().flatten().any(|value| *value == NOT_SHOWN) {
            return format!("{path} changed {NOT_SHOWN}");
        }
        format!("{path} {} -> {}", shown(old), shown(new))
    });
    let mut fields: Vec<String> = fields.collect();
    fields.dedup();
    let more = match object.fields.len().saturating_sub(MAX_FIELDS) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{called}: {}{more}", fields.join(", "))
}

/// Whether a value fits into a line.
fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(_) | Value::Array(_) => false,
        Value::String(text) => text.len() <= 80 && !text.contains('\n'),
        _ => true,
    }
}

/// The value of a field, by a path as `spec.ref.branch` or `spec.list[0].name`.
fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let parts = path.split(['.', '[']).filter(|part| !part.is_empty());
    parts.into_iter().try_fold(object, |value, part| {
        match part
            .strip_suffix(']')
            .and_then(|index| index.parse::<usize>().ok())
        {
            Some(index) => value.get(index),
            None => value.get(part),
        }
    })
}

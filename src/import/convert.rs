//! One namespace: which fields say what was found, and what is passed through.

use super::{FoundObject, Left, SurveyedNamespace, may_carry};
use crate::bundle::{reaches_out, read_otherwise, through_controller};
use crate::diagnostic::Rule;
use crate::kube::Quantity;
use crate::kube::RBAC;
use crate::kube::kinds;
use crate::kube::names::POD_SECURITY;
use crate::spec::leaf;
use crate::tenancy::{self, FLOOR_EXTERNAL, MANIFEST_FLOOR, MetadataField, THROUGH_CONTROLLER};
use crate::value::Value as Made;
use serde_json::{Map, Value, json};

/// An object that breaks a rule, and needs a waiver.
#[derive(Debug)]
pub struct WaivedObject {
    /// The rule.
    pub rule: &'static Rule,
    /// The object, as `Kind/namespace/name`.
    pub object: String,
}

/// A namespace as a tenant's spec says it.
#[derive(Debug, Default)]
pub struct Converted {
    /// The entry of `namespaces`.
    pub namespace: Map<String, Value>,
    /// Subjects, each with its binding.
    pub owners: Vec<Value>,
    /// Subjects, each with its binding.
    pub members: Vec<Value>,
    /// Whether a binding names a service account.
    pub binds_accounts: bool,
    /// Users and groups that are bound here, as `group/NAME`.
    pub principals: Vec<String>,
    /// Objects of kinds that the floor is made of, passed through.
    pub floor: Vec<FoundObject>,
    /// Other objects, passed through.
    pub others: Vec<FoundObject>,
    /// The objects that need a waiver.
    pub waived: Vec<WaivedObject>,
    /// The objects and parts that are not carried over.
    pub left: Vec<Left>,
    /// Keys of labels.
    pub label_keys: Vec<String>,
    /// Keys of annotations.
    pub annotation_keys: Vec<String>,
    /// Objects that a field of the spec says.
    pub carried: usize,
}

impl Converted {
    fn waive(&mut self, rule: &'static Rule, object: String) {
        self.waived.push(WaivedObject { rule, object });
    }

    fn leave(&mut self, found: &FoundObject, what: String, reason: &str) {
        self.left.push(Left {
            place: found.place.clone(),
            what,
            reason: reason.to_owned(),
        });
    }

    fn pass(&mut self, found: &FoundObject) {
        if let Some(refused) = read_otherwise(&found.raw, &found.value) {
            self.leave(found, found.id.to_string(), refused.reason);
            return;
        }

        let home = found.id.namespace.clone();
        if let Some(reason) = reaches_out(&found.id, &found.value, &|name: &str| name == home) {
            self.leave(found, found.id.to_string(), &reason);
            return;
        }

        let unlisted = found.id.group.is_empty() || found.id.group.ends_with("k8s.io");
        if unlisted && !kinds::tenants_may_have(&found.id) && !kinds::is_floor(&found.id) {
            self.leave(
                found,
                found.id.to_string(),
                "its kind is none that tenants may have",
            );
            return;
        }

        let object = format!("{}/{}/{}", found.id.kind, found.id.namespace, found.id.name);
        let role = found.value["roleRef"]["name"].as_str().unwrap_or_default();
        let is_cluster_role = found.value["roleRef"]["kind"] == "ClusterRole";
        if found.id.kind == "RoleBinding"
            && is_cluster_role
            && let Some(loosening) = tenancy::loosening(role, &[])
        {
            self.waive(loosening.rule, object.clone());
        }

        let is_own = |name: &str| name == found.id.namespace.as_str();
        if through_controller(&found.id, &Made::from(&found.value), &is_own).is_some() {
            self.waive(&THROUGH_CONTROLLER, object.clone());
        }

        if kinds::is_floor(&found.id) {
            self.waive(&MANIFEST_FLOOR, object);
            self.floor.push(found.clone());
        } else {
            self.others.push(found.clone());
        }
    }
}

/// Converts a namespace. With `narrow`, subjects are bound in this namespace only: the tenant has
/// others.
pub fn convert(found: &SurveyedNamespace, narrow: bool) -> Converted {
    let mut out = Converted {
        carried: 1,
        ..Converted::default()
    };

    let name = &found.object.id.name;
    out.namespace.insert("name".into(), json!(name));
    out.namespace.insert("adopt".into(), json!(true));
    metadata(&found.object, &mut out);
    pod_security(&found.object, name, &mut out);

    let limits = limits(&core_objects(found, "LimitRange"));
    let quota = quota(
        &core_objects(found, "ResourceQuota"),
        limits.as_ref().map(|limits| &limits.settings),
    );
    floor(name, quota.as_ref(), limits.as_ref(), &mut out);

    let carried = [quota, limits].map(|part| part.map(|part| &part.object.id));
    for object in &found.objects {
        if carried.contains(&Some(&object.id)) {
            continue;
        }
        let is_binding = object.id.kind == "RoleBinding" && object.id.group == RBAC;
        if is_binding && binding(object, name, narrow, &mut out) {
            out.carried += 1;
        } else {
            out.pass(object);
        }
    }

    owners_of_last_resort(found, &mut out);
    out.binds_accounts = found.objects.iter().any(binds_account);
    out
}

/// Whether an object is a RoleBinding that names a service account.
fn binds_account(object: &FoundObject) -> bool {
    let subjects = object.value.get("subjects").and_then(Value::as_array);
    object.id.kind == "RoleBinding"
        && subjects
            .into_iter()
            .flatten()
            .any(|subject| subject["kind"] == "ServiceAccount")
}

/// The objects of a kind of the core group.
fn core_objects<'a>(found: &'a SurveyedNamespace, kind: &str) -> Vec<&'a FoundObject> {
    let objects = found.objects.iter();
    objects
        .filter(|object| object.id.kind == kind && object.id.group.is_empty())
        .collect()
}

/// Adds the fields of the quota and the limits, and a waiver for each part of the floor that was
/// not found.
fn floor(
    namespace: &str,
    quota: Option<&CarriedObject<'_>>,
    limits: Option<&CarriedObject<'_>>,
    out: &mut Converted,
) {
    let (mut names, mut floor) = (Map::new(), Map::new());
    for (field, kind, carried) in [
        ("quota", "ResourceQuota", quota),
        ("limits", "LimitRange", limits),
    ] {
        match carried {
            Some(carried) => {
                out.namespace.insert(field.into(), carried.settings.clone());
                if carried.object.id.name != field {
                    names.insert(field.into(), json!(carried.object.id.name));
                }
                out.carried += 1;
            }
            None => {
                floor.insert(field.into(), json!("external"));
                out.waive(&FLOOR_EXTERNAL, format!("{kind}/{namespace}/{field}"));
            }
        }
    }

    out.waive(
        &FLOOR_EXTERNAL,
        format!("ServiceAccount/{namespace}/default"),
    );
    out.waive(
        &FLOOR_EXTERNAL,
        format!("NetworkPolicy/{namespace}/default-deny"),
    );

    for (field, settings) in [("names", names), ("floor", floor)] {
        if !settings.is_empty() {
            out.namespace.insert(field.into(), Value::Object(settings));
        }
    }
}

fn metadata(found: &FoundObject, out: &mut Converted) {
    for (field, kind) in [
        ("labels", MetadataField::Label),
        ("annotations", MetadataField::Annotation),
    ] {
        let Some(map) = found
            .value
            .pointer(&format!("/metadata/{field}"))
            .and_then(Value::as_object)
        else {
            continue;
        };
        let mut kept = Map::new();
        for (key, value) in map {
            if key.starts_with(POD_SECURITY) {
                continue;
            }
            match may_carry(kind, key, value) {
                Ok(text) => {
                    let keys = if kind == MetadataField::Label {
                        &mut out.label_keys
                    } else {
                        &mut out.annotation_keys
                    };
                    keys.push(key.clone());
                    kept.insert(key.clone(), json!(text));
                }
                Err(reason) => {
                    let what = format!("{} {field}.{key}", found.id);
                    out.leave(found, what, reason);
                }
            }
        }
        if !kept.is_empty() {
            out.namespace.insert(field.into(), Value::Object(kept));
        }
    }

    let extra = found.value.as_object().into_iter().flat_map(Map::keys);
    let extra: Vec<String> = extra
        .filter(|key| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"))
        .map(|key| format!("{} {key}", found.id))
        .collect();

    for what in extra {
        out.leave(found, what, "a field of the Namespace that no tenant sets");
    }
}

fn pod_security(found: &FoundObject, name: &str, out: &mut Converted) {
    let label = |key: &str| {
        found
            .value
            .pointer(&format!(
                "/metadata/labels/pod-security.kubernetes.io~1{key}"
            ))
            .and_then(Value::as_str)
    };

    let level = label("enforce");
    let mut security = Map::new();
    let mut modes = Vec::new();

    for mode in ["enforce", "audit", "warn"] {
        match (label(mode), level) {
            (Some(own), Some(level)) if own == level => modes.push(mode),
            (Some(own), _) => {
                let what = format!("{} {POD_SECURITY}{mode}: {own}", found.id);
                out.leave(
                    found,
                    what,
                    "it differs from what is enforced, and a tenant has one level",
                );
            }
            (None, _) => {}
        }
    }

    let known = level.filter(|level| matches!(*level, "restricted" | "baseline" | "privileged"));
    if let Some(level) = known {
        security.insert("level".into(), json!(level));
        if let Some(version) = label("enforce-version") {
            security.insert("version".into(), json!(version));
        }
        if modes != ["enforce"] {
            security.insert("modes".into(), json!(modes));
        }
        out.namespace
            .insert("podSecurity".into(), Value::Object(security));
    }

    if known != Some("restricted") {
        out.waive(&tenancy::POD_SECURITY, format!("Namespace/{name}"));
    }
}

/// Whether an object's metadata says nothing but its name.
fn plain_metadata(found: &FoundObject) -> bool {
    let metadata = found.value.get("metadata").and_then(Value::as_object);
    metadata.is_some_and(|metadata| {
        metadata.iter().all(|(key, value)| {
            matches!(key.as_str(), "name" | "namespace")
                || value.as_object().is_some_and(Map::is_empty)
                || value.is_null()
        })
    })
}

fn amounts(value: &Value) -> Option<Map<String, Value>> {
    let mut out = Map::new();
    for (key, amount) in value.as_object()? {
        let text = match amount {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            _ => return None,
        };
        Quantity::parse(&text).ok()?;
        out.insert(key.clone(), json!(text));
    }
    Some(out)
}

/// An object that a field of the spec says.
struct CarriedObject<'a> {
    object: &'a FoundObject,
    /// The value of the field.
    settings: Value,
}

/// A quota that the spec can say: the only one, nothing but `hard`, and defaults for what it
/// counts.
fn quota<'a>(all: &[&'a FoundObject], limits: Option<&Value>) -> Option<CarriedObject<'a>> {
    let [only] = all else { return None };
    let spec = only.value.get("spec")?.as_object()?;

    if !plain_metadata(only)
        || spec.keys().any(|key| key != "hard")
        || leaf::reason("dns-subdomain", &only.id.name).is_some()
    {
        return None;
    }

    let hard = amounts(spec.get("hard")?)?;
    if hard.is_empty()
        || hard
            .keys()
            .any(|key| leaf::reason("quota-key", key).is_some())
    {
        return None;
    }
    let defaulted = |part: &str, resource: &str| {
        limits.is_some_and(|limits| limits.pointer(&format!("/{part}/{resource}")).is_some())
    };
    let counted_without = hard.keys().any(|key| {
        let (side, resource) = key.split_once('.').unwrap_or(("requests", key));
        matches!(resource, "cpu" | "memory" | "ephemeral-storage")
            && matches!(side, "limits" | "requests")
            && !(defaulted("default", resource)
                || defaulted("max", resource)
                || (side == "requests" && defaulted("defaultRequest", resource)))
    });

    (!counted_without).then(|| CarriedObject {
        object: only,
        settings: Value::Object(hard),
    })
}

/// A LimitRange that the spec can say: the only one, one item, for containers.
fn limits<'a>(all: &[&'a FoundObject]) -> Option<CarriedObject<'a>> {
    let [only] = all else { return None };
    let items = only.value.pointer("/spec/limits")?.as_array()?;
    let [item] = items.as_slice() else {
        return None;
    };
    let item = item.as_object()?;
    let spec_is_plain = only.value.get("spec")?.as_object()?.len() == 1;
    if !spec_is_plain || !plain_metadata(only) || item.get("type")?.as_str()? != "Container" {
        return None;
    }
    let mut out = Map::new();

    for (key, value) in item {
        match key.as_str() {
            "type" => {}
            "default" | "defaultRequest" | "min" | "max" | "maxLimitRequestRatio" => {
                out.insert(key.clone(), Value::Object(amounts(value)?));
            }
            _ => return None,
        }
    }

    let nanos = |part: &str, resource: &str| {
        out.get(part)?
            .get(resource)?
            .as_str()
            .and_then(|text| Quantity::parse(text).ok())
            .map(|quantity| quantity.nanos())
    };

    for resource in ["cpu", "memory", "ephemeral-storage"] {
        let ladder: Vec<i128> = ["min", "defaultRequest", "default", "max"]
            .iter()
            .filter_map(|part| nanos(part, resource))
            .collect();
        if ladder.windows(2).any(|pair| pair[0] > pair[1]) {
            return None;
        }
    }

    (!out.is_empty()).then(|| CarriedObject {
        object: only,
        settings: Value::Object(out),
    })
}

/// Carries a RoleBinding over as subjects, if they can say it exactly.
fn binding(found: &FoundObject, namespace: &str, narrow: bool, out: &mut Converted) -> bool {
    let role = &found.value["roleRef"];
    let (Some("ClusterRole"), Some(role)) = (role["kind"].as_str(), role["name"].as_str()) else {
        return false;
    };
    let Some(subjects) = found
        .value
        .get("subjects")
        .and_then(Value::as_array)
        .filter(|subjects| !subjects.is_empty())
    else {
        return false;
    };

    let fields = ["apiVersion", "kind", "metadata", "roleRef", "subjects"];
    let plain = found
        .value
        .as_object()
        .is_some_and(|object| object.keys().all(|key| fields.contains(&key.as_str())));

    if !plain || !plain_metadata(found) || leaf::reason("path-segment", role).is_some() {
        return false;
    }
    let Some(subjects) = subjects
        .iter()
        .map(|one| subject(one, namespace))
        .collect::<Option<Vec<_>>>()
    else {
        return false;
    };

    if let Some(loosening) = tenancy::loosening(role, &[]) {
        let object = format!("RoleBinding/{namespace}/{}", found.id.name);
        out.waive(loosening.rule, object);
    }

    let owns = matches!(role, "admin" | "cluster-admin" | "edit");
    for (mut subject, principal) in subjects {
        subject.insert("clusterRole".into(), json!(role));
        if found.id.name != role {
            subject.insert("binding".into(), json!(found.id.name));
        }

        if narrow {
            subject.insert("level".into(), json!("namespace"));
            subject.insert("namespaces".into(), json!([namespace]));
        }

        let person = principal.is_some();
        out.principals.extend(principal);
        let list = if owns && person {
            &mut out.owners
        } else {
            &mut out.members
        };

        list.push(Value::Object(subject));
    }

    true
}

fn subject(subject: &Value, namespace: &str) -> Option<(Map<String, Value>, Option<String>)> {
    let name = subject["name"].as_str()?;
    let mut out = Map::new();

    match subject["kind"].as_str()? {
        kind @ ("Group" | "User") => {
            leaf::reason("principal", name).is_none().then_some(())?;
            let key = kind.to_lowercase();
            out.insert(key.clone(), json!(name));
            Some((out, Some(format!("{key}/{name}"))))
        }
        "ServiceAccount" if subject["namespace"].as_str() == Some(namespace) => {
            leaf::reason("dns-subdomain", name)
                .is_none()
                .then_some(())?;
            out.insert(
                "serviceAccount".into(),
                json!({"namespace": namespace, "name": name}),
            );
            Some((out, None))
        }
        _ => None,
    }
}

/// A tenant has an owner: a member who is a person, or somebody who is bound by what is passed
/// through.
fn owners_of_last_resort(found: &SurveyedNamespace, out: &mut Converted) {
    if !out.owners.is_empty() {
        return;
    }
    let person = |subject: &Value| subject.get("group").is_some() || subject.get("user").is_some();

    if let Some(at) = out.members.iter().position(person) {
        let owner = out.members.remove(at);
        out.owners.push(owner);
        return;
    }

    for object in found
        .objects
        .iter()
        .filter(|object| object.id.kind == "RoleBinding")
    {
        for candidate in object
            .value
            .get("subjects")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some((mut owner, Some(principal))) = subject(candidate, &found.object.id.name) {
                owner.insert("role".into(), json!("none"));
                out.principals.push(principal);
                out.owners.push(Value::Object(owner));
                return;
            }
        }
    }
}

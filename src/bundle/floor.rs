//! Whether the templates render the whole floor, as the spec says.

use super::object::Object;
use crate::diagnostic::{Diagnostic, rule};
use crate::kube::ObjectId;
use crate::kube::names::POD_SECURITY;
use crate::tenancy::FloorObject;
use crate::tenancy::model::{OnCluster, Tenant, TenantNamespace};
use crate::value::{Value, list};
use std::collections::BTreeSet;

rule! {
    /// A template that was overridden no longer renders a part of the floor, or renders it other
    /// than the spec says.
    ///
    /// ## Why it matters
    /// The floor is what every other promise stands on. It is loosened by a tenant's spec and a
    /// Waiver, where it can be seen, and not by a template.
    pub static FLOOR_MISSING = "bundle/floor-missing", Error;
}

/// The part of the floor that a rendered object is, if its value is not as the spec says.
pub(super) fn weakened(
    object: FloorObject<'_>,
    value: &Value,
    namespace: &TenantNamespace,
) -> Option<&'static str> {
    let (part, is_as_specified) = match object {
        FloorObject::Namespace => {
            let labels = value.at(&["metadata", "labels"]);
            let mut security = namespace
                .labels
                .iter()
                .filter(|(key, _)| key.starts_with(POD_SECURITY));
            let same = security.all(|(key, wanted)| {
                labels.get(key).and_then(Value::as_str) == Some(wanted.as_str())
            });
            ("the Pod Security labels", same)
        }
        FloorObject::ServiceAccount => {
            let mounts = value.at(&["automountServiceAccountToken"]);
            let closed = *mounts == Value::Bool(false);
            ("the default ServiceAccount", closed)
        }
        FloorObject::DefaultDeny(dialect, wanted) => {
            let same = dialect.read(value).as_ref() == Ok(wanted);
            ("the policy that denies by default", same)
        }
        FloorObject::Quota(quota) => {
            let same = *value.at(&["spec", "hard"]) == Value::from(&quota.hard);
            ("the ResourceQuota", same)
        }
        FloorObject::Limits(limits) => {
            let same = *value.at(&["spec", "limits"]) == list![limits.item.clone()];
            ("the LimitRange", same)
        }
        FloorObject::Binding(_) => return None,
    };
    (!is_as_specified).then_some(part)
}

/// Reports the parts of the floor that no template renders.
pub(super) fn check_floor(
    objects: &[Object<'_>],
    tenant: &Tenant,
    on: &OnCluster,
    out: &mut Vec<Diagnostic>,
) {
    let rendered: BTreeSet<&ObjectId> = objects.iter().map(|object| &object.id).collect();
    for namespace in &on.namespaces {
        let name = namespace.name.as_str();
        let is_rendered = |wanted: FloorObject<'_>| rendered.contains(&wanted.id(name));

        for missing in namespace.floor().filter(|wanted| !is_rendered(*wanted)) {
            let (kind, object) = (missing.kind(), missing.name(name));
            let message =
                format!("no template renders {kind} `{object}` of the namespace `{name}`");
            out.push(
                Diagnostic::new(&FLOOR_MISSING, tenant.name.span, message)
                    .fix("restore the template, or say it in the spec: floor: external, with a Waiver")
                    .tenant(&tenant.name.value),
            );
        }
    }
}

//! Whether the templates render the whole floor, as the spec says.

use super::object::Object;
use crate::diagnostic::{Diagnostic, rule};
use crate::kube::ObjectId;
use crate::kube::names::POD_SECURITY;
use crate::tenancy::DEFAULT_DENY;
use crate::tenancy::model::{OnCluster, Tenant, TenantNamespace};
use crate::value::{Value, list};

rule! {
    /// A template that was overridden no longer renders a part of the floor, or renders it other
    /// than the spec says.
    ///
    /// ## Why it matters
    /// The floor is what every other promise stands on. It is loosened by a tenant's spec and a
    /// Waiver, where it can be seen, and not by a template.
    pub static FLOOR_MISSING = "bundle/floor-missing", Error;
}

/// The part of the floor that an object is, if the object is not as the spec says.
pub(super) fn weakened(
    id: &ObjectId,
    value: &Value,
    namespace: &TenantNamespace,
) -> Option<&'static str> {
    match (id.kind.as_str(), id.name.as_str()) {
        ("Namespace", _) => {
            let labels = value.at(&["metadata", "labels"]);
            let mut security = namespace
                .labels
                .iter()
                .filter(|(key, _)| key.starts_with(POD_SECURITY));
            let same =
                |key: &str, wanted: &str| labels.get(key).and_then(Value::as_str) == Some(wanted);
            security
                .any(|(key, wanted)| !same(key, wanted))
                .then_some("the Pod Security labels")
        }
        (kind, DEFAULT_DENY) if kind == namespace.network.dialect.kind() => {
            let wanted = namespace.network.get(DEFAULT_DENY)?;
            let rendered = namespace.network.dialect.read(value);
            (rendered.as_ref() != Ok(wanted)).then_some(DEFAULT_DENY)
        }
        ("ServiceAccount", "default") if namespace.service_account => {
            let mounts = *value.at(&["automountServiceAccountToken"]) != Value::Bool(false);
            mounts.then_some("the default ServiceAccount")
        }
        ("ResourceQuota", name) => {
            let quota = namespace
                .quota
                .as_ref()
                .filter(|quota| quota.name == name)?;
            (*value.at(&["spec", "hard"]) != Value::from(&quota.hard))
                .then_some("the ResourceQuota")
        }
        ("LimitRange", name) => {
            let limits = namespace
                .limits
                .as_ref()
                .filter(|limits| limits.name == name)?;
            (*value.at(&["spec", "limits"]) != list![limits.item.clone()])
                .then_some("the LimitRange")
        }
        _ => None,
    }
}

/// Reports the parts of the floor that no template renders.
pub(super) fn check_floor(
    objects: &[Object<'_>],
    tenant: &Tenant,
    on: &OnCluster,
    out: &mut Vec<Diagnostic>,
) {
    for namespace in &on.namespaces {
        let name = namespace.name.as_str();
        let rbac = "rbac.authorization.k8s.io";
        let mut wanted = vec![("", "Namespace", "", name)];
        if namespace.service_account {
            wanted.push(("", "ServiceAccount", name, "default"));
        }

        if namespace.network.rendered {
            let dialect = namespace.network.dialect;
            wanted.push((dialect.group(), dialect.kind(), name, DEFAULT_DENY));
        }

        if let Some(quota) = &namespace.quota {
            wanted.push(("", "ResourceQuota", name, &quota.name));
        }
        if let Some(limits) = &namespace.limits {
            wanted.push(("", "LimitRange", name, &limits.name));
        }
        wanted.extend(
            namespace
                .bindings
                .iter()
                .map(|binding| (rbac, "RoleBinding", name, binding.name.as_str())),
        );

        for (group, kind, home, object) in wanted {
            let is_rendered = objects.iter().any(|one| {
                one.id.kind == kind
                    && one.id.group == group
                    && one.id.namespace == home
                    && one.id.name == object
            });
            if !is_rendered {
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
}

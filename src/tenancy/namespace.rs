//! The namespaces of a tenant on a cluster: their names, metadata, floor and Pod Security level.

use super::merge::{merge, pick};
use super::model::{LimitsObject, NetworkPolicies, QuotaObject, Tenant, TenantNamespace};
use super::names;
use super::profile::{Profile, check_ceiling};
use super::tenant::{DUPLICATE_TENANT, INCOMPLETE, Resolver, TenantMetadata};
use super::waivers::Loosening;
use super::{DERIVED_NAME, RESERVED_NAME, quota};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::{Node, Spanned, deserialize};
use crate::expression::eval_text;
use crate::source::Span;
use crate::spec::TenantDoc;
use crate::spec::leaf;
use crate::spec::tenant as spec;
use crate::spec::tenant::{
    Floor, Management, PodSecurity, PodSecurityLevel, PodSecurityMode, TenantSpec,
};
use crate::value::{Text, Value};
use indexmap::IndexMap;
use std::cell::LazyCell;
use std::sync::Arc;

rule! {
    /// A part of the floor is not rendered.
    ///
    /// ## What it finds
    /// `floor: {network: external}` and the like: the namespace has what was found there, or
    /// nothing.
    /// ## Why it matters
    /// What is not rendered is not guaranteed. A fleet that is adopted starts like this, with a
    /// date for each gap.
    /// ## Fix
    /// Set it to `rendered` (or remove it), and take the tenant's own objects of that kind out of
    /// `manifests`.
    pub static FLOOR_EXTERNAL = "bundle/floor-external", Error;
}
rule! {
    /// A namespace's pods may do more than the Pod Security level `restricted` lets them.
    ///
    /// ## What it finds
    /// `privileged` wherever it is set, and `baseline` where a tenant sets it itself, or chooses
    /// the built-in profile: a profile of the fleet's own may set it.
    pub static POD_SECURITY = "admission/pod-security-loosened", Error;
}

/// Fields that a namespace shares with its tenant.
static SHARED: [&str; 4] = ["limits", "network", "podSecurity", "floor"];

/// What namespaces have that are declared alike.
struct Common {
    /// The item of the LimitRange.
    limits: Option<Value>,
    /// The network fields.
    network: Arc<spec::Network>,
}

fn limit_item(spec: &TenantSpec) -> Option<Value> {
    spec.limits.as_ref().and_then(quota::limit_item)
}

impl Resolver<'_> {
    #[expect(
        clippy::too_many_arguments,
        reason = "one tenant on one cluster, from all that it is made of"
    )]
    pub(super) fn namespaces(
        &self,
        doc: &TenantDoc,
        tenant: &Tenant,
        metadata: &TenantMetadata,
        tree: &Node,
        over: Option<&Node>,
        spec: &TenantSpec,
        profile: &Profile,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<TenantNamespace> {
        let declared = spec.namespaces.as_deref().unwrap_or_default();
        let trees = tree.get("namespaces").map_or(&[][..], Node::items);

        if declared.is_empty() {
            let span = doc
                .spec
                .entry("namespaces")
                .map_or(doc.name.span, |e| e.key_span);
            out.push(
                Diagnostic::new(&INCOMPLETE, span, "the tenant has no namespace")
                    .fix("add spec.namespaces: [{name: NAME}]"),
            );
            return Vec::new();
        }

        let own: Vec<Option<&spec::Quota>> = declared.iter().map(|n| n.quota.as_ref()).collect();
        let empty = spec::Quota::default();
        let amounts = quota::split(
            spec.quota.as_ref().unwrap_or(&empty),
            &own,
            &tenant.name.value,
            out,
        );

        let shared = LazyCell::new(|| pick(tree, &SHARED));
        let of_profile = over.is_none() && doc.spec.get("limits").is_none();
        let whole = Common {
            limits: match of_profile {
                true => profile.limits.get_or_init(|| limit_item(spec)).clone(),
                false => limit_item(spec),
            },
            network: Arc::new(spec.network.clone().unwrap_or_default()),
        };

        let mut all: Vec<TenantNamespace> = Vec::with_capacity(declared.len());
        for ((namespace, node), hard) in declared.iter().zip(trees).zip(amounts) {
            if let Some(first) = all.iter().find(|n| n.id == namespace.name.as_str()) {
                let message = format!("the namespace `{}` is listed twice", namespace.name.value);
                out.push(
                    Diagnostic::new(&DUPLICATE_TENANT, namespace.name.span, message)
                        .related(first.span, "the first")
                        .fix("remove one"),
                );
                continue;
            }

            let (own, own_common);
            let (merged, common) = if SHARED.iter().any(|key| node.get(key).is_some()) {
                let mut part = merge(&shared, &pick(node, &SHARED));
                if let Some(over) = over {
                    part = merge(&part, &pick(over, &SHARED));
                }
                let Ok(merged) = deserialize::<TenantSpec>(&part) else {
                    continue;
                };
                own_common = Common {
                    limits: limit_item(&merged),
                    network: Arc::new(merged.network.clone().unwrap_or_default()),
                };
                own = merged;
                (&own, &own_common)
            } else {
                (spec, &whole)
            };

            if !profile.ceilings.is_empty() {
                let bounded = TenantSpec {
                    quota: namespace.quota.clone(),
                    limits: merged.limits.clone(),
                    pod_security: merged.pod_security.clone(),
                    ..TenantSpec::default()
                };
                check_ceiling(profile, &tenant.name.value, &bounded, out);
            }

            all.extend(self.namespace(
                doc,
                tenant,
                metadata,
                namespace,
                (merged, common),
                spec,
                hard,
                out,
            ));
        }

        all
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one namespace, from all that it is made of"
    )]
    fn namespace(
        &self,
        doc: &TenantDoc,
        tenant: &Tenant,
        metadata: &TenantMetadata,
        declared: &Spanned<spec::NamespaceSpec>,
        (merged, common): (&TenantSpec, &Common),
        whole: &TenantSpec,
        hard: IndexMap<Text, Text>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<TenantNamespace> {
        let name = self.namespace_name(doc, declared, out)?;
        let allowed = self.fleet.spec.tenant_metadata.as_ref();
        names::check_metadata(
            allowed,
            declared.labels.as_ref(),
            declared.annotations.as_ref(),
            &tenant.name.value,
            out,
        );

        let (no_floor, no_limits) = (Floor::default(), spec::Limits::default());
        let floor = merged.floor.as_ref().unwrap_or(&no_floor);
        let plain = whole
            .compat
            .as_ref()
            .and_then(|c| c.flux_create_tenant.as_ref())
            .is_some_and(|f| f.value);

        self.floor_waivers(tenant, &name, floor, out);
        let rendered = |part: &Option<Spanned<Management>>| {
            part.as_ref()
                .is_none_or(|m| m.value == Management::Rendered)
                && !plain
        };

        let limits = merged.limits.as_ref().unwrap_or(&no_limits);
        let names = declared.names.as_ref();
        let quota_name = names
            .and_then(|n| n.quota.as_ref())
            .map_or_else(|| "quota".to_owned(), |n| n.to_string());
        let limits_name = names
            .and_then(|n| n.limits.as_ref())
            .map_or_else(|| "limits".to_owned(), |n| n.to_string());

        if rendered(&floor.quota) && rendered(&floor.limits) {
            let span = |key: &str| {
                let find = |q: &Option<spec::Quota>| {
                    q.as_ref().and_then(|q| {
                        q.iter()
                            .find(|(k, _)| k.as_str() == key)
                            .map(|(_, v)| v.key)
                    })
                };
                find(&declared.quota)
                    .or_else(|| find(&whole.quota))
                    .unwrap_or(declared.name.span)
            };
            let keys: Vec<(&str, Span)> =
                hard.keys().map(|key| (key.as_str(), span(key))).collect();
            quota::check_limits(&keys, limits, &name, &tenant.name.value, out);
        }

        let quota = (rendered(&floor.quota) && !hard.is_empty()).then_some(QuotaObject {
            name: quota_name,
            hard,
        });

        let limits = common.limits.clone().filter(|_| rendered(&floor.limits));
        let labels = metadata
            .labels
            .iter()
            .flatten()
            .chain(declared.labels.iter().flatten());

        let mut labels: IndexMap<Text, Text> = labels
            .map(|(key, value)| (key.as_str().into(), value.value.as_str().into()))
            .collect();
        if !plain {
            self.pod_security(tenant, &name, merged, declared, &mut labels, out);
        }
        let annotations = metadata
            .annotations
            .iter()
            .flatten()
            .chain(declared.annotations.iter().flatten());

        let annotations = annotations
            .map(|(key, value)| (key.as_str().into(), value.value.as_str().into()))
            .collect();
        Some(TenantNamespace {
            id: declared.name.value.to_string(),
            name,
            span: declared.name.span,
            labels,
            annotations,
            adopt: declared.adopt.as_ref().is_some_and(|a| a.value),
            service_account: rendered(&floor.service_account),
            quota,
            limits: limits.map(|item| LimitsObject {
                name: limits_name,
                item,
            }),
            network: NetworkPolicies {
                rendered: rendered(&floor.network),
                ..NetworkPolicies::default()
            },
            bindings: Vec::new(),
            reaches: Vec::new(),
            declared: Arc::clone(&common.network),
        })
    }

    fn namespace_name(
        &self,
        doc: &TenantDoc,
        declared: &Spanned<spec::NamespaceSpec>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let fleet = &self.fleet.spec;
        let id = declared.name.as_str();
        let template = fleet.naming.as_ref().and_then(|n| n.namespace.as_ref());
        let name = match template {
            None => id.to_owned(),
            Some(template) => {
                let (id_value, tenant) = (Value::from(id), Value::from(&doc.name.value));
                let made = eval_text(template, &[("name", &id_value), ("tenant", &tenant)]);
                let checked = made.and_then(|name| match leaf::reason("dns-label", &name) {
                    None => Ok(name),
                    Some((_, reason)) => Err(format!(
                        "`{name}` of `{id}` and `{}`: {reason}",
                        doc.name.value
                    )),
                });

                match checked {
                    Ok(name) => name,
                    Err(reason) => {
                        let message = format!("the namespace's name cannot be made: {reason}");
                        out.push(
                            Diagnostic::new(&DERIVED_NAME, declared.name.span, message)
                                .related(template.span, format!("made by `{}`", template.value))
                                .fix("shorten the name"),
                        );
                        return None;
                    }
                }
            }
        };

        if let Some(whose) = names::reserved(fleet, &name) {
            let message = format!("the namespace `{name}` belongs to {whose}");
            out.push(
                Diagnostic::new(&RESERVED_NAME, declared.name.span, message)
                    .fix("take another name"),
            );
        }

        Some(name)
    }

    fn floor_waivers(
        &self,
        tenant: &Tenant,
        namespace: &str,
        floor: &Floor,
        out: &mut Vec<Diagnostic>,
    ) {
        let parts = [
            (
                &floor.service_account,
                "ServiceAccount",
                "default",
                "serviceAccount",
            ),
            (&floor.network, "NetworkPolicy", "default-deny", "network"),
            (&floor.quota, "ResourceQuota", "quota", "quota"),
            (&floor.limits, "LimitRange", "limits", "limits"),
        ];
        for (part, kind, name, field) in parts {
            if let Some(part) = part
                && part.value == Management::External
            {
                let object = format!("{kind}/{namespace}/{name}");
                let message = format!("the floor of `{namespace}` is without its {kind}");
                let fix = format!("set floor.{field}: rendered");
                self.waivers.require_waiver(
                    &Loosening {
                        rule: &FLOOR_EXTERNAL,
                        tenant: &tenant.name.value,
                        object: &object,
                    },
                    part.span,
                    message,
                    &fix,
                    out,
                );
            }
        }
    }

    fn pod_security(
        &self,
        tenant: &Tenant,
        namespace: &str,
        merged: &TenantSpec,
        declared: &Spanned<spec::NamespaceSpec>,
        labels: &mut IndexMap<Text, Text>,
        out: &mut Vec<Diagnostic>,
    ) {
        let nothing = PodSecurity::default();
        let security = merged.pod_security.as_ref().unwrap_or(&nothing);
        let mut require_waiver = |span, message: String, fix| {
            let object = format!("Namespace/{namespace}");
            let of = Loosening {
                rule: &POD_SECURITY,
                tenant: &tenant.name.value,
                object: &object,
            };
            self.waivers.require_waiver(&of, span, message, fix, out);
        };

        let level = security
            .level
            .as_ref()
            .map_or(PodSecurityLevel::Privileged, |l| l.value);

        let span = security
            .level
            .as_ref()
            .map_or(declared.name.span, |l| l.span);

        let by_tenant =
            |span: Span| span.source == tenant.name.span.source && span != tenant.profile_span;
        let own = by_tenant(span) || tenant.chose_builtin;

        if level == PodSecurityLevel::Privileged || (level == PodSecurityLevel::Baseline && own) {
            let word = serde_json::to_value(level)
                .ok()
                .and_then(|v| v.as_str().map(str::to_owned))
                .unwrap_or_default();
            let message = format!("the pods of `{namespace}` are held to `{word}` only");
            let fix = "set podSecurity.level: restricted";
            require_waiver(span, message, fix);
        }

        let external = security
            .management
            .as_ref()
            .is_some_and(|m| m.value == Management::External);

        if let Some(management) = security
            .management
            .as_ref()
            .filter(|m| external && by_tenant(m.span))
        {
            let message = format!("nothing of `{namespace}` says how its pods are held");
            let fix = "leave podSecurity.management to the platform's profile";
            require_waiver(management.span, message, fix);
        }

        if let Some(version) = security
            .version
            .as_ref()
            .filter(|v| v.value != "latest" && by_tenant(v.span))
        {
            let message = format!(
                "the pods of `{namespace}` are held to the standard of {} only",
                version.value
            );
            let fix = "set podSecurity.version: latest, or leave it to a profile";
            require_waiver(version.span, message, fix);
        }

        let (Some(level), false) = (&security.level, external) else {
            return;
        };
        let all = [
            PodSecurityMode::Enforce,
            PodSecurityMode::Audit,
            PodSecurityMode::Warn,
        ];

        let modes = security.modes.as_deref().unwrap_or(&all);
        if !modes.contains(&PodSecurityMode::Enforce) && level.value != PodSecurityLevel::Privileged
        {
            let message = format!("the Pod Security level of `{namespace}` is not enforced");
            let fix = "add `enforce` to podSecurity.modes";
            require_waiver(level.span, message, fix);
        }

        let mut made: Vec<(Text, Text)> = Vec::with_capacity(6);
        for mode in modes {
            let (key, of_version) = match mode {
                PodSecurityMode::Enforce => (
                    "pod-security.kubernetes.io/enforce",
                    "pod-security.kubernetes.io/enforce-version",
                ),
                PodSecurityMode::Audit => (
                    "pod-security.kubernetes.io/audit",
                    "pod-security.kubernetes.io/audit-version",
                ),
                PodSecurityMode::Warn => (
                    "pod-security.kubernetes.io/warn",
                    "pod-security.kubernetes.io/warn-version",
                ),
            };

            let value = match level.value {
                PodSecurityLevel::Restricted => "restricted",
                PodSecurityLevel::Baseline => "baseline",
                PodSecurityLevel::Privileged => "privileged",
            };

            made.push((Text::new_static(key), Text::new_static(value)));
            if let Some(version) = &security.version {
                made.push((Text::new_static(of_version), version.as_str().into()));
            }
        }

        labels.extend(made);
    }
}

//! The namespaces of a tenant on a cluster: their names, metadata and floor.

use super::limits::{CountedResource, LimitItem};
use super::merge::{merge, pick};
use super::model::{LimitsObject, NetworkPolicies, QuotaObject, TenantNamespace};
use super::pod_security::NamespaceSecurity;
use super::profile::check_ceiling;
use super::tenant::{INCOMPLETE, TenantDraft};
use super::waivers::Loosening;
use super::{DERIVED_NAME, DUPLICATE_TENANT, RESERVED_NAME, limits, names, quota};
use crate::diagnostic::{Diagnostic, rule};
use crate::document::{Node, Spanned, deserialize};
use crate::expression::eval_text;
use crate::netpol::Dialect;
use crate::source::Span;
use crate::spec::leaf;
use crate::spec::tenant as spec;
use crate::spec::tenant::{Floor, Management, NamespaceSpec, TenantSpec};
use crate::value::{Text, Value};
use indexmap::IndexMap;
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

/// Fields that a namespace shares with its tenant.
static SHARED: [&str; 4] = ["limits", "network", "podSecurity", "floor"];

/// A tenant's spec on one cluster, from which its namespaces are made.
pub(super) struct ClusterSettings<'a, 'w> {
    /// The tenant.
    pub draft: &'a TenantDraft<'a, 'w>,
    /// The merged tree, with the overrides of the cluster.
    pub tree: &'a Node,
    /// The overrides of the cluster alone.
    pub overrides: Option<&'a Node>,
    /// The typed tree.
    pub spec: &'a Arc<TenantSpec>,
}

/// The settings of one namespace: the tenant's, unless the namespace has settings of its own.
#[derive(Clone)]
struct NamespaceSettings {
    spec: Arc<TenantSpec>,
    limits: LimitItem,
    network: Arc<spec::Network>,
}

impl NamespaceSettings {
    fn new(spec: Arc<TenantSpec>, limits: LimitItem) -> Self {
        Self {
            network: Arc::new(spec.network.clone().unwrap_or_default()),
            limits,
            spec,
        }
    }
}

/// The parts of the floor that tenantry renders.
struct RenderedFloor {
    service_account: bool,
    network: bool,
    quota: bool,
    limits: bool,
}

impl RenderedFloor {
    /// With `is_plain`, no part is rendered, as `flux create tenant` renders none.
    fn new(floor: &Floor, is_plain: bool) -> Self {
        let is_rendered = |part: &Option<Spanned<Management>>| {
            let management = part.as_ref();
            !is_plain && management.is_none_or(|stated| stated.value == Management::Rendered)
        };
        Self {
            service_account: is_rendered(&floor.service_account),
            network: is_rendered(&floor.network),
            quota: is_rendered(&floor.quota),
            limits: is_rendered(&floor.limits),
        }
    }
}

fn limit_item(spec: &TenantSpec, tree: &Node) -> LimitItem {
    LimitItem::new(spec.limits.as_ref(), tree.get("limits"))
}

fn report_missing(draft: &TenantDraft<'_, '_>, out: &mut Vec<Diagnostic>) {
    let entry = draft.doc.spec.entry("namespaces");
    let span = entry.map_or(draft.doc.name.span, |entry| entry.key_span);
    out.push(
        Diagnostic::new(&INCOMPLETE, span, "the tenant has no namespace")
            .fix("add spec.namespaces: [{name: NAME}]"),
    );
}

impl ClusterSettings<'_, '_> {
    /// Resolves the namespaces. Empty, and a finding, if the tenant declares none.
    pub(super) fn namespaces(&self, out: &mut Vec<Diagnostic>) -> Vec<TenantNamespace> {
        let declared = self.spec.namespaces.as_deref().unwrap_or_default();
        let nodes = self.tree.get("namespaces").map_or(&[][..], Node::items);
        if declared.is_empty() {
            report_missing(self.draft, out);
            return Vec::new();
        }

        let own: Vec<Option<&spec::Quota>> = declared
            .iter()
            .map(|namespace| namespace.quota.as_ref())
            .collect();
        let no_quota = spec::Quota::default();
        let total = self.spec.quota.as_ref().unwrap_or(&no_quota);
        let amounts = quota::split(total, &own, out);

        let shared = self.shared_settings();
        let mut all: Vec<TenantNamespace> = Vec::with_capacity(declared.len());

        for ((namespace, node), hard) in declared.iter().zip(nodes).zip(amounts) {
            let earlier = all.iter().find(|one| one.id == namespace.name.as_str());
            if let Some(first) = earlier {
                let message = format!("the namespace `{}` is listed twice", namespace.name.value);
                out.push(
                    Diagnostic::new(&DUPLICATE_TENANT, namespace.name.span, message)
                        .related(first.span, "the first")
                        .fix("remove one"),
                );
                continue;
            }

            let Some(settings) = self.settings_of(node, &shared) else {
                continue;
            };
            self.check_ceiling(namespace, &settings, out);
            all.extend(self.namespace(namespace, &settings, hard, out));
        }

        all
    }

    /// The settings of a namespace that has none of its own.
    fn shared_settings(&self) -> NamespaceSettings {
        let has_profile_limits =
            self.overrides.is_none() && self.draft.doc.spec.get("limits").is_none();
        let item = || limit_item(self.spec, self.tree);
        let limits = match has_profile_limits {
            true => self.draft.profile.limits.get_or_init(item).clone(),
            false => item(),
        };
        NamespaceSettings::new(Arc::clone(self.spec), limits)
    }

    /// The settings of a namespace. `None` if the merged tree has another type, which the check of
    /// its parts has reported.
    fn settings_of(&self, node: &Node, shared: &NamespaceSettings) -> Option<NamespaceSettings> {
        if SHARED.iter().all(|key| node.get(key).is_none()) {
            return Some(shared.clone());
        }

        let mut tree = merge(&pick(self.tree, &SHARED), &pick(node, &SHARED));
        if let Some(overrides) = self.overrides {
            tree = merge(&tree, &pick(overrides, &SHARED));
        }
        let own: TenantSpec = deserialize(&tree).ok()?;
        let limits = limit_item(&own, &tree);
        Some(NamespaceSettings::new(Arc::new(own), limits))
    }

    fn check_ceiling(
        &self,
        declared: &NamespaceSpec,
        settings: &NamespaceSettings,
        out: &mut Vec<Diagnostic>,
    ) {
        if self.draft.profile.ceilings.is_empty() {
            return;
        }
        let bounded = TenantSpec {
            quota: declared.quota.clone(),
            limits: settings.spec.limits.clone(),
            pod_security: settings.spec.pod_security.clone(),
            ..TenantSpec::default()
        };
        check_ceiling(self.draft.profile, &bounded, out);
    }

    fn is_plain(&self) -> bool {
        self.spec.flux_create_tenant().is_some()
    }

    /// Resolves one namespace. `hard` has its amounts of the tenant's quota.
    fn namespace(
        &self,
        declared: &Spanned<NamespaceSpec>,
        settings: &NamespaceSettings,
        hard: IndexMap<Text, Text>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<TenantNamespace> {
        let draft = self.draft;
        let name = self.name(declared, out)?;
        names::check_metadata(
            draft.resolver.fleet.spec.tenant_metadata.as_ref(),
            declared.labels.as_ref(),
            declared.annotations.as_ref(),
            out,
        );

        let default_floor = Floor::default();
        let floor = settings.spec.floor.as_ref().unwrap_or(&default_floor);
        self.require_floor_waivers(&name, floor, out);

        let rendered = RenderedFloor::new(floor, self.is_plain());
        let before = out.len();
        if rendered.quota && rendered.limits {
            let no_limits = spec::Limits::default();
            let limits = settings.spec.limits.as_ref().unwrap_or(&no_limits);
            let counted: Vec<CountedResource<'_>> = hard
                .iter()
                .map(|(key, amount)| CountedResource {
                    key,
                    amount,
                    span: self.quota_span(declared, key),
                })
                .collect();
            limits::check(limits, &counted, &name, out);
        }
        if rendered.limits && out.len() == before {
            out.extend(settings.limits.refused(declared.name.span));
        }

        let names = declared.names.as_ref();
        let quota_name = names.and_then(|names| names.quota.as_ref());
        let limits_name = names.and_then(|names| names.limits.as_ref());

        Some(TenantNamespace {
            id: declared.name.value.to_string(),
            span: declared.name.span,
            labels: self.labels(&name, declared, settings, out),
            annotations: self.annotations(declared),
            adopt: declared.adopt.as_ref().is_some_and(|adopt| adopt.value),
            service_account: rendered.service_account,
            quota: (rendered.quota && !hard.is_empty()).then(|| QuotaObject {
                name: object_name(quota_name, "quota"),
                hard,
            }),
            limits: settings
                .limits
                .value
                .clone()
                .filter(|_| rendered.limits)
                .map(|item| LimitsObject {
                    name: object_name(limits_name, "limits"),
                    item,
                }),
            network: NetworkPolicies {
                rendered: rendered.network,
                ..NetworkPolicies::default()
            },
            bindings: Vec::new(),
            reaches: Vec::new(),
            declared: Arc::clone(&settings.network),
            name,
        })
    }

    /// The line that sets a key of the namespace's quota: its own, or the tenant's.
    fn quota_span(&self, declared: &NamespaceSpec, key: &str) -> Span {
        let find = |quota: &Option<spec::Quota>| Some(quota.as_ref()?.get(key)?.key);
        find(&declared.quota)
            .or_else(|| find(&self.spec.quota))
            .unwrap_or(declared.name.span)
    }

    /// The labels of the Namespace: the tenant's, its own, and those of its Pod Security level.
    fn labels(
        &self,
        namespace: &str,
        declared: &NamespaceSpec,
        settings: &NamespaceSettings,
        out: &mut Vec<Diagnostic>,
    ) -> IndexMap<Text, Text> {
        let of_tenant = self.draft.metadata.labels.iter().flatten();
        let mut labels: IndexMap<Text, Text> = of_tenant
            .chain(declared.labels.iter().flatten())
            .map(|(key, label)| (key.as_str().into(), label.value.as_str().into()))
            .collect();

        if !self.is_plain() {
            let nothing_set = spec::PodSecurity::default();
            let security = NamespaceSecurity {
                waivers: &self.draft.resolver.waivers,
                tenant: self.draft.tenant,
                namespace,
                declared_at: declared.name.span,
                settings: settings.spec.pod_security.as_ref().unwrap_or(&nothing_set),
            };
            security.require_waivers(out);
            labels.extend(security.labels());
        }

        labels
    }

    fn annotations(&self, declared: &NamespaceSpec) -> IndexMap<Text, Text> {
        let of_tenant = self.draft.metadata.annotations.iter().flatten();
        of_tenant
            .chain(declared.annotations.iter().flatten())
            .map(|(key, text)| (key.as_str().into(), text.value.as_str().into()))
            .collect()
    }

    /// The name of a namespace in the cluster. `None`, and a finding, if the fleet's template makes
    /// no valid name.
    fn name(&self, declared: &Spanned<NamespaceSpec>, out: &mut Vec<Diagnostic>) -> Option<String> {
        let fleet = &self.draft.resolver.fleet.spec;
        let id = declared.name.as_str();
        let naming = fleet.naming.as_ref();

        let name = match naming.and_then(|naming| naming.namespace.as_ref()) {
            None => id.to_owned(),
            Some(template) => {
                let derived = derived_name(template, id, &self.draft.doc.name);
                derived
                    .map_err(|reason| {
                        let message = format!("the namespace's name cannot be made: {reason}");
                        out.push(
                            Diagnostic::new(&DERIVED_NAME, declared.name.span, message)
                                .related(template.span, format!("made by `{}`", template.value))
                                .fix("shorten the name"),
                        );
                    })
                    .ok()?
            }
        };

        if let Some(owner) = names::reserved(fleet, &name) {
            let message = format!("the namespace `{name}` belongs to {owner}");
            out.push(
                Diagnostic::new(&RESERVED_NAME, declared.name.span, message)
                    .fix("take another name"),
            );
        }

        Some(name)
    }

    /// Reports each part of the floor that is not rendered, unless a waiver permits it.
    fn require_floor_waivers(&self, namespace: &str, floor: &Floor, out: &mut Vec<Diagnostic>) {
        for part in floor_parts(floor) {
            let Some(management) = part.management else {
                continue;
            };
            if management.value != Management::External {
                continue;
            }

            let object = format!("{}/{namespace}/{}", part.kind, part.object);
            let message = format!("the floor of `{namespace}` is without its {}", part.kind);
            let fix = format!("set floor.{}: rendered", part.field);
            let loosening = Loosening {
                rule: &FLOOR_EXTERNAL,
                tenant: &self.draft.tenant.name.value,
                object: &object,
            };
            self.draft.resolver.waivers.require_waiver(
                &loosening,
                management.span,
                message,
                &fix,
                out,
            );
        }
    }
}

/// The name that a namespace gives an object of its floor, or the usual one.
fn object_name(stated: Option<&Spanned<leaf::ObjectName>>, usual: &str) -> String {
    stated.map_or(usual, |name| name.as_str()).to_owned()
}

/// A part of the floor, with the object that a waiver names.
struct ManagedPart<'a> {
    field: &'static str,
    kind: &'static str,
    object: &'static str,
    management: Option<&'a Spanned<Management>>,
}

fn floor_parts(floor: &Floor) -> [ManagedPart<'_>; 4] {
    [
        ManagedPart {
            field: "serviceAccount",
            kind: "ServiceAccount",
            object: "default",
            management: floor.service_account.as_ref(),
        },
        ManagedPart {
            field: "network",
            kind: Dialect::default().kind(),
            object: "default-deny",
            management: floor.network.as_ref(),
        },
        ManagedPart {
            field: "quota",
            kind: "ResourceQuota",
            object: "quota",
            management: floor.quota.as_ref(),
        },
        ManagedPart {
            field: "limits",
            kind: "LimitRange",
            object: "limits",
            management: floor.limits.as_ref(),
        },
    ]
}

/// The name that the fleet's template makes of a namespace's and its tenant's name.
///
/// # Errors
/// The reason why there is no such name.
fn derived_name(template: &str, id: &str, tenant: &str) -> Result<String, String> {
    let (id_value, tenant_value) = (Value::from(id), Value::from(tenant));
    let name = eval_text(template, &[("name", &id_value), ("tenant", &tenant_value)])?;

    match leaf::reason("dns-label", &name) {
        None => Ok(name),
        Some((_, reason)) => Err(format!("`{name}` of `{id}` and `{tenant}`: {reason}")),
    }
}

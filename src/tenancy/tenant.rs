//! One tenant: merged with its profile, and resolved on each of its clusters.

use super::merge::{merge, pick};
use super::model::{
    Deployer, LimitsObject, Namespace, NetworkObject, OnCluster, QuotaObject, Strings, Sync, Tenant, TenantContext,
};
use super::names::{self, Metadata};
use super::profile::{Profile, check_ceiling, check_enforced};
use super::subjects::{Binder, bind_deployer};
use super::waivers::Waivers;
use super::{DERIVED_NAME, FLEET, RESERVED_NAME, SOURCE_FOREIGN_TENANT, UNKNOWN_PEER, UNKNOWN_PROFILE, quota};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{Node, Spanned, deserialize};
use crate::expression::eval_text;
use crate::source::Place;
use crate::spec::fleet::{Cluster, FleetSpec};
use crate::spec::leaf::{self, Name};
use crate::spec::schema::Checker;
use crate::spec::tenant as spec;
use crate::spec::tenant::{
    Floor, LabelSelector, Management, Placement, PodSecurityLevel, PodSecurityMode, Reach, TenantSpec,
};
use crate::spec::{FleetDoc, Specs, TenantDoc, did_you_mean, one_of_these};
use serde_json::{Value, json};
use std::collections::BTreeMap;

rule! {
    /// Two documents define one tenant.
    /// ## Fix
    /// Keep one, or rename one.
    pub static DUPLICATE_TENANT = "tenancy/duplicate-tenant", Error;
}
rule! {
    /// After merging, a field is missing that a tenant must have: its owners, its namespaces, its clusters.
    pub static INCOMPLETE = "tenancy/incomplete", Error;
}
rule! {
    /// A cluster that the fleet does not have, or a selector that matches none.
    pub static UNKNOWN_CLUSTER = "tenancy/unknown-cluster", Error;
}
rule! {
    /// A tenant's parameters do not fit fleet.parametersSchema.
    pub static PARAMETERS = "tenancy/parameters", Error;
}
rule! {
    /// A sync contradicts itself: two of one name, a namespace that is not the tenant's, a targetNamespace for a tenant
    /// with several namespaces.
    pub static SYNC = "gitops/sync", Error;
}
rule! {
    /// A part of the floor is not rendered.
    ///
    /// ## What it finds
    /// `floor: {network: external}` and the like: the namespace has what was found there, or nothing.
    /// ## Why it matters
    /// What is not rendered is not guaranteed. A fleet that is adopted starts like this, with a date for each gap.
    /// ## Fix
    /// Set it to `rendered` (or remove it), and take the tenant's own objects of that kind out of `manifests`.
    pub static FLOOR_EXTERNAL = "bundle/floor-external", Error;
}
rule! {
    /// A namespace's pods may do more than the Pod Security level `restricted` lets them.
    ///
    /// ## What it finds
    /// `privileged` wherever it is set, and `baseline` where a tenant sets it itself: a profile of the platform may.
    pub static POD_SECURITY = "admission/pod-security-loosened", Error;
}
rule! {
    /// A tenant is rendered as `flux create tenant` would: without a floor, bound to cluster-admin.
    pub static FLUX_CREATE_TENANT = "bundle/flux-create-tenant", Error;
}

/// The documents of tenants that are defined once; the others are reported.
pub fn unique<'a>(specs: &'a Specs, fleet: &FleetDoc, out: &mut Vec<Diagnostic>) -> Vec<&'a TenantDoc> {
    let mut by_name: BTreeMap<&str, Vec<&TenantDoc>> = BTreeMap::new();
    for doc in &specs.tenants {
        if let Some(origin) = &doc.origin {
            let source = fleet.spec.sources.iter().flatten().find(|s| s.name.as_str() == origin);
            if !source.is_some_and(|s| s.tenants.iter().any(|t| t.as_str() == doc.name.value)) {
                let message = format!("the source `{origin}` may not define the tenant `{}`", doc.name.value);
                out.push(
                    Diagnostic::new(&SOURCE_FOREIGN_TENANT, doc.name.place, message)
                        .fix("add it to the source's tenants in the fleet, or rename it")
                        .scope(Scope::File(doc.name.place.source)),
                );
                continue;
            }
        }
        by_name.entry(&doc.name.value).or_default().push(doc);
    }
    let mut single = Vec::with_capacity(by_name.len());
    for (name, docs) in by_name {
        if let [only] = docs.as_slice() {
            single.push(*only);
            continue;
        }
        for (i, doc) in docs.iter().enumerate() {
            let other = docs[usize::from(i == 0)];
            out.push(
                Diagnostic::new(
                    &DUPLICATE_TENANT,
                    doc.name.place,
                    format!("the tenant `{name}` is defined {} times", docs.len()),
                )
                .related(other.name.place, "also here")
                .fix("keep one, or rename one")
                .tenant(name),
            );
        }
    }
    single
}

/// The checker of tenants' parameters.
pub fn parameters_checker(fleet: &FleetDoc, out: &mut Vec<Diagnostic>) -> Option<Checker> {
    let schema = fleet.spec.parameters_schema.as_ref()?;
    match Checker::new(schema.value.clone()) {
        Ok(checker) => Some(checker),
        Err(reason) => {
            let message = format!("parametersSchema is no JSON Schema: {reason}");
            out.push(Diagnostic::new(&FLEET, schema.place, message).fix("mend it").scope(Scope::Fleet));
            None
        }
    }
}

/// What every tenant is resolved with.
pub struct Resolver<'a> {
    /// The fleet.
    pub fleet: &'a FleetDoc,
    /// Profiles by name.
    pub profiles: &'a BTreeMap<&'a str, Profile>,
    /// What is permitted.
    pub waivers: &'a Waivers<'a>,
    /// The checker of parameters.
    pub parameters: Option<&'a Checker>,
}

/// Fields that a namespace shares with its tenant.
static SHARED: [&str; 4] = ["limits", "network", "podSecurity", "floor"];

impl Resolver<'_> {
    /// Resolves a tenant, and says what is wrong with it.
    pub fn resolve(&self, doc: &TenantDoc) -> (Option<Tenant>, Vec<Diagnostic>) {
        let mut out = Vec::new();
        let tenant = self.resolve_into(doc, &mut out);
        for finding in &mut out {
            finding.scope = Scope::Tenant(doc.name.value.clone());
        }
        (tenant, out)
    }

    fn resolve_into(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> Option<Tenant> {
        let fleet = &self.fleet.spec;
        let name = doc.name.value.as_str();
        if let Some(whose) = names::reserved(fleet, name) {
            let message = format!("the name `{name}` belongs to {whose}");
            out.push(Diagnostic::new(&RESERVED_NAME, doc.name.place, message).fix("take another name"));
        }
        let metadata = self.metadata(doc, out);
        let (profile_name, profile) = self.profile(doc, out)?;
        check_enforced(profile, name, &doc.spec, out);
        let merged = merge(&profile.defaults, &doc.spec);
        let base: TenantSpec = match deserialize(&merged) {
            Ok(base) => base,
            Err((message, place)) => {
                out.push(Diagnostic::new(&crate::spec::INVALID_VALUE, place, message));
                return None;
            }
        };
        if let (Some(checker), Some(parameters)) = (self.parameters, merged.get("parameters")) {
            for mut finding in crate::spec::check_schema(checker, parameters) {
                finding.rule = &PARAMETERS;
                out.push(finding);
            }
        }
        let clusters = self.clusters(doc, &base, out);
        let mut tenant = Tenant {
            name: doc.name.clone(),
            uuid: base.uuid.as_ref().map(|u| Spanned { value: u.to_string(), place: u.place, key: u.key }),
            labels: metadata.labels.iter().flatten().map(|(k, v)| (k.to_string(), v.value.to_string())).collect(),
            hosts: Vec::new(),
            principals: Vec::new(),
            profile: profile_name.to_owned(),
            merged,
            on: Vec::new(),
        };
        for cluster in clusters {
            let on = self.on_cluster(doc, &tenant, &metadata, profile, cluster, out);
            tenant.on.extend(on);
        }
        for on in &tenant.on {
            let hosts = on.spec.allow.as_ref().and_then(|a| a.ingress_hosts.as_ref());
            for host in hosts.into_iter().flatten() {
                if !tenant.hosts.iter().any(|h| h.value == host.value) {
                    tenant.hosts.push(host.clone());
                }
            }
            for subject in on.spec.owners.iter().chain(&on.spec.members).flatten() {
                let named = match (&subject.group, &subject.user) {
                    (Some(group), _) => Some((format!("group/{}", group.as_str()), group.place)),
                    (_, Some(user)) => Some((format!("user/{}", user.as_str()), user.place)),
                    _ => None,
                };
                if let Some((value, place)) = named
                    && !tenant.principals.iter().any(|p| p.value == value)
                {
                    tenant.principals.push(Spanned::new(value, place));
                }
            }
        }
        Some(tenant)
    }

    fn metadata(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> TenantMetadata {
        let metadata: TenantMetadata = deserialize(&doc.metadata).unwrap_or_default();
        let allowed = self.fleet.spec.tenant_metadata.as_ref();
        let labels = metadata.labels.iter().flatten().map(|(k, v)| (k.as_str(), v.key));
        names::check_metadata(allowed, Metadata::Label, labels, &doc.name.value, out);
        let annotations = metadata.annotations.iter().flatten().map(|(k, v)| (k.as_str(), v.key));
        names::check_metadata(allowed, Metadata::Annotation, annotations, &doc.name.value, out);
        metadata
    }

    fn profile(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> Option<(&str, &Profile)> {
        let own = doc.spec.get("profile");
        let name = match (own.and_then(Node::as_str), &self.fleet.spec.default_profile) {
            (Some(name), _) => name,
            (None, Some(default)) => default.as_str(),
            (None, None) => "restricted",
        };
        let found = self.profiles.get_key_value(name);
        if found.is_none() {
            let place = own.map_or(doc.name.place, |n| n.place);
            let hint = did_you_mean(name, self.profiles.keys().copied());
            let known: Vec<&str> = self.profiles.keys().copied().collect();
            let fix = if hint.is_empty() { format!("profiles: {}", known.join(", ")) } else { hint };
            out.push(Diagnostic::new(&UNKNOWN_PROFILE, place, format!("there is no profile `{name}`")).fix(fix));
        }
        found.map(|(name, profile)| (*name, profile))
    }

    fn clusters(&self, doc: &TenantDoc, base: &TenantSpec, out: &mut Vec<Diagnostic>) -> Vec<usize> {
        let all = &self.fleet.spec.clusters;
        match (&base.clusters, &base.cluster_selector) {
            (Some(listed), _) => {
                if listed.is_empty() {
                    let place = doc.spec.entry("clusters").map_or(doc.name.place, |e| e.key_place);
                    out.push(Diagnostic::new(&INCOMPLETE, place, "the tenant is on no cluster").fix("name one"));
                }
                self.named_clusters(listed, out)
            }
            (None, Some(selector)) => {
                let found = matching(all, selector);
                if found.is_empty() {
                    out.push(
                        Diagnostic::new(&UNKNOWN_CLUSTER, selector.place, "no cluster has these labels")
                            .fix("mend the labels, or list the clusters"),
                    );
                }
                found
            }
            (None, None) if all.len() == 1 => vec![0],
            (None, None) => {
                let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
                let message = format!("the fleet has {} clusters, and the tenant names none", all.len());
                out.push(
                    Diagnostic::new(&INCOMPLETE, doc.name.place, message)
                        .fix(format!("add spec.clusters, of {}", names.join(", "))),
                );
                Vec::new()
            }
        }
    }

    fn named_clusters(&self, listed: &[Spanned<Name>], out: &mut Vec<Diagnostic>) -> Vec<usize> {
        let all = &self.fleet.spec.clusters;
        let mut found = Vec::new();
        for wanted in listed {
            match all.iter().position(|c| c.name.as_str() == wanted.as_str()) {
                Some(i) if !found.contains(&i) => found.push(i),
                Some(_) => {}
                None => {
                    let hint = did_you_mean(wanted, all.iter().map(|c| c.name.as_str()));
                    let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
                    let fix = if hint.is_empty() { format!("clusters: {}", names.join(", ")) } else { hint };
                    out.push(
                        Diagnostic::new(
                            &UNKNOWN_CLUSTER,
                            wanted.place,
                            format!("there is no cluster `{}`", wanted.value),
                        )
                        .fix(fix),
                    );
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// The overrides of a cluster, merged; nothing where there is none.
    fn overrides(
        &self,
        merged: &Node,
        base: &[spec::Override],
        cluster: usize,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Node> {
        let nodes = merged.get("overrides").map_or(&[][..], Node::items);
        let mut sum: Option<Node> = None;
        for (node, over) in nodes.iter().zip(base) {
            let hits = match (&over.clusters, &over.cluster_selector) {
                (Some(listed), _) => self.named_clusters(listed, out),
                (_, Some(selector)) => matching(&self.fleet.spec.clusters, selector),
                _ => Vec::new(),
            };
            if hits.contains(&cluster) {
                let mut part = node.clone();
                if let crate::document::Value::Map(entries) = &mut part.value {
                    entries.retain(|e| !matches!(e.key.as_str(), "clusters" | "clusterSelector"));
                }
                sum = Some(sum.map_or_else(|| part.clone(), |sum| merge(&sum, &part)));
            }
        }
        sum
    }

    fn on_cluster(
        &self,
        doc: &TenantDoc,
        tenant: &Tenant,
        metadata: &TenantMetadata,
        profile: &Profile,
        index: usize,
        out: &mut Vec<Diagnostic>,
    ) -> Option<OnCluster> {
        let cluster = &self.fleet.spec.clusters[index];
        let base: TenantSpec = deserialize(&tenant.merged).ok()?;
        let over = self.overrides(&tenant.merged, base.overrides.as_deref().unwrap_or_default(), index, out);
        let whole;
        let tree = match &over {
            Some(over) => {
                whole = merge(&tenant.merged, over);
                &whole
            }
            None => &tenant.merged,
        };
        let mut spec: TenantSpec = if over.is_some() { deserialize(tree).ok()? } else { base };
        check_ceiling(profile, &tenant.name.value, &spec, out);
        self.owners(doc, &mut spec, out);
        let mut namespaces = self.namespaces(doc, tenant, metadata, tree, over.as_ref(), &spec, out);
        if namespaces.is_empty() {
            return None;
        }
        let binder = Binder { fleet: &self.fleet.spec, waivers: self.waivers, tenant: &tenant.name.value };
        for owner in spec.owners.iter().flatten() {
            binder.bind(owner, Some("owner"), &mut namespaces, out);
        }
        for member in spec.members.iter().flatten() {
            binder.bind(member, None, &mut namespaces, out);
        }
        let (syncs, deployers) = self.syncs(&binder, tenant, &spec, cluster, &mut namespaces, out);
        let compat = spec.compat.as_ref();
        if let Some(flag) = compat.and_then(|c| c.flux_create_tenant.as_ref()).filter(|f| f.value) {
            let object = format!("Namespace/{}", namespaces[0].name);
            let message = "rendered as `flux create tenant` would: without a floor";
            self.waivers.demand(
                &FLUX_CREATE_TENANT,
                &tenant.name.value,
                &object,
                flag.place,
                message,
                "remove it",
                out,
            );
        }
        let context = self.context(tenant, &spec, &namespaces);
        Some(OnCluster { cluster: index, spec, tenant: context, namespaces, syncs, deployers })
    }

    fn context(&self, tenant: &Tenant, spec: &TenantSpec, namespaces: &[Namespace]) -> TenantContext {
        let fleet = &self.fleet.spec;
        let mut common = Strings::new();
        common.insert("tenantry.dev/owner".into(), self.fleet.name.value.clone());
        common.insert("tenantry.dev/tenant".into(), tenant.name.value.clone());
        if let Some(keys) = &fleet.label_keys {
            for key in keys.tenant.iter().flatten() {
                common.insert(key.to_string(), tenant.name.value.clone());
            }
            if let Some(uuid) = &tenant.uuid {
                for key in keys.uuid.iter().flatten() {
                    common.insert(key.to_string(), uuid.value.clone());
                }
            }
        }
        let mut compat_labels = Strings::new();
        compat_labels.extend(tenant.labels.clone());
        compat_labels.insert("toolkit.fluxcd.io/tenant".into(), tenant.name.value.clone());
        compat_labels.sort_keys();
        TenantContext {
            name: tenant.name.value.clone(),
            uuid: tenant.uuid.as_ref().map(|u| u.value.clone()),
            display_name: spec.display_name.as_ref().map(|d| d.value.to_string()),
            description: spec.description.as_ref().map(|d| d.value.clone()),
            parameters: Value::Object(spec.parameters.as_ref().map(|p| p.value.clone()).unwrap_or_default()),
            labels: tenant.labels.clone(),
            namespaces: namespaces.iter().map(|n| n.name.clone()).collect(),
            common_labels: common,
            compat_cluster_role: spec
                .compat
                .as_ref()
                .and_then(|c| c.cluster_role.as_ref())
                .map_or_else(|| "cluster-admin".into(), |r| r.value.to_string()),
            compat_labels,
        }
    }

    /// An owner from the group template, where none is named.
    fn owners(&self, doc: &TenantDoc, spec: &mut TenantSpec, out: &mut Vec<Diagnostic>) {
        if spec.owners.as_ref().is_some_and(|o| !o.is_empty()) {
            return;
        }
        let template = self.fleet.spec.organisation.as_ref().and_then(|o| o.group_template.as_ref());
        let Some(template) = template else {
            let place = doc.spec.entry("owners").map_or(doc.name.place, |e| e.key_place);
            out.push(
                Diagnostic::new(&INCOMPLETE, place, "the tenant has no owner")
                    .fix("add spec.owners: [{group: NAME}], or a groupTemplate to the fleet"),
            );
            return;
        };
        let name = json!(doc.name.value);
        let group = eval_text(template, &[("tenant", &name)])
            .and_then(|g| leaf::Principal::try_from(g.clone()).map_err(|reason| format!("`{g}`: {reason}")));
        match group {
            Ok(group) => {
                let group = Some(Spanned::new(group, template.place));
                let subject = spec::Subject {
                    group,
                    user: None,
                    service_account: None,
                    role: None,
                    cluster_role: None,
                    level: None,
                    namespaces: None,
                    binding: None,
                };
                spec.owners = Some(vec![Spanned::new(subject, template.place)]);
            }
            Err(reason) => out.push(
                Diagnostic::new(&DERIVED_NAME, doc.name.place, format!("the owner's group cannot be made: {reason}"))
                    .related(template.place, "the fleet's groupTemplate")
                    .fix("mend the groupTemplate"),
            ),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one tenant on one cluster, from all that it is made of")]
    fn namespaces(
        &self,
        doc: &TenantDoc,
        tenant: &Tenant,
        metadata: &TenantMetadata,
        tree: &Node,
        over: Option<&Node>,
        spec: &TenantSpec,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<Namespace> {
        let declared = spec.namespaces.as_deref().unwrap_or_default();
        let trees = tree.get("namespaces").map_or(&[][..], Node::items);
        if declared.is_empty() {
            let place = doc.spec.entry("namespaces").map_or(doc.name.place, |e| e.key_place);
            out.push(
                Diagnostic::new(&INCOMPLETE, place, "the tenant has no namespace")
                    .fix("add spec.namespaces: [{name: NAME}]"),
            );
            return Vec::new();
        }
        let own: Vec<Option<&spec::Quota>> = declared.iter().map(|n| n.quota.as_ref()).collect();
        let empty = spec::Quota::default();
        let amounts = quota::split(spec.quota.as_ref().unwrap_or(&empty), &own, &tenant.name.value, out);
        let shared = pick(tree, &SHARED);
        let mut all: Vec<Namespace> = Vec::with_capacity(declared.len());
        for ((namespace, node), hard) in declared.iter().zip(trees).zip(amounts) {
            if let Some(first) = all.iter().find(|n| n.id == namespace.name.as_str()) {
                let message = format!("the namespace `{}` is listed twice", namespace.name.value);
                out.push(
                    Diagnostic::new(&DUPLICATE_TENANT, namespace.name.place, message)
                        .related(first.place, "the first")
                        .fix("remove one"),
                );
                continue;
            }
            let mut part = merge(&shared, &pick(node, &SHARED));
            if let Some(over) = over {
                part = merge(&part, &pick(over, &SHARED));
            }
            let Ok(merged) = deserialize::<TenantSpec>(&part) else {
                continue;
            };
            all.extend(self.namespace(doc, tenant, metadata, namespace, &merged, spec, hard, out));
        }
        all
    }

    #[expect(clippy::too_many_arguments, reason = "one namespace, from all that it is made of")]
    fn namespace(
        &self,
        doc: &TenantDoc,
        tenant: &Tenant,
        metadata: &TenantMetadata,
        declared: &Spanned<spec::Namespace>,
        merged: &TenantSpec,
        whole: &TenantSpec,
        hard: Strings,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Namespace> {
        let name = self.namespace_name(doc, declared, out)?;
        let allowed = self.fleet.spec.tenant_metadata.as_ref();
        let labels = declared.labels.iter().flatten().map(|(k, v)| (k.as_str(), v.key));
        names::check_metadata(allowed, Metadata::Label, labels, &tenant.name.value, out);
        let annotations = declared.annotations.iter().flatten().map(|(k, v)| (k.as_str(), v.key));
        names::check_metadata(allowed, Metadata::Annotation, annotations, &tenant.name.value, out);

        let floor = merged.floor.clone().unwrap_or_default();
        let plain = whole.compat.as_ref().and_then(|c| c.flux_create_tenant.as_ref()).is_some_and(|f| f.value);
        self.floor_waivers(tenant, &name, &floor, out);
        let rendered = |part: &Option<Spanned<Management>>| {
            part.as_ref().is_none_or(|m| m.value == Management::Rendered) && !plain
        };
        let limits = merged.limits.clone().unwrap_or_default();
        let names = declared.names.clone().unwrap_or_default();
        let quota_name = names.quota.map_or_else(|| "quota".to_owned(), |n| n.value.to_string());
        let limits_name = names.limits.map_or_else(|| "limits".to_owned(), |n| n.value.to_string());
        if rendered(&floor.quota) && rendered(&floor.limits) {
            let place = |key: &str| {
                let find = |q: &Option<spec::Quota>| {
                    q.as_ref().and_then(|q| q.iter().find(|(k, _)| k.as_str() == key).map(|(_, v)| v.key))
                };
                find(&declared.quota).or_else(|| find(&whole.quota)).unwrap_or(declared.name.place)
            };
            let keys: Vec<(&str, Place)> = hard.keys().map(|k| (k.as_str(), place(k))).collect();
            quota::check_limits(&keys, &limits, &name, &tenant.name.value, out);
        }
        let quota = (rendered(&floor.quota) && !hard.is_empty()).then(|| QuotaObject { name: quota_name, hard });
        let limits = if rendered(&floor.limits) { quota::limit_item(&limits) } else { None };
        let mut labels = Strings::new();
        for (key, value) in metadata.labels.iter().flatten().chain(declared.labels.iter().flatten()) {
            labels.insert(key.to_string(), value.value.to_string());
        }
        if !plain {
            self.pod_security(tenant, &name, merged, declared, &mut labels, out);
        }
        let mut annotations = Strings::new();
        for (key, value) in metadata.annotations.iter().flatten().chain(declared.annotations.iter().flatten()) {
            annotations.insert(key.to_string(), value.value.clone());
        }
        Some(Namespace {
            id: declared.name.value.to_string(),
            name,
            place: declared.name.place,
            labels,
            annotations,
            adopt: declared.adopt.as_ref().is_some_and(|a| a.value),
            service_account: rendered(&floor.service_account),
            quota,
            limits: limits.map(|item| LimitsObject { name: limits_name, item }),
            network: NetworkObject { rendered: rendered(&floor.network), ..NetworkObject::default() },
            bindings: Vec::new(),
            declared: merged.network.clone().unwrap_or_default(),
        })
    }

    fn namespace_name(
        &self,
        doc: &TenantDoc,
        declared: &Spanned<spec::Namespace>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<String> {
        let fleet = &self.fleet.spec;
        let id = declared.name.as_str();
        let template = fleet.naming.as_ref().and_then(|n| n.namespace.as_ref());
        let name = match template {
            None => id.to_owned(),
            Some(template) => {
                let (id_value, tenant) = (json!(id), json!(doc.name.value));
                let made = eval_text(template, &[("name", &id_value), ("tenant", &tenant)]);
                let checked = made.and_then(|name| match leaf::reason("dns-label", &name) {
                    None => Ok(name),
                    Some((_, reason)) => Err(format!("`{name}` of `{id}` and `{}`: {reason}", doc.name.value)),
                });
                match checked {
                    Ok(name) => name,
                    Err(reason) => {
                        let message = format!("the namespace's name cannot be made: {reason}");
                        out.push(
                            Diagnostic::new(&DERIVED_NAME, declared.name.place, message)
                                .related(template.place, format!("made by `{}`", template.value))
                                .fix("shorten the name"),
                        );
                        return None;
                    }
                }
            }
        };
        if let Some(whose) = names::reserved(fleet, &name) {
            let message = format!("the namespace `{name}` belongs to {whose}");
            out.push(Diagnostic::new(&RESERVED_NAME, declared.name.place, message).fix("take another name"));
        }
        Some(name)
    }

    fn floor_waivers(&self, tenant: &Tenant, namespace: &str, floor: &Floor, out: &mut Vec<Diagnostic>) {
        let parts = [
            (&floor.service_account, "ServiceAccount", "default", "serviceAccount"),
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
                self.waivers.demand(&FLOOR_EXTERNAL, &tenant.name.value, &object, part.place, message, &fix, out);
            }
        }
    }

    fn pod_security(
        &self,
        tenant: &Tenant,
        namespace: &str,
        merged: &TenantSpec,
        declared: &Spanned<spec::Namespace>,
        labels: &mut Strings,
        out: &mut Vec<Diagnostic>,
    ) {
        let security = merged.pod_security.clone().unwrap_or_default();
        let object = format!("Namespace/{namespace}");
        let level = security.level.as_ref().map_or(PodSecurityLevel::Privileged, |l| l.value);
        let place = security.level.as_ref().map_or(declared.name.place, |l| l.place);
        let own = place.source == tenant.name.place.source;
        if level == PodSecurityLevel::Privileged || (level == PodSecurityLevel::Baseline && own) {
            let word = serde_json::to_value(level).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
            let message = format!("the pods of `{namespace}` are held to `{word}` only");
            let fix = "set podSecurity.level: restricted";
            self.waivers.demand(&POD_SECURITY, &tenant.name.value, &object, place, message, fix, out);
        }
        let external = security.management.as_ref().is_some_and(|m| m.value == Management::External);
        let (Some(level), false) = (&security.level, external) else {
            return;
        };
        let all = [PodSecurityMode::Enforce, PodSecurityMode::Audit, PodSecurityMode::Warn];
        let modes = security.modes.as_deref().unwrap_or(&all);
        if !modes.contains(&PodSecurityMode::Enforce) && level.value != PodSecurityLevel::Privileged {
            let message = format!("the Pod Security level of `{namespace}` is not enforced");
            let fix = "add `enforce` to podSecurity.modes";
            self.waivers.demand(&POD_SECURITY, &tenant.name.value, &object, level.place, message, fix, out);
        }
        for mode in modes {
            let name = match mode {
                PodSecurityMode::Enforce => "enforce",
                PodSecurityMode::Audit => "audit",
                PodSecurityMode::Warn => "warn",
            };
            let value = match level.value {
                PodSecurityLevel::Restricted => "restricted",
                PodSecurityLevel::Baseline => "baseline",
                PodSecurityLevel::Privileged => "privileged",
            };
            labels.insert(format!("pod-security.kubernetes.io/{name}"), value.to_owned());
            if let Some(version) = &security.version {
                labels.insert(format!("pod-security.kubernetes.io/{name}-version"), version.value.clone());
            }
        }
    }

    fn syncs(
        &self,
        binder: &Binder<'_>,
        tenant: &Tenant,
        spec: &TenantSpec,
        cluster: &Cluster,
        namespaces: &mut [Namespace],
        out: &mut Vec<Diagnostic>,
    ) -> (Vec<Sync>, Vec<Deployer>) {
        let flux = cluster.flux.as_ref().and_then(|f| f.namespace.as_ref()).map_or("flux-system", |n| n.as_str());
        let gotk = spec.compat.as_ref().and_then(|c| c.gotk_user.as_ref()).is_some_and(|g| g.value);
        let mut syncs: Vec<Sync> = Vec::new();
        let mut deployers: Vec<Deployer> = Vec::new();
        for sync in spec.sync.iter().flatten() {
            let home = match &sync.namespace {
                None => namespaces[0].name.clone(),
                Some(wanted) => match namespaces.iter().find(|n| n.id == wanted.as_str()) {
                    Some(found) => found.name.clone(),
                    None => {
                        let hint = one_of_these(wanted, namespaces.iter().map(|n| n.id.as_str()));
                        let message = format!("the tenant has no namespace `{}`", wanted.value);
                        out.push(Diagnostic::new(&UNKNOWN_PEER, wanted.place, message).fix(hint));
                        continue;
                    }
                },
            };
            let role_name = sync.role.as_ref().map_or("deployer", |r| r.as_str()).to_owned();
            let cluster_role = match &sync.role {
                None => super::role_object("deployer"),
                Some(role) => match binder.cluster_role(role, Reach::Tenant, &home, out) {
                    Some(found) => found,
                    None => continue,
                },
            };
            let system = sync.placement == Some(Placement::System);
            let (namespace, name, account) = if system {
                let name = format!("{}-{}", tenant.name.value, sync.name.value);
                (flux.to_owned(), name, format!("{}-{role_name}", tenant.name.value))
            } else {
                (home.clone(), sync.name.value.to_string(), role_name.clone())
            };
            if name.len() > 63 {
                let message = format!(
                    "the sync's name `{name}`, of the tenant's and its own, has {} characters, of 63",
                    name.len()
                );
                out.push(Diagnostic::new(&DERIVED_NAME, sync.name.place, message).fix("shorten the sync's name"));
            }
            if let Some(target) = &sync.target_namespace {
                let own = namespaces.iter().any(|n| n.id == target.as_str());
                if !own || namespaces.len() > 1 {
                    let message =
                        "targetNamespace puts every object into one namespace: only a tenant with that one may set it";
                    out.push(Diagnostic::new(&SYNC, target.place, message).fix("remove it"));
                }
            }
            let target = sync.target_namespace.as_ref().map(|_| home.clone());
            let deployer = Deployer { namespace: namespace.clone(), name: account.clone() };
            bind_deployer(&deployer, &role_name, &cluster_role, gotk, namespaces);
            if !deployers.contains(&deployer) {
                deployers.push(deployer);
            }
            syncs.push(make_sync(sync, name, namespace, home, target, account));
        }
        (syncs, deployers)
    }
}

fn make_sync(
    sync: &Spanned<spec::Sync>,
    name: String,
    namespace: String,
    home: String,
    target_namespace: Option<String>,
    service_account: String,
) -> Sync {
    let secret = |holder: &Option<spec::SecretHolder>| {
        holder.as_ref().map_or(Value::Null, |s| json!({"name": s.secret_ref.as_str()}))
    };
    let git = sync.git.as_ref().map_or(Value::Null, |git| {
        let choice = [("tag", &git.tag), ("semver", &git.semver), ("commit", &git.commit), ("branch", &git.branch)];
        let chosen = choice.iter().find_map(|(k, v)| v.as_ref().map(|v| json!({*k: v.as_str()})));
        json!({"url": git.url.as_str(), "ref": chosen.unwrap_or_else(|| json!({"branch": "main"}))})
    });
    let oci = sync.oci.as_ref().map_or(Value::Null, |oci| {
        let choice = [("tag", &oci.tag), ("semver", &oci.semver), ("digest", &oci.digest)];
        let chosen = choice.iter().find_map(|(k, v)| v.as_ref().map(|v| json!({*k: v.as_str()})));
        json!({"url": oci.url.as_str(), "ref": chosen.unwrap_or_else(|| json!({"tag": "latest"}))})
    });
    let helm = sync.helm.as_ref().map_or(Value::Null, |helm| {
        let kind = if helm.url.starts_with("oci://") { json!("oci") } else { Value::Null };
        json!({
            "url": helm.url.as_str(), "type": kind, "chart": helm.chart.as_str(), "targetNamespace": home,
            "version": helm.version.as_ref().map(|v| v.as_str())
        })
    });
    let bucket = sync.bucket.as_ref().map_or(Value::Null, |bucket| {
        json!({
            "endpoint": bucket.endpoint.as_str(), "bucketName": bucket.name.as_str(),
            "region": bucket.region.as_ref().map(|r| r.as_str())
        })
    });
    let source_kind = [(&git, "GitRepository"), (&oci, "OCIRepository"), (&bucket, "Bucket")]
        .into_iter()
        .find_map(|(v, kind)| (!v.is_null()).then_some(kind));
    let verify = sync.verify.as_ref().map_or(Value::Null, |v| {
        json!({"provider": "cosign", "matchOIDCIdentity": [{"issuer": v.cosign.issuer, "subject": v.cosign.subject}]})
    });
    let decryption = match secret(&sync.decryption) {
        Value::Null => Value::Null,
        secret => json!({"provider": "sops", "secretRef": secret}),
    };
    let notifications = sync.notifications.iter().flatten().enumerate().map(|(i, n)| {
        let suffix = if i == 0 { String::new() } else { format!("-{}", i + 1) };
        json!({"name": format!("{name}-{}{suffix}", n.kind), "type": n.kind.as_str(), "secretRef": {"name": n.secret_ref.as_str()}})
    });
    let text =
        |d: &Option<leaf::Duration>, default: &str| d.as_ref().map_or_else(|| default.to_owned(), |d| d.to_string());
    Sync {
        notifications: notifications.collect(),
        place: sync.name.place,
        git,
        oci,
        helm,
        bucket,
        source_kind,
        path: sync.path.as_ref().map_or_else(|| "./".to_owned(), |p| p.to_string()),
        interval: text(&sync.interval, "10m"),
        timeout: text(&sync.timeout, "5m"),
        prune: sync.prune.unwrap_or(true),
        wait: sync.wait.unwrap_or(false),
        target_namespace,
        service_account,
        verify,
        secret_ref: secret(&sync.auth),
        decryption,
        name,
        namespace,
    }
}

fn matching(clusters: &[Cluster], selector: &LabelSelector) -> Vec<usize> {
    let hit = |cluster: &Cluster| {
        let labels = cluster.labels.as_ref();
        selector.match_labels.iter().all(|(k, v)| labels.is_some_and(|l| l.get(k) == Some(v)))
    };
    clusters.iter().enumerate().filter(|(_, c)| hit(c)).map(|(i, _)| i).collect()
}

/// A tenant's name, labels and annotations.
#[derive(Debug, Default, serde::Deserialize)]
pub struct TenantMetadata {
    labels: Option<spec::Labels>,
    annotations: Option<spec::Annotations>,
}

/// What is promised of each cluster: no tenant more than it holds, and all together within its overcommit.
pub fn capacity(tenants: &[Tenant], fleet: &FleetSpec, out: &mut Vec<Diagnostic>) {
    for (c, cluster) in fleet.clusters.iter().enumerate() {
        for (resource, capacity) in cluster.capacity.iter().flatten() {
            let may = quota::promisable(cluster, resource, &capacity.value);
            let mut sum = 0i128;
            for tenant in tenants {
                let amount =
                    tenant.on(c).and_then(|on| on.spec.quota.as_ref()).and_then(|q| quota::promised(q, resource));
                let Some(amount) = amount else { continue };
                sum += amount.value.nanos();
                if amount.value > capacity.value {
                    let message =
                        format!("{} of {resource}; `{}` has {}", amount.value, cluster.name.value, capacity.value);
                    out.push(
                        Diagnostic::new(&super::OVER_CAPACITY, amount.place, message)
                            .related(capacity.place, "the cluster's capacity")
                            .fix("lower it")
                            .tenant(&tenant.name.value),
                    );
                }
            }
            if sum > may {
                let sum = crate::spec::quantity::Quantity::from_nanos(sum, false);
                let may = crate::spec::quantity::Quantity::from_nanos(may, false);
                let message =
                    format!("the tenants of `{}` are promised {sum} of {resource}, over {may}", cluster.name.value);
                out.push(
                    Diagnostic::new(&super::OVER_PROMISED, capacity.place, message)
                        .label("capacity times overcommit")
                        .fix("add capacity, or lower quotas")
                        .scope(Scope::File(capacity.place.source)),
                );
            }
        }
    }
}

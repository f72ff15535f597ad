//! One tenant: merged with its profile, and resolved on each of its clusters.

use super::merge::merge;
use super::model::{OnCluster, Tenant, TenantContext, TenantNamespace};
use super::names;
use super::profile::{Profile, check_ceiling, check_enforced};
use super::subjects::Binder;
use super::waivers::{Loosening, Used, WaiverUse, Waivers};
use super::{
    DERIVED_NAME, FLEET, Prior, RESERVED_NAME, SOURCE_FOREIGN_TENANT, UNKNOWN_PROFILE, quota,
};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::{Node, Spanned, deserialize};
use crate::expression::eval_text;
use crate::kube::names::{OWNER_LABEL, TENANT_LABEL};
use crate::source::{SourceMap, Span};
use crate::spec::fleet::{ClusterSpec, FleetSpec};
use crate::spec::leaf::{self, Name};
use crate::spec::schema::Checker;
use crate::spec::tenant as spec;
use crate::spec::tenant::{LabelSelector, TenantSpec};
use crate::spec::{FleetDoc, TenantDoc, did_you_mean_or};
use crate::value::{Text, Value, map};
use std::collections::BTreeMap;
use std::sync::Arc;

rule! {
    /// Two documents define one tenant.
    /// ## Fix
    /// Keep one, or rename one.
    pub static DUPLICATE_TENANT = "tenancy/duplicate-tenant", Error;
}
rule! {
    /// After merging, a field is missing that a tenant must have: its owners, its namespaces, its
    /// clusters.
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
    /// A tenant is rendered as `flux create tenant` would: without a floor, bound to cluster-admin.
    pub static FLUX_CREATE_TENANT = "bundle/flux-create-tenant", Error;
}

/// Which documents are those of tenants that are defined once; the others are reported.
pub fn unique(
    all: &[TenantDoc],
    fleet: &FleetDoc,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) -> Vec<bool> {
    let mut by_name: BTreeMap<&str, Vec<(usize, &TenantDoc)>> = BTreeMap::new();
    for (at, doc) in all.iter().enumerate() {
        if let Some(origin) = &doc.origin {
            let source = fleet
                .spec
                .sources
                .iter()
                .flatten()
                .find(|s| s.name.as_str() == origin);
            if !source.is_some_and(|s| s.tenants.iter().any(|t| t.as_str() == doc.name.value)) {
                let message = format!(
                    "the source `{origin}` may not define the tenant `{}`",
                    doc.name.value
                );
                out.push(
                    Diagnostic::new(&SOURCE_FOREIGN_TENANT, doc.name.span, message)
                        .fix("add it to the source's tenants in the fleet, or rename it")
                        .scope(Scope::File(doc.name.span.source)),
                );
                continue;
            }
        }
        by_name.entry(&doc.name.value).or_default().push((at, doc));
    }

    let mut single = vec![false; all.len()];
    for (name, docs) in by_name {
        if let [(at, _)] = docs.as_slice() {
            single[*at] = true;
            continue;
        }

        let holder = prior.source(name);
        let mine = |doc: &TenantDoc| holder == Some(sources.path(doc.name.span));

        if let [(at, only)] = docs
            .iter()
            .filter(|(_, d)| mine(d))
            .collect::<Vec<_>>()
            .as_slice()
        {
            single[*at] = true;
            for (_, doc) in docs.iter().filter(|(_, d)| !mine(d)) {
                out.push(
                    Diagnostic::new(
                        &DUPLICATE_TENANT,
                        doc.name.span,
                        format!("the tenant `{name}` is defined already"),
                    )
                    .related(only.name.span, "here, where it was rendered from")
                    .fix("remove this one, or rename it")
                    .scope(Scope::File(doc.name.span.source)),
                );
            }
            continue;
        }

        for (i, (_, doc)) in docs.iter().enumerate() {
            let (_, other) = docs[usize::from(i == 0)];
            out.push(
                Diagnostic::new(
                    &DUPLICATE_TENANT,
                    doc.name.span,
                    format!("the tenant `{name}` is defined {} times", docs.len()),
                )
                .related(other.name.span, "also here")
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
            out.push(
                Diagnostic::new(&FLEET, schema.span, message)
                    .fix("mend it")
                    .scope(Scope::Fleet),
            );
            None
        }
    }
}

/// What every tenant is resolved with.
pub struct ResolveContext<'a> {
    /// The fleet.
    pub fleet: &'a FleetDoc,
    /// Profiles by name.
    pub profiles: BTreeMap<&'a str, Profile>,
    /// What is permitted.
    pub waivers: Waivers<'a>,
    /// The checker of parameters.
    pub parameters: Option<Checker>,
    /// Whether each tenant keeps its merged tree.
    pub keep_merged: bool,
}

/// One tenant's document, being resolved.
pub struct Resolver<'a> {
    pub(super) fleet: &'a FleetDoc,
    profiles: &'a BTreeMap<&'a str, Profile>,
    pub(super) waivers: WaiverUse<'a>,
    parameters: Option<&'a Checker>,
    keep_merged: bool,
}

/// A tenant's profile.
struct Chosen<'a> {
    name: &'a str,
    profile: &'a Profile,
    /// The line that names it: `spec.profile`, or `fleet.defaultProfile`; the tenant's name if
    /// neither is set.
    span: Span,
}

/// What a tenant's document came to by itself.
#[derive(Debug, Default)]
pub struct Resolved<'a> {
    /// The tenant, unless what is wrong leaves none.
    pub tenant: Option<Tenant>,
    /// What is wrong with it.
    pub findings: Vec<Diagnostic>,
    /// The waivers that it uses.
    pub used: Used<'a>,
}

impl ResolveContext<'_> {
    /// Resolves a tenant, and says what is wrong with it.
    pub fn resolve(&self, doc: &TenantDoc) -> Resolved<'_> {
        let resolver = Resolver {
            fleet: self.fleet,
            profiles: &self.profiles,
            waivers: self.waivers.tally(),
            parameters: self.parameters.as_ref(),
            keep_merged: self.keep_merged,
        };

        let mut findings = Vec::new();
        let tenant = resolver.resolve(doc, &mut findings);
        for finding in &mut findings {
            finding.scope = Scope::Tenant(doc.name.value.clone());
        }

        Resolved {
            tenant,
            findings,
            used: resolver.waivers.into_used(),
        }
    }
}

impl Resolver<'_> {
    fn resolve(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> Option<Tenant> {
        let fleet = &self.fleet.spec;
        let name = doc.name.value.as_str();

        if let Some(whose) = names::reserved(fleet, name) {
            let message = format!("the name `{name}` belongs to {whose}");
            out.push(
                Diagnostic::new(&RESERVED_NAME, doc.name.span, message).fix("take another name"),
            );
        }

        let metadata = self.metadata(doc, out);
        let Chosen {
            name: profile_name,
            profile,
            span: chosen_at,
        } = self.profile(doc, out)?;

        check_enforced(profile, name, &doc.spec, out);
        let merged = merge(&profile.chosen_at(chosen_at), &doc.spec);
        let base: Arc<TenantSpec> = match deserialize(&merged) {
            Ok(base) => Arc::new(base),
            Err((message, span)) => {
                out.push(Diagnostic::new(&crate::spec::INVALID_VALUE, span, message));
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
            input: format!("{}{}", &doc.metadata.digest()[..8], doc.spec.digest()),
            uuid: base.uuid.as_ref().map(|u| Spanned {
                value: u.to_string(),
                span: u.span,
                key: u.key,
            }),
            labels: metadata
                .labels
                .iter()
                .flatten()
                .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
                .collect(),
            hosts: Vec::new(),
            principals: Vec::new(),
            profile: profile_name.to_owned(),
            profile_span: chosen_at,
            chose_builtin: doc.spec.get("profile").is_some()
                && matches!(profile_name, "baseline" | "adopted"),
            merged,
            on: Vec::with_capacity(clusters.len()),
        };

        for cluster in clusters {
            if let Some((on, spec)) =
                self.on_cluster(doc, &tenant, &base, &metadata, profile, cluster, out)
            {
                tenant.on.push(on);
                claim(&mut tenant, &spec);
            }
        }

        tenant.merged = match self.keep_merged {
            true => merge(&profile.origins, &doc.spec),
            false => Node::new(tenant.name.span, crate::document::NodeValue::Null),
        };

        Some(tenant)
    }

    fn metadata(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> TenantMetadata {
        let metadata: TenantMetadata = deserialize(&doc.metadata).unwrap_or_default();
        let allowed = self.fleet.spec.tenant_metadata.as_ref();
        names::check_metadata(
            allowed,
            metadata.labels.as_ref(),
            metadata.annotations.as_ref(),
            &doc.name.value,
            out,
        );

        metadata
    }

    fn profile(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> Option<Chosen<'_>> {
        let own = doc
            .spec
            .get("profile")
            .and_then(|node| Some((node.as_str()?, node.span)));

        let (name, chosen_at) = match (own, &self.fleet.spec.default_profile) {
            (Some(own), _) => own,
            (None, Some(default)) => (default.as_str(), default.span),
            (None, None) => ("restricted", doc.name.span),
        };

        let found = self.profiles.get_key_value(name);
        if found.is_none() {
            let span = own.map_or(doc.name.span, |(_, span)| span);
            let known: Vec<&str> = self.profiles.keys().copied().collect();
            let fix = did_you_mean_or(name, self.profiles.keys().copied(), || {
                format!("profiles: {}", known.join(", "))
            });

            out.push(
                Diagnostic::new(
                    &UNKNOWN_PROFILE,
                    span,
                    format!("there is no profile `{name}`"),
                )
                .fix(fix),
            );
        }

        found.map(|(name, profile)| Chosen {
            name,
            profile,
            span: chosen_at,
        })
    }

    fn clusters(
        &self,
        doc: &TenantDoc,
        base: &TenantSpec,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<usize> {
        let all = &self.fleet.spec.clusters;
        match (&base.clusters, &base.cluster_selector) {
            (Some(listed), _) => {
                if listed.is_empty() {
                    let span = doc
                        .spec
                        .entry("clusters")
                        .map_or(doc.name.span, |e| e.key_span);
                    out.push(
                        Diagnostic::new(&INCOMPLETE, span, "the tenant is on no cluster")
                            .fix("name one"),
                    );
                }
                self.named_clusters(listed, out)
            }
            (None, Some(selector)) => {
                let found = matching(all, selector);
                if found.is_empty() {
                    out.push(
                        Diagnostic::new(
                            &UNKNOWN_CLUSTER,
                            selector.span,
                            "no cluster has these labels",
                        )
                        .fix("mend the labels, or list the clusters"),
                    );
                }
                found
            }
            (None, None) if all.len() == 1 => vec![0],
            (None, None) => {
                let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
                let message = format!(
                    "the fleet has {} clusters, and the tenant names none",
                    all.len()
                );
                out.push(
                    Diagnostic::new(&INCOMPLETE, doc.name.span, message)
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
                    let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
                    let fix = did_you_mean_or(wanted, all.iter().map(|c| c.name.as_str()), || {
                        format!("clusters: {}", names.join(", "))
                    });
                    out.push(
                        Diagnostic::new(
                            &UNKNOWN_CLUSTER,
                            wanted.span,
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
                (_, Some(selector)) => {
                    let found = matching(&self.fleet.spec.clusters, selector);
                    if found.is_empty() {
                        let message = "no cluster has these labels: the override is never used";
                        let finding = Diagnostic::new(&UNKNOWN_CLUSTER, selector.span, message);
                        out.push(finding.fix("mend the labels, or list the clusters"));
                    }
                    found
                }
                _ => Vec::new(),
            };
            if hits.contains(&cluster) {
                let mut part = node.clone();
                if let crate::document::NodeValue::Map(entries) = &mut part.value {
                    entries.retain(|e| !matches!(e.key.as_str(), "clusters" | "clusterSelector"));
                }
                sum = Some(sum.map_or_else(|| part.clone(), |sum| merge(&sum, &part)));
            }
        }

        sum
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one tenant on one cluster, from all that it is made of"
    )]
    fn on_cluster(
        &self,
        doc: &TenantDoc,
        tenant: &Tenant,
        base: &Arc<TenantSpec>,
        metadata: &TenantMetadata,
        profile: &Profile,
        index: usize,
        out: &mut Vec<Diagnostic>,
    ) -> Option<(OnCluster, Arc<TenantSpec>)> {
        let cluster = &self.fleet.spec.clusters[index];
        let over = self.overrides(
            &tenant.merged,
            base.overrides.as_deref().unwrap_or_default(),
            index,
            out,
        );

        let whole;
        let tree = match &over {
            Some(over) => {
                whole = merge(&tenant.merged, over);
                &whole
            }
            None => &tenant.merged,
        };

        let mut spec = if over.is_some() {
            Arc::new(deserialize(tree).ok()?)
        } else {
            Arc::clone(base)
        };

        check_ceiling(profile, &tenant.name.value, &spec, out);
        self.owners(doc, &mut spec, out);
        let mut namespaces = self.namespaces(
            doc,
            tenant,
            metadata,
            tree,
            over.as_ref(),
            &spec,
            profile,
            out,
        );

        if namespaces.is_empty() {
            return None;
        }
        let binder = Binder {
            fleet: &self.fleet.spec,
            waivers: &self.waivers,
            tenant: &tenant.name.value,
        };

        for owner in spec.owners.iter().flatten() {
            binder.bind(owner, Some("owner"), &mut namespaces, out);
        }
        for member in spec.members.iter().flatten() {
            binder.bind(member, None, &mut namespaces, out);
        }
        let (syncs, deployers) = self.syncs(&binder, tenant, &spec, cluster, &mut namespaces, out);
        let plain = spec
            .compat
            .as_ref()
            .and_then(|c| c.flux_create_tenant.as_ref())
            .filter(|f| f.value);

        if let Some(flag) = plain {
            let message = "rendered as `flux create tenant` would: without a floor";
            for namespace in &namespaces {
                let object = format!("Namespace/{}", namespace.name);
                let name = &tenant.name.value;
                self.waivers.require_waiver(
                    &Loosening {
                        rule: &FLUX_CREATE_TENANT,
                        tenant: name,
                        object: &object,
                    },
                    flag.span,
                    message,
                    "remove it",
                    out,
                );
            }
        }

        let context = self.context(tenant, &spec, &namespaces);
        let on = OnCluster {
            cluster: index,
            manifests: spec.manifests.clone().unwrap_or_default(),
            requires: spec.requires.clone().unwrap_or_default(),
            plain: plain.is_some(),
            promised: cluster
                .capacity
                .is_some()
                .then(|| spec.quota.clone())
                .flatten(),
            tenant: context,
            namespaces,
            syncs,
            deployers,
        };

        Some((on, spec))
    }

    fn context(
        &self,
        tenant: &Tenant,
        spec: &TenantSpec,
        namespaces: &[TenantNamespace],
    ) -> TenantContext {
        let fleet = &self.fleet.spec;
        let name = Text::from(tenant.name.as_str());
        let mut common = vec![
            (
                Text::new_static(OWNER_LABEL),
                Text::from(self.fleet.name.as_str()),
            ),
            (Text::new_static(TENANT_LABEL), name.clone()),
        ];

        if let Some(keys) = &fleet.label_keys {
            common.extend(
                keys.tenant
                    .iter()
                    .flatten()
                    .map(|key| (key.as_str().into(), name.clone())),
            );
            if let Some(uuid) = &tenant.uuid {
                let uuid = Text::from(uuid.as_str());
                common.extend(
                    keys.uuid
                        .iter()
                        .flatten()
                        .map(|key| (key.as_str().into(), uuid.clone())),
                );
            }
        }

        let mut compat_labels = tenant.labels.clone();
        compat_labels.insert(Text::new_static("toolkit.fluxcd.io/tenant"), name);
        compat_labels.sort_keys();
        let entries = |p: &serde_json::Map<String, serde_json::Value>| -> Value {
            p.iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect::<Vec<crate::value::Entry>>()
                .into()
        };

        let parameters = spec.parameters.as_ref().map(|p| entries(&p.value));
        TenantContext {
            name: tenant.name.value.clone(),
            uuid: tenant.uuid.as_ref().map(|u| u.value.clone()),
            display_name: spec.display_name.as_ref().map(|d| d.value.to_string()),
            description: spec.description.as_ref().map(|d| d.value.clone()),
            parameters: parameters.unwrap_or_else(|| map! {}),
            labels: tenant.labels.clone(),
            namespaces: namespaces.iter().map(|n| n.name.clone()).collect(),
            common_labels: common.into_iter().collect(),
            compat_cluster_role: spec
                .compat
                .as_ref()
                .and_then(|c| c.cluster_role.as_ref())
                .map_or_else(|| "cluster-admin".into(), |r| r.value.to_string()),
            compat_labels,
        }
    }

    /// An owner from the group template, where none is named.
    fn owners(&self, doc: &TenantDoc, spec: &mut Arc<TenantSpec>, out: &mut Vec<Diagnostic>) {
        if spec.owners.as_ref().is_some_and(|o| !o.is_empty()) {
            return;
        }
        let template = self
            .fleet
            .spec
            .organisation
            .as_ref()
            .and_then(|o| o.group_template.as_ref());

        let Some(template) = template else {
            let span = doc
                .spec
                .entry("owners")
                .map_or(doc.name.span, |e| e.key_span);
            out.push(
                Diagnostic::new(&INCOMPLETE, span, "the tenant has no owner")
                    .fix("add spec.owners: [{group: NAME}], or a groupTemplate to the fleet"),
            );
            return;
        };

        let name = Value::from(&doc.name.value);
        let group = eval_text(template, &[("tenant", &name)]).and_then(|g| {
            leaf::Principal::try_from(g.clone()).map_err(|reason| format!("`{g}`: {reason}"))
        });

        match group {
            Ok(group) => {
                let group = Some(Spanned::new(group, template.span));
                let subject = spec::SubjectSpec {
                    group,
                    user: None,
                    service_account: None,
                    role: None,
                    cluster_role: None,
                    level: None,
                    namespaces: None,
                    binding: None,
                };
                Arc::make_mut(spec).owners = Some(vec![Spanned::new(subject, template.span)]);
            }
            Err(reason) => out.push(
                Diagnostic::new(
                    &DERIVED_NAME,
                    doc.name.span,
                    format!("the owner's group cannot be made: {reason}"),
                )
                .related(template.span, "the fleet's groupTemplate")
                .fix("mend the groupTemplate"),
            ),
        }
    }
}

/// Adds what a tenant's spec on a cluster claims.
fn claim(tenant: &mut Tenant, spec: &TenantSpec) {
    let hosts = spec.allow.as_ref().and_then(|a| a.ingress_hosts.as_ref());
    for host in hosts.into_iter().flatten() {
        if !tenant.hosts.iter().any(|h| h.value == host.value) {
            tenant.hosts.push(host.clone());
        }
    }

    for subject in spec.owners.iter().chain(&spec.members).flatten() {
        let named = match (&subject.group, &subject.user) {
            (Some(group), _) => Some((format!("group/{}", group.as_str()), group.span)),
            (_, Some(user)) => Some((format!("user/{}", user.as_str()), user.span)),
            _ => None,
        };
        if let Some((value, span)) = named
            && !tenant.principals.iter().any(|p| p.value == value)
        {
            tenant.principals.push(Spanned::new(value, span));
        }
    }
}

fn matching(clusters: &[ClusterSpec], selector: &LabelSelector) -> Vec<usize> {
    let hit = |cluster: &ClusterSpec| {
        let labels = cluster.labels.as_ref();
        selector
            .match_labels
            .iter()
            .all(|(k, v)| labels.is_some_and(|l| l.get(k) == Some(v)))
    };
    clusters
        .iter()
        .enumerate()
        .filter(|(_, c)| hit(c))
        .map(|(i, _)| i)
        .collect()
}

/// A tenant's name, labels and annotations.
#[derive(Debug, Default, serde::Deserialize)]
pub struct TenantMetadata {
    /// Labels, checked.
    pub(super) labels: Option<spec::Labels>,
    /// Annotations, checked.
    pub(super) annotations: Option<spec::Annotations>,
}

/// What is promised of each cluster: no tenant more than it holds, and all together within its
/// overcommit.
pub fn capacity(tenants: &[Tenant], fleet: &FleetSpec, out: &mut Vec<Diagnostic>) {
    for (c, cluster) in fleet.clusters.iter().enumerate() {
        for (resource, capacity) in cluster.capacity.iter().flatten() {
            let may = quota::promisable(cluster, resource, &capacity.value);
            let mut sum = 0i128;

            for tenant in tenants {
                let amount = tenant
                    .on(c)
                    .and_then(|on| on.promised.as_ref())
                    .and_then(|q| quota::promised(q, resource));

                let Some(amount) = amount else { continue };
                sum += amount.value.nanos();

                if amount.value > capacity.value {
                    let message = format!(
                        "{} of {resource}; `{}` has {}",
                        amount.value, cluster.name.value, capacity.value
                    );
                    out.push(
                        Diagnostic::new(&super::OVER_CAPACITY, amount.span, message)
                            .related(capacity.span, "the cluster's capacity")
                            .fix("set a lower `quota` for the tenant")
                            .tenant(&tenant.name.value),
                    );
                }
            }

            if sum > may {
                let sum = crate::kube::Quantity::from_nanos(sum, false);
                let may = crate::kube::Quantity::from_nanos(may, false);
                let message = format!(
                    "the tenants of `{}` are promised {sum} of {resource}, over {may}",
                    cluster.name.value
                );
                out.push(
                    Diagnostic::new(&super::OVER_PROMISED, capacity.span, message)
                        .label("capacity times overcommit")
                        .fix("add capacity, or lower quotas")
                        .scope(Scope::File(capacity.span.source)),
                );
            }
        }
    }
}

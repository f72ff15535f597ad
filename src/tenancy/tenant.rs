//! One tenant: merged with its profile, and resolved on each of its clusters.

use super::merge::merge;
use super::model::Tenant;
use super::names;
use super::profile::{Profile, check_enforced};
use super::waivers::{UsedWaivers, WaiverUse, Waivers};
use super::{DERIVED_NAME, FLEET, RESERVED_NAME, UNKNOWN_PROFILE};
use crate::diagnostic::{Diagnostic, Rule, Scope, rule};
use crate::document::{Node, NodeValue, Spanned, deserialize};
use crate::expression::eval_text;
use crate::source::Span;
use crate::spec::leaf;
use crate::spec::schema::Checker;
use crate::spec::tenant as spec;
use crate::spec::tenant::TenantSpec;
use crate::spec::{FleetDoc, INVALID_VALUE, TenantDoc, check_schema, did_you_mean_or};
use crate::value::Text;
use crate::value::Value;
use indexmap::IndexMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

rule! {
    /// After merging, a field is missing that a tenant must have: its owners, its namespaces, its
    /// clusters.
    ///
    /// In a fleet with one cluster, a tenant need not name it. When a second cluster is added, each
    /// tenant must.
    /// ## Fix
    /// Add the field. Before you add a second cluster, add `clusters` with the first one to each tenant,
    /// or to its profile (`defaults.clusters`).
    pub static INCOMPLETE = "tenancy/incomplete", Error;
}
rule! {
    /// A tenant's parameters do not fit fleet.parametersSchema.
    pub static PARAMETERS = "tenancy/parameters", Error;
}
rule! {
    /// A tenant is rendered as `flux create tenant` would: without a floor, bound to cluster-admin.
    pub static FLUX_CREATE_TENANT = "bundle/flux-create-tenant", Error;
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

/// The documents that all tenants of a fleet share, checked.
pub struct ResolveContext<'a> {
    /// The fleet.
    pub fleet: &'a FleetDoc,
    /// Profiles by name.
    pub profiles: BTreeMap<&'a str, Profile>,
    /// The waivers that hold today.
    pub waivers: Waivers<'a>,
    /// The rules of the proof, which a Waiver can name.
    pub proof_rules: Vec<&'static Rule>,
    /// The checker of parameters.
    pub parameters: Option<Checker>,
    /// Whether each tenant keeps its merged tree.
    pub keep_merged: bool,
    /// The labels that the platform gives tenants, by the names of the tenants.
    pub platform_labels: HashMap<&'a str, IndexMap<Text, Text>>,
}

/// Resolves the document of one tenant.
pub struct Resolver<'a> {
    pub(super) fleet: &'a FleetDoc,
    profiles: &'a BTreeMap<&'a str, Profile>,
    pub(super) waivers: WaiverUse<'a>,
    parameters: Option<&'a Checker>,
    keep_merged: bool,
    platform_labels: &'a HashMap<&'a str, IndexMap<Text, Text>>,
}

/// A tenant's document, merged with its profile, to be resolved on each cluster.
pub(super) struct TenantDraft<'a, 'w> {
    pub resolver: &'a Resolver<'w>,
    pub doc: &'a TenantDoc,
    pub metadata: &'a TenantMetadata,
    pub profile: &'a Profile,
    /// The typed spec, without the overrides of a cluster.
    pub base: Arc<TenantSpec>,
    /// The tenant, on no cluster yet. It holds the merged tree.
    pub tenant: &'a Tenant,
}

/// The profile that a tenant has.
struct ChosenProfile<'a> {
    name: &'a str,
    profile: &'a Profile,
    /// The line that names it: `spec.profile`, or `fleet.defaultProfile`; the tenant's name if
    /// neither is set.
    span: Span,
}

/// A tenant's name, labels and annotations.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct TenantMetadata {
    /// Labels, checked.
    pub labels: Option<spec::Labels>,
    /// Annotations, checked.
    pub annotations: Option<spec::Annotations>,
}

/// The result of a tenant's document alone.
#[derive(Debug, Default)]
pub struct Resolved<'a> {
    /// The tenant. `None` if a fault of its document leaves none.
    pub tenant: Option<Tenant>,
    /// The findings of the document.
    pub findings: Vec<Diagnostic>,
    /// The waivers that it uses.
    pub used: UsedWaivers<'a>,
}

impl ResolveContext<'_> {
    /// Resolves a tenant. Its findings all have the tenant as their scope.
    pub fn resolve(&self, doc: &TenantDoc) -> Resolved<'_> {
        let resolver = Resolver {
            fleet: self.fleet,
            profiles: &self.profiles,
            waivers: self.waivers.start_use(),
            parameters: self.parameters.as_ref(),
            keep_merged: self.keep_merged,
            platform_labels: &self.platform_labels,
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
        let name = doc.name.value.as_str();
        if let Some(owner) = names::reserved(&self.fleet.spec, name) {
            let message = format!("the name `{name}` belongs to {owner}");
            out.push(
                Diagnostic::new(&RESERVED_NAME, doc.name.span, message).fix("take another name"),
            );
        }

        let metadata = self.metadata(doc, out);
        let chosen = self.profile(doc, out)?;
        let profile = chosen.profile;
        check_enforced(profile, &doc.spec, out);

        let merged = merge(&profile.chosen_at(chosen.span), &doc.spec);
        let base: TenantSpec = deserialize(&merged)
            .map_err(|(message, span)| out.push(Diagnostic::new(&INVALID_VALUE, span, message)))
            .ok()?;
        self.check_parameters(&merged, out);

        let mut tenant = new_tenant(doc, &base, &metadata, &chosen, merged);
        tenant.platform_labels = self.platform_labels.get(name).cloned().unwrap_or_default();
        let draft = TenantDraft {
            resolver: self,
            doc,
            metadata: &metadata,
            profile,
            base: Arc::new(base),
            tenant: &tenant,
        };
        for placed in draft.place(out) {
            tenant.on.push(placed.on);
            add_claims(&mut tenant, &placed.spec);
        }

        tenant.merged = match self.keep_merged {
            true => merge(&profile.origins, &doc.spec),
            false => Node::new(tenant.name.span, NodeValue::Null),
        };
        Some(tenant)
    }

    fn metadata(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> TenantMetadata {
        let metadata: TenantMetadata = deserialize(&doc.metadata).unwrap_or_default();
        names::check_metadata(
            self.fleet.spec.tenant_metadata.as_ref(),
            metadata.labels.as_ref(),
            metadata.annotations.as_ref(),
            out,
        );
        metadata
    }

    fn profile(&self, doc: &TenantDoc, out: &mut Vec<Diagnostic>) -> Option<ChosenProfile<'_>> {
        let own = doc
            .spec
            .get("profile")
            .and_then(|node| Some((node.as_str()?, node.span)));

        let (name, span) = match (own, &self.fleet.spec.default_profile) {
            (Some(own), _) => own,
            (None, Some(default)) => (default.as_str(), default.span),
            (None, None) => ("restricted", doc.name.span),
        };

        let Some((name, profile)) = self.profiles.get_key_value(name) else {
            let span = own.map_or(doc.name.span, |(_, span)| span);
            let known: Vec<&str> = self.profiles.keys().copied().collect();
            let fix = did_you_mean_or(name, known.iter().copied(), || {
                format!("profiles: {}", known.join(", "))
            });
            let message = format!("there is no profile `{name}`");
            out.push(Diagnostic::new(&UNKNOWN_PROFILE, span, message).fix(fix));
            return None;
        };

        Some(ChosenProfile {
            name,
            profile,
            span,
        })
    }

    fn check_parameters(&self, merged: &Node, out: &mut Vec<Diagnostic>) {
        if let (Some(checker), Some(parameters)) = (self.parameters, merged.get("parameters")) {
            for mut finding in check_schema(checker, parameters) {
                finding.rule = &PARAMETERS;
                out.push(finding);
            }
        }
    }
}

/// A tenant on no cluster.
fn new_tenant(
    doc: &TenantDoc,
    base: &TenantSpec,
    metadata: &TenantMetadata,
    chosen: &ChosenProfile<'_>,
    merged: Node,
) -> Tenant {
    let is_looser = matches!(chosen.name, "baseline" | "adopted");
    let labels = metadata.labels.iter().flatten();

    Tenant {
        name: doc.name.clone(),
        input: format!("{}{}", &doc.metadata.digest()[..8], doc.spec.digest()),
        uuid: base.uuid.as_ref().map(|uuid| Spanned {
            value: uuid.to_string(),
            span: uuid.span,
            key: uuid.key,
        }),
        labels: labels
            .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
            .collect(),
        platform_labels: IndexMap::new(),
        hosts: Vec::new(),
        host_ceilings: chosen.profile.host_ceilings.clone(),
        file_keys: Vec::new(),
        principals: Vec::new(),
        profile: chosen.name.to_owned(),
        profile_span: chosen.span,
        chose_builtin: doc.spec.get("profile").is_some() && is_looser,
        merged,
        on: Vec::new(),
    }
}

impl TenantDraft<'_, '_> {
    /// Adds the owner that the fleet's group template makes, if no owner is named.
    pub(super) fn add_default_owner(&self, spec: &mut Arc<TenantSpec>, out: &mut Vec<Diagnostic>) {
        if spec.owners.iter().flatten().next().is_some() {
            return;
        }

        let organisation = self.resolver.fleet.spec.organisation.as_ref();
        let template = organisation.and_then(|organisation| organisation.group_template.as_ref());
        let Some(template) = template else {
            let entry = self.doc.spec.entry("owners");
            let span = entry.map_or(self.doc.name.span, |entry| entry.key_span);
            out.push(
                Diagnostic::new(&INCOMPLETE, span, "the tenant has no owner")
                    .fix("add spec.owners: [{group: NAME}], or a groupTemplate to the fleet"),
            );
            return;
        };

        let name = Value::from(&self.doc.name.value);
        let group = eval_text(template, &[("tenant", &name)]).and_then(|group| {
            leaf::Principal::try_from(group.clone())
                .map_err(|reason| format!("`{group}`: {reason}"))
        });

        match group {
            Ok(group) => {
                let subject = group_subject(Spanned::new(group, template.span));
                Arc::make_mut(spec).owners = Some(vec![Spanned::new(subject, template.span)]);
            }
            Err(reason) => {
                let message = format!("the owner's group cannot be made: {reason}");
                out.push(
                    Diagnostic::new(&DERIVED_NAME, self.doc.name.span, message)
                        .related(template.span, "the fleet's groupTemplate")
                        .fix("mend the groupTemplate"),
                );
            }
        }
    }
}

const fn group_subject(group: Spanned<leaf::Principal>) -> spec::SubjectSpec {
    spec::SubjectSpec {
        group: Some(group),
        user: None,
        service_account: None,
        role: None,
        cluster_role: None,
        level: None,
        namespaces: None,
        binding: None,
    }
}

/// Adds the hosts and principals that a tenant's spec on a cluster claims.
fn add_claims(tenant: &mut Tenant, spec: &TenantSpec) {
    let hosts = spec
        .allow
        .as_ref()
        .and_then(|allow| allow.ingress_hosts.as_ref());
    for host in hosts.into_iter().flatten() {
        if !tenant.hosts.iter().any(|known| known.value == host.value) {
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
            && !tenant.principals.iter().any(|known| known.value == value)
        {
            tenant.principals.push(Spanned::new(value, span));
        }
    }
}

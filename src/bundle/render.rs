//! Renders templates for each tenant, and checks each object.

use super::floor::{FLOOR_MISSING, check_floor, weakened};
use super::object::{Object, ObjectBody};
use super::template::{Failure, Yielded};
use super::{
    ClusterBundle, DUPLICATE_OBJECT, KIND_NOT_DECLARED, OBJECT_INVALID, OBJECT_NOT_ALLOWED,
    ObjectForm, ObjectSet, REQUIRED, Templates, TenantBundle, TenantManifests, durations,
    fix_of_version, schemas,
};
use crate::delivery::{self, ClusterEngine, Treatment};
use crate::diagnostic::{Diagnostic, Scope};
use crate::expression::NameScope;
use crate::kube::names::OWNER_LABEL;
use crate::kube::{ObjectId, kinds, validation};
use crate::source::{SourceMap, Span};
use crate::spec::FleetDoc;
use crate::spec::fleet::{ClusterSpec, ManifestPlace};
use crate::spec::leaf::{GroupKind, Line};
use crate::tenancy::MANIFESTS_ROLE;
use crate::tenancy::model::{OnCluster, Tenant, TenantNamespace};
use crate::value::{Entry, Text, Value, map, merge_entries};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Renders the tenants that are wanted on every cluster.
pub fn render<T: ObjectForm>(
    tenants: &[Tenant],
    fleet: &FleetDoc,
    templates: &Templates,
    manifests: &TenantManifests,
    sources: &SourceMap,
    wanted: &(dyn Fn(&str) -> bool + Sync),
) -> (Vec<ClusterBundle<T>>, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let mut bundles = Vec::new();

    for (index, cluster) in fleet.spec.clusters.iter().enumerate() {
        let renderer = Renderer::new(fleet, cluster, templates, manifests, sources);
        let platform = renderer.platform(&mut out);

        let here: Vec<(usize, &Tenant, &OnCluster)> = tenants
            .iter()
            .enumerate()
            .filter_map(|(at, tenant)| Some((at, tenant, tenant.on(index)?)))
            .filter(|(_, t, _)| wanted(&t.name.value))
            .collect();

        let rendered: Vec<(TenantBundle<T>, Vec<Diagnostic>)> = here
            .par_iter()
            .map(|(i, tenant, on)| renderer.tenant_bundle(*i, tenant, on))
            .collect();

        let mut made = Vec::with_capacity(rendered.len());
        for (bundle, faults) in rendered {
            out.extend(faults);
            made.push(bundle);
        }

        let bundle = ClusterBundle {
            cluster: index,
            platform,
            tenants: made,
        };

        required(&bundle, tenants, cluster, &mut out);
        bundles.push(bundle);
    }

    (bundles, out)
}

/// What in a spec an object is rendered from: the role that a RoleBinding binds, if a line names
/// it; else the namespace that the object is, or is in.
fn span_of(tenant: &Tenant, on: &OnCluster, id: &ObjectId) -> Span {
    let home = if id.namespace.is_empty() {
        &id.name
    } else {
        &id.namespace
    };
    let Some(namespace) = on.namespaces.iter().find(|one| one.name == *home) else {
        return tenant.name.span;
    };
    let binding = namespace
        .bindings
        .iter()
        .find(|binding| id.kind == "RoleBinding" && binding.name == *id.name);
    binding
        .and_then(|binding| binding.role_span)
        .unwrap_or(namespace.span)
}

/// Reports the objects that tenants require and no input defines.
fn required<T: ObjectForm>(
    bundle: &ClusterBundle<T>,
    tenants: &[Tenant],
    cluster: &ClusterSpec,
    out: &mut Vec<Diagnostic>,
) {
    let mut ids: Option<BTreeSet<&ObjectId>> = None;
    for part in &bundle.tenants {
        let tenant = &tenants[part.index];
        let Some(on) = tenant.on(bundle.cluster) else {
            continue;
        };

        for wanted in &on.requires {
            let ids = ids.get_or_insert_with(|| bundle.ids().collect());
            let group = wanted
                .api_version
                .split_once('/')
                .map_or("", |(g, _)| g)
                .into();

            let namespace = wanted
                .namespace
                .as_ref()
                .map_or("", |name| name.as_str())
                .into();
            let id = ObjectId {
                group,
                kind: wanted.kind.as_str().into(),
                namespace,
                name: wanted.name.as_str().into(),
            };

            if !ids.contains(&id) {
                let message = format!(
                    "`{id}` is required, and nothing among the inputs of `{}` defines it",
                    cluster.name.value
                );
                out.push(
                    Diagnostic::new(&REQUIRED, wanted.span, message)
                        .fix("add it to the inputs (a tenant's manifests, a template), or remove the requirement")
                        .tenant(&tenant.name.value),
                );
            }
        }
    }
}

struct Renderer<'a> {
    fleet: Value,
    cluster: Value,
    roles: Value,
    cluster_name: &'a str,
    cluster_span: Span,
    fleet_span: Span,
    owner: &'a str,
    engine_namespace: &'a str,
    apis: Option<&'a [Line]>,
    /// The minor of Kubernetes 1, if it is stated.
    minor: Option<u32>,
    templates: &'a Templates,
    manifests: &'a TenantManifests,
    sources: &'a SourceMap,
    annotations: AnnotationSets,
}

impl<'a> Renderer<'a> {
    fn new(
        fleet: &'a FleetDoc,
        cluster: &'a ClusterSpec,
        templates: &'a Templates,
        manifests: &'a TenantManifests,
        sources: &'a SourceMap,
    ) -> Self {
        let engine = ClusterEngine::new(&fleet.spec, cluster);
        let roles = fleet.spec.roles.iter().flatten().map(|role| {
            let rules = role.rules.iter().filter_map(|rule| serde_json::to_value(&rule.value).ok());
            map! { "name" => role.name.as_str(), "rules" => rules.map(|rule| Value::from(&rule)).collect::<Vec<_>>() }
        });

        let mut roles: Vec<Value> = roles.collect();
        if cluster.settled.manifests != ManifestPlace::Shared {
            let kinds = fleet.spec.tenant_kinds.iter().flatten();
            roles.push(manifests_role(kinds));
        }

        let labels = cluster
            .labels
            .iter()
            .flatten()
            .map(|(key, label)| -> Entry { (key.as_str().into(), label.as_str().into()) });

        let labels = cluster.labels.is_some().then(|| labels.collect::<Vec<_>>());
        Self {
            fleet: map! { "name" => &fleet.name.value },
            cluster: map! {
                "name" => cluster.name.as_str(),
                "labels" => labels,
                "ring" => cluster.ring.as_ref().map(|ring| ring.as_str()),
                "kubernetes" => cluster.kubernetes.as_ref().map(|version| version.as_str()),
                "flux" => map! {
                    "namespace" => engine.namespace(),
                    "version" => engine.version(),
                },
            },
            roles: roles.into(),
            cluster_name: cluster.name.as_str(),
            cluster_span: cluster.name.span,
            fleet_span: fleet.name.span,
            owner: &fleet.name.value,
            engine_namespace: engine.namespace(),
            apis: cluster.apis.as_deref(),
            minor: cluster.minor(),
            templates,
            manifests,
            sources,
            annotations: AnnotationSets::new(engine),
        }
    }

    fn base(&self) -> NameScope<'_> {
        let mut scope = NameScope::new();
        scope.push("fleet", &self.fleet);
        scope.push("cluster", &self.cluster);
        scope
    }

    fn platform<T: ObjectForm>(&self, out: &mut Vec<Diagnostic>) -> ObjectSet<T> {
        let mut scope = self.base();
        scope.push("roles", &self.roles);
        let mut found = Vec::new();

        for template in &self.templates.cluster {
            if let Err(failure) = template.eval(&scope, &mut found) {
                out.push(
                    failure
                        .finding("every tenant", self.fleet_span)
                        .scope(Scope::Fleet),
                );
            }
        }

        let mut objects: Vec<Object<'_>> = Vec::new();
        for (mut value, origin) in found {
            let labels = map! { OWNER_LABEL => self.owner };
            let made = checked(&value, origin, self.fleet_span, self.minor).map(|id| {
                decorate(&mut value, &labels, self.annotations.of(&id, None, false));
                Object {
                    id,
                    body: ObjectBody::Value(value),
                    origin,
                }
            });

            match made {
                Ok(object) if objects.iter().any(|earlier| earlier.id == object.id) => {
                    out.push(duplicate(&object, self.fleet_span).scope(Scope::Fleet));
                }
                Ok(object) => objects.push(object),
                Err(fault) => out.push(fault.scope(Scope::Fleet)),
            }
        }

        let keep = |object| T::of(object, self.fleet_span);
        ObjectSet {
            objects: in_order(objects).into_iter().map(keep).collect(),
        }
    }

    /// A tenant's objects, kept in the form that is asked for, and what is wrong with them.
    fn tenant_bundle<T: ObjectForm>(
        &self,
        index: usize,
        tenant: &Tenant,
        on: &OnCluster,
    ) -> (TenantBundle<T>, Vec<Diagnostic>) {
        let mut faults = Vec::new();
        let mut bundle = TenantBundle {
            tenant: tenant.name.value.clone(),
            index,
            core: ObjectSet::default(),
            deferred: ObjectSet::default(),
            manifests: ObjectSet::default(),
        };

        for object in self.tenant(tenant, on, &mut faults) {
            let set = if self.is_apart(&object, on) {
                &mut bundle.manifests
            } else if kinds::is_present(&object.id.group) {
                &mut bundle.core
            } else {
                &mut bundle.deferred
            };
            let span = span_of(tenant, on, &object.id);
            set.objects.push(T::of(object, span));
        }

        (bundle, faults)
    }

    /// Whether an object is applied apart from the floor: it is of a verbatim file, and no part of
    /// the floor of an adopted namespace.
    fn is_apart(&self, object: &Object<'_>, on: &OnCluster) -> bool {
        let id = &object.id;
        let is_verbatim = matches!(object.body, ObjectBody::Verbatim(..));
        let is_floor = kinds::is_floor(id) || (id.kind == "ServiceAccount" && id.name == "default");
        on.manifest_unit.is_some() && is_verbatim && !is_floor
    }

    /// A tenant's objects, in the order of applying.
    fn tenant(
        &self,
        tenant: &Tenant,
        on: &OnCluster,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<Object<'a>> {
        let mut yielded: Vec<Yielded> = Vec::new();
        if let Err(failure) = self.evaluate(on, &mut yielded) {
            out.push(failure.finding(&tenant.name.value, tenant.name.span));
            return Vec::new();
        }

        let before = out.len();
        let mut objects: Vec<Object<'_>> = Vec::with_capacity(yielded.len());
        let labels = Value::from(&on.tenant.common_labels);
        for one in yielded {
            match self.templated(one, &labels, tenant, on) {
                Ok(object) => objects.push(object),
                Err(fault) => out.push(self.about(tenant, *fault)),
            }
        }

        objects.extend(self.manifests.of(tenant, on, self.sources, out));
        // A finding about a kind is at the first object of the kind, so the order of the templates
        // is needed here.
        let mut undeclared = Vec::new();
        self.undeclared_kinds(&objects, tenant, &mut undeclared);
        let objects = self.each_once(in_order(objects), tenant, on, out);

        let is_clean = out.len() == before;
        out.extend(undeclared);
        if is_clean && !on.plain {
            check_floor(&objects, tenant, on, out);
        }
        objects
    }

    /// The object that a template yields for a tenant, with the labels and annotations of its
    /// objects.
    ///
    /// # Errors
    /// The value is no valid object, weakens the floor, or is not the tenant's to have.
    fn templated(
        &self,
        (mut value, origin): Yielded,
        labels: &Value,
        tenant: &Tenant,
        on: &OnCluster,
    ) -> Result<Object<'a>, Box<Diagnostic>> {
        let id = checked(&value, origin, tenant.name.span, self.minor)?;
        let span = || origin.unwrap_or_else(|| span_of(tenant, on, &id));
        let home = match id.kind.as_str() {
            "Namespace" => &id.name,
            _ => &id.namespace,
        };

        let namespace = on.namespaces.iter().find(|one| one.name == *home);
        let of_floor = namespace.and_then(|one| Some((one, one.floor_object(&id)?)));
        if !on.plain {
            let keep = of_floor.is_some_and(|(_, object)| object.closes());
            decorate(
                &mut value,
                labels,
                self.annotations.of(&id, namespace, keep),
            );
        }

        if let Some(part) = of_floor.and_then(|(one, object)| weakened(object, &value, one)) {
            let message = format!("a template renders {part} differently from the spec");
            let fix = "restore the template; the floor is loosened in the spec, with a Waiver";
            return Err(Box::new(
                Diagnostic::new(&FLOOR_MISSING, span(), message).fix(fix),
            ));
        }
        if let Some(fault) = self.manifests.definitions.check(&id, &value) {
            let message = format!("`{id}` is refused by its schema: {}", fault.reason);
            let fix = "mend the template, or the values of the spec that it uses";
            return Err(Box::new(
                Diagnostic::new(&OBJECT_INVALID, span(), message).fix(fix),
            ));
        }
        if let Some(reason) = self.not_allowed(&id, tenant, on) {
            let message = format!("`{id}` is not the tenant's to have: {reason}");
            let fix = "render objects of the tenant's own namespaces";
            return Err(Box::new(
                Diagnostic::new(&OBJECT_NOT_ALLOWED, span(), message).fix(fix),
            ));
        }

        Ok(Object {
            id,
            body: ObjectBody::Value(value),
            origin,
        })
    }

    /// Each object once, of objects in order; a second one of an identity is reported.
    fn each_once(
        &self,
        mut objects: Vec<Object<'a>>,
        tenant: &Tenant,
        on: &OnCluster,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<Object<'a>> {
        objects.dedup_by(|second, first| {
            let twice = second.id == first.id;
            if twice {
                let called = match second.body {
                    ObjectBody::Verbatim(..) => "the first",
                    ObjectBody::Value(_) => "the other",
                };

                let finding = match (second.origin, first.origin) {
                    (Some(span), Some(other)) => duplicate(second, span).related(other, called),
                    // The user's own definition is the one that can be changed.
                    (own, None) | (None, own) => {
                        let rendered_from = span_of(tenant, on, &second.id);
                        duplicate(second, own.unwrap_or(rendered_from)).related(
                            rendered_from,
                            format!("{called}: a built-in template renders it for this"),
                        )
                    }
                };

                out.push(self.about(tenant, finding));
            }

            twice
        });
        objects
    }

    /// A finding about a tenant, with the place of the tenant.
    fn about(&self, tenant: &Tenant, finding: Diagnostic) -> Diagnostic {
        let finding = if finding.span == tenant.name.span {
            finding
        } else {
            finding.related(tenant.name.span, "for this tenant")
        };
        finding.tenant(&tenant.name.value)
    }

    fn evaluate(&self, on: &OnCluster, found: &mut Vec<Yielded>) -> Result<(), Failure> {
        let tenant = Value::from(&on.tenant);
        let mut base = self.base();
        base.push("tenant", &tenant);

        for namespace in &on.namespaces {
            let value = Value::from(namespace);
            let scope = base.with(&[("namespace", &value)]);
            let templates = if on.plain {
                &self.templates.compat
            } else {
                &self.templates.namespace
            };
            for template in templates {
                template.eval(&scope, found)?;
            }
        }

        if on.plain {
            return Ok(());
        }
        let deployers = Value::from(on.deployers.iter().map(Value::from).collect::<Vec<_>>());
        let scope = base.with(&[("deployers", &deployers)]);
        for template in &self.templates.tenant {
            template.eval(&scope, found)?;
        }

        for sync in &on.syncs {
            let value = Value::from(sync);
            let scope = base.with(&[("sync", &value)]);
            for template in &self.templates.sync {
                template.eval(&scope, found)?;
            }
        }

        Ok(())
    }

    /// Objects of kinds that the cluster says it does not have, one finding a kind.
    fn undeclared_kinds(&self, objects: &[Object<'_>], tenant: &Tenant, out: &mut Vec<Diagnostic>) {
        let Some(apis) = self.apis else { return };
        let declared = |id: &ObjectId| {
            apis.iter().any(|api| {
                let mut parts = api.split('/');
                parts.next() == Some(id.group.as_str())
                    && parts.next_back() == Some(id.kind.as_str())
            })
        };

        let mut seen: BTreeSet<String> = BTreeSet::new();
        for object in objects
            .iter()
            .filter(|object| !kinds::is_present(&object.id.group) && !declared(&object.id))
        {
            if seen.insert(object.id.type_name()) {
                let message = format!(
                    "the cluster `{}` does not say that it has {}",
                    self.cluster_name,
                    object.id.type_name()
                );
                let fix = "add it to the cluster's apis once its CRD is installed";
                let span = object.origin.unwrap_or(self.cluster_span);
                out.push(self.about(
                    tenant,
                    Diagnostic::new(&KIND_NOT_DECLARED, span, message).fix(fix),
                ));
            }
        }
    }

    /// Why an object is not the tenant's to have.
    fn not_allowed(&self, id: &ObjectId, tenant: &Tenant, on: &OnCluster) -> Option<String> {
        let own = |name: &str| on.namespaces.iter().any(|namespace| namespace.name == name);
        if id.kind == "Namespace" && id.group.is_empty() {
            return (!own(&id.name)).then(|| format!("`{}` is not one of its namespaces", id.name));
        }

        if kinds::is_cluster_scoped(id) || id.namespace.is_empty() {
            return Some(format!(
                "it is an object of the cluster `{}`",
                self.cluster_name
            ));
        }

        if own(&id.namespace) {
            return None;
        }
        let prefix = delivery::system_name(&tenant.name.value, "");
        let its_own = id.namespace == self.engine_namespace && id.name.starts_with(&prefix);
        let made_for_sync = on
            .deployers
            .iter()
            .any(|deployer| deployer.namespace == id.namespace)
            || on.syncs.iter().any(|sync| sync.namespace == id.namespace);

        (!(its_own && made_for_sync))
            .then(|| format!("`{}` is not one of its namespaces", id.namespace))
    }
}

/// The role of the accounts that apply verbatim files: it writes each kind that tenants may have, and
/// no kind of the floor. `kinds` are those of CRDs.
fn manifests_role<'k>(kinds: impl Iterator<Item = &'k GroupKind>) -> Value {
    let mut resources: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (group, kind) in kinds::tenant_kinds() {
        let plurals = resources.entry(group.name).or_default();
        plurals.insert(kind.plural.to_owned());
    }
    for listed in kinds {
        let mut parts = listed.as_str().split('/');
        let (Some(group), Some(kind)) = (parts.next(), parts.next()) else {
            continue;
        };
        let stated = parts.next().map(str::to_owned);
        let plural = stated.unwrap_or_else(|| kinds::plural(group, kind));
        resources.entry(group).or_default().insert(plural);
    }

    let verbs = [
        "get", "list", "watch", "create", "update", "patch", "delete",
    ];
    let texts = |texts: Vec<&str>| texts.into_iter().map(Value::from).collect::<Vec<_>>();
    let rules = resources.iter().map(|(group, plurals)| {
        map! {
            "apiGroups" => texts(vec![group]),
            "resources" => texts(plurals.iter().map(String::as_str).collect()),
            "verbs" => texts(verbs.to_vec()),
        }
    });
    map! { "name" => MANIFESTS_ROLE, "rules" => rules.collect::<Vec<_>>() }
}

fn duplicate(object: &Object<'_>, span: Span) -> Diagnostic {
    Diagnostic::new(
        &DUPLICATE_OBJECT,
        span,
        format!("`{}` is defined twice", object.id),
    )
    .fix("remove one of the two")
}

/// The annotations that every object of a tenant has, also against its template. There are four
/// sets, each made once.
struct AnnotationSets([Value; 4]);

impl AnnotationSets {
    fn new(engine: ClusterEngine<'_>) -> Self {
        let of = |keep, merge| Value::from(engine.annotations(Treatment { keep, merge }));
        Self([
            of(false, false),
            of(true, false),
            of(false, true),
            of(true, true),
        ])
    }

    /// Those of an object in a namespace. `keep` says whether it stays when it leaves the tree.
    fn of(&self, id: &ObjectId, namespace: Option<&TenantNamespace>, keep: bool) -> &Value {
        let adopted = namespace.is_some_and(|namespace| {
            namespace.adopt && (kinds::is_floor(id) || id.kind == "ServiceAccount")
        });
        &self.0[usize::from(keep) + 2 * usize::from(adopted)]
    }
}

/// Sets labels and annotations that no template can leave out or change. Objects without others
/// share them.
fn decorate(value: &mut Value, labels: &Value, annotations: &Value) {
    let Some(metadata) = value.get_mut("metadata") else {
        return;
    };
    metadata.change(|metadata| {
        for (field, more) in [("labels", labels), ("annotations", annotations)] {
            match metadata.iter_mut().find(|(key, _)| key == field) {
                Some((_, found)) if !found.entries().is_empty() => {
                    found.change(|entries| merge_entries(entries, more.entries().iter().cloned()));
                }
                Some((_, found)) => *found = more.clone(),
                None => metadata.push((Text::new_static(field), more.clone())),
            }
        }
    });
}

/// The identity of an object that a template yields, if its schema accepts it, or, for a kind without
/// one, the API server of a minor. Without an `origin`, the template is built in, and a fault is at
/// `spec_span`.
fn checked(
    value: &Value,
    origin: Option<Span>,
    spec_span: Span,
    minor: Option<u32>,
) -> Result<ObjectId, Box<Diagnostic>> {
    let refused = |message: String, hangs_on_minor: bool| {
        let fix = match origin {
            Some(_) => "mend the template",
            None => "change the values of the spec that the object is made of",
        };
        let fix = fix_of_version(fix.to_owned(), hangs_on_minor);
        let span = origin.unwrap_or(spec_span);
        Box::new(Diagnostic::new(&OBJECT_INVALID, span, message).fix(fix))
    };
    let invalid = |message: String| refused(message, false);

    let id = ObjectId::of(value)
        .map_err(|reason| invalid(format!("the template yields no object: {reason}")))?;
    let version = value.get("apiVersion").and_then(Value::as_str);
    if let Some(unserved) = validation::find_unserved(&id, version.unwrap_or_default(), minor)
        && unserved.is_request
    {
        return Err(invalid(format!("`{id}` would not be applied: {unserved}")));
    }
    if kinds::is_unknown_to_kubernetes(&id) {
        return Err(invalid(format!(
            "Kubernetes has no kind {}",
            id.type_name()
        )));
    }

    if let Some((_, text)) = durations::out_of_range(&id, value) {
        return Err(invalid(durations::message(&id, text)));
    }
    match schemas::check(value) {
        Some(faults) if !faults.is_empty() => Err(invalid(format!(
            "`{id}` is refused by its schema: {}",
            faults.join("; ")
        ))),
        Some(_) => Ok(id),
        None => match refusal(&id, value, minor) {
            Some(fault) => Err(refused(
                format!("`{id}` would not be applied: {}", fault.reason),
                fault.hangs_on_minor,
            )),
            None => Ok(id),
        },
    }
}

/// Why the API server of a minor does not take an object.
struct MinorFault {
    reason: String,
    /// Whether that of another minor may take it.
    hangs_on_minor: bool,
}

/// Finds the reason why the API server of a minor takes no such object.
fn refusal(id: &ObjectId, value: &Value, minor: Option<u32>) -> Option<MinorFault> {
    let version = value.get("apiVersion").and_then(Value::as_str);
    let version = version.unwrap_or_default();
    if let Some(unserved) = validation::find_unserved(id, version, minor) {
        return Some(MinorFault {
            reason: unserved.to_string(),
            hangs_on_minor: unserved.minors.is_some(),
        });
    }

    let refusal = validation::check(id, version, value, minor)?;
    Some(MinorFault {
        reason: refusal.to_string(),
        hangs_on_minor: refusal.hangs_on_minor(),
    })
}

/// Objects in the order of applying.
fn in_order(mut objects: Vec<Object<'_>>) -> Vec<Object<'_>> {
    objects.sort_by_cached_key(|object| kinds::apply_order(&object.id));
    for those in objects.chunk_by_mut(|a, b| kinds::apply_order(&a.id) == kinds::apply_order(&b.id))
    {
        those.sort_by(|a, b| a.id.cmp(&b.id));
    }
    objects
}

//! A tenant on each of its clusters: the clusters that it is on, and its settings there.

use super::FLUX_CREATE_TENANT;
use super::merge::merge;
use super::model::{OnCluster, TenantContext, TenantNamespace};
use super::namespace::ClusterSettings;
use super::profile::{self, check_ceiling};
use super::size;
use super::subjects::Binder;
use super::tenant::{INCOMPLETE, TenantDraft};
use super::waivers::Loosening;
use crate::diagnostic::{Diagnostic, rule};
use crate::document::{Node, NodeValue, Spanned, deserialize};
use crate::kube::names::{OWNER_LABEL, TENANT_LABEL};
use crate::source::Span;
use crate::spec::did_you_mean_or;
use crate::spec::fleet::ClusterSpec;
use crate::spec::leaf::Name;
use crate::spec::tenant::{LabelSelector, Override, TenantSpec};
use crate::value::{Entry, Text};
use indexmap::IndexMap;
use std::sync::Arc;

rule! {
    /// A cluster that the fleet does not have, or a selector that matches none.
    pub static UNKNOWN_CLUSTER = "tenancy/unknown-cluster", Error;
}

/// A tenant on one cluster, and the spec that it was resolved from.
pub(super) struct PlacedTenant {
    pub on: OnCluster,
    pub spec: Arc<TenantSpec>,
}

impl<'w> TenantDraft<'_, 'w> {
    fn all_clusters(&self) -> &[ClusterSpec] {
        &self.resolver.fleet.spec.clusters
    }

    /// The tenant on each of its clusters, in the order of the fleet. A cluster on which it has no
    /// namespace is left out.
    pub(super) fn place(&self, out: &mut Vec<Diagnostic>) -> Vec<PlacedTenant> {
        let clusters = self.clusters(out);
        self.check_cluster_ceiling(&clusters, out);

        let mut lines = 0;
        clusters
            .into_iter()
            .filter_map(|cluster| self.on_cluster(cluster, &mut lines, out))
            .collect()
    }

    /// The indices of the tenant's clusters in the fleet.
    fn clusters(&self, out: &mut Vec<Diagnostic>) -> Vec<usize> {
        let all = self.all_clusters();
        match (&self.base.clusters, &self.base.cluster_selector) {
            (Some(listed), _) => {
                if listed.is_empty() {
                    let entry = self.doc.spec.entry("clusters");
                    let span = entry.map_or(self.doc.name.span, |entry| entry.key_span);
                    out.push(
                        Diagnostic::new(&INCOMPLETE, span, "the tenant is on no cluster")
                            .fix("name one"),
                    );
                }
                named_clusters(all, listed, out)
            }
            (None, Some(selector)) => {
                selected_clusters(all, selector, "no cluster has these labels", out)
            }
            (None, None) if all.len() == 1 => vec![0],
            (None, None) => {
                let message = format!(
                    "the fleet has {} clusters, and the tenant names none",
                    all.len()
                );
                out.push(
                    Diagnostic::new(&INCOMPLETE, self.doc.name.span, message).fix(format!(
                        "add spec.clusters, of {}; or defaults.clusters to the profile of \
                             such tenants",
                        names_of(all)
                    )),
                );
                Vec::new()
            }
        }
    }

    /// Reports each of the tenant's clusters that its profile does not allow, however the spec chose
    /// it: by name, by labels, or as the only one of the fleet.
    fn check_cluster_ceiling(&self, chosen: &[usize], out: &mut Vec<Diagnostic>) {
        let selector = self.base.cluster_selector.as_ref();
        let chosen_at = selector.map_or(self.doc.name.span, |selector| selector.span);

        for &index in chosen {
            let name = self.all_clusters()[index].name.as_str();
            let mut listed = self.base.clusters.iter().flatten();
            let listed = listed.find(|cluster| cluster.as_str() == name);
            let span = listed.map_or(chosen_at, |cluster| cluster.span);
            profile::check_cluster(self.profile, name, span, out);
        }
    }

    /// The overrides of a cluster, merged; `None` if it has no overrides.
    fn overrides(&self, cluster: usize, out: &mut Vec<Diagnostic>) -> Option<Node> {
        let all = self.all_clusters();
        let typed = self.base.overrides.as_deref().unwrap_or_default();
        let nodes = self.tenant.merged.get("overrides");
        let nodes = nodes.map_or(&[][..], Node::items);

        let mut sum: Option<Node> = None;
        for (node, part) in nodes.iter().zip(typed) {
            if !overridden_clusters(all, part, out).contains(&cluster) {
                continue;
            }
            let settings = settings_of_override(node);
            sum = Some(match sum {
                Some(sum) => merge(&sum, &settings),
                None => settings,
            });
        }

        sum
    }

    /// Resolves the tenant on one cluster, and adds the lines that it renders there. `None` if it has
    /// no namespace there, or renders too much, which is reported.
    fn on_cluster(
        &self,
        index: usize,
        lines: &mut usize,
        out: &mut Vec<Diagnostic>,
    ) -> Option<PlacedTenant> {
        let cluster = &self.all_clusters()[index];
        let overrides = self.overrides(index, out);
        let overridden = overrides
            .as_ref()
            .map(|overrides| merge(&self.tenant.merged, overrides));

        let tree = overridden.as_ref().unwrap_or(&self.tenant.merged);
        let mut spec = match &overridden {
            Some(tree) => Arc::new(deserialize(tree).ok()?),
            None => Arc::clone(&self.base),
        };

        *lines = size::check(self.doc, &spec, *lines, out)?;
        check_ceiling(self.profile, &spec, out);
        self.add_default_owner(&mut spec, out);

        let settings = ClusterSettings {
            draft: self,
            tree,
            overrides: overrides.as_ref(),
            spec: &spec,
        };
        let mut namespaces = settings.namespaces(out);
        if namespaces.is_empty() {
            return None;
        }

        let binder = self.binder();
        for owner in spec.owners.iter().flatten() {
            binder.bind(owner, Some("owner"), &mut namespaces, out);
        }
        for member in spec.members.iter().flatten() {
            binder.bind(member, None, &mut namespaces, out);
        }
        let (syncs, mut deployers) = self.syncs(&binder, &spec, cluster, &mut namespaces, out);
        let apart = self.manifests_apart(&spec, cluster, &mut namespaces, out);
        deployers.extend(apart.account);

        if let Some(flag) = spec.flux_create_tenant() {
            self.require_plain_waivers(flag.span, &namespaces, out);
        }

        let promised = match cluster.capacity {
            Some(_) => spec.quota.clone(),
            None => None,
        };
        let on = OnCluster {
            cluster: index,
            manifests: spec.manifests.clone().unwrap_or_default(),
            manifest_unit: apart.unit,
            requires: spec.requires.clone().unwrap_or_default(),
            plain: spec.flux_create_tenant().is_some(),
            promised,
            tenant: self.context(&spec, &namespaces),
            namespaces,
            syncs,
            deployers,
        };
        Some(PlacedTenant { on, spec })
    }

    fn binder(&self) -> Binder<'_, 'w> {
        Binder {
            fleet: &self.resolver.fleet.spec,
            waivers: &self.resolver.waivers,
            tenant: &self.tenant.name.value,
        }
    }

    /// Reports each namespace that is rendered without a floor, unless a waiver permits it.
    fn require_plain_waivers(
        &self,
        span: Span,
        namespaces: &[TenantNamespace],
        out: &mut Vec<Diagnostic>,
    ) {
        let message = "rendered as `flux create tenant` would: without a floor";
        for namespace in namespaces {
            let object = format!("Namespace/{}", namespace.name);
            let loosening = Loosening {
                rule: &FLUX_CREATE_TENANT,
                tenant: &self.tenant.name.value,
                object: &object,
            };
            self.resolver
                .waivers
                .require_waiver(&loosening, span, message, "remove it", out);
        }
    }

    /// The values that templates see as `tenant`.
    fn context(&self, spec: &TenantSpec, namespaces: &[TenantNamespace]) -> TenantContext {
        let tenant = self.tenant;
        let mut compat_labels = tenant.labels.clone();
        compat_labels.insert(
            Text::new_static("toolkit.fluxcd.io/tenant"),
            tenant.name.as_str().into(),
        );
        compat_labels.sort_keys();

        let compat_role = spec
            .compat
            .as_ref()
            .and_then(|compat| compat.cluster_role.as_ref());
        let parameters = spec.parameters.iter().flat_map(|stated| &stated.value);
        let parameters: Vec<Entry> = parameters
            .map(|(key, value)| (key.into(), value.into()))
            .collect();

        TenantContext {
            name: tenant.name.value.clone(),
            uuid: tenant.uuid.as_ref().map(|uuid| uuid.value.clone()),
            display_name: spec
                .display_name
                .as_ref()
                .map(|name| name.value.to_string()),
            description: spec.description.as_ref().map(|text| text.value.clone()),
            parameters: parameters.into(),
            labels: tenant.labels.clone(),
            namespaces: namespaces.iter().map(|one| one.name.clone()).collect(),
            common_labels: self.common_labels(),
            compat_cluster_role: compat_role
                .map_or_else(|| "cluster-admin".into(), |role| role.value.to_string()),
            compat_labels,
        }
    }

    /// The labels of every object of the tenant.
    fn common_labels(&self) -> IndexMap<Text, Text> {
        let fleet = self.resolver.fleet;
        let name = Text::from(self.tenant.name.as_str());
        let mut labels = IndexMap::from([
            (
                Text::new_static(OWNER_LABEL),
                Text::from(fleet.name.as_str()),
            ),
            (Text::new_static(TENANT_LABEL), name.clone()),
        ]);

        let Some(keys) = &fleet.spec.label_keys else {
            return labels;
        };
        let tenant_keys = keys.tenant.iter().flatten();
        labels.extend(tenant_keys.map(|key| (key.as_str().into(), name.clone())));

        if let Some(uuid) = &self.tenant.uuid {
            let uuid_keys = keys.uuid.iter().flatten();
            labels.extend(uuid_keys.map(|key| (key.as_str().into(), uuid.as_str().into())));
        }
        labels
    }
}

fn names_of(clusters: &[ClusterSpec]) -> String {
    let names: Vec<&str> = clusters
        .iter()
        .map(|cluster| cluster.name.as_str())
        .collect();
    names.join(", ")
}

/// The indices of clusters by name, in the order of the fleet. Reports a name that it does not have.
fn named_clusters(
    all: &[ClusterSpec],
    listed: &[Spanned<Name>],
    out: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    let mut found = Vec::new();
    for wanted in listed {
        let at = all
            .iter()
            .position(|cluster| cluster.name.as_str() == wanted.as_str());
        match at {
            Some(at) => found.push(at),
            None => {
                let known = all.iter().map(|cluster| cluster.name.as_str());
                let fix = did_you_mean_or(wanted, known, || format!("clusters: {}", names_of(all)));
                let message = format!("there is no cluster `{}`", wanted.value);
                out.push(Diagnostic::new(&UNKNOWN_CLUSTER, wanted.span, message).fix(fix));
            }
        }
    }

    found.sort_unstable();
    found.dedup();
    found
}

/// The indices of the clusters that a selector matches. Reports with `message` if there are none.
fn selected_clusters(
    all: &[ClusterSpec],
    selector: &Spanned<LabelSelector>,
    message: &str,
    out: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    let is_selected = |cluster: &ClusterSpec| {
        let labels = cluster.labels.as_ref();
        let mut wanted = selector.match_labels.iter();
        wanted.all(|(key, value)| labels.is_some_and(|labels| labels.get(key) == Some(value)))
    };

    let found: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(|(_, cluster)| is_selected(cluster))
        .map(|(at, _)| at)
        .collect();
    if found.is_empty() {
        out.push(
            Diagnostic::new(&UNKNOWN_CLUSTER, selector.span, message)
                .fix("mend the labels, or list the clusters"),
        );
    }
    found
}

fn overridden_clusters(
    all: &[ClusterSpec],
    part: &Override,
    out: &mut Vec<Diagnostic>,
) -> Vec<usize> {
    match (&part.clusters, &part.cluster_selector) {
        (Some(listed), _) => named_clusters(all, listed, out),
        (None, Some(selector)) => {
            let message = "no cluster has these labels: the override is never used";
            selected_clusters(all, selector, message, out)
        }
        (None, None) => Vec::new(),
    }
}

/// An override without the fields that name its clusters.
fn settings_of_override(node: &Node) -> Node {
    let mut settings = node.clone();
    if let NodeValue::Map(entries) = &mut settings.value {
        entries.retain(|entry| !matches!(entry.key.as_str(), "clusters" | "clusterSelector"));
    }
    settings
}

//! Who may claim a volume that is nobody's yet.

use crate::graph::quota::{Governed, Quota};
use crate::graph::rbac::Binding;
use crate::graph::storage::{Volume, VolumeClaim};
use crate::graph::{Cluster, InputKind, Owner};
use crate::isolation::capability::{APPLY_BY_FLUX, CREATE_PODS, Permission, giving};
use crate::isolation::{Step, tenant_of};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The tenants that may claim volumes, and the claims that name none.
pub(super) struct Claimants<'a> {
    cluster: &'a Cluster,
    /// Tenants that may create claims, each with a binding that lets it.
    creators: BTreeMap<u32, &'a Binding>,
    /// The claims of tenants that name no volume, by class.
    waiting: BTreeMap<&'a str, Vec<(u32, &'a VolumeClaim)>>,
    /// Classes that claims without a class get.
    defaults: BTreeSet<&'a str>,
    /// Tenants of which a quota allows no claims.
    barred: BTreeSet<u32>,
}

/// Somebody that may claim a volume.
pub(super) struct Claimant<'a> {
    pub tenant: u32,
    by: ClaimedBy<'a>,
}

enum ClaimedBy<'a> {
    /// A claim that is there.
    Claim(&'a VolumeClaim),
    /// A claim that it may create.
    Right(&'a Binding),
}

impl Claimant<'_> {
    /// How it gets the volume.
    pub fn step(&self, volume: &Volume) -> Step {
        let asks = match volume.class.as_str() {
            "" => "no class".to_owned(),
            class => format!("class `{class}`"),
        };
        match &self.by {
            ClaimedBy::Claim(claim) => Step::new(
                claim.origin.span,
                format!("{} asks for {asks}, and may be given it", claim.id.called()),
            )
            .through(&claim.id),
            ClaimedBy::Right(binding) => Step::new(
                binding.origin.span,
                format!("{} lets it create claims of {asks}", binding.called()),
            ),
        }
    }
}

/// Creates claims.
const CREATE_CLAIMS: [Permission; 1] = [Permission::new(
    "",
    &["persistentvolumeclaims"],
    &["create"],
)];

impl<'a> Claimants<'a> {
    pub fn new(cluster: &'a Cluster) -> Self {
        let mut creators = BTreeMap::new();
        for binding in &cluster.rbac.bindings {
            let Some((tenant, _)) = tenant_of(cluster, &binding.id.namespace) else {
                continue;
            };
            if binding.origin.input == InputKind::Builtin || creators.contains_key(&tenant) {
                continue;
            }
            let rules = cluster.rbac.role(binding).map(|role| &role.rules);
            // A pod or what makes pods may bring its claims along.
            let creates = rules.is_some_and(|rules| {
                giving(&CREATE_CLAIMS, rules).is_some()
                    || CREATE_PODS.given_by(rules).is_some()
                    || APPLY_BY_FLUX.given_by(rules).is_some()
            });
            if creates {
                creators.insert(tenant, binding);
            }
        }

        let mut waiting: BTreeMap<&str, Vec<(u32, &VolumeClaim)>> = BTreeMap::new();
        for claim in cluster
            .facts
            .claims
            .iter()
            .filter(|claim| claim.volume.is_none())
        {
            if let Some((tenant, _)) = tenant_of(cluster, &claim.id.namespace) {
                let class = claim.class.as_deref().unwrap_or_default();
                waiting.entry(class).or_default().push((tenant, claim));
            }
        }

        let classes = cluster.facts.storage_classes.iter();
        let defaults = classes.filter(|class| class.is_default);
        Self {
            cluster,
            creators,
            waiting,
            defaults: defaults.map(|class| class.id.name.as_str()).collect(),
            barred: barred(cluster),
        }
    }

    /// A tenant, other than an owner, that may claim a volume of no claim.
    pub fn of(&self, volume: &Volume, owner: Option<Owner>) -> Option<Claimant<'a>> {
        let other = |tenant: u32| owner != Some(Owner::Tenant(tenant));

        let by_class = self.waiting.get(volume.class.as_str());
        // The empty class stands here for claims that name none, too.
        let by_default = self.defaults.contains(volume.class.as_str());
        let by_default = by_default.then(|| self.waiting.get("")).flatten();
        let mut claims = by_class.into_iter().chain(by_default).flatten();
        let takes = |claim: &VolumeClaim| {
            let selector = claim.selector.as_ref();
            selector.is_none_or(|selector| selector.matches(&volume.labels))
        };
        let claim = claims.find(|(tenant, claim)| other(*tenant) && takes(claim));
        if let Some((tenant, claim)) = claim {
            return Some(Claimant {
                tenant: *tenant,
                by: ClaimedBy::Claim(claim),
            });
        }

        let mut creators = self.creators.iter();
        let may = |tenant: u32| other(tenant) && !self.barred.contains(&tenant);
        let (tenant, binding) = creators.find(|(tenant, _)| may(**tenant))?;
        Some(Claimant {
            tenant: *tenant,
            by: ClaimedBy::Right(binding),
        })
    }

    /// The first two tenants that have a claim of a class, or may create one.
    pub fn of_class(&self, class: &str) -> Vec<u32> {
        let waiting = self.waiting.get(class).into_iter().flatten();
        let named = self.cluster.facts.claims.iter().filter_map(|claim| {
            let of_class = claim.class.as_deref() == Some(class);
            let (tenant, _) = tenant_of(self.cluster, &claim.id.namespace)?;
            of_class.then_some(tenant)
        });
        let creators = self.creators.keys().copied();
        let creators = creators.filter(|tenant| !self.barred.contains(tenant));

        let mut tenants: Vec<u32> = Vec::new();
        for tenant in waiting
            .map(|(tenant, _)| *tenant)
            .chain(named)
            .chain(creators)
        {
            if !tenants.contains(&tenant) {
                tenants.push(tenant);
            }
            if tenants.len() == 2 {
                break;
            }
        }
        tenants
    }
}

/// The tenants in each of whose namespaces a quota allows no claims.
fn barred(cluster: &Cluster) -> BTreeSet<u32> {
    let bars = |quota: &&Quota| {
        let names = ["persistentvolumeclaims", "count/persistentvolumeclaims"];
        let mut amounts = names.iter().filter_map(|name| quota.amounts.get(*name));
        amounts.any(|zero| *zero)
    };
    let quotas = cluster.facts.quotas.iter().filter(bars);
    let closed: BTreeSet<&Text> = quotas
        .filter_map(|quota| match &quota.governs {
            Governed::Namespace(name) => Some(name),
            Governed::Selected { .. } => None,
        })
        .collect();

    let tenants = cluster.tenants.iter().enumerate();
    tenants
        .filter(|(_, tenant)| tenant.namespaces.iter().all(|name| closed.contains(name)))
        .map(|(at, _)| at as u32)
        .collect()
}

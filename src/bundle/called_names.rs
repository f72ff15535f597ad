//! Services that stand for a name or an address of the fleet: what one document alone does not show.

use super::manifests::TenantManifests;
use super::reached_name::{address, plain};
use crate::diagnostic::Diagnostic;
use crate::document::Node;
use crate::kube::ObjectId;
use crate::source::SourceMap;
use crate::spec::fleet::FleetSpec;
use crate::tenancy::model::Tenant;
use crate::tenancy::{ClaimKey, Prior, THROUGH_CONTROLLER, Tenancy, reserved, usual_platform};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The tenants that have each namespace, by the cluster and the name.
type Homes<'a> = BTreeMap<(usize, &'a str), BTreeSet<&'a str>>;

/// Reports each `externalName` without a waiver that is an address in a range of a cluster of its
/// tenant, or two labels of which the second is a namespace of the platform or another tenant.
///
/// A controller completes a short name by its own search list, so that `web.shop` is
/// `web.shop.svc.cluster.local`. A Service that was rendered with the name before stays, whichever
/// namespace another tenant takes: no tenant stops another so.
pub fn check_external_names(
    tenancy: &Tenancy,
    fleet: &FleetSpec,
    manifests: &TenantManifests,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let mut homes = Homes::new();
    for tenant in tenancy.tenants.iter().chain(&tenancy.failing) {
        for on in &tenant.on {
            for namespace in &on.namespaces {
                let of_home = homes.entry((on.cluster, &namespace.name)).or_default();
                of_home.insert(&tenant.name.value);
            }
        }
    }

    for tenant in &tenancy.tenants {
        let check = NameCheck {
            tenant,
            fleet,
            manifests,
            prior,
            homes: &homes,
        };
        for document in manifests.documents(tenant, sources) {
            let Ok(id) = ObjectId::of(&document.root) else {
                continue;
            };
            let Some(name) = external_name(&id, &document.root) else {
                continue;
            };
            let Some(reason) = check.reason(&id, name) else {
                continue;
            };

            let owner = &tenant.name.value;
            let object = format!("Service/{}/{}", id.namespace, id.name);
            if tenancy.permits.permits(&THROUGH_CONTROLLER, owner, &object) {
                continue;
            }
            let message = format!("`{id}` stands for {reason}");
            let fix = format!(
                "name a host outside of the cluster, in full, or write a Waiver of `{}` for {object}",
                THROUGH_CONTROLLER.id
            );
            let finding = Diagnostic::new(&THROUGH_CONTROLLER, name.span, message);
            out.push(finding.fix(fix).tenant(owner));
        }
    }
}

fn external_name<'a>(id: &ObjectId, root: &'a Node) -> Option<&'a Node> {
    let is_service = id.group.is_empty() && id.kind == "Service";
    root.at(&["spec", "externalName"]).filter(|_| is_service)
}

struct NameCheck<'a> {
    tenant: &'a Tenant,
    fleet: &'a FleetSpec,
    manifests: &'a TenantManifests,
    prior: &'a Prior<'a>,
    homes: &'a Homes<'a>,
}

impl NameCheck<'_> {
    /// What a name stands for, if the tenant may not have it.
    fn reason(&self, id: &ObjectId, node: &Node) -> Option<String> {
        let name = plain(node.as_str()?);
        if let Some(address) = address(&name) {
            let is_within = |cidr: &str| {
                let net: Option<IpNet> = cidr.parse().ok();
                net.is_some_and(|net| net.contains(&address))
            };
            let ranges = self.tenant.on.iter().flat_map(|on| {
                let ranges = self.fleet.clusters[on.cluster].own_ranges();
                ranges.map(|(field, cidrs)| (field, cidrs.iter().flatten()))
            });
            let mut found = ranges.filter_map(|(field, mut cidrs)| {
                let cidr = cidrs.find(|cidr| is_within(cidr.as_str()))?;
                Some(format!(
                    "`{address}`, an address of the {field} {}",
                    cidr.value
                ))
            });
            return found.next();
        }

        let (_, home) = name
            .split_once('.')
            .filter(|(_, rest)| !rest.contains('.'))?;
        let mut own = self.tenant.on.iter().flat_map(|on| &on.namespaces);
        if own.any(|namespace| namespace.name == home) {
            return None;
        }
        if reserved(self.fleet, home).is_some() || usual_platform(home).is_some() {
            return Some(format!(
                "`{name}`, a Service of the platform's namespace `{home}` to a controller"
            ));
        }
        let mut clusters = self.tenant.on.iter().map(|on| on.cluster);
        let other = clusters.find_map(|cluster| self.other_tenant(cluster, home, id, &name))?;
        Some(format!(
            "`{name}`, a Service of `{other}` to a controller: it has the namespace `{home}`"
        ))
    }

    /// The other tenant that has a namespace, unless the Service was rendered before.
    fn other_tenant(
        &self,
        cluster: usize,
        home: &str,
        id: &ObjectId,
        name: &str,
    ) -> Option<String> {
        let last = self.manifests.last.of(cluster, id).iter();
        let mut last = last.filter_map(|old| external_name(id, old)?.as_str());
        if last.any(|old| plain(old) == name) {
            return None;
        }
        let key = ClaimKey::namespace(self.fleet.clusters[cluster].name.as_str(), home);
        let declared = self.homes.get(&(cluster, home)).into_iter().flatten();
        let mut holders = declared.copied().chain(self.prior.holders(&key));
        let own = self.tenant.name.value.as_str();
        holders.find(|holder| *holder != own).map(str::to_owned)
    }
}

//! Names and addresses of the fleet that objects make a controller call: what one document alone does
//! not show.

use super::manifests::TenantManifests;
use crate::diagnostic::Diagnostic;
use crate::document::Node;
use crate::host::{IngressPower, controller_annotations, splits};
use crate::kube::ObjectId;
use crate::source::{SourceMap, Span};
use crate::spec::fleet::FleetSpec;
use crate::spec::leaf::Cidr;
use crate::tenancy::model::Tenant;
use crate::tenancy::{
    ClaimKey, Prior, THROUGH_CONTROLLER, Tenancy, address_of_name, namespace_of_short_name,
    platform_owner,
};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};

/// The tenants that have each namespace, by the cluster and the name.
type Holders<'a> = BTreeMap<(usize, &'a str), BTreeSet<&'a str>>;

/// Reports each name without a waiver that an object makes a controller call, and that is an address in
/// a range of a cluster of its tenant, or a short name in a namespace of the platform or of another
/// tenant; and each custom resource that is named by a namespace of theirs.
///
/// A controller completes a short name by its own search list, so that `web.shop` is
/// `web.shop.svc.cluster.local`. An object that was rendered with the name before stays, whichever
/// namespace another tenant takes: no tenant stops another so.
pub fn check_called_names(
    tenancy: &Tenancy,
    fleet: &FleetSpec,
    manifests: &TenantManifests,
    sources: &SourceMap,
    prior: &Prior<'_>,
    out: &mut Vec<Diagnostic>,
) {
    let mut holders = Holders::new();
    for tenant in tenancy.tenants.iter().chain(&tenancy.failing) {
        for on in &tenant.on {
            for namespace in &on.namespaces {
                let known = holders.entry((on.cluster, &namespace.name)).or_default();
                known.insert(&tenant.name.value);
            }
        }
    }

    for tenant in &tenancy.tenants {
        let check = NameCheck::new(tenant, fleet, manifests, prior, &holders);
        for document in manifests.documents(tenant, sources) {
            let Ok(id) = ObjectId::of(&document.root) else {
                continue;
            };
            let owner = &tenant.name.value;
            let object = format!("{}/{}/{}", id.kind, id.namespace, id.name);
            let found = called_names(&id, &document.root);
            let mut found = found
                .iter()
                .filter_map(|called| Some((called, check.reason(&id, called)?)));
            let Some((called, reason)) = found.next() else {
                continue;
            };
            if tenancy.permits.permits(&THROUGH_CONTROLLER, owner, &object) {
                continue;
            }

            let message = format!("`{id}` {reason}");
            let fix = format!(
                "{}, or write a Waiver of `{}` for {object}",
                called.fix(),
                THROUGH_CONTROLLER.id
            );
            let span = called.span.unwrap_or(document.root.span);
            let finding = Diagnostic::new(&THROUGH_CONTROLLER, span, message);
            out.push(finding.fix(fix).tenant(owner));
        }
    }
}

/// What an object makes a controller call or use.
struct CalledName {
    name: String,
    span: Option<Span>,
    /// Whether it is a custom resource as `NAMESPACE-NAME`.
    is_joined: bool,
}

impl CalledName {
    fn fix(&self) -> &'static str {
        match self.is_joined {
            true => "name a resource whose name tells its namespace",
            false => "name a host outside of the cluster, in full; if it is one, end it with a dot",
        }
    }
}

fn called_names(id: &ObjectId, root: &Node) -> Vec<CalledName> {
    let is_service = id.group.is_empty() && id.kind == "Service";
    let external = root.at(&["spec", "externalName"]).filter(|_| is_service);
    let external = external.and_then(|node| {
        Some(CalledName {
            name: node.as_str()?.to_owned(),
            span: Some(node.span),
            is_joined: false,
        })
    });
    let settings = controller_annotations(root).into_iter();
    let of_settings = settings.filter_map(|setting| {
        let (name, is_joined) = match setting.power {
            IngressPower::Calls(host) => (host, false),
            IngressPower::UsesJoined(joined) => (joined, true),
            IngressPower::Snippet | IngressPower::Uses(..) => return None,
        };
        Some(CalledName {
            name: name.to_string(),
            span: setting.span,
            is_joined,
        })
    });
    external.into_iter().chain(of_settings).collect()
}

struct NameCheck<'a> {
    tenant: &'a Tenant,
    fleet: &'a FleetSpec,
    manifests: &'a TenantManifests,
    prior: &'a Prior<'a>,
    holders: &'a Holders<'a>,
    /// The ranges of the tenant's clusters, each with its field.
    ranges: Vec<(&'static str, &'a Cidr, IpNet)>,
    /// The tenant's own namespaces.
    own: BTreeSet<&'a str>,
}

impl<'a> NameCheck<'a> {
    fn new(
        tenant: &'a Tenant,
        fleet: &'a FleetSpec,
        manifests: &'a TenantManifests,
        prior: &'a Prior<'a>,
        holders: &'a Holders<'a>,
    ) -> Self {
        let clusters = tenant.on.iter().map(|on| &fleet.clusters[on.cluster]);
        let ranges = clusters.flat_map(|cluster| {
            let fields = cluster.own_ranges().into_iter();
            fields.flat_map(|(field, cidrs)| {
                let cidrs = cidrs.iter().flatten();
                cidrs
                    .filter_map(move |cidr| Some((field, &cidr.value, cidr.as_str().parse().ok()?)))
            })
        });
        let own = tenant.on.iter().flat_map(|on| &on.namespaces);
        Self {
            tenant,
            fleet,
            manifests,
            prior,
            holders,
            ranges: ranges.collect(),
            own: own.map(|namespace| namespace.name.as_str()).collect(),
        }
    }

    /// What an object does by a name, as a predicate, if the tenant may not have it.
    fn reason(&self, id: &ObjectId, called: &CalledName) -> Option<String> {
        let name = &called.name;
        if called.is_joined {
            let mut owners = splits(name)
                .filter_map(|(namespace, _)| Some((namespace, self.owner(id, called, namespace)?)));
            let (namespace, owner) = owners.next()?;
            return Some(format!(
                "uses `{name}`, which may be an object of the namespace `{namespace}` of {owner}"
            ));
        }

        if let Some(address) = address_of_name(name) {
            let mut ranges = self.ranges.iter();
            let (field, cidr, _) = ranges.find(|(_, _, net)| net.contains(&address))?;
            return Some(format!(
                "stands for `{address}`, an address of the {field} {cidr}"
            ));
        }
        let namespace = namespace_of_short_name(name)?;
        let owner = self.owner(id, called, &namespace)?;
        Some(format!(
            "stands for `{name}`, which a controller may take for a Service of {owner}, who has the \
             namespace `{namespace}`"
        ))
    }

    /// Who has a namespace that is not the tenant's, unless the object was rendered with the name before.
    fn owner(&self, id: &ObjectId, called: &CalledName, namespace: &str) -> Option<String> {
        if self.own.contains(namespace) {
            return None;
        }
        let clusters = || self.tenant.on.iter().map(|on| on.cluster);
        let other = clusters().find_map(|at| self.other_tenant(at, namespace, id, called));
        if let Some(tenant) = other {
            return Some(format!("`{tenant}`"));
        }
        let is_given = clusters().any(|at| self.holders.contains_key(&(at, namespace)));
        platform_owner(self.fleet, namespace).filter(|_| !is_given)
    }

    /// The other tenant that has a namespace.
    fn other_tenant(
        &self,
        cluster: usize,
        namespace: &str,
        id: &ObjectId,
        called: &CalledName,
    ) -> Option<String> {
        let key = ClaimKey::namespace(self.fleet.clusters[cluster].name.as_str(), namespace);
        let declared = self
            .holders
            .get(&(cluster, namespace))
            .into_iter()
            .flatten();
        let mut holders = declared.copied().chain(self.prior.holders(&key));
        let own = self.tenant.name.value.as_str();
        let other = holders.find(|holder| *holder != own)?;

        let mut rendered = self.manifests.last.of(cluster, id).iter();
        let is_old = rendered.any(|old| {
            let mut names = called_names(id, old).into_iter();
            names.any(|old| old.name == called.name)
        });
        (!is_old).then(|| other.to_owned())
    }
}

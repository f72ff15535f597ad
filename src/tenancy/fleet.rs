//! The checks of the fleet's own document.

use super::recipients::stated_recipient;
use super::{Context, roles};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::document::Spanned;
use crate::source::Span;
use crate::spec::FleetDoc;
use crate::spec::fleet::{ClusterSpec, Endpoint, FleetSpec};
use crate::spec::leaf::{Cidr, Line};
use crate::value::Text;
use indexmap::IndexMap;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet, HashMap};

rule! {
    /// This version of tenantry may not render this fleet.
    /// ## Fix
    /// Install a version that fleet.requiredVersion allows.
    pub static REQUIRED_VERSION = "tenancy/required-version", Error;
}
rule! {
    /// The fleet says something that contradicts itself: two clusters or roles of one name, a role
    /// of the catalogue's name, a defaultProfile that does not exist, a schema that is none.
    pub static FLEET = "tenancy/fleet", Error;
}
/// Checks the fleet's own document.
pub fn check(fleet: &FleetDoc, context: &Context, out: &mut Vec<Diagnostic>) {
    out.extend(refused_version(fleet, context));
    if fleet.spec.clusters.is_empty() {
        let message = "the fleet has no cluster".to_owned();
        out.push(fault(fleet.name.span, message).fix("add one to spec.clusters"));
    }

    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for cluster in &fleet.spec.clusters {
        if let Some(first) = seen.insert(cluster.name.as_str(), cluster.name.span) {
            let message = format!("two clusters are called `{}`", cluster.name.value);
            let finding = fault(cluster.name.span, message);
            out.push(finding.related(first, "the first").fix("rename one"));
        }
        check_endpoints(cluster, out);
        check_ranges(cluster, out);
    }

    check_recipients(&fleet.spec, out);
    roles::check_roles(&fleet.spec, out);
}

/// The tenants that the fleet gives SOPS recipients to, by the one form of the recipient.
pub fn recipient_owners(fleet: &FleetSpec) -> HashMap<String, &str> {
    let given = fleet.tenant_recipients.iter().flatten();
    let given = given.flat_map(|given| {
        let recipients = given.recipients.iter();
        let forms = recipients.filter_map(|name| stated_recipient(name.as_str()).ok());
        forms.map(|form| (form, given.tenant.as_str()))
    });
    given.collect()
}

/// The SOPS recipients that the fleet shares, each in its one form.
pub fn shared_recipients(fleet: &FleetSpec) -> BTreeSet<String> {
    let shared = fleet.shared_recipients.iter().flatten();
    let forms = shared.filter_map(|name| stated_recipient(name.as_str()).ok());
    forms.collect()
}

/// Reports each SOPS recipient that cannot be read, and each that the fleet gives to two tenants, or
/// to one and to all.
fn check_recipients(fleet: &FleetSpec, out: &mut Vec<Diagnostic>) {
    let mut owners: HashMap<String, Option<&str>> = HashMap::new();
    for recipient in fleet.shared_recipients.iter().flatten() {
        if let Some(form) = recipient_form(recipient, out) {
            owners.insert(form, None);
        }
    }
    for given in fleet.tenant_recipients.iter().flatten() {
        for recipient in &given.recipients {
            let Some(form) = recipient_form(recipient, out) else {
                continue;
            };
            let owner = Some(given.tenant.as_str());
            let before = *owners.entry(form).or_insert(owner);
            let other = match before {
                _ if before == owner => continue,
                Some(tenant) => format!("`{tenant}`"),
                None => "sharedRecipients".to_owned(),
            };
            let message = format!(
                "the recipient `{}` is listed for `{}` and for {other}",
                recipient.value, given.tenant.value
            );
            out.push(fault(recipient.span, message).fix("remove one of the two"));
        }
    }
}

/// The one form of a recipient that the fleet lists; reports one that cannot be read.
fn recipient_form(recipient: &Spanned<Line>, out: &mut Vec<Diagnostic>) -> Option<String> {
    let read = stated_recipient(recipient.as_str());
    read.map_err(|unread| {
        let message = format!("the recipient `{}` {}", recipient.value, unread.reason);
        out.push(fault(recipient.span, message).fix(unread.fix));
    })
    .ok()
}

/// The labels that the platform gives tenants, by the names of the tenants.
pub fn platform_labels(fleet: &FleetSpec) -> HashMap<&str, IndexMap<Text, Text>> {
    let mut by_tenant: HashMap<&str, IndexMap<Text, Text>> = HashMap::new();
    for given in fleet.tenant_labels.iter().flatten() {
        for tenant in &given.tenants {
            let labels = given.labels.into_iter();
            let labels = labels.map(|(key, value)| (key.as_str().into(), value.as_str().into()));
            by_tenant.entry(tenant).or_default().extend(labels);
        }
    }
    by_tenant
}

fn fault(span: Span, message: String) -> Diagnostic {
    Diagnostic::new(&FLEET, span, message).scope(Scope::Fleet)
}

/// Reports a version of tenantry that the fleet does not allow.
fn refused_version(fleet: &FleetDoc, context: &Context) -> Option<Diagnostic> {
    let wanted = fleet.spec.required_version.as_ref()?;
    let requirement = semver::VersionReq::parse(wanted).ok()?;
    let version = semver::Version::parse(&context.version).ok()?;
    if requirement.matches(&version) {
        return None;
    }

    let message = format!(
        "this is tenantry {version}, and the fleet requires {}",
        wanted.value
    );
    let finding = Diagnostic::new(&REQUIRED_VERSION, wanted.span, message)
        .fix("install a version that it allows")
        .scope(Scope::Fleet);
    Some(finding)
}

/// Reports each range of a cluster that no pod, Service or node can have. A range may hold the address
/// of a cloud's metadata service, as the shared address space does (100.64.0.0/10).
///
/// A declared range is left out of the networks that tenants may reach, and counts as the cluster's
/// own in the proof.
fn check_ranges(cluster: &ClusterSpec, out: &mut Vec<Diagnostic>) {
    let ranges = cluster.own_ranges().into_iter().flat_map(|(field, cidrs)| {
        let cidrs = cidrs.iter().flatten();
        cidrs.map(move |cidr| (field, cidr))
    });

    for (field, cidr) in ranges {
        let Some(reserved) = reserved_range(cidr) else {
            continue;
        };
        let message = format!(
            "the cluster `{}` names {} among its {field}, and {reserved} is link-local or the metadata \
             service of a cloud",
            cluster.name.value, cidr.value
        );
        out.push(fault(cidr.span, message).fix("name the cluster's own range"));
    }
}

/// The range that no cluster can have for itself: one that holds a network, or a link-local one that
/// lies within it.
fn reserved_range(cidr: &Cidr) -> Option<IpNet> {
    let net: IpNet = cidr.parse().ok()?;
    let mut reserved = super::network::reserved_networks().into_iter();
    reserved.find(|range| {
        let is_address = range.prefix_len() == range.max_prefix_len();
        range.contains(&net) || (!is_address && net.contains(range))
    })
}

fn check_endpoints(cluster: &ClusterSpec, out: &mut Vec<Diagnostic>) {
    let mut names = BTreeSet::new();
    for endpoint in cluster.endpoints.iter().flatten() {
        let Endpoint {
            name,
            namespace,
            cidrs,
            ..
        } = endpoint;

        if !names.insert(name.as_str()) {
            let message = format!(
                "two endpoints of `{}` are called `{}`",
                cluster.name.value, name.value
            );
            out.push(fault(name.span, message).fix("rename one"));
        }
        if namespace.is_none() && cidrs.is_none() {
            let message = format!(
                "the endpoint `{}` names neither a namespace nor networks",
                name.value
            );
            out.push(fault(name.span, message).fix("add namespace or cidrs"));
        }
    }
}

//! The checks of the fleet's own document.

use super::{Context, roles};
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::Span;
use crate::spec::FleetDoc;
use crate::spec::fleet::{ClusterSpec, Endpoint};
use std::collections::{BTreeMap, BTreeSet};

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
    }

    roles::check_roles(&fleet.spec, out);
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

//! Entries of the fleet's lists that change nothing.

use super::names::reserved;
use super::platform_namespaces::usual_platform;
use super::roles::loosening;
use crate::diagnostic::{Diagnostic, Scope, rule};
use crate::source::Span;
use crate::spec::fleet::FleetSpec;

rule! {
    /// An entry of a list of the fleet changes nothing.
    ///
    /// ## What it finds
    /// In `tenantClusterRoles`: `view`, a pattern, and a role that takes a waiver in any case. In
    /// `tenantNamespaces`: a namespace that is reserved, and one that no platform usually has. In `tenantRecipients`: a tenant that does not
    /// exist.
    ///
    /// ## Why it matters
    /// Whoever wrote it takes it for a rule that holds.
    ///
    /// ## Fix
    /// Remove it, or mend its name.
    pub static ENTRY_WITHOUT_EFFECT = "tenancy/entry-without-effect", Warning;
}

/// Reports each entry of the fleet's lists that changes nothing. `exists` says whether a tenant may
/// exist.
pub(super) fn check(fleet: &FleetSpec, exists: impl Fn(&str) -> bool, out: &mut Vec<Diagnostic>) {
    for role in fleet.tenant_cluster_roles.iter().flatten() {
        let name = role.as_str();
        let reason = if name.contains('*') {
            "the name is no pattern".to_owned()
        } else if name == "view" {
            "tenants may have it without an entry".to_owned()
        } else if loosening(name, std::slice::from_ref(role)).is_some() {
            format!("a binding to {name} takes a waiver in any case")
        } else {
            continue;
        };
        out.push(finding("tenantClusterRoles", name, role.span, &reason));
    }

    for namespace in fleet.tenant_namespaces.iter().flatten() {
        let name = namespace.as_str();
        let reason = match reserved(fleet, name) {
            Some(owner) => format!("the namespace belongs to {owner}"),
            None if usual_platform(name).is_none() => {
                "tenants may take the namespace without an entry".to_owned()
            }
            None => continue,
        };
        out.push(finding("tenantNamespaces", name, namespace.span, &reason));
    }

    for given in fleet.tenant_recipients.iter().flatten() {
        let name = given.tenant.as_str();
        if !exists(name) {
            let reason = "there is no such tenant";
            out.push(finding("tenantRecipients", name, given.tenant.span, reason));
        }
    }
}

fn finding(list: &str, name: &str, span: Span, reason: &str) -> Diagnostic {
    let message = format!("`{name}` in fleet.{list} changes nothing: {reason}");
    Diagnostic::new(&ENTRY_WITHOUT_EFFECT, span, message)
        .fix("remove it, or mend the name")
        .scope(Scope::Fleet)
}

//! The roles that a tenant's subjects can be given, and which of them need a waiver.

use crate::diagnostic::{Diagnostic, Rule, Scope, rule};
use crate::document::Spanned;
use crate::kube::kinds;
use crate::spec::fleet::{FleetSpec, RoleRule, RoleSpec};
use crate::spec::leaf::Line;
use std::collections::BTreeSet;

rule! {
    /// A role that is neither in the catalogue nor among the fleet's, or that is given at a level
    /// it does not have.
    pub static UNKNOWN_ROLE = "tenancy/unknown-role", Error;
}
rule! {
    /// A subject of a tenant is bound to `cluster-admin`.
    ///
    /// ## Why it matters
    /// In its namespace it can do everything: delete the network policies and quotas, relabel the
    /// namespace, read every Secret, bind others.
    /// ## Fix
    /// Give the role `owner`, or a role of the fleet with the rules that are needed.
    pub static CLUSTER_ADMIN = "api/cluster-admin", Error;
}
rule! {
    /// A subject of a tenant is bound to a role that can change the tenant's floor.
    ///
    /// ## What it finds
    /// `clusterRole: admin` and `clusterRole: edit`, in a spec or in a RoleBinding of a verbatim
    /// manifest, and a role of the fleet that writes network policies, quotas, limits, bindings or
    /// the Namespace. Also each ClusterRole of another name: its rules are not among the specs. The
    /// fleet's `tenantClusterRoles` lists those that leave the floor alone, and the proof says which
    /// do not (`admission/floor-writable`).
    /// ## Why it matters
    /// Network policies add up: one that allows everything opens the namespace. Kubernetes' own
    /// `admin` and `edit` write them.
    /// ## Fix
    /// Give the role `owner`, or a role of the fleet that leaves the floor out. If the rules of a
    /// ClusterRole leave it out, list it in fleet.tenantClusterRoles.
    pub static FLOOR_WRITING_ROLE = "api/floor-writing-role", Error;
}
rule! {
    /// A role of the fleet with `*` in its groups, resources or verbs.
    ///
    /// ## Why it matters
    /// It grants what does not exist yet: the next CRD, the next verb, `escalate`, `bind` and
    /// `impersonate` with it.
    pub static WILDCARD_ROLE = "api/wildcard-role", Error;
}

/// The built-in roles: ClusterRoles `tenantry-NAME`.
pub static CATALOGUE: [&str; 7] = [
    "owner",
    "operator",
    "developer",
    "viewer",
    "secrets-viewer",
    "pod-reader",
    "deployer",
];
/// The role of an owner who is bound elsewhere.
pub(super) const UNBOUND: &str = "none";
/// The role of the account that applies a tenant's verbatim files.
pub const MANIFESTS_ROLE: &str = "manifests";

/// Kubernetes' own ClusterRoles, besides `cluster-admin`, that can change a floor: they write
/// network policies. A test holds them against the rules that kube-apiserver gives them.
pub static FLOOR_WRITING: [&str; 2] = ["admin", "edit"];

/// The verbs that change objects.
const WRITE: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// The ClusterRole of a role of the catalogue or the fleet.
pub fn role_object(role: &str) -> String {
    format!("tenantry-{role}")
}

/// Reports roles of the fleet that cannot be.
pub fn check_roles(fleet: &FleetSpec, out: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    for role in fleet.roles.iter().flatten() {
        let name = role.name.as_str();
        let is_taken = CATALOGUE.contains(&name) || [UNBOUND, MANIFESTS_ROLE].contains(&name);
        if is_taken || !seen.insert(name) {
            let message =
                format!("the role `{name}` is in the catalogue already, or defined twice");
            out.push(
                Diagnostic::new(&super::FLEET, role.name.span, message)
                    .fix("rename it")
                    .scope(Scope::Fleet),
            );
        }
    }
}

pub(super) fn find_role<'a>(fleet: &'a FleetSpec, name: &str) -> Option<&'a RoleSpec> {
    let mut roles = fleet.roles.iter().flatten();
    roles.find(|role| role.name.as_str() == name)
}

/// Why a binding to a role needs a waiver.
#[derive(Debug)]
pub struct RoleLoosening {
    /// The rule that the binding breaks.
    pub rule: &'static Rule,
    /// What the role gives, as a clause.
    pub message: String,
    /// What to do instead.
    pub fix: &'static str,
}

/// Why a binding to a ClusterRole needs a waiver. `None` for Kubernetes' own `view`, and for a role
/// that the fleet lists as one that leaves the floor alone.
pub fn loosening(cluster_role: &str, listed: &[Spanned<Line>]) -> Option<RoleLoosening> {
    if cluster_role == "cluster-admin" {
        return Some(RoleLoosening {
            rule: &CLUSTER_ADMIN,
            message: "bound to cluster-admin, which can remove the floor".into(),
            fix: "give the role `owner`",
        });
    }

    let writes_floor = |message, fix| {
        Some(RoleLoosening {
            rule: &FLOOR_WRITING_ROLE,
            message,
            fix,
        })
    };
    if cluster_role.starts_with("system:") {
        let message = format!("bound to {cluster_role}, a role of Kubernetes' own components");
        return writes_floor(message, "give the role `owner`");
    }
    if FLOOR_WRITING.contains(&cluster_role) {
        let message =
            format!("bound to {cluster_role}, which writes NetworkPolicies and can open the floor");
        return writes_floor(message, "give the role `owner`");
    }
    if cluster_role == "view" || listed.iter().any(|name| name.as_str() == cluster_role) {
        return None;
    }

    let message =
        format!("bound to {cluster_role}, whose rules are not known and may write the floor");
    writes_floor(
        message,
        "give a role of the catalogue or the fleet; if it leaves the floor alone, list it in \
         fleet.tenantClusterRoles",
    )
}

/// Why a binding to a role of the fleet needs a waiver.
pub(super) fn loosening_of_own(role: &RoleSpec) -> Option<RoleLoosening> {
    let name = &role.name.value;
    if is_wild(role) {
        return Some(RoleLoosening {
            rule: &WILDCARD_ROLE,
            message: format!("the role `{name}` holds `*`"),
            fix: "name what it needs",
        });
    }

    let kind = role.rules.iter().find_map(|rule| written_part(rule))?;
    Some(RoleLoosening {
        rule: &FLOOR_WRITING_ROLE,
        message: format!("the role `{name}` writes {kind} objects, which are part of the floor"),
        fix: "take the rule out of the role",
    })
}

fn is_wild(role: &RoleSpec) -> bool {
    role.rules.iter().any(|rule| {
        [&rule.api_groups, &rule.resources, &rule.verbs]
            .iter()
            .any(|list| list.iter().any(|word| word.contains('*')))
    })
}

/// The kind of the floor that a rule without `*` writes. A rule for named objects counts: the
/// objects of the floor have known names.
fn written_part(rule: &RoleRule) -> Option<&'static str> {
    let writes = rule.verbs.iter().any(|verb| WRITE.contains(&verb.as_str()));
    let is_written = |group: &str, plural: &str| {
        let mut groups = rule.api_groups.iter();
        let mut resources = rule.resources.iter();
        groups.any(|named| named.as_str() == group)
            && resources.any(|named| named.as_str() == plural)
    };

    let mut parts = kinds::all().filter(|(group, kind)| kinds::holds_floor(group.name, kind));
    let (_, kind) = parts.find(|(group, kind)| writes && is_written(group.name, kind.plural))?;
    Some(kind.name)
}

use super::Findings;
use crate::diagnostic::rule;
use crate::graph::membership::{ArgoPermission, ArgoPolicy};
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::isolation::assumptions::ARGO_CD_READERS;
use crate::isolation::{Finding, Verdict, at};
use crate::kube::names::glob;
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// Argo CD's own policy gives a tenant the applications of others.
    ///
    /// ## What it finds
    /// Lines of `argocd-rbac-cm` that make a tenant's group an administrator of Argo CD, or let it
    /// change applications of projects that are not its own; a default role, or anonymous access,
    /// that does the same for everybody.
    ///
    /// ## Why it matters
    /// Argo CD applies with the application controller's account, which is cluster-admin. Whoever
    /// may change an application applies as that account.
    ///
    /// ## Fix
    /// `p, role:payments, applications, *, payments/*, allow`: a project for each tenant.
    ///
    /// ## References
    /// argo-cd.readthedocs.io/en/stable/operator-manual/rbac;
    /// argo-cd.readthedocs.io/en/stable/operator-manual/user-management; ISO 27001 A.5.15
    pub static ARGO_CD_POLICY = "api/argo-cd-policy", Error;
}

const ADMIN: &str = "role:admin";
const READONLY: &str = "role:readonly";

/// What a role of Argo CD reaches beyond a tenant's own project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ArgoReach {
    /// It sees applications of others.
    Sees(String),
    /// Whether it reaches others depends on a project that is not among the inputs.
    Unknown(String),
    /// It changes applications of others, or Argo CD itself.
    Changes(String),
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let mut by_namespace: BTreeMap<&Text, Vec<&ArgoPolicy>> = BTreeMap::new();
    for policy in &cluster.facts.argo_policies {
        if cluster.owner(&policy.id.namespace) == Owner::Platform {
            by_namespace
                .entry(&policy.id.namespace)
                .or_default()
                .push(policy);
        }
    }

    for policies in by_namespace.values() {
        let anonymous = policies.iter().any(|policy| policy.anonymous.is_some());
        for policy in policies {
            if let Some(line) = &policy.unread {
                let span = at(policy.span, policy.origin);
                let message = format!("a line of {} cannot be read: `{line}`", policy.id.called());
                out.push(Finding::unknown(&ARGO_CD_POLICY, span, message).fix(
                    "write `p, SUBJECT, RESOURCE, ACTION, OBJECT, allow` or `g, MEMBER, ROLE`",
                ));
            }
            tenants(cluster, policy, out);
            everybody(cluster, policy, anonymous, out);
        }
    }
}

/// A finding of this rule that leads to a verdict; a warning if there is none.
fn finding(verdict: Option<Verdict>, span: Span, message: String) -> Finding {
    match verdict {
        Some(Verdict::Refuted) => Finding::refuted(&ARGO_CD_POLICY, span, message),
        Some(_) => Finding::unknown(&ARGO_CD_POLICY, span, message),
        None => Finding::warning(&ARGO_CD_POLICY, span, message),
    }
}

/// Finds what each tenant's users and groups have.
fn tenants(cluster: &Cluster, policy: &ArgoPolicy, out: &mut Findings<'_>) {
    let members = policy.roles.iter().map(|(member, _)| member);
    let subjects = policy
        .permissions
        .iter()
        .map(|permission| &permission.subject);
    let named: BTreeSet<&Text> = members.chain(subjects).collect();

    for name in named {
        let users = [Subject::Group(name.clone()), Subject::User(name.clone())];
        let Some(tenant) = users.iter().find_map(|subject| cluster.holder(subject)) else {
            continue;
        };
        let tenant_name = &cluster.tenants[tenant as usize].name;
        let reach = reach(cluster, policy, name, Some(tenant));

        let span = at(policy.span, policy.origin);
        let (verdict, what) = match reach {
            None => continue,
            Some(ArgoReach::Sees(what)) => {
                let text = format!(
                    "{}: argocd-rbac-cm lets `{name}` of tenant `{tenant_name}` {what}",
                    ARGO_CD_READERS.text
                );
                out.assume_about(&ARGO_CD_READERS, text);
                continue;
            }
            Some(ArgoReach::Unknown(what)) => (Some(Verdict::Unknown), what),
            Some(ArgoReach::Changes(what)) => (Some(Verdict::Refuted), what),
        };
        let message = format!(
            "tenant `{tenant_name}` may {what} by {}: `{name}` is its group",
            policy.id.called()
        );
        out.push(
            finding(verdict, span, message)
                .by(tenant_name)
                .step(span, format!("{} lets `{name}` {what}", policy.id.called()))
                .through(&policy.id)
                .fix("give it the applications of its own project only"),
        );
    }
}

/// Finds what everybody has who has logged in, or everybody.
fn everybody(cluster: &Cluster, policy: &ArgoPolicy, anonymous: bool, out: &mut Findings<'_>) {
    let Some((role, span)) = &policy.default_role else {
        return;
    };
    let span = at(*span, policy.origin);
    let who = match anonymous {
        true => "whoever reaches Argo CD's server, without a login,",
        false => "everybody who has logged in to Argo CD",
    };

    let (verdict, what) = match reach(cluster, policy, role, None) {
        None => return,
        Some(ArgoReach::Sees(what)) if !anonymous => (None, what),
        Some(ArgoReach::Unknown(what)) => (Some(Verdict::Unknown), what),
        Some(ArgoReach::Sees(what) | ArgoReach::Changes(what)) => (Some(Verdict::Refuted), what),
    };
    let message = format!(
        "{who} may {what}: policy.default of {} is `{role}`",
        policy.id.called()
    );
    out.push(
        finding(verdict, span, message)
            .step(span, format!("{} sets policy.default", policy.id.called()))
            .through(&policy.id)
            .fix("leave policy.default empty, and users.anonymous.enabled false"),
    );
}

/// What a policy lets a user or a group change of applications of others; `None` if nothing. `tenant`
/// is theirs.
pub fn changes_others(
    cluster: &Cluster,
    policy: &ArgoPolicy,
    name: &str,
    tenant: Option<u32>,
) -> Option<String> {
    match reach(cluster, policy, name, tenant) {
        Some(ArgoReach::Changes(what)) => Some(what),
        _ => None,
    }
}

/// The farthest that a subject of a policy reaches beyond the project of its tenant.
fn reach(
    cluster: &Cluster,
    policy: &ArgoPolicy,
    subject: &str,
    tenant: Option<u32>,
) -> Option<ArgoReach> {
    let roles = policy.roles_of(subject);
    if roles.contains(&ADMIN) {
        return Some(ArgoReach::Changes(
            "do everything as an administrator".into(),
        ));
    }
    let readonly = roles
        .contains(&READONLY)
        .then(|| ArgoReach::Sees("see every application".into()));

    let permissions = policy.permissions.iter();
    permissions
        .filter(|permission| permission.allows && roles.contains(&permission.subject.as_str()))
        .filter_map(|permission| of_permission(cluster, permission, tenant))
        .chain(readonly)
        .max()
}

/// What a permission reaches beyond the project of a tenant.
fn of_permission(
    cluster: &Cluster,
    permission: &ArgoPermission,
    tenant: Option<u32>,
) -> Option<ArgoReach> {
    let ArgoPermission {
        resource,
        action,
        object,
        ..
    } = permission;
    let only_sees = action == "get";
    let what = format!("{action} {resource} {object}");
    let in_project = [
        "*",
        "applications",
        "applicationsets",
        "exec",
        "logs",
        "projects",
    ];
    if !in_project.contains(&resource.as_str()) {
        // Clusters, repositories, accounts and the like belong to Argo CD itself.
        let own = tenant.is_some_and(|at| {
            let name = &cluster.tenants[at as usize].name;
            object.split('/').next() == Some(name)
        });
        return (!only_sees && !own).then_some(ArgoReach::Changes(what));
    }

    let project = object.split('/').next().unwrap_or_default();
    let foreign = cluster.tenants.iter().zip(0..).any(|(other, at)| {
        Some(at) != tenant && !other.namespaces.is_empty() && glob(project, &other.name)
    });
    match foreign || project == "*" {
        true if !only_sees => Some(ArgoReach::Changes(what)),
        true if resource == "projects" => None,
        true if matches!(resource.as_str(), "exec" | "logs") => Some(ArgoReach::Changes(what)),
        true => Some(ArgoReach::Sees(what)),
        // By default it deploys anywhere.
        false if project == "default" && !only_sees => Some(ArgoReach::Unknown(what)),
        false => None,
    }
}

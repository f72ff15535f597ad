use super::{Findings, named_tenant};
use crate::diagnostic::rule;
use crate::graph::gitops::ArgoObject;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::host::{HostMatcher, HostPattern};
use crate::isolation::{Finding, tenant_of};
use crate::kube::names::glob;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// An object of a GitOps engine of a kind that is not evaluated.
    ///
    /// ## What it finds
    /// Argo CD's ApplicationSets; its Applications and AppProjects, unless a project keeps a tenant
    /// to its own namespaces or is the platform's; a FluxInstance with a patch that is not evaluated.
    ///
    /// ## Why it matters
    /// It decides what is applied as whom, or how the controllers run. So nothing is said of the
    /// plane.
    ///
    /// ## Fix
    /// Leave it out of the inputs where it is known to be harmless; a later version reads it.
    ///
    /// ## References
    /// argo-cd.readthedocs.io/en/stable/operator-manual/security; fluxcd.control-plane.io/operator;
    /// ISO 27001 A.8.9
    pub static UNREAD_KIND = "gitops/unread-kind", Error;
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    for thing in &cluster.facts.gitops.unread {
        let message = format!(
            "{} decides what is applied, and its kind is not evaluated",
            thing.id.called()
        );
        out.push(
            Finding::unknown(&UNREAD_KIND, thing.origin.span, message)
                .fix("leave it out where it is known to be harmless"),
        );
    }

    let objects = &cluster.facts.gitops.argo;
    let projects: BTreeMap<&Text, Project> = objects
        .iter()
        .filter(|object| object.id.kind == "AppProject")
        .map(|project| (&project.project, Project::new(cluster, project)))
        .collect();
    for object in objects {
        let harmless = match object.id.kind.as_str() {
            "AppProject" => keeps_apart(cluster, object),
            "Application" => is_kept_apart(cluster, object, &projects),
            _ => false,
        };
        if !harmless {
            let message = format!(
                "{} decides what is applied, and nothing shows that it keeps tenants apart",
                object.id.called()
            );
            out.push(
                Finding::unknown(&UNREAD_KIND, object.origin.span, message).fix(
                    "give each tenant a project of its own, with its namespaces as destinations",
                ),
            );
        }
    }
}

/// A project, judged once for all of its Applications.
struct Project {
    /// The tenants that use it.
    users: BTreeSet<u32>,
    keeps_apart: bool,
}

impl Project {
    fn new(cluster: &Cluster, project: &ArgoObject) -> Self {
        Self {
            users: users(cluster, project),
            keeps_apart: keeps_apart(cluster, project),
        }
    }
}

/// The tenants that use a project: by its name, its groups, and the namespaces that it takes
/// Applications from.
fn users(cluster: &Cluster, project: &ArgoObject) -> BTreeSet<u32> {
    let sources = project.source_namespaces.iter();
    let sources: Vec<(&Text, Option<HostPattern>)> =
        sources.map(|text| (text, expression(text))).collect();
    let sources: Vec<HostMatcher<'_>> = sources
        .iter()
        .map(|(text, expression)| source_matcher(text, expression.as_ref()))
        .collect();
    let takes = |name: &Text| sources.iter().any(|takes| takes(name));

    let mut users = BTreeSet::new();
    for (tenant, at) in cluster.tenants.iter().zip(0..) {
        if tenant.name == project.project || tenant.namespaces.iter().any(&takes) {
            users.insert(at);
        }
    }
    let groups = project.groups.iter().cloned().map(Subject::Group);
    users.extend(groups.filter_map(|group| cluster.holder(&group)));
    users
}

/// The regular expression between slashes, if a pattern of source namespaces is one.
///
/// Source: argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace.
fn expression(pattern: &str) -> Option<HostPattern> {
    let inner = pattern.strip_prefix('/')?.strip_suffix('/')?;
    Some(HostPattern::regex(inner))
}

/// Tells which names a pattern of source namespaces matches: a glob, or its regular expression. One
/// that cannot be read matches every name.
fn source_matcher<'a>(pattern: &'a str, expression: Option<&'a HostPattern>) -> HostMatcher<'a> {
    match expression {
        Some(expression) => expression.matcher().unwrap_or_else(|| Box::new(|_| true)),
        None => Box::new(move |name| glob(pattern, name)),
    }
}

/// Whether a project is the platform's, or lets one tenant deploy into its own namespaces alone.
fn keeps_apart(cluster: &Cluster, project: &ArgoObject) -> bool {
    if tenant_of(cluster, &project.id.namespace).is_some() {
        return false;
    }
    let users: Vec<u32> = users(cluster, project).into_iter().collect();
    let [user] = users[..] else {
        return users.is_empty();
    };

    let own = |pattern: &Text| {
        let mut all = cluster.namespaces.iter();
        !pattern.is_empty()
            && !pattern.starts_with('!')
            && all.all(|namespace| {
                !glob(pattern, &namespace.name) || namespace.owner == Owner::Tenant(user)
            })
    };
    !project.cluster_kinds && project.destinations.iter().all(own)
}

/// Whether an Application is of a project that keeps its tenant apart, or is the platform's own.
fn is_kept_apart(
    cluster: &Cluster,
    application: &ArgoObject,
    projects: &BTreeMap<&Text, Project>,
) -> bool {
    if let Some(project) = projects.get(&application.project) {
        let users = &project.users;
        let home = tenant_of(cluster, &application.id.namespace).map(|(at, _)| at);
        let its_own = home.is_none_or(|tenant| users.contains(&tenant));
        return its_own && !users.is_empty() && project.keeps_apart
            || home.is_none() && users.is_empty() && is_of_platform(cluster, application);
    }
    tenant_of(cluster, &application.id.namespace).is_none() && is_of_platform(cluster, application)
}

/// Whether an Application deploys into namespaces of the platform, from repositories that no tenant's
/// name is in.
fn is_of_platform(cluster: &Cluster, application: &ArgoObject) -> bool {
    // Without a destination and a repository nothing shows whose it is.
    let says_what = !application.destinations.is_empty() && !application.repositories.is_empty();
    let mut destinations = application.destinations.iter();
    let names_nobody = |text: &Text| named_tenant(cluster, text).is_none();
    says_what
        && destinations.all(|name| tenant_of(cluster, name).is_none() && !name.contains('*'))
        && application.repositories.iter().all(names_nobody)
        && names_nobody(&application.id.name)
}

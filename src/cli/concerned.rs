//! Which tenants a question concerns, so that only these are rendered.

use super::proof_inputs::ProofInputs;
use super::session::Session;
use std::collections::BTreeSet;
use tenantry::graph::InputKind;
use tenantry::graph::rbac::Subject;
use tenantry::isolation::escalation::Powers;
use tenantry::kube::names::ENFORCE_LABEL;
use tenantry::tenancy::model::Tenant;
use tenantry::value::Text;

/// The subject of a question.
pub enum Question<'a> {
    /// Packets between some namespaces.
    Packets(Vec<&'a str>),
    /// Grants of a subject in a namespace, and who has them.
    Grants {
        /// The namespace.
        namespace: &'a str,
        /// The subject.
        subject: &'a Subject,
    },
}

/// Whether rendering may refuse a tenant for its own files, templates or requirements. A refused
/// tenant makes every answer unknown, so all tenants have to be rendered.
pub fn may_be_refused(session: &Session) -> bool {
    let has_requirements = |tenant: &Tenant| tenant.on.iter().any(|on| !on.requires.is_empty());

    session.own_templates
        || !session.manifests.is_empty()
        || session
            .resolved
            .tenancy
            .tenants
            .iter()
            .any(has_requirements)
}

/// Whether some tenant has a namespace in which pods may control their node: whoever makes pods there
/// acts as accounts of every tenant.
pub fn has_open_namespace(session: &Session) -> bool {
    let tenants = session.resolved.tenancy.tenants.iter();
    let mut namespaces = tenants
        .flat_map(|tenant| &tenant.on)
        .flat_map(|on| &on.namespaces);
    namespaces.any(|namespace| {
        let level = namespace.labels.get(ENFORCE_LABEL).map(Text::as_str);
        !level.is_some_and(|level| ["baseline", "restricted"].contains(&level))
    })
}

/// The tenants that declare one of these namespaces.
pub fn owners<'a>(
    session: &Session,
    namespaces: impl IntoIterator<Item = &'a str>,
) -> BTreeSet<String> {
    let namespaces: BTreeSet<&str> = namespaces.into_iter().collect();
    let declares_one = |tenant: &&Tenant| {
        let mut declared = tenant.on.iter().flat_map(|on| &on.namespaces);
        declared.any(|namespace| namespaces.contains(namespace.name.as_str()))
    };

    session
        .resolved
        .tenancy
        .tenants
        .iter()
        .filter(declares_one)
        .map(|tenant| tenant.name.value.clone())
        .collect()
}

/// The tenants that have a user, a group or a service account.
pub fn holders(session: &Session, subject: &Subject) -> BTreeSet<String> {
    let principal = match subject {
        Subject::ServiceAccount(namespace, _) => return owners(session, [namespace.as_str()]),
        Subject::User(name) => format!("user/{name}"),
        Subject::Group(name) => format!("group/{name}"),
    };
    let tenants = session.resolved.tenancy.tenants.iter();
    let has_it = |tenant: &&Tenant| tenant.principals.iter().any(|one| one.value == principal);
    let holders = tenants.filter(has_it);
    holders.map(|tenant| tenant.name.value.clone()).collect()
}

/// Whether a right in one namespace may be a power over others.
pub fn leaves_namespaces(inputs: &ProofInputs) -> bool {
    let mut clusters = inputs.clusters.iter();
    clusters.any(|cluster| Powers::new(cluster).leave_namespaces())
}

/// The tenants whose service accounts are granted something; `None` if that may be any tenant.
///
/// Every subject that acts as a service account has a grant in the account's namespace, or in the
/// whole cluster.
pub fn grantees(session: &Session, inputs: &ProofInputs) -> Option<BTreeSet<String>> {
    let subjects = inputs
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.rbac.bindings)
        .filter(|binding| binding.origin.input != InputKind::Builtin)
        .flat_map(|binding| &binding.subjects);

    let mut namespaces = BTreeSet::new();
    for (subject, _) in subjects {
        match subject {
            Subject::ServiceAccount(namespace, _) => _ = namespaces.insert(namespace.as_str()),
            Subject::Group(name) => match name.strip_prefix("system:serviceaccounts") {
                Some("") => return None,
                Some(namespace) => _ = namespaces.insert(namespace.trim_start_matches(':')),
                None if name == "system:authenticated" => return None,
                None => {}
            },
            Subject::User(_) => {}
        }
    }

    Some(owners(session, namespaces))
}

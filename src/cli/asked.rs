//! What `can` and `who-can` are asked: a verb on a resource or a path.

use super::CliError;
use super::args::AccessArgs;
use tenantry::graph::Cluster;
use tenantry::graph::rbac::AccessRequest;
use tenantry::isolation::question::AccessQuestion;
use tenantry::kube::resources;
use tenantry::spec::did_you_mean_or;

/// The verbs that Kubernetes authorizes: those of requests, and those that its admission and its
/// controllers ask about.
const VERBS: [&str; 20] = [
    "*",
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "approve",
    "sign",
    "attest",
    "head",
    "post",
    "put",
    "options",
];

impl AccessArgs {
    /// The question that the arguments ask.
    pub fn question(&self) -> Result<AccessQuestion<'_>, CliError> {
        if self.resource.starts_with('/') {
            return Ok(AccessQuestion::Path {
                verb: &self.verb,
                path: &self.resource,
            });
        }

        let resource = RequestedResource::parse(&self.resource)?;
        Ok(AccessQuestion::Resource(AccessRequest {
            verb: &self.verb,
            group: resource.group,
            resource: resource.resource,
            subresource: resource.subresource,
            name: self.name.as_deref().unwrap_or_default(),
            namespace: self.namespace.as_deref().unwrap_or_default(),
        }))
    }

    /// Checks that a cluster knows the verb and the namespace.
    pub fn check(&self, clusters: &[Cluster]) -> Result<(), CliError> {
        check_verb(clusters, &self.verb)?;
        match &self.namespace {
            Some(namespace) => check_namespace(clusters, namespace),
            None => Ok(()),
        }
    }

    /// The question as a phrase: ``get secrets in `beta` ``.
    pub fn phrase(&self) -> String {
        let name = self.name.as_ref();
        let object = match name {
            Some(name) => format!("{} `{name}`", self.resource),
            None => self.resource.clone(),
        };
        match &self.namespace {
            _ if self.resource.starts_with('/') => format!("{} {object}", self.verb),
            Some(namespace) => format!("{} {object} in `{namespace}`", self.verb),
            None => format!("{} {object} in the whole cluster", self.verb),
        }
    }
}

/// The resource that an argument names.
struct RequestedResource<'a> {
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
}

impl<'a> RequestedResource<'a> {
    /// Reads `RESOURCE`, `RESOURCE.GROUP` or `RESOURCE/SUBRESOURCE`, with any name of the resource. A
    /// path, such as `/metrics`, has no group.
    fn parse(text: &'a str) -> Result<Self, CliError> {
        let (named, subresource) = text.split_once('/').unwrap_or((text, ""));
        let (name, group) = match named.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (named, None),
        };

        let (group, resource) = match (resources::find_named(name, group), group) {
            (Some((group, known)), _) => (group, known.plural),
            (None, Some(group)) => (group, name),
            (None, None) if text.starts_with('/') || name == "*" => ("", name),
            (None, None) => {
                return Err(CliError::Usage(format!(
                    "Kubernetes has no resource `{name}`; name the group of another's: \
                     {name}.example.com"
                )));
            }
        };

        Ok(Self {
            group,
            resource,
            subresource,
        })
    }
}

/// Checks that Kubernetes, or a role of the inputs, knows the verb.
fn check_verb(clusters: &[Cluster], verb: &str) -> Result<(), CliError> {
    let is_in_a_role = || {
        let roles = clusters.iter().flat_map(|one| one.rbac.roles.values());
        let rules = roles.flat_map(|role| role.rules.iter());
        rules
            .flat_map(|rule| &rule.verbs)
            .any(|known| known == verb)
    };
    if VERBS.contains(&verb) || is_in_a_role() {
        return Ok(());
    }

    let known = VERBS.iter().skip(1).copied();
    let help = did_you_mean_or(verb, known, || "see `kubectl auth can-i --help`".to_owned());
    Err(CliError::Usage(format!(
        "Kubernetes has no verb `{verb}`: {help}"
    )))
}

/// Checks that a cluster has the namespace, or may have it.
fn check_namespace(clusters: &[Cluster], namespace: &str) -> Result<(), CliError> {
    let may_have = |cluster: &Cluster| {
        cluster.namespace(namespace).is_some() || !cluster.unread_inputs.is_empty()
    };

    if clusters.iter().any(may_have) {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "there is no namespace `{namespace}` among the inputs"
    )))
}

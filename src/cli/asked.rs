//! What `can` and `who-can` are asked: a verb on a resource or a path.

use super::args::AccessArgs;
use super::{CliError, output};
use std::collections::BTreeSet;
use tenantry::graph::Cluster;
use tenantry::graph::rbac::AccessRequest;
use tenantry::isolation::question::AccessQuestion;
use tenantry::kube::kinds::Scope;
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
    /// The question that the arguments ask, of clusters that know the verb and the namespace. Prints a
    /// note about a resource that no API among the inputs has.
    pub fn checked_question<'a>(
        &'a self,
        clusters: &'a [Cluster],
    ) -> Result<AccessQuestion<'a>, CliError> {
        let question = self.question(clusters)?;
        check_verb(clusters, &self.verb)?;
        if let Some(namespace) = &self.namespace {
            check_namespace(clusters, namespace)?;
        }
        if let AccessQuestion::Resource(request) = &question {
            let notes = resource_notes(clusters, request);
            notes.iter().for_each(|note| output::note(note));
        }
        Ok(question)
    }

    fn question<'a>(&'a self, clusters: &'a [Cluster]) -> Result<AccessQuestion<'a>, CliError> {
        if self.resource.starts_with('/') {
            return Ok(AccessQuestion::Path {
                verb: &self.verb,
                path: &self.resource,
            });
        }

        let RequestedResource {
            group,
            resource,
            subresource,
        } = RequestedResource::parse(&self.resource, clusters)?;
        let name = self.name.as_deref().unwrap_or_default();
        // The API server puts a request about a Namespace into that namespace.
        let is_namespace = group.is_empty() && resource == "namespaces";
        let own = if is_namespace { name } else { "" };
        Ok(AccessQuestion::Resource(AccessRequest {
            verb: &self.verb,
            group,
            resource,
            subresource,
            name,
            namespace: self.namespace.as_deref().unwrap_or(own),
        }))
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
    /// resource without a group may be one of a CustomResourceDefinition among the inputs.
    fn parse(text: &'a str, clusters: &'a [Cluster]) -> Result<Self, CliError> {
        let (named, subresource) = text.split_once('/').unwrap_or((text, ""));
        let (name, group) = match named.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (named, None),
        };

        let (group, resource) = match (resources::find_named(name, group), group) {
            (Some((group, known)), _) => (group, known.plural),
            (None, Some(group)) => (group, name),
            (None, None) if name == "*" => ("", name),
            (None, None) => {
                let mut defined = clusters.iter().flat_map(definitions);
                let own = defined.find(|(plural, _)| *plural == name);
                let (plural, group) = own.ok_or_else(|| unknown_resource(name, clusters))?;
                (group, plural)
            }
        };

        Ok(Self {
            group,
            resource,
            subresource,
        })
    }
}

/// The resources of the CustomResourceDefinitions among the inputs: the plural, and the group.
fn definitions(cluster: &Cluster) -> impl Iterator<Item = (&str, &str)> {
    let objects = cluster.facts.objects.iter();
    let definitions = objects.filter(|object| object.id.kind == "CustomResourceDefinition");
    definitions.filter_map(|object| object.id.name.split_once('.'))
}

fn unknown_resource(name: &str, clusters: &[Cluster]) -> CliError {
    let groups = resources::groups().iter();
    let known = groups.flat_map(|group| group.resources.iter().map(|one| one.plural));
    let defined = clusters
        .iter()
        .flat_map(definitions)
        .map(|(plural, _)| plural);
    let help = did_you_mean_or(name, known.chain(defined), || {
        format!("if it is a custom resource, name its group: {name}.example.com")
    });
    CliError::Usage(format!("Kubernetes has no resource `{name}`: {help}"))
}

/// Says that no API among the inputs has the resource that a request names.
fn resource_notes(clusters: &[Cluster], request: &AccessRequest<'_>) -> Vec<String> {
    let AccessRequest {
        group,
        resource,
        subresource,
        name,
        namespace,
        ..
    } = *request;
    if resource == "*" {
        return Vec::new();
    }

    let Some(known) = resources::find_group(group) else {
        return unknown_group(clusters, group).into_iter().collect();
    };
    let mut notes = Vec::new();
    let Some(own) = resources::find(group, resource) else {
        let plurals = known.resources.iter().map(|one| one.plural);
        let help = did_you_mean_or(resource, plurals, || "no request can ask for it".to_owned());
        notes.push(format!(
            "the API group `{group}` has no resource `{resource}`: {help}"
        ));
        return notes;
    };

    if !resources::may_be_served(group, resource, subresource) {
        let all = own.subresources.iter().copied();
        let help = did_you_mean_or(subresource, all, || "no request can ask for it".to_owned());
        notes.push(format!(
            "{resource} have no subresource `{subresource}`: {help}"
        ));
    }
    let is_its_own = resource == "namespaces" && name == namespace;
    if own.scope == Scope::Cluster && !namespace.is_empty() && !is_its_own {
        notes.push(format!(
            "{resource} are in no namespace: ask without -n about the whole cluster"
        ));
    }
    notes
}

/// Says that no input knows an API group of another than Kubernetes.
fn unknown_group(clusters: &[Cluster], group: &str) -> Option<String> {
    let of_roles = clusters.iter().flat_map(|one| one.rbac.roles.values());
    let of_roles = of_roles.flat_map(|role| role.rules.iter());
    let of_roles = of_roles.flat_map(|rule| rule.groups.iter().map(|group| group.as_str()));
    let of_objects = clusters.iter().flat_map(|one| one.facts.objects.iter());
    let of_objects = of_objects.map(|object| object.id.group.as_str());
    let defined = clusters
        .iter()
        .flat_map(definitions)
        .map(|(_, group)| group);

    let known: BTreeSet<&str> = of_roles.chain(of_objects).chain(defined).collect();
    if known.contains(group) {
        return None;
    }
    let of_kubernetes = resources::groups().iter().map(|group| group.name);
    let help = did_you_mean_or(group, known.into_iter().chain(of_kubernetes), || {
        "no role and no object names it".to_owned()
    });
    Some(format!("the inputs have no API group `{group}`: {help}"))
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
    let known = clusters.iter().flat_map(|cluster| &cluster.namespaces);
    let known = known.map(|one| one.name.as_str());
    let help = did_you_mean_or(namespace, known, || "give it with --also".to_owned());
    Err(CliError::Usage(format!(
        "there is no namespace `{namespace}` among the inputs: {help}"
    )))
}

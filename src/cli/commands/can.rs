//! `can`: whether a subject may do something.

use crate::cli::args::{CanArgs, Cli};
use crate::cli::proof_inputs::{self, Question};
use crate::cli::{CliError, Outcome, output};
use tenantry::graph::Cluster;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::Step;
use tenantry::isolation::question::{self, AccessQuestion};
use tenantry::kube::resources;
use tenantry::source::SourceMap;
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

/// Runs the command.
pub fn run(cli: &Cli, args: &CanArgs) -> Result<Outcome, CliError> {
    // Without a namespace, the grants of every tenant can decide.
    let inputs = match &args.namespace {
        Some(namespace) => proof_inputs::read_for(cli, &args.beside, &Question::Grants(namespace))?,
        None => proof_inputs::read(cli, &args.beside)?,
    };

    let subject = Subject::parse(&args.subject).map_err(CliError::Usage)?;
    let resource = RequestedResource::parse(&args.resource)?;
    let verb = args.verb.to_lowercase();
    let request = AccessRequest {
        verb: &verb,
        group: resource.group,
        resource: resource.resource,
        subresource: resource.subresource,
        name: args.name.as_deref().unwrap_or_default(),
        namespace: args.namespace.as_deref().unwrap_or_default(),
    };

    let question = match args.resource.starts_with('/') {
        true => AccessQuestion::Path {
            verb: &verb,
            path: &args.resource,
        },
        false => AccessQuestion::Resource(request),
    };

    check_verb(&inputs.clusters, &verb)?;
    if let Some(namespace) = &args.namespace {
        check_namespace(&inputs.clusters, namespace)?;
    }

    let mut is_allowed = false;
    for cluster in &inputs.clusters {
        let steps = question::can(cluster, &subject, &question, args.direct);
        is_allowed |= steps.is_some();
        print_answer(&inputs.sources, cluster, &subject, steps)?;
    }

    Ok(Outcome::from(!is_allowed))
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

/// Prints the answer of one cluster, with its steps.
fn print_answer(
    sources: &SourceMap,
    cluster: &Cluster,
    subject: &Subject,
    steps: Option<Vec<Step>>,
) -> Result<(), CliError> {
    let say = |word: &str| output::data(&format!("{}: {word}\n", cluster.name));

    match steps {
        Some(steps) => {
            say("yes")?;
            proof_inputs::print_steps(sources, &steps)
        }
        None if !cluster.unread_inputs.is_empty() => {
            say("unknown: nothing that was read allows it, and not everything could be read")?;
            let unread = cluster.unread_inputs.iter().take(5);
            let unread: Vec<_> = unread
                .map(|finding| Step::new(finding.span, finding.message.clone()))
                .collect();
            proof_inputs::print_steps(sources, &unread)
        }
        None => say(&format!(
            "no: nothing that {subject} is bound to allows that"
        )),
    }
}

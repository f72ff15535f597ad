//! `can`: whether a subject may do something.

use crate::cli::args::{CanArgs, Cli};
use crate::cli::proof_inputs::{self, Question};
use crate::cli::{CliError, Outcome, output};
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::Step;
use tenantry::isolation::question::{self, AccessQuestion};

/// Kubernetes' resources by group: many, one, and short names, as kubectl finds them by discovery.
const RESOURCES: [(&str, &[&str]); 13] = [
    (
        "",
        &[
            "pods pod po",
            "services service svc",
            "configmaps configmap cm",
            "secrets secret",
            "serviceaccounts serviceaccount sa",
            "namespaces namespace ns",
            "nodes node no",
            "endpoints ep",
            "events event ev",
            "limitranges limitrange limits",
            "resourcequotas resourcequota quota",
            "persistentvolumes persistentvolume pv",
            "persistentvolumeclaims persistentvolumeclaim pvc",
            "podtemplates podtemplate",
            "replicationcontrollers replicationcontroller rc",
            "users user",
            "groups group",
            "bindings binding",
            "componentstatuses componentstatus cs",
        ],
    ),
    (
        "apps",
        &[
            "deployments deployment deploy",
            "statefulsets statefulset sts",
            "daemonsets daemonset ds",
            "replicasets replicaset rs",
            "controllerrevisions controllerrevision",
        ],
    ),
    ("batch", &["jobs job", "cronjobs cronjob cj"]),
    (
        "networking.k8s.io",
        &[
            "networkpolicies networkpolicy netpol",
            "ingresses ingress ing",
            "ingressclasses ingressclass",
        ],
    ),
    (
        "rbac.authorization.k8s.io",
        &[
            "roles role",
            "rolebindings rolebinding",
            "clusterroles clusterrole",
            "clusterrolebindings clusterrolebinding",
        ],
    ),
    ("policy", &["poddisruptionbudgets poddisruptionbudget pdb"]),
    (
        "autoscaling",
        &["horizontalpodautoscalers horizontalpodautoscaler hpa"],
    ),
    (
        "storage.k8s.io",
        &[
            "storageclasses storageclass sc",
            "volumeattachments volumeattachment",
        ],
    ),
    (
        "apiextensions.k8s.io",
        &["customresourcedefinitions customresourcedefinition crd crds"],
    ),
    ("discovery.k8s.io", &["endpointslices endpointslice"]),
    ("coordination.k8s.io", &["leases lease"]),
    (
        "certificates.k8s.io",
        &[
            "certificatesigningrequests certificatesigningrequest csr",
            "signers signer",
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &[
            "validatingadmissionpolicies validatingadmissionpolicy",
            "validatingadmissionpolicybindings validatingadmissionpolicybinding",
            "validatingwebhookconfigurations validatingwebhookconfiguration",
            "mutatingwebhookconfigurations mutatingwebhookconfiguration",
        ],
    ),
];

/// Runs the command.
pub fn run(cli: &Cli, args: &CanArgs) -> Result<Outcome, CliError> {
    // Roles in the whole cluster may be anybody's; of a path it is everybody who is asked about.
    let inputs = match &args.namespace {
        Some(namespace) => proof_inputs::read_for(cli, &args.beside, &Question::Grants(namespace))?,
        None => proof_inputs::read(cli, &args.beside)?,
    };

    let subject = Subject::parse(&args.subject).map_err(CliError::Usage)?;
    let (named, subresource) = args
        .resource
        .split_once('/')
        .unwrap_or((&args.resource, ""));

    let (named, group) = named
        .split_once('.')
        .map_or((named, None), |(resource, group)| (resource, Some(group)));
    // As kubectl finds them: by one, by many, or by a short name.
    let lower = named.to_lowercase();
    let known = RESOURCES
        .iter()
        .flat_map(|(group, all)| all.iter().map(move |r| (*group, *r)))
        .find(|(own, names)| {
            group.is_none_or(|g| g == *own) && names.split(' ').any(|name| name == lower)
        });

    let (resource, group) = match (known, group) {
        (Some((group, names)), _) => (names.split(' ').next().unwrap_or_default(), group),
        (None, Some(group)) => (named, group),
        (None, None) if args.resource.starts_with('/') || named == "*" => (named, ""),
        (None, None) => {
            let message = format!(
                "Kubernetes has no resource `{named}`; name the group of another's: {named}.example.com"
            );
            return Err(CliError::Usage(message));
        }
    };

    let verb = args.verb.to_lowercase();
    let request = AccessRequest {
        verb: &verb,
        group,
        resource,
        subresource,
        name: args.name.as_deref().unwrap_or_default(),
        namespace: args.namespace.as_deref().unwrap_or_default(),
    };

    let ask = match args.resource.starts_with('/') {
        true => AccessQuestion::Path {
            verb: &verb,
            path: &args.resource,
        },
        false => AccessQuestion::Resource(request),
    };

    if let Some(namespace) = &args.namespace
        && inputs
            .clusters
            .iter()
            .all(|c| c.namespace(namespace).is_none() && c.blind.is_empty())
    {
        return Err(CliError::Usage(format!(
            "there is no namespace `{namespace}` among the inputs"
        )));
    }

    let mut any = false;
    for cluster in &inputs.clusters {
        let said = |word: &str| format!("{}: {word}\n", cluster.name);
        match question::can(cluster, &subject, &ask, args.direct) {
            Some(steps) => {
                any = true;
                output::data(&said("yes"))?;
                proof_inputs::print_steps(&inputs.sources, &steps)?;
            }
            None if !cluster.blind.is_empty() => {
                output::data(&said(
                    "unknown: nothing that was read allows it, and not everything could be read",
                ))?;
                let unread: Vec<_> = cluster
                    .blind
                    .iter()
                    .take(5)
                    .map(|finding| Step::new(finding.span, finding.message.clone()))
                    .collect();
                proof_inputs::print_steps(&inputs.sources, &unread)?;
            }
            None => output::data(&said(&format!(
                "no: nothing that {subject} is bound to allows that"
            )))?,
        }
    }

    Ok(Outcome::from(!any))
}

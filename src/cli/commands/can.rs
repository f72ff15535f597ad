//! `can`: whether a subject may do something.

use crate::cli::args::{CanArgs, Cli};
use crate::cli::proof_inputs::{self, Question};
use crate::cli::{CliError, Outcome, output};
use tenantry::graph::Cluster;
use tenantry::graph::rbac::{AccessRequest, Subject};
use tenantry::isolation::Step;
use tenantry::isolation::question::{self, AccessQuestion};
use tenantry::source::SourceMap;

/// The resources of an API group of Kubernetes.
struct GroupResources {
    group: &'static str,
    /// The names of each resource, as kubectl finds them by discovery: the plural, the singular, the
    /// short ones.
    resources: &'static [&'static [&'static str]],
}

static RESOURCES: [GroupResources; 13] = [
    GroupResources {
        group: "",
        resources: &[
            &["pods", "pod", "po"],
            &["services", "service", "svc"],
            &["configmaps", "configmap", "cm"],
            &["secrets", "secret"],
            &["serviceaccounts", "serviceaccount", "sa"],
            &["namespaces", "namespace", "ns"],
            &["nodes", "node", "no"],
            &["endpoints", "ep"],
            &["events", "event", "ev"],
            &["limitranges", "limitrange", "limits"],
            &["resourcequotas", "resourcequota", "quota"],
            &["persistentvolumes", "persistentvolume", "pv"],
            &["persistentvolumeclaims", "persistentvolumeclaim", "pvc"],
            &["podtemplates", "podtemplate"],
            &["replicationcontrollers", "replicationcontroller", "rc"],
            &["users", "user"],
            &["groups", "group"],
            &["bindings", "binding"],
            &["componentstatuses", "componentstatus", "cs"],
        ],
    },
    GroupResources {
        group: "apps",
        resources: &[
            &["deployments", "deployment", "deploy"],
            &["statefulsets", "statefulset", "sts"],
            &["daemonsets", "daemonset", "ds"],
            &["replicasets", "replicaset", "rs"],
            &["controllerrevisions", "controllerrevision"],
        ],
    },
    GroupResources {
        group: "batch",
        resources: &[&["jobs", "job"], &["cronjobs", "cronjob", "cj"]],
    },
    GroupResources {
        group: "networking.k8s.io",
        resources: &[
            &["networkpolicies", "networkpolicy", "netpol"],
            &["ingresses", "ingress", "ing"],
            &["ingressclasses", "ingressclass"],
        ],
    },
    GroupResources {
        group: "rbac.authorization.k8s.io",
        resources: &[
            &["roles", "role"],
            &["rolebindings", "rolebinding"],
            &["clusterroles", "clusterrole"],
            &["clusterrolebindings", "clusterrolebinding"],
        ],
    },
    GroupResources {
        group: "policy",
        resources: &[&["poddisruptionbudgets", "poddisruptionbudget", "pdb"]],
    },
    GroupResources {
        group: "autoscaling",
        resources: &[&["horizontalpodautoscalers", "horizontalpodautoscaler", "hpa"]],
    },
    GroupResources {
        group: "storage.k8s.io",
        resources: &[
            &["storageclasses", "storageclass", "sc"],
            &["volumeattachments", "volumeattachment"],
        ],
    },
    GroupResources {
        group: "apiextensions.k8s.io",
        resources: &[&[
            "customresourcedefinitions",
            "customresourcedefinition",
            "crd",
            "crds",
        ]],
    },
    GroupResources {
        group: "discovery.k8s.io",
        resources: &[&["endpointslices", "endpointslice"]],
    },
    GroupResources {
        group: "coordination.k8s.io",
        resources: &[&["leases", "lease"]],
    },
    GroupResources {
        group: "certificates.k8s.io",
        resources: &[
            &[
                "certificatesigningrequests",
                "certificatesigningrequest",
                "csr",
            ],
            &["signers", "signer"],
        ],
    },
    GroupResources {
        group: "admissionregistration.k8s.io",
        resources: &[
            &["validatingadmissionpolicies", "validatingadmissionpolicy"],
            &[
                "validatingadmissionpolicybindings",
                "validatingadmissionpolicybinding",
            ],
            &[
                "validatingwebhookconfigurations",
                "validatingwebhookconfiguration",
            ],
            &[
                "mutatingwebhookconfigurations",
                "mutatingwebhookconfiguration",
            ],
        ],
    },
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

        let (group, resource) = match (find_resource(name, group), group) {
            (Some(known), _) => known,
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

/// The group and the plural of a resource of Kubernetes. Without a group, the first group that has
/// the resource counts.
fn find_resource(name: &str, group: Option<&str>) -> Option<(&'static str, &'static str)> {
    let name = name.to_lowercase();

    RESOURCES
        .iter()
        .filter(|known| group.is_none_or(|group| group == known.group))
        .find_map(|known| {
            let mut resources = known.resources.iter();
            let names = resources.find(|names| names.contains(&name.as_str()))?;
            Some((known.group, *names.first()?))
        })
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

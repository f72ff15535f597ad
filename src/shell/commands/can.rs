//! `can`: whether a subject may do something.

use crate::shell::args::{Can, Cli, Format};
use crate::shell::clusters::{self, About};
use crate::shell::{Fault, Outcome, output};
use tenantry::graph::rbac::{Request, Subject};
use tenantry::isolation::question::{self, Ask};

/// Groups of resources that are commonly named without one, as kubectl finds them by discovery.
const GROUPS: [(&str, &[&str]); 8] = [
    ("apps", &["deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions"]),
    ("batch", &["jobs", "cronjobs"]),
    ("networking.k8s.io", &["networkpolicies", "ingresses", "ingressclasses"]),
    ("rbac.authorization.k8s.io", &["roles", "rolebindings", "clusterroles", "clusterrolebindings"]),
    ("policy", &["poddisruptionbudgets"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("storage.k8s.io", &["storageclasses", "volumeattachments"]),
    ("apiextensions.k8s.io", &["customresourcedefinitions"]),
];

/// Runs the command.
pub fn run(cli: &Cli, args: &Can) -> Result<Outcome, Fault> {
    output::formats(cli, &[Format::Text])?;
    // Roles in the whole cluster may be anybody's; of a path it is everybody who is asked about.
    let clusters = match &args.namespace {
        Some(namespace) => clusters::about(cli, &args.beside, &About::Grants(namespace))?,
        None => clusters::read(cli, &args.beside)?,
    };
    let subject = Subject::parse(&args.subject).map_err(Fault::Usage)?;
    let (resource, subresource) = args.resource.split_once('/').unwrap_or((&args.resource, ""));
    let (resource, group) = match resource.split_once('.') {
        Some((resource, group)) => (resource, group),
        None => {
            let found = GROUPS.iter().find(|(_, resources)| resources.contains(&resource));
            (resource, found.map_or("", |(group, _)| group))
        }
    };
    let request = Request {
        verb: &args.verb,
        group,
        resource,
        subresource,
        name: args.name.as_deref().unwrap_or_default(),
        namespace: args.namespace.as_deref().unwrap_or_default(),
    };
    let ask = match args.resource.starts_with('/') {
        true => Ask::Path(&args.verb, &args.resource),
        false => Ask::Resource(request),
    };
    let mut any = false;
    for cluster in &clusters.all {
        let said = |word: &str| format!("{}: {word}\n", cluster.name);
        match question::can(cluster, &subject, &ask, args.direct) {
            Some(steps) => {
                any = true;
                output::data(&said("yes"))?;
                clusters::chain(&clusters.sources, &steps)?;
            }
            None if !cluster.blind.is_empty() => {
                output::data(&said("unknown: nothing that was read allows it, and not everything could be read"))?;
                let unread: Vec<_> = cluster.blind.iter().take(5).map(|d| (d.place, d.message.clone())).collect();
                clusters::chain(&clusters.sources, &unread)?;
            }
            None => {
                let bound =
                    question::with_groups(&subject).iter().map(|s| cluster.rbac.bindings_of(s).count()).sum::<usize>();
                output::data(&said(&format!("no: {subject} is bound {bound} times, and nothing of it allows that")))?;
            }
        }
    }
    Ok(Outcome::from(!any))
}

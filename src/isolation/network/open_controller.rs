use super::paths::{EndLabels, NetworkPath};
use super::reach::Reachability;
use super::{Findings, owned};
use crate::delivery::argo;
use crate::diagnostic::rule;
use crate::graph::workload::Workload;
use crate::graph::{Cluster, NamespaceNode, Owner};
use crate::isolation::Finding;
use crate::isolation::assumptions::CONTROLLERS_CLOSED;
use crate::isolation::gitops::{shows_argo_cd, shows_flux};
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port, Ports, Protocol};
use crate::source::Span;

rule! {
    /// Tenants' pods reach what serves every tenant's sources or secrets.
    ///
    /// ## What it finds
    /// Pods of tenants that can send to Flux's source-controller (9090), or to Argo CD's
    /// repo-server (8081) and Redis (6379): in the namespaces that they usually have, and wherever
    /// the inputs have a workload of them, by its labels and its images.
    ///
    /// ## Why it matters
    /// source-controller serves the files of every GitRepository, OCIRepository and Bucket to
    /// every client that asks by HTTP; the repo-server and its Redis hold rendered manifests, and what is
    /// written there is applied.
    ///
    /// ## Fix
    /// `flux install --network-policy` (its default): other namespaces reach metrics and webhooks
    /// only.
    ///
    /// ## References
    /// fluxcd.io/flux/security/best-practices; argo-cd.readthedocs.io (Security, redis);
    /// CVE-2024-31989; ISO 27001 A.8.22
    pub static OPEN_CONTROLLER = "network/open-controller", Error;
}

/// A server of a GitOps engine that holds files or secrets of every tenant.
struct Server {
    /// The namespace that it runs in; `None` is the namespace of the cluster's engine.
    namespace: Option<&'static str>,
    /// The key of the label that its pods carry, with its name as the value.
    label: &'static str,
    name: &'static str,
    port: u16,
    /// What it serves, as a phrase.
    serves: &'static str,
    /// Parts by which a workload is known in another namespace: of its image or its labels, and of
    /// its name.
    known_by: [&'static str; 2],
    /// Whether an installation has it only if the inputs do not show another.
    optional: bool,
}

const SERVERS: [Server; 5] = [
    Server {
        namespace: None,
        label: "app",
        name: "source-controller",
        port: 9090,
        serves: "the files of every tenant's sources",
        known_by: ["source-controller", "source-controller"],
        optional: false,
    },
    Server {
        namespace: Some(argo::NAMESPACE),
        label: "app.kubernetes.io/name",
        name: "argocd-repo-server",
        port: 8081,
        serves: "the manifests of every tenant's repositories",
        known_by: ["argo", "repo-server"],
        optional: false,
    },
    Server {
        namespace: Some(argo::NAMESPACE),
        label: "app.kubernetes.io/name",
        name: "argocd-redis",
        port: 6379,
        serves: "the manifests of every tenant's Applications",
        known_by: ["argo", "redis"],
        optional: false,
    },
    Server {
        namespace: Some(argo::NAMESPACE),
        label: "app.kubernetes.io/name",
        name: "argocd-redis-ha",
        port: 6379,
        serves: "the manifests of every tenant's Applications",
        known_by: ["argo", "redis-ha"],
        optional: true,
    },
    Server {
        namespace: Some(argo::NAMESPACE),
        label: "app.kubernetes.io/name",
        name: "argocd-redis-ha-haproxy",
        port: 6379,
        serves: "the manifests of every tenant's Applications",
        known_by: ["argo", "redis-ha-haproxy"],
        optional: true,
    },
];

/// A namespace in which a server runs, and the labels of its pods there.
struct Place {
    index: u32,
    span: Span,
    labels: Labels,
}

impl Server {
    /// Whether a workload of the platform is this server, in whichever namespace.
    fn is_run_by(&self, workload: &Workload) -> bool {
        let [program, name] = self.known_by;
        let labels = workload.labels.iter().map(|(_, value)| value.as_str());
        let mut texts = labels
            .chain(workload.images.iter().map(|image| image.as_str()))
            .chain([workload.id.namespace.as_str(), workload.id.name.as_str()]);
        let own = workload.labels.get(self.label) == Some(self.name);
        own || workload.id.name.ends_with(name) && texts.any(|text| text.contains(program))
    }

    /// The places where it runs: its usual namespace, and those of its workloads.
    fn places(&self, cluster: &Cluster) -> Vec<Place> {
        let mut places = Vec::new();
        let mut shown = false;
        let usual = self.namespace.unwrap_or(&cluster.engine_namespace);

        for workload in &cluster.facts.workloads {
            let home = workload.id.namespace.as_str();
            let index = cluster.namespace(home);
            let Some(index) = index.filter(|_| cluster.owner(home) == Owner::Platform) else {
                continue;
            };
            shown |= home == usual;
            if self.is_run_by(workload) && !places.iter().any(|place: &Place| place.index == index)
            {
                places.push(Place {
                    index,
                    span: workload.origin.span,
                    labels: workload.labels.clone(),
                });
            }
        }

        let known = cluster.namespace(usual);
        let known = known.filter(|at| !places.iter().any(|place| place.index == *at));
        if let Some(index) = known.filter(|_| !(self.optional && shown))
            && let Some(origin) = cluster.namespaces[index as usize].origin
        {
            places.push(Place {
                index,
                span: origin.span,
                labels: Labels::new([(self.label.into(), self.name.into())]),
            });
        }
        places
    }
}

pub(super) fn check(cluster: &Cluster, reach: &Reachability<'_>, out: &mut Findings<'_>) {
    let mut absent: Vec<&str> = Vec::new();
    for server in &SERVERS {
        let places = server.places(cluster);
        let home = server.namespace.unwrap_or(&cluster.engine_namespace);
        let is_shown = match server.namespace {
            None => shows_flux(cluster),
            Some(_) => shows_argo_cd(cluster),
        };
        if places.is_empty() && is_shown && !server.optional && !absent.contains(&home) {
            absent.push(home);
        }
        for place in places {
            out.extend(reached(cluster, reach, server, &place));
        }
    }

    if !absent.is_empty() {
        let text = format!(
            "{}, of which no input has the namespace, let tenants' pods send to metrics and webhooks \
             only",
            absent.join(" and ")
        );
        out.assume_about(&CONTROLLERS_CLOSED, text);
    }
}

/// The finding about a server in one of its places, if tenants reach it.
fn reached(
    cluster: &Cluster,
    reach: &Reachability<'_>,
    server: &Server,
    place: &Place,
) -> Option<Finding> {
    let home = &cluster.namespaces[place.index as usize];
    let clients = clients(cluster, reach, server, place);
    if let Some(first) = &clients.first {
        let message = format!(
            "pods of {} tenants' {}, `{}` among them, reach {} in `{}`, which has {}",
            clients.count,
            match clients.count {
                1 => "namespace",
                _ => "namespaces",
            },
            first.namespace.name,
            server.name,
            home.name,
            server.serves
        );

        let from = first
            .namespace
            .origin
            .map_or(place.span, |origin| origin.span);
        let steps = [
            first.exit.step(Direction::Egress, first.namespace, from),
            first.entrance.step(Direction::Ingress, home, place.span),
        ];
        let finding = Finding::refuted(&OPEN_CONTROLLER, place.span, message).steps(steps);
        return Some(finding.fix("let only metrics and webhooks in, as `flux install` does"));
    }

    clients.undecided.then(|| {
        let message = format!(
            "whether tenants reach {} in `{}` cannot be told: the selectors are too many",
            server.name, home.name
        );
        Finding::unknown(&OPEN_CONTROLLER, place.span, message).fix("select pods by fewer labels")
    })
}

/// The namespaces of tenants whose pods reach a server.
#[derive(Default)]
struct Clients<'a> {
    count: usize,
    first: Option<Client<'a>>,
    /// Whether the selectors of some other namespace are too many to tell.
    undecided: bool,
}

/// A namespace of a tenant, and the paths by which its pods reach a server.
struct Client<'a> {
    namespace: &'a NamespaceNode,
    exit: &'a NetworkPath<'a>,
    entrance: &'a NetworkPath<'a>,
}

fn clients<'a>(
    cluster: &'a Cluster,
    reach: &'a Reachability<'a>,
    server: &Server,
    place: &Place,
) -> Clients<'a> {
    let to = place.index;
    let labels = EndLabels {
        to: Some(&place.labels),
        ..EndLabels::default()
    };
    let port = Port {
        protocol: Protocol::Tcp,
        ports: Ports::Range(server.port, server.port),
    };

    let mut clients = Clients::default();
    for (from, _, namespace) in owned(cluster) {
        let leads = |paths: &[NetworkPath<'_>]| paths.iter().any(|path| path.namespaces.has(to));
        if !reach.paths_out(from).is_none_or(leads) {
            continue;
        }
        match reach.between_as(from, to, labels, Some(&port)) {
            Ok(None) => {}
            Ok(Some((exit, entrance))) => {
                clients.count += 1;
                clients.first.get_or_insert(Client {
                    namespace,
                    exit,
                    entrance,
                });
            }
            Err(TooLarge) => clients.undecided = true,
        }
    }
    clients
}

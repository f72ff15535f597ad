use super::paths::{EndLabels, NetworkPath};
use super::reach::Reachability;
use super::{Findings, owned};
use crate::delivery::argo;
use crate::diagnostic::rule;
use crate::graph::{Cluster, NamespaceNode};
use crate::isolation::Finding;
use crate::kube::labels::{Labels, TooLarge};
use crate::netpol::{Direction, Port, Ports, Protocol};

rule! {
    /// Tenants' pods reach what serves every tenant's sources or secrets.
    ///
    /// ## What it finds
    /// Pods of tenants that can send to Flux's source-controller (9090), or to Argo CD's
    /// repo-server (8081) and Redis (6379), in their own namespaces.
    ///
    /// ## Why it matters
    /// source-controller serves the files of every GitRepository, OCIRepository and Bucket to
    /// every client that asks by HTTP; the repo-server and its Redis hold rendered manifests, and what is
    /// written there is applied.
    ///
    /// ## Example
    /// A namespace `flux-system` without the NetworkPolicies that `flux install` makes, and a
    /// tenant without default-deny.
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
}

const SERVERS: [Server; 3] = [
    Server {
        namespace: None,
        label: "app",
        name: "source-controller",
        port: 9090,
        serves: "the files of every tenant's sources",
    },
    Server {
        namespace: Some(argo::NAMESPACE),
        label: "app.kubernetes.io/name",
        name: "argocd-repo-server",
        port: 8081,
        serves: "the manifests of every tenant's repositories",
    },
    Server {
        namespace: Some(argo::NAMESPACE),
        label: "app.kubernetes.io/name",
        name: "argocd-redis",
        port: 6379,
        serves: "the manifests of every tenant's Applications",
    },
];

pub(super) fn check(cluster: &Cluster, reach: &Reachability<'_>, out: &mut Findings<'_>) {
    let mut absent: Vec<&str> = Vec::new();
    for server in &SERVERS {
        let home = server.namespace.unwrap_or(&cluster.engine_namespace);
        let known = cluster.namespace(home).and_then(|index| {
            let origin = cluster.namespaces[index as usize].origin?;
            Some((index, origin.span))
        });
        let Some((index, span)) = known else {
            if !absent.contains(&home) {
                absent.push(home);
            }
            continue;
        };

        let clients = clients(cluster, reach, server, index);
        if let Some(first) = &clients.first {
            let message = format!(
                "pods of {} tenants' {}, `{}` among them, reach {} in `{home}`, which has {}",
                clients.count,
                match clients.count {
                    1 => "namespace",
                    _ => "namespaces",
                },
                first.namespace.name,
                server.name,
                server.serves
            );

            let from = first.namespace.origin.map_or(span, |origin| origin.span);
            let home = &cluster.namespaces[index as usize];
            let steps = [
                first.exit.step(Direction::Egress, first.namespace, from),
                first.entrance.step(Direction::Ingress, home, span),
            ];
            out.push(
                Finding::refuted(&OPEN_CONTROLLER, span, message)
                    .steps(steps)
                    .fix("let only metrics and webhooks in, as `flux install` does"),
            );
        } else if clients.undecided {
            let message = format!(
                "whether tenants reach {} in `{home}` cannot be told: the selectors are too many",
                server.name
            );
            out.push(
                Finding::unknown(&OPEN_CONTROLLER, span, message)
                    .fix("select pods by fewer labels"),
            );
        }
    }

    if !absent.is_empty() {
        let text = format!(
            "{} let no tenant's pods in, but to metrics and webhooks",
            absent.join(" and ")
        );
        out.assume("controllers-closed", text);
    }
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
    to: u32,
) -> Clients<'a> {
    let labels = Labels::new([(server.label.into(), server.name.into())]);
    let labels = EndLabels {
        from: None,
        to: Some(&labels),
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

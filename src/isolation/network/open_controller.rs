use super::Findings;
use super::reach::Reachability;
use crate::delivery::argo;
use crate::diagnostic::rule;
use crate::graph::network::PolicyObject;
use crate::graph::{Cluster, Owner};
use crate::isolation::{Finding, at};
use crate::kube::labels::Labels;
use crate::netpol::{Port, Ports, Protocol, Rule};

rule! {
    /// Tenants' pods reach what serves every tenant's sources or secrets.
    ///
    /// ## What it finds
    /// Pods of tenants that can send to Flux's source-controller (9090), or to Argo CD's
    /// repo-server (8081) and Redis (6379), in their own namespaces.
    ///
    /// ## Why it matters
    /// source-controller serves the files of every GitRepository, OCIRepository and Bucket to
    /// whoever asks by HTTP; the repo-server and its Redis hold rendered manifests, and what is
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

/// What serves for all: the namespace (the engine's own where none is named), the label of its pods, the port, and what it has.
const SERVERS: [(Option<&str>, &str, &str, u16, &str); 3] = [
    (
        None,
        "app",
        "source-controller",
        9090,
        "the files of every tenant's sources",
    ),
    (
        Some(argo::NAMESPACE),
        "app.kubernetes.io/name",
        "argocd-repo-server",
        8081,
        "the manifests of every tenant's repositories",
    ),
    (
        Some(argo::NAMESPACE),
        "app.kubernetes.io/name",
        "argocd-redis",
        6379,
        "the manifests of every tenant's Applications",
    ),
];

pub(super) fn check(cluster: &Cluster, reach: &Reachability<'_>, out: &mut Findings<'_>) {
    let mut absent = Vec::new();
    for (home, key, name, port, what) in SERVERS {
        let home = home.unwrap_or(&cluster.engine_namespace);
        let Some(to) = cluster
            .namespace(home)
            .filter(|at| cluster.namespaces[*at as usize].origin.is_some())
        else {
            if !absent.contains(&home) {
                absent.push(home);
            }
            continue;
        };

        let labels = Labels::new([(key.into(), name.into())]);
        let port = Port {
            protocol: Protocol::Tcp,
            ports: Ports::Range(port, port),
        };

        let mut first = None;
        let (mut count, mut undecided) = (0, false);

        for (from, namespace) in cluster.namespaces.iter().enumerate() {
            let leads =
                |paths: &[super::paths::NetworkPath<'_>]| paths.iter().any(|w| w.span.has(to));
            if namespace.owner == Owner::Platform || !reach.paths_out(from as u32).is_none_or(leads)
            {
                continue;
            }
            match reach.between_as(from as u32, to, [None, Some(&labels)], Some(&port)) {
                Ok(None) => {}
                Ok(Some((exit, entrance))) => {
                    count += 1;
                    first.get_or_insert((namespace, exit.by, entrance.by));
                }
                Err(_) => undecided = true,
            }
        }

        let span = cluster.namespaces[to as usize].origin.map(|o| o.span);
        if let (Some((namespace, exit, entrance)), Some(home_span)) = (first, span) {
            let others = if count == 1 {
                "namespace"
            } else {
                "namespaces"
            };

            let message = format!(
                "pods of {count} tenants' {others}, `{}` among them, reach {name} in `{home}`, which has {what}",
                namespace.name
            );

            let by = |by: Option<(&PolicyObject, &Rule)>, span, word: &str, name: &str| match by {
                Some((policy, rule)) => (
                    at(rule.span, policy.origin),
                    format!("{} lets it {word} `{name}`", policy.id.called()),
                ),
                None => (span, format!("no policy governs what goes {word} `{name}`")),
            };

            let out_step = by(
                exit,
                namespace.origin.map_or(home_span, |o| o.span),
                "out of",
                &namespace.name,
            );

            let in_step = by(entrance, home_span, "into", home);
            out.push(
                Finding::refuted(&OPEN_CONTROLLER, home_span, message)
                    .step(out_step.0, out_step.1)
                    .step(in_step.0, in_step.1)
                    .fix("let only metrics and webhooks in, as `flux install` does"),
            );
        } else if let (true, Some(span)) = (undecided, span) {
            let message = format!(
                "whether tenants reach {name} in `{home}` cannot be told: the selectors are too many"
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

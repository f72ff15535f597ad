//! What runs, what names it, and what it may be.

use super::network::NamedPort;
use super::object::Origin;
use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Selector, items};
use crate::netpol::Protocol;
use crate::source::Span;
use crate::value::Text;
use std::net::IpAddr;

/// A pod, or what makes pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What it is.
    pub id: ObjectId,
    /// The labels of its pods.
    pub labels: Labels,
    /// The service account that they run as.
    pub account: Text,
    /// Whether they use the node's network: no policy governs them.
    pub host_network: bool,
    /// Their addresses, where it is a pod that runs.
    pub ips: Vec<IpAddr>,
    /// The ports that they name.
    pub ports: Vec<NamedPort>,
    /// What they ask of the node beyond Pod Security's `baseline`.
    pub privileges: Vec<&'static str>,
    /// Folders of the node that they mount.
    pub host_paths: Vec<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Workload {
    /// Reads a Pod, a Deployment and their like; `None` for a kind that makes no pods.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Option<Self> {
        let spec = node.member("spec");
        let (labels, pod) = match (&*id.group, &*id.kind) {
            ("", "Pod") => (None, spec?),
            ("", "ReplicationController")
            | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job") => template(spec)?,
            ("batch", "CronJob") => {
                template(spec?.member("jobTemplate").and_then(|j| j.member("spec")))?
            }
            _ => return None,
        };

        let own = || Labels::of(node.member("metadata").and_then(|m| m.member("labels")));
        let text = |key: &str| {
            pod.member(key)
                .and_then(TreeValue::text)
                .filter(|t| !t.is_empty())
        };

        let truth =
            |key: &str| matches!(pod.member(key).map(TreeValue::view), Some(View::Bool(true)));
        let containers = items(pod.member("containers"))
            .iter()
            .chain(items(pod.member("initContainers")));
        let ports = containers
            .flat_map(|c| items(c.member("ports")))
            .filter_map(|p| {
                let number = match p.member("containerPort")?.view() {
                    View::Number(n) => u16::try_from(n.as_u64()?).ok()?,
                    _ => return None,
                };
                let protocol = p
                    .member("protocol")
                    .and_then(TreeValue::text)
                    .map_or(Some(Protocol::Tcp), Protocol::parse)?;
                Some(NamedPort {
                    name: p.member("name")?.text()?.into(),
                    protocol,
                    port: number,
                })
            });

        let volumes = items(pod.member("volumes")).iter();
        let host_paths = volumes.filter_map(|v| v.member("hostPath")).map(|h| {
            (
                h.member("path")
                    .and_then(TreeValue::text)
                    .unwrap_or_default()
                    .into(),
                h.span(),
            )
        });

        let status = node.member("status");
        let ips = items(status.and_then(|s| s.member("podIPs")))
            .iter()
            .filter_map(|i| i.member("ip")?.text()?.parse().ok());
        let mut ips: Vec<IpAddr> = ips.collect();
        if ips.is_empty() {
            ips.extend(status.and_then(|s| s.member("podIP")?.text()?.parse::<IpAddr>().ok()));
        }

        Some(Self {
            labels: labels.unwrap_or_else(own),
            account: text("serviceAccountName")
                .or_else(|| text("serviceAccount"))
                .unwrap_or("default")
                .into(),
            host_network: truth("hostNetwork"),
            ips,
            ports: ports.collect(),
            privileges: privileges(pod),
            host_paths: host_paths.collect(),
            origin,
            id,
        })
    }
}

/// Capabilities that `baseline` lets a container add.
pub static BASELINE_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Source: kubernetes.io/docs/concepts/security/pod-security-standards, `baseline`.
fn privileges<T: TreeValue>(pod: &T) -> Vec<&'static str> {
    let truth = |node: Option<&T>| matches!(node.map(TreeValue::view), Some(View::Bool(true)));
    let mut all = Vec::new();

    for key in ["hostPID", "hostIPC"] {
        if truth(pod.member(key)) {
            all.push(key);
        }
    }

    let lists = ["containers", "initContainers", "ephemeralContainers"];
    for container in lists.iter().flat_map(|list| items(pod.member(list))) {
        let context = container.member("securityContext");
        if truth(context.and_then(|c| c.member("privileged"))) {
            all.push("privileged");
        }
        let added = crate::kube::labels::texts(
            context
                .and_then(|c| c.member("capabilities"))
                .and_then(|c| c.member("add")),
        );

        if added
            .into_iter()
            .any(|c| !BASELINE_CAPABILITIES.contains(&c.trim_start_matches("CAP_")))
        {
            all.push("capabilities");
        }

        if items(container.member("ports"))
            .iter()
            .any(|p| p.member("hostPort").is_some())
        {
            all.push("hostPort");
        }
    }

    all.sort_unstable();
    all.dedup();
    all
}

/// The labels and the spec of the pods that a template makes.
fn template<T: TreeValue>(from: Option<&T>) -> Option<(Option<Labels>, &T)> {
    let template = from?.member("template")?;
    let labels = Labels::of(template.member("metadata").and_then(|m| m.member("labels")));
    Some((Some(labels), template.member("spec")?))
}

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// What it is.
    pub id: ObjectId,
    /// The pods that it sends to; nothing where it names none.
    pub selector: Option<Selector>,
    /// Addresses that it takes over: CVE-2020-8554.
    pub external_ips: Vec<(Text, Option<Span>)>,
    /// The name that it stands for.
    pub external_name: Option<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

impl Service {
    /// Reads a Service.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let selector = Labels::of(spec.and_then(|s| s.member("selector")));
        let requirements: Vec<_> = selector
            .iter()
            .flat_map(|(k, v)| Selector::equal(k, v).0)
            .collect();

        let ips = items(spec.and_then(|s| s.member("externalIPs"))).iter();
        let name = spec.and_then(|s| s.member("externalName"));
        Self {
            selector: (!requirements.is_empty()).then_some(Selector(requirements)),
            external_ips: ips
                .filter_map(|ip| Some((ip.text()?.into(), ip.span())))
                .collect(),
            external_name: name.and_then(|n| Some((n.text()?.into(), n.span()))),
            origin,
            id,
        }
    }
}

/// A host that an Ingress, a route or a gateway serves.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host, in lower case; `*.` stands for one label or more.
    pub host: Text,
    /// The path below it; empty where none is said.
    pub path: Text,
    /// The object that serves it.
    pub id: ObjectId,
    /// Where it is named.
    pub span: Option<Span>,
    /// Where the object comes from.
    pub origin: Origin,
}

impl Host {
    /// The hosts of an Ingress, an HTTPRoute and their like.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        let spec = node.member("spec");
        let host = |name: &str, path: &str, span| Self {
            host: name.to_lowercase().into(),
            path: path.into(),
            id: id.clone(),
            span,
            origin,
        };

        let mut all = Vec::new();
        for rule in items(spec.and_then(|s| s.member("rules"))) {
            let Some(name) = rule.member("host").filter(|_| id.kind == "Ingress") else {
                continue;
            };
            let Some(text) = name.text() else { continue };
            let paths = items(rule.member("http").and_then(|h| h.member("paths")));
            let paths: Vec<&str> = paths
                .iter()
                .map(|p| p.member("path").and_then(TreeValue::text).unwrap_or("/"))
                .collect();
            let paths = if paths.is_empty() { vec!["/"] } else { paths };
            all.extend(paths.into_iter().map(|path| host(text, path, name.span())));
        }

        if id.group == "gateway.networking.k8s.io" {
            let names = items(spec.and_then(|s| s.member("hostnames"))).iter();
            all.extend(names.filter_map(|n| Some(host(n.text()?, "/", n.span()))));
            let listeners = items(spec.and_then(|s| s.member("listeners"))).iter();
            let names = listeners.filter_map(|l| l.member("hostname"));
            all.extend(names.filter_map(|n| Some(host(n.text()?, "/", n.span()))));
        } else if id.group == "networking.istio.io" {
            // What a gateway serves, and what it takes from the mesh: names of services.
            let mesh = items(spec.and_then(|s| s.member("gateways")))
                .iter()
                .all(|g| g.text() == Some("mesh"));
            let routes =
                spec.filter(|_| ["VirtualService", "ServiceEntry"].contains(&id.kind.as_str()));
            let names = items(routes.and_then(|s| s.member("hosts"))).iter();
            let names = names.filter_map(|n| Some((n.text()?, n.span())));
            all.extend(
                names
                    .filter(|(n, _)| !mesh || n.contains(".svc"))
                    .map(|(n, span)| host(n, "/", span)),
            );

            let servers = items(
                spec.filter(|_| id.kind == "Gateway")
                    .and_then(|s| s.member("servers")),
            )
            .iter();

            let names = servers.flat_map(|s| items(s.member("hosts")));
            // `NAMESPACE/HOST` says whose routes may use it.
            let of = |n: &T| Some((n.text()?.rsplit('/').next()?.to_owned(), n.span()));
            all.extend(
                names
                    .filter_map(of)
                    .map(|(name, span)| host(&name, "/", span)),
            );
        } else if id.group == "route.openshift.io" {
            let path = spec
                .and_then(|s| s.member("path"))
                .and_then(TreeValue::text)
                .unwrap_or("/");
            let name = spec.and_then(|s| s.member("host"));
            all.extend(name.and_then(|n| Some(host(n.text()?, path, n.span()))));
        } else {
            // An alias is served like a host; one without a host takes what nobody else does.
            let annotations = node
                .member("metadata")
                .and_then(|m| m.member("annotations"));
            if let Some(alias) =
                annotations.and_then(|a| a.member("nginx.ingress.kubernetes.io/server-alias"))
            {
                let names = alias
                    .text()
                    .unwrap_or_default()
                    .split(',')
                    .map(str::trim)
                    .filter(|n| !n.is_empty());
                all.extend(names.map(|name| host(name, "/", alias.span())));
            }
        }

        all
    }
}

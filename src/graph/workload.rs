//! What runs, what names it, and what it may be.

use super::network::NamedPort;
use super::object::Origin;
use super::storage::InlineVolume;
use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Selector, is_true, items, texts};
use crate::kube::validation::BASELINE_CAPABILITIES;
use crate::netpol::{Ports, Protocol};
use crate::source::Span;
use crate::value::Text;
use std::collections::BTreeSet;
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
    /// Whether it is one pod, or states that it asks for one replica.
    pub is_single: bool,
    /// Their addresses, where it is a pod that runs.
    pub ips: Vec<IpAddr>,
    /// The ports that they name.
    pub ports: Vec<NamedPort>,
    /// The images of their containers.
    pub images: Vec<Text>,
    /// What they ask of the node beyond Pod Security's `baseline`.
    pub privileges: Vec<&'static str>,
    /// Folders of the node that they mount.
    pub host_paths: Vec<(Text, Option<Span>)>,
    /// Volumes outside the cluster that they define themselves.
    pub inline_volumes: Vec<InlineVolume>,
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
        let labels = labels.unwrap_or_else(own);
        Some(Self::of_pod(id, labels, pod, node, origin))
    }

    /// Reads the spec of a pod within an object, and the labels of the pods.
    pub(super) fn of_pod<T: TreeValue>(
        id: ObjectId,
        labels: Labels,
        pod: &T,
        object: &T,
        origin: Origin,
    ) -> Self {
        let text = |key: &str| {
            pod.member(key)
                .and_then(TreeValue::text)
                .filter(|text| !text.is_empty())
        };

        Self {
            labels,
            account: text("serviceAccountName")
                .or_else(|| text("serviceAccount"))
                .unwrap_or("default")
                .into(),
            host_network: is_true(pod.member("hostNetwork")),
            is_single: is_single(&id, object),
            ips: addresses(object.member("status")),
            ports: named_ports(pod),
            images: items(pod.member("containers"))
                .iter()
                .filter_map(|container| Some(container.member("image")?.text()?.into()))
                .collect(),
            privileges: privileges(pod),
            host_paths: host_paths(pod),
            inline_volumes: InlineVolume::of_pod(pod),
            origin,
            id,
        }
    }

    /// A workload of which only single fields are known.
    pub(super) fn without_pod(id: ObjectId, origin: Origin) -> Self {
        Self {
            labels: Labels::default(),
            account: "default".into(),
            host_network: false,
            is_single: false,
            ips: Vec::new(),
            ports: Vec::new(),
            images: Vec::new(),
            privileges: Vec::new(),
            host_paths: Vec::new(),
            inline_volumes: Vec::new(),
            origin,
            id,
        }
    }
}

/// Whether an object is a pod, or asks for one replica. One that does not say how many may be scaled
/// by another object, such as a HorizontalPodAutoscaler.
fn is_single<T: TreeValue>(id: &ObjectId, object: &T) -> bool {
    const REPLICATED: [&str; 4] = [
        "Deployment",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
    ];
    if id.kind == "Pod" {
        return true;
    }
    let replicas = object
        .member("spec")
        .and_then(|spec| spec.member("replicas"));
    let is_one = match replicas.map(TreeValue::view) {
        Some(View::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    };
    is_one && ["", "apps"].contains(&&*id.group) && REPLICATED.contains(&&*id.kind)
}

/// The ports that the containers of a pod name. An init container that is no sidecar has ended when
/// the pod serves.
fn named_ports<T: TreeValue>(pod: &T) -> Vec<NamedPort> {
    let restarts =
        |one: &&T| one.member("restartPolicy").and_then(TreeValue::text) == Some("Always");
    let sidecars = items(pod.member("initContainers")).iter().filter(restarts);
    let ports = items(pod.member("containers"))
        .iter()
        .chain(sidecars)
        .flat_map(|container| items(container.member("ports")));

    ports
        .filter_map(|port| {
            let View::Number(number) = port.member("containerPort")?.view() else {
                return None;
            };
            let protocol = port
                .member("protocol")
                .and_then(TreeValue::text)
                .map_or(Some(Protocol::Tcp), Protocol::parse)?;
            Some(NamedPort {
                name: port.member("name")?.text()?.into(),
                protocol,
                port: u16::try_from(number.as_u64()?).ok()?,
            })
        })
        .collect()
}

/// The folders of the node that a pod mounts, each with its span.
pub(super) fn host_paths<T: TreeValue>(pod: &T) -> Vec<(Text, Option<Span>)> {
    items(pod.member("volumes"))
        .iter()
        // The second is a disk of a virtual machine (KubeVirt).
        .filter_map(|volume| {
            volume
                .member("hostPath")
                .or_else(|| volume.member("hostDisk"))
        })
        .map(|mount| {
            let path = mount.member("path").and_then(TreeValue::text);
            (path.unwrap_or_default().into(), mount.span())
        })
        .collect()
}

/// The addresses of a pod that runs.
fn addresses<T: TreeValue>(status: Option<&T>) -> Vec<IpAddr> {
    let listed = items(status.and_then(|status| status.member("podIPs")));
    let all: Vec<IpAddr> = listed
        .iter()
        .filter_map(|entry| entry.member("ip")?.text()?.parse().ok())
        .collect();
    if !all.is_empty() {
        return all;
    }

    let only = status.and_then(|status| status.member("podIP")?.text()?.parse().ok());
    only.into_iter().collect()
}

/// Source: kubernetes.io/docs/concepts/security/pod-security-standards, `baseline`, and
/// kubernetes.io/docs/concepts/workloads/pods/user-namespaces.
fn privileges<T: TreeValue>(pod: &T) -> Vec<&'static str> {
    let mut all = Vec::new();

    for key in ["hostPID", "hostIPC"] {
        if is_true(pod.member(key)) {
            all.push(key);
        }
    }

    all.extend(host_process(pod));

    let lists = ["containers", "initContainers", "ephemeralContainers"];
    for container in lists.iter().flat_map(|list| items(pod.member(list))) {
        all.extend(container_privileges(container));
    }
    // A pod in a user namespace of its own has its capabilities there, and not on the node.
    if matches!(
        pod.member("hostUsers").map(TreeValue::view),
        Some(View::Bool(false))
    ) {
        all.retain(|asked| *asked != "capabilities");
    }

    all.sort_unstable();
    all.dedup();
    all
}

/// Whether a pod or a container of Windows runs as a process of its node.
fn host_process<T: TreeValue>(node: &T) -> Option<&'static str> {
    let context = node.member("securityContext")?.member("windowsOptions")?;
    is_true(context.member("hostProcess")).then_some("hostProcess")
}

/// What a container asks of the node beyond Pod Security's `baseline`.
pub(super) fn container_privileges<T: TreeValue>(container: &T) -> Vec<&'static str> {
    let mut all = Vec::new();
    let context = container.member("securityContext");
    if is_true(context.and_then(|context| context.member("privileged"))) {
        all.push("privileged");
    }
    all.extend(host_process(container));

    let capabilities = context.and_then(|context| context.member("capabilities"));
    let mut added = texts(capabilities.and_then(|capabilities| capabilities.member("add")));
    if added.any(|name| !BASELINE_CAPABILITIES.contains(&name.trim_start_matches("CAP_"))) {
        all.push("capabilities");
    }

    // 0 is no port of the node.
    let mut ports = items(container.member("ports")).iter();
    let is_port = |port: &T| match port.member("hostPort").map(TreeValue::view) {
        Some(View::Number(number)) => number.as_u64() != Some(0),
        other => other.is_some(),
    };
    if ports.any(is_port) {
        all.push("hostPort");
    }
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
    /// Its own addresses, where the cluster has given it some.
    pub ips: Vec<IpAddr>,
    /// Whether it has no address of its own: its name stands for those of its pods.
    pub headless: bool,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Addresses that it takes over: CVE-2020-8554.
    pub external_ips: Vec<(Text, Option<Span>)>,
    /// The name that it stands for.
    pub external_name: Option<(Text, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// The protocol.
    pub protocol: Protocol,
    /// The number that clients use.
    pub port: u16,
    /// The port of the pods: a number, or a name that each pod gives to one.
    pub target: Ports,
}

impl ServicePort {
    /// Reads a port; `None` for one that the API server refuses.
    fn of<T: TreeValue>(node: &T) -> Option<Self> {
        let number = |key: &str| match node.member(key).map(TreeValue::view) {
            Some(View::Number(number)) => u16::try_from(number.as_u64()?).ok(),
            _ => None,
        };
        let protocol = node.member("protocol").and_then(TreeValue::text);

        let port = number("port")?;
        let target = match node.member("targetPort").and_then(TreeValue::text) {
            Some(name) => Ports::Named(name.into()),
            None => {
                let number = number("targetPort").filter(|number| *number != 0);
                let number = number.unwrap_or(port);
                Ports::Range(number, number)
            }
        };
        Some(Self {
            protocol: protocol.map_or(Some(Protocol::Tcp), Protocol::parse)?,
            port,
            target,
        })
    }
}

impl Service {
    /// Reads a Service.
    pub fn of<T: TreeValue>(id: ObjectId, node: &T, origin: Origin) -> Self {
        let spec = node.member("spec");
        let selector = Labels::of(spec.and_then(|s| s.member("selector")));
        let selector = Selector::labels(
            selector
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str())),
        );

        let member = |key: &str| spec.and_then(|spec| spec.member(key));
        let first = member("clusterIP").and_then(TreeValue::text);
        let own: BTreeSet<&str> = texts(member("clusterIPs")).chain(first).collect();

        let ips = items(spec.and_then(|s| s.member("externalIPs"))).iter();
        let name = spec.and_then(|s| s.member("externalName"));
        Self {
            selector: (!selector.is_everything()).then_some(selector),
            headless: own.contains("None"),
            ips: own.iter().filter_map(|ip| ip.parse().ok()).collect(),
            ports: items(member("ports"))
                .iter()
                .filter_map(ServicePort::of)
                .collect(),
            external_ips: ips
                .filter_map(|ip| Some((ip.text()?.into(), ip.span())))
                .collect(),
            external_name: name.and_then(|n| Some((n.text()?.into(), n.span()))),
            origin,
            id,
        }
    }
}

//! Objects that send what is meant for one Service or address somewhere else.

use super::object::Origin;
use crate::document::TreeValue;
use crate::kube::ObjectId;
use crate::kube::labels::{items, text};
use crate::source::Span;
use crate::value::Text;
use std::net::IpAddr;

/// Endpoints or an EndpointSlice with addresses of its author's choice.
#[derive(Clone, Debug)]
pub struct ChosenEndpoints {
    /// What it is.
    pub id: ObjectId,
    /// The Service that it is for: that of its own name, or for an EndpointSlice the one that the label
    /// `kubernetes.io/service-name` names.
    pub service: Option<Text>,
    /// The addresses, each with its place.
    pub addresses: Vec<(IpAddr, Option<Span>)>,
    /// Where it comes from.
    pub origin: Origin,
}

impl ChosenEndpoints {
    /// Reads Endpoints or an EndpointSlice; `None` if a controller of Kubernetes keeps its addresses.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        let metadata = node.member("metadata");
        let labels = metadata.and_then(|metadata| metadata.member("labels"));
        let manager = text(labels, "endpointslice.kubernetes.io/managed-by")
            .or_else(|| text(labels, "endpoints.kubernetes.io/managed-by"));
        // A manifest may say anything; what a cluster holds, its controllers wrote.
        let kept = manager.is_some_and(|manager| {
            manager.ends_with("-controller.k8s.io") || manager == "endpoint-controller"
        });
        if kept && origin.input.is_live() {
            return None;
        }

        let mut addresses: Vec<(IpAddr, Option<Span>)> = Vec::new();
        let mut add = |address: &T| {
            let parsed = address.text().and_then(|text| text.parse().ok());
            addresses.extend(parsed.map(|ip| (ip, address.span())));
        };
        for endpoint in items(node.member("endpoints")) {
            items(endpoint.member("addresses"))
                .iter()
                .for_each(&mut add);
        }
        for subset in items(node.member("subsets")) {
            let ready = items(subset.member("addresses")).iter();
            let all = ready.chain(items(subset.member("notReadyAddresses")));
            all.filter_map(|address| address.member("ip"))
                .for_each(&mut add);
        }

        let of_selector = origin.input.is_live() && id.kind == "Endpoints" && has_trigger(metadata);
        let service = match &*id.kind {
            "Endpoints" => Some(id.name.clone()),
            _ => text(labels, "kubernetes.io/service-name"),
        };
        (!addresses.is_empty() && !of_selector).then(|| Self {
            id: id.clone(),
            service,
            addresses,
            origin,
        })
    }
}

/// Whether the controller of Endpoints marked the object.
fn has_trigger<T: TreeValue>(metadata: Option<&T>) -> bool {
    let annotations = metadata.and_then(|metadata| metadata.member("annotations"));
    annotations.is_some_and(|annotations| {
        annotations
            .member("endpoints.kubernetes.io/last-change-trigger-time")
            .is_some()
    })
}

/// An object of a network plugin that diverts traffic.
#[derive(Clone, Debug)]
pub struct Diversion {
    /// What it is.
    pub id: ObjectId,
    /// The namespaces of the Services of which it takes the traffic.
    pub takes: Vec<Text>,
    /// The namespaces of the Services that it may send to.
    pub sends: Vec<Text>,
    /// An address of which it takes the traffic.
    pub address: Option<Text>,
    /// Whether it holds configuration that is not read.
    pub raw: bool,
    /// Where it comes from.
    pub origin: Origin,
}

impl Diversion {
    /// Reads an Envoy configuration or a local redirect of Cilium; `None` for another kind.
    ///
    /// Sources: docs.cilium.io, "L7 Traffic Management" and "Local Redirect Policy".
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        if id.group != "cilium.io" {
            return None;
        }
        let spec = node.member("spec");
        let list = |key: &str| items(spec.and_then(|spec| spec.member(key)));
        let namespace = |service: &T| {
            text(Some(service), "namespace")
                .filter(|namespace| !namespace.is_empty())
                .unwrap_or_else(|| id.namespace.clone())
        };
        let namespaces = |services: &[T]| services.iter().map(namespace).collect();

        match &*id.kind {
            "CiliumEnvoyConfig" | "CiliumClusterwideEnvoyConfig" => {
                // Cilium makes some for Ingresses and Gateways, and they belong to those.
                let metadata = node.member("metadata");
                let owned =
                    !items(metadata.and_then(|all| all.member("ownerReferences"))).is_empty();
                Some(Self {
                    id: id.clone(),
                    takes: namespaces(list("services")),
                    sends: namespaces(list("backendServices")),
                    address: None,
                    raw: !owned && !list("resources").is_empty(),
                    origin,
                })
            }
            "CiliumLocalRedirectPolicy" => {
                let frontend = spec.and_then(|spec| spec.member("redirectFrontend"));
                let service = frontend.and_then(|frontend| frontend.member("serviceMatcher"));
                let address = frontend.and_then(|frontend| frontend.member("addressMatcher"));
                Some(Self {
                    id: id.clone(),
                    takes: service.into_iter().map(namespace).collect(),
                    sends: vec![id.namespace.clone()],
                    address: text(address, "ip"),
                    raw: false,
                    origin,
                })
            }
            _ => None,
        }
    }
}

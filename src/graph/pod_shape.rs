//! Pods of kinds that tenantry does not know: a pod template is found by its shape.
//!
//! Argo Rollouts, CloneSets, JobSets, DeploymentConfigs, Knative Services, Ray clusters and the like
//! hold a pod's spec somewhere, with `containers`. Workflows, Tekton tasks and Spark applications
//! spread its fields: containers by themselves, and volumes and host namespaces beside them.

use super::object::Origin;
use super::workload::Workload;
use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, is_true, items};
use crate::source::Span;
use crate::value::Text;

/// Groups whose objects hold patterns or schemas of pods, and make none.
const NO_PODS: [&str; 7] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "constraints.gatekeeper.sh",
    "kyverno.io",
    "mutations.gatekeeper.sh",
    "policies.kyverno.io",
    "templates.gatekeeper.sh",
];

/// The pods that an object makes, found by their shape: one workload for each template, or one for
/// fields that are spread.
pub fn workloads<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Workload> {
    if id.namespace.is_empty() || NO_PODS.contains(&id.group.as_str()) {
        return Vec::new();
    }
    let Some(spec) = node.member("spec") else {
        return Vec::new();
    };

    let mut found = Found::default();
    found.walk(spec, None);
    let asks_of_node = found.asks_of_node();
    let mut all: Vec<Workload> = found
        .templates
        .into_iter()
        .map(|(pod, labels)| {
            let labels = labels.unwrap_or_default();
            Workload::of_pod(id.clone(), labels, pod, node, origin)
        })
        .collect();

    if found.has_container || asks_of_node {
        let mut spread = Workload::without_pod(id.clone(), origin);
        spread.privileges = found.privileges;
        spread.privileges.sort_unstable();
        spread.privileges.dedup();
        spread.host_paths = found.host_paths;
        spread.host_network = found.host_network;
        spread.account = found.account.unwrap_or(spread.account);
        all.push(spread);
    }
    all
}

/// What a walk through an object finds.
struct Found<'t, T: TreeValue> {
    /// Specs of pods, each with the labels of its template.
    templates: Vec<(&'t T, Option<Labels>)>,
    /// Whether there is a container outside of them.
    has_container: bool,
    privileges: Vec<&'static str>,
    host_paths: Vec<(Text, Option<Span>)>,
    host_network: bool,
    account: Option<Text>,
}

impl<T: TreeValue> Default for Found<'_, T> {
    fn default() -> Self {
        Self {
            templates: Vec::new(),
            has_container: false,
            privileges: Vec::new(),
            host_paths: Vec::new(),
            host_network: false,
            account: None,
        }
    }
}

impl<'t, T: TreeValue> Found<'t, T> {
    /// Whether the fields outside of pods ask something of the node.
    fn asks_of_node(&self) -> bool {
        self.host_network || !self.privileges.is_empty() || !self.host_paths.is_empty()
    }

    /// Walks through a node; `labels` are those of the template around it.
    fn walk(&mut self, node: &'t T, labels: Option<&Labels>) {
        match node.view() {
            View::Seq(items) => items.iter().for_each(|item| self.walk(item, None)),
            View::Map(entries) => {
                if is_pod(node) {
                    self.templates.push((node, labels.cloned()));
                    return;
                }

                self.spread(node);
                let metadata = node.member("metadata");
                let own = metadata.map(|metadata| Labels::of(metadata.member("labels")));
                for (key, value) in entries.iter().map(T::split) {
                    let labels = if key == "spec" { own.as_ref() } else { None };
                    self.walk(value, labels);
                }
            }
            _ => {}
        }
    }

    /// Reads the fields of a pod or a container that stand by themselves.
    fn spread(&mut self, node: &'t T) {
        let text = |key: &str| node.member(key).and_then(TreeValue::text);
        let is_true = |key: &str| is_true(node.member(key));

        for key in ["hostPID", "hostIPC"] {
            if is_true(key) {
                self.privileges.push(key);
            }
        }
        // A patch of Argo Workflows' pods is a text.
        if let Some(patch) = text("podSpecPatch") {
            let fields = [
                "privileged",
                "hostPath",
                "hostPID",
                "hostIPC",
                "hostNetwork",
            ];
            let asked = fields.iter().copied().find(|field| patch.contains(field));
            self.privileges.extend(asked);
        }
        self.host_network |= is_true("hostNetwork");
        if self.account.is_none() {
            self.account = text("serviceAccountName").map(Text::from);
        }
        self.host_paths.extend(super::workload::host_paths(node));

        let has = |key: &str| node.member(key).is_some();
        let is_container = text("image").is_some()
            || has("volumeMounts")
            || node.member("securityContext").is_some_and(|context| {
                context.member("privileged").is_some() || context.member("capabilities").is_some()
            });
        if is_container {
            self.has_container = true;
            self.privileges
                .extend(super::workload::container_privileges(node));
        }
    }
}

/// Whether a node is the spec of a pod: it has a list of containers.
fn is_pod<T: TreeValue>(node: &T) -> bool {
    let containers = items(node.member("containers"));
    let is_container =
        |container: &T| container.member("image").is_some() || container.member("name").is_some();
    !containers.is_empty() && containers.iter().all(is_container)
}

//! Quotas of namespaces, of Kubernetes and of other tools; and what bounds the API server's time.

use super::ACCOUNTS_OF;
use super::object::Origin;
use super::rbac::Subject;
use crate::document::{TreeValue, View};
use crate::kube::ObjectId;
use crate::kube::labels::{Labels, Op, Requirement, Selector, items, text, texts};
use crate::value::Text;
use std::collections::BTreeMap;

/// The scope of a quota that counts pods by their priority class.
const PRIORITY_CLASS: &str = "PriorityClass";

/// A quota: the resources that it bounds, in the namespaces that it governs.
#[derive(Clone, Debug)]
pub struct Quota {
    /// The identity of the object.
    pub id: ObjectId,
    /// The resources that it bounds, each with whether its amount is zero.
    pub amounts: BTreeMap<Text, bool>,
    /// The pods that it counts.
    pub scope: QuotaScope,
    /// The namespaces that it governs.
    pub governs: Governed,
    /// What enforces it.
    pub enforcer: Enforcer,
    /// Where it comes from.
    pub origin: Origin,
}

/// What enforces a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Enforcer {
    /// Admission, for every object.
    Admission,
    /// A scheduler, for the pods that it places.
    Scheduler,
    /// Kueue, for the pods and jobs that it manages.
    Kueue,
}

/// The pods that a quota counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaScope {
    /// Every pod.
    EveryPod,
    /// One of two halves of all pods.
    Half(PodHalf),
    /// The pods whose priority class this selects, alone. The only key is `PriorityClass`.
    PriorityClass(Selector),
    /// Other pods.
    Some,
}

/// Half of the pods of a namespace.
///
/// Source: kubernetes.io/docs/concepts/policy/resource-quotas, "Quota scopes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodHalf {
    /// With a deadline.
    Terminating,
    /// Without one.
    NotTerminating,
    /// Without any request or limit.
    BestEffort,
    /// With one.
    NotBestEffort,
}

impl PodHalf {
    fn of(scope: &str) -> Option<Self> {
        Some(match scope {
            "Terminating" => Self::Terminating,
            "NotTerminating" => Self::NotTerminating,
            "BestEffort" => Self::BestEffort,
            "NotBestEffort" => Self::NotBestEffort,
            _ => return None,
        })
    }

    /// The half that holds the other pods.
    pub const fn other(self) -> Self {
        match self {
            Self::Terminating => Self::NotTerminating,
            Self::NotTerminating => Self::Terminating,
            Self::BestEffort => Self::NotBestEffort,
            Self::NotBestEffort => Self::BestEffort,
        }
    }
}

/// The namespaces that a quota governs.
#[derive(Clone, Debug)]
pub enum Governed {
    /// The namespace with this name.
    Namespace(Text),
    /// The namespaces with these labels and annotations.
    Selected {
        /// Must select the namespace's labels.
        labels: Selector,
        /// Annotations that the namespace must have.
        annotations: Vec<(Text, Text)>,
    },
}

impl Quota {
    /// Reads the quotas that an object sets, of Kubernetes or of another tool. An object of any other
    /// kind sets no quota.
    ///
    /// Sources: kubernetes.io/docs/concepts/policy/resource-quotas; OpenShift, "Resource quotas
    /// across multiple projects"; the CRDs of HNC, Capsule and KubeSphere.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Vec<Self> {
        let spec = node.member("spec");
        let own = || Governed::Namespace(id.namespace.clone());
        let quota = |amounts: Option<&T>, scope, governs| Self {
            id: id.clone(),
            amounts: hard(amounts),
            scope,
            governs,
            enforcer: Enforcer::Admission,
            origin,
        };
        let of = |node: Option<&T>, governs| {
            let hard = node.and_then(|node| node.member("hard"));
            vec![quota(hard, scope(node), governs)]
        };
        let inner = || spec.and_then(|spec| spec.member("quota"));

        match (&*id.group, &*id.kind) {
            ("", "ResourceQuota") => of(spec, own()),
            ("quota.openshift.io", "ClusterResourceQuota") => {
                let selector = spec.and_then(|spec| spec.member("selector"));
                selected(selector).map_or_else(Vec::new, |governs| of(inner(), governs))
            }
            ("quota.openshift.io", "AppliedClusterResourceQuota") => of(inner(), own()),
            ("hnc.x-k8s.io", "HierarchicalResourceQuota") => {
                // HNC labels each namespace with its ancestors.
                let key = format!("{}.tree.hnc.x-k8s.io/depth", id.namespace);
                let below = Requirement {
                    key: key.into(),
                    op: Op::Exists,
                };
                let governs = Governed::Selected {
                    labels: Selector(vec![below]),
                    annotations: Vec::new(),
                };
                let mut quotas = of(spec, governs);
                quotas.extend(of(spec, own()));
                quotas
            }
            ("capsule.clastix.io", "Tenant") => {
                let label = Selector::equal("capsule.clastix.io/tenant", &id.name);
                // Capsule labels the namespaces, and lists them in the status.
                let status = node.member("status");
                let listed = texts(status.and_then(|status| status.member("namespaces")));
                let governed: Vec<Governed> = listed
                    .map(|name| Governed::Namespace(name.into()))
                    .chain([Governed::labelled(label)])
                    .collect();
                let quotas = spec.and_then(|spec| spec.member("resourceQuotas"));
                let items = items(quotas.and_then(|quotas| quotas.member("items"))).iter();
                let each = |item| {
                    governed
                        .iter()
                        .flat_map(move |all| of(Some(item), all.clone()))
                };
                items.flat_map(each).collect()
            }
            ("scheduling.sigs.k8s.io" | "scheduling.x-k8s.io", "ElasticQuota") => {
                let most = spec.and_then(|spec| spec.member("max"));
                vec![quota(most, QuotaScope::EveryPod, own()).enforced_by(Enforcer::Scheduler)]
            }
            ("kueue.x-k8s.io", "ClusterQueue") => {
                let selector = spec.and_then(|spec| spec.member("namespaceSelector"));
                let Some(Ok(labels)) = selector.map(Selector::of) else {
                    return Vec::new();
                };
                let queue = quota(None, QuotaScope::EveryPod, Governed::labelled(labels));
                let amounts = covered(spec);
                vec![Self { amounts, ..queue }.enforced_by(Enforcer::Kueue)]
            }
            ("quota.kubesphere.io", "ResourceQuota") => {
                let labels = Labels::of(spec.and_then(|spec| spec.member("selector")));
                let pairs = labels
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.as_str()));
                let labels = Selector::labels(pairs);
                match labels.is_everything() {
                    true => Vec::new(),
                    false => of(inner(), Governed::labelled(labels)),
                }
            }
            _ => Vec::new(),
        }
    }

    /// The quota that Rancher makes for a namespace of a project, by its annotation.
    ///
    /// Source: ranchermanager.docs.rancher.com, "Overriding the default limit for a namespace".
    pub fn of_rancher(id: &ObjectId, annotations: &Labels, origin: Origin) -> Option<Self> {
        annotations.get("field.cattle.io/projectId")?;
        let stated = annotations.get("field.cattle.io/resourceQuota")?;
        let stated: serde_json::Value = serde_json::from_str(stated).ok()?;
        let amounts = stated.get("limit")?.as_object()?.iter();
        let amounts = amounts.filter_map(|(key, amount)| {
            let (_, resource) = RANCHER.iter().find(|(name, _)| name == key)?;
            let amount = amount.as_str().filter(|amount| !amount.is_empty())?;
            Some((Text::from(*resource), is_zero(amount)))
        });

        Some(Self {
            id: id.clone(),
            amounts: amounts.collect(),
            scope: QuotaScope::EveryPod,
            governs: Governed::Namespace(id.name.clone()),
            enforcer: Enforcer::Admission,
            origin,
        })
    }

    fn enforced_by(self, enforcer: Enforcer) -> Self {
        Self { enforcer, ..self }
    }

    /// Whether it bounds a resource by any of its names.
    pub fn bounds(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.amounts.contains_key(*name))
    }

    /// Whether it counts the pods of a priority class.
    pub fn counts_priority_class(&self, class: &str) -> bool {
        match &self.scope {
            QuotaScope::PriorityClass(selector) => {
                let labels = Labels::new([(PRIORITY_CLASS.into(), class.into())]);
                selector.matches(&labels)
            }
            QuotaScope::EveryPod | QuotaScope::Half(_) | QuotaScope::Some => false,
        }
    }
}

impl Governed {
    fn labelled(labels: Selector) -> Self {
        Self::Selected {
            labels,
            annotations: Vec::new(),
        }
    }
}

/// The names that Rancher gives the resources of a quota, and those of Kubernetes.
const RANCHER: [(&str, &str); 12] = [
    ("pods", "pods"),
    ("services", "services"),
    ("replicationControllers", "replicationcontrollers"),
    ("secrets", "secrets"),
    ("configMaps", "configmaps"),
    ("persistentVolumeClaims", "persistentvolumeclaims"),
    ("servicesNodePorts", "services.nodeports"),
    ("servicesLoadBalancers", "services.loadbalancers"),
    ("requestsCpu", "requests.cpu"),
    ("requestsMemory", "requests.memory"),
    ("limitsCpu", "limits.cpu"),
    ("limitsMemory", "limits.memory"),
];

/// The resources that every resource group of a ClusterQueue covers.
fn covered<T: TreeValue>(queue: Option<&T>) -> BTreeMap<Text, bool> {
    items(queue.and_then(|queue| queue.member("resourceGroups")))
        .iter()
        .flat_map(|group| texts(group.member("coveredResources")))
        .map(|resource| (Text::from(resource), false))
        .collect()
}

/// The amounts of a quota.
fn hard<T: TreeValue>(amounts: Option<&T>) -> BTreeMap<Text, bool> {
    let Some(View::Map(entries)) = amounts.map(TreeValue::view) else {
        return BTreeMap::new();
    };

    entries
        .iter()
        .map(T::split)
        .filter_map(|(resource, amount)| {
            let zero = match amount.view() {
                View::String(text) => is_zero(text),
                View::Number(number) => number.as_f64() == Some(0.0),
                _ => return None,
            };
            Some((resource.into(), zero))
        })
        .collect()
}

/// Whether a quantity is zero, in any unit.
fn is_zero(quantity: &str) -> bool {
    let digits = quantity.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    digits.parse::<f64>() == Ok(0.0)
}

/// The scope of a quota. Of several scopes each narrows, and only those of priority classes are
/// read.
fn scope<T: TreeValue>(spec: Option<&T>) -> QuotaScope {
    let names: Vec<&str> = texts(spec.and_then(|spec| spec.member("scopes"))).collect();
    let selector = spec.and_then(|spec| spec.member("scopeSelector"));
    let expressions = items(selector.and_then(|selector| selector.member("matchExpressions")));
    if names.is_empty() && expressions.is_empty() {
        return match selector {
            None => QuotaScope::EveryPod,
            Some(_) => QuotaScope::Some,
        };
    }

    if let ([half], []) = (names.as_slice(), expressions)
        && let Some(half) = PodHalf::of(half)
    {
        return QuotaScope::Half(half);
    }

    let mut requirements: Vec<Requirement> = Vec::new();
    for name in names {
        if name != PRIORITY_CLASS {
            return QuotaScope::Some;
        }
        requirements.push(Requirement {
            key: PRIORITY_CLASS.into(),
            op: Op::Exists,
        });
    }
    for expression in expressions {
        let values = || texts(expression.member("values")).map(Text::from).collect();
        let op = match text(Some(expression), "operator").as_deref() {
            Some("In") => Op::In(values()),
            Some("NotIn") => Op::NotIn(values()),
            Some("Exists") => Op::Exists,
            Some("DoesNotExist") => Op::DoesNotExist,
            _ => return QuotaScope::Some,
        };
        if text(Some(expression), "scopeName").as_deref() != Some(PRIORITY_CLASS) {
            return QuotaScope::Some;
        }
        requirements.push(Requirement {
            key: PRIORITY_CLASS.into(),
            op,
        });
    }

    QuotaScope::PriorityClass(Selector(requirements))
}

/// The namespaces that OpenShift's selector selects; `None` if it selects none, or cannot be read.
fn selected<T: TreeValue>(selector: Option<&T>) -> Option<Governed> {
    let labels = selector?.member("labels");
    let annotations = Labels::of(selector?.member("annotations"));
    let annotations: Vec<(Text, Text)> = annotations
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if labels.is_none() && annotations.is_empty() {
        return None;
    }

    Some(Governed::Selected {
        labels: match labels {
            Some(labels) => Selector::of(labels).ok()?,
            None => Selector(Vec::new()),
        },
        annotations,
    })
}

/// A FlowSchema whose requests are never queued.
#[derive(Clone, Debug)]
pub struct ExemptFlow {
    /// The identity of the object.
    pub id: ObjectId,
    /// The subjects whose requests it takes.
    pub subjects: Vec<Subject>,
    /// Where it comes from.
    pub origin: Origin,
}

impl ExemptFlow {
    /// Reads a FlowSchema; `None` if its requests are queued, or are for paths of health checks
    /// alone.
    ///
    /// Source: kubernetes.io/docs/concepts/cluster-administration/flow-control.
    pub fn of<T: TreeValue>(id: &ObjectId, node: &T, origin: Origin) -> Option<Self> {
        let spec = node.member("spec")?;
        let level = spec.member("priorityLevelConfiguration");
        if text(level, "name").as_deref() != Some("exempt") {
            return None;
        }

        let reaching = items(spec.member("rules")).iter().filter(|rule| {
            let paths = items(rule.member("nonResourceRules")).iter();
            let mut paths = paths.flat_map(|paths| texts(paths.member("nonResourceURLs")));
            !items(rule.member("resourceRules")).is_empty() || paths.any(|path| path == "*")
        });
        let subjects: Vec<Subject> = reaching
            .flat_map(|rule| items(rule.member("subjects")))
            .filter_map(flow_subject)
            .collect();

        (!subjects.is_empty()).then(|| Self {
            id: id.clone(),
            subjects,
            origin,
        })
    }
}

/// The subject of a rule of a FlowSchema. The name `*` stands for everybody.
fn flow_subject<T: TreeValue>(node: &T) -> Option<Subject> {
    let name = |of: &str| text(node.member(of), "name");
    let everybody = || Subject::Group("system:authenticated".into());

    match text(Some(node), "kind")?.as_str() {
        "User" => match name("user")? {
            all if all == "*" => Some(everybody()),
            user => Some(Subject::User(user)),
        },
        "Group" => match name("group")? {
            all if all == "*" => Some(everybody()),
            group => Some(Subject::Group(group)),
        },
        "ServiceAccount" => {
            let namespace = text(node.member("serviceAccount"), "namespace")?;
            match name("serviceAccount")? {
                all if all == "*" => {
                    let group = format!("{ACCOUNTS_OF}{namespace}");
                    Some(Subject::Group(group.into()))
                }
                account => Some(Subject::ServiceAccount(namespace, account)),
            }
        }
        _ => None,
    }
}

/// Whether a LimitRange bounds the size of each claim of a volume.
pub fn limits_claims<T: TreeValue>(limit_range: &T) -> bool {
    let spec = limit_range.member("spec");
    items(spec.and_then(|spec| spec.member("limits")))
        .iter()
        .any(|limit| {
            text(Some(limit), "type").as_deref() == Some("PersistentVolumeClaim")
                && limit
                    .member("max")
                    .is_some_and(|max| max.member("storage").is_some())
        })
}

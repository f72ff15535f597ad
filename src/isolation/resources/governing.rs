//! The quotas that govern each namespace, and what they bound there.

use crate::graph::quota::{Enforcer, Governed, PodHalf, Quota, QuotaScope};
use crate::graph::{Cluster, NamespaceNode, Owner};
use crate::kube::labels::Labels;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// A resource that a tenant can exhaust.
pub(super) struct Share {
    /// The resource, for a sentence.
    pub called: &'static str,
    /// The names by which a quota bounds it, each of which is enough.
    pub names: &'static [&'static str],
    /// Whether pods consume it on their nodes.
    pub is_compute: bool,
}

const fn share(called: &'static str, names: &'static [&'static str], is_compute: bool) -> Share {
    Share {
        called,
        names,
        is_compute,
    }
}

/// What a tenant can exhaust, besides volumes.
///
/// Source: kubernetes.io/docs/concepts/policy/resource-quotas.
pub(super) static SHARES: [Share; 7] = [
    share("pods", &["pods", "count/pods"], true),
    share("CPU", &["cpu", "requests.cpu", "limits.cpu"], true),
    share(
        "memory",
        &["memory", "requests.memory", "limits.memory"],
        true,
    ),
    share(
        "ephemeral storage (requests.ephemeral-storage)",
        &[
            "ephemeral-storage",
            "requests.ephemeral-storage",
            "limits.ephemeral-storage",
        ],
        false,
    ),
    share(
        "ConfigMaps in etcd (count/configmaps)",
        &["configmaps", "count/configmaps"],
        false,
    ),
    share(
        "Secrets in etcd (count/secrets)",
        &["secrets", "count/secrets"],
        false,
    ),
    share(
        "Jobs in etcd (count/jobs.batch)",
        &["count/jobs.batch"],
        false,
    ),
];

/// The quotas of a cluster, by the namespace that they govern.
pub(super) struct Governing<'a> {
    by_namespace: BTreeMap<u32, Vec<&'a Quota>>,
    /// Namespaces in which a LimitRange bounds the size of each claim.
    limited_claims: BTreeSet<&'a Text>,
}

impl<'a> Governing<'a> {
    pub fn new(cluster: &'a Cluster) -> Self {
        let annotations: BTreeMap<&Text, &Labels> = cluster
            .facts
            .namespaces
            .iter()
            .map(|namespace| (&namespace.id.name, &namespace.annotations))
            .collect();

        let mut by_namespace: BTreeMap<u32, Vec<&Quota>> = BTreeMap::new();
        for quota in &cluster.facts.quotas {
            let governed: Vec<u32> = match &quota.governs {
                Governed::Namespace(name) => cluster.namespace(name).into_iter().collect(),
                Governed::Selected {
                    labels,
                    annotations: asked,
                } => {
                    let has = |at: &u32| {
                        let own = annotations.get(&cluster.namespaces[*at as usize].name);
                        asked.iter().all(|(key, value)| {
                            own.and_then(|own| own.get(key)) == Some(value.as_str())
                        })
                    };
                    cluster.select(labels).iter().copied().filter(has).collect()
                }
            };
            for at in governed {
                by_namespace.entry(at).or_default().push(quota);
            }
        }

        let limit_ranges = cluster.facts.claim_limits.iter();
        Self {
            by_namespace,
            limited_claims: limit_ranges.map(|limits| &limits.id.namespace).collect(),
        }
    }

    /// The quotas of a namespace that count every pod of it, alone or two together.
    pub fn of(&self, namespace: u32) -> impl Iterator<Item = &'a Quota> {
        let counts_every = move |quota: &&Quota| match quota.scope {
            QuotaScope::EveryPod => true,
            QuotaScope::Half(half) => self.has_half(namespace, half.other(), |_| true),
            QuotaScope::PriorityClass(_) | QuotaScope::Some => false,
        };
        let all = self.all(namespace);
        all.filter(|quota| !quota.amounts.is_empty())
            .filter(counts_every)
    }

    /// Whether a quota of a namespace counts a half of its pods, and meets a condition.
    fn has_half(&self, namespace: u32, half: PodHalf, is_it: impl Fn(&Quota) -> bool) -> bool {
        let mut all = self.all(namespace);
        all.any(|quota| quota.scope == QuotaScope::Half(half) && is_it(quota))
    }

    /// Whether the quotas of a namespace bound a resource for every pod, by any of its names.
    fn bounds(&self, namespace: u32, names: &[&str]) -> bool {
        self.of(namespace).any(|quota| match quota.scope {
            QuotaScope::Half(half) => {
                let other = |quota: &Quota| quota.bounds(names);
                quota.bounds(names) && self.has_half(namespace, half.other(), other)
            }
            _ => quota.bounds(names),
        })
    }

    fn all(&self, namespace: u32) -> impl Iterator<Item = &'a Quota> {
        let quotas = self.by_namespace.get(&namespace);
        quotas.into_iter().flatten().copied()
    }

    /// The shares that no quota of a namespace bounds.
    pub fn free(&self, at: u32, namespace: &NamespaceNode) -> Vec<&'static str> {
        let mut free: Vec<&'static str> = SHARES
            .iter()
            .filter(|share| !self.bounds(at, share.names))
            .map(|share| share.called)
            .collect();

        let claims = ["persistentvolumeclaims", "count/persistentvolumeclaims"];
        let counted = self.bounds(at, &claims);
        let none = self.of(at).any(|quota| {
            let amounts = claims.iter().filter_map(|name| quota.amounts.get(*name));
            amounts.into_iter().any(|zero| *zero)
        });
        let sized = counted && self.limited_claims.contains(&namespace.name);
        if !none && !sized && !self.bounds(at, &["requests.storage"]) {
            free.push("the storage of volumes (requests.storage)");
        }
        free
    }

    /// Whether no quota of a namespace bounds pods, their CPU or their memory.
    pub fn leaves_compute_free(&self, at: u32) -> bool {
        let mut compute = SHARES.iter().filter(|share| share.is_compute);
        compute.all(|share| !self.bounds(at, share.names))
    }

    /// The classes of some that the pods of a namespace may name in any number.
    pub fn free_classes<'c>(&self, at: u32, classes: &[&'c str]) -> Vec<&'c str> {
        let counted = |class: &str| {
            let mut quotas = self.all(at);
            quotas.any(|quota| quota.counts_priority_class(class) && quota.bounds(SHARES[0].names))
        };
        let free = classes.iter().copied().filter(|class| !counted(class));
        free.collect()
    }

    /// What enforces the quotas of tenants' namespaces that bound a share which no quota of Kubernetes
    /// bounds there.
    pub fn enforcers(&self, cluster: &Cluster) -> BTreeSet<Enforcer> {
        let mut enforcers = BTreeSet::new();
        for (at, quotas) in &self.by_namespace {
            if cluster.namespaces[*at as usize].owner == Owner::Platform {
                continue;
            }
            for share in &SHARES {
                let bounding = quotas.iter().filter(|quota| {
                    quota.scope == QuotaScope::EveryPod && quota.bounds(share.names)
                });
                let bounding: BTreeSet<Enforcer> = bounding.map(|quota| quota.enforcer).collect();
                if !bounding.contains(&Enforcer::Admission) {
                    enforcers.extend(bounding);
                }
            }
        }
        enforcers
    }
}

use super::Findings;
use super::governing::{Governing, SHARES};
use crate::diagnostic::rule;
use crate::graph::quota::{Enforcer, Quota};
use crate::graph::{Cluster, NamespaceNode, Owner};
use crate::isolation::assumptions::{PRIORITY_CLASSES, QUOTA_ENFORCERS, UNBOUNDED_SHARES};
use crate::isolation::{Finding, namespace_span, some};
use crate::value::Text;
use std::collections::BTreeMap;

rule! {
    /// The quotas of a tenant's namespace bound neither pods nor their CPU nor their memory.
    ///
    /// ## What it finds
    /// A namespace whose quotas count other things alone, such as ConfigMaps, GPUs or the storage of
    /// one class. If a quota bounds some of pods, CPU and memory, the others are named by the
    /// assumption `unbounded-shares`, together with ephemeral storage, the storage of volumes and
    /// the number of objects.
    ///
    /// ## Why it matters
    /// A quota bounds only the resources that it lists. One tenant can take every node of the
    /// cluster.
    ///
    /// ## Fix
    /// Add `pods`, `requests.cpu`, `requests.memory` and their limits to the quota.
    ///
    /// ## References
    /// kubernetes.io/docs/concepts/policy/resource-quotas; MTB "configure namespace resource quotas"
    pub static UNBOUNDED_QUOTA = "resources/unbounded-quota", Error;
}

/// The classes that every cluster has, and that pods of every namespace may name.
const BUILTIN_CLASSES: [&str; 2] = ["system-cluster-critical", "system-node-critical"];

/// The tenants' namespaces that a quota governs, by what their quotas leave free.
type ByFree<'a> = BTreeMap<Vec<&'a str>, Vec<(u32, &'a NamespaceNode)>>;

pub(super) fn check(cluster: &Cluster, governing: &Governing<'_>, out: &mut Findings<'_>) {
    let classes: Vec<&str> = BUILTIN_CLASSES
        .into_iter()
        .chain(
            cluster
                .facts
                .priority_classes
                .iter()
                .map(|class| class.id.name.as_str()),
        )
        .collect();
    let (mut free, mut free_classes) = (ByFree::new(), ByFree::new());

    for (at, namespace) in cluster.namespaces.iter().enumerate() {
        let at = at as u32;
        let Owner::Tenant(tenant) = namespace.owner else {
            continue;
        };
        if governing.of(at).next().is_none() {
            continue;
        }
        if governing.leaves_compute_free(at) {
            let tenant = &cluster.tenants[tenant as usize];
            let quotas: Vec<&Quota> = governing.of(at).collect();
            let span = quotas.first().map_or_else(
                || namespace_span(namespace, tenant),
                |quota| quota.origin.span,
            );
            out.push(finding(namespace, &tenant.name, &quotas, span));
            continue;
        }

        let shares = governing.free(at, namespace);
        if !shares.is_empty() {
            free.entry(shares).or_default().push((at, namespace));
        }
        let named = governing.free_classes(at, &classes);
        if !named.is_empty() {
            free_classes.entry(named).or_default().push((at, namespace));
        }
    }

    assume_shares(governing, &free, out);
    assume_classes(&free_classes, out);
    assume_enforcers(cluster, governing, out);
}

fn finding(
    namespace: &NamespaceNode,
    tenant: &Text,
    quotas: &[&Quota],
    span: crate::source::Span,
) -> Finding {
    let called: Vec<String> = quotas.iter().map(|quota| quota.id.called()).collect();
    let message = format!(
        "no quota of `{}` of tenant `{tenant}` bounds its pods, their CPU or their memory: {}",
        namespace.name,
        some(called.iter().map(String::as_str))
    );
    let steps = quotas.iter().map(|quota| {
        let resources = quota.amounts.keys().map(Text::as_str);
        let text = format!("{} bounds {} alone", quota.id.called(), some(resources));
        crate::isolation::Step::new(quota.origin.span, text)
    });

    Finding::refuted(&UNBOUNDED_QUOTA, span, message)
        .by(tenant)
        .steps(steps)
        .fix("add `pods`, `requests.cpu` and `requests.memory` to the quota")
}

/// Names what the quotas leave free. A quota is named where pods, CPU or memory are free.
fn assume_shares(governing: &Governing<'_>, free: &ByFree<'_>, out: &mut Findings<'_>) {
    for (shares, namespaces) in free {
        let names = some(
            namespaces
                .iter()
                .map(|(_, namespace)| namespace.name.as_str()),
        );
        let mut compute = SHARES.iter().filter(|share| share.is_compute);
        let quotas = match compute.any(|share| shares.contains(&share.called)) {
            true => {
                let quotas = namespaces.iter().flat_map(|(at, _)| governing.of(*at));
                let called: Vec<String> = quotas.map(|quota| quota.id.called()).collect();
                format!(" ({})", some(called.iter().map(String::as_str)))
            }
            false => String::new(),
        };

        let text = format!(
            "tenants take no more than their share of {}: no quota of {names} bounds it{quotas}",
            shares.join(", ")
        );
        out.assume_about(&UNBOUNDED_SHARES, text);
    }
}

fn assume_classes(free: &ByFree<'_>, out: &mut Findings<'_>) {
    for (classes, namespaces) in free {
        let names = some(
            namespaces
                .iter()
                .map(|(_, namespace)| namespace.name.as_str()),
        );
        let text = format!(
            "pods of {names} name no priority class by which they preempt the pods of others \
             ({}): no quota with the scope PriorityClass counts them",
            some(classes.iter().copied())
        );
        out.assume_about(&PRIORITY_CLASSES, text);
    }
}

fn assume_enforcers(cluster: &Cluster, governing: &Governing<'_>, out: &mut Findings<'_>) {
    for enforcer in governing.enforcers(cluster) {
        let text = match enforcer {
            Enforcer::Admission => continue,
            Enforcer::Scheduler => "the scheduler that enforces quotas places every pod of tenants",
            Enforcer::Kueue => {
                "Kueue, which enforces quotas, manages every pod of the namespaces of its queues"
            }
        };
        out.assume_about(&QUOTA_ENFORCERS, text);
    }
}

//! Ways that the inputs do not settle: what an operator lets the writer of its kinds do, access that
//! clouds give, and webhooks that pods of a namespace answer.

use super::held::{HeldGrants, HeldRule, Level, Reach};
use super::nodes::NodeWay;
use super::powers::{ARGO_CD_ACCOUNT, Powers, acts_as_administrator};
use crate::graph::Cluster;
use crate::graph::facts::SecretStore;
use crate::graph::identity::Lender;
use crate::graph::rbac::{PolicyRule, Subject};
use crate::isolation::admission::Shown;
use crate::isolation::capability::{BECOME_ACCOUNT, Effect, Permission, TAKEOVER, giving};
use crate::isolation::operators::{OperatorKind, OperatorState, writes_every_kind, written};
use crate::isolation::{Step, at};
use std::collections::BTreeSet;

/// A way that may lead to what is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What is done, and the condition.
    pub step: Step,
    /// How much of it the inputs show.
    pub kind: DoubtKind,
}

/// How much the inputs show of a way that they do not settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtKind {
    /// That it is open, and not how far it leads.
    Shown,
    /// Only that it is open if an operator is.
    IfOperator,
    /// That it leads to a node, whose rights no role says.
    OfNode,
}

/// Creates objects that fetch from a store of secrets.
const FETCH: [Permission; 1] = [Permission::new(
    "external-secrets.io",
    &["externalsecrets", "pushsecrets"],
    &["create", "update", "patch"],
)];

/// The ways of an identity that the inputs do not settle.
pub fn doubts(powers: &Powers<'_>, subject: &Subject, grants: &HeldGrants<'_>) -> Vec<Doubt> {
    let cluster = powers.cluster();
    let mut all = by_access(powers, subject);
    for level in grants.levels() {
        if level.reach == Reach::Cluster {
            all.extend(by_takeover(grants, &level));
        }
        all.extend(by_operators(powers, grants, &level));
        all.extend(by_hooks(cluster, grants, &level));
        all.extend(by_stores(cluster, grants, &level));
    }
    all.extend(by_own_pods(cluster, subject, grants));
    let mut seen = BTreeSet::new();
    all.retain(|doubt| seen.insert(doubt.step.text.clone()));
    all
}

/// By pods that control their node: what the node's kubelet may read, no role says.
fn by_own_pods(cluster: &Cluster, subject: &Subject, grants: &HeldGrants<'_>) -> Vec<Doubt> {
    let ways = grants.node_ways(cluster, subject).iter();
    let doubt = |way: &NodeWay| {
        let (what, kind) = match way.pods.shown {
            Shown::Undecided => (way.pods.what.clone(), DoubtKind::Shown),
            Shown::Open | Shown::Nothing => {
                let node = "and so reads what its node holds: Secrets and volumes of other pods";
                (format!("{}, {node}", way.pods.what), DoubtKind::OfNode)
            }
        };
        let step = grants.all[way.grant].how(&what).pop()?;
        Some(Doubt { step, kind })
    };
    ways.filter_map(doubt).collect()
}

/// By rights of the whole cluster that show or move what others run, without an identity of theirs.
fn by_takeover(grants: &HeldGrants<'_>, level: &Level<'_>) -> Vec<Doubt> {
    let shows_others = |effect| {
        matches!(
            effect,
            Effect::ChangeAdmission | Effect::ChangeDefinitions | Effect::ChangeNodes
        )
    };
    let powers = TAKEOVER.iter().filter(|power| shows_others(power.effect));
    powers
        .filter_map(|power| {
            let given =
                |held: &&HeldRule<'_>| power.given_by(std::slice::from_ref(held.rule)).is_some();
            let held = level.rules.iter().find(given)?;
            let what = format!(
                "{}, and so sees or moves objects of others",
                power.effect.predicate()
            );
            let step = grants.all[held.grant].how(&what).pop()?;
            Some(Doubt {
                step,
                kind: DoubtKind::Shown,
            })
        })
        .collect()
}

/// By a kind whose operator is open, or is not shown.
fn by_operators(powers: &Powers<'_>, grants: &HeldGrants<'_>, level: &Level<'_>) -> Vec<Doubt> {
    let mut all = Vec::new();
    for held in &level.rules {
        let rules = std::slice::from_ref(held.rule);
        let is_wild = writes_every_kind(rules);
        let grant = &grants.all[held.grant];
        let doubt = |what: &str, kind| grant.how(what).pop().map(|step| Doubt { step, kind });

        let rows = written(rules, is_wild).into_iter();
        for (row, resources, _) in rows.filter(|(row, ..)| acts_on_the_api(row)) {
            let resources = resources.join(", ");
            let what = match powers.state(row) {
                // A power says it already.
                OperatorState::Open(..) if acts_as_administrator(row) => continue,
                OperatorState::Open(_, shown) => {
                    let what = format!(
                        "may write {resources} ({}), and {} {}: {shown}",
                        row.group, row.operator, row.gains
                    );
                    all.extend(doubt(&what, DoubtKind::Shown));
                    continue;
                }
                OperatorState::Closed => continue,
                OperatorState::Unknown if is_wild => continue,
                OperatorState::Unknown => format!(
                    "may write {resources} ({}), and {} {}, unless {}",
                    row.group, row.operator, row.gains, row.closed_by
                ),
            };
            all.extend(doubt(&what, DoubtKind::IfOperator));
        }
        if is_wild {
            let what = "may write every kind, and so has what an open operator does with its kinds";
            all.extend(doubt(what, DoubtKind::IfOperator));
        }
    }
    all
}

/// By an access policy of a cloud, and by Argo CD where its account is not among the inputs.
fn by_access(powers: &Powers<'_>, subject: &Subject) -> Vec<Doubt> {
    let cluster = powers.cluster();
    let own = powers.members().get(subject).into_iter().flatten();
    let own = own.filter(|one| !one.access.is_empty());
    let mut all: Vec<Doubt> = own
        .map(|membership| {
            let text = format!(
                "{} gives {} an access policy, whose rights the cloud says",
                membership.id.called(),
                membership.person
            );
            Doubt {
                step: Step::new(at(membership.span, membership.origin), text),
                kind: DoubtKind::Shown,
            }
        })
        .collect();

    let Subject::ServiceAccount(namespace, name) = subject else {
        return all;
    };
    let has_grants = cluster.rbac.bindings_of(subject).next().is_some();
    if name == ARGO_CD_ACCOUNT && !has_grants {
        let policies = cluster.facts.argo_policies.iter();
        let own = policies.filter(|policy| policy.id.namespace == *namespace);
        all.extend(own.take(1).map(|policy| {
            let text = format!("Argo CD applies as {subject}, whose rights no input holds");
            Doubt {
                step: Step::new(at(policy.span, policy.origin), text),
                kind: DoubtKind::Shown,
            }
        }));
    }
    all
}

/// By pods in a namespace that answers webhooks of the cluster.
fn by_hooks(cluster: &Cluster, grants: &HeldGrants<'_>, level: &Level<'_>) -> Vec<Doubt> {
    let runs = level.rules.iter().find(|held| {
        let rules: &[PolicyRule] = std::slice::from_ref(held.rule);
        BECOME_ACCOUNT
            .iter()
            .any(|way| way.given_by(rules).is_some())
    });
    let Some(held) = runs else {
        return Vec::new();
    };
    let hooks = cluster.facts.hooks.iter();
    let own = hooks.filter(|hook| level.reach.holds(&hook.namespace));
    own.filter_map(|hook| {
        let what = format!(
            "runs pods in `{}`, which answers {}",
            hook.namespace,
            hook.id.called()
        );
        let step = grants.all[held.grant].how(&what).pop()?;
        Some(Doubt {
            step,
            kind: DoubtKind::Shown,
        })
    })
    .collect()
}

/// By a store of secrets that a namespace may use: what it holds is not among the inputs.
fn by_stores(cluster: &Cluster, grants: &HeldGrants<'_>, level: &Level<'_>) -> Vec<Doubt> {
    let fetches = level
        .rules
        .iter()
        .find(|held| giving(&FETCH, std::slice::from_ref(held.rule)).is_some());
    let Some(held) = fetches else {
        return Vec::new();
    };
    let admits = |store: &&SecretStore| {
        let admitted = |at: &u32| level.reach.holds(&cluster.namespaces[*at as usize].name);
        match &store.conditions {
            _ if !store.id.namespace.is_empty() => level.reach.holds(&store.id.namespace),
            None => true,
            Some(conditions) => conditions
                .iter()
                .any(|condition| condition.namespaces(cluster).iter().any(admitted)),
        }
    };
    let of_operator = |store: &&SecretStore| store.id.group == "external-secrets.io";
    let stores = cluster
        .facts
        .stores
        .iter()
        .filter(of_operator)
        .filter(admits);
    stores
        .filter_map(|store| {
            let what = format!("fetches secrets through {}", store.id.called());
            let step = grants.all[held.grant].how(&what).pop()?;
            let borrowed = cluster.facts.borrowed_identities.iter();
            let mut own = borrowed.filter(|one| one.id == store.id);
            Some(Doubt {
                step,
                kind: match own.any(|one| matches!(one.lender, Lender::ServiceAccount(..))) {
                    true => DoubtKind::Shown,
                    false => DoubtKind::IfOperator,
                },
            })
        })
        .collect()
}

/// Groups of kinds by which an operator may act on the API for the writer, besides those that it
/// applies as an administrator. The other rows are about hosts, clouds and secrets elsewhere.
const ACTS_ON_THE_API: [&str; 7] = [
    "*.m.crossplane.io",
    "argoproj.io",
    "capsule.clastix.io",
    "kyverno.io",
    "monitoring.coreos.com",
    "operator.victoriametrics.com",
    "policies.kyverno.io",
];

fn acts_on_the_api(row: &OperatorKind) -> bool {
    acts_as_administrator(row) || ACTS_ON_THE_API.contains(&row.group)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::operators::OPERATOR_KINDS;

    #[test]
    fn each_group_that_acts_is_one_of_the_table() {
        for group in ACTS_ON_THE_API {
            assert!(
                OPERATOR_KINDS.iter().any(|row| row.group == group),
                "{group}"
            );
        }
    }
}

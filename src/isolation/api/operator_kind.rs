use super::Findings;
use crate::diagnostic::rule;
use crate::graph::Cluster;
use crate::graph::rbac::{Binding, PolicyRule, Role};
use crate::isolation::admission::own_grants;
use crate::isolation::assumptions::OPERATORS_CLOSED;
use crate::isolation::operators::{
    OperatorKind, OperatorState, OperatorStates, writes_every_kind, written,
};
use crate::isolation::{Finding, some};
use crate::source::Span;
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

rule! {
    /// A tenant may write a kind whose operator acts beyond the tenant's namespaces.
    ///
    /// ## What it finds
    /// Rights in a tenant's own namespaces on kinds such as Subscriptions of Operator Lifecycle
    /// Manager, ResourceSets, HelmCharts of k3s or ServiceMonitors, if the inputs show that the
    /// operator is open. If they do not show how it runs, the verdict rests on the assumption
    /// `operators-closed`, which names the kinds, who may write them, and what closes them.
    ///
    /// ## Why it matters
    /// An operator acts on an object with its own account. Whoever writes the object has what the
    /// operator does: cluster-admin, the sources of other tenants, a token of the platform.
    ///
    /// ## Fix
    /// Remove the right, or close the operator: each finding says how.
    ///
    /// ## References
    /// The source of each kind is in the table `src/isolation/operators/table.rs`; Flux RFC-0001; ISO
    /// 27001 A.8.2; SOC 2 CC6.3
    pub static OPERATOR_KIND = "api/operator-kind", Error;
}

/// A role that is bound in tenants' own namespaces.
struct BoundRole<'a> {
    role: &'a Role,
    /// The first binding.
    binding: &'a Binding,
    /// The names of the tenants that have it, with their indices.
    tenants: BTreeMap<&'a str, u32>,
}

impl<'a> BoundRole<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> {
        self.tenants.keys().copied()
    }
}

/// Kinds of one row that tenants may write and whose operator no input shows.
#[derive(Default)]
struct Unshown<'a> {
    resources: BTreeSet<&'static str>,
    tenants: BTreeSet<&'a str>,
}

pub(super) fn check(cluster: &Cluster, out: &mut Findings<'_>) {
    let states = OperatorStates::new(cluster);
    let mut unshown: BTreeMap<&str, (&OperatorKind, Unshown<'_>)> = BTreeMap::new();
    let mut every_kind: BTreeSet<&str> = BTreeSet::new();

    for bound in bound_roles(cluster).values() {
        let rules = &bound.role.rules;
        let wild = writes_every_kind(rules);
        if wild {
            every_kind.extend(bound.names());
        }

        for (row, resources, rule) in written(rules, wild) {
            match states.of(row) {
                OperatorState::Closed => {}
                OperatorState::Open(span, shown) => {
                    out.push(finding(bound, row, &resources, rule, (span, shown)));
                }
                // A role for every kind is one assumption, not one for each operator.
                OperatorState::Unknown if wild => {}
                OperatorState::Unknown => {
                    let (_, all) = unshown
                        .entry(row.group)
                        .or_insert((row, Unshown::default()));
                    all.resources.extend(resources);
                    all.tenants.extend(bound.names());
                }
            }
        }
    }

    for (row, all) in unshown.values() {
        out.assume_about(&OPERATORS_CLOSED, unshown_text(row, all));
    }
    if !every_kind.is_empty() {
        let text = format!(
            "tenants that may write every kind of their namespaces ({}) reach nobody through the kinds of \
             operators: Operator Lifecycle Manager, k3s, flux-operator, Argo CD, Kyverno and the like do \
             not run, or are closed",
            some(every_kind)
        );
        out.assume_about(&OPERATORS_CLOSED, text);
    }
}

/// The roles that are bound in tenants' own namespaces.
fn bound_roles(cluster: &Cluster) -> BTreeMap<&(Text, Text), BoundRole<'_>> {
    let mut roles: BTreeMap<&(Text, Text), BoundRole<'_>> = BTreeMap::new();
    for (tenant, binding, role, _) in own_grants(cluster) {
        let bound = roles.entry(&binding.role).or_insert_with(|| BoundRole {
            role,
            binding,
            tenants: BTreeMap::new(),
        });
        let name = &cluster.tenants[tenant as usize].name;
        bound.tenants.insert(name, tenant);
    }
    roles
}

/// What the assumption about a row says.
fn unshown_text(row: &OperatorKind, all: &Unshown<'_>) -> String {
    let resources: Vec<&str> = all.resources.iter().copied().collect();
    format!(
        "{} may write {} ({}), and {} {}; this is closed if {}",
        some(all.tenants.iter().copied()),
        resources.join(", "),
        row.group,
        row.operator,
        row.gains,
        row.closed_by
    )
}

fn finding(
    bound: &BoundRole<'_>,
    row: &OperatorKind,
    resources: &[&str],
    rule: &PolicyRule,
    (shown_at, shown): (Span, &str),
) -> Finding {
    let (span, role) = bound.role.cite(Some(rule), bound.binding);
    let resources = resources.join(", ");
    let who = match bound.tenants.len() {
        1 => format!("tenant {}", some(bound.names())),
        count => format!("{count} tenants ({})", some(bound.names())),
    };
    let message = format!(
        "{who} may write {resources} ({}), and {} {}",
        row.group, row.operator, row.gains
    );

    let finding = Finding::refuted(&OPERATOR_KIND, span, message)
        .step(
            bound.binding.origin.span,
            format!(
                "{} binds {}",
                bound.binding.called(),
                bound.binding.role_name()
            ),
        )
        .through(&bound.binding.id)
        .step(span, format!("{role} lets them write {resources}"))
        .through(&bound.role.id)
        .step(shown_at, format!("{} acts on them: {shown}", row.operator))
        .fix(format!("remove the right; or see that {}", row.closed_by));
    match bound.tenants.first_key_value() {
        Some((tenant, _)) if bound.tenants.len() == 1 => finding.by(tenant),
        _ => finding.by_each(bound.tenants.values().copied()),
    }
}

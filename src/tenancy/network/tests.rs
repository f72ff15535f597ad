//! Edges between tenants, from what both declare to the policies of both.

use super::*;
use crate::document;
use crate::kube::names::NAME_LABEL;
use crate::netpol::{Direction, Peer, Port, Ports};
use crate::source::{Source, SourceId};
use crate::tenancy::model::{OnCluster, TenantContext};
use crate::tenancy::prior::Prior;
use crate::value::Value;
use document::{Spanned, deserialize};
use indexmap::{IndexMap, IndexSet};
use serde::de::DeserializeOwned;

const FLEET: &str = "clusters: [{name: prod}, {name: edge}]\n\
                     tenantLabels: [{labels: {team: red}, tenants: [red]}]";

fn read<T: DeserializeOwned>(yaml: &str) -> T {
    let source = Source::new("test.yaml", yaml);
    let (documents, faults) = document::parse(SourceId(0), &source);
    assert!(faults.is_empty(), "{faults:?}");
    deserialize(&documents[0].root).unwrap()
}

/// A tenant with the same namespaces on some clusters. A namespace is its name, which is also its
/// name in the cluster, and its `network`.
fn tenant(name: &str, clusters: &[usize], namespaces: &[(&str, &str)]) -> Tenant {
    Tenant {
        name: Spanned::new(name.to_owned(), Span::file(SourceId(0))),
        input: String::new(),
        uuid: None,
        labels: IndexMap::new(),
        platform_labels: IndexMap::from([("team".into(), name.into())]),
        hosts: Vec::new(),
        host_ceilings: Vec::new(),
        file_keys: Vec::new(),
        principals: Vec::new(),
        profile: "restricted".into(),
        chose_builtin: false,
        profile_span: Span::file(SourceId(0)),
        merged: document::Node::new(Span::file(SourceId(0)), document::NodeValue::Null),
        on: clusters
            .iter()
            .map(|cluster| on_cluster(name, *cluster, namespaces))
            .collect(),
    }
}

fn on_cluster(tenant: &str, cluster: usize, namespaces: &[(&str, &str)]) -> OnCluster {
    OnCluster {
        cluster,
        manifests: Vec::new(),
        manifest_unit: None,
        requires: Vec::new(),
        plain: false,
        promised: None,
        tenant: TenantContext {
            name: tenant.to_owned(),
            uuid: None,
            display_name: None,
            description: None,
            parameters: Value::Null,
            labels: IndexMap::new(),
            namespaces: Vec::new(),
            common_labels: IndexMap::new(),
            compat_cluster_role: String::new(),
            compat_labels: IndexMap::new(),
        },
        namespaces: namespaces
            .iter()
            .map(|(name, network)| namespace(name, network))
            .collect(),
        syncs: Vec::new(),
        deployers: Vec::new(),
    }
}

fn namespace(name: &str, network: &str) -> TenantNamespace {
    TenantNamespace {
        id: name.to_owned(),
        name: name.to_owned(),
        span: Span::file(SourceId(0)),
        labels: IndexMap::new(),
        annotations: IndexMap::new(),
        adopt: false,
        service_account: false,
        quota: None,
        limits: None,
        network: NetworkPolicies {
            rendered: true,
            ..NetworkPolicies::default()
        },
        bindings: Vec::new(),
        reaches: Vec::new(),
        declared: Arc::new(read(network)),
    }
}

/// The tenants with their policies, and the ids of the rules that were found broken.
struct Planned {
    tenants: Vec<Tenant>,
    broken_rules: Vec<&'static str>,
}

fn planned(tenants: Vec<Tenant>) -> Planned {
    planned_after(tenants, &Prior::default(), &[])
}

/// Plans with what earlier runs left. The `held` tenants are not among the index's.
fn planned_after(mut tenants: Vec<Tenant>, prior: &Prior<'_>, held: &[&str]) -> Planned {
    let names: Vec<String> = tenants.iter().map(|one| one.name.value.clone()).collect();
    let absent = BTreeSet::new();
    let known = KnownTenants {
        read: names.iter().map(String::as_str).collect::<IndexSet<_>>(),
        absent: &absent,
        prior,
        has_unreadable_file: false,
    };

    let held: BTreeSet<String> = held.iter().map(|name| (*name).to_owned()).collect();
    let fleet: FleetSpec = read(FLEET);

    let plan = plan(&tenants, &fleet, &Waivers::default(), &known, &held);
    let findings = plan.assign(&mut tenants);
    Planned {
        tenants,
        broken_rules: findings.iter().map(|finding| finding.rule.id).collect(),
    }
}

impl Planned {
    /// The rules of a namespace's policy in a direction, each as `PEERS on PORTS`. Empty if there
    /// is no such policy.
    fn rules(&self, cluster: usize, namespace: &str, direction: Direction) -> Vec<String> {
        let name = match direction {
            Direction::Ingress => ALLOW_INGRESS,
            Direction::Egress => ALLOW_EGRESS,
        };
        let found = self
            .tenants
            .iter()
            .filter_map(|tenant| tenant.on(cluster))
            .flat_map(|on| &on.namespaces)
            .find(|found| found.name == namespace)
            .unwrap();

        let policy = found.network.get(name);
        let rules = policy.and_then(|policy| policy.rules(direction));
        rules.unwrap_or_default().iter().map(described).collect()
    }

    fn egress(&self, namespace: &str) -> Vec<String> {
        self.rules(0, namespace, Direction::Egress)
    }

    fn ingress(&self, namespace: &str) -> Vec<String> {
        self.rules(0, namespace, Direction::Ingress)
    }
}

fn described(rule: &Rule) -> String {
    let peers: Vec<String> = rule.peers.iter().map(described_peer).collect();
    let ports: Vec<String> = rule.ports.iter().map(described_port).collect();
    if ports.is_empty() {
        peers.join(" ")
    } else {
        format!("{} on {}", peers.join(" "), ports.join(" "))
    }
}

fn described_peer(peer: &Peer) -> String {
    match peer {
        Peer::Pods {
            namespaces: Some(selector),
            ..
        } => selector.pinned(NAME_LABEL).unwrap().join("+"),
        other => panic!("{other:?}"),
    }
}

fn described_port(port: &Port) -> String {
    match &port.ports {
        Ports::Range(first, _) => first.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_edge_that_both_ends_declare_is_opened_at_both() {
    let planned = planned(vec![
        tenant("red", &[0], &[("red", "egress: [{tenant: blue}]")]),
        tenant("blue", &[0], &[("blue", "ingress: [{tenant: red}]")]),
    ]);

    assert_eq!(planned.egress("red"), ["blue"]);
    assert_eq!(planned.ingress("blue"), ["red"]);
    assert!(
        planned.broken_rules.is_empty(),
        "{:?}",
        planned.broken_rules
    );
    assert_eq!(planned.tenants[0].on[0].namespaces[0].reaches, ["blue"]);
}

#[test]
fn each_end_keeps_its_own_ports() {
    let red = "egress: [{tenant: blue, ports: [{port: 80}, {port: 81}]}]";
    let blue = "ingress: [{tenant: red, ports: [{port: 81}, {port: 82}]}]";
    let planned = planned(vec![
        tenant("red", &[0], &[("red", red)]),
        tenant("blue", &[0], &[("blue", blue)]),
    ]);

    assert_eq!(planned.egress("red"), ["blue on 80 81"]);
    assert_eq!(planned.ingress("blue"), ["red on 81 82"]);
}

#[test]
fn an_egress_without_its_other_end_opens_nothing() {
    let planned = planned(vec![
        tenant("red", &[0], &[("red", "egress: [{tenant: blue}]")]),
        tenant("blue", &[0], &[("blue", "{}")]),
    ]);

    assert!(planned.egress("red").is_empty());
    assert_eq!(planned.broken_rules, [ONE_SIDED.id]);
}

#[test]
fn an_ingress_without_its_other_end_opens_nothing() {
    let planned = planned(vec![
        tenant("red", &[0], &[("red", "{}")]),
        tenant("blue", &[0], &[("blue", "ingress: [{tenant: red}]")]),
    ]);

    assert!(planned.ingress("blue").is_empty());
    assert_eq!(planned.broken_rules, [ONE_SIDED.id]);
}

#[test]
fn an_edge_without_a_common_port_is_one_sided() {
    let blue = "ingress: [{tenant: red, ports: [{port: 80, protocol: UDP}]}]";
    let planned = planned(vec![
        tenant(
            "red",
            &[0],
            &[("red", "egress: [{tenant: blue, ports: [{port: 80}]}]")],
        ),
        tenant("blue", &[0], &[("blue", blue)]),
    ]);

    assert!(planned.egress("red").is_empty());
    assert_eq!(planned.broken_rules, [ONE_SIDED.id]);
}

#[test]
fn an_edge_to_one_namespace_leaves_the_others_closed() {
    let planned = planned(vec![
        tenant(
            "red",
            &[0],
            &[("red", "egress: [{tenant: blue, namespace: api}]")],
        ),
        tenant(
            "blue",
            &[0],
            &[
                ("api", "ingress: [{tenant: red}]"),
                ("store", "ingress: [{tenant: red}]"),
            ],
        ),
    ]);

    assert_eq!(planned.egress("red"), ["api"]);
    assert_eq!(planned.ingress("api"), ["red"]);
    assert!(planned.ingress("store").is_empty());

    assert!(
        planned.broken_rules.is_empty(),
        "{:?}",
        planned.broken_rules
    );
}

#[test]
fn an_offer_is_opened_to_those_who_take_it_up() {
    let planned = planned(vec![
        tenant("red", &[0], &[("red", "egress: [{tenant: blue}]")]),
        tenant("grey", &[0], &[("grey", "{}")]),
        tenant(
            "blue",
            &[0],
            &[("blue", "provides: [{port: 80, to: {any: true}}]")],
        ),
    ]);

    assert_eq!(planned.egress("red"), ["blue"]);
    assert_eq!(planned.ingress("blue"), ["red on 80"]);
    assert!(
        planned.broken_rules.is_empty(),
        "{:?}",
        planned.broken_rules
    );
}

#[test]
fn an_offer_by_labels_is_closed_to_other_tenants() {
    let to_red = "provides: [{port: 80, to: {tenantSelector: {matchLabels: {team: red}}}}]";
    let planned = planned(vec![
        tenant("red", &[0], &[("red", "egress: [{tenant: blue}]")]),
        tenant("grey", &[0], &[("grey", "egress: [{tenant: blue}]")]),
        tenant("blue", &[0], &[("blue", to_red)]),
    ]);

    assert_eq!(planned.ingress("blue"), ["red on 80"]);
    assert!(planned.egress("grey").is_empty());
    assert_eq!(planned.broken_rules, [ONE_SIDED.id]);
}

#[test]
fn an_edge_is_opened_only_on_clusters_that_both_are_on() {
    let planned = planned(vec![
        tenant("red", &[0, 1], &[("red", "egress: [{tenant: blue}]")]),
        tenant("blue", &[1], &[("blue", "ingress: [{tenant: red}]")]),
    ]);

    assert!(planned.egress("red").is_empty());
    assert_eq!(planned.rules(1, "red", Direction::Egress), ["blue"]);
    assert_eq!(planned.rules(1, "blue", Direction::Ingress), ["red"]);
    assert!(
        planned.broken_rules.is_empty(),
        "{:?}",
        planned.broken_rules
    );
}

#[test]
fn tenants_on_no_common_cluster_have_no_edge() {
    let planned = planned(vec![
        tenant("red", &[0], &[("red", "egress: [{tenant: blue}]")]),
        tenant("blue", &[1], &[("blue", "ingress: [{tenant: red}]")]),
    ]);

    assert!(planned.egress("red").is_empty());
    assert_eq!(
        planned.broken_rules,
        [NO_SHARED_CLUSTER.id, NO_SHARED_CLUSTER.id]
    );
}

#[test]
fn a_held_tenant_keeps_the_edges_of_its_last_rendering() {
    let mut prior = Prior::default();
    prior.add_namespace("blue", "prod", "old-blue");
    prior.add_edge("prod", ("red", "red"), "old-blue");
    let tenants = vec![
        tenant("red", &[0], &[("red", "egress: [{tenant: blue}]")]),
        tenant("blue", &[0], &[("blue", "ingress: [{tenant: red}]")]),
    ];

    let planned = planned_after(tenants, &prior, &["blue"]);
    assert_eq!(planned.egress("red"), ["old-blue"]);
    assert!(
        planned.broken_rules.is_empty(),
        "{:?}",
        planned.broken_rules
    );
}

#[test]
fn isolation_decides_which_policies_a_namespace_has() {
    let names = |network: &str| -> Vec<&'static str> {
        let planned = planned(vec![tenant("red", &[0], &[("red", network)])]);
        let policies = &planned.tenants[0].on[0].namespaces[0].network.policies;
        policies.iter().map(|policy| policy.name).collect()
    };

    assert_eq!(names("{}"), [DEFAULT_DENY, ALLOW_DNS, ALLOW_INTRA]);
    assert_eq!(
        names("isolation: tenant"),
        [DEFAULT_DENY, ALLOW_DNS, ALLOW_INTRA]
    );
    assert_eq!(names("isolation: none"), [DEFAULT_DENY]);
}

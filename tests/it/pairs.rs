//! How many pairs of tenants findings open: counted by sets, and pair by pair.

use crate::isolation::{base, cluster};
use crate::support::{Dice, Sandbox, fixture, json, tenant, two_tenants};
use std::collections::{BTreeMap, BTreeSet};
use tenantry::graph::TenantNode;
use tenantry::isolation::pairs::{OpenedPairs, count};
use tenantry::isolation::{Finding, Plane, api, network, resources};
use tenantry::source::{SourceId, Span};

fn tenants(count: usize) -> Vec<TenantNode> {
    let tenant = |at: usize| TenantNode {
        name: format!("t{at}").as_str().into(),
        span: Span::file(SourceId(0)),
        subjects: Vec::new(),
        namespaces: Vec::new(),
        reaches: Vec::new(),
    };
    (0..count).map(tenant).collect()
}

/// A side of a finding: all tenants, or these.
type Side = Option<BTreeSet<usize>>;

fn finding(gaining: &Side, reached: &Side) -> Finding {
    let span = Span::file(SourceId(0));
    let finding = Finding::refuted(&api::CROSS_TENANT_BINDING, span, "a way");
    let name = |side: &Side| match side {
        Some(side) if side.len() == 1 => side.first().map(|at| format!("t{at}")),
        _ => None,
    };
    let indices = |side: &BTreeSet<usize>| side.iter().map(|at| *at as u32).collect::<Vec<_>>();

    let mut finding = match (name(gaining), gaining) {
        (Some(name), _) => finding.by(&name),
        (None, Some(several)) => finding.by_each(indices(several)),
        (None, None) => finding,
    };
    if let Some(several) = reached.as_ref().filter(|side| side.len() > 1) {
        let all = Finding::refuted(&api::CROSS_TENANT_BINDING, span, "").among(indices(several));
        finding.reached = all.reached;
    }
    match name(reached) {
        Some(name) => finding.reaching(&name),
        None => finding,
    }
}

/// The same, pair by pair.
fn by_hand(tenants: usize, sides: &[(Side, Side)]) -> Vec<Option<OpenedPairs>> {
    let has = |side: &Side, at: usize| side.as_ref().is_none_or(|side| side.contains(&at));
    let mut open: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for from in 0..tenants {
        for to in (0..tenants).filter(|to| *to != from) {
            let by = sides.iter().enumerate();
            let by = by.filter(|(_, (gaining, reached))| has(gaining, from) && has(reached, to));
            open.insert((from, to), by.map(|(at, _)| at).collect());
        }
    }

    (0..sides.len())
        .map(|at| {
            let pairs = open.values().filter(|by| by.contains(&at)).count() as u64;
            let alone = open.values().filter(|by| ***by == [at]).count() as u64;
            (pairs > 0).then_some(OpenedPairs { pairs, alone })
        })
        .collect()
}

fn side(dice: &mut Dice, tenants: usize) -> Side {
    let all: Vec<usize> = (0..tenants).collect();
    match *dice.of(&[0, 1, 2, 2, 3, 5, 6]) {
        0 => None,
        several => Some((0..several).map(|_| *dice.of(&all)).collect()),
    }
}

#[test]
fn pairs_are_counted_as_pair_by_pair() {
    let mut dice = Dice(11);
    let (mut some, mut alone) = (0, 0);
    for round in 0..600 {
        let number = *dice.of(&[1, 2, 3, 5, 7]);
        let findings = *dice.of(&[1, 1, 2, 3, 6]);
        let sides: Vec<(Side, Side)> = (0..findings)
            .map(|_| (side(&mut dice, number), side(&mut dice, number)))
            .collect();

        let mut all: Vec<Finding> = sides.iter().map(|(from, to)| finding(from, to)).collect();
        count(&tenants(number), &mut all);
        let counted: Vec<_> = all.iter().map(|finding| finding.opens).collect();
        assert_eq!(
            counted,
            by_hand(number, &sides),
            "round {round}: {number} {sides:?}"
        );
        some += counted.iter().flatten().count();
        alone += counted
            .iter()
            .flatten()
            .filter(|opens| opens.alone > 0)
            .count();
    }
    assert!(some > 900 && alone > 400 && alone < some, "{some} {alone}");
}

#[test]
fn a_finding_that_opens_everything_is_counted_without_its_pairs() {
    let all = tenants(10_000);
    let mut findings = vec![
        finding(&None, &None),
        finding(&Some([3].into()), &Some([7].into())),
        finding(&Some((0..5000).collect()), &Some([9].into())),
    ];
    let start = std::time::Instant::now();
    count(&all, &mut findings);
    assert!(start.elapsed().as_millis() < 2000, "{:?}", start.elapsed());

    let opens = |at: usize| findings[at].opens.expect("pairs");
    assert_eq!(opens(0).pairs, 10_000 * 9_999);
    assert_eq!(opens(0).alone, 10_000 * 9_999 - 1 - 4_999);
    assert_eq!(opens(1), OpenedPairs { pairs: 1, alone: 0 });
    assert_eq!(
        opens(2),
        OpenedPairs {
            pairs: 4_999,
            alone: 0
        }
    );
}

#[test]
fn only_ways_to_another_tenant_open_pairs() {
    let span = Span::file(SourceId(0));
    let of = |plane, finding: Finding| Finding { plane, ..finding };
    let mut findings = vec![
        of(
            Plane::Resources,
            Finding::refuted(&resources::NO_QUOTA, span, "").by("t0"),
        ),
        of(
            Plane::Api,
            Finding::unknown(&api::DANGLING_ROLE, span, "").by("t0"),
        ),
        of(
            Plane::Network,
            Finding::warning(&network::HALF_OPEN, span, "").reaching("t0"),
        ),
        of(
            Plane::Network,
            Finding::refuted(&network::CROSS_TENANT, span, "").reaching("t0"),
        ),
    ];
    count(&tenants(3), &mut findings);
    let opens: Vec<_> = findings.iter().map(|finding| finding.opens).collect();
    let way = OpenedPairs { pairs: 2, alone: 2 };
    assert_eq!(opens, [None, None, None, Some(way)]);

    // One tenant is no pair.
    count(&tenants(1), &mut findings);
    assert!(findings.iter().all(|finding| finding.opens.is_none()));
}

/// A subject that two tenants hold is two tenants that gain.
#[test]
fn each_holder_of_a_subject_gains() {
    let grant = "apiVersion: rbac.authorization.k8s.io/v1\n\
                 kind: ClusterRoleBinding\n\
                 metadata: {name: x}\n\
                 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}\n\
                 subjects: [{kind: Group, apiGroup: rbac.authorization.k8s.io, name: blue-admins}]\n";
    let (_, cluster) = cluster(&[base(), ("case.yaml".into(), grant.to_owned())]);
    let proof = tenantry::isolation::prove(&cluster);
    let found = proof.findings.iter();
    let found = found.filter(|finding| finding.diagnostic.rule == &api::CLUSTER_BINDING);
    let opens: Vec<_> = found.map(|finding| finding.opens).collect();
    assert_eq!(opens, [Some(OpenedPairs { pairs: 1, alone: 1 })]);
}

/// An identity that tenants share with the platform reaches every tenant.
#[test]
fn what_is_shared_opens_the_pairs_of_its_owners() {
    let account = |namespace: &str| {
        format!(
            "---\napiVersion: v1\nkind: ServiceAccount\n\
             metadata:\n  name: app\n  namespace: {namespace}\n  annotations:\n    \
             eks.amazonaws.com/role-arn: arn:aws:iam::1:role/x\n"
        )
    };
    let sandbox = two_tenants();
    sandbox.write("tenants/c.yaml", tenant("c", ""));
    for (namespaces, pairs) in [
        (&["a", "b"][..], 2),
        (&["a", "kube-system"], 2),
        (&["a", "b", "kube-system"], 4),
    ] {
        let accounts: String = namespaces.iter().map(|one| account(one)).collect();
        sandbox.write("also/x.yaml", accounts);
        let args = ["prove", "--also", "also", "--format", "json"];
        let report = json(&sandbox.run(&args).code(1).out);
        let found = report["findings"].as_array().expect("findings").iter();
        let mut found = found.filter(|one| one["rule"] == "data/shared-identity");
        let first = found.next().expect("a finding");
        assert_eq!(
            first["opensPairs"].as_u64(),
            Some(pairs),
            "{namespaces:?}: {first}"
        );
    }
}

/// One binding opens one pair, a later one two: equally grave, so that pairs decide.
#[test]
fn equally_grave_findings_are_sorted_by_the_pairs_that_they_open() {
    let sandbox = two_tenants();
    sandbox.write("tenants/c.yaml", tenant("c", ""));
    for (file, namespace) in [("also/1.yaml", "b"), ("also/2.yaml", "kube-system")] {
        let binding = fixture("prove/view-for-an-account.yaml");
        sandbox.write(
            file,
            binding.replace("namespace: b", &format!("namespace: {namespace}")),
        );
    }
    let args = ["prove", "--also", "also", "--format", "json"];
    let report = json(&sandbox.run(&args).code(1).out);
    let found = report["findings"].as_array().expect("findings").iter();
    let found = found.filter(|one| one["rule"] == "api/cross-tenant-binding");
    let sorted: Vec<_> = found
        .map(|one| {
            let severity = one["severity"].as_str();
            (
                severity,
                one["location"]["path"].as_str(),
                one["opensPairs"].as_u64(),
            )
        })
        .collect();
    let high = |path, pairs| (Some("high"), Some(path), Some(pairs));
    assert_eq!(sorted, [high("also/2.yaml", 2), high("also/1.yaml", 1)]);
}

#[test]
fn reports_say_how_many_pairs_a_finding_opens() {
    let sandbox = two_tenants();
    sandbox.write("also/x.yaml", fixture("prove/view-for-an-account.yaml"));
    let run = |format: &str| {
        let args = ["prove", "--also", "also", "--format", format];
        sandbox.run(&args).code(1).out
    };

    let phrase = "opens 1 pair of tenants, alone";
    for format in ["text", "markdown"] {
        let out = run(format);
        assert!(out.contains(phrase), "{format}: {out}");
    }
    let report = json(&run("json"));
    for list in [&report["findings"], &report["clusters"][0]["findings"]] {
        let found = list.as_array().expect("findings").iter();
        let mut found = found.filter(|one| one["rule"] == "api/cross-tenant-binding");
        let first = found.next().expect("a finding");
        assert_eq!(
            (first["opensPairs"].as_u64(), first["opensAlone"].as_u64()),
            (Some(1), Some(1)),
            "{first}"
        );
    }
}

#[test]
fn who_may_write_flux_objects_gains_by_an_open_controller() {
    let writer = |tenant: &str| {
        format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
             metadata: {{name: flux, namespace: {tenant}}}\n\
             roleRef: {{kind: ClusterRole, name: flux, apiGroup: rbac.authorization.k8s.io}}\n\
             subjects: [{{kind: ServiceAccount, name: ci, namespace: {tenant}}}]\n"
        )
    };
    let mut manifests = String::from(
        "apiVersion: apps/v1\nkind: Deployment\n\
         metadata: {name: kustomize-controller, namespace: flux-system}\n\
         spec: {template: {spec: {containers: [{name: manager, \
         image: ghcr.io/fluxcd/kustomize-controller:v1.6.0, args: [--no-remote-bases=true, \
         --no-cross-namespace-refs=true]}]}}}\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: flux}\n\
         rules: [{apiGroups: [kustomize.toolkit.fluxcd.io], resources: [kustomizations], \
         verbs: ['*']}]\n",
    );
    for name in ["red", "blue", "green"] {
        manifests += &format!("---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n");
    }

    // Each writer reaches the two others; if the inputs show none, everybody may be one.
    for (writers, pairs) in [(&["red"][..], 2), (&["red", "blue"], 4), (&[], 6)] {
        let bound: String = writers.iter().map(|tenant| writer(tenant)).collect();
        let sandbox = Sandbox::with(&[("m.yaml", &(manifests.clone() + &bound))]);
        let ran = sandbox.run(&["prove", "--also", "m.yaml", "--format", "json"]);
        let report = json(&ran.out);
        let all = report["findings"].as_array().expect("findings").iter();
        let opened: Vec<u64> = all
            .filter(|finding| finding["rule"] == "gitops/lockdown")
            .filter_map(|finding| finding["opensPairs"].as_u64())
            .collect();
        assert_eq!(opened, [pairs], "{writers:?}: {}", ran.out);
    }
}

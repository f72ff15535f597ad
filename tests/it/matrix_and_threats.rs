//! What a proof says tenant by tenant, and threat by threat.

use crate::isolation::{base, cluster, holes, without};
use crate::support::say;
use std::collections::{BTreeMap, BTreeSet};
use tenantry::catalog::RULES;
use tenantry::graph::{Cluster, Owner};
use tenantry::isolation::matrix::{Matrix, Relation, matrix};
use tenantry::isolation::network::reach::Reachability;
use tenantry::isolation::threats::{self, ThreatStanding};
use tenantry::isolation::{self, Verdict};

/// Every pair of tenants and how the first reaches the second, as the classes say.
fn pairs(matrix: &Matrix) -> BTreeMap<(String, String), BTreeSet<Relation>> {
    let mut all = BTreeMap::new();
    for (a, from) in matrix.classes.iter().enumerate() {
        for (b, to) in matrix.classes.iter().enumerate() {
            let how = matrix.cells.get(&(a, b)).into_iter().flatten();
            let how = how
                .chain(&matrix.everywhere)
                .chain(&from.reaches_all)
                .chain(&to.reached_by_all);
            let how: BTreeSet<Relation> = how.copied().collect();
            for x in &from.tenants {
                for y in to.tenants.iter().filter(|y| *y != x) {
                    all.insert((x.to_string(), y.to_string()), how.clone());
                }
            }
        }
    }

    all
}

/// The same for packets alone, asked namespace by namespace.
fn by_hand(cluster: &Cluster) -> BTreeSet<(String, String)> {
    let reach = Reachability::new(cluster);
    let mut open = BTreeSet::new();
    for (a, from) in cluster.namespaces.iter().enumerate() {
        for (b, to) in cluster.namespaces.iter().enumerate() {
            let (Owner::Tenant(x), Owner::Tenant(y)) = (from.owner, to.owner) else {
                continue;
            };
            if x != y && reach.between(a as u32, b as u32).is_ok_and(|w| w.is_some()) {
                let name = |at: u32| cluster.tenants[at as usize].name.to_string();
                open.insert((name(x), name(y)));
            }
        }
    }
    open
}

#[test]
fn the_matrix_matches_each_pair_of_tenants() {
    let (mut asked, mut linked) = (0, 0);
    let clean = cluster(&[base()]).1;
    assert!(
        matrix(&clean, &isolation::prove(&clean).findings)
            .cells
            .is_empty()
    );

    for hole in holes() {
        let added: String = hole.add.iter().map(|o| format!("---\n{o}\n")).collect();
        // Two more tenants that are alike in everything.
        let alike: String = ["red", "grey"].iter().fold(String::new(), |all, name| {
            let green: String = base()
                .1
                .split("---\n")
                .filter(|d| d.contains("namespace: green}") || d.contains("name: green\n"))
                .fold(String::new(), |all, d| {
                    all + "---\n" + &d.replace("green", name)
                });
            all + &green
        });

        let (_, cluster) = cluster(&[
            without(&hole.changes()),
            ("alike.yaml".into(), alike),
            ("hole.yaml".into(), added),
        ]);

        let proof = isolation::prove(&cluster);
        let matrix = matrix(&cluster, &proof.findings);
        let said = pairs(&matrix);
        let open = by_hand(&cluster);

        for (pair, how) in &said {
            let has_unevaluated_policy = how.contains(&Relation::Unknown);
            let network = how.contains(&Relation::Network) || how.contains(&Relation::Declared);
            assert!(
                has_unevaluated_policy || network == open.contains(pair),
                "{}: {pair:?} {how:?}",
                hole.name
            );
            asked += 1;
        }

        assert_eq!(
            said.len(),
            cluster.tenants.len() * (cluster.tenants.len() - 1),
            "{}",
            hole.name
        );

        linked += usize::from(said.values().any(|how| !how.is_empty()));
        if hole.finds == "api/cross-tenant-binding"
            && proof
                .findings
                .iter()
                .any(|f| f.verdict == Some(Verdict::Refuted))
        {
            assert!(
                said.values().any(|how| how.contains(&Relation::Api)),
                "{}",
                hole.name
            );
        }

        assert!(
            matrix.classes.len() < cluster.tenants.len(),
            "{}: nobody is alike",
            hole.name
        );
    }

    say(&format!(
        "matrix: {asked} pairs of tenants in {linked} fleets with a way"
    ));
    assert!(linked > 60, "{linked}");
}

#[test]
fn each_threat_is_answered_by_existing_rules() {
    let ids: BTreeSet<&str> = RULES.iter().map(|r| r.id).collect();
    for threat in &threats::THREATS {
        for rule in threat.rules {
            let known = ids.contains(rule)
                || rule.ends_with('/') && ids.iter().any(|id| id.starts_with(rule));
            assert!(known, "{}: {rule}", threat.text);
        }
    }

    let systems: BTreeSet<&str> = threats::THREATS.iter().map(|t| t.system).collect();
    assert_eq!(systems.len(), 5);
    let answers =
        |texts: &[(String, String)]| threats::answers(&isolation::prove(&cluster(texts).1));
    let standing = |s: ThreatStanding| match s {
        ThreatStanding::Partly => Verdict::Assumed,
        ThreatStanding::Is(verdict) => verdict,
    };

    // A clean fleet averts each, and says under which conditions.
    for answer in answers(&[base()]) {
        assert!(
            standing(answer.verdict) <= Verdict::Assumed,
            "{}",
            answer.threat.text
        );
        let names: BTreeSet<&str> = answer.assumptions.iter().map(|a| a.name).collect();
        assert_eq!(
            answer.verdict == ThreatStanding::Partly,
            names.len() > 1,
            "{}",
            answer.threat.text
        );
    }

    // A hole that refutes a plane makes at least one threat real.
    let mut real = 0;
    for hole in holes() {
        let added: String = hole.add.iter().map(|o| format!("---\n{o}\n")).collect();
        let texts = [without(&hole.changes()), ("hole.yaml".into(), added)];
        let proof = isolation::prove(&cluster(&texts).1);
        let found = proof
            .findings
            .iter()
            .any(|f| f.diagnostic.rule.id == hole.finds && f.verdict == Some(Verdict::Refuted));

        if found {
            let answers = threats::answers(&proof);
            let named = answers.iter().any(|a| {
                standing(a.verdict) == Verdict::Refuted
                    && a.evidence.contains_key(hole.finds.as_str())
            });
            assert!(
                named,
                "no threat names what {} finds: {}",
                hole.name, hole.finds
            );
            real += 1;
        }
    }

    say(&format!(
        "threats: {} of five systems; each of {real} holes makes one of them real",
        threats::THREATS.len()
    ));

    assert!(real > 80);
}

//! Tests of the table of kinds.

use super::*;
use crate::kube::resources;
use crate::kube::validation::{NEWEST_MINOR, OLDEST_MINOR};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// A kind that API servers serve.
struct Served {
    group: &'static str,
    kind: &'static str,
    plural: String,
    scope: Scope,
    /// The versions that a server of the newest minor has.
    versions: BTreeSet<&'static str>,
    /// The versions that the server of a minor prefers.
    preferred: BTreeSet<&'static str>,
}

/// The kinds of Kubernetes in the minors of the table of fields, and those of Flux.
fn served() -> Vec<Served> {
    let mut all = of_kubernetes();
    let lines = include_str!("flux_served.txt").lines();
    all.extend(lines.filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        Served {
            group: fields[0],
            kind: fields[1],
            plural: fields[2].to_owned(),
            scope: match fields[3] {
                "Namespaced" => Scope::Namespaced,
                _ => Scope::Cluster,
            },
            versions: fields[4].split(',').collect(),
            preferred: fields[4].split(',').take(1).collect(),
        }
    }));
    all
}

/// The minors that serve a version of a kind.
type Serving = Vec<(&'static str, RangeInclusive<u32>)>;

/// The kinds of the table of fields, and its requests, that are resources of their own.
fn of_kubernetes() -> Vec<Served> {
    let lines = include_str!("../validation/schema.txt").lines();
    let mut kinds: BTreeMap<(&str, &str), Serving> = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let ["kind" | "request", version, kind, ..] = words[..] else {
            continue;
        };
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let marked = words.get(3).and_then(|word| word.split_once('@'));
        let (first, last) = marked.map_or(("", ""), |(_, mark)| {
            mark.split_once('-').expect("a range of minors")
        });
        let minors = first.parse().unwrap_or(OLDEST_MINOR)..=last.parse().unwrap_or(NEWEST_MINOR);
        kinds
            .entry((group, kind))
            .or_default()
            .push((version, minors));
    }

    let served = |((group, kind), serving): (_, Serving)| {
        let plural = plural(group, kind);
        let resource = resources::find(group, &plural)?;
        let of_minor = |minor: u32| {
            let those = serving
                .iter()
                .filter(move |(_, minors)| minors.contains(&minor));
            those.map(|(version, _)| *version)
        };
        let preferred = |minor: u32| of_minor(minor).max_by_key(|version| rank(version));
        Some(Served {
            group,
            kind,
            plural,
            scope: resource.scope,
            versions: of_minor(NEWEST_MINOR).collect(),
            preferred: (OLDEST_MINOR..=NEWEST_MINOR)
                .filter_map(preferred)
                .collect(),
        })
    };
    kinds.into_iter().filter_map(served).collect()
}

/// The rank of a version among those of a kind: a stable one is before a beta and an alpha one.
fn rank(version: &str) -> (usize, &str) {
    let stage = ["alpha", "beta"]
        .iter()
        .position(|stage| version.contains(stage));
    (stage.unwrap_or(2), version)
}

#[test]
fn no_group_and_no_kind_has_two_rows() {
    let mut seen = BTreeSet::new();
    for group in groups() {
        assert!(seen.insert((group.name, "")), "group {}", group.name);
    }
    for (group, kind) in all() {
        assert!(
            seen.insert((group.name, kind.name)),
            "{}.{}",
            kind.name,
            group.name
        );
    }
}

#[test]
fn rows_are_as_real_servers_serve_them() {
    let served = served();
    let of_kubernetes: BTreeSet<&str> = served.iter().map(|s| s.group).collect();

    for (group, kind) in all().filter(|(group, _)| of_kubernetes.contains(group.name)) {
        let name = format!("{}.{}", kind.name, group.name);
        let real = served
            .iter()
            .find(|s| s.group == group.name && s.kind == kind.name)
            .unwrap_or_else(|| panic!("no API server serves {name}"));

        assert_eq!(kind.plural, real.plural, "{name}");
        assert_eq!(kind.scope, real.scope, "{name}");
        assert!(real.preferred.contains(kind.version), "{name}");
        let only = group.one_version || kind.one_version;
        assert!(!only || real.versions.len() <= 1, "{name}");
    }
}

#[test]
fn a_complete_group_has_every_kind() {
    for real in served() {
        let Some(group) = find_group(real.group).filter(|group| group.complete) else {
            continue;
        };
        assert!(
            group.kind(real.kind).is_some(),
            "{}.{} has no row",
            real.kind,
            real.group
        );
    }
}

/// An object of a kind without a row is taken for one in a namespace.
#[test]
fn every_kind_of_the_cluster_has_a_row() {
    let served = served();
    let missing: Vec<&str> = served
        .iter()
        .filter(|real| real.scope == Scope::Cluster && !real.kind.ends_with("Review"))
        .filter(|real| find(real.group, real.kind).is_none())
        .map(|real| real.kind)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn an_unknown_kind_is_refused_in_these_groups() {
    let complete: Vec<&str> = groups()
        .filter(|group| group.complete)
        .map(|group| group.name)
        .collect();
    assert_eq!(
        complete,
        [
            "",
            "rbac.authorization.k8s.io",
            "networking.k8s.io",
            "apps",
            "batch",
            "autoscaling",
            "policy",
            "coordination.k8s.io",
            "discovery.k8s.io"
        ]
    );
}

#[test]
fn policies_of_every_network_plugin_are_always_listed() {
    let narrows = |name: &str| governs_network(name) || name == "AuthorizationPolicy";
    for (group, kind) in all().filter(|(_, kind)| narrows(kind.name)) {
        let listed = group.all_listed.unwrap_or(kind.listed);
        assert_eq!(listed, Listed::Always, "{}.{}", kind.name, group.name);
    }
}

/// Source: the custom resource definitions of each project.
#[test]
fn policies_of_network_plugins_are_asked_for_in_a_version_that_is_served() {
    for (group, kind, version) in [
        ("cilium.io", "CiliumNetworkPolicy", "v2"),
        ("crd.antrea.io", "NetworkPolicy", "v1beta1"),
        ("crd.antrea.io", "ClusterNetworkPolicy", "v1beta1"),
    ] {
        let row = find(group, kind).expect("a row");
        assert_eq!(row.version, version, "{kind}.{group}");
    }
}

#[test]
fn nothing_may_be_added_to_an_admission_policy() {
    let policies = all().filter(|(_, kind)| kind.name.contains("AdmissionPolicy"));
    for (_, kind) in policies {
        assert_eq!(kind.exact, ["spec"], "{}", kind.name);
    }
}

#[test]
fn plurals_are_regular_but_for_two() {
    let irregular: Vec<&str> = all()
        .filter(|(_, kind)| regular_plural(kind.name) != kind.plural)
        .map(|(_, kind)| kind.name)
        .collect();

    assert_eq!(irregular, ["Endpoints", "NetworkAttachmentDefinition"]);
}

#[test]
fn the_floor_is_listed_on_every_server() {
    for (group, kind) in all().filter(|(_, kind)| kind.floor) {
        let listed = group.all_listed.unwrap_or(kind.listed);
        assert_eq!(listed, Listed::Always, "{}", kind.name);
    }
}

#[test]
fn a_live_cluster_is_asked_for_what_the_proof_reads_of_kubernetes() {
    let of_kubernetes = all().filter(|(group, _)| group.complete);
    let unasked: Vec<&str> = of_kubernetes
        .filter(|(group, kind)| {
            let listed = group.all_listed.unwrap_or(kind.listed);
            kind.proof == Proof::Read && listed == Listed::IfRendered
        })
        .map(|(_, kind)| kind.name)
        .collect();
    // A cluster has these for each Service.
    assert_eq!(unasked, ["Endpoints", "EndpointSlice"]);
}

#[test]
fn nothing_may_be_added_to_what_flux_applies_from() {
    let applies = ["source", "kustomize", "helm"].map(|name| format!("{name}.{FLUX}"));
    let rows = all().filter(|(group, _)| applies.iter().any(|name| name == group.name));
    for (group, kind) in rows {
        assert_eq!(kind.exact, ["spec"], "{}.{}", kind.name, group.name);
    }
}

#[test]
fn what_is_asked_of_a_kind_agrees_with_its_row() {
    for (group, kind) in all() {
        let name = format!("{}.{}", kind.name, group.name);
        let id = ObjectId {
            group: group.name.into(),
            kind: kind.name.into(),
            namespace: "n".into(),
            name: "x".into(),
        };
        let is_policy = kind.plural.contains("networkpolic");
        let grants = group.name == RBAC;

        assert_eq!(is_floor(&id), kind.floor || is_policy, "{name}");
        assert!(!is_policy || governs_network(kind.name), "{name}");
        assert!(!kind.floor || closes(&id) != grants, "{name}");
        assert!(!is_policy || closes(&id), "{name}");
    }
}

#[test]
fn each_position_in_the_order_of_applying_has_one_name() {
    let positions: BTreeSet<(usize, &str)> = all()
        .filter_map(|(_, kind)| Some((kind.apply_order?, kind.name)))
        .collect();

    let taken: Vec<usize> = positions.iter().map(|(position, _)| *position).collect();
    assert_eq!(taken, (0..positions.len()).collect::<Vec<_>>());
}

#[test]
fn only_the_whole_version_is_served() {
    for (api_version, kind, served) in [
        ("networking.k8s.io/v1", "NetworkPolicy", true),
        ("networking.k8s.io/v2", "NetworkPolicy", false),
        ("networking.k8s.io/x/v1", "NetworkPolicy", false),
        ("v1", "ServiceAccount", true),
        ("/v1", "ServiceAccount", false),
        ("example.org/v7", "Anything", true),
    ] {
        let id = ObjectId {
            group: api_version
                .split_once('/')
                .map_or("", |(group, _)| group)
                .into(),
            kind: kind.into(),
            namespace: "n".into(),
            name: "x".into(),
        };
        assert_eq!(may_be_served(&id, api_version), served, "{api_version}");
    }
}

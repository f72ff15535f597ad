//! A graph that lacks objects proves nothing: each verdict is `unknown`, or the code does not
//! compile (see `graph::ClusterObjects`).

use crate::support::{FLEET, NOW, Sandbox, tenant};
use serde_json::Value;
use tenantry::compile::{self, InputFiles};
use tenantry::graph::{self, Cluster, ClusterObjects, ExtraFacts};
use tenantry::isolation::{self, Verdict};
use tenantry::source::{Source, SourceMap};
use tenantry::spec::SpecFile;
use tenantry::spec::leaf::Day;
use tenantry::tenancy::Context;

/// The verdict of each plane of the first cluster.
fn verdicts(sandbox: &Sandbox, arguments: &[&str]) -> Vec<String> {
    let arguments = [&["prove", "--format", "json"], arguments].concat();
    let report: Value = serde_json::from_str(&sandbox.run(&arguments).out).expect("JSON");
    let planes = report["clusters"][0]["planes"].as_array().expect("planes");

    planes
        .iter()
        .map(|plane| plane["verdict"].as_str().expect("a verdict").to_owned())
        .collect()
}

/// A cluster with two tenants, of which the API server listed these manifests alone.
fn live(manifests: &str) -> Cluster {
    let mut sources = SourceMap::default();
    let mut files = InputFiles {
        fleet_path: "tenants/fleet.yaml".into(),
        ..InputFiles::default()
    };

    let specs = [
        ("tenants/fleet.yaml", FLEET.to_owned()),
        ("tenants/a.yaml", tenant("a", "")),
        ("tenants/b.yaml", tenant("b", "")),
    ];

    for (path, text) in specs {
        files.inputs.push(SpecFile {
            source: sources.add(Source::new(path, text)),
            origin: None,
        });
    }

    let context = Context {
        now: Day::parse(NOW),
        version: "0.1.0".into(),
        ..Context::default()
    };

    let front = compile::resolve(&mut sources, &mut files, &context);

    let listed = sources.add(Source::new("live.yaml", manifests));
    let beside = ExtraFacts {
        facts: graph::read(&sources, &[listed], false).facts,
        closed_world: true,
        ..ExtraFacts::default()
    };

    graph::cluster(
        front.fleet().expect("a fleet"),
        &front.tenancy,
        ClusterObjects::Live(0),
        beside,
        None,
        &|_| false,
    )
}

#[test]
fn a_live_cluster_without_a_tenants_namespace_is_unknown() {
    let both = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n\
                apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n";
    assert!(live(both).unread_inputs.is_empty());

    let proof = isolation::prove(&live(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
    ));
    assert_eq!(proof.unread_inputs.len(), 1);
    assert_eq!(
        proof.unread_inputs[0].message,
        "the objects of tenant `b` on `prod` are incomplete: namespace b is missing"
    );
    for plane in &proof.planes {
        assert!(plane.verdict >= Verdict::Unknown, "{:?}", plane.plane);
    }
}

#[test]
fn a_cluster_without_objects_is_unknown() {
    let proof = isolation::prove(&live(""));
    assert_eq!(proof.unread_inputs.len(), 2);
    for plane in &proof.planes {
        assert_eq!(plane.verdict, Verdict::Unknown, "{:?}", plane.plane);
    }
}

#[test]
fn a_tenant_with_an_error_is_unknown() {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/a.yaml", &tenant("a", "")),
        ("tenants/b.yaml", &tenant("b", "  profile: none\n")),
    ]);
    sandbox.run(&["prove"]).code(1);
    assert_eq!(verdicts(&sandbox, &[]), ["unknown"; 6]);
}

#[test]
fn the_tenants_of_a_source_that_is_not_given_are_unknown() {
    let other = Sandbox::with(&[("search.yaml", &tenant("search", ""))]);
    let sandbox = Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}  sources: [{{name: search-team, tenants: [search]}}]\n"),
        ),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);

    let ran = sandbox.run(&["prove"]).code(1);
    assert!(
        ran.out.contains("error[tenancy/source-not-given]"),
        "{ran:?}"
    );

    assert_eq!(verdicts(&sandbox, &[]), ["unknown"; 6]);

    let given = format!("search-team={}", other.path().display());
    sandbox.run(&["prove", "--source", &given]).code(0);
    assert_eq!(verdicts(&sandbox, &["--source", &given]), ["assumed"; 6]);
}

#[test]
fn a_cluster_without_tenants_has_nothing_to_prove() {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    let ran = sandbox.run(&["prove"]).code(0);
    assert!(
        ran.out
            .contains("no tenant is on this cluster yet: there is nothing to prove"),
        "{ran:?}"
    );
}

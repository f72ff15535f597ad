//! Any text as the file of a tenant: the run ends, and the tenant beside it is rendered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantry::bundle::{ObjectText, TenantManifests};
use tenantry::compile::{InputFiles, RenderOptions, emit, resolve};
use tenantry::source::{Source, SourceMap};
use tenantry::spec::SpecFile;
use tenantry::tenancy::Context;
use tenantry::tree::{IgnoreFiles, Layout};

const FLEET: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\n\
                     spec: {clusters: [{name: prod}]}\n";
const GOOD: &str = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: good}\n\
                    spec: {owners: [{group: good-admins}], namespaces: [{name: good}]}\n";

fuzz_target!(|text: &str| {
    let mut sources = SourceMap::default();
    let mut inputs = Vec::new();
    for (path, text) in [
        ("tenants/fleet.yaml", FLEET),
        ("tenants/good.yaml", GOOD),
        ("tenants/fuzz.yaml", text),
    ] {
        let source = sources.add(Source::new(path, text));
        inputs.push(SpecFile { source, origin: None });
    }
    let mut files = InputFiles {
        fleet_path: "tenants/fleet.yaml".into(),
        inputs,
        ..InputFiles::default()
    };

    let mut resolved = resolve(&mut sources, &mut files, &Context::default());
    let options = RenderOptions {
        layout: Layout {
            tree: "rendered".into(),
            repository_path: ".".into(),
        },
        tenants: Vec::new(),
        clusters: Vec::new(),
        removable: Vec::new(),
        ignored: IgnoreFiles::default(),
        version: "0.0.0".into(),
    };
    let compiled = emit::<ObjectText>(&mut resolved, &sources, &TenantManifests::default(), &options);

    let is_rendered = compiled.tree.files.keys().any(|path| path.contains("good"));
    assert!(is_rendered, "{:?}", compiled.findings);
});

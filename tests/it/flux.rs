//! `compat.fluxCreateTenant` against what flux 2.9.5 printed (fixtures/flux-create-tenant, the command in line one).

use crate::support::{FLEET, compile, root};
use serde_json::Value;
use std::collections::BTreeMap;
use tenantry::document::parse_foreign;
use tenantry::source::{Source, SourceId};

fn objects(text: &str) -> BTreeMap<String, Value> {
    let (documents, faults) = parse_foreign(SourceId(0), &Source::new("t", text));
    assert!(faults.is_empty(), "{faults:?}");
    let values = documents.iter().map(|d| d.root.to_json()).filter(|v| !v.is_null());
    values.map(|v| (format!("{} {} {}", v["kind"], v["metadata"]["namespace"], v["metadata"]["name"]), v)).collect()
}

/// The tenant that a command line stands for.
fn spec_of(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let name = words[4];
    let values = |flag: &str| words.iter().filter_map(|w| w.strip_prefix(flag)?.strip_prefix('=')).collect::<Vec<_>>();
    let namespaces: Vec<String> = values("--with-namespace").iter().map(|n| format!("{{name: {n}}}")).collect();
    let labels: Vec<String> =
        values("--label").iter().flat_map(|l| l.split(',')).map(|pair| pair.replacen('=', ": ", 1)).collect();
    let role = values("--cluster-role").first().map_or(String::new(), |r| format!(", clusterRole: {r}"));
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}, labels: {{{}}}}}\nspec:\n  owners: [{{group: {name}-admins}}]\n  namespaces: [{}]\n  compat: {{fluxCreateTenant: true{role}}}\n---\n",
        labels.join(", "),
        namespaces.join(", ")
    )
}

#[test]
fn what_flux_create_tenant_prints_is_rendered_object_for_object() {
    let mut count = 0;
    for entry in std::fs::read_dir(root().join("fixtures/flux-create-tenant")).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let recorded = std::fs::read_to_string(&path).expect("a text");
        let command = recorded.lines().next().expect("a line");
        let name = command.split_whitespace().nth(4).expect("a name");
        let waiver = format!(
            "apiVersion: tenantry.dev/v1alpha1\nkind: Waiver\nmetadata: {{name: w}}\nspec: {{rule: bundle/flux-create-tenant, tenant: {name}, reason: x, approvedBy: x, approvedAt: \"2026-11-01\", expires: \"2026-12-31\"}}\n"
        );
        let fleet = FLEET.replace("spec:\n", "spec:\n  tenantMetadata: {labels: [team, env]}\n");
        let tenant = spec_of(command);
        let (_, compiled) = compile(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/t.yaml", &tenant),
            ("tenants/waivers/w.yaml", &waiver),
        ]);
        let rendered: String =
            compiled.tree.files.values().filter(|d| d.entry.tenant.is_some()).map(|d| d.text.clone()).collect();
        assert_eq!(objects(&rendered), objects(&recorded), "{}: {:?}", path.display(), compiled.findings);
        count += objects(&recorded).len();
    }
    assert!(count >= 15, "{count}");
}

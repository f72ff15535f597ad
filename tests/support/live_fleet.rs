//! The fleet that tests of a live cluster share, and how they read the reports of `verify`.

use super::flux_loop::FluxLoop;
use super::{Ran, Sandbox};
use serde_json::Value;

/// A fleet of the cluster that the tests start.
pub const FLEET: &str = "
apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec:
  clusters: [{name: live, kubernetes: \"1.36\", podCIDRs: [10.0.0.0/16]}]
  delivery: {entry: \"clusters/{{ cluster }}/tenantry.yaml\"}
";

/// A CRD by which a plugin that enforces is told.
pub const PLUGIN: &str = r#"{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "globalnetworkpolicies.crd.projectcalico.org"},
  "spec": {"group": "crd.projectcalico.org", "scope": "Cluster",
    "names": {"plural": "globalnetworkpolicies", "kind": "GlobalNetworkPolicy"},
    "versions": [{"name": "v1", "served": true, "storage": true,
      "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}}"#;

/// A tenant of one namespace.
pub fn tenant(name: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {{name: {name}}}\n\
         spec: {{owners: [{{group: {name}-admins}}], namespaces: [{{name: {name}}}]}}\n"
    )
}

/// The fleet that the tests share, committed and applied.
pub fn fleet(flux: &FluxLoop) -> Sandbox {
    let repo = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/blue.yaml", &tenant("blue")),
        ("tenants/green.yaml", &tenant("green")),
    ]);
    repo.git(&["init", "-q", "-b", "main"]);
    assert_eq!(repo.run(&["render"]).code, 0);
    repo.git(&["add", "-A"]);
    assert_eq!(repo.git(&["commit", "-q", "-m", "one"]).code, 0);
    let applied = flux.plane.apply(PLUGIN);
    assert_eq!(applied.code, 0, "{}", applied.err);
    flux.serve(&repo);
    let waited = flux.verify(&repo, "admin", &["verify", "--wait", "--timeout", "90"]);
    assert_eq!(waited.code, 0, "{}", waited.all());
    repo
}

/// The JSON report of `verify`.
pub fn report(flux: &FluxLoop, repo: &Sandbox) -> Value {
    let ran = flux.verify(repo, "admin", &["verify", "--format", "json"]);
    serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {}", ran.all()))
}

/// The findings of a rule: the object and the message of each.
pub fn found(report: &Value, rule: &str) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let all = report["clusters"][0]["findings"]
        .as_array()
        .expect("findings")
        .iter();
    all.filter(|f| f["rule"] == rule)
        .map(|f| (text(&f["object"]), text(&f["message"])))
        .collect()
}

/// The phase of a tenant in a report.
pub fn phase(report: &Value, tenant: &str) -> String {
    let tenants = report["clusters"][0]["tenants"]
        .as_array()
        .expect("tenants");
    let row = tenants
        .iter()
        .find(|t| t["name"] == tenant)
        .expect("the tenant");
    row["phase"].as_str().expect("a phase").to_owned()
}

/// Fails unless a program ended with exit code 0.
pub fn ok(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.all());
}

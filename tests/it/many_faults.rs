//! Faults that different stages find in one tenant: one run reports them all, however they are combined.

use crate::support::{FLEET, Sandbox, json, tenant};

/// A fault, and its rule.
struct Fault {
    rule: &'static str,
    /// A line of the spec, or an item of a list of the spec.
    place: Place,
}

/// Where a fault stands.
enum Place {
    Field(&'static str),
    Egress(&'static str),
    Manifest(&'static str),
}

use Place::{Egress, Field, Manifest};

const FAULTS: [Fault; 13] = [
    // The schema.
    Fault {
        rule: "spec/unknown-field",
        place: Field("colour: red"),
    },
    Fault {
        rule: "spec/invalid-value",
        place: Field("uuid: x"),
    },
    Fault {
        rule: "spec/wrong-type",
        place: Field("description: [a]"),
    },
    Fault {
        rule: "spec/control-character",
        place: Field("displayName: \"a\\u0007\""),
    },
    // The tenant alone, merged with its profile.
    Fault {
        rule: "tenancy/unknown-role",
        place: Field("members: [{user: eve, role: nosuchrole}]"),
    },
    Fault {
        rule: "tenancy/ceiling",
        place: Field("quota: {pods: \"9\"}"),
    },
    // What a waiver permits.
    Fault {
        rule: "network/egress-any",
        place: Egress("cidr: 0.0.0.0/0"),
    },
    // Other tenants.
    Fault {
        rule: "network/unknown-peer",
        place: Egress("tenant: ghost"),
    },
    Fault {
        rule: "network/one-sided-edge",
        place: Egress("tenant: b"),
    },
    Fault {
        rule: "tenancy/claimed-twice",
        place: Field("allow: {ingressHosts: [x.example.com]}"),
    },
    // The objects.
    Fault {
        rule: "bundle/manifest",
        place: Manifest("missing.yaml"),
    },
    Fault {
        rule: "bundle/manifest-refused",
        place: Manifest("refused.yaml"),
    },
    Fault {
        rule: "bundle/manifest-not-allowed",
        place: Manifest("elsewhere.yaml"),
    },
];

/// A tenant with some faults.
fn with(faults: &[&Fault]) -> String {
    let (mut fields, mut egress, mut manifests) = (String::new(), Vec::new(), Vec::new());
    for fault in faults {
        match fault.place {
            Field(text) => fields.push_str(&format!("  {text}\n")),
            Egress(text) => egress.push(format!("{{{text}}}")),
            Manifest(text) => manifests.push(format!("../m/{text}")),
        }
    }
    if !egress.is_empty() {
        fields.push_str(&format!("  network: {{egress: [{}]}}\n", egress.join(", ")));
    }
    if !manifests.is_empty() {
        fields.push_str(&format!("  manifests: [{}]\n", manifests.join(", ")));
    }
    tenant("a", &format!("  profile: strict\n{fields}"))
}

#[test]
fn one_run_reports_the_faults_of_every_stage() {
    let deployment = |namespace: &str, replicas: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, namespace: {namespace}}}\n\
             spec: {{replicas: {replicas}, selector: {{matchLabels: {{a: b}}}}, template: \
             {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: c, image: c}}]}}}}}}\n"
        )
    };
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        (
            "tenants/b.yaml",
            &tenant("b", "  allow: {ingressHosts: [x.example.com]}\n"),
        ),
        (
            "tenants/profiles/strict.yaml",
            "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: strict}\n\
             spec: {extends: restricted, ceiling: {quota: {pods: \"5\"}}}\n",
        ),
        ("m/refused.yaml", &deployment("a", "three")),
        ("m/elsewhere.yaml", &deployment("b", "3")),
    ]);

    let mut combinations: Vec<Vec<&Fault>> = vec![FAULTS.iter().collect()];
    for (at, one) in FAULTS.iter().enumerate() {
        combinations.push(vec![one]);
        combinations.extend(FAULTS[at + 1..].iter().map(|other| vec![one, other]));
    }
    for faults in &combinations {
        sandbox.write("tenants/a.yaml", with(faults));
        let ran = sandbox.run(&["check", "--format", "json"]).code(1);
        let report = json(&ran.out);
        let findings = report["findings"].as_array().expect("findings");
        let is_of_a = |finding: &&serde_json::Value| {
            let path = finding["location"]["path"].as_str().expect("a path");
            finding["level"] == "error" && (path == "tenants/a.yaml" || path.starts_with("m/"))
        };
        let mut found: Vec<&str> = findings
            .iter()
            .filter(is_of_a)
            .filter_map(|finding| finding["rule"].as_str())
            .collect();
        let mut wanted: Vec<&str> = faults.iter().map(|fault| fault.rule).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}: {}", with(faults), ran.out);
    }
}

//! What one tenant writes is bounded: what is reported of it, what it renders, and how long its chain of
//! profiles is.

use crate::support::{FLEET, Sandbox, tenant};

/// The files of an input, by path.
type Files = Vec<(String, String)>;

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..count).map(item).collect();
    items.join(", ")
}

/// A tenant of 256 namespaces.
fn wide(more: &str) -> Files {
    let namespaces = list(256, |at| format!("{{name: evil{at}}}"));
    let own = tenant("evil", more).replace("[{name: evil}]", &format!("[{namespaces}]"));
    vec![("tenants/evil.yaml".to_owned(), own)]
}

#[test]
fn a_tenant_that_would_render_too_much_is_held() {
    let member = |at| format!("{{user: u{at}, role: viewer, binding: b{at}}}");
    let more = format!("  members: [{}]\n", list(100, member));
    let ports = list(2500, |at| format!("{{port: {}}}", at + 1));
    let network = format!("  network: {{egress: [{{cidr: 192.0.2.0/24, ports: [{ports}]}}]}}\n");

    let long_name = "x".repeat(16_000);
    let long = |at| format!("{{user: {long_name}{at}, role: viewer}}");
    let long_names = format!("  members: [{}]\n", list(40, long));

    for (more, is_held) in [
        (&more, false),
        (&(more.clone() + &network), true),
        (&long_names, true),
    ] {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/good.yaml", &tenant("good", "")),
        ]);
        for (path, text) in wide(more) {
            sandbox.write(&path, text);
        }
        let ran = sandbox.run(&["check"]);
        let is_reported = ran.out.contains("tenancy/renders-too-much");
        assert_eq!(
            (ran.code, is_reported),
            (i32::from(is_held), is_held),
            "{}",
            ran.out
        );
    }
}

#[test]
fn findings_of_a_rule_in_a_file_are_listed_up_to_a_hundred() {
    let fields: String = (0..150).map(|at| format!("  field{at}: 1\n")).collect();
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/evil.yaml", &tenant("evil", &fields)),
    ]);
    let ran = sandbox.run(&["check", "--format", "github"]).code(1);
    assert_eq!(ran.out.matches("::error").count(), 101, "{}", ran.out);
    assert!(
        ran.out.contains("50 more findings of spec/unknown-field"),
        "{}",
        ran.out
    );
}

#[test]
fn a_profile_at_the_end_of_a_long_chain_is_refused() {
    let chain = |count: usize| {
        let profile = |at: usize| {
            let parent = at.checked_sub(1);
            let parent = parent.map_or_else(|| "restricted".to_owned(), |at| format!("p{at}"));
            format!(
                "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {{name: p{at}}}\n\
                 spec: {{extends: {parent}}}\n"
            )
        };
        let profiles: Vec<String> = (0..count).map(profile).collect();
        let own = format!("  profile: p{}\n", count - 1);
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/profiles/p.yaml", &profiles.join("---\n")),
            ("tenants/a.yaml", &tenant("a", &own)),
        ]);
        sandbox.run(&["check"])
    };
    chain(60).code(0);
    let ran = chain(70).code(1);
    assert!(ran.out.contains("tenancy/unknown-profile"), "{}", ran.out);
}

//! What a tenant cannot choose without a waiver or against its profile, however its spec says it.

use crate::support::{self, FLEET, Sandbox, tenant};

/// A fleet with a cluster for development and one for production.
const TWO_CLUSTERS: &str = "apiVersion: tenantry.dev/v1alpha1\n\
    kind: Fleet\n\
    metadata: {name: acme}\n\
    spec:\n\
    \x20 clusters:\n\
    \x20   - {name: dev, labels: {stage: dev}}\n\
    \x20   - {name: prod, labels: {stage: prod}}\n";

/// A profile that keeps its tenants on the cluster `dev`.
fn dev_only(defaults: &str) -> String {
    format!(
        "apiVersion: tenantry.dev/v1alpha1\n\
         kind: Profile\n\
         metadata: {{name: dev-only}}\n\
         spec:\n\
         \x20 extends: restricted\n\
         \x20 ceiling: {{clusters: [dev]}}\n\
         {defaults}"
    )
}

/// Checks a tenant under the profile `dev-only`, and returns all output.
fn placed(fleet: &str, settings: &str, defaults: &str) -> (i32, String) {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", fleet),
        ("tenants/profiles/dev-only.yaml", &dev_only(defaults)),
        (
            "tenants/a.yaml",
            &tenant("a", &format!("  profile: dev-only\n{settings}")),
        ),
    ]);
    let ran = sandbox.run(&["check"]);
    (ran.code, ran.all())
}

#[test]
fn a_ceiling_of_clusters_binds_every_way_to_choose_them() {
    let only_prod = TWO_CLUSTERS.replace("\x20   - {name: dev, labels: {stage: dev}}\n", "");
    let selector = |stage: &str| format!("clusterSelector: {{matchLabels: {{stage: {stage}}}}}");

    let refused = [
        (
            TWO_CLUSTERS,
            "  clusters: [prod]\n".to_owned(),
            String::new(),
        ),
        (
            TWO_CLUSTERS,
            "  clusters: [dev, prod]\n".to_owned(),
            String::new(),
        ),
        (
            TWO_CLUSTERS,
            format!("  {}\n", selector("prod")),
            String::new(),
        ),
        (
            TWO_CLUSTERS,
            "  clusterSelector: {matchLabels: {}}\n".to_owned(),
            String::new(),
        ),
        (
            TWO_CLUSTERS,
            String::new(),
            format!("  defaults: {{{}}}\n", selector("prod")),
        ),
        (&only_prod, String::new(), String::new()),
    ];
    for (fleet, settings, defaults) in refused {
        let (code, output) = placed(fleet, &settings, &defaults);
        assert_eq!(code, 1, "{settings}{defaults}: {output}");
        let says = output.contains("error[tenancy/ceiling]: the cluster prod is not among");
        assert!(says, "{settings}{defaults}: {output}");
    }

    for settings in [
        "  clusters: [dev]\n".to_owned(),
        format!("  {}\n", selector("dev")),
    ] {
        let (code, output) = placed(TWO_CLUSTERS, &settings, "");
        assert_eq!(code, 0, "{settings}: {output}");
    }
}

/// A fleet with a role whose one rule is given.
fn fleet_with_role(rule: &str) -> String {
    format!("{FLEET}  roles: [{{name: own, rules: [{rule}]}}]\n")
}

#[test]
fn a_role_that_changes_the_floor_takes_a_waiver() {
    let roles = [
        ("clusterRole: admin", "admin", FLEET.to_owned()),
        ("clusterRole: edit", "edit", FLEET.to_owned()),
        (
            "clusterRole: cluster-admin",
            "cluster-admin",
            FLEET.to_owned(),
        ),
    ]
    .into_iter()
    .chain(
        [
            ("networking.k8s.io", "networkpolicies", "create"),
            ("cilium.io", "ciliumnetworkpolicies", "patch"),
            ("''", "resourcequotas", "delete"),
            ("''", "limitranges", "update"),
            ("''", "namespaces", "patch"),
            ("rbac.authorization.k8s.io", "rolebindings", "create"),
        ]
        .map(|(group, resource, verb)| {
            let rule =
                format!("{{apiGroups: [{group}], resources: [{resource}], verbs: [get, {verb}]}}");
            ("role: own", "own", fleet_with_role(&rule))
        }),
    );

    for (role, binding, fleet) in roles {
        let rule = match binding {
            "cluster-admin" => "api/cluster-admin",
            _ => "api/floor-writing-role",
        };
        let owner = tenant("a", "").replace("a-admins}", &format!("a-admins, {role}}}"));
        let member = tenant("a", &format!("  members: [{{group: some, {role}}}]\n"));

        for spec in [owner, member] {
            let sandbox =
                Sandbox::with(&[("tenants/fleet.yaml", &fleet), ("tenants/a.yaml", &spec)]);

            let ran = sandbox.run(&["check"]).code(1);
            let object = format!("write a Waiver of `{rule}` for RoleBinding/a/{binding}");
            assert!(ran.all().contains(&object), "{role}: {}", ran.all());

            let permit = support::waiver("a", rule, "2026-12-30");
            sandbox.write("tenants/waivers/a.yaml", permit);
            let ran = sandbox.run(&["check"]).code(0);
            assert!(ran.all().contains("1 waiver in use"), "{}", ran.all());
        }
    }
}

#[test]
fn a_role_that_leaves_the_floor_alone_takes_no_waiver() {
    let rules = [
        "{apiGroups: [networking.k8s.io], resources: [networkpolicies], verbs: [get, list, watch]}",
        "{apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [create, delete]}",
        "{apiGroups: [apps], resources: [networkpolicies], verbs: [create]}",
        "{apiGroups: [rbac.authorization.k8s.io], resources: [roles], verbs: [create]}",
        "{apiGroups: [''], resources: [serviceaccounts, pods], verbs: [create, patch]}",
    ];
    let members = rules.map(|rule| (fleet_with_role(rule), "role: own"));
    let members = members.into_iter().chain([
        (FLEET.to_owned(), "clusterRole: view"),
        (FLEET.to_owned(), "clusterRole: team-reader"),
        (FLEET.to_owned(), "role: operator"),
    ]);

    for (fleet, role) in members {
        let settings = format!("  members: [{{group: some, {role}}}]\n");
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", &fleet),
            ("tenants/a.yaml", &tenant("a", &settings)),
        ]);
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.code, 0, "{role} of {fleet}: {}", ran.all());
    }
}

#[test]
fn a_verbatim_binding_to_such_a_role_takes_the_same_waiver() {
    for role in ["admin", "edit", "cluster-admin"] {
        let binding = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\n\
             kind: RoleBinding\n\
             metadata: {{name: legacy, namespace: a}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\n\
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: a-admins}}]\n"
        );
        let adopted = "  profile: adopted\n\
                       \x20 podSecurity: {level: restricted}\n\
                       \x20 floor: {serviceAccount: rendered, network: rendered}\n\
                       \x20 manifests: [../extra/x.yaml]\n";
        let permit = support::waiver("a", "bundle/manifest-floor", "2026-12-30");
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/a.yaml", &tenant("a", adopted)),
            ("tenants/waivers/a.yaml", &permit),
            ("extra/x.yaml", &binding),
        ]);

        let rule = match role {
            "cluster-admin" => "api/cluster-admin",
            _ => "api/floor-writing-role",
        };
        let ran = sandbox.run(&["check"]).code(1);
        let object = format!("write a Waiver of `{rule}` for RoleBinding/a/legacy");
        assert!(ran.all().contains(&object), "{}", ran.all());

        let second = support::waiver("a", rule, "2026-12-30").replace("a-waiver", "a-role");
        sandbox.write("tenants/waivers/role.yaml", second);
        sandbox.run(&["check"]).code(0);
    }
}

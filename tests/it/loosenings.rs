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
        // No spec says which rules it has.
        ("clusterRole: some-name", "some-name", FLEET.to_owned()),
        (
            "clusterRole: admin",
            "admin",
            format!("{FLEET}  tenantClusterRoles: [admin]\n"),
        ),
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
        (
            format!("{FLEET}  tenantClusterRoles: [team-reader]\n"),
            "clusterRole: team-reader",
        ),
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
    for role in [
        "admin",
        "edit",
        "cluster-admin",
        "system:aggregate-to-edit",
        "some-name",
    ] {
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

/// What `check` says of an egress to a network, in a fleet whose cluster declares its own ranges.
fn egress_to(cidr: &str) -> String {
    let fleet = format!(
        "{FLEET}      podCIDRs: [10.1.0.0/16, 'fd10::/64']\n      serviceCIDRs: [10.2.0.0/16]\n      \
         nodeCIDRs: [10.3.0.0/24]\n      apiServer: [10.3.0.1/32]\n"
    );
    let egress = format!("  network: {{egress: [{{cidr: '{cidr}'}}]}}\n");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &tenant("a", &egress)),
    ]);
    sandbox.run(&["check"]).all()
}

#[test]
fn a_network_of_the_cluster_or_of_its_cloud_takes_a_waiver_in_each_spelling() {
    let own = ["10.1.0.0", "10.2.0.0", "10.3.0.1"];
    let clouds = [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "169.254.20.10",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
    ];
    for address in own.iter().chain(&clouds) {
        let v4: std::net::Ipv4Addr = address.parse().expect("an address");
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let image = |prefix: [u16; 6]| {
            let [p0, p1, p2, p3, p4, p5] = prefix;
            std::net::Ipv6Addr::new(p0, p1, p2, p3, p4, p5, high, low).to_string()
        };
        let nat64 = image([0x64, 0xff9b, 0, 0, 0, 0]);
        let compatible = image([0; 6]);
        let translated = image([0, 0, 0, 0, 0xffff, 0]);
        let six_to_four = std::net::Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0);

        for cidr in [
            format!("{address}/32"),
            format!("{nat64}/128"),
            format!("{compatible}/128"),
            format!("{translated}/128"),
            format!("{six_to_four}/48"),
        ] {
            let output = egress_to(&cidr);
            assert!(output.contains("network/cluster-range"), "{cidr}: {output}");
        }
        let mapped = format!("::ffff:{address}/128");
        let output = egress_to(&mapped);
        assert!(output.contains("spec/invalid-value"), "{mapped}: {output}");
    }

    for cidr in [
        "fe80::/64",
        "fd00:ec2::254/128",
        "fd00:ec2::23/128",
        "fd20:ce::254/128",
        "fd00:c1::a9fe:a9fe/128",
        "fd00:42::42/128",
        "fd00:a9fe:a9fe::1/128",
        "fd00:100::100:200/128",
    ] {
        let output = egress_to(cidr);
        assert!(output.contains("network/cluster-range"), "{cidr}: {output}");
    }
    for cidr in [
        "192.0.2.0/24",
        "2001:db8::/32",
        "100.64.0.0/10",
        "fd00::/16",
    ] {
        let output = egress_to(cidr);
        assert!(output.contains("0 errors"), "{cidr}: {output}");
    }
}

#[test]
fn a_large_network_leaves_out_the_images_of_what_it_leaves_out() {
    let fleet = format!("{FLEET}      podCIDRs: [10.1.0.0/16]\n");
    let egress = "  network: {egress: [{cidr: '::/0'}]}\n";
    let permit = support::waiver("a", "network/egress-any", "2026-12-30");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &tenant("a", egress)),
        ("tenants/waivers/a.yaml", &permit),
    ]);
    sandbox.run(&["render"]).code(0);

    let rendered = sandbox.read("rendered/prod/tenants/a/a.yaml");
    for except in [
        "64:ff9b::a01:0/112",
        "2002:a01::/32",
        "64:ff9b::a9fe:0/112",
        "2002:a9fe::/32",
        "2002:a83f:8110::/48",
        "::ffff:0:a9fe:0/112",
        "::ffff:0:a01:0/112",
        "fe80::/10",
    ] {
        assert!(rendered.contains(except), "{except}: {rendered}");
    }
    for mapped in ["::ffff:a9fe:", "::ffff:a01:", "::ffff:169.", "::ffff:10."] {
        assert!(!rendered.contains(mapped), "{mapped}: {rendered}");
    }
}

#[test]
fn a_range_of_the_cluster_may_not_meet_a_metadata_service() {
    for field in ["podCIDRs", "serviceCIDRs", "nodeCIDRs", "apiServer"] {
        for cidr in [
            "169.254.169.254/32",
            "169.0.0.0/8",
            "168.63.129.16/32",
            "fe80::/64",
            "::/0",
        ] {
            let fleet = format!("{FLEET}      {field}: ['{cidr}']\n");
            let sandbox = Sandbox::with(&[
                ("tenants/fleet.yaml", &fleet),
                ("tenants/a.yaml", &tenant("a", "")),
            ]);
            let ran = sandbox.run(&["check"]).code(1);
            let says = ran.all().contains("error[tenancy/fleet]") && ran.all().contains(field);
            assert!(says, "{field} {cidr}: {}", ran.all());
        }
    }
}

#[test]
fn a_platform_endpoint_may_be_the_pod_identity_agent() {
    let fleet = format!(
        "{FLEET}      endpoints: [{{name: pod-identity, cidrs: [169.254.170.23/32], ports: [{{port: 80}}]}}]\n"
    );
    let egress = "  network: {egress: [{platform: pod-identity}]}\n";
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &tenant("a", egress)),
    ]);
    sandbox.run(&["render"]).code(0);
    let rendered = sandbox.read("rendered/prod/tenants/a/a.yaml");
    assert!(rendered.contains("169.254.170.23/32"), "{rendered}");
}

/// 100.64.0.0/10 is the usual range of pods on some clouds, and holds an address of another cloud.
#[test]
fn a_range_of_the_cluster_may_hold_the_address_of_a_cloud() {
    let fleet = format!("{FLEET}      podCIDRs: [100.64.0.0/10]\n");
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/a.yaml", &tenant("a", "")),
    ]);
    sandbox.run(&["check"]).code(0);
}

#[test]
fn all_of_ipv4_takes_a_waiver_in_each_spelling() {
    for cidr in ["0.0.0.0/0", "64:ff9b::/96", "2002::/16", "64:ff9b::/64"] {
        let output = egress_to(cidr);
        assert!(output.contains("network/egress-any"), "{cidr}: {output}");
    }
    for cidr in ["64:ff9b:1::/48", "64:ff9b:1:a::/64"] {
        let output = egress_to(cidr);
        assert!(output.contains("network/cluster-range"), "{cidr}: {output}");
    }
}

/// Without this, every tenant could take every offer: it writes its own `metadata.labels`.
#[test]
fn an_offer_is_taken_by_labels_of_the_platform_alone() {
    let offer =
        "  network: {provides: [{port: 80, to: {tenantSelector: {matchLabels: {tier: core}}}}]}\n";
    let taker = |name: &str| {
        tenant(name, "  network: {egress: [{tenant: b}]}\n").replace(
            &format!("{{name: {name}}}\nspec"),
            &format!("{{name: {name}, labels: {{tier: core}}}}\nspec"),
        )
    };
    let fleet = format!(
        "{FLEET}  tenantMetadata: {{labels: [tier]}}\n  tenantLabels: [{{labels: {{tier: core}}, tenants: [good]}}]\n"
    );
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", &fleet),
        ("tenants/good.yaml", &taker("good")),
        ("tenants/evil.yaml", &taker("evil")),
        ("tenants/b.yaml", &tenant("b", offer)),
    ]);

    let ran = sandbox.run(&["render"]).code(1);
    assert!(
        ran.all().contains("`b` does not let `evil` in"),
        "{}",
        ran.all()
    );
    let rendered = sandbox.read("rendered/prod/tenants/b/b.yaml");
    assert!(rendered.contains("metadata.name: good\n"), "{rendered}");
    assert!(!rendered.contains("evil"), "{rendered}");

    sandbox.write(
        "tenants/fleet.yaml",
        format!("{FLEET}  tenantMetadata: {{labels: [tier]}}\n"),
    );
    let ran = sandbox.run(&["check"]).code(1);
    let says = "warning[network/unselectable-label]: the fleet gives no tenant `tier: core`";
    assert!(ran.all().contains(says), "{}", ran.all());
}

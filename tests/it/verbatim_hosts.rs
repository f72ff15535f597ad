//! Hosts of verbatim objects are claims like those in specs.

use crate::support::{FLEET, Sandbox, tenant};

/// An object of a tenant's namespace that serves a host.
fn object(kind: &str, namespace: &str, host: &str) -> String {
    let (api, spec) = match kind {
        "Ingress" => (
            "networking.k8s.io/v1",
            format!(
                "{{rules: [{{host: '{host}', http: {{paths: [{{path: /, pathType: Prefix, \
                 backend: {{service: {{name: x, port: {{number: 80}}}}}}}}]}}}}]}}"
            ),
        ),
        "HTTPRoute" => (
            "gateway.networking.k8s.io/v1",
            format!("{{hostnames: ['{host}'], rules: [{{backendRefs: [{{name: x, port: 80}}]}}]}}"),
        ),
        "Gateway" => (
            "gateway.networking.k8s.io/v1",
            format!(
                "{{gatewayClassName: x, listeners: [{{name: a, port: 80, protocol: HTTP, hostname: '{host}'}}]}}"
            ),
        ),
        "VirtualService" => (
            "networking.istio.io/v1",
            format!("{{hosts: ['{host}'], http: [{{route: [{{destination: {{host: x}}}}]}}]}}"),
        ),
        _ => (
            "route.openshift.io/v1",
            format!("{{host: '{host}', to: {{kind: Service, name: x}}}}"),
        ),
    };
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: x, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

const KINDS: [&str; 5] = ["Ingress", "HTTPRoute", "Gateway", "VirtualService", "Route"];

/// A fleet in which `a` claims hosts in its spec, and `evil` passes an object through.
fn fleet(claims: &str, manifest: &str) -> Sandbox {
    let kinds = "[gateway.networking.k8s.io/HTTPRoute, gateway.networking.k8s.io/Gateway, \
                 networking.istio.io/VirtualService, route.openshift.io/Route]";
    Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{FLEET}  tenantKinds: {kinds}\n"),
        ),
        (
            "tenants/a.yaml",
            &tenant("a", &format!("  allow: {{ingressHosts: [{claims}]}}\n")),
        ),
        (
            "tenants/evil.yaml",
            &tenant("evil", "  manifests: [../m/x.yaml]\n"),
        ),
        ("m/x.yaml", manifest),
    ])
}

#[test]
fn a_verbatim_object_cannot_serve_the_host_of_another_tenant() {
    for kind in KINDS {
        for (claims, host) in [
            ("www.victim.example", "www.victim.example"),
            ("'*.victim.example'", "www.victim.example"),
            ("'*.apps.victim.example'", "a.b.apps.victim.example"),
        ] {
            let sandbox = fleet(claims, &object(kind, "evil", host));
            let ran = sandbox.run(&["check"]).code(1);
            let says = ran.all().contains("error[tenancy/claimed-twice]")
                && ran.all().contains("m/x.yaml:4:")
                && ran.all().contains("held: evil\n");
            assert!(says, "{kind} {host} {claims}: {}", ran.all());
        }
    }

    let wild = object("HTTPRoute", "evil", "*.victim.example");
    let ran = fleet("a.b.victim.example", &wild).run(&["check"]).code(1);
    assert!(ran.all().contains("held: evil\n"), "{}", ran.all());
}

#[test]
fn the_tenant_that_had_a_host_keeps_it() {
    let sandbox = fleet(
        "www.other.example",
        &object("Ingress", "evil", "www.own.example"),
    );
    sandbox.run(&["render"]).code(0);

    let thief = tenant("a", "  allow: {ingressHosts: [www.own.example]}\n");
    sandbox.write("tenants/a.yaml", thief);
    let ran = sandbox.run(&["check"]).code(1);
    let says = ran.all().contains("tenants/a.yaml:7:") && ran.all().contains("held: a\n");
    assert!(says, "{}", ran.all());

    sandbox.write("tenants/a.yaml", "kind: [\n");
    sandbox.write("m/x.yaml", object("Ingress", "evil", "www.other.example"));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(
        ran.all().contains("which `a` has"),
        "a held tenant keeps its hosts: {}",
        ran.all()
    );
}

/// A fleet that is adopted may hold two such objects: the proof reports them, and `check` does not stop.
#[test]
fn a_newcomer_cannot_take_a_host_that_only_an_object_serves() {
    let sandbox = fleet("a.example", &object("Ingress", "evil", "www.own.example"));
    sandbox.run(&["render"]).code(0);

    sandbox.write(
        "tenants/b.yaml",
        tenant("b", "  manifests: [../m/b.yaml]\n"),
    );
    sandbox.write("m/b.yaml", object("Ingress", "b", "www.own.example"));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.all().contains("held: b\n"), "{}", ran.all());

    sandbox.write("tenants/evil.yaml", tenant("evil", ""));
    sandbox.run(&["render"]).code(0);
    sandbox.write(
        "tenants/evil.yaml",
        tenant("evil", "  manifests: [../m/x.yaml]\n"),
    );
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.all().contains("held: evil\n"), "{}", ran.all());
}

/// Kept from run to run: a host that two tenants had already, and one of a form that no record keeps.
#[test]
fn what_was_there_before_adoption_stays_for_the_proof() {
    let sandbox = fleet("a.example", &object("Ingress", "evil", "www.own.example"));
    sandbox.write(
        "tenants/b.yaml",
        tenant("b", "  manifests: [../m/b.yaml]\n"),
    );
    sandbox.write("m/b.yaml", object("Ingress", "b", "www.own.example"));
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["check"]).code(0);

    sandbox.write(
        "tenants/c.yaml",
        tenant("c", "  manifests: [../m/c.yaml]\n"),
    );
    sandbox.write("m/c.yaml", object("Ingress", "c", "www.own.example"));
    let ran = sandbox.run(&["check"]).code(1);
    assert!(ran.all().contains("held: c\n"), "{}", ran.all());
}

#[test]
fn a_wildcard_holds_what_its_own_api_says() {
    let claim = "a.b.own.example";
    let one_label = object("Ingress", "evil", "*.own.example");
    fleet(claim, &one_label).run(&["check"]).code(0);

    let several = object("HTTPRoute", "evil", "*.own.example");
    let ran = fleet(claim, &several).run(&["check"]).code(1);
    assert!(ran.all().contains("held: evil\n"), "{}", ran.all());
}

#[test]
fn a_certificate_may_name_a_service_of_its_own_namespace() {
    let certificate = |name: &str| {
        format!(
            "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: x, namespace: evil}}\n\
             spec: {{secretName: x, issuerRef: {{kind: ClusterIssuer, name: ca}}, dnsNames: [{name}]}}\n"
        )
    };
    for (name, code) in [
        ("hook.evil.svc", 0),
        ("hook.evil.svc.cluster.local", 0),
        ("hook.a.svc", 1),
        ("kubernetes.default.svc", 1),
    ] {
        let sandbox = fleet("a.example", &certificate(name));
        let text = sandbox.read("tenants/fleet.yaml");
        let text = text.replace(
            "tenantKinds: [",
            "tenantKinds: [cert-manager.io/Certificate, ",
        );
        sandbox.write("tenants/fleet.yaml", text);
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.code, code, "{name}: {}", ran.all());
    }
}

#[test]
fn names_of_the_cluster_are_nobodys_hosts() {
    for kind in KINDS {
        for host in [
            "x.a.svc",
            "kubernetes.default.svc",
            "x.a.svc.cluster.local",
            "kubernetes.default",
        ] {
            let ran = fleet("a.example", &object(kind, "evil", host))
                .run(&["check"])
                .code(1);
            assert!(
                ran.all().contains("held: evil\n"),
                "{kind} {host}: {}",
                ran.all()
            );
        }
    }
    for host in [
        "x.a.svc",
        "'*.svc'",
        "x.svc.cluster.local",
        "kubernetes.default",
    ] {
        let settings = format!("  allow: {{ingressHosts: [{host}]}}\n");
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/a.yaml", &tenant("a", &settings)),
        ]);
        let ran = sandbox.run(&["check"]).code(1);
        assert!(
            ran.all().contains("error[spec/invalid-value]"),
            "{host}: {}",
            ran.all()
        );
    }
}

#[test]
fn a_host_of_its_own_is_nobodys_business() {
    for kind in KINDS {
        for host in ["www.own.example", "victim.example", "wwwvictim.example"] {
            let ran = fleet("'*.victim.example'", &object(kind, "evil", host)).run(&["check"]);
            assert_eq!(ran.code, 0, "{kind} {host}: {}", ran.all());
        }
    }
    for host in ["reviews", "reviews.evil.svc.cluster.local"] {
        let ran = fleet("a.example", &object("VirtualService", "evil", host)).run(&["check"]);
        assert_eq!(ran.code, 0, "{host}: {}", ran.all());
    }

    let claims = tenant(
        "evil",
        "  manifests: [../m/x.yaml]\n  allow: {ingressHosts: ['*.own.example']}\n",
    );
    let sandbox = fleet("a.example", &object("Ingress", "evil", "www.own.example"));
    sandbox.write("tenants/evil.yaml", claims);
    sandbox.run(&["check"]).code(0);
}

#[test]
fn the_hosts_of_verbatim_objects_lie_within_the_ceiling() {
    let profile = "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: bounded}\nspec:\n  \
                   extends: restricted\n  ceiling: {allow: {ingressHosts: ['*.own.example', own.example]}}\n";
    for kind in KINDS {
        for (host, is_within) in [
            ("www.own.example", true),
            ("own.example", true),
            ("*.own.example", true),
            ("www.other.example", false),
            ("a.b.own.example", false),
            ("*.example.org", false),
            ("xown.example", false),
        ] {
            if kind == "Route" && host.starts_with('*') {
                continue;
            }
            let sandbox = fleet("www.a.example", &object(kind, "evil", host));
            sandbox.write("tenants/profiles/bounded.yaml", profile);
            let evil = tenant("evil", "  manifests: [../m/x.yaml]\n");
            sandbox.write("tenants/evil.yaml", format!("{evil}  profile: bounded\n"));
            let all = sandbox.run(&["check"]).all();
            let says = all.contains("error[tenancy/ceiling]") && all.contains("m/x.yaml:4:");
            assert_eq!(says, !is_within, "{kind} {host}: {all}");
            assert_eq!(
                all.contains("held: evil\n"),
                !is_within,
                "{kind} {host}: {all}"
            );
        }
    }
}

/// What a certificate of a tenant's own Service holds is no host that a ceiling bounds.
#[test]
fn names_of_the_tenants_services_are_its_own() {
    let profile = "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {name: bounded}\nspec:\n  \
                   extends: restricted\n  ceiling: {allow: {ingressHosts: ['*.own.example']}}\n";
    for (names, is_own) in [
        (
            "etcd, etcd.evil, etcd.evil.svc, etcd.evil.svc.cluster.local, localhost",
            true,
        ),
        ("'*.web.evil.svc.cluster.local', '*.evil.svc'", true),
        ("web.evil.a.svc.cluster.local", false),
        ("www.own.example, etcd.other", false),
    ] {
        let certificate = format!(
            "apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{name: x, namespace: evil}}\n\
             spec: {{secretName: x, issuerRef: {{name: x, kind: ClusterIssuer}}, dnsNames: [{names}]}}\n"
        );
        let sandbox = fleet("www.a.example", &certificate);
        sandbox.write("tenants/profiles/bounded.yaml", profile);
        let kinds = sandbox.read("tenants/fleet.yaml");
        let kinds = kinds.replace(
            "tenantKinds: [",
            "tenantKinds: [cert-manager.io/Certificate, ",
        );
        sandbox.write("tenants/fleet.yaml", kinds);
        let evil = tenant("evil", "  manifests: [../m/x.yaml]\n");
        sandbox.write("tenants/evil.yaml", format!("{evil}  profile: bounded\n"));
        let ran = sandbox.run(&["check"]);
        assert_eq!(ran.code, i32::from(!is_own), "{names}: {}", ran.all());
    }
}

/// An issuer of the platform certifies what an Ingress names, however the annotations name it.
#[test]
fn a_certificate_by_the_platforms_issuer_is_a_claim() {
    for (annotations, is_claim) in [
        ("cert-manager.io/issuer: own", false),
        (
            "cert-manager.io/issuer: own, cert-manager.io/issuer-kind: Issuer",
            false,
        ),
        (
            "cert-manager.io/issuer: own, cert-manager.io/issuer-kind: ClusterIssuer",
            true,
        ),
        ("cert-manager.io/cluster-issuer: own", true),
    ] {
        let manifest = object("Ingress", "evil", "www.evil.example")
            .replace(
                "namespace: evil}",
                &format!("namespace: evil, annotations: {{{annotations}}}}}"),
            )
            .replace("spec: {", "spec: {tls: [{hosts: [www.a.example]}], ");
        let ran = fleet("www.a.example", &manifest).run(&["check"]);
        assert_eq!(
            ran.code,
            i32::from(is_claim),
            "{annotations}: {}",
            ran.all()
        );
    }
}

//! Verbatim objects that reach beyond their tenant through an ingress controller.

use crate::support::{FLEET, Sandbox, tenant, waiver};

const RULE: &str = "bundle/through-controller";
const KINDS: &str = "[gateway.networking.k8s.io/HTTPRoute, gateway.networking.k8s.io/GRPCRoute, \
                     gateway.networking.k8s.io/TLSRoute, gateway.networking.k8s.io/Gateway, \
                     traefik.io/IngressRoute, traefik.io/TLSStore]";

/// An object of the tenant `evil`.
fn object(kind: &str, annotations: &str, spec: &str) -> String {
    let api = match kind {
        "Ingress" => "networking.k8s.io/v1",
        "Service" => "v1",
        "IngressRoute" | "TLSStore" => "traefik.io/v1alpha1",
        "TLSRoute" => "gateway.networking.k8s.io/v1alpha2",
        _ => "gateway.networking.k8s.io/v1",
    };
    let name = if kind == "TLSStore" { "default" } else { "x" };
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: evil\n  \
         annotations: {{{annotations}}}\nspec:\n  {spec}\n"
    )
}

const BACKEND: &str = "{service: {name: x, port: {number: 80}}}";

fn ingress(annotations: &str, host: &str) -> String {
    let rule = format!(
        "rules: [{{{host}http: {{paths: [{{path: /, pathType: Prefix, backend: {BACKEND}}}]}}}}]"
    );
    object("Ingress", annotations, &rule)
}

fn service(name: &str) -> String {
    object(
        "Service",
        "",
        &format!("{{type: ExternalName, externalName: '{name}'}}"),
    )
}

/// The fleet, whose cluster declares its ranges.
fn with_ranges() -> String {
    let ranges = "podCIDRs: [10.0.0.0/16]\n      serviceCIDRs: [10.96.0.0/12]";
    let ranges = ranges.split("\n      ").filter(|range| {
        let (field, _) = range.split_once(':').expect("a field");
        !FLEET.contains(field)
    });
    let ranges: Vec<String> = ranges.map(|range| format!("      {range}\n")).collect();
    format!("{FLEET}{}", ranges.concat())
}

/// A fleet with an object of `evil`, which has the namespaces `evil` and `evil-jobs`.
fn fleet(manifest: &str) -> Sandbox {
    let of_evil = tenant("evil", "  manifests: [../m/x.yaml]\n")
        .replace("{name: evil}]", "{name: evil}, {name: evil-jobs}]");
    Sandbox::with(&[
        (
            "tenants/fleet.yaml",
            &format!("{}  tenantKinds: {KINDS}\n", with_ranges()),
        ),
        ("tenants/evil.yaml", &of_evil),
        ("tenants/victim.yaml", &tenant("victim", "")),
        ("m/x.yaml", manifest),
    ])
}

#[test]
fn an_object_that_reaches_beyond_its_tenant_takes_a_waiver() {
    const NGINX: &str = "nginx.ingress.kubernetes.io";
    let own_host = "host: www.own.example, ";
    let mut refused = vec![
        ingress("", ""),
        ingress("", "host: '', "),
        ingress("", "host: '*.example', "),
        object("Ingress", "", &format!("defaultBackend: {BACKEND}")),
        object("TLSStore", "", "defaultCertificate: {secretName: x}"),
        object(
            "Gateway",
            "",
            "gatewayClassName: x\n  listeners: [{name: a, port: 80, protocol: HTTP, hostname: '*.example'}]",
        ),
    ];
    for key in [
        "configuration-snippet",
        "server-snippet",
        "auth-snippet",
        "stream-snippet",
        "modsecurity-snippet",
    ] {
        refused.push(ingress(&format!("{NGINX}/{key}: 'x y;'"), own_host));
    }
    for (key, value) in [
        ("auth-tls-secret", "victim/ca"),
        ("auth-secret", "kube-system/x"),
        ("proxy-ssl-secret", "victim/x"),
        ("fastcgi-params-configmap", "victim/x"),
        ("server-alias", "~.*"),
        ("server-alias", "'*'"),
        ("server-alias", "'*.example'"),
    ] {
        refused.push(ingress(&format!("{NGINX}/{key}: {value}"), own_host));
    }
    for kind in ["HTTPRoute", "GRPCRoute", "TLSRoute"] {
        let parents = "parentRefs: [{name: web, namespace: gateways}]";
        refused.push(object(
            kind,
            "",
            &format!("{parents}\n  rules: [{{backendRefs: [{{name: x, port: 80}}]}}]"),
        ));
    }
    for rule in ["PathPrefix(`/`)", "HostRegexp(`.*`)"] {
        refused.push(object(
            "IngressRoute",
            "",
            &format!(
                "routes: [{{match: '{rule}', kind: Rule, services: [{{name: x, port: 80}}]}}]"
            ),
        ));
    }
    refused.push(object("IngressRoute", "", "routes: [{match: 'Host(`www.own.example`)', kind: Rule, services: [{name: x, namespace: victim, port: 80}]}]"));
    for name in [
        "x.victim.svc.cluster.local",
        "x.victim.svc.cluster.local.",
        "X.Victim.SVC",
        "kubernetes.default",
        "kubernetes.default.svc",
        "10-0-0-1.victim.pod.cluster.local",
        "victim.svc.cluster.local",
        "web.victim",
        "db-0.db.victim",
        "web.kube-system",
        "web.monitoring",
        "web",
        "localhost",
        "127.0.0.1",
        "127.1",
        "169.254.169.254",
        "metadata.google.internal",
        "10.0.3.4",
        "10.96.0.1",
    ] {
        refused.push(service(name));
    }
    const TRAEFIK: &str = "traefik.ingress.kubernetes.io";
    for (key, value) in [
        (
            format!("{NGINX}/auth-url"),
            "'http://x.victim.svc.cluster.local/auth'",
        ),
        (
            format!("{NGINX}/auth-url"),
            "'http://u@169.254.169.254:80/'",
        ),
        (
            format!("{NGINX}/mirror-target"),
            "'https://x.victim.svc:8443$request_uri'",
        ),
        (
            format!("{NGINX}/mirror-target"),
            "'https://x.victim.svc$request_uri'",
        ),
        (
            format!("{NGINX}/mirror-target"),
            "'http://db-0.db.victim:80$request_uri'",
        ),
        (
            format!("{NGINX}/auth-url"),
            "'http://169.254.169.254$request_uri'",
        ),
        (format!("{NGINX}/auth-url"), "'http://$arg_h/'"),
        (format!("{NGINX}/auth-url"), "'http://web.victim:8080/'"),
        (format!("{NGINX}/auth-url"), "'http://10.96.4.7:8080/'"),
        (
            format!("{TRAEFIK}/router.middlewares"),
            "'evil-jobs-auth@kubernetescrd,victim-jobs-auth@kubernetescrd'",
        ),
        (
            "haproxy-ingress.github.io/auth-url".to_owned(),
            "'svc://victim/x:80'",
        ),
        (
            format!("{TRAEFIK}/router.middlewares"),
            "'evil-a@kubernetescrd, victim-auth@kubernetescrd'",
        ),
        (
            format!("{TRAEFIK}/router.middlewares"),
            "'victim_auth@kubernetescrd'",
        ),
        (
            format!("{TRAEFIK}/router.tls.options"),
            "'victim-x@kubernetescrd'",
        ),
        (
            format!("{TRAEFIK}/service.serverstransport"),
            "'victim-x@kubernetescrd'",
        ),
    ] {
        refused.push(ingress(&format!("{key}: {value}"), own_host));
    }

    for manifest in &refused {
        let sandbox = fleet(manifest);
        let ran = sandbox.run(&["check"]).code(1);
        let all = ran.all();
        let says = all.contains(&format!("error[{RULE}]"))
            && all.contains("held: evil\n")
            && all.contains("m/x.yaml:");
        assert!(says, "{manifest}{all}");

        sandbox.write("tenants/waivers/a.yaml", waiver("evil", RULE, "2026-12-30"));
        let all = sandbox.run(&["check"]).all();
        assert!(!all.contains(RULE), "{manifest}{all}");
    }
}

#[test]
fn an_object_of_the_tenants_own_takes_none() {
    const NGINX: &str = "nginx.ingress.kubernetes.io";
    let own_host = "host: www.own.example, ";
    let taken = [
        ingress("", own_host),
        ingress("", "host: '*.own.example', "),
        ingress(
            &format!("{NGINX}/auth-secret: evil/x, {NGINX}/rewrite-target: /"),
            own_host,
        ),
        ingress(&format!("{NGINX}/auth-tls-secret: evil-jobs/x"), own_host),
        ingress(
            &format!("{NGINX}/server-alias: 'a.own.example,~^b[0-9]+\\.own\\.example$'"),
            own_host,
        ),
        object(
            "HTTPRoute",
            "",
            "parentRefs: [{name: web}]\n  rules: [{backendRefs: [{name: x, port: 80}]}]",
        ),
        object(
            "HTTPRoute",
            "",
            "hostnames: [www.own.example]\n  parentRefs: [{name: web, namespace: gateways}]\n  rules: [{backendRefs: [{name: x, port: 80}]}]",
        ),
        object(
            "Gateway",
            "",
            "gatewayClassName: x\n  listeners: [{name: a, port: 80, protocol: HTTP}]",
        ),
        object(
            "IngressRoute",
            "",
            "routes: [{match: 'Host(`www.own.example`) && PathPrefix(`/`)', kind: Rule, services: [{name: x, namespace: evil-jobs, port: 80}]}]",
        ),
        service("db.own.example"),
        service("x.evil.svc.cluster.local"),
        service("x.evil-jobs.svc"),
        service("svc.example"),
        service("web.evil-jobs"),
        service("web.victim."),
        ingress(&format!("{NGINX}/configuration-snippet: ''"), own_host),
        ingress(
            &format!("{NGINX}/auth-url: 'https://$host/oauth2/auth'"),
            own_host,
        ),
        ingress(
            &format!("{NGINX}/mirror-target: 'https://mirror.example.org$request_uri'"),
            own_host,
        ),
        service("192.0.2.7"),
        ingress(
            &format!("{NGINX}/auth-url: 'https://login.own.example/auth?u=$host'"),
            own_host,
        ),
        ingress(
            "traefik.ingress.kubernetes.io/router.middlewares: 'evil-jobs-auth@kubernetescrd,auth@file'",
            own_host,
        ),
    ];
    for manifest in taken {
        let ran = fleet(&manifest).run(&["check"]);
        assert_eq!(ran.code, 0, "{manifest}{}", ran.all());
    }
}

/// A Service that stands for `web.shop` since before a tenant took the namespace `shop` stays.
#[test]
fn a_namespace_that_a_tenant_takes_later_stops_no_external_name() {
    let sandbox = fleet(&service("web.shop"));
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/shop.yaml", tenant("shop", ""));
    sandbox.run(&["render"]).code(0);
    sandbox.run(&["check"]).code(0);
    let sandbox = fleet(&service("web.shop"));
    sandbox.write("tenants/shop.yaml", tenant("shop", ""));
    assert!(
        sandbox
            .run(&["check"])
            .code(1)
            .all()
            .contains("held: evil\n")
    );
}

/// The namespace of a custom resource may be read in two ways: `evil-web` and `evil` both stand before
/// `evil-web-auth`.
#[test]
fn a_resource_that_may_be_another_tenants_takes_a_waiver() {
    let annotation =
        "traefik.ingress.kubernetes.io/router.middlewares: 'evil-web-auth@kubernetescrd'";
    let sandbox = fleet(&ingress(annotation, "host: www.own.example, "));
    sandbox.run(&["check"]).code(0);
    sandbox.write("tenants/other.yaml", tenant("evil-web", ""));
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(
        all.contains("held: evil\n") && all.contains("of `evil-web`"),
        "{all}"
    );
}

/// The domains of Traefik's certificates are claims.
#[test]
fn a_domain_of_a_certificate_of_traefik_is_a_claim() {
    for (key, value) in [
        ("main", "www.victim.example"),
        ("sans", "a.own.example,www.victim.example"),
    ] {
        let key = format!("traefik.ingress.kubernetes.io/router.tls.domains.0.{key}");
        let sandbox = fleet(&ingress(
            &format!("{key}: '{value}'"),
            "host: www.own.example, ",
        ));
        let victim = tenant("victim", "  allow: {ingressHosts: [www.victim.example]}\n");
        sandbox.write("tenants/victim.yaml", victim);
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(all.contains("error[tenancy/claimed-twice]"), "{key}: {all}");
    }
}

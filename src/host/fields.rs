//! The kinds that name hosts in a field of their own: one row each.

use super::pattern::Levels::{self, Many, One};
use super::{HostPattern, HostUse, NamedHost};
use crate::document::TreeValue;
use crate::kube::labels::items;

/// A field of a kind that names hosts.
struct HostField {
    group: &'static str,
    kind: &'static str,
    /// The path of the field; `[]` stands for each item of a list.
    path: &'static [&'static str],
    levels: Levels,
    used: HostUse,
}

const fn field(
    group: &'static str,
    kind: &'static str,
    path: &'static [&'static str],
    levels: Levels,
    used: HostUse,
) -> HostField {
    HostField {
        group,
        kind,
        path,
        levels,
        used,
    }
}

const EACH: &str = "[]";
const HOSTS: &[&str] = &["spec", "hosts", EACH];
const HOST: &[&str] = &["spec", "host"];
const HOSTNAME: &[&str] = &["spec", "hostname"];

/// Source: the CRDs of each project.
#[rustfmt::skip]
static FIELDS: [HostField; 53] = [
    field("projectcontour.io", "HTTPProxy", &["spec", "virtualhost", "fqdn"], One, HostUse::Serves),
    field("apisix.apache.org", "ApisixRoute", &["spec", "http", EACH, "match", "hosts", EACH], Many, HostUse::Serves),
    field("apisix.apache.org", "ApisixRoute", &["spec", "stream", EACH, "match", "host"], Many, HostUse::Serves),
    field("apisix.apache.org", "ApisixTls", HOSTS, Many, HostUse::Certifies),
    field("configuration.konghq.com", "TCPIngress", &["spec", "rules", EACH, "host"], Many, HostUse::Serves),
    field("configuration.konghq.com", "TCPIngress", &["spec", "tls", EACH, "hosts", EACH], Many, HostUse::Certifies),
    field("configuration.konghq.com", "KongRoute", HOSTS, Many, HostUse::Serves),
    field("configuration.konghq.com", "KongSNI", &["spec", "name"], Many, HostUse::Certifies),
    field("getambassador.io", "Mapping", HOSTNAME, Many, HostUse::Serves),
    field("getambassador.io", "Mapping", HOST, Many, HostUse::Serves),
    field("getambassador.io", "TCPMapping", HOST, Many, HostUse::Serves),
    field("getambassador.io", "Host", HOSTNAME, Many, HostUse::Serves),
    field("getambassador.io", "TLSContext", HOSTS, Many, HostUse::Certifies),
    field("x.getambassador.io", "AmbassadorMapping", HOSTNAME, Many, HostUse::Serves),
    field("x.getambassador.io", "AmbassadorHost", HOSTNAME, Many, HostUse::Serves),
    field("gateway.solo.io", "VirtualService", &["spec", "virtualHost", "domains", EACH], Many, HostUse::Serves),
    field("zalando.org", "RouteGroup", HOSTS, One, HostUse::Serves),
    // nginx takes a wildcard for any number of labels: nginx.org/en/docs/http/server_names.html.
    field("k8s.nginx.org", "VirtualServer", HOST, Many, HostUse::Serves),
    field("cis.f5.com", "VirtualServer", HOST, One, HostUse::Serves),
    field("cis.f5.com", "TransportServer", HOST, One, HostUse::Serves),
    field("networking.cfargotunnel.com", "TunnelBinding", &["subjects", EACH, "spec", "fqdn"], One, HostUse::Serves),
    field("ingress.k8s.ngrok.com", "Domain", &["spec", "domain"], One, HostUse::Serves),
    field("ngrok.k8s.ngrok.com", "CloudEndpoint", &["spec", "url"], One, HostUse::Serves),
    field("ngrok.k8s.ngrok.com", "AgentEndpoint", &["spec", "url"], One, HostUse::Serves),
    field("networking.gke.io", "MultiClusterIngress", &["spec", "template", "spec", "rules", EACH, "host"], One, HostUse::Serves),
    field("flagger.app", "Canary", &["spec", "service", "hosts", EACH], Many, HostUse::Serves),
    field("k8s.keycloak.org", "Keycloak", &["spec", "hostname", "hostname"], One, HostUse::Serves),
    field("k8s.keycloak.org", "Keycloak", &["spec", "hostname", "admin"], One, HostUse::Serves),
    field("argoproj.io", "ArgoCD", &["spec", "server", "host"], One, HostUse::Serves),
    field("kafka.strimzi.io", "Kafka", &["spec", "kafka", "listeners", EACH, "configuration", "bootstrap", "host"], One, HostUse::Serves),
    field("kafka.strimzi.io", "Kafka", &["spec", "kafka", "listeners", EACH, "configuration", "brokers", EACH, "host"], One, HostUse::Serves),
    field("grafana.integreatly.org", "Grafana", &["spec", "ingress", "spec", "rules", EACH, "host"], One, HostUse::Serves),
    field("grafana.integreatly.org", "Grafana", &["spec", "route", "spec", "host"], One, HostUse::Serves),
    field("k8s.nginx.org", "TransportServer", HOST, One, HostUse::Serves),
    field("serving.knative.dev", "DomainMapping", &["metadata", "name"], One, HostUse::Serves),
    field("networking.internal.knative.dev", "Ingress", &["spec", "rules", EACH, "hosts", EACH], One, HostUse::Serves),
    field("networking.internal.knative.dev", "ClusterDomainClaim", &["metadata", "name"], One, HostUse::Serves),
    field("gateway.networking.x-k8s.io", "XListenerSet", &["spec", "listeners", EACH, "hostname"], Many, HostUse::Listens),
    field("http.keda.sh", "HTTPScaledObject", HOSTS, Many, HostUse::Serves),
    field("voyager.appscode.com", "Ingress", &["spec", "rules", EACH, "host"], One, HostUse::Serves),
    field("skipper.zalando.org", "RouteGroup", HOSTS, One, HostUse::Serves),
    field("externaldns.k8s.io", "DNSEndpoint", &["spec", "endpoints", EACH, "dnsName"], Many, HostUse::Resolves),
    field("externaldns.nginx.org", "DNSEndpoint", &["spec", "endpoints", EACH, "dnsName"], Many, HostUse::Resolves),
    field("dns.gardener.cloud", "DNSEntry", &["spec", "dnsName"], Many, HostUse::Resolves),
    field("kuadrant.io", "DNSRecord", &["spec", "rootHost"], Many, HostUse::Resolves),
    field("kuadrant.io", "DNSRecord", &["spec", "endpoints", EACH, "dnsName"], Many, HostUse::Resolves),
    field("ingress.operator.openshift.io", "DNSRecord", &["spec", "dnsName"], Many, HostUse::Resolves),
    field("route53.services.k8s.aws", "RecordSet", &["spec", "name"], Many, HostUse::Resolves),
    field("dns.cnrm.cloud.google.com", "DNSRecordSet", &["spec", "name"], Many, HostUse::Resolves),
    field("route53.aws.upbound.io", "Record", &["spec", "forProvider", "name"], Many, HostUse::Resolves),
    field("networking.gke.io", "ManagedCertificate", &["spec", "domains", EACH], One, HostUse::Certifies),
    field("acm.services.k8s.aws", "Certificate", &["spec", "domainName"], One, HostUse::Certifies),
    field("acm.services.k8s.aws", "Certificate", &["spec", "subjectAlternativeNames", EACH], One, HostUse::Certifies),
];

/// Whether a kind names hosts in a field of the table.
pub(super) fn has_field(group: &str, kind: &str) -> bool {
    FIELDS
        .iter()
        .any(|field| field.group == group && field.kind == kind)
}

/// The hosts that an object names in the fields of the table.
pub(super) fn named<'a, T: TreeValue>(group: &str, kind: &str, node: &'a T) -> Vec<NamedHost<'a>> {
    let mut named = Vec::new();
    let fields = FIELDS
        .iter()
        .filter(|field| field.group == group && field.kind == kind);
    for field in fields {
        collect(node, field.path, &mut |host: &'a T| {
            named.extend(
                NamedHost::new(host, field.levels)
                    .map(|host| every_host(group, host).used(field.used.clone())),
            );
        });
    }
    named
}

/// A host of Emissary-ingress is every one where it is `*`: the prefix of a Mapping decides, whichever
/// host others name.
///
/// Source: emissary-ingress.dev/docs, "Mapping", hostname.
fn every_host<'a>(group: &str, host: NamedHost<'a>) -> NamedHost<'a> {
    match host.pattern {
        HostPattern::Rest if group.ends_with("getambassador.io") => NamedHost {
            pattern: HostPattern::Below {
                domain: "".into(),
                levels: Many,
            },
            ..host
        },
        _ => host,
    }
}

/// Calls a function for each value that a path leads to.
pub(super) fn collect<'a, T: TreeValue>(node: &'a T, path: &[&str], found: &mut impl FnMut(&'a T)) {
    let Some((step, rest)) = path.split_first() else {
        found(node);
        return;
    };

    if *step == EACH {
        for item in items(Some(node)) {
            collect(item, rest, found);
        }
    } else if let Some(member) = node.member(step) {
        collect(member, rest, found);
    }
}

//! The rows of the table of operators' kinds.

use super::{OperatorKind, Shown};

/// The row of Traefik's kinds in one of its two groups.
const fn traefik(group: &'static str) -> OperatorKind {
    row(
        group,
        &[
            "ingressroutes",
            "ingressroutetcps",
            "ingressrouteudps",
            "traefikservices",
        ],
        "Traefik",
    )
    .gains("serves any host name, and with allowCrossNamespace other namespaces' services")
    .closed_by(HOST_POLICY)
    .source("doc.traefik.io/traefik/providers/kubernetes-crd")
}

/// A row whose operator no input shows, and whose objects are ways by what they say.
const fn row(
    group: &'static str,
    resources: &'static [&'static str],
    operator: &'static str,
) -> OperatorKind {
    OperatorKind {
        group,
        resources,
        kinds: &[],
        operator,
        gains: "",
        shown: Shown::Never,
        closed_by: "",
        source: "",
    }
}

/// The columns of a row, each set by its name. [`OperatorKind`] says what they mean.
impl OperatorKind {
    const fn kinds(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }

    const fn gains(mut self, gains: &'static str) -> Self {
        self.gains = gains;
        self
    }

    const fn shown(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    const fn closed_by(mut self, closed_by: &'static str) -> Self {
        self.closed_by = closed_by;
        self
    }

    const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }
}

const HOST_POLICY: &str = "an admission policy lets each tenant name its own hosts only";

/// The rows.
pub static OPERATOR_KINDS: &[OperatorKind] = &[
    row(
        "operators.coreos.com",
        &["subscriptions", "installplans", "clusterserviceversions"],
        "Operator Lifecycle Manager",
    )
    .kinds(&["Subscription", "InstallPlan", "ClusterServiceVersion"])
    .gains("installs an operator with the cluster-wide rights that it asks for")
    .shown(Shown::Running {
        programs: &["olm-operator", "catalog-operator"],
        accounts: &["olm-operator-serviceaccount"],
    })
    .closed_by(
        "each namespace has an OperatorGroup with an account of its own (spec.serviceAccountName)",
    )
    .source("olm.operatorframework.io/docs/advanced-tasks/operator-scoping-with-operatorgroups"),
    row(
        "helm.cattle.io",
        &["helmcharts"],
        "the Helm controller of k3s and RKE2",
    )
    .kinds(&["HelmChart"])
    .gains("installs the chart of any namespace as cluster-admin")
    .closed_by("the cluster is neither k3s nor RKE2, or runs with --disable-helm-controller")
    .source("docs.k3s.io/helm; k3s-io/helm-controller#148"),
    row("fluxcd.controlplane.io", &["resourcesets"], "flux-operator")
        .gains("applies the objects of a ResourceSet without serviceAccountName as cluster-admin")
        .shown(Shown::ClosedByFlag {
            programs: &["flux-operator"],
            flag: "default-service-account",
        })
        .closed_by("flux-operator runs with --default-service-account")
        .source("fluxoperator.dev/docs/crd/resourceset"),
    row(
        "source.extensions.fluxcd.io",
        &["artifactgenerators"],
        "source-watcher",
    )
    .gains("copies the sources of other namespaces into an artifact of the writer's")
    .shown(Shown::ClosedByFlag {
        programs: &["source-watcher"],
        flag: "no-cross-namespace-refs",
    })
    .closed_by("source-watcher runs with --no-cross-namespace-refs=true")
    .source("fluxcd/source-watcher#354"),
    row(
        "kustomize.toolkit.fluxcd.io",
        &["kustomizations"],
        "kustomize-controller",
    )
    .gains("applies a Kustomization without serviceAccountName as cluster-admin")
    .shown(Shown::FluxFlag {
        controller: "kustomize-controller",
        flag: "default-service-account",
    })
    .closed_by("kustomize-controller runs with --default-service-account")
    .source("fluxcd.io/flux/installation/configuration/multitenancy"),
    row(
        "helm.toolkit.fluxcd.io",
        &["helmreleases"],
        "helm-controller",
    )
    .gains("installs a HelmRelease without serviceAccountName as cluster-admin")
    .shown(Shown::FluxFlag {
        controller: "helm-controller",
        flag: "default-service-account",
    })
    .closed_by("helm-controller runs with --default-service-account")
    .source("fluxcd.io/flux/installation/configuration/multitenancy"),
    row(
        "helm.fluxcd.io",
        &["helmreleases"],
        "Helm Operator (Flux v1)",
    )
    .kinds(&["HelmRelease"])
    .gains("installs the chart as cluster-admin")
    .shown(Shown::Running {
        programs: &["helm-operator"],
        accounts: &["helm-operator"],
    })
    .closed_by("Helm Operator does not run, or runs with rights in one namespace only")
    .source("fluxcd/helm-operator, docs/references/helmrelease-custom-resource.md"),
    row("core.oam.dev", &["applications"], "KubeVela")
        .kinds(&["Application"])
        .gains("applies the components as the controller, which is cluster-admin")
        .shown(Shown::ClosedByFlag {
            programs: &["vela-core", "kubevela-vela-core"],
            flag: "authentication-with-user",
        })
        .closed_by("KubeVela runs with --authentication-with-user=true")
        .source("kubevela.io/docs/platform-engineers/auth/basic"),
    row(
        "argoproj.io",
        &["applications", "applicationsets"],
        "Argo CD",
    )
    .gains("deploys to any destination of the project that the object names")
    .closed_by(
        "Argo CD reads no Applications of tenants' namespaces (application.namespaces), or \
                    each project's sourceNamespaces and destinations are one tenant's",
    )
    .source("argo-cd.readthedocs.io/en/stable/operator-manual/app-any-namespace"),
    row(
        "infra.contrib.fluxcd.io",
        &["terraforms"],
        "tofu-controller",
    )
    .gains("reads the sources of other namespaces")
    .shown(Shown::OpenedByFlag {
        programs: &["tofu-controller", "tf-controller"],
        flag: "allow-cross-namespace-refs",
        value: "true",
    })
    .closed_by("tofu-controller runs without --allow-cross-namespace-refs")
    .source("flux-iac.github.io/tofu-controller"),
    row("kyverno.io", &["policies"], "Kyverno")
        .gains("reads objects of every namespace with Kyverno's account")
        .closed_by("Kyverno is newer than CVE-2026-22039, or no tenant may write them")
        .source("GHSA-8p9x-46gm-qfx2"),
    row(
        "policies.kyverno.io",
        &[
            "namespacedvalidatingpolicies",
            "namespacedmutatingpolicies",
            "namespacedgeneratingpolicies",
            "namespaceddeletingpolicies",
            "namespacedimagevalidatingpolicies",
        ],
        "Kyverno",
    )
    .gains("reads objects of every namespace with Kyverno's account")
    .closed_by("Kyverno is newer than CVE-2026-22039, or no tenant may write them")
    .source("GHSA-8p9x-46gm-qfx2"),
    row(
        "monitoring.coreos.com",
        &["servicemonitors", "podmonitors", "probes", "scrapeconfigs"],
        "Prometheus Operator",
    )
    .gains("sends a file of the Prometheus pod, as its token, to an endpoint of the writer's")
    .shown(Shown::ScraperDenies)
    .closed_by("each Prometheus has spec.arbitraryFSAccessThroughSMs.deny: true")
    .source("prometheus-operator.dev/docs/api-reference/api (ArbitraryFSAccessThroughSMsConfig)"),
    row(
        "operator.victoriametrics.com",
        &[
            "vmservicescrapes",
            "vmpodscrapes",
            "vmstaticscrapes",
            "vmnodescrapes",
            "vmprobes",
            "vmscrapeconfigs",
        ],
        "VictoriaMetrics Operator",
    )
    .gains("sends a file of the vmagent pod, as its token, to an endpoint of the writer's")
    .shown(Shown::ScraperDenies)
    .closed_by("each VMAgent has spec.arbitraryFSAccessThroughSMs.deny: true")
    .source("docs.victoriametrics.com/operator/api"),
    row(
        "networking.istio.io",
        &[
            "virtualservices",
            "serviceentries",
            "destinationrules",
            "gateways",
            "workloadentries",
        ],
        "Istio",
    )
    .gains("routes traffic for any host, of every namespace by default")
    .closed_by("an admission policy holds `hosts` and `exportTo` to the tenant's own namespaces")
    .source("istio.io/latest/docs/reference/config/networking/virtual-service"),
    row(
        "gateway.networking.k8s.io",
        &[
            "httproutes",
            "grpcroutes",
            "tlsroutes",
            "tcproutes",
            "udproutes",
        ],
        "a shared Gateway",
    )
    .gains("serves any host name that a listener admits")
    .closed_by(
        "no shared Gateway admits routes of tenants' namespaces, or each listener has one tenant's \
                hostname",
    )
    .source("gateway-api.sigs.k8s.io/api-types/httproute"),
    traefik("traefik.io"),
    traefik("traefik.containo.us"),
    row("projectcontour.io", &["httpproxies"], "Contour")
        .gains("serves any host name")
        .closed_by("Contour's root namespaces (--root-namespaces) are the platform's")
        .source("projectcontour.io/docs/main/config/inclusion-delegation"),
    row(
        "apisix.apache.org",
        &[
            "apisixglobalrules",
            "apisixroutes",
            "apisixtlses",
            "apisixupstreams",
        ],
        "APISIX",
    )
    .kinds(&["ApisixGlobalRule"])
    .gains("serves any host name, and adds plugins to every route")
    .closed_by(HOST_POLICY)
    .source("apisix.apache.org/docs/ingress-controller"),
    row(
        "getambassador.io",
        &["mappings", "hosts", "tcpmappings"],
        "Emissary-ingress",
    )
    .gains("serves any host name")
    .closed_by(HOST_POLICY)
    .source("emissary-ingress.dev/docs"),
    row(
        "getambassador.io",
        &[
            "authservices",
            "devportals",
            "logservices",
            "modules",
            "ratelimitservices",
            "tlscontexts",
            "tracingservices",
        ],
        "Emissary-ingress",
    )
    .kinds(&[
        "AuthService",
        "DevPortal",
        "LogService",
        "Module",
        "RateLimitService",
        "TracingService",
    ])
    .gains("configures the proxy for every host: whom it asks and tells about each request")
    .closed_by("an admission policy keeps these kinds to the platform, or AMBASSADOR_NAMESPACE is set")
    .source("emissary-ingress.dev/docs (AuthService, LogService, Module)"),
    row("http.keda.sh", &["httpscaledobjects", "interceptorroutes"], "KEDA's HTTP add-on")
        .gains("serves any host name")
        .closed_by(HOST_POLICY)
        .source("github.com/kedacore/http-add-on, docs/ref (HTTPScaledObject)"),
    row(
        "networking.internal.knative.dev",
        &["ingresses", "certificates"],
        "Knative Serving",
    )
    .gains("serves any host name, and has it certified")
    .closed_by("tenants write Services and Routes of Knative, and not what it makes of them")
    .source("github.com/knative/specs, specs/networking (KIngress)"),
    row(
        "consul.hashicorp.com",
        &[
            "exportedservices",
            "ingressgateways",
            "meshes",
            "proxydefaults",
            "servicedefaults",
            "serviceintentions",
            "serviceresolvers",
            "servicerouters",
            "servicesplitters",
            "terminatinggateways",
        ],
        "Consul on Kubernetes",
    )
    .gains("configures services of the mesh by name, whosever they are: routes and intentions")
    .closed_by("Consul Enterprise mirrors each namespace (connectInject.consulNamespaces)")
    .source("developer.hashicorp.com/consul/docs/k8s/crds"),
    row(
        "k8s.nginx.org",
        &["virtualservers", "virtualserverroutes", "transportservers"],
        "NGINX Ingress Controller",
    )
    .gains("serves any host name")
    .closed_by(HOST_POLICY)
    .source("docs.nginx.com/nginx-ingress-controller"),
    row(
        "configuration.konghq.com",
        &["tcpingresses", "udpingresses"],
        "Kong",
    )
    .gains("serves any host name and port of the proxy")
    .closed_by(HOST_POLICY)
    .source("docs.konghq.com/kubernetes-ingress-controller"),
    row("zalando.org", &["routegroups"], "Skipper")
        .gains("serves any host name")
        .closed_by(HOST_POLICY)
        .source("opensource.zalando.com/skipper/kubernetes/routegroups"),
    row(
        "serving.knative.dev",
        &["domainmappings"],
        "Knative Serving",
    )
    .gains("claims any domain for a service of the writer's")
    .closed_by("domains are claimed by the platform (autocreate-cluster-domain-claims: false)")
    .source("knative.dev/docs/serving/services/custom-domains"),
    row(
        "route.openshift.io",
        &["routes/custom-host"],
        "OpenShift's router",
    )
    .gains("serves any host name that no other namespace has claimed yet")
    .closed_by(HOST_POLICY)
    .source("OpenShift documentation, Route admission policy"),
    row(
        "networking.cfargotunnel.com",
        &["tunnelbindings"],
        "Cloudflare Operator",
    )
    .gains("publishes and serves any host name of the zone")
    .closed_by(HOST_POLICY)
    .source("github.com/adyanth/cloudflare-operator, docs (TunnelBinding, fqdn)"),
    row("ingress.k8s.ngrok.com", &["domains"], "the ngrok operator")
        .gains("serves any host name of the account")
        .closed_by(HOST_POLICY)
        .source("ngrok.com/docs/k8s/crds"),
    row(
        "ngrok.k8s.ngrok.com",
        &["agentendpoints", "cloudendpoints"],
        "the ngrok operator",
    )
    .gains("serves any host name of the account")
    .closed_by(HOST_POLICY)
    .source("ngrok.com/docs/k8s/crds"),
    row("dns.gardener.cloud", &["dnsentries"], "Gardener's DNS controller")
        .gains("publishes any DNS name of the zones that it manages")
        .closed_by(HOST_POLICY)
        .source("github.com/gardener/external-dns-management"),
    row("externaldns.k8s.io", &["dnsendpoints"], "external-dns")
        .gains("publishes any DNS name of the zones that it manages")
        .shown(Shown::OpenedByFlag {
            programs: &["external-dns"],
            flag: "source",
            value: "crd",
        })
        .closed_by("external-dns runs without --source=crd")
        .source("kubernetes-sigs.github.io/external-dns/latest/docs/sources/crd"),
    row(
        "cert-manager.io",
        &["certificates", "certificaterequests"],
        "cert-manager",
    )
    .gains("asks a ClusterIssuer for a certificate of any DNS name")
    .closed_by("approver-policy, or another admission policy, holds the names to the tenant's own")
    .source("cert-manager.io/docs/policy/approval/approver-policy"),
    row(
        "external-secrets.io",
        &["secretstores"],
        "External Secrets Operator",
    )
    .gains("fetches secrets as the operator's own cloud identity, if a store names no credentials")
    .closed_by("the operator's own service account has no cloud identity")
    .source("external-secrets.io/latest/provider/aws-access (controller's pod identity)"),
    row("kubernetes-client.io", &["externalsecrets"], "Kubernetes External Secrets")
        .gains("fetches any secret that the operator's own identity may read")
        .closed_by("the Namespace says externalsecrets.kubernetes-client.io/permitted-key-name, and the operator enforces it")
        .source("github.com/external-secrets/kubernetes-external-secrets, README (scoping access)"),
    row("onepassword.com", &["onepassworditems"], "1Password's operator")
        .gains("fetches any item that the operator's own token may read")
        .closed_by("each tenant has an operator of its own (WATCH_NAMESPACE), with a token of its own")
        .source("github.com/1Password/onepassword-operator, USAGEGUIDE.md"),
    row("ricoberger.de", &["vaultsecrets"], "ricoberger's Vault Secrets Operator")
        .gains("fetches any secret that the operator's own login may read")
        .closed_by("each VaultSecret names a role of the tenant's (vaultRole)")
        .source("github.com/ricoberger/vault-secrets-operator, README"),
    row("spv.no", &["azurekeyvaultsecrets"], "akv2k8s")
        .gains("fetches any secret that the controller's own identity may read")
        .closed_by("the controller's identity may read one tenant's vaults alone")
        .source("akv2k8s.io/reference/azure-key-vault-secret"),
    row(
        "hnc.x-k8s.io",
        &["subnamespaceanchors"],
        "the hierarchical namespace controller",
    )
    .gains("makes namespaces without the floor")
    .shown(Shown::Running {
        programs: &["hnc-manager", "hnc-controller-manager"],
        accounts: &[],
    })
    .kinds(&["SubnamespaceAnchor"])
    .closed_by("the hierarchical namespace controller does not run")
    .source("kubernetes-sigs/hierarchical-namespaces, docs/user-guide/concepts.md"),
    row("accurate.cybozu.com", &["subnamespaces"], "Accurate")
        .kinds(&["SubNamespace"])
        .gains("makes namespaces without the floor")
        .closed_by("Accurate does not run, or its templates hold the floor")
        .source("cybozu-go.github.io/accurate (SubNamespace)"),
    row(
        "policies.kubewarden.io",
        &["admissionpolicygroups"],
        "Kubewarden",
    )
    .gains("reads objects of the whole cluster with the policy server's account")
    .closed_by("Kubewarden is newer than CVE-2025-24784, or no tenant may write them")
    .source("GHSA-756x-m4mj-q96c"),
    row("kiali.io", &["kialis"], "Kiali Operator")
        .kinds(&["Kiali"])
        .gains("installs a Kiali that sees every namespace, of an image of the writer's before 1.33")
        .closed_by("Kiali Operator does not run, or watches the platform's namespace alone")
        .source("CVE-2021-3495; kiali.io/docs/configuration/kialis.kiali.io"),
    row("capsule.clastix.io", &["tenantresources"], "Capsule")
        .gains("replicates objects, of the whole cluster before 0.13")
        .closed_by("Capsule is newer than CVE-2026-22872, or no tenant may write them")
        .source("GHSA-qjjm-7j9w-pw72"),
    row("keda.sh", &["scaledobjects", "scaledjobs"], "KEDA")
        .gains("reads the credentials of a ClusterTriggerAuthentication")
        .shown(Shown::WithObject("ClusterTriggerAuthentication"))
        .closed_by("the cluster has no ClusterTriggerAuthentication")
        .source("keda.sh/docs/latest/concepts/authentication"),
    row("aadpodidentity.k8s.io", &["*"], "AAD Pod Identity")
        .gains("lets chosen pods ask the metadata service (169.254.169.254) for another identity")
        .closed_by(
            "AAD Pod Identity does not run, or namespaced mode holds identities to one namespace",
        )
        .source("azure.github.io/aad-pod-identity/docs/configure/match_pods_in_namespace"),
    row("*.m.crossplane.io", &["*"], "a Crossplane provider")
        .gains("acts with the account of the provider that the object names")
        .closed_by(
            "each tenant has a ProviderConfig of its own, and no ClusterProviderConfig is there",
        )
        .source("docs.crossplane.io/latest/managed-resources"),
    row("*.m.upbound.io", &["*"], "a Crossplane provider")
        .gains("acts with the cloud identity of the provider that the object names")
        .closed_by(
            "each tenant has a ProviderConfig of its own, and no ClusterProviderConfig is there",
        )
        .source("docs.crossplane.io/latest/managed-resources"),
    row(
        "*.services.k8s.aws",
        &["*"],
        "AWS Controllers for Kubernetes",
    )
    .gains("makes and adopts AWS resources with the controller's own IAM role")
    .closed_by("ACK takes one IAM role for each namespace (CARM)")
    .source(
        "aws-controllers-k8s.github.io/community/docs/user-docs/cross-account-resource-management",
    ),
    row("*.cnrm.cloud.google.com", &["*"], "Config Connector")
        .gains("makes and acquires Google Cloud resources with the controller's own identity")
        .closed_by("Config Connector runs in namespaced mode, with one identity for each namespace")
        .source("cloud.google.com/config-connector/docs/how-to/install-namespaced"),
    row("oci.oracle.com", &["*"], "OCI Service Operator")
        .gains("makes and binds Oracle Cloud resources with the operator's own identity")
        .closed_by("the operator's identity may use the tenant's own compartment alone")
        .source("github.com/oracle/oci-service-operator, docs"),
    row(
        "atlas.mongodb.com",
        &["atlasprojects", "atlasdeployments", "atlasdatabaseusers"],
        "MongoDB Atlas Operator",
    )
    .gains("acts in every project of the organization with the operator's own API key")
    .closed_by("the operator has no global key, and each AtlasProject names a Secret of its own")
    .source("mongodb.com/docs/atlas/operator (connectionSecretRef, global API key)"),
    row("db.movetokube.com", &["postgres", "postgresusers"], "postgres-operator of movetokube")
        .gains("makes databases and users of any name on the shared server, as its superuser")
        .closed_by("each tenant has a server, and an operator, of its own")
        .source("github.com/movetokube/postgres-operator"),
    row(
        "mysql.presslabs.org",
        &["mysqldatabases", "mysqlusers"],
        "Bitpoke's MySQL Operator",
    )
    .gains("makes users and databases in the cluster of any namespace (clusterRef)")
    .closed_by("the operator watches the namespaces of one tenant alone")
    .source("github.com/bitpoke/mysql-operator, docs (MysqlUser, clusterRef)"),
    row(
        "postgresql.easymile.com",
        &["postgresqldatabases", "postgresqluserroles", "postgresqlpublications"],
        "EasyMile's postgresql-operator",
    )
    .gains("names the engine of any namespace, and acts there as its administrator")
    .closed_by("the operator watches the namespaces of one tenant alone (--watch-namespaces)")
    .source("github.com/EasyMile/postgresql-operator, docs/crds"),
    row("*.azure.com", &["*"], "Azure Service Operator")
        .gains("makes and adopts Azure resources with the operator's own identity")
        .closed_by("each namespace has a credential of its own (aso-credential)")
        .source("azure.github.io/azure-service-operator/guide/authentication"),
    row(
        "infrastructure.cluster.x-k8s.io",
        &["*"],
        "a Cluster API provider",
    )
    .gains("makes machines with the provider's own cloud identity")
    .closed_by("each namespace has a cluster identity of its own")
    .source("cluster-api-aws.sigs.k8s.io/topics/multitenancy"),
    row(
        "source.toolkit.fluxcd.io",
        &["buckets", "ocirepositories"],
        "source-controller",
    )
    .gains(
        "reads buckets and registries as the controller's own cloud identity, if an object names a \
            provider and no account",
    )
    .closed_by("source-controller has no cloud identity of its own")
    .source("fluxcd.io/flux/components/source/buckets"),
    row(
        "image.toolkit.fluxcd.io",
        &["imagerepositories"],
        "image-reflector-controller",
    )
    .gains(
        "reads registries as the controller's own cloud identity, if an object names a provider \
                and no account",
    )
    .closed_by("image-reflector-controller has no cloud identity of its own")
    .source("fluxcd.io/flux/components/image/imagerepositories"),
    row("gateway.solo.io", &["virtualservices"], "Gloo Gateway")
        .gains("serves any host name")
        .closed_by(HOST_POLICY)
        .source("docs.solo.io/gloo-edge/latest/reference/api (VirtualHost)"),
    row("ingress.v3.haproxy.org", &["tcps"], "HAProxy Kubernetes Ingress Controller")
        .gains("binds any address and port of the proxy")
        .closed_by(HOST_POLICY)
        .source("haproxy.com/documentation/kubernetes-ingress (TCP custom resource)"),
    row(
        "elbv2.k8s.aws",
        &["targetgroupbindings"],
        "AWS Load Balancer Controller",
    )
    .gains("registers pods of the writer's with any target group, those of others' load balancers included")
    .closed_by("an admission policy holds targetGroupARN to the tenant's own")
    .source("kubernetes-sigs.github.io/aws-load-balancer-controller, TargetGroupBinding"),
    row(
        "vpcresources.k8s.aws",
        &["securitygrouppolicies"],
        "the VPC resource controller of EKS",
    )
    .gains("gives pods of the writer's any security group, and with it what that group may reach")
    .closed_by("security groups for pods are off, or no tenant may write them")
    .source("docs.aws.amazon.com/eks/latest/userguide/security-groups-for-pods.html"),
    row(
        "acme.cert-manager.io",
        &["orders", "challenges"],
        "cert-manager",
    )
    .gains("solves challenges for any DNS name with the credentials of a ClusterIssuer")
    .closed_by("no tenant may write them: Certificates make them")
    .source("cert-manager.io/docs/concepts/acme-orders-challenges"),
    row(
        "*.k8s.elastic.co",
        &[
            "kibanas",
            "apmservers",
            "beats",
            "agents",
            "enterprisesearches",
            "elasticmapsservers",
            "logstashes",
            "elasticsearches",
        ],
        "Elastic Cloud on Kubernetes",
    )
    .gains("connects to an Elasticsearch of any namespace, with a user that it makes there")
    .shown(Shown::ClosedByFlag {
        programs: &["eck-operator", "elastic-operator"],
        flag: "enforce-rbac-on-refs",
    })
    .closed_by("the operator runs with --enforce-rbac-on-refs")
    .source("elastic.co/docs/deploy-manage/deploy/cloud-on-k8s/restrict-cross-namespace-resource-associations"),
    row(
        "grafana.integreatly.org",
        &[
            "grafanadashboards",
            "grafanadatasources",
            "grafanafolders",
            "grafanaalertrulegroups",
            "grafanacontactpoints",
            "grafananotificationpolicies",
        ],
        "Grafana Operator",
    )
    .gains("changes Grafanas of other namespaces, if an object says allowCrossNamespaceImport")
    .closed_by("Grafana Operator watches one tenant's namespaces only (WATCH_NAMESPACE)")
    .source("grafana.github.io/grafana-operator/docs/api (allowCrossNamespaceImport)"),
    row(
        "k8s.mariadb.com",
        &["users", "grants", "databases", "backups", "restores", "sqljobs"],
        "MariaDB Operator",
    )
    .gains("acts as root on the MariaDB of any namespace that the object names (mariaDbRef)")
    .closed_by("MariaDB Operator watches one tenant's namespaces only")
    .source("github.com/mariadb-operator/mariadb-operator, docs/api_reference.md (MariaDBRef)"),
    row(
        "gitops.kluctl.io",
        &["kluctldeployments"],
        "kluctl-controller",
    )
    .gains("applies a KluctlDeployment without serviceAccountName as cluster-admin")
    .shown(Shown::ClosedByFlag {
        programs: &["kluctl-controller"],
        flag: "default-service-account",
    })
    .closed_by("kluctl-controller runs with --default-service-account")
    .source("kluctl.io/docs/gitops/spec/v1beta1/kluctldeployment"),
];

//! The kinds that act as their operator: who may write one may have what the operator does.
//!
//! One table. A row says what a tenant gains by writing an object in its own namespace, how the
//! inputs show whether the operator lets it, and where that is documented. Kinds that act in their
//! own namespace alone (Tekton, Argo Workflows, KubeVirt, databases) have no row.

use crate::graph::operator::Operator;
use crate::graph::rbac::PolicyRule;
use crate::graph::rbac::Subject;
use crate::graph::{Cluster, Owner};
use crate::isolation::grade;
use crate::source::Span;

/// Kinds of one operator, by which a tenant reaches beyond its own namespaces.
#[derive(Debug)]
pub struct OperatorKind {
    /// The API group; `*.` at its start stands for every group with this suffix.
    pub group: &'static str,
    /// The resources whose writing is enough, as in rules of RBAC; `*` stands for all.
    pub resources: &'static [&'static str],
    /// The kinds of which an object in a tenant's namespace is a way by itself. For other kinds it
    /// depends on what the object says.
    pub kinds: &'static [&'static str],
    /// The operator.
    pub operator: &'static str,
    /// What it does for whoever writes one, as a predicate.
    pub gains: &'static str,
    /// How the inputs show whether it lets a tenant do so.
    pub shown: Shown,
    /// What closes it, as a clause of a fix.
    pub closed_by: &'static str,
    /// Where that is documented.
    pub source: &'static str,
}

/// How the inputs show whether an operator is open.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// Not at all: it rests on an assumption.
    Never,
    /// It is open if it runs: as one of these programs, or with one of these service accounts bound in
    /// the whole cluster.
    Running {
        /// The programs.
        programs: &'static [&'static str],
        /// The names of the accounts.
        accounts: &'static [&'static str],
    },
    /// It is open if it runs without a flag.
    ClosedByFlag {
        /// The programs.
        programs: &'static [&'static str],
        /// The flag, without dashes.
        flag: &'static str,
    },
    /// It is closed if Flux's controller is shown with this flag; `gitops/lockdown` is about one that
    /// is shown without.
    FluxFlag {
        /// The controller.
        controller: &'static str,
        /// The flag, without dashes.
        flag: &'static str,
    },
    /// It is open if the cluster has an object of this kind of the same group, and closed otherwise.
    WithObject(&'static str),
    /// It is closed if each Prometheus, or agent like it, refuses that monitors name its files.
    ScraperDenies,
    /// It is closed unless it runs with a flag.
    OpenedByFlag {
        /// The programs.
        programs: &'static [&'static str],
        /// The flag, without dashes.
        flag: &'static str,
        /// A value of the flag that opens it.
        value: &'static str,
    },
}

/// Whether the inputs show an operator open.
#[derive(Clone, Copy, Debug)]
pub enum Standing {
    /// It is open: where that is shown, and how.
    Open(Span, &'static str),
    /// It is closed.
    Closed,
    /// The inputs do not show it.
    Unknown,
}

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
        &["apisixroutes", "apisixtlses", "apisixupstreams"],
        "APISIX",
    )
    .gains("serves any host name")
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
];

const WRITE: [&str; 3] = ["create", "update", "patch"];

impl OperatorKind {
    /// The resources of the row that a rule lets a subject write. `wild` counts rules for every group.
    fn written_by(&self, rule: &PolicyRule, wild: bool) -> Vec<&'static str> {
        let groups = rule.groups.iter();
        let named = groups.filter(|group| self.is_of(group) || wild && *group == "*");
        if named.count() == 0 {
            return Vec::new();
        }

        let writes = |resource: &str| {
            let (name, sub) = resource.split_once('/').unwrap_or((resource, ""));
            let matches = rule
                .resources
                .iter()
                .any(|of_rule| match of_rule.split_once('/') {
                    _ if of_rule == "*" || resource == "*" => true,
                    None => sub.is_empty() && of_rule == name,
                    Some((own, of_sub)) => {
                        (own == "*" || own == name) && of_sub == sub && !sub.is_empty()
                    }
                });
            matches
                && WRITE
                    .iter()
                    .any(|verb| rule.verbs.iter().any(|v| v == "*" || v == verb))
        };
        let resources = self.resources.iter().copied();
        resources.filter(|resource| writes(resource)).collect()
    }

    /// Whether a group is of the row.
    pub fn is_of(&self, group: &str) -> bool {
        match self.group.strip_prefix('*') {
            Some(suffix) => group.ends_with(suffix),
            None => group == self.group,
        }
    }

    /// The place of a controller of Flux that the inputs show without the flag of the row.
    pub fn shown_without_flag(&self, cluster: &Cluster) -> Option<Span> {
        let Shown::FluxFlag { controller, flag } = self.shown else {
            return None;
        };
        let started = || cluster.facts.gitops.controllers.iter();
        let mut sets = started().filter(|one| one.runs(controller) || one.patches(controller));
        if sets.any(|one| one.sets(flag)) {
            return None;
        }
        let shown = started().find(|one| one.runs(controller))?;
        Some(shown.origin.span)
    }

    /// Whether the inputs show the operator open.
    fn standing(&self, cluster: &Cluster) -> Standing {
        match self.shown {
            Shown::Never => Standing::Unknown,
            Shown::Running { programs, accounts } => running(cluster, programs, accounts),
            Shown::ScraperDenies => {
                let of_group = cluster.facts.scrapers.iter();
                let mut scrapers = of_group
                    .filter(|(object, _)| self.is_of(&object.id.group))
                    .peekable();
                if scrapers.peek().is_none() {
                    return Standing::Unknown;
                }
                let open = scrapers.find(|(_, denies)| !denies);
                open.map_or(Standing::Closed, |(object, _)| {
                    Standing::Open(
                        object.origin.span,
                        "it does not refuse that monitors name its files",
                    )
                })
            }
            Shown::FluxFlag { controller, flag } => {
                let mut started = cluster.facts.gitops.controllers.iter();
                let sets = started.any(|started| {
                    let is_its = started.runs(controller) || started.patches(controller);
                    is_its && started.sets(flag)
                });
                match sets {
                    true => Standing::Closed,
                    false => Standing::Unknown,
                }
            }
            Shown::WithObject(kind) => {
                let mut objects = cluster.facts.objects.iter();
                let found =
                    objects.find(|object| object.id.kind == kind && self.is_of(&object.id.group));
                found.map_or(Standing::Closed, |object| {
                    Standing::Open(object.origin.span, "it is there")
                })
            }
            Shown::ClosedByFlag { programs, flag } => {
                let mut standing = Standing::Unknown;
                for operator in operators(cluster, programs) {
                    let value = operator.flag(flag).map(|(value, _)| value);
                    match value {
                        None | Some("" | "false" | "f" | "0") => {
                            return Standing::Open(
                                operator.origin.span,
                                "it runs without the flag",
                            );
                        }
                        Some(_) => standing = Standing::Closed,
                    }
                }
                standing
            }
            Shown::OpenedByFlag {
                programs,
                flag,
                value,
            } => {
                let mut standing = Standing::Unknown;
                for operator in operators(cluster, programs) {
                    let mut set = operator.args.iter();
                    let opening = format!("--{flag}={value}");
                    if set.any(|(arg, _)| *arg == opening) {
                        return Standing::Open(operator.origin.span, "it runs with the flag");
                    }
                    standing = Standing::Closed;
                }
                standing
            }
        }
    }
}

/// Whether the inputs show each operator of the table open.
pub struct Standings(Vec<Standing>);

impl Standings {
    /// Looks for every operator once.
    pub fn new(cluster: &Cluster) -> Self {
        let rows = OPERATOR_KINDS.iter();
        Self(rows.map(|row| row.standing(cluster)).collect())
    }

    /// The standing of the operator of a row.
    pub fn of(&self, row: &OperatorKind) -> Standing {
        let mut rows = OPERATOR_KINDS.iter().zip(&self.0);
        let found = rows.find(|(other, _)| std::ptr::eq(*other, row));
        found.map_or(Standing::Unknown, |(_, standing)| *standing)
    }
}

/// The workloads of the platform that run one of some programs.
fn operators<'a>(
    cluster: &'a Cluster,
    programs: &'a [&'static str],
) -> impl Iterator<Item = &'a Operator> {
    cluster.facts.operators.iter().filter(move |operator| {
        programs.contains(&operator.program)
            && cluster.owner(&operator.id.namespace) == Owner::Platform
    })
}

/// Whether one of some programs runs, or one of some accounts is bound in the whole cluster.
fn running(cluster: &Cluster, programs: &[&'static str], accounts: &[&str]) -> Standing {
    if let Some(operator) = operators(cluster, programs).next() {
        return Standing::Open(operator.origin.span, "it runs");
    }

    let powerful = cluster.rbac.bindings.iter().find(|binding| {
        let is_account = |subject: &&Subject| match subject {
            Subject::ServiceAccount(_, name) => accounts.contains(&name.as_str()),
            Subject::User(_) | Subject::Group(_) => false,
        };
        let mut subjects = binding.subjects.iter().map(|(subject, _)| subject);
        let (Some(account), Some(role)) = (subjects.find(is_account), cluster.rbac.role(binding))
        else {
            return false;
        };
        binding.id.namespace.is_empty() && grade::is_full(cluster, account, &role.rules)
    });
    powerful.map_or(Standing::Unknown, |binding| {
        Standing::Open(
            binding.origin.span,
            "its account is bound in the whole cluster",
        )
    })
}

/// The rows of which some rules let a subject write a resource, each with the resources and the rule.
/// A rule for every group and every resource is left to [`writes_every_kind`].
pub fn written(
    rules: &[PolicyRule],
    wild: bool,
) -> Vec<(&'static OperatorKind, Vec<&'static str>, &PolicyRule)> {
    let mut found = Vec::new();
    for row in OPERATOR_KINDS {
        let given = rules.iter().find_map(|rule| {
            let resources = row.written_by(rule, wild);
            (!resources.is_empty()).then_some((resources, rule))
        });
        found.extend(given.map(|(resources, rule)| (row, resources, rule)));
    }
    found
}

/// Whether some rules let a subject write every kind of its namespace.
pub fn writes_every_kind(rules: &[PolicyRule]) -> bool {
    rules.iter().any(|rule| {
        rule.groups.iter().any(|group| group == "*")
            && rule.resources.iter().any(|resource| resource == "*")
            && rule
                .verbs
                .iter()
                .any(|verb| verb == "*" || WRITE.contains(&verb.as_str()))
    })
}

/// The row by which an object in a tenant's namespace is a way by itself.
pub fn acting(group: &str, kind: &str) -> Option<&'static OperatorKind> {
    OPERATOR_KINDS
        .iter()
        .find(|row| row.kinds.contains(&kind) && row.is_of(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::operator::PROGRAMS;

    #[test]
    fn each_row_says_everything() {
        for row in OPERATOR_KINDS {
            let texts = [row.operator, row.gains, row.closed_by, row.source];
            assert!(texts.iter().all(|text| !text.is_empty()), "{}", row.group);
            assert!(!row.resources.is_empty(), "{}", row.group);
        }
    }

    #[test]
    fn each_program_is_read() {
        for row in OPERATOR_KINDS {
            let programs = match row.shown {
                Shown::Never
                | Shown::ScraperDenies
                | Shown::FluxFlag { .. }
                | Shown::WithObject(_) => &[][..],
                Shown::Running { programs, .. }
                | Shown::ClosedByFlag { programs, .. }
                | Shown::OpenedByFlag { programs, .. } => programs,
            };
            for program in programs {
                assert!(PROGRAMS.contains(program), "{program}");
            }
        }
    }

    #[test]
    fn every_row_needs_a_write_of_its_own_group() {
        for row in OPERATOR_KINDS {
            let group = row.group.replace("*.", "example.");
            for resource in row.resources {
                let resource = if *resource == "*" { "things" } else { resource };
                let rule = |verb: &str, group: &str| PolicyRule {
                    verbs: vec![verb.into()],
                    groups: vec![group.into()],
                    resources: vec![resource.into()],
                    ..PolicyRule::default()
                };
                assert!(
                    !row.written_by(&rule("patch", &group), false).is_empty(),
                    "{group}"
                );
                assert!(
                    row.written_by(&rule("list", &group), false).is_empty(),
                    "{group}"
                );
                assert!(
                    row.written_by(&rule("create", "example.org"), false)
                        .is_empty()
                );
                assert!(row.written_by(&rule("create", "*"), false).is_empty());
                assert!(!row.written_by(&rule("create", "*"), true).is_empty());
            }
        }
    }
}

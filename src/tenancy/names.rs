//! Names and metadata: what is reserved, and what a tenant may put on its namespaces.

use crate::delivery::{ClusterEngine, ENGINES, argo, reads_metadata};
use crate::diagnostic::{Diagnostic, rule};
use crate::source::Span;
use crate::spec::fleet::{AllowedMetadata, FleetSpec};
use crate::spec::tenant::{Annotations, Labels};

rule! {
    /// A tenant or a namespace has a name that belongs to somebody else.
    ///
    /// ## What it finds
    /// Kubernetes' and Flux's namespaces, `default`, the fleet's platform namespaces and reserved
    /// names, and `admin` and `readonly` (Argo CD's built-in roles).
    pub static RESERVED_NAME = "tenancy/reserved-name", Error;
}
rule! {
    /// A label or annotation whose key a controller reads.
    ///
    /// ## Why it matters
    /// Whoever sets it steers the controller: `pod-security.kubernetes.io/enforce` lowers the pod
    /// floor, `istio-injection` leaves the mesh, `kustomize.toolkit.fluxcd.io/reconcile: disabled`
    /// freezes drift. See CVE-2024-39690 (Capsule, labels) and CVE-2024-13484 (OpenShift,
    /// cluster-monitoring).
    /// ## Fix
    /// Remove it. What it should bring about is a field of the spec, or the platform's to do.
    pub static RESERVED_METADATA = "tenancy/reserved-metadata", Error;
}
rule! {
    /// A label or annotation that fleet.tenantMetadata does not list.
    /// ## Fix
    /// Remove it, or add its key, or a prefix that ends in `/`, to fleet.tenantMetadata.
    pub static METADATA_NOT_ALLOWED = "tenancy/metadata-not-allowed", Error;
}
rule! {
    /// A name that is made of several others is too long, or not a name at all.
    ///
    /// ## Why it matters
    /// The API server refuses it, after the commit. A label value has 63 characters, and Flux puts
    /// its Kustomization's name into one.
    pub static DERIVED_NAME = "tenancy/derived-name", Error;
}

static RESERVED: [&str; 10] = [
    "kustomization",
    "fleet",
    "openshift",
    "default",
    "admin",
    "readonly",
    argo::NAMESPACE,
    "kube-system",
    "kube-public",
    "kube-node-lease",
];
static RESERVED_PREFIXES: [&str; 2] = ["kube-", "openshift-"];

/// Whose a name is, if not a tenant's.
pub fn reserved(fleet: &FleetSpec, name: &str) -> Option<String> {
    let is_engine = |name: &str| ENGINES.iter().any(|engine| engine.namespace == name);
    if RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || is_engine(name)
    {
        return Some("Kubernetes or its controllers".into());
    }

    if fleet
        .reserved
        .iter()
        .flatten()
        .any(|one| one.as_str() == name)
    {
        return Some("the fleet (reserved)".into());
    }
    fleet.clusters.iter().find_map(|cluster| {
        let dns = cluster.dns.as_ref().and_then(|dns| dns.namespace.as_ref());
        let own = dns.is_some_and(|namespace| namespace.as_str() == name)
            || cluster
                .platform_namespaces
                .iter()
                .flatten()
                .any(|namespace| namespace.as_str() == name)
            || cluster.endpoints.iter().flatten().any(|endpoint| {
                endpoint
                    .namespace
                    .as_ref()
                    .is_some_and(|namespace| namespace.as_str() == name)
            })
            || ClusterEngine::new(fleet, cluster).namespace() == name;
        own.then(|| format!("the platform of {}", cluster.name.value))
    })
}

/// Keys and prefixes of metadata that controllers read, besides the engines' own.
static CONTROLLER_KEYS: [&str; 24] = [
    "tenantry.dev/",
    "istio-injection",
    "istio.io/",
    "linkerd.io/",
    "admission.gatekeeper.sh/",
    "policies.kyverno.io/",
    "openshift.io/",
    "field.cattle.io/",
    argo::METADATA_PREFIX,
    "helm.sh/",
    "meta.helm.sh/",
    "capsule.clastix.io/",
    "projectcapsule.dev/",
    "kubesphere.io/",
    "eks.amazonaws.com/",
    "iam.amazonaws.com/",
    "iam.gke.io/",
    "azure.workload.identity/",
    "cilium.io/",
    "projectcalico.org/",
    "cni.projectcalico.org/",
    "stakater.com/",
    "management.cattle.io/",
    "cnrm.cloud.google.com/",
];
static CONTROLLER_DOMAINS: [&str; 3] = ["kubernetes.io", "k8s.io", "openshift.io"];

/// Whether a controller reads a key, so that a tenant must not set it.
pub fn controller_reads(key: &str) -> bool {
    let prefix = key.split_once('/').map(|(p, _)| p);
    let domain = prefix.is_some_and(|domain| {
        CONTROLLER_DOMAINS.iter().any(|known| {
            domain == *known
                || domain
                    .strip_suffix(known)
                    .is_some_and(|rest| rest.ends_with('.'))
        })
    });
    domain
        || reads_metadata(key)
        || CONTROLLER_KEYS.iter().any(|known| {
            if known.ends_with('/') {
                key.starts_with(known)
            } else {
                key == *known
            }
        })
}

/// Which kind of metadata a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataField {
    /// A label.
    Label,
    /// An annotation.
    Annotation,
}

/// Reports labels and annotations that a tenant may not set.
pub fn check_metadata(
    allowed: Option<&AllowedMetadata>,
    labels: Option<&Labels>,
    annotations: Option<&Annotations>,
    out: &mut Vec<Diagnostic>,
) {
    let labels = labels.into_iter().flatten();
    let labels = labels.map(|(key, value)| (key.as_str(), value.key));
    check_keys(allowed, MetadataField::Label, labels, out);

    let annotations = annotations.into_iter().flatten();
    let annotations = annotations.map(|(key, value)| (key.as_str(), value.key));
    check_keys(allowed, MetadataField::Annotation, annotations, out);
}

fn check_keys<'a>(
    allowed: Option<&AllowedMetadata>,
    kind: MetadataField,
    keys: impl Iterator<Item = (&'a str, Span)>,
    out: &mut Vec<Diagnostic>,
) {
    let (list, what) = match kind {
        MetadataField::Label => (allowed.and_then(|allowed| allowed.labels.as_ref()), "label"),
        MetadataField::Annotation => (
            allowed.and_then(|allowed| allowed.annotations.as_ref()),
            "annotation",
        ),
    };
    for (key, span) in keys {
        if controller_reads(key) {
            let message = format!("the {what} `{key}` belongs to a controller");
            let fix = "remove it; what it should bring about is a field of the spec, or the platform's to do";
            out.push(Diagnostic::new(&RESERVED_METADATA, span, message).fix(fix));
            continue;
        }

        let ok = list.is_some_and(|list| {
            list.iter().any(|entry| {
                if entry.ends_with(['/', '.']) {
                    key.starts_with(entry.as_str())
                } else {
                    key == entry.as_str()
                }
            })
        });

        if !ok {
            let message =
                format!("the {what} `{key}` is not among the fleet's tenantMetadata.{what}s");
            let fix =
                "remove it, or add its key, or a prefix that ends in `/`, to fleet.tenantMetadata";
            out.push(Diagnostic::new(&METADATA_NOT_ALLOWED, span, message).fix(fix));
        }
    }
}

//! The reader of objects for which a program acts with an identity of its own, or of another.

use super::{Facts, ObjectRef};
use crate::document::{TreeValue, View};
use crate::graph::identity::{BorrowedIdentity, IdentityAssociation, Lender, SharedIdentity};
use crate::kube::labels::{Selector, at, is_true, text};
use crate::source::Span;
use crate::value::Text;

/// Reads what an object of any kind borrows, besides what its reader reads. Returns whether the kind
/// is read here alone.
pub fn read<T: TreeValue>(facts: &mut Facts, object: &ObjectRef, node: &T) -> bool {
    let mut reader = Reader { facts, object };
    if object.id.group.is_empty() && object.id.kind == "Namespace" {
        reader.any_role(node);
    }
    let Some(spec) = node.member("spec") else {
        return false;
    };
    reader.annotated_pods(node, spec);

    match (&*object.id.group, &*object.id.kind) {
        (
            "source.toolkit.fluxcd.io",
            "Bucket" | "OCIRepository" | "HelmRepository" | "GitRepository",
        ) => {
            reader.flux_source(spec, "source-controller");
        }
        ("image.toolkit.fluxcd.io", "ImageRepository") => {
            reader.flux_source(spec, "image-reflector-controller");
        }
        ("kustomize.toolkit.fluxcd.io", "Kustomization") => reader.decryption(spec),
        ("notification.toolkit.fluxcd.io", "Provider") => reader.flux_provider(spec),
        ("external-secrets.io", "SecretStore" | "ClusterSecretStore") => reader.store(spec),
        ("kyverno.io" | "policies.kyverno.io", _) => reader.kyverno(spec),
        ("monitoring.coreos.com" | "operator.victoriametrics.com", kind) => {
            return reader.scraper(kind, spec);
        }
        ("gitops.kluctl.io", "KluctlDeployment") => reader.kluctl(spec),
        _ => return read_cloud(&mut reader, spec),
    }
    false
}

/// Reads what an object of a cloud borrows or associates. Returns whether the kind is read here alone.
fn read_cloud<T: TreeValue>(reader: &mut Reader<'_>, spec: &T) -> bool {
    let object = reader.object;
    match (&*object.id.group, &*object.id.kind) {
        ("aadpodidentity.k8s.io", "AzurePodIdentityException") => {
            reader.borrow(
                Lender::Node,
                "lets its pods ask the metadata service (169.254.169.254)",
                None,
            );
            return true;
        }
        ("core.cnrm.cloud.google.com", "ConfigConnectorContext") => {
            let identity = text(Some(spec), "googleServiceAccount");
            let namespace = reader.object.id.namespace.clone();
            reader.associate(namespace, "Config Connector", identity);
            return true;
        }
        ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => reader.provider_class(spec),
        ("spire.spiffe.io", "ClusterSPIFFEID") => {
            reader.spiffe_id(spec);
            return true;
        }
        ("aadpodidentity.k8s.io", "AzureIdentity") => {
            let identity = text(Some(spec), "resourceID").or_else(|| text(Some(spec), "clientID"));
            let namespace = reader.object.id.namespace.clone();
            reader.associate(namespace, "AAD Pod Identity", identity);
            return true;
        }
        ("iam.cnrm.cloud.google.com", "IAMPolicyMember") => {
            reader.workload_identity(spec);
            reader.borrow(Lender::Program("Config Connector"), GRANTS, None);
            return true;
        }
        (
            "iam.cnrm.cloud.google.com",
            "IAMPolicy" | "IAMPartialPolicy" | "IAMServiceAccountKey",
        ) => {
            reader.borrow(Lender::Program("Config Connector"), GRANTS, None);
        }
        ("iam.services.k8s.aws", _) => {
            reader.borrow(
                Lender::Program("AWS Controllers for Kubernetes"),
                GRANTS,
                None,
            );
        }
        ("services.k8s.aws", "AdoptedResource") => {
            let lender = Lender::Program("AWS Controllers for Kubernetes");
            reader.borrow(lender, "takes over a resource of the cloud", None);
        }
        (
            "iam.aws.m.upbound.io"
            | "cloudplatform.gcp.m.upbound.io"
            | "authorization.azure.m.upbound.io",
            _,
        ) => {
            reader.borrow(Lender::Program("a Crossplane provider"), GRANTS, None);
        }
        (group, "PodIdentityAssociation") if group.contains("eks.") => {
            reader.pod_identity(spec);
            return true;
        }
        _ => {}
    }
    false
}

/// What an object of a cloud's access management does.
const GRANTS: &str = "grants rights in the cloud";

/// Text fields of a pod's or a scrape's configuration that name files of the scraper.
const FILES: [&str; 5] = [
    "bearerTokenFile",
    "caFile",
    "certFile",
    "keyFile",
    "credentialsFile",
];

struct Reader<'f> {
    facts: &'f mut Facts,
    object: &'f ObjectRef,
}

impl Reader<'_> {
    fn borrow(&mut self, lender: Lender, acts: &'static str, span: Option<Span>) {
        self.facts.borrowed_identities.push(BorrowedIdentity {
            id: self.object.id.clone(),
            lender,
            acts,
            span,
            origin: self.object.origin,
        });
    }

    /// The role of AWS that the annotations of pods ask a proxy of the metadata service for, and the
    /// identity of Azure that their label chooses.
    ///
    /// Source: github.com/jtblin/kube2iam, github.com/uswitch/kiam, azure.github.io/aad-pod-identity.
    fn annotated_pods<T: TreeValue>(&mut self, node: &T, spec: &T) {
        let pod = match (&*self.object.id.group, &*self.object.id.kind) {
            ("", "Pod") => Some(node),
            ("batch", "CronJob") => at(spec, &["jobTemplate", "spec", "template"]),
            ("" | "apps" | "batch", _) => spec.member("template"),
            _ => None,
        };
        let annotations = pod.and_then(|pod| at(pod, &["metadata", "annotations"]));
        let role = text(annotations, "iam.amazonaws.com/role");
        let namespace = self.object.id.namespace.clone();
        self.associate(namespace.clone(), "iam.amazonaws.com/role of pods", role);

        let labels = pod.and_then(|pod| at(pod, &["metadata", "labels"]));
        let binding = text(labels, "aadpodidbinding");
        self.associate(namespace, "aadpodidbinding of pods", binding);
    }

    /// The annotation of a Namespace that lets its pods take every role of AWS.
    ///
    /// Source: github.com/uswitch/kiam (permitted, an expression), github.com/jtblin/kube2iam
    /// (allowed-roles, a list of patterns).
    fn any_role<T: TreeValue>(&mut self, node: &T) {
        const EVERY: [&str; 5] = [".*", "^.*$", ".+", "^.+$", "*"];
        let annotations = at(node, &["metadata", "annotations"]);
        let permitted = text(annotations, "iam.amazonaws.com/permitted");
        let allowed = text(annotations, "iam.amazonaws.com/allowed-roles");

        let every = permitted.is_some_and(|pattern| EVERY.contains(&pattern.as_str()))
            || allowed.is_some_and(|list| list.contains("\"*\""));
        if every {
            let acts = "lets its pods take every role of AWS (iam.amazonaws.com)";
            self.borrow(Lender::Program("kiam or kube2iam"), acts, None);
        }
    }

    /// A source with a cloud provider, and neither an account nor a Secret of its own.
    ///
    /// Source: fluxcd.io/flux/components/source/buckets, Provider.
    fn flux_source<T: TreeValue>(&mut self, spec: &T, controller: &'static str) {
        let provider = text(Some(spec), "provider").unwrap_or_default();
        let has = |key: &str| spec.member(key).is_some();
        let of_cloud = ["aws", "gcp", "azure"].contains(&provider.as_str());
        if of_cloud && !has("serviceAccountName") && !has("secretRef") {
            let span = spec.member("provider").and_then(TreeValue::span);
            let acts = "reads what it names";
            self.borrow(Lender::FluxController(controller), acts, span);
        }
    }

    /// Decryption without keys of its own.
    ///
    /// Source: fluxcd.io/flux/components/kustomize/kustomizations, Decryption.
    fn decryption<T: TreeValue>(&mut self, spec: &T) {
        let Some(decryption) = spec.member("decryption") else {
            return;
        };
        let has = |key: &str| decryption.member(key).is_some();
        if !has("secretRef") && !has("serviceAccountName") {
            let acts = "decrypts what it applies";
            let lender = Lender::FluxController("kustomize-controller");
            self.borrow(lender, acts, decryption.span());
        }
    }

    /// A deployment of kluctl that names no account.
    ///
    /// Source: kluctl.io/docs/gitops/spec/v1beta1/kluctldeployment, serviceAccountName.
    fn kluctl<T: TreeValue>(&mut self, spec: &T) {
        if text(Some(spec), "serviceAccountName").is_none_or(|name| name.is_empty()) {
            let lender = Lender::Program("kluctl-controller");
            self.borrow(lender, "applies what its source holds", None);
        }
    }

    /// A notification to a cloud without a Secret or an account.
    fn flux_provider<T: TreeValue>(&mut self, spec: &T) {
        let kind = text(Some(spec), "type").unwrap_or_default();
        let has = |key: &str| spec.member(key).is_some();
        let of_cloud = ["azuredevops", "azureeventhub", "googlepubsub"].contains(&kind.as_str());
        if of_cloud && !has("secretRef") && !has("serviceAccountName") {
            let span = spec.member("type").and_then(TreeValue::span);
            let lender = Lender::FluxController("notification-controller");
            self.borrow(lender, "sends messages", span);
        }
    }

    /// A store of secrets that logs in as the operator, or as a service account.
    ///
    /// Source: external-secrets.io/latest/provider/aws-access.
    fn store<T: TreeValue>(&mut self, spec: &T) {
        let Some(provider) = spec.member("provider") else {
            return;
        };
        let namespaced = !self.object.id.namespace.is_empty();
        let mut accounts = Vec::new();
        account_refs(provider, &mut accounts);
        for (namespace, name, span) in accounts {
            let lender = Lender::ServiceAccount(namespace, name);
            self.borrow(lender, "logs in to its store", span);
        }

        for kind in ["aws", "gcpsm"] {
            let store = provider.member(kind);
            if let Some(store) = store.filter(|store| namespaced && store.member("auth").is_none())
            {
                let lender = Lender::Program("External Secrets Operator");
                self.borrow(lender, "reads its store", store.span());
            }
        }
    }

    /// A policy of a namespace by which Kyverno reads other namespaces.
    ///
    /// Source: GHSA-8p9x-46gm-qfx2.
    fn kyverno<T: TreeValue>(&mut self, spec: &T) {
        let home = self.object.id.namespace.clone();
        if home.is_empty() {
            return;
        }

        let mut read = Vec::new();
        kyverno_reads(spec, &mut read);
        for (namespace, span) in read.into_iter().filter(|(namespace, _)| *namespace != home) {
            self.borrow(
                Lender::Namespace(namespace),
                "reads objects with Kyverno's account",
                span,
            );
        }
    }

    /// A monitor that names a file of the scraper, or a scraper and whether it refuses that. Returns
    /// whether the kind is read.
    fn scraper<T: TreeValue>(&mut self, kind: &str, spec: &T) -> bool {
        match kind {
            "Prometheus" | "PrometheusAgent" | "VMAgent" => {
                let access = spec.member("arbitraryFSAccessThroughSMs");
                let deny = access.and_then(|access| access.member("deny"));
                let denies = is_true(deny);
                self.facts.scrapers.push((self.object.clone(), denies));
                false
            }
            "ServiceMonitor" | "PodMonitor" | "Probe" | "ScrapeConfig" | "VMServiceScrape"
            | "VMPodScrape" | "VMStaticScrape" | "VMProbe" | "VMScrapeConfig" => {
                if let Some(span) = file_of_scraper(spec) {
                    let lender = Lender::Program(SCRAPER);
                    self.borrow(lender, "sends a file of the scraper to its endpoint", span);
                }
                true
            }
            _ => false,
        }
    }

    /// Secrets that the driver fetches with the identity of the node's virtual machine.
    ///
    /// Source: azure.github.io/secrets-store-csi-driver-provider-azure, "User-assigned Managed
    /// Identity"; GoogleCloudPlatform/secrets-store-csi-driver-provider-gcp, `auth`.
    fn provider_class<T: TreeValue>(&mut self, spec: &T) {
        const OF_NODE: [(&str, &str); 2] =
            [("useVMManagedIdentity", "true"), ("auth", "provider-adc")];
        let parameters = spec.member("parameters");
        for (key, value) in OF_NODE {
            let field = parameters.and_then(|parameters| parameters.member(key));
            if let Some(field) = field.filter(|field| field.text() == Some(value)) {
                let lender = Lender::Program("the nodes' virtual machines");
                self.borrow(lender, "fetches secrets of a vault", field.span());
            }
        }
    }

    /// An identity of SPIRE whose name does not tell namespaces apart.
    ///
    /// Source: spiffe/spire-controller-manager, docs/clusterspiffeid-crd.md.
    fn spiffe_id<T: TreeValue>(&mut self, spec: &T) {
        let template = text(Some(spec), "spiffeIDTemplate").unwrap_or_default();
        // Names and UIDs of pods differ by namespace no more than by pod.
        let tells_apart = ["Namespace", ".UID", "ServiceAccount.", "NodeMeta.UID"];
        if template.is_empty() || tells_apart.iter().any(|part| template.contains(part)) {
            return;
        }
        let namespaces = match spec.member("namespaceSelector").map(Selector::of) {
            None => Selector(Vec::new()),
            Some(Ok(selector)) => selector,
            Some(Err(reason)) => {
                let reason = format!("its namespaceSelector cannot be read: {reason}");
                self.facts.unevaluated.push(self.object.unevaluated(reason));
                return;
            }
        };
        self.facts.shared_identities.push(SharedIdentity {
            id: self.object.id.clone(),
            identity: template,
            namespaces,
            origin: self.object.origin,
        });
    }

    /// An association of a service account with a role of AWS.
    fn pod_identity<T: TreeValue>(&mut self, spec: &T) {
        let parameters = spec.member("forProvider").unwrap_or(spec);
        let field = |key: &str| text(Some(parameters), key);
        let (Some(namespace), Some(identity)) = (
            field("namespace"),
            field("roleARN").or_else(|| field("roleArn")),
        ) else {
            return;
        };
        self.associate(namespace, "EKS Pod Identity", Some(identity));
    }

    /// A service account that may act as one of Google's: `serviceAccount:P.svc.id.goog[NS/NAME]`.
    fn workload_identity<T: TreeValue>(&mut self, spec: &T) {
        let member = text(Some(spec), "member").unwrap_or_default();
        let account = member.split_once('[').map_or("", |(_, rest)| rest);
        let resource = spec.member("resourceRef");
        let identity = text(resource, "external").or_else(|| text(resource, "name"));
        if let Some((namespace, _)) = account.split_once('/') {
            self.associate(namespace.into(), "GKE workload identity", identity);
        }
    }

    fn associate(&mut self, namespace: Text, system: &'static str, identity: Option<Text>) {
        let Some(identity) = identity else { return };
        self.facts.identity_associations.push(IdentityAssociation {
            id: self.object.id.clone(),
            namespace,
            system,
            identity,
            origin: self.object.origin,
        });
    }
}

/// The program that scrapes for monitors.
pub const SCRAPER: &str = "Prometheus";

/// The references to service accounts within a store, with the namespaces that they name.
fn account_refs<T: TreeValue>(node: &T, found: &mut Vec<(Text, Text, Option<Span>)>) {
    match node.view() {
        View::Map(entries) => {
            for (key, value) in entries.iter().map(T::split) {
                let namespace = text(Some(value), "namespace");
                match (key, namespace, text(Some(value), "name")) {
                    // The provider of Kubernetes names it without `Ref`.
                    ("serviceAccountRef" | "serviceAccount", Some(namespace), Some(name)) => {
                        found.push((namespace, name, value.span()));
                    }
                    _ => account_refs(value, found),
                }
            }
        }
        View::Seq(items) => items.iter().for_each(|item| account_refs(item, found)),
        _ => {}
    }
}

/// The namespaces that the calls and ConfigMaps of a policy's context read; an empty one is the
/// cluster.
fn kyverno_reads<T: TreeValue>(node: &T, found: &mut Vec<(Text, Option<Span>)>) {
    match node.view() {
        View::Map(entries) => {
            for (key, value) in entries.iter().map(T::split) {
                match (key, value.text()) {
                    ("urlPath", Some(path)) => {
                        found.extend(namespace_of_path(path).map(|name| (name, value.span())));
                    }
                    ("configMap", None) => {
                        let namespace = text(Some(value), "namespace");
                        let literal = namespace.filter(|name| !name.contains("{{"));
                        found.extend(literal.map(|name| (name, value.span())));
                    }
                    _ => kyverno_reads(value, found),
                }
            }
        }
        View::Seq(items) => items.iter().for_each(|item| kyverno_reads(item, found)),
        _ => {}
    }
}

/// The namespace that a path of the API server is in; an empty one for the cluster, `None` for a
/// namespace that a variable names.
fn namespace_of_path(path: &str) -> Option<Text> {
    let Some((_, rest)) = path.split_once("/namespaces/") else {
        return Some(Text::default());
    };
    let name = rest.split(['/', '?']).next().unwrap_or_default();
    (!name.contains("{{")).then(|| name.into())
}

/// The first field of a monitor that names a file of the scraper's pod.
fn file_of_scraper<T: TreeValue>(node: &T) -> Option<Option<Span>> {
    match node.view() {
        View::Map(entries) => entries.iter().map(T::split).find_map(|(key, value)| {
            match (FILES.contains(&key), value.text()) {
                (true, Some(file)) if !file.is_empty() => Some(value.span()),
                _ => file_of_scraper(value),
            }
        }),
        View::Seq(items) => items.iter().find_map(file_of_scraper),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_api_server_is_in_a_namespace_or_in_none() {
        assert_eq!(
            namespace_of_path("/api/v1/namespaces/blue/secrets/db").as_deref(),
            Some("blue")
        );
        assert_eq!(namespace_of_path("/api/v1/secrets").as_deref(), Some(""));
        assert_eq!(
            namespace_of_path("/api/v1/namespaces/{{request.namespace}}/pods"),
            None
        );
    }
}

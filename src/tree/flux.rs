//! The Flux objects that apply the tree: one entry, the platform, the units, and the units' late
//! parts.

use super::Layout;
use crate::bundle::kinds;
use crate::document::emit_documents;
use crate::kube::ObjectId;
use crate::spec::fleet::{Artifacts, Cluster, FluxSourceKind};
use crate::value::{Value, list, map};

/// The name of the Kustomization that applies the entry folder.
const ENTRY: &str = "tenantry";
/// The name of the Kustomization that applies what is rendered once a cluster.
const PLATFORM: &str = "tenantry-platform";
const PRUNE: &str = "kustomize.toolkit.fluxcd.io/prune";

/// A folder that a Kustomization applies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// The folder's name: a tenant's, or `shard-NN`.
    pub name: String,
    /// Whether it holds one tenant.
    pub one_tenant: bool,
    /// Whether there is a late part.
    pub late: bool,
}

impl Unit {
    /// The name of its Kustomization.
    pub fn kustomization(&self) -> String {
        if self.one_tenant {
            format!("tenant-{}", self.name)
        } else {
            format!("tenants-{}", self.name)
        }
    }
}

/// Makes the Flux objects of a cluster.
pub struct Flux<'a> {
    /// The fleet's name.
    pub owner: &'a str,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// Where things are.
    pub layout: &'a Layout,
    /// Where each unit has an artifact of its own.
    pub artifacts: Option<&'a Artifacts>,
}

/// What a Kustomization applies.
struct Applies<'a> {
    name: &'a str,
    /// The folder, from the lock's.
    folder: String,
    /// Whether what it holds stays when it goes.
    keep: bool,
    after: Option<&'a str>,
}

impl Flux<'_> {
    fn namespace(&self) -> &str {
        self.cluster
            .flux
            .as_ref()
            .and_then(|f| f.namespace.as_ref())
            .map_or("flux-system", |n| n.as_str())
    }

    fn source(&self) -> Value {
        match self.cluster.flux.as_ref().and_then(|f| f.source.as_ref()) {
            Some(source) => map! { "kind" => source.kind.as_str(), "name" => source.name.as_str() },
            None => {
                map! { "kind" => FluxSourceKind::GitRepository.as_str(), "name" => "flux-system" }
            }
        }
    }

    fn metadata(&self, name: &str) -> Value {
        map! {
            "name" => name,
            "namespace" => self.namespace(),
            "labels" => map! { "tenantry.dev/owner" => self.owner },
        }
    }

    fn kustomization(&self, of: &Applies<'_>, path: String, source: Value) -> Value {
        let account = self
            .cluster
            .flux
            .as_ref()
            .and_then(|f| f.service_account.as_ref());
        const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
        let annotations = match of.keep {
            true => map! { PRUNE => "disabled", SUBSTITUTE => "disabled" },
            false => map! { SUBSTITUTE => "disabled" },
        };
        let mut spec = map! {
            "interval" => "10m",
            "retryInterval" => "2m",
            "timeout" => "5m",
            "path" => path,
            "prune" => true,
            "serviceAccountName" => account.map_or("kustomize-controller", |a| a.as_str()),
            "sourceRef" => source,
        };
        if let Some(after) = of.after {
            spec.change(|entries| {
                entries.push(("dependsOn".into(), list![map! { "name" => after }]))
            });
        }
        let mut metadata = self.metadata(of.name);
        metadata.change(|entries| entries.push(("annotations".into(), annotations)));
        let object = map! {
            "apiVersion" => "kustomize.toolkit.fluxcd.io/v1",
            "kind" => "Kustomization",
            "metadata" => metadata,
            "spec" => spec,
        };
        debug_assert!(kinds::check(&object).is_some_and(|faults| faults.is_empty()));
        object
    }

    /// A Kustomization of the cluster's one source.
    fn shared(&self, of: &Applies<'_>) -> Value {
        self.kustomization(of, self.layout.in_source(&of.folder), self.source())
    }

    /// A unit's Kustomization, with its source where it has its own.
    fn unit(&self, of: &Applies<'_>) -> Vec<Value> {
        let Some(artifacts) = self.artifacts else {
            return vec![self.shared(of)];
        };
        let mut spec = map! {
            "interval" => artifacts.interval.as_ref().map_or("1m", |i| i.as_str()),
            "url" => artifact_url(artifacts, &self.layout.in_tree(&of.folder)),
            "ref" => map! { "tag" => "latest" },
        };
        spec.change(|entries| {
            if let Some(provider) = artifacts.provider {
                entries.push(("provider".into(), provider.as_str().into()));
            }
            if let Some(secret) = &artifacts.secret_ref {
                entries.push(("secretRef".into(), map! { "name" => secret.as_str() }));
            }
            if artifacts.insecure == Some(true) {
                entries.push(("insecure".into(), true.into()));
            }
            if let Some(verify) = &artifacts.verify {
                let by = &verify.cosign.value;
                let identity =
                    map! { "issuer" => by.issuer.as_str(), "subject" => by.subject.as_str() };
                let verify =
                    map! { "provider" => "cosign", "matchOIDCIdentity" => list![identity] };
                entries.push(("verify".into(), verify));
            }
        });
        let source = map! {
            "apiVersion" => "source.toolkit.fluxcd.io/v1",
            "kind" => FluxSourceKind::OciRepository.as_str(),
            "metadata" => self.metadata(of.name),
            "spec" => spec,
        };
        debug_assert!(kinds::check(&source).is_some_and(|faults| faults.is_empty()));
        let reads = map! { "kind" => FluxSourceKind::OciRepository.as_str(), "name" => of.name };
        vec![source, self.kustomization(of, "./".to_owned(), reads)]
    }

    /// What is in the one file that goes where the bootstrap looks.
    pub fn entry_file(&self) -> Vec<Value> {
        let folder = self.layout.entry_folder(self.cluster.name.as_str());
        vec![self.shared(&Applies {
            name: ENTRY,
            folder,
            keep: false,
            after: None,
        })]
    }

    /// What is in the files of the entry folder, by name: the platform's Kustomization, and those
    /// of each unit.
    pub fn entry_folder(&self, units: &[Unit]) -> Vec<(String, Vec<Value>)> {
        let cluster = self.cluster.name.as_str();
        let folder = self.layout.platform_folder(cluster);
        let platform = self.shared(&Applies {
            name: PLATFORM,
            folder,
            keep: false,
            after: None,
        });
        let mut files = vec![(PLATFORM.to_owned(), vec![platform])];
        for unit in units {
            let name = unit.kustomization();
            let folder = self.layout.unit_folder(cluster, &unit.name, false);
            let mut objects = self.unit(&Applies {
                name: &name,
                folder,
                keep: true,
                after: Some(PLATFORM),
            });
            if unit.late {
                let folder = self.layout.unit_folder(cluster, &unit.name, true);
                // Nothing in a late part keeps a tenant in: what leaves it goes, and so does the
                // part itself.
                let late = late_of(&name);
                objects.extend(self.unit(&Applies {
                    name: &late,
                    folder,
                    keep: false,
                    after: Some(&name),
                }));
            }
            files.push((name, objects));
        }
        files
    }

    /// The text of some Flux objects, and what they are.
    pub fn text(&self, objects: &[Value]) -> (String, Vec<String>) {
        let ids = objects
            .iter()
            .filter_map(|o| ObjectId::of(o).ok())
            .map(|id| id.to_string());
        (emit_documents(objects), ids.collect())
    }
}

/// The name of the Kustomization of a unit's late part.
pub fn late_of(kustomization: &str) -> String {
    format!("{kustomization}.late")
}

/// The address of a folder's artifact, without its tag.
pub fn artifact_url(artifacts: &Artifacts, below_tree: &str) -> String {
    format!(
        "{}/{below_tree}",
        artifacts.url.as_str().trim_end_matches('/')
    )
}

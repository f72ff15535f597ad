//! The Flux objects that apply the tree: one entry, the platform, the units, and the units' late parts.

use super::Layout;
use crate::bundle::kinds;
use crate::document::emit_documents;
use crate::spec::fleet::{Cluster, FluxSourceKind};
use crate::value::{Value, list, map};

/// The name of the Kustomization that applies the entry folder.
const ENTRY: &str = "tenantry";
/// The name of the Kustomization that applies what is rendered once a cluster.
const PLATFORM: &str = "tenantry-platform";

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
        if self.one_tenant { format!("tenant-{}", self.name) } else { format!("tenants-{}", self.name) }
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
}

impl Flux<'_> {
    fn namespace(&self) -> &str {
        self.cluster.flux.as_ref().and_then(|f| f.namespace.as_ref()).map_or("flux-system", |n| n.as_str())
    }

    fn source(&self) -> Value {
        match self.cluster.flux.as_ref().and_then(|f| f.source.as_ref()) {
            Some(source) => map! { "kind" => source.kind.as_str(), "name" => source.name.as_str() },
            None => map! { "kind" => FluxSourceKind::GitRepository.as_str(), "name" => "flux-system" },
        }
    }

    fn kustomization(&self, name: &str, path: &str, keep: bool, after: Option<&str>) -> Value {
        let account = self.cluster.flux.as_ref().and_then(|f| f.service_account.as_ref());
        const SUBSTITUTE: &str = "kustomize.toolkit.fluxcd.io/substitute";
        let annotations = match keep {
            true => map! { "kustomize.toolkit.fluxcd.io/prune" => "disabled", SUBSTITUTE => "disabled" },
            false => map! { SUBSTITUTE => "disabled" },
        };
        let mut spec = map! {
            "interval" => "10m",
            "retryInterval" => "2m",
            "timeout" => "5m",
            "path" => self.layout.in_source(path),
            "prune" => true,
            "serviceAccountName" => account.map_or("kustomize-controller", |a| a.as_str()),
            "sourceRef" => self.source(),
        };
        if let (Some(after), Some(entries)) = (after, spec.entries_mut()) {
            entries.push(("dependsOn".into(), list![map! { "name" => after }]));
        }
        let object = map! {
            "apiVersion" => "kustomize.toolkit.fluxcd.io/v1",
            "kind" => "Kustomization",
            "metadata" => map! {
                "name" => name,
                "namespace" => self.namespace(),
                "labels" => map! { "tenantry.dev/owner" => self.owner },
                "annotations" => annotations,
            },
            "spec" => spec,
        };
        debug_assert!(kinds::check(&object).is_some_and(|faults| faults.is_empty()));
        object
    }

    /// What is in the one file that goes where the bootstrap looks.
    pub fn entry_file(&self) -> Vec<Value> {
        let path = self.layout.entry_folder(self.cluster.name.as_str());
        vec![self.kustomization(ENTRY, &path, false, None)]
    }

    /// What is in the files of the entry folder, by name: the platform's Kustomization, and those of each unit.
    pub fn entry_folder(&self, units: &[Unit]) -> Vec<(String, Vec<Value>)> {
        let cluster = self.cluster.name.as_str();
        let platform = self.kustomization(PLATFORM, &self.layout.platform_folder(cluster), false, None);
        let mut files = vec![(PLATFORM.to_owned(), vec![platform])];
        for unit in units {
            let mut objects = Vec::new();
            let name = unit.kustomization();
            let path = self.layout.unit_folder(cluster, &unit.name, false);
            objects.push(self.kustomization(&name, &path, true, Some(PLATFORM)));
            if unit.late {
                let path = self.layout.unit_folder(cluster, &unit.name, true);
                // Nothing in a late part keeps a tenant in: what leaves it goes, and so does the part itself.
                objects.push(self.kustomization(&format!("{name}.late"), &path, false, Some(&name)));
            }
            files.push((name, objects));
        }
        files
    }

    /// The text of some Kustomizations, and what they are.
    pub fn text(&self, objects: &[Value]) -> (String, Vec<String>) {
        let name = |o: &Value| o.at(&["metadata", "name"]).as_str().unwrap_or_default().to_owned();
        let ids = objects
            .iter()
            .map(|o| format!("Kustomization.kustomize.toolkit.fluxcd.io/{}/{}", self.namespace(), name(o)));
        (emit_documents(objects), ids.collect())
    }
}

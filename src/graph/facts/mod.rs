//! Objects → facts: each object is read once, by the reader of its API group.
//!
//! A reader takes the object and adds what it says to [`Facts`]. It returns `false` for a kind that
//! it does not read, and an error for an object that it cannot evaluate.

mod admission;
mod applied;
mod claims;
mod core;
mod digest;
mod embedded;
mod external_secrets;
mod gateway;
mod identities;
mod identity_maps;
mod network;
mod other_grants;
mod placeholder;
mod quotas;
mod rbac;
mod refused;
mod storage;
mod workloads;

pub use self::admission::WebhookService;
pub use self::core::{CloudIdentity, NamespaceFact, ServiceAccount, TokenSecret};
pub use self::external_secrets::{SecretStore, StoreCondition};
pub use self::other_grants::service_in_url;

pub(super) use self::digest::digest;

use super::admission_policy::{AdmissionPolicy, AdmissionPolicyBinding, KeptObject};
use super::diversion::{ChosenEndpoints, Diversion};
use super::gitops::Gitops;
use super::host::Host;
use super::identity::{BorrowedIdentity, IdentityAssociation, SharedIdentity};
use super::indirect::{CopiedObjects, IndirectBinding};
use super::ingress_annotation::IngressAnnotation;
use super::membership::{ArgoPolicy, Membership};
use super::network::PolicyObject;
use super::object::{InputKind, Origin};
use super::operator::Operator;
use super::plugin_setting::IdlePlugin;
use super::pod_security::PodSecurityConfiguration;
use super::quota::{ExemptFlow, Quota};
use super::rbac::{Binding, Role};
use super::storage::{CsiDriver, ReferenceGrant, StorageClass, Volume, VolumeClaim};
use super::workload::{Service, Workload};
use crate::document::TreeValue;
use crate::kube::{ObjectId, kinds};
use crate::value::Text;
use std::collections::{BTreeMap, BTreeSet};

/// An object that is only known to be there.
#[derive(Clone, Debug)]
pub struct ObjectRef {
    /// What it is.
    pub id: ObjectId,
    /// Tells it from another definition of it; 0 for what is rendered, which has no other.
    pub digest: u64,
    /// Where it comes from.
    pub origin: Origin,
}

impl ObjectRef {
    /// The object as one that is not evaluated, for a reason.
    fn unevaluated(&self, reason: String) -> Unevaluated {
        Unevaluated {
            id: self.id.clone(),
            reason,
            origin: self.origin,
            absent: false,
        }
    }
}

/// An object that could not be understood, and why.
#[derive(Clone, Debug)]
pub struct Unevaluated {
    /// What it is.
    pub id: ObjectId,
    /// Why.
    pub reason: String,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether no cluster holds it, since every API server refuses it.
    pub absent: bool,
}

/// What some objects say.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every object.
    pub objects: Vec<ObjectRef>,
    /// Namespaces.
    pub namespaces: Vec<NamespaceFact>,
    /// ServiceAccounts.
    pub accounts: Vec<ServiceAccount>,
    /// Secrets that hold the tokens of service accounts.
    pub token_secrets: Vec<TokenSecret>,
    /// Roles and ClusterRoles.
    pub roles: Vec<Role>,
    /// RoleBindings and ClusterRoleBindings.
    pub bindings: Vec<Binding>,
    /// Objects by which other systems bind roles. They become bindings of the cluster.
    pub indirect_bindings: Vec<IndirectBinding>,
    /// Objects of a namespace that are copied into others.
    pub copied_objects: Vec<CopiedObjects>,
    /// Who is in which groups, as objects of the cluster say it.
    pub memberships: Vec<Membership>,
    /// The ConfigMaps of Argo CD that say who may do what.
    pub argo_policies: Vec<ArgoPolicy>,
    /// NetworkPolicies.
    pub policies: Vec<PolicyObject>,
    /// Network policies of other kinds: what they let through is not known.
    pub other_policies: Vec<ObjectRef>,
    /// Network policies of other kinds that only take connections away.
    pub narrowing_policies: Vec<ObjectRef>,
    /// Objects that keep a network plugin from enforcing policies.
    pub idle_plugins: Vec<IdlePlugin>,
    /// Endpoints with addresses of their author's choice.
    pub endpoints: Vec<ChosenEndpoints>,
    /// Objects of network plugins that divert traffic.
    pub diversions: Vec<Diversion>,
    /// Pods, and what makes them.
    pub workloads: Vec<Workload>,
    /// Workloads that run programs whose kinds open more than pods.
    pub operators: Vec<Operator>,
    /// ResourceClaims and their templates that ask for admin access to devices.
    pub admin_claims: Vec<ObjectRef>,
    /// Objects for which a program acts with an identity that is not theirs.
    pub borrowed_identities: Vec<BorrowedIdentity>,
    /// Objects that give service accounts an identity of a cloud.
    pub identity_associations: Vec<IdentityAssociation>,
    /// Objects that give pods of several namespaces one identity.
    pub shared_identities: Vec<SharedIdentity>,
    /// Prometheus and its like, and whether each refuses that monitors name its files.
    pub scrapers: Vec<(ObjectRef, bool)>,
    /// Services.
    pub services: Vec<Service>,
    /// Hosts that are served, certified or resolved.
    pub hosts: Vec<Host>,
    /// Hosts that objects of other kinds name, whatever they do with them.
    pub mentioned_hosts: Vec<Host>,
    /// Annotations of Ingresses that reach into their controller.
    pub ingress_annotations: Vec<IngressAnnotation>,
    /// What the objects of the engines say that apply manifests.
    pub gitops: Gitops,
    /// Stores of secrets.
    pub stores: Vec<SecretStore>,
    /// Objects that fetch from a store, or push to one.
    pub secret_requests: Vec<ObjectRef>,
    /// Volumes, and the contents of snapshots.
    pub volumes: Vec<Volume>,
    /// Claims of volumes.
    pub claims: Vec<VolumeClaim>,
    /// StorageClasses.
    pub storage_classes: Vec<StorageClass>,
    /// CSIDrivers.
    pub csi_drivers: Vec<CsiDriver>,
    /// Who lets whom refer to what is theirs.
    pub grants: Vec<ReferenceGrant>,
    /// The configurations of Pod Security admission.
    pub pod_security: Vec<PodSecurityConfiguration>,
    /// Services that the API server asks.
    pub hooks: Vec<WebhookService>,
    /// Admission policies.
    pub admission_policies: Vec<AdmissionPolicy>,
    /// Their bindings.
    pub admission_bindings: Vec<AdmissionPolicyBinding>,
    /// Objects as they are, where policies are asked about them.
    pub kept: Vec<KeptObject>,
    /// Whether objects are kept: where there are admission policies.
    pub keeps: bool,
    /// Whether each object comes once, so that none is told from another definition of it.
    once: bool,
    /// Quotas of namespaces, of every tool.
    pub quotas: Vec<Quota>,
    /// LimitRanges that bound the size of each claim of a volume.
    pub claim_limits: Vec<ObjectRef>,
    /// PriorityClasses.
    pub priority_classes: Vec<ObjectRef>,
    /// FlowSchemas whose requests are never queued.
    pub exempt_flows: Vec<ExemptFlow>,
    /// Objects of the floor that Flux leaves as they are, and the mark by which it does.
    pub frozen: Vec<Unevaluated>,
    /// What could not be understood.
    pub unevaluated: Vec<Unevaluated>,
    /// Kinds that no plane reads, as `Kind.group`, and how many objects of each there are.
    pub unread: BTreeMap<String, usize>,
}

/// Hands each list of facts to a macro: the lists whose entries have an `id` and an `origin`.
macro_rules! each_list {
    ($apply:ident) => {
        $apply! {
            objects,
            namespaces,
            accounts,
            token_secrets,
            roles,
            bindings,
            indirect_bindings,
            copied_objects,
            memberships,
            argo_policies,
            policies,
            other_policies,
            narrowing_policies,
            idle_plugins,
            endpoints,
            diversions,
            workloads,
            operators,
            admin_claims,
            borrowed_identities,
            identity_associations,
            shared_identities,
            services,
            hosts,
            mentioned_hosts,
            ingress_annotations,
            stores,
            secret_requests,
            volumes,
            claims,
            storage_classes,
            csi_drivers,
            grants,
            hooks,
            admission_policies,
            admission_bindings,
            kept,
            quotas,
            claim_limits,
            priority_classes,
            exempt_flows,
            unevaluated,
        }
    };
}

impl Facts {
    /// No facts yet. `keeps` is whether objects are kept as they are: where there are admission
    /// policies.
    pub fn keeping(keeps: bool) -> Self {
        Self {
            keeps,
            ..Self::default()
        }
    }

    /// The same of a live cluster whose digest nobody asks for: objects are not told from other
    /// definitions of them.
    pub fn live(keeps: bool) -> Self {
        Self {
            once: true,
            ..Self::keeping(keeps)
        }
    }

    /// A digest of every object, in any order.
    pub fn digest(&self) -> Vec<u8> {
        let mut all: Vec<String> = self
            .objects
            .iter()
            .map(|t| format!("{} {:x}\n", t.id, t.digest))
            .collect();
        all.sort();
        all.concat().into_bytes()
    }

    /// Adds an object.
    pub fn add<T: TreeValue>(&mut self, mut id: ObjectId, node: &T, origin: Origin) {
        // As the API server does: what belongs to the cluster has no namespace, whatever its
        // manifest says.
        if kinds::is_cluster_scoped(&id) {
            id.namespace = Text::default();
        }

        let object = ObjectRef {
            digest: self.digest_of(node, origin.input),
            id,
            origin,
        };
        self.objects.push(object.clone());
        self.frozen.extend(applied::frozen(&object, node));

        if let Some(reason) = applied::not_applied(&object.id, node, origin.input) {
            self.unevaluated.push(object.unevaluated(reason));
            return;
        }
        let unevaluated =
            placeholder::filled_in_later(&object, node).or_else(|| refused::refused(&object, node));
        if let Some(unevaluated) = unevaluated {
            self.unevaluated.push(unevaluated);
            return;
        }

        self.hooks.extend(admission::hooks(&object, node));
        self.hosts
            .extend(Host::of_annotations(&object.id, node, object.origin));
        if self.keeps {
            self.kept.extend(KeptObject::of(&object.id, node, origin));
        }

        other_grants::read_beside(self, &object, node);
        self.idle_plugins
            .extend(IdlePlugin::of(&object.id, node, origin));
        let borrows = identities::read(self, &object, node);
        match self.read(&object, node) {
            Ok(false) if borrows => {}
            Ok(true) => {}
            Ok(false) if kinds::is_passive(&object.id) => {}
            Ok(false) => *self.unread.entry(object.id.type_name()).or_default() += 1,
            Err(reason) => self.unevaluated.push(object.unevaluated(reason)),
        }

        embedded::read(self, &object, node);
    }

    /// Counts something that no plane reads.
    pub fn count_unread(&mut self, what: &str) {
        *self.unread.entry(what.to_owned()).or_default() += 1;
    }

    /// Tells a definition of an object from others; 0 where there can be no other.
    fn digest_of<T: TreeValue>(&self, node: &T, input: InputKind) -> u64 {
        match input {
            InputKind::Rendered | InputKind::Builtin => 0,
            // A cluster holds each object once.
            InputKind::Applied | InputKind::Snapshot if self.once => 0,
            InputKind::Manifest | InputKind::Applied | InputKind::Snapshot => digest(node),
        }
    }

    /// Hands an object to the reader of its kind. Returns `false` if none reads it.
    ///
    /// # Errors
    /// Why the object cannot be evaluated.
    fn read<T: TreeValue>(&mut self, object: &ObjectRef, node: &T) -> Result<bool, String> {
        Ok(network::read(self, object, node)?
            || self.gitops.read(&object.id, node, object.origin)
            || quotas::read(self, object, node)
            || storage::read(self, object, node)
            || core::read(self, object, node)
            || rbac::read(self, object, node)?
            || other_grants::read(self, object, node)?
            || identity_maps::read(self, object, node)?
            || gateway::read(self, object, node)
            || external_secrets::read(self, object, node)
            || admission::read(self, object, node)?
            || network::read_diversion(self, object, node)
            || network::read_other(self, object, node)
            || workloads::read(self, object, node))
    }

    /// Adds the facts of other objects.
    pub fn append(&mut self, other: Self) {
        // Without `..`: a field that is not named does not compile.
        macro_rules! append {
            ($($list:ident),* $(,)?) => {
                let Self {
                    $($list,)* scrapers, frozen, gitops, pod_security, unread, keeps: _, once: _,
                } = other;
                $( self.$list.extend($list); )*
                self.scrapers.extend(scrapers);
                self.pod_security.extend(pod_security);
                self.frozen.extend(frozen);
                self.gitops.append(gitops);
                for (kind, count) in unread {
                    *self.unread.entry(kind).or_default() += count;
                }
            };
        }
        each_list!(append);
    }

    /// Removes the facts of some definitions of objects. The marks of a live object (`frozen`) stay:
    /// they decide how the engine treats the object now.
    pub fn remove(&mut self, gone: &BTreeSet<(ObjectId, Origin)>) {
        if gone.is_empty() {
            return;
        }
        let stays = |id: &ObjectId, origin: &Origin| !gone.contains(&(id.clone(), *origin));

        // Without `..`: a field that is not named does not compile.
        macro_rules! retain {
            ($($list:ident),* $(,)?) => {
                let Self {
                    $($list,)* scrapers, gitops, frozen: _, pod_security: _, unread: _, keeps: _,
                    once: _,
                } = self;
                $( $list.retain(|fact| stays(&fact.id, &fact.origin)); )*
                scrapers.retain(|(object, _)| stays(&object.id, &object.origin));
                gitops.retain(stays);
            };
        }
        each_list!(retain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kube::kinds::Proof;
    use crate::source::{SourceId, Span};
    use crate::value::{Value, map};

    #[test]
    fn the_table_of_kinds_says_what_is_read() {
        // A spec in which each kind that makes pods finds its template.
        let template = map! { "spec" => map! {} };
        let job = map! { "spec" => map! { "template" => template.clone() } };
        let spec = map! { "template" => template, "jobTemplate" => job };

        for (group, kind) in kinds::all() {
            let object: Value = map! {
                "apiVersion" => group.api_version(kind),
                "kind" => kind.name,
                "metadata" => map! { "name" => "x", "namespace" => "red" },
                "spec" => spec.clone(),
            };

            let id = ObjectId::of(&object).unwrap();
            let name = id.type_name();
            let origin = Origin {
                input: InputKind::Snapshot,
                span: Span::file(SourceId(0)),
            };

            let mut facts = Facts::keeping(false);
            facts.add(id, &object, origin);

            let counted = facts.unread.contains_key(&name);
            assert_eq!(counted, kind.proof == Proof::Unread, "{name}");
        }
    }
}

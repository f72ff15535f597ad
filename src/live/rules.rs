//! What can be found in a live cluster.

use crate::diagnostic::rule;

rule! {
    /// A rendered object is not in the cluster.
    ///
    /// ## What it finds
    /// Objects of the tree that the API server does not have, though the Kustomization that applies
    /// them says that it has applied the revision that was rendered.
    ///
    /// ## Why it matters
    /// Somebody deleted it, or Flux could not make it. Until it is back, what it closes is open.
    ///
    /// ## Fix
    /// Flux makes it again at its next turn; `flux reconcile` does so at once.
    pub static MISSING = "live/missing", Error;
}
rule! {
    /// A rendered object is not as it was rendered.
    ///
    /// ## What it finds
    /// Fields that were rendered and have another value, or are gone; of network policies, roles,
    /// bindings, quotas, admission policies, Flux's sources and Kustomizations also fields that
    /// were not rendered and that the server does not fill in; further Pod Security labels; owners.
    /// Amounts are compared by value. The field manager that set the field is named, and when.
    ///
    /// ## Why it matters
    /// Flux sets it back at its next turn, up to ten minutes later. What comes back again and again
    /// has a second writer.
    ///
    /// ## Fix
    /// Find the writer by its name. To keep the change, make it in the spec.
    ///
    /// ## References
    /// <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>
    pub static DRIFTED = "live/drifted", Error;
}
rule! {
    /// A live object has a mark by which Flux leaves it as it is, or leaves it behind.
    ///
    /// ## What it finds
    /// `kustomize.toolkit.fluxcd.io/reconcile: disabled`, `prune: disabled` and `ssa: Ignore`,
    /// `IfNotPresent` or `Merge` on an object that was rendered without them.
    ///
    /// ## Why it matters
    /// The Kustomization stays Ready while nothing sets the object back, and a binding that was
    /// taken out of Git stays in the cluster: a revocation that does not revoke. Whoever may
    /// annotate the object may do so.
    ///
    /// ## Fix
    /// Take the mark off, and keep it from coming back: deny these keys at admission to all but the
    /// delivery identity.
    pub static FROZEN = "live/frozen", Error;
}
rule! {
    /// An object that was not rendered gives a tenant more than was rendered.
    ///
    /// ## What it finds
    /// RoleBindings and network policies with rules in a tenant's namespace; ClusterRoleBindings to
    /// a tenant's own users, groups and service accounts. A warning is a Role for service accounts
    /// of its own namespace, and policies of the network plugin over the whole cluster. Labels
    /// vouch for nothing: whoever makes a binding may set them.
    ///
    /// ## Why it matters
    /// Grants and network policies add up: one more is enough to open what all others close, and no
    /// drift shows it.
    ///
    /// ## Fix
    /// Delete it, or declare it in the spec.
    pub static FOREIGN = "live/foreign", Error;
}
rule! {
    /// The cluster has not become what was rendered, yet.
    ///
    /// ## What it finds
    /// Kustomizations that are suspended, fail, or have applied another revision; the source that
    /// holds the tree, where it is not ready, suspended or gone; objects whose own status says that
    /// they are not ready, by the rules of kstatus, or that are being deleted.
    ///
    /// ## Why it matters
    /// What was merged is not what runs.
    ///
    /// ## Fix
    /// Mend what the message names, or wait: `tenantry verify --wait`.
    pub static NOT_CONVERGED = "live/not-converged", Error;
}
rule! {
    /// Something has been being deleted for long.
    ///
    /// ## What it finds
    /// Namespaces and objects of tenants that are Terminating for over 30 minutes, with what holds
    /// them and whose that is; an error after 37 days.
    ///
    /// ## Why it matters
    /// Its data, its volumes and its names are still there.
    ///
    /// ## Fix
    /// Let whoever set the finalizer finish. Taking a finalizer off leaves behind what it would
    /// have cleaned up.
    pub static STUCK_DELETION = "live/stuck-deletion", Warning;
}
rule! {
    /// Something of a tenant is left, and nothing renders it any more.
    ///
    /// ## What it finds
    /// Objects with our label that no spec renders; volumes of a tenant whose claim is gone
    /// (`Released`); external things of an `--inventory` whose tenant nothing declares.
    ///
    /// ## Why it matters
    /// A binding that nobody renders still grants; a volume that nobody claims still holds the
    /// data.
    ///
    /// ## Fix
    /// See that nobody uses it, and delete it.
    pub static ORPHANED = "live/orphaned", Warning;
}
rule! {
    /// A namespace of a declared name was there before, and is not to be taken over.
    ///
    /// ## Why it matters
    /// Whatever is in it would become the tenant's, and the tenant's floor would fall on whoever
    /// runs there.
    ///
    /// ## Fix
    /// Say `adopt: true` at the namespace to take it over, or choose another name.
    pub static NOT_ADOPTED = "live/not-adopted", Error;
}
rule! {
    /// The API server allows or refuses something that the roles and bindings it lists do not.
    ///
    /// ## What it finds
    /// Requests of some tenants' users and service accounts, asked as SubjectAccessReviews, whose
    /// answer is not the one that follows from the cluster's own Roles and bindings.
    ///
    /// ## Why it matters
    /// Another authorizer decides too (a webhook, the node authorizer, ABAC), or a list was not
    /// whole: what is proven from roles and bindings is not what holds.
    ///
    /// ## Fix
    /// See which authorizers the API server runs (`--authorization-mode`,
    /// `--authorization-config`).
    pub static ACCESS_DIFFERS = "live/access-differs", Error;
}
rule! {
    /// A controller of Flux is of a version with a known hole.
    ///
    /// ## What it finds
    /// Images of Flux's controllers whose tag is older than the version in which a hole that lets a
    /// tenant out was mended.
    ///
    /// ## Fix
    /// Bring Flux up to date.
    ///
    /// ## References
    /// CVE-2021-41254, CVE-2022-24817, CVE-2022-24877, CVE-2022-24878, CVE-2022-36049,
    /// CVE-2022-39272, CVE-2026-23990
    pub static KNOWN_HOLE = "live/known-hole", Error;
}
rule! {
    /// An admission policy that was rendered denies nothing.
    ///
    /// ## What it finds
    /// Rendered ValidatingAdmissionPolicies that no live binding binds with the action Deny, and
    /// what of them the server could not check.
    ///
    /// ## Why it matters
    /// A policy without a binding, or with one that only warns, stops nobody.
    ///
    /// ## Fix
    /// Bind it with `validationActions: [Deny]`.
    pub static POLICY_NOT_DENYING = "live/policy-not-denying", Error;
}
rule! {
    /// Objects that are there would be refused by an admission policy.
    ///
    /// ## What it finds
    /// Of each rendered policy that is not bound to deny yet: how many of the live objects that
    /// were listed it would refuse.
    ///
    /// ## Why it matters
    /// Once it denies, they can no longer be changed; a controller that writes them fails.
    ///
    /// ## Fix
    /// Mend them before the policy is switched to Deny.
    pub static POLICY_VIOLATED = "live/policy-violated", Warning;
}
rule! {
    /// Nothing in the cluster enforces network policies, or not what was declared.
    ///
    /// ## What it finds
    /// Clusters without the CRDs of Calico or Cilium and without another plugin that is known to
    /// enforce NetworkPolicies; plugins that do not enforce them (flannel), or not as they should
    /// (weave-net, kube-router); another plugin than the fleet declares.
    ///
    /// ## Why it matters
    /// The API server takes every NetworkPolicy; without a plugin that enforces them, all pods
    /// reach all pods.
    ///
    /// ## Fix
    /// Install a plugin that enforces them, or correct the cluster's `cni` in the fleet.
    pub static NOT_ENFORCED = "live/not-enforced", Error;
}
rule! {
    /// A kind could not be listed: what is said of the cluster is not all there is to say.
    ///
    /// ## What it finds
    /// Lists that the server refused, did not finish, or does not serve, after the usual retries.
    ///
    /// ## Why it matters
    /// What could not be seen is not known to be right. The exit code is 2.
    ///
    /// ## Fix
    /// Grant what `tenantry verify --print-rbac` prints; mend the API that does not answer.
    pub static NOT_LISTED = "live/not-listed", Error;
}

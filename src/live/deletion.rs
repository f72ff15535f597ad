//! What a deletion waits for.

use super::observe::Ending;

/// How long something may be being deleted before that is said, and before it is an error, in
/// seconds.
pub const STUCK: [i64; 2] = [30 * 60, 37 * 24 * 3600];

/// What a deletion waits for, and who that is.
pub fn held_by(ending: &Ending) -> String {
    let mut all: Vec<String> = ending
        .finalizers
        .iter()
        .map(|finalizer| match owner_of(finalizer) {
            Some(owner) => format!("the finalizer `{finalizer}`, of {owner}"),
            None => format!("the finalizer `{finalizer}`"),
        })
        .collect();
    all.extend(ending.conditions.iter().cloned());
    if all.is_empty() {
        "nothing of it says why".into()
    } else {
        all.join("; ")
    }
}

/// Whose a finalizer is, of those that are often met.
fn owner_of(finalizer: &str) -> Option<&'static str> {
    const OWNERS: [(&str, &str); 15] = [
        (
            "kubernetes.io/pvc-protection",
            "kube-controller-manager, while a pod uses the claim",
        ),
        (
            "kubernetes.io/pv-protection",
            "kube-controller-manager, while a claim is bound to the volume",
        ),
        (
            "kubernetes",
            "the namespace controller, until everything in it is gone",
        ),
        (
            "foregroundDeletion",
            "the garbage collector, until what it owns is gone",
        ),
        ("orphan", "the garbage collector"),
        (
            "service.kubernetes.io/load-balancer-cleanup",
            "the cloud's controller manager",
        ),
        (
            "finalizers.fluxcd.io",
            "Flux: the controller of its kind, which needs its service account to prune",
        ),
        (
            "resources-finalizer.argocd.argoproj.io",
            "Argo CD's application controller",
        ),
        (
            "externalsecrets.external-secrets.io/externalsecret-cleanup",
            "the External Secrets Operator",
        ),
        ("external-attacher/", "the CSI driver's attacher"),
        ("snapshot.storage.kubernetes.io/", "the snapshot controller"),
        ("batch.kubernetes.io/job-tracking", "the job controller"),
        ("ingress.k8s.aws/", "the AWS load balancer controller"),
        ("elbv2.k8s.aws/", "the AWS load balancer controller"),
        ("networking.gke.io/", "GKE's ingress controller"),
    ];
    OWNERS
        .iter()
        .find(|(name, _)| finalizer == *name || name.ends_with('/') && finalizer.starts_with(name))
        .map(|(_, owner)| *owner)
}

/// A length of time, for people.
pub fn length(seconds: i64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

//! What a deletion waits for.

use super::observe::Ending;
use jiff::Timestamp;

/// The time after which a deletion is reported, in seconds.
pub const WARNING_AFTER: i64 = 30 * 60;
/// The time after which a deletion is an error, in seconds.
pub const ERROR_AFTER: i64 = 37 * 24 * 3600;

/// Returns how long an object is being deleted, in seconds.
pub fn age(ending: &Ending, now: Timestamp) -> i64 {
    ending
        .since
        .parse::<Timestamp>()
        .map_or(i64::MAX, |since| now.as_second() - since.as_second())
}

/// Says what a deletion waits for, and who has to act.
pub fn held_by(ending: &Ending) -> String {
    let mut reasons: Vec<String> = ending
        .finalizers
        .iter()
        .map(|finalizer| match owner_of(finalizer) {
            Some(owner) => format!("the finalizer `{finalizer}`, of {owner}"),
            None => format!("the finalizer `{finalizer}`"),
        })
        .collect();

    reasons.extend(ending.conditions.iter().cloned());
    if reasons.is_empty() {
        "nothing of it says why".into()
    } else {
        reasons.join("; ")
    }
}

/// The program that removes a well-known finalizer.
fn owner_of(finalizer: &str) -> Option<&'static str> {
    let owner = match finalizer {
        "kubernetes.io/pvc-protection" => "kube-controller-manager, while a pod uses the claim",
        "kubernetes.io/pv-protection" => {
            "kube-controller-manager, while a claim is bound to the volume"
        }
        "kubernetes" => "the namespace controller, until everything in it is gone",
        "foregroundDeletion" => "the garbage collector, until what it owns is gone",
        "orphan" => "the garbage collector",
        "service.kubernetes.io/load-balancer-cleanup" => "the cloud's controller manager",
        "finalizers.fluxcd.io" => {
            "Flux: the controller of its kind, which needs its service account to prune"
        }
        "resources-finalizer.argocd.argoproj.io" => "Argo CD's application controller",
        "externalsecrets.external-secrets.io/externalsecret-cleanup" => {
            "the External Secrets Operator"
        }
        "batch.kubernetes.io/job-tracking" => "the job controller",
        _ => return owner_of_domain(finalizer),
    };
    Some(owner)
}

/// The program that removes every finalizer of a domain.
fn owner_of_domain(finalizer: &str) -> Option<&'static str> {
    let (domain, _) = finalizer.split_once('/')?;
    match domain {
        "external-attacher" => Some("the CSI driver's attacher"),
        "snapshot.storage.kubernetes.io" => Some("the snapshot controller"),
        "ingress.k8s.aws" | "elbv2.k8s.aws" => Some("the AWS load balancer controller"),
        "networking.gke.io" => Some("GKE's ingress controller"),
        _ => None,
    }
}

/// A length of time, for people.
pub fn length(seconds: i64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

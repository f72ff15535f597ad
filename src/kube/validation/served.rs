//! Versions of Kubernetes' own kinds that no API server serves, or that newer ones do not.
//!
//! Source: kubernetes.io/docs/reference/using-api/deprecation-guide.

use super::schema;
use crate::kube::{ObjectId, kinds};

/// Versions that were served once: the apiVersion, and the first minor of Kubernetes 1 without it.
static REMOVED: [(&str, u32); 22] = [
    ("admissionregistration.k8s.io/v1beta1", 22),
    ("apiextensions.k8s.io/v1beta1", 22),
    ("apps/v1beta1", 16),
    ("apps/v1beta2", 16),
    ("authentication.k8s.io/v1beta1", 22),
    ("authorization.k8s.io/v1beta1", 22),
    ("autoscaling/v2beta1", 25),
    ("autoscaling/v2beta2", 26),
    ("batch/v1beta1", 25),
    ("certificates.k8s.io/v1beta1", 22),
    ("coordination.k8s.io/v1beta1", 22),
    ("discovery.k8s.io/v1beta1", 25),
    ("events.k8s.io/v1beta1", 25),
    ("extensions/v1beta1", 22),
    ("flowcontrol.apiserver.k8s.io/v1beta1", 26),
    ("flowcontrol.apiserver.k8s.io/v1beta2", 29),
    ("flowcontrol.apiserver.k8s.io/v1beta3", 32),
    ("networking.k8s.io/v1beta1", 22),
    ("node.k8s.io/v1beta1", 25),
    ("policy/v1beta1", 25),
    ("rbac.authorization.k8s.io/v1beta1", 22),
    ("scheduling.k8s.io/v1beta1", 22),
];

/// Whether no API server of a minor of Kubernetes 1 serves an object's version. `minor` is `None` if it
/// is not known: then the newest counts. An alpha or beta version that is not known may be newer, or
/// switched on.
pub fn is_unserved(id: &ObjectId, api_version: &str, minor: Option<u32>) -> bool {
    if !kinds::is_complete(&id.group) || schema::has(api_version, &id.kind) {
        return false;
    }
    let removed = REMOVED.iter().find(|(version, _)| *version == api_version);
    if let Some((_, first)) = removed {
        return minor.is_none_or(|minor| minor >= *first);
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let is_stable = version
        .strip_prefix('v')
        .is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let is_early = version.contains("alpha") || version.contains("beta");
    is_stable || !is_early
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unserved(group: &str, kind: &str, version: &str, minor: Option<u32>) -> bool {
        let id = ObjectId {
            group: group.into(),
            kind: kind.into(),
            namespace: "a".into(),
            name: "b".into(),
        };
        is_unserved(&id, version, minor)
    }

    #[test]
    fn a_version_that_no_server_serves_is_known() {
        assert!(unserved("apps", "Deployment", "apps/v9", None));
        assert!(unserved("", "ConfigMap", "v2", Some(30)));
        assert!(unserved("batch", "CronJob", "batch/v1beta1", None));
        assert!(unserved("batch", "CronJob", "batch/v1beta1", Some(25)));
        assert!(!unserved("batch", "CronJob", "batch/v1beta1", Some(24)));
        assert!(!unserved("batch", "CronJob", "batch/v1", None));
        assert!(!unserved("apps", "Deployment", "apps/v2beta1", None));
        assert!(!unserved("example.com", "Widget", "example.com/v9", None));
    }
}

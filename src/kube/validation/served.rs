//! Versions of Kubernetes' own kinds that the API server of a minor does not serve.
//!
//! Source: the table of [`schema`]; before its minors,
//! kubernetes.io/docs/reference/using-api/deprecation-guide.

use super::minors::{self, MinorRange, NEWEST_MINOR, OLDEST_MINOR};
use super::schema;
use crate::kube::{ObjectId, kinds};
use std::fmt;

/// Versions that no minor of the table serves: the apiVersion, and the first minor without it.
static REMOVED: [(&str, u32); 21] = [
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
    ("networking.k8s.io/v1beta1", 22),
    ("node.k8s.io/v1beta1", 25),
    ("policy/v1beta1", 25),
    ("rbac.authorization.k8s.io/v1beta1", 22),
    ("scheduling.k8s.io/v1beta1", 22),
];

/// Why the API server of a cluster does not serve an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    /// The minor of Kubernetes 1 on the cluster, if it is known.
    pub minor: Option<u32>,
    /// The minors that serve it, if one that is known does.
    pub minors: Option<MinorRange>,
    kind: String,
    api_version: String,
}

/// A sentence: `Kubernetes 1.33 does not serve …`.
impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = minors::describe(self.minor);
        // A list of minors is many.
        let verb = match self.minor {
            Some(_) => "does",
            None => "do",
        };
        let Self {
            kind, api_version, ..
        } = self;
        write!(f, "{servers} {verb} not serve {kind} in {api_version}")?;
        match self.minors {
            Some(minors) => write!(f, "; {minors}"),
            None => Ok(()),
        }
    }
}

/// Finds the reason why the API server of a cluster does not serve an object's version. `minor` is that
/// of Kubernetes 1 on the cluster. If it is not known, a version that any minor serves is served, and
/// so is an alpha or beta version that no minor of the table has: it may be newer. An alpha or beta
/// version that is off by default counts as served.
pub fn find_unserved(id: &ObjectId, api_version: &str, minor: Option<u32>) -> Option<Unserved> {
    let minors = schema::minors_of(api_version, &id.kind);
    let is_served = match minors {
        Some(minors) => minors.has(minor),
        None => !kinds::is_complete(&id.group) || may_be_served(api_version, minor),
    };
    (!is_served).then(|| Unserved {
        minor,
        minors,
        kind: id.kind.to_string(),
        api_version: api_version.to_owned(),
    })
}

/// Whether a cluster may serve a version of a kind that the table does not have.
fn may_be_served(api_version: &str, minor: Option<u32>) -> bool {
    let removed = REMOVED.iter().find(|(version, _)| *version == api_version);
    if let Some((_, first)) = removed {
        return minor.is_some_and(|minor| minor < *first);
    }
    let is_in_table = minor.is_some_and(|minor| (OLDEST_MINOR..=NEWEST_MINOR).contains(&minor));
    let version = api_version.rsplit('/').next().unwrap_or_default();
    let is_early = version.contains("alpha") || version.contains("beta");
    is_early && !is_in_table
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
        find_unserved(&id, version, minor).is_some()
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
        assert!(unserved("policy", "Eviction", "policy/v1", None));
        assert!(unserved("apps", "Deployment", "apps/v2beta1", Some(34)));
        assert!(!unserved("apps", "Deployment", "apps/v2beta1", Some(38)));
    }
    #[test]
    fn removed_versions_are_listed_only_if_they_are_older_than_the_table() {
        for (version, first) in REMOVED {
            assert!(first <= OLDEST_MINOR, "{version}");
            assert!(!may_be_served(version, None), "{version}");
            assert!(!may_be_served(version, Some(first)), "{version}");
            assert!(may_be_served(version, Some(first - 1)), "{version}");
        }
    }
}

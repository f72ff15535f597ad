//! Versions of Kubernetes' own kinds that the API server of a minor does not serve.
//!
//! Source: the table of [`schema`]; before its minors,
//! kubernetes.io/docs/reference/using-api/deprecation-guide.

use super::minors::{MinorRange, NEWEST_MINOR, OLDEST_MINOR};
use super::schema;
use crate::kube::ObjectId;
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
    /// Whether it is a request or a report of an API server, which no server stores.
    pub is_request: bool,
    kind: String,
    api_version: String,
}

/// A clause: `Kubernetes 1.33 does not serve …`.
impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind, api_version, ..
        } = self;
        if self.is_request {
            return write!(
                f,
                "no API server stores {kind} in {api_version}: it is a request or a report"
            );
        }

        match self.minor {
            None => write!(
                f,
                "Kubernetes 1.{OLDEST_MINOR} to 1.{NEWEST_MINOR} do not serve "
            ),
            Some(minor) if minor > NEWEST_MINOR => write!(
                f,
                "tenantry knows Kubernetes up to 1.{NEWEST_MINOR}, which does not serve "
            ),
            Some(minor) if minor < OLDEST_MINOR => write!(
                f,
                "tenantry knows Kubernetes from 1.{OLDEST_MINOR} on, which does not serve "
            ),
            Some(minor) => write!(f, "Kubernetes 1.{minor} does not serve "),
        }?;
        write!(f, "{kind} in {api_version}")?;
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
    let is_request = schema::is_request(api_version, &id.kind);
    let is_served = match minors {
        _ if is_request => false,
        Some(minors) => minors.has(minor),
        None => !is_own(&id.group) || may_be_served(api_version, minor),
    };
    (!is_served).then(|| Unserved {
        minor,
        minors,
        is_request,
        kind: id.kind.to_string(),
        api_version: api_version.to_owned(),
    })
}

/// Whether a group is Kubernetes' own, so that no custom resource definition adds kinds to it.
fn is_own(group: &str) -> bool {
    let of_removed = |version: &str| version.split_once('/').map(|(group, _)| group) == Some(group);
    schema::is_own_group(group) || REMOVED.iter().any(|(version, _)| of_removed(version))
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
            let (group, _) = version.split_once('/').expect("a group");
            let unserved = |minor| unserved(group, "Anything", version, minor);
            assert!(first <= OLDEST_MINOR, "{version}");
            assert!(unserved(None), "{version}");
            assert!(unserved(Some(first)), "{version}");
            assert!(!unserved(Some(first - 1)), "{version}");
        }
    }

    #[test]
    fn a_kind_that_no_table_has_is_unserved_in_groups_of_kubernetes_alone() {
        let own = schema::own_groups().chain(["extensions"]);
        for group in own {
            let of = |version: &str| match group {
                "" => version.to_owned(),
                group => format!("{group}/{version}"),
            };
            for minor in [None, Some(OLDEST_MINOR), Some(NEWEST_MINOR)] {
                for version in ["v1", "v9"] {
                    assert!(unserved(group, "Misspelt", &of(version), minor), "{group}");
                }
                // It may be newer than the table.
                let is_early = unserved(group, "Misspelt", &of("v9alpha1"), minor);
                assert_eq!(is_early, minor.is_some(), "{group}");

                // A group of a CRD, or of an API server that is added.
                let added = format!("snapshot.{group}");
                let version = format!("{added}/v1");
                assert!(!unserved(&added, "Misspelt", &version, minor), "{added}");
            }
        }
        for group in ["metrics.k8s.io", "gateway.networking.k8s.io", "k8s.io"] {
            assert!(!unserved(group, "Any", &format!("{group}/v1"), Some(36)));
        }
    }

    #[test]
    fn each_minor_is_named_in_a_whole_sentence() {
        let id = ObjectId {
            group: "apps".into(),
            kind: "Deployment".into(),
            namespace: "a".into(),
            name: "b".into(),
        };
        for (minor, start) in [
            (None, "Kubernetes 1.30 to 1.37 do not serve"),
            (Some(33), "Kubernetes 1.33 does not serve"),
            (
                Some(40),
                "tenantry knows Kubernetes up to 1.37, which does not serve",
            ),
            (
                Some(29),
                "tenantry knows Kubernetes from 1.30 on, which does not serve",
            ),
        ] {
            let unserved = find_unserved(&id, "apps/v9", minor).expect("a reason");
            assert_eq!(
                unserved.to_string(),
                format!("{start} Deployment in apps/v9")
            );
        }
    }
}

//! The syncs of a tenant: the sources of its own manifests.

use crate::document::Spanned;
use crate::spec::leaf::{
    Duration, GitUrl, HelmUrl, Host, Line, Name, ObjectName, OciUrl, RelativePath,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a tenant's own manifests come from. Exactly one of git, oci, helm and bucket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sync {
    /// The name of the source and of the Kustomization or HelmRelease.
    pub name: Spanned<Name>,
    /// The namespace they run in, by its name in this tenant. The first when left out.
    pub namespace: Option<Spanned<Name>>,
    /// `tenant`: in the tenant's namespace. `system`: in Flux's, out of the tenant's reach.
    pub placement: Option<Placement>,
    /// A Git repository.
    pub git: Option<Spanned<GitSource>>,
    /// An OCI artifact.
    pub oci: Option<Spanned<OciSource>>,
    /// A Helm chart.
    pub helm: Option<Spanned<HelmSource>>,
    /// An S3-compatible bucket.
    pub bucket: Option<Spanned<BucketSource>>,
    /// The folder inside the source; its root when left out.
    pub path: Option<RelativePath>,
    /// How often to look; 10m when left out.
    pub interval: Option<Duration>,
    /// How long an apply may take; 5m when left out.
    pub timeout: Option<Duration>,
    /// Whether what left the source leaves the cluster; true when left out.
    pub prune: Option<bool>,
    /// Whether to wait until all is healthy; false when left out.
    pub wait: Option<bool>,
    /// Puts every object into this namespace. Only for a tenant with one namespace.
    pub target_namespace: Option<Spanned<Name>>,
    /// The role of the sync's service account; `deployer` when left out.
    pub role: Option<Spanned<Name>>,
    /// A signature that the source must carry.
    pub verify: Option<Verify>,
    /// Credentials for the source.
    pub auth: Option<SecretHolder>,
    /// The key that decrypts SOPS files: the tenant's own.
    pub decryption: Option<SecretHolder>,
    /// Where to tell of failures.
    pub notifications: Option<Vec<Notification>>,
}

/// Where a sync's objects live.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum Placement {
    /// In the tenant's namespace.
    Tenant,
    /// In Flux's namespace.
    System,
}

/// A Git repository. At most one of branch, tag, semver and commit.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSource {
    /// `https://` or `ssh://`.
    pub url: GitUrl,
    /// A branch; `main` when nothing is named.
    pub branch: Option<Line>,
    /// A tag.
    pub tag: Option<Line>,
    /// The newest tag in a range.
    pub semver: Option<Line>,
    /// A commit.
    pub commit: Option<Line>,
}

/// An OCI artifact. At most one of tag, semver and digest.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciSource {
    /// `oci://`.
    pub url: OciUrl,
    /// A tag; `latest` when nothing is named.
    pub tag: Option<Line>,
    /// The newest tag in a range.
    pub semver: Option<Line>,
    /// A digest.
    pub digest: Option<Line>,
}

/// A Helm chart.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmSource {
    /// The repository: `https://` or `oci://`.
    pub url: HelmUrl,
    /// The chart's name.
    pub chart: Line,
    /// The chart's version or range.
    pub version: Option<Line>,
}

/// An S3-compatible bucket.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSource {
    /// The host of the service.
    pub endpoint: Host,
    /// The bucket's name.
    pub name: Line,
    /// The region.
    pub region: Option<Line>,
}

/// A signature that a source must carry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// Keyless, by the identity that signed. OCI artifacts only.
    pub cosign: Spanned<Cosign>,
}

/// The identity that signed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cosign {
    /// A regular expression for the issuer, anchored by `^` and `$`.
    #[schemars(regex(pattern = r"^\^.*\$$"))]
    pub issuer: String,
    /// A regular expression for the subject, anchored by `^` and `$`.
    #[schemars(regex(pattern = r"^\^.*\$$"))]
    pub subject: String,
}

/// A Secret of the namespace the sync runs in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretHolder {
    /// The Secret's name.
    pub secret_ref: ObjectName,
}

/// Where to tell of failures.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notification {
    /// The kind of service: `slack`, `msteams`, `generic`, `github` …
    #[serde(rename = "type")]
    pub kind: Name,
    /// The Secret that holds its address.
    pub secret_ref: ObjectName,
}

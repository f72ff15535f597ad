//! The syncs of a tenant: the sources of its own manifests.

use crate::document::Spanned;
use crate::spec::leaf::{
    BucketName, ChartName, Duration, GitCommit, GitRef, GitUrl, HelmUrl, Host, Line, Name,
    ObjectName, OciDigest, OciTag, OciUrl, RelativePath, VersionRange,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a tenant's own manifests come from. Exactly one of git, oci, helm and bucket.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Sync")]
pub struct SyncSpec {
    /// The name of the sync. Two syncs of a tenant have two names.
    ///
    /// Renders: the name of the source, and of the Kustomization or HelmRelease: `NAME`, or
    /// `sync.TENANT.NAME` with `placement: system`.
    /// Rules: `tenancy/derived-name`, `bundle/duplicate-object`.
    pub name: Spanned<Name>,
    /// The namespace that the sync belongs to, by its name in this file.
    ///
    /// Default: the tenant's first namespace.
    /// Renders: `metadata.namespace` of the Flux objects, with `placement: tenant`.
    /// Rules: `network/unknown-peer`.
    pub namespace: Option<Spanned<Name>>,
    /// Where the Flux objects are: `tenant` is the tenant's namespace, `system` is the namespace of
    /// Flux, which the tenant cannot write to.
    ///
    /// Default: `tenant`.
    /// Renders: the namespace, names and service account of the Flux objects.
    /// Rules: `gitops/sync`.
    pub placement: Option<Placement>,
    /// A Git repository. A sync names one of `git`, `oci`, `helm` and `bucket`.
    ///
    /// Default: none.
    /// Renders: a GitRepository and a Kustomization.
    /// Rules: `spec/one-of`.
    pub git: Option<Spanned<GitSource>>,
    /// An OCI artifact with manifests.
    ///
    /// Default: none.
    /// Renders: an OCIRepository and a Kustomization.
    /// Rules: `spec/one-of`.
    pub oci: Option<Spanned<OciSource>>,
    /// A Helm chart.
    ///
    /// Default: none.
    /// Renders: a HelmRepository and a HelmRelease.
    /// Rules: `spec/one-of`.
    pub helm: Option<Spanned<HelmSource>>,
    /// A bucket that speaks S3.
    ///
    /// Default: none.
    /// Renders: a Bucket and a Kustomization.
    /// Rules: `spec/one-of`.
    pub bucket: Option<Spanned<BucketSource>>,
    /// The folder inside the source. A Helm chart has none.
    ///
    /// Default: `./`, the root.
    /// Renders: `spec.path` of the Kustomization.
    pub path: Option<RelativePath>,
    /// How often Flux looks at the source and applies it. At least 30s.
    ///
    /// Default: `10m`.
    /// Renders: `spec.interval` of the Flux objects.
    /// Rules: `gitops/sync`.
    pub interval: Option<Duration>,
    /// How long an apply may take. At least 30s.
    ///
    /// Default: `5m`.
    /// Renders: `spec.timeout` of the Kustomization or HelmRelease.
    /// Rules: `gitops/sync`.
    pub timeout: Option<Duration>,
    /// Whether Flux deletes objects that have left the source.
    ///
    /// Default: true.
    /// Renders: `spec.prune` of the Kustomization.
    /// Rules: none.
    pub prune: Option<bool>,
    /// Whether Flux waits until all applied objects are healthy.
    ///
    /// Default: false.
    /// Renders: `spec.wait` of the Kustomization.
    /// Rules: none.
    pub wait: Option<bool>,
    /// A namespace that every object of the source is put into. Only a tenant with one namespace
    /// may set it.
    ///
    /// Default: none; a HelmRelease always has the namespace of its sync.
    /// Renders: `spec.targetNamespace` of the Kustomization.
    /// Rules: `gitops/sync`.
    pub target_namespace: Option<Spanned<Name>>,
    /// The role of the service account that Flux applies the source with.
    ///
    /// Default: `deployer`.
    /// Renders: the ServiceAccount `ROLE` (`sync.TENANT.ROLE` with `placement: system`), and its
    /// RoleBindings in every namespace of the tenant.
    /// Rules: `tenancy/unknown-role`, `api/wildcard-role`.
    pub role: Option<Spanned<Name>>,
    /// A signature that the source must carry. Only for `oci`.
    ///
    /// Default: none.
    /// Renders: `spec.verify` of the OCIRepository.
    /// Rules: `spec/one-of`.
    pub verify: Option<VerifySpec>,
    /// The Secret with the credentials for the source.
    ///
    /// Default: none.
    /// Renders: see its fields.
    pub auth: Option<SecretHolder>,
    /// The Secret with the key that decrypts SOPS files.
    ///
    /// Default: none.
    /// Renders: `spec.decryption` of the Kustomization, with the provider `sops`.
    pub decryption: Option<SecretHolder>,
    /// The services that Flux reports failures to.
    ///
    /// Default: none.
    /// Renders: a Provider and an Alert for each entry.
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
    /// The address: `https://` or `ssh://`.
    ///
    /// Renders: `spec.url` of the GitRepository.
    pub url: GitUrl,
    /// A branch. At most one of `branch`, `tag`, `semver` and `commit` is named.
    ///
    /// Default: `main`, if none of the four is named.
    /// Renders: `spec.ref.branch`.
    /// Rules: `spec/one-of`.
    pub branch: Option<GitRef>,
    /// A tag.
    ///
    /// Default: none.
    /// Renders: `spec.ref.tag`.
    /// Rules: `spec/one-of`.
    pub tag: Option<GitRef>,
    /// A range of versions, of which Flux takes the newest tag.
    ///
    /// Default: none.
    /// Renders: `spec.ref.semver`.
    /// Rules: `spec/one-of`.
    pub semver: Option<VersionRange>,
    /// A commit.
    ///
    /// Default: none.
    /// Renders: `spec.ref.commit`.
    /// Rules: `spec/one-of`.
    pub commit: Option<GitCommit>,
}

/// An OCI artifact. At most one of tag, semver and digest.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OciSource {
    /// The address: `oci://`.
    ///
    /// Renders: `spec.url` of the OCIRepository.
    pub url: OciUrl,
    /// A tag. At most one of `tag`, `semver` and `digest` is named.
    ///
    /// Default: `latest`, if none of the three is named.
    /// Renders: `spec.ref.tag`.
    /// Rules: `spec/one-of`.
    pub tag: Option<OciTag>,
    /// A range of versions, of which Flux takes the newest tag.
    ///
    /// Default: none.
    /// Renders: `spec.ref.semver`.
    /// Rules: `spec/one-of`.
    pub semver: Option<VersionRange>,
    /// A digest.
    ///
    /// Default: none.
    /// Renders: `spec.ref.digest`.
    /// Rules: `spec/one-of`.
    pub digest: Option<OciDigest>,
}

/// A Helm chart.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HelmSource {
    /// The chart repository: `https://` or `oci://`.
    ///
    /// Renders: `spec.url` of the HelmRepository, and `type: oci` for `oci://`.
    pub url: HelmUrl,
    /// The name of the chart.
    ///
    /// Renders: `spec.chart.spec.chart` of the HelmRelease.
    pub chart: ChartName,
    /// A version of the chart, or a range of versions.
    ///
    /// Default: none; Flux takes the newest.
    /// Renders: `spec.chart.spec.version` of the HelmRelease.
    pub version: Option<VersionRange>,
}

/// An S3-compatible bucket.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSource {
    /// The host of the service.
    ///
    /// Renders: `spec.endpoint` of the Bucket.
    pub endpoint: Host,
    /// The name of the bucket.
    ///
    /// Renders: `spec.bucketName` of the Bucket.
    pub name: BucketName,
    /// The region.
    ///
    /// Default: none.
    /// Renders: `spec.region` of the Bucket.
    pub region: Option<Line>,
}

/// A signature that a source must carry.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "Verify")]
pub struct VerifySpec {
    /// The identity of a keyless cosign signature.
    ///
    /// Renders: `verify.provider: cosign` of the source.
    pub cosign: Spanned<Cosign>,
}

/// The identity that signed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cosign {
    /// A regular expression for the issuer. It begins with `^` and ends with `$`.
    ///
    /// Renders: `verify.matchOIDCIdentity[].issuer`.
    #[schemars(regex(pattern = r"^\^.*\$$"))]
    pub issuer: String,
    /// A regular expression for the subject. It begins with `^` and ends with `$`.
    ///
    /// Renders: `verify.matchOIDCIdentity[].subject`.
    #[schemars(regex(pattern = r"^\^.*\$$"))]
    pub subject: String,
}

/// A Secret of the namespace the sync runs in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretHolder {
    /// The name of the Secret, in the namespace of the Flux objects. In Flux's own namespace
    /// (`placement: system`, and the key of `manifests`) it begins with `TENANT.`.
    ///
    /// Renders: a `secretRef`.
    /// Rules: `gitops/sync`, `gitops/manifests-key`.
    pub secret_ref: ObjectName,
}

/// Where to tell of failures.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notification {
    /// The kind of service, as Flux names it: `slack`, `msteams`, `generic`, `github` and others.
    ///
    /// Renders: `spec.type` of the Provider.
    #[serde(rename = "type")]
    pub kind: Name,
    /// The Secret with the address of the service. With `placement: system` its name begins with
    /// `TENANT.`.
    ///
    /// Renders: `spec.secretRef` of the Provider.
    /// Rules: `gitops/sync`.
    pub secret_ref: ObjectName,
}

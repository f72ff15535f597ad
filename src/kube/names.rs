//! Keys of labels and annotations that more than one stage sets or reads.

/// Label on every rendered object: the fleet that renders it (`metadata.name` of the fleet).
pub const OWNER_LABEL: &str = "tenantry.dev/owner";

/// Label on every object of a tenant: the name of the tenant.
pub const TENANT_LABEL: &str = "tenantry.dev/tenant";

/// Label that Kubernetes gives each Namespace, with its name. Nobody can change it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Prefix of the labels of a Namespace that choose its Pod Security levels.
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/";

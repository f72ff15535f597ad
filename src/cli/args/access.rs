//! The flags of `can` and `who-can`.

use super::{ExtraArgs, values};
use clap::Args;
use tenantry::graph::rbac::Subject;

/// A verb on a resource or a path.
#[derive(Clone, Debug, Args)]
pub struct AccessArgs {
    /// Ask about this verb: get, create, impersonate … or `*`
    #[arg(value_parser = values::verb)]
    pub verb: String,
    /// Ask about this resource (`pods`, `pods/exec`, `deployments.apps`) or path (`/metrics`)
    #[arg(value_parser = values::not_empty)]
    pub resource: String,
    /// Ask about the object of this name [default: every object]
    #[arg(value_parser = values::not_empty)]
    pub name: Option<String>,
    /// Ask about this namespace [default: the resources of the whole cluster]
    #[arg(short, long, value_name = "NAME", value_parser = values::namespace)]
    pub namespace: Option<String>,
    /// Place manifests of --also that name no namespace in this one, as `kubectl apply -n` does
    #[arg(long, value_name = "NAME", value_parser = values::namespace)]
    pub manifest_namespace: Option<String>,
}

/// Flags of `can`.
#[derive(Debug, Args)]
pub struct CanArgs {
    /// Ask about this subject: user:NAME, group:NAME or serviceaccount:NAMESPACE:NAME (or sa:…)
    #[arg(value_parser = values::subject)]
    pub subject: Subject,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub access: AccessArgs,
    /// Count only the subject's own grants, and not those of service accounts that it can act as
    #[arg(long)]
    pub direct: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: ExtraArgs,
}

/// Flags of `who-can`.
#[derive(Debug, Args)]
pub struct WhoCanArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub access: AccessArgs,
    /// List only subjects that it is granted to, and not those that can act as them
    #[arg(long)]
    pub direct: bool,
    /// List only subjects of tenants, and groups that tenants are in
    #[arg(long)]
    pub tenants: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub beside: ExtraArgs,
}

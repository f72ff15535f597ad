//! What a fleet gives to single tenants: labels, and SOPS recipients.

use super::leaf::{Keyed, LabelKey, LabelValue, Line, Name};
use crate::document::Spanned;
use schemars::JsonSchema;
use serde::Deserialize;

/// Labels that the platform gives some tenants.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantLabels {
    /// The labels.
    ///
    /// Renders: nothing.
    pub labels: Keyed<LabelKey, LabelValue>,
    /// The tenants that have them, by name. Of two entries that give a tenant the same key, the last
    /// one wins.
    ///
    /// Renders: nothing.
    pub tenants: Vec<Name>,
}

/// SOPS recipients that are one tenant's.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantRecipients {
    /// The tenant, by name.
    ///
    /// Renders: nothing.
    pub tenant: Spanned<Name>,
    /// The recipients: a public key of age, a full fingerprint of PGP, the name of a key of a cloud or
    /// of Vault; docs/tenant.md lists the spellings.
    ///
    /// Renders: nothing.
    /// Rules: `tenancy/fleet`.
    pub recipients: Vec<Spanned<Line>>,
}

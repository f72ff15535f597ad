//! Documents → typed Fleet, Profile, Waiver and Tenant.
//!
//! A document is checked against its JSON Schema first, and then by the rules that a schema cannot
//! state. A tenant and a profile stay trees until they are merged, so that every value keeps its
//! place. The schema ensures that the merged tree converts.

mod check;
pub mod duration;
pub mod field_table;
pub mod fields;
mod given;
mod settled;
pub mod fleet;
pub mod leaf;
mod load;
mod names;
pub mod schema;
mod schema_faults;
mod schema_types;
mod shapes;
mod sound_part;
mod source_names;
pub mod tenant;

pub use check::{
    CONTROL_CHARACTER, INVALID_VALUE, MISPLACED, MISSING_FIELD, NO_FLEET, NO_KIND, NULL, ONE_OF,
    UNKNOWN_FIELD, UNKNOWN_KIND, WRONG_TYPE, shorten,
};
pub use load::{FleetHome, Loaded, blame_files, load, load_profiles, prepare};
pub use names::NameIndex;
pub use schema_faults::check_schema;

use crate::diagnostic::nearest;
use crate::document::{Node, NodeValue, Spanned};
use crate::plain::plain;
use crate::source::{SourceId, Span};
use fleet::FleetSpec;
use std::collections::BTreeMap;
use tenant::{ProfileSpec, WaiverSpec};

/// A file to read specs from.
#[derive(Clone, Debug)]
pub struct SpecFile {
    /// The text.
    pub source: SourceId,
    /// The name of the checkout it comes from, if that is one of the fleet's sources.
    pub origin: Option<String>,
}

/// The document of the fleet.
#[derive(Debug)]
pub struct FleetDoc {
    /// The name of the fleet.
    pub name: Spanned<String>,
    /// The settings.
    pub spec: FleetSpec,
    /// The digest of its document.
    pub digest: String,
}

/// The document of a profile.
#[derive(Debug)]
pub struct ProfileDoc {
    /// The name of the profile.
    pub name: Spanned<String>,
    /// The settings.
    pub spec: ProfileSpec,
    /// The tree of its `defaults`.
    pub defaults: Option<Node>,
    /// The tree of its `ceiling`.
    pub ceiling: Option<Node>,
}

/// The document of a waiver.
#[derive(Debug)]
pub struct WaiverDoc {
    /// The name of the waiver.
    pub name: Spanned<String>,
    /// The settings.
    pub spec: WaiverSpec,
}

/// The document of a tenant, not merged with its profile yet.
#[derive(Debug)]
pub struct TenantDoc {
    /// The name of the tenant.
    pub name: Spanned<String>,
    /// The tree of its `metadata`.
    pub metadata: Node,
    /// The tree of its `spec`.
    pub spec: Node,
    /// The name of the checkout it comes from, if that is one of the fleet's sources.
    pub origin: Option<String>,
}

impl TenantDoc {
    /// Drops the trees and keeps the name. Ten thousand trees take much memory.
    #[must_use]
    pub fn without_body(self) -> Self {
        let span = self.name.span;
        let nothing = || Node::new(span, NodeValue::Null);
        Self {
            metadata: nothing(),
            spec: nothing(),
            ..self
        }
    }
}

/// A document of another group than tenantry's.
#[derive(Debug)]
pub struct Skipped {
    /// The place of the document.
    pub span: Span,
    /// Its group, version and kind.
    pub what: String,
}

/// Every document of a fleet.
#[derive(Debug, Default)]
pub struct Specs {
    /// The fleet, if its file could be read.
    pub fleet: Option<FleetDoc>,
    /// Profiles by name, without the built-in ones.
    pub profiles: BTreeMap<String, ProfileDoc>,
    /// Waivers, in the order of their files.
    pub waivers: Vec<WaiverDoc>,
    /// Tenants, in the order of their files. Only their names once they are resolved.
    pub tenants: Vec<TenantDoc>,
    /// Documents of other groups.
    pub skipped: Vec<Skipped>,
}

/// Asks whether the nearest of the known names was meant. Empty if none is near.
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean_or(unknown, known, String::new)
}

/// Asks whether the nearest of the known names was meant; another text if none is near.
pub fn did_you_mean_or<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(unknown, known)
        .map_or_else(otherwise, |name| format!("did you mean `{}`?", plain(name)))
}

/// Asks whether the nearest of the known names was meant; lists the first twelve if none is near.
pub fn one_of_these<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    did_you_mean_or(unknown, known.iter().copied(), || match known.as_slice() {
        [] => "there is none".to_owned(),
        all => format!("known: {}", plain(&all[..all.len().min(12)].join(", "))),
    })
}

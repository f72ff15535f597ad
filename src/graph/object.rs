//! Where the things of a graph come from.

use crate::source::Place;

/// Which of the inputs an object came in by, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// tenantry renders it.
    Rendered,
    /// A manifest that tenantry does not render.
    Manifest,
    /// A snapshot of a live cluster.
    Snapshot,
    /// Kubernetes makes it by itself.
    Builtin,
}

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The input.
    pub input: Input,
    /// The object; for a rendered one, what in a spec it is rendered from.
    pub place: Place,
}

//! Facts about Kubernetes itself: the identity of an object, the table of kinds,
//! label selectors, the keys of labels and annotations, and quantities.
//! Nothing here knows of tenants.

pub mod id;
pub mod kinds;
pub mod labels;
pub mod names;
pub mod network_plugin;
pub mod quantity;
pub mod resources;
pub mod validation;

pub use id::{ObjectId, RBAC};
pub use quantity::Quantity;

//! Objects → files: where each is placed, what is written, what is refused.
//!
//! This stage places text and never serialises an object again. It does no IO: what is on disk
//! comes in as digests, and a plan goes out.
//!
//! | module | in → out |
//! |---|---|
//! | `layout` | the kind of a file ↔ its path |
//! | `shards`, `sizing` | a tenant → the unit that it is in |
//! | `record`, `lock` | what was written before ↔ text |
//! | `quarantine` | a name × those of removed tenants → whether it may be taken |
//! | `moves` | rendered objects × records → what may not be written |
//! | `build` | rendered objects → the files that should be there |
//! | `plan` | those files × the disk → what to write and delete |
//! | `check` | those files × the disk → what differs |
//! | `hidden` | those files × patterns of the source → which of them Flux does not apply |
//! | `since` | those files × the tree at a revision → what no render explains |

mod applied;
mod artifacts;
mod build;
mod check;
mod cluster_entry;
mod entry;
mod hidden;
mod layout;
mod lock;
mod model;
mod moves;
mod plan;
mod quarantine;
mod record;
mod shards;
mod since;
mod sizing;

pub use applied::{ENTRY_NOT_LISTED, OwnPaths, PATH_APPLIED_TWICE, REPOSITORY_PATH, check_applied};
pub use artifacts::NO_REGISTRY;
pub use build::{build, entry_path, header};
pub use check::{BEHIND, Behind, STALE, TreeRevision, Written, check as check_disk};
pub use cluster_entry::ClusterEntry;
pub use entry::{ENTRY, PLATFORM, TreeUnit, core_of, is_manifest_unit, late_of, manifests_of};
pub use hidden::{HIDDEN_FILE, IgnoreFiles, hidden_files};
pub use layout::{
    ClusterFolder, FileKind, Layout, Record, TenantPart, is_below_tree, tree_folders,
};
pub use lock::{LOCK_INVALID, Lock, Tombstone};
pub use model::{Artifact, DesiredFile, Tree, TreeRequest};
pub use moves::{
    ANOTHER_FLEET, MANIFESTS_WITH_FLOOR, OBJECT_MOVED, UNKNOWN_CLUSTER, UNRETIRED_REMOVAL,
    check_moves,
};
pub use plan::{Disk, EDITED, FOREIGN_FILE, OnDisk, Plan, plan};
pub use quarantine::QUARANTINED;
pub use record::{FileEntry, digest, namespaces as namespaces_of, record_range};
pub use shards::kustomization_of;
pub use since::{Allowed, Change, FIRST_RENDER, UNAPPROVED_ADOPTION, UNEXPLAINED, unexplained};
pub use sizing::OUTGROWN;

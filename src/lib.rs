//! tenantry compiles a directory of tenant specs into a hardened tree that Flux applies.
//!
//! ```text
//! bytes ─► source ─► document ─► spec ─► tenancy ─► bundle ─┬─► tree
//!                                                           └─► graph ─► isolation
//!            manifests from elsewhere, a cluster's snapshot ──────┘
//! ```
//!
//! | stage | in → out | what can no longer happen after it |
//! |---|---|---|
//! | [`source`] | (path, bytes) → texts with a line index | not UTF-8, too large, a path that leaves the root |
//! | [`document`] | text → a tree where every key and value has a place | a syntax error, a duplicate key, an alias bomb, a scalar that readers disagree on |
//! | [`spec`] | documents × JSON Schema → Fleet, Profile, Waiver, Tenant | an unknown field, a wrong type, a malformed name, quantity, network, host |
//! | [`tenancy`] | all specs → tenants with every default filled in and every reference resolved | a dangling reference, two claims on one thing, a loosening without a waiver |
//! | [`bundle`] | tenant × templates → objects, each with its origin | an undefined variable, an injected object, one that its schema refuses |
//! | [`graph`] | objects → clusters: namespaces, owners, grants, policies | an object that nobody counted |
//! | [`isolation`] | a cluster → verdicts, each with its chain | |
//! | [`tree`] | objects → files, the lock, a plan | an object that moves, a namespace that goes unseen, somebody else's file |
//!
//! The library does no IO and reads no clock: the program (`main.rs`, `shell/`) does. A stage
//! returns its value and its findings together; a finding belongs to a tenant, whose last rendered
//! files are then held, or to the fleet.
//!
//! [`kube`] holds the facts about Kubernetes that every stage uses: object identities, label selectors,
//! quantities. [`compile`] is the stages one after the other.
//!
//! Modules stand in the order of the data; each names only those above it.

#![deny(clippy::disallowed_methods)]
#![warn(missing_docs)]

pub mod span;
pub mod diagnostic;
pub mod source;
pub mod value;
pub mod document;
pub mod expression;
pub mod kube;
pub mod netpol;
pub mod spec;
pub mod delivery;
pub mod tenancy;
pub mod bundle;
pub mod graph;
pub mod isolation;
pub mod tree;
pub mod live;
pub mod import;
pub mod compile;
pub mod catalog;
pub mod report;

//! tenantry compiles a directory of tenant specs into a hardened tree that Flux applies.
//!
//! ```text
//! bytes ─► source ─► document ─► spec ─► tenancy ─► bundle ─┬─► tree
//!                                                           └─► graph ─► isolation
//!            manifests from elsewhere, a cluster's snapshot ──────┘
//! ```
//!
//! | stage | in → out | faults that it excludes for the later stages |
//! |---|---|---|
//! | [`source`] | (path, bytes) → texts with a line index | not UTF-8, too large, a path that leaves the root |
//! | [`document`] | text → a tree where every key and value has a span | a syntax error, a duplicate key, an alias bomb, a scalar that readers disagree on |
//! | [`spec`] | documents × JSON Schema → Fleet, Profile, Waiver, Tenant | an unknown field, a wrong type, a malformed name, quantity, network, host |
//! | [`tenancy`] | all specs → tenants with every default filled in and every reference resolved | a dangling reference, two claims on one thing, an exception without a waiver |
//! | [`bundle`] | tenant × templates → objects, each with its origin | an undefined variable, an injected object, an object that its schema refuses |
//! | [`graph`] | objects → clusters: namespaces, owners, grants, policies | an object that is not counted |
//! | [`isolation`] | a cluster → verdicts, each with its chain | |
//! | [`tree`] | objects → files, the lock, a plan | an object that moves, a namespace that disappears unnoticed, a foreign file |
//!
//! The library does no IO and reads no clock. The program (`main.rs`, `cli/`) does both.
//!
//! A stage returns its value and its findings together. A finding belongs to a tenant or to the
//! fleet. A tenant with an error is held.
//!
//! [`kube`] holds the facts about Kubernetes that every stage uses: object identities, the table of
//! kinds, label selectors, quantities. [`host`] reads which hosts an object serves. [`compile`] runs the stages one after the other. [`live`]
//! compares a live cluster with the rendered objects. [`import`] writes specs for running namespaces. [`catalog`]
//! lists every rule, and [`report`] writes findings in each format.
//!
//! Modules stand in the order of the data. Each names only those above it.
//!
//! # Glossary
//!
//! The same list as docs/glossary.md.
//!
//! - **edge**: a network connection between two tenants, or between a tenant and an endpoint of the
//!   platform or a network. An edge between two tenants is open only if both declare it.
//! - **fleet**: all clusters and all tenants that one `tenants/fleet.yaml` describes.
//! - **floor**: the objects of a namespace that keep its tenant isolated. They are the Namespace
//!   with its Pod Security labels, the `default` ServiceAccount without a token, the
//!   NetworkPolicies, the ResourceQuota and the LimitRange.
//! - **held**: a tenant with an error is held: its last rendered files stay as they are. It also
//!   keeps its names, hosts and edges.
//! - **lock**: the file `tenantry.lock`. It records how each cluster was rendered, and which tenants
//!   were removed.
//! - **plane**: one of the six areas of the proof: api, network, gitops, admission, resources and
//!   data. Each plane has a verdict.
//! - **principal**: a user, a group or a service account. These are the subjects that Kubernetes
//!   authorizes.
//! - **record**: the second line of each rendered file, which is a comment. It states the file's
//!   tenant, digest, objects and claims.
//! - **ring**: a named group of clusters that are rendered at the same time, such as `early`.
//! - **tombstone**: an entry of the lock for a removed tenant or a removed namespace. It keeps the
//!   names from other tenants.
//! - **tree**: the folder of rendered files that Flux applies: `rendered/`, unless `--tree` names
//!   another one.
//! - **unit**: the part of the tree that one Flux Kustomization applies. It holds one tenant, or a
//!   shard of many tenants.
//! - **verbatim file**: a file of Kubernetes objects that a tenant names under `manifests`. Its
//!   objects are checked, and rendered as they are written.
//! - **waiver**: a document that permits one tenant an exception from one rule until a date.

#![deny(clippy::disallowed_methods)]
#![warn(missing_docs)]

pub mod plain;
pub mod markdown;
pub mod span;
pub mod diagnostic;
pub mod source;
pub mod value;
pub mod document;
pub mod expression;
pub mod kube;
pub mod netpol;
pub mod host;
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

//! tenantry
pub mod bundle;
pub mod catalog;
pub mod compile;
pub mod diagnostic;
pub mod document;
pub mod expression;
pub mod import;
pub mod report;
pub mod source;
pub mod spec;
pub mod tenancy;
pub mod tree;

//! tenantry
pub mod diagnostic;
pub mod source;
pub mod document;
pub mod expression;
pub mod spec;
pub mod tenancy;
pub mod bundle;
pub mod tree;
pub mod compile;
pub mod import;
pub mod catalog;
pub mod report;

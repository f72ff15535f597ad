//! specs
pub mod fleet;
pub mod leaf;
pub mod quantity;
pub mod tenant;

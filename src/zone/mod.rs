//! PrivateLoadZone.

pub mod api;
pub mod quantity;
pub mod template;
